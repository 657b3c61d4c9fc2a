"""A conversation in a notebook: composer, cards, buttons, Stop, and what is left of it when there is no kernel.

Names are imported when they are first used; both need `langwire[jupyter]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.adapters.jupyter.chat import Chat as Chat
    from langwire.adapters.jupyter.showing import show as show

_HOMES = {"Chat": "langwire.adapters.jupyter.chat", "show": "langwire.adapters.jupyter.showing"}

__all__ = ["Chat", "show"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'langwire.adapters.jupyter' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
