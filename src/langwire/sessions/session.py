"""Knows what may be done with one thread: send, answer, go on, stop, read, go back. One turn at a time.

Each turn waits for the end of the one before it, so that an old turn never speaks after, or over, a new one. Whether
a turn may begin is decided when its time has come: only then is it known which questions are open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, get_args

import msgspec
from langgraph.types import Command
from msgspec import UNSET, UnsetType

from langwire.core._guards import is_mapping
from langwire.core._messages import coerce, text_of
from langwire.core._secrets import MASK
from langwire.core.codec import encode
from langwire.core.extractors import Extractors, ToolUse
from langwire.core.interrupts import BREAKPOINT, read_interrupt, resume_map
from langwire.core.transcript import Transcript
from langwire.errors import (
    AlreadyAnswered,
    AlreadySubmitted,
    InterruptOpen,
    InvalidDecision,
    InvalidInput,
    TurnRunning,
    UnknownThread,
    UnknownTurn,
    UsageError,
)
from langwire.events import (
    Custom,
    ErrorInfo,
    Event,
    Interrupt,
    MessageReplaced,
    MessagesRemoved,
    Outcome,
    Source,
    TurnEnd,
)
from langwire.sessions import graph as graphs
from langwire.sessions._answers import answers_by_text, decisions_of
from langwire.sessions._inputs import read_input, title_of
from langwire.sessions._past import go_back, is_pending, is_unstarted, messages_in, point_before, retold, snapshot_of
from langwire.sessions.log import Log, Reader
from langwire.sessions.store import Answer, SessionRecord
from langwire.sessions.summary import report
from langwire.sessions.turn import Rules, Turn

if TYPE_CHECKING:
    from langwire.sessions.adapter import SessionAdapter

WhenBusy: TypeAlias = Literal["reject", "enqueue", "replace"]
WhenInterrupted: TypeAlias = Literal["reject", "answer", "drop"]

T = TypeVar("T")

MAX_WAITING = 32
"""How many turns may wait for their turn in a session."""
STOPPING = 5.0
"""How long turns that are stopped for good may take for it, in seconds."""


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a thread stands.

    `running` is the id of the turn that runs here, `waiting` how many wait. `unfinished` says that the last turn
    began in another process, and that no end of it has been kept: it runs there, or died with it. `outcome` and
    `error` are those of the last turn that ended. `interrupts` are the questions that wait for an answer; `answered`
    are the ids of those whose answers a turn took that was cut off: `continue_()` goes on with them. `next` are the
    nodes that would run next, `values` is the graph's state. `position` is where the log ends. With `unstarted` the
    last input was kept, and its turn cut off before anything ran with it: `continue_()` goes on with it, and any other
    input takes its place. With `pending` the process died between a node's end and its checkpoint: `next` is empty, and
    yet `continue_()` goes on from what the node wrote. `metadata` is what the checkpoint keeps of the run that wrote
    it, its config's `metadata`.
    """

    thread_id: str
    running: str | None
    waiting: int
    unfinished: bool
    outcome: Outcome | None
    error: ErrorInfo | None
    interrupts: tuple[Interrupt, ...]
    answered: tuple[str, ...]
    next: tuple[str, ...]
    checkpoint_id: str | None
    values: Any
    position: str
    owner: str | None = None
    title: str | None = None
    unstarted: bool = False
    pending: bool = False
    metadata: Mapping[str, Any] = {}

    @property
    def messages(self) -> dict[str, Any]:
        """The messages in `values` by id, in their order: LangChain's own, or the dicts that a remote graph has."""
        return messages_in(self.values)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a thread holds, from its checkpoint: as events of one turn, and folded.

    `position` is where the log goes on from it: a reader that subscribes there misses nothing and gets nothing twice.
    """

    events: list[Event]
    transcript: Transcript
    position: str


class Session:
    """One thread of an adapter's graph. Made by `SessionAdapter.get`.

    `outcome`, `error` and `interrupts` are those of its last turn, None and empty while that one runs. After a restart
    they are known from `state()` on.
    """

    def __init__(self, adapter: SessionAdapter, thread_id: str) -> None:
        self.thread_id = thread_id
        self.log = Log(max_entries=adapter.options.max_entries, max_bytes=adapter.options.max_log_bytes)
        self._adapter, self._options = adapter, adapter.options
        self._turns: list[Turn] = []
        """The turns that have not ended, in their order; the last one that has begun before them is `turn`."""
        self.turn: Turn | None = None
        """The turn that runs, or the last one that has."""
        self._asking: Turn | None = None
        """The last turn that was admitted: its questions are the open ones."""
        self._record: SessionRecord | None = None
        self._pending: tuple[Interrupt, ...] = ()
        self._last_known: str | UnsetType | None = UNSET
        """The turn that began last, as far as readers of the log know: the one that was found, then our own."""
        self.deleted = False
        """Whether the thread was deleted under it: it takes nothing more."""
        self._taken: dict[str, Turn] = {}
        self._moving = False
        self._left: Any = None
        """Where the thread stood before it went back, until a turn begins."""

    # -------------------------------------------------------------- reading

    @property
    def outcome(self) -> Outcome | None:
        """How the last turn ended; None while one runs."""
        if self.turn is not None:
            return self.turn.outcome if self.turn.state != "running" else None
        return self._record.outcome if self._record is not None else None

    @property
    def error(self) -> ErrorInfo | None:
        """Why the last turn failed, safe to show anyone."""
        if self.turn is not None:
            return self.turn.error
        return self._record.error if self._record is not None else None

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """The questions that wait for an answer."""
        return self._asking.interrupts if self._asking is not None else self._pending

    @property
    def idle(self) -> bool:
        """Whether no turn runs or waits."""
        return not self._moving and all(turn.state == "ended" for turn in self._turns)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that run or wait, in their order."""
        return tuple(self._unended())

    def subscribe(self, after: int | str | None = None) -> Reader:
        """Return a reader of the thread's log, from a position on: see `Log.subscribe`."""
        self._check_open()
        self._adapter.keep(self)
        return self.log.subscribe(after)

    async def history(self, *, before: Turn | None = None) -> History:
        """Return what the thread holds by its checkpoint, whoever said it, up to the turn that runs, or `before` one.

        A page is rebuilt from it after a restart: `subscribe(history.position)` then goes on. Raises `UnknownThread`.
        """
        self._check_open()
        while True:
            last, turn, config, unread = self.turn, before or self._running(), self._config(), False
            position = self.log.position
            if turn is not None and turn.first is not None:
                position = f"{self.log.id}:{max(turn.first, self.log.first) - 1}"
                if turn is self._asking:  # else it ends without having been admitted, and has changed nothing
                    config["configurable"]["checkpoint_id"] = turn.checkpoint_before
                    unread = turn.checkpoint_before is None  # the thread was new
            snapshot = None if unread else await snapshot_of(self._options.graph, config)
            if self.turn is last:  # else a turn has begun, and this may hold some of it
                break
        record = await self._read_record()
        if snapshot is None and record is None and self.log.last == 0:
            raise self._unknown()
        return self._history(snapshot, record, position)

    def _history(self, snapshot: Any, record: SessionRecord | None, position: str) -> History:
        options = self._options
        extractors = Extractors(options.extractors, on_error=self._report_extractor)
        events = retold(snapshot, self.thread_id, skip_tools=options.skip_tools, extractors=extractors)
        closed = _answered_in(record)
        outcome, error, running = self.outcome, self.error, record is not None and record.running
        if record is not None and self._running() is not None:
            # What runs here is no part of it, and the record still has the end of the turn before.
            outcome, error, running = record.outcome, record.error, False
        at_the_beginning = snapshot is not None and tuple(snapshot.next) == ("__start__",)
        if outcome in ("error", "cancelled", "timeout") or running or at_the_beginning:
            closed.add(BREAKPOINT)  # a checkpoint cannot tell a run that was stopped from one that waits there
        events = [event for event in events if not (isinstance(event, Interrupt) and event.id in closed)]
        end = events[-1]
        if isinstance(end, TurnEnd):
            open = tuple(id for id in end.interrupts if id not in closed)
            outcome = end.outcome if open or outcome in (None, "interrupted") else outcome
            outcome = "cancelled" if running and not open else outcome
            outcome = "complete" if at_the_beginning and not open else outcome
            events[-1] = msgspec.structs.replace(end, outcome=outcome, error=error, interrupts=open)
        if self._options.redactor is not None:
            redaction = self._options.redactor.begin()
            events = [told for event in events for told in redaction.feed(event)]
        return History(events=events, transcript=Transcript.of(events), position=position)

    async def state(self) -> SessionState:
        """Return where the thread stands, by its record and its checkpoint. Raises `UnknownThread`."""
        self._check_open()
        snapshot = await snapshot_of(self._options.graph, self._config())
        record = await self._read_record()
        if snapshot is None and record is None and self.log.last == 0:
            raise self._unknown()
        standing = graphs.standing_of(snapshot)
        unfinished = record is not None and record.running and record.instance != self._adapter.instance
        answered = _answered_in(record)
        asked = tuple(self._masked(question) for question in _questions(standing) if question.id not in answered)
        running = self._running()
        if running is None:
            self._pending = asked
        values = snapshot.values if snapshot is not None else None
        if self._options.redactor is not None:
            values, _ = self._options.redactor.redact(values)
        return SessionState(
            thread_id=self.thread_id,
            running=running.id if running is not None else None,
            waiting=max(0, len(self._unended()) - 1),
            unfinished=unfinished,
            outcome=self.outcome,
            error=self.error,
            interrupts=asked,
            answered=tuple(question.id for question in _questions(standing) if question.id in answered),
            next=tuple(snapshot.next) if snapshot is not None else (),
            checkpoint_id=standing.checkpoint_id,
            values=values,
            position=self.log.position,
            owner=record.owner if record is not None else None,
            title=record.title if record is not None else None,
            unstarted=running is None and is_unstarted(snapshot),
            pending=running is None and is_pending(snapshot),
            metadata=(snapshot.metadata if snapshot is not None else None) or {},
        )

    def _masked(self, question: Interrupt) -> Interrupt:
        (masked,) = self._masked_events(question)
        return masked if isinstance(masked, Interrupt) else question

    def _check_open(self) -> None:
        self._adapter.check_open()
        if self.deleted:
            raise UnknownThread(f"thread {self.thread_id!r:.200} was deleted: ask the adapter for it anew")

    def _unknown(self) -> UnknownThread:
        return UnknownThread(f"nothing is known of thread {self.thread_id!r:.200}: nothing has been sent to it")

    # -------------------------------------------------------------- turns

    async def submit(
        self,
        input: Any,
        *,
        context_lines: Sequence[str] = (),
        client_message_id: str | None = None,
        principal: str | None = None,
        turn_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        when_busy: WhenBusy | None = None,
        when_interrupted: WhenInterrupted | None = None,
        turn_timeout: float | None = None,
        fresh: bool = False,
        **kwargs: Any,
    ) -> Turn:
        """Send something to the agent; return its turn once it has begun, or waits for others (`enqueue`).

        `input` is a text, the content blocks of a message, messages, or whatever else the graph takes.
        `context_lines` are for the model, apart from the text. A `client_message_id` that was taken before starts
        nothing: the same turn is returned again. `principal` is who asks, `turn_id` an id of your own for the turn.
        `config` and further keywords (`context`, `durability`, …) go to the graph. `turn_timeout` (seconds) stands in
        for the adapter's `timeout`. With `fresh` the caller knows that the thread is new, and its checkpointer async:
        its checkpoint is read neither before nor after, and the turn's `checkpoint_id` stays unknown.

        `when_busy` says what happens while a turn runs: `reject` it, `enqueue` behind the others, or `replace` them,
        which are stopped first. `when_interrupted` says what happens while a question is open: `reject`, `answer` it
        with the text, or `drop` it. Both default to those of the adapter.

        Raises `InvalidInput`, `InputTooLarge`, `TurnRunning`, `InterruptOpen`, `AlreadySubmitted` (by a turn of which
        nothing but its id is known any more), `TooManyTurns`, `SessionsClosed`.
        """
        taken = self._taken.get(client_message_id or "")
        if taken is not None:
            return await self._begun(taken)
        if isinstance(input, Command) and cast("Command[Any]", input).resume is not None:
            raise InvalidInput("a Command with answers came: answer with resume(), which takes each answer once")
        policy: WhenInterrupted = one_of(when_interrupted or self._options.when_interrupted, WHEN_INTERRUPTED)
        given = read_input(input, context_lines, self._options.max_input_bytes)
        unfit: InvalidInput | None = None
        try:
            call = self._call(given, config, kwargs)
        except InvalidInput as error:
            if policy != "answer":
                raise
            call, unfit = self._call(None, config, kwargs), error  # it may be an answer all the same
        call = replace(call, fresh=fresh)

        async def admit(turn: Turn, run: graphs.AsyncRun) -> tuple[graphs.Call, graphs.Standing]:
            record = await self._read_record()
            _refuse_repeated(record, client_message_id)
            before = await run.before()
            admitted = await self._answer_or_drop(turn, call, before, record, input, policy)
            if admitted is call and unfit is not None:
                raise unfit
            await self._record_begin(turn, self._title(input), client_message_id)
            return admitted, before

        turn = self._begin(call, admit, when_busy, principal, turn_id, turn_timeout)
        return await self._sent(turn, client_message_id)

    async def _sent(self, turn: Turn, client_message_id: str | None) -> Turn:
        """Return a message's turn when it has begun; remember it under the client's id, unless it is refused."""
        if client_message_id is not None:
            self._taken[client_message_id] = turn
        try:
            return await self._begun(turn)
        except asyncio.CancelledError:
            turn.stop("its sender left before it began")  # nobody has it in hand
            raise
        except Exception:
            self._taken.pop(client_message_id or "", None)  # it was refused: it may be sent again
            raise

    async def resume(
        self,
        answers: Mapping[str, Any],
        *,
        partial: bool = False,
        decided_by: str | None = None,
        principal: str | None = None,
        turn_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        when_busy: WhenBusy | None = None,
        turn_timeout: float | None = None,
        **kwargs: Any,
    ) -> Turn:
        """Answer open questions, each exactly once; return the turn that goes on with the answers.

        `answers` maps an interrupt's id to a decision (`approve`, `edit`, `reject`, `respond`), a list of them, one
        for each action, or a plain value. All open questions are answered, unless `partial`: then the others are
        asked again. `decided_by` is kept with the answer.

        Raises `AlreadyAnswered` when somebody was faster, `InvalidDecision` for what does not fit or is not open, and
        what `submit` raises.
        """
        call = self._call(Command(resume={}), config, kwargs)

        async def admit(turn: Turn, run: graphs.AsyncRun) -> tuple[graphs.Call, graphs.Standing]:
            # The record is read before the checkpoint: should somebody answer meanwhile, the store refuses this one.
            record, before = await self._read_record(), await run.before()
            admitted = await self._answered(turn, call, before, record, answers, partial, decided_by)
            await self._record_begin(turn)
            return admitted, before

        return await self._begun(self._begin(call, admit, when_busy, principal, turn_id, turn_timeout))

    async def continue_(
        self,
        *,
        principal: str | None = None,
        turn_id: str | None = None,
        config: Mapping[str, Any] | None = None,
        when_busy: WhenBusy | None = None,
        turn_timeout: float | None = None,
        **kwargs: Any,
    ) -> Turn:
        """Go on from where the thread stands: after a breakpoint, an error, a cancel, a crash, or a `fork`.

        Answers that were given to a turn which died before it took them are given again. Raises `InvalidInput`
        for a thread that holds nothing, and what `submit` raises.
        """
        call = self._call(None, config, kwargs)

        async def admit(turn: Turn, run: graphs.AsyncRun) -> tuple[graphs.Call, graphs.Standing]:
            record, before = await self._read_record(), await run.before()
            gone_back_to_nothing = before.paused == ("__start__",)  # what was put in there is gone
            if before.checkpoint_id is None or gone_back_to_nothing:
                raise InvalidInput(
                    f"thread {self.thread_id!r:.200} holds nothing to go on with: submit something first"
                )
            kept = await self._kept_answers(record, before)
            await self._record_begin(turn)
            return (call.with_input(Command(resume=kept), "resume") if kept else call), before

        return await self._begun(self._begin(call, admit, when_busy, principal, turn_id, turn_timeout))

    async def cancel(self, reason: str | None = None, *, turn_id: str | None = None, wait: float = 5.0) -> bool:
        """Stop the turn that runs, or the one with this id: see `Turn.cancel`. True when none runs.

        Raises `UnknownTurn` when no turn with this id runs or waits, or has just ended.
        """
        unended = self._unended()
        chosen = [turn for turn in unended if turn_id in (None, turn.id)]
        if not chosen and turn_id is not None and (self.turn is None or self.turn.id != turn_id):
            raise UnknownTurn(f"turn {turn_id!r:.80} does not run on thread {self.thread_id!r:.200}")
        return await chosen[0].cancel(reason, wait=wait) if chosen else True

    async def fork(self, point: str) -> str | None:
        """Go back to a checkpoint, or to just before a message; return the new checkpoint's id.

        To regenerate an answer, `fork` at its message id and `continue_()`; to edit a message, `fork` at its id and
        `submit` the new one; if that is refused, `undo_fork()`. What came after stays in the checkpointer. Raises
        `UnknownPoint` and `TurnRunning`.
        """
        self._check_open()
        async with self.alone():
            config, graph = self._config(), self._options.graph
            head = await snapshot_of(graph, config)
            snapshot, lost = await point_before(graph, config, point)
            checkpoint_id = await self._go_back(snapshot)
            self._left = head
            if lost:
                self.log.append(MessagesRemoved(ids=lost))
        return checkpoint_id

    async def undo_fork(self) -> str | None:
        """Return to where the thread stood before the last `fork`; return the new checkpoint's id.

        Its messages are told to be back as `MessageReplaced`; a question that was open there is asked again by
        `continue_()`. Raises `UsageError` when nothing was gone back from or a turn has begun since, and `TurnRunning`.
        """
        self._check_open()
        async with self.alone():
            head, config, graph = self._left, self._config(), self._options.graph
            if head is None:
                raise UsageError(f"thread {self.thread_id!r:.200} has not just gone back: there is no fork to undo")
            now = messages_in((await snapshot_of(graph, config)).values)
            checkpoint_id = await self._go_back(head)
            fields = {id: coerce(raw) or {"type": ""} for id, raw in messages_in(head.values).items() if id not in now}
            back = [MessageReplaced(message_id=id, text=text_of(of), source=Source()) for id, of in fields.items()]
            self.log.extend([told for event in back for told in self._masked_events(event)])
        return checkpoint_id

    async def _go_back(self, snapshot: Any) -> str | None:
        checkpoint_id = await go_back(self._options.graph, self._config(), snapshot)
        await self._options.store.rewind(self.thread_id)
        self.turn = self._asking = self._record = self._left = None
        self._pending = ()
        return checkpoint_id

    def _masked_events(self, event: Event) -> Sequence[Event]:
        redactor = self._options.redactor
        return (event,) if redactor is None else redactor.begin().feed(event)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Have the thread to oneself: no turn begins meanwhile. Raises `TurnRunning` while one runs or waits."""
        self._refuse_busy()
        self._moving = True
        try:
            yield
        finally:
            self._moving = False

    async def ended(self) -> None:
        """Return when nothing runs any more of the turns that run or wait now."""
        for turn in list(self._unended()):
            await turn.ended()

    async def shut(self, reason: str) -> bool:
        """Stop all turns, those that wait as well; return whether they have stopped."""
        turns = list(self._unended())
        for turn in turns:
            turn.stop(reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOPPING):
                for turn in turns:
                    await turn.ended()
        return self.idle

    # -------------------------------------------------------------- one turn at a time

    def _unended(self) -> list[Turn]:
        self._turns = [turn for turn in self._turns if turn.state != "ended"]
        self._taken = {id: turn for id, turn in self._taken.items() if turn in self._turns or turn is self.turn}
        return self._turns

    def _running(self) -> Turn | None:
        return next((turn for turn in self._unended() if turn.state == "running"), None)

    def _refuse_busy(self) -> None:
        if self._moving:
            raise TurnRunning(f"thread {self.thread_id!r:.200} goes back, or is being deleted: send this again then")
        unended = self._unended()
        if unended:
            first = unended[0]
            does = "has been stopped, but its code still runs" if first.state == "ending" else "runs"
            raise TurnRunning(
                f"turn {first.id} of thread {self.thread_id!r:.200} {does}: wait for it, or send with "
                "when_busy='enqueue' or 'replace'"
            )

    def _begin(
        self,
        call: graphs.Call,
        admit: Admit,
        when_busy: WhenBusy | None,
        principal: str | None,
        turn_id: str | None,
        turn_timeout: float | None,
    ) -> Turn:
        """Make a turn, behind those that have not ended."""
        self._check_open()
        self._adapter.check_taking()
        policy: WhenBusy = one_of(when_busy or self._options.when_busy, WHEN_BUSY)
        unended = self._unended()
        known = [*unended, *([self.turn] if self.turn is not None else [])]
        if turn_id is not None and any(turn.id == turn_id for turn in known):
            raise UsageError(f"turn id {turn_id!r:.80} is taken: give each turn an id of its own, or none")
        if policy == "reject" or self._moving:
            self._refuse_busy()
        if len(unended) > MAX_WAITING:
            raise TurnRunning(f"{len(unended)} turns run or wait on thread {self.thread_id!r:.200}: expected fewer")
        if policy == "replace":
            for turn in unended:
                turn.stop("replaced by a newer turn")
        options = self._options
        turn = Turn(
            call,
            self.log,
            Rules(
                admit=self._delegating(admit),
                settle=self._settle,
                middleware=options.middleware,
                redactor=options.redactor,
                timeout=options.timeout if turn_timeout is None else turn_timeout,
                idle_timeout=options.idle_timeout,
            ),
            thread_id=self.thread_id,
            turn_id=turn_id,
            after=unended[-1] if unended else None,
            queued=bool(unended) and policy == "enqueue",
            principal=principal,
        )
        self._turns.append(turn)
        self._adapter.keep(self)
        return turn

    def _delegating(self, admit: Admit) -> Admit:
        """Let the tools of a turn find the runner to which they may delegate, where there is one."""
        tasks = self._options.tasks
        if tasks is None:
            return admit

        async def admitted(turn: Turn, run: graphs.AsyncRun) -> tuple[graphs.Call, graphs.Standing]:
            call, before = await admit(turn, run)
            owner = self._record.owner if self._record is not None else None
            principal = turn.principal if turn.principal is not None else owner
            given = tasks.configurable(self.thread_id, principal, partial(self._adapter.push, self.thread_id))
            configurable = {**call.config["configurable"], **given}
            return replace(call, config={**call.config, "configurable": configurable}), before

        return admitted

    async def _begun(self, turn: Turn) -> Turn:
        if not turn.queued:
            await turn.begun()
        return turn

    def _call(self, input: Any, config: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> graphs.Call:
        options = self._options
        return graphs.prepare(
            options.graph,
            input,
            self._config(config),
            state=options.state,
            modes=options.modes,
            skip_tools=options.skip_tools,
            extractors=options.extractors,
            on_extractor_error=self._report_extractor,
            kwargs=kwargs,
        )

    def _report_extractor(self, use: ToolUse, error: Exception) -> None:
        what = f"thread {self.thread_id!r}: an extractor failed on a result of {use.name!r}"
        report(what, error, logging.WARNING, self._options.redactor)

    def _config(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not is_mapping({} if config is None else config):
            raise UsageError(f"config came as a {type(config).__name__}: expected a dict")
        own: dict[str, Any] = {**(self._options.config or {}), **(config or {})}
        configurable: dict[str, Any] = {}
        for given in (self._options.config, config):
            configurable.update((given or {}).get("configurable") or {})
        return {**own, "configurable": {**configurable, "thread_id": self.thread_id}}

    # -------------------------------------------------------------- admitting a turn

    def _title(self, input: Any) -> str | None:
        title, redactor = title_of(input), self._options.redactor
        return title if redactor is None else redactor.redact(title)[0]

    async def _record_begin(self, turn: Turn, title: str | None = None, client_message_id: str | None = None) -> None:
        passed_over = self._has_passed_over(self._record)
        try:
            await self._options.store.begin_turn(
                self.thread_id,
                turn.id,
                instance=self._adapter.instance,
                owner=turn.principal,
                title=title,
                client_message_id=client_message_id,
            )
        except UsageError:  # this refuses the turn: its answers are open again
            await self._options.store.withdraw(self.thread_id, turn.id)
            raise
        if passed_over:
            self.log.begin_anew()  # what is told from here on does not go on from what was told before
        self.turn = self._asking = turn
        self._last_known, self._left = turn.id, None

    def _has_passed_over(self, record: SessionRecord | None) -> bool:
        """Return whether a turn began elsewhere since the thread was first looked at here, or since our last one."""
        if record is None or record.instance in (None, self._adapter.instance):
            return False
        return record.turn_id != self._last_known

    async def _read_record(self) -> SessionRecord | None:
        record = self._record = await self._options.store.get(self.thread_id)
        if self._last_known is UNSET:
            self._last_known = record.turn_id if record is not None else None
        return record

    async def _answer_or_drop(
        self,
        turn: Turn,
        call: graphs.Call,
        before: graphs.Standing,
        record: SessionRecord | None,
        input: Any,
        policy: WhenInterrupted,
    ) -> graphs.Call:
        """A message has come: refuse it, or make it the answer, while a question is open.

        A question whose answer was taken by a turn that was cut off waits for nobody: the message drops it.
        """
        given = _answered_in(record)
        questions = [question for question in _questions(before) if question.id not in given]
        paused = bool(before.paused)
        at_breakpoint = paused and record is not None and record.outcome == "interrupted" and not record.running
        if policy == "drop" or not (questions or at_breakpoint):
            return call
        if policy == "answer" and questions:
            answers = answers_by_text(questions, input)
            return await self._answered(turn, call, before, record, answers, False, turn.principal)
        waiting = ", ".join(question.id for question in questions) or BREAKPOINT
        raise InterruptOpen(
            f"thread {self.thread_id!r:.200} waits for an answer to {waiting}: resume() it, or send with "
            "when_interrupted='answer' or 'drop'"
        )

    async def _answered(
        self,
        turn: Turn,
        call: graphs.Call,
        before: graphs.Standing,
        record: SessionRecord | None,
        answers: Mapping[str, Any],
        partial: bool,
        decided_by: str | None,
    ) -> graphs.Call:
        """Take answers, once and for all, and return the call that brings them to the graph."""
        store, questions = self._options.store, _questions(before)
        self._refuse_late(record, questions, answers)
        values = resume_map(questions, answers)
        if self._options.redactor is not None and MASK.encode() in encode(Custom(data=values)):
            raise InvalidDecision(
                f"an answer holds {MASK!r}, and the tool would get that: approve the action as it is, or give the value"
            )
        given = _answered_in(record)
        left = [question.id for question in questions if question.id not in {*values, *given}]
        if left and not partial:
            raise InvalidDecision(
                f"{len(values)} of {len(questions)} open questions were answered: answer {', '.join(left)} too, or "
                "send with partial=True to go on without"
            )
        asked = (record.asked if record is not None else None) or before.checkpoint_id or turn.id
        taken = [
            Answer(
                asked=asked,
                interrupt_id=id,
                turn_id=turn.id,
                value=value,
                decisions=decisions_of(value),
                decided_by=decided_by,
            )
            for id, value in values.items()
        ]
        refused = await store.answer(self.thread_id, taken)
        if refused:
            raise AlreadyAnswered(f"interrupt {', '.join(refused)} has been answered already: nothing was sent")
        return call.with_input(Command(resume=values), "resume")

    def _refuse_late(
        self, record: SessionRecord | None, questions: Sequence[Interrupt], answers: Mapping[str, Any]
    ) -> None:
        """Refuse an answer to what has been answered, with who did it; say how to go on where that run has died."""
        open = {question.id for question in questions}
        for answer in record.answers if record is not None else ():
            if answer.interrupt_id in answers:
                hint = "; if that turn was cut off, continue_() goes on with it" if answer.interrupt_id in open else ""
                raise AlreadyAnswered(
                    f"interrupt {answer.interrupt_id!r} was answered by {answer.decided_by or 'somebody'}{hint}"
                )
        for answer in reversed(record.answered if record is not None else ()):
            if answer.interrupt_id in answers and answer.interrupt_id not in open:
                raise AlreadyAnswered(
                    f"interrupt {answer.interrupt_id!r} was answered by {answer.decided_by or 'somebody'}"
                )
        if not questions:
            raise InvalidDecision(f"nothing is open on thread {self.thread_id!r:.200}: there is nothing to answer")

    async def _kept_answers(self, record: SessionRecord | None, before: graphs.Standing) -> dict[str, Any]:
        """Return the answers to open questions that a turn took which was cut off, or died, under way."""
        open = {question.id for question in _questions(before)}
        kept = [answer for answer in (record.answers if record is not None else ()) if answer.interrupt_id in open]
        for answer in kept:
            if answer.value is UNSET:  # it cannot be given again: the question has to be asked again
                await self._options.store.withdraw(self.thread_id, answer.turn_id)
        return {answer.interrupt_id: answer.value for answer in kept if answer.value is not UNSET}

    async def _settle(self, turn: Turn, end: TurnEnd) -> None:
        """Keep how a turn ended.

        One that was cut off while it went on with answers leaves these as they are: LangGraph has kept them, and would
        pass over any others.
        """
        if self._asking is not turn:
            await self._settle_unadmitted(turn, end)
            return
        cut_off = end.outcome in ("error", "cancelled", "timeout") and turn.cause != "message"
        asked = None if cut_off else bool(end.interrupts)
        await self._options.store.end_turn(self.thread_id, turn.id, outcome=end.outcome, error=end.error, asked=asked)
        self._adapter.keep(self)

    async def _settle_unadmitted(self, turn: Turn, end: TurnEnd) -> None:
        """Keep how a turn ended that never reached the graph.

        It takes back what it took, also by a call to the store that was cancelled and made all the same. What was
        refused changes nothing, nor does anything while a question is open or a turn of another process runs.
        """
        store = self._options.store
        self._taken = {id: other for id, other in self._taken.items() if other is not turn}
        await store.withdraw(self.thread_id, turn.id)
        record = await store.get(self.thread_id)
        elsewhere = record is not None and record.running and record.turn_id != turn.id
        if turn.refused or elsewhere or (record is not None and record.outcome == "interrupted"):
            return
        self.turn, self._last_known = turn, turn.id
        await store.begin_turn(self.thread_id, turn.id, instance=self._adapter.instance, owner=turn.principal)
        await store.end_turn(self.thread_id, turn.id, outcome=end.outcome, error=end.error, asked=None)


Admit: TypeAlias = Callable[[Turn, graphs.AsyncRun], Awaitable[tuple[graphs.Call, graphs.Standing]]]

WHEN_BUSY: tuple[WhenBusy, ...] = get_args(WhenBusy)
WHEN_INTERRUPTED: tuple[WhenInterrupted, ...] = get_args(WhenInterrupted)


def one_of(given: Any, words: Sequence[T]) -> T:
    """Return a policy that is one of these words. Raises `UsageError` for any other."""
    if given not in words:
        raise UsageError(f"{given!r:.80} came as a policy: expected one of {', '.join(map(str, words))}")
    return given


def _refuse_repeated(record: SessionRecord | None, client_message_id: str | None) -> None:
    taken = dict(record.client_message_ids) if record is not None else {}
    if client_message_id in taken:
        raise AlreadySubmitted(
            f"message {client_message_id!r:.80} was taken by turn {taken[client_message_id]}: nothing was sent",
            turn_id=taken[client_message_id],
        )


def _answered_in(record: SessionRecord | None) -> set[str]:
    """Return the ids of the interrupts whose answers a turn has taken, of the asking that is open."""
    return {answer.interrupt_id for answer in record.answers} if record is not None else set()


def _questions(standing: graphs.Standing) -> list[Interrupt]:
    return [read_interrupt(raw, (), standing.open_calls) for raw in standing.open_interrupts or ()]
