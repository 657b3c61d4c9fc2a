"""Lets an agent hand three tasks to copies of itself, one of which asks a person, and tells each task as it changes.

    python examples/delegate.py [tasks.db]

The tasks are kept in that file, or in one that is thrown away. Where there is a terminal, you are the person; while it
waits for you, `langwire tasks list --db tasks.db` shows the same tasks from another one.
"""

import asyncio
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt

from langwire import approve, reject
from langwire.events import Action, TaskUpdate
from langwire.tasks import TASK_TOOLS, SQLiteTaskStore, Task, TaskRunner
from langwire.testing import ScriptedModel, text, tool_call, tool_calls

# ------------------------------------------------------------------ an agent, on a model that follows a script


@tool
def count_words(words: str) -> str:
    """Count the words of a text."""
    return f"{len(words.split())} words"


@tool
def publish(title: str) -> str:
    """Publish an article, once a person has allowed it."""
    question = {
        "action_requests": [{"name": "publish", "args": {"title": title}}],
        "review_configs": [{"action_name": "publish", "allowed_decisions": ["approve", "reject"]}],
    }
    (decision,) = interrupt(question)["decisions"]
    return f"{title} is out" if decision["type"] == "approve" else f"{title} stays in the drawer"


TASKS = {
    "Count the headline": "Count the words of: Harbour opens again",
    "Count the teaser": "Count the words of: The first ferry leaves on Monday at six",
    "Publish it": "Publish the article: Harbour opens again",
}


def think(prompt: list[AnyMessage]) -> Any:
    """Say what a model would: delegate the whole, wait for the parts, and do a part at once."""
    asked, last = str(prompt[0].text), prompt[-1]
    started = [match[1] for message in prompt if (match := re.match(r"Task (\w+) .*is started", str(message.text)))]
    if isinstance(last, ToolMessage) and last.name == "start_async_task":
        return tool_call("wait_for_tasks", {"task_ids": started}, id="wait")
    if isinstance(last, ToolMessage) and last.name == "wait_for_tasks":
        return text("All is done: ", ", ".join(re.findall(r"Result:\n(.+)", last.text)))
    if isinstance(last, ToolMessage):
        return text(last.text)
    if asked.startswith("Count"):
        return tool_call("count_words", {"words": asked.partition(": ")[2]}, id="count")
    if asked.startswith("Publish"):
        return tool_call("publish", {"title": asked.partition(": ")[2]}, id="publish")
    calls = [
        tool_call("start_async_task", {"title": title, "description": description}, id=title)
        for title, description in TASKS.items()
    ]
    return tool_calls(*calls)


model = ScriptedModel(script=[think])
builder = StateGraph(MessagesState)
builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
builder.add_node("tools", ToolNode([count_words, publish, *TASK_TOOLS]))  # all that an agent needs to delegate
builder.add_edge(START, "model")
builder.add_conditional_edges("model", tools_condition)
builder.add_edge("tools", "model")
agent = builder.compile()

# ------------------------------------------------------------------ working on tasks


def decide(action: Action) -> Any:
    """Ask whoever is at the terminal; where nobody is, the news may go out."""
    if sys.stdin is None or not sys.stdin.isatty():  # none at all where it was closed
        print(f"    {action.name} {action.args}: approved by rule")
        return approve()
    said = input(f"    {action.name} {action.args}? [y/n] ")
    return approve() if said.strip().lower().startswith("y") else reject("not today")


async def answer(runner: TaskRunner, task: Task) -> None:
    """Answer what a task asks, once those beside it are at rest: to wait for the keyboard holds nothing up then."""
    await runner.gather([sibling.id for sibling in await runner.children(str(task.spec.parent_id))])
    answers = {question.id: [decide(action) for action in question.actions] for question in task.interrupts}
    await runner.resume(task.id, answers)


async def main(path: Path) -> None:
    """Work until the task at the top has ended."""
    async with TaskRunner({"reporter": agent}, SQLiteTaskStore(path)) as runner:
        top = await runner.enqueue("Prepare the news about the harbour", title="The news")
        async for entry in runner.events(top, follow=True):
            if isinstance(entry.event, TaskUpdate):
                changed = entry.event
                print(f"{'' if changed.task_id == top else '  '}{changed.title}: {changed.state}")
                if changed.state == "review_needed":
                    await answer(runner, await runner.get(changed.task_id))
        for child in await runner.children(top):
            print(f"\n{child.title}, {child.state} in attempt {child.attempt}: {child.result}")
        print(f"\n{(await runner.get(top)).result}")


with TemporaryDirectory() as folder:
    asyncio.run(main(Path(sys.argv[1]) if sys.argv[1:] else Path(folder) / "tasks.db"))
