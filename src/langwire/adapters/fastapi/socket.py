"""Knows how a client and a thread talk over a WebSocket: frames go out, commands come in, each in its own time.

One task reads the thread and writes its frames, one receives, and each command is done by a task of its own, made in
the order in which they came. Each sends by itself: so a frame costs no more than its sending, and an answer waits for
one frame at most. Whatever ends first ends all: the client leaves or does not read, the thread's log is
closed, something fails here, or what is sent is wrong again and again. What was begun by then is done to its end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from langwire.adapters._shared import correlation
from langwire.adapters._shared.refusals import Refused, refusal_of
from langwire.adapters._shared.streaming import to_its_end
from langwire.adapters._shared.web import deny, problem_of, report
from langwire.adapters.fastapi.protocol import Ack, AnyCommand, Closed, ClosedReason, Error, Pong
from langwire.adapters.fastapi.reading import AT_ONCE
from langwire.adapters.fastapi.sent import read_as, read_json, read_position, ref_of

from starlette.websockets import WebSocket, WebSocketDisconnect  # isort: skip  after `web`, which says what is missing

if TYPE_CHECKING:
    from langwire.adapters._shared.gate import Gate, Visitor
    from langwire.adapters.fastapi.threads import Threads
    from langwire.sessions.session import Session

BAD_FRAMES = (20, 10.0)
"""So many frames that are not taken, in so many seconds, end a connection."""
MAX_COMMANDS = 16
"""So many commands of a connection are done at once."""
_CLOSE_WITHIN = 1.0
"""So many seconds a client has to take the close frame."""
_CODES: dict[ClosedReason, int] = {"deleted": 1000, "shutting_down": 1012}

_End: TypeAlias = tuple[int, str] | None
"""The code and reason with which a connection is closed; None where the client has left."""
_TOO_SLOW: _End = (1013, "too_slow")


async def serve_socket(
    websocket: WebSocket, thread_id: str, threads: Threads, gate: Gate, *, max_frame: int, send_timeout: float
) -> None:
    """Serve a thread over a WebSocket to its end, or refuse it before it is accepted.

    A frame that comes may have `max_frame` bytes; a client that takes nothing for `send_timeout` seconds is dropped.
    """
    redactor = threads.sessions.options.redactor
    visitor = await gate.socket_visitor(websocket, redactor=redactor)
    if visitor is None:
        return
    with ExitStack() as held:
        try:
            session = await threads.session(thread_id, visitor.principal)
            after = read_position(session, websocket.query_params.get("after"))
            held.enter_context(gate.connection(visitor))
        except Exception as error:
            denial = problem_of(error, redactor=redactor)
            await deny(denial, websocket.scope, websocket.receive, websocket.send)
            return
        await websocket.accept()
        talk = _Talk(websocket, session, threads, gate, visitor, max_frame=max_frame, send_timeout=send_timeout)
        await talk.run(after)


class _Talk:
    """One connection that was accepted.

    A single timer looks after slow readers; it looks at what was noted, and is not set anew by what is sent.
    """

    def __init__(
        self,
        websocket: WebSocket,
        session: Session,
        threads: Threads,
        gate: Gate,
        visitor: Visitor,
        *,
        max_frame: int,
        send_timeout: float,
    ) -> None:
        self._websocket, self._session, self._threads = websocket, session, threads
        self._gate, self._visitor = gate, visitor
        self._max_frame, self._send_timeout = max_frame, send_timeout
        self._redactor = threads.sessions.options.redactor
        self._loop = asyncio.get_running_loop()
        self._over = False
        """Nothing is sent any more."""
        self._under_way = 0
        """How many frames are being sent."""
        self._since = 0.0
        """Since when the client has taken nothing, while there are any."""
        self._bad: deque[float] = deque(maxlen=BAD_FRAMES[0])
        """When the last frames came that were not taken."""
        self._doing: set[asyncio.Task[bytes]] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._too_slow: asyncio.Future[_End] = self._loop.create_future()
        self._timer = self._loop.call_later(send_timeout, self._look)

    async def run(self, after: str | None) -> None:
        """Talk until something ends it; nothing is left running then."""
        tasks = [asyncio.create_task(self._tell(after)), asyncio.create_task(self._listen())]
        end: _End = None
        try:
            ends: list[asyncio.Future[_End]] = [*tasks, self._too_slow]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            end = next(one for one in ends if one.done()).result()
            if end == _TOO_SLOW:
                correlation.note(ended="too_slow")
        finally:
            await to_its_end(self._close(tasks, end))

    async def _close(self, tasks: list[asyncio.Task[_End]], end: _End) -> None:
        self._timer.cancel()
        stopped = [*tasks, *self._answering]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        if end is not None:
            # A client that has left by now is told of in several ways.
            with suppress(OSError, RuntimeError, TimeoutError, WebSocketDisconnect):
                async with asyncio.timeout(_CLOSE_WITHIN):
                    await self._websocket.close(*end)
        if self._doing:
            await asyncio.wait(self._doing)

    # -------------------------------------------------------------- what goes out

    async def _tell(self, after: str | None) -> _End:
        """Send the frames of the thread."""
        try:
            line, count = b"", 0
            async with aclosing(self._threads.read(self._session, after)) as frames:
                async for told in frames:
                    for _, line in told:
                        await self._send(line)
                        if self._under_way:
                            await asyncio.sleep(0)  # an answer waits
                    if self._over:
                        return None
                    count += len(told)
                    if count >= AT_ONCE:
                        count = 0
                        await asyncio.sleep(0)  # others have waited, while this may have waited for nothing
            reason = msgspec.json.decode(line, type=Closed).reason
            end = _CODES[reason], str(reason)
        except Exception as error:
            await self._send(_encoded(self._error(error, None)))
            end = 1011, "internal_error"
        self._over = True  # that was the last frame
        return end

    async def _send(self, line: bytes) -> None:
        if self._over:
            return
        if not self._under_way:
            self._since = self._loop.time()
        self._under_way += 1
        try:
            await self._websocket.send({"type": "websocket.send", "text": line.decode()})
        except WebSocketDisconnect:  # whoever receives will be told as well
            self._over = True
        finally:
            self._under_way -= 1
            self._since = self._loop.time()

    def _look(self) -> None:
        now = self._loop.time()
        due = (self._since if self._under_way else now) + self._send_timeout
        if due <= now:
            self._too_slow.set_result(_TOO_SLOW)
        else:
            self._timer = self._loop.call_at(due, self._look)

    # -------------------------------------------------------------- what comes in

    async def _listen(self) -> _End:
        """Take what the client sends, until it leaves."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self._over = True
                return None
            if not await self._take(message) and self._is_enough():
                return 1008, "too many bad frames"

    async def _take(self, message: Any) -> bool:
        """Begin with the command of a frame, or say why not; return whether the frame was good."""
        ref: str | None = None
        try:
            value = read_json(self._text(message))
            ref = ref_of(value)
            command = read_as(value, cast("type[AnyCommand]", AnyCommand), "invalid_frame")
        except Refused as refused:
            correlation.bad_frame(refused.code)
            await self._send(_encoded(self._error(refused, ref)))
            return False
        try:
            self._gate.count(self._visitor)
            if len(self._answering) >= MAX_COMMANDS:
                busy = f"{MAX_COMMANDS} commands are being done: wait for an answer"
                raise Refused(429, "too_many_commands", busy)
        except Refused as refused:
            await self._send(_encoded(self._error(refused, ref)))
        else:
            self._begin(command)
        return True

    def _text(self, message: Any) -> str:
        text: str | None = message.get("text")
        if text is None:
            raise Refused(422, "binary_frame", "a binary frame came: expected text that is JSON")
        # No character takes more than four bytes, so that most frames need not be counted.
        if len(text) * 4 > self._max_frame and len(text.encode(errors="replace")) > self._max_frame:
            raise Refused(413, "frame_too_large", f"the frame is larger than {self._max_frame} bytes")
        return text

    def _is_enough(self) -> bool:
        """Count a bad frame; return whether that was one too many."""
        number, seconds = BAD_FRAMES
        now = self._loop.time()
        self._bad.append(now)
        return len(self._bad) == number and now - self._bad[0] <= seconds

    # -------------------------------------------------------------- commands

    def _begin(self, command: AnyCommand) -> None:
        """Have a command done, whatever becomes of the connection, and answered as long as there is one."""
        doing = asyncio.create_task(self._done(command))
        answering = asyncio.create_task(self._answer_when(doing))
        self._doing.add(doing)
        self._answering.add(answering)
        doing.add_done_callback(self._doing.discard)
        answering.add_done_callback(self._answering.discard)

    async def _done(self, command: AnyCommand) -> bytes:
        try:
            return _encoded(await self._threads.do(self._session, command, self._visitor.principal))
        except Exception as error:
            return _encoded(self._error(error, command.ref))

    async def _answer_when(self, doing: asyncio.Task[bytes]) -> None:
        await asyncio.wait([doing])  # unlike awaiting it, leaves it alone when this is cancelled
        await self._send(doing.result())

    def _error(self, error: Exception, ref: str | None) -> Error:
        refused = refusal_of(error)
        if refused is not None:
            return Error(code=refused.code, message=str(refused.detail), ref=ref, retry_after=refused.retry_after)
        message = "something went wrong here: its id finds it in the log"
        return Error(code="internal_error", message=message, ref=ref, id=report(error, redactor=self._redactor))


def _encoded(frame: Ack | Pong | Error) -> bytes:
    return msgspec.json.encode(frame)
