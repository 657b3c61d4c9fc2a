"""Any order of submit, resume, continue, cancel, fork, crash and reconnect leaves a session as a small model says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire import SessionAdapter, check
from langwire.errors import AlreadyAnswered, InterruptOpen, InvalidDecision, LangwireError, TurnRunning
from langwire.events import Entry, MessagesRemoved, TurnEnd, TurnStart
from langwire.sessions.log import EXACT
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore, Move
from langwire.sessions.turn import Turn

T = TypeVar("T")

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
READERS = 3


# ------------------------------------------------------------------ the world


class Saver(InMemorySaver):
    """Checkpoints that outlive the process; what a dead process still wants to write is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()

    def of(self, life: Life) -> Saver:
        mine = Saver()
        mine.storage, mine.writes, mine.blobs, mine.life = self.storage, self.writes, self.blobs, life
        return mine

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        self.life.check()
        return await super().aput(*args, **kwargs)

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        self.life.check()
        await super().aput_writes(*args, **kwargs)


class Store(MemorySessionStore):
    """Records that outlive the process, likewise."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()

    def of(self, life: Life) -> Store:
        mine = Store()
        mine._records, mine.life = self._records, life
        return mine

    async def _move(self, thread_id: str, move: Move[T]) -> T:
        self.life.check()
        return await super()._move(thread_id, move)


@dataclass
class Life:
    dead: bool = False

    def check(self) -> None:
        if self.dead:
            raise ConnectionError("this process is dead")


@dataclass
class Graphs:
    """An agent that does as it is told, once: `say 1`, `fail 1`, `wait 1`, `pay 1`, `slow 1` (pay, and wait before)."""

    seen: set[str] = field(default_factory=set)
    """What has failed or waited; it does not do so again."""
    paid: list[str] = field(default_factory=list)
    running: int = 0
    peak: int = 0
    waiting: asyncio.Event | None = None

    def build(self, saver: Saver) -> Any:
        builder = StateGraph(MessagesState)
        builder.add_node("chat", self.chat)
        builder.add_edge(START, "chat")
        return builder.compile(checkpointer=saver)

    async def chat(self, state: MessagesState) -> dict[str, Any]:
        words = state["messages"][-1].text
        kind = words.split()[0]
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            answer = interrupt(words) if kind in ("pay", "slow") else None
            if kind in ("wait", "slow", "fail") and words not in self.seen:
                self.seen.add(words)
                await self.trouble(kind)
            if answer == "yes":
                self.paid.append(words)
            return {"messages": [("ai", f"re: {words}")]}
        finally:
            self.running -= 1

    async def trouble(self, kind: str) -> None:
        if kind == "fail":
            raise RuntimeError("as it was told")
        self.waiting = asyncio.Event()
        try:
            await self.waiting.wait()
        finally:
            self.waiting = None


# ------------------------------------------------------------------ the model


@dataclass
class Said:
    """A message of a person, and whether the agent has replied to it."""

    words: str
    replied: bool = False

    @property
    def kind(self) -> str:
        return self.words.split()[0]


@dataclass
class Model:
    """What has to be true of the thread."""

    said: list[Said] = field(default_factory=list)
    troubled: set[str] = field(default_factory=set)
    asked: bool = False
    """Whether the last message's question is open."""
    kept: str | None = None
    """The answer to it, whose run was stopped, or died: it stands."""
    running: str | None = None
    """The last message, while the agent waits in it."""
    answer: str | None = None
    """The answer with which it runs."""
    queue: list[tuple[str, str]] = field(default_factory=list)
    outcome: str | None = None
    paid: list[str] = field(default_factory=list)
    unfinished: bool = False
    fresh: bool = True
    """Whether the turn that runs began with its message."""

    def submit(self, words: str, when_interrupted: str) -> bool:
        """A message begins its turn; False when it may not."""
        if self.asked and self.kept is None and when_interrupted == "reject":
            return False
        self.asked, self.kept, self.fresh = False, None, True
        self.said.append(Said(words))
        self.run()
        return True

    def run(self, answer: str | None = None) -> None:
        """The agent runs on the last message."""
        self.unfinished = False
        last = self.said[-1] if self.said else None
        if last is None or last.replied:
            self.outcome = "complete"
            return
        if last.kind in ("pay", "slow") and answer is None:
            self.asked, self.outcome = True, "interrupted"
            return
        if last.kind in ("wait", "slow", "fail") and last.words not in self.troubled:
            self.troubled.add(last.words)
            if last.kind == "fail":
                self.outcome = "error"
            else:
                self.running, self.answer, self.outcome, self.asked = last.words, answer, None, False
            return
        self.reply(answer)

    def reply(self, answer: str | None) -> None:
        last = self.said[-1]
        self.running, self.asked, self.kept = None, False, None
        last.replied, self.outcome = True, "complete"
        if answer == "yes":
            self.paid.append(last.words)

    def next(self) -> None:
        """Those that wait get their turns, until one stays."""
        while self.queue and self.running is None:
            self.submit(*self.queue.pop(0))  # one that is refused leaves everything as it is

    def stop(self) -> None:
        self.outcome = "cancelled"
        self.cut()

    def cut(self) -> None:
        """The run is over before its end."""
        self.running, self.kept, self.answer = None, self.answer, None
        self.asked = self.said[-1].kind == "slow"

    def history(self) -> list[tuple[str, str]]:
        """What the history holds, up to the turn that runs."""
        told = [
            pair
            for said in self.said
            for pair in (("user", said.words), ("assistant", f"re: {said.words}"))
            if pair[0] == "user" or said.replied
        ]
        return told[:-1] if self.running is not None and self.answer is None and self.fresh else told


