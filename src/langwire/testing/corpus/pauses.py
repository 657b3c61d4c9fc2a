"""Cases about questions: interrupts and breakpoints, and what happens when they are answered."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState
from langgraph.types import Interrupt, interrupt

from langwire.testing.corpus._case import Graph, Next, Saver, case
from langwire.testing.corpus._parts import chain, chat, fan, graph_of, loop, says, script
from langwire.testing.model import text, tool_call, tool_calls

ONCE = ("interrupted", "complete")


class Log(TypedDict):
    """State that only grows."""

    out: Annotated[list[str], operator.add]


EMPTY: dict[str, Any] = {"out": []}


def _all(value: Any) -> Callable[[Sequence[Interrupt]], Any]:
    """Answer every question with the same value."""
    return lambda interrupts: {question.id: value for question in interrupts}


def _first(value: Any) -> Callable[[Sequence[Interrupt]], Any]:
    """Answer one question, the first by its text, and leave the others open."""
    return lambda interrupts: {min(interrupts, key=lambda question: str(question.value)).id: value}


def _asks(question: str) -> Callable[[Any], Any]:
    return lambda _state: {"out": [f"{question} {interrupt({'ask': question})!r}"]}


@tool
def ask_human(question: str) -> str:
    """Ask a person."""
    return f"they said {interrupt({'question': question})}"


# ------------------------------------------------------------------ questions


def _confirms(saver: Saver) -> Graph:
    return chain(
        saver,
        before=says(AIMessage("before", id="before-1")),
        ask=lambda _state: {"messages": [AIMessage(f"answer={interrupt({'question': 'Proceed?'})!r}", id="answer-1")]},
    )


@case(ends=ONCE, resume=lambda _interrupts: "yes", pauses=True)
def interrupt_single(saver: Saver) -> Graph:
    """One question, answered with a bare value."""
    return _confirms(saver)


@case(ends=ONCE, resume=_all(None), pauses=True)
def answered_none(saver: Saver) -> Graph:
    """A question whose answer is None."""
    return _confirms(saver)


@case(ends=ONCE, resume=lambda _interrupts: False, pauses=True)
def answered_false(saver: Saver) -> Graph:
    """A question whose answer is False."""
    return _confirms(saver)


@case(ends=ONCE, resume=lambda _interrupts: 0, pauses=True)
def answered_zero(saver: Saver) -> Graph:
    """A question whose answer is 0."""
    return _confirms(saver)


@case(input=EMPTY, ends=ONCE, resume=lambda _interrupts: "text", pauses=True)
def interrupt_scalar(saver: Saver) -> Graph:
    """A question that is a bare string."""
    return chain(saver, Log, ask=lambda _state: {"out": [interrupt("Which colour?")]})


@case(input=EMPTY, ends=("interrupted",))
def interrupt_without_saver(_saver: Saver) -> Graph:
    """A question in a graph that has no checkpointer: it ends there and cannot be resumed."""
    return chain(None, Log, ask=_asks("who"))


@case(
    input=EMPTY,
    ends=ONCE,
    resume=lambda interrupts: {question.id: question.value["ask"].upper() for question in interrupts},
    pauses=True,
)
def interrupt_parallel(saver: Saver) -> Graph:
    """Two questions at once beside a node that finishes; both are answered by id."""
    return fan(saver, Log, a=_asks("a"), b=_asks("b"), free=lambda _state: {"out": ["free"]})


@case(input=EMPTY, ends=("interrupted", "interrupted", "complete"), resume=_first("one"), pauses=True)
def partial_resume(saver: Saver) -> Graph:
    """Two questions at once, answered one after the other."""
    return fan(saver, Log, a=_asks("a"), b=_asks("b"))


@case(input=EMPTY, ends=("interrupted", "interrupted", "complete"), resume=_first("go"), pauses=True)
def interrupt_twice(saver: Saver) -> Graph:
    """One node asks twice; older LangGraph gives both questions the same id."""
    return chain(saver, Log, ask=lambda _state: {"out": [interrupt("first?"), interrupt("second?")]})


@case(input=EMPTY, ends=ONCE, resume=_all("deep yes"), pauses=True)
def interrupt_in_subgraph(saver: Saver) -> Graph:
    """A question in a subgraph, which every level above repeats under the same id."""
    return chain(saver, Log, child=chain(None, Log, ask=_asks("inner")), after=lambda _state: {"out": ["after"]})


@case(ends=ONCE, resume=_all("Bob"), pauses=True)
def interrupt_in_tool(saver: Saver) -> Graph:
    """A tool asks a person before it answers."""
    return loop(saver, script(tool_call("ask_human", {"question": "who?"}), text("than", "ks")), [ask_human])


@case(ends=ONCE, resume=_all("Bob"), pauses=True)
def interrupt_in_parallel_tools(saver: Saver) -> Graph:
    """Two calls, each a task of its own, ask at the same time."""
    step = tool_calls(
        tool_call("ask_human", {"question": "who?"}, id="call_a"),
        tool_call("ask_human", {"question": "when?"}, id="call_b"),
    )
    return loop(saver, script(step, text("than", "ks")), [ask_human], apart=True)


@case(ends=ONCE, resume=_all("yes"), pauses=True)
def interrupt_after_text(saver: Saver) -> Graph:
    """A node streams, then asks; when it is resumed its model streams the same again under another id."""
    model = script(text("Shall ", "I?"))

    def ask(state: MessagesState) -> dict[str, Any]:
        question = model.invoke(state["messages"])
        return {"messages": [question, AIMessage(f"answer={interrupt('Shall I?')}")]}

    return chain(saver, ask=ask)


@case(ends=ONCE, resume=_all("yes"), pauses=True)
def replayed_sibling(saver: Saver) -> Graph:
    """A model streams beside a question: on resume its message is replayed, not said again."""
    return fan(
        saver,
        talk=chat(script(text("mean", "while"))),
        ask=lambda _state: {"messages": [AIMessage(f"answer={interrupt('Proceed?')}", id="answer-1")]},
    )


@case(ends=("interrupted", "interrupted"), resume=Next.REPEAT, pauses=True)
def question_dropped(saver: Saver) -> Graph:
    """New input instead of an answer: the question is dropped and asked anew."""
    return _confirms(saver)


@case(input=EMPTY, ends=("error", "error"), resume=Next.CONTINUE, pauses=True)
def error_while_waiting(saver: Saver) -> Graph:
    """One branch asks while another one fails."""

    def fail(_state: Log) -> None:
        raise RuntimeError("this branch fails")

    # Two steps, so that the question is always asked first.
    slower = chain(None, Log, look=lambda _state: None, fail=fail)
    return fan(saver, Log, ask=_asks("who"), fail=slower)


# ------------------------------------------------------------------ breakpoints


def _two_steps(saver: Saver, **stops: list[str]) -> Graph:
    graph = graph_of(Log, one=lambda _state: {"out": ["one"]}, two=lambda _state: {"out": ["two"]})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    return graph.compile(checkpointer=saver, **stops)


@case(input=EMPTY, ends=ONCE, resume=Next.CONTINUE, pauses=True)
def breakpoint_before(saver: Saver) -> Graph:
    """A static breakpoint before a node."""
    return _two_steps(saver, interrupt_before=["two"])


@case(input=EMPTY, ends=ONCE, resume=Next.CONTINUE, pauses=True)
def breakpoint_after(saver: Saver) -> Graph:
    """A static breakpoint after a node."""
    return _two_steps(saver, interrupt_after=["one"])


@case(input=EMPTY, pauses=True)
def breakpoint_after_last(saver: Saver) -> Graph:
    """A static breakpoint after the last node: the stream says so, but nothing is left to do."""
    return _two_steps(saver, interrupt_after=["two"])
