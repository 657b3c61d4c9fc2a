"""langwire as it reads a stream: events, and events on the wire."""

from __future__ import annotations

from benchmarks.streams import Chunk, Stream, Told
from langwire.core.codec import encode
from langwire.core.parser import StreamParser
from langwire.events import Event, ReasoningDelta, TextDelta, ToolCallEnd, ToolResult


def parse(stream: Stream) -> int:
    """Return how many events the stream tells."""
    told = 0
    for turn in stream.turns:
        for _ in parser_of(stream).parse(turn):
            told += 1
    return told


def wire(stream: Stream) -> int:
    """Return how many bytes the events are as frames of server-sent events."""
    sent = 0
    for turn in stream.turns:
        for event in parser_of(stream).parse(turn):
            sent += len(b"data: " + encode(event) + b"\n\n")
    return sent


def events(stream: Stream, turn: list[Chunk]) -> list[Event]:
    """Return the events of one turn."""
    return list(parser_of(stream).parse(turn))


def parser_of(stream: Stream) -> StreamParser:
    """Return a parser for one turn. States are told where nothing else is asked of the graph."""
    return StreamParser(modes=stream.modes, subgraphs=True, version=stream.version, state=stream.modes == ["values"])


def told(stream: Stream) -> Told:
    """Return what our events say."""
    all_events = [event for turn in stream.turns for event in events(stream, turn)]
    return Told(
        text="".join(event.text for event in all_events if isinstance(event, TextDelta)),
        reasoning="".join(event.text for event in all_events if isinstance(event, ReasoningDelta)),
        calls=[event.args for event in all_events if isinstance(event, ToolCallEnd)],
        results=[event.content for event in all_events if isinstance(event, ToolResult)],
    )
