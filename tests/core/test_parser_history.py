"""Each message is told once, whichever modes show it how often; edits and removals are told as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Overwrite

from telling import ends, fragment, last, lines_of, message, metadata, starts, streamed, token, told, update

CHILD = ("child:t1",)


def ai(text: str, id: str | None = None, **more: Any) -> AIMessage:
    return AIMessage(text, id=id, **more)


# ------------------------------------------------------------------ once


def test_a_streamed_message_is_not_told_again_by_its_update() -> None:
    """W15, langgraph#6153."""
    chunks = [*streamed(token("Hel"), token("lo"), last()), update(messages=[ai("Hello", "m1")])]
    assert lines_of(chunks) == ["text m1", "m1 'Hel'", "m1 'lo'", "/ m1"]


def test_an_update_closes_a_message_whose_stream_had_no_end() -> None:
    chunks = [*streamed(token("Hello")), update(messages=[ai("Hello", "m1")])]
    assert lines_of(chunks) == ["text m1", "m1 'Hello'", "/ m1"]


def test_messages_without_ids_are_known_by_identity() -> None:
    one, two = ai("ok"), ai("ok")
    chunks = [update(messages=[one, two]), ends(result={"messages": [one, two]})]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text turn-1", "text turn-2"]


def test_messages_without_ids_are_known_by_role_and_content_once_a_mode() -> None:
    """A remote graph gives equal copies, not the same objects."""
    chunks = [
        update(messages=[ai("ok"), ai("ok")]),
        ends(result={"messages": [ai("ok"), ai("ok"), HumanMessage("ok"), ai("other")]}),
    ]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == [
        "text turn-1",
        "text turn-2",
        "text turn-3 user",
        "text turn-4",
    ]


def test_strings_are_known_by_what_they_say_not_by_identity() -> None:
    chunks = [update(messages="a"), ends(result={"messages": "a"}), update("again", messages="a")]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text turn-1 user", "text turn-2 user"]


def test_a_message_that_gets_its_id_in_place_is_known_under_it() -> None:
    """`add_messages` gives ids to the very objects that a node returned."""

    def chunks() -> Any:
        made = ai("ok")
        yield update(messages=[made])
        made.id = "given"
        yield update("copy", messages=[ai("ok", "given")])
        yield update("drop", messages=[RemoveMessage(id="given")])

    assert lines_of(chunks()) == ["text turn-1", "turn-1 'ok'", "/ turn-1", "removed turn-1"]


def test_a_message_that_has_got_another_id_since_is_not_the_same() -> None:
    def chunks() -> Any:
        made = ai("ok")
        yield update(messages=[made])
        made.id = "given"
        yield ends(result={"messages": [ai("ok", "another")]})

    assert [line for line in lines_of(chunks()) if line.startswith("text")] == ["text turn-1", "text another"]


def test_a_parent_does_not_repeat_what_its_child_told() -> None:
    """langgraph#3648."""
    question, answer = HumanMessage("hi", id="h1"), ai("yes", "a1")
    chunks = [
        starts(node="child", input={"messages": [question]}),
        update("inner", CHILD, messages=[answer]),
        update("child", messages=[question, answer]),
    ]
    assert [line for line in lines_of(chunks) if line.startswith(("text", "repl"))] == ["text a1"]


def test_siblings_with_the_same_message_id_are_both_told() -> None:
    chunks = [
        update("inner", ("a:1",), messages=[ai("one", "m")]),
        update("inner", ("b:2",), messages=[ai("two", "m")]),
        update("a", messages=[ai("one", "m")]),
        update("b", messages=[ai("two", "m")]),
    ]
    assert lines_of(chunks) == ["text m", "m 'one'", "/ m", "text m/1", "m/1 'two'", "/ m/1"]


