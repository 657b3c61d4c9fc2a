"""Knows what a task store promises to those who watch, and about the store itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from msgspec.structs import replace

from langwire.errors import IllegalMove, LangwireError
from langwire.events import Custom, TextDelta, TokenUsage
from langwire.tasks.store import TaskStore
from langwire.tasks.task import InboxMessage, Task, TaskQuery
from langwire.testing._task_suite import (
    LEASE,
    NOTHING,
    TaskSuite,
    answer,
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
    said,
    spec,
    started,
    states,
)
from langwire.testing.stores import (
    HALF,
    KEPT,
    NOT_KEPT,
    ODD_IDS,
    Clock,
    _CancelAt,  # pyright: ignore[reportPrivateUsage]
    _is_cancelled,  # pyright: ignore[reportPrivateUsage]
    expect,
    refused,
)


class Reading(TaskSuite):
    """What is read, and what is true of everything that is kept."""

    # -------------------------------------------------------------- list, count

    @case
    async def test_the_list_begins_with_the_newest_whatever_the_clock_says(
        self, store: TaskStore, clock: Clock
    ) -> None:
        """F-T6."""
        for id in "abcd":
            await made(store, spec(id))
            clock.now -= 1000
        await store.request_cancel("b")
        page = await store.list()
        expect(([task.id for task in page.tasks], page.before), (["d", "c", "b", "a"], None))
        expect(page.tasks[2], await known(store, "b"))

    @case
    async def test_each_field_of_a_query_narrows_it(self, store: TaskStore, clock: Clock) -> None:
        root = await made(store, spec("root", principal="ann"))
        mid = await made(store, child("mid", root, principal="ann"))
        await made(store, child("low", mid, name="b"))
        await ended(store, "done", name="b", principal="eve", priority=9)
        rows: list[tuple[dict[str, Any], str]] = [
            ({}, "done low mid root"),
            ({"states": ("done",)}, "done"),
            ({"states": ("failed",)}, ""),
            ({"states": ("done", "ongoing")}, "done low mid root"),
            ({"ids": ("low", "root", "nobody")}, "low root"),
            ({"ids": ()}, ""),
            ({"names": ("b",)}, "done low"),
            ({"names": ("a", "b")}, "done low mid root"),
            ({"parent_id": "mid"}, "low"),
            ({"root_id": "root"}, "low mid root"),
            ({"root_id": "Root"}, ""),
            ({"below": "root"}, "low mid"),
            ({"below": "mid"}, "low"),
            ({"principal": "ann"}, "mid root"),
            ({"below": "root", "names": ("b",), "states": ("ongoing",), "root_id": "root"}, "low"),
            ({"below": "root", "names": ("b",), "principal": "ann"}, ""),
        ]
        for fields, ids in rows:
            query = TaskQuery(**fields)
            tasks = (await store.list(query)).tasks
            expect(" ".join(task.id for task in tasks), ids)
            expect(sum((await store.count(query)).values()), len(tasks))
        expect(await store.count(), {"ongoing": 3, "done": 1})
        expect(await store.count(TaskQuery(names=("b",))), {"ongoing": 1, "done": 1})

    @case
    async def test_pages_are_stable(self, store: TaskStore, clock: Clock) -> None:
        """While one pages, tasks are made, changed and forgotten."""
        await store.create([spec(f"{number}", name="ab"[number % 2]) for number in range(20)])
        page = await store.list(TaskQuery(names=("a",)), limit=3)
        seen = [task.id for task in page.tasks]
        while page.before is not None:
            await made(store, spec(f"new {seen[-1]}"))
            await store.request_cancel(seen[-1])
            await store.delete(seen[-1])
            page = await store.list(TaskQuery(names=("a",)), limit=3, before=page.before)
            seen += [task.id for task in page.tasks]
        expect(seen, [f"{number}" for number in range(18, -1, -2)])

    @case
    async def test_a_full_last_page_is_the_last(self, store: TaskStore, clock: Clock) -> None:
        await store.create([spec(id) for id in "abcd"])
        first = await store.list(limit=2)
        expect(first.before is None, False)
        second = await store.list(limit=2, before=first.before)
        expect(([task.id for task in second.tasks], second.before), (["b", "a"], None))

    @case
    async def test_a_limit_of_none_is_refused(self, store: TaskStore, clock: Clock) -> None:
        for limit in (0, -1):
            await refused(store.list(limit=limit))

    # -------------------------------------------------------------- events

    @case
    async def test_events_are_read_after_a_number(self, store: TaskStore, clock: Clock) -> None:
        """I4: what is read page by page is what is read at once."""
        running = await started(store)
        await store.append_events("t", running.fence, 1, said(*"abcdefg"))
        whole = await store.events("t")
        expect((len(whole.entries), whole.last, whole.state), (9, 9, "ongoing"))
        pages: list[Any] = []
        while len(pages) < whole.last:
            page = await store.events("t", len(pages), 4)
            expect((page.last, len(page.entries)), (9, min(4, 9 - len(pages))))
            pages += page.entries
        expect(pages, list(whole.entries))
        for after in (9, 10, 1000):
            page = await store.events("t", after)
            expect((page.entries, page.last), ((), 9))

    @case
    async def test_any_event_is_kept(self, store: TaskStore, clock: Clock) -> None:
        """F-W5: what JSON has no form for does not lose the rest of a run."""
        running = await started(store)
        events = [Custom(data=value) for value in KEPT] + [Custom(data=object()), TextDelta(id="m", text=f"a{HALF}")]
        await store.append_events("t", running.fence, 1, events)
        came = [entry.event for entry in (await store.events("t", 2)).entries]
        expect(repr(came[: len(KEPT)]), repr(events[: len(KEPT)]))
        expect((len(came), came[-1]), (len(events), TextDelta(id="m", text="a\ufffd")))

    # -------------------------------------------------------------- changes, wait

    @case
    async def test_changes_are_told_in_the_order_of_the_last_one(self, store: TaskStore, clock: Clock) -> None:
        mark, tasks = await store.changes(None)
        expect((tasks, await store.changes(mark)), ((), (mark, ())))
        await store.create([spec(id) for id in "abc"])
        await store.request_cancel("a")
        later, tasks = await store.changes(mark)
        expect(([task.id for task in tasks], later > mark), (["b", "c", "a"], True))
        expect(tasks[-1], await known(store, "a"))
        expect(await store.changes(later), (later, ()))
        running = await claims(store, 1)
        await store.request_cancel("b")
        last, tasks = await store.changes(later)
        expect([(task.id, task.state, task.cancel) for task in tasks], [("b", "ongoing", "")])
        expect((await store.changes(None), tasks[0].fence), ((last, ()), running["b"].fence))

    @case
    async def test_changes_come_in_pages(self, store: TaskStore, clock: Clock) -> None:
        """However small the pages, each change is among them, and the last mark is that of the store."""
        mark, _ = await store.changes(None)
        await store.create([spec(str(number)) for number in range(7)])
        seen: list[str] = []
        for _ in range(4):
            mark, tasks = await store.changes(mark, 2)
            seen += [task.id for task in tasks]
        expect(seen, list("0123456"))
        expect(await store.changes(None), (mark, ()))

    @case
    async def test_the_mark_rises_with_events_too(self, store: TaskStore, clock: Clock) -> None:
        running = await started(store)
        for batch, events in enumerate((said("one"), said("two"), []), 1):
            mark, _ = await store.changes(None)
            usage = None if events else TokenUsage(input_tokens=1)
            await store.append_events("t", running.fence, batch, events, usage=usage)
            expect((await store.changes(None))[0] > mark, True)

    @case
    async def test_each_move_is_seen_as_a_change(self, store: TaskStore, clock: Clock) -> None:
        mark, _ = await store.changes(None)

        async def seen(*ids: str) -> None:
            nonlocal mark
            mark, tasks = await store.changes(mark)
            expect([task.id for task in tasks], list(ids))

        await store.create([spec("t"), spec("next", after=("t",))])
        await seen("t", "next")
        running = (await claims(store))["t"]
        await seen("t")
        await store.followup("t", "m", "and this")
        await seen("t")
        await finish(store, running, "review_needed", interrupts=(question("q"), question("r")))
        await seen("t")
        for id in "qr":
            await store.resume("t", [answer(id)])
            await seen("t")
        await claims(store)
        await seen("t")
        await expire(store, clock)
        await seen("t")
        await finish(store, (await claims(store))["t"], "failed")
        mark, tasks = await store.changes(mark)
        expect({task.id: task.state for task in tasks}, {"t": "failed", "next": "cancelled"})
        await store.retry("t")
        await seen("t")

    async def news(self, store: TaskStore, writer: TaskStore, move: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """See that who waits for news is woken by a move."""
        mark, _ = await store.changes(None)
        waiting = asyncio.ensure_future(store.wait(mark, 60))
        for _ in range(10):  # it waits, while nothing happens
            await asyncio.sleep(0)
            expect((await store.changes(None), waiting.done()), ((mark, ()), False))
        await move()
        await asyncio.wait_for(waiting, 20)
        expect((await store.changes(None))[0] > mark, True)

    @case
    async def test_who_waits_for_news_is_woken(self, store: TaskStore, clock: Clock) -> None:
        await self.news(store, store, lambda: started(store))
        running = await known(store)
        await self.news(store, store, lambda: store.append_events("t", running.fence, 1, said("one")))
        await self.news(store, store, lambda: finish(store, running))

    @case
    async def test_news_that_has_come_is_not_waited_for(self, store: TaskStore, clock: Clock) -> None:
        mark, _ = await store.changes(None)
        await made(store, spec("t"))
        await asyncio.wait_for(store.wait(mark, 60), 20)

    @case
    async def test_who_waits_for_news_waits_no_longer_than_he_said(self, store: TaskStore, clock: Clock) -> None:
        mark, _ = await store.changes(None)
        await asyncio.wait_for(store.wait(mark, 0.01), 20)
        await asyncio.wait_for(store.wait(mark, 0), 20)

    @case
    async def test_many_wait_for_the_same_news(self, store: TaskStore, clock: Clock) -> None:
        """One of them stops waiting; the others do not."""
        mark, _ = await store.changes(None)
        waiting = [asyncio.ensure_future(store.wait(mark, 60)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        await made(store, spec("t"))
        await asyncio.wait_for(asyncio.gather(*waiting), 20)

    @case
    async def test_another_store_over_the_same_tasks_sees_and_wakes(self, store: TaskStore, clock: Clock) -> None:
        """As another process does; where there can be none, there is nothing to see."""
        other = await self.other_store(store, clock)
        if other is None:
            return
        try:
            await self.news(store, other, lambda: started(other))
            running = await known(store)
            await self.news(other, store, lambda: store.append_events("t", running.fence, 1, said("one")))
            await self.news(store, other, lambda: other.request_cancel("t", "enough"))
            expect(await store.cancel_requests("w"), {"t": "enough"})
            await self.news(other, store, lambda: finish(store, running, "cancelled"))
            expect(await everything(other), await everything(store))
        finally:
            await other.close()

    @case
    async def test_two_stores_over_the_same_tasks_do_each_move_once(self, store: TaskStore, clock: Clock) -> None:
        """I1, I3, I6, F-T2: many moves at once, from both."""
        other = await self.other_store(store, clock)
        if other is None:
            return
        try:
            both = [store, other] * 10
            await store.create([spec(str(number)) for number in range(30)])
            got = await asyncio.gather(*(claims(one, 2, worker=f"w{n}") for n, one in enumerate(both)))
            tasks = [task for some in got for task in some.values()]
            expect(sorted(int(task.id) for task in tasks), list(range(30)))
            await finish(store, tasks[0], "review_needed", interrupts=(question("q"),))
            taken = await asyncio.gather(*(one.resume(tasks[0].id, [answer("q")]) for one in both))
            expect(sorted(taken), [False] * 19 + [True])
            ends = await asyncio.gather(*(finish(one, tasks[1], "failed") for one in both))
            expect({task.state for task in ends}, {"failed"})
            expect(sorted(await asyncio.gather(*(one.retry(tasks[1].id) for one in both))), [False] * 19 + [True])
            expect(await everything(other), await everything(store))
        finally:
            await other.close()

    # -------------------------------------------------------------- delete, purge

    @case
    async def test_what_is_deleted_is_gone(self, store: TaskStore, clock: Clock) -> None:
        for state in ("done", "failed", "cancelled"):
            await ended(store, "t", state, call_key="k")
            seen, _ = await store.changes(None)
            expect(await store.delete("t"), True)
            expect(await store.delete("t"), False)
            expect((await store.get("t"), (await store.list()).tasks, await store.count()), (None, (), NOTHING))
            mark, _ = await store.changes(None)
            expect((await store.changes(0), mark > seen), ((mark, ()), True))
            again = await made(store, spec("u", call_key="k"))
            expect((again.id, again.events), ("u", 1))
            await store.request_cancel("u")
            await store.delete("u")

    @case
    async def test_a_task_that_has_not_ended_is_not_deleted(self, store: TaskStore, clock: Clock) -> None:
        await paused(store, "q", id="paused")
        await started(store, "ongoing")
        await made(store, spec("queued"))
        before = await everything(store)
        for id in ("paused", "ongoing", "queued"):
            await raises(IllegalMove, store.delete(id))
        expect(await everything(store), before)

    @case
    async def test_a_task_without_its_parent_goes_on(self, store: TaskStore, clock: Clock) -> None:
        parent = await started(store, "p")
        await made(store, child("c", parent))
        await finish(store, parent)
        await store.delete("p")
        running = (await claims(store))["c"]
        expect((await finish(store, running)).state, "done")

    @case
    async def test_a_number_is_not_given_twice(self, store: TaskStore, clock: Clock) -> None:
        """I15: also when the newest task has been forgotten."""
        first = await ended(store, "t")
        mark, _ = await store.changes(None)
        await store.delete("t")
        again = await made(store, spec("u"))
        expect((again.number > first.number, again.change > mark), (True, True))

    @case
    async def test_tasks_that_ended_long_ago_are_forgotten(self, store: TaskStore, clock: Clock) -> None:
        await ended(store, "old")
        await paused(store, "q", id="paused")
        await made(store, spec("queued", name="b"))
        clock.now += 10_000
        await ended(store, "new", "failed", priority=9)
        clock.now += 1
        expect(await store.purge(100.0), ())
        expect(await store.purge(10.0), ("old",))
        expect(set(await states(store)), {"paused", "queued", "new"})
        expect((await store.purge(10.0), await store.purge(0.0)), ((), ("new",)))

    @case
    async def test_a_task_is_not_forgotten_before_those_below_it(self, store: TaskStore, clock: Clock) -> None:
        root = await started(store, "root")
        await made(store, child("mid", root))
        mid = (await claims(store))["mid"]
        await made(store, child("low", mid))
        low = (await claims(store))["low"]
        await finish(store, root)
        await finish(store, mid)
        clock.now += 10_000
        expect((await store.purge(5.0), len(await states(store))), ((), 3))
        await finish(store, low)
        expect((await store.purge(5.0), len(await states(store))), ((), 3))
        clock.now += 10_000
        gone: list[str] = []
        while some := await store.purge(5.0):
            gone += some
        expect((sorted(gone), await states(store)), (["low", "mid", "root"], NOTHING))

    @case
    async def test_nothing_is_forgotten_below_a_root_that_goes_on(self, store: TaskStore, clock: Clock) -> None:
        """W27: a parent whose tool node is replayed finds its child, and the steps of a plan what they build on."""
        parent = await started(store, "p")
        begun = child("c", parent, call_key="p/call")
        await made(store, begun)
        await store.create([spec("first", root_id="plan:1"), spec("then", root_id="plan:1", after=("first",))])
        running = await claims(store)
        for id in ("c", "first"):
            await finish(store, running[id])
        await ended(store, "over", root_id="plan:2")
        clock.now += 10_000
        expect(await store.purge(5.0), ("over",))
        expect((await made(store, begun)).state, "done")
        await finish(store, parent)
        await finish(store, await known(store, "then"), "failed")
        expect(set(await store.purge(5.0)), {"c", "first"})
        clock.now += 10_000
        expect(set(await store.purge(5.0)), {"p", "then"})

    @case
    async def test_so_many_are_forgotten_at_once(self, store: TaskStore, clock: Clock) -> None:
        for number in range(5):
            await ended(store, str(number))
            clock.now += 1
        clock.now += 1
        expect([len(await store.purge(0.0, 2)) for _ in range(4)], [2, 2, 1, 0])

    # -------------------------------------------------------------- what is kept

    @case
    async def test_any_text_can_be_an_id(self, store: TaskStore, clock: Clock) -> None:
        for id in ODD_IDS:
            await store.create([spec(id, name=id, title=id, prompt=id, principal=id, call_key=id)])
            first = (await store.claim(id, [f"agent:{id}"], lease=LEASE))[0]
            expect((first.id, first.worker, first.spec.title), (id, id, id))
            await store.create([spec(f"{id} 2", after=(id,), name=id)])
            await made(store, child(f"{id} 3", first))
            await store.append_events(id, first.fence, 1, said(id))
            expect(await store.heartbeat(id, {id: first.fence}, lease=LEASE), ())
            await finish(store, first, "review_needed", interrupts=(question(id),), parked={id: (f"{id} 3",)})
            await store.followup(id, id, id)
            expect(await store.resume(id, [answer(id, id, decided_by=id)]), True)
            expect((await store.request_cancel(id, id)).cancel, id)
            expect((await known(store, f"{id} 2")).state, "cancelled")
            queries: tuple[dict[str, Any], ...] = (
                {"ids": (id,)},
                {"names": (id,), "principal": id},
                {"root_id": id, "principal": id},
            )
            for query in queries:
                expect([task.id for task in (await store.list(TaskQuery(**query))).tasks], [id])
            expect([task.id for task in (await store.list(TaskQuery(below=id))).tasks], [f"{id} 3"])
            expect((await store.events(id)).entries[3].event, said(id)[0])
            expect(await store.delete(id), True)

    @case
    async def test_nothing_that_cannot_be_kept_is_taken(self, store: TaskStore, clock: Clock) -> None:
        """Half a character, an empty id, a value that JSON does not give back as it was."""
        task = await started(store)
        asks = await paused(store, "q", id="asks")
        before = await everything(store)
        for bad in (
            spec(""),
            spec("x", name=""),
            *(spec(**{"id": "x", field: HALF}) for field in ("id", "name", "prompt", "title", "call_key", "principal")),
            *(spec("x", args={"value": value}) for value in NOT_KEPT),
        ):
            await refused(store.create([spec("good"), bad]))
        for value in NOT_KEPT:
            await refused(store.finish("t", task.fence, ending(task, result=value), said("last")))
            await refused(store.resume("asks", [answer("q", value)]))
        await refused(store.resume("asks", [answer("q", decided_by=HALF)]))
        await refused(store.request_cancel("t", HALF))
        await refused(store.followup("t", "m", HALF))
        await refused(store.followup("t", "", "text"))
        expect((await everything(store), asks.state), (before, "review_needed"))

    @case
    async def test_no_task_is_called_half_a_character(self, store: TaskStore, clock: Clock) -> None:
        await started(store)
        for name, call in calls(store, await known(store), HALF).items():
            if name not in ("claim", "heartbeat", "reap"):  # these ask for what there is
                await refused(call())
        await refused(store.get(HALF))
        await refused(store.events(HALF))

    @case
    async def test_values_come_back_as_they_were(self, store: TaskStore, clock: Clock) -> None:
        for number, value in enumerate(KEPT):
            id = f"t{number}"
            await paused(store, "q", id=id, args={"value": value})
            await store.resume(id, [answer("q", value)])
            running = (await claims(store))[id]
            task = await finish(store, running, result=value)
            came = [(running.spec.args or {})["value"], running.answers[0].value, task.result]
            expect(repr(came), repr([value] * 3))  # as text, for 1 equals True
            expect(repr((await known(store, id)).result), repr(value))

    @case
    async def test_what_is_handed_in_and_out_is_not_what_is_kept(self, store: TaskStore, clock: Clock) -> None:
        value, args = {"list": [1]}, {"list": [1]}
        await store.create([spec("t", args=args)])
        args["list"].append(2)
        running = (await claims(store))["t"]
        await store.finish("t", running.fence, ending(running, result=value), [Custom(data=value)])
        value["list"].append(3)
        for task in (running, await known(store), (await store.list()).tasks[0], (await store.changes(0))[1][0]):
            for held in (task.result, task.spec.args):
                if held is not None:
                    held["list"].append(4)
        for entry in (await store.events("t")).entries:
            if isinstance(entry.event, Custom):
                entry.event.data["list"].append(5)
        task = await known(store)
        expect((task.result, task.spec.args), ({"list": [1]}, {"list": [1]}))
        kept = [entry.event.data for entry in (await store.events("t")).entries if isinstance(entry.event, Custom)]
        expect(kept, [{"list": [1]}])

    @case
    async def test_time_never_goes_back_in_a_task(self, store: TaskStore, clock: Clock) -> None:
        """F-T6."""
        start = clock.now
        running = await started(store)
        clock.now -= 3_600_000
        await store.append_events("t", running.fence, 1, said("one"))
        task = await finish(store, running)
        expect((task.created_ms, task.started_ms, task.updated_ms, task.ended_ms), (start,) * 4)
        at = [entry.at_ms for entry in (await store.events("t")).entries]
        expect(at, sorted(at))

    @case
    async def test_a_clock_that_jumps_ahead_and_back_loses_no_task(self, store: TaskStore, clock: Clock) -> None:
        """F-T6: what was to start at a time starts when that time has come again."""
        start = clock.now
        clock.now += 86_400_000
        await made(store, spec("soon", not_before_ms=start + 10))
        await made(store, spec("t"))
        clock.now = start
        expect(set(await claims(store)) >= {"t"}, True)
        clock.now = start + 86_400_001
        await store.reap()
        expect(
            {"soon", "t"} - {task.id for task in (await store.list(TaskQuery(states=("queued", "ongoing")))).tasks},
            set[str](),
        )
        await claims(store)
        expect(set((await states(store)).values()), {"ongoing"})

    # -------------------------------------------------------------- the store itself

    @case
    async def test_a_store_that_was_closed_opens_again(self, store: TaskStore, clock: Clock) -> None:
        task = await started(store)
        before = await everything(store)
        await store.close()
        await store.close()
        expect((await known(store), await everything(store)), (task, before))
        expect((await finish(store, task)).state, "done")

    @case
    async def test_the_checkpointer_lives_as_long_as_the_tasks(self, store: TaskStore, clock: Clock) -> None:
        """An agent goes on where it stopped, in the next life of its worker."""

        def greet(state: MessagesState) -> dict[str, Any]:
            return {"messages": [("ai", f"hello, number {len(state['messages'])}")]}

        builder = StateGraph(MessagesState)
        builder.add_node("greet", greet)  # pyright: ignore[reportUnknownMemberType]
        builder.add_edge(START, "greet")
        said: list[int] = []
        for _ in range(2):
            async with store.checkpointer() as saver:
                graph: Any = builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]
                state = await graph.ainvoke({"messages": [("user", "hi")]}, {"configurable": {"thread_id": "t"}})
                said.append(len(state["messages"]))
        expect(said, [2, 4])

    @case
    async def test_a_call_that_is_cancelled_is_made_wholly_or_not_at_all(self, store: TaskStore, clock: Clock) -> None:
        """Each call, cancelled at each of its awaits; the store goes on, and no lock stays behind."""
        for name in calls(store, Task(spec=spec("any"), number=1)):
            at = 1
            while await self.cancelled_at(store, clock, name, at):
                at += 1

    async def cancelled_at(self, store: TaskStore, clock: Clock, name: str, at: int) -> bool:
        """See that a cancelled call left a task as it was, or as the same call makes another one."""
        ids = (f"{name} {at}", f"{name} {at}, not cancelled")
        one, twin = [await ready_for(store, clock, id, name) for id in ids]
        before = await store.get(one.id)
        cancelled = await _is_cancelled(_CancelAt(at, calls(store, one)[name]()))
        await store.count()  # whatever was under way has been made
        after = await store.get(one.id)
        await calls(store, twin)[name]()
        wholly = await store.get(twin.id)
        expect(alike(after) in (alike(before), alike(wholly)), True)
        for id in ids:
            with suppress(LangwireError):
                await store.request_cancel(id)
        await expire(store, clock)
        return cancelled


async def ready_for(store: TaskStore, clock: Clock, id: str, name: str) -> Task:
    """Make a task with which the call can do something."""
    if name == "create":
        return Task(spec=spec(id), number=0)
    if name == "claim":
        return await made(store, spec(id, name=id))
    running = await started(store, id)
    if name == "resume":
        return await finish(store, running, "review_needed", interrupts=(question("q"), question("r")))
    if name in ("retry", "delete"):
        return await finish(store, running, "failed")
    if name == "reap":
        clock.now += int(LEASE * 1000) + 1
    return running


def alike(task: Task | None) -> Task | None:
    """Return what two tasks have in common that were made alike."""
    if task is None:
        return None
    inbox = tuple(InboxMessage(id="m", text=message.text.replace(task.id, "")) for message in task.inbox)
    times = {"created_ms": 0, "updated_ms": 0, "started_ms": None, "ended_ms": task.ended_ms and 1}
    same: dict[str, Any] = {"spec": spec("any"), "number": 0, "change": 0, "inbox": inbox, **times}
    answers = tuple(replace(given, at_ms=0) for given in task.answers)
    return replace(task, **same, answers=answers)


def calls(store: TaskStore, task: Task, id: str | None = None) -> dict[str, Callable[[], Coroutine[Any, Any, object]]]:
    """Return each call that changes a task, by its name."""
    id, fence = task.id if id is None else id, task.fence
    return {
        "create": lambda: store.create([spec(id)]),
        "claim": lambda: store.claim("w", [f"agent:{id}"], lease=LEASE),
        "heartbeat": lambda: store.heartbeat("w", {id: fence}, lease=LEASE),
        "append_events": lambda: store.append_events(id, fence, 1, said("one", "two")),
        "finish": lambda: store.finish(id, fence, ending(task, result=1), said("last")),
        "request_cancel": lambda: store.request_cancel(id, "enough"),
        "resume": lambda: store.resume(id, [answer("q"), answer("r")]),
        "retry": lambda: store.retry(id),
        "followup": lambda: store.followup(id, "m", "and this"),
        "reap": lambda: store.reap(1),
        "delete": lambda: store.delete(id),
    }
