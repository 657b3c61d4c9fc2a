"""The stories are current and well told, and what is made of them in Python is what it was."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, get_args

import pytest

from faces.golden import GOLDEN, NAMES, entries, events, golden, lines
from faces.handmade import every_event
from faces.stories import BEGAN_MS, DEMO, RECORDINGS, STEP_MS, demo, handmade, restored, written
from langwire import Transcript
from langwire.adapters.plain import PlainAdapter
from langwire.core.codec import jsonable
from langwire.core.conformance import check
from langwire.events import Event, TaskUpdate, TurnEnd

each = pytest.mark.parametrize("name", NAMES)
as_recorded = pytest.mark.skipif(
    version("langgraph") != RECORDINGS.name,
    reason=f"the demo agents' stories were told with LangGraph {RECORDINGS.name}",
)
HOW = "write the stories anew with `python tests/faces/stories.py --write`, and look at what has changed"


def test_there_is_a_file_for_each_story_and_no_other() -> None:
    assert {*handmade(), *DEMO, "restored"} == set(NAMES), HOW


@pytest.mark.parametrize(("name", "made"), handmade().items())
def test_the_recorded_and_the_handmade_stories_are_current(name: str, made: list[bytes]) -> None:
    assert made == lines(name), HOW


@as_recorded
@pytest.mark.parametrize("name", [*DEMO, "restored"])
async def test_the_demo_agents_stories_are_current(name: str) -> None:
    told = await (restored() if name == "restored" else demo(name))
    assert written(told) == lines(name), HOW


@each
def test_a_story_is_numbered_without_holes_and_timed(name: str) -> None:
    stamps = [(told["seq"], told["at_ms"]) for told in map(json.loads, lines(name))]
    assert stamps == [(seq, BEGAN_MS + STEP_MS * seq) for seq in range(1, len(stamps) + 1)]


@each
def test_every_turn_of_a_story_obeys_the_grammar(name: str) -> None:
    assert [problem for turn, before in turns(events(name)) for problem in check(turn, open_calls=before)] == []


def turns(told: Iterable[Event]) -> Iterator[tuple[list[Event], Any]]:
    """The events of each turn, with the calls that were open before; what tasks tell in between is no part of any."""
    turn: list[Event] = []
    open_calls: Any = ()
    for event in told:
        if not turn and isinstance(event, TaskUpdate):
            continue
        turn.append(event)
        if isinstance(event, TurnEnd):
            yield turn, open_calls
            turn, open_calls = [], event.open_calls
    assert not turn, "the last turn has no end"


def test_every_type_of_event_is_told_in_one_story_and_nested() -> None:
    told = list(every_event())
    assert {type(event) for event in told} == set(get_args(Event))
    assert max(len(getattr(event, "lane", ())) for event in told) == 2


# ------------------------------------------------------------------ goldens


@each
def test_the_plain_lines_of_a_story(name: str) -> None:
    """F-C1, F-C2, T-12: the goldens of the hostile stories are the ones to look at."""
    file = io.StringIO()
    adapter = PlainAdapter(file)
    for entry in entries(name):
        adapter.handle(entry)
    golden("plain", name, "txt", file.getvalue())


@each
def test_what_a_story_comes_to(name: str) -> None:
    """The same files are held against the fold of the browser's renderer."""
    transcript = Transcript.of(events(name))
    summary = {
        "messages": [
            [message.role, message.text, message.refusal, message.reasoning, message.in_state]
            for message in transcript.messages
        ],
        "calls": [
            [call.name, jsonable(call.args), call.invalid, call.partial, _result(call.result)]
            for call in transcript.calls
        ],
        "questions": [question.id for question in transcript.interrupts],
        "usage": [transcript.usage.input_tokens, transcript.usage.output_tokens],
        "outcome": transcript.outcome,
    }
    golden("fold", name, "json", json.dumps(summary, ensure_ascii=False, indent=1) + "\n")


def _result(result: Any) -> list[Any] | None:
    return result and [result.status, jsonable(result.content), result.replaced, result.removed]


@pytest.mark.parametrize("face", ["plain", "fold"])
def test_there_is_no_golden_of_a_story_that_is_gone(face: str) -> None:
    assert {path.stem for path in (GOLDEN / face).iterdir()} == set(NAMES)
