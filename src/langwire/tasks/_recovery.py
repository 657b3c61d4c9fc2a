"""Knows what to do next with a task's thread, from what its checkpoint says. Pure.

A worker may have died at any moment, so nothing is believed but the checkpoint and the task's record:

| the thread holds                             | next                                                          |
|----------------------------------------------|---------------------------------------------------------------|
| nothing                                      | send the first message                                        |
| an input that has not been taken in          | send that message again: it has the same id                   |
| an input that nothing has run with yet       | go on: LangGraph runs it                                      |
| writes of nodes that have no checkpoint yet  | go on: LangGraph folds them in                                |
| open questions, all answered in the record   | answer them                                                   |
| open questions, some without an answer       | ask a person, or wait for the tasks that they wait for        |
| a wait that the record does not know of      | wait: whoever began to died before it was written down        |
| a breakpoint, answered in the record         | go on, unless the run that took the answer has come to it     |
| nodes that come next                         | go on: what has finished does not run again                   |
| a finished run of a message of the inbox     | send the message after it; without one the task is done       |

A run is tied to its message by the message's id in the metadata of its checkpoints, so a finished thread is not taken
for a finished task because of an earlier message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langwire.core.interrupts import BREAKPOINT, breakpoint_interrupt
from langwire.events import Interrupt
from langwire.sessions.session import SessionState
from langwire.tasks.context import waits_in
from langwire.tasks.task import InboxMessage, TaskAnswer, digest

_START = "__start__"
"""LangGraph's name for the node that takes an input in."""

MESSAGE_KEY = "langwire_message"
"""Under which a checkpoint's metadata names the message that its run works through."""

BREAKPOINT_KEY = "langwire_breakpoint"
"""Under which it names the answer to a breakpoint that its run has been given. All breakpoints have one id: a run that
comes to the next one must not take the answer to the last one for it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the message at this place of the inbox."""

    index: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the open questions; `index` is the message whose run that goes on with."""

    index: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GoOn:
    """Go on with the run of this message."""

    index: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for a person, or for other tasks."""

    questions: tuple[Interrupt, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """Every message has been worked through."""


Step: TypeAlias = Send | Answer | GoOn | Pause | Finished


def next_step(
    state: SessionState | None,
    inbox: Sequence[InboxMessage],
    answers: Sequence[TaskAnswer],
    *,
    parked: Mapping[str, tuple[str, ...]] | None = None,
    stops_at: Sequence[str] = (),
) -> Step:
    """Return what to do next.

    `state` is where the thread stands, None where nothing is stored of it. `inbox`, `answers` and `parked` are those
    of the task's record. `stops_at` are the nodes before which the graph makes a breakpoint (`*` for all).
    """
    if state is None:
        return Send(0)
    index = _index_of(state, inbox)
    asked = {question.id: digest(question) for question in state.interrupts}
    given = {answer.interrupt_id: answer.value for answer in answers if _fits(answer, asked)}
    if state.interrupts:
        waited = parked or {}
        left = {question.id: waits_in(question.value) for question in state.interrupts if question.id not in given}
        if any(ids is None or waited.get(id) != ids for id, ids in left.items()):
            return Pause(state.interrupts)
        # A wait is over when its task may be claimed again. Its answer is nothing that could be taken for a yes.
        waits = dict.fromkeys(left)
        open = {question.id for question in state.interrupts}
        return Answer(index, {**{id: value for id, value in given.items() if id in open}, **waits})
    if tuple(state.next) == (_START,):
        return Send(max(index, 0))  # a session does not go on from here: it may be a thread that was set back
    passed = breakpoint_answer(answers)
    if _is_breakpoint(state.next, stops_at) and passed in (None, state.metadata.get(BREAKPOINT_KEY)):
        return Pause((breakpoint_interrupt((), state.next),))
    if state.next or state.unstarted or state.pending:
        return GoOn(index)
    return Send(index + 1) if index + 1 < len(inbox) else Finished()


def _fits(answer: TaskAnswer, asked: Mapping[str, str]) -> bool:
    return answer.asked is None or answer.asked == asked.get(answer.interrupt_id, answer.asked)


def breakpoint_answer(answers: Sequence[TaskAnswer]) -> str | None:
    """Return what names the answer that a breakpoint has been given; None when it has none."""
    return next((str(answer.at_ms) for answer in answers if answer.interrupt_id == BREAKPOINT), None)


def _index_of(state: SessionState, inbox: Sequence[InboxMessage]) -> int:
    """Return the place of the last message that reached the thread; -1 when none did."""
    ids = [message.id for message in inbox]
    last = state.metadata.get(MESSAGE_KEY)
    if last in ids:
        return ids.index(last)
    held = state.messages
    return max((place for place, id in enumerate(ids) if id in held), default=-1)


def _is_breakpoint(nodes: Sequence[str], stops_at: Sequence[str]) -> bool:
    return bool(nodes) and ("*" in stops_at or any(node in stops_at for node in nodes))
