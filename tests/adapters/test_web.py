"""What web faces share, against requests in process and a real server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Security
from fastapi.security import HTTPBasic
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from langwire.adapters._shared.streaming import Closed, Stream, sse
from langwire.adapters._shared.web import (
    HEADERS,
    AllowedHosts,
    Rates,
    Refused,
    check_depth,
    client_of,
    guarded,
    principal_of,
    problem,
    read_body,
    report,
)
from langwire.core.redaction import Redactor
from langwire.errors import UsageError

JSON = {"content-type": "application/json"}
SECRET = "postgresql://admin:hunter2@db.internal/prod"


def in_process(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://127.0.0.1")


def app_of(*, redactor: Redactor | None = None, **routes: Callable[..., Any]) -> FastAPI:
    """An app whose guarded router has these POST routes."""
    router = APIRouter(route_class=guarded(redactor))
    for name, route in routes.items():
        router.add_api_route(f"/{name}", route, methods=["POST"], response_model=None)
    app = FastAPI()
    app.include_router(router, prefix="/in")
    return app


class _Server(uvicorn.Server):
    """Tells when it accepts, and keeps its hands off the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepts.set()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """Serve an app on 127.0.0.1, in this loop; yield the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config)
    running = asyncio.create_task(server.serve([listening]))
    await server.accepts.wait()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def connected(port: int, *, buffer: int | None = None) -> AsyncIterator[tuple[asyncio.StreamReader, Any]]:
    """A raw connection, with a small receive buffer if asked for."""
    raw = socket.socket()
    if buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=2**12)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


# ------------------------------------------------------------------ what goes wrong


async def test_a_problem_has_one_shape() -> None:
    full = problem(429, "too_many_requests", "wait", "e1", 1.2, {"x-more": "yes"})
    assert full.body == b'{"error":{"code":"too_many_requests","message":"wait","id":"e1"}}'
    assert (full.status_code, full.headers["content-type"]) == (429, "application/json")
    assert (full.headers["retry-after"], full.headers["x-more"]) == ("2", "yes")
    assert full.headers["x-content-type-options"] == "nosniff"
    bare = problem(404, "not_found", "no such thread")
    assert bare.body == b'{"error":{"code":"not_found","message":"no such thread"}}'
    assert "retry-after" not in bare.headers


def raising(error: Exception) -> Callable[[], Any]:
    def route() -> None:
        raise error

    return route


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Refused(409, "busy", "a turn runs"), 409, {"code": "busy", "message": "a turn runs"}),
        (HTTPException(403, "not yours"), 403, {"code": "forbidden", "message": "not yours"}),
        (HTTPException(403), 403, {"code": "forbidden", "message": "Forbidden"}),
        (HTTPException(403, {"why": 1}), 403, {"code": "forbidden", "message": "Forbidden"}),
        (HTTPException(499, ""), 499, {"code": "error", "message": "Error"}),
    ],
)
async def test_what_is_raised_for_clients_is_told(error: Exception, status: int, said: dict[str, str]) -> None:
    async with in_process(app_of(it=raising(error))) as client:
        answer = await client.post("/in/it")
    assert (answer.status_code, answer.json()) == (status, {"error": said})


async def test_the_headers_of_a_refusal_stay() -> None:
    error = HTTPException(401, "who are you?", headers={"www-authenticate": "Bearer"})
    async with in_process(app_of(it=raising(error))) as client:
        assert (await client.post("/in/it")).headers["www-authenticate"] == "Bearer"


async def test_no_text_of_an_exception_is_on_the_wire_and_its_id_finds_it_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """F-A2, T-15."""
    app = app_of(it=raising(ConnectionError(SECRET)), redactor=Redactor(["hunter2"]))
    async with in_process(app) as client:
        answer = await client.post("/in/it")
    assert answer.status_code == 500
    assert "postgresql" not in answer.text
    error = answer.json()["error"]
    assert error["code"] == "internal_error"
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("langwire.web", "ERROR")
    assert error["id"] in record.message
    assert "ConnectionError: postgresql://admin:" in record.message
    assert "hunter2" not in caplog.text


def test_the_log_has_the_whole_story_and_no_line_that_is_forged(caplog: pytest.LogCaptureFixture) -> None:
    error_id = report(ConnectionError(f"{SECRET}\nERROR forged"))
    assert caplog.messages == [f"error {error_id}\n    ConnectionError: {SECRET}\n    ERROR forged"]


async def test_a_parameter_that_does_not_validate_is_told_without_its_value() -> None:
    async def route(limit: int) -> None: ...

    async with in_process(app_of(it=route)) as client:
        answer = await client.post("/in/it?limit=hunter2")
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    assert answer.json()["error"]["message"].startswith("query.limit: ")
    assert "hunter2" not in answer.text


async def test_a_method_that_a_route_has_not_got_is_a_problem_too() -> None:
    async with in_process(app_of(it=raising(ValueError()))) as client:
        answer = await client.put("/in/it")
    assert answer.json() == {"error": {"code": "method_not_allowed", "message": "Method Not Allowed"}}
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_every_answer_of_a_guarded_router_has_our_headers_unless_it_says_otherwise() -> None:
    async def plain() -> dict[str, int]:
        return {"n": 1}

    async def own() -> Response:
        return PlainTextResponse("kept", headers={"cache-control": "max-age=60"})

    async with in_process(app_of(plain=plain, own=own)) as client:
        first, second = await client.post("/in/plain"), await client.post("/in/own")
    assert {name: first.headers[name] for name in HEADERS} == HEADERS
    assert second.headers["cache-control"] == "max-age=60"
    assert second.headers["x-content-type-options"] == "nosniff"


# ------------------------------------------------------------------ what they bring


async def taken(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await read_body(request, 1000, within=5))))


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_is_taken(kind: str) -> None:
    async with in_process(app_of(it=taken)) as client:
        answer = await client.post("/in/it", content=b"{}", headers={"content-type": kind})
    assert (answer.status_code, answer.text) == (200, "2")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "text/plain; application/json"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json, text/plain"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
async def test_what_a_page_of_another_site_can_send_unasked_is_refused(headers: dict[str, str]) -> None:
    """T-3."""
    async with in_process(app_of(it=taken)) as client:
        answer = await client.post("/in/it", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_may_be_as_large_as_the_limit(size: int, status: int, announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b" "

    async with in_process(app_of(it=taken)) as client:
        answer = await client.post("/in/it", content=b" " * size if announced else pieces(), headers=JSON)
    assert answer.status_code == status


@pytest.mark.parametrize("length", ["9" * 16, "1001"])
async def test_an_announced_size_is_believed_before_anything_is_read(length: str) -> None:
    async with in_process(app_of(it=taken)) as client:
        answer = await client.post("/in/it", content=b"{}", headers={**JSON, "content-length": length})
    assert (answer.status_code, answer.json()["error"]["message"]) == (413, "the body is larger than 1000 bytes")


def resident() -> int:
    """The bytes of memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_of_30_megabytes_is_never_held(announced: bool) -> None:
    """F-A5, T-4: 413, and less than 16 MB more memory while it comes."""

    async def route(request: Request) -> None:
        await read_body(request)

    before, highest, piece = resident(), 0, b" " * 2**16

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal highest
        for _ in range(30 * 2**20 // len(piece)):
            highest = max(highest, resident())
            yield piece

    length = {"content-length": str(30 * 2**20)} if announced else {}
    async with served(app_of(it=route)) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/in/it"
        answer = await client.post(url, content=pieces(), headers={**JSON, **length})
    assert answer.status_code == 413
    assert highest - before < 16 * 2**20


async def test_a_body_may_come_one_byte_at_a_time() -> None:
    async with served(app_of(it=taken)) as port, connected(port) as (reader, writer):
        request = (
            b"POST /in/it HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        )
        for at in range(len(request)):
            writer.write(request[at : at + 1])
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def route(request: Request) -> None:
        await read_body(request, within=0.01)

    async with served(app_of(it=route)) as port, connected(port) as (reader, writer):
        writer.write(b"POST /in/it HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: 2\r\n\r\n{")
        answer = await reader.read()  # to the end of the connection
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body was not there within 0.01 seconds" in answer
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_client_that_leaves_before_its_body_is_read_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    answered = asyncio.Event()
    app = app_of(it=taken)

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        answered.set()

    async with served(watched) as port:
        async with connected(port) as (_, writer):
            writer.write(b"POST /in/it HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: 2\r\n\r\n{")
        await answered.wait()
    assert caplog.records == []


# ------------------------------------------------------------------ how deep it goes


def deep(depth: int, *, objects: bool) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = {"a": 1, "b": value} if objects else [1, value]
    return value


@pytest.mark.parametrize("objects", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 64])
def test_what_is_as_deep_as_the_limit_is_taken_and_what_is_deeper_is_not(objects: bool, limit: int) -> None:
    """T-4."""
    check_depth(deep(limit, objects=objects), limit)
    with pytest.raises(Refused) as refused:
        check_depth(deep(limit + 1, objects=objects), limit)
    assert (refused.value.status_code, refused.value.code) == (422, "too_deep")


def test_the_limit_is_64_where_none_is_given() -> None:
    """T-4."""
    check_depth({"type": "submit", "input": deep(63, objects=True)})
    with pytest.raises(Refused):
        check_depth({"type": "submit", "input": deep(64, objects=True)})


def test_a_depth_that_python_itself_cannot_go_is_refused_too() -> None:
    """F-W3, T-4."""
    with pytest.raises(Refused):
        check_depth(deep(100_000, objects=False))


@pytest.mark.parametrize("value", [None, 1, "x" * 1000, [], {}, [[]] * 1000, {"a": [1], "b": {"c": 1}}])
def test_what_is_flat_is_taken(value: Any) -> None:
    check_depth(value, 2)


# ------------------------------------------------------------------ who they are


class Person:
    def __init__(self, id: Any) -> None:
        self.id = id


def by_header(request: Any) -> Any:
    return request.headers.get("who")


async def by_header_async(request) -> Any:  # type: ignore[no-untyped-def]
    return request.headers.get("who")


def plain(request) -> Any:  # type: ignore[no-untyped-def]
    return request.headers.get("who")


def plain_of_async(request) -> Any:  # type: ignore[no-untyped-def]
    return by_header_async(request)


class AsObject:
    async def __call__(self, request) -> Person:  # type: ignore[no-untyped-def]
        return Person(request.headers.get("who"))


def as_dependency(who: str | None = Header(None)) -> Person:
    return Person(who)


def with_request(request: Request) -> Any:
    return by_header(request)


async def nested(person: Annotated[Person, Depends(as_dependency)]) -> Person:
    return person


HOOKS = [
    plain,
    by_header_async,
    plain_of_async,
    lambda request: request.headers.get("who"),
    AsObject(),
    as_dependency,
    with_request,
    nested,
    Depends(as_dependency),
    Security(nested),
]


async def ask(authorize: Any, **headers: str) -> httpx.Response:
    async def route(principal: str | None = Depends(principal_of(authorize))) -> dict[str, Any]:
        return {"principal": principal}

    async with in_process(app_of(it=route)) as client:
        return await client.post("/in/it", headers=headers)


@pytest.mark.parametrize("authorize", HOOKS)
async def test_authorize_may_be_a_function_of_the_request_or_any_dependency(authorize: Any) -> None:
    assert (await ask(authorize, who="ann")).json() == {"principal": "ann"}
    refused = await ask(authorize)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")


async def test_nobody_is_asked_where_there_is_no_authorize() -> None:
    assert (await ask(None)).json() == {"principal": None}


@pytest.mark.parametrize(
    ("found", "principal"),
    [(Person(7), "7"), (Person(UUID(int=1)), "00000000-0000-0000-0000-000000000001"), (Person("ann"), "ann")],
)
async def test_an_id_may_be_more_than_text(found: Any, principal: str) -> None:
    assert (await ask(lambda request: found)).json() == {"principal": principal}


@pytest.mark.parametrize("found", [None, "", Person(None), Person("")])
async def test_who_has_no_id_is_refused(found: Any) -> None:
    assert (await ask(lambda request: found)).status_code == 401


async def test_what_authorize_raises_for_clients_is_the_answer() -> None:
    refused = await ask(HTTPBasic())
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")

    def forbids(request: Request) -> None:
        raise HTTPException(403, "not today")

    assert (await ask(forbids)).json() == {"error": {"code": "forbidden", "message": "not today"}}


@pytest.mark.parametrize("found", [True, 7, {"id": "ann"}])
async def test_an_authorize_that_returns_something_else_lets_nobody_in(
    found: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await ask(lambda request: found)).status_code == 500
    assert f"authorize returned a {type(found).__name__}: expected text, or an object with an id" in caplog.text


# ------------------------------------------------------------------ how often they come


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(rates: Rates, key: str, times: int) -> int:
    """How often a key is let in when it asks so many times."""
    count = 0
    for _ in range(times):
        try:
            rates.admit(key)
        except Refused:
            continue
        count += 1
    return count


def test_a_key_comes_so_often_and_the_others_do_not_wait_for_it() -> None:
    clock = Clock()
    rates = Rates((3, 60.0), clock=clock)
    assert admitted(rates, "ann", 10) == 3
    assert admitted(rates, "bob", 10) == 3
    clock.now += 20
    assert admitted(rates, "ann", 10) == 1
    clock.now += 1000
    assert admitted(rates, "ann", 10) == 3


async def test_a_refusal_says_how_long_to_wait() -> None:
    clock = Clock()
    rates = Rates((3, 60.0), clock=clock)

    async def route() -> None:
        rates.admit("ann")

    async with in_process(app_of(it=route)) as client:
        answers = [await client.post("/in/it") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["error"]["code"] == "too_many_requests"
    assert answers[3].headers["retry-after"] == "20"


def test_so_many_keys_are_remembered_and_the_one_that_came_last_stays() -> None:
    rates = Rates((1, 60.0), max_keys=100, clock=Clock())
    for number in range(1000):
        rates.admit(f"key {number}")
    assert len(rates) == 100
    assert admitted(rates, "key 999", 1) == 0
    assert admitted(rates, "key 1", 1) == 1


def test_a_key_that_comes_again_is_remembered_longer() -> None:
    rates = Rates((2, 60.0), max_keys=2, clock=Clock())
    for key in ("ann", "bob", "ann", "eve"):
        rates.admit(key)
    assert admitted(rates, "ann", 1) == 0


@pytest.mark.parametrize("rate", [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_a_rate_that_lets_nobody_in_is_refused(rate: tuple[int, float]) -> None:
    with pytest.raises(UsageError, match="expected a number of times"):
        Rates(rate)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("unix", "unix"),
        (None, ""),
    ],
)
def test_a_client_is_its_address_or_its_network(host: str | None, key: str) -> None:
    client = None if host is None else (host, 1234)
    assert client_of(Request({"type": "http", "client": client})) == key


# ------------------------------------------------------------------ what they call us


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


async def called(host: str, *hosts: str) -> httpx.Response:
    async with in_process(AllowedHosts(ok, hosts) if hosts else AllowedHosts(ok)) as client:
        return await client.get("/", headers={"host": host})


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8642", "127.0.0.1:1", "[::1]", "[::1]:8642"])
async def test_a_name_of_loopback_is_ours(host: str) -> None:
    assert (await called(host)).text == "ok"


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8642",
        "localhost.evil.test",
        "localhost:8642:1",
        "localhost@evil.test",
        "localhost.",
        "localhost:",
        "localhost:123456",
        "127.0.0.2",
        "::1",
        "[::1",
        "",
    ],
)
async def test_another_name_is_none_of_ours(host: str) -> None:
    """T-3: DNS rebinding."""
    refused = await called(host)
    assert (refused.status_code, refused.json()["error"]["code"]) == (421, "host_not_allowed")


