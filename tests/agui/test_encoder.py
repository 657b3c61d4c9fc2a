"""What AG-UI is told of each event: the table at the top of the encoder, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, get_args

import jsonschema
import pytest

from langwire import events as ours
from langwire.adapters.agui.encoder import AGUIEncoder, Run
from langwire.adapters.agui.events import (
    ActivitySnapshot,
    Cancelled,
    Custom,
    Done,
    Event,
    Interrupted,
    Question,
    Raw,
    ReasoningEncryptedValue,
    ReasoningEnd,
    ReasoningMessageContent,
    ReasoningMessageEnd,
    ReasoningMessageStart,
    ReasoningStart,
    RunError,
    RunFinished,
    RunStarted,
    StateDelta,
    StepFinished,
    StepStarted,
    SubagentError,
    SubagentFinished,
    SubagentStarted,
    Success,
    Suspended,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Usage,
)
from langwire.adapters.agui.frames import json_of
from langwire.adapters.agui.state import Prediction, StateView
from langwire.adapters.agui.verify import Verifier, verify
from langwire.adapters.agui.visibility import Visibility
from langwire.core.interrupts import approve, edit, read_interrupt, reject, respond, resume_map
from langwire.errors import InvalidDecision

ROOT = ours.Source(node="agent", task="1")
START = ours.TurnStart(turn_id="run", thread_id="t")
COMPLETE = ours.TurnEnd(outcome="complete")
RUN = Run(thread_id="t", run_id="run")
BEGIN = RunStarted(thread_id="t", run_id="run", protocol_version="1.0")
FINISH = RunFinished(thread_id="t", run_id="run", outcome=Success())


def source(*lane: str, node: str = "agent", task: str | None = None) -> ours.Source:
    return ours.Source(lane=lane, node=node, task=task)


def told(*events: ours.Event, run: Run = RUN, end: ours.TurnEnd = COMPLETE, **options: Any) -> list[Event]:
    """What is sent of a turn with these events, without its `RUN_STARTED`."""
    encoder = AGUIEncoder(run, **options)
    sent = [said for event in (START, *events, end) for said in encoder.encode(event)]
    assert verify(sent) == []
    return sent[1:]


def inside(*events: ours.Event, **options: Any) -> list[Event]:
    """What is sent of these events between the run's start and its end."""
    return told(*events, **options)[:-1]


def text(id: str, *pieces: str, where: ours.Source = ROOT, message_id: str | None = None, **more: Any) -> list[Any]:
    return [
        ours.TextStart(id=id, message_id=message_id or id, source=where, **more),
        *(ours.TextDelta(id=id, text=piece) for piece in pieces),
        ours.TextEnd(id=id),
    ]


def call(id: str, *pieces: str, where: ours.Source = ROOT, call_id: str | None = None, **more: Any) -> list[Any]:
    args = json.loads("".join(pieces)) if pieces else None
    return [
        ours.ToolCallStart(id=id, name="add", message_id="m", source=where, call_id=call_id or id, **more),
        *(ours.ToolCallDelta(id=id, args=piece) for piece in pieces),
        ours.ToolCallEnd(id=id, name="add", call_id=call_id or id, args=args),
    ]


# ------------------------------------------------------------------ a run


def test_a_run_says_who_it_is_and_whose_child() -> None:
    run = Run(thread_id="t", run_id="r", parent_run_id="p")
    start = RunStarted(thread_id="t", run_id="r", parent_run_id="p", protocol_version="1.0")
    assert [*AGUIEncoder(run).encode(START)] == [start]


def test_a_run_that_is_through_is_a_success() -> None:
    assert told() == [FINISH]


def test_a_run_that_was_stopped_is_cancelled_and_says_why() -> None:
    """ag-ui#2327: being stopped is no failure."""
    end = ours.TurnEnd(outcome="cancelled", reason="enough")
    cancelled = RunFinished(thread_id="t", run_id="run", outcome=Cancelled(), metadata={"reason": "enough"})
    assert told(end=end) == [cancelled]


def test_a_failure_tells_code_and_id_and_no_text_of_the_exception() -> None:
    """Row F-A7."""
    error = ours.ErrorInfo(code="ValueError", message="the agent failed with ValueError", id="e-1")
    end = ours.TurnEnd(outcome="error", error=error)
    failed = RunError(message="the agent failed with ValueError", code="ValueError", metadata={"errorId": "e-1"})
    assert told(end=end) == [failed]


