"""Knows where the graph is: which nodes run in which lane, and which lane is the work of which tool call.

LangGraph's `tasks` chunks say when a task starts and what comes of it; a child graph's lane ends with
`<node>:<task id>` of the task it runs in. A task that was pushed for one tool call makes its lane a subagent.

LangGraph sends no end for a node whose saved writes are replayed, and none for the nodes of a child that was
left by `Command(graph=PARENT)`: those end with the node above them, or with the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langwire.core._calls import Call, Calls, call_of_task
from langwire.core._guards import is_mapping
from langwire.core._parts import Desk
from langwire.events import Lane, NodeEnd, NodeStart, NodeStatus, SubagentEnd, SubagentStart


class Node:
    """A node that runs, or has run, in this turn."""

    __slots__ = ("call", "child", "ended", "id", "lane", "name", "subagent")

    def __init__(self, id: str, name: str, lane: Lane, call: Call | None) -> None:
        self.id, self.name, self.lane, self.call = id, name, lane, call
        self.child: Lane = (*lane, f"{name}:{id}")
        self.ended = False
        self.subagent = False
        """Whether its lane has been told to be a subagent's, and not yet to be over."""


class Lanes:
    """The lanes and nodes of a turn. `before_end(task id, status)` is called before a node's end is told."""

    __slots__ = (
        "_agents",
        "_before_end",
        "_calls",
        "_desk",
        "_nodes",
        "_open",
        "_replayed",
        "_resumed",
        "_seen",
        "moved",
    )

    def __init__(
        self, desk: Desk, calls: Calls, *, resumed: bool, before_end: Callable[[str, NodeStatus], None]
    ) -> None:
        self._desk, self._calls, self._before_end = desk, calls, before_end
        self._nodes: dict[str, Node] = {}
        self._open: dict[Lane, dict[str, Node]] = {}
        self._seen: set[Lane] = {()}
        self.moved: set[Lane] = set()
        """The lanes in which something ran or was written."""
        self._agents: dict[Lane, str] = {}
        self._replayed: dict[tuple[Lane, str], int] = {}
        self._resumed: set[Lane] = {()} if resumed else set()
        """The lanes that are still in the first step of a resumed turn."""

    # -------------------------------------------------------------- lanes

    def enter(self, lane: Lane, agent: str | None = None) -> None:
        """Meet a lane; the first time, tell whose work it is."""
        if agent and lane not in self._agents:
            self._agents[lane] = agent
        if lane in self._seen:
            return
        for depth in range(1, len(lane) + 1):
            self._enter_one(lane[:depth], agent if depth == len(lane) else None)

    def _enter_one(self, lane: Lane, agent: str | None) -> None:
        if lane in self._seen:
            return
        self._seen.add(lane)
        parent = lane[:-1]
        if parent in self._resumed:
            self._resumed.add(lane)
        node = self._nodes.get(lane[-1].rpartition(":")[2])
        if node is None or node.ended or node.call is None or node.call.hidden or node.child != lane:
            return
        node.subagent = True
        args = node.call.args
        name = agent or (args.get("subagent_type") if is_mapping(args) else None)
        self._desk.out.append(SubagentStart(lane=lane, id=node.call.id, parent=parent, name=name))

    def agent(self, lane: Lane) -> str | None:
        """Return the agent's name in a lane, where it has been said."""
        return self._agents.get(lane)

    # -------------------------------------------------------------- nodes

    def start(self, lane: Lane, id: str, name: str, input: Any) -> None:
        """A task starts."""
        if id in self._nodes or (lane and self.unended(lane[-1].rpartition(":")[2]) is None):
            return  # told before, or below a node that is over
        wanted = call_of_task(input)
        call = self._calls.find(lane, wanted["id"]) if wanted is not None else None
        node = self._nodes[id] = Node(id, name, lane, call)
        self._open.setdefault(lane, {})[id] = node
        self._desk.out.append(NodeStart(id=id, node=name, lane=lane))

    def end(self, id: str, status: NodeStatus, error: str | None = None) -> None:
        """A task is over: end what runs below it, then the node."""
        node = self._nodes.get(id)
        if node is None or node.ended:
            return
        node.ended = True
        self._open[node.lane].pop(id, None)
        for inner in list(self._open.get(node.child, {}).values()):
            self.end(inner.id, "cancelled" if status in ("error", "cancelled") else self._left(inner))
        self.end_subagent(node)
        self._before_end(id, status)
        self._desk.out.append(NodeEnd(id=id, status=status, error=error))

    def end_subagent(self, node: Node) -> None:
        """Tell that a call's lane is over, if one was told to have begun."""
        if node.subagent:
            node.subagent = False
            self._desk.out.append(SubagentEnd(lane=node.child))

    def finished_call(self, call: Call) -> None:
        """A call has its result: its lane is over, once nothing runs there any more."""
        for node in list(self._open.get(call.lane, {}).values()):
            if node.call is call and not self._open.get(node.child):
                self.end_subagent(node)

    def end_all(self, *, complete: bool) -> None:
        """The turn is over: end every node, the deepest lanes first."""
        for lane in sorted(self._open, key=len, reverse=True):
            for node in list(self._open[lane].values()):
                self.end(node.id, self._left(node) if complete else "cancelled")

    def _left(self, node: Node) -> NodeStatus:
        key = (node.lane, node.name)
        if self._replayed.get(key):
            self._replayed[key] -= 1
            return "replayed"
        return "left"

    def open_nodes(self) -> list[tuple[Lane, str]]:
        """Return lane and name of every node that runs; not of those that only wait to be told as replayed."""
        nodes = (node for nodes in self._open.values() for node in nodes.values())
        return [(node.lane, node.name) for node in nodes if not self._replayed.get((node.lane, node.name))]

    def running(self, lane: Lane, name: str) -> str | None:
        """Return the task id of the node that runs under this name in a lane, when there is just one."""
        tasks = [node.id for node in self._open[lane].values() if node.name == name] if lane in self._open else ()
        return tasks[0] if len(tasks) == 1 else None

    def unended(self, task: str | None) -> str | None:
        """Return a task id, unless its node is over: what comes after that is not the node's any more."""
        node = self._nodes.get(task or "")
        return None if node is not None and node.ended else task or None

    # -------------------------------------------------------------- replay

    def repeats(self, lane: Lane) -> bool:
        """Return whether a cached update only repeats what an earlier turn told.

        It does in the first step of a resumed turn. Anywhere else it is a cache policy's hit, and output.
        """
        return lane in self._resumed

    def replay(self, lane: Lane, name: str) -> None:
        """A cached update has come: its node is over, though LangGraph does not say which of several it was."""
        only = self.running(lane, name)
        if only is not None:
            self.end(only, "replayed")
        else:
            self._replayed[lane, name] = self._replayed.get((lane, name), 0) + 1

    def stepped(self, lane: Lane) -> None:
        """Something new was written in a lane: from now on cached updates there are output."""
        self._resumed.discard(lane)
