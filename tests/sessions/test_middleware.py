"""A limit holds and is fair, spans say what ran and not what was said, each turn leaves its figures in the log."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send, interrupt
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from langwire import Redactor, SessionAdapter, Turn, approve, reject
from langwire.demo import agents
from langwire.errors import InterruptOpen, MissingExtra, TooManyTurns, TurnRunning, UsageError
from langwire.events import ToolCallEnd
from langwire.sessions import otel
from langwire.sessions.middleware import limit_turns
from langwire.sessions.otel import trace_turns
from langwire.sessions.turn import Middleware, TurnSummary
from langwire.testing import CASES, Fault, ScriptedModel, Signal, available, text, tool_call, usage

LONG = 30.0
"""Seconds that no test waits, unless it fails."""


def let_pass(seconds: float) -> None:
    """Let time pass in which nothing else runs."""
    over = monotonic() + seconds
    while monotonic() < over:
        pass


# ------------------------------------------------------------------ graphs


class Work:
    """A graph whose turns run until they are let go, by what was said to them."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.peak = 0
        self._running: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        graph: Any = StateGraph(MessagesState)
        graph.add_node("work", self._work)
        graph.add_edge(START, "work")
        self.graph = graph.compile()

    async def _work(self, state: MessagesState) -> None:
        name = state["messages"][-1].text
        self.began.append(name)
        gate = self._running[name] = asyncio.Event()
        self.peak = max(self.peak, len(self._running))
        self._changed.set()
        try:
            await gate.wait()
        finally:
            del self._running[name]

    def let_go(self, name: str) -> None:
        self._running[name].set()

    async def has_begun(self, count: int) -> None:
        while len(self.began) < count:
            self._changed.clear()
            await self._changed.wait()


