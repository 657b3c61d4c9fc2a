"""Knows how to read what a thread's checkpoints hold, to tell it again, and to go back to one of them.

A graph whose checkpointer only works sync is asked in a worker thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import uuid4

from langwire.core._guards import is_mapping
from langwire.core._messages import coerce
from langwire.core._states import state_items
from langwire.core._updates import messages_of
from langwire.core.built_ins import BUILT_INS
from langwire.core.extractors import Extractor
from langwire.core.parser import StreamParser
from langwire.errors import UnknownPoint, UnsupportedGraph
from langwire.events import Event
from langwire.sessions.graph import is_remote, is_unknown_there, named_there, standing_of

T = TypeVar("T")

REMOTE_LIMIT = 1000
"""How many snapshots a server gives at most; without a limit it gives ten."""
_COPY = "__copy__"
"""As the node that writes: LangGraph makes a new checkpoint of an old one, with what comes next there."""


async def snapshot_of(graph: Any, config: Mapping[str, Any]) -> Any:
    """Return LangGraph's snapshot of a thread, at a checkpoint if the config names one; None where nothing is kept."""
    if is_remote(graph):
        config = {**config, "configurable": named_there(config["configurable"])}
    try:
        snapshot = await _either(lambda: graph.aget_state(config), lambda: graph.get_state(config))
    except Exception as error:
        if is_unknown_there(graph, error):
            return None
        raise
    return None if snapshot.created_at is None else snapshot


async def snapshots_of(graph: Any, config: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Yield a thread's snapshots, the last one first, then the one that each came from."""
    wanted: str | None = None
    limit = REMOTE_LIMIT if is_remote(graph) else None
    try:
        snapshots = await _either(
            lambda: _collected(graph.aget_state_history(config, limit=limit)), lambda: _listed(graph, config)
        )
    except Exception as error:
        if is_unknown_there(graph, error):
            return
        raise
    for snapshot in snapshots:
        if wanted in (None, checkpoint_of(snapshot.config)):
            yield snapshot
            if snapshot.parent_config is None:
                return
            wanted = checkpoint_of(snapshot.parent_config)


def _listed(graph: Any, config: Mapping[str, Any]) -> list[Any]:
    return list(graph.get_state_history(config))


async def _collected(snapshots: AsyncIterator[Any]) -> list[Any]:
    return [snapshot async for snapshot in snapshots]


async def go_back(graph: Any, config: Mapping[str, Any], snapshot: Any) -> str | None:
    """Make an earlier snapshot of a thread the one that the thread stands at; return the id of its new checkpoint."""
    at = {**config, "configurable": {**config["configurable"], **snapshot.config["configurable"]}}
    made = await _either(
        lambda: graph.aupdate_state(at, None, as_node=_COPY), lambda: graph.update_state(at, None, as_node=_COPY)
    )
    return checkpoint_of(made)


async def forget(graph: Any, thread_id: str) -> None:
    """Delete a thread's checkpoints. Raises `UnsupportedGraph` where the graph gives no way to."""
    client = getattr(graph, "client", None)
    if is_remote(graph) and client is not None:
        try:
            await client.threads.delete(thread_id)
        except Exception as error:
            if not is_unknown_there(graph, error):
                raise
        return
    saver = getattr(graph, "checkpointer", None)
    if saver is None or not hasattr(saver, "adelete_thread"):
        raise UnsupportedGraph(
            f"thread {thread_id!r:.200} of a {type(graph).__name__} cannot be deleted from here: delete it where it is"
        )
    await _either(lambda: saver.adelete_thread(thread_id), lambda: saver.delete_thread(thread_id))


async def _either(work: Callable[[], Awaitable[T]], sync: Callable[[], T]) -> T:
    """Do something async, or in a thread where it only works sync."""
    try:
        return await work()
    except NotImplementedError:
        return await asyncio.to_thread(sync)


def is_unstarted(snapshot: Any) -> bool:
    """Return whether a thread has taken an input in, and nothing has run with it yet."""
    metadata = snapshot.metadata if snapshot is not None and not snapshot.next else None
    return is_mapping(metadata) and metadata.get("source") == "input"


def is_pending(snapshot: Any) -> bool:
    """Return whether nodes have finished without a checkpoint of it: what they wrote is kept, and not folded in yet."""
    return snapshot is not None and not snapshot.next and bool(snapshot.tasks)


def checkpoint_of(config: Mapping[str, Any]) -> str | None:
    """Return the checkpoint that a config names."""
    return config["configurable"].get("checkpoint_id")


# ------------------------------------------------------------------ messages


def messages_in(values: Any) -> dict[str, Any]:
    """Return a state's messages by id, in their order."""
    found: dict[str, Any] = {}
    for _, value in state_items(values):
        for raw in messages_of(value) or ():
            fields = coerce(raw)
            if fields is not None and fields.get("id"):
                found[fields["id"]] = raw
    return found


def retold(
    snapshot: Any,
    thread_id: str,
    *,
    skip_tools: Iterable[str] = (),
    extractors: Iterable[Extractor] | Extractor = BUILT_INS,
) -> list[Event]:
    """Tell what a snapshot holds as the events of one turn: every message, whoever said it, and the open questions.

    `skip_tools` are not shown, and `extractors` read out of results what they read when these came.
    """
    standing = standing_of(snapshot)
    parser = StreamParser(
        modes=["values"],
        subgraphs=True,
        turn_id=uuid4().hex,
        thread_id=thread_id,
        cause="continue",
        checkpoint_id=standing.checkpoint_id,
        skip_tools=skip_tools,
        extractors=extractors,
    )
    events = parser.feed(((), "values", {}))
    if snapshot is not None and is_mapping(snapshot.values):
        events += parser.feed(((), "values", snapshot.values))
    return events + parser.close(**standing.ending())


async def point_before(graph: Any, config: Mapping[str, Any], point: str) -> tuple[Any, tuple[str, ...]]:
    """Find the snapshot that a thread has to go back to, and the ids of the messages that it loses by that.

    `point` is a checkpoint's id, which is gone back to itself, or a message's: then it is the snapshot before that
    message. Raises `UnknownPoint` when the thread has neither.
    """
    now: dict[str, Any] | None = None
    met = False
    found = None
    async for snapshot in snapshots_of(graph, config):
        held = messages_in(snapshot.values)
        now = held if now is None else now
        met = met or point in held
        before = met and point not in held
        if checkpoint_of(snapshot.config) == point or before:
            found = snapshot
            # What is put in is kept before it is taken in: without it the thread stands where the turn before ended.
            if not before or snapshot.metadata.get("source") != "input":
                break
    if found is None:
        raise UnknownPoint(f"no message and no checkpoint {point!r:.80} in this thread: see history()")
    kept = messages_in(found.values)
    return found, tuple(id for id in now or () if id not in kept)
