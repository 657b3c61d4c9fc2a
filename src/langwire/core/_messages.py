"""Knows what LangChain messages hold, and nothing of where they came from.

A message is read through its fields, so that a message object and the plain dict of a remote graph take the
same path: both have `type`, `content`, `id`, `tool_call_chunks` and the rest under the same names. Providers
put text, thinking, media and their own tools into content blocks of many shapes; `BLOCKS` is the table of them.

`content_blocks` is not used: on a chunk it drops tool call fragments that stand beside text, and it costs
twenty times the reading of the fields.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from langwire.core._guards import is_list, is_mapping

Fields: TypeAlias = Mapping[str, Any]
Block: TypeAlias = Mapping[str, Any]
ToolCall: TypeAlias = tuple[str | None, str, Any, str | None]

_ROLES = {
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "human": "user",
    "HumanMessageChunk": "user",
    "system": "system",
    "SystemMessageChunk": "system",
    "developer": "developer",
    "function": "function",
    "FunctionMessageChunk": "function",
    "tool": "tool",
    "ToolMessageChunk": "tool",
    "remove": "remove",
}
STREAMING = frozenset({"AIMessageChunk", "ChatMessageChunk"})
"""The types of the chunks that models stream."""

_CHUNK_FIELDS: Fields = {
    "additional_kwargs": None,
    "chunk_position": None,
    "id": None,
    "response_metadata": None,
    "tool_call_chunks": None,
    "usage_metadata": None,
}
_CHAT = frozenset({"chat", "ChatMessageChunk"})
_COERCED_TYPES = {"assistant": "ai", "user": "human"}

# ------------------------------------------------------------------ which values are messages


def fields_of(value: Any) -> Fields | None:
    """Return a message's fields, or None when `value` is no message."""
    if value.__class__ is dict:
        return value if "id" in value and _is_message_dict(value) else None
    return value.__dict__ if _is_message_class(value.__class__) else None


def streaming_fields(message: Any) -> Fields:
    """Return the fields of an item of the `messages` mode, with all that a token chunk of a model has.

    A remote graph's dict and the chunks of other roles lack some.
    """
    fields: Fields = message if message.__class__ is dict else message.__dict__
    return fields if fields.keys() >= _CHUNK_FIELDS.keys() else {**_CHUNK_FIELDS, **fields}


@lru_cache(maxsize=512)
def _is_message_class(cls: type) -> bool:
    base = _loaded_class("langchain_core.messages.base", "BaseMessage")
    return base is not None and issubclass(cls, base)


def coerce(value: Any) -> Fields | None:
    """Return the fields of anything that LangGraph's `add_messages` takes for a message, else None.

    Beside messages these are `{"role": …, "content": …}`, `(role, content)` and a bare string.
    """
    fields = fields_of(value)
    if fields is not None:
        return fields
    match value:
        case str():
            return {"type": "human", "content": value}
        case {"type": str(), "content": _} if _is_message_dict(value):
            return value
        case {"role": str(role), "content": content}:
            return {**value, "type": _COERCED_TYPES.get(role, role), "content": content}
        case (str(role), content) if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return {"type": _COERCED_TYPES.get(role, role), "content": content}
        case [str(role), content] if role in _COERCED_TYPES or role in _ROLES:  # a pair that came over a wire
            return {"type": _COERCED_TYPES.get(role, role), "content": content}
        case _:
            return None


def overwritten(value: Any) -> tuple[bool, Any]:
    """Return whether `value` is LangGraph's `Overwrite`, and what it holds (or `value` itself)."""
    if is_list(value):
        return False, value
    overwrite = _loaded_class("langgraph.types", "Overwrite")
    if overwrite is not None and isinstance(value, overwrite):
        return True, getattr(value, "value", None)
    if is_mapping(value) and len(value) == 1 and "__overwrite__" in value:
        return True, value["__overwrite__"]
    if is_mapping(value) and len(value) == 2 and value.get("type") == "__overwrite__" and "value" in value:
        return True, value["value"]
    return False, value


def _loaded_class(module: str, name: str) -> type | None:
    """A class of a library, if the process has loaded it: else no value can be an instance of it."""
    return getattr(sys.modules.get(module), name, None)


