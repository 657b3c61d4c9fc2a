"""A fault fails or hangs at its n-th call, wherever it is put, and nothing else changes."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any, Generic, TypeVar

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

import langwire
from langwire import StreamParser
from langwire.demo import agents
from langwire.errors import UsageError
from langwire.events import Event, TurnEnd
from langwire.testing import Fault, Signal, check_events, faulty, faulty_stream

DISK_FULL = OSError("disk full")
HELLO = {"messages": [{"role": "user", "content": "A day in Rome"}]}

T = TypeVar("T")


class Kind(Generic[T]):
    """One method of every form."""

    at = "class"

    def __init__(self, data: list[Any]) -> None:
        self.data = data

    def add(self, item: Any, *, twice: bool = False) -> int:
        """Add."""
        self.data += [item, item] if twice else [item]
        return len(self.data)

    async def aadd(self, item: Any) -> int:
        return self.add(item)

    def items(self) -> Iterator[Any]:
        yield from self.data

    async def aitems(self) -> AsyncIterator[Any]:
        for item in self.data:
            yield item

    @staticmethod
    def helper() -> None: ...


def chain(*names: str, saver: Any = None, store: Any = None, node: Any = None) -> Any:
    """A graph that says its nodes' names one after the other."""
    graph: Any = StateGraph(MessagesState)
    for name in names:
        graph.add_node(name, node or (lambda _state, name=name: {"messages": [AIMessage(name, id=name)]}))
    graph.add_edge(START, names[0])
    for one, other in pairwise(names):
        graph.add_edge(one, other)
    return graph.compile(checkpointer=saver, store=store)


def on_thread() -> dict[str, Any]:
    return {"configurable": {"thread_id": "1"}}


# ------------------------------------------------------------------ waiting


def test_a_signal_is_waited_for_in_other_threads() -> None:
    signal = Signal()
    thread = threading.Thread(target=signal.wait)
    thread.start()
    assert not signal.is_set()
    signal.set()
    signal.set()
    thread.join()
    signal.wait()
    assert signal.is_set()


async def test_a_signal_is_awaited_and_who_gives_up_does_not_stop_the_others() -> None:
    signal = Signal()

    async def wait() -> str:
        await signal
        return "woken"

    one, other = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    threading.Thread(target=signal.set).start()
    assert await other == "woken"
    await signal


async def test_nobody_waits_for_ever_for_what_does_not_happen() -> None:
    with pytest.raises(TimeoutError):
        Signal(timeout=0).wait()
    with pytest.raises(TimeoutError):
        await Signal(timeout=0)
    assert Fault().reached._timeout is not None


# ------------------------------------------------------------------ the fault itself


def test_a_fault_raises_at_its_call_and_at_no_other() -> None:
    fault = Fault(at=2, error=DISK_FULL)
    fault.meet()
    assert not fault.reached.is_set()
    with pytest.raises(OSError, match="disk full") as caught:
        fault.meet()
    assert caught.value is DISK_FULL
    assert fault.reached.is_set()
    fault.meet()
    assert fault.calls == 3


def test_an_error_that_serves_many_faults_does_not_gather_tracebacks() -> None:
    def depth() -> int:
        with pytest.raises(OSError, match="disk full") as caught:
            Fault(error=DISK_FULL).meet()
        return len(caught.traceback)

    assert depth() == depth()


def test_a_fault_without_an_error_hangs_until_it_is_released() -> None:
    fault, done = Fault(), Signal()

    def work() -> None:
        fault.meet()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    fault.reached.wait()
    assert not done.is_set()
    fault.release()
    thread.join()
    assert done.is_set()


async def test_an_async_call_hangs_until_it_is_released_or_cancelled() -> None:
    fault = Fault(at=2)
    await fault.ameet()
    hanging = asyncio.create_task(fault.ameet())
    await fault.reached
    assert not hanging.done()
    fault.release()
    await hanging
    cancelled = asyncio.create_task((fault := Fault()).ameet())
    await fault.reached
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled


def test_a_fault_that_was_released_before_does_not_hang() -> None:
    fault = Fault()
    fault.release()
    fault.meet()
    assert fault.reached.is_set()


