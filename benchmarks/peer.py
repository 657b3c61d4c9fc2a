"""langgraph-stream-parser, called as its users call it: each stream in the shape that it reads fastest.

It asks for no lanes where a stream has none, so its chunks are `(mode, data)`, or the bare data of a single mode;
`(lane, mode, data)` where there are lanes; the very same parts for v2. Its wire is `event_to_dict` and the
standard library's JSON, in the same frames as ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Any

from benchmarks.streams import Chunk, Stream, Told

MISSING = (
    "langgraph-stream-parser is not installed, so the streams have no peer: "
    f"{sys.executable} -m pip install langgraph-stream-parser==0.6.19"
)


def library() -> Any:
    """Return the peer's package, or None where it is not installed."""
    try:
        return import_module("langgraph_stream_parser")
    except ModuleNotFoundError:
        return None


def version() -> str:
    """Return the version of the peer's package that is installed."""
    return metadata.version("langgraph-stream-parser")


class Peer:
    """The peer before one stream, with chunks of its shape."""

    def __init__(self, library: Any, stream: Stream) -> None:
        self._parser, self._to_dict = library.StreamParser, library.event_to_dict
        self._modes = _modes(stream)
        self._turns = _turns(stream)

    def _events(self, turn: list[Chunk]) -> Iterator[Any]:
        return self._parser(stream_mode=self._modes).parse(iter(turn))

    def parse(self) -> int:
        """Return how many events the stream tells."""
        told = 0
        for turn in self._turns:
            for _ in self._events(turn):
                told += 1
        return told

    def wire(self) -> int:
        """Return how many bytes the events are as frames of server-sent events. Raises `TypeError`: see `refusal`."""
        to_dict, sent = self._to_dict, 0
        for turn in self._turns:
            for event in self._events(turn):
                sent += len(b"data: " + json.dumps(to_dict(event)).encode() + b"\n\n")
        return sent

    def told(self) -> Told:
        """Return what the peer's events say. Raises what it met: its parser tells errors as events."""
        told = Told("", "", [], [])
        text: list[str] = []
        reasoning: list[str] = []
        for event in (event for turn in self._turns for event in self._events(turn)):
            match type(event).__name__:
                case "ContentEvent":
                    text.append(event.content)
                case "ReasoningEvent":
                    reasoning.append(event.content)
                case "ToolCallStartEvent":
                    told.calls.append(event.args)
                case "ToolCallEndEvent":
                    told.results.append(event.result)
                case "ErrorEvent":
                    raise event.exception
                case _:
                    pass
        return told._replace(text="".join(text), reasoning="".join(reasoning))

    def notes(self, said: Told) -> list[str]:
        """Say where the peer tells other things than were said, and what it cannot put on its wire."""
        told = self.told()
        pairs = zip(Told._fields, said, told, strict=True)
        notes = [
            f"tells {_size(field, theirs)}, where {len(ours):,} were said"
            for field, ours, theirs in pairs
            if theirs != ours
        ]
        refusal = self.refusal()
        return [*notes, refusal] if refusal else notes

    def refusal(self) -> str | None:
        """Return why the peer's events cannot be put on its wire, or None if they can."""
        try:
            self.wire()
        except TypeError as error:
            return f"has no wire: {error}"
        return None


def _modes(stream: Stream) -> str | list[str]:
    if stream.version == "v2":
        return "v2"
    return stream.modes if len(stream.modes) > 1 else stream.modes[0]


def _turns(stream: Stream) -> list[list[Chunk]]:
    if stream.version == "v2" or any(chunk[0] for turn in stream.turns for chunk in turn):
        return stream.turns
    bare = len(stream.modes) == 1
    return [[chunk[2] if bare else chunk[1:] for chunk in turn] for turn in stream.turns]


def _size(field: str, value: str | list[Any]) -> str:
    return f"{len(value):,} {'characters of ' if isinstance(value, str) else ''}{field}"
