"""Knows what a thread has told its clients that it may not hold any more, by the log of its session.

The log is read when it is asked for the first time, and once: most runs bring nothing that has to be looked up, unless
something is hidden.
"""

from __future__ import annotations

from functools import cached_property

from langwire.adapters.agui._messages import result_id
from langwire.adapters.agui._names import without_number
from langwire.adapters.agui.visibility import Places, Visibility
from langwire.events import (
    Event,
    MessagesRemoved,
    ReasoningStart,
    SubagentStart,
    TextStart,
    ToolCallStart,
    ToolResult,
    TurnStart,
)
from langwire.sessions.log import Log


class Told:
    """What a log says of messages, by their ids. `known` says whether anything is known of the thread itself."""

    def __init__(self, log: Log, visibility: Visibility, *, known: bool) -> None:
        self._log, self._visibility, self._known = log, visibility, known

    def maybe(self, id: str) -> bool:
        """Whether a client may have been told of a message, or sent it before.

        The log knows, unless it does not reach back to the beginning of the thread: then any may have been.
        """
        if not self._known and not self._events:
            return False  # nobody has ever said anything here
        if not self._whole:
            return True
        return id in self._ids or without_number(id) in self._ids

    def by_a_node(self, id: str) -> bool:
        """Whether a node told a message of the user's, which is no news when a client sends it back."""
        return id in self._by_nodes

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The ids of the messages that were said where clients see nothing, as far as the log goes back."""
        rules = self._visibility
        if "hidden" not in (rules.subagents, rules.subgraphs, *rules.nodes.values()):
            return frozenset()
        places, found, calls = Places(rules), set[str | None](), dict[str, bool]()
        for event in self._events:
            match event:
                case SubagentStart():
                    places.delegate(event)
                case TextStart() | ReasoningStart() | ToolCallStart() | ToolResult():
                    hidden = places.of_node(event.source).hidden
                    if isinstance(event, ToolCallStart):
                        calls[event.id] = hidden
                    if calls.get(event.id, hidden):  # a result is where its call is
                        found.add(event.message_id)
                case _:
                    pass
        return frozenset(id for id in found if id is not None)

    @cached_property
    def _events(self) -> list[Event]:
        return [slot.entry.event for slot in self._log.take(self._log.first - 1)]

    @cached_property
    def _whole(self) -> bool:
        first = self._events[0] if self._events else None
        return self._log.first == 1 and isinstance(first, TurnStart) and first.checkpoint_id is None

    @cached_property
    def _by_nodes(self) -> frozenset[str]:
        return frozenset(
            event.message_id for event in self._events if isinstance(event, TextStart) and event.role == "user"
        )

    @cached_property
    def _ids(self) -> set[str]:
        ids: set[str] = set()
        for event in self._events:
            match event:
                case TextStart(message_id=id) | ReasoningStart(message_id=id) | ToolCallStart(message_id=id):
                    ids.add(id)
                case ToolResult():
                    ids.update((event.message_id or event.id, result_id(event.call_id or event.id)))
                case MessagesRemoved(ids=removed):
                    ids.update(removed)
                case _:
                    pass
        return ids
