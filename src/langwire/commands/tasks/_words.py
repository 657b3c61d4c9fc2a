"""Knows how a task is told in words, as a line, a row or part of a tree, and how lines are printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.adapters.plain import PlainEncoder
from langwire.events import Interrupt
from langwire.sessions.store import now_ms
from langwire.tasks.task import Task

SHORT = 8
"""So many characters of an id are shown."""
_TITLE = 48

HEAD = ("ID", "STATE", "TRY", "AGE", "TITLE", "WAITS FOR")


# ------------------------------------------------------------------ a task


def name_of(task: Task) -> str:
    """How a task is called where it stands in a sentence."""
    return f"{task.id[:SHORT]} {_title(task)}"


def _title(task: Task) -> str:
    said = " ".join((task.title or task.spec.prompt or task.spec.name).split())
    return said if len(said) <= _TITLE else f"{said[: _TITLE - 3]}..."


def note_on(task: Task) -> str:
    """What a task waits for, or what it failed of."""
    if task.state == "review_needed":
        asked = [action.name for question in task.interrupts for action in question.actions]
        return f"a person: {', '.join(asked) or 'an answer'}"
    if task.ended:
        return f"{task.error.code}: {task.error.message}" if task.error else task.cancel or ""
    if task.cancel is not None:
        return f"asked to stop{task.cancel and f': {task.cancel}'}"
    return _waits(task) if task.state == "queued" else ""


def _waits(task: Task) -> str:
    if task.waits_for:
        return f"tasks: {', '.join(id[:SHORT] for id in task.waits_for)}"
    left = task.not_before_ms - now_ms()
    return f"its time, in {span(left)}" if left > 0 else "a worker"


def span(ms: int) -> str:
    """A time in its largest unit: 12s, 3m, 5h, 2d."""
    seconds = max(ms, 0) // 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def change_of(task: Task) -> str:
    """A line about what has just become of a task."""
    note = note_on(task)
    return f"{time.strftime('%H:%M:%S')}  {task.id[:SHORT]}  {task.state:<13}  {_title(task)}{note and f'  ({note})'}"


# ------------------------------------------------------------------ tasks below each other


def row_of(task: Task, depth: int = 0) -> tuple[str, ...]:
    """The cells of a task under `HEAD`, further to the right the deeper it is."""
    age = span(now_ms() - task.created_ms)
    return ("  " * depth + task.id[:SHORT], task.state, str(task.attempt), age, _title(task), note_on(task))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the cells of each column below each other."""
    cells = [[safe_terminal(cell, keep_newlines=False) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def tree_of(tasks: Iterable[Task]) -> list[tuple[Task, int]]:
    """Tasks with their depth: each below its parent, if that is one of them, the oldest first."""
    known = {task.id: task for task in sorted(tasks, key=lambda task: task.number)}
    below: dict[str | None, list[Task]] = {}
    for task in known.values():
        below.setdefault(task.spec.parent_id if task.spec.parent_id in known else None, []).append(task)
    rows: list[tuple[Task, int]] = []
    left = [(task, 0) for task in reversed(below.get(None, []))]
    while left:
        task, depth = left.pop()
        rows.append((task, depth))
        left += [(child, depth + 1) for child in reversed(below.get(task.id, []))]
    return rows


# ------------------------------------------------------------------ what is printed


def print_lines(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, each safe for the terminal and made of characters that it has."""
    out = file or sys.stdout
    for line in lines:
        print(writable(safe_terminal(line, keep_newlines=False), out.encoding), file=out, flush=True)


def print_questions(questions: Sequence[Interrupt]) -> None:
    """Print questions with everything that they ask about."""
    for number, question in enumerate(questions, 1):
        print_lines("", f"question {number} of {len(questions)}, {question.id}:")
        sys.stdout.write(writable(PlainEncoder().encode(question), sys.stdout.encoding))
