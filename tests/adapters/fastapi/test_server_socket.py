"""A WebSocket reads while it streams, answers whatever comes, and leaves nothing behind however it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from langgraph.graph import MessagesState
from websockets.exceptions import InvalidStatus

from adapters.fastapi.reading_client import Client, Socket, serving
from agui.asking import graph_of, says
from langwire.adapters.fastapi import socket as sockets
from langwire.adapters.fastapi.router import langwire_router
from langwire.adapters.fastapi.threads import Threads
from langwire.sessions.adapter import SessionAdapter
from langwire.testing import Fault, Signal

Wire = dict[str, Any]


@asynccontextmanager
async def talking(agent: Any, **options: Any) -> AsyncGenerator[tuple[Client, str, Socket]]:
    """Serve an agent, and talk with a new thread of it."""
    async with serving(agent, **options) as client:
        thread = await client.thread()
        async with client.socket(thread) as socket:
            await socket.until("live")
            yield client, thread, socket


class Hand:
    """A socket whose server side is in our hand: nothing is read from it while it is `held`."""

    def __init__(self, app: Any, thread: str, **scope: Any) -> None:
        self.incoming: asyncio.Queue[Wire] = asyncio.Queue()
        self.sent: list[Wire] = []
        self.released = asyncio.Event()
        self.released.set()
        self._heard = asyncio.Event()
        path = f"/chat/threads/{thread}/socket"
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"origin", b"http://localhost")],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            **scope,
        }
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(self._scope, self._receive, self._send))

    @property
    def frames(self) -> list[Wire]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    async def seen(self, type: str) -> Wire:
        while True:
            for frame in self.frames:
                if frame["type"] == type:
                    return frame
            assert not self.task.done(), self.sent
            self._heard.clear()
            await self._heard.wait()

    def say(self, sent: Any) -> None:
        text = sent if isinstance(sent, str) else json.dumps(sent)
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    def hold(self) -> None:
        self.released.clear()

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def _receive(self) -> Wire:
        return await self.incoming.get()

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.released.wait()
        self.sent.append(message)
        self._heard.set()


@asynccontextmanager
async def in_hand(agent: Any, **options: Any) -> AsyncGenerator[tuple[FastAPI, str]]:
    """Make an app of an agent, and a thread; check that nothing runs any more at the end."""
    before = asyncio.all_tasks()
    app, router = FastAPI(), langwire_router(agent, **options)
    app.include_router(router, prefix="/chat")
    async with router.lifespan_context(app):
        yield app, await made(app)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def made(app: FastAPI) -> str:
    """Make a thread."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost/chat") as client:
        id: str = (await client.post("/threads", json={})).json()["thread_id"]
        return id


# ------------------------------------------------------------------ both ways


async def test_frames_go_out_while_commands_come_in() -> None:
    async with talking(says(["a", "b"])) as (_, thread, socket):
        assert socket.seen[0] == {
            "type": "hello",
            "protocol": 1,
            "thread_id": thread,
            "position": socket.seen[0]["position"],
        }
        ack = await socket.ask("submit", input="hi")
        assert (ack["type"], ack["ref"], ack["position"]) == ("ack", "ref 1", socket.seen[0]["position"])
        start, end = await socket.until("turn_start"), await socket.until("turn_end")
        assert start["turn_id"] == ack["turn_id"]
        assert end["outcome"] == "complete"
        assert (await socket.ask("ping")) == {"type": "pong", "ref": "ref 2"}


async def test_a_socket_tells_what_server_sent_events_tell() -> None:
    async with talking(says(["a", "b"])) as (client, thread, socket):
        async with client.events(thread) as events:
            await events.until("live")
            await socket.ask("submit", input="hi")
            await socket.until("turn_end")
            await events.until("turn_end")
        assert socket.entries == events.entries
        async with client.socket(thread, events.ids[4][0]) as again:
            assert (await again.receive())["type"] == "hello"
            assert await again.receive() == events.entries[4]


async def test_a_turn_is_cancelled_while_it_streams() -> None:
    """F-W1."""
    async with talking(says([str(number) for number in range(100)] + [Fault()])) as (_, _, socket):
        ack = await socket.ask("submit", input="hi")
        await socket.until("text_delta")
        assert (await socket.ask("cancel", turn_id=ack["turn_id"], reason="enough"))["stopped"] is True
        assert (await socket.until("turn_end"))["outcome"] == "cancelled"


