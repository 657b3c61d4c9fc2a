"""Knows how a long stream is written out: joined, kept alive, and let go of when nobody reads.

`frames` is an async iterator of `bytes`, each one or more whole frames. It is read by a task of its own: what it yields
without waiting in between goes out as one chunk, so nothing is gained by joining frames before, or by batches. A source
that has joined already what is there together says so: then one task reads and writes, which spares a switch a token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from langwire.adapters._shared import correlation
from langwire.adapters._shared.web import HEADERS, report

from starlette.responses import Response  # isort: skip  after `web`, which says what is missing

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send

    from langwire.core.redaction import Redactor

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_AFTER = 15.0
SEND_TIMEOUT = 30.0
_MOST = 2**16
"""So many bytes wait for a reader before the frames do."""

Closed: TypeAlias = correlation.Ended
"""How a stream came to its end. `failed` is what `frames` raised."""


class Stream(Response):
    """A response whose `frames` go out as they come, with what else a long stream needs.

    `keep_alive` is sent after `keep_alive_after` seconds of silence (nothing, where it is None), so that whatever lies
    between does not close the connection. A client that does not take what it is sent within `send_timeout` seconds
    is dropped, one that leaves is noticed at once. `joined` says that `frames` joins what is there together. `on_close`
    is awaited exactly once, with how it came to an end, when `frames` has been closed. What `frames` raises goes to the
    log, and the connection is broken off.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        media_type: str,
        on_close: Callable[[Closed], Awaitable[None]] | None = None,
        keep_alive: bytes | None = None,
        keep_alive_after: float = KEEP_ALIVE_AFTER,
        send_timeout: float = SEND_TIMEOUT,
        joined: bool = False,
        redactor: Redactor | None = None,
    ) -> None:
        # Starlette would add a charset to a type of text, and clients compare the type as a whole.
        headers = {
            **HEADERS,
            "content-type": media_type,
            "cache-control": "no-cache, no-store, no-transform",
            "x-accel-buffering": "no",
        }
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers(headers)
        self.frames, self.joined, self.redactor = frames, joined, redactor
        self.keep_alive, self.keep_alive_after, self.send_timeout = keep_alive, keep_alive_after, send_timeout
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = _Writing(self, receive, send)
        closed: Closed = "cancelled"
        try:
            closed = await writing.ended()
        finally:
            await to_its_end(self._close(writing, closed))
        if self.background is not None:
            await self.background()

    async def _close(self, writing: _Writing, closed: Closed) -> None:
        await writing.close()
        correlation.note(ended=closed)
        if self._on_close is not None:
            try:
                await self._on_close(closed)
            except Exception as error:
                report(error, redactor=self.redactor)


def sse(
    frames: AsyncIterator[bytes],
    *,
    on_close: Callable[[Closed], Awaitable[None]] | None = None,
    keep_alive_after: float = KEEP_ALIVE_AFTER,
    send_timeout: float = SEND_TIMEOUT,
    joined: bool = False,
    redactor: Redactor | None = None,
) -> Stream:
    """Return a `Stream` of server-sent events: whole frames that end with an empty line, LF alone."""
    return Stream(
        frames,
        media_type="text/event-stream",
        on_close=on_close,
        keep_alive=KEEP_ALIVE,
        keep_alive_after=keep_alive_after,
        send_timeout=send_timeout,
        joined=joined,
        redactor=redactor,
    )


