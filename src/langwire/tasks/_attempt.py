"""Knows how one attempt at a task goes, from its claim to the write that lets it go, whatever its body is.

It may be stopped in one of four ways: *cancelled* (the task ends so), *given back* (the worker shuts down, another one
goes on with it), *lost* (the lease has run out, or was taken back: nothing more may be written) and *over budget*.
A body that comes to its end all the same has won. However it ends, there is one last write, and that is tried until
the store has taken it or says that the lease is lost: no error of a store turns good work into bad.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import random
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar
from uuid import uuid4

from msgspec.structs import replace

from langwire.core.codec import jsonable
from langwire.errors import LeaseLost, StoreError, UnknownTask, UsageError
from langwire.events import ErrorInfo, Event
from langwire.sessions.store import now_ms
from langwire.sessions.summary import report
from langwire.tasks._recorder import Recorder
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Ending, Task

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

Stop: TypeAlias = Literal["cancelled", "given_back", "lost", "over_budget"]

_LONGEST_WAIT = 2.0
"""Seconds between two tries of a write, at most."""
_AGAIN = 1.0
"""Seconds until a task is tried again that could not be begun."""
_OVER = ("deadline", "the time for this task and those around it is over")
_SPENT = ("tokens", "the tokens of this task and those around it are used up")

T = TypeVar("T")


class NotBegun(Exception):
    """The store failed before the work itself began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all attempts of one runner have in common."""

    store: TaskStore
    redactor: Redactor | None
    worth_retrying: Callable[[Exception], bool]
    """Whether what a body raised is worth another attempt."""
    artifacts: Callable[[str], Awaitable[Sequence[str]]]
    """Returns the names of a task's artifacts."""
    rendered: Callable[[Task], Awaitable[tuple[str, Mapping[str, Any]]]]
    """Returns the prompt and the arguments of a task, without templates."""


