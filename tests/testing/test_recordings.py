"""Real chunk streams are kept in files, and are read again as if the graph streamed them now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, Interrupt, Overwrite, Send, StreamMode
from pydantic import BaseModel, ConfigDict

from langwire import StreamParser
from langwire.core.codec import encode, jsonable
from langwire.core.conformance import check
from langwire.demo.agents import build_approval
from langwire.errors import StreamError, UnsupportedGraph, UsageError
from langwire.events import OpenCall, StateSnapshot, TurnEnd
from langwire.sessions.graph import standing_of
from langwire.testing import CASES, Case, Next, available
from langwire.testing._chunk_files import _MODES
from langwire.testing._chunk_values import ValueReader
from langwire.testing.recordings import (
    RECORDED,
    ChunkRecorder,
    ChunkRecording,
    arecord_chunks,
    main,
    record_case,
    record_chunks,
    replay_chunks,
)
from turns import CASE_NAMES, Story, Turn, problems, story, turns_of

FOLDER = Path(__file__).parents[1] / "recordings"
FILES = sorted(FOLDER.glob("*/*.jsonl"))
MODES = ["messages", "updates", "tasks", "custom"]


# ------------------------------------------------------------------ what is committed

OTHER_RESULTS = {
    "hitl_edit_and_reject": "newer versions of LangChain tell the model, in a call's result, that a person edited or "
    "rejected it; older ones give the tool's words and the person's",
}
"""The cases whose results read otherwise in the two versions, and why. In all else they tell the same story."""


def replayed(recording: ChunkRecording) -> list[Turn]:
    told = replay_chunks(recording)
    return [Turn(events, None, run.open_calls, [], []) for events, run in zip(told, recording.runs, strict=True)]


def told_by(path: Path) -> Story:
    return story(replayed(ChunkRecording.load(path)))


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_recorded_stream_obeys_the_grammar(path: Path) -> None:
    """Streams of the newest and of the lowest LangGraph are read by both."""
    recording = ChunkRecording.load(path)
    assert problems(replayed(recording)) == []
    assert recording.header.libraries["langgraph"] == path.parent.name
    assert [turn.end.outcome for turn in replayed(recording)] == list(CASES[path.stem].ends)


@pytest.mark.parametrize("path", FILES, ids=named)
async def test_a_recorded_stream_tells_the_story_of_a_live_one(path: Path) -> None:
    case = CASES[path.stem]
    if not available(case):
        pytest.skip(f"needs {case.needs}")
    recorded, live = told_by(path), story(await turns_of(case, MODES))
    if case.name in OTHER_RESULTS:
        recorded, live = recorded._replace(results=[]), live._replace(results=[])
    assert recorded == live


@pytest.mark.parametrize("lowest", sorted(FOLDER.glob("1.1.6/*.jsonl")), ids=named)
def test_both_versions_tell_the_same_story(lowest: Path) -> None:
    newest = told_by(FOLDER / "1.2.22" / lowest.name)
    assert (told_by(lowest) == newest) == (lowest.stem not in OTHER_RESULTS)
    assert told_by(lowest)._replace(results=[]) == newest._replace(results=[])


def test_both_ends_of_the_supported_versions_are_recorded() -> None:
    folders = {folder.name: {path.stem for path in folder.iterdir()} for folder in FOLDER.iterdir()}
    newest, lowest = folders["1.2.22"], folders["1.1.6"]
    assert newest == set(RECORDED)
    assert newest - lowest == {"hitl_per_call_edit_and_respond", "deepagents_subagents"}
    assert lowest <= newest


def test_recordings_are_small_and_name_no_place_on_a_machine() -> None:
    texts = [path.read_text("utf-8") for path in FILES]
    assert sum(map(len, texts)) < 1_500_000
    assert [
        text for text in texts if re.search(r"/(home|root|Users|tmp|var|work)/|[A-Z]:\\\\|site-packages", text)
    ] == []


# ------------------------------------------------------------------ live and replayed


class Way(NamedTuple):
    """How a graph is called."""

    modes: list[str]
    version: str = "v1"


WAYS = {
    "as langwire asks": Way(MODES),
    "v2, with values": Way([*MODES, "values"], "v2"),
}
WHOLE = Way(["updates", "values", "checkpoints", "debug"])


async def lived(case: Case, way: Way, path: Path) -> list[list[bytes]]:
    """Run a case, parse and record it; return each turn's events, written when they were told."""
    graph, config = case.build(InMemorySaver()), {"configurable": {"thread_id": "thread-1"}}
    given, told, open_calls = case.input, [], ()
    with ChunkRecorder(path, modes=way.modes, version=way.version) as recorder:
        for number in range(len(case.ends)):
            start: dict[str, Any] = {
                "turn_id": f"turn-{number}",
                "thread_id": "thread-1",
                "cause": "message" if number == 0 or case.resume is Next.REPEAT else "resume",
                "input": None if isinstance(given, Command) else given,
                "open_calls": open_calls,
            }
            recorder.start(**start)
            parser = StreamParser(modes=way.modes, subgraphs=True, version=way.version, state=True, **start)
            events = [encode(event) for event in parser.start()]
            ending = None
            try:
                async for chunk in graph.astream(
                    given, config, stream_mode=way.modes, subgraphs=True, version=way.version
                ):
                    recorder.feed(chunk)
                    events += map(encode, parser.feed(chunk))
            except Exception as error:
                recorder.fail(error)
                ending = parser.fail(error)
            standing = standing_of(await graph.aget_state(config) if graph.checkpointer else None)
            if ending is None:
                recorder.close(**standing.ending())
                ending = parser.close(**standing.ending())
            told.append([*events, *map(encode, ending)])
            open_calls = ending[-1].open_calls
            if number + 1 < len(case.ends):
                given = case.follow(standing.open_interrupts or ())
    return told


