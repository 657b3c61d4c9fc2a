"""Streams of chunks in memory, shaped as LangGraph yields them with subgraphs, and what each of them says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

from benchmarks import floors

Chunk: TypeAlias = Any
Lane: TypeAlias = tuple[str, ...]

_WORDS = ("The ", "graph ", "streams ", "its ", "mess", "ages ", "to ", "every ", "reader", ", ", "one by one", ". ")
_CUTS = (3, 5, 4, 7, 6)
"""Lengths of the fragments in which a model writes arguments, in characters."""


class Told(NamedTuple):
    """What a reader should learn from a stream; `calls` are arguments, `results` are contents."""

    text: str
    reasoning: str
    calls: list[Any]
    results: list[Any]


class Stream(NamedTuple):
    """Turns of chunks. `floor` takes out of a turn what was said in it."""

    modes: list[str]
    turns: list[list[Chunk]]
    told: Told
    floor: floors.Floor = floors.text
    version: str = "v1"

    @property
    def chunks(self) -> int:
        """How many chunks there are in all turns."""
        return sum(map(len, self.turns))


# ------------------------------------------------------------------ parts of a stream


class ModelRun:
    """One run of a model in a node: its chunks share an id and one metadata object.

    Chunks that say the same are one object: a live run makes each chunk where the one before lay, so that its memory
    is at hand, and 10,000 different ones would measure the machine's memory instead.
    """

    def __init__(self, number: int = 0, *, lane: Lane = (), node: str = "model") -> None:
        self.id, self.lane, self.node = f"lc_run--{uuid(number)}", lane, node
        self.metadata = model_metadata(number, lane, node)
        self._messages: dict[str, AIMessageChunk] = {}

    def chunk(self, content: Any = "", **more: Any) -> Chunk:
        says = repr((content, more))
        if says not in self._messages:
            about = {"model_provider": "scripted", **more.pop("response_metadata", {})}  # as providers do on each chunk
            self._messages[says] = AIMessageChunk(content=content, id=self.id, response_metadata=about, **more)
        return self.lane, "messages", (self._messages[says], self.metadata)

    def closing(self, content: Any = "") -> list[Chunk]:
        """Return why and at what cost the model stopped, then LangChain's own last chunk."""
        reason = {"finish_reason": "stop", "model_name": "scripted-1"}
        return [
            self.chunk(content, response_metadata=reason, usage_metadata=usage()),
            self.chunk(content, chunk_position="last"),
        ]

    def message(self, content: Any = "", **more: Any) -> AIMessage:
        return AIMessage(content, id=self.id, usage_metadata=usage(), **more)

    def update(self, content: Any = "", **more: Any) -> Chunk:
        return update(self.node, self.message(content, **more), self.lane)

    def answer(self, tokens: int) -> list[Chunk]:
        """Return a whole answer: its tokens, its end, and the message that the node wrote."""
        said = words(tokens)
        return [*map(self.chunk, said), *self.closing(), self.update("".join(said))]


def model_metadata(number: int, lane: Lane, node: str) -> dict[str, Any]:
    own = f"{node}:{uuid(number)}"
    return {
        **node_metadata(number, lane, node),
        "checkpoint_ns": "|".join(lane) or own,
        "ls_provider": "scripted",
        "ls_model_name": "scripted-1",
        "ls_model_type": "chat",
        "lc_versions": {"langchain-core": "1.7.2", "langchain": "1.4.7"},
    }


def node_metadata(number: int, lane: Lane, node: str) -> dict[str, Any]:
    """Metadata of a message that a node made without a model."""
    return {
        "thread_id": "thread-1",
        "ls_integration": "langchain_chat_model",
        "langgraph_step": number + 1,
        "langgraph_node": node,
        "langgraph_triggers": (f"branch:to:{node}",),
        "langgraph_path": ("__pregel_pull", node),
        "langgraph_checkpoint_ns": "|".join([*lane, f"{node}:{uuid(number)}"]),
    }


