"""`langwire serve`: an agent at an address of this machine, for AG-UI clients on this machine."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.adapters._shared.web import LOOPBACK, AllowedHosts, guarded, unknown
from langwire.commands import DONE, FAILED, leave, say
from langwire.commands.long_running import failures_as_lines, read_strictly
from langwire.errors import LangwireError, MissingExtra, UsageError

try:
    import uvicorn
    from fastapi import APIRouter, FastAPI
    from starlette.exceptions import HTTPException
    from starlette.responses import PlainTextResponse
except ImportError as missing:
    raise MissingExtra('serving on the web needs an extra: pip install "langwire[web]"') from missing

if TYPE_CHECKING:
    from langwire.sessions.adapter import SessionAdapter

_GRACE = 2
"""So many seconds a connection has to end when the turns are over."""
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_UNREAD_MS = 60_000
"""After so many milliseconds the system drops a client that takes nothing of what it was sent."""


class CannotListen(LangwireError):
    """An address cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the command line asks for: the agent `spec`, an address, and the file `db` that keeps the threads."""

    spec: str
    host: str
    port: int
    db: str | None
    debug: bool


def serve(service: Service) -> int:
    """Serve an agent until somebody stops it; return the exit code: 0 after SIGTERM.

    Raises `UsageError` for a host that is not loopback, `KeyboardInterrupt` after Ctrl-C, when everything is closed,
    and `OSError` when the output cannot be written. Anything else that goes wrong is said in one line, with a
    traceback before it when `debug` asks for it.
    """
    read_strictly()
    with failures_as_lines("langwire", "uvicorn.error", debug=service.debug):
        try:
            server = _served(service)
        except UsageError:
            raise
        except Exception as error:  # the end of the program: whatever it is becomes a line and a code
            _complain(error, debug=service.debug)
            return FAILED
    if server.output_lost is not None:
        raise server.output_lost
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    return DONE


def _served(service: Service) -> _Server:
    """Listen, load the agent, and serve it to the end; return what is known then."""
    from langwire.host import load_agent

    sockets = listen(service.host, service.port)
    try:
        graph = load_agent(service.spec)
        line = f"langwire: serving {service.spec} at {_url(service.host, sockets[0])}"
        out = sys.stdout
        with redirect_stdout(sys.stderr):  # standard output is for that line, also while the agent runs
            return asyncio.run(_serve(service, graph, sockets, safe_terminal(line, keep_newlines=False), out))
    finally:
        for listening in sockets:
            listening.close()


async def _serve(service: Service, graph: Any, sockets: list[socket.socket], line: str, out: TextIO) -> _Server:
    async with _sessions(graph, service.db) as sessions:
        app = create_app(sessions, name=service.spec, hosts=(*LOOPBACK, service.host), debug=service.debug)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE
        )
        server = _Server(config, sessions, line, out)
        await server.serve(sockets)
        return server


def _sessions(graph: Any, db: str | None) -> AbstractAsyncContextManager[SessionAdapter]:
    from langwire.sessions.adapter import SessionAdapter
    from langwire.sessions.sqlite import sqlite_sessions

    return SessionAdapter(graph) if db is None else sqlite_sessions(graph, db)


# ------------------------------------------------------------------ the app


def create_app(
    sessions: SessionAdapter,
    *,
    name: str = "agent",
    hosts: Iterable[str] = LOOPBACK,
    debug: bool = False,
    agui: APIRouter | None = None,
) -> FastAPI:
    """Return an app that serves these sessions: AG-UI at `/agui`, `/health`, and a page of text at `/`.

    It answers to `hosts` only, and closes the sessions when it ends. With `debug`, clients on this machine are told
    the text of exceptions. `agui` is what stands at `/agui`, if it is to be another router than that of the sessions.
    """
    if agui is None:
        from langwire.adapters.agui.endpoint import agui_router

        agui = agui_router(sessions, debug=debug)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await sessions.close()

    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(title=name, lifespan=lifespan, openapi_url=None)
    app.add_middleware(AllowedHosts, hosts=tuple(hosts))
    app.add_exception_handler(HTTPException, unknown)
    app.include_router(agui, prefix="/agui")
    app.include_router(_about(name))
    return app


def _about(name: str) -> APIRouter:
    router = APIRouter(route_class=guarded())

    @router.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "name": name, "version": version("langwire")}

    @router.get("/")
    async def addresses() -> PlainTextResponse:
        return PlainTextResponse(
            f"langwire serves {name}\n\n"
            "POST /agui                 AG-UI: a run\n"
            "POST /agui/connect         AG-UI: what a thread holds, and what runs there\n"
            "POST /agui/cancel/{runId}  AG-UI: stop a run\n"
            "GET  /agui/capabilities    AG-UI: what the agent can do\n"
            "GET  /health               whether it works\n"
        )

    # What the decorators gave them to is the router; nobody else calls them.
    del health, addresses
    return router


# ------------------------------------------------------------------ the server


class _Server(uvicorn.Server):
    """Says where it is once it accepts, and when it is stopped ends the turns first, so that their streams do."""

    def __init__(self, config: uvicorn.Config, sessions: SessionAdapter, line: str, out: TextIO) -> None:
        super().__init__(config)
        self._sessions, self._line, self._out = sessions, line, out
        self.stopped_by: int | None = None
        """The signal that stopped it."""
        self.output_lost: OSError | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            print(self._line, file=self._out, flush=True)
        except OSError as error:
            self.output_lost, self.should_exit = error, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._sessions.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ctrl-C and SIGTERM stop the server, a second Ctrl-C leaves at once. What is ignored stays so."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        taken = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
        for number in taken:
            signal.signal(number, self._stop)
        try:
            yield
        finally:
            if self.stopped_by is not None:  # what is left to do may hang, so the next Ctrl-C must leave
                taken.pop(signal.SIGINT, None)
            for number, handler in taken.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by, self.should_exit = number, True
        if signal.getsignal(signal.SIGINT) == self._stop:
            signal.signal(signal.SIGINT, leave)


# ------------------------------------------------------------------ the address


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every loopback address that `host` is; port 0 stands for any that is free, the same for all.

    Raises `UsageError` when one of them is not loopback, and `CannotListen` for a host that is unknown and a port
    that cannot be had.
    """
    sockets: list[socket.socket] = []
    refused: list[OSError] = []
    for family, address in _addresses(host, port):
        try:
            listening = _listening(family, (address, sockets[0].getsockname()[1] if sockets else port))
        except OSError as error:
            refused.append(error)
        else:
            sockets.append(listening)
    # A name may stand for an address that this machine has not got, of IPv6 for one. A port that is taken is no such.
    failed = [error for error in refused if not (sockets and error.errno in _NOT_HERE)]
    if failed:
        for listening in sockets:
            listening.close()
        why = failed[0].strerror
        raise CannotListen(f"cannot listen at {host}:{port} ({why}): give another --port, 0 for any that is free")
    return sockets


def _addresses(host: str, port: int) -> list[tuple[int, str]]:
    """Return the addresses of a host, with their families, all of them loopback."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(f"there is no host {host!r}: give --host 127.0.0.1, or leave it out") from error
    addresses = list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))
    for _, address in addresses:
        if not ip_address(address.partition("%")[0]).is_loopback:
            raise UsageError(
                f"{host} is an address for others, who would all be let in: serve them from an app of your own, "
                "with agui_router(sessions, authorize=...)"
            )
    return addresses


def _listening(family: int, address: tuple[str, int]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it lets two servers have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
        listening.bind(address)
        listening.listen()  # a port that another one listens at is refused here at the latest
    except OSError:
        listening.close()
        raise
    return listening


def _url(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# ------------------------------------------------------------------ what goes wrong


def _complain(error: Exception, *, debug: bool) -> None:
    if debug:
        print(safe_terminal("".join(traceback.format_exception(error))), file=sys.stderr)
    say(str(error) if isinstance(error, LangwireError) else f"{type(error).__name__}: {error}")
