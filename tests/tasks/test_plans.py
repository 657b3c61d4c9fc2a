"""What a plan is refused for before anything is stored, the tasks that a run becomes, and how they are rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from langwire.errors import InvalidPlan
from langwire.tasks.client import TaskClient
from langwire.tasks.memory_store import MemoryTaskStore
from langwire.tasks.plans import Plan, PlanRun, plan_ids, rendered
from langwire.tasks.task import Ending, Limits, PlanStep, Retry, Spec, Task


def article() -> Plan:
    plan = Plan("article")
    plan.step("sources", handler="fetch", args={"url": "{{ input.url }}", "token": "{{ secrets.key }}"})
    plan.task("draft", prompt="Write about {{ input.topic }}:\n{{ tasks.sources }}")
    plan.task("review", prompt="Review {{ tasks.draft }}\n{{ tasks.draft.files }}", agent="editor", after=["sources"])
    return plan


INPUTS = {"url": "http://x", "topic": "foxes", "unused": 1}
KNOWN: dict[str, Any] = {"agents": ["editor"], "handlers": {"fetch"}, "inputs": INPUTS, "secrets": ["key"]}


def test_a_plan_that_can_be_run_is_valid() -> None:
    article().validate()
    article().validate(**KNOWN)
    assert Plan().name == "plan"
    assert [step.name for step in article().steps] == ["sources", "draft", "review"]


# ------------------------------------------------------------------ refused


def one(**changes: Any) -> Callable[[], Plan]:
    """Return what makes a plan with one step of an agent."""

    def build() -> Plan:
        plan = Plan()
        plan.task(**{"name": "a", "prompt": "work", **changes})
        return plan

    return build


def chain(*pairs: tuple[str, Iterable[str]]) -> Callable[[], Plan]:
    def build() -> Plan:
        plan = Plan()
        for name, after in pairs:
            plan.task(name, prompt="work", after=tuple(after))
        return plan

    return build


def handler_step(**changes: Any) -> Callable[[], Plan]:
    def build() -> Plan:
        plan = Plan()
        plan.step(**{"name": "s", "handler": "fetch", **changes})
        return plan

    return build


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


REFUSED = [
    (Plan, "without steps came"),
    (chain(("a", ()), ("b", ()), ("a", ())), "two steps are named 'a'"),
    *(
        (one(name=name), "came as the name of a step")
        for name in ("", " ", "a b", "a.b", "-a", "ü", "x" * 65, "a\n", "a/b")
    ),
    (one(prompt=""), "the prompt of step 'a' is blank"),
    (one(prompt=" \n\t"), "the prompt of step 'a' is blank"),
    (one(prompt="half \ud83d"), "step 'a' holds what is no JSON"),
    (one(title="half \ud83d"), "step 'a' holds what is no JSON"),
    (one(timeout=0), "step 'a' has a timeout of 0 seconds"),
    (one(timeout=-1.5), "step 'a' has a timeout of -1.5 seconds"),
    (one(timeout=float("nan")), "step 'a' has a timeout of nan seconds"),
    (one(on_failed="ignore"), "step 'a' has on_failed='ignore': expected 'cancel' or 'run'"),
    (one(after="abc"), "'abc' came as what step 'a' is after: expected a list of names"),
    (one(after=["b"]), "step 'a' names the step 'b', which is unknown: expected one of a"),
    (one(prompt="{{ tasks.b }}"), "step 'a' names the step 'b', which is unknown"),
    (one(prompt="{{ tasks.b.files }}"), "step 'a' names the step 'b', which is unknown"),
    (one(prompt="{{ tasks.b.result }}"), "step 'a': '{{ tasks.b.result }}' came in a template"),
    (one(prompt="{{ secrets.key }}"), "the prompt of step 'a' names the secret 'key'"),
    (one(prompt="{{ input.nope }}"), "step 'a' names the input 'nope', which is unknown: expected one of topic, un"),
    (one(agent="ghost"), "step 'a' names the agent 'ghost', which is unknown: expected one of editor"),
    (one(agent=""), "step 'a' has a blank name of its agent"),
    (handler_step(handler=" "), "step 's' has a blank name of its handler"),
    (handler_step(handler="ghost"), "step 's' names the handler 'ghost', which is unknown: expected one of fetch"),
    (handler_step(args={"a": "{{ secrets.nope }}"}), "step 's' names the secret 'nope', which is unknown"),
    (handler_step(args={"a": "{{ nope }}"}), "step 's': '{{ nope }}' came in a template"),
    (handler_step(args={"a": object()}), "step 's' holds what is no JSON"),
    (handler_step(args={"a": (1, 2)}), "step 's' holds what is no JSON"),
    (handler_step(args={"a": float("nan")}), "step 's' holds what is no JSON"),
    (handler_step(args={1: "a"}), "step 's' holds what is no JSON"),
    (handler_step(args={"a": nested(65)}), "step 's': a value of more than 64 levels"),
    (handler_step(args={"a": nested(100_000)}), "step 's' holds what is no JSON"),
    (one(after=["a"]), "in a circle: a -> a;"),
    (one(prompt="again: {{ tasks.a }}"), "in a circle: a -> a;"),
]


@pytest.mark.parametrize(("build", "text"), REFUSED)
def test_a_plan_that_cannot_be_run_is_refused(build: Callable[[], Plan], text: str) -> None:
    with pytest.raises(InvalidPlan) as refusal:
        build().validate(**KNOWN)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_nobody_gave_is_not_checked() -> None:
    plan = Plan()
    plan.task("a", prompt="{{ input.nope }}", agent="ghost")
    plan.step("b", handler="ghost", args={"c": "{{ secrets.nope }}"})
    plan.validate()
    for known in ({"agents": []}, {"handlers": []}, {"inputs": []}, {"secrets": []}):
        with pytest.raises(InvalidPlan, match="expected one of none"):
            plan.validate(**known)


def test_a_circle_of_three_is_named_without_what_only_leads_to_it() -> None:
    with pytest.raises(InvalidPlan, match=r"in a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c);"):
        chain(("x", ["c"]), ("a", ["b"]), ("b", ["c"]), ("c", ["a"]))().validate()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_a_circle_is_told_in_the_order_of_waiting(waits: list[tuple[int, int]]) -> None:
    """Each arrow of the refusal is one of the plan's, and a plan without a circle is not refused."""
    after: dict[str, list[str]] = {f"s{number}": [] for number in range(8)}
    for first, second in waits:
        after[f"s{first}"].append(f"s{second}")
    left = dict(after)
    while ready := [name for name, names in left.items() if not any(other in left for other in names)]:
        for name in ready:
            del left[name]
    plan = chain(*after.items())()
    if not left:
        plan.validate()
        return
    with pytest.raises(InvalidPlan) as refusal:
        plan.validate()
    circle = str(refusal.value).partition("circle: ")[2].partition(";")[0].split(" -> ")
    assert circle[0] == circle[-1]
    assert all(second in after[first] for first, second in pairwise(circle))