def test_history_is_learned_from_what_nodes_are_given() -> None:
    old = [HumanMessage("hi", id="h1"), ai("yes", "a1"), HumanMessage("more", id="h2")]
    chunks = [
        starts("t1", "one", input={"messages": old}),
        update("one", messages=[*old, ai("new", "a2")]),
        ends("t1", "one"),
        starts("t2", "two", input={"messages": [*old, ai("new", "a2"), HumanMessage("grown", id="h3")]}),
        update("two", messages=[HumanMessage("grown", id="h3")]),
    ]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text a2"]


def test_of_a_history_that_grew_all_that_is_new_is_learned() -> None:
    one, two, answer = HumanMessage("one", id="h1"), HumanMessage("two", id="h2"), ai("a", "a1")
    chunks = [
        starts("t1", "one", input={"messages": [one]}),
        update("one", messages=[answer]),
        ends("t1", "one"),
        starts("t2", "two", input={"messages": [one, two, answer]}),
        update("two", messages=[two]),
    ]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text a1"]


class Thread(list[Any]):
    """Messages that note when all of them are looked at."""

    read = False

    def __iter__(self) -> Iterator[Any]:
        self.read = True
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        self.read = self.read or isinstance(index, slice)
        return super().__getitem__(index)


def test_a_history_that_nobody_asks_about_is_not_read() -> None:
    """A turn in a long thread costs what it costs in a short one."""
    thread = Thread([HumanMessage(str(number), id=f"h{number}") for number in range(3)])
    streaming = [
        starts(input={"messages": thread}),
        *streamed(token("a"), last()),
        update(messages=[ai("a", "m1")]),
        ends(),
    ]
    told(streaming)
    assert not thread.read
    told([*streaming, update(messages=[thread[0]])])
    assert thread.read


@dataclass
class State:
    messages: list[Any]


def test_history_is_read_from_any_kind_of_state() -> None:
    old = HumanMessage("hi", id="h1")
    chunks = [starts(input=State([old])), update(messages=[old]), starts("t2", input=[old]), update(messages=[old])]
    assert not [line for line in lines_of(chunks) if line.startswith("text")]


def test_history_may_be_given() -> None:
    old = [HumanMessage("hi", id="h1"), {"type": "human", "content": "dict", "id": "h2"}, "no message", ai("nameless")]
    chunks = [update(messages=[old[0], ai("new", "a1")]), update(messages=[HumanMessage("dict", id="h2")])]
    assert lines_of(chunks, history=old) == ["text a1", "a1 'new'", "/ a1"]


def test_strangers_in_a_history_are_passed_over() -> None:
    old = HumanMessage("hi", id="h1")
    chunks = [starts(input={"messages": [3, old, ai("nameless"), old]}), update(messages=[old, ai("new", "a1")])]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text a1"]


def test_a_history_that_shrank_is_read_anew() -> None:
    one, two, three = (HumanMessage(name, id=name) for name in ("one", "two", "three"))
    chunks = [
        starts("t1", input={"messages": [one, two]}),
        update(messages=[ai("a", "a1")]),
        starts("t2", input={"messages": [three]}),
        update(messages=[ai("b", "a2"), three]),
        starts("t3", input={"messages": [three, three]}),
        update(messages=[ai("c", "a3")]),
    ]
    assert not [line for line in lines_of(chunks) if "three" in line]


def test_a_node_that_is_given_less_does_not_hide_what_others_were_given() -> None:
    one, two = HumanMessage("one", id="h1"), HumanMessage("two", id="h2")
    chunks = [
        starts("t1", "one", input={"messages": [one, two]}),
        starts("t2", "two", input={"messages": [two]}),
        update("one", messages=[one]),
    ]
    assert not [line for line in lines_of(chunks) if line.startswith("text")]


# ------------------------------------------------------------------ what a node may write


def test_dicts_tuples_and_strings_under_the_messages_key_are_messages() -> None:
    """Lesson 2 of the field: coerce what `add_messages` coerces."""
    chunks = [
        update("a", messages={"role": "assistant", "content": "dict"}),
        update("b", messages=[("ai", "tuple"), {"role": "user", "content": "mine"}]),
        update("c", messages="a string"),
        update(
            "d",
            messages=[
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
                    ],
                }
            ],
        ),
    ]
    assert [line for line in lines_of(chunks) if line.startswith(("text", "/ c1"))] == [
        "text turn-1",
        "text turn-2",
        "text turn-3 user",
        "text turn-4 user",
        "/ c1 add({'a': 1})",
    ]


