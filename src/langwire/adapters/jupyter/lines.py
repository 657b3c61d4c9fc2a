"""Knows how events go to the notebook's front half: one JSON object a line, as on every other wire.

What a reader of a conversation is never shown is left out: nodes, the graph's state, chunks of modes that are not
modelled, what a tool kept for the application. Values above `MAX_VALUE` bytes are cut, but for pictures and displays,
which are there to be looked at, for what a person said, and for questions: nobody is to approve what is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from langwire.core.codec import encode, encode_entry
from langwire.events import (
    Display,
    Entry,
    Event,
    Interrupt,
    Media,
    NodeEnd,
    NodeStart,
    Raw,
    StateDelta,
    StateSnapshot,
    ToolResult,
    TurnStart,
)

MAX_VALUE = 65_536
MAX_BATCH = 256 * 1024
"""How many characters go in one message, where a single event does not have more."""

_HIDDEN = (NodeStart, NodeEnd, StateSnapshot, StateDelta, Raw)
_WHOLE = (Media, Display, TurnStart, Interrupt)


def line_of(told: Entry | Event) -> str | None:
    """Return an entry, or an event, as a line without its line break; None for what is not shown. Never raises."""
    event = told.event if isinstance(told, Entry) else told
    if isinstance(event, _HIDDEN):
        return None
    if isinstance(event, ToolResult) and event.artifact is not None:
        event = replace(event, artifact=None)
    limit = None if isinstance(event, _WHOLE) else MAX_VALUE
    if isinstance(told, Entry):
        entry = Entry(seq=told.seq, at_ms=told.at_ms, event=event)
        return encode_entry(entry, max_value_bytes=limit).decode()
    return encode(event, max_value_bytes=limit).decode()


def lines_of(story: Iterable[Entry | Event]) -> list[str]:
    """Return the lines of all that is shown of a story."""
    return [line for line in map(line_of, story) if line is not None]


def batches_of(lines: Iterable[str], limit: int = MAX_BATCH) -> list[str]:
    """Return lines put together, up to `limit` characters each."""
    batches: list[str] = []
    size = limit
    for line in lines:
        size += len(line) + 1
        if size > limit:
            batches.append(line)
            size = len(line)
        else:
            batches[-1] += f"\n{line}"
    return batches
