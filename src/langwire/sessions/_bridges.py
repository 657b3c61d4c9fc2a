"""Knows how to read an async stream from sync code and a sync one from async code, and nothing of what flows."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_DONE = object()


def run_in_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in an event loop of its own, whether or not this thread has one running."""
    (result,) = iterate_in_loop(lambda: _once(make))
    return result


async def _once(make: Callable[[], Coroutine[Any, Any, T]]) -> AsyncIterator[T]:
    yield await make()


def iterate_in_loop(make: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """Yield what an async iterator yields, driven by one task of an event loop in a thread of its own.

    What it raises is raised here. When the caller stops early the task is cancelled, and its end awaited.
    """
    items: SimpleQueue[Any] = SimpleQueue()
    runner = _LoopThread(make, items)
    runner.start()
    try:
        while (item := items.get()) is not _DONE:
            yield item
    finally:
        runner.stop()
    if runner.error is not None:
        raise runner.error


class _LoopThread(threading.Thread):
    def __init__(self, make: Callable[[], AsyncIterator[Any]], items: SimpleQueue[Any]) -> None:
        super().__init__(name="langwire-loop", daemon=True)
        self._make, self._items = make, items
        self._context = contextvars.copy_context()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._context.run(asyncio.run, self._pump())
        except BaseException as error:  # handed to the thread that reads
            self.error = error
        finally:
            self._ready.set()
            self._items.put(_DONE)

    async def _pump(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._ready.set()
        async for item in self._make():
            self._items.put(item)

    def stop(self) -> None:
        """Cancel what still runs and wait for its end. Without effect once it has ended."""
        self._ready.wait()
        if self.is_alive() and self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop closed between the two lines
                self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()


async def iterate_in_thread(make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
    """Yield what a sync iterator yields, each step of it run in a worker thread.

    When the caller is cancelled the step that runs goes on to its end; nobody holds the iterator then.
    """
    iterator = make()
    while (item := await asyncio.to_thread(next, iterator, _DONE)) is not _DONE:
        yield item  # pyright: ignore[reportReturnType]