def test_a_run_that_took_too_long_fails() -> None:
    error = ours.ErrorInfo(code="Timeout", message="too long")
    assert told(end=ours.TurnEnd(outcome="timeout", error=error)) == [RunError(message="too long", code="Timeout")]
    assert told(end=ours.TurnEnd(outcome="timeout")) == [
        RunError(message="the run took too long and was stopped", code="timeout")
    ]


def test_a_structured_answer_is_the_result_of_a_run_that_is_through() -> None:
    answer = ours.StructuredOutput(value={"days": (1, 2)})
    assert told(answer)[-1] == RunFinished(thread_id="t", run_id="run", outcome=Success(), result={"days": [1, 2]})
    stopped = ours.TurnEnd(outcome="cancelled")
    assert told(answer, end=stopped)[-1] == RunFinished(thread_id="t", run_id="run", outcome=Cancelled())


def test_usage_is_added_up_for_each_model() -> None:
    details = {"input_token_details": {"cache_read": 8, "cache_creation": 1}, "output_token_details": {"reasoning": 2}}
    end = told(
        ours.Usage(message_id="1", input_tokens=10, output_tokens=5, model="big", details=details),
        ours.Usage(message_id="2", input_tokens=1, output_tokens=1, model="small"),
        ours.Usage(message_id="3", input_tokens=20, output_tokens=5, model="big", details=details),
        ours.Usage(message_id="4", input_tokens=1, output_tokens=2),
    )[-1]
    assert isinstance(end, RunFinished)
    assert end.usage == [
        Usage(
            model="big",
            input_tokens=30,
            output_tokens=10,
            total_tokens=40,
            reasoning_tokens=4,
            cached_input_tokens=16,
            cache_write_input_tokens=2,
        ),
        Usage(model="small", input_tokens=1, output_tokens=1, total_tokens=2),
        Usage(input_tokens=1, output_tokens=2, total_tokens=3),
    ]


def test_a_failure_has_cost_tokens_too() -> None:
    end = ours.TurnEnd(outcome="error", error=ours.ErrorInfo(code="E", message="no"))
    failed = told(ours.Usage(message_id="1", input_tokens=1, output_tokens=1), end=end)[-1]
    assert isinstance(failed, RunError)
    assert failed.usage == [Usage(input_tokens=1, output_tokens=1, total_tokens=2)]


# ------------------------------------------------------------------ text


def test_text_is_told_piece_by_piece() -> None:
    assert inside(*text("m", "a", "", "b")) == [
        TextMessageStart(message_id="m", role="assistant"),
        TextMessageContent(message_id="m", delta="a"),
        TextMessageContent(message_id="m", delta=""),
        TextMessageContent(message_id="m", delta="b"),
        TextMessageEnd(message_id="m"),
    ]


@pytest.mark.parametrize("role", ["assistant", "user", "system", "developer"])
def test_a_role_of_the_protocol_is_kept(role: Any) -> None:
    assert inside(*text("m", role=role))[0] == TextMessageStart(message_id="m", role=role)


def test_any_other_role_is_the_name_of_an_assistant() -> None:
    assert inside(*text("m", role="critic"))[0] == TextMessageStart(message_id="m", role="assistant", name="critic")


def test_parts_of_one_message_are_one_text_after_the_other() -> None:
    sent = inside(*text("m", "a"), *text("m/1", "b", message_id="m"))
    assert [event.message_id for event in sent if isinstance(event, TextMessageStart)] == ["m", "m"]


def test_parts_of_one_message_that_are_open_at_once_are_one_open_text() -> None:
    """Row T-8: the client knows one text of a message, and refuses a second start."""
    first, second = text("m", "a"), text("m/1", "b", message_id="m")
    mixed = [first[0], second[0], first[1], second[1], first[2], second[2]]
    assert inside(*mixed) == [
        TextMessageStart(message_id="m", role="assistant"),
        TextMessageContent(message_id="m", delta="a"),
        TextMessageContent(message_id="m", delta="b"),
        TextMessageEnd(message_id="m"),
    ]


def test_messages_that_stream_at_once_keep_apart() -> None:
    """Row T-8: nodes side by side are two messages, not one."""
    left, right = text("l", "1", "2"), text("r", "a", "b")
    mixed = [event for pair in zip(left, right, strict=True) for event in pair]
    sent = inside(*mixed)
    assert [event.delta for event in sent if isinstance(event, TextMessageContent) and event.message_id == "l"] == [
        "1",
        "2",
    ]
    assert [event.delta for event in sent if isinstance(event, TextMessageContent) and event.message_id == "r"] == [
        "a",
        "b",
    ]


