"""Knows the questions of a turn: which interrupts were told, and whether a breakpoint was met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langwire.core._calls import Calls
from langwire.core._guards import is_mapping
from langwire.core._parts import Desk
from langwire.core.interrupts import breakpoint_interrupt, read_interrupt
from langwire.events import Interrupt, Lane


class Pauses:
    """The interrupts of one turn. LangGraph repeats them on every level and in several modes: each is told once."""

    __slots__ = ("_breakpoint", "_calls", "_desk", "_told")

    def __init__(self, desk: Desk, calls: Calls) -> None:
        self._desk, self._calls = desk, calls
        self._told: dict[str, Interrupt] = {}
        self._breakpoint: Lane | None = None

    def meet(self, lane: Lane, raw_interrupts: Iterable[Any]) -> tuple[str, ...]:
        """Tell the interrupts that have not been told; return the ids of all."""
        ids: list[str] = []
        waiting = None
        for raw in raw_interrupts:
            id = getattr(raw, "id", None) or (raw.get("id") if is_mapping(raw) else None)
            if id in self._told:
                ids.append(str(id))
                continue
            waiting = waiting or self._calls.open(hidden=True)
            interrupt = read_interrupt(raw, lane, waiting)
            ids.append(interrupt.id)
            if interrupt.id not in self._told:
                self._told[interrupt.id] = interrupt
                self._desk.out.append(interrupt)
        return tuple(ids)

    def meet_breakpoint(self, lane: Lane) -> None:
        """LangGraph announces a static breakpoint by an empty tuple of interrupts."""
        if self._breakpoint is None:
            self._breakpoint = lane

    def told(self) -> tuple[str, ...]:
        """Return the ids of the interrupts told in this turn."""
        return tuple(self._told)

    def settle(self, open_interrupts: Iterable[Any] | None, paused: Sequence[str] | None) -> tuple[str, ...]:
        """Return the ids of the questions that stay open when the run has ended by itself.

        `open_interrupts` and `paused` (the nodes that come next) are what the checkpoint says, None where nobody
        asked it; the stream's own word stands then. A breakpoint behind the last node holds nothing up.
        """
        ids = tuple(self._told) if open_interrupts is None else self.meet((), open_interrupts)
        if ids:
            return tuple(dict.fromkeys(ids))
        if paused or (paused is None and self._breakpoint is not None):
            interrupt = breakpoint_interrupt(self._breakpoint or (), paused or ())
            self._desk.out.append(interrupt)
            return (interrupt.id,)
        return ()
