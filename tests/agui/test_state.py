"""What a client sees of a graph's state, told as patches against what it has, and what it may write."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import jsonpatch
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.channels import AnyValue, EphemeralValue, Topic, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.managed import RemainingSteps
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command, Overwrite, Send
from pydantic import BaseModel

import langwire
from langwire.adapters.agui.events import StateDelta, StateSnapshot
from langwire.adapters.agui.state import MAX_VALUE_BYTES, Prediction, StateView, check_writable, writes
from langwire.core.codec import jsonable
from langwire.errors import UsageError
from langwire.events import Source, ToolCallDelta, ToolCallEnd, ToolCallStart
from langwire.events import StateSnapshot as OurSnapshot
from langwire.sessions.adapter import SessionAdapter
from langwire.testing.model import ScriptedModel, tool_call
from langwire.testing.model import text as said

DOCUMENT = Prediction("write", "text", "document")

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.sampled_from(["", "a", "b", "~", "/", "a/b", "~1", "0", "-", "é", "__proto__", "prototype", "constructor"])
JSON = st.recursive(
    st.sampled_from([0, 1, True, False, None, "a"]) | LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
STATES = st.dictionaries(NAMES, JSON, max_size=5)


def size(event: StateDelta | StateSnapshot) -> int:
    return len(msgspec.json.encode(event))


def text(value: Any) -> str:
    """A value's JSON in one form, in which `True` is not `1`."""
    return json.dumps(value, sort_keys=True)


class Client:
    """Does with state events what the protocol says."""

    def __init__(self, state: Any = None) -> None:
        self.state, self.bytes = state, 0

    def take(self, events: Any) -> list[str]:
        for event in events:
            assert not json.loads(msgspec.json.encode(event)).keys() - {"type", "snapshot", "delta"}
            self.bytes += size(event)
            if isinstance(event, StateSnapshot):
                self.state = json.loads(msgspec.json.encode(event.snapshot))
            else:
                assert event.delta
                self.state = jsonpatch.apply_patch(self.state, json.loads(msgspec.json.encode(event.delta)))
                assert size(event) <= size(StateSnapshot(snapshot=self.state))
        return [type(event).__name__ for event in events]


def seen(view: StateView, client: Client, *values: Any) -> list[Any]:
    states: list[Any] = []
    for one in values:
        client.take(view.snapshot(one))
        states.append(client.state)
    return states


# ------------------------------------------------------------------ what is seen


def test_nothing_is_ever_told_where_no_key_is_chosen() -> None:
    for state in (None, {}, {"mine": 1}, 5):
        view = StateView(state)
        assert view.snapshot({"secret": 1}) == ()
        view.start_call(ToolCallStart(id="c", name="write", message_id="m", source=Source()))
        assert view.delta(ToolCallDelta(id="c", args='{"text":"a"}')) == ()
        assert view.end_call(ToolCallEnd(id="c", name="write", args={"text": "a"})) == ()
        assert view.settle() == ()


def test_only_the_chosen_keys_are_told_and_the_clients_own_are_kept() -> None:
    mine = {"theme": "dark", "panels": list(range(100))}
    client = Client(mine)
    view = StateView(client.state, ["count", "items"])
    assert client.take(view.snapshot({"count": 1, "secret": "s"})) == ["StateDelta"]
    assert client.state == {**mine, "count": 1}
    assert client.take(view.snapshot({"count": 1, "secret": "t"})) == []
    assert client.take(view.snapshot({"count": 2, "items": ["a"]})) == ["StateDelta"]
    assert client.state == {**mine, "count": 2, "items": ["a"]}


def test_every_key_is_seen_where_all_were_chosen_but_never_the_messages() -> None:
    client = Client()
    seen(StateView(None, "*"), client, {"a": 1, "b": None, "messages": [], "__proto__": 1})
    assert client.state == {"a": 1, "b": None}


def test_what_the_client_has_already_is_not_told_again() -> None:
    assert StateView({"a": [1, {"b": 2}]}, ["a"]).snapshot({"a": [1, {"b": 2}]}) == ()


