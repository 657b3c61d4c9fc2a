"""Questions, the five endings, and what a parser refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langgraph.errors import GraphRecursionError
from langgraph.types import Interrupt

from langwire import StreamParser
from langwire.core.parser import StreamParser as Parser
from langwire.errors import ParserEnded, UnknownChunk, UsageError
from langwire.events import Event, OpenCall, TurnEnd, TurnStart
from langwire.events import Interrupt as Question
from telling import ends, fragment, last, lines_of, message, starts, streamed, token, told, update

ASK = Interrupt(value={"question": "who?"}, id="i1")


def asks(*interrupts: Any, lane: tuple[str, ...] = ()) -> Any:
    return lane, "updates", {"__interrupt__": interrupts}


# ------------------------------------------------------------------ questions


def test_a_question_is_told_once_however_many_levels_and_modes_repeat_it() -> None:
    """W12, F-P4."""
    as_dict = {"value": ASK.value, "id": "i1", "response_schema": None}
    chunks = [
        starts("t1", "child"),
        starts("t2", "ask", ("child:t1",)),
        asks(ASK, lane=("child:t1",)),
        ends("t2", "ask", ("child:t1",), interrupts=[as_dict]),
        asks(ASK),
        ends("t1", "child", interrupts=[as_dict]),
        ((), "values", {"n": 1, "__interrupt__": (ASK,)}),
    ]
    assert lines_of(chunks)[2:] == [
        "interrupt i1 value {'question': 'who?'}",
        "/node t2 interrupted",
        "/node t1 interrupted",
        "end interrupted i1",
    ]


def test_a_question_about_a_tool_that_is_not_shown_still_names_its_call() -> None:
    about = {"action_requests": [{"name": "send", "args": {}}], "review_configs": []}
    chunks = [*streamed(fragment("send", "{}", "c1"), last()), asks(Interrupt(value=about, id="i1"))]
    (question,) = [event for event in told(chunks, skip_tools=["send"]) if isinstance(event, Question)]
    assert question.actions[0].call_id == "c1"


def test_a_turn_without_a_question_is_complete() -> None:
    """F-S7, lesson: an interrupted turn never ends as complete."""
    assert told([update()])[-1] == TurnEnd(outcome="complete")


def test_the_checkpoint_has_the_last_word_on_what_is_open() -> None:
    other = Interrupt(value="b?", id="i2")
    assert lines_of([asks(ASK)], close={"open_interrupts": [other]}) == [
        "interrupt i1 value {'question': 'who?'}",
        "interrupt i2 value 'b?'",
        "end interrupted i2",
    ]
    assert lines_of([asks(ASK)], close={"open_interrupts": [], "paused": ()})[-1].startswith("interrupt i1")


def test_a_question_that_a_checkpoint_lists_twice_is_open_once() -> None:
    assert lines_of([], close={"open_interrupts": [ASK, ASK]})[-1] == "end interrupted i1"


def test_questions_that_the_stream_never_showed_are_told_at_the_end() -> None:
    """With the messages mode alone LangGraph does not show them."""
    chunks = streamed(token("a"), last())
    assert lines_of(chunks, close={"open_interrupts": [ASK]})[-1] == "end interrupted i1"


def test_a_breakpoint_counts_when_something_comes_next() -> None:
    assert lines_of([asks()]) == ["interrupt breakpoint breakpoint {'next': []}", "end interrupted breakpoint"]
    assert lines_of([asks()], close={"paused": ["two"]})[0] == "interrupt breakpoint breakpoint {'next': ['two']}"
    assert lines_of([asks(), asks()], close={"open_interrupts": [], "paused": ()}) == []


def test_a_pause_that_only_the_checkpoint_knows_is_a_breakpoint() -> None:
    assert lines_of([update()], close={"open_interrupts": [], "paused": ["two"]})[-1] == "end interrupted breakpoint"


@pytest.mark.parametrize("ending", ["fail", "cancel", "expire"])
def test_a_turn_that_did_not_end_by_itself_still_names_the_questions(ending: str) -> None:
    """One branch can fail while another waits."""
    assert lines_of([asks(ASK)], ending=ending)[-1].endswith(" i1")


# ------------------------------------------------------------------ the endings


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        ("close", "end complete open=c1"),
        ("cancel", "end cancelled open=c1"),
        ("expire", "end timeout Timeout open=c1"),
        ("fail", "end error RuntimeError open=c1"),
    ],
)
def test_every_ending_closes_what_is_open_and_names_the_calls_without_result(ending: str, line: str) -> None:
    """F-P1, W19, n8n#36755, datarobot-genai#298."""
    chunks = streamed(token("par"), fragment("look", '{"x":1}', "c1"))
    assert lines_of(chunks, ending=ending)[4:] == ["/ m1 partial", "/ c1 look({'x': 1}) partial", line]


