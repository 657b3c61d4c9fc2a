"""Real worker processes on one file, killed at random points: every task comes to its end, and its history is whole.

Twenty kills by default, 200 with LANGWIRE_SOAK=1. LANGWIRE_SEED repeats the choices of a run, which prints its seed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from langwire.events import Entry, TaskUpdate
from langwire.tasks import MOVES, SQLiteTaskStore, Task, TaskClient, TaskQuery, TaskRunner
from langwire.tasks.states import TERMINAL
from tasks.worker_process import runner_on

SOAK = os.environ.get("LANGWIRE_SOAK") == "1"
KILLS = 200 if SOAK else 20
WORKERS = 3
LEASE, SWEEP = 1.0, 0.2
NEVER = 1e6
PROGRAM = Path(__file__).with_name("worker_process.py")


class Workers:
    """Worker processes on one file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.effects = str(folder / "tasks.db"), str(folder / "effects")
        self.alive: list[Process] = []

    async def start(self, *, sweep: float = SWEEP) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), self.path, self.effects, str(LEASE), str(sweep), stdout=PIPE
        )
        self.alive.append(process)
        return process

    async def begun(self, *, sweep: float = SWEEP) -> Process:
        """Start one, and wait until it works."""
        process = await self.start(sweep=sweep)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        return process

    async def kill(self, process: Process) -> None:
        assert process.returncode is None, "a worker has ended by itself"
        self.alive.remove(process)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    async def kill_all(self) -> None:
        for process in list(self.alive):
            await self.kill(process)

    def happened(self) -> list[tuple[str, str, int, int]]:
        """The effects: task, node, fence, process."""
        return [tuple(json.loads(line)) for line in Path(self.effects).read_text().splitlines()]


class History:
    """What a bystander sees of tasks: each change, and which nodes have finished by the checkpoint of their thread."""

    def __init__(self, store: SQLiteTaskStore, saver: Any) -> None:
        self.client, self._saver = TaskClient(store), saver
        self.seen: dict[str, list[Task]] = defaultdict(list)
        self.finished: dict[tuple[str, str], int] = {}
        """The fence that was the newest when a node of a task was first seen to have finished."""
        self.answers: dict[str, list[str]] = defaultdict(list)
        self._changed = asyncio.Condition()
        self._changes = 0

    async def look(self) -> None:
        """Watch all tasks, and answer what they ask, until it is cancelled."""
        async for task in self.client.watch():
            self.seen[task.id].append(task)
            async with self._changed:
                self._changes += 1
                self._changed.notify_all()
            for question in task.interrupts:
                if task.state == "review_needed" and await self.client.resume(task.id, {question.id: "yes"}):
                    self.answers[task.id].append(question.id)
            for node in (await self.values(task.id)).get("finished", ()):
                if (task.id, node) not in self.finished:
                    self.finished[task.id, node] = (await self.client.get(task.id)).fence

    async def values(self, task_id: str) -> dict[str, Any]:
        found = await self._saver.aget_tuple({"configurable": {"thread_id": task_id}})
        return found.checkpoint["channel_values"] if found is not None else {}

    async def changes(self, number: int) -> None:
        """Wait for so many more changes."""
        until = self._changes + number
        async with self._changed:
            await self._changed.wait_for(lambda: self._changes >= until)


# ------------------------------------------------------------------ what a history must be


def check_owners(seen: list[Task]) -> None:
    """I1: fences and attempts never fall, and under one fence there is one worker."""
    owners: dict[int, set[str]] = defaultdict(set)
    for before, after in pairwise(seen):
        assert before.fence <= after.fence
        assert before.attempt <= after.attempt
    for task in seen:
        if task.worker is not None:
            owners[task.fence].add(task.worker)
    assert all(len(workers) == 1 for workers in owners.values())


def check_events(task: Task, entries: list[Entry]) -> None:
    """I3, I4: numbers without holes, legal moves, one end, and that is the last thing told."""
    assert [entry.seq for entry in entries] == list(range(1, task.events + 1))
    updates = [entry.event for entry in entries if isinstance(entry.event, TaskUpdate)]
    own = [update for update in updates if update.task_id == task.id]
    assert all(after.state in MOVES[before.state] for before, after in pairwise(own))
    assert all(before.attempt <= after.attempt for before, after in pairwise(own))
    assert sum(update.state in TERMINAL for update in own) == 1
    assert entries[-1].event == own[-1]
    assert sum(update.state == "ongoing" for update in own) <= task.fence


def check_effects(history: History, happened: list[tuple[str, str, int, int]]) -> None:
    """I1, I2: one process under each fence; I8: nothing runs again whose end had been kept."""
    owners: dict[tuple[str, int], set[int]] = defaultdict(set)
    runs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for task_id, node, fence, pid in happened:
        owners[task_id, fence].add(pid)
        runs[task_id, node].append(fence)
    assert all(len(pids) == 1 for pids in owners.values())
    for (task_id, node), fences in runs.items():
        assert len(set(fences)) == len(fences), "a node ran twice under one fence"
        assert max(fences) <= history.finished.get((task_id, node), max(fences)), f"{node} of {task_id} ran again"


