"""The TypeScript client: what is built of it, its own rules, and how it gets on with a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agui.npm import CLEAN_INSTALL, hash_of, once
from agui.served import listening
from langwire import SessionAdapter
from langwire.app import create_app
from langwire.demo.agents import build_approval, build_concierge
from langwire.sessions.store import MemorySessionStore
from turns import messages_in

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "web" / "client"
PAGES = ROOT / "src" / "langwire" / "adapters" / "_shared" / "bundle" / "client.js"
"""What the page loads of it."""
PATIENCE = 30.0
"""How long anything may take that a test waits for, in seconds."""

both = pytest.mark.parametrize("transport", ["websocket", "sse"])


@pytest.fixture(scope="session")
def installed() -> None:
    """The client, compiled. Without npm its tests are left out, unless nothing may be missing."""
    if shutil.which("npm") is None and not os.environ.get("LANGWIRE_WHOLE"):
        pytest.skip("the TypeScript client needs Node 20 and npm")
    once(CLIENT, CLIENT / "node_modules" / ".installed", hash_of(CLIENT / "package-lock.json"), *CLEAN_INSTALL)
    sources = [CLIENT / "package-lock.json", CLIENT / "tsconfig.json", *sorted((CLIENT / "src").iterdir())]
    (CLIENT / "dist").mkdir(exist_ok=True)
    once(CLIENT, CLIENT / "dist" / ".built", hash_of(*sources), "run", "build")


def node(*arguments: str) -> list[str]:
    """Return the command; Node 20 has a WebSocket, but only shows it when asked."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return ["node", *(["--experimental-websocket"] if int(version[1:].split(".")[0]) < 22 else []), *arguments]


# ------------------------------------------------------------------ by itself


def test_the_client_is_one_module_without_dependencies() -> None:
    assert re.findall(r"\bimport\b", PAGES.read_text("utf-8")) == []
    package = json.loads((CLIENT / "package.json").read_text("utf-8"))
    assert "dependencies" not in package


def test_the_lock_file_names_no_addresses() -> None:
    assert "http" not in (CLIENT / "package-lock.json").read_text("utf-8")


def test_the_client_keeps_its_own_rules(installed: None) -> None:
    tests = CLIENT / "test" / "client.test.mjs"
    done = subprocess.run(node("--test", str(tests)), cwd=CLIENT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


# ------------------------------------------------------------------ with a server


class Proxy:
    """Stands before a server, and can break all connections to it. `target` is the port to which the next ones go.

    While it is `deaf`, nothing that a server says comes through.
    """

    def __init__(self) -> None:
        self.target = 0
        self.deaf = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, to}
        await asyncio.gather(self._pass(reader, to), self._pass(there, writer, back=True))
        self._writers -= {writer, to}

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                if back and self.deaf:
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(app: Any) -> AsyncIterator[tuple[Proxy, str]]:
    """Serve an app behind a proxy; yield that, and its address."""
    proxy = Proxy()
    async with listening(app) as address:
        proxy.target = port_of(address)
        server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
        try:
            yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            proxy.cut()
            server.close()
            await app.state.langwire.close()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