def test_one_message_id_in_two_lanes_is_two_messages() -> None:
    sent = inside(*text("m", "a"), *text("m~2", "b", message_id="m", where=source("sub:1")))
    assert [event.message_id for event in sent if isinstance(event, TextMessageStart)] == ["m", "m~2"]


def test_a_message_of_an_earlier_run_that_is_said_anew_wants_a_snapshot() -> None:
    encoder = AGUIEncoder(Run(thread_id="t", run_id="run", messages=frozenset({"old"})))
    for event in text("new", "a"):
        encoder.encode(event)
    assert not encoder.stale
    for event in text("old", "a"):
        encoder.encode(event)
    assert encoder.stale


# ------------------------------------------------------------------ thinking

THOUGHT = [
    ours.ReasoningStart(id="m:r", message_id="m", source=ROOT),
    ours.ReasoningDelta(id="m:r", text="hm"),
    ours.ReasoningEnd(id="m:r"),
]


def test_thinking_is_a_span_with_a_message_in_it() -> None:
    assert inside(*THOUGHT) == [
        ReasoningStart(message_id="m:reasoning"),
        ReasoningMessageStart(message_id="m:reasoning", role="reasoning"),
        ReasoningMessageContent(message_id="m:reasoning", delta="hm"),
        ReasoningMessageEnd(message_id="m:reasoning"),
        ReasoningEnd(message_id="m:reasoning"),
    ]


def test_a_second_span_has_an_id_of_its_own() -> None:
    sent = inside(*THOUGHT, *THOUGHT)
    assert [event.message_id for event in sent if isinstance(event, ReasoningStart)] == [
        "m:reasoning",
        "m:reasoning-2",
    ]


@pytest.mark.parametrize(("sealed", "value"), [({"signature": "s"}, "s"), ({"encrypted": "e", "signature": "s"}, "e")])
def test_what_a_provider_wants_back_is_told_inside_the_span(sealed: dict[str, Any], value: str) -> None:
    sent = inside(*THOUGHT[:-1], ours.ReasoningEnd(id="m:r", **sealed))
    assert sent[-3:] == [
        ReasoningMessageEnd(message_id="m:reasoning"),
        ReasoningEncryptedValue(subtype="message", entity_id="m:reasoning", encrypted_value=value),
        ReasoningEnd(message_id="m:reasoning"),
    ]


# ------------------------------------------------------------------ calls


def test_a_call_is_told_with_all_its_arguments() -> None:
    """ag-ui#2653: also where name and arguments came in one piece."""
    assert inside(*call("c", '{"a":', "1}")) == [
        ToolCallStart(tool_call_id="c", tool_call_name="add", parent_message_id="m"),
        ToolCallArgs(tool_call_id="c", delta='{"a":'),
        ToolCallArgs(tool_call_id="c", delta="1}"),
        ToolCallEnd(tool_call_id="c"),
    ]


def test_a_call_whose_arguments_never_streamed_is_told_them_at_its_end() -> None:
    """A client parses what it was told, and an empty text is no JSON."""
    start, _ = call("c")
    sent = inside(start, ours.ToolCallEnd(id="c", name="add", args={}))
    assert sent[1:] == [ToolCallArgs(tool_call_id="c", delta="{}"), ToolCallEnd(tool_call_id="c")]


def test_a_call_that_was_cut_off_before_its_arguments_has_none() -> None:
    start, _ = call("c")
    sent = inside(start, ours.ToolCallEnd(id="c", name="add", partial=True))
    assert sent[1:] == [ToolCallEnd(tool_call_id="c")]


def test_parallel_calls_keep_apart() -> None:
    """ag-ui#1016."""
    one, two = call("c1", '{"a":', "1}"), call("c2", '{"b":', "2}")
    sent = inside(*(event for pair in zip(one, two, strict=True) for event in pair))
    parts = [(event.tool_call_id, event.delta) for event in sent if isinstance(event, ToolCallArgs)]
    assert parts == [("c1", '{"a":'), ("c2", '{"b":'), ("c1", "1}"), ("c2", "2}")]


def test_a_call_id_that_the_thread_has_used_is_numbered_and_its_result_goes_with_it() -> None:
    run = Run(thread_id="t", run_id="run", calls=("call_0", "call_0", "call_1"))
    result = ours.ToolResult(id="call_0", call_id="call_0", content="3", message_id="r")
    sent = inside(*call("call_0", "{}"), result, run=run)
    assert {event.tool_call_id for event in sent if hasattr(event, "tool_call_id")} == {"call_0~3"}


