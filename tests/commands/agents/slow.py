"""Agents that take their time, so that things can happen meanwhile."""

import asyncio
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph

from langwire.testing.model import ScriptedModel

LINES = 60

_model = ScriptedModel(script=[lambda prompt: [f"line {number}\n\n" for number in range(1, LINES + 1)]], delay=0.1)


async def _speak(state: Any) -> Any:
    return {"messages": [await _model.ainvoke(state["messages"])]}


_graph: Any = StateGraph(MessagesState)
_graph.add_node("speak", _speak)
_graph.add_edge(START, "speak")
graph = _graph.compile()


_words = ScriptedModel(script=[["and ", "then"]])


async def _refuse_to_end(state: Any) -> Any:
    """What nobody can stop: code that takes no notice of it."""
    await _words.ainvoke(state["messages"])
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("I go on")  # noqa: T201


_deaf: Any = StateGraph(MessagesState)
_deaf.add_node("speak", _refuse_to_end)
_deaf.add_edge(START, "speak")
deaf = _deaf.compile()