def test_calls_of_many_threads_are_all_counted_and_one_of_them_meets_the_fault() -> None:
    fault, met = Fault(at=500, error=DISK_FULL), list[OSError]()

    def work() -> None:
        for _ in range(250):
            try:
                fault.meet()
            except OSError as error:
                met.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (fault.calls, met) == (1000, [DISK_FULL])


@pytest.mark.parametrize("at", [0, 1.5, "2", True, None])
def test_a_fault_that_is_never_met_is_refused(at: Any) -> None:
    with pytest.raises(UsageError, match=f"a fault at call {at!r} is never met: expected a number, 1 or more"):
        Fault(at=at)


def test_a_fault_makes_an_exception_of_a_class() -> None:
    with pytest.raises(ValueError, match=r"^$"):
        Fault(error=ValueError).meet()


@pytest.mark.parametrize("error", ["boom", int, 5])
def test_an_error_that_cannot_be_raised_is_refused(error: Any) -> None:
    with pytest.raises(UsageError, match=r"a fault's error came as a (str|int): expected an exception, such as OSErr"):
        Fault(error=error)


# ------------------------------------------------------------------ objects


async def test_methods_of_every_form_meet_the_fault() -> None:
    data = ["a", "b", "c"]
    whole = Kind(data)
    with pytest.raises(OSError, match="disk full"):
        faulty(whole, Fault(error=DISK_FULL), "add").add("d")
    with pytest.raises(OSError, match="disk full"):
        await faulty(whole, Fault(error=DISK_FULL), "aadd").aadd("d")
    assert data == ["a", "b", "c"]
    seen: list[Any] = []
    with pytest.raises(OSError, match="disk full"):
        seen.extend(faulty(whole, Fault(at=3, error=DISK_FULL), "items").items())
    with pytest.raises(OSError, match="disk full"):
        async for item in faulty(whole, Fault(at=2, error=DISK_FULL), "aitems").aitems():
            seen.append(item)
    assert seen == ["a", "b", "a"]


async def test_a_method_does_what_it_did_before_and_after_the_fault() -> None:
    data: list[Any] = []
    fault = Fault(at=100, error=DISK_FULL)
    broken = faulty(Kind(data), fault, "add", "items", "aitems")
    assert broken.add("a", twice=True) == 2
    assert await broken.aadd("b") == 3
    assert list(broken.items()) == [item async for item in broken.aitems()] == data == ["a", "a", "b"]
    assert fault.calls == 2 + 3 + 3


def test_the_copy_is_of_the_same_class_and_the_original_stays_whole() -> None:
    whole = Kind([])
    broken = faulty(whole, Fault(error=DISK_FULL), "add")
    assert isinstance(broken, Kind)
    assert type(broken).__name__ == "Kind"
    assert broken.add.__doc__ == "Add."
    assert broken.at == "class"
    assert broken.data is whole.data
    assert whole.add("a") == 1
    assert Kind([]).add("a") == 1


def test_a_method_keeps_its_form_so_that_hanging_in_it_holds_up_nobody_else() -> None:
    broken = faulty(Kind([]), Fault(at=9), "add", "aadd", "items", "aitems")
    assert inspect.iscoroutinefunction(broken.aadd)
    assert inspect.isgeneratorfunction(broken.items)
    assert inspect.isasyncgenfunction(broken.aitems)
    assert list(inspect.signature(broken.add).parameters) == ["item", "twice"]


def test_two_faults_can_be_put_into_one_object() -> None:
    broken = faulty(faulty(Kind([]), Fault(error=DISK_FULL), "add"), Fault(error=KeyError("a")), "items")
    with pytest.raises(OSError, match="disk full"):
        broken.add("a")
    broken.add("a")
    with pytest.raises(KeyError):
        next(broken.items())


@pytest.mark.parametrize("name", ["nothing", "at", "data", "helper"])
def test_a_name_that_is_no_method_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' came for a Kind: expected the name of one of its methods"):
        faulty(Kind([]), Fault(), name)


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no methods came: expected the names of those of Kind"):
        faulty(Kind([]), Fault())


# ------------------------------------------------------------------ streams


def test_a_stream_is_closed_when_its_reader_stops() -> None:
    closed: list[str] = []

    def source() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            closed.append("sync")

    items = faulty_stream(source(), Fault(at=2, error=DISK_FULL))
    assert next(items) == 0
    with pytest.raises(OSError, match="disk full"):
        next(items)
    assert closed == ["sync"]
    assert list(faulty_stream([1, 2], Fault(at=3))) == [1, 2]


