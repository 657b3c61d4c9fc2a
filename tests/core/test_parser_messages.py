"""Token streams: text, calls, thinking and usage, however a provider cuts them."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call_chunk

from langwire.events import Media, TextStart, TurnEnd, Usage
from telling import ends, fragment, last, lines_of, message, metadata, starts, streamed, token, told, update

# ------------------------------------------------------------------ text


def test_text_comes_as_it_was_sent() -> None:
    assert lines_of(streamed(token("  Hel"), token("lo\n"), last())) == ["text m1", "m1 '  Hel'", "m1 'lo\\n'", "/ m1"]


def test_a_message_without_text_tells_nothing() -> None:
    assert lines_of(streamed(token(""), last())) == []


def test_text_blocks_are_joined_without_a_space() -> None:
    """W21."""
    blocks = [{"type": "text", "text": "Hel", "index": 0}, {"type": "text", "text": "lo", "index": 1}, "!"]
    joined = ["text m1", "m1 'Hel'", "m1 'lo'", "m1 '!'", "/ m1"]
    assert lines_of(streamed(token(blocks), last())) == joined
    finished = update(messages=[AIMessage(blocks, id="m1")])
    assert lines_of([*streamed(token("Hello"), token("!"), last()), finished])[-1] == "/ m1"


def test_a_chunk_with_the_last_piece_of_text_closes_the_message() -> None:
    chunks = streamed(token("a"), token("b", chunk_position="last"), AIMessage("by hand", id="h1"))
    assert lines_of(chunks)[:5] == ["text m1", "m1 'a'", "m1 'b'", "/ m1", "text h1"]


def test_the_closing_chunk_under_another_id_closes_the_message_it_belongs_to() -> None:
    """langchain-core closes a stream under a `lc_run--` id, also where the provider has one of its own."""
    assert lines_of(streamed(token("a"), last(id="lc_run--1"))) == ["text m1", "m1 'a'", "/ m1"]


def test_an_id_that_comes_late_is_known_when_the_message_is_told_again() -> None:
    chunks = [*streamed(token("a", id="lc_run--1"), token("b", id="msg_5"), last(id="lc_run--1"))]
    finished = update(messages=[AIMessage("ab", id="msg_5")])
    assert lines_of([*chunks, finished]) == ["text lc_run--1", "lc_run--1 'a'", "lc_run--1 'b'", "/ lc_run--1"]


def test_chunks_without_any_id_are_one_message() -> None:
    told_lines = lines_of(streamed(token("a", id=None), token("b", id=None), last(id=None)))
    assert told_lines == ["text turn-1", "turn-1 'a'", "turn-1 'b'", "/ turn-1"]


def test_two_models_in_one_node_are_told_apart() -> None:
    one, two = metadata(), metadata()
    chunks = [
        message(token("a", id="x"), one),
        message(token("1", id="y"), two),
        message(token("b", id="x"), one),
        message(last(id="lc_run--1"), one),
        message(last(id="lc_run--2"), two),
    ]
    assert lines_of(chunks) == ["text x", "x 'a'", "text y", "y '1'", "x 'b'", "/ x", "/ y"]


def test_a_model_that_opens_with_an_empty_chunk_is_not_taken_for_the_one_that_streams() -> None:
    """OpenAI-style streams begin with one."""
    one, two = metadata(), metadata()
    chunks = [
        message(token("", id="x"), one),
        message(token("a", id="x"), one),
        message(token("", id="y"), two),
        message(token("1", id="y"), two),
        message(last(id="x"), one),
        message(last(id="y"), two),
    ]
    assert lines_of(chunks) == ["text x", "x 'a'", "text y", "y '1'", "/ x", "/ y"]


def test_the_same_message_id_in_parallel_lanes_makes_parts_of_their_own() -> None:
    one, two = ("child:1",), ("child:2",)
    chunks = [*streamed(token("a"), last(), lane=one), *streamed(token("b"), last(), lane=two)]
    events = [event for event in told(chunks) if isinstance(event, TextStart)]
    assert [(event.id, event.message_id, event.source.lane) for event in events] == [
        ("m1", "m1", one),
        ("m1/1", "m1", two),
    ]


def test_a_part_says_where_it_comes_from_once_at_its_start() -> None:
    about = metadata("writer", "t9", ("child:1",), lc_agent_name="poet")
    start = next(e for e in told(streamed(token("a"), about=about, lane=("child:1",))) if isinstance(e, TextStart))
    source = start.source
    assert (source.lane, source.node, source.agent, source.task) == (("child:1",), "writer", "poet", "t9")


@pytest.mark.parametrize(
    ("finished", "role"),
    [
        (HumanMessage("x", id="m1"), "user"),
        (SystemMessage("x", id="m1"), "system"),
        (ChatMessage(content="x", role="critic", id="m1"), "critic"),
        (ChatMessageChunk(content="x", role="critic", id="m1"), "critic"),
    ],
)
def test_a_message_made_by_a_node_keeps_its_role(finished: Any, role: str) -> None:
    assert lines_of([message(finished)])[0] == f"text m1 {role}"


def test_a_finished_message_that_never_streamed_is_told_whole() -> None:
    """W16."""
    assert lines_of([message(AIMessage("by hand", id="h1"))]) == ["text h1", "h1 'by hand'", "/ h1"]


def test_a_summed_chunk_that_a_node_returns_is_told_once() -> None:
    whole = AIMessageChunk(content="sum", id="m1")
    chunks = [*streamed(token("sum"), last()), update(messages=[whole])]
    assert lines_of(chunks) == ["text m1", "m1 'sum'", "/ m1"]


def test_a_message_goes_on_after_its_end_in_a_part_of_its_own() -> None:
    chunks = [*streamed(token("a"), last()), *streamed(token("b"), last())]
    assert lines_of(chunks) == ["text m1", "m1 'a'", "/ m1", "text m1/1", "m1/1 'b'", "/ m1/1"]


def test_what_a_model_says_after_its_last_chunk_is_a_part_of_its_own() -> None:
    chunks = streamed(token("a"), last(), token("b"), last())
    assert lines_of(chunks) == ["text m1", "m1 'a'", "/ m1", "text m1/1", "m1/1 'b'", "/ m1/1"]


def test_the_whole_message_after_its_chunks_is_not_told_again() -> None:
    assert lines_of(streamed(token("ab"), AIMessage("ab", id="m1"))) == ["text m1", "m1 'ab'", "/ m1"]


def test_without_langchain_there_are_no_message_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings of plain dicts are read where langchain is not loaded."""

    class Stranger:
        content = "x"

    monkeypatch.delitem(sys.modules, "langchain_core.messages.base")
    assert lines_of([update(messages=[Stranger()])]) == []


