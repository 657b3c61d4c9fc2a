"""Cases about messages that change after they were told: edits, removals, summaries, repeats."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph import MessagesState
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Overwrite

from langwire.testing.corpus._case import Graph, Saver, case
from langwire.testing.corpus._parts import chain, chat, says, script
from langwire.testing.model import text

OLD = AIMessage("first draft", id="draft-1")


@case()
def overwrite_messages(saver: Saver) -> Graph:
    """A node overwrites the whole list of messages, past the reducer."""
    return chain(
        saver,
        draft=says(OLD),
        clear=lambda _state: {"messages": Overwrite([AIMessage("clean slate", id="clean-1")])},
    )


@case()
def remove_by_id(saver: Saver) -> Graph:
    """A node removes one message by its id."""
    return chain(saver, draft=says(OLD, AIMessage("kept", id="kept-1")), drop=says(RemoveMessage(id="draft-1")))


@case()
def remove_unseen(saver: Saver) -> Graph:
    """A message that streamed is removed by the next node."""
    return chain(saver, chat=chat(script(text("soon ", "gone", id="gone-1"))), drop=says(RemoveMessage(id="gone-1")))


@case()
def summarised(saver: Saver) -> Graph:
    """A node removes all messages, keeps a summary and one old message, and the model goes on."""
    kept = AIMessage("kept", id="kept-1")
    return chain(
        saver,
        draft=says(OLD, kept),
        shorten=says(RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("a summary", id="sum-1"), kept),
        chat=chat(script("unused", text("going ", "on"))),
    )


@case()
def replaced(saver: Saver) -> Graph:
    """A guard rewrites a message that streamed, under the same id."""
    return chain(
        saver,
        chat=chat(script(text("call 555", "-1234", id="pii-1"))),
        guard=says(AIMessage("call [hidden]", id="pii-1")),
    )


@case()
def input_replaced(saver: Saver) -> Graph:
    """A guard rewrites the user's own message, under the same id."""

    def guard(state: MessagesState) -> dict[str, Any]:
        return {"messages": [HumanMessage("[hidden]", id=state["messages"][0].id)]}

    return chain(saver, guard=guard, chat=chat(script(text("un", "derstood"))))


@case()
def full_state_returned(saver: Saver) -> Graph:
    """A node returns the whole state, so that its update repeats every message."""

    def whole(state: MessagesState) -> dict[str, Any]:
        return {"messages": [*state["messages"], AIMessage("new", id="new-1")]}

    return chain(saver, draft=says(OLD), whole=whole)


@case()
def without_ids_repeated(saver: Saver) -> Graph:
    """Two nodes say the same words in messages that have no ids: two messages, not one."""
    return chain(saver, first=says(AIMessage("again")), second=says(AIMessage("again")))
