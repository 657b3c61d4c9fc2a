"""Knows how calls, questions, displays and lists of things to do look on a terminal."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Literal, TypeAlias, cast

from langwire.adapters.cli.layout import ACCENT, FAILED, FAINT, Hanging, Stack, missing
from langwire.adapters.cli.markdown import Markdown
from langwire.adapters.cli.words import (
    Todo,
    base64_size,
    checklist,
    content_text,
    count,
    duration,
    first_lines,
    flat,
    in_line,
    indented,
    json_line,
    json_lines,
    record_of,
    safe,
    shortened,
    words,
)
from langwire.events import Action, DecisionType, Extracted, Interrupt, Lane, TaskUpdate, ToolResult

try:
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise missing() from error

CallState: TypeAlias = Literal["ok", "error", "begun", "waiting", "open"]

_MARKS: dict[CallState, tuple[str, str]] = {
    "ok": ("✓", ACCENT),
    "error": ("✗", FAILED),
    "begun": ("●", ACCENT),
    "waiting": ("○", FAINT),
    "open": ("○", FAINT),
}
_ENDS: dict[CallState, str] = {
    "ok": "",
    "error": "failed",
    "begun": "",
    "waiting": "waits",
    "open": "no result",
}
_BOXES = {"pending": ("○", ""), "in_progress": ("●", ACCENT), "completed": ("✓", FAINT)}
_TABLE_ROWS = 20
_OUTPUTS = 5
_ECHO = 60
_ROOM = 20
"""Columns that a line of a text has at least."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call as it was told so far. `began_ms` is when it was written, `begun` the same on our own clock."""

    name: str
    lane: Lane = ()
    call_id: str | None = None
    provider: bool = False
    pieces: list[str] = field(default_factory=list[str])
    written: bool = False
    args: Any = None
    invalid: str | None = None
    partial: bool = False
    outputs: list[Any] = field(default_factory=list[Any])
    began_ms: int | None = None
    begun: float = 0.0
    told: bool = False
    """Whether its arguments are on the page already."""
    earlier: bool = False
    """Whether a turn before this one left it open."""


# ------------------------------------------------------------------ calls


class CallCard:
    """A call: its name, all arguments, how it stands, and what came of it. In one line, if there is room."""

    def __init__(self, call: Call, state: CallState, *, took: str = "", below: Sequence[RenderableType] = ()) -> None:
        self.call, self.took, self.below = call, took, below
        self.state: CallState = state
        self.told = call.told

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head, end, inline, parts = self._head(), self._end(), self._inline(), list[RenderableType]()
        if inline is not None and cell_len(head.plain + inline + end.plain) + 4 <= options.max_width:
            head.append(f"  {inline}" if inline else "")
        elif inline != "":
            parts.append(self._whole(inline, options.max_width - 2))
        yield head.append_text(end)
        yield Hanging("  ", [Stack([*parts, *self.below], gap=False)])

    def _head(self) -> Text:
        mark, style = _MARKS[self.state]
        return Text.assemble((mark, style), " ", (in_line(self.call.name), "bold"))

    def _end(self) -> Text:
        call = self.call
        wrong = ["cut off" if call.partial else "invalid arguments" if call.invalid is not None else ""]
        ended = _ENDS[self.state]
        took = f"after {self.took}" if ended and self.took else self.took
        said = ["by the provider" if call.provider else "", *wrong, f"{ended} {took}".strip()]
        shown = ", ".join(filter(None, said))
        return Text(f"  {shown}" if shown else "", FAILED if self.state == "error" else FAINT)

    def _inline(self) -> str | None:
        call = self.call
        if self.told or (call.args in (None, {}) and call.invalid is None):
            return ""
        if call.invalid is not None or checklist(call.args):
            return None
        return json_line(call.args)

    def _whole(self, inline: str | None, width: int) -> RenderableType:
        if inline is not None:
            return Text(inline if cell_len(inline) <= width else json_lines(self.call.args))
        if self.call.invalid is not None:
            return Text(safe(self.call.invalid))
        return todo_rows(checklist(self.call.args) or [])


