"""Knows which events are pieces of one part, and how pieces that follow each other become one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from langwire.events import Event, ReasoningDelta, TextDelta, ToolCallDelta

T = TypeVar("T")
Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta


def text_of(delta: Delta) -> str:
    """Return the text that a delta adds to its part."""
    return delta.args if isinstance(delta, ToolCallDelta) else delta.text


def runs_of(items: Iterable[T], event_of: Callable[[T], Event]) -> Iterator[list[T]]:
    """Yield items in their order: neighbouring deltas of one part together, any other event alone."""
    run: list[T] = []
    for item in items:
        if run and not _goes_on(event_of(run[-1]), event_of(item)):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def joined(run: Sequence[Event]) -> Event:
    """Return the events of a run as one."""
    last = run[-1]
    if len(run) == 1:
        return last
    text = "".join(text_of(delta) for delta in run if isinstance(delta, Delta))
    return replace(last, **{"args" if isinstance(last, ToolCallDelta) else "text": text})


def _goes_on(before: Event, event: Event) -> bool:
    return isinstance(event, Delta) and type(event) is type(before) and event.id == getattr(before, "id", None)
