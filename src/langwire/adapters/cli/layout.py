"""Knows how pieces of a page stand to each other, and the few styles there are: one colour, and red for failure."""

from __future__ import annotations

from collections.abc import Sequence

from langwire.errors import MissingExtra


def missing() -> MissingExtra:
    """Return what to raise where rich is not installed."""
    return MissingExtra('a live terminal needs an extra: pip install "langwire[cli]"')


try:
    from rich.cells import cell_len
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.segment import Segment
except ImportError as error:
    raise missing() from error

ACCENT = "cyan"
FAINT = "dim"
FAILED = "red"
CODE = "cyan"

_NARROWEST = 8
"""Columns that are left for what is said, at least, wherever it stands."""


class Stack:
    """One below the other, with a blank line between them unless `gap` is false. Each part ends its last line."""

    def __init__(self, parts: Sequence[RenderableType], *, gap: bool = True) -> None:
        self.parts, self.gap = parts, gap

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, part in enumerate(self.parts):
            if number and self.gap:
                yield Segment.line()
            yield part


class Hanging:
    """Parts with a mark before each line; with `once` before the first one alone, and blanks before the others."""

    def __init__(self, mark: str, parts: Sequence[RenderableType], *, style: str = "", once: bool = False) -> None:
        self.mark, self.body, self.style, self.once = mark, Stack(parts), style, once

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = cell_len(self.mark)
        if options.max_width - width < _NARROWEST:  # it stands too deep for marks
            yield self.body
            return
        mark = Segment(self.mark, console.get_style(self.style) if self.style else None)
        blanks = Segment(" " * width)
        narrowed = options.update(width=options.max_width - width)
        for number, line in enumerate(console.render_lines(self.body, narrowed, pad=False)):
            yield blanks if number and self.once else mark
            yield from line
            yield Segment.line()
