"""Questions are read whatever they hold, and only answers that the graph accepts are sent."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from langgraph.types import Interrupt as Raised

from langwire.core.interrupts import (
    Decision,
    approve,
    breakpoint_interrupt,
    edit,
    read_interrupt,
    reject,
    respond,
    resume_map,
)
from langwire.errors import InvalidDecision
from langwire.events import Action, Interrupt, OpenCall
from langwire.testing import ScriptedModel, text, tool_call, tool_calls

ALL = ("approve", "edit", "reject", "respond")
LANE = ("agent:1",)


def batched(*requests: tuple[str, Any], allowed: Sequence[str] = ALL) -> dict[str, Any]:
    return {
        "action_requests": [{"name": name, "args": args, "description": f"run {name}?"} for name, args in requests],
        "review_configs": [{"action_name": name, "allowed_decisions": list(allowed)} for name, _ in requests],
    }


def per_call(name: str = "send", args: Any = None, id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_approval", "tool_call_id": id, "name": name, "args": args or {}, "description": "run?"}


def older(action: str = "send", args: Any = None, **flags: bool) -> dict[str, Any]:
    return {"action_request": {"action": action, "args": args or {}}, "config": flags, "description": "run?"}


def asked(value: Any, id: str = "q") -> Interrupt:
    return read_interrupt(Raised(value=value, id=id), LANE)


def answered(value: Any, answer: Any) -> Any:
    return resume_map([asked(value)], {"q": answer})["q"]


def refused(value: Any, answer: Any) -> str:
    with pytest.raises(InvalidDecision) as caught:
        answered(value, answer)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def call(id: str, name: str, args: Any, lane: tuple[str, ...] = LANE) -> OpenCall:
    return OpenCall(id=f"part-{id}", call_id=id, name=name, args=args, lane=lane)


# ------------------------------------------------------------------ reading


def test_a_batched_approval_carries_every_action_with_all_its_arguments() -> None:
    value = batched(("send", {"to": "ann", "cc": ["bob"]}), ("drop", {}), allowed=["approve", "reject"])
    allowed = ("approve", "reject")
    assert asked(value) == Interrupt(
        id="q",
        kind="approval_batched",
        value=value,
        lane=LANE,
        allowed=allowed,
        actions=(
            Action(name="send", args={"to": "ann", "cc": ["bob"]}, description="run send?", allowed=allowed),
            Action(name="drop", args={}, description="run drop?", allowed=allowed),
        ),
    )


def test_allowed_decisions_come_from_the_config_of_the_same_name_else_of_the_same_place() -> None:
    value = batched(("a", {}), ("b", {}), ("c", {}), ("d", {}))
    value["review_configs"] = [
        {"action_name": "b", "allowed_decisions": ["approve", "reject"]},
        {"action_name": "a", "allowed_decisions": ["edit", "approve", "dance", 7]},
        {"action_name": "x", "allowed_decisions": ["respond"]},
    ]
    read = asked(value)
    assert [action.allowed for action in read.actions] == [("approve", "edit"), ("approve", "reject"), ("respond",), ()]
    assert read.allowed == ()


def test_the_config_at_an_actions_own_place_goes_before_another_of_its_name() -> None:
    value = batched(("a", 1), ("a", 2))
    value["review_configs"][1]["allowed_decisions"] = ["reject"]
    read = asked(value)
    assert [action.allowed for action in read.actions] == [ALL, ("reject",)]
    assert read.allowed == ("reject",)


@pytest.mark.parametrize("configs", [None, "nothing", [None, 3], [{"action_name": "a", "allowed_decisions": "all"}]])
def test_an_approval_without_readable_configs_says_nothing_about_decisions(configs: Any) -> None:
    read = asked({**batched(("a", {})), "review_configs": configs})
    assert (read.kind, read.actions[0].allowed, read.allowed) == ("approval_batched", (), ())


def test_actions_are_matched_to_open_calls_by_arguments_each_call_once() -> None:
    """LangChain's batched approval names no call ids; two equal calls must not share one."""
    read = read_interrupt(
        Raised(value=batched(("send", {"to": "bob"}), ("send", {"to": "ann"}), ("send", {"to": "ann"})), id="q"),
        LANE,
        [
            call("c1", "send", {"to": "ann"}),
            call("c2", "send", {"to": "bob"}),
            call("c3", "send", {"to": "ann"}),
        ],
    )
    assert [action.call_id for action in read.actions] == ["c2", "c1", "c3"]


