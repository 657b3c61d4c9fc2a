"""Knows how the values of a chunk are written as JSON and read back: as real objects, and as the same objects.

The parser tells things apart by identity, and LangGraph writes ids into messages that it has shown. So lists,
dicts, messages and objects that come again are references, and what changed in place meanwhile is said again
under its reference. References hold within one run. What is not plain JSON is an object with a `$` mark:

| form | is |
|---|---|
| `{"$id": 3, …}` | beside any other form of an object that comes again: its number |
| `{"$ref": 3}` | the object that has this number |
| `{"$ref": 3, "$now": …}` | the same; it has changed in place, and this is its form from here on |
| `{"$list": […]}` | a list that comes again |
| `{"$dict": [[key, value], …]}` | a dict with keys that are no text, or begin with `$` |
| `{"$tuple": […]}` | a tuple |
| `{"$message": "AIMessageChunk", …}` | a LangChain message: its class, and the fields that differ from the default |
| `{"$langgraph": "Interrupt", …}` | an `Interrupt`, `Command`, `Send` or `Overwrite`, and its fields |
| `{"$object": "Weather", …}` | a pydantic model or a dataclass: read back as a dataclass of that name |
| `{"$error": "ValueError"}` | an exception, never its text: read back as one with a class of that name |
| `{"$plain": …}` | anything else, as `langwire.core.codec.jsonable` writes it |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from itertools import count
from keyword import iskeyword
from typing import Any, TypeAlias, cast

import msgspec
from langchain_core import messages
from langchain_core.messages import BaseMessage
from langgraph import types
from pydantic import BaseModel

from langwire.core._guards import is_list
from langwire.core.codec import MAX_DEPTH, jsonable

Members: TypeAlias = list[tuple[Any, Any]]
"""What an object holds: (key, index or field; value)."""

_SCALARS = frozenset({type(None), bool, int, float, str})
_LANGGRAPH: dict[type, tuple[str, ...]] = {
    types.Interrupt: ("value", "id", "response_schema"),
    types.Command: ("graph", "update", "resume", "goto"),
    types.Send: ("node", "arg"),
    types.Overwrite: ("value",),
}


class _Shown:
    """An object that was written: its form, the number it gets when it comes again, and what it held then."""

    __slots__ = ("form", "members", "number", "value")

    def __init__(self, value: Any, members: Members) -> None:
        self.value = value  # held, so that no other object can take its place in memory
        self.members = members
        self.form: Any = None
        self.number: int | None = None


def to_json(line: Mapping[str, Any]) -> bytes:
    """Write a line of forms as JSON. To be called when the run is over: only then is known what comes again."""
    return msgspec.json.encode(line, enc_hook=_numbered)


def _numbered(shown: _Shown) -> Any:
    if shown.number is None:
        return shown.form
    return {"$id": shown.number, **({"$list": shown.form} if isinstance(shown.value, list) else shown.form)}


# ------------------------------------------------------------------ objects to forms


class ValueWriter:
    """Writes the values of one run."""

    __slots__ = ("_current", "_nameless", "_numbers", "_shown")

    def __init__(self) -> None:
        self._shown: dict[int, _Shown] = {}
        self._nameless: list[BaseMessage] = []
        self._numbers = count(1)
        self._current: dict[int, bool] = {}
        """Whether an object is as it was shown, for the objects that this line has looked at."""

    def write(self, value: Any) -> Any:
        """Return the form of a value. Never raises an `Exception`."""
        self._current.clear()
        return self._write(value, 0)

    def changed(self) -> list[Any]:
        """Return the messages that were shown without an id and have one now: LangGraph gives it in place."""
        named = [message for message in self._nameless if message.id is not None]
        self._nameless = [message for message in self._nameless if message.id is None]
        return [self.write(message) for message in named]

    def _write(self, value: Any, depth: int) -> Any:
        kind = cast("type[Any]", type(value))
        if kind in _SCALARS:
            return _plain(value)
        if kind is tuple:
            return {"$tuple": [self._write(member, depth + 1) for member in value]}
        if kind in _LANGGRAPH:
            fields = _langgraph_fields(value)
            return {"$langgraph": kind.__name__, **{name: self._write(held, depth + 1) for name, held in fields}}
        if isinstance(value, BaseException):
            return {"$error": kind.__name__}
        members = _members_or_none(value) if depth < MAX_DEPTH else None
        return _plain(value) if members is None else self._object(value, members, depth)

    def _object(self, value: Any, members: Members, depth: int) -> Any:
        shown = self._shown.get(id(value))
        if shown is None:
            shown = self._shown[id(value)] = _Shown(value, members)
            self._current[id(value)] = True
            if isinstance(value, BaseMessage) and value.id is None:
                self._nameless.append(value)
            shown.form = self._form(value, members, depth)
            return shown
        if shown.number is None:
            shown.number = next(self._numbers)
        if self._is_current(value):
            return {"$ref": shown.number}
        shown.members = members
        self._current[id(value)] = True
        return {"$ref": shown.number, "$now": self._form(value, members, depth)}

    def _form(self, value: Any, members: Members, depth: int) -> Any:
        forms = [(key, self._write(member, depth + 1)) for key, member in members]
        if isinstance(value, list):
            return [form for _, form in forms]
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("$") for key, _ in forms):
                return {_plain(key): form for key, form in forms}
            return {"$dict": [[_plain(key), form] for key, form in forms]}
        fields = dict(forms)
        if isinstance(value, BaseMessage):
            return {"$message": _message_class(value).__name__, **fields}
        return {"$object": type(value).__name__, **fields}

    def _is_current(self, value: Any) -> bool:
        """Return whether everything within `value` is as it was when it was shown."""
        kind = cast("type[Any]", type(value))
        if kind is tuple:
            return all(self._is_current(member) for member in value)
        if kind in _LANGGRAPH:
            return all(self._is_current(held) for _, held in _langgraph_fields(value))
        shown = self._shown.get(id(value))
        if shown is None:  # a scalar, or what has no members
            return True
        if id(value) not in self._current:
            self._current[id(value)] = True  # for one that is inside itself
            members = _members_or_none(value) or []
            self._current[id(value)] = _same(members, shown.members) and all(
                self._is_current(member) for _, member in members
            )
        return self._current[id(value)]


def _members_or_none(value: Any) -> Members | None:
    """Return what an object holds, None for one that is written as it is."""
    try:
        return _members(value)
    except Exception:  # foreign objects run foreign code when they are looked at
        return None


def _members(value: Any) -> Members | None:
    if isinstance(value, list):
        return list(enumerate(cast("list[Any]", value)))
    if isinstance(value, dict):
        members = list(cast("dict[Any, Any]", value).items())
        return members if all(type(key) in _SCALARS for key, _ in members) else None
    if isinstance(value, BaseMessage):
        fields = _message_class(value).model_fields
        return [pair for pair in _attributes(value) if pair[0] not in fields or not _is_default(fields, *pair)]
    if isinstance(value, BaseModel):
        return _attributes(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    return None


def _attributes(value: BaseModel) -> Members:
    return [*vars(value).items(), *(value.__pydantic_extra__ or {}).items()]


def _is_default(fields: Mapping[str, Any], name: str, value: Any) -> bool:
    if type(value) not in _SCALARS and (value or type(value) not in (list, dict)):
        return False
    default = fields[name].get_default(call_default_factory=True)
    return type(value) is type(default) and value == default


def _same(now: Members, before: Members) -> bool:
    return len(now) == len(before) and all(
        type(key) is type(key_before) and key == key_before and _is_same(value, value_before)
        for (key, value), (key_before, value_before) in zip(now, before, strict=True)
    )


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and type(one) in _SCALARS and one == other


def _message_class(message: BaseMessage) -> type[BaseMessage]:
    """Return LangChain's own class that a message belongs to, which every reader of a recording has."""
    return next(kind for kind in type(message).__mro__ if getattr(messages, kind.__name__, None) is kind)


