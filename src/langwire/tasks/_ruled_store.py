"""Knows how a task store is made of the rules and of tables: all that is left to a store is to run a transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar, cast

from msgspec.structs import replace

from langwire.core.codec import decode, encode
from langwire.errors import UsageError
from langwire.events import Event, Interrupt, TokenUsage
from langwire.sessions.store import counted, now_ms
from langwire.tasks import _making, _steering, _working
from langwire.tasks._moves import known
from langwire.tasks._tables import Tables, kept
from langwire.tasks.states import TaskState
from langwire.tasks.task import ANY, NO_CAPS, Caps, Ending, EventPage, Spec, Task, TaskAnswer, TaskPage, TaskQuery

T = TypeVar("T")

_MOST = 2**53  # what every reader of JSON can tell from its neighbours, and every database can keep


class RuledStore(ABC):
    """The moves of a task store. `clock` gives Unix milliseconds.

    What comes in is checked and copied here, by the caller, before a transaction sees it.
    """

    def __init__(self, *, clock: Callable[[], int] = now_ms) -> None:
        self._clock = clock

    @abstractmethod
    async def _write(self, rule: Callable[[Tables], T]) -> T:
        """Let a rule work in one transaction, and return what it returns; what it raises undoes what it did."""

    @abstractmethod
    async def _read(self, rule: Callable[[Tables], T]) -> T:
        """Let a rule read."""

    @abstractmethod
    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -------------------------------------------------------------- made by a client

    async def create(self, specs: Sequence[Spec], *, limited: bool = False) -> tuple[Task, ...]:
        wanted = tuple(_spec(spec) for spec in specs)
        return await self._write(partial(_making.create, specs=wanted, limited=limited))

    async def request_cancel(self, task_id: str, reason: str = "") -> Task:
        return await self._write(partial(_steering.request_cancel, task_id=_text(task_id), reason=_text(reason)))

    async def resume(self, task_id: str, answers: Sequence[TaskAnswer]) -> bool:
        given = tuple(kept(answer, TaskAnswer) for answer in answers)
        return await self._write(partial(_steering.resume, task_id=_text(task_id), answers=given))

    async def retry(self, task_id: str) -> bool:
        return await self._write(partial(_steering.retry, task_id=_text(task_id)))

    async def followup(self, task_id: str, message_id: str, text: str) -> bool:
        said = partial(_steering.followup, task_id=_text(task_id), message_id=_id(message_id), text=_text(text))
        return await self._write(said)

    # -------------------------------------------------------------- made by a worker

    async def claim(
        self, worker: str, bodies: Sequence[str], *, limit: int = 1, lease: float, caps: Caps = NO_CAPS
    ) -> tuple[Task, ...]:
        asked = tuple(_text(body) for body in bodies)
        rule = partial(
            _working.claim, worker=_id(worker), bodies=asked, limit=limit, lease_ms=_milliseconds(lease), caps=caps
        )
        return await self._write(rule)

    async def heartbeat(self, worker: str, held: Mapping[str, int], *, lease: float) -> tuple[str, ...]:
        fences = {_text(id): _number(fence) for id, fence in held.items()}
        rule = partial(_working.heartbeat, worker=_text(worker), held=fences, lease_ms=_milliseconds(lease))
        return await self._write(rule)

    async def cancel_requests(self, worker: str) -> Mapping[str, str]:
        name = _text(worker)
        return await self._read(lambda tables: tables.asked_to_stop(name))

    async def append_events(
        self, task_id: str, fence: int, batch: int, events: Sequence[Event], *, usage: TokenUsage | None = None
    ) -> bool:
        rule = partial(
            _working.append_events,
            task_id=_text(task_id),
            fence=fence,
            batch=_number(batch),
            lines=[encode(event) for event in events],
            usage=_usage(usage),
        )
        return await self._write(rule)

    async def finish(self, task_id: str, fence: int, ending: Ending, events: Sequence[Event] = ()) -> Task:
        rule = partial(
            _working.finish,
            task_id=_text(task_id),
            fence=fence,
            ending=_ending(ending),
            lines=[encode(event) for event in events],
        )
        return await self._write(rule)

    async def reap(self, limit: int = 100) -> tuple[Task, ...]:
        return await self._write(partial(_working.reap, limit=_limit(limit)))

    # -------------------------------------------------------------- reading

    async def get(self, task_id: str) -> Task | None:
        id = _text(task_id)
        return await self._read(lambda tables: tables.get(id))

    async def list(self, query: TaskQuery = ANY, *, limit: int = 50, before: int | None = None) -> TaskPage:
        wanted, most = kept(query, TaskQuery), _limit(limit)
        below = None if before is None else _number(before)
        found = await self._read(lambda tables: tables.select(wanted, most + 1, below))
        shown = tuple(found[:most])
        return TaskPage(tasks=shown, before=shown[-1].number if len(found) > most else None)

    async def count(self, query: TaskQuery = ANY) -> dict[TaskState, int]:
        wanted = kept(query, TaskQuery)
        return await self._read(lambda tables: tables.count(wanted))

    async def events(self, task_id: str, after: int = 0, limit: int = 500) -> EventPage:
        id, first, most = _text(task_id), _number(after), _limit(limit)

        def page(tables: Tables) -> EventPage:
            task = known(tables, id)
            return EventPage(entries=tuple(tables.entries(id, first, most)), last=task.events, state=task.state)

        return await self._read(page)

    async def changes(self, after: int | None, limit: int = 500) -> tuple[int, tuple[Task, ...]]:
        first, most = None if after is None else _number(after), _limit(limit)

        def page(tables: Tables) -> tuple[int, tuple[Task, ...]]:
            tasks = tuple[Task, ...]() if first is None else tuple(tables.changed(first, most))
            return (tasks[-1].change if len(tasks) == most else tables.mark()), tasks

        return await self._read(page)

    # -------------------------------------------------------------- forgetting

    async def delete(self, task_id: str) -> bool:
        return await self._write(partial(_steering.delete, task_id=_text(task_id)))

    async def purge(self, older_than: float, limit: int = 1000) -> tuple[str, ...]:
        age, most = _milliseconds(older_than), _limit(limit)
        return await self._write(partial(_steering.purge, age_ms=age, limit=most))


# ------------------------------------------------------------------ what comes in


def _text(text: str) -> str:
    return kept(text, str)


def _id(text: str) -> str:
    if not text:
        raise UsageError("empty text came as an id: expected one character or more")
    return _text(text)


def _number(number: int) -> int:
    return max(-_MOST, min(number, _MOST))


def _limit(limit: int) -> int:
    return min(counted(limit), _MOST)


def _milliseconds(seconds: float) -> int:
    if not -_MOST <= seconds * 1000 <= _MOST:
        raise UsageError(f"{seconds!r} came as a time in seconds: expected a number of a size that a clock has")
    return round(seconds * 1000)


def _spec(spec: Spec) -> Spec:
    if max(abs(spec.priority), abs(spec.not_before_ms)) > _MOST:
        raise UsageError(f"a priority or a time came that is not between -2**53 and 2**53: {spec.id!a:.80}")
    _milliseconds(spec.limits.max_seconds or 0.0)
    return kept(spec, Spec)


def _usage(usage: TokenUsage | None) -> TokenUsage | None:
    if usage is not None and not 0 <= min(usage.input_tokens, usage.output_tokens) <= usage.total_tokens <= _MOST:
        raise UsageError(f"{usage!r:.200} came as what was spent: expected counts from 0 to 2**53")
    return usage


def _ending(ending: Ending) -> Ending:
    _usage(ending.usage)
    _milliseconds(ending.delay)
    # What a run asks may hold any value of Python: it is kept as it is told in events.
    asked = tuple(cast("Interrupt", decode(encode(interrupt))) for interrupt in ending.interrupts)
    return kept(replace(ending, interrupts=asked), Ending)
