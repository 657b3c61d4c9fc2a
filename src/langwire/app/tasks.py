"""Knows the addresses of the board of delegated work: what there is, how it goes, and how a person steers it.

| address | what |
|---|---|
| `GET` | tasks, the newest first: `state` (repeatable), `agent`, `root`, `parent`, `limit`, `before` |
| `GET …/watch` | server-sent events: tasks as they change |
| `GET …/{id}` | all that is told of a task |
| `GET …/{id}/tree` | a task, and those below it |
| `GET …/{id}/events` | server-sent events: what a task has told, then what it tells, until it has ended |
| `POST …/{id}/answer` | answer its questions: `{"answers": …}` as in `resume` |
| `POST …/{id}/cancel` | stop it and what is below it; `{}`, or a `reason` |
| `POST …/{id}/retry` | try one again that failed or was cancelled: `{}` |
| `POST …/{id}/followup` | say something more to its agent: `message`, and a `message_id` that makes it once |

Somebody else's task is as unknown as one that was never made.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from langwire.adapters._shared import streaming, web
from langwire.adapters._shared.gate import Gate, Visitor
from langwire.adapters._shared.refusals import Refused
from langwire.adapters.fastapi._openapi import answers, body_of
from langwire.adapters.fastapi.protocol import VERSION, Hello, Reset
from langwire.adapters.fastapi.sent import answer_of, read_request, visitor_of
from langwire.adapters.fastapi.shown import Shown, View
from langwire.app._task_views import (
    BoardHello,
    TaskChanged,
    TaskClosed,
    TaskDetail,
    Tasks,
    detail_of,
    tree_of,
    view_of,
)
from langwire.errors import UnknownTask
from langwire.events import Entry
from langwire.tasks.client import MAX_TEXT, TaskClient
from langwire.tasks.states import TERMINAL, TaskState
from langwire.tasks.task import Task, TaskQuery

from fastapi import APIRouter, Depends, Query, Request, Response  # isort: skip  after `web`, which says what is missing

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

_LOOK = 5.0
"""Seconds after which a reader looks again by itself, should the store not have woken it."""
_SHOWN = Shown()
_FRAMES = {"type": "string", "description": "Server-sent events: each `data` is one frame."}
_TREE = {"type": "object", "description": "A `task`, and the `children` that it has delegated: each is such an object."}

Name = Annotated[str | None, Query(max_length=200)]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of a task."""


class Answer(_Body, frozen=True, kw_only=True):
    """Answers to questions of a task, by their ids, as in the protocol's `resume`."""

    answers: dict[str, Any]


class Cancel(_Body, frozen=True, kw_only=True):
    """Stop a task. The `reason` is kept with it."""

    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Retry(_Body, frozen=True, kw_only=True):
    """Try a task again."""


class Followup(_Body, frozen=True, kw_only=True):
    """Say something more to a task. A `message_id` that it knows changes nothing."""

    message: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what was asked of a task was taken; if not, it is in a state in which that cannot be done."""

    taken: bool


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a task has ended as cancelled. `"stopping"`: it will, as soon as its code lets it."""

    stopped: bool | Literal["stopping"]


def task_router(
    tasks: TaskClient,
    *,
    gate: Gate,
    shown: Shown = _SHOWN,
    stopping: asyncio.Event | None = None,
    redactor: Redactor | None = None,
) -> APIRouter:
    """Return a router that serves the board of delegated work: `app.include_router(router, prefix="/v1/tasks")`.

    `tasks` is a `TaskRunner`, or a client of the same store; who made it closes it. `gate` says who may come in: with
    a principal each sees the tasks that were made for them, without one all of them. `shown` says which events of a
    task are told. Whoever reads live is let go when `stopping` is set. What goes wrong is written to the log without
    what `redactor` takes out.
    """
    came_in = Depends(gate.visitor)
    board = _Board(tasks, gate, shown, stopping or asyncio.Event(), redactor)

    async def ask(request: Request, visitor: Visitor = came_in) -> None:
        request.state.visitor = visitor

    router = APIRouter(route_class=web.guarded(redactor), dependencies=[Depends(ask)], tags=["tasks"])
    for method, path, endpoint, told in board.table():
        router.add_api_route(path, endpoint, methods=[method], **told)
    return router


