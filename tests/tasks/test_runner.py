"""What a runner does with tasks, over each store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import RetryPolicy

from langwire import approve
from langwire.errors import InvalidDecision, KeyTaken, UnknownTask, UnsupportedGraph, UsageError
from langwire.events import Custom, TaskUpdate, TextDelta, TurnEnd
from langwire.tasks import (
    HandlerContext,
    MemoryTaskStore,
    Retry,
    SQLiteTaskStore,
    Task,
    TaskClient,
    TaskPolicy,
    TaskQuery,
    TaskRunner,
    TaskStore,
)
from tasks.agents import Flaky, Gate, asks, echo, graph_of, said

MakeStore = Callable[[], TaskStore]
PATIENCE = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TaskStore:
    return MemoryTaskStore() if request.param == "memory" else SQLiteTaskStore(tmp_path / "tasks.db")


async def ended(runner: TaskClient, task_id: str) -> Task:
    return await runner.wait(task_id, timeout=PATIENCE)


def states_in(entries: list[Any], task_id: str) -> list[tuple[str, int]]:
    updates = [entry.event for entry in entries if isinstance(entry.event, TaskUpdate)]
    return [(update.state, update.attempt) for update in updates if update.task_id == task_id]


async def told(runner: TaskClient, task_id: str) -> list[Any]:
    return [entry async for entry in runner.events(task_id)]


# ------------------------------------------------------------------ from the prompt to the answer


async def test_a_task_is_done_by_its_agent_and_everything_it_told_is_kept(store: TaskStore):
    async with TaskRunner({"main": echo()}, store) as runner:
        task_id = await runner.enqueue("hello\nworld", title=None)
        task = await ended(runner, task_id)
        assert (task.state, task.result, task.title) == ("done", "echo hello\nworld", "hello")
        assert (task.attempt, task.worker, task.spec.root_id, task.spec.depth) == (1, None, task_id, 0)
        entries = await told(runner, task_id)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert states_in(entries, task_id) == [("queued", 0), ("ongoing", 1), ("done", 1)]
        assert "".join(e.event.text for e in entries if isinstance(e.event, TextDelta)) == "echo hello\nworld"
        assert [e.event.outcome for e in entries if isinstance(e.event, TurnEnd)] == ["complete"]
        assert [entry async for entry in runner.events(task_id, after=len(entries) - 1)] == entries[-1:]


async def test_a_task_that_was_made_before_any_worker_is_done_by_the_first_that_comes(store: TaskStore):
    agents = {"main": echo()}
    task_id = await TaskRunner(agents, store).enqueue("hello")
    async with TaskRunner(agents, store) as runner:
        assert (await ended(runner, task_id)).result == "echo hello"


async def test_a_worker_takes_only_what_it_has_an_agent_for():
    store = MemoryTaskStore()
    other = await TaskRunner({"other": echo()}, store).enqueue("hello")
    async with TaskRunner({"main": echo()}, store) as runner:
        await ended(runner, await runner.enqueue("hello"))
        assert (await runner.get(other)).state == "queued"


async def test_a_structured_answer_is_the_result():
    from pydantic import BaseModel

    class Answer(BaseModel):
        sum: int

    class Kept(BaseModel):
        messages: list[Any]
        structured_response: Any = None

    def answer(state: Any) -> Any:
        return {"structured_response": {"sum": 3}}

    from langgraph.graph import END, START, StateGraph

    builder = StateGraph(Kept)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    async with TaskRunner({"main": builder.compile()}) as runner:
        assert (await ended(runner, await runner.enqueue("add"))).result == {"sum": 3}


async def test_a_handler_does_a_task_by_its_name(store: TaskStore):
    runner = TaskRunner({}, store)

    @runner.handler("add")
    async def add(context: HandlerContext, x: int, y: int) -> Any:
        context.emit(Custom(data={"attempt": context.attempt, "of": context.task.spec.name}))
        return {"sum": x + y}

    @runner.handler("sync")
    def sync(context: HandlerContext) -> str:
        return threading.current_thread().name

    assert (add.__name__, sync.__name__) == ("add", "sync")
    async with runner:
        task_id = await runner.enqueue(handler="add", args={"x": 1, "y": 2})
        assert (await ended(runner, task_id)).result == {"sum": 3}
        custom = [entry.event for entry in await told(runner, task_id) if isinstance(entry.event, Custom)]
        assert custom == [Custom(data={"attempt": 1, "of": "add"})]
        name = (await ended(runner, await runner.enqueue(handler="sync"))).result
        assert name != threading.current_thread().name


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize("prompt", ["", " \n", None])
async def test_a_blank_prompt_is_refused(prompt: Any):
    with pytest.raises(UsageError, match="a blank prompt came"):
        await TaskRunner({"main": echo()}).enqueue(prompt)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompt": "x", "agent": "nobody"}, "no agent 'nobody' is registered: expected one of main"),
        ({"handler": "nobody"}, "no handler 'nobody' is registered: expected one of none at all"),
        ({"prompt": "x", "handler": "main"}, "one or the other"),
        ({"prompt": "x", "args": {}}, "args came without a handler"),
        ({"prompt": "x", "timeout": 0}, "timeout came as 0"),
        ({"prompt": "x", "timeout": True}, "timeout came as True"),
        ({"prompt": "x", "not_before": -1}, "not_before came as -1"),
        ({"prompt": "x", "not_before": datetime(2026, 1, 1)}, "which has no zone"),
        ({"prompt": "x", "retry": RetryPolicy(retry_on=ValueError)}, "give it to the runner"),
        ({"prompt": "x", "retry": 3}, "retry came as a int"),
        ({"prompt": "x", "retry": Retry(max_attempts=0)}, "expected one attempt or more"),
        ({"prompt": "x", "agent": "/etc/passwd.py:graph"}, "no agent '/etc/passwd.py:graph' is registered"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_with_what_to_do(given: dict[str, Any], says: str):
    """T-17 among them: an agent is a registered name, never a file or a module."""
    runner = TaskRunner({"main": echo()})
    with pytest.raises(UsageError, match=says):
        await runner.enqueue(**given)
    assert (await runner.list()).tasks == ()


async def test_what_is_no_graph_or_no_number_is_refused_when_the_runner_is_made():
    with pytest.raises(UnsupportedGraph):
        TaskRunner({"main": lambda: None})  # type: ignore[dict-item]
    for name in ("concurrency", "lease", "sweep", "timeout", "per_root"):
        with pytest.raises(UsageError, match=f"{name} came as 0"):
            TaskRunner({"main": echo()}, **{name: 0})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"concurrency came as 1\.5"):
        TaskRunner({"main": echo()}, concurrency=1.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="per_agent 'main' came as 0"):
        TaskRunner({"main": echo()}, per_agent={"main": 0})


async def test_a_handler_has_a_name_of_its_own():
    runner = TaskRunner({}, handlers={"add": lambda context: None})
    for name in ("add", ""):
        with pytest.raises(UsageError, match="empty or taken"):
            runner.handler(name)


async def test_an_unknown_task_is_named_in_the_error():
    runner = TaskRunner({"main": echo()})
    for call in (
        runner.get("nope"),
        runner.wait("nope"),
        runner.cancel("nope"),
        runner.retry("nope"),
        runner.resume("nope", {"q": 1}),
        runner.followup("nope", "more"),
        told(runner, "nope"),
        runner.enqueue("x", after=["nope"]),
    ):
        with pytest.raises(UnknownTask, match="nope"):
            await call


async def test_a_blank_followup_is_refused():
    runner = TaskRunner({"main": echo()})
    with pytest.raises(UsageError, match="a blank followup came"):
        await runner.followup(await runner.enqueue("x"), "  ")


async def test_a_runner_works_once_at_a_time():
    async with TaskRunner({"main": echo()}) as runner:
        with pytest.raises(UsageError, match="works already"):
            await runner.start()


# ------------------------------------------------------------------ keys, times, order


async def test_the_same_key_gives_the_same_task_and_another_request_under_it_is_refused(store: TaskStore):
    """B9: a double click makes one task."""
    runner = TaskRunner({"main": echo()}, store)
    first = await runner.enqueue("pay", idempotency_key="k", principal="ann")
    assert await runner.enqueue("pay", idempotency_key="k", principal="ann") == first
    assert await runner.enqueue("pay", idempotency_key="k", principal="bob") != first
    with pytest.raises(KeyTaken):
        await runner.enqueue("pay twice", idempotency_key="k", principal="ann")


async def test_the_highest_priority_goes_first_then_the_oldest(store: TaskStore):
    runner = TaskRunner({"main": echo()}, store, concurrency=1)
    ids = [await runner.enqueue(str(n), priority=priority) for n, priority in enumerate([0, 5, 5, 1])]
    async with runner:
        tasks = await runner.gather(ids, timeout=PATIENCE)
    started = sorted(tasks, key=lambda task: task.change)
    assert [task.spec.prompt for task in started] == ["1", "2", "3", "0"]


async def test_a_task_starts_when_its_time_has_come(store: TaskStore):
    async with TaskRunner({"main": echo()}, store) as runner:
        soon = await runner.enqueue("soon", not_before=0.2)
        later = await runner.enqueue("later", not_before=datetime.now(UTC) + timedelta(hours=1))
        task = await ended(runner, soon)
        assert task.started_ms is not None
        assert task.started_ms >= task.spec.not_before_ms
        assert (await runner.get(later)).state == "queued"


async def test_a_task_waits_for_those_it_comes_after(store: TaskStore):
    """I14: what does not end as done cancels who builds on it, or not, as was asked for."""
    flaky = Flaky(9)
    async with TaskRunner({"main": echo(), "flaky": flaky.agent}, store) as runner:
        good, bad = await runner.enqueue("a"), await runner.enqueue("b", agent="flaky")
        after_good = await runner.enqueue("c", after=[good])
        after_bad = await runner.enqueue("d", after=[good, bad])
        further = await runner.enqueue("e", after=[after_bad])
        all_the_same = await runner.enqueue("f", after=[bad], on_failed="run")
        tasks = await runner.gather([after_good, after_bad, further, all_the_same], timeout=PATIENCE)
    assert [task.state for task in tasks] == ["done", "cancelled", "cancelled", "done"]
    assert tasks[1].error is not None
    assert tasks[1].error.code == "dependency_failed"


# ------------------------------------------------------------------ how many at once


@pytest.mark.parametrize(
    ("caps", "peak"),
    [({"concurrency": 2}, 2), ({"concurrency": 9, "per_agent": {"main": 3}}, 3), ({"concurrency": 1}, 1)],
)
async def test_no_more_run_at_once_than_may(store: TaskStore, caps: dict[str, Any], peak: int):
    """I12."""
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, store, **caps) as runner:
        ids = [await runner.enqueue(str(n)) for n in range(6)]
        while gate.at_once < peak:
            gate.begun.clear()
            await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        assert (await runner.count())["ongoing"] == peak
        gate.let_through.set()
        assert {task.state for task in await runner.gather(ids, timeout=PATIENCE)} == {"done"}
    assert gate.peak == peak


async def test_caps_hold_over_all_runners_of_a_store(store: TaskStore):
    gate = Gate()
    first = TaskRunner({"main": gate.agent}, store, per_agent={"main": 2}, concurrency=2)
    second = TaskRunner({"main": gate.agent}, store, per_agent={"main": 2}, concurrency=2)
    async with first:
        await second.start()
        ids = [await first.enqueue(str(n)) for n in range(6)]
        gate.let_through.set()
        await first.gather(ids, timeout=PATIENCE)
        await second.shutdown()
    assert gate.peak <= 2
    assert gate.runs == 6


async def test_followups_and_answers_count_as_well(store: TaskStore):
    """I12: the peer ran 4 at once with a cap of 1."""
    gate = Gate()

    async def ask(state: Any) -> Any:
        from langgraph.types import interrupt

        interrupt("go?")
        return {}

    agent = graph_of(("ask", ask), ("gate", gate._gate))
    async with TaskRunner({"main": agent}, store, concurrency=1) as runner:
        ids = [await runner.enqueue(str(n)) for n in range(3)]
        tasks = await runner.gather(ids, timeout=PATIENCE)
        for task in tasks:
            assert await runner.resume(task.id, {task.interrupts[0].id: True})
            assert await runner.followup(task.id, "and more")
        gate.let_through.set()
        await runner.gather(ids, timeout=PATIENCE)
        assert gate.runs == 3
        for task in await runner.gather(ids, timeout=PATIENCE):
            await runner.resume(task.id, {task.interrupts[0].id: True})
        await runner.gather(ids, timeout=PATIENCE)
    assert gate.peak == 1


# ------------------------------------------------------------------ failing and trying again


async def test_a_failure_says_no_more_than_its_kind(store: TaskStore):
    """T-15: what the exception says stays in the log."""
    async with TaskRunner({"main": Flaky(1).agent}, store) as runner:
        task_id = await runner.enqueue("x")
        task = await ended(runner, task_id)
        assert task.state == "failed"
        assert task.error is not None
        assert task.error.code == "ConnectionError"
        assert b"hunter2" not in b"".join(map(repr_bytes, [task, await told(runner, task_id)]))


def repr_bytes(value: Any) -> bytes:
    return repr(value).encode()


async def test_a_failed_attempt_is_made_again_as_the_policy_says_and_goes_on_where_it_stopped(store: TaskStore):
    flaky = Flaky(2)
    policy = RetryPolicy(max_attempts=3, initial_interval=0.01, jitter=False)
    async with TaskRunner({"main": flaky.agent}, store) as runner:
        task_id = await runner.enqueue("x", retry=policy)
        task = await ended(runner, task_id)
        while not task.ended:
            task = await ended(runner, task_id)
        assert (task.state, task.attempt, task.result) == ("done", 3, "at last")
        assert (flaky.befores, flaky.runs) == (1, 3)
        states = states_in(await told(runner, task_id), task_id)
        assert states[1:] == [
            ("ongoing", 1),
            ("queued", 1),
            ("ongoing", 2),
            ("queued", 2),
            ("ongoing", 3),
            ("done", 3),
        ]


async def test_a_failure_is_final_when_it_is_not_worth_another_attempt_or_the_attempts_are_used_up():
    policy = RetryPolicy(max_attempts=2, initial_interval=0.001)
    useless, hopeless = Flaky(9, ValueError), Flaky(9)
    async with TaskRunner({"useless": useless.agent, "hopeless": hopeless.agent}, retry=policy) as runner:
        first, second = await runner.enqueue("x", agent="useless"), await runner.enqueue("x", agent="hopeless")
        assert (await ended(runner, first)).attempt == 1
        assert (await ended(runner, second)).attempt == 2
    picky = RetryPolicy(max_attempts=2, initial_interval=0.001, retry_on=[ValueError])
    async with TaskRunner({"main": Flaky(1, ValueError).agent}, retry=picky) as runner:
        assert (await ended(runner, await runner.enqueue("x"))).state == "done"
    single = RetryPolicy(max_attempts=2, initial_interval=0.001, retry_on=ValueError)
    async with TaskRunner({"main": Flaky(1).agent}, retry=single) as runner:
        assert (await ended(runner, await runner.enqueue("x"))).state == "failed"


async def test_a_failed_task_is_tried_again_by_hand_without_doing_again_what_was_done(store: TaskStore):
    flaky = Flaky(1)
    async with TaskRunner({"main": flaky.agent}, store) as runner:
        task_id = await runner.enqueue("x")
        assert (await ended(runner, task_id)).state == "failed"
        assert await runner.retry(task_id)
        task = await ended(runner, task_id)
        assert (task.state, task.attempt, task.error) == ("done", 2, None)
        assert flaky.befores == 1
        assert not await runner.retry(task_id)


async def test_an_attempt_that_takes_too_long_ends_as_failed(store: TaskStore):
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, store, timeout=0.05) as runner:
        task = await ended(runner, await runner.enqueue("x"))
        assert task.error is not None
        assert (task.state, task.error.code) == ("failed", "timeout")


async def test_a_handler_that_takes_too_long_is_stopped_and_tried_again():
    runs: list[int] = []

    async def slow(context: HandlerContext) -> str:
        runs.append(context.attempt)
        if context.attempt == 1:
            await asyncio.Event().wait()
        return "done"

    async with TaskRunner({}, handlers={"slow": slow}) as runner:
        retry = Retry(max_attempts=2, on_error=True, initial_interval=0.001)
        task = await ended(runner, await runner.enqueue(handler="slow", timeout=0.05, retry=retry))
        while not task.ended:
            task = await ended(runner, task.id)
        assert (task.result, runs) == ("done", [1, 2])


async def test_a_handler_that_cancels_itself_fails():
    async def odd(context: HandlerContext) -> None:
        raise asyncio.CancelledError

    async with TaskRunner({}, handlers={"odd": odd}) as runner:
        task = await ended(runner, await runner.enqueue(handler="odd"))
        assert (task.state, task.error and task.error.code) == ("failed", "CancelledError")


async def test_a_result_that_no_record_can_keep_is_kept_as_what_json_can_say():
    async def odd(context: HandlerContext) -> Any:
        return {"set": {1}, "half": "\ud83d", "when": datetime(2026, 1, 1, tzinfo=UTC)}

    async with TaskRunner({}, handlers={"odd": odd}) as runner:
        task = await ended(runner, await runner.enqueue(handler="odd"))
        assert task.state == "done"
        assert task.result["when"].startswith("2026-01-01")


# ------------------------------------------------------------------ cancelling


async def test_a_queued_task_is_cancelled_at_once(store: TaskStore):
    runner = TaskRunner({"main": echo()}, store)
    task_id = await runner.enqueue("x")
    assert await runner.cancel(task_id, "not needed") is True
    task = await runner.get(task_id)
    assert (task.state, task.cancel) == ("cancelled", "not needed")


async def test_a_running_task_is_stopped(store: TaskStore):
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, store) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        assert await runner.cancel(task_id) is True
        assert gate.at_once == 0
        assert (await runner.get(task_id)).state == "cancelled"
        ends = [entry.event for entry in await told(runner, task_id) if isinstance(entry.event, TurnEnd)]
        assert [end.outcome for end in ends] == ["cancelled"]
        assert await runner.cancel(task_id) is True


async def test_a_task_is_stopped_from_another_runner_or_client(tmp_path: Path):
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, SQLiteTaskStore(tmp_path / "t.db")) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        async with TaskClient(SQLiteTaskStore(tmp_path / "t.db")) as client:
            assert await client.cancel(task_id, wait=PATIENCE) is True
        assert gate.at_once == 0


async def test_cancelling_what_has_finished_says_so_and_changes_nothing(store: TaskStore):
    """I5, F-T3."""
    async with TaskRunner({"main": echo()}, store) as runner:
        task_id = await runner.enqueue("x")
        before = await ended(runner, task_id)
        assert await runner.cancel(task_id) is False
        assert await runner.get(task_id) == before


async def test_code_that_does_not_yield_is_said_to_be_stopping_and_ends_as_cancelled():
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def stubborn(context: HandlerContext) -> None:
        loop.call_soon_threadsafe(begun.set)
        release.wait()
        raise RuntimeError("stopped half way")

    async def spin(context: HandlerContext) -> None:
        begun.set()
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        raise asyncio.CancelledError

    async with TaskRunner({}, handlers={"stubborn": stubborn, "spin": spin}) as runner:
        for name, state in (("stubborn", "failed"), ("spin", "cancelled")):
            begun.clear()
            release.clear()
            task_id = await runner.enqueue(handler=name)
            await asyncio.wait_for(begun.wait(), PATIENCE)
            assert await runner.cancel(task_id, wait=0.05) == "stopping"
            assert (await runner.get(task_id)).state == "ongoing"
            release.set()
            assert (await ended(runner, task_id)).state == state


async def test_a_cancelled_task_that_is_tried_again_runs_again(store: TaskStore):
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, store) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        await runner.cancel(task_id)
        gate.let_through.set()
        assert await runner.retry(task_id)
        task = await ended(runner, task_id)
        assert (task.state, task.attempt, task.cancel) == ("done", 2, None)
        assert task.result == "through: x"


# ------------------------------------------------------------------ questions


async def test_a_question_is_answered_exactly_once(store: TaskStore):
    """I6, F-T2, W7: of two clicks one is taken, and the node runs once."""
    async with TaskRunner({"main": asks()}, store) as runner:
        task_id = await runner.enqueue("x")
        task = await ended(runner, task_id)
        assert (task.state, [question.value for question in task.interrupts]) == ("review_needed", ["may I?"])
        (question,) = task.interrupts
        clicks = await asyncio.gather(*(runner.resume(task_id, {question.id: n}, decided_by="ann") for n in range(5)))
        assert sorted(clicks) == [False] * 4 + [True]
        done = await ended(runner, task_id)
        assert (done.state, done.attempt, done.interrupts) == ("done", 1, ())
        assert done.result == f"answered: {clicks.index(True)}"
        assert not await runner.resume(task_id, {question.id: "late"})


async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(store: TaskStore):
    async with TaskRunner(
        {"main": asks({"action_requests": [{"name": "pay", "args": {}}], "review_configs": []})}, store
    ) as runner:
        task_id = await runner.enqueue("x")
        (question,) = (await ended(runner, task_id)).interrupts
        for answer in ("yes", [approve(), approve()], {"type": "no such thing"}):
            with pytest.raises(InvalidDecision):
                await runner.resume(task_id, {question.id: answer})
        assert not await runner.resume(task_id, {"unknown": approve()})
        assert not await runner.resume(task_id, {})
        assert await runner.resume(task_id, {question.id: approve()})


async def test_an_answer_must_be_json_and_whole():
    async with TaskRunner({"main": asks()}) as runner:
        task_id = await runner.enqueue("x")
        (question,) = (await ended(runner, task_id)).interrupts
        for answer in (object(), "[redacted]"):
            with pytest.raises(InvalidDecision):
                await runner.resume(task_id, {question.id: answer})
        assert (await runner.get(task_id)).state == "review_needed"


async def test_a_breakpoint_is_left_by_any_answer(store: TaskStore):
    agent = graph_of(
        ("a", lambda state: {}), ("b", lambda state: {"messages": [("ai", said(state))]}), interrupt_before=["b"]
    )
    async with TaskRunner({"main": agent}, store) as runner:
        task_id = await runner.enqueue("x")
        task = await ended(runner, task_id)
        assert [question.kind for question in task.interrupts] == ["breakpoint"]
        assert await runner.resume(task_id, {task.interrupts[0].id: None})
        assert (await ended(runner, task_id)).result == "x"


# ------------------------------------------------------------------ followups


async def test_a_followup_to_a_finished_task_is_a_new_attempt_on_the_same_thread(store: TaskStore):
    async with TaskRunner({"main": echo()}, store) as runner:
        task_id = await runner.enqueue("one")
        await ended(runner, task_id)
        assert await runner.followup(task_id, "two")
        task = await ended(runner, task_id)
        assert (task.state, task.result, task.attempt, task.taken) == ("done", "echo two", 2, 2)


async def test_followups_to_a_running_task_come_next_and_none_is_lost(store: TaskStore):
    """I7: the peer refused one, or lost one of two."""
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, store) as runner:
        task_id = await runner.enqueue("one")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        assert await runner.followup(task_id, "two", message_id="m2")
        assert await runner.followup(task_id, "two", message_id="m2")
        assert await runner.followup(task_id, "three")
        gate.let_through.set()
        task = await ended(runner, task_id)
        assert (task.result, task.attempt, task.taken) == ("through: three", 1, 3)
        assert (gate.runs, gate.peak) == (3, 1)


async def test_a_handlers_task_takes_no_followup():
    async with TaskRunner({}, handlers={"do": lambda context: 1}) as runner:
        task_id = await runner.enqueue(handler="do")
        await ended(runner, task_id)
        assert not await runner.followup(task_id, "more")


async def test_a_task_that_was_deleted_takes_nothing(store: TaskStore):
    async with TaskRunner({"main": echo()}, store) as runner:
        task_id = await runner.enqueue("x")
        await ended(runner, task_id)
        assert await runner.delete(task_id)
        assert not await runner.delete(task_id)
        with pytest.raises(UnknownTask):
            await runner.followup(task_id, "more")
        assert await runner.purge(0) == []


# ------------------------------------------------------------------ shutting down


async def test_shutdown_stops_the_runs_and_another_runner_goes_on_without_counting_an_attempt(store: TaskStore):
    """I11, W9: the peer's agent ran on after shutdown() had returned."""
    gate = Gate()
    first = TaskRunner({"main": gate.agent}, store)
    await first.start()
    task_id = await first.enqueue("x")
    await asyncio.wait_for(gate.begun.wait(), PATIENCE)
    await first.shutdown()
    assert gate.at_once == 0
    task = await first.get(task_id)
    assert (task.state, task.attempt, task.worker) == ("queued", 1, None)
    gate.let_through.set()
    async with TaskRunner({"main": gate.agent}, store) as second:
        task = await ended(second, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 1, "through: x")


