"""Knows how an event is written as JSON and read back, and what becomes of values that JSON has no form for.

An event is one flat JSON object in strict UTF-8: its `type`, then its fields; fields that hold their default are
left out. Plain values (`None`, `bool`, `int`, `float`, `str`, lists, tuples and string-keyed dicts of these) are
written as they are by msgspec. Everything else takes the longer road over `jsonable`, by this table:

| value | becomes |
|---|---|
| NaN, Infinity | `null` |
| an integer too long for Python to print (4,300 digits) | `{"$int": "0x…"}` |
| lone surrogates in text | U+FFFD; two that make a pair are joined |
| keys that are no text | their JSON text (`1`, `null`, `[1,"a"]`); a second equal key gets `~2`, a third `~3` |
| `datetime`, `date`, `time` | ISO 8601 |
| `timedelta` | seconds |
| `Decimal`, `UUID`, paths | text |
| `bytes`, `bytearray`, `memoryview` | `{"$bytes": "<base64>"}` |
| `complex` | `{"$complex": [real, imaginary]}` |
| `range` | `{"$range": [start, stop, step]}` |
| `Enum` | its value |
| `tuple`, `deque` | a list |
| `set`, `frozenset` | a list, ordered by the JSON text of its items |
| named tuples, dataclasses, msgspec structs, LangGraph's `Send` | an object of their fields |
| what has `model_dump` (pydantic models, LangChain messages) | what that returns |
| what has `tolist` (numpy arrays and scalars) | what that returns |
| other mappings | an object |
| subclasses of the types above | as their base |
| exceptions | `{"$error": "<class name>"}`, never the text: it may hold secrets |
| anything else, and whatever raises while it is read | `{"$type": "<class name>"}`, never a `repr` |
| a container inside itself | `{"$cycle": "<class name>"}` |
| a container more than 64 levels down | `{"$deep": "<class name>"}` |
| one container repeated in a value over 1,000,000 times | `{"$repeated": "<class name>"}` |
| a field above `max_value_bytes` | `{"$truncated": {"bytes": <size of its JSON>, "preview": "<its beginning>"}}` |

Every mark is an object with one key that begins with `$`. Marks tell a reader what was there; they are not read back.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeAlias, TypeVar, get_args
from uuid import UUID

import msgspec

from langwire.errors import StreamError
from langwire.events import Entry, Event, Media

MAX_DEPTH = 64
MAX_REPEATS = 1_000_000
PREVIEW_CHARACTERS = 2_000

_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode
_STRING = frozenset({str})
_SCALARS = frozenset({type(None), bool, int, float, str})


class _Stamp(msgspec.Struct):
    seq: int
    at_ms: int


_EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_STAMP = msgspec.json.Decoder(_Stamp)
_BUILTINS = msgspec.json.Decoder(dict[str, Any])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# A JSON text up to its end, or up to an escape that was cut in two.
_TEXT = re.compile(r'^"(?:[^"\\]+|\\u.{4}|\\[^u])*')
_RECORDS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def _takes_any(kind: Any) -> bool:
    """Return whether a field of this type can hold a value of foreign make, itself or further in."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return any(_takes_any(field.type) for field in msgspec.structs.fields(kind))
    return kind is Any or any(_takes_any(part) for part in get_args(kind))


_VALUE_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in msgspec.structs.fields(kind) if _takes_any(field.type))
    for kind in get_args(Event)
}
# Of these, the fields that are lists of records with the foreign value in `args`.
_RECORD_FIELDS = frozenset({"actions", "open_calls"})


# ------------------------------------------------------------------ events to JSON


