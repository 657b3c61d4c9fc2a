"""A client of a served router: REST and server-sent events over httpx, the socket over `websockets`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agui.served import listening
from langwire.adapters.fastapi import langwire_router

Wire = dict[str, Any]
Wanted = str | Callable[[Wire], bool]


class Reading:
    """The frames of a thread as they come. `seen` are all that came; `position` is where to go on after them."""

    def __init__(self, frames: AsyncIterator[Wire]) -> None:
        self._frames = frames
        self._looked = 0
        self.seen: list[Wire] = []
        self.position: str | None = None

    async def receive(self) -> Wire:
        """Return the frame that comes next. Raises `StopAsyncIteration` at the end."""
        frame = await anext(self._frames)
        if frame["type"] in ("hello", "live"):
            self.position = frame["position"]
        elif "seq" in frame and self.position is not None:
            self.position = f"{self.position.partition(':')[0]}:{frame['seq']}"
        self.seen.append(frame)
        return frame

    async def until(self, wanted: Wanted) -> Wire:
        """Return the next frame of a type, or that fits, of those that were not looked at yet."""
        while True:
            if self._looked == len(self.seen):
                await self.receive()
            frame = self.seen[self._looked]
            self._looked += 1
            if frame["type"] == wanted if isinstance(wanted, str) else wanted(frame):
                return frame

    async def rest(self) -> list[Wire]:
        """Read to the end, and return all that came."""
        with suppress(StopAsyncIteration):
            while True:
                await self.receive()
        return self.seen

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.seen]

    @property
    def entries(self) -> list[Wire]:
        """What came of the log."""
        return [frame for frame in self.seen if "seq" in frame]


class Events(Reading):
    """Server-sent events. `ids` are the `id:` lines that came, each with its frame's type."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(self._read(response))
        self.headers = response.headers
        self.ids: list[tuple[str, str]] = []
        self.comments = 0

    async def _read(self, response: httpx.Response) -> AsyncGenerator[Wire]:
        id: str | None = None
        async for line in _lines(response):
            name, _, value = line.partition(": ")
            if name == "id":
                id = value
            elif name == "data":
                frame: Wire = json.loads(value)
                if id is not None:
                    self.ids.append((id, frame["type"]))
                    id = None
                yield frame
            elif line.startswith(":"):
                self.comments += 1
            else:
                assert line == "", line


async def _lines(response: httpx.Response) -> AsyncGenerator[str]:
    """Only LF, CR and CRLF end a line of an event stream; `str.splitlines` knows more."""
    kept = b""
    async for chunk in response.aiter_raw():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            assert b"\r" not in line
            yield line.decode()


class Socket(Reading):
    """A WebSocket. `code` and `reason` say how the server closed it, once it has."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__(self._read(connection))
        self.connection = connection
        self._refs = 0

    async def _read(self, connection: ClientConnection) -> AsyncGenerator[Wire]:
        with suppress(ConnectionClosed):
            while True:
                yield json.loads(await connection.recv(decode=False))

    async def send(self, sent: Any) -> None:
        """Send a frame: text and bytes as they are, anything else as JSON."""
        await self.connection.send(sent if isinstance(sent, str | bytes) else json.dumps(sent))

    async def ask(self, type: str, **fields: Any) -> Wire:
        """Send a command, and return its answer; what else comes meanwhile can be looked at later."""
        self._refs += 1
        ref, start = f"ref {self._refs}", len(self.seen)
        await self.send({"type": type, "ref": ref, **fields})
        while not (start < len(self.seen) and self.seen[-1].get("ref") == ref):
            await self.receive()
        return self.seen[-1]

    @property
    def code(self) -> int | None:
        return self.connection.close_code

    @property
    def reason(self) -> str | None:
        return self.connection.close_reason


class Client:
    """Somebody who uses the router at an address; `headers` go with every request."""

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        self.address, self.headers = address, dict(headers or {})
        self.http = httpx.AsyncClient(headers=self.headers, timeout=60)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(f"{self.address}{path}", params=params)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(f"{self.address}{path}", json={} if body is None else body)

    async def thread(self) -> str:
        """Make a thread, and return its id."""
        made = await self.post("/threads")
        assert made.status_code == 201, made.text
        id: str = made.json()["thread_id"]
        return id

    async def command(self, thread: str, name: str, **fields: Any) -> httpx.Response:
        return await self.post(f"/threads/{quote(thread, safe='')}/{name}", fields)

    async def submit(self, thread: str, input: Any = "hi", **fields: Any) -> Wire:
        """Say something, and return the ack."""
        answer = await self.command(thread, "submit", input=input, **fields)
        assert answer.status_code == 202, answer.text
        ack: Wire = answer.json()
        return ack

    @asynccontextmanager
    async def events(self, thread: str, after: str | None = None, **headers: str) -> AsyncGenerator[Events]:
        """Read a thread as server-sent events."""
        url = f"{self.address}/threads/{quote(thread, safe='')}/events"
        params = {} if after is None else {"after": after}
        async with self.http.stream("GET", url, params=params, headers=headers) as response:
            if response.status_code != 200:
                await response.aread()
                response.raise_for_status()
            yield Events(response)

    @asynccontextmanager
    async def socket(self, thread: str, after: str | None = None, **options: Any) -> AsyncGenerator[Socket]:
        """Read a thread over a WebSocket, as a page of the server's own origin; options are those of `connect`."""
        base = f"ws{self.address.removeprefix('http')}/threads/{quote(thread, safe='')}/socket"
        origin = "/".join(self.address.split("/")[:3])
        given = {"origin": origin, "additional_headers": self.headers, "max_size": None, **options}
        async with connect(base if after is None else f"{base}?after={quote(after)}", **given) as connection:
            yield Socket(connection)


@asynccontextmanager
async def serving(agent: Any, **options: Any) -> AsyncGenerator[Client]:
    """Serve an agent at `/chat` on a real socket, in this loop; the options are those of `langwire_router`."""
    app, router = FastAPI(), langwire_router(agent, **options)
    app.include_router(router, prefix="/chat")
    async with listening(app) as address, router.lifespan_context(app), Client(f"{address}/chat") as client:
        yield client
