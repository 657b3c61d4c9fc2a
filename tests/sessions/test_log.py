"""A log numbers events without holes, and gives every reader the same ones, wherever it is and however fast."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langwire.core.codec import decode_entry, encode_entry
from langwire.errors import LogClosed, ReaderTooSlow, UsageError
from langwire.events import (
    Custom,
    Entry,
    Event,
    NodeStart,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolResult,
    TurnEnd,
)
from langwire.sessions import log as log_module
from langwire.sessions.log import EXACT, JOIN_OVER, LEAST, Log, Reader, Reset
from langwire.testing import Signal

T = TypeVar("T")
PATIENCE = 10.0


def told(count: int, id: str = "m1") -> list[Event]:
    return [TextDelta(id=id, text=f"{number} ") for number in range(count)]


def filled(count: int, **limits: int) -> Log:
    log = Log(**limits)
    for event in told(count):
        log.append(event)
    return log


def kept(log: Log) -> int:
    return log.last - log.first + 1


async def soon(work: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE):
        return await work


async def rest(reader: Reader) -> list[Entry]:
    """What is left of a closed log."""
    return [entry async for entry in reader]


async def some(reader: Reader, count: int) -> list[Entry]:
    return [await soon(anext(reader)) for _ in range(count)]


async def waiting(reader: Reader) -> asyncio.Task[Entry]:
    """A task that waits for the reader's next entry."""
    task = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    assert not task.done()
    return task


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


