"""Events fold into what a person reads, however they were cut and however they break the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langwire.core.transcript import Message, Subagent, Transcript, TurnResult
from langwire.events import (
    Citation,
    Custom,
    Display,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
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

ROOT = Source(node="agent", task="1")
CHILD = Source(lane=("team:2",), node="agent", task="3")
START = TurnStart(turn_id="t")
DONE = TurnEnd(outcome="complete")


def said(
    id: str, *texts: str, of: str | None = None, source: Source = ROOT, partial: bool = False, **more: Any
) -> list[Event]:
    start = TextStart(id=id, message_id=of or id, source=source, **more)
    return [start, *(TextDelta(id=id, text=text) for text in texts), TextEnd(id=id, partial=partial)]


def thought(id: str, *texts: str, of: str, **end: Any) -> list[Event]:
    start = ReasoningStart(id=id, message_id=of, source=ROOT)
    return [start, *(ReasoningDelta(id=id, text=text) for text in texts), ReasoningEnd(id=id, **end)]


def called(
    id: str, *fragments: str, of: str = "m", source: Source = ROOT, name: str = "send", **end: Any
) -> list[Event]:
    return [
        ToolCallStart(id=id, call_id=id, name=name, message_id=of, source=source),
        *(ToolCallDelta(id=id, args=fragment) for fragment in fragments),
        ToolCallEnd(id=id, call_id=id, name=name, **({"args": {}} | end)),
    ]


def turn(*events: Event | Sequence[Event], end: TurnEnd = DONE) -> list[Event]:
    flat = [event for some in events for event in (some if isinstance(some, Sequence) else [some])]
    return [START, *flat, end]


def fold(*events: Event | Sequence[Event], end: TurnEnd = DONE) -> Transcript:
    return Transcript.of(turn(*events, end=end))


def texts(transcript: Transcript) -> list[tuple[str, str]]:
    return [(message.message_id, message.text) for message in transcript.messages]


def view(transcript: Transcript) -> Any:
    """Everything that can be read of a transcript, as plain data."""

    def fields(thing: Any, *names: str) -> dict[str, Any]:
        return {name: getattr(thing, name) for name in names}

    def call(one: Any) -> Any:
        return fields(
            one, "id", "call_id", "name", "args", "args_text", "invalid", "provider", "partial", "output", "lane"
        ) | {"result": repr(one.result)}

    def message(one: Message) -> Any:
        return fields(
            one,
            *("message_id", "lane", "role", "text", "refusal", "reasoning", "media", "citations", "usage", "turn"),
            *("replaced", "removed", "discarded", "partial"),
        ) | {"calls": [call(each) for each in one.calls]}

    return fields(
        transcript,
        *(
            "text",
            "outcome",
            "error",
            "interrupts",
            "usage",
            "structured",
            "subagents",
            "custom",
            "displays",
            "extracted",
        ),
    ) | {
        "messages": [message(one) for one in transcript.messages],
        "calls": [call(one) for one in transcript.calls],
    }


# ------------------------------------------------------------------ messages


def test_a_message_is_its_parts() -> None:
    transcript = fold(
        thought("m", "Hm", ".", of="m"),
        thought("m/1", "Yes", of="m", signature="s"),
        thought("m/2", of="m"),
        said("m/3", "Hel", "lo", of="m"),
        Media(id="m/4", message_id="m", kind="image", source=ROOT, ref="x.png"),
        said("m/5", " there", of="m"),
        Citation(id="m/5", data={"url": "u"}),
        said("m/6", "no", of="m", refusal=True),
        Usage(message_id="m", input_tokens=3, output_tokens=4),
    )
    (message,) = transcript.messages
    assert (message.message_id, message.lane, message.role, message.turn) == ("m", (), "assistant", 1)
    assert (message.text, message.refusal, message.reasoning) == ("Hello there", "no", "Hm.\n\nYes")
    assert [media.ref for media in message.media] == ["x.png"]
    assert message.citations == [{"url": "u"}]
    assert message.usage == Usage(message_id="m", input_tokens=3, output_tokens=4)
    assert (message.replaced, message.removed, message.discarded, message.partial) == (False,) * 4


def test_text_can_be_read_while_it_streams() -> None:
    transcript = Transcript()
    seen: list[str] = []
    for event in turn(said("m", "a", "b", "c")):
        transcript.add(event)
        seen.append(transcript.text)
    assert seen == ["", "", "a", "ab", "abc", "abc", "abc"]
    assert transcript.messages[0].strands[0].pieces == ["abc"]


def test_messages_stand_in_the_order_in_which_they_were_first_told() -> None:
    one, other = said("a", "A", source=CHILD), said("b", "B")
    assert texts(fold(one[0], other, one[1:])) == [("a", "A"), ("b", "B")]


def test_the_same_id_in_two_lanes_is_two_messages() -> None:
    transcript = fold(said("m", "root"), said("m/1", "child", of="m", source=CHILD))
    assert [(message.lane, message.text) for message in transcript.messages] == [((), "root"), (("team:2",), "child")]
    assert transcript.state_messages() == transcript.messages


@pytest.mark.parametrize(
    "again", [[*said("m/1", "new", of="m", source=Source(node="agent", task="9"))], [DONE, START, *said("m", "new")]]
)
def test_a_message_told_anew_under_its_id_takes_the_place_of_the_old_one(again: list[Event]) -> None:
    """A model that gives each answer the same id: LangGraph's state keeps the last one."""
    transcript = fold(said("m", "old"), again)
    assert texts(transcript) == [("m", "old"), ("m", "new")]
    assert [message.text for message in transcript.state_messages()] == ["new"]
    assert transcript.text == "new"


