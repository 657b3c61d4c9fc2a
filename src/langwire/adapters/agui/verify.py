"""Knows the rules by which the AG-UI client takes a stream, and finds where events break them.

The client ends a run at the first event that breaks a rule, so a producer has to know them before it sends. Each
sentence begins with the name of its rule.

first
    A stream begins with RUN_STARTED, or with RUN_ERROR.
one-run
    A run begins when none is under way. It may follow another in the same stream, and then nothing of that is known.
after-end
    RUN_FINISHED is followed by RUN_STARTED or RUN_ERROR at most, RUN_ERROR by RUN_STARTED at most.
terminal
    A stream ends with RUN_FINISHED or RUN_ERROR. The client says nothing when it does not, and its page waits on.
start
    A text, a span of thinking, the text of one, a tool call or a step starts when it is not open. It may open again
    after its end. A span and its text may share an id; a step is known by its subagent and its name.
open
    What goes on or ends is open.
all-ended
    Before RUN_FINISHED all that was started has ended. RUN_ERROR may come at any time.
owner
    What goes on, ends or starts again under an id names the same subagent as its start, or none. A start without a
    subagent is the parent agent's. Owners outlive their items, until the run is over; a message in MESSAGES_SNAPSHOT
    says anew who owns it and its calls, one in RUN_STARTED's input does where nobody is known to.
parent-message
    A tool call belongs to whom the message belongs that it names as its parent.
subagent-start
    A subagent starts once in a run, and after its parent.
subagent-end
    A subagent that ends has started, and has not ended.
null
    What is absent is left out: a null stands only where any JSON may.
shape
    An event read off a wire has a known type and the fields of that type. The `*_CHUNK` shorthands are to be written
    out first.

Nothing is asked of results without calls, changes of activities that nobody has seen, or patches that do not apply:
the client takes those. Nor are fields looked at that our events do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from langwire.adapters.agui.events import (
    ActivityDelta,
    ActivitySnapshot,
    AGUIEvent,
    Event,
    Message,
    MessagesSnapshot,
    ReasoningEncryptedValue,
    ReasoningEnd,
    ReasoningMessageContent,
    ReasoningMessageEnd,
    ReasoningMessageStart,
    ReasoningStart,
    RunError,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    SubagentError,
    SubagentFinished,
    SubagentStarted,
    TextMessageContent,
    TextMessageEnd,
    TextMessageStart,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
)

Rule: TypeAlias = Literal[
    "first",
    "one-run",
    "after-end",
    "terminal",
    "start",
    "open",
    "all-ended",
    "owner",
    "parent-message",
    "subagent-start",
    "subagent-end",
    "null",
    "shape",
]
Kind: TypeAlias = Literal["reasoning message", "reasoning span", "text message", "tool call", "step", "subagent"]
Owner: TypeAlias = str | None
"""The id of a subagent's run; `None` is the parent agent."""


class Problem(msgspec.Struct, frozen=True):
    """Where a stream breaks a rule.

    `index` is the position of the event, or the number of events for a terminal event that is missing.
    """

    index: int
    rule: Rule
    message: str


class Open(msgspec.Struct, frozen=True):
    """Something that has started and not ended. A step's `id` is its name, a subagent is its own owner."""

    kind: Kind
    id: str
    owner: Owner = None


def verify(events: Iterable[Event | Mapping[str, Any]]) -> list[Problem]:
    """Return every place where the events of a stream break the client's rules, in order; none for a good stream.

    An event that breaks a rule counts as not sent, except that RUN_FINISHED ends its run in any case.
    """
    verifier = Verifier()
    problems = [problem for event in events if (problem := verifier.check(event))]
    missing = verifier.end()
    return [*problems, missing] if missing else problems


