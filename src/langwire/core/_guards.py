"""Narrows values of foreign make, so that the rest of the core is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast


def is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether `value` is a mapping; its keys are taken for strings."""
    return type(value) is dict or isinstance(value, Mapping)


def is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """Return whether `value` is a list or a plain tuple (a named tuple is a record, not a list)."""
    return type(value) is list or type(value) is tuple or isinstance(value, list)


def a_lane(value: Any) -> tuple[str, ...]:
    """Return a value that must be a lane. Raises `TypeError` for any other."""
    if not isinstance(value, tuple):
        raise TypeError(f"expected a lane, got a {type(value).__name__}")
    return cast("tuple[str, ...]", value)


def text(value: Any) -> str:
    """Return a value that must be a string. Raises `TypeError` for any other."""
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got a {type(value).__name__}")
    return value


def shown(value: Any) -> str:
    """Return the repr of a value of foreign make, which may fail in any way."""
    try:
        return repr(value)
    except Exception:
        return f"({type(value).__name__}, whose repr fails)"