def test_a_source_without_a_task_continues_its_message() -> None:
    assert texts(fold(said("m", "a"), said("m/1", "b", of="m", source=Source()))) == [("m", "ab")]


def test_messages_of_two_lanes_are_apart_also_where_no_task_is_known() -> None:
    child = Source(lane=("team:2",))
    assert texts(fold(said("m", "a", source=Source()), said("m/1", "b", of="m", source=child))) == [
        ("m", "a"),
        ("m", "b"),
    ]


def test_parts_are_known_by_their_ids_within_one_turn_only() -> None:
    transcript = Transcript.of([*turn(said("m", "one")), START, TextDelta(id="m", text="two"), DONE])
    assert texts(transcript) == [("m", "one"), ("m", "two")]


def test_usage_goes_to_the_message_of_its_own_turn() -> None:
    transcript = Transcript.of(
        [*turn(said("m", source=CHILD)), *turn(said("m"), Usage(message_id="m", input_tokens=1))]
    )
    assert [message.usage is not None for message in transcript.messages] == [False, True]


def test_a_message_that_was_cut_off_is_partial() -> None:
    cut = fold(
        said("m", "Hel", partial=True),
        said("m/1", "lo", of="m"),
        said("n", "whole"),
        thought("o", "hm", of="o", partial=True),
    )
    assert [message.partial for message in cut.messages] == [True, False, True]


@pytest.mark.parametrize("role", ["user", "system", "critic"])
def test_a_message_keeps_its_role(role: str) -> None:
    transcript = fold(said("m", "x", role=role))
    assert transcript.messages[0].role == role
    assert transcript.text == ""


def test_a_message_of_media_alone_keeps_its_role() -> None:
    picture = Media(id="m", message_id="m", kind="image", source=ROOT, role="user")
    (message,) = fold([picture, *said("m/1", "What is it?", of="m", role="user")]).messages
    assert (message.role, message.text, message.media) == ("user", "What is it?", [picture])
    assert fold([picture]).messages[0].role == "user"


def test_usage_is_summed_and_goes_to_its_message() -> None:
    transcript = Transcript.of(
        [
            *turn(
                said("m", source=ROOT),
                said("m/1", of="m", source=CHILD),
                Usage(message_id="m", input_tokens=1, output_tokens=2),
                Usage(message_id="m", input_tokens=10),
                Usage(message_id="silent", output_tokens=100),
            ),
            *turn(said("m"), Usage(message_id="m", input_tokens=1000)),
        ]
    )
    assert transcript.usage == TokenUsage(input_tokens=1011, output_tokens=102)
    assert transcript.usage.total_tokens == 1113
    assert [message.usage.input_tokens for message in transcript.messages if message.usage] == [1, 10, 1000]


