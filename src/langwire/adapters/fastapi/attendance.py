"""Knows who reads which thread, and what becomes of a turn that nobody reads any more.

A turn goes on when its last reader leaves, for a while: a page is loaded anew, a train comes out of its tunnel. When
nobody has come back by then, it is stopped. A turn that nobody ever read goes on: its sender wants it done, not seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from langwire.errors import UsageError
from langwire.sessions.session import Session


class Attendance:
    """Counts the readers of each thread. `abandon_after` are seconds: 0 is at once, None is never.

    Raises `UsageError` for seconds below 0.
    """

    def __init__(self, abandon_after: float | None) -> None:
        if abandon_after is not None and not abandon_after >= 0:
            raise UsageError(f"abandon_after came as {abandon_after!r:.80}: expected seconds, 0 or more, or None")
        self._after = abandon_after
        self._readers: dict[Session, int] = {}
        self._timers: dict[Session, asyncio.TimerHandle] = {}
        self._stopping: set[asyncio.Task[bool]] = set()

    @contextmanager
    def reading(self, session: Session) -> Generator[None]:
        """Count somebody who reads a thread, as long as this is open."""
        self._stop_timer(session)
        self._readers[session] = self._readers.get(session, 0) + 1
        try:
            yield
        finally:
            self._readers[session] -= 1
            if not self._readers[session]:
                del self._readers[session]
                self._left(session)

    def readers(self, session: Session) -> int:
        """Return how many read a thread."""
        return self._readers.get(session, 0)

    async def close(self) -> None:
        """Forget all clocks, and wait for the turns that are being stopped."""
        for session in list(self._timers):
            self._stop_timer(session)
        await asyncio.gather(*self._stopping)

    def _left(self, session: Session) -> None:
        """The last reader has left: give those who may come back some time, if a turn runs or waits."""
        if self._after is None or session.idle:
            return
        self._timers[session] = asyncio.get_running_loop().call_later(self._after, self._abandon, session)

    def _abandon(self, session: Session) -> None:
        """Stop what runs or waits, unless somebody reads it after all, be it by another face."""
        self._timers.pop(session, None)
        if session.idle or self.readers(session) or session.log.readers:
            return
        stopping = asyncio.get_running_loop().create_task(session.shut("nobody reads it any more"))
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def _stop_timer(self, session: Session) -> None:
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()
