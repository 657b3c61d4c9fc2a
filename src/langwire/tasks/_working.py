"""Knows what workers do with tasks: they are given them, write down what happens, and let them go or lose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langwire.errors import LeaseLost
from langwire.events import ErrorInfo, TokenUsage
from langwire.tasks._moves import added, known, move, open_ones, stamped, tell
from langwire.tasks._tables import Tables
from langwire.tasks.task import Caps, Ending, Task


def claim(
    tables: Tables, worker: str, bodies: Sequence[str], *, limit: int, lease_ms: int, caps: Caps
) -> tuple[Task, ...]:
    """Give a worker up to `limit` tasks that may start."""
    tables.promote()
    room = {body: _room(tables, body, caps) for body in bodies}
    ids: list[str] = []
    while len(ids) < limit:
        places = {body: tables.best(body, caps.per_root) for body in room if room[body] > 0}
        found = {place: body for body, place in places.items() if place is not None}
        if not found:
            break
        first = min(found)
        room[found[first]] -= 1
        ids.append(_claim(tables, worker, first[2], lease_ms))
    return tuple(known(tables, id) for id in ids)


def _room(tables: Tables, body: str, caps: Caps) -> float:
    cap = caps.per_name.get(body)
    return float("inf") if cap is None else cap - tables.ongoing(body)


def _claim(tables: Tables, worker: str, task_id: str, lease_ms: int) -> str:
    task = known(tables, task_id)
    changes: dict[str, Any] = {"worker": worker, "fence": task.fence + 1, "batch": 0, "counted": False}
    if not task.counted:
        changes |= {"attempt": task.attempt + 1, "started_ms": max(tables.now, task.updated_ms)}
    move(tables, task, "ongoing", **changes)
    tables.lend(worker, task_id, task.fence + 1, tables.now + lease_ms)
    return task_id


def heartbeat(tables: Tables, worker: str, held: Mapping[str, int], *, lease_ms: int) -> tuple[str, ...]:
    """Prolong leases; return the ids of those that are lost."""
    until = tables.now + lease_ms
    return tuple(id for id in sorted(held) if not tables.lend(worker, id, held[id], until))


def append_events(
    tables: Tables, task_id: str, fence: int, batch: int, lines: Sequence[bytes], usage: TokenUsage | None
) -> bool:
    """Add events of a run; return whether its root may spend more."""
    task = _held(tables, task_id, fence)
    if batch > task.batch:
        task = _add(tables, task, batch, lines, usage)
    most = task.spec.limits.max_tokens
    return most is None or tables.totals(task.spec.root_id).tokens < most


def _add(tables: Tables, task: Task, batch: int, lines: Sequence[bytes], usage: TokenUsage | None) -> Task:
    task = tell(tables, stamped(tables, task, batch=batch, usage=added(task.usage, usage)), lines)
    tables.touch(task)
    return task


def _held(tables: Tables, task_id: str, fence: int) -> Task:
    """Return a task that a worker has under a fence; raise `LeaseLost` when it has it no more."""
    task = known(tables, task_id)
    if task.state != "ongoing" or task.fence != fence:
        raise LeaseLost(f"the task {task_id!a:.80} is held under the fence {task.fence}, not {fence}: stop its run")
    return task


# ------------------------------------------------------------------ letting go


def finish(tables: Tables, task_id: str, fence: int, ending: Ending, lines: Sequence[bytes]) -> Task:
    """Let go of a task as `ending` says."""
    task = known(tables, task_id)
    if task.state != "ongoing" and fence == task.fence > 0:
        return task  # it has been let go: this is the same call again
    task = _held(tables, task_id, fence)
    # An ending without a number brings its events all the same: they are the last ones of this fence.
    if ending.batch > task.batch or not ending.batch:
        task = _add(tables, task, max(ending.batch, task.batch), lines, ending.usage)
    taken = max(task.taken, min(ending.taken, len(task.inbox)))
    changes = {"taken": taken, "artifacts": tuple(dict.fromkeys((*task.artifacts, *ending.artifacts)))}
    if ending.state != "done" or taken == len(task.inbox):
        return _let_go(tables, task, ending, changes)
    if (taken, changes["artifacts"]) != (task.taken, task.artifacts):
        tables.update(task, stamped(tables, task, **changes))
    return known(tables, task_id)


def _let_go(tables: Tables, task: Task, ending: Ending, changes: dict[str, Any]) -> Task:
    changes |= {"worker": None, "result": ending.result, "error": ending.error}
    if ending.state in ("done", "failed", "cancelled"):
        return move(tables, task, ending.state, **changes)
    if task.cancel is not None:  # nobody is to go on with it
        return move(tables, task, "cancelled", **changes)
    if ending.state == "queued" and ending.counted and not ending.parked:
        return move(tables, task, "queued", counted=True, not_before_ms=_later(tables, ending), **changes)
    again = ending.state == "queued" and not ending.parked
    changes |= {
        # The graph may not have taken them in: the node that asked failed after it was answered, and asks again.
        "answers": task.answers if again else (),
        "interrupts": ending.interrupts,
        "parked": ending.parked,
        "waits_for": open_ones(tables, [id for ids in ending.parked.values() for id in ids]),
    }
    if ending.state == "queued":
        changes |= {"counted": bool(ending.parked), "not_before_ms": _later(tables, ending), "interrupts": ()}
    return move(tables, task, ending.state, **changes)


def _later(tables: Tables, ending: Ending) -> int:
    return tables.now + round(ending.delay * 1000) if ending.delay > 0 else 0


def reap(tables: Tables, limit: int) -> tuple[Task, ...]:
    """Take back tasks whose lease has run out."""
    ids = tables.expired(limit)
    for id in ids:
        _take_back(tables, known(tables, id))
    return tuple(known(tables, id) for id in ids)


def _take_back(tables: Tables, task: Task) -> None:
    changes: dict[str, Any] = {"worker": None, "fence": task.fence + 1, "counted": False}
    attempts = task.attempt - task.first_attempt + 1
    if task.cancel is not None:
        move(tables, task, "cancelled", **changes)
    elif attempts < task.spec.retry.max_attempts:
        move(tables, task, "queued", not_before_ms=0, **changes)
    else:
        text = f"its worker was lost {attempts} times" if attempts > 1 else "its worker was lost"
        move(tables, task, "failed", error=ErrorInfo(code="worker_lost", message=text), **changes)
