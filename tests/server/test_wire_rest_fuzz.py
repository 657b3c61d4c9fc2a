"""Requests that are made from the OpenAPI document of an application, right ones and wrong ones: nothing fails here.

No answer is a 5xx, and each is as the document says. A few of each address by default, many with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from langgraph.types import interrupt

from langwire.adapters.fastapi import Shown
from server.wire_agents import Server, graph_of, serving

# It cannot be installed beside the development server of LangGraph, so it runs with the lowest versions.
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is installed with the lowest versions only")
GenerationMode = pytest.importorskip("schemathesis.generation.modes").GenerationMode

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
COUNT = 1000 if SOAK else 15

pytestmark = pytest.mark.timeout(3600 if SOAK else 180)


class Running:
    """A server in a loop of its own, in a thread of its own, for clients that are not async."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._end: asyncio.Event = asyncio.Event()
        self._ready = threading.Event()
        self.server: Server
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with serving(agent(), shown=Shown(state=True, raw=True, inputs=True, artifacts=True)) as self.server:
            self._ready.set()
            await self._end.wait()

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._loop.close()


def agent() -> Any:
    """An agent that asks every second time."""

    def say(state: Any) -> Any:
        if len(state["messages"]) % 2:
            return {"messages": [{"role": "assistant", "content": str(interrupt("really?"))}]}
        return {"messages": [{"role": "assistant", "content": "well"}]}

    return graph_of(say=say)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running() as running:
        yield running


class Threads:
    """Threads that are there, whatever is done to them."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=f"{address}/chat", trust_env=False)
        self._uses = 0
        self._id = ""

    def one(self) -> str:
        """Return a thread's id: the same a few times, unless it is gone."""
        self._uses += 1
        if self._uses % 10 == 1 or self._http.get(f"/threads/{self._id}").status_code != 200:
            self._id = str(self._http.post("/threads", json={}).json()["thread_id"])
        return self._id

    def close(self) -> None:
        self._http.close()


OPERATIONS = [
    "GET /chat",
    "GET /chat/threads",
    "POST /chat/threads",
    "GET /chat/threads/{thread_id}",
    "PATCH /chat/threads/{thread_id}",
    "DELETE /chat/threads/{thread_id}",
    "GET /chat/threads/{thread_id}/history",
    "GET /chat/threads/{thread_id}/export",
    "POST /chat/threads/{thread_id}/submit",
    "POST /chat/threads/{thread_id}/resume",
    "POST /chat/threads/{thread_id}/continue",
    "POST /chat/threads/{thread_id}/cancel",
    "POST /chat/threads/{thread_id}/fork",
    "POST /chat/threads/{thread_id}/undo_fork",
    "POST /chat/threads/{thread_id}/files",
    "GET /chat/threads/{thread_id}/files/{file_id}",
]
NEVER_WRONG = {
    "GET /chat",
    "GET /chat/threads/{thread_id}",
    "DELETE /chat/threads/{thread_id}",
    "POST /chat/threads/{thread_id}/files",
    "GET /chat/threads/{thread_id}/files/{file_id}",
}
"""What takes nothing but text, or anything: no request is against the document."""
ENDLESS = ["GET /chat/threads/{thread_id}/events"]
"""A stream, which is asked for only where it is refused."""


def test_the_document_knows_every_address(running: Running) -> None:
    paths = running.server.app.openapi()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == {
        *OPERATIONS,
        *ENDLESS,
    }


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, GenerationMode.POSITIVE) for name in OPERATIONS),
        *((name, GenerationMode.NEGATIVE) for name in OPERATIONS if name not in NEVER_WRONG),
    ],
    ids=str,
)
def test_no_request_by_the_document_fails_here(running: Running, name: str, mode: GenerationMode) -> None:
    """T-4, T-15: whatever is sent is answered in the document's own words."""
    method, path = name.split(" ")
    document = json.loads(json.dumps(running.server.app.openapi()))
    operation = schemathesis.openapi.from_dict(document)[path][method]
    threads = Threads(running.server.address)

    @settings(
        max_examples=COUNT,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), known=st.integers(0, 4))
    def fuzz(case: Any, known: int) -> None:
        if known and "thread_id" in (case.path_parameters or {}):
            case.path_parameters["thread_id"] = threads.one()
        answer = case.call(base_url=running.server.address)
        assert answer.status_code < 500, (answer.status_code, answer.text, case.as_curl_command())
        checked(answer, document["paths"][path][method.lower()]["responses"])

    try:
        fuzz()
    finally:
        threads.close()


def checked(answer: Any, documented: dict[str, Any]) -> None:
    """Check that an answer is one of those that the document has for its address."""
    said = documented.get(str(answer.status_code)) or documented.get(f"{answer.status_code // 100}XX")
    assert said is not None, f"{answer.status_code} is not in the document: {answer.text}"
    kind = (answer.headers.get("content-type") or [""])[0].partition(";")[0]
    if "content" not in said:
        assert answer.content in (b"", None)
        return
    content = said["content"].get(kind) or said["content"].get("*/*")
    assert content is not None, f"{kind} is not in the document: {answer.text}"
    if kind == "application/json" and content["schema"].get("format") != "binary":
        jsonschema.Draft202012Validator(content["schema"]).validate(answer.json())
