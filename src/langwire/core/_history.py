"""Knows which messages of a thread have been told, which were there before, and which left.

A message is known by its id and lane: a parent graph repeats what its child told, so a message told in a lane
is known in the lanes above and below it, but not in its siblings. Messages without an id are known by
identity, else by role and content, once for each stream mode that carries them.

What was there before the turn is learned from the inputs of its nodes (stream mode `tasks`). Those lists are
kept unread until a finished message turns up whose id is new, and then only their new end is read: the cost
of a turn does not grow with the length of its thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from langwire.core._calls import Call, related
from langwire.core._messages import Fields, calls_of, coerce, fields_of, role_of, text_of
from langwire.events import Lane, Source

Place: TypeAlias = tuple[Lane, str | None]
"""A lane and a key of its state; the key is None where a message stands alone, or nobody says."""

Likeness: TypeAlias = tuple[str, str, tuple[str | None, ...]]


class Known:
    """One message: told in this turn (`source` is set) or there before it."""

    __slots__ = (
        "_text",
        "calls",
        "counted",
        "lane",
        "message_id",
        "modes",
        "places",
        "raw",
        "removed",
        "source",
        "spoken",
    )

    def __init__(self, message_id: str, lane: Lane, raw: Any, source: Source | None = None) -> None:
        self.message_id, self.lane, self.raw, self.source = message_id, lane, raw, source
        self._text: list[str] | str | None = None
        self.calls: list[Call] = []
        self.spoken = False
        """Whether any part of it has been told."""
        self.counted = False
        """Whether its usage has been told."""
        self.places: set[Place] = set()
        """Where the graph's state has been seen to hold it."""
        self.removed = False
        self.modes: set[str] | None = None
        """For a message without an id: the stream modes that have shown it."""

    def say(self, text: list[str] | str) -> None:
        """Set what the message reads as told: a list is joined when it is asked for."""
        self._text = text

    @property
    def text(self) -> str:
        """What the message reads, as far as it has been told."""
        if isinstance(self._text, list):
            self._text = "".join(self._text)
        elif self._text is None:
            fields = coerce(self.raw)
            self._text = text_of(fields) if fields is not None else ""
        return self._text


