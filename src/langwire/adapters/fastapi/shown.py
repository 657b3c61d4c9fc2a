"""Knows which events a reader gets, and how much of each; and makes the lines of those that are not told whole.

Most events go out as the line that the log has made of them, once for all readers. The others are made anew: an input
of which only what a person said is shown, media that are told by reference, a value that is too large.
"""

from __future__ import annotations

from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from langwire.adapters._shared.stories import messages_in
from langwire.adapters.fastapi.files import Files
from langwire.core._guards import is_list, is_mapping
from langwire.core._messages import role_of
from langwire.core.codec import encode, encode_entry
from langwire.errors import InputTooLarge
from langwire.events import (
    Custom,
    Entry,
    Event,
    Interrupt,
    Media,
    NodeEnd,
    NodeStart,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StateDelta,
    StateSnapshot,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    TurnStart,
)
from langwire.sessions.session import Session

_SMALL = frozenset(
    {
        NodeEnd,
        NodeStart,
        ReasoningDelta,
        ReasoningEnd,
        ReasoningStart,
        TextDelta,
        TextEnd,
        TextStart,
        ToolCallDelta,
        ToolCallStart,
    }
)
"""Events that hold nothing of foreign make, and whose text is never cut."""
_MOST = 8 * 2**20
"""How many bytes of lines are kept that were made anew."""
_LINE_COST = 200


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Which events the readers of a router get, and how much of them.

    Off by default: `state` (snapshots and deltas of the graph's state, and `values` of where a thread stands), `raw`
    (chunks of stream modes that langwire does not model), `inputs` (all that a turn began with, not only what a person
    said), and `artifacts` (what a tool kept for the application). On: `custom` (what nodes write to the stream),
    `nodes` (begin and end of nodes) and `reasoning`. A value whose JSON has more than `max_value` bytes is cut, and a
    `$truncated` mark says so; None cuts nothing. Text of messages is never cut, and neither is a question: nobody is to
    approve what is not shown.
    """

    state: bool = False
    raw: bool = False
    inputs: bool = False
    artifacts: bool = False
    custom: bool = True
    nodes: bool = True
    reasoning: bool = True
    max_value: int | None = 65_536

    @property
    def hidden(self) -> frozenset[type]:
        """The kinds of events that are not told at all."""
        kinds: dict[type, bool] = {
            StateSnapshot: self.state,
            StateDelta: self.state,
            Raw: self.raw,
            Custom: self.custom,
            NodeStart: self.nodes,
            NodeEnd: self.nodes,
            ReasoningStart: self.reasoning,
            ReasoningDelta: self.reasoning,
            ReasoningEnd: self.reasoning,
        }
        return frozenset(kind for kind, shown in kinds.items() if not shown)


class View:
    """What readers see of threads. An event whose type is in `whole` goes out as the log's own line."""

    def __init__(self, shown: Shown, files: Files | None) -> None:
        self._files, self._limit = files, shown.max_value
        self._hidden = shown.hidden
        self.whole: frozenset[type] = _SMALL - self._hidden
        self._changes: dict[type, _Change] = {}
        if not shown.inputs:
            self._changes[TurnStart] = _said
        if not shown.artifacts:
            self._changes[ToolResult] = _without_artifact
        if files is not None:
            self._changes[Media] = _by_reference
        self._made = _Lines()

    def entry(self, session: Session, entry: Entry, line: bytes) -> bytes | None:
        """Return the line of an entry of a thread's log, given the log's own; None when it is not shown."""
        event, kind = entry.event, type(entry.event)
        if kind in self._hidden:
            return None
        change = self._changes.get(kind)
        fits = self._limit is None or len(line) <= self._limit
        if fits and change is None:
            return line
        key, filing = (session.log.id, entry.seq), _Filing(self._files, session.thread_id, self._limit)
        made = self._made.get(key)
        if made is not None and all(map(filing.has, made.files)):
            return made.line
        changed = event if change is None else change(event, filing)
        if changed is event and fits:
            return line
        stamped = Entry(seq=entry.seq, at_ms=entry.at_ms, event=changed)
        line = encode_entry(stamped, max_value_bytes=_cut(changed, change, self._limit))
        return self._made.put(key, line, filing.ids)

    def event(self, thread_id: str, event: Event, *, full: bool = False) -> bytes | None:
        """Return the line of an event of a thread's past, `full` with values of any size; None when it is not shown."""
        kind = type(event)
        if kind in self._hidden:
            return None
        change, limit = self._changes.get(kind), None if full else self._limit
        changed = event if change is None else change(event, _Filing(self._files, thread_id, limit))
        return encode(changed, max_value_bytes=_cut(changed, change, limit))


# ------------------------------------------------------------------ what is told otherwise


class _Filing:
    """Puts what an event holds among a thread's files. `ids` are those that it refers to."""

    def __init__(self, files: Files | None, thread_id: str, limit: int | None) -> None:
        self._files, self._thread_id, self.limit = files, thread_id, limit
        self.ids: list[str] = []

    def ref(self, mime: Any, data: Any) -> str | None:
        """Return where what is in base64 can be had, relative to the address of the thread; None for what is not."""
        if self._files is None or not isinstance(data, str):
            return None
        try:
            file = self._files.put(self._thread_id, str(mime), b64decode(data, validate=True))
        except (InputTooLarge, ValueError):
            return None
        self.ids.append(file.file_id)
        return f"files/{file.file_id}"

    def has(self, file_id: str) -> bool:
        """Return whether a file is there still."""
        return self._files is not None and self._files.get(self._thread_id, file_id) is not None


_Change: TypeAlias = Callable[[Any, _Filing], Event]


def _cut(event: Event, change: _Change | None, limit: int | None) -> int | None:
    # Who decides on a question sees all of it. What a person said is text, never cut, and blocks, which have been.
    return None if change is _said or isinstance(event, Interrupt) else limit


def _without_artifact(event: ToolResult, filing: _Filing) -> Event:
    return event if event.artifact is None else replace(event, artifact=None)


def _by_reference(event: Media, filing: _Filing) -> Event:
    ref = filing.ref(event.mime, event.data)
    return event if ref is None else replace(event, data=None, ref=ref)


def _said(event: TurnStart, filing: _Filing) -> Event:
    """Leave of an input what a person said, with the files in it by reference."""
    messages = [_message(fields, filing) for fields in messages_in(event.input) if role_of(fields) == "user"]
    return replace(event, input={"messages": messages} if messages else None)


def _message(fields: Mapping[str, Any], filing: _Filing) -> dict[str, Any]:
    content: Any = fields.get("content")
    said = [_block(block, filing) for block in content] if is_list(content) else content
    named = {"id": fields["id"]} if fields.get("id") else {}
    return {"role": "user", **named, "content": said}


def _block(block: Any, filing: _Filing) -> Any:
    if not is_mapping(block) or block.get("type") == "text":
        return block
    for key in ("base64", "data"):
        ref = filing.ref(block.get("mime_type"), block.get(key))
        if ref is not None:
            return {**{name: value for name, value in block.items() if name != key}, "ref": ref}
    cut: dict[str, Any] = msgspec.json.decode(encode(Custom(data=block), max_value_bytes=filing.limit))
    return {"type": block.get("type"), **cut["data"]}


# ------------------------------------------------------------------ lines that were made anew


class _Made(NamedTuple):
    line: bytes
    files: Sequence[str]


class _Lines:
    """The lines that were made last, by log and number: a hundred readers of a large value have it made once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], _Made] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int]) -> _Made | None:
        return self._kept.get(key)

    def put(self, key: tuple[str, int], line: bytes, files: Sequence[str]) -> bytes:
        """Keep a line, and return it; the oldest go when there are too many."""
        self._drop(self._kept.pop(key, None))
        self._kept[key] = _Made(line, files)
        self._bytes += len(line) + _LINE_COST
        while self._bytes > _MOST and len(self._kept) > 1:
            self._drop(self._kept.popitem(last=False)[1])
        return line

    def _drop(self, made: _Made | None) -> None:
        if made is not None:
            self._bytes -= len(made.line) + _LINE_COST