# ------------------------------------------------------------------ calls


def test_a_message_whose_id_a_call_has_used_takes_the_next_part_id() -> None:
    chunks = streamed(fragment("a", "{}", "m1"), token("hi"), last())
    assert lines_of(chunks)[:4] == ["call m1 a", "m1 +{}", "text m1/1", "m1/1 'hi'"]


def test_a_call_whose_id_a_message_has_used_takes_the_next_one() -> None:
    chunks = streamed(token("hi"), fragment("a", "{}", "m1"), last())
    assert lines_of(chunks)[2:4] == ["call m1~2 a", "m1~2 +{}"]


def test_arguments_that_json_has_no_form_for_are_told_as_far_as_it_goes() -> None:
    """W1: datetimes in arguments."""
    call = {"name": "book", "args": {"when": datetime(2026, 1, 2)}, "id": "c1"}
    assert lines_of([update(messages=[AIMessage("", id="m1", tool_calls=[call])])])[2] == (
        "/ c1 book({'when': '2026-01-02T00:00:00'})"
    )


def test_text_beside_a_call_fragment_is_kept() -> None:
    """W17, F-P2."""
    chunks = streamed(token("Let me "), fragment("look", "{}", "c1", content="check "), token("now."), last())
    assert lines_of(chunks, ending="cancel") == [
        "text m1",
        "m1 'Let me '",
        "m1 'check '",
        "call c1 look",
        "c1 +{}",
        "m1 'now.'",
        "/ m1",
        "/ c1 look({})",
        "end cancelled open=c1",
    ]


