"""Knows what all moves of a task have in common: how a state changes, who is told, and who was waiting for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from langwire.core.codec import encode
from langwire.errors import UnknownTask
from langwire.events import ErrorInfo, TaskUpdate, TokenUsage
from langwire.tasks._tables import Tables
from langwire.tasks.states import TERMINAL, TaskState, check_move
from langwire.tasks.task import Task

AT_REST: dict[str, Any] = {"worker": None, "interrupts": (), "answers": (), "parked": {}, "waits_for": ()}
"""What a task that has ended holds no more."""


def known(tables: Tables, task_id: str) -> Task:
    """Return a task; raise `UnknownTask` when there is none."""
    task = tables.get(task_id)
    if task is None:
        raise UnknownTask(f"no task {task_id!a:.80} is known")
    return task


def stamped(tables: Tables, task: Task, **changes: Any) -> Task:
    """Return a task as changed now. Its time never goes back, also when the clock is set back."""
    return replace(task, updated_ms=max(tables.now, task.updated_ms), change=tables.tick(), **changes)


def tell(tables: Tables, task: Task, lines: Sequence[bytes]) -> Task:
    """Add events to a task's own; return it, to be written, with their number."""
    tables.append(task, lines)
    return replace(task, events=task.events + len(lines))


def told_of_itself(tables: Tables, task: Task) -> Task:
    """Tell the state of a task in its events, and in those of its parent; return it, to be written."""
    spec = task.spec
    update = TaskUpdate(
        task_id=task.id, state=task.state, attempt=task.attempt, title=spec.title or None, parent_id=spec.parent_id
    )
    line = encode(update)
    parent = tables.get(spec.parent_id) if spec.parent_id is not None else None
    if parent is not None:
        tables.touch(tell(tables, stamped(tables, parent), [line]))
    return tell(tables, task, [line])


def move(tables: Tables, task: Task, state: TaskState, **changes: Any) -> Task:
    """Bring a task into another state and return it as it is now; let go of whoever waited for its end."""
    moved = _moved(tables, task, state, changes)
    if moved.ended:
        let_go(tables, [moved])
    # Read again: an end that lets others go may have been told in this task's events too.
    return known(tables, task.id)


def _moved(tables: Tables, task: Task, state: TaskState, changes: dict[str, Any]) -> Task:
    check_move(task.state, state)
    if state in TERMINAL:
        changes = {**AT_REST, "ended_ms": max(tables.now, task.updated_ms), **changes}
    moved = told_of_itself(tables, stamped(tables, task, state=state, **changes))
    tables.update(task, moved)
    return moved


def let_go(tables: Tables, ended: Iterable[Task]) -> None:
    """Let tasks go on that waited for others which have ended, or cancel them, and then who waited for those."""
    todo = deque(ended)
    while todo:
        over = todo.popleft()
        for waiter_id in tables.waiters(over.id):
            waiter = known(tables, waiter_id)
            if _depends_on(waiter, over):
                todo.append(_moved(tables, waiter, "cancelled", {"error": dependency_failed(over)}))
            else:
                rest = tuple(id for id in waiter.waits_for if id != over.id)
                tables.update(waiter, stamped(tables, waiter, waits_for=rest))


def _depends_on(waiter: Task, over: Task) -> bool:
    # A parked task asks what has become of the others; it does not build on what they have made.
    return over.state != "done" and waiter.spec.on_failed == "cancel" and not waiter.parked


def dependency_failed(over: Task) -> ErrorInfo:
    """Return why a task is cancelled that waited for one that did not end as done."""
    return ErrorInfo(
        code="dependency_failed", message=f"it waited for {over.title or over.id!r}, which {_ENDED[over.state]}"
    )


_ENDED: dict[TaskState, str] = {"failed": "failed", "cancelled": "was cancelled"}


def open_ones(tables: Tables, task_ids: Iterable[str]) -> tuple[str, ...]:
    """Return those of the tasks that have not ended. One that is unknown, or forgotten, is not waited for."""
    found = {id: tables.get(id) for id in sorted(set(task_ids))}
    return tuple(id for id in dict.fromkeys(task_ids) if (task := found[id]) is not None and not task.ended)


def added(usage: TokenUsage | None, more: TokenUsage | None) -> TokenUsage | None:
    """Return what has been spent in all."""
    if usage is None or more is None:
        return usage or more
    return TokenUsage(
        input_tokens=usage.input_tokens + more.input_tokens, output_tokens=usage.output_tokens + more.output_tokens
    )