def text_of(entries: Sequence[Entry]) -> str:
    return "".join(entry.event.text for entry in entries if isinstance(entry.event, TextDelta))


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*works: Callable[[], T]) -> list[T]:
    """Run functions at once, each in a thread of its own, and return what they return."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait(PATIENCE)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


# ------------------------------------------------------------------ numbers, times, positions


def test_entries_are_numbered_from_one_and_stand_at_positions() -> None:
    log = Log()
    assert (log.last, log.first, log.position) == (0, 1, f"{log.id}:0")
    (one,), two_and_three = [log.append(NodeStart(id="n", node="model"))], log.extend(told(2))
    assert numbers([one, *two_and_three]) == [1, 2, 3]
    assert [entry.event for entry in two_and_three] == told(2)
    assert (log.last, log.first, log.position) == (3, 1, f"{log.id}:3")
    assert log.extend([]) == []


def test_no_two_logs_have_an_id_in_common() -> None:
    assert len({Log().id for _ in range(100)}) == 100


@pytest.mark.usefixtures("busy_threads")
async def test_eight_threads_that_push_at_once_leave_no_hole() -> None:
    log = Log()
    pushed = in_threads(*[lambda name=name: [log.append(event) for event in told(200, name)] for name in "abcdefgh"])
    log.close("done")
    entries = await rest(log.subscribe(0, join_over=EXACT))
    assert numbers(entries) == list(range(1, 1601))
    assert sorted((entry for own in pushed for entry in own), key=lambda entry: entry.seq) == entries
    assert [entry.at_ms for entry in entries] == sorted(entry.at_ms for entry in entries)
    for name, own in zip("abcdefgh", pushed, strict=True):  # and each of them stays in its order
        assert [entry.event for entry in entries if getattr(entry.event, "id", "") == name] == told(200, name)
        assert numbers(own) == sorted(numbers(own))


def test_the_last_number_never_goes_back_while_entries_are_forgotten() -> None:
    """What an entry holds may run code when it is forgotten, and every code may let another thread look."""
    log, seen = Log(max_entries=8), list[int]()

    class Looks:
        def __del__(self) -> None:
            seen.append(log.last)

    for _ in range(20):
        log.append(Custom(data=Looks()))
    assert len(seen) >= 12
    assert seen == sorted(seen)
    assert seen[0] == 9


def test_times_never_go_back_though_the_wall_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 1_700_000_000_000_000_000, "passed": 5_000_000_000}
    monkeypatch.setattr(log_module, "time_ns", lambda: now["wall"])
    monkeypatch.setattr(log_module, "monotonic_ns", lambda: now["passed"])
    log, times = Log(), list[int]()
    for wall, passed in ((0, 0), (-3_600, 1), (+86_400, 0), (-86_400, 2)):  # seconds by which the clocks move
        now["wall"] += wall * 1_000_000_000
        now["passed"] += passed * 1_000_000_000
        times.append(log.append(TextDelta(id="m1", text="x")).at_ms - 1_700_000_000_000)
    assert times == [0, 1_000, 1_000, 3_000]


# ------------------------------------------------------------------ where a reader begins


@pytest.mark.parametrize(
    ("position", "first", "reset"),
    [
        (None, 13, None),
        (10, 11, None),
        (12, 13, None),
        ("{id}:11", 12, None),
        ("{id}:0000011", 12, None),
        ("{id}:12", 13, None),
        (3, 4, None),  # nothing after it has been forgotten
        (2, 4, "forgotten"),
        (0, 4, "forgotten"),
        ("{id}:1", 4, "forgotten"),
        (13, 4, "foreign"),
        ("{id}:13", 4, "foreign"),
        ("0123456789abcdef:11", 4, "foreign"),
        ("another:log:11", 4, "foreign"),
        ("0123456789abcdef:999999999999999999", 4, "foreign"),
    ],
)
async def test_a_reader_begins_after_its_position_or_is_told_to_begin_anew(
    position: Any, first: int, reset: str | None
) -> None:
    log = filled(12, max_entries=10)
    assert log.first == 4
    asked = position.format(id=log.id) if isinstance(position, str) else position
    reader = log.subscribe(asked)
    assert reader.position == f"{log.id}:{first - 1}"
    assert reader.reset == (Reset(reason=reset, position=reader.position) if reset else None)  # type: ignore[arg-type]
    log.append(TextDelta(id="m1", text="new"))
    assert numbers(await some(reader, 14 - first)) == list(range(first, 14))
    assert reader.position == log.position


@pytest.mark.parametrize(
    "junk",
    [
        "",
        ":",
        "7",
        ":7",
        "{id}:",
        "{id}:-1",
        "{id}:+1",
        "{id}: 1",
        "{id}:1\n",
        "{id}:1_0",
        "{id}:1.0",
        "{id}:\u0661",
        "{id}:\u00b2",
        "{id}:" + "9" * 19,
        "\ud800",
        -1,
        10**18,
        10**4_000,
        1.0,
        b"log:1",
        [1],
        object(),
    ],
    ids=lambda junk: type(junk).__name__,
)
def test_what_cannot_be_a_position_is_refused(junk: Any) -> None:
    log = filled(3)
    given = junk.format(id=log.id) if isinstance(junk, str) else junk
    with pytest.raises(UsageError, match=r"^position came as .*: expected a number, or '<log id>:<number>'$") as raised:
        log.subscribe(given)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
    assert log.readers == 0


async def test_an_empty_log_is_read_from_its_beginning_and_its_end_alike() -> None:
    log = Log()
    readers = [log.subscribe(position) for position in (None, 0, f"{log.id}:0")]
    assert [reader.reset for reader in readers] == [None, None, None]
    log.append(TextDelta(id="m1", text="x"))
    assert [numbers(await some(reader, 1)) for reader in readers] == [[1], [1], [1]]


# ------------------------------------------------------------------ live and replay are the same

READERS = 3
tells = st.tuples(st.just("tell"), st.integers(1, 4))
moves = st.tuples(st.sampled_from(["read", "cancel", "reconnect"]), st.integers(0, READERS - 1))
steps = st.lists(tells | moves, max_size=40)


class Following:
    """A reader, what it has read, and where it began."""

    def __init__(self, log: Log, after: int) -> None:
        self.log, self.after, self.entries = log, after, list[Entry]()
        self.reader = log.subscribe(after, join_over=EXACT)
        self.next: asyncio.Task[list[Entry]] | None = None

    async def read(self) -> None:
        """Ask for the next entry, or go on to wait for it."""
        self.next = self.next or asyncio.create_task(self._next())
        for _ in range(3):
            await asyncio.sleep(0)
        if self.next.done():
            self._take(self.next)

    async def _next(self) -> list[Entry]:
        async for entry in self.reader:
            return [entry]
        return []

    def _take(self, task: asyncio.Task[list[Entry]]) -> None:
        self.entries += [] if task.cancelled() else task.result()
        self.next = None

    async def cancel(self) -> None:
        if self.next is not None:
            self.next.cancel()
            await asyncio.wait([self.next])
            self._take(self.next)

    async def reconnect(self) -> None:
        await self.cancel()
        position = self.reader.position
        self.reader.close()
        self.reader = self.log.subscribe(position, join_over=EXACT)

    async def end(self) -> None:
        await self.cancel()
        self.entries += await rest(self.reader)


@settings(max_examples=60, deadline=None)
@given(steps=steps, before=st.integers(0, 5))
def test_whatever_the_order_of_writes_and_reads_every_reader_gets_the_same(
    steps: list[tuple[str, int]], before: int
) -> None:
    async def play() -> None:
        log, everything = Log(), list[Entry]()
        everything += log.extend(told(before))
        readers = [Following(log, min(after, before)) for after in range(READERS)]
        for does, number in steps:
            if does == "tell":
                everything += log.extend(told(number))
            else:
                await getattr(readers[number], does)()
        log.close("done")
        for reader in readers:
            await reader.end()
            assert reader.entries == everything[reader.after :]
        assert log.readers == 0
        assert log._waiting == []

    asyncio.run(play())


async def test_two_readers_see_the_same_numbered_events() -> None:
    """F-S1, W2: two tabs do not steal each other's events."""
    log = Log()
    tabs = [log.subscribe(), log.subscribe()]
    following = [asyncio.create_task(rest(tab)) for tab in tabs]
    entries = list[Entry]()
    for event in (*told(70), TurnEnd(outcome="complete")):
        entries.append(log.append(event))
        await asyncio.sleep(0)
    log.close("done")
    assert [await soon(reads) for reads in following] == [entries, entries]