def test_interleaved_calls_are_put_together_by_their_index() -> None:
    both = token(
        tool_call_chunks=[
            tool_call_chunk(name=None, args="1}", id=None, index=0),
            tool_call_chunk(name=None, args="2}", id=None, index=1),
        ]
    )
    chunks = streamed(fragment("a", '{"x":', "c1", 0), fragment("b", '{"y":', "c2", 1), both, last())
    calls = [line for line in lines_of(chunks) if line.startswith(("/", "call"))]
    assert calls == ["call c1 a", "call c2 b", "/ c1 a({'x': 1})", "/ c2 b({'y': 2})"]


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        pytest.param([("a", '{"x":1}', "c1", None)], ["/ c1 a({'x': 1})"], id="one shot, no index"),
        pytest.param(
            [("a", "{}", "c1", None), ("b", "{}", "c2", None)],
            ["/ c1 a({})", "/ c2 b({})"],
            id="calls told apart by id",
        ),
        pytest.param([("a", "{", "c1", None), (None, "}", "c1", None)], ["/ c1 a({})"], id="id repeated, no index"),
        pytest.param([("a", "{", "c1", 0), (None, "}", "c1", 0)], ["/ c1 a({})"], id="id repeated"),
        pytest.param(
            [("a", "{", "c1", 0), (None, None, None, 0), (None, "}", None, 0)], ["/ c1 a({})"], id="args None"
        ),
        pytest.param(
            [("a", '{"x":"Ro', "c1", 0), (None, 'me"}', None, 0)], ["/ c1 a({'x': 'Rome'})"], id="cut inside a word"
        ),
        pytest.param([("a", "", "c1", 0)], ["/ c1 a({})"], id="no arguments at all"),
        pytest.param(
            [("a", "{", "c1", None), (None, "}", None, None)], ["/ c1 a({})"], id="neither id nor index later"
        ),
        pytest.param(
            [("a", "{}", None, None), ("b", "{}", None, None)], ["/ m1 a({})", "/ m1/1 b({})"], id="names alone"
        ),
        pytest.param([("a", "{}", "c1", 0), ("b", "{}", "c2", 0)], ["/ c1 a({})", "/ c2 b({})"], id="index used again"),
        pytest.param([(None, "{", "c1", 0), ("a", "}", None, 0)], ["/ c1 a({})"], id="name comes late"),
        pytest.param([("get_", "{", "c1", 0), ("it", "}", None, 0)], ["/ c1 get_it({})"], id="name in pieces"),
        pytest.param([("a", "{", "c1", 0), ("a", "}", "c1", 0)], ["/ c1 a({})"], id="name repeated"),
        pytest.param([(None, "{}", None, None)], ["/ m1 ({})"], id="nothing but arguments"),
        pytest.param([("a", "{broken", "c1", 0)], ["/ c1 a(invalid {broken)"], id="truncated"),
        pytest.param([("a", "[" * 100_000, "c1", 0)], ["/ c1 a(invalid " + "[" * 100_000 + ")"], id="absurdly deep"),
    ],
)
def test_call_fragments_of_every_make_become_calls(fragments: list[Any], calls: list[str]) -> None:
    """F-P1, langgraph#4853."""
    ended = [line for line in lines_of(streamed(*(fragment(*args) for args in fragments), last())) if line[0] == "/"]
    assert ended == calls


def test_a_call_id_that_comes_late_is_the_one_that_results_answer() -> None:
    chunks = [
        *streamed(fragment("a", "{", None, 0), fragment(None, "}", "c1", 0), last()),
        message(ToolMessage("ok", tool_call_id="c1", id="r1")),
    ]
    assert lines_of(chunks) == ["call m1 a", "m1 +{", "m1 +}", "/ m1 a({})", "result m1 ok 'ok'"]


def test_an_id_that_only_the_finished_message_has_is_the_one_that_results_answer() -> None:
    finished = AIMessage("", id="m1", tool_calls=[{"name": "a", "args": {}, "id": "c1"}])
    chunks = [
        *streamed(fragment("a", "{}", None, 0), last()),
        update(messages=[finished]),
        message(ToolMessage("ok", tool_call_id="c1", id="r1")),
    ]
    assert lines_of(chunks)[-1] == "result m1 ok 'ok'"


