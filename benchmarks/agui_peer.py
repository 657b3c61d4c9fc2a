"""ag-ui-langgraph, called as its own endpoint calls it: a clone for each run, its events encoded one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib import import_module, metadata
from typing import Any

DEFAULTS, WITHOUT_RAW = "ag-ui-langgraph", "ag-ui-langgraph without RAW"


def contenders() -> dict[str, dict[str, Any]]:
    """Return the ways in which the peer is called, by name, as options of its agent; none where it is missing."""
    try:
        number = metadata.version("ag-ui-langgraph")
    except metadata.PackageNotFoundError:
        return {}
    return {f"{DEFAULTS} {number}": {}, f"{WITHOUT_RAW} {number}": {"emit_raw_events": False}}


class Peer:
    """The peer's agent for one graph."""

    def __init__(self, graph: Any, options: Mapping[str, Any]) -> None:
        self._agent = import_module("ag_ui_langgraph").LangGraphAgent(name="agent", graph=graph, **options)
        self._encode = import_module("ag_ui.encoder").EventEncoder().encode
        self._read = import_module("ag_ui.core").RunAgentInput.model_validate_json

    async def frames(self, body: bytes) -> AsyncIterator[bytes]:
        """Yield the frames of a run."""
        async for event in self._agent.clone().run(self._read(body)):
            yield self._encode(event).encode()