@pytest.mark.parametrize("read", [0, 1, 20, 39, 40])
async def test_who_comes_again_at_any_position_gets_exactly_the_rest(read: int) -> None:
    """F-S2: a refresh loses nothing and gets nothing twice, wherever it comes, while the turn goes on."""
    log = Log()
    first = log.subscribe()
    entries = log.extend(told(40))
    seen = await some(first, read)
    position = first.position
    first.close()
    again = log.subscribe(position)
    entries += log.extend(told(10))
    log.close("done")
    assert seen + await rest(again) == entries


# ------------------------------------------------------------------ who reads slowly


async def test_a_slow_reader_gets_joined_deltas_then_is_told_where_it_stands() -> None:
    """F-W6, F-S3: who does not read costs nothing that grows, and holds up neither the writer nor another reader."""
    log = Log(max_entries=1_000)
    slow, fast, silent = log.subscribe(), log.subscribe(), log.subscribe()
    behind, quick = "", list[Entry]()
    for text in (f"{number} " for number in range(600)):
        entry = log.append(TextDelta(id="m1", text=text))
        quick += await some(fast, 1)
        assert quick[-1] is entry
        behind += text
    joined = await soon(anext(slow))
    assert joined == Entry(seq=600, at_ms=quick[-1].at_ms, event=TextDelta(id="m1", text=behind))

    for event in told(1_000):
        log.append(event)
        quick += await some(fast, 1)
    assert numbers(quick) == list(range(1, 1_601))
    assert kept(log) <= 1_000
    for reader, position in ((slow, 600), (silent, 0)):
        with pytest.raises(ReaderTooSlow, match=rf"stands at {log.id}:{position}, .* begin anew with history") as error:
            await anext(reader)
        assert error.value.position == f"{log.id}:{position}"
        again = log.subscribe(error.value.position)
        assert again.reset == Reset(reason="forgotten", position=f"{log.id}:{log.first - 1}")
        assert (await soon(anext(again))).seq == log.last


async def test_what_a_reader_holds_already_it_gets_though_the_log_has_forgotten_it() -> None:
    log = Log(max_entries=8)
    reader = log.subscribe()
    log.extend(told(4))
    entries = await some(reader, 1)
    log.extend(told(20))
    entries += await some(reader, 3)
    assert numbers(entries) == [1, 2, 3, 4]
    with pytest.raises(ReaderTooSlow):
        await anext(reader)


