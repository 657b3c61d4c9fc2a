"""Tells a story as one Markdown document that a person can read, turn by turn.

A heading for each turn and each speaker, text as it was written, thinking in quotes, calls with arguments and results
in blocks of code, the work of subagents and subgraphs as quotes, todos as a task list. What a model or a tool said
cannot run, load or pass for ours: raw HTML is shown, its headings are small, images become links. Data of images is
left out, with a note. Nodes, states and progress are not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from langwire.adapters._shared.safe_markdown import code, fenced, inline, safe_markdown
from langwire.adapters._shared.stories import Story, said_in, text_of, told
from langwire.core._guards import is_list
from langwire.core.codec import jsonable
from langwire.events import (
    Action,
    Citation,
    Custom,
    Display,
    Event,
    Extracted,
    Interrupt,
    Lane,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    StructuredOutput,
    SubagentStart,
    TaskUpdate,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
)

_DEEPEST = 12
"""How many quotes stand in each other at most; what is deeper stands in the last one."""

_WAITS = "waits for an answer"
_SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System"}
_BOXES = {"completed": "x"}


def to_markdown(story: Story) -> str:
    """Return a story as a Markdown document.

    `story` is a `Transcript` (a `TurnResult`, too), or its events, or the entries of a log, which add times. Never
    raises for what events hold.
    """
    book = _Book()
    for event, at_ms in told(story):
        book.add(event, at_ms)
    return "\n".join(book.lines()).strip("\n") + "\n"


# ------------------------------------------------------------------ what stands in the document


@dataclass(slots=True, eq=False)
class _Message:
    """Who says something, and what became of it."""

    role: str
    agent: str | None = None
    replacement: str | None = None
    gone: str = ""
    speaks: bool = False
    """Whether it has a text part."""

    def heading(self) -> str:
        who = inline(self.agent or "") if self.role == "assistant" and self.agent else ""
        return (who or _SPEAKERS.get(self.role) or inline(self.role)) + (f" *({self.gone})*" if self.gone else "")


@dataclass(slots=True, eq=False)
class _Strand:
    """Text, a refusal or thinking."""

    message: _Message
    kind: str
    pieces: list[str] = field(default_factory=list[str])
    cited: list[Any] = field(default_factory=list[Any])
    partial: bool = False
    first: bool = False
    """Whether it is the first text of its message, in whose place a replacement stands."""

    def lines(self, _depth: int) -> Iterator[str]:
        said = "".join(self.pieces)
        if self.kind == "text" and self.message.replacement is not None:
            said = self.message.replacement if self.first else ""
        if said.strip():
            text = safe_markdown(said).split("\n")
            yield from [
                "",
                *{"reasoning": _quote(["*Thinking*", "", *text]), "refusal": ["*Refused:*", "", *text]}.get(
                    self.kind, text
                ),
            ]
        if self.partial and said.strip():
            yield from ["", "*(cut off)*"]
        if self.cited:
            yield from ["", "Sources:", "", *(f"- {_source(data)}" for data in self.cited)]


@dataclass(slots=True, eq=False)
class _Call:
    """A call of a tool, what came of it, and the lanes in which it was done."""

    message: _Message | None
    name: str
    provider: bool = False
    began: int | None = None
    ended: int | None = None
    pieces: list[str] = field(default_factory=list[str])
    args: Any = None
    invalid: str | None = None
    partial: bool = False
    output: list[Any] = field(default_factory=list[Any])
    result: ToolResult | None = None
    replaced: str | None = None
    shown: list[_Note] = field(default_factory=list["_Note"])
    lanes: list[_Lane] = field(default_factory=list["_Lane"])

    def lines(self, depth: int) -> Iterator[str]:
        by = " (by the provider)" if self.provider else ""
        yield from ["", f"**Tool** {code(self.name)}{by}: {self._state()}"]
        args = self.invalid if self.invalid is not None else self.args
        if args not in (None, {}) or self.pieces:
            said = "".join(self.pieces) if args is None else args
            yield from [
                "",
                "Arguments that do not parse:" if self.invalid is not None else "Arguments:",
                "",
                *_data(said),
            ]
        for output in self.output:
            yield from ["", "Output:", "", *_data(output)]
        for lane in self.lanes:
            yield from lane.lines(depth)
        if self.result is not None:
            content = self.result.content if self.replaced is None else self.replaced
            yield from ["", "Result:", "", *_data(text_of(content) if isinstance(content, list) else content)]
        for note in self.shown:
            yield from note.lines(depth)

    def _state(self) -> str:
        if self.result is None:
            return "cut off" if self.partial else "no result"
        took = (
            f" in {(self.ended - self.began) / 1000:.1f} s" if self.began is not None and self.ended is not None else ""
        )
        return ("failed" if self.result.status == "error" else "done") + took


@dataclass(slots=True, eq=False)
class _Note:
    """Lines of ours, about what somebody told."""

    told: Sequence[str]
    message: _Message | None = None

    def lines(self, _depth: int) -> Iterator[str]:
        yield from ["", *self.told]


@dataclass(slots=True, eq=False)
class _Question:
    """A question to a person, and whether it waits."""

    interrupt: Interrupt
    state: str = "not answered"

    message = None

    def lines(self, _depth: int) -> Iterator[str]:
        question = self.interrupt
        yield from ["", f"**Question** ({self.state})"]
        for action in question.actions:
            yield from _action(action)
        if not question.actions:
            label = "Paused before:" if question.kind == "breakpoint" else "Asked:"
            yield from ["", label, "", *_data(question.value)]


@dataclass(slots=True, eq=False)
class _Task:
    """A task that was delegated, as it was told last."""

    update: TaskUpdate

    message = None

    def lines(self, _depth: int) -> Iterator[str]:
        title = inline(self.update.title) if self.update.title else code(self.update.task_id)
        yield from ["", f"**Task** {title}: {inline(self.update.state.replace('_', ' '))}"]


@dataclass(slots=True, eq=False)
class _Lane:
    """A row of blocks: a turn's own, or the work of a call or a subgraph."""

    name: str
    blocks: list[_Block] = field(default_factory=list["_Block"])
    todos: list[Any] | None = None
    message: _Message | None = None

    def lines(self, depth: int) -> Iterator[str]:
        inner = [f"**{inline(self.name) or 'Inside'}**", *self.told(depth + 1)]
        yield from ["", *(_quote(inner) if depth < _DEEPEST else inner)]

    def told(self, depth: int) -> Iterator[str]:
        """The blocks, with a heading wherever somebody else speaks."""
        speaker = inline(self.name)
        for block in self.blocks:
            lines = list(block.lines(depth))
            heading = block.message.heading() if block.message is not None else speaker
            if heading != speaker and lines:
                speaker = heading
                yield from ["", f"**{heading}:**" if depth else f"### {heading}"]
            yield from lines
        if self.todos is not None:
            yield from ["", "**To do**", "", *(_todo(todo) for todo in self.todos)]


