"""A process that works on the tasks of one file until none is left: `race_worker.py FILE NAME WORKERS`.

It gives each fifth task back once, and prints each claim as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Ending, Task, TaskQuery


def ending_of(task: Task) -> Ending:
    if task.number % 5 == 0 and task.taken == 0:
        return Ending(state="queued", counted=True, taken=1)
    return Ending(state="done", taken=1, result=task.id)


async def work(store: SQLiteTaskStore, worker: str) -> None:
    while True:
        mark, _ = await store.changes(None)
        tasks = await store.claim(worker, ["agent:a"], limit=3, lease=60)
        for task in tasks:
            sys.stdout.write(json.dumps([task.id, task.fence, task.attempt, worker]) + "\n")
            await store.finish(task.id, task.fence, ending_of(task))
        if not tasks:
            if not await store.count(TaskQuery(states=("queued", "ongoing"))):
                return
            await store.wait(mark, 1.0)


async def main(path: str, name: str, workers: int) -> None:
    async with SQLiteTaskStore(path) as store:
        await store.count()  # the file is open
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        await asyncio.gather(*(work(store, f"{name}/{number}") for number in range(workers)))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