parts = st.sampled_from(["a", "b"])
events = st.lists(
    st.one_of(
        *[st.builds(kind, id=parts, text=st.text(max_size=3)) for kind in (TextDelta, ReasoningDelta)],
        st.builds(ToolCallDelta, id=parts, args=st.text(max_size=3)),
        st.builds(Custom, data=st.integers()),
        st.builds(NodeStart, id=parts, node=st.just("model")),
    ),
    max_size=30,
)
DELTAS = (TextDelta, ReasoningDelta, ToolCallDelta)


def said(event: Event) -> str:
    return event.args if isinstance(event, ToolCallDelta) else event.text  # type: ignore[union-attr]


@settings(max_examples=200, deadline=None)
@given(events=events, join_over=st.integers(0, 30))
def test_joining_keeps_every_text_and_crosses_neither_a_part_nor_another_event(
    events: list[Event], join_over: int
) -> None:
    log = Log()
    entries = log.extend(events)
    log.close("done")
    expected = list[tuple[int, Event]]()
    for key, run in groupby(
        entries, lambda entry: (type(entry.event), entry.event.id) if isinstance(entry.event, DELTAS) else entry.seq
    ):
        *_, last = own = list(run)
        if isinstance(key, tuple) and len(entries) > join_over:
            name = "args" if isinstance(last.event, ToolCallDelta) else "text"
            text = "".join(said(entry.event) for entry in own)
            expected.append((last.seq, msgspec.structs.replace(last.event, **{name: text})))
        else:
            expected += [(entry.seq, entry.event) for entry in own]
    read = asyncio.run(rest(log.subscribe(0, join_over=join_over)))
    assert [(entry.seq, entry.event) for entry in read] == expected
    assert all(entry.at_ms == entries[entry.seq - 1].at_ms for entry in read)


@pytest.mark.parametrize(("waiting", "comes"), [(JOIN_OVER, JOIN_OVER), (JOIN_OVER + 1, 1)])
async def test_only_who_is_far_behind_gets_joined_deltas(waiting: int, comes: int) -> None:
    log = filled(waiting)
    log.close("done")
    entries = await rest(log.subscribe(0))
    assert (len(entries), text_of(entries)) == (comes, "".join(f"{number} " for number in range(waiting)))


# ------------------------------------------------------------------ other threads, other loops


async def test_what_another_thread_tells_arrives_while_the_loop_is_idle() -> None:
    """W25: the loop is woken. It has no timer by which a reader would look again."""
    log, idle, loop = Log(), Signal(PATIENCE), asyncio.get_running_loop()
    next_entry = await waiting(log.subscribe())
    timers = list[Any]()

    def push() -> Entry:
        idle.wait()
        timers.extend(loop._scheduled)  # type: ignore[attr-defined]
        return log.append(Custom(data="a file has changed"))

    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(push)
        loop.call_soon(idle.set)
        assert await next_entry is pushed.result()
    assert timers == []


def test_readers_on_two_event_loops_get_every_entry() -> None:
    log, ready = Log(), threading.Barrier(3)

    async def follow() -> list[Entry]:
        reader = log.subscribe(join_over=EXACT)
        ready.wait(PATIENCE)
        return await soon(rest(reader))

    def write() -> list[Entry]:
        ready.wait(PATIENCE)
        entries = [log.append(event) for event in told(500)]
        log.close("done")
        return entries

    here, there, written = in_threads(lambda: asyncio.run(follow()), lambda: asyncio.run(follow()), write)
    assert here == there == written


class ClosingLoop(asyncio.SelectorEventLoop):
    """Can be closed by its owner just when another thread wakes it."""

    closes = False

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:
        if self.closes:
            self.close()
        return super().call_soon_threadsafe(*args, **kwargs)


