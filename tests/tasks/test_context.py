"""How the code of a run finds its runner and its task: in the run's own config, and nowhere else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import interrupt
from msgspec.structs import replace

from langwire import SessionAdapter
from langwire.errors import UnknownTask, UsageError
from langwire.events import Event, TaskUpdate
from langwire.tasks.context import (
    CONFIG_KEY,
    Origin,
    call_key,
    current_task,
    in_scope,
    origin_of,
    wait_value,
    waits_in,
)
from langwire.tasks.policy import TaskPolicy
from langwire.tasks.task import Limits, Spec, Task, TaskPage


class Desk:
    """A runner that has no tasks."""

    agents: Mapping[str, Any]
    artifacts = None

    def __init__(self, *agents: str, policy: TaskPolicy | None = None) -> None:
        self.agents = dict.fromkeys(agents)
        self.policy = policy or TaskPolicy()
        self.secrets = {"token": "t0p"}

    async def delegate(self, origin: Origin, prompt: str, **_: Any) -> Task:
        raise UsageError("nobody works here")

    async def get(self, task_id: str) -> Task:
        raise UnknownTask(task_id)

    async def list(self, *_: Any, **__: Any) -> TaskPage:
        return TaskPage(tasks=())

    async def cancel(self, task_id: str, reason: str = "", *, wait: float = 5.0) -> bool:
        raise UnknownTask(task_id)

    async def followup(self, task_id: str, message: str, *, message_id: str | None = None) -> bool:
        raise UnknownTask(task_id)

    def configurable(self, thread_id: str, principal: str | None, push: Callable[[Event], object]) -> Mapping[str, Any]:
        root = f"thread:{thread_id}"
        return {CONFIG_KEY: Origin(runner=self, root_id=root, thread_id=thread_id, principal=principal, push=push)}


def task(id: str = "t1", **given: Any) -> Task:
    fields = {"name": "main", "root_id": "t1", "limits": Limits(agents=("main",)), **given}
    return Task(spec=Spec(id=id, **fields), number=1, attempt=2)


def origin(of: Task | None = None, *, principal: str | None = None, runner: Desk | None = None) -> Origin:
    root = "thread:chat" if of is None else of.spec.root_id
    return Origin(runner=runner or Desk("main"), root_id=root, thread_id="chat", principal=principal, task=of)


def graph(node: Callable[..., Any]) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("work", node)
    builder.add_edge(START, "work")
    return builder.compile(checkpointer=InMemorySaver())


# ------------------------------------------------------------------ the task of a run


async def test_a_node_of_a_tasks_run_knows_the_task_its_attempt_and_its_runner() -> None:
    """I8: what a tool is told to make its effects idempotent."""
    found: list[Any] = []

    async def work(_: MessagesState) -> None:
        found.append(current_task())

    runner = Desk("main")
    config = {"configurable": {"thread_id": "t1", CONFIG_KEY: origin(task(), principal="ann", runner=runner)}}
    await graph(work).ainvoke({"messages": []}, config)
    (context,) = found
    assert (context.task_id, context.attempt, context.principal) == ("t1", 2, "ann")
    assert context.runner is runner
    assert context.secrets["token"] == "t0p"
    assert "t0p" not in repr(context)


async def test_there_is_no_task_outside_of_a_run_in_a_run_without_runner_and_in_a_conversation() -> None:
    assert current_task() is None
    found: list[Any] = []

    def work(_: MessagesState) -> None:
        found.append(current_task())

    await graph(work).ainvoke({"messages": []}, {"configurable": {"thread_id": "a"}})
    await graph(work).ainvoke({"messages": []}, {"configurable": {"thread_id": "b", CONFIG_KEY: origin()}})
    await graph(work).ainvoke({"messages": []}, {"configurable": {"thread_id": "c", CONFIG_KEY: "a runner"}})
    assert found == [None, None, None]


async def test_the_key_of_a_call_is_the_same_when_its_node_runs_again_and_another_in_every_other_message() -> None:
    """I8, also with a provider that begins to count its calls anew in each message."""
    keys: list[str] = []

    def work(_: MessagesState) -> None:
        context = current_task()
        assert context is not None
        keys.extend([context.key("1"), context.key("2")])
        interrupt("go on?")

    config: RunnableConfig = {"configurable": {"thread_id": "t1", CONFIG_KEY: origin(task())}}
    made = graph(work)
    await made.ainvoke({"messages": []}, config)
    await made.ainvoke(None, config)
    await made.ainvoke({"messages": []}, config)
    first, again, other = keys[:2], keys[2:4], keys[4:]
    assert first == again
    assert len({*first, *other}) == 4


def test_a_key_differs_by_task_place_and_call_and_takes_any_id() -> None:
    here: dict[str, Any] = {"configurable": {"checkpoint_ns": "tools:1"}}
    keys = {
        call_key("t1", here, "c"),
        call_key("t2", here, "c"),
        call_key("t1", here, "d"),
        call_key("t1", {"configurable": {"checkpoint_ns": "tools:2"}}, "c"),
        call_key("t1", {}, "c"),
        call_key("t1", {}, "\ud800"),
    }
    assert len(keys) == 6
    assert call_key("t1", here, "c") == call_key("t1", {"configurable": {"checkpoint_ns": "tools:1", "x": 1}}, "c")


async def test_nothing_of_the_origin_is_kept_in_a_checkpoint() -> None:
    """It holds the runner: a checkpoint that pointed at it could not be written to a file."""

    def work(_: MessagesState) -> None:
        interrupt("go on?")

    made = graph(work)
    config: RunnableConfig = {"configurable": {"thread_id": "t1", CONFIG_KEY: origin(task())}}
    await made.ainvoke({"messages": []}, config)
    kept = [held async for held in made.checkpointer.alist({"configurable": {"thread_id": "t1"}})]
    assert kept
    assert CONFIG_KEY not in repr(kept)


# ------------------------------------------------------------------ what it may see, and whom it may ask


def test_a_task_sees_what_is_below_it_and_a_conversation_what_it_started() -> None:
    """F-T5, T-10."""
    own, child = task("t1"), task("t2", ancestors=("t1",))
    grandchild, sibling = task("t3", ancestors=("t1", "t2")), task("t4", ancestors=("t1",))
    assert [in_scope(origin(own), other) for other in (own, child, grandchild, sibling)] == [False, True, True, True]
    assert [in_scope(origin(child), other) for other in (own, child, grandchild, sibling)] == [
        False,
        False,
        True,
        False,
    ]
    assert not in_scope(origin(), child)
    assert in_scope(origin(), task("t5", root_id="thread:chat"))
    assert not in_scope(origin(), task("t5", root_id="thread:other"))


@pytest.mark.parametrize(("own", "other"), [("ann", "bob"), ("ann", None), (None, "bob")])
def test_nobody_sees_what_is_done_for_another_principal(own: str | None, other: str | None) -> None:
    """T-10."""
    child = task("t2", ancestors=("t1",), principal=other)
    talk = task("t3", root_id="thread:chat", principal=other)
    assert not in_scope(origin(task("t1"), principal=own), child)
    assert not in_scope(origin(principal=own), talk)
    assert in_scope(origin(task("t1"), principal=other), child)


def test_a_task_may_ask_whom_its_record_names_and_a_conversation_whom_the_first_agent_may() -> None:
    """T-11."""
    policy = TaskPolicy(delegates={"main": ["cook"], "cook": ["clerk"]})
    runner = Desk("main", "cook", "clerk", policy=policy)
    assert origin(runner=runner).agents == ("main", "cook")
    assert origin(task(limits=Limits(agents=("cook",))), runner=runner).agents == ("cook",)
    assert origin(runner=Desk()).agents == ()


async def test_an_origin_knows_the_loop_in_which_it_was_made() -> None:
    assert origin().loop is asyncio.get_running_loop()
    assert await asyncio.to_thread(lambda: origin().loop) is None


# ------------------------------------------------------------------ waiting


def test_a_wait_is_told_from_every_other_question() -> None:
    assert waits_in(wait_value(iter(["a", "b"]))) == ("a", "b")
    others: list[Any] = [None, "langwire.wait_for_tasks", [], {}, {"type": "x", "task_ids": ["a"]}]
    broken: list[Any] = [{**wait_value([]), "task_ids": value} for value in (None, "ab", [1], {"a": 1})]
    assert [waits_in(value) for value in [*others, *broken]] == [None] * 9


# ------------------------------------------------------------------ in a conversation


async def found_in(sessions: SessionAdapter, found: list[Origin | None], **options: Any) -> Origin | None:
    await (await sessions.get("chat").submit("hello", **options)).wait()
    return found[-1]


async def test_a_conversation_of_an_adapter_with_a_runner_finds_it_with_its_thread_and_principal() -> None:
    found: list[Origin | None] = []

    async def work(_: MessagesState, config: RunnableConfig) -> None:
        found.append(origin_of(config))

    runner = Desk("main")
    async with SessionAdapter(graph(work), tasks=runner) as sessions:
        seen = await found_in(sessions, found, principal="ann", config={"configurable": {"mine": 1}})
        assert seen is not None
        assert (seen.runner, seen.root_id, seen.principal, seen.task) == (runner, "thread:chat", "ann", None)
        assert seen.loop is asyncio.get_running_loop()
        later = await found_in(sessions, found)
        assert later is not None
        assert later.principal == "ann", "a turn without a principal works for whom the thread belongs to"
        given = {"configurable": {CONFIG_KEY: origin(runner=Desk("other"))}}
        kept = await found_in(sessions, found, config=given)
        assert kept is not None
        assert kept.runner is runner, "whoever sends a message cannot bring a runner of their own"
        other = await found_in(sessions, found, principal="bob")
        assert other is not None
        assert other.principal == "bob"
    async with SessionAdapter(graph(work)) as sessions:
        assert await found_in(sessions, found) is None


async def test_an_answer_and_a_continued_turn_find_the_runner_too() -> None:
    found: list[Origin | None] = []

    async def work(_: MessagesState, config: RunnableConfig) -> None:
        found.append(origin_of(config))
        if interrupt("go on?") == "fail":
            raise RuntimeError

    async with SessionAdapter(graph(work), tasks=Desk("main")) as sessions:
        session = sessions.get("chat")
        turn = await session.submit("hello", principal="ann")
        await turn.wait()
        await (await session.resume({turn.interrupts[0].id: "fail"})).wait()
        await (await session.continue_()).wait()
    assert [seen.principal for seen in found if seen is not None] == ["ann"] * 3


async def test_two_conversations_of_two_runners_find_each_its_own() -> None:
    found: list[Origin | None] = []

    async def work(_: MessagesState, config: RunnableConfig) -> None:
        found.append(origin_of(config))

    made = graph(work)
    one, other = Desk("one"), Desk("other")
    async with SessionAdapter(made, tasks=one) as first, SessionAdapter(made, tasks=other) as second:
        turns = await asyncio.gather(first.get("a").submit("hello"), second.get("b").submit("hello"))
        await asyncio.gather(*(turn.wait() for turn in turns))
    assert {(seen.runner, seen.thread_id) for seen in found if seen is not None} == {(one, "a"), (other, "b")}


async def test_what_is_pushed_from_a_run_reaches_the_readers_of_its_thread() -> None:
    found: list[Origin | None] = []

    async def work(_: MessagesState, config: RunnableConfig) -> None:
        found.append(origin_of(config))

    async with SessionAdapter(graph(work), tasks=Desk("main")) as sessions:
        seen = await found_in(sessions, found)
        assert seen is not None
        assert seen.push is not None
        async with sessions.get("chat").subscribe(sessions.get("chat").log.last) as reader:
            await asyncio.to_thread(seen.push, TaskUpdate(task_id="t1", state="done"))
            async for entry in reader:
                assert entry.event == replace(entry.event, task_id="t1", state="done")
                break


def test_what_is_no_runner_is_refused() -> None:
    made = graph(lambda _: None)
    with pytest.raises(UsageError, match="a str came as tasks: expected a TaskRunner"):
        SessionAdapter(made, tasks="runner")  # type: ignore[arg-type]


def test_a_remote_graph_takes_no_runner() -> None:
    """Its tools run elsewhere, where they cannot find this one."""
    with pytest.raises(UsageError, match="tasks came with a remote graph"):
        SessionAdapter(RemoteGraph("agent", url="http://127.0.0.1:9"), tasks=Desk("main"))


def test_sessions_know_nothing_of_the_task_engine() -> None:
    code = "import sys, langwire.sessions.adapter; print([m for m in sys.modules if m.startswith('langwire.tasks')])"
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