class Arrivals:
    """A middleware that counts who comes by. Before a limit: who has come has its place in the queue."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, turn: Turn) -> AsyncGenerator[None]:
        self.count += 1
        self._changed.set()
        yield

    async def reached(self, count: int) -> None:
        while self.count < count:
            self._changed.clear()
            await self._changed.wait()


def agent(model: Any, *tools: Any, name: str | None = None) -> Any:
    """The loop of model and tools, each call a task of its own."""

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def route(state: Any) -> Any:
        return [Send("tools", [call]) for call in state["messages"][-1].tool_calls] or END

    graph: Any = StateGraph(MessagesState)
    graph.add_node("model", think)
    graph.add_node("tools", ToolNode(tools, handle_tool_errors=False))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", route, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile(name=name)


def one_node(function: Callable[..., Any]) -> Any:
    graph: Any = StateGraph(MessagesState)
    graph.add_node("only", function)
    graph.add_edge(START, "only")
    return graph.compile()


# ------------------------------------------------------------------ the limit


@dataclass(frozen=True)
class Asked:
    """All that a limit reads of a turn."""

    principal: str | None = None


def place(limit: Middleware, principal: str | None = None) -> Any:
    turn: Any = Asked(principal)
    return limit(turn)


@pytest.mark.parametrize(
    ("limits", "running", "asks", "says"),
    [
        (
            {"total": 2},
            ["ann", "bob"],
            "cid",
            "as many turns run as may at once (2): send this again when one has ended",
        ),
        ({"total": 2}, ["ann"], "ann", None),
        (
            {"per_principal": 1},
            ["ann"],
            "ann",
            "as many turns of 'ann' run as may at once (1): send this again when one has ended",
        ),
        ({"per_principal": 1}, ["ann", None], "bob", None),
        (
            {"per_principal": 1},
            [None, "ann"],
            None,
            "as many turns without a principal run as may at once (1): send this again when one has ended",
        ),
        ({"total": 3, "per_principal": 2}, ["ann", "ann"], "bob", None),
    ],
)
async def test_a_turn_too_many_is_refused_at_once_and_nothing_is_told_of_it(
    limits: dict[str, int], running: list[str | None], asks: str | None, says: str | None
) -> None:
    """T-4: a principal has at most so many turns at once."""
    work = Work()
    async with SessionAdapter(work.graph, middleware=[limit_turns(**limits)]) as sessions:
        for number, principal in enumerate(running):
            await sessions.get(f"thread {number}").submit(f"{number}", principal=principal)
        session = sessions.get("asks")
        if says is not None:
            with pytest.raises(TooManyTurns) as refused:
                await session.submit("again", principal=asks)
            assert str(refused.value) == says
            assert session.log.last == 0
            await work.has_begun(len(running))
            work.let_go("0")
            await sessions.get("thread 0").turn.wait()
        turn = await session.submit("again", principal=asks)
        assert turn.state == "running"


async def test_turns_that_wait_begin_in_their_order_and_no_newcomer_gets_in_between() -> None:
    work, arrivals = Work(), Arrivals()
    async with SessionAdapter(work.graph, middleware=[arrivals, limit_turns(1, wait=LONG)]) as sessions:
        running = await sessions.get("a").submit("a")
        submits: list[asyncio.Task[Turn]] = []
        for count, name in enumerate("bcd", 2):
            submits.append(asyncio.create_task(sessions.get(name).submit(name)))
            await arrivals.reached(count)
        await work.has_begun(1)
        work.let_go("a")
        await running.wait()  # its place is b's now, though b has not begun yet
        submits.append(asyncio.create_task(sessions.get("e").submit("e")))
        for count, name in enumerate("bcde", 2):
            await work.has_begun(count)
            work.let_go(name)
        turns = await asyncio.gather(*submits)
        assert [(await turn.wait()).outcome for turn in turns] == ["complete"] * 4
    assert work.began == list("abcde")
    assert work.peak == 1


async def test_a_principal_that_waits_for_its_own_turns_holds_up_nobody_else() -> None:
    work, arrivals = Work(), Arrivals()
    limit = limit_turns(2, 1, wait=LONG)
    async with SessionAdapter(work.graph, middleware=[arrivals, limit]) as sessions:
        await sessions.get("1").submit("ann 1", principal="ann")
        second = asyncio.create_task(sessions.get("2").submit("ann 2", principal="ann"))
        await arrivals.reached(2)
        await sessions.get("3").submit("bob 1", principal="bob")
        third = asyncio.create_task(sessions.get("4").submit("bob 2", principal="bob"))
        await arrivals.reached(4)
        await work.has_begun(2)
        work.let_go("bob 1")  # the place that comes free is no use to ann, who came first
        assert (await third).principal == "bob"
        assert not second.done()
        await work.has_begun(3)
        work.let_go("ann 1")
        await second
        await work.has_begun(4)
    assert work.began == ["ann 1", "bob 1", "bob 2", "ann 2"]


async def test_who_has_waited_long_enough_is_refused_and_leaves_nothing_behind() -> None:
    work = Work()
    async with SessionAdapter(work.graph, middleware=[limit_turns(1, wait=0.01)]) as sessions:
        running = await sessions.get("a").submit("a")
        with pytest.raises(TooManyTurns, match="as many turns run as may"):
            await sessions.get("b").submit("b")
        await work.has_begun(1)
        work.let_go("a")
        await running.wait()
        assert (await sessions.get("b").submit("b")).state == "running"


async def test_a_turn_that_is_cancelled_while_it_waits_ends_and_leaves_nothing_behind() -> None:
    work, arrivals, limit = Work(), Arrivals(), limit_turns(1, wait=LONG)
    async with SessionAdapter(work.graph, middleware=[arrivals, limit]) as sessions:
        running = await sessions.get("a").submit("a")
        waiting = asyncio.create_task(sessions.get("b").submit("b"))
        await arrivals.reached(2)
        assert await sessions.get("b").cancel("never mind")
        assert ((await waiting).outcome, (await waiting).reason) == ("cancelled", "never mind")
        await work.has_begun(1)
        work.let_go("a")
        await running.wait()
        assert (await sessions.get("c").submit("c")).state == "running"
    assert "b" not in work.began
    held: Any = limit
    assert (dict(held._running), dict(held._waiting)) == ({}, {})


async def test_a_place_that_is_handed_over_to_who_is_cancelled_in_the_same_moment_is_free_again() -> None:
    limit = limit_turns(1, wait=LONG)
    first, second = place(limit), place(limit)
    await first.__aenter__()
    waiting = asyncio.create_task(second.__aenter__())
    third = asyncio.create_task(place(limit).__aenter__())
    await asyncio.wait((waiting,), timeout=0)
    await first.__aexit__(None, None, None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await third


async def test_a_place_that_is_handed_over_in_the_moment_in_which_the_wait_is_over_is_taken() -> None:
    limit = limit_turns(1, wait=0.01)
    first, second = place(limit), place(limit)
    await first.__aenter__()
    waiting = asyncio.create_task(second.__aenter__())
    await asyncio.wait((waiting,), timeout=0)
    let_pass(0.02)  # the timer is due, and has not been looked at
    await first.__aexit__(None, None, None)
    await waiting
    with pytest.raises(TooManyTurns):
        await place(limit).__aenter__()


async def test_several_adapters_share_a_limit_across_threads() -> None:
    limit, arrived = limit_turns(1, wait=LONG), Signal(LONG)
    work = Work()

    @asynccontextmanager
    async def arrive(turn: Turn) -> AsyncGenerator[None]:
        arrived.set()
        yield

    async def elsewhere() -> str | None:
        async with SessionAdapter(one_node(lambda state: None), middleware=[arrive, limit]) as sessions:
            return (await (await sessions.get("b").submit("b")).wait()).outcome

    outcomes: list[str | None] = []
    thread = threading.Thread(target=lambda: outcomes.append(asyncio.run(elsewhere())))
    async with SessionAdapter(work.graph, middleware=[limit]) as sessions:
        await sessions.get("a").submit("a")
        thread.start()
        await arrived
        await work.has_begun(1)
        assert outcomes == []
        work.let_go("a")
        await asyncio.to_thread(thread.join, LONG)
    assert outcomes == ["complete"]


async def test_a_loop_that_was_closed_under_a_turn_that_waits_keeps_no_place() -> None:
    limit = limit_turns(1, wait=LONG)
    first = place(limit)
    await first.__aenter__()
    loops: list[Any] = []

    def abandon() -> None:
        loop = asyncio.new_event_loop()
        waiting: Any = loop.create_task(place(limit).__aenter__())
        loop.run_until_complete(asyncio.wait((waiting,), timeout=0))
        loop.close()
        waiting._log_destroy_pending = False
        loops.append(waiting)

    await asyncio.to_thread(abandon)
    await first.__aexit__(None, None, None)
    await place(limit).__aenter__()


async def test_a_turn_that_was_taken_to_wait_and_is_refused_then_is_told_as_failed() -> None:
    work = Work()
    async with SessionAdapter(work.graph, middleware=[limit_turns(per_principal=1)]) as sessions:
        await sessions.get("1").submit("ann", principal="ann")
        await sessions.get("2").submit("bob", principal="bob")
        queued = await sessions.get("1").submit("bob too", principal="bob", when_busy="enqueue")
        await work.has_begun(2)
        work.let_go("ann")
        result = await queued.wait()
        assert (result.outcome, result.error and result.error.code) == ("error", "TooManyTurns")
        assert isinstance(queued.exception, TooManyTurns)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, "no limit came: expected total, per_principal or both"),
        ({"total": 0}, "total came as 0: expected a number of turns, 1 or more, or None"),
        ({"per_principal": -1}, "per_principal came as -1: expected"),
        ({"total": 1.5}, "total came as 1.5: expected"),
        ({"total": True}, "total came as True: expected"),
        ({"total": 1, "wait": -0.5}, "wait came as -0.5: expected seconds, 0 or more"),
        ({"total": 1, "wait": float("nan")}, "wait came as nan: expected seconds"),
    ],
)
def test_a_limit_that_is_none_is_refused(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        limit_turns(**limits)
    assert says in str(refused.value)


# ------------------------------------------------------------------ spans


class Traced:
    """Spans in memory, as a tree."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def below(self, parent: ReadableSpan | None) -> list[ReadableSpan]:
        id = parent.context.span_id if parent is not None else None
        return [span for span in self.spans if (span.parent.span_id if span.parent is not None else None) == id]

    def tree(self, parent: ReadableSpan | None = None, depth: int = 0) -> Iterator[str]:
        """A line for each span, with what failed."""
        for span in self.below(parent):
            said = dict(span.attributes or {})
            marks = [said.get("error.type")] if not span.status.is_ok else []
            marks += ["partial"] if said.get("langwire.partial") else []
            yield " ".join([". " * depth + span.name, *(f"[{mark}]" for mark in marks)])
            yield from self.tree(span, depth + 1)

    def one(self, name: str) -> dict[str, Any]:
        [span] = [span for span in self.spans if span.name == name]
        return dict(span.attributes or {})


