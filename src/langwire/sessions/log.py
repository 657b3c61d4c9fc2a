"""Knows the numbered events of a thread, and who has read how far.

A `Log` only grows at its end and forgets at its beginning. It holds no queue for anybody: a `Reader` is a position
in it, so that a slow one costs nothing and holds up nobody. Live and replay are the same thing, a reader that has
reached the end waits. Whoever falls so far behind that its next entry is forgotten is told so with `ReaderTooSlow`.

Entries are numbered from 1. The log's id is random, so a position on a wire is `<log id>:<number>`: who brings one
of another log, or one that this log has forgotten, gets a `Reset`, and what is kept from then on.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from operator import length_hint
from secrets import token_hex
from time import monotonic_ns, time_ns
from typing import Literal

import msgspec

from langwire.core.codec import encode_entry
from langwire.errors import LogClosed, ReaderTooSlow, UsageError
from langwire.events import (
    Entry,
    Event,
    NodeEnd,
    NodeStart,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
)
from langwire.sessions._deltas import joined, runs_of, text_of

MAX_ENTRIES = 20_000
MAX_BYTES = 16 * 2**20
LEAST = 16
"""So many of the newest entries stay, whatever they take: a large one does not push out those that come with it."""
JOIN_OVER = 256
"""A reader with more entries than this before it gets the deltas of each part joined."""
EXACT = 2**63
"""As `join_over`: join nothing, however much waits."""

ResetReason = Literal["foreign", "forgotten"]

_ENTRY_BYTES = 300
"""What an entry with an empty delta takes in memory, roughly."""
_POSITION = re.compile(r"(.+):([0-9]{1,18})", re.DOTALL)
_VALUE_COST = 4
"""How much more a value takes than its JSON, roughly: the JSON is kept as well, and small objects are large."""
_SMALL = frozenset({NodeEnd, NodeStart, ReasoningStart, TextEnd, TextStart, ToolCallStart})
"""Events without a value of foreign make: ids and names."""


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """The position that a reader brought is none of this log's: what it knows has to be read anew.

    `foreign`: it comes from another log, for one of before a restart. `forgotten`: entries after it are not kept any
    more. What the reader gets begins after `position`.
    """

    reason: ResetReason
    position: str


class Log:
    """The events of one thread, numbered from 1 without holes. Safe to append to from any thread.

    At most `max_entries` entries and about `max_bytes` bytes are kept, the newest ones. Times are Unix
    milliseconds that never go back: the wall clock when the log was made, plus what has passed since.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self.id = token_hex(8)
        self.bytes = 0
        """What the kept entries take, roughly."""
        self.closed: str | None = None
        """Why nothing more will come, or None."""
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._began_ns = time_ns() - monotonic_ns()
        self._lock = threading.RLock()  # the garbage collector may end a reader inside of it
        self._kept: list[_Slot] = []
        self._forgotten = 0
        self._waiting: list[Reader] = []
        self._readers = 0

    @property
    def last(self) -> int:
        """The number of the last entry; 0 when there is none."""
        return self._forgotten + len(self._kept)

    @property
    def first(self) -> int:
        """The number of the first entry that is kept, or of the one that comes next."""
        return self._forgotten + 1

    @property
    def readers(self) -> int:
        """How many readers are open."""
        return self._readers

    @property
    def position(self) -> str:
        """The position of the last entry, as it stands on a wire."""
        return f"{self.id}:{self.last}"

    # -------------------------------------------------------------- writing

    def append(self, event: Event) -> Entry:
        """Add one event and return its entry. Raises `LogClosed` after the log's end."""
        return self.extend((event,))[0]

    def extend(self, events: Iterable[Event]) -> list[Entry]:
        """Add events that follow each other. Raises `LogClosed` after the log's end."""
        with self._lock:
            if self.closed is not None:
                raise LogClosed(f"this log is closed ({self.closed}): nothing can be added")
            kept, at_ms = self._kept, (self._began_ns + monotonic_ns()) // 1_000_000
            seq = self._forgotten + len(kept)
            entries: list[Entry] = []
            slots: list[_Slot] = []
            for event in events:
                seq += 1
                entry = Entry(seq=seq, at_ms=at_ms, event=event)
                slot = _slot(entry)
                self.bytes += slot.size
                entries.append(entry)
                slots.append(slot)
            kept += slots
            if len(kept) > self._max_entries or self.bytes > self._max_bytes:
                self._forget()
            waiting, self._waiting = self._waiting, []
        for reader in waiting:
            reader.wake(slots)
        return entries

    def close(self, reason: str) -> None:
        """End the log: readers get what is left, then they end. Without effect the second time."""
        with self._lock:
            self.closed = self.closed or reason
            waiting, self._waiting = self._waiting, []
        for reader in waiting:
            reader.wake()

    def begin_anew(self) -> None:
        """Forget all, as a log with another id: something has happened to the thread of which this log knows nothing.

        Positions are foreign then, and who reads is told `ReaderTooSlow`.
        """
        with self._lock:
            # One number is left out, so that also who has read all of it has missed something.
            self.id, self._forgotten = token_hex(8), self.last + 1
            self._kept, self.bytes = [], 0

    def _forget(self) -> None:
        """Drop the oldest entries, an eighth of the limit at a time: so each one costs next to nothing."""
        keep, size, at = len(self._kept), self.bytes, 0
        entries_goal, bytes_goal = self._max_entries * 7 // 8, self._max_bytes * 7 // 8
        while keep > 1 and (keep > entries_goal or (size > bytes_goal and keep > LEAST)):
            size -= self._kept[at].size
            at, keep = at + 1, keep - 1
        gone = self._kept[:at]  # lives until all is counted: what it holds may run code when it goes
        del self._kept[:at]
        self._forgotten, self.bytes = self._forgotten + at, size
        del gone

    # -------------------------------------------------------------- reading

    def subscribe(self, after: int | str | None = None, *, join_over: int = JOIN_OVER) -> Reader:
        """Return a reader of what comes after a position; `None` stands for the end, 0 for the beginning.

        A position is a number of this log, or the text `<log id>:<number>`; `reader.reset` tells when it is none of
        this log's, or has been forgotten. When more than `join_over` entries wait, the reader gets the deltas of
        each part joined. Raises `UsageError` for what cannot be a position.
        """
        number, foreign = self._number(after)
        reset: ResetReason | None = None
        with self._lock:
            if foreign or number > self.last:
                number, reset = self._forgotten, "foreign"
            elif number < self._forgotten:
                number, reset = self._forgotten, "forgotten"
        return Reader(self, number, reset, join_over)

    def _number(self, position: int | str | None) -> tuple[int, bool]:
        """Return a position's number, and whether it is one of another log."""
        if position is None:
            return self.last, False
        if isinstance(position, int) and 0 <= position < 10**18:
            return position, False
        found = _POSITION.fullmatch(position) if isinstance(position, str) else None
        if found is None:
            raise UsageError(f"position came as {position!r:.80}: expected a number, or '<log id>:<number>'")
        return int(found[2]), found[1] != self.id

    def wait(self, reader: Reader, seq: int) -> bool:
        """Have a reader woken with what comes right after `seq`; False when it has come, or nothing will."""
        with self._lock:
            if self.closed is not None or self._forgotten + len(self._kept) > seq:
                return False
            self._waiting.append(reader)
            return True

    def leave(self, reader: Reader) -> None:
        """Forget a reader that waits no more."""
        with self._lock:
            self._waiting = [other for other in self._waiting if other is not reader]

    def take(self, seq: int) -> Sequence[_Slot]:
        """Return what follows entry `seq` now. Raises `ReaderTooSlow` when some of it is forgotten."""
        with self._lock:
            if seq < self._forgotten:
                raise ReaderTooSlow(
                    f"this reader stands at {self.id}:{seq}, but the log begins after {self.id}:{self._forgotten} now: "
                    "read faster, or begin anew with history()",
                    position=f"{self.id}:{seq}",
                )
            return self._kept[seq - self._forgotten :]

    def count_reader(self, change: int) -> None:
        """Count a reader in or out."""
        with self._lock:
            self._readers += change


