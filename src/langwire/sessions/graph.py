"""Knows how to call a LangGraph graph: which modes to ask for, which input it takes, what its checkpoint says.

No other file runs a graph; `_past` reads what its checkpoints hold. A turn runs in four steps: read where the
thread stands, start the parser with it, feed it the run's chunks, read where the thread stands now and end it.

The graph is asked for v1 chunks with a list of modes and `subgraphs=True`: one shape, `(lane, mode, data)`, that
local and remote graphs of every supported version yield alike, and the cheapest to read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from copy import copy
from dataclasses import dataclass, replace
from functools import cache, partial
from inspect import signature
from itertools import count
from time import time_ns
from typing import Any, Literal, Protocol, cast, runtime_checkable
from uuid import uuid4

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langwire.core._guards import is_mapping
from langwire.core._states import open_calls_of
from langwire.core._updates import as_messages
from langwire.core.built_ins import BUILT_INS
from langwire.core.extractors import Extractor, Extractors, ToolUse
from langwire.core.interrupts import resume_map
from langwire.core.parser import StreamParser
from langwire.core.transcript import TurnResult
from langwire.errors import InvalidInput, UnsupportedGraph, UsageError
from langwire.events import Cause, Entry, Event, Interrupt, Lane, OpenCall
from langwire.sessions._bridges import iterate_in_loop, iterate_in_thread, run_in_loop

ExtraMode = Literal["values", "checkpoints", "debug", "tools"]

MODES = ("messages", "updates", "tasks", "custom")
_EXTRA_MODES = frozenset({"values", "checkpoints", "debug", "tools"})
_OURS = frozenset({"stream_mode", "subgraphs", "version"})

logger = logging.getLogger("langwire")


@runtime_checkable
class Graph(Protocol):
    """What can be streamed: a compiled LangGraph graph, an entrypoint, a `RemoteGraph`."""

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]: ...
    def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]: ...
    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any: ...
    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any: ...


class Sink(Protocol):
    """Takes the entries of a turn one by one, and does IO with them."""

    def handle(self, entry: Entry, /) -> None: ...


def stream(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    state: bool = False,
    modes: Sequence[ExtraMode] = (),
    skip_tools: Iterable[str] = (),
    extractors: Iterable[Extractor] | Extractor = BUILT_INS,
    raise_errors: bool = True,
    **kwargs: Any,
) -> Iterator[Event]:
    """Run one turn of a graph and yield its events, tokens as they come.

    `input` is a plain string, a message or a list of messages, whatever else the graph takes, a `Command`, or
    None to go on from a checkpoint. `state=True` also tells snapshots and changes of the state. `modes` asks for
    more stream modes. `skip_tools` names tools that are not shown, `extractors` read todos, displays and the like out
    of what tools did. `config` and all further keywords (`context`, `durability`, …) go to the graph as they are. A
    graph that only runs async is driven by an event loop in a thread of its own. A graph with a checkpointer and no
    `thread_id` gets a new thread.

    What the graph raises is raised after the turn has ended with `TurnEnd(outcome="error")`, unless
    `raise_errors=False`. On Ctrl-C the turn ends as `cancelled`, then `KeyboardInterrupt` is raised. Raises
    `UnsupportedGraph`, `InvalidInput` or `UsageError` at once for what cannot be run.
    """
    call = prepare(
        graph, input, config, state=state, modes=modes, skip_tools=skip_tools, extractors=extractors, kwargs=kwargs
    )
    return _events(call, raise_errors=raise_errors)


def astream(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    state: bool = False,
    modes: Sequence[ExtraMode] = (),
    skip_tools: Iterable[str] = (),
    extractors: Iterable[Extractor] | Extractor = BUILT_INS,
    raise_errors: bool = True,
    **kwargs: Any,
) -> AsyncIterator[Event]:
    """Run one turn of a graph and yield its events: `stream`, async.

    A graph whose checkpointer only works sync is driven in worker threads. When the caller is cancelled, the run
    is stopped and the cancel passes through at once, without a `TurnEnd`.
    """
    call = prepare(
        graph, input, config, state=state, modes=modes, skip_tools=skip_tools, extractors=extractors, kwargs=kwargs
    )
    return _aevents(call, raise_errors=raise_errors)


def run(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    adapter: Sink | None = None,
    raise_errors: bool = True,
    **kwargs: Any,
) -> TurnResult:
    """Run one turn to its end and return what came of it: text, calls, usage, outcome.

    `adapter` sees every event as it comes. Keywords are those of `stream`. With `raise_errors=False` the graph's
    own exception is kept in `result.exception`. Inside a running event loop it raises `UsageError`: use `arun` there.
    """
    _refuse_in_a_loop()
    transcript, tell = _folding(adapter)
    try:
        with closing(cast("Any", stream(graph, input, config, **kwargs))) as events:
            for event in events:
                tell(event)
    except Exception as error:
        if raise_errors or transcript.outcome != "error":
            raise
        transcript.exception = error
    return transcript


async def arun(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    adapter: Sink | None = None,
    raise_errors: bool = True,
    **kwargs: Any,
) -> TurnResult:
    """Run one turn to its end and return what came of it: `run`, async."""
    transcript, tell = _folding(adapter)
    try:
        async with aclosing(cast("Any", astream(graph, input, config, **kwargs))) as events:
            async for event in events:
                tell(event)
    except Exception as error:
        if raise_errors or transcript.outcome != "error":
            raise
        transcript.exception = error
    return transcript


def resume_command(interrupts: Sequence[Interrupt], answers: Mapping[str, Any]) -> Command[Any]:
    """Return the `Command` that answers interrupts, keyed by interrupt id; some may stay unanswered.

    `answers` maps an interrupt's id to a decision (`approve`, `edit`, `reject`, `respond`), to a list of them, one
    for each action, or to any value for a plain `interrupt(…)`. Raises `InvalidDecision` for what does not fit.
    """
    return Command(resume=resume_map(interrupts, answers))


def _refuse_in_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError("run() would block the event loop that runs here: await langwire.arun(…) instead")


def _folding(adapter: Sink | None) -> tuple[TurnResult, Callable[[Event], None]]:
    """Return a transcript and the function that tells it, and the adapter, of an event."""
    transcript, numbers = TurnResult(), count(1)

    def tell(event: Event) -> None:
        transcript.add(event)
        if adapter is not None:
            adapter.handle(Entry(seq=next(numbers), at_ms=time_ns() // 1_000_000, event=event))

    return transcript, tell


# ------------------------------------------------------------------ preparing a turn


@dataclass(frozen=True, slots=True)
class Call:
    """How a graph is called for one turn."""

    graph: Any
    input: Any
    config: dict[str, Any]
    modes: list[str]
    cause: Cause
    state: bool
    skip_tools: frozenset[str]
    extractors: Extractors
    kwargs: dict[str, Any]
    fresh: bool = False
    """Whether its thread is known to be new: then its checkpoint has nothing to say that the run does not tell."""

    @property
    def thread_id(self) -> str | None:
        """The thread whose checkpoints hold this turn; None when nothing is kept."""
        return self.config["configurable"].get("thread_id") if keeps_threads(self.graph) else None

    def latest(self) -> dict[str, Any]:
        """The config that reads where the thread stands now, also when the turn began at an older checkpoint."""
        pinned = ("checkpoint_id", "checkpoint_map")
        configurable = {key: value for key, value in self.config["configurable"].items() if key not in pinned}
        return {**self.config, "configurable": configurable}

    def with_input(self, input: Any, cause: Cause) -> Call:
        """The same call with another input, now that it is known."""
        return replace(self, input=input, cause=cause)

    def arguments(self) -> dict[str, Any]:
        """The keywords of the call. A remote graph leaves a checkpoint in the config out, and runs on without us."""
        ours: dict[str, Any] = {"stream_mode": self.modes, "subgraphs": True}
        if is_remote(self.graph):
            ours["on_disconnect"] = "cancel"
            pinned = self.config["configurable"].get("checkpoint_id")
            ours |= {"checkpoint_id": pinned} if pinned else {}
        return {**ours, **self.kwargs}

    def parser(self, before: Standing, turn_id: str | None = None) -> StreamParser:
        return StreamParser(
            turn_id=turn_id,
            modes=self.modes,
            subgraphs=True,
            thread_id=self.thread_id,
            cause=self.cause,
            checkpoint_id=before.checkpoint_id,
            input=None if isinstance(self.input, Command) else self.input,
            open_calls=before.open_calls,
            state=self.state,
            skip_tools=self.skip_tools,
            extractors=self.extractors,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a thread stands, as its checkpoint says; empty where there is none."""

    checkpoint_id: str | None = None
    open_calls: tuple[OpenCall, ...] = ()
    open_interrupts: tuple[Any, ...] | None = None
    paused: tuple[str, ...] | None = None

    def ending(self) -> dict[str, Any]:
        """What the parser's `close` is told."""
        return {
            "checkpoint_id": self.checkpoint_id,
            "open_interrupts": self.open_interrupts,
            "paused": self.paused,
        }