class _Writing:
    """One stream on its way out. One task reads the frames, one writes what waits, one listens for the client's leave.

    Of frames that are joined already the first one writes each by itself; the second has the beginning, the silences
    and the end.

    A single timer looks after silence and slow readers. It looks at what was noted, and is not set anew by what is
    sent: so neither costs anything for a frame.
    """

    def __init__(self, stream: Stream, receive: Receive, send: Send) -> None:
        self._stream, self._receive, self._send = stream, receive, send
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._size = 0
        self._read: Closed | None = None
        """How `frames` ended, once it has."""
        self._woken: asyncio.Future[None] | None = None
        """What the writer waits for, while nothing else does. An `asyncio.Event` takes twice as long."""
        self._room, self._started = asyncio.Event(), asyncio.Event()
        self._too_slow = self._loop.create_future()
        self._sending: float | None = None
        """Since when a chunk is on its way."""
        self._quiet = self._loop.time()
        """Since when nothing is."""
        self._tick = min(stream.keep_alive_after, stream.send_timeout)
        self._timer = self._loop.call_later(self._tick, self._look)
        self._reader = asyncio.create_task(self._read_frames())
        self._writer = asyncio.create_task(self._write())
        self._listener = asyncio.create_task(self._listen())

    async def ended(self) -> Closed:
        """Wait for the end, and return how it came about."""
        ends = (self._writer, self._listener, self._too_slow)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self._writer.done():
            return self._writer.result()
        return "too_slow" if self._too_slow.done() else "disconnected"

    async def close(self) -> None:
        """Stop what still runs, and wait until it has."""
        self._timer.cancel()
        tasks = (self._reader, self._writer, self._listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -------------------------------------------------------------- tasks

    async def _read_frames(self) -> None:
        frames = self._stream.frames
        try:
            self._read = await (self._pass_on(frames) if self._stream.joined else self._put_by(frames))
        except Exception as error:
            self._read = "failed"
            report(error, redactor=self._stream.redactor)
        finally:
            self._wake()
            close = getattr(frames, "aclose", None)
            if close is not None:
                await close()

    async def _put_by(self, frames: AsyncIterator[bytes]) -> Closed:
        waiting = self._waiting
        async for frame in frames:
            waiting.append(frame)
            self._size += len(frame)
            if self._woken is not None:
                self._wake()
            if self._size >= _MOST:
                self._room.clear()
                await self._room.wait()
        return "done"

    async def _pass_on(self, frames: AsyncIterator[bytes]) -> Closed:
        await self._started.wait()
        async for frame in frames:
            try:
                await self._out({"type": "http.response.body", "body": frame, "more_body": True})
            except OSError:
                return "disconnected"
        return "done"

    async def _write(self) -> Closed:
        stream = self._stream
        try:
            await self._out({"type": "http.response.start", "status": 200, "headers": stream.raw_headers})
            self._started.set()
            while self._waiting or self._read is None:
                if not self._waiting:
                    self._woken = self._loop.create_future()
                    await self._woken
                    continue
                chunk = b"".join(self._waiting)
                self._waiting.clear()
                if self._size >= _MOST:
                    self._room.set()
                self._size = 0
                await self._out({"type": "http.response.body", "body": chunk, "more_body": True})
            if self._read == "done":
                await self._out({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # how some servers say that the client has left
            return "disconnected"
        return self._read

    async def _out(self, message: dict[str, Any]) -> None:
        self._sending = self._loop.time()
        await self._send(message)
        self._sending, self._quiet = None, self._loop.time()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
        self._woken = None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    # -------------------------------------------------------------- time

    def _look(self) -> None:
        now, stream = self._loop.time(), self._stream
        due = now + self._tick  # nothing that begins from now on can be due before that
        if self._sending is not None:
            if now - self._sending >= stream.send_timeout:
                self._too_slow.set_result(None)
                return
            due = min(due, self._sending + stream.send_timeout)
        elif stream.keep_alive is not None:
            if now - self._quiet >= stream.keep_alive_after:
                self._waiting.append(stream.keep_alive)
                self._wake()
                self._quiet = now
            due = min(due, self._quiet + stream.keep_alive_after)
        self._timer = self._loop.call_at(due, self._look)


async def to_its_end(doing: Awaitable[None]) -> None:
    """Await something that must be done, also when we are cancelled, once or again and again; then pass that on."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
