"""Knows how the events of a turn, or of a whole thread, read as messages, calls and results.

A `Transcript` is the fold of the events in the order in which they were told: `add` them one by one, or take
`Transcript.of(events)`. Each costs the same however long the thread is: deltas are collected, and joined when
somebody reads. It is lenient where `langwire.core.conformance` is strict: it never raises, and text whose part
was never announced is a message all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from langwire.core._calls import related
from langwire.events import (
    Citation,
    Custom,
    Display,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
    Lane,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    NodeEnd,
    NodeStart,
    OpenCall,
    Outcome,
    Progress,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResultStatus,
    Source,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    SubagentEnd,
    SubagentStart,
    TextDelta,
    TextEnd,
    TextStart,
    TokenUsage,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)

UNKNOWN_ROLE = "unknown"
"""The role of a message that was told before the transcript began, and is only heard of when it changes."""

StrandKind: TypeAlias = Literal["text", "refusal", "reasoning"]

_Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
_NOT_KEPT = frozenset(
    {TextDelta, ReasoningDelta, ToolCallDelta, NodeStart, NodeEnd, StateSnapshot, StateDelta, Raw, Progress}
)
"""Events that `events` does not yield as they came. A `Raw` may hold a whole state: `debug` tells one at each step."""

_SHOWN = 60


class Strand:
    """One part of a message: answer, refusal or thinking. `pieces` are its deltas; reading `text` joins them.

    Of thinking, `signature` and `encrypted` are the provider's own.
    """

    __slots__ = ("encrypted", "kind", "message", "pieces", "signature")

    def __init__(self, kind: StrandKind, message: Message) -> None:
        self.kind, self.message = kind, message
        self.pieces: list[str] = []
        self.signature: str | None = None
        self.encrypted: str | None = None

    @property
    def text(self) -> str:
        """What it says, so far."""
        return _joined(self.pieces)


class Result(msgspec.Struct, kw_only=True):
    """What came of a call. `number`, `replaced` and `removed` as in `Message`."""

    status: ResultStatus = "ok"
    content: Any = None
    artifact: Any = None
    message_id: str | None = None
    source: Source = Source()
    number: int = 0
    replaced: bool = False
    removed: bool = False


class Call:
    """A tool call, as far as it has been told.

    `id` is its part id, `call_id` the provider's. `args` are the parsed arguments, or `invalid` is the text that
    does not parse; `args_text` is that text as it streams. `output` is what the tool reported while it ran, and
    `result` is None as long as there is none. `partial` when the call was cut off. `pieces` are the deltas.
    """

    __slots__ = (
        "args",
        "call_id",
        "id",
        "invalid",
        "message_id",
        "name",
        "output",
        "partial",
        "pieces",
        "provider",
        "result",
        "source",
    )

    def __init__(
        self, id: str, name: str, message_id: str, source: Source, *, call_id: str | None, provider: bool = False
    ) -> None:
        self.id, self.name, self.message_id, self.source = id, name, message_id, source
        self.call_id, self.provider = call_id, provider
        self.pieces: list[str] = []
        self.args: Any = None
        self.invalid: str | None = None
        self.partial = False
        self.output: list[Any] = []
        self.result: Result | None = None

    @property
    def lane(self) -> Lane:
        """Where the call was made."""
        return self.source.lane

    @property
    def args_text(self) -> str:
        """The arguments as the model wrote them, so far."""
        return _joined(self.pieces)

    def __repr__(self) -> str:
        status = self.result.status if self.result is not None else "open"
        return f"<Call {self.name}({_short(self.args_text)}) {status}>"


class Message:
    """A message, as far as it has been told. Each is known by its lane and `message_id`.

    `role` is `assistant`, `user`, `system`, `tool` for a result whose call is not known, or whatever role a chat
    message names. `strands` are its parts; they, `calls`, `media` and `citations` are in the order in which they came.
    `usage` is None until told, `replacement` until a node changes the text. `turn` counts the turns, from 1, and
    `number` messages and results together, in the order in which they were first told.

    `replaced`: its text was changed later. `removed`: it left the graph's state. `discarded`: it streamed, but never
    got there. `partial`: it was cut off.
    """

    __slots__ = (
        "calls",
        "citations",
        "discarded",
        "media",
        "message_id",
        "number",
        "partial",
        "removed",
        "replacement",
        "role",
        "source",
        "strands",
        "turn",
        "usage",
    )

    def __init__(self, message_id: str, role: str, source: Source, turn: int, number: int) -> None:
        self.message_id, self.role, self.source, self.turn, self.number = message_id, role, source, turn, number
        self.strands: list[Strand] = []
        self.replacement: str | None = None
        self.calls: list[Call] = []
        self.media: list[Media] = []
        self.citations: list[Any] = []
        self.usage: Usage | None = None
        self.removed = self.discarded = self.partial = False

    @property
    def lane(self) -> Lane:
        """Where the message was made."""
        return self.source.lane

    @property
    def text(self) -> str:
        """Its text without refusals and thinking, or what the text was replaced by."""
        return self._said("text") if self.replacement is None else self.replacement

    @property
    def refusal(self) -> str:
        """What the provider said instead of an answer."""
        return self._said("refusal")

    @property
    def reasoning(self) -> str:
        """Its thinking, a paragraph for each part."""
        return "\n\n".join(strand.text for strand in self.strands if strand.kind == "reasoning" and strand.pieces)

    @property
    def replaced(self) -> bool:
        """Whether its text was changed after it had been told."""
        return self.replacement is not None

    @property
    def in_state(self) -> bool:
        """Whether the graph's state holds it, as far as the events say."""
        return not (self.removed or self.discarded)

    def _said(self, kind: StrandKind) -> str:
        return "".join(strand.text for strand in self.strands if strand.kind == kind)

    def __repr__(self) -> str:
        calls = f" {self.calls}" if self.calls else ""
        return f"<Message {self.role} {_short(self.text)!r}{calls}>"


