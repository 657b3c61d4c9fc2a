"""The events and messages of AG-UI 1.0 that a LangGraph run can justify, one frozen struct each, ready for the wire.

The names, fields and their meaning are the protocol's (docs.ag-ui.com/spec/1.0), in snake case here and in camel case
on the wire. A field that is absent is left out there: the client refuses a `null`. The `*_CHUNK` shorthands are not
here, because an encoder that knows where a part begins and ends has no use for them.

Structs, not the models of `ag-ui-protocol`: those take twenty times as long to write. The tests hold each of these to
those models and to the TypeScript client.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

import msgspec

PROTOCOL_VERSION = "1.0"

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _upper_snake(name: str) -> str:
    return _CAPITAL.sub("_", name).upper()


class AGUIEvent(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", tag_field="type", tag=_upper_snake
):
    """What every event is: immutable, tagged by `type`. `metadata` is an object of anything."""

    metadata: dict[str, Any] | None = None


class Attributed(AGUIEvent, frozen=True, kw_only=True):
    """An event that can belong to a subagent; the parent agent's own has no `subagent_run_id`."""

    subagent_run_id: str | None = None


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A part of an event."""


# ------------------------------------------------------------------ messages


class FunctionCall(_Record, frozen=True, kw_only=True):
    """What a tool call calls: `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(_Record, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A tool call of an assistant's message."""

    id: str
    function: FunctionCall


class Message(_Record, frozen=True, kw_only=True):
    """A message of a `MessagesSnapshot`. Fields that a role does not have stay at their defaults.

    `content` is text; of a user's and a tool's message also content parts, of an activity an object.
    """

    id: str
    role: Literal["developer", "system", "assistant", "user", "tool", "activity", "reasoning"]
    content: str | list[dict[str, Any]] | dict[str, Any] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    error: str | None = None
    activity_type: str | None = None
    encrypted_value: str | None = None
    metadata: dict[str, Any] | None = None
    subagent_run_id: str | None = None


# ------------------------------------------------------------------ a run


class Usage(_Record, frozen=True, kw_only=True):
    """Tokens that one model took. All counts are tokens."""

    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class Question(_Record, frozen=True, kw_only=True):
    """What the protocol calls an interrupt: a question that a run ended with."""

    id: str
    reason: str
    message: str | None = None
    tool_call_id: str | None = None
    response_schema: dict[str, Any] | None = None
    expires_at: str | None = None
    metadata: dict[str, Any] | None = None
    subagent_run_id: str | None = None


class Success(_Record, frozen=True, kw_only=True, tag_field="type", tag="success"):
    """The run is over; calls of the client's own tools may wait for their results."""

    pending_tool_call_ids: list[str] | None = None


class Interrupted(_Record, frozen=True, kw_only=True, tag_field="type", tag="interrupt"):
    """The run stopped to ask."""

    interrupts: list[Question]


class Cancelled(_Record, frozen=True, kw_only=True, tag_field="type", tag="cancelled"):
    """The run was told to stop."""


class RunStarted(AGUIEvent, frozen=True, kw_only=True):
    """A run begins."""

    thread_id: str
    run_id: str
    protocol_version: str | None = None
    parent_run_id: str | None = None


class RunFinished(AGUIEvent, frozen=True, kw_only=True):
    """A run is over, other than by an error."""

    thread_id: str
    run_id: str
    result: Any = None
    outcome: Success | Interrupted | Cancelled | None = None
    usage: list[Usage] | None = None


class RunError(AGUIEvent, frozen=True, kw_only=True):
    """A run failed."""

    message: str
    code: str | None = None
    usage: list[Usage] | None = None


class StepStarted(Attributed, frozen=True, kw_only=True):
    """A node begins."""

    step_name: str


class StepFinished(Attributed, frozen=True, kw_only=True):
    """A node is over."""

    step_name: str


# ------------------------------------------------------------------ text, reasoning, tools


class TextMessageStart(Attributed, frozen=True, kw_only=True):
    """A message's text begins, or goes on when the message is known."""

    message_id: str
    role: Literal["developer", "system", "assistant", "user"] | None = None
    name: str | None = None


class TextMessageContent(Attributed, frozen=True, kw_only=True, gc=False):
    """More of an open message's text."""

    message_id: str
    delta: str


class TextMessageEnd(Attributed, frozen=True, kw_only=True):
    """A message's text is over."""

    message_id: str


class ReasoningStart(Attributed, frozen=True, kw_only=True):
    """A span of thinking begins."""

    message_id: str


class ReasoningMessageStart(Attributed, frozen=True, kw_only=True):
    """The text of a span of thinking begins."""

    message_id: str
    role: Literal["reasoning"]


class ReasoningMessageContent(Attributed, frozen=True, kw_only=True, gc=False):
    """More thinking."""

    message_id: str
    delta: str


class ReasoningMessageEnd(Attributed, frozen=True, kw_only=True):
    """The text of a span of thinking is over."""

    message_id: str


class ReasoningEnd(Attributed, frozen=True, kw_only=True):
    """A span of thinking is over."""

    message_id: str


class ReasoningEncryptedValue(Attributed, frozen=True, kw_only=True):
    """What a provider wants to have back untouched, of the message or tool call `entity_id`."""

    subtype: Literal["message", "tool-call"]
    entity_id: str
    encrypted_value: str


class ToolCallStart(Attributed, frozen=True, kw_only=True):
    """A tool call begins."""

    tool_call_id: str
    tool_call_name: str
    parent_message_id: str | None = None


class ToolCallArgs(Attributed, frozen=True, kw_only=True, gc=False):
    """More of an open call's arguments, as JSON text."""

    tool_call_id: str
    delta: str


class ToolCallEnd(Attributed, frozen=True, kw_only=True):
    """A tool call is written."""

    tool_call_id: str


class ToolCallResult(Attributed, frozen=True, kw_only=True):
    """A tool call has its result; it makes a `tool` message with the id `message_id`."""

    message_id: str
    tool_call_id: str
    content: str | list[dict[str, Any]]
    role: Literal["tool"] | None = None


# ------------------------------------------------------------------ state, messages, activities


class StateSnapshot(Attributed, frozen=True, kw_only=True):
    """The whole state that the client sees."""

    snapshot: Any


class StateDelta(Attributed, frozen=True, kw_only=True):
    """A change of the client's state, as a JSON Patch (RFC 6902)."""

    delta: list[dict[str, Any]]


class MessagesSnapshot(AGUIEvent, frozen=True, kw_only=True):
    """All messages of the thread."""

    messages: list[Message]


class ActivitySnapshot(Attributed, frozen=True, kw_only=True):
    """Something that goes on beside the conversation, to be shown in its place."""

    message_id: str
    activity_type: str
    content: dict[str, Any]
    replace: bool | None = None


class ActivityDelta(Attributed, frozen=True, kw_only=True):
    """A change of an activity, as a JSON Patch."""

    message_id: str
    activity_type: str
    patch: list[dict[str, Any]]


class Raw(Attributed, frozen=True, kw_only=True):
    """Something of the source that the protocol has no word for."""

    event: Any
    source: str | None = None


class Custom(Attributed, frozen=True, kw_only=True):
    """Something of the application's own."""

    name: str
    value: Any


# ------------------------------------------------------------------ subagents


class Done(_Record, frozen=True, kw_only=True, tag_field="type", tag="success"):
    """The subagent has done its work."""


class Suspended(_Record, frozen=True, kw_only=True, tag_field="type", tag="suspended"):
    """The subagent waits for an answer; without ids it is one further in that asked."""

    interrupt_ids: list[str] | None = None


class SubagentStarted(AGUIEvent, frozen=True, kw_only=True):
    """A subagent begins."""

    subagent_run_id: str
    name: str
    description: str | None = None
    parent_subagent_run_id: str | None = None
    parent_tool_call_id: str | None = None
    parent_message_id: str | None = None


class SubagentFinished(AGUIEvent, frozen=True, kw_only=True):
    """A subagent is over."""

    subagent_run_id: str
    result: Any = None
    outcome: Done | Suspended | None = None


class SubagentError(AGUIEvent, frozen=True, kw_only=True):
    """A subagent failed."""

    subagent_run_id: str
    message: str
    code: str | None = None


Event: TypeAlias = (
    RunStarted
    | RunFinished
    | RunError
    | StepStarted
    | StepFinished
    | TextMessageStart
    | TextMessageContent
    | TextMessageEnd
    | ReasoningStart
    | ReasoningMessageStart
    | ReasoningMessageContent
    | ReasoningMessageEnd
    | ReasoningEnd
    | ReasoningEncryptedValue
    | ToolCallStart
    | ToolCallArgs
    | ToolCallEnd
    | ToolCallResult
    | StateSnapshot
    | StateDelta
    | MessagesSnapshot
    | ActivitySnapshot
    | ActivityDelta
    | Raw
    | Custom
    | SubagentStarted
    | SubagentFinished
    | SubagentError
)
"""Every event that is sent."""
