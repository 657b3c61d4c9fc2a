"""Knows plans: steps that wait for each other, what makes one wrong, and the tasks that a run of one becomes.

A plan is data, and a run of it is tasks in the store: there is no second scheduler. Prompts and args stay templates in
the record (`langwire.tasks.templates`), and are rendered by the worker that has the task.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid5

import msgspec

from langwire.errors import InvalidPlan
from langwire.tasks._retries import own_retry
from langwire.tasks.client import TaskClient
from langwire.tasks.task import BodyKind, Limits, OnFailed, PlanStep, Retry, Spec, Task
from langwire.tasks.templates import NAME, Names, names_in, render, render_value

if TYPE_CHECKING:
    from langgraph.types import RetryPolicy

_NAME = re.compile(NAME)
_RUNS = UUID("5b6f2a0e-6d0c-4d53-9d53-0d6e4f0f1b1a")
"""The namespace of the ids of plan runs."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a plan, as it was asked for. `body` is the name of an agent or a handler; None: the default agent."""

    name: str
    kind: BodyKind
    body: str | None
    prompt: str = ""
    args: dict[str, Any] | None = None
    title: str | None = None
    after: tuple[str, ...] = ()
    retry: Retry | None = None
    timeout: float | None = None
    priority: int = 0
    on_failed: OnFailed = "cancel"