@pytest.fixture
def traced() -> Traced:
    return Traced()


async def play(
    traced: Traced,
    graph: Any,
    *,
    answer: Any = None,
    cancel: Signal | None = None,
    content: bool = False,
    **options: Any,
) -> Turn:
    """Hold a turn, and the one that goes on from it where there is an answer; return the last."""
    async with SessionAdapter(graph, middleware=[trace_turns(traced.provider, content=content)], **options) as sessions:
        session = sessions.get("t")
        turn = await session.submit("Plan a day in Rome")
        if cancel is not None:
            await cancel
            await turn.cancel()
        await turn.wait()
        if answer is not None:
            traced.exporter.clear()
            turn = await session.resume({question.id: answer for question in turn.interrupts})
            await turn.wait()
        return turn


async def test_a_turn_is_a_span_above_those_of_its_model_and_tool_calls(traced: Traced) -> None:
    turn = await play(traced, agents.build_assistant(0))
    assert list(traced.tree()) == [
        "invoke_agent assistant",
        ". chat scripted",
        ". execute_tool write_todos",
        ". chat scripted",
        ". execute_tool get_weather",
        ". execute_tool find_trains",
        ". chat scripted",
        ". execute_tool write_todos",
        ". execute_tool book_table [tool_error]",
        ". chat scripted",
    ]
    root, *below = traced.spans
    assert root.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "assistant",
        "gen_ai.conversation.id": "t",
        "gen_ai.usage.input_tokens": turn.result.usage.input_tokens,
        "gen_ai.usage.output_tokens": turn.result.usage.output_tokens,
        "langwire.turn.id": turn.id,
        "langwire.turn.cause": "message",
        "langwire.turn.outcome": "complete",
    }
    chats = [dict(span.attributes or {}) for span in below if span.name == "chat scripted"]
    assert [chat.pop("gen_ai.usage.input_tokens") for chat in chats] == [5, 17, 29, 49]
    assert [chat.pop("gen_ai.usage.output_tokens") for chat in chats] == [8, 4, 5, 28]
    assert chats == 4 * [
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.agent.name": "assistant",
            "gen_ai.conversation.id": "t",
            "gen_ai.response.model": "scripted",
        }
    ]
    assert traced.one("execute_tool get_weather") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_3_weather",
    }
    kinds = {span.name.split()[0]: span.kind for span in traced.spans}
    assert kinds == {
        "invoke_agent": trace.SpanKind.INTERNAL,
        "chat": trace.SpanKind.CLIENT,
        "execute_tool": trace.SpanKind.INTERNAL,
    }


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if available(case)])
async def test_each_answer_is_one_model_call_each_result_one_tool_call_and_no_token_is_lost(
    traced: Traced, name: str
) -> None:
    case = CASES[name]
    async with SessionAdapter(case.build(), middleware=[trace_turns(traced.provider, content=True)]) as sessions:
        turn = await sessions.get("t").submit(case.input)
        await turn.wait()
    answers = [message for message in turn.result.messages if message.role == "assistant"]
    results = [call for message in answers for call in message.calls if call.result is not None]
    chats = [span for span in traced.spans if span.name.startswith("chat")]
    tools = [span for span in traced.spans if span.name.startswith("execute_tool")]
    assert len(chats) == len(answers)
    assert len([span for span in tools if "langwire.partial" not in span.attributes]) == len(results)
    for tokens in ("input_tokens", "output_tokens"):
        told = sum(span.attributes.get(f"gen_ai.usage.{tokens}", 0) for span in chats)
        assert told == getattr(turn.result.usage, tokens)
    [root] = traced.below(None)
    assert all(root.start_time <= span.start_time <= span.end_time <= root.end_time for span in traced.spans)
    assert len(turn._observers) == 1  # it did not fail