class Subagent(msgspec.Struct, kw_only=True):
    """The work of a call in a lane of its own. `call_id` is the call's part id."""

    lane: Lane
    call_id: str
    parent: Lane
    name: str | None = None
    ended: bool = False


class Transcript:
    """What a person reads of one or many turns.

    Of the whole thread: `messages` and `calls` in the order in which they were first told, `subagents`, `custom`,
    `displays`, `extracted`, and `usage`. Of its last turn: `turn_id`, `thread_id`, `text`, `interrupts` (the open
    ones), `outcome` (None while it runs), `error`, `open_calls`, `checkpoint_id` (where the thread stands after it)
    and `structured`.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[Call] = []
        self.subagents: list[Subagent] = []
        self.custom: list[Custom] = []
        self.displays: list[Display] = []
        self.extracted: list[Extracted] = []
        self.outcome: Outcome | None = None
        self.error: ErrorInfo | None = None
        self.structured: Any = None
        self.turn_id: str | None = None
        self.thread_id: str | None = None
        self.checkpoint_id: str | None = None
        self.open_calls: tuple[OpenCall, ...] = ()
        self._turn = self._numbers = 0
        self._input_tokens = self._output_tokens = 0
        self._strands: dict[str, Strand] = {}
        self._calls: dict[str, Call] = {}
        self._subagents: dict[Lane, Subagent] = {}
        self._told: dict[str, list[Message]] = {}
        self._results: dict[str, list[Result]] = {}
        self._interrupts: dict[str, Interrupt] = {}
        self._kept: list[Event | _Deltas] = []

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transcript:
        """Fold events into a transcript."""
        transcript = cls()
        for event in events:
            transcript.add(event)
        return transcript

    def add(self, event: Event) -> None:
        """Take in the next event. Never raises, also where the events break the grammar of a turn."""
        fold = self._folds.get(type(event))
        if fold is not None:
            fold(self, event)
        if type(event) not in _NOT_KEPT:
            self._kept.append(event)

    # -------------------------------------------------------------- reading

    @property
    def text(self) -> str:
        """The assistant's answer in the last turn: its messages, with a blank line between them.

        These are the messages of the root lane. Where a subgraph has the last word they are those of all lanes: its
        messages are the answer then, and the parser tells them in the lane that said them. The text of subagents, and
        of messages that are not in the graph's state, is never part of it.
        """
        answers = [
            message
            for message in self._last_turn()
            if message.role == "assistant" and message.in_state and message.text and not self._delegated(message.lane)
        ]
        at_root = bool(answers) and not answers[-1].lane
        return "\n\n".join(message.text for message in answers if not (at_root and message.lane))

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """The questions that wait for an answer."""
        return tuple(self._interrupts.values())

    @property
    def usage(self) -> TokenUsage:
        """Tokens of all turns."""
        return TokenUsage(input_tokens=self._input_tokens, output_tokens=self._output_tokens)

    def state_messages(self) -> list[Message]:
        """Return the messages that the graph's state holds after this: all but removed and discarded ones."""
        return [message for message in self.messages if message.in_state]

    def events(self) -> Iterator[Event]:
        """Yield the story again: the events as they were told, but one delta for each part, where its first one was.

        Folded again they read the same. Nodes, states and raw chunks, which are not for reading, are left out, and so
        is progress, which is of the moment.
        """
        for kept in self._kept:
            yield kept.event() if isinstance(kept, _Deltas) else kept

    def __repr__(self) -> str:
        outcome = self.outcome or "running"
        told = f"{len(self.messages)} messages, {len(self.calls)} calls, {_short(self.text)!r}"
        return f"<{type(self).__name__} {outcome}: {told}>"

    def _last_turn(self) -> list[Message]:
        at = len(self.messages)
        while at and self.messages[at - 1].turn == self._turn:
            at -= 1
        return self.messages[at:]

    def _delegated(self, lane: Lane) -> bool:
        return any(lane[:depth] in self._subagents for depth in range(1, len(lane) + 1))

    # -------------------------------------------------------------- finding messages

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _message(self, message_id: str, source: Source, role: str = "assistant") -> Message:
        """Return the message that a part belongs to.

        A message of the same id and lane from an earlier turn or another task is not continued: the new one takes
        its place in the state.
        """
        told = self._told.setdefault(message_id, [])
        for message in told:
            if message.turn == self._turn and _same_place(message.source, source):
                return message
        for message in told:
            message.removed = message.removed or message.lane == source.lane
        # Nothing is said of an earlier turn's message once it has been replaced so.
        told[:] = [message for message in told if message.turn == self._turn or message.lane != source.lane]
        message = Message(message_id, role, source, self._turn, self._number())
        told.append(message)
        self.messages.append(message)
        return message

    def _strand(self, kind: StrandKind, id: str) -> Strand:
        """Return the part that a delta is for; one that nobody announced is a message of its own."""
        strand = self._strands.get(id)
        if strand is None:
            strand = self._open(kind, id, self._message(id, Source()))
        return strand

    def _open(self, kind: StrandKind, id: str, message: Message) -> Strand:
        strand = self._strands[id] = Strand(kind, message)
        message.strands.append(strand)
        return strand

    def _more(self, kind: type[_Delta], id: str, pieces: list[str], piece: str) -> None:
        """Add a delta to its part, which keeps the place of its first one in the story."""
        if not pieces:
            self._kept.append(_Deltas(kind, id, pieces))
        pieces.append(piece)

    # -------------------------------------------------------------- folding text

    def _text_start(self, event: TextStart) -> None:
        message = self._message(event.message_id, event.source, event.role)
        self._open("refusal" if event.refusal else "text", event.id, message)

    def _text_delta(self, event: TextDelta) -> None:
        self._more(TextDelta, event.id, self._strand("text", event.id).pieces, event.text)

    def _reasoning_start(self, event: ReasoningStart) -> None:
        self._open("reasoning", event.id, self._message(event.message_id, event.source))

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        self._more(ReasoningDelta, event.id, self._strand("reasoning", event.id).pieces, event.text)

    def _strand_end(self, event: TextEnd | ReasoningEnd) -> None:
        strand = self._strands.get(event.id)
        if strand is None:
            return
        strand.message.partial = strand.message.partial or event.partial
        if isinstance(event, ReasoningEnd):
            strand.signature, strand.encrypted = event.signature, event.encrypted

    def _citation(self, event: Citation) -> None:
        self._strand("text", event.id).message.citations.append(event.data)

    def _media(self, event: Media) -> None:
        self._message(event.message_id, event.source, event.role).media.append(event)

    def _usage(self, event: Usage) -> None:
        self._input_tokens += event.input_tokens
        self._output_tokens += event.output_tokens
        for message in self._told.get(event.message_id, ()):
            if message.usage is None and message.turn == self._turn:
                message.usage = event
                return

    # -------------------------------------------------------------- folding calls

    def _call_start(self, event: ToolCallStart) -> None:
        message = self._message(event.message_id, event.source)
        self._add_call(
            message,
            Call(
                event.id,
                event.name,
                event.message_id,
                event.source,
                call_id=event.call_id,
                provider=event.provider,
            ),
        )

    def _add_call(self, message: Message, call: Call) -> Call:
        self._calls[call.id] = call
        message.calls.append(call)
        self.calls.append(call)
        return call

    def _call(self, id: str) -> Call:
        """Return the call that an event is about; one that nobody announced is a message of its own."""
        call = self._calls.get(id)
        if call is None:
            call = self._add_call(self._message(id, Source()), Call(id, "", id, Source(), call_id=None))
        return call

    def _call_delta(self, event: ToolCallDelta) -> None:
        self._more(ToolCallDelta, event.id, self._call(event.id).pieces, event.args)

    def _call_end(self, event: ToolCallEnd) -> None:
        call = self._call(event.id)
        call.name, call.call_id = event.name, event.call_id or call.call_id
        call.args, call.invalid, call.partial = event.args, event.invalid, event.partial

    def _output(self, event: ToolOutputDelta) -> None:
        self._call(event.id).output.append(event.data)

    def _result(self, event: ToolResult) -> None:
        call = self._calls.get(event.id)
        if call is None or call.result is not None:
            message_id = event.message_id or event.id
            call = Call(event.id, event.name or "", message_id, event.source, call_id=event.call_id)
            self._add_call(self._message(message_id, event.source, "tool"), call)
        call.result = Result(
            status=event.status,
            content=event.content,
            artifact=event.artifact,
            message_id=event.message_id,
            source=event.source,
            number=self._number(),
        )
        if event.message_id is not None:
            self._results.setdefault(event.message_id, []).append(call.result)

    # -------------------------------------------------------------- folding changes

    def _replaced(self, event: MessageReplaced) -> None:
        lane = event.source.lane
        told = self._told.get(event.message_id, ())
        near = [message for message in told if message.role != "tool" and related(message.lane, lane)]
        results = [result for result in self._results.get(event.message_id, ()) if related(result.source.lane, lane)]
        if near:
            nearest = max(near, key=lambda message: (message.lane == lane, message.turn))
            nearest.replacement, nearest.removed = event.text, False
        elif results:
            results[-1].content, results[-1].replaced = event.text, True
        else:
            self._message(event.message_id, event.source, UNKNOWN_ROLE).replacement = event.text

    def _removed(self, event: MessagesRemoved) -> None:
        for message_id in event.ids:
            for message in self._told.get(message_id, ()):
                message.removed = message.removed or related(message.lane, event.lane)
            for result in self._results.get(message_id, ()):
                result.removed = result.removed or related(result.source.lane, event.lane)

    def _discarded(self, event: MessageDiscarded) -> None:
        told = [message for message in self._told.get(event.message_id, ()) if message.lane == event.source.lane]
        if told:
            max(told, key=lambda message: (message.source == event.source, message.turn)).discarded = True

    # -------------------------------------------------------------- folding turns

    def _turn_start(self, event: TurnStart) -> None:
        self._turn += 1
        self.turn_id, self.thread_id, self.checkpoint_id = event.turn_id, event.thread_id, event.checkpoint_id
        self.outcome = self.error = self.structured = None
        self._strands.clear()
        self._interrupts.clear()

    def _turn_end(self, event: TurnEnd) -> None:
        self.outcome, self.error, self.open_calls = event.outcome, event.error, event.open_calls
        self.checkpoint_id = event.checkpoint_id or self.checkpoint_id
        self._interrupts = {id: self._interrupts[id] for id in event.interrupts if id in self._interrupts}

    def _interrupt(self, event: Interrupt) -> None:
        self._interrupts[event.id] = event

    def _structured_output(self, event: StructuredOutput) -> None:
        self.structured = event.value

    def _subagent_start(self, event: SubagentStart) -> None:
        subagent = Subagent(lane=event.lane, call_id=event.id, parent=event.parent, name=event.name)
        self._subagents[event.lane] = subagent
        self.subagents.append(subagent)

    def _subagent_end(self, event: SubagentEnd) -> None:
        subagent = self._subagents.get(event.lane)
        if subagent is not None:
            subagent.ended = True

    def _custom(self, event: Custom) -> None:
        self.custom.append(event)

    def _display(self, event: Display) -> None:
        self.displays.append(event)

    def _extracted(self, event: Extracted) -> None:
        self.extracted.append(event)

    _folds: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        TurnStart: _turn_start,
        TextStart: _text_start,
        TextDelta: _text_delta,
        TextEnd: _strand_end,
        ReasoningStart: _reasoning_start,
        ReasoningDelta: _reasoning_delta,
        ReasoningEnd: _strand_end,
        ToolCallStart: _call_start,
        ToolCallDelta: _call_delta,
        ToolCallEnd: _call_end,
        ToolOutputDelta: _output,
        ToolResult: _result,
        Media: _media,
        Citation: _citation,
        MessageReplaced: _replaced,
        MessagesRemoved: _removed,
        MessageDiscarded: _discarded,
        Usage: _usage,
        SubagentStart: _subagent_start,
        SubagentEnd: _subagent_end,
        StructuredOutput: _structured_output,
        Interrupt: _interrupt,
        Custom: _custom,
        Extracted: _extracted,
        Display: _display,
        TurnEnd: _turn_end,
    }
    """What each event adds. Nodes, states and raw chunks are not for reading; progress and tasks are of the moment."""