def test_the_result_of_a_call_that_an_earlier_run_left_open_names_that_call() -> None:
    run = Run(thread_id="t", run_id="run", calls=("call_0", "call_0"))
    result = ours.ToolResult(id="call_0", call_id="call_0", content="3", message_id="r")
    assert inside(result, run=run)[0] == ToolCallResult(
        message_id="r", tool_call_id="call_0~2", content="3", role="tool"
    )


def test_a_result_makes_the_message_that_the_state_holds() -> None:
    """PR#1343: the streamed id is the one in the state."""
    result = ours.ToolResult(id="c", call_id="c", content="3", message_id="r")
    assert inside(*call("c", "{}"), result)[-1] == ToolCallResult(
        message_id="r", tool_call_id="c", content="3", role="tool"
    )


def test_a_result_without_a_message_has_an_id_all_the_same() -> None:
    result = ours.ToolResult(id="c", call_id="c", content="3")
    assert inside(*call("c", "{}"), result)[-1].message_id == "c:result"  # type: ignore[union-attr]


def test_the_result_of_a_providers_own_call_is_not_told_under_the_id_of_the_message_it_lies_in() -> None:
    result = ours.ToolResult(id="c", call_id="c", content="3", message_id="m")
    assert inside(*call("c", "{}", provider=True), result)[-1].message_id == "c:result"  # type: ignore[union-attr]


def test_a_failed_result_says_so() -> None:
    result = ours.ToolResult(id="c", call_id="c", content="no", message_id="r", status="error")
    assert inside(*call("c", "{}"), result)[-1] == ToolCallResult(
        message_id="r", tool_call_id="c", content="no", role="tool", metadata={"status": "error"}
    )


def test_a_result_of_several_blocks_is_told_in_parts() -> None:
    blocks = [{"type": "text", "text": "dot"}, {"type": "image", "url": "https://example.org/a.png"}]
    result = ours.ToolResult(id="c", call_id="c", content=blocks, message_id="r")
    parts = [{"type": "text", "text": "dot"}, {"type": "image", "source": {"type": "url", "value": blocks[1]["url"]}}]
    assert inside(*call("c", "{}"), result)[-1].content == parts  # type: ignore[union-attr]
    old = inside(*call("c", "{}"), result, protocol="0.1")[-1]
    assert json.loads(old.content) == parts  # type: ignore[union-attr]


def test_a_result_that_the_client_brought_is_not_told_to_it() -> None:
    run = Run(thread_id="t", run_id="run", calls=("c",), answered=frozenset({"c"}))
    assert inside(ours.ToolResult(id="c", call_id="c", content="3", message_id="r"), run=run) == []


def test_a_call_without_an_answer_is_told_none() -> None:
    open = ours.OpenCall(id="c", name="add", call_id="c")
    sent = told(*call("c", "{}"), end=ours.TurnEnd(outcome="complete", open_calls=(open,)))
    assert sent[-1] == FINISH
    assert not [event for event in sent if isinstance(event, ToolCallResult)]


def test_open_calls_of_the_clients_own_tools_are_pending() -> None:
    """ag-ui discussion #2564: a run that stopped at a client's tool is through, and waits for its results."""
    run = Run(thread_id="t", run_id="run", calls=("c",), tools=frozenset({"add"}))
    left = ours.OpenCall(id="c", name="add", call_id="c"), ours.OpenCall(id="x", name="other", call_id="x")
    end = ours.TurnEnd(outcome="complete", open_calls=left)
    assert told(*call("c", "{}"), run=run, end=end)[-1] == RunFinished(
        thread_id="t", run_id="run", outcome=Success(pending_tool_call_ids=["c~2"])
    )


def test_a_waiting_client_call_is_pending_and_no_question() -> None:
    value = {"type": "frontend_tool_call", "tool_call_id": "c", "name": "add", "args": {}}
    question = ours.Interrupt(id="i", value=value)
    end = ours.TurnEnd(outcome="interrupted", interrupts=("i",))
    assert told(*call("c", "{}"), question, end=end)[-1] == RunFinished(
        thread_id="t", run_id="run", outcome=Success(pending_tool_call_ids=["c"])
    )


