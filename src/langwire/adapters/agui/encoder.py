"""Knows how the events of a turn are told in AG-UI 1.0. Pure: an event of ours in, a few of the protocol's out.

One encoder serves one run. Deltas are most of what there is, and cost one lookup and one struct. Open items need no
bookkeeping of their own, because the grammar of a turn closes every part before its end; what only the protocol knows,
steps and subagents, is closed here.

| langwire | AG-UI |
|---|---|
| `TurnStart` | `RUN_STARTED` |
| `TextStart`, `TextDelta`, `TextEnd` | `TEXT_MESSAGE_*`, one open text for each message, however many parts it has |
| `Reasoning*` | `REASONING_*`; a signature or encrypted thinking is `REASONING_ENCRYPTED_VALUE` |
| `ToolCall*`, `ToolResult` | `TOOL_CALL_*`, `TOOL_CALL_RESULT`; a failed one has `metadata.status` `error` |
| `NodeStart`, `NodeEnd` | `STEP_*`: of nodes of one name that run side by side the first start and the last end |
| `SubagentStart`, `SubagentEnd`, what is shown as `attributed` | `SUBAGENT_*`, `subagentRunId` of what begins there |
| `StateSnapshot`, deltas of predicted calls | `STATE_DELTA`, `STATE_SNAPSHOT`, as a `StateView` says |
| `Interrupt` | in the outcome of `RUN_FINISHED`; a call of the client's own tool in its `pendingToolCallIds` |
| `Media` of an agent, `Display`, `Extracted`, `Progress`, `TaskUpdate` | `ACTIVITY_SNAPSHOT` |
| `Citation`, `ToolOutputDelta`, `Custom` | `CUSTOM` |
| `Raw` | `RAW`, when asked for |
| `StructuredOutput`, `Usage` | `result` and `usage` of the run's end |
| `MessageReplaced`, `MessagesRemoved`, `MessageDiscarded` | `stale`: a `MESSAGES_SNAPSHOT` is due before the end |
| `TurnEnd` | `RUN_FINISHED` (success, interrupt, cancelled) or `RUN_ERROR` |
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import msgspec

from langwire import events as ours
from langwire.adapters.agui import events as agui
from langwire.adapters.agui._beside import Beside
from langwire.adapters.agui._messages import (
    Numbered,
    in_order,
    messages_of,
    result_content,
    result_id,
    said_in,
)
from langwire.adapters.agui._names import Names
from langwire.adapters.agui._questions import on_interrupt, question_of
from langwire.adapters.agui._usage import added
from langwire.adapters.agui._work import Work
from langwire.adapters.agui.frontend_tools import frontend_call
from langwire.adapters.agui.state import StateView
from langwire.adapters.agui.visibility import Place, Places, Visibility
from langwire.core._messages import CONTEXT
from langwire.core.codec import jsonable
from langwire.core.transcript import Call, Transcript
from langwire.events import Lane

Protocol: TypeAlias = Literal["1.0", "0.1"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

Events: TypeAlias = "list[agui.Event] | tuple[agui.Event, ...]"

_NOTHING: tuple[agui.Event, ...] = ()
_ROLES: Mapping[str, Literal["developer", "system", "assistant", "user"]] = {
    "assistant": "assistant",
    "user": "user",
    "system": "system",
    "developer": "developer",
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before it begins.

    `calls` are the provider's ids of the tool calls that the thread holds, once for each; `messages` the ids of its
    messages; `tools` the names of the tools that the client brought.
    """

    thread_id: str
    run_id: str
    parent_run_id: str | None = None
    calls: tuple[str, ...] = ()
    messages: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    """The ids of the calls whose results the client brought itself: it is not told of them again."""
    hidden: frozenset[str] = frozenset()
    """The ids of messages that the thread holds and clients do not see."""


