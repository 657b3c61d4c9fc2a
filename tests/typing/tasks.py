"""Uses the tasks the way users do; pyright in strict mode checks that the types say what comes."""

from __future__ import annotations

from typing import Any, Literal, assert_type

from langgraph.types import RetryPolicy

from langwire import Graph, SessionAdapter, approve
from langwire.events import Entry
from langwire.tasks import (
    TASK_TOOLS,
    ArtifactStore,
    HandlerContext,
    Plan,
    SQLiteTaskStore,
    Task,
    TaskClient,
    TaskPolicy,
    TaskQuery,
    TaskRunner,
    TaskState,
    current_task,
)


async def delegate(agent: Graph) -> None:
    print([tool.name for tool in TASK_TOOLS])
    policy = TaskPolicy(max_depth=2, delegates={"main": ["writer"]})
    store = SQLiteTaskStore("tasks.db")
    async with TaskRunner({"main": agent}, store, policy=policy, artifacts=ArtifactStore("files")) as runner:
        task_id = await runner.enqueue("Compare five vendors", title="vendors", retry=RetryPolicy(max_attempts=2))
        assert_type(task_id, str)
        async for entry in runner.events(task_id):
            assert_type(entry, Entry)
        task = await runner.wait(task_id, timeout=60)
        assert_type(task, Task)
        assert_type(task.state, TaskState)
        assert_type(await runner.children(task_id), tuple[Task, ...])
        for question in task.interrupts:
            assert_type(await runner.resume(task_id, {question.id: approve()}, decided_by="ann"), bool)
        assert_type(await runner.cancel(task_id), bool | Literal["stopping"])
        SessionAdapter(agent, tasks=runner)


async def plan(runner: TaskRunner) -> None:
    steps = Plan("report")
    steps.step("fetch", handler="fetch", args={"url": "{{ input.url }}"})
    steps.task("draft", prompt="Summarise {{ tasks.fetch }}")
    run = await runner.run_plan(steps, {"url": "https://example.org"})
    for name, task in (await run.wait()).items():
        print(name, task.result)


def register(runner: TaskRunner) -> None:
    @runner.handler("fetch")
    async def fetch(context: HandlerContext, url: str) -> dict[str, Any]:
        return {"url": url, "attempt": context.attempt}

    print(fetch)


def inside_a_tool(call_id: str) -> None:
    task = current_task()
    if task is not None:
        print(task.task_id, task.attempt, task.key(call_id))


async def watch(client: TaskClient) -> None:
    assert_type(await client.count(), dict[TaskState, int])
    async for task in client.watch(TaskQuery(states=("review_needed",))):
        assert_type(task, Task)
