"""Knows the grammar of a turn, and finds where events break it.

This is the one place where the grammar is written; the parser, recordings and tests are all held to it. Each
sentence begins with the name of its rule.

turn
    `TurnStart` comes first and `TurnEnd` last, each once, with nothing after it.
part
    A text, reasoning or call part starts once under an id that is unique in its turn, then has its deltas, then
    ends once, before the turn does. A citation names a text part that has started.
part-id
    The parts of a message share one sequence of ids: the message's own, then `<id>/1`, `<id>/2`; media count, and
    an id that the turn has used is passed over. A call takes the provider's call id instead, with `~2`, `~3` if
    this turn or a call left open by an earlier one uses it; a call without a provider's id takes any unused id.
node
    A node starts once and ends once. It ends before its turn, and before the node of the lane above in which it
    runs: `("a:1", "b:2")` is the work of node `2`, which is part of the work of node `1`.
part-node
    A part lies within its node: it starts after the node and ends before it, where nodes are told.
arguments
    The deltas of a call, joined, parse as JSON to `args`; no text at all parses to `{}`. Text that does not parse
    is `invalid`, whole, and then there are no `args`. This holds for calls that were cut off too.
result
    A `ToolResult` answers a call that started in this turn or was left open by an earlier one, under its call id and
    after its end, and a call gets at most one. Whatever else speaks about a call (its output, what was extracted
    from it or is to be displayed for it) speaks about a known one, or, where the tool is not shown, about none.
open-calls
    `TurnEnd.open_calls` names each call that has no result once, those left open by earlier turns included, and no
    other. Calls that the provider runs itself need no result and are never open.
interrupt
    Each interrupt is told once, and `TurnEnd.interrupts` names, once each, interrupts told in this turn.
outcome
    An interrupted turn names its open interrupts, a complete one has none; error, cancelled and timeout may. An
    error says what went wrong; complete and interrupted have no error.
subagent
    `SubagentStart` comes before every other event of its lane or of a lane inside it, names a known call and a
    parent lane around its own, and is ended once, before the turn is.
usage
    A message's usage is told once; two messages may have the same id if they come from different places.
    `TurnEnd.usage` is the sum.
removal
    `MessagesRemoved` names the messages one by one: at least one, and never a word for all of them.

What the events alone cannot show is not checked here: whether texts are those of the graph's state, whether a
message was told in an earlier turn, and whether an open question was left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from langwire.events import (
    Citation,
    Custom,
    Display,
    Event,
    Extracted,
    Interrupt,
    Lane,
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

Rule: TypeAlias = Literal[
    "turn",
    "part",
    "part-id",
    "node",
    "part-node",
    "arguments",
    "result",
    "open-calls",
    "interrupt",
    "outcome",
    "subagent",
    "usage",
    "removal",
]
PartKind: TypeAlias = Literal["text", "reasoning", "call"]

_ALL_MESSAGES = "__remove_all__"


class Problem(msgspec.Struct, frozen=True):
    """Where a turn breaks the grammar.

    `index` is the position of the event, or the number of events for something that is missing at the end.
    """

    index: int
    rule: Rule
    message: str


def check(events: Iterable[Event], *, open_calls: Iterable[OpenCall] | None = None) -> list[Problem]:
    """Return every place where the events of one turn break the grammar, in order; none for a good turn.

    `open_calls` are the calls that earlier turns left without a result. `None` means that nobody knows: an unknown
    call is then taken for one of them.
    """
    checker = Checker(open_calls=open_calls)
    for event in events:
        checker.feed(event)
    return checker.close()


class _Part:
    """A part that is open, and what of a call's arguments has come."""

    __slots__ = ("kind", "task", "texts")

    def __init__(self, kind: PartKind, task: str | None) -> None:
        self.kind, self.task = kind, task
        self.texts: list[str] = []


class _Call:
    """A call of this turn, or one left open by an earlier one."""

    __slots__ = ("answered", "call_id", "provider")

    def __init__(self, call_id: str | None, *, provider: bool) -> None:
        self.call_id, self.provider = call_id, provider
        self.answered = False


class _Node:
    """A node of this turn, with the ids of the nodes and parts that are open inside it."""

    __slots__ = ("above", "inside", "open")

    def __init__(self, above: str | None) -> None:
        self.above = above
        self.open = True
        self.inside: set[str] = set()


