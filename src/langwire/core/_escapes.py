"""Knows the escapes of JSON text, also one that is still coming, and where in a text what they stand for stands.

A view is a text with its escapes read once, or several times over. Its *units* are what must not be cut in two: an
escape, two escapes that are one character, and the halves of a surrogate pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_UNIT = rf'{_HIGH}{_LOW}|[\ud800-\udbff][\udc00-\udfff]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{{4}}'
# An escape, or the half of one or of a pair, that touches the end of a text which goes on.
_OPEN = (
    r"\\(?:u[0-9a-fA-F]{0,3})?|[\ud800-\udbff]"
    rf"|{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?"
)
_UNITS = re.compile(rf"((?!))|({_UNIT})")
_COMING_UNITS = re.compile(rf"((?:{_OPEN})\Z)|({_UNIT})")
HALF = re.compile("[\ud800-\udbff]")
_PLAIN = {r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t"}


class View:
    """A text with some of its escapes read: `texts` with, after each but the last, what a unit stands for."""

    __slots__ = ("_above", "_at", "_texts", "_units", "text")

    def __init__(
        self, text: str, above: View | None = None, texts: Sequence[str] = (), units: Sequence[str] = ()
    ) -> None:
        self.text = text
        self._above, self._texts, self._units = above, texts, units
        self._at: list[int] = []

    @property
    def at(self) -> Sequence[int]:
        """Where each character, and the end, stands in the text: the first character of a unit's."""
        if self._above is None:
            return range(len(self.text) + 1)
        if not self._at:
            above, end = self._above.at, 0
            for text, unit in zip_longest(self._texts, self._units, fillvalue=""):
                start, end = end, end + len(text)
                self._at += above[start : end + 1]
                end += len(unit)
        return self._at


def views_of(text: str, depth: int, *, goes_on: bool) -> list[View]:
    """Return the text as it stands, and with its escapes read once, twice, … while there are any."""
    views = [View(text)]
    units = _COMING_UNITS if goes_on else _UNITS
    for _ in range(depth):
        parts = units.split(views[-1].text)  # text, an open unit, a unit, text, …
        if len(parts) == 1:
            break
        if parts[-3]:
            del parts[-3:]
        texts, found = parts[::3], parts[2::3]
        parts[2::3] = map(_character, found)
        del parts[1::3]
        views.append(View("".join(parts), views[-1], texts, found))
    return views


def joined_pairs(text: str) -> str:
    """Return the text with the two halves of a surrogate pair made one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@lru_cache(maxsize=1024)
def _character(unit: str) -> str:
    """Return the character that an escape, or a pair, stands for."""
    if unit[0] != "\\":
        return joined_pairs(unit)
    if unit[1] != "u":
        return _PLAIN.get(unit, unit[1])
    return joined_pairs("".join(chr(int(code, 16)) for code in unit[2:].split("\\u")))
