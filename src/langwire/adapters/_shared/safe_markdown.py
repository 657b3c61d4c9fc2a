"""Knows how foreign text stands in a Markdown document without being more than text.

`safe_markdown` is for text that is Markdown itself: it stays what it is, but raw HTML in it is shown, its headings
are small ones, its images become links, and its links lead nowhere but to http, https and mailto. `inline` and
`fenced` are for everything else.
"""

from __future__ import annotations

import re

from langwire.adapters._shared.safe_terminal import safe_terminal

_FENCE = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})(.*)")
_FENCE_IN_LIST = re.compile(r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)+)(?=`{3}|~{3})")
_CONTAINERS = r"(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*[ \t]*"
_HEADING = re.compile(rf"({_CONTAINERS})(#{{1,6}})(?=[ \t]|$)")
_UNDERLINE = re.compile(r"((?:[ \t]*>)*[ \t]*)(=+|-+)[ \t]*$")
_TICKS = re.compile(r"`+")
_LINK = re.compile(r"\](?:\((?!\s*(?:https?://|mailto:))|:)", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\`*_\[\]<>&#|~!]")


def safe_markdown(text: str) -> str:
    """Return Markdown that somebody else wrote so that it can stand in a document of ours, one block after another."""
    out: list[str] = []
    fence: _Fence | None = None
    sure = True
    for line in safe_terminal(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n"):
        opening = _FENCE.fullmatch(line)
        if fence is not None:
            out.append(fence.line(line))
            fence = None if fence.is_closed_by(line) else fence
        elif opening is not None:
            fence, sure = _Fence(opening), True
            out.append(fence.opening)
        else:
            # Where a code span may have begun in a line before, nothing is surely code until the paragraph is over.
            line = _FENCE_IN_LIST.sub(lambda found: f"{found[1]}\\", line)
            sure = (sure or not line.strip()) and _is_paired(line)
            out.append(_line(line, sure=sure))
    return "\n".join(out if fence is None else [*out, fence.closing])


class _Fence:
    """A block of code, written so that it begins and ends for every reader where it does for us.

    One that stands far in would be code or not, depending on the list around it: it moves to the margin. What is in it
    stands as far in as the fence does, or a list could end before the block.
    """

    def __init__(self, opening: re.Match[str]) -> None:
        self._told, self._mark = opening[1], opening[2]
        self._kept = self._told if len(self._told.expandtabs(4)) <= 3 else ""
        self.opening = self._kept + opening[2] + opening[3]
        self.closing = self._kept + self._mark

    def line(self, line: str) -> str:
        """Return a line as it is written."""
        if self.is_closed_by(line):
            return self.closing
        body = line.removeprefix(self._told) if line.startswith(self._told) else line.lstrip()
        return self._kept + body if body.strip() else ""

    def is_closed_by(self, line: str) -> bool:
        """Whether a line ends it."""
        mark = line.strip()
        return len(mark) >= len(self._mark) and set(mark) == {self._mark[0]}


def inline(text: str) -> str:
    """Return a text as one line in which nothing is Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", safe_terminal(text, keep_newlines=False))


def code(text: str) -> str:
    """Return a text as a span of code, on one line."""
    line = safe_terminal(text, keep_newlines=False).replace("`", "'")
    return f"`{line}`" if line.strip() else "``"


def fenced(text: str, language: str = "") -> list[str]:
    """Return the lines of a block of code that no text can end."""
    lines = safe_terminal(text.replace("\r\n", "\n")).split("\n")
    longest = max((len(ticks) for line in lines for ticks in _TICKS.findall(line)), default=0)
    ticks = "`" * max(3, longest + 1)
    return [f"{ticks}{language}", *lines, ticks]


def _is_paired(line: str) -> bool:
    """Whether each run of backticks in a line is closed in it."""
    return "\\`" not in line and sum(len(_TICKS.findall(part)) for part in _outside(line)) == 0


def _line(line: str, *, sure: bool) -> str:
    """Make one line harmless; code in it stays as it is where it is sure to be code."""
    underline = _UNDERLINE.fullmatch(line)
    if underline is not None:
        rule = len(underline[2]) > 2 and underline[2][0] == "-"
        return underline[1] + ("***" if rule else f"\\{underline[2]}")
    line = _HEADING.sub(lambda found: found[1] + "#" * min(6, len(found[2]) + 3), line, count=1)
    if not sure:
        return _harmless(line)
    return "".join(_harmless(part) if at % 2 == 0 else part for at, part in enumerate(_cut(line)))


def _harmless(text: str) -> str:
    text = text.replace("<", "&lt;").replace("![", "&#33;[")
    return _LINK.sub(lambda found: f"]\\{found[0][1:]}", text)


def _outside(line: str) -> list[str]:
    return _cut(line)[::2]


def _cut(line: str) -> list[str]:
    """Cut a line into what is not code and what is, in turns. A span with a `|` is none: a table ends it there."""
    parts: list[str] = []
    begin = at = 0
    while (run := _TICKS.search(line, at)) is not None:
        at = run.end()
        close = next((other for other in _TICKS.finditer(line, at) if len(other[0]) == len(run[0])), None)
        if close is not None and "|" not in line[run.start() : close.end()]:
            parts += [line[begin : run.start()], line[run.start() : close.end()]]
            begin = at = close.end()
        elif close is not None:
            at = close.end()
    return [*parts, line[begin:]]
