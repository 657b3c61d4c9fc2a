"""Whole states: what is new in them, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Interrupt
from pydantic import BaseModel

from langwire.core._states import open_calls_of
from langwire.events import OpenCall
from telling import ends, last, lines_of, starts, streamed, token, update

HI = HumanMessage("hi", id="h1")
YES = AIMessage("yes", id="a1")
NO = AIMessage("no", id="a2")


def values(lane: tuple[str, ...] = (), **state: Any) -> Any:
    return lane, "values", state


def checkpoint(source: str, messages: list[Any], id: str = "cp") -> Any:
    config = {"configurable": {"checkpoint_id": id}}
    return (
        (),
        "checkpoints",
        {"config": config, "values": {"messages": messages}, "metadata": {"source": source}, "next": []},
    )


def test_the_first_state_is_what_was_there_before() -> None:
    """Lesson 5: the first snapshot is baseline, not output."""
    assert lines_of([values(messages=[HI]), values(messages=[HI, YES])]) == ["text a1", "a1 'yes'", "/ a1"]


def test_a_state_after_the_lane_has_moved_is_output() -> None:
    assert lines_of([starts(), values(messages=[YES])])[1] == "text a1"
    child = ("child:t1",)
    assert lines_of([*streamed(token("a"), last(), lane=child), values(child, messages=[YES])])[3] == "text a1"


def test_states_that_are_models_and_dataclasses_are_read() -> None:
    """In v2 a state may be the model itself."""

    class Model(BaseModel):
        messages: list[Any]

    @dataclass
    class Data:
        messages: list[Any] = field(default_factory=list)

    for make in (Model, Data):
        chunks = [{"type": "values", "ns": (), "data": make(messages=m), "interrupts": ()} for m in ([HI], [HI, YES])]
        assert lines_of(chunks) == ["text a1", "a1 'yes'", "/ a1"]


def test_an_edit_in_a_state_is_told() -> None:
    chunks = [values(messages=[HI, YES]), values(messages=[HI, AIMessage("[hidden]", id="a1")])]
    assert lines_of(chunks) == ["replaced a1 '[hidden]'"]


def test_equal_copies_tell_nothing_again() -> None:
    """A remote graph gives copies."""
    copies = [{"type": "human", "content": "hi", "id": "h1"}, {"type": "ai", "content": "yes", "id": "a1"}]
    assert lines_of([values(messages=copies[:1]), values(messages=[dict(copy) for copy in copies])])[0] == "text a1"


def test_a_message_that_leaves_the_state_is_removed() -> None:
    chunks = [values(messages=[HI, YES]), values(messages=[HI, YES, NO]), values(messages=[NO]), values(messages=[])]
    assert lines_of(chunks)[-2:] == ["removed h1 a1", "removed a2"]


def test_a_removal_that_an_update_told_is_not_told_again() -> None:
    from langchain_core.messages import RemoveMessage

    chunks = [
        values(messages=[HI, YES]),
        update(messages=[RemoveMessage(id="h1")]),
        values(messages=[YES]),
        values(messages=[AIMessage("nameless")]),
    ]
    assert lines_of(chunks) == ["removed h1", "text turn-1", "turn-1 'nameless'", "/ turn-1", "removed a1"]


def test_what_no_state_was_known_to_hold_is_not_called_removed() -> None:
    """At an interrupt a state lacks what finished siblings wrote."""
    chunks = [values(messages=[HI]), *streamed(token("a"), last()), values(messages=[HI])]
    assert not [line for line in lines_of(chunks) if "removed" in line]


def test_states_are_told_on_request_without_their_messages() -> None:
    chunks = [values(messages=[HI], n=1), update(n=2), update(), values(messages=[HI], n=2)]
    assert lines_of(chunks, state=True) == ["state {'n': 1}", "changed agent {'n': 2}", "state {'n': 2}"]
    assert lines_of(chunks) == []
    only_checkpoints = [checkpoint("loop", [HI])]
    assert lines_of(only_checkpoints, state=True, modes=["checkpoints"], subgraphs=True) == ["state {}"]
    assert lines_of(only_checkpoints, state=True, modes=["checkpoints", "values"], subgraphs=True) == []


@pytest.mark.parametrize("version", ["v2", None])
def test_interrupts_beside_a_state_are_told(version: str | None) -> None:
    ask = Interrupt(value="who?", id="i1")
    part = {"type": "values", "ns": (), "data": {"n": 1}, "interrupts": (ask,)}
    assert lines_of([part], version=version) == ["interrupt i1 value 'who?'", "end interrupted i1"]
    beside = [values(n=1, __interrupt__=(ask,))]
    assert lines_of(beside) == ["interrupt i1 value 'who?'", "end interrupted i1"]
    assert lines_of(beside, state=True)[0] == "state {'n': 1}"


def test_checkpoints_tell_what_is_new_after_the_input() -> None:
    chunks = [
        checkpoint("input", []),
        checkpoint("loop", [HI]),
        checkpoint("loop", [HI, YES]),
    ]
    assert lines_of(chunks) == ["text a1", "a1 'yes'", "/ a1"]
    resumed = [checkpoint("loop", [HI]), checkpoint("loop", [HI, YES])]
    assert lines_of(resumed) == ["text a1", "a1 'yes'", "/ a1"]


def test_a_breakpoint_behind_the_last_node_is_seen_in_the_checkpoints() -> None:
    announced = ((), "updates", {"__interrupt__": ()})
    assert lines_of([checkpoint("loop", []), announced]) == []


# ------------------------------------------------------------------ the functional API


@pytest.mark.parametrize("returned", [YES, [YES], {"messages": [YES]}])
def test_what_an_entrypoint_returns_is_output(returned: Any) -> None:
    assert lines_of([((), "values", returned)]) == ["text a1", "a1 'yes'", "/ a1"]


def test_a_graph_that_writes_nothing_tells_nothing() -> None:
    assert lines_of([values(messages=[HI]), starts(), ends()]) == ["node t1 agent", "/node t1 ok"]


def test_bare_values_of_an_entrypoint_are_told_on_request() -> None:
    assert lines_of([((), "values", 7)], state=True) == ["state 7"]
    assert lines_of([((), "values", {"n": 7})], state=True) == ["state {'n': 7}"]


# ------------------------------------------------------------------ structured output


def test_a_structured_response_is_told_once() -> None:
    answer = {"city": "Rome"}
    chunks = [
        values(messages=[HI]),
        update(structured_response=answer),
        (
            (),
            "tasks",
            {"id": "t1", "name": "agent", "result": {"structured_response": answer}, "error": None, "interrupts": []},
        ),
        values(messages=[HI], structured_response=answer),
        update("other", structured_response=None),
        update("child", ("child:t1",), structured_response="inner"),
    ]
    assert lines_of(chunks) == ["structured {'city': 'Rome'}"]


def test_a_structured_response_of_an_earlier_turn_is_not_told() -> None:
    answer = {"city": "Rome"}
    chunks = [values(messages=[HI], structured_response=answer), values(messages=[HI], structured_response=answer)]
    assert lines_of(chunks) == []
    assert lines_of(
        [((), "tasks", {"id": "t", "name": "n", "result": {"structured_response": 1}, "interrupts": []})]
    ) == ["structured 1"]


# ------------------------------------------------------------------ open calls


def test_calls_without_a_result_are_found_in_a_state() -> None:
    call = {"name": "look", "args": {"x": 1}, "id": "c1", "type": "tool_call"}
    state = {
        "messages": [
            AIMessage("", tool_calls=[call, {**call, "id": "c2"}, {**call, "id": None}]),
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            {"role": "tool", "tool_call_id": "c9", "content": "ok"},
        ],
        "n": 1,
    }
    assert list(open_calls_of(("a:1",), state)) == [
        OpenCall(id="c2", call_id="c2", name="look", args={"x": 1}, lane=("a:1",))
    ]
