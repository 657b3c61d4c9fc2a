"""Runs a plan whose steps hand their results on: a function fetches, one agent writes, another one edits."""

import asyncio
import re
from typing import Any

from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from langwire.tasks import HandlerContext, Plan, TaskRunner
from langwire.testing import ScriptedModel, text


def agent_that(answers: Any) -> Any:
    """Return a graph of one model call; `answers` says what its script answers to the prompt."""
    model = ScriptedModel(script=[lambda prompt: text(answers(str(prompt[-1].text)))])

    def say(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("model", say)
    builder.add_edge(START, "model")
    builder.add_edge("model", END)
    return builder.compile()


writer = agent_that(lambda prompt: f"Did you know? {prompt.partition('from: ')[2]} So come and see.")
editor = agent_that(lambda prompt: re.sub(r"Did you know\? ", "", prompt.partition("text:\n")[2]))
runner = TaskRunner({"writer": writer, "editor": editor}, secrets={"library": "a card that nobody sees"})


@runner.handler("fetch")
async def fetch(context: HandlerContext, topic: str, card: str) -> str:
    """Look something up: a plain function, that needs no model. It may run more than once."""
    assert card == "a card that nobody sees"
    return f"The {topic} was built in 1927."


plan = Plan("article")
plan.step("facts", handler="fetch", args={"topic": "{{ input.topic }}", "card": "{{ secrets.library }}"})
plan.task("draft", prompt="Write about the {{ input.topic }} from: {{ tasks.facts }}")
plan.task("article", agent="editor", prompt="Shorten this text:\n{{ tasks.draft }}")


async def main() -> None:
    """Run the plan, then ask for the same run again: nothing is done twice."""
    async with runner:
        run = await runner.run_plan(plan, {"topic": "lighthouse"})
        for name, task in (await run.wait()).items():
            print(f"{name}, {task.state}: {task.result}")

        again = await runner.run_plan(plan, {"topic": "lighthouse"}, run_id=run.run_id)
        attempts = {name: task.attempt for name, task in (await again.wait()).items()}
        print(f"attempts after the second call: {attempts}")


asyncio.run(main())
