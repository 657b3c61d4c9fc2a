"""The row of frames: whoever comes, at whatever moment and with whatever position, ends with what is in the thread."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState
from langgraph.types import interrupt

from agui.asking import graph_of, says
from langwire import SessionAdapter, Transcript
from langwire.adapters.fastapi import reading
from langwire.adapters.fastapi.protocol import NewThread, Submit
from langwire.adapters.fastapi.shown import Shown
from langwire.adapters.fastapi.threads import Threads
from langwire.core.codec import decode
from langwire.errors import UsageError
from langwire.events import Custom, Progress, TurnStart
from langwire.sessions.log import EXACT
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore
from langwire.testing import Fault

WORDS = [f"w{number} " for number in range(60)]
Rows = AsyncGenerator[Sequence[tuple[str | None, bytes]]]


class Page:
    """What one reader has got: all frames, and the last position."""

    def __init__(self, threads: Threads, session: Session, after: str | None = None) -> None:
        self._threads, self._session = threads, session
        self.position = after
        self.lines: list[bytes] = []
        self._rows: Rows = threads.read(session, after)
        self._came: list[tuple[str | None, bytes]] = []
        """What has come with what was read, and was not looked at yet."""

    @property
    def frames(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    async def next(self) -> Any:
        if not self._came:
            self._came += await anext(self._rows)
        position, line = self._came.pop(0)
        self.lines.append(line)
        self.position = position or self.position
        return json.loads(line)

    async def until(self, stop: str | Callable[[Any], bool]) -> list[Any]:
        """Read on up to a frame of this type; return the frames."""
        got: list[Any] = []
        while not got or not (got[-1]["type"] == stop if isinstance(stop, str) else stop(got[-1])):
            got.append(await self.next())
        return got

    async def caught_up(self) -> None:
        """Read on until nothing is left to read."""
        while self.position != self._session.log.position or self.types[-1] in ("hello", "reset"):
            await self.next()

    async def cut(self) -> None:
        self._came.clear()
        await self._rows.aclose()

    async def come_back(self, after: str | None) -> None:
        await self.cut()
        self._rows = self._threads.read(self._session, after)

    def events(self) -> list[Any]:
        """What it knows: all since the last reset, as events."""
        known: list[bytes] = []
        for line, kind in zip(self.lines, self.types, strict=True):
            if kind == "reset":
                known.clear()
            elif kind not in ("hello", "live", "closed"):
                known.append(line)
        return [decode(line) for line in known]


@asynccontextmanager
async def reading_threads(
    agent: Any, store: Any = None, *, shown: Shown | None = None, abandon_after: float | None = None, **options: Any
) -> AsyncIterator[Threads]:
    async with SessionAdapter(agent, store, **options) as sessions:
        threads = Threads(sessions, shown=shown or Shown(), abandon_after=abandon_after)
        try:
            yield threads
        finally:
            await threads.close()


async def new(threads: Threads) -> Session:
    return await threads.session((await threads.create(None, NewThread())).thread_id, None)


async def say(threads: Threads, session: Session, text: str = "go") -> None:
    await threads.do(session, Submit(input=text), None)


async def ended(session: Session) -> None:
    assert session.turn is not None
    await session.turn.ended()


def told_in(events: list[Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """What people said, and what the agent did, by events of the past and of live turns."""
    transcript = Transcript.of(events)
    past = [message.text for message in transcript.state_messages() if message.role == "user"]
    live = [
        message["content"]
        for event in events
        if isinstance(event, TurnStart) and event.input
        for message in event.input["messages"]
    ]
    answers = [(one.message_id, one.text) for one in transcript.state_messages() if one.role == "assistant"]
    return past + live, answers


async def thread_of(session: Session) -> tuple[list[str], list[tuple[str, str]]]:
    return told_in((await session.history()).events)


async def log_of(session: Session) -> list[bytes]:
    """All that the log has, exactly."""
    lines: list[bytes] = []
    async with session.log.subscribe(0, join_over=EXACT) as reader:
        async for _ in reader:
            lines.append(reader.line())
            if reader.position == session.log.position:
                return lines
    return lines


def without_input(lines: list[bytes]) -> list[Any]:
    frames = [json.loads(line) for line in lines]
    return [{name: value for name, value in frame.items() if name != "input"} for frame in frames]


# ------------------------------------------------------------------ from the beginning, and from a position


async def test_a_new_thread_has_an_empty_past() -> None:
    async with reading_threads(says("one")) as threads:
        session = await new(threads)
        page = Page(threads, session)
        hello, reset, live = await page.until("live")
        await page.cut()
    at = f"{session.log.id}:0"
    assert hello == {"type": "hello", "protocol": 1, "thread_id": session.thread_id, "position": at}
    assert reset == {"type": "reset", "reason": "new"}
    assert live == {"type": "live", "position": at}


async def test_a_turn_is_read_as_it_is_told() -> None:
    async with reading_threads(says(["Hel", "lo"])) as threads:
        session = await new(threads)
        page = Page(threads, session)
        await page.until("live")
        await say(threads, session)
        await page.until("turn_end")
        assert without_input(page.lines[3:]) == without_input(await log_of(session))
        assert told_in(page.events()) == await thread_of(session)
        await page.cut()


async def test_a_late_reader_gets_the_turn_that_runs_from_its_beginning() -> None:
    """F-S1: each tab gets all of it."""
    hold = Fault()
    async with reading_threads(says("before", ["one ", hold, "two"])) as threads:
        session = await new(threads)
        early = Page(threads, session)
        await say(threads, session, "first")
        await ended(session)
        await say(threads, session, "second")
        await hold.reached
        late = Page(threads, session)
        assert (await late.next())["running"] == session.turn.id  # type: ignore[union-attr]
        past = await late.until("live")
        assert [frame["type"] for frame in past[-2:]] == ["turn_end", "live"]
        hold.release()
        await ended(session)
        for page in (early, late):
            await page.caught_up()
            assert told_in(page.events()) == await thread_of(session)
            await page.cut()


async def test_a_thread_that_failed_before_anything_was_kept_tells_how_it_ended() -> None:
    @asynccontextmanager
    async def failing(turn: Any) -> AsyncIterator[None]:
        raise ValueError("no")
        yield

    async with reading_threads(says("one"), middleware=[failing]) as threads:
        session = await new(threads)
        await say(threads, session)
        await ended(session)
        page = Page(threads, session)
        end = (await page.until("live"))[-2]
        await page.cut()
    assert (end["type"], end["outcome"]) == ("turn_end", "error")


async def test_what_cannot_be_a_position_is_refused() -> None:
    async with reading_threads(says("one")) as threads:
        session = await new(threads)
        with pytest.raises(UsageError, match="position came as 'here'"):
            await anext(threads.read(session, "here"))
        assert session.log.readers == 0
        assert threads.attendance.readers(session) == 0


async def test_a_reader_that_is_cut_at_every_event_sees_exactly_the_entries() -> None:
    """F-S2: disconnect at every event of a turn; coming back with the last position gives exactly the rest."""
    async with reading_threads(says(WORDS)) as threads:
        session = await new(threads)
        page = Page(threads, session)
        await page.until("live")
        await say(threads, session)
        got: list[bytes] = []
        while not got or json.loads(got[-1])["type"] != "turn_end":
            await page.come_back(page.position)
            assert (await page.next())["type"] == "hello"
            await page.next()
            got.append(page.lines[-1])
        await page.cut()
        assert len(got) > 60
        assert without_input(got) == without_input(await log_of(session))


async def test_a_reader_that_comes_at_any_event_with_a_foreign_position_ends_with_the_transcript() -> None:
    """F-S2: at every event of a turn somebody comes from before a restart."""
    async with reading_threads(says("before", WORDS)) as threads:
        session = await new(threads)
        await say(threads, session, "first")
        await ended(session)
        main = Page(threads, session)
        await main.until("live")
        await say(threads, session, "second")
        pages: list[Page] = []
        while main.types[-1] != "turn_end":
            await main.next()
            pages.append(Page(threads, session, "0123456789abcdef:3"))
            await pages[-1].until("live")
        expected = await thread_of(session)
        assert expected[0] == ["first", "second"]
        for page in (main, *pages):
            await page.caught_up()
            assert told_in(page.events()) == expected
            await page.cut()
        assert {page.frames[1]["reason"] for page in pages} == {"foreign"}


ACTIONS = ["submit", "wait", "push", "fork", "read", "read", "back", "back", "foreign", "none"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2), st.integers(1, 12)), max_size=25))
def test_readers_that_come_and_go_all_end_with_the_same_thread(steps: list[tuple[str, int, int]]) -> None:
    asyncio.run(come_and_go(steps))


async def come_and_go(steps: list[tuple[str, int, int]]) -> None:
    """Turns, forks and readers in any order, over a log that forgets nearly everything."""
    async with reading_threads(says(["a ", "b ", "c ", "d"]), max_entries=8, when_busy="enqueue") as threads:
        session = await new(threads)
        pages = [Page(threads, session) for _ in range(3)]
        for action, which, count in steps:
            await act(threads, session, action, pages[which], count)
        while not session.idle:
            await ended(session)
            await asyncio.sleep(0)
        session.log.append(Progress(text="the end"))
        expected = await thread_of(session)
        for page in pages:
            await page.caught_up()
            assert told_in(page.events()) == expected
            await page.cut()
        assert session.log.readers == 0


async def act(threads: Threads, session: Session, action: str, page: Page, count: int) -> None:
    match action:
        case "submit":
            await say(threads, session, f"say {count}")
        case "wait" if session.turn is not None:
            await session.turn.ended()
        case "push":
            session.log.append(Progress(text="on the way"))
        case "fork" if session.idle:
            messages = list((await session.state()).messages)
            if messages:
                await session.fork(messages[-1])
        case "read":
            for _ in range(count):
                if not page.lines or page.position != session.log.position:
                    await page.next()
        case "back" | "foreign" | "none":
            await page.come_back({"back": page.position, "foreign": "x:1", "none": None}[action])
        case _:
            pass


# ------------------------------------------------------------------ a log that forgets


async def test_a_reader_that_falls_behind_is_told_the_past_anew() -> None:
    """F-W6, T-6: a slow reader holds nobody up, and ends with the thread all the same."""
    async with reading_threads(says(WORDS), max_entries=16) as threads:
        session = await new(threads)
        slow = Page(threads, session)
        await slow.until("live")
        await say(threads, session)
        await ended(session)
        assert await slow.next() == {"type": "reset", "reason": "forgotten"}
        await slow.caught_up()
        assert told_in(slow.events()) == await thread_of(session)
        await slow.cut()


async def test_a_turn_whose_beginning_is_forgotten_is_told_whole_at_its_end() -> None:
    hold = Fault()
    async with reading_threads(says("before", [*WORDS, hold, "end"]), max_entries=16) as threads:
        session = await new(threads)
        await say(threads, session, "first")
        await ended(session)
        await say(threads, session, "second")
        await hold.reached
        page = Page(threads, session)
        await page.until("live")
        later = Page(threads, session, (await threads.history(session)).position)
        await later.until("reset")
        hold.release()
        await page.until("reset")
        await ended(session)
        await page.caught_up()
        assert page.types.count("reset") == 2
        assert page.frames[-1]["type"] == "live"
        expected = await thread_of(session)
        assert told_in(page.events()) == expected
        await later.caught_up()
        assert [frame.get("reason") for frame in later.frames[:2]] == [None, "forgotten"]
        assert told_in(later.events()) == expected
        await page.cut()
        await later.cut()


async def test_turns_that_are_forgotten_while_the_past_is_read_are_in_the_past_after_all() -> None:
    """The log forgets a whole turn between the look at the checkpoint and the log."""
    reads = asyncio.Event()

    class Slow(MemorySessionStore):
        looks = 0

        async def get(self, thread_id: str) -> Any:
            Slow.looks += 1
            if reads.is_set() and Slow.looks == 3:  # the store is asked after the checkpoint
                reads.clear()
                await say(threads, session, "meanwhile")
                await ended(session)
            return await super().get(thread_id)

    async with reading_threads(says(WORDS), Slow(), max_entries=16) as threads:
        session = await new(threads)
        page = Page(threads, session)
        Slow.looks = 0
        reads.set()
        await page.caught_up()
        assert not reads.is_set()
        assert told_in(page.events()) == await thread_of(session)
        await page.cut()


# ------------------------------------------------------------------ a turn of another process


class Elsewhere:
    """Two servers over one store and one checkpointer, one of them with a turn that waits."""

    def __init__(self, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "FIRST_LOOK", 0.005)
        self._stack = stack
        self.hold = Fault()
        self.agent = says("one", ["two ", self.hold, "end"], "three", saver=InMemorySaver())
        self.store = MemorySessionStore()

    async def server(self) -> Threads:
        return await self._stack.enter_async_context(reading_threads(self.agent, self.store))


@pytest.fixture
async def elsewhere(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Elsewhere]:
    async with AsyncExitStack() as stack:
        yield Elsewhere(stack, monkeypatch)


async def test_a_turn_that_runs_elsewhere_is_told_when_it_has_ended(elsewhere: Elsewhere) -> None:
    here, there = await elsewhere.server(), await elsewhere.server()
    session = await new(there)
    await say(there, session, "first")
    await ended(session)
    await say(there, session, "second")
    await elsewhere.hold.reached
    ours = await here.session(session.thread_id, None)
    page = Page(here, ours)
    assert (await page.next())["unfinished"] is True
    await page.until("live")
    waits = asyncio.ensure_future(page.next())
    await asyncio.wait((waits,), timeout=0.05)  # it has looked by then, and found nothing new
    assert not waits.done()
    elsewhere.hold.release()
    assert await waits == {"type": "reset", "reason": "elsewhere"}
    await page.until("live")
    assert told_in(page.events()) == await thread_of(session)
    await page.cut()


async def test_a_position_that_was_told_while_a_turn_ran_elsewhere_is_good_for_nothing(elsewhere: Elsewhere) -> None:
    """Else whoever comes back when that turn has ended, and one has begun here, would never see it."""
    here, there = await elsewhere.server(), await elsewhere.server()
    session = await new(there)
    await say(there, session, "first")
    await ended(session)
    await say(there, session, "second")
    await elsewhere.hold.reached
    ours = await here.session(session.thread_id, None)
    page = Page(here, ours)
    await page.until("live")
    ours.log.append(Progress(text="pushed"))
    await page.next()
    await page.cut()
    elsewhere.hold.release()
    await ended(session)
    await say(here, ours, "third")
    await ended(ours)
    await page.come_back(page.position)
    await page.caught_up()
    assert told_in(page.events()) == await thread_of(ours)
    await page.cut()


async def test_a_turn_that_begins_here_ends_the_wait_for_the_one_elsewhere(elsewhere: Elsewhere) -> None:
    here, there = await elsewhere.server(), await elsewhere.server()
    session = await new(there)
    await say(there, session, "first")
    await ended(session)
    await say(there, session, "second")
    await elsewhere.hold.reached
    ours = await here.session(session.thread_id, None)
    page = Page(here, ours)
    await page.until("live")
    elsewhere.hold.release()
    await ended(session)
    await say(here, ours, "third")
    await ended(ours)
    assert await page.next() == {"type": "reset", "reason": "elsewhere"}
    await page.caught_up()
    assert told_in(page.events()) == await thread_of(ours)
    await page.cut()


async def test_who_comes_back_after_a_turn_elsewhere_is_told_the_past_anew(elsewhere: Elsewhere) -> None:
    elsewhere.hold.release()
    here, there = await elsewhere.server(), await elsewhere.server()
    session = await new(here)
    await say(here, session, "first")
    await ended(session)
    page = Page(here, session)
    await page.caught_up()
    await page.cut()
    theirs = await there.session(session.thread_id, None)
    await say(there, theirs, "second")
    await ended(theirs)
    await page.come_back(page.position)
    assert (await page.until("reset"))[-1]["reason"] == "elsewhere"
    await page.until("live")
    assert told_in(page.events()) == await thread_of(theirs)
    await page.cut()


@pytest.mark.parametrize("stays", [True, False])
async def test_a_turn_here_after_one_elsewhere_has_that_one_told_as_well(elsewhere: Elsewhere, stays: bool) -> None:
    """Nobody saw the other turn here, neither who stayed nor who comes back with a position of before."""
    elsewhere.hold.release()
    here, there = await elsewhere.server(), await elsewhere.server()
    session = await new(here)
    await say(here, session, "first")
    await ended(session)
    page = Page(here, session)
    await page.caught_up()
    if not stays:
        await page.cut()
    theirs = await there.session(session.thread_id, None)
    await say(there, theirs, "second")
    await ended(theirs)
    await say(here, session, "third")
    await ended(session)
    if not stays:
        await page.come_back(page.position)
    assert (await page.until("reset"))[-1]["reason"] == ("forgotten" if stays else "foreign")
    await page.caught_up()
    assert told_in(page.events()) == await thread_of(session)
    await page.cut()


async def test_a_thread_that_nobody_finishes_is_looked_at_ever_less_often(elsewhere: Elsewhere) -> None:
    session = await new(await elsewhere.server())
    looks: list[float] = []
    enough = asyncio.Event()

    async def is_over() -> bool:
        looks.append(asyncio.get_running_loop().time())
        if len(looks) == 8:
            enough.set()
        return False

    watching = reading._Watching(session.log.subscribe(), is_over)
    waits = asyncio.ensure_future(anext(watching))
    await enough.wait()
    waits.cancel()
    await asyncio.wait((waits,))
    assert looks[-1] - looks[-2] > 3 * (looks[1] - looks[0])


async def test_a_fork_that_is_undone_brings_back_all_that_it_took() -> None:
    """The log tells no more of it than texts: calls, results and roles are told by the past."""
    async with reading_threads(says("one", "two")) as threads:
        session = await new(threads)
        await say(threads, session, "first")
        await ended(session)
        page = Page(threads, session)
        await page.caught_up()
        (point, *_) = (await session.state()).messages
        await session.fork(point)
        await page.until("messages_removed")
        await session.undo_fork()
        assert (await page.until("reset"))[-1]["reason"] == "undone"
        await page.caught_up()
        assert told_in(page.events()) == await thread_of(session)
        await page.cut()


# ------------------------------------------------------------------ the end


async def test_a_thread_that_is_deleted_ends_its_readers() -> None:
    async with reading_threads(says("one")) as threads:
        session = await new(threads)
        page = Page(threads, session)
        await page.until("live")
        await threads.delete(session)
        assert await page.until("closed") == [{"type": "closed", "reason": "deleted"}]
        with pytest.raises(StopAsyncIteration):
            await page.next()
        late = Page(threads, session)
        await late.until("closed")
        assert late.types == ["hello", "closed"]
        await late.cut()
        assert session.log.readers == 0


class Shut(MemorySessionStore):
    """A store that is not to be used once it has been closed: that would open it again."""

    shut = False

    async def get(self, thread_id: str) -> Any:
        assert not self.shut
        return await super().get(thread_id)

    async def close(self) -> None:
        self.shut = True


async def test_a_server_that_stops_ends_its_readers() -> None:
    async with reading_threads(says("one", WORDS), Shut(), max_entries=16) as threads:
        session = await new(threads)
        page, behind = Page(threads, session), Page(threads, session)
        await page.until("live")
        await behind.until("live")
        await say(threads, session)
        await ended(session)
        await page.caught_up()
        await say(threads, session)
        await ended(session)
        await threads.sessions.close()
        await page.until("closed")
        assert page.frames[-1] == {"type": "closed", "reason": "shutting_down"}
        assert (await behind.until("closed"))[-1]["reason"] == "shutting_down"
        late = Page(threads, session)
        await late.until("closed")
        assert late.types == ["hello", "closed"]
        assert late.frames[-1]["reason"] == "shutting_down"


async def test_what_is_drained_can_be_read_to_its_end() -> None:
    hold = Fault()
    async with reading_threads(says(["one ", hold, "end"])) as threads:
        session = await new(threads)
        await say(threads, session)
        await hold.reached
        closing = asyncio.ensure_future(threads.sessions.close(drain=30))
        page = Page(threads, session)
        await page.until("text_delta")
        hold.release()
        await page.until("closed")
        await closing
    assert page.types[-2:] == ["turn_end", "closed"]
    assert page.frames[-1]["reason"] == "shutting_down"
    assert page.frames[-2]["outcome"] == "complete"


@pytest.mark.parametrize("how", ["closed", "cancelled", "forgotten"])
async def test_a_reader_lets_go_of_everything_however_it_ends(how: str) -> None:
    async with reading_threads(says("one")) as threads:
        session = await new(threads)
        rows = threads.read(session, None)
        for _ in range(2):
            await anext(rows)
        waits = asyncio.ensure_future(anext(rows))
        await asyncio.sleep(0)
        assert (session.log.readers, threads.attendance.readers(session)) == (1, 1)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        if how == "closed":
            await rows.aclose()
        del rows
        gc.collect()
        await asyncio.sleep(0)
        assert (session.log.readers, threads.attendance.readers(session)) == (0, 0)


async def test_what_the_checkpointer_raises_comes_out_and_leaves_nothing_open() -> None:
    class Broken(InMemorySaver):
        async def aget_tuple(self, config: Any) -> Any:
            raise OSError("disk")

    async with reading_threads(says("one", saver=Broken())) as threads:
        session = await new(threads)
        rows = threads.read(session, None)
        await anext(rows)
        with pytest.raises(OSError, match="disk") as error:
            await anext(rows)
        assert (session.log.readers, threads.attendance.readers(session)) == (0, 0)
        del error  # until here its traceback held all that was there


# ------------------------------------------------------------------ what is shown of it


async def test_what_is_not_shown_is_neither_told_live_nor_of_the_past() -> None:
    async with reading_threads(says("one"), shown=Shown(nodes=False, custom=False)) as threads:
        session = await new(threads)
        page = Page(threads, session)
        await page.until("live")
        await say(threads, session)
        threads.sessions.push(session.thread_id, Custom(data=1))
        await ended(session)
        threads.sessions.push(session.thread_id, Progress(text="seen"))
        await page.until("progress")
        assert not {"custom", "node_start", "node_end"} & set(page.types)
        assert page.frames[-1]["seq"] == session.log.last
        await page.come_back(page.position)
        hello = await page.next()
        assert hello["position"] == page.position
        await page.cut()


async def test_a_question_that_is_open_is_told_with_the_past() -> None:
    def ask(_: MessagesState) -> Any:
        return {"messages": [AIMessage(interrupt("sure?"), id="a1")]}

    async with reading_threads(graph_of(MessagesState, ask=ask)) as threads:
        session = await new(threads)
        await say(threads, session)
        await ended(session)
        page = Page(threads, session)
        past = await page.until("live")
        await page.cut()
    assert [frame["value"] for frame in past if frame["type"] == "interrupt"] == ["sure?"]
