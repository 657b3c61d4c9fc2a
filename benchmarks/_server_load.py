"""Clients of a server, as light as they can be: they cut what comes into lines or frames, and note when a word came.

Both servers have the same addresses, but what a client does there differs: the bare one answers what was said, ours is
read apart from that. So a client here is what it sends and what it waits for.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from benchmarks._server_side import WORD, Usage

HOST = "127.0.0.1"
RECEIVE_BUFFER = 4096
"""What the system takes for a client that does not read, in bytes: the least."""
CALM, LOOK = 0.1, 0.2
"""A server that uses less than this part of a core is calm; so often one looks, in seconds."""
_ENDS = (b'{"end":true}', b'"type":"turn_end"')
_TEXT, _PING, _CLOSE = 0x81, 0x89, 0x88
_MASK = b"\0\0\0\0"
"""A client must mask what it sends; with this the bytes stay as they are."""


class Place(NamedTuple):
    """A thread, and the position after which it is read: all of it without one. The bare server knows no threads."""

    thread_id: str = ""
    after: str = ""


class Told(NamedTuple):
    """What a client was told of a turn: how long it waited for the first word, and for each one after that, in s."""

    first: float
    gaps: list[float]


# ------------------------------------------------------------------ what comes


class Reader(asyncio.Protocol):
    """A connection that sends its opening, and reads server-sent events, or JSON lines.

    `ready` is done with the first line that holds `greeting`, `ended` with the end of the turn.
    """

    status = b" 200 "

    def __init__(self, opening: bytes, greeting: bytes = b"") -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.came: list[float] = []
        """When each word came."""
        self._loop, self._opening, self._greeting = loop, opening, greeting
        self._head = b""
        self._buffer = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._opening)

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in (self.ready, self.ended):
            if not waiting.done():
                waiting.set_exception(ConnectionError(f"the server has hung up: {exc}, after {self._head[:200]!r}"))
                waiting.exception()  # whoever waits gets it, and it is no matter where nobody does

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._head and not self._begun():
            return
        now = self._loop.time()
        for line in self.lines(self._buffer):
            if not self.ready.done() and self._greeting in line:
                self.ready.set_result(None)
            if words := line.count(WORD):
                self.came += [now] * words
            elif any(end in line for end in _ENDS) and not self.ended.done():
                self.ended.set_result(None)

    def _begun(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        self._head, self._buffer = bytes(head), rest
        if self.status not in self._head.partition(b"\r\n")[0]:
            self.transport.abort()
            return False
        if not self._greeting:
            self.ready.set_result(None)
        return True

    def lines(self, buffer: bytearray) -> Iterator[bytes]:
        """Take the whole lines out of what has come. Those that only frame the others are let through."""
        end = buffer.rfind(b"\n") + 1
        whole = bytes(buffer[:end])
        del buffer[:end]
        yield from whole.splitlines()

    def say(self, text: bytes) -> None:
        """Send a text on the connection itself."""
        raise NotImplementedError


class SocketReader(Reader):
    """A connection that reads the frames of a WebSocket."""

    status = b" 101 "

    def lines(self, buffer: bytearray) -> Iterator[bytes]:
        """Take the whole frames out of what has come, and answer those that ask whether we are still here."""
        while (frame := _frame(buffer)) is not None:
            kind, payload = frame
            if kind == _TEXT:
                yield payload
            elif kind == _PING:
                self.transport.write(bytes([0x8A, 0x80 | len(payload)]) + _MASK + payload)
            elif kind == _CLOSE:
                self.transport.abort()

    def say(self, text: bytes) -> None:
        self.transport.write(bytes([_TEXT, 0xFE]) + len(text).to_bytes(2, "big") + _MASK + text)


def _frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take the first frame out of what has come, once all of it has. A server's are not masked."""
    if len(buffer) < 2:
        return None
    size, at = buffer[1], 2
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(buffer[2:at], "big")
    if len(buffer) < at + size:
        return None
    kind, payload = buffer[0], bytes(buffer[at : at + size])
    del buffer[: at + size]
    return kind, payload


class Deaf(asyncio.Protocol):
    """A connection that sends its opening, and never reads."""

    def __init__(self, opening: bytes) -> None:
        self._opening = opening

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.pause_reading()
        transport.write(self._opening)


# ------------------------------------------------------------------ what is asked