def again(path: Path) -> list[list[bytes]]:
    return [list(map(encode, run.events(state=True))) for run in ChunkRecording.load(path).runs]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASE_NAMES)
async def test_a_replayed_stream_tells_exactly_what_the_live_one_told(name: str, way: str, tmp_path: Path) -> None:
    live = await lived(CASES[name], WAYS[way], tmp_path / "x.jsonl")
    assert again(tmp_path / "x.jsonl") == live


@pytest.mark.parametrize("name", ["handmade_messages", "without_ids_repeated", "interrupt_after_text"])
async def test_ids_that_langgraph_writes_into_messages_are_written_again(name: str, tmp_path: Path) -> None:
    """Where no mode streams messages they are shown without an id, and get it in place."""
    live = await lived(CASES[name], WHOLE, tmp_path / "x.jsonl")
    assert '"changed"' in (tmp_path / "x.jsonl").read_text("utf-8")
    assert again(tmp_path / "x.jsonl") == live


# ------------------------------------------------------------------ values


def chunks_of(path: Path, *values: Any) -> Iterator[Any]:
    """Record values as the data of chunks, and read them again, lazily."""
    with ChunkRecorder(path, modes=["custom"]) as recorder:
        recorder.start()
        for value in values:
            recorder.feed(((), "custom", value() if callable(value) else value))
        recorder.close()
    (run,) = ChunkRecording.load(path).runs
    return (data for _, _, data in run.chunks())


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Iterator[Any]]:
    return lambda *values: chunks_of(tmp_path / "values.jsonl", *values)


Recorded = Callable[..., Iterator[Any]]


def test_metadata_and_messages_that_come_again_are_the_same_objects(recorded: Recorded) -> None:
    """The parser joins the chunks of a model by the identity of their metadata."""
    metadata, message = {"langgraph_node": "chat"}, AIMessage("hi", id="1")
    first, second, other = recorded((message, metadata), (message, metadata), (message, {"langgraph_node": "chat"}))
    assert first[0] is second[0] is other[0]
    assert first[1] is second[1]
    assert first[1] is not other[1]
    assert first[1] == other[1] == metadata


def test_an_id_that_a_message_gets_in_place_comes_with_the_next_chunk(recorded: Recorded) -> None:
    """LangGraph writes ids into messages that it has shown, and may never show the same object again."""
    message = HumanMessage("hi")

    def next_chunk() -> str:
        message.id = "late"
        return "next"

    chunks = recorded({"messages": [message]}, next_chunk)
    held = next(chunks)["messages"][0]
    assert held.id is None
    next(chunks)
    assert held.id == "late"


@dataclass
class Record:
    count: int


