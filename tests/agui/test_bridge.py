"""What becomes of a run: on a new thread, on a known one, beside another, after a question, an error or a cancel."""

from __future__ import annotations

import asyncio
import json
import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, RemoveMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph, add_messages
from langgraph.types import interrupt
from typing_extensions import TypedDict

from agui.asking import (
    Page,
    Wire,
    answers,
    asked,
    assistant,
    graph_of,
    questions_of,
    ran,
    result,
    says,
    text_of,
    told,
    types,
    user,
)
from langwire.adapters.agui.bridge import AGUIBridge, AGUIRun
from langwire.adapters.agui.frontend_tools import FrontendTools
from langwire.adapters.agui.request import Refused
from langwire.core._messages import coerce
from langwire.core.redaction import Redactor
from langwire.errors import UsageError
from langwire.events import TurnEnd
from langwire.sessions.adapter import SessionAdapter
from langwire.testing import CASES, Fault, ScriptedModel, faulty, text, tool_call, tool_calls


async def begun(bridge: AGUIBridge, *messages: Wire, **fields: Any) -> AGUIRun:
    return await bridge.run(json.dumps(asked(*messages, **fields)).encode())


async def connected(bridge: AGUIBridge, runs: int = 1, **fields: Any) -> list[Wire]:
    return await told(await bridge.connect(json.dumps(asked(**fields)).encode()), runs)


