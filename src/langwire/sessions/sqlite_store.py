"""Knows how session records are kept in a SQLite file that several processes may use at once.

Each move is one function that runs from `BEGIN IMMEDIATE` to `COMMIT` in the store's own thread. So a cancel cannot
stop it half way, calls are made in their order, and a graph that blocks the loop's threads does not hold it up.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from langwire.sessions._sqlite_file import PATIENCE, SQLiteFile, transaction
from langwire.sessions.store import (
    Move,
    Page,
    RecordStore,
    SessionRecord,
    checked,
    counted,
    now_ms,
    page,
    place,
    read,
    written,
)

T = TypeVar("T")

_PATIENCE = PATIENCE

_TABLES = (
    # `body` is the whole record as JSON; the other columns are what is looked for, taken out of it.
    "CREATE TABLE langwire_sessions"
    " (thread_id TEXT PRIMARY KEY, owner TEXT, updated_ms INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX langwire_sessions_by_age ON langwire_sessions (updated_ms, thread_id)",
    "CREATE INDEX langwire_sessions_by_owner ON langwire_sessions (owner, updated_ms, thread_id)",
)
_READ = "SELECT body FROM langwire_sessions WHERE thread_id = ?"
_WRITE = (
    "INSERT INTO langwire_sessions (thread_id, owner, updated_ms, body) VALUES (?, ?, ?, ?) ON CONFLICT (thread_id)"
    " DO UPDATE SET owner = excluded.owner, updated_ms = excluded.updated_ms, body = excluded.body"
)
_DELETE = "DELETE FROM langwire_sessions WHERE thread_id = ?"
_LIST = (
    "SELECT body FROM langwire_sessions WHERE (updated_ms, thread_id) < (?, ?)"
    " ORDER BY updated_ms DESC, thread_id DESC LIMIT ?"
)
_LIST_OWNED = (
    "SELECT body FROM langwire_sessions WHERE (updated_ms, thread_id) < (?, ?) AND owner = ?"
    " ORDER BY updated_ms DESC, thread_id DESC LIMIT ?"
)
_STALE = "SELECT thread_id FROM langwire_sessions WHERE updated_ms < ? ORDER BY updated_ms, thread_id LIMIT ?"


class SQLiteSessionStore(RecordStore):
    """A session store in a SQLite file, made where there is none; several processes may use it at once.

    The file is opened by the first call. `clock` gives Unix milliseconds, and is asked in the store's thread. Raises
    `UsageError` for a path that names no file; every call raises `StoreError` when SQLite cannot do it, because the
    file is none of SQLite's, the disk is full, or others held it for 30 seconds.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], int] = now_ms) -> None:
        super().__init__(clock=clock)
        self._file = SQLiteFile(
            path, component="sessions", kind="session", instead="MemorySessionStore", versions=(_TABLES,)
        )
        self._db: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "langwire-sessions")

    async def _move(self, thread_id: str, move: Move[T]) -> T:
        key = (checked(thread_id),)

        def work(db: sqlite3.Connection) -> T:
            with transaction(db):
                row = db.execute(_READ, key).fetchone()
                changed, answer = move(row and read(row[0]))
                if changed is not None:
                    db.execute(_WRITE, (thread_id, changed.owner, changed.updated_ms, written(changed)))
            return answer

        return await self._in_thread(work)

    async def get(self, thread_id: str) -> SessionRecord | None:
        found = await self._records(_READ, checked(thread_id))
        return found[0] if found else None

    async def list(self, *, owner: str | None = None, limit: int = 50, before: str | None = None) -> Page:
        owned = () if owner is None else (owner,)
        values = (*place(before), *owned, counted(limit) + 1)
        return page(await self._records(_LIST_OWNED if owned else _LIST, *values), limit)

    async def delete(self, thread_id: str) -> bool:
        key = (checked(thread_id),)
        return await self._in_thread(lambda db: db.execute(_DELETE, key).rowcount > 0)

    async def stale(self, before_ms: int, limit: int = 100) -> tuple[str, ...]:
        values = (before_ms, counted(limit))
        return await self._in_thread(lambda db: tuple(thread_id for (thread_id,) in db.execute(_STALE, values)))

    async def close(self) -> None:
        # Shielded: a close that is cancelled closes all the same.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._drop))

    async def _records(self, query: str, *values: Any) -> Sequence[SessionRecord]:
        return await self._in_thread(lambda db: [read(body) for (body,) in db.execute(query, values)])

    async def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._db is None:
                self._db = self._file.open(_PATIENCE)
            return work(self._db)
        except BaseException as error:
            # A connection takes with it what it has not committed, whatever its state; the next call has a new one.
            self._drop()
            if isinstance(error, sqlite3.Error | msgspec.MsgspecError):
                raise self._file.trouble(error) from error
            raise

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()
