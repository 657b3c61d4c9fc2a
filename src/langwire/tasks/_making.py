"""Knows how tasks are made: what is known already, what they wait for, and how far delegation may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from msgspec.structs import replace

from langwire.errors import KeyTaken, TaskRefused, UsageError
from langwire.tasks._moves import dependency_failed, known, move, stamped, told_of_itself
from langwire.tasks._tables import Tables, Totals
from langwire.tasks.task import InboxMessage, Spec, Task


def create(tables: Tables, specs: Sequence[Spec], *, limited: bool) -> tuple[Task, ...]:
    """Write new tasks down, all or none."""
    ids: dict[str, str] = {}  # what a spec calls itself, and the id of its task: that of its key, where one is known
    made: list[Spec] = []
    for spec in specs:
        task = _found(tables, spec)
        if task is None:
            if limited or spec.parent_id is not None:
                _check_limits(tables, spec)
            task = _insert(tables, spec)
            made.append(spec)
        ids[spec.id] = task.id
    waiting = [spec for spec in made if spec.after]
    _check_order(waiting)
    for spec in waiting:
        _wait(tables, spec, ids)
    for spec in waiting:
        _cancel_if_hopeless(tables, spec.id)
    return tuple(known(tables, ids[spec.id]) for spec in specs)


def _found(tables: Tables, spec: Spec) -> Task | None:
    """Return the task that a spec asks for, when it is known; raise `KeyTaken` when it is somebody else's."""
    task = tables.get(spec.id)
    if task is None and spec.call_key is not None:
        task = tables.of_key(spec.call_key)
    if task is not None and _asked_for(task.spec) != _asked_for(spec):
        raise KeyTaken(
            f"the key {spec.call_key or spec.id!a:.80} belongs to a task that was asked for in another way: "
            "expected the same name, prompt, args, inputs and principal; use another key"
        )
    return task


def _asked_for(spec: Spec) -> tuple[object, ...]:
    return spec.kind, spec.name, spec.prompt, spec.args, spec.plan, spec.principal


def _insert(tables: Tables, spec: Spec) -> Task:
    inbox = (InboxMessage(id=spec.id, text=spec.prompt, at_ms=tables.now),) if spec.kind == "agent" else ()
    task = Task(
        spec=spec,
        number=tables.tick(),
        not_before_ms=spec.not_before_ms,
        created_ms=tables.now,
        # It waits for all of them, until all that are made with it are there to be asked.
        waits_for=tuple(dict.fromkeys(spec.after)),
        inbox=inbox,
    )
    told = told_of_itself(tables, stamped(tables, task))
    tables.insert(told)
    return told


def _check_order(made: Sequence[Spec]) -> None:
    """Raise `UsageError` when tasks wait for each other in a circle: none of them would ever start."""
    try:
        TopologicalSorter({spec.id: spec.after for spec in made}).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise UsageError(f"the tasks {circle!a:.200} came, which wait for each other: expected no circle") from None


def _wait(tables: Tables, spec: Spec, ids: Mapping[str, str]) -> None:
    """Let a new task wait for those that have not ended; raise `UnknownTask` for one that nobody knows."""
    upstream = [known(tables, ids.get(id, id)) for id in dict.fromkeys(spec.after)]
    after = tuple(task.id for task in upstream)
    open_ = tuple(task.id for task in upstream if not task.ended)
    task = known(tables, spec.id)
    if (after, open_) != (task.spec.after, task.waits_for):
        tables.update(task, stamped(tables, task, spec=replace(task.spec, after=after), waits_for=open_))


def _cancel_if_hopeless(tables: Tables, task_id: str) -> None:
    """Cancel a new task that builds on one which did not end as done, and whoever waits for it."""
    task = known(tables, task_id)
    if task.ended or task.spec.on_failed == "run":
        return
    for id in task.spec.after:
        over = known(tables, id)
        if over.ended and over.state != "done":
            move(tables, task, "cancelled", error=dependency_failed(over))
            return


# ------------------------------------------------------------------ limits


def _check_limits(tables: Tables, spec: Spec) -> None:
    """Raise `TaskRefused` for a task that goes beyond its limits."""
    _check_parent(tables, spec)
    limits, totals = spec.limits, tables.totals(spec.root_id)
    if spec.name not in limits.agents:
        names = ", ".join(sorted(limits.agents)) or "none"
        raise TaskRefused(f"there is no {spec.name!r} to delegate to: expected one of {names}", code="agent")
    if spec.depth > limits.max_depth:
        text = f"tasks go {limits.max_depth} levels deep, and this is the last: do this part of the work yourself"
        raise TaskRefused(text, code="depth")
    if totals.total >= limits.max_total:
        text = f"this work has had all of its {limits.max_total} tasks: do the rest yourself"
        raise TaskRefused(text, code="total")
    check_room(tables, spec, totals)


def check_room(tables: Tables, spec: Spec, totals: Totals) -> None:
    """Raise `TaskRefused` when no more may be done at present below a task's root, for which `totals` stand."""
    limits = spec.limits
    if limits.deadline_ms is not None and tables.now >= limits.deadline_ms:
        raise TaskRefused("the time for this work is over: finish with what you have", code="deadline")
    if totals.active >= limits.max_active:
        text = f"{totals.active} tasks of this work have not ended: wait for some of them first, or do it yourself"
        raise TaskRefused(text, code="active")
    if limits.max_tokens is not None and totals.tokens >= limits.max_tokens:
        raise TaskRefused("this work has spent all of its tokens: finish with what you have", code="tokens")


def _check_parent(tables: Tables, spec: Spec) -> None:
    if spec.parent_id is None:
        return
    parent = tables.get(spec.parent_id)
    if parent is None or parent.ended or parent.cancel is not None:
        raise TaskRefused("the task that delegates this is over, or is to stop: start no more tasks", code="parent")
    if tables.children(spec.parent_id) >= spec.limits.max_children:
        text = f"this task has had all of its {spec.limits.max_children} tasks: do the rest of the work yourself"
        raise TaskRefused(text, code="children")
