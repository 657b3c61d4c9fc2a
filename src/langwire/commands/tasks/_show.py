"""Shows tasks: `list` has a line for each, `show` all that is known of one and what it has told."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import msgspec

from langwire.adapters.plain import PlainAdapter
from langwire.commands import DONE, say
from langwire.commands.tasks._file import find
from langwire.commands.tasks._words import HEAD, note_on, print_lines, print_questions, row_of, span, table, tree_of
from langwire.core.codec import encode_entry
from langwire.events import Entry
from langwire.sessions.store import now_ms
from langwire.tasks.client import TaskClient
from langwire.tasks.task import Task, TaskQuery


async def list_tasks(client: TaskClient, options: argparse.Namespace) -> int:
    """Print a page of tasks, the newest first, and say how to get the next one."""
    root = options.root
    if root is not None and ":" not in root:
        root = (await find(client, root)).spec.root_id
    query = TaskQuery(states=tuple(options.state), names=(options.agent,) if options.agent else (), root_id=root)
    page = await client.list(query, limit=options.limit, before=options.before)
    if options.json:
        for task in page.tasks:
            _print_json(_record(task))
    elif page.tasks:
        print_lines(*table([HEAD, *map(row_of, page.tasks)]))
    else:
        say("there are no such tasks")
    if page.before is not None:
        say(f"there are more: --before {page.before} shows the next ones")
    return DONE


async def show(client: TaskClient, options: argparse.Namespace) -> int:
    """Print all that is known of a task, then what it has told up to now."""
    task = await find(client, options.id)
    below = await client.descendants(task.id)
    entries = [entry async for entry in _told(client, task.id)]
    if options.json:
        events = [msgspec.Raw(encode_entry(entry)) for entry in entries]
        _print_json({"task": _record(task), "below": [_record(child) for child in below], "events": events})
        return DONE
    for name, value in _facts(task):
        _print_block(name, value)
    print_questions(task.interrupts)
    if below:
        print_lines("", "tasks below it:", *table([row_of(child, depth) for child, depth in tree_of(below)]))
    if task.result is not None:
        print_lines("")
        _print_block("result", _text(task.result))
    print_lines("", "transcript:")
    tell = PlainAdapter().handle
    for entry in entries:
        tell(entry)
    return DONE


async def _told(client: TaskClient, task_id: str) -> AsyncGenerator[Entry]:
    """Yield what a task has told up to now."""
    last = 0
    while (page := await client.store.events(task_id, last)).entries:
        for entry in page.entries:
            yield entry
        last = page.entries[-1].seq


# ------------------------------------------------------------------ as text


def _facts(task: Task) -> list[tuple[str, str]]:
    """What there is to say about a task, by name; what is empty is left out."""
    spec, usage = task.spec, task.usage
    said = [("prompt" if number == 0 else "then", message.text) for number, message in enumerate(task.inbox)]
    facts = [
        ("id", task.id),
        ("title", task.title),
        ("state", f"{task.state}, attempt {task.attempt}" if task.attempt else task.state),
        ("waits for" if not task.ended else "because", note_on(task)),
        (spec.kind, spec.name),
        ("arguments", "" if spec.args is None else _text(spec.args)),
        ("parent", spec.parent_id or ""),
        ("root", spec.root_id if spec.root_id not in (task.id, spec.parent_id) else ""),
        ("principal", spec.principal or ""),
        ("priority", str(spec.priority) if spec.priority else ""),
        ("created", _when(task.created_ms)),
        ("started", _when(task.started_ms)),
        ("ended", _when(task.ended_ms)),
        ("worker", task.worker or ""),
        ("tokens", f"{usage.input_tokens} in, {usage.output_tokens} out" if usage else ""),
        ("artifacts", ", ".join(task.artifacts)),
        *said,
    ]
    return [(name, value) for name, value in facts if value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _when(ms: int | None) -> str:
    if ms is None:
        return ""
    return f"{datetime.fromtimestamp(ms // 1000).astimezone():%Y-%m-%d %H:%M:%S}, {span(now_ms() - ms)} ago"


def _print_block(name: str, text: str) -> None:
    """Print a named text; its further lines are indented, so that none of them looks like one of ours."""
    first, *more = text.expandtabs(4).rstrip("\n").split("\n")
    print_lines(f"{name:<10} {first}", *(f"{'':<10} {line}" for line in more))


# ------------------------------------------------------------------ as JSON


def _record(task: Task) -> dict[str, Any]:
    """A task's record with everything in it, defaults too."""
    return {"id": task.id, **msgspec.structs.asdict(task), "spec": msgspec.structs.asdict(task.spec)}


def _print_json(value: Any) -> None:
    """JSON goes out as bytes: it is UTF-8, whatever the console is."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
