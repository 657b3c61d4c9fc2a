"""A turn always ends, with exactly one `TurnEnd`, its last event, whatever happens to it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from langwire import check
from langwire.core.parser import StreamParser
from langwire.errors import TurnRefused, TurnRunning
from langwire.events import Event, NodeEnd, NodeStart, TextDelta, TurnEnd, TurnStart
from langwire.sessions import graph as graphs
from langwire.sessions import turn as turns
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore
from langwire.sessions.turn import Turn
from langwire.testing import Fault, ScriptedModel, Signal, faulty, text, tool_call

Node = Callable[..., Any]

# ------------------------------------------------------------------ graphs, and what is told of them


def chain(*nodes: Node, saver: Any = None) -> Any:
    """A graph of nodes that follow each other."""
    builder = StateGraph(MessagesState).add_sequence([(node.__name__, node) for node in nodes])
    return builder.add_edge(START, nodes[0].__name__).compile(checkpointer=saver or InMemorySaver())


def side_by_side(*nodes: Node) -> Any:
    """A graph of nodes that run at the same time."""
    builder = StateGraph(MessagesState)
    for node in nodes:
        builder.add_node(node.__name__, node).add_edge(START, node.__name__)
    return builder.compile(checkpointer=InMemorySaver())


def nested(*nodes: Node) -> Any:
    """A graph of nodes in another graph."""
    inner = StateGraph(MessagesState).add_sequence([(node.__name__, node) for node in nodes])
    outer = StateGraph(MessagesState).add_node("inner", inner.add_edge(START, nodes[0].__name__).compile())
    return outer.add_edge(START, "inner").compile(checkpointer=InMemorySaver())


def saying(*pieces: Any) -> Node:
    """An async node that streams an answer."""
    model = ScriptedModel(script=[list(pieces) or text("Hel", "lo")])

    async def chat(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return chat


def agent(function: Node, *answer: Any) -> Any:
    """A `create_agent` that calls one tool, then answers."""
    used = tool(function)
    script = [tool_call(used.name, {}), list(answer) or text("done")]
    return create_agent(ScriptedModel(script=script), tools=[used], checkpointer=InMemorySaver())


def fine(state: MessagesState) -> None:
    """A sync node."""


async def afine(state: MessagesState) -> None:
    """An async node."""


def meeting(fault: Fault, name: str = "meeting") -> Node:
    """A sync node, which runs in a thread, that meets a fault there."""

    def node(state: MessagesState) -> None:
        fault.meet()

    node.__name__ = name
    return node


def told(session: Session) -> list[Event]:
    return [slot.entry.event for slot in session.log.take(0)]


def ends_of(session: Session) -> list[TurnEnd]:
    """The ends of a session's turns, once every turn in its log has been found to be whole and alone."""
    whole: list[list[Event]] = []
    for event in told(session):
        if isinstance(event, TurnStart):
            whole.append([])
        whole[-1].append(event)
    for turn in whole:
        assert check(turn) == []
    return [end for turn in whole for end in turn if isinstance(end, TurnEnd)]


def outcomes(session: Session) -> list[str]:
    return [end.outcome for end in ends_of(session)]


def codes(session: Session) -> list[str | None]:
    return [end.error.code if end.error is not None else None for end in ends_of(session)]


@asynccontextmanager
async def one(graph: Any, *faults: Fault, **options: Any) -> AsyncIterator[Session]:
    """A session; nothing of it is left when it is over, and no fault holds up what comes after a failed test."""
    async with SessionAdapter(graph, **options) as sessions:
        try:
            yield sessions.get("thread")
        finally:
            for fault in faults:
                fault.release()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@contextmanager
def no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def soon(work: Any) -> Any:
    async with asyncio.timeout(5):
        return await work


async def until(happens: Callable[[], bool]) -> None:
    while not happens():
        await ticks(1)


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# ------------------------------------------------------------------ it ends when it has hardly begun


async def test_a_turn_that_is_cancelled_in_its_first_tick_ends() -> None:
    """W5: its task had no time to begin."""
    async with one(chain(saying())) as session:
        submitted = asyncio.create_task(session.submit("hi"))
        await ticks(1)
        assert await session.cancel("changed my mind")
        turn = await submitted
        assert [type(event) for event in told(session)] == [TurnStart, TurnEnd]
        assert (turn.outcome, turn.reason, turn.state) == ("cancelled", "changed my mind", "ended")
        assert (await turn.wait()).outcome == "cancelled"


