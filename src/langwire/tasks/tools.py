"""Knows the tools by which an agent delegates, and every word that a model gets to read of them.

The lists are plain: an agent module may use them before there is any runner. Each call finds its runner, and the task
or conversation that it speaks for, in the config of its own run. A tool answers with text, also for what it refuses:
nothing that a model says makes a run fail. No tool answers a question that a task asks: that is for a person.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeAlias

import msgspec
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langgraph.types import interrupt

from langwire.errors import KeyTaken, StoreError, TaskRefused, UsageError
from langwire.tasks.context import Origin, call_key, in_scope, origin_of, wait_value
from langwire.tasks.states import STATES, TaskState
from langwire.tasks.task import Task, TaskQuery

if TYPE_CHECKING:
    from langwire.tasks.artifacts import ArtifactStore

MAX_IDS = 32
"""How many tasks one call may name."""
MAX_LISTED = 50
"""How many tasks one answer lists."""
MAX_RESULT = 4_000
"""How many characters of one result an answer holds."""
MAX_RESULTS = 16_000
"""How many characters of all results together an answer holds."""
MAX_FILE = 16_000
"""How many characters of a file an answer holds."""
PATIENCE = 5.0
"""Seconds in which the runner's event loop must answer code that calls from a thread."""

_NO_RUNNER = "Nothing can be delegated in this run: please do the work yourself."
_UNREACHABLE = (
    "The tasks cannot be reached right now. Perhaps this call was done all the same: look with list_async_tasks before "
    "you make it again, or do the work yourself."
)
_CALL_TAKEN = (
    "This very call has started another task before. Call start_async_task once more, in a message of its own."
)
_NO_FILES = "No files are kept in this run: put what there is to say into your answer."

P = ParamSpec("P")
Answer: TypeAlias = Coroutine[Any, Any, str]
CallId: TypeAlias = Annotated[str, InjectedToolCallId]
Offset: TypeAlias = Annotated[int, "The character to begin at; for reading on where an answer was cut."]


class _Said(Exception):
    """What is answered instead of going on."""


# ------------------------------------------------------------------ the tools


async def start_async_task(
    description: Annotated[str, "The whole task, with all that is needed to do it. Nothing else is seen."],
    config: RunnableConfig,
    tool_call_id: CallId,
    title: Annotated[str | None, "A few words by which people tell it from others."] = None,
    agent: Annotated[str | None, "Who does it, if not a copy of you."] = None,
    after: Annotated[list[str] | None, "Ids of tasks that must be done before it begins."] = None,
) -> str:
    """Start a task in the background and get its id at once. A copy of you does it while you go on.

    Good for work that takes long, or that falls into independent parts: start one task for each part, all in the same
    message. What is quickly done, do yourself.

    Whoever does it sees the description alone: not this conversation, not what you have read or found. So write
    it to be complete: the goal, every fact, name and file that matters, what to leave alone, and what to answer with.
    The last message of the task is the result that you get.

    Then go on with other work, or end your turn. Do not look again and again how it stands: when you cannot go on
    without the results, call wait_for_tasks once, with all ids.
    """
    origin = _here(config)
    if not description.strip():
        raise _Said("The description is blank: write down the whole task, with all that is needed to do it.")
    before = await _tasks(origin, _ids(after)) if after else []
    task = await origin.runner.delegate(
        origin,
        description,
        title=(title or "").strip() or None,
        agent=_agent(origin, agent),
        call_key=call_key(origin.scope, config, tool_call_id),
        after=[task.id for task in before],
    )
    look = (
        "wait_for_tasks when you need its result" if origin.task is not None else "check_async_task when you are asked"
    )
    return (
        f"{_named(task)} is started: {_standing(task)}. Go on with other work, or end your turn. Call {look}, and do "
        "not look for it in between."
    )


async def check_async_task(task_id: str, config: RunnableConfig, offset: Offset = 0) -> str:
    """Read how a task stands that you have started, and its result when it is done.

    Not for waiting: a task that is not done yet will not be done a moment later. Go on, end your turn, or call
    wait_for_tasks.
    """
    (task,) = await _tasks(_here(config), _ids([task_id]))
    return _told(task, MAX_RESULT, offset)


