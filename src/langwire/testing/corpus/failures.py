"""Cases about things that go wrong, and about second attempts."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy

from langwire.testing.corpus._case import Graph, Next, Saver, case
from langwire.testing.corpus._parts import always_fails, chain, chat, fan, graph_of, loop, says, script
from langwire.testing.model import text, tool_call

DIED = RuntimeError("the model died")


@case(ends=("error",))
def error_before_token(saver: Saver) -> Graph:
    """A model fails before it says anything."""
    return chain(saver, ok=says(AIMessage("ok", id="ok-1")), chat=chat(script(DIED)))


@case(ends=("error", "error"), resume=Next.CONTINUE, pauses=True)
def error_mid_stream(saver: Saver) -> Graph:
    """A model dies in the middle of its text; going on tries the node again."""
    return chain(saver, ok=says(AIMessage("ok", id="ok-1")), chat=chat(script(["par", "tial", DIED])))


@case(ends=("error",))
def error_in_a_call(saver: Saver) -> Graph:
    """A model dies in the middle of a tool call's arguments."""
    call = tool_call("always_fails", ['{"wha'])[:-1]
    return loop(saver, script(["Let me. ", *call, DIED]), [always_fails])


@case(ends=("error",))
def error_after_text(saver: Saver) -> Graph:
    """A node fails after its model has finished."""
    model = script(text("all ", "said"))

    def fail(state: MessagesState) -> None:
        model.invoke(state["messages"])
        raise ValueError("cannot keep this answer")

    return chain(saver, chat=fail)


# Run sync under load, LangGraph's executor can lose the callback of the sibling and wait for ever.
@case(ends=("error", "error"), resume=Next.CONTINUE, pauses=True, async_only=True)
def error_beside_sibling(saver: Saver) -> Graph:
    """One branch fails while its sibling finishes; going on replays the one and tries the other again."""

    def fail(_state: MessagesState) -> None:
        raise RuntimeError("this branch fails")

    # Two steps, so that the sibling with its one is always done first.
    slower = chain(look=lambda _state: None, fail=fail)
    return fan(saver, good=says(AIMessage("good", id="good-1")), bad=slower)


@case(ends=("error",))
def error_in_subgraph(saver: Saver) -> Graph:
    """A model dies in a subgraph."""
    return chain(saver, child=chain(inner=chat(script(["deep ", DIED]))))


@case(ends=("error",))
def tool_raises(saver: Saver) -> Graph:
    """A tool raises and nobody catches it: its call stays open."""
    return loop(saver, script(tool_call("always_fails", {"what": "it"})), [always_fails], handle_tool_errors=False)


@case(ends=("error",))
def endless_loop(saver: Saver) -> Graph:
    """A graph that never ends runs into the recursion limit."""
    graph = graph_of(again=says(AIMessage("again")))
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")
    return graph.compile(checkpointer=saver).with_config(recursion_limit=3)


@case()
def retried(saver: Saver) -> Graph:
    """A model dies in the middle of its text; the node is tried again and the first message discarded."""
    dies, lives = script(["first ", "try", DIED]), script(text("second ", "try"))

    def ask(state: MessagesState, runtime: Runtime[Any]) -> dict[str, Any]:
        first = runtime.execution_info is None or runtime.execution_info.node_attempt == 1
        return {"messages": [(dies if first else lives).invoke(state["messages"])]}

    graph = graph_of()
    at_once = RetryPolicy(initial_interval=0, jitter=False, retry_on=RuntimeError)
    graph.add_node("chat", ask, retry_policy=at_once)
    graph.add_edge(START, "chat")
    return graph.compile(checkpointer=saver)


@case()
def fallback(saver: Saver) -> Graph:
    """A model dies in the middle of its text and another one answers in the same node."""
    model = script(["first ", "model", DIED]).with_fallbacks([script(text("second ", "model"))])
    return chain(saver, chat=chat(model))