@pytest.mark.parametrize("closes", ["before", "meanwhile"])
async def test_a_reader_whose_loop_is_gone_takes_nothing_from_the_writer_or_from_others(closes: str) -> None:
    log, loop = Log(), ClosingLoop()
    gone = log.subscribe()
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(lambda: loop.run_until_complete(waiting(gone))).result()
        loop.closes = closes == "meanwhile"
        if closes == "before":
            loop.close()
        next_entry = await waiting(log.subscribe())
        assert await soon(asyncio.get_running_loop().run_in_executor(pool, log.append, Custom(data=1))) is not None
        assert (await soon(next_entry)).seq == 1
    assert loop.is_closed()
    task._log_destroy_pending = False  # type: ignore[attr-defined] - it never ends, as its loop has been closed


def test_a_reader_may_be_collected_while_the_log_is_written() -> None:
    """The garbage collector runs anywhere, so also in the thread that writes, and between any two of its steps."""
    log = Log()

    def with_a_reader_in_the_garbage() -> Iterator[Event]:
        circle: list[Any] = [log.subscribe()]
        circle.append(circle)
        del circle
        gc.collect()
        yield from told(2)

    writer = threading.Thread(target=lambda: log.extend(with_a_reader_in_the_garbage()), daemon=True)
    writer.start()
    writer.join(PATIENCE / 4)
    assert not writer.is_alive(), "the writer waits for itself"
    assert (log.last, log.readers) == (2, 0)


# ------------------------------------------------------------------ ends


@pytest.mark.parametrize("joined", [EXACT, 0])
async def test_a_closed_log_gives_readers_the_rest_then_ends_them(joined: int) -> None:
    log = Log()
    early, waits, late = log.subscribe(join_over=joined), log.subscribe(), None
    task = await waiting(waits)
    log.extend(told(3))
    log.close("deleted")
    log.close("again")
    late = log.subscribe(0, join_over=joined)
    for reader in (early, late):
        assert text_of(await rest(reader)) == "0 1 2 "
        assert (reader.closed, reader.position) == ("deleted", log.position)
        assert await rest(reader) == []
    assert (await soon(task)).seq == 1
    assert numbers(await rest(waits)) == [2, 3]
    assert (log.closed, log.readers) == ("deleted", 0)
    with pytest.raises(LogClosed, match=r"^this log is closed \(deleted\): nothing can be added$"):
        log.append(Custom(data=1))
    assert log.last == 3


async def test_a_reader_that_waits_ends_with_its_log() -> None:
    log = Log()
    reader = log.subscribe()
    following = asyncio.create_task(rest(reader))
    await asyncio.sleep(0)
    log.close("deleted")
    assert await soon(following) == []
    assert reader.closed == "deleted"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("meanwhile", ["told", "closed", "told and closed"])
async def test_what_happens_just_when_a_reader_begins_to_wait_is_not_missed(meanwhile: str, when: str) -> None:
    """Another thread may tell something, close the log, or both, just before a reader is noted, or just after."""

    class Surprising(Log):
        def wait(self, reader: Reader, seq: int) -> bool:
            waits = super().wait(reader, seq) if when == "after" else None
            if self.closed is None and self.last == 0:
                if "told" in meanwhile:
                    self.append(Custom(data="the last word"))
                if "closed" in meanwhile:
                    self.close("done")
            return super().wait(reader, seq) if waits is None else waits

    log = Surprising()
    reader = log.subscribe()
    if "told" in meanwhile:
        assert (await soon(anext(reader))).seq == 1
    if "closed" in meanwhile:
        assert await soon(rest(reader)) == []


async def test_who_wakes_a_reader_too_late_gives_it_nothing_twice() -> None:
    """A thread may be held up between writing and waking; by then the reader was cancelled, and has read on."""

    class Late(Reader):
        def wake(self, came: Any = ()) -> None:
            woken.append(came)

    woken: list[Any] = []
    log = Log()
    reader = Late(log, 0, None, join_over=100)
    first = await waiting(reader)
    log.append(Custom(data=1))
    first.cancel()
    await asyncio.wait([first])
    assert (await soon(anext(reader))).seq == 1
    following = await waiting(reader)
    Reader.wake(reader, woken[0])
    await asyncio.sleep(0)
    log.append(Custom(data=2))
    Reader.wake(reader, woken[1])
    assert (await soon(following)).seq == 2


