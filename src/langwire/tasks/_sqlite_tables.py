"""Knows the tables of tasks in a SQLite file, and how the rules read and write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from msgspec.structs import replace

from langwire.core.codec import decode
from langwire.events import Entry, TokenUsage
from langwire.tasks._tables import PROMOTED, Place, Totals, body_of, read, standing, written
from langwire.tasks.states import TaskState
from langwire.tasks.task import Task, TaskQuery

VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        # `body` is the whole task as JSON. What is looked for is taken out of it; `events` to `output_tokens` are
        # newer here than in `body`, so that adding events does not write it again. `standing` is `ready` for a task
        # that may start, `later` for one that waits for its time alone. `until_ms` is when a lease ends.
        """
        CREATE TABLE langwire_tasks (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, call_key TEXT UNIQUE,
            runs TEXT NOT NULL, name TEXT NOT NULL, root_id TEXT NOT NULL, parent_id TEXT, principal TEXT,
            priority INTEGER NOT NULL, state TEXT NOT NULL, standing TEXT, not_before_ms INTEGER NOT NULL,
            fence INTEGER NOT NULL, worker TEXT, until_ms INTEGER NOT NULL DEFAULT 0, cancel TEXT, ended_ms INTEGER,
            events INTEGER NOT NULL, batch INTEGER NOT NULL, change INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
            input_tokens INTEGER, output_tokens INTEGER,
            body BLOB NOT NULL
        )
        """,
        "CREATE INDEX langwire_tasks_by_state ON langwire_tasks (state, number)",
        "CREATE INDEX langwire_tasks_by_root ON langwire_tasks (root_id, number)",
        "CREATE INDEX langwire_tasks_by_parent ON langwire_tasks (parent_id, number) WHERE parent_id IS NOT NULL",
        "CREATE INDEX langwire_tasks_by_change ON langwire_tasks (change)",
        "CREATE INDEX langwire_tasks_ongoing ON langwire_tasks (runs, worker) WHERE worker IS NOT NULL",
        "CREATE INDEX langwire_tasks_ongoing_by_root ON langwire_tasks (root_id, worker) WHERE worker IS NOT NULL",
        "CREATE INDEX langwire_tasks_ended ON langwire_tasks (ended_ms) WHERE ended_ms IS NOT NULL",
        "CREATE INDEX langwire_tasks_later ON langwire_tasks (not_before_ms, priority DESC, number)"
        " WHERE standing = 'later'",
        "CREATE INDEX langwire_tasks_ready ON langwire_tasks (root_id, runs, priority DESC, number)"
        " WHERE standing = 'ready'",
        # Those that may start stand in lines, one for each root and each name that runs them, and here is the first
        # task of each line. So a claim steps over a line whose root has no room in one step, however long it is.
        """
        CREATE TABLE langwire_task_lines (
            root_id TEXT NOT NULL, runs TEXT NOT NULL,
            priority INTEGER NOT NULL, number INTEGER NOT NULL,
            PRIMARY KEY (root_id, runs)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX langwire_task_lines_first ON langwire_task_lines (runs, priority DESC, number)",
        "CREATE TABLE langwire_task_ancestors (ancestor_id TEXT NOT NULL, number INTEGER NOT NULL,"
        " PRIMARY KEY (ancestor_id, number)) WITHOUT ROWID",
        "CREATE TABLE langwire_task_waits (other_id TEXT NOT NULL, id TEXT NOT NULL,"
        " PRIMARY KEY (other_id, id)) WITHOUT ROWID",
        "CREATE TABLE langwire_task_events (task_id TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
        " event BLOB NOT NULL, PRIMARY KEY (task_id, seq)) WITHOUT ROWID",
        "CREATE TABLE langwire_task_mark (mark INTEGER NOT NULL)",
        "INSERT INTO langwire_task_mark VALUES (0)",
    ),
)
"""What leads from each version of the tables to the next."""

MARK = "SELECT mark FROM langwire_task_mark"

