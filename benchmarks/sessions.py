"""What a session costs beside the bare graph: a thousand turns at once, idle ones, junk ids, a hundred readers.

Both run the same graph with the same modes and a checkpointer in memory. The bare graph's chunks are dropped as they
come; the events of a session's turn are read by one reader. The garbage collector works, as it would in a server.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import perf_counter, process_time
from typing import Any, NamedTuple, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from benchmarks.costs import Cost
from benchmarks.rounds import Spread, interleaved, ratio, spread
from langwire.errors import UnknownThread
from langwire.events import Custom
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import MODES
from langwire.sessions.session import Session

BARE, OURS = "bare graph", "session"
AT_ONCE_GOAL = 1.25
"""How many times the bare graph's CPU time a turn may take."""
IDLE_GOAL_KB = 100
FLAT_KB = 1_000
"""What junk may leave behind, all of it together, in kB."""
TICK = 0.002
"""How long the task sleeps that feels how long the loop is held up, in seconds."""

Graph: TypeAlias = Any


class Counts(NamedTuple):
    """How much of each thing is done. `rounds` is how often at most: a round takes long."""

    sessions: int
    tokens: int
    idle: int
    junk: int
    kept: int
    readers: int
    deltas: int
    rounds: int


FULL = Counts(sessions=1_000, tokens=50, idle=200, junk=20_000, kept=1_000, readers=100, deltas=2_000, rounds=3)
QUICK = Counts(sessions=5, tokens=4, idle=2, junk=200, kept=50, readers=3, deltas=20, rounds=2)


