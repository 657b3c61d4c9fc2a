"""Knows what is remembered of a thread's turns, how each move changes that, and how to keep it in memory.

LangGraph's checkpoint is the truth about messages. A session store knows about turns alone: which was the last one,
how it ended, which of its questions have been answered and by whom, whose thread it is. Each move reads one record,
changes it and writes it back at once; the rules are in `RecordStore`, so that every store over it keeps the same ones.

The ugly corner is answers. An interrupt can be asked again under the same id, so an answer belongs to an *asking*: the
turn that ended with the question open. One asking is open at a time. When it is over its name is kept, in
`asked_before`, and a click that comes late finds it there.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from heapq import nlargest, nsmallest
from time import time_ns
from typing import Annotated, Any, Protocol, Self, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from langwire.core.codec import jsonable
from langwire.errors import UsageError
from langwire.events import ErrorInfo, Outcome

REMEMBERED = 100
"""How many of a client's message ids, and of the askings before, a record keeps."""

T = TypeVar("T")
Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]

_CURSOR = re.compile(r"([0-9]{1,18}):(.+)", re.DOTALL)
_NEWEST = (2**63 - 1, "")


# ------------------------------------------------------------------ what is remembered


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An interrupt that has been answered.

    `asked` names the asking: the record's `asked`, or, where that is `None`, the checkpoint that holds the question.
    `turn_id` is the turn that takes the answer to the graph. `value` is what goes into LangGraph's resume map; it is
    `msgspec.UNSET` in the store when JSON cannot give it back as it was. `decisions` are the types of the decisions and
    `decided_by` who took them, for the record. `at_ms` is set by the store (Unix time in milliseconds).
    """

    asked: Id
    interrupt_id: Id
    turn_id: Id
    value: Any = UNSET
    decisions: tuple[str, ...] = ()
    decided_by: str | None = None
    at_ms: int = 0


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of one thread. Times are Unix milliseconds by the store's clock, and never go back.

    `turn_id` is the last turn that began and `instance` the adapter that ran it. `running` says that it has not ended:
    after a crash it stays true, and `instance` tells whose crash that was. `outcome` and `error` are those of the last
    turn that ended. `asked` is the asking that is open, `answers` are those given to it, `asked_before` the askings
    that are over, and `answered` the answers to them, without their values. `client_message_ids` are pairs of a
    client's message id and the turn that took the message. Of these three the last 100 are kept, the newest at the end.
    """

    thread_id: Id
    created_ms: int
    updated_ms: int
    owner: Id | None = None
    title: str | None = None
    turn_id: Id | None = None
    running: bool = False
    instance: str | None = None
    outcome: Outcome | None = None
    error: ErrorInfo | None = None
    asked: Id | None = None
    answers: tuple[Answer, ...] = ()
    asked_before: tuple[str, ...] = ()
    answered: tuple[Answer, ...] = ()
    client_message_ids: tuple[tuple[str, str], ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some records of a list. `before` asks for the next page; `None` on the last one."""

    records: tuple[SessionRecord, ...]
    before: str | None = None


# ------------------------------------------------------------------ what a store promises


class SessionStore(Protocol):
    """What sessions ask of a store; `langwire.testing.stores` has the tests that it must pass.

    Each call is made wholly or not at all, also one that is cancelled, and calls of one store are made in their order.
    A record that is handed out is the caller's own. All calls raise `UsageError` for what cannot be kept (an empty
    thread id, half a character), and `StoreError` when the store cannot do its work.
    """

    async def get(self, thread_id: str) -> SessionRecord | None:
        """Return the record of a thread."""
        ...

    async def begin_turn(
        self,
        thread_id: str,
        turn_id: str,
        *,
        instance: str,
        owner: str | None = None,
        title: str | None = None,
        client_message_id: str | None = None,
    ) -> SessionRecord:
        """Write down that a turn began, in a new record where there is none; return the record.

        `owner` and `title` count only where the record has none. `client_message_id` is remembered with this turn.
        """
        ...

    async def end_turn(
        self,
        thread_id: str,
        turn_id: str,
        *,
        outcome: Outcome,
        error: ErrorInfo | None = None,
        asked: bool | None = False,
    ) -> bool:
        """Write down how a turn ended, if it is the last that began and has not ended; return whether it was.

        With `asked` its end leaves questions open: they are a new asking, named by the turn. The asking before is then
        over and its answers are dropped, as they are without. `None` leaves the asking and its answers as they are.
        """
        ...

    async def rewind(self, thread_id: str) -> None:
        """Write down that a thread went back to an earlier point: nothing runs, no outcome, no asking is open."""
        ...

    async def answer(self, thread_id: str, answers: Sequence[Answer]) -> tuple[str, ...]:
        """Take answers to questions of one asking, all or none; return the interrupt ids that stood in the way.

        `()` means that all are taken. An answered interrupt stands in the way, and every one does when their asking is
        over, or is not the one that is open. Where none is open (or there is no record: one is made), theirs is open
        now. Raises `UsageError` for answers of several askings, and for two to one interrupt.
        """
        ...

    async def withdraw(self, thread_id: str, turn_id: str) -> None:
        """Take back the answers of a turn that never reached the graph, and that it took a client's message."""
        ...

    async def set_title(self, thread_id: str, title: str | None) -> bool:
        """Name a thread; return whether there is one. Its place in the list stays."""
        ...

    async def claim(self, thread_id: str, owner: str | None) -> bool:
        """Make a thread somebody's that is nobody's yet, in a new record where needed; return whether it is theirs now.

        With `None` nothing but the record is made, where there is none, and the answer is whether it is nobody's.
        """
        ...

    async def list(self, *, owner: str | None = None, limit: int = 50, before: str | None = None) -> Page:
        """Return records, the last used first; `before` is that of the page before, `owner` leaves out all others'.

        Raises `UsageError` for a `limit` below 1, and for a `before` that comes from no page.
        """
        ...

    async def delete(self, thread_id: str) -> bool:
        """Forget a thread; return whether there was something to forget."""
        ...

    async def stale(self, before_ms: int, limit: int = 100) -> tuple[str, ...]:
        """Return the ids of threads last used before a time (Unix milliseconds), the oldest first.

        A thread whose turn never ended is among them. Raises `UsageError` for a `limit` below 1.
        """
        ...

    async def close(self) -> None:
        """Let go of what the store holds open. A later call opens it again."""
        ...


