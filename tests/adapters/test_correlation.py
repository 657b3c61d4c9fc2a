"""Each request has an id that all it does can be found by, and one record when it is over, with how it ended."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect

from langwire.adapters._shared import correlation
from langwire.adapters._shared.correlation import Access, RequestIds, bad_frame, current, line, note, request_id
from langwire.adapters._shared.telemetry import Kind, ServerMeter

SSE = [(b"content-type", b"text/event-stream")]
OK = {"type": "http.response.start", "status": 200, "headers": []}


class Counted(ServerMeter):
    """Keeps figures where a test can see them."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def connected(self, kind: Kind, change: int = 1) -> None:
        self.open[kind] += change

    def refused(self, code: str) -> None:
        self.counts[f"refused {code}"] += 1

    def bad_frame(self, code: str) -> None:
        self.counts[f"bad frame {code}"] += 1

    def slow_reader(self, kind: Kind) -> None:
        self.counts[f"slow {kind}"] += 1


class Wire:
    """A client: what it sends, and what it gets."""

    def __init__(self, *messages: str | dict[str, Any], kind: str = "http", ids: Iterable[str] = (), path: str = "/a"):
        self.scope = {"type": kind, "path": path, "query_string": b"secret=1", "headers": []}
        self.scope["headers"] = [(b"x-request-id", id.encode()) for id in ids]
        if kind == "http":
            self.scope["method"] = "GET"
        self._messages = [{"type": message} if isinstance(message, str) else message for message in messages]
        self.got: list[dict[str, Any]] = []

    async def receive(self) -> Any:
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        self.got.append(message)

    async def meets(self, app: Any, meter: ServerMeter | None = None) -> Wire:
        await RequestIds(app, meter)(self.scope, self.receive, self.send)
        return self

    @property
    def ids(self) -> list[str]:
        return [value.decode() for name, value in self.got[0]["headers"] if name == b"x-request-id"]


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send(OK)
    await send({"type": "http.response.body", "body": b"four", "more_body": True})
    await send({"type": "http.response.body", "body": b"+"})


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    told: list[logging.LogRecord] = []
    handler, logger, level = logging.Handler(), correlation.logger, correlation.logger.level
    handler.emit = told.append
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield told
    logger.removeHandler(handler)
    logger.setLevel(level)


def access_of(records: list[logging.LogRecord]) -> Access:
    (record,) = records
    assert (record.name, record.levelname) == ("langwire.access", "INFO")
    return record.__dict__["access"]


# ------------------------------------------------------------------ ids


@pytest.mark.parametrize("id", ["a", "A.b-c_9", "x" * 64])
async def test_an_id_that_a_request_brings_is_kept_and_told(id: str) -> None:
    assert (await Wire(ids=[id]).meets(answer)).ids == [id]


@pytest.mark.parametrize("ids", [[], [""], ["x" * 65], ["a b"], ["a\n"], ['"'], ["ü"], ["a", "a"]])
async def test_any_other_is_made_here(ids: list[str]) -> None:
    """T-23: what comes from outside is no line of the log."""
    (first,), (second,) = (await Wire(ids=ids).meets(answer)).ids, (await Wire(ids=ids).meets(answer)).ids
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.parametrize(
    "start",
    [
        {"type": "websocket.accept"},
        {"type": "websocket.accept", "headers": [(b"other", b"1")]},
        {"type": "websocket.http.response.start", "status": 403, "headers": []},
    ],
)
async def test_a_websocket_is_told_its_id_whether_it_is_taken_or_not(start: dict[str, Any]) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start)

    wire = await Wire(kind="websocket", ids=["w"]).meets(app)
    assert wire.ids == ["w"]
    assert wire.got[0]["headers"][:-1] == start.get("headers", [])


