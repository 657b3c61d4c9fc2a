"""The grammar lets every good turn pass, and finds what is dropped, doubled, swapped or made up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, get_args

import pytest

from langwire.core.conformance import Checker, Problem, Rule, check
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

ROOT = Source()
START = TurnStart(turn_id="t")
DONE = TurnEnd(outcome="complete")
AT_1 = Source(node="agent", task="1")
INSIDE = Source(lane=("tools:2",), node="agent", task="3")


def said(id: str, *texts: str, of: str | None = None, source: Source = ROOT, partial: bool = False) -> list[Event]:
    start = TextStart(id=id, message_id=of or id, source=source)
    return [start, *(TextDelta(id=id, text=text) for text in texts), TextEnd(id=id, partial=partial)]


def thought(id: str, *texts: str, of: str | None = None, source: Source = ROOT) -> list[Event]:
    start = ReasoningStart(id=id, message_id=of or id, source=source)
    return [start, *(ReasoningDelta(id=id, text=text) for text in texts), ReasoningEnd(id=id)]


def called(
    id: str,
    *fragments: str,
    call_id: str | None = None,
    of: str = "m",
    source: Source = ROOT,
    provider: bool = False,
    **end: Any,
) -> list[Event]:
    return [
        ToolCallStart(id=id, call_id=call_id or id, name="f", message_id=of, source=source, provider=provider),
        *(ToolCallDelta(id=id, args=fragment) for fragment in fragments),
        ToolCallEnd(id=id, call_id=call_id or id, name="f", **({"args": {}} | end)),
    ]


def left(*ids: str) -> tuple[OpenCall, ...]:
    return tuple(OpenCall(id=id, call_id=id, name="f") for id in ids)


def turn(*events: Event | Sequence[Event], end: TurnEnd = DONE) -> list[Event]:
    flat = [event for some in events for event in (some if isinstance(some, Sequence) else [some])]
    return [START, *flat, end]


GOOD: dict[str, tuple[list[Event], tuple[OpenCall, ...] | None]] = {
    "nothing": (turn(), ()),
    "text": (turn(said("m", "Hel", "lo"), said("n")), ()),
    "parts of one message": (
        turn(
            thought("m", "hm"),
            said("m/1", "well", of="m"),
            Media(id="m/2", message_id="m", kind="image", source=ROOT),
            TextStart(id="m/3", message_id="m", source=ROOT, refusal=True),
            TextEnd(id="m/3"),
            Citation(id="m/1", data={}),
        ),
        (),
    ),
    "a call, its output and its result": (
        turn(
            said("m", "look"),
            called("c", '{"a"', ": 1}", args={"a": 1}),
            ToolOutputDelta(id="c", data="half"),
            ToolResult(id="c", call_id="c"),
            Extracted(id="c", name="f", kind="todos"),
            Display(id="c", bundle={}),
            said("n", "done"),
        ),
        (),
    ),
    "call ids that repeat": (
        turn(
            called("c"),
            ToolResult(id="c", call_id="c"),
            called("c~2", call_id="c"),
            called("c~3", call_id="c"),
            ToolResult(id="c~3", call_id="c"),
            end=TurnEnd(outcome="complete", open_calls=left("c~2")),
        ),
        (),
    ),
    "a call id that an open call uses": (
        turn(
            called("c~2", call_id="c"),
            ToolResult(id="c~2", call_id="c"),
            ToolResult(id="c", call_id="c"),
            end=TurnEnd(outcome="complete", open_calls=left("d")),
        ),
        left("c", "d"),
    ),
    "a call id that an unknown open call uses": (
        turn(
            called("c~2", call_id="c"),
            ToolResult(id="c", call_id="c"),
            ToolResult(id="c~2", call_id="c"),
            end=TurnEnd(outcome="complete", open_calls=left("d")),
        ),
        None,
    ),
    "calls without an id take part in the sequence": (
        turn(
            ToolCallStart(id="m", name="f", message_id="m", source=ROOT),
            ToolCallEnd(id="m", name="f", call_id="late", args={}),
            ToolResult(id="m", call_id="late"),
            said("m/1", "so", of="m"),
        ),
        (),
    ),
    "a call of the provider's own": (
        turn(called("s", provider=True), called("r", provider=True), ToolResult(id="r")),
        (),
    ),
    "arguments that do not parse": (
        turn(
            called("c", "{broken", args=None, invalid="{broken"), end=TurnEnd(outcome="complete", open_calls=left("c"))
        ),
        (),
    ),
    "arguments that equal nothing": (
        turn(called("c", '{"a": NaN}', args={"a": float("nan")}), ToolResult(id="c")),
        (),
    ),
    "arguments that are nested too deep": (
        turn(called("c", "[" * 100_000, args=None, invalid="[" * 100_000), ToolResult(id="c")),
        (),
    ),
    "a cancelled turn": (
        turn(
            NodeStart(id="1", node="agent"),
            said("m", "Hel", source=AT_1, partial=True),
            called("c", '{"a', source=AT_1, args=None, invalid='{"a', partial=True),
            NodeEnd(id="1", status="cancelled"),
            end=TurnEnd(outcome="cancelled", open_calls=left("c")),
        ),
        (),
    ),
    "questions": (
        turn(
            Interrupt(id="q"),
            Interrupt(id="r"),
            end=TurnEnd(outcome="interrupted", interrupts=("r",)),
        ),
        (),
    ),
    "an error beside a question": (
        turn(
            Interrupt(id="q"),
            end=TurnEnd(outcome="error", error=ErrorInfo(code="E", message="e"), interrupts=("q",)),
        ),
        (),
    ),
    "a timeout": (turn(end=TurnEnd(outcome="timeout", error=ErrorInfo(code="Timeout", message="late"))), ()),
    "usage": (
        turn(
            said("m", source=Source(lane=("a:1",))),
            said("m/1", of="m", source=Source(lane=("b:2",))),
            said("m/2", of="m", source=Source(lane=("b:2",))),
            Usage(message_id="m", input_tokens=1, output_tokens=2),
            Usage(message_id="m", input_tokens=10, output_tokens=20),
            Usage(message_id="empty", input_tokens=100),
            end=TurnEnd(outcome="complete", usage=TokenUsage(input_tokens=111, output_tokens=22)),
        ),
        (),
    ),
    "nodes and a subagent": (
        turn(
            NodeStart(id="1", node="agent"),
            called("c", '{"a": 1}', source=AT_1, args={"a": 1}),
            Usage(message_id="m", input_tokens=1, output_tokens=2),
            NodeEnd(id="1"),
            NodeStart(id="2", node="tools"),
            SubagentStart(lane=("tools:2",), id="c", name="helper"),
            NodeStart(id="3", node="agent", lane=("tools:2",)),
            said("i", "inside", source=INSIDE),
            Interrupt(id="q", lane=("tools:2",)),
            NodeEnd(id="3", status="interrupted"),
            SubagentEnd(lane=("tools:2",)),
            NodeEnd(id="2", status="interrupted"),
            end=TurnEnd(
                outcome="interrupted",
                interrupts=("q",),
                open_calls=left("c"),
                usage=TokenUsage(input_tokens=1, output_tokens=2),
            ),
        ),
        (),
    ),
    "a subagent of a call left open": (
        turn(
            SubagentStart(lane=("tools:2",), id="c"),
            SubagentEnd(lane=("tools:2",)),
            ToolResult(id="c"),
        ),
        left("c"),
    ),
    "changes": (
        turn(
            said("m", "secret"),
            MessageReplaced(message_id="m", text="***", source=ROOT),
            MessageDiscarded(message_id="m", source=ROOT),
            MessagesRemoved(ids=("m", "older"), lane=("a:1",)),
        ),
        (),
    ),
    "the rest": (
        turn(
            StateSnapshot(values={}, lane=("a:1",)),
            StateDelta(node="n"),
            StructuredOutput(value=1),
            Custom(data=1),
            Raw(mode="new"),
            Progress(text="half"),
            TaskUpdate(task_id="t", state="done"),
        ),
        (),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_turn_has_no_problem(name: str) -> None:
    events, open_calls = GOOD[name]
    assert check(events, open_calls=open_calls) == []
    assert check(events) == []


def test_the_good_turns_hold_every_event() -> None:
    assert {type(event) for events, _ in GOOD.values() for event in events} == set(get_args(Event))


def test_a_turn_can_be_checked_while_it_runs() -> None:
    checker = Checker(open_calls=())
    checker.feed(START)
    checker.feed(TextEnd(id="m"))
    assert [problem.index for problem in checker.problems] == [1]
    assert [problem.index for problem in checker.close()] == [1, 2]


# ------------------------------------------------------------------ one turn for each way to be wrong

BAD: list[tuple[str, Rule, int, list[Event]]] = [
    ("no events", "turn", 0, []),
    ("no start", "turn", 0, [DONE]),
    ("two starts", "turn", 1, turn(START)),
    ("no end", "turn", 1, [START]),
    ("two ends", "turn", 2, [*turn(), DONE]),
    ("something after the end", "turn", 2, [*turn(), Custom()]),
    ("a text delta before its part", "part", 1, turn(TextDelta(id="m", text="x"), TextEnd(id="m"))),
    ("a text delta after its part", "part", 3, turn(said("m"), TextDelta(id="m", text="x"), TextEnd(id="m"))),
    (
        "a reasoning delta in a text",
        "part",
        2,
        turn(said("m")[0], ReasoningDelta(id="m", text="x"), ReasoningEnd(id="m")),
    ),
    ("a call delta of no call", "part", 1, turn(ToolCallDelta(id="c", args="{}"), called("c")[-1])),
    ("an end of no part", "part", 1, turn(TextEnd(id="m"))),
    ("an end of another kind", "part", 2, turn(said("m")[0], ReasoningEnd(id="m"))),
    ("a call's end without its start", "part", 1, turn(called("c")[-1])),
    ("a part without end", "part", 2, turn(said("m")[0])),
    (
        "a part id that is used",
        "part",
        3,
        turn(
            said("m"),
            ToolCallStart(id="m", name="f", message_id="n", source=ROOT),
            called("m", call_id="m")[-1],
            ToolResult(id="m"),
        ),
    ),
    ("a citation of nothing", "part", 1, turn(Citation(id="m"))),
    ("a first part under another id", "part-id", 1, turn(said("x", of="m"))),
    ("a hole in the sequence", "part-id", 3, turn(said("m"), said("m/2", of="m"))),
    ("media outside the sequence", "part-id", 1, turn(Media(id="x", message_id="m", kind="image", source=ROOT))),
    ("reasoning outside the sequence", "part-id", 1, turn(thought("x", of="m"))),
    ("a call under another id", "part-id", 1, turn(called("x", call_id="c"), ToolResult(id="x"))),
    (
        "a call number too far",
        "part-id",
        3,
        turn(called("c"), called("c~3", call_id="c"), ToolResult(id="c"), ToolResult(id="c~3")),
    ),
    (
        "a node that starts twice",
        "node",
        2,
        turn(NodeStart(id="1", node="a"), NodeStart(id="1", node="a"), NodeEnd(id="1")),
    ),
    ("a node that ends twice", "node", 3, turn(NodeStart(id="1", node="a"), NodeEnd(id="1"), NodeEnd(id="1"))),
    ("an end of no node", "node", 1, turn(NodeEnd(id="1"))),
    ("a node without end", "node", 2, turn(NodeStart(id="1", node="a"))),
    (
        "a node that outlives the one above",
        "node",
        3,
        turn(NodeStart(id="1", node="a"), NodeStart(id="2", node="b", lane=("a:1",)), NodeEnd(id="1"), NodeEnd(id="2")),
    ),
    (
        "a node that starts after the one above",
        "node",
        3,
        turn(NodeStart(id="1", node="a"), NodeEnd(id="1"), NodeStart(id="2", node="b", lane=("a:1",)), NodeEnd(id="2")),
    ),
    (
        "a part that outlives its node",
        "part-node",
        3,
        turn(NodeStart(id="1", node="a"), said("m", source=AT_1)[0], NodeEnd(id="1"), TextEnd(id="m")),
    ),
    (
        "a part after its node",
        "part-node",
        3,
        turn(NodeStart(id="1", node="a"), NodeEnd(id="1"), said("m", source=AT_1)),
    ),
    (
        "a part before its node",
        "part-node",
        3,
        turn(said("m", source=AT_1), NodeStart(id="1", node="a"), NodeEnd(id="1")),
    ),
    ("arguments that were not told", "arguments", 2, turn(called("c", args={"a": 1}), ToolResult(id="c"))),
    ("other arguments", "arguments", 3, turn(called("c", "{}", args={"a": 1}), ToolResult(id="c"))),
    ("invalid that parses", "arguments", 3, turn(called("c", "{}", args=None, invalid="{}"), ToolResult(id="c"))),
    ("invalid that is cut", "arguments", 3, turn(called("c", "{a}", args=None, invalid="{a"), ToolResult(id="c"))),
    ("invalid beside arguments", "arguments", 3, turn(called("c", "{a", invalid="{a"), ToolResult(id="c"))),
    ("unparsable and silent", "arguments", 3, turn(called("c", "{a", args=None, partial=True), ToolResult(id="c"))),
    ("a result of no call", "result", 1, turn(ToolResult(id="c"))),
    ("two results", "result", 4, turn(called("c"), ToolResult(id="c"), ToolResult(id="c"))),
    ("two results of no call", "result", 1, turn(ToolResult(id="c"), ToolResult(id="c"))),
    ("a result before the end of its call", "result", 2, turn(called("c")[0], ToolResult(id="c"), called("c")[-1])),
    ("a result under another call id", "result", 3, turn(called("c"), ToolResult(id="c", call_id="d"))),
    ("output of no call", "result", 1, turn(ToolOutputDelta(id="c"))),
    ("a display of no call", "result", 1, turn(Display(id="c", bundle={}))),
    ("an extract of no call", "result", 1, turn(Extracted(id="c", name="f", kind="k"))),
    ("an open call that is not named", "open-calls", 3, turn(called("c"))),
    (
        "an answered call that is named",
        "open-calls",
        4,
        turn(called("c"), ToolResult(id="c"), end=TurnEnd(outcome="complete", open_calls=left("c"))),
    ),
    (
        "a provider's call that is named",
        "open-calls",
        3,
        turn(called("c", provider=True), end=TurnEnd(outcome="complete", open_calls=left("c"))),
    ),
    ("an open call of nobody", "open-calls", 1, turn(end=TurnEnd(outcome="complete", open_calls=left("c")))),
    (
        "an open call named twice",
        "open-calls",
        3,
        turn(called("c"), end=TurnEnd(outcome="complete", open_calls=left("c", "c"))),
    ),
    (
        "an interrupt told twice",
        "interrupt",
        2,
        turn(Interrupt(id="q"), Interrupt(id="q"), end=TurnEnd(outcome="interrupted", interrupts=("q",))),
    ),
    ("an interrupt that was not told", "interrupt", 1, turn(end=TurnEnd(outcome="interrupted", interrupts=("q",)))),
    (
        "an interrupt named twice",
        "interrupt",
        2,
        turn(Interrupt(id="q"), end=TurnEnd(outcome="interrupted", interrupts=("q", "q"))),
    ),
    ("interrupted by nothing", "outcome", 1, turn(end=TurnEnd(outcome="interrupted"))),
    (
        "complete with a question",
        "outcome",
        2,
        turn(Interrupt(id="q"), end=TurnEnd(outcome="complete", interrupts=("q",))),
    ),
    ("an error without one", "outcome", 1, turn(end=TurnEnd(outcome="error"))),
    (
        "complete with an error",
        "outcome",
        1,
        turn(end=TurnEnd(outcome="complete", error=ErrorInfo(code="E", message="e"))),
    ),
    (
        "a subagent after an event of its lane",
        "subagent",
        2,
        turn(
            Custom(lane=("a:1", "b:2")),
            SubagentStart(lane=("a:1",), id="c"),
            SubagentEnd(lane=("a:1",)),
            ToolResult(id="c"),
        ),
    ),
    ("a subagent of no call", "subagent", 1, turn(SubagentStart(lane=("a:1",), id="x"), SubagentEnd(lane=("a:1",)))),
    (
        "a subagent outside its parent",
        "subagent",
        3,
        turn(
            called("c"),
            SubagentStart(lane=("a:1", "x:3"), parent=("b:2",), id="c"),
            SubagentEnd(lane=("a:1",)),
            ToolResult(id="c"),
        ),
    ),
    (
        "a subagent around itself",
        "subagent",
        3,
        turn(
            called("c"),
            SubagentStart(lane=("a:1",), parent=("a:1",), id="c"),
            SubagentEnd(lane=("a:1",)),
            ToolResult(id="c"),
        ),
    ),
    ("an end of no subagent", "subagent", 1, turn(SubagentEnd(lane=("a:1",)))),
    (
        "a subagent that ends twice",
        "subagent",
        5,
        turn(
            called("c"),
            SubagentStart(lane=("a:1",), id="c"),
            SubagentEnd(lane=("a:1",)),
            SubagentEnd(lane=("a:1",)),
            ToolResult(id="c"),
        ),
    ),
    (
        "a subagent without end",
        "subagent",
        4,
        turn(called("c"), SubagentStart(lane=("a:1",), id="c"), end=TurnEnd(outcome="complete", open_calls=left("c"))),
    ),
    ("usage told twice", "usage", 4, turn(said("m"), Usage(message_id="m"), Usage(message_id="m"))),
    ("usage of a silent message told twice", "usage", 2, turn(Usage(message_id="m"), Usage(message_id="m"))),
    ("a sum that leaves usage out", "usage", 2, turn(Usage(message_id="m", input_tokens=1))),
    ("a sum of nothing", "usage", 1, turn(end=TurnEnd(outcome="complete", usage=TokenUsage(output_tokens=1)))),
    ("nothing removed", "removal", 1, turn(MessagesRemoved(ids=()))),
    ("nothing in particular removed", "removal", 1, turn(MessagesRemoved(ids=("m", "")))),
    ("all removed", "removal", 1, turn(MessagesRemoved(ids=("__remove_all__",)))),
]


@pytest.mark.parametrize(("name", "rule", "index", "events"), BAD, ids=[row[0] for row in BAD])
def test_a_broken_rule_is_found_where_it_breaks(name: str, rule: Rule, index: int, events: list[Event]) -> None:
    problems = check(events, open_calls=left("c") if "after an event" in name else ())
    assert (problems[0].index, problems[0].rule) == (index, rule)
    assert {problem.rule for problem in problems} <= {rule, "turn"}
    assert "\n" not in problems[0].message


def test_every_rule_can_be_broken() -> None:
    assert {rule for _, rule, _, _ in BAD} == set(get_args(Rule))


IN = Source(lane=("a:1", "b:2"))


@pytest.mark.parametrize(
    "event",
    [
        said("m", source=IN),
        thought("m", source=IN),
        called("d", source=IN, provider=True),
        Media(id="m", message_id="m", kind="image", source=IN),
        ToolResult(id="d", source=IN),
        NodeStart(id="2", node="b", lane=IN.lane),
        SubagentStart(lane=IN.lane, id="c"),
        Interrupt(id="q", lane=IN.lane),
        MessageReplaced(message_id="m", text="x", source=IN),
        MessageDiscarded(message_id="m", source=IN),
        MessagesRemoved(ids=("m",), lane=IN.lane),
        Custom(lane=IN.lane),
        StateDelta(node="n", lane=IN.lane),
    ],
    ids=lambda event: type(event[0] if isinstance(event, list) else event).__name__,
)
def test_a_subagent_is_told_before_whatever_happens_inside(event: Event | list[Event]) -> None:
    rules = [problem.rule for problem in check(turn(event, SubagentStart(lane=("a:1",), id="c")))]
    assert "subagent" in rules
    assert rules.count("subagent") > [problem.rule for problem in check(turn(event))].count("subagent") + 1


@pytest.mark.parametrize(
    "start",
    [
        lambda part, source: said(part, of="m", source=source),
        lambda part, source: thought(part, of="m", source=source),
        lambda part, source: [Media(id=part, message_id="m", kind="image", source=source)],
        lambda part, source: called(part, of="m", source=source, provider=True),
    ],
)
def test_two_messages_with_one_id_each_have_their_usage(start: Any) -> None:
    first, second = start("m", ROOT), start("m/1", Source(lane=("a:1",)))
    usage = Usage(message_id="m")
    assert check(turn(first, second, usage, usage)) == []
    assert check(turn(first, usage, second, usage)) == []
    assert [problem.rule for problem in check(turn(first, second, usage, usage, usage))] == ["usage"]


def test_what_is_missing_and_what_is_too_much_is_said() -> None:
    (missing,) = check(turn(called("c")))
    assert missing.message.startswith("call 'c' is not among TurnEnd.open_calls")
    (more,) = check(turn(called("c"), ToolResult(id="c"), end=TurnEnd(outcome="complete", open_calls=left("c"))))
    assert more.message.startswith("call 'c' is among TurnEnd.open_calls")


@pytest.mark.parametrize(
    "events",
    [
        turn(called("x", call_id="c"), ToolResult(id="x")),
        turn(ToolResult(id="c"), called("c"), ToolResult(id="c")),
        turn(Media(id="m", message_id="m", kind="image", source=ROOT), called("m"), ToolResult(id="m")),
    ],
)
def test_a_calls_id_must_be_free_even_where_nobody_knows_the_open_calls(events: list[Event]) -> None:
    assert {problem.rule for problem in check(events)} >= {"part-id"}


def test_an_unknown_part_is_a_problem_once_however_long_it_is() -> None:
    events = turn([TextDelta(id="m", text="x")] * 1000, TextEnd(id="m"))
    assert check(events) == [Problem(1, "part", "a text delta came for 'm': no such text part is open")]


@pytest.mark.parametrize(
    "events",
    [
        turn(ToolResult(id="c")),
        turn(ToolOutputDelta(id="c"), Extracted(id="c", name="f", kind="k"), Display(id="c", bundle={})),
        turn(SubagentStart(lane=("a:1",), id="c"), SubagentEnd(lane=("a:1",))),
        turn(end=TurnEnd(outcome="complete", open_calls=left("c"))),
    ],
)
def test_where_nobody_knows_the_open_calls_an_unknown_call_passes(events: list[Event]) -> None:
    assert check(events) == []
    assert check(events, open_calls=()) != []


def test_an_unknown_call_has_one_result_even_where_nobody_knows_the_open_calls() -> None:
    assert [problem.rule for problem in check(turn(ToolResult(id="c"), ToolResult(id="c")))] == ["result"]


# ------------------------------------------------------------------ what is done to a good turn

STRUCTURE = (
    TurnStart,
    TurnEnd,
    TextStart,
    TextEnd,
    ReasoningStart,
    ReasoningEnd,
    ToolCallStart,
    ToolCallEnd,
    ToolResult,
    NodeStart,
    NodeEnd,
    SubagentStart,
    SubagentEnd,
    Usage,
)


def noticed(events: list[Event], open_calls: tuple[OpenCall, ...] | None) -> bool:
    return bool(check(events, open_calls=open_calls))


def structure() -> list[tuple[str, list[Event], tuple[OpenCall, ...] | None, int]]:
    return [
        (f"{name}: {type(event).__name__} at {at}", events, open_calls, at)
        for name, (events, open_calls) in GOOD.items()
        for at, event in enumerate(events)
        if isinstance(event, STRUCTURE)
    ]


def test_every_structural_event_that_is_dropped_is_missed() -> None:
    rows = structure()
    assert len(rows) > 100
    # These results leave no trace: the one call may stay unanswered, the other may never have been open.
    assert [name for name, events, calls, at in rows if not noticed(events[:at] + events[at + 1 :], calls)] == [
        "a call id that an unknown open call uses: ToolResult at 3",
        "a call of the provider's own: ToolResult at 5",
    ]


def test_every_structural_event_that_is_doubled_is_found() -> None:
    rows = structure()
    assert [name for name, events, calls, at in rows if not noticed([*events[: at + 1], *events[at:]], calls)] == []


def test_starts_and_ends_that_change_places_with_their_neighbour_are_found() -> None:
    tried = 0
    missed: list[str] = []
    for name, (events, open_calls) in GOOD.items():
        for at, (one, other) in enumerate(pairwise(events)):
            if _belong_together(one, other):
                tried += 1
                if not noticed([*events[:at], other, one, *events[at + 2 :]], open_calls):
                    missed.append(f"{name}: {type(other).__name__} before {type(one).__name__}")
    assert tried > 60
    # Some providers' tools run while the call is still being written.
    assert missed == ["a call, its output and its result: ToolOutputDelta before ToolCallEnd"]


def _belong_together(one: Event, other: Event) -> bool:
    """Whether two events are about the same part or node, and one of them begins or ends it, or the turn."""
    ids = [getattr(event, "id", None) for event in (one, other)]
    edges = [type(event).__name__.endswith(("Start", "End")) for event in (one, other)]
    return (any(edges) and ids[0] == ids[1]) or isinstance(one, TurnStart) or isinstance(other, TurnEnd)
