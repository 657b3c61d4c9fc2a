"""The page stays responsive: one drawing a frame at most, however fast the words come, and long threads open quickly.

Times are asserted with much room, for a machine that is busy with other things.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from faces.browsing import chromium, expect, visited
from langwire.demo.agents import build_concierge
from langwire.testing import ScriptedModel

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });
window.drawings = 0;
window.frames_seen = 0;
addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => window.drawings++)
    .observe(document, { subtree: true, childList: true, characterData: true });
  const count = () => { window.frames_seen++; requestAnimationFrame(count); };
  requestAnimationFrame(count);
});
"""
"""Counts drawings, frames and tasks that took long: in milliseconds, from 50 on."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def speaking(count: int) -> Any:
    """Return a graph that says so many words as fast as it can, in paragraphs, with lists and code among them."""
    return saying(
        [
            f"word{number}" + ("\n\n- " if number % 50 == 0 else "\n```py\nx = 1\n```\n" if number % 333 == 0 else " ")
            for number in range(count)
        ]
    )


def saying(pieces: list[str]) -> Any:
    """Return a graph that says these pieces as fast as it can."""
    model = ScriptedModel(script=[pieces])
    graph: Any = StateGraph(MessagesState)

    async def say(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph.add_node("say", say)
    graph.add_edge(START, "say")
    return graph.compile(checkpointer=InMemorySaver())


def remembering(count: int) -> Any:
    """Return a graph whose first answer puts so many messages in the thread."""
    made = [
        HumanMessage(f"Question {number}") if number % 2 == 0 else AIMessage(f"Answer **{number}**\n\n- one\n- two\n")
        for number in range(count)
    ]
    graph: Any = StateGraph(MessagesState)
    graph.add_node("remember", lambda _: {"messages": [*made, AIMessage("That is all.")]})
    graph.add_edge(START, "remember")
    return graph.compile(checkpointer=InMemorySaver())


async def test_ten_thousand_tokens_are_drawn_once_a_frame(browser: Browser) -> None:
    async with visited(browser, speaking(10_000), opens=False) as reader:
        await reader.page.add_init_script(WATCH)
        await reader.opens()
        await reader.says("Hello")
        await expect(reader.log).to_contain_text("word9999", timeout=60_000)
        await reader.rests()
        drawings, frames, tasks = await reader.page.evaluate("[window.drawings, window.frames_seen, window.tasks]")
        assert drawings <= 2 * frames + 50, "it draws more often than can be seen"
        assert max(tasks, default=0) < 1_000


@pytest.mark.parametrize(
    "pieces",
    [
        [piece for number in range(2_000) for piece in ("- item ", "**with** ", f"row{number}\n")],
        [
            "| a | b |\n|---|---|\n",
            *(piece for number in range(1_000) for piece in ("| `cell` ", f"| row{number} |\n")),
        ],
    ],
    ids=["list", "table"],
)
async def test_one_long_list_or_table_never_holds_the_page_up(browser: Browser, pieces: list[str]) -> None:
    async with visited(browser, saying([*pieces, "\nThe end."]), opens=False) as reader:
        await reader.page.add_init_script(WATCH)
        await reader.opens()
        await reader.says("Hello")
        await expect(reader.log).to_contain_text("The end.", timeout=60_000)
        await reader.rests()
        tasks = await reader.page.evaluate("window.tasks")
        assert max(tasks, default=0) < 400


async def test_a_thread_of_a_thousand_messages_opens(browser: Browser) -> None:
    async with visited(browser, remembering(1_000)) as reader:
        await reader.says("Hello")
        await reader.reads("That is all.")
        await reader.rests()
        await reader.page.add_init_script(WATCH)
        await reader.page.reload()
        await reader.reads("That is all.")
        await expect(reader.log.get_by_text("That is all.")).to_be_in_viewport()
        await expect(reader.said_by("You")).to_have_count(501)
        assert max(await reader.page.evaluate("window.tasks"), default=0) < 3_000


async def test_a_page_loads_few_files_once_and_all_at_once(browser: Browser) -> None:
    """No file waits for another one to have been read, and a second look asks only whether they are current."""
    async with visited(browser, build_concierge(0)) as reader:
        loaded = await reader.page.evaluate(
            "performance.getEntriesByType('resource').filter(({ name }) => /\\.(js|css)$/.test(name))"
            ".map(({ name, startTime, responseEnd }) => [name.split('/').pop(), startTime, responseEnd])"
        )
        names = sorted(name for name, _, _ in loaded)
        assert "page.js" in names
        assert "renderer.js" in names
        assert len(names) == len(set(names))
        assert max(start for _, start, _ in loaded) <= min(end for _, _, end in loaded) + 100
