"""The page in a real browser: a chat that streams, tools, questions, and nothing lost by a reload or a second tab."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from agui.asking import says
from agui.browser import BUILT, chromium, missing
from agui.served import listening
from langwire import SessionAdapter
from langwire.adapters.fastapi import reading
from langwire.app import create_app
from langwire.app._security import POLICY
from langwire.demo.agents import build_concierge, build_failing, build_team
from langwire.sessions.store import MemorySessionStore
from langwire.testing import Fault, ScriptedModel

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

# The page knows nothing of LangGraph: one environment has what opens it, the one with the newest.
expect = pytest.importorskip("playwright.async_api", reason="playwright is not in this environment").expect
expect.set_options(timeout=20_000)

if "chromium" in missing() and not os.environ.get("LANGWIRE_WHOLE"):
    pytest.skip("the page needs chromium", allow_module_level=True)

PHONE = {"width": 375, "height": 667}


class Visit:
    """Somebody at the page, and what went wrong there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        self.log = page.get_by_role("log", name="Conversation")
        self.box = page.get_by_role("textbox", name="Message")
        self.said = page.get_by_role("article", name="You")
        self.answers = page.locator("article:not([aria-label=You])")
        self.question = page.get_by_role("group", name="Question: send_email")
        self.state = page.get_by_role("status", name="Connection")

    async def say(self, text: str) -> None:
        await self.box.fill(text)
        await self.page.keyboard.press("Enter")

    async def rests(self) -> None:
        """Wait until no turn runs, after one was seen to."""
        await expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_visible()

    async def reads(self, text: str) -> None:
        await expect(self.log).to_contain_text(text)

    async def presses(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    def forgive(self) -> None:
        """Take no notice of what the browser itself says of requests that were broken on purpose."""
        self.complaints = [said for said in self.complaints if "ERR_FAILED" not in said]

    async def photograph(self, name: str) -> None:
        BUILT.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=BUILT / f"page-{name}.png")

    async def told(self) -> list[Any]:
        """Return what the person and the agent said, and which tools were called, in order: all of it but the times."""
        return await self.log.evaluate(
            "log => [...log.querySelectorAll('article')].map(said => [said.ariaLabel === 'You' ? 'You' : 'agent', "
            "...[...said.querySelectorAll('.lw-text, .lw-call .lw-name')].map(part => part.textContent)])"
        )


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@asynccontextmanager
async def visited(browser: Browser, graph: Any, **options: Any) -> AsyncIterator[Visit]:
    """A visit to the page of a graph's server; it has gone well if the browser had nothing to complain of."""
    app = create_app(graph)
    async with listening(app) as url:
        visit = Visit(await browser.new_page(**options), url)
        await visit.page.goto(url)
        try:
            yield visit
        finally:
            await visit.photograph("last")
            await visit.page.close()
            await app.state.langwire.close()
    assert visit.complaints == []


def asking(*questions: Any) -> Any:
    """Return a graph that asks these questions at once, and says what it was answered."""

    def node(question: Any) -> Any:
        return lambda _: {"messages": [("ai", f"Answered: {interrupt(question)}")]}

    graph: Any = StateGraph(MessagesState)
    for at, question in enumerate(questions):
        graph.add_node(f"ask{at}", node(question))
        graph.add_edge(START, f"ask{at}")
    return graph.compile(checkpointer=InMemorySaver())


def saying(text: str) -> Any:
    """Return a graph whose model says one text."""
    model = ScriptedModel(script=[text])
    graph: Any = StateGraph(MessagesState)
    graph.add_node("say", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "say")
    return graph.compile(checkpointer=InMemorySaver())


async def lose_the_answer(route: Route) -> None:
    """Let a request through, and nothing back."""
    await route.fetch()
    await route.abort()


