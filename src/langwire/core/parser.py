"""Knows how to turn the chunks of one LangGraph run into events. Pure: it does no IO and reads no clock.

A `StreamParser` serves one turn. It is a table from stream mode to reader and five endings; what it knows is
kept in small rooms beside it, each with one kind of state: chunk shapes, messages, parts, ids, calls, lanes,
history, pauses. The events it tells obey the grammar in `langwire.core.conformance`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias
from uuid import uuid4

from langwire.core._calls import Calls
from langwire.core._chunks import Paused, chunk_reader, unknown
from langwire.core._guards import a_lane, is_mapping, text
from langwire.core._history import History
from langwire.core._ids import Ids
from langwire.core._lanes import Lanes
from langwire.core._parts import Desk
from langwire.core._pauses import Pauses
from langwire.core._states import INTERRUPT, States
from langwire.core._teller import Teller
from langwire.core._updates import is_state, writes
from langwire.core.built_ins import BUILT_INS
from langwire.core.extractors import Extractor, Extractors
from langwire.errors import ParserEnded
from langwire.events import (
    Cause,
    Custom,
    ErrorInfo,
    Event,
    Lane,
    NodeStatus,
    OpenCall,
    Outcome,
    Raw,
    Source,
    StateDelta,
    StateSnapshot,
    StructuredOutput,
    TextDelta,
    ToolOutputDelta,
    TurnEnd,
    TurnStart,
)

Reader: TypeAlias = Callable[[Lane, Any], None]

_STRUCTURED = "structured_response"
_CARRIERS = frozenset({"messages", "updates", "values", "tasks", "checkpoints", "debug"})
"""Modes that carry messages; beside one of them the `tools` mode tells only a tool's output."""


