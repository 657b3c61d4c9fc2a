"""Both task stores keep the contract; the suite finds those that do not; two processes share one file's tasks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from msgspec.structs import replace

from langwire.events import Event
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.store import TaskStore
from langwire.tasks.task import NO_CAPS, Caps, Ending, Limits, Spec, Task, TaskAnswer
from langwire.testing._task_suite import spec, told
from langwire.testing.task_stores import TaskStoreContract


class TestMemoryTaskStore(TaskStoreContract):
    async def make_store(self, clock: Callable[[], int]) -> TaskStore:
        return MemoryTaskStore(clock=clock)


class TestSQLiteTaskStore(TaskStoreContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tasks.db"

    async def make_store(self, clock: Callable[[], int]) -> TaskStore:
        return SQLiteTaskStore(self.path, clock=clock)

    async def other_store(self, store: TaskStore, clock: Callable[[], int]) -> TaskStore | None:
        return SQLiteTaskStore(self.path, clock=clock)


# ------------------------------------------------------------------ the suite can fail


class Forgetful(MemoryTaskStore):
    async def get(self, task_id: str) -> Task | None:
        return None


class Keyless(MemoryTaskStore):
    """Knows nothing of a call that was made before."""

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        return await super().create([replace(spec, call_key=None) for spec in specs], limited=limited)


class Piecemeal(MemoryTaskStore):
    """Makes tasks one by one."""

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        return tuple([(await super(Piecemeal, self).create([spec], limited=limited))[0] for spec in specs])


class Generous(MemoryTaskStore):
    """Knows no limits."""

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        open = Limits(max_depth=99, max_children=99, max_active=99, max_total=99, agents=("a", "b"))
        return await super().create([replace(spec, limits=open) for spec in specs], limited=limited)

    async def claim(self, *args: Any, caps: Caps = NO_CAPS, **more: Any) -> tuple[Task, ...]:
        return await super().claim(*args, **more)


class Fenceless(MemoryTaskStore):
    """Takes what comes from whoever says that it is his task."""

    async def append_events(self, task_id: str, fence: int, batch: int, events: Sequence[Event], **more: Any) -> bool:
        task = await self.get(task_id)
        return await super().append_events(task_id, task.fence if task else fence, batch, events, **more)

    async def finish(self, task_id: str, fence: int, ending: Ending, events: Sequence[Event] = ()) -> Task:
        task = await self.get(task_id)
        return await super().finish(task_id, task.fence if task else fence, ending, events)

    async def heartbeat(self, worker: str, held: Mapping[str, int], *, lease: float) -> tuple[str, ...]:
        return ()


class Repeating(MemoryTaskStore):
    """Writes whatever comes, however often."""

    async def append_events(self, task_id: str, fence: int, batch: int, events: Sequence[Event], **more: Any) -> bool:
        task = await self.get(task_id)
        return await super().append_events(task_id, fence, task.batch + 1 if task else batch, events, **more)

    async def followup(self, task_id: str, message_id: str, text: str) -> bool:
        return await super().followup(task_id, f"{message_id} {time_ns()}", text)


class OneByOne(MemoryTaskStore):
    """Takes the answers that it can."""

    async def resume(self, task_id: str, answers: Sequence[TaskAnswer]) -> bool:
        return all([await super(OneByOne, self).resume(task_id, [answer]) for answer in answers])


class Counting(MemoryTaskStore):
    """Counts what is given back as an attempt, and takes back no lease."""

    async def finish(self, task_id: str, fence: int, ending: Ending, events: Sequence[Event] = ()) -> Task:
        return await super().finish(task_id, fence, replace(ending, counted=False), events)

    async def reap(self, limit: int = 100) -> tuple[Task, ...]:
        return ()


class Hasty(MemoryTaskStore):
    """Waits for nothing, and forgets everything that has ended."""

    async def wait(self, mark: int, seconds: float) -> None:
        return

    async def purge(self, older_than: float, limit: int = 1000) -> tuple[str, ...]:
        return await super().purge(-1.0, limit)


LIARS: list[tuple[type[MemoryTaskStore], str]] = [
    (Forgetful, "a_new_task_is_queued_and_knows_what_it_was_made_of"),
    (Keyless, "a_key_that_is_known_makes_nothing"),
    (Keyless, "of_many_who_use_a_key_at_once_one_makes_the_task"),
    (Piecemeal, "tasks_are_made_all_or_none"),
    (Generous, "delegation_has_a_depth"),
    (Generous, "a_task_has_so_many_children"),
    (Generous, "a_root_has_so_many_active_tasks"),
    (Generous, "a_root_has_so_many_tasks_in_all"),
    (Generous, "all_below_a_root_spend_from_one_purse"),
    (Generous, "a_limit_holds_for_many_who_delegate_at_once"),
    (Generous, "who_begins_again_below_a_root_keeps_to_its_limits"),
    (Generous, "a_root_that_is_tried_again_has_its_seconds_again"),
    (Generous, "so_many_of_a_name_are_ongoing_at_once"),
    (Generous, "so_many_below_a_root_are_ongoing_at_once"),
    (Fenceless, "only_who_has_the_task_writes_its_events"),
    (Fenceless, "only_who_has_the_task_ends_it"),
    (Fenceless, "a_late_end_changes_nothing_in_the_next_attempt"),
    (Fenceless, "a_worker_hears_which_tasks_are_its_own_no_more"),
    (Repeating, "a_batch_is_written_once"),
    (Repeating, "what_was_said_before_changes_nothing"),
    (OneByOne, "several_answers_are_taken_all_or_none"),
    (Counting, "a_task_that_is_given_back_starts_no_new_attempt"),
    (Counting, "a_poison_task_ends_as_failed"),
    (Hasty, "who_waits_for_news_is_woken"),
    (Hasty, "tasks_that_ended_long_ago_are_forgotten"),
    (Hasty, "a_task_is_not_forgotten_before_those_below_it"),
]


@pytest.mark.parametrize(("liar", "promise"), LIARS, ids=lambda value: getattr(value, "__name__", value))
def test_the_contract_finds_a_store_that_breaks_it(liar: type[MemoryTaskStore], promise: str) -> None:
    class Broken(TaskStoreContract):
        async def make_store(self, clock: Callable[[], int]) -> TaskStore:
            return liar(clock=clock)

    with pytest.raises(AssertionError, match=" came, expected "):
        getattr(Broken(), f"test_{promise}")()


# ------------------------------------------------------------------ two processes

RACERS = 2
RACES = 3
"""A racer that is slow to start may find nothing left: one race out of these is enough."""
WORKERS = 4
TASKS = 500


async def fill(path: Path) -> None:
    async with SQLiteTaskStore(path) as store:
        await store.create([spec(f"{number}") for number in range(TASKS)])


def test_of_two_processes_one_gets_each_task(tmp_path: Path) -> None:
    """I1, I2, I3: none is claimed twice and none is lost, as the history of its fences shows."""
    raced = [race(tmp_path / f"{number}.db") for number in range(RACES)]
    assert any(raced), "both had some: it was a race"


def race(path: Path) -> bool:
    """Let racers do all tasks of a new file, and check the history; return whether each of them had some."""
    asyncio.run(fill(path))
    script = str(Path(__file__).with_name("race_worker.py"))
    racers = [
        subprocess.Popen(
            [sys.executable, script, str(path), f"racer {number}", str(WORKERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    fences: dict[str, list[int]] = {}
    raced = True
    for racer in racers:
        lines = racer.communicate(timeout=90)[0].splitlines()
        assert racer.returncode == 0
        raced = raced and bool(lines)
        for id, fence, attempt, _ in map(json.loads, lines):
            fences.setdefault(id, []).append(fence)
            assert attempt == 1
    asyncio.run(check_history(path, fences))
    return raced


async def check_history(path: Path, fences: dict[str, list[int]]) -> None:
    async with SQLiteTaskStore(path) as store:
        tasks = (await store.list(limit=TASKS + 1)).tasks
        assert {task.id for task in tasks} == set(fences)
        assert len(tasks) == TASKS
        for task in tasks:
            claimed = fences[task.id]
            assert len(claimed) == len(set(claimed)) == (2 if task.number % 5 == 0 else 1)
            assert (task.state, task.result, max(claimed)) == ("done", task.id, task.fence)
            whole = ["queued", "ongoing"] * len(claimed) + ["done"]
            assert [state for _, state, _ in await told(store, task.id)] == whole
