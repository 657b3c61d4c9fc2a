"""Knows the messages of a turn: opens them as they stream, tells finished ones once, and notes what the state keeps.

Everything that shows a message comes here: token chunks, finished messages of any mode, removals. This room
joins the parts, the calls and the history; it knows no chunk shapes and no modes beyond their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langwire.core._calls import Call
from langwire.core._guards import a_lane
from langwire.core._history import History, Known, Place
from langwire.core._lanes import Lanes
from langwire.core._messages import (
    STREAMING,
    Fields,
    calls_of,
    coerce,
    fields_of,
    model_of,
    overwritten,
    read_blocks,
    read_content,
    role_of,
    streaming_fields,
    text_of,
    text_or_none,
)
from langwire.core._parts import Desk, OpenMessage, sum_usage
from langwire.core._updates import as_messages, messages_of, state_items
from langwire.events import (
    Lane,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    NodeStatus,
    Source,
    TextDelta,
    ToolResult,
)

REMOVE_ALL = "__remove_all__"


class Run:
    """A model run that streams: LangGraph gives all its chunks the same metadata object.

    The object is what tells two models apart that stream in one node, and what joins a model's chunks when
    their id changes on the way: langchain-core closes a stream under a `lc_run--` id of its own. It is held
    here so that no other object can take its place in memory.
    """

    __slots__ = ("about", "kind", "last_id", "message", "metadata")

    def __init__(self, metadata: Any, message: Any, last_id: str | None, kind: type | None, about: Any = None) -> None:
        self.metadata: Mapping[str, Any] = metadata
        self.about = about
        """What its first chunk said of the whole message, in `response_metadata`."""
        self.message: OpenMessage = message
        self.last_id, self.kind = last_id, kind


_NO_RUN = Run(None, None, None, None)


class Teller:
    """Tells the messages of one turn."""

    __slots__ = (
        "_desk",
        "_history",
        "_keeping_tasks",
        "_lanes",
        "_messages_key",
        "_nameless",
        "_open",
        "_open_by_task",
        "_prefix",
        "_removals",
        "_run",
        "_runs",
        "_told_by_task",
    )

    def __init__(self, desk: Desk, history: History, lanes: Lanes, *, messages_key: str, prefix: str) -> None:
        self._desk, self._history, self._lanes = desk, history, lanes
        self._messages_key, self._prefix = messages_key, prefix
        self._nameless = 0
        self._runs: dict[int, Run] = {}
        self._run = _NO_RUN
        """The run that the last chunk was of: the next one's, most likely."""
        self._open: dict[tuple[Lane, str], tuple[OpenMessage, Known]] = {}
        self._open_by_task: dict[str | None, dict[tuple[Lane, str], None]] = {}
        self._told_by_task: dict[str, list[Known]] = {}
        self._keeping_tasks: set[str] = set()
        self._removals: dict[Lane, list[str]] = {}
        """Removals that the `messages` mode showed: they say less than the update that follows, and wait for it."""

    # -------------------------------------------------------------- what streams

    def chunk(  # noqa: C901 - each call less is a tenth less to pay
        self, lane: Lane, message: Any, metadata: Mapping[str, Any]
    ) -> TextDelta | None:
        """Take one item of the `messages` mode: a token chunk, or a message that a node made.

        What it tells goes to the desk, but for the one event that a chunk tells nine times in ten: a piece of open
        text, nothing before it and nothing after it. That is returned, and costs half.
        """
        run = self._run
        if run.metadata is not metadata:
            run = self._run = self._runs.get(id(metadata), _NO_RUN)
        if type(message) is run.kind:
            fields, opened = message.__dict__, run.message
            if fields["id"] != run.last_id:
                self._rename(run, fields["id"])
        else:
            fields = streaming_fields(message)
            opened = self._first(run, lane, message, fields, metadata)
            if opened is None:
                return None
        content = fields["content"]
        call_chunks = fields["tool_call_chunks"]
        about = fields["response_metadata"]
        last = fields["usage_metadata"] or fields["chunk_position"]
        if about and about != run.about:  # some providers name themselves on each chunk
            last = True
        if fields["additional_kwargs"]:
            read_content(fields, opened)
        elif type(content) is not str:
            read_blocks(content, opened)
        elif content:
            if opened.strand == "text" and not (call_chunks or last):
                opened.texts.append(content)
                return TextDelta(id=opened.strand_id, text=content)
            opened.text(content)
        if call_chunks:
            opened.call_chunks(call_chunks)
        if last:
            self._read_about(fields, opened)
        return None

    def _first(
        self, run: Run, lane: Lane, message: Any, fields: Fields, metadata: Mapping[str, Any]
    ) -> OpenMessage | None:
        """Find or open the message of a chunk that is no further one of its run; None for a message that is whole."""
        self._lanes.moved.add(a_lane(lane))
        if fields["type"] not in STREAMING:
            self._finished_in_messages(lane, message, fields, metadata)
            return None
        if run is not _NO_RUN:  # a further one after all, of a class that lacks some fields
            if fields["id"] != run.last_id:
                self._rename(run, fields["id"])
            return run.message
        return self._opened(lane, message, fields, metadata)

    def _read_about(self, fields: Fields, opened: OpenMessage) -> None:
        """What the last chunks of a message say about the whole of it."""
        opened.model = model_of(fields) or opened.model
        if fields["usage_metadata"]:
            opened.count(fields["usage_metadata"])
        if fields["chunk_position"] == "last":
            self._end((opened.source.lane, opened.message_id), partial=False)

    def _opened(self, lane: Lane, raw: Any, fields: Fields, metadata: Mapping[str, Any]) -> OpenMessage:
        """Find or open the message that a chunk belongs to."""
        source = self._source(lane, metadata)
        message_id = fields.get("id") or self._new_id()
        opened = self._open.get((lane, message_id)) or self._alias(lane, fields, source)
        if opened is None:
            message = OpenMessage(self._desk, message_id, source, role_of(fields))
            message.model = text_or_none(metadata.get("ls_model_name"))
            self._begin(lane, message, Known(message_id, lane, None, source))
        else:
            message = opened[0]
        if "ls_model_type" in metadata or "ls_provider" in metadata:  # a model's run, not a node's output
            if message.run is not None:
                self._runs.pop(message.run, None)
            message.run = id(metadata)
            kind = None if raw.__class__ is dict or fields is not raw.__dict__ else raw.__class__
            self._run = self._runs[message.run] = Run(metadata, message, message_id, kind, fields["response_metadata"])
        return message

    def _rename(self, run: Run, message_id: str | None) -> None:
        """The model goes on under another id; LangChain keeps one of them for the whole message."""
        run.last_id = message_id
        if message_id:
            _, known = self._open[run.message.source.lane, run.message.message_id]
            self._history.name(known, message_id)

    def _alias(self, lane: Lane, fields: Fields, source: Source) -> tuple[OpenMessage, Known] | None:
        """A closing chunk under another id, and metadata that is new each time (a remote graph): the task tells."""
        if fields.get("content") or fields.get("chunk_position") != "last":
            return None
        open_here = [key for key in self._open_by_task.get(source.task, ()) if key[0] == lane]
        return self._open[open_here[0]] if len(open_here) == 1 else None

    def _source(self, lane: Lane, metadata: Mapping[str, Any]) -> Source:
        agent = text_or_none(metadata.get("lc_agent_name"))
        self._lanes.enter(lane, agent)
        checkpoint_ns = text_or_none(metadata.get("langgraph_checkpoint_ns")) or ""
        return Source(
            lane=lane,
            node=text_or_none(metadata.get("langgraph_node")),
            agent=agent or self._lanes.agent(lane),
            task=self._lanes.unended(checkpoint_ns.rpartition(":")[2]),
        )

    def _begin(self, lane: Lane, message: OpenMessage, known: Known, *, nameless_mode: str | None = None) -> None:
        key = (lane, message.message_id)
        self._open[key] = (message, known)
        self._open_by_task.setdefault(message.source.task, {})[key] = None
        known.say(message.texts)
        known.calls = message.calls
        self._history.add(known, nameless_mode=nameless_mode)
        if message.source.task is not None:
            self._told_by_task.setdefault(message.source.task, []).append(known)

    def _end(self, key: tuple[Lane, str], *, partial: bool) -> None:
        """Close a message: its parts end, then its usage is told."""
        if key not in self._open:
            return
        opened = self._open.pop(key)
        message, known = opened
        self._open_by_task[message.source.task].pop(key, None)
        if message.run is not None:
            self._runs.pop(message.run, None)
            self._run = _NO_RUN
        message.end(partial=partial)
        usage = message.usage()
        known.spoken = message.has_parts
        if usage is not None and self._history.may_count(known):
            known.counted = True
            self._desk.tell_usage(usage)

    # -------------------------------------------------------------- what is finished

    def _finished_in_messages(self, lane: Lane, raw: Any, fields: Fields, metadata: Mapping[str, Any]) -> None:
        source = self._source(lane, metadata)
        if role_of(fields) == "remove":
            wanted = str(fields.get("id"))
            ids = self._history.told(lane) if wanted == REMOVE_ALL else (wanted,)
            self._removals.setdefault(lane, []).extend(ids)
        else:
            self.finished(lane, raw, fields, source, "messages")

    def written(self, lane: Lane, key: str | None, value: Any, source: Source, mode: str) -> bool:
        """Take what a node wrote to one state key; return whether it was messages."""
        self._removals.pop(lane, None)
        replaces, value = overwritten(value)
        raws = messages_of(value)
        place = (lane, key)
        if raws is None and replaces and not value and self._history.members(place):
            raws = ()
        if raws is None and key == self._messages_key:
            raws = as_messages(value)
        if raws is None:
            return False
        standing: set[str] = set()
        removed: dict[str, None] = {}
        for raw in raws:
            fields = self._fields(key, raw)
            if fields is None:
                continue
            if role_of(fields) != "remove":
                kept = self._kept(place, raw, fields, source, mode)
                standing.add(kept)
                removed.pop(kept, None)
            elif fields.get("id") == REMOVE_ALL:
                replaces = True
                standing.clear()
            else:
                removed[str(fields.get("id"))] = None
        if replaces:
            removed = {id: None for id in self._history.members(place) if id not in standing}
        if removed:
            self._tell_removed(place, list(removed))
        return True

    def _fields(self, key: str | None, raw: Any) -> Fields | None:
        return coerce(raw) if key == self._messages_key else fields_of(raw)

    def _kept(self, place: Place, raw: Any, fields: Fields, source: Source, mode: str) -> str:
        """A message that the state now holds: tell what is new about it, and return the id it is told under."""
        known = self._history.find_object(raw)
        if known is None or known.removed or place not in known.places:
            known = self.finished(place[0], raw, fields, source, mode)
            self._history.keep(place, known)
            if known.source is not None and known.source.task is not None:
                self._keeping_tasks.add(known.source.task)
        return known.message_id

    def finished(self, lane: Lane, raw: Any, fields: Fields, source: Source, mode: str) -> Known:
        """Take a finished message: tell it, or what is new about it if it has been told."""
        known = self._known(lane, raw, fields, mode)
        if known is None:
            return self._tell(lane, raw, fields, source, mode)
        self._end((known.lane, known.message_id), partial=False)
        if known.source is not None:
            self._tell_new_calls(known, fields, source)
            self._tell_usage(known, fields)
        text = text_of(fields)
        if known.removed or known.text != text:  # one that was removed is in the state again
            known.say(text)
            self._desk.out.append(MessageReplaced(message_id=known.message_id, text=text, source=source))
        self._history.same_object(raw, known)
        return known

    def _known(self, lane: Lane, raw: Any, fields: Fields, mode: str) -> Known | None:
        message_id = fields.get("id")
        known = self._history.find_object(raw, read=not message_id)
        if known is None and message_id:
            known = self._history.find(lane, message_id, fields)
        if known is None:
            known = self._history.find_alike(lane, fields, mode)
        return known

    def _tell(self, lane: Lane, raw: Any, fields: Fields, source: Source, mode: str) -> Known:
        message_id = fields.get("id")
        nameless_mode = None if message_id else mode
        message_id = message_id or self._new_id()
        known = Known(message_id, lane, raw, source)
        if role_of(fields) == "tool":
            self._history.add(known, nameless_mode=nameless_mode)
            known.say(text_of(fields))
            self.result(lane, message_id, fields, source)
            return known
        message = OpenMessage(self._desk, message_id, source, role_of(fields))
        self._begin(lane, message, known, nameless_mode=nameless_mode)
        read_content(fields, message)
        for call_id, name, args, args_text in calls_of(fields):
            message.whole_call(call_id, name, args, args_text)
        message.model = model_of(fields)
        if fields.get("usage_metadata"):
            message.count(fields["usage_metadata"])
        self._end((lane, message_id), partial=False)
        return known

    def result(self, lane: Lane, message_id: str | None, fields: Fields, source: Source) -> None:
        """Tell the result of a call. It gets one in its thread: a second that differs replaces the first's text."""
        call_id, content = fields.get("tool_call_id"), fields.get("content")
        call = self._desk.calls.find(lane, call_id)
        name = text_or_none(fields.get("name")) or (call.name if call is not None else None)
        if call is not None and call.answered:
            first_id, first = call.answer
            if not call.hidden and first_id is not None and not _equal(first, content):
                self._desk.out.append(MessageReplaced(message_id=first_id, text=text_of(fields), source=source))
            return
        if call is not None:
            call.answered, call.answer = True, (message_id, content)
            self._end((call.lane, call.message_id or ""), partial=False)
            self._lanes.finished_call(call)
        self._desk.tell_result(
            ToolResult(
                id=self._result_id(call, call_id, name),
                call_id=call_id,
                name=name,
                message_id=message_id,
                status="error" if fields.get("status") == "error" else "ok",
                content=content,
                artifact=fields.get("artifact"),
                source=source,
            ),
            call,
        )

    def _result_id(self, call: Call | None, call_id: str | None, name: str | None) -> str:
        """The part id of the call; of one that is not known, an id that is free, and taken only where it is told."""
        if call is not None:
            return call.id
        return "" if name in self._desk.skipped else self._desk.ids.call(str(call_id or ""))

    def _tell_new_calls(self, known: Known, fields: Fields, source: Source) -> None:
        """Calls that a node added to a message which has been told; ids that the provider left out."""
        calls, told = calls_of(fields), [call.call_id for call in known.calls]
        if told == [call[0] for call in calls]:
            return
        for position, (call_id, name, args, args_text) in enumerate(calls):
            if call_id is None or call_id in told:
                continue
            if position < len(known.calls) and known.calls[position].call_id is None:
                self._desk.calls.name_id(known.calls[position], call_id)
                continue
            message = OpenMessage(self._desk, known.message_id, source, "assistant")
            message.calls = known.calls
            message.whole_call(call_id, name, args, args_text)

    def _tell_usage(self, known: Known, fields: Fields) -> None:
        usage = fields.get("usage_metadata")
        if usage and not known.counted and self._history.may_count(known):
            known.counted = True
            self._desk.tell_usage(sum_usage(known.message_id, model_of(fields), [usage]))

    # -------------------------------------------------------------- what the state keeps

    def _tell_removed(self, place: Place, ids: Sequence[str]) -> None:
        gone = self._history.remove(place, ids)
        if gone:
            self._desk.out.append(MessagesRemoved(lane=place[0], ids=gone))

    def gone(self, lane: Lane, key: str, message_ids: Sequence[str]) -> None:
        """A state that held these messages holds them no more (stream mode `values`)."""
        members = self._history.members((lane, key))
        known = {id: self._history.find(lane, id) for id in message_ids}
        self._tell_removed(
            (lane, key), [id for id, found in known.items() if found is not None and found.message_id in members]
        )

    def offer(self, lane: Lane, state: Any) -> None:
        """Learn, when it is needed, what a lane's state held before."""
        messages = messages_of(state)
        if messages is not None:
            self._history.offer((lane, None), messages)
            return
        for key, value in state_items(state):
            messages = messages_of(value)
            if messages is not None:
                self._history.offer((lane, key), messages)

    def withdraw(self, lane: Lane) -> None:
        """What was offered of a lane was not what it held before."""
        self._history.withdraw(lane)

    def learn(self, lane: Lane, key: str | None, value: Any) -> None:
        """Take in messages that an earlier turn told: LangGraph shows their writes again when it resumes."""
        for raw in messages_of(overwritten(value)[1]) or ():
            fields = self._fields(key, raw)
            if fields is not None and self._known(lane, raw, fields, "replay") is None:
                known = Known(fields.get("id") or self._new_id(), lane, raw)
                self._history.add(known, nameless_mode=None if fields.get("id") else "replay")

    # -------------------------------------------------------------- the tools mode alone

    def tool_event(self, lane: Lane, data: Mapping[str, Any], *, resumed: bool) -> None:
        """Tell a tool's run where no other mode carries messages: the call, then its result."""
        call_id, name = data["tool_call_id"], data.get("tool_name") or ""
        source = Source(lane=lane)
        call = self._desk.calls.find(lane, call_id)
        if data["event"] == "tool-started":
            if call is None and not resumed:
                message = OpenMessage(self._desk, self._new_id(), source, "assistant")
                message.whole_call(call_id, name, data.get("input"), None)
        elif data["event"] == "tool-finished":
            output = data.get("output")
            fields = fields_of(output) or {"content": output, "name": call.name if call is not None else None}
            self.result(lane, None, {**fields, "tool_call_id": call_id}, source)
        elif data["event"] == "tool-error":
            fields = {"content": data.get("message"), "status": "error", "tool_call_id": call_id}
            self.result(lane, None, fields, source)

    # -------------------------------------------------------------- ends

    def has_told(self, task: str) -> bool:
        """Return whether a message of this task has been told."""
        return task in self._told_by_task

    def end_task(self, task: str, status: NodeStatus) -> None:
        """A node is over: close what it left open, and tell which of its messages the state does not hold."""
        for key in list(self._open_by_task.get(task, ())):
            self._end(key, partial=True)
        self._tell_discarded(task, failed=status not in ("ok", "replayed", "left"))

    def end_all(self) -> None:
        """The turn is over: close every message that is still open."""
        for key in list(self._open):
            self._end(key, partial=True)
        for task in list(self._told_by_task):
            self._tell_discarded(task, failed=False)
        for lane, ids in self._removals.items():
            self._tell_removed((lane, None), ids)

    def _tell_discarded(self, task: str, *, failed: bool) -> None:
        told = self._told_by_task.pop(task, ())
        if not failed and task not in self._keeping_tasks:
            return  # what this node writes is no message, or no mode shows it
        for known in told:
            if not (known.places or known.removed) and known.source is not None:
                self._desk.out.append(MessageDiscarded(message_id=known.message_id, source=known.source))

    def _new_id(self) -> str:
        self._nameless += 1
        return f"{self._prefix}-{self._nameless}"


def _equal(one: Any, other: Any) -> bool:
    """Whether two contents are the same; foreign values may fail to compare, and then they are not."""
    try:
        return bool(one == other)
    except Exception:
        return False
