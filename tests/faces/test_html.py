"""A story as one HTML file: it opens from disk without a network, and what was said in it cannot run."""

from __future__ import annotations

import html
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import langwire
from agui.browser import chromium, missing
from faces.golden import NAMES, entries, events
from faces.resting import at_rest
from langwire.adapters.html import MAX_VALUE, content_policy, to_html
from langwire.core.transcript import Transcript
from langwire.events import (
    Display,
    Entry,
    Event,
    NodeStart,
    ReasoningDelta,
    ReasoningStart,
    Source,
    StateSnapshot,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
    TurnEnd,
    TurnStart,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

HERE = Source()


def carried(page: str) -> list[dict[str, Any]]:
    """What a file carries for its renderer."""
    found = re.search(r'<script type="application/json" id="langwire-story">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def said(id: str, *texts: str) -> list[Event]:
    return [
        TextStart(id=id, message_id=id, source=HERE),
        *(TextDelta(id=id, text=text) for text in texts),
        TextEnd(id=id),
    ]


# ------------------------------------------------------------------ the file


def test_it_carries_what_is_shown_with_one_delta_for_each_part() -> None:
    told: Sequence[Event] = [
        TurnStart(turn_id="t"),
        NodeStart(id="n", node="agent"),
        StateSnapshot(values={"big": "state"}),
        TextStart(id="m", message_id="m", source=HERE),
        TextDelta(id="m", text="one "),
        ReasoningStart(id="r", message_id="m", source=HERE),
        ReasoningDelta(id="r", text="a"),
        ToolCallStart(id="m", name="f", message_id="m", source=HERE),
        ToolCallDelta(id="m", args="{"),
        TextDelta(id="m", text="two"),
        ReasoningDelta(id="r", text="b"),
        ToolCallDelta(id="m", args="}"),
        TurnEnd(outcome="complete"),
        TurnStart(turn_id="u"),
        TextDelta(id="m", text="late"),
        *said("m", "an", "ew"),
    ]
    assert [(event["type"], event.get("text", event.get("args"))) for event in carried(to_html(told))] == [
        ("turn_start", None),
        ("text_start", None),
        ("text_delta", "one two"),
        ("reasoning_start", None),
        ("reasoning_delta", "ab"),
        ("tool_call_start", None),
        ("tool_call_delta", "{}"),
        ("turn_end", None),
        ("turn_start", None),
        ("text_delta", "late"),
        ("text_start", None),
        ("text_delta", "anew"),
        ("text_end", None),
    ]
    assert "seq" not in carried(to_html(told))[0]


def test_entries_keep_their_times() -> None:
    stamped = [Entry(seq=at, at_ms=1000 * at, event=event) for at, event in enumerate(said("m", "a", "b", "c"), 7)]
    assert [(event["seq"], event["at_ms"], event.get("text")) for event in carried(to_html(stamped))] == [
        (1, 7000, None),
        (2, 8000, "abc"),
        (3, 11000, None),
    ]


def test_a_transcript_makes_the_same_file_as_its_events() -> None:
    assert to_html(Transcript.of(events("assistant"))) == to_html(events("assistant"))


def test_it_goes_to_a_path_or_an_open_file_and_is_returned(tmp_path: Path) -> None:
    page, open_file = to_html(said("m", "é\r\n"), tmp_path / "a.html"), io.StringIO()
    assert (tmp_path / "a.html").read_bytes().decode() == page
    assert to_html(said("m", "é\r\n"), str(tmp_path / "b.html")) == to_html(said("m", "é\r\n"), open_file)
    assert open_file.getvalue() == page


def test_its_title_is_text() -> None:
    page = to_html([], title="</title><script>1</script> & 'more'")
    assert page.count("&lt;/title&gt;&lt;script&gt;1&lt;/script&gt; &amp; &#x27;more&#x27;") == 2
    assert "<script>1" not in page
    assert "<title>Transcript</title>" in to_html([])


def test_nothing_that_was_said_ends_the_scripts_of_the_file() -> None:
    """T-12: what is said is data, in JSON whose every `<` is written out."""
    page = to_html(said("m", "</script><script>1</script><!--\u2028\u2029"))
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert page.count("<!--") == 0
    assert "\\u2028\\u2029" in page
    assert carried(page)[1]["text"] == "</script><script>1</script><!--\u2028\u2029"


def test_values_that_are_too_large_are_cut_and_pictures_later() -> None:
    large = "x" * (MAX_VALUE + 1)
    told = carried(to_html([ToolResult(id="c", content=large), Display(bundle={"image/png": large})]))
    assert told[0]["content"]["$truncated"]["bytes"] == MAX_VALUE + 3
    assert told[1]["bundle"]["image/png"] == large
    assert len(to_html(said("m", large))) < 3 * MAX_VALUE


def test_the_policy_lets_two_scripts_run_and_nothing_be_loaded() -> None:
    page, policy = to_html([]), content_policy()
    assert f'content="{policy}"' in page
    assert len(re.findall("'sha256-[A-Za-z0-9+/]{43}='", policy)) == 2
    assert not re.search(r"https?:|unsafe-eval|\*|script-src[^;]*unsafe-inline", policy)


def test_the_package_has_it_and_loads_it_when_it_is_asked_for() -> None:
    """The front door stays light."""
    code = "import sys, langwire; print('langwire.adapters.html' in sys.modules, langwire.export.to_html([])[:9])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "False <!doctype\n"
    assert langwire.export.__all__ == ["to_html", "to_markdown"]


# ------------------------------------------------------------------ in a browser

needs_chromium = pytest.mark.skipif(
    "chromium" in missing() and not os.environ.get("LANGWIRE_WHOLE"), reason="the files are opened in chromium"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    pytest.importorskip("playwright.async_api", reason="playwright is not in this environment")
    async with chromium() as browser:
        yield browser


class Opened:
    """A page, what went wrong on it, and what it asked of a network."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        page.on("request", lambda request: self._ask(request.url))

    def _ask(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:", "about:")):
            self.wrong.append(f"asked for {url}")

    async def open(self, file: Path) -> Page:
        await self.page.goto(file.as_uri())
        await self.page.wait_for_selector("#langwire:not(:has(> pre))", state="attached")
        return self.page


@needs_chromium
async def test_every_story_opens_from_disk_and_nothing_in_it_runs(browser: Browser, tmp_path: Path) -> None:
    """T-12, T-14: no script of a story runs, no byte is fetched, and nothing is said on the console."""
    opened = Opened(await browser.new_page())
    for name in NAMES:
        to_html(entries(name), tmp_path / f"{name}.html", title=name)
        page = await opened.open(tmp_path / f"{name}.html")
        await at_rest(page)
        assert (name, opened.wrong) == (name, [])
        assert [await frame.evaluate("window.owned") for frame in page.frames] == [None] * len(page.frames)


@needs_chromium
async def test_the_showcase_is_all_there(browser: Browser, tmp_path: Path) -> None:
    to_html(entries("showcase"), tmp_path / "showcase.html")
    opened = Opened(await browser.new_page())
    page = await opened.open(tmp_path / "showcase.html")
    await page.wait_for_selector("text=A postcard")
    assert await page.locator("img[src^='data:image/']").count() >= 1
    frame = page.frame_locator("iframe").first
    assert await frame.get_by_text("Greetings from the hill").count() == 1
    assert await page.get_by_role("button", name="Approve").count() == 0
    assert opened.wrong == []


@needs_chromium
async def test_without_javascript_the_text_can_be_read(browser: Browser, tmp_path: Path) -> None:
    to_html(entries("assistant"), tmp_path / "assistant.html")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto((tmp_path / "assistant.html").as_uri())
    told = await page.locator("#langwire > pre").inner_text()
    assert "## Your day in Oslo" in told
    assert html.unescape(told) == told
    await context.close()