def prepare(
    graph: Any,
    input: Any,
    config: Mapping[str, Any] | None,
    *,
    state: bool = False,
    modes: Sequence[ExtraMode] = (),
    skip_tools: Iterable[str] = (),
    extractors: Iterable[Extractor] | Extractor = BUILT_INS,
    on_extractor_error: Callable[[ToolUse, Exception], None] | None = None,
    kwargs: Mapping[str, Any],
) -> Call:
    """Return how a graph is to be called. Raises `UnsupportedGraph`, `InvalidInput` or `UsageError`."""
    refuse_what_is_no_graph(graph)
    for name in _OURS & kwargs.keys():
        given = kwargs[name]
        if name == "version" and given == "v3":
            raise UsageError("version='v3' changes what the agent answers and cannot be read: leave it out")
        raise UsageError(
            f"{name}={given!r} is langwire's to choose: leave it out, or ask with modes=[…] and state=True"
        )
    parameters = _parameters(cast("type[Any]", type(graph)))
    unknown = sorted(kwargs.keys() - parameters.keys())
    if unknown and "durability" in parameters:  # a local graph, which would take the word and do nothing with it
        raise UsageError(f"unknown keyword {', '.join(unknown)}: expected one of {_named(parameters)}")
    if isinstance(modes, str) or not set(modes) <= _EXTRA_MODES:
        raise UsageError(f"modes came as {modes!r}: expected a list out of {', '.join(sorted(_EXTRA_MODES))}")
    extra: list[str] = [*modes, *(["values"] if state else [])]
    asked = [*MODES, *dict.fromkeys(extra)]
    return Call(
        graph=graph,
        input=_input_for(graph, input),
        config=_config_for(graph, config),
        modes=asked,
        cause=_cause(input),
        state=state,
        skip_tools=frozenset(skip_tools),
        extractors=Extractors(extractors, on_error=on_extractor_error or _log_failed_extractor),
        kwargs=_declared(graph, kwargs),
    )


