"""Whatever goes wrong with the store, and whenever: a runner goes on, and no task is lost, doubled or made worse.

Each of these lets a run meet a fault at its first call to the store, at the second, and so on, until one meets none.
Many of them run side by side, each with a store of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import interrupt

from langwire.errors import StoreError
from langwire.events import Custom, Entry, TaskUpdate, TextDelta, TurnEnd, TurnStart
from langwire.sessions.store import now_ms
from langwire.tasks import HandlerContext, MemoryTaskStore, Task, TaskClient, TaskRunner, TaskStore
from langwire.tasks.task import Ending
from langwire.testing import ScriptedModel, text
from langwire.testing.task_faults import CALLS, FaultStore, When
from tasks.agents import Gate, graph_of, said

T = TypeVar("T")
PATIENCE = 20.0
LEASE, SWEEP, NEVER = 30.0, 0.05, 1e6
TOGETHER = 16
"""How many runs go on at once."""
WORDS = [f"word {number} " for number in range(8)]
WORKED = CALLS - {"close"}
"""The calls that a runner makes while it works."""

at_each_time = pytest.mark.parametrize("at", ["before", "after"])


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run write its events while it goes on, however short it is."""
    monkeypatch.setattr("langwire.tasks._recorder._FIRST_PAUSE", 0.0)
    monkeypatch.setattr("langwire.tasks._recorder._PAUSE", 0.0)


def agent() -> Any:
    """Says some words, and asks a person whether a first message is meant."""
    model = ScriptedModel(script=[text(*WORDS)])

    async def talk(state: Any) -> Any:
        return {"messages": [await model.ainvoke([])]}

    def ask(state: Any) -> Any:
        answer = interrupt("go on?") if said(state) == "first" else "unasked"
        return {"messages": [AIMessage(f"{said(state)}: {answer}")]}

    return graph_of(("talk", talk), ("ask", ask))


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Call until the store does not fail."""
    while True:
        with suppress(StoreError):
            return await call()


class Clock:
    """The store's clock, which can be put forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> int:
        return now_ms() + int(self._ahead * 1000)

    def let_leases_run_out(self) -> None:
        self._ahead += LEASE + 1


def left_behind() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def until_none_is_met(run: Callable[[int], Awaitable[bool]]) -> None:
    """Do a run for each number, many at once, until one says that it has met no fault."""
    for first in count(1, TOGETHER):
        met = await asyncio.gather(*(run(nth) for nth in range(first, first + TOGETHER)))
        assert not left_behind()
        if not all(met):
            return


async def known(store: TaskStore, task_id: str) -> Task:
    task = await store.get(task_id)
    assert task is not None
    return task


async def entries_of(store: TaskStore, task_id: str) -> list[Entry]:
    return list((await store.events(task_id)).entries)


def states_in(entries: list[Entry]) -> list[str]:
    return [entry.event.state for entry in entries if isinstance(entry.event, TaskUpdate)]


# ------------------------------------------------------------------ each call fails once


async def a_whole_life(store: FaultStore) -> tuple[str, str]:
    """A task that is asked for, answered, told more and done; and another one after it. Returns their ids."""
    runner = TaskRunner({"main": agent()}, store, lease=LEASE, sweep=SWEEP, concurrency=1)
    await insist(runner.start)
    first = await insist(lambda: runner.enqueue("first", idempotency_key="k"))
    asked = await insist(lambda: runner.wait(first, timeout=PATIENCE))
    assert asked.state == "review_needed"
    taken = await insist(lambda: runner.resume(first, {asked.interrupts[0].id: "yes"}))
    assert taken or "resume" in failed_in(store)
    assert (await insist(lambda: runner.wait(first, timeout=PATIENCE))).result == "first: yes"
    assert await insist(lambda: runner.followup(first, "more", message_id="m"))
    assert (await insist(lambda: runner.wait(first, timeout=PATIENCE))).result == "more: unasked"
    second = await insist(lambda: runner.enqueue("another", idempotency_key="k2"))
    assert (await insist(lambda: runner.wait(second, timeout=PATIENCE))).state == "done"
    await insist(runner.shutdown)
    return first, second


