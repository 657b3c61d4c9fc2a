"""Who can use the page: on a phone, in the dark, with a keyboard alone, and with a reader of screens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from faces.browsing import PHONE, Reader, chromium, expect, faults, visited
from langwire.demo.agents import build_approval, build_concierge, build_delegating, build_showcase

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


# ------------------------------------------------------------------ a phone


async def test_the_page_is_of_use_on_a_phone(browser: Browser) -> None:
    async with visited(browser, build_approval(0), viewport=PHONE, has_touch=True) as reader:
        await expect(reader.conversations).to_be_hidden()
        await reader.says("Write to Ann")
        await expect(reader.button("Approve")).to_be_in_viewport()
        await reader.is_whole()
        await reader.questions.get_by_role("button", name="Edit", exact=True).click()
        await reader.is_whole()
        await reader.presses("Back")
        await reader.presses("Conversations")
        await expect(reader.conversations).to_be_visible()
        await reader.is_whole()
        await reader.presses("New conversation")
        await expect(reader.conversations).to_be_hidden()
        await expect(reader.log).not_to_contain_text("Write to Ann")
        await reader.presses("Conversations")
        await reader.conversations.get_by_role("link", name="Write to Ann").click()
        await expect(reader.button("Approve")).to_be_in_viewport()


async def test_no_card_is_wider_than_a_phone(browser: Browser) -> None:
    async with visited(browser, build_showcase(0), works=True, viewport=PHONE) as reader:
        await reader.says("tour")
        await expect(reader.button("Send")).to_be_visible()
        await reader.rests()
        await unfold(reader)
        await reader.is_whole()
        spilled = await reader.log.evaluate(_SPILLED)
        assert spilled == []


_SPILLED = """log => [...log.querySelectorAll("*")].filter((one) => {
  const { right, width } = one.getBoundingClientRect();
  if (width === 0 || right <= window.innerWidth + 1) return false;
  for (let above = one.parentElement; above && above !== log; above = above.parentElement)
    if (/auto|scroll|hidden|clip/.test(getComputedStyle(above).overflowX)) return false;
  return true;
}).map((one) => `${one.localName}.${one.className}`)"""
"""What stands out at the right, and cannot be scrolled to in a box of its own."""


async def unfold(reader: Reader) -> None:
    """Open all that is folded in the transcript."""
    await reader.log.evaluate("log => log.querySelectorAll('details').forEach((one) => { one.open = true })")
    folded = reader.log.locator("[aria-expanded=false]")
    while await folded.count():
        await folded.first.click()


# ------------------------------------------------------------------ the dark


async def test_the_page_is_dark_where_the_system_is(browser: Browser) -> None:
    seen: dict[str, Any] = {}
    for scheme in ("light", "dark"):
        async with visited(browser, build_approval(0), color_scheme=scheme) as reader:
            await reader.says("Write to Ann")
            await expect(reader.button("Approve")).to_be_visible()
            seen[scheme] = await reader.page.evaluate(_COLOURS)
    for light, dark in zip(seen["light"], seen["dark"], strict=True):
        assert light["paper"] > 200 > 80 > dark["paper"]
        assert light["ink"] < 120 < 150 < dark["ink"]


_COLOURS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const lightness = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.3 * red + 0.6 * green + 0.1 * blue;
  };
  const paper = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (!/rgba\\(.*, 0\\)|transparent/.test(backgroundColor)) return backgroundColor;
    }
    return "white";
  };
  return ["[role=log]", "textarea, [role=textbox]", "nav"].map((selector) => {
    const one = document.querySelector(selector);
    return { paper: lightness(paper(one)), ink: lightness(getComputedStyle(one).color) };
  });
}"""


# ------------------------------------------------------------------ a keyboard alone


async def tab_to(reader: Reader, name: str, *, most: int = 60) -> None:
    """Press Tab until what has this name has the focus, and shows that it has."""
    passed: list[str] = []
    for _ in range(most):
        await reader.page.keyboard.press("Tab")
        named, shown = await reader.page.evaluate(_FOCUSED)
        passed.append(named)
        if named.startswith(name):
            assert shown, f"nothing shows that {name!r} has the focus"
            return
    raise AssertionError(f"Tab does not lead to {name!r}, but to {passed}")


