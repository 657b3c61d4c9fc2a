"""Knows under which ids messages, thinking and calls go over the wire: the same in a stream and in a snapshot.

A client knows one namespace of messages for the whole thread and one of calls; LangGraph does not. A message id that
two lanes use, and a call id that a model uses again (small models count `call_0` anew each turn), would melt together
there. So the first keeps its id, and the others get `<id>~2`, `<id>~3`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from langwire.events import Lane


class Names:
    """The ids of one run. `calls` are the provider's call ids that the thread has used before, once for each use."""

    __slots__ = ("_messages", "_parts", "_thoughts", "_used", "_uses")

    def __init__(self, calls: Iterable[str] = ()) -> None:
        self._uses = Counter(calls)
        self._used: set[str] = set()
        self._messages: dict[tuple[Lane, str], str] = {}
        self._parts: dict[str, str] = {}
        self._thoughts: Counter[str] = Counter()

    def message(self, lane: Lane, message_id: str) -> str:
        """Return the id of a message that a lane has told, or tells now."""
        known = self._messages.get((lane, message_id))
        if known is None:
            known, number = message_id, 1
            while known in self._used:
                number += 1
                known = f"{message_id}~{number}"
            self._used.add(known)
            self._messages[lane, message_id] = known
        return known

    def told(self, lane: Lane, message_id: str) -> str | None:
        """Return the id of a message if it has one already."""
        return self._messages.get((lane, message_id))

    def thought(self, message: str) -> str:
        """Return the id of a message's next span of thinking; `message` is the message's id on the wire."""
        self._thoughts[message] += 1
        number = self._thoughts[message]
        return f"{message}:reasoning" if number == 1 else f"{message}:reasoning-{number}"

    def new_call(self, part_id: str, call_id: str | None) -> str:
        """Return the id of a call that begins now."""
        base = call_id or part_id
        self._uses[base] += 1
        uses = self._uses[base]
        name = self._parts[part_id] = base if uses == 1 else f"{base}~{uses}"
        return name

    def call(self, part_id: str, call_id: str | None) -> str:
        """Return the id of a call of this run, or of the last one that an earlier run made with this call id."""
        name = self._parts.get(part_id)
        if name is None:
            uses = self._uses[call_id or part_id]
            name = (call_id or part_id) if uses <= 1 else f"{call_id or part_id}~{uses}"
        return name

    def last_call(self, call_id: str) -> str:
        """Return the id of the last call with this call id, of whatever run."""
        uses = self._uses[call_id]
        return call_id if uses <= 1 else f"{call_id}~{uses}"


_NUMBERED = re.compile(r"~[0-9]+$")


def without_number(id: str) -> str:
    """Return an id without the number that tells its later uses from the first."""
    return _NUMBERED.sub("", id)
