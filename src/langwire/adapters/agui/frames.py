"""Knows how an AG-UI event is written as JSON, and as a frame of server-sent events."""

from __future__ import annotations

import msgspec

from langwire.adapters.agui.events import Event
from langwire.core.codec import jsonable

_encode = msgspec.json.Encoder().encode


def json_of(event: Event) -> bytes:
    """Return an event as one JSON object in strict UTF-8. Never raises an `Exception`."""
    try:
        return _encode(event)
    except Exception:  # half a character, an integer without end: what no JSON can hold is marked
        return _encode(jsonable(event))


def sse_frame(event: Event) -> bytes:
    """Return an event as a frame: one line of data, since JSON has no line breaks, and an empty line."""
    return b"data: %b\n\n" % json_of(event)
