"""Any order of moves leaves all task stores alike, and as a small model says: one machine for every store.

Few runs by default, with fixed and with fresh seeds; many long ones with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from langwire.errors import IllegalMove, KeyTaken, LangwireError, LeaseLost, TaskRefused, UnknownTask
from langwire.events import TaskUpdate, TokenUsage
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.states import MOVES, TERMINAL, TaskState
from langwire.tasks.store import TaskStore
from langwire.tasks.task import NO_CAPS, Caps, Ending, EventPage, Limits, Retry, Spec, Task
from langwire.testing._task_suite import BODIES, answer, question, said
from langwire.testing.stores import Clock

T = TypeVar("T")

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
MANY = 1000
LEASE_MS = 10_001  # no sum of the machine's ticks
LIMITS = Limits(max_depth=2, max_children=3, max_active=6, max_total=10, agents=("a",))
CAPS = (NO_CAPS, NO_CAPS, Caps(per_name={"agent:a": 2, "agent:b": 1}), Caps(per_root=1))
STORES: tuple[Callable[[Path, Clock], TaskStore], ...] = (
    lambda folder, clock: MemoryTaskStore(clock=clock),
    lambda folder, clock: SQLiteTaskStore(folder / "tasks.db", clock=clock),
)


# ------------------------------------------------------------------ the model


@dataclass
class Job:
    """What has to be true of one task."""

    spec: Spec
    number: int
    state: TaskState = "queued"
    attempt: int = 0
    first: int = 1
    counted: bool = False
    fence: int = 0
    """Under which it was claimed last; 0 when it has been taken back since."""
    worker: str | None = None
    until: int = 0
    due: int = 0
    waits: set[str] = field(default_factory=set)
    parked: tuple[str, ...] = ()
    asks: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    taken: int = 0
    batch: int = 0
    tokens: int = 0
    cancel: bool = False
    told: list[tuple[str, str, int]] = field(default_factory=list)
    lines: int = 0


@dataclass
class Model:
    """The rules, as short as they can be said."""

    clock: Clock
    jobs: dict[str, Job] = field(default_factory=dict)

    def to(self, job: Job, state: TaskState) -> None:
        """Bring a job into a state: who reads it or its parent is told, who waits for its end goes on, or ends too."""
        job.state = state
        for reader in (job, self.jobs.get(job.spec.parent_id or "")):
            if reader is not None:
                reader.told.append((job.spec.id, state, job.attempt))
        if state != "ongoing":
            job.worker = None
        if state not in TERMINAL:
            return
        job.asks, job.answers, job.parked, job.waits = [], [], (), set()
        for waiter in self.jobs.values():
            if job.spec.id in waiter.waits:
                waiter.waits.discard(job.spec.id)
                if state != "done" and waiter.spec.on_failed == "cancel" and not waiter.parked:
                    self.to(waiter, "cancelled")

    def open(self, ids: tuple[str, ...]) -> set[str]:
        return {id for id in ids if id in self.jobs and self.jobs[id].state not in TERMINAL}

    def refusals(self, spec: Spec) -> set[str]:
        """Return for which reasons a child may not be made."""
        parent = self.jobs[spec.parent_id or ""]
        of_root = [job for job in self.jobs.values() if job.spec.root_id == spec.root_id]
        broken = {
            "parent": parent.state in TERMINAL or parent.cancel,
            "depth": spec.depth > LIMITS.max_depth,
            "children": sum(job.spec.parent_id == spec.parent_id for job in of_root) >= LIMITS.max_children,
            "active": sum(job.state not in TERMINAL for job in of_root) >= LIMITS.max_active,
            "total": len(of_root) >= LIMITS.max_total,
            "agent": spec.name not in LIMITS.agents,
        }
        return {code for code, is_broken in broken.items() if is_broken}

    def create(self, spec: Spec, number: int) -> None:
        job = self.jobs[spec.id] = Job(spec, number, due=spec.not_before_ms)
        job.inbox = [spec.id] if spec.kind == "agent" else []
        self.to(job, "queued")
        failed = any(self.jobs[id].state in ("failed", "cancelled") for id in spec.after)
        job.waits = self.open(spec.after)
        if failed and spec.on_failed == "cancel":
            self.to(job, "cancelled")

    def claim(self, worker: str, limit: int, caps: Caps) -> list[Job]:
        got: list[Job] = []
        while len(got) < limit and (ready := [job for job in self.jobs.values() if self.may_start(job, caps)]):
            job = min(ready, key=lambda job: (-job.spec.priority, job.number))
            job.attempt += not job.counted
            job.counted, job.worker, job.batch, job.until = False, worker, 0, self.clock.now + LEASE_MS
            self.to(job, "ongoing")
            job.worker = worker
            got.append(job)
        return got

    def may_start(self, job: Job, caps: Caps) -> bool:
        body = f"{job.spec.kind}:{job.spec.name}"
        ongoing = [other.spec for other in self.jobs.values() if other.state == "ongoing"]
        of_name = sum(f"{spec.kind}:{spec.name}" == body for spec in ongoing)
        of_root = sum(spec.root_id == job.spec.root_id for spec in ongoing)
        free = of_name < caps.per_name.get(body, MANY) and of_root < (caps.per_root or MANY)
        return job.state == "queued" and not job.waits and job.due <= self.clock.now and free

    def finish(self, job: Job, ending: Ending) -> None:
        job.taken = max(job.taken, min(ending.taken, len(job.inbox)))
        if ending.state == "done" and job.taken < len(job.inbox):
            return
        if ending.state in TERMINAL or job.cancel:
            self.to(job, ending.state if ending.state in TERMINAL else "cancelled")  # type: ignore[arg-type]
            return
        back = ending.state == "queued" and ending.counted
        if not back:
            parked = tuple(id for ids in ending.parked.values() for id in ids)
            job.parked, job.waits = parked, self.open(parked)
            job.asks = [asked.id for asked in ending.interrupts]
            job.answers = job.answers if ending.state == "queued" and not parked else []
        job.due = self.clock.now + int(ending.delay * 1000) if ending.delay else 0
        job.counted = back or bool(ending.parked and ending.state == "queued")
        self.to(job, ending.state)

    def cancel(self, top: Job) -> None:
        if top.state in TERMINAL:
            return
        keeps = {job.spec.id for job in self.jobs.values() if job.spec.on_cancel == "abandon"}
        for job in list(self.jobs.values()):
            path = (*job.spec.ancestors, job.spec.id)
            if (
                top.spec.id in path
                and keeps.isdisjoint(path[path.index(top.spec.id) : -1])
                and job.state not in TERMINAL
            ):
                if job.state != "ongoing":
                    self.to(job, "cancelled")
                job.cancel = True

    def may_begin_again(self, job: Job) -> bool:
        """Say whether a job that has ended may be told more: delegated work keeps to the limits of its root."""
        root_id = job.spec.root_id
        active = sum(other.spec.root_id == root_id and other.state not in TERMINAL for other in self.jobs.values())
        return root_id == job.spec.id or active < LIMITS.max_active

    def purge(self) -> set[str]:
        alive = {job.spec.root_id for job in self.jobs.values() if job.state not in TERMINAL}
        gone = {id for id, job in self.jobs.items() if job.spec.root_id not in alive}
        for id in gone:
            del self.jobs[id]
        return gone

    def again(self, job: Job) -> None:
        job.first, job.counted, job.cancel, job.due = job.attempt + 1, False, False, 0
        job.waits = self.open(job.spec.after)
        self.to(job, "queued")

    def reap(self) -> set[str]:
        lost = [job for job in self.jobs.values() if job.state == "ongoing" and job.until < self.clock.now]
        for job in sorted(lost, key=lambda job: job.spec.id):
            job.fence, job.due, job.counted = 0, 0, False
            poison = job.attempt - job.first + 1 >= job.spec.retry.max_attempts
            self.to(job, "cancelled" if job.cancel else "failed" if poison else "queued")
        return {job.spec.id for job in lost}


# ------------------------------------------------------------------ the machine


def plain(value: Any) -> Any:
    """Return an answer without what may differ between two stores: times, and numbers of changes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not key.endswith("_ms") and key != "change"}
    return [plain(item) for item in value] if isinstance(value, list) else value


