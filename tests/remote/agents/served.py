"""What the development server serves: the graphs of the remote tests, and those of `langwire.testing.CASES`.

They have no checkpointer: the server refuses a graph that brings one, and gives each its own.
"""

from __future__ import annotations

from langwire.testing import CASES, available
from remote.agents.graphs import BUILDERS

GRAPHS = {name: build() for name, build in BUILDERS.items()}
GRAPHS |= {f"corpus_{name}": case.make(None) for name, case in CASES.items() if available(case)}
globals().update(GRAPHS)