def encode(event: Event, *, max_value_bytes: int | None = None) -> bytes:
    """Write an event as one flat JSON object, without a line break.

    Never raises an `Exception`, whatever values the event holds. With `max_value_bytes`, each value of foreign make
    (content, artifact, data, args, each form of a display and the like) whose JSON has more bytes is replaced by a
    `$truncated` mark; deltas and the texts of messages are never cut. Media that is too large loses its `data`, and
    its `block` holds the mark.
    """
    names = _VALUE_FIELDS[type(event)]
    try:
        if not names:
            return _encode(event)
        plain = all(_is_plain(getattr(event, name)) for name in names)
        line = _encode(event if plain else jsonable(event))
    except Exception:  # lone surrogates, huge integers, a value that changes or raises while it is looked at
        line = _encode(jsonable(event))
    if max_value_bytes is None or len(line) <= max_value_bytes:
        return line
    return _shorten(line, names, max_value_bytes, media=isinstance(event, Media))


def encode_entry(entry: Entry, *, max_value_bytes: int | None = None) -> bytes:
    """Write a log's entry as one flat JSON object: `seq` and `at_ms`, then the event's own fields as in `encode`."""
    line = encode(entry.event, max_value_bytes=max_value_bytes)
    return b'{"seq":%d,"at_ms":%d,%b' % (entry.seq, entry.at_ms, line[1:])