# ------------------------------------------------------------------ the rules


Move: TypeAlias = Callable[[SessionRecord | None], tuple[SessionRecord | None, T]]
"""Takes a thread's record, returns the record to write (`None`: leave it as it is) and the answer to the caller."""


def now_ms() -> int:
    """Return the Unix time in milliseconds."""
    return time_ns() // 1_000_000


class RecordStore(ABC):
    """The moves of a session store, over one thing that a store of your own has to do: change one record at once.

    Subclass it with `_move`, `get`, `list`, `delete`, `stale` and `close`. `clock` gives Unix milliseconds.
    """

    def __init__(self, *, clock: Callable[[], int] = now_ms) -> None:
        self._clock = clock

    @abstractmethod
    async def _move(self, thread_id: str, move: Move[T]) -> T:
        """Read a record, let `move` change it, write it; nothing else may touch it meanwhile, in any process.

        What `move` raises leaves the record as it was. Check the id with `checked`, and write with `written`.
        """

    @abstractmethod
    async def close(self) -> None: ...

    async def begin_turn(
        self,
        thread_id: str,
        turn_id: str,
        *,
        instance: str,
        owner: str | None = None,
        title: str | None = None,
        client_message_id: str | None = None,
    ) -> SessionRecord:
        def begin(record: SessionRecord | None) -> tuple[SessionRecord, SessionRecord]:
            record = self._used(thread_id, record)
            known = record.client_message_ids
            if client_message_id is not None:
                others = tuple(pair for pair in known if pair[0] != client_message_id)
                known = (*others, (client_message_id, turn_id))[-REMEMBERED:]
            began = replace(
                record,
                owner=owner if record.owner is None else record.owner,
                title=_clean(title) if record.title is None else record.title,
                turn_id=turn_id,
                running=True,
                instance=instance,
                client_message_ids=known,
            )
            return began, began

        return await self._move(thread_id, begin)

    async def end_turn(
        self,
        thread_id: str,
        turn_id: str,
        *,
        outcome: Outcome,
        error: ErrorInfo | None = None,
        asked: bool | None = False,
    ) -> bool:
        def end(record: SessionRecord | None) -> tuple[SessionRecord | None, bool]:
            if record is None or record.turn_id != turn_id or not record.running:
                return None, False
            ended = replace(self._used(thread_id, record), running=False, outcome=outcome, error=error)
            return (ended if asked is None else _asking(ended, turn_id if asked else None)), True

        return await self._move(thread_id, end)

    async def rewind(self, thread_id: str) -> None:
        def go_back(record: SessionRecord | None) -> tuple[SessionRecord | None, None]:
            if record is None:
                return None, None
            back = replace(self._used(thread_id, record), running=False, outcome=None, error=None)
            return _asking(back, None), None

        await self._move(thread_id, go_back)

    async def answer(self, thread_id: str, answers: Sequence[Answer]) -> tuple[str, ...]:
        ids = tuple(answer.interrupt_id for answer in answers)
        askings = {answer.asked for answer in answers}
        if not answers:
            return ()
        if len(askings) > 1 or len(set(ids)) < len(ids):
            raise UsageError(f"answers to {ids} of {sorted(askings)} came: expected one answer each, of one asking")

        def take(record: SessionRecord | None) -> tuple[SessionRecord | None, tuple[str, ...]]:
            (asked,) = askings
            refused = ids if _is_over(record, asked) else _answered(record, ids)
            if refused:
                return None, refused
            used = self._used(thread_id, record)
            taken = (replace(answer, value=_kept(answer.value), at_ms=used.updated_ms) for answer in answers)
            return replace(used, asked=asked, answers=(*used.answers, *taken)), ()

        return await self._move(thread_id, take)

    async def withdraw(self, thread_id: str, turn_id: str) -> None:
        def take_back(record: SessionRecord | None) -> tuple[SessionRecord | None, None]:
            if record is None:
                return None, None
            answers = tuple(answer for answer in record.answers if answer.turn_id != turn_id)
            messages = tuple(pair for pair in record.client_message_ids if pair[1] != turn_id)
            if (answers, messages) == (record.answers, record.client_message_ids):
                return None, None
            return replace(self._used(thread_id, record), answers=answers, client_message_ids=messages), None

        await self._move(thread_id, take_back)

    async def set_title(self, thread_id: str, title: str | None) -> bool:
        def name(record: SessionRecord | None) -> tuple[SessionRecord | None, bool]:
            return (None, False) if record is None else (replace(record, title=_clean(title)), True)

        return await self._move(thread_id, name)

    async def claim(self, thread_id: str, owner: str | None) -> bool:
        def take(record: SessionRecord | None) -> tuple[SessionRecord | None, bool]:
            if record is not None and record.owner is not None:
                return None, record.owner == owner
            return replace(record or self._used(thread_id, None), owner=owner), True

        return await self._move(thread_id, take)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _used(self, thread_id: str, record: SessionRecord | None) -> SessionRecord:
        """Return the record, or a new one, as used now."""
        now = self._clock()
        if record is None:
            return SessionRecord(thread_id=thread_id, created_ms=now, updated_ms=now)
        return replace(record, updated_ms=max(now, record.updated_ms))


