"""Knows the page at `/`: which files it is made of, and how a browser may keep them."""

from __future__ import annotations

from hashlib import sha256

from langwire.adapters._shared import web
from langwire.adapters._shared.bundle import bundle_names, bundled

from fastapi import APIRouter, Request, Response  # isort: skip  after `web`, which says what is missing

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_INDEX = "index.html"


def page_router() -> APIRouter:
    """Return a router that has the page at `/` and what it loads below `/page/`.

    The files are read once. A browser asks each time whether its copy is still right, so that a new version of us is
    a new page at once.
    """
    found = _files()
    router = APIRouter(route_class=web.guarded(), include_in_schema=False)

    async def index(request: Request) -> Response:
        return _answer(request, found[_INDEX])

    async def file(name: str, request: Request) -> Response:
        if name not in found:
            raise web.Refused(404, "not_found", "the page has no such file")
        return _answer(request, found[name])

    router.add_api_route("/", index, methods=["GET"])
    router.add_api_route("/page/{name}", file, methods=["GET"])
    return router


def _files() -> dict[str, tuple[str, str, bytes]]:
    """Return the type, the tag and the content of each file by its name."""
    found: dict[str, tuple[str, str, bytes]] = {}
    for name in bundle_names():
        content = bundled(name).encode()
        found[name] = _TYPES[name.rpartition(".")[2]], f'"{sha256(content).hexdigest()[:32]}"', content
    return found


def _answer(request: Request, file: tuple[str, str, bytes]) -> Response:
    kind, tag, content = file
    headers = {"cache-control": "no-cache", "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)
