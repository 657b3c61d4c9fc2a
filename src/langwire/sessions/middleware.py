"""Knows how many turns may run at once, and in which order those begin that had to wait.

A middleware goes around every turn of a `SessionAdapter`: a function of the turn that returns an async context
manager. It is entered before the turn begins, and what it raises then refuses the turn. What it yields, if anything,
sees each event. It is left when the turn has ended, with its `outcome`, `error`, `exception` and `result` known.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from langwire.errors import TooManyTurns, UsageError
from langwire.sessions.turn import Middleware, Turn


def limit_turns(total: int | None = None, per_principal: int | None = None, *, wait: float = 0.0) -> Middleware:
    """Return a middleware that lets so many turns run at once: `total` in all, `per_principal` for each who asks.

    Turns that nobody is named for (`principal=None`) count together, as those of one principal. A turn too many is
    refused at once with `TooManyTurns`, or waits up to `wait` seconds for its place: who came first goes first, except
    that nobody waits for a place that only another principal lacks. All adapters that are given the same limit share
    it, in whichever thread they run. Raises `UsageError` for limits below 1, for none, and for a negative `wait`.
    """
    for name, limit in (("total", total), ("per_principal", per_principal)):
        if limit is not None and (type(limit) is not int or limit < 1):
            raise UsageError(f"{name} came as {limit!r:.80}: expected a number of turns, 1 or more, or None")
    if total is None and per_principal is None:
        raise UsageError("no limit came: expected total, per_principal or both")
    if not wait >= 0:
        raise UsageError(f"wait came as {wait!r:.80}: expected seconds, 0 or more")
    return _Limit(total, per_principal, wait)


class _Limit:
    """The places that are taken, and the turns that wait for one.

    Whoever leaves hands the place on to the first one that may have it: so no newcomer gets in between.
    """

    def __init__(self, total: int | None, per_principal: int | None, wait: float) -> None:
        self._total, self._per_principal, self._wait = total, per_principal, wait
        self._lock = threading.Lock()
        self._running: Counter[str | None] = Counter()
        self._waiting: dict[asyncio.Future[None], str | None] = {}

    @asynccontextmanager
    async def __call__(self, turn: Turn) -> AsyncGenerator[None]:
        await self._enter(turn.principal)
        try:
            yield
        finally:
            self._leave(turn.principal)

    async def _enter(self, principal: str | None) -> None:
        with self._lock:
            full = self._full(principal)
            if full is None:
                self._running[principal] += 1
                return
            if not self._wait:
                raise TooManyTurns(full)
            place = asyncio.get_running_loop().create_future()
            self._waiting[place] = principal
        try:
            async with asyncio.timeout(self._wait):
                await place
        except TimeoutError:
            if self._withdraw(place):
                raise TooManyTurns(full) from None
        except asyncio.CancelledError:
            if not self._withdraw(place):
                self._leave(principal)
            raise

    def _withdraw(self, place: asyncio.Future[None]) -> bool:
        """Wait no more; False when the place had been handed over in the same moment."""
        with self._lock:
            waited = place in self._waiting
            self._waiting.pop(place, None)
        return waited

    def _leave(self, principal: str | None) -> None:
        with self._lock:
            self._release(principal)
            for place, waiting in list(self._waiting.items()):
                if self._full(waiting) is None and self._hand_over(place):
                    break  # one place came free, and no other turn could have begun before

    def _release(self, principal: str | None) -> None:
        self._running[principal] -= 1
        if not self._running[principal]:
            del self._running[principal]

    def _hand_over(self, place: asyncio.Future[None]) -> bool:
        """Give a waiting turn its place; False when its event loop was closed under it."""
        principal = self._waiting.pop(place)
        try:
            place.get_loop().call_soon_threadsafe(_wake, place)
        except RuntimeError:
            return False
        self._running[principal] += 1
        return True

    def _full(self, principal: str | None) -> str | None:
        """Say why a turn may not run now; None when it may."""
        if self._total is not None and self._running.total() >= self._total:
            return f"as many turns run as may at once ({self._total}): send this again when one has ended"
        if self._per_principal is not None and self._running[principal] >= self._per_principal:
            whose = "without a principal" if principal is None else f"of {principal!r:.80}"
            return (
                f"as many turns {whose} run as may at once ({self._per_principal}): send this again when one has ended"
            )
        return None


def _wake(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)