class Checker:
    """Checks one turn, event by event: `feed` them all, then `close`. `problems` holds what was found so far."""

    def __init__(self, *, open_calls: Iterable[OpenCall] | None = None) -> None:
        self.problems: list[Problem] = []
        self._index = 0
        self._ended = False
        self._strict = open_calls is not None
        """Whether a call that did not start in this turn must be among the open ones."""
        self._calls = {call.id: _Call(call.call_id, provider=False) for call in open_calls or ()}
        self._used = set(self._calls)
        self._numbers: dict[str, int] = {}
        self._parts: dict[str, _Part] = {}
        self._texts: set[str] = set()
        self._nodes: dict[str, _Node] = {}
        self._tasks: set[str] = set()
        """The tasks that parts have named."""
        self._lanes: set[Lane] = {()}
        self._subagents: dict[Lane, bool] = {}
        """Whether a subagent's lane is open."""
        self._interrupts: set[str] = set()
        self._uncounted: dict[str, list[Source]] = {}
        """Where the messages of an id come from that have had no usage yet."""
        self._counted: set[str] = set()
        self._input_tokens = self._output_tokens = 0

    def feed(self, event: Event) -> None:
        """Check the turn's next event."""
        first = self._index == 0
        if self._ended:
            self._tell("turn", f"{type(event).__name__} after the turn's end: nothing may follow TurnEnd")
        elif first != isinstance(event, TurnStart):
            self._tell("turn", f"{type(event).__name__} at place {self._index}: a turn begins with its one TurnStart")
        self._rules[type(event)](self, event)
        self._index += 1

    def close(self) -> list[Problem]:
        """Return all problems of the turn, now that no event is left."""
        if not self._ended:
            self._tell("turn", "the events stop without a TurnEnd: a turn ends with exactly one")
        return self.problems

    def _tell(self, rule: Rule, message: str) -> None:
        self.problems.append(Problem(self._index, rule, message))

    # -------------------------------------------------------------- parts

    def _start(self, kind: PartKind, id: str, source: Source) -> None:
        self._meet(source.lane)
        if id in self._used:
            self._tell("part", f"part {id!r} starts under an id that is used already")
        self._used.add(id)
        self._parts[id] = _Part(kind, source.task)
        if source.task is None:
            return
        self._tasks.add(source.task)
        node = self._nodes.get(source.task)
        if node is not None:
            node.inside.add(id)
            if not node.open:
                self._tell("part-node", f"part {id!r} starts after the end of its node {source.task!r}")

    def _next_id(self, id: str, message_id: str) -> None:
        """The id must be the next free one of its message."""
        number = self._numbers.get(message_id, 0)
        while (expected := f"{message_id}/{number}" if number else message_id) in self._used:
            number += 1
        self._numbers[message_id] = number + 1
        if id != expected:
            self._tell("part-id", f"part {id!r} of message {message_id!r} came where {expected!r} was to come")

    def _owe_usage(self, message_id: str, source: Source) -> None:
        places = self._uncounted.setdefault(message_id, [])
        if source not in places:
            places.append(source)

    def _text_start(self, event: TextStart) -> None:
        self._next_id(event.id, event.message_id)
        self._start("text", event.id, event.source)
        self._owe_usage(event.message_id, event.source)
        self._texts.add(event.id)

    def _reasoning_start(self, event: ReasoningStart) -> None:
        self._next_id(event.id, event.message_id)
        self._start("reasoning", event.id, event.source)
        self._owe_usage(event.message_id, event.source)

    def _media(self, event: Media) -> None:
        self._next_id(event.id, event.message_id)
        self._meet(event.source.lane)
        self._used.add(event.id)
        self._owe_usage(event.message_id, event.source)

    def _call_start(self, event: ToolCallStart) -> None:
        if event.call_id is not None:
            self._next_call_id(event.id, event.call_id)
        self._start("call", event.id, event.source)
        self._owe_usage(event.message_id, event.source)
        self._calls[event.id] = _Call(event.call_id, provider=event.provider)

    def _next_call_id(self, id: str, call_id: str) -> None:
        expected, number = call_id, 1
        while expected in self._used:
            number += 1
            expected = f"{call_id}~{number}"
        if id != expected and (self._strict or not id.startswith(f"{call_id}~")):
            self._tell("part-id", f"call {id!r} came where {expected!r} was to come: its call id is {call_id!r}")

    def _delta(self, kind: PartKind, id: str) -> _Part:
        """Return the part that a delta is for. One that never started is told once, then taken for open."""
        part = self._parts.get(id)
        if part is None or part.kind != kind:
            self._tell("part", f"a {kind} delta came for {id!r}: no such {kind} part is open")
            part = self._parts[id] = _Part(kind, None)
        return part

    def _text_delta(self, event: TextDelta) -> None:
        self._delta("text", event.id)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        self._delta("reasoning", event.id)

    def _call_delta(self, event: ToolCallDelta) -> None:
        self._delta("call", event.id).texts.append(event.args)

    def _end(self, kind: PartKind, id: str) -> _Part | None:
        part = self._parts.pop(id, None)
        if part is None or part.kind != kind:
            self._tell("part", f"the end of {kind} part {id!r} came: no such {kind} part is open")
            return None
        node = self._nodes.get(part.task or "")
        if node is not None:
            node.inside.discard(id)
        return part

    def _text_end(self, event: TextEnd) -> None:
        self._end("text", event.id)

    def _reasoning_end(self, event: ReasoningEnd) -> None:
        self._end("reasoning", event.id)

    def _call_end(self, event: ToolCallEnd) -> None:
        part = self._end("call", event.id)
        if part is None:
            return
        text = "".join(part.texts)
        if (event.args, event.invalid) != _parsed(text) and not _reads(event, text):
            self._tell("arguments", f"the end of call {event.id!r} does not say what its {len(text)} characters hold")

    def _citation(self, event: Citation) -> None:
        if event.id not in self._texts:
            self._tell("part", f"a citation came for {event.id!r}: no such text part has started")

    # -------------------------------------------------------------- calls

    def _about_call(self, event: ToolOutputDelta | Extracted | Display) -> None:
        if not isinstance(event, ToolOutputDelta):
            self._meet(event.lane)
        if self._strict and event.id is not None and event.id not in self._calls:
            self._tell("result", f"{type(event).__name__} came for {event.id!r}: no such call is known")

    def _result(self, event: ToolResult) -> None:
        self._meet(event.source.lane)
        call = self._calls.get(event.id)
        if call is None:
            if self._strict:
                self._tell("result", f"a result came for {event.id!r}: no such call is known")
            call = self._calls[event.id] = _Call(event.call_id, provider=False)
            self._used.add(event.id)
        if event.id in self._parts:
            self._tell("result", f"the result of call {event.id!r} came before the end of the call")
        if call.answered:
            self._tell("result", f"a second result came for call {event.id!r}: a call gets one")
        call.answered = True
        if None not in (call.call_id, event.call_id) and call.call_id != event.call_id:
            self._tell("result", f"the result of {event.id!r} names call id {event.call_id!r}, not {call.call_id!r}")

    # -------------------------------------------------------------- nodes and lanes

    def _node_start(self, event: NodeStart) -> None:
        self._meet(event.lane)
        if event.id in self._nodes:
            self._tell("node", f"node {event.id!r} starts a second time")
            return
        if event.id in self._tasks:
            self._tell("part-node", f"node {event.id!r} starts after a part of it")
        above = event.lane[-1].rpartition(":")[2] if event.lane else None
        self._nodes[event.id] = _Node(above)
        parent = self._nodes.get(above or "")
        if parent is not None:
            parent.inside.add(event.id)
            if not parent.open:
                self._tell("node", f"node {event.id!r} starts after the end of node {above!r}, in which it runs")

    def _node_end(self, event: NodeEnd) -> None:
        node = self._nodes.get(event.id)
        if node is None or not node.open:
            self._tell("node", f"the end of node {event.id!r} came: no such node runs")
            return
        node.open = False
        for id in sorted(node.inside):
            rule, word = ("part-node", "part") if id in self._parts else ("node", "node")
            self._tell(rule, f"node {event.id!r} ends before the {word} {id!r} inside it")
        parent = self._nodes.get(node.above or "")
        if parent is not None:
            parent.inside.discard(event.id)

    def _meet(self, lane: Lane) -> None:
        while lane not in self._lanes:
            self._lanes.add(lane)
            lane = lane[:-1]

    def _in_lane(self, event: Interrupt | Custom | Raw | Progress | StateSnapshot | StateDelta) -> None:
        self._meet(event.lane)

    def _in_source(self, event: MessageReplaced | MessageDiscarded) -> None:
        self._meet(event.source.lane)

    def _subagent_start(self, event: SubagentStart) -> None:
        lane = event.lane
        if lane in self._lanes:
            self._tell("subagent", f"SubagentStart of lane {lane!r} came after an event of that lane")
        if self._strict and event.id not in self._calls:
            self._tell("subagent", f"lane {lane!r} is the work of call {event.id!r}, which is not known")
        if len(event.parent) >= len(lane) or lane[: len(event.parent)] != event.parent:
            self._tell("subagent", f"lane {lane!r} does not lie inside its parent {event.parent!r}")
        self._meet(lane)
        self._subagents[lane] = True

    def _subagent_end(self, event: SubagentEnd) -> None:
        if not self._subagents.get(event.lane):
            self._tell("subagent", f"SubagentEnd of lane {event.lane!r} came: no such subagent is at work")
        self._subagents[event.lane] = False

    # -------------------------------------------------------------- the rest

    def _interrupt(self, event: Interrupt) -> None:
        self._meet(event.lane)
        if event.id in self._interrupts:
            self._tell("interrupt", f"interrupt {event.id!r} is told a second time")
        self._interrupts.add(event.id)

    def _usage(self, event: Usage) -> None:
        message_id = event.message_id
        places = self._uncounted.get(message_id)
        if places:
            places.pop()
        elif message_id in self._counted:
            self._tell("usage", f"the usage of message {message_id!r} is told a second time")
        self._counted.add(message_id)
        self._input_tokens += event.input_tokens
        self._output_tokens += event.output_tokens

    def _removed(self, event: MessagesRemoved) -> None:
        self._meet(event.lane)
        if not event.ids or not all(event.ids) or _ALL_MESSAGES in event.ids:
            self._tell("removal", f"messages are removed as {event.ids!r}: expected the id of each of them")

    def _free(self, event: TurnStart | StructuredOutput | TaskUpdate) -> None:
        """Nothing is asked of these but their place in the turn."""

    # -------------------------------------------------------------- the end

    def _turn_end(self, event: TurnEnd) -> None:
        if self._ended:
            return
        self._ended = True
        for id, part in self._parts.items():
            self._tell("part", f"{part.kind} part {id!r} has no end")
        for id, node in self._nodes.items():
            if node.open:
                self._tell("node", f"node {id!r} has no end")
        for lane, is_open in self._subagents.items():
            if is_open:
                self._tell("subagent", f"the subagent in lane {lane!r} has no end")
        self._check_open_calls([call.id for call in event.open_calls])
        self._check_outcome(event)
        told = event.usage or TokenUsage()
        if (told.input_tokens, told.output_tokens) != (self._input_tokens, self._output_tokens):
            self._tell("usage", "TurnEnd.usage is not the sum of the turn's Usage events")

    def _check_open_calls(self, ids: list[str]) -> None:
        named = set(ids)
        for id, call in self._calls.items():
            waits = not (call.answered or call.provider)
            if waits != (id in named):
                told = "is not" if waits else "is"
                self._tell(
                    "open-calls", f"call {id!r} {told} among TurnEnd.open_calls, which hold calls without result"
                )
        unknown = [id for id in ids if id not in self._calls] if self._strict else []
        if unknown or len(named) != len(ids):
            self._tell("open-calls", f"TurnEnd.open_calls are {ids!r}: expected each known call once")

    def _check_outcome(self, event: TurnEnd) -> None:
        ids, outcome = event.interrupts, event.outcome
        if len(set(ids)) != len(ids) or not self._interrupts.issuperset(ids):
            self._tell("interrupt", f"TurnEnd.interrupts are {ids!r}: expected, once each, interrupts of this turn")
        if outcome == ("complete" if ids else "interrupted"):
            self._tell("outcome", f"the turn ends {outcome} with {len(ids)} open interrupts")
        if outcome == "error" and event.error is None:
            self._tell("outcome", "the turn ends in error and does not say which")
        if outcome in ("complete", "interrupted") and event.error is not None:
            self._tell("outcome", f"the turn ends {outcome} with an error")

    _rules: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        TurnStart: _free,
        TextStart: _text_start,
        TextDelta: _text_delta,
        TextEnd: _text_end,
        ReasoningStart: _reasoning_start,
        ReasoningDelta: _reasoning_delta,
        ReasoningEnd: _reasoning_end,
        ToolCallStart: _call_start,
        ToolCallDelta: _call_delta,
        ToolCallEnd: _call_end,
        ToolOutputDelta: _about_call,
        ToolResult: _result,
        Media: _media,
        Citation: _citation,
        MessageReplaced: _in_source,
        MessagesRemoved: _removed,
        MessageDiscarded: _in_source,
        Usage: _usage,
        NodeStart: _node_start,
        NodeEnd: _node_end,
        SubagentStart: _subagent_start,
        SubagentEnd: _subagent_end,
        StateSnapshot: _in_lane,
        StateDelta: _in_lane,
        StructuredOutput: _free,
        Interrupt: _interrupt,
        Custom: _in_lane,
        Raw: _in_lane,
        Extracted: _about_call,
        Display: _about_call,
        Progress: _in_lane,
        TaskUpdate: _free,
        TurnEnd: _turn_end,
    }


def _parsed(text: str) -> tuple[Any, str | None]:
    if not text:
        return {}, None
    try:
        return json.loads(text), None
    except (ValueError, RecursionError):
        return None, text


def _reads(event: ToolCallEnd, text: str) -> bool:
    """Whether the end says what the text holds where `==` cannot tell: NaN, which JSON text may hold, has no equal."""
    return repr((event.args, event.invalid)) == repr(_parsed(text))
