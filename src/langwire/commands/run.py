"""`langwire run`: one turn of anybody's agent, with its questions answered at the terminal."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from itertools import count
from time import time_ns
from typing import Any, TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.adapters.plain import PlainAdapter
from langwire.commands import DONE, FAILED, PAUSED
from langwire.commands.answer import Left, ask
from langwire.core.codec import encode_entry
from langwire.errors import LangwireError
from langwire.events import Entry, Event, Interrupt, TurnEnd, TurnStart
from langwire.host import load_agent
from langwire.sessions.graph import resume_command, stream


def run(spec: str, message: str, *, as_json: bool, thread: str | None, debug: bool) -> int:
    """Run a turn, and those that its answers begin; return the exit code."""
    out = sys.stdout
    show = _json_lines(out) if as_json else PlainAdapter(out).handle
    with redirect_stdout(sys.stderr):  # what an agent prints is not what was promised on standard output
        try:
            return _turns(load_agent(spec), message, show, thread, interactive=_interactive(out, as_json))
        except BrokenPipeError:
            raise
        except Exception as error:  # the end of the program: whatever it is becomes a line and a code
            _complain(error, debug=debug)
            return FAILED


def _turns(graph: Any, input: Any, show: Callable[[Entry], None], thread: str | None, *, interactive: bool) -> int:
    numbers = count(1)
    while True:
        questions: dict[str, Interrupt] = {}
        end: TurnEnd | None = None
        config = {"configurable": {"thread_id": thread}} if thread else None
        for event in _told(stream(graph, input, config), show, numbers):
            match event:
                case TurnStart(thread_id=str(thread_id)):
                    thread = thread_id
                case Interrupt():
                    questions[event.id] = event
                case TurnEnd():
                    end = event
                case _:
                    pass
        if end is None or end.outcome != "interrupted":
            return DONE
        asked = [questions[id] for id in end.interrupts]
        if not (interactive and thread):
            _say(_how_to_answer(asked, thread))
            return PAUSED
        try:
            answers = ask(asked)
        except Left:
            _say(f"left waiting on thread {thread}")
            return PAUSED
        input = resume_command(asked, answers) if answers else None


def _told(events: Iterator[Event], show: Callable[[Entry], None], numbers: Iterator[int]) -> Iterator[Event]:
    for event in events:
        show(Entry(seq=next(numbers), at_ms=time_ns() // 1_000_000, event=event))
        yield event


def _json_lines(out: TextIO) -> Callable[[Entry], None]:
    def show(entry: Entry) -> None:
        out.write(encode_entry(entry).decode() + "\n")
        out.flush()

    return show


def _interactive(out: TextIO, as_json: bool) -> bool:
    return not as_json and sys.stdin.isatty() and out.isatty()


def _how_to_answer(asked: Sequence[Interrupt], thread: str | None) -> str:
    what = f"paused: {len(asked)} question{'s' if len(asked) > 1 else ''} for a person"
    if thread is None:
        return f"{what}; this agent has no checkpointer, so nobody can answer: compile it with one"
    return f"{what}; run it in a terminal to answer"


def _complain(error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    named = str(error) if isinstance(error, LangwireError) else f"{type(error).__name__}: {error}"
    _say(named.strip())


def _say(line: str) -> None:
    safe = safe_terminal(f"langwire: {line}", keep_newlines=False)
    print(writable(safe, sys.stderr.encoding), file=sys.stderr)
