"""Which events a reader gets, and how much of each: nothing that is not shown is in any byte that goes out."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, get_args

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from agui.asking import says
from langwire import SessionAdapter
from langwire.adapters.fastapi import shown as module
from langwire.adapters.fastapi.files import Files
from langwire.adapters.fastapi.shown import Shown, View
from langwire.core.codec import encode_entry
from langwire.events import (
    Action,
    Custom,
    Entry,
    Event,
    Interrupt,
    Media,
    NodeEnd,
    NodeStart,
    OpenCall,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    StateDelta,
    StateSnapshot,
    TextDelta,
    TextStart,
    ToolCallEnd,
    ToolResult,
    TurnEnd,
    TurnStart,
)
from langwire.sessions.session import Session

PNG = b"\x89PNG"
IN_BASE64 = b64encode(PNG).decode()
BIG = "x" * 70_000

HIDDEN: list[tuple[str, Event]] = [
    ("state", StateSnapshot(values={"secret": 1})),
    ("state", StateDelta(node="n", changes={"secret": 1})),
    ("raw", Raw(mode="debug", data="secret")),
    ("custom", Custom(data="secret")),
    ("nodes", NodeStart(id="1", node="secret")),
    ("nodes", NodeEnd(id="1")),
    ("reasoning", ReasoningStart(id="1", message_id="1", source=Source())),
    ("reasoning", ReasoningDelta(id="1", text="secret")),
    ("reasoning", ReasoningEnd(id="1")),
]


@pytest.fixture
def session() -> Session:
    return SessionAdapter(says("one")).get("t")


class Seen:
    """What a reader sees of events that a thread's log holds."""

    def __init__(self, session: Session, shown: Shown | None = None, files: Files | None = None) -> None:
        self.session, self.files = session, files
        self.view = View(shown or Shown(), files)
        self._seq = 0

    def entry(self, event: Event) -> Any:
        self._seq += 1
        line = self.line(event)
        return None if line is None else json.loads(line)

    def line(self, event: Event) -> bytes | None:
        entry = Entry(seq=self._seq, at_ms=5, event=event)
        own = encode_entry(entry)
        return own if type(event) in self.view.whole else self.view.entry(self.session, entry, own)

    def both(self, event: Event) -> Any:
        """The event as it is told of the past, which is as it is told live but for its number and time."""
        live, past = self.entry(event), self.view.event(self.session.thread_id, event)
        told = None if past is None else json.loads(past)
        assert live == (None if told is None else {"seq": self._seq, "at_ms": 5, **told})
        return told


@pytest.mark.parametrize(("what", "event"), HIDDEN, ids=lambda value: getattr(type(value), "__name__", value))
def test_what_is_off_is_not_told_and_what_is_on_is_told_as_it_is(session: Session, what: str, event: Event) -> None:
    assert Seen(session, Shown(**{what: False})).both(event) is None
    assert Seen(session, Shown(**{what: True})).line(event) == encode_entry(Entry(seq=0, at_ms=5, event=event))


def test_states_raw_chunks_inputs_and_artifacts_are_off_by_default(session: Session) -> None:
    """T-15: what nobody asked for is in no byte."""
    seen = Seen(session)
    assert seen.both(StateSnapshot(values={"secret": 1})) is None
    assert seen.both(StateDelta(node="n")) is None
    assert seen.both(Raw(mode="debug")) is None
    assert seen.both(TurnStart(turn_id="1", input={"secret": 1})) == {"type": "turn_start", "turn_id": "1"}
    assert "artifact" not in seen.both(ToolResult(id="1", artifact="secret"))


def test_each_kind_of_event_is_shown_hidden_or_looked_at(session: Session) -> None:
    """A new kind that may hold a value must not go out without a look at its size."""
    looked_at = set(get_args(Event)) - Seen(session).view.whole
    assert {kind.__name__ for kind in Seen(session).view.whole} == {
        "NodeEnd",
        "NodeStart",
        "ReasoningDelta",
        "ReasoningEnd",
        "ReasoningStart",
        "TextDelta",
        "TextEnd",
        "TextStart",
        "ToolCallDelta",
        "ToolCallStart",
    }
    assert {ToolCallEnd, ToolResult, TurnStart, TurnEnd, Interrupt, Custom, Media} <= looked_at


