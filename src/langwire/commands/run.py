"""`langwire run`: one turn of anybody's agent, with its questions answered at the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, TextIO
from uuid import uuid4

from langwire.adapters.cli.asking import Left, ask
from langwire.commands import DONE, PAUSED, say
from langwire.commands.telling import face_of, finished, stdout_for_us, tell, told
from langwire.commands.threads import sessions_of, way_back
from langwire.commands.typed import forget_typed
from langwire.core.codec import encode_entry
from langwire.errors import InterruptOpen
from langwire.events import Entry, Interrupt
from langwire.host import load_agent
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn


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

    def work() -> int:
        with stdout_for_us(shared=person) as out:
            show = _json_lines(out) if request.as_json else face_of(out)
            graph = load_agent(request.spec)
            return asyncio.run(_Run(request, graph, show, out if person else None).turns())

    return finished(work, debug=request.debug)


class _Run:
    """The turns of one request. `person` is the terminal of somebody who can answer, if there is one."""

    def __init__(self, request: Request, graph: Any, show: Callable[[Entry], None], person: TextIO | None) -> None:
        self._request, self._graph, self._show, self._person = request, graph, show, person
        self._thread = request.thread or uuid4().hex

    async def turns(self) -> int:
        """Run turn after turn, until nothing is open or nobody answers."""
        async with sessions_of(self._graph, self._request.db) as sessions:
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

    async def _first(self, session: Session) -> Sequence[Interrupt]:
        """Run the first turn, or show what the thread asks already; return the questions that are open then."""
        if self._request.message is not None:
            return await self._told(session, await session.submit(self._request.message))
        open = (await session.state()).interrupts
        if not open:
            return await self._told(session, await session.continue_())
        for number, question in enumerate(open, 1):
            tell(self._show, Entry(seq=number, at_ms=0, event=question))
        return open

    async def _told(self, session: Session, turn: Turn) -> Sequence[Interrupt]:
        """Tell a turn to its end; return the questions that it leaves open. Raises what the graph raised."""
        await told(session, turn, self._show)
        if turn.outcome == "cancelled":
            raise KeyboardInterrupt
        if turn.exception is not None:
            raise turn.exception
        return turn.interrupts

    def _answers(self, asked: Sequence[Interrupt]) -> dict[str, Any] | None:
        """Return the answers of the person; None when nobody is there, or they left."""
        if self._person is None:
            say(self._how_to_answer(len(asked)))
            return None
        forget_typed(sys.stdin)
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
        back = way_back(self._graph, self._thread, self._request.db)
        if back is None:
            return "give --db FILE, so that the thread is kept and can be answered later"
        return f"langwire run {self._request.spec} {back} asks again"


def _json_lines(out: TextIO) -> Callable[[Entry], None]:
    """JSON goes out as bytes: it is UTF-8, whatever the console is."""

    def show(entry: Entry) -> None:
        out.buffer.write(encode_entry(entry) + b"\n")
        out.buffer.flush()

    return show
