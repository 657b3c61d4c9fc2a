"""A session: one turn at a time, each question answered once, each message taken once, readers that miss nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import operator
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from langwire import Redactor, SessionAdapter, Transcript, approve, check, edit, reject, respond
from langwire.core.codec import encode, jsonable
from langwire.errors import (
    AlreadyAnswered,
    AlreadySubmitted,
    InputTooLarge,
    InterruptOpen,
    InvalidDecision,
    InvalidInput,
    ReaderTooSlow,
    SessionsClosed,
    TurnRunning,
    UnknownPoint,
    UnknownThread,
    UnknownTurn,
    UnsupportedGraph,
    UsageError,
)
from langwire.events import (
    Custom,
    Entry,
    Event,
    Interrupt,
    MessageReplaced,
    MessagesRemoved,
    Progress,
    TextDelta,
    TextStart,
    ToolCallStart,
    ToolResult,
    TurnEnd,
    TurnStart,
)
from langwire.sessions import adapter as adapters
from langwire.sessions import session as sessions_module
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore
from langwire.sessions.turn import Turn
from langwire.testing import Fault, ScriptedModel, faulty, text, tool_call, tool_calls
from langwire.testing.stores import Clock

NEW_LANGCHAIN = pytest.mark.skipif(
    tuple(map(int, version("langchain").split(".")[:2])) < (1, 4), reason="langchain 1.2 cannot do it"
)


# ------------------------------------------------------------------ graphs


class Chat:
    """A graph that repeats what it is told. It counts how many run at once, and waits where `hold` says so."""

    def __init__(self, hold: Fault | None = None, *, saver: Any = None, context_schema: Any = None) -> None:
        self.hold = hold or Fault(at=10**6)
        self.running = self.peak = 0
        self.prompts: list[list[tuple[str, Any]]] = []
        self.contexts: list[Any] = []
        model = ScriptedModel(script=[lambda prompt: text("re: ", prompt[-1].text)])

        async def chat(state: MessagesState, runtime: Runtime[Any]) -> dict[str, Any]:
            self.running += 1
            self.peak = max(self.peak, self.running)
            try:
                self.prompts.append([(message.type, message.content) for message in state["messages"]])
                self.contexts.append(runtime.context)
                await self.hold.ameet()
                return {"messages": [await model.ainvoke(state["messages"])]}
            finally:
                self.running -= 1

        builder = StateGraph(MessagesState, context_schema=context_schema)
        builder.add_node("chat", chat)
        builder.add_edge(START, "chat")
        self.graph = builder.compile(checkpointer=saver)


class Silent(TypedDict):
    answers: Annotated[list[Any], operator.add]


class Asked(MessagesState):
    answers: Annotated[list[Any], operator.add]


def asking(*questions: Any, saver: Any = None, again: Any = None, state: Any = Asked) -> Any:
    """A graph whose nodes ask one question each, at once, and keep the answers; asked again while it is `again`."""

    def node(question: Any) -> Callable[[Any], dict[str, Any]]:
        def ask(_state: Any) -> dict[str, Any]:
            answer = interrupt(question)
            while again is not None and answer == again:
                answer = interrupt(question)
            return {"answers": [answer]}

        return ask

    builder = StateGraph(state)
    for number, question in enumerate(questions):
        builder.add_node(f"ask{number}", node(question))
        builder.add_edge(START, f"ask{number}")
    return builder.compile(checkpointer=saver)


def deciding(hold: Fault, saver: Any = None) -> Any:
    """A graph that asks a question, and meets a fault after the answer, in the same node."""

    async def decide(state: MessagesState) -> dict[str, Any]:
        answer = interrupt("pay?")
        await hold.ameet()
        return {"messages": [("ai", f"decided: {answer}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("decide", decide)
    builder.add_edge(START, "decide")
    return builder.compile(checkpointer=saver)


class Shop:
    """An agent that pays when a person agrees. `paid` is what was paid, `hold` is met before each payment."""

    def __init__(
        self, *sums: int, hold: Fault | None = None, saver: Any = None, allowed: Sequence[str] = (), **mode: Any
    ) -> None:
        self.paid: list[int] = []
        hold = hold or Fault(at=10**6)

        @tool
        async def pay(sum: int) -> str:
            """Pay."""
            await hold.ameet()
            self.paid.append(sum)
            return f"paid {sum}"

        calls = tool_calls(*(tool_call("pay", {"sum": sum}, id=f"call_{sum}") for sum in sums or (7,)))
        may: Any = {"allowed_decisions": list(allowed or ("approve", "edit", "reject"))}
        self.graph = create_agent(
            ScriptedModel(script=[[*text("Let me pay. ")[:1], *calls], text("All ", "done.")]),
            [pay],
            middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": may}, **mode)],
            checkpointer=saver or InMemorySaver(),
        )


# ------------------------------------------------------------------ what tests do


@asynccontextmanager
async def opened(graph: Any, *args: Any, **options: Any) -> AsyncIterator[Session]:
    """Give the session "t" of a graph; at the end its log has to keep the grammar."""
    async with SessionAdapter(graph, *args, **options) as sessions:
        session = sessions.get("t")
        yield session
        turns_of(session)


def entries_of(session: Session) -> list[Entry]:
    return [slot.entry for slot in session.log.take(0)]


def turns_of(session: Session) -> list[list[Event]]:
    """The events of each turn in the log; fails where they break the grammar, or turns overlap."""
    entries = entries_of(session)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    turns: list[list[Event]] = []
    running = False
    for event in (entry.event for entry in entries):
        if isinstance(event, TurnStart):
            assert not running
            turns.append([])
        running = running or isinstance(event, TurnStart)
        if running:
            turns[-1].append(event)
        else:
            assert isinstance(event, MessageReplaced | MessagesRemoved | Custom | Progress), event
        running = running and not isinstance(event, TurnEnd)
    for turn in turns[:-1] if running else turns:
        assert check(turn) == []
    return turns


def of(kind: type[Any], events: Iterable[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def said(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in (await session.history()).transcript.messages]


async def done(turn: Turn, outcome: str = "complete") -> Turn:
    await turn.wait()
    assert turn.outcome == outcome, turn.exception or turn.error
    await turn.ended()
    return turn


async def say(session: Session, given: Any, outcome: str = "complete", **options: Any) -> Turn:
    return await done(await session.submit(given, **options), outcome)


async def answers_of(session: Session) -> list[Any]:
    return (await session.state()).values["answers"]


def refused(results: Iterable[Any]) -> list[str]:
    return sorted(type(result).__name__ for result in results if isinstance(result, BaseException))


# ------------------------------------------------------------------ a message while a turn runs


async def test_five_messages_at_once_are_answered_one_by_one_in_their_order() -> None:
    """F-S4, F-A7: none is lost, none runs beside another, and the history holds all ten messages."""
    chat = Chat()
    async with opened(chat.graph) as session:
        turns = await asyncio.gather(*(session.submit(f"m{n}", when_busy="enqueue") for n in range(5)))
        for turn in turns:
            await done(turn)
        assert chat.peak == 1
        assert await said(session) == [
            pair for n in range(5) for pair in (("user", f"m{n}"), ("assistant", f"re: m{n}"))
        ]
        assert [turn[0].turn_id for turn in turns_of(session)] == [turn.id for turn in turns]


async def test_a_message_is_refused_while_a_turn_runs() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph) as session:
        turn = await session.submit("one")
        await chat.hold.reached
        for policy in (None, "reject"):
            with pytest.raises(TurnRunning, match=turn.id):
                await session.submit("two", when_busy=policy)
        chat.hold.release()
        await done(turn)
        await say(session, "three")
        assert [words for _, words in await said(session)] == ["one", "re: one", "three", "re: three"]


async def test_a_replaced_turn_really_ends_before_the_new_one_and_never_overwrites_its_outcome() -> None:
    """W4, F-S5."""
    hold, stopping = Fault(), Fault()
    running: list[str] = []

    async def chat(state: MessagesState) -> dict[str, Any]:
        words = state["messages"][-1].text
        assert running == []
        running.append(words)
        try:
            await hold.ameet()
        except asyncio.CancelledError:
            await stopping.ameet()
            raise
        finally:
            running.remove(words)
        return {"messages": [f"re: {words}"]}

    builder = StateGraph(MessagesState)
    builder.add_node("chat", chat)
    builder.add_edge(START, "chat")
    async with opened(builder.compile(), store := MemorySessionStore()) as session:
        old = await session.submit("old")
        await hold.reached
        replacing = asyncio.create_task(session.submit("new", when_busy="replace"))
        await stopping.reached
        assert old.state == "running"
        assert [type(event) for event in of(TurnStart | TurnEnd, map(event_of, entries_of(session)))] == [TurnStart]
        stopping.release()
        new = await done(await replacing)
        assert (old.outcome, old.reason) == ("cancelled", "replaced by a newer turn")
        record = await store.get("t")
        assert record is not None
        assert (session.outcome, record.outcome, record.turn_id) == ("complete", "complete", new.id)
        told = of(TurnStart | TurnEnd, map(event_of, entries_of(session)))
        assert [getattr(event, "turn_id", None) or event.outcome for event in told] == [
            old.id,
            "cancelled",
            new.id,
            "complete",
        ]


def event_of(entry: Entry) -> Event:
    return entry.event


async def test_what_waits_is_replaced_too() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph, when_busy="enqueue") as session:
        first, second = await session.submit("one"), await session.submit("two")
        await chat.hold.reached
        third = await done(await session.submit("three", when_busy="replace"))
        assert [turn.outcome for turn in (first, second, third)] == ["cancelled", "cancelled", "complete"]
        assert [turn[0].turn_id for turn in turns_of(session)] == [first.id, second.id, third.id]
        assert "two" not in [words for _, words in await said(session)]


async def test_only_so_many_turns_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "MAX_WAITING", 2)
    chat = Chat(Fault())
    async with opened(chat.graph, when_busy="enqueue") as session:
        turns = [await session.submit(f"m{n}") for n in range(3)]
        with pytest.raises(TurnRunning, match="3 turns run or wait"):
            await session.submit("one too many")
        assert (await session.state()).waiting == 2
        chat.hold.release()
        for turn in turns:
            await done(turn)
        await say(session, "now")


async def test_what_waited_and_may_not_begin_is_told_as_a_failed_turn() -> None:
    shop = Shop()
    async with opened(shop.graph, when_busy="enqueue") as session:
        asked, late = await session.submit("pay"), await session.submit("and?")
        await done(late, "error")
        assert late.error is not None
        assert (asked.outcome, late.error.code, session.outcome) == ("interrupted", "InterruptOpen", "interrupted")
        assert late.error.message == "this was not taken: InterruptOpen"  # the agent has nothing to do with it
        (question,) = session.interrupts  # it is open all the same
        await done(await session.resume({question.id: approve()}))
        assert shop.paid == [7]


# ------------------------------------------------------------------ answering, exactly once


@pytest.mark.parametrize("when_busy", ["reject", "enqueue"])
async def test_a_double_click_pays_once(when_busy: Any) -> None:
    """F-T2, W7: both clicks at once; the second one is refused, or told as a failed turn when it had to wait."""
    shop = Shop()
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        answers = {turn.interrupts[0].id: approve()}
        clicks = (session.resume(answers, when_busy=when_busy) for _ in range(2))
        first, second = await asyncio.gather(*clicks, return_exceptions=True)
        assert isinstance(first, Turn)
        await done(first)
        if when_busy == "reject":
            assert isinstance(second, TurnRunning)
        else:
            assert isinstance(second, Turn)
            await done(second, "error")
        assert shop.paid == [7]


async def test_a_late_click_is_refused() -> None:
    """F-T2, W7."""
    shop = Shop(hold=(hold := Fault()))
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        answers = {turn.interrupts[0].id: approve()}
        resumed = await session.resume(answers)
        await hold.reached
        await session.cancel("before it has paid")
        await done(resumed, "cancelled")
        assert shop.paid == []
        for paid in ([], [7]):
            for late in (answers, {turn.interrupts[0].id: reject()}):
                with pytest.raises(InvalidDecision, match="was answered by somebody"):
                    await session.resume(late)
            assert shop.paid == paid
            await done(await session.continue_())
        assert shop.paid == [7]


@pytest.mark.parametrize("late", ["answer", "get"])
async def test_of_two_adapters_over_one_store_one_answers(late: str) -> None:
    """F-T2: two processes, as far as a session can tell. The slower one hangs on its way to the store."""
    saver, store, hold = InMemorySaver(), MemorySessionStore(), Fault()
    one, other = Shop(saver=saver), Shop(saver=saver)
    slow: Any = faulty(store, hold, late)
    async with opened(one.graph, store) as fast, opened(other.graph, slow) as session:
        turn = await say(fast, "pay", "interrupted")
        answers = {turn.interrupts[0].id: approve()}
        hanging = asyncio.create_task(session.resume(answers))
        await hold.reached
        await done(await fast.resume(answers))
        hold.release()
        with pytest.raises(InvalidDecision):
            await hanging
        assert (one.paid, other.paid) == ([7], [])
        record = await store.get("t")
        assert record is not None
        assert (record.outcome, record.running) == ("complete", False)


async def test_of_many_adapters_that_answer_at_once_one_is_taken() -> None:
    saver, store = InMemorySaver(), MemorySessionStore()
    shops = [Shop(saver=saver) for _ in range(8)]
    adapters = [SessionAdapter(shop.graph, store) for shop in shops]
    sessions = [adapter.get("t") for adapter in adapters]
    turn = await say(sessions[0], "pay", "interrupted")
    clicks = (session.resume({turn.interrupts[0].id: approve()}, decided_by="Ann") for session in sessions)
    results = await asyncio.gather(*clicks, return_exceptions=True)
    (taken,) = (result for result in results if isinstance(result, Turn))
    await done(taken)
    assert refused(results) == ["AlreadyAnswered"] * 7
    assert [paid for shop in shops for paid in shop.paid] == [7]
    for adapter in adapters:
        await adapter.close()


async def test_a_question_that_is_asked_again_is_answered_again() -> None:
    """LangGraph 1.1 asks it under the same id."""
    async with opened(asking("sure?", again="hm")) as session:
        turn = await say(session, {"answers": []}, "interrupted")
        for answer in ("hm", "hm"):
            turn = await done(await session.resume({turn.interrupts[0].id: answer}), "interrupted")
            assert [question.value for question in turn.interrupts] == ["sure?"]
        await done(await session.resume({turn.interrupts[0].id: "yes"}))
        assert await answers_of(session) == ["yes"]


async def test_a_click_meant_for_the_question_before_is_no_answer_to_the_one_after() -> None:
    """It is asked again, by LangGraph 1.1 under the same id, while the click is on its way to the store."""
    saver, store, hold = InMemorySaver(), MemorySessionStore(), Fault()
    graph = asking("sure?", again="hm", saver=saver)
    slow: Any = faulty(store, hold, "answer")
    async with opened(graph, store) as fast, opened(graph, slow) as session:
        turn = await say(fast, {"answers": []}, "interrupted")
        id = turn.interrupts[0].id
        hanging = asyncio.create_task(session.resume({id: "late"}))
        await hold.reached
        again = await done(await fast.resume({id: "hm"}), "interrupted")
        hold.release()
        with pytest.raises(AlreadyAnswered):
            await hanging
        await done(await fast.resume({again.interrupts[0].id: "yes"}))
        assert await answers_of(fast) == ["yes"]


async def test_open_questions_are_answered_all_or_some_of_them_with_partial() -> None:
    async with opened(asking("a?", "b?", "c?")) as session:
        turn = await say(session, {"answers": []}, "interrupted")
        ids = {question.value: question.id for question in turn.interrupts}
        with pytest.raises(InvalidDecision, match=r"2 of 3 open questions were answered.*partial=True"):
            await session.resume({ids["a?"]: 1, ids["b?"]: 2})
        some = await done(await session.resume({ids["b?"]: 2}, partial=True), "interrupted")
        assert sorted(question.value for question in of(Interrupt, [event async for event in some])) == ["a?", "c?"]
        assert sorted(question.value for question in session.interrupts) == ["a?", "c?"]
        with pytest.raises(InvalidDecision, match="was answered by"):
            await session.resume({ids["a?"]: 1, ids["b?"]: 2, ids["c?"]: 3})
        await done(await session.resume({ids["a?"]: 1, ids["c?"]: 3}))
        assert sorted(await answers_of(session)) == [1, 2, 3]


@pytest.mark.parametrize("answer", [None, False, 0, "", "yes", {"a": [1]}, [1, 2]], ids=repr)
async def test_a_plain_answer_comes_as_it_is(answer: Any) -> None:
    async with opened(asking("what?")) as session:
        turn = await say(session, {"answers": []}, "interrupted")
        await done(await session.resume({turn.interrupts[0].id: answer}))
        assert await answers_of(session) == [answer]


BATCH = [approve(), edit({"sum": 20}), reject("too much")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (approve(), "1 decisions came .* expected 3"),
        ([approve(), approve()], "2 decisions came .* expected 3"),
        ([approve(), approve(), respond("no")], r"respond came for action 3 \(pay\)"),
        ([approve(), approve(), {"type": "maybe"}], "decision 'maybe' came"),
        ([approve(), edit("20"), approve()], "edit with a str"),  # pyright: ignore
        ("yes", "1 decisions came"),
    ],
)
async def test_an_answer_that_does_not_fit_leaves_the_question_open(answer: Any, words: str) -> None:
    shop = Shop(1, 2, 3)
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        id = turn.interrupts[0].id
        with pytest.raises(InvalidDecision, match=words):
            await session.resume({id: answer})
        assert [question.id for question in (await session.state()).interrupts] == [id]
        await done(await session.resume({id: BATCH}))
        assert sorted(shop.paid) == [1, 20]


async def test_after_a_pause_nothing_is_told_again_and_a_rejected_call_keeps_its_name() -> None:
    """Lessons 18 and 19."""
    async with opened(Shop(1, 2, 3).graph) as session:
        turn = await say(session, "pay", "interrupted")
        await done(await session.resume({turn.interrupts[0].id: BATCH}))
        before, after = turns_of(session)
        assert len(of(ToolCallStart, before)) == 3
        assert "Let me pay. " in "".join(delta.text for delta in of(TextDelta, before))
        assert of(ToolCallStart, after) == []
        assert "".join(delta.text for delta in of(TextDelta, after)) == "All done."
        results = {result.call_id: result for result in of(ToolResult, after)}
        assert {result.name for result in results.values()} == {"pay"}
        assert [results[f"call_{n}"].status for n in (1, 2, 3)] == ["ok", "ok", "error"]
        assert "too much" in str(results["call_3"].content)


@NEW_LANGCHAIN
async def test_each_call_that_asks_for_itself_is_answered_by_itself() -> None:
    shop = Shop(1, 2, interrupt_mode="per_call")
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        assert [question.kind for question in turn.interrupts] == ["approval_per_call"] * 2
        ids = {question.call_id: question.id for question in turn.interrupts}
        await done(await session.resume({ids["call_1"]: approve()}, partial=True), "interrupted")
        await done(await session.resume({ids["call_2"]: reject("no")}))
        assert shop.paid == [1]


async def test_who_answered_what_and_when_is_kept_while_the_answer_is_on_its_way() -> None:
    shop, store = Shop(hold=Fault()), MemorySessionStore(clock=Clock(1234))
    async with opened(shop.graph, store) as session:
        turn = await say(session, "pay", "interrupted")
        resumed = await session.resume({turn.interrupts[0].id: edit({"sum": 9})}, decided_by="Ann")
        record = await store.get("t")
        assert record is not None
        (answer,) = record.answers
        assert (answer.decided_by, answer.at_ms, answer.decisions) == ("Ann", 1234, ("edit",))
        assert (answer.interrupt_id, answer.turn_id) == (turn.interrupts[0].id, resumed.id)
        await session.cancel()


async def test_a_turn_that_never_began_leaves_what_another_process_was_told_as_it_is() -> None:
    """It is cancelled before it is known where the thread stands; the one that took the answer goes on elsewhere."""
    saver, store, hold = InMemorySaver(), MemorySessionStore(), Fault()
    graph = deciding(hold, saver)
    async with opened(graph, store) as there, opened(graph, store) as here:
        turn = await say(there, "pay", "interrupted")
        id = turn.interrupts[0].id
        goes_on = await there.resume({id: "yes"})
        await hold.reached
        before = await store.get("t")
        sending = asyncio.create_task(here.submit("never mind", when_interrupted="drop"))
        await asyncio.sleep(0)
        await here.cancel()
        await done(await sending, "cancelled")
        assert await store.get("t") == before
        with pytest.raises(AlreadyAnswered):
            await here.resume({id: "no"})
        hold.release()
        await done(goes_on)


@pytest.mark.parametrize("how", ["cancelled", "error"])
async def test_an_answer_whose_run_was_cut_off_stands_and_is_taken_up_by_continuing(how: str) -> None:
    """LangGraph keeps it with the checkpoint, and would pass over any other: a "no" would be paid all the same."""
    hold = Fault(error=RuntimeError("no") if how == "error" else None)
    async with opened(deciding(hold)) as session:
        turn = await say(session, "pay", "interrupted")
        id = turn.interrupts[0].id
        resumed = await session.resume({id: "yes"})
        await hold.reached
        if how == "cancelled":
            await session.cancel()
        await done(resumed, how)
        assert (resumed.interrupts, session.interrupts, (await session.state()).interrupts) == ((), (), ())
        assert (await session.history()).transcript.interrupts == ()
        with pytest.raises(AlreadyAnswered, match=r"was answered by somebody; .* continue_"):
            await session.resume({id: "no"})
        await done(await session.continue_())
        assert (await said(session))[-1] == ("assistant", "decided: yes")


async def test_a_breakpoint_takes_no_answer_and_is_left_by_continuing() -> None:
    chat = Chat()
    graph = chat.graph.copy(update={"interrupt_before_nodes": ["chat"]})
    async with opened(graph) as session:
        turn = await say(session, "hello", "interrupted")
        assert [(question.id, question.kind) for question in turn.interrupts] == [("breakpoint", "breakpoint")]
        with pytest.raises(InvalidDecision):
            await session.resume({"breakpoint": "go"})
        with pytest.raises(InterruptOpen, match="breakpoint"):
            await session.submit("more")
        await done(await session.continue_())
        assert await said(session) == [("user", "hello"), ("assistant", "re: hello")]


async def test_a_breakpoint_is_there_after_a_restart_too() -> None:
    graph = Chat(saver=InMemorySaver()).graph.copy(update={"interrupt_before_nodes": ["chat"]})
    store = MemorySessionStore()
    async with opened(graph, store) as session:
        await say(session, "hello", "interrupted")
    async with opened(graph, store) as session:
        with pytest.raises(InterruptOpen, match="breakpoint"):
            await session.submit("more")
        await done(await session.continue_())
        await say(session, "more", "interrupted")


# ------------------------------------------------------------------ a message while a question is open


async def test_a_message_is_refused_while_a_question_is_open() -> None:
    async with opened(Shop().graph) as session:
        turn = await say(session, "pay", "interrupted")
        with pytest.raises(InterruptOpen, match=turn.interrupts[0].id):
            await session.submit("and?")
        for policy in ("reject", "drop"):  # it would go past the record of who answered what
            with pytest.raises(InvalidInput, match=r"answer with resume\(\)"):
                await session.submit(Command(resume={turn.interrupts[0].id: "yes"}), when_interrupted=policy)
        assert session.interrupts == turn.interrupts


@pytest.mark.parametrize("state", [Asked, Silent])
async def test_a_message_may_answer_a_plain_question(state: Any) -> None:
    """Also that of a graph which takes no messages."""
    async with opened(asking("name?", state=state)) as session:
        await say(session, {"answers": []}, "interrupted")
        turn = await say(session, "Ann", when_interrupted="answer")
        assert turn.cause == "resume"
        assert await answers_of(session) == ["Ann"]


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        pytest.param(("approve", "respond"), "ok", marks=NEW_LANGCHAIN),
        (("approve", "reject"), "error"),
        (("approve",), None),
    ],
)
async def test_a_message_may_stand_for_a_decision_that_is_allowed(allowed: Sequence[str], status: str | None) -> None:
    shop = Shop(1, 2, allowed=allowed)
    async with opened(shop.graph, when_interrupted="answer") as session:
        turn = await say(session, "pay", "interrupted")
        if status is None:
            with pytest.raises(InterruptOpen, match="expected approve"):
                await session.submit("ask Bob first")
            assert session.interrupts == turn.interrupts
            return
        answered = await say(session, "ask Bob first")
        results = of(ToolResult, [event async for event in answered])
        assert [result.status for result in results] == [status] * 2
        assert all("ask Bob first" in str(result.content) for result in results)
        assert shop.paid == []


async def test_a_message_is_no_answer_to_several_questions() -> None:
    async with opened(asking("a?", "b?"), when_interrupted="answer") as session:
        await say(session, {"answers": []}, "interrupted")
        with pytest.raises(InterruptOpen, match="2 questions"):
            await session.submit("yes")


async def test_a_question_may_be_dropped_for_a_message() -> None:
    shop = Shop()
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        dropping = await say(session, "never mind", when_interrupted="drop")
        assert (dropping.interrupts, shop.paid) == ((), [])
        with pytest.raises(InvalidDecision):
            await session.resume({turn.interrupts[0].id: approve()})
        assert shop.paid == []


# ------------------------------------------------------------------ what is sent


async def test_a_message_with_the_same_client_id_is_taken_once() -> None:
    chat, store = Chat(), MemorySessionStore()
    async with opened(chat.graph, store) as session:
        turns = await asyncio.gather(*(session.submit("hello", client_message_id="c1") for _ in range(3)))
        assert len(set(turns)) == 1
        await done(turns[0])
        assert await session.submit("hello", client_message_id="c1") is turns[0]
        await say(session, "next", client_message_id="c2")
        await say(session, "and next")
        with pytest.raises(AlreadySubmitted) as raised:
            await session.submit("hello", client_message_id="c1")
        assert raised.value.turn_id == turns[0].id
    async with opened(chat.graph, store) as session:  # as after a restart
        with pytest.raises(AlreadySubmitted) as raised:
            await session.submit("hello", client_message_id="c1")
        assert raised.value.turn_id == turns[0].id
    assert len(chat.prompts) == 3


async def test_a_message_that_was_refused_may_be_sent_again_under_its_id() -> None:
    async with opened(Shop().graph) as session:
        turn = await say(session, "pay", "interrupted", client_message_id="c1")
        with pytest.raises(InterruptOpen):
            await session.submit("never mind", client_message_id="c2")
        again = await say(session, "never mind", client_message_id="c2", when_interrupted="drop")
        assert again is not turn
        assert ("user", "never mind") in await said(session)


async def test_context_lines_stay_apart_from_what_the_person_said() -> None:
    chat = Chat()
    async with opened(chat.graph) as session:
        turn = await say(session, "What is this?", context_lines=["file: a.py", "line: 3"])
        assert chat.prompts == [[("human", "file: a.py\nline: 3"), ("human", "What is this?")]]
        assert await said(session) == [
            ("context", "file: a.py\nline: 3"),
            ("user", "What is this?"),
            ("assistant", "re: What is this?"),
        ]
        assert turn.result.text == "re: What is this?"
        assert (await session.state()).title == "What is this?"


@dataclass
class Place:
    city: str = ""
    zip: str = ""


class TypedPlace(TypedDict, total=False):
    city: str
    zip: str


class PlaceModel(BaseModel):
    city: str = ""
    zip: str = ""


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (Place, Place(city="Rome")),
        (TypedPlace, {"city": "Rome"}),
        (PlaceModel, PlaceModel(city="Rome")),
        (None, {"city": "Rome", "thread_id": "t"}),
    ],
)
async def test_a_context_holds_what_the_graph_declares(
    schema: Any, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Lesson 46: a key that the graph's schema does not know is left out, and said so in the log."""
    chat = Chat(context_schema=schema)
    async with opened(chat.graph) as session:
        with caplog.at_level(logging.WARNING, "langwire"):
            await say(session, "hello", context={"city": "Rome", "thread_id": "t"})
    assert chat.contexts == [expected]
    assert ("thread_id was left out" in caplog.text) is (schema is not None)


