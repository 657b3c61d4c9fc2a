"""Knows what of a run a client sees: which lanes and nodes speak as the agent, which as a subagent, which not at all.

- `inline`: as if the agent itself had said it;
- `attributed`: as a subagent's, in a box of its own (`SUBAGENT_*`, `subagentRunId`);
- `hidden`: not at all.

What a node shows holds for all that runs inside it. Whatever the rules say, a question is always asked. A checkpoint
does not say who wrote a message: what a hidden node leaves in the messages of the root graph is hidden as long as the
session's log knows of it, and shown to who reads the thread after a restart. Keep secrets out of the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

from langwire.errors import UsageError
from langwire.events import Lane, Source, SubagentStart

Show: TypeAlias = Literal["inline", "attributed", "hidden"]

_SHOWS: tuple[Show, ...] = get_args(Show)


class Visibility(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown: `subagents` are lanes that do the work of a tool call, `subgraphs` all other inner ones.

    `nodes` says it for single nodes, and for what runs inside them, by the node's name in its graph, or by the name of
    a subagent. Raises `UsageError` for any other word than those of `Show`.
    """

    subagents: Show = "attributed"
    subgraphs: Show = "inline"
    nodes: Mapping[str, Show] = {}

    def __post_init__(self) -> None:
        for show in (self.subagents, self.subgraphs, *self.nodes.values()):
            if show not in _SHOWS:
                raise UsageError(f"{show!r:.80} came as a visibility: expected one of {', '.join(_SHOWS)}")

    def without_subagents(self) -> Visibility:
        """Hide what would be a subagent's: for clients that have no place for what the agent has not said itself."""

        def shown(show: Show) -> Show:
            return "hidden" if show == "attributed" else show

        nodes: dict[str, Show] = {name: shown(show) for name, show in self.nodes.items()}
        return Visibility(subagents=shown(self.subagents), subgraphs=shown(self.subgraphs), nodes=nodes)


class Place:
    """Where something happens, as a client sees it: in the agent itself, in a subagent, or hidden.

    Of a subagent: its `subagent` id, its name, the place around it, and the part id of the call whose work it does.
    """

    __slots__ = ("around", "call", "hidden", "name", "subagent")

    def __init__(
        self,
        subagent: str | None = None,
        *,
        name: str = "",
        around: Place | None = None,
        call: str | None = None,
        hidden: bool = False,
    ) -> None:
        self.subagent, self.name, self.around, self.call, self.hidden = subagent, name, around, call, hidden


ROOT = Place()
HIDDEN = Place(hidden=True)


class Places:
    """The places of one run, by lane."""

    __slots__ = ("_delegated", "_lanes", "_visibility")

    def __init__(self, visibility: Visibility) -> None:
        self._visibility = visibility
        self._lanes: dict[Lane, Place] = {(): ROOT}
        self._delegated: dict[Lane, SubagentStart] = {}

    def delegate(self, start: SubagentStart) -> None:
        """Take note that a lane is the work of a call; told before anything else of that lane."""
        self._delegated[start.lane] = start

    def of_lane(self, lane: Lane) -> Place:
        """Return the place of what runs in a lane."""
        place = self._lanes.get(lane)
        if place is None:
            around = self.of_lane(lane[:-1])
            place = self._lanes[lane] = around if around.hidden else self._inner(lane, around)
        return place

    def of_node(self, source: Source) -> Place:
        """Return the place of what a node says itself."""
        show = self._visibility.nodes.get(source.node or "")
        if show == "hidden":
            return HIDDEN
        if show is None or source.task is None:
            return self.of_lane(source.lane)
        return self.of_lane((*source.lane, f"{source.node}:{source.task}"))

    def _inner(self, lane: Lane, around: Place) -> Place:
        node, _, task = lane[-1].rpartition(":")
        rules, start = self._visibility, self._delegated.get(lane)
        name = (start.name if start is not None else None) or node
        show = rules.nodes.get(name) or rules.nodes.get(node)
        show = show or (rules.subagents if start is not None else rules.subgraphs)
        if show == "hidden":
            return HIDDEN
        if show == "inline":
            return around
        return Place(task, name=name, around=around, call=start.id if start is not None else None)
