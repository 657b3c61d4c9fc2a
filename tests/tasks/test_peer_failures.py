"""What goes wrong in other task engines, one test each; what other files prove is not proved again here."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langwire.events import ToolResult
from langwire.sessions.session import Session
from langwire.tasks import MemoryTaskStore, SQLiteTaskStore, Task, TaskClient, TaskPolicy, TaskRunner, TaskStore
from langwire.tasks.tools import TASK_TOOLS
from langwire.testing import ScriptedModel, text, tool_call, tool_calls
from tasks.agents import Gate, asks, echo, graph_of
from tasks.worker_process import Effects, lead, steps

PATIENCE = 60.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TaskStore:
    return MemoryTaskStore() if request.param == "memory" else SQLiteTaskStore(tmp_path / "tasks.db")


def delegating(*script: Any, node: Any = None) -> Any:
    """An agent with the tools for tasks whose model follows a script."""
    model = ScriptedModel(script=list(script))

    async def say(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def then(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else "end"

    builder = StateGraph(MessagesState)
    builder.add_node("say", say)
    builder.add_node("tools", ToolNode(TASK_TOOLS))
    builder.add_node("end", node or (lambda state: {}))
    builder.add_edge(START, "say")
    builder.add_conditional_edges("say", then, ["tools", "end"])
    builder.add_edge("tools", "say")
    builder.add_edge("end", END)
    return builder.compile()


def starts(number: int) -> Any:
    """A message that starts so many copies of the agent."""
    return tool_calls(*(tool_call("start_async_task", {"description": "more"}, id=f"c{n}") for n in range(number)))


async def all_tasks(client: TaskClient) -> list[Task]:
    return list((await client.list(limit=10_000)).tasks)


async def idle(client: TaskClient) -> None:
    """Wait until no task is queued or ongoing."""
    async with asyncio.timeout(PATIENCE):
        while (await client.count()).keys() & {"queued", "ongoing"}:
            mark, _ = await client.store.changes(None)
            if (await client.count()).keys() & {"queued", "ongoing"}:
                await client.store.wait(mark, 1.0)


async def refusals(client: TaskClient, tasks: list[Task]) -> set[str]:
    """What models were told that could start no more tasks."""
    return {
        str(entry.event.content)
        for task in tasks
        async for entry in client.events(task.id)
        if isinstance(entry.event, ToolResult) and "is started" not in str(entry.event.content)
    }


# ------------------------------------------------------------------ delegation without end


@pytest.mark.parametrize(
    ("policy", "most", "says"),
    [
        (TaskPolicy(), 1 + 3 + 9 + 27, {"levels deep"}),
        (TaskPolicy(max_depth=100, max_active=1000), 256, {"has had all of its 256 tasks"}),
    ],
    ids=["by its depth", "by all its tasks"],
)
async def test_the_fan_out_bomb_comes_to_an_end(policy: TaskPolicy, most: int, says: set[str]):
    """F-T4, T-9, W27: each task starts three of its kind; the peer had 2,641 after five seconds."""
    async with TaskRunner({"main": delegating(starts(3), text("enough"))}, policy=policy, concurrency=8) as runner:
        await runner.enqueue("go")
        await idle(runner)
        tasks = await all_tasks(runner)
        assert len(tasks) <= most
        assert len(tasks) == 256 if most == 256 else len(tasks) > 30
        assert {(task.state, task.result) for task in tasks} == {("done", "enough")}
        told = await refusals(runner, tasks)
        assert told
        assert all(any(word in refusal for refusal in told) for word in says)


async def test_a_parent_that_waits_for_its_children_gives_its_worker_to_them(store: TaskStore, tmp_path: Path):
    """F-T4, I12: at a concurrency of one it would wait for ever otherwise."""
    file = Effects(str(tmp_path / "effects"))
    agents = {"lead": lead(file), "steps": steps(file)}
    async with TaskRunner(agents, store, concurrency=1, policy=TaskPolicy(delegates={"lead": ["steps"]})) as runner:
        task = await runner.wait(await runner.enqueue("go"), timeout=PATIENCE)
        assert (task.state, task.result, task.attempt) == ("done", "all parts are done", 1)
        assert [child.state for child in await runner.children(task.id)] == ["done", "done"]


# ------------------------------------------------------------------ cancelling


async def test_a_cancelled_parent_takes_with_it_what_runs_below_it(store: TaskStore):
    """I13, W27: the children of the peer's tasks ran on."""
    gate = Gate()
    parent = delegating(starts(2), text("waiting"), node=gate._gate)
    agents = {"main": parent}
    async with TaskRunner(agents, store, concurrency=4, policy=TaskPolicy(max_depth=1)) as runner:
        task_id = await runner.enqueue("go")
        while gate.at_once < 3:
            gate.begun.clear()
            await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        assert await runner.cancel(task_id, wait=PATIENCE) is True
        children = await runner.gather([child.id for child in await runner.children(task_id)], timeout=PATIENCE)
        assert [child.state for child in children] == ["cancelled", "cancelled"]
        assert gate.at_once == 0


