"""Whatever goes wrong, wherever in a turn: the turn ends once, nothing is left behind, the session takes the next one.

Each test does a thing once undisturbed, then again with a fault at the first place where one can be, at the second,
and so on, until a run passes without meeting the fault. By default some of the places are tried, spread evenly; all
of them with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire import check
from langwire.errors import AlreadyAnswered
from langwire.events import Event, TextDelta, TurnEnd, TurnStart
from langwire.sessions import turn as turns
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore
from langwire.sessions.turn import Turn
from langwire.testing import Fault, ScriptedModel, faulty, text, tool_call

SOAK = os.environ.get("LANGWIRE_SOAK") == "1"
PLACES = 8
"""How many places of a turn are tried by default."""

# ------------------------------------------------------------------ graphs of about sixty events a turn


def chat(saver: Any) -> Any:
    return talking(text(*("word " for _ in range(54)))).compile(checkpointer=saver)


def talking(answer: Any) -> StateGraph[Any]:
    model = ScriptedModel(script=[answer])

    async def talk(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("talk", talk).add_edge(START, "talk")


@tool
async def look(where: str) -> str:
    """Look."""
    return where


def agent(saver: Any) -> Any:
    steps = [tool_call("look", ['{"where"', ': "', "here", '"}'], id=f"call_{number}") for number in range(3)]
    return create_agent(ScriptedModel(script=[*steps, text(*"twelve words")]), tools=[look], checkpointer=saver)


def subgraph(saver: Any) -> Any:
    inner = talking(text(*("word " for _ in range(48)))).compile()
    return StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner").compile(checkpointer=saver)


def asking(saver: Any) -> Any:
    model = ScriptedModel(script=[text(*("word " for _ in range(25)))])

    async def ask(state: MessagesState) -> Any:
        return {"messages": [("user", str(interrupt("Go on?")))]}

    async def talk(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return (
        StateGraph(MessagesState)
        .add_node("first", talk)
        .add_node("ask", ask)
        .add_node("talk", talk)
        .add_edge(START, "first")
        .add_edge("first", "ask")
        .add_edge("ask", "talk")
        .compile(checkpointer=saver)
    )


# ------------------------------------------------------------------ what is done to them

Answers = dict[str, Any]


async def submit(session: Session, answers: Answers) -> Turn:
    return await session.submit("hi", when_interrupted="drop")


async def resume(session: Session, answers: Answers) -> Turn:
    return await session.resume(answers)


async def continue_(session: Session, answers: Answers) -> Turn:
    return await session.continue_()


DOINGS: dict[str, tuple[Callable[[Any], Any], Callable[[Session, Answers], Awaitable[Turn]]]] = {
    "chat": (chat, submit),
    "agent": (agent, submit),
    "subgraph": (subgraph, submit),
    "pause": (asking, submit),
    "resume": (asking, resume),
    "continue": (asking, continue_),
}
every_doing = pytest.mark.parametrize("doing", DOINGS)


class Thread:
    """A thread of its own, brought to where a doing can be done. Its store or checkpointer may have a fault then."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.build, self.act = DOINGS[doing]
        self.saver, self.store = InMemorySaver(), MemorySessionStore()
        self.answers: Answers = {}
        self.kept = True
        """Whether the end of the turn could be kept in the store."""

    async def begin(self, fault: Fault | None = None, method: str = "") -> Session:
        if self.doing in ("resume", "continue"):
            await self._ask()
        store, saver = self.store, self.saver
        if hasattr(store, method):
            store = faulty(store, fault, method)
        elif fault is not None:
            saver = faulty(saver, fault, method)
        return SessionAdapter(self.build(saver), store).get("thread")

    async def _ask(self) -> None:
        """Bring the thread to its question; to go on from, the turn with its answer is cancelled."""
        session = SessionAdapter(self.build(self.saver), self.store).get("thread")
        await ended(await submit(session, {}))
        self.answers = {question.id: "yes" for question in session.interrupts}
        if self.doing == "continue":
            turn = await resume(session, self.answers)
            async for event in turn:
                if isinstance(event, TextDelta):
                    await turn.cancel()
            assert turn.outcome == "cancelled"

    async def do(self, session: Session) -> Turn:
        turn = await self.act(session, self.answers)
        await ended(turn)
        return turn

    async def sound(self, session: Session) -> None:
        """Nothing is left behind, each turn is whole, the record tells the last end, and the next turn completes."""
        end = self.whole(session)
        record = await self.store.get("thread")
        if self.kept:
            assert record is not None
            # A turn that never reached the graph leaves a thread that asks as it is.
            untouched = record.outcome == "interrupted" and bool((await session.state()).interrupts)
            assert untouched or (record.outcome, record.error) == (end.outcome, end.error)
            assert not record.running
        for _ in range(3):
            open = (await session.state()).interrupts
            answers = {question.id: "yes" for question in open}
            turn = await soon(resume(session, answers) if open else submit(session, {}))
            await soon(ended(turn))
            if turn.outcome == "complete":
                break
        self.whole(session)
        record = await self.store.get("thread")
        assert record is not None
        assert (turn.outcome, record.outcome, record.running, record.turn_id) == (
            "complete",
            "complete",
            False,
            turn.id,
        )

    def whole(self, session: Session) -> TurnEnd:
        """Return the end of the last turn."""
        assert asyncio.all_tasks() == {asyncio.current_task()}
        found: list[list[Event]] = []
        for slot in session.log.take(0):
            if isinstance(slot.entry.event, TurnStart):
                found.append([])
            found[-1].append(slot.entry.event)
        for turn in found:
            assert check(turn) == []
            assert sum(isinstance(event, TurnEnd) for event in turn) == 1
        end = found[-1][-1]
        assert isinstance(end, TurnEnd)
        return end


