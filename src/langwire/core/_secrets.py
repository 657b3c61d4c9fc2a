"""Knows where secrets stand in one text, and what of a text that is still coming can be told already.

A text is searched as it stands, and again with its JSON escapes read once, twice and so on, as often as there are
any: so a secret is found in JSON, and in JSON inside JSON, however its characters are escaped. Whatever is found is
masked in the text as it stands; no escape is ever cut in two, so JSON text stays JSON text.

Everything that overlaps is one mask: a text holds no secret afterwards, nor a piece of one that overlapped another.
However a text is cut, its strand tells what a whole text would have told: a match counts only when nothing that can
still come can change it, and what may be a beginning is held until then.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from langwire.core._escapes import HALF, View, joined_pairs, views_of
from langwire.core._patterns import Pattern, openings

MASK = "[redacted]"

_DEPTH = 3
"""How often the escapes of a text are read."""
_OPENING = 3
"""Characters by which the search for anything begins."""
_CUT_CHARACTERS = 8
"""A literal that was cut off is masked from so many characters on, if they are half of it."""
_EDGE = r"(?<![A-Za-z0-9].)"

# JSON text: its quotes, what a backslash escapes, and the numbers and words outside of strings, in bounded pieces.
_JSON = re.compile(r'"|\\.|[^\s"\\{}\[\]:,]{1,400}', re.DOTALL)


class Found(NamedTuple):
    """A stretch to be masked. `origin` is where its match begins, which may be before it."""

    start: int
    end: int
    origin: int


class Scanner:
    """Literals and patterns, made ready to be searched for. Immutable."""

    __slots__ = ("_beginnings", "_literals", "_longest", "_patterns", "_starts", "_suspects")

    def __init__(self, literals: Iterable[str], patterns: Iterable[Pattern]) -> None:
        patterns = tuple(patterns)
        by_length = sorted(set(map(joined_pairs, literals)), key=len, reverse=True)
        self._literals = {
            first: [one for one in by_length if one[0] == first] for first in {one[0] for one in by_length}
        }
        self._longest = len(by_length[0]) if by_length else 0
        self._patterns = [pattern.whole for pattern in patterns]
        self._beginnings = re.compile("|".join(pattern.beginning for pattern in patterns) or "(?!)")
        starts = _starts(by_length, patterns)
        self._starts = re.compile("|".join(starts) or "(?!)", re.DOTALL)
        self._suspects = re.compile("|".join([*starts, r"\\"]), re.DOTALL).search

    def suspects(self, text: str, start: int = 0) -> bool:
        """Return whether anything begins in a text, or could at its end, or is escaped."""
        if self._suspects(text, start):
            return True
        return not text.isascii() and HALF.search(text, start) is not None

    def redact(self, text: str) -> tuple[str, int]:
        """Return a whole text with its secrets masked, and how many masks that took."""
        if not self.suspects(text):
            return text, 0
        strand = Strand(self)
        return strand.finish(text), strand.count

    def scan(self, text: str, start: int, *, goes_on: bool, cut: bool) -> tuple[list[Found], int]:
        """Find what is to be masked from `start` on, and up to where that is certain.

        `goes_on`: more of the text may come, so what touches its end may change. `cut`: it was cut off, and what is
        left of a literal is looked for at its end.
        """
        found: list[Found] = []
        for match in self._starts.finditer(text, start):
            at = match.start()
            if goes_on and self._may_grow(text, at):
                return found, at
            if end := self._literal_end(text, at, cut=cut):
                found.append(Found(at, end, at))
            for pattern in self._patterns:
                if whole := pattern.match(text, at):
                    found.append(Found(*whole.span(1), at))
        return found, len(text)

    def _may_grow(self, text: str, at: int) -> bool:
        """Return whether what begins here and touches the end of the text could become a secret, or a longer one."""
        length = len(text) - at
        if length < self._longest:
            rest = text[at:]
            if any(len(one) > length and one.startswith(rest) for one in self._literals.get(text[at], ())):
                return True
        return self._beginnings.match(text, at) is not None

    def _literal_end(self, text: str, at: int, *, cut: bool) -> int:
        """Return where the longest literal that begins here ends, or 0."""
        length = len(text) - at
        for one in self._literals.get(text[at], ()):
            if text.startswith(one, at):
                return at + len(one)
            half = cut and max(_CUT_CHARACTERS, len(one) / 2) <= length < len(one)
            if half and one.startswith(text[at:]):
                return len(text)
        return 0


class Strand:
    """A text that comes in pieces: `feed` them all, then `finish`; what they return, joined, is the redacted text."""

    __slots__ = ("_before", "_carried", "_covered", "_held", "_scanner", "count")
    depth: ClassVar[int] = _DEPTH

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._held = ""
        self._before: tuple[str, ...] = ("",)
        """The character before what is held: as it stands, with its escapes read once, twice, …; the last repeats."""
        self._carried: list[Found] = []
        """What is certain to be masked, wholly or partly in what is held."""
        self._covered = False
        """Whether what is held begins inside a mask that has been told."""
        self.count = 0
        """How many masks have been told."""

    def feed(self, text: str) -> str:
        """Take more of the text; return what can be told now. It is the same object where nothing was to be done."""
        if not self._held:
            before = self._before
            context = before[0] if len(before) == 1 else ""
            if not self._scanner.suspects(context + text, len(context)):
                self._before = (text[-1],) if text else before
                return text
        return self._tell(self._held + text, goes_on=True, cut=False)

    def finish(self, text: str = "", *, cut: bool = False) -> str:
        """Take the last of the text; return it with what was held. `cut`: it was cut off."""
        text = self._held + text
        return self._tell(text, goes_on=False, cut=cut) if text else ""

    def _tell(self, text: str, *, goes_on: bool, cut: bool) -> str:
        """Tell all of the text that is certain, hold the rest."""
        views = views_of(text, self.depth, goes_on=goes_on)
        found, hold = self._carried, len(text)
        for level in range(max(len(views), len(self._before))):
            view, before = views[min(level, len(views) - 1)], self._before[min(level, len(self._before) - 1)]
            shift = len(before)
            marks, certain = self._scanner.scan(before + view.text, shift, goes_on=goes_on, cut=cut)
            if marks or goes_on:
                at = view.at
                hold = min(hold, at[certain - shift])
                found = found + [Found(*(at[place - shift] for place in mark)) for mark in marks]
        atoms, hold = self._atoms(text, found, hold, goes_on=goes_on)
        if goes_on:
            hold = _floor(views[-1].at, hold)
        if not hold:
            self._held = text
            return ""
        told, end = self._masked(text, _merged([*found, *atoms], views[-1]), hold)
        self._held = text[hold:]
        if goes_on:
            self._keep(found, hold, end, views)
        return told

    def _keep(self, found: Iterable[Found], hold: int, end: int, views: Sequence[View]) -> None:
        """Remember what the rest of the text has to know: told up to `hold`, with a last mask up to `end`."""
        self._carried = [Found(one.start - hold, one.end - hold, -1) for one in found if one.origin < hold <= one.start]
        self._covered = end > hold
        if self._covered:
            self._carried.append(Found(0, end - hold, -1))
        before = tuple(view.text[bisect_left(view.at, hold) - 1] for view in views)
        self._before = before if len(set(before)) > 1 else before[:1]

    def _masked(self, text: str, stretches: Iterable[tuple[int, int]], hold: int) -> tuple[str, int]:
        """Return the text up to `hold` with its masks, and where the last of them ends."""
        pieces: list[str] = []
        at = 0
        for start, end in stretches:
            if start >= hold:
                break
            pieces.append(text[at:start])
            if start or not self._covered:
                pieces += self._quote(start), MASK
                self.count += 1
            if end <= hold:
                pieces.append(self._quote(end))
            at = end
        pieces.append(text[at:hold])
        return "".join(pieces), at

    def _atoms(self, text: str, found: list[Found], hold: int, *, goes_on: bool) -> tuple[list[Found], int]:
        """Return what is to be masked beside `found`, or as a whole, and up to where all is certain."""
        return [], hold

    def _quote(self, at: int) -> str:
        """Return what a mask that begins or ends here needs around it."""
        return ""


class ArgsStrand(Strand):
    """JSON text that comes in pieces. A number or word outside of strings is masked as a whole, as a string.

    Masks stand inside of strings, or are strings; so JSON stays JSON, unless a secret holds JSON's own marks.
    """

    __slots__ = ("_inside", "_quotes", "_told")
    depth: ClassVar[int] = _DEPTH + 1  # a string of the arguments is read as deep as any other text

    def __init__(self, scanner: Scanner) -> None:
        super().__init__(scanner)
        self._told: list[str] = []
        self._inside = False
        """Whether what is held begins inside a string."""
        self._quotes: list[int] = []
        """Where strings begin and end, in what is looked at."""

    def feed(self, text: str) -> str:
        """Take more of the text; return what can be told now. It is the same object where nothing was to be done."""
        inside = self._inside and not self._held and '"' not in text
        told = super().feed(text) if inside else self._tell(self._held + text, goes_on=True, cut=False)
        self._told.append(told)
        return told

    def finish(self, text: str = "", *, cut: bool = False) -> str:
        """Take the last of the text; return it with what was held. `cut`: it was cut off."""
        told = super().finish(text, cut=cut)
        self._told.append(told)
        return told

    @property
    def told(self) -> str:
        """All that has been told."""
        return "".join(self._told)

    def _tell(self, text: str, *, goes_on: bool, cut: bool) -> str:
        told = super()._tell(text, goes_on=goes_on, cut=cut)
        self._inside = self._is_inside(len(text) - len(self._held))
        return told

    def _atoms(self, text: str, found: list[Found], hold: int, *, goes_on: bool) -> tuple[list[Found], int]:
        self._quotes, words = _read_json(text, inside=self._inside)
        atoms: list[Found] = []
        for start, end in words:
            if start < hold < end or (goes_on and end == len(text)):
                hold = min(hold, start)
            elif any(one.start < end and start < one.end for one in found) or self._is_secret(text[start:end]):
                atoms.append(Found(start, end, start))
        return atoms, hold

    def _is_secret(self, word: str) -> bool:
        """Return whether a number is a secret in the form in which it is written again: 1.2345e4 is 12345.0."""
        try:
            return word[0] in "-0123456789" and self._scanner.redact(repr(json.loads(word)))[1] > 0
        except ValueError:
            return False

    def _quote(self, at: int) -> str:
        return "" if self._is_inside(at) else '"'

    def _is_inside(self, at: int) -> bool:
        return self._inside != bool(bisect_left(self._quotes, at) % 2)


def _starts(literals: Iterable[str], patterns: Iterable[Pattern]) -> list[str]:
    """Return expressions of one character each: where a secret may begin, as far as its first characters tell."""
    free = {tuple(map(re.escape, one[:_OPENING])) for one in literals}
    edged: set[tuple[str, ...]] = set()
    for pattern in patterns:
        (edged if pattern.edge else free).update(openings(pattern.nodes, _OPENING))
    starts: list[str] = []
    for first in sorted({opening[0] for opening in free | edged}):
        if any(opening[0] == first for opening in free):
            starts.append(f"{first}(?={_tails(free, first)})")
        if any(opening[0] == first for opening in edged):
            starts.append(f"{first}(?={_tails(edged, first)}){_EDGE}")
    return starts


def _tails(openings: Iterable[tuple[str, ...]], first: str) -> str:
    """Return the expression of what may follow a first character: the text's end too."""
    rests = {opening[1:] for opening in openings if opening[0] == first}
    if () in rests:
        return ""
    heads = sorted({rest[0] for rest in rests})
    return rf"(?:\Z|{'|'.join(head + _tails(rests, head) for head in heads)})"


def _floor(places: Sequence[int], at: int) -> int:
    """Return the last of the places that is not after `at`."""
    return places[bisect_right(places, at) - 1]


def _merged(found: Iterable[Found], deepest: View) -> list[tuple[int, int]]:
    """Return the stretches to be masked in order, those that overlap made one, no unit cut in two."""
    merged: list[tuple[int, int]] = []
    for start, end, _ in sorted(found):
        units = deepest.at
        start = _floor(units, start) if start < units[-1] else start
        end = units[bisect_left(units, end)] if end < units[-1] else end
        if merged and start < merged[-1][1]:
            start, last = merged.pop()
            end = max(end, last)
        merged.append((start, end))
    return merged


def _read_json(text: str, *, inside: bool) -> tuple[list[int], list[tuple[int, int]]]:
    """Return where the quotes stand that begin and end strings, and the stretches of the words outside of them."""
    quotes: list[int] = []
    words: list[tuple[int, int]] = []
    for token in _JSON.finditer(text):
        if token[0] == '"':
            inside = not inside
            quotes.append(token.start())
        elif not inside and token[0][0] != "\\":
            words.append(token.span())
    return quotes, words
