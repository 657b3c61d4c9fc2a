"""Each struct, with as much and as little as it can hold, before the protocol's own models and the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from ag_ui import core
from pydantic import BaseModel, TypeAdapter

from agui.client import StreamChecker
from langwire.adapters.agui import events as agui
from langwire.adapters.agui.events import Event
from langwire.adapters.agui.verify import Verifier

MODELS: TypeAdapter[BaseModel] = TypeAdapter(core.Event)

META: dict[str, Any] = {"any": ["thing", None]}
OF: dict[str, Any] = {"metadata": META, "subagent_run_id": "s"}

BEGIN = agui.RunStarted(thread_id="t", run_id="r")
FINISH = agui.RunFinished(thread_id="t", run_id="r")

PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "see"},
    {"type": "image", "source": {"type": "data", "value": "aGk=", "mimeType": "image/png"}, "metadata": META},
    {"type": "audio", "source": {"type": "url", "value": "https://example.com/a"}},
    {"type": "video", "source": {"type": "url", "value": "https://example.com/v", "mimeType": "video/mp4"}},
    {"type": "document", "source": {"type": "file", "value": "f1", "provider": "p", "mimeType": "text/plain"}},
]
PATCH: list[dict[str, Any]] = [
    {"op": "add", "path": "/a", "value": None},
    {"op": "replace", "path": "/a", "value": [1]},
    {"op": "test", "path": "/a", "value": [1]},
    {"op": "copy", "from": "/a", "path": "/b"},
    {"op": "move", "from": "/b", "path": "/c"},
    {"op": "remove", "path": "/c"},
]
USAGE = [
    agui.Usage(
        model="m",
        provider="p",
        input_tokens=1,
        output_tokens=2,
        total_tokens=3,
        reasoning_tokens=1,
        cached_input_tokens=1,
        cache_write_input_tokens=0,
    ),
    agui.Usage(),
]
MESSAGES = [
    agui.Message(id="1", role="developer", content="", name="n", metadata=META, subagent_run_id="s"),
    agui.Message(id="2", role="system", content="be", name="n", encrypted_value="e"),
    agui.Message(id="3", role="user", content="hi", name="n"),
    agui.Message(id="4", role="user", content=PARTS),
    agui.Message(id="5", role="assistant"),
    agui.Message(
        id="6",
        role="assistant",
        content="so",
        name="n",
        tool_calls=[agui.ToolCall(id="c", function=agui.FunctionCall(name="f", arguments='{"a": 1}'))],
        encrypted_value="e",
        metadata=META,
        subagent_run_id="s",
    ),
    agui.Message(id="7", role="tool", content="1", tool_call_id="c", error="no", encrypted_value="e"),
    agui.Message(id="8", role="tool", content=PARTS, tool_call_id="d"),
    agui.Message(id="9", role="activity", activity_type="plan", content={"a": None}),
    agui.Message(id="10", role="reasoning", content="so", encrypted_value="e", subagent_run_id="s"),
]
QUESTIONS = [
    agui.Question(
        id="q",
        reason="approval",
        message="may I?",
        tool_call_id="c",
        response_schema={"type": "object"},
        expires_at="2026-12-01T00:00:00Z",
        metadata=META,
        subagent_run_id="s",
    ),
    agui.Question(id="p", reason="input"),
]

FULL: list[Event] = [
    agui.RunStarted(thread_id="t", run_id="r", protocol_version="1.0", parent_run_id="q", metadata=META),
    agui.RunFinished(
        thread_id="t",
        run_id="r",
        result={"a": None},
        outcome=agui.Success(pending_tool_call_ids=["c"]),
        usage=USAGE,
        metadata=META,
    ),
    agui.RunError(message="no", code="c", usage=USAGE, metadata=META),
    agui.StepStarted(step_name="n", **OF),
    agui.StepFinished(step_name="n", **OF),
    agui.TextMessageStart(message_id="m", role="assistant", name="n", **OF),
    agui.TextMessageContent(message_id="m", delta="", **OF),
    agui.TextMessageEnd(message_id="m", **OF),
    agui.ReasoningStart(message_id="m", **OF),
    agui.ReasoningMessageStart(message_id="m", role="reasoning", **OF),
    agui.ReasoningMessageContent(message_id="m", delta="x", **OF),
    agui.ReasoningMessageEnd(message_id="m", **OF),
    agui.ReasoningEnd(message_id="m", **OF),
    agui.ReasoningEncryptedValue(subtype="message", entity_id="m", encrypted_value="e", **OF),
    agui.ToolCallStart(tool_call_id="c", tool_call_name="f", parent_message_id="m", **OF),
    agui.ToolCallArgs(tool_call_id="c", delta="{", **OF),
    agui.ToolCallEnd(tool_call_id="c", **OF),
    agui.ToolCallResult(message_id="m", tool_call_id="c", content=PARTS, role="tool", **OF),
    agui.StateSnapshot(snapshot={"a": None}, **OF),
    agui.StateDelta(delta=PATCH, **OF),
    agui.MessagesSnapshot(messages=MESSAGES, metadata=META),
    agui.ActivitySnapshot(message_id="m", activity_type="plan", content={"a": None}, replace=False, **OF),
    agui.ActivityDelta(message_id="m", activity_type="plan", patch=PATCH, **OF),
    agui.Raw(event={"a": None}, source="src", **OF),
    agui.Custom(name="n", value={"a": None}, **OF),
    agui.SubagentStarted(
        subagent_run_id="s",
        name="n",
        description="d",
        parent_subagent_run_id="p",
        parent_tool_call_id="c",
        parent_message_id="m",
        metadata=META,
    ),
    agui.SubagentFinished(
        subagent_run_id="s", result={"a": None}, outcome=agui.Suspended(interrupt_ids=["q"]), metadata=META
    ),
    agui.SubagentError(subagent_run_id="s", message="no", code="c", metadata=META),
]

FURTHER: list[Event] = [
    agui.RunFinished(thread_id="t", run_id="r", outcome=agui.Success()),
    agui.RunFinished(thread_id="t", run_id="r", outcome=agui.Interrupted(interrupts=QUESTIONS)),
    agui.RunFinished(thread_id="t", run_id="r", outcome=agui.Cancelled()),
    agui.SubagentFinished(subagent_run_id="s", outcome=agui.Done()),
    agui.SubagentFinished(subagent_run_id="s", outcome=agui.Suspended()),
    agui.ReasoningEncryptedValue(subtype="tool-call", entity_id="c", encrypted_value="e"),
    agui.ToolCallResult(message_id="m", tool_call_id="c", content="1"),
    agui.ActivitySnapshot(message_id="m", activity_type="plan", content={}, replace=True),
    agui.StateSnapshot(snapshot=None),
    agui.Custom(name="n", value=None),
    agui.Raw(event=None),
    agui.MessagesSnapshot(messages=[]),
    *(agui.TextMessageStart(message_id="m", role=role) for role in ("developer", "system", "user")),
]


def least(event: Event) -> Event:
    """The event with nothing but what it must have."""
    fields = msgspec.structs.fields(event)
    return type(event)(**{field.name: getattr(event, field.name) for field in fields if field.required})


SAMPLES: list[Event] = [*FULL, *map(least, FULL), *FURTHER]
IDS = [f"{number}-{type(event).__name__}" for number, event in enumerate(SAMPLES)]


def wire(event: Event) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(event))


def before(event: Event) -> list[Event]:
    """What has to have come for the event to be taken, without a warning."""
    subagent = getattr(event, "subagent_run_id", None)
    text = agui.TextMessageStart(message_id="m", subagent_run_id=subagent)
    span = agui.ReasoningStart(message_id="m", subagent_run_id=subagent)
    thought = agui.ReasoningMessageStart(message_id="m", role="reasoning", subagent_run_id=subagent)
    call = agui.ToolCallStart(tool_call_id="c", tool_call_name="f", subagent_run_id=subagent)
    activity = agui.ActivitySnapshot(message_id="m", activity_type="plan", content={}, subagent_run_id=subagent)
    subagents = agui.SubagentStarted(subagent_run_id="s", name="n")
    needed: dict[type[agui.AGUIEvent], list[Event]] = {
        agui.StepFinished: [agui.StepStarted(step_name="n", subagent_run_id=subagent)],
        agui.TextMessageContent: [text],
        agui.TextMessageEnd: [text],
        agui.ReasoningMessageContent: [thought],
        agui.ReasoningMessageEnd: [thought],
        agui.ReasoningEnd: [span],
        agui.ReasoningEncryptedValue: [text, call],
        agui.ToolCallArgs: [call],
        agui.ToolCallEnd: [call],
        agui.ActivityDelta: [activity],
        agui.SubagentStarted: [agui.SubagentStarted(subagent_run_id="p", name="n")],
        agui.SubagentFinished: [subagents],
        agui.SubagentError: [subagents],
    }
    return [] if isinstance(event, agui.RunStarted) else [BEGIN, *needed.get(type(event), [])]


def extras(model: Any) -> Iterator[str]:
    """What a model, and the models in it, took without knowing it."""
    if isinstance(model, BaseModel):
        yield from (f"{type(model).__name__}.{name}" for name in model.model_extra or ())
        for name in type(model).model_fields:
            yield from extras(getattr(model, name))
    elif isinstance(model, list):
        for item in model:
            yield from extras(item)


def test_every_struct_is_here_with_every_field_set() -> None:
    assert {type(event) for event in FULL} == set(get_args(Event))
    for event in FULL:
        for field in msgspec.structs.fields(event):
            assert field.required or getattr(event, field.name) is not None, (type(event), field.name)


@pytest.mark.parametrize("event", SAMPLES, ids=IDS)
def test_an_event_comes_back_from_the_protocols_models_as_it_was(event: Event) -> None:
    """Nothing is missing, and nothing is there that the protocol does not know."""
    model = MODELS.validate_json(msgspec.json.encode(event))
    assert list(extras(model)) == []
    assert json.loads(model.model_dump_json(by_alias=True)) == wire(event)


@pytest.mark.parametrize("event", SAMPLES, ids=IDS)
def test_the_client_takes_an_event_as_it_is(ts_check: StreamChecker, event: Event) -> None:
    """Nothing is refused, stripped or warned of."""
    verifier, stream = Verifier(), [*before(event), event]
    assert [verifier.check(sent) for sent in stream] == [None] * len(stream)
    stream += verifier.closing()
    if verifier.end() is not None:
        stream.append(FINISH)
    [checked] = ts_check([[wire(sent) for sent in stream]])
    assert (checked.error, checked.warnings) == (None, [])
    assert checked.events == [wire(sent) for sent in stream]