class Address(NamedTuple):
    """Where a server listens, and which of the two it is."""

    port: int
    ours: bool

    async def listen(self, place: Place, *, socket: bool) -> Reader:
        """Open a connection that has read what a thread holds, or waits for the bare server to be told something."""
        # From a position on nothing of the past is told.
        greeting = b'"type":"hello"' if place.after else b'"type":"live"' if self.ours else b""
        kind = SocketReader if socket else Reader
        return await self._opened(kind(self._reading(place, socket=socket), greeting))

    async def _opened(self, reader: Reader) -> Reader:
        await asyncio.get_running_loop().create_connection(lambda: reader, HOST, self.port)
        await reader.ready
        return reader

    async def never_read(self, place: Place, *, socket: bool) -> Deaf:
        """Open a connection to a thread that nobody reads."""
        sock, loop = _small_socket(), asyncio.get_running_loop()
        await loop.sock_connect(sock, (HOST, self.port))
        _, deaf = await loop.create_connection(lambda: Deaf(self._reading(place, socket=socket)), sock=sock)
        return deaf

    def _reading(self, place: Place, *, socket: bool) -> bytes:
        where = f"threads/{place.thread_id}/" if self.ours else ""
        after = f"?after={place.after}" if place.after else ""
        path = f"/v1/{where}{'socket' if socket else 'events'}{after}"
        return self._upgrade(path) if socket else self._request("GET", path)

    async def new_thread(self) -> Place:
        """Make a thread; the bare server makes one for each turn."""
        return Place((await self.ask("POST", "/v1/threads", {}))["thread_id"]) if self.ours else Place()

    async def end_of(self, place: Place) -> Place:
        """Return where a thread ends."""
        state = await self.ask("GET", f"/v1/threads/{place.thread_id}")
        return place._replace(after=state["position"])

    async def usage(self) -> Usage:
        """Return what the server has used."""
        return msgspec.convert(await self.ask("GET", "/usage"), Usage)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, and return the JSON that answers it. Raises `ConnectionError` for a refusal."""
        reading, writing = await asyncio.open_connection(HOST, self.port)
        writing.write(self._request(method, path, body, close=True))
        head, _, answer = (await reading.read()).partition(b"\r\n\r\n")
        writing.close()
        await writing.wait_closed()
        if not head.startswith(b"HTTP/1.1 2"):
            raise ConnectionError(f"{method} {path} was answered with {head[:40]!r} {answer[:200]!r}: expected 2xx")
        return msgspec.json.decode(answer)

    def _request(self, method: str, path: str, body: Any = None, *, close: bool = False) -> bytes:
        content = b"" if body is None else msgspec.json.encode(body)
        more = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n" if content else ""
        more += "connection: close\r\n" if close else ""
        return f"{method} {path} HTTP/1.1\r\nhost: {HOST}:{self.port}\r\n{more}\r\n".encode() + content

    def _upgrade(self, path: str) -> bytes:
        return (
            f"GET {path} HTTP/1.1\r\nhost: {HOST}:{self.port}\r\norigin: http://{HOST}:{self.port}\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()

    # -------------------------------------------------------------- turns

    async def converse(self, place: Place, words: int, *, socket: bool, after: float = 0.0) -> Told:
        """Wait `after` seconds, then play one turn and read all of it.

        Raises `ConnectionError` when words are missing.
        """
        await asyncio.sleep(after)
        if self.ours or socket:
            reader = await self.listen(place, socket=socket)
            began = asyncio.get_running_loop().time()
            if socket:
                reader.say(msgspec.json.encode({"type": "submit", "input": "hi"} if self.ours else {"input": "hi"}))
            else:
                await self.ask("POST", f"/v1/threads/{place.thread_id}/submit", {"input": "hi"})
        else:
            began = asyncio.get_running_loop().time()
            reader = await self._opened(Reader(self._request("POST", "/v1/submit", {"input": "hi"})))
        try:
            await reader.ended
        finally:
            reader.transport.abort()
        came = reader.came
        if len(came) != words:
            raise ConnectionError(f"a turn of {words} words was told with {len(came)}: expected all of them")
        return Told(came[0] - began, [later - earlier for earlier, later in pairwise(came)])

    async def calm(self) -> Usage:
        """Wait until the server has nothing to do, let it clean up, and return what it has used."""
        before = await self.usage()
        while True:
            await asyncio.sleep(LOOK)
            now = await self.usage()
            if now.cpu - before.cpu < CALM * LOOK:
                return msgspec.convert(await self.ask("POST", "/rest"), Usage)
            before = now


def _small_socket() -> socket.socket:
    """Return a socket for which the system takes as little as it can; it must know before it is connected."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    small.setblocking(False)
    return small