def test_a_long_chain_and_a_wide_fan_are_checked_without_recursion() -> None:
    plan = Plan()
    plan.task("s0", prompt="begin")
    for number in range(1, 3_000):
        plan.task(f"s{number}", prompt=f"go on: {{{{ tasks.s{number - 1} }}}}")
    plan.task("all", prompt="gather", after=[f"s{number}" for number in range(3_000)])
    plan.validate()
    specs = plan.specs("run", agent="main")
    assert len(specs[-1].after) == 3_000
    assert sum(len(spec.plan.tasks) for spec in specs if spec.plan) == 2_999 + 3_000


# ------------------------------------------------------------------ the tasks of a run


def test_a_run_is_one_task_for_each_step_in_the_order_of_the_plan() -> None:
    sources, draft, review = article().specs("run-1", INPUTS, agent="main", principal="ann")
    assert (sources.kind, sources.name, sources.prompt) == ("handler", "fetch", "")
    assert sources.args == {"url": "{{ input.url }}", "token": "{{ secrets.key }}"}
    assert (draft.kind, draft.name, draft.args) == ("agent", "main", None)
    assert draft.prompt == "Write about {{ input.topic }}:\n{{ tasks.sources }}"
    assert review.name == "editor"
    assert (sources.after, draft.after, review.after) == ((), (sources.id,), (sources.id, draft.id))
    assert [spec.call_key for spec in (sources, draft, review)] == [
        "plan:run-1:sources",
        "plan:run-1:draft",
        "plan:run-1:review",
    ]
    for spec in (sources, draft, review):
        assert (spec.root_id, spec.parent_id, spec.ancestors, spec.principal) == ("plan:run-1", None, (), "ann")
    assert draft.plan == PlanStep(
        run_id="run-1", name="draft", tasks={"sources": sources.id}, inputs={"topic": "foxes"}
    )
    assert [spec.title for spec in (sources, draft, review)] == ["sources", "draft", "review"]


