"""Knows which steps and subagents of a run are open. The protocol wants both closed before a run is finished.

A step is known by its owner and name alone: of nodes of one name that run side by side, the first start and the last
end are told. A subagent begins with the first event of its own, inside those around it, and is over with its node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from langwire.adapters.agui import events as agui
from langwire.adapters.agui.visibility import Place
from langwire.events import NodeEnd, NodeStart, NodeStatus, Outcome

_LEFT: dict[Outcome, NodeStatus] = {
    "complete": "ok",
    "interrupted": "interrupted",
    "cancelled": "cancelled",
    "error": "error",
    "timeout": "error",
}
"""How a subagent ends whose node's end was never told."""


class Work:
    """The steps and subagents of one run. `call_name` gives a call's id on the wire."""

    __slots__ = ("_call_name", "_nodes", "_over", "_steps", "_subagents")

    def __init__(self, call_name: Callable[[str], str]) -> None:
        self._call_name = call_name
        self._nodes: dict[str, tuple[str | None, str]] = {}
        """The nodes that run and are shown: their step, as owner and name."""
        self._steps: Counter[tuple[str | None, str]] = Counter()
        self._subagents: dict[str, Place] = {}
        """Those that are open, in the order in which they began."""
        self._over: set[str] = set()

    def enter(self, place: Place) -> list[agui.Event]:
        """Return what tells that a subagent begins, and those around it, where that has not been told."""
        id, around = place.subagent, place.around
        if id is None or around is None or id in self._subagents or id in self._over:
            return []
        out = self.enter(around)
        self._subagents[id] = place
        call = self._call_name(place.call) if place.call is not None else None
        out.append(
            agui.SubagentStarted(
                subagent_run_id=id,
                name=place.name,
                parent_subagent_run_id=around.subagent,
                parent_tool_call_id=call,
            )
        )
        return out

    def start(self, node: NodeStart, place: Place) -> list[agui.Event]:
        """Return what tells that a node runs."""
        step = self._nodes[node.id] = place.subagent, node.node
        self._steps[step] += 1
        if self._steps[step] > 1:
            return []
        return [*self.enter(place), agui.StepStarted(step_name=node.node, subagent_run_id=place.subagent)]

    def end(self, node: NodeEnd) -> list[agui.Event]:
        """Return what tells that a node is over, and the subagent that it was."""
        out = self._leave(node.id, node.status) if node.id in self._subagents else []
        step = self._nodes.pop(node.id, None)
        if step is not None and self._steps[step]:
            self._steps[step] -= 1
            if not self._steps[step]:
                out.append(agui.StepFinished(step_name=step[1], subagent_run_id=step[0]))
        return out

    def close(self, outcome: Outcome) -> list[agui.Event]:
        """Return what closes everything that is open."""
        out: list[agui.Event] = []
        for id in reversed(list(self._subagents)):
            out += self._leave(id, _LEFT[outcome])
        return out + self._end_steps(None)

    def _leave(self, id: str, status: NodeStatus) -> list[agui.Event]:
        """Close a subagent after those inside it."""
        out: list[agui.Event] = []
        for inner in reversed([inner for inner, place in self._subagents.items() if _lies_in(place, id)]):
            out += self._end_steps(inner)
            out.append(_subagent_end(inner, status))
            del self._subagents[inner]
            self._over.add(inner)
        return out

    def _end_steps(self, owner: str | None) -> list[agui.Event]:
        steps = [step for step, count in self._steps.items() if step[0] == owner and count]
        for step in steps:
            self._steps[step] = 0
        return [agui.StepFinished(step_name=name, subagent_run_id=owner) for _, name in steps]


def _lies_in(place: Place, id: str) -> bool:
    """Whether a place is that of a subagent, or inside it."""
    around: Place | None = place
    while around is not None and around.subagent != id:
        around = around.around
    return around is not None


def _subagent_end(id: str, status: NodeStatus) -> agui.Event:
    if status in ("error", "cancelled"):
        said = "the subagent failed" if status == "error" else "the subagent was stopped"
        return agui.SubagentError(subagent_run_id=id, message=said, code=status)
    outcome = agui.Suspended() if status == "interrupted" else agui.Done()
    return agui.SubagentFinished(subagent_run_id=id, outcome=outcome)
