"""Every record is one line of JSON, whatever is in it, and says to which request, thread and turn it belongs."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.graph import START, MessagesState, StateGraph

from langwire import Redactor, SessionAdapter
from langwire.adapters._shared.correlation import Access, RequestIds, note
from langwire.app.logs import JSONLines
from langwire.testing import Fault, ScriptedModel, text

NASTY = 'a\nb\r\x0b\x85\u2028\u2029\x1b[2J\x9b1m\x7f\u202e\ud83d"\\ {"level": "critical"}'


class Lines(logging.Handler):
    """Keeps what a log would hold."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self.setFormatter(JSONLines(redactor))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def told(self, logger: str) -> list[dict[str, Any]]:
        return [said for said in map(json.loads, self.lines) if said["logger"] == logger]


@pytest.fixture
def log() -> Iterator[Lines]:
    lines, logger = Lines(), logging.getLogger("langwire")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)


def record(message: object = "hello", *args: object, **extra: Any) -> logging.LogRecord:
    made = logging.getLogger("a.b").makeRecord("a.b", logging.WARNING, __file__, 1, message, args, None, None, extra)
    made.created = 1_800_000_000.0625
    return made


def chat(hold: Fault | None = None) -> Any:
    fault, model = hold or Fault(at=10**6), ScriptedModel(script=[text("Hello")])

    async def answer(state: MessagesState) -> dict[str, Any]:
        await fault.ameet()
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()


def test_a_record_says_when_how_grave_where_and_what() -> None:
    assert json.loads(JSONLines().format(record("%s and %d", "one", 2))) == {
        "time": "2027-01-15T08:00:00.062Z",
        "level": "warning",
        "logger": "a.b",
        "message": "one and 2",
    }


@given(st.text() | st.just(NASTY))
def test_no_text_ends_the_line_or_moves_a_terminal(said: str) -> None:
    """T-23, F-W5."""
    line = JSONLines().format(record("%s", said, thread_id=said))
    assert re.fullmatch("[ -~]+", line)
    kept = said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    found = json.loads(line)
    assert (found["message"], found["thread_id"]) == (kept, kept)


def test_ids_come_from_the_extra_of_the_record() -> None:
    ids = {"request_id": "r", "thread_id": "t", "turn_id": "u", "task_id": "k", "principal": "ann"}
    said = json.loads(JSONLines().format(record(**ids, other=1)))
    assert {name: said[name] for name in ids} == ids
    assert "other" not in said
    assert "task_id" not in json.loads(JSONLines().format(record(task_id=None)))


def test_an_error_is_told_with_its_story_and_without_its_secrets() -> None:
    """T-15, T-23."""
    made = record("it failed with %s", "hunter2", thread_id="hunter2")
    try:
        raise ValueError("hunter2\nCRITICAL forged")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JSONLines(Redactor(["hunter2"])).format(made)
    said = json.loads(line)
    assert "hunter2" not in line
    assert said["message"] == "it failed with [redacted]"
    assert said["exception"].startswith("Traceback")
    assert said["exception"].endswith("ValueError: [redacted]\nCRITICAL forged")


def test_an_error_that_is_none_and_a_stack_are_told_as_they_are() -> None:
    made = record()
    made.exc_info, made.stack_info = (None, None, None), "Stack (most recent call last):\n  here"
    said = json.loads(JSONLines().format(made))
    assert "exception" not in said
    assert said["stack"] == made.stack_info


async def test_a_turn_that_ended_is_told_in_fields(log: Lines) -> None:
    async with SessionAdapter(chat()) as sessions:
        turn = await sessions.get("t").submit("Hi", principal="ann")
        await turn.ended()
    (said,) = log.told("langwire.turns")
    assert (said["thread_id"], said["turn_id"], said["principal"]) == ("t", turn.id, "ann")
    assert "request_id" not in said
    assert said["turn"]["outcome"] == "complete"
    assert said["turn"]["duration"] > 0
    assert {"thread_id", "turn_id", "principal"}.isdisjoint(said["turn"])


def test_a_request_that_is_over_is_told_in_fields() -> None:
    access = Access(request_id="r", method="GET", path="/v1", status=200, seconds=0.5, bytes=7, ended="done")
    said = json.loads(JSONLines().format(record(access=access)))
    assert said["request_id"] == "r"
    assert said["access"] == {
        "method": "GET",
        "path": "/v1",
        "status": 200,
        "seconds": 0.5,
        "bytes": 7,
        "ended": "done",
    }
    assert "access" not in json.loads(JSONLines().format(record(access="of somebody else")))


async def test_turns_that_a_request_started_say_so_also_when_they_end_long_after_it(log: Lines) -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold), when_busy="enqueue")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await sessions.get("t").submit("Hi")
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(RequestIds(app)), base_url="http://test") as client:
        for id in ("first", "second"):
            await client.post("/", headers={"x-request-id": id})
    await hold.reached
    session = sessions.get("t")
    last = await session.submit("of nobody")
    hold.release()
    await last.ended()
    assert [said.get("request_id") for said in log.told("langwire.turns")] == ["first", "second", None]
    assert [said["request_id"] for said in log.told("langwire.access")] == ["first", "second"]
    await sessions.close()


async def test_whoever_the_record_names_comes_before_who_asks_for_what_is_served() -> None:
    said: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        note(principal="ann")
        said.extend(json.loads(JSONLines().format(record(**extra))) for extra in ({}, {"principal": "bob"}))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(RequestIds(app)), base_url="http://test") as client:
        id = (await client.get("/")).headers["x-request-id"]
    assert [(one["request_id"], one["principal"]) for one in said] == [(id, "ann"), (id, "bob")]
