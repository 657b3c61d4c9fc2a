"""Knows the page as a person meets it: by the names of what is on it; and hears what goes wrong there."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from agui.browser import chromium, missing
from agui.served import listening
from langwire.adapters.fastapi.protocol import VERSION
from langwire.app import create_app
from langwire.tasks import TaskRunner

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Locator, Page, Request

ROOT = Path(__file__).parents[2]
PHONE = {"width": 375, "height": 667}
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"

# The page knows nothing of LangGraph: one environment has what opens it, the one with the newest.
expect = pytest.importorskip("playwright.async_api", reason="playwright is not in this environment").expect
expect.set_options(timeout=20_000)

if "chromium" in missing() and not os.environ.get("LANGWIRE_WHOLE"):
    pytest.skip("the page needs chromium", allow_module_level=True)

_LISTEN = """
window.policy = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) => {
  // A style or a base that is read in order to be taken out is refused already then: in a document that nobody sees.
  if (/^(style-src|base-uri)/.test(violatedDirective)) return;
  window.policy.push(`${violatedDirective} ${blockedURI} ${sample}`);
});
"""


class Reader:
    """Somebody at the page, and what went wrong there."""

    def __init__(self, page: Page, url: str, app: Any = None) -> None:
        self.page, self.url, self.app = page, url, app
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("dialog", self._dismiss)
        page.on("request", self._watch)

    def _hear(self, type: str, text: str) -> None:
        if type in ("error", "warning"):
            self.complaints.append(text)

    async def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog said {dialog.message!r:.80}")
        await dialog.dismiss()

    def _watch(self, request: Request) -> None:
        asked = urlsplit(request.url)
        if asked.scheme in ("http", "https", "ws", "wss") and asked.hostname != "127.0.0.1":
            self.complaints.append(f"it asked {request.url:.80}")

    def forgive(self, *words: str) -> None:
        """Take no notice of what the browser itself says of requests that were broken on purpose."""
        self.complaints = [said for said in self.complaints if not any(word in said for word in words)]

    # -------------------------------------------------------------- what is there

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log", name="Conversation")

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def conversations(self) -> Locator:
        return self.page.get_by_role("navigation", name="Conversations")

    @property
    def questions(self) -> Locator:
        """The questions that wait."""
        return self.log.get_by_role("group", name="Question: ")

    @property
    def calls(self) -> Locator:
        """The cards of tools; each is a disclosure, or stands in one."""
        return self.log.locator(".lw-call")

    def call(self, name: str) -> Locator:
        return self.calls.filter(has_text=name).first

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def said_by(self, who: str) -> Locator:
        return self.log.get_by_role("article", name=who)

    async def words(self) -> str:
        """What is read of the thread, folded or not."""
        return str(await self.log.evaluate("log => log.textContent"))

    # -------------------------------------------------------------- what a person does

    async def opens(self, fragment: str = "") -> None:
        await self.page.goto(f"{self.url}/{fragment}")
        await expect(self.box).to_be_visible()

    async def says(self, text: str) -> None:
        await self.box.fill(text)
        await self.box.press("Enter")

    async def reads(self, text: str) -> None:
        await expect(self.log).to_contain_text(text)

    async def rests(self) -> None:
        """Wait until no turn runs, after one was seen to."""
        await expect(self.button("Stop")).to_be_hidden()
        await expect(self.button("Send")).to_be_visible()

    async def presses(self, name: str) -> None:
        await self.button(name).click()

    async def picture(self, name: str) -> Path:
        """Keep what is seen now, for whoever looks into why a test fails."""
        kept = ROOT / "build" / "pages" / f"faces-{name}.png"
        kept.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=kept)
        return kept

    # -------------------------------------------------------------- what must not be

    async def harmed(self) -> list[str]:
        """Return what would say that something hostile came to life, in the page or in one of its frames."""
        found = [f"policy: {said}" for said in await self.page.evaluate("window.policy")]
        for frame in self.page.frames:
            found += await frame.evaluate(_HARM)
        return found

    async def is_whole(self) -> None:
        """Check that the page is neither blank nor wider than its window."""
        await expect(self.box).to_be_visible()
        wide = "[document.documentElement.scrollWidth, window.innerWidth]"
        width, window = await self.page.evaluate(wide)
        assert width <= window, f"the page is {width} pixels wide in a window of {window}"


_HARM = """() => {
  const found = window.__pwned === undefined ? [] : ["a script ran"];
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on")) found.push(`<${element.localName} ${name}>`);
      if (/^\\s*(javascript|vbscript|data:text)/i.test(value) && /^(href|src|action|formaction|xlink:href)$/.test(name))
        found.push(`<${element.localName} ${name}="${value.slice(0, 40)}">`);
      // A link leads to the web, to a mailbox, or to a place of the page's own.
      if (name === "href" && element.localName === "a" && !/^(https?:|mailto:|[/#]|v1\\/)/i.test(value))
        found.push(`<a href="${value.slice(0, 40)}">`);
    }
  }
  return found;
}"""


@asynccontextmanager
async def visited(
    browser: Browser, agents: Any, *, works: bool = False, opens: bool = True, **options: Any
) -> AsyncGenerator[Reader]:
    """Open the page of a graph's server, or of several by name; what it complained of fails the test.

    With `works` there is a runner to which the graph delegates. `options` are those of the browser's context.
    """
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(TaskRunner({"main": agents})) if works else None
        app = create_app(agents, tasks=tasks, rate=(100_000, 60.0))
        url = await stack.enter_async_context(listening(app))
        context = await stack.enter_async_context(_context(browser, options))
        reader = Reader(await context.new_page(), url, app)
        if opens:
            await reader.opens()
        try:
            yield reader
            harm = await reader.harmed()
            assert harm == [], harm
        finally:
            await reader.picture("last")
            await context.close()
            await app.state.langwire.close()
    assert reader.complaints == [], reader.complaints


@asynccontextmanager
async def _context(browser: Browser, options: Mapping[str, Any]) -> AsyncGenerator[BrowserContext]:
    context = await browser.new_context(**{"reduced_motion": "reduce", **options})
    await context.add_init_script(_LISTEN)
    try:
        yield context
    finally:
        await context.close()


async def second_tab(reader: Reader) -> Reader:
    """Open what a reader reads once more; its complaints are the caller's to look at."""
    other = Reader(await reader.page.context.new_page(), reader.url, reader.app)
    await other.page.goto(reader.page.url)
    return other


# ------------------------------------------------------------------ a server that says what it is told to


async def told(
    reader: Reader, entries: Iterable[Mapping[str, Any]], *, title: str = "Told", past: Sequence[Any] = (), **hello: Any
) -> None:
    """Open a thread of which the server tells these frames, and no others: whatever a later one might say."""
    made = await reader.page.request.post(f"{reader.url}/v1/threads", data={"title": title})
    thread = (await made.json())["thread_id"]
    rows = list(entries)
    frames: list[Mapping[str, Any]] = [
        {"type": "hello", "protocol": VERSION, "thread_id": thread, "position": f"log:{len(rows)}", **hello},
        {"type": "reset", "reason": "new"},
        *past,
        {"type": "live", "position": "log:0"},
        *rows,
    ]

    async def say(line: Any) -> None:
        for frame in frames:
            line.send(json.dumps(frame))

    await reader.page.route_web_socket(f"**/{thread}/socket?*", say)
    await reader.opens(f"#{thread}")


def entry(seq: int, type: str, **fields: Any) -> dict[str, Any]:
    """Return an entry as the wire has it."""
    return {"type": type, **fields, "seq": seq, "at_ms": 1_760_000_000_000 + 40 * seq}


# ------------------------------------------------------------------ what a checker says


async def faults(page: Page) -> list[str]:
    """Return what axe finds serious or critical, a line each. The context of the page must bypass its policy."""
    await page.add_script_tag(path=AXE)
    found = await page.evaluate(
        "axe.run(document, { resultTypes: ['violations'], iframes: false }).then(({ violations }) => violations"
        ".map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map(({ target, failureSummary }) => "
        "`${target.join(' ')}: ${failureSummary}`) })))"
    )
    return [
        f"{fault['id']} ({fault['impact']}) at {at}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for at in fault["at"]
    ]


__all__ = ["PHONE", "ROOT", "Reader", "chromium", "entry", "expect", "faults", "second_tab", "told", "visited"]
