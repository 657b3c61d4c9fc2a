"""Knows what every web face does alike: who may come in, how much they may bring, and how a stream is written out.

For a router, in the order in which a request meets it:

    AllowedHosts(app)                     only names that are ours: a page elsewhere cannot rebind its own to us
    APIRouter(route_class=guarded())      whatever goes wrong inside is one JSON shape, never an exception's text
    Depends(principal_of(authorize))      who asks, or None where nobody is asked
    Rates((30, 60.0)).admit(key)          so many requests for each key
    await read_body(request)              JSON alone, and no more than the limit is ever held
    sse(frames, on_close=closed)          frames out

`frames` is an async iterator of `bytes`, each one or more whole frames. It is read by a task of its own: what it yields
without waiting in between goes out as one chunk, so nothing is gained by joining frames before, or by batches.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import traceback
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from langwire.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

try:
    from fastapi import Depends
    from fastapi import params as fastapi_params
    from fastapi.exceptions import RequestValidationError
    from fastapi.routing import APIRoute
    from starlette.background import BackgroundTask
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, HTTPConnection, Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError as missing:
    raise MissingExtra('serving on the web needs an extra: pip install "langwire[web]"') from missing

MAX_BODY = 4 * 2**20
BODY_TIMEOUT = 30.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store", "referrer-policy": "no-referrer"}
"""What each of our responses says, unless it says something else by the same name."""

logger = logging.getLogger("langwire.web")


# ------------------------------------------------------------------ what goes wrong


class Refused(HTTPException):
    """A request is not taken, for a reason that its sender may know: `status`, a `code` for programs, one sentence.

    `retry_after` are seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.retry_after = code, retry_after


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
    return Response(
        msgspec.json.encode({"error": error}),
        status,
        {**HEADERS, **(headers or {}), **more},
        media_type="application/json",
    )


def problem_of(error: Exception, *, redactor: Redactor | None = None) -> Response:
    """Return what a client may know of an exception.

    That is all of a `Refused`, an `HTTPException` and a request that does not validate. Of anything else it gets an
    error id; the story goes to the log `langwire.web`, without what `redactor` takes out.
    """
    match error:
        case Refused():
            return problem(error.status_code, error.code, error.detail, None, error.retry_after, error.headers)
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


async def unknown(_: Request, error: Exception) -> Response:
    """Tell of an address that is none: the application's handler of `HTTPException`."""
    return problem_of(error)


def report(error: BaseException, *, redactor: Redactor | None = None) -> str:
    """Write an exception to the log `langwire.web`, without what `redactor` takes out; return its error id."""
    error_id = token_hex(8)
    story = "".join(traceback.format_exception(error))
    if redactor is not None:
        story = redactor.redact(story)[0]
    # Indented, so that it forges no line of the log.
    logger.error("error %s\n    %s", error_id, story.rstrip().replace("\n", "\n    "))
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

    At most `limit` bytes and one chunk are ever held. Raises `Refused`: 415 for anything but `application/json` in
    UTF-8, which is what a form or a script of another site cannot send without asking first; 413 for more than
    `limit` bytes; 408 when it is not there `within` so many seconds.
    """
    _check_type(request)
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
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "unsupported_media_type", "expected a body without content-encoding")


def _too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"the body is larger than {limit} bytes")


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
        self._app = app
        self._hosts = frozenset(host.strip("[]").lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._knows(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            refusal = problem(
                421, "host_not_allowed", "this server does not go by the name that the request has as host"
            )
            await refusal(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        found = _HOST.fullmatch(given[0].decode("latin-1")) if len(given) == 1 else None
        return found is not None and (found[1] or found[2]).lower() in self._hosts


# ------------------------------------------------------------------ what they get

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_AFTER = 15.0
SEND_TIMEOUT = 30.0
_MOST = 2**16
"""So many bytes wait for a reader before the frames do."""

Closed: TypeAlias = Literal["done", "disconnected", "too_slow", "failed", "cancelled"]
"""How a stream came to its end: all was sent, the client left, it did not read, `frames` raised, we were cancelled."""


class Stream(Response):
    """A response whose `frames` go out as they come, with what else a long stream needs.

    `keep_alive` is sent after `keep_alive_after` seconds of silence (nothing, where it is None), so that whatever lies
    between does not close the connection. A client that does not take what it is sent within `send_timeout` seconds
    is dropped, one that leaves is noticed at once. `on_close` is awaited exactly once, with how it came to an end, when
    `frames` has been closed. What `frames` raises goes to the log, and the connection is broken off.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        media_type: str,
        on_close: Callable[[Closed], Awaitable[None]] | None = None,
        keep_alive: bytes | None = None,
        keep_alive_after: float = KEEP_ALIVE_AFTER,
        send_timeout: float = SEND_TIMEOUT,
        redactor: Redactor | None = None,
    ) -> None:
        # Starlette would add a charset to a type of text, and clients compare the type as a whole.
        headers = {
            **HEADERS,
            "content-type": media_type,
            "cache-control": "no-cache, no-store, no-transform",
            "x-accel-buffering": "no",
        }
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers(headers)
        self.frames, self.redactor = frames, redactor
        self.keep_alive, self.keep_alive_after, self.send_timeout = keep_alive, keep_alive_after, send_timeout
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = _Writing(self, receive, send)
        closed: Closed = "cancelled"
        try:
            closed = await writing.ended()
        finally:
            await _to_its_end(self._close(writing, closed))
        if self.background is not None:
            await self.background()

    async def _close(self, writing: _Writing, closed: Closed) -> None:
        await writing.close()
        if self._on_close is not None:
            try:
                await self._on_close(closed)
            except Exception as error:
                report(error, redactor=self.redactor)


