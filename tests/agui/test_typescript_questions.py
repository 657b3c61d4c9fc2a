"""The TypeScript client and a graph that asks: it is asked once, answers by id, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from agui.client import TSAgent, TSClient
from agui.served import Served, answered, clean, outcome, say, serving, shown
from langwire.testing import CASES, available, text
from langwire.testing.corpus._parts import chain, chat, says, script

Wire = dict[str, Any]


def case(name: str) -> Any:
    if not available(CASES[name]):
        pytest.skip(f"{CASES[name].needs} is not installed")
    return CASES[name].build(InMemorySaver())


async def asked(served: Served, thread: str = "t") -> TSAgent:
    """A browser that has spoken and been asked."""
    agent = await served.agent(thread)
    run = await say(agent, "hi", id="u1")
    assert outcome(run) == "interrupt"
    assert agent.pending_interrupts == run.events[-1]["outcome"]["interrupts"]
    return agent


async def answer(agent: TSAgent, *payloads: Any) -> None:
    """Answer all that is open, in its order."""
    ids = [question["id"] for question in agent.pending_interrupts]
    assert outcome(clean(await agent.run(resume=answered(*zip(ids, payloads, strict=True))))) == "success"
    assert agent.pending_interrupts == []


# ------------------------------------------------------------------ questions of a node


async def test_one_question_is_asked_and_answered(ts_client: TSClient) -> None:
    async with serving(ts_client, case("interrupt_single")) as served:
        agent = await asked(served)
        [question] = agent.pending_interrupts
        assert (question["reason"], question["message"]) == ("input_required", "Proceed?")
        await answer(agent, "yes")
        assert [message.content for message in await served.agrees(agent)] == ["hi", "before", "answer='yes'"]


async def test_what_was_said_before_a_question_is_told_once(ts_client: TSClient) -> None:
    """The node runs again when it is answered, and its model says the same anew under another id."""
    async with serving(ts_client, case("interrupt_after_text")) as served:
        agent = await asked(served)
        await answer(agent, "yes")
        assert [message.content for message in await served.agrees(agent)] == ["hi", "Shall I?", "answer=yes"]


async def test_several_questions_at_once_are_answered_by_their_ids(ts_client: TSClient) -> None:
    """ag-ui#2178, ag-ui#1409: the questions of all tasks, and an answer for each."""
    async with serving(ts_client, case("interrupt_in_parallel_tools")) as served:
        agent = await asked(served)
        answers = [question["message"].upper() for question in agent.pending_interrupts]
        assert sorted(answers) == ["WHEN?", "WHO?"]
        await answer(agent, *answers)
        told = await served.agrees(agent)
        results = {message.answers: message.content for message in told if message.role == "tool"}
        assert results == {"call_a": "they said WHO?", "call_b": "they said WHEN?"}


async def test_an_open_question_is_asked_again_and_nothing_runs(ts_client: TSClient) -> None:
    """The client itself runs nothing before it has an answer; one that has forgotten the question is asked anew."""
    async with serving(ts_client, case("interrupt_single")) as served:
        agent, forgetful, reloaded = await asked(served), await served.agent(), await served.agent()
        assert "pending interrupt" in str((await agent.run()).error)
        run = clean(await forgetful.run())
        assert (outcome(run), forgetful.pending_interrupts) == ("interrupt", agent.pending_interrupts)
        assert outcome(clean(await reloaded.connect())) == "interrupt"
        assert reloaded.pending_interrupts == agent.pending_interrupts
        await served.agrees(agent, reloaded)
        await answer(reloaded, "yes")
        await served.agrees(reloaded)


async def test_a_new_message_does_not_settle_a_question(ts_client: TSClient) -> None:
    async with serving(ts_client, case("interrupt_single")) as served:
        agent, other = await asked(served), await served.agent()
        await other.say("never mind", id="u2")
        run = await other.run()
        assert (run.status, run.payload["error"]["code"]) == (409, "interrupt_open")
        await answer(agent, "yes")
        await served.agrees(agent)


async def test_an_answer_to_another_question_harms_nothing(ts_client: TSClient) -> None:
    """langgraph#8836: LangGraph itself would take any 32 hex digits, and say nothing."""
    async with serving(ts_client, case("interrupt_single")) as served:
        agent, other = await asked(served), await served.agent()
        before = await served.held()
        run = await other.run(resume=answered(("0" * 32, "yes")))
        assert (run.status, run.payload["error"]["code"]) == (409, "unknown_interrupt")
        assert await served.held() == before
        await answer(agent, "yes")
        await served.agrees(agent)


