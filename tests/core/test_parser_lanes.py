"""Nodes, lanes and subagents: where the graph is, and whose work it is."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from langwire import StreamParser
from langwire.events import OpenCall, TextStart
from telling import ends, fragment, last, lines_of, message, metadata, starts, streamed, token, told, update

CALL = {"name": "task", "args": {"description": "x", "subagent_type": "researcher"}, "id": "c1", "type": "tool_call"}
LANE = ("tools:t1",)


def test_a_node_starts_and_ends_once_however_often_it_is_shown() -> None:
    chunks = [starts(), starts(), ends(), ends(), ends("never started")]
    assert lines_of(chunks) == ["node t1 agent", "/node t1 ok"]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (RuntimeError("secret"), "RuntimeError"),
        ("RuntimeError('secret')", "RuntimeError"),
        ({"error": "secret"}, "Error"),
    ],
)
def test_a_node_that_fails_says_the_class_of_its_error_alone(error: Any, named: str) -> None:
    assert lines_of([starts(), ends(error=error)], ending="fail")[1] == f"/node t1 error {named}"


def test_what_a_node_left_open_is_closed_before_it() -> None:
    """W19."""
    chunks = [starts(), *streamed(fragment("a", '{"x', "c1")), ends(error=ValueError())]
    assert lines_of(chunks, ending="fail") == [
        "node t1 agent",
        "call c1 a",
        'c1 +{"x',
        '/ c1 a(invalid {"x) partial',
        "discarded m1",
        "/node t1 error ValueError",
        "end error RuntimeError open=c1",
    ]


def test_of_two_tasks_of_one_name_each_says_which_of_them_wrote_a_message() -> None:
    chunks = [starts("t1", "worker"), starts("t2", "worker")]
    chunks += [ends(id, "worker", result={"messages": [AIMessage("x", id=f"of {id}")]}) for id in ("t2", "t1")]
    parts = [event for event in told(chunks) if isinstance(event, TextStart)]
    assert [(part.id, part.source.task) for part in parts] == [("of t2", "t2"), ("of t1", "t1")]


def test_nodes_below_a_node_end_before_it() -> None:
    inner = ("child:t1",)
    chunks = [
        starts("t1", "child"),
        starts("t2", "inner", inner),
        starts("t3", "leaf", (*inner, "inner:t2")),
        ends("t1", "child"),
    ]
    assert lines_of(chunks)[3:] == ["/node t3 left", "/node t2 left", "/node t1 ok"]


def test_nodes_below_a_node_that_failed_are_cancelled() -> None:
    chunks = [starts("t1", "child"), starts("t2", "inner", ("child:t1",)), ends("t1", "child", error=ValueError())]
    assert lines_of(chunks)[2:] == ["/node t2 cancelled", "/node t1 error ValueError"]


@pytest.mark.parametrize(("ending", "status"), [("close", "left"), ("cancel", "cancelled"), ("fail", "cancelled")])
def test_the_end_of_the_turn_ends_every_node_the_deepest_first(ending: str, status: str) -> None:
    chunks = [starts("t1", "child"), starts("t2", "inner", ("child:t1",))]
    assert lines_of(chunks, ending=ending)[2:4] == [f"/node t2 {status}", f"/node t1 {status}"]


@pytest.mark.parametrize("input", [[CALL], {"__type": "tool_call_with_context", "tool_call": CALL, "state": {}}])
def test_the_lane_of_a_tool_call_is_its_subagent(input: Any) -> None:
    """deepagents#876, #469, #2984."""
    chunks = [
        *streamed(fragment("task", '{"subagent_type":"researcher"}', "c1"), last(), about=metadata("model", "t0")),
        starts("t1", "tools", input=input),
        *streamed(token("hi", id="m2"), last(id="m2"), about=metadata("model", "t2", LANE), lane=LANE),
        message(ToolMessage("done", tool_call_id="c1", id="r1"), metadata("tools")),
        ends("t1", "tools"),
    ]
    assert lines_of(chunks)[3:] == [
        "node t1 tools",
        "subagent tools:t1 c1 researcher",
        "text m2",
        "m2 'hi'",
        "/ m2",
        "/subagent tools:t1",
        "result c1 ok 'done'",
        "/node t1 ok",
    ]


