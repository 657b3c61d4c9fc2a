"""What other servers of LangGraph fail at, over real sockets: F-W1 to F-W6 of the failures that were measured."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import MessagesState
from langgraph.prebuilt import ToolNode
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from langwire.adapters.fastapi import Shown
from server.wire_agents import Server, Stepwise, graph_of, says, serving
from server.wire_client import Events, Page, Person, Reading, Socket, kinds, until

BOTH = pytest.mark.parametrize("way", ["socket", "events"])


@asynccontextmanager
async def reading(person: Person, way: str, thread: str, page: Page | None = None) -> AsyncIterator[Reading]:
    """Read a thread in one of the two ways."""
    async with getattr(person, way)(thread, page) as reader:
        yield reader


async def cut(reader: Reading) -> None:
    """Break a connection off, whichever it is."""
    if isinstance(reader, Socket):
        reader.cut()
    elif isinstance(reader, Events):
        await reader.cut()


# ------------------------------------------------------------------ F-W1


async def test_a_cancel_is_seen_while_words_are_on_their_way() -> None:
    """F-W1: the answer comes after 2 of 20 words, with all that is left of the turn untold."""
    agent = Stepwise(20)
    async with serving(agent.graph) as server:
        person = await server.person()
        thread = await person.thread()
        async with person.socket(thread) as socket:
            turn = (await socket.submit("a"))["turn_id"]
            agent.let("a", 0, 2)
            await socket.until(lambda frame: frame.get("text") == "word1 ")
            answer = await socket.ask("cancel", turn_id=turn, reason="enough")
            assert (answer["type"], answer["stopped"]) == ("ack", True)
            page = socket.page
            end = page.entries[-1] if page.entries[-1]["type"] == "turn_end" else await socket.until("turn_end")
            assert (end["outcome"], end["reason"]) == ("cancelled", "enough")
            assert page.text == "word0 word1 "
            assert (await socket.ask("ping"))["type"] == "pong"
    assert not agent.stops("a")[3].reached.is_set()


async def test_a_cancel_right_behind_its_submit_stops_it() -> None:
    """F-W1: nobody waits for the first answer before the second command is read."""
    agent = Stepwise(3)
    async with serving(agent.graph) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            first, second = await socket.send("submit", input="a"), await socket.send("cancel")
            answers: dict[str, Any] = {}
            while len(answers) < 2:
                frame = await socket.frame()
                if frame.get("ref") in (first, second):
                    answers[frame["ref"]] = frame
            assert answers[second]["stopped"] is True
            session = server.sessions.get(socket.page.hello["thread_id"])
            assert session.idle
            assert session.outcome in (None, "cancelled")
    assert not agent.stops("a")[1].reached.is_set()


async def test_a_second_submit_is_answered_while_the_first_one_runs() -> None:
    """F-W1: under each policy, at once."""
    agent = Stepwise(3)
    async with serving(agent.graph) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            first = await socket.submit("a")
            refused = await socket.ask("submit", input="b", when_busy="reject")
            assert (refused["type"], refused["code"]) == ("error", "turn_running")
            waits = await socket.submit("c", when_busy="enqueue")
            assert waits["queued"] is True
            replaces = await socket.submit("d", when_busy="replace")
            agent.let("d")
            end = await socket.until(lambda frame: frame["type"] == "turn_end" and frame["outcome"] == "complete")
            page = socket.page
            starts = [entry["turn_id"] for entry in page.entries if entry["type"] == "turn_start"]
            assert starts[0] == first["turn_id"]
            assert starts[-1] == replaces["turn_id"]
            assert end["seq"] == page.entries[-1]["seq"]
            assert page.said[-1] == ("assistant", agent.text())
            assert not agent.stops("b")[0].reached.is_set()
            assert not agent.stops("c")[0].reached.is_set()


async def test_a_second_submit_by_rest_has_the_code_of_each_policy() -> None:
    """F-W1: 409 when it is refused, 202 when it waits or takes the place of the first."""
    agent = Stepwise(3)
    async with serving(agent.graph) as server:
        person = await server.person()
        thread = await person.thread()
        first = await person.submit(thread, "a")
        path = f"/threads/{thread}/submit"
        for policy in ({}, {"when_busy": "reject"}):
            refused = await person.ask("POST", path, {"input": "b", **policy})
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "turn_running")
        assert (await person.submit(thread, "c", when_busy="enqueue"))["queued"] is True
        state = await person.state(thread)
        assert (state["running"], state["waiting"]) == (first["turn_id"], 1)
        last = await person.submit(thread, "d", when_busy="replace")
        assert (await person.state(thread))["running"] == last["turn_id"]
        stopped = await person.ask("POST", f"/threads/{thread}/cancel", {"turn_id": last["turn_id"]})
        assert (stopped.status_code, stopped.json()["stopped"]) == (200, True)
        unknown = await person.ask("POST", f"/threads/{thread}/cancel", {"turn_id": "nothing like that"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_turn")


# ------------------------------------------------------------------ F-W2


@BOTH
async def test_a_turn_that_nobody_reads_stops_within_a_step_when_it_is_to_be_abandoned_at_once(way: str) -> None:
    """F-W2."""
    agent = Stepwise(30)
    async with serving(agent.graph, abandon_after=0) as server:
        person = await server.person()
        thread = await person.thread()
        async with reading(person, way, thread) as reader:
            await reader.until("live")
            await person.submit(thread, "a")
            agent.let("a", 0, 3)
            await reader.until(lambda frame: frame.get("text") == "word2 ")
            await cut(reader)
        turn = server.sessions.get(thread).turn
        assert turn is not None
        async with asyncio.timeout(5):
            assert (await turn.wait()).outcome == "cancelled"
        assert turn.reason
        page = Page()
        async with person.events(thread, page) as back:
            await back.until("live")
        assert ("user", "a") in page.said
    assert not agent.stops("a")[4].reached.is_set()


@BOTH
async def test_a_turn_that_nobody_reads_goes_on_and_who_comes_back_gets_exactly_the_rest(way: str) -> None:
    """F-W2: the client is gone at once, not when the next word is sent."""
    agent = Stepwise(30)
    async with serving(agent.graph, abandon_after=None) as server:
        person = await server.person()
        thread = await person.thread()
        session = server.sessions.get(thread)
        async with reading(person, way, thread) as reader:
            await reader.until("live")
            await person.submit(thread, "a")
            agent.let("a", 0, 3)
            await reader.until(lambda frame: frame.get("text") == "word2 ")
            await agent.stops("a")[3].reached
            assert session.log.readers == 1
            await cut(reader)
            await until(lambda: session.log.readers == 0)  # while the turn stands still
            page = reader.page.goes_on()
        agent.let("a")
        assert session.turn is not None
        assert (await session.turn.wait()).outcome == "complete"
        async with reading(person, way, thread, page) as back:
            await back.until("turn_end")
        assert page.resets == []
        assert [entry["seq"] for entry in page.entries] == list(range(1, session.log.last + 1))
        assert page.said == [("user", "a"), ("assistant", agent.text())]


async def test_who_comes_back_in_time_keeps_the_turn_going() -> None:
    """F-W2: the time begins when the last reader leaves, and ends when one comes."""
    agent = Stepwise(5)
    async with serving(agent.graph, abandon_after=600) as server:
        person = await server.person()
        thread = await person.thread()
        async with person.socket(thread) as socket:
            await socket.submit("a")
            agent.let("a", 0, 1)
            await socket.until("text_delta")
            socket.cut()
        await until(lambda: server.sessions.get(thread).log.readers == 0)
        page = socket.page.goes_on()
        async with person.socket(thread, page) as socket:
            agent.let("a")
            assert (await socket.until("turn_end"))["outcome"] == "complete"
        assert page.said == [("user", "a"), ("assistant", agent.text())]


# ------------------------------------------------------------------ F-W3

MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "a list": ("[]", "invalid_frame"),
    "a text": ('"x"', "invalid_frame"),
    "a number": ("1", "invalid_frame"),
    "null": ("null", "invalid_frame"),
    "a binary frame": (b"\x00\xff\x00", "binary_frame"),
    "a binary frame of JSON": (b'{"type":"ping"}', "binary_frame"),
    "100,000 lists": ("[" * 100_000, "too_deep"),
    "100,000 lists that end": ("[" * 100_000 + "]" * 100_000, "too_deep"),
    "100,000 objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "too_deep"),
    "65 lists as an answer": ('{"type":"resume","answers":{"x":' + "[" * 65 + "]" * 65 + "}}", "too_deep"),
    "no JSON": ("ping", "invalid_json"),
    "nothing": ("", "invalid_json"),
    "half of an object": ('{"type":"ping"', "invalid_json"),
    "two objects": ('{"type":"ping"}{"type":"ping"}', "invalid_json"),
    "half an emoji": (r'{"type":"submit","input":"\ud83d"}', "invalid_json"),
    "no type": ("{}", "invalid_frame"),
    "an unknown type": ('{"type":"reboot"}', "invalid_frame"),
    "a type that is no text": ('{"type":1}', "invalid_frame"),
    "an unknown field": ('{"type":"ping","loud":true}', "invalid_frame"),
    "a field of a wrong type": ('{"type":"cancel","turn_id":7}', "invalid_frame"),
    "a field that is missing": ('{"type":"submit"}', "invalid_frame"),
    "an empty id": ('{"type":"fork","point":""}', "invalid_frame"),
    "a ref that is too long": (json.dumps({"type": "ping", "ref": "x" * 201}), "invalid_frame"),
    "a frame of more than a megabyte": (json.dumps({"type": "submit", "input": "x" * 2**20}), "frame_too_large"),
    "an input that is none": ('{"type":"submit","input":{"messages":[]}}', "invalid_input"),
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_a_frame_that_cannot_be_taken_gets_its_error_and_the_connection_lives(what: str) -> None:
    """F-W3, T-5."""
    data, code = MALFORMED[what]
    async with serving(says("one")) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            await socket.until("live")
            for _ in range(3):
                await socket.connection.send(data)
                frame = await socket.frame()
                assert (frame["type"], frame["code"]) == ("error", code), frame
                assert "\n" not in frame["message"]
                assert (await socket.ask("ping"))["type"] == "pong"
            await socket.submit("hi")
            assert (await socket.until("turn_end"))["outcome"] == "complete"


async def test_the_ref_of_a_bad_command_comes_back_with_its_error() -> None:
    """F-W3."""
    async with serving(says("one")) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            assert (await socket.ask("reboot"))["code"] == "invalid_frame"
            assert (await socket.ask("submit", input=7))["code"] == "invalid_input"


async def test_after_twenty_bad_frames_in_ten_seconds_the_connection_is_closed_with_its_reason() -> None:
    """F-W3, T-5."""
    async with serving(says("one")) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            await socket.until("live")
            for _ in range(20):
                await socket.connection.send("[]")
            frames = await socket.rest()
            assert [frame["code"] for frame in frames if frame["type"] == "error"] == ["invalid_frame"] * 20
            assert socket.connection.close_code == 1008
            assert socket.connection.close_reason == "too many bad frames"


@pytest.mark.parametrize(
    ("asked", "code"),
    [("protocol=2", "unsupported_protocol"), ("protocol=", "unsupported_protocol"), ("after=x", "invalid_position")],
)
async def test_a_version_or_a_position_that_is_none_is_refused_with_its_code(asked: str, code: str) -> None:
    """F-W3: before anything is read, in both ways."""
    async with serving(says("one")) as server:
        person = await server.person()
        thread = await person.thread()
        answer = await person.ask("GET", f"/threads/{thread}/events?{asked}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{person.socket_url(thread)}?{asked}", **person.socket_options()):
                pass
        response = refused.value.response
        assert (response.status_code, json.loads(response.body)["error"]["code"]) == (400, code)


# ------------------------------------------------------------------ F-W4


async def test_a_page_of_another_site_drives_no_turn() -> None:
    """F-W4."""
    agent = Stepwise(1)
    async with serving(agent.graph) as server:
        person = await server.person()
        thread = await person.thread()
        with pytest.raises(InvalidStatus) as refused:
            async with person.socket(thread, origin="https://evil.example"):
                pass
        response = refused.value.response
        assert response.status_code == 403
        assert json.loads(response.body)["error"]["code"] == "origin_not_allowed"
        assert server.sessions.get(thread).log.last == 0


# ------------------------------------------------------------------ F-W5

HALF = "half \ud83d of it"
ODD: dict[str, Any] = {
    "datetime": datetime(2026, 1, 2, 3, 4, 5),
    "set": {1, 2},
    "bytes": b"\x00\xff",
    "nan": float("nan"),
    "infinity": float("inf"),
    "half an emoji": HALF,
    "a key that is no text": {(1, 2): {3: None}},
}


class Odd(MessagesState):
    odd: Any


def odd_agent(value: Any) -> Any:
    """An agent with a value in a custom event, in its state and in a tool's result."""

    @tool(response_format="content_and_artifact")
    async def fetch() -> Any:
        """Fetch."""
        content: Any = value if isinstance(value, str) else "fetched"
        return content, value

    def look(_: Odd) -> Any:
        get_stream_writer()({"odd": value})
        call = {"name": "fetch", "args": {}, "id": "c1", "type": "tool_call"}
        return {"odd": value, "messages": [AIMessage("", tool_calls=[call])]}

    return graph_of(Odd, look=look, tools=ToolNode([fetch]), end=lambda _: {"messages": [AIMessage("done")]})