async def test_a_chat_streams_with_thinking_and_a_tool(browser: Browser) -> None:
    async with visited(browser, build_concierge(0.01)) as visit:
        await visit.page.evaluate(
            "() => { window.seen = new Set(); new MutationObserver(() => seen.add(document.body.textContent.length))"
            ".observe(document.body, { childList: true, characterData: true, subtree: true }) }"
        )
        await visit.say("The weather in Oslo")
        await visit.reads("get_weather: crisp and clear, 8 °C")
        await visit.rests()
        assert await visit.page.evaluate("seen.size") > 10, "the answer did not stream"
        await expect(visit.said).to_contain_text("The weather in Oslo")
        await expect(visit.page.get_by_text("They wrote:")).to_be_hidden()
        await visit.page.get_by_text("Thought for").click()
        await expect(visit.page.get_by_text("They wrote:")).to_be_visible()
        card = visit.log.locator("details", has_text="get_weather")
        await expect(card).to_contain_text("done in")
        await card.locator("summary").click()
        await expect(card.get_by_role("heading", name="Arguments")).to_be_visible()
        await expect(card).to_contain_text("Oslo")
        await expect(card.locator("section", has_text="Result")).to_contain_text("crisp and clear, 8 °C")
        current = visit.page.get_by_role("navigation", name="Conversations").locator("a[aria-current=page]")
        await expect(current).to_have_text("The weather in Oslo")
        await visit.photograph("chat")


async def test_a_question_shows_all_arguments_and_waits_for_its_answer(browser: Browser) -> None:
    """A question survives a reload, and what is decided is done once (T-8)."""
    async with visited(browser, build_concierge(0)) as visit:
        await visit.say("Write to Ann")
        question = visit.question
        for shown in ("Send an email to", "ann@example.org", "A note for you", "Best wishes"):
            await expect(question).to_contain_text(shown)
        await expect(question).to_be_in_viewport(ratio=0.5)
        await visit.photograph("question")
        await visit.page.reload()
        await expect(question).to_contain_text("ann@example.org")
        await visit.presses("Approve")
        await visit.reads("Done. Sent to ann@example.org.")
        await expect(question).to_have_count(0)
        await visit.rests()
        await visit.say("Write to Bob")
        await visit.presses("Reject")
        await visit.page.get_by_label("Reason").fill("Not now")
        await visit.presses("Reject")
        await visit.reads("Nothing was sent.")


async def test_a_reload_amid_the_stream_loses_and_repeats_nothing(browser: Browser) -> None:
    """F-S2: the thread is in the address, and is read from its beginning."""
    async with visited(browser, build_concierge(0.03)) as visit:
        await visit.say("The weather in Oslo")
        await visit.reads("One moment.")
        await visit.page.reload()
        await visit.reads("get_weather: crisp and clear, 8 °C")
        await visit.rests()
        streamed = await visit.told()
        await visit.page.reload()
        await visit.reads("get_weather: crisp and clear, 8 °C")
        assert await visit.told() == streamed
        assert [said for said in streamed if said[0] == "You"] == [["You", "The weather in Oslo"]]


async def test_two_tabs_read_one_thread(browser: Browser) -> None:
    """F-S1: what is said in one is read in the other, and both read all of it."""
    async with visited(browser, build_concierge(0.02)) as visit:
        await visit.say("Hello")
        await visit.reads("They wrote")
        other = Visit(await browser.new_page(), visit.url)
        await other.page.goto(visit.page.url)
        for tab in (visit, other):
            await tab.reads("say pink or gold.")
            await tab.rests()
        await other.say("The weather in Rome")
        for tab in (visit, other):
            await tab.reads("get_weather: sunny, 27 °C")
            await tab.rests()
        assert await visit.told() == await other.told()
        assert other.complaints == []
        await other.page.close()