def test_actions_with_other_arguments_fall_back_to_name_and_order() -> None:
    read = read_interrupt(
        Raised(value=batched(("send", {"to": "?"}), ("send", {"to": "bob"}), ("drop", {})), id="q"),
        LANE,
        [call("c1", "send", {"to": "bob"}), call("c2", "send", {"to": "ann"}), call("c3", "stop", {})],
    )
    assert [action.call_id for action in read.actions] == ["c2", "c1", None]


def test_a_call_of_the_same_lane_goes_before_one_inside_it_and_others_are_none_of_it() -> None:
    inside, outside = (*LANE, "tools:2"), ("agent:9",)
    calls = [call("c0", "send", {}, outside), call("c1", "send", {}, inside), call("c2", "send", {})]
    read = read_interrupt(Raised(value=batched(("send", {}), ("send", {}), ("send", {})), id="q"), LANE, calls)
    assert [action.call_id for action in read.actions] == ["c2", "c1", None]


def test_a_per_call_approval_names_its_call_and_its_schema_the_decisions() -> None:
    """W14: `interrupt_mode="per_call"` of LangChain 1.4."""
    schema = {"properties": {"type": {"const": "approve"}}}
    raw = {"id": "q", "value": per_call(args={"to": "ann"}), "response_schema": schema}
    assert read_interrupt(raw, LANE) == Interrupt(
        id="q",
        kind="approval_per_call",
        value=raw["value"],
        actions=(Action(name="send", args={"to": "ann"}, description="run?", call_id="c1", allowed=("approve",)),),
        allowed=("approve",),
        call_id="c1",
        response_schema=schema,
        lane=LANE,
    )


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        (None, ()),
        ({}, ()),
        ({"properties": {"type": {"enum": ["reject", "approve", "other", None]}}}, ("approve", "reject")),
        ({"properties": {"type": "approve"}, "oneOf": "approve", "discriminator": {"mapping": 1}}, ()),
        (
            {"discriminator": {"propertyName": "type", "mapping": {"edit": "#/x", "respond": "#/y"}}},
            ("edit", "respond"),
        ),
        ({"anyOf": [{"properties": {"type": {"const": word}}} for word in ("respond", "edit")]}, ("edit", "respond")),
        (
            {"$defs": {"A": {"properties": {"type": {"const": "reject"}}}}, "oneOf": [{"$ref": "#/$defs/A"}, 5]},
            ("reject",),
        ),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"oneOf": [{"$ref": "#/$defs/A"}]}}}, ()),
        ({"$ref": "#/$defs/A", "$defs": []}, ()),
    ],
)
def test_a_schema_of_any_make_is_read_for_decisions(schema: Any, allowed: tuple[str, ...]) -> None:
    assert read_interrupt({"id": "q", "value": per_call(), "response_schema": schema}, ()).allowed == allowed


@pytest.mark.parametrize("alone", [True, False])
def test_the_older_request_is_a_value_with_an_action(alone: bool) -> None:
    """Lesson 28: a list of human interrupts."""
    request = older(args={"to": "ann"}, allow_accept=True, allow_edit=False, allow_ignore=True, allow_respond=True)
    read = read_interrupt(
        Raised(value=request if alone else [request], id="q"), LANE, [call("c1", "send", {"to": "ann"})]
    )
    allowed = ("approve", "reject", "respond")
    assert read.kind == "value"
    assert read.actions == (Action(name="send", args={"to": "ann"}, description="run?", call_id="c1", allowed=allowed),)
    assert read.allowed == allowed


def test_an_older_request_without_config_says_nothing_about_decisions() -> None:
    assert asked([{"action_request": {"action": "send", "args": {}}}]).actions == (Action(name="send", args={}),)


@pytest.mark.parametrize(
    "value",
    [
        "Which colour?",
        None,
        0,
        [],
        ["a", "b"],
        {"question": "Proceed?"},
        {"action_requests": "many"},
        {"action_requests": [1]},
        {"action_request": "send"},
        [older(), "and more"],
        {"type": "other"},
    ],
)
def test_anything_else_is_a_plain_value_without_actions(value: Any) -> None:
    """Lesson 29: a bare text is a question, not an action."""
    assert asked(value) == Interrupt(id="q", value=value, lane=LANE)


