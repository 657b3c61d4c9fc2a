"""A client of the protocol that keeps exactly what it should: by REST, over a WebSocket, over server-sent events.

It follows the protocol's page and shares no code with the server: what it holds in the end is compared with the log and
with the checkpoint.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from langwire import Transcript
from langwire.core.codec import decode

Wire = dict[str, Any]

PATIENCE = 20.0
"""How long a client waits for what has to come, in seconds. Nothing is measured by it."""
NOT_EVENTS = frozenset({"hello", "reset", "live", "closed", "ack", "pong", "error"})


class Page:
    """What a client has of a thread, from the frames that it took. `position` is the one with which it comes back."""

    def __init__(self) -> None:
        self.frames: list[Wire] = []
        self.hello: Wire = {}
        self.past: list[Wire] = []
        """Events of the past, since the last `reset`."""
        self.entries: list[Wire] = []
        """Entries of the log, since the last `reset`."""
        self.resets: list[str] = []
        self.position: str | None = None
        self._log = ""

    def take(self, frame: Wire) -> None:
        """Take a frame, as the protocol says."""
        self.frames.append(frame)
        kind = frame["type"]
        if kind == "hello":
            self.hello = frame
            self._log = frame["position"].rpartition(":")[0]
        elif kind == "reset":
            self.resets.append(frame["reason"])
            self.past, self.entries, self.position = [], [], None
        elif kind == "live":
            self.position = frame["position"]
            self._log = self.position.rpartition(":")[0]
        elif kind not in NOT_EVENTS:
            self._take_event(frame)

    def _take_event(self, frame: Wire) -> None:
        if "seq" not in frame:
            assert self.position is None, f"an event of the past came among the entries: {frame}"
            self.past.append(frame)
            return
        assert self.position is not None, f"an entry came before it is known where it stands: {frame}"
        assert not self.entries or frame["seq"] > self.entries[-1]["seq"], f"an entry came twice: {frame}"
        self.entries.append(frame)
        self.position = f"{self._log}:{frame['seq']}"

    def goes_on(self) -> Page:
        """Return what the same client has when it comes back with its position."""
        page = Page()
        page.past, page.entries, page.position = [*self.past], [*self.entries], self.position
        return page

    @property
    def events(self) -> list[Wire]:
        """All that it has, the past first."""
        return [*self.past, *self.entries]

    @property
    def transcript(self) -> Transcript:
        """All that it has, folded."""
        return Transcript.of(decode(json.dumps(event)) for event in self.events)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Who said what, in the end: the log has what a person said in the beginning of the turn."""
        said = _said_in(self.past)
        turns: list[list[Wire]] = []
        for entry in self.entries:
            turns += [[]] if entry["type"] == "turn_start" or not turns else []
            turns[-1].append(entry)
        for turn in turns:
            given = turn[0].get("input") or {}
            said += [(message["role"], message["content"]) for message in given.get("messages", ())]
            said += _said_in(turn)
        return said

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(event["text"] for event in self.events if event["type"] == "text_delta")


class Reading:
    """Frames of a thread as they come."""

    def __init__(self, frames: AsyncIterator[Wire], page: Page) -> None:
        self._frames, self.page = frames, page

    async def frame(self) -> Wire:
        """Return the next frame."""
        async with asyncio.timeout(PATIENCE):
            frame = await anext(self._frames)
        self.page.take(frame)
        return frame

    async def until(self, is_it: str | Callable[[Wire], bool]) -> Wire:
        """Read up to a frame of this type, or the first of which it is true; return it."""
        while True:
            frame = await self.frame()
            if frame["type"] == is_it if isinstance(is_it, str) else is_it(frame):
                return frame

    async def entries(self, count: int) -> None:
        """Read so many entries of the log more."""
        for _ in range(count):
            await self.until(lambda frame: "seq" in frame)

    async def rest(self) -> list[Wire]:
        """Read to the end of the stream."""
        read: list[Wire] = []
        while True:
            try:
                read.append(await self.frame())
            except StopAsyncIteration:
                return read


class Socket(Reading):
    """A WebSocket on a thread."""

    def __init__(self, connection: ClientConnection, page: Page) -> None:
        self.connection = connection
        super().__init__(_frames(connection), page)

    async def send(self, type: str, **fields: Any) -> str:
        """Send a command; return its `ref`."""
        ref = uuid4().hex
        await self.connection.send(json.dumps({"type": type, "ref": ref, **fields}))
        return ref

    async def ask(self, type: str, **fields: Any) -> Wire:
        """Send a command, and read up to its answer."""
        ref = await self.send(type, **fields)
        return await self.until(lambda frame: frame.get("ref") == ref)

    async def submit(self, input: Any, **fields: Any) -> Wire:
        """Say something; return the `ack`."""
        answer = await self.ask("submit", input=input, **fields)
        assert answer["type"] == "ack", answer
        return answer

    def cut(self) -> None:
        """Break the connection off, without a goodbye."""
        self.connection.transport.abort()


