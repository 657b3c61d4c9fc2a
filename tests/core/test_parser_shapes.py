"""Every shape in which LangGraph yields chunks, told or found out."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langgraph.graph import START, MessagesState, StateGraph

from langwire import StreamParser
from langwire.errors import UnknownChunk
from langwire.events import TextStart
from langwire.testing import CASES, ScriptedModel, text
from telling import lines, lines_of, metadata, token, told

UPDATE = {"agent": {"messages": [AIMessage("hi", id="a1")]}}
TOLD = ["text a1", "a1 'hi'", "/ a1"]
TOKEN = (token("hi", id="a1", chunk_position="last"), metadata())
LANE = ("child:t1",)


class StreamPart(NamedTuple):
    """What a remote graph yields for a list of modes without subgraphs."""

    event: str
    data: Any
    id: str | None = None


SHAPES = [
    ((), "updates", UPDATE),
    (LANE, "updates", UPDATE),
    ("updates", UPDATE),
    ((), UPDATE),
    (LANE, UPDATE),
    UPDATE,
    {"type": "updates", "ns": (), "data": UPDATE},
    {"type": "updates", "ns": [], "data": UPDATE, "interrupts": ()},
    StreamPart("updates", UPDATE),
    StreamPart("updates|child:t1|leaf:t2", UPDATE, "7"),
    TOKEN,
    ((), TOKEN),
    ("messages", TOKEN),
    {"type": "messages", "ns": [], "data": list(TOKEN)},
]


@pytest.mark.parametrize("chunk", SHAPES, ids=lambda chunk: str(chunk)[:40])
def test_every_shape_is_found_out_by_itself(chunk: Any) -> None:
    """W20, lessons 4 and 5 of the field."""
    assert lines_of([chunk]) == TOLD


@pytest.mark.parametrize(
    ("chunk", "lane"),
    [
        ((LANE, "updates", UPDATE), LANE),
        ((LANE, UPDATE), LANE),
        ({"type": "updates", "ns": list(LANE), "data": UPDATE}, LANE),
        (StreamPart("updates", UPDATE), ()),
        (StreamPart("updates|child:t1|leaf:t2", UPDATE), ("child:t1", "leaf:t2")),
    ],
)
def test_every_shape_says_its_lane(chunk: Any, lane: tuple[str, ...]) -> None:
    assert [event.source.lane for event in told([chunk]) if isinstance(event, TextStart)] == [lane]


@pytest.mark.parametrize(
    ("modes", "subgraphs", "chunk"),
    [
        (["updates"], True, ((), "updates", UPDATE)),
        (["updates"], True, ("updates", UPDATE)),
        (["updates"], False, ("updates", UPDATE)),
        (["updates"], False, StreamPart("updates", UPDATE)),
        (["updates"], True, {"type": "updates", "ns": (), "data": UPDATE}),
        ("updates", False, UPDATE),
        ("updates", None, UPDATE),
        ("updates", None, {"type": "updates", "ns": (), "data": UPDATE}),
        ("updates", None, ((), UPDATE)),
        ("updates", True, ((), UPDATE)),
        ("messages", False, TOKEN),
        ("messages", None, TOKEN),
    ],
)
def test_every_shape_is_read_as_it_was_asked_for(modes: Any, subgraphs: bool | None, chunk: Any) -> None:
    assert lines_of([chunk], modes=modes, subgraphs=subgraphs) == TOLD


def test_bare_data_of_one_mode_is_read_as_that_mode() -> None:
    data = (("looks", "like a lane"), 1)
    assert lines_of([data, None, "x"], modes="custom", subgraphs=False) == [
        f"custom {data!r}",
        "custom None",
        "custom 'x'",
    ]
    states = [{"messages": []}, {"messages": [AIMessage("hi", id="a1")]}]
    assert lines_of(states, modes="values", subgraphs=False) == TOLD


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"id": "t1", "name": "n", "input": None, "triggers": ()}, "node t1 n"),
        ({"event": "tool-started", "tool_call_id": "c1", "tool_name": "look", "input": {}}, "call c1 look"),
        (
            {"config": {}, "values": {"messages": []}, "metadata": {"source": "loop"}, "next": []},
            "end complete",
        ),
        (
            {
                "step": 1,
                "timestamp": "x",
                "type": "task",
                "payload": {"id": "t1", "name": "n", "input": 1, "triggers": ()},
            },
            "node t1 n",
        ),
    ],
)
def test_bare_data_tells_its_mode_by_its_keys(data: dict[str, Any], line: str) -> None:
    parser = StreamParser()
    assert line in [*lines(parser.feed(data)), "end complete"]


def test_a_bare_task_result_is_read() -> None:
    start = {"id": "t1", "name": "n", "input": None, "triggers": ()}
    result = {"id": "t1", "name": "n", "error": None, "result": {}, "interrupts": []}
    assert lines_of([start, result]) == ["node t1 n", "/node t1 ok"]


class Odd:
    def __repr__(self) -> str:
        raise ValueError("no repr")


@pytest.mark.parametrize(
    "chunk",
    [3, None, "text", [], (), (1,), (1, 2), (1, 2, 3, 4), (LANE, 3, UPDATE), ((), 7), (3, "updates", UPDATE), Odd()],
)
def test_an_unknown_shape_is_an_error_that_names_it(chunk: Any) -> None:
    with pytest.raises(UnknownChunk, match=r"cannot read an? .* as a LangGraph stream chunk") as raised:
        StreamParser().feed(chunk)
    assert "\n" not in str(raised.value)


def test_a_lane_that_was_promised_and_is_not_there_is_an_error() -> None:
    with pytest.raises(UnknownChunk):
        StreamParser(modes="updates", subgraphs=True).feed(UPDATE)


def test_a_named_tuple_that_is_no_stream_part_is_an_error() -> None:
    class Pair(NamedTuple):
        one: int
        two: int

    with pytest.raises(UnknownChunk):
        StreamParser().feed(Pair(1, 2))


def test_an_event_of_the_v3_stream_is_refused_with_a_sentence() -> None:
    event = {"type": "event", "method": "messages", "seq": 1, "params": {"namespace": [], "data": {}}}
    with pytest.raises(UnknownChunk, match=r"v3 stream: call graph\.stream"):
        StreamParser().feed(event)


async def test_real_graphs_are_read_in_every_shape_of_call() -> None:
    """Each way to call a graph, told to the parser and not told, sync and async."""
    model = ScriptedModel(script=[text("Hel", "lo", id="m1")])
    builder = StateGraph(MessagesState)
    builder.add_node("chat", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "chat")
    graph = builder.compile()
    expected = ["text m1", "m1 'Hel'", "m1 'lo'", "/ m1"]
    for modes in (["updates", "messages"], ["messages"], "messages"):
        for subgraphs in (True, False):
            for version in ("v1", "v2"):
                how: Any = {"stream_mode": modes, "subgraphs": subgraphs, "version": version}
                told_how: Any = {"modes": modes, "subgraphs": subgraphs, "version": version}
                chunks = list(graph.stream({"messages": "hi"}, **how))
                assert lines_of(chunks, **told_how) == expected, how
                assert lines_of(chunks) == expected, how
                later = [chunk async for chunk in graph.astream({"messages": "hi"}, **how)]
                assert lines_of(later, **told_how) == expected, how


async def test_parse_and_aparse_agree_on_every_graph() -> None:
    """Sync equals async."""
    for case in CASES.values():
        if case.needs:
            continue
        chunks: list[Any] = []
        stream = case.build().astream(
            case.input, {"configurable": {"thread_id": "t"}}, stream_mode=["messages", "updates"]
        )
        try:
            async for chunk in stream:
                chunks.append(chunk)
        except Exception:
            chunks.append(None)

        def replayed(chunks: list[Any] = chunks) -> Any:
            for chunk in chunks:
                if chunk is None:
                    raise ValueError("died")
                yield chunk

        async def areplayed(chunks: list[Any] = chunks) -> Any:
            for chunk in chunks:
                await asyncio.sleep(0)
                if chunk is None:
                    raise ValueError("died")
                yield chunk

        told_sync = list(StreamParser(turn_id="t").parse(replayed(), raise_errors=False))
        told_async = [e async for e in StreamParser(turn_id="t").aparse(areplayed(), raise_errors=False)]
        assert lines(told_sync) == lines(told_async), case.name


def test_a_message_of_a_class_of_ones_own_is_a_message() -> None:
    """Dispatch is by what a message is, not by the name of its class."""

    class Mine(AIMessage):
        pass

    class MineChunk(AIMessageChunk):
        pass

    assert lines_of([((), "updates", {"n": {"messages": [Mine("hi", id="a1")]}})]) == TOLD
    assert lines_of([((), "messages", (MineChunk(content="hi", id="a1", chunk_position="last"), metadata()))]) == TOLD
