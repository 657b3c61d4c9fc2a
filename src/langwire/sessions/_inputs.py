"""Knows what a person may send to a session: text, content blocks, messages, or whatever else the graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from langchain_core.messages import convert_to_messages
from langchain_core.messages.content import KNOWN_BLOCK_TYPES

from langwire.core._guards import is_list, is_mapping
from langwire.core._messages import CONTEXT
from langwire.core._updates import as_messages
from langwire.core.codec import jsonable
from langwire.errors import InputTooLarge, InvalidInput

_TITLE = 80
"""How long the title of a thread gets, in characters."""
_PROVIDERS = frozenset({"image_url", "input_audio", "document", "search_result", "media"})
"""Block types that providers take and LangChain has no word for."""


def read_input(given: Any, context_lines: Sequence[str], max_bytes: int) -> Any:
    """Return what goes to the graph for what a person sent.

    `context_lines` become a message of their own before the person's, with the role `context` on the wire: they are
    for the model, and never mixed into what the person said. Raises `InvalidInput` or `InputTooLarge`.
    """
    lines: list[Any] = list(context_lines)
    if isinstance(context_lines, str) or not all(isinstance(line, str) for line in lines):
        raise InvalidInput("context_lines came as one string, or hold something else: expected a list of strings")
    messages = _messages(given)
    _refuse_unreadable(messages if messages is not None else given.get("messages") if is_mapping(given) else None)
    size = len(msgspec.json.encode(jsonable([given if messages is None else messages, *context_lines])))
    if size > max_bytes:
        raise InputTooLarge(f"an input of {size} bytes came: expected {max_bytes} at most (max_input_bytes)")
    if not context_lines:
        return messages if is_list(given) and all(map(_is_block, given)) else given
    if messages is None:
        raise InvalidInput("context lines came with an input that is no message: put them into the input itself")
    return [{"role": "user", "name": CONTEXT, "content": "\n".join(context_lines)}, *messages]


def _refuse_unreadable(messages: Any) -> None:
    """Refuse messages of which LangChain makes none: once in a checkpoint, they would fail every later read of it."""
    try:
        convert_to_messages(list(messages) if is_list(messages) else [messages] if messages is not None else [])
    except Exception as error:
        raise InvalidInput(
            f"messages came that LangChain cannot read ({type(error).__name__}): expected a role it knows and a content"
        ) from None


def title_of(given: Any) -> str | None:
    """Return the first line of what a person said, to name a thread by; None where there is none."""
    messages = _messages(given) or ()
    for message in messages:
        content = message.get("content") if is_mapping(message) else getattr(message, "content", None)
        blocks = content if is_list(content) else [content]
        for block in blocks:
            text = block.get("text") if is_mapping(block) else block
            if isinstance(text, str) and text.strip():
                return text.strip().splitlines()[0][:_TITLE]
    return None


def _messages(given: Any) -> list[Any] | None:
    """Return an input as messages; None for what is something else."""
    if isinstance(given, str):
        if not given.strip():
            raise InvalidInput("an empty message came: say something to the agent")
        return [{"role": "user", "content": given}]
    if is_list(given) and not given:
        raise InvalidInput("an empty list came: expected messages, or the content blocks of one")
    if is_list(given) and all(map(_is_block, given)):
        return [{"role": "user", "content": _checked(cast("Sequence[Mapping[str, Any]]", given))}]
    messages = as_messages(given)
    return None if messages is None else list(messages)


def _is_block(item: Any) -> bool:
    return is_mapping(item) and "type" in item and "role" not in item and "content" not in item


def _checked(blocks: Sequence[Mapping[str, Any]]) -> list[Any]:
    kinds = [str(block["type"]) for block in blocks]
    unknown = sorted({kind for kind in kinds if kind not in KNOWN_BLOCK_TYPES | _PROVIDERS})
    if unknown:
        raise InvalidInput(
            f"content blocks of an unknown kind came ({', '.join(unknown):.200}): "
            "expected text, image, audio, video, file"
        )
    if not any(kind != "text" or str(block.get("text", "")).strip() for kind, block in zip(kinds, blocks, strict=True)):
        raise InvalidInput("content blocks without any content came: say something to the agent")
    return list(blocks)