class History:
    """All messages of a thread that a turn has met."""

    __slots__ = ("_by_id", "_by_object", "_lists", "_members", "_nameless", "_past", "_unread")

    def __init__(self, known: Sequence[Any]) -> None:
        self._by_id: dict[str, list[Known]] = {}
        self._by_object: dict[int, Known] = {}
        self._nameless: dict[Likeness, list[Known]] = {}
        """Messages without an id, by what they say."""
        self._members: dict[Place, dict[str, None]] = {}
        self._past: dict[str, Any] = {}
        """Messages of lists that have been read, by id, of which nobody has asked yet."""
        self._unread: dict[Place, Sequence[Any]] = {}
        self._lists: dict[Place, Sequence[Any]] = {}
        for raw in known:
            fields = coerce(raw)
            if fields is not None and fields.get("id"):
                self._learn(((), None), raw, fields["id"])
            elif fields is not None:
                self.add(Known("", (), raw), nameless_mode="history")

    def offer(self, place: Place, messages: Sequence[Any]) -> None:
        """Take a list of messages that a state held before; read only when it is needed."""
        waiting = self._unread.get(place)
        if waiting is not None and not grown_from(waiting, messages):
            self._read_list(place, waiting)  # the new list does not hold all of it
        self._unread[place] = messages

    def withdraw(self, lane: Lane) -> None:
        """Forget the lists that were offered of a lane, if they have not been read."""
        self._unread = {place: messages for place, messages in self._unread.items() if place[0] != lane}

    # -------------------------------------------------------------- finding

    def find_object(self, raw: Any, *, read: bool = False) -> Known | None:
        """Return the known message that is this very object; `read` looks at the lists that were offered, too."""
        if read and self._unread:
            self._read_lists()
        known = self._by_object.get(id(raw))
        return known if known is not None and known.raw is raw else None

    def find(self, lane: Lane, message_id: str, fields: Fields | None = None) -> Known | None:
        """Return the message with this id that is known in `lane`; among several the one that reads like `fields`."""
        known = self._find(lane, message_id, fields)
        if known is None and self._unread:
            self._read_lists()
            known = self._find(lane, message_id, fields)
        if known is None and self._nameless:
            known = self._find_renamed(lane, message_id)
        return known

    def _find(self, lane: Lane, message_id: str, fields: Fields | None) -> Known | None:
        self._recall(message_id)
        if message_id not in self._by_id:
            return None
        near = [known for known in self._by_id[message_id] if related(known.lane, lane)]
        if len(near) > 1 and fields is not None:
            text = text_of(fields)
            near.sort(key=lambda known: known.text != text)
        return near[0] if near else None

    def _find_renamed(self, lane: Lane, message_id: str) -> Known | None:
        """LangGraph gives a message its id in place, after it was told without one."""
        for known in chain.from_iterable(self._nameless.values()):
            fields = fields_of(known.raw)
            if fields is not None and fields.get("id") == message_id and related(known.lane, lane):
                return self.name(known, message_id)
        return None

    def may_count(self, known: Known) -> bool:
        """Return whether a message's usage is still to be told.

        Once for each message: an id that comes again from the same place, or with nothing but usage, is the same.
        """
        told = self._by_id[known.message_id]
        if len(told) == 1:
            return not known.counted
        places = {one.source for one in told if one.spoken}
        return not known.counted and sum(one.counted for one in told) < max(1, len(places))

    def find_alike(self, lane: Lane, fields: Fields, mode: str) -> Known | None:
        """Return a message told without an id that reads like this one and that `mode` has not shown yet."""
        for known in self._nameless.get(_likeness(fields), ()) if self._nameless else ():
            if known.modes is None or mode in known.modes or not related(known.lane, lane):
                continue
            named, message_id = (coerce(known.raw) or {}).get("id"), fields.get("id")
            if named and message_id and named != message_id:
                continue
            known.modes.add(mode)
            return self.name(known, message_id) if message_id else known
        return None

    def name(self, known: Known, message_id: str) -> Known:
        """From now on also find this message under the id that LangGraph gave it."""
        self._by_id.setdefault(message_id, []).append(known)
        return known

    # -------------------------------------------------------------- learning

    def add(self, known: Known, *, nameless_mode: str | None = None) -> None:
        """Take in a message that is told now. `nameless_mode` is the mode that shows it, when it has no id."""
        self._recall(known.message_id)
        self._by_id.setdefault(known.message_id, []).append(known)
        if known.raw is not None and not isinstance(known.raw, str):
            self._by_object[id(known.raw)] = known
        if nameless_mode is not None:
            known.modes = {nameless_mode}
            self._nameless.setdefault(_likeness(coerce(known.raw) or {}), []).append(known)

    def same_object(self, raw: Any, known: Known) -> None:
        """Remember that this object is a copy of a message which is known."""
        if not isinstance(raw, str):
            known.raw = raw
            self._by_object[id(raw)] = known

    def keep(self, place: Place, known: Known) -> None:
        """The state holds this message."""
        known.removed = False
        known.places.add(place)
        self._members.setdefault(place, {})[known.message_id] = None

    # -------------------------------------------------------------- leaving

    def members(self, place: Place) -> tuple[str, ...]:
        """Return the ids of the messages that a state is known to hold under a key."""
        self._read_lists()
        return tuple(self._members.get(place, ()))

    def told(self, lane: Lane) -> tuple[str, ...]:
        """Return the ids of the messages that this turn has told in a lane."""
        return tuple(
            message_id
            for message_id, known in self._by_id.items()
            if any(one.source is not None and one.lane == lane for one in known)
        )

    def remove(self, place: Place, message_ids: Iterable[str]) -> tuple[str, ...]:
        """Take messages out of a state; return the ids, as told, of those that no key of it holds any more."""
        gone: list[str] = []
        for message_id in message_ids:
            known = self.find(place[0], message_id)
            told_id = known.message_id if known is not None else message_id
            self._members.get(place, {}).pop(told_id, None)
            if known is None:
                gone.append(told_id)
                continue
            known.places.discard(place)
            held = any(lane == place[0] and key is not None for lane, key in known.places)
            if not known.removed and not held:
                known.removed = True
                gone.append(told_id)
        return tuple(dict.fromkeys(gone))

    # -------------------------------------------------------------- reading lists

    def _read_lists(self) -> None:
        unread, self._unread = self._unread, {}
        for place, messages in unread.items():
            self._read_list(place, messages)

    def _read_list(self, place: Place, messages: Sequence[Any]) -> None:
        """Learn what a list holds beyond the list that was read in its place before, if it only grew."""
        before = self._lists.get(place, ())
        self._lists[place] = messages
        members = self._members.setdefault(place, {})
        for raw in messages[grown_from(before, messages) :]:
            fields = coerce(raw)
            message_id: str = (fields.get("id") if fields is not None else None) or ""
            is_new = message_id and message_id not in self._by_id and not self._nameless
            if is_new and self._past.setdefault(message_id, raw) is raw:
                members[message_id] = None
            elif message_id:
                self._learn(place, raw, message_id)
            elif fields is not None and id(raw) not in self._by_object:
                self._by_object[id(raw)] = Known("", place[0], raw)

    def _recall(self, message_id: str) -> None:
        """Take in a message of the past that is asked for, wherever a state holds it."""
        if message_id in self._past:
            raw = self._past.pop(message_id)
            for place in [place for place, members in self._members.items() if message_id in members]:
                self._learn(place, raw, message_id)

    def _learn(self, place: Place, raw: Any, message_id: str) -> None:
        """Take in a message that was there before."""
        known = self._find(place[0], message_id, None) or self._find_renamed(place[0], message_id)
        if known is None:
            known = Known(message_id, place[0], raw)
            self._by_id.setdefault(message_id, []).append(known)
        known.places.add(place)
        self._members.setdefault(place, {})[known.message_id] = None


def _likeness(fields: Fields) -> Likeness:
    """What makes two messages without an id alike: role, text and the ids of their calls."""
    return role_of(fields), text_of(fields), tuple(call[0] for call in calls_of(fields))


def grown_from(before: Sequence[Any], now: Sequence[Any]) -> int:
    """Return how many leading messages of `now` are those of `before`: all of them if the list only grew, else 0."""
    length = len(before)
    if not length or len(now) < length:
        return 0
    return length if _same(before[-1], now[length - 1]) and _same(before[0], now[0]) else 0


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    ours, theirs = fields_of(one), fields_of(other)
    return bool(ours and theirs and ours.get("id") and ours.get("id") == theirs.get("id"))
