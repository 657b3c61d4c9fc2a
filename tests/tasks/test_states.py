"""The states of a task: which moves there are, that no other is made, and what a run's outcome leads to."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from langwire.errors import IllegalMove
from langwire.events import Outcome
from langwire.tasks.states import MOVES, STATES, TERMINAL, TaskState, check_move, outcome_to_state

LEGAL = {
    "queued -> ongoing",
    "queued -> cancelled",
    "ongoing -> review_needed",
    "ongoing -> done",
    "ongoing -> failed",
    "ongoing -> cancelled",
    "ongoing -> queued",
    "review_needed -> queued",
    "review_needed -> cancelled",
    "done -> queued",
    "failed -> queued",
    "cancelled -> queued",
}


@pytest.mark.parametrize(("now", "then"), list(product(STATES, STATES)))
def test_a_move_is_made_when_the_table_has_it(now: TaskState, then: TaskState) -> None:
    if f"{now} -> {then}" in LEGAL:
        check_move(now, then)
    else:
        with pytest.raises(IllegalMove, match=f"^a task that is {now} cannot become {then}: expected "):
            check_move(now, then)


def test_an_end_is_left_by_a_new_attempt_alone() -> None:
    """I3."""
    assert {"done", "failed", "cancelled"} == TERMINAL
    assert {MOVES[state] for state in TERMINAL} == {frozenset({"queued"})}


def test_each_outcome_of_a_run_leads_to_a_state() -> None:
    """W7: what is no outcome is a failure, never a success."""
    states = {outcome: outcome_to_state(outcome) for outcome in (*get_args(Outcome), None, "completed", "")}
    assert states == {
        "complete": "done",
        "interrupted": "review_needed",
        "error": "failed",
        "timeout": "failed",
        "cancelled": "cancelled",
        None: "failed",
        "completed": "failed",
        "": "failed",
    }