def test_what_a_running_tool_reports_names_its_call() -> None:
    output = ours.ToolOutputDelta(id="c", data={"done": 1})
    assert inside(*call("c", "{}"), output)[-1] == Custom(
        name="langwire.tool_output", value={"toolCallId": "c", "data": {"done": 1}}
    )
    assert inside(ours.ToolOutputDelta(id="unknown", data=1)) == []


# ------------------------------------------------------------------ steps


def test_nodes_are_steps() -> None:
    sent = inside(ours.NodeStart(id="1", node="agent"), ours.NodeEnd(id="1"))
    assert sent == [StepStarted(step_name="agent"), StepFinished(step_name="agent")]


def test_nodes_of_one_name_that_run_side_by_side_are_one_step() -> None:
    nodes = [ours.NodeStart(id=id, node="work") for id in "12"]
    ends = [ours.NodeEnd(id=id) for id in "12"]
    assert inside(*nodes, *ends) == [StepStarted(step_name="work"), StepFinished(step_name="work")]
    again = inside(nodes[0], ends[0], nodes[1], ends[1])
    assert [type(event) for event in again] == [StepStarted, StepFinished] * 2


def test_a_step_that_nobody_ended_is_closed_at_the_end() -> None:
    sent = told(ours.NodeStart(id="1", node="agent"), end=ours.TurnEnd(outcome="cancelled"))
    assert sent[1] == StepFinished(step_name="agent")


# ------------------------------------------------------------------ subagents

LANE, INNER = ("tools:1",), ("tools:1", "deep:2")
SUBAGENT = ours.SubagentStart(lane=LANE, id="c", name="finder")
TASK = [*call("c", "{}"), ours.NodeStart(id="1", node="tools"), SUBAGENT]
STARTED = SubagentStarted(subagent_run_id="1", name="finder", parent_tool_call_id="c")


def test_a_delegated_lane_is_a_subagent_and_owns_what_begins_there() -> None:
    sent = inside(*TASK, *text("s", "hi", where=source(*LANE)), ours.NodeEnd(id="1"))
    assert sent[4:] == [
        STARTED,
        TextMessageStart(message_id="s", role="assistant", subagent_run_id="1"),
        TextMessageContent(message_id="s", delta="hi"),
        TextMessageEnd(message_id="s"),
        SubagentFinished(subagent_run_id="1", outcome=Done()),
        StepFinished(step_name="tools"),
    ]


def test_a_subagent_in_a_subagent_names_its_parent() -> None:
    rules = Visibility(subgraphs="attributed")
    sent = inside(*TASK, *text("s", "hi", where=source(*INNER)), ours.NodeEnd(id="1"), visibility=rules)
    subagents = [event for event in sent if type(event).__name__.startswith("Subagent")]
    assert subagents == [
        STARTED,
        SubagentStarted(subagent_run_id="2", name="deep", parent_subagent_run_id="1"),
        SubagentFinished(subagent_run_id="2", outcome=Done()),
        SubagentFinished(subagent_run_id="1", outcome=Done()),
    ]


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("interrupted", SubagentFinished(subagent_run_id="1", outcome=Suspended())),
        ("error", SubagentError(subagent_run_id="1", message="the subagent failed", code="error")),
        ("cancelled", SubagentError(subagent_run_id="1", message="the subagent was stopped", code="cancelled")),
        ("replayed", SubagentFinished(subagent_run_id="1", outcome=Done())),
        ("left", SubagentFinished(subagent_run_id="1", outcome=Done())),
    ],
)
def test_a_subagent_ends_as_its_node_does(status: Any, end: Event) -> None:
    assert end in inside(*TASK, ours.NodeEnd(id="1", status=status))


@pytest.mark.parametrize(
    ("outcome", "end"),
    [("interrupted", SubagentFinished), ("error", SubagentError), ("cancelled", SubagentError)],
)
def test_a_subagent_whose_node_was_not_ended_ends_with_the_run(outcome: Any, end: type) -> None:
    sent = told(*TASK, end=ours.TurnEnd(outcome=outcome))
    assert [type(event) for event in sent[-3:-1]] == [end, StepFinished]


def test_inline_is_told_as_the_agents_own_and_hidden_not_at_all() -> None:
    words = text("s", "hi", where=source(*LANE))
    sent = inside(*TASK, *words, ours.NodeEnd(id="1"), visibility=Visibility(subagents="inline"))
    assert TextMessageStart(message_id="s", role="assistant") in sent
    assert b"subagent" not in b"".join(map(json_of, sent))
    quiet = inside(*TASK, *words, ours.NodeEnd(id="1"), visibility=Visibility(subagents="hidden"))
    assert quiet == inside(*TASK[:-1], ours.NodeEnd(id="1"))


