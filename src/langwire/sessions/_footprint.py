"""Knows when nothing of a run goes on any more, threads that nobody can stop included.

LangGraph abandons the thread of a sync function when its task is cancelled, and says nothing of it. But every task
and thread that a run starts copies its `contextvars` context. A mark in that context dies with the last copy, and a
weak reference says when: nothing polls, and the garbage collector is not needed.

The ugly corner: other things hold a context as well. Cancelled timers do until their time comes, tracebacks through
their frames, an open connection as long as it lives. The first two are dealt with here.
"""

from __future__ import annotations

import asyncio
import contextvars
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress

_RUN: contextvars.ContextVar[object] = contextvars.ContextVar("langwire_run")


class _Mark:
    __slots__ = ("__weakref__",)


class Footprint:
    """What a run leaves in the contexts of its tasks and threads. The loop calls `gone` when nothing is left of it."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._mark: weakref.ref[_Mark] | None = None

    @property
    def left(self) -> bool:
        """Whether anything still holds a context of the run."""
        return self._mark is not None and self._mark() is not None

    def context(self) -> contextvars.Context:
        """Return the context to run in: a copy of the current one, with the mark. Hold on to nothing of it."""
        loop, mark, context = asyncio.get_running_loop(), _Mark(), contextvars.copy_context()
        context.run(_RUN.set, mark)
        self._mark = weakref.ref(mark, lambda _: _call_soon(loop, self._gone))
        return context

    def forget(self) -> None:
        """Ask no more."""
        self._mark = None


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed, nobody waits any more
        loop.call_soon_threadsafe(callback)


def clear_frames(error: BaseException | None) -> None:
    """Empty the frames of an exception's tracebacks, which hold the context of the run."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # somebody may have made a ring of them
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def forget_timers(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop forget its cancelled timers.

    asyncio keeps them until their time comes, an hour from now, say, and with them the context of a run that made
    them; but not when more than half of all timers are cancelled ones, and more than a hundred.
    """
    for _ in range(100 + len(getattr(loop, "_scheduled", ()))):
        loop.call_later(1.0, lambda: None).cancel()