def test_what_needs_no_change_is_the_line_of_the_log(session: Session) -> None:
    seen, entry = Seen(session), Entry(seq=1, at_ms=5, event=ToolResult(id="1", content="short"))
    line = encode_entry(entry)
    assert seen.view.entry(session, entry, line) is line
    assert seen.view.entry(session, Entry(seq=2, at_ms=5, event=Custom(data=1)), line) is line


def test_an_artifact_is_told_where_it_is_shown(session: Session) -> None:
    assert Seen(session, Shown(artifacts=True)).both(ToolResult(id="1", artifact=[1]))["artifact"] == [1]


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (ToolResult(id="1", content=BIG), "content"),
        (Custom(data=BIG), "data"),
        (ToolCallEnd(id="1", name="n", args={"a": BIG}), "args"),
    ],
)
def test_a_value_that_is_too_large_is_cut_with_a_mark(session: Session, event: Event, field: str) -> None:
    """T-4: a 10 MB result is not sent to everybody."""
    mark = Seen(session).both(event)[field]["$truncated"]
    assert mark["bytes"] > 70_000
    assert len(mark["preview"]) == 2000


def test_values_inside_of_ends_are_cut_as_well(session: Session) -> None:
    end = Seen(session).both(TurnEnd(outcome="complete", open_calls=(OpenCall(id="1", name="n", args=BIG),)))
    assert "$truncated" in end["open_calls"][0]["args"]


def test_a_question_is_never_cut(session: Session) -> None:
    """F-C2: nobody approves what is not shown."""
    question = Seen(session).both(Interrupt(id="1", value=BIG, actions=(Action(name="n", args={"body": BIG}),)))
    assert (question["value"], question["actions"][0]["args"]) == (BIG, {"body": BIG})


def test_text_is_never_cut(session: Session) -> None:
    seen = Seen(session)
    assert seen.both(TextDelta(id="1", text=BIG))["text"] == BIG
    for content in (BIG, [{"type": "text", "text": BIG}]):
        start = seen.both(TurnStart(turn_id="1", input={"messages": [{"role": "user", "content": content}]}))
        assert start["input"]["messages"][0]["content"] == content


def test_nothing_is_cut_where_the_server_says_so(session: Session) -> None:
    assert Seen(session, Shown(max_value=None)).both(Custom(data=BIG))["data"] == BIG


def test_the_past_can_be_had_in_full(session: Session) -> None:
    line = View(Shown(), None).event(session.thread_id, ToolResult(id="1", content=BIG, artifact=1), full=True)
    assert json.loads(line or b"") == {"type": "tool_result", "id": "1", "content": BIG}


def test_a_line_that_was_made_anew_is_made_once_for_all_readers(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, other = Seen(session), SessionAdapter(says("one")).get("t")
    entry = Entry(seq=9, at_ms=5, event=ToolResult(id="1", content=BIG))
    line = encode_entry(entry)
    made = seen.view.entry(session, entry, line)
    assert seen.view.entry(session, entry, line) is made
    assert seen.view.entry(other, entry, line) is not made
    monkeypatch.setattr(module, "_MOST", 2 * 2500)
    seen.entry(ToolResult(id="2", content=BIG))
    seen.entry(ToolResult(id="3", content=BIG))
    assert seen.view.entry(session, entry, line) is not made
    assert seen.view._made._bytes == sum(len(kept.line) + 200 for kept in seen.view._made._kept.values())


# ------------------------------------------------------------------ what a person said


def said(seen: Seen, given: Any) -> Any:
    return seen.both(TurnStart(turn_id="1", input=given)).get("input")


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ("hello", [{"role": "user", "content": "hello"}]),
        ({"messages": [{"role": "user", "id": "u", "content": "a"}], "secret": 1}, [("u", "a")]),
        ({"messages": [HumanMessage("a", id="u"), SystemMessage("secret"), AIMessage("secret")]}, [("u", "a")]),
        ({"talk": HumanMessage("a", id="u"), "tags": ["secret"], "note": "secret"}, [("u", "a")]),
        ({"messages": [("user", "a"), ("system", "secret")]}, [{"role": "user", "content": "a"}]),
        ([HumanMessage("a", id="u")], [("u", "a")]),
        ({"messages": [{"role": "user", "name": "context", "content": "secret"}]}, None),
        ({"secret": "secret"}, None),
        (["secret"], None),
        (7, None),
        (None, None),
    ],
)
def test_of_an_input_only_what_a_person_said_is_told(session: Session, given: Any, messages: Any) -> None:
    told = said(Seen(session), given)
    expected = messages and [
        {"role": "user", "id": one[0], "content": one[1]} if isinstance(one, tuple) else one for one in messages
    ]
    assert told == (expected and {"messages": expected})
    assert "secret" not in json.dumps(told)


