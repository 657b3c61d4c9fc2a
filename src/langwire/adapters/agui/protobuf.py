"""Knows the binary form of AG-UI 1.0: the number of each event and of each of its fields. Pure: event in, frame out.

A frame is the length of a message, four bytes with the highest first, and the message: an envelope with one field,
whose number says which event it is. The tables below say the rest; a field is `its name=kind(number)`. Values of
foreign make take the road of `jsonable`, as they do in JSON, and travel as `google.protobuf.Value` or `Struct`.

The client makes of a frame what it makes of the event's JSON, with these differences:

| in the event | told in JSON | told in a frame |
|---|---|---|
| an empty list where the list may be missing | is an empty list | is missing |
| a content part, a patch operation, a field of these that 1.0 does not know | the client leaves it out | is missing |
| one of these that it knows, but not in this form | ends the run with an error | is missing |
| the key `__proto__` of foreign make | is a key | the client leaves it out |
| a count of tokens outside ±2^53 | is rounded | is held at ±(2^53 - 1) |

Numbers are doubles, which is what the client makes of any number: an integer over 2^53 is rounded in the same way.
A delta has about half the bytes of its server-sent event, a step a third; a state of many numbers and flags has more
bytes than its JSON, and takes far longer to write.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import inf, isfinite
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from langwire.adapters.agui import events as agui
from langwire.core.codec import jsonable

MEDIA_TYPE = "application/vnd.ag-ui.event+proto"
"""The content type by which the client knows frames. It has to stand alone, without parameters."""


def encode(event: agui.Event) -> bytes:
    """Write an event as one frame.

    Never raises for an event whose fields hold what they declare. The client refuses frames over 10 MiB.
    """
    message = _ENVELOPE[type(event)](event)
    return _SIZE(len(message)) + message


# ------------------------------------------------------------------ the wire


_Writer: TypeAlias = Callable[[Any], bytes]
_Kind: TypeAlias = Callable[[int], _Writer]

_SIZE = struct.Struct(">I").pack
_DOUBLE = struct.Struct("<d").pack
_SAFE = 2**53 - 1


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _sized(number: int) -> _Writer:
    """Return what puts the number of a field and its own length before a text or a message."""
    tag = _varint(number << 3 | 2)
    short = tuple(tag + _varint(length) for length in range(0x80))

    def write(data: bytes) -> bytes:
        length = len(data)
        return (short[length] if length < 0x80 else tag + _varint(length)) + data

    return write


def _text(number: int) -> _Writer:
    # As `_sized`, but without the call: nearly all fields of nearly all events are texts.
    tag = _varint(number << 3 | 2)
    short = tuple(tag + _varint(length) for length in range(0x80))

    def write(text: str) -> bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError:  # half a character
            data = jsonable(text).encode()
        length = len(data)
        return (short[length] if length < 0x80 else tag + _varint(length)) + data

    return write


def _integer(number: int) -> _Writer:
    tag = _varint(number << 3)
    # A negative number is the 64 bits of its two's complement.
    return lambda value: tag + _varint(max(-_SAFE, min(value, _SAFE)) & 0xFFFF_FFFF_FFFF_FFFF)


def _word(*words: str) -> _Kind:
    """Return the kind of a closed set of words, told by their place in it."""
    places = {word: place for place, word in enumerate(words)}

    def kind(number: int) -> _Writer:
        integer = _integer(number)
        return lambda word: integer(places[word])

    return kind


def _many(kind: _Kind) -> _Kind:
    def repeated(number: int) -> _Writer:
        write = kind(number)
        return lambda values: b"".join(map(write, values))

    return repeated


def _record(fields: type[msgspec.Struct], head: bytes = b"", /, **writers: _Writer) -> _Writer:
    """Return the writer of a struct: `head`, then field after field. A field that holds its default is left out."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(fields)}
    rows = [(name, defaults[name], write) for name, write in writers.items()]

    def write(record: msgspec.Struct) -> bytes:
        data = head
        for name, default, write in rows:
            value = getattr(record, name)
            if value is not default:
                data += write(value)
        return data

    return write