def test_a_call_that_a_node_adds_to_a_streamed_message_is_told() -> None:
    finished = AIMessage("hm", id="m1", tool_calls=[{"name": "a", "args": {"x": 1}, "id": "c1"}])
    chunks = [*streamed(token("hm"), last()), update(messages=[finished])]
    assert lines_of(chunks) == [
        "text m1",
        "m1 'hm'",
        "/ m1",
        "call c1 a",
        'c1 +{"x": 1}',
        "/ c1 a({'x': 1})",
        "end complete open=c1",
    ]


def test_a_call_id_used_twice_makes_two_calls_answered_in_order() -> None:
    def one(id: str) -> list[Any]:
        return streamed(
            *(token(id=id, tool_call_chunks=[tool_call_chunk(name="a", args="{}", id="c1", index=0)]), last(id=id))
        )

    def result(text: str, id: str) -> Any:
        return message(ToolMessage(text, tool_call_id="c1", id=id))

    chunks = [*one("m1"), result("first", "r1"), *one("m2"), result("second", "r2")]
    told_lines = lines_of(chunks)
    assert [line for line in told_lines if line.startswith("result")] == [
        "result c1 ok 'first'",
        "result c1~2 ok 'second'",
    ]


def test_calls_of_a_finished_message_are_told_with_the_invalid_ones() -> None:
    finished = AIMessage(
        "see",
        id="m1",
        tool_calls=[{"name": "a", "args": {"x": 1}, "id": "c1"}],
        invalid_tool_calls=[invalid_tool_call(name="b", args="{oops", id="c2", error=None)],
    )
    assert lines_of([update(messages=[finished])]) == [
        "text m1",
        "m1 'see'",
        "/ m1",
        "call c1 a",
        'c1 +{"x": 1}',
        "/ c1 a({'x': 1})",
        "call c2 b",
        "c2 +{oops",
        "/ c2 b(invalid {oops)",
        "end complete open=c1 open=c2",
    ]


# ------------------------------------------------------------------ results


def test_a_result_takes_its_status_from_the_message_not_from_its_text() -> None:
    """W21: results that begin with "Error:" are no errors."""
    chunks = [
        message(ToolMessage("Error: 0 found", tool_call_id="c1", id="r1")),
        message(ToolMessage("fine", tool_call_id="c2", id="r2", status="error")),
    ]
    assert lines_of(chunks) == ["result c1 ok 'Error: 0 found'", "result c2 error 'fine'"]


def test_a_result_ends_the_call_that_it_answers() -> None:
    chunks = [*streamed(fragment("a", "{}", "c1")), message(ToolMessage("ok", tool_call_id="c1", id="r1"))]
    assert lines_of(chunks) == ["call c1 a", "c1 +{}", "/ c1 a({})", "result c1 ok 'ok'"]


def test_a_second_result_of_a_call_replaces_the_text_of_the_first() -> None:
    chunks = [
        *streamed(fragment("a", "{}", "c1"), last()),
        message(ToolMessage("one", tool_call_id="c1", id="r1")),
        message(ToolMessage("one", tool_call_id="c1", id="r2")),
        message(ToolMessage("two", tool_call_id="c1", id="r3")),
    ]
    assert lines_of(chunks)[-2:] == ["result c1 ok 'one'", "replaced r1 'two'"]


def test_a_result_whose_content_cannot_be_compared_counts_as_another() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no truth here")

        __hash__ = object.__hash__

    first, second = (ToolMessage.model_construct(content=Odd(), tool_call_id="c1", id=id, type="tool") for id in "ab")
    chunks = [*streamed(fragment("a", "{}", "c1"), last()), message(first), message(second)]
    assert lines_of(chunks)[-1] == "replaced a ''"


