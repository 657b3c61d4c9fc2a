"""What the real client reads of a frame, beside what it reads of the same event's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from queue import SimpleQueue
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agui.client import PATIENCE, NodeProcess
from langwire.adapters.agui import events as agui
from langwire.adapters.agui.frames import sse_frame
from langwire.adapters.agui.protobuf import MEDIA_TYPE, encode
from langwire.core.codec import jsonable

KINDS: tuple[type[agui.AGUIEvent], ...] = get_args(agui.Event)

Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def read(node_packages: None) -> Iterator[Read]:
    """Reads an answer of a server as the client does: events, what enforcement leaves of them, warnings and errors."""
    answers: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    node = NodeProcess("decode.mjs", answers.put, lambda: answers.put(None))

    def read(media_type: str, *chunks: bytes) -> dict[str, Any]:
        node.say(msgspec.json.encode({"type": media_type, "chunks": chunks}))
        answer = answers.get(timeout=PATIENCE)
        assert answer is not None, node.last_words()
        return answer

    yield read
    node.close()


def both(read: Read, *events: agui.AGUIEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the client reads of the events as frames, and as JSON."""
    return read(MEDIA_TYPE, *map(encode, events)), read("text/event-stream", *map(sse_frame, events))


# ------------------------------------------------------------------ any event, made after what its fields declare


TEXTS = st.text(max_size=200) | st.sampled_from(["", "\ufeffmark", "a\x00b", "🙂" * 60, "é" * 64, '"\\\n\r\u2028'])
NUMBERS = (
    st.integers()
    | st.integers(min_value=2**53, max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([10**400, -(10**400), 2**53 + 1, -0.0])
)
KEYS = TEXTS.filter(lambda key: key != "__proto__")
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
SOURCES = (
    st.fixed_dictionaries({"type": st.just("data"), "value": TEXTS, "mimeType": TEXTS})
    | st.fixed_dictionaries({"type": st.just("url"), "value": TEXTS}, optional={"mimeType": TEXTS})
    | st.fixed_dictionaries({"type": st.just("file"), "value": TEXTS}, optional={"mimeType": TEXTS, "provider": TEXTS})
)
PARTS = st.fixed_dictionaries(
    {"type": st.just("text"), "text": TEXTS}, optional={"id": TEXTS, "metadata": OBJECTS}
) | st.fixed_dictionaries(
    {"type": st.sampled_from(["image", "audio", "video", "document"]), "source": SOURCES},
    optional={"id": TEXTS, "metadata": OBJECTS},
)
PATHS = st.lists(st.text(st.characters(exclude_characters="~/", exclude_categories=["Cs"]), max_size=9)).map(
    lambda names: "".join(f"/{name}" for name in names)
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": PATHS, "from": PATHS}),
)
MESSAGES = st.one_of(
    *(
        st.builds(
            agui.Message,
            id=TEXTS,
            role=st.just(role),
            metadata=st.none() | OBJECTS,
            subagent_run_id=st.none() | TEXTS,
            **fields,
        )
        for role, fields in {
            "developer": {"content": TEXTS, "name": st.none() | TEXTS},
            "system": {"content": TEXTS, "name": st.none() | TEXTS},
            "user": {"content": TEXTS | st.lists(PARTS, max_size=3), "name": st.none() | TEXTS},
            "assistant": {
                "content": st.none() | TEXTS,
                "encrypted_value": st.none() | TEXTS,
                "tool_calls": st.none()
                | st.lists(
                    st.builds(
                        agui.ToolCall, id=TEXTS, function=st.builds(agui.FunctionCall, name=TEXTS, arguments=TEXTS)
                    ),
                    min_size=1,
                    max_size=2,
                ),
            },
            "tool": {
                "content": TEXTS | st.lists(PARTS, max_size=3),
                "tool_call_id": TEXTS,
                "error": st.none() | TEXTS,
            },
            "activity": {"content": OBJECTS, "activity_type": TEXTS},
            "reasoning": {"content": TEXTS, "encrypted_value": st.none() | TEXTS},
        }.items()
    )
)
COUNTS = st.integers(min_value=0, max_value=2**53 - 1)
FIELDS: dict[tuple[type, str], st.SearchStrategy[Any]] = {
    (agui.StateDelta, "delta"): st.lists(OPERATIONS, max_size=3),
    (agui.ActivityDelta, "patch"): st.lists(OPERATIONS, max_size=3),
    (agui.ToolCallResult, "content"): TEXTS | st.lists(PARTS, max_size=3),
    (agui.MessagesSnapshot, "messages"): st.lists(MESSAGES, max_size=3),
}


def declared(annotation: Any) -> st.SearchStrategy[Any]:
    """Return values of a field's declared type, other than the `None` of one that may be missing."""
    plain = {str: TEXTS, int: COUNTS, bool: st.booleans(), Any: VALUES, dict[str, Any]: OBJECTS}
    if annotation in plain:
        return plain[annotation]
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is list:
        return st.lists(declared(get_args(annotation)[0]), min_size=1, max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return made(annotation, "any")
    return st.one_of(*(declared(part) for part in get_args(annotation) if part is not type(None)))


@cache
def made(kind: type[Any], which: Literal["minimal", "full", "any"]) -> st.SearchStrategy[Any]:
    """Return structs of this kind: with the fields that it must have, with all, or with any."""
    hints = get_type_hints(kind)
    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        known = FIELDS.get((kind, field.name))
        values = declared(hints[field.name]) if known is None else known
        (required if field.required or which == "full" else optional)[field.name] = values
    chosen = st.fixed_dictionaries(required, optional=optional if which == "any" else {})
    return chosen.map(lambda fields: kind(**fields))


EVENTS = st.one_of(*(made(kind, "any") for kind in KINDS))


# ------------------------------------------------------------------ the same as JSON


@pytest.mark.parametrize("kind", KINDS)
def test_the_client_reads_a_frame_as_it_reads_the_json_of_the_event(kind: type[agui.AGUIEvent], read: Read) -> None:
    @settings(max_examples=12, deadline=None)
    @given(minimal=made(kind, "minimal"), full=made(kind, "full"), other=made(kind, "any"))
    def check(minimal: agui.AGUIEvent, full: agui.AGUIEvent, other: agui.AGUIEvent) -> None:
        framed, told = both(read, minimal, full, other)
        assert framed == told
        assert [event["type"] for event in framed["enforced"]] == [kind.__struct_config__.tag] * 3
        assert (framed["warnings"], framed["errors"]) == ([], [])

    check()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), events=st.lists(EVENTS, min_size=1, max_size=5))