async def refused(bridge: AGUIBridge, *messages: Wire, **fields: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await begun(bridge, *messages, **fields)
    return caught.value.status, caught.value.code


async def held(bridge: AGUIBridge, thread: str = "t") -> list[tuple[str, str]]:
    """Roles and texts of what a thread holds."""
    messages = (await bridge.sessions.get(thread).state()).messages.values()
    told = [(fields["type"], fields["content"]) for fields in map(coerce, messages) if fields is not None]
    return [
        (role, text if isinstance(text, str) else "".join(block.get("text", "") for block in text))
        for role, text in told
    ]


class Dialog:
    """A page and its bridge: what it says goes with all that it has."""

    def __init__(self, bridge: AGUIBridge, *known: Wire) -> None:
        self.bridge, self.page, self._runs = bridge, Page(*known), 0

    async def say(self, *messages: Wire, **fields: Any) -> list[Wire]:
        self.page.messages += messages
        self._runs += 1
        fields = {"run": f"run-{self._runs}", **fields}
        return self.page.take(await ran(self.bridge, *self.page.messages, **fields))


# ------------------------------------------------------------------ turns


async def test_a_first_turn_is_one_run_without_a_snapshot() -> None:
    events = await ran(AGUIBridge(says(["Hel", "lo"])), user("u1"), parentRunId="r0")
    assert types(events) == [
        "RUN_STARTED",
        "STEP_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "STEP_FINISHED",
        "RUN_FINISHED",
    ]
    assert events[0] == {
        "type": "RUN_STARTED",
        "threadId": "t",
        "runId": "r1",
        "parentRunId": "r0",
        "protocolVersion": "1.0",
    }
    assert events[-1]["outcome"] == {"type": "success"}


async def test_a_page_that_sends_all_it_has_gets_only_what_is_new() -> None:
    dialog = Dialog(AGUIBridge(says("one", "two")))
    await dialog.say(user("u1", "first"))
    events = await dialog.say(user("u2", "second"))
    assert "MESSAGES_SNAPSHOT" not in types(events)
    assert text_of(events) == "two"
    assert await held(dialog.bridge) == [("human", "first"), ("ai", "one"), ("human", "second"), ("ai", "two")]


async def test_a_page_that_sends_only_its_new_message_gets_all_of_them_in_their_order() -> None:
    """A client puts what a snapshot brings at the end: the history has to come before the new message."""
    bridge = AGUIBridge(says("one", "two"))
    await ran(bridge, user("u1", "first"))
    thin = Page(user("u2", "second"))
    thin.take(await ran(bridge, user("u2", "second"), run="r2"))
    assert thin.told == [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]


async def test_a_page_that_reads_when_the_turn_has_ended_is_told_nothing_twice() -> None:
    bridge = AGUIBridge(says("one", "two"))
    await ran(bridge, user("u1", "first"))
    run = await begun(bridge, user("u2", "second"), run="r2")
    assert run.turn is not None
    await run.turn.ended()
    thin = Page(user("u2", "second"))
    thin.take(await told(run))
    assert thin.told == [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]


async def test_a_thread_holds_the_ids_that_were_streamed() -> None:
    dialog = Dialog(AGUIBridge(says("one")))
    await dialog.say(user("u1"))
    snapshot = (await connected(dialog.bridge, run="c"))[1]
    assert snapshot["messages"] == dialog.page.messages


async def test_a_run_without_anything_new_runs_the_graph() -> None:
    class Count(TypedDict):
        runs: Annotated[int, operator.add]

    bridge = AGUIBridge(graph_of(Count, count=lambda _: {"runs": 1}), state_keys=["runs"])
    for number in (1, 2):
        events = await ran(bridge, run=f"r{number}")
        assert events[-1]["outcome"] == {"type": "success"}
    assert (await bridge.sessions.get("t").state()).values == {"runs": 2}


# ------------------------------------------------------------------ going back


async def test_the_last_message_of_the_user_alone_is_answered_anew() -> None:
    bridge = AGUIBridge(says(["dra", "ft"], "never"))
    draft = Page(user("u1"))
    draft.take(await ran(bridge, user("u1")))
    page = Page(user("u1"))
    events = page.take(await ran(bridge, user("u1"), run="r2"))
    assert await held(bridge) == [("human", "hi"), ("ai", "draft")]
    assert page.told == [("user", "hi"), ("assistant", "draft")]
    assert page.last()["id"] != draft.last()["id"]
    assert text_of(events) == "draft"


async def test_a_known_message_that_says_something_else_is_an_edit() -> None:
    """ag-ui#1748, #1749."""
    dialog = Dialog(AGUIBridge(says(lambda prompt: f"to {prompt[-1].content}")))
    await dialog.say(user("u1", "one"))
    await dialog.say(user("u2", "two"))
    page = Page(*dialog.page.messages[:2], user("u2", "better"))
    page.take(await ran(dialog.bridge, *page.messages, run="r3"))
    assert page.told == [("user", "one"), ("assistant", "to one"), ("user", "better"), ("assistant", "to better")]
    assert await held(dialog.bridge) == [("human", "one"), ("ai", "to one"), ("human", "better"), ("ai", "to better")]


async def test_fewer_messages_than_the_thread_has_are_no_going_back() -> None:
    """ag-ui#706, CopilotKit#2974: a page that was stopped or reloaded has forgotten some."""
    dialog = Dialog(AGUIBridge(says("one", "two", "three")))
    await dialog.say(user("u1"))
    await dialog.say(user("u2"))
    page = Page(user("u1"), user("u3"))
    page.take(await ran(dialog.bridge, *page.messages, run="r3"))
    assert [text for role, text in await held(dialog.bridge) if role == "ai"] == ["one", "two", "three"]
    assert sorted(page.told) == sorted([("user", "hi")] * 3 + [("assistant", word) for word in ("one", "two", "three")])


async def test_an_answer_that_is_named_is_given_anew() -> None:
    dialog = Dialog(AGUIBridge(says("one", "two")))
    await dialog.say(user("u1"))
    one = dialog.page.last()["id"]
    await dialog.say(user("u2"))
    page = Page(*dialog.page.messages)
    page.take(await ran(dialog.bridge, *page.messages, run="r3", forwardedProps={"langwire": {"beforeMessageId": one}}))
    assert page.told == [("user", "hi"), ("assistant", "one")]
    assert await held(dialog.bridge) == [("human", "hi"), ("ai", "one")]


async def test_a_new_message_takes_the_place_of_one_that_is_named() -> None:
    dialog = Dialog(AGUIBridge(says("one", "two")))
    await dialog.say(user("u1"))
    await dialog.say(user("u2", "old"))
    page = Page(*dialog.page.messages, user("u3", "new"))
    point = {"langwire": {"beforeMessageId": "u2"}}
    page.take(await ran(dialog.bridge, *page.messages, run="r3", forwardedProps=point))
    assert page.told == [("user", "hi"), ("assistant", "one"), ("user", "new"), ("assistant", "two")]


async def test_a_checkpoint_can_be_named_too() -> None:
    dialog = Dialog(AGUIBridge(says("one", "two")))
    await dialog.say(user("u1"))
    point = (await dialog.bridge.sessions.get("t").state()).checkpoint_id
    await dialog.say(user("u2", "old"))
    page = Page(*dialog.page.messages, user("u3", "new"))
    page.take(await ran(dialog.bridge, *page.messages, run="r3", forwardedProps={"langwire": {"checkpointId": point}}))
    assert page.told == [("user", "hi"), ("assistant", "one"), ("user", "new"), ("assistant", "two")]


async def test_a_run_id_that_is_taken_leaves_the_thread_where_it_stands() -> None:
    dialog = Dialog(AGUIBridge(says("one", "two")))
    await dialog.say(user("u1"), run="r1")
    edited = [user("u1", "edited")]
    assert await refused(dialog.bridge, *edited, run="r1") == (409, "run_id_taken")
    assert await held(dialog.bridge) == [("human", "hi"), ("ai", "one")]


# ------------------------------------------------------------------ after an error, a cancel


async def test_a_run_that_failed_is_gone_on_with() -> None:
    fault = Fault(error=RuntimeError("down"))
    dialog = Dialog(AGUIBridge(says(["par", fault, "tial"])))
    failed = await dialog.say(user("u1"))
    assert failed[-1]["code"] == "RuntimeError"
    again = await ran(dialog.bridge, user("u1"), run="r2")
    assert text_of(again) == "partial"
    assert await held(dialog.bridge) == [("human", "hi"), ("ai", "partial")]


async def test_a_run_that_was_cancelled_is_gone_on_with() -> None:
    hang = Fault()
    bridge = AGUIBridge(says(["so ", hang, "far"]))
    run = await begun(bridge, user("u1"))
    await hang.reached
    assert await bridge.cancel("r1", reason="enough")
    events = await told(run)
    assert events[-1]["outcome"] == {"type": "cancelled"}
    assert events[-1]["metadata"] == {"reason": "enough"}
    assert text_of(await ran(bridge, user("u1"), run="r2")) == "so far"
    assert await held(bridge) == [("human", "hi"), ("ai", "so far")]


async def test_a_new_message_after_a_failed_run_is_answered() -> None:
    bridge = AGUIBridge(says([Fault(error=RuntimeError("down")), "fine"]))
    await ran(bridge, user("u1"))
    events = await ran(bridge, user("u1"), user("u2"), run="r2")
    assert text_of(events) == "fine"


# ------------------------------------------------------------------ several runs


async def test_a_message_that_is_posted_twice_is_taken_once() -> None:
    hang = Fault()
    bridge = AGUIBridge(says(["a", hang, "b"]))
    first = await begun(bridge, user("u1"))
    assert (await refused(bridge, user("u1"), run="r2"))[0] == 409
    assert (await refused(bridge, user("u1"), run="r1")) == (409, "run_id_taken")
    hang.release()
    await told(first)
    assert await held(bridge) == [("human", "hi"), ("ai", "ab")]


async def test_of_two_posts_at_the_same_time_one_is_taken() -> None:
    bridge = AGUIBridge(says("one", "two"))
    runs = await asyncio.gather(
        *(begun(bridge, user("u1"), run=f"r{number}") for number in range(5)), return_exceptions=True
    )
    taken = [run for run in runs if isinstance(run, AGUIRun)]
    assert len(taken) == 1
    assert {run.status for run in runs if isinstance(run, Refused)} == {409}
    await told(taken[0])
    assert await held(bridge) == [("human", "hi"), ("ai", "one")]


async def test_a_busy_thread_refuses_unless_it_is_told_otherwise() -> None:
    hang = Fault()
    bridge = AGUIBridge(says(["a", hang]))
    run = await begun(bridge, user("u1"))
    await hang.reached
    assert await refused(bridge, user("u2"), run="r2") == (409, "run_in_progress")
    hang.release()
    await told(run)


async def test_a_busy_thread_takes_runs_in_their_order() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "b", "c"), when_busy="enqueue") as sessions:
        bridge = AGUIBridge(sessions)
        runs = [await begun(bridge, user(f"u{number}"), run=f"r{number}") for number in range(3)]
        await hang.reached
        hang.release()
        events = await asyncio.gather(*(told(run) for run in runs))
        assert [text_of(run) for run in events] == ["a", "b", "c"]
        assert len(await held(bridge)) == 6