def test_tools_that_are_skipped_show_neither_call_nor_result() -> None:
    chunks = [
        *streamed(
            fragment("peek", '{"x"', "c1", 0), fragment(None, ":1}", None, 0), fragment("look", "{}", "c2", 1), last()
        ),
        message(ToolMessage("hm", tool_call_id="c1", id="r1")),
        message(ToolMessage("another", tool_call_id="c1", id="r4")),
        message(ToolMessage("hm", tool_call_id="c9", name="peek", id="r2")),
        message(ToolMessage("ok", tool_call_id="c2", id="r3")),
    ]
    assert lines_of(chunks, skip_tools=["peek"]) == ["call c2 look", "c2 +{}", "/ c2 look({})", "result c2 ok 'ok'"]


# ------------------------------------------------------------------ thinking


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [
                [{"type": "thinking", "thinking": "a", "index": 0}],
                [{"type": "thinking", "thinking": "b", "index": 0}],
                [{"type": "thinking", "signature": "S", "index": 0}],
            ],
            ["reasoning m1", "m1 ~'a'", "m1 ~'b'", "/ m1 sig=S"],
            id="anthropic",
        ),
        pytest.param(
            [[{"type": "redacted_thinking", "data": "X"}], [{"type": "redacted_thinking", "data": "Y"}]],
            ["reasoning m1", "/ m1 enc=X", "reasoning m1/1", "/ m1/1 enc=Y"],
            id="anthropic, redacted",
        ),
        pytest.param(
            [
                [{"type": "thinking", "thinking": "a", "signature": "S"}],
                [{"type": "thinking", "thinking": "b", "signature": "T"}],
            ],
            ["reasoning m1", "m1 ~'a'", "/ m1 sig=S", "reasoning m1/1", "m1/1 ~'b'", "/ m1/1 sig=T"],
            id="anthropic, two signed blocks",
        ),
        pytest.param(
            [
                [{"type": "thinking", "thinking": "a", "signature": "S"}],
                [{"type": "thinking", "thinking": "b"}],
                [{"type": "thinking", "thinking": "c"}],
            ],
            ["reasoning m1", "m1 ~'a'", "/ m1 sig=S", "reasoning m1/1", "m1/1 ~'b'", "m1/1 ~'c'", "/ m1/1"],
            id="anthropic, the second without a signature",
        ),
        pytest.param(
            [
                [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}], "index": 0}],
                [{"type": "reasoning", "encrypted_content": "E", "index": 0}],
            ],
            ["reasoning m1", "m1 ~'a'", "/ m1 enc=E"],
            id="openai responses",
        ),
        pytest.param(
            [[{"type": "reasoning", "reasoning": "a", "extras": {"signature": "S"}}]],
            ["reasoning m1", "m1 ~'a'", "/ m1 sig=S"],
            id="standard block",
        ),
        pytest.param(
            [
                [{"type": "reasoning_content", "reasoning_content": {"text": "a"}}],
                [{"type": "reasoning_content", "reasoning_content": {"signature": "S"}}],
            ],
            ["reasoning m1", "m1 ~'a'", "/ m1 sig=S"],
            id="bedrock",
        ),
        pytest.param(
            [[{"type": "reasoning_content", "reasoning_content": "a"}]],
            ["reasoning m1", "m1 ~'a'", "/ m1"],
            id="bedrock, bare",
        ),
    ],
)
def test_thinking_of_every_provider_stands_apart_from_the_answer(chunks: list[Any], expected: list[str]) -> None:
    told_lines = lines_of(streamed(*(token(content) for content in chunks), token("!"), last()))
    number = sum(line.startswith("reasoning") for line in expected)
    assert told_lines == [*expected, f"text m1/{number}", f"m1/{number} '!'", f"/ m1/{number}"]


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning_content": "deep"},
        {"reasoning": "deep"},
        {"reasoning": {"summary": [{"text": "deep"}]}},
    ],
)
def test_thinking_beside_the_content_comes_before_it(extra: dict[str, Any]) -> None:
    told_lines = lines_of(streamed(token("42", additional_kwargs=extra), last()))
    assert told_lines == ["reasoning m1", "m1 ~'deep'", "/ m1", "text m1/1", "m1/1 '42'", "/ m1/1"]


