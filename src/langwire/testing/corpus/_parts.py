"""The few graph skeletons, nodes and tools that the cases are put together from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from langwire.testing.corpus._case import Graph, Saver
from langwire.testing.model import ScriptedModel, Step

Node: TypeAlias = Callable[[Any], Any] | Runnable[Any, Any]
Model: TypeAlias = BaseChatModel | Runnable[Any, Any]

USAGE: Any = {
    "input_tokens": 12,
    "output_tokens": 5,
    "total_tokens": 17,
    "input_token_details": {"cache_read": 8},
    "output_token_details": {"reasoning": 2},
}


# ------------------------------------------------------------------ nodes


def script(*steps: Step) -> ScriptedModel:
    """Make a model that streams these steps."""
    return ScriptedModel(script=steps)


def chat(model: Model) -> Runnable[Any, Any]:
    """Make a node that asks the model, awaited in an async run."""

    def ask(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def ask_async(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return RunnableLambda(ask, ask_async)


def says(*messages: Any) -> Node:
    """Make a node that returns these messages; copies, since LangGraph writes ids into them."""

    def say(state: Any) -> dict[str, Any]:
        return {"messages": [_copy(message) for message in messages]}

    return say


def _copy(message: Any) -> Any:
    return message.model_copy(deep=True) if isinstance(message, BaseMessage) else message


def chunk(content: Any = "", **fields: Any) -> AIMessageChunk:
    """Make one chunk; a dict as content is its only block."""
    return AIMessageChunk(content=[content] if isinstance(content, dict) else content, **fields)


def fragment(args: str = "", *, name: str | None = None, id: str | None = None, index: int | None = 0) -> ToolCallChunk:
    """Make one piece of a tool call."""
    return tool_call_chunk(name=name, args=args, id=id, index=index)


# ------------------------------------------------------------------ graphs


def graph_of(state: Any = MessagesState, **nodes: Node) -> Any:
    """Make a graph of these nodes, without edges; untyped, since LangGraph types its builder only in part."""
    graph: Any = StateGraph(state)
    for name, node in nodes.items():
        graph.add_node(name, node)
    return graph


def chain(saver: Saver = None, state: Any = MessagesState, **nodes: Node) -> Graph:
    """Compile a graph that runs the nodes one after the other."""
    graph = graph_of(state, **nodes)
    for pair in pairwise((START, *nodes)):
        graph.add_edge(*pair)
    return graph.compile(checkpointer=saver)


def fan(saver: Saver = None, state: Any = MessagesState, **nodes: Node) -> Graph:
    """Compile a graph that runs the nodes side by side."""
    graph = graph_of(state, **nodes)
    for name in nodes:
        graph.add_edge(START, name)
    return graph.compile(checkpointer=saver)


def loop(
    saver: Saver,
    model: Model,
    tools: Sequence[BaseTool],
    *,
    apart: bool = False,
    handle_tool_errors: bool = True,
) -> Graph:
    """Compile an agent and its tools. `apart` runs each call as a task of its own, as `create_agent` does."""

    def route(state: Any) -> Any:
        calls = cast(AIMessage, state["messages"][-1]).tool_calls
        if apart:
            return [Send("tools", [call]) for call in calls] or END
        return "tools" if calls else END

    graph = graph_of(agent=chat(model), tools=ToolNode(tools, handle_tool_errors=handle_tool_errors))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", route, ["tools", END])
    graph.add_edge("tools", "agent")
    return graph.compile(checkpointer=saver)


# ------------------------------------------------------------------ tools


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def always_fails(what: str) -> str:
    """Fail, whatever it is given."""
    raise ValueError(f"cannot do {what}")