class Follower:
    """The client, in a process of its own, on one thread. `told` is all that came of it, `text` what the agent said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._came = asyncio.Event()
        self.told: list[dict[str, Any]] = []

    async def ask(self, what: str, *given: Any) -> Any:
        """Give an order; the answer, or what it was rejected with."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([number, what, *given]).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def seen(self, wanted: Callable[[dict[str, Any]], bool], *, times: int = 1) -> None:
        """Wait until so much of that has been told."""
        async with asyncio.timeout(PATIENCE):
            while sum(wanted(told) for told in self.told) < times:
                self._came.clear()
                await self._came.wait()

    async def turn_ended(self, times: int = 1) -> None:
        await self.seen(lambda told: type_of(told) == "turn_end", times=times)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told since the last reset."""
        resets = [at for at, told in enumerate(self.told) if "reset" in told]
        return [told["event"] for told in self.told[resets[-1] if resets else 0 :] if "event" in told]

    @property
    def states(self) -> list[tuple[str, str | None]]:
        return [(told["state"], told["why"]) for told in self.told if "state" in told]

    @property
    def text(self) -> str:
        """What the agent said, of all that was told since the last reset."""
        roles = {event["id"]: event.get("role") for event in self.events if event["type"] == "text_start"}
        deltas = [event for event in self.events if event["type"] == "text_delta"]
        return "".join(delta["text"] for delta in deltas if roles[delta["id"]] is None)

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "number" not in told:
                self.told.append(told)
                self._came.set()
            else:
                self._answers.pop(told["number"]).set_result(told.get("error") or told["answer"])


def type_of(told: dict[str, Any]) -> str | None:
    return told["event"]["type"] if "event" in told else None


@asynccontextmanager
async def following(base: str, transport: str) -> AsyncIterator[Follower]:
    command = node(str(CLIENT / "test" / "follow.mjs"), base, transport)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stderr is not None
    follower = Follower(process)
    listening_task = asyncio.create_task(follower.listen())
    try:
        yield follower
    finally:
        process.stdin.close()
        complaints = await process.stderr.read()
        await asyncio.wait_for(process.wait(), PATIENCE)
        await listening_task
    # Of the WebSocket that Node has, but has not settled yet.
    assert [
        line for line in complaints.decode().splitlines() if "Warning" not in line and "--trace-warn" not in line
    ] == []


def messages_of(graph: Any, thread_id: str, kind: str) -> list[Any]:
    messages = messages_in(graph.get_state({"configurable": {"thread_id": thread_id}}).values)
    return [message for message in messages if message.type == kind]


def said_in(graph: Any, thread_id: str) -> str:
    return "".join(message.text for message in messages_of(graph, thread_id, "ai"))


@both
async def test_a_turn_with_a_question_from_beginning_to_end(installed: None, transport: str) -> None:
    graph = build_approval(0)
    async with proxied(create_app(graph)) as (_, base), following(base, transport) as follower:
        thread_id = await follower.ask("create", "Mail")
        await follower.ask("connect", None)
        await follower.seen(lambda told: told.get("state") == "live")
        ack = await follower.ask("submit", "Write to Ann")
        await follower.turn_ended()
        assert follower.events[-1]["outcome"] == "interrupted"
        [question] = follower.events[-1]["interrupts"]
        assert (await follower.ask("submit", "And Bob"))["code"] == "interrupt_open"
        resumed = await follower.ask("resume", {question: [{"type": "approve"}]})
        assert resumed["turn_id"] != ack["turn_id"]
        await follower.turn_ended(2)
        assert (await follower.ask("resume", {question: [{"type": "approve"}]}))["code"] == "already_answered"
        assert (await follower.ask("state"))["outcome"] == "complete"
        assert await follower.ask("position") == (await follower.ask("history"))["position"]
        assert [thread["title"] for thread in (await follower.ask("threads"))["threads"]] == ["Mail"]
        assert follower.states == [("live", None)]
        assert follower.text == said_in(graph, thread_id)


@both
async def test_a_line_that_breaks_again_and_again_loses_and_repeats_nothing(installed: None, transport: str) -> None:
    """F-S2, F-W2: the reader comes back with its position, and gets exactly the rest."""
    graph = build_concierge(0.01)
    async with proxied(create_app(graph)) as (proxy, base), following(base, transport) as follower:
        thread_id = await follower.ask("create")
        await follower.ask("connect", None)
        await follower.seen(lambda told: told.get("state") == "live")
        await follower.ask("submit", "The weather in Oslo")
        for breaks in range(1, 6):
            await follower.seen(lambda told: "event" in told, times=5 * breaks)
            proxy.cut()
            await follower.seen(lambda told: told.get("state") == "live", times=1 + breaks)
        await follower.turn_ended()
        numbers = [event["seq"] for event in follower.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [told["reset"] for told in follower.told if "reset" in told] == ["new"]
        assert follower.text == said_in(graph, thread_id)


@both
async def test_another_server_begins_the_thread_anew(installed: None, transport: str) -> None:
    """What was read is dropped, and told again by the checkpoint."""
    graph = build_concierge(0)
    second = create_app(graph)
    async with (
        listening(second) as address,
        proxied(create_app(graph)) as (proxy, base),
        following(base, transport) as follower,
    ):
        thread_id = await follower.ask("create")
        await follower.ask("connect", None)
        await follower.ask("submit", "The weather in Oslo")
        await follower.turn_ended()
        proxy.target = port_of(address)
        proxy.cut()
        await follower.seen(lambda told: told.get("reset") == "foreign")
        await follower.seen(lambda told: told.get("state") == "live", times=2)
        assert follower.text == said_in(graph, thread_id)
        await follower.ask("close")
        await second.state.langwire.close()


async def test_a_message_whose_answer_was_lost_is_taken_once_though_the_server_was_started_anew(
    installed: None,
) -> None:
    """F-W2: the client sends it again by itself, and is told which turn it was."""
    graph, store = build_concierge(0), MemorySessionStore()
    async with SessionAdapter(graph, store) as before, SessionAdapter(graph, store) as after:
        again = create_app(after)
        async with (
            listening(again) as address,
            proxied(create_app(before)) as (proxy, base),
            following(base, "websocket") as follower,
        ):
            thread_id = await follower.ask("create")
            await follower.ask("connect", None)
            await follower.seen(lambda told: told.get("state") == "live")
            proxy.deaf = True
            submitted = asyncio.create_task(follower.ask("submit", "The weather in Oslo"))
            session = before.get(thread_id)
            reader = session.subscribe(0)
            await anext(reader)
            reader.close()
            turn = session.turn
            assert turn is not None
            await turn.wait()
            await before.close()
            proxy.target, proxy.deaf = port_of(address), False
            proxy.cut()
            assert (await submitted)["turn_id"] == turn.id
            await follower.seen(lambda told: told.get("state") == "live", times=2)
            assert follower.text == said_in(graph, thread_id)
            assert len(messages_of(graph, thread_id, "human")) == 1
            await follower.ask("close")
            await again.state.langwire.close()


async def test_commands_that_come_too_fast_are_refused_one_by_one(installed: None) -> None:
    """T-4: the line on which they came goes on."""
    async with (
        proxied(create_app(build_concierge(0), rate=(40, 3600.0))) as (_, base),
        following(base, "websocket") as follower,
    ):
        await follower.ask("create")
        await follower.ask("connect", None)
        await follower.seen(lambda told: told.get("state") == "live")
        turn = (await follower.ask("submit", "Hello"))["turn_id"]
        await follower.turn_ended()
        answers = [await follower.ask("cancel", turn) for _ in range(60)]
        assert {answer.get("code") for answer in answers} == {None, "too_many_requests"}
        assert answers[-1]["code"] == "too_many_requests"
        assert follower.states == [("live", None)]


@both
async def test_whoever_asks_for_a_thread_that_is_not_there_is_told_so_once(installed: None, transport: str) -> None:
    async with proxied(create_app(build_concierge(0))) as (_, base), following(base, transport) as follower:
        await follower.ask("open", "nobody's")
        await follower.ask("connect", None)
        await follower.seen(lambda told: told.get("state") == "refused")
        assert follower.states == [("refused", "unknown_thread")]
        assert (await follower.ask("submit", "hi"))["code"] == "unknown_thread"


async def test_a_file_goes_up_with_a_message_and_comes_down_again(installed: None) -> None:
    graph = build_concierge(0)
    async with proxied(create_app(graph)) as (_, base), following(base, "websocket") as follower:
        thread_id = await follower.ask("create")
        file = await follower.ask("upload", "a note", "text/plain")
        assert (file["mime"], file["bytes"]) == ("text/plain", 6)
        await follower.ask("connect", None)
        await follower.ask(
            "submit", [{"type": "text", "text": "Read this"}, {"type": "file", "file_id": file["file_id"]}]
        )
        await follower.turn_ended()
        assert await follower.ask("download", file["file_id"]) == "a note"
        [said, *_] = messages_in(graph.get_state({"configurable": {"thread_id": thread_id}}).values)
        assert [block["type"] for block in said.content] == ["text", "file"]


@both
async def test_a_thread_that_is_deleted_is_over(installed: None, transport: str) -> None:
    async with proxied(create_app(build_concierge(0))) as (_, base), following(base, transport) as follower:
        await follower.ask("create")
        await follower.ask("connect", None)
        await follower.seen(lambda told: told.get("state") == "live")
        await follower.ask("delete")
        await follower.seen(lambda told: told.get("state") == "closed")
        assert follower.states == [("live", None), ("closed", "deleted")]


@both
async def test_a_cancel_stops_a_turn_while_it_streams(installed: None, transport: str) -> None:
    """F-W1: a cancel is seen at once."""
    async with proxied(create_app(build_concierge(0.05))) as (_, base), following(base, transport) as follower:
        await follower.ask("create")
        await follower.ask("connect", None)
        ack = await follower.ask("submit", "Hello")
        await follower.seen(lambda told: type_of(told) == "reasoning_delta")
        assert (await follower.ask("cancel", ack["turn_id"], "enough"))["stopped"] is True
        await follower.turn_ended()
        assert (follower.events[-1]["outcome"], follower.events[-1]["reason"]) == ("cancelled", "enough")