async def test_a_model_call_lasts_to_its_last_part_and_a_tool_call_from_its_own_end_to_its_result(
    traced: Traced,
) -> None:
    waits = Fault()

    async def think(state: MessagesState) -> Any:
        said = await ScriptedModel(script=[[*text("One", " moment"), *tool_call("look")]]).ainvoke("hi")
        await waits.ameet()
        return {"messages": [said]}

    async def look(state: MessagesState) -> Any:
        return {"messages": [ToolMessage("sunny", tool_call_id="call_1")]}

    graph: Any = StateGraph(MessagesState).add_sequence([think, look])
    middleware = [trace_turns(traced.provider)]
    async with SessionAdapter(graph.add_edge(START, "think").compile(), middleware=middleware) as sessions:
        turn = await sessions.get("t").submit("How is it?")
        async for event in turn:
            if isinstance(event, ToolCallEnd):
                let_pass(0.02)
                waits.release()
    root, chat, looks = [(span.start_time or 0, span.end_time or 0) for span in traced.spans]
    assert root[0] < chat[0] < chat[1] == looks[0] < looks[1] < root[1]
    assert looks[1] - chat[1] >= 20_000_000


async def test_the_work_of_a_subagent_lies_below_the_call_it_works_for(traced: Traced) -> None:
    await play(traced, agents.build_team(0))
    researcher = [". . chat", ". . execute_tool search_notes", ". . chat scripted"]
    assert list(traced.tree()) == [
        "invoke_agent team",
        ". chat scripted",
        ". execute_tool research",
        *researcher,
        ". execute_tool research",
        *researcher,
        ". chat scripted",
    ]
    assert [span.attributes["gen_ai.agent.name"] for span in traced.spans if span.name == "chat"] == 2 * ["researcher"]


async def test_what_a_graph_in_a_subagents_graph_says_lies_below_the_same_call(traced: Traced) -> None:
    inner: Any = StateGraph(MessagesState).add_node("deeper", agent(ScriptedModel(script=["Hello"])))
    subagent = inner.add_edge(START, "deeper").compile()

    @tool
    async def delegate() -> str:
        """Have another agent do it."""
        return (await subagent.ainvoke({"messages": "go"}))["messages"][-1].text

    await play(traced, agent(ScriptedModel(script=[tool_call("delegate"), text("Well.")]), delegate))
    assert list(traced.tree())[2:4] == [". execute_tool delegate", ". . chat"]


