"""What a runner keeps to when things go wrong around it: limits, odd handlers, odd values, and what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import RetryPolicy, interrupt

from langwire import SessionAdapter
from langwire.errors import StoreError, UnknownTask, UsageError
from langwire.events import Custom, TaskUpdate, TokenUsage
from langwire.tasks import (
    ArtifactStore,
    HandlerContext,
    MemoryTaskStore,
    SQLiteTaskStore,
    Task,
    TaskPolicy,
    TaskRunner,
    TaskStore,
)
from langwire.tasks.client import MAX_TEXT
from langwire.tasks.context import CONFIG_KEY
from tasks.agents import Gate, echo, graph_of

PATIENCE = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TaskStore:
    return MemoryTaskStore() if request.param == "memory" else SQLiteTaskStore(tmp_path / "tasks.db")


def spender(tokens: int) -> Any:
    def say(state: Any) -> Any:
        usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
        return {"messages": [AIMessage("spent", usage_metadata=usage)]}

    return graph_of(("say", say))


async def ended(runner: TaskRunner, task_id: str) -> Task:
    return await runner.wait(task_id, timeout=PATIENCE)


# ------------------------------------------------------------------ limits


async def test_tokens_that_are_used_up_keep_the_next_attempt_from_beginning(store: TaskStore):
    """T-9: also one so short that nothing is written while it runs."""
    async with TaskRunner({"main": spender(120)}, store, policy=TaskPolicy(max_tokens=100)) as runner:
        task_id = await runner.enqueue("x")
        assert (await ended(runner, task_id)).usage == TokenUsage(input_tokens=120)
        await runner.followup(task_id, "more")
        task = await ended(runner, task_id)
    assert (task.state, task.error and task.error.code, task.usage) == (
        "failed",
        "tokens",
        TokenUsage(input_tokens=120),
    )


async def test_tokens_that_are_not_used_up_let_it_begin(store: TaskStore):
    async with TaskRunner({"main": spender(40)}, store, policy=TaskPolicy(max_tokens=100)) as runner:
        assert (await ended(runner, await runner.enqueue("x"))).state == "done"


async def test_what_a_model_counts_below_zero_is_counted_as_nothing():
    async with TaskRunner({"main": spender(-1)}) as runner:
        task = await ended(runner, await runner.enqueue("x"))
    assert (task.state, task.usage) == ("done", None)


async def test_a_child_cancels_its_children_when_its_parent_would():
    """D7: a child only narrows."""
    runner = TaskRunner({"main": echo()}, policy=TaskPolicy(on_cancel="abandon"), retry=None)
    parent = await runner.get(
        await runner.enqueue("x", policy=TaskPolicy(on_cancel="cancel"), timeout=7, retry=RetryPolicy(max_attempts=5))
    )
    origin = runner.configurable("t", None, lambda event: None)[CONFIG_KEY]
    from dataclasses import replace

    child = await runner.delegate(replace(origin, task=parent, root_id=parent.id), "y", call_key="k")
    assert (child.spec.on_cancel, child.spec.timeout, child.spec.retry) == ("cancel", 7, parent.spec.retry)
    free = await runner.delegate(origin, "y", call_key="k2")
    assert free.spec.on_cancel == "abandon"


async def test_a_text_that_is_too_long_is_refused_before_anything_is_kept(store: TaskStore):
    async with TaskRunner({"main": echo()}, store) as runner:
        with pytest.raises(UsageError, match=f"expected {MAX_TEXT} at most"):
            await runner.enqueue("y" * (MAX_TEXT + 1))
        task_id = await runner.enqueue("x")
        await ended(runner, task_id)
        with pytest.raises(UsageError, match=f"expected {MAX_TEXT} at most"):
            await runner.followup(task_id, "y" * (MAX_TEXT + 1))
        assert (await runner.get(task_id)).state == "done"


async def test_the_keys_of_two_principals_never_meet():
    runner = TaskRunner({"main": echo()})
    asked = [("a:b", "c"), ("a", "b:c"), (None, "c")]
    ids = [await runner.enqueue(f"{n}", principal=who, idempotency_key=key) for n, (who, key) in enumerate(asked)]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "given",
    [
        {"concurrency": None},
        {"lease": None},
        {"lease": "1"},
        {"lease": 1e-6},
        {"sweep": True},
        {"handlers": {"h": 5}},
        {"handlers": {" ": print}},
        {"handlers": 5},
        {"agents": None},
        {"agents": {"": echo()}},
    ],
)
def test_a_runner_is_not_made_with_what_it_cannot_work_with(given: dict[str, Any]):
    with pytest.raises(UsageError):
        TaskRunner(**{"agents": {"main": echo()}, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"title": 5},
        {"principal": ""},
        {"priority": "1"},
        {"priority": None},
        {"after": "abc"},
        {"after": [5]},
        {"on_failed": "never"},
        {"timeout": "1"},
        {"policy": 5},
    ],
)
async def test_a_task_is_not_made_with_what_no_worker_can_read(given: dict[str, Any]):
    with pytest.raises(UsageError):
        await TaskRunner({"main": echo()}).enqueue("x", **given)


async def test_an_age_below_zero_purges_nothing():
    with pytest.raises(UsageError, match="older_than"):
        await TaskRunner({}).purge(-1)


# ------------------------------------------------------------------ odd bodies


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_a_handler_that_ends_the_program_ends_its_task_alone(error: type[BaseException]):
    async def leave(context: HandlerContext) -> None:
        raise error

    def leave_sync(context: HandlerContext) -> None:
        raise error

    async with TaskRunner({"main": echo()}, handlers={"leave": leave, "sync": leave_sync}) as runner:
        for name in ("leave", "sync"):
            task = await ended(runner, await runner.enqueue(handler=name))
            assert (task.state, task.error and task.error.code) == ("failed", "HandlerExited")
        assert (await ended(runner, await runner.enqueue("x"))).state == "done"


async def test_a_handler_may_be_an_object_that_is_called_like_an_async_function():
    class Handler:
        async def __call__(self, context: HandlerContext, x: int) -> int:
            return x + 1

    async with TaskRunner({}, handlers={"h": Handler()}) as runner:
        assert (await ended(runner, await runner.enqueue(handler="h", args={"x": 1}))).result == 2


async def test_a_handler_whose_own_store_fails_has_failed():
    """I9: it has begun, so its attempt counts, and it is not made again for ever."""
    runs: list[int] = []

    async def fail(context: HandlerContext) -> None:
        runs.append(context.attempt)
        raise StoreError("a store of its own")

    async with TaskRunner({}, handlers={"fail": fail}) as runner:
        task = await ended(runner, await runner.enqueue(handler="fail"))
    assert (task.state, task.error and task.error.code, runs) == ("failed", "StoreError", [1])


async def test_a_handler_emits_what_belongs_to_a_task_alone():
    async def emit(context: HandlerContext) -> None:
        context.emit(Custom(data=1))
        context.emit(TaskUpdate(task_id="t", state="done"))

    async with TaskRunner({}, handlers={"emit": emit}) as runner:
        task = await ended(runner, await runner.enqueue(handler="emit"))
        assert (task.state, task.error and task.error.code) == ("failed", "UsageError")


async def test_an_approval_is_not_asked_again_because_what_it_allowed_has_failed(store: TaskStore):
    left = [ConnectionError("for a moment")]

    def gated(state: Any) -> Any:
        allowed = interrupt("may I?")
        if left:
            raise left.pop()
        return {"messages": [AIMessage(f"allowed: {allowed}")]}

    policy = RetryPolicy(max_attempts=3, initial_interval=0.001)
    async with TaskRunner({"main": graph_of(("gated", gated))}, store, retry=policy) as runner:
        task = await ended(runner, await runner.enqueue("x"))
        assert await runner.resume(task.id, {task.interrupts[0].id: "yes"})
        task = await ended(runner, task.id)
        while not task.at_rest:
            task = await ended(runner, task.id)
    assert (task.state, task.result, task.attempt) == ("done", "allowed: yes", 2)


# ------------------------------------------------------------------ news, hints, ends


async def test_a_conversation_hears_each_change_of_a_task_once():
    gate = Gate()
    async with TaskRunner({"main": gate.agent}) as runner, SessionAdapter(echo(), tasks=runner) as sessions:
        told: list[Any] = []
        origin = runner.configurable("t", None, told.append)[CONFIG_KEY]
        task = await runner.delegate(origin, "x", call_key="k")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        for n in range(5):
            await runner.followup(task.id, f"more {n}")
            mark, _ = await runner.store.changes(None)
            await runner.store.wait(mark, 0.06)
        gate.let_through.set()
        await ended(runner, task.id)
        async with asyncio.timeout(PATIENCE):
            while runner._pushes:
                mark, _ = await runner.store.changes(None)
                await runner.store.wait(mark, 0.05)
        states = [event.state for event in told]
        assert states == list(dict.fromkeys(states))
        assert states[-1] == "done"
        assert sessions is not None


async def test_a_dispatcher_that_ends_is_asked_again_after_a_while():
    class Ending:
        asked = 0

        async def send(self, task: Task) -> None:
            raise OSError("nobody is there")

        async def receive(self) -> AsyncIterator[str]:
            self.asked += 1
            return
            yield ""

        async def close(self) -> None: ...

    dispatcher = Ending()
    async with TaskRunner({"main": echo()}, dispatcher=dispatcher) as runner:
        assert (await ended(runner, await runner.enqueue("x"))).state == "done"
    assert 0 < dispatcher.asked < 20


async def test_waiting_for_a_task_that_is_deleted_says_so(store: TaskStore, monkeypatch: pytest.MonkeyPatch):
    runner = TaskRunner({"main": echo()}, store)
    task_id = await runner.enqueue("x")
    wait = store.wait

    async def end_and_delete(mark: int, seconds: float) -> None:
        if (await store.list()).tasks:  # between two looks it has ended and is gone: all that is left of it is a mark
            await store.request_cancel(task_id)
            await store.delete(task_id)
        await wait(mark, seconds)

    monkeypatch.setattr(store, "wait", end_and_delete)
    with pytest.raises(UnknownTask):
        await runner.wait(task_id, timeout=PATIENCE)


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path):
    runner = TaskRunner({"main": echo()}, SQLiteTaskStore(tmp_path / "t.db"), middleware=[1])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="middleware"):
        await runner.start()
    await runner.close()


# ------------------------------------------------------------------ forgetting


async def test_what_is_deleted_takes_its_checkpoints_and_files_along(tmp_path: Path):
    files = ArtifactStore(tmp_path / "files")
    store = SQLiteTaskStore(tmp_path / "t.db")
    async with TaskRunner({"main": echo()}, store, artifacts=files) as runner:
        ids = [await runner.enqueue("x") for _ in range(2)]
        await runner.gather(ids, timeout=PATIENCE)
        for task_id in ids:
            files.write(task_id, "a.md", "# A")
        assert await runner.delete(ids[0])
        assert await runner.purge(0) == [ids[1]]
        assert [files.list(task_id) for task_id in ids] == [(), ()]
        saver = runner._adapters["main"].options.graph.checkpointer
        for task_id in ids:
            assert await saver.aget_tuple({"configurable": {"thread_id": task_id}}) is None
        assert await runner.purge(0) == []
