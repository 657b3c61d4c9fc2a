"""Knows what a `RunAgentInput` asks of a thread, by what is in it and by where the thread stands.

A client sends all the messages it has, each time, or only its new one. The thread is the truth: a client can add user
messages and results of its own tools, and nothing else. What it has beside that, the thread has as well; or it was told
once and not kept (a subagent's words, an attempt that failed, messages that a summary replaced), and is passed over.
What is new is found by id, never by counting.

The first of these that holds is what is done:

1. something is answered: `Resume`, or `Continue` where the question was a breakpoint. New messages beside the answers
   stay new for the next run;
2. `forwardedProps.langwire` names a message (`beforeMessageId`) or a checkpoint (`checkpointId`) to go back to: `Edit`
   with new messages, `Regenerate` without;
3. there are new user messages: `Submit`, also where calls of the client's own tools wait (then this comes first);
4. the last message is one of the user's that the thread knows with other content: `Edit`;
5. questions are open: `Announce`. Nothing runs, because only an answer or a new message settles a question;
6. the last message is one of the user's that the thread went on from: `Regenerate`;
7. nodes come next, or nothing has run with the last input, after an error, a cancel, a crash: `Continue`;
8. else `Submit` without messages. Someone pressed a button: graphs that begin by themselves, and applications that
   share their state with the agent, run without anything new being said.

Why something is refused, and with which code: see `langwire.adapters.agui._refused`.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import Any, TypeAlias

import msgspec

from langwire.adapters.agui._answers import Continue, Resume, answers_of
from langwire.adapters.agui._blocks import blocks_of, refuse_unfit
from langwire.adapters.agui._names import without_number
from langwire.adapters.agui._parts import parts_of
from langwire.adapters.agui._protocol import (
    ActivityMessage,
    AssistantMessage,
    Message,
    ReasoningMessage,
    RunAgentInput,
    ToolMessage,
    UserMessage,
)
from langwire.adapters.agui._questions import asked_about
from langwire.adapters.agui._reading import MAX_ID, context_of, fit_id, read_run, tools_of
from langwire.adapters.agui._refused import Refused, cut
from langwire.adapters.agui._stand import Held, Stand, stand_of
from langwire.adapters.agui.frontend_tools import frontend_call
from langwire.core._guards import is_mapping
from langwire.core._messages import CONTEXT
from langwire.events import Interrupt

__all__ = [
    "Announce",
    "Continue",
    "Edit",
    "Held",
    "Plan",
    "Refused",
    "Regenerate",
    "Resume",
    "Stand",
    "Submit",
    "blocks_of",
    "calls_besides",
    "context_of",
    "missing",
    "parts_of",
    "plan",
    "read_run",
    "stand_of",
    "tools_of",
]

# ------------------------------------------------------------------ what is to be done


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """Send new user messages, as dicts that LangChain takes, with their ids; or run without any.

    With `drop` only calls of the client's own tools wait, and the user has said something instead: they wait no more.
    Results that came with the message stand before it, as the thread has them when the calls are answered first.
    """

    messages: tuple[dict[str, Any], ...] = ()
    drop: bool = False


class Regenerate(msgspec.Struct, frozen=True, kw_only=True):
    """Go back to a `point` and on from there: `Session.fork(point)`, then `continue_()`."""

    point: str


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """Go back to a `point` and say something else there: `Session.fork(point)`, then `submit(messages)`."""

    point: str
    messages: tuple[dict[str, Any], ...]


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """Say the open questions again, and run nothing."""


Plan: TypeAlias = Submit | Resume | Regenerate | Edit | Announce | Continue


def plan(run: RunAgentInput, stand: Stand) -> Plan:
    """Return what a run asks for: see this module's rules. Raises `Refused`; nothing is to be done then."""
    new, results = _sorted(run, stand)
    point = _point(run, stand)
    only_calls = bool(stand.interrupts) and all(map(frontend_call, stand.interrupts))
    if new and only_calls and point is None and not run.resume:
        said = [_result_of(question, message) for question, message in results]
        return Submit(messages=(*said, *map(_submittable, new)), drop=True)
    answers = answers_of(run, stand.interrupts, stand.answered, results)
    if answers is not None:  # a new message beside them is taken by the next run: LangGraph cannot take both
        if point is not None:
            raise Refused(422, "point_with_resume", "answers came with a point to go back to: send the answers first")
        return answers
    edited = _edited(run, stand)
    said = tuple(_submittable(message) for message in new or edited)
    if point is not None:
        return Edit(point=point, messages=said) if said else Regenerate(point=_answer_at(point, stand))
    if new:
        return Submit(messages=(*_unstarted(stand), *said))
    if edited:
        return Edit(point=edited[0].id, messages=said)
    if stand.interrupts:
        return Announce()
    again = _again(run, stand)
    if again is not None:
        return again
    return Continue() if stand.next or stand.unstarted or stand.pending else Submit()


