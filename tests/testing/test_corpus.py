"""The corpus runs as it says, on the LangGraph that is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from langgraph.types import Overwrite

from langwire.testing import CASES, Case, Next, available

MODES = ["messages", "updates", "tasks", "custom", "values"]


class Chunk(NamedTuple):
    mode: str
    lane: tuple[str, ...]
    data: Any


class Run(NamedTuple):
    chunks: list[Chunk]
    error: Exception | None

    def of(self, mode: str) -> list[Any]:
        return [chunk.data for chunk in self.chunks if chunk.mode == mode]

    def updates(self, node: str) -> list[Any]:
        return [data[node] for data in self.of("updates") if node in data]

    def said(self) -> list[str]:
        return [message.text for message, _ in self.of("messages") if message.text]

    def open(self) -> list[Any]:
        """The questions of the root graph, once each."""
        asked = [chunk.data.get("__interrupt__", ()) for chunk in self.chunks if chunk.mode == "updates"]
        return list({question.id: question for questions in asked for question in questions}.values())

    def stopped(self) -> bool:
        return any(data.get("__interrupt__") == () for data in self.of("updates"))


def told(chunk: Any, version: str) -> Chunk:
    if version == "v2":
        return Chunk(chunk["type"], chunk["ns"], chunk["data"])
    lane, mode, data = chunk
    return Chunk(mode, lane, data)


async def runs_of(
    case: Case, *, version: str = "v1", sync: bool = False, modes: list[str] = MODES
) -> tuple[list[Run], list[str]]:
    graph = case.build()
    config: Any = {"configurable": {"thread_id": "thread-1"}}
    options: Any = {"stream_mode": modes, "subgraphs": True, "version": version}
    runs: list[Run] = []
    ends: list[str] = []
    for number in range(len(case.ends)):
        given = case.follow(runs[-1].open()) if number else case.input
        chunks: list[Chunk] = []
        error = None
        try:
            if sync:
                chunks.extend(told(chunk, version) for chunk in graph.stream(given, config, **options))
            else:
                async for chunk in graph.astream(given, config, **options):
                    chunks.append(told(chunk, version))
        except Exception as raised:
            error = raised
        runs.append(Run(chunks, error))
        ends.append(_end(runs[-1], graph, config))
    return runs, ends


def _end(run: Run, graph: Any, config: Any) -> str:
    if run.error:
        return "error"
    paused = run.open() or (run.stopped() and graph.get_state(config).next)
    return "interrupted" if paused else "complete"


def needed(name: str) -> Case:
    case = CASES[name]
    if not available(case):
        pytest.skip(f"needs {case.needs}")
    return case


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name", sorted(CASES))
async def test_a_case_runs_to_its_ends(name: str, version: str, sync: bool) -> None:
    case = needed(name)
    if sync and case.async_only:
        pytest.skip("runs async only")
    runs, ends = await runs_of(case, version=version, sync=sync)
    assert ends == list(case.ends), [run.error for run in runs]
    assert case.expect_error == any(run.error for run in runs)
    assert all(run.chunks for run in runs)


@pytest.mark.parametrize("name", sorted(CASES))
async def test_a_case_says_the_same_each_time(name: str) -> None:
    """Ids are new in each run and parallel branches may take turns otherwise; what is said is not."""
    case = needed(name)
    first, _ = await runs_of(case)
    second, _ = await runs_of(case)
    assert [sorted(run.said()) for run in first] == [sorted(run.said()) for run in second]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_says_in_one_line_what_it_shows(name: str) -> None:
    case = CASES[name]
    assert case.name == name
    assert case.about
    assert "\n" not in case.about


# ------------------------------------------------------------------ the shapes themselves


async def test_two_commands_of_one_tool_node_come_as_a_list() -> None:
    """W18: readers that expect a dict here miss both results."""
    runs, _ = await runs_of(CASES["tool_commands"])
    (update,) = runs[0].updates("tools")
    assert isinstance(update, list)
    assert len(update) == 2


async def test_a_channel_written_twice_comes_as_a_list() -> None:
    """W18."""
    runs, _ = await runs_of(CASES["channel_written_twice"])
    assert [len(update) for update in runs[0].updates("node")] == [2]


async def test_overwritten_messages_come_wrapped() -> None:
    """F-P4: the wrapper stands where a list of messages is expected."""
    runs, _ = await runs_of(CASES["overwrite_messages"])
    assert isinstance(runs[0].updates("clear")[0]["messages"], Overwrite)


async def test_a_question_in_a_subgraph_is_told_on_every_level() -> None:
    """F-P4, W12: the same id in two lanes is one question."""
    runs, _ = await runs_of(CASES["interrupt_in_subgraph"])
    asked = [(chunk.lane, chunk.data["__interrupt__"][0].id) for chunk in runs[0].chunks if chunk.mode == "updates"]
    assert sorted(len(lane) for lane, _ in asked) == [0, 1]
    assert len({question for _, question in asked}) == 1


@pytest.mark.parametrize("name", ["interrupt_parallel", "interrupt_in_parallel_tools", "hitl_per_call"])
async def test_parallel_questions_have_ids_of_their_own(name: str) -> None:
    """W11, W14: one answer cannot serve both."""
    runs, _ = await runs_of(needed(name))
    assert len(runs[0].open()) == 2


async def test_text_stands_in_the_chunk_that_opens_a_call() -> None:
    """W17: the chunk must not be dropped for its call."""
    runs, _ = await runs_of(CASES["text_beside_fragment"])
    beside = [message.text for message, _ in runs[0].of("messages") if getattr(message, "tool_call_chunks", None)]
    assert beside[0] == "check now."


async def test_a_raising_tool_leaves_its_call_open() -> None:
    """W19: no result ever comes."""
    runs, _ = await runs_of(CASES["tool_raises"])
    assert not any(message.type == "tool" for message, _ in runs[0].of("messages"))


@pytest.mark.parametrize("name", ["plain_chat", "finished_call", "finished_blocks"])
async def test_a_model_that_cannot_stream_tells_finished_messages(name: str) -> None:
    """W16: no chunk comes before them."""
    runs, _ = await runs_of(CASES[name])
    kinds = {type(message).__name__ for message, _ in runs[0].of("messages")}
    assert "AIMessage" in kinds
    assert all(message.type != "AIMessageChunk" or message.text == "done" for message, _ in runs[0].of("messages"))


async def test_the_trailing_chunk_of_a_named_message_has_another_id() -> None:
    runs, _ = await runs_of(CASES["provider_id"])
    *_, before, last = [message.id for message, _ in runs[0].of("messages")]
    assert before == "msg_4"
    assert last.startswith("lc_run--")


@pytest.mark.parametrize("name", ["two_models_in_a_node", "parallel_streams"])
async def test_parallel_models_take_turns(name: str) -> None:
    runs, _ = await runs_of(CASES[name])
    sides = [text[0] for text in runs[0].said()]
    changes = sum(one != other for one, other in pairwise(sides))
    assert sorted(sides) == ["l", "l", "l", "r", "r", "r"]
    assert changes > 1


@pytest.mark.parametrize(
    ("name", "kept"), [("retried", "second try"), ("fallback", "second model"), ("said_again", "told twice")]
)
async def test_a_discarded_message_is_told_but_not_kept(name: str, kept: str) -> None:
    runs, _ = await runs_of(CASES[name])
    final = runs[0].of("values")[-1]["messages"][-1]
    ids = {message.id for message, _ in runs[0].of("messages")}
    assert len(ids) == 2
    assert final.id in ids
    assert final.text == kept


@pytest.mark.parametrize(("name", "node", "at"), [("cached_node", "chat", 1), ("replayed_sibling", "talk", 1)])
async def test_saved_writes_are_marked_as_cached(name: str, node: str, at: int) -> None:
    runs, _ = await runs_of(CASES[name])
    marks = [data.get("__metadata__") for data in runs[at].of("updates") if node in data]
    assert marks == [{"cached": True}]


async def test_parallel_lanes_share_a_message_id() -> None:
    runs, _ = await runs_of(CASES["parallel_same_ids"])
    lanes = {chunk.lane for chunk in runs[0].chunks if chunk.mode == "messages" and chunk.data[0].id == "fixed-1"}
    assert len(lanes) == 2
    assert len(runs[0].of("values")[-1]["messages"]) == 2


async def test_a_graph_in_a_tool_has_a_lane_for_each_call() -> None:
    """The parent's task start names the call whose lane it opens."""
    runs, _ = await runs_of(CASES["graph_in_a_tool"])
    pushed = {data["id"]: data["input"] for data in runs[0].of("tasks") if data["name"] == "tools" and "input" in data}
    deeper = {chunk.lane[0] for chunk in runs[0].chunks if chunk.lane}
    calls = {f"tools:{task}": given[0]["id"] for task, given in pushed.items() if isinstance(given, list)}
    assert sorted(calls[lane] for lane in deeper) == ["call_a", "call_b"]


