"""The laws of the event stream, over every graph of the corpus.

1. Each turn obeys the grammar, in every set of modes (F-P1, I1-I8 of the invariants every stream keeps).
2. What is told in the end is the same in v1 and v2, sync and async, and in every set of modes that carries it.
3. A transcript, without what was removed or discarded, is what the turn left in the graph's state.
4. A stream that is cut off anywhere and ended in any of the five ways obeys the grammar.
5. Text and arguments are the same however they were cut.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langwire import StreamParser, Transcript, check, decode, encode
from langwire.core.codec import to_dict
from langwire.errors import UnknownChunk
from langwire.events import Event, TextDelta, ToolCallDelta, TurnEnd
from langwire.testing import CASES
from turns import CASE_NAMES, Story, problems, spoken, story, turns_of

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))

FULL = ("messages", "updates", "tasks", "custom")
"""What langwire asks a graph for."""

EVERYTHING = ("messages", "updates", "values", "tasks", "checkpoints", "debug", "custom")

MODE_SETS = [
    ("updates", "tasks"),
    ("updates",),
    ("tasks",),
    ("messages", "updates"),
    ("messages", "tasks"),
    ("messages", "values"),
    ("values",),
    ("updates", "values"),
    ("values", "tasks"),
    ("checkpoints",),
    ("debug",),
    ("messages", "debug", "checkpoints"),
    EVERYTHING,
]


def unstreamed(modes: Sequence[str]) -> bool:
    return "messages" not in modes


def without_ends(modes: Sequence[str]) -> bool:
    """Nothing shows that a node failed or paused, and so that what it streamed is gone."""
    return not {"tasks", "debug"} & set(modes)


def checkpoints_alone(modes: Sequence[str]) -> bool:
    return modes == ("checkpoints",)


SAYS_LESS = {
    "answer_elsewhere": unstreamed,  # the text is in no message
    "truncated_arguments": unstreamed,  # the state holds a repaired form
    "error_in_a_call": lambda modes: unstreamed(modes) or without_ends(modes),  # the call became no message
    "error_in_subgraph": without_ends,
    "error_mid_stream": without_ends,
    "error_after_text": without_ends,
    "interrupt_after_text": without_ends,
    "error_beside_sibling": lambda modes: (
        modes in (("checkpoints",), ("values",))
    ),  # the sibling is not yet in the state
    "input_replaced": lambda modes: (
        not {"tasks", "values", "debug", "checkpoints"} & set(modes)
    ),  # nothing shows its id
    "replayed_sibling": checkpoints_alone,
    "endless_loop": checkpoints_alone,  # the last step is not kept when the limit is reached
    "functional_message": checkpoints_alone,
    "functional_messages": checkpoints_alone,
    "interrupt_without_saver": checkpoints_alone,  # there are none
}
"""Where a set of modes does not carry what the full set does, because LangGraph does not say it there."""

_told: dict[str, Story] = {}


async def reference(name: str) -> Story:
    if name not in _told:
        _told[name] = story(await turns_of(CASES[name], FULL))
    return _told[name]


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_every_graph_is_told_by_the_grammar_and_ends_as_it_should(name: str) -> None:
    turns = await turns_of(CASES[name], FULL)
    assert problems(turns) == []
    assert [turn.end.outcome for turn in turns] == list(CASES[name].ends)


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_nothing_needs_a_checkpointer_when_nothing_pauses(name: str) -> None:
    turns = await turns_of(CASES[name], FULL, keeps=False)
    assert problems(turns) == []
    assert [turn.end.outcome for turn in turns] == list(CASES[name].ends)


@pytest.mark.parametrize("modes", MODE_SETS, ids="+".join)
@pytest.mark.parametrize("name", CASE_NAMES)
async def test_every_set_of_modes_tells_the_same(name: str, modes: tuple[str, ...]) -> None:
    """W15, W16, W18, W20, W22, lessons 1, 8, 11, 12: once, in every combination that carries it."""
    turns = await turns_of(CASES[name], modes)
    assert problems(turns) == []
    less = SAYS_LESS.get(name)
    if less is None or not less(modes):
        assert story(turns) == await reference(name)


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_v2_parts_tell_the_same_as_v1_chunks(name: str) -> None:
    for modes in (FULL, EVERYTHING):
        turns = await turns_of(CASES[name], modes, version="v2")
        assert problems(turns) == []
        assert story(turns) == await reference(name)


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_the_plain_dicts_of_a_remote_graph_tell_the_same(name: str) -> None:
    """Messages are read by their fields, so dicts take the path of objects; nothing depends on identity."""
    for modes in (FULL, EVERYTHING):
        turns = await turns_of(CASES[name], modes, remote=True)
        assert problems(turns) == []
        assert story(turns) == await reference(name)


@pytest.mark.parametrize("name", sorted(set(CASE_NAMES) - {"answer_elsewhere"}))
async def test_the_transcript_is_what_the_turn_left_in_the_state(name: str) -> None:
    turns = await turns_of(CASES[name], FULL)
    transcript = Transcript.of(event for turn in turns for event in turn.events)
    kept = {message.message_id: message for message in transcript.state_messages()}
    for turn in turns[-1:]:
        old = {getattr(message, "id", None) for message in turns[0].before}
        for message in turn.after:
            role, text, _ = spoken(message)
            if message.id in old or role in ("user", "tool") or message.id not in kept:
                continue
            assert (kept[message.id].role, kept[message.id].text) == (role, text)
    told_here = {message.text for message in kept.values() if message.lane == () and message.role == "assistant"}
    in_state = {spoken(message)[1] for message in turns[-1].after}
    if in_state and turns[-1].end.outcome == "complete":
        assert told_here - {""} <= in_state


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_every_event_of_every_graph_is_strict_json_and_comes_back(name: str) -> None:
    """F-P3, W1, F-W5, I5: datetimes, sets, half an emoji, whatever a graph holds."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    for turn in await turns_of(CASES[name], EVERYTHING):
        for event in turn.events:
            line = encode(event)
            assert json.loads(line.decode("utf-8", errors="strict"), parse_constant=refuse)["type"]
            assert to_dict(decode(line)) == to_dict(event)


