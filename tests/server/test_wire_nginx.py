"""A real nginx, with the very configuration of the page about proxies."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect

from agui.served import listening
from langwire.adapters.fastapi import langwire_router
from langwire.demo import agents
from langwire.sessions.sqlite import sqlite_sessions

PAGE = Path(__file__).parents[2] / "docs/howto/put-it-behind-a-proxy.md"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif("LANGWIRE_SOAK" not in os.environ, reason="needs nginx: `make soak` runs it"),
]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _configuration(folder: Path, port: int, backends: list[str], *, other: dict[str, str]) -> str:
    """Return the page's own configuration, with addresses of this machine in it, and `other` settings."""
    found = re.search(r"^```nginx\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert found is not None
    text = found[1].replace("listen 80;", f"listen 127.0.0.1:{port};")
    for there, here in zip(("127.0.0.1:8642", "127.0.0.1:8643"), backends, strict=True):
        assert there in text
        text = text.replace(there, here)
    for ours, theirs in other.items():
        assert ours in text
        text = text.replace(ours, theirs)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return (
        f"daemon off; pid {folder}/pid; error_log stderr notice; events {{}}\n"
        f"http {{ access_log off; {paths}\n{text}\n}}"
    )


@asynccontextmanager
async def _nginx(folder: Path, backends: list[str], other: dict[str, str]) -> AsyncIterator[str]:
    port = _free_port()
    (folder / "nginx.conf").write_text(_configuration(folder, port, backends, other=other))
    process = await asyncio.create_subprocess_exec(
        NGINX, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        said = b""
        while b"start worker process" not in said:
            line = await process.stderr.readline()
            assert line, f"nginx did not start: {said.decode()}"
            said += line
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _behind(folder: Path, settings: dict[str, str]) -> AsyncIterator[tuple[str, list[FastAPI]]]:
    """Two servers on one file of threads, and nginx before them."""
    async with (
        sqlite_sessions(agents.build_assistant(0), folder / "chat.db") as one,
        sqlite_sessions(agents.build_assistant(0), folder / "chat.db") as other,
    ):
        apps: list[FastAPI] = []
        for sessions in (one, other):
            app = FastAPI()
            app.state.sessions = sessions
            app.include_router(langwire_router(sessions, authorize=_who, keep_alive=0.4), prefix="/v1")
            apps.append(app)
        async with (
            listening(apps[0]) as first,
            listening(apps[1]) as second,
            _nginx(folder, [first.removeprefix("http://"), second.removeprefix("http://")], settings) as proxy,
        ):
            yield proxy, apps


def _who(request: HTTPConnection) -> str:
    return "ann"


async def test_a_turn_is_read_through_nginx_by_both_wires_as_it_is_told(tmp_path: Path) -> None:
    """Two threads land where their ids say; each is submitted, streamed and read to its end through the proxy."""
    async with _behind(tmp_path, {}) as (proxy, apps), httpx.AsyncClient(base_url=f"http://{proxy}/v1") as client:
        used = 0
        for _ in range(8):
            thread = (await client.post("/threads", json={})).raise_for_status().json()["thread_id"]
            async with (
                connect(
                    f"ws://{proxy}/v1/threads/{thread}/socket",
                    origin=f"http://{proxy}",  # pyright: ignore[reportArgumentType]
                ) as socket,
                client.stream("GET", f"/threads/{thread}/events") as streamed,
            ):
                lines = streamed.aiter_lines()
                while '"live"' not in await anext(lines):
                    pass
                taken = await client.post(f"/threads/{thread}/submit", json={"input": "hello"})
                assert taken.status_code == 202, taken.text
                said = ""
                while '"turn_end"' not in said:
                    said = str(await socket.recv())
                assert '"complete"' in said
                while '"turn_end"' not in await anext(lines):
                    pass
            running = [app.state.sessions.get(thread).turn is not None for app in apps]
            assert sorted(running) == [False, True], "one process has the thread"
            used |= 1 << running.index(True)
        assert used == 3, "both processes were used"


async def test_a_silent_stream_outlives_the_patience_of_nginx_also_where_it_collects(tmp_path: Path) -> None:
    """A stream of eight keep-alives takes three seconds; nginx waits for one, and would fill its buffers first."""
    impatient = {"proxy_read_timeout 60s": "proxy_read_timeout 1s", "proxy_buffering off": "proxy_buffering on"}
    async with (
        _behind(tmp_path, impatient) as (proxy, _),
        httpx.AsyncClient(base_url=f"http://{proxy}/v1") as client,
    ):
        thread = (await client.post("/threads", json={})).raise_for_status().json()["thread_id"]
        async with client.stream("GET", f"/threads/{thread}/events") as streamed:
            kept = 0
            async for line in streamed.aiter_lines():
                kept += line.startswith(":")
                if kept == 8:
                    break
        assert kept == 8