async def test_a_cancelled_question_can_be_answered_no_more(store: TaskStore):
    """The peer kept it: an interface showed a button whose click did nothing, or worse."""
    async with TaskRunner({"main": asks()}, store) as runner:
        task = await runner.wait(await runner.enqueue("x"), timeout=PATIENCE)
        assert await runner.cancel(task.id) is True
        assert not await runner.resume(task.id, {task.interrupts[0].id: "yes"})
        cancelled = await runner.get(task.id)
        assert (cancelled.state, cancelled.interrupts) == ("cancelled", ())


async def test_a_cancel_that_comes_before_the_run_has_begun_is_not_lost(store: TaskStore):
    """W5: nothing of it runs, and its worker takes the next task."""
    gate = Gate()
    async with TaskRunner({"main": gate.agent, "other": echo()}, store, concurrency=1) as runner:
        task_id = await runner.enqueue("x")
        assert await runner.cancel(task_id, wait=PATIENCE) is True
        other = await runner.wait(await runner.enqueue("y", agent="other"), timeout=PATIENCE)
        assert (other.state, (await runner.get(task_id)).state, gate.at_once) == ("done", "cancelled", 0)


# ------------------------------------------------------------------ several runners, what is kept, in which order


async def test_a_second_runner_takes_nothing_from_the_first(tmp_path: Path):
    """The peer's second start queued what the first was at, and its agent ran twice at once."""
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, SQLiteTaskStore(tmp_path / "tasks.db"), sweep=0.01) as first:
        task_id = await first.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        agents = {"main": gate.agent, "other": echo()}
        async with TaskRunner(agents, SQLiteTaskStore(tmp_path / "tasks.db"), sweep=0.01) as second:
            for _ in range(5):
                await second.wait(await second.enqueue("y", agent="other"), timeout=PATIENCE)
            gate.let_through.set()
            task = await second.wait(task_id, timeout=PATIENCE)
    assert (task.state, task.attempt, gate.runs) == ("done", 1, 1)


async def test_two_runners_that_tell_a_task_more_are_both_heard(tmp_path: Path):
    """I7: both were told that it was taken, and one was lost."""
    gate = Gate()
    async with TaskRunner({"main": gate.agent}, SQLiteTaskStore(tmp_path / "tasks.db")) as runner:
        task_id = await runner.enqueue("one")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        async with TaskClient(SQLiteTaskStore(tmp_path / "tasks.db")) as client:
            told = (runner.followup(task_id, "two"), client.followup(task_id, "three"))
            assert await asyncio.gather(*told) == [True, True]
        gate.let_through.set()
        task = await runner.wait(task_id, timeout=PATIENCE)
    assert ({message.text for message in task.inbox}, task.taken) == ({"one", "two", "three"}, 3)
    assert (gate.runs, gate.peak) == (3, 1)


async def test_nothing_of_a_task_that_has_ended_stays_in_memory(store: TaskStore):
    """W10: the sessions of the peer's tasks, with all that was said in them, were never let go."""
    async with TaskRunner({"main": echo(), "asks": asks()}, store) as runner:
        ids = [await runner.enqueue("x", agent=agent) for agent in ("main", "asks") for _ in range(5)]
        await runner.gather(ids, timeout=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while kept(ids):
                await store.wait((await store.changes(None))[0], 0.05)
    await runner.close()


def kept(ids: list[str]) -> set[str]:
    """The threads of which there is a session in memory."""
    gc.collect()
    return {thing.thread_id for thing in gc.get_objects() if type(thing) is Session} & {*ids}


async def test_tasks_are_listed_newest_first_however_fast_they_are_made(store: TaskStore):
    """W27: within one second the peer listed them the other way round."""
    runner = TaskRunner({"main": graph_of(("say", lambda state: {}))}, store)
    ids = [await runner.enqueue("x") for _ in range(20)]
    assert [task.id for task in await all_tasks(runner)] == ids[::-1]
    await runner.close()
