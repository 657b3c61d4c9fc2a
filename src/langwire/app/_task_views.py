"""Knows what a reader is told of a task: nothing of leases, keys, owners, or the arguments of handlers.

A list holds each task in short. What was said to one, and what it came to, is told of a single task alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from langwire.adapters.fastapi.protocol import Frame
from langwire.core.codec import encode
from langwire.events import Custom, ErrorInfo, Interrupt, TokenUsage
from langwire.tasks.states import TaskState
from langwire.tasks.task import BodyKind, Task


class TaskView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task in a list. Times are Unix milliseconds.

    `kind` and `name` say what works on it. `root_id` is the first task above it, or names what that was started from;
    `depth` counts the tasks above it. `interrupts` are the questions that wait for a person, `waits_for` the tasks
    whose end it waits for. `cancel` is why it was asked to stop, empty text for no reason. `events` is the number of
    its last event, `change` rises with every change of any task.
    """

    id: str
    kind: BodyKind
    name: str
    state: TaskState
    root_id: str
    created_ms: int
    updated_ms: int
    events: int
    change: int
    title: str = ""
    parent_id: str | None = None
    depth: int = 0
    priority: int = 0
    attempt: int = 0
    not_before_ms: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    error: ErrorInfo | None = None
    usage: TokenUsage | None = None
    interrupts: tuple[Interrupt, ...] = ()
    waits_for: tuple[str, ...] = ()
    cancel: str | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said to a task."""

    id: str
    text: str
    at_ms: int


class TaskDetail(TaskView, frozen=True, kw_only=True, omit_defaults=True):
    """A single task: with what it was made for, what was `said` to it since, its result and the files it has made."""

    prompt: str = ""
    said: tuple[Said, ...] = ()
    result: msgspec.Raw | None = None
    artifacts: tuple[str, ...] = ()


class TaskTree(msgspec.Struct, frozen=True, kw_only=True):
    """A task, and those that it has delegated, the oldest first."""

    task: TaskView
    children: list[TaskTree]


class Tasks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some tasks, the newest first. `before` asks for the next page; it is missing on the last one."""

    tasks: tuple[TaskView, ...]
    before: int | None = None


class BoardHello(Frame, frozen=True, kw_only=True, tag="hello"):
    """The first frame of a board: what changes from now on follows, so a list that is asked for now misses nothing."""

    protocol: int


class TaskChanged(Frame, frozen=True, kw_only=True, tag="task"):
    """A task is new, or has changed. Two changes that follow each other closely may come as one."""

    task: TaskView


class TaskClosed(Frame, frozen=True, kw_only=True, tag="closed"):
    """The last frame: the task has ended, or was deleted, or nothing more comes from this server."""

    reason: Literal["ended", "deleted", "shutting_down"]


def view_of(task: Task) -> TaskView:
    """Return a task in short."""
    return TaskView(**_fields(task))


def detail_of(task: Task, *, max_value: int | None) -> TaskDetail:
    """Return all that a reader may know of a task; a result of more than `max_value` bytes as a `$truncated` mark."""
    after_prompt = task.inbox[1:]
    return TaskDetail(
        **_fields(task),
        prompt=task.spec.prompt,
        said=tuple(Said(id=message.id, text=message.text, at_ms=message.at_ms) for message in after_prompt),
        result=_within(task.result, max_value),
        artifacts=task.artifacts,
    )


def tree_of(task: Task, below: Iterable[Task]) -> TaskTree:
    """Return a task with all `below` it, each under the one that delegated it."""
    trees = {task.id: TaskTree(task=view_of(task), children=[])}
    for one in below:
        tree = trees[one.id] = TaskTree(task=view_of(one), children=[])
        if one.spec.parent_id in trees:  # else its parent was deleted while they were read
            trees[one.spec.parent_id].children.append(tree)
    return trees[task.id]


def _fields(task: Task) -> Mapping[str, Any]:
    spec = task.spec
    return {
        "id": spec.id,
        "kind": spec.kind,
        "name": spec.name,
        "state": task.state,
        "root_id": spec.root_id,
        "created_ms": task.created_ms,
        "updated_ms": task.updated_ms,
        "events": task.events,
        "change": task.change,
        "title": spec.title,
        "parent_id": spec.parent_id,
        "depth": spec.depth,
        "priority": spec.priority,
        "attempt": task.attempt,
        "not_before_ms": task.not_before_ms,
        "started_ms": task.started_ms,
        "ended_ms": task.ended_ms,
        "error": task.error,
        "usage": task.usage,
        "interrupts": task.interrupts,
        "waits_for": task.waits_for,
        "cancel": task.cancel,
    }


class _Held(msgspec.Struct):
    data: msgspec.Raw


def _within(value: Any, size: int | None) -> msgspec.Raw | None:
    """Return the JSON of a value, cut as a value of an event is."""
    if value is None:
        return None
    return msgspec.json.decode(encode(Custom(data=value), max_value_bytes=size), type=_Held).data
