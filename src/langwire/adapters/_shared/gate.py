"""Knows who may come in, over HTTP and over a WebSocket alike; whoever may not is refused before any work is done.

In this order, each refusal with its code:

| status | code | why |
|---|---|---|
| 421 | `host_not_allowed` | nobody is asked who they are, and the host is none of ours |
| 403 | `authorize_needed` | nobody is asked who they are, and the request comes from elsewhere, or through a proxy |
| 403 | `origin_not_allowed` | the page is of another site, or a WebSocket comes without a page and without a token |
| 400 | `unsupported_protocol` | another version of the protocol is asked for |
| 401 … | `unauthorized` … | `authorize` knows nobody like that, or says something of its own |
| 429 | `too_many_requests` | so many came a moment ago |
| 429 | `too_many_connections` | so many are open |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from langwire.adapters._shared import correlation, web
from langwire.adapters._shared.refusals import Refused
from langwire.errors import UsageError

# after `web`, which says what is missing
from fastapi import Depends, FastAPI  # isort: skip
from fastapi.routing import APIRoute  # isort: skip
from starlette.requests import HTTPConnection, Request  # isort: skip
from starlette.responses import Response  # isort: skip
from starlette.types import Message, Scope  # isort: skip
from starlette.websockets import WebSocket  # isort: skip

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

PROTOCOL = "1"
"""The version of the protocol that is spoken here, as a client names it."""
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_LEFT_OUT = {"http": 80, "https": 443}
"""Ports that a browser does not name."""
_PASSED_ON = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
_HTTP_FOR = {"ws": "http", "wss": "https"}
_FOUND = "langwire.visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who came in: `principal` is None where nobody is asked. Rates and connections count by `key`."""

    principal: str | None
    key: str


class Gate:
    """Lets in who may come in: one object for all that is served together.

    `authorize` says who asks, as `langwire.adapters._shared.web` has it. Without it the gate answers only what comes
    from this machine and through no proxy, under one of the `hosts`, names or addresses. A proxy that does not say that
    it is one cannot be told from a program here. `origins` are those of other sites whose pages may come in, each as
    `scheme://host` or `scheme://host:port`; those of the same host always may.

    Each principal, or each client address where there is none, may send `rate[0]` requests in `rate[1]` seconds and
    hold `max_connections` streams and sockets open. Raises `UsageError` for an origin that is none, for "*", and for
    limits that let nobody in.
    """

    def __init__(
        self,
        *,
        authorize: web.Authorize | None = None,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = web.LOOPBACK,
        rate: tuple[int, float] = (600, 60.0),
        max_connections: int = 100,
    ) -> None:
        if max_connections < 1:
            raise UsageError(f"max_connections came as {max_connections}: expected 1 or more")
        self._asks = authorize is not None
        self._origins, self._hosts = origins_of(origins), web.names_of(hosts)
        self._rates, self._max_connections = web.Rates(rate), max_connections
        self._connections: Counter[str] = Counter()
        who = web.principal_of(authorize)

        async def look(connection: HTTPConnection) -> None:
            self._look(connection)

        async def enter(connection: HTTPConnection, principal: str | None = Depends(who)) -> Visitor:
            correlation.note(principal=principal)
            visitor = Visitor(principal, principal or web.client_of(connection))
            self.count(visitor)
            return visitor

        entered = Depends(enter)

        async def visitor(_: None = Depends(look), visitor: Visitor = entered) -> Visitor:
            return visitor

        async def come_in(request: Request, visitor: Visitor = entered) -> Response:
            request.scope[_FOUND] = visitor
            return Response()

        self._visitor, self._come_in = visitor, come_in
        self._routes: dict[tuple[Any, str], APIRoute] = {}

    @property
    def visitor(self) -> Callable[..., Awaitable[Visitor]]:
        """The FastAPI dependency of an HTTP route: gives who came in, or raises `Refused`, or what `authorize` does."""
        return self._visitor

    async def socket_visitor(self, websocket: WebSocket, *, redactor: Redactor | None = None) -> Visitor | None:
        """Return who came in over a WebSocket, which is not accepted yet; None for who was refused, and told why.

        What goes wrong in `authorize` is written to the log without what `redactor` takes out.
        """
        try:
            self._look(websocket)
            return await self._asked(websocket)
        except Exception as error:  # whatever it is becomes the answer
            answer = web.problem_of(error, redactor=redactor)
        await web.deny(answer, websocket.scope, websocket.receive, websocket.send)
        return None

    def count(self, visitor: Visitor) -> None:
        """Count one more request, such as a command of a socket. Raises `Refused` (429) when there are too many."""
        self._rates.admit(visitor.key)

    def connection(self, visitor: Visitor) -> AbstractContextManager[None]:
        """Hold the place of one stream or socket while entered. Entering raises `Refused` (429) when all are taken."""
        return self._place(visitor.key)

    @contextmanager
    def _place(self, key: str) -> Generator[None]:
        if self._connections[key] >= self._max_connections:
            raise Refused(429, "too_many_connections", "too many connections are open: close one first")
        self._connections[key] += 1
        try:
            yield
        finally:
            self._connections[key] -= 1
            if not self._connections[key]:
                del self._connections[key]

    async def _asked(self, websocket: WebSocket) -> Visitor:
        """Ask who it is as if the handshake were a request, which it is; raise what `authorize` raises.

        So one and the same `authorize` does for both: in FastAPI a dependency of a WebSocket has no request. What it
        holds open is closed before the socket begins.
        """
        scope = websocket.scope
        twin: dict[str, Any] = {
            **scope,
            "type": "http",
            "method": "GET",
            "scheme": _HTTP_FOR[scope.get("scheme", "ws")],
            "starlette.exception_handlers": ({}, {}),  # an answer of the application's own would go nowhere
        }
        await self._route(scope).handle(twin, _nothing, _to_nobody)
        return twin[_FOUND]

    def _route(self, scope: Scope) -> APIRoute:
        """Return a route that leads to the dependency alone; made once, as FastAPI takes a millisecond for it."""
        app = scope.get("app")
        path = "".join(f"/{{{name}}}" for name in scope.get("path_params", {})) or "/"  # a dependency may ask for them
        route = self._routes.get((app, path))
        if route is None:
            overridden = app if isinstance(app, FastAPI) else None
            route = APIRoute(path, self._come_in, dependency_overrides_provider=overridden)
            self._routes[app, path] = route
        return route

    def _look(self, connection: HTTPConnection) -> None:
        """Refuse what must not even be asked who it is."""
        if not self._asks:
            web.check_host(connection.scope, self._hosts)
            _check_address(connection.scope)
        self._check_origin(connection)
        if any(version != PROTOCOL for version in connection.query_params.getlist("protocol")):
            raise Refused(400, "unsupported_protocol", f"expected protocol {PROTOCOL}: no other is spoken here")

    def _check_origin(self, connection: HTTPConnection) -> None:
        given = connection.headers.getlist("origin")
        if not given:
            # A browser always names the page of a WebSocket, and cannot send a token with it.
            from_a_program = self._asks and "authorization" in connection.headers
            if connection.scope["type"] == "websocket" and not from_a_program:
                raise _foreign("a WebSocket without an origin came: send one, or the header authorization")
        elif len(given) > 1 or not (given[0] in self._origins or _is_own(given[0], connection.scope)):
            raise _foreign("this server does not answer to pages of the origin that the request names")


