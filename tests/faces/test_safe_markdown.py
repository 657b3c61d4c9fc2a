"""Foreign Markdown stays Markdown, and cannot run, load, mislead or pass for ours, whoever reads it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from langwire.adapters._shared.safe_markdown import code, fenced, inline, safe_markdown

READERS = [MarkdownIt("commonmark"), MarkdownIt("commonmark").enable(["table", "strikethrough"])]
"""Readers that let raw HTML through, with and without tables."""
OURS = "\n\n## Ours\n\n<!-- ours -->\n"
PIECES = [
    *("`", "``", "```", "````", "~~~", "\\", "\n", "\n\n", "  ", "    ", "\t", "|", "- ", "* ", "1. ", "> ", "+ "),
    *("<script>", "<!--", "<b>", "</b>", "<http://a`b>", "a", "# h", "###### h", "===", "---", "--", "-", "|-|-|\n"),
    *("[x](javascript:alert(1))", "[x](\n data:a)", "[x]: javascript:a", "[x]", "![i](https://e/p)", "![i][x]"),
    *("[ok](https://e)", "&lt;", "&#60;script>", "](", "]:", "![", "\r", "\r\n", "\x0c", "\u2028", "\x1b[2J", "<"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


def tokens(reader: MarkdownIt, text: str) -> list[Token]:
    return [one for token in reader.parse(text) for one in (token, *(token.children or ()))]


@settings(max_examples=600)
@given(texts)
@example("  ```\nx\n  ```\n  <script>")
@example("- a\n    ```\n  ```\n  <script>")
@example("- ```\n  x\n  ```\n  <script>")
@example("- a\n  ```\n<script>")
@example("foo ` bar\n`<script>` x")
@example("| `a | <script> ` |\n|-|-|\n")
@example("| a | b |\n|-|-|\n| `a | <script> ` |")
@example("\\`<script>`")
@example("\\![a](https://e/p)")
@example("10. a\n    ```\n    b\n```\n<script>")
@example("x\n    ```\n    <script>\n")
@example("<!--\n```\n-->\n<script>")
def test_no_reader_finds_html_images_or_other_links_in_it_or_loses_what_follows(text: str) -> None:
    """T-12, T-14: what a model says cannot run, load or lead anywhere, and its headings are not ours."""
    for reader in READERS:
        found = tokens(reader, safe_markdown(text) + OURS)
        assert [token.content for token in found if token.type.startswith("html")] == ["<!-- ours -->\n"]
        assert not [token for token in found if token.type == "image"]
        hrefs = [str(token.attrs["href"]) for token in found if token.type == "link_open"]
        assert [href for href in hrefs if not re.match("(https?://|mailto:)", href, re.I)] == []
        assert [token.tag for token in found if token.type == "heading_open" and token.tag < "h4"] == ["h2"]


@pytest.mark.parametrize(
    "text",
    [
        "A *day* in **Rome**, see [this](https://example.org) or [write](mailto:a@example.org).",
        "- one\n- two\n  - deeper\n\n1. first\n2. second",
        "| a | b |\n|---|--:|\n| 1 | 2 |",
        "> quoted",
        "```python\nx = [1]\nif x[0] < 2: print('<b>')\n```",
        "- do this:\n  ```sh\n  cat <in >out\n  ```\n- and that",
        "Use `List<String>` or ``a ` <b>``.",
        "~~~\n# no heading\n~~~",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert safe_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("# Big\n## Less\n###### Least", "#### Big\n##### Less\n###### Least"),
        ("Big\n===\n\nRule\n---\n- a\n-", "Big\n\\===\n\nRule\n***\n- a\n\\-"),
        ("a <b>c</b>", "a &lt;b>c&lt;/b>"),
        ("![x](https://e/p)", "&#33;[x](https://e/p)"),
        ("[x](javascript:a) [y](/rel) [z]: http://e", "[x]\\(javascript:a) [y]\\(/rel) [z]\\: http://e"),
        ("```\nopen", "```\nopen\n```"),
        ("   ~~~\nopen\n", "   ~~~\n   open\n\n   ~~~"),
        ("    ```x\n      deep\n  less\n\n    ````", "```x\n  deep\nless\n\n```"),
        ("- ```\n  a", "- \\```\n  a"),
        ("a ` b\n`<b>`\n\n`<b>`", "a ` b\n`&lt;b>`\n\n`<b>`"),
        ("`a|<b>`", "`a|&lt;b>`"),
        ("\x1b[2J\u202e", "\\x1b[2J\\u202e"),
    ],
)
def test_what_is_not_is_shown(text: str, safe: str) -> None:
    assert safe_markdown(text) == safe


@given(texts)
def test_a_line_is_a_line_of_text(text: str) -> None:
    for reader in READERS:
        for line in (f"x {inline(text)}", f"x {code(text)}"):
            (paragraph,) = [token for token in tokens(reader, line) if token.type == "inline"]
            kinds = {token.type for token in paragraph.children or ()} - {"text", "text_special"}
            assert kinds <= ({"code_inline"} if "`" in line else set())


@given(texts)
def test_nothing_ends_a_block_of_code(text: str) -> None:
    for reader in READERS:
        (token,) = reader.parse("\n".join(fenced(text, "json")))
        assert (token.type, token.info) == ("fence", "json")
