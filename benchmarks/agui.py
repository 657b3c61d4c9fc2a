"""What a live agent costs when it is told in AG-UI, beside the bare graph, and how many bytes its client gets.

All run the same graph with a checkpointer in memory, each turn in a thread of its own. The bare graph's chunks, asked
for in the same modes, are dropped as they come; the others go on to the bytes of server-sent events, in process or
through the ASGI application. Once the model never pauses, so that what it says comes joined; once it lets others run
before each token, so that nothing does. The garbage collector works, as it would in a server.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count, takewhile
from time import process_time
from typing import Any, NamedTuple, TypeAlias

import msgspec
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from benchmarks import agui_peer
from benchmarks.costs import Cost
from benchmarks.rounds import Seconds, Spread, interleaved, ratio, spread
from langwire.adapters.agui import protobuf
from langwire.adapters.agui.bridge import AGUIBridge
from langwire.adapters.agui.endpoint import agui_app
from langwire.adapters.agui.events import Event, TextMessageContent
from langwire.adapters.agui.frames import sse_frame
from langwire.adapters.agui.visibility import Visibility
from langwire.sessions.graph import MODES

BARE, BRIDGE, APP = "bare graph", "bridge", "application"
GOAL = 1.2
"""How many times the bare graph's CPU time a run may take."""
DELTA_BYTES, SUBAGENT_DELTA_BYTES = 120, 180
"""What a frame of a delta may take besides its text."""

Graph: TypeAlias = Any
Said: TypeAlias = Callable[[], AIMessageChunk]
Play: TypeAlias = Callable[[bytes, str], Awaitable[int]]
"""Runs a turn, given a client's request and its thread, and returns how many bytes came."""


class Counts(NamedTuple):
    """How much of each thing is done."""

    tokens: int
    calls: int
    short: int
    histories: tuple[int, ...]


FULL = Counts(tokens=2_000, calls=10, short=50, histories=(0, 100, 2_000))
QUICK = Counts(tokens=20, calls=2, short=5, histories=(0, 4))


def agui(rounds: int, *, quick: bool = False) -> list[Cost]:
    """Return what an agent costs that is told in AG-UI, in time and in bytes."""
    counts = QUICK if quick else FULL
    return [*live(counts, rounds), *sizes(counts), *deltas(counts), *after_a_history(counts, rounds)]


# ------------------------------------------------------------------ what runs


class Speaker(BaseChatModel):
    """Says the n-th answer when the prompt holds n of its own since the user spoke. As cheap as a model can be."""

    answers: list[list[Any]]
    pause: bool

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Speaker:
        return self

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def _astream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        for piece in self.answers[_answered(messages)]:
            if self.pause:
                await asyncio.sleep(0)
            yield ChatGenerationChunk(message=piece())


def _answered(messages: list[BaseMessage]) -> int:
    since = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    return sum(isinstance(message, AIMessage) for message in since)


def _text(number: int) -> Said:
    return partial(AIMessageChunk, content=f"word{number} ")


def _thought(number: int) -> Said:
    return partial(AIMessageChunk, content="", additional_kwargs={"reasoning_content": f"thought{number} "})


def _call(number: int, pieces: int) -> list[Said]:
    """Return a call whose arguments come in so many pieces."""
    args = ['{"query": "', *(f"word{piece} " for piece in range(pieces - 2)), '"}']
    first = tool_call_chunk(name="look_up", args="", id=f"call-{number}", index=0)
    rest = [tool_call_chunk(args=piece, index=0) for piece in args]
    return [partial(AIMessageChunk, content="", tool_call_chunks=[chunk]) for chunk in [first, *rest]]


async def look_up(query: str) -> str:
    """Find something."""
    return f"found {len(query)} characters"


def chat(counts: Counts, *, pause: bool) -> Graph:
    """Return a graph that answers."""
    return _one_node([[_text(number) for number in range(counts.tokens)]], pause=pause).compile(InMemorySaver())