def test_the_calls_of_an_earlier_turn_stay_open_until_they_are_answered() -> None:
    waiting = [OpenCall(id="c1", call_id="c1", name="look"), OpenCall(id="c2", call_id="c2", name="look")]
    chunks = [update(messages=[{"type": "tool", "tool_call_id": "c1", "content": "ok", "id": "r1"}])]
    assert lines_of(chunks, open_calls=waiting) == ["result c1 ok 'ok'", "end complete open=c2"]


def test_a_failure_names_its_class_and_not_its_text() -> None:
    """F-A2, T-15: an exception's text may hold secrets."""
    end = StreamParser().fail(RuntimeError("postgresql://admin:hunter2@db"), error_id="e1")[-1]
    assert isinstance(end, TurnEnd)
    assert "hunter2" not in repr(end)
    assert (end.error.code, end.error.id) == ("RuntimeError", "e1") if end.error else False
    known = StreamParser().fail(GraphRecursionError("x"))[-1]
    assert isinstance(known, TurnEnd)
    assert known.error is not None
    assert "recursion limit" in known.error.message


def test_the_checkpoint_id_is_the_one_that_is_given_or_the_last_one_shown() -> None:
    def shown(id: str, lane: tuple[str, ...] = ()) -> Any:
        config = {"configurable": {"checkpoint_id": id}}
        return lane, "checkpoints", {"config": config, "values": {}, "metadata": {"source": "loop"}, "next": []}

    assert told([shown("one"), shown("two"), shown("child's", ("child:1",))])[-1] == TurnEnd(
        outcome="complete", checkpoint_id="two"
    )
    assert told([shown("one")], close={"checkpoint_id": "given"})[-1] == TurnEnd(
        outcome="complete", checkpoint_id="given"
    )


def test_a_turn_starts_with_what_it_was_given() -> None:
    parser = StreamParser(turn_id="t", thread_id="th", cause="resume", checkpoint_id="cp", input="hi")
    start = TurnStart(turn_id="t", thread_id="th", cause="resume", checkpoint_id="cp", input="hi")
    assert parser.start() == [start]
    assert parser.start() == []
    assert parser.close() == [TurnEnd(outcome="complete")]
    assert StreamParser(turn_id="t").close()[0] == TurnStart(turn_id="t")


@pytest.mark.parametrize("given", [{}, {"modes": ["updates"], "subgraphs": True}, {"version": "v2"}], ids=str)
@pytest.mark.parametrize("use", ["feed", "close", "fail", "cancel", "expire", "start"])
def test_a_parser_serves_one_turn(use: str, given: dict[str, Any]) -> None:
    parser = StreamParser(**given)
    parser.close()
    arguments = {"feed": [update()], "fail": [ValueError()]}.get(use, [])
    with pytest.raises(ParserEnded, match="make a new StreamParser"):
        getattr(parser, use)(*arguments)


# ------------------------------------------------------------------ whole streams


def test_a_stream_that_raises_ends_the_turn_and_raises_itself() -> None:
    """Lesson 21 of the field: always one terminal event."""

    def failing() -> Iterator[Any]:
        yield from streamed(token("par"))
        raise RuntimeError("died")

    events: list[Event] = []
    with pytest.raises(RuntimeError, match="died"):
        events.extend(StreamParser().parse(failing()))  # extend keeps what came before the exception
    told_quietly = list(StreamParser().parse(failing(), raise_errors=False))
    assert [type(event).__name__ for event in told_quietly[-2:]] == ["TextEnd", "TurnEnd"]
    assert told_quietly[-1].outcome == "error"  # pyright: ignore


def test_ctrl_c_ends_the_turn_as_cancelled() -> None:
    def interrupted() -> Iterator[Any]:
        yield from streamed(token("par"))
        raise KeyboardInterrupt

    seen: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        for event in StreamParser().parse(interrupted(), raise_errors=False):
            seen.append(event)
    assert seen[-1] == TurnEnd(outcome="cancelled")


async def test_async_streams_are_parsed_alike() -> None:
    chunks = [*streamed(token("a"), last()), update(messages=[])]

    async def replayed(error: Exception | None = None) -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk
        if error is not None:
            raise error

    made = [event async for event in StreamParser(turn_id="t").aparse(replayed())]
    assert made == list(StreamParser(turn_id="t").parse(chunks))
    failed: list[Event] = []
    with pytest.raises(ValueError, match="x"):
        async for event in StreamParser().aparse(replayed(ValueError("x"))):
            failed.append(event)
    assert isinstance(failed[-1], TurnEnd)
    quiet = [event async for event in StreamParser().aparse(replayed(ValueError("x")), raise_errors=False)]
    assert quiet[-1].outcome == "error"  # pyright: ignore


