"""What a saved notebook shows of a conversation: HTML that runs nothing, asks for nothing and leads nowhere strange."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langwire.adapters.jupyter.static import static_html
from langwire.adapters.markdown import to_markdown
from langwire.events import Event, Source, TextDelta, TextEnd, TextStart, ToolCallEnd, ToolCallStart, ToolResult

HOSTILE = [
    "use [/red] to end",
    "read [/etc/passwd] and [a-z]",
    "[link=javascript:alert(1)]click[/link]",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>a</a>",
    "[a](javascript:alert(1))",
    "[a]( \tJaVaScRiPt:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "![a](https://example.org/p.png)",
    "![a](javascript:alert(1))",
    "![a](data:image/svg+xml;base64,PHN2Zy8+)",
    "[a][r]\n\n[r]: javascript:alert(1)",
    '[a](https://example.org "x\\" onmouseover=alert(1)")',
    '[a](https://example.org/"onmouseover="alert(1))',
    "```html\n<script>alert(1)</script>",
    '``` "><script>alert(1)</script>\nx\n```',
    "</div></div></style></script><script>alert(1)</script>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "\ud800 \x1b]52;c;aGk=\x07",
    "<!-- --><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
]

TAGS = {
    *("a", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"),
    *("s", "strong", "style", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"class", "href", "rel", "start", "style", "target", "title"}


class Reading(HTMLParser):
    """What a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "hr"):
            assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Reading:
    found = Reading(html)
    assert set(found.tags) <= TAGS
    assert found.tags.count("style") == 1
    assert found.open == []
    for name, value in found.attributes:
        assert name in ATTRIBUTES
        if name == "href":
            assert re.match(r"(?:https?://|mailto:)", value)
        if name == "style":
            assert "url" not in value
    return found


def told(said: str) -> list[Event]:
    source = Source()
    return [
        TextStart(id="a", message_id="m", role="assistant", source=source),
        TextDelta(id="a", text=said),
        TextEnd(id="a"),
        ToolCallStart(id="c", name=said, message_id="m", source=source),
        ToolCallEnd(id="c", name=said, args={said: said}),
        ToolResult(id="c", name=said, status="error", content=said, source=source),
    ]


@pytest.mark.parametrize("said", HOSTILE, ids=ascii)
def test_hostile_text_is_shown_and_does_nothing(said: str) -> None:
    """F-J1, F-J2, T-13: no script, no on*, no javascript:, no data:text/html, nothing that is fetched."""
    check(static_html(said, "00ff", "below"))
    check(static_html(to_markdown(told(said)), "00ff", "below"))


@given(
    st.lists(st.sampled_from([*HOSTILE, "[", "](", ")", "<", ">", "`", "\n", "|", "&", '"', "'", "javascript:", "x"]))
)
def test_no_row_of_hostile_pieces_gets_through(pieces: list[str]) -> None:
    """T-13."""
    check(static_html("".join(pieces), "00ff", "below"))


@given(st.text())
def test_no_text_gets_through(said: str) -> None:
    """T-13."""
    check(static_html(said, "00ff", "below"))


@pytest.mark.parametrize("said", HOSTILE[:3])
def test_brackets_stay_what_they_are(said: str) -> None:
    """F-J1: what looks like markup of a terminal is text."""
    assert said in check(static_html(said, "00ff", "below")).text


def test_links_to_the_web_and_to_mail_are_links_that_tell_nothing_of_their_reader() -> None:
    html = static_html("[a](https://example.org) <mailto:ann@example.org>", "00ff", "below")
    assert html.count('rel="noopener noreferrer nofollow" target="_blank"') == 2
    assert 'href="https://example.org"' in html


def test_markdown_is_drawn_with_small_headings_and_our_line_below() -> None:
    html = static_html("# One\n\n##### Two\n\n| a |\n|---|\n| b |\n\n~~c~~", "00ff", "to be read")
    sizes: Any = re.findall(r"<h\d style=\"[^\"]*font-size: ([\d.]+)em", html)
    assert sizes == ["1.15", "1.0"]
    assert {"table", "s"} <= set(check(html).tags)
    assert "to be read" in html
    assert '<div class="lw-saved-00ff"' in html