class Verifier:
    """Holds a stream to the client's rules, event by event, and knows what is open in it.

    It always goes on: an event that breaks a rule counts as not sent, except that RUN_FINISHED ends its run in any
    case. One verifier serves one stream, which may hold several runs.
    """

    __slots__ = ("_count", "_phase", "_run")

    def __init__(self) -> None:
        self._count = 0
        self._phase: Literal["new", "running", "finished", "failed"] = "new"
        self._run = _Run()

    def check(self, event: Event | Mapping[str, Any]) -> Problem | None:
        """Return the first rule that the next event breaks, or `None`.

        An event is a struct, or an object of the wire as it was read from JSON, whose shape is then checked too.
        """
        index = self._count
        self._count = index + 1
        try:
            known = event if isinstance(event, AGUIEvent) else _read(event)
            rule = _RULES.get(type(known))
            if rule is not None and self._phase == "running":
                rule(self._run, known)
            else:
                self._turn(known)
        except _Broken as broken:
            return Problem(index, broken.rule, f"{_type_of(event)}: {broken}")
        return None

    def end(self) -> Problem | None:
        """Return what is wrong with a stream that ends here, or `None`."""
        if self._phase in ("finished", "failed"):
            return None
        return Problem(self._count, "terminal", "the stream ended without RUN_FINISHED or RUN_ERROR; send one last")

    @property
    def open(self) -> list[Open]:
        """What has started and not ended, in an order in which it can be ended."""
        return self._run.open()

    def closing(self) -> list[Event]:
        """Return the events that end all that is open, in a legal order; none outside a run.

        Send and check them before the run's terminal event. A subagent is ended without an outcome.
        """
        return [_ENDS[item.kind](item) for item in self._run.open()]

    def _turn(self, event: Event) -> None:
        """Begin or end a run, or refuse what comes outside of one."""
        if isinstance(event, RunStarted):
            self._begin(event)
        elif isinstance(event, RunError) and self._phase != "failed":
            self._over("failed")
        elif self._phase != "running":
            raise _Broken(*_REFUSALS[self._phase])
        elif isinstance(event, RunFinished):
            self._finish()

    def _begin(self, event: RunStarted) -> None:
        if self._phase == "running":
            raise _Broken("one-run", "a run is under way; finish it first")
        self._phase = "running"
        if isinstance(event, _RunStartedWithInput):
            for message in event.input.messages:
                self._run.know(message, anew=False)

    def _finish(self) -> None:
        items = self._run.open()
        self._over("finished")
        if items:
            names = ", ".join(f"{item.kind} {item.id!r}" for item in items)
            raise _Broken("all-ended", f"still open: {names}; end all first")

    def _over(self, phase: Literal["finished", "failed"]) -> None:
        self._phase = phase
        self._run = _Run()


_REFUSALS: dict[str, tuple[Rule, str]] = {
    "new": ("first", "a stream begins with RUN_STARTED or RUN_ERROR; send one first"),
    "finished": ("after-end", "the run has finished; only RUN_STARTED or RUN_ERROR may follow"),
    "failed": ("after-end", "the run has failed; only RUN_STARTED may follow"),
}


class _Broken(Exception):
    """An event breaks a rule."""

    def __init__(self, rule: Rule, message: str) -> None:
        super().__init__(message)
        self.rule: Rule = rule


# ------------------------------------------------------------------ within a run


class _Strand:
    """The items of one kind: which are open, and whose all are. Two kinds may share their `owners`."""

    __slots__ = ("kind", "open", "owners")

    def __init__(self, kind: Kind, owners: dict[str, Owner]) -> None:
        self.kind: Kind = kind
        self.owners = owners
        self.open: dict[str, None] = {}  # a set that keeps its order

    def start(self, id: str, owner: Owner, *, inherited: Owner = None) -> None:
        if id in self.open:
            raise _Broken("start", f"{self.kind} {id!r} is open already; end it first")
        self.agree(id, owner)
        self.open[id] = None
        self.owners.setdefault(id, inherited if owner is None else owner)

    def go_on(self, id: str, owner: Owner) -> None:
        if id not in self.open:
            raise _Broken("open", f"{self.kind} {id!r} is not open; start it first")
        if owner is not None:  # asked here too, to save a call per delta
            self.agree(id, owner)

    def end(self, id: str, owner: Owner) -> None:
        self.go_on(id, owner)
        del self.open[id]

    def agree(self, id: str, owner: Owner) -> None:
        if owner is not None:
            _agree(self.kind, id, owner, self.owners)


def _agree(noun: str, id: str, owner: str, owners: Mapping[str, Owner]) -> None:
    """Hold the subagent that an event names to the one that its item is known to belong to."""
    if owners.get(id, owner) != owner:
        raise _Broken(
            "owner", f"{noun} {id!r} belongs to {_name(owners[id])}, not {_name(owner)}; name its owner or none"
        )


def _name(owner: Owner) -> str:
    return "the parent agent" if owner is None else f"subagent {owner!r}"


