"""The JSON codec: strict JSON goes out whatever the graph holds, an event or a sentence comes back."""

from __future__ import annotations

import enum
import json
import math
import threading
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import langgraph.types
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage
from pydantic import BaseModel, SecretStr

from langwire.core import codec
from langwire.core.codec import decode, decode_entry, encode, encode_entry, jsonable, to_dict
from langwire.errors import StreamError
from langwire.events import (
    Action,
    Custom,
    Display,
    Entry,
    Event,
    Interrupt,
    Media,
    MessageReplaced,
    OpenCall,
    Progress,
    Source,
    StateSnapshot,
    TextDelta,
    TextStart,
    ToolCallEnd,
    ToolResult,
    TurnEnd,
    Usage,
)

EVENT_CLASSES: tuple[type[Any], ...] = get_args(Event)


def strict(line: bytes) -> Any:
    """Read JSON as a strict reader would: UTF-8, no NaN, no Infinity, no lone surrogates, no key twice."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    text = line.decode("utf-8")
    read = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    json.dumps(read, ensure_ascii=False).encode("utf-8")
    return read


# ------------------------------------------------------------------ events


def test_an_event_is_one_flat_object_without_its_defaults() -> None:
    assert encode(TextDelta(id="m", text="día\n")) == '{"type":"text_delta","id":"m","text":"día\\n"}'.encode()
    assert encode(TextStart(id="m", message_id="m", source=Source(lane=("a",), node="n"))) == (
        b'{"type":"text_start","id":"m","message_id":"m","source":{"lane":["a"],"node":"n"}}'
    )


def test_an_entry_is_its_event_with_number_and_time_in_front() -> None:
    entry = Entry(seq=7, at_ms=1_700_000_000_000, event=TextDelta(id="m", text="hi"))
    line = encode_entry(entry)
    assert line == b'{"seq":7,"at_ms":1700000000000,"type":"text_delta","id":"m","text":"hi"}'
    assert decode_entry(line) == entry
    assert decode(line) == entry.event


def test_no_event_has_a_field_that_an_entry_would_hide() -> None:
    names = {name for kind in EVENT_CLASSES for name in kind.__struct_encode_fields__}
    assert not names & {"seq", "at_ms", "type"}


def test_a_dict_of_an_event_is_what_its_json_says() -> None:
    event = ToolCallEnd(id="c", name="search", args={"q": ("a", 1), "when": date(2026, 1, 2)})
    assert to_dict(event) == {
        "type": "tool_call_end",
        "id": "c",
        "name": "search",
        "args": {"q": ["a", 1], "when": "2026-01-02"},
    }


def test_plain_data_never_takes_the_longer_road(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longer road costs several times as much; the deltas and ordinary tool calls of a chat must not pay for it."""
    monkeypatch.delattr(codec, "jsonable")
    values = {"a": [1, 2.5, None, True, "x", {"b": {"c": ("t", [])}}], "d": {}}
    event = ToolResult(id="c", content=values, artifact="x")
    assert strict(encode(event)) == {
        "type": "tool_result",
        "id": "c",
        "content": json.loads(json.dumps(values)),
        "artifact": "x",
    }
    assert encode(TextDelta(id="m", text="hi"))
    assert encode(TurnEnd(outcome="complete"))


def test_lone_surrogates_in_text_are_replaced_and_pairs_are_joined() -> None:
    assert strict(encode(TextDelta(id="m", text="a\ud800b\udc00\ud83d\ude00"))) == {
        "type": "text_delta",
        "id": "m",
        "text": "a\ufffdb\ufffd😀",
    }


def test_a_field_that_holds_what_its_type_forbids_is_still_written() -> None:
    class Name(str):
        __slots__ = ()

    event = TextDelta(id=Name("m"), text=Name("hi"))
    assert encode(event) == b'{"type":"text_delta","id":"m","text":"hi"}'


