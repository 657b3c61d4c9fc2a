"""Knows how the messages of a transcript read as those of AG-UI, for a `MESSAGES_SNAPSHOT`.

The ids are those of the stream: see `Names`. A message becomes up to three kinds: a `reasoning` message for each span
of its thinking, itself, and an `activity` for each block that is not text. The results of its calls are `tool`
messages, and stand where they were told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, TypeAlias

from langwire.adapters.agui._names import Names
from langwire.adapters.agui._parts import parts_of
from langwire.adapters.agui.events import FunctionCall, ToolCall
from langwire.adapters.agui.events import Message as Said
from langwire.core._guards import is_list, is_mapping
from langwire.core._messages import CONTEXT
from langwire.core.codec import jsonable
from langwire.core.transcript import Call, Message, Strand, Transcript
from langwire.events import Media

Numbered: TypeAlias = "tuple[int, Said]"
"""A message with the number of what it was told of: see `Message.number`."""

_ROLES = frozenset({"assistant", "user", "system", "developer"})


def messages_of(history: Transcript, hidden: Set[str] = frozenset()) -> list[Said]:
    """Return the messages that a thread holds, as its history tells them, but for those whose ids are `hidden`."""
    names = Names()
    said: list[Numbered] = []
    for message in history.state_messages():
        if message.message_id in hidden:
            continue
        id = names.message(message.lane, message.message_id)
        call = names.call if message.role == "tool" else names.new_call
        said += said_in(message, id, names.thought, lambda made, name=call: name(made.id, made.call_id), None)
    return in_order(said)


def said_in(
    message: Message,
    id: str,
    thought: Callable[[str], str],
    call_name: Callable[[Call], str],
    subagent: str | None,
) -> Iterator[Numbered]:
    """Yield what a message says, as messages of AG-UI, for `in_order`; `id` is its id on the wire.

    `thought` gives the id of its next span of thinking, `call_name` that of a call.
    """
    if message.role == CONTEXT:  # for the model, not for a reader
        return
    calls = [(call_name(call), call) for call in message.calls]
    for said in _spoken(message, id, thought, calls, subagent):
        yield message.number, said
    if message.role != "user":
        for media in message.media:
            yield message.number, _shown(media, subagent)
    for name, call in calls:
        yield from _result(name, call, subagent)


def in_order(said: Iterable[Numbered]) -> list[Said]:
    """Return messages in the order in which they were first told."""
    return [message for _, message in sorted(said, key=lambda numbered: numbered[0])]


def _spoken(
    message: Message, id: str, thought: Callable[[str], str], calls: list[tuple[str, Call]], subagent: str | None
) -> Iterator[Said]:
    """Yield a message, which stands where its first text does, amid its thinking."""
    silent = message.role == "tool" and bool(calls)  # a result whose call is not known: that is all it says
    for strand in message.strands:
        if strand.kind == "reasoning":
            yield _thought(strand, thought(id), subagent)
        elif not silent:
            silent = True
            yield _itself(message, id, calls, subagent)
    if not silent and (calls or message.replaced or message.role == "user"):
        yield _itself(message, id, calls, subagent)


def _thought(strand: Strand, id: str, subagent: str | None) -> Said:
    sealed = strand.encrypted or strand.signature
    return Said(id=id, role="reasoning", content=strand.text, encrypted_value=sealed, subagent_run_id=subagent)


def _shown(media: Media, subagent: str | None) -> Said:
    return Said(
        id=media_id(media),
        role="activity",
        activity_type="media",
        content=media_content(media),
        subagent_run_id=subagent,
    )


def _itself(message: Message, id: str, calls: list[tuple[str, Call]], subagent: str | None) -> Said:
    text = message.text + ("" if message.replaced else message.refusal)
    if message.role == "user":
        return Said(id=id, role="user", content=_user_content(message, text), subagent_run_id=subagent)
    known = message.role in _ROLES
    return Said(
        id=id,
        role=message.role if known else "assistant",  # pyright: ignore[reportArgumentType]  one of _ROLES
        name=None if known else message.role,
        content=text if text or not calls else None,
        tool_calls=[_call(name, call) for name, call in calls] or None,
        subagent_run_id=subagent,
    )


def _user_content(message: Message, text: str) -> str | list[dict[str, Any]]:
    if not message.media:
        return text
    blocks = [block_of(media) for media in message.media]
    return parts_of([*([{"type": "text", "text": text}] if text else []), *blocks])


def _call(name: str, call: Call) -> ToolCall:
    arguments = call.args_text
    if not arguments and call.args is not None:
        arguments = json.dumps(jsonable(call.args), ensure_ascii=False)
    return ToolCall(id=name, function=FunctionCall(name=call.name, arguments=arguments))


def _result(name: str, call: Call, subagent: str | None) -> Iterator[Numbered]:
    result = call.result
    if result is None or result.removed:
        return
    content = result_content(result.content)
    said = Said(
        id=(None if call.provider else result.message_id) or result_id(name),
        role="tool",
        content=content,
        tool_call_id=name,
        error=(content if isinstance(content, str) else "the tool failed") if result.status == "error" else None,
        subagent_run_id=subagent,
    )
    yield result.number, said


# ------------------------------------------------------------------ what a stream and a snapshot say alike


def result_content(content: Any, *, as_text: bool = False) -> str | list[dict[str, Any]]:
    """Return what a tool answered as text or content parts; `as_text` for clients that know text alone."""
    parts = parts_of(content)
    if not parts and _is_data(content):  # what a provider's own tool found, for one
        parts = json.dumps(jsonable(content), ensure_ascii=False)
    return json.dumps(parts, ensure_ascii=False) if as_text and not isinstance(parts, str) else parts


def _is_data(content: Any) -> bool:
    """Whether content holds something else than text."""
    blocks = content if is_list(content) else [content]
    return any(is_mapping(block) and block.get("type") != "text" for block in blocks)


def result_id(call: str) -> str:
    """Return the id of a result that has no message of its own; `call` is the call's id on the wire."""
    return f"{call}:result"


def media_id(media: Media) -> str:
    """Return the id of the activity that shows a block which is not text."""
    return f"{media.id}:media"


def media_content(media: Media) -> dict[str, Any]:
    """Return what that activity shows."""
    content = {"kind": media.kind, "mimeType": media.mime, "data": media.data, "url": media.ref, "block": media.block}
    return jsonable({name: value for name, value in content.items() if value is not None})


def block_of(media: Media) -> Any:
    """Return the content block of LangChain that a block was."""
    if media.block is not None:
        return media.block
    block = {"type": media.kind, "mime_type": media.mime, "base64": media.data}
    if media.ref is not None:
        block["url" if ":" in media.ref else "file_id"] = media.ref
    return {name: value for name, value in block.items() if value is not None}