async def test_a_deep_subgraph_has_a_lane_of_two() -> None:
    runs, _ = await runs_of(CASES["subgraph_deep"])
    assert max(len(chunk.lane) for chunk in runs[0].chunks if chunk.mode == "messages") == 2


@pytest.mark.parametrize(
    ("name", "answer"), [("answered_none", "None"), ("answered_false", "False"), ("answered_zero", "0")]
)
async def test_a_falsy_answer_arrives(name: str, answer: str) -> None:
    runs, _ = await runs_of(CASES[name])
    assert runs[-1].of("values")[-1]["messages"][-1].text == f"answer={answer}"


async def test_a_breakpoint_after_the_last_node_stops_nothing() -> None:
    runs, ends = await runs_of(CASES["breakpoint_after_last"])
    assert runs[0].stopped()
    assert ends == ["complete"]


async def test_a_tool_streams_its_output_in_tools_mode() -> None:
    runs, _ = await runs_of(needed("tool_output_delta"), modes=[*MODES, "tools"])
    deltas = [data["delta"] for data in runs[0].of("tools") if data["event"] == "tool-output-delta"]
    assert deltas == ["one ", "two"]


async def test_the_custom_stream_carries_any_value() -> None:
    runs, _ = await runs_of(CASES["custom_writer"])
    assert [type(data) for data in runs[0].of("custom")] == [dict, str, list, tuple, type(None)]