async def test_a_runner_can_be_started_again_after_its_end(store: TaskStore):
    runner = TaskRunner({"main": echo()}, store)
    for word in ("one", "two"):
        async with runner:
            assert (await ended(runner, await runner.enqueue(word))).result == f"echo {word}"
    await runner.close()


async def test_code_that_does_not_stop_keeps_its_task_until_the_lease_is_over():
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def stubborn(context: HandlerContext) -> str:
        loop.call_soon_threadsafe(begun.set)
        release.wait()
        return "late"

    store = MemoryTaskStore()
    runner = TaskRunner({}, store, handlers={"stubborn": stubborn})
    await runner.start()
    task_id = await runner.enqueue(handler="stubborn")
    await asyncio.wait_for(begun.wait(), PATIENCE)
    await runner.shutdown(grace=0.05)
    task = await runner.get(task_id)
    assert (task.state, task.worker) == ("ongoing", runner.worker)
    release.set()


# ------------------------------------------------------------------ watching


async def test_changes_of_tasks_are_watched_live_from_another_process(tmp_path: Path):
    async with (
        TaskRunner({"main": echo()}, SQLiteTaskStore(tmp_path / "t.db")) as runner,
        TaskClient(SQLiteTaskStore(tmp_path / "t.db")) as client,
    ):
        seen: list[Task] = []
        begun = asyncio.Event()

        async def watch() -> None:
            async for task in client.watch(TaskQuery(principal="ann")):
                seen.append(task)
                if task.spec.prompt == "first":
                    begun.set()
                if task.ended and task.spec.prompt == "last":
                    return

        watching = asyncio.create_task(watch())
        while not begun.is_set():
            await runner.enqueue("first", principal="ann")
            await asyncio.wait([asyncio.create_task(begun.wait())], timeout=0.2)
        await runner.enqueue("another's", principal="bob")
        last = await runner.enqueue("last", principal="ann")
        await asyncio.wait_for(watching, PATIENCE)
        assert {task.spec.principal for task in seen} == {"ann"}
        assert seen[-1].id == last


