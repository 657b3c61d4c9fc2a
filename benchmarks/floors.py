"""The least that can be done with a stream: take out what was said, and put it on a wire.

Each floor is the loop an application would write by hand for one kind of chunk; it knows no messages, no endings
and no other chunks than those of its stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from langchain_core.messages import AIMessageChunk

Floor: TypeAlias = Callable[[Sequence[Any]], list[str]]


def text(chunks: Sequence[Any]) -> list[str]:
    """Take the text of messages whose content is a string."""
    return [data[0].content for _, mode, data in chunks if mode == "messages"]


def v2_text(chunks: Sequence[Any]) -> list[str]:
    """Take the same out of v2 parts."""
    return [part["data"][0].content for part in chunks if part["type"] == "messages"]


def blocks(chunks: Sequence[Any]) -> list[str]:
    """Take text and thinking out of content blocks."""
    return [
        block.get("text") or block.get("thinking") or ""
        for _, mode, data in chunks
        if mode == "messages"
        for block in data[0].content
    ]


def arguments(chunks: Sequence[Any]) -> list[str]:
    """Take the fragments of arguments, and the text of results."""
    said: list[str] = []
    for _, mode, data in chunks:
        if mode == "messages":
            message = data[0]
            if type(message) is AIMessageChunk:
                said += [call["args"] or "" for call in message.tool_call_chunks]
            else:
                said.append(message.content)
    return said


def newest(chunks: Sequence[Any]) -> list[str]:
    """Take the text of the message that each state adds to the one before."""
    return [data["messages"][-1].content for _, _, data in chunks[1:]]


_encode = msgspec.json.Encoder().encode


def frames(said: list[str]) -> list[bytes]:
    """Put each piece into one frame of server-sent events, as JSON."""
    return [b"data: " + _encode({"text": piece}) + b"\n\n" for piece in said]