def test_a_key_the_graph_has_had_no_value_for_is_left_to_the_client_and_one_that_it_drops_is_removed() -> None:
    client = Client({"recipe": "mine", "draft": "mine"})
    view = StateView(client.state, ["recipe", "draft"])
    assert seen(view, client, {}, {"draft": "x"}, {}) == [
        {"recipe": "mine", "draft": "mine"},
        {"recipe": "mine", "draft": "x"},
        {"recipe": "mine"},
    ]


@pytest.mark.parametrize("unknown", [None, 5, "text", [1, 2]])
def test_a_client_state_that_is_no_object_is_replaced_by_a_snapshot(unknown: Any) -> None:
    client = Client(unknown)
    view = StateView(unknown, ["a"])
    assert view.snapshot({}) == ()
    assert client.take(view.snapshot({"a": 1})) == ["StateSnapshot"]
    assert client.state == {"a": 1}


def test_a_client_state_that_cannot_be_written_as_it_is_is_told_whole_once() -> None:
    client = Client({"mine": "\ud800", "huge": 10**5000})
    view = StateView(client.state, ["a"])
    assert view.snapshot({}) == ()
    assert client.take(view.snapshot({"a": list(range(50))})) == ["StateSnapshot"]
    assert client.state["mine"] == "\ufffd"
    assert client.take(view.snapshot({"a": list(range(49))})) == ["StateDelta"]


def test_a_deep_client_state_neither_breaks_a_run_nor_is_lost() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"d": deep}
    client = Client({"mine": deep, "a": deep})
    view = StateView(client.state, ["a"])
    assert client.take(view.snapshot({"a": 1})) == ["StateDelta"]
    assert client.state == {"mine": deep, "a": 1}
    for _ in range(20_000):
        deep = {"d": deep}
    client = Client({"mine": deep})
    assert client.take(StateView(client.state, ["a"]).snapshot({"a": 1})) == ["StateSnapshot"]
    del client
    while type(deep) is dict:  # from the outside in, which takes no stack
        deep = deep.pop("d")


def test_what_a_function_of_the_functional_api_returned_is_no_state() -> None:
    client = Client({})
    view = StateView({}, ["a"])
    assert seen(view, client, {"a": 1}, "a result", 5) == [{"a": 1}] * 3


def test_values_that_graphs_write_in_place_are_seen_to_change() -> None:
    items: list[Any] = [{"n": 1}]
    client = Client({})
    view = StateView({}, ["items"])
    client.take(view.snapshot({"items": items}))
    items[0]["n"] = True
    items.append(2)
    client.take(view.snapshot({"items": items}))
    assert text(client.state) == text({"items": [{"n": True}, 2]})


@pytest.mark.parametrize("keys", ["recipe", ["messages"], ["__proto__"]])
def test_keys_that_cannot_be_seen_are_refused(keys: Any) -> None:
    with pytest.raises(UsageError, match=r"state key|messages|__proto__"):
        StateView(None, keys)


def test_a_prediction_under_a_key_that_is_not_seen_is_refused() -> None:
    with pytest.raises(UsageError, match="add it to the state keys"):
        StateView(None, ["other"], [DOCUMENT])
    StateView(None, "*", [DOCUMENT])


# ------------------------------------------------------------------ values of any make


@dataclass
class Point:
    x: int
    y: float


class Recipe(BaseModel):
    name: str
    tags: set[str]


