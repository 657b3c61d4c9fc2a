"""Streams, each read by its floor, by us and by the peer: what a chunk and an event cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import msgspec

from benchmarks import floors, ours
from benchmarks.peer import Peer
from benchmarks.rounds import Seconds, Spread, interleaved, ratio, spread
from benchmarks.streams import Stream

Contender: TypeAlias = Callable[[], object]


class Goal(NamedTuple):
    """How many times the peer's speed to reach, at least."""

    a_chunk: float
    an_event: float = 0

    def __str__(self) -> str:
        said = ((self.an_event, "an event"), (self.a_chunk, "a chunk"))
        return ", ".join(f"{times:g}x {each}" for times, each in said if times)

    def met(self, a_chunk: Spread, an_event: Spread) -> bool:
        """Return whether the medians reach it."""
        return a_chunk.middle >= self.a_chunk and an_event.middle >= self.an_event


PARSE, WIRE = "parse", "parse + wire"
GOALS = {
    ("chat", PARSE): Goal(4),
    ("chat", WIRE): Goal(5),
    ("chat-v2", PARSE): Goal(4),
    ("chat-v2", WIRE): Goal(5),
    ("chat-messages", PARSE): Goal(4),
    ("chat-messages", WIRE): Goal(5),
    ("reasoning", PARSE): Goal(3),
    ("reasoning", WIRE): Goal(3.5),
    ("tools", PARSE): Goal(1, 3),
    ("tools", WIRE): Goal(0, 3),
    ("subgraphs", PARSE): Goal(4),
    ("subgraphs", WIRE): Goal(5),
    ("values", PARSE): Goal(1),
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What it costs to do one thing with one stream.

    Times are microseconds of CPU, `over_floor` is a ratio. `speed_…` is a multiple of the peer's speed; it and
    `met` are None where the peer was not run.
    """

    stream: str
    what: str
    us_a_chunk: Spread
    us_an_event: Spread
    over_floor: Spread
    speed_a_chunk: Spread | None = None
    speed_an_event: Spread | None = None
    goal: str | None = None
    met: bool | None = None


def compare(name: str, stream: Stream, peer: Peer | None, rounds: int) -> list[Row]:
    """Return a row for parsing the stream, and one for parsing it onto a wire."""
    contenders: dict[str, dict[str, Contender]] = {
        PARSE: {"floor": partial(_floor, stream), "ours": partial(ours.parse, stream)},
        WIRE: {"floor": partial(_floor_wire, stream), "ours": partial(ours.wire, stream)},
    }
    if peer is not None:
        contenders[PARSE]["peer"] = peer.parse
        if peer.refusal() is None:
            contenders[WIRE]["peer"] = peer.wire
    our_events, peer_events = ours.parse(stream), peer.parse() if peer is not None else 0
    return [
        _row(name, what, stream, interleaved(those, rounds), our_events, peer_events)
        for what, those in contenders.items()
    ]


def _row(name: str, what: str, stream: Stream, taken: dict[str, Seconds], our_events: int, peer_events: int) -> Row:
    us, peer, goal = taken["ours"], taken.get("peer"), GOALS.get((name, what))
    a_chunk = ratio(peer, us) if peer else None
    an_event = ratio(peer, us, by=our_events / peer_events) if peer else None
    return Row(
        stream=name,
        what=what,
        us_a_chunk=spread(seconds / stream.chunks * 1e6 for seconds in us),
        us_an_event=spread(seconds / our_events * 1e6 for seconds in us),
        over_floor=ratio(us, taken["floor"]),
        speed_a_chunk=a_chunk,
        speed_an_event=an_event,
        goal=str(goal) if goal else None,
        met=goal.met(a_chunk, an_event) if goal and a_chunk and an_event else None,
    )


def _floor(stream: Stream) -> None:
    for turn in stream.turns:
        stream.floor(turn)


def _floor_wire(stream: Stream) -> None:
    for turn in stream.turns:
        floors.frames(stream.floor(turn))