def test_a_refusal_is_a_text_part_of_its_own() -> None:
    chunks = streamed(
        token([{"type": "refusal", "refusal": "I can"}]),
        token([{"type": "refusal", "refusal": "not."}]),
        token("", additional_kwargs={"refusal": " No."}),
        token([{"type": "refusal"}]),
        last(),
    )
    assert lines_of(chunks) == ["text m1 refusal", "m1 'I can'", "m1 'not.'", "m1 ' No.'", "/ m1"]


# ------------------------------------------------------------------ other blocks


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "image", "base64": "AA", "mime_type": "image/png"}, "image image/png AA"),
        ({"type": "image_url", "image_url": {"url": "https://e.x/a.png"}}, "image https://e.x/a.png"),
        ({"type": "image_url", "image_url": "data:image/gif;base64,QQ"}, "image image/gif QQ"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "BB"}},
            "image image/png BB",
        ),
        ({"type": "input_audio", "input_audio": {"data": "CC", "format": "wav"}}, "audio CC"),
        ({"type": "file", "file_id": "f1"}, "file f1"),
        ({"type": "file", "file": {"file_data": "DD"}}, "file DD"),
        ({"type": "video"}, "video {'type': 'video'}"),
        ({"type": "hologram", "x": 1}, "hologram {'type': 'hologram', 'x': 1}"),
    ],
)
def test_media_is_kept_and_never_made_text(block: dict[str, Any], expected: str) -> None:
    assert lines_of(streamed(token([block]), last())) == [f"media m1 {expected}"]


def test_media_of_a_person_say_whose_they_are() -> None:
    picture = {"type": "image", "url": "u"}
    said = [HumanMessage([picture], id="h"), AIMessage([picture], id="a")]
    media = [event for event in told([update(messages=said)]) if isinstance(event, Media)]
    assert [(event.message_id, event.role) for event in media] == [("h", "user"), ("a", "assistant")]


def test_media_stands_between_the_texts_around_it() -> None:
    chunks = streamed(token("See"), token([{"type": "image", "url": "u"}]), token("there"), last())
    assert lines_of(chunks) == [
        "text m1",
        "m1 'See'",
        "/ m1",
        "media m1/1 image u",
        "text m1/2",
        "m1/2 'there'",
        "/ m1/2",
    ]


def test_content_that_is_no_block_at_all_is_kept() -> None:
    odd = AIMessageChunk.model_construct(content=[3], id="m1", type="AIMessageChunk", chunk_position=None)
    assert lines_of(streamed(odd)) == ["media m1 other 3"]


def test_sound_beside_the_content_is_media() -> None:
    chunk = token("", additional_kwargs={"audio": {"data": "EE"}})
    assert lines_of(streamed(chunk, token("", additional_kwargs={"audio": {"id": "x"}}), last())) == [
        "media m1 audio EE"
    ]


def test_a_source_is_cited_for_the_text_it_stands_with() -> None:
    chunks = streamed(
        token([{"type": "text", "text": "The answer", "citations": [{"url": "u"}]}]),
        token([{"type": "text", "annotations": [{"url": "v"}]}]),
        last(),
    )
    assert lines_of(chunks) == ["text m1", "m1 'The answer'", "cite m1 {'url': 'u'}", "cite m1 {'url': 'v'}", "/ m1"]


def test_a_source_of_a_later_text_is_cited_for_that_one() -> None:
    chunks = streamed(
        token("First."),
        token([{"type": "thinking", "thinking": "hm"}]),
        token([{"type": "text", "text": "Second.", "citations": [{"url": "u"}]}]),
        last(),
    )
    assert lines_of(chunks)[-3:] == ["m1/2 'Second.'", "cite m1/2 {'url': 'u'}", "/ m1/2"]


