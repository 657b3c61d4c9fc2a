"""A task whose worker is lost goes on where its thread stands: on SQLite, with LangGraph's own checkpointer.

A worker is lost here by letting its lease run out: the sweep takes the task back, and it is begun again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import interrupt

from langwire.sessions.store import now_ms
from langwire.tasks import HandlerContext, Retry, SQLiteTaskStore, Task, TaskRunner, TaskStore
from langwire.tasks.context import current_task
from langwire.testing.task_faults import FaultStore
from tasks.agents import graph_of, said

PATIENCE = 20.0
LEASE, SWEEP, NEVER = 30.0, 0.05, 1e6


class Ground:
    """A file with tasks, whose clock can be put forward, and an agent whose nodes can be made to hang once."""

    def __init__(self, path: Path) -> None:
        self._ahead = 0
        self._path = path
        self.store = self.other_store()
        self.runs: Counter[str] = Counter()
        self.hangs = asyncio.Event()
        self._hang_at: set[tuple[str, int]] = set()
        self.effects: list[str] = []

    def clock(self) -> int:
        return now_ms() + self._ahead

    def other_store(self) -> TaskStore:
        """The same file, as another process has it."""
        return SQLiteTaskStore(self._path, clock=self.clock)

    def lose_all_leases(self) -> None:
        self._ahead += int((LEASE + 1) * 1000)

    def hang_at(self, node: str, run: int = 1) -> None:
        self._hang_at.add((node, run))

    async def work(self, node: str) -> None:
        """What a node does: it counts, and hangs where it is to."""
        self.runs[node] += 1
        if (node, self.runs[node]) in self._hang_at:
            self.hangs.set()
            await asyncio.Event().wait()

    def node(self, name: str) -> tuple[str, Any]:
        async def run(state: Any) -> Any:
            await self.work(name)
            return {"messages": [AIMessage(f"{name}: {said(state)}")]}

        return name, run

    def steps(self, **options: Any) -> Any:
        return graph_of(self.node("a"), self.node("b"), self.node("c"), **options)

    def gated(self) -> Any:
        """Asks in its second node, and pays there once it may; a key makes paying twice the same as once."""

        async def pay(state: Any) -> Any:
            self.runs["asked"] += 1
            answer = interrupt("pay?")
            task = current_task()
            assert task is not None
            key = task.key("pay")
            if key not in self.effects:
                self.effects.append(key)
            await self.work("paid")
            return {"messages": [AIMessage(f"paid: {answer}")]}

        return graph_of(self.node("a"), ("pay", pay), self.node("c"))

    @asynccontextmanager
    async def runner(
        self, agent: Any, store: TaskStore | None = None, *, sweep: float = SWEEP
    ) -> AsyncIterator[TaskRunner]:
        runner = TaskRunner({"main": agent}, store or self.store, lease=LEASE, sweep=sweep)
        await runner.start()
        try:
            yield runner
        finally:
            await runner.shutdown(grace=0.1)
            await self.store.close()

    async def ended(self, runner: TaskRunner, task_id: str) -> Task:
        return await runner.wait(task_id, timeout=PATIENCE)

    async def people(self, task_id: str) -> list[str]:
        """What people have said on the task's thread."""
        async with self.store.checkpointer() as saver:
            found = await saver.aget_tuple({"configurable": {"thread_id": task_id}})
        assert found is not None
        return [message.text for message in found.checkpoint["channel_values"]["messages"] if message.type == "human"]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "tasks.db")


def hangs_at_the_end(ground: Ground, nth: int = 1) -> FaultStore:
    """The store, whose `finish` number `nth` never comes back: the graph has ended, and nobody will know."""
    return FaultStore(ground.store, fail_nth=nth, on=["finish"], hang=asyncio.Event())


async def test_what_was_done_before_a_node_that_was_cut_off_is_not_done_again(ground: Ground):
    """W9: the peer sent the prompt again, so the side effect was had twice, and two messages stood on the thread."""
    ground.hang_at("b")
    async with ground.runner(ground.steps()) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(ground.hangs.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "c: x")
    assert ground.runs == {"a": 1, "b": 2, "c": 1}
    assert await ground.people(task_id) == ["x"]


async def test_a_task_that_was_lost_before_its_thread_held_anything_is_begun(ground: Ground):
    store = FaultStore(ground.store, fail_nth=1, at="after", on=["claim"], hang=asyncio.Event())
    async with ground.runner(ground.steps(), store) as runner:
        task_id = await runner.enqueue("x")
        while (await runner.get(task_id)).state != "ongoing":
            await ground.store.wait((await ground.store.changes(None))[0], 1.0)
        ground.lose_all_leases()
        async with TaskRunner({"main": ground.steps()}, ground.other_store(), lease=LEASE, sweep=SWEEP) as other:
            task = await ground.ended(other, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "c: x")
    assert ground.runs == {"a": 1, "b": 1, "c": 1}
    assert await ground.people(task_id) == ["x"]


