"""How a thread's messages read as AG-UI's, and what a snapshot keeps besides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from ag_ui.core import RunAgentInput, UserMessage
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langwire import Transcript
from langwire import events as ours
from langwire.adapters.agui._messages import messages_of
from langwire.adapters.agui._streams import run_of
from langwire.adapters.agui.bridge import AGUIBridge
from langwire.adapters.agui.encoder import AGUIEncoder, Run
from langwire.adapters.agui.events import FunctionCall, Message, ToolCall, ToolCallResult, ToolCallStart
from langwire.adapters.agui.visibility import Visibility
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.session import Session
from langwire.testing.corpus._parts import add, loop
from langwire.testing.model import ScriptedModel, text, tool_call

ADD = {"id": "c", "name": "add", "args": {"a": 1, "b": 2}}


async def session_of(*messages: Any) -> Session:
    """A session whose thread holds these messages, as a node wrote them."""
    graph: Any = StateGraph(MessagesState)
    graph.add_node("write", lambda _state: {"messages": list(messages)})
    graph.add_edge(START, "write")
    session = SessionAdapter(graph.compile(checkpointer=InMemorySaver())).get("t")
    async for _ in await session.submit({"messages": []}):
        pass
    return session


async def snapshot_of(*messages: Any) -> list[Message]:
    session = await session_of(*messages)
    return messages_of((await session.history()).transcript)


def called(id: str, arguments: str, name: str = "add") -> ToolCall:
    return ToolCall(id=id, function=FunctionCall(name=name, arguments=arguments))


async def test_each_role_reads_as_its_own() -> None:
    assert await snapshot_of(
        SystemMessage("be kind", id="s"), HumanMessage("hi", id="u"), AIMessage("hello", id="a")
    ) == [
        Message(id="s", role="system", content="be kind"),
        Message(id="u", role="user", content="hi"),
        Message(id="a", role="assistant", content="hello"),
    ]


async def test_calls_and_results_stand_where_the_thread_has_them() -> None:
    two = AIMessage("", id="a", tool_calls=[ADD, {**ADD, "id": "d"}])
    said = await snapshot_of(
        two, ToolMessage("4", tool_call_id="d", id="r-d"), ToolMessage("3", tool_call_id="c", id="r-c")
    )
    assert [(message.id, message.tool_call_id) for message in said] == [("a", None), ("r-d", "d"), ("r-c", "c")]
    assert [json.loads(call.function.arguments) for call in said[0].tool_calls or ()] == [ADD["args"]] * 2
    assert said[0].content is None


async def test_a_result_between_two_messages_stays_between_them() -> None:
    said = await snapshot_of(
        AIMessage("", id="a", tool_calls=[ADD]),
        AIMessage("", id="b", tool_calls=[{**ADD, "id": "d"}]),
        ToolMessage("3", tool_call_id="c", id="r-c"),
        ToolMessage("4", tool_call_id="d", id="r-d"),
    )
    assert [message.id for message in said] == ["a", "b", "r-c", "r-d"]


async def test_a_failed_result_says_so() -> None:
    said = await snapshot_of(
        AIMessage("", id="a", tool_calls=[ADD]), ToolMessage("no", tool_call_id="c", id="r", status="error")
    )
    assert said[1] == Message(id="r", role="tool", content="no", tool_call_id="c", error="no")


async def test_a_call_without_arguments_has_an_object_of_none() -> None:
    (said,) = await snapshot_of(AIMessage("", id="a", tool_calls=[{**ADD, "args": {}}]))
    assert said.tool_calls == [called("c", "{}")]


async def test_a_call_that_was_cut_off_before_its_arguments_has_no_text_of_any() -> None:
    source = ours.Source(node="agent")
    start = ours.ToolCallStart(id="c", name="add", message_id="a", source=source, call_id="c")
    cut = Transcript.of([start, ours.ToolCallEnd(id="c", name="add", partial=True)])
    (said,) = messages_of(cut)
    assert said.tool_calls == [called("c", "")]


async def test_call_ids_that_a_thread_uses_again_are_numbered() -> None:
    def turn(number: int) -> list[Any]:
        call = AIMessage("", id=f"a{number}", tool_calls=[{**ADD, "id": "call_0"}])
        return [call, ToolMessage(str(number), tool_call_id="call_0", id=f"r{number}")]

    said = await snapshot_of(*turn(1), *turn(2), *turn(3))
    ids = [message.tool_call_id or (message.tool_calls or [])[0].id for message in said]
    assert ids == ["call_0", "call_0", "call_0~2", "call_0~2", "call_0~3", "call_0~3"]


async def test_a_result_whose_call_the_thread_does_not_hold_is_one_message() -> None:
    """Summaries take calls out of a thread, and handoffs never put them there."""
    session = await session_of(
        ToolMessage("3", tool_call_id="gone", id="r"), ToolMessage("4", tool_call_id="gone", id="q")
    )
    held = (await session.history()).transcript
    assert messages_of(held) == [
        Message(id="r", role="tool", content="3", tool_call_id="gone"),
        Message(id="q", role="tool", content="4", tool_call_id="gone"),
    ]
    assert run_of(held, "t", "r").calls == ()


async def test_thinking_stands_before_and_after_the_text_as_it_was_thought() -> None:
    """Row F-A8 and ag-ui#1251: whatever the provider wants back is in it."""
    blocks = [
        {"type": "reasoning", "reasoning": "first", "extras": {"signature": "c2ln"}},
        {"type": "text", "text": "one"},
        {"type": "reasoning", "reasoning": "second"},
        {"type": "text", "text": ", two"},
    ]
    assert await snapshot_of(AIMessage(blocks, id="a", response_metadata={"output_version": "v1"})) == [
        Message(id="a:reasoning", role="reasoning", content="first", encrypted_value="c2ln"),
        Message(id="a", role="assistant", content="one, two"),
        Message(id="a:reasoning-2", role="reasoning", content="second"),
    ]