# ------------------------------------------------------------------ calls


def test_a_call_has_its_arguments_output_and_result() -> None:
    transcript = fold(
        called("c", '{"to":', ' "ann"}', args={"to": "ann"}),
        ToolOutputDelta(id="c", data="half"),
        ToolOutputDelta(id="c", data="all"),
        ToolResult(id="c", call_id="c", status="error", content="no", artifact=7, message_id="r", source=ROOT),
    )
    (call,) = transcript.calls
    assert transcript.messages[0].calls == [call]
    assert (call.id, call.call_id, call.name, call.lane, call.message_id) == ("c", "c", "send", (), "m")
    assert (call.args, call.args_text, call.invalid, call.partial, call.provider) == (
        {"to": "ann"},
        '{"to": "ann"}',
        None,
        False,
        False,
    )
    assert call.output == ["half", "all"]
    assert call.result is not None
    assert (call.result.status, call.result.content, call.result.artifact) == ("error", "no", 7)
    assert (call.result.message_id, call.result.source) == ("r", ROOT)


def test_arguments_can_be_read_while_they_stream() -> None:
    transcript = Transcript.of([START, *called("c", '{"a', '": 1}')[:2]])
    (call,) = transcript.calls
    assert (call.args_text, call.args, call.result) == ('{"a', None, None)


def test_a_call_may_be_invalid_cut_off_the_providers_own_or_named_late() -> None:
    transcript = fold(
        called("c", "{a", args=None, invalid="{a", partial=True),
        ToolCallStart(id="m", name="se", message_id="m", source=ROOT, provider=True),
        ToolCallEnd(id="m", name="search", call_id="late", args={}),
        ToolCallStart(id="d", name="send", call_id="d", message_id="m", source=ROOT),
        ToolCallEnd(id="d", name="send", args={}),
    )
    assert [(call.name, call.call_id, call.invalid, call.partial, call.provider) for call in transcript.calls] == [
        ("send", "c", "{a", True, False),
        ("search", "late", None, False, True),
        ("send", "d", None, False, False),
    ]


def test_the_result_of_an_earlier_turns_call_goes_to_that_call() -> None:
    transcript = Transcript.of([*turn(called("c")), *turn(ToolResult(id="c", call_id="c", content="late"))])
    (call,) = transcript.calls
    assert call.result is not None
    assert call.result.content == "late"


def test_the_result_of_a_call_nobody_told_has_a_place_of_its_own() -> None:
    transcript = fold(
        said("m", "x"), ToolResult(id="c", call_id="c", name="send", content="ok", message_id="r", source=CHILD)
    )
    message = transcript.messages[1]
    assert (message.message_id, message.role, message.lane, message.calls) == (
        "r",
        "tool",
        CHILD.lane,
        transcript.calls,
    )
    (call,) = transcript.calls
    assert (call.id, call.call_id, call.name, call.lane) == ("c", "c", "send", CHILD.lane)
    assert call.result is not None
    assert call.result.content == "ok"


def test_a_result_without_a_message_id_has_the_place_of_its_call() -> None:
    transcript = fold(ToolResult(id="c", content="ok"))
    assert [(message.message_id, message.calls[0].name) for message in transcript.messages] == [("c", "")]


def test_a_call_id_used_again_in_a_later_turn_is_another_call() -> None:
    once = [*called("c"), ToolResult(id="c", content="1", message_id="r1")]
    again = [*called("c", of="n"), ToolResult(id="c", content="2", message_id="r2")]
    transcript = Transcript.of([*turn(once), *turn(again)])
    assert [call.result.content for call in transcript.calls if call.result] == ["1", "2"]


# ------------------------------------------------------------------ what becomes of messages


def test_a_replaced_message_reads_its_new_text() -> None:
    transcript = fold(said("m", "secret"), MessageReplaced(message_id="m", text="***", source=ROOT))
    (message,) = transcript.messages
    assert (message.text, message.replaced, transcript.text) == ("***", True, "***")


