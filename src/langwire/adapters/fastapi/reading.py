"""Knows the row of frames in which a thread is read: what is told of the past, where the log goes on, how it ends.

    position known:      hello, entries …
    none, or not known:  hello, reset, past, live, entries …
    fell behind:         … reset, past, live, entries …

Nothing is told twice, and nothing is lost. A past is read from the checkpoint up to a position, and the log is read on
from there. Three things can come between, and each is answered by telling the past anew: the log has forgotten what
comes after the position; it has forgotten how the turn that runs began, so that its end tells all of it; and a turn of
another process, of which this log knows nothing, has ended.

As long as a turn runs elsewhere no position is good for long: those that are told then belong to no log, so that who
comes back with one is told the past anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

import msgspec

from langwire.adapters.fastapi.attendance import Attendance
from langwire.adapters.fastapi.protocol import VERSION, Closed, ClosedReason, Hello, Live, Reset, ResetReason
from langwire.adapters.fastapi.shown import View
from langwire.errors import ReaderTooSlow, SessionsClosed, UnknownThread
from langwire.events import Entry, Event, MessageReplaced, Source, TurnEnd, TurnStart
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.log import Reader
from langwire.sessions.session import History, Session

FIRST_LOOK, LAST_LOOK = 1.0, 15.0
"""How long a reader waits between two looks for the end of a turn elsewhere: at first, and at most. In seconds."""

Line: TypeAlias = tuple[str | None, bytes]
"""A frame on its way: the position after it, where it has one, and its JSON on one line."""
AT_ONCE = 64
"""So many frames at most go out together."""

_NOBODY = Source()
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Place:
    """What all readers of a router have in common."""

    sessions: SessionAdapter
    view: View
    attendance: Attendance


async def frames(session: Session, place: Place, after: str | None) -> AsyncGenerator[Sequence[Line]]:
    """Yield the frames of a thread after a position, or from the beginning for None, until its log ends.

    Those that are there together come together, `AT_ONCE` at most. Closed at any time, it lets go of everything. Raises
    `UsageError` for what cannot be a position.
    """
    with place.attendance.reading(session):
        row = _Row(session, place)
        try:
            yield ((None, _json(await row.hello(after))),)
            while row.closed is None:
                with row.minded():
                    past = await row.past()
                    while told := tuple(islice(past, AT_ONCE)):
                        yield told
                    async with aclosing(_live(session, place.view, row)) as live:
                        async for told in live:
                            yield told
            yield ((None, _json(Closed(reason=row.closed))),)
        finally:
            row.reader.close()


async def _live(session: Session, view: View, row: _Row) -> AsyncGenerator[Sequence[Line]]:
    """Yield what comes from the log, as long as it goes on from what has been told.

    One loop for all of it, with nothing in it that a token does not need.
    """
    reader, log_id, whole = row.reader, row.log_id, view.whole
    told: list[Line] = []
    async for entry in row.entries():
        if type(entry.event) in whole:
            json = reader.line()
        elif row.goes_stale(entry.event):
            break
        else:
            json = view.entry(session, entry, reader.line())
        if json is not None:
            told.append((f"{log_id}:{entry.seq}", json))
        if told and not (reader.more and len(told) < AT_ONCE):
            yield told
            told = []
    if told:
        yield told


class _Row:
    """Where one reader of a thread stands."""

    def __init__(self, session: Session, place: Place) -> None:
        self._session, self._place = session, place
        self.reader = session.log.subscribe()
        self.closed: ClosedReason | None = None
        """Why there is nothing to read any more."""
        self._stale: ResetReason | None = "new"
        """Why the past is to be told, if it is."""
        self._torn = False
        """Whether the log has forgotten how the turn began that it tells."""
        self._elsewhere: str | None = None
        """The turn that runs in another process, as far as is known."""

    @property
    def log_id(self) -> str:
        """The id of the log, as it stands in positions."""
        return self._session.log.id + ("~" if self._elsewhere is not None else "")

    @contextmanager
    def minded(self) -> Generator[None]:
        """Note what ends the reading, or makes it begin anew."""
        try:
            yield
            if self._stale is None and self.reader.closed is not None:
                self.closed = "deleted" if self.reader.closed == "deleted" else "shutting_down"
        except ReaderTooSlow:
            self._stale = "forgotten"
        except SessionsClosed:
            self.closed = "shutting_down"
        except UnknownThread:
            self.closed = "deleted"

    # -------------------------------------------------------------- where it begins

    async def hello(self, after: str | None) -> Hello:
        """Begin after a position, or at the beginning, and return the first frame."""
        with self.minded():
            await self._begin(after)
        return Hello(
            protocol=VERSION,
            thread_id=self._session.thread_id,
            position=f"{self.log_id}:{self._session.log.last}",
            running=running_in(self._session),
            unfinished=self._elsewhere is not None,
        )

    async def _begin(self, after: str | None) -> None:
        if after is not None:
            self._move(after)
            self._stale = self.reader.reset.reason if self.reader.reset is not None else None
        if await self._look() and self._stale is None:
            self._stale = "elsewhere"

    def _move(self, after: str) -> None:
        self.reader.close()
        self.reader = self._session.subscribe(after)

    async def _look(self) -> bool:
        """See which turn runs elsewhere; return whether the last one that began did so there, of which we know not."""
        sessions = self._place.sessions
        sessions.check_open()
        record = await sessions.options.store.get(self._session.thread_id)
        if record is None or record.instance in (None, sessions.instance):
            self._elsewhere = None
            return False
        self._elsewhere = record.turn_id if record.running else None
        return True

    # -------------------------------------------------------------- the past

    async def past(self) -> Iterator[Line]:
        """Return the frames that tell the past, if it has to be told; the reader then goes on from there."""
        reason, self._stale = self._stale, None
        if reason is None:
            return iter(())
        while True:
            await self._look()
            history = await self._session.history()
            self._move(history.position)
            self._torn = lost_beginning(self._session, self.reader.position) is not None
            if self.reader.reset is None or self._torn:
                return self._told(reason, history)

    def _told(self, reason: ResetReason, history: History) -> Iterator[Line]:
        # What is told is settled now, before the first frame goes out; each is encoded when it does.
        past, position = past_of(self._session, history), f"{self.log_id}:{number_in(self.reader.position)}"
        lines = (self._place.view.event(self._session.thread_id, event) for event in past)
        return chain(
            [(None, _json(Reset(reason=reason)))],
            ((None, line) for line in lines if line is not None),
            [(position, _json(Live(position=position)))],
        )

    # -------------------------------------------------------------- what is live

    def entries(self) -> AsyncIterator[Entry]:
        """Return what comes from the log, until it ends, or a turn elsewhere does."""
        return self.reader if self._elsewhere is None else _Watching(self.reader, self._is_over)

    async def _is_over(self) -> bool:
        """Return whether the turn elsewhere has ended, or made way for another one."""
        before = self._elsewhere
        await self._look()
        if self._elsewhere == before:
            return False
        self._stale = "elsewhere"
        return True

    def goes_stale(self, event: Event) -> bool:
        """Return whether what has been told has to be told anew, and better, now that this has come."""
        if self._torn and isinstance(event, TurnEnd):
            self._stale = "forgotten"
        if self._elsewhere is not None and isinstance(event, TurnStart):
            self._stale = "elsewhere"
        if isinstance(event, MessageReplaced) and event.source == _NOBODY:
            self._stale = "undone"  # a fork was undone: this tells no more than the text of what is back
        return self._stale is not None


class _Watching:
    """The entries of a reader, until the log ends or something is over: it is asked now and then, ever less often."""

    def __init__(self, reader: Reader, is_over: Callable[[], Awaitable[bool]]) -> None:
        self._reader, self._is_over = reader, is_over
        self._pause = FIRST_LOOK
        self._next = asyncio.get_running_loop().time() + self._pause

    def __aiter__(self) -> AsyncIterator[Entry]:
        return self

    async def __anext__(self) -> Entry:
        while True:
            try:
                async with asyncio.timeout_at(self._next):
                    return await anext(self._reader)
            except TimeoutError:
                if await self._is_over():
                    raise StopAsyncIteration from None
            self._pause = min(self._pause * 1.5, LAST_LOOK)
            self._next = asyncio.get_running_loop().time() + self._pause


# ------------------------------------------------------------------ what is known of a thread


def running_in(session: Session) -> str | None:
    """Return the id of the turn that runs here."""
    turn = session.turn
    return turn.id if turn is not None and turn.state == "running" else None


def past_of(session: Session, history: History) -> Sequence[Event]:
    """Return the events of a thread's past: none where nothing has been, or nothing but the turn that runs."""
    start = history.events[0]
    empty = len(history.events) == 2 and isinstance(start, TurnStart) and start.checkpoint_id is None
    return () if empty and session.outcome is None else history.events


def lost_beginning(session: Session, position: str) -> int | None:
    """Return the number of the entry with which the turn that runs began, if it lies before a position."""
    turn = session.turn
    first = turn.first if turn is not None and turn.state == "running" else None
    return first if first is not None and first <= number_in(position) else None


def number_in(position: str) -> int:
    """Return the number of the entry at which a position of a log stands."""
    return int(position.rpartition(":")[2])
