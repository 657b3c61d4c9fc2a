"""The shortest way through the parser: whatever a chunk holds beside more text, nothing of it is lost there."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ChatMessageChunk, HumanMessage, ToolMessage

from langwire import StreamParser
from langwire.errors import UnknownChunk
from langwire.events import Custom, MessageReplaced, TextDelta, TextEnd, ToolResult, Usage
from telling import fragment, last, lines_of, message, metadata, streamed, token, update

OPEN = ["text m1", "m1 'a'"]


@pytest.mark.parametrize(
    ("chunk", "then"),
    [
        pytest.param(token("b", chunk_position="last"), ["m1 'b'", "/ m1"], id="the last piece"),
        pytest.param(token("b", additional_kwargs={"reasoning_content": "hm"}), None, id="thinking beside it"),
        pytest.param(
            AIMessageChunk(content="b", id="m1", tool_call_chunks=fragment("look", "{}", "c1").tool_call_chunks),
            ["m1 'b'", "call c1 look", "c1 +{}", "/ m1", "/ c1 look({})", "end complete open=c1"],
            id="a call beside it",
        ),
        pytest.param(
            token(
                "b",
                chunk_position="last",
                usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
                response_metadata={"model_provider": "p", "model_name": "big"},
            ),
            ["m1 'b'", "/ m1", "usage m1 1 2"],
            id="its usage and model",
        ),
        pytest.param(token("b", response_metadata={"model_provider": "p"}), ["m1 'b'", "/ m1"], id="its provider"),
    ],
)
def test_what_stands_beside_more_text_is_told(chunk: AIMessageChunk, then: list[str] | None) -> None:
    chunks = streamed(token("a"), chunk)
    told = lines_of([*chunks, *streamed(last(), about=chunks[0][2][1])])
    if then is None:
        assert any("~'hm'" in line for line in told)
    else:
        assert told == [*OPEN, *then]


def test_a_model_that_is_named_in_one_chunk_alone_is_kept() -> None:
    counts = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    about = {"model_provider": "p", "model_name": "big"}
    parser = StreamParser(modes=["messages"], subgraphs=True)
    chunks = streamed(token("a"), token("b", response_metadata=about), token("", usage_metadata=counts), last())
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    assert [event.model for event in events if isinstance(event, Usage)] == ["big"]


def test_chunks_of_a_chat_role_are_one_message() -> None:
    """Their class has neither calls nor usage."""
    chunks = streamed(*(ChatMessageChunk(content=text, role="assistant", id="m1") for text in "abc"), last())
    assert lines_of(chunks)[1:] == ["m1 'a'", "m1 'b'", "m1 'c'", "/ m1"]


def test_dicts_of_one_run_that_lack_fields_are_one_message() -> None:
    dicts = [{"type": "AIMessageChunk", "content": text, "id": "m1"} for text in "ab"]
    assert lines_of(streamed(*dicts, last())) == ["text m1", "m1 'a'", "m1 'b'", "/ m1"]


def test_content_that_is_missing_says_nothing() -> None:
    nothing = {"type": "AIMessageChunk", "content": None, "id": "m1"}
    assert lines_of(streamed(token("a"), nothing, last())) == ["text m1", "m1 'a'", "/ m1"]


def test_a_block_that_stands_alone_is_read_as_a_block() -> None:
    alone = AIMessageChunk.model_construct(content={"type": "text", "text": "hi"}, id="m1", type="AIMessageChunk")
    assert lines_of(streamed(alone, last())) == ["text m1", "m1 'hi'", "/ m1"]


def test_text_never_overtakes_what_an_unreadable_chunk_had_told() -> None:
    parser = StreamParser(modes=["messages", "updates"], subgraphs=True)
    first, second, end = streamed(token("a"), token("b"), last())
    parser.feed(first)
    with pytest.raises(UnknownChunk):
        parser.feed(((), "updates", {"n": {"messages": [AIMessage("c", id="m2")]}, "__interrupt__": 7}))
    texts = [event.text for event in parser.feed(second) if isinstance(event, TextDelta)]
    assert texts == ["c", "b"]
    assert [type(event) for event in parser.feed(end)] == [TextEnd]


@pytest.mark.parametrize("mode", ["updates", "nomode"])
def test_a_lane_that_is_none_is_refused(mode: str) -> None:
    parser = StreamParser(modes=["updates"], subgraphs=True)
    with pytest.raises(UnknownChunk):
        parser.feed(("abc", mode, {}))


def test_a_message_in_a_lane_that_is_none_is_refused() -> None:
    parser = StreamParser(modes=["messages"], subgraphs=True)
    with pytest.raises(UnknownChunk):
        parser.feed(("abc", "messages", (token("a"), metadata())))


def test_a_v2_part_may_have_its_lane_as_a_list() -> None:
    part = {"type": "updates", "ns": ["child:1"], "data": {"n": {"messages": [AIMessage("hi", id="m1")]}}}
    events = StreamParser(modes=["updates"], subgraphs=True, version="v2").feed(part)
    assert [event.source.lane for event in events if hasattr(event, "source")] == [("child:1",)]


def test_interrupts_beside_another_mode_than_values_change_nothing() -> None:
    part = {"type": "custom", "ns": (), "data": 1, "interrupts": ("x",)}
    events = StreamParser(modes=["custom"], version="v2").feed(part)
    assert [event.data for event in events if isinstance(event, Custom)] == [1]


# ------------------------------------------------------------------ the past, read late


def tasks(id: str, messages: list[Any], lane: tuple[str, ...] = ()) -> Any:
    return lane, "tasks", {"id": id, "name": "n", "input": {"messages": messages}, "triggers": []}


def test_a_message_of_the_past_is_known_in_every_lane_that_holds_it() -> None:
    """Copies of one message, as a parent and its child hold them: repeated by either, it is not told again."""
    parent, child, new = (HumanMessage(text, id=id) for text, id in (("old", "h1"), ("old", "h1"), ("new", "h2")))
    lane = ("n:t1",)
    chunks = [
        tasks("t1", [parent]),
        tasks("t2", [child], lane),
        update(lane=lane, messages=[new]),
        update(lane=lane, messages=[HumanMessage("old", id="h1")]),
        update(messages=[HumanMessage("old", id="h1")]),
    ]
    told = [line for line in lines_of(chunks) if "h1" in line]
    assert told == []


def test_a_message_of_the_past_that_changes_is_told_as_replaced() -> None:
    chunks = [
        tasks("t1", [HumanMessage("old", id="h1"), HumanMessage("other", id="h0")]),
        update(messages=[HumanMessage("edited", id="h1")]),
    ]
    assert [line for line in lines_of(chunks) if "h1" in line] == ["replaced h1 'edited'"]


def test_a_hidden_result_takes_no_id_from_a_call_that_comes_later() -> None:
    chunks = [
        message(ToolMessage("hm", tool_call_id="c1", name="peek", id="r1")),
        *streamed(fragment("look", "{}", "c1"), last()),
        message(ToolMessage("seen", tool_call_id="c1", name="look", id="r2")),
    ]
    parser = StreamParser(modes=["messages"], subgraphs=True, skip_tools=["peek"])
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    assert [event.id for event in events if isinstance(event, ToolResult)] == ["c1"]
    assert not [event for event in events if isinstance(event, MessageReplaced)]


def test_a_chat_role_that_is_renamed_on_the_way_stays_one_message() -> None:
    chunks = streamed(*(ChatMessageChunk(content=text, role="assistant", id=id) for text, id in ("am", "bn")))
    finished = update(messages=[AIMessage("ab", id="n")])
    assert lines_of([*chunks, finished])[1:] == ["m 'a'", "m 'b'", "/ m"]


def test_what_is_no_v2_part_is_read_by_its_shape() -> None:
    parser = StreamParser(modes=["updates"], subgraphs=True, version="v2")
    parser.feed(((), "updates", {"n": {"messages": [AIMessage("hi", id="m1")]}}))
    with pytest.raises(UnknownChunk):
        parser.feed(7)


def test_a_history_may_hold_what_is_no_message() -> None:
    parser = StreamParser(modes=["updates"], subgraphs=True, history=[7, HumanMessage("old", id="h1")])
    events = parser.feed(update(messages=[HumanMessage("old", id="h1")]))
    assert not [event for event in events if isinstance(event, TextDelta)]
