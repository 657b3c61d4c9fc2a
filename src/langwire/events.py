"""The vocabulary: everything langwire ever says about a LangGraph run, one frozen struct a fact.

Read this file first. A *turn* is one input to one terminal event; its events obey the grammar in
`langwire.core.conformance`. An event holds data and no behaviour, and carries no number and no time: an
`Entry` of a log adds both. On a wire each event is one flat JSON object whose `type` is the class name in
snake case (`TextDelta` -> `"text_delta"`); fields that hold their default are left out there.

Four kinds of id appear, and they are never mixed:

- a *part id* (`id` of a text, reasoning or call part, and of everything that speaks about it) is unique in a turn;
- a `message_id` is LangChain's `message.id`;
- a `call_id` is the provider's tool call id, which can repeat across lanes and even within one;
- a `lane` is LangGraph's namespace, `()` for the root graph: `("tools:<task id>", "inner:<task id>")`.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

import msgspec

Lane: TypeAlias = tuple[str, ...]
Cause: TypeAlias = Literal["message", "resume", "continue"]
Outcome: TypeAlias = Literal["complete", "interrupted", "error", "cancelled", "timeout"]
ResultStatus: TypeAlias = Literal["ok", "error"]
NodeStatus: TypeAlias = Literal["ok", "error", "interrupted", "replayed", "left", "cancelled"]
InterruptKind: TypeAlias = Literal["approval_batched", "approval_per_call", "value", "breakpoint"]
DecisionType: TypeAlias = Literal["approve", "edit", "reject", "respond"]

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _snake_case(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()


class EventBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=_snake_case):
    """What every event is: immutable, keyword-only, tagged by `type` on the wire."""


# ------------------------------------------------------------------ what events are made of


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where something came from; said once, when a part starts.

    `lane` is LangGraph's namespace, `node` its `langgraph_node`, `agent` the `lc_agent_name` of
    `create_agent` and deepagents, `task` LangGraph's task id (the id of the `NodeStart` it belongs to).
    """

    lane: Lane = ()
    node: str | None = None
    agent: str | None = None
    task: str | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing an interrupt asks about, with all its arguments, derived from the interrupt's value.

    `allowed` are the decisions a person may take on it; empty when the interrupt does not say.
    """

    name: str
    args: Any = None
    description: str | None = None
    call_id: str | None = None
    allowed: tuple[DecisionType, ...] = ()


class OpenCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool call without a result.

    The parser of the thread's next turn is given these: LangGraph never repeats them.
    """

    id: str
    name: str
    call_id: str | None = None
    lane: Lane = ()
    args: Any = None


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a turn failed, safe to show anyone: never the exception's text, which may hold secrets.

    `code` is the exception's class name. `id`, where the caller gave one, finds the exception in the caller's logs.
    """

    code: str
    message: str
    id: str | None = None


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of a whole turn, summed over its messages. All counts are tokens."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


# ------------------------------------------------------------------ a turn


class TurnStart(EventBase, frozen=True, kw_only=True):
    """A turn begins: always the first event.

    `cause` is `message` for new input, `resume` for answers to interrupts, `continue` for none at all.
    `checkpoint_id` is where the thread stood before; `input` is what the graph was given, where known.
    """

    turn_id: str
    thread_id: str | None = None
    cause: Cause = "message"
    checkpoint_id: str | None = None
    input: Any = None


class TurnEnd(EventBase, frozen=True, kw_only=True):
    """A turn is over: always the last event, exactly once, whatever happened.

    `interrupted` means that the run ended by itself with a question open (`interrupts` holds the ids).
    `open_calls` are the calls without a result, whatever the outcome; no result is ever made up.
    `usage` sums the turn's `Usage` events. `redactions` counts what a redactor took out.
    `checkpoint_id` is where the thread stands now, where known. `reason` is what was said when it was cancelled.
    """

    outcome: Outcome
    error: ErrorInfo | None = None
    reason: str | None = None
    interrupts: tuple[str, ...] = ()
    open_calls: tuple[OpenCall, ...] = ()
    usage: TokenUsage | None = None
    redactions: int = 0
    checkpoint_id: str | None = None


# ------------------------------------------------------------------ text and reasoning


class TextStart(EventBase, frozen=True, kw_only=True):
    """A strand of text begins. The first part of a message has the message's id, the next ones `<id>/1`, `<id>/2`.

    `role` is `assistant`, `user`, `system`, or whatever role a chat message names. `refusal` marks a
    provider's refusal, which is not part of the message's text in the graph's state.
    """

    id: str
    message_id: str
    source: Source
    role: str = "assistant"
    refusal: bool = False


class TextDelta(EventBase, frozen=True, kw_only=True, gc=False):
    """More text of an open text part, exactly as the model sent it: joined, the deltas are the part."""

    id: str
    text: str


class TextEnd(EventBase, frozen=True, kw_only=True):
    """A text part is over. `partial` when it was cut off: an error, a cancel, a stream that stopped."""

    id: str
    partial: bool = False


class ReasoningStart(EventBase, frozen=True, kw_only=True):
    """A strand of thinking begins, apart from the answer."""

    id: str
    message_id: str
    source: Source


class ReasoningDelta(EventBase, frozen=True, kw_only=True, gc=False):
    """More thinking of an open reasoning part."""

    id: str
    text: str


class ReasoningEnd(EventBase, frozen=True, kw_only=True):
    """A reasoning part is over. `signature` and `encrypted` are the provider's own, to be sent back untouched."""

    id: str
    partial: bool = False
    signature: str | None = None
    encrypted: str | None = None