def failed_in(store: FaultStore) -> list[str]:
    """The name of the call that has failed, if one has."""
    return store.made[store.fail_nth - 1 : store.fail_nth] if store.fail_nth else []


@at_each_time
async def test_one_error_of_the_store_at_any_call_costs_a_task_nothing(at: When):
    """F-T1, I3, I4, I10: also where the call has landed, and its answer is lost."""
    met: set[str] = set()

    async def run(nth: int, on: list[str] | None = None) -> bool:
        clock = Clock()
        whole = MemoryTaskStore(clock=clock)
        store = FaultStore(whole, fail_nth=nth, at=at, on=on)

        async def lose_the_lease() -> None:
            await store.reached.wait()
            if failed_in(store) == ["claim"] and at == "after":
                clock.let_leases_run_out()  # nobody knows that he has it: it is taken back when the lease is over

        losing = asyncio.create_task(lose_the_lease())
        first, second = [await known(whole, id) for id in await a_whole_life(store)]
        losing.cancel()
        await asyncio.wait([losing])
        met.update(failed_in(store))
        lost = first.attempt - 2 + second.attempt - 1
        assert lost == 0 or (lost, failed_in(store), at) == (1, ["claim"], "after")
        entries = await entries_of(whole, first.id)
        assert [entry.seq for entry in entries] == list(range(1, first.events + 1))
        words = "".join(WORDS)
        told = "".join(entry.event.text for entry in entries if isinstance(entry.event, TextDelta))
        assert told == f"{words}first: yes{words}more: unasked"
        ends = [entry.event.outcome for entry in entries if isinstance(entry.event, TurnEnd)]
        assert ends == ["interrupted", "complete", "complete"]
        assert sum(isinstance(entry.event, TurnStart) for entry in entries) == len(ends), "no batch is written twice"
        states = states_in(entries)
        assert (states.count("review_needed"), states.count("done"), states.count("failed")) == (1, 2, 0)
        assert lost or states == [
            *("queued", "ongoing", "review_needed", "queued", "ongoing", "done"),
            *("queued", "ongoing", "done"),
        ]
        return store.reached.is_set()

    await until_none_is_met(run)
    # Each run has an order of its own: which call is the n-th is chance, so those that it has left out are met now.
    for name in {"create", "claim", "append_events", "finish", "resume", "followup", "changes", "wait"} - met:
        assert await run(1, [name]), f"no run calls {name}"


@pytest.mark.parametrize("name", ["claim", "finish", "reap", "changes", "wait"])
async def test_several_errors_in_a_row_kill_no_worker(name: str):
    """F-T1, W8: three "database is locked" left the peer with no worker, and ten tasks that nobody did."""
    whole = MemoryTaskStore()
    store = failing(whole, name, times=3)
    runner = TaskRunner({"main": two_nodes()}, store)
    await insist(runner.start)
    ids = [await runner.enqueue(f"{n}") for n in range(10)]
    tasks = await TaskClient(whole).gather(ids, timeout=PATIENCE)
    assert [(task.state, task.attempt, task.result) for task in tasks] == [("done", 1, f"{n}") for n in range(10)]
    await asyncio.wait_for(store.reached.wait(), PATIENCE)
    await runner.shutdown()


def failing(store: TaskStore, name: str, *, times: int, at: When = "before") -> FaultStore:
    """A store whose first calls of a name fail."""
    failing = FaultStore(store, fail_nth=1, at=at, on=[name])
    for nth in range(2, times + 1):
        failing = FaultStore(failing, fail_nth=nth, at=at, on=[name])
    return failing


@pytest.mark.parametrize("name", ["append_events", "heartbeat"])
@pytest.mark.parametrize("times", [1, 2])
@at_each_time
async def test_an_error_while_the_body_runs_does_not_touch_it(name: str, times: int, at: When):
    """I10, W8: the peer called a task failed whose agent ran on, and paid."""
    gate, whole = Gate(), MemoryTaskStore()
    store = failing(whole, name, times=times, at=at)
    async with TaskRunner({"main": gate.agent}, store, lease=1.0, sweep=SWEEP) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        await asyncio.wait_for(store.reached.wait(), PATIENCE)
        gate.let_through.set()
        task = await runner.wait(task_id, timeout=PATIENCE)
    assert (task.state, task.attempt, gate.runs) == ("done", 1, 1)


