"""Knows when all that a page was given to draw has had its events: pictures that do not load tell so, and late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

_REST = """async () => {
  await Promise.allSettled([...document.images].map((picture) => picture.decode()));
  await new Promise((done) => {
    const last = new Image();
    last.onerror = done;
    last.src = "data:image/png;base64,AAAA";
  });
}"""
"""A picture of ours comes last, and does not load: its error is told after those of all the others."""


async def at_rest(page: Page) -> None:
    """Return when every picture of a page and of its frames has loaded, or has told that it will not."""
    for frame in page.frames:
        await frame.evaluate(_REST)
