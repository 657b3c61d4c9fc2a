"""Knows what a task store promises about the end of an attempt, and to those who wait for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from langwire.errors import IllegalMove, LeaseLost
from langwire.events import ErrorInfo, TaskUpdate, TokenUsage
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Retry
from langwire.testing._task_suite import (
    LEASE,
    NOTHING,
    TaskSuite,
    case,
    child,
    claims,
    ended,
    ending,
    everything,
    expire,
    finish,
    known,
    made,
    paused,
    question,
    raises,
    resumed,
    said,
    spec,
    started,
    states,
    told,
)
from langwire.testing.stores import Clock, expect


class Finishing(TaskSuite):
    """How tasks are let go, and lost."""

    # -------------------------------------------------------------- finish

    @case
    async def test_a_task_ends_with_its_result_and_the_last_events(self, store: TaskStore, clock: Clock) -> None:
        """I3."""
        running = await started(store)
        await store.append_events("t", running.fence, 1, said("one"), usage=TokenUsage(input_tokens=1))
        clock.now += 5
        how: dict[str, Any] = {
            "result": {"n": [1]},
            "usage": TokenUsage(input_tokens=2),
            "artifacts": ("a.md",),
            "batch": 2,
        }
        task = await store.finish("t", running.fence, ending(running, **how), said("two", "three"))
        expect(task, await known(store))
        expect((task.state, task.result, task.error, task.worker), ("done", {"n": [1]}, None, None))
        expect((task.usage, task.artifacts, task.taken), (TokenUsage(input_tokens=3), ("a.md",), 1))
        expect((task.ended_ms, task.updated_ms, task.attempt), (clock.now, clock.now, 1))
        events = [entry.event for entry in (await store.events("t", after=2)).entries]
        expect(events[:3], said("one", "two", "three"))
        expect(events[3:], [TaskUpdate(task_id="t", state="done", attempt=1, title="The t")])

    @case
    async def test_a_task_ends_with_its_error(self, store: TaskStore, clock: Clock) -> None:
        error = ErrorInfo(code="TimeoutError", message="the agent failed with “TimeoutError” \x00", id="e-1")
        for state in ("failed", "cancelled"):
            running = await started(store, state)
            task = await finish(store, running, state, error=error)
            expect((task.state, task.error, task.ended_ms, task.worker), (state, error, clock.now, None))
            expect(
                await told(store, state),
                [(state, seen, attempt) for seen, attempt in (("queued", 0), ("ongoing", 1), (state, 1))],
            )

    @case
    async def test_a_task_can_ask_a_person(self, store: TaskStore, clock: Clock) -> None:
        task = await paused(store, "q", "r")
        expect((task.state, task.interrupts), ("review_needed", (question("q"), question("r"))))
        expect((task.ended_ms, task.worker, task.answers), (None, None, ()))
        expect(await claims(store), {})
        expect((await expire(store, clock), await store.cancel_requests("w")), (NOTHING, NOTHING))

    @case
    async def test_a_task_that_is_given_back_starts_no_new_attempt(self, store: TaskStore, clock: Clock) -> None:
        """I1, I11."""
        running = await started(store)
        for _ in range(5):
            task = await finish(store, running, "queued", counted=True)
            expect((task.state, task.worker, task.attempt, task.counted), ("queued", None, 1, True))
            again = (await claims(store))["t"]
            expect((again.attempt, again.counted, again.fence > running.fence), (1, False, True))
            running = again

    @case
    async def test_a_task_that_is_to_be_tried_again_waits_for_its_time(self, store: TaskStore, clock: Clock) -> None:
        running = await started(store)
        task = await finish(store, running, "queued", delay=1.5, taken=0)
        expect((task.state, task.not_before_ms, task.counted, task.taken), ("queued", clock.now + 1500, False, 0))
        clock.now += 1499
        expect(await claims(store), {})
        clock.now += 1
        expect((await claims(store))["t"].attempt, 2)

    @case
    async def test_a_parked_task_goes_on_when_all_that_it_waits_for_have_ended(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """It frees its worker meanwhile; however they end, it goes on, with the same attempt."""
        parent = await started(store, "p")
        await store.create([child(id, parent) for id in "abc"])
        parked = {"w1": ("a", "b"), "w2": ("b", "c")}
        running = await claims(store)
        task = await finish(store, parent, "queued", parked=parked)
        expect((task.state, task.parked, set(task.waits_for), task.worker), ("queued", parked, {"a", "b", "c"}, None))
        await finish(store, running["a"], "failed")
        await finish(store, running["b"])
        expect(((await known(store, "p")).waits_for, await claims(store)), (("c",), NOTHING))
        await store.request_cancel("c")
        await finish(store, running["c"], "cancelled")
        task = (await claims(store))["p"]
        expect((task.attempt, task.parked, task.waits_for), (1, parked, ()))
        expect((await finish(store, task)).parked, {})

    @case
    async def test_who_parks_for_tasks_that_have_ended_goes_on_at_once(self, store: TaskStore, clock: Clock) -> None:
        """They may have ended, and been forgotten, before it was parked."""
        await ended(store, "a", "failed")
        await ended(store, "gone")
        await store.delete("gone")
        running = await started(store)
        task = await finish(store, running, "queued", parked={"w": ("a", "gone")})
        expect((task.waits_for, task.parked), ((), {"w": ("a", "gone")}))
        expect((await claims(store))["t"].attempt, 1)

    @case
    async def test_a_parked_task_does_not_go_on_while_a_child_waits_for_a_person(
        self, store: TaskStore, clock: Clock
    ) -> None:
        parent = await started(store, "p")
        await made(store, child("c", parent))
        running = (await claims(store))["c"]
        await finish(store, parent, "queued", parked={"w": ("c",)})
        await finish(store, running, "review_needed", interrupts=(question("q"),))
        expect((await known(store, "p")).waits_for, ("c",))
        await finish(store, await resumed(store, "c"))
        expect(list(await claims(store)), ["p"])

    @case
    async def test_one_that_was_told_more_is_not_done(self, store: TaskStore, clock: Clock) -> None:
        """I7: it stays with its worker, which goes on with the next message."""
        running = await started(store)
        await store.followup("t", "m", "and this")
        usage = TokenUsage(input_tokens=1)
        task = await store.finish("t", running.fence, ending(running, result=1, usage=usage), said("one"))
        expect((task.state, task.fence, task.worker, task.taken), ("ongoing", running.fence, "w", 1))
        expect((task.usage, task.result, task.ended_ms), (usage, None, None))
        expect([entry.event for entry in (await store.events("t", after=2)).entries], said("one"))
        before = await everything(store)
        again = await store.finish("t", running.fence, ending(running, result=1, usage=usage), said("one"))
        expect((again, await everything(store)), (task, before))
        task = await store.finish("t", running.fence, ending(task, result=2, usage=usage), said("two"))
        expect((task.state, task.result, task.taken), ("done", 2, 2))
        expect(task.usage, TokenUsage(input_tokens=2))

    @case
    async def test_what_was_worked_through_stays_so(self, store: TaskStore, clock: Clock) -> None:
        """An attempt that fails early does not make the next one begin again; nobody takes more than there is."""
        running = await started(store)
        await store.followup("t", "m", "and this")
        await finish(store, running, taken=1)
        expect((await finish(store, running, "failed", taken=0)).taken, 1)
        await store.retry("t")
        expect((await finish(store, (await claims(store))["t"], taken=99)).taken, 2)

    @case
    async def test_one_that_was_told_more_can_fail_and_ask_all_the_same(self, store: TaskStore, clock: Clock) -> None:
        for state in ("failed", "cancelled", "review_needed"):
            running = await started(store, state)
            await store.followup(state, "m", "and this")
            asks = (question("q"),) if state == "review_needed" else ()
            expect((await finish(store, running, state, interrupts=asks)).state, state)

    @case
    async def test_an_end_is_written_once(self, store: TaskStore, clock: Clock) -> None:
        """I3, W27: a call that is made again, after an answer that was lost, changes nothing."""
        endings: list[dict[str, Any]] = [
            {"state": "done", "result": 1},
            {"state": "failed"},
            {"state": "cancelled"},
            {"state": "review_needed", "interrupts": (question("q"),)},
            {"state": "queued", "counted": True},
            {"state": "queued", "delay": 5.0},
            {"state": "queued", "parked": {"w": ("never",)}},
        ]
        await made(store, spec("never", name="b"))
        for number, how in enumerate(endings):
            await made(store, spec(f"t{number}"))
            running = (await claims(store, bodies=["agent:a"]))[f"t{number}"]
            how["usage"] = TokenUsage(input_tokens=1)
            once = await store.finish(running.id, running.fence, ending(running, **how), said("last"))
            before = await everything(store)
            clock.now += 1
            again = await store.finish(running.id, running.fence, ending(running, **how), said("last"))
            expect((again, await everything(store)), (once, before))
            await store.request_cancel(running.id)

    @case
    async def test_the_last_events_are_a_batch_as_others_are(self, store: TaskStore, clock: Clock) -> None:
        """I4: one that was sent before, and whose answer was lost, is not written again with the end."""
        running = await started(store)
        spent = TokenUsage(input_tokens=2)
        await store.append_events("t", running.fence, 1, said("one"), usage=spent)
        task = await store.finish("t", running.fence, ending(running, batch=1, usage=spent), said("one"))
        expect((task.state, task.usage), ("done", spent))
        expect([entry.event for entry in (await store.events("t", after=2)).entries][:-1], said("one"))

    @case
    async def test_a_run_that_went_on_after_an_answer_can_find_more_to_do(self, store: TaskStore, clock: Clock) -> None:
        """I4, I7: that no more messages were worked through than before does not mean that it was written before."""
        await paused(store, "q")
        running = await resumed(store, "t")
        await store.followup("t", "m", "and this")
        task = await store.finish("t", running.fence, ending(running, taken=1), said("one"))
        expect((task.state, task.taken, task.fence), ("ongoing", 1, running.fence))
        expect((await store.events("t")).entries[-1].event, said("one")[0])

    @case
    async def test_of_many_who_finish_at_once_each_reads_the_one_end(self, store: TaskStore, clock: Clock) -> None:
        """I3."""
        running = await started(store)
        tasks = await asyncio.gather(*(finish(store, running, result=1) for _ in range(20)))
        expect(set(map(repr, tasks)), {repr(await known(store))})
        expect(await told(store), [("t", "queued", 0), ("t", "ongoing", 1), ("t", "done", 1)])

    @case
    async def test_only_who_has_the_task_ends_it(self, store: TaskStore, clock: Clock) -> None:
        """I2: in each state into which it has gone since."""
        lost = await started(store)
        await expire(store, clock)
        for state in ("done", "failed", "cancelled", "review_needed", "queued"):
            before = await everything(store)
            await raises(LeaseLost, store.finish("t", lost.fence, ending(lost, state=state), said("late")))
            expect(await everything(store), before)
        own = (await claims(store))["t"]
        before = await everything(store)
        for fence in (lost.fence, own.fence + 1, 0, -1):
            await raises(LeaseLost, store.finish("t", fence, ending(lost)))
        expect(await everything(store), before)
        await finish(store, own, "failed")
        await raises(LeaseLost, store.finish("t", lost.fence, ending(lost)))
        expect((await known(store)).state, "failed")

    @case
    async def test_a_late_end_changes_nothing_in_the_next_attempt(self, store: TaskStore, clock: Clock) -> None:
        """I3: a call that was sent before the task was tried again, and comes a second time after it."""
        running = await started(store)
        await finish(store, running, "failed")
        await store.retry("t")
        before = await everything(store)
        with suppress(LeaseLost):
            await finish(store, running, "failed")
        expect(await everything(store), before)
        await claims(store)
        before = await everything(store)
        await raises(LeaseLost, finish(store, running, "failed"))
        expect(await everything(store), before)

    @case
    async def test_a_late_worker_whose_task_nobody_took_keeps_its_work(self, store: TaskStore, clock: Clock) -> None:
        """F-T6: a clock that jumps ahead takes nothing from anybody, before the sweep does."""
        running = await started(store)
        clock.now += 86_400_000
        expect(await store.append_events("t", running.fence, 1, said("late")), True)
        expect((await finish(store, running)).state, "done")

    @case
    async def test_one_that_never_started_cannot_end(self, store: TaskStore, clock: Clock) -> None:
        queued = await made(store, spec("t"))
        before = await everything(store)
        with suppress(LeaseLost, IllegalMove):
            await finish(store, queued)
        expect(await everything(store), before)

    # -------------------------------------------------------------- who waits for it

    @case
    async def test_a_task_that_does_not_end_as_done_resolves_all_that_wait_for_it(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I14: down whole chains, by the policy of each."""
        for state in ("failed", "cancelled"):
            running = await started(store, state)
            await store.create(
                [
                    spec(f"{state} drops", after=(state,)),
                    spec(f"{state} too", after=(f"{state} drops",)),
                    spec(f"{state} goes", after=(state,), on_failed="run"),
                    spec(f"{state} then", after=(f"{state} goes", f"{state} too"), on_failed="run"),
                ]
            )
            clock.now += 1
            await finish(store, running, state)
            for id in (f"{state} drops", f"{state} too"):
                task = await known(store, id)
                expect((task.state, task.waits_for, task.ended_ms), ("cancelled", (), clock.now))
                expect(task.error and task.error.code, "dependency_failed")
                expect(await told(store, id), [(id, "queued", 0), (id, "cancelled", 0)])
            message = (await known(store, f"{state} drops")).error
            expect(f"The {state}" in (message.message if message else ""), True)
            goes = await claims(store)
            expect(set(goes), {f"{state} goes"})
            await finish(store, goes[f"{state} goes"])
            expect(set(await claims(store)), {f"{state} then"})

    @case
    async def test_a_task_that_is_done_lets_go_all_that_wait_for_it(self, store: TaskStore, clock: Clock) -> None:
        running = await started(store)
        await store.create([spec("cancel", after=("t",)), spec("run", after=("t",), on_failed="run")])
        await finish(store, running)
        expect(list(await claims(store)), ["cancel", "run"])

    @case
    async def test_who_waits_for_a_task_waits_on_while_it_is_tried_again(self, store: TaskStore, clock: Clock) -> None:
        """I14: given back, to be tried again, parked and paused are no ends."""
        running = await started(store)
        await made(store, spec("next", after=("t",)))
        for how in ({"counted": True}, {"delay": 0.0}, {"parked": {"w": ()}}):
            await finish(store, running, "queued", **how)
            running = (await claims(store))["t"]
        await finish(store, running, "review_needed", interrupts=(question("q"),))
        expect((await known(store, "next")).waits_for, ("t",))
        await finish(store, await resumed(store, "t"), "failed")
        expect((await known(store, "next")).state, "cancelled")

    @case
    async def test_who_was_let_go_stays_so_when_the_task_is_tried_again(self, store: TaskStore, clock: Clock) -> None:
        running = await started(store)
        await store.create([spec("run", after=("t",), on_failed="run"), spec("drop", after=("t",))])
        await finish(store, running, "failed")
        await store.retry("t")
        expect((await known(store, "run")).waits_for, ())
        expect(await states(store), {"t": "queued", "run": "queued", "drop": "cancelled"})

    # -------------------------------------------------------------- reap

    @case
    async def test_a_task_whose_worker_is_lost_is_taken_back(self, store: TaskStore, clock: Clock) -> None:
        """I1, I9."""
        running = await started(store)
        clock.now += int(LEASE * 1000) - 1
        expect(await store.reap(), ())
        clock.now += 2
        (task,) = await store.reap()
        expect(task, await known(store))
        expect((task.state, task.worker, task.attempt, task.counted), ("queued", None, 1, False))
        expect(task.fence > running.fence, True)
        expect(await store.reap(), ())
        again = (await claims(store, worker="v"))["t"]
        expect((again.attempt, again.worker, again.inbox), (2, "v", running.inbox))
        expect(
            [(state, attempt) for _, state, attempt in await told(store)],
            [("queued", 0), ("ongoing", 1), ("queued", 1), ("ongoing", 2)],
        )

    @case
    async def test_a_poison_task_ends_as_failed(self, store: TaskStore, clock: Clock) -> None:
        """F-T8, I9."""
        await store.create([spec("t", retry=Retry(max_attempts=3)), spec("next", after=("t",))])
        for attempt in (1, 2, 3):
            expect((await claims(store))["t"].attempt, attempt)
            task = (await expire(store, clock))["t"]
            expect(task.state, "queued" if attempt < 3 else "failed")
        expect((task.error and task.error.code, task.ended_ms, task.worker), ("worker_lost", clock.now, None))
        expect(((await known(store, "next")).state, await claims(store)), ("cancelled", NOTHING))

    @case
    async def test_the_attempts_are_counted_anew_after_a_retry_and_a_followup(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I1, I9."""
        await made(store, spec("t", retry=Retry(max_attempts=2)))
        for series in range(3):
            for attempt in (1, 2):
                expect((await claims(store))["t"].attempt, 2 * series + attempt)
                task = (await expire(store, clock))["t"]
            expect(task.state, "failed")
            await (store.retry("t") if series else store.followup("t", "m", "once more"))

    @case
    async def test_a_task_that_is_given_back_and_resumed_often_is_no_poison(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I1: none of these counts as an attempt."""
        await made(store, spec("t", retry=Retry(max_attempts=2)))
        for _ in range(4):
            await finish(store, (await claims(store))["t"], "queued", counted=True)
            await finish(store, (await claims(store))["t"], "queued", parked={"w": ()})
            await finish(store, (await claims(store))["t"], "review_needed", interrupts=(question("q"),))
            expect((await resumed(store, "t")).attempt, 1)
            await finish(store, await known(store), "queued", counted=True)
        await claims(store)
        expect((await expire(store, clock))["t"].state, "queued")

    @case
    async def test_a_lost_task_that_was_asked_to_stop_is_cancelled(self, store: TaskStore, clock: Clock) -> None:
        """I5: the sweep finishes it."""
        await started(store)
        await made(store, spec("next", after=("t",)))
        await store.request_cancel("t", "enough")
        task = (await expire(store, clock))["t"]
        expect((task.state, task.cancel, task.worker, task.ended_ms), ("cancelled", "enough", None, clock.now))
        expect((await known(store, "next")).state, "cancelled")

    @case
    async def test_the_sweep_takes_so_many_at_once(self, store: TaskStore, clock: Clock) -> None:
        await store.create([spec(str(number)) for number in range(5)])
        await claims(store)
        clock.now += int(LEASE * 1000) + 1
        taken = [len(await store.reap(limit)) for limit in (2, 2, 2, 2)]
        expect(taken, [2, 2, 1, 0])

    @case
    async def test_of_many_sweeps_at_once_one_takes_each_task(self, store: TaskStore, clock: Clock) -> None:
        """I9."""
        await store.create([spec(str(number)) for number in range(20)])
        await claims(store)
        clock.now += int(LEASE * 1000) + 1
        swept = await asyncio.gather(*(store.reap(7) for _ in range(8)))
        expect(sorted(int(task.id) for tasks in swept for task in tasks), list(range(20)))

    @case
    async def test_a_clock_that_is_set_back_takes_no_lease(self, store: TaskStore, clock: Clock) -> None:
        """F-T6: and when it has been set right, the lease still runs out."""
        await started(store)
        clock.now -= 3_600_000
        expect(await store.reap(), ())
        clock.now += 3_600_000
        expect(set(await expire(store, clock)), {"t"})