class TurnResult(Transcript):
    """What came of one turn: its transcript, and what the graph raised.

    `exception` is the original one, None where there was none or where the turn ran in another process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exception: BaseException | None = None

    def raise_for_error(self) -> None:
        """Raise what the graph raised, if it did."""
        if self.exception is not None:
            raise self.exception


class _Deltas:
    """The deltas of one part, in their place among the events. `pieces` are those of the part itself."""

    __slots__ = ("_id", "_kind", "_pieces")

    def __init__(self, kind: type[_Delta], id: str, pieces: list[str]) -> None:
        self._kind, self._id, self._pieces = kind, id, pieces

    def event(self) -> Event:
        """All of them as one."""
        text = _joined(self._pieces)
        if self._kind is ToolCallDelta:
            return ToolCallDelta(id=self._id, args=text)
        return TextDelta(id=self._id, text=text) if self._kind is TextDelta else ReasoningDelta(id=self._id, text=text)


def _joined(pieces: list[str]) -> str:
    """Join pieces, and leave them joined for the next time."""
    if len(pieces) > 1:
        pieces[:] = ("".join(pieces),)
    return pieces[0] if pieces else ""


def _same_place(one: Source, other: Source) -> bool:
    return one.lane == other.lane and (one.task == other.task or None in (one.task, other.task))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