def _structured(run: Run) -> bool:
    answer = run.of("values")[-1]["structured_response"]
    return (answer.city, answer.celsius) == ("Rome", 30)


def _edited(run: Run) -> bool:
    results = [message for message in run.of("values")[-1]["messages"] if message.type == "tool"]
    return {result.status for result in results} == {"success", "error"} and any("Milan" in r.text for r in results)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("structured_response", _structured),
        ("hitl_edit_and_reject", _edited),
        ("create_agent_todos", lambda run: len(run.of("values")[-1]["todos"]) == 2),
        ("create_agent_named", lambda run: run.of("messages")[0][1]["lc_agent_name"] == "weather_agent"),
        ("create_agent_summary", lambda run: "the gist" in run.of("values")[-1]["messages"][0].text),
        ("deepagents_subagents", lambda run: len({chunk.lane for chunk in run.chunks if chunk.lane}) == 2),
    ],
)
async def test_an_agent_shows_what_it_is_for(name: str, holds: Callable[[Run], bool]) -> None:
    runs, _ = await runs_of(needed(name))
    assert holds(runs[-1])


# ------------------------------------------------------------------ the case itself


def test_a_case_that_pauses_gets_a_checkpointer_and_takes_yours() -> None:
    mine = CASES["interrupt_single"].build().checkpointer
    assert mine is not None
    assert CASES["interrupt_single"].build(mine).checkpointer is mine
    assert CASES["token_stream"].build().checkpointer is None
    assert CASES["token_stream"].build(mine).checkpointer is mine


def test_a_case_names_the_input_of_its_next_run() -> None:
    assert CASES["breakpoint_before"].resume is Next.CONTINUE
    assert CASES["breakpoint_before"].follow(()) is None
    assert CASES["cached_node"].follow(()) is CASES["cached_node"].input
    assert CASES["interrupt_single"].follow(()).resume == "yes"


def test_a_case_whose_library_is_missing_is_not_available() -> None:
    def needs(spec: str) -> bool:
        return available(replace(CASES["token_stream"], needs=spec))

    assert needs("")
    assert needs("json:JSONDecoder.decode")
    assert not needs("json:JSONDecoder.nothing")
    assert not needs("no_such_module:x")
