"""What tests of LangGraph surfaces need: agents run with answers by rule, scripted models, faults,
recorded chunk streams, and a corpus of real graphs.

Names load when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire.testing._check import check_events as check_events
    from langwire.testing._run import AgentRun as AgentRun
    from langwire.testing._run import AgentRunner as AgentRunner
    from langwire.testing._run import arun_agent as arun_agent
    from langwire.testing._run import run_agent as run_agent
    from langwire.testing.corpus import CASES as CASES
    from langwire.testing.corpus import Case as Case
    from langwire.testing.corpus import Next as Next
    from langwire.testing.corpus import available as available
    from langwire.testing.faults import Fault as Fault
    from langwire.testing.faults import Signal as Signal
    from langwire.testing.faults import faulty as faulty
    from langwire.testing.faults import faulty_stream as faulty_stream
    from langwire.testing.model import ScriptedModel as ScriptedModel
    from langwire.testing.model import reasoning as reasoning
    from langwire.testing.model import text as text
    from langwire.testing.model import tool_call as tool_call
    from langwire.testing.model import tool_calls as tool_calls
    from langwire.testing.model import usage as usage
    from langwire.testing.recordings import ChunkRecorder as ChunkRecorder
    from langwire.testing.recordings import ChunkRecording as ChunkRecording
    from langwire.testing.recordings import ChunkRun as ChunkRun
    from langwire.testing.recordings import arecord_chunks as arecord_chunks
    from langwire.testing.recordings import record_chunks as record_chunks
    from langwire.testing.recordings import replay_chunks as replay_chunks

_HOME = {
    "AgentRun": "_run",
    "AgentRunner": "_run",
    "CASES": "corpus",
    "Case": "corpus",
    "ChunkRecorder": "recordings",
    "ChunkRecording": "recordings",
    "ChunkRun": "recordings",
    "Fault": "faults",
    "Next": "corpus",
    "ScriptedModel": "model",
    "Signal": "faults",
    "arecord_chunks": "recordings",
    "arun_agent": "_run",
    "available": "corpus",
    "check_events": "_check",
    "faulty": "faults",
    "faulty_stream": "faults",
    "reasoning": "model",
    "record_chunks": "recordings",
    "replay_chunks": "recordings",
    "run_agent": "_run",
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