_TASK = "body, events, batch, change, updated_ms, input_tokens, output_tokens"
_GET = f"SELECT {_TASK} FROM langwire_tasks WHERE id = ?"  # noqa: S608
_OF_KEY = f"SELECT {_TASK} FROM langwire_tasks WHERE call_key = ?"  # noqa: S608
_CHANGED = f"SELECT {_TASK} FROM langwire_tasks WHERE change > ? ORDER BY change LIMIT ?"  # noqa: S608
_SELECT = f"SELECT {_TASK} FROM langwire_tasks t WHERE "  # noqa: S608
_INSERT = (
    "INSERT INTO langwire_tasks (number, id, call_key, runs, name, root_id, parent_id, principal, priority,"
    " state, standing, not_before_ms, fence, worker, cancel, ended_ms,"
    " events, batch, change, updated_ms, input_tokens, output_tokens, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE langwire_tasks SET state = ?, standing = ?, not_before_ms = ?, fence = ?, worker = ?, cancel = ?,"
    " ended_ms = ?, events = ?, batch = ?, change = ?, updated_ms = ?, input_tokens = ?, output_tokens = ?, body = ?"
    " WHERE number = ?"
)
_TOUCH = (
    "UPDATE langwire_tasks SET events = ?, batch = ?, change = ?, updated_ms = ?, input_tokens = ?, output_tokens = ?"
    " WHERE number = ?"
)
_REMOVE = "DELETE FROM langwire_tasks WHERE number = ?"
_REMOVE_EVENTS = "DELETE FROM langwire_task_events WHERE task_id = ?"
_APPEND = "INSERT INTO langwire_task_events VALUES (?, ?, ?, ?)"
_ABOVE = "INSERT INTO langwire_task_ancestors VALUES (?, ?)"
_NOT_ABOVE = "DELETE FROM langwire_task_ancestors WHERE ancestor_id = ? AND number = ?"
_WAIT = "INSERT INTO langwire_task_waits VALUES (?, ?)"
_WAIT_NO_MORE = "DELETE FROM langwire_task_waits WHERE other_id = ? AND id = ?"
_TOTALS = (
    "SELECT coalesce(sum(ended_ms IS NULL), 0), count(*),"
    " coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0) FROM langwire_tasks WHERE root_id = ?"
)
_CHILDREN = "SELECT count(*) FROM langwire_tasks WHERE parent_id = ?"
_BELOW = (
    "SELECT id FROM langwire_tasks WHERE number IN (SELECT number FROM langwire_task_ancestors WHERE ancestor_id = ?)"
)
_WAITERS = "SELECT id FROM langwire_task_waits WHERE other_id = ?"
_DUE = (
    "SELECT number, root_id, runs FROM langwire_tasks WHERE standing = 'later' AND not_before_ms <= ?"
    " ORDER BY not_before_ms, priority DESC, number LIMIT ?"
)
_MAKE_READY = "UPDATE langwire_tasks SET standing = 'ready' WHERE number = ?"
_ONGOING = "SELECT count(*) FROM langwire_tasks WHERE runs = ? AND worker IS NOT NULL"
_FIRST_OF_LINES = (
    "SELECT -l.priority, l.number, t.id FROM langwire_task_lines l JOIN langwire_tasks t ON t.number = l.number"
    " WHERE l.runs = ? ORDER BY l.priority DESC, l.number LIMIT 1"
)
_FIRST_WITH_ROOM = (
    "SELECT -l.priority, l.number, t.id FROM langwire_task_lines l JOIN langwire_tasks t ON t.number = l.number"
    " WHERE l.runs = ? AND l.root_id NOT IN"
    " (SELECT root_id FROM langwire_tasks WHERE worker IS NOT NULL GROUP BY root_id HAVING count(*) >= ?)"
    " ORDER BY l.priority DESC, l.number LIMIT 1"
)
_FIRST_OF_LINE = (
    "SELECT priority, number FROM langwire_tasks WHERE root_id = ? AND runs = ? AND standing = 'ready'"
    " ORDER BY priority DESC, number LIMIT 1"
)
_SET_LINE = "INSERT OR REPLACE INTO langwire_task_lines VALUES (?, ?, ?, ?)"
_DROP_LINE = "DELETE FROM langwire_task_lines WHERE root_id = ? AND runs = ?"
_LEND = "UPDATE langwire_tasks SET until_ms = ? WHERE id = ? AND worker = ? AND fence = ?"
_EXPIRED = "SELECT id FROM langwire_tasks WHERE worker IS NOT NULL AND until_ms <= ? ORDER BY until_ms LIMIT ?"
_ASKED_TO_STOP = "SELECT id, cancel FROM langwire_tasks WHERE worker = ? AND cancel IS NOT NULL"
_ENTRIES = "SELECT seq, at_ms, event FROM langwire_task_events WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?"
_LEAVES = (
    "SELECT id FROM langwire_tasks t WHERE ended_ms < ? AND root_id NOT IN"
    " (SELECT root_id FROM langwire_tasks WHERE state IN ('queued', 'ongoing', 'review_needed')) AND NOT EXISTS"
    " (SELECT 1 FROM langwire_task_ancestors a WHERE a.ancestor_id = t.id) ORDER BY ended_ms LIMIT ?"
)

