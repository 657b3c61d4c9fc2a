"""Knows what a typed answer means: a text is a text, unless the schema of the answer asks for something else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Never, TypeAlias, cast

Schema: TypeAlias = Mapping[str, Any]

_MOST_STEPS = 20
"""References may lead in a circle."""


def expected(schema: Schema | None) -> str:
    """Return in words what has to be typed for a schema; nothing where that is any text."""
    if schema is None:
        return ""
    plain, _ = _resolved(schema)
    choices = _choices(plain)
    if choices:
        return f"one of {', '.join(map(_as_typed, choices))}"
    kind = _kind(plain)
    return "" if kind == "string" else _KINDS[kind][0] if kind in _KINDS else "JSON"


def answer_of(given: str, schema: Schema | None) -> Any:
    """Return the answer that was typed.

    Without a schema, and where it says that the answer is a string, that is the text as it is. Otherwise it is one of
    the schema's choices, or JSON of the schema's type; a line with nothing in it is None where the answer may be that.
    Whether the rest of the schema fits is for the graph to say. Raises `ValueError` for what cannot be an answer.
    """
    if schema is None:
        return given
    plain, nullable = _resolved(schema)
    choices = _choices(plain)
    if not choices and _kind(plain) == "string":
        return given
    if nullable and given in ("", "null"):
        return None
    if choices:
        return _chosen(given, choices, expected(schema))
    value = _json(given, expected(schema))
    kind = _kind(plain)
    if kind in _KINDS and not _KINDS[kind][1](value):
        raise ValueError(f"{given:.40} came as an answer: expected {expected(schema)}")
    return value


def _chosen(given: str, choices: list[Any], expected: str) -> Any:
    for choice in choices:
        if given == _as_typed(choice):
            return choice
    raise ValueError(f"{given:.40} came as an answer: expected {expected}")


def _as_typed(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def _json(given: str, expected: str) -> Any:
    try:
        return json.loads(given, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"that is not JSON: {error}; expected {expected}") from error


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no number of JSON")


# ------------------------------------------------------------------ schemas


def _resolved(schema: Schema) -> tuple[Schema, bool]:
    """Return a schema without its references and without its word that the value may be null, and that word."""
    plain, nullable = _followed(schema, schema), False
    members = [_followed(member, schema) for member in _list(plain.get("anyOf") or plain.get("oneOf"))]
    if members:
        others = [member for member in members if member.get("type") != "null"]
        nullable = len(others) < len(members)
        plain = others[0] if len(others) == 1 else _fields(None)
    types = _list(plain.get("type"))
    if types:
        named = [name for name in types if name != "null"]
        nullable = nullable or len(named) < len(types)
        plain = {**plain, "type": named[0] if len(named) == 1 else None}
    return plain, nullable


def _followed(member: Any, root: Schema) -> Schema:
    for _ in range(_MOST_STEPS):
        fields = _fields(member)
        reference = fields.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return fields
        member = root
        for name in reference.removeprefix("#/").split("/"):
            member = _fields(member).get(name)
    return {}


def _fields(member: Any) -> Schema:
    return cast("Schema", member) if isinstance(member, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _choices(plain: Schema) -> list[Any]:
    return _list(plain.get("enum")) or ([plain["const"]] if "const" in plain else [])


def _kind(plain: Schema) -> str:
    kind = plain.get("type")
    return kind if isinstance(kind, str) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "integer": ("a whole number", lambda value: type(value) is int),
    "number": ("a number", _is_number),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "null": ("null", lambda value: value is None),
    "array": ("a JSON array", lambda value: isinstance(value, list)),
    "object": ("a JSON object", lambda value: isinstance(value, dict)),
}