async def test_a_graph_that_had_ended_is_not_run_again(ground: Ground):
    store = hangs_at_the_end(ground)
    async with ground.runner(ground.steps(), store) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(store.reached.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "c: x")
    assert ground.runs == {"a": 1, "b": 1, "c": 1}
    assert await ground.people(task_id) == ["x"]


async def test_a_question_that_nobody_had_written_down_is_asked_once(ground: Ground):
    store = hangs_at_the_end(ground)
    async with ground.runner(ground.gated(), store) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(store.reached.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
        assert (task.state, [question.value for question in task.interrupts]) == ("review_needed", ["pay?"])
        assert (ground.runs["a"], ground.runs["asked"], ground.effects) == (1, 1, [])
        assert await runner.resume(task_id, {task.interrupts[0].id: "yes"})
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "c: x")
    assert (ground.runs["a"], ground.runs["paid"], len(ground.effects)) == (1, 1, 1)


async def test_an_answer_that_was_taken_is_given_again_and_its_effect_is_had_once(ground: Ground):
    """I8: the body at least once, and what it does outside once, by its key."""
    ground.hang_at("paid")
    async with ground.runner(ground.gated()) as runner:
        task_id = await runner.enqueue("x")
        task = await ground.ended(runner, task_id)
        assert await runner.resume(task_id, {task.interrupts[0].id: "yes"})
        await asyncio.wait_for(ground.hangs.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "c: x")
    assert (ground.runs["a"], ground.runs["paid"], ground.runs["c"], len(ground.effects)) == (1, 2, 1, 1)


async def test_a_followup_after_a_lost_end_is_worked_through_and_what_came_before_is_not(ground: Ground):
    """I7: the thread holds two prompts, and the end of the first is not taken for that of the second."""
    store = hangs_at_the_end(ground)
    async with ground.runner(ground.steps(), store) as runner:
        task_id = await runner.enqueue("one")
        await asyncio.wait_for(store.reached.wait(), PATIENCE)
        assert await runner.followup(task_id, "two")
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result, task.taken) == ("done", 2, "c: two", 2)
    assert ground.runs == {"a": 2, "b": 2, "c": 2}
    assert await ground.people(task_id) == ["one", "two"]


async def test_a_followup_that_was_cut_off_goes_on_with_itself_alone(ground: Ground):
    ground.hang_at("b", 2)
    async with ground.runner(ground.steps()) as runner:
        task_id = await runner.enqueue("one")
        await ground.ended(runner, task_id)
        assert await runner.followup(task_id, "two")
        await asyncio.wait_for(ground.hangs.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 3, "c: two")
    assert ground.runs == {"a": 2, "b": 3, "c": 2}
    assert await ground.people(task_id) == ["one", "two"]


async def test_a_breakpoint_that_nobody_had_written_down_is_no_way_through(ground: Ground):
    """Neither the first one, nor, with the answer to that, the next."""
    for nth in (1, 2):
        ground.runs.clear()
        store = hangs_at_the_end(ground, nth)
        async with ground.runner(ground.steps(interrupt_before=["b", "c"]), store) as runner:
            task_id = await runner.enqueue("x")
            if nth == 2:
                task = await ground.ended(runner, task_id)
                assert await runner.resume(task_id, {task.interrupts[0].id: None})
            await asyncio.wait_for(store.reached.wait(), PATIENCE)
            ground.lose_all_leases()
            task = await ground.ended(runner, task_id)
            assert (task.state, [question.kind for question in task.interrupts]) == ("review_needed", ["breakpoint"])
            assert ground.runs == ({"a": 1} if nth == 1 else {"a": 1, "b": 1})
            while task.state == "review_needed":
                assert await runner.resume(task_id, {task.interrupts[0].id: None})
                task = await ground.ended(runner, task_id)
        assert (task.state, task.result, ground.runs) == ("done", "c: x", {"a": 1, "b": 1, "c": 1})


async def test_a_run_that_was_cut_off_behind_a_breakpoint_is_not_asked_again(ground: Ground):
    ground.hang_at("b")
    async with ground.runner(ground.steps(interrupt_before=["b"])) as runner:
        task_id = await runner.enqueue("x")
        task = await ground.ended(runner, task_id)
        assert await runner.resume(task_id, {task.interrupts[0].id: None})
        await asyncio.wait_for(ground.hangs.wait(), PATIENCE)
        ground.lose_all_leases()
        task = await ground.ended(runner, task_id)
    assert (task.state, task.attempt, ground.runs) == ("done", 2, {"a": 1, "b": 2, "c": 1})


