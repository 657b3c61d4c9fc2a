"""A turn in a terminal: live Markdown, cards of calls, questions with all their arguments.

Names are imported when they are first used: `ask` needs no extra, `CLIAdapter` needs `langwire[cli]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.adapters.cli.adapter import CLIAdapter as CLIAdapter
    from langwire.adapters.cli.asking import Left as Left
    from langwire.adapters.cli.asking import ask as ask

_HOMES = {
    "CLIAdapter": "langwire.adapters.cli.adapter",
    "Left": "langwire.adapters.cli.asking",
    "ask": "langwire.adapters.cli.asking",
}

__all__ = ["CLIAdapter", "Left", "ask"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'langwire.adapters.cli' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