async def events_of(id: str, store: TaskStore) -> EventPage:
    return await store.events(id, limit=MANY)


picks = st.integers(0, 99)


class TaskMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.stores = [make(Path(self.folder.name), self.clock) for make in STORES]
        self.model = Model(self.clock)
        self.held: list[tuple[str, int]] = []
        """All fences that workers have ever had, the stale ones too."""
        self.last: tuple[str, int, Ending] | None = None
        self.count = 0

    def do(self, call: Callable[[TaskStore], Awaitable[T]]) -> T:
        """Make a call to each store; see that they answer alike, and return the answer, or raise it."""

        async def told(store: TaskStore) -> T | LangwireError:
            try:
                return await call(store)
            except LangwireError as error:
                return error

        answers = [self.loop.run_until_complete(told(store)) for store in self.stores]
        first = answers[0]
        if isinstance(first, LangwireError):
            assert {(type(answer), str(answer)) for answer in answers} == {(type(first), str(first))}
            raise first
        seen = [plain(msgspec.to_builtins(answer)) for answer in answers]
        assert all(other == seen[0] for other in seen)
        return first

    def refused(self, error: type[LangwireError], call: Callable[[TaskStore], Awaitable[Any]]) -> Any:
        with pytest.raises(error) as caught:
            self.do(call)
        return caught.value

    def job(self, pick: int) -> Job:
        return list(self.model.jobs.values())[pick % len(self.model.jobs)]

    def of(self, state: TaskState, pick: int) -> Job:
        """Return a job in a state, or any where there is none."""
        jobs = [job for job in self.model.jobs.values() if job.state == state]
        return jobs[pick % len(jobs)] if jobs else self.job(pick)

    has_jobs = precondition(lambda self: self.model.jobs)
    has_claims = precondition(lambda self: self.held)

    # -------------------------------------------------------------- what clients do

    @rule(
        above=st.none() | picks,
        after=st.lists(picks, max_size=2),
        kind=st.sampled_from(["agent", "agent", "agent", "handler"]),
        name=st.sampled_from("aaab"),
        key=st.none() | st.sampled_from("kl"),
        more=st.fixed_dictionaries(
            {
                "priority": st.integers(-1, 1),
                "on_failed": st.sampled_from(["cancel", "run"]),
                "on_cancel": st.sampled_from(["cancel", "cancel", "abandon"]),
                "retry": st.builds(Retry, max_attempts=st.integers(1, 3)),
            }
        ),
        delay=st.sampled_from([0, 0, 0, 5_000]),
    )
    def create(
        self,
        above: int | None,
        after: list[int],
        kind: Any,
        name: str,
        key: str | None,
        more: dict[str, Any],
        delay: int,
    ) -> None:
        """I13: limits hold in the move that makes a child. A known key makes nothing."""
        model, self.count = self.model, self.count + 1
        parent = self.job(above).spec if above is not None and model.jobs else None
        id = f"t{self.count % 7}.{self.count}"  # no order that is also that of their numbers
        own_root = id if self.count % 3 == 0 else f"root {self.count % 2}"
        spec = Spec(
            id=id,
            kind="handler" if kind == "handler" and parent is None else "agent",
            name="h" if kind == "handler" and parent is None else name,
            prompt=f"do {key}",
            root_id=parent.root_id if parent else own_root,
            parent_id=parent.id if parent else None,
            ancestors=(*parent.ancestors, parent.id) if parent else (),
            call_key=key,
            after=tuple(dict.fromkeys(self.job(pick).spec.id for pick in after)) if model.jobs else (),
            not_before_ms=self.clock.now + delay if delay else 0,
            limits=LIMITS,
            **more,
        )
        known = next((job.spec for job in model.jobs.values() if key is not None and job.spec.call_key == key), None)
        if known is not None:
            if (known.kind, known.name) != (spec.kind, spec.name):
                self.refused(KeyTaken, lambda store: store.create([spec]))
            else:
                assert self.do(lambda store: store.create([spec]))[0].id == known.id
            return
        refusals = model.refusals(spec) if parent else set[str]()
        if refusals:
            assert self.refused(TaskRefused, lambda store: store.create([spec])).code in refusals
            return
        (task,) = self.do(lambda store: store.create([spec]))
        model.create(spec, task.number)

    @has_jobs
    @rule(pick=picks, state=st.sampled_from(["queued", "ongoing", "ongoing", "review_needed", "done"]))
    def cancel(self, pick: int, state: TaskState) -> None:
        """I5, I13."""
        job = self.of(state, pick)
        task = self.do(lambda store: store.request_cancel(job.spec.id, "enough"))
        self.model.cancel(job)
        assert task.state == job.state

    @has_jobs
    @rule(pick=picks, ids=st.sampled_from(["q", "r", "qr", "rq", "qq", "qx", ""]))
    def resume(self, pick: int, ids: str) -> None:
        """I6: questions that are open are answered, all or none."""
        job = self.of("review_needed", pick)
        taken = self.do(lambda store: store.resume(job.spec.id, [answer(id) for id in ids]))
        fits = job.state == "review_needed" and len(set(ids)) == len(ids) and set(ids) <= set(job.asks)
        assert taken == fits
        if fits:
            job.asks = [id for id in job.asks if id not in ids]
            job.answers += ids
            if not job.asks:
                job.counted, job.due = True, 0
                self.model.to(job, "queued")

    @has_jobs
    @rule(pick=picks, state=st.sampled_from(["failed", "cancelled", "done"]))
    def retry(self, pick: int, state: TaskState) -> None:
        """I3: this and a followup alone leave an end."""
        job = self.of(state, pick)
        fits = job.state in ("failed", "cancelled")
        assert self.do(lambda store: store.retry(job.spec.id)) == fits
        if fits:
            self.model.again(job)

    @has_jobs
    @rule(
        pick=picks, state=st.sampled_from(["ongoing", "review_needed", "done", "cancelled"]), id=st.sampled_from("mno")
    )
    def followup(self, pick: int, state: TaskState, id: str) -> None:
        """I3, I7."""
        job = self.of(state, pick)
        fits = job.spec.kind == "agent" and (job.state in TERMINAL or not job.cancel)
        new = fits and id not in job.inbox and job.state in TERMINAL
        if new and not self.model.may_begin_again(job):
            error = self.refused(TaskRefused, lambda store: store.followup(job.spec.id, id, "and this"))
            assert error.code == "active"
            return
        taken = self.do(lambda store: store.followup(job.spec.id, id, "and this"))
        assert taken == (fits or id in job.inbox)
        if fits and id not in job.inbox:
            job.inbox.append(id)
            if job.state in TERMINAL:
                self.model.again(job)

    @has_jobs
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        job = self.of("done", pick)
        if job.state in TERMINAL:
            assert self.do(lambda store: store.delete(job.spec.id))
            del self.model.jobs[job.spec.id]
            assert self.do(lambda store: store.delete(job.spec.id)) is False
        else:
            self.refused(IllegalMove, lambda store: store.delete(job.spec.id))

    @has_jobs
    @rule()
    def purge(self) -> None:
        """I13, I14: what lies below a root that goes on is not forgotten."""
        gone = self.do(lambda store: store.purge(-1_000_000.0))
        assert set(gone) == self.model.purge()

    # -------------------------------------------------------------- what workers do

    @rule(worker=st.sampled_from("vw"), limit=st.integers(1, 3), caps=st.sampled_from(CAPS))
    def claim(self, worker: str, limit: int, caps: Caps) -> None:
        """I1: a claim raises the fence; I12: so many at once."""
        lease = LEASE_MS / 1000
        tasks = self.do(lambda store: store.claim(worker, BODIES, limit=limit, lease=lease, caps=caps))
        jobs = self.model.claim(worker, limit, caps)
        assert [task.id for task in tasks] == [job.spec.id for job in jobs]
        for task, job in zip(tasks, jobs, strict=True):
            assert task.fence > max((fence for id, fence in self.held if id == task.id), default=0)
            job.fence = task.fence
            self.held.append((task.id, task.fence))

    def a_lease(self, pick: int, stale: bool) -> tuple[str, int]:
        """Return a task and a fence under which it is ongoing, or any that ever was."""
        live = [(job.spec.id, job.fence) for job in self.model.jobs.values() if job.state == "ongoing"]
        leases = self.held if stale or not live else live
        return leases[pick % len(leases)]

    def own(self, id: str, fence: int) -> type[LangwireError] | Job:
        """Return the job that a worker has under a fence, or why it has it no more."""
        job = self.model.jobs.get(id)
        if job is None:
            return UnknownTask
        return job if job.state == "ongoing" and job.fence == fence else LeaseLost

    @has_claims
    @rule(pick=picks, stale=st.booleans(), again=st.booleans())
    def append(self, pick: int, stale: bool, again: bool) -> None:
        """I2, I4: under the newest fence alone, each batch once."""
        id, fence = self.a_lease(pick, stale)
        job = self.own(id, fence)
        batch = job.batch + (not again) if isinstance(job, Job) else 1
        usage = TokenUsage(output_tokens=3)

        def call(store: TaskStore) -> Awaitable[bool]:
            return store.append_events(id, fence, batch, said("one", "two"), usage=usage)

        if not isinstance(job, Job):
            self.refused(job, call)
            return
        assert self.do(call)
        if batch > job.batch:
            job.batch, job.lines, job.tokens = batch, job.lines + 2, job.tokens + 3

    @has_claims
    @rule(
        pick=picks,
        stale=st.sampled_from([False, False, True]),
        how=st.sampled_from(
            [
                {"state": "done"},
                {"state": "done"},
                {"state": "failed"},
                {"state": "cancelled"},
                {"state": "review_needed", "interrupts": (question("q"), question("r"))},
                {"state": "review_needed", "interrupts": (question("q"),), "parked": ...},
                {"state": "queued", "parked": ...},
                {"state": "queued", "counted": True},
                {"state": "queued", "delay": 5.0},
            ]
        ),
        taken=st.sampled_from([0, 1, 99, 99]),
    )
    def finish(self, pick: int, stale: bool, how: dict[str, Any], taken: int) -> None:
        """I2, I3, I5, I14; parked ones wait for their children."""
        id, fence = self.a_lease(pick, stale)
        job = self.own(id, fence)
        children = tuple(other.spec.id for other in self.model.jobs.values() if other.spec.parent_id == id)
        how = {**how, "parked": {"w": children}} if "parked" in how else how
        batch = job.batch + 1 if isinstance(job, Job) else 1
        ending = Ending(**how, taken=taken, batch=batch, usage=TokenUsage(output_tokens=1))
        if not isinstance(job, Job):
            state = self.model.jobs[id].state if id in self.model.jobs else None
            if state != "ongoing" and state is not None and self.model.jobs[id].fence == fence:
                return  # it has been let go: see `finish_again`
            self.refused(job, lambda store: store.finish(id, fence, ending, said("last")))
            return
        task = self.do(lambda store: store.finish(id, fence, ending, said("last")))
        job.lines, job.tokens, job.batch = job.lines + 1, job.tokens + 1, batch
        self.model.finish(job, ending)
        self.last = id, fence, ending
        assert task.state == job.state

    @precondition(lambda self: self.last)
    @rule()
    def finish_again(self) -> None:
        """I3: an end whose answer was lost is sent again, at once or much later, and changes nothing."""
        assert self.last
        id, fence, ending = self.last
        job = self.model.jobs.get(id)
        if job is None or job.fence != fence:
            self.refused(UnknownTask if job is None else LeaseLost, lambda store: store.finish(id, fence, ending))
        else:
            self.do(lambda store: store.finish(id, fence, ending, said("last")))

    @rule(worker=st.sampled_from("vw"), pick=picks)
    def heartbeat(self, worker: str, pick: int) -> None:
        """I1, I2, I9."""
        held = dict(self.held[: pick + 1])
        lost = self.do(lambda store: store.heartbeat(worker, held, lease=LEASE_MS / 1000))
        jobs = [job for id, fence in held.items() if isinstance(job := self.own(id, fence), Job)]
        mine = {job.spec.id: job for job in jobs if job.worker == worker}
        assert set(lost) == set(held) - set(mine)
        for job in mine.values():
            job.until = self.clock.now + LEASE_MS

    @rule(ms=st.sampled_from([1_000, 6_000, 11_000]))
    def time_goes_by(self, ms: int) -> None:
        self.clock.now += ms

    @precondition(lambda self: all(job.due <= self.clock.now - 3_000 for job in self.model.jobs.values()))
    @rule()
    def the_clock_is_set_back(self) -> None:
        """F-T6, I15: the order stays, which is that of numbers."""
        self.clock.now -= 3_000

    @rule(ms=st.sampled_from([0, LEASE_MS + 1]))
    def sweep(self, ms: int) -> None:
        """I1, I5, I9, F-T8: what is lost is taken back, and not without end."""
        self.clock.now += ms
        swept = self.do(lambda store: store.reap())
        assert {task.id for task in swept} == self.model.reap()
        assert self.do(lambda store: store.reap()) == ()

    # -------------------------------------------------------------- what is always true

    def tasks(self) -> tuple[Task, ...]:
        return self.do(lambda store: store.list(limit=MANY)).tasks

    @invariant()
    def the_stores_are_as_the_model_says(self) -> None:
        """I1, I3, I5, I6, I7, I9: state, attempts, owner, questions and inbox of each task."""
        seen = {
            task.id: Job(
                task.spec,
                task.number,
                state=task.state,
                attempt=task.attempt,
                first=task.first_attempt,
                counted=task.counted,
                worker=task.worker,
                waits=set(task.waits_for),
                parked=tuple(id for ids in task.parked.values() for id in ids),
                asks=[asked.id for asked in task.interrupts],
                answers=[given.interrupt_id for given in task.answers],
                inbox=[message.id for message in task.inbox],
                taken=task.taken,
                tokens=task.usage.total_tokens if task.usage else 0,
                cancel=task.cancel is not None and not task.ended,
            )
            for task in self.tasks()
        }
        assert list(seen) == list(reversed(self.model.jobs))
        for id, job in self.model.jobs.items():
            cancel = job.cancel and job.state not in TERMINAL  # who ends both ways at once ends in either
            wanted = vars(job) | {
                "cancel": cancel,
                "fence": 0,
                "until": 0,
                "due": 0,
                "batch": 0,
                "told": [],
                "lines": 0,
            }
            assert vars(seen[id]) == wanted

    @invariant()
    def each_transition_is_told_once_and_without_holes(self) -> None:
        """I3, I4: in the task's own events and in its parent's, and each is a legal move."""
        for id, job in self.model.jobs.items():
            page = self.do(partial(events_of, id))
            assert [entry.seq for entry in page.entries] == list(range(1, page.last + 1))
            assert [entry.at_ms for entry in page.entries] == sorted(entry.at_ms for entry in page.entries)
            updates = [entry.event for entry in page.entries if isinstance(entry.event, TaskUpdate)]
            told = [(update.task_id, update.state, update.attempt) for update in updates]
            assert Counter(told) == Counter(job.told)
            assert page.last == len(told) + job.lines
            own: list[Any] = [update.state for update in updates if update.task_id == id]
            assert (own[0], own[-1]) == ("queued", job.state)
            assert all(then in MOVES[now] for now, then in pairwise(own))

    @invariant()
    def nobody_waits_for_what_has_ended(self) -> None:
        """I14."""
        tasks = {task.id: task for task in self.tasks()}
        assert not [id for task in tasks.values() for id in task.waits_for if id not in tasks or tasks[id].ended]

    @invariant()
    def who_has_ended_holds_nothing_and_who_waits_is_not_asked_to_stop(self) -> None:
        """I5, W7."""
        for task in self.tasks():
            if task.ended:
                assert (task.interrupts, task.answers, task.parked, task.worker) == ((), (), {}, None)
            assert (task.worker is not None) == (task.state == "ongoing")
            assert (task.ended_ms is not None) == task.ended
            assert task.cancel is None or task.ended or task.state == "ongoing"

    @invariant()
    def no_limit_is_passed(self) -> None:
        """I13."""
        specs = [task.spec for task in self.tasks()]
        assert all(spec.depth <= LIMITS.max_depth for spec in specs)
        children = Counter(spec.parent_id for spec in specs if spec.parent_id is not None)
        assert max(children.values(), default=0) <= LIMITS.max_children

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


class FreshTaskMachine(TaskMachine):
    """The same, with other seeds each time."""


COUNTS = settings(
    max_examples=1500 if SOAK else 40,
    stateful_step_count=80 if SOAK else 40,
    deadline=None,
    phases=[phase for phase in Phase if SOAK or phase is not Phase.shrink],  # which takes minutes
    suppress_health_check=list(HealthCheck),
)

TestTasks = TaskMachine.TestCase
TestTasks.settings = settings(COUNTS, derandomize=True, database=None)
TestTasks.pytestmark = [pytest.mark.timeout(3600 if SOAK else 120)]

TestTasksWithFreshSeeds = FreshTaskMachine.TestCase
TestTasksWithFreshSeeds.settings = COUNTS
TestTasksWithFreshSeeds.pytestmark = TestTasks.pytestmark