async def test_the_span_that_is_current_when_a_turn_is_sent_is_its_parent_and_the_turn_that_of_a_tools_own(
    traced: Traced,
) -> None:
    tracer = traced.provider.get_tracer("test")

    @tool
    async def look() -> str:
        """Look."""
        with tracer.start_as_current_span("GET /weather"):
            return "sunny"

    graph = agent(ScriptedModel(script=[tool_call("look"), text("Sunny.")]), look)
    async with SessionAdapter(graph, middleware=[trace_turns(traced.provider)]) as sessions:
        with tracer.start_as_current_span("POST /chat"):
            turn = await sessions.get("t").submit("How is it?")
        await turn.wait()
        assert not trace.get_current_span().is_recording()
    assert list(traced.tree()) == [
        "POST /chat",
        ". invoke_agent LangGraph",
        ". . chat",
        ". . execute_tool look",
        ". . GET /weather",
        ". . chat",
    ]


SECRET = "postgresql://admin:hunter2@db"


@tool
async def fail() -> str:
    """Fail."""
    raise ConnectionError(SECRET)


def asking(model: ScriptedModel, fault: Fault) -> Any:
    """A node that asks a model, stands its failure, and meets a fault; and one that fails."""

    async def ask(state: MessagesState) -> None:
        with suppress(OSError):
            await model.ainvoke("hi")
        await fault.ameet()

    async def go_on(state: MessagesState) -> None:
        raise ConnectionError(SECRET)

    graph: Any = StateGraph(MessagesState).add_sequence([ask, go_on])
    return graph.add_edge(START, "ask").compile()


def cut_off(how: str) -> tuple[Any, dict[str, Any], list[str]]:
    """An agent, what is done to its turn, and the spans that it leaves."""
    fault = Fault()

    @tool
    async def hang() -> str:
        """Hang."""
        await fault.ameet()
        return ""

    @tool
    async def delegate() -> str:
        """Have another agent do it."""
        await agent(ScriptedModel(script=[tool_call("hang"), text("Done.")]), hang).ainvoke({"messages": "go"})
        return ""

    hanging = agent(ScriptedModel(script=[tool_call("hang"), text("")]), hang)
    called = ["invoke_agent LangGraph", ". chat"]
    match how:
        case "the model fails":
            graph = agent(ScriptedModel(script=[[*text("Let me", usage=usage(1, 2)), ConnectionError(SECRET)]]))
            return (
                graph,
                {},
                ["invoke_agent LangGraph [ConnectionError]", ". chat scripted [ConnectionError] [partial]"],
            )
        case "the node fails after its model":
            graph = asking(ScriptedModel(script=[text("Hello")]), Fault(error=ConnectionError(SECRET)))
            return graph, {}, ["invoke_agent LangGraph [ConnectionError]", ". chat"]
        case "a call breaks off and the turn fails later":
            graph = asking(ScriptedModel(script=[[*tool_call("hang")[:2], OSError(SECRET)]]), Fault(at=2))
            return graph, {}, ["invoke_agent LangGraph [ConnectionError]", ". chat [partial]"]
        case "cancelled before the call is handed over":
            graph = asking(ScriptedModel(script=[tool_call("hang")]), fault)
            return graph, {"cancel": fault.reached}, ["invoke_agent LangGraph", ". chat"]
        case "a tool fails":
            graph = agent(ScriptedModel(script=[tool_call("fail")]), fail)
            failed = ["invoke_agent LangGraph [ConnectionError]", ". chat"]
            return graph, {}, [*failed, ". execute_tool fail [ConnectionError] [partial]"]
        case "cancelled in a tool":
            return hanging, {"cancel": fault.reached}, [*called, ". execute_tool hang [partial]"]
        case "cancelled in a subagent":
            graph = agent(ScriptedModel(script=[tool_call("delegate")]), delegate)
            inner = [". execute_tool delegate [partial]", ". . chat", ". . execute_tool hang [partial]"]
            return graph, {"cancel": fault.reached}, [*called, *inner]
        case "timed out in a tool":
            left = ["invoke_agent LangGraph [Timeout]", called[1], ". execute_tool hang [Timeout] [partial]"]
            return hanging, {"idle_timeout": 0.5}, left
        case _:  # the first call is written, the second is not: none has been run
            pieces = [*tool_call("hang")[:2], *tool_call("hang", id="2", index=1)[:1], fault]
            graph = agent(ScriptedModel(script=[pieces]), hang)
            return graph, {"cancel": fault.reached}, ["invoke_agent LangGraph", ". chat [partial]"]