async def test_events_are_followed_live_over_a_pause(store: TaskStore):
    async with TaskRunner({"main": asks()}, store) as runner:
        task_id = await runner.enqueue("x")
        paused = await told(runner, task_id)
        assert states_in(paused, task_id)[-1] == ("review_needed", 1)
        following = asyncio.create_task(collect(runner.events(task_id, follow=True)))
        task = await runner.get(task_id)
        await runner.resume(task_id, {task.interrupts[0].id: "yes"})
        followed = await asyncio.wait_for(following, PATIENCE)
        assert followed[: len(paused)] == paused
        assert states_in(followed, task_id)[-2:] == [("ongoing", 1), ("done", 1)]


async def collect(entries: AsyncIterator[Any]) -> list[Any]:
    return [entry async for entry in entries]


async def test_waiting_ends_after_the_time_that_was_given():
    runner = TaskRunner({"main": echo()})
    task_id = await runner.enqueue("x")
    with pytest.raises(TimeoutError):
        await runner.wait(task_id, timeout=0.01)


# ------------------------------------------------------------------ secrets, limits


async def test_a_secret_is_masked_in_all_that_is_kept(store: TaskStore):
    """A14."""
    seen: list[str] = []

    async def fetch(context: HandlerContext, token: str) -> Any:
        seen.append(token)
        context.emit(Custom(data=f"with {token}"))
        return f"got it with {token}"

    from langwire.tasks import Plan

    plan = Plan()
    plan.step("fetch", handler="fetch", args={"token": "{{ secrets.token }}"})
    secrets = {"token": "hunter2-hunter2"}
    async with TaskRunner({}, store, handlers={"fetch": fetch}, secrets=secrets) as runner:
        run = await runner.run_plan(plan)
        task = (await run.wait(PATIENCE))["fetch"]
        assert (task.state, seen) == ("done", ["hunter2-hunter2"])
        assert "hunter2" not in repr(task)
        entries = await told(runner, task.id)
        assert [e.event.data for e in entries if isinstance(e.event, Custom)] == ["with [redacted]"]


async def test_a_task_whose_time_is_over_fails_without_being_begun():
    gate = Gate()
    runner = TaskRunner({"main": gate.agent}, policy=TaskPolicy(max_seconds=0.001))
    task_id = await runner.enqueue("x", not_before=0.05)
    async with runner:
        task = await ended(runner, task_id)
    assert (task.state, task.error and task.error.code, gate.runs) == ("failed", "deadline", 0)


async def test_an_attempt_ends_at_the_deadline_of_its_root():
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, policy=TaskPolicy(max_seconds=0.3)) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        task = await ended(runner, task_id)
    assert (task.state, task.error and task.error.code) == ("failed", "deadline")
