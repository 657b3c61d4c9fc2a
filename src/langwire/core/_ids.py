"""Knows which part ids a turn has used, and hands out the next one."""

from __future__ import annotations

from collections.abc import Iterable


class Ids:
    """Part ids of one turn: unique, and the same for the same stream."""

    __slots__ = ("_calls", "_parts", "_used")

    def __init__(self, used: Iterable[str] = ()) -> None:
        self._used = set(used)
        self._parts: dict[str, int] = {}
        self._calls: dict[str, int] = {}

    def part(self, message_id: str) -> str:
        """Return the id of a message's next part: its own id first, then `<id>/1`, `<id>/2`."""
        while True:
            number = self._parts.get(message_id, 0)
            self._parts[message_id] = number + 1
            id = f"{message_id}/{number}" if number else message_id
            if id not in self._used:
                self._used.add(id)
                return id

    def call(self, call_id: str) -> str:
        """Return the part id of a call: the provider's id, or `<id>~2`, `<id>~3` when the turn has used it."""
        while True:
            number = self._calls[call_id] = self._calls.get(call_id, 0) + 1
            id = f"{call_id}~{number}" if number > 1 else call_id
            if id not in self._used:
                self._used.add(id)
                return id