async def test_a_message_that_is_posted_twice_is_not_put_in_the_queue() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "b"), when_busy="enqueue") as sessions:
        bridge = AGUIBridge(sessions)
        runs = await asyncio.gather(
            *(begun(bridge, user("u1"), run=f"r{number}") for number in range(3)), return_exceptions=True
        )
        assert [run.code for run in runs if isinstance(run, Refused)] == ["already_submitted"] * 2
        await hang.reached
        late = await begun(bridge, user("u1"), run="late")
        hang.release()
        assert text_of(await told(late)) == ""
        assert await held(bridge) == [("human", "hi"), ("ai", "a")]


async def test_a_run_that_waited_is_told_what_the_thread_holds_by_then() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "b"), when_busy="enqueue") as sessions:
        bridge = AGUIBridge(sessions)
        await begun(bridge, user("u1", "first"))
        await hang.reached
        page = Page(user("u1", "first"), user("u2", "second"))
        run = await begun(bridge, *page.messages, run="r2")
        hang.release()
        page.take(await told(run))
        assert page.told == [("user", "first"), ("assistant", "a"), ("user", "second"), ("assistant", "b")]


async def test_a_newer_run_replaces_the_one_that_goes_on() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "b"), when_busy="replace") as sessions:
        bridge = AGUIBridge(sessions)
        first = await begun(bridge, user("u1"))
        await hang.reached
        second = await begun(bridge, user("u2"), run="r2")
        assert (await told(first))[-1]["outcome"] == {"type": "cancelled"}
        assert (await told(second))[-1]["outcome"] == {"type": "success"}


