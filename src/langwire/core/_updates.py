"""Knows how a node's update is laid out: a pure walk, from whatever a node wrote to (key, value) pairs.

In an `updates` chunk a node maps to a dict, to None (it wrote nothing), to a list of dicts (several tasks of
one name, or a channel written twice), or, in the functional API, to any value. A `tasks` result holds the same
writes by channel, several writes of one channel as `{"$writes": […]}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any, cast

from langwire.core._guards import is_list, is_mapping
from langwire.core._messages import coerce, fields_of


def writes(value: Any) -> list[tuple[str | None, Any]]:
    """Return (state key, value) for each write of an update; the key is None for a value that stands alone."""
    if value is None:
        return []
    if is_mapping(value) and fields_of(value) is None:
        return [write for key, written in value.items() for write in _channel_writes(str(key), written)]
    if isinstance(value, list) and is_list(value) and not _holds_message(value):
        return [write for item in value for write in writes(item)]
    return [(None, value)]


def _channel_writes(key: str, written: Any) -> Sequence[tuple[str | None, Any]]:
    if key in _RETURNS:
        return writes(written)
    several = written.get("$writes") if is_mapping(written) else None
    return [(key, one) for one in several] if is_list(several) else ((key, written),)


_RETURNS = frozenset({"__return__", "__end__"})
"""Where a `tasks` result holds what a function of the functional API returned."""


def is_state(value: Any) -> bool:
    """Return whether a value is a graph's state: a dict, a pydantic model or a dataclass, but no message."""
    return fields_of(value) is None and (is_mapping(value) or is_dataclass(value) or hasattr(value, "model_fields_set"))


def state_items(state: Any) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of a whole state; nothing of what is no state."""
    if is_mapping(state):
        for key, value in state.items():
            yield str(key), value
    elif is_dataclass(state) and not isinstance(state, type):
        for field in dataclass_fields(state):
            yield field.name, getattr(state, field.name, None)
    elif is_state(state):
        yield from cast("dict[str, Any]", vars(state)).items()


def messages_of(value: Any) -> Sequence[Any] | None:
    """Return the messages that a written value holds, or None when it holds none."""
    if is_list(value):
        return value if _holds_message(value) else None
    return (value,) if fields_of(value) is not None else None


def as_messages(value: Any) -> Sequence[Any] | None:
    """Return what may stand for messages where a graph expects them: dicts, tuples and strings, one or a list."""
    if not isinstance(value, list) and coerce(value) is not None:
        return (value,)
    if isinstance(value, list) and is_list(value) and value and all(coerce(item) is not None for item in value):
        return value
    return None


def _holds_message(values: Sequence[Any]) -> bool:
    """The first and the last tell: a list that holds messages holds nothing else."""
    return bool(values) and (fields_of(values[-1]) is not None or fields_of(values[0]) is not None)