async def test_an_async_stream_is_closed_when_its_reader_stops() -> None:
    closed: list[str] = []

    async def source() -> AsyncIterator[int]:
        try:
            yield 0
            yield 1
        finally:
            closed.append("async")

    items = faulty_stream(source(), Fault(at=2, error=DISK_FULL))
    assert await anext(items) == 0
    with pytest.raises(OSError, match="disk full"):
        await anext(items)
    assert closed == ["async"]


async def test_an_async_stream_that_is_no_generator_is_read_all_the_same() -> None:
    class Source:
        def __init__(self) -> None:
            self.left = [2, 1]

        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    assert [item async for item in faulty_stream(Source(), Fault(at=9))] == [1, 2]


# ------------------------------------------------------------------ real graphs


def test_a_stream_that_fails_after_three_chunks_ends_the_turn_with_its_error() -> None:
    graph = agents.build_assistant(0)
    modes = ["messages", "updates", "tasks"]
    parser, events = StreamParser(modes=modes, subgraphs=True), list[Event]()
    chunks = graph.stream(HELLO, stream_mode=modes, subgraphs=True)  # type: ignore[call-overload]
    with pytest.raises(ConnectionError, match="reset"):
        events.extend(parser.parse(faulty_stream(chunks, Fault(at=4, error=ConnectionError("reset")))))
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].outcome == "error"
    check_events(events, open_calls=())


def test_a_graph_whose_stream_fails_is_a_graph() -> None:
    fault = Fault(at=4, error=ConnectionError("reset"))
    result = langwire.run(faulty(agents.build_assistant(0), fault, "stream"), "A day in Rome", raise_errors=False)
    assert result.outcome == "error"
    assert isinstance(result.exception, ConnectionError)
    assert fault.calls == 4


async def test_a_stream_that_hangs_can_be_cancelled() -> None:
    hangs = Fault(at=4)
    graph = faulty(agents.build_assistant(0), hangs, "astream")
    events: list[Event] = []

    async def read() -> None:
        async for event in langwire.astream(graph, "A day in Rome"):
            events.append(event)

    reader = asyncio.create_task(read())
    await hangs.reached
    told = len(events)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert len(events) == told > 0


@pytest.mark.parametrize("method", ["put", "put_writes"])
def test_a_saver_that_fails_in_mid_run_ends_the_turn_with_its_error(method: str) -> None:
    saver = faulty(InMemorySaver(), Fault(at=2, error=DISK_FULL), method)
    assert isinstance(saver, BaseCheckpointSaver)
    events: list[Event] = []
    with pytest.raises(OSError, match="disk full") as caught:
        events.extend(langwire.stream(chain("one", "two", "three", saver=saver), "hi", on_thread()))
    assert caught.value is DISK_FULL
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].outcome == "error"
    check_events(events, open_calls=())


async def test_an_async_saver_that_fails_ends_the_turn_with_its_error() -> None:
    saver = faulty(InMemorySaver(), Fault(at=2, error=DISK_FULL), "aput")
    events: list[Event] = []
    with pytest.raises(OSError, match="disk full"):
        async for event in langwire.astream(chain("one", "two", saver=saver), "hi", on_thread()):
            events.append(event)
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].outcome == "error"


def test_what_a_faulty_saver_kept_is_in_the_original() -> None:
    saver = InMemorySaver()
    graph = chain("one", "two", saver=faulty(saver, Fault(at=3, error=DISK_FULL), "put"))
    failed = langwire.run(graph, "hi", on_thread(), raise_errors=False, durability="sync")
    assert failed.outcome == "error"
    after = langwire.run(chain("one", "two", saver=saver), None, on_thread())
    assert (after.outcome, after.text) == ("complete", "two")


def test_a_store_that_fails_inside_a_node_fails_the_turn() -> None:
    def note(_state: Any, *, store: BaseStore) -> None:
        store.put(("notes",), "k", {"v": 1})

    store = InMemoryStore()
    broken = faulty(store, Fault(at=2, error=DISK_FULL), "batch")
    assert isinstance(broken, BaseStore)
    result = langwire.run(chain("one", "two", store=broken, node=note), "hi", raise_errors=False)
    assert result.exception is DISK_FULL
    assert store.get(("notes",), "k") is not None
