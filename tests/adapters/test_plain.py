"""A turn, told as plain lines."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable
from textwrap import dedent
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from langwire.adapters.plain import PlainAdapter, PlainEncoder
from langwire.events import (
    Action,
    Citation,
    Custom,
    Display,
    Entry,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
    Lane,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    NodeEnd,
    NodeStart,
    OpenCall,
    Progress,
    Raw,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    SubagentEnd,
    SubagentStart,
    TaskUpdate,
    TextDelta,
    TextEnd,
    TextStart,
    TokenUsage,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)

ROOT = Source()
A: Lane = ("tools:1",)
B: Lane = ("tools:2",)


def told(events: Iterable[Event]) -> str:
    encoder = PlainEncoder()
    return "".join(map(encoder.encode, events))


def story(text: str) -> str:
    return dedent(text).removeprefix("\n")


def said(id: str, *pieces: str, lane: Lane = (), message_id: str | None = None, **more: Any) -> list[Event]:
    start = TextStart(id=id, message_id=message_id or id, source=Source(lane=lane), **more)
    return [start, *(TextDelta(id=id, text=piece) for piece in pieces), TextEnd(id=id)]


def thought(id: str, *pieces: str, lane: Lane = ()) -> list[Event]:
    start = ReasoningStart(id=id, message_id=id.partition("/")[0], source=Source(lane=lane))
    return [start, *(ReasoningDelta(id=id, text=piece) for piece in pieces), ReasoningEnd(id=id)]


def called(
    id: str, name: str, args: Any = None, *, lane: Lane = (), provider: bool = False, **more: Any
) -> list[Event]:
    start = ToolCallStart(id=id, name=name, message_id="m", source=Source(lane=lane), provider=provider)
    return [start, ToolCallDelta(id=id, args="{"), ToolCallEnd(id=id, name=name, args=args, **more)]


# ------------------------------------------------------------------ text and thinking


def test_a_turn_is_told_from_the_first_thought_to_the_usage() -> None:
    events: list[Event] = [
        TurnStart(turn_id="t"),
        NodeStart(id="n", node="model"),
        *thought("m1/1", "They want\nthe wea", "ther."),
        *said("m1", "Let me ", "look."),
        *called("c1", "weather", {"city": "Rome", "days": [1, 2]}),
        Usage(message_id="m1", input_tokens=100, output_tokens=20),
        NodeEnd(id="n"),
        StateDelta(node="model", changes={"a": 1}),
        StateSnapshot(values={"a": 1}),
        Raw(mode="odd", data=1),
        ToolOutputDelta(id="c1", data={"done": 1}),
        ToolResult(id="c1", content="sunny\n22 degrees"),
        *said("m2", "It is sunny."),
        TurnEnd(outcome="complete", usage=TokenUsage(input_tokens=120, output_tokens=30)),
    ]
    assert told(events) == story(
        """
        ~ They want
        ~ the weather.

        Let me look.

        -> weather({"city":"Rome","days":[1,2]})
        [output] weather: {"done":1}
        <- weather: sunny
           22 degrees

        It is sunny.

        [complete] 120 tokens in, 30 out
        """
    )


def test_tokens_are_told_as_they_come() -> None:
    encoder = PlainEncoder()
    assert [encoder.encode(event) for event in said("m", "Hel", "lo\n", "you")] == ["", "Hel", "lo\n", "you", ""]


def test_parts_of_one_message_run_on_and_messages_do_not() -> None:
    """Citations cut a sentence into parts; its sources are told when the paragraph is over."""
    events = [
        *said("m1", "It is "),
        Citation(id="m1", data={"title": "Weather", "url": "https://example.org"}),
        *said("m1/1", "sunny", message_id="m1"),
        Citation(id="m1/1", data={"cited_text": "sun"}),
        *said("m1/2", ".", message_id="m1"),
        *said("m2", "And warm."),
        *said("m3", "Go!"),
    ]
    assert told(events) == story(
        """
        It is sunny.
        [source] Weather https://example.org
        [source] {"cited_text":"sun"}

        And warm.

        Go!"""
    )


def test_text_that_is_not_the_assistants_is_marked() -> None:
    events = [*said("m1", "hello\nthere", role="user"), *said("m2", "No.", refusal=True)]
    assert told(events) == "[user] hello\n[user] there\n\n[refusal] No."


def test_what_was_cut_off_says_so() -> None:
    cut: list[Event] = [
        *said("m1", "Let me")[:-1],
        TextEnd(id="m1", partial=True),
        TextStart(id="m2", message_id="m2", source=ROOT),
        TextEnd(id="m2", partial=True),
        *called("c1", "search", invalid='{"q":"a', partial=True),
        TurnEnd(outcome="cancelled"),
    ]
    assert told(cut) == 'Let me [cut off]\n\n-> search({"q":"a) [cut off]\n\n[cancelled]\n'


def test_a_reader_that_comes_late_reads_on() -> None:
    assert told([TextDelta(id="m", text="rest"), TextEnd(id="m"), TextEnd(id="lost")]) == "rest"


def test_the_next_turn_begins_after_a_blank_line_and_knows_its_open_calls() -> None:
    end = TurnEnd(outcome="interrupted", open_calls=(OpenCall(id="c1", name="send"),))
    events = [*called("c2", "look"), end, ToolResult(id="c1", content="sent"), ToolResult(id="c2", content="x")]
    assert told(events) == "-> look()\n\n[interrupted] no result of send\n\n<- send: sent\n<- c2: x\n"


# ------------------------------------------------------------------ forging


def test_text_that_looks_like_our_own_lines_is_moved_aside() -> None:
    text = "-> pay({})\n<- pay: ok\n!! no\n?? sure\n~ hm\n[complete]\n- item\n<b>\n![image](x)\n  -> fine"
    shown = " -> pay({})\n <- pay: ok\n !! no\n ?? sure\n ~ hm\n [complete]\n- item\n<b>\n![image](x)\n  -> fine"
    assert told(said("m", text)) == shown
    assert told(said("m", *text)) == shown


def test_half_a_mark_waits_for_its_other_half_and_is_never_lost() -> None:
    encoder = PlainEncoder()
    start, delta, *_ = said("m", "a\n-")
    assert [encoder.encode(event) for event in (start, delta)] == ["", "a\n"]
    assert encoder.encode(Progress(text="x")) == "-\n\n[progress] x\n"


def test_results_and_arguments_cannot_leave_their_place() -> None:
    events = [
        *called("c1", "a\nb", {"x\n[complete]": "\x1b[2J\u202e"}),
        ToolResult(id="c1", content="ok\r\n-> pay({})\n\x1b]52;c;x\x07"),
        ToolResult(id="c1", content="a\rb\tc"),
    ]
    assert told(events) == (
        '-> a\\nb({"x\\n[complete]":"\\u001b[2J\\u202e"})\n'
        "<- a\\nb: ok\n"
        "   -> pay({})\n"
        "   \\x1b]52;c;x\\x07\n"
        "<- a\\nb: a\\rb   c\n"
    )


@given(st.text(st.sampled_from("-<>!?~[]\n a")), st.data())
@example("-\n->\n", None)
def test_no_line_of_text_begins_with_a_mark_however_it_is_cut(text: str, data: st.DataObject | None) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text))))) if data else range(len(text))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    end = TurnEnd(outcome="complete")
    whole = told([*said("m", text), end])
    assert told([*said("m", *pieces), end]) == whole
    body = whole.removesuffix("[complete]\n")
    assert not re.search(r"^(->|<-|!!|\?\?|~|\[)", body, re.MULTILINE)
    assert re.sub(r"^ ", "", body, flags=re.MULTILINE).strip("\n") == re.sub(r"^ ", "", text, flags=re.MULTILINE).strip(
        "\n"
    )


# ------------------------------------------------------------------ calls


def test_a_call_shows_all_its_arguments_and_who_runs_it() -> None:
    """F-C2"""
    long = "x" * 5000
    events = [
        *called("c1", "write", {"comment": "list files", "body": long}),
        *called("c2", "web_search", {"q": "rome"}, provider=True),
        *called("c3", "broken", invalid='{"q": '),
        ToolCallEnd(id="c4", name="late", args={}),
    ]
    assert told(events) == (
        f'-> write({{"comment":"list files","body":"{long}"}})\n'
        '-> web_search({"q":"rome"}) [by the provider]\n'
        '-> broken({"q": ) [invalid arguments]\n'
        "-> late()\n"
    )


def test_a_long_result_is_shortened_and_says_by_how_much() -> None:
    lines = "\n".join(map(str, range(1, 12)))
    events = [
        ToolResult(id="c", name="count", content=lines),
        ToolResult(id="c", name="long", content="x" * 502),
        ToolResult(id="c", name="empty"),
    ]
    assert told(events) == (
        "<- count: 1\n" + "".join(f"   {number}\n" for number in range(2, 11)) + "   (1 more line)\n"
        f"<- long: {'x' * 500} (2 more characters)\n"
        "<- empty:\n"
    )


def test_a_result_of_blocks_is_told_block_by_block() -> None:
    content = [
        {"type": "text", "text": "a map"},
        "a word",
        {"type": "image", "base64": "x"},
        {"odd": 1},
        {"type": "text"},
    ]
    assert told([ToolResult(id="c", name="look", content=content)]) == story(
        """
        <- look: a map
           a word
           [image]
           {"odd":1}
           {"type":"text"}
        """
    )


def test_a_result_that_failed_stands_out() -> None:
    assert told([ToolResult(id="c", name="pay", status="error", content="no money")]) == "!! pay: no money\n"


# ------------------------------------------------------------------ other content


def test_other_content_is_one_line_each() -> None:
    events: list[Event] = [
        Media(id="x", message_id="m", kind="image", source=ROOT, mime="image/png", data="AAAA"),
        Media(id="x", message_id="m", kind="file", source=ROOT, ref="https://example.org/a.pdf"),
        Media(id="x", message_id="m", kind="odd", source=ROOT, block={"a": 1}),
        MessageReplaced(message_id="m", text="my card is\n[gone]", source=ROOT),
        MessagesRemoved(ids=("a", "b")),
        MessagesRemoved(ids=("a",)),
        MessageDiscarded(message_id="m", source=Source(node="model")),
        MessageDiscarded(message_id="m", source=ROOT),
        Progress(text="three of eight", percent=37.5),
        Progress(text="soon"),
        Custom(data={"step": 1}),
        Custom(data=object()),
        StructuredOutput(value={"sunny": True}),
        TaskUpdate(task_id="t1", state="done", title="vendors"),
        TaskUpdate(task_id="t1", state="queued"),
    ]
    assert told(events) == story(
        r"""
        [image] image/png 3 bytes
        [file] https://example.org/a.pdf
        [odd] {"a":1}
        [replaced] an earlier message now reads: my card is\n[gone]
        [removed] 2 messages
        [removed] 1 message
        [discarded] a message of model was not kept
        [discarded] a message was not kept
        [progress] 37.5% three of eight
        [progress] soon
        [custom] {"step":1}
        [custom] {"$type":"object"}
        [answer] {"sunny":true}
        [task] vendors (t1): done
        [task] (t1): queued
        """
    )


def test_todos_have_boxes_and_other_extracts_are_told_as_they_are() -> None:
    todos = [
        {"content": "look", "status": "completed"},
        {"content": "think", "status": "in_progress"},
        {"content": "write", "status": "pending"},
        {"content": 4, "status": ["odd"]},
    ]
    events: list[Event] = [
        Extracted(id="c", name="write_todos", kind="todos", data=todos),
        Extracted(id="c", name="think", kind="reflection", data="so far\nso good"),
        Extracted(id="c", name="write_todos", kind="todos", data=[]),
        Extracted(id="c", name="find", kind="hits", data=[]),
        Extracted(id="c", name="load_skill", kind="skill", data={"action": "load", "name": "pdf", "characters": 900}),
        Extracted(id="c", name="find", kind="tool", data={"args": {"q": "rome"}, "result": "none"}),
    ]
    assert told(events) == story(
        """
        [todos] 1 of 4 done
           [x] look
           [>] think
           [ ] write
           [ ] 4
        [reflection] so far
           so good
        [todos] 0 of 0 done
        [hits] []
        [skill] action: load, name: pdf, characters: 900
        [tool] {"args":{"q":"rome"},"result":"none"}
        """
    )


def test_an_extractor_that_failed_is_not_taken_for_a_turn_that_did() -> None:
    failed = Extracted(id="c", name="find", kind="error", error="KeyError", lane=A)
    assert told([failed]) == "[tools] [extractor] find: failed with KeyError\n"


def test_a_display_shows_its_plain_text_or_what_there_is() -> None:
    events: list[Event] = [
        Display(id="c", bundle={"text/html": "<b>", "text/plain": "a | b\n1 | 2"}, title="Table"),
        Display(id="c", bundle={"text/html": "<b>", "image/png": "AAAAAA==", "image/svg+xml": "<svg/>"}),
        Display(id="c", bundle={"application/vnd.plotly.v1+json": {"data": []}}, title="Sales"),
        Display(id="c", bundle={"text/html": "<hr>", "text/plain": " \n"}),
        Display(id="c", bundle={}),
    ]
    assert told(events) == story(
        """
        [display] Table
           a | b
           1 | 2
        [display] text/html 3 characters, image/png 4 bytes, image/svg+xml 6 characters
        [display] Sales
           application/vnd.plotly.v1+json
        [display] text/html 4 characters, text/plain 2 characters
        [display] (empty)
        """
    )


# ------------------------------------------------------------------ questions and ends


def test_a_question_shows_every_action_with_all_arguments_and_what_is_allowed() -> None:
    """F-C2: no argument hides behind another, none is shortened."""
    command = "x" * 5000
    question = Interrupt(
        id="i",
        kind="approval_batched",
        actions=(
            Action(
                name="send", args={"to": "ann"}, description="Sends it.\nallowed: all", allowed=("approve", "reject")
            ),
            Action(name="run", args={"note": "list", "command": command}),
        ),
        allowed=("approve",),
        response_schema={"type": "object"},
    )
    assert told([question, TurnEnd(outcome="interrupted", interrupts=("i",))]) == story(
        f"""
        ?? send({{"to":"ann"}})
           allowed: approve, reject
           Sends it.
           allowed: all
           schema of the answer: {{"type":"object"}}
        ?? run({{"note":"list","command":"{command}"}})
           allowed: approve
           schema of the answer: {{"type":"object"}}

        [interrupted] waiting for an answer to i
        """
    )


def test_a_plain_question_is_told_whole() -> None:
    events: list[Event] = [
        Interrupt(id="i", value="Which city?\nRome or Oslo", lane=A),
        Interrupt(id="i", value={"ask": 1}, allowed=("respond",)),
        Interrupt(id="breakpoint", kind="breakpoint", value={"next": ["tools"]}),
    ]
    assert told(events) == story(
        """
        [tools] ?? Which city?
        [tools]    Rome or Oslo
        ?? {"ask":1}
           allowed: respond
        ?? paused at a breakpoint: {"next":["tools"]}
        """
    )


def test_an_error_is_told_by_its_safe_message() -> None:
    error = ErrorInfo(code="RuntimeError", message="the agent failed", id="e1")
    end = TurnEnd(
        outcome="error",
        error=error,
        open_calls=(OpenCall(id="c1", name="a"), OpenCall(id="c2", name="b")),
        redactions=2,
    )
    assert told([*said("m", "So"), end]) == story(
        """
        So

        !! RuntimeError: the agent failed (error id e1)
        [error] no result of a, b; 2 redacted
        """
    )
    short = TurnEnd(outcome="error", error=ErrorInfo(code="E", message="m"))
    assert told([short]) == "!! E: m\n[error]\n"


# ------------------------------------------------------------------ lanes


def test_a_subagent_has_its_name_on_every_line() -> None:
    inner = (*A, "tools:9")
    events: list[Event] = [
        *called("c1", "task", {"to": "ann"}),
        SubagentStart(lane=A, id="c1", name="researcher"),
        *said("m1", "Two papers.\n\n-> pay", lane=A),
        *called("c2", "search", {"q": 1}, lane=A),
        SubagentStart(lane=inner, id="c2", parent=A),
        *thought("m2/1", "hm", lane=inner),
        SubagentEnd(lane=inner),
        ToolResult(id="c2", content="a\nb"),
        SubagentEnd(lane=A),
        ToolResult(id="c1", content="done"),
    ]
    assert told(events) == story(
        """
        -> task({"to":"ann"})
        [researcher] [begins]

        [researcher] Two papers.

        [researcher]  -> pay

        [researcher] -> search({"q":1})
        [researcher/search] [begins]

        [researcher/search] ~ hm

        [researcher/search] [ends]
        [researcher] <- search: a
        [researcher]    b
        [researcher] [ends]
        <- task: done
        """
    )


def test_lanes_without_a_subagent_are_named_by_their_node_and_namesakes_numbered() -> None:
    events = [
        *said("m1", "one", lane=("worker:1", "model:2")),
        *said("m2", "two", lane=("worker:3",)),
        *said("m3", "three", lane=("odd",)),
        TurnEnd(outcome="complete"),
        *said("m4", "four", lane=("worker:3",)),
    ]
    assert told(events) == story(
        """
        [worker/model] one

        [worker 2] two

        [odd] three

        [complete]

        [worker] four"""
    )


def test_parallel_lanes_take_turns_and_each_keeps_its_order() -> None:
    """A token of another lane would break the line; so it waits for the end of what streams, or for its own call."""
    start_a, *deltas_a, end_a = said("a", "The ", "cat ", "sat.", lane=A)
    start_b, *deltas_b, end_b = said("b", "A ", "dog ", "ran.", lane=B)
    events: list[Event] = [SubagentStart(lane=A, id="x", name="ann"), SubagentStart(lane=B, id="y", name="bob")]
    both = [event for pair in zip(deltas_a, deltas_b, strict=True) for event in pair]

    *most, last_a, last_b = both
    quiet = told([*events, start_a, start_b, *most, last_b, end_b, last_a, end_a, Progress(text="x")])
    assert quiet.splitlines()[3:] == ["[ann] The cat sat.", "", "[bob] A dog ran.", "", "[progress] x"]

    calls = called("c", "bark", lane=B)
    spoken = told([*events, start_a, start_b, *both[:4], *calls, *both[4:], end_a, end_b])
    assert spoken.splitlines()[3:] == [
        "[ann] The cat ",
        "",
        "[bob] A dog ",
        "",
        "[bob] -> bark()",
        "",
        "[ann] sat.",
        "",
        "[bob] ran.",
    ]


def test_what_waits_at_the_end_of_a_turn_is_told() -> None:
    start_a, delta_a, _ = said("a", "one", lane=A)
    start_b, delta_b, _ = said("b", "two", lane=B)
    events = [start_a, start_b, delta_a, delta_b, TurnEnd(outcome="complete")]
    assert told(events) == "[tools] one\n\n[tools 2] two\n\n[complete]\n"


def test_a_turn_without_its_ends_leaves_the_next_one_in_peace() -> None:
    assert told([*said("a", "one")[:-1], TurnEnd(outcome="error"), *said("b", "two")[:-1]]) == "one\n\n[error]\n\ntwo"


def test_a_subagents_name_is_no_more_trusted_than_its_text() -> None:
    events = [SubagentStart(lane=A, id="c", name="a\x1b[2J\n!! b"), *said("m", "hi", lane=A)]
    assert told(events) == r"[a\x1b[2J\n!! b] [begins]" + "\n\n" + r"[a\x1b[2J\n!! b] hi"


def test_thinking_and_text_of_one_message_never_wait_for_each_other() -> None:
    events = [*thought("m/1", "hm")[:-1], *said("m", "yes")[:-1]]
    assert told(events) == "~ hm\n\nyes"


# ------------------------------------------------------------------ any events

nasty = st.text(st.sampled_from("ab\n\t\r\x1b\x9b\u202e\ud800[]->~! "), max_size=8)
words = st.one_of(st.sampled_from(["", "m", "tools:1"]), nasty)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words, st.binary(max_size=3), st.builds(object)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=5,
)


def of_type(kind: Any) -> st.SearchStrategy[Any]:
    if kind is Any:
        return values
    if kind is str:
        return words
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: of_type(field.type) for field in msgspec.structs.fields(kind)})
    arguments = get_args(kind)
    if kind == dict[str, Any]:
        return st.dictionaries(words, values, max_size=3)
    if arguments and arguments[-1] is ...:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if arguments and isinstance(arguments[0], str):
        return st.sampled_from(arguments)
    if arguments:
        return st.one_of(*map(of_type, arguments))
    return st.from_type(kind)


@given(st.lists(st.one_of(*map(of_type, get_args(Event))), max_size=20))
def test_no_event_breaks_it_and_no_control_character_gets_out(events: list[Event]) -> None:
    """T-12"""
    text = told([*events, TurnEnd(outcome="complete")])
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
    assert text.endswith("[complete]\n")


# ------------------------------------------------------------------ the shell


def entries(events: Iterable[Event]) -> list[Entry]:
    return [Entry(seq=seq, at_ms=0, event=event) for seq, event in enumerate(events, 1)]


def test_the_adapter_writes_at_once_in_the_encoding_of_its_file() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    adapter = PlainAdapter(file)
    for entry in entries(said("m", "caf\xe9", " \u2026")[:-1]):
        adapter.handle(entry)
    assert raw.getvalue() == rb"caf\xe9 \u2026"


def test_the_adapter_finds_standard_output_when_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = PlainAdapter()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    for entry in entries(said("m", "hello \u2026")):
        adapter.handle(entry)
    assert sys.stdout.getvalue() == "hello \u2026"  # type: ignore[attr-defined]