class AGUIEncoder:
    """Encodes the events of one turn: `encode` them one by one, in their order.

    `state` decides what is seen of the graph's state, `visibility` of its lanes and nodes. With `raw`, chunks that
    langwire does not model are passed on. `protocol="0.1"` speaks as clients of before 1.0 understand it: questions
    also as the custom event `on_interrupt`, results as text, and without subagents, other outcomes, usage and metadata.

    `stale` is true when messages that the client has were changed other than by adding to them: it wants a
    `MESSAGES_SNAPSHOT` before the end of the run.
    """

    def __init__(
        self,
        run: Run,
        *,
        state: StateView | None = None,
        visibility: Visibility | None = None,
        raw: bool = False,
        protocol: Protocol = "1.0",
    ) -> None:
        visibility = visibility or Visibility()
        if protocol == "0.1":
            visibility = visibility.without_subagents()
        self.run, self.stale = run, False
        self.names = Names(run.calls)
        self.places = Places(visibility)
        self._state, self._raw, self._old = state, raw, protocol == "0.1"
        self._texts: dict[str, str] = {}
        """The open text parts, and their messages' ids on the wire."""
        self._open: Counter[str] = Counter()
        """How many parts of a message's text are open."""
        self._thoughts: dict[str, tuple[str, Place]] = {}
        self._calls: dict[str, str] = {}
        """The calls that are shown, by part id, and their ids on the wire."""
        self._owners: dict[str, Place] = {}
        """The places of all calls, by part id: what comes of a hidden call is hidden too."""
        self._writing: dict[str, bool] = {}
        """The calls that are being written, by part id, and whether any of their arguments have been told."""
        self._provided: set[str] = set()
        """The calls that the provider runs: their results have no message of their own."""
        self._work = Work(lambda part_id: self.names.call(part_id, None))
        self._beside = Beside(run.run_id, self.places, self._work, self._owners)
        self._gone: set[str] = set()
        self._hidden: set[str] = set()
        """The ids of the messages of this run that are not shown."""
        self._interrupts: dict[str, ours.Interrupt] = {}
        self._usage: dict[str | None, agui.Usage] = {}
        self._result: Any = None
        self._told: set[str] = set()

    def encode(self, event: ours.Event) -> Events:
        """Return what a client is told for an event: often one, or nothing at all."""
        return self._table[type(event)](self, event)

    def snapshot(
        self, history: Transcript, told: Transcript | None = None, others: Sequence[agui.Message] = ()
    ) -> agui.MessagesSnapshot:
        """Return all messages of the thread.

        `history` is what the thread holds. A client deletes what a snapshot lacks, so what it shows besides has to be
        in it too: what this run has `told` that the thread does not hold, a subagent's words for one, and `others`
        that the client has kept from earlier runs.
        """
        messages = messages_of(history, self.run.hidden | self._hidden)
        held = history.state_messages()
        known = {message.message_id for message in held}
        mine = told.state_messages() if told is not None else []
        ids = {message.message_id for message in mine}
        renamed = Counter((message.role, message.text) for message in held if message.message_id not in ids)
        besides: list[Numbered] = []
        for message in mine:
            id, words = self.names.told(message.lane, message.message_id), (message.role, message.text)
            if id is None or id in known:
                continue
            if renamed[words]:  # it streamed without an id, or with another one, and is in the thread under its own
                renamed[words] -= 1
                continue
            place = self.places.of_node(message.source)
            besides += said_in(message, id, Names().thought, self._name_of, place.subagent)
        known |= {message.id for message in messages}
        messages += [message for message in in_order(besides) if message.id not in known]
        known = {message.id for message in messages}
        messages += [message for message in others if message.id not in known | self._gone]
        return agui.MessagesSnapshot(messages=[_with_text(said) for said in messages] if self._old else messages)

    def _name_of(self, call: Call) -> str:
        return self._calls.get(call.id) or self.names.call(call.id, call.call_id)

    # -------------------------------------------------------------- a run

    def _turn_start(self, event: ours.TurnStart) -> Events:
        run = self.run
        version = None if self._old else agui.PROTOCOL_VERSION
        return [
            agui.RunStarted(
                thread_id=run.thread_id,
                run_id=run.run_id,
                parent_run_id=run.parent_run_id,
                protocol_version=version,
            )
        ]

    def _turn_end(self, event: ours.TurnEnd) -> Events:
        out = self._work.close(event.outcome)
        if self._state is not None and event.outcome != "interrupted":  # else what was foreseen may still come true
            out += self._state.settle()
        if self._old:
            out += [on_interrupt(question) for question in self._asked(event)]
        if event.outcome in ("error", "timeout"):
            return [*out, self._failure(event)]
        finished = agui.RunFinished(
            thread_id=self.run.thread_id,
            run_id=self.run.run_id,
            result=self._result if event.outcome == "complete" else None,
            outcome=self._outcome(event),
            usage=self._usage_of_all(),
            metadata={"reason": event.reason} if event.reason and not self._old else None,
        )
        return [*out, finished]

    def _outcome(self, event: ours.TurnEnd) -> agui.Success | agui.Interrupted | agui.Cancelled | None:
        asked = self._asked(event) if event.outcome != "cancelled" else []
        if asked:
            return agui.Interrupted(interrupts=[self._question(question) for question in asked])
        if self._old:  # its last clients know the outcome `interrupt`, and fail at `cancelled` and at what waits
            return None
        if event.outcome == "cancelled":
            return agui.Cancelled()
        waiting = [call for call in map(frontend_call, self._interrupts.values()) if call is not None]
        pending = [self.names.last_call(call.tool_call_id) for call in waiting]
        left = [call for call in event.open_calls if call.name in self.run.tools and call.id in self._calls]
        pending += [self.names.call(call.id, call.call_id) for call in left]
        return agui.Success(pending_tool_call_ids=list(dict.fromkeys(pending)) or None)

    def _asked(self, event: ours.TurnEnd) -> list[ours.Interrupt]:
        """Return the questions for a person; a call of the client's own tool is none."""
        open = [self._interrupts[id] for id in event.interrupts if id in self._interrupts]
        return [question for question in open if frontend_call(question) is None]

    def _failure(self, event: ours.TurnEnd) -> agui.RunError:
        error = event.error or ours.ErrorInfo(code="timeout", message="the run took too long and was stopped")
        metadata = {"errorId": error.id} if error.id is not None and not self._old else None
        return agui.RunError(message=error.message, code=error.code, usage=self._usage_of_all(), metadata=metadata)

    def _usage_of_all(self) -> list[agui.Usage] | None:
        return None if self._old else [*self._usage.values()] or None

    def break_off(self, error: ours.ErrorInfo) -> list[agui.Event]:
        """Return what closes all that is open and ends the run, where its events end too early."""
        out: list[agui.Event] = [agui.TextMessageEnd(message_id=id) for id, parts in self._open.items() if parts]
        for id, _ in self._thoughts.values():
            out += [agui.ReasoningMessageEnd(message_id=id), agui.ReasoningEnd(message_id=id)]
        out += [agui.ToolCallEnd(tool_call_id=self._calls[part]) for part in self._writing]
        return [*out, *self._turn_end(ours.TurnEnd(outcome="error", error=error))]

    def _question(self, interrupt: ours.Interrupt) -> agui.Question:
        place = self.places.of_lane(interrupt.lane)
        return question_of(interrupt, self.names.last_call, None if place.hidden else place.subagent)

    def _interrupt(self, event: ours.Interrupt) -> Events:
        self._interrupts[event.id] = event
        return _NOTHING

    # -------------------------------------------------------------- text

    def _text_start(self, event: ours.TextStart) -> Events:
        place = self.places.of_node(event.source)
        if place.hidden or event.role == CONTEXT:
            self._hidden.add(event.message_id)
            return _NOTHING
        message = self._message(event.source.lane, event.message_id)
        self._texts[event.id] = message
        self._open[message] += 1
        if self._open[message] > 1:
            return _NOTHING
        role = _ROLES.get(event.role)
        start = agui.TextMessageStart(
            message_id=message,
            role=role or "assistant",
            name=event.role if role is None else None,
            subagent_run_id=place.subagent,
        )
        return [*self._work.enter(place), start]

    def _text_delta(self, event: ours.TextDelta) -> Events:
        message = self._texts.get(event.id)
        if message is None:
            return _NOTHING
        return (agui.TextMessageContent(message_id=message, delta=event.text),)

    def _text_end(self, event: ours.TextEnd) -> Events:
        message = self._texts.pop(event.id, None)
        if message is None:
            return _NOTHING
        self._open[message] -= 1
        return _NOTHING if self._open[message] else (agui.TextMessageEnd(message_id=message),)

    def _message(self, lane: Lane, message_id: str) -> str:
        if message_id in self.run.messages and message_id not in self._told:
            self.stale = True  # a message of an earlier run is said anew: the client would add to the old one
        self._told.add(message_id)
        return self.names.message(lane, message_id)

    # -------------------------------------------------------------- reasoning

    def _reasoning_start(self, event: ours.ReasoningStart) -> Events:
        place = self.places.of_node(event.source)
        if place.hidden:
            self._hidden.add(event.message_id)
            return _NOTHING
        id = self.names.thought(self._message(event.source.lane, event.message_id))
        self._thoughts[event.id] = id, place
        return [
            *self._work.enter(place),
            agui.ReasoningStart(message_id=id, subagent_run_id=place.subagent),
            agui.ReasoningMessageStart(message_id=id, role="reasoning", subagent_run_id=place.subagent),
        ]

    def _reasoning_delta(self, event: ours.ReasoningDelta) -> Events:
        thought = self._thoughts.get(event.id)
        if thought is None:
            return _NOTHING
        return (agui.ReasoningMessageContent(message_id=thought[0], delta=event.text),)

    def _reasoning_end(self, event: ours.ReasoningEnd) -> Events:
        thought = self._thoughts.pop(event.id, None)
        if thought is None:
            return _NOTHING
        id, place = thought
        out: list[agui.Event] = [agui.ReasoningMessageEnd(message_id=id)]
        sealed = event.encrypted or event.signature
        if sealed is not None:
            out.append(
                agui.ReasoningEncryptedValue(
                    subtype="message", entity_id=id, encrypted_value=sealed, subagent_run_id=place.subagent
                )
            )
        return [*out, agui.ReasoningEnd(message_id=id)]

    # -------------------------------------------------------------- tools

    def _call_start(self, event: ours.ToolCallStart) -> Events:
        place = self._owners[event.id] = self.places.of_node(event.source)
        if place.hidden:
            self._hidden.add(event.message_id)
            return _NOTHING
        message = self._message(event.source.lane, event.message_id)
        id = self._calls[event.id] = self.names.new_call(event.id, event.call_id)
        self._writing[event.id] = False
        if event.provider:
            self._provided.add(event.id)
        out = self._work.enter(place)
        out.append(
            agui.ToolCallStart(
                tool_call_id=id, tool_call_name=event.name, parent_message_id=message, subagent_run_id=place.subagent
            )
        )
        if self._state is not None:
            self._state.start_call(event)
        return out

    def _call_delta(self, event: ours.ToolCallDelta) -> Events:
        id = self._calls.get(event.id)
        if id is None:
            return _NOTHING
        self._writing[event.id] = True
        args = agui.ToolCallArgs(tool_call_id=id, delta=event.args)
        return (args,) if self._state is None else [args, *self._state.delta(event)]

    def _call_end(self, event: ours.ToolCallEnd) -> Events:
        id = self._calls.get(event.id)
        if id is None:
            return _NOTHING
        out: list[agui.Event] = []
        if not self._writing.pop(event.id, True) and event.args is not None:
            out.append(agui.ToolCallArgs(tool_call_id=id, delta=msgspec.json.encode(jsonable(event.args)).decode()))
        out.append(agui.ToolCallEnd(tool_call_id=id))
        return out if self._state is None else [*out, *self._state.end_call(event)]

    def _tool_result(self, event: ours.ToolResult) -> Events:
        place = self._owners.get(event.id) or self.places.of_node(event.source)
        if place.hidden:
            self._hidden.add(event.message_id or "")
            return _NOTHING
        id = self.names.call(event.id, event.call_id)
        if id in self.run.answered:
            return _NOTHING
        made = None if event.id in self._provided else event.message_id
        message = result_id(id) if made is None else self._message(event.source.lane, made)
        failed = event.status == "error" and not self._old
        return [
            *self._work.enter(place),
            agui.ToolCallResult(
                message_id=message,
                tool_call_id=id,
                content=result_content(event.content, as_text=self._old),
                role="tool",
                subagent_run_id=place.subagent,
                metadata={"status": "error"} if failed else None,
            ),
        ]

    def _tool_output(self, event: ours.ToolOutputDelta) -> Events:
        id = self._calls.get(event.id)
        if id is None:
            return _NOTHING
        return self._beside.custom(
            "langwire.tool_output", {"toolCallId": id, "data": event.data}, self._owners[event.id]
        )

    # -------------------------------------------------------------- the graph at work

    def _node_start(self, event: ours.NodeStart) -> Events:
        place = self.places.of_node(ours.Source(lane=event.lane, node=event.node))
        return _NOTHING if place.hidden else self._work.start(event, place)

    def _node_end(self, event: ours.NodeEnd) -> Events:
        return self._work.end(event)

    def _subagent_start(self, event: ours.SubagentStart) -> Events:
        self.places.delegate(event)
        place = self.places.of_lane(event.lane)
        return _NOTHING if place.hidden else self._work.enter(place)

    # -------------------------------------------------------------- state and messages

    def _state_snapshot(self, event: ours.StateSnapshot) -> Events:
        return _NOTHING if self._state is None or event.lane else self._state.snapshot(event.values)

    def _message_replaced(self, event: ours.MessageReplaced) -> Events:
        if not self.places.of_node(event.source).hidden:
            self.stale = True
        return _NOTHING

    def _message_discarded(self, event: ours.MessageDiscarded) -> Events:
        told = self.names.told(event.source.lane, event.message_id)
        if told is not None:
            self._gone.add(told)
            self.stale = True
        return _NOTHING

    def _messages_removed(self, event: ours.MessagesRemoved) -> Events:
        if not event.lane:
            self._gone.update(event.ids)
            self.stale = True
        return _NOTHING

    # -------------------------------------------------------------- everything else

    def _usage_told(self, event: ours.Usage) -> Events:
        self._usage[event.model] = added(self._usage.get(event.model), event)
        return _NOTHING

    def _structured(self, event: ours.StructuredOutput) -> Events:
        self._result = jsonable(event.value)
        return _NOTHING

    def _citation(self, event: ours.Citation) -> Events:
        message = self._texts.get(event.id)
        if message is None:
            return _NOTHING
        return self._beside.custom(
            "langwire.citation", {"messageId": message, "data": event.data}, self.places.of_lane(())
        )

    def _raw_chunk(self, event: ours.Raw) -> Events:
        return self._beside.raw(event) if self._raw else _NOTHING

    def _ignored(self, event: ours.Event) -> Events:
        return _NOTHING

    _table: ClassVar[dict[type, Callable[[AGUIEncoder, Any], Events]]] = {
        ours.TextDelta: _text_delta,
        ours.ToolCallDelta: _call_delta,
        ours.ReasoningDelta: _reasoning_delta,
        ours.TextStart: _text_start,
        ours.TextEnd: _text_end,
        ours.ReasoningStart: _reasoning_start,
        ours.ReasoningEnd: _reasoning_end,
        ours.ToolCallStart: _call_start,
        ours.ToolCallEnd: _call_end,
        ours.ToolResult: _tool_result,
        ours.ToolOutputDelta: _tool_output,
        ours.NodeStart: _node_start,
        ours.NodeEnd: _node_end,
        ours.SubagentStart: _subagent_start,
        ours.SubagentEnd: _ignored,  # its node's end tells how
        ours.StateSnapshot: _state_snapshot,
        ours.StateDelta: _ignored,  # what a node wrote, before the reducers: the snapshot has what came of it
        ours.MessageReplaced: _message_replaced,
        ours.MessagesRemoved: _messages_removed,
        ours.MessageDiscarded: _message_discarded,
        ours.Usage: _usage_told,
        ours.StructuredOutput: _structured,
        ours.Interrupt: _interrupt,
        ours.Media: lambda self, event: self._beside.media(event),
        ours.Citation: _citation,
        ours.Custom: lambda self, event: self._beside.written(event),
        ours.Raw: _raw_chunk,
        ours.Extracted: lambda self, event: self._beside.extracted(event),
        ours.Display: lambda self, event: self._beside.display(event),
        ours.Progress: lambda self, event: self._beside.progress(event),
        ours.TaskUpdate: lambda self, event: self._beside.task(event),
        ours.TurnStart: _turn_start,
        ours.TurnEnd: _turn_end,
    }


def _with_text(said: agui.Message) -> agui.Message:
    """Return a message as clients of before 1.0 know it: what a tool answered is text."""
    if said.role != "tool" or said.content is None or isinstance(said.content, str):
        return said
    return msgspec.structs.replace(said, content=json.dumps(said.content, ensure_ascii=False))
