"""State that the TypeScript client and the graph share: what the client ends with is what it may see of the graph's."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, Send

from agui.client import Run, TSAgent, TSClient
from agui.served import Served, clean, outcome, say, serving
from langwire.adapters.agui import Prediction
from langwire.testing import Fault, tool_call
from langwire.testing.corpus._parts import chain, chat, graph_of, script

Wire = dict[str, Any]


class Recipe(MessagesState):
    """State without and with a reducer, and a secret."""

    title: str
    steps: Annotated[list[str], operator.add]
    budget: int


SEEN = ("title", "steps")


def cook(state: Recipe) -> dict[str, Any]:
    """Answer with the title that the client has set, add a step, and make the title louder."""
    title = state.get("title") or "soup"
    count = len(state.get("steps") or [])
    return {
        "messages": [AIMessage(f"cooking {title}")],
        "title": title.upper(),
        "steps": [f"step {count + 1}"],
        "budget": 100,
    }


def cooking() -> Any:
    return chain(InMemorySaver(), Recipe, cook=cook)


def told(run: Run) -> list[str]:
    """How state was told."""
    return [type for type in run.types if type in ("STATE_SNAPSHOT", "STATE_DELTA")]


async def visible(served: Served, agent: TSAgent, *keys: str) -> Wire:
    """Check that the client has what it may see of the graph's state, and return it."""
    values = await served.values()
    expected = {key: values[key] for key in keys or SEEN if key in values}
    assert agent.state == expected
    return expected


# ------------------------------------------------------------------ both ways


async def test_a_client_has_the_state_that_it_may_see(ts_client: TSClient) -> None:
    """F-A3: the other keys are not told, the messages are told once, and a list with a reducer does not double."""
    async with serving(ts_client, cooking(), state_keys=SEEN) as served:
        agent = await served.agent()
        for number in range(1, 4):
            await say(agent, "go", id=f"u{number}")
            assert len((await visible(served, agent))["steps"]) == number
        await served.agrees(agent)
    assert "budget" not in str(agent.events)
    assert agent.state == {"title": "SOUP", "steps": ["step 1", "step 2", "step 3"]}


async def test_a_small_change_is_told_as_a_small_change(ts_client: TSClient) -> None:
    """The baseline is what the client has sent: deltas against it, and nothing where nothing changed."""
    async with serving(ts_client, cooking(), state_keys=SEEN) as served:
        agent = await served.agent()
        await say(agent, "go", id="u1")
        run = await say(agent, "go", id="u2")
        assert told(run) == ["STATE_DELTA"]
        [delta] = [event["delta"] for event in run.events if event["type"] == "STATE_DELTA"]
        assert delta == [{"op": "add", "path": "/steps/1", "value": "step 2"}]


async def test_the_client_sets_what_it_may_set_and_the_agent_sets_it_too(ts_client: TSClient) -> None:
    """F-A3: what the client may not write is as if it had not been sent."""
    async with serving(ts_client, cooking(), state_keys=SEEN, client_state_keys=["title"]) as served:
        agent = await served.agent()
        await agent.set_state({"title": "stew", "steps": ["forged"], "budget": 10**6, "own": {"tab": 2}})
        await say(agent, "go", id="u1")
        assert [said.content for said in await served.agrees(agent)][-1] == "cooking stew"
        assert (await served.values())["budget"] == 100
        assert agent.state["own"] == {"tab": 2}
        assert (agent.state["title"], agent.state["steps"]) == ("STEW", ["step 1"])
        await agent.set_state({**agent.state, "title": "pie"})
        await say(agent, "go", id="u2")
        assert [said.content for said in await served.agrees(agent)][-1] == "cooking pie"
        assert (agent.state["title"], agent.state["steps"]) == ("PIE", ["step 1", "step 2"])


async def test_state_alone_is_shared_without_a_message(ts_client: TSClient) -> None:
    async with serving(ts_client, cooking(), state_keys=SEEN, client_state_keys=["title"]) as served:
        agent = await served.agent()
        await agent.set_state({"title": "stew"})
        assert outcome(clean(await agent.run())) == "success"
        assert (await visible(served, agent))["title"] == "STEW"


