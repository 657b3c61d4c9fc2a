"""Agents that do as they are told, and a server for them on 127.0.0.1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from agui.served import listening
from langwire import SessionAdapter
from langwire.adapters.fastapi import langwire_router
from langwire.testing import Fault, ScriptedModel
from server.wire_client import Person

FREE = (10**9, 1.0)
"""A rate that no test reaches."""


class Stepwise:
    """An agent that answers `<name>` in so many words, each of which waits until it is let out.

    What is asked is the name of the run: `stops("a")` are its stops. A run goes through each of them once. Each word
    has so many characters of `padding`.
    """

    def __init__(self, words: int = 60, padding: int = 0) -> None:
        self.words = [f"word{number} " + "." * padding for number in range(words)]
        self._stops: dict[str, list[Fault]] = {}
        self.graph = graph_of(say=self._say)
        self._model = ScriptedModel(script=[self._pieces])

    def stops(self, name: str) -> list[Fault]:
        """Return the stops before each word of a run."""
        return self._stops.setdefault(name, [Fault() for _ in self.words])

    def let(self, name: str, first: int = 0, last: int | None = None) -> None:
        """Let words out."""
        for stop in self.stops(name)[first:last]:
            stop.release()

    def text(self) -> str:
        """Return the whole answer."""
        return "".join(self.words)

    def _pieces(self, prompt: Any) -> Any:
        stops = self.stops(prompt[-1].text)
        return [piece for pair in zip(stops, self.words, strict=True) for piece in pair]

    async def _say(self, state: MessagesState) -> Any:
        return {"messages": [await self._model.ainvoke(state["messages"])]}


def graph_of(state: type[Any] = MessagesState, **nodes: Any) -> Any:
    """Return a graph of nodes, one after the other."""
    builder, before = StateGraph(state), START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.compile(checkpointer=InMemorySaver())


def says(*answers: Any) -> Any:
    """Return an agent that gives these answers, one after the other."""
    model = ScriptedModel(script=list(answers))

    async def say(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return graph_of(say=say)


def by_token(request: Request) -> str | None:
    """Say who asks: whom the token names."""
    kind, _, name = request.headers.get("authorization", "").partition(" ")
    return name if kind == "Bearer" else None


class Server:
    """An agent that is served at `address`."""

    def __init__(self, address: str, sessions: SessionAdapter, app: FastAPI, router: APIRouter) -> None:
        self.address, self.sessions, self.app, self.router = address, sessions, app, router
        self._open = AsyncExitStack()

    async def person(self, name: str | None = None) -> Person:
        """Return somebody new at a client."""
        person = Person(self.address, name)
        await self._open.enter_async_context(person.http)
        return person

    async def close(self) -> None:
        """Let everybody's client go."""
        await self._open.aclose()


@asynccontextmanager
async def serving(agent: Any, **options: Any) -> AsyncIterator[Server]:
    """Serve a graph or its sessions at `/chat`; `options` are those of `langwire_router`."""
    sessions = agent if isinstance(agent, SessionAdapter) else SessionAdapter(agent)
    router = langwire_router(sessions, **{"rate": FREE, "max_connections": 10_000, **options})
    app = FastAPI()
    app.include_router(router, prefix="/chat")
    async with listening(app) as address, app.router.lifespan_context(app):
        server = Server(address, sessions, app, router)
        try:
            yield server
        finally:
            await sessions.close()
            await server.close()
