"""The page that `langwire serve --demo` opens: every card is there, and everything on them can be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from faces.browsing import Reader, chromium, expect, visited
from langwire.demo.agents import build_showcase

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def question(reader: Reader, name: str) -> Locator:
    return reader.page.get_by_role("group", name=f"Question: {name}", exact=True)


def press(of: Locator, name: str) -> Locator:
    return of.get_by_role("button", name=name, exact=True)


async def toured(reader: Reader) -> None:
    """Ask for the tour, and wait for its question."""
    await reader.says("A weekend in Rome")
    await expect(question(reader, "send_email")).to_be_visible()
    await reader.rests()


async def test_the_tour_shows_every_card(browser: Browser) -> None:
    async with visited(browser, build_showcase(0), works=True) as reader:
        await toured(reader)
        log = reader.log
        await expect(reader.said_by("You")).to_contain_text("A weekend in Rome")
        await log.get_by_text("Thought").first.click()
        await expect(log.get_by_text("I look up the weather and the trains")).to_be_visible()
        todos = log.get_by_role("list", name="To do")
        await expect(todos.get_by_role("listitem")).to_have_count(3)
        for name, state in (("get_weather", "done"), ("find_trains", "done"), ("book_table", "failed")):
            await expect(reader.call(name)).to_contain_text(state)
        await reader.call("get_weather").get_by_text("get_weather").click()
        await expect(reader.call("get_weather")).to_contain_text("Arguments")
        await expect(reader.call("get_weather")).to_contain_text("sunny, 27 °C")
        picture = log.get_by_role("img", name="Picture").first
        assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 96
        await expect(log.get_by_role("columnheader", name="sky")).to_be_visible()
        await expect(log.get_by_role("cell", name="crisp and clear")).to_be_visible()
        await expect(log.get_by_text("How warm it is")).to_be_visible()
        postcard = log.frame_locator("iframe")
        await expect(postcard.get_by_text("Greetings from the hill")).to_be_visible()
        await expect(log.locator(".lw-task")).to_have_count(2)


async def test_researchers_work_in_lanes_below_their_calls(browser: Browser) -> None:
    async with visited(browser, build_showcase(0)) as reader:
        await toured(reader)
        research = reader.calls.filter(has_text="research").filter(has=reader.page.locator(".lw-lane"))
        await expect(research).to_have_count(2)
        await expect(research.first).to_contain_text("search_notes")


async def test_the_tour_ends_with_a_document_and_data(browser: Browser) -> None:
    async with visited(browser, build_showcase(0), works=True) as reader:
        await toured(reader)
        await press(question(reader, "send_email"), "Approve").click()
        await press(question(reader, "book_room"), "Approve").click()
        await reader.presses("Send answers")
        await reader.reads("Have a lovely time!")
        await reader.rests()
        log = reader.log
        await expect(log.get_by_role("heading", name="Your weekend in Rome")).to_be_visible()
        await expect(log.get_by_role("cell", name="A picnic at sunset")).to_be_visible()
        await expect(log.locator("blockquote")).to_contain_text("take a hat along")
        await expect(log.locator("ol li ul li")).to_have_text(["the tickets", "the map"])
        await expect(log.get_by_role("link", name="map")).to_have_attribute("href", "https://example.org/map")
        code = log.locator("pre").filter(has_text="def days_until").last
        await expect(code.locator("[class^=lw-h-]").first).to_be_attached()
        await expect(log.get_by_text("Weather in Rome").first).to_be_visible()
        await reader.reads("send_email")
        await expect(reader.page.get_by_text("tokens in").last).to_be_visible()
        for name in ("send_email", "book_room"):
            await expect(reader.calls.filter(has_text=name).last).to_contain_text("done")


async def test_code_and_messages_are_copied(browser: Browser) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    async with visited(browser, build_showcase(0), permissions=permissions) as reader:
        await reader.says("Some markdown about Rome")
        await reader.reads("Have a lovely time!")
        await reader.rests()
        await reader.presses("Copy code")
        copied = await reader.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("from datetime import date\n\ndef days_until")
        message = reader.log.get_by_role("article").last
        await message.hover()
        await press(message, "Copy").last.click()
        copied = await reader.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("## Your weekend in Rome\n\n| When | What | Where |")


async def test_a_form_is_made_of_the_schema_of_the_arguments(browser: Browser) -> None:
    async with visited(browser, build_showcase(0)) as reader:
        await reader.says("Book a room in Rome")
        room = question(reader, "book_room")
        await press(question(reader, "send_email"), "Reject").click()
        await press(question(reader, "send_email"), "Reject").click()
        await press(room, "Edit").click()
        await expect(room.get_by_role("button", name="Respond")).to_have_count(0)
        await expect(room.get_by_label("breakfast", exact=True)).to_be_checked()
        await expect(room.get_by_label("view", exact=True).locator("option")).to_have_text(["sea", "garden", "street"])
        nights = room.get_by_label("nights", exact=True)
        await nights.fill("")
        await press(room, "Approve with changes").click()
        await expect(nights).to_be_focused()
        await nights.fill("3")
        await room.get_by_label("view", exact=True).select_option("garden")
        await room.get_by_label("breakfast", exact=True).uncheck()
        await press(room, "Approve with changes").click()
        await reader.presses("Send answers")
        await reader.reads("Hotel Rome: 3 nights without breakfast, a view of the garden.")


async def test_a_question_with_a_schema_is_answered_by_a_form(browser: Browser) -> None:
    async with visited(browser, build_showcase(0)) as reader:
        await reader.says("Ask me a question")
        await reader.reads("Where to, and for how long?")
        await reader.page.get_by_label("City").fill("Rome")
        await reader.page.get_by_label("Nights").fill("2")
        await reader.presses("Send answer")
        await reader.reads("They answered: {'city': 'Rome', 'nights': 2")


async def test_a_reload_tells_the_same_story(browser: Browser) -> None:
    async with visited(browser, build_showcase(0), works=True) as reader:
        await toured(reader)
        await press(question(reader, "send_email"), "Approve").click()
        await press(question(reader, "book_room"), "Approve").click()
        await reader.presses("Send answers")
        await reader.reads("Have a lovely time!")
        await reader.rests()
        names = (
            "log => [...log.querySelectorAll('.lw-call')].filter((one) => !one.closest('.lw-lane')).map((one) =>"
            " one.querySelector('.lw-name').textContent)"
        )
        cards = await reader.log.evaluate(names)
        await reader.page.reload()
        await reader.reads("Have a lovely time!")
        await expect(reader.log.get_by_role("list", name="To do").first).to_be_attached()
        await expect(reader.log.get_by_role("columnheader", name="sky").first).to_be_visible()
        assert await reader.log.evaluate(names) == cards