_Block = _Strand | _Call | _Note | _Question | _Task | _Lane


@dataclass(slots=True, eq=False)
class _Turn:
    number: int
    start: TurnStart | None
    began: int | None
    lane: _Lane = field(default_factory=lambda: _Lane(""))
    lanes: dict[Lane, _Lane] = field(default_factory=dict[Lane, _Lane])
    messages: dict[tuple[Lane, str], _Message] = field(default_factory=dict[tuple[Lane, str], _Message])
    strands: dict[str, _Strand] = field(default_factory=dict[str, _Strand])
    end: TurnEnd | None = None

    def lines(self) -> Iterator[str]:
        when = (
            f", {datetime.fromtimestamp(self.began / 1000, UTC):%Y-%m-%d %H:%M} UTC" if self.began is not None else ""
        )
        yield from ["", f"## Turn {self.number}{when}", *self.lane.told(0), "", f"*{self._ending()}*"]
        error = self.end.error if self.end is not None else None
        if error is not None:
            id = f" (error id {code(error.id)})" if error.id else ""
            yield from ["", f"**Failed:** {inline(error.code)}: {inline(error.message)}{id}"]

    def _ending(self) -> str:
        end = self.end
        if end is None:
            return "It still runs."
        open_calls = ", ".join(inline(call.name) for call in end.open_calls)
        said = [
            end.outcome,
            inline(end.reason) if end.reason else "",
            f"no result of {open_calls}" if open_calls else "",
            f"{end.redactions} redacted" if end.redactions else "",
            f"{end.usage.input_tokens} tokens in, {end.usage.output_tokens} out" if end.usage else "",
        ]
        return " · ".join(filter(None, said))


