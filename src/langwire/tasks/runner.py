"""Knows how tasks are made: for which agents and handlers, within which limits, and what each of them is run with."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args
from uuid import uuid4

from msgspec.structs import replace

from langwire.core._guards import is_mapping
from langwire.core.redaction import Redactor
from langwire.errors import InvalidPlan, LogClosed, SessionsClosed, UnknownThread, UnsupportedGraph, UsageError
from langwire.events import Event, TaskUpdate
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph, is_remote, keeping_threads, outlives_the_program, refuse_what_is_no_graph
from langwire.sessions.store import MemorySessionStore, now_ms
from langwire.sessions.summary import report
from langwire.tasks._agent_body import AgentAttempt
from langwire.tasks._attempt import Attempt, Bench
from langwire.tasks._retries import own_retry, stored_retry, worth_retrying
from langwire.tasks._worker import Terms, Worker
from langwire.tasks.client import TaskClient, check_size
from langwire.tasks.context import CONFIG_KEY, Origin
from langwire.tasks.dispatcher import InProcessDispatcher
from langwire.tasks.handlers import HandlerAttempt
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.plans import PlanRun, rendered
from langwire.tasks.policy import TaskPolicy
from langwire.tasks.states import TaskState
from langwire.tasks.task import BodyKind, Caps, OnCancel, OnFailed, Retry, Spec, Task, TaskQuery

if TYPE_CHECKING:
    from langgraph.types import RetryPolicy

    from langwire.sessions.turn import Middleware, Observer, Turn
    from langwire.tasks.artifacts import ArtifactStore
    from langwire.tasks.dispatcher import Dispatcher
    from langwire.tasks.handlers import Handler
    from langwire.tasks.plans import Plan
    from langwire.tasks.store import TaskStore

H = TypeVar("H", bound="Handler")

_LASTING = {"durability": "sync"}
"""A node begins when what came before it has been kept. Else a node and the one after it could run again together after
a loss: the same tool call would have another key then, and start a second task."""

_TITLE = 80
"""How long a title gets that is made of a prompt, in characters."""


@dataclass(slots=True)
class _Push:
    """What tells a conversation of a task, and what it was told last."""

    push: Callable[[TaskUpdate], object]
    told: tuple[TaskState, int] | None = None


class TaskRunner(TaskClient):
    """Makes tasks and works on them. Use it with `async with`: it works until the block ends.

    `agents` are compiled graphs by the names under which tasks call for them; the first one is the default. `handlers`
    are functions for deterministic steps, likewise. `store` is the one truth, in memory where none is given; any number
    of runners in any number of processes may share one. An agent without a checkpointer, or with one in memory, is run
    with that of the store.

    `concurrency` is how many tasks run here at once. `per_agent` (by their names) and `per_root` cap those of the whole
    store. `policy` says how far agents may delegate. `retry` (LangGraph's `RetryPolicy`) says when a failed attempt is
    made again, without it never; `timeout` (seconds) ends an attempt. `dispatcher` wakes workers. `artifacts` keeps
    files that agents make. `secrets` are values that handlers and tools may ask for by name; they are masked in all
    that is kept or told, as what `redactor` finds is. `middleware` and `config` are those of `SessionAdapter`.

    A worker that is lost for `lease` seconds loses its tasks to the others, which look every `sweep` seconds.
    """

    def __init__(
        self,
        agents: Mapping[str, Graph],
        store: TaskStore | None = None,
        *,
        handlers: Mapping[str, Handler] | None = None,
        concurrency: int = 3,
        per_agent: Mapping[str, int] | None = None,
        per_root: int | None = None,
        policy: TaskPolicy | None = None,
        retry: RetryPolicy | Retry | None = None,
        timeout: float | None = None,
        dispatcher: Dispatcher | None = None,
        artifacts: ArtifactStore | None = None,
        secrets: Mapping[str, str] | None = None,
        redactor: Redactor | None = None,
        middleware: Sequence[Middleware] = (),
        config: Mapping[str, Any] | None = None,
        lease: float = 30.0,
        sweep: float = 5.0,
    ) -> None:
        super().__init__(store if store is not None else MemoryTaskStore())
        caps = dict(per_agent or {})
        _check_bodies(agents, handlers or {})
        _check_numbers(lease=lease, sweep=sweep)
        _check_numbers(timeout=timeout, optional=True)
        _check_counts(concurrency=concurrency, per_root=per_root, **{f"per_agent {k!r}": n for k, n in caps.items()})
        self.agents: Mapping[str, Graph] = dict(agents)
        """The agents by name; the first one is the default."""
        self.policy = policy or TaskPolicy()
        self.artifacts = artifacts
        self.secrets: Mapping[str, str] = dict(secrets or {})
        self.worker = uuid4().hex
        """Names this runner in the store."""
        self._handlers = dict(handlers or {})
        self._retry, self._timeout = stored_retry(retry), timeout
        self._redactor = _redactor(redactor, self.secrets)
        self._middleware, self._config = (*middleware, self._recording), config
        self._bench = Bench(
            store=self.store,
            redactor=self._redactor,
            worth_retrying=worth_retrying(retry),
            artifacts=self._artifact_names,
            rendered=self._rendered,
        )
        self._dispatcher = dispatcher or InProcessDispatcher()
        per_name = {f"agent:{name}": cap for name, cap in caps.items()}
        self._terms = self._new_terms(concurrency, Caps(per_name=per_name, per_root=per_root), lease, sweep)
        self._worker: Worker | None = None
        self._held: AsyncExitStack | None = None
        self._adapters: dict[str, SessionAdapter] = {}
        self._pushes: dict[str, _Push] = {}
        """What tells a conversation here of the tasks that it has started, by their ids."""

    def _new_terms(self, concurrency: int, caps: Caps, lease: float, sweep: float) -> Terms:
        return Terms(
            worker=self.worker,
            store=self.store,
            dispatcher=self._dispatcher,
            redactor=self._redactor,
            concurrency=concurrency,
            caps=caps,
            lease=lease,
            sweep=sweep,
            bodies=self._bodies,
            begin=self._attempt,
            over=self._over,
            changed=self._changed,
        )

    # -------------------------------------------------------------- its life

    async def start(self) -> None:
        """Begin to work. Raises `StoreError` for a store that cannot be used, `MissingExtra` without its extra."""
        if self._held is not None:
            raise UsageError("this runner works already: start it once, or use it with `async with`")
        await self.store.changes(None)  # says what is wrong with the store before LangGraph does
        async with self._store_and_dispatcher() as held:
            lasting = {name: outlives_the_program(graph) for name, graph in self.agents.items()}
            saver = None if all(lasting.values()) else await held.enter_async_context(self.store.checkpointer())
            for name, graph in self.agents.items():
                adapter = self._new_adapter(graph if lasting[name] else keeping_threads(graph, saver))
                self._adapters[name] = await held.enter_async_context(adapter)
            self._worker = Worker(self._terms)
            self._held = held.pop_all()

    def _new_adapter(self, graph: Graph) -> SessionAdapter:
        return SessionAdapter(
            graph,
            # The tasks' own store keeps what matters: how a run ended, and which questions were answered.
            MemorySessionStore(),
            redactor=self._redactor,
            middleware=self._middleware,
            config=self._config,
        )

    async def shutdown(self, grace: float = 5.0) -> None:
        """Stop all runs here, give their leases back, and let go of the store. Their tasks go on where they stopped.

        Code that has not stopped within `grace` seconds keeps its task: another worker gets it when the lease is over.
        """
        held, self._held = self._held, None
        async with held or self._store_and_dispatcher():
            if self._worker is not None:
                await self._worker.stop(grace)
        self._worker = None
        self._adapters.clear()
        self._pushes.clear()

    def _store_and_dispatcher(self) -> AsyncExitStack:
        held = AsyncExitStack()
        held.push_async_callback(self.store.close)
        held.push_async_callback(self._dispatcher.close)
        return held

    async def close(self) -> None:
        """Shut down."""
        await self.shutdown()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    # -------------------------------------------------------------- making tasks

    def handler(self, name: str) -> Callable[[H], H]:
        """Register the decorated function as the handler of that name: see `Handler`."""
        if not name or name in self._handlers:
            raise UsageError(f"handler name {name!r:.80} is empty or taken: give each handler a name of its own")

        def register(function: H) -> H:
            self._handlers[name] = function
            return function

        return register

    async def enqueue(
        self,
        prompt: str | None = None,
        *,
        title: str | None = None,
        agent: str | None = None,
        handler: str | None = None,
        args: Mapping[str, Any] | None = None,
        principal: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        not_before: datetime | float | None = None,
        after: Sequence[str] = (),
        on_failed: OnFailed = "cancel",
        retry: RetryPolicy | Retry | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        policy: TaskPolicy | None = None,
    ) -> str:
        """Write a new task down, and return its id at once: for an agent with a `prompt`, or a `handler` with `args`.

        `agent` defaults to the first one. A higher `priority` goes first. The same `idempotency_key` (of one principal)
        gives the same task. `not_before` is a time with its zone, or so many seconds from now. The tasks in `after`
        must have ended before; when one of them did not end as done, `on_failed` cancels this one, or runs it all the
        same. `retry`, `timeout` and `policy` stand in for the runner's; a policy can only narrow that one.

        Raises `UsageError` for a blank prompt and for what nobody has registered, `KeyTaken` for a key that belongs to
        another request, and `UnknownTask` for an id in `after` that is no task's.
        """
        _check_numbers(timeout=timeout, optional=True)
        _check_asked(title, principal, priority, after, on_failed, policy)
        kind, name = self._body_of(prompt, agent, handler, args)
        within = self.policy if policy is None else self.policy.narrowed(policy)
        id, not_before_ms = uuid4().hex, _moment(not_before)
        spec = Spec(
            id=id,
            kind=kind,
            name=name,
            prompt=prompt or "",
            args=dict(args or {}) if handler is not None else None,
            title=self._title(title or prompt or name),
            root_id=id,
            principal=principal,
            call_key=None if idempotency_key is None else f"key:{json.dumps([principal, idempotency_key])}",
            priority=priority,
            not_before_ms=not_before_ms,
            after=tuple(after),
            on_failed=on_failed,
            on_cancel=within.on_cancel,
            retry=own_retry(retry) or self._retry,
            timeout=self._timeout if timeout is None else timeout,
            limits=within.limits(name, now_ms=max(now_ms(), not_before_ms), parent=None),
        )
        (task,) = await self._made([spec])
        return task.id

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
        """Start a task below a run: what `start_async_task` does. See `Delegator.delegate`."""
        parent = origin.task
        names = origin.agents
        name = agent or (names[0] if names else "")
        self._check_agent(name)
        limits = self.policy.limits(name, now_ms=now_ms(), parent=parent)
        if parent is None:  # the conversation itself stands above it, and is no task that would count
            limits = replace(limits, max_depth=limits.max_depth - 1)
        spec = Spec(
            id=uuid4().hex,
            name=name,
            prompt=_said(prompt),
            title=self._title(title or prompt),
            parent_id=parent.id if parent is not None else None,
            root_id=origin.root_id,
            ancestors=(*parent.spec.ancestors, parent.id) if parent is not None else (),
            principal=origin.principal,
            call_key=call_key,
            after=tuple(after),
            on_cancel=self._on_cancel(parent),
            retry=parent.spec.retry if parent is not None else self._retry,
            timeout=parent.spec.timeout if parent is not None else self._timeout,
            limits=limits,
        )
        if origin.push is not None and self._worker is not None:
            self._pushes[spec.id] = _Push(origin.push)
        try:
            (task,) = await self._made([spec], limited=True)
        except BaseException:
            self._pushes.pop(spec.id, None)
            raise
        if task.id != spec.id:  # it was known
            self._pushes.pop(spec.id, None)
        return task

    def _on_cancel(self, parent: Task | None) -> OnCancel:
        """Return what a new child does to its own children: as its parent, or stricter."""
        strict = self.policy.on_cancel == "cancel" or (parent is not None and parent.spec.on_cancel == "cancel")
        return "cancel" if strict else "abandon"

    async def run_plan(
        self,
        plan: Plan,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        principal: str | None = None,
        policy: TaskPolicy | None = None,
    ) -> PlanRun:
        """Write the steps of a plan down as tasks, and return the run at once.

        `inputs` are what its templates ask for. A `run_id` that is known goes on where that run stopped: what is done
        is not done again, and what failed or was cancelled is tried again. Raises `InvalidPlan` before anything is
        written.
        """
        plan.validate(
            agents=self.agents, handlers=self._handlers, inputs=dict(inputs or {}), secrets=self.secrets.keys()
        )
        within = self.policy if policy is None else self.policy.narrowed(policy)
        run_id, first, now = run_id or uuid4().hex, next(iter(self.agents), ""), now_ms()
        specs = plan.specs(run_id, inputs, agent=first, principal=principal, retry=self._retry, timeout=self._timeout)
        tasks = await self._made(
            [replace(spec, limits=within.limits(spec.name, now_ms=now, parent=None)) for spec in specs]
        )
        await self._try_again(tasks)
        ids = {step.name: task.id for step, task in zip(plan.steps, tasks, strict=True)}
        return PlanRun(run_id=run_id, tasks=ids, client=self)

    async def _try_again(self, tasks: Sequence[Task]) -> None:
        """Retry those that failed or were cancelled, each after those that it waits for."""
        left = {task.id: task for task in tasks if task.state in ("failed", "cancelled")}
        while left:
            free = [task.id for task in left.values() if left.keys().isdisjoint(task.spec.after)]
            for task_id in free:
                await self.retry(task_id)
                del left[task_id]

    def _title(self, text: str) -> str:
        title = (text.strip().splitlines() or [""])[0][:_TITLE]
        return title if self._redactor is None else self._redactor.redact(title)[0]

    async def _made(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        tasks = await self.store.create(specs, limited=limited)
        for task in tasks:
            if task.state == "queued":
                await self._send(task)
        return tasks

    async def _send(self, task: Task) -> None:
        try:
            await self._dispatcher.send(task)
        except Exception as error:  # the task is written down: the workers find it
            report(f"no worker could be told of task {task.id}", error, logging.WARNING, self._redactor)

    def _body_of(
        self, prompt: str | None, agent: str | None, handler: str | None, args: Mapping[str, Any] | None
    ) -> tuple[BodyKind, str]:
        if handler is not None:
            if prompt is not None or agent is not None:
                raise UsageError("a handler came with a prompt or an agent: expected one or the other")
            if handler not in self._handlers:
                raise UsageError(_unknown("handler", handler, self._handlers))
            return "handler", handler
        if args is not None:
            raise UsageError("args came without a handler: an agent takes a prompt")
        _said(prompt)
        name = agent or next(iter(self.agents), "")
        self._check_agent(name)
        return "agent", name

    def _check_agent(self, name: str) -> None:
        if name not in self.agents:
            raise UsageError(_unknown("agent", name, self.agents))

    # -------------------------------------------------------------- forgetting

    async def delete(self, task_id: str) -> bool:
        """Forget a task that has ended, with its checkpoints and files; False when there is none.

        Raises `IllegalMove` for a task that has not ended. Checkpoints go while the runner works.
        """
        deleted = await super().delete(task_id)
        if deleted:
            await self._forget(task_id)
        return deleted

    async def purge(self, older_than: float) -> Sequence[str]:
        """Forget tasks that ended more than `older_than` seconds ago, as `delete` does; return their ids."""
        gone = await super().purge(older_than)
        for task_id in gone:
            await self._forget(task_id)
        return gone

    async def _forget(self, task_id: str) -> None:
        for adapter in self._adapters.values():
            with suppress(UnknownThread, UnsupportedGraph):
                await adapter.delete(task_id)
        if self.artifacts is not None:
            await asyncio.to_thread(self.artifacts.delete, task_id)

    # -------------------------------------------------------------- what a worker asks

    def _bodies(self) -> Sequence[str]:
        return [*(f"agent:{name}" for name in self.agents), *(f"handler:{name}" for name in self._handlers)]

    def _attempt(self, task: Task) -> Attempt:
        name = task.spec.name
        if task.spec.kind == "handler":
            return HandlerAttempt(self._bench, task, self._handlers[name])
        graph, session = self.agents[name], self._adapters[name].get(task.id)
        origin = Origin(
            runner=self,
            root_id=task.spec.root_id,
            thread_id=task.id,
            principal=task.spec.principal,
            task=task,
        )
        remote = is_remote(graph)
        return AgentAttempt(
            self._bench,
            task,
            session,
            configurable={} if remote else {CONFIG_KEY: origin},
            options={} if remote else _LASTING,
            stops_at=getattr(graph, "interrupt_before_nodes", ()),
            saved=not outlives_the_program(graph),
        )

    @asynccontextmanager
    async def _recording(self, turn: Turn) -> AsyncGenerator[Observer | None]:
        """A middleware that gives the events of a turn to its attempt."""
        attempt = self._worker.attempt(turn.thread_id) if self._worker is not None else None
        yield attempt.tell if attempt is not None else None

    async def _over(self, task: Task) -> None:
        adapter = self._adapters.get(task.spec.name) if task.spec.kind == "agent" else None
        if adapter is not None:
            await adapter.forget(task.id)

    def _changed(self, task: Task) -> None:
        """Tell the conversation that has started a task of each change of its state, once."""
        push = self._pushes.get(task.id)
        if push is None or push.told == (task.state, task.attempt):
            return
        push.told = task.state, task.attempt
        try:
            push.push(TaskUpdate(task_id=task.id, state=task.state, attempt=task.attempt, title=task.title or None))
        except (SessionsClosed, LogClosed, UnknownThread):  # the conversation is over, and its tasks go on
            self._pushes.pop(task.id)
        if task.ended:
            self._pushes.pop(task.id, None)

    async def _artifact_names(self, task_id: str) -> Sequence[str]:
        if self.artifacts is None:
            return ()
        return [artifact.name for artifact in await asyncio.to_thread(self.artifacts.list, task_id)]

    async def _rendered(self, task: Task) -> tuple[str, Mapping[str, Any]]:
        plan = task.spec.plan
        if plan is None:
            return task.spec.prompt, task.spec.args or {}
        names = {id: name for name, id in plan.tasks.items()}
        page = await self.store.list(TaskQuery(ids=tuple(names)), limit=max(1, len(names)))
        for one in page.tasks:
            if one.state != "done" and task.spec.on_failed == "cancel":  # it was tried again, and failed again
                raise InvalidPlan(f"step {plan.name!r} waits for {names[one.id]!r}, which is {one.state}")
        prompt, args = rendered(task, {names[one.id]: one for one in page.tasks}, self.secrets)
        if task.spec.kind == "agent" and not prompt.strip():
            raise InvalidPlan(f"the prompt of step {plan.name!r} is blank, with what the steps before it have come to")
        return prompt, args or {}

    # -------------------------------------------------------------- what a conversation asks

    def configurable(self, thread_id: str, principal: str | None, push: Callable[[Event], object]) -> Mapping[str, Any]:
        """Return what lets the agent of a conversation delegate: see `SessionAdapter(tasks=…)`."""
        origin = Origin(runner=self, root_id=f"thread:{thread_id}", thread_id=thread_id, principal=principal, push=push)
        return {CONFIG_KEY: origin}


def _check_bodies(agents: Any, handlers: Any) -> None:
    if not is_mapping(agents) or not is_mapping(handlers):
        raise UsageError("agents or handlers came as something else: expected dicts of names and what they stand for")
    for graph in agents.values():
        refuse_what_is_no_graph(graph)
    for name, handler in handlers.items():
        if not callable(handler):
            raise UsageError(f"handler {name!r:.80} came as a {type(handler).__name__}: expected a function")
    for name in (*agents, *handlers):
        if not str(name).strip() or type(name) is not str:
            raise UsageError(f"{name!r:.80} came as the name of an agent or a handler: expected text that is not blank")


def _check_numbers(*, optional: bool = False, **given: Any) -> None:
    for name, number in given.items():
        if optional and number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0.001 <= number < 1e9:
            raise UsageError(f"{name} came as {number!r:.80}: expected seconds, 0.001 or more")


def _check_asked(title: Any, principal: Any, priority: Any, after: Any, on_failed: Any, policy: Any) -> None:
    for name, given in (("title", title), ("principal", principal)):
        if given is not None and (not isinstance(given, str) or not given):
            raise UsageError(f"{name} came as {given!r:.80}: expected text that is not empty, or None")
    if type(priority) is not int:
        raise UsageError(f"priority came as {priority!r:.80}: expected a whole number")
    if isinstance(after, str) or not all(isinstance(id, str) for id in after):
        raise UsageError(f"after came as {after!r:.80}: expected a list of task ids")
    if on_failed not in get_args(OnFailed):
        raise UsageError(f"on_failed came as {on_failed!r:.80}: expected one of {', '.join(get_args(OnFailed))}")
    if policy is not None and not isinstance(policy, TaskPolicy):
        raise UsageError(f"policy came as a {type(policy).__name__}: expected a TaskPolicy")


def _check_counts(*, concurrency: Any, **given: Any) -> None:
    if concurrency is None:
        raise UsageError("concurrency came as None: expected a whole number, 1 or more")
    for name, number in {"concurrency": concurrency, **given}.items():
        if number is not None and (type(number) is not int or not 0 < number < 10**9):
            raise UsageError(f"{name} came as {number!r:.80}: expected a whole number, 1 or more")


def _redactor(given: Redactor | None, secrets: Mapping[str, str]) -> Redactor | None:
    if not secrets:
        return given
    return (given or Redactor()).adding(secrets.values())


def _said(prompt: str | None) -> str:
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError("a blank prompt came: say what the task is")
    check_size(prompt)
    return prompt


def _moment(given: datetime | float | None) -> int:
    """Return when a task may start, in Unix milliseconds; 0 for at once."""
    if given is None:
        return 0
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise UsageError(f"not_before came as {given}, which has no zone: expected one, as datetime.now(UTC) has")
        return int(given.timestamp() * 1000)
    if isinstance(given, bool) or not 0 <= given < 1e10:
        raise UsageError(f"not_before came as {given!r:.80}: expected seconds from now, or a time with its zone")
    return now_ms() + int(given * 1000)


def _unknown(kind: str, name: str, known: Mapping[str, Any]) -> str:
    return f"no {kind} {name!r:.80} is registered: expected one of {', '.join(known) or 'none at all'}"
