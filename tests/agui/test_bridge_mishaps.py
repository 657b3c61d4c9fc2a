"""What goes wrong around a run, and what the thread and the client hold afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from agui.asking import Page, answers, asked, graph_of, questions_of, ran, result, says, text_of, told, user
from langwire import limit_turns
from langwire.adapters.agui import AGUIBridge, Refused, Visibility
from langwire.adapters.agui.encoder import AGUIEncoder
from langwire.adapters.agui.frontend_tools import CONFIG_KEY
from langwire.sessions.adapter import SessionAdapter
from langwire.testing import Fault, ScriptedModel


async def refused(bridge: AGUIBridge, *messages: Any, **fields: Any) -> str:
    with pytest.raises(Refused) as error:
        await bridge.run(json.dumps(asked(*messages, **fields)).encode())
    return error.value.code


async def texts(bridge: AGUIBridge, thread: str = "t") -> list[str]:
    history = await bridge.sessions.get(thread).history()
    return [message.text for message in history.transcript.messages]


# ------------------------------------------------------------------ refused after going back


@pytest.mark.parametrize("last", [user("u1"), user("u1", "edited")], ids=["regenerate", "edit"])
async def test_going_back_is_taken_back_when_the_run_is_refused(last: Any) -> None:
    hold = Fault(at=1)
    slow = ScriptedModel(script=[[hold, "slow"]])

    async def say(state: MessagesState) -> dict[str, Any]:
        model = slow if "slow" in state["messages"][-1].text else ScriptedModel(script=[["quick"]])
        return {"messages": [await model.ainvoke(state["messages"])]}

    async with SessionAdapter(graph_of(MessagesState, say=say), middleware=[limit_turns(1)]) as sessions:
        bridge = AGUIBridge(sessions)
        await ran(bridge, user("u1"))
        other = await bridge.run(json.dumps(asked(user("s1", "slow"), run="r2", thread="other")).encode())
        assert await refused(bridge, last, run="r3") == "too_many_runs"
        assert await texts(bridge) == ["hi", "quick"]
        hold.release()
        await told(other)
        assert text_of(await ran(bridge, last, run="r4")) == "quick"


# ------------------------------------------------------------------ sent again


async def test_a_message_whose_run_was_stopped_before_it_was_kept_can_be_sent_again() -> None:
    bridge = AGUIBridge(says("one"))
    run = await bridge.run(json.dumps(asked(user("u1"))).encode())
    run.left()
    assert run.turn is not None
    await run.turn.ended()
    assert text_of(await ran(bridge, user("u1"), run="r2")) == "one"
    assert await texts(bridge) == ["hi", "one"]


async def test_a_message_that_was_typed_while_a_question_was_open_is_taken_after_the_answer() -> None:
    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("assistant", f"{interrupt('sure?')} to {state['messages'][-1].text}")]}

    bridge = AGUIBridge(graph_of(MessagesState, ask=ask))
    page = Page(user("u1", "a"))
    (question,) = questions_of(page.take(await ran(bridge, *page.messages)))
    page.messages.append(user("u2", "b"))
    assert await refused(bridge, *page.messages, run="r2") == "interrupt_open"
    yes = answers(**{question["id"]: "yes"})
    page.take(await ran(bridge, *page.messages, run="r3", resume=yes))
    assert await texts(bridge) == ["a", "yes to a"]
    (question,) = questions_of(page.take(await ran(bridge, *page.messages, run="r4")))
    no = answers(**{question["id"]: "no"})
    await ran(bridge, *page.messages, run="r5", resume=no)
    assert await texts(bridge) == ["a", "yes to a", "b", "no to b"]


# ------------------------------------------------------------------ whose a thread is


async def test_a_thread_whose_owner_is_forgotten_is_nobodys_until_its_record_is_back() -> None:
    """T-2: the checkpoints outlived the program, and the record of who they belong to did not."""
    saver = InMemorySaver()
    first = AGUIBridge(says("secret", saver=saver))
    await told(await first.run(json.dumps(asked(user("u1"))).encode(), principal="ann"))
    again = AGUIBridge(says("secret", saver=saver))
    body = json.dumps(asked(user("u2"), run="r2")).encode()
    for ask in (again.run, again.connect):
        with pytest.raises(Refused) as error:
            await ask(body, principal="bob")
        assert error.value.code == "unknown_thread"


async def test_what_is_refused_makes_no_thread_anybodys() -> None:
    bridge = AGUIBridge(says("one"))
    fork = {"langwire": {"checkpointId": "nope"}}
    with pytest.raises(Refused):
        await bridge.run(json.dumps(asked(user("u1"), forwardedProps=fork)).encode(), principal="eve")
    await told(await bridge.run(json.dumps(asked(user("u1"), run="r2")).encode(), principal="ann"))
    assert await texts(bridge) == ["hi", "one"]


# ------------------------------------------------------------------ the end of a run


async def test_a_call_that_the_user_has_passed_over_is_not_pending_any_more() -> None:
    def call(state: MessagesState) -> dict[str, Any]:
        if state["messages"][-1].text != "go":
            return {"messages": [("assistant", "fine")]}
        question = {"type": "frontend_tool_call", "tool_call_id": "c1", "name": "paint", "args": {}}
        return {"messages": [("assistant", str(interrupt(question)))]}

    tools = [{"name": "paint", "description": "", "parameters": {}}]
    bridge = AGUIBridge(graph_of(MessagesState, call=call))
    first = await ran(bridge, user("u1", "go"), tools=tools)
    assert first[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["c1"]}
    second = await ran(bridge, user("u1", "go"), user("u2", "no"), run="r2", tools=tools)
    assert second[-1]["outcome"] == {"type": "success"}
    assert CONFIG_KEY == "__agui"
    assert await refused(bridge, result("c1", "red"), run="r3", tools=tools) == "unknown_tool_call"


async def test_what_a_subgraph_said_before_its_question_comes_to_who_connected_in_between() -> None:
    async def say(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await ScriptedModel(script=[["inner text"]]).ainvoke(state["messages"])]}

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("assistant", f"you said {interrupt('sure?')}")]}

    inner = StateGraph(MessagesState).add_sequence([("say", say), ("ask", ask)]).add_edge(START, "say").compile()
    graph = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner")
    bridge = AGUIBridge(graph.compile(checkpointer=InMemorySaver()))
    (question,) = questions_of(await ran(bridge, user("u1")))
    page = Page()
    page.take(await told(await bridge.connect(json.dumps(asked(run="c")).encode())))
    yes = answers(**{question["id"]: "yes"})
    page.take(await ran(bridge, *page.messages, run="r2", resume=yes))
    assert page.told == [("user", "hi"), ("assistant", "inner text"), ("assistant", "you said yes")]


async def test_connecting_ends_also_where_the_messages_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = AGUIBridge(says("one"))
    await ran(bridge, user("u1"))

    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(AGUIEncoder, "snapshot", fails)
    events = await told(await bridge.connect(json.dumps(asked(run="c")).encode()))
    assert [event["type"] for event in events] == ["RUN_STARTED", "RUN_ERROR"]
    assert "hunter2" not in str(events)


# ------------------------------------------------------------------ state and dialects


async def test_what_a_client_has_written_goes_with_an_edit_too() -> None:
    class State(MessagesState):
        doc: str

    def say(state: State) -> dict[str, Any]:
        return {"messages": [("assistant", f"read {state.get('doc')}")]}

    bridge = AGUIBridge(graph_of(State, say=say), state_keys=["doc"], client_state_keys=["doc"])
    await ran(bridge, user("u1"), state={"doc": "A"})
    await ran(bridge, user("u1", "edited"), run="r2", state={"doc": "B"})
    assert await texts(bridge) == ["edited", "read B"]


async def test_what_older_clients_are_not_shown_stays_so_in_the_next_run() -> None:
    async def say(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await ScriptedModel(script=[["inner words"]]).ainvoke(state["messages"])]}

    async def chat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await ScriptedModel(script=[["agent words"]]).ainvoke(state["messages"])]}

    graph = graph_of(MessagesState, inner=say, chat=chat)
    bridge = AGUIBridge(graph, visibility=Visibility(nodes={"inner": "attributed"}), protocol="0.1")
    page = Page()
    for number in (1, 2, 3):
        page.messages.append(user(f"u{number}"))
        events = await ran(bridge, *page.messages, run=f"r{number}")
        page.take(events)
        assert "MESSAGES_SNAPSHOT" not in [event["type"] for event in events]
        assert "inner words" not in str(events)


async def test_a_run_that_is_refused_when_its_time_has_come_ends_with_the_code_of_the_refusal() -> None:
    hold = Fault(at=1)
    model = ScriptedModel(script=[[hold, "sure?"]])

    async def ask(state: MessagesState) -> dict[str, Any]:
        said = await model.ainvoke(state["messages"])
        return {"messages": [said, ("assistant", str(interrupt("sure?")))]}

    async with SessionAdapter(graph_of(MessagesState, ask=ask), when_busy="enqueue") as sessions:
        bridge = AGUIBridge(sessions)
        first = await bridge.run(json.dumps(asked(user("u1"))).encode())
        second = await bridge.run(json.dumps(asked(user("u1"), user("u2"), run="r2")).encode())
        hold.release()
        assert questions_of(await told(first))
        events = await told(second)
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "interrupt_open")
