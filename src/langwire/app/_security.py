"""Knows what every response says to a browser, and which other sites may read what we answer."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from langwire.adapters._shared import web
from langwire.adapters._shared.bundle import bundled, csp_hash
from langwire.adapters._shared.correlation import RequestIds

from starlette.datastructures import MutableHeaders  # isort: skip  after `web`, which says what is missing
from starlette.middleware.cors import CORSMiddleware  # isort: skip

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src 'self' {csp_hash(bundled('frame.js'))}",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""What a page of ours may do. Nothing from elsewhere, in nobody's frame, and nothing inline.

But for one script, `frame.js`: it shows what an agent has drawn in a frame that may do nothing else. A frame without an
address of its own is under the policy of the page in which it stands.
"""

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_STARTS = ("http.response.start", "websocket.http.response.start")
_SENT = ("authorization", "content-type", "langwire-file", "last-event-id", "x-request-id")
_READ = ("retry-after", "x-request-id")
_DAY = 86_400
"""For so many seconds a browser remembers what it may ask; it asks again sooner by itself."""


class SecurityHeaders:
    """ASGI middleware that gives each response the headers of this module which it has not got by itself.

    With `shared`, pages of other origins may embed what is answered.
    """

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        self._app = app
        self._headers = {**HEADERS, **({"cross-origin-resource-policy": "cross-origin"} if shared else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def said(message: Message) -> Awaitable[None]:  # no coroutine of its own: every token goes this way
            if message["type"] in _STARTS:
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            return send(message)

        await self._app(scope, receive, said)


def secure(app: FastAPI, *, origins: Sequence[str], hosts: Sequence[str]) -> None:
    """Put around an app what its responses say, and which names it answers to: any, where no `hosts` are given.

    Pages of these `origins` may read its answers, with the cookies that the browser has for it. Each request has an
    id, also one that is refused here.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=list(_SENT),
            expose_headers=list(_READ),
            max_age=_DAY,
        )
    if hosts:
        app.add_middleware(web.AllowedHosts, hosts=tuple(hosts))
    app.add_middleware(SecurityHeaders, shared=bool(origins))
    app.add_middleware(RequestIds)