async def test_a_client_whose_state_is_old_gets_the_threads(ts_client: TSClient) -> None:
    async with serving(ts_client, cooking(), state_keys=SEEN) as served:
        agent, other = await served.agent(), await served.agent()
        await say(agent, "go", id="u1")
        clean(await other.connect())
        assert await visible(served, other) == agent.state
        await say(other, "go", id="u2")
        await say(agent, "go", id="u3")
        assert len((await visible(served, agent))["steps"]) == 3


async def test_without_state_keys_no_state_is_told(ts_client: TSClient) -> None:
    async with serving(ts_client, cooking()) as served:
        agent = await served.agent()
        assert told(await say(agent, "go", id="u1")) == []
        assert agent.state == {}
        await served.agrees(agent)


# ------------------------------------------------------------------ many writers


async def test_a_fan_out_never_takes_back_what_it_has_told(ts_client: TSClient) -> None:
    """ag-ui#2628: three tasks add to one list, by its reducer; the client sees it grow, and ends with all of it."""

    def plan(state: Recipe) -> list[Send]:
        return [Send("work", {"item": item}) for item in "abc"]

    graph: Any = graph_of(
        Recipe, work=lambda state: {"steps": [state["item"].upper()]}, join=lambda _: {"steps": ["joined"]}
    )
    graph.add_conditional_edges(START, plan, ["work"])
    graph.add_edge("work", "join")
    async with serving(ts_client, graph.compile(InMemorySaver()), state_keys=SEEN) as served:
        agent = await served.agent()
        for number in (1, 2):
            run = await say(agent, "go", id=f"u{number}")
            assert told(run)
            patches = [one for event in run.events if event["type"] == "STATE_DELTA" for one in event["delta"]]
            assert {patch["op"] for patch in patches} <= {"add"}
            await visible(served, agent)
        assert agent.state["steps"] == ["A", "B", "C", "joined"] * 2


# ------------------------------------------------------------------ predictions

STORY = "Once upon a time there was a very long document, and nobody had read it to its end."


class Document(MessagesState):
    """State with a document."""

    document: str


def writer(*pieces: Any, fails: bool = False) -> Any:
    """An agent whose model writes a document, in these pieces, as the argument of a tool that keeps it."""

    @tool
    def write(document: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Write the document."""
        if fails:
            raise ValueError("no paper")
        return Command(update={"document": document, "messages": [ToolMessage("kept", tool_call_id=tool_call_id)]})

    graph = graph_of(Document, agent=chat(script(pieces, "done")), tools=ToolNode([write], handle_tool_errors=True))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition, ["tools", "__end__"])
    graph.add_edge("tools", "agent")
    return graph.compile(InMemorySaver())


PREDICTED: dict[str, Any] = {
    "state_keys": ["document"],
    "predict": [Prediction(tool="write", argument="document", state_key="document")],
}


def documents(run: Run) -> list[str]:
    """What the document was while it was written."""
    seen: list[str] = []
    for event in run.events:
        if event["type"] == "STATE_DELTA":
            seen += [patch["value"] for patch in event["delta"] if patch["path"] == "/document" and "value" in patch]
        elif event["type"] == "STATE_SNAPSHOT":
            seen.append(event["snapshot"].get("document", ""))
    return seen


async def test_a_document_is_seen_while_the_model_writes_it(ts_client: TSClient) -> None:
    """ag-ui#594: state in mid-stream; in the end it is the graph's own."""
    wait = Fault()
    pieces = tool_call("write", ['{"document": "', STORY[:40], STORY[40:], '"}'])
    async with serving(ts_client, writer(*pieces[:3], wait, *pieces[3:]), **PREDICTED) as served:
        agent = await served.agent()
        running = asyncio.create_task(say(agent, "write", id="u1"))
        await wait.reached
        await agent.seen(lambda event: STORY[:40] in str(event) and event["type"].startswith("STATE"))
        wait.release()
        seen = documents(await running)
        assert all(STORY.startswith(document) for document in seen)
        assert agent.state == {"document": STORY} == {"document": (await served.values())["document"]}
        await served.agrees(agent)


async def test_a_document_that_was_not_kept_is_taken_back(ts_client: TSClient) -> None:
    async with serving(ts_client, writer(*tool_call("write", {"document": STORY}), fails=True), **PREDICTED) as served:
        agent = await served.agent()
        run = await say(agent, "write", id="u1")
        assert STORY in documents(run)
        assert agent.state == {}
        await served.agrees(agent)