async def test_a_message_of_thinking_or_media_alone_is_no_empty_bubble() -> None:
    """PR#1426."""
    image = {"type": "image", "url": "https://example.org/a.png"}
    said = await snapshot_of(AIMessage([{"type": "reasoning", "reasoning": "hm"}], id="a"), AIMessage([image], id="b"))
    assert [(message.id, message.role) for message in said] == [
        ("a:reasoning", "reasoning"),
        (said[-1].id, "activity"),
    ]
    assert said[-1].content == {"kind": "image", "url": "https://example.org/a.png"}


async def test_a_users_picture_is_a_part_of_the_message() -> None:
    blocks = [{"type": "text", "text": "look"}, {"type": "image", "url": "https://example.org/a.png"}]
    (said,) = await snapshot_of(HumanMessage(blocks, id="u"))
    assert said.content == [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "url", "value": "https://example.org/a.png"}},
    ]


# ------------------------------------------------------------------ streamed and held, over turns


def small_agent() -> Any:
    """An agent whose model counts its calls anew in each turn, as small models do."""

    def step(messages: Sequence[Any]) -> Any:
        last = messages[-1]
        return text("sum") if last.type == "tool" else tool_call("add", ADD["args"], id="call_0")

    return loop(InMemorySaver(), ScriptedModel(script=[step] * 8), [add])


def calls_in(sent: Sequence[Any]) -> list[str]:
    """The ids of the call and the result that were streamed."""
    return [said.tool_call_id for said in sent if isinstance(said, ToolCallStart | ToolCallResult)]


async def calls_of(session: Session) -> list[str]:
    """The ids of the last call and the last result in a snapshot."""
    held = messages_of((await session.history()).transcript)
    calls = [call.id for message in held for call in message.tool_calls or ()]
    return [calls[-1], [message.tool_call_id for message in held if message.tool_call_id][-1]]