def test_the_messages_key_has_the_name_it_is_given() -> None:
    assert lines_of([update(chat="hello")], messages_key="chat") == ["text turn-1 user", "turn-1 'hello'", "/ turn-1"]
    assert lines_of([update(messages="hello")], messages_key="chat") == []


@pytest.mark.parametrize("written", [3, ["text", 3], [], [["ai"]], {"content": "no role"}, None])
def test_what_is_no_message_is_left_alone(written: Any) -> None:
    assert lines_of([update(messages=written)]) == []


def test_a_list_with_strangers_among_messages_tells_the_messages() -> None:
    assert lines_of([update(log=[ai("x", "a1"), 3])]) == ["text a1", "a1 'x'", "/ a1"]


def test_lists_of_updates_are_read_one_by_one() -> None:
    """W18: two tools that return commands, a channel written twice."""
    data = {"tools": [{"messages": [ai("one", "a")]}, {"messages": [ai("two", "b")]}, None]}
    assert [line for line in lines_of([((), "updates", data)]) if "text" in line] == ["text a", "text b"]


def test_several_writes_of_one_channel_are_read_from_a_task_result() -> None:
    result = {"messages": {"$writes": [[ai("one", "a")], [ai("two", "b")]]}, "n": {"$writes": "odd"}}
    assert [line for line in lines_of([ends(result=result)]) if "text" in line] == ["text a", "text b"]


def test_values_of_the_functional_api_are_read_where_they_are_messages() -> None:
    chunks = [
        ((), "updates", {"double": 0}),
        ((), "updates", {"ask": ai("bare", "a")}),
        ((), "updates", {"flow": [ai("listed", "b")]}),
        ends(result={"__return__": {"messages": [ai("inside", "c")]}}),
    ]
    assert [line for line in lines_of(chunks) if "text" in line] == ["text a", "text b", "text c"]


# ------------------------------------------------------------------ edits


def test_a_message_told_again_with_other_content_is_replaced() -> None:
    chunks = [
        *streamed(token("call 555-1234"), last()),
        update(messages=[ai("call 555-1234", "m1")]),
        update("guard", messages=[ai("call [hidden]", "m1")]),
        update("again", messages=[ai("call [hidden]", "m1")]),
    ]
    assert lines_of(chunks)[3:] == ["replaced m1 'call [hidden]'"]


def test_a_message_of_an_earlier_turn_can_be_replaced() -> None:
    chunks = [starts(input={"messages": [HumanMessage("my secret", id="h1")]})]
    edited = update("guard", messages=[HumanMessage("[hidden]", id="h1")])
    assert lines_of([*chunks, edited])[1] == "replaced h1 '[hidden]'"


def test_a_result_can_be_replaced() -> None:
    chunks = [
        message(ToolMessage("long", tool_call_id="c1", id="r1")),
        update(messages=[ToolMessage("[cleared]", tool_call_id="c1", id="r1")]),
    ]
    assert lines_of(chunks) == ["result c1 ok 'long'", "replaced r1 '[cleared]'"]


# ------------------------------------------------------------------ removals


def test_removals_name_what_they_remove() -> None:
    chunks = [
        update(messages=[ai("a", "a1"), ai("b", "b1")]),
        update("drop", messages=[RemoveMessage(id="a1"), RemoveMessage(id="unknown")]),
        update("drop", messages=[RemoveMessage(id="a1")]),
    ]
    assert [line for line in lines_of(chunks) if "removed" in line] == ["removed a1 unknown"]


def test_removing_all_names_each_but_those_that_are_kept() -> None:
    old = [HumanMessage("hi", id="h1"), ai("old", "a1"), ai("kept", "k1")]
    nameless = ai("nameless")
    chunks = [
        starts(input={"messages": old}),
        update("write", messages=[nameless]),
        update("sum", messages=[RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("sum", id="s1"), old[2]]),
    ]
    assert lines_of(chunks)[-2] == "removed h1 a1 turn-1"


