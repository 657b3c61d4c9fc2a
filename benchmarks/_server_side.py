"""A server in a process of its own: `python -m benchmarks._server_side WHICH TOKENS PACE` serves until its input ends.

The bare server sends what LangGraph streams as one JSON line a token, and does nothing else. Both run the same graph on
the same FastAPI and uvicorn, with the event loop and the HTTP parser that uvicorn chooses among what is installed. What
was made before a round is no work for the garbage collector, which takes its time with the rest.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple, TypeAlias
from uuid import uuid4

import msgspec
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from starlette.websockets import WebSocketDisconnect

WORD = b"word"
"""What each token begins with."""
MUCH, PIECES, PIECE = "much", 5, 12_500
"""Whoever says this is told at once so many pieces of so many words."""
SEND_BUFFER = 2**13
"""What the system holds for a client that does not read, in bytes: by itself it would hold some megabytes."""
NO_LIMIT = 10**9

Graph: TypeAlias = Any


class Usage(NamedTuple):
    """What a server has used: seconds of CPU so far, bytes of memory and connections now."""

    cpu: float
    memory: int
    connections: int


# ------------------------------------------------------------------ what runs


class Speaker(BaseChatModel):
    """Says a number of words, with a pause before each. It costs as little as a model can."""

    words: int
    pace: float

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk, None]:
        for number in range(self.words):
            await asyncio.sleep(self.pace)
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{WORD.decode()}{number} "))


def speaking(words: int, pace: float) -> Graph:
    """Return a graph of one model that says so many words, one every `pace` seconds."""
    model = Speaker(words=words, pace=pace)

    async def speak(state: MessagesState) -> Any:
        if state["messages"][-1].text == MUCH:
            tell = get_stream_writer()
            for _ in range(PIECES):
                tell(WORD.decode() * PIECE)
            return {}
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("model", speak).add_edge(START, "model").compile(InMemorySaver())


# ------------------------------------------------------------------ who serves it


def bare(graph: Graph) -> APIRouter:
    """Return the bare server's addresses: a turn for each request, or for each text that comes."""

    async def submit(request: Request) -> StreamingResponse:
        said = await request.json()
        return StreamingResponse(_lines(graph, said["input"]))

    async def events() -> StreamingResponse:
        return StreamingResponse(_silence())

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                said = await websocket.receive_json()
                async for token in _tokens(graph, said["input"]):
                    await websocket.send_text(token.decode())

    router = APIRouter()
    router.add_api_route("/submit", submit, methods=["POST"])
    router.add_api_route("/events", events, methods=["GET"])
    router.add_api_websocket_route("/socket", talk)
    return router


async def _tokens(graph: Graph, said: str) -> AsyncGenerator[bytes]:
    """Run a turn of a new thread, and yield each token as JSON."""
    config = {"configurable": {"thread_id": uuid4().hex}}
    given = {"messages": [{"role": "user", "content": said}]}
    async for chunk, _ in graph.astream(given, config, stream_mode="messages"):
        yield msgspec.json.encode({"text": chunk.content})
    yield msgspec.json.encode({"end": True})


async def _lines(graph: Graph, said: str) -> AsyncGenerator[bytes]:
    async for token in _tokens(graph, said):
        yield token + b"\n"


async def _silence() -> AsyncGenerator[bytes]:
    yield b"{}\n"
    await asyncio.Event().wait()


def ours(graph: Graph) -> APIRouter:
    """Return langwire's router. Its limits on who asks are out of the way: all clients are one, on this machine."""
    from langwire.adapters.fastapi import langwire_router  # here: the bare server does without

    return langwire_router(graph, rate=(NO_LIMIT, 1.0), max_connections=NO_LIMIT, send_timeout=600.0)


ROUTERS = {"bare": bare, "ours": ours}


def application(which: str, graph: Graph, connections: set[Any]) -> FastAPI:
    """Return the application that serves a graph, bare or ours, and says what the process has used.

    A `rest` lets the garbage collector clean up, and spares it from then on what is left.
    """
    app = FastAPI()
    app.include_router(ROUTERS[which](graph), prefix="/v1")

    async def usage() -> Response:
        others = len(connections) - 1
        return Response(msgspec.json.encode(Usage(process_time(), _resident(), others)))

    async def rest() -> Response:
        gc.collect()
        gc.freeze()
        return await usage()

    app.add_api_route("/usage", usage)
    app.add_api_route("/rest", rest, methods=["POST"])
    return app


def _resident() -> int:
    """Return the bytes of memory that this process has now, as Linux tells."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def main(which: str, tokens: str, pace: str) -> None:
    """Serve on a free port of 127.0.0.1, say which one it is, and end with the input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # each connection has it from here
    connections: set[Any] = set()
    graph = speaking(int(tokens), float(pace))
    config = uvicorn.Config(application(which, graph, connections), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.server_state.connections = connections
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    server.run(sockets=[listener])


def _end_with_the_input() -> None:
    sys.stdin.read()
    os._exit(0)  # there is nothing to be kept, and streams do not end by themselves


if __name__ == "__main__":
    main(*sys.argv[1:])