_FOCUSED = """() => {
  const one = document.activeElement;
  const label = one.labels?.[0]?.textContent ?? "";
  const named = one.getAttribute("aria-label") || label || one.title || one.textContent;
  const { outlineStyle, boxShadow, borderColor } = getComputedStyle(one);
  const shown = outlineStyle !== "none" || boxShadow !== "none" || one.matches("textarea");
  return [named.trim(), shown];
}"""


async def test_a_keyboard_is_enough_to_say_stop_approve_and_unfold(browser: Browser) -> None:
    async with visited(browser, build_concierge(0.05)) as reader:
        await tab_to(reader, "Message")
        await reader.page.keyboard.type("Hello")
        await reader.page.keyboard.press("Enter")
        await expect(reader.button("Stop")).to_be_visible()
        await tab_to(reader, "Stop")
        await reader.page.keyboard.press("Enter")
        await reader.rests()
    async with visited(browser, build_concierge(0)) as reader:
        await tab_to(reader, "Message")
        await reader.page.keyboard.type("Write to Ann")
        await reader.page.keyboard.press("Enter")
        await expect(reader.button("Approve")).to_be_visible()
        await tab_to(reader, "Approve")
        await reader.page.keyboard.press("Enter")
        await reader.reads("Sent to ann@example.org.")
        await reader.rests()
        await expect(reader.log.get_by_role("heading", name="Arguments")).to_have_count(0)
        await tab_to(reader, "send_email")
        await reader.page.keyboard.press("Enter")
        await expect(reader.log.get_by_role("heading", name="Arguments")).to_be_visible()


async def test_what_is_asked_is_announced_and_what_is_done_keeps_its_place(browser: Browser) -> None:
    """The transcript is a log, and what has the focus does not lose it to nowhere."""
    async with visited(browser, build_approval(0)) as reader:
        await reader.says("Write to Ann")
        await expect(reader.button("Approve")).to_be_visible()
        await reader.questions.get_by_role("button", name="Edit", exact=True).click()
        await reader.presses("Back")
        await reader.presses("Approve")
        await reader.reads("Sent to ann@example.org.")
        assert await reader.page.get_by_role("status").count() > 0
        assert await reader.page.evaluate("document.title") != ""
        assert await reader.page.evaluate("document.documentElement.lang") == "en"


# ------------------------------------------------------------------ an automatic check


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_a_checker_finds_no_serious_fault(browser: Browser, look: str) -> None:
    options: dict[str, Any] = {"light": {}, "dark": {"color_scheme": "dark"}, "phone": {"viewport": PHONE}}[look]
    async with visited(browser, build_showcase(0), works=True, bypass_csp=True, **options) as reader:
        assert await faults(reader.page) == [], "the empty page"
        await reader.says("tour")
        await reader.reads("tour")
        await expect(reader.button("Stop")).to_be_hidden()
        assert await faults(reader.page) == [], "every card"
        await unfold(reader)
        assert await faults(reader.page) == [], "every card unfolded"
        await reader.opens()
    async with visited(browser, build_approval(0), bypass_csp=True, **options) as reader:
        await reader.says("Write to Ann")
        await expect(reader.button("Approve")).to_be_visible()
        assert await faults(reader.page) == [], "a question"
        await reader.questions.get_by_role("button", name="Edit", exact=True).click()
        assert await faults(reader.page) == [], "the form of an edit"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_checker_finds_no_serious_fault_on_the_board_of_tasks(browser: Browser, scheme: Any) -> None:
    async with visited(browser, build_delegating(0), works=True, bypass_csp=True, color_scheme=scheme) as reader:
        await reader.says("A weekend in Rome")
        await reader.reads("They are at work")
        await reader.rests()
        await reader.presses("Tasks")
        await reader.page.get_by_role("region", name="Tasks").get_by_role("link").filter(has_text="letter").click()
        await expect(reader.page.get_by_role("group", name="Question: send_email")).to_be_visible()
        assert await faults(reader.page) == []
