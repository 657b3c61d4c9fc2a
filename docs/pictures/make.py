"""Makes the pictures of the README and the docs: the demo agents, on the page, in JupyterLab and at a terminal.

`python docs/pictures/make.py` makes all of them, with names only those: `make.py page terminal`. It needs chromium and
the development environment. What is shown is what the programs show; nothing is drawn by hand.
"""

from __future__ import annotations

import asyncio
import html
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import pyte
from playwright.async_api import Browser, Page, async_playwright, expect

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
MOST = 200_000
"""So many bytes a picture may have."""
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 800}
COLUMNS, ROWS = 96, 40
PATIENCE = 60.0
"""How long anything may take that is waited for, in seconds."""


# ------------------------------------------------------------------ the page


@asynccontextmanager
async def serving() -> AsyncGenerator[str]:
    """Run `langwire serve --demo`; yield its address."""
    command = [BIN / "langwire", "serve", "--demo", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        said = (await process.stdout.readline()).decode()
        yield re.search(r"http://\S+", said)[0]  # its first line says where it is
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def looking(browser: Browser, url: str, **options: Any) -> AsyncGenerator[Page]:
    context = await browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
    page = await context.new_page()
    await page.goto(url)
    try:
        yield page
    finally:
        await context.close()


async def toured(page: Page) -> None:
    """Ask for everything, and wait until the tour asks back."""
    box = page.get_by_role("textbox", name="Message", exact=True)
    await box.fill("A weekend in Rome")
    await box.press("Enter")
    await expect(page.get_by_role("group", name="Question: send_email")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


async def page_light(browser: Browser) -> Path:
    """From its beginning: thinking, what is to do, calls, a picture, a table."""
    async with serving() as url, looking(browser, url) as page:
        await toured(page)
        await page.get_by_text("Thought").first.click()
        await page.get_by_role("log").evaluate("log => log.scrollTo(0, 0)")
        return await photographed(page, "page")


async def page_dark(browser: Browser) -> Path:
    """Its end: two actions to decide on, one of which is being edited."""
    async with serving() as url, looking(browser, url, color_scheme="dark") as page:
        await toured(page)
        room = page.get_by_role("group", name="Question: book_room")
        await room.get_by_role("button", name="Edit", exact=True).click()
        await page.get_by_role("log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
        return await photographed(page, "page-dark")


async def page_phone(browser: Browser) -> Path:
    async with serving() as url, looking(browser, url, viewport=PHONE, device_scale_factor=2) as page:
        await toured(page)
        await page.get_by_role("group", name="Question: send_email").scroll_into_view_if_needed()
        return await photographed(page, "page-phone")


async def tasks(browser: Browser) -> Path:
    async with serving() as url, looking(browser, url) as page:
        await toured(page)
        await page.get_by_role("button", name="Tasks", exact=True).click()
        board = page.get_by_role("region", name="Tasks")
        await board.get_by_role("link").filter(has_text="postcard").click()
        await expect(page.get_by_role("group", name="Question: send_email")).to_be_visible()
        return await photographed(page, "tasks")


# ------------------------------------------------------------------ the notebook


@asynccontextmanager
async def laboratory() -> AsyncGenerator[str]:
    """Run JupyterLab on a copy of the example's notebook; yield the address of that."""
    with TemporaryDirectory() as folder:
        shutil.copy(ROOT / "examples" / "notebook.ipynb", folder)
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": 0,
            "ServerApp.open_browser": False,
            "ServerApp.root_dir": folder,
            "IdentityProvider.token": "",
            "LabApp.expose_app_in_browser": True,
        }
        command = [BIN / "jupyter-lab", *(f"--{name}={value}" for name, value in options.items())]
        if os.geteuid() == 0:
            command.append("--allow-root")
        own = {"JUPYTER_CONFIG_DIR": folder, "JUPYTER_RUNTIME_DIR": folder, "IPYTHONDIR": folder}
        process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env={**os.environ, **own}
        )
        try:
            while (found := re.search(rb"http://127\.0\.0\.1:\d+", await process.stderr.readline())) is None:
                pass
            drained = asyncio.create_task(process.stderr.read())  # what it says later must not fill the pipe
            yield f"{found[0].decode()}/lab/tree/notebook.ipynb?reset"
            drained.cancel()
        finally:
            process.terminate()
            await process.wait()


async def notebook(browser: Browser) -> Path:
    async with laboratory() as url, looking(browser, url) as page:
        cell = page.locator(".jp-CodeCell").first
        await cell.locator(".cm-content").click()
        await page.keyboard.press("Control+b")  # puts the files at the side away
        await cell.locator(".cm-content").click()
        await page.keyboard.press("Shift+Enter")
        box = page.get_by_role("textbox", name="Message", exact=True)
        await box.fill("Write to Ann that we come to Rome")
        await box.press("Enter")
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
        await page.get_by_role("log", name="Conversation").evaluate("log => log.scrollTo(0, log.scrollHeight)")
        await page.get_by_role("button", name="No", exact=True).click()  # to the question whether one wants news
        return await photographed(page, "notebook")


# ------------------------------------------------------------------ the terminal


class Terminal:
    """A program at a terminal of its own, and the screen that it has drawn."""

    def __init__(self, *command: str | Path) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._fd, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        surroundings = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUNBUFFERED": "1"}
        surroundings.pop("NO_COLOR", None)
        self._process = subprocess.Popen(  # noqa: S603  a program of ours
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings, start_new_session=True
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, text: str) -> None:
        """Read on until the screen shows a text. Raises `TimeoutError`."""
        end = monotonic() + PATIENCE
        while not any(text in line for line in self.screen.display):
            if not select.select([self._fd], [], [], max(0, end - monotonic()))[0]:
                raise TimeoutError(f"the terminal does not show {text!r}, but\n" + "\n".join(self.screen.display))
            self._read()

    def until_quiet(self, seconds: float = 1.5) -> None:
        """Read on until nothing has come for a while."""
        while select.select([self._fd], [], [], seconds)[0]:
            self._read()

    def _read(self) -> None:
        read = os.read(self._fd, 65_536)
        self._stream.feed(read)
        if _WHERE in read:
            os.write(self._fd, b"\x1b[%d;%dR" % (self.screen.cursor.y + 1, self.screen.cursor.x + 1))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._fd)


