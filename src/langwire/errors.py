"""Everything langwire raises by itself.

    LangwireError
    ├── UsageError        you called us wrongly
    │   ├── ParserEnded       a parser serves one turn
    │   ├── UnsupportedGraph  not a compiled LangGraph graph
    │   ├── InvalidInput      an input the graph cannot take
    │   └── InvalidDecision   an answer that does not fit its interrupt
    ├── StreamError       LangGraph sent what we cannot read
    │   └── UnknownChunk
    ├── SpecError         an agent spec that does not load
    └── MissingExtra      an optional dependency is not installed

What a graph raises is never wrapped: it leaves `stream`, `astream` and `run` as itself.
"""

from __future__ import annotations


class LangwireError(Exception):
    """Base of all errors that langwire raises by itself."""


class UsageError(LangwireError):
    """langwire was called wrongly."""


class ParserEnded(UsageError):
    """A parser was used after its turn had ended. One parser serves one turn: make a new one."""


class UnsupportedGraph(UsageError):
    """What was given is not a compiled LangGraph graph."""


class InvalidInput(UsageError):
    """The graph cannot take this input."""


class InvalidDecision(UsageError):
    """An answer does not fit the interrupt that it answers. Nothing was sent."""


class StreamError(LangwireError):
    """LangGraph sent something that cannot be read."""


class UnknownChunk(StreamError):
    """A stream chunk of a shape that no supported version of LangGraph yields."""


class SpecError(LangwireError):
    """An agent spec (`pkg.module:attr` or `file.py:attr`) does not load."""


class MissingExtra(LangwireError, ImportError):
    """An optional dependency is not installed; the message says what to type."""
