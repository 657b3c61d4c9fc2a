"""The whole app: what stands where, several agents, when it is ready, and how it comes to an end."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from agui.served import listening
from langwire import Redactor, SessionAdapter
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
        assert [(await client.head(path)).status_code for path in ("/health", "/ready")] == [200, 200]
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


RUN = {
    "threadId": "t1",
    "runId": "r1",
    "messages": [{"id": "u1", "role": "user", "content": "hi"}],
    "state": {},
    "tools": [],
    "context": [],
    "forwardedProps": {},
}


async def test_ag_ui_runs_an_agent() -> None:
    async with served(create_app({"one": says("I am one"), "two": says("I am two")})) as client:
        for path, words in [("/agui", "I am one"), ("/agui/two", "I am two")]:
            answer = await client.post(path, json=RUN)
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
        document = (await client.get("/agents/v1/openapi.json")).json()
        assert document["servers"] == [{"url": "/agents"}]
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


async def test_the_apps_document_is_served() -> None:
    app = create_app(says(""))
    async with served(app) as client:
        assert (await client.get("/v1/openapi.json")).json() == app.openapi()


# ------------------------------------------------------------------ the page


async def test_the_page_is_there_with_what_it_loads() -> None:
    async with served(create_app(says(""))) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["cache-control"] == "no-cache"
        script = await client.get("/page/client.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert (await client.get("/page/page.css")).headers["content-type"] == "text/css; charset=utf-8"
        loaded = re.findall(r'(?:href|src)="(page/[^"]+)"', page.text)
        assert {"page/page.js", "page/renderer.js", "page/client.js", "page/renderer.css"} <= set(loaded)
        assert [(await client.get(f"/{path}")).status_code for path in loaded] == [200] * len(loaded)


async def test_the_page_says_what_to_do_until_it_is_there() -> None:
    """A page of which a part does not load, or without JavaScript, is not blank."""
    async with served(create_app(says(""))) as client:
        page = (await client.get("/")).text
        assert "reload the page" in page
        assert "<noscript>" in page


async def test_nothing_of_the_page_stands_in_its_html() -> None:
    """T-14: its policy would not have it run."""
    async with served(create_app(says(""))) as client:
        page = (await client.get("/")).text
        assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page) == []


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
        assert (await client.get("/v1/agents")).json()["tasks"] == "/v1/tasks"
        tasks = (await client.get("/v1/tasks")).json()["tasks"]
        assert sorted(task["title"] for task in tasks) == ["letter", "train", "weather"]


async def test_a_client_of_the_store_shows_the_board_and_nobody_delegates() -> None:
    """Nobody works here: tasks that an agent starts would wait for ever, so it does all of it itself."""
    async with TaskClient(MemoryTaskStore()) as tasks, served(create_app(build_delegating(0), tasks=tasks)) as client:
        assert "A weekend in Lisbon" in await said(client)
        assert (await client.get("/v1/tasks")).json() == {"tasks": []}


# ------------------------------------------------------------------ figures


def test_turns_are_measured_where_opentelemetry_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, limited = _app.around_turns(100, asks=False)
    assert "measure_turns" in measured.__qualname__
    assert _app.around_turns(None, asks=True)[0].__qualname__ == measured.__qualname__
    for name in [*sys.modules]:
        if name == "langwire.sessions.otel_metrics" or name.startswith("opentelemetry"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    assert _app.around_turns(None, asks=False) == ()
    (alone,) = create_app(says("")).state.langwire.agents["agent"].sessions.options.middleware
    assert type(alone) is type(limited)


# ------------------------------------------------------------------ how many turns at once


async def begun(client: httpx.AsyncClient, at: str = "/v1", **headers: str) -> tuple[int, str | None]:
    """Begin a turn on a new thread, and return the status of that, and the code where it is refused."""
    thread = (await client.post(f"{at}/threads", json={}, headers=headers)).json()["thread_id"]
    answer = await client.post(f"{at}/threads/{thread}/submit", json={"input": "hi"}, headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("code")


REFUSED = 429, "too_many_turns"


async def test_so_many_turns_run_at_once_over_every_face_of_all_agents() -> None:
    """T-4."""
    one, two = Waiting(), Waiting()
    app = create_app({"one": one.graph, "two": two.graph}, max_turns=2, drain=0)
    async with served(app) as client:
        assert [await begun(client, f"/v1/agents/{name}") for name in ("one", "two")] == [(202, None)] * 2
        assert [await begun(client, f"/v1/agents/{name}") for name in ("one", "two")] == [REFUSED] * 2
        refused = await client.post("/agui", json=RUN)
        assert refused.status_code == 429
        one.go_on.set()
        (running,) = (await client.get("/v1/agents/one/threads")).json()["threads"][-1:]
        session = app.state.langwire.agents["one"].sessions.get(running["thread_id"])
        await session.turn.wait()
        assert await begun(client, "/v1/agents/two") == (202, None)


async def test_nobody_takes_more_than_a_quarter_of_the_turns_where_people_say_who_they_are() -> None:
    """T-4."""
    for many, each in ((1, 1), (8, 2)):
        app = create_app(
            Waiting().graph, authorize=lambda request: request.headers.get("x-user"), max_turns=many, drain=0
        )
        async with served(app) as client:
            taken = [await begun(client, **{"x-user": "ann"}) for _ in range(each + 1)]
            assert taken == [(202, None)] * each + [REFUSED]
            assert await begun(client, **{"x-user": "bob"}) == ((202, None) if many > each else REFUSED)


@pytest.mark.parametrize("number", [0, -1, True, 2.0, "many"])
def test_a_number_of_turns_that_is_none_is_refused(number: Any) -> None:
    with pytest.raises(UsageError, match="max_turns came as"):
        create_app(says(""), max_turns=number)


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
        raise StoreError("the password hunter2 is wrong")


class Hanging(MemoryTaskStore):
    async def changes(self, after: int | None, limit: int = 500) -> Any:
        await asyncio.Event().wait()


class BrokenTasks(MemoryTaskStore):
    async def changes(self, after: int | None, limit: int = 500) -> Any:
        raise StoreError("the password hunter2 is wrong")

    async def get(self, id: str) -> Any:
        raise StoreError("the password hunter2 is wrong")


@pytest.mark.parametrize(
    ("store", "tasks", "told"),
    [
        (Broken(), MemoryTaskStore(), "StoreError: the password [redacted] is wrong"),
        (None, Hanging(), "TimeoutError"),
        (None, BrokenTasks(), "StoreError: the password [redacted] is wrong"),
    ],
)
async def test_it_is_not_ready_when_a_store_does_not_answer(
    store: Any, tasks: Any, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """T-15, T-23: why is for the log alone, without what is secret."""
    monkeypatch.setattr(_app, "_PATIENCE", 0.01)
    sessions = SessionAdapter(says(""), store, redactor=Redactor(["hunter2"]))
    app = create_app({"plain": says(""), "ours": sessions}, tasks=TaskClient(tasks))
    async with sessions, served(app) as client:
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "failing"})
        assert "hunter2" not in ready.text
    assert told in caplog.text
    assert "hunter2" not in caplog.text


def fails(request) -> str:  # type: ignore[no-untyped-def]
    raise StoreError("the password hunter2 is wrong")


@pytest.mark.parametrize(
    ("authorize", "path"),
    [(None, "/v1/tasks/any"), (fails, "/v1/agents"), (fails, "/v1"), (fails, "/agui/capabilities")],
)
async def test_the_log_has_no_secret_of_what_goes_wrong(
    authorize: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """T-23: sessions say what is secret, also for what all agents have in common."""
    sessions, tasks = SessionAdapter(says(""), redactor=Redactor(["hunter2"])), TaskClient(BrokenTasks())
    async with sessions, served(create_app(sessions, tasks=tasks, authorize=authorize)) as client:
        assert (await client.get(path)).status_code == 500
    assert "StoreError: the password [redacted] is wrong" in caplog.text
    assert "hunter2" not in caplog.text


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
