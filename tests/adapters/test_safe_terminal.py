"""Nothing that a terminal obeys or hides gets through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from langwire.adapters._shared.safe_terminal import safe_terminal, writable

NASTY = "\x00\x07\x08\x0b\r\x1b\x7f\x85\x9b\u061c\u200b\u200e\u2028\u2029\u202e\u2066\ufeff\ud800\U000e0041\xad"
JOINING = "\u200c\u200d\ufe0e\ufe0f"

texts = st.text(st.one_of(st.characters(codec=None), st.sampled_from(NASTY + JOINING + "\n\t\\x")))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),
        ("\x1bPq\x1b\\", r"\x1bPq\x1b" + "\\"),
        ("\x9b2J \x90 \x7f \x00\x08", r"\x9b2J \x90 \x7f \x00\x08"),
        ("fine\rforged", r"fine\rforged"),
        ("user\u202e txt.exe \u2066\u2069\u200f\u061c", r"user\u202e txt.exe \u2066\u2069\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("a\u200bb\u2060\ufeff\xad\u3164\ufe00", r"a\u200bb\u2060\ufeff\xad\u3164\ufe00"),
        ("\U000e0068\U000e0069\U000e0101", r"\U000e0068\U000e0069\U000e0101"),
        ("\ud83d \udc00", r"\ud83d \udc00"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_written_out(text: str, shown: str) -> None:
    """T-12, F-C1: colours, the clipboard, the cursor, and text that reads otherwise than it is."""
    assert safe_terminal(text) == shown


@pytest.mark.parametrize(
    "text",
    ["plain", "two\nlines\tand a tab", "Zürich, 東京, עברית, हिन्दी", "می\u200cخواهم", "👩\u200d💻 ❤\ufe0f", r"C:\x1b"],  # noqa: RUF001
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert safe_terminal(text) == text


def test_a_single_line_stays_one() -> None:
    assert safe_terminal("a\nb\tc\x1b", keep_newlines=False) == r"a\nb\tc\x1b"


@given(texts, st.booleans())
@example(NASTY, True)
def test_no_control_character_gets_out_and_twice_is_once(text: str, keep_newlines: bool) -> None:
    """T-12"""
    shown = safe_terminal(text, keep_newlines=keep_newlines)
    kept = "\n\t" if keep_newlines else ""
    for char in shown:
        assert char in kept or unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(char) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        assert char not in NASTY
    assert safe_terminal(shown, keep_newlines=keep_newlines) == shown


@given(
    st.text(
        st.characters(categories=["L", "N", "P", "Sc", "Sm", "Sk", "So"], exclude_characters="\u115f\u1160\u3164\uffa0")
    )
)
def test_letters_digits_and_signs_never_change(text: str) -> None:
    assert safe_terminal(text, keep_newlines=False) == text


@given(st.lists(texts))
def test_a_text_may_be_cut_anywhere(pieces: list[str]) -> None:
    assert "".join(map(safe_terminal, pieces)) == safe_terminal("".join(pieces))


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("plain", "ascii", "plain"),
        ("é…😀", "ascii", r"\xe9\u2026\U0001f600"),
        ("é…😀", "cp1252", r"é…\U0001f600"),
        ("é…😀", "utf-8", "é…😀"),
        ("\ud800", "utf-8", r"\ud800"),
        ("é…😀", None, "é…😀"),
    ],
)
def test_a_console_gets_what_it_can_take(text: str, encoding: str | None, shown: str) -> None:
    assert writable(text, encoding) == shown
