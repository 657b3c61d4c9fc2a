"""Knows how real chunk streams are recorded, from any graph and from the corpus, and how they are replayed.

`langwire.testing._chunk_files` has the format. `python -m langwire.testing.recordings record --out DIR` records cases
of the corpus with the LangGraph that is installed, each into `DIR/<its version>/<case>.jsonl`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias, cast

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langwire.errors import UsageError
from langwire.events import Event
from langwire.sessions.graph import (
    MODES,
    Call,
    ExtraMode,
    Graph,
    Standing,
    arun_chunks,
    astanding_after,
    astanding_before,
    prepare,
    run_chunks,
    runs_async_only,
    standing_after,
    standing_before,
)
from langwire.testing._chunk_files import ChunkRecorder, ChunkRecording, ChunkRun, FileName
from langwire.testing.corpus import CASES, Case, available

__all__ = [
    "RECORDED",
    "ChunkRecorder",
    "ChunkRecording",
    "ChunkRun",
    "arecord_chunks",
    "main",
    "record_case",
    "record_chunks",
    "replay_chunks",
]

logger = logging.getLogger("langwire")

Follow: TypeAlias = Callable[[Sequence[Any]], Any]
"""Returns the input of the next turn, given the interrupts that are open."""


def record_chunks(
    graph: Graph,
    inputs: Sequence[Any | Follow],
    path: FileName,
    config: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    modes: Sequence[ExtraMode] = (),
    **kwargs: Any,
) -> ChunkRecording:
    """Run the turns of one thread and keep their chunks in a file.

    `inputs` has one input a turn, each as `langwire.stream` takes it, or a function of the open interrupts that
    returns it. `config` and `modes` are those of `stream`, further keywords go to the graph. What the graph raises
    becomes the end of its run and is not raised, but logged and kept: see `ChunkRun.exception`. Returns the recording,
    read again from the file.

    Raises `UnsupportedGraph`, `InvalidInput` or `UsageError` for what cannot be run, and `OSError` for a path that
    cannot be written, before anything runs.
    """
    in_loop = runs_async_only(graph)
    with ChunkRecorder(path, modes=[*MODES, *modes], title=title) as recorder:
        standing = Standing()
        for given in _turns(inputs):
            call = _call(graph, given, standing, config, modes, kwargs)
            config = call.config
            _start(recorder, call, standing_before(call, in_loop=in_loop))
            try:
                with closing(cast("Any", run_chunks(call, in_loop=in_loop))) as chunks:
                    for chunk in chunks:
                        recorder.feed(chunk)
            except Exception as error:
                _fail(recorder, error)
            standing = standing_after(call, in_loop=in_loop)
            if recorder.recording:
                recorder.close(**standing.ending())
    return recorder.load()


async def arecord_chunks(
    graph: Graph,
    inputs: Sequence[Any | Follow],
    path: FileName,
    config: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    modes: Sequence[ExtraMode] = (),
    **kwargs: Any,
) -> ChunkRecording:
    """Run the turns of one thread and keep their chunks in a file: `record_chunks`, async."""
    with ChunkRecorder(path, modes=[*MODES, *modes], title=title) as recorder:
        standing = Standing()
        for given in _turns(inputs):
            call = _call(graph, given, standing, config, modes, kwargs)
            config = call.config
            _start(recorder, call, await astanding_before(call))
            try:
                async with aclosing(arun_chunks(call)) as chunks:
                    async for chunk in chunks:
                        recorder.feed(chunk)
            except Exception as error:
                _fail(recorder, error)
            standing = await astanding_after(call)
            if recorder.recording:
                recorder.close(**standing.ending())
    return recorder.load()


def _turns(inputs: Any) -> Sequence[Any]:
    if isinstance(inputs, list | tuple):
        return cast("Sequence[Any]", inputs)
    raise UsageError(f"inputs came as a {type(inputs).__name__}: expected a list with one input for each turn")


def _call(
    graph: Graph,
    given: Any,
    standing: Standing,
    config: Mapping[str, Any] | None,
    modes: Sequence[ExtraMode],
    kwargs: dict[str, Any],
) -> Call:
    if callable(given):
        given = given(standing.open_interrupts or ())
    return prepare(graph, given, config, modes=modes, extractors=(), kwargs=kwargs)


def _start(recorder: ChunkRecorder, call: Call, before: Standing) -> None:
    recorder.start(
        thread_id=call.thread_id,
        cause=call.cause,
        checkpoint_id=before.checkpoint_id,
        input=None if isinstance(call.input, Command) else call.input,
        open_calls=before.open_calls,
    )


def _fail(recorder: ChunkRecorder, error: Exception) -> None:
    logger.warning("a run that is recorded raised %s", type(error).__name__, exc_info=error)
    recorder.fail(error)


def replay_chunks(recording: ChunkRecording | FileName, **options: Any) -> list[list[Event]]:
    """Return the events of a recording, a list for each turn.

    Takes a recording or the path of its file. `options` are further arguments of `StreamParser`, such as
    `state=True`. Raises `StreamError` for a file that cannot be read.
    """
    if not isinstance(recording, ChunkRecording):
        recording = ChunkRecording.load(recording)
    return [list(run.events(**options)) for run in recording.runs]


# ------------------------------------------------------------------ the command

RECORDED = (
    "plain_chat",
    "token_stream",
    "handmade_messages",
    "custom_writer",
    "cached_node",
    "tool_call_streamed",
    "parallel_tools",
    "tool_commands",
    "thinking",
    "openai_reasoning_summary",
    "provider_id",
    "subgraph_deep",
    "graph_in_a_tool",
    "handoff_to_parent",
    "interrupt_in_parallel_tools",
    "partial_resume",
    "replayed_sibling",
    "hitl_edit_and_reject",
    "hitl_per_call_edit_and_respond",
    "error_mid_stream",
    "error_while_waiting",
    "retried",
    "summarised",
    "overwrite_messages",
    "remove_by_id",
    "structured_response",
    "functional_messages",
    "deepagents_subagents",
)
"""The cases of the corpus that are recorded when none is named."""


async def record_case(case: Case, path: FileName) -> ChunkRecording:
    """Record all turns of a case of the corpus in a file."""
    inputs = [case.input, *[case.follow] * (len(case.ends) - 1)]
    config = {"configurable": {"thread_id": "thread-1"}}
    return await arecord_chunks(case.build(InMemorySaver()), inputs, path, config, title=case.name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record cases of the corpus: `python -m langwire.testing.recordings record --out DIR [CASE …]`."""
    parser = ArgumentParser(prog="python -m langwire.testing.recordings", description="Chunk recordings of the corpus.")
    record = parser.add_subparsers(required=True).add_parser("record", help="run cases and keep their chunks")
    record.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to; a folder for each LangGraph")
    record.add_argument("cases", nargs="*", metavar="CASE", help="default: a choice of all shapes")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.cases) - CASES.keys())
    if unknown:
        parser.error(f"no case of the corpus is named {', '.join(unknown)}: see langwire.testing.CASES")
    folder = asked.out / version("langgraph")
    for name in asked.cases or RECORDED:
        if not available(CASES[name]):
            sys.stdout.write(f"{name}: left out, it needs {CASES[name].needs}\n")
            continue
        path = folder / f"{name}.jsonl"
        asyncio.run(record_case(CASES[name], path))
        sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