def test_a_source_without_any_text_opens_the_part_it_belongs_to() -> None:
    chunks = streamed(token([{"type": "text", "text": "", "citations": [{"url": "u"}]}]), last())
    assert lines_of(chunks) == ["text m1", "cite m1 {'url': 'u'}", "/ m1"]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(
            [
                {"type": "server_tool_call_chunk", "name": "search", "args": '{"q":', "id": "s1", "index": 1},
                {"type": "server_tool_call_chunk", "args": '"x"}', "index": 1},
                {"type": "server_tool_result", "tool_call_id": "s1", "status": "success", "output": "r"},
            ],
            id="standard",
        ),
        pytest.param(
            [
                {"type": "server_tool_use", "id": "s1", "name": "search", "input": {}, "index": 1},
                {"type": "input_json_delta", "partial_json": '{"q":', "index": 1},
                {"type": "input_json_delta", "partial_json": '"x"}', "index": 1},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": "r"},
            ],
            id="anthropic",
        ),
    ],
)
def test_calls_that_the_provider_runs_are_marked(blocks: list[Any]) -> None:
    chunks = streamed(*(token([block]) for block in blocks), token(" done"), last())
    assert lines_of(chunks) == [
        "call s1 search provider",
        's1 +{"q":',
        's1 +"x"}',
        "/ s1 search({'q': 'x'})",
        "result s1 ok 'r'",
        "text m1",
        "m1 ' done'",
        "/ m1",
    ]


def test_a_finished_call_of_openai_comes_with_its_result() -> None:
    block = {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"q": "x"}, "results": ["r"]}
    unanswered = {"type": "code_call", "id": "w2"}
    assert lines_of(streamed(token([block, unanswered]), last())) == [
        "call w1 web_search provider",
        'w1 +{"action": {"q": "x"}}',
        "/ w1 web_search({'action': {'q': 'x'}})",
        "result w1 ok ['r']",
        "call w2 code provider",
        "w2 +{}",
        "/ w2 code({})",
    ]


def test_a_provider_result_nobody_called_for_or_told_twice_is_left_out() -> None:
    result = {"type": "server_tool_result", "tool_call_id": "s1", "output": "r", "is_error": True}
    call = {"type": "server_tool_call", "id": "s1", "name": "search", "args": {}, "index": 0}
    told_lines = lines_of(streamed(token([result, call, result, result]), last()))
    assert [line for line in told_lines if line.startswith("result")] == ["result s1 error 'r'"]


def test_a_provider_result_ends_its_own_call_alone() -> None:
    blocks = [
        {"type": "server_tool_call", "id": "s1", "name": "a", "args": {}, "index": 0},
        {"type": "server_tool_call", "id": "s2", "name": "b", "args": {}, "index": 1},
        {"type": "server_tool_result", "tool_call_id": "s1", "output": "r"},
    ]
    chunks = streamed(fragment("c", "{", None, None), token(blocks), fragment(None, "}", None, None), last())
    ended = [line for line in lines_of(chunks) if line.startswith("/")]
    assert ended == ["/ s1 a({})", "/ m1 c({})", "/ s2 b({})"]


def test_a_provider_call_that_is_skipped_shows_no_result() -> None:
    call = {"type": "server_tool_call", "id": "s1", "name": "search", "args": {}, "index": 0}
    result = {"type": "server_tool_result", "tool_call_id": "s1", "output": "r"}
    assert lines_of(streamed(token([call, result]), last()), skip_tools=["search"]) == []


def test_blocks_that_repeat_an_ordinary_call_are_not_told_twice() -> None:
    blocks = [{"type": "tool_use", "id": "c1", "name": "a", "input": {}}, {"type": "input_json_delta", "index": 0}]
    assert lines_of(streamed(token(blocks), last())) == []


# ------------------------------------------------------------------ usage


def usage(input: int, output: int, **details: Any) -> Any:
    return {"input_tokens": input, "output_tokens": output, "total_tokens": input + output, **details}


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        pytest.param([usage(12, 5)], "12 5", id="in one chunk"),
        pytest.param([usage(10, 0), usage(0, 25)], "10 25", id="split over the chunks"),
        pytest.param([usage(12, 1), usage(12, 3), usage(12, 5)], "12 5", id="running total"),
        pytest.param([usage(0, 1), usage(0, 2)], "0 3", id="output alone"),
        pytest.param(
            [usage(10, 0, input_token_details={"cache_read": 4}), usage(0, 2, output_token_details={"reasoning": 1})],
            "10 2 {'input_token_details': {'cache_read': 4}, 'output_token_details': {'reasoning': 1}}",
            id="details",
        ),
        pytest.param([usage(1, 1, input_token_details={"cache_read": "many"})], "1 1", id="details that are no count"),
    ],
)
def test_usage_is_told_once_however_it_was_split(usages: list[Any], expected: str) -> None:
    """langchain#30429, databricks-ai-bridge#434."""
    chunks = [token(id="m1") for _ in usages]
    for chunk, counts in zip(chunks, usages, strict=True):
        chunk.usage_metadata = counts
    assert lines_of(streamed(*chunks, last()))[-1].startswith(f"usage m1 {expected}")