def test_parallel_calls_of_the_same_subagent_are_told_apart() -> None:
    calls = [{**CALL, "id": id} for id in ("c1", "c2")]
    chunks: list[Any] = [update(messages=[AIMessage("", id="m1", tool_calls=calls)])]
    chunks += [starts(task, "tools", input=[call]) for task, call in zip(("t1", "t2"), calls, strict=True)]
    chunks += [starts("t4", "model", ("tools:t2",)), starts("t3", "model", LANE)]
    started = [line for line in lines_of(chunks) if line.startswith("subagent")]
    assert started == ["subagent tools:t2 c2 researcher", "subagent tools:t1 c1 researcher"]


def test_the_agent_says_its_name_itself() -> None:
    waiting = [OpenCall(id="c1", call_id="c1", name="task", args="odd")]
    named = starts("t2", "model", LANE, metadata={"lc_agent_name": "poet"})
    assert "subagent tools:t1 c1 poet" in lines_of([starts("t1", "tools", input=[CALL]), named], open_calls=waiting)
    plain = starts("t2", "model", LANE, metadata=None)
    assert "subagent tools:t1 c1 None" in lines_of([starts("t1", "tools", input=[CALL]), plain], open_calls=waiting)


def test_a_lane_inside_a_subagent_is_no_subagent_of_its_own() -> None:
    waiting = [OpenCall(id="c1", call_id="c1", name="task")]
    deep = (*LANE, "child:t2")
    chunks = [starts("t1", "tools", input=[CALL]), (deep, "custom", 1)]
    assert [line for line in lines_of(chunks, open_calls=waiting) if "subagent" in line] == [
        "subagent tools:t1 c1 None",
        "/subagent tools:t1",
    ]


def test_a_subagent_ends_after_what_still_runs_there() -> None:
    waiting = [OpenCall(id="c1", call_id="c1", name="task")]
    chunks = [
        starts("t1", "tools", input=[CALL]),
        starts("t2", "model", LANE),
        message(ToolMessage("early", tool_call_id="c1", id="r1"), metadata("tools")),
        ends("t1", "tools"),
    ]
    told_lines = lines_of(chunks, open_calls=waiting)
    assert told_lines[-4:] == ["result c1 ok 'early'", "/node t2 left", "/subagent tools:t1", "/node t1 ok"]


def test_the_lane_of_a_call_that_is_not_shown_is_no_subagent() -> None:
    waiting = [OpenCall(id="c1", call_id="c1", name="task")]
    chunks = [starts("t1", "tools", input=[CALL]), (LANE, "custom", 1)]
    assert not [line for line in lines_of(chunks, open_calls=waiting, skip_tools=["task"]) if "subagent" in line]


def test_a_handoff_is_answered_in_the_lane_above() -> None:
    lane = ("alice:t1",)
    chunks = [
        *streamed(fragment("handoff", "{}", "c1"), last(), about=metadata("model", "t2", lane), lane=lane),
        update("alice", messages=[ToolMessage("to bob", tool_call_id="c1", id="r1")]),
    ]
    assert lines_of(chunks)[-1] == "result c1 ok 'to bob'"


def test_the_same_call_id_is_answered_in_its_own_lane_first() -> None:
    one, two = ("a:1",), ("b:2",)
    chunks: list[Any] = []
    for lane in (one, two):
        chunks += streamed(fragment("f", "{}", "c1"), last(), about=metadata("m", "t", lane), lane=lane)
    chunks += [
        message(ToolMessage("second", tool_call_id="c1", id="r2"), metadata("t", "x", two), two),
        message(ToolMessage("first", tool_call_id="c1", id="r1"), metadata("t", "y", one), one),
    ]
    results = [line for line in lines_of(chunks) if line.startswith("result")]
    assert results == ["result c1~2 ok 'second'", "result c1 ok 'first'"]


def test_a_call_of_the_same_lane_is_answered_before_one_of_the_lane_above() -> None:
    lane = ("a:1",)
    waiting = [
        OpenCall(id="above", call_id="c1", name="f"),
        OpenCall(id="here", call_id="c1", name="f", lane=lane),
    ]
    answer = message(ToolMessage("ok", tool_call_id="c1", id="r1"), lane=lane)
    assert lines_of([answer], open_calls=waiting)[0] == "result here ok 'ok'"


