"""Runs a plan that fans out: an agent looks into three cities at once, each into a file, and one step gathers them."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from langwire.tasks import ARTIFACT_TOOLS, ArtifactStore, HandlerContext, Plan, TaskRunner
from langwire.testing import ScriptedModel, text, tool_call

CITIES = {"lisbon": "steep, and full of trams", "oslo": "cold, and full of boats", "rome": "old, and full of cats"}


def look(prompt: list[AnyMessage]) -> Any:
    """Write what is known into a file of the task, and answer with one word."""
    city = str(prompt[0].text).rpartition(" ")[2]
    if isinstance(prompt[-1], ToolMessage):
        return text(CITIES[city].partition(",")[0])
    return tool_call("write_artifact", {"name": f"{city}.md", "text": f"{city.title()} is {CITIES[city]}.\n"}, id=city)


model = ScriptedModel(script=[look])
builder = StateGraph(MessagesState)
builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
builder.add_node("tools", ToolNode(ARTIFACT_TOOLS))
builder.add_edge(START, "model")
builder.add_conditional_edges("model", tools_condition)
builder.add_edge("tools", "model")
scout = builder.compile()

plan = Plan("cities")
for name in CITIES:
    plan.task(name, prompt=f"Look into {name}", title=name.title())
plan.step("report", handler="gather", args={name: f"{{{{ tasks.{name}.files }}}}" for name in CITIES})


async def main(folder: Path) -> None:
    """Run the plan, and print the report."""
    artifacts = ArtifactStore(folder)
    runner = TaskRunner({"scout": scout}, artifacts=artifacts, concurrency=3)

    @runner.handler("gather")
    def gather(context: HandlerContext, **files: list[str]) -> str:
        """Put the files of all cities into one; a function that waits for the disk runs in a thread."""
        assert context.task.spec.plan is not None
        ids = context.task.spec.plan.tasks  # of the steps that this one waits for
        parts = [artifacts.read(ids[city], file) for city, names in files.items() for file in names]
        report = artifacts.write(context.task.id, "report.md", b"".join(parts))
        return f"{len(parts)} cities in {report.bytes} bytes"

    async with runner:
        run = await runner.run_plan(plan)
        for name, task in (await run.wait()).items():
            print(f"{name}, {task.state}: {task.result} {list(task.artifacts)}")
        print("\n" + artifacts.read(run.tasks["report"], "report.md").decode(), end="")


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(folder)))