async def test_commands_are_begun_in_their_order() -> None:
    async with talking(says(["a", Fault()])) as (_, _, socket):
        for number in range(20):
            await socket.send({"type": "submit", "ref": f"{number}", "input": "hi"})
            await socket.send({"type": "cancel", "ref": f"c{number}"})
            assert (await socket.until(lambda frame, ref=f"c{number}": frame.get("ref") == ref))["stopped"] is True  # type: ignore[misc]
            state = await socket.ask("continue", when_busy="reject")
            await socket.ask("cancel")
            assert state["type"] in ("ack", "error")


async def test_an_answer_does_not_wait_for_the_entries_before_it() -> None:
    async with in_hand(says([str(number) for number in range(200)])) as (app, thread):
        hand = Hand(app, thread)
        await hand.seen("live")
        hand.hold()
        hand.say({"type": "submit", "input": "hi"})
        hand.say({"type": "ping", "ref": "p"})
        for _ in range(50):
            await asyncio.sleep(0)
        hand.released.set()
        await hand.seen("turn_end")
        types = [frame["type"] for frame in hand.frames]
        assert types.index("pong") < types.index("text_delta")
        hand.leave()
        await hand.task


# ------------------------------------------------------------------ what is no command

BAD_FRAMES: list[tuple[Any, str]] = [
    (b"\x00\xff", "binary_frame"),
    (b"{}", "binary_frame"),
    ("", "invalid_json"),
    ("hello", "invalid_json"),
    ('{"type": "ping"', "invalid_json"),
    ('"\\ud83d"', "invalid_json"),
    ('{"type": "submit", "input": "\\ud83d"}', "invalid_json"),
    ("1e999", "invalid_json"),
    ("[]", "invalid_frame"),
    ('"x"', "invalid_frame"),
    ("1", "invalid_frame"),
    ("null", "invalid_frame"),
    ("{}", "invalid_frame"),
    ('{"type": "nothing"}', "invalid_frame"),
    ('{"type": 1}', "invalid_frame"),
    ('{"type": "ping", "more": 1}', "invalid_frame"),
    ('{"type": "ping", "ref": 1}', "invalid_frame"),
    ('{"type": "submit"}', "invalid_frame"),
    ('{"type": "cancel", "reason": "' + "x" * 501 + '"}', "invalid_frame"),
    ("[" * 100_000, "too_deep"),
    ('{"type": "submit", "input": ' + "[" * 70 + "]" * 70 + "}", "too_deep"),
    ('{"type": "ping", "ref": "' + "x" * 2**20 + '"}', "frame_too_large"),
    ("é" * 2**19 + "x", "frame_too_large"),
]


async def test_whatever_is_no_command_gets_an_error_and_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """F-W3, T-4, T-5."""
    monkeypatch.setattr(sockets, "BAD_FRAMES", (1000, 10.0))
    async with talking(says("one")) as (_, _, socket):
        for sent, code in BAD_FRAMES:
            await socket.send(sent)
            error = await socket.receive()
            assert (error["type"], error["code"]) == ("error", code), sent[:80]
            assert len(error["message"]) < 300
        assert (await socket.ask("ping"))["type"] == "pong"


async def test_a_bad_command_is_answered_under_its_ref() -> None:
    async with talking(says("one")) as (_, _, socket):
        for fields in {"more": 1}, {"input": [[]] * 3 + [json.loads("[" * 70 + "]" * 70)]}:
            assert (await socket.ask("submit", **fields))["type"] == "error"
        await socket.send({"type": "ping", "ref": "x" * 201})
        assert "ref" not in await socket.receive()


async def test_bad_frames_again_and_again_end_the_connection() -> None:
    """T-5."""
    async with talking(says("one")) as (_, _, socket):
        for _ in range(20):
            await socket.send("[]")
        await socket.rest()
        assert socket.types[3:] == ["error"] * 20
        assert (socket.code, socket.reason) == (1008, "too many bad frames")


async def test_bad_frames_in_a_longer_time_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """T-5."""
    monkeypatch.setattr(sockets, "BAD_FRAMES", (2, -1.0))
    async with talking(says("one")) as (_, _, socket):
        for _ in range(10):
            await socket.send("[]")
        assert (await socket.ask("ping"))["type"] == "pong"


