"""Knows how tasks are kept in memory, for one process: with it everything is forgotten at a restart."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from heapq import nlargest
from itertools import islice
from threading import Lock
from typing import Any, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from langwire.core.codec import decode
from langwire.events import Entry
from langwire.sessions.store import now_ms
from langwire.tasks._ruled_store import RuledStore
from langwire.tasks._tables import PROMOTED, Place, Tables, Totals, body_of, read, standing, written
from langwire.tasks._waiting import Waiters
from langwire.tasks.states import TaskState
from langwire.tasks.task import Task, TaskQuery

T = TypeVar("T")


class MemoryTaskStore(RuledStore):
    """A task store in memory. Any threads and event loops of one process may use it at once.

    `clock` gives Unix milliseconds. `checkpointer` is LangGraph's, for agents that bring none: one in memory unless
    another is given.
    """

    def __init__(self, *, clock: Callable[[], int] = now_ms, checkpointer: Any = None) -> None:
        super().__init__(clock=clock)
        self._checkpointer = checkpointer
        self._tables = _MemoryTables()
        self._waiters = Waiters()
        self._lock = Lock()

    async def _write(self, rule: Callable[[Tables], T]) -> T:
        with self._lock, self._tables.transaction(self._clock()):
            answer = rule(self._tables)
        self._waiters.tell(self._tables.mark())
        return answer

    async def _read(self, rule: Callable[[Tables], T]) -> T:
        with self._lock, self._tables.transaction(self._clock()):
            return rule(self._tables)

    async def wait(self, mark: int, seconds: float) -> None:
        await self._waiters.wait(mark, seconds, lambda _: self._waiters.tell(self._tables.mark()))

    @asynccontextmanager
    async def checkpointer(self) -> AsyncGenerator[Any]:
        if self._checkpointer is None:
            from langgraph.checkpoint.memory import InMemorySaver

            self._checkpointer = InMemorySaver()
        yield self._checkpointer

    async def close(self) -> None:
        """Nothing is held open, and nothing is forgotten."""
        self._waiters.release()


# ------------------------------------------------------------------ the tables


class _Row(Struct, frozen=True, kw_only=True):
    """A task: as text, so that nobody else's changes reach it, and as what its places in the indexes are taken from."""

    text: bytes
    task: Task
    standing: Literal["ready", "later"] | None
    until_ms: int = 0


