"""Agents that tests delegate to: real compiled graphs, each of which shows one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt


def graph_of(*nodes: tuple[str, Callable[..., Any]], **options: Any) -> Any:
    """A graph that runs these nodes one after the other."""
    builder = StateGraph(MessagesState)
    before = START
    for name, node in nodes:
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile(**options)


def said(state: MessagesState) -> str:
    """What the person said last."""
    return next(message.text for message in reversed(state["messages"]) if message.type == "human")


def echo(**options: Any) -> Any:
    """Says what it hears."""
    return graph_of(("echo", lambda state: {"messages": [AIMessage(f"echo {said(state)}")]}), **options)


def asks(question: Any = "may I?") -> Any:
    """Asks a person before it answers."""

    def ask(state: MessagesState) -> Any:
        return {"messages": [AIMessage(f"answered: {interrupt(question)}")]}

    return graph_of(("ask", ask))


class Gate:
    """An agent that waits until it is let through, and says that it has begun."""

    def __init__(self) -> None:
        self.begun, self.let_through = asyncio.Event(), asyncio.Event()
        self.runs = 0
        self.at_once = self.peak = 0
        self.agent = graph_of(("gate", self._gate))

    async def _gate(self, state: MessagesState) -> Any:
        self.runs += 1
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        self.begun.set()
        try:
            await self.let_through.wait()
        finally:
            self.at_once -= 1
        return {"messages": [AIMessage(f"through: {said(state)}")]}


class Flaky:
    """An agent that fails as often as it is told to."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.left, self.error = failures, error
        self.runs = 0
        self.agent = graph_of(("before", self._before), ("flaky", self._flaky))
        self.befores = 0

    def _before(self, state: MessagesState) -> Any:
        self.befores += 1
        return {}

    def _flaky(self, state: MessagesState) -> Any:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise self.error("hunter2 is not for everybody")
        return {"messages": [AIMessage("at last")]}
