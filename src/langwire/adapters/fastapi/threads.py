"""Knows everything that one can do with threads, and whose they are. It knows no transport.

A thread belongs to whoever made it. Nobody else can tell it from one that is not there: `Threads.session` is the only
way to a thread, and it answers both alike.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeAlias, assert_never
from uuid import uuid4
from weakref import WeakKeyDictionary

import msgspec
from msgspec.structs import replace

from langwire.adapters._shared.refusals import Refused
from langwire.adapters.fastapi.attendance import Attendance
from langwire.adapters.fastapi.export import Exported, Format, exported
from langwire.adapters.fastapi.files import File, Files
from langwire.adapters.fastapi.protocol import (
    Ack,
    AnyCommand,
    Cancel,
    Command,
    Content,
    Continue,
    FileBlock,
    Fork,
    HistoryPage,
    NewThread,
    Ping,
    Pong,
    Rename,
    Resume,
    Submit,
    TextBlock,
    Thread,
    ThreadPage,
    ThreadState,
    UndoFork,
)
from langwire.adapters.fastapi.reading import Line, Place, frames, lost_beginning, number_in, past_of
from langwire.adapters.fastapi.shown import Shown, View
from langwire.core._updates import is_state, messages_of, state_items
from langwire.core.codec import decode, encode, jsonable
from langwire.errors import (
    AlreadySubmitted,
    InputTooLarge,
    InvalidInput,
    LangwireError,
    UnknownPoint,
    UnknownThread,
    UsageError,
)
from langwire.events import Interrupt
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.session import Session
from langwire.sessions.store import SessionRecord
from langwire.sessions.turn import Turn

_AROUND = 4096
"""So many bytes of an input are left for what stands around a file."""

ReadInput: TypeAlias = Callable[[Any], Any]
"""Makes what the graph takes of the JSON that a client sent. A `ValueError` or `TypeError` refuses it."""


class Threads:
    """The threads of one agent, for those who come over a network.

    `shown` says what readers get, `files` holds what was uploaded. `read_input` stands in for the messages that
    clients may send. `abandon_after` are the seconds after which a turn is stopped that nobody reads any more: 0 is at
    once, None is never. Close it, and then the sessions.
    """

    def __init__(
        self,
        sessions: SessionAdapter,
        *,
        shown: Shown = Shown(),  # noqa: B008 - frozen
        files: Files | None = None,
        read_input: ReadInput | None = None,
        abandon_after: float | None = 300.0,
    ) -> None:
        self.sessions, self.shown, self.files = sessions, shown, files
        self.attendance = Attendance(abandon_after)
        self._place = Place(sessions, View(shown, files), self.attendance)
        self._read_input = read_input
        self.max_file = _fitting(files, sessions)
        """How many bytes an uploaded file may have: no more than fits into a message."""
        self._said: WeakKeyDictionary[Turn, str | None] = WeakKeyDictionary()
        """The id of the message with which each turn began."""

    async def close(self) -> None:
        """Stop all clocks."""
        self.attendance.close()

    # -------------------------------------------------------------- which there are

    async def session(self, thread_id: str, principal: str | None) -> Session:
        """Return the session of a thread. Raises `UnknownThread` for one that is not there, or is somebody else's.

        With a principal it has to have been made by that one. Without, it has to be nobody's, and anything that is
        known of it will do: a record, a log, a checkpoint.
        """
        self.sessions.check_open()
        try:
            record = await self.sessions.options.store.get(thread_id)
        except UsageError:  # no thread can have this id
            raise _unknown() from None
        if record is not None and record.owner == principal:
            return self.sessions.get(thread_id)
        if record is not None or principal is not None:
            raise _unknown()
        session = self.sessions.get(thread_id)
        if not session.log.last:
            await session.state()
        return session

    async def list(self, principal: str | None, *, limit: int = 50, before: str | None = None) -> ThreadPage:
        """Return a page of the threads of a principal, or of those that are nobody's.

        Raises `Refused` (422 `invalid_page`) for a `limit` below 1 and a `before` that comes from no page.
        """
        found: list[Thread] = []
        try:
            page = await self.sessions.list(owner=principal, limit=limit, before=before)
            found += _whose(page.records, principal)
            while len(found) < limit and page.before is not None:
                # A store cannot be asked for what is nobody's: what others own is passed over here.
                page = await self.sessions.list(owner=principal, limit=limit - len(found), before=page.before)
                found += _whose(page.records, principal)
        except UsageError as error:
            raise Refused(422, "invalid_page", str(error)) from None
        return ThreadPage(threads=tuple(found), before=page.before)

    async def create(self, principal: str | None, asked: NewThread) -> Thread:
        """Make a thread, under an id that nobody can guess."""
        self.sessions.check_open()
        store, thread_id = self.sessions.options.store, uuid4().hex
        await store.claim(thread_id, principal)
        if asked.title is not None:
            await store.set_title(thread_id, self._title(asked.title))
        return await self._thread(thread_id)

    async def rename(self, session: Session, asked: Rename, principal: str | None) -> Thread:
        """Name a thread, or take its name away. Raises `UnknownThread` for one that has been deleted meanwhile."""
        store, title = self.sessions.options.store, self._title(asked.title)
        if not await store.set_title(session.thread_id, title) and principal is None and not session.deleted:
            await store.claim(session.thread_id, None)  # until now the checkpointer alone knew it
            await store.set_title(session.thread_id, title)
        return await self._thread(session.thread_id)

    async def delete(self, session: Session) -> None:
        """Forget a thread everywhere, and its files. Raises what `SessionAdapter.delete` raises."""
        await self.sessions.delete(session.thread_id)
        if self.files is not None:
            self.files.forget(session.thread_id)

    async def _thread(self, thread_id: str) -> Thread:
        record = await self.sessions.options.store.get(thread_id)
        if record is None:
            raise _unknown()
        return _thread_of(record)

    def _title(self, title: str | None) -> str | None:
        redactor = self.sessions.options.redactor
        return title if redactor is None or title is None else redactor.redact(title)[0]

    # -------------------------------------------------------------- reading one

    async def state(self, session: Session) -> ThreadState:
        """Return where a thread stands."""
        state = await session.state()
        return ThreadState(
            thread_id=state.thread_id,
            position=state.position,
            title=state.title,
            running=state.running,
            waiting=state.waiting,
            unfinished=state.unfinished,
            outcome=state.outcome,
            error=state.error,
            interrupts=tuple(_told(question) for question in state.interrupts),
            next=state.next,
            checkpoint_id=state.checkpoint_id,
            values=_values(state.values) if self.shown.state else None,
        )

    async def history(self, session: Session, *, full: bool = False) -> HistoryPage:
        """Return what a thread holds, `full` with values of any size. Reading on from its position misses nothing."""
        history = await session.history()
        lines = (self._place.view.event(session.thread_id, event, full=full) for event in past_of(session, history))
        events = [msgspec.Raw(line) for line in lines if line is not None]
        lost = lost_beginning(session, history.position)
        # Who reads on from where the log has forgotten is told all of it again.
        position = history.position if lost is None else f"{session.log.id}:{lost - 1}"
        return HistoryPage(events=events, position=position)

    async def export(self, session: Session, form: Format) -> Exported:
        """Return a thread as a file: what its readers get, whole, in one of the formats."""
        return await exported(session, self._place, self.shown, form)

    def read(self, session: Session, after: str | None) -> AsyncGenerator[Sequence[Line]]:
        """Return the frames of a thread from a position on, each with the position after it, where it has one.

        They come as they are there, some together. Whoever reads them counts as a reader until the generator is closed.
        Raises `UsageError`, at the first frame, for what cannot be a position.
        """
        return frames(session, self._place, after)

    # -------------------------------------------------------------- doing something

    async def do(self, session: Session, command: AnyCommand, principal: str | None) -> Ack | Pong:
        """Do what a client commands, and return the answer. Raises what the session raises.

        Nothing is awaited before the session has the command: those that come one after the other stay in their order.
        """
        position = session.log.position
        match command:
            case Submit():
                return await self._submit(session, command, principal)
            case Resume():
                turn = await session.resume(
                    command.answers,
                    partial=command.partial,
                    decided_by=principal,
                    principal=principal,
                    when_busy=command.when_busy,
                )
                return _taken(command, turn, session, position)
            case Continue():
                turn = await session.continue_(principal=principal, when_busy=command.when_busy)
                return _taken(command, turn, session, position)
            case Cancel():
                stopped = await session.cancel(command.reason, turn_id=command.turn_id)
                return Ack(ref=command.ref, position=position, stopped=stopped)
            case Fork():
                return Ack(ref=command.ref, position=position, checkpoint_id=await session.fork(command.point))
            case UndoFork():
                return Ack(ref=command.ref, position=position, checkpoint_id=await _undone(session))
            case Ping():
                return Pong(ref=command.ref)
            case _:
                assert_never(command)

    async def _submit(self, session: Session, command: Submit, principal: str | None) -> Ack:
        position = session.log.position
        given, message_id = self._input(session, command.input)
        try:
            turn = await session.submit(
                given,
                context_lines=command.context_lines,
                client_message_id=command.client_message_id,
                principal=principal,
                when_busy=command.when_busy,
                when_interrupted=command.when_interrupted,
            )
        except AlreadySubmitted as error:  # by a turn of which nothing but its id is known any more
            return Ack(ref=command.ref, turn_id=error.turn_id)
        # A message that was taken before has the id under which it was taken.
        message_id = self._said.setdefault(turn, message_id)
        return replace(_taken(command, turn, session, position), message_id=message_id)

    def _input(self, session: Session, given: Any) -> tuple[Any, str | None]:
        """Return what goes to the session, and the id of the message in it, if it is one of ours."""
        if self._read_input is not None:
            try:
                return self._read_input(given), None
            except LangwireError:
                raise
            except (TypeError, ValueError):
                raise InvalidInput("this server does not take what came as input: see what it expects") from None
        try:
            content = msgspec.convert(given, Content)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"input does not fit: {error}; send text, or a list of text and file blocks") from None
        message_id = uuid4().hex
        return [{"role": "user", "id": message_id, "content": self._content(session, content)}], message_id

    def _content(self, session: Session, content: Content) -> Any:
        blocks = [TextBlock(text=content)] if isinstance(content, str) else content
        if not any(isinstance(block, FileBlock) or block.text.strip() for block in blocks):
            raise InvalidInput("an empty message came: say something to the agent")
        if isinstance(content, str):
            return content
        said = [block.text if isinstance(block, TextBlock) else self._file(session, block) for block in blocks]
        # A few words can name a large file again and again: all are counted before any is made larger.
        size, most = sum(_in_base64(part) for part in said), self.sessions.options.max_input_bytes
        if size > most:
            raise InputTooLarge(f"files of {size} bytes in base64 came: expected {most} at most")
        return [_block_of(part) for part in said]

    def _file(self, session: Session, block: FileBlock) -> File:
        file = self.files.get(session.thread_id, block.file_id) if self.files is not None else None
        if file is None:
            raise InvalidInput(f"there is no file {block.file_id!r:.80} in this thread: upload it first")
        return file


# ------------------------------------------------------------------ answers


def _fitting(files: Files | None, sessions: SessionAdapter) -> int:
    return 0 if files is None else max(1, min(files.max_file, (sessions.options.max_input_bytes - _AROUND) * 3 // 4))


def _in_base64(part: str | File) -> int:
    return 0 if isinstance(part, str) else len(part.data) * 4 // 3


def _block_of(part: str | File) -> dict[str, str]:
    """Return a part of a message as LangChain's standard block.

    A file is in it whole: an address would have somebody on our side fetch it.
    """
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.mime.partition("/")[0]
    return {
        "type": kind if kind in ("image", "audio", "video") else "file",
        "base64": b64encode(part.data).decode(),
        "mime_type": part.mime,
    }


def _unknown() -> UnknownThread:
    return UnknownThread("nothing is known of this thread")


def _whose(records: Sequence[SessionRecord], principal: str | None) -> list[Thread]:
    return [_thread_of(record) for record in records if record.owner == principal]


def _thread_of(record: SessionRecord) -> Thread:
    return Thread(
        thread_id=record.thread_id,
        created_ms=record.created_ms,
        updated_ms=record.updated_ms,
        title=record.title,
        running=record.running,
        outcome=record.outcome,
        error=record.error,
    )


def _told(question: Interrupt) -> Interrupt:
    """Return a question as its event is told: as plain data, and whole."""
    told = decode(encode(question))
    return told if isinstance(told, Interrupt) else question


def _values(values: Any) -> Any:
    """Return a state as it is shown: as JSON data, and without messages, which are told by themselves."""
    if not is_state(values):
        return jsonable(values)
    return jsonable({key: value for key, value in state_items(values) if messages_of(value) is None})


def _taken(command: Command, turn: Turn, session: Session, position: str) -> Ack:
    """Return the answer to a command that began a turn, or found that it has begun already."""
    log, first = session.log, turn.first
    if first is not None and first <= number_in(position):
        position = f"{log.id}:{first - 1}"
    return Ack(ref=command.ref, turn_id=turn.id, position=position, queued=turn.state == "waiting")


async def _undone(session: Session) -> str | None:
    try:
        return await session.undo_fork()
    except LangwireError as error:
        if type(error) is UsageError:  # as there is nothing to go back to
            raise UnknownPoint(str(error)) from None
        raise
