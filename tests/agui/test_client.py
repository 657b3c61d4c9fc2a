"""The harness around the TypeScript client: what it promises to the tests that stand on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agui import client as harness
from agui.client import NodeProcess, StreamChecker, TSAgent, TSClient

Wire = dict[str, Any]

BEGIN: Wire = {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}
FINISH: Wire = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
HELLO: list[Wire] = [
    {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "hello"},
    {"type": "TEXT_MESSAGE_END", "messageId": "m"},
]

Respond = Callable[[asyncio.StreamWriter, Wire], Awaitable[None]]


def sse(*events: Wire) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


def head(status: str = "200 OK", media_type: str = "text/event-stream") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n".encode()


class Server:
    """A web server for one test: it keeps what it was asked and answers as the test says."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.answering: set[asyncio.Task[None]] = set()
        self.heads: list[str] = []
        self.inputs: list[Wire] = []
        self.url = ""

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answering.add(asyncio.create_task(self.handle(reader, writer)))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError):  # after an abort, Node opens a connection that it never uses
                await self.answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, top: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(top.decode().lower())
        length = next(line for line in self.heads[-1].split("\r\n") if line.startswith("content-length:"))
        self.inputs.append(json.loads(await reader.readexactly(int(length.removeprefix("content-length:")))))
        await self._respond(writer, self.inputs[-1])


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[Server]:
    server = Server(respond)
    async with await asyncio.start_server(server.accept, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        yield server
        await asyncio.gather(*server.answering)


async def greet(writer: asyncio.StreamWriter, input: Wire) -> None:
    writer.write(head() + sse(BEGIN, *HELLO, FINISH))
    await writer.drain()


async def greeted(agent: TSAgent) -> None:
    run = await agent.run()
    assert run.error is None
    assert run.types[-1] == "RUN_FINISHED"


async def test_a_run_gives_events_messages_and_state(ts_client: TSClient) -> None:
    async with serving(greet) as server:
        agent = await ts_client.agent(server.url, thread_id="t", state={"a": 1}, headers={"x-who": "me"})
        await agent.say("hi", id="u")
        run = await agent.run(
            run_id="r",
            tools=[{"name": "f", "description": "d", "parameters": {}}],
            context=[{"description": "d", "value": "v"}],
            forwarded_props={"p": 1},
        )
    answer = {"id": "m", "role": "assistant", "content": "hello"}
    assert run.events == agent.events == [BEGIN, *HELLO, FINISH]
    assert (run.error, run.warnings, run.new_messages) == (None, [], [answer])
    assert agent.messages == [{"id": "u", "role": "user", "content": "hi"}, answer]
    assert agent.state == {"a": 1}
    [sent] = server.inputs
    assert (sent["threadId"], sent["runId"], sent["state"]) == ("t", "r", {"a": 1})
    assert (sent["tools"][0]["name"], sent["context"][0]["value"], sent["forwardedProps"]) == ("f", "v", {"p": 1})
    assert sent["messages"] == agent.messages[:1]
    assert "x-who: me" in server.heads[0]
    assert "accept: text/event-stream" in server.heads[0]


async def test_messages_and_state_can_be_set(ts_client: TSClient) -> None:
    agent = await ts_client.agent("http://127.0.0.1:9/", messages=[{"id": "u", "role": "user", "content": "hi"}])
    assert [message["id"] for message in agent.messages] == ["u"]
    await agent.set_messages([])
    await agent.set_state({"b": 2})
    assert (agent.messages, agent.state) == ([], {"b": 2})


async def test_a_question_waits_and_is_answered(ts_client: TSClient) -> None:
    question = {"id": "q", "reason": "approval"}

    async def ask(writer: asyncio.StreamWriter, input: Wire) -> None:
        outcome = {"type": "success"} if "resume" in input else {"type": "interrupt", "interrupts": [question]}
        writer.write(head() + sse(BEGIN, {**FINISH, "outcome": outcome}))

    async with serving(ask) as server:
        agent = await ts_client.agent(server.url)
        await agent.run()
        assert agent.pending_interrupts == [question]
        assert "pending interrupt" in str((await agent.run()).error)
        assert (await agent.run(resume=[{"interruptId": "q", "status": "resolved", "payload": 1}])).error is None
    assert server.inputs[-1]["resume"] == [{"interruptId": "q", "status": "resolved", "payload": 1}]
    assert agent.pending_interrupts == []


async def test_a_refused_request_is_told_with_its_status(ts_client: TSClient) -> None:
    async def refuse(writer: asyncio.StreamWriter, input: Wire) -> None:
        writer.write(head("422 Unprocessable", "application/json") + b'{"detail": "no"}')

    async with serving(refuse) as server:
        run = await (await ts_client.agent(server.url)).run()
    assert (run.status, run.payload, run.events) == (422, {"detail": "no"}, [])


async def test_an_event_is_seen_while_the_run_goes_on_and_the_run_can_be_aborted(ts_client: TSClient) -> None:
    gone = asyncio.Event()

    async def linger(writer: asyncio.StreamWriter, input: Wire) -> None:
        writer.write(head() + sse(BEGIN, *HELLO[:2]))
        await writer.drain()
        await gone.wait()

    async with serving(linger) as server:
        agent = await ts_client.agent(server.url)
        running = asyncio.create_task(agent.run())
        assert await agent.seen("TEXT_MESSAGE_CONTENT") == HELLO[1]
        assert await agent.seen(lambda event: event["type"] == "RUN_STARTED") == BEGIN
        assert not running.done()
        await agent.abort()
        run = await running
        gone.set()
    assert (run.error, run.events[-1]["code"]) == (None, "abort")


async def test_two_agents_run_at_the_same_time(ts_client: TSClient) -> None:
    both_asked = asyncio.Barrier(2)

    async def together(writer: asyncio.StreamWriter, input: Wire) -> None:
        await both_asked.wait()
        await greet(writer, input)

    async with serving(together) as server:
        agents = [await ts_client.agent(server.url) for _ in range(2)]
        await asyncio.gather(*map(greeted, agents))
    assert [len(agent.events) for agent in agents] == [5, 5]


async def test_an_agent_asks_for_another_format_and_connects_elsewhere(ts_client: TSClient) -> None:
    async with serving(greet) as runs, serving(greet) as connections:
        agent = await ts_client.agent(runs.url, accept="application/vnd.ag-ui.event+proto", connect_url=connections.url)
        connected = await agent.connect()
        await agent.run()
    assert connected.types[0] == "RUN_STARTED"
    assert len(agent.events) == 10
    assert (len(connections.inputs), len(runs.inputs)) == (1, 1)
    assert "accept: application/vnd.ag-ui.event+proto" in runs.heads[0]


async def test_the_client_connects_nowhere_by_itself(ts_client: TSClient) -> None:
    """It says so by doing nothing, without an error."""
    run = await (await ts_client.agent("http://127.0.0.1:9/")).connect()
    assert (run.error, run.events) == (None, [])


async def test_a_forgotten_agent_does_nothing_more(ts_client: TSClient) -> None:
    agent = await ts_client.agent("http://127.0.0.1:9/")
    await agent.forget()
    with pytest.raises(RuntimeError, match="`setState` of the TypeScript client failed"):
        await agent.set_state({})


async def test_who_waits_in_vain_is_told_for_what(ts_client: TSClient, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    async def linger(writer: asyncio.StreamWriter, input: Wire) -> None:
        writer.write(head() + sse(BEGIN))
        await writer.drain()
        await gone.wait()

    async with serving(linger) as server:
        agent = await ts_client.agent(server.url)
        monkeypatch.setattr(harness, "PATIENCE", 0.01)
        with pytest.raises(TimeoutError, match=r"no end of `run` within 0\.01 s; agent\.mjs .*"):
            await agent.run()
        with pytest.raises(TimeoutError, match=rf"no event 'RUN_FINISHED' of {server.url} within 0\.01 s, but \["):
            await agent.seen("RUN_FINISHED")
        monkeypatch.undo()
        assert await agent.seen("RUN_STARTED") == BEGIN
        await agent.abort()
        assert (await agent.seen("RUN_ERROR"))["code"] == "abort"
        gone.set()


def test_a_verdict_that_does_not_come_is_told(node_packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    checker = StreamChecker()
    try:
        monkeypatch.setattr(harness, "PATIENCE", 0.0)
        with pytest.raises(TimeoutError, match=r"no verdict on stream 1 of 1 within 0\.0 s; check\.mjs "):
            checker([[BEGIN]])
    finally:
        checker.close()


async def test_a_script_that_dies_is_told_with_its_last_words(node_packages: None) -> None:
    checker, client = StreamChecker(), TSClient()
    try:
        checker._node.say(b"no JSON")
        with pytest.raises(RuntimeError, match=r"(?s)check\.mjs .*SyntaxError"):
            checker([[BEGIN]])
        client._node.say(b"no JSON")
        with pytest.raises(RuntimeError, match=r"(?s)agent\.mjs .*SyntaxError"):
            await client.ask("nobody", "forget", None)
    finally:
        checker.close()
        client.close()


def test_a_closed_script_has_ended(node_packages: None) -> None:
    node = NodeProcess("check.mjs", lambda line: None, lambda: None)
    node.close()
    assert node._process.returncode == 0


def test_streams_are_given_as_events_bytes_or_whole_orders(ts_check: StreamChecker) -> None:
    events = [BEGIN, *HELLO, FINISH]
    before = {"id": "u", "role": "user", "content": "hi"}
    for checked in ts_check([events, sse(*events), {"events": events}]):
        assert checked.ok
        assert checked.events == events
        assert checked.messages == [{"id": "m", "role": "assistant", "content": "hello"}]
    [checked] = ts_check([{"events": events, "messages": [before], "state": {"a": 1}}])
    assert ([message["id"] for message in checked.messages], checked.state) == (["u", "m"], {"a": 1})
    [mended] = ts_check([[BEGIN, {"type": "NEWS"}, FINISH]])
    assert mended.error is None
    assert not mended.ok