class _MemoryTables:
    """The tables as dicts. What a transaction has changed is put back, in reverse, when its rule raises."""

    def __init__(self) -> None:
        self.now = 0
        self._mark = 0
        self._rows: dict[str, _Row] = {}
        self._events: dict[str, list[tuple[int, bytes]]] = {}
        self._sets: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._orders: defaultdict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def transaction(self, now: int) -> Generator[None]:
        self.now = now
        mark = self._mark
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            self._mark = mark
            raise
        finally:
            self._undo = []

    def tick(self) -> int:
        self._mark += 1
        return self._mark

    def mark(self) -> int:
        return self._mark

    # -------------------------------------------------------------- one task

    def get(self, task_id: str) -> Task | None:
        row = self._rows.get(task_id)
        return None if row is None else read(row.text)

    def of_key(self, call_key: str) -> Task | None:
        for id in self._ids("key", call_key):
            return self.get(id)
        return None

    def insert(self, task: Task) -> None:
        self._put(task.id, self._row(task))

    def update(self, old: Task, new: Task) -> None:
        row = self._rows[old.id]
        self._put(old.id, replace(self._row(new), until_ms=row.until_ms))

    def touch(self, task: Task) -> None:
        row = self._rows[task.id]
        self._put(task.id, replace(row, text=written(task), task=task))

    def remove(self, task: Task) -> None:
        self._put(task.id, None)
        lines = self._events.pop(task.id)
        self._undo.append(lambda: self._events.update({task.id: lines}))

    def append(self, task: Task, lines: Sequence[bytes]) -> None:
        kept = self._events.setdefault(task.id, [])
        before = len(kept)
        self._undo.append(lambda: kept.__delitem__(slice(before, None)))
        kept.extend((task.updated_ms, line) for line in lines)

    # -------------------------------------------------------------- who is above, below and beside

    def totals(self, root_id: str) -> Totals:
        tasks = [self._rows[id].task for id in self._ids("root", root_id)]
        tokens = sum(task.usage.total_tokens for task in tasks if task.usage is not None)
        return Totals(active=sum(not task.ended for task in tasks), total=len(tasks), tokens=tokens)

    def children(self, parent_id: str) -> int:
        return len(self._ids("parent", parent_id))

    def below(self, task_id: str) -> Sequence[str]:
        return sorted(self._ids("ancestor", task_id))

    def waiters(self, task_id: str) -> Sequence[str]:
        return sorted(self._ids("waits for", task_id))

    # -------------------------------------------------------------- work

    def promote(self) -> None:
        later = self._orders["later",]
        for place in later[: min(PROMOTED, bisect_left(later, (self.now + 1,)))]:
            id = place[-1]
            self._put(id, replace(self._rows[id], standing="ready"))

    def ongoing(self, body: str) -> int:
        return len(self._ids("ongoing body", body))

    def best(self, body: str, per_root: int | None) -> Place | None:
        for priority, number, id in self._orders["first", body]:
            if per_root is None or len(self._ids("ongoing root", self._rows[id].task.spec.root_id)) < per_root:
                return priority, number, id
        return None

    def lend(self, worker: str, task_id: str, fence: int, until_ms: int) -> bool:
        row = self._rows.get(task_id)
        if row is None or (row.task.worker, row.task.fence) != (worker, fence):
            return False
        self._put(task_id, replace(row, until_ms=until_ms))
        return True

    def expired(self, limit: int) -> Sequence[str]:
        old = (id for id in self._ids("ongoing", "") if self._rows[id].until_ms <= self.now)
        return sorted(islice(old, limit))

    def asked_to_stop(self, worker: str) -> dict[str, str]:
        tasks = (self._rows[id].task for id in self._ids("ongoing", ""))
        return {task.id: task.cancel for task in tasks if task.worker == worker and task.cancel is not None}

    # -------------------------------------------------------------- reading

    def select(self, query: TaskQuery, limit: int, before: int | None) -> Sequence[Task]:
        older = (row for row in self._found(query) if before is None or row.task.number < before)
        return [read(row.text) for row in nlargest(limit, older, key=lambda row: row.task.number)]

    def count(self, query: TaskQuery) -> dict[TaskState, int]:
        return dict(Counter(row.task.state for row in self._found(query)))

    def entries(self, task_id: str, after: int, limit: int) -> Sequence[Entry]:
        first = max(after, 0)
        lines = self._events[task_id][first : first + limit]
        return [Entry(seq=seq, at_ms=at_ms, event=decode(line)) for seq, (at_ms, line) in enumerate(lines, first + 1)]

    def changed(self, after: int, limit: int) -> Sequence[Task]:
        order = self._orders["changed",]
        first = bisect_left(order, (after + 1,))
        return [read(self._rows[id].text) for _, id in order[first : first + limit]]

    def leaves(self, before_ms: int, limit: int) -> Sequence[str]:
        tasks = [row.task for row in self._rows.values()]
        alive = {task.spec.root_id for task in tasks if not task.ended}
        over = (task for task in tasks if task.ended_ms is not None and task.ended_ms < before_ms)
        old = (task.id for task in over if task.spec.root_id not in alive and not self._ids("ancestor", task.id))
        return sorted(islice(old, limit))

    def _found(self, query: TaskQuery) -> Iterator[_Row]:
        return (row for id in self._candidates(query) if query.matches((row := self._rows[id]).task))

    def _candidates(self, query: TaskQuery) -> Iterable[str]:
        if query.ids is not None:
            return [id for id in dict.fromkeys(query.ids) if id in self._rows]
        for index, value in (("ancestor", query.below), ("parent", query.parent_id), ("root", query.root_id)):
            if value is not None:
                return self._ids(index, value)
        return self._rows

    # -------------------------------------------------------------- rows and their places

    def _row(self, task: Task) -> _Row:
        return _Row(text=written(task), task=task, standing=standing(task, self.now))

    def _ids(self, index: str, value: str) -> dict[str, None]:
        return self._sets.get((index, value), {})

    def _put(self, id: str, row: _Row | None) -> None:
        """Set a row and its places, and remember how to set it back."""
        before = self._set(id, row)
        self._undo.append(lambda: self._set(id, before))

    def _set(self, id: str, row: _Row | None) -> _Row | None:
        before = self._rows.pop(id, None)
        if before is not None:
            for key in _keys(before):
                del self._sets[key][id]
                if not self._sets[key]:
                    del self._sets[key]
            for name, place in _places(before):
                self._take_out(name, place)
        if row is not None:
            self._rows[id] = row
            for key in _keys(row):
                self._sets[key][id] = None
            for name, place in _places(row):
                self._put_in(name, place)
        return before

    def _put_in(self, name: tuple[str, ...], place: tuple[Any, ...]) -> None:
        order = self._orders[name]
        insort(order, place)
        if name[0] == "ready" and order[0] == place:
            if len(order) > 1:
                self._take_out(("first", name[1]), order[1])
            self._put_in(("first", name[1]), place)

    def _take_out(self, name: tuple[str, ...], place: tuple[Any, ...]) -> None:
        order = self._orders[name]
        at = bisect_left(order, place)
        del order[at]
        if name[0] == "ready" and at == 0:
            self._take_out(("first", name[1]), place)
            if order:
                self._put_in(("first", name[1]), order[0])
        if not order:
            del self._orders[name]


def _keys(row: _Row) -> Iterator[tuple[str, str]]:
    """Return the sets of ids that a task is in."""
    spec = row.task.spec
    yield "root", spec.root_id
    if spec.parent_id is not None:
        yield "parent", spec.parent_id
    if spec.call_key is not None:
        yield "key", spec.call_key
    for id in dict.fromkeys(spec.ancestors):
        yield "ancestor", id
    for id in row.task.waits_for:
        yield "waits for", id
    if row.task.worker is not None:
        yield "ongoing", ""
        yield "ongoing body", body_of(row.task)
        yield "ongoing root", spec.root_id


def _places(row: _Row) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Return the orders that a task stands in, and where.

    Those that may start stand in lines, `ready` for each body and root; in `first` is the first of each line.
    """
    task = row.task
    yield ("changed",), (task.change, task.id)
    place = (-task.spec.priority, task.number, task.id)
    if row.standing == "ready":
        yield ("ready", body_of(task), task.spec.root_id), place
    elif row.standing == "later":
        yield ("later",), (task.not_before_ms, *place)