async def ended(turn: Turn) -> None:
    await turn.wait()
    await turn.ended()
    await ticks(1)  # its task is done a tick after


async def soon(work: Awaitable[Any]) -> Any:
    async with asyncio.timeout(5):
        return await work


async def ticks(many: int) -> None:
    for _ in range(many):
        await asyncio.sleep(0)


async def length(doing: str) -> int:
    """How many ticks of the event loop a doing takes."""
    thread = Thread(doing)
    session = await thread.begin()
    acting = asyncio.create_task(thread.do(session))
    number = 0
    while not acting.done():
        await ticks(1)
        number += 1
    return number


def places(last: int, tried: int = PLACES) -> list[int]:
    """The places from 0 to the last one, or about so many of them; always those at both ends."""
    step = 1 if SOAK else max(1, last // tried)
    return sorted({*range(0, last, step), *range(min(4, last)), last})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.03)


# ------------------------------------------------------------------ cancels


@every_doing
@pytest.mark.parametrize("whom", ["the session", "the task"])
async def test_a_cancel_at_any_await_ends_the_turn_once(doing: str, whom: str) -> None:
    """W4, W5, lesson 36. The session is asked to stop, or the task of the turn is cancelled from outside."""
    outcomes: set[str | None] = set()
    for at in places(await length(doing)):
        thread = Thread(doing)
        session = await thread.begin()
        acting = asyncio.create_task(thread.do(session))
        await ticks(at)
        if whom == "the session":
            assert await soon(session.cancel())
        for task in asyncio.all_tasks() if whom == "the task" else ():
            if task.get_name().startswith("turn "):
                thread.kept = inspect.getcoroutinestate(task.get_coro()) != inspect.CORO_CREATED
                task.cancel()
        outcomes.add((await soon(acting)).outcome)
        await thread.sound(session)
    assert outcomes == {"cancelled", "interrupted" if doing == "pause" else "complete"}


@pytest.mark.parametrize("waits_for", ["wait", "ended", "cancel"])
async def test_who_is_cancelled_while_waiting_for_a_turn_is_cancelled(waits_for: str) -> None:
    """Lesson 38: on Python 3.11 `asyncio.wait_for` loses a cancel that races the completion of what it waits for."""
    whole = await length("chat")
    last = 40 if waits_for == "cancel" else whole  # a cancelled turn ends soon after
    done: set[bool] = set()
    for at in range(1 if SOAK else last - 40 + 1, last + 3):
        session = await Thread("chat").begin()
        turn = await session.submit("hi")
        waiting = asyncio.create_task(getattr(turn, waits_for)())
        await ticks(at)
        accepted = waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled() == accepted
        done.add(accepted)
        await soon(ended(turn))
    assert done == {True, False}


async def test_a_cancel_that_races_the_completion_of_a_turn_is_not_lost() -> None:
    """Lesson 38, F-S5: up to some tick each cancel is one, from then on none is; before the last word all are."""
    whole = await length("chat")
    found: list[str | None] = []
    for at in range(0 if SOAK else whole - 40, whole + 1):
        session = await Thread("chat").begin()
        acting = asyncio.create_task(session.submit("hi"))
        await ticks(max(at, 1))
        words = sum(isinstance(slot.entry.event, TextDelta) for slot in session.log.take(0))
        assert await soon(session.cancel())
        turn = await acting
        found.append(turn.outcome)
        assert words == 54 or turn.outcome == "cancelled"
        assert session.outcome == turn.outcome
    assert found == sorted(found)
    assert set(found) == {"cancelled", "complete"}


# ------------------------------------------------------------------ readers


