"""What a task costs: worker processes on one SQLite file, a turn beside the bare graph's, claims, waits and losses.

The workers are processes of this very module, begun before any clock runs: each does the jobs that it reads from its
input, one a line, and ends when that does. Rounds are interleaved, and the garbage collector works, as it would in a
server. Wall times are those of the machine and of the moment, above all of its disk: compare the ratios.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, time
from typing import Any, NamedTuple, TypeAlias
from uuid import uuid4

import aiosqlite
import msgspec
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph

from benchmarks.costs import Cost
from benchmarks.rounds import interleaved, ratio, spread
from langwire.events import Custom, TaskUpdate
from langwire.tasks.client import TaskClient
from langwire.tasks.handlers import HandlerContext
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.runner import TaskRunner
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Ending, Spec, Task, TaskQuery

BARE, OURS = "bare graph", "tasks"
WORKERS, CONCURRENCY = 2, 8
"""How many worker processes there are, and how much each does at once; the bare graph's turns run alike."""
A_SECOND_GOAL = 500
"""How many tasks that do nothing two workers must get done in a second."""
TURNS_GOAL = 0.7
"""How much of the bare graph's turns a second a runner must reach."""
CLAIM_GOAL = 2
START_GOAL_MS, CANCEL_GOAL_MS = 10, 250
LEASE, SWEEP = 1.0, 0.25
"""The seconds of the worker that is killed, and of the one that goes on with its task."""
PATIENCE = 120.0
"""How many seconds tasks may take until those that have not ended count as lost."""
LOOK = 0.05
"""How often one looks whether they have, in seconds: seldom, since it takes time from the workers."""
CALM = 0.02
"""How long a runner is left alone before it counts as idle, in seconds."""

Graph: TypeAlias = Any


class Counts(NamedTuple):
    """How much of each thing is done. `rounds` is how often at most: a round takes long."""

    tasks: int
    turns: int
    few: int
    many: int
    claims: int
    starts: int
    told: int
    cancels: int
    kills: int
    rounds: int


FULL = Counts(
    tasks=10_000, turns=400, few=100, many=100_000, claims=50, starts=200, told=200, cancels=40, kills=10, rounds=7
)
QUICK = Counts(tasks=20, turns=4, few=5, many=20, claims=2, starts=2, told=3, cancels=1, kills=1, rounds=2)