def sse(
    frames: AsyncIterator[bytes],
    *,
    on_close: Callable[[Closed], Awaitable[None]] | None = None,
    keep_alive_after: float = KEEP_ALIVE_AFTER,
    send_timeout: float = SEND_TIMEOUT,
    redactor: Redactor | None = None,
) -> Stream:
    """Return a `Stream` of server-sent events: whole frames that end with an empty line, LF alone."""
    return Stream(
        frames,
        media_type="text/event-stream",
        on_close=on_close,
        keep_alive=KEEP_ALIVE,
        keep_alive_after=keep_alive_after,
        send_timeout=send_timeout,
        redactor=redactor,
    )


class _Writing:
    """One stream on its way out. One task reads the frames, one writes what waits, one listens for the client's leave.

    A single timer looks after silence and slow readers. It looks at what was noted, and is not set anew by what is
    sent: so neither costs anything for a frame.
    """

    def __init__(self, stream: Stream, receive: Receive, send: Send) -> None:
        self._stream, self._receive, self._send = stream, receive, send
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._size = 0
        self._read: Closed | None = None
        """How `frames` ended, once it has."""
        self._woken: asyncio.Future[None] | None = None
        """What the writer waits for, while nothing else does. An `asyncio.Event` takes twice as long."""
        self._room = asyncio.Event()
        self._too_slow = self._loop.create_future()
        self._sending: float | None = None
        """Since when a chunk is on its way."""
        self._quiet = self._loop.time()
        """Since when nothing is."""
        self._tick = min(stream.keep_alive_after, stream.send_timeout)
        self._timer = self._loop.call_later(self._tick, self._look)
        self._reader = asyncio.create_task(self._read_frames())
        self._writer = asyncio.create_task(self._write())
        self._listener = asyncio.create_task(self._listen())

    async def ended(self) -> Closed:
        """Wait for the end, and return how it came about."""
        ends = (self._writer, self._listener, self._too_slow)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._writer.done():
            return self._writer.result()
        return "too_slow" if self._too_slow.done() else "disconnected"

    async def close(self) -> None:
        """Stop what still runs, and wait until it has."""
        self._timer.cancel()
        tasks = (self._reader, self._writer, self._listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -------------------------------------------------------------- tasks

    async def _read_frames(self) -> None:
        frames, waiting = self._stream.frames, self._waiting
        try:
            async for frame in frames:
                waiting.append(frame)
                self._size += len(frame)
                if self._woken is not None:
                    self._wake()
                if self._size >= _MOST:
                    self._room.clear()
                    await self._room.wait()
            self._read = "done"
        except Exception as error:
            self._read = "failed"
            report(error, redactor=self._stream.redactor)
        finally:
            self._wake()
            close = getattr(frames, "aclose", None)
            if close is not None:
                await close()

    async def _write(self) -> Closed:
        stream = self._stream
        try:
            await self._out({"type": "http.response.start", "status": 200, "headers": stream.raw_headers})
            while self._waiting or self._read is None:
                if not self._waiting:
                    self._woken = self._loop.create_future()
                    await self._woken
                    continue
                chunk = b"".join(self._waiting)
                self._waiting.clear()
                if self._size >= _MOST:
                    self._room.set()
                self._size = 0
                await self._out({"type": "http.response.body", "body": chunk, "more_body": True})
            if self._read == "done":
                await self._out({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # how some servers say that the client has left
            return "disconnected"
        return self._read

    async def _out(self, message: dict[str, Any]) -> None:
        self._sending = self._loop.time()
        await self._send(message)
        self._sending, self._quiet = None, self._loop.time()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
        self._woken = None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    # -------------------------------------------------------------- time

    def _look(self) -> None:
        now, stream = self._loop.time(), self._stream
        due = now + self._tick  # nothing that begins from now on can be due before that
        if self._sending is not None:
            if now - self._sending >= stream.send_timeout:
                self._too_slow.set_result(None)
                return
            due = min(due, self._sending + stream.send_timeout)
        elif stream.keep_alive is not None:
            if now - self._quiet >= stream.keep_alive_after:
                self._waiting.append(stream.keep_alive)
                self._wake()
                self._quiet = now
            due = min(due, self._quiet + stream.keep_alive_after)
        self._timer = self._loop.call_at(due, self._look)


async def _to_its_end(doing: Awaitable[None]) -> None:
    """Await something that must be done, also when we are cancelled, once or again and again; then pass that on."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
