"""Every graph of the corpus, served by its name: what the TypeScript client ends with is what the thread holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from langgraph.checkpoint.memory import InMemorySaver

from agui.client import Run, TSAgent, TSClient
from agui.served import Said, Served, answered, clean, listening, outcome, say, shown
from langwire.adapters.agui import AGUIBridge, agui_router
from langwire.testing import CASES, Case, Next, available
from langwire.testing.corpus import HELLO

ENDS = {"complete": "success", "interrupted": "interrupt"}

NAMES = [
    name for name, case in CASES.items() if available(case) and case.input is HELLO and case.ends[-1] == "complete"
]

Sight = Callable[[Sequence[Said]], Any]
"""What is compared of messages."""


def _whole(messages: Sequence[Said]) -> Any:
    return list(messages)


def _without_ids(messages: Sequence[Said]) -> Any:
    return [(message.role, message.content, [call[1:] for call in message.calls]) for message in messages]


def _in_any_order(messages: Sequence[Said]) -> Any:
    return sorted(messages, key=str)


def _without_calls(messages: Sequence[Said]) -> Any:
    return [(message.role, message.id, message.content) for message in messages if message.role != "tool"]


def _without_arguments(messages: Sequence[Said]) -> Any:
    return [message._replace(calls=tuple(call[:2] for call in message.calls)) for message in messages]


def _users(messages: Sequence[Said]) -> Any:
    return [message for message in messages if message.role == "user"]


SIGHTS: dict[str, Sight] = {
    # The ids are the reducer's, and came after the messages were told.
    "call_by_hand": _without_ids,
    "loose_messages": _without_ids,
    # Nodes that ran side by side: the thread has them in the order of their names.
    "parallel_streams": _in_any_order,
    "parallel_subgraphs": _in_any_order,
    "replayed_sibling": _in_any_order,
    "send_models": _in_any_order,
    # The call is none for LangChain, or has other arguments in the end: the client has what the model wrote.
    "hitl_edit_and_reject": _without_arguments,
    "server_tools": _without_calls,
    "truncated_arguments": _without_arguments,
    # The thread keeps less than was said.
    "answer_elsewhere": _users,
    "handoff_to_parent": _users,
    "late_id": _users,
    "parallel_same_ids": _users,
}
"""How the cases are compared whose messages cannot be the thread's to the letter while they stream."""


SAVED: dict[str, Sight] = {"server_tools": _without_calls}
"""The same for those who load the thread, which are fewer: what is not kept is not told."""


async def _follow(case: Case, served: Served, agent: TSAgent, number: int) -> Run:
    """The case's next run."""
    if case.resume is Next.REPEAT:
        return await say(agent, "hi", id=f"u{number}")
    if case.resume is Next.CONTINUE:
        return clean(await agent.run())
    state = await served.graph.aget_state({"configurable": {"thread_id": "t"}})
    answer, ids = case.follow(state.interrupts).resume, [question.id for question in state.interrupts]
    answers = answer if isinstance(answer, dict) and set(answer) <= set(ids) else {ids[0]: answer}
    return clean(await agent.run(resume=answered(*answers.items())))


async def _problem(case: Case, served: Served) -> str | None:
    """What is wrong with a case: run to its end, spoken to once more, and loaded anew."""
    sight, agent = SIGHTS.get(case.name, _whole), await served.agent()
    ends = [outcome(await say(agent, "hi", id="u1"))]
    while len(ends) < len(case.ends):
        ends.append(outcome(await _follow(case, served, agent, len(ends) + 1)))
    if ends != [ENDS[end] for end in case.ends]:
        return f"it ended as {ends}"
    if sight(shown(agent.messages)) != sight(await served.held()):
        return f"first turn: {sight(shown(agent.messages))} for {sight(await served.held())}"
    await say(agent, "and?", id="again")
    if sight(shown(agent.messages)) != sight(await served.held()):
        return f"second turn: {sight(shown(agent.messages))} for {sight(await served.held())}"
    other = await served.agent()
    clean(await other.connect())
    if SAVED.get(case.name, _whole)(shown(other.messages)) != SAVED.get(case.name, _whole)(await served.held()):
        return f"loaded anew: {shown(other.messages)} for {await served.held()}"
    return None


async def _told(case: Case, served: Served) -> str | None:
    try:
        return await _problem(case, served)
    except AssertionError as wrong:
        return str(wrong) or "an assertion failed"


@pytest.mark.parametrize("part", range(4))
async def test_a_client_ends_with_the_threads_own_messages(ts_client: TSClient, part: int) -> None:
    """F-A1, ag-ui#1343: in the first turn, in the next one, and after a reload."""
    names, app = NAMES[part::4], FastAPI()
    bridges = {name: AGUIBridge(CASES[name].build(InMemorySaver())) for name in names}
    for name, bridge in bridges.items():
        app.include_router(agui_router(bridge), prefix=f"/{name}")
    async with listening(app) as address:
        served = [(CASES[name], Served(ts_client, bridge, f"{address}/{name}")) for name, bridge in bridges.items()]
        told = await asyncio.gather(*(_told(*one) for one in served))
        for bridge in bridges.values():
            await bridge.close()
    assert {name: problem for name, problem in zip(names, told, strict=True) if problem is not None} == {}