def test_a_removal_in_the_messages_mode_is_the_same() -> None:
    chunks = [
        update(messages=[ai("a", "a1")]),
        message(RemoveMessage(id=REMOVE_ALL_MESSAGES)),
        update("drop", messages=[RemoveMessage(id=REMOVE_ALL_MESSAGES)]),
    ]
    assert [line for line in lines_of(chunks) if "removed" in line] == ["removed a1"]


def test_a_removal_that_only_the_messages_mode_shows_is_told_at_the_end() -> None:
    all_of_them = message(RemoveMessage(id=REMOVE_ALL_MESSAGES))
    chunks = [*streamed(token("a"), last()), all_of_them, message(RemoveMessage(id="x"))]
    assert lines_of(chunks)[3:] == ["removed m1 x"]


def test_a_removal_that_both_modes_show_is_told_as_the_update_has_it() -> None:
    kept, gone = ai("kept", "k1"), ai("gone", "g1")
    all_of_them = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    chunks = [update(messages=[kept, gone]), message(all_of_them), update(messages=[all_of_them, kept])]
    assert [line for line in lines_of(chunks) if "removed" in line] == ["removed g1"]


def test_what_stands_before_a_removal_of_all_does_not_stay() -> None:
    kept, gone = ai("kept", "k1"), ai("gone", "g1")
    chunks = [update(messages=[gone, RemoveMessage(id=REMOVE_ALL_MESSAGES), kept, "a string"])]
    assert lines_of(chunks)[-1] == "removed g1"


def test_a_message_that_is_removed_and_written_again_at_once_stays() -> None:
    chunks = [update(messages=[ai("x", "x1")]), update(messages=[RemoveMessage(id="x1"), ai("y", "x1")])]
    assert lines_of(chunks)[3:] == ["replaced x1 'y'"]


def test_each_key_of_a_state_holds_its_own_messages() -> None:
    both, one = ai("both", "b1"), ai("one", "o1")
    chunks = [
        update(messages=[both], scratch=[both, one]),
        update(scratch=[RemoveMessage(id=REMOVE_ALL_MESSAGES)]),
        update(messages=[RemoveMessage(id="b1")]),
    ]
    assert lines_of(chunks)[6:] == ["removed o1", "removed b1"]
    emptied = [update(scratch=[one]), update(scratch=Overwrite([]))]
    assert lines_of(emptied)[3:] == ["removed o1"]


def test_a_history_without_ids_is_known_by_identity() -> None:
    old: list[Any] = [{"role": "user", "content": "q"}, ai("nameless")]
    chunks = [starts(input={"messages": old}), update(messages=[*old, {"role": "assistant", "content": "new"}])]
    assert [line for line in lines_of(chunks) if line.startswith("text")] == ["text turn-1"]


def test_what_only_looks_like_a_message_is_none() -> None:
    assert lines_of([update(log={"type": "system", "content": "disk full"})]) == []
    assert lines_of([update(messages={"type": "system", "content": "disk full"})])[0] == "text turn-1 system"


def test_overwrite_tells_what_is_new_and_removes_the_rest() -> None:
    """F-P4."""
    chunks = [
        update(messages=[ai("a", "a1"), ai("b", "b1")]),
        update("rewrite", messages=Overwrite([ai("b", "b1"), ai("c", "c1"), ai("nameless")])),
    ]
    assert lines_of(chunks)[6:] == [
        "text c1",
        "c1 'c'",
        "/ c1",
        "text turn-1",
        "turn-1 'nameless'",
        "/ turn-1",
        "removed a1",
    ]


@pytest.mark.parametrize("empty", [Overwrite([]), {"__overwrite__": []}])
def test_overwrite_with_nothing_removes_all(empty: Any) -> None:
    chunks = [update(messages=[ai("a", "a1")]), update("rewrite", messages=empty)]
    assert lines_of(chunks)[-1] == "removed a1"


