"""What the rules of tasks do beyond their contract, over both stores: circles, sizes, what is undone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from langwire.errors import KeyTaken, UsageError
from langwire.events import Action, Interrupt, TokenUsage
from langwire.tasks import _moves
from langwire.tasks._ruled_store import RuledStore
from langwire.tasks._tables import PROMOTED, Tables
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Caps, Ending, Limits, TaskAnswer
from langwire.testing._task_suite import (
    child,
    claims,
    ended,
    everything,
    finish,
    known,
    made,
    said,
    spec,
    started,
    told,
)
from langwire.testing.stores import Clock

TOO_MUCH = 2**53 + 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[RuledStore]:
    kinds = {
        "memory": lambda: MemoryTaskStore(clock=clock),
        "sqlite": lambda: SQLiteTaskStore(tmp_path / "tasks.db", clock=clock),
    }
    async with kinds[request.param]() as made:
        yield made


# ------------------------------------------------------------------ making


@pytest.mark.parametrize("circle", [{"a": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["a"]}], ids=["of one", "of three"])
async def test_tasks_that_wait_for_each_other_in_a_circle_are_refused(
    store: RuledStore, circle: dict[str, list[str]]
) -> None:
    before = await everything(store)
    with pytest.raises(UsageError, match=r"a -> .*a.* wait for each other: expected no circle"):
        await store.create([spec("x"), *(spec(id, after=tuple(after)) for id, after in circle.items())])
    assert await everything(store) == before


async def test_who_waits_for_a_spec_whose_key_is_known_waits_for_the_task_that_has_it(store: RuledStore) -> None:
    await made(store, spec("old", call_key="k"))
    _, task = await store.create([spec("new", call_key="k", prompt="do old"), spec("t", after=("new", "new"))])
    assert (task.spec.after, task.waits_for) == (("old",), ("old",))


async def test_a_key_is_nobodys_elses(store: RuledStore) -> None:
    """T-10: a key that somebody guesses shows him nothing."""
    await made(store, spec("t", call_key="k", principal="ann"))
    with pytest.raises(KeyTaken, match="'k' belongs to a task that was asked for in another way"):
        await made(store, spec("u", call_key="k", prompt="do t", principal="eve"))


async def test_who_waits_for_a_failure_in_a_chain_is_cancelled_in_whatever_order_it_is_made(store: RuledStore) -> None:
    """I14."""
    await ended(store, "up", "failed")
    tasks = await store.create([spec("b", after=("a",)), spec("a", after=("up",))])
    assert [(task.state, task.error and task.error.code) for task in tasks] == [("cancelled", "dependency_failed")] * 2
    assert await told(store, "b") == [("b", "queued", 0), ("b", "cancelled", 0)]


async def test_long_chains_end_at_once(store: RuledStore) -> None:
    """I14."""
    length = 1500
    first = await started(store, "0")
    await store.create([spec(str(number), after=(str(number - 1),)) for number in range(1, length)])
    await finish(store, first, "failed")
    assert await store.count() == {"failed": 1, "cancelled": length - 1}


# ------------------------------------------------------------------ working


async def test_an_ending_without_a_number_brings_its_events(store: RuledStore) -> None:
    task = await started(store)
    await store.append_events("t", task.fence, 3, said("one"))
    done = await store.finish("t", task.fence, Ending(state="done", taken=1), said("two"))
    assert (done.state, done.batch) == ("done", 3)
    assert [entry.event for entry in (await store.events("t")).entries][2:4] == said("one", "two")


async def test_a_task_comes_back_with_what_its_end_told_in_its_events(store: RuledStore) -> None:
    """I14: a child that waited for it is cancelled by its end."""
    parent = await started(store, "p")
    await made(store, child("c", parent, after=("p",)))
    assert await finish(store, await known(store, "p"), "failed") == await known(store, "p")
    assert (await told(store, "p"))[-1] == ("c", "cancelled", 0)


async def test_what_a_run_asks_is_kept_as_events_tell_it(store: RuledStore) -> None:
    task = await started(store)
    asked = Interrupt(id="q", value={"pair": (1, 2)}, actions=(Action(name="pay", args={"sum": {1}}),))
    paused = await store.finish("t", task.fence, Ending(state="review_needed", interrupts=(asked,)))
    (kept,) = paused.interrupts
    assert (kept.value, kept.actions[0].args) == ({"pair": [1, 2]}, {"sum": [1]})


async def test_artifacts_are_added_to_those_of_before(store: RuledStore) -> None:
    task = await started(store)
    await finish(store, task, "queued", counted=True, artifacts=("a", "b"))
    done = await finish(store, (await claims(store))["t"], artifacts=("b", "c"))
    assert done.artifacts == ("a", "b", "c")


async def test_a_retry_waits_for_what_was_tried_again_too(store: RuledStore) -> None:
    up = await started(store, "up")
    await made(store, spec("t", after=("up",)))
    await finish(store, up, "failed")
    for id in ("up", "t"):
        assert await store.retry(id)
    assert (await known(store)).waits_for == ("up",)
    await finish(store, (await claims(store))["up"])
    assert set(await claims(store)) == {"t"}


async def test_many_whose_time_comes_at_once_start_some_at_a_time(store: RuledStore, clock: Clock) -> None:
    """A claim stays short; of those with the same time the highest priority is among the first."""
    many = PROMOTED + 5
    await store.create([spec(str(number), not_before_ms=clock.now + 9, priority=number) for number in range(many)])
    assert await claims(store, many) == {}
    clock.now += 9
    first, second = await claims(store, many), await claims(store, many)
    assert (len(first), len(second)) == (PROMOTED, 5)
    assert next(iter(first)) == str(many - 1)


async def test_a_line_without_room_is_stepped_over_and_found_again(store: RuledStore) -> None:
    """I12: by priority and age within a root, and among the roots."""
    for id, root, priority in (("a1", "a", 1), ("a2", "a", 2), ("b1", "b", 0), ("b2", "b", 1), ("a3", "a", 2)):
        await made(store, spec(id, root_id=root, priority=priority))
    caps = Caps(per_root=1)
    assert list(await claims(store, caps=caps)) == ["a2", "b2"]
    assert await claims(store, caps=caps) == {}
    assert list(await claims(store, 1, caps=Caps(per_root=2))) == ["a3"]
    await finish(store, await known(store, "a2"))
    assert await claims(store, caps=caps) == {}
    for id in ("a3", "b2"):
        await finish(store, await known(store, id))
    assert list(await claims(store, caps=caps)) == ["a1", "b1"]
    assert await claims(store) == {}


async def test_ids_that_look_alike_when_they_are_joined_have_lines_of_their_own(store: RuledStore) -> None:
    await store.create([spec("t", name="a b", root_id="c"), spec("u", name="a", root_id="b c")])
    assert set(await claims(store, bodies=("agent:a",))) == {"u"}
    assert set(await claims(store, bodies=("agent:a b",))) == {"t"}


# ------------------------------------------------------------------ what is undone


async def test_what_a_rule_did_before_it_raised_is_undone(store: RuledStore) -> None:
    task = await started(store, "p")
    await store.create([child("t", task), child("gone", task, after=("t",))])
    await store.request_cancel("gone")
    before = await everything(store), await told(store, "p"), await told(store, "gone")

    def does_much_and_raises(tables: Tables) -> None:
        _moves.move(tables, _moves.known(tables, "t"), "cancelled")
        tables.remove(_moves.known(tables, "gone"))
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await store._write(does_much_and_raises)
    assert (await everything(store), await told(store, "p"), await told(store, "gone")) == before
    assert set(await claims(store)) == {"t"}


# ------------------------------------------------------------------ what does not fit


async def test_numbers_that_no_database_keeps_are_refused(store: RuledStore) -> None:
    task = await started(store)
    before = await everything(store)
    for wrong in (
        store.create([spec("u", priority=TOO_MUCH)]),
        store.create([spec("u", not_before_ms=-TOO_MUCH)]),
        store.create([spec("u", limits=Limits(max_seconds=1e300))]),
        store.append_events("t", task.fence, 1, [], usage=TokenUsage(input_tokens=-1)),
        store.append_events("t", task.fence, 1, [], usage=TokenUsage(output_tokens=TOO_MUCH)),
        store.finish("t", task.fence, Ending(state="failed", usage=TokenUsage(input_tokens=TOO_MUCH))),
        store.finish("t", task.fence, Ending(state="queued", delay=1e30)),
        store.claim("w", ["agent:a"], lease=float("inf")),
        store.heartbeat("w", {"t": task.fence}, lease=float("nan")),
        store.purge(float("-inf")),
        store.claim("", ["agent:a"], lease=1),
        store.followup("t", "", "no id"),
    ):
        with pytest.raises(UsageError, match=" came"):
            await wrong
    assert await everything(store) == before


async def test_places_and_limits_may_be_of_any_size(store: RuledStore) -> None:
    task = await started(store)
    assert (await store.list(limit=2**70, before=2**70)).tasks == (task,)
    assert (await store.list(before=-(2**70))).tasks == ()
    assert (await store.events("t", 2**70)).entries == ()
    assert len((await store.events("t", -(2**70), 2**70)).entries) == task.events
    assert (await store.changes(2**70))[1] == ()
    assert await store.heartbeat("w", {"t": 2**70}, lease=1) == ("t",)


@pytest.mark.parametrize("value", [float("nan"), b"bytes", (1, 2), {1: "one"}, {"a"}, object(), "\ud83d"], ids=repr)
async def test_what_json_does_not_give_back_is_refused(store: RuledStore, value: Any) -> None:
    task = await started(store)
    await finish(store, task, "review_needed", interrupts=(Interrupt(id="q"),))
    before = await everything(store)
    for wrong in (
        store.create([spec("u", args={"value": value})]),
        store.resume("t", [TaskAnswer(interrupt_id="q", value=value)]),
        store.finish("t", task.fence, Ending(state="done", result=[value])),
    ):
        with pytest.raises(UsageError, match=r"^a task cannot keep what came: "):
            await wrong
    assert await everything(store) == before


# ------------------------------------------------------------------ in memory


async def test_the_checkpointer_in_memory_is_one_for_all_or_the_one_that_was_given() -> None:
    store = MemoryTaskStore()
    async with store.checkpointer() as one, store.checkpointer() as two:
        assert one is two
    async with MemoryTaskStore(checkpointer="mine").checkpointer() as saver:
        assert saver == "mine"


async def test_who_waits_is_woken_by_a_change_that_another_thread_makes() -> None:
    store = MemoryTaskStore()
    mark, _ = await store.changes(None)
    waiting = asyncio.create_task(store.wait(mark, 60))
    await asyncio.sleep(0)
    other = threading.Thread(target=lambda: asyncio.run(store.create([spec("t", limits=Limits())])))
    other.start()
    await waiting
    other.join()
    assert (await store.changes(mark))[1] != ()


async def test_who_waits_is_let_go_when_the_store_is_closed(store: RuledStore) -> None:
    await made(store, spec("t"))
    mark, _ = await store.changes(None)
    waiting = asyncio.create_task(store.wait(mark, 60))
    await asyncio.sleep(0)
    await store.close()
    await waiting
