"""Who reads a thread, and what becomes of a turn that nobody reads any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agui.asking import says
from langwire import SessionAdapter
from langwire.adapters.fastapi.attendance import Attendance
from langwire.errors import UsageError
from langwire.sessions.session import Session
from langwire.testing import Fault


@asynccontextmanager
async def a_turn(after: float | None) -> AsyncIterator[tuple[Attendance, Session, Fault]]:
    """A turn that waits in the middle."""
    hold, attendance = Fault(), Attendance(after)
    async with SessionAdapter(says(["one ", hold, "end"])) as sessions:
        session = sessions.get("t")
        await session.submit("go")
        await hold.reached
        try:
            yield attendance, session, hold
        finally:
            attendance.close()


def reason_of(session: Session) -> Any:
    assert session.turn is not None
    return session.turn.outcome, session.turn.reason


async def ended(session: Session) -> None:
    assert session.turn is not None
    await session.turn.ended()


async def test_a_turn_stops_at_once_where_nobody_may_come_back() -> None:
    """F-W2: a disconnect stops the run, where the server says so."""
    async with a_turn(0) as (attendance, session, _):
        with attendance.reading(session):
            assert attendance.readers(session) == 1
        await ended(session)
        assert reason_of(session) == ("cancelled", "nobody reads it any more")
        assert attendance.readers(session) == 0


async def test_a_turn_stops_when_nobody_has_come_back_in_time() -> None:
    async with a_turn(0.01) as (attendance, session, _):
        with attendance.reading(session):
            pass
        await ended(session)
        assert reason_of(session) == ("cancelled", "nobody reads it any more")


async def test_who_comes_back_in_time_keeps_the_turn() -> None:
    async with a_turn(0.01) as (attendance, session, hold):
        with attendance.reading(session):
            pass
        with attendance.reading(session):
            await passed(0.01)
            hold.release()
            await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_who_comes_back_and_leaves_again_has_all_the_time_again() -> None:
    async with a_turn(60) as (attendance, session, _):
        with attendance.reading(session):
            pass
        assert len(attendance._timers) == 1
        with attendance.reading(session):
            assert attendance._timers == {}


async def test_the_last_of_several_readers_counts() -> None:
    async with a_turn(0) as (attendance, session, hold):
        with attendance.reading(session):
            with attendance.reading(session):
                assert attendance.readers(session) == 2
            await passed(0)
            hold.release()
            await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_a_turn_goes_on_for_ever_where_the_server_says_so() -> None:
    async with a_turn(None) as (attendance, session, hold):
        with attendance.reading(session):
            pass
        await passed(0)
        hold.release()
        await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_a_turn_that_somebody_reads_by_another_face_goes_on() -> None:
    async with a_turn(0) as (attendance, session, hold):
        async with session.subscribe():
            with attendance.reading(session):
                pass
            await passed(0)
            hold.release()
            await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_a_turn_that_nobody_ever_read_goes_on() -> None:
    async with a_turn(0) as (_, session, hold):
        await passed(0)
        hold.release()
        await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_turns_that_wait_are_stopped_as_well() -> None:
    async with a_turn(0) as (attendance, session, _):
        waiting = await session.submit("next", when_busy="enqueue")
        with attendance.reading(session):
            pass
        await waiting.ended()
        assert (reason_of(session)[0], waiting.outcome) == ("cancelled", "cancelled")


async def test_nothing_is_left_of_a_thread_in_which_nothing_runs() -> None:
    async with a_turn(60) as (attendance, session, hold):
        hold.release()
        await ended(session)
        with attendance.reading(session):
            pass
        assert (attendance._timers, attendance._readers) == ({}, {})


async def test_closing_stops_the_clocks() -> None:
    async with a_turn(60) as (attendance, session, hold):
        with attendance.reading(session):
            pass
        assert len(attendance._timers) == 1
        attendance.close()
        assert attendance._timers == {}
        hold.release()
        await ended(session)
        assert reason_of(session) == ("complete", None)


async def test_the_clock_of_one_turn_leaves_a_later_one_alone() -> None:
    """What was asked for when its readers had left was never read, and goes on."""
    first, second = Fault(), Fault()
    attendance = Attendance(0.01)
    async with SessionAdapter(says(["one ", first], ["two ", second])) as sessions:
        session = sessions.get("t")
        await session.submit("go")
        await first.reached
        with attendance.reading(session):
            pass
        first.release()
        await ended(session)
        await session.submit("on")
        await second.reached
        await passed(0.01)
        second.release()
        await ended(session)
        assert reason_of(session) == ("complete", None)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_seconds_that_are_none_are_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="abandon_after came as"):
        Attendance(seconds)


async def passed(seconds: float) -> None:
    """Return when a clock that was set before has rung."""
    rung = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, rung.set)
    await rung.wait()
    await asyncio.sleep(0)
