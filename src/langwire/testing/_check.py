"""Knows how the problems of a turn read in a failing test: one line each, with the event that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import fields

from langwire.core._guards import shown
from langwire.core.conformance import check
from langwire.events import Event, OpenCall, Source

_SHOWN = 100


def check_events(events: Iterable[Event], *, open_calls: Iterable[OpenCall] | None = None) -> None:
    """Fail with one line for each place where the events of one turn break the grammar.

    `open_calls` are the calls that earlier turns left without a result; `None` means that nobody knows. Raises
    `AssertionError`. `langwire.check` returns the problems instead.
    """
    __tracebackhide__ = True
    lines = list(problem_lines(list(events), open_calls))
    if lines:
        raise AssertionError("\n".join(lines))


def problem_lines(events: Sequence[Event], open_calls: Iterable[OpenCall] | None) -> Iterator[str]:
    """Yield what is wrong with a turn: `event 3, TextEnd(id='m1'): part: the end of …`."""
    for problem in check(events, open_calls=open_calls):
        about = "the end" if problem.index == len(events) else f"event {problem.index}, {short(events[problem.index])}"
        yield f"{about}: {problem.rule}: {problem.message}"


def short(event: Event) -> str:
    """The event with the fields that say something."""
    values = [(field.name, getattr(event, field.name), field.default) for field in fields(event)]
    said = ", ".join(f"{name}={shown(value)}" for name, value, default in values if not _is(value, default))
    return f"{type(event).__name__}({said if len(said) <= _SHOWN else said[:_SHOWN] + '…'})"


def _is(value: Any, default: Any) -> bool:
    """Whether a field holds its default; a value of foreign make is never compared."""
    return value is default or (isinstance(value, str | int | tuple | Source) and value == default)
