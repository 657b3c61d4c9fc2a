"""Cases about plain conversation: how messages leave a node."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState
from langgraph.graph.message import add_messages
from langgraph.types import CachePolicy, Command
from pydantic import BaseModel

from langwire.testing.corpus._case import Graph, Next, Saver, case
from langwire.testing.corpus._parts import USAGE, chain, chat, graph_of, says, script
from langwire.testing.model import ScriptedModel, text


@case()
def plain_chat(saver: Saver) -> Graph:
    """A provider that cannot stream: one finished message, with usage."""
    hello = AIMessage("Hello there", id="ai-1", usage_metadata=USAGE)
    return chain(saver, chat=chat(ScriptedModel(script=[hello], streaming=False)))


@case()
def token_stream(saver: Saver) -> Graph:
    """Text in four pieces, then the finish reason, then usage in a chunk of its own."""
    return chain(saver, chat=chat(script(text("Hel", "lo", " wor", "ld", usage=USAGE))))


@case()
def long_answer(saver: Saver) -> Graph:
    """A finished node, then twenty pieces of text: somewhere to cancel."""
    words = text(*(f"w{n} " for n in range(20)))
    return chain(saver, ok=says(AIMessage("ok", id="ok-1")), chat=chat(script(words)))


@case()
def whitespace(saver: Saver) -> Graph:
    """Indentation, blank lines and a final newline, which belong to the text."""
    return chain(saver, chat=chat(script(text("    def f():\n", "\n", "        pass\n"))))


@case()
def handmade_messages(saver: Saver) -> Graph:
    """A node returns a human and an AI message that no model wrote and that have no ids."""
    return chain(saver, hand=says(HumanMessage("injected"), AIMessage("by hand")))


@case()
def loose_messages(saver: Saver) -> Graph:
    """A node returns messages as a dict, a pair and a bare string."""
    return chain(
        saver,
        loose=says({"role": "assistant", "content": "from a dict"}, ("ai", "from a pair"), "from a string"),
    )


@case()
def nothing_returned(saver: Saver) -> Graph:
    """A node returns None, the next one an empty dict."""
    return chain(saver, none=lambda _state: None, empty=lambda _state: {})


@case(
    input={
        "messages": [
            HumanMessage("first question", id="h-1"),
            AIMessage("first answer", id="a-1"),
            HumanMessage("second question", id="h-2"),
        ]
    }
)
def history_given(saver: Saver) -> Graph:
    """The input holds an earlier turn, which is not told again."""
    return chain(saver, chat=chat(script("unused", text("second ", "answer"))))


@case()
def said_again(saver: Saver) -> Graph:
    """A node returns the text that its model streamed in a new message, under another id."""
    model = script(text("told ", "twice"))
    return chain(saver, wrap=lambda state: {"messages": [AIMessage(str(model.invoke(state["messages"]).content))]})


class Answer(MessagesState):
    """State with an answer apart from the messages."""

    answer: str


@case()
def answer_elsewhere(saver: Saver) -> Graph:
    """A streamed answer that is kept under a key of its own and never becomes a message."""
    model = script(text("kept ", "apart"))
    return chain(saver, Answer, write=lambda state: {"answer": model.invoke(state["messages"]).content})


@case()
def nostream_tag(saver: Saver) -> Graph:
    """Two models in one node, one hidden from the messages mode by its tag."""
    hidden = script(text("hidden")).with_config(tags=["nostream"])
    seen = script(text("vis", "ible")).with_config(tags=["final"])

    def ask(state: MessagesState) -> dict[str, Any]:
        hidden.invoke(state["messages"])
        return {"messages": [seen.invoke(state["messages"])]}

    return chain(saver, node=ask)


@case()
def nostream_returned(saver: Saver) -> Graph:
    """A model hidden from the messages mode whose message reaches the state."""
    return chain(saver, node=chat(script(text("whis", "pered")).with_config(tags=["nostream"])))


@case(async_only=True)
def two_models_in_a_node(saver: Saver) -> Graph:
    """Two models stream at the same time in one node."""
    left, right = script(text("l1 ", "l2 ", "l3 ")), script(text("r1 ", "r2 ", "r3 "))

    async def both(state: MessagesState) -> dict[str, Any]:
        answers = await asyncio.gather(left.ainvoke(state["messages"]), right.ainvoke(state["messages"]))
        return {"messages": list(answers)}

    return chain(saver, both=both)


@case(async_only=True)
def async_only(saver: Saver) -> Graph:
    """A node that can only be awaited."""
    model = script(text("a", "wait"))

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return chain(saver, chat=ask)


@case()
def sync_node(saver: Saver) -> Graph:
    """A plain sync node, which an async run puts in a thread."""
    model = script(text("in a ", "thread"))
    return chain(saver, chat=lambda state: {"messages": [model.invoke(state["messages"])]})


@case()
def custom_writer(saver: Saver) -> Graph:
    """A node writes a dict, a string, a list, a pair and None to the custom stream."""

    def write(_state: MessagesState) -> dict[str, Any]:
        writer = get_stream_writer()
        for data in (
            {"type": "progress", "percent": 10},
            "plain string",
            [1, 2, 3],
            ("values", {"x": 1}),
            None,
        ):
            writer(data)
        return {"messages": [AIMessage("done", id="done-1")]}

    return chain(saver, node=write)


@case()
def command_goto(saver: Saver) -> Graph:
    """A node updates the state and chooses its successor with a Command."""

    def router(_state: MessagesState) -> Command[str]:
        return Command(goto="right", update={"messages": [AIMessage("routing", id="route-1")]})

    graph = graph_of(left=says(AIMessage("left")), right=says(AIMessage("right", id="right-1")))
    graph.add_node("router", router, destinations=("left", "right"))
    graph.add_edge(START, "router")
    return graph.compile(checkpointer=saver)


class Model(BaseModel):
    """State as a pydantic model."""

    messages: Annotated[list[AnyMessage], add_messages] = []
    count: int = 0


@case()
def pydantic_state(saver: Saver) -> Graph:
    """State that is a pydantic model, in the snapshots too."""
    model = script(text("typed ", "state"))
    return chain(saver, Model, chat=lambda state: {"messages": [model.invoke(state.messages)], "count": 1})


@dataclass
class Record:
    """State as a dataclass."""

    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list[AnyMessage])
    count: int = 0


@case()
def dataclass_state(saver: Saver) -> Graph:
    """State that is a dataclass, in the snapshots too."""
    model = script(text("plain ", "record"))
    return chain(saver, Record, chat=lambda state: {"messages": [model.invoke(state.messages)], "count": 1})


def _one_key(_state: Any) -> str:
    return "one key"


@case(ends=("complete", "complete"), resume=Next.REPEAT)
def cached_node(saver: Saver) -> Graph:
    """A node with a cache policy: run twice, the second time its messages come from the cache."""
    graph = graph_of()
    policy = CachePolicy(key_func=_one_key)
    graph.add_node("chat", chat(script(text("saved ", "words", id="saved-1"))), cache_policy=policy)
    graph.add_edge(START, "chat")
    return graph.compile(checkpointer=saver, cache=InMemoryCache())
