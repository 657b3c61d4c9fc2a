"""How far agents may delegate, as a host says it and as each task keeps it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langwire.errors import UsageError
from langwire.tasks.policy import TaskPolicy
from langwire.tasks.task import Limits, Spec, Task

NAMES = ("main", "cook", "clerk")
COUNTS = ("max_depth", "max_children", "max_active", "max_total", "max_tokens", "deadline_ms", "max_seconds")

POLICIES = st.builds(
    TaskPolicy,
    max_depth=st.integers(0, 5),
    max_children=st.integers(0, 9),
    max_active=st.integers(1, 40),
    max_total=st.integers(1, 300),
    max_tokens=st.none() | st.integers(1, 1000),
    max_seconds=st.none() | st.floats(0.1, 100),
    on_cancel=st.sampled_from(["cancel", "abandon"]),
    delegates=st.none() | st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES))),
)


def task(limits: Limits, name: str = "main") -> Task:
    return Task(spec=Spec(id="above", name=name, root_id="above", limits=limits), number=1)


def test_by_default_delegation_is_bounded_and_an_agent_delegates_to_copies_of_itself_alone() -> None:
    """T-9, W27: the numbers are part of what is promised."""
    limits = TaskPolicy().limits("main", now_ms=5, parent=None)
    assert limits == Limits(max_depth=3, max_children=8, max_active=32, max_total=256, agents=("main",))
    assert limits.max_tokens is None
    assert limits.deadline_ms is None
    assert TaskPolicy().on_cancel == "cancel"


def test_seconds_become_a_moment_after_which_nothing_below_the_root_runs() -> None:
    policy = TaskPolicy(max_seconds=2.5, max_tokens=10)
    root = policy.limits("main", now_ms=1000, parent=None)
    assert (root.deadline_ms, root.max_seconds, root.max_tokens) == (3500, 2.5, 10)
    assert policy.limits("main", now_ms=3000, parent=task(root)).deadline_ms == 3500
    assert TaskPolicy(max_seconds=1).limits("main", now_ms=1000, parent=task(root)).deadline_ms == 2000
    assert TaskPolicy().limits("main", now_ms=1000, parent=task(root)).deadline_ms == 3500


def test_a_child_delegates_to_nobody_to_whom_its_parent_may_not() -> None:
    """T-11: a chain of grants never leads to tools that were not granted above."""
    policy = TaskPolicy(delegates={"main": ["cook"], "cook": ["clerk"]})
    root = policy.limits("main", now_ms=0, parent=None)
    assert root.agents == ("main", "cook")
    cook = policy.limits("cook", now_ms=0, parent=task(root))
    assert cook.agents == ("cook",)
    assert policy.limits("clerk", now_ms=0, parent=task(cook, "cook")).agents == ()


def test_a_grant_is_what_it_was_when_it_was_made() -> None:
    others = ["cook"]
    policy = TaskPolicy(delegates={"main": others})
    others.append("clerk")
    assert policy.allowed("main") == ("main", "cook")
    assert policy.allowed("cook") == ("cook",)


@given(POLICIES, POLICIES)
def test_narrowed_is_the_stricter_of_both_in_each_field(one: TaskPolicy, other: TaskPolicy) -> None:
    narrow = one.narrowed(other)
    for name in ("max_depth", "max_children", "max_active", "max_total", "max_tokens", "max_seconds"):
        given = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        assert getattr(narrow, name) == min(given, default=None), name
    assert (narrow.on_cancel == "abandon") == (one.on_cancel == other.on_cancel == "abandon")
    for agent in NAMES:
        assert set(narrow.allowed(agent)) == set(one.allowed(agent)) & set(other.allowed(agent))
    assert one.narrowed(one) == one
    assert narrow == other.narrowed(one)


@given(POLICIES, POLICIES, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_child_never_has_wider_limits_than_its_parent(
    one: TaskPolicy, other: TaskPolicy, parent: str, child: str
) -> None:
    """T-9, T-11: whichever policy its runner has."""
    above = one.limits(parent, now_ms=1000, parent=None)
    below = other.limits(child, now_ms=2000, parent=task(above, parent))
    own = other.limits(child, now_ms=2000, parent=None)
    for name in COUNTS:
        given = [value for value in (getattr(above, name), getattr(own, name)) if value is not None]
        assert getattr(below, name) == min(given, default=None), name
    assert set(below.agents) == set(above.agents) & set(own.agents)


@pytest.mark.parametrize(
    "given",
    [
        {"max_depth": -1},
        {"max_children": -1},
        {"max_active": 0},
        {"max_total": 0},
        {"max_total": 2.5},
        {"max_depth": True},
        {"max_total": 10**13},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"max_seconds": 0},
        {"max_seconds": True},
        {"max_seconds": float("nan")},
        {"max_seconds": float("inf")},
        {"max_seconds": "1"},
        {"on_cancel": "keep"},
        {"delegates": ["cook"]},
        {"delegates": {"main": "cook"}},
        {"delegates": {"main": [""]}},
        {"delegates": {"main": [3]}},
        {"delegates": {"main": None}},
        {"delegates": {"": ["cook"]}},
    ],
)
def test_a_value_that_is_no_limit_is_refused_with_what_came_and_what_was_expected(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r" came as .*: expected "):
        TaskPolicy(**given)
