"""The whole server as one app: the protocol, AG-UI, the board of delegated tasks, and a first page.

Names are imported when they are first used, and need the extra `web` then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.app._app import Running as Running
    from langwire.app._app import create_app as create_app
    from langwire.app.tasks import task_router as task_router

_HOMES = {"Running": "_app", "create_app": "_app", "task_router": "tasks"}

__all__ = ["Running", "create_app", "task_router"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
