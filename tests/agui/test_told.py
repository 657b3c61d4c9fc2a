"""What the session's log knows of messages: told before, said by a node, hidden; and a guard on the way out."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from agui.asking import Page, asking, user
from langwire.adapters.agui import AGUIBridge, Visibility, agui_app
from langwire.adapters.agui import events as agui
from langwire.adapters.agui.encoder import AGUIEncoder
from langwire.adapters.agui.verify import verify
from langwire.testing import ScriptedModel


def in_a_row(**nodes: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_sequence(list(nodes.items()))
    return graph.add_edge(START, next(iter(nodes))).compile(checkpointer=InMemorySaver())


def saying(*words: str) -> Any:
    model = ScriptedModel(script=[list(words)])

    async def say(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke([])]}

    return say


SECRET = Visibility(nodes={"secret": "hidden"})


async def test_what_a_hidden_node_leaves_in_the_messages_is_not_shown_by_a_snapshot_either() -> None:
    graph = in_a_row(secret=saying("sword", "fish"), chat=saying("open"))
    async with asking(agui_app(AGUIBridge(graph, visibility=SECRET))) as page:
        shown = Page()
        for run in ("r1", "r2"):
            shown.messages.append(user(f"of {run}"))
            answer = await page.run(*shown.messages, run=run)
            assert not [event for event in answer.events if event["type"] == "MESSAGES_SNAPSHOT"]
            shown.take(answer.events)
        thin = await page.run(user("u4"), run="r3")
        known = await page.connect(run="c")
        for answer in (thin, known):
            assert any(event["type"] == "MESSAGES_SNAPSHOT" for event in answer.events)
            assert "swordfish" not in str(answer.events)
            assert "open" in str(answer.events)
            assert verify(answer.events) == []


async def test_a_users_message_that_a_node_told_is_no_news_when_it_comes_back() -> None:
    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("user", "said by a node")]}

    graph = in_a_row(ask=ask, chat=saying("yes"))
    async with asking(agui_app(graph)) as page:
        shown = Page(user("u1"))
        shown.take((await page.run(user("u1"))).events)
        await page.run(*shown.messages, user("u2"), run="r2")
    held = (await graph.aget_state({"configurable": {"thread_id": "t"}})).values["messages"]
    assert [message.content for message in held] == ["hi", "said by a node", "yes"] * 2


async def test_a_guard_ends_a_stream_before_it_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder of ours breaks no rule, so one is made to."""
    encode = AGUIEncoder.encode

    def twice(self: AGUIEncoder, event: Any) -> Any:
        said = list(encode(self, event))
        return said * 2 if said and isinstance(said[0], agui.TextMessageStart) else said

    monkeypatch.setattr(AGUIEncoder, "encode", twice)
    async with asking(agui_app(AGUIBridge(in_a_row(chat=saying("yes")), guard=True))) as page:
        events = (await page.run(user("u1"))).events
    assert verify(events) == []
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "internal_error")
    async with asking(agui_app(AGUIBridge(in_a_row(chat=saying("yes"))))) as page:
        assert verify((await page.run(user("u1"))).raw_events) != []


async def test_a_guard_lets_everything_else_pass() -> None:
    async with asking(agui_app(AGUIBridge(in_a_row(chat=saying("yes")), guard=True))) as page:
        events = (await page.run(user("u1"))).events
    assert events[-1]["type"] == "RUN_FINISHED"
