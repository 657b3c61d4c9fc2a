"""Knows the file that tasks are kept in: how a command works over it, and finds a task there by how its id begins."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

from langwire.commands import FAILED, say
from langwire.errors import LangwireError, UnknownTask, UsageError
from langwire.tasks.client import TaskClient
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Task, TaskQuery

PREFIX = 6
"""So many characters of an id are the least that name a task."""
_PAGE = 500

Work: TypeAlias = Callable[[TaskClient, argparse.Namespace], Awaitable[int]]
"""What a command does with the tasks of a file: it returns the exit code."""


def over_the_file(work: Work) -> Callable[[argparse.Namespace], int]:
    """Return a command that does some work over the file. It raises `UsageError` where that is no file."""

    async def over(options: argparse.Namespace) -> int:
        async with TaskClient(SQLiteTaskStore(options.db)) as client:
            return await work(client, options)

    def run(options: argparse.Namespace) -> int:
        if not os.path.isfile(options.db):
            raise UsageError(f"{_what_is_wrong(options.db)}: name the one that keeps the tasks with --db FILE")
        return code_of(lambda: asyncio.run(over(options)))

    return run


def _what_is_wrong(path: str) -> str:
    if os.path.isdir(path):
        return f"{path} is a directory, expected a file"
    return f"{path} is no database file" if os.path.exists(path) else f"there is no file {path}"


def code_of(work: Callable[[], int]) -> int:
    """Do some work and return its exit code. What langwire raises becomes a line, unless it was called wrongly."""
    try:
        return work()
    except UsageError:
        raise
    except LangwireError as error:
        say(str(error))
        return FAILED


async def find(client: TaskClient, given: str) -> Task:
    """Return the task whose id this is, or alone begins with it.

    Raises `UnknownTask` when there is none, and `UsageError` when several ids begin so, or might.
    """
    task = await client.store.get(given)
    if task is not None:
        return task
    if len(given) < PREFIX:
        raise UsageError(f"{given!r} is no task's id, and too short to begin one: give {PREFIX} characters or more")
    found = [task async for task in tasks_of(client, TaskQuery()) if task.id.startswith(given)]
    if not found:
        raise UnknownTask(f"no task's id is {given!r:.80}, or begins with it: `langwire tasks list` shows them")
    if len(found) > 1:
        raise UsageError(f"{given!r} begins several ids, give more of it: {', '.join(task.id for task in found)}")
    return found[0]


async def tasks_of(client: TaskClient, query: TaskQuery) -> AsyncGenerator[Task]:
    """Yield the tasks of a query, the newest first."""
    page = await client.list(query, limit=_PAGE)
    while True:
        for task in page.tasks:
            yield task
        if page.before is None:
            return
        page = await client.list(query, limit=_PAGE, before=page.before)