async def test_some_answers_are_not_enough(ts_client: TSClient) -> None:
    async with serving(ts_client, case("interrupt_in_parallel_tools")) as served:
        agent, other = await asked(served), await served.agent()
        first, _ = agent.pending_interrupts
        run = await other.run(resume=answered((first["id"], "Bob")))
        assert (run.status, run.payload["error"]["code"]) == (409, "missing_answers")
        await answer(agent, "Bob", "noon")
        await served.agrees(agent)


async def test_a_question_is_answered_once_by_whoever_is_first(ts_client: TSClient) -> None:
    """T-8."""
    async with serving(ts_client, case("interrupt_single")) as served:
        first, second = await asked(served), await served.agent()
        clean(await second.connect())
        late = answered((second.pending_interrupts[0]["id"], "no"))
        await answer(first, "yes")
        run = await second.run(resume=late)
        assert run.status == 409
        assert run.payload["error"]["code"] in ("already_answered", "unknown_interrupt")
        reloaded = await served.agent()
        clean(await reloaded.connect())
        assert reloaded.pending_interrupts == []
        assert [message.content for message in await served.agrees(first, reloaded)][-1] == "answer='yes'"


async def test_a_question_can_be_turned_down(ts_client: TSClient) -> None:
    async with serving(ts_client, case("interrupt_single")) as served:
        agent = await asked(served)
        declined = [{"interruptId": agent.pending_interrupts[0]["id"], "status": "cancelled"}]
        assert outcome(clean(await agent.run(resume=declined))) == "success"
        assert [message.content for message in await served.agrees(agent)][-1] == "answer=None"


async def test_a_question_in_a_subgraph_is_asked_once(ts_client: TSClient) -> None:
    child = chain(ask=lambda _: {"messages": [AIMessage(f"so {interrupt('Deep?')}", id="deep-1")]})
    async with serving(ts_client, chain(InMemorySaver(), child=child)) as served:
        agent = await asked(served)
        assert [question["message"] for question in agent.pending_interrupts] == ["Deep?"]
        await answer(agent, "it is")
        assert [message.content for message in await served.agrees(agent)] == ["hi", "so it is"]


async def test_a_breakpoint_is_gone_on_from(ts_client: TSClient) -> None:
    graph = chain(one=says(AIMessage("one", id="1")), two=says(AIMessage("two", id="2"))).builder
    async with serving(ts_client, graph.compile(InMemorySaver(), interrupt_before=["two"])) as served:
        agent = await asked(served)
        assert [question["reason"] for question in agent.pending_interrupts] == ["breakpoint"]
        await answer(agent, True)
        assert [message.content for message in await served.agrees(agent)] == ["hi", "one", "two"]


# ------------------------------------------------------------------ approvals

APPROVE: Wire = {"type": "approve"}
REJECT: Wire = {"type": "reject", "message": "no sums today"}
RESPOND: Wire = {"type": "respond", "message": "it is three"}
MILAN: Wire = {"type": "edit", "edited_action": {"name": "get_weather", "args": {"city": "Milan"}}}


async def results_of(served: Served, agent: TSAgent) -> dict[str | None, str]:
    """What the calls came to, the same here and there, after one more turn and for one who comes late."""
    await say(agent, "and?", id="u2")
    late = await served.agent()
    clean(await late.connect())
    results = {message.answers: message.content for message in await served.agrees(late) if message.answers}
    assert results == {message.answers: message.content for message in shown(agent.messages) if message.answers}
    return results


@pytest.mark.parametrize(
    ("name", "first", "second", "weather", "sum"),
    [
        ("hitl_approve", APPROVE, APPROVE, "sunny in Rome", "3"),
        ("hitl_edit_and_reject", MILAN, REJECT, "sunny in Milan", "no sums today"),
        ("hitl_respond", APPROVE, RESPOND, "sunny in Rome", "it is three"),
    ],
)
async def test_a_batch_of_calls_is_decided_in_one_answer(
    ts_client: TSClient, name: str, first: Wire, second: Wire, weather: str, sum: str
) -> None:
    async with serving(ts_client, case(name)) as served:
        agent = await asked(served)
        [question] = agent.pending_interrupts
        assert question["reason"] == "tool_call"
        assert question["responseSchema"]["properties"]["decisions"]["maxItems"] == 2
        await answer(agent, {"decisions": [first, second]})
        results = await results_of(served, agent)
        assert weather in results["call_a"]
        assert sum in results["call_b"]


