"""An agent of a plain conversation delegates to a runner, and the conversation hears of its tasks."""

import asyncio
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from langwire import SessionAdapter
from langwire.events import TaskUpdate
from langwire.tasks import TASK_TOOLS, TaskPolicy, TaskQuery, TaskRunner
from langwire.testing import ScriptedModel, tool_call, tool_calls
from tasks.agents import echo

PATIENCE = 20.0


def chatting(*starts: dict[str, Any]) -> Any:
    """An agent that starts tasks, in one message, and then says what it was told."""
    calls = tool_calls(*(tool_call("start_async_task", args, id=f"call-{n}") for n, args in enumerate(starts)))

    def say(messages: list[Any]) -> str:
        return " | ".join(message.text for message in messages if isinstance(message, ToolMessage))

    model = ScriptedModel(script=[calls, say])
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode(TASK_TOOLS))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile()


async def updates(session: Any, states: int) -> list[TaskUpdate]:
    """The first changes of tasks that the log of a thread tells."""
    found: list[TaskUpdate] = []
    async with asyncio.timeout(PATIENCE), session.subscribe(0) as reader:
        async for entry in reader:
            if isinstance(entry.event, TaskUpdate):
                found.append(entry.event)
            if found and [update.state for update in found].count("done") >= states:
                return found
    return found


async def test_a_conversation_starts_tasks_and_hears_how_they_end():
    agent = chatting({"description": "one"}, {"description": "two", "title": "second"})
    async with TaskRunner({"main": echo()}) as runner, SessionAdapter(agent, tasks=runner) as sessions:
        session = sessions.get("chat")
        turn = await session.submit("go", principal="ann")
        assert (await turn.wait()).outcome == "complete"
        told = await updates(session, 2)
        assert {update.title for update in told} == {"one", "second"}
        page = await runner.list(TaskQuery(root_id="thread:chat"))
        assert [(task.spec.principal, task.spec.depth, task.result) for task in page.tasks] == [
            ("ann", 0, "echo two"),
            ("ann", 0, "echo one"),
        ]


async def test_the_tasks_of_a_conversation_that_is_over_go_on():
    agent = chatting({"description": "one"})
    async with TaskRunner({"main": echo()}, concurrency=1) as runner:
        release = asyncio.Event()

        @runner.handler("hold")
        async def hold(context: Any) -> None:
            await release.wait()

        held = await runner.enqueue(handler="hold")
        async with SessionAdapter(agent, tasks=runner) as sessions:
            await (await sessions.get("chat").submit("go")).wait()
        release.set()
        await runner.wait(held, timeout=PATIENCE)
        (task,) = (await runner.list(TaskQuery(root_id="thread:chat"))).tasks
        assert (await runner.wait(task.id, timeout=PATIENCE)).state == "done"
        assert hold is not None
        mark, _ = await runner.store.changes(None)
        async with asyncio.timeout(PATIENCE):
            while runner._pushes:  # nothing is kept for a conversation that is over
                await runner.store.wait(mark, 0.05)


async def test_a_conversation_is_the_first_generation_that_the_policy_counts():
    agent = chatting({"description": "one"})
    runner = TaskRunner({"main": echo()}, policy=TaskPolicy(max_depth=0))
    async with SessionAdapter(agent, tasks=runner) as sessions:
        result = await (await sessions.get("chat").submit("go")).wait()
    assert "do this part of the work yourself" in result.text
    assert (await runner.list()).tasks == ()


async def test_two_runners_in_one_process_never_see_each_other():
    agent = chatting({"description": "one"})
    one, other = TaskRunner({"main": echo()}), TaskRunner({"main": echo()})
    async with SessionAdapter(agent, tasks=one) as first, SessionAdapter(agent, tasks=other) as second:
        await (await first.get("chat").submit("go")).wait()
        await (await first.get("chat-2").submit("go")).wait()
        await (await second.get("chat").submit("go")).wait()
    assert len((await one.list()).tasks) == 2
    assert len((await other.list()).tasks) == 1


async def test_an_agent_without_a_runner_is_told_to_do_the_work_itself():
    async with SessionAdapter(chatting({"description": "one"})) as sessions:
        result = await (await sessions.get("chat").submit("go")).wait()
    assert result.outcome == "complete"
    assert "please do the work yourself" in result.text