@pytest.mark.parametrize(("config", "steps"), [(None, 4), ({"recursion_limit": 6}, 6)])
async def test_the_recursion_limit_is_the_graphs_own_or_the_callers(config: Any, steps: int) -> None:
    """Lesson 45."""
    ran: list[int] = []
    builder = StateGraph(Asked)
    builder.add_node("again", lambda state: ran.append(1) or {"answers": [1]})
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    async with opened(builder.compile().with_config(recursion_limit=4)) as session:
        turn = await say(session, {"answers": []}, "error", config=config)
        assert turn.error is not None
        assert (turn.error.code, len(ran)) == ("GraphRecursionError", steps)


async def test_the_callers_graph_stays_as_it_is() -> None:
    """Lesson 40, W28."""
    chat = Chat()
    before = dict(vars(chat.graph))
    async with opened(chat.graph, config={"tags": ["mine"]}) as session:
        await say(session, "hello")
    assert vars(chat.graph) == before
    assert chat.graph.checkpointer is None


async def test_two_adapters_in_one_process_do_not_see_each_other() -> None:
    chat = Chat()
    async with opened(chat.graph) as one, opened(chat.graph) as other:
        await say(one, "hello")
        assert (other.log.last, other.outcome) == (0, None)
        with pytest.raises(UnknownThread):
            await other.history()
        await say(other, "ciao")
        assert [words for _, words in await said(one)] == ["hello", "re: hello"]


