"""Knows which OpenTelemetry spans the events of a turn are: one for the turn, each model call and each tool call.

Names and attributes are those of the semantic conventions for generative AI. The graph is not asked: a span is
what the events say, and its times are those at which they came. So three things look other than they were. A model
call begins with the first thing the model said, not when it was asked; one that said nothing has no span; and a
message that did not stream has a span without length.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic_ns, time_ns
from typing import Any, ClassVar

import msgspec

import langwire
from langwire.core._guards import is_mapping
from langwire.core._messages import coerce, role_of, text_of
from langwire.core._updates import as_messages
from langwire.core.codec import jsonable
from langwire.core.transcript import Message
from langwire.errors import MissingExtra
from langwire.events import (
    Event,
    Lane,
    NodeEnd,
    ReasoningEnd,
    ReasoningStart,
    Source,
    SubagentStart,
    TextEnd,
    TextStart,
    ToolCallEnd,
    ToolCallStart,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)
from langwire.sessions.turn import Middleware, Observer, Turn

try:
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        Span,
        SpanKind,
        Status,
        StatusCode,
        Tracer,
        TracerProvider,
        get_tracer,
        set_span_in_context,
        use_span,
    )
except ImportError as missing:
    raise MissingExtra('tracing needs an extra: pip install "langwire[otel]"') from missing

AGENT, CONVERSATION, OPERATION = "gen_ai.agent.name", "gen_ai.conversation.id", "gen_ai.operation.name"
MODEL, INPUT_TOKENS, OUTPUT_TOKENS = (
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
)
TOOL, TOOL_TYPE, CALL_ID = "gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.tool.call.id"
ARGUMENTS, RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
ASKED, SAID = "gen_ai.input.messages", "gen_ai.output.messages"
ERROR = "error.type"
# No convention has a word for these.
TURN, CAUSE, OUTCOME, PARTIAL = "langwire.turn.id", "langwire.turn.cause", "langwire.turn.outcome", "langwire.partial"

_DETAILS = {
    "gen_ai.usage.cache_read.input_tokens": ("input_token_details", "cache_read"),
    "gen_ai.usage.cache_creation.input_tokens": ("input_token_details", "cache_creation"),
    "gen_ai.usage.reasoning.output_tokens": ("output_token_details", "reasoning"),
}


def trace_turns(tracer_provider: TracerProvider | None = None, *, content: bool = False) -> Middleware:
    """Return a middleware that makes spans: `invoke_agent`, and below it `chat` and `execute_tool`.

    The turn's span belongs to whatever span was current when the turn was sent, and is the current one for all that
    the graph does. What subagents do belongs to the call that they work for. A span failed where `error.type` is said:
    with the class of an exception, never its text. `tracer_provider` is the global one where none is given. What was
    said, and arguments and results of tools, are only kept with `content=True`, masked like the events.
    """
    tracer = get_tracer("langwire", langwire.__version__, tracer_provider)

    @asynccontextmanager
    async def middleware(turn: Turn) -> AsyncGenerator[Observer | None]:
        agent = getattr(turn.graph, "name", None)
        clock = _clock()
        root = tracer.start_span(
            _named("invoke_agent", agent),
            attributes=_given({OPERATION: "invoke_agent", AGENT: agent, CONVERSATION: turn.thread_id, TURN: turn.id}),
            start_time=clock(),
        )
        # The graph runs in a copy of this context: a tool's own spans find their parent.
        with use_span(root, record_exception=False, set_status_on_exception=False):
            try:
                yield _Spans(turn, tracer, root, clock, content=content).see if root.is_recording() else None
            finally:
                _finish_turn(root, turn, content=content)
                root.end(clock())

    return middleware


def _clock() -> Callable[[], int]:
    """Unix time in nanoseconds that never goes back: no span ends before it began."""
    epoch = time_ns() - monotonic_ns()
    return lambda: epoch + monotonic_ns()


def _finish_turn(root: Span, turn: Turn, *, content: bool) -> None:
    usage, error = turn.result.usage, turn.error
    root.set_attributes(_given({CAUSE: turn.cause, OUTCOME: turn.outcome or "refused"}))
    if usage.total_tokens:
        root.set_attributes({INPUT_TOKENS: usage.input_tokens, OUTPUT_TOKENS: usage.output_tokens})
    if content and turn.result.text:
        text = {"type": "text", "content": turn.result.text}
        root.set_attribute(SAID, _json([{"role": "assistant", "parts": [text], "finish_reason": "stop"}]))
    if error is not None:
        _fail(root, error.code)


class _ModelCall:
    """A message that a model writes, or has written."""

    __slots__ = ("began", "ended", "message_id", "partial", "source", "usage")

    def __init__(self, message_id: str, source: Source, began: int) -> None:
        self.message_id, self.source = message_id, source
        self.began = self.ended = began
        self.partial = False
        self.usage: Usage | None = None


class _ToolCall:
    """A call without a result. It has a span already when there are others below it."""

    __slots__ = ("args", "began", "call_id", "name", "provider", "source", "span")

    def __init__(self, name: str | None, source: Source, began: int, *, call_id: str | None = None) -> None:
        self.name, self.source, self.began, self.call_id = name, source, began, call_id
        self.provider = False
        self.args: Any = None
        self.span: Span | None = None


class _Spans:
    """Makes the spans below a turn's, as an observer of its events.

    A span is made when it is over, with the time at which it began: only then is known what to say of it, and whether
    a call was run at all. That of a call with a subagent is made before, to be the parent of others.
    """

    def __init__(self, turn: Turn, tracer: Tracer, root: Span, clock: Callable[[], int], *, content: bool) -> None:
        self._turn, self._tracer, self._clock, self._content = turn, tracer, clock, content
        self._root = root
        self._parents: dict[Lane, Context] = {(): set_span_in_context(root)}
        self._began = self._now = clock()
        self._resumed = False
        self._models: dict[tuple[Lane, str], _ModelCall] = {}
        self._over: set[tuple[Lane, str]] = set()
        self._parts: dict[str, _ModelCall] = {}
        self._tools: dict[str, _ToolCall] = {}
        self._handed_over: set[str | None] = {None}
        """The nodes (by task id) whose calls may run: those that are over, and those that are not known."""

    def see(self, event: Event) -> None:
        read = self._readers.get(type(event))
        if read is not None:
            self._now = self._clock()
            read(self, event)

    # -------------------------------------------------------------- model calls

    def _part_start(self, event: TextStart | ReasoningStart | ToolCallStart) -> None:
        key = (event.source.lane, event.message_id)
        if (isinstance(event, TextStart) and event.role != "assistant") or key in self._over:
            return  # a node made it, or added to it what no model said
        if key not in self._models:
            self._models[key] = _ModelCall(event.message_id, event.source, self._now)
        self._parts[event.id] = self._models[key]

    def _part_end(self, event: TextEnd | ReasoningEnd | ToolCallEnd) -> None:
        model = self._parts.pop(event.id, None)
        if model is not None:
            model.ended, model.partial = self._now, event.partial

    def _usage(self, event: Usage) -> None:
        told = [model for model in self._models.values() if model.message_id == event.message_id]
        model = told[-1] if told else _ModelCall(event.message_id, Source(), self._now)  # it said nothing
        model.usage = event
        if not model.partial:  # else its node is about to say what went wrong
            model.ended = self._now
            self._end_model(model)

    def _node_end(self, event: NodeEnd) -> None:
        if event.status not in ("error", "cancelled"):
            self._handed_over.add(event.id)
        for model in [model for model in self._models.values() if model.source.task == event.id]:
            self._end_model(model, event.error)

    def _end_model(self, model: _ModelCall, error: str | None = None) -> None:
        key = (model.source.lane, model.message_id)
        self._models.pop(key, None)
        self._over.add(key)
        usage = model.usage
        span = self._tracer.start_span(
            _named("chat", usage.model if usage is not None else None),
            self._parent(model.source.lane),
            SpanKind.CLIENT,
            _given({OPERATION: "chat", AGENT: model.source.agent, CONVERSATION: self._turn.thread_id}),
            start_time=model.began,
        )
        if usage is not None:
            span.set_attributes(_tokens(usage))
        if model.partial:
            span.set_attribute(PARTIAL, True)
        if model.partial and error is not None:
            _fail(span, error)
        message = self._message(model) if self._content else None
        if message is not None:
            span.set_attribute(SAID, _json([_said(message)]))
        span.end(model.ended)

    def _message(self, model: _ModelCall) -> Message | None:
        for message in reversed(self._turn.result.messages):
            if (message.lane, message.message_id) == (model.source.lane, model.message_id):
                return message
        return None

    # -------------------------------------------------------------- tool calls

    def _call_start(self, event: ToolCallStart) -> None:
        self._part_start(event)
        tool = self._tools[event.id] = _ToolCall(event.name, event.source, 0)
        tool.provider = event.provider

    def _call_end(self, event: ToolCallEnd) -> None:
        self._part_end(event)
        if event.partial:  # never written to its end, so never run
            self._tools.pop(event.id, None)
        else:
            tool = self._tools[event.id]
            # Events say when a call was written and when its result was there, not when the tool began: that is
            # as soon as the model has ended, unless other calls of the message were still to be written.
            tool.began = self._now
            tool.name, tool.call_id, tool.args = event.name, event.call_id, event.args if self._content else None

    def _result(self, event: ToolResult) -> None:
        tool = self._tools.pop(event.id, None)
        if tool is None and self._resumed:
            tool = self._left_open(event.name, event.source, event.call_id)
        if tool is None:  # an answer from outside, to a call of an earlier turn
            return
        span = self._tool_span(tool)
        if tool.name is None and event.name is not None:
            span.update_name(_named("execute_tool", event.name))
            span.set_attributes(_given({TOOL: event.name, CALL_ID: event.call_id}))
        if self._content:
            span.set_attribute(RESULT, _json(event.content))
        if event.status == "error":
            _fail(span, "tool_error")
        span.end(self._now)

    def _subagent(self, event: SubagentStart) -> None:
        if event.id not in self._tools:
            self._tools[event.id] = self._left_open(None, Source(lane=event.parent))
        self._parents[event.lane] = set_span_in_context(self._tool_span(self._tools[event.id]), self._parents[()])

    def _left_open(self, name: str | None, source: Source, call_id: str | None = None) -> _ToolCall:
        """A call of an earlier turn, which was open then: it runs in this one, from its begin on."""
        return _ToolCall(name, source, self._began, call_id=call_id)

    def _tool_span(self, tool: _ToolCall) -> Span:
        if tool.span is None:
            kind = None if tool.provider else "function"
            known = {OPERATION: "execute_tool", TOOL: tool.name, TOOL_TYPE: kind, CALL_ID: tool.call_id}
            tool.span = self._tracer.start_span(
                _named("execute_tool", tool.name),
                self._parent(tool.source.lane),
                attributes=_given(known),
                start_time=tool.began,
            )
            if tool.args is not None:
                tool.span.set_attribute(ARGUMENTS, _json(tool.args))
        return tool.span

    # -------------------------------------------------------------- the turn

    def _turn_start(self, event: TurnStart) -> None:
        self._began, self._resumed = self._now, event.cause != "message"
        asked = _asked(event.input) if self._content else ()
        if asked:
            self._root.set_attribute(ASKED, _json(asked))

    def _turn_end(self, event: TurnEnd) -> None:
        """End what is open. A call that waits for an answer has not run: its span is that of the turn which runs it."""
        error = event.error.code if event.error is not None else None
        cut = event.outcome not in ("complete", "interrupted")
        for model in list(self._models.values()):
            self._end_model(model, error)
        for tool in self._tools.values():
            if tool.span is None and not (cut and tool.source.task in self._handed_over):
                continue
            span = self._tool_span(tool)
            span.set_attribute(PARTIAL, True)
            if error is not None:
                _fail(span, error)
            span.end(self._now)

    def _parent(self, lane: Lane) -> Context:
        """The context of the nearest call whose work a lane is part of, or the turn's."""
        while lane not in self._parents:
            lane = lane[:-1]
        return self._parents[lane]

    _readers: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        TurnStart: _turn_start,
        TextStart: _part_start,
        TextEnd: _part_end,
        ReasoningStart: _part_start,
        ReasoningEnd: _part_end,
        ToolCallStart: _call_start,
        ToolCallEnd: _call_end,
        ToolResult: _result,
        Usage: _usage,
        NodeEnd: _node_end,
        SubagentStart: _subagent,
        TurnEnd: _turn_end,
    }


