"""Every run of the corpus as AG-UI: by the client's rules, complete, closed wherever it is cut, and without secrets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, product
from typing import Any, get_args

import msgspec
import pytest
from ag_ui.core import Event as Model
from pydantic import TypeAdapter

from agui.client import StreamChecker
from agui.corpus_runs import CASE_NAMES, Recorded, Wire, encoded, recorded, wired
from langwire import Transcript
from langwire.adapters.agui import events as agui
from langwire.adapters.agui._messages import messages_of, result_content
from langwire.adapters.agui.encoder import PROTOCOLS, AGUIEncoder
from langwire.adapters.agui.events import Event
from langwire.adapters.agui.state import StateView
from langwire.adapters.agui.verify import Verifier, verify
from langwire.adapters.agui.visibility import Show, Visibility
from langwire.core._messages import calls_of, fields_of, role_of, text_of
from langwire.events import ErrorInfo, NodeStart, TextStart, ToolCallStart
from langwire.testing.corpus import CASES
from turns import as_messages

MODEL: TypeAdapter[Any] = TypeAdapter(Model)
SHOWS: tuple[Show, ...] = get_args(Show)

every_case = pytest.mark.parametrize("name", CASE_NAMES)


def visibilities(run: Recorded) -> Iterator[Visibility]:
    """All the rules for inner lanes, and each of them for each node of the run."""
    for subagents, subgraphs in product(SHOWS, SHOWS):
        yield Visibility(subagents=subagents, subgraphs=subgraphs)
    nodes = sorted({event.node for event in run.events() if isinstance(event, NodeStart)})
    for node, show in product(nodes, SHOWS):
        yield Visibility(nodes={node: show})


# ------------------------------------------------------------------ the rules


@every_case
def test_no_setting_breaks_a_rule_of_the_client_or_a_model_of_the_protocol(name: str) -> None:
    checked: set[bytes] = set()
    for run in recorded(name):
        for state, protocol, visibility in product((True, False), PROTOCOLS, visibilities(run)):
            view = StateView({}, "*") if state else None
            encoder = AGUIEncoder(run.run(), state=view, visibility=visibility, raw=True, protocol=protocol)
            sent = encoded(encoder, run.events(state=state), run.history)
            assert verify(sent) == [], (state, protocol, visibility)
            for event in sent:
                line = msgspec.json.encode(event)
                if line not in checked:
                    checked.add(line)
                    MODEL.validate_json(line)


@every_case
def test_clients_of_before_1_0_are_told_nothing_that_came_with_it(name: str) -> None:
    new = {"subagentRunId", "usage", "protocolVersion", "metadata"}
    for run in recorded(name):
        sent = wired(encoded(AGUIEncoder(run.run(), protocol="0.1"), run.events()))
        assert not [event for event in sent if new & event.keys() or event["type"].startswith("SUBAGENT_")]
        assert {event["outcome"]["type"] for event in sent if "outcome" in event} <= {"interrupt"}


# ------------------------------------------------------------------ the content

OTHER_IDS = {
    "call_by_hand": "messages without an id get one in the state, which the stream does not show",
    "loose_messages": "messages without an id get one in the state, which the stream does not show",
    "late_id": "the model's message takes its id after its text",
    "parallel_same_ids": "two models speak at once under one id, and the state keeps one of them",
}
"""Cases whose messages have other ids in the state than they streamed under."""

OTHER_CALLS = {
    "call_without_id": "a call without an id gets one",
    "hitl_edit_and_reject": "older agents put the arguments that a person gave in the place of the model's",
    "invalid_tool_calls": "the state keeps arguments that are no JSON as text",
    "same_call_id_twice": "one message makes two calls of one id, which get two",
    "server_tools": "the provider's own calls are no calls of the state",
    "truncated_arguments": "LangChain repairs the arguments in the state",
}
"""Cases whose calls read otherwise in the state."""

OTHER_ORDER = {
    "replayed_sibling": "LangGraph writes what was replayed behind what ran again",
}


class Client:
    """What a client has of a thread, folded from the wire: messages by id in their order."""

    def __init__(self) -> None:
        self.messages: dict[str, Wire] = {}

    def take(self, event: Wire) -> None:
        id = event.get("messageId", "")
        match event["type"]:
            case "TEXT_MESSAGE_START":
                self._message(id, event["role"]).setdefault("content", "")
            case "TEXT_MESSAGE_CONTENT":
                self.messages[id]["content"] += event["delta"]
            case "REASONING_MESSAGE_START":
                self._message(id, "reasoning")["content"] = ""
            case "REASONING_MESSAGE_CONTENT":
                self.messages[id]["content"] += event["delta"]
            case "TOOL_CALL_START":
                called = {"name": event["toolCallName"], "arguments": ""}
                calls = self._message(event["parentMessageId"], "assistant").setdefault("toolCalls", [])
                calls.append({"id": event["toolCallId"], "type": "function", "function": called})
            case "TOOL_CALL_ARGS":
                self._call(event["toolCallId"])["arguments"] += event["delta"]
            case "TOOL_CALL_RESULT":
                self._message(id, "tool").update(content=event["content"], toolCallId=event["toolCallId"])
            case "MESSAGES_SNAPSHOT":
                self.messages = {message["id"]: message for message in event["messages"]}
            case _:
                pass

    def _message(self, id: str, role: str) -> Wire:
        return self.messages.setdefault(id, {"id": id, "role": role})

    def _call(self, id: str) -> Wire:
        calls = [call for message in self.messages.values() for call in message.get("toolCalls", ())]
        return next(call["function"] for call in calls if call["id"] == id)


def client_of(name: str, **options: Any) -> Client:
    client = Client()
    for run in recorded(name):
        for event in wired(encoded(AGUIEncoder(run.run(), **options), run.events(), run.history)):
            client.take(event)
    return client


def given_ids(name: str) -> set[str | None]:
    """The ids of the messages that came with the input."""
    given = CASES[name].input
    values = given.values() if isinstance(given, dict) else [given]
    return {(fields_of(message) or {}).get("id") for value in values for message in as_messages(value)}


def settled(messages: Iterable[Wire]) -> list[Wire]:
    """Messages with results that stand side by side in one order: calls that run at once finish as they like."""
    out: list[Wire] = []
    for tool, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        side_by_side = list(group)
        out += sorted(side_by_side, key=lambda message: message["toolCallId"]) if tool else side_by_side
    return out


def called(message: Wire) -> list[tuple[str, str, Any]]:
    """The calls of a message: ids, names, arguments."""
    return [
        (call["id"], call["function"]["name"], read(call["function"]["arguments"]))
        for call in message.get("toolCalls", ())
    ]


def read(arguments: str) -> Any:
    """Arguments as data, or the text that is none."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


