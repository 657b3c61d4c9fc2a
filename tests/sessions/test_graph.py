"""`stream`, `astream`, `run` and `arun` over real graphs: what goes in, what comes out, what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt
from pydantic import BaseModel

import langwire
from langwire import approve, arun, astream, reject, resume_command, run, stream
from langwire.errors import InvalidInput, UnsupportedGraph, UsageError
from langwire.events import (
    Entry,
    Event,
    Interrupt,
    StateDelta,
    StateSnapshot,
    TextDelta,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
)
from langwire.testing import ScriptedModel, text, tool_call


def chatting(*script: Any, checkpointer: Any = None, **compiled: Any) -> Any:
    model = ScriptedModel(script=list(script) or [text("Hel", "lo")])
    builder = StateGraph(MessagesState)
    builder.add_node("chat", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "chat")
    return builder.compile(checkpointer=checkpointer, **compiled)


def failing(after: str) -> Any:
    def fail(state: MessagesState) -> None:
        if after:
            ScriptedModel(script=[text(after)]).invoke(state["messages"])
        raise RuntimeError("the node died")

    builder = StateGraph(MessagesState)
    builder.add_node("fail", fail)
    builder.add_edge(START, "fail")
    return builder.compile()


class Thread:
    """A thread's config."""

    def __init__(self, id: str = "t1") -> None:
        self.config: dict[str, Any] = {"configurable": {"thread_id": id}}


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: list[Event]) -> TurnEnd:
    end = events[-1]
    assert isinstance(end, TurnEnd)
    return end


# ------------------------------------------------------------------ the three lines


def test_a_plain_string_is_a_valid_input_and_tokens_are_the_default() -> None:
    events = list(stream(chatting(), "hi"))
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hel", "lo"]
    assert end_of(events).outcome == "complete"
    assert events[0] == TurnStart(turn_id=events[0].turn_id, input={"messages": [{"role": "user", "content": "hi"}]})  # pyright: ignore


async def test_async_tells_the_same() -> None:
    events = [event async for event in astream(chatting(), "hi")]
    assert said(events) == "Hello"
    assert end_of(events).outcome == "complete"


@pytest.mark.parametrize(
    "given",
    [
        HumanMessage("hi"),
        [HumanMessage("hi")],
        {"messages": "hi"},
        {"messages": [("user", "hi")]},
        [("user", "hi")],
    ],
)
def test_messages_in_any_form_are_an_input(given: Any) -> None:
    assert said(list(stream(chatting(), given))) == "Hello"


def test_run_returns_what_came_of_it() -> None:
    class Counting:
        entries: list[Entry]

        def __init__(self) -> None:
            self.entries = []

        def handle(self, entry: Entry, /) -> None:
            self.entries.append(entry)

    counting = Counting()
    result = run(chatting(), "hi", adapter=counting)
    assert (result.text, result.outcome, result.exception) == ("Hello", "complete", None)
    assert [entry.seq for entry in counting.entries] == list(range(1, len(counting.entries) + 1))
    assert isinstance(counting.entries[-1].event, TurnEnd)
    assert all(entry.at_ms > 1_600_000_000_000 for entry in counting.entries)


async def test_arun_returns_the_same() -> None:
    result = await arun(chatting(), "hi")
    assert (result.text, result.outcome) == ("Hello", "complete")


def test_what_the_caller_passes_goes_to_the_graph() -> None:
    seen: dict[str, Any] = {}

    class Context(TypedDict):
        user: str

    def look(state: MessagesState, runtime: Runtime[Context], config: RunnableConfig) -> None:
        seen["user"], seen["tags"] = runtime.context["user"], config.get("tags")

    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("look", look)
    builder.add_edge(START, "look")
    graph = builder.compile(checkpointer=InMemorySaver())
    events = list(
        stream(graph, "hi", {"tags": ["mine"]}, context={"user": "Ann"}, durability="exit", interrupt_before=["look"])
    )
    assert end_of(events).outcome == "interrupted"
    assert seen == {}
    list(stream(graph, "hi", {"tags": ["mine"]}, context={"user": "Ann"}, durability="exit"))
    assert seen == {"user": "Ann", "tags": ["mine"]}


