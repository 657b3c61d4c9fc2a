"""The example pages in a real browser: chat, a tool, the page's own tool, an approval, and all of it after a reload.

The page of assistant-ui, the smaller one, always runs; the one of CopilotKit with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AnyMessage

from agui.browser import BUILT, built, chromium, missing, served
from langwire.demo.agents import build_concierge

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Request

# The pages know nothing of LangGraph: one environment has what opens them, the one with the newest.
expect = pytest.importorskip("playwright.async_api", reason="playwright is not in this environment").expect
expect.set_options(timeout=20_000)

if missing() and not os.environ.get("LANGWIRE_WHOLE"):
    pytest.skip(f"the pages need {' and '.join(missing())}", allow_module_level=True)

PAGES = ["assistant-ui", *(["copilotkit"] if os.environ.get("LANGWIRE_SOAK") else [])]

every_page = pytest.mark.parametrize("name", PAGES)

WATCH = """
() => {
  window.seen = new Set();
  new MutationObserver(() => seen.add(document.body.textContent.length))
    .observe(document.body, { childList: true, characterData: true, subtree: true });
}
"""
"""Counts how often the text of the page has grown."""


class Visitor:
    """Somebody at a page, and what went wrong there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self._send = page.locator(".composer button, [data-testid=copilot-send-button]")
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", self._asked)

    async def say(self, text: str) -> None:
        """Send a message, once nothing runs."""
        await self.rests()
        await self.page.get_by_role("textbox").fill(text)
        await self.page.keyboard.press("Enter")

    async def rests(self) -> None:
        """Wait until nothing runs: only then the button is for a message again, of which there is none."""
        await expect(self._send).to_be_disabled()

    async def reload(self) -> None:
        """Load the page anew once nothing runs: a run whose page leaves is stopped."""
        await self.rests()
        await self.page.reload()

    async def reads(self, text: str) -> None:
        await expect(self.page.get_by_text(text).last).to_be_visible()

    async def answers(self, word: str) -> None:
        await self.page.get_by_role("button", name=word).click()

    async def thread(self) -> str:
        return await self.page.evaluate("localStorage.thread")

    async def photograph(self, name: str) -> None:
        await self.page.screenshot(path=BUILT / f"{name}.png", full_page=True)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strangers.append(request.url)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@asynccontextmanager
async def visited(name: str, browser: Browser, graph: Any) -> AsyncIterator[Visitor]:
    """A visit to a page; it has gone well if the page neither complained nor asked anybody but its server."""
    async with served(built(name), graph) as url:
        visitor = Visitor(await browser.new_page(), url)
        await visitor.page.goto(url)
        try:
            yield visitor
        finally:
            await visitor.photograph(f"{name}-last")
            await visitor.page.close()
    # The browser itself complains about the one answer that says that the thread is new.
    assert [said for said in visitor.complaints if "404 (Not Found)" not in said] == []
    assert visitor.strangers == []


async def held(graph: Any, thread: str) -> list[AnyMessage]:
    """The messages that a thread of the graph holds."""
    return (await graph.aget_state({"configurable": {"thread_id": thread}})).values["messages"]


@every_page
async def test_a_page_chats_shows_tools_and_runs_its_own(name: str, browser: Browser) -> None:
    """Frontend tools reach the model without more ado (ag-ui#892), beside a tool of the agent's own."""
    graph = build_concierge(0.01)
    async with visited(name, browser, graph) as visitor:
        await visitor.page.evaluate(WATCH)
        await visitor.say("The weather in Oslo, on a pink page")
        await visitor.reads("set_color: The page is pink now.")
        await visitor.reads("get_weather: crisp and clear, 8 °C")
        assert await visitor.page.evaluate("seen.size") > 10, "the answer did not stream"
        tools = await visitor.page.locator(".tool").all_inner_texts()
        assert [tool.split()[0] for tool in tools] == ["get_weather", "set_color"]
        assert "Oslo" in tools[0]
        assert "crisp and clear, 8 °C" in tools[0]
        await expect(visitor.page.locator("body")).to_have_css("background-color", "rgb(255, 192, 203)")
        await visitor.photograph(f"{name}-tools")
        results = [message for message in await held(graph, await visitor.thread()) if message.type == "tool"]
    assert [result.text for result in results] == ["crisp and clear, 8 °C", "The page is pink now."]


@every_page
async def test_a_page_asks_with_all_arguments_before_anything_is_done(name: str, browser: Browser) -> None:
    """A question survives a reload, and its answer goes to the graph as a decision (T-8)."""
    graph = build_concierge(0)
    async with visited(name, browser, graph) as visitor:
        await visitor.say("Write to Ann")
        question = visitor.page.locator(".approval")
        for shown in ("Send an email to", '"to": "ann@example.org"', '"subject": "A note for you"', "Best wishes"):
            await expect(question).to_contain_text(shown)
        await visitor.photograph(f"{name}-approval")
        await visitor.reload()
        await expect(question).to_contain_text('"to": "ann@example.org"')
        await visitor.answers("Approve")
        await visitor.reads("Done. Sent to ann@example.org.")
        await visitor.say("Write to Bob")
        await visitor.answers("Reject")
        await visitor.reads("Nothing was sent. You said no.")
        await expect(question).to_have_count(0)
        results = [message for message in await held(graph, await visitor.thread()) if message.type == "tool"]
    assert [result.text for result in results] == ["Sent to ann@example.org.", "You said no."]


@every_page
async def test_a_page_that_is_loaded_anew_goes_on_where_it_was(name: str, browser: Browser) -> None:
    """The server tells what the thread holds, and takes the next message behind it, once (ag-ui#706)."""
    graph = build_concierge(0)
    async with visited(name, browser, graph) as visitor:
        await visitor.say("The weather in Rome?")
        await visitor.reads("get_weather: sunny, 27 °C")
        await visitor.reload()
        await visitor.reads("The weather in Rome?")
        await visitor.reads("get_weather: sunny, 27 °C")
        await visitor.say("Hello again")
        await visitor.reads("Ask me for the weather in a city")
        await visitor.photograph(f"{name}-reloaded")
        await expect(visitor.page.get_by_text("The weather in Rome?", exact=True)).to_have_count(1)
        said = [message.text for message in await held(graph, await visitor.thread()) if message.type == "human"]
    assert said == ["The weather in Rome?", "Hello again"]