@pytest.mark.parametrize(
    "how",
    [
        "the model fails",
        "the node fails after its model",
        "a call breaks off and the turn fails later",
        "a tool fails",
        "cancelled in a tool",
        "cancelled in a subagent",
        "timed out in a tool",
        "cancelled before the call is handed over",
        "cancelled in the model",
    ],
)
async def test_what_is_cut_off_ends_with_its_turn_and_says_why_without_the_exceptions_text(
    traced: Traced, how: str
) -> None:
    graph, done_to_it, left = cut_off(how)
    turn = await play(traced, graph, **done_to_it)
    assert list(traced.tree()) == left
    assert traced.spans[0].attributes["langwire.turn.outcome"] == turn.outcome
    assert "hunter2" not in "".join(span.to_json() for span in traced.spans)
    assert [span.name for span in traced.spans if span.events or span.status.description] == []


async def test_a_call_that_waits_for_an_answer_is_a_span_of_the_turn_that_runs_it(traced: Traced) -> None:
    await play(traced, agents.build_approval(0))
    assert list(traced.tree()) == ["invoke_agent approval", ". chat scripted"]
    assert traced.spans[0].attributes["langwire.turn.outcome"] == "interrupted"
    for answer, mark in ((approve(), ""), (reject("no"), " [tool_error]")):
        await play(traced, agents.build_approval(0), answer=[answer])
        assert list(traced.tree()) == ["invoke_agent approval", f". execute_tool send_email{mark}", ". chat scripted"]
        assert traced.one("execute_tool send_email")["gen_ai.tool.call.id"] == "call_1_email"
        assert traced.one("invoke_agent approval")["langwire.turn.cause"] == "resume"


async def test_a_subagent_that_asked_goes_on_below_its_call_in_the_next_turn(traced: Traced) -> None:
    @tool
    async def ask() -> str:
        """Ask."""
        answer = interrupt("May I?")
        let_pass(0.02)
        return str(answer)

    inner = agent(ScriptedModel(script=[tool_call("ask", id="inner"), text("Done.")]), ask)

    @tool
    async def delegate() -> str:
        """Have another agent do it."""
        return (await inner.ainvoke({"messages": "go"}))["messages"][-1].text

    graph = agent(ScriptedModel(script=[tool_call("delegate", id="outer"), text("Well.")]), delegate)
    await play(traced, graph)
    assert list(traced.tree()) == [
        "invoke_agent LangGraph",
        ". chat",
        ". execute_tool delegate [partial]",
        ". . chat",
    ]
    await play(traced, graph, answer="yes")
    assert list(traced.tree()) == [
        "invoke_agent LangGraph",
        ". execute_tool delegate",
        ". . execute_tool ask",
        ". . chat",
        ". chat",
    ]
    times = {span.name: (span.start_time or 0, span.end_time or 0) for span in traced.spans}
    began, over = times["execute_tool ask"]
    assert times["invoke_agent LangGraph"][0] < began <= over - 20_000_000
    assert traced.one("execute_tool delegate")["gen_ai.tool.call.id"] == "outer"
    assert traced.one("execute_tool delegate")["gen_ai.tool.name"] == "delegate"


CONTENT = {
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Plan a day in [redacted]"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Sunny in [redacted]."}],'
    '"finish_reason":"stop"}]',
    "gen_ai.tool.call.arguments": '{"city":"[redacted]"}',
    "gen_ai.tool.call.result": '"[redacted]: sunny"',
}


@pytest.mark.parametrize("content", [False, True])
async def test_what_was_said_is_kept_on_request_only_and_masked(traced: Traced, content: bool) -> None:
    @tool
    async def look(city: str) -> str:
        """Look."""
        return f"{city}: sunny"

    graph = agent(ScriptedModel(script=[tool_call("look", {"city": "Rome"}), text("Sunny in ", "Rome.")]), look)
    await play(traced, graph, content=content, redactor=Redactor(["Rome"]))
    told = {name: value for span in traced.spans for name, value in (span.attributes or {}).items() if name in CONTENT}
    assert told == (CONTENT if content else {})
    everything = "".join(span.to_json() for span in traced.spans)
    assert "Rome" not in everything
    assert ("sunny" in everything) is content


@pytest.mark.parametrize(
    ("said", "parts", "finish"),
    [
        (
            [AIMessage([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}])],
            [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Yes."}],
            "stop",
        ),
        (
            [AIMessage("", tool_calls=[{"name": "look", "args": {"at": 1}, "id": "1"}])],
            [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"at": 1}}],
            "tool_call",
        ),
    ],
)
async def test_a_message_is_kept_in_the_form_of_the_conventions(
    traced: Traced, said: list[Any], parts: list[Any], finish: str
) -> None:
    await play(traced, one_node(lambda state: {"messages": said}), content=True)
    chat = otel._json([{"role": "assistant", "parts": parts, "finish_reason": finish}])
    assert traced.one("chat")["gen_ai.output.messages"] == chat


