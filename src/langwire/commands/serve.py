"""`langwire serve`: an agent at an address, with all its faces: its page, the protocol, AG-UI, the board of tasks."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.commands import DONE, FAILED, leave, say
from langwire.commands.long_running import failures_as_lines, read_strictly
from langwire.errors import LangwireError, MissingExtra, UsageError

try:
    import uvicorn
    from fastapi import FastAPI
except ImportError as missing:
    raise MissingExtra('serving on the web needs an extra: pip install "langwire[web]"') from missing

if TYPE_CHECKING:
    from langwire.app import Running
    from langwire.sessions.adapter import SessionAdapter
    from langwire.tasks.runner import TaskRunner

AGENT = "main"
"""Under which name tasks know the agent: that of `langwire tasks worker`, so both can work on one file."""
_GRACE = 2
"""So many seconds a connection has to end when the turns are over."""
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_UNREAD_MS = 60_000
"""After so many milliseconds the system drops a client that takes nothing of what it was sent."""


class CannotListen(LangwireError):
    """An address cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the command line asks for.

    The agent `spec`, an address, the file `db` that keeps the threads, and `tasks`, that of delegated work ("" keeps it
    in memory, None: there is none). `authorize` is a spec as well, of the function that says who asks; `origins` are
    the sites whose pages may. `max_turns` turns run at once, and have `drain` seconds to end by themselves. `log` is
    how the log is written.
    """

    spec: str
    host: str
    port: int
    db: str | None
    tasks: str | None = None
    authorize: str | None = None
    origins: Sequence[str] = ()
    max_turns: int
    drain: float = 0.0
    log: Literal["lines", "json"] = "lines"
    debug: bool


def serve(service: Service) -> int:
    """Serve an agent until somebody stops it; return the exit code: 0 after SIGTERM.

    Raises `UsageError` for a host that is not loopback where nobody is asked who they are, `KeyboardInterrupt` after
    Ctrl-C, when everything is closed, and `OSError` when the output cannot be written. Anything else that goes wrong is
    said in one line, with a traceback before it when `debug` asks for it.
    """
    read_strictly()
    with _log(service):
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


def _log(service: Service) -> AbstractContextManager[None]:
    if service.log == "json":
        return _json_lines("langwire", "uvicorn.error")
    return failures_as_lines("langwire", "uvicorn.error", debug=service.debug)


@contextmanager
def _json_lines(*loggers: str) -> Generator[None]:
    """Meanwhile, write what these loggers are told on standard error, each record as one line of JSON."""
    from langwire.app.logs import JSONLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines())
    heard = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    for logger in heard:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in heard.items():
            logger.removeHandler(handler)
            logger.setLevel(level)


def _served(service: Service) -> _Server:
    """Listen, load the agent, and serve it to the end; return what is known then."""
    from langwire.host import load_agent, load_function

    sockets = listen(service.host, service.port, for_others=service.authorize is not None)
    try:
        graph = load_agent(service.spec)
        authorize = None if service.authorize is None else load_function(service.authorize)
        out = sys.stdout
        with redirect_stdout(sys.stderr):  # standard output is for our lines, also while the agent runs
            return asyncio.run(_serve(service, graph, authorize, sockets, out))
    finally:
        for listening in sockets:
            listening.close()


async def _serve(
    service: Service, graph: Any, authorize: Callable[..., Any] | None, sockets: list[socket.socket], out: TextIO
) -> _Server:
    from langwire.app import create_app

    async with _sessions(service, graph) as (sessions, tasks):
        app = create_app(
            sessions,
            tasks=tasks,
            authorize=authorize,
            origins=service.origins,
            hosts=() if authorize is not None else (service.host,),
            name=PurePath(service.spec.strip()).name,  # where it lies is nobody's business
            debug=service.debug,
        )
        # A stream that goes on is ended before uvicorn waits for it; what is left then gets no more than this.
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            ws_per_message_deflate=False,  # a token is too short to be worth it, and each socket would hold 300 kB more
        )
        server = _Server(config, app, sessions, _lines(service, sockets[0]), out, drain=service.drain)
        await server.serve(sockets)
        return server


@asynccontextmanager
async def _sessions(service: Service, graph: Any) -> AsyncGenerator[tuple[SessionAdapter, TaskRunner | None]]:
    """Yield the sessions of an agent, and the runner to which it may delegate, which works meanwhile."""
    from langwire.app._app import around_turns
    from langwire.sessions.adapter import SessionAdapter
    from langwire.sessions.sqlite import sqlite_sessions

    async with _working(service.tasks, graph) as tasks:
        around = around_turns(service.max_turns, asks=service.authorize is not None)
        options: dict[str, Any] = {"tasks": tasks, "middleware": around}
        kept = SessionAdapter(graph, **options) if service.db is None else sqlite_sessions(graph, service.db, **options)
        async with kept as sessions:
            yield sessions, tasks


@asynccontextmanager
async def _working(file: str | None, graph: Any) -> AsyncGenerator[TaskRunner | None]:
    if file is None:
        yield None
        return
    from langwire.tasks.runner import TaskRunner
    from langwire.tasks.sqlite_store import SQLiteTaskStore

    async with TaskRunner({AGENT: graph}, SQLiteTaskStore(file) if file else None) as runner:
        yield runner


def _lines(service: Service, listening: socket.socket) -> str:
    """Return what is said when the server accepts: where it is, and what is there."""
    url = _url(service.host, listening)
    faces = {
        "page": "/",
        "protocol": "/v1",
        "AG-UI": "/agui",
        **({} if service.tasks is None else {"tasks": "/v1/tasks"}),
    }
    told = [
        f"langwire: serving {service.spec} at {url}",
        *(f"  {face:<8}  {url}{path}" for face, path in faces.items()),
    ]
    return "\n".join(safe_terminal(line, keep_newlines=False) for line in told)


# ------------------------------------------------------------------ the server


class _Server(uvicorn.Server):
    """Says where it is once it accepts, and when it is stopped ends the turns first, so that their streams do."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, sessions: SessionAdapter, lines: str, out: TextIO, *, drain: float
    ) -> None:
        super().__init__(config)
        self._running: Running = app.state.langwire
        self._sessions, self._lines, self._out, self._drain = sessions, lines, out, drain
        self.stopped_by: int | None = None
        """The signal that stopped it."""
        self.output_lost: OSError | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            print(self._lines, file=self._out, flush=True)
        except OSError as error:
            self.output_lost, self.should_exit = error, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # It still accepts meanwhile: whoever asks is told that it is not ready, and may read to the end.
        await self._running.close()
        await self._sessions.close(drain=self._drain)
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


def listen(host: str, port: int, *, for_others: bool = False) -> list[socket.socket]:
    """Listen at every address that `host` is; port 0 stands for any that is free, the same for all.

    Raises `UsageError` when one of them is not loopback, unless they are `for_others`, and `CannotListen` for a host
    that is unknown and a port that cannot be had.
    """
    sockets: list[socket.socket] = []
    refused: list[OSError] = []
    for family, address in _addresses(host, port, for_others=for_others):
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


def _addresses(host: str, port: int, *, for_others: bool) -> list[tuple[int, str]]:
    """Return the addresses of a host, with their families, all of them loopback unless they are for others."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(f"there is no host {host!r}: give --host 127.0.0.1, or leave it out") from error
    addresses = list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))
    for _, address in addresses:
        if not (for_others or ip_address(address.partition("%")[0]).is_loopback):
            raise UsageError(
                f"{host} is an address for others, who would all be let in: say who may come in with --authorize "
                "pkg.module:function, or serve them from an app of your own, with langwire_router(sessions, "
                "authorize=...)"
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