IMAGE = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("hello", [("human", "hello")]),
        ([{"type": "text", "text": "hello"}], [("human", [{"type": "text", "text": "hello"}])]),
        ([IMAGE, {"type": "text", "text": "what?"}], [("human", [IMAGE, {"type": "text", "text": "what?"}])]),
        ([IMAGE], [("human", [IMAGE])]),
        (HumanMessage("hello"), [("human", "hello")]),
        ([("system", "be kind"), HumanMessage("hello")], [("system", "be kind"), ("human", "hello")]),
        ({"role": "user", "content": "hello"}, [("human", "hello")]),
        ({"messages": [("user", "hello")]}, [("human", "hello")]),
        (Command(update={"messages": [HumanMessage("hello", id="m1")]}), [("human", "hello")]),
    ],
)
async def test_what_can_be_sent_comes_to_the_graph(given: Any, prompt: list[tuple[str, Any]]) -> None:
    chat = Chat()
    async with opened(chat.graph) as session:
        turn = await say(session, given)
        assert chat.prompts[0] == prompt
        assert turn.cause == "message"


# ------------------------------------------------------------------ what is refused

HUGE = "x" * 30_000_000


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda s: s.submit(""), InvalidInput, "empty message"),
        (lambda s: s.submit(" \n\t"), InvalidInput, "empty message"),
        (lambda s: s.submit([]), InvalidInput, "empty list"),
        (lambda s: s.submit([{"type": "text", "text": " "}]), InvalidInput, "without any content"),
        (lambda s: s.submit([{"type": "hologram", "data": 1}]), InvalidInput, r"unknown kind came \(hologram\)"),
        (lambda s: s.submit(HUGE), InputTooLarge, "300000.. bytes came: expected 8388608"),
        (lambda s: s.submit([("user", HUGE)]), InputTooLarge, "max_input_bytes"),
        (lambda s: s.submit("x", context_lines=[HUGE]), InputTooLarge, "max_input_bytes"),
        (lambda s: s.submit({"nonsense": 1}), InvalidInput, "expected messages"),
        (lambda s: s.submit({"messages": []}, context_lines=["a"]), InvalidInput, "context lines came"),
        (lambda s: s.submit("x", context_lines="a line"), InvalidInput, "one string"),
        (lambda s: s.submit("x", when_busy="later"), UsageError, "'later' came as a policy"),
        (lambda s: s.submit("x", when_interrupted="later"), UsageError, "'later' came as a policy"),
        (lambda s: s.submit("x", stream_mode="values"), UsageError, "stream_mode"),
        (lambda s: s.submit("x", colour="red"), UsageError, "unknown keyword colour"),
        (lambda s: s.resume({}), InvalidDecision, "nothing is open"),
        (lambda s: s.resume({"a": approve()}), InvalidDecision, "nothing is open on thread 't'"),
        (lambda s: s.continue_(), InvalidInput, "holds nothing to go on with"),
        (lambda s: s.cancel(turn_id="foreign"), UnknownTurn, "turn 'foreign' does not run on thread 't'"),
        (lambda s: s.fork("m1"), UnknownPoint, "no message and no checkpoint 'm1'"),
        (lambda s: s.history(), UnknownThread, "nothing is known of thread 't'"),
        (lambda s: s.state(), UnknownThread, "nothing is known of thread 't'"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_name_and_leaves_nothing(
    ask: Callable[[Session], Any], error: type[Exception], words: str
) -> None:
    """The bad inputs, on a thread of which nothing is known: it is as unknown afterwards."""
    store = MemorySessionStore()
    async with opened(Chat().graph, store) as session:
        with pytest.raises(error, match=words):
            await ask(session)
        assert (session.log.last, session.outcome, await store.get("t")) == (0, None, None)
        await say(session, "hello")


def test_what_is_no_graph_and_no_thread_id_is_refused() -> None:
    for given in (None, StateGraph(MessagesState)):
        with pytest.raises(UnsupportedGraph):
            SessionAdapter(given)  # type: ignore[arg-type]
    for id in ("", None, 7):
        with pytest.raises(UsageError, match="thread id came as"):
            SessionAdapter(Chat().graph).get(id)  # type: ignore[arg-type]


# ------------------------------------------------------------------ history, and reading on from it


def conversation(events: Iterable[Event]) -> list[tuple[str, Any]]:
    """What a page shows that folds these events: each message, whoever said it, then the calls with their results."""
    events = list(events)
    whole = Transcript.of(events)
    texts = {message.message_id: (message.role, message.text) for message in whole.messages}
    shown: list[tuple[str, Any]] = []
    for event in events:
        if isinstance(event, TurnStart):
            shown += [("user", message["content"]) for message in (event.input or {}).get("messages", ())]
        elif isinstance(event, TextStart):
            shown.append(texts[event.message_id])
    return shown + [(call.id, call.result and call.result.content) for call in whole.calls]


async def test_whoever_joins_at_any_event_of_a_turn_reads_the_whole_conversation_once() -> None:
    """History up to the turn that runs, then its events: nothing is lost and nothing comes twice."""
    joined: list[asyncio.Task[list[Event]]] = []

    async def join() -> list[Event]:
        history = await session.history()
        async with session.subscribe(history.position) as reader:
            assert reader.reset is None
            return [*history.events, *[entry.event async for entry in reader]]

    @asynccontextmanager
    async def joining(turn: Turn) -> AsyncIterator[Callable[[Event], None]]:
        yield lambda event: joined.append(asyncio.create_task(join()))
        joined.append(asyncio.create_task(join()))

    async with SessionAdapter(Shop(1, 2).graph, middleware=[joining]) as sessions:
        session = sessions.get("t")
        turn = await say(session, "pay", "interrupted")
        await done(await session.resume({turn.interrupts[0].id: [approve(), reject("no")]}))
        await say(session, "thanks")
        whole = await session.history()
        assert len(joined) == session.log.last + 3
        session.log.close("the end")
        read = await asyncio.gather(*joined)
    expected = conversation(whole.events)
    assert [role for role, _ in expected] == ["user", "assistant", "assistant", "user", "assistant", "call_1", "call_2"]
    assert all(result for _, result in expected)
    assert [conversation(events) for events in read] == [expected] * len(read)


async def test_a_turn_that_begins_while_history_is_read_is_told_once() -> None:
    hold = Fault(at=10**6)
    saver: Any = faulty(InMemorySaver(), hold, "aget_tuple")
    async with opened(Chat(saver=saver).graph) as session:
        await say(session, "one")
        hold.at = hold.calls + 1
        reading = asyncio.create_task(session.history())
        await hold.reached
        await say(session, "two")
        hold.release()
        history = await reading
        live = [entry.event for entry in entries_of(session)][int(history.position.rpartition(":")[2]) :]
        assert conversation([*history.events, *live]) == [
            ("user", "one"),
            ("assistant", "re: one"),
            ("user", "two"),
            ("assistant", "re: two"),
        ]


async def test_history_holds_what_was_before_the_turn_that_runs_and_what_it_was_given_comes_with_it() -> None:
    chat = Chat(Fault(at=2))
    async with opened(chat.graph) as session:
        await say(session, "one")
        turn = await session.submit("two")
        await chat.hold.reached
        history = await session.history()
        assert [message.text for message in history.transcript.messages] == ["one", "re: one"]
        assert history.transcript.outcome == "complete", "that of the turn before"
        first = await anext(session.subscribe(history.position))
        assert first.event == turns_of(session)[1][0]
        chat.hold.release()
        await done(turn)
        assert [words for _, words in await said(session)] == ["one", "re: one", "two", "re: two"]


async def test_a_thread_that_went_back_to_its_beginning_asks_nothing() -> None:
    async with opened(Chat().graph) as session:
        await say(session, "one")
        await session.fork(next(iter((await session.state()).messages)))
        history = await session.history()
        assert (history.transcript.outcome, history.transcript.interrupts) == ("complete", ())
        assert check(history.events) == []


async def test_history_is_whole_while_a_turn_ends_that_was_stopped_before_its_time_had_come() -> None:
    """Such a turn has begun in the log and read no checkpoint: that does not make the thread a new one."""
    ending, going_on = asyncio.Event(), asyncio.Event()

    class Slow(MemorySessionStore):
        async def withdraw(self, thread_id: str, turn_id: str) -> None:
            ending.set()
            await going_on.wait()
            await super().withdraw(thread_id, turn_id)

    chat = Chat(Fault())
    async with SessionAdapter(chat.graph, Slow()) as sessions:
        session = sessions.get("thread")
        first = await session.submit("one")
        await chat.hold.reached
        second = await session.submit("two", when_busy="enqueue")
        second.stop()
        chat.hold.release()
        await first.wait()
        await ending.wait()
        history = await session.history()
        assert [message.text for message in history.transcript.messages] == ["one", "re: one"]
        assert history.position == f"{session.log.id}:{len(turns_of(session)[0])}"
        going_on.set()
        await second.ended()


@pytest.mark.parametrize("how", ["cancelled", "error", "timeout"])
async def test_history_keeps_what_was_said_in_a_turn_that_was_cut_off(how: str) -> None:
    hold = Fault(error=RuntimeError("no") if how == "error" else None)
    async with opened(Chat(hold).graph, timeout=0.05 if how == "timeout" else None) as session:
        turn = await session.submit("one")
        await hold.reached
        if how == "cancelled":
            await session.cancel("enough")
        await done(turn, how)
        history = await session.history()
        assert [(message.role, message.text) for message in history.transcript.messages] == [("user", "one")]
        assert (history.transcript.outcome, history.transcript.interrupts) == (how, ())
        assert check(history.events) == []
        await done(await session.continue_())
        assert await said(session) == [("user", "one"), ("assistant", "re: one")]


async def test_history_has_the_open_questions() -> None:
    async with opened(Shop().graph) as session:
        turn = await say(session, "pay", "interrupted")
        history = await session.history()
        assert history.transcript.interrupts == turn.interrupts
        assert history.transcript.outcome == "interrupted"
        assert check(history.events) == []


async def test_the_state_says_where_a_thread_stands() -> None:
    chat, store = Chat(Fault(at=2)), MemorySessionStore()
    async with opened(chat.graph, store) as session:
        first = await say(session, "one", principal="ann")
        state = await session.state()
        assert (state.running, state.waiting, state.unfinished) == (None, 0, False)
        assert (state.outcome, state.error, state.interrupts, state.next) == ("complete", None, (), ())
        assert (state.owner, state.title, state.position) == ("ann", "one", session.log.position)
        assert state.checkpoint_id == first.checkpoint_id
        assert [message.text for message in state.values["messages"]] == ["one", "re: one"]
        turn = await session.submit("two")
        await session.submit("three", when_busy="enqueue")
        await chat.hold.reached
        state = await session.state()
        assert (state.running, state.waiting, state.outcome, session.outcome) == (turn.id, 1, None, None)
        chat.hold.release()
        await done(turn)


# ------------------------------------------------------------------ going back


def counting(saver: Any = None) -> Any:
    """An agent that looks something up for each question; it counts its answers, so that each one is new."""
    answers = iter(range(100))
    looked: list[str] = []

    @tool
    def look(what: str) -> str:
        """Look."""
        looked.append(what)
        return f"saw {what} {len(looked)}"

    def step(prompt: list[Any]) -> Any:
        last = prompt[-1]
        if last.type == "human" and last.text.startswith("look"):
            return tool_call("look", {"what": last.text}, id=f"call_{next(answers)}")
        return text(f"answer {next(answers)} to {last.text}")

    return create_agent(ScriptedModel(script=[step]), [look], checkpointer=saver or InMemorySaver())


async def ids_of(session: Session) -> dict[str, str]:
    """Message ids by what the messages say; calls by their name, results by their call."""
    messages = (await session.state()).values["messages"]
    return {message.text or message.tool_calls[0]["name"]: message.id for message in messages}


@pytest.mark.parametrize(
    ("point", "kept", "then"),
    [
        ("answer 0 to a", ["a"], ["a", "answer 9 to a"]),
        ("answer 1 to b", ["a", "answer 0 to a", "b"], ["a", "answer 0 to a", "b", "answer 9 to b"]),
    ],
)
async def test_an_answer_is_made_anew_from_the_message_before_it(point: str, kept: list[str], then: list[str]) -> None:
    """Regenerate; whoever reads is told which messages are gone."""
    async with opened(counting()) as session:
        for words in ("a", "b", "c"):
            await say(session, words)
        ids = await ids_of(session)
        reader = session.subscribe()
        checkpoint_id = await session.fork(ids[point])
        told = (await anext(reader)).event
        assert told == MessagesRemoved(ids=tuple(id for words, id in ids.items() if words not in kept))
        assert [words for _, words in await said(session)] == kept
        assert (await session.state()).checkpoint_id == checkpoint_id
        turn = await done(await session.continue_())
        assert turn.checkpoint_before == checkpoint_id
        assert [words.replace("3", "9") for _, words in await said(session)] == then


@pytest.mark.parametrize("point", ["a", "b", "c"])
async def test_a_message_is_edited_by_going_back_to_before_it(point: str) -> None:
    before = ["a", "b", "c"][: "abc".index(point)]
    async with opened(counting()) as session:
        for words in ("a", "b", "c"):
            await say(session, words)
        for edited in ("x", "y"):  # twice in a row
            await session.fork((await ids_of(session))[point])
            assert [words for role, words in await said(session) if role == "user"] == before
            await say(session, edited)
            assert [words for role, words in await said(session) if role == "user"] == [*before, edited]
            point = edited
        assert (await session.history()).transcript.messages[-1].text.endswith("to y")


async def test_a_tool_runs_again_only_when_its_result_is_gone() -> None:
    async with opened(counting()) as session:
        await say(session, "look here")
        for point, saw, answer in (
            ("answer 1 to saw look here 1", "saw look here 1", "answer 2 to saw look here 1"),
            ("saw look here 1", "saw look here 2", "answer 3 to saw look here 2"),
            ("look", "saw look here 3", "answer 5 to saw look here 3"),
        ):
            await session.fork((await ids_of(session))[point])
            await done(await session.continue_())
            assert list(await ids_of(session)) == ["look here", "look", saw, answer]


async def test_a_thread_goes_back_to_a_checkpoint() -> None:
    async with opened(counting()) as session:
        first = await say(session, "a")
        await say(session, "b")
        assert first.checkpoint_id is not None
        await session.fork(first.checkpoint_id)
        assert [words for _, words in await said(session)] == ["a", "answer 0 to a"]
        await say(session, "c")
        assert [words for _, words in await said(session)] == ["a", "answer 0 to a", "c", "answer 2 to c"]


async def test_a_question_that_was_gone_back_from_is_not_open() -> None:
    shop = Shop()
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        await session.fork((await ids_of(session))["Let me pay. "])
        assert session.interrupts == ()
        assert (await session.state()).interrupts == ()
        with pytest.raises(InvalidDecision, match="nothing is open"):
            await session.resume({turn.interrupts[0].id: approve()})
        again = await done(await session.continue_(), "interrupted")
        await done(await session.resume({again.interrupts[0].id: approve()}))
        assert shop.paid == [7]


async def test_a_question_that_was_gone_back_to_is_asked_anew() -> None:
    """Its answer belongs to the first asking."""
    shop = Shop()
    async with opened(shop.graph) as session:
        turn = await say(session, "pay", "interrupted")
        assert turn.checkpoint_id is not None
        await done(await session.resume({turn.interrupts[0].id: approve()}))
        await session.fork(turn.checkpoint_id)
        again = await done(await session.continue_(), "interrupted")
        await done(await session.resume({again.interrupts[0].id: reject("not twice")}))
        assert shop.paid == [7]


@pytest.mark.parametrize("point", ["pay", "Let me pay. "])
async def test_a_message_is_taken_after_going_back_from_a_question(point: str) -> None:
    """No breakpoint is open there, though nodes would run next."""
    async with opened(Shop().graph) as session:
        await say(session, "pay", "interrupted")
        await session.fork((await ids_of(session))[point])
        await say(session, "never mind", "interrupted")


async def test_a_branch_that_was_left_is_no_point_of_the_thread_any_more() -> None:
    """Its messages could not be told again to whoever reads."""
    async with opened(counting()) as session:
        turn = await say(session, "a")
        await session.fork((await ids_of(session))["answer 0 to a"])
        await done(await session.continue_())
        assert turn.checkpoint_id is not None
        with pytest.raises(UnknownPoint):
            await session.fork(turn.checkpoint_id)
        assert [words for _, words in await said(session)] == ["a", "answer 1 to a"]


async def test_a_thread_does_not_go_back_while_a_turn_runs_nor_takes_one_while_it_goes_back() -> None:
    saver, hold = InMemorySaver(), Fault(at=1)
    chat = Chat(Fault(at=2), saver=saver)
    async with opened(chat.graph) as session:
        await say(session, "one")
        turn = await session.submit("two")
        await chat.hold.reached
        message_id = (await session.history()).transcript.messages[0].message_id
        with pytest.raises(TurnRunning):
            await session.fork(message_id)
        chat.hold.release()
        await done(turn)
    slow: Any = faulty(saver, hold, "aput")
    async with opened(Chat(saver=slow).graph) as session:
        going = asyncio.create_task(session.fork(message_id))
        await hold.reached
        for policy in ("reject", "enqueue", "replace"):
            with pytest.raises(TurnRunning, match="goes back"):
                await session.submit("three", when_busy=policy)
        with pytest.raises(TurnRunning):
            await session.fork(message_id)
        hold.release()
        await going
        await say(session, "three")
        assert await said(session) == [("user", "three"), ("assistant", "re: three")]


# ------------------------------------------------------------------ stopping


async def test_a_turn_is_stopped_by_its_id_and_by_no_other() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph) as session:
        assert await session.cancel() is True
        turn = await session.submit("one")
        await chat.hold.reached
        with pytest.raises(UnknownTurn, match="turn 'foreign' does not run"):
            await session.cancel(turn_id="foreign")
        assert turn.state == "running"
        assert await session.cancel("enough", turn_id=turn.id) is True
        await done(turn, "cancelled")
        assert (turn.reason, session.outcome) == ("enough", "cancelled")
        assert await session.cancel(turn_id=turn.id) is True  # it has just ended
        await say(session, "two")
        with pytest.raises(UnknownTurn):
            await session.cancel(turn_id=turn.id)