class Attempt(ABC):
    """One attempt at a task. A subclass brings the body, and knows how to interrupt it."""

    def __init__(self, bench: Bench, task: Task) -> None:
        self.task = task
        self.settled: Task | None = None
        """The task as it was let go; None as long as it was not, and when the lease was lost."""
        self.beat = self._began = monotonic()
        """When the lease was last prolonged, as far as this process knows."""
        self.stopped: Stop | None = None
        self._reason = ""
        self._bench = bench
        self._gave_up = asyncio.Event()
        self._recorder = Recorder(
            bench.store, task, over_budget=self._over_budget, patience=self._patience, refused=self._refused
        )

    def tell(self, event: Event) -> None:
        """Take in what the body tells."""
        self._recorder.tell(event)

    # -------------------------------------------------------------- stopping

    def stop(self, how: Stop, reason: str = "") -> None:
        """Stop the body, without waiting for it. The first word counts, but a lost lease outweighs any."""
        first = self.stopped is None
        if first or how == "lost":
            self.stopped = how
        if how == "lost":
            self._gave_up.set()
        if first:
            self._reason = reason
            self._interrupt(reason)

    def give_up(self) -> None:
        """Try no more to write to a store that fails: the lease runs out, and the sweep takes the task back."""
        self._gave_up.set()

    def _over_budget(self) -> None:
        self.stop("over_budget", _SPENT[1])

    @abstractmethod
    def _interrupt(self, reason: str) -> None:
        """Ask the body to stop. Called once at most, at any time."""

    @abstractmethod
    async def _body(self) -> Ending:
        """Do the work; when it has been interrupted, return `_stopped_ending()`."""

    # -------------------------------------------------------------- running

    async def run(self) -> None:
        """Do the work, and let go of the task. Raises nothing but a cancel of the whole program."""
        try:
            while True:
                settled = await self._settle(await self._worked())
                if settled is None or settled.state != "ongoing" or settled.fence != self.task.fence:
                    self.settled = settled
                    return
                self.task = settled  # something was said to it meanwhile: it goes on under the same lease
        finally:
            await self._recorder.abandon()

    async def _worked(self) -> Ending:
        deadline = self.task.spec.limits.deadline_ms
        if self.stopped is not None:
            return self._stopped_ending()
        if deadline is not None and now_ms() >= deadline:
            return self._failed(*_OVER)
        try:
            if not await self.preparing(self._may_spend()):
                return self._failed(*_SPENT)
            return await self._body()
        except NotBegun as error:
            self._report("could not be begun, and is given back", error.__cause__ or error, logging.WARNING)
            return self._given_back(_AGAIN)
        except Exception as error:
            return self._raised(error)

    async def _may_spend(self) -> bool:
        """Return whether the tasks around this one have tokens left. Asked with a batch that was made long ago."""
        task = self.task
        if task.spec.limits.max_tokens is None:
            return True
        return await self._bench.store.append_events(task.id, task.fence, 0, ())

    async def preparing(self, work: Awaitable[T]) -> T:
        """Do what comes before the work itself. When the store fails there, nothing has happened yet: `NotBegun`."""
        try:
            return await work
        except (StoreError, LeaseLost) as error:
            raise NotBegun from error

    def _remaining(self) -> float | None:
        """Return how many seconds are left to this attempt; None for any number."""
        timeout, deadline = self.task.spec.timeout, self.task.spec.limits.deadline_ms
        left = [timeout - (monotonic() - self._began)] if timeout is not None else []
        left += [(deadline - now_ms()) / 1000] if deadline is not None else []
        return max(0.001, min(left)) if left else None

    # -------------------------------------------------------------- how it ends

    def _stopped_ending(self) -> Ending:
        if self.stopped == "over_budget":
            return self._failed("tokens", self._reason)
        if self.stopped == "cancelled":
            return Ending(state="cancelled", taken=self.task.taken)
        return self._given_back(0.0)

    def _given_back(self, delay: float) -> Ending:
        return Ending(state="queued", counted=True, delay=delay, taken=self.task.taken)

    def _failed(self, code: str, message: str, id: str | None = None) -> Ending:
        return Ending(state="failed", error=ErrorInfo(code=code, message=message, id=id), taken=self.task.taken)

    def _timed_out(self) -> Ending:
        deadline, timeout = self.task.spec.limits.deadline_ms, self.task.spec.timeout
        if deadline is not None and now_ms() >= deadline:
            return self._failed(*_OVER)
        return self._again(self._failed("timeout", f"the attempt took longer than {timeout} seconds"))

    def _raised(self, error: Exception) -> Ending:
        """The body raised this: say so safely, or try again."""
        name, id = type(error).__name__, uuid4().hex[:12]
        self._report(f"failed (error {id})", error, logging.ERROR)
        ending = self._failed(name, f"the task failed with {name}", id)
        return self._again(ending) if self._bench.worth_retrying(error) else ending

    def _again(self, ending: Ending) -> Ending:
        """Return what lets the task be tried again, as far as its retry policy goes; else the ending itself."""
        task, retry = self.task, self.task.spec.retry
        tries = task.attempt - task.first_attempt + 1
        if not retry.on_error or tries >= retry.max_attempts or self.stopped is not None:
            return ending
        wait = min(retry.max_interval, retry.initial_interval * retry.backoff_factor ** (tries - 1))
        return Ending(
            state="queued",
            error=ending.error,
            delay=wait * (1 + retry.jitter * random()),  # noqa: S311 - it only spreads tries over time
            taken=ending.taken,
        )

    # -------------------------------------------------------------- letting go

    async def _settle(self, ending: Ending) -> Task | None:
        """Write the end; return the task as it is then, None when it is not ours any more."""
        events, usage = await self._recorder.rest()
        if self.stopped == "lost":
            return None
        ending = replace(
            ending,
            result=self._masked(jsonable(ending.result)),
            usage=usage,
            batch=self._recorder.batch,
            artifacts=await self._artifacts(),
        )
        with suppress(LeaseLost, UnknownTask):
            return await self._written(ending, events)
        return None

    async def _written(self, ending: Ending, events: Sequence[Event]) -> Task:
        failed, unkept = 0, False
        while True:
            try:
                return await self._bench.store.finish(self.task.id, self.task.fence, ending, events)
            except StoreError as error:
                failed += 1
                await self._patience(failed, error)
            except UsageError as error:
                if unkept or isinstance(error, UnknownTask):
                    raise
                # The task must not be lost because of what it came to.
                self._report("came to what its record cannot keep", error, logging.ERROR)
                unkept, events = True, ()
                ending = self._failed("unkept", "what the task came to cannot be kept in its record")

    async def _artifacts(self) -> tuple[str, ...]:
        try:
            return tuple(await self._bench.artifacts(self.task.id))
        except Exception as error:
            self._report("has artifacts that cannot be listed", error, logging.ERROR)
            return ()

    async def _patience(self, failed: int, error: StoreError) -> None:
        """Wait before another try of a write, or no longer where nobody wants it to be written any more."""
        if failed == 1:
            self._report("cannot be written, and is tried again", error, logging.WARNING)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_LONGEST_WAIT, 0.05 * 2.0 ** min(failed, 10))):
                await self._gave_up.wait()
        if self._gave_up.is_set():
            raise LeaseLost(f"task {self.task.id} is written no more: its worker has stopped") from error

    def _refused(self, error: UsageError) -> None:
        self._report("told what its record cannot keep", error, logging.ERROR)

    def _masked(self, value: Any) -> Any:
        redactor = self._bench.redactor
        return value if redactor is None else redactor.redact(value)[0]

    def _report(self, what: str, error: BaseException, level: int) -> None:
        report(f"task {self.task.id} (attempt {self.task.attempt}) {what}", error, level, self._bench.redactor)