def test_a_value_that_changes_while_it_is_written_is_still_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running graph may write to the dict that an event holds."""

    def changes(value: object) -> bool:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(codec, "_is_plain", changes)
    assert encode(Custom(data={"a": 1})) == b'{"type":"custom","data":{"a":1}}'


def test_both_roads_leave_out_the_same_defaults() -> None:
    event = Interrupt(id="i", value={1}, actions=(Action(name="a", args={"x": 1}),), lane=("l",))
    assert encode(event) == (
        b'{"type":"interrupt","id":"i","value":[1],"actions":[{"name":"a","args":{"x":1}}],"lane":["l"]}'
    )


# ------------------------------------------------------------------ round trip


JSON_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the declared type of an event's field."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return JSON_DATA
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(), JSON_DATA, max_size=3)
    if parts:
        return st.one_of(*map(values_of, parts))
    if issubclass(kind, msgspec.Struct):
        return structs_of(kind)
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.integers(-(2**63), 2**64 - 1) if kind is int else st.from_type(kind)


def structs_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = msgspec.structs.fields(kind)
    return st.fixed_dictionaries(
        {f.name: values_of(f.type) for f in fields if f.required},
        optional={f.name: values_of(f.type) for f in fields if not f.required},
    ).map(lambda given: kind(**given))


EVENTS = st.one_of(*map(structs_of, EVENT_CLASSES))


@given(EVENTS)
def test_what_is_written_reads_back_equal(event: Any) -> None:
    assert decode(encode(event)) == event
    assert to_dict(event) == strict(encode(event))


@given(EVENTS, st.integers(1), st.integers(0))
def test_an_entry_reads_back_equal(event: Any, seq: int, at_ms: int) -> None:
    entry = Entry(seq=seq, at_ms=at_ms, event=event)
    assert decode_entry(encode_entry(entry)) == entry


@given(EVENTS, st.integers(0, 200))
def test_a_shortened_event_is_still_an_event(event: Any, limit: int) -> None:
    line = encode(event, max_value_bytes=limit)
    strict(line)
    assert type(decode(line)) is type(event)


# ------------------------------------------------------------------ any value


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("red", 2)


class Level(enum.IntEnum):
    HIGH = 3


Point = namedtuple("Point", ["x", "y"])


@dataclass
class Record:
    name: str
    tags: set[str] = field(default_factory=set)
    parent: Any = None


class Shape(msgspec.Struct, tag=True, rename="camel"):
    corner_count: int


class Model(BaseModel):
    name: str
    key: SecretStr
    when: date | None = None


class Text(str):
    __slots__ = ()


class Count(int):
    pass


class Ratio(float):
    pass


class Numbers:
    """What numpy's arrays and scalars look like."""

    def tolist(self) -> Any:
        return [1, 2.5, date(2026, 1, 2)]


class OldModel:
    """What a model looks like whose `model_dump` takes no arguments."""

    def model_dump(self) -> dict[str, Any]:
        return {"a": 1}


