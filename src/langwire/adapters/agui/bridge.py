"""Knows what becomes of a request: what a client sends is checked, sent to its session, and told in AG-UI.

A request is read, weighed against where its thread stands, and taken by the session. Whatever is wrong with it is
refused by then, before anything was told; from then on its stream ends with `RUN_FINISHED` or `RUN_ERROR`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never, get_args

from langwire.adapters.agui import events as agui
from langwire.adapters.agui._beginning import beginning_of, kept_of, run_for, without
from langwire.adapters.agui._protocol import RunAgentInput
from langwire.adapters.agui._refusals import refusal_of
from langwire.adapters.agui._refused import Refused
from langwire.adapters.agui._stand import Stand, stand_of
from langwire.adapters.agui._streams import Beginning, announced, held_to_rules, replayed, run_of, told
from langwire.adapters.agui._told import Told
from langwire.adapters.agui.capabilities import capabilities_of
from langwire.adapters.agui.encoder import PROTOCOLS, AGUIEncoder, Protocol, Run
from langwire.adapters.agui.frontend_tools import CONFIG_KEY, frontend_call
from langwire.adapters.agui.request import (
    Announce,
    Continue,
    Edit,
    Regenerate,
    Resume,
    Submit,
    context_of,
    plan,
    read_run,
    tools_of,
)
from langwire.adapters.agui.state import Prediction, StateView, check_writable, writes
from langwire.adapters.agui.visibility import Visibility
from langwire.errors import LangwireError, UnknownThread, UsageError
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph
from langwire.sessions.session import History, Session, SessionState, one_of
from langwire.sessions.turn import Turn

WhenLeft: TypeAlias = Literal["cancel", "continue"]

Sent: TypeAlias = Submit | Resume | Regenerate | Edit | Continue
"""What a run can ask of a session."""

_LARGE = 2**17

WHEN_LEFT: tuple[WhenLeft, ...] = get_args(WhenLeft)


class AGUIRun:
    """A run that has been taken: iterate over it for its events, once, and say when its client has `left`."""

    def __init__(self, events: AsyncGenerator[agui.Event], turn: Turn | None, *, stop: bool) -> None:
        self.turn = turn
        """The turn that it is; None for one that only tells what was known."""
        self._events, self._stop = events, stop

    def __aiter__(self) -> AsyncIterator[agui.Event]:
        return self._events

    async def aclose(self) -> None:
        """Read no further. What becomes of the run is for `left` to say."""
        await self._events.aclose()

    def left(self) -> None:
        """Take note that nobody reads any more: the run is stopped, or goes on, as the bridge was told."""
        if self._stop and self.turn is not None:
            self.turn.stop("its client has left")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, and where its thread stands."""

    run: RunAgentInput
    session: Session
    state: SessionState | None
    stand: Stand
    principal: str | None
    going: _Going


class _Going:
    """A run from the moment its request came until its turn has ended."""

    __slots__ = ("reason", "sent", "turn")

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.reason: str | None = None
        self.sent: frozenset[tuple[str, str]] = frozenset()
        """The messages that it sends, as thread and message id."""

    def has_taken(self, thread_id: str, message_id: str) -> bool:
        """Whether a message is this run's: one that was stopped or has failed may be sent again."""
        over = self.turn is not None and self.turn.outcome in ("cancelled", "error", "timeout")
        return (thread_id, message_id) in self.sent and not over