def test_a_step_keeps_what_was_asked_for_it_and_takes_the_rest_from_the_run() -> None:
    own = Retry(max_attempts=9)
    plan = Plan()
    plan.task("a", prompt="x", title="First", retry=own, timeout=7, priority=3, on_failed="run")
    plan.step("b", handler="h", title="Second", retry=own, timeout=8, priority=4, on_failed="run", after=["a"])
    plan.task("c", prompt="x")
    limits, retry = Limits(max_depth=1), Retry(max_attempts=2)
    a, b, c = plan.specs("run", agent="main", retry=retry, timeout=60, limits=limits)
    assert (a.title, a.retry, a.timeout, a.priority, a.on_failed) == ("First", own, 7, 3, "run")
    assert (b.title, b.retry, b.timeout, b.priority, b.on_failed) == ("Second", own, 8, 4, "run")
    assert (c.title, c.retry, c.timeout, c.priority, c.on_failed) == ("c", retry, 60, 0, "cancel")
    assert a.limits == b.limits == c.limits == limits
    (*_, plain) = plan.specs("run", agent="main")
    assert (plain.retry, plain.timeout, plain.limits) == (Retry(), None, Limits())


def test_the_same_run_has_the_same_tasks_and_another_run_has_others() -> None:
    """A7: a run that is asked for again finds its tasks by their ids and keys."""
    run_id = uuid4().hex
    again = article().specs(run_id, INPUTS, agent="main")
    assert article().specs(run_id, INPUTS, agent="main") == again
    other = article().specs(uuid4().hex, INPUTS, agent="main")
    ids = {spec.id for spec in (*again, *other)}
    assert len(ids) == 6
    assert all(UUID(id).hex == id for id in ids)
    assert plan_ids(run_id, ["sources", "draft", "review"]) == {spec.title: spec.id for spec in again}
    assert plan_ids("run", ["1x"])["1x"] != plan_ids("run1", ["x"])["x"]


def test_specs_are_json_and_come_back_as_they_were() -> None:
    for spec in article().specs("run", INPUTS, agent="main"):
        assert msgspec.json.decode(msgspec.json.encode(spec), type=Spec) == spec


@pytest.mark.parametrize("run_id", ["", " ", "half \ud83d"])
def test_a_run_id_that_nothing_can_be_kept_under_is_refused(run_id: str) -> None:
    with pytest.raises(InvalidPlan, match="came as the id of a plan run: expected text that is not blank"):
        article().specs(run_id, INPUTS, agent="main")


def test_a_run_without_its_inputs_is_refused_and_names_the_one_that_is_missing() -> None:
    with pytest.raises(InvalidPlan, match="names the input 'topic', which is unknown: expected one of url"):
        article().specs("run", {"url": "x"}, agent="main")
    with pytest.raises(InvalidPlan, match="expected one of none"):
        article().specs("run", agent="main")
    with pytest.raises(InvalidPlan, match="the inputs of a plan run hold what is no JSON"):
        article().specs("run", {**INPUTS, "unused": object()}, agent="main")


def test_a_plan_is_checked_before_it_becomes_tasks() -> None:
    with pytest.raises(InvalidPlan, match="in a circle"):
        chain(("a", ["b"]), ("b", ["a"]))().specs("run", agent="main")


# ------------------------------------------------------------------ in the worker


def tasks_of(plan: Plan, **results: Any) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for number, spec in enumerate(plan.specs("run", INPUTS, agent="main"), 1):
        assert spec.plan is not None
        task = Task(spec=spec, number=number)
        name = spec.plan.name
        tasks[name] = replace(task, state="done", result=results[name]) if name in results else task
    return tasks


def upstream(tasks: dict[str, Task], name: str) -> dict[str, Task]:
    plan = tasks[name].spec.plan
    assert plan is not None
    return {other: tasks[other] for other in plan.tasks}


def test_a_worker_renders_the_prompt_from_what_came_before() -> None:
    tasks = tasks_of(article(), sources=["s1"], draft="Foxes {{ secrets.key }}")
    assert rendered(tasks["draft"], upstream(tasks, "draft"), {}) == ('Write about foxes:\n["s1"]', None)
    tasks["draft"] = replace(tasks["draft"], artifacts=("a.md", "b.md"))
    prompt, args = rendered(tasks["review"], upstream(tasks, "review"), {"key": "s3cret"})
    assert (prompt, args) == ("Review Foxes {{ secrets.key }}\na.md\nb.md", None)


