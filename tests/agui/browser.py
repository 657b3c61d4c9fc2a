"""The example pages, built, served beside an agent, and opened in a headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.staticfiles import StaticFiles

from agui.npm import CLEAN_INSTALL, hash_of, once
from agui.served import listening
from langwire.adapters.agui import agui_app

if TYPE_CHECKING:
    from playwright.async_api import Browser

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "agui"
BUILT = ROOT / "build" / "pages"
"""Where the pages are built, kept from one test run to the next, and photographed."""

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def built(name: str) -> Path:
    """Return the folder that an example is built to; what has not changed is neither installed nor built again."""
    there, sources = BUILT / name, EXAMPLES / name
    shutil.rmtree(there / "src", ignore_errors=True)
    shutil.copytree(sources, there, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    once(there, there / ".installed", hash_of(sources / "package-lock.json"), *CLEAN_INSTALL)
    files = [path for path in sorted(sources.rglob("*")) if path.is_file() and "node_modules" not in path.parts]
    once(there, there / ".built", hash_of(*files), "run", "build")
    return there / "dist"


@asynccontextmanager
async def served(page: Path, graph: Any) -> AsyncIterator[str]:
    """Serve a built page with an agent behind it; yield the address."""
    app = agui_app(graph)
    app.mount("/", StaticFiles(directory=page, html=True))
    async with listening(app) as address:
        yield address


def missing() -> list[str]:
    """Return the programs that are not installed, of those that build and open the pages."""
    found = {"npm": shutil.which("npm"), "chromium": _chromium()}
    return [name for name, path in found.items() if path is None]


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser that stores nothing and calls nobody."""
    from playwright.async_api import async_playwright

    program = _chromium()
    if program is None:
        raise RuntimeError("chromium is not installed, which opens the example pages: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