def refuse_what_is_no_graph(graph: Any) -> None:
    """Raise `UnsupportedGraph` for anything but a compiled graph."""
    if not isinstance(graph, Graph):
        hint = "compile it first: graph.compile()" if hasattr(graph, "compile") else "pass what graph.compile() returns"
        raise UnsupportedGraph(f"expected a compiled LangGraph graph, got a {type(graph).__name__}: {hint}")


def _declared(graph: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords for a graph; of a `context` only the keys that its schema declares, where it has one."""
    context, names = kwargs.get("context"), _field_names(getattr(graph, "context_schema", None))
    if names is None or not is_mapping(context):
        return dict(kwargs)
    left_out = sorted(context.keys() - names)
    if left_out:
        logger.warning("the graph's context declares %s: %s was left out", _named(names), ", ".join(left_out))
    return {**kwargs, "context": {name: value for name, value in context.items() if name in names}}


def _field_names(schema: Any) -> frozenset[str] | None:
    """The fields of a dataclass, a pydantic model or a typed dict; None where nobody says."""
    for attribute in ("__dataclass_fields__", "model_fields", "__annotations__"):
        if isinstance(schema, type) and hasattr(schema, attribute):
            keys = getattr(schema, "__required_keys__", frozenset[str]()) | getattr(
                schema, "__optional_keys__", frozenset[str]()
            )
            return frozenset(keys or getattr(schema, attribute))
    return None


@cache
def _parameters(kind: type[Any]) -> Mapping[str, Any]:
    """The parameters of a graph's `stream`; asked for at every turn."""
    return {name: parameter for name, parameter in signature(kind.stream).parameters.items() if name != "self"}


def _log_failed_extractor(use: ToolUse, error: Exception) -> None:
    logger.warning("an extractor failed on a result of %s", use.name, exc_info=error)


def _cause(input: Any) -> Cause:
    if input is None:
        return "continue"
    return "resume" if isinstance(input, Command) and cast("Command[Any]", input).resume is not None else "message"


def _input_for(graph: Any, input: Any) -> Any:
    """Text and messages become the graph's `messages`; anything else goes to the graph as it is."""
    keys = _input_keys(graph)
    if keys is None or input is None or isinstance(input, Command):
        return cast("Any", input)
    messages = [{"role": "user", "content": input}] if isinstance(input, str) else as_messages(input)
    if messages is not None:
        if "messages" not in keys:
            raise InvalidInput(f"this graph takes no messages: expected an object with {_named(keys)}")
        return {"messages": list(messages)}
    if isinstance(input, Mapping):
        given = {str(key) for key in cast("Mapping[Any, Any]", input)}
        if given and keys and not given & keys and hasattr(graph, "builder"):
            raise InvalidInput(
                f"none of this graph's inputs is in what came ({_named(given)}): expected {_named(keys)}"
            )
    return cast("Any", input)


def _input_keys(graph: Any) -> frozenset[str] | None:
    """The keys of a state graph's input; None for a graph that takes anything (the functional API).

    A remote graph does not say: those take messages.
    """
    builder = getattr(graph, "builder", None)
    if builder is not None:
        schema = builder.schemas.get(builder.input_schema, {})
        return frozenset(str(key) for key in schema)
    return None if hasattr(graph, "channels") else frozenset({"messages"})


def _named(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def keeps_threads(graph: Any) -> bool:
    """Whether the graph keeps its threads; a remote graph does as soon as it is given one."""
    return bool(getattr(graph, "checkpointer", None)) or is_remote(graph)


def keeping_threads(graph: Any, checkpointer: Any = None) -> Any:
    """Return a graph that keeps its threads: itself, or a copy with a checkpointer, in memory where none is given."""
    if keeps_threads(graph) and (checkpointer is None or outlives_the_program(graph)):
        return graph
    copied = copy(graph)  # `Pregel.copy` leaves out what the compiler adds after the constructor
    copied.checkpointer = InMemorySaver() if checkpointer is None else checkpointer
    return copied


def outlives_the_program(graph: Any) -> bool:
    """Whether the graph keeps its threads elsewhere than in memory, as far as one can see."""
    return keeps_threads(graph) and not isinstance(getattr(graph, "checkpointer", None), InMemorySaver)


def _config_for(graph: Any, config: Any) -> dict[str, Any]:
    """The caller's config over what is bound to the graph; a new thread where threads are kept and none is named."""
    if config is not None and not is_mapping(config):
        raise UsageError(f"config came as a {type(config).__name__}: expected {{'configurable': {{'thread_id': …}}}}")
    copied = dict(config or {})
    own: dict[str, Any] = getattr(graph, "config", None) or {}
    configurable: dict[str, Any] = {**(own.get("configurable") or {}), **(copied.get("configurable") or {})}
    copied["configurable"] = named_there(configurable) if is_remote(graph) else configurable
    if getattr(graph, "checkpointer", None) and not configurable.get("thread_id"):
        configurable["thread_id"] = str(uuid4())
    return copied


# ------------------------------------------------------------------ running it


def _events(call: Call, *, raise_errors: bool) -> Iterator[Event]:
    in_loop = runs_async_only(call.graph)
    parser = None
    try:
        parser = call.parser(standing_before(call, in_loop=in_loop))
        yield from parser.start()
        with closing(cast("Any", run_chunks(call, in_loop=in_loop))) as chunks:
            for chunk in chunks:
                yield from parser.feed(chunk)
    except KeyboardInterrupt:
        yield from (parser or call.parser(Standing())).cancel()
        raise
    except (Exception, SystemExit) as error:
        yield from (parser or call.parser(Standing())).fail(error)
        if raise_errors or not isinstance(error, Exception):
            raise
        return
    yield from _ended(call, parser, standing_after(call, in_loop=in_loop))


def _ended(call: Call, parser: StreamParser, after: Standing) -> list[Event]:
    if was_stopped_there(call.graph, parser):
        return parser.cancel(checkpoint_id=after.checkpoint_id)
    return parser.close(**after.ending())


def run_chunks(call: Call, *, in_loop: bool) -> Iterator[Any]:
    if in_loop:
        return iterate_in_loop(lambda: arun_chunks(call))
    return call.graph.stream(call.input, call.config, **call.arguments())


def arun_chunks(call: Call) -> Any:
    return call.graph.astream(call.input, call.config, **call.arguments())


async def _aevents(call: Call, *, raise_errors: bool) -> AsyncIterator[Event]:
    run = AsyncRun(call)
    parser = None
    try:
        parser = call.parser(await run.before())
        for event in parser.start():
            yield event
        async with aclosing(run.chunks()) as chunks:
            async for chunk in chunks:
                for event in parser.feed(chunk):
                    yield event
    except Exception as error:
        for event in (parser or call.parser(Standing())).fail(error):
            yield event
        if raise_errors:
            raise
        return
    for event in _ended(call, parser, await run.after()):
        yield event


class AsyncRun:
    """One run of a graph from async code: `before`, `chunks`, `after`, in this order.

    A graph whose checkpointer only works sync is driven in worker threads; `before` finds out.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.in_thread = False

    async def before(self) -> Standing:
        """Return where the thread stands before the run. Raises what the checkpointer raises."""
        if self.call.fresh:
            return Standing()
        try:
            return await astanding_before(self.call)
        except NotImplementedError:
            self.in_thread = True
            return await asyncio.to_thread(standing_before, self.call, in_loop=False)

    def chunks(self) -> Any:
        """Return the async iterator over the run's chunks."""
        if self.in_thread:
            return iterate_in_thread(lambda: run_chunks(self.call, in_loop=False))
        return arun_chunks(self.call)

    async def after(self) -> Standing:
        """Return where the thread stands after the run; empty where it cannot be read."""
        if self.in_thread:
            return await asyncio.to_thread(standing_after, self.call, in_loop=False)
        return await astanding_after(self.call)


def may_run_in_thread(graph: Any, node: str, lane: Lane) -> bool:
    """Whether a node has code that runs in a worker thread, which nobody can stop: sync functions, sync tools."""
    inner = graph
    for step in lane:
        above = getattr(inner, "nodes", {}).get(step.partition(":")[0])
        inner = next(iter(getattr(above, "subgraphs", None) or ()), None)
    bound = getattr(getattr(inner, "nodes", {}).get(node), "bound", None)
    tools = getattr(bound, "tools_by_name", None)
    if tools is not None:
        return any(getattr(tool, "coroutine", None) is None for tool in tools.values())
    # LangGraph gives a sync function an async form of its own, a `partial` that sends it to a thread.
    return getattr(bound, "func", None) is not None and isinstance(getattr(bound, "afunc", None), partial)


def runs_async_only(graph: Any) -> bool:
    """Whether some node or tool of the graph, or of a graph inside it, has no sync form."""
    return any(_node_runs_async_only(node) for node in getattr(graph, "nodes", {}).values())


def _node_runs_async_only(node: Any) -> bool:
    bound = getattr(node, "bound", None)
    tools = getattr(bound, "tools_by_name", None)
    if tools is not None:
        return any(getattr(tool, "func", True) is None for tool in tools.values())
    if getattr(bound, "func", True) is None:
        return True
    return any(runs_async_only(inner) for inner in getattr(node, "subgraphs", None) or ())


# ------------------------------------------------------------------ where the thread stands


def standing_before(call: Call, *, in_loop: bool, inside: bool = True) -> Standing:
    """With `inside` the graphs that wait inside it are looked at as well."""
    if in_loop:
        return run_in_loop(lambda: astanding_before(call))
    if call.thread_id is None:
        return standing_of(None, call.input)
    subgraphs = inside and call.cause != "message"
    try:
        snapshot = call.graph.get_state(call.config, subgraphs=subgraphs)
    except Exception as error:
        if not is_unknown_there(call.graph, error):
            raise
        if subgraphs:  # perhaps it is only a graph inside it of which nothing is held
            return standing_before(call, in_loop=False, inside=False)
        snapshot = None
    return standing_of(snapshot, call.input)


async def astanding_before(call: Call, *, inside: bool = True) -> Standing:
    if call.thread_id is None:
        return standing_of(None, call.input)
    subgraphs = inside and call.cause != "message"
    try:
        snapshot = await call.graph.aget_state(call.config, subgraphs=subgraphs)
    except Exception as error:
        if not is_unknown_there(call.graph, error):
            raise
        if subgraphs:
            return await astanding_before(call, inside=False)
        snapshot = None
    return standing_of(snapshot, call.input)


def is_unknown_there(graph: Any, error: Exception) -> bool:
    """Whether a remote graph says by this error that it holds nothing of a thread.

    It answers 404 for a thread that it does not know, and `RemoteGraph` raises TypeError for one without a checkpoint
    (langgraph 1.2.22); the latter can go when it does not.
    """
    return is_remote(graph) and (isinstance(error, TypeError) or getattr(error, "status_code", None) == 404)


def is_remote(graph: Any) -> bool:
    """Whether the graph runs elsewhere."""
    return not hasattr(graph, "channels")


def named_there(configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Name a checkpoint of a remote graph so that it can be read.

    `RemoteGraph` needs the namespace back from the server, which answers what it was asked (langgraph 1.2.22).
    """
    return {"checkpoint_ns": "", **configurable} if configurable.get("checkpoint_id") else dict(configurable)


def was_stopped_there(graph: Any, parser: StreamParser) -> bool:
    """Whether somebody stopped a remote run: its stream ends like any other, but leaves a node open."""
    return is_remote(graph) and any(not lane for lane, _ in parser.open_nodes)


def standing_after(call: Call, *, in_loop: bool) -> Standing:
    """After a run that ended well the stream's own word will do, should the checkpoint not be readable."""
    if in_loop:
        return run_in_loop(lambda: astanding_after(call))
    try:
        return standing_of(call.graph.get_state(call.latest())) if call.thread_id is not None else Standing()
    except Exception as error:
        if not is_unknown_there(call.graph, error):  # a run that was stopped before it began holds nothing
            logger.warning("the checkpoint could not be read after the turn: %s", type(error).__name__)
        return Standing()


async def astanding_after(call: Call) -> Standing:
    try:
        return standing_of(await call.graph.aget_state(call.latest())) if call.thread_id is not None else Standing()
    except Exception as error:
        if not is_unknown_there(call.graph, error):
            logger.warning("the checkpoint could not be read after the turn: %s", type(error).__name__)
        return Standing()


def standing_of(snapshot: Any, given: Any = None) -> Standing:
    """Read a snapshot. `given` is the input of the turn that begins: it may make calls, and answer them."""
    given = cast("Command[Any]", given).update if isinstance(given, Command) else given
    if snapshot is None or snapshot.created_at is None:  # nothing is kept of this thread yet
        return Standing(open_calls=tuple(open_calls_of((), given)))
    failed = any(task.error for task in snapshot.tasks)
    # A snapshot of LangGraph 1.1 still lists the answered questions of tasks that have finished since, and shows a
    # task that asks a second question as one that finished without a result.
    waiting = [task for task in snapshot.tasks if task.interrupts and task.result is None]
    asking = waiting or [task for task in snapshot.tasks if task.interrupts and not task.result]
    interrupts = tuple(interrupt for task in asking for interrupt in task.interrupts)
    return Standing(
        checkpoint_id=snapshot.config["configurable"].get("checkpoint_id"),
        open_calls=tuple(_open_calls((), snapshot, given)),
        open_interrupts=interrupts,
        paused=() if failed or interrupts else tuple(snapshot.next),
    )


def _open_calls(lane: Lane, snapshot: Any, given: Any) -> Iterator[OpenCall]:
    """The calls without a result in a thread's state, and in the states of the graphs that wait inside it."""
    yield from open_calls_of(lane, snapshot.values, given)
    for task in snapshot.tasks:
        if hasattr(task.state, "values") and hasattr(task.state, "tasks"):
            yield from _open_calls((*lane, f"{task.name}:{task.id}"), task.state, None)
