"""Knows what is remembered of a task, and what has to be said to make one.

Everything here is JSON: no pickle, and nothing that names a file or a module. An agent or a handler is named by the
name under which a runner registered it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from langwire.core.codec import encode, jsonable
from langwire.events import Custom, Entry, ErrorInfo, Interrupt, TokenUsage
from langwire.tasks.states import TERMINAL, TaskState

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
OnFailed: TypeAlias = Literal["cancel", "run"]
OnCancel: TypeAlias = Literal["cancel", "abandon"]
BodyKind: TypeAlias = Literal["agent", "handler"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all that is kept has in common."""


class Retry(Record, frozen=True, kw_only=True):
    """When a failed attempt is made again by itself: LangGraph's `RetryPolicy`, without its function.

    `max_attempts` counts all attempts since the task was made, retried or followed up, also those whose worker was
    lost. An error or a timeout is only tried again with `on_error`. The wait before attempt n + 1 is
    `initial_interval * backoff_factor ** (n - 1)` seconds, at most `max_interval`, with up to as much again as
    `jitter` times it added.
    """

    max_attempts: int = 3
    on_error: bool = False
    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    jitter: float = 1.0


class Limits(Record, frozen=True, kw_only=True):
    """How far delegation may go below one root, kept with each task so that every process holds to them.

    `max_depth` counts the generations below a root, `max_children` all the children of one task, `max_active` the tasks
    of a root that have not ended and `max_total` all its tasks. `max_tokens` is what all tasks of a root may spend
    together. `deadline_ms` (Unix milliseconds by the store's clock) is when its time is over, and `max_seconds` how
    many seconds it has from then on when a task that has ended, and no parent, is tried again or told more. `agents`
    are the registered names that may be delegated to.
    """

    max_depth: int = 3
    max_children: int = 8
    max_active: int = 32
    max_total: int = 256
    max_tokens: int | None = None
    deadline_ms: int | None = None
    max_seconds: float | None = None
    agents: tuple[str, ...] = ()


class TaskAnswer(Record, frozen=True, kw_only=True):
    """A person's answer to one interrupt: `value` is what goes into LangGraph's resume map. `at_ms` is the store's.

    `asked` tells the question that was answered from others under the same id.
    """

    interrupt_id: Id
    asked: str | None = None
    value: Any = None
    decisions: tuple[str, ...] = ()
    decided_by: str | None = None
    at_ms: int = 0


def digest(question: Interrupt) -> str:
    """Return what tells a question from another one that LangGraph gives the same id: 1.1 does, within one node."""
    return blake2b(encode(Custom(data=jsonable(question.value))), digest_size=16).hexdigest()


class InboxMessage(Record, frozen=True, kw_only=True):
    """Something said to a task: its prompt first, then each followup. `id` is the message's id in the thread."""

    id: Id
    text: str
    at_ms: int = 0


class PlanStep(Record, frozen=True, kw_only=True):
    """Which step of which plan run a task is: `tasks` maps the names of the steps to task ids."""

    run_id: Id
    name: Id
    tasks: dict[str, str] = {}
    inputs: dict[str, Any] = {}


class Spec(Record, frozen=True, kw_only=True):
    """What does not change in a task's life, but for its deadline.

    Made by a runner; `id` is unguessable, and the thread that its agent runs on.

    `kind` and `name` say what runs: a registered agent, with `prompt`, or a registered handler, with `args`. `root_id`
    is the id of the first task above it, or names what the first one was started from (`thread:<thread id>` for a
    conversation, `plan:<run id>` for a plan). `ancestors` are the ids from the first task above it down to its parent.
    `call_key` makes starting idempotent: the same key gives the same task. `after` are the tasks that must have ended
    before it starts; `on_failed` says what happens when one of them did not end as done. `on_cancel` says what
    happens to its children when it is cancelled.
    """

    id: Id
    kind: BodyKind = "agent"
    name: Id
    prompt: str = ""
    args: dict[str, Any] | None = None
    title: str = ""
    parent_id: str | None = None
    root_id: Id
    ancestors: tuple[str, ...] = ()
    principal: str | None = None
    call_key: str | None = None
    priority: int = 0
    not_before_ms: int = 0
    after: tuple[str, ...] = ()
    on_failed: OnFailed = "cancel"
    on_cancel: OnCancel = "cancel"
    retry: Retry = Retry()
    timeout: float | None = None
    limits: Limits = Limits()
    plan: PlanStep | None = None

    @property
    def depth(self) -> int:
        """How many tasks are above it."""
        return len(self.ancestors)


