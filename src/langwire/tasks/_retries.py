"""Knows how LangGraph's retry policy becomes one that a record can hold, and which failures are worth a retry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langgraph.types import RetryPolicy

from langwire.errors import UsageError
from langwire.tasks.task import Retry

_DEFAULT: Any = RetryPolicy().retry_on


def stored_retry(given: RetryPolicy | Retry | None) -> Retry:
    """Return a policy as a record holds it; None stands for none. Raises `UsageError` for any that cannot be."""
    if given is None:
        return Retry()
    if isinstance(given, RetryPolicy):
        given = Retry(
            max_attempts=given.max_attempts,
            on_error=True,
            initial_interval=given.initial_interval,
            backoff_factor=given.backoff_factor,
            max_interval=given.max_interval,
            jitter=float(given.jitter),
        )
    if not isinstance(given, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"retry came as a {type(given).__name__}: expected a RetryPolicy of LangGraph, or a Retry")
    times: tuple[Any, ...] = (given.initial_interval, given.backoff_factor, given.max_interval, given.jitter)
    numbers = type(given.max_attempts) is int and all(isinstance(time, int | float) for time in times)
    if not numbers or given.max_attempts < 1 or not all(0 <= time < 1e9 for time in times):
        raise UsageError(f"retry came as {given!r:.200}: expected one attempt or more, and times of 0 or more")
    return given


def own_retry(given: RetryPolicy | Retry | None) -> Retry | None:
    """Return the policy of one task. Its record holds no function: what is worth retrying is the runner's to say."""
    if isinstance(given, RetryPolicy) and given.retry_on is not _DEFAULT:
        raise UsageError("a task's retry came with retry_on, and a record holds no function: give it to the runner")
    return None if given is None else stored_retry(given)


def worth_retrying(given: RetryPolicy | Retry | None) -> Callable[[Exception], bool]:
    """Return the function that says whether an exception is worth another attempt: LangGraph's where none is given."""
    kinds: Any = given.retry_on if isinstance(given, RetryPolicy) else _DEFAULT
    if isinstance(kinds, Sequence):
        return lambda error: isinstance(error, tuple(kinds))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(kinds, type):
        return lambda error: isinstance(error, kinds)
    return kinds