class Plan:
    """Steps that wait for each other: prompts for agents, and deterministic steps by the names of handlers.

        plan = Plan("article")
        plan.step("sources", handler="fetch", args={"url": "{{ input.url }}", "token": "{{ secrets.fetch_token }}"})
        plan.task("draft", prompt="Write about {{ input.topic }} from:\\n{{ tasks.sources }}")
        plan.task("review", prompt="Review this:\\n{{ tasks.draft }}", agent="editor")

    A step waits for those that its templates name, and for those in `after`. Nothing is checked before `validate`.
    """

    def __init__(self, name: str = "plan") -> None:
        self.name = name
        self._steps: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in the order in which they were added."""
        return tuple(self._steps)

    def task(
        self,
        name: str,
        *,
        prompt: str,
        agent: str | None = None,
        title: str | None = None,
        after: Collection[str] = (),
        retry: RetryPolicy | Retry | None = None,
        timeout: float | None = None,
        priority: int = 0,
        on_failed: OnFailed = "cancel",
    ) -> None:
        """Add a step that an agent does.

        `prompt` is a template, `agent` the name under which a runner knows it (None: the runner's default), `title`
        what a board shows (the name of the step, if None), `after` the names of steps that must have ended before.
        `retry` and `timeout` (seconds an attempt) are the runner's if None. A higher `priority` starts first.
        `on_failed` says what happens when one it waits for did not end as done: `cancel` it too, or `run` it.
        """
        self._steps.append(
            Step(
                name=name,
                kind="agent",
                body=agent,
                prompt=prompt,
                title=title,
                after=_names(name, after),
                retry=own_retry(retry),
                timeout=timeout,
                priority=priority,
                on_failed=on_failed,
            )
        )

    def step(
        self,
        name: str,
        *,
        handler: str,
        args: Mapping[str, Any] | None = None,
        title: str | None = None,
        after: Collection[str] = (),
        retry: RetryPolicy | Retry | None = None,
        timeout: float | None = None,
        priority: int = 0,
        on_failed: OnFailed = "cancel",
    ) -> None:
        """Add a deterministic step, done by the handler that a runner knows under this name.

        `args` is a JSON object whose texts are templates. The rest is as for `task`.
        """
        self._steps.append(
            Step(
                name=name,
                kind="handler",
                body=handler,
                args=dict(args or {}),
                title=title,
                after=_names(name, after),
                retry=own_retry(retry),
                timeout=timeout,
                priority=priority,
                on_failed=on_failed,
            )
        )

    def validate(
        self,
        *,
        agents: Collection[str] | None = None,
        handlers: Collection[str] | None = None,
        inputs: Collection[str] | None = None,
        secrets: Collection[str] | None = None,
    ) -> None:
        """Raise `InvalidPlan` for a plan that cannot be run.

        That is one without steps, with bad, double or unknown names, with steps that wait for each other in a circle,
        with a blank prompt, with a secret in a prompt, or with args that are no JSON. The names of agents, handlers,
        inputs and secrets are checked against what is given; None: not checked.
        """
        if not self._steps:
            raise InvalidPlan("a plan without steps came: expected one or more, added with `task` or `step`")
        _check_names([step.name for step in self._steps])
        after: dict[str, tuple[str, ...]] = {}
        bodies = {"agent": agents, "handler": handlers}
        for step in self._steps:
            _check_fields(step)
            asked = _asked(step)
            if step.kind == "agent" and asked.secrets:
                raise InvalidPlan(
                    f"the prompt of step {step.name!r} names the secret {min(asked.secrets)!r}, and a prompt is told to"
                    " a model and kept: expected secrets in the args of a handler's step alone"
                )
            after[step.name] = _waits_for(step, asked)
            if step.body is not None:
                _check_known(step, step.kind, [step.body], bodies[step.kind])
            _check_known(step, "input", asked.inputs, inputs)
            _check_known(step, "secret", asked.secrets, secrets)
        for step in self._steps:
            _check_known(step, "step", after[step.name], after)
        _check_no_circle(after)

    def specs(
        self,
        run_id: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        agent: str,
        principal: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        limits: Limits | None = None,
    ) -> list[Spec]:
        """Return the tasks that a run of this plan is, in the order of its steps; raise what `validate` raises.

        The same `run_id` gives the same ids and keys, so a run that is asked for again goes on where it stopped. The
        ids are as hard to guess as the run id is: let it be a random UUID where that matters. `inputs` are what
        `{{ input.<key> }}` stands for; they are kept with the tasks, and must be JSON. `agent` does the steps that name
        none; `retry`, `timeout` and `limits` are for steps that bring none of their own.
        """
        given = dict(inputs or {})
        self.validate(inputs=given)
        if not run_id.strip() or not _is_json(run_id):
            raise InvalidPlan(f"{run_id!a:.80} came as the id of a plan run: expected text that is not blank")
        if not _is_json(given):
            raise InvalidPlan("the inputs of a plan run hold what is no JSON: expected text, numbers, lists, objects")
        ids = plan_ids(run_id, [step.name for step in self._steps])
        specs: list[Spec] = []
        for step in self._steps:
            asked = _asked(step)
            names = _waits_for(step, asked)
            specs.append(
                Spec(
                    id=ids[step.name],
                    kind=step.kind,
                    name=agent if step.body is None else step.body,
                    prompt=step.prompt,
                    args=step.args,
                    title=step.title or step.name,
                    root_id=f"plan:{run_id}",
                    principal=principal,
                    call_key=f"plan:{run_id}:{step.name}",
                    priority=step.priority,
                    after=tuple(ids[name] for name in names),
                    on_failed=step.on_failed,
                    retry=step.retry or retry or Retry(),
                    timeout=timeout if step.timeout is None else step.timeout,
                    limits=limits or Limits(),
                    plan=PlanStep(
                        run_id=run_id,
                        name=step.name,
                        # Its own alone: all names in all steps would grow with the square of a plan.
                        tasks={name: ids[name] for name in names},
                        inputs={key: given[key] for key in sorted(asked.inputs)},
                    ),
                )
            )
        return specs


def plan_ids(run_id: str, names: Iterable[str]) -> dict[str, str]:
    """Return the task ids of steps in a plan run, by the names of the steps."""
    run = uuid5(_RUNS, run_id)
    return {name: uuid5(run, name).hex for name in names}


def rendered(task: Task, upstream: Mapping[str, Task], secrets: Mapping[str, str]) -> tuple[str, dict[str, Any] | None]:
    """Return the prompt and the args with which a task runs; those of a task of no plan are as they were written.

    `upstream` are the tasks that `task.spec.plan.tasks` names, under the same names, and `secrets` what args may ask
    for. The result of a step that did not end as done is null. Raises `InvalidPlan` for a name without a value.
    """
    spec = task.spec
    if spec.plan is None:
        return spec.prompt, spec.args
    results = {name: step.result for name, step in upstream.items()}
    files = {name: step.artifacts for name, step in upstream.items()}
    inputs = spec.plan.inputs
    prompt = render(spec.prompt, tasks=results, files=files, inputs=inputs, secrets={})
    return prompt, render_value(spec.args, tasks=results, files=files, inputs=inputs, secrets=secrets)


@dataclass(frozen=True, kw_only=True)
class PlanRun:
    """A run of a plan: `tasks` maps the names of its steps to the ids of their tasks."""

    run_id: str
    tasks: Mapping[str, str]
    client: TaskClient = field(repr=False, compare=False)

    async def wait(self, timeout: float | None = None) -> Mapping[str, Task]:  # noqa: ASYNC109
        """Return the tasks by the names of their steps, once each has ended or waits for a person.

        Raises `TimeoutError` after so many seconds.
        """
        found = await self.client.gather(list(self.tasks.values()), timeout=timeout)
        by_id = {task.id: task for task in found}
        return {name: by_id[id] for name, id in self.tasks.items()}


# ------------------------------------------------------------------ what makes a plan wrong


def _names(name: str, after: Collection[str]) -> tuple[str, ...]:
    # Text is a collection of names too, each one letter long.
    if isinstance(after, str):
        raise InvalidPlan(f"{after!a:.80} came as what step {name!a:.80} is after: expected a list of names")
    return tuple(after)


def _check_names(names: Sequence[str]) -> None:
    seen = set[str]()
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise InvalidPlan(
                f"{name!a:.80} came as the name of a step: expected 1 to 64 letters, digits, _ and -, no - in front"
            )
        if name in seen:
            raise InvalidPlan(f"two steps are named {name!r}: expected a name of its own for each")
        seen.add(name)


def _check_fields(step: Step) -> None:
    if step.kind == "agent" and not step.prompt.strip():
        raise InvalidPlan(f"the prompt of step {step.name!r} is blank: expected what its agent is to do")
    if step.body is not None and not step.body.strip():
        raise InvalidPlan(f"step {step.name!r} has a blank name of its {step.kind}: expected one that is registered")
    if not _is_json([step.prompt, step.args, step.title, step.body]):
        raise InvalidPlan(
            f"step {step.name!r} holds what is no JSON: expected whole characters, numbers, lists, objects"
        )
    if step.timeout is not None and not step.timeout > 0:
        raise InvalidPlan(f"step {step.name!r} has a timeout of {step.timeout} seconds: expected more than 0, or None")
    if step.on_failed not in get_args(OnFailed):
        raise InvalidPlan(f"step {step.name!r} has on_failed={step.on_failed!a:.40}: expected 'cancel' or 'run'")


def _check_known(step: Step, what: str, names: Iterable[str], known: Collection[str] | None) -> None:
    unknown = [] if known is None else sorted(name for name in names if name not in known)
    if known is not None and unknown:
        expected = ", ".join(sorted(known)) or "none"
        raise InvalidPlan(
            f"step {step.name!r} names the {what} {unknown[0]!a:.80}, which is unknown: expected one of {expected:.200}"
        )


def _check_no_circle(after: Mapping[str, Sequence[str]]) -> None:
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        waits = " -> ".join(reversed(circle))
        raise InvalidPlan(
            f"steps wait for each other in a circle: {waits:.400}; expected an order to do them in"
        ) from None


def _asked(step: Step) -> Names:
    try:
        return names_in([step.prompt, step.args])
    except InvalidPlan as error:
        raise InvalidPlan(f"step {step.name!r}: {error}") from None


def _waits_for(step: Step, asked: Names) -> tuple[str, ...]:
    """Return the names of all steps that this one waits for: those it names first, then those of its templates."""
    return tuple(dict.fromkeys([*step.after, *sorted(asked.tasks | asked.files)]))


def _is_json(value: Any) -> bool:
    """Return whether JSON gives the value back as it is."""
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(value)) == value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return False
