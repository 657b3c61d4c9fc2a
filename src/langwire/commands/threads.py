"""Knows where a command keeps its threads, and how a person comes back to one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import outlives_the_program
from langwire.sessions.sqlite import sqlite_sessions


@asynccontextmanager
async def sessions_of(graph: Any, db: str | None) -> AsyncGenerator[SessionAdapter]:
    """Yield the sessions of a graph: in the file `db`, else where the graph keeps its threads, else in memory."""
    async with SessionAdapter(graph) if db is None else sqlite_sessions(graph, db) as sessions:
        yield sessions


def way_back(graph: Any, thread: str, db: str | None) -> str | None:
    """Return the options that lead back to a thread; None where it does not outlive the program."""
    if db is None and not outlives_the_program(graph):
        return None
    return f"--thread {thread}" + (f" --db {db}" if db is not None else "")