def test_the_end_of_the_program_ends_a_turn_at_every_tick() -> None:
    """W9: `asyncio.run` cancels everything that runs. The log and the store are read afterwards."""
    store = MemorySessionStore()
    kept: list[Session] = []

    async def program(lasts: int) -> None:
        session = SessionAdapter(chain(saying()), store).get("thread")
        kept.append(session)
        asyncio.create_task(session.submit("hi")).add_done_callback(lambda task: task.cancelled() or task.exception())
        await ticks(lasts)

    found: list[str] = []
    for lasts in range(1, 500):
        asyncio.run(program(lasts))
        found += outcomes(kept.pop())
        record = asyncio.run(store.get("thread"))
        assert record is not None
        assert (record.running, record.outcome) == (False, found[-1])
        if found[-12:].count("complete") == 12:  # the end is kept after the graph has come to its own
            break
    assert set(found) == {"cancelled", "complete"}
    assert found == sorted(found)


async def test_a_parser_that_cannot_be_built_ends_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson 36: what goes wrong before the first event is an outcome too."""
    fault, parser = Fault(error=OSError("secret")), graphs.Call.parser

    def failing_once(*args: Any) -> StreamParser:
        fault.meet()
        return parser(*args)

    monkeypatch.setattr(graphs.Call, "parser", failing_once)
    async with one(chain(saying())) as session:
        result = await soon((await soon(session.submit("hi"))).wait())
        assert isinstance(result.exception, OSError)
        await (await session.submit("again")).wait()
        assert (outcomes(session), codes(session)) == (["error", "complete"], ["OSError", None])


async def test_a_checkpoint_that_cannot_be_read_ends_the_turn() -> None:
    """Lesson 36."""
    saver = faulty(InMemorySaver(), Fault(error=OSError("secret")), "aget_tuple")
    async with one(chain(saying(), saver=saver)) as session:
        await soon((await soon(session.submit("hi"))).wait())
        await (await session.submit("again")).wait()
        assert (outcomes(session), codes(session)) == (["error", "complete"], ["OSError", None])


# ------------------------------------------------------------------ it ends when the graph does not


@pytest.mark.parametrize("limit", ["timeout", "idle_timeout"])
@pytest.mark.parametrize("stuck", ["before its first chunk", "in a node", "in a thread", "in a tool"])
async def test_a_graph_that_stands_still_is_given_up_in_time(limit: str, stuck: str) -> None:
    fault = Fault()

    async def hang(state: Any = None) -> str:
        """Hang."""
        await fault.ameet()
        return ""

    graph = {
        "before its first chunk": lambda: faulty(chain(saying()), fault, "astream"),
        "in a node": lambda: chain(hang),
        "in a thread": lambda: chain(meeting(fault)),
        "in a tool": lambda: agent(hang),
    }[stuck]()
    async with one(graph, fault, **{limit: 0.05}) as session:
        turn = await session.submit("hi")
        assert (await soon(turn.wait())).outcome == "timeout"
        assert outcomes(session) == ["timeout"]
        fault.release()
        await soon(turn.ended())


async def test_signs_of_life_put_off_the_idle_timeout() -> None:
    """The turn takes three times as long as the graph may be silent."""

    async def chat(state: MessagesState) -> Any:
        model = ScriptedModel(script=[text(*"abcdef")], delay=0.05)
        return {"messages": [await model.ainvoke(state["messages"])]}

    async with one(chain(chat), idle_timeout=0.15) as session:
        assert (await soon((await session.submit("hi")).wait())).text == "abcdef"


async def test_a_node_that_does_not_let_itself_be_cancelled_does_not_keep_its_turn_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    begun, let_go, after = Signal(), asyncio.Event(), Signal()

    async def stubborn(state: MessagesState) -> None:
        begun.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    async def next_one(state: MessagesState) -> None:
        after.set()

    async with one(chain(stubborn, next_one)) as session:
        turn = await session.submit("hi")
        await begun
        assert not await turn.cancel("stop", wait=0.1)
        assert (await soon(turn.wait())).outcome == "cancelled"
        assert turn.state == "ending"
        let_go.set()
        await soon(turn.ended())
        assert not after.is_set()
        assert outcomes(session) == ["cancelled"]


async def test_a_node_that_swallows_the_cancel_does_not_go_on() -> None:
    begun, after = Signal(), Signal()

    async def stubborn(state: MessagesState) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def next_one(state: MessagesState) -> None:
        after.set()

    async with one(chain(stubborn, next_one)) as session:
        turn = await session.submit("hi")
        await begun
        assert await turn.cancel()
        assert (outcomes(session), after.is_set()) == (["cancelled"], False)


@pytest.mark.parametrize("shape", ["node", "sync checkpointer", "tool", "node in a graph", "one of two"])
async def test_cancelling_sync_code_says_when_it_really_stops(shape: str) -> None:
    """A function in a thread cannot be stopped: `cancel` says False until it is done. Without the garbage collector."""
    fault = Fault()

    def slow() -> str:
        """Be slow."""
        fault.meet()
        return ""

    graph = {
        "node": lambda: chain(meeting(fault)),
        "sync checkpointer": lambda: chain(meeting(fault), saver=SyncSaver()),
        "tool": lambda: agent(slow),
        "node in a graph": lambda: nested(meeting(fault)),
        "one of two": lambda: side_by_side(saying(), meeting(fault)),
    }[shape]()
    with no_gc():
        async with one(graph, fault) as session:
            turn = await session.submit("hi")
            await fault.reached
            assert not await turn.cancel(wait=0.02)
            await soon(turn.wait())
            assert (turn.state, outcomes(session)) == ("ending", ["cancelled"])
            fault.release()
            await soon(turn.ended())
            assert await turn.cancel()
            assert outcomes(session) == ["cancelled"]


@pytest.mark.parametrize("before", ["sync node", "sync tool"])
async def test_cancelling_a_model_that_streams_is_done_at_once(before: str) -> None:
    """Sync code ran, but does not any more."""
    fault = Fault()

    graph = agent(quick_sync, "a", fault) if before == "sync tool" else chain(fine, saying("a", fault))
    with no_gc():
        async with one(graph, fault) as session:
            turn = await session.submit("hi")
            await fault.reached
            assert await turn.cancel(wait=1)
            assert outcomes(session) == ["cancelled"]


async def test_sync_code_beside_a_branch_that_fails_keeps_the_turn_from_having_ended() -> None:
    """The turn is told to have failed, and yet its code goes on: the thread takes no other turn until then."""
    fault, begun = Fault(), Signal()

    async def fails_late(state: MessagesState) -> None:
        await begun
        raise OSError("secret")

    def goes_on(state: MessagesState) -> None:
        begun.set()
        fault.meet()

    with no_gc():
        async with one(side_by_side(fails_late, goes_on), fault) as session:
            turn = await session.submit("hi")
            assert (await soon(turn.wait())).outcome == "error"
            assert turn.state == "ending"
            with pytest.raises(TurnRunning):
                await session.submit("again")
            fault.release()
            await soon(turn.ended())
            assert codes(session) == ["OSError"]


async def test_a_timer_of_a_run_does_not_outlive_it() -> None:
    """asyncio keeps a timer that is not needed any more, and its context, until its hour comes."""
    fault = Fault()

    async def asks(state: MessagesState) -> None:
        async with asyncio.timeout(3600):
            await ticks(1)

    with no_gc():
        async with one(chain(asks, meeting(fault)), fault) as session:
            turn = await session.submit("hi")
            await fault.reached
            assert not await turn.cancel(wait=0.02)
            fault.release()
            await soon(turn.ended())


# ------------------------------------------------------------------ it ends as the graph does


async def test_a_graph_without_a_chunk_makes_a_whole_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for chunk in ():
            yield chunk

    monkeypatch.setattr(CompiledStateGraph, "astream", nothing)
    async with one(chain(saying())) as session:
        await (await session.submit("hi")).wait()
        assert [type(event) for event in told(session)] == [TurnStart, TurnEnd]
        assert outcomes(session) == ["complete"]


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("error", [OSError, TimeoutError, asyncio.CancelledError, GeneratorExit, StopAsyncIteration])
async def test_what_the_graph_raises_by_itself_is_its_failure(error: type[BaseException], at: int) -> None:
    """A `CancelledError` or `TimeoutError` that nobody asked for is no cancel and no timeout."""
    graph = faulty(chain(saying()), Fault(at, error()), "astream")
    async with one(graph, timeout=5, idle_timeout=5) as session:
        result = await soon((await session.submit("hi")).wait())
        assert outcomes(session) == ["error"]
        assert isinstance(result.exception, (error, RuntimeError))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["node", "stream"])
def test_what_ends_the_program_ends_the_turn_first(error: type[BaseException], where: str) -> None:
    kept: list[Session] = []

    async def leave(state: MessagesState) -> None:
        raise error

    async def program() -> None:
        graph = chain(leave) if where == "node" else faulty(chain(saying()), Fault(3, error()), "astream")
        session = SessionAdapter(graph).get("thread")
        kept.append(session)
        await (await session.submit("hi")).wait()

    with pytest.raises(error):
        asyncio.run(program())
    (session,) = kept
    assert outcomes(session) in (["error"], ["cancelled"])


# ------------------------------------------------------------------ it ends although others fail


def around(*, enters: Any = None, sees: Any = None, leaves: Any = None) -> Any:
    """A middleware that fails at one of its three times."""

    @asynccontextmanager
    async def middleware(turn: Turn) -> AsyncIterator[Any]:
        def observe(event: Event) -> None:
            if isinstance(event, sees or ()):
                raise OSError("secret")

        if enters is not None:
            raise enters
        yield observe
        if leaves is not None:
            raise leaves

    return middleware


@pytest.mark.parametrize(
    ("fails", "outcome"),
    [
        ({"enters": OSError("secret")}, "error"),
        ({"enters": asyncio.CancelledError()}, "cancelled"),
        ({"sees": TurnStart}, "complete"),
        ({"sees": TextDelta}, "complete"),
        ({"sees": TurnEnd}, "complete"),
        ({"leaves": ValueError("secret")}, "complete"),
        ({"leaves": asyncio.CancelledError()}, "complete"),
    ],
)
async def test_a_middleware_that_fails_does_not_keep_a_turn_from_ending(fails: dict[str, Any], outcome: str) -> None:
    async with one(chain(saying()), middleware=[around(), around(**fails)]) as session:
        for _ in range(2):
            await soon((await soon(session.submit("hi"))).wait())
        assert outcomes(session) == [outcome, outcome]


async def test_a_middleware_may_refuse_a_turn() -> None:
    async with one(chain(saying()), middleware=[around(enters=TurnRefused("not now"))]) as session:
        for _ in range(2):
            with pytest.raises(TurnRefused, match="not now"):
                await soon(session.submit("hi"))
        assert told(session) == []


async def test_a_middleware_that_never_leaves_does_not_keep_a_turn_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)

    @asynccontextmanager
    async def middleware(turn: Turn) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    async with one(chain(saying()), middleware=[middleware]) as session:
        assert (await soon((await session.submit("hi")).wait())).outcome == "complete"


async def test_an_observer_that_failed_is_not_asked_again() -> None:
    """The others see everything, in the order of the log."""
    seen: list[Event] = []
    asked: list[Event] = []

    @asynccontextmanager
    async def watching(turn: Turn) -> AsyncIterator[Any]:
        yield seen.append

    @asynccontextmanager
    async def failing(turn: Turn) -> AsyncIterator[Any]:
        def observe(event: Event) -> None:
            asked.append(event)
            raise OSError("secret")

        yield observe

    async with one(chain(saying()), middleware=[failing, watching]) as session:
        await (await session.submit("hi")).wait()
        assert (seen, len(asked)) == (told(session), 1)


# ------------------------------------------------------------------ checkpointers that only work sync


class SyncSaver(InMemorySaver):
    """A checkpointer whose async side is not there, as that of SQLite."""

    async def aget_tuple(self, config: Any) -> Any:
        raise NotImplementedError

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def aput_writes(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


async def test_a_sync_checkpointer_serves_turns_one_after_another() -> None:
    model = ScriptedModel(script=[text("one"), text("two")])
    async with one(chain(sync_chat(model), saver=SyncSaver())) as session:
        for wanted in ("one", "two"):
            assert (await soon((await session.submit("hi")).wait())).text == wanted
        first, second = ends_of(session)
        assert None is not first.checkpoint_id != second.checkpoint_id is not None


def sync_chat(model: ScriptedModel) -> Node:
    """A sync node that asks a model."""

    def chat(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    return chat


# ------------------------------------------------------------------ what is known of it


async def test_times_and_checkpoints_of_a_turn_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the monotonic clock, here one that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(turns, "monotonic", lambda: now[0])

    def later(seconds: float, name: str) -> Node:
        async def node(state: MessagesState) -> None:
            now[0] += seconds

        node.__name__ = name
        return node

    @asynccontextmanager
    async def waits(turn: Turn) -> AsyncIterator[None]:
        now[0] += 1
        yield

    graph = chain(later(2, "thinks"), saying(), later(4, "tidies_up"))
    async with one(graph, middleware=[waits]) as session:
        first = await session.submit("hi")
        await first.wait()
        summary = first.summary
        assert summary is not None
        assert (summary.waited, summary.first_token, summary.duration) == (1, 2, 6)
        second = await session.submit("again")
        await second.wait()
        state = await graph.aget_state({"configurable": {"thread_id": "thread"}})
        assert first.checkpoint_before is None
        assert None is not first.checkpoint_id == second.checkpoint_before != second.checkpoint_id
        assert second.checkpoint_id == state.config["configurable"]["checkpoint_id"]
        starts = [event.checkpoint_id for event in told(session) if isinstance(event, TurnStart)]
        ends = [end.checkpoint_id for end in ends_of(session)]
        assert (starts, ends) == ([None, first.checkpoint_id], [first.checkpoint_id, second.checkpoint_id])


async def test_a_turn_that_was_cut_off_knows_its_checkpoint() -> None:
    fault = Fault()
    graph = chain(afine, saying("a", fault))
    async with one(graph) as session:
        turn = await session.submit("hi")
        await fault.reached
        await turn.cancel()
        state = await graph.aget_state({"configurable": {"thread_id": "thread"}})
        assert None is not turn.checkpoint_id == state.config["configurable"]["checkpoint_id"]


# ------------------------------------------------------------------ nothing runs on, nothing stops it by accident


@pytest.mark.parametrize("sync", [False, True])
async def test_nothing_runs_on_after_close(sync: bool) -> None:
    """W9: no card is charged after shutdown. A function in a thread is waited for."""
    begun, fault, happened = Signal(), Fault(), list[str]()

    async def charges(state: MessagesState) -> None:
        begun.set()
        await fault.ameet()
        happened.append("charged")

    def charges_sync(state: MessagesState) -> None:
        begun.set()
        fault.meet()
        happened.append("charged")

    sessions = SessionAdapter(chain(charges_sync if sync else charges))
    turn = await sessions.get("thread").submit("hi")
    await begun
    closing = asyncio.create_task(sessions.close())
    closing.add_done_callback(lambda _: happened.append("closed"))
    await soon(turn.wait()) if sync else await soon(closing)
    fault.release()
    await soon(closing)
    await ticks(5)
    assert happened == (["charged", "closed"] if sync else ["closed"])
    assert outcomes(sessions.get("thread")) == ["cancelled"]


async def test_a_reader_that_leaves_does_not_stop_the_turn() -> None:
    """Nor does one whose task is cancelled while it reads."""
    fault = Fault()
    async with one(chain(saying("a", fault, "b")), fault) as session:
        turn = await session.submit("hi")

        async def read() -> None:
            async for _ in turn:
                pass

        reading = asyncio.create_task(read())
        async for event in turn:
            if isinstance(event, TextDelta):
                break
        await fault.reached
        reading.cancel()
        fault.release()
        assert (await soon(turn.wait())).text == "ab"
        assert reading.cancelled()
        assert outcomes(session) == ["complete"]
        gc.collect()
        assert session.log.readers == 0


async def test_a_turn_can_be_read_again_when_it_is_over() -> None:
    async with one(chain(saying())) as session:
        turn = await session.submit("hi")
        await turn.wait()
        await (await session.submit("again")).wait()
        assert [event async for event in turn] == told(session)[: len(told(session)) // 2]


# ------------------------------------------------------------------ one after another


async def test_turns_in_a_queue_never_mix_however_they_end() -> None:
    """F-S4, F-S5, W4: those that were cancelled while they waited are told after the end of the one before them."""
    fault = Fault()
    async with one(chain(saying("a", fault)), fault, when_busy="enqueue") as session:
        first = await session.submit("1")
        await fault.reached
        others = [await session.submit(str(number)) for number in (2, 3, 4)]
        for turn in others[:2]:
            assert await soon(turn.cancel("not needed"))
            assert (turn.state, turn.outcome) == ("waiting", None)
        assert not any(isinstance(event, TurnEnd) for event in told(session))
        fault.release()
        for turn in (first, *others):
            await soon(turn.ended())
        assert outcomes(session) == ["complete", "cancelled", "cancelled", "complete"]
        assert [end.reason for end in ends_of(session)] == [None, "not needed", "not needed", None]
        starts = [event.turn_id for event in told(session) if isinstance(event, TurnStart)]
        assert starts == [first.id, *(turn.id for turn in others)]
        assert session.outcome == "complete"


async def test_a_turn_that_replaces_another_begins_when_that_one_has_stopped() -> None:
    """F-S4, F-S5, W4: two never run at once, and the end of the old one is not that of the new one."""
    fault, inside, most = Fault(), [0], [0]

    def counted(state: MessagesState) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        fault.meet()
        inside[0] -= 1

    async with one(chain(counted), fault) as session:
        old = await session.submit("1")
        await fault.reached
        submitting = asyncio.create_task(session.submit("2", when_busy="replace"))
        await soon(old.wait())
        await ticks(20)
        assert (old.state, submitting.done()) == ("ending", False)
        fault.release()
        new = await soon(submitting)
        await soon(new.wait())
        assert (outcomes(session), most[0]) == (["cancelled", "complete"], 1)
        assert session.outcome == "complete"


async def test_turns_that_share_a_graph_do_not_touch_each_other() -> None:
    """Lesson 37: a run keeps nothing on the graph. One of the two is cancelled, the other one goes on to its end."""
    fault = Fault(1)
    async with SessionAdapter(chain(saying("a", fault, "b"))) as sessions:
        first, second = sessions.get("first"), sessions.get("second")
        stopped = await first.submit("1")
        await fault.reached
        runs = await second.submit("2")
        assert await stopped.cancel()
        assert (await soon(runs.wait())).text == "ab"
        assert (outcomes(first), outcomes(second)) == (["cancelled"], ["complete"])
        assert (await soon((await first.submit("again")).wait())).text == "ab"


# ------------------------------------------------------------------ the mark of a run


async def quick() -> str:
    """Be quick."""
    return ""


def quick_sync() -> str:
    """Be quick."""
    return ""


@pytest.mark.parametrize(
    "build",
    [
        lambda: chain(saying()),
        lambda: chain(fine, saying()),
        lambda: agent(quick),
        lambda: agent(quick_sync),
        lambda: nested(saying(), fine),
        lambda: side_by_side(saying(), fine),
        lambda: chain(fine, saver=SyncSaver()),
    ],
    ids=["async", "sync", "agent", "agent with a sync tool", "subgraph", "branches", "sync checkpointer"],
)
async def test_a_run_is_found_to_have_stopped_without_the_garbage_collector(build: Callable[[], Any]) -> None:
    """Whoever waits for the end of a run must not wait for the collector: nothing of it holds its context."""
    with no_gc():
        async with one(build()) as session:
            turn = await session.submit("hi")
            async for event in turn:
                if isinstance(event, NodeStart):
                    mark = turn._footprint._mark
            assert mark is not None
            await soon(turn.ended())
            await soon(until(lambda: mark() is None))  # a thread lets go of its work a moment after it is done
            assert any(isinstance(event, NodeEnd) for event in told(session))


async def test_a_ring_of_exceptions_does_not_stop_the_loop() -> None:
    """`raise e from e` beside a sync node that still runs: the frames of both are let go, once."""
    go = threading.Event()

    async def fail(_state: Any) -> None:
        error = ValueError("in a ring")
        raise error from error

    def wait(_state: Any) -> dict[str, Any]:
        go.wait(10)
        return {}

    builder = StateGraph(MessagesState)
    builder.add_node("fail", fail)
    builder.add_node("wait", wait)
    builder.add_edge(START, "fail")
    builder.add_edge(START, "wait")
    async with one(builder.compile()) as session:
        turn = await session.submit("hi")
        assert (await soon(turn.wait())).outcome == "error"
        go.set()
        await soon(turn.ended())
