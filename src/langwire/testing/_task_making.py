"""Knows what a task store promises to those who make tasks."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from langwire.errors import KeyTaken, TaskRefused, UnknownTask
from langwire.events import TaskUpdate, TokenUsage
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Limits, Spec, Task
from langwire.testing._task_suite import (
    TaskSuite,
    case,
    child,
    claims,
    ended,
    everything,
    finish,
    known,
    made,
    raises,
    spec,
    started,
    states,
    told,
)
from langwire.testing.stores import Clock, expect

OPEN = Limits(agents=("a", "b"))


class Making(TaskSuite):
    """What becomes of specs."""

    # -------------------------------------------------------------- create

    @case
    async def test_nothing_is_known_before_the_first_task(self, store: TaskStore, clock: Clock) -> None:
        expect(await store.get("t"), None)
        expect((await store.list()).tasks, ())
        expect(await store.count(), {})
        expect(await claims(store), {})
        expect(await store.create([]), ())

    @case
    async def test_a_new_task_is_queued_and_knows_what_it_was_made_of(self, store: TaskStore, clock: Clock) -> None:
        asked = spec("t", principal="ann", priority=3, timeout=1.5, call_key="k", not_before_ms=5, limits=OPEN)
        task = await made(store, asked)
        expect(task, await known(store))
        expect((task.spec, task.state, task.attempt, task.first_attempt, task.counted), (asked, "queued", 0, 1, False))
        expect((task.created_ms, task.updated_ms, task.started_ms, task.ended_ms), (clock.now, clock.now, None, None))
        expect((task.not_before_ms, task.worker, task.waits_for, task.cancel), (5, None, (), None))
        expect((task.result, task.error, task.usage, task.interrupts, task.answers), (None, None, None, (), ()))

    @case
    async def test_the_prompt_is_the_first_message_of_an_agents_inbox(self, store: TaskStore, clock: Clock) -> None:
        await store.create([spec("t"), spec("h", kind="handler", name="h", args={"n": [1]})])
        (message,) = (await known(store)).inbox
        expect((message.text, message.at_ms, message.id != ""), ("do t", clock.now, True))
        expect(((await known(store, "h")).inbox, (await known(store, "h")).spec.args), ((), {"n": [1]}))

    @case
    async def test_a_new_task_is_told_to_its_readers_and_to_its_parents(self, store: TaskStore, clock: Clock) -> None:
        parent = await made(store, spec("p"))
        await made(store, child("c", parent))
        expect(
            (await told(store, "p"), await told(store, "c")),
            ([("p", "queued", 0), ("c", "queued", 0)], [("c", "queued", 0)]),
        )
        (entry,) = (await store.events("c")).entries
        expect(entry.event, TaskUpdate(task_id="c", state="queued", title="The c", parent_id="p"))
        expect((entry.seq, entry.at_ms, (await known(store, "p")).events), (1, clock.now, 2))

    @case
    async def test_tasks_come_back_in_the_order_of_their_specs(self, store: TaskStore, clock: Clock) -> None:
        first = await made(store, spec("b"))
        tasks = await store.create([spec("c"), spec("b"), spec("a")])
        expect([task.id for task in tasks], ["c", "b", "a"])
        expect(first.number < tasks[0].number < tasks[2].number, True)
        expect(tasks[1], first)

    @case
    async def test_tasks_are_made_all_or_none(self, store: TaskStore, clock: Clock) -> None:
        await made(store, spec("k", call_key="k"))
        before = await everything(store)
        wrong: list[tuple[type[UnknownTask | KeyTaken | TaskRefused], Spec]] = [
            (UnknownTask, spec("x", after=("nobody",))),
            (KeyTaken, spec("x", call_key="k", name="b")),
            (TaskRefused, spec("x", parent_id="nobody", limits=OPEN)),
        ]
        for error, bad in wrong:
            await raises(error, store.create([spec("t"), bad, spec("u")]))
            expect(await everything(store), before)

    @case
    async def test_an_id_that_is_known_makes_nothing(self, store: TaskStore, clock: Clock) -> None:
        task = await started(store)
        before = await everything(store)
        expect(await store.create([spec("t"), spec("t")]), (task, task))
        expect(await everything(store), before)

    @case
    async def test_a_key_that_is_known_makes_nothing(self, store: TaskStore, clock: Clock) -> None:
        """W27: a call that is made again, after an answer that was lost, finds what it made."""
        task = await made(store, spec("t", call_key="k", args={"n": 1}))
        before = await everything(store)
        again = spec("u", call_key="k", args={"n": 1}, prompt="do t", title="Another", priority=9)
        expect(await store.create([again, again]), (task, task))
        expect(await everything(store), before)

    @case
    async def test_a_key_is_known_in_the_call_that_brings_it(self, store: TaskStore, clock: Clock) -> None:
        tasks = await store.create([spec("t", call_key="k"), spec("u", call_key="k", prompt="do t")])
        expect([task.id for task in tasks], ["t", "t"])
        expect(await states(store), {"t": "queued"})

    @case
    async def test_a_key_belongs_to_one_request_of_one_principal(self, store: TaskStore, clock: Clock) -> None:
        first = spec("t", call_key="k", args={"n": 1})
        await made(store, first)
        before = await everything(store)
        changes = ({"name": "b"}, {"kind": "handler"}, {"prompt": "else"}, {"args": {"n": 2}}, {"args": None})
        for other in (*changes, {"principal": "eve"}):
            await raises(KeyTaken, store.create([replace(first, id="u", **other)]))
        expect(await everything(store), before)

    @case
    async def test_of_many_who_use_a_key_at_once_one_makes_the_task(self, store: TaskStore, clock: Clock) -> None:
        calls = [made(store, spec(f"t{number}", call_key="k", prompt="same")) for number in range(20)]
        expect(len({task.id for task in await asyncio.gather(*calls)}), 1)
        expect(await store.count(), {"queued": 1})

    # -------------------------------------------------------------- create: after

    @case
    async def test_tasks_wait_for_each_other_in_any_order(self, store: TaskStore, clock: Clock) -> None:
        await made(store, spec("known"))
        tasks = await store.create([spec("last", after=("mid", "known")), spec("mid", after=("first",)), spec("first")])
        expect([set(task.waits_for) for task in tasks], [{"mid", "known"}, {"first"}, set[str]()])
        for ready in ({"known", "first"}, {"mid"}, {"last"}):
            now = await claims(store)
            expect(set(now), ready)
            for task in now.values():
                await finish(store, task)

    @case
    async def test_nobody_waits_for_what_has_ended(self, store: TaskStore, clock: Clock) -> None:
        await ended(store, "done")
        await ended(store, "failed", "failed")
        await made(store, spec("open"))
        task = await made(store, spec("t", after=("done", "open")))
        expect((task.state, task.waits_for), ("queued", ("open",)))
        task = await made(store, spec("u", after=("failed",), on_failed="run"))
        expect((task.state, task.waits_for), ("queued", ()))

    @case
    async def test_who_waits_for_what_did_not_end_as_done_is_cancelled_at_once(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """I14."""
        for state in ("failed", "cancelled"):
            await ended(store, state, state)
            id = f"after {state}"
            task, last = await store.create([spec(id, after=(state,)), spec(f"{id}, too", after=(id,))])
            expect(
                [(task.state, task.waits_for, task.ended_ms) for task in (task, last)],
                [("cancelled", (), clock.now)] * 2,
            )
            expect([task.error and task.error.code for task in (task, last)], ["dependency_failed"] * 2)
            expect(await told(store, id), [(id, "queued", 0), (id, "cancelled", 0)])
        expect(await claims(store), {})

    # -------------------------------------------------------------- create: limits

    async def refused_for(self, store: TaskStore, code: str, *specs: Spec, limited: bool = False) -> None:
        """See that tasks are refused for a limit, and that none was made."""
        before = await everything(store)
        error = await raises(TaskRefused, store.create(specs, limited=limited))
        expect(error.code, code)
        expect(await everything(store), before)

    @case
    async def test_a_parent_must_be_there_and_go_on(self, store: TaskStore, clock: Clock) -> None:
        """I13."""
        await self.refused_for(store, "parent", spec("x", parent_id="nobody", root_id="nobody", limits=OPEN))
        for state in ("done", "failed", "cancelled"):
            await self.refused_for(store, "parent", child("x", await ended(store, state, state)))
        parent = await started(store, "p")
        await store.request_cancel("p")
        await self.refused_for(store, "parent", child("x", parent))

    @case
    async def test_delegation_has_a_depth(self, store: TaskStore, clock: Clock) -> None:
        """T-9, I13."""
        task = await made(store, spec("0"))
        for depth in (1, 2):
            task = await made(store, child(str(depth), task, limits=Limits(max_depth=2, agents=("a",))))
            expect(task.spec.depth, depth)
        await self.refused_for(store, "depth", child("3", task, limits=Limits(max_depth=2, agents=("a",))))

    @case
    async def test_a_task_has_so_many_children(self, store: TaskStore, clock: Clock) -> None:
        """T-9, I13: those that have ended count; their own children do not."""
        limits = Limits(max_children=3, agents=("a",))
        parent = await made(store, spec("p"))
        first = await made(store, child("1", parent, limits=limits))
        await made(store, child("1/1", first, limits=limits))
        await store.request_cancel("1/1")
        await store.request_cancel("1")
        await self.refused_for(store, "children", *(child(str(number), parent, limits=limits) for number in (2, 3, 4)))
        await store.create([child(str(number), parent, limits=limits) for number in (2, 3)])
        await self.refused_for(store, "children", child("4", parent, limits=limits))

    @case
    async def test_a_root_has_so_many_active_tasks(self, store: TaskStore, clock: Clock) -> None:
        """T-9, I13: those that have ended do not count, nor do those of another root."""
        few: dict[str, Any] = {"root_id": "thread:1", "limits": Limits(max_active=2, agents=("a",))}
        await store.create([spec("other", root_id="thread:2"), spec("1", **few)], limited=False)
        await self.refused_for(store, "active", spec("2", **few), spec("3", **few), limited=True)
        second = await made(store, spec("2", **few), limited=True)
        await self.refused_for(store, "active", spec("3", **few), limited=True)
        await self.refused_for(store, "active", child("3", second, limits=few["limits"]))
        await store.request_cancel("1")
        await made(store, spec("3", **few), limited=True)

    @case
    async def test_a_root_has_so_many_tasks_in_all(self, store: TaskStore, clock: Clock) -> None:
        """T-9, I13: also those that have ended."""
        few: dict[str, Any] = {"root_id": "thread:1", "limits": Limits(max_total=2, agents=("a",))}
        for id in ("1", "2"):
            await made(store, spec(id, **few), limited=True)
            await store.request_cancel(id)
        await self.refused_for(store, "total", spec("3", **few), limited=True)
        await made(store, spec("3", **{**few, "root_id": "thread:2"}), limited=True)

    @case
    async def test_all_below_a_root_spend_from_one_purse(self, store: TaskStore, clock: Clock) -> None:
        """T-9, I13."""
        few: dict[str, Any] = {"root_id": "thread:1", "limits": Limits(max_tokens=10, agents=("a",))}
        one, two = [await started(store, id, **few) for id in ("1", "2")]
        await store.append_events("1", one.fence, 1, [], usage=TokenUsage(input_tokens=6))
        below = await made(store, child("3", one, limits=few["limits"]))
        await store.append_events("2", two.fence, 1, [], usage=TokenUsage(output_tokens=4))
        await self.refused_for(store, "tokens", child("4", one, limits=few["limits"]))
        await self.refused_for(store, "tokens", child("4", below, limits=few["limits"]))
        await self.refused_for(store, "tokens", spec("4", **few), limited=True)
        await made(store, spec("4", **{**few, "root_id": "thread:2"}), limited=True)

    @case
    async def test_delegation_has_a_deadline(self, store: TaskStore, clock: Clock) -> None:
        """T-9."""
        parent = await made(store, spec("p"))
        limits = Limits(deadline_ms=clock.now + 10, agents=("a",))
        await made(store, child("1", parent, limits=limits))
        clock.now += 11
        await self.refused_for(store, "deadline", child("2", parent, limits=limits))

    @case
    async def test_only_those_that_are_named_are_delegated_to(self, store: TaskStore, clock: Clock) -> None:
        """T-11."""
        parent = await made(store, spec("p"))
        limits = Limits(agents=("b",))
        await self.refused_for(store, "agent", child("c", parent, limits=limits))
        await self.refused_for(store, "agent", spec("c", limits=limits), limited=True)
        await made(store, child("c", parent, name="b", limits=limits))

    @case
    async def test_the_limits_are_those_of_each_spec(self, store: TaskStore, clock: Clock) -> None:
        parent = await made(store, spec("p"))
        fits, not_any_more = child("1", parent), child("2", parent, limits=Limits(max_children=1, agents=("a",)))
        await self.refused_for(store, "children", fits, not_any_more)

    @case
    async def test_who_is_not_limited_may_make_as_many_as_he_likes(self, store: TaskStore, clock: Clock) -> None:
        nothing = Limits(max_depth=0, max_children=0, max_active=0, max_total=0, max_tokens=0, deadline_ms=0)
        await store.create([spec(str(number), root_id="thread:1", limits=nothing) for number in range(3)])
        expect(await store.count(), {"queued": 3})

    @case
    async def test_what_was_started_before_is_not_refused(self, store: TaskStore, clock: Clock) -> None:
        """W27: a tool node that is replayed starts no second child, and is not told of a limit either."""
        limits = Limits(max_children=1, agents=("a",))
        parent = await made(store, spec("p"))
        first = await made(store, child("c", parent, call_key="p/call", limits=limits))
        expect(await made(store, child("d", parent, call_key="p/call", prompt="do c", limits=limits)), first)
        await store.request_cancel("p")
        expect((await made(store, child("e", parent, call_key="p/call", prompt="do c", limits=limits))).id, "c")

    @case
    async def test_a_limit_holds_for_many_who_delegate_at_once(self, store: TaskStore, clock: Clock) -> None:
        """F-T4, T-9, I13."""
        parent = await made(store, spec("p"))
        calls = [made(store, child(str(number), parent)) for number in range(40)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        expect(sum(isinstance(result, Task) for result in results), 8)
        expect({result.code for result in results if isinstance(result, TaskRefused)}, {"children"})