class Reader:
    """Reads a log from a position on: `async for entry in reader`. Ends when the log does, or with `close()`.

    `reset` says that what was asked for is not there. `position` is where the reader stands, `closed` why it ended.
    One task reads at a time. Raises `ReaderTooSlow`, whose `position` is where it stands, when its next entry is
    forgotten.
    """

    def __init__(self, log: Log, after: int, reset: ResetReason | None, join_over: int) -> None:
        self._log, self._seq, self._join_over = log, after, join_over
        self.reset = Reset(reason=reset, position=self.position) if reset is not None else None
        self.closed: str | None = None
        self._batch: Iterator[_Slot] = iter(())
        self._slot: _Slot | None = None
        """What was read last."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Future[Sequence[_Slot]] | None = None
        log.count_reader(1)

    @property
    def position(self) -> str:
        """The position of the last entry that was read."""
        return f"{self._log.id}:{self._seq}"

    @property
    def more(self) -> bool:
        """Whether the next entry is at hand, so that nobody waits for it."""
        return length_hint(self._batch) > 0

    def __aiter__(self) -> AsyncIterator[Entry]:
        return self

    async def __anext__(self) -> Entry:
        # All in one function: a reader that is up to date comes here and waits for each token.
        slot = next(self._batch, None)
        while slot is None:
            if self.closed is not None:
                raise StopAsyncIteration
            came: Sequence[_Slot] = ()
            loop = self._loop = asyncio.get_running_loop()
            woken = self._woken = loop.create_future()  # made first: who wakes a reader may be another thread
            if self._log.wait(self, self._seq):
                try:
                    came = await woken
                except BaseException:  # cancelled, or its loop is closed: else who has woken it has let it go
                    self._log.leave(self)
                    raise
            self._woken = None
            slot = self._begin(came)
        self._slot = slot
        self._seq = slot.entry.seq
        return slot.entry

    def _begin(self, came: Sequence[_Slot]) -> _Slot | None:
        """Begin with what came, or look for it; return the first of it, if there is any. A closed log ends without."""
        if self.closed is not None:
            return None
        closed = self._log.closed  # looked at first: what was told before the end is taken
        if not came or came[0].entry.seq != self._seq + 1:  # a thread may wake late, with what is read by now
            came = self._log.take(self._seq)
        if not came and closed is not None:
            self._end(closed)
        self._batch = iter(list(_joined(came)) if len(came) > self._join_over else came)
        return next(self._batch, None)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the entries as JSON lines without their line break. Each is encoded once for all readers of the log."""
        async for _ in self:
            yield self.line()

    def line(self) -> bytes:
        """Return the entry that was read last as a JSON line without its line break, encoded once for all readers.

        Raises `UsageError` when none has been read yet.
        """
        if self._slot is None:
            raise UsageError("this reader has read no entry yet: ask for its line after the first one")
        return self._slot.line()

    def close(self) -> None:
        """End the reader; what waits for it is let go."""
        self._end("closed by its reader")
        self._log.leave(self)
        self.wake()

    def _end(self, reason: str) -> None:
        if self.closed is None:
            self.closed, self._batch = reason, iter(())
            self._log.count_reader(-1)

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:  # a reader that nobody holds must not keep its session from being evicted
        if self.closed is None:
            self._log.count_reader(-1)

    def wake(self, came: Sequence[_Slot] = ()) -> None:
        """Let the reader look again, or give it what it waits for; called from any thread."""
        loop, woken = self._loop, self._woken
        if loop is None or woken is None:
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            _wake(woken, came)
        else:
            with suppress(RuntimeError):  # the loop is closed, nobody waits any more
                loop.call_soon_threadsafe(_wake, woken, came)