def _message(record: _Writer) -> _Kind:
    def kind(number: int) -> _Writer:
        sized = _sized(number)
        return lambda value: sized(record(value))

    return kind


def _one_of(writers: dict[type, _Writer]) -> _Writer:
    """Return the writer of a value that can be of several types, of which each has fields of its own."""
    return lambda value: writers[type(value)](value)


# ------------------------------------------------------------------ values of foreign make


_ENTRY, _KEY, _MEMBER, _ITEM = _sized(1), _sized(1), _sized(2), _sized(1)
_STRING, _MEMBERS, _ITEMS = _sized(3), _sized(5), _sized(6)
_NULL, _NUMBER, _FALSE, _TRUE = b"\x08\x00", b"\x11", b"\x20\x00", b"\x20\x01"


def _json(value: Any) -> bytes:
    return _JSON[type(value)](value)


def _number(value: float) -> bytes:
    try:
        double = float(value)
    except OverflowError:  # an integer over 1.8e308, of which the client makes infinity in JSON too
        double = inf if value > 0 else -inf
    else:
        if not isfinite(double):
            return _NULL
    return _NUMBER + _DOUBLE(double)


def _members(values: dict[str, Any]) -> bytes:
    return b"".join([_ENTRY(_KEY(key.encode()) + _MEMBER(_json(value))) for key, value in values.items()])


def _items(values: list[Any]) -> bytes:
    return b"".join([_ITEM(_json(value)) for value in values])


_JSON: dict[type, _Writer] = {
    type(None): lambda _: _NULL,
    bool: lambda value: _TRUE if value else _FALSE,
    int: _number,
    float: _number,
    str: lambda value: _STRING(value.encode()),
    dict: lambda value: _MEMBERS(_members(value)),
    list: lambda value: _ITEMS(_items(value)),
}


def _foreign(write: _Writer) -> _Kind:
    def writes(value: Any) -> bytes:
        try:
            return write(value)
        except (LookupError, AttributeError, ValueError, RuntimeError):
            # Another type, a key that is no text, half a character, or what is too deep or changes as it is read.
            return write(jsonable(value))

    return _message(writes)


_value, _object = _foreign(_json), _foreign(_members)


# ------------------------------------------------------------------ parts of events: lists of what was made elsewhere


class _Data(msgspec.Struct, tag="data", rename="camel"):
    value: str
    mime_type: str


class _Url(msgspec.Struct, tag="url", rename="camel"):
    value: str
    mime_type: str | UnsetType = UNSET


class _File(msgspec.Struct, tag="file", rename="camel"):
    value: str
    provider: str | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET


class _Part(msgspec.Struct, kw_only=True):
    id: str | UnsetType = UNSET
    metadata: Any = UNSET


class _Text(_Part, tag="text"):
    text: str


class _Image(_Part, tag="image"):
    source: _Data | _Url | _File


class _Audio(_Image, tag="audio"):
    pass


class _Video(_Image, tag="video"):
    pass


class _Document(_Image, tag="document"):
    pass


class _Operation(msgspec.Struct):
    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    source: str | UnsetType = msgspec.field(default=UNSET, name="from")
    value: Any = UNSET


def _known(shape: Any, record: _Writer) -> _Kind:
    """Return the kind of a list of objects of foreign make. What has none of the known shapes is left out."""

    def kind(number: int) -> _Writer:
        sized = _sized(number)

        def write(value: Any) -> bytes:
            try:
                return sized(record(msgspec.convert(value, shape)))
            except ValueError:  # another shape, or a name of one that is no Unicode
                return b""

        return lambda values: b"".join(map(write, values))

    return kind


def _media(kind: type[_Image]) -> _Kind:
    return _message(_record(kind, source=_source(1), metadata=_value(2), id=_text(3)))


