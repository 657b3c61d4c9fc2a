"""Chunks as LangGraph yields them, and events as short lines, for tables in tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from langwire import StreamParser
from langwire.events import (
    Citation,
    Custom,
    Event,
    Interrupt,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    NodeEnd,
    NodeStart,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    SubagentEnd,
    SubagentStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)

Lane = tuple[str, ...]


def metadata(node: str = "agent", task: str = "t1", lane: Lane = (), **more: Any) -> dict[str, Any]:
    """Metadata of one model run, as LangGraph gives it: one object for all its chunks."""
    checkpoint_ns = "|".join([*lane, f"{node}:{task}"])
    return {"langgraph_node": node, "langgraph_checkpoint_ns": checkpoint_ns, "ls_model_type": "chat", **more}


def message(message: Any, about: dict[str, Any] | None = None, lane: Lane = ()) -> Any:
    return lane, "messages", (message, about if about is not None else metadata(lane=lane))


def streamed(*chunks: Any, about: dict[str, Any] | None = None, lane: Lane = ()) -> list[Any]:
    """The chunks of one model run."""
    about = about if about is not None else metadata(lane=lane)
    return [message(chunk, about, lane) for chunk in chunks]


def token(content: Any = "", id: str | None = "m1", **more: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, id=id, **more)


def last(id: str | None = "m1", **more: Any) -> AIMessageChunk:
    return AIMessageChunk(content="", id=id, chunk_position="last", **more)


def fragment(
    name: str | None = None, args: str | None = "", id: str | None = None, index: int | None = 0, content: Any = ""
) -> AIMessageChunk:
    return token(content, tool_call_chunks=[tool_call_chunk(name=name, args=args, id=id, index=index)])


def update(node: str = "agent", lane: Lane = (), *, cached: bool = False, **written: Any) -> Any:
    data: dict[str, Any] = {node: written or None}
    return lane, "updates", {**data, "__metadata__": {"cached": True}} if cached else data


def starts(task: str = "t1", node: str = "agent", lane: Lane = (), input: Any = None, **more: Any) -> Any:
    return lane, "tasks", {"id": task, "name": node, "input": input, "triggers": ("x",), **more}


def ends(
    task: str = "t1",
    node: str = "agent",
    lane: Lane = (),
    result: Any = None,
    error: Any = None,
    interrupts: Sequence[Any] = (),
) -> Any:
    data = {"id": task, "name": node, "result": result or {}, "error": error, "interrupts": list(interrupts)}
    return lane, "tasks", data


def told(
    chunks: Iterable[Any], *, ending: str = "close", close: dict[str, Any] | None = None, **given: Any
) -> list[Event]:
    """The events of one turn, without its `TurnStart`."""
    parser = StreamParser(**{"turn_id": "turn", **given})
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    ender = {"close": parser.close, "cancel": parser.cancel, "expire": parser.expire}.get(ending)
    events += ender(**(close or {})) if ender else parser.fail(RuntimeError("secret"), **(close or {}))
    assert isinstance(events[0], TurnStart)
    return events[1:]


def lines(events: Iterable[Event]) -> list[str]:
    """Each event as a short line; the turn's end only when there is more to say than that it is complete."""
    return [line for line in map(line_of, events) if line != "end complete"]


def lines_of(chunks: Iterable[Any], **given: Any) -> list[str]:
    return lines(told(chunks, **given))


def line_of(event: Event) -> str:
    match event:
        case TextStart(id=id, role=role, refusal=refusal):
            words = ["text", id, *([role] if role != "assistant" else []), *(["refusal"] if refusal else [])]
        case TextDelta(id=id, text=text):
            words = [f"{id} {text!r}"]
        case ReasoningStart(id=id):
            words = ["reasoning", id]
        case ReasoningDelta(id=id, text=text):
            words = [f"{id} ~{text!r}"]
        case ReasoningEnd(id=id, signature=signature, encrypted=encrypted):
            words = [
                "/",
                id,
                *([f"sig={signature}"] if signature else []),
                *([f"enc={encrypted}"] if encrypted else []),
            ]
        case TextEnd(id=id):
            words = ["/", id]
        case ToolCallStart(id=id, name=name, provider=provider):
            words = ["call", id, name, *(["provider"] if provider else [])]
        case ToolCallDelta(id=id, args=args):
            words = [f"{id} +{args}"]
        case ToolCallEnd(id=id, name=name, args=args, invalid=invalid):
            words = ["/", id, f"{name}({args if invalid is None else 'invalid ' + invalid})"]
        case ToolOutputDelta(id=id, data=data):
            words = ["output", id, repr(data)]
        case ToolResult(id=id, status=status, content=content):
            words = ["result", id, status, repr(content)]
        case Media(id=id, kind=kind, mime=mime, data=data, ref=ref, block=block):
            words = ["media", id, kind, *(str(value) for value in (mime, data, ref, block) if value is not None)]
        case Citation(id=id, data=data):
            words = ["cite", id, repr(data)]
        case MessageReplaced(message_id=id, text=text):
            words = ["replaced", id, repr(text)]
        case MessagesRemoved(ids=ids):
            words = ["removed", *ids]
        case MessageDiscarded(message_id=id):
            words = ["discarded", id]
        case Usage(message_id=id, input_tokens=ins, output_tokens=outs, details=details):
            words = ["usage", id, str(ins), str(outs), *([str(details)] if details else [])]
        case NodeStart(id=id, node=node):
            words = ["node", id, node]
        case NodeEnd(id=id, status=status, error=error):
            words = ["/node", id, status, *([error] if error else [])]
        case SubagentStart(lane=lane, id=id, name=name):
            words = ["subagent", "/".join(lane), id, str(name)]
        case SubagentEnd(lane=lane):
            words = ["/subagent", "/".join(lane)]
        case StateSnapshot(values=values):
            words = ["state", repr(values)]
        case StateDelta(node=node, changes=changes, replayed=replayed):
            words = ["changed", node, repr(changes), *(["replayed"] if replayed else [])]
        case StructuredOutput(value=value):
            words = ["structured", repr(value)]
        case Interrupt(id=id, kind=kind, value=value):
            words = ["interrupt", id, kind, repr(value)]
        case Custom(data=data):
            words = ["custom", repr(data)]
        case Raw(mode=mode, data=data):
            words = ["raw", mode, repr(data)]
        case TurnEnd(outcome=outcome, error=error, interrupts=interrupts, open_calls=open_calls):
            words = ["end", outcome, *([error.code] if error else []), *interrupts]
            words += [f"open={call.id}" for call in open_calls]
        case _:
            words = [repr(event)]
    if getattr(event, "partial", False):
        words.append("partial")
    return " ".join(words)
