"""Knows the shapes in which LangGraph yields stream chunks, and nothing of what is in them.

`graph.stream` gives a chunk one of five shapes, by how it was called (`langgraph/pregel/main.py`, `_output`):

| call | chunk |
|---|---|
| `stream_mode="x"` | `data` |
| `stream_mode="x", subgraphs=True` | `(lane, data)` |
| `stream_mode=["x", …]` | `(mode, data)` |
| `stream_mode=["x", …], subgraphs=True` | `(lane, mode, data)` |
| `version="v2"` | `{"type": mode, "ns": lane, "data": data}`, with `"interrupts"` beside `values` |

A remote graph called with a list of modes and without subgraphs yields a named tuple `(event, data, id)`
instead of `(mode, data)`; a remote v2 part has lists where a local one has tuples. A caller who says how the
graph was called gets exact reading. Without that the shape is told from the chunk, which cannot be right for
`values` and `custom` chunks that come bare: those read as `updates`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from langwire.core._guards import is_list, is_mapping, shown
from langwire.errors import UnknownChunk, UsageError
from langwire.events import Lane

Chunk: TypeAlias = tuple[Lane, str, Any]
"""lane, mode, data: what LangGraph yields when it is asked for a list of modes with subgraphs."""


class Paused(NamedTuple):
    """The data of a v2 `values` part that carries interrupts beside its state."""

    values: Any
    interrupts: Sequence[Any]


def chunk_reader(
    modes: str | Sequence[str] | None, subgraphs: bool | None, version: str | None
) -> Callable[[Any], Chunk]:
    """Return the function that reads the chunks of a stream that was asked for in this way.

    `modes`, `subgraphs` and `version` are what the graph was called with; `None` means unknown, and then
    each chunk's own shape decides. Raises `UsageError` for a call that LangGraph does not answer readably.
    """
    if version not in (None, "v1", "v2"):
        raise UsageError(
            f"version {version!r} of LangGraph's stream cannot be read: call the graph with version='v1' or 'v2'"
        )
    if modes is not None and not isinstance(modes, str | list):
        raise UsageError(
            f"stream modes came as a {type(modes).__name__}, for which LangGraph yields chunks without their mode: "
            "pass a list, to the graph and to the parser"
        )
    if version == "v2":
        return _part
    return _bare(modes, subgraphs) if isinstance(modes, str) else detect


def _bare(mode: str, subgraphs: bool | None) -> Callable[[Any], Chunk]:
    """Chunks of one mode given as a string: the data alone, or (lane, data)."""

    def read(raw: Any) -> Chunk:
        if is_mapping(raw) and raw.keys() >= {"type", "ns", "data"} and raw["type"] == mode:
            return detect(raw)  # a v2 part
        if subgraphs is not False and is_list(raw) and len(raw) == 2 and _is_lane(raw[0]):
            return tuple(raw[0]), mode, raw[1]
        if subgraphs:
            raise unknown(raw)
        return (), mode, raw

    return read


def _part(raw: Any) -> Chunk:
    """A v2 part, the usual one read without a detour."""
    try:
        lane, mode, data = raw["ns"], raw["type"], raw["data"]
    except Exception:  # whatever a value of foreign make raises
        return detect(raw)
    return (lane, mode, data) if lane.__class__ is tuple and "interrupts" not in raw else detect(raw)


def detect(raw: Any) -> Chunk:
    """Read a chunk by its shape alone. Raises `UnknownChunk` for a shape that LangGraph does not yield."""
    if is_mapping(raw):
        return _detect_mapping(raw)
    if is_list(raw) and isinstance(raw, tuple):
        if len(raw) == 3 and isinstance(raw[1], str) and _is_lane(raw[0]):
            return tuple(raw[0]), raw[1], raw[2]
        if len(raw) == 2:
            return _detect_pair(raw)
    elif hasattr(raw, "_fields"):
        return _remote_part(raw)
    raise unknown(raw)


def _detect_pair(raw: Sequence[Any]) -> Chunk:
    first, data = raw
    if isinstance(first, str):
        return (), first, data
    if _is_lane(first):
        _, mode, data = _detect_data(data)
        return tuple(first), mode, data
    if is_mapping(data):
        return (), "messages", raw
    raise unknown(raw)


def _detect_mapping(raw: Mapping[str, Any]) -> Chunk:
    mode: Any = raw.get("type")
    lane: Any = raw.get("ns")
    if isinstance(mode, str) and "data" in raw and (lane.__class__ is tuple or _is_lane(lane)):
        data, interrupts = raw["data"], raw.get("interrupts")
        return tuple(lane), mode, Paused(data, interrupts) if interrupts and mode == "values" else data
    if mode == "event" and "method" in raw:
        raise UnknownChunk(
            "cannot read an event of LangGraph's v3 stream: "
            "call graph.stream or graph.astream, with version='v1' or 'v2'"
        )
    return _detect_data(raw)


def _detect_data(data: Any) -> Chunk:
    """Tell the mode of data that came without one; `updates` where the data does not tell."""
    if is_list(data) and len(data) == 2:
        return (), "messages", data
    if not is_mapping(data):
        raise unknown(data)
    for mode, keys in _TELLING_KEYS:
        if keys <= data.keys():
            return (), mode, data
    return (), "updates", data


_TELLING_KEYS = (
    ("debug", {"step", "timestamp", "type", "payload"}),
    ("checkpoints", {"config", "values", "metadata", "next"}),
    ("tasks", {"id", "name", "triggers"}),
    ("tasks", {"id", "name", "result", "interrupts"}),
    ("tools", {"event", "tool_call_id"}),
)


def _remote_part(part: Any) -> Chunk:
    """A remote graph's `StreamPart(event, data, id)`, whose event may hold the lane: `updates|child:1|leaf:2`."""
    event = getattr(part, "event", None)
    if not isinstance(event, str):
        raise unknown(part)
    mode, *lane = event.split("|")
    return tuple(lane), mode, part.data


def _is_lane(value: Any) -> TypeGuard[Sequence[str]]:
    return is_list(value) and (not value or all(isinstance(segment, str) for segment in value))


def unknown(raw: Any) -> UnknownChunk:
    """Return the error that names a chunk nobody can read."""
    return UnknownChunk(
        f"cannot read a {type(raw).__name__} as a LangGraph stream chunk: expected what graph.stream or graph.astream "
        f"yields, got {shown(raw):.80}"
    )