class Task(Record, frozen=True, kw_only=True):
    """What is remembered of one task. Times are Unix milliseconds by the store's clock; `number` orders tasks.

    `attempt` counts from 1 when it first starts; `first_attempt` is the attempt with which the present series of tries
    began. `fence` rises with every claim and every loss of a lease: a write with an older one is refused. `worker` has
    the lease while it is ongoing. `counted` says that the next claim is no new attempt. `change` rises, over all tasks
    of a store, whenever one changes. `events` is the number of the last event.

    `interrupts` are the questions that wait for a person, `answers` what has been answered and no run has come to
    an end with yet. `parked` maps the interrupts by which the run waits for other tasks to their ids. `waits_for`
    are those tasks that have not ended, of `after` and `parked`. `inbox` is what was said to it, of which the first
    `taken` have been worked through. `cancel` is why it was asked to stop, empty text for no reason, None if nobody
    did.
    """

    spec: Spec
    number: int
    state: TaskState = "queued"
    attempt: int = 0
    first_attempt: int = 1
    counted: bool = False
    fence: int = 0
    batch: int = 0
    worker: str | None = None
    not_before_ms: int = 0
    created_ms: int = 0
    updated_ms: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    result: Any = None
    error: ErrorInfo | None = None
    usage: TokenUsage | None = None
    interrupts: tuple[Interrupt, ...] = ()
    answers: tuple[TaskAnswer, ...] = ()
    parked: dict[str, tuple[str, ...]] = {}
    waits_for: tuple[str, ...] = ()
    inbox: tuple[InboxMessage, ...] = ()
    taken: int = 0
    cancel: str | None = None
    artifacts: tuple[str, ...] = ()
    events: int = 0
    change: int = 0

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def title(self) -> str:
        return self.spec.title

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in TERMINAL

    @property
    def at_rest(self) -> bool:
        """Whether it has ended, or waits for a person."""
        return self.ended or self.state == "review_needed"


class Ending(Record, frozen=True, kw_only=True):
    """How a worker lets go of a task.

    `done`, `failed` and `cancelled` end it, `review_needed` asks a person. `queued` puts it back: `parked` until the
    tasks that its interrupts wait for have ended, or, with `counted`, given back as it was, or else to be tried again
    after `delay` seconds. `taken` is how many messages of the inbox have been worked through. The run's last events and
    its `usage` (since those before) are written with it, as the batch `batch`: see `TaskStore.append_events`.
    """

    state: Literal["done", "failed", "cancelled", "review_needed", "queued"]
    result: Any = None
    error: ErrorInfo | None = None
    usage: TokenUsage | None = None
    interrupts: tuple[Interrupt, ...] = ()
    parked: dict[str, tuple[str, ...]] = {}
    counted: bool = False
    delay: float = 0.0
    taken: int = 0
    batch: int = 0
    artifacts: tuple[str, ...] = ()


class TaskQuery(Record, frozen=True, kw_only=True):
    """Which tasks are meant; every field that is given narrows it. `below` are all descendants of a task."""

    states: tuple[TaskState, ...] = ()
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    parent_id: str | None = None
    root_id: str | None = None
    below: str | None = None
    principal: str | None = None

    def matches(self, task: Task) -> bool:
        """Whether a task is meant."""
        spec = task.spec
        return (
            (not self.states or task.state in self.states)
            and (self.ids is None or spec.id in self.ids)
            and (not self.names or spec.name in self.names)
            and self.parent_id in (None, spec.parent_id)
            and self.root_id in (None, spec.root_id)
            and (self.below is None or self.below in spec.ancestors)
            and self.principal in (None, spec.principal)
        )


class TaskPage(Record, frozen=True, kw_only=True):
    """Some tasks of a list, the newest first. `before` asks for the next page; `None` on the last one."""

    tasks: tuple[Task, ...]
    before: int | None = None


class EventPage(Record, frozen=True, kw_only=True):
    """Some events of a task. `state` is the task's, read with them; `last` the number of its last event."""

    entries: tuple[Entry, ...]
    last: int
    state: TaskState


class Caps(Record, frozen=True, kw_only=True):
    """How many tasks may be ongoing at once, over all processes: for each name, and below each root; no entry: any."""

    per_name: Mapping[str, int] = {}
    per_root: int | None = None


NO_CAPS = Caps()
ANY = TaskQuery()
