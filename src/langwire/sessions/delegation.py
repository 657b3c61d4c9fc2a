"""Knows what a conversation asks of whoever runs delegated tasks: something to put into the config of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from langwire.events import Event


@runtime_checkable
class Delegates(Protocol):
    """What `SessionAdapter(tasks=...)` takes: a `TaskRunner`, or anything else that has this."""

    def configurable(self, thread_id: str, principal: str | None, push: Callable[[Event], object]) -> Mapping[str, Any]:
        """Return what is merged into the `configurable` of a run, by which its tools find their runner.

        `principal` is who the run works for, `push` tells an event to the thread's readers, from any thread of the
        program. Called once a turn, in the event loop of the sessions.
        """
        ...
