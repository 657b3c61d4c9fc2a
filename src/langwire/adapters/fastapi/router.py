"""Knows the addresses of threads over HTTP, and how a thread goes out as server-sent events.

| address | what |
|---|---|
| `GET` | what serves here |
| `GET …/threads`, `POST …/threads` | the threads, the last used first; a new one |
| `GET …/threads/{id}`, `PATCH`, `DELETE` | where it stands; name it; forget it |
| `GET …/threads/{id}/history` | what it holds |
| `GET …/threads/{id}/export` | it as a file |
| `GET …/threads/{id}/events` | its frames as server-sent events |
| `WebSocket …/threads/{id}/socket` | its frames, and commands the other way |
| `POST …/threads/{id}/submit`, `resume`, `continue`, `cancel`, `fork`, `undo_fork` | a command |
| `POST …/threads/{id}/files`, `GET …/threads/{id}/files/{file_id}` | bring a file; get one |

Whatever is wrong with a request is told as `{"error": {"code", "message"}}`. The shapes are those of `protocol`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from langwire.adapters._shared import streaming, web
from langwire.adapters._shared.gate import Gate, Visitor
from langwire.adapters._shared.refusals import Refused
from langwire.adapters.fastapi import protocol
from langwire.adapters.fastapi._openapi import answers, body_of
from langwire.adapters.fastapi.export import Format
from langwire.adapters.fastapi.files import MIME, Files, headers_of
from langwire.adapters.fastapi.sent import answer_of, read_position, read_request, visitor_of
from langwire.adapters.fastapi.shown import Shown
from langwire.adapters.fastapi.socket import serve_socket
from langwire.adapters.fastapi.threads import Threads
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph

from fastapi import APIRouter, Depends, Header, Query, Request, WebSocket  # isort: skip  after `web`
from starlette.responses import Response  # isort: skip

if TYPE_CHECKING:
    from langwire.sessions.session import Session

MAX_FRAME = 2**20
RATE = (600, 60.0)
"""So many requests in so many seconds, of each who asks. Each command of a socket is one."""

_COMMANDS: Mapping[str, tuple[type[protocol.Command], int]] = {
    "submit": (protocol.Submit, 202),
    "resume": (protocol.Resume, 202),
    "continue": (protocol.Continue, 202),
    "cancel": (protocol.Cancel, 200),
    "fork": (protocol.Fork, 200),
    "undo_fork": (protocol.UndoFork, 200),
}
_UPLOAD_TIMEOUT = 300.0
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_FRAMES = {"type": "string", "description": "Server-sent events: each `data` is one frame of the protocol."}
_FILE = {"type": "string", "description": "A file, in the format that was asked for."}
_BYTES = {"type": "string", "format": "binary"}
_UPLOADS = {"name": "langwire-file", "in": "header", "required": True, "schema": {"const": "1"}}

Position = Annotated[str | None, Query(max_length=100)]


def langwire_router(
    agent: Threads | SessionAdapter | Graph,
    *,
    name: str = "agent",
    authorize: web.Authorize | None = None,
    origins: Iterable[str] = (),
    rate: tuple[int, float] = RATE,
    max_connections: int = 100,
    gate: Gate | None = None,
    shown: Shown | None = None,
    files: Files | None = None,
    read_input: Callable[[Any], Any] | None = None,
    abandon_after: float | None = 300.0,
    max_body: int = web.MAX_BODY,
    max_frame: int = MAX_FRAME,
    keep_alive: float = streaming.KEEP_ALIVE_AFTER,
    send_timeout: float = streaming.SEND_TIMEOUT,
) -> APIRouter:
    """Return a router that serves an agent's threads: `app.include_router(langwire_router(graph), prefix="/chat")`,
    always with a prefix.

    `agent` is a graph, or its sessions, and `name` is what clients are told it is called. `authorize` says who asks, as
    a function of the request or as a FastAPI dependency: a thread then belongs to who made it, and is unknown to
    everybody else. Without it only this machine is served. `origins` are the other sites whose pages may ask. Each who
    asks has `rate[0]` requests in `rate[1]` seconds and `max_connections` streams and sockets. A `gate` stands in for
    these four, where several routers have one in common.

    `shown` says what of the events a client gets, `files` keeps what is uploaded, `read_input` makes the graph's input
    of what was sent, `abandon_after` is for how many seconds a turn goes on that nobody reads any more: they are those
    of `Threads`, and without effect where `agent` is one.

    Bodies have `max_body` bytes at most, frames of a socket `max_frame`. A stream in which nothing happens says so
    every `keep_alive` seconds. A client that takes nothing for `send_timeout` seconds is dropped.
    """
    threads, close = _threads_of(agent, shown, files, read_input, abandon_after)
    gate = gate or Gate(authorize=authorize, origins=origins, rate=rate, max_connections=max_connections)
    about = _about(name, threads, max_frame=max_frame, max_body=max_body)
    routes = _Routes(threads, gate, about, keep_alive=keep_alive, send_timeout=send_timeout)

    who = Depends(gate.visitor)

    async def ask(request: Request, visitor: Visitor = who) -> None:
        request.state.visitor = visitor

    async def talk(websocket: WebSocket, thread_id: str) -> None:
        await serve_socket(websocket, thread_id, threads, gate, max_frame=max_frame, send_timeout=send_timeout)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await close()

    router = APIRouter(route_class=web.guarded(threads.sessions.options.redactor), lifespan=lifespan, tags=["langwire"])
    for method, path, endpoint, told in routes.table(typed_input=read_input is None):
        router.add_api_route(path, endpoint, methods=[method], dependencies=[Depends(ask)], **told)
    router.add_api_websocket_route("/threads/{thread_id}/socket", talk)
    return router


def _threads_of(
    agent: Threads | SessionAdapter | Graph,
    shown: Shown | None,
    files: Files | None,
    read_input: Callable[[Any], Any] | None,
    abandon_after: float | None,
) -> tuple[Threads, Callable[[], Any]]:
    """Return the threads of an agent, and what closes that of them which is made here."""
    if isinstance(agent, Threads):
        return agent, _nothing
    shown = shown or Shown()
    given = isinstance(agent, SessionAdapter)
    sessions = agent if isinstance(agent, SessionAdapter) else SessionAdapter(agent, state=shown.state)
    threads = Threads(sessions, shown=shown, files=files or Files(), read_input=read_input, abandon_after=abandon_after)

    async def close() -> None:
        await threads.close()
        if not given:
            await sessions.close()

    return threads, close


def _about(name: str, threads: Threads, *, max_frame: int, max_body: int) -> protocol.About:
    return protocol.About(
        protocol=protocol.VERSION,
        version=version("langwire"),
        name=name,
        max_frame=max_frame,
        max_body=max_body,
        max_file=threads.max_file,
    )


async def _nothing() -> None:
    pass


Route = tuple[str, str, Callable[..., Any], dict[str, Any]]


class _Routes:
    """What is done at each address; who asks is known by then."""

    def __init__(
        self, threads: Threads, gate: Gate, about: protocol.About, *, keep_alive: float, send_timeout: float
    ) -> None:
        self._threads, self._gate, self._about = threads, gate, about
        self._keep_alive, self._send_timeout = keep_alive, send_timeout

    def table(self, *, typed_input: bool) -> Iterable[Route]:
        """Yield method, path, function and what `add_api_route` takes beside them."""
        thread = "/threads/{thread_id}"
        yield "GET", "", self.about, _told(200, protocol.About)
        yield "GET", "/", self.about, {**_told(200, protocol.About), "include_in_schema": False}
        yield "GET", "/threads", self.list, _told(200, protocol.ThreadPage)
        yield "POST", "/threads", self.create, _told(201, protocol.Thread, body_of(protocol.NewThread))
        yield "GET", thread, self.state, _told(200, protocol.ThreadState)
        yield "PATCH", thread, self.rename, _told(200, protocol.Thread, body_of(protocol.Rename))
        yield "DELETE", thread, self.delete, _told(204, None)
        yield "GET", f"{thread}/history", self.history, _told(200, protocol.HistoryPage)
        yield "GET", f"{thread}/export", self.export, _told(200, _FILE, media_type="*/*")
        yield "GET", f"{thread}/events", self.events, _told(200, _FRAMES, media_type="text/event-stream")
        for name, (kind, status) in _COMMANDS.items():
            # What the agent takes is known, unless the application reads it.
            typed = {"input": protocol.Content} if typed_input and kind is protocol.Submit else {}
            yield "POST", f"{thread}/{name}", self.command(name), _told(status, protocol.Ack, body_of(kind, **typed))
        if self._threads.files is not None:
            upload = {
                "requestBody": {"required": True, "content": {"*/*": {"schema": _BYTES}}},
                "parameters": [_UPLOADS],
            }
            yield "POST", f"{thread}/files", self.upload, _told(201, protocol.UploadedFile, upload)
            yield "GET", f"{thread}/files/{{file_id}}", self.file, _told(200, _BYTES, media_type="*/*")

    async def about(self) -> Response:
        """Say what serves here."""
        return answer_of(self._about)

    async def list(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[str | None, Query(max_length=400)] = None,
    ) -> Response:
        """List the threads, the last used first."""
        return answer_of(await self._threads.list(_who(request), limit=limit, before=before))

    async def create(self, request: Request) -> Response:
        """Make a thread."""
        asked = await read_request(request, protocol.NewThread, self._about.max_body)
        return answer_of(await self._threads.create(_who(request), asked), 201)

    async def state(self, request: Request, thread_id: str) -> Response:
        """Say where a thread stands."""
        return answer_of(await self._threads.state(await self._session(request, thread_id)))

    async def rename(self, request: Request, thread_id: str) -> Response:
        """Name a thread, or take its name away."""
        session = await self._session(request, thread_id)
        asked = await read_request(request, protocol.Rename, self._about.max_body)
        return answer_of(await self._threads.rename(session, asked, _who(request)))

    async def delete(self, request: Request, thread_id: str) -> Response:
        """Forget a thread; a turn that runs is stopped."""
        await self._threads.delete(await self._session(request, thread_id))
        return Response(status_code=204)

    async def history(self, request: Request, thread_id: str, full: bool = False) -> Response:
        """Tell what a thread holds, as the events of one turn; with `full` no value in it is cut short."""
        return answer_of(await self._threads.history(await self._session(request, thread_id), full=full))

    async def export(
        self, request: Request, thread_id: str, form: Annotated[Format, Query(alias="format")] = "html"
    ) -> Response:
        """Take a thread away as a file: a page that opens anywhere, a document, or its events line by line."""
        session = await self._session(request, thread_id)
        with self._gate.connection(visitor_of(request)):  # so many at once are held in memory
            data, headers = await self._threads.export(session, form)
        return Response(data, headers=headers)

    async def events(
        self,
        request: Request,
        thread_id: str,
        after: Position = None,
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> Response:
        """Tell a thread as server-sent events, from the position after which they are wanted."""
        session = await self._session(request, thread_id)
        position = read_position(session, last_event_id or after)
        held = ExitStack()

        async def closed(_: streaming.Closed) -> None:
            held.close()

        held.enter_context(self._gate.connection(visitor_of(request)))  # the stream outlives this function
        return streaming.sse(
            self._frames(session, position),
            on_close=closed,
            keep_alive_after=self._keep_alive,
            send_timeout=self._send_timeout,
            joined=True,
            redactor=self._threads.sessions.options.redactor,
        )

    async def _frames(self, session: Session, after: str | None) -> AsyncIterator[bytes]:
        async with aclosing(self._threads.read(session, after)) as frames:
            async for told in frames:
                yield b"".join([_event(position, line) for position, line in told])

    def command(self, name: str) -> Callable[..., Any]:
        """Return the function of an address to which a command is sent."""
        kind, status = _COMMANDS[name]

        async def command(request: Request, thread_id: str) -> Response:
            session = await self._session(request, thread_id)
            asked = msgspec.structs.replace(await read_request(request, kind, self._about.max_body), ref=None)
            ack = await self._threads.do(session, cast("protocol.AnyCommand", asked), _who(request))
            return answer_of(ack, status)

        command.__name__ = name
        command.__doc__ = (kind.__doc__ or "").partition("\n\n")[0]
        return command

    async def upload(self, request: Request, thread_id: str) -> Response:
        """Bring a file, for a message to this thread: the body is the file, and its type the content type.

        The header `langwire-file: 1` goes with it, which no form of another site can send.
        """
        session, files = await self._session(request, thread_id), cast("Files", self._threads.files)
        mime = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.headers.get("langwire-file") != "1" or mime in _FORMS or not MIME.fullmatch(mime):
            message = "expected a file as the body, its type as content-type, and the header langwire-file: 1"
            raise Refused(415, "unsupported_media_type", message)
        with self._gate.connection(visitor_of(request)):  # so many at once are held in memory
            data = await web.read_bytes(request, self._threads.max_file, within=_UPLOAD_TIMEOUT)
        return answer_of(files.put(session.thread_id, mime, data), 201)

    async def file(self, request: Request, thread_id: str, file_id: str) -> Response:
        """Get a file of a thread."""
        session, files = await self._session(request, thread_id), cast("Files", self._threads.files)
        found = files.get(session.thread_id, file_id)
        if found is None:
            raise Refused(404, "unknown_file", "nothing is known of this file: it was never here, or is not kept")
        mime, data = found
        return Response(data, headers=headers_of(mime))

    async def _session(self, request: Request, thread_id: str) -> Session:
        return await self._threads.session(thread_id, _who(request))


def _told(status: int, answer: Any, extra: dict[str, Any] | None = None, media_type: str = "application/json") -> Any:
    """Return what the OpenAPI document says of an address."""
    return {
        "status_code": status,
        "response_class": Response,
        "responses": answers(status, answer, media_type),
        "openapi_extra": extra,
    }


def _who(request: Request) -> str | None:
    return visitor_of(request).principal


def _event(position: str | None, line: bytes) -> bytes:
    return b"data: %b\n\n" % line if position is None else b"id: %b\ndata: %b\n\n" % (position.encode(), line)
