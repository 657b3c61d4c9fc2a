"""What tests of LangGraph surfaces need: a scripted model, its builders, and a corpus of real graphs.

Names load when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.testing.corpus import CASES as CASES
    from langwire.testing.corpus import Case as Case
    from langwire.testing.corpus import Next as Next
    from langwire.testing.corpus import available as available
    from langwire.testing.model import ScriptedModel as ScriptedModel
    from langwire.testing.model import reasoning as reasoning
    from langwire.testing.model import text as text
    from langwire.testing.model import tool_call as tool_call
    from langwire.testing.model import tool_calls as tool_calls
    from langwire.testing.model import usage as usage

_HOME = {
    "CASES": "corpus",
    "Case": "corpus",
    "Next": "corpus",
    "available": "corpus",
    "ScriptedModel": "model",
    "reasoning": "model",
    "text": "model",
    "tool_call": "model",
    "tool_calls": "model",
    "usage": "model",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