def test_the_whole_input_is_told_where_it_is_shown(session: Session) -> None:
    assert said(Seen(session, Shown(inputs=True)), {"topic": "x"}) == {"topic": "x"}


@pytest.mark.parametrize("key", ["base64", "data"])
def test_a_file_in_a_message_is_told_by_reference(session: Session, key: str) -> None:
    seen = Seen(session, files=Files())
    block = {"type": "image", key: IN_BASE64, "mime_type": "image/png"}
    content = ["look", {"type": "text", "text": "here"}, block]
    told = said(seen, {"messages": [{"role": "user", "content": content}]})["messages"][0]["content"]
    assert told[:2] == content[:2]
    assert told[2] == {"type": "image", "mime_type": "image/png", "ref": told[2]["ref"]}
    assert seen.files is not None
    assert seen.files.get("t", told[2]["ref"].removeprefix("files/")) == ("image/png", PNG)


@pytest.mark.parametrize("data", ["no base64!", None, 7])
def test_what_is_no_file_stays_what_it_is(session: Session, data: Any) -> None:
    block = {"type": "image", "base64": data}
    told = said(Seen(session, files=Files()), {"messages": [{"role": "user", "content": [block]}]})
    assert told["messages"][0]["content"] == [block]


def test_a_file_for_which_there_is_no_room_is_cut(session: Session) -> None:
    block = {"type": "file", "base64": b64encode(b"x" * 70_000).decode(), "mime_type": "a/b"}
    for files in (None, Files(max_file=10)):
        told = said(Seen(session, files=files), {"messages": [{"role": "user", "content": [block]}]})
        (cut,) = told["messages"][0]["content"]
        assert (cut["type"], set(cut)) == ("file", {"type", "$truncated"})


# ------------------------------------------------------------------ media


def media(data: str = IN_BASE64, mime: str | None = "image/png") -> Media:
    return Media(id="1", message_id="1", kind="image", source=Source(), mime=mime, data=data)


def test_media_go_by_reference(session: Session) -> None:
    seen = Seen(session, files=Files())
    told = seen.both(media())
    assert "data" not in told
    assert seen.files is not None
    assert seen.files.get("t", told["ref"].removeprefix("files/")) == ("image/png", PNG)


def test_media_without_a_store_or_a_type_are_told_all_the_same(session: Session) -> None:
    assert Seen(session).both(media())["data"] == IN_BASE64
    seen = Seen(session, files=Files())
    assert seen.files is not None
    file = seen.files.get("t", seen.both(media(mime=None))["ref"].removeprefix("files/"))
    assert file is not None
    assert file.mime == "application/octet-stream"
    url = Media(id="1", message_id="1", kind="image", source=Source(), ref="https://x.test/a.png")
    assert seen.both(url)["ref"] == "https://x.test/a.png"


def test_a_reference_never_leads_to_a_file_that_has_gone(session: Session) -> None:
    seen = Seen(session, files=Files())
    first = seen.entry(media())
    assert seen.line(media()) is seen.line(media())
    assert seen.files is not None
    seen.files.forget("t")
    assert json.loads(seen.line(media()) or b"") == first
    assert seen.files.get("t", first["ref"].removeprefix("files/")) is not None


def test_a_text_start_is_told_as_it_is(session: Session) -> None:
    start = TextStart(id="1", message_id="1", source=Source(node="n"))
    assert Seen(session).both(start) == {
        "type": "text_start",
        "id": "1",
        "message_id": "1",
        "source": {"node": "n"},
    }