@BOTH
@pytest.mark.parametrize("what", ODD)
async def test_a_value_that_json_has_no_word_for_harms_no_turn(way: str, what: str) -> None:
    """F-W5: in a custom event, in the state and in a tool's result, shown in full."""
    shown = Shown(state=True, raw=True, inputs=True, artifacts=True)
    async with serving(odd_agent(ODD[what]), shown=shown) as server:
        person = await server.person()
        thread = await person.thread()
        async with reading(person, way, thread) as reader:
            await reader.until("live")
            await person.submit(thread, "go")
            end = await reader.until("turn_end")
            assert (end["outcome"], end.get("error")) == ("complete", None)
            assert {"custom", "tool_result"} <= set(kinds(reader.page.entries))
            assert reader.page.said[-1] == ("assistant", "done")
        assert (await person.state(thread))["outcome"] == "complete"
        assert await person.history(thread)
        late = Page()
        async with reading(person, way, thread, late) as reader:
            await reader.until("live")
        assert late.said[-1] == ("assistant", "done")


# ------------------------------------------------------------------ F-W6


@asynccontextmanager
async def never_reading(server: Server, thread: str, way: str) -> AsyncIterator[None]:
    """A client on a thread that takes nothing of what it is sent, from a system that keeps little for it."""
    listening = urlsplit(server.address)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    upgrade = (
        f"Origin: {server.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    )
    head = f"GET /chat/threads/{thread}/{way} HTTP/1.1\r\nHost: {listening.netloc}\r\n"
    session = server.sessions.get(thread)
    others = session.log.readers
    with raw:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (listening.hostname, listening.port))
        await loop.sock_sendall(raw, (head + (upgrade if way == "socket" else "") + "\r\n").encode())
        await until(lambda: session.log.readers == others + 1)
        yield


