"""Knows what every web face does alike: who may come in, how much they may bring, and what goes wrong.

For a router, in the order in which a request meets it:

    AllowedHosts(app)                     only names that are ours: a page elsewhere cannot rebind its own to us
    APIRouter(route_class=guarded())      whatever goes wrong inside is one JSON shape, never an exception's text
    Depends(principal_of(authorize))      who asks, or None where nobody is asked
    Rates((30, 60.0)).admit(key)          so many requests for each key
    await read_body(request)              JSON alone, and no more than the limit is ever held
    check_depth(value)                    and no deeper than one can go

Who may come in, over HTTP and WebSockets alike, is in `langwire.adapters._shared.gate`, what a client is told of an
error in `langwire.adapters._shared.refusals`, how a stream goes out in `langwire.adapters._shared.streaming`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from langwire.adapters._shared import correlation
from langwire.adapters._shared.refusals import Refused, refusal_of
from langwire.core._guards import is_mapping
from langwire.errors import UsageError

# after `refusals`, which says what is missing
from fastapi import Depends  # isort: skip
from fastapi import params as fastapi_params  # isort: skip
from fastapi.exceptions import RequestValidationError  # isort: skip
from fastapi.routing import APIRoute  # isort: skip
from starlette.exceptions import HTTPException  # isort: skip
from starlette.requests import ClientDisconnect, HTTPConnection, Request  # isort: skip
from starlette.responses import Response  # isort: skip
from starlette.types import ASGIApp, Receive, Scope, Send  # isort: skip

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

MAX_BODY = 4 * 2**20
MAX_DEPTH = 64
BODY_TIMEOUT = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store", "referrer-policy": "no-referrer"}
"""What each of our responses says, unless it says something else by the same name."""

logger = logging.getLogger("langwire.web")


# ------------------------------------------------------------------ what goes wrong


def problem(
    status: int,
    code: str,
    message: str,
    error_id: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the one shape of everything that goes wrong: `{"error": {"code": …, "message": …, "id": …}}`.

    `error_id` is what finds the log's entry, `retry_after` are seconds.
    """
    error = {"code": code, "message": message, **({} if error_id is None else {"id": error_id})}
    more = {} if retry_after is None else {"retry-after": str(max(1, ceil(retry_after)))}
    correlation.note(code=code)
    return Response(
        msgspec.json.encode({"error": error}),
        status,
        {**HEADERS, **(headers or {}), **more},
        media_type="application/json",
    )


def problem_of(error: Exception, *, redactor: Redactor | None = None) -> Response:
    """Return what a client may know of an exception.

    That is all of a `Refused`, its refusal of an error that langwire raises for the request, all of an
    `HTTPException`, and of a request that does not validate. Of anything else it gets an error id; the story goes to
    the log `langwire.web`, without what `redactor` takes out.
    """
    told = refusal_of(error)
    if told is not None:
        return problem(told.status_code, told.code, told.detail, None, told.retry_after, told.headers)
    match error:
        case HTTPException():
            return _problem_of_status(error)
        case RequestValidationError():
            return problem(422, "invalid_request", _first_of(error))
        case ClientDisconnect():
            return problem(400, "client_closed_request", "the client left before its request was read")
        case _:
            error_id = report(error, redactor=redactor)
            return problem(
                500, "internal_error", "something went wrong here: its error id finds it in the log", error_id
            )


