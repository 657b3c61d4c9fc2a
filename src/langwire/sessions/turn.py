"""Knows how one turn runs: in a task of its own, from its first event to exactly one `TurnEnd`, whatever happens.

    waiting -> running -> ending -> ended
       |                              ^
       +------------------------------+   refused, or cancelled before it began

A turn *waits* for the turn before it, for its middleware and for its session to admit it; nothing has been told
then. It *runs* from its `TurnStart` on. It is *ending* when `TurnEnd` has been told and code of the run goes on all
the same: a sync function in a worker thread, which nobody can stop. It has *ended* when nothing of it runs any more.

Two tasks share the work. The outer one is the turn's life: it waits, watches the clock, reads the checkpoint, tells
the end. The inner one does nothing but drive the graph, in a context of its own: its `Footprint` says when nothing of
the run goes on any more.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar
from uuid import uuid4

import msgspec

from langwire.core.parser import StreamParser
from langwire.core.transcript import TurnResult
from langwire.errors import LogClosed, ReaderTooSlow, SessionsClosed, TurnRefused, UsageError
from langwire.events import (
    Cause,
    Entry,
    ErrorInfo,
    Event,
    Interrupt,
    Outcome,
    ReasoningDelta,
    TextDelta,
    ToolCallStart,
    TurnEnd,
)
from langwire.sessions._footprint import Footprint, clear_frames, forget_timers
from langwire.sessions.graph import AsyncRun, Call, Standing, may_run_in_thread, was_stopped_there
from langwire.sessions.log import EXACT, Log
from langwire.sessions.summary import TurnSummary, line, logger, report

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

TurnState: TypeAlias = Literal["waiting", "running", "ending", "ended"]

Observer: TypeAlias = Callable[[Event], None]
"""Sees each event of a turn, as the log has it, before any reader does."""

Middleware: TypeAlias = "Callable[[Turn], AbstractAsyncContextManager[Observer | None]]"
"""Code around a turn: entered before it begins, left when it has ended.

A `TurnRefused` or `UsageError` that it raises on entering refuses the turn, anything else is the turn's failure. It may
yield an observer. On leaving, `turn.outcome` is known, and has not been told yet.
"""

T = TypeVar("T")

PATIENCE = 5.0
"""How long a checkpoint or a store may take at the end of a turn before the turn ends without it, in seconds."""
LINGER = 30.0
"""How long code of a stopped run, which nobody can stop, keeps the thread from its next turn, in seconds."""

_Cut: TypeAlias = Literal["cancelled", "expired"] | BaseException
"""What cut a run off before its own end."""

_FIRST = (TextDelta, ReasoningDelta, ToolCallStart)
_REFUSALS = (UsageError, TurnRefused, SessionsClosed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a session has to say about a turn: all that a turn itself does not know."""

    admit: Callable[[Turn, AsyncRun], Awaitable[tuple[Call, Standing]]]
    """Reads where the thread stands, and decides whether the turn may begin; returns how to call the graph.

    A `UsageError` or `TurnRefused` refuses the turn; anything else that it raises is the turn's failure.
    """
    settle: Callable[[Turn, TurnEnd], Awaitable[None]]
    """Keeps how the turn ended. Awaited before its `TurnEnd` is told."""
    middleware: Sequence[Middleware] = ()
    redactor: Redactor | None = None
    timeout: float | None = None
    """Seconds from the turn's begin."""
    idle_timeout: float | None = None
    """Seconds without any sign of life from the graph."""


