"""Knows how a test of a task store is run, and what such tests say often."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langwire.errors import LangwireError
from langwire.events import Interrupt, Progress, TaskUpdate
from langwire.tasks.states import TaskState
from langwire.tasks.store import TaskStore
from langwire.tasks.task import Ending, Limits, Spec, Task, TaskAnswer
from langwire.testing.stores import Clock as Clock
from langwire.testing.stores import case as case
from langwire.testing.stores import expect

E = TypeVar("E", bound=LangwireError)

LEASE = 30.0
BODIES = ("agent:a", "agent:b", "handler:h")
MANY = 1000
NOTHING: dict[str, Any] = {}


class TaskSuite(ABC):
    """What each part of the contract has in common."""

    @abstractmethod
    async def make_store(self, clock: Callable[[], int]) -> TaskStore:
        """Return a new, empty store."""

    async def other_store(self, store: TaskStore, clock: Callable[[], int]) -> TaskStore | None:
        """Return another object over the same tasks, as another process has it; `None` where there can be none."""
        return None


# ------------------------------------------------------------------ what is put into a store


def spec(id: str, **more: Any) -> Spec:
    """Return what makes a task of the agent `a`: a root of its own, unless told otherwise."""
    given: dict[str, Any] = {"id": id, "name": "a", "prompt": f"do {id}", "title": f"The {id}", "root_id": id}
    return Spec(**{**given, **more})


def child(id: str, parent: Task, **more: Any) -> Spec:
    """Return what makes a task below another one, within limits that it does not reach."""
    above: dict[str, Any] = {
        "parent_id": parent.id,
        "root_id": parent.spec.root_id,
        "ancestors": (*parent.spec.ancestors, parent.id),
        "limits": Limits(agents=("a", "b")),
    }
    return spec(id, **{**above, **more})


def question(id: str) -> Interrupt:
    """Return what a run asks a person."""
    return Interrupt(id=id, value=f"May I, {id}?")


def answer(id: str, value: Any = "yes", **more: Any) -> TaskAnswer:
    """Return a person's answer."""
    return TaskAnswer(interrupt_id=id, value=value, **more)


def said(*texts: str) -> list[Progress]:
    """Return events of a run."""
    return [Progress(text=text) for text in texts]


# ------------------------------------------------------------------ what is done with it


async def made(store: TaskStore, *specs: Spec, limited: bool = False) -> Task:
    """Make tasks, and return the first one."""
    return (await store.create(specs, limited=limited))[0]


class Claimed(dict[str, Task]):
    """What a worker got, or lost, by id."""

    def __missing__(self, id: str) -> Task:
        raise AssertionError(f"{list(self)!r:.2000} came, expected the task {id!r:.80} among them")


async def claims(store: TaskStore, limit: int = MANY, worker: str = "w", **more: Any) -> Claimed:
    """Let a worker claim what it can, in the order in which it got it."""
    tasks = await store.claim(worker, more.pop("bodies", BODIES), limit=limit, lease=more.pop("lease", LEASE), **more)
    return Claimed({task.id: task for task in tasks})


async def started(store: TaskStore, id: str = "t", worker: str = "w", **more: Any) -> Task:
    """Make a task and let a worker claim it, and whatever else may start."""
    await store.create([spec(id, **more)])
    return (await claims(store, worker=worker))[id]


def ending(task: Task, **more: Any) -> Ending:
    """Return how a worker lets a task go that has worked through all that was said to it, as far as it is known."""
    given: dict[str, Any] = {"state": "done", "taken": len(task.inbox), "batch": task.batch + 1}
    return Ending(**{**given, **more})


async def finish(store: TaskStore, task: Task, state: Any = "done", **more: Any) -> Task:
    """Let a task go."""
    return await store.finish(task.id, task.fence, ending(task, state=state, **more))


async def ended(store: TaskStore, id: str, state: Any = "done", **more: Any) -> Task:
    """Make a task that has ended."""
    return await finish(store, await started(store, id, **more), state)


async def paused(store: TaskStore, *questions: str, id: str = "t", **more: Any) -> Task:
    """Make a task that waits for a person."""
    asks = tuple(question(name) for name in questions)
    return await finish(store, await started(store, id, **more), "review_needed", interrupts=asks)


async def resumed(store: TaskStore, id: str) -> Task:
    """Answer the question `q` of a task, and let a worker claim it."""
    expect(await store.resume(id, [answer("q")]), True)
    return (await claims(store))[id]


async def expire(store: TaskStore, clock: Clock) -> Claimed:
    """Let all leases run out, and take the tasks back."""
    clock.now += int(LEASE * 1000) + 1
    return Claimed({task.id: task for task in await store.reap()})


async def known(store: TaskStore, id: str = "t") -> Task:
    """Return a task that is there."""
    task = await store.get(id)
    if task is None:
        raise AssertionError(f"nothing came, expected the task {id!r:.80}")
    return task


async def states(store: TaskStore) -> dict[str, TaskState]:
    """Return the state of each task."""
    return {task.id: task.state for task in reversed((await store.list(limit=MANY)).tasks)}


async def everything(store: TaskStore) -> object:
    """Return all that a store knows, to see that nothing has changed."""
    mark, _ = await store.changes(None)
    return mark, (await store.list(limit=MANY)).tasks


async def told(store: TaskStore, id: str = "t") -> list[tuple[str, str, int]]:
    """Return which states were told in a task's events: of which task, which state, in which attempt."""
    page = await store.events(id, limit=MANY)
    expect([entry.seq for entry in page.entries], list(range(1, page.last + 1)))
    updates = [entry.event for entry in page.entries if isinstance(entry.event, TaskUpdate)]
    return [(update.task_id, update.state, update.attempt) for update in updates]


async def raises(error: type[E], call: Awaitable[object]) -> E:
    """Return the error; raise `AssertionError` when the call is made after all."""
    __tracebackhide__ = True
    try:
        came = await call
    except error as raised:
        expect("\n" in str(raised) or not str(raised), False)
        return raised
    raise AssertionError(f"{came!r:.2000} came, expected a {error.__name__}")
