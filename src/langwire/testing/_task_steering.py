"""Knows what a task store promises to those who steer tasks."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from langwire.errors import TaskRefused, UnknownTask
from langwire.events import ErrorInfo, TokenUsage
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Limits, PlanStep, Task
from langwire.testing._task_suite import (
    NOTHING,
    TaskSuite,
    answer,
    case,
    child,
    claims,
    ended,
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
from langwire.testing.stores import Clock, expect, refused

OPEN = Limits(agents=("a", "b"))


async def refused_for(store: TaskStore, code: str, id: str) -> None:
    """See that a task does not begin again for a limit, and that nothing has changed."""
    before = await everything(store)
    error = await raises(TaskRefused, store.followup(id, "one more", "and this"))
    expect((error.code, await everything(store)), (code, before))


class Steering(TaskSuite):
    """What happens to a task from outside."""

    # -------------------------------------------------------------- request_cancel

    @case
    async def test_a_queued_task_is_cancelled_at_once(self, store: TaskStore, clock: Clock) -> None:
        await made(store, spec("t"))
        clock.now += 5
        task = await store.request_cancel("t", "enough")
        expect(task, await known(store))
        expect((task.state, task.cancel, task.ended_ms, task.attempt), ("cancelled", "enough", clock.now, 0))
        expect(await claims(store), {})
        expect(await told(store), [("t", "queued", 0), ("t", "cancelled", 0)])

    @case
    async def test_a_paused_task_is_cancelled_at_once_and_asks_nothing_any_more(
        self, store: TaskStore, clock: Clock
    ) -> None:
        await paused(store, "q", "r")
        await store.resume("t", [answer("q")])
        task = await store.request_cancel("t")
        expect(
            (task.state, task.cancel, task.interrupts, task.answers, task.parked), ("cancelled", "", (), (), NOTHING)
        )
        expect(await store.resume("t", [answer("r")]), False)

    @case
    async def test_the_worker_of_an_ongoing_task_is_asked_once(self, store: TaskStore, clock: Clock) -> None:
        """I5."""
        running = await started(store)
        task = await store.request_cancel("t", "enough")
        expect((task.state, task.cancel, task.fence, task.worker), ("ongoing", "enough", running.fence, "w"))
        expect((await store.request_cancel("t", "again")).cancel, "enough")
        expect(await store.cancel_requests("w"), {"t": "enough"})
        task = await finish(store, running, "cancelled")
        expect((task.state, task.cancel), ("cancelled", "enough"))
        expect(await told(store), [("t", "queued", 0), ("t", "ongoing", 1), ("t", "cancelled", 1)])

    @case
    async def test_a_task_that_has_ended_is_left_alone(self, store: TaskStore, clock: Clock) -> None:
        """F-T3, I3, I5."""
        for state in ("done", "failed", "cancelled"):
            await ended(store, state, state)
            before = await everything(store)
            clock.now += 1
            expect((await store.request_cancel(state, "late")).state, state)
            expect(await everything(store), before)

    @case
    async def test_a_finish_that_comes_first_wins_over_a_cancel(self, store: TaskStore, clock: Clock) -> None:
        """F-T3, I5: whoever asked reads `done`, and knows that it was too late."""
        running = await started(store)
        await store.request_cancel("t")
        expect((await finish(store, running, "done", result=1)).state, "done")
        expect((await store.request_cancel("t")).state, "done")

    @case
    async def test_a_task_that_was_asked_to_stop_does_not_begin_to_wait(self, store: TaskStore, clock: Clock) -> None:
        """I5: a request to stop is not forgotten with the run that it was for."""
        for number, how in enumerate(
            (
                {"state": "queued", "counted": True},
                {"state": "queued", "delay": 1.0},
                {"state": "queued", "parked": {"w": ("other",)}},
                {"state": "review_needed", "interrupts": (question("q"),)},
            )
        ):
            other = await started(store, "other") if number == 0 else await known(store, "other")
            running = await started(store, f"t{number}")
            await store.request_cancel(running.id, "enough")
            task = await finish(store, running, **how)
            expect((task.state, task.cancel, task.interrupts, task.parked), ("cancelled", "enough", (), NOTHING))
            expect(other.state, "ongoing")

    @case
    async def test_all_that_is_below_is_cancelled_alike(self, store: TaskStore, clock: Clock) -> None:
        """I13."""
        root = await started(store, "root")
        runs, waits = await store.create([child("runs", root), child("waits", root)])
        await store.create([child("below", runs), child("beside", waits), spec("else")])
        running = (await claims(store, 1))["runs"]
        await store.request_cancel("root", "enough")
        expect(
            await states(store),
            {"root": "ongoing", "runs": "ongoing", "waits": "cancelled", "below": "cancelled", "beside": "cancelled"}
            | {"else": "queued"},
        )
        expect(set(await store.cancel_requests("w")), {"root", "runs"})
        expect((await finish(store, running, "cancelled")).state, "cancelled")

    @case
    async def test_what_is_below_one_that_has_ended_is_cancelled_too(self, store: TaskStore, clock: Clock) -> None:
        """I13."""
        root = await started(store, "root")
        await made(store, child("middle", root))
        middle = (await claims(store))["middle"]
        await made(store, child("low", middle))
        await finish(store, middle)
        await store.request_cancel("root")
        expect(await states(store), {"root": "ongoing", "middle": "done", "low": "cancelled"})

    @case
    async def test_what_is_below_one_that_abandons_its_children_goes_on(self, store: TaskStore, clock: Clock) -> None:
        """I13."""
        root = await made(store, spec("root"))
        leaves, stays = await store.create([child("leaves", root, on_cancel="abandon"), child("stays", root)])
        low = await made(store, child("abandoned", leaves))
        await store.create([child("cancelled", stays), child("lower", low)])
        await store.request_cancel("root")
        expect(
            {id for id, state in (await states(store)).items() if state == "queued"},
            {"abandoned", "lower"},
        )
        await store.create([spec("alone", on_cancel="abandon")])
        await made(store, child("its child", await known(store, "alone")))
        await store.request_cancel("alone")
        expect((await known(store, "its child")).state, "queued")

    @case
    async def test_a_cancel_lets_go_who_waited(self, store: TaskStore, clock: Clock) -> None:
        """I14."""
        await store.create(
            [
                spec("t"),
                spec("drops", after=("t",)),
                spec("too", after=("drops",)),
                spec("goes", after=("too",), on_failed="run"),
            ]
        )
        await store.request_cancel("t")
        expect(await states(store), {"t": "cancelled", "drops": "cancelled", "too": "cancelled", "goes": "queued"})
        expect(set(await claims(store)), {"goes"})

    # -------------------------------------------------------------- resume

    @case
    async def test_an_answer_is_kept_until_a_worker_has_taken_it_to_the_graph(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """T-8."""
        await paused(store, "q")
        clock.now += 7
        given = answer("q", {"decisions": [{"type": "approve"}]}, decisions=("approve",), decided_by="ann")
        expect(await store.resume("t", [given]), True)
        task = await known(store)
        expect((task.state, task.answers, task.interrupts), ("queued", (replace(given, at_ms=clock.now),), ()))
        running = (await claims(store))["t"]
        expect((running.answers, running.attempt), (task.answers, 1))
        expect((await finish(store, running)).answers, ())
        seen = ["queued", "ongoing", "review_needed", "queued", "ongoing", "done"]
        expect([state for _, state, _ in await told(store)], seen)

    @case
    async def test_an_answer_outlives_a_worker_that_is_lost(self, store: TaskStore, clock: Clock) -> None:
        await paused(store, "q")
        await store.resume("t", [answer("q")])
        await claims(store)
        await expire(store, clock)
        running = (await claims(store))["t"]
        expect([given.interrupt_id for given in running.answers], ["q"])
        given_back = await finish(store, running, "queued", counted=True)
        expect([given.interrupt_id for given in given_back.answers], ["q"])

    @case
    async def test_an_answer_is_kept_while_a_failed_attempt_is_made_again(self, store: TaskStore, clock: Clock) -> None:
        """T-8: an approval is not asked for again because the node that it was given to failed."""
        await paused(store, "q")
        await store.resume("t", [answer("q")])
        for _ in range(2):
            task = await finish(store, (await claims(store))["t"], "queued", error=ErrorInfo(code="Boom", message=""))
            expect([given.interrupt_id for given in task.answers], ["q"])
        running = (await claims(store))["t"]
        expect(([given.interrupt_id for given in running.answers], running.attempt), (["q"], 3))

    @case
    async def test_an_answer_is_gone_when_a_task_parks_asks_or_ends(self, store: TaskStore, clock: Clock) -> None:
        """W7."""
        endings: list[dict[str, Any]] = [
            {"state": "queued", "parked": {"w": ("other",)}},
            {"state": "review_needed", "interrupts": (question("r"),)},
            {"state": "failed"},
            {"state": "cancelled"},
            {"state": "done"},
        ]
        await started(store, "other")
        for number, how in enumerate(endings):
            await paused(store, "q", id=f"t{number}")
            task = await finish(store, await resumed(store, f"t{number}"), **how)
            expect((task.state, task.answers), (how["state"], ()))

    @case
    async def test_a_question_is_answered_once(self, store: TaskStore, clock: Clock) -> None:
        """F-T2, W7, I6."""
        await paused(store, "q", "r")
        expect(await store.resume("t", [answer("q", "yes")]), True)
        before = await everything(store)
        expect(await store.resume("t", [answer("q", "no")]), False)
        expect(await everything(store), before)
        expect([given.value for given in (await known(store)).answers], ["yes"])

    @case
    async def test_of_many_who_answer_at_once_one_wins(self, store: TaskStore, clock: Clock) -> None:
        """F-T2, I6."""
        await paused(store, "q")
        answers = await asyncio.gather(*(store.resume("t", [answer("q", number)]) for number in range(30)))
        expect(sorted(answers), [False] * 29 + [True])
        expect([given.value for given in (await known(store)).answers], [answers.index(True)])

    @case
    async def test_several_answers_are_taken_all_or_none(self, store: TaskStore, clock: Clock) -> None:
        """I6."""
        await paused(store, "a", "b", "c")
        await store.resume("t", [answer("b")])
        before = await everything(store)
        for several in (["a", "b"], ["c", "unknown"], ["c", "c"]):
            expect(await store.resume("t", [answer(id) for id in several]), False)
            expect(await everything(store), before)
        expect((await known(store)).state, "review_needed")
        expect([asked.id for asked in (await known(store)).interrupts], ["a", "c"])
        expect(await store.resume("t", [answer("a"), answer("c")]), True)
        expect((await known(store)).state, "queued")
        expect([given.interrupt_id for given in (await known(store)).answers], ["b", "a", "c"])

    @case
    async def test_a_task_that_waits_for_nobody_takes_no_answer(self, store: TaskStore, clock: Clock) -> None:
        """F-T2, I6: also not one that is queued again, because it has been answered."""
        await paused(store, "q")
        await store.resume("t", [answer("q")])
        for go_on in (known(store), claims(store)):
            await go_on
            expect((await store.resume("t", [answer("q")]), await store.resume("t", [])), (False, False))
        await finish(store, await known(store))
        expect(await store.resume("t", [answer("q")]), False)
        await raises(UnknownTask, store.resume("nobody", [answer("q")]))

    @case
    async def test_a_question_that_is_asked_again_can_be_answered_again(self, store: TaskStore, clock: Clock) -> None:
        await paused(store, "q")
        await store.resume("t", [answer("q", 1)])
        await finish(store, (await claims(store))["t"], "review_needed", interrupts=(question("q"),))
        expect(await store.resume("t", [answer("q", 2)]), True)
        expect([given.value for given in (await known(store)).answers], [2])

    @case
    async def test_a_task_can_ask_and_wait_for_others_at_once(self, store: TaskStore, clock: Clock) -> None:
        """Answered, it waits no longer than for the others; if those have ended, it goes on at once."""
        for first in ("answer", "end"):
            other = await started(store, f"other {first}")
            running = await started(store, first)
            asks = {"interrupts": (question("q"),), "parked": {"w": (other.id,)}}
            task = await finish(store, running, "review_needed", **asks)
            expect((task.state, task.parked), ("review_needed", {"w": (other.id,)}))
            if first == "end":
                await finish(store, other)
                expect((await known(store, first)).state, "review_needed")
            await store.resume(first, [answer("q")])
            task = await known(store, first)
            expect((task.state, task.waits_for), ("queued", (other.id,) if first == "answer" else ()))
            expect(task.parked, {"w": (other.id,)})
            if first == "answer":
                expect(await claims(store), {})
                await finish(store, other)
            expect((await claims(store))[first].attempt, 1)

    # -------------------------------------------------------------- retry

    @case
    async def test_a_failed_or_cancelled_task_can_be_tried_again(self, store: TaskStore, clock: Clock) -> None:
        """I1, I3."""
        for state in ("failed", "cancelled"):
            running = await started(store, state)
            await store.append_events(state, running.fence, 1, said("one"))
            await store.request_cancel(state, "enough")
            before = await finish(store, running, state, taken=1)
            expect(await store.retry(state), True)
            task = await known(store, state)
            expect(
                (task.state, task.error, task.cancel, task.ended_ms, task.worker), ("queued", None, None, None, None)
            )
            expect((task.attempt, task.first_attempt, task.inbox, task.taken), (1, 2, before.inbox, 1))
            running = (await claims(store))[state]
            expect((running.attempt, running.fence > before.fence), (2, True))
            expect(
                await told(store, state),
                [(state, *seen) for seen in (("queued", 0), ("ongoing", 1), (state, 1), ("queued", 1), ("ongoing", 2))],
            )

    @case
    async def test_what_was_given_back_before_it_ended_is_a_new_attempt_all_the_same(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I1."""
        await finish(store, await started(store), "queued", counted=True)
        await store.request_cancel("t")
        await store.retry("t")
        task = (await claims(store))["t"]
        expect((task.attempt, task.first_attempt), (2, 2))

    @case
    async def test_nothing_else_is_tried_again(self, store: TaskStore, clock: Clock) -> None:
        await paused(store, "q", id="paused")
        await ended(store, "done")
        await started(store, "ongoing")
        await made(store, spec("queued"))
        before = await everything(store)
        for id in ("paused", "done", "ongoing", "queued"):
            expect(await store.retry(id), False)
        expect(await everything(store), before)
        await raises(UnknownTask, store.retry("nobody"))

    @case
    async def test_of_many_who_try_again_at_once_one_does(self, store: TaskStore, clock: Clock) -> None:
        await ended(store, "t", "failed")
        expect(sorted(await asyncio.gather(*(store.retry("t") for _ in range(10)))), [False] * 9 + [True])

    @case
    async def test_a_root_that_is_tried_again_has_its_seconds_again(self, store: TaskStore, clock: Clock) -> None:
        """Whether they are over or not, in a conversation too, and at each time anew."""
        limits = Limits(deadline_ms=clock.now + 1500, max_seconds=1.5, max_active=1, agents=("a",))
        for id, root_id in (("t", "t"), ("chat", "thread:1")):
            await ended(store, id, "failed", root_id=root_id, limits=limits)
        for passed in (1000, 5000):
            clock.now += passed
            for id in ("t", "chat"):
                expect((await store.retry(id)) if passed == 1000 else (await store.followup(id, "m", "more")), True)
                task = await known(store, id)
                expect(task.spec.limits, replace(limits, deadline_ms=clock.now + 1500))
                await finish(store, (await claims(store))[id], "failed")

    @case
    async def test_what_is_below_keeps_its_deadline_and_who_has_no_seconds_too(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """Its parent's work is over then."""
        limits = Limits(deadline_ms=clock.now + 1500, max_seconds=1.5, agents=("a",))
        parent = await started(store, "p")
        await made(store, child("c", parent, limits=limits))
        await finish(store, (await claims(store))["c"], "failed")
        await ended(store, "t", "failed", limits=replace(limits, max_seconds=None))
        deadline, clock.now = clock.now + 1500, clock.now + 1000
        for id in ("c", "t"):
            expect(await store.retry(id), True)
            expect((await known(store, id)).spec.limits.deadline_ms, deadline)

    # -------------------------------------------------------------- followup

    @case
    async def test_a_task_that_has_not_ended_finds_what_is_said_in_its_inbox(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I7."""
        await paused(store, "q", id="review_needed")
        await started(store, "ongoing")
        await made(store, spec("queued"))
        clock.now += 3
        for id in ("review_needed", "ongoing", "queued"):
            before = await known(store, id)
            expect(await store.followup(id, "m", "and this"), True)
            task = await known(store, id)
            expect([(said.id, said.text, said.at_ms) for said in task.inbox[1:]], [("m", "and this", clock.now)])
            expect((task.state, task.fence, task.interrupts), (id, before.fence, before.interrupts))

    @case
    async def test_a_task_that_has_ended_goes_on_with_a_new_attempt(self, store: TaskStore, clock: Clock) -> None:
        """I1, I3."""
        for state in ("done", "failed", "cancelled"):
            running = await started(store, state)
            await store.request_cancel(state)
            await finish(store, running, state)
            expect(await store.followup(state, "m", "and this"), True)
            task = await known(store, state)
            expect((task.state, task.error, task.cancel, task.ended_ms), ("queued", None, None, None))
            expect((task.result, task.taken, task.first_attempt), (None, 1, 2))
            task = (await claims(store))[state]
            expect((task.attempt, [message.text for message in task.inbox]), (2, [f"do {state}", "and this"]))

    @case
    async def test_who_begins_again_below_a_root_keeps_to_its_limits(self, store: TaskStore, clock: Clock) -> None:
        """F-T4, T-9, I13: it is work that delegation adds, as a new child is."""
        limits = Limits(max_active=2, max_tokens=10, deadline_ms=clock.now + 1000, agents=("a",))
        parent = await made(store, spec("p"))
        await made(store, child("c", parent, limits=limits))
        await ended(store, "chat", root_id="thread:1", limits=replace(limits, max_active=0))
        await finish(store, await known(store, "c"))
        await refused_for(store, "active", "chat")
        await made(store, child("d", parent))
        await refused_for(store, "active", "c")
        await store.request_cancel("d")
        expect(await store.followup("c", "m", "and this"), True)
        running = (await claims(store))["c"]
        await store.append_events("c", running.fence, 1, [], usage=TokenUsage(input_tokens=10))
        expect(await store.followup("c", "n", "while it is at it"), True)
        await finish(store, running, taken=9)
        await refused_for(store, "tokens", "c")
        clock.now += 1000
        await refused_for(store, "deadline", "c")
        expect(await store.followup("c", "m", "and this"), True)

    @case
    async def test_a_hosts_own_tasks_begin_again_whatever_their_limits(self, store: TaskStore, clock: Clock) -> None:
        """A root of its own, and the step of a plan."""
        nothing = Limits(max_active=0, max_tokens=0, deadline_ms=0)
        await ended(store, "root", limits=nothing)
        await ended(store, "step", root_id="plan:1", plan=PlanStep(run_id="1", name="step"), limits=nothing)
        expect([await store.followup(id, "m", "and this") for id in ("root", "step")], [True, True])

    @case
    async def test_what_was_said_before_changes_nothing(self, store: TaskStore, clock: Clock) -> None:
        """W27: in each state, also in the one to which it led."""
        running = await started(store)
        await store.followup("t", "m", "and this")
        before = await everything(store)
        expect(await store.followup("t", "m", "and this"), True)
        expect(await everything(store), before)
        await finish(store, running, taken=2)
        before = await everything(store)
        expect(await store.followup("t", "m", "else"), True)
        expect(await everything(store), before)

    @case
    async def test_of_many_who_say_something_at_once_none_is_lost(self, store: TaskStore, clock: Clock) -> None:
        """I7."""
        await ended(store, "t")
        expect(set(await asyncio.gather(*(store.followup("t", f"m{n}", f"{n}") for n in range(20)))), {True})
        task = await known(store)
        expect({message.id for message in task.inbox[1:]}, {f"m{number}" for number in range(20)})
        expect((task.state, (await claims(store))["t"].attempt), ("queued", 2))

    @case
    async def test_nothing_is_said_to_a_handler_nor_to_one_that_is_being_cancelled(
        self, store: TaskStore, clock: Clock
    ) -> None:
        await made(store, spec("h", kind="handler", name="h"))
        await started(store)
        await store.request_cancel("t")
        before = await everything(store)
        for id in ("h", "t"):
            expect(await store.followup(id, "m", "and this"), False)
        expect(await everything(store), before)
        await raises(UnknownTask, store.followup("nobody", "m", "and this"))

    @case
    async def test_moves_that_name_no_task_are_refused(self, store: TaskStore, clock: Clock) -> None:
        await raises(UnknownTask, store.request_cancel("nobody"))
        await raises(UnknownTask, store.append_events("nobody", 1, 1, []))
        await raises(UnknownTask, finish(store, Task(spec=spec("nobody"), number=1)))
        await raises(UnknownTask, store.events("nobody"))
        await refused(store.resume("", []))