@pytest.mark.parametrize("value", ["Who?", batched(("send", {"to": "ann"})), per_call(), [older()]])
def test_an_object_and_the_dict_of_a_remote_graph_read_alike(value: Any) -> None:
    """Lesson 34."""
    raised = Raised(value=value, id="q")
    assert read_interrupt(raised, LANE) == read_interrupt({"value": value, "id": "q", "when": "during"}, LANE)


def test_what_is_no_interrupt_at_all_is_kept_whole() -> None:
    assert read_interrupt("just a text", ()).value == "just a text"
    assert read_interrupt({"question": 1}, ()).value == {"question": 1}


def test_a_question_without_an_id_gets_the_same_one_for_the_same_value() -> None:
    """LangGraph leaves a placeholder where a node raised the interrupt itself."""
    ids = [
        read_interrupt(raw, lane).id
        for raw in (
            Raised(value={"b": 1, "a": {2, 3}}),
            {"value": {"a": {3, 2}, "b": 1}},
            {"id": 7, "value": {}},
            {"id": "", "value": {}},
        )
        for lane in ((), LANE)
    ]
    assert len(set(ids)) == 2
    assert ids == [ids[0]] * 4 + [ids[4]] * 4
    assert all(len(id) == 32 and int(id, 16) for id in ids), "LangGraph takes other keys for a part of the answer"


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class HostileDict(dict[str, Any]):
    def get(self, key: Any, default: Any = None) -> Any:
        raise RuntimeError(key)


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


HARD: dict[str, Callable[[], Any]] = {
    "an object that fails at every touch": Hostile,
    "a dict that cannot be read": lambda: HostileDict(x=1),
    "a cycle": cycle,
    "keys that do not sort": lambda: {1: 2, "a": 3},
    "keys that JSON lacks": lambda: {(1, 2): 3},
    "no number": lambda: float("nan"),
    "half a character": lambda: "\ud800",
    "a cycle in an action": lambda: batched(("a", cycle())),
}


@pytest.mark.parametrize("make", HARD.values(), ids=HARD)
def test_no_payload_makes_reading_fail(make: Callable[[], Any]) -> None:
    value = make()
    for raw in (
        value,
        Raised(value=value),
        {"value": value},
        Raised(value=value, id="q"),
        {"action_requests": [value]},
    ):
        assert read_interrupt(raw, (), [call("c1", "a", cycle(), ())]).id


def test_a_payload_that_cannot_be_looked_at_keeps_its_id_and_value() -> None:
    value = HostileDict(x=1)
    read = read_interrupt(Raised(value=value, id="q"), LANE)
    assert (read.id, read.value is value, read.kind, read.lane) == ("q", True, "value", LANE)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["action_requests", "review_configs", "action_request", "type", "value", "id"]),
            inner | st.just("tool_approval"),
        )
    ),
    max_leaves=12,
)


@given(anything, anything)
def test_every_value_is_kept_whole(value: Any, schema: Any) -> None:
    read = read_interrupt({"value": value, "id": "q", "response_schema": schema}, LANE)
    assert read.value is value


def test_a_breakpoint_says_which_nodes_come_next() -> None:
    assert breakpoint_interrupt(LANE, ("a", "b")) == Interrupt(
        id="breakpoint", kind="breakpoint", value={"next": ["a", "b"]}, lane=LANE
    )


# ------------------------------------------------------------------ what is sent

SEND = batched(("send", {"to": "ann"}))
ANNE = {"name": "send", "args": {"to": "anne"}}


@pytest.mark.parametrize(
    ("decision", "wire"),
    [
        (approve(), {"type": "approve"}),
        (edit({"to": "anne"}), {"type": "edit", "edited_action": ANNE}),
        (reject(), {"type": "reject"}),
        (reject("too late"), {"type": "reject", "message": "too late"}),
        (respond("sent by hand"), {"type": "respond", "message": "sent by hand"}),
        ({"type": "approve", "by": "me"}, {"type": "approve"}),
        ({"type": "approve", "message": "fine"}, {"type": "approve"}),
        ({"type": "edit", "edited_action": ANNE}, {"type": "edit", "edited_action": ANNE}),
        ({"type": "edit", "edited_action": {"args": {"to": "anne"}}}, {"type": "edit", "edited_action": ANNE}),
        ({"type": "edit", "args": {"action": "send", "args": ANNE["args"]}}, {"type": "edit", "edited_action": ANNE}),
        ({"type": "accept", "args": None}, {"type": "approve"}),
        ({"type": "ignore", "args": None}, {"type": "reject"}),
        ({"type": "ignore", "args": "no"}, {"type": "reject", "message": "no"}),
        ({"type": "response", "args": "by hand"}, {"type": "respond", "message": "by hand"}),
    ],
)
def test_a_decision_takes_langchains_shape(decision: Any, wire: dict[str, Any]) -> None:
    """W13, lesson 33: older words and shapes are rewritten for LangChain's middleware."""
    for answer in (decision, [decision], {"decisions": [decision]}):
        assert answered(SEND, answer) == {"decisions": [wire]}
        assert answered(per_call(), answer) == wire