async def list_async_tasks(
    config: RunnableConfig,
    status: Annotated[str | None, f"Only those that are {', '.join(STATES)}; leave it out for all."] = None,
) -> str:
    """List the tasks that you, and those that work for you, have started, the newest first."""
    origin = _here(config)
    wanted = (status or "").strip()
    states: tuple[TaskState, ...] = tuple(state for state in STATES if state == wanted)
    if wanted and not states:
        raise _Said(f"There is no status {_quoted(wanted)}: use {', '.join(STATES)}, or leave it out.")
    below = origin.task.id if origin.task is not None else None
    query = TaskQuery(states=states, below=below, root_id=origin.root_id, principal=origin.principal)
    tasks, older = await _listed(origin, query)
    lines = [f"- {_named(task)}: {_standing(task)}" for task in tasks]
    if older:
        lines.append("There are older ones, which are left out here.")
    return "\n".join(lines) or f"There are no tasks{f' that are {wanted}' if wanted else ''}."


async def update_async_task(
    task_id: str,
    message: Annotated[str, "What the task has to know, complete in itself."],
    config: RunnableConfig,
    tool_call_id: CallId,
) -> str:
    """Say something more to a task: a correction, a fact that it lacks, a further wish.

    A task that runs reads it when it has come to the end of what it does now, one that has ended begins again with it.
    It answers no question for which a task waits: that is for a person.
    """
    origin = _here(config)
    (task,) = await _tasks(origin, _ids([task_id]))
    if not message.strip():
        raise _Said("The message is blank: write down what the task has to know.")
    key = call_key(origin.scope, config, tool_call_id)
    if not await origin.runner.followup(task.id, message, message_id=key):
        raise _Said(f"{_named(task)} takes no messages: it is being stopped, or no agent does it. Start a new one.")
    if task.ended:
        return f"{_named(task)} begins again with your message."
    return f"{_named(task)} has your message, and reads it when it has come to the end of what it does now."


async def cancel_async_task(task_id: str, config: RunnableConfig) -> str:
    """Stop a task that is not needed any more, with all that it has started itself."""
    origin = _here(config)
    (task,) = await _tasks(origin, _ids([task_id]))
    stopped = await origin.runner.cancel(task.id, "its result is not needed any more")
    if stopped == "stopping":
        return f"{_named(task)} has been told to stop, and ends soon."
    if stopped:
        return f"{_named(task)} is cancelled."
    return f"{_named(task)} had ended before: nothing was stopped."


async def wait_for_tasks(
    task_ids: Annotated[list[str], "Ids of all tasks whose results you need, from start_async_task."],
    config: RunnableConfig,
) -> str:
    """Wait until tasks have ended, and get all their results. Call it once, with all ids, and with no other tool.

    Use it when you cannot go on without the results. In a conversation with a person it does not wait: it says how the
    tasks stand.
    """
    origin = _here(config)
    ids = _ids(task_ids)
    if origin.task is not None:
        # LangGraph hands answers to a node by the order in which it asks, each time that it runs. So this asks always,
        # whatever has become of the tasks: left out once, its place would be that of the next question, and a person's
        # answer would go to another question than theirs. What wakes it says nothing.
        interrupt(wait_value(await _to_wait_for(origin, ids)))
    tasks, unknown = await _looked_up(origin, ids)
    told = _all_told(tasks, unknown)
    if origin.task is not None or all(task.ended for task in tasks):
        return told
    return f"{told}\n\nThis conversation is not held up until they end: end your turn, and look when you are asked."


async def write_artifact(
    name: Annotated[str, "The file's name with its ending, such as report.md."], text: str, config: RunnableConfig
) -> str:
    """Keep a text as a file of this task, for whoever reads its result. A file of the same name is replaced.

    Good for what is too long for an answer: write it to a file, and answer with what is in it.
    """
    origin = _here(config)
    files = _files(origin)
    if origin.task is None:
        raise _Said("Only a task has files, and this is a conversation: put the text into your answer.")
    await asyncio.to_thread(files.write, origin.task.id, name, text)
    return f"Wrote {_quoted(name)}, {len(text)} characters."


