"""Knows which OpenTelemetry figures a server keeps, and how to keep none where that package is not installed.

| figure | what | told apart by |
|---|---|---|
| `langwire.server.connections` | how many streams are open | `kind`: "sse" or "websocket" |
| `langwire.server.refusals` | counts requests that were not taken | `code` |
| `langwire.server.bad_frames` | counts frames of sockets that are none of the protocol | `code` |
| `langwire.server.slow_readers` | counts streams that were closed because nobody read them | `kind` |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import langwire

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

Kind: TypeAlias = Literal["sse", "websocket"]


class ServerMeter:
    """Keeps the figures of one server. `meter` is one of the global provider where none is given."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = _global_meter() if meter is None else meter
        self._figures = _Figures(meter) if meter is not None else None

    def connected(self, kind: Kind, change: int = 1) -> None:
        """Count a stream in (1) or out (-1)."""
        if self._figures is not None:
            self._figures.connections.add(change, {"kind": kind})

    def refused(self, code: str) -> None:
        """Count a request that was not taken."""
        if self._figures is not None:
            self._figures.refusals.add(1, {"code": code})

    def bad_frame(self, code: str) -> None:
        """Count a frame that is none of the protocol."""
        if self._figures is not None:
            self._figures.bad_frames.add(1, {"code": code})

    def slow_reader(self, kind: Kind) -> None:
        """Count a stream that nobody read."""
        if self._figures is not None:
            self._figures.slow_readers.add(1, {"kind": kind})


class _Figures:
    """The instruments of a meter."""

    def __init__(self, meter: Meter) -> None:
        name = "langwire.server"
        self.connections = meter.create_up_down_counter(f"{name}.connections", "{connection}", "Streams that are open")
        self.refusals = meter.create_counter(f"{name}.refusals", "{request}", "Requests that were not taken")
        self.bad_frames = meter.create_counter(f"{name}.bad_frames", "{frame}", "Frames that are none of the protocol")
        self.slow_readers = meter.create_counter(f"{name}.slow_readers", "{connection}", "Streams that nobody read")


def _global_meter() -> Meter | None:
    try:
        from opentelemetry.metrics import get_meter
    except ImportError:
        return None
    return get_meter("langwire", langwire.__version__)