async def test_too_many_commands_are_told_so_and_are_no_bad_frames() -> None:
    """T-4: who is too quick is not thrown out."""
    async with talking(says("one"), rate=(10, 600.0)) as (_, _, socket):
        answers = [await socket.ask("ping") for _ in range(40)]
    assert [answer["type"] for answer in answers[:4]] == ["pong"] * 4
    assert {answer["code"] for answer in answers[10:]} == {"too_many_requests"}
    assert answers[-1]["ref"] == "ref 40"


async def test_a_command_that_is_refused_says_why() -> None:
    async with talking(says(["a", Fault()])) as (_, _, socket):
        await socket.ask("submit", input="hi")
        await socket.until("text_delta")
        for command, code in (
            ({"type": "submit", "input": "again"}, "turn_running"),
            ({"type": "submit", "input": {"messages": []}}, "invalid_input"),
            ({"type": "cancel", "turn_id": "none"}, "unknown_turn"),
        ):
            assert (await socket.ask(**command))["code"] == code
        await socket.ask("cancel")


# ------------------------------------------------------------------ who stops when


def stubborn(released: Signal) -> Any:
    """A graph whose turn does not stop when it is asked to."""

    async def step(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await released

    return graph_of(MessagesState, step=step)


async def test_so_many_commands_are_done_at_once_and_no_more() -> None:
    released = Signal(30)
    async with talking(stubborn(released)) as (_, _, socket):
        await socket.ask("submit", input="hi")
        await socket.until("node_start")
        for _ in range(sockets.MAX_COMMANDS):
            await socket.send({"type": "cancel"})
        refused = await socket.ask("ping")
        assert (refused["type"], refused["code"]) == ("error", "too_many_commands")
        released.set()
        for _ in range(sockets.MAX_COMMANDS):
            await socket.until("ack")
        assert (await socket.ask("ping"))["type"] == "pong"


async def test_a_turn_that_nobody_reads_any_more_is_stopped() -> None:
    """F-W2: by policy, as soon as its client has left."""
    sessions = SessionAdapter(says(["a", Fault()]))
    async with sessions, talking(sessions, abandon_after=0) as (_, thread, socket):
        await socket.ask("submit", input="hi")
        await socket.until("text_delta")
        turn = sessions.get(thread).turn
        assert turn is not None
        await socket.connection.close()
        assert (await turn.wait()).outcome == "cancelled"


async def test_a_turn_may_go_on_without_its_reader_who_comes_back_for_the_rest() -> None:
    """F-W2."""
    hang = Fault()
    async with serving(says(["a", hang, "b"]), abandon_after=None) as client:
        thread = await client.thread()
        async with client.socket(thread) as socket:
            await socket.ask("submit", input="hi")
            await socket.until("text_delta")
        hang.release()
        async with client.socket(thread, socket.position) as again:
            await again.until("turn_end")
    numbers = [entry["seq"] for entry in socket.entries + again.entries]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_command_that_was_taken_is_done_without_its_client() -> None:
    """F-W2: what was under way when the client left."""
    released = Signal(30)
    async with SessionAdapter(stubborn(released)) as sessions, in_hand(sessions, abandon_after=None) as (app, thread):
        hand = Hand(app, thread)
        hand.say({"type": "submit", "input": "hi"})
        await hand.seen("node_start")
        hand.say({"type": "cancel", "ref": "c"})
        hand.leave()
        await asyncio.sleep(0)
        assert not hand.task.done()
        released.set()
        await hand.task
        assert sessions.get(thread).outcome == "cancelled"
        assert not any(frame.get("ref") == "c" for frame in hand.frames)
        assert hand.sent[-1]["type"] == "websocket.send"  # nobody is there to be told of a close


async def test_a_client_that_takes_nothing_is_dropped_and_holds_nobody_up() -> None:
    """F-W6, T-6."""
    async with in_hand(says([str(number) for number in range(100)]), send_timeout=0.05) as (app, thread):
        slow, other = Hand(app, thread), Hand(app, thread)
        await slow.seen("live")
        slow.hold()
        slow.say({"type": "ping"})
        other.say({"type": "submit", "input": "hi"})
        await other.seen("turn_end")
        await slow.task
        assert slow.sent[-1] == {"type": "websocket.close", "code": 1013, "reason": "too_slow"}
        assert "turn_end" not in [frame["type"] for frame in slow.frames]
        other.leave()
        await other.task


async def test_a_client_that_cannot_even_be_told_is_dropped_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """T-6."""
    monkeypatch.setattr(sockets, "_CLOSE_WITHIN", 0.01)

    class Full(Hand):
        async def _send(self, message: Any) -> None:
            await self.released.wait()
            await super()._send(message)

    async with in_hand(says("one"), send_timeout=0.02) as (app, thread):
        hand = Full(app, thread)
        await hand.seen("live")
        hand.hold()
        hand.say({"type": "ping"})
        await hand.task
        assert hand.sent[-1]["type"] == "websocket.send"


async def test_a_client_that_takes_its_time_is_not_dropped() -> None:
    """T-6: slow is who takes nothing at all."""
    async with in_hand(says("one"), send_timeout=0.02) as (app, thread):
        hand = Hand(app, thread)
        await hand.seen("live")
        for number in range(3):
            await asyncio.sleep(0.03)  # several looks of the timer, with nothing under way
            hand.say({"type": "ping", "ref": str(number)})
        await hand.seen("pong")
        assert not hand.task.done()
        hand.leave()
        await hand.task


@pytest.mark.parametrize("times", [1, 2])
async def test_a_connection_that_is_cancelled_leaves_nothing_behind(times: int) -> None:
    async with in_hand(says(["a", Fault()])) as (app, thread):
        hand = Hand(app, thread)
        hand.say({"type": "submit", "input": "hi"})
        await hand.seen("text_delta")
        for _ in range(times):
            hand.task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await hand.task
        hand = Hand(app, thread)
        await hand.seen("text_delta")
        hand.leave()
        await hand.task


async def test_a_connection_that_breaks_off_while_it_is_sent_to_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Hand):
        async def _send(self, message: Any) -> None:
            if not self.released.is_set():
                raise OSError("gone")
            await super()._send(message)

    async with in_hand(says("one")) as (app, thread):
        hand = Broken(app, thread)
        await hand.seen("live")
        hand.hold()
        hand.say("[]")  # its answer meets the end first
        hand.say({"type": "submit", "input": "hi"})
        await hand.task
        for _ in range(20):  # while an answer closes the connection
            hand = Broken(app, thread)
            await hand.seen("live")
            for _ in range(20):
                hand.say("[]")
            hand.hold()
            await hand.task
            assert hand.sent[-1]["type"] == "websocket.send"
    assert caplog.records == []


