"""What the server costs beside a bare one: clients at a model's pace, idle connections, and clients that never read.

Each server is a process, the load comes from this one, over sockets on 127.0.0.1. The bare server sends what the same
graph streams on the same FastAPI and uvicorn, one JSON line a token. Clients begin one after the other within a part
of a turn's time, each in a new thread, and read a whole turn. The seconds of CPU are those of the server's process,
from the first request to the last word. Where the bare server alone is too busy, nothing is compared: all that would be
seen is how long both queues are. `python -m benchmarks.server --clients 50` measures with fewer clients.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks._server_load import Address, Deaf, Place, Reader, Told
from benchmarks._server_side import MUCH
from benchmarks.costs import Cost
from benchmarks.rounds import Seconds, interleaved, ratio, spread
from benchmarks.table import COSTS_HEADER, aligned, cost_cells

BARE, OURS = "bare server", "router"
SERVERS = {BARE: "bare", OURS: "ours"}
"""How a server's own process calls it."""
TRANSPORTS = {"server-sent events": False, "WebSocket": True}
"""Whether it is a WebSocket."""
BUSIEST = 0.7
"""How much of a core the bare server may use while all clients are being told something."""
CPU_GOAL, FIRST_GOAL, DEAF_GOAL = 1.15, 1.2, 1.2
IDLE_GOAL_MB = 50
AT_ONCE = 50
"""So many connections are opened at once."""
MEGABYTE = 1e6


class Counts(NamedTuple):
    """How much of each thing is done. `pace` is seconds a token; `rounds` is how often at most: a round takes long."""

    clients: int
    tokens: int
    pace: float
    idle: int
    deaf: int
    rounds: int


FULL = Counts(clients=100, tokens=160, pace=0.05, idle=1_000, deaf=100, rounds=7)
QUICK = Counts(clients=3, tokens=4, pace=0.05, idle=4, deaf=2, rounds=2)


def server(rounds: int, *, quick: bool = False, clients: int | None = None) -> list[Cost]:
    """Return what the server costs in time and memory, with another number of clients where one is given."""
    counts = QUICK if quick else FULL
    if clients is not None:
        counts = counts._replace(clients=clients, deaf=clients)
    rounds = min(rounds, counts.rounds)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with processes(counts) as servers:
        added = idle(servers, counts)  # first, while no memory has been given back that could be used again
        compared = [cost for transport in TRANSPORTS for cost in clients_over(transport, servers, counts, rounds)]
        return [*compared, added, deaf(servers[OURS], counts, rounds)]


@contextmanager
def processes(counts: Counts) -> Generator[dict[str, Address]]:
    """Begin both servers, each in a process of its own, and give their addresses; they end with the block."""
    with ExitStack() as held:
        begun = {name: held.enter_context(_process(which, counts)) for name, which in SERVERS.items()}
        yield {name: Address(int(popen.stdout.readline()), ours=name == OURS) for name, popen in begun.items()}


def _process(which: str, counts: Counts) -> Any:
    command = [sys.executable, "-m", "benchmarks._server_side", which, str(counts.tokens), str(counts.pace)]
    return subprocess.Popen(  # noqa: S603 - our own words
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )


# ------------------------------------------------------------------ clients that read


