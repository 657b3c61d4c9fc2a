"""Serves agents to the TypeScript client over HTTP, and says what the client has to have by the graph's own state."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import uvicorn
from langchain_core.messages import BaseMessage, ToolMessage

from agui.client import Run, TSAgent, TSClient
from langwire import SessionAdapter
from langwire.adapters.agui import AGUIBridge, agui_app
from langwire.adapters.agui.verify import verify
from turns import messages_in

Wire = dict[str, Any]


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """Serve an app on 127.0.0.1, in this loop; yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])  # not `serve`, which looks ten times a second whether it shall end
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await server.shutdown([listener])


class Served:
    """An agent that is served, with the clients that come to it."""

    def __init__(self, client: TSClient, bridge: AGUIBridge, url: str) -> None:
        self._client, self.bridge, self.url = client, bridge, url
        self.graph = bridge.sessions.options.graph

    async def agent(self, thread: str = "t", **config: Any) -> TSAgent:
        """Return a new browser on a thread."""
        return await self._client.agent(self.url, thread_id=thread, connect_url=f"{self.url}/connect", **config)

    async def values(self, thread: str = "t") -> Any:
        """Return the graph's own state."""
        return (await self.graph.aget_state({"configurable": {"thread_id": thread}})).values

    async def ended(self, thread: str = "t") -> str:
        """Return how the last turn ended, when it has."""
        turn = self.bridge.sessions.get(thread).turn
        assert turn is not None
        return (await turn.wait()).outcome

    async def held(self, thread: str = "t") -> list[Said]:
        """Return what the graph's own state says."""
        return held(messages_in(await self.values(thread)))

    async def agrees(self, *agents: TSAgent, thread: str = "t") -> list[Said]:
        """Check that each client has what the graph's own state says: the same ids, words and calls, in its order."""
        expected = await self.held(thread)
        for agent in agents:
            seen = shown(agent.messages)
            assert seen == expected, f"{agent.name} has\n{seen}\nthe thread holds\n{expected}"
        return expected


@asynccontextmanager
async def serving(client: TSClient, agent: Any, **options: Any) -> AsyncIterator[Served]:
    """Serve a graph, or its sessions; the options are those of `AGUIBridge`."""
    bridge = AGUIBridge(agent, **options)
    async with listening(agui_app(bridge)) as address:
        try:
            yield Served(client, bridge, f"{address}/agui")
        finally:
            await bridge.close()
            if isinstance(agent, SessionAdapter):
                await agent.close()


# ------------------------------------------------------------------ what a client has


class Said(NamedTuple):
    """What a message says, without anything that is only for show. `calls` are ids, names and arguments."""

    role: str
    id: str
    content: Any
    calls: tuple[tuple[str, str, Any], ...] = ()
    answers: str | None = None
    """The id of the call that a tool answers."""


def shown(messages: Sequence[Wire]) -> list[Said]:
    """Return what a client's messages say, but for thinking, activities and what a subagent said."""
    return _settled(
        Said(
            role=message["role"],
            id=message["id"],
            content=_text_of(message.get("content") or ""),
            calls=tuple(
                (call["id"], call["function"]["name"], _read(call["function"]["arguments"]))
                for call in message.get("toolCalls") or ()
            ),
            answers=message.get("toolCallId"),
        )
        for message in messages
        if message["role"] not in ("reasoning", "activity") and "subagentRunId" not in message
    )


def held(messages: Sequence[BaseMessage]) -> list[Said]:
    """Return what LangChain's messages say. The second use of a call id is `<id>~2` on the wire."""
    made: Counter[str] = Counter()
    told: list[Said] = []
    for message in messages:
        calls = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
        ids = [call["id"] or message.id for call in calls]
        made.update(ids)
        told.append(
            Said(
                role=_ROLES[message.type],
                id=message.id or "",
                content=_text_of(message.content),
                calls=tuple((_nth(id, made), call["name"], call["args"]) for id, call in zip(ids, calls, strict=True)),
                answers=_nth(message.tool_call_id, made) if isinstance(message, ToolMessage) else None,
            )
        )
    return _settled(told)


_ROLES = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system"}


def _settled(messages: Iterable[Said]) -> list[Said]:
    """Put the results of one message in one order: the thread has that of the calls, a client that of their ends."""
    results: list[Said] = []
    told: list[Said] = []
    for message in messages:
        if message.role == "tool":
            results.append(message)
            continue
        told += [*sorted(results, key=str), message]
        results = []
    return told + sorted(results, key=str)


def _text_of(content: Any) -> str:
    blocks = [content] if isinstance(content, str) else content
    return "".join(
        block if isinstance(block, str) else block.get("text") or block.get("refusal") or "" for block in blocks
    )


def _nth(id: str, uses: Counter[str]) -> str:
    return id if uses[id] <= 1 else f"{id}~{uses[id]}"


def _read(arguments: str) -> Any:
    """Return a call's arguments; those that are no JSON as the text they are."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


# ------------------------------------------------------------------ what a client does


def clean(run: Run) -> Run:
    """Check that the client refused and mended nothing, and that the stream keeps the rules to its end."""
    assert (run.error, run.warnings) == (None, []), f"the client says {run.error}, {run.warnings}, {run.payload}"
    problems = verify(run.events)
    assert problems == [], f"the stream breaks the rules: {problems}"
    assert run.types[-1] in ("RUN_FINISHED", "RUN_ERROR")
    return run


async def say(agent: TSAgent, text: str, *, id: str, **parameters: Any) -> Run:
    """Say something, and wait for the end of the run."""
    await agent.say(text, id=id)
    return clean(await agent.run(**parameters))


def outcome(run: Run) -> Any:
    """Return how a run ended: the word of its outcome, or the code of its error."""
    end = run.events[-1]
    return end["code"] if end["type"] == "RUN_ERROR" else end["outcome"]["type"]


def pending(run: Run) -> list[str]:
    """Return the calls that wait for the client's results."""
    return run.events[-1]["outcome"].get("pendingToolCallIds", [])


def answered(*answers: tuple[str, Any]) -> list[Wire]:
    """Return answers to questions, as a client gives them."""
    return [{"interruptId": id, "status": "resolved", "payload": payload} for id, payload in answers]
