"""What a case of the corpus is, and the table that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel
from langgraph.types import Command, Interrupt

Graph: TypeAlias = Pregel[Any, Any, Any, Any]
Saver: TypeAlias = BaseCheckpointSaver[Any] | None
End: TypeAlias = Literal["complete", "interrupted", "error"]

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


class Next(Enum):
    """How a case goes on after a run, where no question waits for an answer."""

    CONTINUE = "no input: go on from the checkpoint"
    REPEAT = "the same input again"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One graph that shows one shape of stream.

    `about` names the shape. `ends` says how each run ends, the first one and those that `follow` it. `resume`
    makes the answer to the open interrupts, or says what to do instead. `pauses` means that it needs a
    checkpointer. `async_only` graphs cannot be run sync, or not safely. `needs` is a `module:attr` that
    must be importable, see `available`.
    """

    name: str
    about: str
    make: Callable[[Saver], Graph]
    input: Any
    ends: tuple[End, ...]
    resume: Callable[[Sequence[Interrupt]], Any] | Next | None
    pauses: bool
    async_only: bool
    needs: str

    def build(self, checkpointer: Saver = None) -> Graph:
        """Compile a fresh graph; a case that pauses gets a new `InMemorySaver` when none is given."""
        return self.make(InMemorySaver() if checkpointer is None and self.pauses else checkpointer)

    def follow(self, interrupts: Sequence[Interrupt]) -> Any:
        """Return the input of the next run, given the interrupts that are open."""
        match self.resume:
            case Next.CONTINUE | None:
                return None
            case Next.REPEAT:
                return self.input
            case answer:
                return Command(resume=answer(interrupts))

    @property
    def expect_error(self) -> bool:
        """Whether a run of this case raises."""
        return "error" in self.ends


CASES: dict[str, Case] = {}
"""Every case by its name."""


def case(
    *,
    input: Any = HELLO,
    ends: tuple[End, ...] = ("complete",),
    resume: Callable[[Sequence[Interrupt]], Any] | Next | None = None,
    pauses: bool = False,
    async_only: bool = False,
    needs: str = "",
) -> Callable[[Callable[[Saver], Graph]], Callable[[Saver], Graph]]:
    """Enter a builder in `CASES` under its own name; its docstring becomes the case's `about`."""

    def enter(make: Callable[[Saver], Graph]) -> Callable[[Saver], Graph]:
        CASES[make.__name__] = Case(
            name=make.__name__,
            about=make.__doc__ or "",
            make=make,
            input=input,
            ends=ends,
            resume=resume,
            pauses=pauses,
            async_only=async_only,
            needs=needs,
        )
        return make

    return enter


def available(case: Case) -> bool:
    """Say whether what the case needs is installed."""
    if not case.needs:
        return True
    module, _, attribute = case.needs.partition(":")
    try:
        attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError):
        return False
    return True