@pytest.mark.parametrize("where", ["here", "in another thread"])
async def test_closing_a_reader_lets_go_what_waits_for_it(where: str) -> None:
    log = Log()
    async with log.subscribe() as reader, log.subscribe() as other:
        following, others = asyncio.create_task(rest(reader)), await waiting(other)
        await asyncio.sleep(0)
        if where == "here":
            reader.close()
        else:
            await asyncio.to_thread(reader.close)
        assert await soon(following) == []
        assert (log.readers, log._waiting) == (1, [other])
        log.append(Custom(data=1))
        assert (await soon(others)).seq == 1
        reader.close()
        assert (log.readers, reader.closed) == (1, "closed by its reader")
    assert log.readers == 0
    assert await rest(reader) == []


@pytest.mark.parametrize("when", ["before", "with", "after"])
async def test_a_reader_that_is_cancelled_leaves_nothing_behind_and_loses_nothing(when: str) -> None:
    log = Log()
    reader = log.subscribe()
    task = await waiting(reader)
    if when != "before":
        log.append(Custom(data=1))
    if when == "after":
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert log._waiting == []
    first = [task.result()] if not task.cancelled() else []
    log.extend([Custom(data=2), Custom(data=3)][: 2 if when == "before" else 1])
    assert [entry.seq for entry in [*first, *await some(reader, 2 - len(first))]] == [1, 2]
    assert log.readers == 1


async def test_a_reader_that_nobody_holds_is_not_counted() -> None:
    log = filled(2)
    reader: Reader | None = log.subscribe(0)
    ended = log.subscribe()
    ended.close()
    assert (log.readers, numbers(await some(reader, 1))) == (1, [1])  # type: ignore[arg-type]
    del ended
    assert log.readers == 1
    reader = None
    assert (log.readers, reader) == (0, None)


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize("at_once", [1, 7, 100])
@pytest.mark.parametrize(
    ("limits", "event"),
    [
        ({"max_entries": 1}, TextDelta(id="m1", text="x")),
        ({"max_entries": 50}, TextDelta(id="m1", text="x")),
        ({"max_bytes": 20_000}, TextDelta(id="m1", text="x" * 500)),
        ({"max_bytes": 20_000}, ReasoningDelta(id="m1", text="x" * 500)),
        ({"max_bytes": 20_000}, ToolCallDelta(id="c1", args="x" * 500)),
        ({"max_bytes": 60_000}, ToolResult(id="c1", content="x" * 500)),
    ],
)
async def test_a_log_keeps_the_newest_entries_within_its_limits(
    limits: dict[str, int], event: Event, at_once: int
) -> None:
    """F-S3, W3: twenty turns that nobody reads take no more than one."""
    log = Log(**limits)
    for _ in range(0, 700, at_once):
        log.extend([event] * at_once)
        assert kept(log) <= limits.get("max_entries", 50)
        assert 0 < log.bytes <= limits.get("max_bytes", 50 * 1_000)
    assert log.last == 700
    assert kept(log) >= min(limits.get("max_entries", 20), 20) * 7 // 8
    log.close("done")
    assert numbers(await rest(log.subscribe(log.first - 1)))[-1] == 700


def test_the_newest_entries_stay_however_large_and_the_large_one_goes_in_time() -> None:
    """What comes with a large entry is not pushed out by it: a reader that waits gets the whole turn."""
    log = filled(40, max_bytes=20_000)
    log.append(ToolResult(id="c1", content="x" * 50_000))
    assert (log.first, log.last) == (41 - LEAST + 1, 41)
    for _ in range(LEAST - 1):
        log.append(TextDelta(id="m1", text="x"))
    assert log.first == 41
    log.append(TextDelta(id="m1", text="x"))
    assert log.first == 42
    assert log.bytes < 20_000


