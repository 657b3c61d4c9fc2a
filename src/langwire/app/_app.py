"""Knows how one app serves it all: the threads of each agent, AG-UI, the board of tasks, and a page that shows them.

| address | what |
|---|---|
| `/` | the page |
| `/v1/…`, `/v1/agents/{name}/…` | the protocol: the first agent, and each one by its name |
| `/v1/agents` | which agents there are |
| `/v1/tasks…` | the board of delegated work |
| `/agui…`, `/agui/{name}…` | AG-UI, likewise |
| `/v1/openapi.json` | what can be asked at all these addresses |
| `/health`, `/ready` | whether the process answers; whether it takes turns |

One gate stands before all of it but the page and the last two, which tell nothing of anybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias, cast

from langwire.adapters._shared import web
from langwire.adapters._shared.gate import Gate, Visitor, origins_of
from langwire.adapters.fastapi.files import Files
from langwire.adapters.fastapi.router import RATE, langwire_router
from langwire.adapters.fastapi.shown import Shown
from langwire.adapters.fastapi.threads import Threads
from langwire.app._security import secure
from langwire.app.page import page_router
from langwire.app.tasks import task_router
from langwire.core._guards import is_mapping
from langwire.errors import MissingExtra, UsageError
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.delegation import Delegates
from langwire.sessions.graph import Graph, is_remote
from langwire.sessions.middleware import limit_turns

from fastapi import APIRouter, Depends, FastAPI, Request  # isort: skip  after `web`, which says what is missing
from starlette.exceptions import HTTPException  # isort: skip
from fastapi.responses import JSONResponse  # isort: skip

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor
    from langwire.sessions.turn import Middleware
    from langwire.tasks.client import TaskClient

Agent: TypeAlias = Graph | SessionAdapter | Threads

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_TAKEN = frozenset({"cancel", "capabilities", "connect"})
"""What AG-UI's own addresses are called."""
_SHOWN = Shown()
_PATIENCE = 5.0
"""So many seconds a store has to answer."""


def create_app(
    agents: Agent | Mapping[str, Agent],
    *,
    tasks: TaskClient | None = None,
    authorize: web.Authorize | None = None,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = (),
    name: str = "langwire",
    shown: Shown = _SHOWN,
    abandon_after: float | None = 300.0,
    rate: tuple[int, float] = RATE,
    max_connections: int = 100,
    max_turns: int | None = 100,
    drain: float = 10.0,
    agui: bool = True,
    debug: bool = False,
) -> FastAPI:
    """Return an app that serves agents: over the protocol, over AG-UI, and at a page of its own.

    `agents` is a graph, or its sessions, or its `Threads`; or several of them by name. The first one also stands at the
    addresses without a name. `tasks` is the `TaskRunner` to which they may delegate, or a client of its store: then
    there is the board. Whoever made sessions, threads or tasks closes them; the app closes what it makes of graphs:
    at its end, when their turns have had `drain` seconds to end by themselves.

    `authorize` says who asks, as a function of the request or as any FastAPI dependency: threads and tasks then belong
    to somebody, and are unknown to everybody else. Without it only this machine is served, under its own names and
    those in `hosts`; with it `hosts`, where there are any, are all names that are answered to. `origins` are other
    sites whose pages may ask, each as `https://host`. Each who asks has `rate[0]` requests in `rate[1]` seconds and
    `max_connections` streams and sockets at once. Of the graphs, `max_turns` turns run at once (None: any number), and
    with `authorize` a quarter of them for each who asks; sessions and threads that are given have limits of their own.

    `shown` and `abandon_after` are those of `langwire_router`. `name` is what the app is called. Without `agui` there
    is no AG-UI, which needs an extra. With `debug`, AG-UI clients on this machine are told the text of exceptions.

    `app.state.langwire` is the app's `Running`, to be closed before a server waits for its connections to end. Raises
    `UsageError` for a name that cannot stand in an address, for an origin that is none, and for limits below 1.
    """
    own, origins = tuple(hosts), sorted(origins_of(origins))
    around = around_turns(max_turns, asks=authorize is not None)
    running = Running(_named(agents), tasks, shown=shown, abandon_after=abandon_after, middleware=around, drain=drain)
    known = (*web.LOOPBACK, *own)
    gate = Gate(authorize=authorize, origins=origins, hosts=known, rate=rate, max_connections=max_connections)
    # FastAPI's own pages of documentation load scripts from elsewhere, and its document stands before no gate.
    app = FastAPI(title=name, version=version("langwire"), lifespan=running.lifespan, openapi_url=None)
    app.state.langwire = running
    app.add_exception_handler(HTTPException, web.unknown)
    if tasks is not None:
        board = task_router(tasks, gate=gate, shown=shown, stopping=running.stopping, redactor=running.redactor)
        app.include_router(board, prefix="/v1/tasks")
    _add_agents(app, running, gate, tasks=tasks is not None, agui=agui)
    if agui:
        _add_agui(app, running, gate, asks=authorize is not None, rate=rate, debug=debug)
    app.include_router(_about(name, running))
    app.include_router(page_router())
    secure(app, origins=origins, hosts=known if authorize is None or own else ())
    return app


