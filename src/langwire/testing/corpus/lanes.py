"""Cases about lanes: subgraphs, fan-outs, handoffs and things that run side by side."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import InjectedToolCallId, StructuredTool, tool
from langgraph.graph import START, MessagesState
from langgraph.types import Command, Send

from langwire.testing.corpus._case import Graph, Saver, case
from langwire.testing.corpus._parts import chain, chat, fan, get_weather, graph_of, loop, says, script
from langwire.testing.model import text, tool_call, tool_calls


def _child(*words: str) -> Any:
    """A subgraph whose one node streams these words."""
    return chain(inner=chat(script(text(*words))))


@case()
def subgraph(saver: Saver) -> Graph:
    """A subgraph as a node: its update in the parent repeats every message."""
    return chain(saver, before=says(AIMessage("before", id="before-1")), child=_child("sub ", "says hi"))


@case()
def subgraph_deep(saver: Saver) -> Graph:
    """A subgraph in a subgraph."""
    leaf = chain(leaf=chat(script(text("from ", "below"))))
    return chain(saver, child=chain(middle=leaf, after=says(AIMessage("half way up", id="mid-1"))))


@case()
def subgraph_twice(saver: Saver) -> Graph:
    """The same subgraph as two nodes, one after the other."""
    child = chain(inner=chat(script(text("said ", "once"), text("said ", "twice"))))
    return chain(saver, first=child, second=child)


@case()
def graph_in_a_node(saver: Saver) -> Graph:
    """A node calls a graph as a function and hands on its last message."""
    return chain(saver, outer=_called(_child("called ", "inside")))


@case()
def graph_in_a_tool(saver: Saver) -> Graph:
    """Two calls run in parallel, each a graph that calls a tool of its own under the same call id."""
    child: Any = loop(
        None,
        script(tool_call("get_weather", {"city": "Bern"}, id="call_sub"), text("Bern ", "is sunny")),
        [get_weather],
    )

    def research(about: str) -> str:
        """Look something up."""
        return str(child.invoke({"messages": [("user", about)]})["messages"][-1].text)

    async def aresearch(about: str) -> str:
        result = await child.ainvoke({"messages": [("user", about)]})
        return str(result["messages"][-1].text)

    step = tool_calls(
        tool_call("research", {"about": "Bern"}, id="call_a"),
        tool_call("research", {"about": "Bern too"}, id="call_b"),
    )
    delegate = StructuredTool.from_function(research, aresearch)
    return loop(saver, script(step, text("All ", "done")), [delegate], apart=True)


@case()
def handoff_to_parent(saver: Saver) -> Graph:
    """A tool in a subgraph hands over to a node of the parent: the child gets no end, its call no answer there."""

    @tool
    def hand_to_bob(tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[str]:
        """Hand over to Bob."""
        done = ToolMessage("handed to bob", tool_call_id=tool_call_id, name="hand_to_bob", id="handoff-1")
        return Command(goto="bob", graph=Command.PARENT, update={"messages": [done]})

    graph = graph_of(bob=chat(script("unused", text("Bob ", "here"))))
    graph.add_node(
        "alice",
        loop(None, script(tool_call("hand_to_bob", id="call_h")), [hand_to_bob]),
        destinations=("bob",),
    )
    graph.add_edge(START, "alice")
    return graph.compile(checkpointer=saver)


@case()
def node_handoff(saver: Saver) -> Graph:
    """A node of a subgraph leaves it with `Command(graph=Command.PARENT)` and a message."""

    def leave(_state: MessagesState) -> Command[str]:
        return Command(goto="next", graph=Command.PARENT, update={"messages": [AIMessage("leaving", id="leave-1")]})

    graph = graph_of(next=says(AIMessage("arrived", id="arrive-1")))
    graph.add_node("child", chain(leave=leave), destinations=("next",))
    graph.add_edge(START, "child")
    return graph.compile(checkpointer=saver)


class Work(TypedDict):
    """State of a fan-out."""

    items: list[str]
    out: Annotated[list[str], operator.add]


@case(input={"items": [], "out": []})
def send_fanout(saver: Saver) -> Graph:
    """Three tasks of one node by `Send`, then a join."""

    def each(state: Work) -> list[Send]:
        return [Send("work", {"item": item}) for item in state["items"]]

    graph = graph_of(
        Work,
        plan=lambda _state: {"items": ["a", "b", "c"]},
        work=lambda state: {"out": [state["item"].upper()]},
        join=lambda _state: {"out": ["joined"]},
    )
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", each, ["work"])
    graph.add_edge("work", "join")
    return graph.compile(checkpointer=saver)


@case()
def send_models(saver: Saver) -> Graph:
    """Three tasks of one node by `Send`, each with a model that streams."""

    def each(_state: MessagesState) -> list[Send]:
        return [Send("work", {"messages": [("user", word)]}) for word in ("a", "b", "c")]

    graph = graph_of(work=chat(script(lambda prompt: text("about ", prompt[-1].text))))
    graph.add_conditional_edges(START, each, ["work"])
    return graph.compile(checkpointer=saver)


@case()
def parallel_streams(saver: Saver) -> Graph:
    """Two nodes side by side, both streaming; in an async run their chunks take turns."""
    return fan(saver, left=chat(script(text("l1 ", "l2 ", "l3"))), right=chat(script(text("r1 ", "r2 ", "r3"))))


@case()
def parallel_same_ids(saver: Saver) -> Graph:
    """Two subgraphs side by side whose models use the same message id: the state keeps one of them."""
    left, right = (chain(inner=chat(script(text(word, "!", id="fixed-1")))) for word in ("left", "right"))
    return fan(saver, left=left, right=right)


@case()
def parallel_subgraphs(saver: Saver) -> Graph:
    """The same subgraph twice side by side, its chunks taking turns."""
    child = _child("one ", "of ", "two")
    return fan(saver, a=_called(child), b=_called(child))


def _called(child: Any) -> Runnable[Any, Any]:
    """A node function that runs the graph and hands on its last message: it nests as a subgraph does."""

    def run(state: Any) -> dict[str, Any]:
        return {"messages": child.invoke(state)["messages"][-1:]}

    async def run_async(state: Any) -> dict[str, Any]:
        return {"messages": (await child.ainvoke(state))["messages"][-1:]}

    return RunnableLambda(run, run_async)