async def test_call_ids_over_turns_stream_as_they_are_held() -> None:
    """Row T-7 and PR#1343: also when a call id comes again, and its results with it."""
    async with SessionAdapter(small_agent()) as sessions:
        session = sessions.get("t")
        for number, id in enumerate(["call_0", "call_0~2", "call_0~3"]):
            held = (await session.history()).transcript if number else Transcript()
            encoder = AGUIEncoder(run_of(held, "t", f"run-{number}"))
            turn = await session.submit("add")
            sent = [said async for event in turn for said in encoder.encode(event)]
            assert calls_in(sent) == await calls_of(session) == [id, id]


def asked(run_id: str, *messages: Any, **forwarded: Any) -> RunAgentInput:
    said = [UserMessage(id=id, role="user", content="add") for id in messages]
    return RunAgentInput(
        thread_id="t", run_id=run_id, state={}, messages=said, tools=[], context=[], forwarded_props=forwarded
    )


async def test_a_bridge_knows_which_call_ids_its_thread_has_used() -> None:
    bridge = AGUIBridge(small_agent())
    for number, id in enumerate(["call_0", "call_0~2", "call_0~3"]):
        sent = [said async for said in await bridge.run(asked(f"run-{number}", f"u{number}"))]
        assert calls_in(sent) == await calls_of(bridge.sessions.get("t")) == [id, id]
    await bridge.close()


async def test_a_bridge_forgets_the_call_ids_of_an_answer_that_is_made_anew() -> None:
    bridge = AGUIBridge(small_agent())
    for run_id, *messages in (("r1", "u1"), ("r2", "u1", "u2"), ("again", "u1", "u2")):
        sent = [said async for said in await bridge.run(asked(run_id, *messages))]
    assert calls_in(sent) == await calls_of(bridge.sessions.get("t")) == ["call_0~2"] * 2
    await bridge.close()


# ------------------------------------------------------------------ what a snapshot keeps besides

LANE = ("tools:1",)
WORDS = [
    ours.SubagentStart(lane=LANE, id="c", name="finder"),
    ours.TextStart(id="s", message_id="s", source=ours.Source(lane=LANE, node="agent")),
    ours.TextDelta(id="s", text="inner words"),
    ours.TextEnd(id="s"),
    ours.TextStart(id="m", message_id="m", source=ours.Source(node="agent")),
    ours.TextDelta(id="m", text="outer words"),
    ours.TextEnd(id="m"),
]


def snapshot(*more: ours.Event, others: Sequence[Message] = (), **options: Any) -> list[Message]:
    """A snapshot at the end of a run in which a subagent and the agent spoke, of a thread that holds the latter."""
    encoder = AGUIEncoder(Run(thread_id="t", run_id="r"), **options)
    events = [*WORDS, *more]
    for event in events:
        encoder.encode(event)
    held = [event for event in WORDS if getattr(event, "id", "") == "m"]
    return encoder.snapshot(Transcript.of(held), Transcript.of(events), others).messages


AGENT = Message(id="m", role="assistant", content="outer words")
FINDER = Message(id="s", role="assistant", content="inner words", subagent_run_id="1")


def test_what_a_subagent_said_stays_with_the_client() -> None:
    assert snapshot() == [AGENT, FINDER]
    assert snapshot(visibility=Visibility(subagents="hidden")) == [AGENT]


def test_what_was_taken_back_does_not_stay() -> None:
    gone = ours.MessageDiscarded(message_id="s", source=ours.Source(lane=LANE, node="agent"))
    assert snapshot(gone) == [AGENT]


def test_what_the_client_has_kept_stays_unless_it_was_removed() -> None:
    kept, removed = (Message(id=id, role="assistant", content="old") for id in ("kept", "removed"))
    same = Message(id="m", role="assistant", content="an older text of it")
    sent = snapshot(ours.MessagesRemoved(ids=("removed",)), others=[kept, removed, same])
    assert sent == [AGENT, FINDER, kept]


def test_a_snapshot_is_json_without_a_null() -> None:
    assert b"null" not in msgspec.json.encode(snapshot())