def _asking(record: SessionRecord, asked: str | None) -> SessionRecord:
    """Return the record with another asking in the place of the one that was open, or with none."""
    over = () if record.asked is None else (record.asked,)
    decided = (replace(answer, value=UNSET) for answer in record.answers)
    return replace(
        record,
        asked=asked,
        answers=(),
        asked_before=(*record.asked_before, *over)[-REMEMBERED:],
        answered=(*record.answered, *decided)[-REMEMBERED:],
    )


def _is_over(record: SessionRecord | None, asked: str) -> bool:
    """Return whether answers to this asking come too late, or to questions that are not the open ones."""
    if record is None:
        return False
    return asked in record.asked_before or record.asked not in (None, asked)


def _answered(record: SessionRecord | None, ids: Sequence[str]) -> tuple[str, ...]:
    """Return those of the interrupts that have an answer."""
    answered = {answer.interrupt_id for answer in record.answers} if record else set[str]()
    return tuple(id for id in ids if id in answered)


def _kept(value: Any) -> Any:
    """Return a value as JSON gives it back, or `UNSET` when that is not the same."""
    try:
        back = msgspec.json.decode(msgspec.json.encode(value))
        return back if back == value else UNSET
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return UNSET


def _clean(title: str | None) -> str | None:
    # Half a character in a person's first message must not keep the turn from beginning.
    return None if title is None else cast("str", jsonable(title))


