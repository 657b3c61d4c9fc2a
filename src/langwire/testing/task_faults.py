"""Knows how to make any task store fail or hang at its n-th call, before the call is made or after it has landed.

A store that fails *after* the call has done what it was asked for, and only its answer is lost: the harder half of
what happens to a connection. A test lets a run meet each call in turn, until one run meets none:

    for nth in count(1):
        store = FaultStore(MemoryTaskStore(), fail_nth=nth, at="after")
        await run(store)
        if not store.reached.is_set():
            break
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeVar, get_args

from langwire.errors import StoreError, UsageError
from langwire.events import Event, TokenUsage
from langwire.tasks.states import TaskState
from langwire.tasks.store import TaskStore
from langwire.tasks.task import ANY, NO_CAPS, Caps, Ending, EventPage, Spec, Task, TaskAnswer, TaskPage, TaskQuery
from langwire.testing.faults import fresh

T = TypeVar("T")
When = Literal["before", "after"]

CALLS = frozenset(name for name in vars(TaskStore) if not name.startswith("_") and name != "checkpointer")
"""The calls that can fail: all of a store's, but that which hands out its checkpointer."""


class FaultStore:
    """A task store over another one, whose call number `fail_nth` (from 1) fails; with `None` none does.

    Only calls named in `on` count, or all. `at` says whether the call fails before it is made, or after it has landed.
    It raises `error`, or, with a `hang`, waits there until that event is set, and then goes on as if nothing had been.
    `made` are the names of the calls that counted so far, and `reached` is set when the call is met. Raises
    `UsageError` for a `fail_nth` that is never met, for an `at` and for names that are none.
    """

    def __init__(
        self,
        store: TaskStore,
        *,
        fail_nth: int | None,
        at: When = "before",
        error: BaseException | None = None,
        on: Collection[str] | None = None,
        hang: asyncio.Event | None = None,
    ) -> None:
        if fail_nth is not None and fail_nth < 1:
            raise UsageError(f"a fault at call {fail_nth} is never met: expected a number, 1 or more, or None")
        if at not in get_args(When):
            raise UsageError(f"a fault {at!r} a call is none: expected 'before' or 'after'")
        if unknown := sorted(set(on or ()) - CALLS):
            raise UsageError(f"{unknown} came: expected names of calls, of {sorted(CALLS)}")
        self.store, self.fail_nth, self.at = store, fail_nth, at
        self.error = error or StoreError("cannot use the store: a fault was put into it")
        self.on, self.hang = CALLS if on is None else frozenset(on), hang
        self.made: list[str] = []
        self.reached = asyncio.Event()

    @property
    def calls(self) -> int:
        """How many calls have counted."""
        return len(self.made)

    async def _call(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name not in self.on:
            return await call()
        self.made.append(name)
        if len(self.made) != self.fail_nth:
            return await call()
        if self.at == "before":
            await self._meet()
            return await call()
        answer = await call()
        await self._meet()
        return answer

    async def _meet(self) -> None:
        self.reached.set()
        if self.hang is None:
            raise fresh(self.error)
        await self.hang.wait()

    # -------------------------------------------------------------- the calls

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        return await self._call("create", lambda: self.store.create(specs, limited=limited))

    async def request_cancel(self, task_id: str, reason: str = "") -> Task:
        return await self._call("request_cancel", lambda: self.store.request_cancel(task_id, reason))

    async def resume(self, task_id: str, answers: Sequence[TaskAnswer]) -> bool:
        return await self._call("resume", lambda: self.store.resume(task_id, answers))

    async def retry(self, task_id: str) -> bool:
        return await self._call("retry", lambda: self.store.retry(task_id))

    async def followup(self, task_id: str, message_id: str, text: str) -> bool:
        return await self._call("followup", lambda: self.store.followup(task_id, message_id, text))

    async def claim(
        self, worker: str, bodies: Sequence[str], *, limit: int = 1, lease: float, caps: Caps = NO_CAPS
    ) -> tuple[Task, ...]:
        return await self._call("claim", lambda: self.store.claim(worker, bodies, limit=limit, lease=lease, caps=caps))

    async def heartbeat(self, worker: str, held: Mapping[str, int], *, lease: float) -> tuple[str, ...]:
        return await self._call("heartbeat", lambda: self.store.heartbeat(worker, held, lease=lease))

    async def cancel_requests(self, worker: str) -> Mapping[str, str]:
        return await self._call("cancel_requests", lambda: self.store.cancel_requests(worker))

    async def append_events(
        self, task_id: str, fence: int, batch: int, events: Sequence[Event], *, usage: TokenUsage | None = None
    ) -> bool:
        return await self._call(
            "append_events", lambda: self.store.append_events(task_id, fence, batch, events, usage=usage)
        )

    async def finish(self, task_id: str, fence: int, ending: Ending, events: Sequence[Event] = ()) -> Task:
        return await self._call("finish", lambda: self.store.finish(task_id, fence, ending, events))

    async def reap(self, limit: int = 100) -> tuple[Task, ...]:
        return await self._call("reap", lambda: self.store.reap(limit))

    async def get(self, task_id: str) -> Task | None:
        return await self._call("get", lambda: self.store.get(task_id))

    async def list(self, query: TaskQuery = ANY, *, limit: int = 50, before: int | None = None) -> TaskPage:
        return await self._call("list", lambda: self.store.list(query, limit=limit, before=before))

    async def count(self, query: TaskQuery = ANY) -> dict[TaskState, int]:
        return await self._call("count", lambda: self.store.count(query))

    async def events(self, task_id: str, after: int = 0, limit: int = 500) -> EventPage:
        return await self._call("events", lambda: self.store.events(task_id, after, limit))

    async def changes(self, after: int | None, limit: int = 500) -> tuple[int, tuple[Task, ...]]:
        return await self._call("changes", lambda: self.store.changes(after, limit))

    async def wait(self, mark: int, seconds: float) -> None:
        await self._call("wait", lambda: self.store.wait(mark, seconds))

    async def delete(self, task_id: str) -> bool:
        return await self._call("delete", lambda: self.store.delete(task_id))

    async def purge(self, older_than: float, limit: int = 1000) -> tuple[str, ...]:
        return await self._call("purge", lambda: self.store.purge(older_than, limit))

    def checkpointer(self) -> AbstractAsyncContextManager[Any]:
        return self.store.checkpointer()

    async def close(self) -> None:
        await self._call("close", self.store.close)
