"""Markdown of a model at a terminal: what is shown, what is not obeyed, and what is finished before its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.hostile import FOR_MARKDOWN, PAYLOADS
from faces.terminals import COLORS, console, strays
from langwire.adapters.cli.markdown import Growing, Markdown
from langwire.adapters.cli.screen import Page


def shown(text: str, width: int = 60) -> str:
    return COLORS.sub("", "\n".join(row.text for row in Page(console(width)).rows(Markdown(text), width)))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# One\ntwo **three** `four`", ["One", "", "two three four"]),
        ("a\nb  \nc", ["a b", "c"]),
        ("- a\n- b\n  - c", ["• a", "• b", "  • c"]),
        ("- a\n\n- b", ["• a", "", "• b"]),
        ("9. a\n10. b\n", [" 9. a", "10. b"]),
        ("> a\n>\n> b", ["│ a", "│", "│ b"]),
        ("---", ["─" * 24]),
        ("~~a~~ *b*", ["a b"]),
        ("```python\nx = 1\n\ny = 2\n```", ["  x = 1", "", "  y = 2"]),
        ("```\n" + "x" * 20_001, ["  " + "x" * 58] * 344 + ["  " + "x" * 49]),
        ("    code", ["  code"]),
        ("| a | b |\n|---|--:|\n| 1 | 20 |\n| 3 |", ["a    b", "──────", "1   20", "3"]),
    ],
)
def test_what_markdown_looks_like(text: str, lines: list[str]) -> None:
    assert shown(text).split("\n") == lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[a](https://b.example)", "a (https://b.example)"),
        ("<https://b.example> <mailto:a@b.example> <a@b.example>", "https://b.example mailto:a@b.example a@b.example"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](/relative)", "[x](/relative)"),
        ("![a](https://b.example/c.png)", "[image] a (https://b.example/c.png)"),
        ("<b>x</b>", "<b>x</b>"),
        ("<script>\nx\n</script>", "<script> x </script>"),
        ("[a]\n\n[a]: https://b.example", "[a]\n\n[a]: https://b.example"),
        ("&amp; &#x202e;x &#27;", r"& \u202ex �"),
        ("a\r\nb", "a b"),
    ],
)
def test_links_show_where_they_lead_and_nothing_else_is_obeyed(text: str, line: str) -> None:
    """F-J1, F-J2, T-12"""
    assert shown(text) == line


def test_no_hyperlink_is_written() -> None:
    page = Page(console(60))
    assert not any(
        "\x1b]8" in row.text for row in page.rows(Markdown("[a](https://b.example) <https://c.example>"), 60)
    )


def test_a_table_that_is_too_wide_becomes_records() -> None:
    table = "| one | two | three |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n"
    assert shown(table, 16) == "one: 1\ntwo: 2\nthree: 3\n\none: 4\ntwo: 5\nthree: 6"
    assert shown("| one | two | three |\n|---|---|---|\n", 16) == "one: one\ntwo: two\nthree: three"


def test_what_is_nested_too_deep_is_shown_as_it_was_written() -> None:
    assert "deep" in shown("> " * 300 + "deep", 20).replace("\n", "")
    assert "deep" in shown("".join(f"{'  ' * n}- x\n" for n in range(30)) + "deep", 20)


@given(st.sampled_from(PAYLOADS), st.sampled_from(FOR_MARKDOWN), st.integers(1, 60))
def test_nothing_breaks_it_and_nothing_gets_out(text: str, other: str, width: int) -> None:
    rows = Page(console(width)).rows(Markdown(f"{other}\n{text}\n\n{text}{other}"), width)
    assert not strays("\n".join(row.text for row in rows))
    assert all(row.columns <= width for row in rows)


# ------------------------------------------------------------------ growing

PIECES = st.lists(
    st.sampled_from(
        [
            "a",
            "\n",
            "\n\n",
            "- ",
            "  ",
            "    ",
            "1. ",
            "2",
            "```",
            "~~~\n",
            "| a |",
            "\n|---|\n",
            "> ",
            "# ",
            "---",
            "\t",
            " ",
        ]
    )
)


@given(PIECES, st.lists(st.booleans()))
def test_however_often_one_looks_the_blocks_are_the_same(pieces: list[str], looks: list[bool]) -> None:
    growing, at_the_end, parts = Growing(), Growing(), []
    for piece, look in zip(pieces, [*looks, *[True] * len(pieces)], strict=False):
        growing.add(piece)
        at_the_end.add(piece)
        parts.append(growing.finished(at_once=look))
    whole = "".join(pieces)
    seen = "".join([*parts, growing.finished()])
    assert seen == at_the_end.finished()
    assert seen + growing.all() == whole
    assert growing.rest == ""


def test_the_last_block_is_kept_until_another_one_has_begun() -> None:
    growing = Growing()
    growing.add("One\ntwo\n\n- a\n")
    assert growing.finished() == "One\ntwo\n\n"
    growing.add("- b\n\nTh")
    assert growing.finished() == ""
    growing.add("ree\n")
    assert growing.finished() == "- a\n- b\n\n"
    assert growing.all() == "Three\n"


def test_a_long_text_is_not_looked_into_at_every_frame() -> None:
    growing = Growing()
    growing.add("- a\n" * 50)
    assert growing.finished(at_once=False) == ""
    growing.add("\nEnd.\n")
    assert growing.finished(at_once=False) == ""
    assert growing.finished() == "- a\n" * 50 + "\n"


def test_an_open_fence_is_one_block_and_a_closed_one_is_over() -> None:
    growing = Growing()
    growing.add("```\n# no title\n\ntext\n")
    assert growing.finished() == ""
    growing.add("```\n\nAfter.\n")
    assert growing.finished() == "```\n# no title\n\ntext\n```\n\n"