class _Run:
    """What is open in a run and who owns what was in it, with a rule for each type of event that depends on that."""

    __slots__ = (
        "_activities",
        "_ended_subagents",
        "_messages",
        "_reasoning",
        "_spans",
        "_steps",
        "_subagents",
        "_tools",
    )

    def __init__(self) -> None:
        self._messages = _Strand("text message", {})
        self._tools = _Strand("tool call", {})
        self._reasoning = _Strand("reasoning message", {})
        self._spans = _Strand("reasoning span", self._reasoning.owners)
        self._activities: dict[str, Owner] = {}
        self._steps: dict[tuple[Owner, str], None] = {}
        self._subagents: dict[str, None] = {}
        self._ended_subagents: set[str] = set()

    def open(self) -> list[Open]:
        """Return what is open, inner things first, so that it can be ended in this order."""
        strands = (self._reasoning, self._spans, self._messages, self._tools)
        items = [Open(strand.kind, id, strand.owners[id]) for strand in strands for id in strand.open]
        items += [Open("step", name, owner) for owner, name in reversed(self._steps)]
        items += [Open("subagent", id, id) for id in reversed(self._subagents)]
        return items

    def know(self, message: Message, *, anew: bool) -> None:
        """Take from a message that is shown whose it is, and whose its calls are; `anew` replaces what is known."""
        by_role = {"reasoning": self._reasoning.owners, "activity": self._activities}
        shown = [(by_role.get(message.role, self._messages.owners), message.id)]
        shown += [(self._tools.owners, call.id) for call in message.tool_calls or ()]
        for owners, id in shown:
            if anew or id not in owners:
                owners[id] = message.subagent_run_id

    def text_start(self, event: TextMessageStart) -> None:
        self._messages.start(event.message_id, event.subagent_run_id)

    def text_content(self, event: TextMessageContent) -> None:
        self._messages.go_on(event.message_id, event.subagent_run_id)

    def text_end(self, event: TextMessageEnd) -> None:
        self._messages.end(event.message_id, event.subagent_run_id)

    def span_start(self, event: ReasoningStart) -> None:
        self._spans.start(event.message_id, event.subagent_run_id)

    def span_end(self, event: ReasoningEnd) -> None:
        self._spans.end(event.message_id, event.subagent_run_id)

    def reasoning_start(self, event: ReasoningMessageStart) -> None:
        self._reasoning.start(event.message_id, event.subagent_run_id)

    def reasoning_content(self, event: ReasoningMessageContent) -> None:
        self._reasoning.go_on(event.message_id, event.subagent_run_id)

    def reasoning_end(self, event: ReasoningMessageEnd) -> None:
        self._reasoning.end(event.message_id, event.subagent_run_id)

    def encrypted_value(self, event: ReasoningEncryptedValue) -> None:
        if event.subtype == "tool-call":
            strand = self._tools
        else:
            strand = self._messages if event.entity_id in self._messages.owners else self._reasoning
        strand.agree(event.entity_id, event.subagent_run_id)

    def tool_start(self, event: ToolCallStart) -> None:
        id, owner, parent = event.tool_call_id, event.subagent_run_id, event.parent_message_id
        inherited = None
        if parent is not None and parent in self._messages.owners:
            inherited = self._messages.owners[parent]
            known = self._tools.owners.get(id, inherited)
            claimed = known if owner is None else owner
            if claimed != inherited:
                raise _Broken(
                    "parent-message",
                    f"tool call {id!r} belongs to {_name(claimed)}, but its message {parent!r} to {_name(inherited)}",
                )
        self._tools.start(id, owner, inherited=inherited)

    def tool_args(self, event: ToolCallArgs) -> None:
        self._tools.go_on(event.tool_call_id, event.subagent_run_id)

    def tool_end(self, event: ToolCallEnd) -> None:
        self._tools.end(event.tool_call_id, event.subagent_run_id)

    def tool_result(self, event: ToolCallResult) -> None:
        self._messages.owners[event.message_id] = event.subagent_run_id  # a new message, whoever made the call

    def step_started(self, event: StepStarted) -> None:
        owner, name = key = (event.subagent_run_id, event.step_name)
        if key in self._steps:
            raise _Broken("start", f"step {name!r} of {_name(owner)} is open already; end it first")
        self._steps[key] = None

    def step_finished(self, event: StepFinished) -> None:
        owner, name = key = (event.subagent_run_id, event.step_name)
        if key not in self._steps:
            raise _Broken("open", f"step {name!r} of {_name(owner)} is not open; start it first")
        del self._steps[key]

    def messages_snapshot(self, event: MessagesSnapshot) -> None:
        for message in event.messages:
            self.know(message, anew=True)

    def activity_snapshot(self, event: ActivitySnapshot) -> None:
        if event.message_id not in self._activities or event.replace is not False:
            self._activities[event.message_id] = event.subagent_run_id

    def activity_delta(self, event: ActivityDelta) -> None:
        if event.subagent_run_id is not None:
            _agree("activity", event.message_id, event.subagent_run_id, self._activities)

    def subagent_started(self, event: SubagentStarted) -> None:
        id, parent = event.subagent_run_id, event.parent_subagent_run_id
        if id in self._subagents or id in self._ended_subagents:
            raise _Broken("subagent-start", f"subagent {id!r} has started in this run before; take a new id")
        if parent is not None and parent not in self._subagents and parent not in self._ended_subagents:
            raise _Broken("subagent-start", f"the parent {parent!r} has not started in this run; start it first")
        self._subagents[id] = None

    def subagent_ended(self, event: SubagentFinished | SubagentError) -> None:
        id = event.subagent_run_id
        if id not in self._subagents:
            raise _Broken("subagent-end", f"subagent {id!r} is not open; start it first")
        del self._subagents[id]
        self._ended_subagents.add(id)