class Events(Reading):
    """Server-sent events of a thread."""

    def __init__(self, response: httpx.Response, page: Page) -> None:
        self._response = response
        super().__init__(self._read(), page)

    async def _read(self) -> AsyncIterator[Wire]:
        id: str | None = None
        async for line in self._lines():
            name, _, value = line.partition(": ")
            if name == "id":
                id = value
            elif name == "data":
                frame = _strictly(value)
                assert ("seq" in frame or frame["type"] == "live") == (id is not None), f"{frame} has the id {id}"
                assert "seq" not in frame or str(id).endswith(f":{frame['seq']}"), f"{frame} has the id {id}"
                assert frame["type"] != "live" or id == frame["position"], f"{frame} has the id {id}"
                yield frame
                id = None

    async def _lines(self) -> AsyncIterator[str]:
        """Lines that end with LF alone, as the server writes them."""
        left = b""
        async for chunk in self._response.aiter_raw():
            *lines, left = (left + chunk).split(b"\n")
            for line in lines:
                assert b"\r" not in line, line
                yield line.decode()

    async def cut(self) -> None:
        """Break the connection off."""
        await self._response.aclose()


class Person:
    """Somebody at a client. `name` is who they say they are, if the server asks for it."""

    def __init__(self, address: str, name: str | None = None, prefix: str = "/chat") -> None:
        self.address, self.prefix, self.name = address, prefix, name
        self.headers = {} if name is None else {"authorization": f"Bearer {name}"}
        self.http = httpx.AsyncClient(
            base_url=address + prefix, headers=self.headers, timeout=PATIENCE, trust_env=False
        )

    async def ask(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """Send a request."""
        if json is not None:
            options["json"] = json
        return await self.http.request(method, path, **options)

    async def thread(self) -> str:
        """Make a thread; return its id."""
        answer = await self.ask("POST", "/threads", {})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["thread_id"])

    async def submit(self, thread_id: str, input: Any, **fields: Any) -> Wire:
        """Say something by REST; return the `ack`."""
        answer = await self.ask("POST", f"/threads/{thread_id}/submit", {"input": input, **fields})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def history(self, thread_id: str) -> list[Wire]:
        """Return what the thread holds."""
        answer = await self.ask("GET", f"/threads/{thread_id}/history")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["events"])

    async def state(self, thread_id: str) -> Wire:
        """Return where the thread stands."""
        answer = await self.ask("GET", f"/threads/{thread_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @asynccontextmanager
    async def socket(self, thread_id: str, page: Page | None = None, **options: Any) -> AsyncIterator[Socket]:
        """Open a WebSocket, with the position that `page` has."""
        async with connect(self.socket_url(thread_id, page), **self.socket_options(**options)) as connection:
            yield Socket(connection, Page() if page is None else page)

    def socket_url(self, thread_id: str, page: Page | None = None) -> str:
        """Return where a thread's WebSocket is."""
        after = "" if page is None or page.position is None else f"?after={page.position}"
        return f"{self.address.replace('http', 'ws', 1)}{self.prefix}/threads/{thread_id}/socket{after}"

    def socket_options(self, **options: Any) -> Wire:
        """Return what this person's browser, or program, sends along."""
        own = {"additional_headers": self.headers, "origin": None if self.name else self.address}
        return {**own, "proxy": None, "compression": None, "max_size": None, "close_timeout": 1, **options}

    @asynccontextmanager
    async def events(self, thread_id: str, page: Page | None = None, **headers: str) -> AsyncIterator[Events]:
        """Open a stream of server-sent events, with the position that `page` has."""
        if page is not None and page.position is not None:
            headers["last-event-id"] = page.position
        async with self.http.stream("GET", f"/threads/{thread_id}/events", headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"] == "text/event-stream"
            yield Events(response, Page() if page is None else page)


def _said_in(events: list[Wire]) -> list[tuple[str, str]]:
    messages = Transcript.of(decode(json.dumps(event)) for event in events).messages
    return [(one.role, one.text) for one in messages if one.text and not (one.discarded or one.removed)]


async def _frames(connection: ClientConnection) -> AsyncIterator[Wire]:
    with suppress(ConnectionClosed):
        async for data in connection:
            yield _strictly(data)


def _strictly(data: str | bytes) -> Wire:
    """Read a frame: one object of strict JSON, in UTF-8, as text."""
    assert isinstance(data, str), f"a frame of bytes came: {data[:80]!r}"
    data.encode()  # no half of an emoji
    frame = json.loads(data, parse_constant=_no_number)
    assert isinstance(frame, dict), f"a frame came that is no object: {data:.80}"
    return frame


def _no_number(word: str) -> Any:
    raise AssertionError(f"{word} came, which is no JSON")


async def until(is_so: Callable[[], bool]) -> None:
    """Let everything else run until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110  a reader that is let go tells nobody
            await asyncio.sleep(0)


def kinds(frames: Iterable[Wire]) -> list[str]:
    """Return the types of frames."""
    return [frame["type"] for frame in frames]