async def test_the_id_is_known_in_all_that_a_request_starts_and_nowhere_else() -> None:
    known: list[str | None] = []
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        known.append(request_id())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.create_task(later()))
        known.append(await asyncio.to_thread(request_id))
        await answer(scope, receive, send)

    tasks: list[asyncio.Task[None]] = []
    await asyncio.gather(*(Wire(ids=[id]).meets(app) for id in ("one", "two")))
    assert (request_id(), current()) == (None, None)
    over.set()
    await asyncio.gather(*tasks)
    assert sorted(map(str, known)) == ["one", "one", "two", "two"]


async def test_outside_of_a_request_there_is_nothing_to_note() -> None:
    note(principal="ann", code="gone", ended="done")
    bad_frame("invalid_json")
    assert current() is None


async def test_an_app_in_an_app_has_one_id_and_one_record(records: list[logging.LogRecord]) -> None:
    wire = await Wire().meets(RequestIds(answer))
    assert wire.ids == [access_of(records).request_id]


async def test_the_life_of_the_server_is_no_request(records: list[logging.LogRecord]) -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await Wire(kind="lifespan").meets(app)
    assert (seen, records) == (["lifespan"], [])


# ------------------------------------------------------------------ the record


async def test_a_request_that_is_over_leaves_one_record(records: list[logging.LogRecord]) -> None:
    await Wire(ids=["r"], path="/v1/threads").meets(answer)
    access = access_of(records)
    assert access.seconds >= 0
    access.seconds = 0.25
    wanted = Access(request_id="r", method="GET", path="/v1/threads", status=200, seconds=0.25, bytes=5, ended="done")
    assert access == wanted
    assert line(access) == "GET '/v1/threads': 200, 0.250 s, 5 bytes, request r"


