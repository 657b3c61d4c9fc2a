"""Runs cases of the corpus once, keeps their chunks, and tells what a client is sent of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from langwire import StreamParser, Transcript
from langwire.adapters.agui import events as agui
from langwire.adapters.agui._streams import run_of
from langwire.adapters.agui.encoder import AGUIEncoder, Run
from langwire.adapters.agui.frames import json_of
from langwire.events import Event
from langwire.sessions._past import retold
from langwire.sessions.graph import Standing, prepare, standing_of
from langwire.testing.corpus import CASES, Case, available
from turns import messages_in

CASE_NAMES = [name for name, case in CASES.items() if available(case)]
THREAD = "thread-1"

Wire = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """One run of a case: how its graph was called, what that yielded and raised, and where its thread stood."""

    graph: Any
    given: Any
    before: Standing
    held: Transcript
    """What the thread held before."""
    chunks: list[Any]
    error: Exception | None
    after: Standing
    messages: list[Any] | None
    """The messages of the graph's own state; None where the graph keeps none."""
    history: Transcript

    def parser(self, *, state: bool = True) -> StreamParser:
        """A parser as a session makes it."""
        call = prepare(self.graph, self.given, {"configurable": {"thread_id": THREAD}}, state=state, kwargs={})
        return call.parser(self.before, turn_id="turn")

    def events(self, *, state: bool = True) -> list[Event]:
        """What the run is told as."""
        parser = self.parser(state=state)
        told = [*parser.start(), *self.fed(parser, len(self.chunks), state=state)]
        if self.error is not None:
            return told + parser.fail(self.error)
        return told + parser.close(**self.after.ending())

    def fed(self, parser: StreamParser, end: int, *, state: bool = True) -> list[Event]:
        """What the parser makes of the chunks up to `end`."""
        chunks = self.chunks[:end]
        return [event for chunk in chunks if state or chunk[1] != "values" for event in parser.feed(chunk)]

    def run(self, **more: Any) -> Run:
        """What an encoder knows of the run."""
        known = run_of(self.held, THREAD, "run")
        return Run(thread_id=THREAD, run_id="run", calls=known.calls, messages=known.messages, **more)


@cache
def recorded(name: str) -> tuple[Recorded, ...]:
    """All runs of a case."""
    return tuple(asyncio.run(_recorded(CASES[name])))


async def _recorded(case: Case) -> list[Recorded]:
    graph, config = case.build(InMemorySaver()), {"configurable": {"thread_id": THREAD}}
    runs: list[Recorded] = []
    given: Any = case.input
    for number in range(len(case.ends)):
        snapshot = await _snapshot(graph, config)
        before, held = standing_of(snapshot, given), Transcript.of(retold(snapshot, THREAD))
        call = prepare(graph, given, config, state=True, kwargs={})
        chunks: list[Any] = []
        error: Exception | None = None
        try:
            async for chunk in graph.astream(call.input, call.config, **call.arguments()):
                chunks.append(chunk)
        except Exception as raised:
            error = raised
        snapshot = await _snapshot(graph, config)
        after = standing_of(snapshot)
        messages = messages_in(snapshot.values) if snapshot is not None else None
        history = Transcript.of(retold(snapshot, THREAD))
        runs.append(Recorded(graph, given, before, held, chunks, error, after, messages, history))
        if number + 1 < len(case.ends):
            given = case.follow(after.open_interrupts or ())
    return runs


async def _snapshot(graph: Any, config: dict[str, Any]) -> Any:
    return await graph.aget_state(config, subgraphs=True) if graph.checkpointer else None


def encoded(encoder: AGUIEncoder, events: Iterable[Event], history: Transcript | None = None) -> list[agui.Event]:
    """What a client is sent; with `history` also the snapshot that is due before the end of a run that made it so."""
    *events, end = events
    out = [said for event in events for said in encoder.encode(event)]
    if history is not None and encoder.stale:
        out.append(encoder.snapshot(history, Transcript.of([*events, end])))
    return [*out, *encoder.encode(end)]


def wired(events: Iterable[agui.Event]) -> list[Wire]:
    """Events as a client reads them."""
    return [json.loads(json_of(event)) for event in events]
