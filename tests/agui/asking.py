"""Asks a bridge or an app as a client does, over ASGI or without any transport, and reads what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import httpx
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langwire.adapters.agui.bridge import AGUIBridge, AGUIRun
from langwire.adapters.agui.frames import json_of
from langwire.adapters.agui.verify import verify
from langwire.testing import ScriptedModel

Wire = dict[str, Any]

TERMINAL = ("RUN_FINISHED", "RUN_ERROR")

# ------------------------------------------------------------------ what is asked


def user(id: str, content: Any = "hi") -> Wire:
    return {"id": id, "role": "user", "content": content}


def assistant(id: str, content: str = "hello", **fields: Any) -> Wire:
    return {"id": id, "role": "assistant", "content": content, **fields}


def result(call_id: str, content: str, id: str | None = None) -> Wire:
    return {"id": id or f"result-{call_id}", "role": "tool", "toolCallId": call_id, "content": content}


def asked(*messages: Wire, run: str = "r1", thread: str = "t", **fields: Any) -> Wire:
    """A `RunAgentInput`, in the names of the wire."""
    return {
        "threadId": thread,
        "runId": run,
        "protocolVersion": "1.0",
        "messages": list(messages),
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
        **fields,
    }


def answers(**payloads: Any) -> list[Wire]:
    """A `resume`, one answer for each interrupt id."""
    return [{"interruptId": id, "status": "resolved", "payload": payload} for id, payload in payloads.items()]


# ------------------------------------------------------------------ what is told


def checked(events: Sequence[Wire], runs: int = 1) -> list[Wire]:
    """The events, which keep the client's rules and end each run once."""
    assert verify(events) == []
    assert sum(event["type"] in TERMINAL for event in events) == runs
    return [*events]


async def told(run: AGUIRun, runs: int = 1) -> list[Wire]:
    return checked([json.loads(json_of(event)) async for event in run], runs)


async def ran(bridge: AGUIBridge, *messages: Wire, **fields: Any) -> list[Wire]:
    """Everything that a bridge tells of a run."""
    return await told(await bridge.run(json.dumps(asked(*messages, **fields)).encode()))


def types(events: Sequence[Wire]) -> list[str]:
    return [event["type"] for event in events]


def text_of(events: Sequence[Wire]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def questions_of(events: Sequence[Wire]) -> list[Wire]:
    outcome = events[-1]["outcome"]
    return outcome["interrupts"] if outcome["type"] == "interrupt" else []


class Page:
    """A client's own messages, as the protocol has it keep them.

    A snapshot replaces by id in place, puts what is new at the end, and deletes what it lacks.
    """

    def __init__(self, *messages: Wire) -> None:
        self.messages: list[Wire] = list(messages)

    def take(self, events: Sequence[Wire]) -> list[Wire]:
        for event in events:
            getattr(self, f"_{event['type'].lower()}", lambda _: None)(event)
        return [*events]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(message["role"], message.get("content") or "") for message in self.messages]

    def last(self) -> Wire:
        return self.messages[-1]

    def _text_message_start(self, event: Wire) -> None:
        if all(message["id"] != event["messageId"] for message in self.messages):
            self.messages.append({"id": event["messageId"], "role": event["role"], "content": ""})

    def _text_message_content(self, event: Wire) -> None:
        self._by_id(event["messageId"])["content"] += event["delta"]

    def _tool_call_start(self, event: Wire) -> None:
        call = {"id": event["toolCallId"], "type": "function"}
        call["function"] = {"name": event["toolCallName"], "arguments": ""}
        parent = event.get("parentMessageId") or event["toolCallId"]
        if all(message["id"] != parent for message in self.messages):
            self.messages.append({"id": parent, "role": "assistant", "content": ""})
        self._by_id(parent).setdefault("toolCalls", []).append(call)

    def _tool_call_args(self, event: Wire) -> None:
        calls = (call for message in self.messages for call in message.get("toolCalls", ()))
        next(call for call in calls if call["id"] == event["toolCallId"])["function"]["arguments"] += event["delta"]

    def _tool_call_result(self, event: Wire) -> None:
        self.messages.append(result(event["toolCallId"], event["content"], event["messageId"]))

    def _messages_snapshot(self, event: Wire) -> None:
        snapshot = {message["id"]: deepcopy(message) for message in event["messages"]}
        kept = [snapshot.pop(message["id"]) for message in self.messages if message["id"] in snapshot]
        self.messages = [*kept, *snapshot.values()]

    def _by_id(self, id: str) -> Wire:
        return next(message for message in self.messages if message["id"] == id)


