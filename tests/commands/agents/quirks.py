"""Agents for the command line's tests: each does one thing that agents do, or should not do."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire.testing.model import ScriptedModel, text

print("printed at import")  # noqa: T201


def _compiled(*nodes: Any, keeps: bool = False, **options: Any) -> Any:
    """A graph whose nodes all begin at once."""
    graph: Any = StateGraph(MessagesState)
    for number, node in enumerate(nodes):
        graph.add_node(f"node{number}", node)
        graph.add_edge(START, f"node{number}")
    return graph.compile(checkpointer=InMemorySaver() if keeps else None, **options)


def _says(words: str) -> Callable[[Any], Any]:
    return lambda _state: {"messages": [AIMessage(words)]}


def _asks(value: Any) -> Callable[[Any], Any]:
    return lambda _state: {"messages": [AIMessage(f"got {interrupt(value)!r}")]}


def _raises(error: BaseException) -> Callable[[Any], Any]:
    def fail(_state: Any) -> NoReturn:
        raise error

    return fail


# ------------------------------------------------------------------ answers

silent = _compiled(lambda _state: {})
empty = _compiled(_says(""))
german = _compiled(_says("Grüße → 你好 \x1b[31m"))
long = _compiled(_says("ü" * 1_000_000))


def _prints(_state: Any) -> Any:
    print("printed at run")  # noqa: T201
    os.system("echo printed by a subprocess")  # noqa: S605
    return {"messages": [AIMessage("hello")]}


printing = _compiled(_prints)


def _echo(state: Any) -> Any:
    return {"messages": [AIMessage(f"you said {[message.text for message in state['messages']]}")]}


echo = _compiled(_echo, keeps=True)


# ------------------------------------------------------------------ failures


class Unreadable(Exception):
    def __str__(self) -> NoReturn:
        raise ValueError("not even this works")


class _OnlyNumber(TypedDict):
    number: int


_numbers: Any = StateGraph(_OnlyNumber)
_numbers.add_node("node", lambda _state: None)
_numbers.add_edge(START, "node")
numbers = _numbers.compile()

before = _compiled(_raises(ValueError("a first line\nand \x1b[31m a second one " + "x" * 5000)))
wordless = _compiled(_raises(ValueError()))
unreadable = _compiled(_raises(Unreadable()))
exits = _compiled(_raises(SystemExit(7)))
broken_socket = _compiled(_raises(BrokenPipeError("the socket is gone")))
interrupts_itself = _compiled(_raises(KeyboardInterrupt()))

_midway = ScriptedModel(script=[["some ", "words ", ConnectionError("the line went dead")]])
_at_the_end = ScriptedModel(script=[text("all ", "words")])


def _after_speaking(state: Any) -> NoReturn:
    _at_the_end.invoke(state["messages"])
    raise LookupError("nothing found")


during = _compiled(lambda state: {"messages": [_midway.invoke(state["messages"])]})
after = _compiled(_after_speaking)


# ------------------------------------------------------------------ hanging

_hanging = ScriptedModel(script=[text("and ", "then")])


def _hang(state: Any) -> Any:
    _hanging.invoke(state["messages"])
    threading.Event().wait()


async def _hang_async(state: Any) -> Any:
    await _hanging.ainvoke(state["messages"])
    await asyncio.Event().wait()


async def _pause(state: Any) -> Any:
    await _some_words.ainvoke(state["messages"])
    await asyncio.Event().wait()


_some_words = ScriptedModel(script=[text("some ", "words")])
pausing = _compiled(_pause)
stuck = _compiled(RunnableLambda(_hang))
waiting = _compiled(_hang_async)


# ------------------------------------------------------------------ questions


def _requests(*allowed: list[str]) -> Any:
    return {
        "action_requests": [{"name": "send", "args": {"to": "zoë\u202e", "n": n}} for n in range(len(allowed))],
        "review_configs": [{"action_name": "send", "allowed_decisions": decisions} for decisions in allowed],
    }


_ANY = ["approve", "edit", "reject", "respond"]

asking = _compiled(_asks("Your name?"), keeps=True)
forgetful = _compiled(_asks("Your name?"))
stopping = _compiled(_says("through"), keeps=True, interrupt_before=["node0"])
twice = _compiled(_asks("first?"), _asks("second?"), keeps=True)
deciding = _compiled(_asks(_requests(_ANY)), keeps=True)
two_actions = _compiled(_asks(_requests(["approve", "reject"], _ANY)), keeps=True)
no_actions = _compiled(_asks(_requests()), keeps=True)
per_call = _compiled(
    _asks({"type": "tool_approval", "tool_call_id": "call_1", "name": "send", "args": {"n": 1}}), keeps=True
)
older = _compiled(
    _asks([{"action_request": {"action": "send", "args": {"n": 1}}, "config": {"allow_accept": True}}]), keeps=True
)