# ------------------------------------------------------------------ tool calls


class ToolCallStart(EventBase, frozen=True, kw_only=True):
    """The model begins to write a tool call. `id` is the provider's call id, with `~2` when the turn has used it.

    `provider` marks calls that the provider runs on its own servers (web search, code execution).
    """

    id: str
    name: str
    message_id: str
    source: Source
    call_id: str | None = None
    provider: bool = False


class ToolCallDelta(EventBase, frozen=True, kw_only=True, gc=False):
    """More of an open call's arguments, as JSON text. Joined, the deltas parse to the `args` of its end."""

    id: str
    args: str


class ToolCallEnd(EventBase, frozen=True, kw_only=True):
    """A call is written. `args` are the parsed arguments, or `invalid` holds the text that does not parse.

    LangGraph's state may hold a repaired form of invalid arguments. `partial` when the call was cut off.
    """

    id: str
    name: str
    call_id: str | None = None
    args: Any = None
    invalid: str | None = None
    partial: bool = False


class ToolOutputDelta(EventBase, frozen=True, kw_only=True):
    """A running tool reports progress (`ToolRuntime.emit_output_delta`, stream mode `tools`)."""

    id: str
    data: Any = None


class ToolResult(EventBase, frozen=True, kw_only=True):
    """An answer to a call: of this turn, or left open by an earlier one. Never made up.

    `id` is the call's part id, `status` the tool message's own, `content` its text or list of blocks,
    `artifact` what the tool kept for the application. `message_id` is missing where the stream names none.
    """

    id: str
    status: ResultStatus = "ok"
    content: Any = None
    artifact: Any = None
    call_id: str | None = None
    name: str | None = None
    message_id: str | None = None
    source: Source = Source()


# ------------------------------------------------------------------ other content of messages


class Media(EventBase, frozen=True, kw_only=True):
    """A block that is not text. `data` is base64, `ref` a URL or a provider's file id; one of them, or `block`.

    `kind` is `image`, `audio`, `video` or `file`; any other block keeps its own type and comes whole in `block`.
    `role` is that of its message, as in `TextStart`.
    """

    id: str
    message_id: str
    kind: str
    source: Source
    role: str = "assistant"
    mime: str | None = None
    data: str | None = None
    ref: str | None = None
    block: Any = None


class Citation(EventBase, frozen=True, kw_only=True):
    """A source that the text names. `id` is the text part's, `data` the provider's annotation, untouched."""

    id: str
    data: Any = None


class MessageReplaced(EventBase, frozen=True, kw_only=True):
    """A message told before now reads `text` in the graph's state (guards, PII, edits by id).

    A message that was removed is in the state again when this is told of it.
    """

    message_id: str
    text: str
    source: Source


class MessagesRemoved(EventBase, frozen=True, kw_only=True):
    """Messages left the graph's state (`RemoveMessage`, summaries, `Overwrite`). `ids` are explicit, never "all"."""

    ids: tuple[str, ...]
    lane: Lane = ()


class MessageDiscarded(EventBase, frozen=True, kw_only=True):
    """A message that streamed is not in the state its node left: a failed attempt, a fallback, a tool's own model.

    Told when the node is over, and only where the stream shows what the node left.
    """

    message_id: str
    source: Source


class Usage(EventBase, frozen=True, kw_only=True):
    """Tokens of one message, told once. `details` are LangChain's `input_token_details` and `output_token_details`."""

    message_id: str
    input_tokens: int = 0
    output_tokens: int = 0
    model: str | None = None
    details: dict[str, Any] | None = None


# ------------------------------------------------------------------ the graph at work


class NodeStart(EventBase, frozen=True, kw_only=True):
    """A node runs (stream mode `tasks`). `id` is LangGraph's task id: the turn that resumes the node has it again."""

    id: str
    node: str
    lane: Lane = ()