TABLE: list[tuple[str, Any, Any]] = [
    ("nan", math.nan, None),
    ("infinity", [math.inf, -math.inf, 1.5], [None, None, 1.5]),
    ("an integer of 65 bits", 2**64, 2**64),
    ("an integer too long to print", 16**9_000, {"$int": "0x1" + "0" * 9_000}),
    (
        "keys that are no text",
        {1: "a", None: "b", (1, "x"): "c", 1.5: "d"},
        {"1": "a", "null": "b", '[1,"x"]': "c", "1.5": "d"},
    ),
    ("keys that are true or false", {True: "a", False: "b"}, {"true": "a", "false": "b"}),
    (
        "keys that become equal",
        {1: "a", "1": "b", "1~2": "c", Level.HIGH: "d"},
        {"1": "a", "1~2": "b", "1~2~2": "c", "3": "d"},
    ),
    (
        "keys that nothing tells apart",
        {object(): 1, len: 2, object(): 3},
        {'{"$type":"object"}': 1, '{"$type":"builtin_function_or_method"}': 2, '{"$type":"object"}~2': 3},
    ),
    ("datetime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    ("date", date(2026, 1, 2), "2026-01-02"),
    ("time", time(3, 4), "03:04:00"),
    ("timedelta", timedelta(minutes=1, milliseconds=500), 60.5),
    ("decimal", [Decimal("1.50"), Decimal("NaN")], ["1.50", "NaN"]),
    ("uuid", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ("path", PurePosixPath("a/\udcff"), "a/\ufffd"),
    (
        "bytes",
        [b"\xff", bytearray(b"a"), memoryview(b"a")],
        [{"$bytes": "/w=="}, {"$bytes": "YQ=="}, {"$bytes": "YQ=="}],
    ),
    ("complex", complex(1, math.nan), {"$complex": [1.0, None]}),
    ("range", range(3), {"$range": [0, 3, 1]}),
    ("enum", [Colour.RED, Colour.BOTH, Level.HIGH], ["red", ["red", 2], 3]),
    ("tuple and deque", ((1, 2), deque([3])), [[1, 2], [3]]),
    ("set", {"b", "a", "c"}, ["a", "b", "c"]),
    ("frozenset of mixed types", frozenset({"a", 1, (2,)}), ["a", 1, [2]]),
    ("named tuple", Point(1, {2}), {"x": 1, "y": [2]}),
    ("dataclass", Record("n", {"t"}), {"name": "n", "tags": ["t"], "parent": None}),
    ("msgspec struct", Shape(corner_count=3), {"type": "Shape", "cornerCount": 3}),
    ("msgspec struct without a tag", Source(node="n"), {"node": "n"}),
    ("event", TextDelta(id="m", text="hi"), {"type": "text_delta", "id": "m", "text": "hi"}),
    (
        "pydantic model",
        Model(name="n", key=SecretStr("s3cret")),
        {"name": "n", "key": {"$type": "SecretStr"}, "when": None},
    ),
    ("model_dump without arguments", OldModel(), {"a": 1}),
    ("tolist", Numbers(), [1, 2.5, "2026-01-02"]),
    ("other mappings", [UserDict(a=1), MappingProxyType({"b": 2})], [{"a": 1}, {"b": 2}]),
    ("subclasses", [Text("a"), Count(3), Ratio(0.5), OrderedDict(b=Text("c"))], ["a", 3, 0.5, {"b": "c"}]),
    ("exception", ValueError("password is 1234"), {"$error": "ValueError"}),
    ("function", len, {"$type": "builtin_function_or_method"}),
    ("class", Record, {"$type": "type"}),
    ("generator", (x for x in "ab"), {"$type": "generator"}),
    ("lock", threading.Lock(), {"$type": "lock"}),
    ("object", object(), {"$type": "object"}),
    ("send", langgraph.types.Send("node", {"a": (1,)}), {"node": "node", "arg": {"a": [1]}}),
]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_kind_of_value_has_its_documented_json(value: Any, expected: Any) -> None:
    event = Custom(data=value)
    assert strict(encode(event)) == {"type": "custom", "data": expected}
    assert jsonable(event) == {"type": "custom", "data": expected}


def test_what_langgraph_puts_into_streams_is_told_by_its_fields() -> None:
    interrupt = jsonable(langgraph.types.Interrupt(value={"question"}, id="i"))
    command = jsonable(langgraph.types.Command(update={"a": {1}}, goto="b"))
    assert (interrupt["value"], interrupt["id"]) == (["question"], "i")
    assert (command["update"], command["goto"]) == ({"a": [1]}, "b")
    assert jsonable(langgraph.types.Overwrite([1]))["value"] == [1]


def test_a_message_keeps_what_it_is() -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "c1", "type": "tool_call"}
    model, tool, removed = jsonable(
        [
            AIMessage("hi", id="m1", tool_calls=[call]),
            ToolMessage("found", tool_call_id="c1", artifact={1}),
            RemoveMessage(id="m0"),
        ]
    )
    assert (model["type"], model["content"], model["id"], model["tool_calls"]) == ("ai", "hi", "m1", [call])
    assert (tool["type"], tool["tool_call_id"], tool["status"], tool["artifact"]) == ("tool", "c1", "success", [1])
    assert (removed["type"], removed["id"]) == ("remove", "m0")


def test_a_model_that_holds_the_wrong_type_is_written_without_a_warning() -> None:
    """LangChain's structured output does this all the time; a warning would be an error in this test."""
    assert jsonable(Model.model_construct(name={1}, key="k"))["name"] == [1]


def test_a_dataclass_that_was_never_filled_is_told_as_far_as_it_goes() -> None:
    assert jsonable(object.__new__(Record)) == {"parent": None}


# ------------------------------------------------------------------ values that fight back


def hostile(*names: str, base: type = object) -> Any:
    """Return an object whose special methods of these names raise."""

    def fight(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    return type("Hostile", (base,), dict.fromkeys(names, fight))()


class HostileMeta(type):
    def __hash__(cls) -> int:
        raise ZeroDivisionError

    @property
    def __name__(cls) -> str:
        raise ZeroDivisionError


class HostileClass(metaclass=HostileMeta):
    @property
    def __class__(self) -> Any:
        raise ZeroDivisionError


# Pytest looks into parameters, so these are made inside the test.
HOSTILE: dict[str, Callable[[], Any]] = {
    "everything": lambda: hostile(
        "__repr__", "__str__", "__getattribute__", "__hash__", "__eq__", "__bool__", "__len__"
    ),
    "model_dump": lambda: hostile("model_dump"),
    "tolist": lambda: hostile("tolist"),
    "a list's __iter__": lambda: hostile("__iter__", base=list),
    "a dict's items": lambda: hostile("items", base=dict),
    "a set's __iter__": lambda: hostile("__iter__", base=set),
    "a decimal's __str__": lambda: hostile("__str__", base=Decimal),
    "the class itself": lambda: HostileClass(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_object_that_raises_costs_only_itself(name: str) -> None:
    value = HOSTILE[name]()
    data = jsonable({"before": 1, "bad": value, "after": [2]})
    assert list(data["bad"]) == ["$type"]
    assert data | {"bad": None} == {"before": 1, "bad": None, "after": [2]}
    assert strict(encode(Custom(data=value)))["data"] == data["bad"]


def test_a_date_that_lies_about_its_text_is_only_named() -> None:
    class Day(date):
        def isoformat(self) -> Any:
            return object()

    assert jsonable(Day(2026, 1, 1)) == {"$type": "Day"}


@pytest.mark.parametrize("whole", [deque[Any](), list[Any]()])
def test_what_grows_while_it_is_read_is_read_as_it_was(whole: Any) -> None:
    class Grows:
        def tolist(self) -> str:
            whole.append(self)
            return "x"

    whole.append(Grows())
    assert jsonable(whole) == ["x"]


def test_stopping_the_program_is_not_swallowed() -> None:
    class Stops:
        def tolist(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jsonable(Stops())


# ------------------------------------------------------------------ depth, cycles, repeats


def nested(depth: int, inner: Any = 1) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


def test_a_container_inside_itself_is_marked() -> None:
    loop: dict[str, Any] = {"a": 1}
    loop["self"] = [loop]
    both: list[Any] = []
    both.extend([both, both])
    assert strict(encode(Custom(data=loop)))["data"] == {"a": 1, "self": [{"$cycle": "dict"}]}
    assert strict(encode(Custom(data=both)))["data"] == [{"$cycle": "list"}, {"$cycle": "list"}]


def test_a_container_used_twice_is_written_twice() -> None:
    shared = {"a": 1}
    assert strict(encode(Custom(data=[shared, shared])))["data"] == [shared, shared]


def test_repeats_that_would_fill_the_memory_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_REPEATS", 100)
    value: Any = ["x"]
    for _ in range(40):
        value = [value, value]
    line = encode(Custom(data=value))
    assert b'{"$repeated":"list"}' in line
    assert len(line) < 20_000


@pytest.mark.parametrize("depth", [62, 63])
def test_what_is_not_too_deep_is_written_whole(depth: int) -> None:
    assert strict(encode(Custom(data=nested(depth))))["data"] == nested(depth)


@pytest.mark.parametrize("depth", [64, 65, 1_000, 100_000])
def test_what_is_too_deep_is_cut_with_a_mark(depth: int) -> None:
    """An event is one level itself, so its value has 63."""
    assert strict(encode(Custom(data=nested(depth))))["data"] == nested(63, {"$deep": "list"})


def test_a_model_that_dumps_itself_for_ever_is_cut() -> None:
    class Endless:
        def model_dump(self, **_: Any) -> Any:
            return Endless()

    class Itself:
        def model_dump(self, **_: Any) -> Any:
            return self

    assert jsonable([Endless(), Itself()]) == [{"$deep": "Endless"}, {"$cycle": "Itself"}]


def test_many_keys_that_become_equal_get_names_of_their_own() -> None:
    keys = {object(): number for number in range(20_000)}
    assert len(jsonable(keys)) == 20_000


# ------------------------------------------------------------------ any value at all


SURROGATES = st.text(st.characters(codec=None) | st.sampled_from("\ud800\udc00\ud83d\ude00a"))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 2**64]),
    st.just(5_000).map(lambda digits: 10**digits),
    st.floats(),
    st.text(),
    SURROGATES,
    st.binary(max_size=8),
    st.decimals(allow_nan=False),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
    st.sampled_from([*Colour, *Level, range(3), len, Record, PurePosixPath("p"), Point(1, "y"), Text("t")]),
)
ANYTHING = st.recursive(
    LEAVES | st.builds(object) | st.builds(lambda: hostile("__repr__", "__hash__", "__eq__")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.lists(inner, max_size=4).map(deque),
        st.dictionaries(SURROGATES, inner, max_size=4),
        st.dictionaries(LEAVES | st.tuples(LEAVES, LEAVES), inner, max_size=4),
        st.sets(LEAVES, max_size=4),
        st.frozensets(LEAVES, max_size=4),
        st.builds(Record, SURROGATES, st.sets(LEAVES, max_size=2), inner),
        st.builds(lambda value: Custom(data=value), inner),
        inner.map(lambda value: [value, value]),
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_value_is_written_as_strict_json_in_one_form(value: Any) -> None:
    """Plain data goes to msgspec directly, everything else over `jsonable`: nobody may see which road was taken."""
    event = StateSnapshot(values=value)
    line = encode(event)
    strict(line)
    assert line == msgspec.json.encode(jsonable(event))
    assert type(decode(line)) is StateSnapshot


@given(SURROGATES)
def test_any_text_is_written_as_strict_json_in_one_form(text: str) -> None:
    event = TextDelta(id="m", text=text)
    assert strict(encode(event)) == jsonable(event)


# ------------------------------------------------------------------ size


def test_a_value_above_the_limit_becomes_its_size_and_its_beginning() -> None:
    event = ToolResult(id="c", content="a" * 5_000, artifact={"k": ["b" * 5_000]}, name="search")
    shortened = strict(encode(event, max_value_bytes=4_000))
    assert shortened == {
        "type": "tool_result",
        "id": "c",
        "content": {"$truncated": {"bytes": 5_002, "preview": "a" * 2_000}},
        "artifact": {"$truncated": {"bytes": 5_010, "preview": ('{"k":["' + "b" * 2_000)[:2_000]}},
        "name": "search",
    }


def test_a_value_at_the_limit_is_left_alone() -> None:
    event = ToolResult(id="c", content="a" * 98, artifact="b" * 99)
    shortened = strict(encode(event, max_value_bytes=100))
    assert shortened["content"] == "a" * 98
    assert shortened["artifact"] == {"$truncated": {"bytes": 101, "preview": "b" * 99}}


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00", "é", "😀", 'x"', "\\u0000"])
def test_a_preview_never_cuts_a_character_in_two(text: str) -> None:
    whole = text * 5_000
    for limit in range(10, 30):
        mark = strict(encode(Custom(data=whole), max_value_bytes=limit))["data"]["$truncated"]
        assert mark["preview"] == whole[:limit]
        mark = strict(encode(Custom(data=[whole]), max_value_bytes=limit))["data"]["$truncated"]
        assert mark["preview"] == json.dumps([whole], ensure_ascii=False)[:limit]


def test_text_of_the_model_is_never_cut() -> None:
    for event in (
        TextDelta(id="m", text="a" * 500),
        MessageReplaced(message_id="m", text="a" * 500, source=Source()),
        ToolCallEnd(id="c", name="n", invalid="a" * 500),
    ):
        assert encode(event, max_value_bytes=10) == encode(event)


def test_arguments_inside_questions_and_open_calls_are_cut_one_by_one() -> None:
    long, short = {"q": "a" * 500}, {"q": "b"}
    interrupt = Interrupt(id="i", actions=(Action(name="a", args=long), Action(name="b", args=short)))
    end = TurnEnd(outcome="interrupted", open_calls=(OpenCall(id="c", name="a", args=long), OpenCall(id="d", name="b")))
    first, second = strict(encode(interrupt, max_value_bytes=100))["actions"]
    assert (first["name"], first["args"]["$truncated"]["bytes"], second["args"]) == ("a", 508, short)
    first, second = strict(encode(end, max_value_bytes=100))["open_calls"]
    assert (first["name"], first["args"]["$truncated"]["bytes"], second) == ("a", 508, {"id": "d", "name": "b"})


def test_no_event_holds_foreign_values_where_the_limit_does_not_look() -> None:
    """A new event with such a field inside a list has to be added to the codec."""
    nested_fields = {
        field.name
        for kind in EVENT_CLASSES
        for field in msgspec.structs.fields(kind)
        for part in get_args(field.type)
        if isinstance(part, type) and part in (Action, OpenCall)
    }
    assert nested_fields == codec._RECORD_FIELDS
    for part in (Action, OpenCall, Source):
        assert {f.name for f in msgspec.structs.fields(part) if f.type is Any} <= {"args"}


def test_large_media_keeps_its_kind_and_tells_its_size() -> None:
    event = Media(id="m/1", message_id="m", kind="image", source=Source(node="n"), mime="image/png", data="A" * 500)
    read = decode(encode(event, max_value_bytes=100))
    assert isinstance(read, Media)
    assert (read.data, read.kind, read.mime) == (None, "image", "image/png")
    assert read.block == {"$truncated": {"bytes": 502, "preview": "A" * 100}}
    assert decode(encode(event, max_value_bytes=502)) == event


def test_the_small_forms_of_a_large_display_stay() -> None:
    event = Display(id="c", bundle={"text/html": "a" * 500, "text/plain": "seven"})
    read = decode(encode(event, max_value_bytes=100))
    assert isinstance(read, Display)
    assert read.bundle == {"text/html": {"$truncated": {"bytes": 502, "preview": "a" * 100}}, "text/plain": "seven"}
    broken = Display(id="c", bundle=["a" * 500])  # type: ignore[arg-type]
    assert b'"bundle":{"$truncated"' in encode(broken, max_value_bytes=100)


def test_objects_that_must_be_objects_stay_so() -> None:
    for event in (
        Display(id="c", bundle={"text/html": "a" * 500}),
        Usage(message_id="m", details={"k": "a" * 500}),
        Interrupt(id="i", response_schema={"k": "a" * 500}),
    ):
        assert type(decode(encode(event, max_value_bytes=100))) is type(event)


def test_an_entry_is_cut_like_its_event() -> None:
    entry = Entry(seq=1, at_ms=2, event=Custom(data="a" * 500))
    read = decode_entry(encode_entry(entry, max_value_bytes=100))
    assert read.event == decode(encode(entry.event, max_value_bytes=100))
    assert isinstance(read.event, Custom)
    assert list(read.event.data) == ["$truncated"]


# ------------------------------------------------------------------ reading


def test_fields_of_a_newer_version_are_ignored() -> None:
    line = '{"mood":[1],"type":"progress","text":"half","percent":50}'
    assert decode(line) == decode(line.encode()) == Progress(text="half", percent=50.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"type":"nope"}', "Invalid value 'nope'"),
        (b'{"id":"m"}', "missing required field `type`"),
        (b'{"type":"text_delta","id":"m"}', "missing required field `text`"),
        (b'{"type":"text_delta","id":"m","text":1}', "Expected `str`, got `int`"),
        (b'{"type":"custom","data":NaN}', "malformed"),
        (b'{"type":"custom","data":"\xff"}', "utf-8"),
        (b'{"type":"custom","data":"\\udc00"}', "surrogate"),
        ('{"type":"custom","data":"\ud800"}', "surrogates"),
        (b'{"type":"custom","data":' + b"[" * 100_000, "nested too deeply"),
        (b'{"type":"custom","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"type":"' + b"x" * 100_000 + b'"}', "Invalid value 'xxx"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_one_short_sentence(line: bytes | str, reason: str) -> None:
    for read in (decode, decode_entry):
        with pytest.raises(StreamError) as caught:
            read(line)
        message = str(caught.value)
        assert message.startswith("cannot read ")
        assert "expected one JSON object" in message
        assert "\n" not in message
        assert len(message) < 600
        message.encode()
    with pytest.raises(StreamError, match=reason):
        decode(line)


@pytest.mark.parametrize(
    "line", ['{"type":"progress","text":"a"}', '{"seq":"1","at_ms":2,"type":"progress","text":"a"}']
)
def test_an_entry_without_number_or_time_is_refused(line: str) -> None:
    with pytest.raises(StreamError, match="seq"):
        decode_entry(line)