async def test_one_that_waits_is_stopped_by_its_id_and_the_others_go_on() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph, when_busy="enqueue") as session:
        turns = [await session.submit(words) for words in ("one", "two", "three")]
        await chat.hold.reached
        assert await session.cancel(turn_id=turns[1].id) is True
        chat.hold.release()
        assert [(await turn.wait()).outcome for turn in turns] == ["complete", "cancelled", "complete"]
        assert [words for role, words in await said(session) if role == "user"] == ["one", "three"]


# ------------------------------------------------------------------ the list of threads


async def test_threads_are_listed_by_owner_in_pages_the_last_used_first() -> None:
    clock = Clock()
    async with SessionAdapter(Chat().graph, MemorySessionStore(clock=clock)) as sessions:
        for number in range(5):
            clock.now += 1000
            owner = "ann" if number % 2 == 0 else "bob"
            turn = await sessions.get(f"t{number}").submit(f"hello {number}\nand more", principal=owner)
            await turn.wait()
        clock.now += 1000
        await (await sessions.get("t0").submit("again", principal="bob")).wait()
        page = await sessions.list(limit=3)
        rest = await sessions.list(limit=3, before=page.before)
        assert [[record.thread_id for record in part.records] for part in (page, rest)] == [
            ["t0", "t4", "t3"],
            ["t2", "t1"],
        ]
        assert rest.before is None
        anns = await sessions.list(owner="ann")
        assert {(record.thread_id, record.owner, record.title) for record in anns.records} == {
            (f"t{n}", "ann", f"hello {n}") for n in (0, 2, 4)
        }


