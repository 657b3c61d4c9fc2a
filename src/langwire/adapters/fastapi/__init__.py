"""One agent for every page: its threads over REST, server-sent events and WebSockets, as one documented protocol.

`langwire_router` serves an agent in a FastAPI application; `Shown` says which of its events clients get, `Files` keeps
what they upload. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.adapters.fastapi.files import Files as Files
    from langwire.adapters.fastapi.router import langwire_router as langwire_router
    from langwire.adapters.fastapi.shown import Shown as Shown

_HOMES = {
    "Files": "files",
    "Shown": "shown",
    "langwire_router": "router",
}

__all__ = [
    "Files",
    "Shown",
    "langwire_router",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