def test_frames_may_be_cut_anywhere_on_their_way(read: Read, data: st.DataObject, events: list[agui.AGUIEvent]) -> None:
    stream = b"".join(map(encode, events))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(MEDIA_TYPE, *pieces) == read("text/event-stream", *map(sse_frame, events))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
def test_a_text_of_any_length_arrives_whole(length: int, read: Read) -> None:
    [event] = read(MEDIA_TYPE, encode(agui.TextMessageContent(message_id="m", delta="x" * length)))["enforced"]
    assert event == {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x" * length}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {"a": 1}
CYCLE["self"] = CYCLE


@pytest.mark.parametrize(
    "value",
    [
        {"nan": float("nan"), "infinite": [float("inf"), float("-inf")]},
        {"day": date(2026, 11, 21)},
        {7: 1},
        {"set": {1}},
        {"half \ud83d": 1},
        {"text": "half \ud83d"},
        {"deep": nested(100_000)},
        CYCLE,
    ],
    ids=["no number", "a date", "a key that is no text", "a set", "half a key", "half a text", "deep", "cyclic"],
)
def test_values_that_json_has_no_form_for_take_the_road_of_jsonable(value: Any, read: Read) -> None:
    def events(half: str, value: Any) -> list[agui.AGUIEvent]:
        part = {"type": "text", "text": half, "metadata": value}
        return [
            agui.Custom(name=half, value=value, metadata=value),
            agui.StateDelta(delta=[{"op": "add", "path": f"/{half}", "value": value}]),
            agui.ToolCallResult(message_id="m", tool_call_id="c", content=[part]),
        ]

    framed = read(MEDIA_TYPE, *map(encode, events("half \ud83d", value)))
    assert framed == read("text/event-stream", *map(sse_frame, events("half \ufffd", jsonable(value))))
    assert len(framed["enforced"]) == 3
    assert framed["errors"] == []


@pytest.mark.parametrize("value", [None, True, 0, "", "half", [], {}])
def test_a_value_may_be_anything_even_nothing(value: Any, read: Read) -> None:
    framed, told = both(read, agui.StateSnapshot(snapshot=value), agui.Custom(name="a", value=value))
    assert framed == told
    assert framed["enforced"][0]["snapshot"] == value


def test_an_integer_above_what_a_double_holds_is_rounded_as_the_client_rounds_json(read: Read) -> None:
    value = [2**53 + 1, 2**64 - 1, -(2**63), 10**308, 10**400, -(10**400)]
    framed, told = both(read, agui.StateSnapshot(snapshot=value))
    assert framed["events"] == told["events"]
    assert framed["events"][0]["snapshot"][0] == 2**53
    assert framed["events"][0]["snapshot"][4:] == [{"number": "0 Infinity"}, {"number": "0 -Infinity"}]


# ------------------------------------------------------------------ other than in JSON


def result(*parts: dict[str, Any]) -> agui.ToolCallResult:
    return agui.ToolCallResult(message_id="m", tool_call_id="c", content=list(parts))


TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(result(TEXT, {"type": "hologram", "text": "?"}), id="an unknown part"),
        pytest.param(result({**TEXT, "colour": "red"}), id="an unknown field of a part"),
        pytest.param(
            result({"type": "image", "source": {"type": "url", "value": "u", "width": 3}}),
            id="an unknown field of a source",
        ),
        pytest.param(
            agui.StateDelta(delta=[{"op": "weave", "path": "/a"}, {"op": "add", "path": "/b", "value": 1}]),
            id="an unknown operation",
        ),
        pytest.param(
            agui.MessagesSnapshot(messages=[agui.Message(id="m", role="user", content=[TEXT, {"type": "hologram"}])]),
            id="an unknown part of a message",
        ),
    ],
)
def test_what_the_protocol_does_not_know_is_missing_as_the_client_would_leave_it_out(
    event: agui.AGUIEvent, read: Read
) -> None:
    framed, told = both(read, event)
    assert framed["enforced"] == told["enforced"]
    assert framed["enforced"] != []
    assert framed["warnings"] == []
    assert told["warnings"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": 5},
        {"type": "text", "text": None},
        {"type": "image"},
        {"type": "image", "source": {"type": "data", "value": "QQ=="}},
        {"text": "no type"},
        "no object",
    ],
)
def test_a_part_without_its_form_does_not_end_the_run(part: Any, read: Read) -> None:
    framed, told = both(read, result(TEXT, part))
    assert framed["errors"] == []
    assert framed["enforced"][0]["content"] == [TEXT]
    assert told["errors"] or told["warnings"]


