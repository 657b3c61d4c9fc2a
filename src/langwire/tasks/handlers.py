"""Knows how a registered function does a task: a deterministic step, looked up by its name in the worker."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from langwire.errors import UsageError
from langwire.events import Custom, Display, Event, Extracted, Progress
from langwire.tasks._attempt import Attempt, Bench
from langwire.tasks.task import Ending, Task

_EMITTED = (Custom, Progress, Display, Extracted)


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """What a handler is told of its task.

    `task` is its record as it was claimed, `attempt` the attempt at it, from 1: a handler may run more than once, so
    let what it does be idempotent, by `task.id`. `emit` tells an event to whoever watches the task, from any thread:
    `Custom`, `Progress`, `Display` or `Extracted`; it raises `UsageError` for any other.
    """

    task: Task
    attempt: int
    emit: Callable[[Event], None]


Handler: TypeAlias = Callable[..., Any]
"""Takes a `HandlerContext` and the task's `args` as keywords; returns the task's result, which must be JSON.

Async functions can be cancelled; a sync one runs in a thread, and is only waited for.
"""


class HandlerExited(Exception):
    """A handler has tried to end the program."""


def is_async(handler: Handler) -> bool:
    """Whether a handler is awaited: an async function, or an object that is called like one."""
    called = getattr(handler, "__call__", None)  # noqa: B004 - what it is called with, not whether it can be
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)


class HandlerAttempt(Attempt):
    """An attempt whose body is a handler."""

    def __init__(self, bench: Bench, task: Task, handler: Handler) -> None:
        super().__init__(bench, task)
        self._handler = handler
        self._running: asyncio.Task[Any] | None = None

    def _interrupt(self, reason: str) -> None:
        if self._running is not None and is_async(self._handler):
            self._running.cancel(reason)

    async def _body(self) -> Ending:
        _, args = await self.preparing(self._bench.rendered(self.task))
        if self.stopped is not None:
            return self._stopped_ending()
        work = self._running = asyncio.create_task(self._call(args), name=f"handler of task {self.task.id}")
        try:
            ended, _ = await asyncio.wait({work}, timeout=self._remaining())
            if not ended:
                self._interrupt("its time is over")
                await asyncio.wait({work})
        except asyncio.CancelledError:  # somebody ends the whole program
            work.cancel()
            raise
        if not work.cancelled():
            return Ending(state="done", result=work.result(), taken=self.task.taken)
        if self.stopped is not None:
            return self._stopped_ending()
        return (
            self._failed("CancelledError", "the handler was cancelled by its own code") if ended else self._timed_out()
        )

    async def _call(self, args: Mapping[str, Any]) -> Any:
        context = HandlerContext(self.task, self.task.attempt, self._emitter(asyncio.get_running_loop()))
        try:
            if is_async(self._handler):
                return await self._handler(context, **args)
            return await asyncio.to_thread(self._handler, context, **args)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # they would end the loop, and all tasks in it
            raise HandlerExited(f"the handler raised {type(error).__name__}") from error

    def _emitter(self, loop: asyncio.AbstractEventLoop) -> Callable[[Event], None]:
        redactor = self._bench.redactor

        def emit(event: Event) -> None:
            if not isinstance(event, _EMITTED):
                names = ", ".join(kind.__name__ for kind in _EMITTED)
                raise UsageError(f"a {type(event).__name__} cannot be emitted: expected {names}")
            for told in [event] if redactor is None else redactor.begin().feed(event):
                loop.call_soon_threadsafe(self.tell, told)

        return emit
