"""A thread on the page: it streams, stops, and is read whole, however often its lines break and tabs come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from faces.browsing import Reader, chromium, entry, expect, second_tab, told, visited
from langwire.demo.agents import build_concierge, build_failing
from langwire.testing import Fault, ScriptedModel
from turns import messages_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, WebSocketRoute

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = [f"word{number} " for number in range(400)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def speaking(*script: Any, delay: float = 0) -> Any:
    """Return a graph with a model that says what its script says."""
    model = ScriptedModel(script=list(script), delay=delay)
    graph: Any = StateGraph(MessagesState)

    async def say(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph.add_node("say", say)
    graph.add_edge(START, "say")
    return graph.compile(checkpointer=InMemorySaver())


async def held(reader: Reader, graph: Any) -> str:
    """Return the text of the last message that the graph's own state holds."""
    thread = reader.page.url.partition("#")[2]
    state = await graph.aget_state({"configurable": {"thread_id": thread}})
    return messages_in(state.values)[-1].text


async def said(reader: Reader) -> str:
    """Return the words that the last answer shows."""
    return " ".join((await reader.log.locator(".lw-text").last.inner_text()).split())


async def test_an_answer_streams(browser: Browser) -> None:
    hold = Fault()
    async with visited(browser, speaking(["The first half, ", hold, "the second half."])) as reader:
        await reader.says("Hello")
        await hold.reached
        await reader.reads("The first half,")
        await expect(reader.log).not_to_contain_text("second")
        await expect(reader.button("Stop")).to_be_visible()
        hold.release()
        await reader.reads("The first half, the second half.")
        await reader.rests()


async def test_a_turn_is_stopped_and_gone_on_with(browser: Browser) -> None:
    """F-W1: a stop is seen at once."""
    hold = Fault()
    async with visited(browser, speaking(["Before. ", hold, "After."])) as reader:
        await reader.says("Hello")
        await hold.reached
        await reader.presses("Stop")
        await reader.rests()
        await reader.reads("Before.")
        await reader.presses("Go on")
        await reader.reads("After.")


async def test_a_failed_turn_is_told_kindly_and_tried_again(browser: Browser) -> None:
    """T-15: nothing of the exception but its class."""
    graph = build_failing(0)
    graph.checkpointer = InMemorySaver()
    async with visited(browser, graph) as reader:
        await reader.says("Hello")
        await expect(reader.button("Try again")).to_be_visible()
        await expect(reader.log).not_to_contain_text("in the middle of a sentence")
        await reader.rests()


async def test_a_reload_amid_the_stream_ends_with_the_words_that_the_thread_holds(browser: Browser) -> None:
    """F-S2: nothing is lost and nothing is there twice."""
    hold = Fault()
    graph = speaking([*WORDS[:100], hold, *WORDS[100:200]])
    async with visited(browser, graph) as reader:
        await reader.says("Hello")
        await reader.reads("word99")
        await reader.page.reload()
        await reader.reads("word99")
        hold.release()
        await reader.reads("word199")
        await reader.rests()
        assert await said(reader) == (await held(reader, graph)).strip()
        await expect(reader.said_by("You")).to_have_count(1)
        await reader.page.reload()
        await reader.reads("word199")
        assert await said(reader) == (await held(reader, graph)).strip()


async def test_two_tabs_read_one_thread(browser: Browser) -> None:
    """F-S1: what is said in one is read in the other, and both read all of it."""
    hold = Fault()
    graph = speaking([*WORDS[:50], hold, *WORDS[50:100]], "Anew.")
    async with visited(browser, graph) as reader:
        await reader.says("Hello")
        await reader.reads("word49")
        other = await second_tab(reader)
        await other.reads("word49")
        hold.release()
        for tab in (reader, other):
            await tab.reads("word99")
            await tab.rests()
            assert await said(tab) == (await held(tab, graph)).strip()
        await other.says("Once more")
        for tab in (reader, other):
            await tab.reads("Anew.")
            await expect(tab.said_by("You")).to_have_count(2)
        assert other.complaints == []


async def test_a_line_that_breaks_again_and_again_loses_no_character(browser: Browser) -> None:
    """Each connection is cut in the midst of a message, and the next one goes on from there."""
    graph = speaking(WORDS, delay=0.002)
    cuts = 0

    async def through(line: WebSocketRoute) -> None:
        nonlocal cuts
        server, heard, mine = line.connect_to_server(), 0, cuts

        async def hear(message: Any) -> None:
            nonlocal heard, cuts
            if cuts > mine:
                return
            heard += "text_delta" in message
            # The last word does not get through before the last cut, however many words come in one frame.
            if mine < 3 and (heard == 20 or WORDS[-1] in message):
                cuts += 1
                await server.close()
                await line.close(code=1012)
            else:
                line.send(message)

        server.on_message(hear)

    async with visited(browser, graph, opens=False) as reader:
        await reader.page.route_web_socket("**/socket?*", through)
        await reader.opens()
        await reader.says("Hello")
        await reader.reads("word399")
        await reader.rests()
        assert cuts == 3
        assert await said(reader) == (await held(reader, graph)).strip() == "".join(WORDS).strip()
        await expect(reader.said_by("You")).to_have_count(1)


async def test_a_server_of_another_version_is_told_and_the_page_is_not_blank(browser: Browser) -> None:
    """A page out of the browser's cache meets a server that is newer than it."""
    async with visited(browser, build_concierge(0), opens=False) as reader:
        await told(reader, [entry(1, "turn_start", turn_id="t1")], protocol=2)
        await expect(reader.page.get_by_text("eload the page")).to_be_visible()
        await reader.is_whole()


async def test_a_thread_that_is_not_there_is_told_kindly(browser: Browser) -> None:
    async with visited(browser, build_concierge(0), opens=False) as reader:
        await reader.page.goto(f"{reader.url}/#nobodys")
        await expect(reader.page.get_by_role("alert")).to_contain_text("not here")
        reader.forgive("404", "socket")