HIDDEN_NODE = ours.Source(node="secret", task="9")


@pytest.mark.parametrize(
    "events",
    [
        text("m", "swordfish", where=HIDDEN_NODE),
        [
            ours.ReasoningStart(id="r", message_id="m", source=HIDDEN_NODE),
            ours.ReasoningDelta(id="r", text="swordfish"),
        ],
        call("c", '{"a": "swordfish"}', where=HIDDEN_NODE),
        [*call("c", "{}", where=HIDDEN_NODE), ours.ToolResult(id="c", content="swordfish", source=ROOT)],
        [*call("c", "{}", where=HIDDEN_NODE), ours.ToolOutputDelta(id="c", data="swordfish")],
        [*call("c", "{}", where=HIDDEN_NODE), ours.Display(id="c", bundle={"text/plain": "swordfish"})],
        [*call("c", "{}", where=HIDDEN_NODE), ours.Extracted(id="c", name="x", kind="todos", data="swordfish")],
        [ours.Media(id="f", message_id="m", kind="image", source=HIDDEN_NODE, ref="swordfish")],
        [*text("m", where=HIDDEN_NODE)[:1], ours.Citation(id="m", data="swordfish")],
        [ours.Custom(data="swordfish", lane=("secret:9",))],
        [ours.Raw(mode="x", data="swordfish", lane=("secret:9",))],
        [ours.Progress(text="swordfish", lane=("secret:9", "deep:1"))],
    ],
)
def test_nothing_of_a_hidden_node_is_in_the_bytes(events: list[ours.Event]) -> None:
    encoder = AGUIEncoder(RUN, visibility=Visibility(nodes={"secret": "hidden"}), raw=True)
    sent = [said for event in events for said in encoder.encode(event)]
    assert b"swordfish" not in b"".join(map(json_of, sent))
    seen = [said for event in events for said in AGUIEncoder(RUN, raw=True).encode(event)]
    assert seen, "without the rule it is told"


# ------------------------------------------------------------------ state


def test_state_is_told_as_a_change_of_what_the_client_has() -> None:
    snapshot = ours.StateSnapshot(values={"count": 2, "secret": "x", "messages": []})
    client = {"count": 1, "own": "a longer text that only the client has, which is not told again"}
    sent = inside(snapshot, state=StateView(client, ["count"]))
    assert sent == [StateDelta(delta=[{"op": "replace", "path": "/count", "value": 2}])]
    assert inside(snapshot) == []
    assert inside(ours.StateSnapshot(values={"count": 3}, lane=("sub:1",)), state=StateView({}, "*")) == []
    assert inside(ours.StateDelta(node="agent", changes={"count": 3}), state=StateView({}, "*")) == []


def test_a_predicted_call_shows_as_state_while_it_is_written_and_is_taken_back_at_the_end() -> None:
    client = {"text": "", "own": "a longer text that only the client has, which is not told again"}
    view = StateView(client, ["text"], [Prediction("add", "body", "text")])
    sent = inside(*call("c", '{"body": "on', 'ce"}'), state=view)
    changes = [change["value"] for event in sent if isinstance(event, StateDelta) for change in event.delta]
    assert changes == ["on", "once", ""]


# ------------------------------------------------------------------ questions

DECISIONS = [approve(), edit({"a": 1}), reject("no"), reject(), respond("3")]


def question(interrupt: ours.Interrupt, *before: ours.Event) -> Question:
    end = ours.TurnEnd(outcome="interrupted", interrupts=(interrupt.id,))
    finished = told(*before, interrupt, end=end)[-1]
    assert isinstance(finished, RunFinished)
    assert isinstance(finished.outcome, Interrupted)
    (asked,) = finished.outcome.interrupts
    return asked


