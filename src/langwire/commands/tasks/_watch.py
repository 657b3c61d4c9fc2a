"""Watches tasks as they change: as a tree that is drawn in its place, as lines, or as what one of them does."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from shutil import get_terminal_size
from typing import Any, cast

from langwire.adapters._shared.safe_terminal import writable
from langwire.adapters.plain import PlainAdapter
from langwire.commands import DONE, FAILED
from langwire.commands.tasks._file import find, tasks_of
from langwire.commands.tasks._words import HEAD, change_of, print_lines, row_of, table, tree_of
from langwire.errors import UsageError
from langwire.events import Entry
from langwire.tasks.client import TaskClient
from langwire.tasks.states import TaskState
from langwire.tasks.task import Task, TaskQuery

_FRAME = 0.1
"""Seconds between two pictures of a tree, at least."""
_ACTIVE: tuple[TaskState, ...] = ("queued", "ongoing", "review_needed")
_CODES: dict[TaskState, int] = {"done": DONE, "failed": FAILED, "cancelled": FAILED}


async def watch(client: TaskClient, options: argparse.Namespace) -> int:
    """Tell what changes until the task that is watched has ended; with none, for ever."""
    top = await find(client, options.id) if options.id is not None else None
    if options.events:
        if top is None:
            raise UsageError("watch expected the task whose events it is to tell: langwire tasks watch ID --events")
        return await _tell_events(client, top.id)
    watched = _Watched(client, top)
    await watched.begin()
    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return await (_draw_tree(watched) if live else _tell_changes(watched))


class _Watched:
    """The tasks that are watched: `top` and all below it, or those that have not ended, and all that change."""

    def __init__(self, client: TaskClient, top: Task | None) -> None:
        self._client, self._store, self._top = client, client.store, top
        self._mark = 0
        self.tasks: dict[str, Task] = {}

    async def begin(self) -> None:
        """Read the tasks there are. The mark comes first, so that no change falls in between."""
        self._mark, _ = await self._store.changes(None)
        top = self._top
        queries = [TaskQuery(below=top.id), TaskQuery(ids=(top.id,))] if top else [TaskQuery(states=_ACTIVE)]
        for query in queries:
            async for task in tasks_of(self._client, query):
                self.tasks[task.id] = task

    async def changed(self) -> list[Task]:
        """Wait for changes, at most a second; return the tasks that changed."""
        await self._store.wait(self._mark, 1.0)
        self._mark, changed = await self._store.changes(self._mark)
        top = self._top
        mine = [task for task in changed if top is None or top.id in (task.id, *task.spec.ancestors)]
        self.tasks |= {task.id: task for task in mine}
        return mine

    @property
    def code(self) -> int | None:
        """The exit code, once the task at the top has ended."""
        top = self.tasks[self._top.id] if self._top else None
        return _CODES[top.state] if top and top.ended else None

    def tree(self, height: int) -> list[tuple[Task, int]]:
        """The tasks as a tree. When it is too high, those are forgotten that have ended, with none below them left."""
        rows = tree_of(self.tasks.values())
        if len(rows) <= height:
            return rows
        active = [task for task in self.tasks.values() if not task.ended]
        kept = {id for task in active for id in (task.id, *task.spec.ancestors)} | {self._top.id if self._top else ""}
        self.tasks = {id: task for id, task in self.tasks.items() if id in kept}
        return tree_of(self.tasks.values())


# ------------------------------------------------------------------ as lines


async def _tell_events(client: TaskClient, task_id: str) -> int:
    """Tell a task's story from its beginning to its end, also when it is tried again meanwhile."""
    tell, last = PlainAdapter().handle, 0
    while True:
        async with aclosing(cast("AsyncGenerator[Entry]", client.events(task_id, last, follow=True))) as entries:
            async for entry in entries:
                tell(entry)
                last = entry.seq
        task = await client.get(task_id)
        if task.ended:
            return _CODES[task.state]


async def _tell_changes(watched: _Watched) -> int:
    """Print a line for each task there is, and one whenever its state changes."""
    told: dict[str, tuple[Any, ...]] = {}
    changed = [task for task, _ in tree_of(watched.tasks.values())]
    while True:
        for task in changed:
            now = (task.state, task.attempt, task.cancel)
            if told.get(task.id) != now:
                told[task.id] = now
                print_lines(change_of(task))
        if watched.code is not None:
            return watched.code
        changed = await watched.changed()


# ------------------------------------------------------------------ as a tree


async def _draw_tree(watched: _Watched) -> int:
    """Draw the tree and draw it again in its place, until the task at the top has ended."""
    drawn = 0
    while True:
        size = get_terminal_size()
        lines = _screen(watched, size.lines - 1)
        # Back to where the tree began, and away with it. A line that is too long is cut off, not wrapped: that would
        # be one line more than we know of.
        up = f"\x1b[{drawn}A" if drawn else ""
        text = "".join(f"{writable(line, sys.stdout.encoding)[: size.columns]}\n" for line in lines)
        sys.stdout.write(f"{up}\r\x1b[J\x1b[?7l{text}\x1b[?7h")
        sys.stdout.flush()
        drawn = len(lines)
        if watched.code is not None:
            return watched.code
        await asyncio.sleep(_FRAME)
        await watched.changed()


def _screen(watched: _Watched, height: int) -> list[str]:
    """At most so many lines."""
    rows = watched.tree(height - 1)
    if not rows:
        return ["nothing is queued, runs or waits for a person"]
    left_out = len(rows) - (height - 1)
    shown = rows if left_out <= 0 else rows[: height - 2]
    lines = table([HEAD, *(row_of(task, depth) for task, depth in shown)])
    return lines if left_out <= 0 else [*lines, f"and {left_out + 1} more"]