def test_an_edit_may_name_another_tool_in_a_batch() -> None:
    assert answered(SEND, edit({"id": 1}, name="draft"))["decisions"][0]["edited_action"] == {
        "name": "draft",
        "args": {"id": 1},
    }


def test_a_batch_is_decided_in_order() -> None:
    wire = answered(batched(("a", {}), ("b", {})), [reject(), approve()])
    assert wire == {"decisions": [{"type": "reject"}, {"type": "approve"}]}


@pytest.mark.parametrize("answer", [None, False, 0, "", {}, [], "yes", {"type": "approve"}, {"decisions": []}])
def test_a_plain_value_is_answered_with_anything(answer: Any) -> None:
    assert resume_map([asked("Who?")], {"q": answer}) == {"q": answer}


@pytest.mark.parametrize(
    ("decision", "wire"),
    [
        (approve(), {"type": "accept", "args": None}),
        (edit({"to": "x"}), {"type": "edit", "args": {"action": "send", "args": {"to": "x"}}}),
        (edit({"to": "x"}, "draft"), {"type": "edit", "args": {"action": "draft", "args": {"to": "x"}}}),
        (reject(), {"type": "ignore", "args": None}),
        (respond("done"), {"type": "response", "args": "done"}),
    ],
)
def test_the_older_request_is_answered_in_its_own_words(decision: Decision, wire: Any) -> None:
    assert answered([older()], decision) == [wire]
    assert answered([older()], [decision]) == [wire]
    assert answered(older(), decision) == wire
    assert answered([older()], [wire]) == [wire]


def test_some_questions_may_stay_open() -> None:
    assert resume_map([asked("a", "1"), asked("b", "2")], {"2": None}) == {"2": None}


# ------------------------------------------------------------------ what is refused


def test_answers_must_name_open_interrupts() -> None:
    with pytest.raises(InvalidDecision, match="no interrupt 'x' is open: answer one of these: 1, 2"):
        resume_map([asked("a", "1"), asked("b", "2")], {"1": "fine", "x": "?"})
    with pytest.raises(InvalidDecision, match="no interrupt 'x' is open: answer one of these: none"):
        resume_map([], {"x": "?"})


def test_answers_must_be_a_mapping_with_something_in_it() -> None:
    with pytest.raises(InvalidDecision, match="no answers came"):
        resume_map([asked("a")], {})
    with pytest.raises(InvalidDecision, match="answers came as a str: expected a dict"):
        resume_map([asked("a")], "yes")  # pyright: ignore[reportArgumentType]


def test_a_breakpoint_takes_no_answer() -> None:
    with pytest.raises(InvalidDecision, match="continue"):
        resume_map([breakpoint_interrupt((), ["a"])], {"breakpoint": True})


@pytest.mark.parametrize("answer", [[], [approve()], approve(), [approve()] * 3, {"decisions": [approve()]}])
def test_a_batch_takes_one_decision_for_each_action(answer: Any) -> None:
    """W11."""
    assert "expected 2, one for each action in order (a, b)" in refused(batched(("a", {}), ("b", {})), answer)