def _is_message_dict(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return (
        isinstance(kind, str)
        and isinstance(value.get("id"), str | None)
        and (("content" in value and (kind in _ROLES or kind in _CHAT)) or (kind == "remove" and "id" in value))
    )


# ------------------------------------------------------------------ the fields of one message


CONTEXT = "context"
"""The name of a user message that a person never said: what the application adds for the model. Its role on a wire."""


def role_of(fields: Fields) -> str:
    """Return `assistant`, `user`, `system`, `tool`, `remove`, `context`, or the role that a chat message names."""
    kind = fields["type"]
    if kind in _CHAT:
        return str(fields.get("role") or "user")
    role = _ROLES.get(kind) or str(kind)
    return CONTEXT if role == "user" and fields.get("name") == CONTEXT else role


def text_of(fields: Fields) -> str:
    """Return the message's text: its string content, or its text blocks joined (LangChain's `message.text`)."""
    content = fields.get("content")
    if isinstance(content, str):
        return content
    return "".join(_text_of_block(block) for block in _blocks(content))


def _text_of_block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if is_mapping(block) and _string(block.get("type")) in _TEXT_TYPES:
        return _string(block.get("text"))
    return ""


def _blocks(content: Any) -> Sequence[Any]:
    if is_list(content):
        return content
    return () if content is None else (content,)


def calls_of(fields: Fields) -> list[ToolCall]:
    """Return (call id, name, parsed arguments, their text) of each tool call in a finished message.

    Arguments come parsed, or as text where a message holds them so: an invalid call, a call in OpenAI's form.
    """
    calls: list[ToolCall] = []
    for call in _mappings(fields.get("tool_calls")):
        function = call.get("function")
        if is_mapping(function):
            named, args, text = function, None, _string(function.get("arguments"))
        else:
            named, args, text = call, call.get("args"), None
        calls.append((text_or_none(call.get("id")), _string(named.get("name")), args, text))
    for call in _mappings(fields.get("invalid_tool_calls")):
        calls.append((text_or_none(call.get("id")), _string(call.get("name")), None, _string(call.get("args"))))
    return calls


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if is_mapping(one)] if value and is_list(value) else ()


def model_of(fields: Fields) -> str | None:
    """Return the model's name as the provider reports it."""
    metadata = fields.get("response_metadata")
    return text_or_none(metadata.get("model_name") or metadata.get("model")) if is_mapping(metadata) else None


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def text_or_none(value: Any) -> str | None:
    """Return a string that says something, None for any other value."""
    return value if isinstance(value, str) and value else None


# ------------------------------------------------------------------ content, block by block


class Sink(Protocol):
    """What takes the content of a message apart from its calls, in the order in which it stands there."""

    def text(self, text: str) -> None: ...
    def refusal(self, text: str) -> None: ...
    def reasoning(self, text: str) -> None: ...
    def sign(self, signature: str | None, encrypted: str | None) -> None: ...
    def cite(self, data: Any) -> None: ...
    def media(
        self,
        kind: str,
        *,
        mime: str | None = None,
        data: str | None = None,
        ref: str | None = None,
        block: Any = None,
    ) -> None: ...
    def provider_call(self, slot: Any, call_id: str | None, name: str, args: str | Mapping[str, Any]) -> None: ...
    def provider_result(self, call_id: str | None, *, failed: bool, content: Any) -> None: ...


def read_content(fields: Fields, sink: Sink) -> None:
    """Tell `sink` what a message or chunk holds beside its tool calls: thinking first, then its blocks in order."""
    extra = fields.get("additional_kwargs")
    if extra and is_mapping(extra):
        _read_extra(extra, sink)
    content = fields.get("content")
    if type(content) is not str:
        read_blocks(content, sink)
    elif content:
        sink.text(content)


def read_blocks(content: Any, sink: Sink) -> None:
    """Tell `sink` what the blocks of a content hold; one block may stand alone."""
    for block in content if content.__class__ is list else _blocks(content):
        if block.__class__ is dict or is_mapping(block):
            try:
                read = BLOCKS[block["type"]]
            except (KeyError, TypeError):  # a type that nobody knows, that is missing, or that is no name at all
                read = _other
            read(block, sink)
        elif isinstance(block, str):
            sink.text(block)
        else:
            sink.media("other", block=block)


def _read_extra(extra: Mapping[str, Any], sink: Sink) -> None:
    """What OpenAI-compatible providers put beside the content (DeepSeek, Qwen, xAI, OpenRouter)."""
    thinking = extra.get("reasoning_content") or extra.get("reasoning")
    if isinstance(thinking, str):
        sink.reasoning(thinking)
    elif is_mapping(thinking):
        _reasoning(thinking, sink)
    refusal = extra.get("refusal")
    if isinstance(refusal, str) and refusal:
        sink.refusal(refusal)
    audio = extra.get("audio")
    if is_mapping(audio) and audio.get("data"):
        sink.media("audio", data=_string(audio["data"]))


def _text(block: Block, sink: Sink) -> None:
    text = block.get("text")
    if text and isinstance(text, str):
        sink.text(text)
    if "citations" in block or "annotations" in block:
        for citation in (*_blocks(block.get("citations")), *_blocks(block.get("annotations"))):
            sink.cite(citation)


def _refusal(block: Block, sink: Sink) -> None:
    sink.refusal(_string(block.get("refusal")))