def reasoning(counts: Counts, *, pause: bool) -> Graph:
    """Return a graph that thinks, then answers."""
    numbers = range(counts.tokens // 2)
    return _one_node([[*map(_thought, numbers), *map(_text, numbers)]], pause=pause).compile(InMemorySaver())


def tools(counts: Counts, *, pause: bool) -> Graph:
    """Return an agent that calls a tool again and again, then answers."""
    pieces = counts.tokens // counts.calls // 2
    calls = [_call(number, pieces) for number in range(counts.calls)]
    model = Speaker(answers=[*calls, [_text(number) for number in range(counts.tokens // 2)]], pause=pause)
    return create_agent(model, [look_up], checkpointer=InMemorySaver())


def subgraphs(counts: Counts, *, pause: bool) -> Graph:
    """Return a graph in a graph in a graph that answers."""
    graph: Any = _one_node([[_text(number) for number in range(counts.tokens)]], pause=pause)
    for name in ("inner", "outer"):
        graph = StateGraph(MessagesState).add_node(name, graph.compile()).add_edge(START, name)
    return graph.compile(InMemorySaver())


def _one_node(answers: list[list[Said]], *, pause: bool) -> Any:
    model = Speaker(answers=answers, pause=pause)

    async def speak(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("model", speak).add_edge(START, "model")


KINDS = {"chat": chat, "reasoning and text": reasoning, "tools": tools, "subgraphs": subgraphs}


# ------------------------------------------------------------------ who runs it


def players(graph: Graph) -> dict[str, Play]:
    """Return who runs a graph's turns, by name."""
    bridge, app = AGUIBridge(graph), agui_app(graph, rate=(10**9, 1.0))
    peers = {name: partial(_peer, agui_peer.Peer(graph, options)) for name, options in agui_peer.contenders().items()}
    return {BARE: partial(_bare, graph), BRIDGE: partial(_bridge, bridge), APP: partial(_app, app), **peers}


async def _bare(graph: Graph, body: bytes, thread_id: str) -> int:
    given = {"messages": [msgspec.json.decode(body)["messages"][-1]]}
    async for _ in graph.astream(given, _config(thread_id), stream_mode=list(MODES), subgraphs=True):
        pass
    return 0


async def _bridge(bridge: AGUIBridge, body: bytes, thread_id: str) -> int:
    size = 0
    async for event in await bridge.run(body):
        size += len(sse_frame(event))
    return size


async def _peer(peer: agui_peer.Peer, body: bytes, thread_id: str) -> int:
    return sum([len(frame) async for frame in peer.frames(body)])


async def _app(app: Any, body: bytes, thread_id: str) -> int:
    size, asked = 0, [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return asked.pop() if asked else await asyncio.Future()

    async def send(message: Any) -> None:
        nonlocal size
        size += len(message.get("body", b""))

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/agui", "headers": headers, "query_string": b""}
    await app({**scope, "asgi": {"version": "3.0"}, "client": ("127.0.0.1", 1)}, receive, send)
    return size


def _config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


_numbers = count(1)


async def conversation(graph: Graph, history: int) -> tuple[bytes, str]:
    """Make a thread with a history, and return what its client sends: all of it, and one new message."""
    thread_id = f"thread-{next(_numbers):06}"
    held = [_message(number) for number in range(history)]
    if held:
        messages = [
            (AIMessage if said["role"] == "assistant" else HumanMessage)(said["content"], id=said["id"])
            for said in held
        ]
        await graph.aupdate_state(_config(thread_id), {"messages": messages}, as_node="model")
    sent = {
        "threadId": thread_id,
        "runId": f"run-{thread_id}",
        "messages": [*held, {"id": f"new-{thread_id}", "role": "user", "content": "hi"}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
        "protocolVersion": "1.0",
    }
    return msgspec.json.encode(sent), thread_id


def _message(number: int) -> dict[str, str]:
    role = "assistant" if number % 2 else "user"
    return {"id": f"message-{number}", "role": role, "content": f"what was said as number {number}, and some more"}


# ------------------------------------------------------------------ time


def live(counts: Counts, rounds: int) -> list[Cost]:
    """Return the CPU time of live runs, as ratios to that of the bare graph."""
    costs: list[Cost] = []
    for kind, make in KINDS.items():
        for pause, how in ((False, "at once"), (True, "one by one")):
            seconds = _taken(partial(make, counts, pause=pause), 0, rounds)
            what = f"live {kind}, {counts.tokens:,} tokens {how}"
            costs += _beside_bare(what, seconds, "µs a token", 1e6 / counts.tokens)
    return costs


def after_a_history(counts: Counts, rounds: int) -> list[Cost]:
    """Return the CPU time of a short turn after a long history."""
    long = max(counts.histories)
    seconds = _taken(partial(chat, counts._replace(tokens=counts.short), pause=False), long, rounds)
    return _beside_bare(f"{counts.short} tokens after {long:,} messages", seconds, "ms a turn", 1e3)


def _taken(make: Callable[[], Graph], history: int, rounds: int) -> dict[str, Seconds]:
    """Return the seconds that each took to play a turn, round by round. What is made before is not counted."""
    with asyncio.Runner() as runner:
        graph = make()
        plays = players(graph)
        seconds: dict[str, Seconds] = {name: [] for name in plays}

        async def timed(play: Play) -> float:
            body, thread_id = await conversation(graph, history)
            gc.enable()  # `interleaved` lets it rest
            began = process_time()
            await play(body, thread_id)
            return process_time() - began

        def play(name: str) -> None:
            seconds[name].append(runner.run(timed(plays[name])))

        for name in plays:  # what is made once is made now
            runner.run(timed(plays[name]))
        interleaved({name: partial(play, name) for name in plays}, rounds)
    return seconds


def _beside_bare(what: str, seconds: dict[str, Seconds], unit: str, scale: float) -> list[Cost]:
    """Return a cost for each but the bare graph; the goal is ours."""
    costs: list[Cost] = []
    for name in [name for name in seconds if name != BARE]:
        times, ours = ratio(seconds[name], seconds[BARE]), name in (BRIDGE, APP) and unit == "µs a token"
        costs.append(
            Cost(
                what=what,
                unit=unit,
                figures={each: spread(taken * scale for taken in seconds[each]) for each in (BARE, name)},
                growth=times,
                goal=f"<= {GOAL:g}x" if ours else None,
                met=times.middle <= GOAL if ours else None,
            )
        )
    return costs


# ------------------------------------------------------------------ bytes


def sizes(counts: Counts) -> list[Cost]:
    """Return the bytes of a short turn after histories of growing length, all of which the client sends."""
    graph = chat(counts._replace(tokens=counts.short), pause=True)
    bridge = AGUIBridge(graph)
    faces: dict[str, Callable[[bytes], AsyncIterator[bytes]]] = {
        "as server-sent events": partial(_written, bridge, sse_frame),
        "in the binary form": partial(_written, bridge, protobuf.encode),
        **{name: agui_peer.Peer(graph, options).frames for name, options in agui_peer.contenders().items()},
    }
    return [_sized(f"{counts.short} tokens {name}", graph, frames, counts.histories) for name, frames in faces.items()]


async def _written(bridge: AGUIBridge, write: Callable[[Event], bytes], body: bytes) -> AsyncIterator[bytes]:
    async for event in await bridge.run(body):
        yield write(event)


def _sized(
    what: str, graph: Graph, frames: Callable[[bytes], AsyncIterator[bytes]], histories: tuple[int, ...]
) -> Cost:
    async def size(history: int) -> int:
        body, _ = await conversation(graph, history)
        return sum([len(frame) async for frame in frames(body)])

    found = {history: asyncio.run(size(history)) for history in histories}
    first, *_, last = found.values()
    ours = not what.partition("tokens ")[2].startswith(agui_peer.DEFAULTS)
    return Cost(
        what=f"{what}, messages of history",
        unit="bytes",
        figures={f"{history:,}": spread([total]) for history, total in found.items()},
        growth=spread([last / first]),
        goal="1x" if ours else None,
        met=len(set(found.values())) == 1 if ours else None,
    )


def deltas(counts: Counts) -> list[Cost]:
    """Return what a delta's frame takes besides its text, in the agent itself and inside a subagent."""
    shorter = counts._replace(tokens=counts.short)
    shown = Visibility(nodes={"inner": "attributed"})
    places = {
        "a delta": (AGUIBridge(chat(shorter, pause=True)), DELTA_BYTES),
        "a subagent's delta": (AGUIBridge(subgraphs(shorter, pause=True), visibility=shown), SUBAGENT_DELTA_BYTES),
    }
    return [
        _overhead(f"{what} {how}", bridge, write, goal)
        for what, (bridge, goal) in places.items()
        for how, write in (("as server-sent event", sse_frame), ("in the binary form", protobuf.encode))
    ]


def _overhead(what: str, bridge: AGUIBridge, write: Callable[[Event], bytes], goal: int) -> Cost:
    async def found() -> list[int]:
        body, _ = await conversation(None, 0)
        told = [event async for event in await bridge.run(body) if isinstance(event, TextMessageContent)]
        return [len(write(delta)) - len(delta.delta.encode()) for delta in told]

    over: Spread = spread(asyncio.run(found()))
    return Cost(
        what=f"{what}, besides its text", unit="bytes", figures={"": over}, goal=f"<= {goal}", met=over.high <= goal
    )