@pytest.mark.parametrize("answer", [[], [approve(), approve()]])
def test_a_per_call_approval_takes_one_decision(answer: Any) -> None:
    assert "expected 1" in refused(per_call(), answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("approve", "a str came"),
        (True, "a bool came"),
        (None, "a NoneType came"),
        ({}, "decision None came"),
        ({"type": "dance"}, "decision 'dance' came"),
        ({"type": ["approve"]}, "decision ['approve'] came"),
        ({"type": "edit"}, 'without an "edited_action"'),
        ({"type": "edit", "args": {"to": "x"}}, 'without an "edited_action"'),
        ({"type": "edit", "edited_action": "send"}, 'without an "edited_action"'),
        ({"type": "edit", "edited_action": {"name": "send"}}, "an edit with a NoneType"),
        ({"type": "edit", "edited_action": {"name": 3, "args": {}}}, "an edit to a int"),
        (edit("to=x"), "an edit with a str"),  # pyright: ignore[reportArgumentType]
        ({"type": "respond"}, "respond without a message"),
        (respond(""), "respond without a message"),
        (respond(3), "respond without a message"),  # pyright: ignore[reportArgumentType]
        ({"type": "reject", "message": 3}, "reject with a int"),
    ],
)
def test_a_decision_that_the_graph_would_choke_on_is_refused(answer: Any, why: str) -> None:
    for value in (SEND, per_call()):
        said = refused(value, answer)
        assert why in said
        assert "action 1 (send) of interrupt 'q'" in said


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (batched(("send", {}), allowed=["approve", "reject"]), respond("x")),
        (batched(("send", {}), allowed=["approve", "reject"]), {"type": "response", "args": "x"}),
        ([older(allow_accept=True, allow_ignore=True)], respond("x")),
    ],
)
def test_a_decision_that_is_not_allowed_is_refused_with_those_that_are(value: Any, answer: Any) -> None:
    """Lesson 32."""
    assert refused(value, answer) == ("respond came for action 1 (send) of interrupt 'q': allowed are approve, reject")


def test_a_per_call_approval_keeps_its_tool() -> None:
    assert "an edit to the tool 'draft'" in refused(per_call(), edit({}, name="draft"))


@pytest.mark.parametrize("answer", [approve(), [approve()], ["yes", reject()]])
def test_a_plain_value_is_no_place_for_a_decision(answer: Any) -> None:
    assert "answer with the value itself" in refused("Who?", answer)


@pytest.mark.parametrize("answer", [[approve(), approve()], [approve(), "and"]])
def test_the_older_request_takes_one_decision_for_each_action(answer: Any) -> None:
    assert "expected 1" in refused([older()], answer)


def test_decisions_and_other_things_do_not_mix() -> None:
    assert "a str came" in refused([older(), older()], [approve(), "yes"])


def test_one_wrong_answer_among_several_sends_nothing() -> None:
    with pytest.raises(InvalidDecision):
        resume_map([asked("a", "1"), asked(SEND, "2")], {"1": "fine", "2": "approve"})


# ------------------------------------------------------------------ real graphs accept it

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class Log(TypedDict):
    out: Annotated[list[Any], operator.add]


def asking(*names: str) -> Any:
    graph = StateGraph(Log)
    for name in names:
        graph.add_node(name, lambda _state, name=name: {"out": [[name, interrupt(name)]]})  # pyright: ignore
        graph.add_edge(START, name)
    return graph.compile(checkpointer=InMemorySaver())


def questions(result: Any, open_calls: Sequence[OpenCall] = ()) -> list[Interrupt]:
    return [read_interrupt(raw, (), open_calls) for raw in result.get("__interrupt__", ())]


@pytest.mark.parametrize("answer", [None, False, 0, "", {}, [], "yes", {"type": "approve"}])
def test_a_graph_takes_every_plain_value(answer: Any) -> None:
    graph = asking("a")
    asked = questions(graph.invoke({"out": []}, CONFIG))
    after = graph.invoke(Command(resume=resume_map(asked, {asked[0].id: answer})), CONFIG)
    assert after == {"out": [["a", answer]]}


@pytest.mark.parametrize("answer", [None, 0])
def test_parallel_questions_are_answered_one_by_one(answer: Any) -> None:
    """W11."""
    graph = asking("a", "b")
    asked = questions(graph.invoke({"out": []}, CONFIG))
    later = {interrupt.value: interrupt for interrupt in asked}["b"]
    after = graph.invoke(Command(resume=resume_map(asked, {later.id: answer})), CONFIG)
    left = questions(after)
    assert [interrupt.value for interrupt in left] == ["a"]
    after = graph.invoke(Command(resume=resume_map(left, {left[0].id: answer})), CONFIG)
    assert sorted(after["out"]) == [["a", answer], ["b", answer]]


