"""A store with a fault fails, or hangs, at the call that it was told, before it is made or after it has landed."""

from __future__ import annotations

import asyncio
import inspect
from itertools import count
from typing import Any

import pytest

from langwire.errors import StoreError, UsageError
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Caps, Ending, TaskAnswer, TaskQuery
from langwire.testing._task_suite import LEASE, answer, claims, finish, known, said, spec
from langwire.testing.task_faults import CALLS, FaultStore
from langwire.testing.task_stores import TaskStoreContract


class TestWithoutAFault(TaskStoreContract):
    """A store over another one keeps the contract: it hands on everything, and gives back what came."""

    async def make_store(self, clock: Any) -> TaskStore:
        return FaultStore(MemoryTaskStore(clock=clock), fail_nth=None)


def test_each_call_has_the_arguments_of_a_stores() -> None:
    for name in CALLS:
        of_store, of_fault = (inspect.signature(getattr(kind, name)) for kind in (TaskStore, FaultStore))
        assert of_fault == of_store, name


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_each_call_can_fail(name: str) -> None:
    store = FaultStore(MemoryTaskStore(), fail_nth=1, on=[name])
    arguments: dict[str, tuple[Any, ...]] = {
        "create": ([spec("t")],),
        "request_cancel": ("t",),
        "resume": ("t", [answer("q")]),
        "retry": ("t",),
        "followup": ("t", "m", "text"),
        "claim": ("w", ["agent:a"]),
        "heartbeat": ("w", {"t": 1}),
        "cancel_requests": ("w",),
        "append_events": ("t", 1, 1, said("one")),
        "finish": ("t", 1, Ending(state="done")),
        "changes": (None,),
        "wait": (0, 0.0),
        "purge": (0.0,),
        **dict.fromkeys(("get", "events", "delete"), ("t",)),
    }
    more = {"lease": LEASE} if name in ("claim", "heartbeat") else {}
    with pytest.raises(StoreError, match="a fault was put into it"):
        await getattr(store, name)(*arguments.get(name, ()), **more)
    assert (store.made, store.reached.is_set()) == ([name], True)


async def test_before_means_that_the_call_was_not_made() -> None:
    whole = MemoryTaskStore()
    store = FaultStore(whole, fail_nth=2)
    await store.create([spec("one")])
    with pytest.raises(StoreError):
        await store.create([spec("two")])
    await store.create([spec("three")])
    assert [task.id for task in (await whole.list()).tasks] == ["three", "one"]
    assert store.calls == 3


async def test_after_means_that_only_its_answer_is_lost() -> None:
    whole = MemoryTaskStore()
    store = FaultStore(whole, fail_nth=1, at="after", error=OSError("the wire was cut"))
    with pytest.raises(OSError, match="the wire was cut"):
        await store.create([spec("t", call_key="k")])
    assert await known(whole) == (await store.create([spec("t", call_key="k")]))[0]


async def test_only_the_calls_that_are_named_count() -> None:
    store = FaultStore(MemoryTaskStore(), fail_nth=2, on=["claim", "finish"])
    await store.create([spec("t")])
    running = (await claims(store))["t"]
    await store.list(TaskQuery())
    with pytest.raises(StoreError):
        await finish(store, running)
    assert store.made == ["claim", "finish"]
    assert (await finish(store, running)).state == "done"


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_call_can_hang_instead(at: Any) -> None:
    whole, go_on = MemoryTaskStore(), asyncio.Event()
    store = FaultStore(whole, fail_nth=1, at=at, hang=go_on)
    making = asyncio.create_task(store.create([spec("t")]))
    await store.reached.wait()
    assert (await whole.get("t") is not None) == (at == "after")
    assert not making.done()
    go_on.set()
    assert await making == (await known(whole),)


async def test_a_call_that_hangs_can_be_cancelled() -> None:
    whole = MemoryTaskStore()
    store = FaultStore(whole, fail_nth=1, hang=asyncio.Event())
    making = asyncio.create_task(store.create([spec("t")]))
    await store.reached.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert await whole.get("t") is None


async def test_what_is_meant_is_handed_on() -> None:
    store = FaultStore(MemoryTaskStore(), fail_nth=None)
    await store.create([spec("a"), spec("b", name="b")])
    assert await store.claim("w", ["agent:a", "agent:b"], limit=9, lease=LEASE, caps=Caps(per_name={"agent:a": 0}))
    assert (await known(store, "a")).state == "queued"
    assert await store.resume("a", [TaskAnswer(interrupt_id="q")]) is False


def test_a_fault_that_is_none_is_refused() -> None:
    whole, wrong = MemoryTaskStore(), {"at": "during"}
    with pytest.raises(UsageError, match="a fault at call 0 is never met"):
        FaultStore(whole, fail_nth=0)
    with pytest.raises(UsageError, match="a fault 'during' a call is none"):
        FaultStore(whole, fail_nth=1, **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"\['commit'\] came: expected names of calls"):
        FaultStore(whole, fail_nth=1, on=["claim", "commit"])


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_run_can_be_broken_at_each_call_until_one_is_whole(at: Any) -> None:
    """What a sweep over all calls looks like: it makes each again, and its end is the same wherever it was broken."""

    async def run(store: TaskStore) -> None:
        async def insist(call: Any) -> Any:
            try:
                return await call()
            except StoreError:
                return await call()

        await insist(lambda: store.create([spec("t")]))
        running = await insist(lambda: known(store))
        if not (await insist(lambda: claims(store))):
            running = await insist(lambda: known(store))  # its claim landed, and the answer was lost
        running = await insist(lambda: known(store, running.id))
        await insist(lambda: finish(store, running, result=1))

    for nth in count(1):
        whole = MemoryTaskStore()
        store = FaultStore(whole, fail_nth=nth, at=at)
        await run(store)
        assert ((await known(whole)).state, (await known(whole)).result) == ("done", 1)
        if not store.reached.is_set():
            assert nth == 6 if at == "before" else nth in (6, 7)
            break
