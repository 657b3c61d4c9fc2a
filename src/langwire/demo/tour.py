"""The guided tour of `langwire demo`: typed events on the left, what a person reads of them on the right.

It runs by itself, answers its own question, and ends. Everything shown comes from a real graph's stream.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from textwrap import fill
from typing import Any, TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.adapters.plain import PlainEncoder
from langwire.core.interrupts import approve
from langwire.core.transcript import Transcript
from langwire.demo.agents import DELAY, build_approval, build_assistant, build_delegating, build_failing, build_team
from langwire.events import (
    Event,
    NodeEnd,
    NodeStart,
    ReasoningDelta,
    SubagentEnd,
    SubagentStart,
    TaskUpdate,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolResult,
    TurnEnd,
)
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.turn import Turn
from langwire.tasks.runner import TaskRunner

LEFT = 34
"""Width of the column of events, in characters."""

_PIECES = re.compile(r"\n| +|[^ \n]+")


def tour(*, fast: bool = False, file: TextIO | None = None) -> int:
    """Play the tour into `file` (standard output) and return 0. `fast` leaves out the pauses between tokens.

    Raises what writing raises (`BrokenPipeError`, for one), and `KeyboardInterrupt`; the line is ended before.
    """
    page = _Page(file or sys.stdout)
    try:
        asyncio.run(_chapters(page, 0.0 if fast else DELAY))
    finally:
        page.end()
    return 0


async def _chapters(page: _Page, delay: float) -> None:
    page.title("langwire: a LangGraph agent, as one stream of typed events")
    page.say("Five small agents follow: real graphs on scripted models, no key needed.")
    page.say("On the left the events as they come, on the right what a reader makes of them.")

    page.title("1. An agent thinks, calls tools, and answers")
    await _play(page, build_assistant(delay), "Plan a day in Rome for me")

    page.title("2. A question to a person: the turn pauses, and goes on with the answer")
    await _play_approval(page, delay)

    page.title("3. An agent delegates: the work of its subagent has a lane of its own")
    await _play(page, build_team(delay), "Tell me about Lisbon")

    page.title("4. An agent delegates to itself: each task runs in the background, and one of them asks a person")
    await _play_delegation(page, delay)

    page.title("5. A model dies in the middle: what was open is closed, and the turn ends all the same")
    await _play(page, build_failing(delay), "Tell me a story")

    page.title("That was it. Next:")
    us = _command()
    for words, what in _NEXT:
        page.say(f"{us} {words:44}  {what}")


_NEXT = (
    ('run langwire.demo:approval "Write to Ann"', "answer the question yourself"),
    ('run my_agent.py:graph "hello"', "your own agent"),
    ('run --json langwire.demo:team "hello"', "the same stream as JSON lines"),
    ("serve --demo", "all of it on a page"),
)


def _command() -> str:
    """How one calls us: by name, or where it lies, as in a virtual environment that is not activated."""
    if shutil.which("langwire"):
        return "langwire"
    here, there = Path.cwd(), Path(sys.executable).with_name("langwire")
    return str(there.relative_to(here) if there.is_relative_to(here) else there)


async def _play(page: _Page, agent: Any, said: str) -> None:
    transcript = Transcript()
    page.prompt(said)
    async with SessionAdapter(agent) as sessions:
        await _show(page, await sessions.get("tour").submit(said), transcript)
    page.summary(transcript)


async def _play_approval(page: _Page, delay: float) -> None:
    transcript = Transcript()
    said = "Write to Ann that I am late"
    page.prompt(said)
    async with SessionAdapter(build_approval(delay)) as sessions:
        session = sessions.get("tour")
        await _show(page, await session.submit(said), transcript)
        page.say("(the tour approves by itself: await session.resume({id: [approve()]}))")
        answers = {question.id: [approve() for _ in question.actions] for question in session.interrupts}
        await _show(page, await session.resume(answers), transcript)
    page.summary(transcript)


async def _play_delegation(page: _Page, delay: float) -> None:
    transcript, encoder = Transcript(), PlainEncoder()
    said = "Plan a weekend in Rome"
    page.prompt(said)
    async with TaskRunner({"main": build_delegating(delay)}) as runner:
        weekend = await runner.enqueue(said, title="weekend")
        async for entry in runner.events(weekend, follow=True):
            transcript.add(entry.event)
            page.row(entry.event, encoder.encode(entry.event))
            if isinstance(entry.event, TaskUpdate) and entry.event.state == "review_needed":
                await _approve_task(page, runner, entry.event.task_id)
    page.summary(transcript)


async def _approve_task(page: _Page, runner: TaskRunner, task_id: str) -> None:
    task = await runner.get(task_id)
    for question in task.interrupts:
        page.row(question, PlainEncoder().encode(question))
    page.say("(the tour approves by itself: await runner.resume(task_id, {id: [approve()]}))")
    await runner.resume(task_id, {question.id: [approve() for _ in question.actions] for question in task.interrupts})


async def _show(page: _Page, turn: Turn, transcript: Transcript) -> None:
    encoder = PlainEncoder()
    async for event in turn:
        transcript.add(event)
        page.row(event, encoder.encode(event))


class _Page:
    """Two columns on a terminal or in a pipe; where they do not fit, the right one goes below the left one.

    Deltas of one part share a row.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._colour = file.isatty() and not os.environ.get("NO_COLOR")
        self._width = max(shutil.get_terminal_size((100, 24)).columns, 20)
        self._left = LEFT if self._width >= 2 * LEFT else 6
        """Where the right column begins."""
        self._row: tuple[str, str] | None = None
        self._column = 0
        """Where we are in the line; 0 when the right column is to go on in a new one."""
        self._started = False
        """Whether the row's right column has anything in it."""
        self._blanks = ""
        """Blanks that are only written when a word follows."""

    def title(self, text: str) -> None:
        self.end()
        self._write(f"\n{self._styled(fill(text, self._width), '1')}\n\n")

    def say(self, text: str) -> None:
        self.end()
        self._write(fill(f"  {text}", self._width, subsequent_indent="  ", break_on_hyphens=False) + "\n")

    def prompt(self, text: str) -> None:
        self.say(f"> {text}")
        self._write("\n")

    def summary(self, transcript: Transcript) -> None:
        """What the transcript makes of the turns that were shown."""
        calls = ", ".join(call.name for call in transcript.calls) or "none"
        tokens = transcript.usage.total_tokens
        self.end()
        self._write("\n")
        self.say(f"transcript: outcome {transcript.outcome} | calls {calls} | {tokens} tokens")
        self.say(f"text: {_shortened(transcript.text or 'none', self._width - 10)}")

    def row(self, event: Event, rendered: str) -> None:
        """Show an event and what it renders to; more of the same part goes on in its row."""
        row = (type(event).__name__, getattr(event, "id", ""))
        if row != self._row or not isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            self.end()
            label = f"  {_label(event, min(LEFT, self._width) - 4)}"
            self._row, self._column, self._started, self._blanks = row, len(label), False, ""
            self._write(self._styled(label, "2"))
        for piece in _PIECES.findall(rendered):
            if piece == "\n":
                self._column = 0 if self._started else self._column
                self._blanks = ""
            elif piece.isspace():
                self._blanks += piece
            else:
                self._word(piece)
        self._file.flush()

    def _word(self, word: str) -> None:
        """Write a word into the right column: beside the label, in the line, or in the next one."""
        room = self._width - self._left
        for part in (word[at : at + room] for at in range(0, len(word), room)):
            if not self._started and self._left == LEFT:
                before = " " * (LEFT - self._column)
                self._column = LEFT
            elif not self._started or self._column == 0 or self._column + len(self._blanks + part) > self._width:
                indent = "" if self._column else self._blanks
                before = "\n" + " " * self._left + indent
                self._column = self._left + len(indent)
            else:
                before = self._blanks
                self._column += len(before)
            self._write(before + part)
            self._column += len(part)
            self._started, self._blanks = True, ""

    def end(self) -> None:
        """End the row, if one is open."""
        if self._row is not None:
            self._write("\n")
        self._row = None

    def _styled(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _write(self, text: str) -> None:
        self._file.write(writable(text, self._file.encoding))


def _label(event: Event, width: int) -> str:
    """The event's name and what tells it from others of its kind, cut to a width."""
    detail = ""
    match event:
        case ToolCallStart(name=name) | ToolCallEnd(name=name):
            detail = name
        case ToolResult(status=status) | NodeEnd(status=status):
            detail = status
        case NodeStart(node=node):
            detail = node
        case TaskUpdate(state=state):
            detail = state
        case SubagentStart(name=name):
            detail = name or ""
        case SubagentEnd(lane=lane):
            detail = lane[-1].partition(":")[0]
        case TurnEnd(outcome=outcome):
            detail = outcome
        case _:
            pass
    return _shortened(f"{type(event).__name__} {safe_terminal(detail, keep_newlines=False)}".strip(), width)


def _shortened(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
