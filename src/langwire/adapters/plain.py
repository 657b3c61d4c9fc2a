r"""Tells a turn as plain lines, tokens as they come: for pipes, logs and consoles without colour.

    ~ The user wants the weather.                  thinking
    Let me look.                                   the assistant's text, bare
    -> weather({"city":"Rome"})                    a call, with all its arguments
    <- weather: sunny                              its result, long ones shortened
    !! weather: no such city                       a result or a turn that failed
    ?? send_email({"to":"ann@example.org"})        a question to a person
    [progress] 40% three of eight                  anything else
    [researcher] I found two papers.               every line of another lane begins with its name
    [complete] 120 tokens in, 30 out               how the turn ended

Only we begin a line with one of these marks: a line of text that does so by itself gets a space before it, and
what follows a mark on further lines is indented. Nodes, state and unknown modes are not told, and neither is the
input: who reads the answer has asked the question.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO, TypeAlias, assert_never, cast

import msgspec

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.core.codec import jsonable
from langwire.events import (
    Citation,
    Custom,
    Display,
    Entry,
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
    Progress,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    SubagentEnd,
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
    Usage,
)

_RESULT_LINES = 10
_LINE_LENGTH = 500

_MARK = re.compile(r"->|<-|!!|\?\?|[~\[]")
_HALF_MARKS = frozenset("-<!?")

_BOXES = {"pending": "[ ]", "in_progress": "[>]", "completed": "[x]"}

_Speaker: TypeAlias = tuple[Lane, str]  # a lane and a message id
_ProseEvent: TypeAlias = TextStart | TextDelta | TextEnd | ReasoningStart | ReasoningDelta | ReasoningEnd
_CallEvent: TypeAlias = ToolCallStart | ToolCallDelta | ToolCallEnd | ToolOutputDelta | ToolResult
_ContentEvent: TypeAlias = Media | Citation | StructuredOutput | Extracted | Display
_ChangeEvent: TypeAlias = MessageReplaced | MessagesRemoved | MessageDiscarded
_WorkEvent: TypeAlias = SubagentStart | SubagentEnd | Custom | Progress | TaskUpdate


class PlainAdapter:
    """Writes a turn's story to a text file, flushed event by event. It is a `Sink`.

    `file` is standard output, as it is when something is written, unless another one is given. Characters that the
    file's encoding lacks are written as `\\u2026`. Raises what writing raises (`BrokenPipeError`, for one).
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._encoder = PlainEncoder()

    def handle(self, entry: Entry, /) -> None:
        """Write what this entry adds to the story."""
        text = self._encoder.encode(entry.event)
        if text:
            file = self._file or sys.stdout
            file.write(writable(text, file.encoding))
            file.flush()


