"""Knows how a turn reads, so that one on a server can be compared with the same one in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from langwire import Transcript
from langwire.events import Event, StateSnapshot, TextDelta, TurnEnd


def reading(events: Sequence[Event]) -> dict[str, Any]:
    """What a person reads of a turn: no ids that LangGraph makes up, and no order where things run in parallel."""
    told = Transcript.of(events)
    messages = [
        (places(message.lane), message.role, message.text, message.reasoning, message.discarded, message.partial)
        for message in told.messages
    ]
    calls = [
        (call.id, call.name, call.args, call.result and (call.result.status, call.result.content))
        for call in told.calls
    ]
    asked = [
        (one.kind, one.value, one.actions, one.allowed, one.call_id, one.response_schema, places(one.lane))
        for one in told.interrupts
    ]
    return {
        "outcome": told.outcome,
        "text": told.text,
        "messages": messages,
        "calls": sorted(calls, key=repr),
        "questions": sorted(asked, key=repr),
        "open calls": end_of(events).open_calls,
        "usage": told.usage,
        "custom": [one.data for one in told.custom],
        "states": [(places(one.lane), one.values) for one in events if isinstance(one, StateSnapshot)],
        "kinds": kinds(events),
    }


def places(lane: Sequence[str]) -> list[str]:
    return [step.partition(":")[0] for step in lane]


def kinds(events: Sequence[Event]) -> Counter[str]:
    """How often each kind of event came: as many pieces of text, as many nodes, as many states."""
    return Counter(type(event).__name__ for event in events)


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: Sequence[Event]) -> TurnEnd:
    end = events[-1]
    assert isinstance(end, TurnEnd)
    return end