_NARROWED: dict[str, str] = {
    "states": "state IN ({})",
    "ids": "id IN ({})",
    "names": "name IN ({})",
    "parent_id": "parent_id = {}",
    "root_id": "root_id = {}",
    "below": "number IN (SELECT number FROM langwire_task_ancestors WHERE ancestor_id = {})",
    "principal": "principal = {}",
}
"""What each field of a query asks for."""


class SQLiteTables:
    """The tables of one connection, within the transaction that is open on it."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], int]) -> None:
        self._db = db
        self._clock = clock
        self._mark = self._kept_mark = 0
        self.now = 0

    def begin(self) -> None:
        """Take the time and the mark; a transaction has begun."""
        self.now = self._clock()
        self._mark = self._kept_mark = self._value(MARK)

    def keep_mark(self) -> int:
        """Write the mark, if it has risen, before the transaction is committed; return it."""
        if self._mark != self._kept_mark:
            self._db.execute("UPDATE langwire_task_mark SET mark = ?", (self._mark,))
        return self._mark

    def set_back(self, mark: int) -> None:
        """Take back what has been ticked off since a mark; a part of the transaction is undone."""
        self._mark = mark

    def tick(self) -> int:
        self._mark += 1
        return self._mark

    def mark(self) -> int:
        return self._mark

    # -------------------------------------------------------------- one task

    def get(self, task_id: str) -> Task | None:
        row = self._db.execute(_GET, (task_id,)).fetchone()
        return None if row is None else _task(row)

    def of_key(self, call_key: str) -> Task | None:
        row = self._db.execute(_OF_KEY, (call_key,)).fetchone()
        return None if row is None else _task(row)

    def insert(self, task: Task) -> None:
        spec = task.spec
        same = (task.number, spec.id, spec.call_key, body_of(task), spec.name, spec.root_id, spec.parent_id)
        self._db.execute(_INSERT, (*same, spec.principal, spec.priority, *self._changing(task), written(task)))
        self._db.executemany(_ABOVE, [(id, task.number) for id in dict.fromkeys(spec.ancestors)])
        self._db.executemany(_WAIT, [(id, spec.id) for id in task.waits_for])
        self._set_line(spec.root_id, body_of(task))

    def update(self, old: Task, new: Task) -> None:
        self._db.execute(_UPDATE, (*self._changing(new), written(new), new.number))
        if old.waits_for != new.waits_for:
            self._db.executemany(_WAIT_NO_MORE, [(id, new.id) for id in old.waits_for])
            self._db.executemany(_WAIT, [(id, new.id) for id in new.waits_for])
        if "queued" in (old.state, new.state):
            self._set_line(new.spec.root_id, body_of(new))

    def touch(self, task: Task) -> None:
        self._db.execute(_TOUCH, (*_counts(task), task.number))

    def remove(self, task: Task) -> None:
        self._db.execute(_REMOVE_EVENTS, (task.id,))
        self._db.executemany(_NOT_ABOVE, [(id, task.number) for id in task.spec.ancestors])
        self._db.execute(_REMOVE, (task.number,))

    def append(self, task: Task, lines: Sequence[bytes]) -> None:
        rows = [(task.id, seq, task.updated_ms, line) for seq, line in enumerate(lines, task.events + 1)]
        self._db.executemany(_APPEND, rows)

    # -------------------------------------------------------------- who is above, below and beside

    def totals(self, root_id: str) -> Totals:
        return Totals(*self._db.execute(_TOTALS, (root_id,)).fetchone())

    def children(self, parent_id: str) -> int:
        return self._value(_CHILDREN, parent_id)

    def below(self, task_id: str) -> Sequence[str]:
        return self._ids(_BELOW, task_id)

    def waiters(self, task_id: str) -> Sequence[str]:
        return self._ids(_WAITERS, task_id)

    # -------------------------------------------------------------- work

    def promote(self) -> None:
        due = self._db.execute(_DUE, (self.now, PROMOTED)).fetchall()
        self._db.executemany(_MAKE_READY, [(number,) for number, _, _ in due])
        for root_id, runs in {(root_id, runs) for _, root_id, runs in due}:
            self._set_line(root_id, runs)

    def ongoing(self, body: str) -> int:
        return self._value(_ONGOING, body)

    def best(self, body: str, per_root: int | None) -> Place | None:
        asked = (_FIRST_OF_LINES, (body,)) if per_root is None else (_FIRST_WITH_ROOM, (body, per_root))
        return self._db.execute(*asked).fetchone()

    def lend(self, worker: str, task_id: str, fence: int, until_ms: int) -> bool:
        return self._db.execute(_LEND, (until_ms, task_id, worker, fence)).rowcount > 0

    def expired(self, limit: int) -> Sequence[str]:
        return self._ids(_EXPIRED, self.now, limit)

    def asked_to_stop(self, worker: str) -> Mapping[str, str]:
        return dict(self._db.execute(_ASKED_TO_STOP, (worker,)).fetchall())

    # -------------------------------------------------------------- reading

    def select(self, query: TaskQuery, limit: int, before: int | None) -> Sequence[Task]:
        where, values = _where(query)
        older, at = ("", ()) if before is None else (" AND number < ?", (before,))
        statement = f"{_SELECT}{where}{older} ORDER BY number DESC LIMIT ?"
        return [_task(row) for row in self._db.execute(statement, (*values, *at, limit))]

    def count(self, query: TaskQuery) -> dict[TaskState, int]:
        where, values = _where(query)
        statement = f"SELECT state, count(*) FROM langwire_tasks t WHERE {where} GROUP BY state"  # noqa: S608
        return dict(self._db.execute(statement, values).fetchall())

    def entries(self, task_id: str, after: int, limit: int) -> Sequence[Entry]:
        rows = self._db.execute(_ENTRIES, (task_id, after, limit))
        return [Entry(seq=seq, at_ms=at_ms, event=decode(line)) for seq, at_ms, line in rows]

    def changed(self, after: int, limit: int) -> Sequence[Task]:
        return [_task(row) for row in self._db.execute(_CHANGED, (after, limit))]

    def leaves(self, before_ms: int, limit: int) -> Sequence[str]:
        return self._ids(_LEAVES, before_ms, limit)

    # -------------------------------------------------------------- rows

    def _changing(self, task: Task) -> tuple[Any, ...]:
        stands = standing(task, self.now)
        moving = (task.state, stands, task.not_before_ms, task.fence, task.worker, task.cancel, task.ended_ms)
        return (*moving, *_counts(task))

    def _set_line(self, root_id: str, runs: str) -> None:
        """Write down which task is the first of a line, when it may be another one than before."""
        first = self._db.execute(_FIRST_OF_LINE, (root_id, runs)).fetchone()
        if first is None:
            self._db.execute(_DROP_LINE, (root_id, runs))
        else:
            self._db.execute(_SET_LINE, (root_id, runs, *first))

    def _ids(self, statement: str, *values: Any) -> Sequence[str]:
        return sorted([id for (id,) in self._db.execute(statement, values)])

    def _value(self, statement: str, *values: Any) -> Any:
        return self._db.execute(statement, values).fetchone()[0]


def _task(row: tuple[Any, ...]) -> Task:
    body, events, batch, change, updated_ms, input_tokens, output_tokens = row
    usage = None if input_tokens is None else TokenUsage(input_tokens=input_tokens, output_tokens=output_tokens)
    return replace(read(body), events=events, batch=batch, change=change, updated_ms=updated_ms, usage=usage)


def _counts(task: Task) -> tuple[int | None, ...]:
    usage = task.usage
    spent = (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)
    return (task.events, task.batch, task.change, task.updated_ms, *spent)


def _where(query: TaskQuery) -> tuple[str, list[str]]:
    """Return what a query asks for as the condition of a statement, and its values."""
    conditions, values = ["TRUE"], list[str]()
    for name, condition in _NARROWED.items():
        asked = getattr(query, name)
        if asked is None or (asked == () and name != "ids"):
            continue
        several = cast("tuple[str, ...]", asked if isinstance(asked, tuple) else (asked,))
        conditions.append(condition.format(", ".join("?" * len(several))))
        values += several
    return " AND ".join(conditions), values