class PlainEncoder:
    """Turns events into the text to print for each; reads nothing, writes nothing, never raises.

    One message streams at a time. Text of another one that comes meanwhile waits until the first is through, or
    until its own lane tells something else: lanes that run in parallel stay readable, and each keeps its order.
    """

    def __init__(self) -> None:
        self._page = _Page()
        self._parts: dict[str, _Part] = {}
        self._floor: _Speaker | None = None
        self._calls: dict[str, _Call] = {}
        self._labels: dict[Lane, str] = {}
        self._namesakes: Counter[str] = Counter()

    def encode(self, event: Event) -> str:
        """Return what to print for this event, often nothing: safe for a terminal, newlines included."""
        match event:
            case TextStart() | TextDelta() | TextEnd() | ReasoningStart() | ReasoningDelta() | ReasoningEnd():
                self._prose(event)
            case ToolCallStart() | ToolCallDelta() | ToolCallEnd() | ToolOutputDelta() | ToolResult():
                self._call(event)
            case Media() | Citation() | StructuredOutput() | Extracted() | Display():
                self._content(event)
            case MessageReplaced() | MessagesRemoved() | MessageDiscarded():
                self._change(event)
            case SubagentStart() | SubagentEnd() | Custom() | Progress() | TaskUpdate():
                self._work(event)
            case Interrupt():
                self._question(event)
            case TurnEnd():
                self._end(event)
            case TurnStart() | Usage() | NodeStart() | NodeEnd() | StateSnapshot() | StateDelta() | Raw():
                pass
            case _:
                assert_never(event)
        return self._page.take()

    # -------------------------------------------------------------- text and thinking

    def _prose(self, event: _ProseEvent) -> None:
        match event:
            case TextStart(role=role):
                tag = "[refusal] " if event.refusal else "" if role == "assistant" else f"[{_one_line(role)}] "
                self._open(event.id, event.source.lane, event.message_id, tag)
            case ReasoningStart():
                self._open(event.id, event.source.lane, event.message_id, "~ ")
            case TextDelta() | ReasoningDelta():
                self._more(event.id, event.text)
            case TextEnd() | ReasoningEnd():
                self._close(event.id, partial=event.partial)
            case _:
                assert_never(event)

    def _open(self, id: str, lane: Lane, message_id: str, tag: str) -> None:
        self._parts[id] = _Part((lane, message_id), _Paragraph(self._prefix(lane) + tag, message_id))

    def _more(self, id: str, text: str) -> None:
        part = self._parts.get(id)
        if part is None:  # this reader came late and has missed the start
            part = self._parts[id] = _Part(((), id), _Paragraph("", id))
        part.waiting.append(text)
        if self._floor is None:
            self._floor = part.speaker
        if self._floor == part.speaker:
            self._print(part)

    def _close(self, id: str, *, partial: bool) -> None:
        part = self._parts.get(id)
        if part is None:
            return
        part.ended = True
        if partial and (part.told or part.waiting):
            part.waiting.append(" [cut off]")
        if self._floor in (part.speaker, None):
            self._floor = None
            self._print(part)
            for other in [other for other in self._parts.values() if other.ended]:
                self._print(other)
            self._parts = {key: other for key, other in self._parts.items() if not other.ended}

    def _print(self, part: _Part) -> None:
        if part.waiting:
            self._page.begin(part.paragraph)
            self._page.prose(safe_terminal("".join(part.waiting)))
            part.waiting.clear()
            part.told = True

    # -------------------------------------------------------------- calls

    def _call(self, event: _CallEvent) -> None:
        match event:
            case ToolCallStart():
                self._calls[event.id] = _Call(event.name, event.source.lane, event.provider)
            case ToolCallDelta():
                pass
            case ToolCallEnd():
                call = self._calls.setdefault(event.id, _Call(event.name))
                self._lines(call.lane, "-> ", _call_text(event.name, event.args, event.invalid) + _remarks(event, call))
            case ToolOutputDelta():
                call = self._known(event.id)
                self._lines(call.lane, "[output] ", f"{call.name}: {_shortened(_words(event.data))}")
            case ToolResult():
                call = self._known(event.id)
                first, *more = _first_lines(_content_text(event.content))
                mark = "<- " if event.status == "ok" else "!! "
                self._lines(event.source.lane or call.lane, mark, f"{event.name or call.name}: {first}", *more)
            case _:
                assert_never(event)

    def _known(self, id: str) -> _Call:
        return self._calls.get(id) or _Call(id)

    # -------------------------------------------------------------- other content

    def _content(self, event: _ContentEvent) -> None:
        match event:
            case Media():
                self._lines(event.source.lane, f"[{event.kind}] ", _media_text(event))
            case Citation():
                part = self._parts.get(event.id)
                lane = part.speaker[0] if part else ()
                self._page.note(f"{self._prefix(lane)}[source] ", _shortened(_source_text(event.data)))
            case StructuredOutput():
                self._lines((), "[answer] ", _words(event.value))
            case Extracted(error=str(error)):
                self._lines(event.lane, "[extractor] ", f"{event.name}: failed with {error}")
            case Extracted():
                self._lines(event.lane, f"[{event.kind}] ", *_extracted_lines(event.kind, event.data))
            case Display():
                title = [event.title] if event.title else []
                self._lines(event.lane, "[display] ", *title, *_display_lines(event.bundle))
            case _:
                assert_never(event)

    def _change(self, event: _ChangeEvent) -> None:
        match event:
            case MessageReplaced():
                said = f"an earlier message now reads: {_shortened(event.text)}"
                self._lines(event.source.lane, "[replaced] ", said)
            case MessagesRemoved():
                self._lines(event.lane, "[removed] ", _count(len(event.ids), "message"))
            case MessageDiscarded():
                node = f" of {event.source.node}" if event.source.node else ""
                self._lines(event.source.lane, "[discarded] ", f"a message{node} was not kept")
            case _:
                assert_never(event)

    def _work(self, event: _WorkEvent) -> None:
        match event:
            case SubagentStart():
                self._name(event.lane, event.name or self._known(event.id).name)
                self._lines(event.lane, "[begins]")
            case SubagentEnd():
                self._lines(event.lane, "[ends]")
            case Custom():
                self._lines(event.lane, "[custom] ", _shortened(_words(event.data)))
            case Progress():
                percent = "" if event.percent is None else f"{event.percent:g}% "
                self._lines(event.lane, "[progress] ", f"{percent}{_shortened(event.text)}")
            case TaskUpdate():
                title = f"{event.title} " if event.title else ""
                self._lines((), "[task] ", f"{title}({event.task_id}): {event.state}")
            case _:
                assert_never(event)

    # -------------------------------------------------------------- a question, the end

    def _question(self, event: Interrupt) -> None:
        schema = [] if event.response_schema is None else [f"schema of the answer: {_words(event.response_schema)}"]
        for action in event.actions:
            about = _all_lines(action.description) if action.description else []
            allowed = _allowed(action.allowed or event.allowed)
            self._lines(event.lane, "?? ", _call_text(action.name, action.args), *allowed, *about, *schema)
        if not event.actions:
            value = _words(event.value)
            asked = [f"paused at a breakpoint: {value}"] if event.kind == "breakpoint" else _all_lines(value)
            self._lines(event.lane, "?? ", *asked, *_allowed(event.allowed), *schema)

    def _end(self, event: TurnEnd) -> None:
        for part in self._parts.values():
            self._print(part)
        self._page.begin(_THE_END)
        error, usage, open_calls = event.error, event.usage, event.open_calls
        if error is not None:
            id = f" (error id {error.id})" if error.id else ""
            self._page.lines("!! ", f"{error.code}: {error.message}{id}")
        said = [
            f"waiting for an answer to {', '.join(event.interrupts)}" if event.interrupts else "",
            f"no result of {', '.join(call.name for call in open_calls)}" if open_calls else "",
            f"{event.redactions} redacted" if event.redactions else "",
            f"{usage.input_tokens} tokens in, {usage.output_tokens} out" if usage else "",
        ]
        self._page.lines(f"[{event.outcome}] ", "; ".join(filter(None, said)))
        self._floor = None
        self._parts.clear()
        self._labels.clear()
        self._namesakes.clear()
        self._calls = {call.id: _Call(call.name) for call in open_calls}  # a later turn may bring their results

    # -------------------------------------------------------------- lines of our own

    def _lines(self, lane: Lane, mark: str, *lines: str) -> None:
        """Begin a line with a mark, indent what follows; before it, what else this lane has said so far."""
        for part in self._parts.values():
            if part.speaker[0] == lane:
                self._print(part)
        prefix = self._prefix(lane)
        self._page.begin(None)
        self._page.lines(prefix + mark, *lines, indent=f"{prefix}   ")

    def _prefix(self, lane: Lane) -> str:
        return f"[{self._label(lane)}] " if lane else ""

    def _label(self, lane: Lane) -> str:
        return self._labels.get(lane) or self._name(lane, lane[-1].rpartition(":")[0] or lane[-1])

    def _name(self, lane: Lane, name: str) -> str:
        """Name a lane after its subagent or node, below the lane above it; namesakes are numbered."""
        above = f"{self._label(lane[:-1])}/" if len(lane) > 1 else ""
        label = above + _one_line(name)
        self._namesakes[label] += 1
        if self._namesakes[label] > 1:
            label = f"{label} {self._namesakes[label]}"
        self._labels[lane] = label
        return label