async def read_artifact(
    name: str,
    config: RunnableConfig,
    task_id: Annotated[str | None, "The task whose file it is; leave it out for your own."] = None,
    offset: Offset = 0,
) -> str:
    """Read a file of this task, or of a task that you have started."""
    origin = _here(config)
    files = _files(origin)
    data = await asyncio.to_thread(files.read, await _owner(origin, task_id), name)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _Said(f"{_quoted(name)} is no text: it has {len(data)} bytes that only a program can read.") from error
    return _cut(text, offset, MAX_FILE, "read_artifact") if text else f"{_quoted(name)} is empty."


async def list_artifacts(
    config: RunnableConfig,
    task_id: Annotated[str | None, "The task whose files are meant; leave it out for your own."] = None,
) -> str:
    """List the files of this task, or of a task that you have started."""
    origin = _here(config)
    files = _files(origin)
    found = await asyncio.to_thread(files.list, await _owner(origin, task_id))
    return "\n".join(f"- {file.name} ({file.bytes} bytes)" for file in found) or "There are no files."


# ------------------------------------------------------------------ who asks, and for what


def _here(config: RunnableConfig) -> Origin:
    origin = origin_of(config)
    if origin is None:
        raise _Said(_NO_RUNNER)
    return origin


def _ids(given: Sequence[str]) -> list[str]:
    ids = list(dict.fromkeys(id.strip() for id in given))
    if not 0 < len(ids) <= MAX_IDS:
        raise _Said(f"{len(ids)} task ids came: name one to {MAX_IDS}.")
    return ids


async def _tasks(origin: Origin, ids: Iterable[str]) -> list[Task]:
    """Return tasks; one that belongs to somebody else is answered like one that never was."""
    tasks, unknown = await _looked_up(origin, ids)
    if unknown:
        raise _Said(_no_such(unknown))
    return tasks


async def _looked_up(origin: Origin, ids: Iterable[str]) -> tuple[list[Task], list[str]]:
    """Return the tasks of some ids, and the ids that are no task's, or somebody else's."""
    found = {id: await _found(origin, id) for id in ids}
    return [task for task in found.values() if task is not None], [id for id, task in found.items() if task is None]


async def _to_wait_for(origin: Origin, ids: Iterable[str]) -> list[str]:
    """Return those tasks for which a run may wait; none where the store fails, and whoever waits looks again."""
    try:
        return [task.id for task in (await _looked_up(origin, ids))[0]]
    except StoreError:
        return []


async def _found(origin: Origin, id: str) -> Task | None:
    try:
        task = await origin.runner.get(id)
    except UsageError:  # unknown, or nothing that could be an id
        return None
    return task if in_scope(origin, task) else None


async def _listed(origin: Origin, query: TaskQuery) -> tuple[list[Task], bool]:
    """Return the newest tasks that a run may see, and whether there are older ones.

    A query without a principal finds those of everybody, so a page may hold nothing that is meant.
    """
    found: list[Task] = []
    page = await origin.runner.list(query, limit=MAX_LISTED)
    while True:
        found += (task for task in page.tasks if in_scope(origin, task))
        if page.before is None or len(found) > MAX_LISTED:
            return found[:MAX_LISTED], len(found) > MAX_LISTED
        page = await origin.runner.list(query, limit=MAX_LISTED, before=page.before)


def _agent(origin: Origin, given: str | None) -> str | None:
    name = (given or "").strip()
    if name and name not in origin.agents:
        others = f"use one of {', '.join(origin.agents)}, or leave it out" if origin.agents else "do the work yourself"
        raise _Said(f"There is no agent {_quoted(name)} for you: {others}.")
    return name or None


def _files(origin: Origin) -> ArtifactStore:
    if origin.runner.artifacts is None:
        raise _Said(_NO_FILES)
    return origin.runner.artifacts


async def _owner(origin: Origin, task_id: str | None) -> str:
    """Return the id of the task whose files are meant."""
    own = origin.task.id if origin.task is not None else None
    meant = (task_id or "").strip() or own
    if meant is None:
        raise _Said("A conversation has no files of its own: say whose you mean, with task_id.")
    if meant != own:
        await _tasks(origin, [meant])
    return meant


# ------------------------------------------------------------------ what is told of a task


def _quoted(text: str) -> str:
    return f"{text!r:.80}"


