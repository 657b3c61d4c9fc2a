"""Knows how tasks are kept in a SQLite file that several processes may use at once.

Calls that wait are made together: one transaction from `BEGIN IMMEDIATE` to `COMMIT`, each call a savepoint of it, and
nobody is answered before the commit. So many small moves share one write to the disk, and a cancel cannot stop a call
half way. Reading has a connection and a thread of its own: it never waits for those who write.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event
from typing import Any, Generic, TypeVar

import msgspec

from langwire.errors import MissingExtra, StreamError
from langwire.sessions._sqlite_file import PATIENCE, SQLiteFile
from langwire.sessions.store import now_ms
from langwire.tasks._ruled_store import RuledStore
from langwire.tasks._sqlite_tables import MARK, VERSIONS, SQLiteTables
from langwire.tasks._tables import Tables
from langwire.tasks._waiting import Waiters

T = TypeVar("T")

_PATIENCE = PATIENCE
_TOGETHER = 256
"""How many calls one transaction makes at most."""

_LOOK = 0.025
"""How often those who wait look for news of other processes, in seconds."""


class SQLiteTaskStore(RuledStore):
    """A task store in a SQLite file, made where there is none; several processes may use it at once.

    The file may be one that a `SQLiteSessionStore` and LangGraph's `AsyncSqliteSaver` use too. It is opened by the
    first call. `clock` gives Unix milliseconds, and is asked in the store's threads. Raises `UsageError` for a path
    that names no file; every call raises `StoreError` when SQLite cannot do it, because the file is none of SQLite's or
    of a newer langwire, the disk is full, or others held it for 30 seconds.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], int] = now_ms) -> None:
        super().__init__(clock=clock)
        self._file = SQLiteFile(path, component="tasks", kind="task", instead="MemoryTaskStore", versions=VERSIONS)
        self._lookout = _Lookout(self._file)
        self._writer = _Desk(self._file, "BEGIN IMMEDIATE", clock, self._lookout.poke)
        self._reader = _Desk(self._file, "BEGIN", clock, lambda: None)

    async def _write(self, rule: Callable[[Tables], T]) -> T:
        return await self._writer.do(rule)

    async def _read(self, rule: Callable[[Tables], T]) -> T:
        return await self._reader.do(rule)

    async def wait(self, mark: int, seconds: float) -> None:
        await self._lookout.wait(mark, seconds)

    @asynccontextmanager
    async def checkpointer(self) -> AsyncGenerator[Any]:
        try:
            import aiosqlite
            from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
        except ImportError as error:
            raise MissingExtra('checkpoints in a file need an extra: pip install "langwire[sqlite]"') from error
        await self.changes(None)  # says what is wrong with the file before LangGraph does
        async with aiosqlite.connect(self._file.path, timeout=_PATIENCE) as db:
            saver = AsyncSqliteSaver(db)
            try:
                # Its writes wait for no disk: they stand before the tasks' own in the same journal, and are on the disk
                # with the next of these. A power cut may take a run back to a checkpoint, but no move of a task.
                await db.execute("PRAGMA synchronous = NORMAL")
                await saver.setup()  # here, so that no run of a worker finds itself making tables
            except sqlite3.Error as error:
                raise self._file.trouble(error) from error
            yield saver

    async def close(self) -> None:
        # Shielded: a close that is cancelled closes all the same.
        await asyncio.shield(asyncio.create_task(self._close()))

    async def _close(self) -> None:
        # One by one: of two connections that close at the same moment neither is the last, which tidies up the file.
        for part in (self._lookout, self._reader, self._writer):
            await asyncio.wrap_future(part.close())


# ------------------------------------------------------------------ transactions


class _Call(Generic[T]):
    """A call that waits to be made, and how it went once it has been."""

    def __init__(self, rule: Callable[[Tables], T]) -> None:
        self.rule = rule
        self.answer: Future[T] = Future()
        self._result: T | None = None
        self._error: BaseException | None = None

    def make(self, db: sqlite3.Connection, tables: SQLiteTables) -> None:
        """Make it as a part of a transaction that is undone by itself when the rule raises."""
        mark = tables.mark()
        db.execute("SAVEPOINT one_call")
        try:
            self._result = self.rule(tables)
        except BaseException as error:
            if not db.in_transaction:  # SQLite has undone all of it: the disk is full, or fails
                raise
            db.execute("ROLLBACK TO one_call")
            tables.set_back(mark)
            self._error = error
        db.execute("RELEASE one_call")

    def settle(self, trouble: Callable[[BaseException], BaseException]) -> None:
        """Answer the caller."""
        if self._error is None:
            self.answer.set_result(self._result)  # pyright: ignore[reportArgumentType]
        else:
            self.answer.set_exception(trouble(self._error))


