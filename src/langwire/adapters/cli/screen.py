"""Knows how blocks become rows of a terminal, and what is written so that some stay for good and others for now.

What it writes is text, line ends, our own colours (`ESC [ … m`) and five more sequences: up, erase to the end of the
line and of the screen, line wrapping off and on. Whatever else a text holds is written out by `safe_terminal`, last of
all, too. The cursor is never hidden, so that nothing has to be brought back when a program dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.adapters.cli.layout import ACCENT, FAINT, missing
from langwire.adapters.cli.telling import Block, Now

try:
    from rich.cells import cell_len
    from rich.color import ColorSystem
    from rich.console import Console, RenderableType
    from rich.segment import Segment
    from rich.style import Style
    from rich.text import Text
except ImportError as error:
    raise missing() from error

_COLORS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}
_DEEPEST = 4
"""How many rules stand at the left at most; deeper lanes are told apart by their labels."""
_UP, _ERASE_LINE, _ERASE_BELOW, _NO_WRAP, _WRAP = "\x1b[{}A", "\x1b[K", "\x1b[J", "\x1b[?7l", "\x1b[?7h"
"""Rows for now are written without wrapping: a terminal may think a sign to be wider than we do."""


class Row(NamedTuple):
    """A row of a terminal, with our colours in it, and how many columns it takes."""

    text: str
    columns: int


class Page:
    """Sets blocks one below the other, each with the rules of its lane. `console` knows the colours, no more."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colors = _COLORS.get(console.color_system or "")
        self._last: Block | None = None

    def put(self, block: Block, width: int) -> list[Row]:
        """Return the rows of the next block, with what stands between it and the last one."""
        last, self._last = self._last, block
        rules = _rules(block.lane)
        rows = self._between(last, block)
        if block.lane and (last is None or last.lane != block.lane):
            label = Text.assemble((rules, FAINT), (block.label, ACCENT), no_wrap=True, overflow="ellipsis")
            rows += self.rows(label, width)
        rule, bare = self._rule(rules), self._rule(rules.rstrip())
        for row in self.rows(block.body, max(1, width - rule.columns)):
            rows.append(Row(rule.text + row.text, rule.columns + row.columns) if row.columns else bare)
        return rows

    def now(self, now: Now, width: int, height: int) -> list[Row]:
        """Return the rows of what is open, `height` at most: the end of what is said, then one row for each other."""
        below = [row for block in now.rows for row in self._one_row(block, width)]
        if len(below) >= height:
            below = below[: height - 1]
        last = self._last
        said = [row for block in now.said for row in self.put(block, width)]
        self._last = last
        room = height - len(below) - (1 if below and said else 0)
        gap = [Row("", 0)] if below and (said or self._last) else []
        if not said:
            return [*gap, *below][:height]
        return [*said[max(0, len(said) - room) :], *(gap if below else []), *below] if room > 0 else below

    def rows(self, body: RenderableType, width: int) -> list[Row]:
        """Return something's rows, none of them wider than this."""
        options = self._console.options.update(width=width, height=None, highlight=False, markup=False)
        return [self._row(line) for line in self._console.render_lines(body, options, pad=False)]

    def _between(self, last: Block | None, block: Block) -> list[Row]:
        if last is None or (last.tight and block.tight and last.lane == block.lane):
            return []
        shared = _rules(last.lane if last.lane == block.lane else _common(last.lane, block.lane)).rstrip()
        return [self._rule(shared)]

    def _rule(self, text: str) -> Row:
        return Row(self._ansi(Segment(text, self._console.get_style(FAINT))) if text else "", cell_len(text))

    def _one_row(self, block: Block, width: int) -> list[Row]:
        return self.rows(block.body, width)[:1]

    def _row(self, line: Iterable[Segment]) -> Row:
        segments = [segment for segment in line if not segment.control]
        if self._console.no_color:
            segments = list(Segment.remove_color(segments))
        while segments and _is_blank(segments[-1]):
            segments.pop()
        if segments and not _shows(segments[-1].style):
            segments[-1] = Segment(segments[-1].text.rstrip(" "), segments[-1].style)
        return Row("".join(map(self._ansi, segments)), sum(cell_len(segment.text) for segment in segments))

    def _ansi(self, segment: Segment) -> str:
        text = safe_terminal(segment.text, keep_newlines=False)
        return segment.style.render(text, color_system=self._colors) if segment.style else text


def _rules(lane: Sequence[str]) -> str:
    return "│ " * min(len(lane), _DEEPEST)


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    shared: list[str] = []
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        shared.append(here)
    return shared


def _is_blank(segment: Segment) -> bool:
    return not segment.text.strip(" ") and not _shows(segment.style)


def _shows(style: Style | None) -> bool:
    """Whether blanks in this style are seen."""
    return style is not None and bool(style.bgcolor or style.reverse or style.underline or style.strike)


# ------------------------------------------------------------------ frames


class Frames:
    """Turns rows into what to write: those that are done stay, those for now are written over by the next frame."""

    def __init__(self) -> None:
        self._shown: list[Row] = []
        self._width = 0

    def frame(self, done: Sequence[Row], now: Sequence[Row], width: int) -> str:
        """Return what to write, nothing where nothing has changed. The cursor is left below, at a line's start."""
        if not done and now == self._shown and width == self._width:
            return ""
        begin = self._back() if width == self._width else self.clear(width)
        same = [] if done else self._shown
        self._shown, self._width = list(now), width
        kept = "".join(_rewritten((), done))
        return f"{begin}{kept}{_NO_WRAP}{''.join(_rewritten(same, now))}{_ERASE_BELOW}{_WRAP}"

    def _back(self) -> str:
        return _UP.format(len(self._shown)) if self._shown else ""

    def clear(self, width: int) -> str:
        """Return what takes away the rows that were for now. A terminal that became narrower has wrapped them."""
        height = sum(max(1, -(-row.columns // width)) for row in self._shown)
        self._shown = []
        return f"{_UP.format(height)}{_ERASE_BELOW}" if height else ""


def _rewritten(before: Sequence[Row], now: Sequence[Row]) -> Iterator[str]:
    for number, row in enumerate(now):
        unchanged = number < len(before) and before[number] == row
        yield "\n" if unchanged else f"{_ERASE_LINE}{row.text}\n"