class StreamParser:
    """Turns the chunks of one turn into events.

    What the parser cannot know it may be given: how the graph was called (`modes`, `subgraphs`, `version`), the
    turn's own data (`turn_id`, `thread_id`, `cause`, `checkpoint_id`, `input`), the thread's messages before the
    turn (`history`, of use only without the `tasks` mode), and the calls that earlier turns left open (`open_calls`).

    `state=True` also tells `StateSnapshot` and `StateDelta`. `skip_tools` names tools whose calls and results are
    not told. `extractors` read todos, displays and the like out of results, of tools that are not told as well.
    `messages_key` is the state key whose dicts, tuples and strings are messages as well.

    Raises `UsageError` for modes or a version that cannot be read, and for what is no extractor.
    """

    def __init__(
        self,
        *,
        modes: str | Sequence[str] | None = None,
        subgraphs: bool | None = None,
        version: str | None = None,
        turn_id: str | None = None,
        thread_id: str | None = None,
        cause: Cause = "message",
        checkpoint_id: str | None = None,
        input: Any = None,
        history: Sequence[Any] = (),
        open_calls: Iterable[OpenCall] = (),
        state: bool = False,
        skip_tools: Iterable[str] = (),
        extractors: Iterable[Extractor] | Extractor = BUILT_INS,
        messages_key: str = "messages",
    ) -> None:
        self._read = chunk_reader(modes, subgraphs, version)
        self._exact = isinstance(modes, list) and bool(subgraphs) and version != "v2"
        """Whether chunks come as (lane, mode, data), the shape that langwire itself asks for: it needs no reading."""
        self._modes = frozenset([modes] if isinstance(modes, str) else modes or ())
        self._tell_state = state
        turn_id = turn_id or uuid4().hex
        open_calls, skipped = tuple(open_calls), frozenset(skip_tools)
        self._calls = Calls(open_calls, skipped)
        desk = self._desk = Desk(Ids(call.id for call in open_calls), self._calls, skipped, Extractors(extractors))
        self._resumed = cause != "message"
        self._lanes = Lanes(desk, self._calls, resumed=self._resumed, before_end=self._before_node_end)
        self._teller = Teller(desk, History(history), self._lanes, messages_key=messages_key, prefix=turn_id)
        self._read_message: Callable[[Lane, Any, Any], TextDelta | None] = self._teller.chunk
        self._states = States(self._teller)
        self._pauses = Pauses(desk, self._calls)
        desk.out.append(
            TurnStart(turn_id=turn_id, thread_id=thread_id, cause=cause, checkpoint_id=checkpoint_id, input=input)
        )
        self._entering: set[Lane] = set()
        """Lanes whose last checkpoint held the input, not yet taken in."""
        self._baseline: tuple[Lane, Any] | None = None
        """The baseline of the root, while it is the only state that was shown."""
        self._structured: Any = None
        self._checkpoint_id: str | None = None
        self._next: tuple[str, ...] | None = None
        self._readers: dict[str, Reader] = {
            "updates": self._read_updates,
            "values": self._read_values,
            "tasks": self._read_tasks,
            "custom": self._read_custom,
            "checkpoints": self._read_checkpoints,
            "debug": self._read_debug,
            "tools": self._read_tools,
        }

    # -------------------------------------------------------------- a turn's life

    def start(self) -> list[Event]:
        """Return the `TurnStart`, if it has not been told: `feed` and the endings tell it by themselves."""
        self._check_open()
        return self._take()

    @property
    def open_nodes(self) -> list[tuple[Lane, str]]:
        """Lane and name of every node that runs, as far as the stream has told."""
        return self._lanes.open_nodes()

    def feed(self, chunk: Any) -> list[Event]:
        """Return the events that a chunk tells, often none.

        Raises `UnknownChunk` for what LangGraph does not yield, `ParserEnded` after the turn's end.
        """
        if self._exact and chunk.__class__ is tuple and len(chunk) == 3:
            lane, mode, data = chunk
        else:
            lane, mode, data = self._read(chunk)
        try:
            if mode == "messages":
                message, metadata = data
                delta = self._read_message(lane, message, metadata)
                if delta is not None:
                    return [delta]
            elif mode in self._readers:
                self._readers[mode](a_lane(lane), data)
            else:
                self._lanes.enter(a_lane(lane))
                self._desk.out.append(Raw(mode=text(mode), lane=lane, data=data))
        except Exception as error:  # the data is not what this mode holds
            self._read_message = self._read_message_in_order
            raise unknown(chunk) from error
        desk = self._desk
        events, desk.out = desk.out, []
        return events

    def close(
        self,
        *,
        open_interrupts: Iterable[Any] | None = None,
        paused: Sequence[str] | None = None,
        checkpoint_id: str | None = None,
    ) -> list[Event]:
        """End the turn of a run that ended by itself: `complete`, or `interrupted` if a question is open.

        `open_interrupts` are the thread's pending interrupts and `paused` the nodes that come next although nothing
        is asked, both as the checkpoint has them. `None` means unknown: the stream's own word stands.
        """
        self._check_open()
        if self._baseline is not None and () not in self._lanes.moved:
            self._read_result(*self._baseline)
        paused = paused if paused is not None else self._next
        interrupts = self._pauses.settle(open_interrupts, paused)
        return self._end("interrupted" if interrupts else "complete", interrupts, checkpoint_id)

    def fail(
        self, error: BaseException, *, error_id: str | None = None, checkpoint_id: str | None = None
    ) -> list[Event]:
        """End the turn of a run that raised. The event names the exception's class, never its text."""
        self._check_open()
        code = type(error).__name__
        info = ErrorInfo(code=code, message=_SAFE.get(code, f"the agent failed with {code}"), id=error_id)
        return self._end("error", self._pauses.told(), checkpoint_id, info)

    def cancel(self, reason: str | None = None, *, checkpoint_id: str | None = None) -> list[Event]:
        """End the turn of a run that somebody stopped, for a reason that everybody may see."""
        self._check_open()
        return self._end("cancelled", self._pauses.told(), checkpoint_id, reason=reason)

    def expire(self, *, checkpoint_id: str | None = None) -> list[Event]:
        """End the turn of a run that took too long."""
        self._check_open()
        info = ErrorInfo(code="Timeout", message="the agent took too long and was stopped")
        return self._end("timeout", self._pauses.told(), checkpoint_id, info)

    def parse(self, stream: Iterable[Any], *, raise_errors: bool = True) -> Iterator[Event]:
        """Yield the events of a whole stream, and raise again what it raised, after the turn's end."""
        feed = self.feed
        try:
            for chunk in stream:
                for event in feed(chunk):  # noqa: UP028 - the list is most often of one: a loop costs less
                    yield event
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            yield from self.cancel() if isinstance(error, KeyboardInterrupt) else self.fail(error)
            if raise_errors or not isinstance(error, Exception):
                raise
        else:
            yield from self.close()

    async def aparse(self, stream: AsyncIterable[Any], *, raise_errors: bool = True) -> AsyncIterator[Event]:
        """Yield the events of a whole stream, as `parse` does. A cancel passes through at once, without a `TurnEnd`."""
        try:
            async for chunk in stream:
                for event in self.feed(chunk):
                    yield event
        except Exception as error:
            for event in self.fail(error):
                yield event
            if raise_errors:
                raise
        else:
            for event in self.close():
                yield event

    def _check_open(self) -> None:
        if self._read is _refuse:
            _refuse(None)

    def _take(self) -> list[Event]:
        events, self._desk.out = self._desk.out, []
        return events

    def _end(
        self,
        outcome: Outcome,
        interrupts: tuple[str, ...],
        checkpoint_id: str | None,
        error: ErrorInfo | None = None,
        reason: str | None = None,
    ) -> list[Event]:
        self._lanes.end_all(complete=outcome in ("complete", "interrupted"))
        self._teller.end_all()
        self._exact, self._read = False, _refuse
        self._desk.out.append(
            TurnEnd(
                outcome=outcome,
                error=error,
                reason=reason,
                interrupts=interrupts,
                open_calls=self._calls.open(),
                usage=self._desk.total,
                checkpoint_id=checkpoint_id or self._checkpoint_id,
            )
        )
        return self._take()

    # -------------------------------------------------------------- one reader a mode

    def _read_message_in_order(self, lane: Lane, message: Any, metadata: Any) -> None:
        """After a chunk that was told half: the events it left on the desk come before any other."""
        delta = self._teller.chunk(lane, message, metadata)
        if delta is not None:
            self._desk.out.append(delta)

    def _read_updates(self, lane: Lane, data: Any) -> None:
        self._enter(lane)
        metadata = data.get("__metadata__")
        cached = is_mapping(metadata) and bool(metadata.get("cached"))
        for node, update in data.items():
            if node == INTERRUPT:
                self._read_interrupts(lane, update)
            elif node != "__metadata__":
                self._read_update(lane, node, update, cached=cached)

    def _read_update(self, lane: Lane, node: str, update: Any, *, cached: bool) -> None:
        source = self._source(lane, node)
        replayed = cached and self._lanes.repeats(lane)
        if not cached:
            self._lanes.stepped(lane)
        changes: dict[str, Any] = {}
        for key, value in writes(update):
            if replayed:
                self._teller.learn(lane, key, value)
            elif self._teller.written(lane, key, value, source, "updates"):
                continue
            elif key == _STRUCTURED and not lane:
                self._tell_structured(value)
            if key is not None:
                changes[key] = value
        if self._tell_state and changes:
            self._desk.out.append(StateDelta(lane=lane, node=node, changes=changes, replayed=replayed))
        if cached:
            self._lanes.replay(lane, node)

    def _read_tasks(self, lane: Lane, data: Any) -> None:
        if "result" in data:
            self._read_task_result(lane, data)
            return
        metadata = data.get("metadata")
        self._enter(lane, metadata.get("lc_agent_name") if is_mapping(metadata) else None)
        if not self._teller.has_told(data["id"]):  # a node is told before its parts, or not at all
            self._lanes.start(lane, text(data["id"]), text(data["name"]), data["input"])
        self._teller.offer(lane, data["input"])

    def _read_task_result(self, lane: Lane, data: Any) -> None:
        self._enter(lane)
        self._lanes.stepped(lane)
        if "updates" not in self._modes:
            source = self._source(lane, data["name"], self._lanes.unended(data["id"]))
            for key, value in writes(data["result"]):
                told = self._teller.written(lane, key, value, source, "tasks")
                if not told and key == _STRUCTURED and not lane:
                    self._tell_structured(value)
        interrupts, error = data.get("interrupts") or (), data.get("error")
        self._pauses.meet(lane, interrupts)
        status = "error" if error is not None else "interrupted" if interrupts else "ok"
        self._lanes.end(data["id"], status, _error_name(error))

    def _read_values(self, lane: Lane, data: Any) -> None:
        self._lanes.enter(lane)
        data, interrupts = data if type(data) is Paused else (data, ())
        if not is_state(data):
            self._read_result(lane, data)
            return
        first = not self._states.seen("values", lane) and lane not in self._lanes.moved
        self._read_state("values", lane, data, baseline=first)
        if not lane:
            self._baseline = (lane, data) if first else None
        asked = data.get(INTERRUPT) if is_mapping(data) else None
        self._pauses.meet(lane, interrupts or asked or ())

    def _read_checkpoints(self, lane: Lane, data: Any) -> None:
        self._lanes.enter(lane)
        first = not self._states.seen("checkpoints", lane) or lane in self._entering
        entering = data["metadata"].get("source") == "input"
        (self._entering.add if entering else self._entering.discard)(lane)
        self._read_state("checkpoints", lane, data["values"], baseline=first)
        if not lane:
            self._checkpoint_id = data["config"].get("configurable", {}).get("checkpoint_id")
            self._next = tuple(data["next"])

    def _read_debug(self, lane: Lane, data: Any) -> None:
        reader = self._read_checkpoints if data["type"] == "checkpoint" else self._read_tasks
        reader(lane, data["payload"])

    def _read_custom(self, lane: Lane, data: Any) -> None:
        self._lanes.enter(lane)
        self._desk.out.append(Custom(lane=lane, data=data))

    def _read_tools(self, lane: Lane, data: Any) -> None:
        self._lanes.enter(lane)
        call = self._calls.find(lane, data["tool_call_id"])
        if data["event"] == "tool-output-delta":
            if call is not None and not call.hidden:
                self._desk.out.append(ToolOutputDelta(id=call.id, data=data.get("delta")))
        elif not self._modes & _CARRIERS:
            self._teller.tool_event(lane, data, resumed=self._resumed)

    # -------------------------------------------------------------- what readers share

    def _enter(self, lane: Lane, agent: str | None = None) -> None:
        self._lanes.enter(lane, agent)
        self._lanes.moved.add(lane)

    def _source(self, lane: Lane, node: str | None = None, task: str | None = None) -> Source:
        task = task or (self._lanes.running(lane, node) if node is not None else None)
        return Source(lane=lane, node=node, agent=self._lanes.agent(lane), task=task)

    def _read_interrupts(self, lane: Lane, interrupts: Sequence[Any]) -> None:
        if interrupts:
            self._pauses.meet(lane, interrupts)
        else:
            self._pauses.meet_breakpoint(lane)

    def _read_state(self, mode: str, lane: Lane, state: Any, *, baseline: bool) -> None:
        rest = self._states.read(mode, lane, state, self._source(lane), baseline=baseline)
        if not lane and rest.get(_STRUCTURED) is not None:
            self._tell_structured(rest[_STRUCTURED], silently=baseline)
        if self._tell_state and (mode == "values" or "values" not in self._modes):
            self._desk.out.append(StateSnapshot(lane=lane, values=rest))

    def _read_result(self, lane: Lane, data: Any) -> None:
        """What a function of the functional API returned, shown by `values` as it is."""
        self._baseline = None
        self._teller.withdraw(lane)
        for key, value in writes(data):
            self._teller.written(lane, key, value, self._source(lane), "values")
        if self._tell_state and not is_state(data):
            self._desk.out.append(StateSnapshot(lane=lane, values=data))

    def _tell_structured(self, value: Any, *, silently: bool = False) -> None:
        if value is None or value is self._structured:
            return
        self._structured = value
        if not silently:
            self._desk.out.append(StructuredOutput(value=value))

    def _before_node_end(self, task: str, status: NodeStatus) -> None:
        self._teller.end_task(task, status)


def _refuse(_chunk: Any) -> NoReturn:
    """Reads the chunks of a turn that is over."""
    raise ParserEnded("this parser's turn has ended: make a new StreamParser for each turn")


_SAFE = {
    "GraphRecursionError": "the agent reached its recursion limit without an answer",
    "CancelledError": "the agent was stopped",
}


def _error_name(error: Any) -> str | None:
    """The class of a task's error: LangGraph gives the exception, a server its name, a saver its repr."""
    if error is None:
        return None
    if isinstance(error, BaseException):
        return type(error).__name__
    said = error["error"] if is_mapping(error) and {"error", "message"} <= error.keys() else error
    name = str(said).partition("(")[0]
    return name if name.isidentifier() else "Error"