# ------------------------------------------------------------------ the page


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """A run of lines without a blank line in it: one message's text, say. Each line begins with the prefix."""

    prefix: str
    message_id: str


_THE_END = _Paragraph("", "")


@dataclass(slots=True)
class _Part:
    """An open strand of text or thinking, and what of it has not been printed yet."""

    speaker: _Speaker
    paragraph: _Paragraph
    waiting: list[str] = field(default_factory=list[str])
    told: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """What a call's result is told with."""

    name: str
    lane: Lane = ()
    provider: bool = False


class _Page:
    """Where on the page we are: at the start of a line or not, and in which paragraph (None: lines of our own)."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._tail = "\n\n"
        self._paragraph: _Paragraph | None = None
        self._half_mark = ""
        self._notes: list[tuple[str, str]] = []

    def take(self) -> str:
        """Return what was put since the last time."""
        text = "".join(self._out)
        self._out.clear()
        return text

    def begin(self, paragraph: _Paragraph | None) -> None:
        """Go on in this paragraph, or begin it after a blank line."""
        if paragraph == self._paragraph:
            return
        self._end_line()
        for mark, note in self._notes:
            self.lines(mark, note)
        self._notes.clear()
        if self._tail != "\n\n":
            self._put("\n")
        self._paragraph = paragraph

    def prose(self, text: str) -> None:
        """Go on with the paragraph's text. A line of it that begins like one of our marks gets a space before it.

        The first half of a mark at a line's start is kept until the next character is known.
        """
        prefix = self._paragraph.prefix if self._paragraph else ""
        *through, last = (self._half_mark + text).split("\n")
        self._half_mark = ""
        for line in through:
            self._prose_line(prefix, line)
            self._put("\n")
        if self._at_line_start and last in _HALF_MARKS:
            self._half_mark = last
        else:
            self._prose_line(prefix, last)

    def note(self, mark: str, text: str) -> None:
        """Keep a line until the paragraph is over: a sentence and its sources come in turns."""
        self._notes.append((mark, text))

    def lines(self, mark: str, *lines: str, indent: str = "   ") -> None:
        """Put lines of our own: a mark before the first, the indent before the others."""
        for number, line in enumerate(lines or ("",)):
            self._put(_one_line((indent if number else mark) + line).rstrip() + "\n")

    def _prose_line(self, prefix: str, line: str) -> None:
        if line and self._at_line_start:
            self._put(prefix + " " if _MARK.match(line) else prefix)
        self._put(line)

    def _end_line(self) -> None:
        if self._half_mark:
            self._prose_line(self._paragraph.prefix if self._paragraph else "", self._half_mark)
            self._half_mark = ""
        if not self._at_line_start:
            self._put("\n")

    @property
    def _at_line_start(self) -> bool:
        return self._tail.endswith("\n")

    def _put(self, text: str) -> None:
        self._out.append(text)
        self._tail = (self._tail + text)[-2:]


# ------------------------------------------------------------------ words


def _one_line(text: str) -> str:
    return safe_terminal(text, keep_newlines=False)


def _words(value: Any) -> str:
    """A text as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(jsonable(value)).decode()


