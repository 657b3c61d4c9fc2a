"""`langwire chat`: a conversation with anybody's agent, at a terminal or line by line."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from langwire.commands import DONE, FAILED, PAUSED, leave, say
from langwire.commands.conversation import Conversation, Person, counted
from langwire.commands.slash import COMMANDS, Quit, take
from langwire.commands.telling import OutputLost, complain, finished, stdout_for_us
from langwire.commands.threads import sessions_of, way_back
from langwire.errors import UnknownThread, UsageError
from langwire.host import load_agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for. `thread` is the one to go on with; `db` is the file that keeps the threads."""

    spec: str
    thread: str | None
    db: str | None
    debug: bool


def chat(request: Request) -> int:
    """Hold a conversation until the person leaves, or standard input ends; return the exit code.

    Raises `OSError` when the output cannot be written, and `KeyboardInterrupt`. Anything else that goes wrong is said
    in one line, with a traceback before it when `debug` asks for it.
    """
    person = sys.stdin.isatty() and sys.stdout.isatty()

    def work() -> int:
        with stdout_for_us(shared=person) as out, _person(out, there=person) as typed:
            graph = load_agent(request.spec)
            return asyncio.run(_Chat(request, graph, typed, out).hold())

    return finished(work, debug=request.debug)


@contextmanager
def _person(out: TextIO, *, there: bool) -> Generator[Person]:
    if not there:
        yield _Lines()
        return
    from langwire.commands.prompt import keys

    with keys(out, {name: command.does for name, command in COMMANDS.items()}) as typed:
        yield typed


class _Lines:
    """Standard input that is no terminal: a message a line, and nobody who can be asked."""

    there = False

    async def message(self, toolbar: Callable[[], str], begin: str = "") -> str:
        try:
            line = sys.stdin.readline()  # nothing else runs meanwhile
        except UnicodeDecodeError as error:
            raise UsageError(f"chat cannot read a message from standard input: {error}") from error
        if not line:
            raise EOFError
        return line

    async def line(self, prompt: str, begin: str = "") -> str:
        raise EOFError

    @contextmanager
    def quiet(self) -> Generator[None]:
        yield

    def loud(self) -> None:
        pass

    def forget_typed(self) -> None:
        pass


class _Chat:
    """One conversation, from its greeting to the words with which it ends."""

    def __init__(self, request: Request, graph: Any, person: Person, out: TextIO) -> None:
        self._request, self._graph, self._person, self._out = request, graph, person, out

    async def hold(self) -> int:
        """Hold it; return the exit code."""
        request = self._request
        async with sessions_of(self._graph, request.db) as sessions:
            talk = Conversation(sessions, request.thread, self._person, self._out, self._come_back, debug=request.debug)
            return await (self._with_somebody(talk) if self._person.there else self._line_by_line(talk))

    async def _with_somebody(self, talk: Conversation) -> int:
        say("/help lists the commands, Alt-Enter begins a new line, Ctrl-C stops a turn, Ctrl-D leaves")
        if self._request.thread is not None:
            await self._said_if_it_fails(talk.come_back())
        with suppress(EOFError, Quit):
            while True:
                line = await self._person.message(lambda: f"thread {talk.session.thread_id}, {counted(talk.usage)}")
                if line.strip():
                    await self._said_if_it_fails(take(talk, line.strip()))
        if talk.session.log.last or self._request.thread is not None:
            say(self._come_back(talk.session.thread_id))
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, leave)  # code that cannot be stopped may keep the program from its end
        return PAUSED if talk.session.interrupts else DONE

    async def _said_if_it_fails(self, work: Awaitable[object]) -> None:
        """Do something, and say in one line what goes wrong: the conversation goes on."""
        try:
            await work
        except (Quit, OutputLost):
            raise
        except Exception as error:
            complain(error, debug=self._request.debug)

    async def _line_by_line(self, talk: Conversation) -> int:
        """Send every line, until a turn fails, is stopped, or asks what nobody is there to answer."""
        code = await self._open(talk) if self._request.thread is not None else DONE
        with suppress(EOFError, Quit):
            while code == DONE:
                line = await self._person.message(str)
                if line.strip():
                    await take(talk, line.strip())
                    code = self._code(talk)
        back = self._way_back(talk.session.thread_id)
        if code == PAUSED:
            how = (
                f"{back} asks again" if back else "give --db FILE, so that the thread is kept and can be answered later"
            )
            say(f"paused: a question waits for a person; {how}")
        elif back and self._request.thread is None:
            say(f"{back} goes on with it")
        return code

    async def _open(self, talk: Conversation) -> int:
        try:
            return PAUSED if (await talk.session.state()).interrupts else DONE
        except UnknownThread:
            return DONE

    def _code(self, talk: Conversation) -> int:
        if talk.last is not None and talk.last.outcome == "cancelled":
            raise KeyboardInterrupt
        if talk.last is not None and talk.last.exception is not None:
            return FAILED
        return PAUSED if talk.session.interrupts else DONE

    def _come_back(self, thread: str) -> str:
        back = self._way_back(thread)
        return f"{back} goes on with it" if back else "give --db FILE to keep your threads for another time"

    def _way_back(self, thread: str) -> str | None:
        back = way_back(self._graph, thread, self._request.db)
        return back and f"langwire chat {self._request.spec} {back}"