def to_dict(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event as plain Python data: what `json.loads(encode(event))` gives."""
    return _BUILTINS.decode(encode(event))


def _is_plain(value: object) -> bool:
    """Return whether msgspec writes `value` by the table above: exact JSON types, nothing met twice, not too deep.

    Types are compared a whole container at a time, so that leaves cost next to nothing.
    """
    if type(value) in _SCALARS:
        return True
    level: list[Any] = [value]
    met: set[int] = set()
    count = 0
    for _ in range(MAX_DEPTH - 1):
        met.update(map(id, level))
        count += len(level)
        if len(met) < count:
            return False
        deeper: list[Any] = []
        for container, kind in zip(level, map(type, level), strict=True):
            if kind is dict and _STRING.issuperset(map(type, container)):
                members = container.values()
            elif kind is list or kind is tuple:
                members = container
            else:
                return False
            if not _SCALARS.issuperset(map(type, members)):
                deeper += [member for member in members if type(member) not in _SCALARS]
        if not deeper:
            return True
        level = deeper
    return False


# ------------------------------------------------------------------ size


def _shorten(line: bytes, names: Iterable[str], limit: int, *, media: bool) -> bytes:
    """Replace the values of a written event that are above the limit, without looking into them."""
    fields: dict[str, Any] = _FIELDS.decode(line)
    if media and len(memoryview(fields.get("data", b""))) > limit:
        fields["block"] = fields.pop("data")
    for name in names:
        if name in _RECORD_FIELDS and name in fields:
            fields[name] = [_shorten_field(record, "args", limit) for record in _RECORDS.decode(fields[name])]
        elif name == "bundle" and memoryview(fields[name])[0] == ord("{"):  # the small forms of a display stay
            bundle = fields[name] = _FIELDS.decode(fields[name])
            for form in bundle:
                _shorten_field(bundle, form, limit)
        else:
            _shorten_field(fields, name, limit)
    return _encode(fields)


def _shorten_field(fields: dict[str, Any], name: str, limit: int) -> dict[str, Any]:
    raw = memoryview(fields.get(name, b""))
    if len(raw) > limit:
        fields[name] = {"$truncated": {"bytes": len(raw), "preview": _preview(raw, limit)}}
    return fields


def _preview(raw: memoryview, limit: int) -> str:
    """Return the beginning of a text, or of the JSON of anything else."""
    length = min(PREVIEW_CHARACTERS, limit)
    head = bytes(raw[: 6 * length + 1]).decode("utf-8", "ignore")  # JSON has at most 6 bytes for a character
    for text in _TEXT.findall(head):
        return msgspec.json.decode(f'{text}"', type=str)[:length]
    return head[:length]


# ------------------------------------------------------------------ JSON to events


def decode(data: bytes | str) -> Event:
    """Read one event. Fields that this version does not know are ignored.

    Raises `StreamError` when the line is no JSON object, or none of a type that this version knows.
    """
    return _read(_EVENT, data)


def decode_entry(data: bytes | str) -> Entry:
    """Read one entry of a log, as `encode_entry` writes it.

    Raises `StreamError` like `decode`, and when `seq` or `at_ms` is missing.
    """
    stamp = _read(_STAMP, data)
    return Entry(seq=stamp.seq, at_ms=stamp.at_ms, event=decode(data))


def _read(decoder: msgspec.json.Decoder[_T], data: bytes | str) -> _T:
    try:
        return decoder.decode(data)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = f"{error!s:.200}"
    raise StreamError(
        f"cannot read {data[:80]!a} as a langwire event: {reason}; "
        "expected one JSON object whose `type` this version knows"
    )


# ------------------------------------------------------------------ any value to JSON data


def jsonable(value: Any) -> Any:
    """Return `value` as plain JSON data (None, bool, int, float, str, list, dict), by the table of this module.

    Takes any Python value, never raises an `Exception`, and never changes or keeps what it is given.
    """
    return _Walk().read(value, 0)


class _Walk:
    """One pass over one value: remembers where it is and what it has met."""

    __slots__ = ("_met", "_path", "_repeats", "_rules")

    def __init__(self) -> None:
        self._path: set[int] = set()
        self._met: dict[int, object] = {}  # holds what it has met, so that no id is used again
        self._repeats = 0
        self._rules: dict[type, tuple[_Leaf | None, _Reader | None]] = {}

    def read(self, value: object, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        # Whatever a foreign object raises here (from __iter__, model_dump, isoformat, …) costs that object alone.
        try:
            if kind not in self._rules:
                self._rules[kind] = _leaf_of(kind), _reader_of(kind)
            leaf, reader = self._rules[kind]
            if leaf is not None:
                return leaf(value)
            mark = "$type" if reader is None else self._mark(id(value), depth)
            return self._open(reader, value, depth + 1) if reader and not mark else {mark: _name_of(kind)}
        except Exception:
            return {"$type": _name_of(kind)}

    def _open(self, reader: _Reader, value: Any, depth: int) -> Any:
        self._met[id(value)] = value
        self._path.add(id(value))
        try:
            return reader(self, value, depth)
        finally:
            self._path.discard(id(value))

    def _mark(self, identity: int, depth: int) -> str | None:
        """Return the mark that stands for a container instead of its content, if one has to."""
        if identity in self._path:
            return "$cycle"
        if depth >= MAX_DEPTH:
            return "$deep"
        self._repeats += identity in self._met
        return "$repeated" if self._repeats > MAX_REPEATS else None

    def members(self, value: Iterable[Any], depth: int) -> list[Any]:
        # From a copy: another thread may be writing. No comprehension: on Python 3.11 it is a stack frame more a level.
        result: list[Any] = []
        for member in list(value):
            result.append(self.read(member, depth))
        return result

    def unordered(self, value: Iterable[Any], depth: int) -> list[Any]:
        return sorted(self.members(value, depth), key=_encode)

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return self.record(list(value.items()), depth)

    def record(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        uses: dict[str, int] = {}
        for key, member in pairs:
            name = free = self._key(key, depth)
            while free in result:
                uses[name] = uses.get(name, 1) + 1
                free = f"{name}~{uses[name]}"
            result[free] = self.read(member, depth)
        return result

    def _key(self, key: Any, depth: int) -> str:
        read = self.read(key, depth)
        return read if isinstance(read, str) else _encode(read).decode()

    def sequence(self, value: tuple[Any, ...], depth: int) -> Any:
        names: Any = getattr(type(value), "_fields", None)
        if names is None:
            return self.members(value, depth)
        return self.record(zip(names, value, strict=True), depth)  # a named tuple

    def struct(self, value: msgspec.Struct, depth: int) -> dict[str, Any]:
        config, kind = value.__struct_config__, type(value)
        pairs: list[tuple[str, Any]] = [] if config.tag_field is None else [(config.tag_field, config.tag)]
        defaults = kind.__struct_defaults__
        # msgspec leaves out what *is* the default, and so must this, for an event has one form only.
        padded = (msgspec.NODEFAULT,) * (len(kind.__struct_fields__) - len(defaults)) + defaults
        for field, name, default in zip(kind.__struct_fields__, kind.__struct_encode_fields__, padded, strict=True):
            member = getattr(value, field)
            if not (config.omit_defaults and member is default):
                pairs.append((name, member))
        return self.record(pairs, depth)

    def dataclass(self, value: Any, depth: int) -> dict[str, Any]:
        names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
        return self.record([(name, getattr(value, name)) for name in names], depth)

    def send(self, value: Any, depth: int) -> dict[str, Any]:
        return self.record([("node", value.node), ("arg", value.arg)], depth)

    def enum(self, value: Enum, depth: int) -> Any:
        return self.read(value.value, depth)

    def model(self, value: Any, depth: int) -> Any:
        try:
            # A field that holds another type than it declares is no reason to warn here: it is only shown.
            dumped = value.model_dump(warnings=False)
        except TypeError:
            dumped = value.model_dump()
        return self.read(dumped, depth)

    def array(self, value: Any, depth: int) -> Any:
        return self.read(value.tolist(), depth)


_Leaf: TypeAlias = Callable[[Any], Any]
_Reader: TypeAlias = Callable[[_Walk, Any, int], Any]


def _leaf_of(kind: type[Any]) -> _Leaf | None:
    """Return how to write a value of this class that holds no other values, or None when it may hold some."""
    for base, leaf in _LEAVES:
        if issubclass(kind, base) and not issubclass(kind, Enum):
            return leaf
    return None


def _reader_of(kind: type[Any]) -> _Reader | None:
    """Return how to read a container of this class, or None where there is nothing to read."""
    for base, reader in _CONTAINERS:
        if issubclass(kind, base):
            return reader
    for attribute, reader in _DUCKS:
        if hasattr(kind, attribute):  # asked of the class: an instance may answer to any name
            return reader
    if _name_of(kind) == "Send" and kind.__module__ == "langgraph.types":
        return _Walk.send
    return _Walk.mapping if issubclass(kind, Mapping) else None


_CONTAINERS: tuple[tuple[type | tuple[type, ...], _Reader], ...] = (
    (Enum, _Walk.enum),
    (dict, _Walk.mapping),
    ((list, deque), _Walk.members),
    (tuple, _Walk.sequence),
    ((set, frozenset), _Walk.unordered),
    (msgspec.Struct, _Walk.struct),
)
_DUCKS: tuple[tuple[str, _Reader], ...] = (
    ("model_dump", _Walk.model),
    ("__dataclass_fields__", _Walk.dataclass),
    ("tolist", _Walk.array),
)


def _text(value: str) -> str:
    text = str.__str__(value)  # of a subclass, the plain text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _integer(value: int) -> Any:
    number = int.__int__(value)
    try:
        _encode(number)
    except ValueError:
        return {"$int": hex(number)}
    return number


def _float(value: float) -> float | None:
    number = float.__float__(value)
    return number if abs(number) < float("inf") else None


def _bytes(value: bytes | bytearray | memoryview) -> dict[str, str]:
    return {"$bytes": base64.b64encode(bytes(value)).decode()}


def _error(value: BaseException) -> dict[str, str]:
    return {"$error": _name_of(type(value))}


_LEAVES: tuple[tuple[type | tuple[type, ...], _Leaf], ...] = (
    (str, _text),
    (int, _integer),
    (float, _float),
    ((datetime, date, time), lambda value: _text(value.isoformat())),
    (timedelta, lambda value: _float(value.total_seconds())),
    ((Decimal, UUID, PurePath), lambda value: _text(str(value))),
    ((bytes, bytearray, memoryview), _bytes),
    (complex, lambda value: {"$complex": [_float(value.real), _float(value.imag)]}),
    (range, lambda value: {"$range": [_integer(value.start), _integer(value.stop), _integer(value.step)]}),
    (BaseException, _error),
)
# Read past the metaclass, which may say anything or raise.
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
