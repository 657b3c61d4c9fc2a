"""Each rule of the client, told by Python and by the client itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agui.client import Checked, StreamChecker
from langwire.adapters.agui.events import (
    ActivityDelta,
    ActivitySnapshot,
    AGUIEvent,
    Custom,
    Event,
    FunctionCall,
    Message,
    MessagesSnapshot,
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
    StateSnapshot,
    StepFinished,
    StepStarted,
    SubagentError,
    SubagentFinished,
    SubagentStarted,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
    ToolCall,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
)
from langwire.adapters.agui.verify import Open, Problem, Rule, Verifier, verify

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))

Wire = dict[str, Any]

BEGIN = RunStarted(thread_id="t", run_id="r")
FINISH = RunFinished(thread_id="t", run_id="r")
FAIL = RunError(message="no")


def wire(event: Event | Wire) -> Wire:
    return msgspec.to_builtins(event) if isinstance(event, AGUIEvent) else event


# ------------------------------------------------------------------ short forms


def text(id: str = "m", owner: str | None = None) -> TextMessageStart:
    return TextMessageStart(message_id=id, role="assistant", subagent_run_id=owner)


def more(id: str = "m", owner: str | None = None) -> TextMessageContent:
    return TextMessageContent(message_id=id, delta="x", subagent_run_id=owner)


def text_end(id: str = "m", owner: str | None = None) -> TextMessageEnd:
    return TextMessageEnd(message_id=id, subagent_run_id=owner)


def span(id: str = "m", owner: str | None = None) -> ReasoningStart:
    return ReasoningStart(message_id=id, subagent_run_id=owner)


def span_end(id: str = "m", owner: str | None = None) -> ReasoningEnd:
    return ReasoningEnd(message_id=id, subagent_run_id=owner)


def think(id: str = "m", owner: str | None = None) -> ReasoningMessageStart:
    return ReasoningMessageStart(message_id=id, role="reasoning", subagent_run_id=owner)


def thought(id: str = "m", owner: str | None = None) -> ReasoningMessageContent:
    return ReasoningMessageContent(message_id=id, delta="x", subagent_run_id=owner)


def think_end(id: str = "m", owner: str | None = None) -> ReasoningMessageEnd:
    return ReasoningMessageEnd(message_id=id, subagent_run_id=owner)


def secret(id: str = "m", owner: str | None = None, of: Literal["message", "tool-call"] = "message") -> Event:
    return ReasoningEncryptedValue(subtype=of, entity_id=id, encrypted_value="s", subagent_run_id=owner)


def call(id: str = "c", owner: str | None = None, parent: str | None = None) -> ToolCallStart:
    return ToolCallStart(tool_call_id=id, tool_call_name="f", parent_message_id=parent, subagent_run_id=owner)


def args(id: str = "c", owner: str | None = None) -> ToolCallArgs:
    return ToolCallArgs(tool_call_id=id, delta="{}", subagent_run_id=owner)


def call_end(id: str = "c", owner: str | None = None) -> ToolCallEnd:
    return ToolCallEnd(tool_call_id=id, subagent_run_id=owner)


def result(message_id: str = "x", owner: str | None = None) -> ToolCallResult:
    return ToolCallResult(message_id=message_id, tool_call_id="c", content="1", subagent_run_id=owner)


def step(name: str = "n", owner: str | None = None) -> StepStarted:
    return StepStarted(step_name=name, subagent_run_id=owner)


def step_end(name: str = "n", owner: str | None = None) -> StepFinished:
    return StepFinished(step_name=name, subagent_run_id=owner)


def sub(id: str = "s", parent: str | None = None) -> SubagentStarted:
    return SubagentStarted(subagent_run_id=id, name="worker", parent_subagent_run_id=parent)


def sub_end(id: str = "s") -> SubagentFinished:
    return SubagentFinished(subagent_run_id=id)


def sub_error(id: str = "s") -> SubagentError:
    return SubagentError(subagent_run_id=id, message="no")


def activity(id: str = "a", owner: str | None = None, replace: bool | None = None) -> ActivitySnapshot:
    return ActivitySnapshot(message_id=id, activity_type="plan", content={}, replace=replace, subagent_run_id=owner)


def activity_change(id: str = "a", owner: str | None = None) -> ActivityDelta:
    return ActivityDelta(message_id=id, activity_type="plan", patch=[], subagent_run_id=owner)


def message(id: str = "m", owner: str | None = None) -> Message:
    return Message(id=id, role="assistant", content="", subagent_run_id=owner)


def calling(id: str = "m", call_id: str = "c", owner: str | None = None) -> Message:
    function = FunctionCall(name="f", arguments="{}")
    return Message(id=id, role="assistant", tool_calls=[ToolCall(id=call_id, function=function)], subagent_run_id=owner)


def reasoning(id: str = "m", owner: str | None = None) -> Message:
    return Message(id=id, role="reasoning", content="", subagent_run_id=owner)


def shown_activity(id: str = "a", owner: str | None = None) -> Message:
    return Message(id=id, role="activity", activity_type="plan", content={}, subagent_run_id=owner)


def shown(*messages: Message) -> MessagesSnapshot:
    return MessagesSnapshot(messages=list(messages))


def begin_with(*messages: Message) -> Wire:
    """RUN_STARTED with an input, as we never send it."""
    return {**wire(BEGIN), "input": {"threadId": "t", "runId": "r", "messages": msgspec.to_builtins(list(messages))}}


def run(*events: Event | Wire) -> list[Event | Wire]:
    return [BEGIN, *events, FINISH]


# ------------------------------------------------------------------ the table

Row = tuple[str, Sequence[Event | Wire], Rule | None]

ROWS: list[Row] = [
    # 1: the first event
    ("1 a stream begins with RUN_STARTED", run(), None),
    ("1 a stream may be one RUN_ERROR", [FAIL], None),
    ("1 a stream does not begin with a text", [text()], "first"),
    ("1 a stream does not begin with RUN_FINISHED", [FINISH], "first"),
    ("1 a stream does not begin with something of the application's", [Custom(name="x", value=1)], "first"),
    # 2: one run at a time
    ("2 a run begins while none is under way", [BEGIN, BEGIN, FINISH], "one-run"),
    ("2 a run follows a finished one", [*run(), *run()], None),
    ("2 a run follows a failed one", [BEGIN, FAIL, *run()], None),
    ("2 a run follows an error that came first", [FAIL, *run()], None),
    ("2 a second run fails at its second start", [*run(), BEGIN, BEGIN], "one-run"),
    (
        "2 nothing of a failed run is open in the next",
        [BEGIN, text(), call(), step(), sub(), FAIL, *run(text(), text_end())],
        None,
    ),
    ("2 nothing of a failed run may go on in the next", [BEGIN, text(), FAIL, BEGIN, more()], "open"),
    ("2 a subagent may start again in the next run", [*run(sub(), sub_end()), *run(sub(), sub_end())], None),
    (
        "2 owners are forgotten with their run",
        [*run(text(owner="s"), text_end()), *run(text(owner="z"), text_end())],
        None,
    ),
    # 3 and 4: after the end
    ("3 a finished run may still fail", [*run(), FAIL], None),
    ("3 nothing else follows RUN_FINISHED", [*run(), Custom(name="x", value=1)], "after-end"),
    ("3 RUN_FINISHED comes once", [*run(), FINISH], "after-end"),
    ("4 nothing follows RUN_ERROR", [BEGIN, FAIL, text()], "after-end"),
    ("4 no second RUN_ERROR follows", [BEGIN, FAIL, FAIL], "after-end"),
    ("4 RUN_FINISHED does not follow RUN_ERROR", [BEGIN, FAIL, FINISH], "after-end"),
    ("4 nothing follows an error after a finished run", [*run(), FAIL, FAIL], "after-end"),
    # 5 and 6: texts
    ("5 a text is not started while it is open", run(text(), text()), "start"),
    ("5 a text may open again", run(text(), text_end(), text(), more(), text_end()), None),
    ("5 two texts may be open", run(text("a"), text("b"), more("a"), more("b"), text_end("a"), text_end("b")), None),
    ("6 a text that was not started does not go on", run(more()), "open"),
    ("6 a text that has ended does not go on", run(text(), text_end(), more()), "open"),
    ("6 a text that was not started does not end", run(text_end()), "open"),
    ("6 a text may be empty", run(text(), TextMessageContent(message_id="m", delta=""), text_end()), None),
    # 7 and 8: tool calls
    ("7 a call is not started while it is open", run(call(), call()), "start"),
    ("7 a call may open again", run(call(), call_end(), call(), args(), call_end()), None),
    ("7 a call may be open within a text", run(text(), call(parent="m"), args(), more(), call_end(), text_end()), None),
    ("7 a call and a text may have one id", run(text("x"), call("x"), call_end("x"), text_end("x")), None),
    ("8 a call that was not started has no arguments", run(args()), "open"),
    ("8 a call that has ended has no more arguments", run(call(), call_end(), args()), "open"),
    ("8 a call that was not started does not end", run(call_end()), "open"),
    # 9 and 10: steps
    ("9 a step is not started while it is open", run(step(), step()), "start"),
    ("9 a step may start again", run(step(), step_end(), step(), step_end()), None),
    (
        "9 a subagent may have a step of the same name",
        run(step(), step(owner="s"), step_end(owner="s"), step_end()),
        None,
    ),
    ("9 an empty id is not the parent agent", run(step(), step(owner=""), step_end(owner=""), step_end()), None),
    ("9 a subagent's step is not started while it is open", run(step(owner="s"), step(owner="s")), "start"),
    ("10 a step that was not started does not end", run(step_end()), "open"),
    ("10 a step is not ended under a subagent's name", run(step(), step_end(owner="s")), "open"),
    ("10 a subagent's step is not ended without its name", run(step(owner="s"), step_end()), "open"),
    # 11 and 12: reasoning
    ("11 a span is not started while it is open", run(span(), span()), "start"),
    ("11 a span's text is not started while it is open", run(think(), think()), "start"),
    ("11 a span and its text may have one id", run(span(), think(), thought(), think_end(), span_end()), None),
    (
        "11 both may open again",
        run(span(), span_end(), span(), span_end(), think(), think_end(), think(), think_end()),
        None,
    ),
    ("12 a span that was not started does not end", run(think(), think_end(), span_end()), "open"),
    ("12 a thought needs an open text", run(span(), thought()), "open"),
    ("12 a thought's text that was not started does not end", run(span(), think_end()), "open"),
    ("12 a thought's text that has ended does not go on", run(think(), think_end(), thought()), "open"),
    # 13: all has ended
    ("13 no run finishes in a text", run(text()), "all-ended"),
    ("13 no run finishes in a call", run(call()), "all-ended"),
    ("13 no run finishes in a step", run(step()), "all-ended"),
    ("13 no run finishes in a subagent's step", run(step(owner="s")), "all-ended"),
    ("13 no run finishes in a span", run(span()), "all-ended"),
    ("13 no run finishes in a span's text", run(think()), "all-ended"),
    ("13 no run finishes in a subagent", run(sub()), "all-ended"),
    ("13 a run may fail in all of them", [BEGIN, text(), call(), step(), span(), think(), sub(), FAIL], None),
    # 14: nulls
    ("14 no event has a null subagent", run({**wire(text()), "subagentRunId": None}), "null"),
    ("14 no state has a null subagent", run({"type": "STATE_SNAPSHOT", "snapshot": {}, "subagentRunId": None}), "null"),
    (
        "14 no message has a null subagent",
        run({"type": "MESSAGES_SNAPSHOT", "messages": [{**msgspec.to_builtins(message()), "subagentRunId": None}]}),
        "null",
    ),
    (
        "14 no message of an input has a null subagent",
        [
            {
                **wire(BEGIN),
                "input": {
                    "threadId": "t",
                    "runId": "r",
                    "messages": [{**msgspec.to_builtins(message()), "subagentRunId": None}],
                },
            },
            FINISH,
        ],
        "null",
    ),
    (
        "14 no question has a null subagent",
        [
            BEGIN,
            {
                **wire(FINISH),
                "outcome": {"type": "interrupt", "interrupts": [{"id": "q", "reason": "why", "subagentRunId": None}]},
            },
        ],
        "null",
    ),
    ("14 no subagent has a null description", run({**wire(sub()), "description": None}, sub_end()), "null"),
    ("14 no subagent has a null parent", run({**wire(sub()), "parentSubagentRunId": None}, sub_end()), "null"),
    ("14 no subagent has a null parent call", run({**wire(sub()), "parentToolCallId": None}, sub_end()), "null"),
    ("14 no subagent has a null parent message", run({**wire(sub()), "parentMessageId": None}, sub_end()), "null"),
    ("14 no subagent has a null outcome", run(sub(), {**wire(sub_end()), "outcome": None}), "null"),
    (
        "14 no subagent has null interrupts",
        run(sub(), {**wire(sub_end()), "outcome": {"type": "suspended", "interruptIds": None}}),
        "null",
    ),
    ("14 no subagent fails with a null code", run(sub(), {**wire(sub_error()), "code": None}), "null"),
    ("14 no run has a null outcome", [BEGIN, {**wire(FINISH), "outcome": None}], "null"),
    ("14 no run has a null result", [BEGIN, {**wire(FINISH), "result": None}], "null"),
    ("14 no event has a null time", [{**wire(BEGIN), "timestamp": None}, FINISH], "null"),
    ("14 no event has a null source", [{**wire(BEGIN), "rawEvent": None}, FINISH], "null"),
    ("14 a null may be a state", run({"type": "STATE_SNAPSHOT", "snapshot": None}), None),
    ("14 a null may be the application's value", run({"type": "CUSTOM", "name": "x", "value": None}), None),
    (
        "14 a null may be in a patch",
        run({"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/a", "value": None}]}),
        None,
    ),
    # 15: owners
    ("15 a text goes on and ends as its subagent's", run(text(owner="s"), more(owner="s"), text_end(owner="s")), None),
    ("15 a text goes on and ends without a subagent", run(text(owner="s"), more(), text_end()), None),
    ("15 a text does not go on as another's", run(text(owner="s"), more(owner="z")), "owner"),
    ("15 a text does not end as another's", run(text(owner="s"), text_end(owner="z")), "owner"),
    ("15 the parent agent's text does not go on as a subagent's", run(text(), more(owner="s")), "owner"),
    ("15 an empty id is a subagent too", run(text(), more(owner="")), "owner"),
    ("15 a text does not open again as another's", run(text(owner="s"), text_end(), text(owner="z")), "owner"),
    ("15 an untagged reopening leaves the owner", run(text(owner="s"), text_end(), text(), more(owner="z")), "owner"),
    (
        "15 what is reopened untagged is its owner's",
        run(text(owner="s"), text_end(), text(), more(owner="s"), text_end()),
        None,
    ),
    ("15 a call does not go on as another's", run(call(owner="s"), args(owner="z")), "owner"),
    ("15 a call does not end as another's", run(call(owner="s"), call_end(owner="z")), "owner"),
    ("15 a call does not open again as another's", run(call(owner="s"), call_end(), call(owner="z")), "owner"),
    ("15 a thought does not go on as another's", run(think(owner="s"), thought(owner="z")), "owner"),
    ("15 a thought's text does not end as another's", run(think(owner="s"), think_end(owner="z")), "owner"),
    ("15 a span does not end as another's", run(span(owner="s"), span_end(owner="z")), "owner"),
    ("15 a span's text is its span's owner's", run(span(owner="s"), think(owner="z")), "owner"),
    ("15 an encrypted value is its message's owner's", run(text(owner="s"), text_end(), secret(owner="z")), "owner"),
    ("15 an encrypted value is its thought's owner's", run(think(owner="s"), think_end(), secret(owner="z")), "owner"),
    (
        "15 an encrypted value is its call's owner's",
        run(call(owner="s"), call_end(), secret("c", "z", "tool-call")),
        "owner",
    ),
    (
        "15 an encrypted value of a call is not looked for among messages",
        run(text("c", "s"), text_end("c"), secret("c", "z", "tool-call")),
        None,
    ),
    ("15 an encrypted value may be of something unknown", run(secret(owner="s"), secret("c", "s", "tool-call")), None),
    ("15 a change of an activity is its owner's", run(activity(owner="s"), activity_change(owner="z")), "owner"),
    (
        "15 a change of an activity may name nobody",
        run(activity(owner="s"), activity_change(), activity_change(owner="s")),
        None,
    ),
    (
        "15 an activity that is replaced has a new owner",
        run(activity(owner="s"), activity(owner="z"), activity_change(owner="z")),
        None,
    ),
    (
        "15 an activity that is not replaced keeps its owner",
        run(activity(owner="s"), activity(owner="z", replace=False), activity_change(owner="z")),
        "owner",
    ),
    (
        "15 an activity that is new has an owner without being replaced",
        run(activity(owner="s", replace=False), activity_change(owner="z")),
        "owner",
    ),
    ("15 a result's message is its own subagent's", run(result("x", "s"), text("x", "z")), "owner"),
    ("15 a result's message without a subagent is the parent agent's", run(result("x"), text("x", "s")), "owner"),
    ("15 whose subagent is told need not be started", run(text(owner="s"), text_end()), None),
    # 16: the parent message
    (
        "16 a call may name its message's subagent",
        run(text(owner="s"), call(owner="s", parent="m"), call_end(), text_end()),
        None,
    ),
    ("16 a call is its message's owner's", run(text(owner="s"), call(owner="z", parent="m")), "parent-message"),
    (
        "16 a call in the parent agent's message is no subagent's",
        run(text(), call(owner="s", parent="m")),
        "parent-message",
    ),
    ("16 a call inherits its message's owner", run(text(owner="s"), call(parent="m"), args(owner="z")), "owner"),
    (
        "16 a call that inherits may name its owner",
        run(text(owner="s"), call(parent="m"), args(owner="s"), call_end(), text_end()),
        None,
    ),
    ("16 a call may name a message that nobody knows", run(call(owner="s", parent="m"), call_end()), None),
    (
        "16 a call does not move to another's message",
        run(text(owner="s"), text_end(), call(owner="z"), call_end(), call(parent="m")),
        "parent-message",
    ),
    (
        "16 a subagent's message does not take the parent agent's call",
        run(text(owner="s"), text_end(), call(), call_end(), call(parent="m")),
        "parent-message",
    ),
    (
        "16 a call that is another's does not start in a message that fits",
        run(text(owner="s"), text_end(), call(owner="z"), call_end(), call(owner="s", parent="m")),
        "owner",
    ),
    # 17 and 18: subagents
    ("17 a subagent starts and finishes", run(sub(), sub_end()), None),
    ("17 a subagent starts and fails", run(sub(), sub_error()), None),
    ("17 a subagent is not started while it is open", run(sub(), sub()), "subagent-start"),
    ("17 a subagent is not started after its end", run(sub(), sub_end(), sub()), "subagent-start"),
    ("17 a subagent is not started after its failure", run(sub(), sub_error(), sub()), "subagent-start"),
    ("17 a subagent's parent has started", run(sub("z", "s")), "subagent-start"),
    ("17 a subagent may start in another", run(sub(), sub("z", "s"), sub_end("z"), sub_end()), None),
    ("17 a subagent may start in one that has ended", run(sub(), sub_end(), sub("z", "s"), sub_end("z")), None),
    (
        "14 a message of thinking says that it is one",
        [BEGIN, {"type": "REASONING_MESSAGE_START", "messageId": "a"}],
        "shape",
    ),
    ("17 a subagent has an id", run({"type": "SUBAGENT_STARTED", "name": "worker"}), "shape"),
    ("17 a subagent has a name", run({"type": "SUBAGENT_STARTED", "subagentRunId": "s"}), "shape"),
    ("18 a subagent that was not started does not finish", run(sub_end()), "subagent-end"),
    ("18 a subagent that was not started does not fail", run(sub_error()), "subagent-end"),
    ("18 a subagent finishes once", run(sub(), sub_end(), sub_end()), "subagent-end"),
    ("18 a subagent does not fail after its end", run(sub(), sub_end(), sub_error()), "subagent-end"),
    ("18 a subagent fails with a message", run(sub(), {"type": "SUBAGENT_ERROR", "subagentRunId": "s"}), "shape"),
    ("18 a subagent's outcome is known", run(sub(), {**wire(sub_end()), "outcome": {"type": "tired"}}), "shape"),
    (
        "18 ids of interrupts are strings",
        run(sub(), {**wire(sub_end()), "outcome": {"type": "suspended", "interruptIds": [1]}}),
        "shape",
    ),
    (
        "18 a subagent may be suspended",
        run(sub(), {**wire(sub_end()), "outcome": {"type": "suspended", "interruptIds": ["q"]}}),
        None,
    ),
    # 19: messages that are shown
    ("19 a shown message has an owner", run(shown(message(owner="s")), text(owner="z")), "owner"),
    ("19 a shown message without a subagent is the parent agent's", run(shown(message()), text(owner="s")), "owner"),
    (
        "19 a shown message may get a new owner",
        run(text(owner="s"), text_end(), shown(message(owner="z")), text(owner="z"), text_end()),
        None,
    ),
    ("19 a shown message's call is its owner's", run(shown(calling(owner="s")), call(owner="z")), "owner"),
    (
        "19 a shown call may get a new owner",
        run(call(owner="s"), call_end(), shown(calling(owner="z")), call(owner="z"), call_end()),
        None,
    ),
    ("19 a shown thought has an owner", run(shown(reasoning(owner="s")), think(owner="z")), "owner"),
    ("19 a shown thought is no text", run(shown(reasoning("m", "s")), text("m", "z"), text_end("m")), None),
    ("19 a shown activity has an owner", run(shown(shown_activity(owner="s")), activity_change(owner="z")), "owner"),
    (
        "19 a shown activity that is not replaced keeps its owner",
        run(shown(shown_activity(owner="s")), activity(owner="z", replace=False), activity_change(owner="z")),
        "owner",
    ),
    ("19 a message of the input has an owner", [begin_with(message(owner="s")), text(owner="z")], "owner"),
    ("19 a call of the input is its message's owner's", [begin_with(calling(owner="s")), call(owner="z")], "owner"),
    (
        "19 the first word of an input counts",
        [begin_with(message(owner="s"), message(owner="z")), text(owner="z")],
        "owner",
    ),
    (
        "19 the last word of a snapshot counts",
        run(shown(message(owner="s"), message(owner="z")), text(owner="s")),
        "owner",
    ),
    # 20: what nobody asks for
    ("20 a result may come without a call", run(result()), None),
    ("20 an activity may change that nobody has seen", run(activity_change(owner="s")), None),
    ("20 a patch need not apply", run(StateDelta(delta=[{"op": "remove", "path": "/nothing"}])), None),
    ("20 a state may be a subagent's", run(StateSnapshot(snapshot={}, subagent_run_id="s")), None),
    # shapes
    ("a type is known", run({"type": "SOMETHING"}), "shape"),
    ("a field has its type", run({"type": "STEP_STARTED", "stepName": 1}), "shape"),
    ("a field is there", run({"type": "TEXT_MESSAGE_START"}), "shape"),
]


def refused(checked: Checked) -> bool:
    """The client has thrown, or mended the stream. What it says of patches and the like is no matter of order."""
    return checked.error is not None or any(warning.startswith("[ag-ui]") for warning in checked.warnings)


def breaks(events: Sequence[Event | Wire]) -> list[Problem]:
    """What is wrong with the stream, but for an end that is missing, of which the client says nothing."""
    return [problem for problem in verify(events) if problem.rule != "terminal"]


@pytest.mark.parametrize(("events", "rule"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_rule_is_told_by_its_name(
    ts_check: StreamChecker, events: Sequence[Event | Wire], rule: Rule | None
) -> None:
    """The 20 rules of the client, the same for structs and for what is read off a wire."""
    problems = breaks(events)
    assert [problem.rule for problem in problems[:1]] == ([rule] if rule else [])
    assert breaks([wire(event) for event in events]) == problems
    assert refused(*ts_check([[wire(event) for event in events]])) == (rule is not None)


def test_each_rule_has_a_row_that_breaks_it() -> None:
    assert {rule for _, _, rule in ROWS if rule} | {"terminal"} == set(get_args(Rule))


def test_names_of_rows_are_not_repeated() -> None:
    assert len({name for name, _, _ in ROWS}) == len(ROWS)


def test_a_stream_without_a_terminal_event_is_told_though_the_client_says_nothing(ts_check: StreamChecker) -> None:
    """The client takes such a stream without a word, and whoever reads it waits on."""
    assert not refused(*ts_check([[wire(BEGIN)]]))
    assert verify([BEGIN]) == [
        Problem(1, "terminal", "the stream ended without RUN_FINISHED or RUN_ERROR; send one last")
    ]
    assert [problem.rule for problem in verify([])] == ["terminal"]
    assert [problem.rule for problem in verify([*run(), BEGIN])] == ["terminal"]


def test_a_problem_names_the_place_the_event_and_what_to_do() -> None:
    assert verify(run(text(owner="s"), more(owner="z"), text_end())) == [
        Problem(
            2,
            "owner",
            "TEXT_MESSAGE_CONTENT: text message 'm' belongs to subagent 's', not subagent 'z'; name its owner or none",
        )
    ]
    assert [problem.message for problem in verify(run(text(), step(owner="s")))] == [
        "RUN_FINISHED: still open: text message 'm', step 'n'; end all first"
    ]
    assert [problem.message for problem in verify(run({"type": "NEWS"}))] == [
        "NEWS: not a type that is sent in full; leave it out, or write a shorthand out"
    ]
    nested = {"type": "interrupt", "interrupts": [{"id": "q", "reason": "why", "message": None}]}
    assert [problem.message for problem in verify([BEGIN, {**wire(FINISH), "outcome": nested}])][:1] == [
        "RUN_FINISHED: outcome.interrupts.0.message is null; leave it out"
    ]


def test_an_event_that_breaks_a_rule_counts_as_not_sent() -> None:
    broken = [text(owner="z"), more(owner="z"), text_end(owner="z"), step_end(), {"type": "STEP_STARTED"}]
    verifier = Verifier()
    for event in (BEGIN, text(owner="s")):
        assert verifier.check(event) is None
    for event in broken:
        assert verifier.check(event) is not None
        assert verifier.open == [Open("text message", "m", "s")]


def test_a_run_that_finishes_too_early_has_finished_all_the_same() -> None:
    """One mistake is one problem."""
    assert [(problem.index, problem.rule) for problem in verify(run(text()))] == [(2, "all-ended")]
    assert verify([*run(text()), *run(text(), text_end())])[1:] == []


# ------------------------------------------------------------------ closing


def test_all_that_is_open_is_ended_from_the_inside_out() -> None:
    verifier = Verifier()
    opening = [
        BEGIN,
        sub(),
        sub("z", "s"),
        step(),
        step("n", "s"),
        text("m", "s"),
        span("r"),
        think("r"),
        call(parent="m"),
    ]
    assert verify([*opening, FAIL]) == []
    for event in opening:
        verifier.check(event)
    assert verifier.closing() == [
        think_end("r"),
        span_end("r"),
        text_end("m", "s"),
        call_end("c", "s"),
        step_end("n", "s"),
        step_end("n"),
        sub_end("z"),
        sub_end("s"),
    ]
    assert [item.kind for item in verifier.open] == [
        "reasoning message", "reasoning span", "text message", "tool call", "step", "step", "subagent", "subagent"
    ]  # fmt: skip


def test_nothing_is_to_be_ended_outside_a_run() -> None:
    verifier = Verifier()
    assert verifier.closing() == []
    for event in (BEGIN, text(), FAIL):
        verifier.check(event)
    assert verifier.closing() == []


def test_what_has_a_new_owner_is_ended_as_the_new_owners(ts_check: StreamChecker) -> None:
    verifier = Verifier()
    events = [BEGIN, text(owner="s"), shown(message(owner="z"))]
    for event in events:
        verifier.check(event)
    assert verifier.closing() == [text_end(owner="z")]
    assert not refused(*ts_check([[wire(event) for event in (*events, *verifier.closing(), FINISH)]]))


# ------------------------------------------------------------------ against the client, at random

IDS = st.sampled_from(["a", "b"])
OWNERS = st.sampled_from([None, None, None, "s", "z", ""])
SUBAGENTS = st.sampled_from(["s", "z", ""])


def owned(make: Callable[..., Event]) -> st.SearchStrategy[Event]:
    return st.builds(make, IDS, OWNERS)


MESSAGES = st.one_of(
    st.builds(message, IDS, OWNERS),
    st.builds(calling, IDS, IDS, OWNERS),
    st.builds(reasoning, IDS, OWNERS),
    st.builds(shown_activity, IDS, OWNERS),
)

WELL_FORMED: st.SearchStrategy[Event | Wire] = st.one_of(
    *map(owned, (text, more, text_end, span, span_end, think, thought, think_end, args, call_end, step, step_end)),
    *map(owned, (result, activity_change)),
    st.builds(secret, IDS, OWNERS, st.sampled_from(["message", "tool-call"])),
    st.builds(call, IDS, OWNERS, st.none() | IDS),
    st.builds(activity, IDS, OWNERS, st.sampled_from([None, True, False])),
    st.builds(sub, SUBAGENTS, st.none() | SUBAGENTS),
    st.builds(sub_end, SUBAGENTS),
    st.builds(sub_error, SUBAGENTS),
    st.lists(MESSAGES, max_size=3).map(lambda messages: shown(*messages)),
    st.lists(MESSAGES, max_size=3).map(lambda messages: begin_with(*messages)),
    st.sampled_from([BEGIN, FINISH, FAIL, Custom(name="x", value=None), StateSnapshot(snapshot=None)]),
)


@st.composite
def malformed(draw: st.DrawFn) -> Wire:
    """An event with a field that is null, missing or of another type, which may do no harm.

    A field is one that the event can have: what else there may be is left out by the client, and not looked at here.
    """
    event = dict(wire(draw(WELL_FORMED.filter(lambda event: isinstance(event, AGUIEvent)))))
    nobodys = event["type"].startswith("RUN_") or event["type"] == "MESSAGES_SNAPSHOT"
    names = [name for name in event if name != "type"]
    field = draw(st.sampled_from([*names, "timestamp", *([] if nobodys else ["subagentRunId"])]))
    event[field] = None if field == "timestamp" else draw(st.sampled_from([None, 1, []]))
    if draw(st.booleans()):
        del event[field]
    return event


@st.composite
def streams(draw: st.DrawFn) -> list[Event | Wire]:
    """A stream that goes well for a while, by our own verdict, then perhaps not; what is open may be closed."""
    events: list[Event | Wire] = []
    verifier = Verifier()
    opening = st.one_of(st.just(BEGIN), st.lists(MESSAGES, max_size=3).map(lambda messages: begin_with(*messages)))
    for event in [draw(opening), *draw(st.lists(WELL_FORMED, max_size=30))]:
        ahead = Verifier()
        for sent in events:
            ahead.check(sent)
        if ahead.check(event) is None:
            events.append(event)
            verifier.check(event)
    events += draw(st.lists(WELL_FORMED | malformed(), max_size=1))
    if draw(st.booleans()):
        events += [*verifier.closing(), FINISH]
    return events


@settings(
    deadline=None,
    max_examples=20_000 if SOAK else 300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(events=streams())
def test_python_and_the_client_judge_every_stream_alike(ts_check: StreamChecker, events: list[Event | Wire]) -> None:
    [checked] = ts_check([[wire(event) for event in events]])
    assert refused(checked) == bool(breaks(events)), (checked.error, checked.warnings, breaks(events))


@settings(
    deadline=None,
    max_examples=5_000 if SOAK else 100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(events=st.lists(WELL_FORMED, max_size=40), terminal=st.sampled_from([FINISH, FAIL]))
def test_what_is_closed_can_be_ended_whatever_came_before(
    ts_check: StreamChecker, events: list[Event | Wire], terminal: Event
) -> None:
    """A guard lets through what breaks no rule, and closes before each terminal event."""
    verifier, sent = Verifier(), list[Event | Wire]()

    def send(event: Event | Wire) -> None:
        if wire(event)["type"] == "RUN_FINISHED":
            for ending in verifier.closing():
                assert verifier.check(ending) is None
                sent.append(ending)
            assert verifier.open == []
        if verifier.check(event) is None:
            sent.append(event)

    for event in (BEGIN, *events, terminal):
        send(event)
    assert verify(sent) == []
    assert not refused(*ts_check([[wire(event) for event in sent]]))