@pytest.mark.parametrize(
    ("name", "first", "second", "weather", "sum"),
    [
        ("hitl_per_call", APPROVE, APPROVE, "sunny in Rome", "3"),
        ("hitl_per_call_edit_and_respond", MILAN, RESPOND, "sunny in Milan", "it is three"),
        ("hitl_per_call_reject", APPROVE, REJECT, "sunny in Rome", "no sums today"),
    ],
)
async def test_each_call_is_decided_by_an_answer_of_its_own(
    ts_client: TSClient, name: str, first: Wire, second: Wire, weather: str, sum: str
) -> None:
    async with serving(ts_client, case(name)) as served:
        agent = await asked(served)
        decisions = {"call_a": first, "call_b": second}
        await answer(agent, *(decisions[question["toolCallId"]] for question in agent.pending_interrupts))
        results = await results_of(served, agent)
        assert weather in results["call_a"]
        assert sum in results["call_b"]


async def test_a_decision_that_is_not_allowed_harms_nothing(ts_client: TSClient) -> None:
    """T-7: the client is told, the question stays open, and the right answer is taken after that."""
    async with serving(ts_client, case("hitl_approve")) as served:
        agent, other = await asked(served), await served.agent()
        clean(await other.connect())
        [question] = agent.pending_interrupts
        run = await agent.run(resume=answered((question["id"], {"decisions": [APPROVE, RESPOND]})))
        assert (run.status, run.payload["error"]["code"]) == (422, "invalid_answer")
        await answer(other, {"decisions": [APPROVE, APPROVE]})
        assert (await results_of(served, other))["call_b"] == "3"


async def test_a_batch_of_calls_can_be_turned_down(ts_client: TSClient) -> None:
    async with serving(ts_client, case("hitl_approve")) as served:
        agent = await asked(served)
        declined = [{"interruptId": agent.pending_interrupts[0]["id"], "status": "cancelled"}]
        assert outcome(clean(await agent.run(resume=declined))) == "success"
        results = await results_of(served, agent)
        assert all("rejected" in str(result) for result in results.values())
        assert set(results) == {"call_a", "call_b"}


async def test_a_new_message_after_an_answered_question_is_just_that(ts_client: TSClient) -> None:
    graph = chain(
        InMemorySaver(), ask=lambda _: {"messages": [AIMessage(str(interrupt("?")))]}, chat=chat(script(text("ok")))
    )
    async with serving(ts_client, graph) as served:
        agent = await asked(served)
        await answer(agent, "one")
        assert outcome(await say(agent, "two", id="u2")) == "interrupt"
        await answer(agent, "three")
        assert [message.content for message in shown(agent.messages)] == ["hi", "one", "ok", "two", "three", "ok"]
        await served.agrees(agent)


# ------------------------------------------------------------------ the older dialect


async def forwarded(served: Served, agent: TSAgent, value: Any) -> TSAgent:
    """Answer as a client does that knows no interrupts: the answer has no id."""
    older = await served.agent(messages=agent.messages)
    clean(await older.run(forwarded_props={"command": {"resume": value}}))
    return older


async def test_the_older_dialect_asks_with_a_custom_event_and_takes_the_forwarded_answer(ts_client: TSClient) -> None:
    """PR#2350: the question comes before the end of the run, in the words of clients of before 1.0."""
    async with serving(ts_client, case("interrupt_single"), protocol="0.1") as served:
        agent = await asked(served)
        assert agent.events[-2] == {"type": "CUSTOM", "name": "on_interrupt", "value": {"question": "Proceed?"}}
        assert "protocolVersion" not in agent.events[0]
        older = await forwarded(served, agent, "yes")
        assert [message.content for message in await served.agrees(older)] == ["hi", "before", "answer='yes'"]


async def test_the_older_dialect_decides_about_calls(ts_client: TSClient) -> None:
    async with serving(ts_client, case("hitl_edit_and_reject"), protocol="0.1") as served:
        older = await forwarded(served, await asked(served), {"decisions": [APPROVE, REJECT]})
        results = {message.answers: message.content for message in await served.agrees(older) if message.answers}
        assert results["call_a"] == "sunny in Rome"
        assert "no sums today" in results["call_b"]