def test_a_worker_renders_args_with_their_secrets() -> None:
    """A14: the record holds the secret's name, and the handler gets its value."""
    tasks = tasks_of(article())
    prompt, args = rendered(tasks["sources"], {}, {"key": "s3cret"})
    assert (prompt, args) == ("", {"url": "http://x", "token": "s3cret"})
    assert b"s3cret" not in msgspec.json.encode(tasks["sources"])
    with pytest.raises(InvalidPlan, match=r"\{\{ secrets.key \}\} has no value here"):
        rendered(tasks["sources"], {}, {})


def test_a_value_goes_from_step_to_step_as_it_is() -> None:
    plan = Plan()
    plan.step("rows", handler="query")
    plan.step(
        "sum", handler="add", args={"rows": "{{ tasks.rows }}", "files": "{{ tasks.rows.files }}"}, on_failed="run"
    )
    tasks = tasks_of(plan, rows=[{"n": 1}, {"n": 2}])
    assert rendered(tasks["sum"], upstream(tasks, "sum"), {})[1] == {"rows": [{"n": 1}, {"n": 2}], "files": []}
    tasks["rows"] = replace(tasks["rows"], state="failed", result=None)
    assert rendered(tasks["sum"], upstream(tasks, "sum"), {})[1] == {"rows": None, "files": []}
    assert rendered(tasks["rows"], {}, {}) == ("", {})


def test_a_prompt_gets_no_secret_even_when_its_record_asks_for_one() -> None:
    task = tasks_of(article())["draft"]
    forged = replace(task, spec=replace(task.spec, prompt="{{ secrets.key }}"))
    with pytest.raises(InvalidPlan, match="has no value here"):
        rendered(forged, {}, {"key": "s3cret"})


def test_a_task_whose_upstream_is_gone_cannot_be_rendered() -> None:
    tasks = tasks_of(article())
    with pytest.raises(InvalidPlan, match=r"\{\{ tasks.sources \}\} has no value here: .* tasks: none"):
        rendered(tasks["draft"], {}, {})


def test_the_prompt_of_a_task_of_no_plan_is_no_template() -> None:
    args = {"a": "{{ secrets.key }}"}
    task = Task(spec=Spec(id="t", name="main", prompt="{{ anything }}", args=args, root_id="t"), number=1)
    assert rendered(task, {}, {"key": "s3cret"}) == ("{{ anything }}", args)


# ------------------------------------------------------------------ waiting for a run


async def started(store: MemoryTaskStore, plan: Plan, run_id: str) -> PlanRun:
    specs = plan.specs(run_id, INPUTS, agent="main")
    tasks = await store.create(specs)
    return PlanRun(run_id=run_id, tasks={task.title: task.id for task in tasks}, client=TaskClient(store))


async def work(store: MemoryTaskStore) -> list[str]:
    """Do what may start, once, and return the names of the steps."""
    done: list[str] = []
    for task in await store.claim("w", ["agent:main", "agent:editor", "handler:fetch"], limit=9, lease=60):
        await store.finish(task.id, task.fence, Ending(state="done", result=f"{task.title} done", taken=1))
        done.append(task.title)
    return done


async def test_a_run_waits_for_all_its_tasks_and_gives_them_by_name() -> None:
    store = MemoryTaskStore()
    run = await started(store, article(), "run")
    with pytest.raises(TimeoutError):
        await run.wait(timeout=0)
    assert [await work(store), await work(store), await work(store)] == [["sources"], ["draft"], ["review"]]
    tasks = await run.wait()
    assert list(tasks) == ["sources", "draft", "review"]
    assert {name: task.result for name, task in tasks.items()} == {name: f"{name} done" for name in tasks}
    assert "client" not in repr(run)


async def test_a_run_that_is_asked_for_again_goes_on_where_it_stopped() -> None:
    """A7: what is done is not done again."""
    store = MemoryTaskStore()
    first = await started(store, article(), "run")
    assert await work(store) == ["sources"]
    again = await started(store, article(), "run")
    assert again == first
    assert [await work(store), await work(store), await work(store)] == [["draft"], ["review"], []]
    assert await store.count() == {"done": 3}