def test_no_value_breaks_a_run() -> None:
    """F-A9: sets, NaN, tuple keys and whatever else a state holds reach the client as JSON."""
    loop: list[Any] = []
    loop.append(loop)
    values = {
        "set": {3, 1, 2},
        "nan": float("nan"),
        "tuple_key": {(1, 2): "x", None: 1},
        "pydantic": Recipe(name="soup", tags={"hot"}),
        "dataclass": Point(1, float("inf")),
        "surrogate": "a\ud800b",
        "decimal": Decimal("1.5"),
        "bytes": b"\xff",
        "error": ValueError("postgresql://admin:hunter2@db/prod"),
        "loop": loop,
        "huge": 10**5000,
        "object": object(),
        "none": None,
    }
    client = Client({})
    view = StateView({}, "*")
    assert client.take(view.snapshot(values)) == ["StateSnapshot"]
    assert text(client.state) == text(jsonable(values))
    assert "hunter2" not in text(client.state)
    assert client.take(view.snapshot(values)) == []
    assert client.take(view.snapshot({**values, "set": {1, 2, 3, 4}})) == ["StateDelta"]
    assert client.state["set"] == [1, 2, 3, 4]


def test_a_huge_value_is_seen_as_its_beginning() -> None:
    """F-A6: what is larger than the limit costs the wire a mark."""
    client = Client({})
    view = StateView({}, ["a", "b"])
    client.take(view.snapshot({"a": "x" * 10 * MAX_VALUE_BYTES, "b": "x" * (MAX_VALUE_BYTES - 100)}))
    assert client.state["a"]["$truncated"]["bytes"] == 10 * MAX_VALUE_BYTES + 2
    assert client.state["b"] == "x" * (MAX_VALUE_BYTES - 100)
    small = Client({})
    small.take(StateView({}, ["a"], max_value_bytes=10).snapshot({"a": "x" * 11}))
    assert small.state["a"]["$truncated"]["bytes"] == 13


def test_messages_are_cut_out_of_values_however_deep_they_lie() -> None:
    class Inner(BaseModel):
        title: str
        history: list[AnyMessage]

    message = HumanMessage("a private word", id="1")
    client = Client({})
    view = StateView({}, "*")
    values = {
        "inner": Inner(title="t", history=[message]),
        "chat": {"last": message, "all": [1, message, {"again": AIMessage("a private word")}], "n": 1},
        "mixed": ["start", message, "end"],
        "alone": message,
        "plain": {"additional_kwargs": 1},
    }
    client.take(view.snapshot(values))
    assert client.state == {
        "inner": {"title": "t", "history": []},
        "chat": {"all": [1, {}], "n": 1},
        "mixed": ["start", "end"],
        "alone": None,
        "plain": {"additional_kwargs": 1},
    }


# ------------------------------------------------------------------ patches


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, []),
        (1, True, [("replace", "/k", True)]),
        ({"x~/": 1, "z": 0}, {"x~/": 2, "z": 0}, [("replace", "/k/x~0~1", 2)]),
        ({"x": 1, "pad": "p" * 50}, {"pad": "p" * 50}, [("remove", "/k/x", None)]),
        ({"pad": "p" * 50}, {"pad": "p" * 50, "x": None}, [("add", "/k/x", None)]),
        (["p" * 50, 1], ["p" * 50, 1, 2], [("add", "/k/2", 2)]),
        (["p" * 50, 1, 1], ["p" * 50], [("remove", "/k/1", None)] * 2),
        (["p" * 50, 1, "q" * 50], ["p" * 50, 2, "q" * 50], [("replace", "/k/1", 2)]),
        (["p" * 90, {"n": "q" * 90, "m": 1}], ["p" * 90, {"n": "q" * 90, "m": 2}], [("replace", "/k/1/m", 2)]),
        (
            [f"item {n:50}" for n in range(9)],
            [f"item {n:50}" for n in range(1, 10)],
            [("add", "/k/9", f"item {9:50}"), ("remove", "/k/0", None)],
        ),
        (["p" * 90, "q" * 90], ["p" * 90, 1, 2, "q" * 90], [("add", "/k/1", 2), ("add", "/k/1", 1)]),
        (list(range(500)), [*range(3), -1, *range(3, 500)], [("add", "/k/3", -1)]),
        (list(range(500)), [*range(3), *range(4, 500)], [("remove", "/k/3", None)]),
        ([1, 2], [3, 4], [("replace", "/k", [3, 4])]),
        ({"x": 1}, [1], [("replace", "/k", [1])]),
        ({"o": {"__proto__": 1}}, {"o": {"__proto__": 2}}, [("replace", "/k/o", {"__proto__": 2})]),
    ],
)
def test_a_change_is_told_by_the_fewest_bytes(old: Any, new: Any, patch: list[Any]) -> None:
    state = {"k": old, "mine": "m" * 500}
    view = StateView(state, ["k"])
    expected = [
        {"op": op, "path": path} if op == "remove" else {"op": op, "path": path, "value": value}
        for op, path, value in patch
    ]
    assert view.snapshot({"k": new}) == ((StateDelta(delta=expected),) if patch else ())