def test_a_part_whose_type_is_no_unicode_does_not_end_the_run(read: Read) -> None:
    framed = read(MEDIA_TYPE, encode(result(TEXT, {"type": "\ud800"})))
    assert framed["enforced"][0]["content"] == [TEXT]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (agui.RunFinished(thread_id="t", run_id="r", usage=[]), "usage"),
        (agui.RunError(message="e", usage=[]), "usage"),
    ],
)
def test_an_empty_list_that_may_be_missing_is_missing(event: agui.AGUIEvent, name: str, read: Read) -> None:
    framed, told = both(read, event)
    assert told["enforced"][0].pop(name) == []
    assert framed["enforced"] == told["enforced"]


def test_a_count_that_the_client_cannot_hold_is_held_at_the_greatest_that_it_can(read: Read) -> None:
    usage = agui.Usage(input_tokens=2**64, output_tokens=-(2**64), total_tokens=-1)
    answer = read(MEDIA_TYPE, encode(agui.RunError(message="e", usage=[usage])))
    assert answer["events"][0]["usage"] == [
        {"inputTokens": 2**53 - 1, "outputTokens": 1 - 2**53, "totalTokens": -1},
    ]


def test_the_client_does_not_read_the_key_proto(read: Read) -> None:
    framed, told = both(read, agui.StateSnapshot(snapshot={"__proto__": {"admin": True}, "a": 1}))
    assert framed["events"][0]["snapshot"] == {"a": 1}
    assert told["events"][0]["snapshot"] == {"__proto__": {"admin": True}, "a": 1}


def test_the_client_reads_frames_under_the_bare_media_type_only(read: Read) -> None:
    frame = encode(agui.RunStarted(thread_id="t", run_id="r"))
    assert len(read(MEDIA_TYPE, frame)["events"]) == 1
    assert read(f"{MEDIA_TYPE}; charset=utf-8", frame)["events"] == []


# ------------------------------------------------------------------ size


@given(event=made(agui.TextMessageContent, "any") | made(agui.ToolCallArgs, "any"))
def test_a_delta_is_smaller_than_as_a_server_sent_event(event: agui.AGUIEvent) -> None:
    delta = msgspec.structs.replace(event, metadata=None)
    assert len(encode(delta)) + 40 < len(sse_frame(delta))