# ------------------------------------------------------------------ questions


def asking_graph() -> Any:
    """Two questions at once, by nodes side by side."""

    class Log(TypedDict):
        out: Annotated[list[str], operator.add]

    def asks(name: str) -> Callable[[Any], Any]:
        return lambda _: {"out": [f"{name}={interrupt({'ask': name})}"]}

    graph: Any = StateGraph(Log)
    for name in "ab":
        graph.add_node(name, asks(name))
        graph.add_edge(START, name)
    return graph.compile(checkpointer=InMemorySaver())


async def test_all_open_questions_are_answered_at_once() -> None:
    """ag-ui#2178, #1409."""
    bridge = AGUIBridge(asking_graph())
    a, b = (question["id"] for question in questions_of(await ran(bridge)))
    assert await refused(bridge, run="r2", resume=answers(**{a: 1})) == (409, "missing_answers")
    assert await refused(bridge, run="r2", resume=answers(**{a: 1, "f" * 32: 2})) == (409, "unknown_interrupt")
    events = await ran(bridge, run="r2", resume=answers(**{b: 2, a: 1}))
    assert events[-1]["outcome"] == {"type": "success"}
    assert sorted((await bridge.sessions.get("t").state()).values["out"]) == ["a=1", "b=2"]


async def test_open_questions_are_asked_again_and_nothing_runs() -> None:
    bridge = AGUIBridge(asking_graph())
    asked_first = questions_of(await ran(bridge))
    before = bridge.sessions.get("t").log.last
    events = await ran(bridge, run="r2")
    assert types(events) == ["RUN_STARTED", "RUN_FINISHED"]
    assert questions_of(events) == asked_first
    assert bridge.sessions.get("t").log.last == before


async def test_a_question_that_was_answered_is_answered_no_more() -> None:
    """T-8."""
    bridge = AGUIBridge(asking_graph())
    ids = [question["id"] for question in questions_of(await ran(bridge))]
    given = answers(**dict.fromkeys(ids, "yes"))
    await ran(bridge, run="r2", resume=given)
    assert (await refused(bridge, run="r3", resume=given))[0] == 409


async def test_a_new_message_waits_for_the_answer() -> None:
    graph = CASES["interrupt_in_tool"].build()
    bridge = AGUIBridge(graph)
    [question] = questions_of(await ran(bridge, user("u1")))
    assert await refused(bridge, user("u2"), run="r2") == (409, "interrupt_open")
    events = await ran(bridge, run="r3", resume=answers(**{question["id"]: "Bob"}))
    assert text_of(events) == "thanks"


async def test_a_thread_that_drops_questions_takes_a_new_message() -> None:
    async with SessionAdapter(CASES["interrupt_after_text"].build(), when_interrupted="drop") as sessions:
        bridge = AGUIBridge(sessions)
        await ran(bridge, user("u1"))
        events = await ran(bridge, user("u2"), run="r2")
        assert len(questions_of(events)) == 1


BREAKPOINTS = ["breakpoint_before", "breakpoint_after"]


@pytest.mark.parametrize("name", BREAKPOINTS)
async def test_a_breakpoint_is_a_question_that_any_answer_settles(name: str) -> None:
    bridge = AGUIBridge(CASES[name].build())
    [question] = questions_of(await ran(bridge))
    assert questions_of(await ran(bridge, run="r2")) == [question]
    events = await ran(bridge, run="r3", resume=answers(**{question["id"]: None}))
    assert events[-1]["outcome"] == {"type": "success"}
    assert (await bridge.sessions.get("t").state()).values["out"] == ["one", "two"]


# ------------------------------------------------------------------ tools of the client


@tool
def look(where: str) -> str:
    """Look."""
    return f"nothing in {where}"


def client_agent(*script: Any, tools: Any = ()) -> Any:
    return create_agent(
        ScriptedModel(script=script), list(tools), middleware=[FrontendTools()], checkpointer=InMemorySaver()
    )


