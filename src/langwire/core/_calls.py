"""Knows the tool calls of a turn: which were started, under which part id, and which still wait for a result.

LangChain's call ids repeat across lanes and even within one, so a result is matched by lane first: its own,
then the lanes above it, then those below it (a handoff is answered by the parent).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from langwire.events import Lane, OpenCall

Key: TypeAlias = tuple[str, str]


def related(one: Lane, other: Lane) -> bool:
    """Return whether one lane is the other or lies inside it."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


class Call:
    """One tool call; `id` is its part id, `call_id` what LangChain knows."""

    __slots__ = ("answer", "answered", "args", "call_id", "hidden", "id", "lane", "message_id", "name", "provider")

    def __init__(
        self,
        id: str,
        name: str,
        lane: Lane,
        *,
        call_id: str | None,
        args: Any = None,
        message_id: str | None = None,
        provider: bool = False,
        hidden: bool = False,
    ) -> None:
        self.id, self.name, self.lane, self.call_id = id, name, lane, call_id
        self.args, self.message_id, self.provider, self.hidden = args, message_id, provider, hidden
        self.answered = False
        self.answer: tuple[str | None, Any] = (None, None)
        """Message id and content of the result, once told."""


class Calls:
    """All calls of a turn, and those that earlier turns left open."""

    __slots__ = ("_all", "_by_call_id")

    def __init__(self, open_calls: Iterable[OpenCall], skipped: frozenset[str]) -> None:
        self._all: list[Call] = []
        self._by_call_id: dict[str, list[Call]] = {}
        for known in open_calls:
            self.add(
                Call(
                    known.id,
                    known.name,
                    known.lane,
                    call_id=known.call_id,
                    args=known.args,
                    hidden=known.name in skipped,
                )
            )

    def add(self, call: Call) -> None:
        """Take in a call that has started."""
        self._all.append(call)
        if call.call_id is not None:
            self.name_id(call, call.call_id)

    def name_id(self, call: Call, call_id: str) -> None:
        """Give a call its id, which a provider may leave out while it streams."""
        call.call_id = call_id
        # An id that comes again is about the new call: those of its lane that have their result are not looked at.
        waiting = [one for one in self._by_call_id.get(call_id, ()) if not (one.answered and one.lane == call.lane)]
        self._by_call_id[call_id] = [*waiting, call]

    def find(self, lane: Lane, call_id: str | None) -> Call | None:
        """Return the call that a result in `lane` answers: the nearest one without a result, else the nearest."""
        candidates = [call for call in self._by_call_id.get(call_id or "", ()) if related(call.lane, lane)]
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return min(candidates, key=lambda call: (call.answered, call.lane != lane, len(call.lane) > len(lane)))

    def open(self, *, hidden: bool = False) -> tuple[OpenCall, ...]:
        """Return the calls that wait for a result, in the order in which they started; hidden ones on request."""
        return tuple(
            OpenCall(id=call.id, name=call.name, call_id=call.call_id, lane=call.lane, args=call.args)
            for call in self._all
            if not (call.answered or call.provider or (call.hidden and not hidden))
        )


def call_of_task(input: Any) -> Mapping[str, Any] | None:
    """Return the tool call that a pushed `tools` task runs, from the input its start event shows.

    `create_agent` and deepagents push one task per call, with `[tool_call]` or, by version,
    `{"__type": "tool_call_with_context", "tool_call": …}` as input.
    """
    match input:
        case [{"name": str(), "args": _, "id": _} as call]:
            return call
        case {"tool_call": {"name": str(), "id": _} as call}:
            return call
        case _:
            return None