def result_rows(call: Call, result: ToolResult) -> list[RenderableType]:
    """Return what a tool told while it ran, and the beginning of what it returned."""
    rows: list[RenderableType] = []
    if len(call.outputs) > _OUTPUTS:
        rows.append(Text(f"… {count(len(call.outputs) - _OUTPUTS, 'line')} before", FAINT))
    rows += [Text(shortened(words(data)), FAINT) for data in call.outputs[-_OUTPUTS:]]
    lines, more = _answer_lines(call, result)
    if lines:
        shown = Text("\n".join(lines), FAILED if result.status == "error" else "")
        rows.append(Hanging("→ ", [shown], style=FAINT, once=True))
    if more:
        rows.append(Text(f"  … {count(more, 'more line')}", FAINT))
    return rows


def _answer_lines(call: Call, result: ToolResult) -> tuple[list[str], int]:
    text = content_text(result.content)
    if result.status == "ok" and checklist(call.args) and len(text) > _ECHO:
        return [f"{flat(text)[:_ECHO].rstrip()} …"], 0  # it says again what the list says
    return first_lines(text)


def running_row(call: Call, mark: str, took: str) -> Text:
    """Return the row of a call that is being written or runs: as much as one row holds."""
    said = flat("".join(call.pieces)) if not call.written else flat(call.invalid or _args_line(call.args))
    last = f"  {flat(words(call.outputs[-1]))}" if call.outputs else ""
    time = f"  {took}" if took else ""
    return Text.assemble((mark, ACCENT), " ", (flat(call.name), "bold"), (time, FAINT), f"  {said}", (last, FAINT))


def _args_line(args: Any) -> str:
    return "" if args in (None, {}) else json_line(args)


# ------------------------------------------------------------------ things to do, tasks, data


def todo_rows(todos: Sequence[Todo]) -> RenderableType:
    """Return a list of things to do, each with a mark that says how it stands."""
    rows: list[RenderableType] = []
    for todo in todos:
        mark, style = _BOXES.get(todo.status, _BOXES["pending"])
        rows.append(Hanging(f"{mark} ", [Text(todo.text, style)], style=style, once=True))
    return Stack(rows, gap=False)


def todo_list(todos: Sequence[Todo]) -> RenderableType:
    """Return such a list with its heading."""
    done = sum(todo.status == "completed" for todo in todos)
    head = Text.assemble(("To do", "bold"), (f"  {done} of {len(todos)} done", FAINT))
    return Stack([head, Hanging("  ", [todo_rows(todos)])], gap=False)


def task_row(update: TaskUpdate) -> Text:
    """Return the row of a delegated task."""
    named = in_line(update.title or update.task_id)
    attempt = f", attempt {update.attempt}" if update.attempt > 1 else ""
    id = f"  {in_line(update.task_id)}" if update.title else ""
    style = FAILED if update.state == "failed" else FAINT
    state = f"  {in_line(update.state)}{attempt}"
    return Text.assemble(("▪ ", ACCENT), "task ", (named, "bold"), (state, style), (id, FAINT))


def note(label: str, *said: str) -> Text:
    """Return a line of ours about something: `label` says what it is; both are safe already."""
    return Text.assemble((label, FAINT), f"  {said[0]}" if said else "")


def labelled(label: str, lines: Sequence[str], more: int = 0) -> RenderableType:
    """Return lines, which are safe already, next to what they are."""
    rest = [Text(f"… {count(more, 'more line')}", FAINT)] if more else []
    if len(lines) == 1 and not more:
        return note(label, lines[0])
    return Stack([Text(label, FAINT), Hanging("  ", [Stack([*map(Text, lines), *rest], gap=False)])], gap=False)


