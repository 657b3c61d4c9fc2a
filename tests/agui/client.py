"""The real TypeScript client of AG-UI, for tests: streams that it checks, and agents that it runs.

Both are one Node process each, spoken to in lines of JSON (see `node/`), that live as long as the test session.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import tempfile
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from agui.npm import CLEAN_INSTALL, hash_of, once

NODE = Path(__file__).parent / "node"

PATIENCE = 60.0
"""How long one answer may take, in seconds."""

Stream = bytes | Sequence[Any] | Mapping[str, Any]
"""Events (structs or objects), the bytes of an SSE stream, or a whole order for `check.mjs`."""


def install() -> None:
    """Install the client as the lock file says, unless that is done; raises with npm's own words when it fails."""
    once(NODE, NODE / "node_modules" / ".installed", hash_of(NODE / "package-lock.json"), *CLEAN_INSTALL)


class NodeProcess:
    """A script of `node/` that runs until `close`; each line that it writes is handed to `heard`, in a thread.

    `lost` is called, in the same thread, when it writes no more.
    """

    def __init__(self, script: str, heard: Callable[[dict[str, Any]], None], lost: Callable[[], None]) -> None:
        self._script, self._heard, self._lost = script, heard, lost
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, `close` closes it
        self._process = subprocess.Popen(
            ["node", script], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._thread = threading.Thread(target=self._listen, name=f"reader of {script}", daemon=True)
        self._thread.start()

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(self.last_words()) from None

    def last_words(self) -> str:
        """What the script wrote to its standard error, with whether it still runs."""
        # Not `seek` and `read`: the position in the file is the script's too, and it may still write.
        words = os.pread(self._errors.fileno(), 100_000, 0).decode(errors="replace").strip()
        return f"{self._script} (exit code {self._process.poll()}) said: {words or 'nothing'}"

    def close(self) -> None:
        """End the script: it is over when its input is, and killed when it is not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._process.stdout.close()
        self._errors.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._heard(json.loads(line))
        self._lost()


# ------------------------------------------------------------------ streams


@dataclass(frozen=True)
class Checked:
    """What the client makes of a stream. `events` are those that it took; `error` is `None` when it took all."""

    error: str | None
    warnings: list[str]
    events: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    state: Any
    pending_interrupts: list[dict[str, Any]]

    @property
    def ok(self) -> bool:
        """Neither refused nor mended."""
        return self.error is None and not self.warnings


class StreamChecker:
    """The client, which is given whole streams."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._node = NodeProcess("check.mjs", self._answers.put, lambda: self._answers.put(None))

    def __call__(self, streams: Iterable[Stream]) -> list[Checked]:
        """Return the client's verdict on each stream."""
        orders = [msgspec.json.encode(_order(stream)) for stream in streams]
        for order in orders:
            self._node.say(order)
        return [self._answer(f"stream {number} of {len(orders)}") for number in range(1, len(orders) + 1)]

    def close(self) -> None:
        self._node.close()

    def _answer(self, what: str) -> Checked:
        try:
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise TimeoutError(f"no verdict on {what} within {PATIENCE} s; {self._node.last_words()}") from None
        if answer is None:
            raise RuntimeError(f"the client ended before its verdict on {what}; {self._node.last_words()}")
        return Checked(
            error=answer["error"] and answer["error"]["message"],
            warnings=answer["warnings"],
            events=answer["events"],
            messages=answer["messages"],
            state=answer["state"],
            pending_interrupts=answer["pendingInterrupts"],
        )


def _order(stream: Stream) -> Mapping[str, Any]:
    if isinstance(stream, Mapping):
        return stream
    if isinstance(stream, bytes):
        return {"sse": stream.decode()}
    return {"events": stream}


def protobuf(frames: bytes) -> dict[str, Any]:
    """Return the order that checks a protobuf stream."""
    return {"proto": b64encode(frames).decode()}


# ------------------------------------------------------------------ agents


@dataclass(frozen=True)
class Run:
    """One run as the client saw it.

    `error` is what `runAgent` was rejected with; of a refused request, `status` and `payload` are the response's.
    """

    events: list[dict[str, Any]]
    result: Any
    new_messages: list[dict[str, Any]]
    warnings: list[str]
    error: str | None = None
    status: int | None = None
    payload: Any = None

    @property
    def types(self) -> list[str]:
        """The events' types, in order."""
        return [event["type"] for event in self.events]


@dataclass
class _Waiter:
    """Somebody who waits for an event, in the loop of a test."""

    wanted: Callable[[dict[str, Any]], bool]
    loop: asyncio.AbstractEventLoop
    found: asyncio.Future[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.found = self.loop.create_future()

    def tell(self, event: dict[str, Any]) -> None:
        if not self.found.done():
            self.found.set_result(event)


class TSClient:
    """The process in which agents live. `agent` makes one."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Future[dict[str, Any]]]] = {}
        self._agents: dict[str, TSAgent] = {}
        self._node = NodeProcess("agent.mjs", self._hear, self._lose)

    async def agent(
        self,
        url: str,
        *,
        thread_id: str | None = None,
        messages: Sequence[Any] = (),
        state: Any = None,
        headers: Mapping[str, str] | None = None,
        accept: str | None = None,
        connect_url: str | None = None,
    ) -> TSAgent:
        """Return a new agent of the server at `url`; `accept` is what it asks for in place of SSE."""
        agent = TSAgent(self, f"agent {next(self._ids)}", url)
        self._agents[agent.name] = agent
        config = {
            "url": url,
            "threadId": thread_id,
            "initialMessages": messages,
            "initialState": {} if state is None else state,
            "headers": headers,
            "accept": accept,
            "connectUrl": connect_url,
        }
        await agent.order("create", {key: value for key, value in config.items() if value is not None})
        return agent

    async def ask(self, agent: str, deed: str, what: Any) -> dict[str, Any]:
        """Return the answer to an order; the error names what was waited for."""
        id, loop = next(self._ids), asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        with self._lock:
            self._answers[id] = (loop, answer)
        try:
            self._node.say(msgspec.json.encode({"id": id, "agent": agent, "deed": deed, "what": what}))
            return await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            raise TimeoutError(f"no end of `{deed}` within {PATIENCE} s; {self._node.last_words()}") from None
        finally:
            with self._lock:
                self._answers.pop(id, None)

    def close(self) -> None:
        self._node.close()

    def _hear(self, line: dict[str, Any]) -> None:
        if "event" in line:
            self._agents[line["agent"]].hear(line["event"])
            return
        with self._lock:
            asked = self._answers.get(line["id"])
        if asked is not None:
            asked[0].call_soon_threadsafe(_settle, asked[1], line)

    def _lose(self) -> None:
        with self._lock:
            for loop, answer in self._answers.values():
                loop.call_soon_threadsafe(_fail, answer, RuntimeError(f"the client ended; {self._node.last_words()}"))


def _settle(answer: asyncio.Future[dict[str, Any]], line: dict[str, Any]) -> None:
    if not answer.done():
        answer.set_result(line)


def _fail(answer: asyncio.Future[dict[str, Any]], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


class TSAgent:
    """An `HttpAgent` of the client.

    What it knows (`messages`, `state`, `pending_interrupts`) is as its last order left it. `events` are those of all
    its runs, and grow while a run goes on.
    """

    def __init__(self, client: TSClient, name: str, url: str) -> None:
        self._client, self.name, self.url = client, name, url
        self.events: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.state: Any = None
        self.pending_interrupts: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._waiters: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    async def run(
        self,
        *,
        run_id: str | None = None,
        tools: Sequence[Any] = (),
        context: Sequence[Any] = (),
        forwarded_props: Any = None,
        resume: Sequence[Any] | None = None,
    ) -> Run:
        """Run the agent to the end of its stream. A run that is refused is told in the result, never raised."""
        parameters = {
            "runId": run_id,
            "tools": tools,
            "context": context,
            "forwardedProps": forwarded_props,
            "resume": resume,
        }
        return await self._run("run", {key: value for key, value in parameters.items() if value is not None})

    async def connect(self) -> Run:
        """Connect at the agent's `connect_url` and read the stream to its end."""
        return await self._run("connect", {})

    async def say(self, text: str, *, id: str) -> None:
        """Add a user's message."""
        await self.add_messages([{"id": id, "role": "user", "content": text}])

    async def add_messages(self, messages: Sequence[Any]) -> None:
        await self.order("addMessages", messages)

    async def set_messages(self, messages: Sequence[Any]) -> None:
        await self.order("setMessages", messages)

    async def set_state(self, state: Any) -> None:
        await self.order("setState", state)

    async def abort(self) -> None:
        """Abort the run that goes on; its `run` returns."""
        await self.order("abort", None)

    async def forget(self) -> None:
        """Take the agent out of the process."""
        await self.order("forget", None)

    async def seen(self, wanted: str | Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first event of that type, or that the function takes, of the past or to come."""
        matches = (lambda event: event["type"] == wanted) if isinstance(wanted, str) else wanted
        waiter = _Waiter(matches, asyncio.get_running_loop())
        with self._lock:
            for event in self.events:
                if matches(event):
                    return event
            self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter.found, PATIENCE)
        except TimeoutError:
            types = [event["type"] for event in self.events]
            raise TimeoutError(f"no event {wanted!r} of {self.url} within {PATIENCE} s, but {types}") from None
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event; called in the reader's thread."""
        with self._lock:
            self.events.append(event)
            waiters = [waiter for waiter in self._waiters if waiter.wanted(event)]
        for waiter in waiters:
            waiter.loop.call_soon_threadsafe(waiter.tell, event)

    async def order(self, deed: str, what: Any) -> dict[str, Any]:
        """Have something done that cannot fail."""
        answer = await self._ask(deed, what)
        if answer["error"] is not None:
            raise RuntimeError(f"`{deed}` of the TypeScript client failed: {answer['error']['message']}")
        return answer

    async def _run(self, deed: str, what: Any) -> Run:
        before = len(self.events)
        answer = await self._ask(deed, what)
        result, error = answer["result"] or {}, answer["error"] or {}
        return Run(
            events=self.events[before:],
            result=result.get("result"),
            new_messages=result.get("newMessages", []),
            warnings=answer["warnings"],
            error=error.get("message"),
            status=error.get("status"),
            payload=error.get("payload"),
        )

    async def _ask(self, deed: str, what: Any) -> dict[str, Any]:
        answer = await self._client.ask(self.name, deed, what)
        self.messages = answer.get("messages", self.messages)
        self.state = answer.get("state", self.state)
        self.pending_interrupts = answer.get("pendingInterrupts", self.pending_interrupts)
        self.warnings += answer["warnings"]
        return answer