def tasks(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what tasks cost, and how long one waits for them."""
    counts = QUICK if quick else FULL
    rounds = min(rounds, counts.rounds)
    with TemporaryDirectory() as folder, ExitStack() as held:
        workers = [held.enter_context(process()) for _ in range(WORKERS)]
        return [
            *stubs(folder, workers, counts, rounds),
            *turns(folder, workers[:1], counts, rounds),
            *turns(folder, workers, counts, rounds),
            *claims(folder, counts, rounds),
            asyncio.run(start(folder, counts)),
            asyncio.run(live(folder, workers[0], counts)),
            asyncio.run(cancel_here(folder, counts)),
            asyncio.run(cancel_there(folder, workers[0], counts)),
            asyncio.run(loss(folder, counts)),
        ]


def _new_file(folder: str) -> str:
    return str(Path(folder, uuid4().hex))


# ------------------------------------------------------------------ what runs


def answering() -> Graph:
    """Return a graph of one node that answers at once."""

    def answer(state: MessagesState) -> Any:
        return {"messages": [AIMessage("hello")]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()


def yielding() -> Graph:
    """Return a graph that tells something every now and then, and never ends by itself."""

    async def go_on(state: MessagesState) -> Any:
        tell = get_stream_writer()
        while True:
            tell("a word")
            await asyncio.sleep(0.01)

    return StateGraph(MessagesState).add_node("go_on", go_on).add_edge(START, "go_on").compile()


async def nothing(context: HandlerContext) -> None:
    """Do nothing."""


async def hold(context: HandlerContext) -> None:
    """Tell something, and never end by itself."""
    context.emit(Custom(data="a word"))
    await asyncio.Event().wait()


def runner(path: str, **options: Any) -> TaskRunner:
    """Return a runner for all the bodies that are measured."""
    agents = {"answering": answering(), "yielding": yielding()}
    handlers = {"nothing": nothing, "hold": hold}
    return TaskRunner(agents, SQLiteTaskStore(path), handlers=handlers, concurrency=CONCURRENCY, **options)


@asynccontextmanager
async def maker(path: str) -> AsyncGenerator[TaskRunner]:
    """Give a runner that makes and steers tasks, and works on none."""
    one = runner(path)
    try:
        yield one
    finally:
        await one.close()


async def begun(client: TaskClient, task_id: str) -> None:
    """Return when the body of a task has told something."""
    told: Any = client.events(task_id, follow=True)
    async with aclosing(told) as entries:
        async for entry in entries:
            if isinstance(entry.event, Custom):
                return


# ------------------------------------------------------------------ worker processes


class Process(NamedTuple):
    """A process that does jobs, as its parent has it."""

    popen: Any

    def tell(self, job: str, **given: Any) -> None:
        """Let it do a job, or end the one that it does."""
        print(msgspec.json.encode([job, given]).decode(), file=self.popen.stdin, flush=True)

    def heard(self) -> Any:
        """Return the next thing that it says."""
        return msgspec.json.decode(self.popen.stdout.readline())


@contextmanager
def process() -> Generator[Process]:
    """Begin a process, and give it when it is ready; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.tasks"]
    with subprocess.Popen(  # noqa: S603 - our own words
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as popen:
        process = Process(popen)
        process.heard()
        yield process


def say(what: object) -> None:
    """Tell it to the parent."""
    print(msgspec.json.encode(what).decode(), flush=True)


async def serve() -> None:
    """Do jobs, one after the other, until the parent has no more."""
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        job, given = msgspec.json.decode(line)
        say(await JOBS[job](**given))


async def work(path: str, **options: Any) -> float:
    """Work on the tasks of a file until the parent says another word; return the seconds of CPU that it took."""
    cpu = process_time()
    async with runner(path, **options):
        await asyncio.to_thread(sys.stdin.readline)
    return process_time() - cpu


async def play(path: str, turns: int) -> tuple[float, float]:
    """Run turns of the bare graph; return when the last one ended, and the seconds of CPU that they took."""
    cpu, left = process_time(), iter(range(turns))
    async with aiosqlite.connect(path, timeout=PATIENCE) as db:
        graph = answering()
        graph.checkpointer = AsyncSqliteSaver(db)

        async def one_by_one() -> None:
            for _ in left:
                given = {"messages": [HumanMessage("hi")]}
                await graph.ainvoke(given, {"configurable": {"thread_id": uuid4().hex}})

        await asyncio.gather(*(one_by_one() for _ in range(CONCURRENCY)))
        ended = time()
    return ended, process_time() - cpu


async def follow(path: str, task_id: str) -> list[float]:
    """Read what a task tells, live; return how many seconds ago each of the moments was that it told."""
    lags: list[float] = []
    async with TaskClient(SQLiteTaskStore(path)) as client:
        async for entry in client.events(task_id, follow=True):
            if isinstance(entry.event, Custom):
                lags.append(time() - entry.event.data)
            elif entry.seq == 1:
                say("follows")
    return lags


JOBS: dict[str, Callable[..., Awaitable[Any]]] = {"work": work, "play": play, "follow": follow}


# ------------------------------------------------------------------ tasks a second


class Done(NamedTuple):
    """What workers did: tasks as they are now, the Unix time when they were told to, and seconds of CPU they took."""

    tasks: Sequence[Task]
    began: float
    cpu: float

    @property
    def working(self) -> float:
        """The seconds from the start of the first task to the end of the last."""
        started = [task.started_ms for task in self.tasks if task.started_ms]
        return (self._ended_ms - min(started)) / 1e3

    @property
    def seconds(self) -> float:
        """The seconds from the word to the workers to the end of the last task."""
        return self._ended_ms / 1e3 - self.began

    @property
    def _ended_ms(self) -> int:
        return max(task.ended_ms for task in self.tasks if task.ended_ms)


async def worked_on(path: str, workers: Sequence[Process], number: int, **what: Any) -> Done:
    """Write so many tasks down, and let processes work on them."""
    async with maker(path) as one:
        for first in range(0, number, 500):
            await asyncio.gather(*(one.enqueue(**what) for _ in range(first, min(first + 500, number))))
        began = time()
        for worker in workers:
            worker.tell("work", path=path)
        await settled(one)
        for worker in workers:
            worker.tell("stop")
        cpu = sum(worker.heard() for worker in workers)
        return Done((await one.list(limit=number)).tasks, began, cpu)


async def settled(client: TaskClient, patience: float = PATIENCE) -> None:
    """Return when no task is left that waits or is worked on, or when that takes too long."""
    left = TaskQuery(states=("queued", "ongoing"))
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while await client.count(left):  # noqa: ASYNC110 - it is other processes that end them
                await asyncio.sleep(LOOK)


async def wrongs(client: TaskClient, number: int) -> dict[str, int]:
    """Return how many of so many tasks were lost, were started twice, or have a history with anything odd in it."""
    page = await client.list(limit=number)
    told = await asyncio.gather(*(client.store.events(task.id) for task in page.tasks))
    histories = [[(e.seq, e.event.state) for e in one.entries if isinstance(e.event, TaskUpdate)] for one in told]
    as_it_should_be = [(1, "queued"), (2, "ongoing"), (3, "done")]
    return {
        "lost": number - sum(task.state == "done" for task in page.tasks),
        "started twice": sum(task.attempt > 1 or task.fence > 1 for task in page.tasks),
        "odd histories": sum(history != as_it_should_be for history in histories),
    }


def stubs(folder: str, workers: Sequence[Process], counts: Counts, rounds: int) -> list[Cost]:
    """Return how many tasks that do nothing all workers get done in a second, and what went wrong."""
    a_second: list[float] = []
    wrong: list[dict[str, int]] = []

    async def round() -> None:
        path = _new_file(folder)
        done = await worked_on(path, workers, counts.tasks, handler="nothing")
        a_second.append(counts.tasks / done.working)
        async with TaskClient(SQLiteTaskStore(path)) as client:
            wrong.append(await wrongs(client, counts.tasks))

    interleaved({OURS: partial(_run, round)}, rounds)
    rate, all = spread(a_second), {what: sum(one[what] for one in wrong) for what in wrong[0]}
    where = f"{len(workers)} processes on one file"
    return [
        Cost(
            what=f"{counts.tasks:,} tasks that do nothing, {where}",
            unit="tasks a second",
            figures={"": rate},
            goal=f">= {A_SECOND_GOAL}",
            met=rate.middle >= A_SECOND_GOAL,
        ),
        Cost(
            what=f"{counts.tasks * rounds:,} of them: what went wrong",
            unit="tasks",
            figures={what: spread([number]) for what, number in all.items()},
            goal="0",
            met=not any(all.values()),
        ),
    ]


def turns(folder: str, workers: Sequence[Process], counts: Counts, rounds: int) -> list[Cost]:
    """Return how many tasks of an agent with one node get done in a second, beside the bare graph with its saver."""
    a_second: dict[str, list[float]] = {BARE: [], OURS: []}
    cpu: dict[str, list[float]] = {BARE: [], OURS: []}

    async def bare() -> None:
        path = _new_file(folder)
        async with aiosqlite.connect(path) as db:
            await AsyncSqliteSaver(db).setup()
        began = time()
        for worker in workers:
            worker.tell("play", path=path, turns=counts.turns // len(workers))
        ended, taken = zip(*(worker.heard() for worker in workers), strict=True)
        a_second[BARE].append(counts.turns / (max(ended) - began))
        cpu[BARE].append(sum(taken))

    async def ours() -> None:
        done = await worked_on(_new_file(folder), workers, counts.turns, prompt="hi", agent="answering")
        a_second[OURS].append(counts.turns / done.seconds)
        cpu[OURS].append(done.cpu)

    interleaved({BARE: partial(_run, bare), OURS: partial(_run, ours)}, rounds)
    part = ratio(a_second[OURS], a_second[BARE])
    what = f"{counts.turns} turns of one node, {len(workers)} process{'es on one file' if len(workers) > 1 else ''}"
    return [
        Cost(
            what=what,
            unit="turns a second",
            figures={name: spread(rates) for name, rates in a_second.items()},
            growth=part,
            goal=f">= {TURNS_GOAL:g}x",
            met=part.middle >= TURNS_GOAL,
        ),
        Cost(
            what=f"{what}, CPU",
            unit="ms a turn",
            figures={name: spread(each / counts.turns * 1e3 for each in taken) for name, taken in cpu.items()},
            growth=ratio(cpu[OURS], cpu[BARE]),
        ),
    ]


def _run(round: Callable[[], Coroutine[Any, Any, None]]) -> None:
    gc.enable()  # `interleaved` lets it rest
    asyncio.run(round())


# ------------------------------------------------------------------ claims


class Claimed(NamedTuple):
    """What a claim took, the median of some: seconds of the wall clock, and of CPU."""

    wall: float
    cpu: float


def claims(folder: str, counts: Counts, rounds: int) -> list[Cost]:
    """Return what a claim takes in a long queue, and beside many tasks whose time has not come, in both stores."""
    stores: dict[str, Callable[[], TaskStore]] = {
        "SQLite": lambda: SQLiteTaskStore(_new_file(folder)),
        "memory": MemoryTaskStore,
    }
    return [
        cost
        for name, new in stores.items()
        for crowd, sizes in (
            ("queued", {counts.few: 0, counts.many: 0}),
            (f"for later, {counts.few} queued", {0: 0, counts.many: counts.many}),
        )
        for cost in _claims(f"a claim in {name}, tasks {crowd}", new, sizes, counts, rounds)
    ]


def _claims(what: str, new: Callable[[], TaskStore], sizes: dict[int, int], counts: Counts, rounds: int) -> list[Cost]:
    """Measure claims in stores of growing sizes; of each, so many of the tasks are for later."""
    taken: dict[str, list[Claimed]] = {f"{size:,}": [] for size in sizes}
    with asyncio.Runner() as loop:
        stores = {f"{size:,}": new() for size in sizes}
        for store, (size, later) in zip(stores.values(), sizes.items(), strict=True):
            loop.run(fill(store, size - later or counts.few, later))

        def play(name: str) -> None:
            gc.enable()  # `interleaved` lets it rest
            taken[name].append(loop.run(claimed(stores[name], counts.claims)))

        interleaved({name: partial(play, name) for name in stores}, rounds)
        for store in stores.values():
            loop.run(store.close())
    return [
        _grown(f"{what}, {clock}", {name: [getattr(one, field) for one in each] for name, each in taken.items()})
        for field, clock in (("wall", "wall clock"), ("cpu", "CPU"))
    ]


def _grown(what: str, seconds: dict[str, list[float]]) -> Cost:
    small, large = seconds.values()
    times = ratio(large, small)
    return Cost(
        what=what,
        unit="µs",
        figures={name: spread(each * 1e6 for each in taken) for name, taken in seconds.items()},
        growth=times,
        goal=f"<= {CLAIM_GOAL}x",
        met=times.middle <= CLAIM_GOAL,
    )


def _spec(not_before_ms: int = 0) -> Spec:
    id = uuid4().hex
    return Spec(id=id, kind="handler", name="nothing", root_id=id, not_before_ms=not_before_ms)


async def fill(store: TaskStore, ready: int, later: int) -> None:
    tomorrow = int((time() + 86_400) * 1000)
    specs = [*(_spec() for _ in range(ready)), *(_spec(tomorrow) for _ in range(later))]
    for first in range(0, len(specs), 1_000):
        await store.create(specs[first : first + 1_000])


async def claimed(store: TaskStore, claims: int) -> Claimed:
    """Claim one task after the other; each is done, and another one queued for it, while no clock runs."""
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(claims):
        wall, cpu = perf_counter(), process_time()
        (task,) = await store.claim("worker", ["handler:nothing"], lease=60)
        cpus.append(process_time() - cpu)
        walls.append(perf_counter() - wall)
        await store.finish(task.id, task.fence, Ending(state="done"))
        await store.create([_spec()])
    return Claimed(median(walls), median(cpus))


# ------------------------------------------------------------------ waits


def waited(what: str, seconds: Sequence[float], high: str, *, goal: float | None = None, of: str = "p50") -> Cost:
    ordered = sorted(seconds)
    places = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    figures = {place: ordered[round((len(ordered) - 1) * places[place])] * 1e3 for place in ("p50", high)}
    return Cost(
        what=what,
        unit="ms",
        figures={place: spread([figure]) for place, figure in figures.items()},
        goal=None if goal is None else f"{of} < {goal:g}",
        met=None if goal is None else figures[of] < goal,
    )


async def start(folder: str, counts: Counts) -> Cost:
    """Return how long it takes from the call of `enqueue` to the start of the body, in an idle runner."""
    waits: list[float] = []
    asked = 0.0

    async def body(context: HandlerContext) -> None:
        waits.append(perf_counter() - asked)

    async with TaskRunner({}, SQLiteTaskStore(_new_file(folder)), handlers={"body": body}) as one:
        for _ in range(counts.starts):
            await asyncio.sleep(CALM)
            asked = perf_counter()
            await one.wait(await one.enqueue(handler="body"))
    return waited("from enqueue to the start, one idle process", waits, "p95", goal=START_GOAL_MS)


async def live(folder: str, reader: Process, counts: Counts) -> Cost:
    """Return how long after it was told an event reaches a reader in another process."""
    path, followed = _new_file(folder), asyncio.Event()

    async def body(context: HandlerContext) -> None:
        await followed.wait()
        for _ in range(counts.told):
            context.emit(Custom(data=time()))
            await asyncio.sleep(0.037)  # in no step with the pauses in which events are gathered

    async with TaskRunner({}, SQLiteTaskStore(path), handlers={"body": body}) as one:
        task_id = await one.enqueue(handler="body")
        reader.tell("follow", path=path, task_id=task_id)
        await asyncio.to_thread(reader.heard)
        followed.set()
        lags = await asyncio.to_thread(reader.heard)
    return waited("from an event to its reader in another process", lags, "p95")


async def cancel_here(folder: str, counts: Counts) -> Cost:
    """Return how long it takes to cancel an agent that yields, until it has ended."""
    async with runner(_new_file(folder)) as one:
        return waited(
            "cancel, in one process", await _cancelled(one, counts.cancels), "max", goal=CANCEL_GOAL_MS, of="max"
        )


async def cancel_there(folder: str, worker: Process, counts: Counts) -> Cost:
    """Return the same for an agent that another process runs."""
    path = _new_file(folder)
    async with maker(path) as one:
        worker.tell("work", path=path)
        waits = await _cancelled(one, counts.cancels)
        worker.tell("stop")
        await asyncio.to_thread(worker.heard)
    return waited("cancel, from another process", waits, "max", goal=CANCEL_GOAL_MS, of="max")


async def _cancelled(one: TaskRunner, times: int) -> list[float]:
    waits: list[float] = []
    for _ in range(times):
        task_id = await one.enqueue("go on", agent="yielding")
        await begun(one, task_id)
        asked = perf_counter()
        await one.cancel(task_id)
        waits.append(perf_counter() - asked)
    return waits


async def loss(folder: str, counts: Counts) -> Cost:
    """Return how many seconds beyond lease and sweep it takes until another worker begins what a killed one did."""
    beyond = sorted([await _killed(_new_file(folder), LEASE * number / counts.kills) for number in range(counts.kills)])
    figures = {"p50": median(beyond), "max": beyond[-1]}
    return Cost(
        what=f"until a killed worker's task runs again, beyond lease ({LEASE:g} s) and sweep ({SWEEP:g} s)",
        unit="seconds",
        figures={name: spread([figure]) for name, figure in figures.items()},
        goal="max <= 0",
        met=figures["max"] <= 0,
    )


async def _killed(path: str, after: float) -> float:
    """Kill a worker so many seconds after its task began; return how late another one began the task anew."""
    again: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def hold(context: HandlerContext) -> None:
        again.set_result(perf_counter())

    options: dict[str, Any] = {"lease": LEASE, "sweep": SWEEP}
    other = TaskRunner({}, SQLiteTaskStore(path), handlers={"hold": hold}, **options)
    with process() as victim:
        victim.tell("work", path=path, **options)
        task_id = await other.enqueue(handler="hold")
        await begun(other, task_id)
        async with other:
            await asyncio.sleep(after)  # so that the heartbeat was now longer, now less long ago
            killed = perf_counter()
            victim.popen.kill()
            late = await again - killed - LEASE - SWEEP
            await other.wait(task_id)
    return late


if __name__ == "__main__":
    asyncio.run(serve())