def _unstarted(stand: Stand) -> list[dict[str, Any]]:
    """Return the user's messages with which nothing has run: an input that comes now would take their place."""
    last = [*takewhile(lambda held: held.role == "user", reversed(stand.messages))] if stand.unstarted else []
    return [{"role": "user", "content": held.content, "id": held.id} for held in reversed(last)]


def missing(run: RunAgentInput, stand: Stand) -> bool:
    """Return whether the thread has messages that the client lacks, so that it wants all of them.

    A client's own tool's result is the same message under another id there. Instructions are no loss.
    """
    had = {message.id for message in run.messages}
    results = {message.tool_call_id for message in run.messages if isinstance(message, ToolMessage)}
    return any(
        held.id not in had and not (held.role == "tool" and results.intersection(held.call_ids))
        for held in stand.messages
        if held.role in ("user", "assistant", "tool")
    )


def calls_besides(run: RunAgentInput, stand: Stand) -> list[str]:
    """Return the call ids that a client knows from messages which the thread does not hold, once for each use."""
    held = {message.id for message in stand.messages}
    besides = [message for message in run.messages if isinstance(message, AssistantMessage) and message.id not in held]
    return [without_number(call.id) for message in besides for call in message.tool_calls or ()]


# ------------------------------------------------------------------ which messages are new


def _sorted(run: RunAgentInput, stand: Stand) -> tuple[list[UserMessage], list[tuple[Interrupt, ToolMessage]]]:
    """Return the new user messages, and the results of the client's own tools with the calls that wait for them.

    New is what stands behind all that the thread knows or has told. An unknown user message before that was in the
    thread once, unless it came while an answer was given, and was never told.
    """

    def pass_known() -> None:
        """Drop what stands before something known, unless it came while an answer was given."""
        new.extend(message for message in latest if begun and not stand.told(message.id))
        latest.clear()

    known, begun = {held.id: held for held in stand.messages}, False
    tools = _Tools(run, stand)
    new: list[UserMessage] = []
    latest: list[UserMessage] = []
    results: list[tuple[Interrupt, ToolMessage]] = []
    for position, message in enumerate(run.messages):
        if isinstance(message, ReasoningMessage | ActivityMessage):
            continue  # never the graph's: their ids are made up on the way
        if message.id in known:
            _refuse_other_role(message, known[message.id])
            pass_known()
            begun = True
        elif isinstance(message, UserMessage):
            if not stand.by_a_node(message.id):
                latest.append(message)
        elif isinstance(message, ToolMessage) and message.tool_call_id in tools.waiting:
            results.append((tools.waiting[message.tool_call_id], message))
        elif isinstance(message, AssistantMessage | ToolMessage) and stand.told(message.id):
            pass_known()
        elif not (isinstance(message, ToolMessage) and tools.settled(message, position)):
            raise _forged(message)
    return new + latest, results


class _Tools:
    """The calls of the thread's messages, by their ids on the wire: the second use of an id is `<id>~2` there."""

    def __init__(self, run: RunAgentInput, stand: Stand) -> None:
        made = Counter(id for held in stand.messages if held.role == "assistant" for id in held.call_ids)
        had = Counter(id for held in stand.messages if held.role == "tool" for id in held.call_ids)
        self._made, self._had = _on_wire(made), _on_wire(had)
        self._cut_off = bool(stand.answered)
        self._passed = {
            call.id
            for message in run.messages
            if isinstance(message, AssistantMessage) and stand.told(message.id)
            for call in message.tool_calls or ()
        }
        users = [at for at, message in enumerate(run.messages) if isinstance(message, UserMessage)]
        self._last_user = max(users, default=-1)
        uses = made + Counter(calls_besides(run, stand))
        self.waiting: dict[str, Interrupt] = {}
        self._noted: set[str] = set()
        """The calls that this run answers a question about: some clients note the answer as the result too."""
        answers = {entry.interrupt_id for entry in run.resume or ()}
        for question in stand.interrupts:
            call, about = frontend_call(question), asked_about(question)
            if call is not None:
                self.waiting[_last_use(call.tool_call_id, uses)] = question
            elif about is not None and question.id in answers:
                self._noted.add(_last_use(about, uses))

    def settled(self, message: ToolMessage, position: int) -> bool:
        """Return whether nothing waits for a result any more, so that the client only has not forgotten it.

        Either the thread has a result of that call, or gets one now that a question about it is answered, or it had an
        answer that a turn took which was cut off, or the user has said something since.
        """
        id = message.tool_call_id
        if id in self._had or id in self._noted:
            return True
        past = self._last_user > position
        return (id in self._made and (self._cut_off or past)) or (id in self._passed and past)


def _last_use(id: str, made: Counter[str]) -> str:
    return id if made[id] <= 1 else f"{id}~{made[id]}"


def _on_wire(uses: Counter[str]) -> set[str]:
    return {id if use == 1 else f"{id}~{use}" for id, count in uses.items() for use in range(1, count + 1)}


