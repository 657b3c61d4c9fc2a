"""Knows who reads which thread, and what becomes of a turn that nobody reads any more.

A turn goes on when its last reader leaves, for a while: a page is loaded anew, a train comes out of its tunnel. When
nobody has come back by then, it is stopped. A turn that nobody ever read goes on: its sender wants it done, not seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from langwire.errors import UsageError
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn


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

    def close(self) -> None:
        """Forget all clocks."""
        for session in list(self._timers):
            self._stop_timer(session)

    def _left(self, session: Session) -> None:
        """The last reader has left: give those who may come back some time, if a turn runs or waits."""
        turns = session.turns
        if self._after is not None and turns:
            loop = asyncio.get_running_loop()
            self._timers[session] = loop.call_later(self._after, self._abandon, session, turns)

    def _abandon(self, session: Session, turns: Sequence[Turn]) -> None:
        """Stop the turns that were left, unless somebody reads the thread after all, be it by another face."""
        self._timers.pop(session, None)
        if self.readers(session) or session.log.readers:
            return
        for turn in turns:  # those that have ended take no harm, and those that came later were asked for unread
            turn.stop("nobody reads it any more")

    def _stop_timer(self, session: Session) -> None:
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()
