"""Knows how far agents may delegate: how deep, how many, for how much, and to whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args

from langwire.core._guards import is_mapping
from langwire.errors import UsageError
from langwire.tasks.task import Limits, OnCancel, Task

_ON_CANCEL: tuple[OnCancel, ...] = get_args(OnCancel)
_LEAST = {"max_depth": 0, "max_children": 0, "max_active": 1, "max_total": 1}
_MOST = 10**12
"""More than any of these can come to, and a number that every store can keep."""

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPolicy:
    """How far delegation may go below one root: a task that a host made, or a conversation.

    `max_depth` counts the generations below a root, `max_children` all the children of one task, `max_active` the tasks
    of a root that have not ended, `max_total` all its tasks. `max_tokens` is what these may spend together and
    `max_seconds` how long they may take, from the root's first moment on; None for as much as they like. A root that
    has ended and is tried again or told more has as many seconds again; in a conversation each task that it starts has
    its own. `on_cancel` says what becomes of the children of a task that is cancelled: `cancel` or `abandon` them.

    `delegates` names, for each registered agent, the others that it may delegate to. An agent may always delegate to a
    copy of itself, and to no other that is not named there: so a child has no tools that its parent has not, unless
    the host grants it. Raises `UsageError` for a value that is none of these.
    """

    max_depth: int = 3
    max_children: int = 8
    max_active: int = 32
    max_total: int = 256
    max_tokens: int | None = None
    max_seconds: float | None = None
    on_cancel: OnCancel = "cancel"
    delegates: Mapping[str, Collection[str]] | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            _check_count(name, getattr(self, name), least)
        if self.max_tokens is not None:
            _check_count("max_tokens", self.max_tokens, 1, " or None")
        _check_seconds(self.max_seconds)
        if self.on_cancel not in _ON_CANCEL:
            raise UsageError(f"on_cancel came as {self.on_cancel!r:.80}: expected one of {', '.join(_ON_CANCEL)}")
        object.__setattr__(self, "delegates", _granted({} if self.delegates is None else self.delegates))

    def allowed(self, agent: str) -> tuple[str, ...]:
        """Return the agents that an agent may delegate to, itself first."""
        others = (self.delegates or {}).get(agent, ())
        return agent, *sorted(set(others) - {agent})

    def narrowed(self, other: TaskPolicy) -> TaskPolicy:
        """Return the stricter of both in each field. An agent may then delegate to whom both of them grant."""
        return TaskPolicy(
            max_depth=min(self.max_depth, other.max_depth),
            max_children=min(self.max_children, other.max_children),
            max_active=min(self.max_active, other.max_active),
            max_total=min(self.max_total, other.max_total),
            max_tokens=_stricter(self.max_tokens, other.max_tokens),
            max_seconds=_stricter(self.max_seconds, other.max_seconds),
            on_cancel="cancel" if "cancel" in (self.on_cancel, other.on_cancel) else "abandon",
            delegates={agent: set(self.allowed(agent)) & set(other.allowed(agent)) for agent in self.delegates or {}},
        )

    def limits(self, agent: str, *, now_ms: int, parent: Task | None) -> Limits:
        """Return the limits of a new task of an agent.

        Those of a child are its parent's, narrowed. `now_ms` (Unix milliseconds by the store's clock) is when the
        seconds begin to count.
        """
        deadline = None if self.max_seconds is None else now_ms + int(self.max_seconds * 1000)
        own = Limits(
            max_depth=self.max_depth,
            max_children=self.max_children,
            max_active=self.max_active,
            max_total=self.max_total,
            max_tokens=self.max_tokens,
            deadline_ms=deadline,
            max_seconds=self.max_seconds,
            agents=self.allowed(agent),
        )
        return own if parent is None else _within(own, parent.spec.limits)


def _within(own: Limits, above: Limits) -> Limits:
    return Limits(
        max_depth=min(own.max_depth, above.max_depth),
        max_children=min(own.max_children, above.max_children),
        max_active=min(own.max_active, above.max_active),
        max_total=min(own.max_total, above.max_total),
        max_tokens=_stricter(own.max_tokens, above.max_tokens),
        deadline_ms=_stricter(own.deadline_ms, above.deadline_ms),
        max_seconds=_stricter(own.max_seconds, above.max_seconds),
        agents=tuple(name for name in own.agents if name in above.agents),
    )


def _stricter(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _check_count(name: str, given: Any, least: int, others: str = "") -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= _MOST:
        raise UsageError(f"{name} came as {given!r:.80}: expected a whole number, {least} or more{others}")


def _check_seconds(given: Any) -> None:
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= _MOST:
        raise UsageError(f"max_seconds came as {given!r:.80}: expected seconds above 0, or None")


def _granted(given: Any) -> dict[str, frozenset[str]] | None:
    """Return whom each agent may delegate to besides itself, as it stands now; None where that is nobody."""
    if not is_mapping(given):
        raise UsageError(f"delegates came as a {type(given).__name__}: expected {{'agent': ['other agent']}}")
    granted = {agent: _names(agent, others) - {agent} for agent, others in given.items()}
    return {agent: names for agent, names in granted.items() if names} or None


def _names(agent: str, others: Any) -> frozenset[str]:
    listed = isinstance(others, Collection) and not isinstance(others, str)
    names = [agent, *cast("Collection[Any]", others)] if listed else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise UsageError(f"delegates of {agent!r:.80} came as {others!r:.80}: expected names of registered agents")
    return frozenset(cast("list[str]", names))
