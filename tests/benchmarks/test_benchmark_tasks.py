"""Tasks are measured in processes of their own, beside the bare graph, and what goes wrong with them is counted."""

from __future__ import annotations

from pathlib import Path

import aiosqlite
from benchmarks.rounds import Spread
from benchmarks.tasks import (
    BARE,
    OURS,
    Done,
    answering,
    claimed,
    fill,
    maker,
    nothing,
    play,
    process,
    runner,
    settled,
    tasks,
    waited,
    wrongs,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks import __main__ as command
from langwire.tasks import MemoryTaskStore, SQLiteTaskStore, Task, TaskRunner
from langwire.tasks.task import Ending, Spec

BODIES = ["handler:nothing"]


def test_each_promise_is_measured() -> None:
    """I1, I4, I5, I9: what they promise is counted or timed, and what is counted comes to nothing."""
    costs = tasks(1, quick=True)
    few, many = "5", "20"
    claims = [
        (f"a claim in {store}, tasks {crowd}, {clock}", sizes, "µs", True)
        for store in ("SQLite", "memory")
        for crowd, sizes in (("queued", [few, many]), ("for later, 5 queued", ["0", many]))
        for clock in ("wall clock", "CPU")
    ]
    assert [(cost.what, list(cost.figures), cost.unit, cost.met is not None) for cost in costs] == [
        ("20 tasks that do nothing, 2 processes on one file", [""], "tasks a second", True),
        (
            "20 of them: what went wrong",
            ["lost", "started twice", "odd histories"],
            "tasks",
            True,
        ),
        ("4 turns of one node, 1 process", [BARE, OURS], "turns a second", True),
        ("4 turns of one node, 1 process, CPU", [BARE, OURS], "ms a turn", False),
        ("4 turns of one node, 2 processes on one file", [BARE, OURS], "turns a second", True),
        ("4 turns of one node, 2 processes on one file, CPU", [BARE, OURS], "ms a turn", False),
        *claims,
        ("from enqueue to the start, one idle process", ["p50", "p95"], "ms", True),
        ("from an event to its reader in another process", ["p50", "p95"], "ms", False),
        ("cancel, in one process", ["p50", "max"], "ms", True),
        ("cancel, from another process", ["p50", "max"], "ms", True),
        (
            "until a killed worker's task runs again, beyond lease (1 s) and sweep (0.25 s)",
            ["p50", "max"],
            "seconds",
            True,
        ),
    ]
    wrong = costs[1]
    assert (wrong.met, set(wrong.figures.values())) == (True, {Spread(0, 0, 0)})  # no matter of the machine's load


async def test_a_task_that_nobody_does_counts_as_lost(tmp_path: Path) -> None:
    async with maker(str(tmp_path / "tasks.db")) as one:
        await one.enqueue(handler="nothing")
        await settled(one, patience=0.01)
        assert await wrongs(one, 2) == {"lost": 2, "started twice": 0, "odd histories": 1}


async def test_a_task_that_is_given_back_and_done_counts_as_started_twice(tmp_path: Path) -> None:
    """I1: the fence tells of each claim, also of one that was no attempt of its own."""
    store = SQLiteTaskStore(tmp_path / "tasks.db")
    async with maker(str(tmp_path / "tasks.db")) as one:
        await one.enqueue(handler="nothing")
        for ending in (Ending(state="queued", counted=True), Ending(state="done")):
            (task,) = await store.claim("worker", BODIES, lease=60)
            await store.finish(task.id, task.fence, ending)
        assert await wrongs(one, 1) == {"lost": 0, "started twice": 1, "odd histories": 1}
    await store.close()


async def test_a_task_that_is_done_at_once_counts_as_nothing() -> None:
    async with TaskRunner({}, MemoryTaskStore(), handlers={"nothing": nothing}) as one:
        await one.wait(await one.enqueue(handler="nothing"))
        assert await wrongs(one, 1) == {"lost": 0, "started twice": 0, "odd histories": 0}


def test_workers_are_timed_from_the_first_start_to_the_last_end() -> None:
    spec = Spec(id="a", name="nothing", root_id="a")
    times = [(2_000, 4_000), (3_000, 3_500), (None, None)]
    found = [Task(spec=spec, number=1, started_ms=started, ended_ms=ended) for started, ended in times]
    done = Done(found, began=1.5, cpu=0.1)
    assert (done.working, done.seconds) == (2.0, 2.5)


async def test_claims_leave_a_queue_as_long_as_it_was() -> None:
    store = MemoryTaskStore()
    await fill(store, ready=3, later=2)
    await claimed(store, 4)
    assert await store.count() == {"queued": 5, "done": 4}
    ready = await store.claim("worker", BODIES, limit=10, lease=60)
    assert len(ready) == 3


def test_a_goal_is_held_against_the_figure_that_it_names() -> None:
    seconds = [0.004, 0.003, 0.012]
    within, beyond = (waited("", seconds, "max", goal=10, of=of) for of in ("p50", "max"))
    assert {name: figure.middle for name, figure in within.figures.items()} == {"p50": 4, "max": 12}
    assert [(cost.goal, cost.met) for cost in (within, beyond)] == [("p50 < 10", True), ("max < 10", False)]
    assert waited("", seconds, "max").goal is None


async def test_both_run_the_same_turn(tmp_path: Path) -> None:
    paths = {BARE: str(tmp_path / "bare.db"), OURS: str(tmp_path / "tasks.db")}
    await play(paths[BARE], 1)
    async with runner(paths[OURS]) as one:
        await one.wait(await one.enqueue("hi", agent="answering"))
    assert {name: await _threads(path) for name, path in paths.items()} == {
        name: [["hi", "hello"]] for name in (BARE, OURS)
    }


async def _threads(path: str) -> list[list[str]]:
    """Return what was said in each thread of a file, as its saver has it at last."""
    async with aiosqlite.connect(path) as db:
        graph = answering()
        graph.checkpointer = saver = AsyncSqliteSaver(db)
        ids = {kept.config["configurable"]["thread_id"] async for kept in saver.alist(None)}
        states = [await graph.aget_state({"configurable": {"thread_id": id}}) for id in ids]
    return [[message.text for message in state.values["messages"]] for state in states]


def test_a_worker_process_does_one_job_after_the_other_and_ends_with_its_parent(tmp_path: Path) -> None:
    with process() as worker:
        for name in ("one", "other"):
            worker.tell("play", path=str(tmp_path / name), turns=1)
            ended, cpu = worker.heard()
            assert ended > 0
            assert cpu > 0
    assert worker.popen.returncode == 0


def test_the_command_knows_them() -> None:
    assert command.COSTS["tasks"] is tasks