@pytest.mark.parametrize(
    ("lane", "replaced"),
    [((), "root"), (("team:2",), "child"), (("team:2", "deep:4"), "child"), (("other:5",), "root")],
)
def test_a_replacement_goes_to_the_nearest_lane(lane: tuple[str, ...], replaced: str) -> None:
    events = [said("m", "child", source=CHILD), said("m/1", "root", of="m")]
    if lane == ("team:2", "deep:4"):
        del events[1]
    transcript = fold(events[0], *events[1:], MessageReplaced(message_id="m", text="new", source=Source(lane=lane)))
    assert [message.text for message in transcript.messages] == [
        "new" if text == replaced else text for text in ("child", "root")[: len(events)]
    ]


def test_a_replaced_result_reads_its_new_text() -> None:
    transcript = fold(
        called("c"),
        ToolResult(id="c", content="secret", message_id="r"),
        MessageReplaced(message_id="r", text="***", source=ROOT),
        ToolResult(id="x", content="secret", message_id="s"),
        MessageReplaced(message_id="s", text="---", source=ROOT),
    )
    assert [(call.result.content, call.result.replaced) for call in transcript.calls if call.result] == [
        ("***", True),
        ("---", True),
    ]


def test_the_result_of_a_providers_call_leaves_its_message_to_be_replaced() -> None:
    transcript = fold(
        called("c"),
        ToolResult(id="c", content="hits", message_id="m"),
        said("m", "secret"),
        MessageReplaced(message_id="m", text="***", source=ROOT),
    )
    assert (transcript.text, [call.result.content for call in transcript.calls if call.result]) == ("***", ["hits"])


def test_a_message_only_heard_of_when_it_changes_is_kept_but_is_no_answer() -> None:
    """What a person said is not told by a turn; a guard may still change it."""
    transcript = fold(MessageReplaced(message_id="question", text="***", source=ROOT), said("m", "fine"))
    assert texts(transcript) == [("question", "***"), ("m", "fine")]
    assert transcript.messages[0].role == "unknown"
    assert transcript.text == "fine"


def test_removed_messages_and_results_leave_the_state_and_stay_readable() -> None:
    transcript = Transcript.of(
        [
            *turn(said("m", "old"), said("k", "kept"), called("c", of="k"), ToolResult(id="c", message_id="r")),
            *turn(said("n", "new"), MessagesRemoved(ids=("m", "r", "never told", "n"))),
        ]
    )
    assert texts(transcript) == [("m", "old"), ("k", "kept"), ("n", "new")]
    assert [message.message_id for message in transcript.state_messages()] == ["k"]
    result = transcript.calls[0].result
    assert result is not None
    assert result.removed
    assert transcript.text == ""


@pytest.mark.parametrize(("lane", "removed"), [((), True), (("team:2", "deep:4"), True), (("other:5",), False)])
def test_a_removal_reaches_the_lanes_above_and_below(lane: tuple[str, ...], removed: bool) -> None:
    events = [
        said("m", "x", source=CHILD),
        called("c", of="m", source=CHILD),
        ToolResult(id="c", message_id="r", source=CHILD),
    ]
    transcript = fold(*events, MessagesRemoved(ids=("m", "r"), lane=lane))
    result = transcript.calls[0].result
    assert result is not None
    assert (transcript.messages[0].removed, result.removed) == (removed, removed)


def test_what_was_removed_stays_removed() -> None:
    transcript = fold(
        said("m", "x"),
        called("c"),
        ToolResult(id="c", message_id="r"),
        MessagesRemoved(ids=("m", "r")),
        said("m/1", "y", of="m", source=CHILD),
        MessagesRemoved(ids=("m", "r"), lane=("other:5",)),
    )
    assert transcript.messages[0].removed
    other = fold(
        said("m", "x", source=CHILD),
        ToolResult(id="c", message_id="r", source=CHILD),
        MessagesRemoved(ids=("m", "r"), lane=CHILD.lane),
        MessagesRemoved(ids=("m", "r"), lane=("other:5",)),
        said("m/1", "y", of="m", source=Source(lane=("other:5",), task="6")),
    )
    result = other.calls[0].result
    assert result is not None
    assert (other.messages[0].removed, result.removed) == (True, True)


