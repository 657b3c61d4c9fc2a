"""Keyless agents that show every event: `showcase` for all of them, and six smaller ones.

They are `assistant`, `approval`, `concierge`, `delegating`, `failing` and `team`.

Each is a real LangGraph graph on a scripted model, built when it is first used: `langwire run langwire.demo:assistant
"A day in Rome"`. `langwire.demo.agents` has the functions that build them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.demo.agents import Graph

    approval: Graph
    assistant: Graph
    concierge: Graph
    delegating: Graph
    failing: Graph
    showcase: Graph
    team: Graph

__all__ = ["approval", "assistant", "concierge", "delegating", "failing", "showcase", "team"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    graph = getattr(import_module(f"{__name__}.agents"), f"build_{name}")()
    globals()[name] = graph
    return graph


def __dir__() -> list[str]:
    return __all__
