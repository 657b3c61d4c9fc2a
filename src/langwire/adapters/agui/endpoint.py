"""Knows the addresses of AG-UI over HTTP, and how a run goes out: as server-sent events, or in the binary form.

| address | what |
|---|---|
| `POST` | a run: `RunAgentInput` in, events out |
| `POST …/connect` | what a thread holds, then the turn that runs there |
| `POST …/cancel/{run_id}` | stop a run; the body is `{}`, or says a `reason` |
| `GET …/capabilities` | what the agent can do |

Whatever is wrong with a request is refused before a stream begins, as `{"error": {"code", "message"}}`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import msgspec

from langwire.adapters._shared import streaming, web
from langwire.adapters.agui import protobuf
from langwire.adapters.agui._refused import Refused
from langwire.adapters.agui.bridge import AGUIBridge, AGUIRun
from langwire.adapters.agui.events import Event
from langwire.adapters.agui.frames import sse_frame
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph

from fastapi import APIRouter, Depends, FastAPI, Request  # isort: skip  after `web`, which says what is missing
from starlette.exceptions import HTTPException  # isort: skip
from fastapi.responses import JSONResponse, Response  # isort: skip

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

RATE = (240, 60.0)
"""So many requests in so many seconds, of each who asks."""


class _Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """What may be said with a cancel."""

    reason: str | None = None


def agui_router(
    agent: AGUIBridge | SessionAdapter | Graph,
    *,
    authorize: web.Authorize | None = None,
    max_body: int = web.MAX_BODY,
    rate: tuple[int, float] = RATE,
    debug: bool = False,
) -> APIRouter:
    """Return a router that serves an agent to AG-UI clients: `app.include_router(agui_router(graph), prefix="/agui")`.

    `agent` is a graph, or its sessions; an `AGUIBridge` of it says more about what is shown. `authorize` says who asks,
    as a function of the request or as a FastAPI dependency: threads then belong to who used them first, and are unknown
    to everybody else. Without it everybody may read every thread whose id they know.

    A body may have `max_body` bytes, and each who asks `rate[0]` requests in `rate[1]` seconds. Who is refused is not
    counted: a limit on guesses belongs to `authorize`, which knows behind which proxy it stands. With `debug`, clients
    on this machine are told the text of exceptions, which may hold secrets.
    """
    bridge = agent if isinstance(agent, AGUIBridge) else AGUIBridge(agent)
    rates, who = web.Rates(rate), web.principal_of(authorize)
    routes = _Routes(bridge, max_body=max_body, debug=debug)

    async def ask(request: Request, principal: str | None = Depends(who)) -> None:
        rates.admit(principal or web.client_of(request))
        request.state.principal = principal

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        yield
        if bridge is not agent:
            await bridge.close()

    router = APIRouter(
        route_class=web.guarded(bridge.sessions.options.redactor),
        dependencies=[Depends(ask)],
        lifespan=lifespan,
        tags=["ag-ui"],
    )
    router.add_api_route("", routes.run, methods=["POST"])
    router.add_api_route("/", routes.run, methods=["POST"], include_in_schema=False)
    router.add_api_route("/connect", routes.connect, methods=["POST"])
    router.add_api_route("/cancel/{run_id}", routes.cancel, methods=["POST"])
    router.add_api_route("/capabilities", routes.capabilities, methods=["GET"])
    return router


class _Routes:
    """What is done at each address; who asks is known by then."""

    def __init__(self, bridge: AGUIBridge, *, max_body: int, debug: bool) -> None:
        self._bridge, self._max_body, self._debug = bridge, max_body, debug
        self._redactor = bridge.sessions.options.redactor

    async def run(self, request: Request) -> Response:
        """Run the agent, and tell what it does."""
        body = await web.read_body(request, self._max_body)
        debug = self._debug and _is_here(request)
        with _refusing():
            taken = await self._bridge.run(body, principal=_who(request), debug=debug)
        return _response(request, taken, self._redactor)

    async def connect(self, request: Request) -> Response:
        """Tell what a thread holds, then the turn that runs there."""
        body = await web.read_body(request, self._max_body)
        with _refusing():
            taken = await self._bridge.connect(body, principal=_who(request))
        return _response(request, taken, self._redactor)

    async def cancel(self, run_id: str, request: Request) -> Response:
        """Stop a run; `stopped` says whether nothing of it goes on any more."""
        body = await web.read_body(request, self._max_body)
        try:
            said = msgspec.json.decode(body or b"{}", type=_Cancel)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            message = 'a body that is no cancel came: expected {} or {"reason": text}'
            raise web.Refused(422, "invalid_input", message) from None
        with _refusing():
            stopped = await self._bridge.cancel(run_id, principal=_who(request), reason=said.reason)
        return JSONResponse({"stopped": stopped})

    async def capabilities(self) -> Response:
        """Say what the agent can do."""
        return JSONResponse(self._bridge.capabilities())


def agui_app(
    agent: AGUIBridge | SessionAdapter | Graph,
    *,
    path: str = "/agui",
    authorize: web.Authorize | None = None,
    max_body: int = web.MAX_BODY,
    rate: tuple[int, float] = RATE,
    debug: bool = False,
) -> FastAPI:
    """Return an ASGI application that serves an agent at `path`; see `agui_router`.

    Without `authorize` it answers only to the names of this machine, so that no page from elsewhere can reach it.
    """
    app = FastAPI(title="AG-UI", openapi_url=None)
    router = agui_router(agent, authorize=authorize, max_body=max_body, rate=rate, debug=debug)
    app.include_router(router, prefix=path)
    app.add_exception_handler(HTTPException, web.unknown)
    if authorize is None:
        app.add_middleware(web.AllowedHosts)
    return app


@contextmanager
def _refusing() -> Generator[None]:
    try:
        yield
    except Refused as refused:
        raise web.Refused(refused.status, refused.code, str(refused)) from None


def _who(request: Request) -> str | None:
    """Return who asks, as the router's dependency has found out."""
    return request.state.principal


def _is_here(request: Request) -> bool:
    """Whether a request comes from this machine."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _response(request: Request, run: AGUIRun, redactor: Redactor | None) -> streaming.Stream:
    async def closed(_: streaming.Closed) -> None:
        run.left()

    if _wants_binary(request):
        frames = _frames(run, protobuf.encode)
        return streaming.Stream(frames, media_type=protobuf.MEDIA_TYPE, on_close=closed, redactor=redactor)
    return streaming.sse(_frames(run, sse_frame), on_close=closed, redactor=redactor)


async def _frames(run: AGUIRun, write: Callable[[Event], bytes]) -> AsyncIterator[bytes]:
    async with aclosing(run):
        async for event in run:
            yield write(event)


def _wants_binary(request: Request) -> bool:
    """Whether the client names the binary form; one that takes anything gets what a person can read."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    for one in accepted.split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        if name == protobuf.MEDIA_TYPE:
            return not any(part.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in parameters)
    return False