async def test_a_thread_is_deleted_everywhere_while_its_turn_runs() -> None:
    chat, store = Chat(Fault(), saver=(saver := InMemorySaver())), MemorySessionStore()
    async with SessionAdapter(chat.graph, store) as sessions:
        session = sessions.get("t")
        turn = await session.submit("one")
        waiting = await session.submit("two", when_busy="enqueue")
        reader = session.subscribe(0)
        await chat.hold.reached
        await sessions.delete("t")
        assert (turn.outcome, turn.reason, waiting.outcome) == ("cancelled", "the thread was deleted", "cancelled")
        assert [type(entry.event) async for entry in reader][-1] is TurnEnd
        assert reader.closed == "deleted"
        assert (await store.get("t"), list(saver.list({"configurable": {"thread_id": "t"}}))) == (None, [])
        for ask in (sessions.get("t").history, sessions.get("t").state):
            with pytest.raises(UnknownThread):
                await ask()
        with pytest.raises(UnknownThread, match="nothing is known of thread 't'"):
            await sessions.delete("t")
        anew = sessions.get("t")
        assert anew is not session
        await say(anew, "three")
        assert await said(anew) == [("user", "three"), ("assistant", "re: three")]


async def test_threads_that_were_long_unused_are_deleted_and_those_that_run_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, chat = Clock(), Chat(Fault(at=3))
    monkeypatch.setattr(adapters, "now_ms", clock)
    async with SessionAdapter(chat.graph, store := MemorySessionStore(clock=clock)) as sessions:
        for thread_id in ("old", "older"):
            await say(sessions.get(thread_id), "hello")
        running = await sessions.get("runs").submit("hello")
        await chat.hold.reached
        clock.now += 60_000
        chat.hold.release()  # the third goes on, and is used now
        await done(running)
        chat.hold = Fault()
        still = await sessions.get("old").submit("again")
        await chat.hold.reached
        clock.now += 10_000
        assert await sessions.purge(100) == 0
        assert await sessions.purge(30) == 1
        assert await store.get("older") is None
        assert await store.get("old") is not None
        clock.now += 60_000
        assert await sessions.purge(30) == 1  # "old" runs still, whatever its age
        chat.hold.release()
        await done(still)
        assert [words for role, words in await said(sessions.get("old")) if role == "user"] == ["hello", "again"]


