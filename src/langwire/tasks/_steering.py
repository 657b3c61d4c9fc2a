"""Knows how tasks are steered from outside: cancelled, answered, tried again, told more, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from langwire.errors import IllegalMove
from langwire.tasks._making import check_room
from langwire.tasks._moves import known, move, open_ones, stamped
from langwire.tasks._tables import Tables
from langwire.tasks.task import InboxMessage, Spec, Task, TaskAnswer


def request_cancel(tables: Tables, task_id: str, reason: str) -> Task:
    """Cancel a task and what is below it, or ask their workers to."""
    task = known(tables, task_id)
    if not task.ended:
        for id in sorted([task_id, *_below(tables, task)]):
            _cancel(tables, known(tables, id), reason)
    return known(tables, task_id)


def _cancel(tables: Tables, task: Task, reason: str) -> None:
    if task.ended:
        return
    if task.state != "ongoing":
        move(tables, task, "cancelled", cancel=reason)
    elif task.cancel is None:
        tables.update(task, stamped(tables, task, cancel=reason))


def _below(tables: Tables, top: Task) -> list[str]:
    """Return all below a task that its cancel reaches: what a task abandons goes on."""
    tasks = {id: known(tables, id) for id in tables.below(top.id)}
    abandoned = {task.id for task in (top, *tasks.values()) if task.spec.on_cancel == "abandon"}
    return [id for id, task in tasks.items() if abandoned.isdisjoint(task.spec.ancestors)]


def resume(tables: Tables, task_id: str, answers: Sequence[TaskAnswer]) -> bool:
    """Take answers to open questions, all or none."""
    task = known(tables, task_id)
    ids = [answer.interrupt_id for answer in answers]
    asked = {interrupt.id for interrupt in task.interrupts}
    if task.state != "review_needed" or len(set(ids)) < len(ids) or not asked.issuperset(ids):
        return False
    changes: dict[str, Any] = {
        "interrupts": tuple(interrupt for interrupt in task.interrupts if interrupt.id not in ids),
        "answers": (*task.answers, *(replace(answer, at_ms=tables.now) for answer in answers)),
    }
    if changes["interrupts"]:
        tables.update(task, stamped(tables, task, **changes))
    else:
        move(tables, task, "queued", counted=True, not_before_ms=0, **changes)
    return True


def retry(tables: Tables, task_id: str) -> bool:
    """Queue a task that failed or was cancelled for a new attempt."""
    task = known(tables, task_id)
    if task.state not in ("failed", "cancelled"):
        return False
    _try_again(tables, task, _with_new_time(tables, task.spec))
    return True


def followup(tables: Tables, task_id: str, message_id: str, text: str) -> bool:
    """Say something to an agent's task."""
    task = known(tables, task_id)
    if any(message.id == message_id for message in task.inbox):
        return True
    if task.spec.kind != "agent" or (task.cancel is not None and not task.ended):
        return False
    inbox = (*task.inbox, InboxMessage(id=message_id, text=text, at_ms=tables.now))
    if task.ended:
        spec = _with_new_time(tables, task.spec)
        if spec.root_id != spec.id and spec.plan is None:
            check_room(tables, spec, tables.totals(spec.root_id))
        _try_again(tables, task, spec, inbox=inbox)
    else:
        tables.update(task, stamped(tables, task, inbox=inbox))
    return True


def _with_new_time(tables: Tables, spec: Spec) -> Spec:
    """Return what a task is, with seconds that count from now; a child has those of its parent, whose work is over."""
    limits = spec.limits
    if spec.parent_id is not None or limits.max_seconds is None:
        return spec
    return replace(spec, limits=replace(limits, deadline_ms=tables.now + int(limits.max_seconds * 1000)))


def _try_again(tables: Tables, task: Task, spec: Spec, **changes: Any) -> None:
    """Queue a task that has ended, as the first attempt of a new series."""
    anew = {"result": None, "error": None, "cancel": None, "ended_ms": None, "counted": False, "not_before_ms": 0}
    # It waits for those that were tried again too; what else became of them does not hold up who asks for it now.
    waits_for = open_ones(tables, task.spec.after)
    move(tables, task, "queued", spec=spec, first_attempt=task.attempt + 1, waits_for=waits_for, **anew, **changes)


def delete(tables: Tables, task_id: str) -> bool:
    """Forget a task that has ended."""
    task = tables.get(task_id)
    if task is None:
        return False
    if not task.ended:
        raise IllegalMove(f"a task that is {task.state} cannot be forgotten: cancel it first")
    _forget(tables, task)
    return True


def purge(tables: Tables, age_ms: int, limit: int) -> tuple[str, ...]:
    """Forget tasks that ended so long ago, whose roots are at an end and which have nothing below them.

    That may free those above them.
    """
    gone: list[str] = []
    while len(gone) < limit and (found := tables.leaves(tables.now - age_ms, limit - len(gone))):
        for id in found:
            _forget(tables, known(tables, id))
        gone += found
    return tuple(gone)


def _forget(tables: Tables, task: Task) -> None:
    tables.remove(task)
    tables.tick()