def _langgraph_fields(value: Any) -> list[tuple[str, Any]]:
    fields = [(name, getattr(value, name, None)) for name in _LANGGRAPH[type(value)]]
    # A schema is a mapping, or a class that nobody can read back; most questions have none.
    return [(name, held) for name, held in fields if name != "response_schema" or isinstance(held, Mapping)]


def _plain(value: Any) -> Any:
    plain = jsonable(value)
    return plain if type(plain) in _SCALARS else {"$plain": plain}


# ------------------------------------------------------------------ forms to objects


class ValueReader:
    """Reads the values of one run, in the order in which they were written."""

    __slots__ = ("_objects",)

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}

    def read(self, form: Any) -> Any:
        """Return the value of a form. Raises `ValueError` for one that nobody can read here."""
        if is_list(form):
            return self._fill([], form)
        if not isinstance(form, dict):
            return form
        fields = cast("dict[str, Any]", form)
        if "$ref" in fields:
            return self._again(fields)
        mark = next((key for key in fields if key.startswith("$") and key != "$id"), "")
        reader = _VALUES.get(mark)
        if reader is not None:
            return reader(self, fields[mark], fields)
        make = _EMPTY.get(mark)
        if make is None:
            raise ValueError(f"the mark {mark} is unknown")
        made = make(fields.get(mark), fields)
        if "$id" in fields:
            self._objects[fields["$id"]] = made
        return self._fill(made, fields)

    def _again(self, form: dict[str, Any]) -> Any:
        if form["$ref"] not in self._objects:
            raise ValueError(f"nothing before it has the $id {form['$ref']}")
        held = self._objects[form["$ref"]]
        return self._fill(held, form["$now"]) if "$now" in form else held

    def _fill(self, held: Any, form: Any) -> Any:
        """Give an object what its form says, in place."""
        if is_list(held):
            items = form if is_list(form) else form["$list"]
            cast("list[Any]", held)[:] = [self.read(item) for item in items]
            return held
        pairs = form["$dict"] if "$dict" in form else [pair for pair in form.items() if not pair[0].startswith("$")]
        fields = {key: self.read(value) for key, value in pairs}
        if isinstance(held, BaseMessage):
            _rewrite(held, fields)
            return held
        members = cast("dict[Any, Any]", held if isinstance(held, dict) else vars(held))
        members.clear()
        members.update(fields)
        return cast("Any", held)

    def _tuple(self, items: list[Any], _form: dict[str, Any]) -> Any:
        return tuple(self.read(item) for item in items)

    def _langgraph(self, name: str, form: dict[str, Any]) -> Any:
        fields = {key: self.read(value) for key, value in form.items() if not key.startswith("$")}
        kind = next((kind for kind in _LANGGRAPH if kind.__name__ == name), None)
        if kind is not None and fields.keys() <= set(getattr(kind, "__slots__", ())):
            return kind(**fields)
        # This LangGraph is older than the one that was recorded.
        return self._fill(_record(name, form), form)

    def _error(self, name: str, _form: dict[str, Any]) -> Any:
        return error_named(name)

    def _as_it_is(self, plain: Any, _form: dict[str, Any]) -> Any:
        return plain