def test_the_graphs_own_recursion_limit_holds() -> None:
    """Lesson 45: the adapter's default must not beat graph.with_config."""
    builder = StateGraph(MessagesState)
    builder.add_node("again", lambda _state: None)
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    graph = builder.compile().with_config({"recursion_limit": 3})
    events = list(stream(graph, "hi", raise_errors=False))
    error = end_of(events).error
    assert error is not None
    assert "recursion limit" in error.message


def test_the_callers_config_and_graph_are_left_as_they_are() -> None:
    config: dict[str, Any] = {"tags": ["x"]}
    graph = chatting(checkpointer=InMemorySaver())
    list(stream(graph, "hi", config))
    assert config == {"tags": ["x"]}


def test_state_and_further_modes_come_when_they_are_asked_for() -> None:
    kinds = {type(event) for event in stream(chatting(), "hi", state=True)}
    assert StateSnapshot in kinds
    assert StateDelta not in {type(event) for event in stream(chatting(), "hi")}
    list(stream(chatting(), "hi", modes=["values", "debug"]))


def test_tools_can_be_hidden() -> None:
    @tool
    def think(about: str) -> str:
        """Think."""
        return about

    model = ScriptedModel(script=[tool_call("think", {"about": "x"}), text("done")])
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode([think]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", lambda s: "tools" if s["messages"][-1].tool_calls else "__end__")
    builder.add_edge("tools", "model")
    graph = builder.compile()
    shown = {type(event) for event in stream(graph, "hi")}
    hidden = {type(event) for event in stream(graph, "hi", skip_tools=["think"])}
    assert {ToolCallStart, ToolResult} <= shown
    assert not {ToolCallStart, ToolResult, ToolOutputDelta} & hidden


# ------------------------------------------------------------------ threads


def test_a_graph_that_keeps_threads_works_without_a_thread_id() -> None:
    """Lesson 83: a stub with a checkpointer made the quick start silently blank."""
    events = list(stream(chatting(checkpointer=InMemorySaver()), "hi"))
    start = events[0]
    assert isinstance(start, TurnStart)
    assert start.thread_id
    assert said(events) == "Hello"


def test_a_thread_is_told_where_it_stood_and_where_it_stands() -> None:
    graph, thread = chatting(text("one"), text("two"), checkpointer=InMemorySaver()), Thread()
    first = list(stream(graph, "hi", thread.config))
    second = list(stream(graph, "more", thread.config))
    assert said(first) == "one"
    assert said(second) == "two"
    assert isinstance(second[0], TurnStart)
    assert second[0].checkpoint_id == end_of(first).checkpoint_id
    assert end_of(second).checkpoint_id not in (None, end_of(first).checkpoint_id)


def test_without_a_checkpointer_nothing_is_needed_and_no_thread_is_named() -> None:
    start = next(iter(stream(chatting(), "hi", Thread().config)))
    assert isinstance(start, TurnStart)
    assert start.thread_id is None


def asking(checkpointer: Any = None) -> Any:
    @tool
    def send(to: str) -> str:
        """Send."""
        answer = interrupt(
            {
                "action_requests": [{"name": "send", "args": {"to": to}}],
                "review_configs": [{"action_name": "send", "allowed_decisions": ["approve", "reject"]}],
            }
        )
        return f"{answer['decisions'][0]['type']} {to}"

    model = ScriptedModel(script=[tool_call("send", {"to": "Ann"}, id="c1"), text("done")])
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode([send]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", lambda s: "tools" if s["messages"][-1].tool_calls else "__end__")
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=checkpointer)


@pytest.mark.parametrize(("decision", "result"), [(approve(), "approve Ann"), (reject(), "reject Ann")])
def test_a_turn_pauses_and_goes_on_with_the_answer(decision: Any, result: str) -> None:
    graph, thread = asking(InMemorySaver()), Thread()
    paused = run(graph, "write", thread.config)
    assert paused.outcome == "interrupted"
    (question,) = paused.interrupts
    assert question.actions[0].call_id == "c1"
    events = list(stream(graph, resume_command(paused.interrupts, {question.id: [decision]}), thread.config))
    assert isinstance(events[0], TurnStart)
    assert events[0].cause == "resume"
    answered = next(event for event in events if isinstance(event, ToolResult))
    assert (answered.id, answered.content) == ("c1", result)
    assert langwire.check(events, open_calls=paused_calls(paused)) == []
    assert end_of(events).outcome == "complete"


def paused_calls(paused: Any) -> Any:
    from langwire.events import OpenCall

    return [OpenCall(id="c1", call_id="c1", name="send", args={"to": "Ann"})]


def test_a_question_in_a_subgraph_is_answered_by_the_call_that_waits_there() -> None:
    """The open calls of a child are found in its own checkpoint."""
    builder = StateGraph(MessagesState)
    builder.add_node("child", asking())
    builder.add_edge(START, "child")
    graph, thread = builder.compile(checkpointer=InMemorySaver()), Thread()
    paused = run(graph, "write", thread.config)
    (question,) = paused.interrupts
    events = list(stream(graph, resume_command([question], {question.id: approve()}), thread.config))
    results = [event for event in events if isinstance(event, ToolResult)]
    assert [(result.id, result.source.lane[-1].partition(":")[0]) for result in results] == [("c1", "child")]


def test_results_that_the_caller_brings_answer_the_calls_that_waited() -> None:
    calls = AIMessage("", id="a1", tool_calls=[{"name": "look", "args": {}, "id": "c1"}])
    answered = ToolMessage("seen", tool_call_id="c1", id="r1")
    events = list(stream(chatting(text("thanks")), [calls, answered]))
    assert end_of(events).open_calls == ()
    for given in ([calls], Command(update={"messages": [calls]})):
        waiting = list(stream(chatting(text("thanks")), given))
        assert [call.id for call in end_of(waiting).open_calls] == ["c1"]


def test_none_goes_on_from_a_breakpoint() -> None:
    graph, thread = chatting(checkpointer=InMemorySaver(), interrupt_before=["chat"]), Thread()
    events = list(stream(graph, "hi", thread.config))
    (question,) = [event for event in events if isinstance(event, Interrupt)]
    assert (question.kind, question.value) == ("breakpoint", {"next": ["chat"]})
    going_on = list(stream(graph, None, thread.config))
    assert isinstance(going_on[0], TurnStart)
    assert going_on[0].cause == "continue"
    assert said(going_on) == "Hello"


def test_a_turn_from_an_older_checkpoint_ends_where_the_thread_stands_then() -> None:
    builder = StateGraph(MessagesState)
    for name in ("one", "two"):
        builder.add_node(name, lambda state, name=name: {"messages": [AIMessage(name)]})
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    graph, thread = builder.compile(checkpointer=InMemorySaver()), Thread()
    first = run(graph, "hi", thread.config)
    assert first.outcome == "complete"
    before_two = next(old for old in graph.get_state_history(thread.config) if old.next == ("two",))
    events = list(stream(graph, None, before_two.config))
    assert end_of(events).outcome == "complete"
    assert isinstance(events[0], TurnStart)
    assert events[0].checkpoint_id == before_two.config["configurable"]["checkpoint_id"]
    assert end_of(events).checkpoint_id == graph.get_state(thread.config).config["configurable"]["checkpoint_id"]


def test_a_thread_that_is_bound_to_the_graph_is_the_one_that_is_used() -> None:
    graph = chatting(text("one"), text("two"), checkpointer=InMemorySaver()).with_config(Thread("bound").config)
    assert [run(graph, "hi").text, run(graph, "more").text] == ["one", "two"]
    assert run(graph, "hi", Thread("other").config).text == "one"


def test_an_answered_question_of_a_node_that_writes_nothing_is_not_open_any_more() -> None:
    """A snapshot of LangGraph 1.1 goes on listing it while its sibling waits."""
    builder = StateGraph(MessagesState)
    for name in ("a", "b"):
        builder.add_node(name, lambda _state, name=name: (interrupt(name), None)[1])
        builder.add_edge(START, name)
    graph, thread = builder.compile(checkpointer=InMemorySaver()), Thread()
    asked = {question.value: question for question in run(graph, "hi", thread.config).interrupts}
    then = run(graph, resume_command([asked["a"]], {asked["a"].id: "yes"}), thread.config)
    assert [question.value for question in then.interrupts] == ["b"]


def test_a_command_that_answers_nothing_is_a_turn_of_its_own() -> None:
    graph = chatting(checkpointer=InMemorySaver())
    start = next(iter(stream(graph, Command(update={"messages": "hi"}, goto="chat"), Thread().config)))
    assert isinstance(start, TurnStart)
    assert (start.cause, start.input) == ("message", None)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("after", ["", "half a"])
def test_what_the_graph_raises_is_raised_after_the_turn_has_ended(after: str) -> None:
    seen: list[Event] = []
    with pytest.raises(RuntimeError, match="the node died"):
        for event in stream(failing(after), "hi"):
            seen.append(event)
    end = end_of(seen)
    assert end.outcome == "error"
    assert end.error is not None
    assert "died" not in end.error.message
    assert said(seen) == after


async def test_what_the_graph_raises_is_raised_from_async_too() -> None:
    seen: list[Event] = []
    with pytest.raises(RuntimeError, match="the node died"):
        async for event in astream(failing("x"), "hi"):
            seen.append(event)
    assert end_of(seen).outcome == "error"


async def test_a_failure_is_only_told_when_that_is_asked_for() -> None:
    assert end_of(list(stream(failing(""), "hi", raise_errors=False))).outcome == "error"
    assert end_of([e async for e in astream(failing(""), "hi", raise_errors=False)]).outcome == "error"
    in_a_thread = await asyncio.to_thread(run, failing(""), "hi", raise_errors=False)
    for result in (in_a_thread, await arun(failing(""), "hi", raise_errors=False)):
        assert result.outcome == "error"
        assert isinstance(result.exception, RuntimeError)
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(run, failing(""), "hi")
    with pytest.raises(RuntimeError):
        await arun(failing(""), "hi")


class Broken:
    def handle(self, entry: Entry, /) -> None:
        raise OSError("the disk is full")


async def test_a_failing_adapter_is_never_taken_for_a_failing_graph() -> None:
    with pytest.raises(OSError, match="disk"):
        await asyncio.to_thread(run, chatting(), "hi", adapter=Broken(), raise_errors=False)
    with pytest.raises(OSError, match="disk"):
        await arun(chatting(), "hi", adapter=Broken(), raise_errors=False)


def test_ctrl_c_ends_the_turn_as_cancelled_and_is_raised() -> None:
    def interrupted(_state: MessagesState) -> None:
        raise KeyboardInterrupt

    builder = StateGraph(MessagesState)
    builder.add_node("n", interrupted)
    builder.add_edge(START, "n")
    seen: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        for event in stream(builder.compile(), "hi"):
            seen.append(event)
    assert end_of(seen).outcome == "cancelled"


def test_a_node_that_leaves_the_program_ends_the_turn_first() -> None:
    def leave(_state: MessagesState) -> None:
        raise SystemExit(7)

    builder = StateGraph(MessagesState)
    builder.add_node("n", leave)
    builder.add_edge(START, "n")
    seen: list[Event] = []
    with pytest.raises(SystemExit):
        for event in stream(builder.compile(), "hi", raise_errors=False):
            seen.append(event)
    assert end_of(seen).outcome == "error"


async def test_a_cancelled_reader_stops_the_run() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def wait(_state: MessagesState) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    builder = StateGraph(MessagesState)
    builder.add_node("wait", wait)
    builder.add_edge(START, "wait")
    task = asyncio.create_task(arun(builder.compile(), "hi"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


# ------------------------------------------------------------------ what is refused


def test_an_uncompiled_graph_is_refused_with_what_to_do() -> None:
    """Lesson 50."""
    with pytest.raises(UnsupportedGraph, match=r"got a StateGraph: compile it first"):
        stream(StateGraph(MessagesState), "hi")  # pyright: ignore
    with pytest.raises(UnsupportedGraph, match=r"got a ScriptedModel"):
        stream(ScriptedModel(script=["hi"]), "hi")  # pyright: ignore
    with pytest.raises(UnsupportedGraph, match=r"got a str"):
        astream("my_agent.py:graph", "hi")  # pyright: ignore


@pytest.mark.parametrize(
    ("given", "said_so"),
    [
        ({"version": "v3"}, "version='v3' changes what the agent answers"),
        ({"stream_mode": "values"}, "stream_mode='values' is langwire's to choose"),
        ({"subgraphs": False}, "subgraphs=False"),
        ({"modes": "tools"}, "expected a list out of"),
        ({"interupt_before": ["chat"]}, "unknown keyword interupt_before: expected one of"),
        ({"config": "thread-1"}, "config came as a str: expected"),
        ({"modes": ["messages-tuple"]}, "expected a list out of"),
    ],
)
def test_what_langwire_chooses_itself_is_refused(given: dict[str, Any], said_so: str) -> None:
    with pytest.raises(UsageError, match=said_so):
        stream(chatting(), "hi", **given)


def test_inputs_that_the_graph_cannot_take_are_refused_with_what_it_takes() -> None:
    class Question(TypedDict):
        question: str

    builder = StateGraph(Question)
    builder.add_node("n", lambda _state: None)
    builder.add_edge(START, "n")
    graph = builder.compile()
    with pytest.raises(InvalidInput, match="takes no messages: expected an object with question"):
        stream(graph, "hi")
    with pytest.raises(InvalidInput, match=r"what came \(query\): expected question"):
        stream(graph, {"query": "x"})
    assert end_of(list(stream(graph, {"question": "x"}))).outcome == "complete"


def test_a_model_of_the_state_is_an_input() -> None:
    class State(BaseModel):
        question: str

    builder = StateGraph(State)
    builder.add_node("n", lambda _state: None)
    builder.add_edge(START, "n")
    assert end_of(list(stream(builder.compile(), State(question="x")))).outcome == "complete"


async def test_an_error_of_the_checkpointer_is_not_taken_for_a_remote_graphs() -> None:
    class Wrong(InMemorySaver):
        def get_tuple(self, config: Any) -> Any:
            raise TypeError("a mistake of its own")

        async def aget_tuple(self, config: Any) -> Any:
            return self.get_tuple(config)

    with pytest.raises(TypeError, match="a mistake of its own"):
        await asyncio.to_thread(run, chatting(checkpointer=Wrong()), "hi", Thread().config)
    with pytest.raises(TypeError, match="a mistake of its own"):
        await arun(chatting(checkpointer=Wrong()), "hi", Thread().config)


def test_the_functional_api_takes_anything() -> None:
    @entrypoint()
    def shout(words: str) -> AIMessage:
        return AIMessage(words.upper())

    assert run(shout, "hello").text == "HELLO"


# ------------------------------------------------------------------ sync and async of one kind


async def waits(state: MessagesState) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"messages": [AIMessage("async")]}


def async_only(checkpointer: Any = None) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("wait", waits)
    builder.add_edge(START, "wait")
    return builder.compile(checkpointer=checkpointer)


def inside(graph: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("child", graph)
    builder.add_edge(START, "child")
    return builder.compile()


def with_async_tool() -> Any:
    @tool
    async def look(at: str) -> str:
        """Look."""
        return f"saw {at}"

    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "tools")
    return builder.compile()


def test_a_graph_that_only_runs_async_streams_sync() -> None:
    """W24."""
    assert run(async_only(), "hi").text == "async"
    assert [m.text for m in run(inside(async_only()), "hi").messages] == ["async"]
    call = AIMessage("", tool_calls=[{"name": "look", "args": {"at": "it"}, "id": "c1"}])
    result = next(e for e in stream(with_async_tool(), call) if isinstance(e, ToolResult))
    assert result.content == "saw it"


async def test_inside_a_running_loop_run_says_which_call_to_use() -> None:
    """Lesson 41. `stream` is pulled by its caller, and works there."""
    with pytest.raises(UsageError, match=r"await langwire\.arun"):
        run(async_only(InMemorySaver()), "hi", Thread().config)
    assert said(list(stream(async_only(InMemorySaver()), "hi", Thread().config))) == "async"


def test_a_failure_of_an_async_graph_is_raised_from_sync() -> None:
    async def fail(_state: MessagesState) -> None:
        raise RuntimeError("async died")

    builder = StateGraph(MessagesState)
    builder.add_node("fail", fail)
    builder.add_edge(START, "fail")
    seen: list[Event] = []
    with pytest.raises(RuntimeError, match="async died"):
        for event in stream(builder.compile(), "hi"):
            seen.append(event)
    assert end_of(seen).outcome == "error"


def test_a_sync_reader_that_stops_early_stops_the_async_run() -> None:
    started, stopped = threading.Event(), threading.Event()

    async def endless(_state: MessagesState) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    builder = StateGraph(MessagesState)
    builder.add_node("endless", endless)
    builder.add_edge(START, "endless")
    events = stream(builder.compile(), "hi")
    for event in events:
        if type(event).__name__ == "NodeStart":
            break
    assert started.wait(10)
    events.close()  # type: ignore[attr-defined]
    assert stopped.is_set()


class SyncSaver(InMemorySaver):
    """A checkpointer that only works sync, as the SQLite one does."""

    async def aget_tuple(self, config: Any) -> Any:
        raise NotImplementedError("use the async saver")


async def test_a_checkpointer_that_only_works_sync_is_driven_in_a_thread() -> None:
    graph, thread = chatting(checkpointer=SyncSaver()), Thread()
    events = [event async for event in astream(graph, "hi", thread.config)]
    assert said(events) == "Hello"
    assert end_of(events).checkpoint_id is not None


class ForgetfulSaver(InMemorySaver):
    """A checkpointer that cannot be read any more once the turn is over."""

    broken = False

    def get_tuple(self, config: Any) -> Any:
        if self.broken:
            raise OSError("gone")
        return super().get_tuple(config)

    async def aget_tuple(self, config: Any) -> Any:
        return self.get_tuple(config)


async def test_a_checkpoint_that_cannot_be_read_afterwards_does_not_fail_the_turn(caplog: Any) -> None:
    async def reading(saver: ForgetfulSaver, events: AsyncIterator[Event]) -> list[Event]:
        seen: list[Event] = []
        async for event in events:
            saver.broken = saver.broken or type(event).__name__ == "NodeEnd"
            seen.append(event)
        return seen

    saver = ForgetfulSaver()
    events = await reading(saver, astream(chatting(checkpointer=saver), "hi", Thread().config))
    assert end_of(events).outcome == "complete"
    saver.broken = False
    seen: list[Event] = []
    for event in stream(chatting(checkpointer=saver), "hi", Thread("t2").config):
        saver.broken = saver.broken or type(event).__name__ == "NodeEnd"
        seen.append(event)
    assert end_of(seen).outcome == "complete"
    assert "could not be read" in caplog.text
    assert isinstance(saver, BaseCheckpointSaver)


# ------------------------------------------------------------------ a remote graph


class Remote:
    """What a `RemoteGraph` looks like from outside: messages as plain dicts, no channels, no checkpointer."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def stream(self, input: Any, config: Any = None, **how: Any) -> Any:
        self.given.append(input)
        about = {"langgraph_node": "chat", "langgraph_checkpoint_ns": "chat:t1"}
        yield (), "messages", ({"type": "AIMessageChunk", "id": "m1", "content": "remote"}, about)
        yield (), "updates", {"chat": {"messages": [{"type": "ai", "id": "m1", "content": "remote"}]}}

    async def astream(self, input: Any, config: Any = None, **how: Any) -> Any:
        for chunk in self.stream(input, config, **how):
            yield chunk

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        raise TypeError("'NoneType' object is not subscriptable")

    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        return self.get_state(config)


async def test_a_remote_graph_takes_messages_and_is_told_alike() -> None:
    remote = Remote()
    assert (await asyncio.to_thread(run, remote, "hi")).text == "remote"
    assert remote.given == [{"messages": [{"role": "user", "content": "hi"}]}]
    assert (await arun(remote, "hi")).text == "remote"


async def test_a_remote_thread_without_a_checkpoint_is_a_new_one() -> None:
    """RemoteGraph raises TypeError for a thread that has no checkpoint (1.2.22)."""
    assert (await asyncio.to_thread(run, Remote(), "hi", Thread().config)).text == "remote"
    assert (await arun(Remote(), "hi", Thread().config)).text == "remote"


def test_chunks_of_the_models_own_class_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(AIMessageChunk):
        pass

    graph = chatting([Mine(content="own", id="m1"), Mine(content="", id="m1", chunk_position="last")])
    assert said(list(stream(graph, "hi"))) == "own"
