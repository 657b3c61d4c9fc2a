"""The board of delegated tasks on the page: what runs, live, and how a person answers, stops, and says more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from faces.browsing import Reader, chromium, expect, visited
from langwire.demo.agents import build_concierge, build_delegating

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def tab(reader: Reader) -> Locator:
    return reader.button("Tasks")


def task(reader: Reader, name: str) -> Locator:
    """A task in the list: what opens it."""
    return reader.page.get_by_role("region", name="Tasks").get_by_role("link").filter(has_text=name).first


def transcript(reader: Reader) -> Locator:
    return reader.page.get_by_role("log", name="Transcript of the task")


async def delegates(reader: Reader) -> None:
    await reader.says("A weekend in Rome")
    await reader.reads("They are at work")
    await reader.rests()
    await tab(reader).click()


async def test_tasks_are_listed_and_each_tells_its_story(browser: Browser) -> None:
    async with visited(browser, build_delegating(0), works=True) as reader:
        await delegates(reader)
        for name in ("weather", "train", "letter"):
            await expect(task(reader, name)).to_be_visible()
        await expect(task(reader, "weather")).to_contain_text("done")
        await task(reader, "weather").click()
        await expect(transcript(reader)).to_contain_text("get_weather")
        await expect(transcript(reader)).to_contain_text("sunny, 27 °C")
        at = reader.page.url
        await reader.page.reload()
        await expect(transcript(reader)).to_contain_text("sunny, 27 °C")
        assert reader.page.url == at


async def test_a_task_is_watched_as_it_goes(browser: Browser) -> None:
    async with visited(browser, build_delegating(0.03), works=True) as reader:
        await delegates(reader)
        await task(reader, "letter").click()
        await expect(reader.page.get_by_role("group", name="Question: send_email")).to_be_visible()
        await expect(task(reader, "weather")).to_contain_text("done")


async def test_a_tasks_question_is_answered_there(browser: Browser) -> None:
    async with visited(browser, build_delegating(0), works=True) as reader:
        await delegates(reader)
        await task(reader, "letter").click()
        question = reader.page.get_by_role("group", name="Question: send_email")
        await expect(question).to_contain_text("we come to Rome")
        await question.get_by_role("button", name="Approve", exact=True).click()
        await expect(transcript(reader)).to_contain_text("Sent to ann@example.org.")
        await expect(task(reader, "letter")).to_contain_text("done")


async def test_a_task_is_cancelled_and_tried_again(browser: Browser) -> None:
    async with visited(browser, build_delegating(0), works=True) as reader:
        await delegates(reader)
        await task(reader, "letter").click()
        await expect(reader.page.get_by_role("group", name="Question: send_email")).to_be_visible()
        await reader.presses("Cancel task")
        await expect(task(reader, "letter")).to_contain_text("cancelled")
        await expect(reader.page.get_by_role("group", name="Question: send_email")).to_have_count(0)
        await reader.presses("Retry task")
        await expect(task(reader, "letter")).not_to_contain_text("cancelled")


async def test_more_is_said_to_a_task(browser: Browser) -> None:
    async with visited(browser, build_delegating(0), works=True) as reader:
        await delegates(reader)
        await task(reader, "train").click()
        await expect(task(reader, "train")).to_contain_text("done")
        field = reader.page.get_by_role("textbox", name="Message to the task")
        await field.fill("Write to Ann that we come to Oslo.")
        await field.press("Enter")
        await expect(transcript(reader)).to_contain_text("we come to Oslo")


async def test_a_card_in_the_conversation_leads_to_its_task(browser: Browser) -> None:
    async with visited(browser, build_delegating(0), works=True) as reader:
        await reader.says("A weekend in Rome")
        await reader.reads("They are at work")
        await reader.rests()
        card = reader.log.locator(".lw-task").filter(has_text="weather").first
        await card.get_by_role("button").or_(card.get_by_role("link")).first.click()
        await expect(transcript(reader)).to_contain_text("sunny, 27 °C")
        assert "#tasks/" in reader.page.url


async def test_where_nothing_is_delegated_there_is_no_board(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as reader:
        await reader.says("Hello")
        await reader.reads("say pink or gold")
        await expect(tab(reader)).to_be_hidden()