async def test_nothing_is_sent_to_who_has_left(caplog: pytest.LogCaptureFixture) -> None:
    """Some servers raise then, and not what stands for a client that has left."""

    class Strict(Hand):
        gone = False

        async def _receive(self) -> Wire:
            message = await super()._receive()
            self.gone = message["type"] == "websocket.disconnect"
            return message

        async def _send(self, message: Any) -> None:
            if self.gone:
                raise RuntimeError("unexpected message")
            await super()._send(message)

    class Endless(Threads):
        async def read(self, session: Any, after: str | None) -> AsyncGenerator[Any]:
            while True:
                yield ((None, b'{"type":"hello"}'),)

    async with SessionAdapter(says("one")) as sessions, in_hand(Endless(sessions)) as (app, thread):
        hand = Strict(app, thread)
        await hand.seen("hello")
        hand.leave()
        await hand.task
    assert caplog.records == []


# ------------------------------------------------------------------ how it ends


async def test_a_thread_that_is_deleted_closes_its_sockets() -> None:
    async with talking(says("one")) as (client, thread, socket):
        await client.http.delete(f"{client.address}/threads/{thread}")
        assert (await socket.rest())[-1] == {"type": "closed", "reason": "deleted"}
        assert (socket.code, socket.reason) == (1000, "deleted")


async def test_a_server_that_stops_closes_its_sockets() -> None:
    sessions = SessionAdapter(says(["a", Fault()]))
    async with talking(sessions) as (_, _, socket):
        await socket.ask("submit", input="hi")
        await socket.until("text_delta")
        await sessions.close()
        assert (await socket.rest())[-1] == {"type": "closed", "reason": "shutting_down"}
        assert (socket.code, socket.reason) == (1012, "shutting_down")


