"""Real graphs on scripted models, one for each shape of stream that LangGraph has.

`CASES` holds them by name. They need no key and no network, use no clock and no chance, and run on every
supported LangGraph; those that need LangChain's agents or deepagents say so in `needs`.
"""

from __future__ import annotations

from langwire.testing.corpus import agents, blocks, calls, chats, edits, failures, functional, lanes, pauses
from langwire.testing.corpus._case import CASES, HELLO, Case, End, Graph, Next, Saver, available

# The modules are imported for their cases: each enters its own in `CASES`.
_ = (agents, blocks, calls, chats, edits, failures, functional, lanes, pauses)

__all__ = ["CASES", "HELLO", "Case", "End", "Graph", "Next", "Saver", "available"]