@pytest.mark.parametrize(
    "event",
    [
        lambda number: TextDelta(id="m1", text=f"word {number} "),
        lambda number: Custom(data={"number": number, "text": "x" * 1_000 + str(number)}),
    ],
    ids=["deltas", "values"],
)
def test_a_log_knows_about_what_it_takes(event: Callable[[int], Event]) -> None:
    tracemalloc.start()
    try:
        log = Log()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(2_000):
            log.append(event(number))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert log.bytes / 2 < taken < log.bytes * 2


# ------------------------------------------------------------------ lines


async def lines(reader: Reader) -> list[bytes]:
    async with aclosing(reader.lines()) as found:  # type: ignore[type-var]
        return [line async for line in found]


async def test_an_entry_is_encoded_once_for_a_hundred_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = list[int]()

    def counted(entry: Entry) -> bytes:
        encoded.append(entry.seq)
        return encode_entry(entry)

    monkeypatch.setattr(log_module, "encode_entry", counted)
    log = Log()
    following = [asyncio.create_task(lines(log.subscribe())) for _ in range(100)]
    entries = list[Entry]()
    for event in (NodeStart(id="n1", node="model"), *told(30), TurnEnd(outcome="complete")):
        entries.append(log.append(event))
        await asyncio.sleep(0)
    log.close("done")
    first, *others = [await soon(reads) for reads in following]
    assert first == [encode_entry(entry) for entry in entries]
    assert all(line is own for other in others for line, own in zip(first, other, strict=True))
    assert sorted(encoded) == list(range(1, 33))


async def test_a_reader_has_the_line_of_what_it_read_last() -> None:
    log = filled(2)
    first, second = log.subscribe(0), log.subscribe(0)
    with pytest.raises(UsageError, match="has read no entry yet"):
        first.line()
    for seq in (1, 2):
        entry, _ = await soon(anext(first)), await soon(anext(second))
        assert (entry.seq, first.line()) == (seq, encode_entry(entry))
        assert first.line() is second.line()


async def test_a_joined_delta_is_a_line_like_any_other() -> None:
    log = filled(300)
    end = log.append(TurnEnd(outcome="complete"))
    log.close("done")
    joined, last = [decode_entry(line) for line in await lines(log.subscribe(0))]
    assert (joined.seq, text_of([joined])) == (300, "".join(f"{number} " for number in range(300)))
    assert last == end


class Hostile:
    """Raises whatever is asked of it."""

    def __iter__(self) -> Any:
        raise RuntimeError("not a list")

    def model_dump(self) -> Any:
        raise TypeError("not a model")


@pytest.mark.parametrize(
    "event",
    [
        Custom(data=object()),
        Custom(data={"when": datetime(2026, 1, 2, tzinfo=UTC), "set": {1}, (1, 2): b"\xff"}),
        Custom(data=float("nan")),
        Custom(data="two\nlines\r\u2028"),
        Custom(data=Hostile()),
        ToolResult(id="c1", content=10**5_000),
        TextDelta(id="m1", text="half an emoji \ud83d"),
        TextDelta(id="m1", text="two\nlines"),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_a_value_that_is_not_json_breaks_no_line(event: Event) -> None:
    """F-S6, F-W5, W1: whatever a tool says, the line of each entry is JSON, and the ones after it follow."""
    log = Log()
    log.extend([event, TextDelta(id="m1", text="on")])
    log.close("done")
    read = await lines(log.subscribe(0))
    assert [json.loads(line)["seq"] for line in read] == [1, 2]
    assert not any(b"\n" in line or b"\r" in line for line in read)
    assert [decode_entry(line).seq for line in read] == [1, 2]


async def test_a_log_that_begins_anew_is_another_one_to_all_who_know_it() -> None:
    log = Log()
    log.extend([Progress(text="1"), Progress(text="2")])
    position, behind, waiting = log.position, log.subscribe(0), log.subscribe()
    waits = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0)
    log.begin_anew()
    assert log.subscribe(position).reset == Reset(reason="foreign", position=log.position)
    log.append(Progress(text="3"))
    for reading in (waits, anext(behind)):
        with pytest.raises(ReaderTooSlow):
            await reading
    entry = await anext(log.subscribe(0))
    assert (entry.seq, entry.event, log.first, log.last) == (4, Progress(text="3"), 4, 4)
