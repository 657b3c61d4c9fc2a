"""Knows what a client may expect of an agent that is served here (`AgentCapabilities` of AG-UI 1.0).

Only what is known for certain is claimed: what a model or a tool can do, the agent's author says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langwire.core._guards import is_mapping


def capabilities_of(graph: Any, *, state: bool, subagents: bool, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the capabilities of an agent as JSON data; what its author has `said` is merged over them."""
    name = getattr(graph, "name", None)
    known: dict[str, Any] = {
        "identity": {"name": name if isinstance(name, str) and name else "agent", "type": "langgraph"},
        "transport": {"streaming": True, "httpBinary": True, "resumable": True},
        "tools": {"supported": True, "parallelCalls": True},
        "state": {"snapshots": state, "deltas": state, "persistentState": True},
        "multiAgent": {"supported": subagents},
        "reasoning": {"supported": True, "streaming": True, "encrypted": True},
        "humanInTheLoop": {
            "supported": True,
            "approvals": True,
            "interventions": True,
            "interrupts": True,
            "approveWithEdits": True,
        },
    }
    return _merged(known, said)


def _merged(known: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(known)
    for key, value in said.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if is_mapping(below) and is_mapping(value) else value
    return merged