def test_usage_of_the_finished_message_fills_in_and_is_not_told_twice() -> None:
    finished = AIMessage("a", id="m1", usage_metadata=usage(3, 4), response_metadata={"model_name": "gpt"})
    about = metadata(ls_model_name="ls")
    silent = [*streamed(token("a"), last(), about=about), update(messages=[finished]), update(messages=[finished])]
    assert [line for line in lines_of(silent) if line.startswith("usage")] == ["usage m1 3 4"]
    counted = [*streamed(token("a", usage_metadata=usage(1, 2)), last()), update(messages=[finished])]
    assert [line for line in lines_of(counted) if line.startswith("usage")] == ["usage m1 1 2"]


def test_usage_names_the_model_that_answered_else_the_one_that_was_asked() -> None:
    def named(*chunks: Any) -> list[str | None]:
        asked = metadata(ls_model_name="asked")
        return [event.model for event in told(streamed(*chunks, about=asked)) if isinstance(event, Usage)]

    answered = token(response_metadata={"model_name": "answered"})
    assert named(token("a"), answered, token(usage_metadata=usage(1, 2)), last()) == ["answered"]
    assert named(token("a"), token(usage_metadata=usage(1, 2)), last()) == ["asked"]


def test_usage_is_told_for_each_place_that_an_id_comes_from() -> None:
    def said(task: str, content: str = "a") -> list[Any]:
        return streamed(token(content, usage_metadata=usage(1, 2)), last(), about=metadata(task=task))

    counted = [line for line in lines_of([*said("t1"), *said("t2"), *said("t2"), *said("t3", "")]) if "usage" in line]
    assert counted == ["usage m1 1 2", "usage m1 1 2"]


def test_the_turn_ends_with_the_usage_of_all_its_messages() -> None:
    chunks = [
        *streamed(token("a", usage_metadata=usage(1, 2)), last()),
        *streamed(token("b", id="m2", usage_metadata=usage(10, 20)), last(id="m2")),
    ]
    end = told(chunks)[-1]
    assert isinstance(end, TurnEnd)
    assert end.usage is not None
    assert (end.usage.input_tokens, end.usage.output_tokens, end.usage.total_tokens) == (11, 22, 33)


# ------------------------------------------------------------------ what the state keeps


def test_an_attempt_that_failed_is_discarded_when_its_node_ends_with_another() -> None:
    answer = AIMessage("good", id="m2")
    chunks = [
        starts(),
        *streamed(token("ba")),
        *streamed(token("good", id="m2"), last(id="m2")),
        update(messages=[answer]),
        ends(),
    ]
    assert lines_of(chunks)[-3:] == ["/ m1 partial", "discarded m1", "/node t1 ok"]


def test_an_answer_that_is_kept_elsewhere_is_not_called_discarded() -> None:
    chunks = [starts(), *streamed(token("a"), last()), update(answer="a"), ends()]
    assert not [line for line in lines_of(chunks) if line.startswith("discarded")]


def test_without_the_end_of_nodes_the_turn_tells_what_was_discarded() -> None:
    chunks = [
        *streamed(token("ba")),
        *streamed(token("good", id="m2"), last(id="m2")),
        update(messages=[AIMessage("good", id="m2")]),
    ]
    assert lines_of(chunks)[-1] == "discarded m1"


def test_what_the_application_adds_for_the_model_has_a_role_of_its_own() -> None:
    added = HumanMessage("the page shows order 7", id="m1", name="context")
    assert lines_of([update(messages=[added])])[0] == "text m1 context"
    assert lines_of([update(messages=[HumanMessage("hi", id="m1", name="ann")])])[0] == "text m1 user"