_source = _message(
    _one_of(
        {
            _Data: _message(_record(_Data, value=_text(1), mime_type=_text(2)))(1),
            _Url: _message(_record(_Url, value=_text(1), mime_type=_text(2)))(2),
            _File: _message(_record(_File, value=_text(1), provider=_text(2), mime_type=_text(3)))(3),
        }
    )
)
_parts = _known(
    _Text | _Image | _Audio | _Video | _Document,
    _one_of(
        {
            _Text: _message(_record(_Text, text=_text(1), id=_text(2), metadata=_value(3)))(1),
            _Image: _media(_Image)(2),
            _Audio: _media(_Audio)(3),
            _Video: _media(_Video)(4),
            _Document: _media(_Document)(5),
        }
    ),
)
_patch = _known(
    _Operation,
    _record(
        _Operation,
        op=_word("add", "remove", "replace", "move", "copy", "test")(1),
        path=_text(2),
        source=_text(3),
        value=_value(4),
    ),
)


# ------------------------------------------------------------------ parts of events: structs of ours


_usage = _message(
    _record(
        agui.Usage,
        provider=_text(1),
        model=_text(2),
        input_tokens=_integer(3),
        output_tokens=_integer(4),
        total_tokens=_integer(5),
        reasoning_tokens=_integer(6),
        cached_input_tokens=_integer(7),
        cache_write_input_tokens=_integer(8),
    )
)
_question = _message(
    _record(
        agui.Question,
        id=_text(1),
        reason=_text(2),
        message=_text(3),
        tool_call_id=_text(4),
        response_schema=_value(5),
        expires_at=_text(6),
        metadata=_value(7),
        subagent_run_id=_text(8),
    )
)
_tool_call = _message(
    _record(
        agui.ToolCall,
        _text(2)("function"),
        id=_text(1),
        function=_message(_record(agui.FunctionCall, name=_text(1), arguments=_text(2)))(3),
    )
)
_chat_message = _message(
    _record(
        agui.Message,
        id=_text(1),
        role=_text(2),
        content=_one_of({str: _text(3), list: _parts(8), dict: _object(13)}),
        name=_text(4),
        tool_calls=_many(_tool_call)(5),
        tool_call_id=_text(6),
        error=_text(7),
        metadata=_object(9),
        subagent_run_id=_text(10),
        encrypted_value=_text(11),
        activity_type=_text(12),
    )
)
# An outcome is no message: its fields are its event's, and its name is one of them.
_run_outcome = _one_of(
    {
        agui.Success: _record(agui.Success, _text(5)("success"), pending_tool_call_ids=_many(_text)(8)),
        agui.Interrupted: _record(agui.Interrupted, _text(5)("interrupt"), interrupts=_many(_question)(6)),
        agui.Cancelled: _record(agui.Cancelled, _text(5)("cancelled")),
    }
)
_subagent_outcome = _one_of(
    {
        agui.Done: _record(agui.Done, _text(4)("success")),
        agui.Suspended: _record(agui.Suspended, _text(4)("suspended"), interrupt_ids=_many(_text)(5)),
    }
)


# ------------------------------------------------------------------ events


def _event(kind: type[agui.AGUIEvent], number: int, word: int, /, **writers: _Writer) -> tuple[type, _Writer]:
    """Return an event and its writer. `number` is its field in the envelope, `word` its place among the types.

    Field 1 of every event is what all events have: the type and the metadata.
    """
    envelope, common, head = _sized(number), _sized(1), _integer(1)(word)
    bare, metadata, fields = common(head), _object(4), _record(kind, **writers)

    def write(event: agui.AGUIEvent) -> bytes:
        base = bare if event.metadata is None else common(head + metadata(event.metadata))
        return envelope(base + fields(event))

    return kind, write


