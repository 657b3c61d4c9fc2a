"""Knows the parts of one message that are open, and tells their starts, deltas and ends.

A message has at most one open strand (text, refusal or thinking) and any number of open calls beside it:
text goes on in the same part when call fragments come between. Everything is told into `out`, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from langwire.core._calls import Call, Calls
from langwire.core._guards import is_mapping
from langwire.core._ids import Ids
from langwire.core.codec import jsonable
from langwire.core.extractors import Extractors, ToolUse, extract
from langwire.events import (
    Citation,
    Event,
    Media,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    TextDelta,
    TextEnd,
    TextStart,
    TokenUsage,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolResult,
    Usage,
)

Strand = Literal["text", "refusal", "reasoning"]


class Desk:
    """What all messages of a turn share: where events go, the ids, the calls, which tools are not shown or read."""

    __slots__ = ("calls", "extractors", "ids", "out", "skipped", "total")

    def __init__(self, ids: Ids, calls: Calls, skipped: frozenset[str], extractors: Extractors) -> None:
        self.out: list[Event] = []
        self.ids, self.calls, self.skipped, self.extractors = ids, calls, skipped, extractors
        self.total: TokenUsage | None = None

    def tell_result(self, result: ToolResult, call: Call | None) -> None:
        """Tell a result, unless its tool is not shown, and what is extracted from it."""
        hidden = result.name in self.skipped if call is None else call.hidden
        if not hidden:
            self.out.append(result)
        extractor = self.extractors.find(result.name)
        if extractor is not None and result.status == "ok":
            use = ToolUse(
                name=result.name or "",
                args=call.args if call is not None else None,
                content=result.content,
                artifact=result.artifact,
                id=None if hidden else result.id,
                call_id=result.call_id,
                lane=result.source.lane,
            )
            self.out.extend(extract(extractor, use, on_error=self.extractors.on_error))

    def tell_usage(self, usage: Usage) -> None:
        """Tell a message's usage, and add it to the turn's."""
        self.out.append(usage)
        total = self.total or TokenUsage()
        self.total = TokenUsage(
            input_tokens=total.input_tokens + usage.input_tokens,
            output_tokens=total.output_tokens + usage.output_tokens,
        )


class OpenCallPart:
    """A call while it is being written. It starts when its name is known; fragments before that wait."""

    __slots__ = ("call", "call_id", "fragments", "name", "provider", "told_id")

    def __init__(self, call_id: str | None, *, provider: bool) -> None:
        self.call_id, self.provider = call_id, provider
        self.name = ""
        self.fragments: list[str] = []
        self.call: Call | None = None
        self.told_id = ""
        """Its part id, once it has been told to have started."""


class OpenMessage:
    """One message while it is told. Implements `_messages.Sink`."""

    __slots__ = (
        "_call_parts",
        "_desk",
        "_encrypted",
        "_signature",
        "_text_id",
        "_usages",
        "calls",
        "message_id",
        "model",
        "role",
        "run",
        "source",
        "strand",
        "strand_id",
        "texts",
    )

    def __init__(self, desk: Desk, message_id: str, source: Source, role: str) -> None:
        self._desk, self.message_id, self.source, self.role = desk, message_id, source, role
        self.strand: Strand | None = None
        self.strand_id = ""
        self._text_id: str | None = None
        self._signature: str | None = None
        self._encrypted: str | None = None
        self._call_parts: dict[Any, OpenCallPart] = {}
        self._usages: list[Mapping[str, Any]] = []
        self.calls: list[Call] = []
        self.texts: list[str] = []
        self.model: str | None = None
        self.run: int | None = None
        """Whose chunks it takes: the key of its model run, while it is open."""

    # -------------------------------------------------------------- strands

    def text(self, text: str) -> None:
        if self.strand != "text":
            self._start("text")
        self.texts.append(text)
        self._desk.out.append(TextDelta(id=self.strand_id, text=text))

    def refusal(self, text: str) -> None:
        if text:
            if self.strand != "refusal":
                self._start("refusal")
            self._desk.out.append(TextDelta(id=self.strand_id, text=text))

    def reasoning(self, text: str) -> None:
        if text:
            if self.strand != "reasoning" or self._signature or self._encrypted:
                self._start("reasoning")
            self._desk.out.append(ReasoningDelta(id=self.strand_id, text=text))

    def sign(self, signature: str | None, encrypted: str | None) -> None:
        if signature is None and encrypted is None:
            return
        if self.strand != "reasoning" or (encrypted and (self._signature or self._encrypted)):
            self._start("reasoning")
        self._signature = signature or self._signature
        self._encrypted = encrypted or self._encrypted

    def cite(self, data: Any) -> None:
        if self._text_id is None:
            self._start("text")
        self._desk.out.append(Citation(id=self._text_id or self.message_id, data=data))

    def media(
        self,
        kind: str,
        *,
        mime: str | None = None,
        data: str | None = None,
        ref: str | None = None,
        block: Any = None,
    ) -> None:
        self._end_strand(partial=False)
        self._desk.out.append(
            Media(
                id=self._desk.ids.part(self.message_id),
                message_id=self.message_id,
                kind=kind,
                source=self.source,
                role=self.role,
                mime=mime,
                data=data,
                ref=ref,
                block=block,
            )
        )

    def _start(self, strand: Strand) -> None:
        self._end_strand(partial=False)
        self.strand = strand
        id = self.strand_id = self._desk.ids.part(self.message_id)
        if strand == "reasoning":
            self._desk.out.append(ReasoningStart(id=id, message_id=self.message_id, source=self.source))
            return
        self._text_id = id
        self._desk.out.append(
            TextStart(
                id=id,
                message_id=self.message_id,
                source=self.source,
                role=self.role,
                refusal=strand == "refusal",
            )
        )

    def _end_strand(self, *, partial: bool) -> None:
        strand, self.strand = self.strand, None
        if strand is None:
            return
        if strand == "reasoning":
            self._desk.out.append(
                ReasoningEnd(id=self.strand_id, partial=partial, signature=self._signature, encrypted=self._encrypted)
            )
            self._signature = self._encrypted = None
        else:
            self._desk.out.append(TextEnd(id=self.strand_id, partial=partial))

    # -------------------------------------------------------------- calls

    def call_chunks(self, chunks: Iterable[Mapping[str, Any]]) -> None:
        """Take fragments of calls. The slot of one is its index, else its id, else the last call's."""
        for chunk in chunks:
            part = self._call_parts.get(chunk.get("index"))
            if part is None or chunk.get("id") or chunk.get("name"):
                part = self._named_part(chunk)
            if args := chunk.get("args"):
                part.fragments.append(args)
                if part.told_id:
                    self._desk.out.append(ToolCallDelta(id=part.told_id, args=args))

    def provider_call(self, slot: Any, call_id: str | None, name: str, args: str | Mapping[str, Any]) -> None:
        slot = "provider", slot if slot is not None else call_id
        if name or slot in self._call_parts:  # else arguments of an ordinary call, told by its `tool_call_chunks`
            part = self._part(slot, call_id, name, provider=True)
            text = args if isinstance(args, str) else _json(args)
            part.fragments.append(text)
            if text and part.told_id:
                self._desk.out.append(ToolCallDelta(id=part.told_id, args=text))

    def provider_result(self, call_id: str | None, *, failed: bool, content: Any) -> None:
        for key, part in list(self._call_parts.items()):
            if part.provider and part.call_id == call_id:
                self._end_call(self._call_parts.pop(key), partial=False)
        call = self._desk.calls.find(self.source.lane, call_id)
        if call is None or call.answered:
            return
        call.answered = True
        self._desk.tell_result(
            ToolResult(
                id=call.id,
                call_id=call_id,
                name=call.name,
                message_id=self.message_id,
                status="error" if failed else "ok",
                content=content,
                source=self.source,
            ),
            call,
        )

    def whole_call(self, call_id: str | None, name: str, args: Any, text: str | None) -> None:
        """Tell a call of a finished message at once; `text` are its arguments where they are not parsed."""
        self._end_strand(partial=False)
        part = OpenCallPart(call_id, provider=False)
        part.name = name
        part.fragments.append(_json(args) if text is None else text)
        self._start_call(part)
        self._end_call(part, partial=False)

    def _named_part(self, chunk: Mapping[str, Any]) -> OpenCallPart:
        slot, call_id, name = chunk.get("index"), chunk.get("id") or None, chunk.get("name") or ""
        if slot is None:
            slot = call_id or self._nameless_slot(new=bool(name))
        return self._part(slot, call_id, name, provider=False)

    def _nameless_slot(self, *, new: bool) -> Any:
        """Where a fragment belongs that has neither index nor id: a name begins a call, the rest continue the last."""
        if not new:
            for slot, part in reversed(self._call_parts.items()):
                if not part.provider:
                    return slot
        return "nameless", len(self._call_parts)

    def _part(self, slot: Any, call_id: str | None, name: str, *, provider: bool) -> OpenCallPart:
        """Find the call in a slot, or open one there; give it what it had not yet of id and name."""
        part = self._call_parts.get(slot)
        if part is None or (call_id and part.call_id and call_id != part.call_id):
            if part is not None:  # another call under the index of the one before
                self._end_call(part, partial=False)
            part = self._call_parts[slot] = OpenCallPart(call_id, provider=provider)
        if call_id and part.call_id is None:
            part.call_id = call_id
            if part.call is not None:
                self._desk.calls.name_id(part.call, call_id)
        if name and part.name != name:
            part.name += name
        if part.call is None and part.name:
            self._start_call(part)
        return part

    def _start_call(self, part: OpenCallPart) -> Call:
        desk = self._desk
        id = desk.ids.call(part.call_id) if part.call_id else desk.ids.part(self.message_id)
        hidden = part.name in desk.skipped
        call = Call(
            id,
            part.name,
            self.source.lane,
            call_id=part.call_id,
            message_id=self.message_id,
            provider=part.provider,
            hidden=hidden,
        )
        part.call = call
        desk.calls.add(call)
        self.calls.append(call)
        if not hidden:
            part.told_id = id
            desk.out.append(
                ToolCallStart(
                    id=id,
                    call_id=part.call_id,
                    name=part.name,
                    message_id=self.message_id,
                    source=self.source,
                    provider=part.provider,
                )
            )
            desk.out.extend(ToolCallDelta(id=id, args=fragment) for fragment in part.fragments if fragment)
        return call

    def _end_call(self, part: OpenCallPart, *, partial: bool) -> None:
        call = part.call or self._start_call(part)
        call.name = part.name
        text = "".join(part.fragments)
        args, invalid = parse_args(text)
        call.args = args
        if not call.hidden:
            self._desk.out.append(
                ToolCallEnd(
                    id=call.id,
                    name=call.name,
                    call_id=call.call_id,
                    args=args,
                    invalid=invalid,
                    partial=partial,
                )
            )

    # -------------------------------------------------------------- usage and end

    def count(self, usage: Mapping[str, Any]) -> None:
        """Take one `usage_metadata`; a message may carry several."""
        self._usages.append(usage)

    def end(self, *, partial: bool) -> None:
        """Tell the end of every part that is open."""
        self._end_strand(partial=partial)
        parts, self._call_parts = self._call_parts, {}
        for part in parts.values():
            self._end_call(part, partial=partial)

    @property
    def has_parts(self) -> bool:
        """Whether anything of it has been told."""
        return bool(self.strand_id or self.calls)

    def usage(self) -> Usage | None:
        """Return the message's usage as far as it has been counted, once."""
        usages, self._usages = self._usages, []
        return sum_usage(self.message_id, self.model, usages) if usages else None


