"""Knows what a task store promises to workers while they have a task."""

from __future__ import annotations

import asyncio
from typing import Any

from langwire.errors import LeaseLost
from langwire.events import Progress, TokenUsage
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Caps, Limits
from langwire.testing._task_suite import (
    LEASE,
    NOTHING,
    TaskSuite,
    answer,
    case,
    child,
    claims,
    everything,
    expire,
    finish,
    known,
    made,
    question,
    raises,
    said,
    spec,
    started,
    told,
)
from langwire.testing.stores import Clock, expect


class Working(TaskSuite):
    """What workers do with tasks."""

    # -------------------------------------------------------------- claim

    @case
    async def test_a_claim_gives_a_lease_and_raises_the_fence_and_the_attempt(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I1."""
        before = await made(store, spec("t"))
        clock.now += 5
        (task,) = await store.claim("w", ["agent:a"], lease=LEASE)
        expect(task, await known(store))
        expect((task.state, task.worker, task.attempt, task.counted), ("ongoing", "w", 1, False))
        expect((task.fence > before.fence, task.started_ms, task.updated_ms), (True, clock.now, clock.now))
        expect(await store.claim("v", ["agent:a"], lease=LEASE), ())

    @case
    async def test_the_highest_priority_goes_first_and_then_the_oldest(self, store: TaskStore, clock: Clock) -> None:
        await store.create([spec(str(number), priority=number % 3 - 1) for number in range(6)])
        clock.now -= 1000
        await made(store, spec("6", priority=1))
        expect(
            [*await claims(store, 1), *await claims(store, 2), *await claims(store)],
            ["2", "5", "6", "1", "4", "0", "3"],
        )

    @case
    async def test_the_order_is_that_in_which_tasks_were_made_whatever_the_clock_says(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """F-T6, I15."""
        for id, jump in (("a", 0), ("b", -3_600_000), ("c", 86_400_000), ("d", -90_000_000)):
            clock.now = 100_000_000 + jump
            await made(store, spec(id))
        expect(list(await claims(store)), ["a", "b", "c", "d"])

    @case
    async def test_a_task_does_not_start_before_its_time(self, store: TaskStore, clock: Clock) -> None:
        await store.create([spec("late", not_before_ms=clock.now + 10, priority=1), spec("now")])
        expect(list(await claims(store, 1)), ["now"])
        await made(store, spec("other"))
        clock.now += 9
        expect(list(await claims(store, 1)), ["other"])
        await made(store, spec("another"))
        clock.now += 1
        expect(list(await claims(store)), ["late", "another"])

    @case
    async def test_one_that_waits_for_others_starts_when_the_last_has_ended(
        self, store: TaskStore, clock: Clock
    ) -> None:
        await store.create([spec("a"), spec("b"), spec("t", after=("a", "b"), priority=9)])
        running = await claims(store)
        expect(set(running), {"a", "b"})
        await finish(store, running["b"])
        expect(((await known(store)).waits_for, await claims(store)), (("a",), NOTHING))
        await finish(store, running["a"])
        expect(((await known(store)).waits_for, list(await claims(store))), ((), ["t"]))

    @case
    async def test_a_worker_gets_what_it_can_run_and_no_more_than_it_asks_for(
        self, store: TaskStore, clock: Clock
    ) -> None:
        kinds = [{}, {"name": "b"}, {"kind": "handler", "name": "a"}, {"name": "b"}, {"name": "b"}]
        await store.create([spec(str(number), **kind) for number, kind in enumerate(kinds)])
        expect(await claims(store, bodies=[]), {})
        expect(list(await claims(store, bodies=["agent:c", "handler:b", "a", "agent"])), [])
        expect(list(await claims(store, 2, bodies=["agent:b", "handler:a"])), ["1", "2"])
        expect(list(await claims(store, 2, bodies=["agent:b", "agent:a"])), ["0", "3"])

    @case
    async def test_of_many_workers_one_gets_each_task(self, store: TaskStore, clock: Clock) -> None:
        """I1."""
        await store.create([spec(str(number)) for number in range(40)])
        calls = [claims(store, limit, worker=f"w{limit}") for limit in range(1, 12)]
        got = [task for tasks in await asyncio.gather(*calls) for task in tasks.values()]
        expect(sorted(int(task.id) for task in got), list(range(40)))
        for task in got:
            expect(((await known(store, task.id)).worker, task.attempt), (task.worker, 1))

    @case
    async def test_so_many_of_a_name_are_ongoing_at_once(self, store: TaskStore, clock: Clock) -> None:
        """I12: over all workers; a name that is full holds up no other."""
        await store.create([spec(f"a{number}", priority=1) for number in range(4)])
        await store.create([spec(f"b{number}", name="b") for number in range(3)])
        caps = Caps(per_name={"agent:a": 2, "agent:b": 2, "agent:c": 0})
        first = await claims(store, 1, caps=caps)
        expect(list(await claims(store, worker="v", caps=caps)), ["a1", "b0", "b1"])
        expect(await claims(store, caps=caps), {})
        await finish(store, first["a0"], "review_needed", interrupts=(question("q"),))
        expect(list(await claims(store, caps=caps)), ["a2"])
        await store.resume("a0", [answer("q")])
        expect(await claims(store, caps=caps), {})
        expect(list(await claims(store, caps=Caps(per_name={"agent:a": 3, "agent:b": 0}))), ["a0"])
        expect(list(await claims(store)), ["a3", "b2"])

    @case
    async def test_so_many_below_a_root_are_ongoing_at_once(self, store: TaskStore, clock: Clock) -> None:
        """I12."""
        for root in ("r", "s"):
            await store.create([spec(f"{root}{number}", root_id=f"thread:{root}") for number in range(3)])
        caps = Caps(per_root=2)
        first = await claims(store, 1, caps=caps)
        expect(list(await claims(store, worker="v", caps=caps)), ["r1", "s0", "s1"])
        expect(await claims(store, caps=caps), {})
        await finish(store, first["r0"])
        expect(list(await claims(store, caps=caps)), ["r2"])
        expect(list(await claims(store)), ["s2"])

    # -------------------------------------------------------------- heartbeat, cancel_requests

    @case
    async def test_a_lease_is_prolonged(self, store: TaskStore, clock: Clock) -> None:
        """I9."""
        task = await started(store)
        for _ in range(3):
            clock.now += int(LEASE * 1000) - 1
            expect(await store.heartbeat("w", {"t": task.fence}, lease=LEASE), ())
            expect(await store.reap(), ())
        expect(set(await expire(store, clock)), {"t"})

    @case
    async def test_a_heartbeat_changes_nothing_that_is_watched(self, store: TaskStore, clock: Clock) -> None:
        task = await started(store)
        before = await everything(store)
        clock.now += 10
        await store.heartbeat("w", {"t": task.fence}, lease=LEASE)
        expect(await everything(store), before)

    @case
    async def test_a_worker_hears_which_tasks_are_its_own_no_more(self, store: TaskStore, clock: Clock) -> None:
        """I2: taken back, given to another, ended, forgotten, or never its own."""
        await store.create([spec(id) for id in ("mine", "ended", "lost", "regained", "forgotten", "queued")])
        first = await claims(store, 5)
        await expire(store, clock)
        again = await claims(store, 3, worker="w")
        await finish(store, again["ended"])
        held = {id: again[id].fence for id in ("mine", "ended", "lost")}
        held |= {"regained": first["regained"].fence, "nobody": 1, "queued": 0, "lost": first["lost"].fence}
        gone = {"ended", "lost", "regained", "nobody", "queued"}
        expect(set(await store.heartbeat("w", held, lease=LEASE)), gone)
        expect(await store.heartbeat("w", {}, lease=LEASE), ())
        expect(await store.heartbeat("v", {"mine": held["mine"]}, lease=LEASE), ("mine",))
        clock.now += int(LEASE * 1000) - 1
        expect(await store.heartbeat("w", {"mine": held["mine"], "lost": 99}, lease=LEASE), ("lost",))
        clock.now += 2
        expect({task.id for task in await store.reap()}, {"lost"})

    @case
    async def test_a_worker_hears_of_its_own_cancels_alone(self, store: TaskStore, clock: Clock) -> None:
        """I5."""
        mine = await started(store, "mine", worker="w")
        await started(store, "theirs", worker="v")
        await started(store, "wanted", worker="w")
        for id, reason in (("mine", "because"), ("theirs", "too")):
            await store.request_cancel(id, reason)
        expect(await store.cancel_requests("w"), {"mine": "because"})
        expect(await store.cancel_requests("v"), {"theirs": "too"})
        await finish(store, mine, "cancelled")
        expect((await store.cancel_requests("w"), await store.cancel_requests("x")), (NOTHING, NOTHING))

    # -------------------------------------------------------------- append_events

    @case
    async def test_events_are_numbered_without_holes_over_all_attempts(self, store: TaskStore, clock: Clock) -> None:
        """I4."""
        task = await started(store)
        for batch in (1, 2):
            clock.now += 1
            expect(await store.append_events("t", task.fence, batch, said(f"{batch}", "and")), True)
        await expire(store, clock)
        task = (await claims(store))["t"]
        await store.append_events("t", task.fence, 1, said("again"))
        entries = (await store.events("t")).entries
        expect([entry.seq for entry in entries], list(range(1, 10)))
        expect(
            [entry.event.text for entry in entries if isinstance(entry.event, Progress)],
            ["1", "and", "2", "and", "again"],
        )
        expect((await known(store)).events, 9)
        expect([entry.at_ms for entry in entries[:6]], [1_000_000] * 2 + [1_000_001] * 2 + [1_000_002] * 2)

    @case
    async def test_many_who_write_at_once_leave_no_hole(self, store: TaskStore, clock: Clock) -> None:
        """I4."""
        parent = await started(store, "p")
        work = [store.create([child(str(number), parent)]) for number in range(8)]
        batches = [store.append_events("p", parent.fence, batch, said(f"{batch}")) for batch in range(1, 21)]
        await asyncio.gather(
            *(call for pair in zip(batches, [*work, *[store.count() for _ in range(12)]], strict=True) for call in pair)
        )
        expect(len(await told(store, "p")), 10)
        expect((await known(store, "p")).events, 30)

    @case
    async def test_a_batch_is_written_once(self, store: TaskStore, clock: Clock) -> None:
        """I4: one whose answer was lost is sent again."""
        task = await started(store)
        spent = TokenUsage(input_tokens=2, output_tokens=3)
        for batch in (1, 1, 2, 1, 2):
            expect(await store.append_events("t", task.fence, batch, said(f"{batch}"), usage=spent), True)
        page = await store.events("t", after=2)
        expect([entry.event for entry in page.entries], said("1", "2"))
        expect((await known(store)).usage, TokenUsage(input_tokens=4, output_tokens=6))

    @case
    async def test_only_who_has_the_task_writes_its_events(self, store: TaskStore, clock: Clock) -> None:
        """I2."""
        lost = await started(store)
        await expire(store, clock)
        own = (await claims(store))["t"]
        before = await everything(store)
        for fence in (lost.fence, own.fence + 1, 0, -1):
            await raises(LeaseLost, store.append_events("t", fence, 1, said("lost"), usage=TokenUsage(input_tokens=9)))
        expect(await everything(store), before)
        await finish(store, own)
        before = await everything(store)
        await raises(LeaseLost, store.append_events("t", own.fence, 1, said("late")))
        expect(await everything(store), before)

    @case
    async def test_a_worker_hears_when_its_root_may_spend_no_more(self, store: TaskStore, clock: Clock) -> None:
        """T-9: all tasks of a root spend together, and those of another do not."""
        few: dict[str, Any] = {"root_id": "thread:1", "limits": Limits(max_tokens=10)}
        await store.create([spec("1", **few), spec("2", **few), spec("other", **{**few, "root_id": "thread:2"})])
        running = await claims(store)
        steps = [("1", 1, 6, True), ("other", 1, 6, True), ("2", 1, 3, True), ("2", 2, 1, False), ("1", 2, 0, False)]
        for id, batch, tokens, more in [*steps, ("2", 2, 1, False), ("other", 2, 3, True), ("other", 3, 1, False)]:
            usage = TokenUsage(output_tokens=tokens)
            expect(await store.append_events(id, running[id].fence, batch, [], usage=usage), more)
        expect((await known(store, "2")).usage, TokenUsage(output_tokens=4))
