"""What the tests of the command line share: streams that a test makes, and what came of a command."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

QUIRKS = Path(__file__).parent / "agents" / "quirks.py"


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


class Keyboard(io.StringIO):
    """A terminal at which somebody types these lines; a line that is an exception is raised."""

    def __init__(self, *lines: str | BaseException) -> None:
        super().__init__()
        self.lines = list(lines)

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        line = self.lines.pop(0) if self.lines else None
        if isinstance(line, BaseException):
            raise line
        return "" if line is None else f"{line}\n"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


Run = Callable[..., Done]

# What LangGraph 1.1.6 says about itself, in two lines, when it is imported beside a newer langchain-core.
NOISE = re.compile(rb"\S+ LangChainPendingDeprecationWarning: .*\n.*\n")

# A file that says how LangGraph was told to read, and names what of it had been imported by then. It holds no agent.
STRICT = """
import os, sys
print(os.environ["LANGGRAPH_STRICT_MSGPACK"], *(name for name in sys.modules if name.startswith("langgraph")))
"""