async def held(*messages: Any) -> list[str]:
    traced = Traced()
    await play(traced, one_node(lambda state: {"messages": list(messages)}))
    return list(traced.tree())[1:]


async def test_only_what_a_model_says_is_a_model_call() -> None:
    said = AIMessage("Yes.", id="1", usage_metadata=usage(1, 2))
    assert await held(HumanMessage("I am no model")) == []
    assert await held(said) == [". chat"]
    called = AIMessage("Yes.", id="1", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    assert await held(said, called) == [". chat"]  # the node adds a call to what the model said


async def test_a_model_that_said_nothing_has_its_tokens_counted(traced: Traced) -> None:
    counted = usage(7, 0, cache_read=3, cache_creation=2, reasoning=1)
    await play(traced, agent(ScriptedModel(script=[text(usage=counted)])), content=True)
    root, chat = traced.spans
    assert root.start_time < chat.start_time
    told = {name: count for name, count in (chat.attributes or {}).items() if ".usage." in name}
    assert told == {
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 0,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }


async def test_a_model_that_outlives_its_node_ends_with_the_turn_at_the_latest(traced: Traced) -> None:
    fault, running = Fault(), list[asyncio.Task[Any]]()

    async def begin(state: MessagesState) -> None:
        running.append(asyncio.create_task(ScriptedModel(script=[[fault, "Hello"]]).ainvoke("hi")))

    async def wait(state: MessagesState) -> None:
        fault.release()
        await running[0]

    graph: Any = StateGraph(MessagesState).add_sequence([begin, wait])
    await play(traced, graph.add_edge(START, "begin").compile())
    assert list(traced.tree()) == ["invoke_agent LangGraph", ". chat"]


async def test_messages_of_one_id_in_parallel_lanes_are_calls_of_their_own(traced: Traced) -> None:
    graph: Any = StateGraph(MessagesState)
    for name in ("left", "right"):
        graph.add_node(name, agent(ScriptedModel(script=[text("I am ", name, id="same")])))
        graph.add_edge(START, name)
    await play(traced, graph.compile(), content=True)
    assert list(traced.tree()) == ["invoke_agent LangGraph", ". chat", ". chat"]
    said = [json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"] for span in traced.spans[1:]]
    assert sorted(part["content"] for [part] in said) == ["I am left", "I am right"]


async def test_a_call_that_the_provider_runs_is_no_function_of_ours(traced: Traced) -> None:
    blocks: list[Any] = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Rome"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "text", "text": "Sunny."},
    ]
    await play(traced, one_node(lambda state: {"messages": [AIMessage(blocks)]}))
    assert "gen_ai.tool.type" not in traced.one("execute_tool web_search")


async def test_an_answer_from_outside_to_a_call_of_an_earlier_turn_is_no_run_of_it(traced: Traced) -> None:
    def call(state: MessagesState) -> Any:
        if len(state["messages"]) == 1:
            return {"messages": [AIMessage("", tool_calls=[{"name": "client_side", "args": {}, "id": "1"}])]}
        return {"messages": [ToolMessage("done", tool_call_id="1"), AIMessage("Thanks.")]}

    async with SessionAdapter(one_node(call), middleware=[trace_turns(traced.provider)]) as sessions:
        for said in ("Do it", "It is done"):
            await (await sessions.get("t").submit(said)).wait()
    assert list(traced.tree()) == ["invoke_agent LangGraph", ". chat", "invoke_agent LangGraph", ". chat"]


async def test_a_refused_turn_is_no_failure(traced: Traced) -> None:
    async with SessionAdapter(Work().graph, middleware=[trace_turns(traced.provider), limit_turns(1)]) as sessions:
        await sessions.get("a").submit("a")
        with pytest.raises(TooManyTurns):
            await sessions.get("b").submit("b")
        assert list(traced.tree()) == ["invoke_agent LangGraph"]
        assert traced.one("invoke_agent LangGraph")["langwire.turn.outcome"] == "refused"


async def test_a_turn_that_is_not_sampled_is_not_observed(traced: Traced) -> None:
    traced.provider = TracerProvider(sampler=ALWAYS_OFF)
    turn = await play(traced, agents.build_assistant(0))
    assert turn.outcome == "complete"
    assert turn._observers == []


async def test_without_a_provider_the_global_one_is_asked_and_none_is_no_hindrance() -> None:
    async with SessionAdapter(agents.build_assistant(0), middleware=[trace_turns()]) as sessions:
        assert (await (await sessions.get("t").submit("Hi")).wait()).outcome == "complete"


def test_attributes_are_named_as_the_conventions_name_them() -> None:
    names = [value for name, value in vars(otel).items() if name.isupper() and isinstance(value, str)]
    ours = [name for name in [*names, *otel._DETAILS] if not name.startswith("langwire.")]
    known = {
        value for value in {**vars(gen_ai_attributes), **vars(error_attributes)}.values() if isinstance(value, str)
    }
    assert len(ours) == 17
    assert set(ours) <= known


def test_without_the_extra_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "langwire.sessions.otel")
    with pytest.raises(MissingExtra) as missing:
        importlib.import_module("langwire.sessions.otel")
    assert str(missing.value) == 'tracing needs an extra: pip install "langwire[otel]"'


