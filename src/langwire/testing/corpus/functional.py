"""Cases of the functional API: entrypoints and tasks in place of nodes and edges."""

# pyright: reportUnknownVariableType=false
from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.func import entrypoint, task

from langwire.testing.corpus._case import HELLO, Graph, Saver, case
from langwire.testing.corpus._parts import script
from langwire.testing.model import text


@case(input=3)
def functional_api(saver: Saver) -> Graph:
    """An entrypoint and its tasks, whose updates are bare numbers."""

    @task
    def double(x: int) -> int:
        return 2 * x

    @entrypoint(checkpointer=saver)
    def flow(x: int) -> dict[str, list[int]]:
        return {"doubled": [future.result() for future in [double(n) for n in range(x)]]}

    return flow


@case(input=HELLO["messages"])
def functional_messages(saver: Saver) -> Graph:
    """A model streams in a task of an entrypoint, and the entrypoint returns messages."""
    model = script(text("from ", "a task"))

    @task
    def ask(messages: Any) -> Any:
        return model.invoke(messages)

    @entrypoint(checkpointer=saver)
    def flow(messages: Any) -> Any:
        return {"messages": [ask(messages).result(), AIMessage("by hand", id="hand-1")]}

    return flow


@case(input="hello")
def functional_message(saver: Saver) -> Graph:
    """An entrypoint that returns one bare message."""
    model = script(text("bare ", "message"))

    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        return model.invoke(question)

    return flow