_WHERE = b"\x1b[6n"
"""Asks a terminal where its cursor is."""

_COLOURS = {
    "default": "#d5d8df",
    "black": "#5b6270",
    "red": "#ef7a84",
    "green": "#93c97d",
    "brown": "#e3bd70",
    "blue": "#6fb0f2",
    "magenta": "#c78be0",
    "cyan": "#5fbcc6",
    "white": "#e6e8ec",
    "brightblack": "#8b93a3",
    "brightred": "#ff949d",
    "brightgreen": "#aee39a",
    "brightbrown": "#f5d490",
    "brightyellow": "#f5d490",
    "brightblue": "#90c5ff",
    "brightmagenta": "#dfa8f5",
    "brightcyan": "#80d6e0",
    "brightwhite": "#ffffff",
}

_WINDOW = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 28px; background: #eceef2; width: max-content }
figure { margin: 0; border-radius: 10px; background: #16181d; box-shadow: 0 8px 28px #0003; overflow: hidden }
figcaption { font: 13px system-ui, sans-serif; color: #8b93a3; text-align: center; padding: 9px; background: #1f2229 }
pre { margin: 0; padding: 14px 20px 18px; color: #d5d8df; font: 14px/1.35 "DejaVu Sans Mono", Menlo, monospace }
</style><figure><figcaption>%s</figcaption><pre>%s</pre></figure>"""


def drawn(screen: pyte.Screen) -> str:
    """Return a screen as HTML, without the empty lines at its end."""
    lines = ["".join(_spans(screen.buffer[row][column] for column in range(COLUMNS))) for row in range(ROWS)]
    while lines and not re.sub(r"<[^>]*>", "", lines[-1]).strip():
        lines.pop()
    return "\n".join(lines)


def _spans(cells: Iterable[Any]) -> Generator[str]:
    for cell in cells:
        style = _style(cell)
        text = html.escape(cell.data)
        yield f'<span style="{style}">{text}</span>' if style else text


def _style(cell: Any) -> str:
    ink, paper = _colour(cell.fg), "" if cell.bg == "default" else _colour(cell.bg)
    if cell.reverse:
        ink, paper = paper or "#16181d", ink
    styles = {
        "color": ink if ink != _COLOURS["default"] else "",
        "background": paper,
        "font-weight": "bold" if cell.bold else "",
        "font-style": "italic" if cell.italics else "",
        "text-decoration": "underline" if cell.underscore else "line-through" if cell.strikethrough else "",
    }
    return ";".join(f"{name}:{value}" for name, value in styles.items() if value)


def _colour(name: str) -> str:
    return _COLOURS.get(name) or f"#{name}"


async def terminal(browser: Browser) -> Path:
    screen = await asyncio.to_thread(chatted)
    async with looking(browser, "about:blank") as page:
        await page.set_content(_WINDOW % ("langwire chat langwire.demo:showcase", drawn(screen)))
        size = await page.locator("body").bounding_box()
        await page.set_viewport_size({"width": int(size["width"]), "height": int(size["height"])})
        return await photographed(page, "terminal")


def chatted() -> pyte.Screen:
    """Talk with the showcase at a terminal, up to its question."""
    chat = Terminal(BIN / "langwire", "chat", "langwire.demo:showcase")
    try:
        chat.until_quiet()
        chat.type("A weekend in Rome\r")
        chat.until("(1 of 2)")
        chat.until_quiet()
    finally:
        chat.close()
    return chat.screen


# ------------------------------------------------------------------ all of them


async def photographed(page: Page, name: str) -> Path:
    """Keep what is seen. Raises `ValueError` for a picture that is too large for a repository."""
    path = HERE / f"{name}.png"
    await page.screenshot(path=path, animations="disabled", caret="hide")
    if (size := path.stat().st_size) > MOST:
        raise ValueError(f"{path.name} came out with {size} bytes: expected {MOST} at most, show less")
    return path


PICTURES: Mapping[str, Callable[[Browser], Awaitable[Path]]] = {
    "page": page_light,
    "page-dark": page_dark,
    "page-phone": page_phone,
    "tasks": tasks,
    "notebook": notebook,
    "terminal": terminal,
}


async def main(names: list[str]) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name in names or PICTURES:
            path = await PICTURES[name](browser)
            sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1000} kB\n")
        await browser.close()


if __name__ == "__main__":
    expect.set_options(timeout=PATIENCE * 1000)
    asyncio.run(main(sys.argv[1:]))