async def check_task(history: History, task: Task) -> None:
    check_owners(history.seen[task.id])
    messages = (await history.values(task.id))["messages"]
    assert [message.text for message in messages if message.type == "human"] == [task.spec.prompt]
    if task.spec.name == "lead":
        assert len(await history.client.children(task.id)) == 2, "each call starts one task, however often it is made"
        assert task.result == "all parts are done"
    else:
        assert task.result == "c: done"
        assert (await history.values(task.id))["finished"] == ["a", "b", "c"]
    asked = task.spec.name == "asks"
    assert len(history.answers[task.id]) == asked, "each question is answered exactly once"
    check_events(task, [entry async for entry in history.client.events(task.id)])


# ------------------------------------------------------------------ the kills


async def kill_at_random(workers: Workers, history: History, client: TaskRunner, chance: random.Random) -> list[str]:
    """Kill one worker after the other while there is work; return the ids of the tasks that were made."""
    ids: list[str] = []
    for _ in range(KILLS):
        for _ in range(2):
            agent = chance.choice(["steps", "steps", "asks", "lead"])
            ids.append(await client.enqueue(f"task {len(ids)}", agent=agent))
        with suppress(TimeoutError):  # all has been done before so much has changed
            async with asyncio.timeout(2):
                await history.changes(chance.randint(1, 12))
        await workers.kill(chance.choice(workers.alive))
        await workers.start()
    return ids


@pytest.mark.timeout(1800 if SOAK else 180)
async def test_no_task_is_lost_however_many_workers_are_killed(tmp_path: Path):
    """I1 to I4, I8, I9: kill -9 of workers at random points, with the whole history checked."""
    seed = int(os.environ.get("LANGWIRE_SEED") or random.randrange(2**32))
    sys.stdout.write(f"LANGWIRE_SEED={seed}\n")
    workers = Workers(tmp_path)
    maker = runner_on(workers.path, workers.effects, LEASE, SWEEP)
    store = SQLiteTaskStore(workers.path)
    async with store.checkpointer() as saver:
        history = History(store, saver)
        looking = asyncio.create_task(history.look())
        try:
            for _ in range(WORKERS):
                await workers.start()
            ids = await kill_at_random(workers, history, maker, random.Random(seed))
            await ended(history, ids)
        finally:
            await workers.kill_all()
            looking.cancel()
            await asyncio.wait([looking])
        tasks = await everything(history.client)
        assert await history.client.count() == {"done": len(tasks)}
        for task in tasks:
            await check_task(history, task)
        check_effects(history, workers.happened())
        lost = sum(task.attempt - 1 for task in tasks)
        sys.stdout.write(f"{KILLS} kills have cost {lost} attempts at {len(tasks)} tasks\n")
        assert lost > 0, "no kill has hit a task"
    await maker.close()
    await store.close()


async def ended(history: History, ids: list[str]) -> None:
    async with asyncio.timeout(60):
        for id in ids:
            async for _ in history.client.events(id, follow=True):
                pass


async def everything(client: TaskClient) -> list[Task]:
    return list((await client.list(TaskQuery(), limit=10_000)).tasks)


async def test_without_a_sweep_the_tasks_of_a_killed_worker_stay_with_it(tmp_path: Path):
    """I9: the control, which shows that it is the sweep that takes tasks back, and nothing else."""
    workers = Workers(tmp_path)
    client = runner_on(workers.path, workers.effects, LEASE, NEVER)
    try:
        first = await workers.begun(sweep=NEVER)
        await workers.begun(sweep=NEVER)
        ids = [await client.enqueue(f"task {number}") for number in range(60)]
        async for task in client.watch(TaskQuery(states=("done",))):
            assert task.id in ids
            break
        await workers.kill(first)
        later = await client.enqueue("later", not_before=LEASE + 5 * SWEEP)
        await client.gather([later], timeout=30)
        lost = await left_ongoing(client)
        assert len({task.worker for task in lost}) == 1
        await workers.begun()
        tasks = await client.gather(ids, timeout=30)
        assert {task.state for task in tasks} == {"done"}
        assert {task.id for task in tasks if task.attempt > 1} == {task.id for task in lost}
    finally:
        await workers.kill_all()
        await client.close()


async def left_ongoing(client: TaskClient) -> list[Task]:
    """Wait until nothing happens any more; return the tasks that are ongoing all the same."""
    while True:
        mark, _ = await client.store.changes(None)
        await client.store.wait(mark, LEASE)
        if (mark, ()) == await client.store.changes(mark):
            return list((await client.list(TaskQuery(states=("ongoing",)))).tasks)
