"""Knows where turns run: on the loop that the kernel has, or on one of our own where there is none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from langwire.errors import UsageError

T = TypeVar("T")


class Home:
    """The loop on which all of a conversation happens. May be asked from any thread.

    It is the loop that runs where it is made; else one in a thread of its own, until `close`.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._under_way: set[Future[Any]] = set()
        running = running_loop()
        if running is not None:
            self.loop = running
            return
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="langwire conversation", daemon=True)
        self._thread.start()

    def begin(self, doing: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done there, and return at once."""
        future = asyncio.run_coroutine_threadsafe(doing, self.loop)
        self._under_way.add(future)  # a loop alone does not keep its tasks
        future.add_done_callback(self._under_way.discard)
        return future

    def close(self) -> None:
        """End the loop, where it is our own."""
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()


class Sent(Generic[T]):
    """What was asked for, under way: `await` it on any loop, or `wait` for it where there is none."""

    def __init__(self, future: Future[T], home: Home) -> None:
        self._future, self._home = future, home

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self._future).__await__()

    def wait(self, timeout: float | None = None) -> T:
        """Return what came of it; `timeout` in seconds. Raises `TimeoutError`, and what awaiting it raises.

        Raises `UsageError` on the loop that would have to do it: await it there.
        """
        if not self._future.done() and running_loop() is self._home.loop:
            raise UsageError("wait() came on the loop that does the work: use await instead")
        return self._future.result(timeout)

    def __repr__(self) -> str:
        return f"<{'done' if self._future.done() else 'under way'}: await it for what comes of it>"


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