# ------------------------------------------------------------------ what every store over records needs


def checked(thread_id: str) -> str:
    """Return the thread id; raise `UsageError` when no thread can have it."""
    try:
        if thread_id.encode():
            return thread_id
    except UnicodeEncodeError:
        pass
    raise UsageError(f"{thread_id!a} came as a thread id: expected text, one character or more")


def written(record: SessionRecord) -> str:
    """Return the record as JSON that `read` can read; raise `UsageError` when a field holds what does not fit it."""
    try:
        text = msgspec.json.encode(record).decode()
        read(text)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a session record cannot keep what came: {error}") from None
    return text


read = msgspec.json.Decoder(SessionRecord).decode


def page(records: Sequence[SessionRecord], limit: int) -> Page:
    """Return a page of the first `limit` of the records, of which there is one more where another page follows."""
    shown = tuple(records[:limit])
    more = len(records) > limit
    return Page(records=shown, before=f"{shown[-1].updated_ms}:{shown[-1].thread_id}" if more else None)


def place(before: str | None) -> tuple[int, str]:
    """Return what all of a page lies below, as (`updated_ms`, `thread_id`).

    Raises `UsageError` when `before` comes from no page.
    """
    if before is None:
        return _NEWEST
    found = _CURSOR.fullmatch(before)
    if found is None:
        raise UsageError(f"{before!a:.80} came as the place in a list of sessions: expected the `before` of a page")
    return int(found[1]), checked(found[2])


def counted(limit: int) -> int:
    """Return the limit; raise `UsageError` when it is below 1."""
    if limit < 1:
        raise UsageError(f"a limit of {limit} came: expected 1 or more")
    return limit


# ------------------------------------------------------------------ in memory


class MemorySessionStore(RecordStore):
    """A session store in memory, for one process: with it everything is forgotten at a restart."""

    def __init__(self, *, clock: Callable[[], int] = now_ms) -> None:
        super().__init__(clock=clock)
        self._records: dict[str, SessionRecord] = {}

    async def _move(self, thread_id: str, move: Move[T]) -> T:
        changed, answer = move(self._find(thread_id))
        if changed is not None:
            self._records[thread_id] = _copy(changed)
        return answer

    async def get(self, thread_id: str) -> SessionRecord | None:
        return self._find(thread_id)

    async def list(self, *, owner: str | None = None, limit: int = 50, before: str | None = None) -> Page:
        end = place(before)
        records = (record for record in self._records.values() if owner is None or record.owner == owner)
        older = (record for record in records if _age(record) < end)
        return page([_copy(record) for record in nlargest(counted(limit) + 1, older, key=_age)], limit)

    async def delete(self, thread_id: str) -> bool:
        return self._records.pop(checked(thread_id), None) is not None

    async def stale(self, before_ms: int, limit: int = 100) -> tuple[str, ...]:
        old = (record for record in self._records.values() if record.updated_ms < before_ms)
        return tuple(record.thread_id for record in nsmallest(counted(limit), old, key=_age))

    async def close(self) -> None:
        """Nothing is held open, and nothing is forgotten."""

    def _find(self, thread_id: str) -> SessionRecord | None:
        record = self._records.get(checked(thread_id))
        return None if record is None else _copy(record)


def _age(record: SessionRecord) -> tuple[int, str]:
    return record.updated_ms, record.thread_id


def _copy(record: SessionRecord) -> SessionRecord:
    # By way of JSON, so that both stores keep the same things and refuse the same things.
    return read(written(record))