async def test_what_a_client_chose_forges_no_line_and_is_no_longer_than_it_need_be(
    records: list[logging.LogRecord],
) -> None:
    """T-23."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        note(principal="eve\nERROR forged\u2028\x9b2J")
        await answer(scope, receive, send)

    await Wire(path="/\n\r\u2028\u202e\x1b" + "x" * 10_000).meets(app)
    (record,) = records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 700


async def test_who_asked_and_what_it_was_refused_for_are_told(records: list[logging.LogRecord]) -> None:
    meter = Counted()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        note(principal="ann")
        await asyncio.to_thread(note, code="unknown_thread")
        note(ended=None)
        await send({**OK, "status": 404})
        await send({"type": "http.response.body"})

    await Wire().meets(app, meter)
    access = access_of(records)
    assert (access.principal, access.code, access.status) == ("ann", "unknown_thread", 404)
    assert meter.counts == {"refused unknown_thread": 1}
    assert re.fullmatch(r"GET '/a': 404, unknown_thread, 0\.\d+ s, 0 bytes, by 'ann', request \w+", line(access))


class Broken(Exception):
    pass


async def begin(_scope: Any, _receive: Any, send: Any) -> None:
    await send({**OK, "headers": SSE})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})


async def left(scope: Any, receive: Any, send: Any) -> None:
    await begin(scope, receive, send)
    await receive()


async def left_after_all(scope: Any, receive: Any, send: Any) -> None:
    await answer(scope, receive, send)
    await receive()


async def not_read(scope: Any, receive: Any, send: Any) -> None:
    await left(scope, receive, send)
    note(ended="too_slow")
    note(principal="ann")


async def failed(scope: Any, receive: Any, send: Any) -> None:
    await begin(scope, receive, send)
    raise Broken


async def failed_after_all(scope: Any, receive: Any, send: Any) -> None:
    await answer(scope, receive, send)
    raise Broken


async def failed_because_it_was_left(scope: Any, receive: Any, send: Any) -> None:
    await left(scope, receive, send)
    raise Broken


async def cancelled(scope: Any, receive: Any, send: Any) -> None:
    await begin(scope, receive, send)
    raise asyncio.CancelledError


async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("app", "ended", "status"),
    [
        (begin, "failed", 200),
        (left, "disconnected", 200),
        (left_after_all, "done", 200),
        (not_read, "too_slow", 200),
        (failed, "failed", 200),
        (failed_after_all, "failed", 200),
        (failed_because_it_was_left, "disconnected", 200),
        (cancelled, "cancelled", 200),
        (silent, "failed", None),
    ],
)
async def test_how_a_request_ended_is_told(
    records: list[logging.LogRecord], app: Any, ended: str, status: int | None
) -> None:
    meter = Counted()
    quiet = app in (begin, left, left_after_all, not_read, silent)
    with nullcontext() if quiet else pytest.raises((Broken, asyncio.CancelledError)):
        await Wire("http.disconnect").meets(app, meter)
    access = access_of(records)
    assert (access.ended, access.status) == (ended, status)
    assert meter.open.total() == 0
    assert meter.counts == ({"slow sse": 1} if app is not_read else {})
    assert request_id() is None


async def test_a_stream_is_counted_while_it_is_open() -> None:
    meter = Counted()
    seen: list[Counter[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(scope, receive, send)
        seen.append(meter.open.copy())

    await Wire().meets(app, meter)
    await Wire().meets(answer, meter)
    assert seen == [{"sse": 1}]
    assert meter.open == {"sse": 0}


async def test_what_else_goes_out_goes_out_as_it_is() -> None:
    trailers = {"type": "http.response.trailers", "headers": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(scope, receive, send)
        await send(trailers)

    assert (await Wire().meets(app)).got[-1] is trailers


# ------------------------------------------------------------------ sockets


async def test_a_socket_is_told_with_who_closed_it(records: list[logging.LogRecord]) -> None:
    meter = Counted()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "{}"})
        bad_frame("invalid_json")
        bad_frame("binary_frame")
        assert meter.open == {"websocket": 1}
        await send({"type": "websocket.close", "code": 1008})

    wire = await Wire(kind="websocket").meets(app, meter)
    access = access_of(records)
    assert (access.method, access.status, access.close, access.ended) == ("WEBSOCKET", 101, 1008, "done")
    assert (access.bad_frames, meter.counts) == (2, {"bad frame invalid_json": 1, "bad frame binary_frame": 1})
    assert meter.open == {"websocket": 0}
    assert wire.got[1] == {"type": "websocket.send", "text": "{}"}
    assert ": 101, closed with 1008, 2 bad frames, 0." in line(access)


async def test_a_socket_that_its_client_closed_is_disconnected(records: list[logging.LogRecord]) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    await Wire("websocket.connect", {"type": "websocket.disconnect", "code": 1001}, kind="websocket").meets(app)
    access = access_of(records)
    assert (access.status, access.close, access.ended) == (101, 1001, "disconnected")
    assert ": 101, disconnected, closed with 1001, " in line(access)


async def test_a_socket_that_was_not_taken_has_the_status_that_its_client_saw(
    records: list[logging.LogRecord],
) -> None:
    async def closed(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def denied(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 429, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"slow"})

    meter = Counted()
    for app in (closed, denied):
        await Wire(kind="websocket").meets(app, meter)
    told = [record.__dict__["access"] for record in records]
    assert [(access.status, access.close, access.ended) for access in told] == [
        (403, None, "done"),
        (429, None, "done"),
    ]
    assert meter.open == {}


# ------------------------------------------------------------------ a real server


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await server.shutdown([listener])


async def test_a_browsers_socket_has_its_id_from_handshake_to_close(records: list[logging.LogRecord]) -> None:
    app = FastAPI()
    over = asyncio.Event()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await RequestIds(app)(scope, receive, send)
        over.set()

    @app.websocket("/socket")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            await websocket.send_text(str(await asyncio.create_task(asyncio.to_thread(request_id))))

    async with listening(served) as host, connect(f"ws://{host}/socket?token=secret") as client:
        assert client.response is not None
        id = client.response.headers["x-request-id"]
        for _ in range(2):
            await client.send("who am I?")
            assert await client.recv() == id
        await client.close(4000)
        await over.wait()
    access = access_of(records)
    assert (access.request_id, access.path, access.close, access.ended) == (id, "/socket", 4000, "disconnected")
