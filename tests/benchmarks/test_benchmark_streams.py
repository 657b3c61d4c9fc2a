"""What is timed is what LangGraph sends, and we read all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from benchmarks.streams import STREAMS, Stream, big_result, model_metadata, node_metadata, tasks
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from benchmarks import ours
from langwire import check, encode
from langwire.testing.model import ScriptedModel

SMALL: dict[str, Callable[[], Stream]] = {
    **{name: partial(make, 6) for name, (make, _) in STREAMS.items()},
    "tasks": partial(tasks, 3, history=4),
    "big result": partial(big_result, 2_300),
}
each_stream = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)


@each_stream
def test_a_stream_tells_what_was_put_into_it(make: Callable[[], Stream]) -> None:
    stream = make()
    assert ours.told(stream) == stream.told


@each_stream
def test_the_events_of_a_stream_keep_the_grammar(make: Callable[[], Stream]) -> None:
    stream = make()
    assert [problem for turn in stream.turns for problem in check(ours.events(stream, turn))] == []


@each_stream
def test_every_event_is_counted_and_written(make: Callable[[], Stream]) -> None:
    stream = make()
    events = [event for turn in stream.turns for event in ours.events(stream, turn)]
    assert ours.parse(stream) == len(events)
    assert ours.wire(stream) == sum(len(encode(event)) + len(b"data: \n\n") for event in events)


@each_stream
def test_the_floor_takes_out_every_character(make: Callable[[], Stream]) -> None:
    stream = make()
    said = [stream.told.text, stream.told.reasoning, *map(json.dumps, stream.told.calls), *stream.told.results]
    taken = [piece for turn in stream.turns for piece in stream.floor(turn)]
    assert len("".join(taken)) == len("".join(said))


def test_metadata_has_the_keys_that_langgraph_gives() -> None:
    model = ScriptedModel(script=["hello"])

    def speak(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"]), ToolMessage("done", tool_call_id="c1")]}

    graph = StateGraph(MessagesState).add_node("model", speak).add_edge(START, "model").compile(InMemorySaver())
    config: Any = {"configurable": {"thread_id": "thread-1"}}
    shown: Any = graph.stream({"messages": [("user", "hi")]}, config, stream_mode="messages")
    keys = {message.type: set(metadata) for message, metadata in shown}
    assert set(model_metadata(0, (), "model")) - {"ls_model_name"} == keys["AIMessageChunk"]
    assert set(node_metadata(0, (), "tools")) == keys["tool"]
