"""`check_events` fails with what a reader needs to find the broken place."""

from __future__ import annotations

import pytest

from langwire import check
from langwire.demo import agents
from langwire.events import Custom, Event, OpenCall, TextDelta, TextStart, ToolResult, TurnEnd, TurnStart
from langwire.events import Source as From
from langwire.testing import check_events, run_agent

START, END = TurnStart(turn_id="t"), TurnEnd(outcome="complete")
RESULT = ToolResult(id="c1", call_id="c1", content="sunny")


def complaint(*events: Event, open_calls: tuple[OpenCall, ...] | None = None) -> str:
    with pytest.raises(AssertionError) as caught:
        check_events(events, open_calls=open_calls)
    return str(caught.value)


def test_a_good_turn_passes() -> None:
    (turn,) = run_agent(agents.build_assistant(0), "A day in Rome").turns
    assert check_events(iter(turn)) is None


def test_each_broken_rule_is_one_line_with_the_event_it_is_about() -> None:
    """A start without an end and an end without a start are both seen: F-P1."""
    lines = complaint(START, TextDelta(id="m1", text="Hi"), TurnStart(turn_id="t")).splitlines()
    assert len(lines) == 3
    assert (
        lines[0]
        == "event 1, TextDelta(id='m1', text='Hi'): part: a text delta came for 'm1': no such text part is open"
    )
    assert lines[1].startswith("event 2, TurnStart(")
    assert lines[2] == "the end: turn: the events stop without a TurnEnd: a turn ends with exactly one"


def test_a_long_event_is_cut() -> None:
    (line,) = complaint(START, TextDelta(id="m1", text="x" * 1000), TurnEnd(outcome="complete")).splitlines()[:1]
    assert "xxx…): part: " in line
    assert len(line) < 250


def test_the_same_is_found_as_by_check() -> None:
    events = [START, TextStart(id="m1", message_id="m1", source=From()), RESULT, END]
    assert len(complaint(*events).splitlines()) == len(check(events)) > 0


def test_calls_of_earlier_turns_are_known_only_where_they_are_given() -> None:
    check_events([START, RESULT, END])
    check_events([START, RESULT, END], open_calls=[OpenCall(id="c1", name="get_weather", call_id="c1")])
    assert "no such call is known" in complaint(START, RESULT, END, open_calls=())


def test_values_that_neither_compare_nor_show_themselves_are_no_hindrance() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth is ambiguous")

        def __repr__(self) -> str:
            raise ValueError("no")

        __hash__ = object.__hash__

    with pytest.raises(AssertionError, match=r"data=\(Odd, whose repr fails\)"):
        check_events([Custom(data=Odd())])