class _Desk:
    """One connection in a thread of its own, which makes all calls that wait in one transaction."""

    def __init__(self, file: SQLiteFile, begin: str, clock: Callable[[], int], committed: Callable[[], object]) -> None:
        self._file = file
        self._begin = begin
        self._clock = clock
        self._committed = committed
        self._calls: deque[_Call[Any]] = deque()
        self._open: tuple[sqlite3.Connection, SQLiteTables] | None = None
        self._thread = ThreadPoolExecutor(1, "langwire-tasks")

    async def do(self, rule: Callable[[Tables], T]) -> T:
        call = _Call(rule)
        self._calls.append(call)
        self._thread.submit(self._work)
        return await asyncio.wrap_future(call.answer)

    def close(self) -> Future[None]:
        return self._thread.submit(self._drop)

    def _work(self) -> None:
        calls: list[_Call[Any]] = []
        while self._calls and len(calls) < _TOGETHER:
            call = self._calls.popleft()
            if call.answer.set_running_or_notify_cancel():
                calls.append(call)
        if not calls:
            return  # those before this one have been made together with it
        try:
            self._make(calls)
        except BaseException as error:
            # A connection takes with it what it has not committed, whatever its state; the next call has a new one.
            self._drop()
            for call in calls:
                call.answer.set_exception(self._trouble(error))
            return
        for call in calls:
            call.settle(self._trouble)

    def _make(self, calls: Sequence[_Call[Any]]) -> None:
        if self._open is None:
            db = self._file.open(_PATIENCE)
            self._open = db, SQLiteTables(db, self._clock)
        db, tables = self._open
        db.execute(self._begin)
        tables.begin()
        for call in calls:
            call.make(db, tables)
        tables.keep_mark()
        db.execute("COMMIT")
        self._committed()

    def _trouble(self, error: BaseException) -> BaseException:
        if isinstance(error, sqlite3.Error | msgspec.MsgspecError | StreamError):
            trouble = self._file.trouble(error)
            trouble.__cause__ = error
            return trouble
        return error

    def _drop(self) -> None:
        if self._open is not None:
            db, _ = self._open
            self._open = None
            db.close()


# ------------------------------------------------------------------ news


class _Lookout:
    """One connection in a thread of its own, which looks for news while somebody waits for some."""

    def __init__(self, file: SQLiteFile) -> None:
        self._file = file
        self._waiters = Waiters()
        self._poked = Event()
        self._db: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None  # the version of the file's data, and the mark in it
        self._thread = ThreadPoolExecutor(1, "langwire-tasks-news")

    async def wait(self, mark: int, seconds: float) -> None:
        await self._waiters.wait(mark, seconds, self._look_for)

    def poke(self) -> None:
        """Look at once: something has been written."""
        self._poked.set()

    def close(self) -> Future[None]:
        self._waiters.release()
        self._poked.set()
        return self._thread.submit(self._drop)

    def _look_for(self, news: Future[None]) -> None:
        self._thread.submit(self._watch, news)
        self._poked.set()

    def _watch(self, news: Future[None]) -> None:
        """Look for news until one of those who wait does so no more; the next one's turn comes then."""
        while self._waiters.waits(news):
            try:
                self._waiters.tell(self._mark())
            except Exception as error:
                self._drop()
                self._waiters.fail(self._file.trouble(error))
            self._poked.wait(_LOOK)
            self._poked.clear()

    def _mark(self) -> int:
        if self._db is None:
            self._db = self._file.open(_PATIENCE)
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if self._seen is None or self._seen[0] != version:
            self._seen = version, self._db.execute(MARK).fetchone()[0]
        return self._seen[1]

    def _drop(self) -> None:
        db, self._db, self._seen = self._db, None, None
        if db is not None:
            db.close()