def test_a_snapshot_is_told_where_it_is_shorter_than_the_patch() -> None:
    client = Client({"a": list(range(100)), "b": 1})
    view = StateView(client.state, ["a", "b"])
    assert client.take(view.snapshot({"a": [], "b": 2})) == ["StateSnapshot"]
    assert client.state == {"a": [], "b": 2}


def test_long_lists_that_differ_in_more_than_one_place_are_told_right() -> None:
    items = [f"item {n}" for n in range(300)]
    client = Client({"a": items})
    view = StateView(client.state, ["a"])
    for change in (items[1:-1], ["new", *items, "new"], [*items[:5], *items[6:200], *items[201:]], items[::-1]):
        client.take(view.snapshot({"a": change}))
        assert client.state == {"a": change}


@settings(deadline=None)
@given(STATES, st.lists(STATES, max_size=5), st.sets(NAMES) | st.just("*"))
def test_after_each_step_the_client_has_its_own_keys_and_the_graphs_values(
    baseline: dict[str, Any], steps: list[dict[str, Any]], keys: Any
) -> None:
    if keys != "*":
        keys -= {"__proto__"}
    client = Client(baseline)
    view = StateView(baseline, keys)
    own = dict(baseline)
    before: set[str] = set()
    for values in steps:
        shown = {key: values[key] for key in values if key != "__proto__" and (keys == "*" or key in keys)}
        own = {key: value for key, value in own.items() if key not in before | shown.keys()}
        before = set(shown)
        client.take(view.snapshot(values))
        assert text(client.state) == text(own | shown)


# ------------------------------------------------------------------ predictions


def call(view: StateView, client: Client, pieces: list[str], end: Any, *, name: str = "write") -> list[Any]:
    """Stream a call, and return each state that the client has been in."""
    states: list[Any] = []
    view.start_call(ToolCallStart(id="c", name=name, message_id="m", source=Source()))
    for piece in pieces:
        if client.take(view.delta(ToolCallDelta(id="c", args=piece))):
            states.append(client.state)
    client.take(view.end_call(ToolCallEnd(id="c", name=name, args=end)))
    return [*states, client.state]


def test_a_text_grows_under_its_key_while_the_model_writes_it() -> None:
    words = " ".join(f"word{n}" for n in range(200))
    args = json.dumps({"title": "t", "text": words})
    client = Client({"mine": 1})
    view = StateView(client.state, ["document"], [DOCUMENT])
    states = call(view, client, list(args), {"title": "t", "text": words})
    texts = [state["document"] for state in states]
    assert len(texts) > 10
    assert all(words.startswith(one) for one in texts)
    assert texts == sorted(texts, key=len)
    assert client.state == {"mine": 1, "document": words}


