"""Knows a turn as it is told: which blocks of it are finished, in which order, and what is open at the moment.

A block that is finished never changes; what is open is shown below it, for now. One message has the floor: its
blocks are finished one by one. What other lanes say meanwhile waits until it is through, or until their own lane
does something else: lanes that run in parallel stay readable, and each keeps its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, ClassVar, TypeAlias

from langwire.adapters.cli.cards import (
    Call,
    CallCard,
    CallState,
    display_rows,
    extracted_rows,
    labelled,
    note,
    question_card,
    result_rows,
    running_row,
    task_row,
    thought,
    todo_list,
)
from langwire.adapters.cli.layout import ACCENT, FAILED, FAINT, missing
from langwire.adapters.cli.markdown import Growing, Markdown
from langwire.adapters.cli.words import (
    Todo,
    checklist,
    count,
    duration,
    first_lines,
    flat,
    in_line,
    json_lines,
    media_text,
    safe,
    shortened,
    source_text,
    todos_of,
    words,
)
from langwire.events import (
    Citation,
    Custom,
    Display,
    Entry,
    Extracted,
    Interrupt,
    Lane,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    OpenCall,
    Progress,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
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
)

try:
    from rich.console import RenderableType
    from rich.text import Text
except ImportError as error:
    raise missing() from error

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BELOW = " / "
_MOST_NAMES = 3
_MOST_ROWS = 8
_LINE_CHARACTERS = 100
_ENDED_TASKS = frozenset({"done", "failed", "cancelled"})

_Speaker: TypeAlias = tuple[Lane, str]  # a lane and a message id


@dataclass(frozen=True, slots=True)
class Block:
    """What stands in one lane, with a blank line around it; `tight` ones stand close to each other."""

    lane: Lane
    label: str
    body: RenderableType
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """What is open: `said` is the end of what is being said, `rows` are shown in one row each."""

    said: list[Block]
    rows: list[Block]


@dataclass(slots=True, kw_only=True)
class _Part:
    """An open strand of text or thinking."""

    speaker: _Speaker
    began_ms: int
    began: float
    thinking: bool = False
    role: str = "assistant"
    refusal: bool = False
    text: Growing = field(default_factory=Growing)
    ended_ms: int | None = None
    told: bool = False
    partial: bool = False
    sources: list[str] = field(default_factory=list[str])


class Telling:
    """Takes in entries, gives finished blocks and what is open; reads nothing, writes nothing, never raises.

    `clock` counts seconds, for what runs.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._finished: list[Block] = []
        self._parts: dict[str, _Part] = {}
        self._floor: _Speaker | None = None
        self._calls: dict[str, Call] = {}
        self._labels: dict[Lane, str] = {}
        self._namesakes: Counter[str] = Counter()
        self._todos: dict[Lane, list[Todo]] = {}
        self._todos_told: dict[Lane, list[Todo]] = {}
        self._progress: dict[Lane, str] = {}
        self._tasks: dict[str, TaskUpdate] = {}
        self._questions: dict[str, Interrupt] = {}
        self._began_ms: int | None = None
        self._began = 0.0

    # -------------------------------------------------------------- reading

    @property
    def running(self) -> bool:
        """Whether more is to be expected: a turn runs, or something is open."""
        return self._began_ms is not None or bool(self._parts) or bool(self._running_calls())

    def take(self, entry: Entry, /) -> None:
        """Take in the next entry."""
        takes = self._takes.get(type(entry.event))
        if takes is not None:
            takes(self, entry.event, entry.at_ms)

    def finished(self) -> list[Block]:
        """Give away the blocks that have been finished since the last time."""
        self._settle(at_once=False)
        blocks, self._finished = self._finished, []
        return blocks

    def now(self, lines: int = 24) -> Now:
        """Return what is open; of what is being said the last so many lines, since it is drawn again and again."""
        said: list[Block] = []
        rows: list[Block] = []
        for part in self._parts.values():
            if part.ended_ms is None and part.speaker == self._floor:
                said.append(self._block(part.speaker[0], self._tail(part, lines)))
            elif part.ended_ms is None and part.text.rest:
                rows.append(self._row(part.speaker[0], Text(_last_words(part.text.rest), FAINT)))
        calls = self._running_calls()
        rows += [
            self._row(call.lane, running_row(call, self._spinner(), self._since(call.begun)))
            for call in calls[:_MOST_ROWS]
        ]
        if len(calls) > _MOST_ROWS:
            rows.append(self._row((), Text(f"… {count(len(calls) - _MOST_ROWS, 'more call')}", FAINT)))
        rows += [self._row(lane, Text(text, FAINT)) for lane, text in self._progress.items()]
        rows += [self._row((), task_row(task)) for task in [*self._tasks.values()][:_MOST_ROWS]]
        rows += [self._row(lane, _todo_row(todos)) for lane, todos in self._todos.items() if self._unfinished(todos)]
        if not said and not calls and self._began_ms is not None:
            rows.append(self._row((), Text.assemble((self._spinner(), ACCENT), f"  {self._since(self._began)}")))
        return Now(said, rows)

    def close(self) -> None:
        """Finish what is open: nothing more comes."""
        if self.running:
            self._end(None)

    # -------------------------------------------------------------- text and thinking

    def _text_start(self, event: TextStart, at_ms: int) -> None:
        speaker = (self._met(event.source.lane), event.message_id)
        self._parts[event.id] = _Part(
            speaker=speaker, began_ms=at_ms, began=self._clock(), role=event.role, refusal=event.refusal
        )

    def _reasoning_start(self, event: ReasoningStart, at_ms: int) -> None:
        speaker = (self._met(event.source.lane), event.message_id)
        self._parts[event.id] = _Part(speaker=speaker, began_ms=at_ms, began=self._clock(), thinking=True)

    def _delta(self, event: TextDelta | ReasoningDelta, at_ms: int) -> None:
        part = self._parts.get(event.id)
        if part is None:  # this reader came late and has missed the start
            thinking = isinstance(event, ReasoningDelta)
            part = _Part(speaker=((), event.id), began_ms=at_ms, began=self._clock(), thinking=thinking)
            self._parts[event.id] = part
        part.text.add(event.text)
        if self._floor is None:
            self._floor = part.speaker

    def _part_end(self, event: TextEnd | ReasoningEnd, at_ms: int) -> None:
        part = self._parts.get(event.id)
        if part is None:
            return
        part.ended_ms, part.partial = at_ms, event.partial
        if self._floor in (part.speaker, None):
            self._print(part)  # and then, whole, what has waited for its end
            for other in self._parts.values():
                if other.ended_ms is not None:
                    self._print(other)
            self._parts = {key: other for key, other in self._parts.items() if other.ended_ms is None}
            self._floor = next((other.speaker for other in self._parts.values() if other.text.rest), None)

    def _settle(self, *, at_once: bool = True) -> None:
        """Tell what is finished of what the speaker says who has the floor."""
        for part in self._parts.values():
            if part.speaker == self._floor:
                self._print(part, at_once=at_once)

    def _print(self, part: _Part, *, at_once: bool = True) -> None:
        """Tell what is finished of a part: all of it, once it is over."""
        over = part.ended_ms is not None
        if part.thinking and not over:
            return
        text = part.text.all() if over else part.text.finished(at_once=at_once)
        lane = part.speaker[0]
        if text.strip():
            took = part.ended_ms - part.began_ms if part.ended_ms is not None else None
            body = thought(text, took) if part.thinking else self._said(part, text)
            self._finished.append(self._block(lane, body))
            part.told = True
        if over and part.partial and part.told:
            part.partial = False
            self._finished.append(self._block(lane, note("cut off"), tight=True))
        if over and part.sources:
            self._finished.append(self._block(lane, labelled("Sources", list(dict.fromkeys(part.sources)))))
            part.sources.clear()

    def _said(self, part: _Part, text: str) -> RenderableType:
        if part.role == "user":
            return Text.assemble(("> ", ACCENT), (safe(text).strip("\n"), "bold"))
        if part.told or (part.role == "assistant" and not part.refusal):
            return Markdown(text)
        label = "refusal" if part.refusal else in_line(part.role)
        return labelled(label, safe(text).strip("\n").split("\n"))

    def _tail(self, part: _Part, lines: int) -> RenderableType:
        text = part.text.rest
        if part.thinking:
            head = Text.assemble((self._spinner(), ACCENT), (f" Thinking  {self._since(part.began)}", FAINT))
            return Text("\n").join([head, Text(safe(_ending(text, 3)).strip("\n"), f"{FAINT} italic")])
        shown = _ending(text, lines)
        opening = text[: text.find("\n") + 1] if shown is not text and text.startswith(("```", "~~~")) else ""
        return self._said(part, opening + shown)

    def _flush(self, lane: Lane) -> None:
        """Tell what a lane has said, before it is told what it does; before that, what has the floor."""
        self._settle()
        for part in self._parts.values():
            if part.speaker[0] == lane:
                self._print(part)

    # -------------------------------------------------------------- calls

    def _call_start(self, event: ToolCallStart, at_ms: int) -> None:
        self._calls[event.id] = Call(
            name=event.name,
            lane=self._met(event.source.lane),
            call_id=event.call_id,
            provider=event.provider,
            begun=self._clock(),
        )

    def _call_delta(self, event: ToolCallDelta, at_ms: int) -> None:
        call = self._calls.get(event.id)
        if call is not None:
            call.pieces.append(event.args)

    def _call_end(self, event: ToolCallEnd, at_ms: int) -> None:
        call = self._calls.setdefault(event.id, Call(name=event.name))
        call.name, call.call_id = event.name, event.call_id or call.call_id
        call.args, call.invalid, call.partial = event.args, event.invalid, event.partial
        call.written, call.began_ms, call.begun = True, at_ms, self._clock()
        call.pieces.clear()

    def _output(self, event: ToolOutputDelta, at_ms: int) -> None:
        call = self._calls.get(event.id)
        if call is None:
            self._tell((), labelled("output", *first_lines(words(event.data))))
        else:
            call.outputs.append(event.data)

    def _result(self, event: ToolResult, at_ms: int) -> None:
        call = self._calls.pop(event.id, None) or Call(name=event.name or event.id, lane=event.source.lane)
        took = duration(at_ms - call.began_ms) if call.began_ms is not None else ""
        self._tell_call(call, "ok" if event.status == "ok" else "error", took, result_rows(call, event))

    def _tell_call(self, call: Call, state: CallState, took: str = "", below: Sequence[RenderableType] = ()) -> None:
        todos = None if call.told else checklist(call.args)
        if todos:
            self._todos_told[call.lane] = todos
        self._tell(call.lane, CallCard(call, state, took=took, below=below))

    def _running_calls(self) -> list[Call]:
        return [call for call in self._calls.values() if not call.earlier]

    # -------------------------------------------------------------- other content

    def _media(self, event: Media, at_ms: int) -> None:
        self._tell(event.source.lane, Text.assemble(("▪ ", ACCENT), media_text(event)))

    def _citation(self, event: Citation, at_ms: int) -> None:
        part = self._parts.get(event.id)
        if part is None:
            self._tell((), note("Source", source_text(event.data)))
        else:
            part.sources.append(source_text(event.data))

    def _structured(self, event: StructuredOutput, at_ms: int) -> None:
        self._tell((), labelled("Structured answer", json_lines(event.value).split("\n")))

    def _extracted(self, event: Extracted, at_ms: int) -> None:
        todos = todos_of(event.data) if event.kind == "todos" else None
        if todos is not None:
            self._todos[self._met(event.lane)] = todos
        else:
            self._tell(event.lane, extracted_rows(event))

    def _display(self, event: Display, at_ms: int) -> None:
        self._tell(event.lane, display_rows(event.title, event.bundle), tight=False)

    def _custom(self, event: Custom, at_ms: int) -> None:
        self._tell(event.lane, labelled("custom", *first_lines(words(event.data))))

    def _replaced(self, event: MessageReplaced, at_ms: int) -> None:
        self._tell(event.source.lane, labelled("An earlier message now reads", *first_lines(event.text)))

    def _removed(self, event: MessagesRemoved, at_ms: int) -> None:
        self._tell(event.lane, note(f"{count(len(event.ids), 'message')} left the conversation"))

    def _discarded(self, event: MessageDiscarded, at_ms: int) -> None:
        node = f" of {in_line(event.source.node)}" if event.source.node else ""
        self._tell(event.source.lane, note(f"A message{node} was not kept"))

    # -------------------------------------------------------------- work

    def _subagent_start(self, event: SubagentStart, at_ms: int) -> None:
        call = self._calls.get(event.id)
        self._name(event.lane, event.name or (call.name if call else event.id))
        if call is not None and not call.told:
            self._tell_call(call, "begun")
            call.told = True  # what is in its lane stands between its arguments and its result

    def _subagent_end(self, event: SubagentEnd, at_ms: int) -> None:
        self._flush(event.lane)
        self._tell_todos(event.lane)
        self._progress.pop(event.lane, None)

    def _progressed(self, event: Progress, at_ms: int) -> None:
        percent = "" if event.percent is None else f"{event.percent:g} %  "
        self._progress[self._met(event.lane)] = f"{percent}{flat(event.text)}"

    def _task(self, event: TaskUpdate, at_ms: int) -> None:
        if event.state in _ENDED_TASKS or self._began_ms is None:
            self._tasks.pop(event.task_id, None)
            self._tell((), task_row(event))
        else:
            self._tasks[event.task_id] = event

    # -------------------------------------------------------------- a turn

    def _turn_start(self, event: TurnStart, at_ms: int) -> None:
        self._began_ms, self._began = at_ms, self._clock()

    def _interrupt(self, event: Interrupt, at_ms: int) -> None:
        if self._began_ms is None:  # it is told anew
            self._tell(event.lane, question_card(event), tight=False)
        else:
            self._questions[event.id] = event

    def _turn_end(self, event: TurnEnd, at_ms: int) -> None:
        took = duration(at_ms - self._began_ms) if self._began_ms is not None else ""
        self._end(event)
        if event.error is not None:
            id = f"  (error id {event.error.id})" if event.error.id else ""
            said = f"✗ {event.error.code}: {event.error.message}{id}"
            self._tell((), Text(safe(said), FAILED), tight=False)
        self._tell((), Text(_summary(event, took), FAINT), tight=False)
        for id in event.interrupts:
            if id in self._questions:
                self._tell((), question_card(self._questions[id]), tight=False)
        self._questions.clear()

    def _end(self, event: TurnEnd | None) -> None:
        """Tell all that is open as it stands, and forget this turn."""
        for part in self._parts.values():
            part.ended_ms = part.began_ms if part.ended_ms is None else part.ended_ms
            self._print(part)
        self._parts.clear()
        self._floor = None
        asked = event.interrupts if event else ()
        for call in self._running_calls():
            if not self._is_asked(call, asked):
                self._tell_call(call, "waiting" if asked else "open")
        for lane in [*self._todos]:
            self._tell_todos(lane)
        for task in self._tasks.values():
            self._tell((), task_row(task))
        self._calls = {call.id: _earlier(call) for call in (event.open_calls if event else ())}
        self._began_ms = None
        for kept in (self._labels, self._namesakes, self._todos_told, self._progress, self._tasks):
            kept.clear()

    def _is_asked(self, call: Call, asked: tuple[str, ...]) -> bool:
        """Whether a question of this turn shows the call, with all its arguments."""
        actions = [action for id in asked if id in self._questions for action in self._questions[id].actions]
        return any(
            action.call_id == call.call_id if action.call_id else (action.name, action.args) == (call.name, call.args)
            for action in actions
        )

    def _unfinished(self, todos: list[Todo]) -> bool:
        return any(todo.status != "completed" for todo in todos)

    def _tell_todos(self, lane: Lane) -> None:
        todos = self._todos.pop(lane, None)
        if todos and todos != self._todos_told.get(lane):
            self._tell(lane, todo_list(todos), tight=False)

    # -------------------------------------------------------------- blocks

    def _tell(self, lane: Lane, body: RenderableType, *, tight: bool = True) -> None:
        self._flush(lane)
        self._finished.append(self._block(lane, body, tight=tight))

    def _block(self, lane: Lane, body: RenderableType, *, tight: bool = False) -> Block:
        return Block(lane, _shortened_path(self._label(lane)) if lane else "", body, tight)

    def _row(self, lane: Lane, text: Text) -> Block:
        label = Text(f"{self._label(lane)}  ", ACCENT) if lane else Text()
        label.append_text(text)
        label.no_wrap, label.overflow = True, "ellipsis"
        return Block((), "", label)

    def _met(self, lane: Lane) -> Lane:
        """Name a lane when it is first told of: names must not depend on what was drawn when."""
        if lane:
            self._label(lane)
        return lane

    def _label(self, lane: Lane) -> str:
        return self._labels.get(lane) or self._name(lane, lane[-1].rpartition(":")[0] or lane[-1])

    def _name(self, lane: Lane, name: str) -> str:
        """Name a lane after its subagent or node, below the lane above it; namesakes are numbered."""
        above = f"{self._label(lane[:-1])}{_BELOW}" if len(lane) > 1 else ""
        label = above + in_line(name)
        self._namesakes[label] += 1
        if self._namesakes[label] > 1:
            label = f"{label} {self._namesakes[label]}"
        self._labels[lane] = label
        return label

    def _spinner(self) -> str:
        return _SPINNER[int(self._clock() * 10) % len(_SPINNER)]

    def _since(self, began: float) -> str:
        return duration(1000 * (self._clock() - began))

    _takes: ClassVar[dict[type, Callable[[Any, Any, int], None]]] = {
        TurnStart: _turn_start,
        TextStart: _text_start,
        TextDelta: _delta,
        TextEnd: _part_end,
        ReasoningStart: _reasoning_start,
        ReasoningDelta: _delta,
        ReasoningEnd: _part_end,
        ToolCallStart: _call_start,
        ToolCallDelta: _call_delta,
        ToolCallEnd: _call_end,
        ToolOutputDelta: _output,
        ToolResult: _result,
        Media: _media,
        Citation: _citation,
        StructuredOutput: _structured,
        Extracted: _extracted,
        Display: _display,
        Custom: _custom,
        MessageReplaced: _replaced,
        MessagesRemoved: _removed,
        MessageDiscarded: _discarded,
        SubagentStart: _subagent_start,
        SubagentEnd: _subagent_end,
        Progress: _progressed,
        TaskUpdate: _task,
        Interrupt: _interrupt,
        TurnEnd: _turn_end,
    }
    """What each event tells. Nodes, states, raw chunks and the usage of one message are not told."""