# ------------------------------------------------------------------ a store that hangs, a shutdown, a cancel


def two_nodes() -> Any:
    return graph_of(("a", lambda state: {}), ("b", lambda state: {"messages": [("ai", said(state))]}))


async def its_task(whole: TaskStore) -> Task | None:
    return next(iter((await whole.list()).tasks), None)


async def finished_by_another(whole: TaskStore, clock: Clock) -> None:
    """Let another runner do what is left, when all leases are over."""
    clock.let_leases_run_out()
    task = await its_task(whole)
    if task is not None:
        async with TaskRunner({"main": two_nodes()}, whole, sweep=SWEEP) as other:
            ended = await other.wait(task.id, timeout=PATIENCE)
        assert (ended.state, ended.result) == ("done", "x")


class Doing:
    """A runner that does one task, and whose call number `nth` to the store hangs; its start does not count."""

    def __init__(self, whole: TaskStore, nth: int, at: When, go_on: asyncio.Event) -> None:
        self.store = FaultStore(whole, fail_nth=nth + 1, at=at, hang=go_on, on=WORKED)
        self.runner = TaskRunner({"main": two_nodes()}, self.store, lease=LEASE, sweep=SWEEP)

    async def begin(self) -> None:
        await self.runner.start()
        self._going = asyncio.create_task(self._go())

    async def _go(self) -> None:
        await self.runner.wait(await self.runner.enqueue("x"), timeout=PATIENCE)

    async def met(self) -> bool:
        """Begin, and wait until it hangs, or is through; return whether it hangs."""
        await self.begin()
        meeting = asyncio.create_task(self.store.reached.wait())
        await asyncio.wait([meeting, self._going], return_when="FIRST_COMPLETED")
        meeting.cancel()
        await asyncio.wait([meeting])
        return self.store.reached.is_set()

    async def end(self) -> None:
        self._going.cancel()
        await asyncio.wait([self._going])


@at_each_time
async def test_a_store_that_hangs_holds_up_no_shutdown(at: When):
    """I11: shutdown returns in its time, leaves nothing behind, and the task is done by another."""

    async def run(nth: int) -> bool:
        clock = Clock()
        whole = MemoryTaskStore(clock=clock)
        doing = Doing(whole, nth, at, asyncio.Event())
        met = await doing.met()
        await asyncio.wait_for(doing.runner.shutdown(grace=0.05), PATIENCE)
        await doing.end()
        await finished_by_another(whole, clock)
        return met

    await until_none_is_met(run)


@at_each_time
async def test_a_shutdown_at_any_call_leaves_the_task_queued_or_over(at: When):
    """I11."""

    async def run(nth: int) -> bool:
        clock, go_on = Clock(), asyncio.Event()
        whole = MemoryTaskStore(clock=clock)
        doing = Doing(whole, nth, at, go_on)
        met = await doing.met()
        stopping = asyncio.create_task(doing.runner.shutdown())
        asyncio.get_running_loop().call_soon(go_on.set)
        await asyncio.wait_for(stopping, PATIENCE)
        await doing.end()
        task = await its_task(whole)
        assert task is None or (task.state in ("queued", "done") and task.worker is None)
        assert task is None or task.attempt <= 1
        await finished_by_another(whole, clock)
        return met

    await until_none_is_met(run)


@at_each_time
async def test_a_cancel_at_any_call_says_what_becomes_of_the_task(at: When):
    """F-T3, W5, W6, I5: between claim and start the peer lost it, and after the end it wrote over that."""
    answers: set[Any] = set()

    async def run(nth: int) -> bool:
        go_on = asyncio.Event()
        whole = MemoryTaskStore()
        doing = Doing(whole, nth, at, go_on)
        met, task = await doing.met(), await its_task(whole)
        if task is not None:
            cancelling = asyncio.create_task(TaskClient(whole).cancel(task.id, wait=PATIENCE))
            asyncio.get_running_loop().call_soon(go_on.set)
            answer = await cancelling
            assert (await known(whole, task.id)).state == ("cancelled" if answer else "done")
            states = states_in(await entries_of(whole, task.id))
            assert (states[-1], states.count("done") + states.count("cancelled")) == (
                "cancelled" if answer else "done",
                1,
            )
            answers.add(answer)
        go_on.set()
        await doing.runner.shutdown()
        await doing.end()
        return met

    await until_none_is_met(run)
    assert answers == {True, False}