def _wake(woken: asyncio.Future[Sequence[_Slot]], came: Sequence[_Slot]) -> None:
    if not woken.done():
        woken.set_result(came)


# ------------------------------------------------------------------ what is kept of an entry


class _Slot(msgspec.Struct, gc=False):
    """An entry, what it takes in memory, and its JSON once somebody has asked for it."""

    entry: Entry
    size: int = _ENTRY_BYTES
    json: bytes | None = None

    def line(self) -> bytes:
        if self.json is None:
            self.json = encode_entry(self.entry)
        return self.json


def _slot(entry: Entry) -> _Slot:
    event = entry.event
    # Deltas are many and small; of the others each may hold a value of any size, which only its JSON tells.
    if type(event) is TextDelta:
        return _Slot(entry, _ENTRY_BYTES + len(event.text))
    if isinstance(event, ReasoningDelta | ToolCallDelta):
        return _Slot(entry, _ENTRY_BYTES + len(text_of(event)))
    if type(event) in _SMALL:
        return _Slot(entry, 2 * _ENTRY_BYTES)
    json = encode_entry(entry)
    return _Slot(entry, _ENTRY_BYTES + _VALUE_COST * len(json), json)


def _joined(slots: Iterable[_Slot]) -> Iterator[_Slot]:
    """Join neighbouring deltas of one part; the number and time are those of the last one."""
    for run in runs_of(slots, lambda slot: slot.entry.event):
        last = run[-1].entry
        event = joined([slot.entry.event for slot in run])
        yield run[-1] if len(run) == 1 else _slot(Entry(seq=last.seq, at_ms=last.at_ms, event=event))
