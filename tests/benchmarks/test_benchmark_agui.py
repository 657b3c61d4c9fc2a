"""What is told in AG-UI is measured beside the bare graph that says it, and by what goes over the wire."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from benchmarks.agui import APP, BARE, BRIDGE, KINDS, QUICK, agui, conversation, players
from benchmarks.agui_peer import DEFAULTS, contenders
from langchain_core.messages import AIMessage

from benchmarks import __main__ as command
from langwire.adapters.agui.bridge import AGUIBridge
from langwire.adapters.agui.visibility import Visibility

each_kind = pytest.mark.parametrize("kind", KINDS)


def test_each_promise_is_measured() -> None:
    costs = [cost for cost in agui(2, quick=True) if DEFAULTS not in f"{cost.what} {list(cost.figures)}"]
    live = [
        (f"live {kind}, 20 tokens {how}", [BARE, face], "µs a token", True)
        for kind in ("chat", "reasoning and text", "tools", "subgraphs")
        for how in ("at once", "one by one")
        for face in (BRIDGE, APP)
    ]
    assert [(cost.what, list(cost.figures), cost.unit, cost.met is not None) for cost in costs] == [
        *live,
        ("5 tokens as server-sent events, messages of history", ["0", "4"], "bytes", True),
        ("5 tokens in the binary form, messages of history", ["0", "4"], "bytes", True),
        ("a delta as server-sent event, besides its text", [""], "bytes", True),
        ("a delta in the binary form, besides its text", [""], "bytes", True),
        ("a subagent's delta as server-sent event, besides its text", [""], "bytes", True),
        ("a subagent's delta in the binary form, besides its text", [""], "bytes", True),
        ("5 tokens after 4 messages", [BARE, BRIDGE], "ms a turn", False),
        ("5 tokens after 4 messages", [BARE, APP], "ms a turn", False),
    ]
    assert all(cost.met for cost in costs if cost.unit == "bytes")  # bytes are no matter of the machine's load


@each_kind
async def test_all_run_the_same_turn_to_its_end(kind: str) -> None:
    graph = KINDS[kind](QUICK, pause=True)
    said = {}
    for name, play in players(graph).items():
        body, thread_id = await conversation(graph, 0)
        size = await play(body, thread_id)
        state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
        said[name] = state.next, [message.text for message in state.values["messages"]], size > 0
    assert {name: sent for name, (_, _, sent) in said.items()} == {name: name != BARE for name in said}
    assert {name: (left, text) for name, (left, text, _) in said.items()} == dict.fromkeys(said, said[BARE][:2])
    assert said[BARE][0] == ()


@each_kind
async def test_a_client_is_told_what_the_graph_said(kind: str) -> None:
    graph = KINDS[kind](QUICK, pause=False)
    body, thread_id = await conversation(graph, 0)
    events = [event async for event in await AGUIBridge(graph).run(body)]
    told = "".join(getattr(event, "delta", "") for event in events if type(event).__name__ == "TextMessageContent")
    messages = (await graph.aget_state({"configurable": {"thread_id": thread_id}})).values["messages"]
    assert told == "".join(message.text for message in messages if isinstance(message, AIMessage)) != ""
    assert type(events[-1]).__name__ == "RunFinished"


async def test_the_application_sends_the_bytes_of_the_bridge() -> None:
    graph = KINDS["chat"](QUICK, pause=True)
    plays = players(graph)
    sizes = [await plays[name](*await conversation(graph, 0)) for name in (BRIDGE, APP)]
    assert sizes[0] == sizes[1] > 0


async def test_a_client_that_has_the_whole_history_is_sent_none_of_it() -> None:
    graph = KINDS["chat"](QUICK, pause=True)
    body, _ = await conversation(graph, 4)
    kinds = [type(event).__name__ async for event in await AGUIBridge(graph).run(body)]
    assert len(msgspec.json.decode(body)["messages"]) == 5
    assert "MessagesSnapshot" not in kinds
    assert kinds.count("TextMessageContent") == QUICK.tokens


async def test_the_deltas_of_a_subagent_lie_in_one() -> None:
    graph = KINDS["subgraphs"](QUICK, pause=True)
    body, _ = await conversation(graph, 0)
    run = await AGUIBridge(graph, visibility=Visibility(nodes={"inner": "attributed"})).run(body)
    starts: list[Any] = [event async for event in run if type(event).__name__ == "TextMessageStart"]
    assert [start.subagent_run_id is not None for start in starts] == [True]


@pytest.mark.skipif(not contenders(), reason="ag-ui-langgraph is not installed")
async def test_the_peer_sends_frames() -> None:
    graph = KINDS["chat"](QUICK, pause=True)
    plays = players(graph)
    assert [await plays[name](*await conversation(graph, 4)) > 1_000 for name in contenders()] == [True, True]


def test_the_command_knows_it() -> None:
    assert command.COSTS["agui"] is agui