async def test_a_cancel_passes_through_at_once() -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[Any]:
        yield update()
        started.set()
        await asyncio.Event().wait()

    seen: list[Event] = []

    async def read() -> None:
        async for event in StreamParser().aparse(endless()):
            seen.append(event)

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(isinstance(event, TurnEnd) for event in seen)


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"modes": ("updates", "messages")}, "pass a list"),
        ({"modes": {"updates"}}, "pass a list"),
        ({"version": "v3"}, "version='v1' or 'v2'"),
        ({"version": "v9"}, "version='v1' or 'v2'"),
    ],
)
def test_calls_that_langgraph_does_not_answer_readably_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Parser(**given)


@pytest.mark.parametrize(
    "chunk",
    [
        ((), "messages", "no pair"),
        ((), "messages", (object(), {})),
        ((), "updates", 3),
        ((), "tasks", {"id": "t1"}),
        ((), "tasks", {"id": 1, "name": "n", "input": None, "triggers": ()}),
        ((), "checkpoints", {}),
        ((), "debug", []),
        ((), "tools", None),
    ],
)
def test_data_that_its_mode_does_not_hold_is_an_error_that_names_it(chunk: Any) -> None:
    parser = StreamParser(modes=["messages"], subgraphs=True)
    with pytest.raises(UnknownChunk, match="cannot read a tuple as a LangGraph stream chunk"):
        parser.feed(chunk)
    assert parser.cancel()[-1] == TurnEnd(outcome="cancelled")


def test_a_mode_that_is_not_modelled_is_told_raw() -> None:
    assert lines_of([(("a:1",), "lifecycle", {"x": 1})]) == ["raw lifecycle {'x': 1}"]


def test_custom_data_is_told_as_it_came() -> None:
    data: list[Any] = [{"type": "progress"}, "plain", [1, 2], None]
    assert lines_of([((), "custom", item) for item in data]) == [f"custom {item!r}" for item in data]


# ------------------------------------------------------------------ tools mode


def test_a_running_tool_reports_its_output() -> None:
    def delta(id: str) -> Any:
        return (), "tools", {"event": "tool-output-delta", "tool_call_id": id, "delta": {"done": 1}}

    chunks = [*streamed(fragment("look", "{}", "c1"), fragment("hide", "{}", "c2", 1), last()), delta("c1")]
    chunks += [
        delta("c2"),
        delta("unknown"),
        message({"type": "tool", "content": "ok", "tool_call_id": "c1", "id": "r"}),
    ]
    told_lines = lines_of(chunks, skip_tools=["hide"], modes=["messages", "tools"], subgraphs=True)
    assert told_lines[-2:] == ["output c1 {'done': 1}", "result c1 ok 'ok'"]


def tool_event(event: str, **more: Any) -> Any:
    return (), "tools", {"event": event, "tool_call_id": "c1", **more}


def test_beside_messages_the_tools_mode_repeats_nothing() -> None:
    chunks = [tool_event("tool-started", tool_name="look", input={}), tool_event("tool-finished", output="ok")]
    assert lines_of(chunks, modes=["messages", "tools"], subgraphs=True) == []


def test_alone_the_tools_mode_tells_calls_and_results() -> None:
    started = tool_event("tool-started", tool_name="look", input={"x": 1})
    finished = tool_event("tool-finished", output={"type": "tool", "content": "ok", "id": None})
    expected = ["call c1 look", 'c1 +{"x": 1}', "/ c1 look({'x': 1})"]
    assert lines_of([started, started, finished], modes=["tools"], subgraphs=True) == [*expected, "result c1 ok 'ok'"]
    bare = [started, tool_event("tool-finished", output=7)]
    assert lines_of(bare, modes=["tools"], subgraphs=True)[-1] == "result c1 ok 7"
    failed = [started, tool_event("tool-error", message="no"), tool_event("tool-odd")]
    assert lines_of(failed, modes=["tools"], subgraphs=True)[-1] == "result c1 error 'no'"


def test_a_resumed_tool_starts_again_without_being_called_again() -> None:
    again = [tool_event("tool-started", tool_name="look", input={}), tool_event("tool-finished", output="ok")]
    told_lines = lines_of(again, modes=["tools"], subgraphs=True, cause="resume")
    assert told_lines == ["result c1 ok 'ok'"]


def test_a_cancel_says_why() -> None:
    (end,) = told([], ending="cancel", close={"reason": "replaced"})
    assert isinstance(end, TurnEnd)
    assert (end.outcome, end.reason) == ("cancelled", "replaced")


def test_a_question_without_an_id_is_told_once_though_each_lane_above_repeats_it() -> None:
    parser = StreamParser(modes=["updates"], subgraphs=True)
    asked = {"__interrupt__": ({"value": "sure?"},)}
    events = [*parser.feed((("sub:1",), "updates", asked)), *parser.feed(((), "updates", asked)), *parser.close()]
    questions = [event for event in events if isinstance(event, Question)]
    assert [question.value for question in questions] == ["sure?"]
    end = events[-1]
    assert isinstance(end, TurnEnd)
    assert end.interrupts == (questions[0].id,)