@BOTH
async def test_a_client_that_never_reads_holds_nobody_up(way: str) -> None:
    """F-W6, T-6: the other one gets each word when it is said, while 10 MB wait for the first one."""
    agent = Stepwise(100, padding=100_000)
    async with serving(agent.graph) as server:
        person = await server.person()
        thread = await person.thread()
        session = server.sessions.get(thread)
        async with never_reading(server, thread, way), reading(person, way, thread) as reader:
            await reader.until("live")
            await person.submit(thread, "a")
            for number in range(len(agent.words)):
                agent.let("a", number, number + 1)
                await reader.until(lambda frame: frame["type"] == "text_delta")
            assert (await reader.until("turn_end"))["outcome"] == "complete"
            assert reader.page.text == agent.text()
            assert session.log.readers == 2
        await until(lambda: session.log.readers == 0)


@BOTH
async def test_a_client_that_never_reads_is_dropped_after_its_time(way: str) -> None:
    """F-W6, T-6: its reader is let go, while it still holds its connection."""
    agent = Stepwise(100, padding=100_000)
    async with serving(agent.graph, send_timeout=0.3) as server:
        person = await server.person()
        thread = await person.thread()
        session = server.sessions.get(thread)
        async with never_reading(server, thread, way):
            await person.submit(thread, "a")
            agent.let("a")
            await until(lambda: session.log.readers == 0)


async def test_a_socket_that_is_closed_answers_no_more() -> None:
    """F-W2: a goodbye is noticed like a break."""
    async with serving(says("one")) as server:
        person = await server.person()
        thread = await person.thread()
        async with person.socket(thread) as socket:
            await socket.until("live")
            await socket.connection.close(1000)
            with pytest.raises(ConnectionClosed):
                await socket.connection.send("{}")
        await until(lambda: server.sessions.get(thread).log.readers == 0)