async def test_the_names_may_be_given() -> None:
    assert (await called("Agents.example.com:443", "agents.example.com", "[::2]")).status_code == 200
    assert (await called("[::2]", "agents.example.com", "[::2]")).status_code == 200
    assert (await called("localhost", "agents.example.com")).status_code == 421


@pytest.mark.parametrize("hosts", [[], [(b"host", b"localhost"), (b"host", b"evil.test")]])
async def test_one_name_is_expected(hosts: list[tuple[bytes, bytes]]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await AllowedHosts(ok)({"type": "http", "headers": hosts}, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 421


async def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    """T-1, T-3."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"evil.test")]}
    await AllowedHosts(ok)(scope, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_websocket_is_told_why_it_is_refused_where_the_server_can() -> None:
    """T-3."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"evil.test")], "extensions": {"websocket.http.response": {}}}
    await AllowedHosts(ok)(scope, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 421
    assert b"host_not_allowed" in sent[1]["body"]


async def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await AllowedHosts(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


# ------------------------------------------------------------------ what they get


class Ends:
    """An `on_close` that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.told: list[Closed] = []
        self._told = asyncio.Event()

    async def __call__(self, closed: Closed) -> None:
        self.told.append(closed)
        self._told.set()

    async def wait(self) -> list[Closed]:
        await self._told.wait()
        return self.told


async def of(*frames: bytes) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


async def asgi(
    stream: Response, *, send: Callable[[Any], Awaitable[None]] | None = None, leaves: asyncio.Event | None = None
) -> list[Any]:
    """Run a response by hand; return what it sent. The client leaves when that is set."""
    sent: list[Any] = []

    async def collect(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    await stream({"type": "http"}, receive, send or collect)
    return sent


async def passed(seconds: float) -> None:
    """Return when so much time has passed, where time itself is what is tested."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


def bodies(sent: list[Any]) -> list[bytes]:
    return [message["body"] for message in sent if message["type"] == "http.response.body"]


async def test_frames_that_are_there_at_once_go_out_as_one_chunk() -> None:
    ends = Ends()
    sent = await asgi(sse(of(b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"), on_close=ends))
    assert bodies(sent) == [b"data: 1\n\ndata: 2\n\ndata: 3\n\n", b""]
    assert ends.told == ["done"]


async def test_frames_that_are_joined_already_go_out_as_they_are() -> None:
    ends = Ends()
    sent = await asgi(sse(of(b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n"), joined=True, on_close=ends))
    assert bodies(sent) == [b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n", b""]
    assert ends.told == ["done"]


async def test_a_server_that_says_that_the_client_has_left_while_joined_frames_go_out_is_no_failure() -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    ends = Ends()
    await asgi(sse(of(b"data: 1\n\n", b"data: 2\n\n"), joined=True, on_close=ends), send=send)
    assert ends.told == ["disconnected"]


@pytest.mark.parametrize("joined", [False, True])
async def test_a_frame_does_not_wait_for_the_next_one(joined: bool) -> None:
    first_out = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await first_out.wait()
        yield b"data: 2\n\n"

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body"):
            first_out.set()

    await asgi(sse(frames(), joined=joined), send=send)
    assert bodies(sent) == [b"data: 1\n\n", b"data: 2\n\n", b""]


async def test_many_frames_go_out_in_chunks_of_a_limited_size() -> None:
    sent = await asgi(sse(of(*[b"x" * 2**12] * 100)))
    chunks = bodies(sent)
    assert sum(map(len, chunks)) == 100 * 2**12
    assert max(map(len, chunks)) == 2**16


async def test_the_type_is_that_of_events_alone_and_nothing_in_between_may_keep_or_change_them() -> None:
    async def route() -> Response:
        return sse(of(b"data: 1\n\n"))

    async with served(app_of(it=route)) as port, httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/in/it")
    assert answer.content == b"data: 1\n\n"
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache, no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_stream_may_be_of_another_type_and_then_says_nothing_of_its_own() -> None:
    async def frames() -> AsyncIterator[bytes]:
        await passed(0.03)
        yield b"\0\0\0\0"

    stream = Stream(frames(), media_type="application/x-frames", keep_alive_after=0.001)
    assert bodies(await asgi(stream)) == [b"\0\0\0\0", b""]
    assert stream.headers["content-type"] == "application/x-frames"


async def test_what_is_to_be_done_afterwards_is_done_afterwards() -> None:
    done: list[str] = []
    stream = sse(of(b"data: 1\n\n"))
    stream.background = BackgroundTask(done.append, "done")
    await asgi(stream)
    assert done == ["done"]


async def test_silence_is_broken_by_comments() -> None:
    heard = asyncio.Event()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if bodies(sent)[1:].count(b": keep-alive\n\n") == 3:
            heard.set()

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await heard.wait()
        yield b"data: 2\n\n"

    await asgi(sse(frames(), keep_alive_after=0.005), send=send)
    assert bodies(sent) == [b"data: 1\n\n", *[b": keep-alive\n\n"] * 3, b"data: 2\n\n", b""]


async def test_a_stream_that_is_not_silent_needs_no_comments() -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.2

    async def frames() -> AsyncIterator[bytes]:
        while loop.time() < until:
            yield b"data: 1\n\n"
            await asyncio.sleep(0)

    assert b": keep-alive\n\n" not in bodies(await asgi(sse(frames(), keep_alive_after=0.1)))


async def test_silence_is_counted_from_the_last_frame() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    story: list[str] = []

    async def frames() -> AsyncIterator[bytes]:
        await passed(0.2)
        yield b"data: 1\n\n"
        loop.call_later(0.5, story.append, "half a second")
        loop.call_later(0.55, done.set)
        await done.wait()

    async def send(message: Any) -> None:
        story.append(message.get("body", b"").decode())

    await asgi(sse(frames(), keep_alive_after=0.4), send=send)
    assert story[1:4] == ["data: 1\n\n", ": keep-alive\n\n", "half a second"]


async def test_the_time_for_a_send_is_counted_from_its_begin() -> None:
    loop = asyncio.get_running_loop()
    story: list[str] = []

    async def send(message: Any) -> None:
        loop.call_later(0.5, story.append, "half a second")
        await asyncio.Event().wait()

    async def closed(reason: Closed) -> None:
        story.append(reason)

    await asgi(sse(of(b"data: 1\n\n"), on_close=closed, keep_alive_after=0.3, send_timeout=0.4), send=send)
    assert story == ["too_slow"]


async def test_a_client_that_leaves_is_noticed_while_nothing_is_sent() -> None:
    """F-A8: the frames are closed, then `on_close` is told."""
    ends, began = Ends(), asyncio.Event()
    story: list[str] = []

    async def frames() -> AsyncIterator[bytes]:
        try:
            yield b"data: 1\n\n"
            began.set()
            await asyncio.Event().wait()
        finally:
            story.append("frames closed")

    async def closed(reason: Closed) -> None:
        story.append(reason)
        await ends(reason)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await sse(frames(), on_close=closed)(scope, receive, send)

    async with served(app) as port:
        async with connected(port) as (reader, writer):
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await began.wait()
        await ends.wait()
        assert story == ["frames closed", "disconnected"]


async def test_a_client_that_stops_reading_is_dropped_and_holds_up_nobody() -> None:
    """T-6: what waits for it is bounded, and others get theirs meanwhile."""
    ends, taken = Ends(), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"data: " + b"x" * 2**12 + b"\n\n"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/quick":
            await sse(of(b"data: 1\n\n"))(scope, receive, send)
        else:
            await sse(endless(), on_close=ends, send_timeout=0.3)(scope, receive, send)

    async with served(app) as port, connected(port, buffer=4096) as (reader, writer):
        writer.write(GET)
        await reader.readline()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/quick")).content == b"data: 1\n\n"
        assert ends.told == []
        assert await ends.wait() == ["too_slow"]
        held, most = taken, 16 * 2**20  # what the system's own buffers take is not ours
        assert held * 2**12 < most


async def test_a_slow_send_that_is_in_time_is_no_end() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        await passed(0.02)
        sent.append(message)

    ends = Ends()
    await asgi(sse(of(*[b"x" * 2**16] * 5), on_close=ends, send_timeout=1.0, keep_alive_after=0.004), send=send)
    assert len(b"".join(bodies(sent)).replace(b": keep-alive\n\n", b"")) == 5 * 2**16
    assert ends.told == ["done"]


async def test_a_server_may_say_with_an_oserror_that_the_client_has_left() -> None:
    ends = Ends()

    async def send(message: Any) -> None:
        raise BrokenPipeError

    await asgi(sse(of(b"data: 1\n\n"), on_close=ends), send=send)
    assert ends.told == ["disconnected"]


async def test_frames_that_raise_break_the_connection_off_and_tell_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends = Ends()

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        raise ConnectionError(SECRET)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await sse(frames(), on_close=ends, redactor=Redactor(["hunter2"]))(scope, receive, send)

    async with served(app) as port, httpx.AsyncClient() as client:
        received = b""
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", f"http://127.0.0.1:{port}/") as answer:
                async for chunk in answer.aiter_bytes():
                    received += chunk
    assert received == b"data: 1\n\n"
    assert await ends.wait() == ["failed"]
    assert "ConnectionError: postgresql://admin:" in caplog.text
    assert "hunter2" not in caplog.text


async def test_an_iterator_that_cannot_be_closed_will_do() -> None:
    class Once:
        def __init__(self) -> None:
            self.left: Iterator[bytes] = iter([b"data: 1\n\n"])

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> bytes:
            for frame in self.left:
                return frame
            raise StopAsyncIteration

    assert bodies(await asgi(sse(Once()))) == [b"data: 1\n\n", b""]


async def test_an_on_close_that_raises_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def closed(reason: Closed) -> None:
        raise LookupError(reason)

    assert bodies(await asgi(sse(of(b"data: 1\n\n"), on_close=closed))) == [b"data: 1\n\n", b""]
    assert "LookupError: done" in caplog.text


async def test_frames_that_wait_for_room_are_closed_when_the_client_leaves() -> None:
    leaves, stuck = asyncio.Event(), asyncio.Event()
    closed: list[bool] = []

    async def frames() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 2**16
        finally:
            closed.append(True)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            leaves.set()
            await stuck.wait()

    ends = Ends()
    await asgi(sse(frames(), on_close=ends), send=send, leaves=leaves)
    assert (ends.told, closed) == (["disconnected"], [True])


@pytest.mark.parametrize("times", [1, 3])
async def test_on_close_is_awaited_to_its_end_once_however_often_we_are_cancelled(times: int) -> None:
    began, entered, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        began.set()
        await asyncio.Event().wait()

    async def closed(reason: Closed) -> None:
        told.append(f"begun {reason}")
        entered.set()
        await let_go.wait()
        told.append(f"ended {reason}")

    running = asyncio.create_task(asgi(sse(frames(), on_close=closed)))
    await began.wait()
    running.cancel()
    await entered.wait()
    for _ in range(times - 1):
        running.cancel()
        await asyncio.sleep(0)
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert told == ["begun cancelled", "ended cancelled"]


async def test_a_stream_leaves_no_task_and_no_timer_behind() -> None:
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    stream = sse(of(b"data: 1\n\n"))
    await asgi(stream)
    assert asyncio.all_tasks() == before
    assert [handle for handle in loop._scheduled if not handle.cancelled() and "_look" in repr(handle)] == []  # type: ignore[attr-defined]


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['fastapi'] = None; import langwire.adapters._shared.web"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith('serving on the web needs an extra: pip install "langwire[web]"\n')
