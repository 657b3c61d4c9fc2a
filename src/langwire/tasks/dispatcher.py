"""Knows how workers hear that there may be something to do.

A dispatcher carries hints and nothing else. A hint may come twice, or never: a worker always claims from the store,
and looks there by itself from time to time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

from langwire.tasks.task import Task


class Dispatcher(Protocol):
    """Carries the news that a task may start, from whoever made it ready to the workers."""

    async def send(self, task: Task) -> None:
        """Tell workers of a queued task. What it raises is logged, and the task found by the workers all the same."""
        ...

    def receive(self) -> AsyncIterator[str]:
        """Yield the ids of tasks that may be ready, until its reader leaves."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


class InProcessDispatcher:
    """Wakes the workers of one process, in whichever thread they and the sender run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receivers: set[_Receiver] = set()

    async def send(self, task: Task) -> None:
        with self._lock:
            receivers = list(self._receivers)
        for receiver in receivers:
            receiver.tell(task.id)

    async def receive(self) -> AsyncIterator[str]:
        receiver = _Receiver()
        with self._lock:
            self._receivers.add(receiver)
        try:
            while True:
                yield await receiver.next()
        finally:
            with self._lock:
                self._receivers.discard(receiver)

    async def close(self) -> None:
        """Nothing is held open."""


class _Receiver:
    """The last hint that one reader has not read: those before it say no more than it does."""

    def __init__(self) -> None:
        self._loop, self._told, self._last = asyncio.get_running_loop(), asyncio.Event(), ""

    def tell(self, task_id: str) -> None:
        self._last = task_id
        with suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._told.set)

    async def next(self) -> str:
        await self._told.wait()
        self._told.clear()
        return self._last
