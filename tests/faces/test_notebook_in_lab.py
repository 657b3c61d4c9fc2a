"""The conversation in a real JupyterLab, in a real browser: sent, streamed, answered, stopped, saved, opened again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agui.browser import chromium, missing

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

expect = pytest.importorskip("playwright.async_api", reason="playwright is not in this environment").expect
pytest.importorskip("jupyterlab", reason="JupyterLab is not in this environment")
expect.set_options(timeout=20_000)

if "chromium" in missing() and not os.environ.get("LANGWIRE_WHOLE"):
    pytest.skip("JupyterLab needs chromium to be looked at", allow_module_level=True)

SHOTS = os.environ.get("LANGWIRE_SHOTS")
TOKEN = "only-for-this-test"

AGENT = '''
import asyncio
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from langchain_core.messages import AIMessage

from langwire.testing import ScriptedModel

HOSTILE = """
<script>window.ran = 1</script> <img src=x onerror="window.ran = 1"> [a](javascript:window.ran=1)
[b](data:text/html,<script>window.ran=1</script>) <svg onload="window.ran=1"></svg> ![p](https://example.org/p.png)
"""


async def talk(state: MessagesState) -> Any:
    said = str(state["messages"][-1].content)
    if said.startswith("ask"):
        question = {
            "action_requests": [{"name": "send_email", "args": {"to": "ann@example.org", "body": "All of the text."}}],
            "review_configs": [{"action_name": "send_email", "allowed_decisions": ["approve", "reject"]}],
        }
        answer = interrupt(question)
        return {"messages": [AIMessage(f"It was decided: {answer['decisions'][0]['type']}.")]}
    pieces = ["Once", " upon", " a", " time."] * 500 if said == "slow" else ["## Said\\n\\n", "**Hello**", " there."]
    pieces = [HOSTILE] if said == "hostile" else pieces
    model = ScriptedModel(script=[pieces], delay=0.05)
    return {"messages": [await model.ainvoke([state["messages"][-1]])]}


builder = StateGraph(MessagesState)
builder.add_node(talk)
builder.add_edge(START, "talk")
agent = builder.compile(InMemorySaver())
'''

CELLS = [
    "from agent import agent\nfrom langwire.adapters.jupyter import Chat\nchat = Chat(agent)\nchat",
    "print('another cell', 6 * 7)",
    "result = await chat.send('from code')\nprint(result.outcome, len(result.messages))",
]


def notebook() -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(CELLS)
    ]
    spec = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return {"cells": cells, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab that knows nothing of anybody's settings; yields its address and its folder."""
    home = tmp_path_factory.mktemp("lab")
    work = home / "work"
    work.mkdir()
    (work / "agent.py").write_text(AGENT)
    (work / "chat.ipynb").write_text(json.dumps(notebook()))
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={work}", "--LabApp.extension_manager=readonly"),
    ]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            words,
            env={**os.environ, **{name: str(home / folder) for name, folder in folders.items()}},
            cwd=work,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}", work
    finally:
        server.terminate()
        server.wait(20)


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Page]:
    """The notebook in a browser, alone on its page."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1100, "height": 1000})
        await arrive(page, f"{address}/doc/tree/chat.ipynb?token={TOKEN}")
        yield page


async def arrive(page: Page, url: str) -> None:
    await page.goto(url, wait_until="domcontentloaded")
    await expect(page.locator(".jp-Cell").first).to_be_visible()
    await expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()


def cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-CodeCell").nth(number)


async def run(page: Page, number: int) -> None:
    await cell(page, number).locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")


async def say(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message", exact=True)
    await box.fill(text)
    await box.press("Enter")


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.mark.timeout(240)
async def test_a_conversation_in_jupyterlab_from_the_first_word_to_the_saved_notebook(lab: tuple[str, Path]) -> None:
    """F-J1, F-J2, T-13; sends, streams, answers by button, stops, and is there in a saved notebook without a kernel."""
    address, work = lab
    await _listening(address)
    async with opened(address) as page:
        log = page.get_by_role("log", name="Conversation")
        await run(page, 0)
        box = page.get_by_role("textbox", name="Message", exact=True)
        await expect(box).to_be_visible()
        await shot(page, "empty")
        await box.press_sequentially("add a cell")  # which are shortcuts of JupyterLab's
        await box.press("Enter")
        await expect(log).to_contain_text("Hello there.")
        await expect(log.locator("strong", has_text="Hello")).to_be_visible()

        await say(page, "ask me")
        await expect(log).to_contain_text("All of the text.")
        await shot(page, "question")
        await log.get_by_role("button", name="Approve").click()
        await expect(log).to_contain_text("It was decided: approve.")

        await say(page, "slow")
        await expect(log).to_contain_text("Once upon a time.")
        await run(page, 1)  # while the turn streams
        await expect(cell(page, 1)).to_contain_text("another cell 42")
        stop = page.get_by_role("button", name="Stop", exact=True)
        await expect(stop).to_be_visible()
        await shot(page, "streaming")
        await stop.click()
        await expect(stop).to_be_hidden()

        await say(page, "hostile")
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
        await run(page, 2)
        await expect(cell(page, 2)).to_contain_text("complete")
        await expect(log).to_contain_text("from code")
        assert await page.evaluate("window.ran") is None
        await expect(page.locator(".jp-CodeCell")).to_have_count(len(CELLS) + 1)
        await shot(page, "conversation")

        await page.keyboard.press("Control+s")
        await expect(page.locator(".jp-mod-dirty")).to_have_count(0)
        await page.reload()  # the kernel lives on
        await expect(log).to_contain_text("It was decided: approve.")
        await expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
        await shot(page, "reloaded")

        await _shut_down(page, address)

    saved = json.loads((work / "chat.ipynb").read_text())
    html = "".join("".join(output["data"].get("text/html", "")) for output in saved["cells"][0]["outputs"])
    assert "It was decided: approve." in html
    async with opened(address) as page:
        await expect(cell(page, 0)).to_contain_text("It was decided: approve.")
        await expect(cell(page, 0)).not_to_contain_text("model not found")
        assert await page.evaluate("window.ran") is None
        await shot(page, "saved")


async def _listening(address: str) -> None:
    import asyncio

    host, port = address.removeprefix("http://").split(":")
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def _shut_down(page: Page, address: str) -> None:
    await page.evaluate(
        """async ([address, token]) => {
            const headers = { Authorization: `token ${token}` };
            const sessions = await (await fetch(address + '/api/sessions', { headers })).json();
            for (const { id } of sessions) await fetch(address + '/api/sessions/' + id, { method: 'DELETE', headers });
        }""",
        [address, TOKEN],
    )