def test_what_is_told_of_a_long_text_stays_below_ten_times_its_length() -> None:
    for length in (200, 2_000, 100_000):
        words = "word " * (length // 5)
        client = Client({})
        view = StateView({}, ["document"], [DOCUMENT])
        call(view, client, list(json.dumps({"text": words})), {"text": words})
        assert client.bytes < 10 * length + 1_000


def test_items_of_a_list_come_one_by_one_and_a_number_when_it_is_over() -> None:
    steps = [{"step": f"step number {n} of the plan", "n": 1000 + n} for n in range(10)]
    args = json.dumps({"steps": steps})
    client = Client({})
    view = StateView({}, ["plan"], [Prediction("plan", "steps", "plan")])
    states = call(view, client, list(args), {"steps": steps}, name="plan")
    assert client.state == {"plan": steps}
    for state in states:
        assert all(item.get("n", 1000 + n) == 1000 + n for n, item in enumerate(state["plan"]))
    assert len({len(state["plan"]) for state in states}) > 5


def test_the_graphs_own_value_wins_when_it_changes_and_not_before() -> None:
    client = Client({"document": "old"})
    view = StateView(client.state, ["document", "n"], [DOCUMENT])
    client.take(view.snapshot({"document": "old", "n": 1}))
    call(view, client, ['{"text":"new"}'], {"text": "new"})
    assert client.state["document"] == "new"
    client.take(view.snapshot({"document": "old", "n": 2}))  # the step of the model, before its tool has run
    assert client.state == {"document": "new", "n": 2}
    client.take(view.snapshot({"document": "newer", "n": 2}))
    assert client.state == {"document": "newer", "n": 2}
    assert view.settle() == ()


def test_a_prediction_that_did_not_come_true_is_taken_back_at_the_end() -> None:
    for before in ({"document": "old", "mine": 1}, {"mine": 1}):
        client = Client(before)
        view = StateView(before, ["document"], [DOCUMENT])
        call(view, client, ['{"text":"new"}'], {"text": "new"})
        assert client.state == {"document": "new", "mine": 1}
        client.take(view.settle())
        assert client.state == before


def test_a_call_that_is_cut_off_is_taken_back_and_tells_nothing_more() -> None:
    client = Client({"document": "old"})
    view = StateView(client.state, ["document"], [DOCUMENT])
    call(view, client, ['{"text":"new'], None)
    assert client.state == {"document": "old"}
    view.start_call(ToolCallStart(id="d", name="write", message_id="m", source=Source()))
    assert view.settle() == ()
    assert view.delta(ToolCallDelta(id="d", args='{"text":"late"}')) == ()


def test_a_call_without_the_argument_and_a_call_of_another_tool_predict_nothing() -> None:
    client = Client({})
    view = StateView({}, ["document"], [DOCUMENT])
    assert call(view, client, ['{"other":1}'], {"other": 1}) == [{}]
    assert call(view, client, ['{"text":"x"}'], {"text": "x"}, name="read") == [{}]


def test_one_call_can_predict_several_keys() -> None:
    client = Client({})
    view = StateView({}, "*", [DOCUMENT, Prediction("write", "title", "name")])
    call(view, client, ['{"text":"x","title":"y"}'], {"text": "x", "title": "y"})
    assert client.state == {"document": "x", "name": "y"}


@settings(deadline=None)
@given(JSON, st.booleans(), st.data())
def test_any_arguments_cut_anywhere_end_with_their_value(value: Any, ascii: bool, data: st.DataObject) -> None:
    args = json.dumps({"text": value}, ensure_ascii=ascii)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(args)), max_size=8)))
    pieces = [args[start:end] for start, end in zip([0, *cuts], [*cuts, len(args)], strict=True)]
    client = Client({})
    view = StateView({}, ["document"], [DOCUMENT])
    call(view, client, pieces, {"text": value})
    assert text(client.state) == text({"document": value})
    client.take(view.settle())
    assert client.state == {}


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from('{}[]":,\\u d8tx1.e-\ud83d\x00')) | st.text(), max_size=20))
def test_arguments_that_are_no_json_never_break_a_run(pieces: list[str]) -> None:
    client = Client({})
    view = StateView({}, ["document"], [DOCUMENT])
    call(view, client, ['{"text":', *pieces], None)
    assert client.state == {}


def test_deep_arguments_never_break_a_run() -> None:
    client = Client({})
    view = StateView({}, ["document"], [DOCUMENT])
    assert call(view, client, ['{"text":' + "[" * 100_000], None) == [{}]


def test_half_a_character_from_a_model_is_shown_when_it_is_whole() -> None:
    client = Client({})
    view = StateView({}, ["document"], [DOCUMENT])
    assert call(view, client, ['{"text":"a\ud83d'], {"text": "a\U0001f600"}) == [
        {"document": "a?"},
        {"document": "a\U0001f600"},
    ]


