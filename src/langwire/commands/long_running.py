"""What the commands share that work until they are stopped: how LangGraph reads, and lines about what goes wrong."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.commands import say

_STRICT = "LANGGRAPH_STRICT_MSGPACK"
_ERROR_LENGTH = 500
_DENIED = "ASGI callable returned without completing handshake."
"""What uvicorn says of each WebSocket that was refused with an answer, as if that were an error."""
_RAISED = re.compile(r"(?s:.*)^( *)  +\S.*\n\1(\S.*)", re.M)
"""The line after the last frame of a traceback, which says what was raised, and may go on in lines after it."""


def read_strictly() -> None:
    """Let LangGraph make no other objects of what was stored than those it knows, unless the environment has a say.

    It looks there while it is imported, so nothing may have imported it before.
    """
    os.environ.setdefault(_STRICT, "true")


@contextmanager
def failures_as_lines(*loggers: str, debug: bool = False) -> Generator[None]:
    """Meanwhile, say what loggers of these names warn of, and worse: in one line, or with `debug` the whole story."""
    handler = _Lines(debug=debug)
    heard = [logging.getLogger(name) for name in loggers]
    for logger in heard:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in heard:
            logger.removeHandler(handler)


class _Lines(logging.Handler):
    """Says what goes wrong, safe for a terminal."""

    def __init__(self, *, debug: bool) -> None:
        super().__init__(logging.WARNING)
        self._debug = debug

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == _DENIED:
            return
        story = self.format(record).strip()
        if self._debug:
            print(safe_terminal(story), file=sys.stderr)
        else:
            what, _, trace = story.partition("\n")
            raised = _RAISED.search(trace)
            say(f"{what}: {raised[2]:.{_ERROR_LENGTH}}" if raised else what)
