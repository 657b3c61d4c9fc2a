"""Knows how a thread is told to every view of it: all that is known to a view that asks, then the same to all.

One reader serves all views. Its entries go out in batches, at most `1 / PAUSE` a second: what comes meanwhile waits,
and deltas that wait are joined. Each message is numbered, so that a view notices when one was lost on the way, as
servers of notebooks do when a program talks too much, and asks again.

    {"type": "story", "n": 7, "to": "view"}                what a view knows is to be dropped: all follows
    {"type": "events", "n": 8, "to": "view", "lines": …}   events, one a line; without `to` for everybody
    {"type": "stale", "n": 9}                              what was told does not hold any more: ask again
    {"type": "closed", "n": 10, "why": "deleted"}          nothing more will come
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from langwire.adapters.jupyter.lines import batches_of, lines_of
from langwire.core.transcript import Transcript
from langwire.errors import ReaderTooSlow, UnknownThread
from langwire.events import Entry, Event, MessagesRemoved, TurnEnd
from langwire.sessions.log import EXACT, Reader
from langwire.sessions.session import Session

PAUSE = 0.05
"""Seconds between two batches."""
KEEP_EVERY = 2.0
"""Seconds between two times that a running turn is kept for the saved notebook, or more where that takes long."""

_SETTLES = (TurnEnd, MessagesRemoved)


class Feed:
    """Tells a thread with `tell`, a function that sends one message; `keep` is given what to save, now and then,
    and waited for.

    `pause` and `keep_every` are seconds.
    """

    def __init__(
        self,
        session: Session,
        tell: Callable[[dict[str, Any]], None],
        keep: Callable[[Transcript], Awaitable[None]],
        *,
        pause: float = PAUSE,
        keep_every: float = KEEP_EVERY,
    ) -> None:
        self.transcript = Transcript()
        """All that was told of the thread so far."""
        self._session, self._send, self._keep = session, tell, keep
        self._pause, self._keep_every = pause, keep_every
        self._count = 0
        self._told = 0
        """The number of the last entry that all views were told."""
        self._settled = -1
        """The number of the last entry that was told, and kept where it was to be; -1 before the past is."""
        self._kept_until = 0.0
        self._over = False
        self._moved = asyncio.Event()
        """Set when something was told; there is a new one then."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to the views."""
        self._count += 1
        self._send({**message, "n": self._count})

    async def run(self) -> None:
        """Tell what happens in the thread, until its log is closed."""
        try:
            await self._run()
        finally:
            self._over = True
            self._moved.set()

    async def caught_up(self) -> None:
        """Return when all has been told, and kept, that has happened in the thread until now."""
        last = self._session.log.last
        while self._settled < last and not self._over:
            await self._moved.wait()

    async def _run(self) -> None:
        while True:
            _, self.transcript, position = await self._past()
            await self._keep_now()
            async with self._session.subscribe(position) as reader:
                self._told = _number(reader.position)
                self._settle()
                try:
                    await self._follow(reader)
                except ReaderTooSlow:
                    self.stale()
                    continue
            self.tell({"type": "closed", "why": self._session.log.closed})
            return

    def stale(self) -> None:
        """Have every view ask again."""
        self.tell({"type": "stale"})

    async def retell(self, view: str) -> None:
        """Tell one view all that the thread holds; what comes afterwards it gets as the others do."""
        past, _, position = await self._past()
        since: list[Entry] = []
        # What has happened is at hand, so that nothing is told to the others between these lines.
        async with self._session.log.subscribe(position, join_over=EXACT) as reader:
            while _number(reader.position) < self._told:
                since.append(await anext(reader))
        self.tell({"type": "story", "to": view})
        for batch in batches_of([*lines_of(past), *lines_of(since)]):
            self.tell({"type": "events", "to": view, "lines": batch})

    async def _past(self) -> tuple[Sequence[Event], Transcript, str]:
        try:
            history = await self._session.history()
        except UnknownThread:
            return (), Transcript(), self._session.log.position
        return history.events, history.transcript, history.position

    async def _follow(self, reader: Reader) -> None:
        async for first in reader:
            entries = [first]
            while reader.more:
                entries.append(await anext(reader))
            await self._tell_all(entries)
            await asyncio.sleep(self._pause)

    async def _tell_all(self, entries: Sequence[Entry]) -> None:
        for batch in batches_of(lines_of(entries)):
            self.tell({"type": "events", "lines": batch})
        self._told = entries[-1].seq
        for entry in entries:
            self.transcript.add(entry.event)
        if monotonic() >= self._kept_until or any(isinstance(entry.event, _SETTLES) for entry in entries):
            await self._keep_now()
        self._settle()

    def _settle(self) -> None:
        self._settled = self._told
        self._moved.set()
        self._moved = asyncio.Event()

    async def _keep_now(self) -> None:
        began = monotonic()
        await self._keep(self.transcript)
        took = monotonic() - began
        self._kept_until = began + max(self._keep_every, 20 * took)


def _number(position: str) -> int:
    return int(position.rpartition(":")[2])