_RULES: dict[type[AGUIEvent], Callable[[_Run, Any], None]] = {
    TextMessageStart: _Run.text_start,
    TextMessageContent: _Run.text_content,
    TextMessageEnd: _Run.text_end,
    ReasoningStart: _Run.span_start,
    ReasoningMessageStart: _Run.reasoning_start,
    ReasoningMessageContent: _Run.reasoning_content,
    ReasoningMessageEnd: _Run.reasoning_end,
    ReasoningEnd: _Run.span_end,
    ReasoningEncryptedValue: _Run.encrypted_value,
    ToolCallStart: _Run.tool_start,
    ToolCallArgs: _Run.tool_args,
    ToolCallEnd: _Run.tool_end,
    ToolCallResult: _Run.tool_result,
    StepStarted: _Run.step_started,
    StepFinished: _Run.step_finished,
    MessagesSnapshot: _Run.messages_snapshot,
    ActivitySnapshot: _Run.activity_snapshot,
    ActivityDelta: _Run.activity_delta,
    SubagentStarted: _Run.subagent_started,
    SubagentFinished: _Run.subagent_ended,
    SubagentError: _Run.subagent_ended,
}

_ENDS: dict[Kind, Callable[[Open], Event]] = {
    "reasoning message": lambda item: ReasoningMessageEnd(message_id=item.id, subagent_run_id=item.owner),
    "reasoning span": lambda item: ReasoningEnd(message_id=item.id, subagent_run_id=item.owner),
    "text message": lambda item: TextMessageEnd(message_id=item.id, subagent_run_id=item.owner),
    "tool call": lambda item: ToolCallEnd(tool_call_id=item.id, subagent_run_id=item.owner),
    "step": lambda item: StepFinished(step_name=item.id, subagent_run_id=item.owner),
    "subagent": lambda item: SubagentFinished(subagent_run_id=item.id),
}


# ------------------------------------------------------------------ what was read off a wire


class _Input(msgspec.Struct):
    """What counts of the input that a run began with."""

    messages: list[Message]


class _RunStartedWithInput(RunStarted, frozen=True, kw_only=True, tag="RUN_STARTED"):
    """RUN_STARTED as other producers send it: with the input, and so with messages."""

    input: _Input


def _tag(struct: type[AGUIEvent]) -> str:
    return cast("str", struct.__struct_config__.tag)


_TYPES: dict[str, type[AGUIEvent]] = {_tag(struct): struct for struct in get_args(Event)}

_ANY_JSON = frozenset({"snapshot", "event", "value"})
"""The fields whose null is a value like any other."""


def _type_of(event: Event | Mapping[str, Any]) -> str:
    return _tag(type(event)) if isinstance(event, AGUIEvent) else str(event.get("type"))


def _read(data: Mapping[str, Any]) -> Event:
    """Return the struct for an object of the wire."""
    struct = _TYPES.get(str(data.get("type")))
    if struct is None:
        raise _Broken("shape", "not a type that is sent in full; leave it out, or write a shorthand out")
    if struct is RunStarted and "input" in data:
        struct = _RunStartedWithInput
    try:
        event = msgspec.convert(data, struct)
    except msgspec.ValidationError as error:
        raise _Broken("shape", f"{error}") from None
    base = (key for key in ("timestamp", "rawEvent") if key in data and data[key] is None)
    for path in chain(base, _nulls(data, event)):
        raise _Broken("null", f"{path} is null; leave it out")
    return cast("Event", event)


def _nulls(data: Mapping[str, Any], struct: msgspec.Struct, path: str = "") -> Iterator[str]:
    """The optional fields of an object, and of the objects in it, that are null; `struct` is what was read of it."""
    for name, key in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        value = getattr(struct, name)
        if value is None and key in data and key not in _ANY_JSON:
            yield f"{path}{key}"
        elif isinstance(value, msgspec.Struct):
            yield from _nulls(data[key], value, f"{path}{key}.")
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[Any]", value)):
                if isinstance(item, msgspec.Struct):
                    yield from _nulls(data[key][index], item, f"{path}{key}.{index}.")