class _Board:
    """What is done at each address; who asks is known by then."""

    def __init__(
        self, tasks: TaskClient, gate: Gate, shown: Shown, stopping: asyncio.Event, redactor: Redactor | None
    ) -> None:
        self._tasks, self._gate, self._stopping, self._redactor = tasks, gate, stopping, redactor
        self._view, self._max_value = View(shown, None), shown.max_value

    def table(self) -> Iterable[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
        """Yield method, path, function and what `add_api_route` takes beside them."""
        yield "GET", "", self.list, _told(Tasks)
        yield "GET", "/", self.list, {**_told(Tasks), "include_in_schema": False}
        yield "GET", "/watch", self.watch, _told(_FRAMES, None, "text/event-stream")
        yield "GET", "/{task_id}", self.get, _told(TaskDetail)
        yield "GET", "/{task_id}/tree", self.tree, _told(_TREE)
        yield "GET", "/{task_id}/events", self.events, _told(_FRAMES, None, "text/event-stream")
        yield "POST", "/{task_id}/answer", self.answer, _told(Taken, Answer)
        yield "POST", "/{task_id}/cancel", self.cancel, _told(Stopped, Cancel)
        yield "POST", "/{task_id}/retry", self.retry, _told(Taken, Retry)
        yield "POST", "/{task_id}/followup", self.followup, _told(Taken, Followup)

    # -------------------------------------------------------------- reading

    async def list(
        self,
        request: Request,
        state: Annotated[list[TaskState] | None, Query()] = None,
        agent: Name = None,
        root: Name = None,
        parent: Name = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> Response:
        """Return tasks, the newest first."""
        query = TaskQuery(
            states=tuple(state or ()),
            names=() if agent is None else (agent,),
            root_id=root,
            parent_id=parent,
            principal=visitor_of(request).principal,
        )
        page = await self._tasks.list(query, limit=limit, before=before)
        return answer_of(Tasks(tasks=tuple(map(view_of, page.tasks)), before=page.before))

    async def get(self, task_id: str, request: Request) -> Response:
        """Return all that is told of a task."""
        return answer_of(detail_of(await self._own(task_id, request), max_value=self._max_value))

    async def tree(self, task_id: str, request: Request) -> Response:
        """Return a task with all that is below it."""
        task = await self._own(task_id, request)
        return answer_of(tree_of(task, await self._tasks.descendants(task_id)))

    async def watch(self, request: Request) -> Response:
        """Tell tasks as they change, from now on."""
        return self._live(request, self._changes(TaskQuery(principal=visitor_of(request).principal)))

    async def events(self, task_id: str, request: Request, after: str | None = None) -> Response:
        """Tell what a task has told after a position, `<task id>:<seq>`, then what it tells until it has ended."""
        task = await self._own(task_id, request)
        seq = _seq(task, request.headers.get("last-event-id") or after)
        return self._live(request, self._told(task, seq))

    # -------------------------------------------------------------- steering

    async def answer(self, task_id: str, request: Request) -> Response:
        """Answer questions; `taken` is false when the task does not wait for these answers any more."""
        asked = await read_request(request, Answer)
        await self._own(task_id, request)
        principal = visitor_of(request).principal
        return answer_of(Taken(taken=await self._tasks.resume(task_id, asked.answers, decided_by=principal)))

    async def cancel(self, task_id: str, request: Request) -> Response:
        """Stop a task; `stopped` is false when it had ended before, and `"stopping"` when it takes its time."""
        asked = await read_request(request, Cancel)
        await self._own(task_id, request)
        return answer_of(Stopped(stopped=await self._tasks.cancel(task_id, asked.reason)))

    async def retry(self, task_id: str, request: Request) -> Response:
        """Try a task again; `taken` is false when it has neither failed nor been cancelled."""
        await read_request(request, Retry)
        await self._own(task_id, request)
        return answer_of(Taken(taken=await self._tasks.retry(task_id)))

    async def followup(self, task_id: str, request: Request) -> Response:
        """Say something more to a task; `taken` is false when it cannot hear it."""
        asked = await read_request(request, Followup)
        await self._own(task_id, request)
        if not asked.message.strip():
            raise Refused(422, "invalid_input", "a blank message came: say something to the task")
        # The id names the message in the task's thread, where it must not be able to replace one of the agent's.
        message_id = None if asked.message_id is None else f"{task_id}:{asked.message_id}"
        return answer_of(Taken(taken=await self._tasks.followup(task_id, asked.message, message_id=message_id)))

    # -------------------------------------------------------------- what the addresses share

    async def _own(self, task_id: str, request: Request) -> Task:
        """Return a task that the visitor may know of; of any other nobody learns whether it exists."""
        principal = visitor_of(request).principal
        task = await self._tasks.store.get(task_id)
        if task is None or principal not in (None, task.spec.principal):
            raise UnknownTask("nothing is known of this task")
        return task

    def _live(self, request: Request, frames: AsyncGenerator[bytes]) -> Response:
        held = ExitStack()
        held.enter_context(self._gate.connection(visitor_of(request)))  # the stream outlives this function

        async def closed(_: streaming.Closed) -> None:
            held.close()

        return streaming.sse(frames, on_close=closed, redactor=self._redactor)

    async def _changes(self, query: TaskQuery) -> AsyncGenerator[bytes]:
        store = self._tasks.store
        mark, _ = await store.changes(None)
        yield _frame(BoardHello(protocol=VERSION))
        while True:
            last, changed = await store.changes(mark)
            for task in changed:
                if query.matches(task):
                    yield _frame(TaskChanged(task=view_of(task)))
            if last == mark and not await self._news_since(mark):
                break
            mark = last
        yield _frame(TaskClosed(reason="shutting_down"))

    async def _told(self, task: Task, after: int) -> AsyncGenerator[bytes]:
        store, id = self._tasks.store, task.id.encode()
        yield _frame(Hello(protocol=VERSION, thread_id=task.id, position=f"{task.id}:{task.events}"))
        if after > task.events:  # of a store that held more than this one
            after = 0
            yield _frame(Reset(reason="foreign"))
        while True:
            mark, _ = await store.changes(None)
            try:
                page = await store.events(task.id, after)
            except UnknownTask:
                yield _frame(TaskClosed(reason="deleted"))
                return
            for entry in page.entries:
                after = entry.seq
                line = _line(self._view, task, entry)
                if line is not None:
                    yield b"id: %b:%d\ndata: %b\n\n" % (id, after, line)
            if after < page.last:
                continue
            ended = page.state in TERMINAL
            if ended or not await self._news_since(mark):
                yield _frame(TaskClosed(reason="ended" if ended else "shutting_down"))
                return

    async def _news_since(self, mark: int) -> bool:
        """Wait until there may be news; return False when the server stops."""
        news = asyncio.ensure_future(self._tasks.store.wait(mark, _LOOK))
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((news, stop), return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                news.result()  # a store that fails says so here
        finally:
            for one in (news, stop):
                one.cancel()
            await asyncio.wait((news, stop))
        return not self._stopping.is_set()


def _frame(frame: msgspec.Struct) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(frame)


def _seq(task: Task, position: str | None) -> int:
    """Return the number of the event at a position; 0 where none is given."""
    if not position:
        return 0
    found = re.fullmatch(r"([^:]*):([0-9]{1,18})", position)
    if found is None or found[1] != task.id:
        raise Refused(400, "invalid_position", "a position came that is none of this task: expected <task id>:<seq>")
    return int(found[2])


def _line(view: View, task: Task, entry: Entry) -> bytes | None:
    """Return an event of a task as the same frame that an entry of a thread is; None when it is not shown."""
    told = view.event(task.id, entry.event)  # a task runs on the thread of its id
    return None if told is None else b'{"seq":%d,"at_ms":%d,%b' % (entry.seq, entry.at_ms, told[1:])


def _told(answer: Any, body: type[_Body] | None = None, media_type: str = "application/json") -> dict[str, Any]:
    """Return what the OpenAPI document says of an address."""
    extra = None if body is None else body_of(body)
    return {"response_class": Response, "responses": answers(200, answer, media_type), "openapi_extra": extra}
