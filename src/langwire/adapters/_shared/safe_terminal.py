"""Knows which characters a terminal obeys or hides, and shows them instead.

Everything that a model, a tool or a client said goes through `safe_terminal` before a terminal sees it; styling of
our own is added afterwards. It works character by character, so a text may be cut anywhere between two calls.
"""

from __future__ import annotations

import re

_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ud800-\udfff"
"""C0 but newline and tab, DEL, C1, line and paragraph separators, bidi controls, lone surrogates."""

_UNSEEN = (
    r"\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What Unicode says is drawn as nothing: zero-width characters, fillers, tags, variation selectors, the BOM.

Four of that kind pass: the joiners U+200C and U+200D and the emoji selectors U+FE0E and U+FE0F. Persian, Hindi and
most emoji are not written without them, and no readable text can be hidden in them.
"""

_IN_TEXT = re.compile(f"[{_OBEYED}{_UNSEEN}]")
_IN_LINE = re.compile(f"[\n\t{_OBEYED}{_UNSEEN}]")


def safe_terminal(text: str, *, keep_newlines: bool = True) -> str:
    r"""Return `text` with everything a terminal would obey or hide written out: `\x1b`, `\r`, `\u202e`.

    Newlines and tabs stay, unless `keep_newlines=False` says that the text has one line only: then they are written
    out, too. Text without such characters comes back unchanged; doing it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    return (_IN_TEXT if keep_newlines else _IN_LINE).sub(_written_out, text)


def writable(text: str, encoding: str | None) -> str:
    r"""Return `text` as a console of this encoding can take it: other characters become `\xe9`, `\u2026`.

    `encoding` is the stream's own (`file.encoding`); None, as a `StringIO` has it, takes everything.
    """
    if encoding is None or text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
