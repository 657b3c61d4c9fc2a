"""Knows how the events of a running task get into its store: in joined batches, in their order, each once.

A batch that the store did not take is offered again under its number, until it is taken or the lease is lost: a store
that fails for a while costs a run nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from langwire.errors import LeaseLost, StoreError, UnknownTask, UsageError
from langwire.events import Event, TokenUsage, Usage
from langwire.sessions._deltas import joined, runs_of
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Task

_FIRST_PAUSE = 0.1
"""Seconds in which the first events are gathered: what a short task tells is written with its end."""
_PAUSE = 0.05
"""Seconds in which events are gathered before they are written, at least."""
_SHARE = 10
"""How many times as long as a write takes they are gathered at least: so a busy store gets larger batches."""


class Recorder:
    """Writes what one attempt tells.

    `over_budget` is called when the tasks below its root have spent too much. `patience` is awaited after each try that
    the store failed, with how many those were. `refused` is called when the record cannot keep a batch, which is lost.
    """

    def __init__(
        self,
        store: TaskStore,
        task: Task,
        *,
        over_budget: Callable[[], None],
        patience: Callable[[int, StoreError], Awaitable[None]],
        refused: Callable[[UsageError], None],
    ) -> None:
        self._store, self._task = store, task
        self._over_budget, self._patience, self._refused = over_budget, patience, refused
        self._told: list[Event] = []
        self._input_tokens = self._output_tokens = 0
        self.batch = 0
        """The number of the batch that was made last."""
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._lost = False
        self._pause = _FIRST_PAUSE

    def tell(self, event: Event) -> None:
        """Take in an event; it is written soon."""
        self._told.append(event)
        if isinstance(event, Usage):
            self._input_tokens += max(0, event.input_tokens)
            self._output_tokens += max(0, event.output_tokens)
        self._soon()

    async def rest(self) -> tuple[list[Event], TokenUsage | None]:
        """Return what has not been written, as the batch `batch`, for the last write of the attempt to take along."""
        while self._writing is not None:
            await self._writing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._take()

    async def abandon(self) -> None:
        """Write nothing more, and let go of a write that hangs."""
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _soon(self) -> None:
        if self._timer is None and self._writing is None and not self._lost:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._writing = asyncio.create_task(self._write(), name=f"events of task {self._task.id}")

    async def _write(self) -> None:
        events, usage = self._take()
        began = monotonic()
        try:
            if not await self._append(events, usage):
                self._over_budget()
            self._pause = max(_PAUSE, _SHARE * (monotonic() - began))
        except (LeaseLost, UnknownTask):  # the last write of the attempt meets the same, and says so
            self._lost = True
        except UsageError as error:
            self._refused(error)
        self._writing = None
        if self._told:
            self._soon()

    async def _append(self, events: list[Event], usage: TokenUsage | None) -> bool:
        task, failed = self._task, 0
        while True:
            try:
                return await self._store.append_events(task.id, task.fence, self.batch, events, usage=usage)
            except StoreError as error:
                failed += 1
                await self._patience(failed, error)

    def _take(self) -> tuple[list[Event], TokenUsage | None]:
        self.batch += 1
        told, self._told = self._told, []
        usage = TokenUsage(input_tokens=self._input_tokens, output_tokens=self._output_tokens)
        self._input_tokens = self._output_tokens = 0
        events = [joined(run) for run in runs_of(told, lambda event: event)]
        return events, usage if usage.total_tokens else None