def _thinking(block: Block, sink: Sink) -> None:
    thinking = block.get("thinking")
    if isinstance(thinking, str):
        sink.reasoning(thinking)
    if "signature" in block:
        sink.sign(text_or_none(block["signature"]), None)


def _redacted(block: Block, sink: Sink) -> None:
    sink.sign(None, text_or_none(block.get("data")))


def _reasoning(block: Block, sink: Sink) -> None:
    """OpenAI's summaries, or the standard block of langchain-core."""
    sink.reasoning(_string(block.get("reasoning")) or _string(block.get("text")))
    for part in _mappings(block.get("summary")):
        sink.reasoning(_string(part.get("text")))
    extras = block.get("extras")
    signature = extras.get("signature") if is_mapping(extras) else block.get("signature")
    sink.sign(text_or_none(signature), text_or_none(block.get("encrypted_content")))


def _bedrock(block: Block, sink: Sink) -> None:
    inner = block.get("reasoning_content")
    if is_mapping(inner):
        sink.reasoning(_string(inner.get("text")))
        sink.sign(text_or_none(inner.get("signature")), None)
    else:
        sink.reasoning(_string(inner))


def _told_elsewhere(_block: Block, _sink: Sink) -> None:
    """A tool call: its fragments stand in `tool_call_chunks`, its whole in `tool_calls`."""


def _argument_delta(block: Block, sink: Sink) -> None:
    """Arguments of the tool block with the same index; only a provider's own tool has them here alone."""
    sink.provider_call(block.get("index"), None, "", _string(block.get("partial_json")))


def _provider_call(block: Block, sink: Sink) -> None:
    args = block.get("args") or block.get("input") or ""
    sink.provider_call(block.get("index"), text_or_none(block.get("id")), _string(block.get("name")), args)


def _provider_result(block: Block, sink: Sink) -> None:
    content = next((block[key] for key in ("output", "content") if key in block), None)
    failed = block.get("status") == "error" or bool(block.get("is_error"))
    sink.provider_result(
        text_or_none(block.get("tool_call_id")) or text_or_none(block.get("tool_use_id")),
        failed=failed,
        content=content,
    )


def _responses_call(block: Block, sink: Sink) -> None:
    """A finished call of one of OpenAI's own tools: `web_search_call`, `code_interpreter_call`, `mcp_call`…"""
    kept = {
        key: value for key, value in block.items() if key not in ("type", "id", "status", "index", "output", "results")
    }
    call_id = text_or_none(block.get("id"))
    sink.provider_call(call_id, call_id, _string(block.get("type")).removesuffix("_call"), kept)
    content = block.get("output") or block.get("results")
    if content is not None:
        sink.provider_result(call_id, failed=block.get("status") == "failed", content=content)


def _media(block: Block, sink: Sink) -> None:
    """An image, sound, video or document, in the shapes of langchain-core, OpenAI, Anthropic and Google."""
    kind = _MEDIA_KINDS[_string(block.get("type"))]
    inner = next((block[key] for key in ("source", "image_url", "input_audio", "file") if key in block), block)
    url: Any = inner
    mime, data = None, None
    if is_mapping(inner):
        mime = text_or_none(inner.get("mime_type")) or text_or_none(inner.get("media_type"))
        data = (
            text_or_none(inner.get("base64")) or text_or_none(inner.get("data")) or text_or_none(inner.get("file_data"))
        )
        url = inner.get("url") or inner.get("file_id") or inner.get("file_uri") or inner.get("id")
    if isinstance(url, str) and url.startswith("data:") and ";base64," in url:
        mime, _, data = url.removeprefix("data:").partition(";base64,")
    ref = None if data else text_or_none(url)
    sink.media(kind, mime=mime, data=data, ref=ref, block=None if data or ref else block)


def _other(block: Block, sink: Sink) -> None:
    kind = _string(block.get("type")) or "other"
    if kind.endswith("_call"):
        _responses_call(block, sink)
    elif kind.endswith("_tool_result"):
        _provider_result(block, sink)
    else:
        sink.media(kind, block=block)


_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
_MEDIA_KINDS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "media": "file",
}

BLOCKS: dict[str, Callable[[Block, Sink], None]] = {
    **dict.fromkeys(_TEXT_TYPES, _text),
    **dict.fromkeys(_MEDIA_KINDS, _media),
    **dict.fromkeys(
        ("tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call"), _told_elsewhere
    ),
    "refusal": _refusal,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "reasoning": _reasoning,
    "reasoning_content": _bedrock,
    "input_json_delta": _argument_delta,
    "server_tool_use": _provider_call,
    "mcp_tool_use": _provider_call,
    "server_tool_call": _provider_call,
    "server_tool_call_chunk": _provider_call,
    "server_tool_result": _provider_result,
}
