"""What a person changes on the page: an answer made anew, words taken back, files brought along, names, and exports."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from faces.browsing import Reader, chromium, expect, visited
from langwire.demo.agents import build_approval, build_concierge
from langwire.testing import ScriptedModel
from turns import messages_in

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def counting() -> Any:
    """Return a graph that says how often it was asked, by all, and what was said last."""
    asked = 0

    def answer(prompt: Any) -> str:
        nonlocal asked
        asked += 1
        return f"Answer {asked} to {prompt[-1].text}."

    model = ScriptedModel(script=[answer])
    graph: Any = StateGraph(MessagesState)

    async def say(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph.add_node("say", say)
    graph.add_edge(START, "say")
    return graph.compile(checkpointer=InMemorySaver())


async def held(reader: Reader, graph: Any) -> list[Any]:
    thread = reader.page.url.partition("#")[2]
    state = await graph.aget_state({"configurable": {"thread_id": thread}})
    return messages_in(state.values)


async def test_an_answer_is_made_anew(browser: Browser) -> None:
    graph = counting()
    async with visited(browser, graph) as reader:
        await reader.says("First")
        await reader.reads("Answer 1 to First.")
        await reader.says("Second")
        await reader.reads("Answer 2 to Second.")
        await reader.button("Regenerate").last.click()
        await reader.reads("Answer 3 to Second.")
        await expect(reader.log).not_to_contain_text("Answer 2")
        await reader.reads("Answer 1 to First.")
        await reader.rests()
        assert [message.text for message in await held(reader, graph)] == [
            "First",
            "Answer 1 to First.",
            "Second",
            "Answer 3 to Second.",
        ]
        await reader.page.reload()
        await reader.reads("Answer 3 to Second.")
        await expect(reader.said_by("You")).to_have_count(2)


async def test_what_was_said_is_said_otherwise_and_what_followed_is_gone(browser: Browser) -> None:
    graph = counting()
    async with visited(browser, graph) as reader:
        await reader.says("First")
        await reader.reads("Answer 1 to First.")
        await reader.says("Second")
        await reader.reads("Answer 2 to Second.")
        await reader.rests()
        await edit(reader, 0, "Otherwise")
        await reader.reads("Answer 3 to Otherwise.")
        await expect(reader.log).not_to_contain_text("Second")
        await expect(reader.log).not_to_contain_text("First")
        assert [message.text for message in await held(reader, graph)] == ["Otherwise", "Answer 3 to Otherwise."]


async def edit(reader: Reader, at: int, text: str) -> None:
    """Say something else in place of a message of the person's."""
    message = reader.said_by("You").nth(at)
    await message.hover()
    await message.get_by_role("button", name="Edit", exact=True).click()
    field = reader.log.get_by_role("textbox")
    await field.fill(text)
    await field.press("Enter")


async def test_a_file_comes_along_and_is_shown(browser: Browser) -> None:
    graph = counting()
    async with visited(browser, graph) as reader:
        await attach(reader, "dot.png", "image/png", DOT)
        await attach(reader, "notes.txt", "text/plain", b"some notes")
        await expect(reader.page.get_by_text("dot.png")).to_be_visible()
        await expect(reader.page.get_by_text("notes.txt")).to_be_visible()
        await reader.page.get_by_role("button", name="Remove notes.txt").click()
        await expect(reader.page.get_by_text("notes.txt")).to_have_count(0)
        await reader.says("Look at this")
        await reader.reads("Answer 1")
        picture = reader.said_by("You").locator("img")
        await expect(picture).to_be_visible()
        assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 1
        await reader.rests()
        first = (await held(reader, graph))[0]
        assert [block["type"] for block in first.content] == ["text", "image"]
        await expect(reader.page.get_by_text("dot.png")).to_have_count(0)
        await reader.page.reload()
        await expect(picture).to_be_visible()


async def attach(reader: Reader, name: str, mime: str, content: bytes) -> None:
    async with reader.page.expect_file_chooser() as chosen:
        await reader.presses("Attach files")
    await (await chosen.value).set_files([{"name": name, "mimeType": mime, "buffer": content}])


