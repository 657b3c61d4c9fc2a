"""Knows all sessions of one graph: which are in memory, which may be forgotten, and what they have in common."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4
from weakref import WeakValueDictionary

from langwire.core.built_ins import BUILT_INS
from langwire.core.extractors import Extractor
from langwire.errors import SessionsClosed, TurnRunning, UnknownThread, UsageError
from langwire.events import Custom, Display, Entry, Event, Extracted, Progress, TaskUpdate
from langwire.sessions._past import forget, snapshot_of
from langwire.sessions.delegation import Delegates
from langwire.sessions.graph import ExtraMode, Graph, is_remote, keeping_threads, refuse_what_is_no_graph
from langwire.sessions.log import MAX_BYTES, MAX_ENTRIES
from langwire.sessions.session import WHEN_BUSY, WHEN_INTERRUPTED, Session, WhenBusy, WhenInterrupted, one_of
from langwire.sessions.store import MemorySessionStore, Page, SessionStore, now_ms
from langwire.sessions.turn import Middleware

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

_PUSHED = (Custom, Display, Extracted, Progress, TaskUpdate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all sessions of an adapter have in common; see `SessionAdapter`."""

    graph: Any
    store: SessionStore
    redactor: Redactor | None
    middleware: Sequence[Middleware]
    config: Mapping[str, Any] | None
    state: bool
    modes: Sequence[ExtraMode]
    skip_tools: Iterable[str]
    extractors: Iterable[Extractor] | Extractor
    when_busy: WhenBusy
    when_interrupted: WhenInterrupted
    timeout: float | None
    idle_timeout: float | None
    max_input_bytes: int
    max_entries: int
    max_log_bytes: int
    tasks: Delegates | None