def accepts(schema: dict[str, Any], answer: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(answer)


def wire(decision: Any, name: str) -> dict[str, Any]:
    """A decision as a client sends it."""
    said: dict[str, Any] = {"type": decision.type}
    if decision.args is not None:
        said["edited_action"] = {"name": name, "args": dict(decision.args)}
    if decision.message is not None:
        said["message"] = decision.message
    return said


def test_a_value_is_asked_as_it_is() -> None:
    schema = {"type": "string"}
    value = {"question": "who?", "options": ("a", "b")}
    asked = question(ours.Interrupt(id="i", value=value, response_schema=schema))
    whole = {"langwire": {"kind": "value", "value": {"question": "who?", "options": ["a", "b"]}}}
    assert asked == Question(id="i", reason="input_required", message="who?", response_schema=schema, metadata=whole)
    assert question(ours.Interrupt(id="i", value="who?")).message == "who?"
    assert question(ours.Interrupt(id="i", value=3)).message is None


def test_a_breakpoint_is_a_question_that_any_answer_leaves() -> None:
    asked = question(ours.Interrupt(id="breakpoint", kind="breakpoint", value={"next": ["two"]}))
    assert (asked.reason, asked.response_schema) == ("breakpoint", None)


def approval(*allowed: str, names: Iterable[str] = ("add",)) -> ours.Interrupt:
    value = {
        "action_requests": [{"name": name, "args": {"a": 1}, "description": f"run {name}?"} for name in names],
        "review_configs": [{"action_name": name, "allowed_decisions": list(allowed)} for name in names],
    }
    return read_interrupt({"id": "i", "value": value}, ())


@pytest.mark.parametrize(
    "allowed", [("approve",), ("approve", "edit"), ("reject", "respond"), ("approve", "edit", "reject", "respond"), ()]
)
@pytest.mark.parametrize("names", [("add",), ("add", "look")])
def test_the_schema_of_an_approval_takes_what_may_be_answered(allowed: tuple[str, ...], names: tuple[str, ...]) -> None:
    interrupt = approval(*allowed, names=names)
    schema = question(interrupt).response_schema
    assert schema is not None
    for decision in DECISIONS:
        answer = {"decisions": [wire(decision, name) for name in names]}
        try:
            resume_map([interrupt], {"i": answer})
        except InvalidDecision:
            assert not accepts(schema, answer), decision
        else:
            assert accepts(schema, answer), decision
    for wrong in ({}, {"decisions": []}, {"decisions": [{"type": "maybe"}] * len(names)}):
        assert not accepts(schema, wrong)
        with pytest.raises(InvalidDecision):
            resume_map([interrupt], {"i": wrong})


def test_an_approval_tells_the_call_that_it_is_about_by_its_id_on_the_wire() -> None:
    run = Run(thread_id="t", run_id="run", calls=("c",))
    interrupt = ours.Interrupt(
        id="i", kind="approval_per_call", call_id="c", value={}, actions=(ours.Action(name="add", call_id="c"),)
    )
    encoder = AGUIEncoder(run)
    end = ours.TurnEnd(outcome="interrupted", interrupts=("i",))
    sent = [said for event in (START, *call("c", "{}"), interrupt, end) for said in encoder.encode(event)]
    assert sent[-1].outcome.interrupts[0].tool_call_id == "c~2"  # type: ignore[union-attr]


def test_all_open_questions_are_asked_and_those_that_were_answered_are_not() -> None:
    """ag-ui#1409."""
    asked = [ours.Interrupt(id=id, value=id) for id in "abc"]
    end = ours.TurnEnd(outcome="interrupted", interrupts=("a", "c"))
    finished = told(*asked, end=end)[-1]
    assert [question.id for question in finished.outcome.interrupts] == ["a", "c"]  # type: ignore[union-attr]


def test_a_question_inside_a_subagent_names_it_and_one_that_is_hidden_is_asked_all_the_same() -> None:
    interrupt = ours.Interrupt(id="i", value="who?", lane=LANE)
    assert question(interrupt, *TASK).subagent_run_id == "1"
    end = ours.TurnEnd(outcome="interrupted", interrupts=("i",))
    finished = told(*TASK, interrupt, end=end, visibility=Visibility(subagents="hidden"))[-1]
    (asked,) = finished.outcome.interrupts  # type: ignore[union-attr]
    assert (asked.id, asked.subagent_run_id) == ("i", None)


def test_clients_of_before_1_0_get_questions_also_as_a_custom_event() -> None:
    end = ours.TurnEnd(outcome="interrupted", interrupts=("i",))
    custom, finished = told(ours.Interrupt(id="i", value=("who?",)), end=end, protocol="0.1")
    assert custom == Custom(name="on_interrupt", value=["who?"])
    assert finished.outcome.interrupts[0].id == "i"  # type: ignore[union-attr]
    assert told(protocol="0.1") == [RunFinished(thread_id="t", run_id="run")]


# ------------------------------------------------------------------ everything else


@pytest.mark.parametrize(
    ("event", "id", "kind", "content"),
    [
        (
            ours.Media(id="f", message_id="m", kind="image", source=ROOT, mime="image/png", data="aGk="),
            "f:media",
            "media",
            {"kind": "image", "mimeType": "image/png", "data": "aGk="},
        ),
        (
            ours.Display(bundle={"text/plain": "7"}, title="seven"),
            "run:display-1",
            "display",
            {"bundle": {"text/plain": "7"}, "title": "seven"},
        ),
        (
            ours.Extracted(name="write_todos", kind="todos", data=[{"content": "a"}]),
            "run:todos",
            "todos",
            {"name": "write_todos", "data": [{"content": "a"}]},
        ),
        (ours.Progress(text="half", percent=50.0), "run:progress", "progress", {"text": "half", "percent": 50.0}),
        (
            ours.TaskUpdate(task_id="7", state="done", title="dig", parent_id="3"),
            "task:7",
            "task",
            {"taskId": "7", "state": "done", "title": "dig", "parentId": "3"},
        ),
    ],
)
def test_what_goes_on_beside_the_conversation_is_an_activity(
    event: ours.Event, id: str, kind: str, content: dict[str, Any]
) -> None:
    assert inside(event) == [ActivitySnapshot(message_id=id, activity_type=kind, content=content, replace=True)]


def test_each_display_is_an_activity_of_its_own() -> None:
    shown = [ours.Display(id="c", bundle={"text/plain": word}) for word in "ab"]
    sent = inside(*call("c", "{}"), *shown)
    assert [event.message_id for event in sent if isinstance(event, ActivitySnapshot)] == [
        "c:display-1",
        "c:display-2",
    ]


def test_a_citation_names_the_message_that_is_being_written() -> None:
    start, *rest = text("m", "a")
    sent = inside(start, ours.Citation(id="m", data={"url": "u"}), *rest)
    assert sent[1] == Custom(name="langwire.citation", value={"messageId": "m", "data": {"url": "u"}})


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        ({"name": "chart", "value": {"x": 1}}, "chart", {"x": 1}),
        ({"name": "chart", "value": 1, "more": 2}, "langgraph.custom", {"name": "chart", "value": 1, "more": 2}),
        ({"name": 3, "value": 1}, "langgraph.custom", {"name": 3, "value": 1}),
        (None, "langgraph.custom", None),
        ({1, 2}, "langgraph.custom", [1, 2]),
    ],
)
def test_data_of_the_application_keeps_its_own_name_where_it_has_one(data: Any, name: str, value: Any) -> None:
    """deer-flow#4403: what `get_stream_writer` wrote is told."""
    assert inside(ours.Custom(data=data)) == [Custom(name=name, value=value)]