# ------------------------------------------------------------------ what a span says


def _named(operation: str, what: str | None) -> str:
    return f"{operation} {what}" if what else operation


def _given(attributes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}


def _fail(span: Span, error: str) -> None:
    span.set_attribute(ERROR, error)
    span.set_status(Status(StatusCode.ERROR))


def _tokens(usage: Usage) -> dict[str, Any]:
    counts: dict[str, Any] = {INPUT_TOKENS: usage.input_tokens, OUTPUT_TOKENS: usage.output_tokens}
    details = usage.details or {}
    counts |= {name: details.get(group, {}).get(key) for name, (group, key) in _DETAILS.items()}
    return {**_given({MODEL: usage.model}), **{name: count for name, count in counts.items() if count is not None}}


def _asked(input: Any) -> list[dict[str, Any]]:
    """The messages of a turn's input, in the form that the conventions give to `gen_ai.input.messages`."""
    given = as_messages(input.get("messages")) if is_mapping(input) else None
    messages = [fields for raw in given or () if (fields := coerce(raw)) is not None]
    return [{"role": role_of(fields), "parts": [{"type": "text", "content": text_of(fields)}]} for fields in messages]


def _said(message: Message) -> dict[str, Any]:
    """A message in the form that the conventions give to `gen_ai.output.messages`."""
    parts: list[dict[str, Any]] = [
        {"type": "reasoning" if strand.kind == "reasoning" else "text", "content": strand.text}
        for strand in message.strands
    ]
    parts += [
        {"type": "tool_call", "id": call.call_id, "name": call.name, "arguments": call.args} for call in message.calls
    ]
    reason = "error" if message.partial else "tool_call" if message.calls else "stop"
    return {"role": message.role, "parts": parts, "finish_reason": reason}


def _json(value: Any) -> str:
    return msgspec.json.encode(jsonable(value)).decode()
