"""Knows a terminal that we draw on: how large it is, and what stands there for now."""

from __future__ import annotations

import os
from time import monotonic
from typing import TextIO

from langwire.adapters.cli.layout import missing
from langwire.adapters.cli.screen import Frames, Page, Row
from langwire.adapters.cli.telling import Telling

try:
    from rich.console import Console
except ImportError as error:
    raise missing() from error

_FRAME, _SHARE = 1 / 15, 5
"""Seconds between two frames, and how many times as long as it took to draw one, at least."""


class Terminal:
    """Draws on a terminal. Raises what writing raises."""

    def __init__(self, file: TextIO, console: Console) -> None:
        self._due = 0.0
        self._file = file
        self._page = Page(console)
        self._frames = Frames()

    @property
    def due(self) -> bool:
        """Whether it is time for another frame."""
        return monotonic() >= self._due

    def draw(self, telling: Telling) -> None:
        """Put what is finished, and below it what is open."""
        began = monotonic()
        columns, lines = _size(self._file)
        done: list[Row] = []
        for block in telling.finished():
            done += self._page.put(block, columns)
        now = self._page.now(telling.now(lines), columns, lines - 2) if telling.running else []
        self._write(self._frames.frame(done, now, columns))
        self._due = began + max(_FRAME, _SHARE * (monotonic() - began))

    def clear(self) -> None:
        """Take away what is there for now; the next frame brings it back."""
        self._write(self._frames.clear(_size(self._file)[0]))

    def _write(self, text: str) -> None:
        if text:
            self._file.write(text)
            self._file.flush()


def terminal_of(file: TextIO) -> Terminal | None:
    """Return the terminal that a file is, None where it is none on which we can draw.

    That takes a cursor that moves, and UTF-8.
    """
    if not file.isatty() or (file.encoding or "utf-8").lower().replace("_", "-") not in ("utf-8", "utf8"):
        return None
    console = Console(file=file, force_terminal=True, force_jupyter=False, legacy_windows=None)
    return None if console.is_dumb_terminal or console.legacy_windows else Terminal(file, console)


def _size(file: TextIO) -> tuple[int, int]:
    """Return columns and lines, now: a window may have changed. What has no size is 80 by 24."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    return columns or 80, max(lines or 24, 4)
