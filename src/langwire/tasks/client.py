"""Knows how tasks are read and steered from any process: all it needs is their store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Literal, Self
from uuid import uuid4

from langwire.core._secrets import MASK
from langwire.core.codec import encode
from langwire.core.interrupts import BREAKPOINT, resume_map
from langwire.errors import InvalidDecision, UnknownTask, UsageError
from langwire.events import Custom, Entry, Interrupt
from langwire.sessions._answers import decisions_of
from langwire.tasks.states import TERMINAL, TaskState
from langwire.tasks.store import TaskStore
from langwire.tasks.task import ANY, Task, TaskAnswer, TaskPage, TaskQuery, digest

_LOOK = 5.0
"""Seconds after which a reader looks again by itself, should the store not have woken it."""
_PAGE = 500
MAX_TEXT = 1_000_000
"""How many characters may be said to an agent at once: a prompt, or a followup."""


class TaskClient:
    """Reads and steers the tasks of a store; what it asks for is done by the runners that work on the same store.

    Use it with `async with`, or close it. A task is named by its id; what names one that is not there raises
    `UnknownTask`. All calls raise `StoreError` when the store cannot do its work.
    """

    def __init__(self, store: TaskStore) -> None:
        self.store = store

    # -------------------------------------------------------------- reading

    async def get(self, task_id: str) -> Task:
        """Return a task."""
        task = await self.store.get(task_id)
        if task is None:
            raise UnknownTask(f"no task {task_id!r:.80}: it was never made, or has been deleted")
        return task

    async def list(self, query: TaskQuery = ANY, *, limit: int = 50, before: int | None = None) -> TaskPage:
        """Return a page of tasks, the newest first; `before` is that of the page before."""
        return await self.store.list(query, limit=limit, before=before)

    async def count(self, query: TaskQuery = ANY) -> dict[TaskState, int]:
        """Return how many tasks there are in each state."""
        return await self.store.count(query)

    async def children(self, task_id: str) -> tuple[Task, ...]:
        """Return the tasks that a task has delegated, the oldest first."""
        return await self._all(TaskQuery(parent_id=task_id))

    async def descendants(self, task_id: str) -> tuple[Task, ...]:
        """Return all tasks below a task, the oldest first."""
        return await self._all(TaskQuery(below=task_id))

    async def _all(self, query: TaskQuery) -> tuple[Task, ...]:
        found: list[Task] = []
        page = await self.store.list(query, limit=_PAGE)
        while True:
            found += page.tasks
            if page.before is None:
                return tuple(reversed(found))
            page = await self.store.list(query, limit=_PAGE, before=page.before)

    async def events(self, task_id: str, after: int = 0, *, follow: bool = False) -> AsyncIterator[Entry]:
        """Yield what a task has told after the event of that number, then what it tells, live from any process.

        Ends when the task is at rest: it has ended, or waits for a person. With `follow` only when it has ended.
        """
        await self.get(task_id)
        while True:
            mark, _ = await self.store.changes(None)
            page = await self.store.events(task_id, after)
            for entry in page.entries:
                yield entry
                after = entry.seq
            if after < page.last:
                continue
            if page.state in TERMINAL or (page.state == "review_needed" and not follow):
                return
            await self.store.wait(mark, _LOOK)

    async def watch(self, query: TaskQuery = ANY) -> AsyncIterator[Task]:
        """Yield tasks as they change, from now on, whichever process changes them. Ends when its reader leaves.

        Two changes that follow each other closely may come as one.
        """
        mark, _ = await self.store.changes(None)
        while True:
            last, changed = await self.store.changes(mark)
            for task in changed:
                if query.matches(task):
                    yield task
            if last == mark:
                await self.store.wait(mark, _LOOK)
            mark = last

    async def wait(self, task_id: str, *, timeout: float | None = None) -> Task:  # noqa: ASYNC109
        """Return a task when it is at rest: it has ended, or waits for a person.

        Raises `TimeoutError` when that takes longer than `timeout` seconds.
        """
        (task,) = await self.gather([task_id], timeout=timeout)
        return task

    async def gather(self, task_ids: Iterable[str], *, timeout: float | None = None) -> Sequence[Task]:  # noqa: ASYNC109
        """Return tasks in the order of their ids when all of them are at rest, however each has ended.

        Raises `TimeoutError` when that takes longer than `timeout` seconds.
        """
        ids = tuple(task_ids)
        async with asyncio.timeout(timeout):
            mark, _ = await self.store.changes(None)
            found = {id: await self.get(id) for id in ids}
            left = {id for id, task in found.items() if not task.at_rest}
            while left:
                await self.store.wait(mark, _LOOK)
                mark, changed = await self.store.changes(mark)
                # News without a change may be that one of them was deleted.
                for task in changed or [await self.get(id) for id in left]:
                    if task.id in found:
                        found[task.id] = task
                        (left.discard if task.at_rest else left.add)(task.id)
            return [found[id] for id in ids]

    # -------------------------------------------------------------- steering

    async def cancel(self, task_id: str, reason: str = "", *, wait: float = 5.0) -> bool | Literal["stopping"]:
        """Stop a task and what is below it; return True when it has ended as cancelled, False when it ended before.

        `"stopping"` when it has not ended within `wait` seconds: its code does not yield, or its worker is lost. It
        ends as soon as either is over.
        """
        task = await self.store.request_cancel(task_id, reason)
        until = monotonic() + wait
        while not task.ended:
            mark, _ = await self.store.changes(None)
            task = await self.get(task_id)
            left = until - monotonic()
            if task.ended:
                break
            if left <= 0:
                return "stopping"
            await self.store.wait(mark, min(left, _LOOK))
        return task.state == "cancelled"

    async def resume(self, task_id: str, answers: Mapping[str, Any], *, decided_by: str | None = None) -> bool:
        """Answer questions of a task that waits for a person, each exactly once; return whether they were taken.

        `answers` maps an interrupt's id to a decision (`approve`, `edit`, `reject`, `respond`), a list of them, one for
        each action, or a plain value; a breakpoint takes any value. False when the task does not wait for these
        answers: somebody was faster, or it was cancelled. It goes on when all its questions have an answer.
        `decided_by` is kept with the answer. Raises `InvalidDecision` for what does not fit, and for a value that JSON
        cannot keep.
        """
        task = await self.get(task_id)
        answered = {answer.interrupt_id for answer in task.answers}
        open = {question.id: question for question in task.interrupts if question.id not in answered}
        if task.state != "review_needed" or not answers or not answers.keys() <= open.keys():
            return False
        values = _values(open, answers)
        if MASK.encode() in encode(Custom(data=values)):
            raise InvalidDecision(f"an answer holds {MASK!r}, and the tool would get that: give the value itself")
        given = [
            TaskAnswer(
                interrupt_id=id,
                asked=digest(open[id]),
                value=value,
                decisions=decisions_of(value),
                decided_by=decided_by,
            )
            for id, value in values.items()
        ]
        try:
            return await self.store.resume(task_id, given)
        except UnknownTask:
            raise
        except UsageError as error:
            raise InvalidDecision(f"an answer cannot be kept: {error}") from error

    async def retry(self, task_id: str) -> bool:
        """Try a task again that failed or was cancelled; False in any other state. It goes on where it stopped."""
        return await self.store.retry(task_id)

    async def followup(self, task_id: str, message: str, *, message_id: str | None = None) -> bool:
        """Say something more to an agent's task; return whether it was taken.

        While the task runs, it comes after the present turn; one that has ended begins a new attempt. A `message_id`
        that it knows changes nothing. Raises `UsageError` for a message that is blank or too long, and `TaskRefused`
        when a task that has ended would begin again beyond the limits of those around it.
        """
        if not isinstance(message, str) or not message.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError("a blank followup came: say something to the task")
        check_size(message)
        return await self.store.followup(task_id, message_id or f"{task_id}:{uuid4().hex}", message)

    # -------------------------------------------------------------- forgetting

    async def delete(self, task_id: str) -> bool:
        """Forget the record of a task that has ended; False when there is none. Raises `IllegalMove` for any other.

        Its checkpoints and its files are a runner's to forget.
        """
        return await self.store.delete(task_id)

    async def purge(self, older_than: float) -> Sequence[str]:
        """Forget the records of tasks that ended more than `older_than` seconds ago; return their ids.

        What stands below a root of which something is alive stays.
        """
        if not older_than >= 0:
            raise UsageError(f"older_than came as {older_than!r:.80}: expected seconds, 0 or more")
        gone: list[str] = []
        while ids := await self.store.purge(older_than):
            gone += ids
        return gone

    async def close(self) -> None:
        """Let go of the store."""
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def check_size(text: str) -> None:
    """Raise `UsageError` for a text that is too long to be said to an agent."""
    if len(text) > MAX_TEXT:
        raise UsageError(f"a text of {len(text)} characters came: expected {MAX_TEXT} at most")


def _values(open: Mapping[str, Interrupt], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers as LangGraph's resume map takes them. A breakpoint takes none: it is left by going on."""
    values = {id: answers[id] for id in answers if open[id].kind == BREAKPOINT}
    others = {id: answer for id, answer in answers.items() if id not in values}
    return values | (resume_map(list(open.values()), others) if others else {})
