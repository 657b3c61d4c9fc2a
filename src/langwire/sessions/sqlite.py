"""Knows how to keep everything of a graph's threads in one SQLite file: LangGraph's checkpoints and our records."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langwire.errors import MissingExtra, UsageError
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph, keeping_threads, outlives_the_program


@asynccontextmanager
async def sqlite_sessions(graph: Graph, path: str | os.PathLike[str], **options: Any) -> AsyncGenerator[SessionAdapter]:
    """Yield a `SessionAdapter` whose threads outlive the program, in the file `path`.

    `options` are those of `SessionAdapter`. A checkpointer in memory gives way to the file. Raises `UsageError` for a
    graph that has any other, or runs elsewhere, `StoreError` for a file that cannot be used, and `MissingExtra` where
    the extra `sqlite` is not installed.
    """
    try:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        from langwire.sessions.sqlite_store import SQLiteSessionStore
    except ImportError as error:
        raise MissingExtra('threads in a file need an extra: pip install "langwire[sqlite]"') from error
    if outlives_the_program(graph):
        raise UsageError(
            "this agent keeps its threads already: compile it without a checkpointer to keep them in a file"
        )
    async with SQLiteSessionStore(path) as store:
        await store.get("-")  # says what is wrong with the file before LangGraph does
        async with (
            AsyncSqliteSaver.from_conn_string(os.fspath(path)) as saver,
            SessionAdapter(keeping_threads(graph, saver), store, **options) as sessions,
        ):
            yield sessions
