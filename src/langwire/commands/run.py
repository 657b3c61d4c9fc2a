"""`langwire run`: one turn of anybody's agent, with its questions answered at the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, TextIO
from uuid import uuid4

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.adapters.plain import PlainAdapter
from langwire.commands import DONE, FAILED, PAUSED, leave, say
from langwire.commands.answer import Left, ask
from langwire.core.codec import encode_entry
from langwire.errors import InterruptOpen, LangwireError
from langwire.events import Entry, Interrupt, TurnEnd
from langwire.host import load_agent
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import outlives_the_program
from langwire.sessions.log import Reader
from langwire.sessions.session import Session
from langwire.sessions.sqlite import sqlite_sessions
from langwire.sessions.turn import Turn

_ERROR_LENGTH = 500
_CTRL_C = "stopped with Ctrl-C"


class _OutputLost(Exception):
    """Our output cannot be written. Apart from what the graph raises, which may be an `OSError` as well."""

    def __init__(self, why: OSError) -> None:
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for. Without a `message` the `thread` goes on; `db` is the file that keeps it."""

    spec: str
    message: str | None
    thread: str | None
    db: str | None
    as_json: bool
    debug: bool


def run(request: Request) -> int:
    """Run a turn, and those that its answers begin; return the exit code.

    Raises `OSError` when the output cannot be written, and `KeyboardInterrupt` after the turn has been told to its
    end. Anything else that goes wrong is said in one line, with a traceback before it when `debug` asks for it.
    """
    person = not request.as_json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        with _stdout_for_us(shared=person) as out:
            show = _json_lines(out) if request.as_json else PlainAdapter(out).handle
            graph = load_agent(request.spec)
            return asyncio.run(_Run(request, graph, show, out if person else None).turns())
    except _OutputLost as lost:
        raise lost.why from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the end of the program: whatever it is becomes a line and a code
        _complain(error, debug=request.debug)
        return FAILED


class _Run:
    """The turns of one request. `person` is the terminal of somebody who can answer, if there is one."""

    def __init__(self, request: Request, graph: Any, show: Callable[[Entry], None], person: TextIO | None) -> None:
        self._request, self._graph, self._show, self._person = request, graph, show, person
        self._thread = request.thread or uuid4().hex

    async def turns(self) -> int:
        """Run turn after turn, until nothing is open or nobody answers."""
        async with self._sessions() as sessions:
            session = sessions.get(self._thread)
            try:
                asked = await self._first(session)
            except InterruptOpen:
                say(f"thread {self._thread} waits for an answer: run it without a message, in a terminal, to give one")
                return PAUSED
            while asked:
                answers = self._answers(asked)
                if answers is None:
                    return PAUSED
                turn = await (session.resume(answers) if answers else session.continue_())
                asked = await self._told(session, turn)
        if self._request.db is not None and self._request.thread is None:
            say(f"this was thread {self._thread}: go on with --thread {self._thread} --db {self._request.db}")
        return DONE

    @asynccontextmanager
    async def _sessions(self) -> AsyncGenerator[SessionAdapter]:
        db = self._request.db
        async with SessionAdapter(self._graph) if db is None else sqlite_sessions(self._graph, db) as sessions:
            yield sessions

    async def _first(self, session: Session) -> Sequence[Interrupt]:
        """Run the first turn, or show what the thread asks already; return the questions that are open then."""
        if self._request.message is not None:
            return await self._told(session, await session.submit(self._request.message))
        open = (await session.state()).interrupts
        if not open:
            return await self._told(session, await session.continue_())
        for number, question in enumerate(open, 1):
            self._tell(Entry(seq=number, at_ms=0, event=question))
        return open

    async def _told(self, session: Session, turn: Turn) -> Sequence[Interrupt]:
        """Tell a turn to its end; return the questions that it leaves open. Raises what the graph raised."""
        async with session.subscribe((turn.first or 1) - 1) as reader:
            with _ctrl_c_stops(turn):
                try:
                    await self._told_by(reader)
                except (asyncio.CancelledError, KeyboardInterrupt):  # the agent's own, or from within our output
                    turn.stop(_CTRL_C)
                    await self._told_by(reader)
                    raise
                await turn.ended()
        if turn.outcome == "cancelled":
            raise KeyboardInterrupt
        if turn.exception is not None:
            raise turn.exception
        return turn.interrupts

    async def _told_by(self, reader: Reader) -> None:
        async for entry in reader:
            self._tell(entry)
            if isinstance(entry.event, TurnEnd):
                return

    def _tell(self, entry: Entry) -> None:
        try:
            self._show(entry)
        except OSError as error:
            raise _OutputLost(error) from error

    def _answers(self, asked: Sequence[Interrupt]) -> dict[str, Any] | None:
        """Return the answers of the person; None when nobody is there, or they left."""
        if self._person is None:
            say(self._how_to_answer(len(asked)))
            return None
        try:
            with redirect_stdout(self._person):
                return ask(asked)
        except Left:
            say(f"left waiting: {self._again()}")
            return None

    def _how_to_answer(self, number: int) -> str:
        what = f"paused: {number} question{'s' if number > 1 else ''} for a person"
        return f"{what}; run it in a terminal to answer, or {self._again()}"

    def _again(self) -> str:
        db = self._request.db
        if db is None and not outlives_the_program(self._graph):
            return "give --db FILE, so that the thread is kept and can be answered later"
        kept = f" --db {db}" if db is not None else ""
        return f"langwire run {self._request.spec} --thread {self._thread}{kept} asks again"


@contextmanager
def _ctrl_c_stops(turn: Turn) -> Generator[None]:
    """While a turn runs, Ctrl-C stops it and the second one leaves at once; else it interrupts what we do."""
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, leave)
        loop.call_soon_threadsafe(turn.stop, _CTRL_C)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or before is None:  # ignored for us, by whoever started us
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if turn.outcome != "cancelled":
            signal.signal(signal.SIGINT, before)


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