class DyingSaver(AsyncSqliteSaver):
    """A checkpointer that writes nothing from its write number `nth` on, as if its process had died there."""

    def __init__(self, whole: AsyncSqliteSaver, nth: int) -> None:
        super().__init__(whole.conn)
        self._left = nth
        self.died, self.buried = asyncio.Event(), asyncio.Event()

    async def _write(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.died.set()
            await self.buried.wait()
            raise OSError("the process is dead")

    async def aput(self, *given: Any) -> Any:
        await self._write()
        return await super().aput(*given)

    async def aput_writes(self, *given: Any) -> None:
        await self._write()
        await super().aput_writes(*given)


class WithSaver(FaultStore):
    """A store that hands out this checkpointer."""

    def __init__(self, store: TaskStore, saver: Any) -> None:
        super().__init__(store, fail_nth=None)
        self._saver = saver

    @asynccontextmanager
    async def checkpointer(self) -> AsyncIterator[Any]:
        yield self._saver


async def lost_at_a_write(ground: Ground, saver: DyingSaver) -> tuple[Task, bool]:
    """Do a task whose first worker dies at a write; return it, and whether it did."""
    first = TaskRunner({"main": ground.steps()}, WithSaver(ground.store, saver), lease=LEASE, sweep=NEVER)
    await first.start()
    task_id = await first.enqueue("x")
    over, met = asyncio.create_task(ground.ended(first, task_id)), asyncio.create_task(saver.died.wait())
    await asyncio.wait([over, met], return_when="FIRST_COMPLETED")
    ground.lose_all_leases()
    async with TaskRunner({"main": ground.steps()}, ground.other_store(), lease=LEASE, sweep=SWEEP) as second:
        task = await ground.ended(second, task_id)
    saver.buried.set()
    met.cancel()
    await asyncio.wait([over, met])
    await first.shutdown()
    return task, saver.died.is_set()


async def test_a_worker_may_be_lost_at_any_write_of_a_checkpoint(ground: Ground):
    """Between a node's end and its checkpoint nothing seems to come next, and yet the run has not ended."""
    for nth in count(1):
        ground.runs.clear()
        async with ground.store.checkpointer() as saver:
            task, died = await lost_at_a_write(ground, DyingSaver(saver, nth))
        assert (task.state, task.result, task.attempt) == ("done", "c: x", 2 if died else 1)
        assert set(ground.runs) == {"a", "b", "c"}
        assert ground.runs.total() <= 4, "no more runs again than what ran when it died"
        assert await ground.people(task.id) == ["x"]
        if not died:
            assert nth > 6
            break


# ------------------------------------------------------------------ poison


def poison(ground: Ground) -> Any:
    """A handler whose worker is lost whenever it runs."""

    async def run(context: HandlerContext) -> None:
        ground.runs["poison"] += 1
        ground.hangs.set()
        ground.lose_all_leases()
        await asyncio.Event().wait()

    return run


async def test_a_task_that_kills_each_of_its_workers_ends_as_failed(ground: Ground):
    """F-T8, I9: the peer began it again for ever."""
    async with TaskRunner({}, ground.store, handlers={"poison": poison(ground)}, lease=LEASE, sweep=SWEEP) as runner:
        task_id = await runner.enqueue(handler="poison", retry=Retry(max_attempts=3))
        task = await ground.ended(runner, task_id)
    assert (task.state, task.error and task.error.code) == ("failed", "worker_lost")
    assert (task.attempt, ground.runs["poison"]) == (3, 3)


async def test_it_is_the_sweep_that_takes_a_lost_task_back(ground: Ground):
    """I9: the control. Without a sweep it stays where it is, though other tasks come and go."""
    handlers = {"poison": poison(ground), "other": lambda context: "done"}
    async with TaskRunner({}, ground.store, handlers=handlers, lease=LEASE, sweep=NEVER) as runner:
        task_id = await runner.enqueue(handler="poison", retry=Retry(max_attempts=1))
        await asyncio.wait_for(ground.hangs.wait(), PATIENCE)
        for _ in range(10):
            await ground.ended(runner, await runner.enqueue(handler="other"))
        assert ((await runner.get(task_id)).state, ground.runs["poison"]) == ("ongoing", 1)
        async with TaskRunner({}, ground.other_store(), sweep=SWEEP) as sweeper:
            assert (await ground.ended(sweeper, task_id)).state == "failed"
