"""What sessions give to those who run many short-lived threads: deadlines, new threads, marks, and forgetting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire import SessionAdapter
from langwire.errors import UnknownThread, UsageError
from langwire.events import NodeStart, TurnEnd


def one_node(node: Any, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile(**options)


def answer(state: MessagesState) -> Any:
    return {"messages": [AIMessage("hi", id="a")]}


async def forever(state: MessagesState) -> Any:
    await asyncio.Event().wait()


def ask(state: MessagesState) -> Any:
    return {"messages": [AIMessage(str(interrupt("may I?")))]}


class CountingSaver(InMemorySaver):
    """Counts how often it is read."""

    reads = 0

    async def aget_tuple(self, config: Any) -> Any:
        self.reads += 1
        return await super().aget_tuple(config)


async def test_a_turn_may_have_a_timeout_of_its_own():
    async with SessionAdapter(one_node(forever), timeout=3600) as sessions:
        turn = await sessions.get("t").submit("go", turn_timeout=0.01)
        assert (await turn.wait()).outcome == "timeout"
        turn = await sessions.get("t").continue_(turn_timeout=0.01)
        assert (await turn.wait()).outcome == "timeout"


async def test_a_turn_that_resumes_may_have_a_timeout_of_its_own():
    async def ask_then_hang(state: MessagesState) -> Any:
        interrupt("may I?")
        await asyncio.Event().wait()

    async with SessionAdapter(one_node(ask_then_hang)) as sessions:
        session = sessions.get("t")
        await (await session.submit("go")).wait()
        turn = await session.resume({session.interrupts[0].id: "yes"}, turn_timeout=0.01)
        assert (await turn.wait()).outcome == "timeout"


async def test_a_thread_that_is_known_to_be_new_is_read_neither_before_nor_after():
    saver = CountingSaver()
    async with SessionAdapter(one_node(answer, checkpointer=saver)) as sessions:
        turn = await sessions.get("read").submit("go")
        await turn.ended()
        usual, saver.reads = saver.reads, 0
        turn = await sessions.get("new").submit("go", fresh=True)
        result = await turn.wait()
        await turn.ended()
        assert (result.outcome, result.text, turn.checkpoint_id) == ("complete", "hi", None)
        assert usual - saver.reads == 2  # what is left is LangGraph's own
        state = await sessions.get("new").state()
        assert list(state.messages)[-1] == "a"


@pytest.mark.parametrize(("node", "options"), [(ask, {}), (answer, {"interrupt_before": ["node"]})])
async def test_the_questions_of_a_new_thread_are_known_from_the_run_itself(node: Any, options: dict[str, Any]):
    async with SessionAdapter(one_node(node, **options)) as sessions:
        session = sessions.get("t")
        turn = await session.submit("go", fresh=True)
        result = await turn.wait()
        assert result.outcome == "interrupted"
        (question,) = turn.interrupts
        assert question.kind == ("breakpoint" if options else "value")


async def test_a_new_thread_whose_run_is_cut_off_is_read_all_the_same():
    saver = CountingSaver()
    async with SessionAdapter(one_node(forever, checkpointer=saver)) as sessions:
        turn = await sessions.get("t").submit("go", fresh=True)
        async for event in turn:
            if isinstance(event, NodeStart):
                await turn.cancel()
            if isinstance(event, TurnEnd):
                assert event.outcome == "cancelled"
                assert event.checkpoint_id is not None


async def test_the_metadata_of_a_run_is_told_with_the_state():
    async with SessionAdapter(one_node(answer)) as sessions:
        session = sessions.get("t")
        await (await session.submit("go", config={"metadata": {"mark": "m"}})).wait()
        assert (await session.state()).metadata["mark"] == "m"


async def test_a_thread_is_forgotten_in_memory_and_found_again_in_its_checkpoint():
    async with SessionAdapter(one_node(answer)) as sessions:
        session = sessions.get("t")
        await (await session.submit("go")).ended()
        assert (await sessions.list()).records
        await sessions.forget("t")
        assert not (await sessions.list()).records
        again = sessions.get("t")
        assert again is not session
        assert again.log.last == 0
        assert (await again.history()).transcript.text == "hi"
        await sessions.forget("never seen")
        with pytest.raises(UnknownThread):
            await sessions.get("never seen").state()


async def test_a_thread_in_which_a_turn_runs_is_not_forgotten():
    async with SessionAdapter(one_node(forever)) as sessions:
        session = sessions.get("t")
        turn = await session.submit("go")
        await sessions.forget("t")
        assert sessions.get("t") is session
        await turn.cancel()


async def test_a_store_that_lasts_keeps_its_record_of_a_thread_that_is_forgotten(tmp_path: Any):
    from langwire import SQLiteSessionStore

    async with SessionAdapter(one_node(answer), SQLiteSessionStore(tmp_path / "s.db")) as sessions:
        await (await sessions.get("t").submit("go")).ended()
        await sessions.forget("t")
        assert [record.thread_id for record in (await sessions.list()).records] == ["t"]


def test_tasks_must_be_something_that_can_be_delegated_to():
    with pytest.raises(UsageError, match="a object came as tasks: expected a TaskRunner"):
        SessionAdapter(one_node(answer), tasks=object())  # type: ignore[arg-type]