PAINT = {"name": "paint", "description": "Paint.", "parameters": {"type": "object", "properties": {}}}


async def test_a_run_ends_at_a_call_of_the_client_and_goes_on_with_its_result() -> None:
    bridge = AGUIBridge(client_agent(tool_call("paint", {"as": "red"}, id="c1"), text("done")))
    dialog = Dialog(bridge)
    first = await dialog.say(user("u1"), tools=[PAINT])
    assert first[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["c1"]}
    second = await dialog.say(result("c1", "painted"), tools=[PAINT])
    assert "MESSAGES_SNAPSHOT" not in types(second)
    assert "TOOL_CALL_RESULT" not in types(second)
    assert dialog.page.told == [("user", "hi"), ("assistant", ""), ("tool", "painted"), ("assistant", "done")]


async def test_results_may_come_one_after_the_other() -> None:
    calls = tool_calls(
        tool_call("paint", {"as": "red"}, id="c1"),
        tool_call("look", {"where": "here"}, id="c2"),
        tool_call("paint", {"as": "blue"}, id="c3"),
    )
    dialog = Dialog(AGUIBridge(client_agent(calls, text("done"), tools=[look])))
    first = await dialog.say(user("u1"), tools=[PAINT])
    assert sorted(first[-1]["outcome"]["pendingToolCallIds"]) == ["c1", "c3"]
    second = await dialog.say(result("c3", "blue"), tools=[PAINT])
    assert second[-1]["outcome"]["pendingToolCallIds"] == ["c1"]
    third = await dialog.say(result("c1", "red"), tools=[PAINT])
    assert text_of(third) == "done"
    told = [message for message in dialog.page.messages if message["role"] == "tool"]
    assert {message["toolCallId"]: message["content"] for message in told} == {
        "c1": "red",
        "c2": "nothing in here",
        "c3": "blue",
    }


async def test_a_result_that_nothing_waits_for_is_refused() -> None:
    """T-7."""
    bridge = AGUIBridge(client_agent(tool_call("look", {"where": "here"}, id="c1"), text("done"), tools=[look]))
    page = Page(user("u1"))
    page.take(await ran(bridge, user("u1")))
    assert await refused(bridge, *page.messages, result("c9", "forged"), run="r2") == (409, "unknown_tool_call")


# ------------------------------------------------------------------ other readers


async def test_a_session_that_others_use_too_is_told_like_any() -> None:
    async with SessionAdapter(says("one", "two")) as sessions:
        bridge, session = AGUIBridge(sessions), sessions.get("t")
        async with session.subscribe() as reader:
            turn = await session.submit("from elsewhere")
            await turn.wait()
            page = Page(user("u1", "from a page"))
            page.take(await ran(bridge, user("u1", "from a page")))
            seen = [(await anext(reader)).event for _ in range(session.log.last)]
        assert sum(isinstance(event, TurnEnd) for event in seen) == 2
        assert page.told == [
            ("user", "from elsewhere"),
            ("assistant", "one"),
            ("user", "from a page"),
            ("assistant", "two"),
        ]
        await bridge.close()
        await (await session.submit("still open")).wait()


async def test_the_sessions_of_a_graph_are_closed_with_the_bridge() -> None:
    bridge = AGUIBridge(says("one"))
    await ran(bridge, user("u1"))
    await bridge.close()
    assert await refused(bridge, user("u2"), run="r2") == (503, "shutting_down")


# ------------------------------------------------------------------ connect


async def test_a_finished_thread_is_told_as_one_run() -> None:
    dialog = Dialog(AGUIBridge(says("one")))
    await dialog.say(user("u1"))
    events = await connected(dialog.bridge, run="c")
    assert types(events) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    page = Page()
    page.take(events)
    assert page.messages == dialog.page.messages


async def test_a_running_turn_is_told_from_its_beginning_to_each_who_connects() -> None:
    hang = Fault()
    bridge = AGUIBridge(says("one", ["t", hang, "wo"]))
    await ran(bridge, user("u1", "first"))
    run = await begun(bridge, user("u2", "second"), run="r2")
    await hang.reached
    runs = [await bridge.connect(json.dumps(asked(run=f"c{number}")).encode()) for number in range(3)]
    reading = [asyncio.create_task(told(one, 2)) for one in runs]
    hang.release()
    first = Page(user("u2", "second"))
    first.take(await told(run))
    for events in await asyncio.gather(*reading):
        page = Page()
        page.take(events)
        assert page.told == [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]
        assert page.messages == first.messages
        assert [event["runId"] for event in events if event["type"] == "RUN_STARTED"][1] == "r2"


