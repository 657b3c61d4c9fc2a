"""A process that works on the tasks of one file until it is killed: `worker_process.py FILE EFFECTS LEASE SWEEP`.

It prints a line when it has begun. Each node of its agents adds a line of JSON to the file of effects: the task, the
node, the fence under which it runs, and the process.
"""

from __future__ import annotations

import asyncio
import json
import operator
import os
import re
import sys
from typing import Annotated, Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.config import get_config
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from langwire.tasks import SQLiteTaskStore, TaskPolicy, TaskRunner
from langwire.tasks.context import origin_of
from langwire.tasks.task import Retry
from langwire.tasks.tools import TASK_TOOLS
from langwire.testing import ScriptedModel, tool_call, tool_calls

WORK = 0.02
"""Seconds that a node works."""


class Steps(MessagesState):
    """What an agent knows, with the nodes that have finished."""

    finished: Annotated[list[str], operator.add]


class Effects:
    """The file of effects; a line is written whole, whoever else writes."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, node: str) -> None:
        origin = origin_of(get_config())
        assert origin is not None
        assert origin.task is not None
        line = json.dumps([origin.task.id, node, origin.task.fence, os.getpid()])
        os.write(self._file, f"{line}\n".encode())

    def node(self, name: str, *, asks: bool = False) -> Any:
        """A node that leaves its effect, and asks a person before, if it is to."""

        async def work(state: Steps) -> Any:
            answer = interrupt("go on?") if asks else "done"
            self.add(name)
            await asyncio.sleep(WORK)
            return {"messages": [AIMessage(f"{name}: {answer}")], "finished": [name]}

        return work


def steps(effects: Effects, *, asks: bool = False) -> Any:
    """Three nodes, the second of which asks a person, or not."""
    builder = StateGraph(Steps)
    for name, asking in (("a", False), ("b", asks), ("c", False)):
        builder.add_node(name, effects.node(name, asks=asking))
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    builder.add_edge("c", END)
    return builder.compile()


def lead(effects: Effects) -> Any:
    """An agent that has two tasks done by others, and waits for them."""

    def start(messages: list[BaseMessage]) -> Any:
        return tool_calls(
            *(
                tool_call("start_async_task", {"description": f"part {part}", "agent": "steps"}, id=f"start_{part}")
                for part in range(2)
            )
        )

    def wait(messages: list[BaseMessage]) -> Any:
        told = "\n".join(message.text for message in messages if isinstance(message, ToolMessage))
        ids = list(dict.fromkeys(re.findall("[0-9a-f]{32}", told)))
        return tool_call("wait_for_tasks", {"task_ids": ids}, id="wait")

    model = ScriptedModel(script=[start, wait, "all parts are done"])

    async def say(state: Steps) -> Any:
        effects.add(f"say {sum(isinstance(message, AIMessage) for message in state['messages'])}")
        return {"messages": [await model.ainvoke(state["messages"])]}

    def then(state: Steps) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

    builder = StateGraph(Steps)
    builder.add_node("say", say)
    builder.add_node("tools", ToolNode(TASK_TOOLS))
    builder.add_edge(START, "say")
    builder.add_conditional_edges("say", then, ["tools", END])
    builder.add_edge("tools", "say")
    return builder.compile()


def runner_on(path: str, effects: str, lease: float, sweep: float) -> TaskRunner:
    """A runner that kills do not keep from ending its tasks: they may be tried very often."""
    file = Effects(effects)
    return TaskRunner(
        {"steps": steps(file), "asks": steps(file, asks=True), "lead": lead(file)},
        SQLiteTaskStore(path),
        policy=TaskPolicy(delegates={"lead": ["steps"]}),
        retry=Retry(max_attempts=1000),
        concurrency=4,
        lease=lease,
        sweep=sweep,
    )


async def main(path: str, effects: str, lease: float, sweep: float) -> None:
    async with runner_on(path, effects, lease, sweep):
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