class Running:
    """What an app serves, and how it comes to an end: `app.state.langwire`.

    A server that waits for its connections before it ends must `close` this first: a stream of a thread ends with the
    thread's sessions, and not by itself.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        tasks: TaskClient | None,
        *,
        shown: Shown,
        abandon_after: float | None,
        middleware: Sequence[Middleware],
        drain: float,
    ) -> None:
        delegates = tasks if isinstance(tasks, Delegates) else None
        self._made: list[Threads] = []
        self._own: list[SessionAdapter] = []
        self.agents: dict[str, Threads] = {}
        """The threads of each agent by its name."""
        for name, agent in agents.items():
            if isinstance(agent, Threads):
                self.agents[name] = agent
                continue
            if not isinstance(agent, SessionAdapter):
                may = None if is_remote(agent) else delegates
                agent = SessionAdapter(agent, state=shown.state, tasks=may, middleware=middleware)
                self._own.append(agent)
            self.agents[name] = Threads(agent, shown=shown, files=Files(), abandon_after=abandon_after)
            self._made.append(self.agents[name])
        redactors = (threads.sessions.options.redactor for threads in self.agents.values())
        self.redactor = next((redactor for redactor in redactors if redactor is not None), None)
        """Takes secrets out of what is reported of all agents together, of their tasks for one: the first that is."""
        self._tasks, self._drain = tasks, drain
        self.stopping = asyncio.Event()
        """Set when the app is coming to its end: it is not ready any more, and whoever watches tasks is let go."""

    async def answers(self) -> bool:
        """Whether every store answers: those of the threads, and that of the tasks."""
        options = [threads.sessions.options for threads in self.agents.values()]
        looks = [_answers(one.store.get("-"), one.redactor) for one in options]
        if self._tasks is not None:
            looks.append(_answers(self._tasks.store.changes(None), self.redactor))
        return all(await asyncio.gather(*looks))

    def ready(self) -> bool:
        """Whether turns are taken."""
        return not (self.stopping.is_set() or any(threads.sessions.closing for threads in self.agents.values()))

    async def close(self) -> None:
        """Take no more, let the turns come to their end, and close what the app has made. Again is without effect."""
        self.stopping.set()
        await asyncio.gather(*(threads.close() for threads in self._made))
        await asyncio.gather(*(sessions.close(drain=self._drain) for sessions in self._own))

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        """Close at the end."""
        try:
            yield
        finally:
            await self.close()


def around_turns(max_turns: int | None, *, asks: bool) -> Sequence[Middleware]:
    """Return the middleware of sessions that are made for a server: figures of turns, and how many run at once.

    There are no figures where OpenTelemetry is not installed. `asks` says that people say who they are: then nobody
    takes more than a quarter of the places. Raises `UsageError` for a number below 1.
    """
    if max_turns is None:
        return _measuring()
    if type(max_turns) is not int or max_turns < 1:
        raise UsageError(f"max_turns came as {max_turns!r:.80}: expected a number of turns, 1 or more, or None")
    # The figures come first, so that they count the turns that are refused.
    return (*_measuring(), limit_turns(max_turns, max(1, max_turns // 4) if asks else None))


def _measuring() -> Sequence[Middleware]:
    try:
        from langwire.sessions.otel_metrics import measure_turns
    except MissingExtra:
        return ()
    return (measure_turns(),)


async def _answers(look: Awaitable[object], redactor: Redactor | None) -> bool:
    """Whether a store answers in time; what keeps it from that goes to the log."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await look
    except Exception as error:  # whatever a store may raise, it is not ready
        web.report(error, redactor=redactor)
        return False
    return True