def test_a_result_of_another_lane_is_not_replaced() -> None:
    transcript = fold(
        called("c", source=CHILD),
        ToolResult(id="c", content="kept", message_id="r", source=CHILD),
        MessageReplaced(message_id="r", text="***", source=Source(lane=("other:5",))),
    )
    assert [call.result.content for call in transcript.calls if call.result] == ["kept"]


def test_a_discarded_message_is_no_answer_and_not_in_the_state() -> None:
    transcript = fold(said("a", "first try"), MessageDiscarded(message_id="a", source=ROOT), said("b", "second try"))
    assert [message.discarded for message in transcript.messages] == [True, False]
    assert [message.message_id for message in transcript.state_messages()] == ["b"]
    assert transcript.text == "second try"


def test_the_message_of_the_same_task_is_the_discarded_one() -> None:
    later = Source(node="agent", task="9")
    transcript = fold(
        said("m", "1"), said("m/1", "2", of="m", source=later), MessageDiscarded(message_id="m", source=ROOT)
    )
    assert [message.discarded for message in transcript.messages] == [True, False]


def test_a_message_of_another_lane_is_not_discarded() -> None:
    transcript = fold(said("m", "1"), MessageDiscarded(message_id="m", source=CHILD))
    assert [message.discarded for message in transcript.messages] == [False]


# ------------------------------------------------------------------ the answer


def test_the_answer_has_a_blank_line_between_messages() -> None:
    assert (
        fold(said("a", "Let me look."), called("c", of="a"), said("empty"), said("b", "Sunny.")).text
        == "Let me look.\n\nSunny."
    )


def test_the_answer_is_that_of_the_last_turn() -> None:
    first, second = turn(said("a", "one")), turn(said("b", "two"))
    assert Transcript.of([*first, *second]).text == "two"
    assert Transcript.of([*first, START]).text == ""


def test_the_answer_is_that_of_the_root_lane() -> None:
    assert fold(said("a", "draft", source=CHILD), said("b", "final")).text == "final"


def test_a_subgraph_that_has_the_last_word_is_part_of_the_answer() -> None:
    assert fold(said("a", "before"), said("b", "inside", source=CHILD)).text == "before\n\ninside"


def test_the_work_of_a_subagent_is_never_part_of_the_answer() -> None:
    deep = Source(lane=("tools:2", "agent:3"))
    work = [
        called("c"),
        SubagentStart(lane=("tools:2",), id="c", name="critic"),
        said("a", "inside", source=Source(lane=("tools:2",))),
        said("b", "deep inside", source=deep),
    ]
    transcript = fold(said("m", "I ask."), *work, SubagentEnd(lane=("tools:2",)))
    assert transcript.text == "I ask."
    assert transcript.subagents == [Subagent(lane=("tools:2",), call_id="c", parent=(), name="critic", ended=True)]
    assert [subagent.ended for subagent in fold(*work).subagents] == [False]


# ------------------------------------------------------------------ turns


def test_open_questions_are_those_that_the_end_names() -> None:
    one, two = Interrupt(id="1"), Interrupt(id="2")
    transcript = Transcript.of([START, one, two])
    assert transcript.interrupts == (one, two)
    transcript.add(TurnEnd(outcome="interrupted", interrupts=("2", "never told")))
    assert transcript.interrupts == (two,)


def test_a_question_is_gone_when_the_next_turn_begins_and_back_if_it_is_asked_again() -> None:
    asked = [START, Interrupt(id="1"), TurnEnd(outcome="interrupted", interrupts=("1",))]
    transcript = Transcript.of(asked)
    transcript.add(TurnStart(turn_id="t2", cause="resume"))
    assert transcript.interrupts == ()
    assert Transcript.of([*asked, *asked]).interrupts == (Interrupt(id="1"),)


def test_outcome_error_and_structured_output_are_the_last_turns() -> None:
    error = ErrorInfo(code="E", message="e")
    transcript = fold(StructuredOutput(value={"a": 1}), end=TurnEnd(outcome="error", error=error))
    assert (transcript.outcome, transcript.error, transcript.structured) == ("error", error, {"a": 1})
    transcript.add(START)
    assert (transcript.outcome, transcript.error, transcript.structured) == (None,) * 3