@every_case
def test_text_arguments_and_results_are_the_graphs_own_in_its_own_order(name: str) -> None:
    """Rows T-7 and ag-ui#2653: nothing of a message is lost, however its chunks were cut."""
    held = recorded(name)[-1].messages
    if held is None or name in OTHER_IDS:
        pytest.skip(OTHER_IDS.get(name, "the graph keeps no messages"))
    client, given = client_of(name).messages, given_ids(name)
    state = [fields for message in held if (fields := fields_of(message)) is not None]
    told = [fields for fields in state if fields["id"] not in given and role_of(fields) != "user"]
    order: list[Wire] = []
    for fields in told:
        message = client[fields["id"]]
        order.append(message)
        if role_of(fields) == "tool":
            assert message["content"] == json.loads(json.dumps(result_content(fields["content"])))
            assert message["toolCallId"].partition("~")[0] == fields["tool_call_id"]
        elif name != "refusal":  # the words of a refusal are no text in the state
            assert message.get("content", "") == text_of(fields)
        if name not in OTHER_CALLS:
            assert called(message) == [(id, made, args) for id, made, args, _ in calls_of(fields)]
    if name not in OTHER_ORDER:
        ids = {message["id"] for message in order}
        assert settled(message for message in client.values() if message["id"] in ids) == settled(order)


@every_case
def test_thinking_is_told_as_it_was_thought(name: str) -> None:
    for run in recorded(name):
        events = run.events()
        thought = Transcript.of(events)
        spans = [
            strand.text for message in thought.messages for strand in message.strands if strand.kind == "reasoning"
        ]
        client = Client()
        for event in wired(encoded(AGUIEncoder(run.run()), events)):
            client.take(event)
        assert [said["content"] for said in client.messages.values() if said["role"] == "reasoning"] == spans


# ------------------------------------------------------------------ what is hidden