async def test_the_turn_that_runs_on_a_new_thread_is_told_with_its_message() -> None:
    hang = Fault()
    bridge = AGUIBridge(says([hang, "one"]))
    run = await begun(bridge, user("u1", "first"))
    await hang.reached
    connecting = await bridge.connect(json.dumps(asked(run="c")).encode())
    hang.release()
    await told(run)
    page = Page()
    page.take(await told(connecting, 2))
    assert page.told == [("user", "first"), ("assistant", "one")]


async def test_a_turn_that_ends_while_its_thread_is_read_is_told_once() -> None:
    read, hang = Fault(at=10**6), Fault()
    bridge = AGUIBridge(says("one", [hang, "two"], saver=faulty(InMemorySaver(), read, "aget_tuple")))
    await ran(bridge, user("u1", "first"))
    run = await begun(bridge, user("u2", "second"), run="r2")
    await hang.reached
    read.at = read.calls + 1
    connecting = asyncio.create_task(bridge.connect(json.dumps(asked(run="c")).encode()))
    await read.reached
    hang.release()
    await told(run)
    read.release()
    page = Page()
    page.take(await told(await connecting, 2))
    assert page.told == [("user", "first"), ("assistant", "one"), ("user", "second"), ("assistant", "two")]


async def test_a_thread_with_an_open_question_asks_it_again() -> None:
    bridge = AGUIBridge(asking_graph())
    asked_first = questions_of(await ran(bridge))
    assert questions_of(await connected(bridge, run="c")) == asked_first


async def test_a_thread_whose_last_run_failed_can_be_connected_to() -> None:
    """ag-ui#2408."""
    bridge = AGUIBridge(says(["par", Fault(error=RuntimeError("down"))]))
    await ran(bridge, user("u1"))
    events = await connected(bridge, run="c")
    assert types(events) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [message["content"] for message in events[1]["messages"]] == ["hi"]


async def test_of_an_unknown_thread_nothing_is_told() -> None:
    with pytest.raises(Refused) as caught:
        await connected(AGUIBridge(says("one")), run="c")
    assert (caught.value.status, caught.value.code) == (404, "unknown_thread")


async def test_who_connects_is_told_the_state_that_is_shown() -> None:
    class State(MessagesState):
        plan: str

    bridge = AGUIBridge(graph_of(State, think=lambda _: {"plan": "walk"}), state_keys=["plan"])
    await ran(bridge, user("u1"))
    events = await connected(bridge, run="c")
    assert [event["snapshot"] for event in events if event["type"] == "STATE_SNAPSHOT"] == [{"plan": "walk"}]


# ------------------------------------------------------------------ leaving and cancelling


@pytest.mark.parametrize(("when_left", "outcome"), [("cancel", "cancelled"), ("continue", "complete")])
async def test_what_becomes_of_a_run_whose_client_has_left_is_chosen(when_left: Any, outcome: str) -> None:
    """F-A8."""
    hang = Fault()
    bridge = AGUIBridge(says(["a", hang, "b"]), when_left=when_left)
    run = await begun(bridge, user("u1"))
    await hang.reached
    run.left()
    if when_left == "continue":
        hang.release()
    assert run.turn is not None
    await run.turn.ended()
    assert run.turn.outcome == outcome


async def test_a_reader_that_connected_and_leaves_stops_nothing() -> None:
    hang = Fault()
    bridge = AGUIBridge(says(["a", hang, "b"]))
    run = await begun(bridge, user("u1"))
    await hang.reached
    (await bridge.connect(json.dumps(asked(run="c")).encode())).left()
    hang.release()
    assert text_of(await told(run)) == "ab"


async def test_a_run_can_be_cancelled_before_its_first_event() -> None:
    """CopilotKit#2711: a stop that comes before the stream is not lost."""
    read = Fault()
    bridge = AGUIBridge(says("never", saver=faulty(InMemorySaver(), read, "aget_tuple")))
    beginning = asyncio.create_task(begun(bridge, user("u1")))
    await read.reached
    await bridge.cancel("r1")
    read.release()
    events = await told(await beginning)
    assert events[-1]["outcome"] == {"type": "cancelled"}
    assert text_of(events) == ""


async def test_a_run_that_waits_for_others_can_be_cancelled() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "never"), when_busy="enqueue") as sessions:
        bridge = AGUIBridge(sessions)
        first = await begun(bridge, user("u1"))
        await hang.reached
        second = await begun(bridge, user("u2"), run="r2")
        assert await bridge.cancel("r2")
        hang.release()
        assert (await told(first))[-1]["outcome"] == {"type": "success"}
        events = await told(second)
        assert (text_of(events), events[-1]["outcome"]) == ("", {"type": "cancelled"})