def test_overwrite_of_another_key_is_not_about_messages() -> None:
    assert lines_of([update(count=Overwrite(3))]) == []


def test_a_message_that_comes_back_is_in_the_state_again() -> None:
    kept = ai("a", "a1")
    chunks = [
        update(messages=[kept]),
        update("drop", messages=[RemoveMessage(id="a1")]),
        update("back", messages=[kept]),
        update("drop", messages=[RemoveMessage(id="a1")]),
    ]
    assert lines_of(chunks)[3:] == ["removed a1", "replaced a1 'a'", "removed a1"]


# ------------------------------------------------------------------ remote messages


def test_plain_dicts_of_a_remote_graph_take_the_same_path() -> None:
    def chunk(content: str, **more: Any) -> Any:
        fields = {"type": "AIMessageChunk", "id": "m1", "content": content, **more}
        return (), "messages", (fields, {"langgraph_node": "agent", "langgraph_checkpoint_ns": "agent:t1"})

    call = {"name": "look", "args": "{}", "id": "c1", "index": 0, "type": "tool_call_chunk"}
    chunks = [
        chunk("Hel"),
        chunk("lo", tool_call_chunks=[call]),
        chunk("", usage_metadata={"input_tokens": 1, "output_tokens": 2}, response_metadata={"model": "x"}),
        (
            (),
            "messages",
            (
                {"type": "AIMessageChunk", "id": "lc_run--9", "content": "", "chunk_position": "last"},
                {"langgraph_node": "agent", "langgraph_checkpoint_ns": "agent:t1"},
            ),
        ),
        update(messages=[{"type": "ai", "id": "m1", "content": "Hello", "tool_calls": []}]),
        ((), "messages", ({"type": "tool", "id": "r1", "content": "ok", "tool_call_id": "c1"}, {})),
    ]
    assert lines_of(chunks) == [
        "text m1",
        "m1 'Hel'",
        "m1 'lo'",
        "call c1 look",
        "c1 +{}",
        "/ m1",
        "/ c1 look({})",
        "usage m1 1 2",
        "result c1 ok 'ok'",
    ]


def test_the_closing_chunk_of_a_remote_graph_closes_the_message_of_its_task() -> None:
    """Its metadata is new each time, and its id another: the task tells."""
    chunks = [
        message(token("a", id="x"), metadata(task="t1")),
        message(token("b", id="y"), metadata(task="t2")),
        message(last(id="lc_run--2"), metadata(task="t2")),
        message(token("c", id="x"), metadata(task="t1")),
    ]
    assert lines_of(chunks) == ["text x", "x 'a'", "text y", "y 'b'", "/ y", "x 'c'", "/ x partial"]


def test_an_empty_chunk_nobody_is_waiting_for_opens_nothing_visible() -> None:
    about = {"langgraph_node": "agent", "langgraph_checkpoint_ns": "agent:t1"}
    chunks = [
        message(token("a", id="x"), dict(about)),
        message(token("b", id="y"), dict(about)),
        message(last(id="lc_run--1"), dict(about)),
        message(fragment("f", "{}", "c1"), dict(about)),
    ]
    assert lines_of(chunks)[:5] == ["text x", "x 'a'", "text y", "y 'b'", "call c1 f"]


def test_a_server_writes_overwrites_and_pairs_in_its_own_way() -> None:
    """What `Overwrite` and a pair of role and text become on the wire of a LangGraph server."""
    emptied = {"type": "__overwrite__", "value": [["ai", "hello"]]}
    assert lines_of([update(messages=emptied)]) == lines_of([update(messages=Overwrite([("ai", "hello")]))])
    assert lines_of([update(messages=[["user", "one"], ["assistant", "two"]])])[1:2] == ["turn-1 'one'"]
    assert lines_of([update(scratch={"type": "__overwrite__", "values": []})]) == []
    assert lines_of([update(scratch=[["something", "else"]])]) == []