def test_what_others_told_is_kept_in_order() -> None:
    custom, extracted = Custom(data=1), Extracted(id="c", name="f", kind="todos")
    display = Display(id="c", bundle={"text/plain": "x"})
    transcript = fold(custom, extracted, display)
    assert (transcript.custom, transcript.extracted, transcript.displays) == ([custom], [extracted], [display])


def test_a_transcript_shows_what_it_is_about() -> None:
    assert repr(Transcript()) == "<Transcript running: 0 messages, 0 calls, ''>"
    transcript = fold(said("m", "x" * 100), called("c", '{"a": 1}'), called("d"), ToolResult(id="d", status="error"))
    assert repr(transcript) == f"<Transcript complete: 1 messages, 2 calls, '{'x' * 60}…'>"
    assert repr(transcript.messages[0]) == (
        f"<Message assistant '{'x' * 60}…' [<Call send({{\"a\": 1}}) open>, <Call send() error>]>"
    )
    assert repr(fold(said("m", "x", role="user")).messages[0]) == "<Message user 'x'>"


# ------------------------------------------------------------------ laws

LONG: list[Event] = [
    *turn(
        thought("m", "first ", "I think", of="m"),
        said("m/1", "then ", "I ", "speak", of="m"),
        called("c", '{"a":', " 1}", args={"a": 1}),
        Usage(message_id="m", input_tokens=1, output_tokens=2),
        Interrupt(id="q"),
        end=TurnEnd(outcome="interrupted", interrupts=("q",), open_calls=(OpenCall(id="c", name="send"),)),
    ),
    *turn(
        ToolResult(id="c", content="ok", message_id="r"),
        SubagentStart(lane=("team:2",), id="c"),
        said("s", "in", "side", source=CHILD),
        SubagentEnd(lane=("team:2",)),
        said("n", "the ", "end"),
        MessageReplaced(message_id="n", text="the END", source=ROOT),
        MessagesRemoved(ids=("m",)),
    ),
]


