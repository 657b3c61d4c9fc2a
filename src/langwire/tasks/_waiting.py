"""Knows who waits for news of a store, in any thread and any event loop, and wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any


class Waiters:
    """Those who wait, with the marks up to which they know of everything."""

    def __init__(self) -> None:
        self._marks: dict[Future[None], int] = {}

    async def wait(self, mark: int, seconds: float, look: Callable[[Future[None]], object]) -> None:
        """Wait for another mark than this one, or so many seconds; `look` is called once, when it is waited for."""
        news: Future[None] = Future()
        self._marks[news] = mark
        try:
            look(news)
            done, _ = await asyncio.wait([asyncio.wrap_future(news)], timeout=seconds)
            for waited in done:
                waited.result()
        finally:
            self._marks.pop(news, None)

    def waits(self, news: Future[None]) -> bool:
        """Return whether somebody waits for this any more."""
        return news in self._marks and not news.done()

    def tell(self, mark: int) -> None:
        """Wake those who do not know of this mark."""
        for news, seen in list(self._marks.items()):
            if seen != mark:
                _set(news.set_result, None)

    def fail(self, error: Exception) -> None:
        """Wake all with an error."""
        for news in list(self._marks):
            _set(news.set_exception, error)

    def release(self) -> None:
        """Wake all."""
        for news in list(self._marks):
            _set(news.set_result, None)


def _set(how: Callable[[Any], None], what: Any) -> None:
    with suppress(InvalidStateError):  # somebody else has woken it
        how(what)