# ------------------------------------------------------------------ real graphs


class State(MessagesState):
    log: Annotated[list[str], operator.add]
    theme: str
    done: int


def remember(state: State) -> dict[str, Any]:
    return {"log": [f"theme {state.get('theme')}"], "messages": [AIMessage("ok")]}


def remembering() -> Any:
    graph = StateGraph(State)
    graph.add_node("remember", remember)
    graph.add_edge(START, "remember")
    return graph.compile(checkpointer=InMemorySaver())


def one_run(graph: Any, client: Client, writable: list[str]) -> None:
    """A run as a client asks for it: its whole state comes in with each message."""
    config = {"configurable": {"thread_id": "t"}}
    changed = writes(client.state, graph.get_state(config).values, writable)
    view = StateView(client.state, "*")
    for event in langwire.stream(graph, {"messages": [("user", "hi")], **changed}, config, state=True):
        if isinstance(event, OurSnapshot):
            client.take(view.snapshot(event.values))
    client.take(view.settle())


def test_a_list_with_a_reducer_does_not_double_and_a_changed_key_reaches_the_node() -> None:
    """F-A3, T-7: of what a client sends back only changes of the keys that it may write reach the graph."""
    graph = remembering()
    check_writable(graph, ["theme"])
    client = Client({"theme": "dark", "log": ["forged"], "done": 10**9})
    one_run(graph, client, ["theme"])
    assert client.state == {"theme": "dark", "log": ["theme dark"], "done": 10**9}
    client.state["done"] = 5
    one_run(graph, client, ["theme"])
    client.state["theme"] = "light"
    one_run(graph, client, ["theme"])
    assert client.state == {"theme": "light", "log": ["theme dark", "theme dark", "theme light"], "done": 5}
    values = graph.get_state({"configurable": {"thread_id": "t"}}).values
    assert values["log"] == client.state["log"]
    assert "done" not in values


class Fan(TypedDict):
    items: list[int]
    found: Annotated[list[int], operator.add]
    n: int


def fanning_out() -> Any:
    graph = StateGraph(Fan)
    graph.add_node("plan", lambda state: {"n": 1})
    graph.add_node("work", lambda state: {"found": [state["n"]]})
    graph.add_node("sum_up", lambda state: {"n": sum(state["found"])})
    graph.add_node("clear", lambda state: {"found": Overwrite([])})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: [Send("work", {"n": n}) for n in state["items"]], ["work"])
    graph.add_edge("work", "sum_up")
    graph.add_edge("sum_up", "clear")
    return graph.compile(checkpointer=InMemorySaver())


async def test_parallel_nodes_are_seen_through_the_reducer_and_an_overwrite_empties_it() -> None:
    client = Client({"mine": 1})
    view = StateView(client.state, ["found", "n"])
    found: list[Any] = []
    async with SessionAdapter(fanning_out(), state=True) as sessions:
        turn = await sessions.get("t").submit({"items": [1, 2, 3], "found": []})
        async for event in turn:
            if isinstance(event, OurSnapshot) and not event.lane:
                assert "messages" not in event.values
                client.take(view.snapshot(event.values))
                found.append(client.state.get("found"))
    assert found == [[], [], [1, 2, 3], [1, 2, 3], []]
    assert client.state == {"mine": 1, "found": [], "n": 6}


class Writing(MessagesState):
    document: str


