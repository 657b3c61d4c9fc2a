"""Chunk streams in memory, shaped as LangGraph yields them for `["messages", "updates"]` with subgraphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.tool import tool_call_chunk


def _about(number: int) -> dict[str, Any]:
    return {
        "langgraph_node": "model",
        "langgraph_checkpoint_ns": f"model:task-{number}",
        "ls_model_type": "chat",
        "ls_provider": "scripted",
    }


def chat(tokens: int = 10_000) -> list[Any]:
    """One long answer."""
    about = _about(0)
    chunks: list[Any] = [
        ((), "messages", (AIMessageChunk(content=f"word{number} ", id="m1"), about)) for number in range(tokens)
    ]
    chunks.append(((), "messages", (AIMessageChunk(content="", id="m1", chunk_position="last"), about)))
    whole = AIMessage("".join(f"word{number} " for number in range(tokens)), id="m1")
    chunks.append(((), "updates", {"model": {"messages": [whole]}}))
    return chunks


def tools(calls: int = 50, fragments: int = 40) -> list[Any]:
    """Many calls, their arguments streamed in fragments, each with its result."""
    chunks: list[Any] = []
    for number in range(calls):
        about, id, call_id = _about(number), f"m{number}", f"c{number}"
        text = '{"text": "' + "x" * (fragments - 1) + '"}'
        pieces = [text[:10], *text[10:-2], text[-2:]]
        for place, piece in enumerate(pieces):
            call = tool_call_chunk(name=None if place else "write", args=piece, id=None if place else call_id, index=0)
            chunks.append(((), "messages", (AIMessageChunk(content="", id=id, tool_call_chunks=[call]), about)))
        chunks.append(((), "messages", (AIMessageChunk(content="", id=id, chunk_position="last"), about)))
        made = {"name": "write", "args": {"text": "x" * (fragments - 1)}, "id": call_id, "type": "tool_call"}
        chunks.append(((), "updates", {"model": {"messages": [AIMessage("", id=id, tool_calls=[made])]}}))
        result = ToolMessage("ok", tool_call_id=call_id, name="write", id=f"r{number}")
        chunks.append(((), "messages", (result, _about(number))))
        chunks.append(((), "updates", {"tools": {"messages": [result]}}))
    return chunks


def reasoning(tokens: int = 3_000) -> list[Any]:
    """Thinking in blocks, then an answer in blocks."""
    about = _about(0)
    blocks = [[{"type": "thinking", "thinking": "hm ", "index": 0}]] * tokens
    blocks += [[{"type": "text", "text": "so ", "index": 1}]] * tokens
    chunks: list[Any] = [((), "messages", (AIMessageChunk(content=list(b), id="m1"), about)) for b in blocks]
    chunks.append(((), "messages", (AIMessageChunk(content="", id="m1", chunk_position="last"), about)))
    return chunks


def subgraphs(tokens: int = 2_000, depth: int = 3) -> list[Any]:
    """An answer in each of several nested lanes."""
    chunks: list[Any] = []
    lane: tuple[str, ...] = ()
    for level in range(depth):
        lane = (*lane, f"child:task-{level}")
        about = {**_about(level), "langgraph_checkpoint_ns": "|".join([*lane, f"model:inner-{level}"])}
        id = f"m{level}"
        chunks += [(lane, "messages", (AIMessageChunk(content="word ", id=id), about)) for _ in range(tokens)]
        chunks.append((lane, "messages", (AIMessageChunk(content="", id=id, chunk_position="last"), about)))
        chunks.append((lane, "updates", {"model": {"messages": [AIMessage("word " * tokens, id=id)]}}))
    return chunks


STREAMS: dict[str, Callable[[], list[Any]]] = {
    "chat": chat,
    "tools": tools,
    "reasoning": reasoning,
    "subgraphs": subgraphs,
}