class AGUIBridge:
    """Runs one agent for AG-UI clients, without any transport: `run`, `connect`, `cancel`, `capabilities`.

    `agent` is a compiled graph, or a `SessionAdapter` that other faces use as well; only the sessions of a graph that
    was given are closed with the bridge. `visibility` says which subagents and nodes are shown. `state_keys` are the
    keys of the graph's state that a client sees, `client_state_keys` those that it may write; none by default.
    `predict` shows tool arguments as state while they stream. `when_left` says what becomes of a run whose client has
    left: `cancel`, or `continue`, to be connected to again. `raw` passes on what langwire does not model.
    `protocol` is the one that is spoken: `auto` is 1.0 with clients that name a version, and else 0.1. With `guard`
    each stream is held to the client's rules on its way out, for graphs that do what nobody has foreseen: it ends with
    `RUN_ERROR` where it would break one. `about` is merged into the capabilities.

    Raises `UsageError` for what cannot be: state that the sessions do not stream, a key with a reducer to be written.
    """

    def __init__(
        self,
        agent: SessionAdapter | Graph,
        *,
        visibility: Visibility | None = None,
        state_keys: Collection[str] = (),
        client_state_keys: Collection[str] = (),
        predict: Sequence[Prediction] = (),
        when_left: WhenLeft = "cancel",
        raw: bool = False,
        protocol: Protocol | Literal["auto"] = "auto",
        guard: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._guard = guard
        self._owned = not isinstance(agent, SessionAdapter)
        self.sessions = agent if isinstance(agent, SessionAdapter) else SessionAdapter(agent, state=bool(state_keys))
        if state_keys and not self.sessions.options.state:
            raise UsageError("state_keys came for sessions without state: make them with SessionAdapter(…, state=True)")
        self._redactor = self.sessions.options.redactor
        check_writable(self.sessions.options.graph, client_state_keys)
        self.about = about or {}
        self.state_keys, self.client_state_keys, self.predict = state_keys, client_state_keys, tuple(predict)
        self._visibility, self._raw = visibility or Visibility(), raw
        self._protocol: Protocol | Literal["auto"] = one_of(protocol, (*PROTOCOLS, "auto"))
        self._when_left = one_of(when_left, WHEN_LEFT)
        self._runs: dict[tuple[str | None, str], _Going] = {}

    # -------------------------------------------------------------- what a client may ask for

    async def run(self, body: bytes | RunAgentInput, *, principal: str | None = None, debug: bool = False) -> AGUIRun:
        """Take a run, and return it once it has begun, or waits for others.

        `body` is a `RunAgentInput`, or its JSON. `principal` is who asks: a thread belongs to whoever used it first.
        With `debug` a client is told the text of exceptions. Raises `Refused`, and then nothing has been sent.
        """
        run = await _read(body)
        with _refusing(), self._known(run.run_id, principal) as going:
            session = await self._session(run.thread_id, principal)
            alone = session.idle
            state = await _state_of(session)
            _refuse_ownerless(state, principal)
            before = Told(session.log, self._seen_by(run), known=state is not None)
            stand = stand_of(state, before.maybe, before.by_a_node)
            chosen = plan(run, stand)
            shown = without(stand, before.hidden)
            begins = run_for(run, shown, kept_of(shown, chosen), before.hidden)
            encoder = self._encoder(run, begins, run.state)
            if isinstance(chosen, Announce):
                return self._given(announced(encoder, stand.interrupts, redactor=self._redactor), None, stop=False)
            alone = alone and session.idle
            turn = going.turn = await self._taken(_Asked(run, session, state, stand, principal, going), chosen)
            if going.reason is not None:  # it was stopped before it had begun
                turn.stop(going.reason)
        beginning = beginning_of(run, shown, chosen, alone=alone)
        events = told(session, turn, encoder, beginning, redactor=self._redactor, debug=debug)
        return self._given(events, turn, stop=self._when_left == "cancel")

    def _given(self, events: AsyncGenerator[agui.Event], turn: Turn | None, *, stop: bool) -> AGUIRun:
        return AGUIRun(held_to_rules(events) if self._guard else events, turn, stop=stop)

    async def connect(self, body: bytes | RunAgentInput, *, principal: str | None = None) -> AGUIRun:
        """Tell what a thread holds, then the turn that runs there, if any, to its end.

        Raises `Refused`: with 404 for a thread of which nothing is known, or that is somebody else's.
        """
        run = await _read(body)
        with _refusing():
            session = await self._session(run.thread_id, principal)
            state = await session.state() if self.state_keys or principal is not None else None
            _refuse_ownerless(state, principal)
            history, turn = await _history_of(session)
            values = state.values if state is not None and self.state_keys else None
            hidden = Told(session.log, self._seen_by(run), known=True).hidden
        live = None
        if turn is not None:
            encoder = self._encoder(run, run_of(history.transcript, run.thread_id, turn.id, hidden), None)
            live = told(session, turn, encoder, Beginning(behind=True), redactor=self._redactor)
        had = [message.id for message in run.messages]
        encoder = self._encoder(run, run_for(run, hidden=hidden), None)
        events = replayed(history, values, encoder, had, live, redactor=self._redactor)
        return self._given(events, turn, stop=False)

    async def cancel(self, run_id: str, *, principal: str | None = None, reason: str | None = None) -> bool:
        """Stop a run, from the moment on in which its request has come; return whether nothing of it runs any more.

        Raises `Refused` (404) for a run that does not run here.
        """
        going = self._going().get((principal, run_id))
        if going is None:
            raise Refused(404, "unknown_run", f"no run {run_id!r:.80} goes on here: it has ended, or never began")
        going.reason = reason or "cancelled by its client"
        return await going.turn.cancel(going.reason) if going.turn is not None else False

    def capabilities(self) -> dict[str, Any]:
        """Return what a client may expect of the agent (`AgentCapabilities`), as JSON data."""
        subagents = self._protocol != "0.1" and self._visibility.subagents == "attributed"
        graph = self.sessions.options.graph
        return capabilities_of(graph, state=bool(self.state_keys), subagents=subagents, said=self.about)

    async def close(self) -> None:
        """Close the sessions, if they were made for this bridge."""
        if self._owned:
            await self.sessions.close()

    # -------------------------------------------------------------- taking a run

    async def _session(self, thread_id: str, principal: str | None) -> Session:
        """Return the session of a thread, unless it is somebody else's: then nothing is known of it."""
        if principal is not None:
            record = await self.sessions.options.store.get(thread_id)
            if record is not None and record.owner not in (None, principal):
                raise UnknownThread(f"nothing is known of thread {thread_id!r:.200}")
        return self.sessions.get(thread_id)

    @contextmanager
    def _known(self, run_id: str, principal: str | None) -> Generator[_Going]:
        """Know a run from now on, and not any more if nothing comes of it."""
        key = principal, run_id
        if key in self._going():
            raise _run_id_taken(run_id)
        going = self._runs[key] = _Going()
        try:
            yield going
        finally:
            if going.turn is None:
                self._runs.pop(key, None)

    async def _taken(self, asked: _Asked, chosen: Sent) -> Turn:
        session, principal = asked.session, asked.principal
        if _is_last(asked) and not asked.run.resume:
            raise _run_id_taken(asked.run.run_id)
        store, thread_id = self.sessions.options.store, session.thread_id
        new = principal is not None and await store.get(thread_id) is None
        if principal is not None and not await store.claim(thread_id, principal):
            raise UnknownThread(f"nothing is known of thread {thread_id!r:.200}")
        try:
            return await self._sent(asked, chosen)
        except LangwireError:
            record = await store.get(thread_id) if new else None
            if record is not None and record.turn_id is None:  # what is refused makes no thread anybody's
                await store.delete(thread_id)
            raise

    def _going(self) -> dict[tuple[str | None, str], _Going]:
        """Return the runs that have not ended."""
        going = self._runs.items()
        self._runs = {key: run for key, run in going if run.turn is None or run.turn.state != "ended"}
        return self._runs

    async def _sent(self, asked: _Asked, chosen: Sent) -> Turn:
        """Send what was chosen to the session."""
        session, principal = asked.session, asked.principal
        config = _config(asked.run, asked.stand)
        # Some clients answer under the id of the run that asked. Each turn has an id of its own.
        turn_id = None if _is_last(asked) else asked.run.run_id
        whose: dict[str, Any] = {"principal": principal, "turn_id": turn_id, "config": config}
        match chosen:
            case Resume(answers=answers, partial=partial):
                return await session.resume(answers, partial=partial, decided_by=principal, **whose)
            case Regenerate(point=point):
                async with _gone_back(session, point):
                    return await session.continue_(**whose)
            case Edit(point=point, messages=messages):
                async with _gone_back(session, point):
                    return await session.submit(self._with_state(asked, list(messages)), **whose)
            case Submit(messages=messages, drop=drop):
                policy = {"when_interrupted": "drop"} if drop else {}
                return await self._submitted(asked, list(messages), {**whose, **policy})
            case Continue():
                return await session.continue_(**whose)
            case _:
                assert_never(chosen)

    async def _submitted(self, asked: _Asked, messages: list[dict[str, Any]], whose: Mapping[str, Any]) -> Turn:
        """Send new messages, each once: not those with which another run is on its way, unless this one replaces it."""
        thread_id, others = asked.session.thread_id, list(self._runs.values())
        replaces = self.sessions.options.when_busy == "replace"
        new = [said for said in messages if replaces or not any(run.has_taken(thread_id, said["id"]) for run in others)]
        if messages and not new:
            raise Refused(409, "already_submitted", "these messages were sent before, by a run that has just begun")
        asked.going.sent = frozenset((thread_id, said["id"]) for said in new)
        return await asked.session.submit(self._with_state(asked, new), **whose)

    def _with_state(self, asked: _Asked, messages: list[dict[str, Any]]) -> Any:
        """Return what goes to the graph: the messages, and the keys of the state that the client has changed."""
        values = asked.state.values if asked.state is not None else None
        written = writes(asked.run.state, values, self.client_state_keys)
        said = {"messages": messages} if messages else {}
        return {**written, **said} if written or not said else messages

    # -------------------------------------------------------------- telling it

    def _encoder(self, asked: RunAgentInput, run: Run, client_state: Any) -> AGUIEncoder:
        view = StateView(client_state, self.state_keys, self.predict) if self.state_keys else None
        return AGUIEncoder(
            run, state=view, visibility=self._visibility, raw=self._raw, protocol=self._spoken_with(asked)
        )

    def _spoken_with(self, asked: RunAgentInput) -> Protocol:
        if self._protocol != "auto":
            return self._protocol
        return "1.0" if asked.protocol_version else "0.1"  # clients of before 1.0 name no version

    def _seen_by(self, asked: RunAgentInput) -> Visibility:
        old = self._spoken_with(asked) == "0.1"
        return self._visibility.without_subagents() if old else self._visibility


@asynccontextmanager
async def _gone_back(session: Session, point: str) -> AsyncGenerator[None]:
    """Have a thread go back to a point, and return to where it was when what is sent from there is refused."""
    await session.fork(point)
    try:
        yield
    except LangwireError:
        await session.undo_fork()
        raise


# ------------------------------------------------------------------ reading


@contextmanager
def _refusing() -> Generator[None]:
    """Refuse what the sessions refuse."""
    try:
        yield
    except LangwireError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from error


def _is_last(asked: _Asked) -> bool:
    """Return whether a run has the id of the last one of its thread."""
    last = asked.session.turn
    return last is not None and last.id == asked.run.run_id


def _run_id_taken(run_id: str) -> Refused:
    return Refused(409, "run_id_taken", f"run {run_id!r:.80} goes on, or has been: give each run an id of its own")


async def _history_of(session: Session) -> tuple[History, Turn | None]:
    """Return what a thread holds before the turn that runs, with that turn; of a turn that just ended, all of it."""
    while True:
        last = session.turn
        turn = last if last is not None and last.state == "running" else None
        history = await session.history(before=turn)
        if turn is not None or session.turn is last:
            return history, turn


def _refuse_ownerless(state: SessionState | None, principal: str | None) -> None:
    """Refuse a thread that holds something and belongs to nobody, as after a restart without a store that lasts."""
    if state is not None and principal is not None and state.owner != principal:
        raise UnknownThread(f"nothing is known of thread {state.thread_id!r:.200}")


async def _read(body: bytes | RunAgentInput) -> RunAgentInput:
    """Return what a body holds. A large one, which can be made to take long, holds up nobody else."""
    if not isinstance(body, bytes):
        return body
    return read_run(body) if len(body) < _LARGE else await asyncio.to_thread(read_run, body)


async def _state_of(session: Session) -> SessionState | None:
    """Return where a thread stands; None for a new one."""
    try:
        return await session.state()
    except UnknownThread:
        return None


def _config(run: RunAgentInput, stand: Stand) -> dict[str, Any]:
    """Return what the agent gets of a client besides messages and state, as `frontend_tools` reads it."""
    waiting = [call.name for call in map(frontend_call, stand.interrupts) if call is not None]
    brought = {"tools": tools_of(run), "context": context_of(run), "pending": waiting}
    return {"configurable": {CONFIG_KEY: brought}} if any(brought.values()) else {}