# ------------------------------------------------------------------ over ASGI


class Answer:
    """A whole response: its `events` keep the rules, `error` is the one of a refusal."""

    def __init__(self, response: httpx.Response) -> None:
        self.status, self.headers, self.content = response.status_code, response.headers, response.content

    @property
    def events(self) -> list[Wire]:
        return checked(self.raw_events)

    @property
    def raw_events(self) -> list[Wire]:
        assert self.status == 200, self.content
        return events_in(self.content)

    @property
    def error(self) -> Wire:
        found: Wire = json.loads(self.content)["error"]
        return found

    @property
    def refused(self) -> tuple[int, str]:
        return self.status, self.error["code"]


def events_in(sse: bytes) -> list[Wire]:
    frames = sse.decode().split("\n\n")
    assert frames.pop() == ""
    return [json.loads(frame.removeprefix("data: ")) for frame in frames if not frame.startswith(":")]


class Asker:
    """Asks an app; `headers` go with every request."""

    def __init__(self, client: httpx.AsyncClient, path: str, headers: Mapping[str, str]) -> None:
        self._client, self._path, self._headers = client, path, headers

    def named(self, name: str) -> Asker:
        """The same app, asked by somebody with a name."""
        return Asker(self._client, self._path, {**self._headers, "x-user": name})

    async def run(self, *messages: Wire, **fields: Any) -> Answer:
        return await self.post("", asked(*messages, **fields))

    async def connect(self, *messages: Wire, **fields: Any) -> Answer:
        return await self.post("/connect", asked(*messages, **fields))

    async def cancel(self, run_id: str, **said: Any) -> Answer:
        return await self.post(f"/cancel/{run_id}", said)

    async def post(self, path: str, body: Any) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request("POST", path, content=content, headers={"content-type": "application/json"})

    async def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        headers = {**self._headers, **(headers or {})}
        return Answer(await self._client.request(method, f"{self._path}{path}", headers=headers, **more))


@asynccontextmanager
async def asking(app: Any, path: str = "/agui", **options: Any) -> AsyncIterator[Asker]:
    transport = httpx.ASGITransport(app=app, **options)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Asker(client, path, {})


class Live:
    """A request whose response is read while it comes, by a client that can `leave`."""

    def __init__(self, app: Any, body: Wire, path: str = "/agui", headers: Mapping[str, str] | None = None) -> None:
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in {"host": "localhost", "content-type": "application/json", **(headers or {})}.items()
            ],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        self._body: bytes | None = json.dumps(body).encode()
        self._gone, self._heard = asyncio.Event(), asyncio.Event()
        self._sent = b""
        self.status = 0
        self.task = asyncio.create_task(app(self._scope, self._receive, self._send))
        self.task.add_done_callback(lambda _: self._heard.set())

    @property
    def events(self) -> list[Wire]:
        return events_in(self._sent[: self._sent.rfind(b"\n\n") + 2]) if self._sent else []

    async def seen(self, wanted: Callable[[list[Wire]], bool] | str) -> None:
        """Return when the events fit."""
        fits = wanted if callable(wanted) else lambda events: wanted in types(events)
        while not fits(self.events):
            assert not self.task.done(), (self.status, self._sent)
            self._heard.clear()
            await self._heard.wait()

    async def begun(self) -> None:
        """Return when the response has begun."""
        while not self.status:
            self._heard.clear()
            await self._heard.wait()

    async def leave(self) -> None:
        """Close the connection, and return when the server is done with it."""
        self._gone.set()
        await self.task

    async def end(self) -> list[Wire]:
        """Read to the end."""
        await self.task
        return self.events

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._sent += message["body"]
        self._heard.set()


# ------------------------------------------------------------------ agents


def says(*script: Any, saver: Any = None) -> Any:
    """A graph whose model says one step of the script each turn."""
    model = ScriptedModel(script=script)

    def say(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def asay(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return graph_of(MessagesState, saver=saver, say=RunnableLambda(say, asay))


def graph_of(state: Any, *, saver: Any = None, stops: Mapping[str, Any] | None = None, **nodes: Any) -> Any:
    """A graph that runs its nodes one after the other."""
    graph: Any = StateGraph(state)
    last = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(last, name)
        last = name
    return graph.compile(checkpointer=saver or InMemorySaver(), **(stops or {}))
