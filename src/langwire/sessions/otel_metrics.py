"""Knows which OpenTelemetry figures the turns of an adapter are: how many, how they ended, how long, how many tokens.

What tells turns apart is a handful of words, those of `TurnStart.cause` and `TurnEnd.outcome`: never a thread, a person
or a text, of which there is no end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic

import langwire
from langwire.errors import MissingExtra
from langwire.events import Event, ReasoningDelta, TextDelta, ToolCallStart, TurnStart
from langwire.sessions.turn import Middleware, Observer, Turn

try:
    from opentelemetry.metrics import Meter, get_meter
except ImportError as missing:
    raise MissingExtra('measuring needs an extra: pip install "langwire[otel]"') from missing

CAUSE, OUTCOME, KIND = "cause", "outcome", "kind"
DURATIONS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
"""Where the buckets of a turn's duration end, in seconds."""
FIRST_TOKENS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)

_SAYS = (TextDelta, ReasoningDelta, ToolCallStart)


def measure_turns(meter: Meter | None = None) -> Middleware:
    """Return a middleware that keeps the figures of turns, for a dashboard.

    | figure | what | told apart by |
    |---|---|---|
    | `langwire.turns` | counts turns when they end | `outcome`, or "refused"; `cause` |
    | `langwire.turns.active` | how many run | |
    | `langwire.turn.duration` | seconds from a turn's begin to its end | `outcome`, `cause` |
    | `langwire.turn.first_token` | seconds from its begin to the first thing the model says | `cause` |
    | `langwire.turn.tokens` | counts tokens | `kind`: "input" or "output" |

    `meter` is one of the global provider where none is given. Put it first in the list: then it also sees the turns
    that other middleware refuses.
    """
    figures = _Figures(get_meter("langwire", langwire.__version__) if meter is None else meter)

    @asynccontextmanager
    async def middleware(turn: Turn) -> AsyncGenerator[Observer]:
        measured = _Measured(figures)
        try:
            yield measured.see
        finally:
            measured.end(turn)

    return middleware


class _Figures:
    """The instruments of a meter."""

    def __init__(self, meter: Meter) -> None:
        self.turns = meter.create_counter("langwire.turns", "{turn}", "Turns that have ended")
        self.active = meter.create_up_down_counter("langwire.turns.active", "{turn}", "Turns that run")
        self.duration = meter.create_histogram(
            "langwire.turn.duration",
            "s",
            "From a turn's begin to its end",
            explicit_bucket_boundaries_advisory=DURATIONS,
        )
        self.first_token = meter.create_histogram(
            "langwire.turn.first_token",
            "s",
            "From a turn's begin to the first thing the model says",
            explicit_bucket_boundaries_advisory=FIRST_TOKENS,
        )
        self.tokens = meter.create_counter("langwire.turn.tokens", "{token}", "Tokens that models read and wrote")


class _Measured:
    """One turn, as an observer of its events. It has begun with its `TurnStart`: what it waited for before is none."""

    __slots__ = ("_began", "_figures", "_said")

    def __init__(self, figures: _Figures) -> None:
        self._figures = figures
        self._began: float | None = None
        self._said: float | None = None

    def see(self, event: Event) -> None:
        if self._said is None and isinstance(event, _SAYS):
            self._said = monotonic()
        elif self._began is None and isinstance(event, TurnStart):
            self._began = monotonic()
            self._figures.active.add(1)

    def end(self, turn: Turn) -> None:
        figures, usage = self._figures, turn.result.usage
        cause = {CAUSE: turn.cause}
        how = {**cause, OUTCOME: turn.outcome or "refused"}
        figures.turns.add(1, how)
        if self._began is None:
            return
        figures.active.add(-1)
        figures.duration.record(monotonic() - self._began, how)
        if self._said is not None:
            figures.first_token.record(self._said - self._began, cause)
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count:
                figures.tokens.add(count, {KIND: kind})