def error_named(name: str) -> Exception:
    """Return an exception whose class has this name, without a text."""
    return type(name, (Exception,), {})()


def _rewrite(message: BaseMessage, fields: Mapping[str, Any]) -> None:
    """Make a message what one with these fields is; nothing is validated, as nothing was when they changed."""
    new = type(message).model_construct(**fields)
    vars(message).clear()
    vars(message).update(vars(new))
    for name in ("__pydantic_extra__", "__pydantic_fields_set__"):
        object.__setattr__(message, name, getattr(new, name))


def _message(name: str, _form: Any) -> BaseMessage:
    kind = getattr(messages, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseMessage)):
        raise ValueError(f"this langchain-core has no message class {name}")
    return kind.model_construct()


def _record(name: str, form: Mapping[str, Any]) -> Any:
    names = [field for field in form if not field.startswith("$")]
    if not all(field.isidentifier() and not iskeyword(field) for field in names):
        return {}  # a model that takes any field
    kind: Any = dataclasses.make_dataclass(name, names)
    return kind.__new__(kind)


_VALUES: dict[str, Callable[[ValueReader, Any, dict[str, Any]], Any]] = {
    "$tuple": ValueReader._tuple,  # pyright: ignore[reportPrivateUsage]
    "$langgraph": ValueReader._langgraph,  # pyright: ignore[reportPrivateUsage]
    "$error": ValueReader._error,  # pyright: ignore[reportPrivateUsage]
    "$plain": ValueReader._as_it_is,  # pyright: ignore[reportPrivateUsage]
}
"""How a value is read that is made in one go."""

_EMPTY: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "": lambda _name, _form: {},
    "$dict": lambda _name, _form: {},
    "$list": lambda _name, _form: [],
    "$message": _message,
    "$object": _record,
}
"""How an object is made that its form then fills: it may be inside itself."""