class Turn:
    """One turn of a thread. Made by a session; it runs by itself.

    Iterate over it for its events, `await turn.wait()` for what came of it, `await turn.cancel()` to stop it. Until
    it has ended, `outcome` is None. `interrupts` are the questions that it left open, `checkpoint_before` and
    `checkpoint_id` tell where the thread stood before and stands after it. `principal` is who asked for it.
    """

    def __init__(
        self,
        call: Call,
        log: Log,
        rules: Rules,
        *,
        thread_id: str,
        turn_id: str | None = None,
        after: Turn | None = None,
        queued: bool = False,
        principal: str | None = None,
    ) -> None:
        self.id = turn_id or uuid4().hex
        self.thread_id, self.principal = thread_id, principal
        self.cause: Cause = call.cause
        self.result = TurnResult()
        """What it has come to so far."""
        self.reason: str | None = None
        """Why it was cancelled."""
        self.summary: TurnSummary | None = None
        self.checkpoint_before: str | None = None
        self.first: int | None = None
        """The number of its `TurnStart` in the log; None until then."""
        self.graph: Any = call.graph
        """The graph that it runs."""
        self.queued = queued
        """Whether it was taken to wait for others: what refuses it later is told as its failure."""
        self._log, self._call, self._rules, self._after = log, call, rules, after
        self._redaction = rules.redactor.begin() if rules.redactor is not None else None
        self._observers: list[Observer] = []
        self._parser: StreamParser | None = None
        self._refused: BaseException | None = None
        self._end: TurnEnd | None = None
        self._last: Sequence[Event] = ()
        """The events that end it, until they are told."""
        self._made_at = self._began_at = self._beat = monotonic()
        self._token_at: float | None = None
        self._begun, self._told, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._started = self._cancelling = self._lingers = self._stubborn = False
        self._stoppable = True
        self._footprint = Footprint(self._unmarked)
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._live(), name=f"turn {self.id}")
        self._task.add_done_callback(self._over)

    # -------------------------------------------------------------- reading

    @property
    def state(self) -> TurnState:
        """Where it is in its life."""
        if self._ended.is_set():
            return "ended"
        if self._told.is_set():
            return "ending"
        return "running" if self.first is not None else "waiting"

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None as long as it has not."""
        return self._end.outcome if self._end is not None else None

    @property
    def error(self) -> ErrorInfo | None:
        """Why it failed, safe to show anyone."""
        return self._end.error if self._end is not None else None

    @property
    def exception(self) -> BaseException | None:
        """What the graph raised."""
        return self.result.exception

    @property
    def refused(self) -> bool:
        """Whether it was not taken: nothing of it reached the graph, and the thread is as it was."""
        return isinstance(self._refused or self.exception, _REFUSALS)

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """The questions that it left open; empty while it runs."""
        return self.result.interrupts if self._end is not None else ()

    @property
    def checkpoint_id(self) -> str | None:
        """Where the thread stands after it, where known."""
        return self._end.checkpoint_id if self._end is not None else None

    async def begun(self) -> None:
        """Return when the turn has begun. Raises what refused it."""
        await self._begun.wait()
        if self._refused is not None:
            raise self._refused

    async def wait(self) -> TurnResult:
        """Return what came of it when `TurnEnd` has been told. Raises what refused it, never what the graph raised."""
        await self._told.wait()
        if self._refused is not None:
            raise self._refused
        return self.result

    async def ended(self) -> None:
        """Return when nothing of the turn runs any more."""
        await self._ended.wait()

    async def __aiter__(self) -> AsyncIterator[Event]:
        await self.begun()
        if self.first is None:
            return
        async with self._log.subscribe(self.first - 1, join_over=EXACT) as reader:
            if reader.reset is not None:
                raise ReaderTooSlow(
                    f"the events of turn {self.id} are not kept any more: see history()", position=reader.reset.position
                )
            async for entry in reader:
                yield entry.event
                if isinstance(entry.event, TurnEnd):
                    return

    # -------------------------------------------------------------- stopping

    def stop(self, reason: str | None = None) -> None:
        """Ask the turn to stop, without waiting for it. Without effect once it has been asked, or has ended."""
        if self._task is None or not self._stoppable or self._cancelling:
            return
        self._cancelling, self.reason = True, reason
        if self._started and self._after is None:  # else it looks by itself, when its time has come
            self._task.cancel()

    async def cancel(self, reason: str | None = None, *, wait: float = 5.0) -> bool:
        """Stop the turn; return True when nothing of it runs any more.

        False when that has not come to pass within `wait` seconds: a sync function, which runs in a thread, or code
        that does not let itself be cancelled, goes on. The turn ends all the same, as `cancelled`, or as what it
        was if it had ended before. `reason` is told to everybody who reads the turn. A turn that waits for another
        one tells its end after that one's.
        """
        self.stop(reason)
        if self._after is not None:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._ended.wait()
        return self._ended.is_set()

    # -------------------------------------------------------------- the outer task

    async def _live(self) -> None:
        self._started = True
        around = AsyncExitStack()
        self._last = await self._play(around)
        self._stoppable = False
        try:
            async with asyncio.timeout(PATIENCE):
                await around.aclose()
        except Exception as error:
            self._report("a middleware failed after its turn", logging.ERROR, error)
        self._tell_last()

    async def _play(self, around: AsyncExitStack) -> Sequence[Event]:
        """Run the turn; return the events that end it, which are still to be told: none when it is refused."""
        try:
            if self._after is not None:
                await self._after.ended()
                self._after = None
            if self._cancelling:  # in the tick in which it was made, or while it waited
                raise asyncio.CancelledError
            for middleware in self._rules.middleware:
                observer = await around.enter_async_context(middleware(self))
                if observer is not None:
                    self._observers.append(observer)
            run = AsyncRun(self._call)
            run.call, before = await self._rules.admit(self, run)
            self._call = run.call
            parser = self._start(before)
        except asyncio.CancelledError:
            if self._after is not None:  # somebody ends the whole program: the other turn is told to its end first
                await _despite_cancel(self._after.ended)
            return await self._end_unstarted("cancelled")
        except Exception as error:
            if isinstance(error, _REFUSALS) and not self.queued:
                self._refused = error
                return ()
            return await self._end_unstarted(error)
        return await self._run(run, parser)

    def _start(self, before: Standing) -> StreamParser:
        """Tell that the turn begins; `before` is where the thread stands, as far as it was looked at."""
        self.cause, self.checkpoint_before, self._began_at = self._call.cause, before.checkpoint_id, monotonic()
        parser = self._parser = self._call.parser(before, self.id)
        entries = self._tell(parser.start())
        self.first = entries[0].seq if entries else None
        self._begun.set()
        return parser

    async def _run(self, run: AsyncRun, parser: StreamParser) -> Sequence[Event]:
        cut = await self._drive(run, parser)
        self._stoppable = False
        if cut is not None:
            sync = (may_run_in_thread(self.graph, node, lane) for lane, node in parser.open_nodes)
            self._lingers = (run.in_thread and not isinstance(cut, BaseException)) or any(sync)
        told_all = self._call.fresh and cut is None
        standing = Standing() if told_all else await _despite_cancel(run.after) or Standing()
        endings = self._endings(parser, cut, standing)
        if isinstance(cut, BaseException) and self._lingers:
            clear_frames(cut)
        return await self._settled(endings)

    async def _drive(self, run: AsyncRun, parser: StreamParser) -> _Cut | None:
        """Drive the graph to its end; return what cut it off, if anything did."""
        deadline = asyncio.timeout(self._rules.timeout)
        try:
            async with deadline:
                with self._watch(deadline):
                    await self._in_its_own_context(self._feed(run, parser))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            stopped = task is not None and task.cancelling() > 0
            return "cancelled" if stopped else error
        except TimeoutError as error:
            return "expired" if deadline.expired() else error
        except Exception as error:
            return error
        return None

    @contextmanager
    def _watch(self, deadline: asyncio.Timeout) -> Generator[None]:
        """Let the deadline pass when the graph shows no sign of life for the idle timeout."""
        idle, loop = self._rules.idle_timeout, asyncio.get_running_loop()
        if idle is None:
            yield
            return

        def look() -> None:
            nonlocal timer
            rest = self._beat + idle - monotonic()
            if rest > 0:
                timer = loop.call_later(rest, look)
            elif not self._cancelling and not deadline.expired():
                deadline.reschedule(loop.time())

        self._beat = monotonic()
        timer = loop.call_later(idle, look)
        try:
            yield
        finally:
            timer.cancel()

    # -------------------------------------------------------------- the inner task

    async def _in_its_own_context(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the graph in a task of its own, and take note when nobody holds its context any more."""
        task = asyncio.create_task(work, context=self._footprint.context(), name=f"graph of turn {self.id}")
        task.add_done_callback(_looked_at)
        try:
            await asyncio.wait((task,))
        finally:
            if not task.done():  # `await task` would wait for ever for code that does not let itself be cancelled
                task.cancel()
                self._stubborn = True
                task.add_done_callback(self._gave_in)
                await asyncio.wait((task,), timeout=PATIENCE)
        await task

    async def _feed(self, run: AsyncRun, parser: StreamParser) -> None:
        feed, told_as, append = parser.feed, self._told_as, self._append
        watched = self._rules.idle_timeout is not None
        async with aclosing(run.chunks()) as chunks:
            async for chunk in chunks:
                if watched:
                    self._beat = monotonic()
                events = feed(chunk)
                if events:
                    append(told_as(events))

    # -------------------------------------------------------------- telling

    def _tell(self, events: Sequence[Event]) -> Sequence[Entry]:
        """Put events into the log."""
        return self._append(self._told_as(events))

    def _append(self, events: Sequence[Event]) -> Sequence[Entry]:
        try:
            return self._log.extend(events)
        except LogClosed:  # its thread was deleted: nobody reads any more
            return ()

    def _told_as(self, events: Sequence[Event]) -> Sequence[Event]:
        """Mask events, fold them into the result, and show them to the observers."""
        if self._redaction is not None:
            events = [told for event in events for told in self._redaction.feed(event)]
        add = self.result.add
        for event in events:
            add(event)
        if self._token_at is None and any(isinstance(event, _FIRST) for event in events):
            self._token_at = monotonic()
        for observer in self._observers:
            self._show(observer, events)
        return events

    def _show(self, observer: Observer, events: Sequence[Event]) -> None:
        try:
            for event in events:
                observer(event)
        except Exception:
            self._report("an observer failed and is not asked again", logging.ERROR)
            self._observers = [other for other in self._observers if other is not observer]

    def _report(self, what: str, level: int, error: BaseException | None = None) -> None:
        where = f"turn {self.id} of thread {self.thread_id!r}: {what}"
        report(where, error or sys.exception(), level, self._rules.redactor)

    # -------------------------------------------------------------- ending

    def _endings(self, parser: StreamParser, cut: _Cut | None, standing: Standing) -> list[Event]:
        """Return the events that end the turn."""
        checkpoint_id = standing.checkpoint_id
        if cut is None and not was_stopped_there(self.graph, parser):
            return parser.close(**standing.ending())
        if cut is None or cut == "cancelled":
            return parser.cancel(self.reason, checkpoint_id=checkpoint_id)
        if cut == "expired":
            return parser.expire(checkpoint_id=checkpoint_id)
        self.result.exception = cut
        if self.refused:
            events = parser.fail(cut)
            refusal = ErrorInfo(code=type(cut).__name__, message=f"this was not taken: {type(cut).__name__}")
            return [*events[:-1], msgspec.structs.replace(events[-1], error=refusal)]
        self._report("failed", logging.WARNING, cut)
        return parser.fail(cut, error_id=self.id, checkpoint_id=checkpoint_id)

    async def _end_unstarted(self, cut: _Cut) -> Sequence[Event]:
        """End a turn that was stopped, or failed, before its first event: it is told whole, now."""
        self._stoppable = False
        parser = self._start(Standing())
        return await self._settled(self._endings(parser, cut, Standing()))

    async def _settled(self, events: Sequence[Event]) -> Sequence[Event]:
        """Have the outcome kept, and return the last events as they will be told."""
        events = self._told_as(events)
        end = events[-1]
        if isinstance(end, TurnEnd):
            self._end = end
            await _despite_cancel(partial(self._rules.settle, self, end))
        return events

    def _tell_last(self) -> None:
        """Tell the end. From here on the next turn may begin: nothing is awaited in between."""
        self._begun.set()
        if self._end is not None:
            self._append(self._last)
            self.summary = self._summary(self._end)
            logger.info("%s", line(self.summary), extra={"turn": self.summary})
        self._told.set()
        if self._runs_on():
            loop = asyncio.get_running_loop()
            forget_timers(loop)
            loop.call_later(LINGER, self._give_up)
        else:
            self._stopped()

    def _summary(self, end: TurnEnd) -> TurnSummary:
        usage, token_at = self.result.usage, self._token_at
        return TurnSummary(
            turn_id=self.id,
            thread_id=self.thread_id,
            cause=self.cause,
            outcome=end.outcome,
            waited=self._began_at - self._made_at,
            duration=monotonic() - self._began_at,
            first_token=token_at - self._began_at if token_at is not None else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            tools=len(self.result.calls),
            redactions=end.redactions,
            error=end.error.code if end.error is not None else None,
            reason=end.reason,
            principal=self.principal,
        )

    def _over(self, task: asyncio.Task[None]) -> None:
        """The outer task is done. A turn that came to no end, because its task never ran to it, gets one here."""
        self._task = None
        if not self._told.is_set():
            if self._end is None and self._refused is None:
                error = None if task.cancelled() else task.exception()
                parser = self._parser or self._start(Standing())
                self._last = self._told_as(self._endings(parser, error or "cancelled", Standing()))
                end = self._last[-1]
                self._end = end if isinstance(end, TurnEnd) else None
            self._tell_last()
        # A thread keeps its last turn: what that one needs no more is let go.
        self._parser, self._last = None, ()
        del self._call, self._redaction

    def _runs_on(self) -> bool:
        """Whether code of the run goes on: a task that does not let itself be cancelled, or a thread."""
        return self._stubborn or (self._lingers and self._footprint.left)

    def _gave_in(self, task: asyncio.Task[None]) -> None:
        """The task that drove the graph is done after all."""
        self._stubborn = False
        self._unmarked()

    def _unmarked(self) -> None:
        """Nobody holds the context of the run any more."""
        if self._told.is_set() and not self._runs_on():
            self._stopped()

    def _give_up(self) -> None:
        if not self._ended.is_set():
            logger.warning(
                "turn %s of thread %r ended %.0f s ago, but code of it still runs", self.id, self.thread_id, LINGER
            )
            self._stopped()

    def _stopped(self) -> None:
        self._footprint.forget()
        self._ended.set()


def _looked_at(task: asyncio.Task[None]) -> None:
    """Look at what a run raised that was stopped, so that asyncio does not complain that nobody did."""
    if not task.cancelled():
        task.exception()


async def _despite_cancel(work: Callable[[], Awaitable[T]]) -> T | None:
    """Do what has to be done even if the turn is cancelled meanwhile. None when it fails or takes too long."""

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work()

    outer, again = asyncio.current_task(), True
    try:
        return await bounded()
    except asyncio.CancelledError:  # begun anew, in a task that nobody cancels: all that is done here can be done twice
        if outer is not None:
            outer.uncancel()
    except Exception as error:
        logger.error("the end of a turn could not be kept or read: %s", type(error).__name__)
        return None
    task = asyncio.create_task(bounded())
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if outer is not None:
                outer.uncancel()
        if task.cancelled() and again:  # the end of the program cancels all tasks there are, once
            task, again = asyncio.create_task(bounded()), False
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None:
        return task.result()
    logger.error("the end of a turn could not be kept or read: %s", type(error).__name__)
    return None