# ------------------------------------------------------------------ what others tell


async def test_what_another_thread_of_the_program_pushes_arrives_at_once() -> None:
    """W25: nothing has to tick for it."""
    async with SessionAdapter(Chat().graph) as sessions:
        reader = sessions.get("t").subscribe()
        reading = asyncio.create_task(anext(reader))
        await asyncio.sleep(0)  # the reader waits now
        thread = threading.Thread(target=sessions.push, args=("t", Progress(text="half", percent=50)))
        thread.start()
        entry = await reading
        await asyncio.to_thread(thread.join)
        assert entry.event == Progress(text="half", percent=50)
        for event in (TextDelta(id="a", text="b"), TurnEnd(outcome="complete"), "text"):
            with pytest.raises(UsageError, match=f"a {type(event).__name__} cannot be pushed: expected Custom"):
                sessions.push("t", event)  # type: ignore[arg-type]
        assert sessions.get("t").log.last == 1


async def test_what_is_pushed_while_a_turn_runs_lies_between_its_events() -> None:
    chat = Chat(Fault())
    async with SessionAdapter(chat.graph) as sessions:
        turn = await sessions.get("t").submit("one")
        await chat.hold.reached
        entry = sessions.push("t", Custom(data=1))
        chat.hold.release()
        assert [event for event in [event async for event in turn] if event == entry.event] == [entry.event]
        assert turn.outcome == "complete"