def _named(agents: Agent | Mapping[str, Agent]) -> Mapping[str, Agent]:
    named = cast("Mapping[str, Agent]", agents) if is_mapping(agents) else {"agent": cast("Agent", agents)}
    if not named:
        raise UsageError("no agent came: expected one, or a dict of names and agents")
    for name in named:
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise UsageError(
                f"an agent came as {name!r:.80}: expected letters, digits, '.', '_' and '-', 64 at most, and none of "
                f"{', '.join(sorted(_TAKEN))}"
            )
    return named


# ------------------------------------------------------------------ the addresses


def _addresses(prefix: str, among: str, names: Iterable[str]) -> Generator[tuple[str, str, bool]]:
    """Yield an agent's name, an address of its, and whether that is told in the app's document; the first has two."""
    names = list(names)
    yield names[0], prefix, True
    for name in names:
        yield name, f"{among}/{name}", len(names) > 1


def _add_agents(app: FastAPI, running: Running, gate: Gate, *, tasks: bool, agui: bool) -> None:
    guarded = web.guarded(running.redactor)
    router = APIRouter(route_class=guarded, dependencies=[Depends(gate.visitor)], tags=["langwire"])

    async def agents(request: Request) -> JSONResponse:
        """Say which agents there are, and where; and where the tasks are to which they may delegate, if there are."""
        root: str = request.scope.get("root_path", "")
        told = [
            {"name": name, "protocol": f"{root}/v1/agents/{name}", **({"agui": f"{root}/agui/{name}"} if agui else {})}
            for name in running.agents
        ]
        board = {"tasks": f"{root}/v1/tasks"} if tasks else {}
        return JSONResponse({"agents": told, **board})

    async def document(request: Request) -> JSONResponse:
        root: str = request.scope.get("root_path", "")
        return JSONResponse({**app.openapi(), **({"servers": [{"url": root}]} if root else {})})

    router.add_api_route("/v1/agents", agents, methods=["GET"])
    router.add_api_route("/v1/openapi.json", document, methods=["GET"], include_in_schema=False)
    app.include_router(router)
    for name, prefix, told in _addresses("/v1", "/v1/agents", running.agents):
        served = langwire_router(running.agents[name], name=name, gate=gate)
        app.include_router(served, prefix=prefix, include_in_schema=told)


def _add_agui(app: FastAPI, running: Running, gate: Gate, *, asks: bool, rate: tuple[int, float], debug: bool) -> None:
    from langwire.adapters.agui.bridge import AGUIBridge
    from langwire.adapters.agui.endpoint import agui_router

    came_in = Depends(gate.visitor)

    async def place(visitor: Visitor = came_in) -> AsyncGenerator[None]:
        with gate.connection(visitor):
            yield

    async def who(visitor: Visitor = came_in) -> str | None:
        return visitor.principal

    bridges = {name: AGUIBridge(threads.sessions) for name, threads in running.agents.items()}
    authorize = Depends(who) if asks else None
    for name, prefix, told in _addresses("/agui", "/agui", running.agents):
        served = agui_router(bridges[name], authorize=authorize, rate=rate, debug=debug)
        app.include_router(served, prefix=prefix, dependencies=[Depends(place)], include_in_schema=told)


def _about(name: str, running: Running) -> APIRouter:
    router = APIRouter(route_class=web.guarded(), tags=["operations"])

    async def health() -> JSONResponse:
        """Say that the process answers."""
        return JSONResponse({"status": "ok", "name": name, "version": version("langwire")})

    async def ready() -> JSONResponse:
        """Say whether turns are taken."""
        status = "ready" if running.ready() else "stopping"
        if status == "ready" and not await running.answers():
            status = "failing"
        return JSONResponse({"status": status}, 200 if status == "ready" else 503)

    for path, answer in (("/health", health), ("/ready", ready)):  # some balancers ask for the head alone
        router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
    router.add_api_route("/health", health, methods=["GET"])
    router.add_api_route("/ready", ready, methods=["GET"], responses={503: {"description": "It takes none."}})
    return router