async def test_a_file_that_is_too_large_is_refused_in_words(browser: Browser) -> None:
    async with visited(browser, counting()) as reader:
        await attach(reader, "huge.bin", "application/octet-stream", bytes(17 * 2**20))
        await expect(reader.page.get_by_role("alert")).to_contain_text("huge.bin")
        await reader.says("Without it")
        await reader.reads("Answer 1 to Without it.")
        reader.forgive("413")


async def test_what_was_written_and_not_sent_is_there_after_a_reload(browser: Browser) -> None:
    async with visited(browser, counting()) as reader:
        await reader.says("First")
        await reader.reads("Answer 1")
        await reader.box.fill("Half a thou")
        await reader.page.reload()
        await expect(reader.box).to_have_value("Half a thou")


async def test_shift_enter_makes_a_line_and_enter_sends(browser: Browser) -> None:
    graph = counting()
    async with visited(browser, graph) as reader:
        await reader.box.press_sequentially("one")
        await reader.box.press("Shift+Enter")
        await reader.box.press_sequentially("two")
        await reader.box.press("Enter")
        await reader.reads("Answer 1")
        assert (await held(reader, graph))[0].text == "one\ntwo"
        await expect(reader.box).to_have_value("")


# ------------------------------------------------------------------ the list


async def test_conversations_are_renamed_and_deleted(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as reader:
        for said in ("The weather in Oslo", "The weather in Rome"):
            await reader.presses("New conversation")
            await reader.says(said)
            await reader.reads(said)
            await expect(reader.conversations.locator("a[aria-current=page]")).to_contain_text(said)
            await reader.rests()
        rome = reader.conversations.get_by_role("listitem").filter(has_text="Rome")
        await rome.hover()
        await rome.get_by_role("button", name="Rename").click()
        field = reader.conversations.get_by_role("textbox")
        await field.fill("Where it is warm")
        await field.press("Enter")
        await expect(reader.conversations.get_by_role("link", name="Where it is warm")).to_be_visible()
        oslo = reader.conversations.get_by_role("listitem").filter(has_text="Oslo")
        await oslo.hover()
        await oslo.get_by_role("button", name="Delete conversation").click()
        await reader.presses("Delete")
        await expect(reader.conversations.get_by_role("link")).to_have_count(1)
        await reader.page.reload()
        await expect(reader.conversations.get_by_role("link", name="Where it is warm")).to_be_visible()
        await expect(reader.conversations.get_by_role("link")).to_have_count(1)


async def test_a_conversation_is_chosen_from_the_list_and_by_going_back(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as reader:
        await reader.says("The weather in Oslo")
        await reader.reads("crisp and clear")
        await reader.presses("New conversation")
        await expect(reader.log).not_to_contain_text("crisp and clear")
        await reader.says("The weather in Rome")
        await reader.reads("sunny, 27 °C")
        await reader.rests()
        await reader.conversations.get_by_role("link", name="Oslo").click()
        await reader.reads("crisp and clear")
        await expect(reader.log).not_to_contain_text("sunny, 27 °C")
        await reader.page.go_back()
        await reader.reads("sunny, 27 °C")
        await expect(reader.log).not_to_contain_text("crisp and clear")


# ------------------------------------------------------------------ files to take away


@pytest.mark.parametrize(
    ("link", "ending", "has"),
    [
        ("HTML", ".html", "langwire-story"),
        ("Markdown", ".md", "send_email"),
        ("JSON lines", ".jsonl", '"type"'),
    ],
)
async def test_a_conversation_is_taken_away_as_a_file(browser: Browser, link: str, ending: str, has: str) -> None:
    async with visited(browser, build_approval(0)) as reader:
        await reader.says("Write to Ann")
        await expect(reader.button("Approve")).to_be_visible()
        await reader.presses("Approve")
        await reader.reads("Sent to ann@example.org.")
        await reader.rests()
        await reader.presses("Export")
        async with reader.page.expect_download() as begun:
            await reader.page.get_by_role("link", name=link, exact=True).click()
        download = await begun.value
        assert download.suggested_filename.endswith(ending)
        text = (await download.path()).read_text("utf-8")
        assert has in text
        assert "ann@example.org" in text
        if ending == ".jsonl":
            assert [json.loads(line)["type"] for line in text.splitlines()][-1] == "turn_end"