def _shortened_path(label: str) -> str:
    names = label.split(_BELOW)
    return label if len(names) <= _MOST_NAMES else f"…{_BELOW}{_BELOW.join(names[-_MOST_NAMES:])}"


def _ending(text: str, lines: int) -> str:
    """Return the last lines of a text, the text itself where it has no more."""
    most = lines * _LINE_CHARACTERS
    if len(text) <= most and text.count("\n") <= lines:
        return text
    return "\n".join(text[-most:].split("\n")[-lines:])


def _last_words(text: str) -> str:
    words = flat(text[-400:])
    return words if len(words) <= 60 else f"… {words[-60:].lstrip()}"


def _todo_row(todos: list[Todo]) -> Text:
    done = sum(todo.status == "completed" for todo in todos)
    doing = next((todo.text for todo in todos if todo.status == "in_progress"), "")
    return Text.assemble(("To do", "bold"), (f"  {done} of {len(todos)} done", FAINT), f"  {flat(doing)}")


def _earlier(call: OpenCall) -> Call:
    """Its arguments were told with the turn that left it open, and a person may have changed them since."""
    return Call(name=call.name, lane=call.lane, call_id=call.call_id, told=True, earlier=True)


def _summary(event: TurnEnd, took: str) -> str:
    usage = event.usage
    said = [
        {"complete": "done", "interrupted": "waits for an answer", "timeout": "out of time"}.get(
            event.outcome, event.outcome
        ),
        shortened(event.reason) if event.reason else "",
        took,
        f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out" if usage else "",
        f"{event.redactions:,} redacted" if event.redactions else "",
    ]
    return " · ".join(filter(None, said))