def extracted_rows(event: Extracted) -> RenderableType:
    """Return what an extractor read: a flat record in a line, anything else as JSON."""
    if event.error is not None:
        return Text(f"✗ extractor {in_line(event.name)} failed with {in_line(event.error)}", FAILED)
    record = record_of(event.data)
    text = ", ".join(f"{words(key)}: {words(value)}" for key, value in record.items()) if record else None
    return labelled(in_line(event.kind), *first_lines(text if text is not None else words(event.data)))


# ------------------------------------------------------------------ displays


def display_rows(title: str | None, bundle: Mapping[str, Any]) -> RenderableType:
    """Return that form of a display which a terminal shows best, below its title."""
    head = [Text(in_line(title), "bold")] if title else []
    return Stack([*head, _best_form(bundle)], gap=False)


def _best_form(bundle: Mapping[str, Any]) -> RenderableType:
    table = _table(bundle)
    if table is not None:
        return table
    markdown, plain = bundle.get("text/markdown"), bundle.get("text/plain")
    if isinstance(markdown, str) and markdown.strip():
        return Markdown(markdown)
    if isinstance(plain, str) and plain.strip():
        lines, more = first_lines(plain, 2 * _TABLE_ROWS)
        return Text("\n".join([*lines, *([f"… {count(more, 'more line')}"] if more else [])]))
    forms = ", ".join(_form(mime, form) for mime, form in bundle.items())
    return Text(shortened(forms) or "nothing", FAINT)


def _form(mime: str, form: Any) -> str:
    if not isinstance(form, str):
        return mime
    in_base64 = not mime.startswith("text/") and mime != "image/svg+xml"
    return f"{mime} {count(base64_size(form), 'byte') if in_base64 else count(len(form), 'character')}"


def _table(bundle: Mapping[str, Any]) -> RenderableType | None:
    rows = _csv_rows(bundle.get("text/csv")) or _json_rows(bundle.get("application/json"))
    if rows is None or not rows[0]:
        return None
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, border_style=FAINT, header_style="bold")
    head, *shown = rows[: _TABLE_ROWS + 1]
    for place, name in enumerate(head):
        numbers = all(_NUMBER.fullmatch(row[place]) for row in shown if row[place])
        table.add_column(Text(shortened(name)), overflow="fold", justify="right" if numbers else "left")
    for row in shown:
        table.add_row(*(Text(shortened(cell)) for cell in row))
    left_out = len(rows) - len(shown) - 1
    more = [Text(f"… {count(left_out, 'more row')}", FAINT)] if left_out else []
    return Stack([_Fitting(table, len(head), rows), *more], gap=False)


class _Fitting:
    """A table where there is room for its columns; its rows as JSON else."""

    def __init__(self, table: Table, columns: int, rows: Sequence[Sequence[str]]) -> None:
        self.table, self.columns, self.rows = table, columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.columns * 6 <= options.max_width:
            yield self.table
        else:
            yield Stack([Text(shortened(json_line(row))) for row in self.rows[: _TABLE_ROWS + 1]], gap=False)


_NUMBER = re.compile(r"\s*[-+\u2212]?[\d.,' ]*\d(?:[eE][-+]?\d+)?\s*%?\s*")


def _csv_rows(form: Any) -> list[list[str]] | None:
    if not isinstance(form, str):
        return None
    try:
        rows = [row for row in csv.reader(StringIO(form)) if row]
    except csv.Error:
        return None
    return _even(rows) or None


def _even(rows: list[list[str]]) -> list[list[str]]:
    """Return rows as long as the first one."""
    return [[*row, *[""] * (len(rows[0]) - len(row))][: len(rows[0])] for row in rows]


def _json_rows(form: Any) -> list[list[str]] | None:
    """Rows of a table, or of a list of flat records, headed by the names of the first one's fields."""
    match form:
        case {"columns": [_, *_] as head, "rows": [*rows]} if all(isinstance(row, list) for row in rows):
            cells = [[_cell(cell) for cell in cast("list[Any]", row)] for row in rows]
            return _even([[*map(words, head)], *cells])
        case _:
            pass
    items = cast("list[Any]", form) if isinstance(form, list) else []
    records = [record for record in map(record_of, items) if record is not None]
    if not records or len(records) < len(items):
        return None
    names = list(records[0])
    return [list(map(words, names)), *([_cell(record.get(name)) for name in names] for record in records)]


