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

    It is the loop that runs where it is made; else one in a thread of its own, until something is done there `last`.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._under_way: set[Future[Any]] = set()
        self._lock, self._closed = threading.Lock(), False
        running = running_loop()
        if running is not None:
            self.loop = running
            return
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="langwire conversation", daemon=True)
        self._thread.start()

    def begin(self, doing: Coroutine[Any, Any, T], *, last: bool = False) -> Future[T]:
        """Have something done there, and return at once. A loop of our own ends when what is to be `last` is done.

        Raises `UsageError` where such a loop ends, or has ended.
        """
        with self._lock:
            if self._closed:
                doing.close()
                raise UsageError("the conversation is closed: make another Chat of its thread to go on")
            self._closed = last and self._thread is not None
            future = asyncio.run_coroutine_threadsafe(doing, self.loop)
        self._under_way.add(future)  # a loop alone does not keep its tasks
        future.add_done_callback(self._under_way.discard)
        if self._closed:
            future.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.loop.stop))
        return future

    def has_ended(self) -> bool:
        """Return whether nothing is done there any more; a loop that ends is waited for."""
        if not self._closed or self._thread is None:
            return False
        self._thread.join()
        return True

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:  # somebody may wait for what comes of them
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
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
