"""Knows the graph of the demo agents: a loop of model and tools, with a person between the two where one is to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel
from langgraph.types import Send

from langwire.adapters.agui.frontend_tools import awrap_client_call, wrap_client_call
from langwire.demo.conversation import Pieces, Prompt
from langwire.testing.model import ScriptedModel

Graph: TypeAlias = Pregel[Any, Any, Any, Any]
Node: TypeAlias = Callable[[Any], dict[str, Any]]

DELAY = 0.015
"""Pause between two pieces of an answer, in seconds: short, but long enough to watch them come."""


class PlannedState(MessagesState):
    """Messages and a list of things to do."""

    todos: list[dict[str, str]]


def model_of(answer: Callable[[Prompt], Pieces], delay: float) -> ScriptedModel:
    """Make a model that answers each prompt with what a function says, `delay` seconds between its pieces."""
    return ScriptedModel(script=[answer], delay=delay)


def agent_of(
    name: str,
    model: ScriptedModel,
    tools: Sequence[BaseTool],
    *,
    state: Any = MessagesState,
    checkpointer: Any = None,
    review: Node | None = None,
    closing: Node | None = None,
) -> Graph:
    """Compile the loop of model and tools; each call is a task of its own, which gives delegated work its own lane.

    `review` is a node that looks at the calls before they are made, and may answer some of them; `closing` one that
    comes last. A call of a tool that the client brought waits for the client.
    """

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def think_async(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def route(state: Any) -> Any:
        return _next(state["messages"], last)

    last = END if closing is None else "closing"
    graph: Any = StateGraph(state)
    graph.add_node("model", RunnableLambda(think, think_async))
    runner = ToolNode(
        tools, handle_tool_errors=_explain, wrap_tool_call=wrap_client_call, awrap_tool_call=awrap_client_call
    )
    graph.add_node("tools", runner)
    graph.add_edge(START, "model")
    if review is not None:
        graph.add_node("review", review)
        graph.add_edge("model", "review")
    if closing is not None:
        graph.add_node("closing", closing)
        graph.add_edge("closing", END)
    decided = "model" if review is None else "review"
    graph.add_conditional_edges(decided, route, ["model", "tools", last])
    graph.add_edge("tools", "model")
    # The key under which LangChain's own agents say their name.
    return graph.compile(checkpointer=checkpointer, name=name).with_config(metadata={"lc_agent_name": name})


def _next(messages: list[BaseMessage], last: str) -> Any:
    """Where to go from what the model said: to each call that has no result, back to the model, or to the end."""
    at = max(at for at, message in enumerate(messages) if isinstance(message, AIMessage))
    calls = cast(AIMessage, messages[at]).tool_calls
    answered = {message.tool_call_id for message in messages[at:] if isinstance(message, ToolMessage)}
    waiting = [Send("tools", [call]) for call in calls if call["id"] not in answered]
    return waiting or ("model" if calls else last)


def _explain(error: Exception) -> str:
    if isinstance(error, GraphBubbleUp):  # LangGraph 1.1 hands over a pause too, where the calls are wrapped
        raise error
    return f"That did not work: {error}"
