"""Works on tasks until it is stopped, or nothing is left to do, and tells each that it begins and ends."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from langwire.commands import DONE, leave, say
from langwire.commands.long_running import failures_as_lines, read_strictly
from langwire.commands.tasks._file import code_of, tasks_of
from langwire.commands.tasks._words import change_of, print_lines
from langwire.errors import StoreError, UsageError
from langwire.sessions.store import now_ms
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Task, TaskQuery

if TYPE_CHECKING:
    from langwire.tasks.runner import TaskRunner

_LOOK = 0.2
"""Seconds after which a worker looks whether it is idle."""


def worker(options: argparse.Namespace) -> int:
    """Work until somebody stops it, or nothing is left to do. Its output are the tasks that it starts and ends."""
    read_strictly()
    specs, out = _named(options.specs, options.name), sys.stdout
    with failures_as_lines("langwire"), redirect_stdout(sys.stderr):  # what agents print is no output of ours
        return code_of(lambda: _worked(specs, _ToldStore(options.db, out), options))


def _worked(specs: Mapping[str, str], store: _ToldStore, options: argparse.Namespace) -> int:
    from langwire.host import load_agent

    agents = {name: load_agent(spec) for name, spec in specs.items()}
    stopped_by = asyncio.run(_work(_runner(agents, store, options), store, options))
    if store.output_lost is not None:
        raise store.output_lost
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    return DONE


def _named(specs: Sequence[str], default: str) -> dict[str, str]:
    """Return specs by the names under which tasks know them."""
    named: dict[str, str] = {}
    for given in specs:
        name, sign, spec = given.partition("=")
        if not (sign and re.fullmatch(r"[\w-]+", name)):
            name, spec = default, given
        if name in named:
            raise UsageError(f"two agents are named {name!r}: give NAME=SPEC for each")
        named[name] = spec
    return named


def _runner(agents: Mapping[str, Any], store: _ToldStore, options: argparse.Namespace) -> TaskRunner:
    from langwire.tasks.runner import TaskRunner  # with LangGraph, which the other commands do without

    return TaskRunner(agents, store, concurrency=options.concurrency, lease=options.lease)


async def _work(runner: TaskRunner, store: _ToldStore, options: argparse.Namespace) -> int | None:
    """Work; return the signal that ended it, if one did."""
    with _stopped_by_signals(store.stop) as signals:
        try:
            async with runner:
                say(f"working on {options.db} as {', '.join(runner.agents)}, up to {options.concurrency} at once")
                while not (store.stopped.is_set() or (options.until_idle and await _is_idle(runner))):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(store.stopped.wait(), _LOOK if options.until_idle else None)
        finally:
            await store.close()  # also when the runner could not begin
        return signals[0] if signals else None


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Generator[list[int]]:
    """The first Ctrl-C or SIGTERM stops, and is in the list; the second leaves at once. What is ignored stays so."""
    loop = asyncio.get_running_loop()
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    taken = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for other in taken:
            signal.signal(other, leave)
        loop.call_soon_threadsafe(stop)

    for number in taken:
        signal.signal(number, handle)
    try:
        yield came
    finally:
        if came:  # what is left to do may hang, so the next Ctrl-C must leave
            taken.pop(signal.SIGINT, None)
        for number, handler in taken.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------ when nothing is left


async def _is_idle(runner: TaskRunner) -> bool:
    """Whether nothing runs, may start or is to be tried again: the rest waits for others, or for its first start."""
    query = TaskQuery(states=("queued", "ongoing"), names=tuple(runner.agents))
    with suppress(StoreError):  # that may pass, and ends no worker
        async with aclosing(tasks_of(runner, query)) as tasks:
            async for task in tasks:
                if _is_left_to_do(task):
                    return False
        return True
    return False


def _is_left_to_do(task: Task) -> bool:
    later = task.attempt == 0 and task.not_before_ms > now_ms()
    return task.spec.kind == "agent" and (task.state == "ongoing" or not (task.waits_for or later))


# ------------------------------------------------------------------ what it tells


class _ToldStore(SQLiteTaskStore):
    """The store of a worker, which prints a line for each task that it is given and that it lets go of."""

    def __init__(self, path: str, out: TextIO) -> None:
        super().__init__(path)
        self._out = out
        self.stopped = asyncio.Event()
        self.output_lost: OSError | None = None

    def stop(self) -> None:
        """Tell the worker to end."""
        self.stopped.set()

    async def claim(self, *args: Any, **options: Any) -> tuple[Task, ...]:
        return self._told(await super().claim(*args, **options))

    async def finish(self, *args: Any, **options: Any) -> Task:
        return self._told((await super().finish(*args, **options),))[0]

    async def reap(self, *args: Any, **options: Any) -> tuple[Task, ...]:
        return self._told(await super().reap(*args, **options))

    def _told(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        try:
            print_lines(*map(change_of, tasks), file=self._out)
        except OSError as error:
            self.output_lost = error
            self.stop()
        return tasks