async def deny(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket that has not been accepted, with what says why it is refused.

    A server that can only close such a socket does that, and its client gets a bare 403.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
    else:
        await response(scope, receive, send)


async def unknown(_: Request, error: Exception) -> Response:
    """Tell of an address that is none: the application's handler of `HTTPException`."""
    return problem_of(error)


def report(error: BaseException, *, redactor: Redactor | None = None) -> str:
    """Write an exception to the log `langwire.web`, without what `redactor` takes out; return its error id."""
    error_id = token_hex(8)
    story = "".join(traceback.format_exception(error))
    if redactor is not None:
        story = redactor.redact(story)[0]
    request = correlation.request_id()
    what = f"error {error_id}" if request is None else f"error {error_id} of request {request}"
    # Indented, so that it forges no line of the log.
    logger.error("%s\n    %s", what, story.rstrip().replace("\n", "\n    "))
    return error_id


def guarded(redactor: Redactor | None = None) -> type[APIRoute]:
    """Return a route class for `APIRouter(route_class=…)`: what goes wrong in a route becomes its `problem`."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Any]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    response = await handle(request)
                except Exception as error:
                    response = problem_of(error, redactor=redactor)
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)
                return response

            return answer

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await super().handle(scope, receive, send)
            except HTTPException as error:  # the method is none of the route's
                await problem_of(error)(scope, receive, send)

    return Guarded


def _problem_of_status(error: HTTPException) -> Response:
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:  # a number that nobody has named
        phrase = "Error"
    said: Any = error.detail
    message = said if isinstance(said, str) and said else phrase
    return problem(error.status_code, phrase.lower().replace(" ", "_"), message, headers=error.headers)


def _first_of(error: RequestValidationError) -> str:
    first: Mapping[str, Any] = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


# ------------------------------------------------------------------ what they bring


async def read_body(request: Request, limit: int = MAX_BODY, *, within: float = BODY_TIMEOUT) -> bytes:
    """Return the JSON text of a request's body, as bytes that nobody has read yet.

    Raises `Refused`: 415 for anything but `application/json` in UTF-8, which is what a form or a script of another site
    cannot send without asking first; and what `read_bytes` raises.
    """
    _check_type(request)
    return await read_bytes(request, limit, within=within)


async def read_bytes(request: Request, limit: int, *, within: float = BODY_TIMEOUT) -> bytes:
    """Return a request's body, whatever it is; at most `limit` bytes and one chunk are ever held.

    Raises `Refused`: 415 for a body that is encoded, 413 for more than `limit` bytes, 408 when it is not there `within`
    so many seconds.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "unsupported_media_type", "expected a body without content-encoding")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit:
                    raise _too_large(limit)
                body += chunk
    except TimeoutError:
        late = f"the body was not there within {within:g} seconds"
        # The rest of it is not waited for either.
        raise Refused(408, "request_timeout", late, headers={"connection": "close"}) from None
    return bytes(body)


def _check_type(request: Request) -> None:
    kind, _, options = request.headers.get("content-type", "").lower().partition(";")
    charset = options.replace(" ", "").replace('"', "")
    if kind.strip() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refused(415, "unsupported_media_type", "expected content-type: application/json, in UTF-8")


def _too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"the body is larger than {limit} bytes")


def check_depth(value: Any, limit: int = MAX_DEPTH) -> None:
    """Raise `Refused` (422) when lists and objects of JSON stand in each other more than `limit` deep."""
    level = _containers([value])
    for _ in range(limit):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return
    raise Refused(422, "too_deep", f"what came is nested deeper than {limit}: send something flatter")


def _containers(outer: Any) -> list[Any]:
    items: Iterable[Any] = outer.values() if is_mapping(outer) else outer
    return [item for item in items if isinstance(item, dict | list)]


# ------------------------------------------------------------------ who they are

Authorize: TypeAlias = Callable[..., Any] | fastapi_params.Depends
"""Says who asks. Either takes the request (`def authorize(request)`, sync or async), or is any FastAPI dependency.

It returns the caller's id, or an object that has one as `.id`; None and "" are refused with 401, and an
`HTTPException` that it raises is the answer.
"""


def principal_of(authorize: Authorize | None) -> Callable[..., Awaitable[str | None]]:
    """Return a FastAPI dependency that gives the caller's id; None for everybody where `authorize` is None."""
    if authorize is None:
        return _nobody
    asked = authorize if isinstance(authorize, fastapi_params.Depends) else Depends(_dependency(authorize))

    async def principal(found: Any = asked) -> str:
        # A function that is not async may return what is to be awaited.
        return _id_of(await found if inspect.isawaitable(found) else found)

    return principal