# ------------------------------------------------------------------ from events to the document


class _Book:
    """The turns so far. Lenient: what was never announced is told all the same."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._calls: dict[str, _Call] = {}
        self._results: dict[str, _Call] = {}
        self._questions: dict[str, _Question] = {}
        self._tasks: dict[str, _Task] = {}
        self._said: set[str] = set()
        """The ids of the messages of a person that have been told."""

    def lines(self) -> Iterator[str]:
        yield "# Transcript"
        for turn in self._turns:
            yield from turn.lines()

    def add(self, event: Event, at_ms: int | None) -> None:
        """Take in the next event."""
        match event:
            case TurnStart() | TurnEnd():
                self._turn_event(event, at_ms)
            case TextStart() | TextDelta() | TextEnd() | ReasoningStart() | ReasoningDelta() | ReasoningEnd():
                self._prose(event)
            case ToolCallStart() | ToolCallDelta() | ToolCallEnd() | ToolOutputDelta() | ToolResult():
                self._call_event(event, at_ms)
            case Media() | Citation() | StructuredOutput() | Extracted() | Display() | Custom() | Raw():
                self._content(event)
            case MessageReplaced() | MessagesRemoved() | MessageDiscarded():
                self._change(event)
            case SubagentStart() | Interrupt() | TaskUpdate():
                self._work(event)
            case _:  # nodes, states, usage of one message, progress, ends of lanes
                pass

    # -------------------------------------------------------------- turns and lanes

    def _turn_event(self, event: TurnStart | TurnEnd, at_ms: int | None) -> None:
        if isinstance(event, TurnEnd):
            self._turn.end = event
            for id, question in self._questions.items():
                question.state = _WAITS if id in event.interrupts else question.state
            return
        for question in self._questions.values():
            if question.state == _WAITS:
                question.state = "answered" if event.cause == "resume" else "dropped"
        self._turns.append(_Turn(len(self._turns) + 1, event, at_ms))
        for id, text in said_in(event.input):
            if id is None or id not in self._said:
                message = _Message("user")
                self._turn.lane.blocks.append(_Strand(message, "text", [text]))
                self._said.update([id] if id is not None else [])

    @property
    def _turn(self) -> _Turn:
        if not self._turns:  # who tells this has missed the beginning
            self._turns.append(_Turn(1, None, None))
        return self._turns[-1]

    def _lane(self, path: Lane) -> _Lane:
        lanes = self._turn.lanes
        if not path:
            return self._turn.lane
        if path not in lanes:
            lanes[path] = lane = _Lane(path[-1].rpartition(":")[0] or path[-1])
            self._above(path).blocks.append(lane)
        return lanes[path]

    def _above(self, path: Lane) -> _Lane:
        """The nearest lane above that is known: those between have told nothing of their own."""
        above = next((path[:depth] for depth in range(len(path) - 1, 0, -1) if path[:depth] in self._turn.lanes), ())
        return self._lane(above)

    def _work(self, event: SubagentStart | Interrupt | TaskUpdate) -> None:
        match event:
            case SubagentStart():
                if event.lane not in self._turn.lanes:
                    call = self._calls.get(event.id)
                    lane = self._turn.lanes[event.lane] = _Lane(event.name or (call.name if call else ""))
                    (self._lane(event.parent).blocks if call is None else call.lanes).append(lane)
            case Interrupt():
                asked = self._questions.get(event.id)
                if asked is None or asked.interrupt.value != event.value:
                    asked = self._questions[event.id] = _Question(event)
                    self._lane(event.lane).blocks.append(asked)
                asked.state = "not answered"
            case TaskUpdate():
                if event.task_id in self._tasks:
                    self._tasks[event.task_id].update = event
                else:
                    task = self._tasks[event.task_id] = _Task(event)
                    self._turn.lane.blocks.append(task)

    # -------------------------------------------------------------- messages

    def _message(self, message_id: str, source: Source, role: str = "assistant") -> _Message:
        messages, key = self._turn.messages, (source.lane, message_id)
        if key not in messages:
            messages[key] = _Message(role, source.agent or source.node)
        return messages[key]

    def _prose(self, event: TextStart | TextDelta | TextEnd | ReasoningStart | ReasoningDelta | ReasoningEnd) -> None:
        match event:
            case TextStart():
                if event.role == "user" and event.message_id in self._said:
                    self._turn.strands[event.id] = _Strand(_Message("user"), "text")  # told already
                    return
                self._said.update([event.message_id] if event.role == "user" else [])
                kind = "refusal" if event.refusal else "text"
                self._open(kind, event.id, self._message(event.message_id, event.source, event.role), event.source.lane)
            case ReasoningStart():
                self._open("reasoning", event.id, self._message(event.message_id, event.source), event.source.lane)
            case TextDelta() | ReasoningDelta():
                kind = "text" if isinstance(event, TextDelta) else "reasoning"
                self._strand(kind, event.id).pieces.append(event.text)
            case TextEnd() | ReasoningEnd():
                if event.id in self._turn.strands:
                    self._turn.strands[event.id].partial = event.partial

    def _strand(self, kind: str, id: str) -> _Strand:
        return self._turn.strands.get(id) or self._open(kind, id, self._message(id, Source()), ())

    def _open(self, kind: str, id: str, message: _Message, lane: Lane) -> _Strand:
        first = kind == "text" and not message.speaks
        message.speaks = message.speaks or first
        strand = self._turn.strands[id] = _Strand(message, kind, first=first)
        self._lane(lane).blocks.append(strand)
        return strand

    def _change(self, event: MessageReplaced | MessagesRemoved | MessageDiscarded) -> None:
        match event:
            case MessageReplaced():
                if event.message_id in self._results:
                    self._results[event.message_id].replaced = event.text
                for message in self._known(event.message_id, event.source.lane):
                    message.replacement, message.gone = event.text, ""
            case MessagesRemoved():
                for message in (message for id in event.ids for message in self._known(id, event.lane)):
                    message.gone = "removed later"
            case MessageDiscarded():
                for message in self._known(event.message_id, event.source.lane):
                    message.gone = "not kept"

    def _known(self, message_id: str, lane: Lane) -> list[_Message]:
        """The message of an id that was told last, in this lane or in one above or below it."""
        for turn in reversed(self._turns):
            found = [
                message
                for (where, id), message in turn.messages.items()
                if id == message_id and where[: len(lane)] == lane[: len(where)]
            ]
            if found:
                return found
        return []

    # -------------------------------------------------------------- calls

    def _call_event(
        self, event: ToolCallStart | ToolCallDelta | ToolCallEnd | ToolOutputDelta | ToolResult, at_ms: int | None
    ) -> None:
        match event:
            case ToolCallStart():
                message = self._message(event.message_id, event.source)
                self._begin(event.id, _Call(message, event.name, event.provider), event.source.lane)
            case ToolCallDelta():
                self._call(event.id).pieces.append(event.args)
            case ToolCallEnd():
                call = self._call(event.id)
                call.name, call.args, call.invalid, call.partial = event.name, event.args, event.invalid, event.partial
                call.began = at_ms
            case ToolOutputDelta():
                self._call(event.id).output.append(event.data)
            case ToolResult():
                call = self._calls.get(event.id)
                if call is None or call.result is not None:
                    call = self._begin(event.id, _Call(None, event.name or event.id), event.source.lane)
                call.result, call.ended = event, at_ms
                self._results.update({event.message_id: call} if event.message_id else {})

    def _call(self, id: str) -> _Call:
        return self._calls.get(id) or self._begin(id, _Call(None, id), ())

    def _begin(self, id: str, call: _Call, lane: Lane) -> _Call:
        self._calls[id] = call
        self._lane(lane).blocks.append(call)
        return call

    # -------------------------------------------------------------- other content

    def _content(self, event: Media | Citation | StructuredOutput | Extracted | Display | Custom | Raw) -> None:
        match event:
            case Media():
                message = self._message(event.message_id, event.source, event.role)
                self._lane(event.source.lane).blocks.append(_Note([_media(event)], message))
            case Citation():
                self._strand("text", event.id).cited.append(event.data)
            case StructuredOutput():
                self._turn.lane.blocks.append(_labelled("Structured answer", event.value))
            case Extracted(kind="todos") if is_list(event.data):
                self._lane(event.lane).todos = [*event.data]
            case Extracted():
                failed = f"{event.name}: failed with {event.error}" if event.error else event.data
                self._beside(event.id, event.lane, _labelled(inline(event.kind), failed))
            case Display():
                self._beside(event.id, event.lane, _Note(_display(event)))
            case Custom() | Raw():
                label = "Custom" if isinstance(event, Custom) else inline(event.mode)
                self._lane(event.lane).blocks.append(_labelled(label, event.data))

    def _beside(self, call_id: str | None, lane: Lane, note: _Note) -> None:
        """Put a note to its call, where it has one, or else into its lane."""
        call = self._calls.get(call_id or "")
        if call is None:
            self._lane(lane).blocks.append(note)
        else:
            call.shown.append(note)


# ------------------------------------------------------------------ words


def _quote(lines: Iterable[str]) -> list[str]:
    return [f"> {line}".rstrip() for line in lines]


def _data(value: Any) -> list[str]:
    """Text as it is, anything else as indented JSON; in a block of code."""
    if isinstance(value, str):
        return fenced(value) if value else ["*(empty)*"]
    return fenced(msgspec.json.format(msgspec.json.encode(jsonable(value)), indent=2).decode(), "json")


def _labelled(label: str, data: Any) -> _Note:
    return _Note([f"**{label}**", "", *_data(data)])


def _action(action: Action) -> Iterator[str]:
    yield from ["", f"May {code(action.name)} be called?", "", *_data(action.args)]
    if action.description:
        yield from ["", *_quote(safe_markdown(action.description).split("\n"))]
    if action.allowed:
        yield from ["", f"Allowed: {', '.join(action.allowed)}"]


def _todo(todo: Any) -> str:
    fields = cast("dict[str, Any]", todo) if isinstance(todo, dict) else {"content": todo}
    status = str(fields.get("status"))
    doing = " *(in progress)*" if status == "in_progress" else ""
    return f"- [{_BOXES.get(status, ' ')}] {inline(str(fields.get('content', '')))}{doing}"


def _source(data: Any) -> str:
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    title, url = fields.get("title"), fields.get("url")
    named = (
        " ".join(part for part in (title, url) if isinstance(part, str)) or msgspec.json.encode(jsonable(data)).decode()
    )
    return inline(named)


def _media(media: Media) -> str:
    kind = inline(media.mime or media.kind)
    if media.data is not None:
        return f"*({kind}, {_bytes(media.data)}: not in this text)*"
    return f"*({kind})* {code(media.ref) if media.ref else inline(msgspec.json.encode(jsonable(media.block)).decode())}"


def _display(display: Display) -> list[str]:
    """The text form of a display, else the names of its forms."""
    title = f"**{inline(display.title)}**" if display.title else "**Shown**"
    markdown, plain = display.bundle.get("text/markdown"), display.bundle.get("text/plain")
    if isinstance(markdown, str):
        told = safe_markdown(markdown).split("\n")
    elif isinstance(plain, str):
        told = fenced(plain)
    else:
        told = []
    left_out = [f"{inline(mime)}, {_bytes(data)}" for mime, data in display.bundle.items() if _is_picture(mime, data)]
    note = ["", f"*({'; '.join(left_out)}: not in this text)*"] if left_out else []
    return [title, "", *told, *note]


def _is_picture(mime: str, data: Any) -> bool:
    return isinstance(data, str) and mime.startswith(("image/", "audio/", "video/"))


def _bytes(base64: str) -> str:
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"{size} bytes" if size < 1024 else f"{size // 1024} kB"