def origins_of(origins: Iterable[str]) -> frozenset[str]:
    """Return origins as browsers name them. Raises `UsageError` for what is none, and for "*"."""
    return frozenset(map(_origin_of, origins))


def _origin_of(origin: str) -> str:
    found = _ORIGIN.fullmatch(origin)
    if found is None or int(found[3] or 0) > 65535:
        raise UsageError(
            f"{origin!a:.80} came as an origin: expected scheme://host or scheme://host:port in lower case, no path "
            "and no '*': name each one"
        )
    scheme, host = found[1], found[2]
    port = int(found[3]) if found[3] else _LEFT_OUT.get(scheme)
    return f"{scheme}://{host}" if port == _LEFT_OUT.get(scheme) else f"{scheme}://{host}:{port}"


def _is_own(origin: str, scope: Scope) -> bool:
    """Whether a page comes from the host that it calls, whatever stands in between: who ends TLS need not be we."""
    host = web.host_of(scope)
    return host is not None and origin in (f"http://{host.lower()}", f"https://{host.lower()}")


def _foreign(message: str) -> Refused:
    return Refused(403, "origin_not_allowed", message)


def _check_address(scope: Scope) -> None:
    """Refuse what comes from elsewhere, and what a proxy has passed on, which could come from anywhere."""
    passed_on = any(name in _PASSED_ON for name, _ in scope["headers"])
    if passed_on or not all(map(_is_here, (scope.get("server"), scope.get("client")))):
        raise Refused(403, "authorize_needed", "this server lets nobody from elsewhere in without authorize")


def _is_here(end: tuple[str, int | None] | None) -> bool:
    """Whether an end of a connection is on this machine."""
    if end is None or end[1] is None:  # of a Unix socket
        return True
    with suppress(ValueError):
        address = ip_address(end[0])
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return (mapped or address).is_loopback
    return end[0].lower() in web.LOOPBACK


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _to_nobody(_: Message) -> None: ...