def test_what_is_not_modelled_is_passed_on_when_asked_for() -> None:
    raw = ours.Raw(mode="odd", data={"a": (1,)})
    assert inside(raw) == []
    assert inside(raw, raw=True) == [Raw(event={"a": [1]}, source="langgraph.odd")]


@pytest.mark.parametrize(
    "event",
    [
        ours.MessageReplaced(message_id="m", text="[hidden]", source=ROOT),
        ours.MessagesRemoved(ids=("m",)),
        ours.MessageDiscarded(message_id="m", source=ROOT),
    ],
)
def test_a_message_that_changed_wants_a_snapshot(event: ours.Event) -> None:
    encoder = AGUIEncoder(RUN)
    for said in text("m", "a"):
        encoder.encode(said)
    assert not encoder.stale
    assert [*encoder.encode(event)] == []
    assert encoder.stale


def test_every_event_of_ours_has_a_row() -> None:
    assert set(AGUIEncoder._table) == set(get_args(ours.Event))  # pyright: ignore[reportPrivateUsage]


# ------------------------------------------------------------------ broken off


def test_what_is_open_is_closed_before_a_run_is_broken_off() -> None:
    encoder = AGUIEncoder(RUN)
    events = [START, *TASK, *text("m", "a")[:1], *THOUGHT[:1], *call("d", "{}", where=source(*LANE))[:1]]
    sent = [said for event in events for said in encoder.encode(event)]
    sent += encoder.break_off(ours.ErrorInfo(code="gone", message="gone"))
    assert verify(sent) == []
    assert sent[-1] == RunError(message="gone", code="gone")
    verifier = Verifier()
    for event in sent[:-1]:
        verifier.check(event)
    assert verifier.open == []