# ------------------------------------------------------------------ memory


class Timer:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Timer]:
    timer = Timer()
    monkeypatch.setattr(adapters, "monotonic", timer)
    gc.collect()
    gc.freeze()  # what is there already need not be looked at by each `collect`
    yield timer
    gc.unfreeze()


def logs_of(sessions: SessionAdapter, *ids: str) -> list[str]:
    gc.collect()
    return [sessions.get(id).log.id for id in ids]


async def used(sessions: SessionAdapter, *ids: str) -> list[str]:
    """Run a turn on each thread; return the ids of their logs."""
    for id in ids:
        await say(sessions.get(id), "hello")
    return logs_of(sessions, *ids)


async def test_the_sessions_longest_unused_are_forgotten_when_there_are_too_many(timer: Timer) -> None:
    async with SessionAdapter(Chat().graph, max_sessions=2) as sessions:
        a, b = await used(sessions, "a", "b")
        (again,) = await used(sessions, "a")
        assert again == a
        await used(sessions, "c")
        assert logs_of(sessions, "a") == [a]
        assert logs_of(sessions, "b") != [b]
        assert len(await said(sessions.get("b"))) == 2  # what was said is not forgotten


async def test_sessions_are_forgotten_by_age(timer: Timer) -> None:
    async with SessionAdapter(Chat().graph, max_idle=100) as sessions:
        a, b = await used(sessions, "a", "b")
        timer.now = 99
        await used(sessions, "b")
        timer.now = 101
        await used(sessions, "c")
        assert logs_of(sessions, "b") == [b]
        assert logs_of(sessions, "a") != [a]


async def test_sessions_are_forgotten_by_bytes(timer: Timer) -> None:
    async with SessionAdapter(Chat().graph, max_bytes=200_000) as sessions:
        a, b = await used(sessions, "a", "b")
        for _ in range(10):
            sessions.push("b", Custom(data="x" * 19_000))
        timer.now = 10
        sessions.push("c", Custom(data=0))
        assert logs_of(sessions, "a") != [a]
        assert logs_of(sessions, "b") == [b]


async def test_what_runs_is_read_or_is_held_is_not_forgotten(timer: Timer) -> None:
    chat = Chat()
    async with SessionAdapter(chat.graph, max_sessions=1, max_idle=10) as sessions:
        (a,) = await used(sessions, "a")
        reader = sessions.get("a").subscribe()
        held = sessions.get("held")
        await used(sessions, "held")
        chat.hold = Fault()
        running = await sessions.get("runs").submit("hello")
        await chat.hold.reached
        timer.now = 1000
        await used(sessions, "b", "c")
        assert logs_of(sessions, "a") == [a]
        assert sessions.get("held") is held
        assert sessions.get("runs").turn is running
        chat.hold.release()
        await done(running)
        reader.close()
        del reader
        timer.now = 2000
        await used(sessions, "d")
        assert logs_of(sessions, "a") != [a]


async def test_a_session_that_only_was_looked_for_takes_no_memory() -> None:
    """F-S3: junk ids."""
    async with SessionAdapter(Chat().graph) as sessions:
        seen = [weakref.ref(sessions.get(f"junk {n}")) for n in range(1000)]
        for n in range(100):
            with pytest.raises(UnknownThread):
                await sessions.get(f"junk {n}").state()
        gc.collect()
        assert [ref for ref in seen if ref() is not None] == []


def test_a_thread_never_has_two_sessions() -> None:
    """Also when many threads of the program ask for it at once."""
    sessions = SessionAdapter(Chat().graph)
    for n in range(50):
        start = threading.Barrier(8)
        found: list[Session] = []

        def look(id: str = f"t{n}", start: threading.Barrier = start, found: list[Session] = found) -> None:
            start.wait()
            found.append(sessions.get(id))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1


# ------------------------------------------------------------------ the end


async def test_closing_ends_readers_and_turns_and_takes_nothing_more() -> None:
    chat = Chat(Fault())
    sessions = SessionAdapter(chat.graph, store := MemorySessionStore(), when_busy="enqueue")
    session = sessions.get("t")
    running, waiting = await session.submit("one"), await session.submit("two")
    readers = [session.subscribe(0), sessions.get("other").subscribe()]
    reading = [asyncio.create_task(collected(reader)) for reader in readers]
    await chat.hold.reached
    await sessions.close()
    assert [turn.outcome for turn in (running, waiting)] == ["cancelled", "cancelled"]
    assert running.reason == "the sessions were closed"
    told, nothing = await asyncio.gather(*reading)
    assert isinstance(told[-1], TurnEnd)
    assert (nothing, [reader.closed for reader in readers]) == ([], ["closed", "closed"])
    assert chat.running == 0
    record = await store.get("t")
    assert record is not None
    assert (record.running, record.outcome) == (False, "cancelled")
    for ask in (session.submit("three"), session.continue_(), session.resume({"a": 1}), session.fork("m")):
        with pytest.raises(SessionsClosed):
            await ask
    with pytest.raises(SessionsClosed):
        sessions.push("t", Custom(data=1))
    assert len(turns_of(session)) == 2
    await sessions.close()  # without effect the second time