def agent(allowed: Sequence[str], **how: Any) -> Any:
    agents = pytest.importorskip("langchain.agents")
    middleware = pytest.importorskip("langchain.agents.middleware")

    def send(to: str, text: str = "hello") -> str:
        """Send a text."""
        return f"{text} to {to}"

    model = ScriptedModel(
        script=[
            tool_calls(tool_call("send", {"to": "ann"}, id="c1"), tool_call("send", {"to": "bob"}, id="c2")),
            text("done"),
        ]
    )
    review = middleware.HumanInTheLoopMiddleware({"send": {"allowed_decisions": list(allowed)}}, **how)
    return agents.create_agent(model, [send], middleware=[review], checkpointer=InMemorySaver())


def newest(allowed: Sequence[str] = ALL, **how: Any) -> Any:
    """An agent of LangChain 1.4 or newer, whose reviewer may also answer for a tool."""
    middleware = pytest.importorskip("langchain.agents.middleware.human_in_the_loop")
    if not hasattr(middleware, "RespondDecision"):
        pytest.skip("needs a langchain whose approvals know `respond`")
    return agent(allowed, **how)


HELLO: Any = {"messages": [("user", "hi")]}
OPEN = [call("c1", "send", {"to": "ann"}, ()), call("c2", "send", {"to": "bob"}, ())]


def results(state: Any) -> dict[str, tuple[str, str]]:
    return {
        message.tool_call_id: (message.status, message.text.rpartition("\n")[2])
        for message in state["messages"]
        if message.type == "tool"
    }


def test_a_batched_approval_is_edited_and_rejected_by_a_real_agent() -> None:
    """W13."""
    graph = agent(["approve", "edit", "reject"])
    (question,) = questions(graph.invoke(HELLO, CONFIG), OPEN)
    assert [(action.args, action.call_id) for action in question.actions] == [
        ({"to": "ann"}, "c1"),
        ({"to": "bob"}, "c2"),
    ]
    assert question.allowed == ("approve", "edit", "reject")
    answer = [edit({"to": "anne", "text": "hi"}), reject("not him")]
    told = results(graph.invoke(Command(resume=resume_map([question], {question.id: answer})), CONFIG))
    assert told["c1"] == ("success", "hi to anne")
    assert told["c2"][0] == "error"
    assert "not him" in told["c2"][1]


def test_a_batched_approval_is_approved_by_a_real_agent() -> None:
    graph = agent(["approve"])
    (question,) = questions(graph.invoke(HELLO, CONFIG))
    answer = [approve() for _ in question.actions]
    told = results(graph.invoke(Command(resume=resume_map([question], {question.id: answer})), CONFIG))
    assert told == {"c1": ("success", "hello to ann"), "c2": ("success", "hello to bob")}


def test_a_batched_approval_is_answered_for_the_tool_by_a_real_agent() -> None:
    graph = newest()
    (question,) = questions(graph.invoke(HELLO, CONFIG))
    answer = [respond("sent by hand"), {"type": "accept"}]
    told = results(graph.invoke(Command(resume=resume_map([question], {question.id: answer})), CONFIG))
    assert told == {"c1": ("success", "sent by hand"), "c2": ("success", "hello to bob")}


def test_per_call_approvals_are_answered_one_by_one_by_a_real_agent() -> None:
    """W14."""
    graph = newest(interrupt_mode="per_call")
    asked = sorted(questions(graph.invoke(HELLO, CONFIG)), key=lambda question: str(question.call_id))
    assert [(question.call_id, question.allowed) for question in asked] == [("c1", ALL), ("c2", ALL)]
    first, second = asked
    after = graph.invoke(Command(resume=resume_map(asked, {second.id: edit({"to": "rob"})})), CONFIG)
    assert [question.id for question in questions(after)] == [first.id]
    told = results(graph.invoke(Command(resume=resume_map([first], {first.id: respond("by hand")})), CONFIG))
    assert told == {"c1": ("success", "by hand"), "c2": ("success", "hello to rob")}


@pytest.mark.parametrize("decision", [approve(), reject(), reject("no")])
def test_a_per_call_approval_may_allow_a_single_decision(decision: Decision) -> None:
    graph = newest([decision.type], interrupt_mode="per_call")
    asked = questions(graph.invoke(HELLO, CONFIG))
    assert {question.allowed for question in asked} == {(decision.type,)}
    after = graph.invoke(Command(resume=resume_map(asked, {question.id: decision for question in asked})), CONFIG)
    assert {status for status, _ in results(after).values()} == {"success" if decision.type == "approve" else "error"}