def test_a_call_that_has_its_result_is_not_the_one_that_the_lane_above_answers() -> None:
    """Two children hand off under the same call id."""
    one, two = ("a:1",), ("b:2",)
    waiting = [OpenCall(id=id, call_id="c1", name="f", lane=lane) for id, lane in (("one", one), ("two", two))]
    chunks = [
        message(ToolMessage("first", tool_call_id="c1", id="r1"), lane=one),
        message(ToolMessage("second", tool_call_id="c1", id="r2")),
    ]
    assert lines_of(chunks, open_calls=waiting) == ["result one ok 'first'", "result two ok 'second'"]


def test_between_two_lanes_the_one_above_is_answered_before_the_one_below() -> None:
    waiting = [
        OpenCall(id="below", call_id="c1", name="f", lane=("a:1", "b:2")),
        OpenCall(id="above", call_id="c1", name="f"),
    ]
    answer = message(ToolMessage("ok", tool_call_id="c1", id="r1"), metadata("t", "x", ("a:1",)), ("a:1",))
    assert lines_of([answer], open_calls=waiting)[0] == "result above ok 'ok'"


def test_a_node_below_one_that_is_over_is_not_told() -> None:
    chunks = [starts("t1", "child"), ends("t1", "child"), starts("t2", "inner", ("child:t1",))]
    assert lines_of(chunks) == ["node t1 child", "/node t1 ok"]


def test_a_node_that_is_announced_after_its_first_words_is_not_told() -> None:
    chunks = [*streamed(token("a"), last()), starts("t1"), ends("t1")]
    assert lines_of(chunks) == ["text m1", "m1 'a'", "/ m1"]


# ------------------------------------------------------------------ replay


def test_writes_replayed_when_a_turn_is_resumed_tell_nothing() -> None:
    """ag-ui#2014: what an earlier turn told is not told again."""
    old, nameless = AIMessage("old", id="a1"), AIMessage("nameless")
    chunks = [
        starts("t1", "free"),
        starts("t2", "asked"),
        update("free", cached=True, messages=[old, nameless, old, 3]),
        update("asked", messages=[AIMessage("new", id="a2")]),
        ends("t2", "asked"),
        starts("t3", "next"),
        update("next", messages=[old, nameless]),
    ]
    assert [line for line in lines_of(chunks, cause="resume") if line.startswith(("text", "/node t1"))] == [
        "/node t1 replayed",
        "text a2",
    ]


def test_replayed_changes_of_the_state_say_so() -> None:
    chunks = [update("free", cached=True, count=1, log=None)]
    assert lines_of(chunks, cause="resume", state=True) == ["changed free {'count': 1, 'log': None} replayed"]


def test_a_cached_node_later_or_in_a_fresh_turn_is_output() -> None:
    chunks = [starts(), update(cached=True, messages=[AIMessage("saved", id="a1")])]
    assert lines_of(chunks) == ["node t1 agent", "text a1", "a1 'saved'", "/ a1", "/node t1 replayed"]
    later = [update("first", messages=[AIMessage("new", id="a2")]), *chunks]
    assert "text a1" in lines_of(later, cause="resume")


def test_replay_in_a_lane_that_was_resumed_with_its_parent_tells_nothing() -> None:
    lane = ("child:t1",)
    chunks = [starts("t1", "child"), update("inner", lane, cached=True, messages=[AIMessage("old", id="a1")])]
    assert not [line for line in lines_of(chunks, cause="resume") if line.startswith("text")]
    fresh = [update("first", n=1), *chunks]
    assert "text a1" in lines_of(fresh, cause="resume")


def test_of_several_tasks_of_one_name_those_without_an_end_are_the_replayed_ones() -> None:
    chunks = [
        *(starts(task, "work") for task in ("t1", "t2", "t3")),
        update("work", cached=True, out=["a"]),
        ends("t2", "work"),
    ]
    assert lines_of(chunks, cause="resume")[3:] == ["/node t2 ok", "/node t1 replayed", "/node t3 left"]


def test_a_server_names_a_nodes_error_in_a_dict() -> None:
    error = {"error": "ValueError", "message": "secret"}
    assert lines_of([starts(), ends(error=error)], ending="fail")[1] == "/node t1 error ValueError"


def test_the_nodes_that_run_can_be_asked_for() -> None:
    parser = StreamParser()
    for chunk in [
        starts("t1", "outer"),
        starts("t2", "inner", ("outer:t1",)),
        starts("t3", "done"),
        ends("t3", "done"),
    ]:
        parser.feed(chunk)
    assert parser.open_nodes == [((), "outer"), (("outer:t1",), "inner")]
