"""Knows how the code of a run finds the runner and the task that it works for.

Both ride in the run's own config, never in a global: so two runners in one process never see each other, and an agent
can be made before there is any runner.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Protocol

from langgraph.config import get_config

from langwire.core._guards import is_list, is_mapping
from langwire.tasks.task import ANY, Task, TaskPage, TaskQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from langwire.events import TaskUpdate
    from langwire.tasks.artifacts import ArtifactStore
    from langwire.tasks.policy import TaskPolicy

CONFIG_KEY = "__langwire_tasks"
"""Where a run's `configurable` holds its `Origin`. LangGraph keeps nothing that begins so in a checkpoint."""

_WAIT = "langwire.wait_for_tasks"


class Delegator(Protocol):
    """What delegation tools need of a runner; `TaskRunner` is one."""

    @property
    def agents(self) -> Mapping[str, Any]:
        """The agents by the names under which they are registered; the first one is the default."""
        ...

    @property
    def policy(self) -> TaskPolicy:
        """How far its agents may delegate."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets of its tasks, by name."""
        ...

    @property
    def artifacts(self) -> ArtifactStore | None:
        """Where its tasks keep files; None where they have none."""
        ...

    async def delegate(
        self,
        origin: Origin,
        prompt: str,
        *,
        title: str | None = None,
        agent: str | None = None,
        call_key: str,
        after: Sequence[str] = (),
    ) -> Task:
        """Start a task below an origin; the same `call_key` gives the same task. Without `agent` a copy of its own.

        Raises `TaskRefused`, whose text a model can act on, `KeyTaken` and `UsageError`.
        """
        ...

    async def get(self, task_id: str) -> Task:
        """Return a task. Raises `UnknownTask`."""
        ...

    async def list(self, query: TaskQuery = ANY, *, limit: int = 50, before: int | None = None) -> TaskPage:
        """Return a page of tasks, the newest first."""
        ...

    async def cancel(self, task_id: str, reason: str = "", *, wait: float = 5.0) -> bool | Literal["stopping"]:
        """Stop a task and what is below it; False when it had ended before."""
        ...

    async def followup(self, task_id: str, message: str, *, message_id: str | None = None) -> bool:
        """Say something more to a task; return whether it was taken."""
        ...


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a run's delegation begins from. It rides in the run's config, never in a record.

    `root_id` is what limits count below: `thread:<thread id>` in a conversation, a task has its root's. `task` is the
    one whose run this is, as it was claimed; None in a conversation, which has `push` to tell events to its thread.
    `loop` is the event loop of the runner, for tools that are called from a thread.
    """

    runner: Delegator
    root_id: str
    thread_id: str
    principal: str | None = None
    task: Task | None = None
    push: Callable[[TaskUpdate], object] | None = None
    loop: asyncio.AbstractEventLoop | None = field(default_factory=_running_loop, repr=False, compare=False)

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents that it may delegate to, its own first. A conversation counts as the first registered one."""
        if self.task is not None:
            return self.task.spec.limits.agents
        first = next(iter(self.runner.agents), None)
        return self.runner.policy.allowed(first) if first is not None else ()

    @property
    def scope(self) -> str:
        """What names it: its task, or else its root."""
        return self.task.id if self.task is not None else self.root_id


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The task whose run the present code belongs to: see `current_task`.

    `attempt` is the attempt at it, from 1. `runner` is the `TaskRunner` that runs it.
    """

    task_id: str
    attempt: int
    principal: str | None
    runner: Delegator
    _config: Mapping[str, Any] = field(repr=False)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The runner's secrets by name. What a tool answers goes to a model and is kept: no secret belongs there."""
        return self.runner.secrets

    def key(self, tool_call_id: str) -> str:
        """Return what names one tool call of this task, the same whenever the call is made again.

        A run that was cut off makes its last calls once more: give this to whoever has the effect, as its idempotency
        key.
        """
        return call_key(self.task_id, self._config, tool_call_id)


def current_task() -> TaskContext | None:
    """Return the task whose run calls this, for any tool or node; None outside of a task's run."""
    try:
        config = get_config()
    except RuntimeError:  # not in a run at all
        return None
    origin = origin_of(config)
    if origin is None or origin.task is None:
        return None
    return TaskContext(origin.task.id, origin.task.attempt, origin.principal, origin.runner, config)


def origin_of(config: Mapping[str, Any]) -> Origin | None:
    """Return what a run's config says of its tasks; None for a run without a runner."""
    held = _configurable(config).get(CONFIG_KEY)
    return held if isinstance(held, Origin) else None


def call_key(scope: str, config: Mapping[str, Any], tool_call_id: str) -> str:
    """Return what names one tool call: the same when its node runs again, another in any other message.

    LangGraph names the run of a node after the checkpoint that it began from (`checkpoint_ns`). The call's own id is
    not enough: some providers begin to count anew in each message.
    """
    named = json.dumps([scope, _configurable(config).get("checkpoint_ns"), tool_call_id])
    return f"call:{blake2b(named.encode(), digest_size=16).hexdigest()}"


def _configurable(config: Mapping[str, Any]) -> Mapping[str, Any]:
    held = config.get("configurable")
    return held if is_mapping(held) else {}


def in_scope(origin: Origin, task: Task) -> bool:
    """Whether a run may see and steer a task: one below its own, or of its conversation, and of the same principal."""
    if task.spec.principal != origin.principal:
        return False
    if origin.task is None:
        return task.spec.root_id == origin.root_id
    return origin.task.id in task.spec.ancestors


def wait_value(task_ids: Iterable[str]) -> dict[str, Any]:
    """Return the value of an interrupt by which a run parks until tasks have ended."""
    return {"type": _WAIT, "task_ids": list(task_ids)}


def waits_in(value: Any) -> tuple[str, ...] | None:
    """Return the tasks that an interrupt of this value waits for; None for an interrupt of any other kind."""
    if not is_mapping(value) or value.get("type") != _WAIT:
        return None
    ids = value.get("task_ids")
    if not is_list(ids) or not all(isinstance(id, str) for id in ids):
        return None
    return tuple(ids)
