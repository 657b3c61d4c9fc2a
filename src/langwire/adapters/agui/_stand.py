"""Knows where a thread stands, as far as it matters to what a client may ask of it.

`told` decides about what a client has and the thread does not. It has to say yes to the ids of all messages of which
the thread told a client once, and of those that it held once and does not any more (`MessagesRemoved`); and to any id
when it cannot know, as after a restart. `by_a_node` says of a user's message whether a node told it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from langwire.core._messages import calls_of, coerce, role_of
from langwire.core.interrupts import breakpoint_interrupt
from langwire.events import Interrupt

if TYPE_CHECKING:
    from langwire.sessions.session import SessionState


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a thread holds.

    `role` and `content` are LangChain's in langwire's words. `call_ids` are the provider's ids of the calls that an
    assistant's message makes, or of the call that a tool's message answers.
    """

    id: str
    role: str
    content: Any = ""
    call_ids: tuple[str, ...] = ()


def _never(_: str) -> bool:
    return False


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """Where a thread stands.

    `messages` are those it holds, in order; `interrupts` the open questions, a breakpoint among them; `answered` the
    ids of the questions whose answers a turn took that was cut off; `next` the nodes that come next. `unstarted` says
    that nothing has run with the last input, `pending` that a node has ended and has no checkpoint yet. `told` says of
    a message's id whether a client may have been told of it here, though the thread does not hold it.
    """

    told: Callable[[str], bool]
    messages: tuple[Held, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()
    answered: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    unstarted: bool = False
    pending: bool = False
    by_a_node: Callable[[str], bool] = _never


def stand_of(
    state: SessionState | None, told: Callable[[str], bool], by_a_node: Callable[[str], bool] = _never
) -> Stand:
    """Return where a thread stands by its session's state; None is a thread of which nothing is known."""
    if state is None:
        return Stand(told=told, by_a_node=by_a_node)
    asked = state.interrupts
    if not asked and not state.answered and state.next and state.outcome == "interrupted":
        asked = (breakpoint_interrupt((), state.next),)
    held = tuple(_held(id, raw) for id, raw in state.messages.items())
    return Stand(
        told=told,
        by_a_node=by_a_node,
        messages=held,
        interrupts=asked,
        answered=state.answered,
        next=state.next,
        unstarted=state.unstarted,
        pending=state.pending,
    )


def _held(id: str, raw: Any) -> Held:
    fields = coerce(raw) or {"type": ""}
    answers = fields.get("tool_call_id")
    calls = [call_id for call_id, *_ in calls_of(fields)]
    return Held(
        id=id,
        role=role_of(fields),
        content=fields.get("content"),
        call_ids=tuple(call_id for call_id in [*calls, answers] if call_id and isinstance(call_id, str)),
    )