def update(node: str, message: BaseMessage, lane: Lane = ()) -> Chunk:
    return lane, "updates", {node: {"messages": [message]}}


def usage() -> UsageMetadata:
    return UsageMetadata(input_tokens=120, output_tokens=40, total_tokens=160)


def uuid(number: int) -> str:
    return f"{number:08x}-0f0d-c236-cae0-0f32899f6231"


def words(number: int) -> list[str]:
    return list(islice(cycle(_WORDS), number))


def past(number: int) -> list[BaseMessage]:
    """Return messages of earlier turns, as a thread's history holds them."""
    kinds = (HumanMessage, AIMessage)
    return [kinds[place % 2](f"Message {place} of the past.", id=f"past-{place}") for place in range(number)]


def spoken(*texts: str) -> Told:
    return Told("".join(texts), "", [], [])


BOTH = ["messages", "updates"]


# ------------------------------------------------------------------ the streams


def chat(tokens: int) -> Stream:
    """One long answer."""
    return Stream(BOTH, [ModelRun().answer(tokens)], spoken(*words(tokens)))


def chat_v2(tokens: int) -> Stream:
    """The same as v2 parts."""
    stream = chat(tokens)
    parts = [{"type": mode, "ns": lane, "data": data} for lane, mode, data in stream.turns[0]]
    return stream._replace(turns=[parts], floor=floors.v2_text, version="v2")


def chat_messages(tokens: int) -> Stream:
    """The same without updates."""
    stream = chat(tokens)
    return stream._replace(modes=["messages"], turns=[[chunk for chunk in stream.turns[0] if chunk[1] == "messages"]])