async def test_a_turn_can_be_stopped(browser: Browser) -> None:
    """F-W1: a stop is seen at once."""
    async with visited(browser, build_concierge(0.05)) as visit:
        await visit.say("Hello")
        await visit.reads("They")
        await visit.presses("Stop")
        await visit.reads("Stopped")
        await visit.rests()
        await visit.presses("Go on")
        await expect(visit.page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


async def test_an_error_is_told_kindly_and_can_be_tried_again(browser: Browser) -> None:
    """T-15: nothing of the exception but its class."""
    graph = build_failing(0)
    graph.checkpointer = InMemorySaver()
    async with visited(browser, graph) as visit:
        await visit.say("Hello")
        await visit.reads("ConnectionError")
        await expect(visit.page.get_by_role("button", name="Try again")).to_be_visible()
        await visit.rests()


async def test_several_questions_are_answered_together(browser: Browser) -> None:
    one = {"action_requests": [{"name": "pay", "args": {"eur": 7}}, {"name": "write", "args": {"to": "Ann"}}]}
    async with visited(browser, asking(one, "Your name?")) as visit:
        await visit.say("Begin")
        pay, write = (visit.page.get_by_role("group", name=f"Question: {name}") for name in ("pay", "write"))
        await expect(pay).to_contain_text("eur")
        send = visit.page.get_by_role("button", name="Send answers")
        await expect(send).to_be_disabled()
        await pay.get_by_role("button", name="Approve").click()
        await write.get_by_role("button", name="Reject").click()
        await write.get_by_role("button", name="Reject").click()
        await expect(write.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")
        await expect(send).to_be_disabled()
        await visit.page.get_by_label("Answer", exact=True).fill("Ann")
        await send.click()
        await visit.reads("Answered: Ann")
        await visit.reads("'approve'")
        await visit.reads("'reject'")


async def test_what_an_agent_says_is_never_markup(browser: Browser) -> None:
    """T-14: and the policy would not have it run either."""
    text = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b>"
    async with visited(browser, saying(text)) as visit:
        await visit.say(text)
        await expect(visit.answers).to_contain_text(text)
        await expect(visit.said).to_contain_text(text)
        assert await visit.page.locator("img, b, #app script").count() == 0
        assert await visit.page.title() != "owned"
        response = await visit.page.reload()
        assert response is not None
        assert response.headers["content-security-policy"] == POLICY


async def test_what_a_subagent_says_stands_in_its_call(browser: Browser) -> None:
    graph = build_team(0)
    graph.checkpointer = InMemorySaver()
    async with visited(browser, graph) as visit:
        await visit.say("Plan a day in Rome")
        await visit.rests()
        await expect(visit.log.locator(".lw-call .lw-lane .lw-call").first).to_be_visible()


async def test_the_page_is_of_use_on_a_phone(browser: Browser) -> None:
    async with visited(browser, build_concierge(0), viewport=PHONE, color_scheme="dark") as visit:
        await visit.say("Write to Ann")
        await expect(visit.page.get_by_role("button", name="Approve")).to_be_in_viewport()
        assert await visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        threads = visit.page.get_by_role("navigation", name="Conversations")
        await expect(threads).to_be_hidden()
        await visit.presses("Conversations")
        await expect(threads).to_be_in_viewport()
        await visit.photograph("phone")
        await visit.presses("New conversation")
        await expect(threads).to_be_hidden()
        await expect(visit.log).to_be_empty()
        await visit.presses("Conversations")
        await visit.page.get_by_role("link", name="Write to Ann").click()
        await expect(visit.page.get_by_role("button", name="Approve")).to_be_in_viewport()


async def test_a_thread_that_is_not_there_is_told_kindly(browser: Browser) -> None:
    app = create_app(build_concierge(0))
    async with listening(app) as url:
        page = await browser.new_page()
        await page.goto(f"{url}/#nobodys")
        await expect(page.get_by_role("alert")).to_have_text("This conversation is not here, or not yours.")
        await page.get_by_role("textbox", name="Message").fill("Hello")
        await page.get_by_role("button", name="Begin a new conversation").click()
        await expect(page.get_by_role("alert")).to_be_hidden()
        await expect(page.get_by_role("button", name="Begin a new conversation")).to_be_hidden()
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("log")).to_contain_text("say pink or gold.")
        await page.close()
        await app.state.langwire.close()


async def test_an_address_that_names_nothing_shows_a_new_conversation(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as visit:
        await visit.page.goto(f"{visit.url}/#%")
        await visit.page.reload()
        await expect(visit.log).to_be_empty()
        await visit.presses("New conversation")
        await visit.say("Hello")
        await visit.reads("say pink or gold.")
        assert not visit.page.url.endswith("#%")


async def test_a_turn_on_another_server_is_told_as_long_as_it_runs(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FIRST_LOOK", 0.01)
    hold, store = Fault(), MemorySessionStore()
    graph = says("Before.", ["Now ", hold, "done."], saver=InMemorySaver())
    async with SessionAdapter(graph, store) as there, SessionAdapter(graph, store) as here:
        session = there.get("t")
        await (await session.submit("First")).wait()
        turn = await session.submit("Second")
        await hold.reached
        async with visited(browser, here) as visit:
            await visit.page.goto(f"{visit.url}/#t")
            await visit.reads("Before.")
            await visit.reads("The agent is at work on another server")
            hold.release()
            await turn.wait()
            await visit.reads("Now done.")
            await expect(visit.log).not_to_contain_text("another server")


async def test_a_line_that_breaks_is_told_and_mended(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as visit:
        lines: list[WebSocketRoute] = []
        whole = True

        async def through(line: WebSocketRoute) -> None:
            lines.append(line)
            if whole:
                line.connect_to_server()
            else:
                await line.close()

        await visit.page.route_web_socket("**/socket?*", through)
        await visit.say("The weather in Oslo")
        await visit.reads("crisp and clear")
        await visit.rests()
        whole = False
        await lines[-1].close()
        await expect(visit.state).to_have_text("Reconnecting …")
        whole = True
        await visit.presses("Try now")
        await expect(visit.state).to_be_empty()
        await expect(visit.page.get_by_role("button", name="Try now")).to_be_hidden()
        await visit.say("The weather in Rome")
        await visit.reads("get_weather: sunny, 27 °C")
        await expect(visit.said).to_have_count(2)


async def test_what_cannot_be_sent_stays_where_it_was_written(browser: Browser) -> None:
    async with visited(browser, build_concierge(0)) as visit:
        await visit.page.route("**/v1/threads", lambda route: route.abort())
        await visit.say("Hello")
        await expect(visit.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
        await expect(visit.box).to_have_value("Hello")
        await visit.page.unroute("**/v1/threads")
        await visit.presses("Send")
        await visit.reads("say pink or gold.")
        await expect(visit.page.get_by_role("alert")).to_be_hidden()
        visit.forgive()


async def test_what_is_sent_again_is_said_once(browser: Browser) -> None:
    """F-W2: the server took it, and its answer was lost."""
    async with visited(browser, build_concierge(0)) as visit:
        await visit.page.route("**/submit", lose_the_answer)
        await visit.say("Hello")
        await expect(visit.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
        await visit.reads("say pink or gold.")
        await visit.rests()
        await visit.presses("Send")
        await expect(visit.box).to_have_value("")
        await visit.say("Goodbye")
        await expect(visit.answers).to_have_count(2)
        await expect(visit.said).to_contain_text(["Hello", "Goodbye"])
        visit.forgive()


async def test_the_same_words_written_anew_are_said_anew(browser: Browser) -> None:
    """Also where the first ones were taken, and it was not told."""
    async with visited(browser, build_concierge(0)) as visit:
        await visit.page.route("**/submit", lose_the_answer)
        await visit.say("Hello")
        await expect(visit.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
        await visit.reads("say pink or gold.")
        await visit.rests()
        await visit.say("")
        await visit.say("Hello")
        await expect(visit.said).to_contain_text(["Hello"] * 2)
        visit.forgive()