class Weather(BaseModel):
    city: str


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("held", "change"),
    [
        ([1, 2], lambda held: held.append(3)),
        ({"a": 1}, lambda held: held.update(a=True)),
        ({"a": 1, 2: 3}, lambda held: held.pop("a")),
        (AIMessage("old", id="1", name="x"), lambda held: vars(held).update(content="new", name=None)),
        (AIMessage([{"type": "text"}], id="1"), lambda held: held.content.clear()),
        ([(1, {"a": 1})], lambda held: held[0][1].clear()),
        ([Interrupt({"a": 1}, id="i")], lambda held: held[0].value.clear()),
        (Record(1), lambda held: setattr(held, "count", 2)),
        (Weather(city="Rome"), lambda held: setattr(held, "city", "Oslo")),
    ],
    ids=[
        "list",
        "dict",
        "dict with other keys",
        "message",
        "within a message",
        "in a tuple",
        "in an interrupt",
        "dataclass",
        "model",
    ],
)
def test_what_changes_in_place_changes_in_place(recorded: Recorded, held: Any, change: Any) -> None:
    held = deepcopy(held)
    chunks = recorded((held,), lambda: (change(held), (held, Interrupt(held, id="i")))[1], lambda: held)
    (first,) = next(chunks)
    before = repr(first)
    second = next(chunks)
    assert second[0] is second[1].value is first is next(chunks)
    assert before != repr(first)
    assert jsonable(first) == jsonable(held)


def test_what_changes_back_changes_back(recorded: Recorded) -> None:
    held = [1]
    chunks = recorded(held, lambda: held.append(2) or held, lambda: [held.pop(), held][1])
    assert [list(chunk) for chunk in chunks] == [[1], [1, 2], [1]]


def test_what_did_not_change_is_not_said_again(tmp_path: Path) -> None:
    shared, nan = {"deep": [AIMessage("hi", id="1")], "pair": (1, {})}, [float("nan")]
    shared["loop"] = shared
    list(chunks_of(tmp_path / "same.jsonl", shared, shared, nan, nan, {"new": shared}))
    text = (tmp_path / "same.jsonl").read_text("utf-8")
    assert text.count('"$ref"') == 4
    assert "$now" not in text
    assert '"tool_calls"' not in text


def test_a_value_inside_itself_is_read_as_one(recorded: Recorded) -> None:
    loop: list[Any] = [1]
    loop.append({"loop": loop})
    grown = loop.append
    first, second, third = recorded(loop, loop, lambda: grown(2) or loop)
    assert first is second is third
    assert first[1]["loop"] is first
    assert first[2] == 2


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"a": [1, 2.5, True, None, "é\n☃"]},
        (("a", ()), []),
        {"$ref": "#/$defs/Edit", "$id": 1, "plain": {"$plain": 1}},
        {1: "int", None: "none", "s": {True: 1}},
        Interrupt({"question": ("why?",)}, id="i-1"),
        Command(graph="__parent__", update={"a": (1,)}, goto=("x", Send("y", {"z": 1}))),
        Send("node", [AIMessage("hi", id="1")]),
        Overwrite([AIMessage("hi", id="1")]),
        AIMessageChunk(
            content="",
            id="1",
            tool_call_chunks=[{"name": "f", "args": '{"a"', "id": "c", "index": 0, "type": "tool_call_chunk"}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            chunk_position="last",
        ),
        ToolMessage("no", tool_call_id="c", id="t", status="error", artifact=(1, [2])),
    ],
)
def test_a_value_is_read_as_what_it_was(recorded: Recorded, value: Any) -> None:
    (read,) = recorded(value)
    assert type(read) is type(value)
    assert read == value


def test_a_message_holds_what_nobody_declared(recorded: Recorded) -> None:
    (read,) = recorded(HumanMessage("hi", id="1", extra_field=[1]))
    assert read.extra_field == [1]
    assert read == HumanMessage("hi", id="1", extra_field=[1])


class OwnMessage(AIMessage):
    """A message class that nobody else has."""

    mood: str = "good"


def test_a_message_of_a_class_of_ones_own_is_read_as_its_langchain_class(recorded: Recorded) -> None:
    (read,) = recorded(OwnMessage("hi", id="1"))
    assert type(read) is AIMessage
    assert (read.text, read.mood) == ("hi", "good")


