"""Knows which request is being served, by an id that goes where the request goes, and tells the log what became of it.

A request has the id that it brings as `x-request-id`, when that is 1 to 64 letters, digits, `.`, `_` or `-`, or one of
our own; the response says it. The id is in a `ContextVar`: tasks that are made while a request is served have it too,
so a turn that the request starts, also one that waits for others first. Over a WebSocket all commands have that of
the request which opened it.

What is found out about a request on its way, by whom it is and what refuses it, is noted here. When it is over, for
a stream that is when the stream ends, one record goes to the log `langwire.access`, and the figures are kept.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable
from contextvars import ContextVar
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec

from langwire.adapters._shared.telemetry import Kind, ServerMeter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"

Ended: TypeAlias = Literal["done", "disconnected", "too_slow", "failed", "cancelled"]
"""How a request came to its end: all was sent, the client left, it did not read, an error, we were cancelled."""

logger = logging.getLogger("langwire.access")

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LONGEST = 500
"""So many characters of a path are kept."""
_SERVED = "langwire.request"
"""The key in a scope whose request has its id already: an app with `RequestIds` may be mounted in another one."""


class Access(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request in a few figures. It grows until the request is over.

    `path` is without the query. `status` is 101 for a WebSocket that was accepted, and missing where nothing was
    answered. `seconds` are those until the end of the response, `bytes` those of its body; `close` is the code with
    which a WebSocket was closed. `code` says what the request was refused for.
    """

    request_id: str
    method: str
    path: str
    status: int | None = None
    seconds: float = 0.0
    bytes: int = 0
    ended: Ended | None = None
    principal: str | None = None
    code: str | None = None
    close: int | None = None
    bad_frames: int = 0


def line(access: Access) -> str:
    """A request in one line. What the client chose is shown as a literal, so that it forges no line of the log."""
    said = [f"{access.method} {access.path!r}: {access.status or 'no answer'}"]
    said += [access.code] if access.code else []
    said += [str(access.ended)] if access.ended != "done" else []
    said += [f"closed with {access.close}"] if access.close else []
    said += [f"{access.bad_frames} bad frames"] if access.bad_frames else []
    said += [f"{access.seconds:.3f} s", f"{access.bytes} bytes"]
    said += [f"by {access.principal!r}"] if access.principal is not None else []
    return ", ".join([*said, f"request {access.request_id}"])


# ------------------------------------------------------------------ the request that is being served


def current() -> Access | None:
    """Return what is known of the request that is being served, or that started what runs here."""
    request = _request.get()
    return request.access if request is not None else None


def request_id() -> str | None:
    """Return the id of the request that is being served, or that started what runs here."""
    request = _request.get()
    return request.access.request_id if request is not None else None


def note(*, principal: str | None = None, code: str | None = None, ended: Ended | None = None) -> None:
    """Note who asks, what the request is refused for, or how its stream ended. Without effect outside of a request."""
    request = _request.get()
    if request is not None:
        access = request.access
        access.principal = principal if principal is not None else access.principal
        access.code = code if code is not None else access.code
        access.ended = ended if ended is not None else access.ended


def bad_frame(code: str) -> None:
    """Note that a frame of this WebSocket is none of the protocol. Without effect outside of a request."""
    request = _request.get()
    if request is not None:
        request.access.bad_frames += 1
        request.meter.bad_frame(code)


class RequestIds:
    """ASGI middleware that gives each request its id, and tells of it when it is over. It belongs outermost.

    `meter` keeps the figures; without one, one of the global provider.
    """

    def __init__(self, app: ASGIApp, meter: ServerMeter | None = None) -> None:
        self._app = app
        self._meter = meter if meter is not None else ServerMeter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or _SERVED in scope:
            await self._app(scope, receive, send)
            return
        access = Access(
            request_id=_id_of(scope), method=scope.get("method", "WEBSOCKET"), path=scope["path"][:_LONGEST]
        )
        passing = _Passing(access, receive, send, self._meter)
        token = _request.set(_Request(access, self._meter))
        error: BaseException | None = None
        try:
            await self._app({**scope, _SERVED: access.request_id}, passing.receive, passing.send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            passing.end(error)
            _request.reset(token)


class _Passing:
    """One request on its way. Looks at what goes through, and changes nothing but the headers of the answer."""

    def __init__(self, access: Access, receive: Receive, send: Send, meter: ServerMeter) -> None:
        self.access, self.meter = access, meter
        self._receive, self._send = receive, send
        self._began = monotonic()
        self._stream: Kind | None = None
        self._whole = self._left = False
        """Whether the answer is whole, and whether the client left before it was."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect") and not self._whole:
            self._left = True
            self.access.close = message.get("code")
        return message

    def send(self, message: Any) -> Awaitable[None]:  # no coroutine of its own: every token goes this way
        kind = message["type"]
        if kind == "websocket.send":
            return self._send(message)
        if kind in ("http.response.body", "websocket.http.response.body"):
            self.access.bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        elif kind == "websocket.close":
            self._whole = True
            if self.access.status is None:
                self.access.status = 403  # what servers make of a close before the accept
            else:
                self.access.close = message.get("code", 1000)
        elif kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            message = self._started(message)
        return self._send(message)

    def _started(self, message: Any) -> Any:
        headers: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
        self.access.status = message.get("status", 101)
        if message["type"] == "websocket.accept":
            self._stream = "websocket"
        elif any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
            self._stream = "sse"
        if self._stream is not None:
            self.meter.connected(self._stream)
        return {**message, "headers": [*headers, (HEADER.encode(), self.access.request_id.encode())]}

    def end(self, error: BaseException | None) -> None:
        access, meter = self.access, self.meter
        access.seconds = monotonic() - self._began
        access.ended = access.ended or self._how(error)
        if self._stream is not None:
            meter.connected(self._stream, -1)
            if access.ended == "too_slow":
                meter.slow_reader(self._stream)
        if access.code is not None:
            meter.refused(access.code)
        logger.info("%s", line(access), extra={"access": access})

    def _how(self, error: BaseException | None) -> Ended:
        if self._left:  # whatever was raised came of that
            return "disconnected"
        if isinstance(error, asyncio.CancelledError):
            return "cancelled"
        return "done" if self._whole and error is None else "failed"


class _Request(NamedTuple):
    """What a context holds of a request: nothing of its connection, which a long turn would keep from going."""

    access: Access
    meter: ServerMeter


_request: ContextVar[_Request | None] = ContextVar("langwire_request", default=None)


def _id_of(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == HEADER.encode()]
    if len(given) == 1 and _ID.fullmatch(given[0]):
        return given[0].decode()
    return token_hex(8)
