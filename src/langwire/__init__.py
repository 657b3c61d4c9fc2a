"""LangGraph on the wire: one typed event stream from any LangGraph agent, read by every surface.

Names are imported when they are first used: `import langwire` loads neither langchain nor langgraph.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langwire import export as export
    from langwire.adapters.plain import PlainAdapter as PlainAdapter
    from langwire.core.codec import decode as decode
    from langwire.core.codec import encode as encode
    from langwire.core.conformance import check as check
    from langwire.core.interrupts import Decision as Decision
    from langwire.core.interrupts import approve as approve
    from langwire.core.interrupts import edit as edit
    from langwire.core.interrupts import reject as reject
    from langwire.core.interrupts import respond as respond
    from langwire.core.parser import StreamParser as StreamParser
    from langwire.core.redaction import Redactor as Redactor
    from langwire.core.transcript import Transcript as Transcript
    from langwire.core.transcript import TurnResult as TurnResult
    from langwire.errors import LangwireError as LangwireError
    from langwire.sessions.adapter import SessionAdapter as SessionAdapter
    from langwire.sessions.graph import Graph as Graph
    from langwire.sessions.graph import Sink as Sink
    from langwire.sessions.graph import arun as arun
    from langwire.sessions.graph import astream as astream
    from langwire.sessions.graph import resume_command as resume_command
    from langwire.sessions.graph import run as run
    from langwire.sessions.graph import stream as stream
    from langwire.sessions.middleware import limit_turns as limit_turns
    from langwire.sessions.otel import trace_turns as trace_turns
    from langwire.sessions.otel_metrics import measure_turns as measure_turns
    from langwire.sessions.session import Session as Session
    from langwire.sessions.sqlite import sqlite_sessions as sqlite_sessions
    from langwire.sessions.sqlite_store import SQLiteSessionStore as SQLiteSessionStore
    from langwire.sessions.turn import Turn as Turn

    __version__: str

_HOMES = {
    "Decision": "langwire.core.interrupts",
    "Graph": "langwire.sessions.graph",
    "LangwireError": "langwire.errors",
    "PlainAdapter": "langwire.adapters.plain",
    "Redactor": "langwire.core.redaction",
    "SQLiteSessionStore": "langwire.sessions.sqlite_store",
    "Session": "langwire.sessions.session",
    "SessionAdapter": "langwire.sessions.adapter",
    "Sink": "langwire.sessions.graph",
    "StreamParser": "langwire.core.parser",
    "Transcript": "langwire.core.transcript",
    "Turn": "langwire.sessions.turn",
    "TurnResult": "langwire.core.transcript",
    "approve": "langwire.core.interrupts",
    "arun": "langwire.sessions.graph",
    "astream": "langwire.sessions.graph",
    "check": "langwire.core.conformance",
    "decode": "langwire.core.codec",
    "edit": "langwire.core.interrupts",
    "encode": "langwire.core.codec",
    "limit_turns": "langwire.sessions.middleware",
    "measure_turns": "langwire.sessions.otel_metrics",
    "reject": "langwire.core.interrupts",
    "respond": "langwire.core.interrupts",
    "resume_command": "langwire.sessions.graph",
    "run": "langwire.sessions.graph",
    "sqlite_sessions": "langwire.sessions.sqlite",
    "stream": "langwire.sessions.graph",
    "trace_turns": "langwire.sessions.otel",
}

__all__ = [
    "Decision",
    "Graph",
    "LangwireError",
    "PlainAdapter",
    "Redactor",
    "SQLiteSessionStore",
    "Session",
    "SessionAdapter",
    "Sink",
    "StreamParser",
    "Transcript",
    "Turn",
    "TurnResult",
    "__version__",
    "approve",
    "arun",
    "astream",
    "check",
    "decode",
    "edit",
    "encode",
    "limit_turns",
    "measure_turns",
    "reject",
    "respond",
    "resume_command",
    "run",
    "sqlite_sessions",
    "stream",
    "trace_turns",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("langwire")
    if name == "export":
        return import_module("langwire.export")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'langwire' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
