"""What the app says to browsers, who may come in anywhere, and that nobody learns of what is not theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agui.served import listening
from langwire.adapters._shared.bundle import bundled, csp_hash
from langwire.app import create_app
from langwire.app._security import HEADERS, POLICY
from langwire.errors import UsageError
from langwire.tasks import MemoryTaskStore, TaskClient

PAGE = "https://app.example.org"


def agent() -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("node", lambda _: {"messages": [AIMessage("hello")]})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


def by_header(request: Request) -> str | None:
    return request.headers.get("x-user")


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(agent(), tasks=TaskClient(MemoryTaskStore()), **options)
    async with listening(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        try:
            yield client
        finally:
            await app.state.langwire.close()


def run_of(thread: str) -> dict[str, Any]:
    said = [{"id": "u1", "role": "user", "content": "hi"}]
    about = {"state": {}, "tools": [], "context": [], "forwardedProps": {}}
    return {"threadId": thread, "runId": "r1", "messages": said, **about}


# ------------------------------------------------------------------ what is said to browsers


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/v1", "/v1/threads/none", "/v1/tasks", "/health", "/nowhere"])
async def test_every_answer_says_what_a_page_of_it_may_do(path: str) -> None:
    """T-14."""
    async with served() as client:
        answer = await client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert answer.headers["x-request-id"]
    assert "unsafe" not in POLICY
    assert f"script-src 'self' {csp_hash(bundled('frame.js'))};" in POLICY
    assert "default-src 'none'" in POLICY


async def test_what_an_answer_says_of_itself_stays() -> None:
    """A file that somebody uploaded is kept in a sandbox of its own."""
    async with served() as client:
        thread = (await client.post("/v1/threads", json={})).json()["thread_id"]
        sent = await client.post(
            f"/v1/threads/{thread}/files",
            content=b"<svg/>",
            headers={"content-type": "image/svg+xml", "langwire-file": "1"},
        )
        file = await client.get(f"/v1/threads/{thread}/files/{sent.json()['file_id']}")
        assert "sandbox" in file.headers["content-security-policy"]
        assert file.headers["x-frame-options"] == "DENY"


async def test_a_refused_websocket_says_the_same() -> None:
    async with served() as client:
        address = f"ws://127.0.0.1:{client.base_url.port}/v1/threads/none/socket"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, origin="https://evil.example")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
        assert refused.value.response.headers["content-security-policy"] == POLICY


# ------------------------------------------------------------------ pages of other sites


@pytest.mark.parametrize("path", ["/v1/threads", "/agui", "/v1/tasks/x/cancel"])
async def test_a_page_of_another_site_is_refused_everywhere(path: str) -> None:
    """T-1, T-3."""
    async with served(origins=[PAGE]) as client:
        body = run_of("t") if path == "/agui" else {}
        evil = await client.post(path, json=body, headers={"origin": "https://evil.example"})
        assert (evil.status_code, evil.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in evil.headers
        known = await client.post(path, json=body, headers={"origin": PAGE})
        assert known.status_code != 403
        assert known.headers["access-control-allow-origin"] == PAGE
        assert known.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_a_browser_is_told_which_pages_may_ask() -> None:
    """T-3."""
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,last-event-id"}
    async with served(origins=[f"{PAGE}:443"]) as client:
        known = await client.options("/v1/threads", headers={"origin": PAGE, **asks})
        assert known.status_code == 200
        assert known.headers["access-control-allow-origin"] == PAGE
        evil = await client.options("/v1/threads", headers={"origin": "https://evil.example", **asks})
        assert evil.status_code == 400
        assert "access-control-allow-origin" not in evil.headers
    async with served() as client:
        nobody = await client.options("/v1/threads", headers={"origin": PAGE, **asks})
        assert not [name for name in nobody.headers if name.startswith("access-control")]


def test_no_app_is_open_to_all_pages() -> None:
    """T-3."""
    with pytest.raises(UsageError, match="came as an origin"):
        create_app(agent(), origins=["*"])


# ------------------------------------------------------------------ under which name, from where


@pytest.mark.parametrize("path", ["/", "/v1", "/agui/capabilities", "/v1/tasks", "/health"])
async def test_a_name_that_is_not_ours_is_refused_everywhere(path: str) -> None:
    """T-3: a page elsewhere has its own name lead here."""
    async with served(hosts=["my.test"]) as client:
        evil = await client.get(path, headers={"host": "evil.test"})
        assert (evil.status_code, evil.json()["error"]["code"]) == (421, "host_not_allowed")
        assert (await client.get(path, headers={"host": "my.test"})).status_code == 200


async def test_where_people_say_who_they_are_any_name_will_do_unless_they_are_listed() -> None:
    known = {"x-user": "ann"}
    async with served(authorize=by_header) as client:
        assert (await client.get("/v1", headers={"host": "a.example", **known})).status_code == 200
    async with served(authorize=by_header, hosts=["b.example"]) as client:
        assert (await client.get("/v1", headers={"host": "b.example", **known})).status_code == 200
        assert (await client.get("/v1", headers={"host": "a.example", **known})).status_code == 421


# ------------------------------------------------------------------ who may come in


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/agents", "/v1/agents/agent", "/v1/openapi.json", "/v1/tasks", "/agui/capabilities"]
)
async def test_nobody_comes_in_without_saying_who_they_are(path: str) -> None:
    """T-2."""
    async with served(authorize=by_header) as client:
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
        assert (await client.get(path, headers={"x-user": "ann"})).status_code == 200
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/ready")).json() == {"status": "ready"}


async def test_a_thread_is_its_owners_over_every_face() -> None:
    """T-2, F-A4."""
    ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
    async with served(authorize=by_header) as client:
        thread = (await client.post("/v1/threads", json={}, headers=ann)).json()["thread_id"]
        assert (await client.post("/agui", json=run_of(thread), headers=ann)).status_code == 200
        unknown = await client.get("/v1/threads/never", headers=bob)
        for path in (f"/v1/threads/{thread}", f"/v1/agents/agent/threads/{thread}"):
            foreign = await client.get(path, headers=bob)
            assert (foreign.status_code, foreign.content) == (404, unknown.content)
        foreign = await client.post("/agui", json=run_of(thread), headers=bob)
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "unknown_thread")


async def test_each_request_is_asked_once_and_counted_once() -> None:
    asked: list[str] = []

    def noted(request: Request) -> str:
        asked.append(request.url.path)
        return "ann"

    async with served(authorize=noted, rate=(4, 60.0)) as client:
        for path in ("/v1", "/agui/capabilities", "/v1/tasks", "/v1/agents"):
            assert (await client.get(path)).status_code == 200
        assert asked == ["/v1", "/agui/capabilities", "/v1/tasks", "/v1/agents"]
        assert (await client.get("/v1")).status_code == 429


async def test_streams_of_ag_ui_are_counted_with_all_others() -> None:
    """T-4."""
    async with served(max_connections=1) as client, client.stream("GET", "/v1/tasks/watch") as watched:
        await anext(watched.aiter_lines())
        refused = await client.post("/agui", json=run_of("t1"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_connections")
    async with served(max_connections=1) as client:
        for number in range(3):  # each gives its place back
            assert (await client.post("/agui", json=run_of(f"t{number}"))).status_code == 200
