"""Whatever a server tells, the page shows it sensibly: never blank, never an error, never wider than its window."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from faces.browsing import PHONE, chromium, entry, expect, told, visited
from langwire.demo.agents import build_concierge

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORIES = sorted((Path(__file__).parent / "stories").glob("*.jsonl"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def calling(count: int, result: str) -> Any:
    """Return a graph that makes so many calls at once, each with this result."""
    calls = [{"name": "look", "args": {"at": number}, "id": f"call_{number}"} for number in range(count)]
    results = [ToolMessage(result, tool_call_id=call["id"], name="look") for call in calls]
    graph: Any = StateGraph(MessagesState)
    graph.add_node("ask", lambda _: {"messages": [AIMessage("Let me look.", tool_calls=calls)]})
    graph.add_node("look", lambda _: {"messages": results})
    graph.add_node("end", lambda _: {"messages": [AIMessage("That was all.")]})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "look")
    graph.add_edge("look", "end")
    return graph.compile(checkpointer=InMemorySaver())


async def test_every_story_is_shown(browser: Browser) -> None:
    """All recordings, demo agents and nasty cases that the other faces are held against as well."""
    async with visited(browser, build_concierge(0), opens=False, viewport=PHONE) as reader:
        for story in STORIES:
            entries = _entries(story)
            await told(reader, [*entries, *_the_end(entries[-1]["seq"] + 1)])
            await reader.reads("This is the end.")
            await reader.log.evaluate("log => log.querySelectorAll('details').forEach((one) => { one.open = true })")
            await reader.is_whole()
            reader.forgive("404")  # a recording names files that are not here
            assert reader.complaints == [], story.stem


def _entries(story: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in story.read_text("utf-8").splitlines()]


def _the_end(seq: int) -> list[dict[str, Any]]:
    """One more turn, by which one sees that all before it has been taken."""
    return [
        entry(seq, "turn_start", turn_id="the-end"),
        entry(seq + 1, "text_start", id="the-end", message_id="the-end", source={}),
        entry(seq + 2, "text_delta", id="the-end", text="This is the end."),
        entry(seq + 3, "text_end", id="the-end"),
        entry(seq + 4, "turn_end", outcome="complete"),
    ]


async def test_a_result_of_ten_megabytes_is_cut_by_the_server(browser: Browser) -> None:
    async with visited(browser, calling(1, "many words " * 950_000)) as reader:
        await reader.says("Look")
        await reader.reads("That was all.")
        await reader.is_whole()
        assert len(await reader.words()) < 300_000


async def test_a_result_of_ten_megabytes_that_a_server_told_whole_is_cut_by_the_page(browser: Browser) -> None:
    async with visited(browser, build_concierge(0), opens=False) as reader:
        call = {"id": "c", "call_id": "c", "name": "look"}
        rows = [
            entry(1, "turn_start", turn_id="t"),
            entry(2, "tool_call_start", message_id="m", source={}, **call),
            entry(3, "tool_call_end", args={}, **call),
            entry(4, "tool_result", content="many words\n" * 950_000, **call),
            entry(5, "turn_end", outcome="complete"),
        ]
        await told(reader, [*rows, *_the_end(6)])
        await reader.reads("This is the end.")
        await reader.log.evaluate("log => log.querySelectorAll('details').forEach((one) => { one.open = true })")
        await reader.is_whole()
        assert len(await reader.words()) < 1_000_000


async def test_a_thousand_calls_are_shown(browser: Browser) -> None:
    async with visited(browser, calling(1_000, "seen")) as reader:
        await reader.says("Look")
        await reader.reads("That was all.")
        await expect(reader.calls).to_have_count(1_000)
        await reader.is_whole()
        await reader.page.reload()
        await reader.reads("That was all.")
        await expect(reader.calls).to_have_count(1_000)


async def test_a_picture_that_does_not_load_is_a_note(browser: Browser) -> None:
    picture = {"kind": "image", "mime": "image/png", "message_id": "m", "source": {}}
    async with visited(browser, build_concierge(0), opens=False) as reader:
        rows = [
            entry(1, "turn_start", turn_id="t"),
            entry(2, "media", id="a", ref="files/gone", **picture),
            entry(3, "media", id="b", data="bm8gcGljdHVyZQ==", **picture),
            entry(4, "media", id="c", ref="https://example.org/picture.png", **picture),
            entry(5, "turn_end", outcome="complete"),
        ]
        await told(reader, [*rows, *_the_end(6)])
        await reader.reads("This is the end.")
        broken = "log => [...log.querySelectorAll('img')].filter((one) => one.complete && !one.naturalWidth).length"
        await reader.page.wait_for_function(
            f"() => document.querySelector('[role=log] img') === null || "
            f"({broken})(document.querySelector('[role=log]')) === 0"
        )
        await reader.is_whole()
        reader.forgive("404")


async def test_what_a_later_version_tells_is_passed_over(browser: Browser) -> None:
    """New frames, events and fields are no breach of the protocol."""
    async with visited(browser, build_concierge(0), opens=False) as reader:
        rows = [
            entry(1, "turn_start", turn_id="t", weather={"a": [1]}),
            entry(2, "hologram", id="h", light=[1, 2, 3]),
            {"type": "bulletin", "words": "A frame of a later version"},
            entry(3, "text_start", id="m", message_id="m", source={"planet": "Mars"}, mood="calm"),
            entry(4, "text_delta", id="m", text="Known words."),
            entry(5, "text_end", id="m"),
            entry(6, "turn_end", outcome="complete"),
        ]
        await told(reader, [*rows, *_the_end(7)])
        await reader.reads("Known words.")
        await reader.reads("This is the end.")


async def test_events_that_do_not_fit_together_are_no_end_of_the_page(browser: Browser) -> None:
    async with visited(browser, build_concierge(0), opens=False) as reader:
        rows: list[Any] = [
            entry(1, "text_delta", id="nobody", text="lost"),
            entry(2, "tool_result", id="nobody", content=None),
            entry(3, "turn_end", outcome="complete"),
            entry(4, "turn_start", turn_id="t"),
            entry(5, "turn_start", turn_id="t"),
            entry(6, "subagent_end", lane=["nowhere"]),
            entry(7, "interrupt", id="q"),
            entry(8, "text_start", id="m"),
            entry(9, "display", bundle=None),
            entry(10, "extracted", name="x", kind="todos", data={"todos": 7}),
            entry(11, "turn_end", outcome="a new one"),
        ]
        await told(reader, [*rows, *_the_end(12)])
        await reader.reads("This is the end.")
        await reader.is_whole()