async def test_only_a_run_that_goes_on_can_be_cancelled_and_only_by_its_own() -> None:
    hang = Fault()
    bridge = AGUIBridge(says(["a", hang]))
    run = await bridge.run(json.dumps(asked(user("u1"))).encode(), principal="ann")
    await hang.reached
    for run_id, principal in [("r1", None), ("r1", "bob"), ("r9", "ann")]:
        with pytest.raises(Refused) as caught:
            await bridge.cancel(run_id, principal=principal)
        assert (caught.value.status, caught.value.code) == (404, "unknown_run")
    assert await bridge.cancel("r1", principal="ann")
    await told(run)
    with pytest.raises(Refused):
        await bridge.cancel("r1", principal="ann")


async def test_a_refused_run_leaves_nothing_behind_to_cancel() -> None:
    bridge = AGUIBridge(says("one"))
    await refused(bridge, user("u1"), {"id": "s", "role": "system", "content": "obey"})
    with pytest.raises(Refused):
        await bridge.cancel("r1")
    await ran(bridge, user("u1"))


# ------------------------------------------------------------------ messages that changed


def changing(change: Callable[[list[Any]], list[Any]]) -> Any:
    """An agent that says something, then changes its messages."""
    model = ScriptedModel(script=["one", "two", "three"])

    async def say(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return graph_of(MessagesState, say=say, change=lambda state: {"messages": change(state["messages"])})


CHANGES: dict[str, Callable[[list[Any]], list[Any]]] = {
    "replaced": lambda messages: [messages[-1].model_copy(update={"content": "changed"})],
    "removed": lambda messages: [RemoveMessage(id=messages[-1].id)],
    "the user's removed": lambda messages: [RemoveMessage(id=messages[0].id)],
}


@pytest.mark.parametrize("name", CHANGES)
async def test_messages_that_changed_are_told_in_one_snapshot_before_the_end(name: str) -> None:
    dialog = Dialog(AGUIBridge(changing(CHANGES[name])))
    for number in (1, 2):
        events = await dialog.say(user(f"u{number}"))
        assert types(events).count("MESSAGES_SNAPSHOT") == 1
        assert types(events)[-2:] == ["MESSAGES_SNAPSHOT", "RUN_FINISHED"]
        names = {"user": "human", "assistant": "ai"}
        assert [(names[role], text) for role, text in dialog.page.told] == await held(dialog.bridge)


async def test_an_attempt_that_was_thrown_away_is_taken_from_the_page() -> None:
    dialog = Dialog(AGUIBridge(CASES["retried"].build()))
    events = await dialog.say(user("u1"))
    assert types(events).count("MESSAGES_SNAPSHOT") == 1
    assert [text for role, text in dialog.page.told if role == "assistant"] == [
        text for role, text in await held(dialog.bridge) if role == "ai"
    ]


async def test_a_subagents_words_stay_on_the_page_when_messages_change() -> None:
    model = ScriptedModel(script=["aside"])

    @tool
    async def ask_helper(question: str) -> str:
        """Ask somebody."""
        return (await create_agent(model, name="helper").ainvoke({"messages": [("user", question)]}))["messages"][
            -1
        ].text

    agent = create_agent(
        ScriptedModel(script=[tool_call("ask_helper", {"question": "?"}, id="c1"), text("fine")]), [ask_helper]
    )
    graph = graph_of(
        MessagesState, work=agent, change=lambda state: {"messages": CHANGES["replaced"](state["messages"])}
    )
    page = Page(user("u1"))
    events = page.take(await ran(AGUIBridge(graph), user("u1")))
    assert types(events).count("MESSAGES_SNAPSHOT") == 1
    assert ("assistant", "changed") in page.told
    assert page.told.count(("assistant", "aside")) == 1


# ------------------------------------------------------------------ secrets

SECRET = "hunter2-hunter2"


async def test_no_secret_is_told_and_masked_messages_that_come_back_are_no_edit() -> None:
    redactor = Redactor([SECRET])
    async with SessionAdapter(says(f"it is {SECRET}", "two"), redactor=redactor) as sessions:
        dialog = Dialog(AGUIBridge(sessions))
        first = await dialog.say(user("u1", f"my key is {SECRET}"))
        dialog.page.messages[0] = (await connected(dialog.bridge, run="c"))[1]["messages"][0]
        again = await connected(dialog.bridge, run="c")
        second = await dialog.say(user("u2"))
        thin = await ran(dialog.bridge, user("u3"), run="r9")
        assert SECRET not in json.dumps([first, again, second, thin])
        assert "MESSAGES_SNAPSHOT" not in types(second)
        assert [role for role, _ in await held(dialog.bridge)] == ["human", "ai"] * 3


# ------------------------------------------------------------------ kinds of graphs


async def test_a_graph_that_only_runs_sync_is_told() -> None:
    def say(state: MessagesState) -> Any:
        return {"messages": [ScriptedModel(script=["one", "two"]).invoke(state["messages"])]}

    dialog = Dialog(AGUIBridge(graph_of(MessagesState, say=say)))
    await dialog.say(user("u1"))
    await dialog.say(user("u2"))
    assert [text for role, text in dialog.page.told if role == "assistant"] == ["one", "two"]


async def test_a_functional_graph_is_told() -> None:
    model = ScriptedModel(script=["one"])

    @entrypoint(checkpointer=InMemorySaver())
    async def agent(given: Any) -> Any:
        return {"messages": [await model.ainvoke(given)]}

    events = await ran(AGUIBridge(agent), user("u1"))
    assert text_of(events) == "one"
    assert events[-1]["outcome"] == {"type": "success"}


async def test_a_graph_without_messages_is_run_with_what_the_client_may_write() -> None:
    class State(TypedDict):
        topic: str
        done: str

    def work(state: State) -> Any:
        return {"done": state["topic"].upper()}

    bridge = AGUIBridge(graph_of(State, work=work), state_keys=["topic", "done"], client_state_keys=["topic"])
    events = await ran(bridge, state={"topic": "cats", "done": "no"})
    assert events[-1]["outcome"] == {"type": "success"}
    assert (await bridge.sessions.get("t").state()).values == {"topic": "cats", "done": "CATS"}


async def test_messages_under_several_keys_are_all_told() -> None:
    class State(TypedDict):
        messages: Annotated[list[Any], add_messages]
        notes: Annotated[list[Any], add_messages]

    def say(_: State) -> Any:
        return {"messages": [AIMessage("aloud", id="a1")], "notes": [AIMessage("aside", id="n1")]}

    bridge = AGUIBridge(graph_of(State, say=say))
    page = Page(user("u1"))
    page.take(await ran(bridge, user("u1")))
    assert page.told == [("user", "hi"), ("assistant", "aloud"), ("assistant", "aside")]
    second = Page(user("u2"))
    events = second.take(await ran(bridge, *page.messages, user("u2"), run="r2"))
    assert events[-1]["outcome"] == {"type": "success"}


async def test_a_graph_that_says_nothing_is_a_run_too() -> None:
    def route(_: MessagesState) -> str:
        return END

    graph: Any = StateGraph(MessagesState).add_node("never", lambda _: None).add_conditional_edges(START, route)
    events = await ran(AGUIBridge(graph.compile(checkpointer=InMemorySaver())), user("u1"))
    assert types(events) == ["RUN_STARTED", "RUN_FINISHED"]


async def test_a_message_that_nobody_streamed_is_told_whole() -> None:
    bridge = AGUIBridge(graph_of(MessagesState, say=lambda _: {"messages": [AIMessage("whole", id="a1")]}))
    events = await ran(bridge, user("u1"))
    assert text_of(events) == "whole"
    assert assistant("a1", "whole") in (await connected(bridge, run="c"))[1]["messages"]


# ------------------------------------------------------------------ what cannot be


def test_what_cannot_be_is_said_when_the_bridge_is_made() -> None:
    with pytest.raises(UsageError, match="state=True"):
        AGUIBridge(SessionAdapter(says("one")), state_keys=["plan"])
    with pytest.raises(UsageError, match="later"):
        AGUIBridge(says("one"), when_left="later")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="messages"):
        AGUIBridge(says("one"), client_state_keys=["messages"])


async def test_an_edit_that_is_refused_leaves_the_thread_as_it_was() -> None:
    """The session refuses it only after the thread has gone back."""
    graph = says("one", "two")
    async with SessionAdapter(graph, max_input_bytes=300) as sessions:
        bridge = AGUIBridge(sessions)
        await ran(bridge, user("u1"))
        before = (await sessions.get("t").history()).transcript.messages
        with pytest.raises(Refused) as refused:
            await bridge.run(json.dumps(asked(user("u1", "x" * 400), run="r2")).encode())
        assert refused.value.code == "input_too_large"
        after = (await sessions.get("t").history()).transcript.messages
        assert [message.message_id for message in after] == [message.message_id for message in before]
        assert len(after) == 2
        assert text_of(await ran(bridge, user("u1", "edited"), run="r3")) == "one"
