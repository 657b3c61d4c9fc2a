"""Knows what the task engine asks of a store: the one truth about tasks.

Every move is one transaction and compares before it sets, so any number of workers in any number of processes can use
one store. A worker's writes carry the fence that its claim raised; when somebody else has been given the task since,
they are refused with `LeaseLost`. Leases and times are of the store's clock; order is by `Task.number` and
`Task.change`, never by time.

Each change of a task's state is told, in the transaction that makes it, as a `TaskUpdate` in the task's own events and
in its parent's. So both logs hold each transition exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from langwire.events import Event, TokenUsage
from langwire.tasks.states import TaskState
from langwire.tasks.task import ANY, NO_CAPS, Caps, Ending, EventPage, Spec, Task, TaskAnswer, TaskPage, TaskQuery


class TaskStore(Protocol):
    """What the task engine asks of a store; `langwire.testing.task_stores` has the tests that it must pass.

    Each call is made wholly or not at all, also one that is cancelled. All raise `UsageError` for what cannot be kept
    (half a character, a value that is no JSON) and `StoreError` when the store cannot do its work. Moves that name a
    task raise `UnknownTask` when there is none. A record that is handed out is the caller's own.
    """

    # -------------------------------------------------------------- made by a client

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        """Write new tasks down, all or none, and return them in the order of their specs.

        A spec whose `id` or `call_key` is known makes nothing: the task that has it is returned. The same key with
        another kind, name, prompt, args, plan or principal raises `KeyTaken`. Specs may wait (`after`) for each other,
        in any order but no circle (`UsageError`), and for tasks that are known, else `UnknownTask` is raised. One that
        waits for a task that has ended waits no more for it, and is cancelled at once where that one did not end as
        done, unless `on_failed` says `run`.

        With `limited`, or with a `parent_id`, the `limits` of each spec are checked in the same transaction, and
        `TaskRefused` raised: for a parent that is unknown, has ended or is asked to stop, and for depth, children,
        active and all tasks of the root, tokens spent below the root, the deadline, and a name that is not in
        `limits.agents`. Of its text a model can tell what to do instead.
        """
        ...

    async def request_cancel(self, task_id: str, reason: str = "") -> Task:
        """Cancel a task, or ask its worker to; return it as it is now. One that has ended is left alone.

        A queued or paused one is cancelled at once. An ongoing one gets `cancel`, once: its worker stops the run and
        writes the end, or the sweep does when the worker is lost. All below it are cancelled alike, except what is
        below a task whose `on_cancel` is `abandon`.
        """
        ...

    async def resume(self, task_id: str, answers: Sequence[TaskAnswer]) -> bool:
        """Take answers to open questions of a task that waits for a person; return whether they were taken.

        All or none: False when the task is not `review_needed`, when one of the interrupts is not open, or has been
        answered. What is answered leaves `interrupts`. When all its questions have answers it is queued, and waits no
        longer than for what `parked` names.
        """
        ...

    async def retry(self, task_id: str) -> bool:
        """Queue a task that failed or was cancelled for a new attempt; False in any other state.

        Where its limits have `max_seconds` and it has no parent, its deadline is so many seconds from now. A child's
        stays: its parent's work is over then.
        """
        ...

    async def followup(self, task_id: str, message_id: str, text: str) -> bool:
        """Say something to an agent's task; return whether it was taken. A known `message_id` changes nothing.

        An ongoing, queued or paused one finds it in its inbox; one that has ended is queued for a new attempt, with
        a new deadline as after a retry. False for a handler's task, and for one that is being cancelled.

        One that has ended and stands below a root (neither a root itself nor a step of a plan) is work that delegation
        adds: `TaskRefused` is raised as `create` does, for active tasks of the root, tokens spent below it, and the
        deadline, with a text of which a model can tell what to do instead.
        """
        ...

    # -------------------------------------------------------------- made by a worker

    async def claim(
        self, worker: str, bodies: Sequence[str], *, limit: int = 1, lease: float, caps: Caps = NO_CAPS
    ) -> tuple[Task, ...]:
        """Give a worker up to `limit` tasks that may start, each under a new fence and a lease of so many seconds.

        `bodies` are what it can run, as `agent:<name>` and `handler:<name>`. A task may start when it is queued, its
        time has come, and it waits for no other. The highest priority goes first, then the oldest. `caps` count
        all ongoing tasks of the store; `per_name` has the same keys as `bodies`. The attempt rises, unless `counted`.
        """
        ...

    async def heartbeat(self, worker: str, held: Mapping[str, int], *, lease: float) -> tuple[str, ...]:
        """Prolong leases of tasks, given with their fences; return the ids of those that are its own no more.

        A lease that has run out, and that nobody has taken back, is prolonged as well.
        """
        ...

    async def cancel_requests(self, worker: str) -> Mapping[str, str]:
        """Return which of a worker's tasks are asked to stop, and why. Reads alone."""
        ...

    async def append_events(
        self, task_id: str, fence: int, batch: int, events: Sequence[Event], *, usage: TokenUsage | None = None
    ) -> bool:
        """Add events of a run, and what it has spent since the last time; return whether the root may spend more.

        `batch` counts these calls under one fence, from 1: one that was made before is not made again. Numbers are
        given without holes, over all attempts. Raises `LeaseLost`.
        """
        ...

    async def finish(self, task_id: str, fence: int, ending: Ending, events: Sequence[Event] = ()) -> Task:
        """Let go of a task as `ending` says; return it as it is now. Events are written in the same transaction.

        When its inbox holds more than `ending.taken` and it would be done, it stays ongoing: there is more to do.
        One that was asked to stop, and is put back or would ask a person, is cancelled. Whoever waits for a task that
        has ended is let go, or cancelled (`Spec.on_failed`); who is parked is always let go, and does not wait for a
        task that is unknown. The same call made again changes nothing. Raises `LeaseLost`.

        Its `answers` stay when it is put back with nothing parked: an approval is not asked for again because the node
        that was given it failed. They are gone when it parks, asks a person, or ends.
        """
        ...

    async def reap(self, limit: int = 100) -> tuple[Task, ...]:
        """Take back tasks whose lease has run out, under a new fence; return them as they are now.

        One that was asked to stop is cancelled. Else it is queued for a new attempt, or, when that would be more than
        its `retry.max_attempts`, failed with the code `worker_lost`.
        """
        ...

    # -------------------------------------------------------------- reading

    async def get(self, task_id: str) -> Task | None:
        """Return a task."""
        ...

    async def list(self, query: TaskQuery = ANY, *, limit: int = 50, before: int | None = None) -> TaskPage:
        """Return tasks, the newest first; `before` is that of the page before. Raises `UsageError` for a limit < 1."""
        ...

    async def count(self, query: TaskQuery = ANY) -> dict[TaskState, int]:
        """Return how many tasks there are in each state; states without any are left out."""
        ...

    async def events(self, task_id: str, after: int = 0, limit: int = 500) -> EventPage:
        """Return what was told after the event of that number. Raises `UnknownTask`."""
        ...

    async def changes(self, after: int | None, limit: int = 500) -> tuple[int, tuple[Task, ...]]:
        """Return tasks that changed after a mark, in the order of their last change, and the mark to go on from.

        `None` asks for the mark alone. The mark also rises when events are added, so that equal marks mean: no news.
        """
        ...

    async def wait(self, mark: int, seconds: float) -> None:
        """Return when there may be news since a mark, made by any process, or after so many seconds."""
        ...

    # -------------------------------------------------------------- forgetting

    async def delete(self, task_id: str) -> bool:
        """Forget a task that has ended, with its events; False when there is none. Raises `IllegalMove` for others."""
        ...

    async def purge(self, older_than: float, limit: int = 1000) -> tuple[str, ...]:
        """Forget tasks that ended more than `older_than` seconds ago, with none below them left; return their ids.

        Those of a root some of whose tasks have not ended stay: a parent that goes on must find the children that it
        started, and the steps of a plan those that they build on.
        """
        ...

    def checkpointer(self) -> AbstractAsyncContextManager[Any]:
        """Return LangGraph's checkpointer that lives as long as the tasks do, for agents that bring none."""
        ...

    async def close(self) -> None:
        """Let go of what the store holds open. A later call opens it again."""
        ...
