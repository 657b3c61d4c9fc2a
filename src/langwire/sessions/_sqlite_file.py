"""Knows how langwire opens a SQLite file that several of its parts, and several processes, use at once.

Each part has tables of its own in the file and their version in `langwire_schema`. A version is a list of statements
that leads to it from the version before; opening a file makes those that it has not seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from langwire.errors import StoreError, UsageError

PATIENCE = 30.0
"""How many seconds a transaction waits for those of others."""

_VERSIONS = "CREATE TABLE IF NOT EXISTS langwire_schema (component TEXT PRIMARY KEY, version INTEGER NOT NULL)"
_VERSION = "SELECT version FROM langwire_schema WHERE component = ?"
_SET_VERSION = "INSERT OR REPLACE INTO langwire_schema VALUES (?, ?)"


class SQLiteFile:
    """The tables of one part of langwire in a SQLite file: `component` names the part, `kind` its store in a message.

    `versions` holds the statements that lead from each version to the next, from nothing to the one that this langwire
    knows. Raises `UsageError` for a path that names no file; `instead` says what needs none.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        component: str,
        kind: str,
        instead: str,
        versions: Sequence[Sequence[str]],
    ) -> None:
        self.path = os.fspath(path)
        if self.path in ("", ":memory:"):
            raise UsageError(
                f"{self.path!r} came as the path of a {kind} store: expected a file ({instead} needs none)"
            )
        self._component = component
        self._kind = kind
        self._versions = versions

    def open(self, patience: float) -> sqlite3.Connection:
        """Return a new connection, for the thread that calls; the file and the tables are made where there are none."""
        db = sqlite3.connect(self.path, timeout=patience, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def trouble(self, error: Exception) -> StoreError:
        """Return what to tell a caller whose call SQLite could not make."""
        return StoreError(f"cannot use {self.path!r} as a {self._kind} store: {self._reason(error)}")

    def _prepare(self, db: sqlite3.Connection) -> None:
        # What was taken must not be taken again after a power cut; some builds of SQLite do less by default.
        db.execute("PRAGMA synchronous = FULL")
        with transaction(db):
            self._set_up(db)
        # The file keeps its mode. While others use a file that is not yet in this one, the switch is refused at once
        # instead of waiting; then the next to open the file makes it. Until then they wait a little more.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")

    def _set_up(self, db: sqlite3.Connection) -> None:
        db.execute(_VERSIONS)
        row = db.execute(_VERSION, (self._component,)).fetchone()
        found, known = row[0] if row else 0, len(self._versions)
        if found > known:
            raise StoreError(
                f"the {self._component} in {self.path!r} have version {found}, and this langwire knows version {known}:"
                " upgrade langwire, or use another file"
            )
        for statements in self._versions[found:]:
            for statement in statements:
                db.execute(statement)
        if found < known:
            db.execute(_SET_VERSION, (self._component, known))

    def _reason(self, error: Exception) -> str:
        if Path(self.path).is_dir():
            return "it is a directory; expected a file"
        if not Path(self.path).parent.is_dir():
            return "its directory does not exist; make it first"
        return str(error)


@contextmanager
def transaction(db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Generator[None]:
    """Commit what is done within; what raises leaves the transaction open, for the caller to end or to close."""
    db.execute(begin)
    yield
    db.execute("COMMIT")