@pytest.mark.parametrize("value", [Weather(city="Rome"), Record(1), Record(Weather(city="Oslo"))])
def test_a_model_is_read_as_a_dataclass_of_its_name(recorded: Recorded, value: Any) -> None:
    """A state may be one, and its messages keep their identity in it."""
    (read,) = recorded(value)
    assert is_dataclass(read)
    assert type(read).__name__ == type(value).__name__
    assert jsonable(read) == jsonable(value)


def test_a_model_with_fields_that_are_no_names_is_read_as_a_dict(recorded: Recorded) -> None:
    (read,) = recorded(Loose.model_validate({"the city": "Rome"}))
    assert read == {"the city": "Rome"}


def test_an_exception_keeps_its_class_name_and_loses_its_text(tmp_path: Path) -> None:
    (read,) = chunks_of(tmp_path / "error.jsonl", {"error": ValueError("key sk-1")})
    assert type(read["error"]).__name__ == "ValueError"
    assert "sk-1" not in (tmp_path / "error.jsonl").read_text("utf-8")


class Slow(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("not now")


@pytest.mark.parametrize(
    "value",
    [b"bytes", {1, 2}, {(1, 2): "pair"}, UUID(int=1), object(), Slow([1]), float("nan"), "\ud800", 10**5000, int],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_form_becomes_what_the_codec_makes_of_it(recorded: Recorded, value: Any) -> None:
    """So the events say the same, live and replayed."""
    (read,) = recorded([value])
    assert read == [jsonable(value)]


def test_a_deep_value_is_cut_where_the_codec_cuts_it(recorded: Recorded) -> None:
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    (read,) = recorded(deep)
    assert "$deep" in repr(read)


def test_an_interrupt_is_read_where_langgraph_has_no_schemas_yet() -> None:
    """A question for one call comes with a schema since 1.2; the parser reads it from any object."""
    form = {"$langgraph": "Interrupt", "value": 1, "id": "i", "schema_of_tomorrow": {"type": "object"}}
    read = ValueReader().read(form)
    assert (type(read).__name__, read.value, read.id) == ("Interrupt", 1, "i")
    assert read.schema_of_tomorrow == {"type": "object"}


def test_a_schema_that_is_a_class_is_left_out(recorded: Recorded) -> None:
    """The parser reads schemas that are mappings, and no others."""
    question = Interrupt("why?", id="i")
    if not hasattr(question, "response_schema"):
        pytest.skip("this LangGraph has no schemas")
    object.__setattr__(question, "response_schema", Weather)
    (read,) = recorded(question)
    assert (read.id, read.response_schema) == ("i", None)


# ------------------------------------------------------------------ recording a graph

THREAD = {"configurable": {"thread_id": "thread-1"}}


def say_yes(interrupts: Any) -> Any:
    return Command(resume={question.id: {"decisions": [{"type": "approve"}]} for question in interrupts})


@pytest.mark.parametrize("config", [THREAD, None], ids=["its thread", "a new thread"])
def test_the_turns_of_a_thread_are_recorded_in_a_row(tmp_path: Path, config: Any) -> None:
    recording = record_chunks(build_approval(0), ["Write to Ann", say_yes], tmp_path / "new" / "x.jsonl", config)
    first, second = replay_chunks(tmp_path / "new" / "x.jsonl")
    assert [run.cause for run in recording.runs] == ["message", "resume"]
    assert [events[-1].outcome for events in (first, second)] == ["interrupted", "complete"]
    assert [call.name for call in recording.runs[1].open_calls] == ["send_email"]
    assert check(second, open_calls=recording.runs[1].open_calls) == []
    assert first[0].thread_id == second[0].thread_id
    assert first[0].input == {"messages": [{"role": "user", "content": "Write to Ann"}]}
    assert second[0].input is None
    assert first[-1].checkpoint_id == second[0].checkpoint_id


@pytest.mark.parametrize("name", ["async_only", "token_stream", "interrupt_without_saver"])
def test_a_graph_is_recorded_sync_as_it_is_async(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    (told,) = replay_chunks(record_chunks(case.build(), [case.input], tmp_path / "x.jsonl", title="mine"))
    assert told[-1].outcome == case.ends[0]
    assert ChunkRecording.load(tmp_path / "x.jsonl").header.title == "mine"


async def test_more_modes_may_be_asked_for(tmp_path: Path) -> None:
    case = CASES["token_stream"]
    recording = await arecord_chunks(case.build(), [case.input], tmp_path / "x.jsonl", modes=["values"])
    assert recording.header.modes == [*MODES, "values"]
    (told,) = replay_chunks(recording, state=True)
    assert any(isinstance(event, StateSnapshot) for event in told)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_what_the_graph_raises_ends_its_run_and_the_next_one_goes_on(
    sync: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case, path = CASES["error_mid_stream"], tmp_path / "x.jsonl"
    recording = record_chunks(case.build(), [case.input, None], path) if sync else await record_case(case, path)
    assert [(run.cause, run.end, run.error) for run in recording.runs] == [
        ("message", "fail", "RuntimeError"),
        ("continue", "fail", "RuntimeError"),
    ]
    assert [events[-1].error.code for events in replay_chunks(recording)] == ["RuntimeError", "RuntimeError"]
    assert [str(run.exception) for run in recording.runs] == ["the model died"] * 2
    assert [type(record.exc_info[1]) for record in caplog.records] == [RuntimeError] * 2
    assert caplog.messages == ["a run that is recorded raised RuntimeError"] * 2
    assert [run.exception for run in ChunkRecording.load(path).runs] == [None, None]


def test_a_run_that_somebody_stops_is_kept_as_stopped(tmp_path: Path) -> None:
    class Stopped(BaseException): ...

    case = CASES["token_stream"]

    def chunks() -> Iterator[Any]:
        yield from case.build().stream(case.input, stream_mode=MODES, subgraphs=True)
        raise Stopped

    with pytest.raises(Stopped), ChunkRecorder(tmp_path / "x.jsonl", modes=MODES) as recorder:
        recorder.start()
        for chunk in chunks():
            recorder.feed(chunk)
    (run,) = ChunkRecording.load(tmp_path / "x.jsonl").runs
    assert run.end == "cancel"
    assert list(run.events())[-1].outcome == "cancelled"


@pytest.mark.parametrize(
    ("graph", "inputs", "error", "complaint"),
    [
        (object(), ["hi"], UnsupportedGraph, "expected a compiled LangGraph graph"),
        (None, "hi", UsageError, "inputs came as a str: expected a list with one input for each turn"),
    ],
)
def test_what_cannot_be_run_leaves_no_file(
    graph: Any, inputs: Any, error: type[Exception], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=complaint):
        record_chunks(graph, inputs, tmp_path / "x.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("place", ["folder", "file/x.jsonl"])
async def test_a_path_that_cannot_be_written_is_noticed_before_the_agent_runs(
    sync: bool, place: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine", "utf-8")
    called: list[Any] = []
    agent = build_approval(0)
    inputs = [lambda _interrupts: called.append(1)]
    with pytest.raises(OSError, match=place.partition("/")[0]):
        _ = (
            record_chunks(agent, inputs, tmp_path / place)
            if sync
            else await arecord_chunks(agent, inputs, tmp_path / place)
        )
    assert called == []
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_a_file_that_is_there_stays_until_something_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("mine", "utf-8")
    with pytest.raises(UnsupportedGraph):
        record_chunks(object(), ["hi"], tmp_path / "x.jsonl")  # type: ignore[arg-type]
    assert (tmp_path / "x.jsonl").read_text("utf-8") == "mine"
    record_chunks(build_approval(0), ["hi"], tmp_path / "x.jsonl")
    assert len(ChunkRecording.load(tmp_path / "x.jsonl").runs) == 1


@pytest.mark.parametrize("modes", ["message", ["updates", "task"]])
def test_modes_that_langgraph_does_not_have_are_refused(modes: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"LangGraph has no stream mode '(message|task)': expected some of values, "):
        ChunkRecorder(tmp_path / "x.jsonl", modes=modes)


def test_every_mode_of_langgraph_is_known() -> None:
    assert set(get_args(StreamMode)) <= set(_MODES)


def test_a_chunk_of_a_mode_that_is_unknown_is_kept_as_the_raw_event_that_it_is(tmp_path: Path) -> None:
    with ChunkRecorder(tmp_path / "x.jsonl", modes=["custom"]) as recorder:
        recorder.start()
        recorder.feed(((), "novel", 1))
        recorder.close()
    ((_, raw, _),) = replay_chunks(recorder.load())
    assert (raw.mode, raw.data) == ("novel", 1)


class Figure:
    """An object of another library, which says how it is shown."""

    def _repr_html_(self) -> str:
        return "<b>7</b>"


def test_what_a_live_object_shows_is_not_in_a_replay(tmp_path: Path) -> None:
    """The one difference between a live stream and its replay: nobody is there to be asked."""
    result = ToolMessage("ok", tool_call_id="c", id="t", name="display_inline", artifact=Figure())
    chunk = ((), "updates", {"tools": {"messages": [result]}})
    left = {"modes": ["updates"], "open_calls": [OpenCall(id="c", name="display_inline", call_id="c")]}
    with ChunkRecorder(tmp_path / "x.jsonl", modes=["updates"]) as recorder:
        recorder.start(open_calls=left["open_calls"])
        recorder.feed(chunk)
        recorder.close()
    live = list(StreamParser(subgraphs=True, **left).parse([chunk]))
    (told,) = replay_chunks(recorder.load())
    assert [type(event).__name__ for event in live] == ["TurnStart", "ToolResult", "Display", "TurnEnd"]
    assert [type(event).__name__ for event in told] == ["TurnStart", "ToolResult", "TurnEnd"]


def test_a_recorder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with ChunkRecorder(tmp_path / "x.jsonl", modes=MODES) as recorder:
        with pytest.raises(UsageError, match="no run is being recorded: begin it with start"):
            recorder.feed(((), "custom", 1))
        recorder.start()
        with pytest.raises(UsageError, match="a run is being recorded: end it"):
            recorder.start()


def test_the_parser_is_given_again_what_it_was_given(tmp_path: Path) -> None:
    known, call = HumanMessage("before", id="h"), OpenCall(id="c", name="f", call_id="c", lane=("a:1",), args={"x": 1})
    with ChunkRecorder(tmp_path / "x.jsonl", modes="updates", subgraphs=False) as recorder:
        recorder.start(turn_id="turn", cause="continue", checkpoint_id="cp", history=[known], open_calls=[call])
        recorder.feed({"node": {"messages": [known]}})
        recorder.close(open_interrupts=[Interrupt("why?", id="i")], paused=["node"], checkpoint_id="end")
    recording = ChunkRecording.load(tmp_path / "x.jsonl")
    assert recording.runs[0].open_calls == (call,)
    assert list(recording.runs[0].chunks()) == [{"node": {"messages": [known]}}]
    (events,) = replay_chunks(recording)
    assert (events[0].turn_id, events[0].cause, events[0].checkpoint_id) == ("turn", "continue", "cp")
    assert isinstance(end := events[-1], TurnEnd)
    assert (end.outcome, end.interrupts, end.checkpoint_id, end.open_calls) == ("interrupted", ("i",), "end", (call,))
    assert "before" not in repr(events)


@pytest.mark.parametrize(
    "chunk",
    [("updates", {"node": None}), (("a:1",), {"node": None}), (((1,), "x", 2)), [], "text", None],
    ids=["mode", "lane", "custom data", "list", "text", "nothing"],
)
def test_a_chunk_of_another_shape_is_kept_as_it_is(chunk: Any, tmp_path: Path) -> None:
    with ChunkRecorder(tmp_path / "x.jsonl", modes="custom") as recorder:
        recorder.start()
        recorder.feed(chunk)
        recorder.close()
    (run,) = ChunkRecording.load(tmp_path / "x.jsonl").runs
    assert list(run.chunks()) == [chunk]


# ------------------------------------------------------------------ broken files

HEAD = (
    '{"format":"langwire.chunks","version":1,"title":"","modes":["custom"],"subgraphs":true,'
    '"libraries":{},"python":"3.11.0"}'
)
START, END = '{"start":"message","turn_id":"t"}', '{"end":"close"}'


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "line 1"),
        (["no json"], "line 1"),
        (['{"format":"langwire.log","version":1}'], "line 1 .* expected the format 'langwire.chunks'"),
        (['{"format":"langwire.chunks","version":2}'], "version 2 .* in line 1: expected 1"),
        (['{"format":"langwire.chunks","version":1}'], "line 1 .*missing required field"),
        ([HEAD, START, '{"chunk":' + "[" * 100_000, END], "line 3"),
        ([HEAD, START, '{"lane":[],"mode":"custom"}', END], "line 3 .*missing required field `data`"),
        ([HEAD, START, '{"lane":"x","mode":"custom","data":1}', END], r"line 3 .*\$.lane"),
        ([HEAD, START, '{"end":"sideways"}'], "line 3 .*sideways"),
        ([HEAD.replace("custom", "task"), START, END], "line 1 .*LangGraph has no stream mode 'task', only values, "),
        ([HEAD.replace('["custom"]', '"x"'), START, END], "line 1 .*LangGraph has no stream mode 'x'"),
        ([HEAD, START, '{"lane":[],"mode":"task","data":1}', END], "line 3 .*LangGraph has no stream mode 'task'"),
        ([HEAD, START, "", '{"lane":[],"mode":"messages","data":null}', END], "line 4 .*cannot read"),
        ([HEAD, '{"lane":[],"mode":"custom","data":1}'], "line 2 .*no run has started"),
        ([HEAD, START, START], "line 3 .*starts before the one before it has ended"),
        ([HEAD, START, "", '{"lane":[],"mode":"custom","data":1}'], "line 4 .*ends before its last run does"),
        (
            [HEAD, START, '{"lane":[],"mode":"custom","data":{"$ref":7}}', END],
            r"line 3 .*nothing before it has the \$id 7",
        ),
        ([HEAD, START, '{"lane":[],"mode":"custom","data":{"$soon":7}}', END], r"line 3 .*the mark \$soon is unknown"),
        ([HEAD, START, '{"chunk":{"$message":"Nobody"}}', END], "line 3 .*no message class Nobody"),
        ([HEAD, START, '{"chunk":{"$message":"trim_messages"}}', END], "line 3 .*no message class trim_messages"),
        ([HEAD, START, '{"chunk":{"$langgraph":"Interrupt"}}', END], "line 3 .*value"),
        ([HEAD, START, '{"end":"close","open_interrupts":{"$tuple":5}}'], "line 3 .*not iterable"),
        ([HEAD, '{"start":"message","turn_id":"t","input":{"$ref":1}}', END], "line 2 .*nothing before it"),
    ],
)
def test_a_broken_file_is_refused_by_the_number_of_its_line(lines: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(StreamError, match=complaint) as refused:
        replay_chunks(tmp_path / "broken.jsonl")
    assert "\n" not in str(refused.value)


def test_a_library_that_is_not_installed_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langwire.testing._chunk_files._LIBRARIES", ("langgraph", "no-such-library"))
    with ChunkRecorder(tmp_path / "x.jsonl", modes=MODES):
        pass
    assert ChunkRecording.load(tmp_path / "x.jsonl").header.libraries.keys() == {"langgraph"}


def test_a_file_may_hold_no_run_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text(HEAD, "utf-8")
    assert replay_chunks(tmp_path / "empty.jsonl") == []


# ------------------------------------------------------------------ the command


def test_the_command_records_cases_by_the_version_of_langgraph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langwire.testing.recordings.available", lambda case: case.name != "media")
    main(["record", "--out", str(tmp_path), "token_stream", "media"])
    (folder,) = tmp_path.iterdir()
    (path,) = folder.iterdir()
    recording = ChunkRecording.load(path)
    assert (folder.name, path.name) == (recording.header.libraries["langgraph"], "token_stream.jsonl")
    assert recording.header.title == "token_stream"
    said = capsys.readouterr().out
    assert f"{path}: {path.stat().st_size} bytes" in said
    assert "media: left out" in said


def test_the_command_names_a_case_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "--out", "nowhere", "nonsense"])
    assert "no case of the corpus is named nonsense" in capsys.readouterr().err


def test_the_command_asks_for_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record"])
    assert "required: --out" in capsys.readouterr().err


def test_every_case_that_is_recorded_by_default_exists() -> None:
    assert set(RECORDED) <= CASES.keys()
    assert len(set(RECORDED)) == len(RECORDED)


async def test_a_case_is_recorded_with_all_its_turns(tmp_path: Path) -> None:
    case = CASES["partial_resume"]
    recording = await record_case(case, tmp_path / "x.jsonl")
    assert [events[-1].outcome for events in replay_chunks(recording)] == list(case.ends)
