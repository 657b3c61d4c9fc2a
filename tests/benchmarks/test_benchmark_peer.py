"""The peer is called as its users call it, and what it tells otherwise is said."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.comparison import Row, compare
from benchmarks.peer import Peer, library
from benchmarks.rounds import Spread
from benchmarks.streams import STREAMS, Stream
from benchmarks.table import stream_cells


class ContentEvent:
    """The peer's event of this name, as far as it is read."""

    content = "word "


class ErrorEvent:
    exception = LookupError("a chunk that the peer cannot read")


class Library:
    """Stands for the peer's package: tells `event` for each chunk, and remembers what it was given."""

    def __init__(self, event: Any = None, *, error: Exception | None = None) -> None:
        self.event, self.error = event or ContentEvent(), error
        self.modes: Any = None
        self.chunks: list[Any] = []

    def StreamParser(self, *, stream_mode: Any) -> Any:  # noqa: N802 - the peer's own name
        self.modes = stream_mode
        return SimpleNamespace(parse=self._parse)

    def _parse(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            self.chunks.append(chunk)
            yield self.event

    def event_to_dict(self, event: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"content": event.content}


def small(name: str) -> Stream:
    make, _ = STREAMS[name]
    return make(6)


@pytest.mark.parametrize(
    ("name", "modes", "part"),
    [
        ("chat", ["messages", "updates"], slice(1, None)),
        ("chat-messages", "messages", 2),
        ("values", "values", 2),
        ("subgraphs", ["messages", "updates"], slice(None)),
    ],
)
def test_the_peer_is_given_the_part_of_a_chunk_that_it_needs(name: str, modes: Any, part: Any) -> None:
    stream, given = small(name), Library()
    assert Peer(given, stream).parse() == stream.chunks
    assert (given.modes, given.chunks) == (modes, [chunk[part] for chunk in stream.turns[0]])


def test_the_peer_is_given_v2_parts_as_they_are() -> None:
    stream, given = small("chat-v2"), Library()
    Peer(given, stream).parse()
    assert (given.modes, given.chunks) == ("v2", stream.turns[0])


def test_the_wire_of_the_peer_is_json_in_frames() -> None:
    stream = small("chat")
    assert Peer(Library(), stream).wire() == stream.chunks * len(b'data: {"content": "word "}\n\n')


def test_what_the_peer_tells_otherwise_is_noted() -> None:
    stream = small("chat")
    said = len(stream.told.text)
    assert Peer(Library(), stream).notes(stream.told) == [f"tells 45 characters of text, where {said} were said"]


def test_what_the_peer_cannot_write_is_noted() -> None:
    peer = Peer(Library(error=TypeError("a message is not JSON")), small("values"))
    assert "has no wire: a message is not JSON" in peer.notes(small("values").told)


def test_an_error_that_the_peer_tells_as_an_event_stops_the_comparison() -> None:
    with pytest.raises(LookupError, match="cannot read"):
        Peer(Library(ErrorEvent()), small("chat")).told()


def test_a_row_sets_us_beside_the_peer() -> None:
    stream = small("tools")
    parse, wire = compare("tools", stream, Peer(Library(), stream), 1)
    assert [row.met is None for row in (parse, wire)] == [False, False]
    assert parse.speed_a_chunk is not None
    assert parse.speed_an_event is not None
    assert parse.speed_an_event.middle != parse.speed_a_chunk.middle


def test_a_peer_without_a_wire_has_no_part_in_it() -> None:
    stream = small("chat")
    parse, wire = compare("chat", stream, Peer(Library(error=TypeError("no")), stream), 1)
    assert parse.speed_a_chunk is not None
    assert (wire.speed_a_chunk, wire.goal, wire.met) == (None, "5x a chunk", None)


def test_a_row_is_shown_with_its_quartiles() -> None:
    figure = Spread(1, 2.5, 123.4)
    row = Row(
        stream="chat", what="parse", us_a_chunk=figure, us_an_event=figure, over_floor=figure, goal="4x", met=False
    )
    assert stream_cells(row) == ("chat", "parse", "2.50", "2.50", "2.50x (1.00-123)", "", "", "4x", "no")


@pytest.mark.skipif(library() is None, reason="langgraph-stream-parser is not installed")
@pytest.mark.parametrize("name", [name for name in STREAMS if name not in ("chat-v2", "values")])
def test_the_peer_tells_the_same(name: str) -> None:
    stream = small(name)
    assert Peer(library(), stream).notes(stream.told) == []