# ------------------------------------------------------------------ the figures of a turn


def summaries(caplog: pytest.LogCaptureFixture) -> list[TurnSummary]:
    records = [record for record in caplog.records if record.name == "langwire.turns" and hasattr(record, "turn")]
    assert {record.levelno for record in records} <= {logging.INFO}
    return [record.turn for record in records]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="langwire.turns")


async def test_a_turn_leaves_one_record_with_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    async with SessionAdapter(agents.build_assistant(0), redactor=Redactor(["sunny"])) as sessions:
        turn = await sessions.get("thread\nforged").submit("Plan a day in Rome", principal="ann")
        await turn.wait()
    [summary] = summaries(caplog)
    assert summary is turn.summary
    assert (summary.turn_id, summary.thread_id, summary.cause) == (turn.id, "thread\nforged", "message")
    assert (summary.outcome, summary.error, summary.reason, summary.principal) == ("complete", None, None, "ann")
    assert (summary.input_tokens, summary.output_tokens, summary.tools) == (100, 45, 5)
    assert summary.redactions == 2  # in the result of get_weather and in the answer
    assert summary.waited >= 0
    assert summary.first_token is not None
    assert 0 < summary.first_token < summary.duration
    [line] = [record.getMessage() for record in caplog.records if record.name == "langwire.turns"]
    assert line.startswith(f"turn {turn.id} of thread 'thread\\nforged': complete, in ")
    assert line.endswith(" s, 100+45 tokens, 5 tool calls")


@pytest.mark.parametrize(
    ("build", "options", "stop", "expected"),
    [
        (agents.build_approval, {}, None, ("interrupted", None, None)),
        (agents.build_failing, {}, None, ("error", "ConnectionError", None)),
        (None, {}, "enough", ("cancelled", None, "enough")),
        (None, {"timeout": 0.05}, None, ("timeout", "Timeout", None)),
        (None, {"idle_timeout": 0.05}, None, ("timeout", "Timeout", None)),
    ],
)
async def test_the_record_says_how_the_turn_ended(
    caplog: pytest.LogCaptureFixture, build: Any, options: Any, stop: str | None, expected: tuple[Any, ...]
) -> None:
    graph = build(0) if build is not None else Work().graph
    async with SessionAdapter(graph, **options) as sessions:
        turn = await sessions.get("t").submit("Write to Ann")
        if stop is not None:
            await turn.cancel(stop)
        await turn.wait()
    [summary] = summaries(caplog)
    assert (summary.outcome, summary.error, summary.reason) == expected
    assert (summary.first_token is None) is (build is None)


async def test_a_resumed_turn_has_figures_of_its_own_and_a_refused_one_has_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SessionAdapter(agents.build_approval(0)) as sessions:
        session = sessions.get("t")
        asked = await session.submit("Write to Ann")
        with pytest.raises((TurnRunning, InterruptOpen)):
            await session.submit("too early")
        await asked.wait()
        with pytest.raises(InterruptOpen):
            await session.submit("too late")
        resumed = await session.resume({question.id: [approve()] for question in asked.interrupts})
        await resumed.wait()
    first, second = summaries(caplog)
    assert [(first.cause, first.outcome), (second.cause, second.outcome)] == [
        ("message", "interrupted"),
        ("resume", "complete"),
    ]
    assert second.input_tokens == resumed.result.usage.input_tokens > first.input_tokens > 0


async def test_the_time_that_a_turn_waits_is_told_apart_from_that_it_runs(caplog: pytest.LogCaptureFixture) -> None:
    work, arrivals = Work(), Arrivals()
    async with SessionAdapter(work.graph, middleware=[arrivals, limit_turns(1, wait=LONG)]) as sessions:
        await sessions.get("a").submit("a")
        waiting = asyncio.create_task(sessions.get("b").submit("b"))
        await arrivals.reached(2)
        let_pass(0.05)
        await work.has_begun(1)
        work.let_go("a")
        await waiting
        await work.has_begun(2)
        work.let_go("b")
        await (await waiting).wait()
    _, summary = summaries(caplog)
    assert summary.waited >= 0.05
    assert summary.duration < summary.waited
