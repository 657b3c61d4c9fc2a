"""Knows the states of a task and the moves between them.

    queued ──> ongoing ──> done | failed | cancelled
      ^  ^        │  │          │
      │  └────────┘  v          │    ongoing -> queued: given back, parked until other tasks end, to be tried again
      ├──────── review_needed   │    review_needed -> queued: answered
      └─────────────────────────┘    retry, followup: a new attempt

A task that waits, for its time, for other tasks, or for a free worker, is *queued*. *Ongoing* means a lease: one
worker has it, and if the lease runs out it is taken back. *Review_needed* waits for a person. The ugly corner is
cancelling what is ongoing: that is a request, kept beside the state, until the worker or the sweep has written an end.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from langwire.errors import IllegalMove

TaskState: TypeAlias = Literal["queued", "ongoing", "review_needed", "done", "failed", "cancelled"]

STATES: tuple[TaskState, ...] = get_args(TaskState)

MOVES: dict[TaskState, frozenset[TaskState]] = {
    "queued": frozenset({"ongoing", "cancelled"}),
    "ongoing": frozenset({"review_needed", "done", "failed", "cancelled", "queued"}),
    "review_needed": frozenset({"queued", "cancelled"}),
    "done": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "cancelled": frozenset({"queued"}),
}

TERMINAL: frozenset[TaskState] = frozenset({"done", "failed", "cancelled"})
"""Only a retry or a followup leaves these, with a new attempt."""

_OF_OUTCOME: dict[str | None, TaskState] = {
    "complete": "done",
    "interrupted": "review_needed",
    "error": "failed",
    "timeout": "failed",
    "cancelled": "cancelled",
}


def check_move(now: TaskState, then: TaskState) -> None:
    """Raise `IllegalMove` when a task in the state `now` cannot go over to `then`."""
    if then not in MOVES[now]:
        allowed = ", ".join(state for state in STATES if state in MOVES[now])
        raise IllegalMove(f"a task that is {now} cannot become {then}: expected {allowed}")


def outcome_to_state(outcome: str | None) -> TaskState:
    """Return the state that a run's outcome leads to; `failed` for what is no outcome."""
    return _OF_OUTCOME.get(outcome, "failed")