@every_case
def test_nothing_of_a_hidden_lane_is_in_the_bytes(name: str) -> None:
    """Row F-A7 and CopilotKit#3744: what runs inside a subgraph or a subagent is not for every client."""
    hide = Visibility(subagents="hidden", subgraphs="hidden")
    for run in recorded(name):
        events = run.events()
        hidden, seen = set[str](), set[str]()
        for event in events:
            if isinstance(event, TextStart | ToolCallStart):
                (hidden if event.source.lane else seen).update((event.message_id, event.id))
            elif isinstance(event, NodeStart):
                (hidden if event.lane else seen).update((event.id, f'"{event.node}"'))
        sent = b"".join(
            msgspec.json.encode(event)
            for event in encoded(AGUIEncoder(run.run(), visibility=hide), events)
            if not isinstance(event, agui.RunFinished)  # a question is always asked
        ).decode()
        assert [id for id in hidden - seen if id in sent] == []


# ------------------------------------------------------------------ cut anywhere


def assert_closed(sent: Sequence[Event], where: object) -> None:
    """By the rules, and nothing open before the end, which the client asks for only of `RUN_FINISHED`."""
    assert verify(sent) == [], where
    verifier = Verifier()
    for event in sent[:-1]:
        verifier.check(event)
    assert verifier.open == [], where


ENDINGS = {
    "error": (lambda parser: parser.fail(RuntimeError("cut")), agui.RunError),
    "cancel": (lambda parser: parser.cancel("enough"), agui.RunFinished),
    "timeout": (lambda parser: parser.expire(), agui.RunError),
}


@every_case
def test_a_run_that_is_cut_anywhere_leaves_nothing_open(name: str) -> None:
    """Row F-A5: a client that stops reading at the error must not be left with a message that still streams."""
    for run, (ending, (end, kind)) in product(recorded(name), ENDINGS.items()):
        for at in range(len(run.chunks) + 1):
            parser = run.parser()
            events = [*parser.start(), *run.fed(parser, at), *end(parser)]
            sent = encoded(AGUIEncoder(run.run(), state=StateView({}, "*")), events)
            assert_closed(sent, (ending, at))
            assert isinstance(sent[-1], kind)


@every_case
def test_events_that_stop_anywhere_can_be_broken_off(name: str) -> None:
    """Row F-A4: a stream without a terminal event is one that the client waits on for ever."""
    for run in recorded(name):
        events = run.events()[:-1]
        for at in range(1, len(events) + 1):
            encoder = AGUIEncoder(run.run(), state=StateView({}, "*"))
            sent = [said for event in events[:at] for said in encoder.encode(event)]
            sent += encoder.break_off(ErrorInfo(code="gone", message="gone"))
            assert_closed(sent, at)
            assert isinstance(sent[-1], agui.RunError)


# ------------------------------------------------------------------ streamed and held


def comparable(message: Wire) -> Wire:
    """A message without what only a stream or only a snapshot says of it, and its arguments as data."""
    kept = {key: value for key, value in message.items() if key not in ("metadata", "error")}
    if "toolCalls" in kept:
        kept["toolCalls"] = called(message)
    return kept


def held_by(run: Recorded) -> list[Wire]:
    return [json.loads(msgspec.json.encode(message)) for message in messages_of(run.history)]


def test_what_streamed_is_what_a_snapshot_says(ts_check: StreamChecker) -> None:
    """PR#1343 and PR#1426: a page that is loaded anew shows the messages that it showed, under the same ids."""
    apart = {*OTHER_IDS, *OTHER_ORDER, "hitl_edit_and_reject", "truncated_arguments"}
    names = [name for name in CASE_NAMES if name not in apart and recorded(name)[-1].messages is not None]
    streams = [
        [event for run in recorded(name) for event in encoded(AGUIEncoder(run.run()), run.events(), run.history)]
        for name in names
    ]
    for name, checked in zip(names, ts_check(streams), strict=True):
        assert checked.ok, (name, checked.error, checked.warnings)
        held = [message for message in held_by(recorded(name)[-1]) if message["role"] not in ("user", "activity")]
        held = [comparable(message) for message in held if message["id"] not in given_ids(name)]
        ids = {message["id"] for message in held}
        known = [comparable(message) for message in checked.messages if message["id"] in ids]
        assert settled(known) == settled(held), name


@every_case
def test_no_id_stands_twice_in_a_snapshot(name: str) -> None:
    for run in recorded(name):
        encoder = AGUIEncoder(run.run())
        for event in run.events():
            encoder.encode(event)
        snapshot = encoder.snapshot(run.history, Transcript.of(run.events()))
        assert [id for id, count in Counter(said.id for said in snapshot.messages).items() if count > 1] == []
