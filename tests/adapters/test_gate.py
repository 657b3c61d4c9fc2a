"""Who may come in, over HTTP in process and over WebSockets of a real server on 127.0.0.1."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Security, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agui.served import listening
from langwire.adapters._shared import gate as gates
from langwire.adapters._shared.gate import PROTOCOL, Gate, Visitor, origins_of
from langwire.adapters._shared.refusals import Refused
from langwire.adapters._shared.web import HEADERS, guarded
from langwire.adapters.fastapi.protocol import VERSION
from langwire.core.redaction import Redactor
from langwire.errors import UsageError

SECRET = "postgresql://admin:hunter2@db.internal/prod"


def by_header(request: Request) -> str | None:
    return request.headers.get("x-user")


class House:
    """An app behind a gate, which writes down who came in, and by which way."""

    def __init__(self, gate: Gate, *, prefix: str = "", redactor: Redactor | None = None) -> None:
        self.gate, self.redactor = gate, redactor
        self.inside: list[tuple[str, Visitor]] = []
        router = APIRouter(route_class=guarded(redactor))
        entered = Depends(gate.visitor)

        async def route(visitor: Any = entered) -> JSONResponse:
            self.inside.append(("http", visitor))
            return JSONResponse({"principal": visitor.principal})

        async def socket(websocket: WebSocket) -> None:
            visitor = await gate.socket_visitor(websocket, redactor=redactor)
            if visitor is not None:
                self.inside.append(("websocket", visitor))
                await websocket.accept()
                await websocket.send_json({"principal": visitor.principal})
                await websocket.close()

        router.add_api_route("/route", route, methods=["GET", "POST"])
        router.add_api_websocket_route("/socket", socket)
        self.app = FastAPI()
        self.app.include_router(router, prefix=prefix)


class Answer:
    """What came of a call: the status (101 for a WebSocket that was accepted), the body, and the headers."""

    def __init__(self, status: int, body: bytes, headers: Any) -> None:
        self.status, self.body, self.headers = status, body, headers

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.said["error"]["code"]

    @property
    def refused(self) -> tuple[int, str]:
        return self.status, self.code


class Street:
    """Calls a house that is served, each time with the headers that are given and no others that matter."""

    def __init__(self, house: House, address: str) -> None:
        self.house, self.port = house, int(address.rpartition(":")[2])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def call(self, way: str, headers: Iterable[tuple[str, str]] = (), **where: str) -> Answer:
        return await (self.http if way == "http" else self.websocket)(headers, **where)

    async def http(self, headers: Iterable[tuple[str, str]] = (), *, query: str = "", host: str = "") -> Answer:
        named = [("host", host)] if host else []
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{self.host}/route{query}", headers=[*named, *headers])
        return Answer(answer.status_code, answer.content, answer.headers)

    async def websocket(self, headers: Iterable[tuple[str, str]] = (), *, query: str = "", host: str = "") -> Answer:
        url = f"ws://{host or self.host}/socket{query}"
        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        try:
            async with connect(url, additional_headers=[*headers], proxy=None, **place) as socket:
                return Answer(101, str(await socket.recv()).encode(), {})
        except InvalidStatus as error:
            return Answer(error.response.status_code, error.response.body, error.response.headers)


@asynccontextmanager
async def street(house: House) -> AsyncIterator[Street]:
    async with listening(house.app) as address:
        yield Street(house, address)


async def asgi(house: House, **scope: Any) -> list[Any]:
    """Call a house by hand: by default as this machine does over a WebSocket, with a page of its own."""
    sent: list[Any] = []
    default: dict[str, Any] = {
        "type": "websocket",
        "path": "/socket",
        "raw_path": b"/socket",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await house.app({**default, **scope}, receive, send)
    return sent


WAYS = ["http", "websocket"]
OK = {"http": 200, "websocket": 101}
PATHS = {"http": "/route", "websocket": "/socket"}
DENIAL: dict[str, Any] = {"websocket.http.response": {}}
"""Of a server that can say why it does not accept a WebSocket."""


# ------------------------------------------------------------------ where they come from


FOREIGN = {
    "another site": "https://evil.example",
    "none that has a name": "null",
    "nothing": "",
    "any": "*",
    "the scheme in another case": "HTTP://{host}",
    "the host in another case": "http://LOCALHOST:{port}",
    "another port": "http://127.0.0.1:1",
    "no port": "http://127.0.0.1",
    "a name that begins like ours": "http://{host}.evil.example",
    "a name that ends like ours": "http://evil.example.{host}",
    "a slash at the end": "http://{host}/",
    "a path": "http://{host}/route",
    "a user": "http://user@{host}",
    "ours as a user": "http://{host}@evil.example",
    "another scheme": "ws://{host}",
    "no scheme": "{host}",
    "a space": "http://{host} https://evil.example",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("authorize", [None, by_header])
@pytest.mark.parametrize("what", FOREIGN)
async def test_a_page_of_another_origin_is_refused_before_anything_is_done(what: str, authorize: Any, way: str) -> None:
    """F-W4, T-1: 403, before a WebSocket is accepted, and what the gate guards is not called."""
    async with street(House(Gate(authorize=authorize))) as to:
        host = f"localhost:{to.port}"
        origin = FOREIGN[what].format(host=host, port=to.port)
        refused = await to.call(way, [("x-user", "ann"), ("origin", origin)], host=host)
        assert refused.refused == (403, "origin_not_allowed")
        assert to.house.inside == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("second", ["http://localhost", "https://evil.example"])
async def test_a_request_has_one_origin(second: str, way: str) -> None:
    """T-1."""
    house = House(Gate())
    origins = [(b"origin", origin.encode()) for origin in ("http://localhost", second)]
    sent = await asgi(
        house, type=way, method="GET", path=PATHS[way], headers=[(b"host", b"localhost"), *origins], extensions=DENIAL
    )
    assert (sent[0]["status"], house.inside) == (403, [])
    assert b"origin_not_allowed" in sent[1]["body"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_page_of_the_same_host_comes_in(scheme: str, way: str) -> None:
    """T-1: whoever ends TLS in front of us, the page names https and the connection does not."""
    async with street(House(Gate())) as to:
        assert (await to.call(way, [("origin", f"{scheme}://{to.host}")])).status == OK[way]
        assert [entered for entered, _ in to.house.inside] == [way]


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_of_an_origin_that_was_named_comes_in_and_no_other(way: str) -> None:
    """T-1."""
    gate = Gate(origins=["https://app.example.com", "http://localhost:5173"])
    async with street(House(gate)) as to:
        assert (await to.call(way, [("origin", "https://app.example.com")])).status == OK[way]
        assert (await to.call(way, [("origin", "http://localhost:5173")])).status == OK[way]
        for other in ("http://app.example.com", "https://app.example.com:443", "https://APP.example.com"):
            assert (await to.call(way, [("origin", other)])).refused == (403, "origin_not_allowed")


async def test_a_request_without_an_origin_comes_in() -> None:
    async with street(House(Gate())) as to:
        assert (await to.http()).status == 200


async def test_a_websocket_without_an_origin_needs_a_token() -> None:
    """T-1: a browser names the page that it comes from, and cannot send the header `authorization`."""
    async with street(House(Gate(authorize=by_header))) as to:
        ann, token = ("x-user", "ann"), ("authorization", "Bearer x")
        assert (await to.websocket([ann])).refused == (403, "origin_not_allowed")
        assert (await to.websocket([ann, token])).status == 101
        assert (await to.websocket([ann, token, ("origin", "https://evil.example")])).status == 403
    async with street(House(Gate())) as to:
        assert (await to.websocket([token])).refused == (403, "origin_not_allowed")


async def test_where_several_hosts_are_named_none_is_the_pages_own() -> None:
    """T-1, T-3."""
    house = House(Gate(authorize=by_header))
    hosts = [(b"host", b"ours.test"), (b"host", b"evil.test")]
    for host in ("ours.test", "evil.test"):
        headers = [*hosts, (b"origin", f"http://{host}".encode()), (b"x-user", b"ann")]
        assert [message["type"] for message in await asgi(house, headers=headers)] == ["websocket.close"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("tauri://localhost", "tauri://localhost"),
        ("chrome-extension://abcdef:65535", "chrome-extension://abcdef:65535"),
    ],
)
def test_origins_are_kept_as_browsers_name_them(given: str, named: str) -> None:
    assert origins_of([given]) == {named}


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "app.example.com",
        "https://",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://user@app.example.com",
        "https://app.example.com:",
        "https://app.example.com:65536",
        "https://app.example.com\n",
    ],
)
def test_what_is_no_origin_is_refused_when_the_gate_is_made(origin: str) -> None:
    """T-3."""
    with pytest.raises(UsageError, match="came as an origin: expected scheme://host"):
        Gate(origins=["https://fine.example", origin])


# ------------------------------------------------------------------ where they come to


@pytest.mark.parametrize("way", WAYS)
async def test_another_name_is_none_of_ours_where_nobody_is_asked(way: str) -> None:
    """T-3: DNS rebinding; the page and the host agree."""
    async with street(House(Gate())) as to:
        host = f"evil.example:{to.port}"
        refused = await to.call(way, [("origin", f"http://{host}")], host=host)
        assert refused.refused == (421, "host_not_allowed")
        assert to.house.inside == []


@pytest.mark.parametrize("way", WAYS)
async def test_any_name_will_do_where_everybody_is_asked(way: str) -> None:
    async with street(House(Gate(authorize=by_header))) as to:
        host = f"agents.example.com:{to.port}"
        assert (await to.call(way, [("origin", f"http://{host}"), ("x-user", "ann")], host=host)).status == OK[way]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "[::1]", "127.0.0.1"])
async def test_loopback_may_be_called_by_all_of_its_names(name: str, way: str) -> None:
    async with street(House(Gate())) as to:
        host = f"{name}:{to.port}"
        assert (await to.call(way, [("origin", f"http://{host.lower()}")], host=host)).status == OK[way]


async def test_other_names_may_be_given() -> None:
    async with street(House(Gate(hosts=["agents.example.com"]))) as to:
        assert (await to.http(host="agents.example.com")).status == 200
        assert (await to.http()).refused == (421, "host_not_allowed")


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"localhost"]])
async def test_one_name_is_expected(hosts: list[bytes]) -> None:
    """T-3."""
    house = House(Gate())
    sent = await asgi(house, type="http", method="GET", path="/route", headers=[(b"host", host) for host in hosts])
    assert (sent[0]["status"], house.inside) == (421, [])


@pytest.mark.parametrize(
    "server",
    [
        ("127.0.0.1", 80),
        ("127.8.9.1", 80),
        ("::1", 80),
        ("::ffff:127.0.0.1", 80),
        ("LocalHost", 80),
        ("/run/agent.sock", None),
        None,
    ],
)
async def test_a_server_at_loopback_or_at_a_unix_socket_lets_in_without_asking(server: Any) -> None:
    house = House(Gate())
    await asgi(house, server=server)
    await asgi(house, server=server, type="http", method="GET", path="/route")
    assert [way for way, _ in house.inside] == ["websocket", "http"]


@pytest.mark.parametrize(
    "server",
    [("192.0.2.7", 80), ("0.0.0.0", 80), ("::ffff:192.0.2.7", 80), ("2001:db8::1", 80), ("testserver", 80), ("", 80)],  # noqa: S104
)
async def test_a_server_at_any_other_address_lets_nobody_in_without_asking(server: Any) -> None:
    """T-2: anybody can send `Host: localhost`."""
    house = House(Gate())
    for sent in (
        await asgi(house, server=server, extensions=DENIAL),
        await asgi(house, server=server, type="http", method="GET", path="/route"),
    ):
        assert sent[0]["status"] == 403
        assert b'"authorize_needed"' in sent[1]["body"]
    assert house.inside == []


async def test_a_server_at_any_address_lets_in_whom_it_has_asked() -> None:
    house = House(Gate(authorize=by_header))
    headers = [(b"host", b"agents.example.com"), (b"x-user", b"ann")]
    await asgi(house, server=("192.0.2.7", 80), type="http", method="GET", path="/route", headers=headers)
    assert house.inside == [("http", Visitor("ann", "ann"))]


# ------------------------------------------------------------------ what they speak


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("", False),
        ("?protocol=1", False),
        ("?protocol=2", True),
        ("?protocol=01", True),
        ("?protocol=", True),
        ("?protocol=1&protocol=2", True),
    ],
)
async def test_another_version_of_the_protocol_is_refused(query: str, refused: bool, way: str) -> None:
    async with street(House(Gate())) as to:
        answer = await to.call(way, [("origin", f"http://{to.host}")], query=query)
        assert answer.status == (400 if refused else OK[way])
        assert not refused or answer.code == "unsupported_protocol"


def test_the_version_is_that_of_the_protocol() -> None:
    assert str(VERSION) == PROTOCOL


# ------------------------------------------------------------------ who they are


bearer, oauth, api_key = HTTPBearer(), OAuth2PasswordBearer("token"), APIKeyHeader(name="x-key")


def by_bearer(found: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    return found.credentials


async def by_oauth(token: str = Depends(oauth)) -> str:
    return token


def by_key(key: str = Security(api_key)) -> str:
    return key


async def by_body(request: Request) -> str | None:
    assert await request.body() == b""
    return by_header(request)


def by_url(request: Request) -> str | None:
    assert (request.url.scheme, request.method) == ("http", "GET")
    return by_header(request)


def by_parameters(x_user: str = Header(), chat: int = Query(0)) -> str:
    assert chat == 7
    return x_user


def nested(user: str = Depends(by_parameters)) -> str:
    return user


async def plain(request) -> str | None:  # type: ignore[no-untyped-def]
    return by_header(request)


TOKEN = ("authorization", "Bearer ann")
ASKED: list[tuple[Any, tuple[str, str], int]] = [
    (by_header, ("x-user", "ann"), 401),
    (plain, ("x-user", "ann"), 401),
    (lambda request: request.headers.get("x-user"), ("x-user", "ann"), 401),
    (by_bearer, TOKEN, 401),
    (by_oauth, TOKEN, 401),
    (by_key, ("x-key", "ann"), 401),
    (by_body, ("x-user", "ann"), 401),
    (by_url, ("x-user", "ann"), 401),
    (nested, ("x-user", "ann"), 422),
    (Depends(nested), ("x-user", "ann"), 422),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("authorize", "header", "status"), ASKED)
async def test_one_and_the_same_authorize_asks_over_both_ways(
    authorize: Any, header: tuple[str, str], status: int, way: str
) -> None:
    """T-2."""
    async with street(House(Gate(authorize=authorize))) as to:
        page = ("origin", f"http://{to.host}")
        assert (await to.call(way, [page, header], query="?chat=7")).said == {"principal": "ann"}
        assert (await to.call(way, [page], query="?chat=7")).status == status
        assert to.house.inside == [(way, Visitor("ann", "ann"))]


@pytest.mark.parametrize("way", WAYS)
async def test_what_authorize_says_is_the_answer(way: str) -> None:
    """T-2: over a WebSocket, too, before it is accepted, with our headers and those of the refusal."""

    def authorize(request: Request) -> str:
        raise HTTPException(401, "no such user", headers={"www-authenticate": "Bearer"})

    async with street(House(Gate(authorize=authorize))) as to:
        refused = await to.call(way, [("origin", f"http://{to.host}")])
        assert refused.status == 401
        assert refused.said == {"error": {"code": "unauthorized", "message": "no such user"}}
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/json"
        assert {name: refused.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("way", WAYS)
async def test_an_authorize_that_fails_lets_nobody_in_and_tells_the_log_alone(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """T-15, T-23."""

    def authorize(request: Request) -> str:
        raise ConnectionError(SECRET)

    async with street(House(Gate(authorize=authorize), redactor=Redactor(["hunter2"]))) as to:
        refused = await to.call(way, [("origin", f"http://{to.host}")])
        assert refused.refused == (500, "internal_error")
        assert to.house.inside == []
    assert b"postgresql" not in refused.body
    assert refused.said["error"]["id"] in caplog.text
    assert "ConnectionError: postgresql://admin:" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("way", WAYS)
async def test_an_app_that_tells_of_errors_in_its_own_way_changes_no_refusal(way: str) -> None:
    house = House(Gate(authorize=by_header))

    async def own(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse("mine", 200)

    house.app.add_exception_handler(HTTPException, own)
    house.app.add_exception_handler(Refused, own)
    async with street(house) as to:
        assert (await to.call(way, [("origin", f"http://{to.host}")])).refused == (401, "unauthorized")


async def test_what_authorize_holds_open_is_closed_before_a_socket_begins() -> None:
    story: list[str] = []

    async def authorize(request: Request) -> AsyncIterator[str | None]:
        story.append("opened")
        yield by_header(request)
        story.append("closed")

    house = House(Gate(authorize=authorize))
    async with street(house) as to:
        await to.websocket([("origin", f"http://{to.host}"), ("x-user", "ann")])
    assert (story, len(house.inside)) == (["opened", "closed"], 1)


async def test_who_authorize_fails_to_let_go_of_does_not_come_in(caplog: pytest.LogCaptureFixture) -> None:
    async def authorize(request: Request) -> AsyncIterator[str | None]:
        yield by_header(request)
        raise ConnectionError(SECRET)

    async with street(House(Gate(authorize=authorize))) as to:
        refused = await to.websocket([("origin", f"http://{to.host}"), ("x-user", "ann")])
        assert (refused.refused, to.house.inside) == ((500, "internal_error"), [])
    assert "ConnectionError" in caplog.text


@pytest.mark.parametrize("way", WAYS)
async def test_an_authorize_that_is_overridden_for_the_app_is_overridden_for_both(way: str) -> None:
    async def user() -> str:
        raise HTTPException(401)

    house = House(Gate(authorize=Depends(user)))
    async with street(house) as to:
        page = ("origin", f"http://{to.host}")
        assert (await to.call(way, [page])).status == 401
        house.app.dependency_overrides[user] = lambda: "bob"
        assert (await to.call(way, [page])).said == {"principal": "bob"}


async def test_a_gate_serves_several_apps_each_with_its_own_overrides() -> None:
    async def user() -> str:
        return "ann"

    gate = Gate(authorize=Depends(user))
    first, second = House(gate), House(gate)
    second.app.dependency_overrides[user] = lambda: "bob"
    await asgi(first)
    await asgi(second)
    await asgi(first)
    assert [visitor.principal for _, visitor in first.inside + second.inside] == ["ann", "ann", "bob"]
    assert len(gate._routes) == 2  # made once for each


@pytest.mark.parametrize("way", WAYS)
async def test_authorize_may_ask_for_a_part_of_the_address(way: str) -> None:
    def member(tenant: int, x_user: str = Header()) -> str:
        return f"{x_user} of {tenant + 1}"

    house = House(Gate(authorize=member), prefix="/tenants/{tenant}")
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"x-user", b"ann")]
    await asgi(house, type=way, method="GET", path=f"/tenants/7{PATHS[way]}", headers=headers)
    assert [visitor.principal for _, visitor in house.inside] == ["ann of 8"]


@pytest.mark.parametrize("way", WAYS)
async def test_authorize_sees_what_middleware_has_left_for_it(way: str) -> None:
    def authorize(request: Request) -> str:
        return request.session["user"] + request.state.more

    house = House(Gate(authorize=authorize))
    await asgi(house, type=way, method="GET", path=PATHS[way], session={"user": "ann"}, state={"more": "!"})
    assert [visitor.principal for _, visitor in house.inside] == ["ann!"]


async def test_nobody_is_asked_who_they_are_who_may_not_come_in_anyway() -> None:
    asked: list[Any] = []

    def authorize(request: Request) -> str:
        asked.append(request)
        return "ann"

    async with street(House(Gate(authorize=authorize))) as to:
        for way in WAYS:
            await to.call(way, [("origin", "https://evil.example")])
            await to.call(way, [("origin", f"http://{to.host}")], query="?protocol=2")
    assert asked == []


async def test_where_nobody_is_asked_a_visitor_is_an_address() -> None:
    house = House(Gate())
    await asgi(house, client=("127.0.0.9", 1))
    await asgi(house, type="http", method="GET", path="/route")
    found = [visitor for _, visitor in house.inside]
    assert found == [Visitor(None, "127.0.0.9"), Visitor(None, "127.0.0.1")]


@pytest.mark.parametrize(
    "scope",
    [
        {"client": ("203.0.113.9", 1)},
        *({"headers": [(b"host", b"localhost"), (name, b"203.0.113.9")]} for name in gates._PASSED_ON),
    ],
    ids=str,
)
async def test_what_comes_from_elsewhere_or_through_a_proxy_is_not_let_in_without_asking(scope: Any) -> None:
    """T-2: a proxy may name this machine as the host."""
    house = House(Gate())
    sent = await asgi(house, type="http", method="GET", path="/route", **scope)
    assert (sent[0]["status"], house.inside) == (403, [])
    assert b'"authorize_needed"' in sent[1]["body"]


async def test_a_server_that_cannot_say_why_closes_the_socket() -> None:
    """T-1."""
    house = House(Gate())
    sent = await asgi(house, headers=[(b"host", b"localhost"), (b"origin", b"https://evil.example")])
    assert (sent, house.inside) == ([{"type": "websocket.close", "code": 1008, "reason": ""}], [])


# ------------------------------------------------------------------ how often, and how many at once


async def test_requests_and_sockets_are_counted_together_for_each_who_comes() -> None:
    """T-4."""
    async with street(House(Gate(authorize=by_header, rate=(2, 3600.0)))) as to:
        ann, bob = ([("origin", f"http://{to.host}"), ("x-user", name)] for name in ("ann", "bob"))
        assert [(await to.http(ann)).status, (await to.websocket(ann)).status] == [200, 101]
        for way in WAYS:
            refused = await to.call(way, ann)
            assert refused.refused == (429, "too_many_requests")
            assert int(refused.headers["retry-after"]) >= 1700
        assert (await to.websocket(bob)).status == 101
        assert len(to.house.inside) == 3


async def test_a_visitor_counts_once_however_often_a_request_asks_for_it() -> None:
    gate = Gate(authorize=by_header, rate=(1, 3600.0))
    first_of_all, entered = Depends(gate.visitor), Depends(gate.visitor)
    app = FastAPI(dependencies=[first_of_all])

    @app.get("/")
    async def both(first: Any = entered, second: Any = entered) -> bool:
        return first is second

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert (await client.get("/", headers={"x-user": "ann"})).text == "true"


async def test_who_is_refused_is_not_counted() -> None:
    async with street(House(Gate(rate=(1, 3600.0)))) as to:
        for way in WAYS:
            await to.call(way, [("origin", "https://evil.example")])
        assert (await to.http()).status == 200


def test_commands_of_a_socket_count_like_requests() -> None:
    """T-4."""
    gate = Gate(rate=(2, 3600.0))
    ann, bob = Visitor("ann", "ann"), Visitor("bob", "bob")
    gate.count(ann)
    gate.count(ann)
    with pytest.raises(Refused) as refused:
        gate.count(ann)
    assert (refused.value.status_code, refused.value.code) == (429, "too_many_requests")
    gate.count(bob)


def full(gate: Gate, visitor: Visitor) -> bool:
    try:
        with gate.connection(visitor):
            return False
    except Refused as refused:
        return (refused.status_code, refused.code) == (429, "too_many_connections")


def test_each_holds_so_many_connections_at_once() -> None:
    """T-4."""
    gate, ann, bob = Gate(max_connections=2), Visitor("ann", "ann"), Visitor("bob", "bob")
    with ExitStack() as open:
        for _ in range(2):
            open.enter_context(gate.connection(ann))
        assert (full(gate, ann), full(gate, bob)) == (True, False)
    assert not full(gate, ann)


def test_a_place_is_given_back_exactly_once() -> None:
    gate, ann = Gate(max_connections=2), Visitor("ann", "ann")
    with gate.connection(ann):
        other = gate.connection(ann)
        other.__enter__()
        for _ in range(3):
            other.__exit__(None, None, None)
        with gate.connection(ann):
            assert full(gate, ann)


def test_a_place_is_given_back_when_something_is_raised_and_when_it_is_forgotten() -> None:
    gate, ann = Gate(max_connections=1), Visitor("ann", "ann")
    with pytest.raises(LookupError), gate.connection(ann):
        raise LookupError
    assert not full(gate, ann)
    gate.connection(ann)  # which nobody enters
    assert not full(gate, ann)
    place = gate.connection(ann)
    place.__enter__()
    assert full(gate, ann)
    del place
    gc.collect()
    assert not full(gate, ann)


def test_who_has_nothing_open_is_not_remembered() -> None:
    gate = Gate(max_connections=1)
    for number in range(100):
        visitor = Visitor(None, f"{number}")
        with gate.connection(visitor):
            assert full(gate, visitor)
    assert not gate._connections


@pytest.mark.parametrize("limits", [{"max_connections": 0}, {"rate": (0, 1.0)}])
def test_a_gate_that_lets_nobody_in_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        Gate(**limits)
