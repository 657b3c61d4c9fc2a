"""What is no race with a peer: the import, whether a chunk costs more in longer turns, and one big result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from langchain_core.messages import AIMessage
from langgraph.graph.message import add_messages

from benchmarks import ours
from benchmarks.rounds import Spread, interleaved, ratio, spread
from benchmarks.streams import Stream, big_result, chat, lanes, past, tasks, values

IMPORT_GOAL_MS = 50
FLAT = 2
"""How much more a chunk may cost in the largest size than in the smallest; the machine's caches alone make 1.5."""
STATE_GOAL = 0.25
"""What a state may cost, as a part of what LangGraph's own `add_messages` takes to make it."""
RESULT_CHARACTERS = 10_000_000


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in `unit`, by size where there are several; `growth` is the ratio of the largest size to the smallest."""

    what: str
    unit: str
    figures: dict[str, Spread]
    growth: Spread | None = None
    goal: str | None = None
    met: bool | None = None


def imports(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return the CPU time of an import in a new interpreter, without what the interpreter itself takes to start."""
    package, parser = (
        _import(statement, rounds) for statement in ("import langwire", "from langwire import StreamParser")
    )
    goal, met = f"< {IMPORT_GOAL_MS} ms", package.middle < IMPORT_GOAL_MS
    return [
        Cost(what="import langwire", unit="ms", figures={"": package}, goal=goal, met=met),
        Cost(what="from langwire import StreamParser", unit="ms", figures={"": parser}),
    ]


def _import(statement: str, rounds: int) -> Spread:
    program = f"from time import process_time as now; started = now(); {statement}; print(now() - started)"
    command = [sys.executable, "-c", program]
    return spread(float(subprocess.check_output(command)) * 1e3 for _ in range(rounds))  # noqa: S603 - our own words


class Family(NamedTuple):
    """Streams of one kind in growing sizes. `least` chunks are timed at once: what is shorter comes several times."""

    make: Callable[[int], Stream]
    sizes: tuple[int, ...]
    least: int = 0

    def stream(self, size: int) -> Stream:
        """Return a stream of this size; where it comes again, nothing in it is the same object."""
        stream = self.make(size)
        while stream.chunks < self.least:
            stream = stream._replace(turns=stream.turns + self.make(size).turns)
        return stream


_STATES = "messages of history in each state"
GROWING = {
    "chunks in a turn": Family(chat, (1_000, 10_000, 100_000), least=20_000),
    "alternating lanes": Family(partial(lanes, 100), (1, 100, 1_000), least=20_000),
    "messages of history in a node's input": Family(partial(tasks, 100), (10, 1_000, 10_000)),
    _STATES: Family(partial(values, 200), (10, 1_000, 10_000)),
}


def growth(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what a chunk costs in longer turns, in more lanes and after longer histories."""
    costs: list[Cost] = []
    for what, family in GROWING.items():
        sizes = family.sizes[:2] if quick else family.sizes
        costs.append(_grown(what, {f"{size:,}": family.stream(size) for size in sizes}, rounds))
    return costs


def _grown(what: str, streams: dict[str, Stream], rounds: int) -> Cost:
    taken = interleaved({size: partial(ours.parse, stream) for size, stream in streams.items()}, rounds)
    a_chunk = {size: [seconds / streams[size].chunks * 1e6 for seconds in taken[size]] for size in streams}
    smallest, *_, largest = a_chunk.values()
    figures = {size: spread(times) for size, times in a_chunk.items()}
    grown = ratio(largest, smallest)
    goal, met = (f"< {FLAT}x", grown.middle < FLAT) if what != _STATES else (None, None)
    return Cost(what=what, unit="µs a chunk", figures=figures, growth=grown, goal=goal, met=met)


def _below(goal: float, what: str, unit: str, figure: Spread) -> Cost:
    return Cost(what=what, unit=unit, figures={"": figure}, goal=f"< {goal:g}", met=figure.middle < goal)


def states(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what a state with a long history costs, as a ratio to what LangGraph takes to add a message to it."""
    history = 100 if quick else 10_000
    stream, thread = values(20, history), past(history)
    contenders: dict[str, Callable[[], object]] = {
        "ours": partial(ours.parse, stream),
        "langgraph": lambda: [add_messages(thread, [AIMessage("on", id="new")]) for _ in range(stream.chunks)],
    }
    taken = interleaved(contenders, rounds)
    part = ratio(taken["ours"], taken["langgraph"])
    return [_below(STATE_GOAL, f"a state of {history:,} messages", "of LangGraph's add_messages", part)]


def result(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what a big tool result costs, as a ratio to one pass over its text.

    Parsing is held against copying the text once (to UTF-8), the wire against writing it once as JSON.
    """
    stream = big_result(RESULT_CHARACTERS // 100 if quick else RESULT_CHARACTERS)
    content: str = stream.told.results[0]
    contenders: dict[str, Callable[[], object]] = {
        "copy": lambda: len(content.encode()),
        "JSON": lambda: len(msgspec.json.encode(content)),
        "parse": partial(ours.parse, stream),
        "wire": partial(ours.wire, stream),
    }
    taken = interleaved(contenders, rounds)
    about = f"tool result of {len(content) / 1e6:.1f} MB"
    parsed, written = ratio(taken["parse"], taken["copy"]), ratio(taken["wire"], taken["JSON"])
    return [
        Cost(
            what=f"{about}, parse", unit="copies of its text", figures={"": parsed}, goal="< 1", met=parsed.middle < 1
        ),
        Cost(
            what=f"{about}, parse + wire",
            unit="times its JSON",
            figures={"": written},
            goal="< 2",
            met=written.middle < 2,
        ),
    ]


COSTS: dict[str, Callable[..., list[Cost]]] = {
    "import": imports,
    "growth": growth,
    "states": states,
    "result": result,
}