def _call_text(name: str, args: Any, invalid: str | None = None) -> str:
    if invalid is not None:
        return f"{name}({invalid})"
    said = _json(args)
    return f"{name}()" if said in ("null", "{}") else f"{name}({said})"


def _remarks(event: ToolCallEnd, call: _Call) -> str:
    return "".join(
        [
            " [by the provider]" if call.provider else "",
            " [invalid arguments]" if event.invalid is not None and not event.partial else "",
            " [cut off]" if event.partial else "",
        ]
    )


def _content_text(content: Any) -> str:
    """The text of a tool message: a string, or a list of blocks, of which those without text are named."""
    if not isinstance(content, list):
        return "" if content is None else _words(content)
    return "\n".join(map(_block_text, cast("list[Any]", content)))


def _block_text(block: Any) -> str:
    if isinstance(block, dict):
        fields = cast("dict[str, Any]", block)
        if isinstance(fields.get("text"), str):
            return fields["text"]
        if isinstance(fields.get("type"), str) and fields["type"] != "text":
            return f"[{fields['type']}]"
    return _words(block)


def _media_text(media: Media) -> str:
    what = _words(media.block) if media.block is not None else media.ref or ""
    size = f"{len(media.data) * 3 // 4} bytes" if media.data is not None else ""
    return _shortened(" ".join(filter(None, [media.mime, what, size])))


def _source_text(data: Any) -> str:
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    named = [fields[key] for key in ("title", "url") if isinstance(fields.get(key), str)]
    return " ".join(named) or _words(data)


def _extracted_lines(kind: str, data: Any) -> list[str]:
    """A list of todos with their boxes, a flat record as `name: value`; anything else as a result is shown."""
    todos = _todos(data)
    if todos or (kind == "todos" and data == []):
        done = sum(todo["status"] == "completed" for todo in todos)
        boxes = [f"{_BOXES.get(str(todo['status']), '[ ]')} {_words(todo['content'])}" for todo in todos]
        return [f"{done} of {len(todos)} done", *boxes]
    fields = cast("dict[Any, Any]", data if isinstance(data, dict) else {})
    if fields and not any(isinstance(value, (dict, list)) for value in fields.values()):
        return _first_lines(", ".join(f"{_words(name)}: {_words(value)}" for name, value in fields.items()))
    return _first_lines(_words(data))


def _todos(data: Any) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", data) if isinstance(data, list) else []
    return items if all(isinstance(item, dict) and {"content", "status"} <= item.keys() for item in items) else []


def _display_lines(bundle: Mapping[str, Any]) -> list[str]:
    """The text form of a display; else the names of its forms, and how large those are that are text or base64."""
    plain = bundle.get("text/plain")
    if isinstance(plain, str) and plain.strip():
        return _first_lines(plain)
    return [_shortened(", ".join(_form_text(mime, form) for mime, form in bundle.items()) or "(empty)")]


def _form_text(mime: str, form: Any) -> str:
    if not isinstance(form, str):
        return mime
    in_base64 = not mime.startswith("text/") and mime != "image/svg+xml"
    return f"{mime} {_count(_size(form), 'byte') if in_base64 else _count(len(form), 'character')}"


def _size(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")


def _allowed(decisions: tuple[str, ...]) -> list[str]:
    return [f"allowed: {', '.join(decisions)}"] if decisions else []


def _all_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").expandtabs(4).strip("\n").split("\n")


def _first_lines(text: str) -> list[str]:
    lines = _all_lines(text)
    left_out = len(lines) - _RESULT_LINES
    shown = [_shortened(line) for line in lines[:_RESULT_LINES]]
    return [*shown, f"({_count(left_out, 'more line')})"] if left_out > 0 else shown


def _shortened(text: str) -> str:
    left_out = len(text) - _LINE_LENGTH
    return f"{text[:_LINE_LENGTH]} ({_count(left_out, 'more character')})" if left_out > 0 else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
