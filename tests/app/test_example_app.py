"""The example of an app with a login, over a real socket."""

from __future__ import annotations

import json
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agui.served import listening

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app.py"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = runpy.run_path(str(EXAMPLE))["app"]
    async with app.router.lifespan_context(app), listening(app) as address:
        yield address


@asynccontextmanager
async def logged_in(url: str, name: str, password: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        answer = await client.post("/login", json={"name": name, "password": password})
        assert answer.status_code == 204, answer.text
        yield client


def test_it_is_short() -> None:
    code = EXAMPLE.read_text().partition('"""\n\n')[2]
    assert len([line for line in code.splitlines() if line.strip()]) < 30


@pytest.mark.parametrize(("name", "password"), [("ann", "coffee"), ("eve", ""), ("ann", ""), ("eve", "tea")])
async def test_a_wrong_password_does_not_come_in(url: str, name: str, password: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/login", json={"name": name, "password": password})).status_code == 401
        assert (await client.get("/chat/threads")).status_code == 401


async def test_a_thread_is_its_owners_alone(url: str) -> None:
    """T-2."""
    async with logged_in(url, "ann", "tea") as ann, logged_in(url, "bob", "coffee") as bob:
        thread = (await ann.post("/chat/threads", json={})).json()["thread_id"]
        assert (await ann.get(f"/chat/threads/{thread}")).status_code == 200
        foreign, unknown = await bob.get(f"/chat/threads/{thread}"), await bob.get("/chat/threads/never")
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert (await bob.get("/chat/threads")).json() == {"threads": []}


async def test_a_turn_is_told_over_a_websocket_to_a_page_of_the_same_site(url: str) -> None:
    """T-1, T-2."""
    async with logged_in(url, "ann", "tea") as ann:
        thread = (await ann.post("/chat/threads", json={})).json()["thread_id"]
        address = f"{url.replace('http', 'ws', 1)}/chat/threads/{thread}/socket"
        cookie = {"cookie": f"session={ann.cookies['session']}"}
        async with connect(address, origin=url, additional_headers=cookie) as socket:  # type: ignore[arg-type]
            await socket.send(json.dumps({"type": "submit", "ref": "1", "input": "The weather in Rome, please"}))
            frames: list[dict[str, Any]] = []
            while not (frames and frames[-1]["type"] == "turn_end" and "seq" in frames[-1]):
                frames.append(json.loads(await socket.recv()))
        assert frames[0]["type"] == "hello"
        assert any(frame["type"] == "ack" and frame["ref"] == "1" for frame in frames)
        assert "sunny" in "".join(frame["text"] for frame in frames if frame["type"] == "text_delta")
        for origin, headers, status in [(url, {}, 401), ("https://evil.example", cookie, 403)]:
            with pytest.raises(InvalidStatus) as refused:
                await connect(address, origin=origin, additional_headers=headers)  # type: ignore[arg-type]
            assert refused.value.response.status_code == status