# ------------------------------------------------------------------ readers


class View:
    """A reader that comes and goes, and remembers where it was."""

    def __init__(self) -> None:
        self.position: str | None = None
        self.seen: list[Entry] = []

    async def read(self, session: Session, count: int) -> None:
        last = session.log.last
        async with session.log.subscribe(self.position or 0, join_over=EXACT) as reader:
            if reader.reset is not None:  # another process: everything anew
                assert reader.reset.reason == "foreign"
                self.seen = []
            while count and len(self.seen) < last:
                self.seen.append(await anext(reader))
                count -= 1
            self.position = reader.position


# ------------------------------------------------------------------ the machine


async def until(so: Callable[[], bool]) -> None:
    while not so():  # noqa: ASYNC110
        await asyncio.sleep(0)


class SessionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.graphs, self.model = Graphs(), Model()
        self.saver, self.store = Saver(), Store()
        self.views = [View() for _ in range(READERS)]
        self.count = 0
        self.stale: str | None = None
        self.open()

    def open(self) -> None:
        self.life = Life()
        self.adapter = SessionAdapter(self.graphs.build(self.saver.of(self.life)), self.store.of(self.life))
        self.session = self.adapter.get("t")

    def do(self, work: Awaitable[T]) -> T:
        """Do something, and let everything come to rest: a turn waits for the test, or none runs."""

        async def bounded() -> T:
            async with asyncio.timeout(10):
                try:
                    return await work
                finally:
                    await until(lambda: self.session.idle or self.graphs.waiting is not None)

        return self.loop.run_until_complete(bounded())

    def refused(self, work: Awaitable[Any], error: type[LangwireError]) -> None:
        try:
            self.do(work)
        except error:
            return
        raise AssertionError(f"expected {error.__name__}")

    @property
    def question(self) -> str:
        """The id of the open question, as a client that has just connected sees it."""
        (interrupt,) = self.do(self.session.history()).transcript.interrupts
        return interrupt.id

    # -------------------------------------------------------------- what clients do

    @rule(
        kind=st.sampled_from(["say", "fail", "wait", "pay", "slow", "slow"]),
        when_busy=st.sampled_from(["reject", "enqueue", "replace"]),
        when_interrupted=st.sampled_from(["reject", "drop"]),
    )
    def submit(self, kind: str, when_busy: Any, when_interrupted: Any) -> None:
        self.count += 1
        model, words = self.model, f"{kind} {self.count}"
        sending = self.session.submit(
            words, when_busy=when_busy, when_interrupted=when_interrupted, client_message_id=words, durability="sync"
        )
        if model.running is not None and when_busy == "reject":
            self.refused(sending, TurnRunning)
            return
        if model.running is not None and when_busy == "enqueue":
            model.queue.append((words, when_interrupted))
            self.do(sending)
            return
        if model.running is not None:
            model.stop()
            model.queue.clear()
        if model.submit(words, when_interrupted):
            turn = self.do(sending)
            assert turn.outcome == model.outcome
            assert self.do(self.session.submit(words, client_message_id=words)) is turn
        else:
            self.refused(sending, InterruptOpen)

    @precondition(lambda self: self.model.asked and self.model.running is None)
    @rule(
        answer=st.sampled_from(["yes", "no"]),
        clicks=st.sampled_from([1, 1, 2]),
        when_busy=st.sampled_from(["reject", "enqueue"]),
    )
    def resume(self, answer: str, clicks: int, when_busy: Any) -> None:
        model = self.model
        id = self.stale = self.question if model.kept is None else self.stale or ""
        clicks = clicks if model.kept is None else 1

        async def click() -> list[Any]:
            work = [self.session.resume({id: answer}, when_busy=when_busy, durability="sync") for _ in range(clicks)]
            return await asyncio.gather(*work, return_exceptions=True)

        results = self.do(click())
        if model.kept is not None:
            assert all(isinstance(result, AlreadyAnswered) for result in results)
            return
        first, *second = results
        assert isinstance(first, Turn)
        model.fresh = False
        model.run(answer)
        for late in second:
            if when_busy == "reject":
                assert isinstance(late, TurnRunning)
            elif model.running is not None:
                model.queue.append(("", "late click"))
            else:
                assert late.outcome == "error"  # its own: the thread's is that of the turn before

    @precondition(lambda self: self.stale is not None and self.model.running is None and not self.model.asked)
    @rule()
    def resume_what_is_over(self) -> None:
        self.refused(self.session.resume({self.stale or "": "yes"}), InvalidDecision)

    @precondition(lambda self: self.model.running is None and self.model.said)
    @rule()
    def continue_(self) -> None:
        model = self.model
        turn = self.do(self.session.continue_(durability="sync"))
        model.fresh = False
        model.run(model.kept)
        assert turn.outcome == model.outcome

    @precondition(lambda self: self.model.running is not None)
    @rule()
    def let_it_go_on(self) -> None:
        waiting = self.graphs.waiting
        assert waiting is not None

        async def go_on() -> None:
            waiting.set()
            await until(lambda: self.graphs.waiting is not waiting)

        self.model.reply(self.model.answer)
        self.do(go_on())
        self.drain()

    @rule()
    def cancel(self) -> None:
        assert self.do(self.session.cancel("enough")) is True
        if self.model.running is not None:
            self.model.stop()
            self.drain()

    def drain(self) -> None:
        self.model.queue = [entry for entry in self.model.queue if entry[1] != "late click"]
        self.model.next()

    @precondition(lambda self: self.model.running is None and self.model.said)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        model = self.model
        messages = [m for m in self.do(self.session.history()).transcript.messages if m.role == "user"]
        at = data.draw(st.integers(0, len(messages) - 1))
        assert messages[at].text == model.said[at].words
        self.do(self.session.fork(messages[at].message_id))
        del model.said[at:]
        model.asked, model.kept, model.outcome, model.unfinished = False, None, None, False

    # -------------------------------------------------------------- what happens to them

    @rule()
    def crash(self) -> None:
        """The process is gone: nothing that it still wants to do is written down."""
        model = self.model
        self.life.dead = True

        async def kill() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            while tasks:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        self.loop.run_until_complete(kill())
        if model.running is not None:
            model.unfinished, model.queue = True, []
            model.outcome = self.kept_outcome()
            model.cut()
        self.open()

    def kept_outcome(self) -> Any:
        record = self.store._records.get("t")
        return record.outcome if record is not None else None

    @rule(number=st.integers(0, READERS - 1), count=st.integers(1, 40))
    def reconnect(self, number: int, count: int) -> None:
        self.do(self.views[number].read(self.session, count))

    # -------------------------------------------------------------- what is always true

    @invariant()
    def the_log_keeps_the_grammar(self) -> None:
        entries = [slot.entry for slot in self.session.log.take(0)]
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        turn: list[Any] = []
        for event in (entry.event for entry in entries):
            assert isinstance(event, TurnStart) or turn or isinstance(event, MessagesRemoved)
            assert not (isinstance(event, TurnStart) and turn)
            if turn or isinstance(event, TurnStart):
                turn.append(event)
            if isinstance(event, TurnEnd):
                assert check(turn) == []
                turn = []
        assert bool(turn) == (self.model.running is not None)
        for view in self.views:
            if view.position is not None and view.position.startswith(self.session.log.id):
                assert view.seen == entries[: len(view.seen)]

    @invariant()
    def one_turn_runs_and_nothing_is_paid_twice(self) -> None:
        assert self.graphs.peak <= 1
        assert self.graphs.paid == self.model.paid

    @invariant()
    def the_thread_is_as_the_model_says(self) -> None:
        model = self.model
        if self.session.log.last == 0 and not model.said and "t" not in self.store._records:
            return
        state = self.do(self.session.state())
        assert (state.running is not None, state.waiting) == (model.running is not None, len(model.queue))
        assert state.unfinished == model.unfinished
        assert (state.outcome, self.session.outcome) == (model.outcome,) * 2
        record = self.store._records["t"]
        assert record.running == (model.unfinished or model.running is not None)
        if model.running is None:
            assert record.outcome == model.outcome
            assert len(state.interrupts) == (model.asked and model.kept is None)
        history = self.do(self.session.history())
        assert [(message.role, message.text) for message in history.transcript.messages] == model.history()

    def teardown(self) -> None:
        self.do(self.adapter.close())
        left = asyncio.all_tasks(self.loop)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        assert left == set()


TestSessions = SessionMachine.TestCase
TestSessions.settings = settings(
    max_examples=1000 if SOAK else 60,
    stateful_step_count=60 if SOAK else 25,
    deadline=None,
    phases=[phase for phase in Phase if SOAK or phase is not Phase.shrink],  # which takes minutes
    suppress_health_check=list(HealthCheck),
)
TestSessions.pytestmark = [pytest.mark.timeout(1800 if SOAK else 120)]