def _cell(value: Any) -> str:
    return "" if value is None else words(value)


# ------------------------------------------------------------------ questions


def question_card(question: Interrupt) -> RenderableType:
    """Return a question with every action and all that it would do, in full."""
    asked = [_action_card(action, question.allowed) for action in question.actions] or [_value_card(question)]
    schema = question.response_schema
    return Stack([*asked, *([labelled("schema of the answer", json_lines(schema).split("\n"))] if schema else [])])


def _action_card(action: Action, allowed: Sequence[DecisionType]) -> RenderableType:
    head = Text.assemble(("? ", f"bold {ACCENT}"), (in_line(action.name), "bold"))
    about: list[RenderableType] = [Text(safe(action.description).strip("\n"), FAINT)] if action.description else []
    args: list[RenderableType] = [] if action.args in (None, {}) else [_in_full(action.args)]
    below: list[RenderableType] = [*args, *about, *_allowed(action.allowed or allowed)]
    return Stack([head, Hanging("  ", [Stack(below, gap=False)])], gap=False)


def _value_card(question: Interrupt) -> RenderableType:
    value = question.value
    asked = Text(safe(value).strip("\n")) if isinstance(value, str) else _in_full(value)
    if question.kind == "breakpoint":
        asked = Text(f"paused at a breakpoint: {in_line(words(value))}")
    below = Stack([asked, *_allowed(question.allowed)], gap=False)
    return Hanging("? ", [below], style=f"bold {ACCENT}", once=True)


_JSON_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_WITH_TEXT = re.compile(rf"( *)({_JSON_STRING}: )?({_JSON_STRING}),?")
"""A line of indented JSON that holds a string: how far it is indented, its key, and the string."""


def _in_full(value: Any) -> RenderableType:
    """Return a value as JSON, indented, in which a text of several lines stands as such a one."""
    rows: list[RenderableType] = []
    for line in indented(value).split("\n"):
        found = _WITH_TEXT.fullmatch(line)
        lines = str(json.loads(found[3])).split("\n") if found else []
        key = f"{found[1]}{found[2] or ''}" if found else ""
        rows.append(_Lines(line, key, lines) if len(lines) > 1 else Text(safe(line)))
    return Stack(rows, gap=False)


class _Lines:
    r"""A text of several lines below its key; as JSON where there is no room.

    Each row begins with a bar, also where a line is wrapped, so that none can look like what stands around it. In a
    line a backslash is `\\`, as in JSON, so that nothing can look like a character that is written out.
    """

    def __init__(self, line: str, key: str, lines: Sequence[str]) -> None:
        self.line, self.key, self.lines = line, key, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bar = " " * (len(self.key) - len(self.key.lstrip(" "))) + "  │ "
        if options.max_width < len(bar) + _ROOM:
            yield Text(safe(self.line))
            return
        yield Text.assemble(safe(self.key), (f"{count(len(self.lines), 'line')}:", FAINT))
        lines = [in_line(line.replace("\\", "\\\\")) for line in self.lines]
        yield Hanging(bar, [Text("\n".join(lines))], style=FAINT)


def _allowed(decisions: Sequence[DecisionType]) -> list[RenderableType]:
    *most, last = decisions or ("",)
    return [Text(f"you may {', '.join(most)}{' or ' if most else ''}{last}", FAINT)] if decisions else []


def thought(text: str, milliseconds: float | None) -> RenderableType:
    """Return the beginning of what was thought, and how long it took."""
    took = duration(milliseconds)
    head = f"Thought for {took}" if took else "Thought"
    beginning = flat(text)
    shown = beginning if len(beginning) <= 140 else f"{beginning[:140].rstrip()} …"
    return Text.assemble((head, FAINT), (f"  {shown}" if shown else "", f"{FAINT} italic"))
