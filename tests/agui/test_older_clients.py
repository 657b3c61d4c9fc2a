"""Clients of before 1.0, as the chat libraries bring them along: told what they know, and heard as they speak.

Such a client needs the outcome `interrupt`, and fails at the outcome `cancelled`, at `pendingToolCallIds`, and at
results of tools that are no text.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agui.asking import Asker, Wire, answers, asking, result, says, types, user
from langwire.adapters.agui import AGUIBridge, agui_app
from langwire.demo.agents import build_concierge
from langwire.errors import UsageError

PAINT = {"name": "set_color", "description": "Paint the page."}
APPROVED = {"decisions": [{"type": "approve"}]}
NOTE = '{"decisions":[{"type":"approve"}]}'
"""What CopilotKit adds as the call's result when a person has approved it."""
CALL: Any = {"name": "look", "args": {}, "id": "c1"}


async def told(page: Asker, *messages: Wire, **fields: Any) -> list[Wire]:
    """What a client of before 1.0 is told: it names no version."""
    return (await page.run(*messages, **{"protocolVersion": None, **fields})).events


async def held(graph: Any) -> list[tuple[str, str]]:
    state = await graph.aget_state({"configurable": {"thread_id": "t"}})
    return [(message.type, message.text) for message in state.values["messages"]]


async def test_each_client_is_told_what_its_version_knows() -> None:
    """A client of 1.0 names its version in each run; one of before dies on what it does not know (PR#2350)."""
    async with asking(agui_app(build_concierge(0))) as page:
        new = (await page.run(user("u1"), thread="new")).events
        old = await told(page, user("u1"), thread="old")
    assert new[0]["protocolVersion"] == "1.0"
    assert new[-1]["outcome"] == {"type": "success"}
    assert not {"protocolVersion", "outcome", "usage"} & {key for event in old for key in event}
    assert types(old) == types(new)


async def test_a_client_of_before_1_0_is_asked_in_both_ways() -> None:
    async with asking(agui_app(build_concierge(0))) as page:
        custom, end = (await told(page, user("u1", "Write to Ann")))[-2:]
        again = await page.connect(protocolVersion=None)
    assert (custom["type"], custom["name"]) == ("CUSTOM", "on_interrupt")
    assert custom["value"]["action_requests"][0]["name"] == "send_email"
    (question,) = end["outcome"]["interrupts"]
    assert question["metadata"]["langwire"]["actions"][0]["args"]["to"] == "ann@example.org"
    assert again.events[-1]["outcome"] == end["outcome"]


async def test_a_client_of_before_1_0_runs_its_own_tools() -> None:
    """It takes every call without a result for its own, and is not told which ones wait (discussion#2564)."""
    async with asking(agui_app(build_concierge(0))) as page:
        events = await told(page, user("u1", "A gold page"), tools=[PAINT])
        assert types(events)[-1] == "RUN_FINISHED"
        assert "outcome" not in events[-1]
        (call,) = [event["toolCallId"] for event in events if event["type"] == "TOOL_CALL_START"]
        done = {"id": "r1", "role": "tool", "toolCallId": call, "content": "painted"}
        more = await told(page, user("u1", "A gold page"), done, tools=[PAINT], run="r2")
    said = "".join(event["delta"] for event in more if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert said == "Here you are:\n\n- set_color: painted\n"


async def test_a_snapshot_has_results_as_text_for_a_client_of_before_1_0() -> None:
    graph = says("done")
    parts: Any = [{"type": "text", "text": "a"}, {"type": "image", "url": "https://example.org/a.png"}]
    history = [HumanMessage("hi"), AIMessage("", tool_calls=[CALL]), ToolMessage(parts, tool_call_id="c1")]
    await graph.aupdate_state({"configurable": {"thread_id": "t"}}, {"messages": history})
    contents = []
    async with asking(agui_app(graph)) as page:
        for version in ("1.0", None):
            snapshot = (await page.connect(protocolVersion=version)).events[1]
            contents.append(snapshot["messages"][-1]["content"])
    assert [part["type"] for part in contents[0]] == ["text", "image"]
    assert json.loads(contents[1]) == contents[0]


# ------------------------------------------------------------------ habits of their answers


async def test_an_answer_that_is_also_noted_as_the_result_of_its_call_is_taken_once() -> None:
    """CopilotKit adds the answer to an approval as a `tool` message. It is no result, and never reaches the graph."""
    graph = build_concierge(0)
    async with asking(agui_app(graph)) as page:
        (question,) = (await told(page, user("u1", "Write to Ann")))[-1]["outcome"]["interrupts"]
        note = result(question["toolCallId"], NOTE)
        alone = await page.run(user("u1", "Write to Ann"), note, run="r2")
        assert alone.refused == (409, "unknown_tool_call")
        resume = answers(**{question["id"]: APPROVED})
        await told(page, user("u1", "Write to Ann"), note, resume=resume, run="r2")
        await told(page, user("u1", "Write to Ann"), note, user("u2", "hi"), run="r3")
    results = [text for role, text in await held(graph) if role == "tool"]
    assert results == ["Sent to ann@example.org."]


async def test_an_answer_may_come_under_the_id_of_the_run_that_asked() -> None:
    """CopilotKit goes on with the run that was interrupted. Any other run has to have an id of its own."""
    graph = build_concierge(0)
    async with asking(agui_app(graph)) as page:
        (question,) = (await told(page, user("u1", "Write to Ann")))[-1]["outcome"]["interrupts"]
        resume = answers(**{question["id"]: APPROVED})
        events = await told(page, resume=resume)
        assert {event["runId"] for event in events if "runId" in event} == {"r1"}
        assert (await page.run(resume=resume)).refused == (409, "unknown_interrupt")
        await told(page, user("u2", "hi"), run="r2")
        assert (await page.run(user("u3", "hi"), run="r2")).refused == (409, "run_id_taken")
    assert ("tool", "Sent to ann@example.org.") in await held(graph)


def test_a_version_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'2.0' came as a policy: expected one of 1.0, 0.1, auto"):
        AGUIBridge(build_concierge(0), protocol="2.0")  # type: ignore[arg-type]