class Played(NamedTuple):
    """What all clients together were told, and the seconds of CPU that it took the server."""

    cpu: float
    told: list[Told]

    @property
    def first(self) -> float:
        """How long a client waited for its first word, in seconds: the median."""
        return median(told.first for told in self.told)

    @property
    def late(self) -> float:
        """How long a client waited for its next word, in seconds: the 99th percentile."""
        gaps = sorted(chain.from_iterable(told.gaps for told in self.told))
        return gaps[len(gaps) * 99 // 100]


async def play(
    address: Address, counts: Counts, transports: Iterable[bool], places: list[Place] | None = None
) -> Played:
    """Let all clients play a turn, the n-th over the n-th transport, in new threads where no places are given."""
    places = places or [await address.new_thread() for _ in range(counts.clients)]
    apart = counts.tokens * counts.pace / 4 / counts.clients
    before = await address.calm()
    told = await asyncio.gather(
        *(
            address.converse(place, counts.tokens, socket=socket, after=number * apart)
            for number, (place, socket) in enumerate(zip(places, transports, strict=True))
        )
    )
    after = await address.usage()
    return Played(after.cpu - before.cpu, told)


def clients_over(transport: str, servers: dict[str, Address], counts: Counts, rounds: int) -> list[Cost]:
    """Return what clients at the model's pace cost, as ratios to what they cost the bare server."""
    played: dict[str, list[Played]] = {name: [] for name in servers}
    transports = [TRANSPORTS[transport]] * counts.clients

    def once(name: str) -> Played:
        return asyncio.run(play(servers[name], counts, transports))

    words = counts.clients * counts.tokens
    busy = once(BARE).cpu / words * counts.clients / counts.pace
    if busy > BUSIEST:
        return [_not_compared(transport, counts, busy)]
    once(OURS)  # what is made once is made now
    own = interleaved({name: lambda name=name: played[name].append(once(name)) for name in servers}, rounds)
    what = f"{counts.clients:,} clients at {counts.pace * 1e3:g} ms a token over {transport}"
    return [
        _beside(f"{what}, CPU", _each(played, "cpu"), "µs a token", 1e6 / words, CPU_GOAL),
        _beside(f"{what}, time to the first token (p50)", _each(played, "first"), "ms", 1e3, FIRST_GOAL),
        _beside(f"{what}, from token to token (p99)", _each(played, "late"), "ms", 1e3),
        _beside(f"{what}, CPU of the clients themselves", own, "µs a token", 1e6 / words),
    ]


def _each(played: dict[str, list[Played]], figure: str) -> dict[str, Seconds]:
    return {name: [getattr(each, figure) for each in played[name]] for name in played}


def _beside(what: str, seconds: dict[str, Seconds], unit: str, scale: float, goal: float | None = None) -> Cost:
    """Return the figures, and how many times the first is in the second."""
    first, second = seconds.values()
    times = ratio(second, first)
    return Cost(
        what=what,
        unit=unit,
        figures={name: spread(each * scale for each in taken) for name, taken in seconds.items()},
        growth=times,
        goal=f"<= {goal:g}x" if goal else None,
        met=times.middle <= goal if goal else None,
    )


def _not_compared(transport: str, counts: Counts, busy: float) -> Cost:
    fewer = max(1, int(counts.clients * BUSIEST / busy * 0.95))
    return Cost(
        what=f"{counts.clients:,} clients over {transport} are not compared, the bare server is too busy: "
        f"python -m benchmarks.server --clients {fewer}",
        unit="% of a core",
        figures={BARE: spread([busy * 100])},
        goal=f"<= {BUSIEST:.0%}",
    )


# ------------------------------------------------------------------ clients that do nothing


def idle(servers: dict[str, Address], counts: Counts) -> Cost:
    """Return what connections take on which nothing is told, each to a new thread, half of them over each transport."""
    figures = {name: asyncio.run(_idle(address, counts.idle)) for name, address in servers.items()}
    return Cost(
        what=f"{counts.idle:,} idle connections, half of them over WebSocket",
        unit="MB more",
        figures={name: spread([figure]) for name, figure in figures.items()},
        goal=f"ours < {IDLE_GOAL_MB}",
        met=figures[OURS] < IDLE_GOAL_MB,
    )


async def _idle(address: Address, connections: int) -> float:
    async def opened(number: int) -> None:
        held.append(await address.listen(await address.new_thread(), socket=number % 2 == 1))

    held: list[Reader] = []
    await asyncio.gather(opened(0), opened(1))  # what is made once is made now
    before = await address.calm()
    for start in range(0, connections, AT_ONCE):
        await asyncio.gather(*map(opened, range(start, min(start + AT_ONCE, connections))))
    after = await address.calm()
    still_open(connections, after.connections - before.connections)
    for reader in held:
        reader.transport.abort()
    return (after.memory - before.memory) / MEGABYTE


def still_open(expected: int, found: int) -> None:
    """Raise `ConnectionError` when the server has closed connections that are measured."""
    if found != expected:
        raise ConnectionError(f"{found} connections are open: expected {expected}, which were to be measured")


# ------------------------------------------------------------------ clients that never read


WITHOUT, WITH = "alone", "beside them"


def deaf(address: Address, counts: Counts, rounds: int) -> Cost:
    """Return how long readers wait for a token, alone and beside clients of the same threads that never read.

    In each thread those are told more than the system and the server hold for a connection, so that nothing is written
    to them any more by the time when the turns begin. Half of all clients come over each transport.
    """
    late: dict[str, Seconds] = {WITHOUT: [], WITH: []}
    with asyncio.Runner() as runner:
        places = runner.run(long_threads(address, counts))

        def once(name: str) -> None:
            late[name].append(runner.run(_beside_the_deaf(address, counts, places, deaf=name == WITH)))

        interleaved({name: partial(once, name) for name in late}, rounds)
    what = f"{counts.clients:,} clients beside {counts.deaf:,} that never read, from token to token (p99)"
    return _beside(what, late, "ms", 1e3, DEAF_GOAL)


async def long_threads(address: Address, counts: Counts) -> list[Place]:
    """Make threads in which much has been told; return their beginnings."""
    places: list[Place] = []
    for _ in range(counts.clients):
        place = await address.new_thread()
        reader = await address.listen(place, socket=True)  # without one the log is forgotten until a turn begins
        places.append(await address.end_of(place))
        await address.ask("POST", f"/v1/threads/{place.thread_id}/submit", {"input": MUCH})
        await reader.ended
        reader.transport.abort()
    return places


async def _beside_the_deaf(address: Address, counts: Counts, places: list[Place], *, deaf: bool) -> float:
    transports = [number % 2 == 1 for number in range(counts.clients)]
    before = (await address.calm()).connections
    held: list[Deaf] = []
    for number in range(counts.deaf if deaf else 0):  # each reads by the other transport than who does read there
        held.append(await address.never_read(places[number % len(places)], socket=number % 2 == 0))
    played = await play(address, counts, transports, [await address.end_of(place) for place in places])
    still_open(len(held), (await address.calm()).connections - before)
    for one in held:
        one.transport.abort()
    return played.late


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help=f"how often to run each: {FULL.rounds}")
    parser.add_argument("--clients", type=int, default=FULL.clients, help=f"how many there are: {FULL.clients}")
    options = parser.parse_args()
    costs = server(options.rounds, clients=options.clients)
    print(aligned(COSTS_HEADER, [cost_cells(cost) for cost in costs]))


if __name__ == "__main__":
    main()
