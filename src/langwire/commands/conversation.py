"""Knows what a person can do in a conversation: speak, answer, go back, look back, change the thread, keep it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TextIO, TypeAlias
from uuid import uuid4

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.adapters.cli.asking import Left, ask
from langwire.commands import leave, say
from langwire.commands.telling import complain, face_of, tell, told
from langwire.core.codec import encode
from langwire.core.transcript import Message
from langwire.errors import InterruptOpen, LangwireError, UnknownThread, UsageError
from langwire.events import Entry, Event, Interrupt, TokenUsage, TurnEnd
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn

_Write: TypeAlias = Callable[[Sequence[Event]], str]

LISTED = 20
"""How many threads are listed."""
_TITLE = 60
"""How many characters are shown of what was said."""


class Person(Protocol):
    """Who types. `there` says whether somebody can be asked."""

    there: bool

    async def message(self, toolbar: Callable[[], str], begin: str = "") -> str:
        """Return a message. Raises `EOFError` when there is none any more."""
        ...

    async def line(self, prompt: str, begin: str = "") -> str:
        """Return a line. Raises `EOFError` when there is none."""
        ...

    def quiet(self) -> AbstractContextManager[None]:
        """Meanwhile, do not show what is typed."""
        ...

    def loud(self) -> None:
        """Show again what is typed."""
        ...

    def forget_typed(self) -> None:
        """Drop what was typed ahead."""
        ...


class Conversation:
    """One person's conversation with an agent, on one thread at a time.

    `out` is where it is told; `come_back` says how one comes back to a thread; `debug` shows tracebacks of failures.
    """

    def __init__(
        self,
        sessions: SessionAdapter,
        thread: str | None,
        person: Person,
        out: TextIO,
        come_back: Callable[[str], str],
        *,
        debug: bool,
    ) -> None:
        self._sessions, self.person, self._out, self._debug = sessions, person, out, debug
        self._how_to_come_back = come_back
        self.session: Session = sessions.get(thread or _new_id())
        self.usage = TokenUsage()
        """Tokens of the thread."""
        self.last: Turn | None = None
        """The last turn that was told here."""
        self._show = face_of(out)
        self._listed: list[str] = []

    # -------------------------------------------------------------- saying and answering

    async def send(self, text: str) -> None:
        """Say something, and tell what comes of it. Raises what `Session.submit` raises."""
        try:
            await self._follow(await self.session.submit(text))
        except InterruptOpen:
            say("a question waits for an answer: /answer asks it again, /undo takes back what led to it")

    async def answer(self) -> None:
        """Ask again what is open."""
        asked = (await self.session.state()).interrupts
        if not asked:
            say("no question waits for an answer")
            return
        self._tell([*asked, TurnEnd(outcome="interrupted", interrupts=tuple(question.id for question in asked))])
        turn = await self._answered(asked)
        if turn is not None:
            await self._follow(turn)

    async def go_on(self) -> None:
        """Go on from where the thread stands: after a stop, a failure or a crash."""
        await self._follow(await self.session.continue_())

    async def _follow(self, turn: Turn | None) -> None:
        """Tell a turn, and those that answers begin, until nothing is open or nobody answers."""
        while turn is not None:
            await self._told(turn)
            turn = await self._answered(turn.interrupts)

    async def _told(self, turn: Turn) -> None:
        before = signal.getsignal(signal.SIGINT)
        self.last = turn
        try:
            with self.person.quiet():
                await told(self.session, turn, self._show, self._leave)
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        self._count(turn.result.usage)
        if turn.exception is not None:
            complain(turn.exception, debug=self._debug)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.person.loud()
        leave(number, frame, self._how_to_come_back(self.session.thread_id))

    async def _answered(self, asked: Sequence[Interrupt]) -> Turn | None:
        """Have questions answered; return the turn that goes on with the answers."""
        if not asked or not self.person.there:
            return None
        answers = await self._ask(asked)
        if answers is None:
            say("left open: /answer asks again")
            return None
        return await (self.session.resume(answers) if answers else self.session.continue_())

    async def _ask(self, asked: Sequence[Interrupt]) -> dict[str, Any] | None:
        """Ask in a thread of its own, so that whatever else runs here goes on."""
        loop = asyncio.get_running_loop()

        def read(prompt: str, begin: str) -> str:
            return asyncio.run_coroutine_threadsafe(self.person.line(prompt, begin), loop).result()

        def work() -> dict[str, Any] | None:
            try:
                return ask(asked, read=read)
            except Left:
                return None

        self.person.forget_typed()
        before = signal.signal(signal.SIGINT, _nothing)  # the prompt takes Ctrl-C as a key, and so does an editor
        try:
            with redirect_stdout(self._out):
                return await asyncio.to_thread(work)
        finally:
            signal.signal(signal.SIGINT, before)

    # -------------------------------------------------------------- going back

    async def retry(self) -> None:
        """Have the last message answered anew."""
        said, after = await self._last_said()
        if said is None:
            say("nothing was said yet")
        elif after:
            await self._anew(after[0].message_id, self.session.continue_)
        else:
            await self.go_on()

    async def edit(self, text: str) -> None:
        """Say the last message anew, with another text: one that is given, or typed where the old one stands."""
        said, _ = await self._last_said()
        if said is None:
            say("nothing was said yet")
            return
        try:
            text = text or await self.person.message(lambda: "your last message: Ctrl-C leaves it as it is", said.text)
        except EOFError:
            text = ""
        if not text.strip():
            say("left as it was")
            return
        await self._anew(said.message_id, lambda: self.session.submit(text))

    async def undo(self) -> None:
        """Take back the last message, and all that came of it."""
        said, _ = await self._last_said()
        if said is None:
            say("nothing was said yet")
            return
        await self.session.fork(said.message_id)
        say(f"taken back: {_short(said.text)}")

    async def _anew(self, point: str, begin: Callable[[], Awaitable[Turn]]) -> None:
        """Go back to before a message, and begin a turn there; stay where the thread stands if that is refused."""
        await self.session.fork(point)
        try:
            turn = await begin()
        except LangwireError:
            await self.session.undo_fork()
            raise
        await self._follow(turn)

    async def _last_said(self) -> tuple[Message | None, list[Message]]:
        """Return what the person said last, and the messages after it."""
        try:
            messages = [m for m in (await self.session.history()).transcript.messages if not m.lane]
        except UnknownThread:
            return None, []
        for at in range(len(messages) - 1, -1, -1):
            if messages[at].role == "user":
                return messages[at], messages[at + 1 :]
        return None, []

    # -------------------------------------------------------------- looking back

    async def come_back(self) -> None:
        """Tell what the thread holds, ask what is open there, and offer to go on where a turn was cut off."""
        if not await self.recall():
            return
        state = await self.session.state()
        if state.interrupts:
            await self._follow(await self._answered(state.interrupts))
        elif state.unfinished or state.unstarted or state.pending:
            await self._offer()

    async def recall(self) -> bool:
        """Tell all that the thread holds; return whether that is anything."""
        try:
            history = await self.session.history()
        except UnknownThread:
            say(f"nothing was said yet on thread {self.session.thread_id}")
            return False
        self._tell(history.events)
        self.usage = history.transcript.usage
        return True

    async def _offer(self) -> None:
        try:
            said = await self.person.line("the last turn was cut off: go on with it? [y]es / [n]o ")
        except EOFError:
            said = "n"
        if said.strip().lower() in ("y", "yes"):
            await self.go_on()
        else:
            say("left as it is: /continue goes on with it")

    def tokens(self) -> None:
        """Tell what the thread has cost."""
        self.print(f"thread {self.session.thread_id}: {counted(self.usage)}")

    async def save(self, name: str) -> None:
        """Keep what the thread holds in a new file: HTML, Markdown or JSON lines, by how its name ends.

        Raises `UsageError` for another ending and for a file that cannot be made, and `UnknownThread`.
        """
        write = _writer_of(name)
        history = await self.session.history()
        say(f"saved as {_saved(name, write(history.events))}")

    # -------------------------------------------------------------- threads

    def new(self) -> None:
        """Begin a thread."""
        self._turn_to(_new_id())
        say(f"a new thread: {self.session.thread_id}")

    async def threads(self) -> None:
        """List the threads that are remembered, the last used first."""
        records = (await self._sessions.list(limit=LISTED)).records
        self._listed = [record.thread_id for record in records]
        for number, record in enumerate(records, 1):
            mark = "*" if record.thread_id == self.session.thread_id else " "
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.updated_ms / 1000))
            how = "cut off" if record.running else record.outcome or ""
            self.print(f"{mark} {number:>2}  {used}  {how:<11}  {record.thread_id}  {_short(record.title or '')}")
        if not records:
            say("no thread is remembered yet")

    async def turn_to(self, given: str) -> None:
        """Go on with another thread, by its number in the list, its id, or how its id begins in the list."""
        number = int(given) if given.isdecimal() and len(given) < 4 else 0
        beginning = [id for id in self._listed if given and id.startswith(given)]
        if 0 < number <= len(self._listed):
            given = self._listed[number - 1]
        elif len(beginning) == 1:
            given = beginning[0]
        try:
            await self._sessions.get(given).state()
        except UnknownThread:
            say(f"there is no thread {given}: /threads lists them, /new begins one")
            return
        self._turn_to(given)
        await self.come_back()

    def _turn_to(self, thread: str) -> None:
        self.session, self.last, self.usage = self._sessions.get(thread), None, TokenUsage()

    # -------------------------------------------------------------- telling

    def print(self, line: str) -> None:
        """Print a line of the conversation."""
        self._out.write(writable(safe_terminal(line, keep_newlines=False), self._out.encoding).rstrip() + "\n")

    def _tell(self, events: Sequence[Event]) -> None:
        show = face_of(self._out)
        for number, event in enumerate(events, 1):
            tell(show, Entry(seq=number, at_ms=0, event=event))

    def _count(self, more: TokenUsage) -> None:
        self.usage = TokenUsage(
            input_tokens=self.usage.input_tokens + more.input_tokens,
            output_tokens=self.usage.output_tokens + more.output_tokens,
        )


def counted(usage: TokenUsage) -> str:
    """Tokens in words."""
    return f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"


def _new_id() -> str:
    return uuid4().hex[:12]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else f"{line[:_TITLE]} …"


def _nothing(number: int, frame: FrameType | None) -> None:
    """Ctrl-C is a key to whoever has the terminal now."""


# ------------------------------------------------------------------ files


def _writer_of(name: str) -> _Write:
    write = _WRITERS.get(Path(name).suffix.lower())
    if write is None:
        raise UsageError(f"{name!r} came as a file: expected a name that ends with {', '.join(_WRITERS)}")
    return write


def _saved(name: str, text: str) -> Path:
    """Write a file that is not there yet; return its path."""
    path = Path(name).expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}") from error
    return path


def _html(events: Sequence[Event]) -> str:
    from langwire.export import to_html

    return to_html(events)


def _markdown(events: Sequence[Event]) -> str:
    from langwire.export import to_markdown

    return to_markdown(events)


def _json_lines(events: Sequence[Event]) -> str:
    return "".join(encode(event).decode() + "\n" for event in events)


_WRITERS: dict[str, _Write] = {".html": _html, ".md": _markdown, ".jsonl": _json_lines}