def _named(task: Task) -> str:
    return f"Task {task.id}" + (f" ({task.title})" if task.title else "")


def _standing(task: Task) -> str:
    """Say in half a sentence how a task stands."""
    if task.cancel is not None and not task.ended:
        return "is being stopped"
    if task.state == "review_needed":
        asked = ", ".join(dict.fromkeys(action.name for question in task.interrupts for action in question.actions))
        return f"waits for a person to decide{f' on {asked}' if asked else ''}, which you cannot do for them"
    if task.state == "failed":
        return f"failed: {task.error.message if task.error is not None else 'nobody knows why'}"
    if task.state == "cancelled":
        return f"cancelled{f': {task.cancel}' if task.cancel else ''}"
    if task.state == "queued" and task.waits_for:
        return f"queued until {len(task.waits_for)} other tasks have ended"
    return task.state


def _told(task: Task, room: int, offset: int = 0) -> str:
    """Say all of a task, with so many characters of its result, from one on."""
    told = [f"{_named(task)}: {_standing(task)}."]
    if task.artifacts:
        told.append(f"Its files, for read_artifact: {', '.join(task.artifacts)}")
    if task.state == "done":
        result = task.result if isinstance(task.result, str) else msgspec.json.encode(task.result).decode()
        told.append(f"Result:\n{_cut(result, offset, room, 'check_async_task')}" if result else "It has no result.")
    return "\n".join(told)


def _no_such(unknown: Iterable[str]) -> str:
    return f"No such task: {', '.join(map(_quoted, unknown))}. Use ids that start_async_task has given you."


def _all_told(tasks: Sequence[Task], unknown: Sequence[str]) -> str:
    room = min(MAX_RESULT, MAX_RESULTS // (len(tasks) + len(unknown)))
    return "\n\n".join([_no_such(unknown)] * bool(unknown) + [_told(task, room) for task in tasks])


def _cut(text: str, offset: int, room: int, tool: str) -> str:
    """Return so much of a text from one character on; where some is left, with how to read it."""
    begin = max(0, offset)
    end = begin + room
    if end >= len(text):
        return text[begin:] or f"[It ends before character {begin}: it has {len(text)}.]"
    here = f"these are characters {begin} to {end} of {len(text)}"
    return f"{text[begin:end]}\n[Cut: {here}. Read on with {tool} and offset={end}.]"


# ------------------------------------------------------------------ making tools of them


def _answers(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop can do something for sync code: not when it is over, or when this very code holds it up."""
    if not loop.is_running():
        return False
    answered = threading.Event()
    loop.call_soon_threadsafe(answered.set)
    return answered.wait(PATIENCE)


def _tool(work: Callable[P, Answer]) -> BaseTool:
    """Make a tool of a function, for async and for sync code. Its docstring and annotations are what a model reads."""

    @wraps(work)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return await work(*args, **kwargs)
        except _Said as said:
            return str(said)
        except KeyTaken:
            return _CALL_TAKEN
        except TaskRefused as refused:
            return str(refused)
        except UsageError as error:
            return f"This was not taken: {error}"
        except StoreError:
            return _UNREACHABLE

    @wraps(work)
    def from_a_thread(*args: P.args, **kwargs: P.kwargs) -> str:
        config: Any = kwargs.get("config")
        origin = origin_of(config)
        loop = origin.loop if origin is not None else None
        if loop is None or not _answers(loop):
            return _NO_RUNNER
        return asyncio.run_coroutine_threadsafe(answered(*args, **kwargs), loop).result()

    return StructuredTool.from_function(from_a_thread, coroutine=answered)


TASK_TOOLS: list[BaseTool] = [
    _tool(start_async_task),
    _tool(check_async_task),
    _tool(list_async_tasks),
    _tool(update_async_task),
    _tool(cancel_async_task),
    _tool(wait_for_tasks),
]
"""What an agent delegates with, for `create_agent(model, tools=[*tools, *TASK_TOOLS])`, or any `ToolNode`."""

ARTIFACT_TOOLS: list[BaseTool] = [_tool(write_artifact), _tool(read_artifact), _tool(list_artifacts)]
"""How an agent reads and writes the files of its tasks, where the runner has an `ArtifactStore`."""
