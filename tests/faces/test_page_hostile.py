"""T-13, T-14, F-J1, F-J2: whatever a model, a tool or a client says, nothing of it comes to life on the page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from faces.browsing import Reader, chromium, entry, expect, told, visited
from faces.hostile import COUNT, FOR_PAGES, PAYLOADS, strings, turn
from faces.resting import at_rest
from langwire.core.codec import encode_entry
from langwire.events import Entry
from langwire.testing import ScriptedModel

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120 + COUNT // 5)]

AT_ONCE = 40
"""So many turns are told in one thread, each with one text in every field of every event."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def story(some: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a story in which these texts stand wherever a text of others can stand, and one more by which to see it."""
    numbers = count(1)
    for at, text in enumerate(some):
        for event in turn(text, at):
            number = next(numbers)
            yield json.loads(encode_entry(Entry(seq=number, at_ms=1_760_000_000_000 + number, event=event)))
    yield entry(next(numbers), "turn_start", turn_id="end")
    yield entry(next(numbers), "text_start", id="end", message_id="end", source={})
    yield entry(next(numbers), "text_delta", id="end", text="This is the end.")


def texts() -> Iterator[str]:
    """Yield each payload by itself, for some are harmful only so; of those that are made of them many at once."""
    given = strings()
    yield from islice(given, len(PAYLOADS))
    while some := list(islice(given, 20)):
        yield "\n\n".join(some)


async def unfold(reader: Reader) -> None:
    """Have all drawn that is drawn only when it is opened."""
    await reader.log.evaluate(
        "log => { log.querySelectorAll('details').forEach((one) => { one.open = true });"
        " log.querySelectorAll('[aria-expanded=false]').forEach((one) => one.click()) }"
    )


async def test_no_string_comes_to_life_wherever_it_stands(browser: Browser) -> None:
    async with visited(browser, saying("Nothing."), opens=False) as reader:
        given = texts()
        while some := list(islice(given, AT_ONCE)):
            await told(reader, story(some), title="x" + some[0].encode("utf-8", "replace").decode()[:190])
            await reader.reads("This is the end.")
            await unfold(reader)
            await at_rest(reader.page)
            assert await reader.harmed() == []
        await reader.is_whole()
        reader.forgive("404", "ERR_INVALID_URL")  # a file that is not there, a picture that is none
        reader.forgive("inline style", "base URI")  # what was taken out, when it was read


def saying(text: str) -> Any:
    """Return a graph that says a text, and asks it."""
    model = ScriptedModel(script=[text])
    graph: Any = StateGraph(MessagesState)

    async def say(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def ask(_: Any) -> Any:
        return {"messages": [("ai", str(interrupt({"question": text})))]}

    graph.add_node("say", say)
    graph.add_node("ask", ask)
    graph.add_edge(START, "say")
    graph.add_edge("say", "ask")
    return graph.compile(checkpointer=InMemorySaver())


async def test_what_an_agent_and_a_person_say_is_never_markup(browser: Browser) -> None:
    """The whole way: from a person's words to the thread's title, and from a model's to a question and a reload."""
    text = "\n\n".join(FOR_PAGES)
    async with visited(browser, saying(text)) as reader:
        await reader.says(text)
        await expect(reader.page.get_by_role("textbox", name="Answer")).to_be_visible()
        assert await reader.harmed() == []
        await reader.page.reload()
        await expect(reader.page.get_by_role("textbox", name="Answer")).to_be_visible()
        assert await reader.harmed() == []
        alive = reader.log.locator("script, iframe, object, embed, form[action], base, meta, link, style, [onload]")
        await expect(alive).to_have_count(0)
        await expect(reader.said_by("You").first).to_contain_text(FOR_PAGES[0])
        await expect(reader.log.locator(".lw-text").last).to_contain_text(FOR_PAGES[0])
        response = await reader.page.reload()
        assert response is not None
        assert "unsafe" not in response.headers["content-security-policy"]


async def test_links_lead_to_the_web_alone_and_tell_nothing_of_where_one_came_from(browser: Browser) -> None:
    web = "[a](https://example.org/a) [b](http://example.org) [c](mailto:ann@example.org)"
    async with visited(browser, saying(f"{web} [d](ftp://example.org) [e](/v1) [f](//example.org/f)")) as reader:
        await reader.says("Hello")
        await reader.reads("a b c")
        links = await reader.log.locator("a").evaluate_all("all => all.map((a) => [a.href, a.rel, a.target])")
        assert {href for href, _, _ in links} == {
            "https://example.org/a",
            "http://example.org/",
            "mailto:ann@example.org",
        }
        assert all({"noopener", "noreferrer"} <= set(rel.split()) and target == "_blank" for _, rel, target in links)


async def test_an_html_display_is_drawn_and_never_run(browser: Browser) -> None:
    html = (
        "<b id=bold>bold</b><table><tr><td>cell</td></tr></table>"
        "<script>parent.__pwned = 1; window.__pwned = 1</script><img src=https://example.org/x onerror=__pwned=1>"
        "<a href=javascript:__pwned=1>link</a><form action=https://example.org><input autofocus></form>"
    )
    async with visited(browser, saying("x"), opens=False) as reader:
        rows = [entry(1, "turn_start", turn_id="t"), entry(2, "display", title="Drawn", bundle={"text/html": html})]
        await told(reader, [*rows, entry(3, "turn_end", outcome="complete")])
        frame = reader.log.frame_locator("iframe")
        await expect(frame.locator("b")).to_have_text("bold")
        await expect(frame.locator("td")).to_have_text("cell")
        sandbox = await reader.log.locator("iframe").get_attribute("sandbox")
        assert sandbox is not None
        assert not {"allow-same-origin", "allow-forms"} & set(sandbox.split())
        assert "allow-top-navigation" not in sandbox
        assert await reader.harmed() == []
