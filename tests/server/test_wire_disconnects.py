"""A client that is cut off at each event of a turn of 60: what is left of it, and what it has when it comes back.

A few of the cuts by default, each of them with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
import pytest

from langwire.sessions.log import EXACT
from langwire.sessions.session import Session
from server.wire_agents import Server, Stepwise, serving
from server.wire_client import Page, Person, Reading, Socket, until

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
EVENTS = 60
AROUND = 6
"""So many events of the turn are no words."""
CUTS = range(EVENTS + 1) if SOAK else (0, 1, 2, 3, 30, 57, 58, 59, 60)

pytestmark = pytest.mark.timeout(600 if SOAK else 120)
BOTH = pytest.mark.parametrize("way", ["socket", "events"])


def agent() -> Stepwise:
    return Stepwise(EVENTS - AROUND)


async def cut_off(person: Person, way: str, thread: str, page: Page, at: int, agent: Stepwise) -> None:
    """Read so many events of a turn that has not come further, and break the connection off."""
    async with getattr(person, way)(thread, page) as reader:
        await reader.until("live")
        await person.submit(thread, thread)
        agent.let(thread, 0, at)
        await reader.entries(at)
        await _cut(reader)


async def _cut(reader: Reading) -> None:
    if isinstance(reader, Socket):
        reader.cut()
    else:
        await reader.cut()  # type: ignore[attr-defined]


async def told(session: Session) -> list[dict[str, Any]]:
    """Return all entries of a log, one for one."""
    reader = session.log.subscribe(0, join_over=EXACT)
    lines: list[dict[str, Any]] = []
    async for line in reader.lines():
        lines.append(msgspec.json.decode(line))
        if len(lines) == session.log.last:
            break
    reader.close()
    return lines


def others() -> set[asyncio.Task[Any]]:
    """Return the tasks that run now."""
    return {task for task in asyncio.all_tasks() if not task.done()}


async def test_the_turn_has_as_many_events_as_the_cuts() -> None:
    stepwise = agent()
    async with serving(stepwise.graph) as server:
        person = await server.person()
        thread = await person.thread()
        stepwise.let(thread)
        async with person.socket(thread) as socket:
            await socket.submit(thread)
            await socket.until("turn_end")
        assert len(socket.page.entries) == EVENTS


@BOTH
async def test_who_is_cut_off_at_any_event_gets_exactly_the_rest(way: str) -> None:
    """F-W2, I4: the reader is let go while the turn stands still, and no task is left when it has ended."""
    stepwise = agent()
    async with serving(stepwise.graph, abandon_after=None) as server:
        person = await server.person()
        for at in CUTS:
            await _cut_and_back(server, person, way, at, stepwise)


async def _cut_and_back(server: Server, person: Person, way: str, at: int, stepwise: Stepwise) -> None:
    thread, page = await person.thread(), Page()
    session, before = server.sessions.get(thread), others()
    await cut_off(person, way, thread, page, at, stepwise)
    await until(lambda: session.log.readers == 0)
    stepwise.let(thread)
    assert session.turn is not None
    assert (await session.turn.wait()).outcome == "complete"
    await until(lambda: others() <= before)
    back = page.goes_on()
    async with getattr(person, way)(thread, back) as reader:
        if at < EVENTS:
            await reader.until("turn_end")
        else:
            await reader.until("hello")
    assert back.resets == []
    assert back.entries == await told(session), f"cut off at event {at}"
    held = Page()
    held.past = await person.history(thread)
    assert back.said == held.said == [("user", thread), ("assistant", stepwise.text())]
    await until(lambda: others() <= before)
    assert session.log.readers == 0


@BOTH
async def test_a_turn_is_stopped_at_whatever_event_its_only_reader_leaves(way: str) -> None:
    """F-W2: within a step of the graph, when it is to be abandoned at once."""
    stepwise = agent()
    async with serving(stepwise.graph, abandon_after=0) as server:
        person = await server.person()
        for at in CUTS:
            if at >= len(stepwise.words):
                continue  # nothing holds the turn any more
            thread, before = await person.thread(), others()
            session = server.sessions.get(thread)
            await cut_off(person, way, thread, Page(), at, stepwise)
            await until(lambda: session.log.readers == 0)  # noqa: B023
            assert session.turn is not None
            async with asyncio.timeout(20):
                assert (await session.turn.wait()).outcome == "cancelled", at
            await until(lambda: others() <= before)  # noqa: B023
            assert not [stop for stop in stepwise.stops(thread)[at + 1 :] if stop.reached.is_set()]


@BOTH
async def test_who_is_cut_off_again_and_again_has_it_all_in_the_end(way: str) -> None:
    """F-W2: after each event, with a position that every connection moves on by one."""
    stepwise = agent()
    async with serving(stepwise.graph, abandon_after=None) as server:
        person = await server.person()
        thread, page = await person.thread(), Page()
        session, before = server.sessions.get(thread), others()
        async with getattr(person, way)(thread, page) as reader:
            await reader.until("live")
        await person.submit(thread, thread)
        while not page.entries or page.entries[-1]["type"] != "turn_end":
            stepwise.let(thread, 0, len(page.entries) + 1)
            async with getattr(person, way)(thread, page) as reader:
                await reader.entries(1)
                await _cut(reader)
        assert page.entries == await told(session)
        await until(lambda: others() <= before)


@BOTH
async def test_several_tabs_and_one_that_joins_late_have_the_same(way: str) -> None:
    """F-S1, F-S2: nobody takes anything from another, and who comes late gets what was before."""
    stepwise = agent()
    async with serving(stepwise.graph) as server:
        person = await server.person()
        thread = await person.thread()
        async with getattr(person, way)(thread) as one, getattr(person, way)(thread) as two:
            await one.until("live")
            await two.until("live")
            await person.submit(thread, thread)
            stepwise.let(thread, 0, 20)
            await one.until(lambda frame: frame.get("text") == "word19 ")
            async with getattr(person, way)(thread) as late:
                await late.until("live")
                stepwise.let(thread)
                for reader in (one, two, late):
                    assert (await reader.until("turn_end"))["outcome"] == "complete"
                assert one.page.entries == two.page.entries == await told(server.sessions.get(thread))
                assert late.page.entries == one.page.entries  # the turn that runs is told from its begin
                assert late.page.said == one.page.said == [("user", thread), ("assistant", stepwise.text())]