@every_doing
async def test_a_reader_may_leave_at_any_event(doing: str) -> None:
    """By closing, or because its task is cancelled: the turn and the other readers do not notice."""
    session = await (thread := Thread(doing)).begin()
    left: list[int] = []

    async def read(number: int) -> None:
        async with session.log.subscribe(0) as reader:
            async for entry in reader:
                if entry.seq == number:
                    left.append(number)
                    reader.close() if number % 2 else readers[number - 1].cancel()

    readers = [asyncio.create_task(read(number)) for number in range(1, 71)]
    everything = session.log.subscribe(0)
    await ticks(1)
    turn = await thread.do(session)
    session.log.close("over")
    await soon(asyncio.wait(readers))
    assert [entry.seq async for entry in everything] == list(range(1, session.log.last + 1))
    assert turn.outcome == ("interrupted" if doing == "pause" else "complete")
    assert sorted(left) == list(range(1, min(70, session.log.last) + 1))
    assert session.log.readers == 0


# ------------------------------------------------------------------ stores and checkpointers


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
@pytest.mark.parametrize("method", ["get", "begin_turn", "end_turn", "answer", "aget_tuple", "aput", "aput_writes"])
@pytest.mark.parametrize("doing", ["agent", "resume", "continue"])
async def test_any_call_of_a_store_may_go_wrong(
    doing: str, method: str, hangs: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Lesson 36: an error is an outcome; what hangs is given up, or lets itself be cancelled."""
    undisturbed = Fault(10**6)
    await with_a_fault(doing, undisturbed, method, caplog)
    assert (undisturbed.calls > 0) == (method != "answer" or doing == "resume")
    for at in places(undisturbed.calls - 1, 2) if undisturbed.calls else ():
        fault = Fault(at + 1, None if hangs else OSError("secret"))
        await with_a_fault(doing, fault, method, caplog)
        assert fault.reached.is_set()


async def with_a_fault(doing: str, fault: Fault, method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Do something to a thread with a fault in its store, and see that all is well."""
    caplog.clear()
    thread = Thread(doing)
    session = await thread.begin(fault, method)
    acting = asyncio.create_task(thread.do(session))
    while not (fault.reached.is_set() or acting.done()):
        await ticks(1)
    if fault.reached.is_set() and fault.error is None:
        await asyncio.wait((acting,), timeout=4 * turns.PATIENCE)
        await session.cancel("it hangs", wait=4 * turns.PATIENCE)
        assert isinstance(session.log.take(session.log.last - 1)[0].entry.event, TurnEnd)  # although the call hangs
        fault.release()
    turn = await soon(acting)
    await ticks(10)  # a cancelled LangGraph leaves the writing of its checkpoints behind
    assert (turn.outcome == "error") <= (fault.error is not None)
    thread.kept = hasattr(thread.store, method) <= ("could not be kept" not in caplog.text)
    calls = fault.calls
    await thread.sound(session)
    fault.calls = calls


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_answers_that_cannot_be_taken_back_do_not_keep_the_turn_from_ending(hangs: bool) -> None:
    """`withdraw` is called when the turn cannot begin. The answers then stand, and `continue_` goes on with them."""
    thread = Thread("resume")
    await thread.begin()
    fault = Fault(error=None if hangs else OSError("secret"))
    store = faulty(faulty(thread.store, Fault(error=OSError("secret")), "begin_turn"), fault, "withdraw")
    session = SessionAdapter(thread.build(thread.saver), store).get("thread")
    acting = asyncio.create_task(thread.do(session))
    await fault.reached
    assert (await soon(acting)).outcome == "error"
    assert thread.whole(session).outcome == "error"
    fault.release()
    with pytest.raises(AlreadyAnswered):
        await resume(session, thread.answers)
    turn = await soon(session.continue_())
    await soon(ended(turn))
    assert turn.outcome == "complete"


@pytest.mark.parametrize("error", [OSError("secret"), None], ids=["fails", "hangs"])
async def test_a_thread_that_could_not_go_back_takes_the_next_turn(error: Exception | None) -> None:
    """`alist` of a checkpointer, in `fork`."""
    for at in count(1):
        fault, thread = Fault(at, error), Thread("chat")
        session = await thread.begin(fault, "alist")
        turn = await thread.do(session)
        going = asyncio.create_task(session.fork(turn.result.messages[-1].message_id))
        while not (fault.reached.is_set() or going.done()):
            await ticks(1)
        if fault.reached.is_set() and error is None:
            going.cancel()
        await asyncio.wait((going,))
        assert (going.cancelled() or going.exception() is not None) == fault.reached.is_set()
        if not fault.reached.is_set():
            break
        await thread.sound(session)
    assert at > 1