def reasoning(tokens: int) -> Stream:
    """Thinking, then an answer, as one block of content a chunk: Anthropic's shape."""
    run, said = ModelRun(), words(tokens // 2)
    whole = "".join(said)
    signature = {"type": "thinking", "signature": "c2lnbmVk", "index": 0}
    chunks = [
        *(run.chunk([{"type": "thinking", "thinking": word, "index": 0}]) for word in said),
        run.chunk([signature]),
        *(run.chunk([{"type": "text", "text": word, "index": 1}]) for word in said),
        *run.closing([]),
        run.update([{"type": "thinking", "thinking": whole, "signature": "c2lnbmVk"}, {"type": "text", "text": whole}]),
    ]
    return Stream(BOTH, [chunks], Told(whole, whole, [], []), floors.blocks)


def tools(turns: int, calls: int = 50) -> Stream:
    """Turns of many calls, two by two, with arguments in fragments of a few characters."""
    args = [{"path": f"src/room_{number}/reader.py", "pattern": "def feed", "limit": number} for number in range(calls)]
    results = [f"room_{number}/reader.py:12: def feed(self, chunk)" for number in range(calls)]
    turn: list[Chunk] = []
    for number in range(0, calls, 2):
        pair = range(number, min(number + 2, calls))
        turn += calling(number, {f"call_{place}": args[place] for place in pair})
        for place in pair:
            turn += answering(calls + place, f"call_{place}", results[place])
    return Stream(BOTH, [turn] * turns, Told("", "", args * turns, results * turns), floors.arguments)


def calling(number: int, calls: dict[str, Any], name: str = "search") -> Iterator[Chunk]:
    """Yield a model's run that writes one call after the other."""
    run = ModelRun(number)
    for index, (call_id, args) in enumerate(calls.items()):
        yield run.chunk(tool_call_chunks=[tool_call_chunk(name=name, args="", id=call_id, index=index)])
        for fragment in cut(json.dumps(args)):
            yield run.chunk(tool_call_chunks=[tool_call_chunk(args=fragment, index=index)])
    yield from run.closing()
    made = [{"name": name, "args": args, "id": call_id, "type": "tool_call"} for call_id, args in calls.items()]
    yield run.update(tool_calls=made)


def cut(text: str) -> Iterator[str]:
    start = 0
    for length in cycle(_CUTS):
        if start >= len(text):
            return
        yield text[start : start + length]
        start += length


def answering(number: int, call_id: str, content: str) -> Iterator[Chunk]:
    """Yield a tool's result, as both modes show it."""
    result = ToolMessage(content, tool_call_id=call_id, name="search", id=uuid(number))
    yield (), "messages", (result, node_metadata(number, (), "tools"))
    yield update("tools", result)


def subgraphs(tokens: int, levels: int = 3) -> Stream:
    """An answer in each of nested lanes; each parent repeats the message of its child."""
    chunks: list[Chunk] = []
    lane: Lane = ()
    for level in range(levels):
        lane = (*lane, f"child:{uuid(level)}")
        chunks += ModelRun(levels + level, lane=lane).answer(tokens // levels)
    message = chunks[-1][2]["model"]["messages"][0]
    for level in reversed(range(levels)):
        chunks.append(update("child", message, lane[:level]))
    return Stream(BOTH, [chunks], spoken(*words(tokens // levels) * levels))


def lanes(tokens: int, width: int = 100) -> Stream:
    """Parallel subgraphs whose tokens alternate."""
    answers = [ModelRun(width + number, lane=(f"child:{uuid(number)}",)).answer(tokens) for number in range(width)]
    chunks = [chunk for step in zip(*answers, strict=True) for chunk in step]
    chunks += [update("child", answer[-1][2]["model"]["messages"][0]) for answer in answers]
    return Stream(BOTH, [chunks], spoken(*(word * width for word in words(tokens))))


def turns(number: int, tokens: int = 8) -> Stream:
    """Short turns, each read by a parser of its own."""
    return Stream(BOTH, [ModelRun().answer(tokens)] * number, spoken(*words(tokens) * number))


def values(steps: int, history: int = 500) -> Stream:
    """The whole state after every step, one message longer each time."""
    messages = past(history)
    chunks: list[Chunk] = [((), "values", {"messages": messages, "step": 0})]
    said = [f"Step {step} is done." for step in range(1, steps + 1)]
    for step, text in enumerate(said, 1):
        messages = [*messages, ModelRun(step).message(text)]
        chunks.append(((), "values", {"messages": messages, "step": step}))
    return Stream(["values"], [chunks], spoken(*said), floors.newest)


def tasks(steps: int, history: int = 500, tokens: int = 20) -> Stream:
    """Steps whose node is given all messages so far, as the `tasks` mode shows it."""
    messages = past(history)
    chunks: list[Chunk] = []
    for step in range(steps):
        run = ModelRun(step)
        task = {"id": uuid(step), "name": "model"}
        given = {"messages": messages}
        chunks.append(((), "tasks", {**task, "input": given, "triggers": ("branch:to:model",)}))
        chunks += run.answer(tokens)
        written = chunks[-1][2]["model"]
        chunks.append(((), "tasks", {**task, "error": None, "result": written, "interrupts": []}))
        messages = [*messages, *written["messages"]]
    return Stream([*BOTH, "tasks"], [chunks], spoken(*words(tokens) * steps))


def big_result(characters: int) -> Stream:
    """One call whose result is long."""
    content = "A line of a long file.\n" * (characters // 23)
    chunks = [*calling(0, {"call_0": {}}), *answering(1, "call_0", content)]
    return Stream(BOTH, [chunks], Told("", "", [{}], [content]), floors.arguments)


STREAMS: dict[str, tuple[Callable[[int], Stream], int]] = {
    "chat": (chat, 10_000),
    "chat-v2": (chat_v2, 10_000),
    "chat-messages": (chat_messages, 10_000),
    "reasoning": (reasoning, 6_000),
    "tools": (tools, 8),
    "subgraphs": (subgraphs, 6_000),
    "lanes": (lanes, 100),
    "turns": (turns, 800),
    "values": (values, 200),
}
"""Each stream that is compared: how it is made, and of which size."""
