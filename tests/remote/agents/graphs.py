"""Knows how the graphs of the remote tests are built: `served` has them for the server, `here` for this process."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire.testing import ScriptedModel, reasoning, text, tool_call, tool_calls, usage


def here(name: str) -> Any:
    """Return a graph that runs in this process, with threads of its own."""
    return BUILDERS[name](InMemorySaver())


def chain(saver: Any, state: type, **nodes: Any) -> Any:
    """A graph that runs its nodes one after the other."""
    builder: Any = StateGraph(state)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.compile(checkpointer=saver)


def saying(*script: Any) -> Callable[[Any], dict[str, Any]]:
    model = ScriptedModel(script=script)
    return lambda state: {"messages": [model.invoke(state["messages"])]}


# ------------------------------------------------------------------ chats


def echo(prompt: list[BaseMessage]) -> Any:
    return [*reasoning("Hm", "."), *text("You said ", prompt[-1].text, ".", usage=usage(7, 5, cache_read=2))]


def chat_node(state: MessagesState) -> dict[str, Any]:
    get_stream_writer()({"step": "asking"})
    return saying(echo)(state)


def chat(saver: Any = None) -> Any:
    return chain(saver, MessagesState, chat=chat_node)


def two_steps(saver: Any = None) -> Any:
    """A graph to stop between its nodes."""
    return chain(saver, MessagesState, one=saying(text("one")), two=saying(text("one"), text("two")))


def nested(saver: Any = None) -> Any:
    """A chat inside a graph inside a graph."""
    middle = chain(None, MessagesState, inner=chat())
    return chain(saver, MessagesState, child=middle, after=saying(text("-"), text("after")))


def failing(saver: Any = None) -> Any:
    async def fail(state: MessagesState) -> None:
        await ScriptedModel(script=[text("half an ans")]).ainvoke(state["messages"])
        raise RuntimeError("the node died of a secret")

    return chain(saver, MessagesState, fail=fail)


def endless(saver: Any = None) -> Any:
    """A graph that says something, and never comes back."""

    async def work(state: MessagesState) -> None:
        await ScriptedModel(script=[text("working")]).ainvoke(state["messages"])
        await asyncio.Event().wait()

    return chain(saver, MessagesState, work=work)


def lingering(saver: Any = None) -> Any:
    """A graph that waits when it is told to, and when stopped goes on until somebody says something else."""
    waiting, free = 0, asyncio.Event()

    async def work(state: MessagesState) -> dict[str, Any]:
        nonlocal waiting
        if state["messages"][-1].text == "wait":
            waiting += 1
            try:
                await ScriptedModel(script=[text("working")]).ainvoke(state["messages"])
                await asyncio.Event().wait()
            finally:
                await free.wait()
                waiting -= 1
        free.set()
        return {"messages": [await ScriptedModel(script=[text(f"{waiting} at work")]).ainvoke(state["messages"])]}

    return chain(saver, MessagesState, work=work)


# ------------------------------------------------------------------ tools


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


@tool
def send(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


def agent(saver: Any = None) -> Any:
    """One call whose arguments stream, and one that fails."""
    calls = tool_calls(
        tool_call("weather", ['{"city": ', '"Rome"}'], id="c1"),
        tool_call("weather", {"town": "Oslo"}, id="c2"),
        usage=usage(11, 3),
    )
    model = ScriptedModel(script=[calls, text("Sunny", " in Rome.", usage=usage(20, 4))])
    return create_agent(model, tools=[weather], checkpointer=saver, name="forecaster")


def approval(saver: Any = None) -> Any:
    """Two calls that a person has to approve, asked about at once."""
    calls = tool_calls(tool_call("send", {"to": "Ann"}, id="c1"), tool_call("send", {"to": "Bob"}, id="c2"))
    asking = HumanInTheLoopMiddleware(interrupt_on={"send": True})
    return create_agent(
        ScriptedModel(script=[calls, text("Done.")]), tools=[send], middleware=[asking], checkpointer=saver
    )


# ------------------------------------------------------------------ questions


class Answers(MessagesState):
    answers: Annotated[list[Any], operator.add]


def asking(saver: Any, *names: str) -> Any:
    """Each node asks its own question, all at once."""
    builder: Any = StateGraph(Answers)
    for name in names:
        builder.add_node(name, lambda _state, name=name: {"answers": [interrupt({"which": name})]})
        builder.add_edge(START, name)
    return builder.compile(checkpointer=saver)


def question(saver: Any = None) -> Any:
    return asking(saver, "colour")


def questions(saver: Any = None) -> Any:
    return asking(saver, "colour", "size")


# ------------------------------------------------------------------ other inputs


class Number(TypedDict):
    number: int


def doubling(saver: Any = None) -> Any:
    """A graph whose input is no message."""
    return chain(saver, Number, double=lambda state: {"number": 2 * state["number"]})


def shouting(saver: Any = None) -> Any:
    """A function that takes a text, in the functional API."""

    @entrypoint(checkpointer=saver)
    def shout(words: str) -> str:
        return words.upper()

    return shout


BUILDERS: dict[str, Callable[..., Any]] = {
    build.__name__: build
    for build in (
        chat,
        two_steps,
        nested,
        failing,
        endless,
        lingering,
        agent,
        approval,
        question,
        questions,
        doubling,
        shouting,
    )
}