class NodeEnd(EventBase, frozen=True, kw_only=True):
    """A node is over. `error` is the exception's class name.

    `replayed`: its saved writes were used. `left`: the run went on without an end from LangGraph.
    `cancelled`: the turn ended under it.
    """

    id: str
    status: NodeStatus = "ok"
    error: str | None = None


class SubagentStart(EventBase, frozen=True, kw_only=True):
    """Lane `lane` is the work of the tool call whose part id is `id`; told before every other event of that lane."""

    lane: Lane
    id: str
    parent: Lane = ()
    name: str | None = None


class SubagentEnd(EventBase, frozen=True, kw_only=True):
    """The work of a call in its own lane is over."""

    lane: Lane


class StateSnapshot(EventBase, frozen=True, kw_only=True):
    """The whole state of a lane without its messages; only on request (stream mode `values` or `checkpoints`)."""

    values: Any = None
    lane: Lane = ()


class StateDelta(EventBase, frozen=True, kw_only=True):
    """What a node wrote, without messages; only on request. `replayed` when LangGraph used saved writes."""

    node: str
    changes: Any = None
    lane: Lane = ()
    replayed: bool = False


class StructuredOutput(EventBase, frozen=True, kw_only=True):
    """The agent's structured response (`create_agent(response_format=…)`)."""

    value: Any = None


class Interrupt(EventBase, frozen=True, kw_only=True):
    """The run asks a question and waits. Told once a turn while it is open.

    `value` is the payload, whole. `actions` are derived from it, with all arguments. `allowed` are the
    decisions that apply to every action. `response_schema` is the JSON Schema of an answer, where LangGraph
    gives one. A static breakpoint has the id `breakpoint` and says which nodes come next; it is left by continuing.
    """

    id: str
    kind: InterruptKind = "value"
    value: Any = None
    actions: tuple[Action, ...] = ()
    allowed: tuple[DecisionType, ...] = ()
    call_id: str | None = None
    response_schema: dict[str, Any] | None = None
    lane: Lane = ()


class Custom(EventBase, frozen=True, kw_only=True):
    """Whatever a node or tool wrote with `get_stream_writer()`, untouched."""

    data: Any = None
    lane: Lane = ()


class Raw(EventBase, frozen=True, kw_only=True):
    """A chunk of a stream mode that langwire does not model, untouched."""

    mode: str
    data: Any = None
    lane: Lane = ()


# ------------------------------------------------------------------ read out of tools, or told by others


class Extracted(EventBase, frozen=True, kw_only=True):
    """An extractor read something out of what the tool `name` did (todos, a reflection).

    `id` is the call's part id, missing where the tool itself is not shown. An extractor that fails is told with the
    kind `error` and the exception's class name in `error`.
    """

    name: str
    kind: str
    data: Any = None
    id: str | None = None
    error: str | None = None
    lane: Lane = ()


class Display(EventBase, frozen=True, kw_only=True):
    """Something to show inline, as a MIME bundle: one thing in several forms, by MIME type.

    `{"text/html": "<b>7</b>", "text/plain": "7"}`; images are base64, JSON is data. `id` is the call's part id,
    missing where the tool itself is not shown.
    """

    bundle: dict[str, Any]
    title: str | None = None
    id: str | None = None
    lane: Lane = ()


class Progress(EventBase, frozen=True, kw_only=True):
    """How far some work has come. `percent` runs from 0 to 100, where known."""

    text: str
    percent: float | None = None
    lane: Lane = ()


class TaskUpdate(EventBase, frozen=True, kw_only=True):
    """A delegated task changed its state. `task_id` names the task, `state` its new state, `attempt` the attempt."""

    task_id: str
    state: str
    attempt: int = 0
    title: str | None = None
    parent_id: str | None = None


Event: TypeAlias = (
    TurnStart
    | TextStart
    | TextDelta
    | TextEnd
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | ToolOutputDelta
    | ToolResult
    | Media
    | Citation
    | MessageReplaced
    | MessagesRemoved
    | MessageDiscarded
    | Usage
    | NodeStart
    | NodeEnd
    | SubagentStart
    | SubagentEnd
    | StateSnapshot
    | StateDelta
    | StructuredOutput
    | Interrupt
    | Custom
    | Raw
    | Extracted
    | Display
    | Progress
    | TaskUpdate
    | TurnEnd
)
"""Every event. Match on it and close with `assert_never`: a new one then breaks each reader's type check."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log: event number `seq` (from 1, without holes), told at `at_ms` (Unix time in milliseconds)."""

    seq: int
    at_ms: int
    event: Event