_ENVELOPE: dict[type, _Writer] = dict(
    (
        _event(
            agui.TextMessageStart, 1, 0, message_id=_text(2), role=_text(3), name=_text(4), subagent_run_id=_text(5)
        ),
        _event(agui.TextMessageContent, 2, 1, message_id=_text(2), delta=_text(3), subagent_run_id=_text(4)),
        _event(agui.TextMessageEnd, 3, 2, message_id=_text(2), subagent_run_id=_text(3)),
        _event(
            agui.ToolCallStart,
            4,
            3,
            tool_call_id=_text(2),
            tool_call_name=_text(3),
            parent_message_id=_text(4),
            subagent_run_id=_text(5),
        ),
        _event(agui.ToolCallArgs, 5, 4, tool_call_id=_text(2), delta=_text(3), subagent_run_id=_text(4)),
        _event(agui.ToolCallEnd, 6, 5, tool_call_id=_text(2), subagent_run_id=_text(3)),
        _event(agui.StateSnapshot, 7, 6, snapshot=_value(2), subagent_run_id=_text(3)),
        _event(agui.StateDelta, 8, 7, delta=_patch(2), subagent_run_id=_text(3)),
        _event(agui.MessagesSnapshot, 9, 8, messages=_many(_chat_message)(2)),
        _event(agui.Raw, 10, 9, event=_value(2), source=_text(3), subagent_run_id=_text(4)),
        _event(agui.Custom, 11, 10, name=_text(2), value=_value(3), subagent_run_id=_text(4)),
        _event(
            agui.RunStarted,
            12,
            11,
            thread_id=_text(2),
            run_id=_text(3),
            parent_run_id=_text(4),
            protocol_version=_text(6),
        ),
        _event(
            agui.RunFinished,
            13,
            12,
            thread_id=_text(2),
            run_id=_text(3),
            result=_value(4),
            outcome=_run_outcome,
            usage=_many(_usage)(7),
        ),
        _event(agui.RunError, 14, 13, code=_text(2), message=_text(3), usage=_many(_usage)(4)),
        _event(agui.StepStarted, 15, 14, step_name=_text(2), subagent_run_id=_text(3)),
        _event(agui.StepFinished, 16, 15, step_name=_text(2), subagent_run_id=_text(3)),
        _event(
            agui.SubagentStarted,
            19,
            16,
            subagent_run_id=_text(2),
            name=_text(3),
            description=_text(4),
            parent_subagent_run_id=_text(5),
            parent_tool_call_id=_text(6),
            parent_message_id=_text(7),
        ),
        _event(agui.SubagentFinished, 20, 17, subagent_run_id=_text(2), result=_value(3), outcome=_subagent_outcome),
        _event(agui.SubagentError, 21, 18, subagent_run_id=_text(2), message=_text(3), code=_text(4)),
        _event(
            agui.ToolCallResult,
            22,
            21,
            subagent_run_id=_text(2),
            message_id=_text(3),
            tool_call_id=_text(4),
            content=_one_of({str: _text(5), list: _parts(7)}),
            role=_text(6),
        ),
        _event(
            agui.ActivitySnapshot,
            23,
            22,
            subagent_run_id=_text(2),
            message_id=_text(3),
            activity_type=_text(4),
            content=_object(5),
            replace=_integer(6),
        ),
        _event(
            agui.ActivityDelta,
            24,
            23,
            subagent_run_id=_text(2),
            message_id=_text(3),
            activity_type=_text(4),
            patch=_patch(5),
        ),
        _event(agui.ReasoningStart, 25, 24, subagent_run_id=_text(2), message_id=_text(3)),
        _event(agui.ReasoningMessageStart, 26, 25, subagent_run_id=_text(2), message_id=_text(3), role=_text(4)),
        _event(agui.ReasoningMessageContent, 27, 26, subagent_run_id=_text(2), message_id=_text(3), delta=_text(4)),
        _event(agui.ReasoningMessageEnd, 28, 27, subagent_run_id=_text(2), message_id=_text(3)),
        _event(agui.ReasoningEnd, 30, 29, subagent_run_id=_text(2), message_id=_text(3)),
        _event(
            agui.ReasoningEncryptedValue,
            31,
            30,
            subagent_run_id=_text(2),
            subtype=_text(3),
            entity_id=_text(4),
            encrypted_value=_text(5),
        ),
    )
)