@pytest.mark.parametrize("steps", range(8))
async def test_nothing_comes_after_the_last_frame(steps: int) -> None:
    """An answer that is ready just then comes before it, or not at all."""

    class Closing(Threads):
        ready = asyncio.Event()

        async def do(self, session: Any, command: Any, principal: str | None) -> Any:
            await self.ready.wait()
            return await super().do(session, command, principal)

        async def read(self, session: Any, after: str | None) -> AsyncGenerator[Any]:
            yield ((None, b'{"type":"hello"}'),)
            await asked.wait()
            self.ready.set()
            for _ in range(steps):
                await asyncio.sleep(0)
            yield ((None, b'{"type":"closed","reason":"deleted"}'),)

    asked = asyncio.Event()
    async with SessionAdapter(says("one")) as sessions, in_hand(Closing(sessions)) as (app, thread):
        hand = Hand(app, thread)
        await hand.seen("hello")
        hand.say({"type": "ping"})
        for _ in range(5):
            await asyncio.sleep(0)
        asked.set()
        await hand.task
    assert hand.frames[-1]["type"] == "closed"


async def test_what_fails_here_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """T-15."""

    class Failing(Threads):
        async def read(self, session: Any, after: str | None) -> AsyncGenerator[Any]:
            yield ((None, b'{"type":"hello"}'),)
            raise RuntimeError("hunter2")

    async with SessionAdapter(says("one")) as sessions, in_hand(Failing(sessions)) as (app, thread):
        hand = Hand(app, thread)
        await hand.task
    error = hand.frames[-1]
    assert (error["type"], error["code"]) == ("error", "internal_error")
    assert hand.sent[-1] == {"type": "websocket.close", "code": 1011, "reason": "internal_error"}
    assert "hunter2" not in str(hand.sent)
    assert error["id"] in caplog.text
    assert "hunter2" in caplog.text


async def test_a_command_that_fails_here_is_told_without_its_text_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """T-15."""

    def read(_: Any) -> Any:
        raise RuntimeError("hunter2")

    async with talking(says("one"), read_input=read) as (_, _, socket):
        error = await socket.ask("submit", input="hi")
        assert (await socket.ask("ping"))["type"] == "pong"
    assert (error["code"], "hunter2" in str(error)) == ("internal_error", False)
    assert error["id"] in caplog.text


# ------------------------------------------------------------------ who is not let in


async def refused(client: Client, thread: str, after: str | None = None, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with client.socket(thread, after, **options):
            pass
    response = caught.value.response
    assert response.headers["content-type"] == "application/json"
    return response.status_code, json.loads(response.body)["error"]["code"]


async def test_who_is_not_let_in_is_told_why_before_anything_is_accepted() -> None:
    """F-W4, T-1, T-2, T-4."""
    async with talking(says("one"), max_connections=1) as (client, thread, _):
        assert await refused(client, thread, origin="https://evil.example") == (403, "origin_not_allowed")
        assert await refused(client, "none") == (404, "unknown_thread")
        assert await refused(client, thread, "nowhere") == (400, "invalid_position")
        assert await refused(client, thread) == (429, "too_many_connections")


async def test_a_server_that_can_only_close_does() -> None:
    async with in_hand(says("one")) as (app, _):
        hand = Hand(app, "none", extensions={})
        await hand.task
    assert [message["type"] for message in hand.sent] == ["websocket.close"]


async def test_a_place_is_given_back_when_a_socket_ends() -> None:
    """T-4."""
    async with in_hand(says("one"), max_connections=1) as (app, thread):
        for _ in range(3):
            hand = Hand(app, thread)
            await hand.seen("live")
            hand.leave()
            await hand.task


async def test_many_frames_at_once_let_others_have_their_turn() -> None:
    """T-6: a long past that goes into the system's buffers without ever waiting."""

    class Long(Threads):
        async def read(self, session: Any, after: str | None) -> AsyncGenerator[Any]:
            for _ in range(1000):
                yield ((None, b"{}"),)
            yield ((None, b'{"type":"closed","reason":"deleted"}'),)

    async with SessionAdapter(says("one")) as sessions, in_hand(Long(sessions)) as (app, thread):
        hand, turns = Hand(app, thread), 0
        while not hand.task.done():
            await asyncio.sleep(0)
            turns += bool(hand.frames)
    assert turns >= 1000 // sockets.AT_ONCE
