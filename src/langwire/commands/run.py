"""`langwire run`: one turn of anybody's agent, with its questions answered at the terminal."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from itertools import count
from time import time_ns
from typing import Any, TextIO, cast

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.adapters.plain import PlainAdapter
from langwire.commands import DONE, FAILED, PAUSED, say
from langwire.commands.answer import Left, ask
from langwire.core.codec import encode_entry
from langwire.errors import LangwireError
from langwire.events import Entry, Event, Interrupt, TurnEnd, TurnStart
from langwire.host import load_agent
from langwire.sessions.graph import resume_command, stream

_ERROR_LENGTH = 500


class _OutputLost(Exception):
    """Our output cannot be written. Apart from what the graph raises, which may be an `OSError` as well."""

    def __init__(self, why: OSError) -> None:
        self.why = why


def run(spec: str, message: str | None, *, as_json: bool, thread: str | None, debug: bool) -> int:
    """Run a turn, and those that its answers begin; return the exit code. No message: go on with the thread.

    Raises `OSError` when the output cannot be written, and `KeyboardInterrupt` after the turn has been told to its
    end. Anything else that goes wrong is said in one line, with a traceback before it when `debug` asks for it.
    """
    person = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        with _stdout_for_us(shared=person) as out:
            show = _json_lines(out) if as_json else PlainAdapter(out).handle
            return _turns(load_agent(spec), message, thread, _telling(show), _Person(spec, out) if person else None)
    except _OutputLost as lost:
        raise lost.why from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the end of the program: whatever it is becomes a line and a code
        _complain(error, debug=debug)
        return FAILED


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody at the terminal `out`, who can answer."""

    spec: str
    out: TextIO

    def answer(self, asked: Sequence[Interrupt], thread: str) -> dict[str, Any] | None:
        """Return the answers; None when the person left."""
        try:
            with redirect_stdout(self.out):
                return ask(asked)
        except Left:
            say(f"left waiting: if the agent keeps its threads, langwire run {self.spec} --thread {thread} asks again")
            return None


def _turns(graph: Any, input: Any, thread: str | None, tell: Callable[[Event], None], person: _Person | None) -> int:
    while True:
        config = {"configurable": {"thread_id": thread}} if thread else None
        turn = _Turn(tell)
        with closing(cast("Generator[Event]", stream(graph, input, config))) as events:
            turn.play(events)
        thread = turn.thread
        if not turn.asked:
            return DONE
        if person is None or thread is None:
            say(_how_to_answer(len(turn.asked), thread))
            return PAUSED
        answers = person.answer(turn.asked, thread)
        if answers is None:
            return PAUSED
        input = resume_command(turn.asked, answers) if answers else None


class _Turn:
    """Tells a turn to its end, and keeps what has to be known of it then."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self.thread: str | None = None
        self.asked: list[Interrupt] = []
        self._tell = tell
        self._questions: dict[str, Interrupt] = {}

    def play(self, events: Generator[Event]) -> None:
        """Tell all events. When Ctrl-C comes while one is told, the graph hears of it and ends the turn."""
        try:
            self._play(events)
        except KeyboardInterrupt as stop:
            self._tell(events.throw(stop))
            self._play(events)

    def _play(self, events: Generator[Event]) -> None:
        for event in events:
            self._tell(event)
            match event:
                case TurnStart():
                    self.thread = event.thread_id
                case Interrupt():
                    self._questions[event.id] = event
                case TurnEnd(outcome="interrupted"):
                    self.asked = [self._questions[id] for id in event.interrupts]
                case _:
                    pass


def _telling(show: Callable[[Entry], None]) -> Callable[[Event], None]:
    numbers = count(1)

    def tell(event: Event) -> None:
        try:
            show(Entry(seq=next(numbers), at_ms=time_ns() // 1_000_000, event=event))
        except OSError as error:
            raise _OutputLost(error) from error

    return tell


def _json_lines(out: TextIO) -> Callable[[Entry], None]:
    """JSON goes out as bytes: it is UTF-8, whatever the console is."""

    def show(entry: Entry) -> None:
        out.buffer.write(encode_entry(entry) + b"\n")
        out.buffer.flush()

    return show


@contextmanager
def _stdout_for_us(*, shared: bool) -> Generator[TextIO]:
    """Yield standard output; what an agent prints meanwhile goes to standard error.

    Unless it is `shared` with a person who answers, that holds for the agent's subprocesses, too: then the
    descriptor itself is turned away, and ours is a copy.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        if shared or out is not sys.__stdout__:
            yield out
            return
        out.flush()
        number = out.fileno()
        ours = os.fdopen(os.dup(number), "w", encoding=out.encoding, errors=out.errors)
        os.dup2(sys.stderr.fileno(), number)
        try:
            yield ours
        finally:
            os.dup2(ours.fileno(), number)
            with suppress(OSError):  # told already, when it was written
                ours.close()


# ------------------------------------------------------------------ one line


def _how_to_answer(number: int, thread: str | None) -> str:
    what = f"paused: {number} question{'s' if number > 1 else ''} for a person"
    if thread is None:
        return f"{what}; this agent keeps no threads, so nobody can answer: compile it with a checkpointer"
    return f"{what}; run it in a terminal to answer, or go on there with --thread {thread} if it keeps its threads"


def _complain(error: BaseException, *, debug: bool) -> None:
    if debug:
        print(safe_terminal("".join(traceback.format_exception(error))), file=sys.stderr)
    text, name = _text(error), type(error).__name__
    say(text if isinstance(error, LangwireError) else f"{name}: {text}" if text else name)


def _text(error: BaseException) -> str:
    """What an exception says, in one line that is not too long."""
    try:
        line = " ".join(str(error).split())
    except Exception:  # foreign code runs here
        return "(its text cannot be read)"
    return line if len(line) <= _ERROR_LENGTH else f"{line[:_ERROR_LENGTH]} …"