# ------------------------------------------------------------------ a lease that is lost


class Watched(Gate):
    """A gate that says when it has been left."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        super().__init__()

    async def _gate(self, state: Any) -> Any:
        try:
            return await super()._gate(state)
        finally:
            self.stopped.set()


@pytest.mark.parametrize(
    ("hangs", "lease"),
    [(None, LEASE), ("heartbeat", 0.6)],
    ids=["it gets it back itself", "it cannot prolong it"],
)
async def test_a_body_whose_lease_is_lost_is_stopped_and_writes_nothing_more(hangs: str | None, lease: float):
    """I1, I2."""
    gate, clock = Watched(), Clock()
    whole = MemoryTaskStore(clock=clock)
    store = FaultStore(whole, fail_nth=1, on=[hangs or "retry"], hang=asyncio.Event())
    alone = hangs == "heartbeat"
    async with TaskRunner({"main": gate.agent}, store, lease=lease, sweep=NEVER if alone else SWEEP) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        gate.begun.clear()
        if alone:  # nobody has taken the lease, but for all it knows somebody might have
            await asyncio.wait_for(gate.stopped.wait(), PATIENCE)
        clock.let_leases_run_out()
        await whole.reap()
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        assert gate.peak == 1, "the one had stopped before the other began"
        gate.let_through.set()
        await TaskClient(whole).wait(task_id, timeout=PATIENCE)
        await runner.shutdown(grace=0.05)
    task, entries = await known(whole, task_id), await entries_of(whole, task_id)
    assert (task.state, task.attempt, task.result) == ("done", 2, "through: x")
    assert [entry.event.outcome for entry in entries if isinstance(entry.event, TurnEnd)] == ["complete"]
    assert states_in(entries).count("done") == 1


async def test_a_heartbeat_tells_that_somebody_else_has_the_task():
    """I1, I2: also when no other news comes."""
    gate, clock = Watched(), Clock()
    whole = MemoryTaskStore(clock=clock)
    store = FaultStore(whole, fail_nth=1, on=["wait"], hang=asyncio.Event())
    async with TaskRunner({"main": gate.agent}, store, lease=0.6, sweep=NEVER) as runner:
        task_id = await runner.enqueue("x")
        await asyncio.wait_for(gate.begun.wait(), PATIENCE)
        clock.let_leases_run_out()
        await whole.reap()
        (task,) = await whole.claim("other", ["agent:main"], lease=LEASE)
        await asyncio.wait_for(gate.stopped.wait(), PATIENCE)
        await runner.shutdown(grace=0.05)
    assert await known(whole, task_id) == task


async def test_a_worker_whose_loop_was_blocked_writes_nothing_over_its_successor():
    """I2: it finds out when it can do anything again, and by then somebody else has the task."""
    clock, taken = Clock(), asyncio.Event()
    whole = MemoryTaskStore(clock=clock)

    async def take(task_id: str) -> None:
        clock.let_leases_run_out()
        assert [task.id for task in await whole.reap()] == [task_id]
        assert await whole.claim("successor", ["handler:block"], lease=LEASE)

    async def block(context: HandlerContext) -> str:
        other = threading.Thread(target=lambda: asyncio.run(take(context.task.id)))
        other.start()
        other.join()  # nothing else goes on in this loop meanwhile
        taken.set()
        context.emit(Custom(data="late"))
        return "late"

    async with TaskRunner({}, whole, handlers={"block": block}, lease=LEASE, sweep=SWEEP) as runner:
        task_id = await runner.enqueue(handler="block")
        await asyncio.wait_for(taken.wait(), PATIENCE)
    task = await known(whole, task_id)
    assert (task.state, task.worker, task.result) == ("ongoing", "successor", None)
    assert not [entry for entry in await entries_of(whole, task_id) if isinstance(entry.event, Custom)]
    done = await whole.finish(task_id, task.fence, Ending(state="done", result="in time"))
    assert (done.state, done.result, done.attempt) == ("done", "in time", 2)
