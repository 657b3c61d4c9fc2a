"""Plans as a runner runs them: rendered in the worker, gone on with where they stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import RetryPolicy

from langwire.errors import InvalidPlan, KeyTaken
from langwire.tasks import (
    ArtifactStore,
    HandlerContext,
    MemoryTaskStore,
    Plan,
    SQLiteTaskStore,
    TaskPolicy,
    TaskRunner,
    TaskStore,
)
from tasks.agents import Flaky, echo

PATIENCE = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TaskStore:
    return MemoryTaskStore() if request.param == "memory" else SQLiteTaskStore(tmp_path / "tasks.db")


async def upper(context: HandlerContext, text: str) -> str:
    return text.upper()


def chain() -> Plan:
    plan = Plan("chain")
    plan.task("draft", prompt="a text about {{ input.subject }}")
    plan.step("loud", handler="upper", args={"text": "{{ tasks.draft }}"})
    plan.task("end", prompt="read {{ tasks.loud }}")
    return plan


async def test_each_step_gets_what_the_steps_before_it_came_to(store: TaskStore):
    """A1, A3, A4."""
    async with TaskRunner({"main": echo()}, store, handlers={"upper": upper}) as runner:
        run = await runner.run_plan(chain(), {"subject": "{{ input.other }}"})
        tasks = await run.wait(PATIENCE)
    assert tasks["draft"].result == "echo a text about {{ input.other }}"
    assert tasks["loud"].result == "ECHO A TEXT ABOUT {{ INPUT.OTHER }}"
    assert tasks["end"].result == "echo read ECHO A TEXT ABOUT {{ INPUT.OTHER }}"
    assert {task.spec.root_id for task in tasks.values()} == {f"plan:{run.run_id}"}


async def test_a_run_that_is_asked_for_again_goes_on_where_it_stopped(store: TaskStore):
    """A7: what is done is not done again, what failed is tried again, and what was cancelled with it as well."""
    flaky, runs = Flaky(1, ValueError), list[str]()

    async def count(context: HandlerContext) -> int:
        runs.append(context.task.id)
        return len(runs)

    plan = Plan()
    plan.task("last", prompt="{{ tasks.middle }}", agent="main")
    plan.task("middle", prompt="{{ tasks.first }}", agent="flaky")
    plan.step("first", handler="count")
    agents = {"main": echo(), "flaky": flaky.agent}
    async with TaskRunner(agents, store, handlers={"count": count}) as runner:
        run = await runner.run_plan(plan, run_id="run")
        assert {name: task.state for name, task in (await run.wait(PATIENCE)).items()} == {
            "first": "done",
            "middle": "failed",
            "last": "cancelled",
        }
        again = await runner.run_plan(plan, run_id="run")
        assert again == run
        tasks = await again.wait(PATIENCE)
    assert {task.state for task in tasks.values()} == {"done"}
    assert (tasks["last"].result, tasks["middle"].attempt, len(runs)) == ("echo at last", 2, 1)


async def test_a_known_run_with_other_inputs_is_refused(store: TaskStore):
    runner = TaskRunner({"main": echo()}, store, handlers={"upper": upper})
    await runner.run_plan(chain(), {"subject": "cats"}, run_id="run")
    with pytest.raises(KeyTaken, match="inputs"):
        await runner.run_plan(chain(), {"subject": "dogs"}, run_id="run")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plan: plan.task("x", prompt="{{ tasks.nobody }}"), "nobody"),
        (lambda plan: plan.task("x", prompt="y", agent="nobody"), "nobody"),
        (lambda plan: plan.step("x", handler="nobody"), "nobody"),
        (lambda plan: plan.task("x", prompt="{{ input.nothing }}"), "nothing"),
        (lambda plan: plan.step("x", handler="upper", args={"text": "{{ secrets.none }}"}), "none"),
        (lambda plan: (plan.task("x", prompt="1", after=["y"]), plan.task("y", prompt="2", after=["x"])), "x"),
    ],
)
async def test_nothing_is_stored_of_a_plan_that_cannot_be_run(change: Any, says: str):
    """A2."""
    runner = TaskRunner({"main": echo()}, handlers={"upper": upper})
    plan = chain()
    change(plan)
    with pytest.raises(InvalidPlan, match=says):
        await runner.run_plan(plan, {"subject": "cats"})
    assert (await runner.list()).tasks == ()


async def test_a_prompt_that_comes_to_nothing_fails_its_step():
    plan = Plan()
    plan.step("empty", handler="nothing")
    plan.task("after", prompt="{{ tasks.empty }}")

    async def nothing(context: HandlerContext) -> str:
        return " "

    async with TaskRunner({"main": echo()}, handlers={"nothing": nothing}) as runner:
        tasks = await (await runner.run_plan(plan)).wait(PATIENCE)
    assert (tasks["after"].state, tasks["after"].error and tasks["after"].error.code) == ("failed", "InvalidPlan")


async def test_a_step_takes_langgraphs_retry_policy_and_the_policy_of_its_run():
    flaky = Flaky(1)
    plan = Plan()
    plan.task("only", prompt="x", retry=RetryPolicy(max_attempts=2, initial_interval=0.001))
    async with TaskRunner({"main": flaky.agent}) as runner:
        run = await runner.run_plan(plan, policy=TaskPolicy(max_depth=1), principal="ann")
        task = (await run.wait(PATIENCE))["only"]
        while not task.ended:
            task = (await run.wait(PATIENCE))["only"]
    assert (task.state, task.attempt) == ("done", 2)
    assert (task.spec.limits.max_depth, task.spec.principal) == (1, "ann")


async def test_the_files_of_a_task_are_listed_on_it_and_named_to_the_steps_after_it(tmp_path: Path):
    """A13."""
    files = ArtifactStore(tmp_path / "files")

    async def write(context: HandlerContext) -> None:
        await asyncio.to_thread(files.write, context.task.id, "report.md", "# Report")

    plan = Plan()
    plan.step("write", handler="write")
    plan.task("read", prompt="files: {{ tasks.write.files }}")
    async with TaskRunner({"main": echo()}, handlers={"write": write}, artifacts=files) as runner:
        tasks = await (await runner.run_plan(plan)).wait(PATIENCE)
    assert tasks["write"].artifacts == ("report.md",)
    assert tasks["read"].result == "echo files: report.md"


async def test_artifacts_that_cannot_be_listed_cost_the_task_nothing(tmp_path: Path):
    class Broken(ArtifactStore):
        def list(self, task_id: str) -> Any:
            raise OSError("the disk is gone")

    async with TaskRunner({"main": echo()}, artifacts=Broken(tmp_path)) as runner:
        task = await runner.wait(await runner.enqueue("x"), timeout=PATIENCE)
    assert (task.state, task.artifacts) == ("done", ())