async def _nobody() -> None:
    return None


def _dependency(authorize: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one bare parameter takes the request; FastAPI would look for a query parameter of its name."""
    parameters = list(inspect.signature(authorize).parameters.values())
    if len(parameters) != 1 or (parameters[0].annotation, parameters[0].default) != (inspect.Parameter.empty,) * 2:
        return authorize

    def asked(connection: HTTPConnection) -> Any:
        return authorize(connection)

    return asked


def _id_of(found: Any) -> str:
    given = found if found is None or isinstance(found, str) else getattr(found, "id", found)
    if given is None or given == "":
        raise Refused(401, "unauthorized", "say who you are")
    if given is found and not isinstance(given, str):
        raise UsageError(f"authorize returned a {type(found).__name__}: expected text, or an object with an id")
    return str(given)


# ------------------------------------------------------------------ how often they come


class Rates:
    """Lets each key in `rate[0]` times in `rate[1]` seconds, at once or spread out.

    The `max_keys` that came last are remembered. `clock` gives seconds.
    """

    def __init__(
        self, rate: tuple[int, float], *, max_keys: int = 20_000, clock: Callable[[], float] = monotonic
    ) -> None:
        number, seconds = rate
        if number < 1 or seconds <= 0:
            raise UsageError(f"a rate of {rate!r} came: expected a number of times, 1 or more, and seconds above 0")
        self._each, self._burst = seconds / number, seconds - seconds / number
        self._max_keys, self._clock = max_keys, clock
        self._free: OrderedDict[str, float] = OrderedDict()
        """When each key's times would all be there again, the last that came at the end."""

    def __len__(self) -> int:
        return len(self._free)

    def admit(self, key: str) -> None:
        """Count one time for a key. Raises `Refused` (429) when it has none left."""
        now = self._clock()
        free = max(self._free.get(key, now), now)
        wait = free - now - self._burst
        if wait > 1e-9:  # what floats lose
            raise Refused(429, "too_many_requests", "too many requests: wait a little", retry_after=wait)
        self._free[key] = free + self._each
        self._free.move_to_end(key)
        if len(self._free) > self._max_keys:
            self._free.popitem(last=False)


def client_of(connection: HTTPConnection) -> str:
    """Return where a request comes from, as a key: its address, or its network where one client has very many."""
    host = connection.client.host if connection.client is not None else ""
    with suppress(ValueError):
        address = ip_address(host)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
            return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


# ------------------------------------------------------------------ what they call us

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


class AllowedHosts:
    """ASGI middleware that answers only to `hosts`, names or addresses, on any port: those of loopback by default.

    A page of another site can have its own name point to 127.0.0.1; the browser then sends that name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOOPBACK) -> None:
        self._app, self._hosts = app, names_of(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_host(scope, self._hosts)
            except Refused as error:
                await deny(problem_of(error), scope, receive, send)
                return
        await self._app(scope, receive, send)


def names_of(hosts: Iterable[str]) -> frozenset[str]:
    """Return names and addresses as `check_host` compares them."""
    return frozenset(host.strip("[]").lower() for host in hosts)


def check_host(scope: Scope, names: frozenset[str]) -> None:
    """Raise `Refused` (421) when a request does not name exactly one host, or one that is not among the names."""
    host = host_of(scope)
    found = None if host is None else _HOST.fullmatch(host)
    if found is None or (found[1] or found[2]).lower() not in names:
        raise Refused(421, "host_not_allowed", "this server does not go by the name that the request has as host")


def host_of(scope: Scope) -> str | None:
    """Return the host that a request names, with its port; None where it names none, or several."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    return given[0].decode("latin-1") if len(given) == 1 else None