def sessions(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what sessions cost in time and in memory."""
    counts = QUICK if quick else FULL
    rounds = min(rounds, counts.rounds)
    return [
        *at_once(counts, rounds),
        idle(counts),
        junk_ids(counts),
        junk_pushes(counts),
        *many_readers(counts, rounds),
    ]


# ------------------------------------------------------------------ what runs


class Speaker(BaseChatModel):
    """Says a number of words, and lets others run before each of them. It costs as little as a model can."""

    words: int

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk, None]:
        for number in range(self.words):
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"word{number} "))


def speaking(words: int) -> Graph:
    """Return a graph of one model that says so many words, and of no threads yet."""
    model = Speaker(words=words)

    async def speak(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("model", speak).add_edge(START, "model").compile(InMemorySaver())


async def bare(graph: Graph, number: int) -> None:
    """Run a turn of a new thread, and drop its chunks."""
    given = {"messages": [{"role": "user", "content": "hi"}]}
    config = {"configurable": {"thread_id": f"thread-{number}"}}
    async for _ in graph.astream(given, config, stream_mode=list(MODES), subgraphs=True):
        pass


async def read_to_the_end(session: Session) -> None:
    """Run a turn of a session, and read its events."""
    async for _ in await session.submit("hi"):
        pass


# ------------------------------------------------------------------ time


class Taken(NamedTuple):
    """What it took to play some turns: seconds of CPU and of the wall clock, and how long the loop was held up."""

    cpu: float
    wall: float
    stall: float


def at_once(counts: Counts, rounds: int) -> list[Cost]:
    """Return the CPU time, wall time and stalls of turns that run at once, as ratios to those of the bare graph."""
    taken: dict[str, list[Taken]] = {BARE: [], OURS: []}

    def play(name: str) -> None:
        gc.enable()  # `interleaved` lets it rest
        taken[name].append(asyncio.run(_at_once(name, counts)))

    interleaved({name: partial(play, name) for name in taken}, rounds)
    what = f"{counts.sessions:,} turns of {counts.tokens} tokens at once"
    cpu, wall = ({name: [getattr(each, clock) for each in taken[name]] for name in taken} for clock in ("cpu", "wall"))
    stalls = {name: [each.stall for each in taken[name]] for name in taken}
    return [
        _side_by_side(f"{what}, CPU", cpu, counts.sessions, AT_ONCE_GOAL),
        _side_by_side(f"{what}, wall clock", wall, counts.sessions),
        Cost(
            what=f"{what}, how long the loop is held up (p99)",
            unit="ms",
            figures={name: spread(each * 1e3 for each in stalls[name]) for name in taken},
            growth=ratio(stalls[OURS], stalls[BARE]),
        ),
    ]


def _side_by_side(what: str, seconds: dict[str, list[float]], turns: int, goal: float | None = None) -> Cost:
    times = ratio(seconds[OURS], seconds[BARE])
    return Cost(
        what=what,
        unit="ms a turn",
        figures={name: spread(each / turns * 1e3 for each in taken) for name, taken in seconds.items()},
        growth=times,
        goal=f"<= {goal:g}x" if goal else None,
        met=times.middle <= goal if goal else None,
    )


async def _at_once(name: str, counts: Counts) -> Taken:
    graph = speaking(counts.tokens)
    async with _playing(name, graph) as play, _stalls() as stalls:
        cpu, wall = process_time(), perf_counter()
        await asyncio.gather(*(play(number) for number in range(counts.sessions)))
        cpu, wall = process_time() - cpu, perf_counter() - wall
    return Taken(cpu, wall, sorted(stalls)[len(stalls) * 99 // 100])


@asynccontextmanager
async def _playing(name: str, graph: Graph) -> AsyncGenerator[Callable[[int], Awaitable[None]]]:
    """Give the function that runs the turn of a thread, bare or in a session."""
    if name == BARE:
        yield partial(bare, graph)
        return
    async with SessionAdapter(graph) as adapter:
        yield lambda number: read_to_the_end(adapter.get(f"thread-{number}"))


@asynccontextmanager
async def _stalls() -> AsyncGenerator[list[float]]:
    """Gather for how many seconds the loop is held up, each time that another task wants to run."""
    found = [0.0]

    async def feel() -> None:
        while True:
            slept = perf_counter()
            await asyncio.sleep(TICK)
            found.append(perf_counter() - slept - TICK)

    task = asyncio.create_task(feel())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# ------------------------------------------------------------------ memory


def idle(counts: Counts) -> Cost:
    """Return what a session keeps in memory when its turn is over, beside what the checkpointer keeps."""
    figures = {name: asyncio.run(_idle(name, counts)) for name in (BARE, OURS)}
    own = figures[OURS] - figures[BARE]
    return Cost(
        what=f"an idle session after a turn of {counts.tokens} tokens",
        unit="kB",
        figures={name: spread([figure]) for name, figure in (*figures.items(), ("of it ours", own))},
        goal=f"ours < {IDLE_GOAL_KB}",
        met=own < IDLE_GOAL_KB,
    )


async def _idle(name: str, counts: Counts) -> float:
    async with _playing(name, speaking(counts.tokens)) as play:
        await play(-1)  # what is made once is made now
        with _Memory() as memory:
            for number in range(counts.idle):
                await play(number)
            return memory.kilobytes() / counts.idle


def junk_ids(counts: Counts) -> Cost:
    """Return what is left behind when threads are asked for that nobody has ever heard of."""

    async def ask(adapter: SessionAdapter, number: int) -> None:
        with suppress(UnknownThread):
            await adapter.get(f"junk-{number}").state()

    return asyncio.run(_junk(f"{counts.junk:,} unknown threads asked for", ask, counts))


def junk_pushes(counts: Counts) -> Cost:
    """Return what is left behind when something is told to more threads than are kept, once all places are taken."""

    async def push(adapter: SessionAdapter, number: int) -> None:
        adapter.push(f"junk-{number}", Custom(data=number))

    what = f"{counts.junk:,} threads told something, {counts.kept:,} kept"
    return asyncio.run(_junk(what, push, counts, before=counts.kept))


async def _junk(
    what: str, do: Callable[[SessionAdapter, int], Awaitable[None]], counts: Counts, *, before: int = 1
) -> Cost:
    graph = speaking(1)
    graph.checkpointer = Forgetting()
    async with SessionAdapter(graph, max_sessions=counts.kept) as adapter:
        with _Memory() as memory:
            for number in range(before):
                await do(adapter, number)
            at_first = memory.kilobytes()
            for number in range(before, counts.junk):
                await do(adapter, number)
            left = memory.kilobytes() - at_first
    figure = spread([left])
    return Cost(what=what, unit="kB more", figures={"": figure}, goal=f"< {FLAT_KB:,}", met=left < FLAT_KB)


class Forgetting(InMemorySaver):
    """Keeps nothing of a thread that is only asked for; LangGraph's own saver makes room for each."""

    async def aget_tuple(self, config: Any) -> Any:
        return await super().aget_tuple(config) if config["configurable"]["thread_id"] in self.storage else None


class _Memory:
    """What has been taken since it was entered, and not given back."""

    def __enter__(self) -> _Memory:
        gc.collect()
        tracemalloc.start()
        return self

    def __exit__(self, *error: object) -> None:
        tracemalloc.stop()

    def kilobytes(self) -> float:
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        return taken / 1e3


# ------------------------------------------------------------------ readers


def many_readers(counts: Counts, rounds: int) -> list[Cost]:
    """Return what many readers of one turn's lines cost, as a ratio to one, and how often an entry is encoded."""
    encodings: list[float] = []

    def play(readers: int) -> None:
        encodings.append(asyncio.run(_encodings(readers, counts.deltas)))

    names = {f"{readers:,} reader{'s' if readers > 1 else ''}": readers for readers in (1, counts.readers)}
    taken = interleaved({name: partial(play, readers) for name, readers in names.items()}, rounds)
    alone, together = taken.values()
    what = f"the lines of a turn of {counts.deltas:,} deltas"
    return [
        Cost(
            what=f"{what}, CPU",
            unit="µs a delta",
            figures={name: spread(each / counts.deltas * 1e6 for each in seconds) for name, seconds in taken.items()},
            growth=ratio(together, alone),
        ),
        Cost(
            what=f"{what}, for {counts.readers:,} readers",
            unit="encodings of an entry",
            figures={"": Spread(min(encodings), max(encodings), max(encodings))},
            goal="1",
            met=set(encodings) == {1.0},
        ),
    ]


async def _encodings(readers: int, deltas: int) -> float:
    """Let readers read the lines of one turn, and return how many different lines there were for an entry."""
    async with SessionAdapter(speaking(deltas)) as adapter:
        session = adapter.get("thread-1")
        reading = [asyncio.create_task(_lines(session)) for _ in range(readers)]
        await asyncio.sleep(0)
        await (await session.submit("hi")).wait()
        session.log.close("everything has been told")
        read = await asyncio.gather(*reading)
    different = {id(line) for lines in read for line in lines}
    return len(different) / session.log.last


async def _lines(session: Session) -> list[bytes]:
    async with session.subscribe() as reader:
        return [line async for line in reader.lines()]
