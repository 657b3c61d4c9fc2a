"""Knows how the tasks that one process has claimed are kept going, and how they are let go.

Six loops share the work: one claims, one hears the dispatcher's hints, one hears what any process has written, one
prolongs the leases, one watches that they have been prolonged, and one sweeps, which takes back what lost workers
held. Each is begun anew, after a pause, when it fails: so no error of a store ends a worker, and recovery never waits
behind the work of users.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from langwire.sessions.store import now_ms
from langwire.sessions.summary import report
from langwire.tasks._attempt import Attempt
from langwire.tasks.dispatcher import Dispatcher
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Caps, Task

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

_POLL = 1.0
"""Seconds after which an idle worker looks for work by itself."""
_LOOK = 5.0
"""Seconds after which it looks for news by itself."""
_GATHER = 0.05
"""Seconds in which news of the store is gathered."""
_PAUSES = (0.05, 0.2, 1.0, 2.0)
"""Seconds until a loop that failed is begun anew, by how often it has in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a worker works by: see `TaskRunner`."""

    worker: str
    store: TaskStore
    dispatcher: Dispatcher
    redactor: Redactor | None
    concurrency: int
    caps: Caps
    lease: float
    sweep: float
    bodies: Callable[[], Sequence[str]]
    """What it can run, by now."""
    begin: Callable[[Task], Attempt]
    """Makes the attempt at a task that was claimed."""
    over: Callable[[Task], Awaitable[None]]
    """Called when an attempt at a task is over."""
    changed: Callable[[Task], None]
    """Called with each task of the store that any process has changed."""


class Worker:
    """Works on tasks from `start` to `stop`."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._attempts: dict[str, Attempt] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._closing = False
        self._mark: int | None = None
        """Up to which the news of the store have been heard."""
        self._claiming = asyncio.create_task(self._supervised("claims", self._claim), name="claims of tasks")
        loops = {
            "hints": self._hear_hints,
            "news": self._hear_news,
            "leases": self._prolong,
            "watch": self._watch,
            "sweep": self._sweep,
        }
        self._loops = [asyncio.create_task(self._supervised(name, loop), name=name) for name, loop in loops.items()]

    def attempt(self, task_id: str) -> Attempt | None:
        """Return the attempt at a task that goes on here."""
        return self._attempts.get(task_id)

    async def stop(self, grace: float) -> None:
        """Stop all attempts, and give their leases back. Waits `grace` seconds for each of its steps."""
        self._closing = True
        self._wake.set()
        await asyncio.wait({self._claiming}, timeout=grace)  # what it claims now must not be forgotten
        for attempt in self._attempts.values():
            attempt.stop("given_back", "the worker shuts down")
        if self._working:
            await asyncio.wait(self._working, timeout=grace)
        for attempt in self._attempts.values():
            self._report(f"task {attempt.task.id} does not let itself be stopped: its lease will run out", None)
            attempt.give_up()
        left = [self._claiming, *self._loops, *self._working]
        for one in left:
            one.cancel()
        await asyncio.wait(left, timeout=grace)

    # -------------------------------------------------------------- the loops

    async def _supervised(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        failed = 0
        while not self._closing:
            began = monotonic()
            try:
                await loop()
            except Exception as error:
                self._report(f"the loop of a task worker that is for {name} failed, and is begun anew", error)
            failed = 0 if monotonic() - began > _PAUSES[-1] else failed
            await asyncio.sleep(_PAUSES[min(failed, len(_PAUSES) - 1)])
            failed += 1

    async def _claim(self) -> None:
        terms = self._terms
        while not self._closing:
            free, bodies = terms.concurrency - len(self._attempts), terms.bodies()
            self._wake.clear()
            claimed: Sequence[Task] = ()
            if free > 0 and bodies:
                claimed = await terms.store.claim(terms.worker, bodies, limit=free, lease=terms.lease, caps=terms.caps)
            for task in claimed:
                try:
                    self._begin(task)
                except Exception as error:  # the others of the batch are begun all the same
                    self._report(f"task {task.id} cannot be begun: its lease will run out", error)
            if not self._closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._wake.wait()

    async def _hear_hints(self) -> None:
        async for _ in self._terms.dispatcher.receive():
            self._wake.set()

    async def _hear_news(self) -> None:
        store = self._terms.store
        while True:
            if self._mark is None:
                self._mark, _ = await store.changes(None)
            last, changed = await store.changes(self._mark)
            for task in changed:
                self._heard(task)
            if last == self._mark:
                await store.wait(last, _LOOK)
            else:
                self._mark = last
                await asyncio.sleep(_GATHER)

    def _heard(self, task: Task) -> None:
        attempt = self._attempts.get(task.id)
        if attempt is not None and task.fence > attempt.task.fence:
            attempt.stop("lost", "its lease was taken back")
        elif attempt is not None and task.fence == attempt.task.fence and task.cancel is not None:
            attempt.stop("cancelled", task.cancel)
        if task.state == "queued":
            later = (task.not_before_ms - now_ms()) / 1000
            if later <= 0:
                self._wake.set()
            elif later < _POLL:  # else it is found by looking
                asyncio.get_running_loop().call_later(later, self._wake.set)
        self._terms.changed(task)

    async def _prolong(self) -> None:
        while True:
            if self._attempts:
                await self._beat()
            await asyncio.sleep(self._terms.lease / 3)  # last: a heartbeat that failed is made again soon

    async def _beat(self) -> None:
        terms, held, sent = self._terms, dict(self._attempts), monotonic()
        fences = {id: attempt.task.fence for id, attempt in held.items()}
        lost = await terms.store.heartbeat(terms.worker, fences, lease=terms.lease)
        for id, attempt in held.items():
            attempt.beat = sent
            if id in lost and attempt.settled is None:
                attempt.stop("lost", "its lease was taken back")
        for id, reason in (await terms.store.cancel_requests(terms.worker)).items():
            if id in held:  # heard by the news before, as a rule
                held[id].stop("cancelled", reason)

    async def _watch(self) -> None:
        """Stop what has no lease any more as far as one can know: somebody else may be at it."""
        lease = self._terms.lease
        while True:
            await asyncio.sleep(lease / 10)
            for attempt in list(self._attempts.values()):
                if monotonic() - attempt.beat > lease:
                    attempt.stop("lost", "its lease could not be prolonged")

    async def _sweep(self) -> None:
        while True:
            while await self._terms.store.reap():
                self._wake.set()
            await asyncio.sleep(self._terms.sweep)

    # -------------------------------------------------------------- one attempt

    def _begin(self, task: Task) -> None:
        older = self._attempts.get(task.id)
        if older is not None:  # its lease was taken back, and given to this worker again, before the news came
            older.stop("lost", "its lease was taken back")
        attempt = self._attempts[task.id] = self._terms.begin(task)
        working = asyncio.create_task(self._work(attempt), name=f"task {task.id}")
        self._working.add(working)
        working.add_done_callback(self._working.discard)

    async def _work(self, attempt: Attempt) -> None:
        try:
            await attempt.run()
            await self._terms.over(attempt.task)
        except Exception as error:
            self._report(f"an attempt at task {attempt.task.id} failed outside of its body", error)
        finally:
            if self._attempts.get(attempt.task.id) is attempt:
                del self._attempts[attempt.task.id]
            self._wake.set()

    def _report(self, what: str, error: BaseException | None) -> None:
        report(what, error, logging.WARNING, self._terms.redactor)