def parse_args(text: str) -> tuple[Any, str | None]:
    """Return (arguments, None), or (None, the text) when it does not parse. No text at all means no arguments."""
    if not text:
        return {}, None
    try:
        return json.loads(text), None
    except (ValueError, RecursionError):
        return None, text


def _json(args: Any) -> str:
    """Arguments of a finished call as JSON text; what JSON has no form for takes the codec's."""
    try:
        return json.dumps(args, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(jsonable(args), ensure_ascii=False)


def sum_usage(message_id: str, model: str | None, usages: list[Mapping[str, Any]]) -> Usage:
    """Make one `Usage` of all that a message's chunks said.

    Providers either split the counts over chunks, to be added, or repeat the running total: then the input
    tokens, which no provider bills twice for one message, come more than once, and the largest counts.
    """
    repeated = len(usages) > 1 and sum(_count(usage, "input_tokens") > 0 for usage in usages) > 1
    combine = max if repeated else sum
    details: dict[str, Any] = {}
    for key in ("input_token_details", "output_token_details"):
        given = [usage[key] for usage in usages if usage.get(key) and is_mapping(usage[key])]
        names = {name: None for one in given for name in one}
        counts = {name: combine([_count(one, name) for one in given]) for name in names}
        if counts:
            details[key] = counts
    return Usage(
        message_id=message_id,
        model=model,
        input_tokens=combine([_count(usage, "input_tokens") for usage in usages]),
        output_tokens=combine([_count(usage, "output_tokens") for usage in usages]),
        details=details or None,
    )


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) else 0
