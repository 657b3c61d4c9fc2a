"""The whole app: what stands where, several agents, when it is ready, and how it comes to an end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from agui.served import listening
from langwire import SessionAdapter
from langwire.adapters.fastapi.threads import Threads
from langwire.app import _app, create_app
from langwire.demo.agents import build_delegating
from langwire.errors import SessionsClosed, StoreError, UnsupportedGraph, UsageError
from langwire.sessions.store import MemorySessionStore
from langwire.tasks import MemoryTaskStore, TaskClient, TaskRunner


def graph_of(node: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


def says(words: str) -> Any:
    return graph_of(lambda _: {"messages": [AIMessage(words)]})


class Waiting:
    """An agent that says that it has begun, and waits until it is let go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.graph = graph_of(self._wait)

    async def _wait(self, _: MessagesState) -> Any:
        self.begun.set()
        await self.go_on.wait()
        return {"messages": [AIMessage("it was worth the wait")]}


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with listening(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        try:
            yield client
        finally:
            await app.state.langwire.close()


async def said(client: httpx.AsyncClient, at: str = "/v1") -> str:
    """Say something on a new thread, and return what is told of it until the turn has ended."""
    thread = (await client.post(f"{at}/threads", json={})).json()["thread_id"]
    taken = (await client.post(f"{at}/threads/{thread}/submit", json={"input": "hi"})).json()
    text, whole = "", {"after": taken["position"]}
    async with client.stream("GET", f"{at}/threads/{thread}/events", params=whole) as answer:
        async for line in answer.aiter_lines():
            frame = json.loads(line[6:]) if line.startswith("data: ") else {}
            text += frame.get("text", "")
            if frame.get("type") == "turn_end":
                return text
    raise AssertionError("the turn has no end")


# ------------------------------------------------------------------ what stands where


async def test_one_agent_has_the_protocol_ag_ui_and_a_page() -> None:
    async with served(create_app(says("hello"), name="my app")) as client:
        assert (await client.get("/v1")).json()["name"] == "agent"
        assert await said(client) == "hello"
        assert await said(client, "/v1/agents/agent") == "hello"
        assert (await client.get("/v1/agents")).json() == {
            "agents": [{"name": "agent", "protocol": "/v1/agents/agent", "agui": "/agui/agent"}]
        }
        for path in ("/agui", "/agui/agent"):
            assert (await client.get(f"{path}/capabilities")).status_code == 200
        health = (await client.get("/health")).json()
        assert (health["status"], health["name"]) == ("ok", "my app")
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/v1/tasks")).status_code == 404
        unknown = await client.get("/docs")
        assert (unknown.status_code, unknown.json()) == (404, {"error": {"code": "not_found", "message": "Not Found"}})


async def test_a_thread_is_one_under_both_addresses_of_an_agent() -> None:
    async with served(create_app(says("hello"))) as client:
        thread = (await client.post("/v1/threads", json={"title": "ours"})).json()["thread_id"]
        assert (await client.get(f"/v1/agents/agent/threads/{thread}")).json()["title"] == "ours"


async def test_several_agents_have_threads_of_their_own() -> None:
    async with served(create_app({"one": says("I am one"), "two": says("I am two")})) as client:
        assert await said(client) == "I am one"
        assert await said(client, "/v1/agents/one") == "I am one"
        assert await said(client, "/v1/agents/two") == "I am two"
        assert [len((await client.get(f"/v1/agents/{name}/threads")).json()["threads"]) for name in ("one", "two")] == [
            2,
            1,
        ]
        assert (await client.get("/v1/agents/three")).status_code == 404
        names = [agent["name"] for agent in (await client.get("/v1/agents")).json()["agents"]]
        assert names == ["one", "two"]


async def test_ag_ui_runs_an_agent() -> None:
    body = {
        "threadId": "t1",
        "runId": "r1",
        "messages": [{"id": "u1", "role": "user", "content": "hi"}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    async with served(create_app({"one": says("I am one"), "two": says("I am two")})) as client:
        for path, words in [("/agui", "I am one"), ("/agui/two", "I am two")]:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            assert words in answer.text
            assert "RUN_FINISHED" in answer.text


async def test_ag_ui_may_be_left_out() -> None:
    async with served(create_app(says("hello"), agui=False)) as client:
        assert (await client.post("/agui", json={})).status_code == 404
        assert (await client.get("/v1/agents")).json() == {
            "agents": [{"name": "agent", "protocol": "/v1/agents/agent"}]
        }


async def test_an_app_below_another_one_says_where_it_is() -> None:
    from fastapi import FastAPI

    app, whole = create_app(says("hello")), FastAPI()
    whole.mount("/agents", app)
    async with listening(whole) as url, httpx.AsyncClient(base_url=url) as client:
        (agent,) = (await client.get("/agents/v1/agents")).json()["agents"]
        assert agent["protocol"] == "/agents/v1/agents/agent"
        assert (await client.get(agent["protocol"])).status_code == 200
    await app.state.langwire.close()


@pytest.mark.parametrize("agents", [1, 2])
def test_the_apps_document_tells_each_address_once(agents: int) -> None:
    client = TaskClient(MemoryTaskStore())
    app = create_app({f"a{number}": says("") for number in range(agents)}, tasks=client)
    paths = app.openapi()["paths"]
    assert {"/v1/threads", "/v1/tasks", "/v1/tasks/{task_id}/answer", "/agui", "/health", "/ready"} <= paths.keys()
    assert ("/v1/agents/a0/threads" in paths) == (agents > 1)
    assert "/page/{name}" not in paths


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "connect", "x" * 65, "ü"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="an agent came as"):
        create_app({name: says("")})


def test_an_app_needs_an_agent() -> None:
    with pytest.raises(UsageError, match="no agent came"):
        create_app({})
    with pytest.raises(UnsupportedGraph):
        create_app("no graph")  # type: ignore[arg-type]


# ------------------------------------------------------------------ the page


async def test_the_page_is_there_with_what_it_loads() -> None:
    async with served(create_app(says(""))) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["cache-control"] == "no-cache"
        script = await client.get("/page/client.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert (await client.get("/page/page.css")).headers["content-type"] == "text/css; charset=utf-8"


async def test_a_browser_keeps_what_is_still_right() -> None:
    async with served(create_app(says(""))) as client:
        first = await client.get("/page/page.js")
        again = await client.get("/page/page.js", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await client.get("/page/page.js", headers={"if-none-match": '"older"'})
        assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize("name", ["nothing.js", "..%2F_app.py", "%2e%2e/_app.py", "__init__.py", ""])
async def test_the_page_has_no_other_files(name: str) -> None:
    async with served(create_app(says(""))) as client:
        answer = await client.get(f"/page/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


# ------------------------------------------------------------------ tasks


async def test_an_agent_delegates_to_the_runner_and_the_board_shows_it() -> None:
    graph = build_delegating(0)
    async with TaskRunner({"main": graph}) as runner, served(create_app(graph, tasks=runner)) as client:
        assert "at work" in await said(client)
        tasks = (await client.get("/v1/tasks")).json()["tasks"]
        assert sorted(task["title"] for task in tasks) == ["letter", "train", "weather"]


async def test_a_client_of_the_store_shows_the_board_and_nobody_delegates() -> None:
    """Nobody works here: tasks that an agent starts would wait for ever, so it does all of it itself."""
    async with TaskClient(MemoryTaskStore()) as tasks, served(create_app(build_delegating(0), tasks=tasks)) as client:
        assert "A weekend in Lisbon" in await said(client)
        assert (await client.get("/v1/tasks")).json() == {"tasks": []}


# ------------------------------------------------------------------ figures


def test_turns_are_measured_where_opentelemetry_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_app.measuring()) == 1
    for name in [*sys.modules]:
        if name == "langwire.sessions.otel_metrics" or name.startswith("opentelemetry"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    assert _app.measuring() == ()
    assert create_app(says("")).state.langwire.agents["agent"].sessions.options.middleware == ()


# ------------------------------------------------------------------ ready, or not


async def test_it_is_ready_until_it_is_closed() -> None:
    app = create_app(says(""), tasks=TaskClient(MemoryTaskStore()))
    async with served(app) as client:
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        await app.state.langwire.close()
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        assert (await client.get("/health")).status_code == 200


async def test_it_is_not_ready_when_sessions_that_were_given_are_closed() -> None:
    sessions = SessionAdapter(says(""))
    async with served(create_app(sessions)) as client:
        await sessions.close()
        assert (await client.get("/ready")).json() == {"status": "stopping"}
        refused = await client.post("/v1/threads", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")


class Broken(MemorySessionStore):
    async def get(self, thread_id: str) -> Any:
        raise StoreError("postgresql://admin:hunter2@db.internal is gone")


class Hanging(MemoryTaskStore):
    async def changes(self, after: int | None, limit: int = 500) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize("what", ["threads", "tasks"])
async def test_it_is_not_ready_when_a_store_does_not_answer(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """T-15: why is for the log alone."""
    monkeypatch.setattr(_app, "_PATIENCE", 0.01)
    broken = what == "threads"
    sessions = SessionAdapter(says(""), Broken() if broken else None)
    tasks = TaskClient(MemoryTaskStore() if broken else Hanging())
    async with sessions, served(create_app(sessions, tasks=tasks)) as client:
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "failing"})
        assert "hunter2" not in ready.text
    assert ("StoreError" if broken else "TimeoutError") in caplog.text


# ------------------------------------------------------------------ the end


async def test_what_the_app_has_made_is_closed_with_it_and_what_was_given_is_not() -> None:
    given = SessionAdapter(says(""))
    threads = Threads(SessionAdapter(says("")))
    app = create_app({"made": says(""), "given": given, "threads": threads})
    async with app.router.lifespan_context(app):
        made = app.state.langwire.agents["made"].sessions
        await made.list()
    with pytest.raises(SessionsClosed):
        await made.list()
    await given.list()
    await threads.sessions.list()
    assert app.state.langwire.agents["threads"] is threads
    await given.close()
    await threads.sessions.close()


async def test_a_turn_has_its_time_to_end_by_itself_and_its_readers_see_it() -> None:
    agent = Waiting()
    app = create_app(agent.graph, drain=20)
    async with served(app) as client:
        thread = (await client.post("/v1/threads", json={})).json()["thread_id"]
        await client.post(f"/v1/threads/{thread}/submit", json={"input": "hi"})
        async with client.stream("GET", f"/v1/threads/{thread}/events") as answer:
            await agent.begun.wait()
            closing = asyncio.create_task(app.state.langwire.close())
            await app.state.langwire.stopping.wait()
            assert (await client.get(f"/v1/threads/{thread}")).status_code == 200
            refused = await client.post(f"/v1/threads/{thread}/submit", json={"input": "and more"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")
            agent.go_on.set()
            told = [json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]
        assert "it was worth the wait" in [frame.get("text") for frame in told]
        assert [frame["outcome"] for frame in told if frame["type"] == "turn_end" and "seq" in frame] == ["complete"]
        assert told[-1] == {"type": "closed", "reason": "shutting_down"}
        await closing


async def test_streams_end_when_the_app_is_closed() -> None:
    agent = Waiting()
    app = create_app(agent.graph, drain=0)
    async with served(app) as client:
        thread = (await client.post("/v1/threads", json={})).json()["thread_id"]
        await client.post(f"/v1/threads/{thread}/submit", json={"input": "hi"})
        async with (
            client.stream("GET", f"/v1/threads/{thread}/events") as answer,
            aclosing(answer.aiter_lines()) as lines,
        ):
            await agent.begun.wait()
            await app.state.langwire.close()
            told = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]
        assert told[-1] == {"type": "closed", "reason": "shutting_down"}
        assert [frame["outcome"] for frame in told if frame["type"] == "turn_end" and "seq" in frame] == ["cancelled"]