def recut(event: Event, cuts: st.DataObject) -> list[Event]:
    """Cut a delta in pieces, some of them empty."""
    if not isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
        return [event]
    text = event.args if isinstance(event, ToolCallDelta) else event.text
    places = sorted(cuts.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    if isinstance(event, ToolCallDelta):
        return [ToolCallDelta(id=event.id, args=piece) for piece in pieces]
    return [type(event)(id=event.id, text=piece) for piece in pieces]


@given(st.data())
def test_a_stream_reads_the_same_however_it_is_cut(cuts: st.DataObject) -> None:
    assert view(Transcript.of([piece for event in LONG for piece in recut(event, cuts)])) == view(Transcript.of(LONG))


def test_turn_by_turn_reads_the_same_as_all_at_once() -> None:
    transcript = Transcript()
    for event in LONG:
        transcript.add(event)
        view(transcript)
    assert view(transcript) == view(Transcript.of(LONG))


ids = st.sampled_from(["m", "m/1", "c", "n"])
sources = st.sampled_from([ROOT, CHILD, Source()])
lanes = st.sampled_from([(), ("team:2",), ("other:5",)])
anything: st.SearchStrategy[Event] = st.one_of(
    st.builds(TurnStart, turn_id=ids),
    st.builds(TextStart, id=ids, message_id=ids, source=sources, refusal=st.booleans()),
    st.builds(TextDelta, id=ids, text=st.just("x")),
    st.builds(TextEnd, id=ids, partial=st.booleans()),
    st.builds(ReasoningStart, id=ids, message_id=ids, source=sources),
    st.builds(ReasoningDelta, id=ids, text=st.just("y")),
    st.builds(ReasoningEnd, id=ids),
    st.builds(ToolCallStart, id=ids, name=ids, message_id=ids, source=sources, call_id=ids),
    st.builds(ToolCallDelta, id=ids, args=st.just("z")),
    st.builds(ToolCallEnd, id=ids, name=ids, args=st.none()),
    st.builds(ToolOutputDelta, id=ids),
    st.builds(ToolResult, id=ids, message_id=st.none() | ids, source=sources),
    st.builds(Media, id=ids, message_id=ids, kind=st.just("image"), source=sources),
    st.builds(Citation, id=ids),
    st.builds(MessageReplaced, message_id=ids, text=st.just("new"), source=sources),
    st.builds(MessagesRemoved, ids=st.tuples(ids), lane=lanes),
    st.builds(MessageDiscarded, message_id=ids, source=sources),
    st.builds(Usage, message_id=ids),
    st.builds(NodeStart, id=ids, node=ids, lane=lanes),
    st.builds(NodeEnd, id=ids),
    st.builds(SubagentStart, lane=lanes, id=ids),
    st.builds(SubagentEnd, lane=lanes),
    st.builds(StateSnapshot),
    st.builds(StateDelta, node=ids),
    st.builds(StructuredOutput),
    st.builds(Interrupt, id=ids),
    st.builds(Custom),
    st.builds(Raw, mode=ids),
    st.builds(Extracted, id=ids, name=ids, kind=ids),
    st.builds(Display, id=ids, bundle=st.just({"text/plain": "x"})),
    st.builds(Progress, text=ids),
    st.builds(TaskUpdate, task_id=ids, state=ids),
    st.builds(TurnEnd, outcome=st.just("interrupted"), interrupts=st.tuples(ids)),
)


@given(st.lists(anything, max_size=30))
def test_no_stream_makes_it_fail_and_no_text_is_lost(events: list[Event]) -> None:
    transcript = Transcript.of(events)
    view(transcript)
    repr(transcript.messages)
    pieces = {TextDelta: "x", ReasoningDelta: "y"}
    told = sum(type(event) in pieces for event in events)
    kept = "".join(strand.text for message in transcript.messages for strand in message.strands)
    assert len(kept) == told
    assert sum(len(call.args_text) for call in transcript.calls) == sum(
        type(event) is ToolCallDelta for event in events
    )
    assert sum(call.result is not None for call in transcript.calls) == sum(
        type(event) is ToolResult for event in events
    )


@given(st.lists(anything, max_size=30))
def test_the_events_of_a_transcript_read_as_it_does(events: list[Event]) -> None:
    transcript = Transcript.of(events)
    told = list(transcript.events())
    assert view(Transcript.of(told)) == view(transcript)
    assert list(Transcript.of(told).events()) == told
    deltas = TextDelta | ReasoningDelta | ToolCallDelta
    left_out = NodeStart | NodeEnd | StateSnapshot | StateDelta | Raw | Progress
    shown = [event for event in events if not isinstance(event, deltas | left_out)]
    assert [event for event in told if not isinstance(event, deltas)] == shown


def test_a_part_has_one_delta_in_the_events_of_a_transcript() -> None:
    events = list(Transcript.of(LONG).events())
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["then I speak", "inside", "the end"]
    assert [event.text for event in events if isinstance(event, ReasoningDelta)] == ["first I think"]
    assert [event.args for event in events if isinstance(event, ToolCallDelta)] == ['{"a": 1}']


def test_nothing_is_kept_of_whole_states_and_of_what_is_of_the_moment() -> None:
    states: list[Event] = [Raw(mode="debug", data={"all": "of it"}), StateSnapshot(values={}), Progress(text="half")]
    assert list(Transcript.of([START, *states, DONE]).events()) == [START, DONE]


def test_the_events_of_a_transcript_can_be_told_while_it_grows() -> None:
    transcript = Transcript.of([START, *said("m", "one ")[:2]])
    assert list(transcript.events()) == [START, *said("m", "one ")[:2]]
    transcript.add(TextDelta(id="m", text="two"))
    assert list(transcript.events()) == [START, *said("m", "one two")[:2]]


def test_every_event_is_folded_or_left_out_on_purpose() -> None:
    folded = Transcript._folds.keys()  # pyright: ignore[reportPrivateUsage]
    assert set(get_args(Event)) - folded == {NodeStart, NodeEnd, StateSnapshot, StateDelta, Raw, Progress, TaskUpdate}
    assert view(Transcript.of([NodeStart(id="1", node="a"), Raw(mode="new")])) == view(Transcript())


def test_a_turns_result_raises_what_the_graph_raised_when_it_is_asked_to() -> None:
    result = TurnResult()
    result.raise_for_error()
    result.exception = ValueError("it died")
    with pytest.raises(ValueError, match="it died"):
        result.raise_for_error()
    assert repr(result).startswith("<TurnResult running: ")
