"""Sessions that drain: no turn begins any more, those that run or wait come to their end, and all can be read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from langwire import SessionAdapter
from langwire.errors import SessionsClosed, UsageError
from langwire.events import Entry, TurnEnd
from langwire.sessions import session as session_module
from langwire.sessions.log import Reader
from langwire.sessions.turn import Turn
from langwire.testing import Fault

LONG = 60.0


def chat(hold: Fault) -> Any:
    """A graph that repeats what it is told, and meets a fault before."""

    async def answer(state: MessagesState) -> dict[str, Any]:
        await hold.ameet()
        return {"messages": [("ai", f"re: {state['messages'][-1].text}")]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()


async def draining(sessions: SessionAdapter, seconds: float = LONG) -> asyncio.Task[None]:
    """A task that closes the sessions, and waits for their turns."""
    task = asyncio.create_task(sessions.close(drain=seconds))
    await asyncio.sleep(0)
    assert sessions.closing
    assert not task.done()
    return task


async def entries_of(reader: Reader) -> list[Entry]:
    return [entry async for entry in reader]


def outcomes(*turns: Turn) -> list[Any]:
    return [turn.outcome for turn in turns]


async def test_turns_that_run_or_wait_come_to_their_end() -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold), when_busy="enqueue")
    session = sessions.get("t")
    assert not sessions.closing
    running, waiting = await session.submit("one"), await session.submit("two")
    reading = asyncio.create_task(entries_of(session.subscribe(0)))
    await hold.reached
    closing = await draining(sessions)
    hold.release()
    await closing
    assert outcomes(running, waiting) == ["complete", "complete"]
    assert isinstance((await reading)[-1].event, TurnEnd)
    assert session.log.closed == "closed"
    with pytest.raises(SessionsClosed):
        session.subscribe()


async def test_no_turn_begins_while_sessions_drain_but_all_can_be_read() -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold), when_busy="enqueue")
    session = sessions.get("t")
    running = await session.submit("one", client_message_id="m1")
    await hold.reached
    closing = await draining(sessions)
    other = sessions.get("other")
    for ask in (session.submit("two"), session.continue_(), session.resume({"a": 1}), other.submit("hello")):
        with pytest.raises(SessionsClosed, match="are being closed"):
            await ask
    assert await session.submit("one", client_message_id="m1") is running
    assert (await session.state()).running == running.id
    assert (await session.history()).position
    assert [record.thread_id for record in (await sessions.list()).records] == ["t"]
    async with session.subscribe(0) as reader:
        assert (await anext(reader)).seq == 1
    hold.release()
    await closing


async def test_turns_that_take_longer_are_stopped() -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold), when_busy="enqueue")
    running, waiting = [await sessions.get("t").submit(text) for text in ("one", "two")]
    await hold.reached
    await sessions.close(drain=0.01)
    assert outcomes(running, waiting) == ["cancelled", "cancelled"]
    assert running.reason == "the sessions were closed"


async def test_who_closes_at_once_ends_the_waiting_of_who_drains() -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold))
    running = await sessions.get("t").submit("one")
    await hold.reached
    closing = await draining(sessions)
    async with asyncio.timeout(LONG / 2):
        await sessions.close()
        await closing
    assert outcomes(running) == ["cancelled"]
    assert sessions.closing


def stuck(hold: Fault) -> Any:
    """A graph whose sync node meets a fault in a thread, which nobody can stop."""

    def node(_: MessagesState) -> dict[str, Any]:
        hold.meet()
        return {}

    return StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()


async def test_a_turn_whose_code_still_runs_has_not_come_to_its_end() -> None:
    hold = Fault()
    async with SessionAdapter(stuck(hold)) as sessions:
        session = sessions.get("t")
        running = await session.submit("one")
        await hold.reached
        running.stop()
        await running.wait()
        ended = asyncio.create_task(session.ended())
        for _ in range(5):
            await asyncio.sleep(0)
        assert (running.outcome, ended.done()) == ("cancelled", False)
        hold.release()
        await ended
        assert session.idle


async def test_code_that_does_not_stop_holds_up_neither_who_closes_at_once_nor_who_drains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "STOPPING", 0.01)
    hold = Fault()
    sessions = SessionAdapter(stuck(hold))
    running = await sessions.get("t").submit("one")
    await hold.reached
    closing = await draining(sessions)
    async with asyncio.timeout(LONG / 2):
        await sessions.close()
        await closing
    assert (running.state, running.outcome) == ("ending", "cancelled")
    hold.release()
    await running.ended()


async def test_a_drain_that_is_cancelled_leaves_no_task_and_sessions_that_can_be_closed() -> None:
    hold = Fault()
    sessions = SessionAdapter(chat(hold))
    running = await sessions.get("t").submit("one")
    await hold.reached
    before = asyncio.all_tasks()
    closing = await draining(sessions)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert (sessions.closing, running.outcome) == (True, None)
    await sessions.close()
    assert outcomes(running) == ["cancelled"]


async def test_nothing_to_wait_for_is_no_wait() -> None:
    sessions = SessionAdapter(chat(Fault(at=9)))
    await (await sessions.get("t").submit("one")).ended()
    async with asyncio.timeout(LONG / 2):
        await sessions.close(drain=LONG)


@pytest.mark.parametrize("drain", [-1, -0.1, float("nan")])
async def test_a_drain_that_is_no_time_is_refused(drain: float) -> None:
    sessions = SessionAdapter(chat(Fault(at=9)))
    with pytest.raises(UsageError, match="expected seconds, 0 or more"):
        await sessions.close(drain=drain)
    assert not sessions.closing
    await sessions.close()