@tool
def write(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
    """Write the document."""
    return Command(update={"document": text.upper(), "messages": [ToolMessage("done", tool_call_id=tool_call_id)]})


async def test_what_a_model_writes_is_seen_before_the_tool_has_run_and_then_what_the_tool_made_of_it() -> None:
    words = " ".join(f"word{n}" for n in range(50))
    args = json.dumps({"text": words})
    script = [tool_call("write", [args[n : n + 10] for n in range(0, len(args), 10)]), said("Done.")]
    model = ScriptedModel(script=script).bind_tools([write])
    graph = StateGraph(Writing)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([write]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    client = Client({"document": "old"})
    view = StateView(client.state, ["document"], [DOCUMENT])
    documents: list[str] = []
    async with SessionAdapter(graph.compile(), state=True) as sessions:
        async for event in await sessions.get("t").submit("write it"):
            match event:
                case OurSnapshot():
                    client.take(view.snapshot(event.values))
                case ToolCallStart():
                    view.start_call(event)
                case ToolCallDelta():
                    client.take(view.delta(event))
                case ToolCallEnd():
                    client.take(view.end_call(event))
                case _:
                    continue
            if client.state["document"] not in documents:
                documents.append(client.state["document"])
    assert view.settle() == ()
    assert documents[0] == "old"
    assert documents[-2:] == [words, words.upper()]
    assert len(documents) > 6
    assert all(words.startswith(one) for one in documents[1:-1])


# ------------------------------------------------------------------ what a client may write


def test_only_keys_on_the_list_that_differ_are_written() -> None:
    state = {"a": 1, "b": [1, 2], "c": {"x": 1, "y": 2}, "d": 5, "messages": ["forged"], "is_admin": True}
    values = {"a": 1, "b": (1, 2), "c": {"y": 2, "x": 1}, "d": 4, "is_admin": False}
    assert writes(state, values, ["a", "b", "c", "d", "e"]) == {"d": 5}
    assert writes(state, values, []) == {}
    assert writes({"a": True, "new": None}, values, ["a", "new"]) == {"a": True, "new": None}


def test_an_echo_of_what_the_client_was_shown_is_no_write() -> None:
    values = {
        "set": {2, 1},
        "point": Point(1, float("nan")),
        "big": "x" * 2 * MAX_VALUE_BYTES,
        "chat": {"all": [HumanMessage("hi"), 1]},
        "keys": {(1, 2): 3},
    }
    client = Client({})
    client.take(StateView({}, "*").snapshot(values))
    assert writes(client.state, values, list(values)) == {}
    assert writes(client.state, {**values, "big": "other"}, list(values)) == {}


@pytest.mark.parametrize("state", [None, 5, "a", ["a"], [["a", 1]]])
def test_a_state_that_is_no_object_writes_nothing(state: Any) -> None:
    assert writes(state, {"a": 1}, ["a", "b"]) == {}
    assert writes({"a": 2}, None, ["a"]) == {"a": 2}


def test_what_is_written_can_be_kept_in_a_checkpoint() -> None:
    assert writes({"a": "x\ud800", "n": 2**70}, {}, ["a", "n"]) == {"a": "x\ufffd", "n": 2**70}


class Quiet(State):
    hint: Annotated[str, EphemeralValue]
    page: Annotated[str, UntrackedValue]
    either: Annotated[str, AnyValue]
    topic: Annotated[list[str], Topic]
    steps: RemainingSteps
    notes: list[AnyMessage]
    maybe: dict[str, list[HumanMessage]] | None


def test_a_key_with_a_reducer_or_messages_and_one_the_graph_does_not_have_are_refused() -> None:
    graph = StateGraph(Quiet)
    graph.add_node("n", lambda state: {})
    graph.add_edge(START, "n")
    compiled = graph.compile()
    check_writable(compiled, ["theme", "done", "hint", "page", "either"])
    for key, reason in {
        "log": "'log' .* has a reducer",
        "messages": "'messages' .* has a reducer",
        "topic": "'topic' .* has a reducer",
        "steps": "expected one of the graph's",
        "notes": "'notes' .* holds messages",
        "maybe": "'maybe' .* holds messages",
        "theem": "'theem' .* expected one of the graph's, done, either, hint, log",
        "__start__": "expected one of the graph's",
    }.items():
        with pytest.raises(UsageError, match=reason):
            check_writable(compiled, ["theme", key])


def test_a_remote_graph_does_not_say_what_its_keys_are() -> None:
    check_writable(RemoteGraph("agent", url="http://127.0.0.1:9"), ["anything"])