# ------------------------------------------------------------------ any prefix, any ending


def endings(parser: StreamParser, ending: int) -> list[Event]:
    ender = [
        parser.close,
        parser.cancel,
        parser.expire,
        lambda: parser.fail(ValueError("x")),
        lambda: parser.close(paused=["n"]),
    ]
    return ender[ending]()


async def recorded(name: str, modes: Sequence[str]) -> list[Any]:
    """The chunks of a case's first turn."""
    case = CASES[name]
    graph = case.build()
    chunks: list[Any] = []
    try:
        async for chunk in graph.astream(
            case.input, {"configurable": {"thread_id": "t"}}, stream_mode=list(modes), subgraphs=True
        ):
            chunks.append(chunk)
    except Exception:
        return chunks
    return chunks


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_a_stream_cut_off_anywhere_obeys_the_grammar(name: str) -> None:
    """F-P1: every start has its end, and the turn has one."""
    chunks = await recorded(name, EVERYTHING)
    step = 1 if SOAK else max(1, len(chunks) // 12)
    for length, ending in itertools.product(range(0, len(chunks) + 1, step), range(5)):
        parser = StreamParser(modes=list(EVERYTHING), subgraphs=True)
        events = [event for chunk in chunks[:length] for event in parser.feed(chunk)]
        events += endings(parser, ending)
        assert check(events) == [], (name, length, ending)
        assert isinstance(events[-1], TurnEnd)


# ------------------------------------------------------------------ streams nobody wrote


def scrambled(chunks: Sequence[Any], chance: random.Random) -> Iterator[Any]:
    """A stream that LangGraph would not yield: chunks lost, doubled and out of order."""
    kept = [chunk for chunk in chunks for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    for _ in range(chance.randrange(4)):
        if len(kept) > 1:
            one, other = chance.randrange(len(kept)), chance.randrange(len(kept))
            kept[one], kept[other] = kept[other], kept[one]
    return iter(kept)


def hold_to_the_laws(chunks: Sequence[Any], seed: int) -> None:
    chance = random.Random(seed)
    parser = StreamParser(
        modes=chance.choice((list(EVERYTHING), None)), subgraphs=True, cause=chance.choice(("message", "resume"))
    )
    events = [event for chunk in scrambled(chunks, chance) for event in parser.feed(chunk)]
    events += endings(parser, chance.randrange(5))
    assert check(events) == [], f"seed {seed}"


async def test_scrambled_streams_obey_the_grammar_too() -> None:
    """Fixed seeds and fresh ones; a failing seed is printed."""
    fresh = random.SystemRandom().randrange(2**32)
    for number, name in enumerate(CASE_NAMES):
        chunks = await recorded(name, EVERYTHING)
        for seed in (number, number + 1000, fresh + number):
            hold_to_the_laws(chunks, seed)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="run by make soak")
@pytest.mark.timeout(3000)
async def test_a_hundred_thousand_scrambled_streams_obey_the_grammar() -> None:
    streams = [await recorded(name, modes) for name in CASE_NAMES for modes in (EVERYTHING, FULL)]
    first = random.SystemRandom().randrange(2**40)
    for seed in range(first, first + 100_000):
        hold_to_the_laws(streams[seed % len(streams)], seed)


# ------------------------------------------------------------------ data nobody expects

keys = st.sampled_from(
    [
        "type",
        "ns",
        "data",
        "id",
        "name",
        "content",
        "messages",
        "role",
        "tool_calls",
        "tool_call_id",
        "result",
        "input",
        "triggers",
        "interrupts",
        "error",
        "values",
        "config",
        "metadata",
        "next",
        "payload",
        "event",
        "args",
        "index",
        "__interrupt__",
        "__metadata__",
        "cached",
    ]
)
words = st.sampled_from(["ai", "tool", "human", "remove", "AIMessageChunk", "updates", "t1", "m1", "c1", "look", ""])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)
lanes = st.sampled_from([(), ("child:t1",), ("child:t1", "leaf:t2")])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=400)
@given(st.lists(st.tuples(lanes, st.sampled_from([*EVERYTHING, "tools", "new"]), anything) | anything, max_size=8))
def test_whatever_comes_nothing_but_the_declared_error_escapes(chunks: list[Any]) -> None:
    """I6: a chunk is read, told raw, or refused as unknown; the turn ends well all the same."""
    parser = StreamParser()
    events = parser.start()
    for chunk in chunks:
        try:
            events += parser.feed(chunk)
        except UnknownChunk:
            continue
    events += parser.close()
    assert check(events) == []


# ------------------------------------------------------------------ any cutting


def joined(events: Sequence[Event]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            parts[event.id] = parts.get(event.id, "") + event.text
        elif isinstance(event, ToolCallDelta):
            parts[event.id] = parts.get(event.id, "") + event.args
    return parts


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    text=st.text(min_size=1),
    value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
    data=st.data(),
)
def test_text_and_arguments_are_the_same_however_they_were_cut(text: str, value: Any, data: st.DataObject) -> None:
    """F-P2, I3."""
    from telling import fragment, last, streamed, token, told

    args = json.dumps({"value": value})
    cuts = sorted(data.draw(st.lists(st.integers(0, max(len(text), len(args))), max_size=6)))
    edges = list(itertools.pairwise([0, *cuts, max(len(text), len(args))]))
    chunks = [token(text[start:stop]) for start, stop in edges]
    chunks += [
        fragment("f" if not start else None, args[start:stop], "c1" if not start else None) for start, stop in edges
    ]
    events = told(streamed(*chunks, last()))
    assert joined(events) == {"m1": text, "c1": args}
    assert check([StreamParser(turn_id="t").start()[0], *events]) == []


def test_the_exceptions_name_cases_that_exist() -> None:
    assert set(SAYS_LESS) <= set(CASES)