async def collected(reader: Any) -> list[Event]:
    return [entry.event async for entry in reader]


async def test_going_back_to_before_the_first_message_leaves_nothing_to_go_on_with() -> None:
    async with opened(Chat().graph) as session:
        await say(session, "hello")
        await session.fork((await ids_of(session))["hello"])
        with pytest.raises(InvalidInput, match="holds nothing to go on with"):
            await session.continue_()
        await say(session, "hi instead")
        assert await said(session) == [("user", "hi instead"), ("assistant", "re: hi instead")]


async def test_who_decided_and_when_is_kept_after_the_turn() -> None:
    """T-8."""
    store = MemorySessionStore()
    async with opened(Shop().graph, store) as session:
        turn = await say(session, "pay", "interrupted")
        answers = {turn.interrupts[0].id: approve()}
        await done(await session.resume(answers, decided_by="ann"))
        record = await store.get("t")
        assert record is not None
        (answer,) = record.answered
        assert (answer.interrupt_id, answer.decisions, answer.decided_by) == (
            turn.interrupts[0].id,
            ("approve",),
            "ann",
        )
        assert answer.at_ms >= record.created_ms
        with pytest.raises(AlreadyAnswered, match="was answered by ann"):
            await session.resume(answers)


# ------------------------------------------------------------------ what a thread survives


async def test_a_message_that_langchain_cannot_read_never_reaches_the_checkpoint() -> None:
    """There it would fail every later read of the thread."""
    async with opened(Chat().graph) as session:
        await say(session, "fine")
        for given in ([{"role": "zz", "content": "x"}], {"messages": [{"role": "zz", "content": "x"}]}):
            with pytest.raises(InvalidInput, match="LangChain cannot read"):
                await session.submit(given)
        await say(session, "fine again")
        assert [words for role, words in await said(session) if role == "user"] == ["fine", "fine again"]


async def test_a_refused_message_in_the_queue_leaves_a_breakpoint_as_it_is() -> None:
    graph = Chat().graph.copy(update={"interrupt_before_nodes": ["chat"]})
    async with opened(graph) as session:
        await session.submit("one")
        late = await session.submit("two", when_busy="enqueue")
        await done(late, "error")
        with pytest.raises(InterruptOpen, match="breakpoint"):
            await session.submit("three")
        assert (session.outcome, (await session.history()).transcript.outcome) == ("interrupted", "interrupted")


async def test_a_message_that_never_reached_the_graph_may_be_sent_again_under_its_id() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph, when_busy="enqueue") as session:
        running = await session.submit("one")
        waiting = await session.submit("two", client_message_id="m2")
        await waiting.cancel()
        chat.hold.release()
        await done(running)
        await done(waiting, "cancelled")
        again = await done(await session.submit("two", client_message_id="m2"))
        assert again is not waiting
        assert [words for role, words in await said(session) if role == "user"] == ["one", "two"]


async def test_who_leaves_before_the_turn_begins_has_sent_nothing() -> None:
    chat = Chat(Fault())
    async with opened(chat.graph) as session:
        await session.submit("one")
        await chat.hold.reached
        sending = asyncio.create_task(session.submit("two", when_busy="replace"))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        chat.hold.release()
        for turn in list(session._turns):
            await turn.ended()
        assert ("user", "two") not in await said(session)


async def test_the_history_of_a_long_first_turn_goes_on_where_its_log_begins() -> None:
    model = ScriptedModel(script=[[f"{n} " for n in range(100)]])
    hold = Fault()

    async def chat(state: MessagesState) -> dict[str, Any]:
        message = await model.ainvoke(state["messages"])
        await hold.ameet()
        return {"messages": [message]}

    builder = StateGraph(MessagesState)
    builder.add_node("chat", chat)
    builder.add_edge(START, "chat")
    async with SessionAdapter(builder.compile(), max_entries=40) as sessions:
        session = sessions.get("t")
        turn = await session.submit("go")
        await hold.reached
        history = await session.history()
        assert history.position == f"{session.log.id}:{session.log.first - 1}"
        with pytest.raises(ReaderTooSlow, match="not kept any more"):
            _ = [event async for event in turn]
        hold.release()
        await done(turn)


async def test_what_was_deleted_takes_nothing_more() -> None:
    async with SessionAdapter(Chat().graph) as sessions:
        session = sessions.get("t")
        await say(session, "one")
        await sessions.delete("t")
        for ask in (lambda: session.submit("two"), session.continue_, session.history, session.state):
            with pytest.raises(UnknownThread, match="was deleted"):
                await ask()
        with pytest.raises(UnknownThread, match="was deleted"):
            session.subscribe()
        await say(sessions.get("t"), "anew")


async def test_closed_sessions_let_nobody_wait() -> None:
    sessions = SessionAdapter(Chat().graph)
    await sessions.close()
    for ask in (sessions.list, sessions.get("t").state, sessions.get("t").history):
        with pytest.raises(SessionsClosed):
            await ask()
    with pytest.raises(SessionsClosed):
        sessions.get("t").subscribe()
    for ask_with in (sessions.delete, sessions.purge):
        with pytest.raises(SessionsClosed):
            await ask_with("t" if ask_with == sessions.delete else 1)  # type: ignore[arg-type]


async def test_nothing_of_a_secret_is_handed_out_by_state_list_or_history() -> None:
    """T-15, T-16."""
    store = MemorySessionStore()
    async with opened(asking("the key is hunter2"), store, redactor=Redactor(["hunter2"])) as session:
        await say(session, "use hunter2 please", "interrupted")
        handed = [await session.state(), session.interrupts, await session.history(), await store.get("t")]
        told = b"".join(encode(Custom(data=jsonable(one))) for one in handed)
        assert b"hunter2" not in told
        assert b"[redacted]" in told
        (question,) = session.interrupts
        with pytest.raises(InvalidDecision, match=r"an answer holds '\[redacted\]'"):
            await session.resume({question.id: "as you said: [redacted]"})
        await done(await session.resume({question.id: "hunter2"}))
        assert await answers_of(session) == ["[redacted]"]


@pytest.mark.parametrize(
    "options",
    [{"timeout": -1}, {"idle_timeout": "5"}, {"when_busy": "zz"}, {"middleware": [5]}, {"max_entries": 0}],
)
def test_options_that_cannot_be_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="came"):
        SessionAdapter(Chat().graph, **options)


async def test_a_turn_may_have_an_id_of_its_senders_own() -> None:
    async with opened(Chat().graph) as session:
        turn = await session.submit("one", turn_id="run-1")
        await done(turn)
        assert (turn.id, turn.result.turn_id) == ("run-1", "run-1")
        with pytest.raises(UsageError, match="turn id 'run-1' is taken"):
            await session.submit("two", turn_id="run-1")


async def test_a_new_message_drops_what_was_answered_and_cut_off() -> None:
    """Approve, Stop, "never mind": no question waits for an answer, so none is in the way."""
    hold = Fault()
    async with opened(deciding(hold)) as session:
        turn = await say(session, "pay", "interrupted")
        await session.resume({turn.interrupts[0].id: "yes"})
        await hold.reached
        await session.cancel("stop")
        assert (await session.state()).answered == (turn.interrupts[0].id,)
        again = await say(session, "never mind", "interrupted")
        assert ("assistant", "decided: yes") not in await said(session)
        await done(await session.resume({again.interrupts[0].id: "no"}))
        assert (await said(session))[-1] == ("assistant", "decided: no")


async def test_a_fork_can_be_undone_until_a_turn_begins() -> None:
    async with opened(counting()) as session:
        await say(session, "a")
        before = await said(session)
        first = (await ids_of(session))["a"]
        await session.fork(first)
        assert await said(session) == []
        position = session.log.last
        await session.undo_fork()
        assert await said(session) == before
        told = [slot.entry.event for slot in session.log.take(position)]
        assert [(event.message_id, event.text) for event in told] == [
            (first, "a"),
            ((await ids_of(session))["answer 0 to a"], "answer 0 to a"),
        ]
        with pytest.raises(UsageError):
            await session.undo_fork()
        await session.fork((await ids_of(session))["answer 0 to a"])
        await done(await session.continue_())
        with pytest.raises(UsageError):
            await session.undo_fork()