def _refuse_other_role(message: Message, held: Held) -> None:
    if isinstance(message, UserMessage) and held.role in ("assistant", "tool", "system", "developer"):
        raise Refused(
            409,
            "message_id_taken",
            f"user message {cut(message.id)} came with the id of a message of role {held.role}: give it one of its own",
        )


def _forged(message: Message) -> Refused:
    if isinstance(message, ToolMessage):
        return Refused(
            409,
            "unknown_tool_call",
            f"a result came for call {cut(message.tool_call_id)}, which waits for none: send results of the calls that "
            "a run's pendingToolCallIds name",
        )
    if isinstance(message, AssistantMessage):
        todo = "send what the agent has told here; if the server has lost the thread, begin a new one"
    else:
        todo = "give instructions as context"
    return Refused(403, "forbidden_message", f"{message.role} message {cut(message.id)} is not of this thread: {todo}")


def _submittable(message: UserMessage) -> dict[str, Any]:
    """Return a user message as LangChain takes it. Raises `Refused` for what would spoil the thread."""
    where = f"user message {cut(message.id)}"
    if not fit_id(message.id):
        raise Refused(422, "invalid_input", f"{where} has an id that is too long, or not printable: at most {MAX_ID}")
    refuse_unfit(message.content, where)
    content = blocks_of(message.content)
    texts = [content] if isinstance(content, str) else [block.get("text") for block in content]
    if not any(text is None or text.strip() for text in texts):
        raise Refused(422, "invalid_input", f"{where} is empty: say something to the agent")
    said: dict[str, Any] = {"role": "user", "content": content, "id": message.id}
    # A name is for show: providers refuse most, and langwire's own marks what no person has said.
    if message.name and message.name != CONTEXT and message.name.isidentifier() and message.name.isascii():
        said["name"] = message.name
    return said


def _result_of(question: Interrupt, message: ToolMessage) -> dict[str, Any]:
    """Return the result of a call of the client's own tool as LangChain takes it."""
    refuse_unfit(message.content, f"message {cut(message.id)}")
    call = frontend_call(question)
    said = {"role": "tool", "content": blocks_of(message.content), "status": "error" if message.error else "success"}
    return {**said, "tool_call_id": call.tool_call_id if call is not None else "", "id": message.id}


# ------------------------------------------------------------------ going back


def _last(run: RunAgentInput) -> Message | None:
    said = [message for message in run.messages if not isinstance(message, ReasoningMessage | ActivityMessage)]
    return said[-1] if said else None


def _edited(run: RunAgentInput, stand: Stand) -> list[UserMessage]:
    """Return the last message, if it is one of the user's that the thread knows with other content."""
    last = _last(run)
    held = next((held for held in stand.messages if last is not None and held.id == last.id), None)
    if not isinstance(last, UserMessage) or held is None or held.role != "user":
        return []
    same = parts_of(blocks_of(last.content)) == parts_of(held.content)
    return [] if same else [last]


def _again(run: RunAgentInput, stand: Stand) -> Regenerate | Edit | None:
    """Return how to answer the last message anew, if it is one of the user's that the thread went on from."""
    last, held = _last(run), stand.messages
    at = next((at for at, message in enumerate(held) if last is not None and message.id == last.id), len(held))
    if not isinstance(last, UserMessage) or at + 1 >= len(held) or held[at].role != "user":
        return None
    follows = held[at + 1]
    if follows.role in (
        "user",
        CONTEXT,
    ):  # before that one the thread stands where a turn has ended: nothing comes next
        return Edit(point=last.id, messages=(_submittable(last),))
    return Regenerate(point=follows.id)


def _point(run: RunAgentInput, stand: Stand) -> str | None:
    """Return the message or checkpoint that a client names to go back to; None when it names none."""
    own = run.forwarded_props.get("langwire") if is_mapping(run.forwarded_props) else None
    named = [own.get(key) for key in ("beforeMessageId", "checkpointId")] if is_mapping(own) else []
    given = [point for point in named if point is not None]
    if not given:
        return None
    if len(given) > 1 or not isinstance(given[0], str) or not fit_id(given[0]):
        raise Refused(
            422,
            "invalid_input",
            "no point to go back to came in forwardedProps.langwire: expected the id of a message as beforeMessageId, "
            "or of a checkpoint as checkpointId",
        )
    if named[0] is not None and all(held.id != given[0] for held in stand.messages):
        raise Refused(422, "unknown_message", f"message {cut(given[0])} is not of this thread: name one that is")
    return given[0]


def _answer_at(point: str, stand: Stand) -> str:
    """Return a point to answer anew from. Before a user's message there is nothing to answer."""
    if any(held.id == point and held.role == "user" for held in stand.messages):
        raise Refused(
            422,
            "invalid_input",
            f"beforeMessageId names the user message {cut(point)}, and no message to put there came: name the answer "
            "to have it given anew, or send the new message",
        )
    return point
