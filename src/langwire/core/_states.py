"""Knows the whole states a turn has shown (stream modes `values` and `checkpoints`), and reads what is new in them.

The first state of a lane, before anything ran there, is its baseline: what the thread held already, the turn's
input included. After that a state is read from where it differs from the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_
from typing import Any

from langwire.core._messages import Fields, calls_of, coerce, fields_of
from langwire.core._teller import Teller
from langwire.core._updates import messages_of, state_items
from langwire.events import Lane, OpenCall, Source

INTERRUPT = "__interrupt__"


class States:
    """The last state of each lane, for each of the modes that show states."""

    __slots__ = ("_lists", "_teller")

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._lists: dict[tuple[str, Lane], dict[str, Sequence[Any]]] = {}

    def seen(self, mode: str, lane: Lane) -> bool:
        """Return whether `mode` has shown a state of this lane."""
        return (mode, lane) in self._lists

    def read(self, mode: str, lane: Lane, state: Any, source: Source, *, baseline: bool) -> dict[str, Any]:
        """Tell the messages that are new in a state, or learn them if it is the baseline; return the rest of it."""
        lists: dict[str, Sequence[Any]] = {}
        rest: dict[str, Any] = {}
        for key, value in state_items(state):
            messages = messages_of(value)
            if messages is not None:
                lists[key] = messages
            elif key != INTERRUPT:
                rest[key] = value
        before = self._lists.get((mode, lane), {})
        self._lists[mode, lane] = lists
        if baseline:
            self._teller.offer(lane, lists)
            return rest
        for key in before.keys() | lists.keys() if before.keys() - lists.keys() else lists:
            self._difference(mode, lane, key, before.get(key, ()), lists.get(key, ()), source)
        return rest

    def _difference(
        self, mode: str, lane: Lane, key: str, before: Sequence[Any], now: Sequence[Any], source: Source
    ) -> None:
        start = _first_difference(before, now)
        if start < len(now):
            self._teller.written(lane, key, list(now[start:]), source, mode)
        if start < len(before):
            ids = {fields["id"] for raw in now[start:] if (fields := fields_of(raw)) and fields.get("id")}
            gone = [fields["id"] for raw in before[start:] if (fields := fields_of(raw)) and fields.get("id")]
            self._teller.gone(lane, key, [id for id in gone if id not in ids])


def _first_difference(before: Sequence[Any], now: Sequence[Any]) -> int:
    """Return how many leading messages are the same objects."""
    if all(map(is_, before, now)):  # a list that only grew, or shrank
        return min(len(before), len(now))
    return list(map(is_, before, now)).index(False)


def open_calls_of(lane: Lane, *states: Any) -> Iterator[OpenCall]:
    """Yield the tool calls in the messages of states, taken one after the other, that no tool message answers."""
    waiting: dict[str, list[OpenCall]] = {}
    for state in states:
        for _, value in state_items(state):
            for raw in messages_of(value) or ():
                _note_call(waiting, lane, coerce(raw) or {})
    for calls in waiting.values():
        yield from calls


def _note_call(waiting: dict[str, list[OpenCall]], lane: Lane, fields: Fields) -> None:
    """Enter the calls that a message makes, strike out the one that it answers."""
    answered = waiting.get(fields.get("tool_call_id") or "")
    if answered:
        answered.pop(0)
    for call_id, name, args, _ in calls_of(fields):
        if call_id is not None:
            call = OpenCall(id=call_id, call_id=call_id, name=name, lane=lane, args=args)
            waiting.setdefault(call_id, []).append(call)
