"""Knows what the rules of the task engine need of a store: to find, write and count tasks within one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from langwire.errors import UsageError
from langwire.events import Entry
from langwire.tasks.states import TaskState
from langwire.tasks.task import Task, TaskQuery

R = TypeVar("R")

Place: TypeAlias = tuple[int, int, str]
"""Where a task stands among those that may start: its priority (negated), its number, its id. The lowest goes first."""


class Totals(NamedTuple):
    """What there is below a root: tasks that have not ended, all tasks, and the tokens that they have spent."""

    active: int
    total: int
    tokens: int


class Tables(Protocol):
    """The tasks as one transaction sees them.

    What has been read stays true until the transaction ends: a store whose transactions run side by side locks it.
    Rules that touch several tasks read them one by one, in the order of their ids, right before they write them.
    """

    @property
    def now(self) -> int:
        """The store's time, in Unix milliseconds."""
        ...

    def tick(self) -> int:
        """Raise the store's mark; return it."""
        ...

    def mark(self) -> int:
        """Return the store's mark."""
        ...

    # -------------------------------------------------------------- one task

    def get(self, task_id: str) -> Task | None:
        """Return a task, as a record that is nobody else's."""
        ...

    def of_key(self, call_key: str) -> Task | None:
        """Return the task that was made with a key."""
        ...

    def insert(self, task: Task) -> None:
        """Write a new task."""
        ...

    def update(self, old: Task, new: Task) -> None:
        """Write what has become of a task that was read within the transaction."""
        ...

    def touch(self, task: Task) -> None:
        """Write no more of a task than `events`, `batch`, `usage`, `change` and `updated_ms`."""
        ...

    def remove(self, task: Task) -> None:
        """Forget a task and its events."""
        ...

    def append(self, task: Task, lines: Sequence[bytes]) -> None:
        """Write events of a task, as JSON, after those that it has; they are told at its `updated_ms`."""
        ...

    # -------------------------------------------------------------- who is above, below and beside

    def totals(self, root_id: str) -> Totals:
        """Return what there is below a root."""
        ...

    def children(self, parent_id: str) -> int:
        """Return how many tasks have this parent."""
        ...

    def below(self, task_id: str) -> Sequence[str]:
        """Return the ids of all descendants of a task, in the order of the ids."""
        ...

    def waiters(self, task_id: str) -> Sequence[str]:
        """Return the ids of the tasks that wait for a task, in the order of the ids."""
        ...

    # -------------------------------------------------------------- work

    def promote(self) -> None:
        """Let tasks start whose time has come: many, but not so many that others wait long."""
        ...

    def ongoing(self, body: str) -> int:
        """Return how many tasks with this body are ongoing."""
        ...

    def best(self, body: str, per_root: int | None) -> Place | None:
        """Return the first task with this body that may start, of roots with fewer than `per_root` ongoing tasks."""
        ...

    def lend(self, worker: str, task_id: str, fence: int, until_ms: int) -> bool:
        """Set how long a worker has a task; return whether it has it, under this fence."""
        ...

    def expired(self, limit: int) -> Sequence[str]:
        """Return the ids of ongoing tasks whose lease has run out, in the order of the ids."""
        ...

    def asked_to_stop(self, worker: str) -> Mapping[str, str]:
        """Return a worker's tasks that are asked to stop, and why."""
        ...

    # -------------------------------------------------------------- reading

    def select(self, query: TaskQuery, limit: int, before: int | None) -> Sequence[Task]:
        """Return up to `limit` tasks with numbers below `before`, the newest first."""
        ...

    def count(self, query: TaskQuery) -> dict[TaskState, int]:
        """Return how many tasks there are in each state that has some."""
        ...

    def entries(self, task_id: str, after: int, limit: int) -> Sequence[Entry]:
        """Return events of a task."""
        ...

    def changed(self, after: int, limit: int) -> Sequence[Task]:
        """Return tasks that changed after a mark, in the order of their last change."""
        ...

    def leaves(self, before_ms: int, limit: int) -> Sequence[str]:
        """Return the ids of tasks that ended before a time and have nothing below them, in the order of the ids.

        None of a root some of whose tasks have not ended.
        """
        ...


# ------------------------------------------------------------------ what every store over tables needs


PROMOTED = 1000
"""How many tasks whose time has come one transaction lets start, at most: others wait for it."""


def body_of(task: Task) -> str:
    """Return what a worker has to be able to run."""
    return f"{task.spec.kind}:{task.spec.name}"


def standing(task: Task, now: int) -> Literal["ready", "later"] | None:
    """Return whether a task may start, or will when its time has come, or is not to be started by its time alone."""
    if task.state != "queued" or task.waits_for:
        return None
    return "ready" if task.not_before_ms <= now else "later"


def written(task: Task) -> bytes:
    """Return a task as JSON."""
    return _encode(task)


read = msgspec.json.Decoder(Task).decode
_encode = msgspec.json.Encoder().encode


def kept(value: R, kind: type[R]) -> R:
    """Return a value of the caller's own as JSON gives it back; raise `UsageError` when that is not the same."""
    try:
        text = _encode(value)
        back = msgspec.json.decode(text, type=kind)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"a task cannot keep what came: {error!s:.200}") from None
    if back != value:
        raise UsageError(f"a task cannot keep what came: JSON gives {text[:80]!a} back as another value")
    return back