class SessionAdapter:
    """The sessions of one graph, by thread id. Use it with `async with`, which closes everything at the end.

    `graph` is any compiled graph; one without a checkpointer is run as a copy with one in memory. `store` remembers
    how turns ended and which questions were answered (in memory, where none is given), `redactor` masks secrets,
    `middleware` goes around every turn. `config`, `state`, `modes`, `skip_tools` and `extractors` are those of
    `langwire.stream`. `when_busy` and `when_interrupted` are the policies of `Session.submit`. `tasks` is the
    `TaskRunner` to which the agent may delegate; a remote graph cannot.

    `timeout` ends a turn after so many seconds, `idle_timeout` after so many without a sign of life. An input may have
    `max_input_bytes` as JSON. A log keeps `max_entries` and about `max_log_bytes`. Sessions in which nothing runs
    and nobody reads are forgotten after `max_idle` seconds, when there are more than `max_sessions`, or when all logs
    together take more than `max_bytes`; what the checkpointer and the store know stays.
    """

    def __init__(
        self,
        graph: Graph,
        store: SessionStore | None = None,
        *,
        redactor: Redactor | None = None,
        middleware: Sequence[Middleware] = (),
        config: Mapping[str, Any] | None = None,
        state: bool = False,
        modes: Sequence[ExtraMode] = (),
        skip_tools: Iterable[str] = (),
        extractors: Iterable[Extractor] | Extractor = BUILT_INS,
        when_busy: WhenBusy = "reject",
        when_interrupted: WhenInterrupted = "reject",
        timeout: float | None = None,
        idle_timeout: float | None = None,
        max_input_bytes: int = 8 * 2**20,
        max_entries: int = MAX_ENTRIES,
        max_log_bytes: int = MAX_BYTES,
        max_sessions: int = 10_000,
        max_idle: float = 3600.0,
        max_bytes: int = 256 * 2**20,
        tasks: Delegates | None = None,
    ) -> None:
        refuse_what_is_no_graph(graph)
        _check_tasks(tasks, graph)
        _check_options(middleware, when_busy, when_interrupted, timeout, idle_timeout)
        _check_limits(max_input_bytes, max_entries, max_log_bytes, max_sessions, max_idle, max_bytes)
        self.instance = uuid4().hex
        """Names this adapter in the store."""
        self.options = Options(
            graph=keeping_threads(graph),
            store=store if store is not None else MemorySessionStore(),
            redactor=redactor,
            middleware=tuple(middleware),
            config=config,
            state=state,
            modes=tuple(modes),
            skip_tools=tuple(skip_tools),
            extractors=extractors,
            when_busy=when_busy,
            when_interrupted=when_interrupted,
            timeout=timeout,
            idle_timeout=idle_timeout,
            max_input_bytes=max_input_bytes,
            max_entries=max_entries,
            max_log_bytes=max_log_bytes,
            tasks=tasks,
        )
        self._max_sessions, self._max_idle, self._max_bytes = max_sessions, max_idle, max_bytes
        self._lock = threading.RLock()
        self._known: WeakValueDictionary[str, Session] = WeakValueDictionary()
        """Every session that somebody holds: a thread never has two."""
        self._kept: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        """The sessions that are kept in memory, the last used at the end, and when that was."""
        self._looked_at = monotonic()
        self._closing = self._closed = False
        self._hurried = asyncio.Event()
        """Set when turns get no more time to end by themselves."""

    # -------------------------------------------------------------- sessions

    def get(self, thread_id: str) -> Session:
        """Return the session of a thread, whether or not anything is known of it. Costs nothing until it is used."""
        if not isinstance(thread_id, str) or not thread_id:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"thread id came as {thread_id!r:.80}: expected text, one character or more")
        with self._lock:
            session = self._known.get(thread_id)
            if session is None:
                session = self._known[thread_id] = Session(self, thread_id)
            return session

    async def list(self, *, owner: str | None = None, limit: int = 50, before: str | None = None) -> Page:
        """Return a page of what is remembered of threads, the last used first: see `SessionStore.list`."""
        self.check_open()
        return await self.options.store.list(owner=owner, limit=limit, before=before)

    def push(self, thread_id: str, event: Event) -> Entry:
        """Tell an event of your own to whoever reads a thread, from any thread of the program.

        For `Custom`, `Progress`, `Display`, `Extracted` and `TaskUpdate`. Raises `UsageError` for any other: it would
        break the grammar of a turn.
        """
        if not isinstance(event, _PUSHED):
            names = ", ".join(kind.__name__ for kind in _PUSHED)
            raise UsageError(f"a {type(event).__name__} cannot be pushed: expected {names}")
        self.check_open()
        if self.options.redactor is not None:
            (event,) = self.options.redactor.begin().feed(event)
        session = self.get(thread_id)
        entry = session.log.append(event)
        self.keep(session)
        return entry

    async def delete(self, thread_id: str) -> None:
        """Forget a thread everywhere: its turn is stopped, its log closed, its record and checkpoints deleted.

        Raises `UnknownThread`, `TurnRunning` when its turn does not stop within 5 seconds, and `UnsupportedGraph` for
        a graph that does not let its threads be deleted.
        """
        self.check_open()
        await self._delete(self.get(thread_id), None)

    async def _delete(self, session: Session, unused_since: int | None) -> bool:
        """Delete a thread, or leave it when it has been used since then (Unix milliseconds)."""
        graph, store, thread_id = self.options.graph, self.options.store, session.thread_id
        if not await session.shut("the thread was deleted"):
            raise TurnRunning(f"a turn of thread {thread_id!r:.200} does not stop: delete it when it has ended")
        async with session.alone():
            record = await store.get(thread_id)
            if unused_since is not None and (record is None or record.updated_ms >= unused_since):
                return False
            known = session.log.last > 0 or record is not None
            if not known and await snapshot_of(graph, {"configurable": {"thread_id": thread_id}}) is None:
                raise UnknownThread(f"nothing is known of thread {thread_id!r:.200}")
            await forget(graph, thread_id)  # without a look at its checkpoints, which may not be readable any more
            await store.delete(thread_id)
            session.deleted = True
            session.log.close("deleted")
            with self._lock:
                self._kept.pop(thread_id, None)
                self._known.pop(thread_id, None)
        return True

    async def purge(self, older_than: float) -> int:
        """Delete the threads that were last used more than `older_than` seconds ago; return how many."""
        self.check_open()
        count = 0
        before = now_ms() - int(older_than * 1000)
        while ids := await self.options.store.stale(before):
            idle = [session for session in map(self.get, ids) if session.idle]
            deleted = [await self._delete(session, before) for session in idle]
            if not any(deleted):
                break
            count += sum(deleted)
        return count

    # -------------------------------------------------------------- memory

    def keep(self, session: Session) -> None:
        """Keep a session in memory, as the last used one, and forget those that may be."""
        with self._lock:
            if self._known.get(session.thread_id) is session:
                self._kept.pop(session.thread_id, None)
                self._evict()
                self._kept[session.thread_id] = (session, monotonic())

    async def forget(self, thread_id: str) -> None:
        """Forget what memory holds of a thread in which nothing runs; what the checkpointer and the store know stays.

        A session store that is in memory alone forgets it as well. Without effect while a turn runs or waits.
        """
        with self._lock:
            session = self._known.get(thread_id)
            if session is None or not session.idle:
                return
            self._kept.pop(thread_id, None)
            self._known.pop(thread_id, None)
        if isinstance(self.options.store, MemorySessionStore):
            await self.options.store.delete(thread_id)

    def _evict(self) -> None:
        """Forget what may be forgotten, the longest unused first. Ages and bytes are looked at once a second."""
        now, over = monotonic(), len(self._kept) + 1 - self._max_sessions
        looks = now - self._looked_at > 1.0
        if over <= 0 and not looks:
            return
        size = sum(session.log.bytes for session, _ in self._kept.values()) if looks else 0
        self._looked_at = now if looks else self._looked_at
        gone: list[str] = []
        for thread_id, (session, used) in self._kept.items():
            if not (over > 0 or size > self._max_bytes or now - used > self._max_idle):
                break
            if session.log.readers:
                self._kept[thread_id] = (session, now)  # it is in use; its age counts from its last reader on
            elif session.idle:
                gone.append(thread_id)
                over, size = over - 1, size - session.log.bytes
        for thread_id in gone:
            del self._kept[thread_id]

    # -------------------------------------------------------------- closing

    def check_open(self) -> None:
        """Raise `SessionsClosed` when the adapter has been closed."""
        if self._closed:
            raise SessionsClosed("these sessions have been closed: make a new SessionAdapter")

    @property
    def closing(self) -> bool:
        """Whether `close` has been called: no turn begins any more, though some may still run."""
        return self._closing

    def check_taking(self) -> None:
        """Raise `SessionsClosed` when no turn is taken any more."""
        if self._closing:
            raise SessionsClosed("these sessions are being closed and take no turn any more: make a new SessionAdapter")

    async def close(self, *, drain: float = 0.0) -> None:
        """Stop every turn, end every reader, and let go of the store.

        Turns that run, or wait behind others, first get `drain` seconds to end by themselves. Meanwhile everything can
        be read, and no turn is taken (`SessionsClosed`). To wait no longer, call it again without `drain`. Raises
        `UsageError` for a `drain` below 0.
        """
        if not drain >= 0:
            raise UsageError(f"drain came as {drain!r:.80}: expected seconds, 0 or more")
        self._closing = True
        if drain:
            await self._drain(drain)
        self._closed = True
        self._hurried.set()
        with self._lock:
            sessions = list(self._known.values())
        await asyncio.gather(*(session.shut("the sessions were closed") for session in sessions))
        for session in sessions:
            session.log.close("closed")
        await self.options.store.close()

    async def _drain(self, seconds: float) -> None:
        """Wait until no turn runs or waits any more, for so many seconds, or until somebody closes at once."""
        with self._lock:
            sessions = list(self._known.values())
        waits = (asyncio.create_task(_all_ended(sessions)), asyncio.create_task(self._hurried.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def _all_ended(sessions: Iterable[Session]) -> None:
    for session in sessions:
        await session.ended()


def _check_options(middleware: Any, when_busy: Any, when_interrupted: Any, *timeouts: Any) -> None:
    one_of(when_busy, WHEN_BUSY)
    one_of(when_interrupted, WHEN_INTERRUPTED)
    for one in middleware:
        if not callable(one):
            raise UsageError(f"a {type(one).__name__} came as middleware: expected a function of the turn")
    for seconds in timeouts:
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
            raise UsageError(f"a timeout of {seconds!r:.80} came: expected seconds above 0, or None")


def _check_tasks(tasks: Any, graph: Any) -> None:
    if tasks is not None and not isinstance(tasks, Delegates):
        raise UsageError(f"a {type(tasks).__name__} came as tasks: expected a TaskRunner")
    if tasks is not None and is_remote(graph):
        raise UsageError("tasks came with a remote graph, whose tools run elsewhere: give that server a TaskRunner")


def _check_limits(*limits: Any) -> None:
    for limit in limits:
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0:
            raise UsageError(f"a limit of {limit!r:.80} came: expected a number above 0")
