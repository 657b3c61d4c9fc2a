"""Tools as the TypeScript client sees them, and the client's own tools, which the agent calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from agui.client import Run, TSAgent, TSClient
from agui.served import clean, outcome, pending, say, serving
from langwire.adapters.agui import FrontendTools
from langwire.adapters.agui.frontend_tools import all_answered, awrap_client_call, client_tools, route_calls
from langwire.testing import CASES, ScriptedModel, text, tool_call, tool_calls
from langwire.testing.corpus._parts import add, chunk, fragment, get_weather, loop, script

Wire = dict[str, Any]

ROME: Wire = {"city": "Rome"}


def args_of(events: Sequence[Wire]) -> dict[str, str]:
    """The arguments of each call, put together from its pieces."""
    written: dict[str, str] = {}
    for event in events:
        if event["type"] == "TOOL_CALL_START":
            written[event["toolCallId"]] = ""
        elif event["type"] == "TOOL_CALL_ARGS":
            written[event["toolCallId"]] += event["delta"]
    return written


# ------------------------------------------------------------------ how calls are written

WHOLE = '{"city": "Rome"}'

CHUNKINGS: dict[str, Any] = {
    "name and arguments in one chunk": [chunk(tool_call_chunks=[fragment(WHOLE, name="get_weather", id="call_1")])],
    "arguments in pieces": tool_call("get_weather", ['{"ci', 'ty": "Ro', 'me"}']),
    "arguments in single characters": tool_call("get_weather", list(WHOLE)),
    "the id in every piece": [
        chunk(tool_call_chunks=[fragment(name="get_weather", id="call_1")]),
        *(chunk(tool_call_chunks=[fragment(part, id="call_1")]) for part in ('{"city"', ': "Rome"}')),
    ],
    "text around it": [chunk("Let me "), *tool_call("get_weather", ROME, text="look.")],
    "the finish reason in the same chunk": [
        chunk(
            tool_call_chunks=[fragment(WHOLE, name="get_weather", id="call_1")],
            response_metadata={"finish_reason": "tool_calls"},
        )
    ],
    "arguments before the name": [
        chunk(tool_call_chunks=[fragment('{"city"', id="call_1")]),
        chunk(tool_call_chunks=[fragment(': "Rome"}', name="get_weather")]),
    ],
    "in one go, without a stream": AIMessage(
        "", id="ai-1", tool_calls=[{"name": "get_weather", "args": ROME, "id": "call_1"}]
    ),
}


@pytest.mark.parametrize("chunking", CHUNKINGS)
async def test_a_call_is_whole_however_it_was_cut(ts_client: TSClient, chunking: str) -> None:
    """ag-ui#2653: also when its name and arguments come in one chunk."""
    graph = loop(InMemorySaver(), script(CHUNKINGS[chunking], text("It is ", "sunny.")), [get_weather])
    async with serving(ts_client, graph) as served:
        agent = await served.agent()
        await say(agent, "weather?", id="u1")
        told = await served.agrees(agent)
        assert told[1].calls == (("call_1", "get_weather", ROME),)
        assert (told[2].content, told[2].answers) == ("sunny in Rome", "call_1")


async def test_a_call_without_arguments_has_none(ts_client: TSClient) -> None:
    async with serving(ts_client, CASES["no_arguments"].build(InMemorySaver())) as served:
        agent = await served.agent()
        await say(agent, "time?", id="u1")
        told = await served.agrees(agent)
        assert (told[1].calls, told[2].content) == ((("call_1", "now", {}),), "noon")


@pytest.mark.parametrize("name", ["parallel_tools", "interleaved_in_a_chunk", "one_shot_arguments", "tools_apart"])
async def test_parallel_calls_are_told_apart(ts_client: TSClient, name: str) -> None:
    """ag-ui#1016: each call keeps its own arguments and its own result, however their pieces take turns."""
    async with serving(ts_client, CASES[name].build(InMemorySaver())) as served:
        agent = await served.agent()
        await say(agent, "both", id="u1")
        told = await served.agrees(agent)
        assert told[1].calls == (("call_a", "get_weather", ROME), ("call_b", "add", {"a": 1, "b": 2}))
        assert {(said.answers, said.content) for said in told[2:4]} == {("call_a", "sunny in Rome"), ("call_b", "3")}


async def test_call_ids_that_come_again_are_told_apart(ts_client: TSClient) -> None:
    """Small models count from `call_0` anew in each turn; a client knows calls by their ids alone."""
    cities = ("Rome", "Oslo", "Bern")

    def answer(prompt: Any) -> Any:
        turn = sum(message.type == "human" for message in prompt)
        done = prompt[-1].type == "tool"
        return text("done") if done else tool_call("get_weather", {"city": cities[turn - 1]}, id="call_0")

    async with serving(ts_client, loop(InMemorySaver(), script(answer), [get_weather])) as served:
        agent = await served.agent()
        for number in range(1, 4):
            await say(agent, "weather?", id=f"u{number}")
        told = await served.agrees(agent)
        calls = [call for said in told for call in said.calls]
        assert calls == [
            ("call_0", "get_weather", {"city": "Rome"}),
            ("call_0~2", "get_weather", {"city": "Oslo"}),
            ("call_0~3", "get_weather", {"city": "Bern"}),
        ]
        late = await served.agent()
        clean(await late.connect())
        await served.agrees(late)


async def test_a_failed_tool_has_a_result_that_says_so(ts_client: TSClient) -> None:
    async with serving(ts_client, CASES["tool_error"].build(InMemorySaver())) as served:
        agent = await served.agent()
        run = await say(agent, "do it", id="u1")
        [result] = [event for event in run.events if event["type"] == "TOOL_CALL_RESULT"]
        assert result["metadata"] == {"status": "error"}
        assert "cannot do it" in result["content"]
        assert [said.content for said in await served.agrees(agent)][-1] == "The tool failed."
        late = await served.agent()
        clean(await late.connect())
        assert [message["error"] for message in late.messages if "error" in message] == [result["content"]]


async def test_a_tool_of_the_provider_has_its_call_and_its_result(ts_client: TSClient) -> None:
    """It stands in the message itself, has no message of its own, and is no forgery when it comes back."""
    async with serving(ts_client, CASES["server_tools"].build(InMemorySaver())) as served:
        agent = await served.agent()
        run = await say(agent, "search", id="u1")
        assert args_of(run.events) == {"st_1": '{"q":"x"}'}
        [result] = [message for message in agent.messages if message["role"] == "tool"]
        assert result["toolCallId"] == "st_1"
        assert "hits" in result["content"]
        assert len({message["id"] for message in agent.messages}) == 3
        assert outcome(await say(agent, "again", id="u2")) == "success"
        assert outcome(clean(await agent.run())) == "success"


# ------------------------------------------------------------------ the client's own tools

PAINT: Wire = {
    "name": "paint",
    "description": "Paint the page.",
    "parameters": {"type": "object", "properties": {"color": {"type": "string"}}},
}


class Counted:
    """A tool of the agent that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

        @tool
        def weather(city: str) -> str:
            """The weather in a city."""
            self.asked.append(city)
            return f"sunny in {city}"

        self.tool = weather


def painter(*calls: Any, tools: Sequence[Any] = ()) -> Any:
    """An agent of LangChain that makes these calls at once, then says so."""
    model = ScriptedModel(script=[tool_calls(*calls), text("Painted.")])
    return create_agent(model, list(tools), middleware=[FrontendTools()], checkpointer=InMemorySaver())


def painter_by_hand(*calls: Any, tools: Sequence[Any] = ()) -> Any:
    """The same, with nodes and edges."""
    model = ScriptedModel(script=[tool_calls(*calls), text("Painted.")])

    async def ask(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        bound = model.bind_tools([*tools, *client_tools(config, tools)])
        return {"messages": [await bound.ainvoke(all_answered(state["messages"]))]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("tools", ToolNode(list(tools), awrap_tool_call=awrap_client_call))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", route_calls, ["tools", "__end__"])
    graph.add_edge("tools", "ask")
    return graph.compile(InMemorySaver())


def paint(color: str, id: str) -> Any:
    return tool_call("paint", {"color": color}, id=id)


async def bring(agent: TSAgent, *results: tuple[str, str], **parameters: Any) -> Run:
    """Bring results of the client's own tools, as its messages."""
    await agent.add_messages(
        [{"id": f"result-{call}", "role": "tool", "toolCallId": call, "content": said} for call, said in results]
    )
    return clean(await agent.run(**parameters))


def results_of(agent: TSAgent) -> list[tuple[str, str]]:
    return sorted(
        (message["toolCallId"], message["content"]) for message in agent.messages if message["role"] == "tool"
    )


MAKERS = pytest.mark.parametrize("make", [painter, painter_by_hand])


@MAKERS
async def test_the_run_ends_at_a_call_of_the_clients_tool_and_goes_on_with_its_result(
    ts_client: TSClient, make: Any
) -> None:
    """ag-ui#1412: the call is pending, nothing stands in its place; the client's message is its result, once."""
    async with serving(ts_client, make(paint("red", "p1"))) as served:
        agent = await served.agent()
        run = await say(agent, "paint", id="u1", tools=[PAINT])
        assert (outcome(run), pending(run), agent.pending_interrupts) == ("success", ["p1"], [])
        assert [message["role"] for message in agent.messages] == ["user", "assistant"]
        run = await bring(agent, ("p1", "It is red."), tools=[PAINT])
        assert (outcome(run), pending(run)) == ("success", [])
        assert results_of(agent) == [("p1", "It is red.")]
        assert [said.content for said in await served.held()] == ["paint", "", "It is red.", "Painted."]
        assert outcome(await say(agent, "thanks", id="u2", tools=[PAINT])) == "success"
        late = await served.agent()
        clean(await late.connect())
        await served.agrees(late)


@MAKERS
async def test_two_calls_are_answered_one_by_one(ts_client: TSClient, make: Any) -> None:
    async with serving(ts_client, make(paint("red", "p1"), paint("blue", "p2"))) as served:
        agent = await served.agent()
        assert pending(await say(agent, "paint", id="u1", tools=[PAINT])) == ["p1", "p2"]
        assert pending(await bring(agent, ("p2", "blue"), tools=[PAINT])) == ["p1"]
        assert pending(await bring(agent, ("p1", "red"), tools=[PAINT])) == []
        assert results_of(agent) == [("p1", "red"), ("p2", "blue")]
        assert [said.content for said in await served.held()][-1] == "Painted."


@MAKERS
async def test_calls_of_the_agents_and_the_clients_tools_in_one_message_run_once_each(
    ts_client: TSClient, make: Any
) -> None:
    """CopilotKit strips such calls out and puts them back; here each has a task of its own."""
    counted = Counted()
    calls = (tool_call("weather", ROME, id="w1"), paint("red", "p1"), tool_call("weather", {"city": "Oslo"}, id="w2"))
    async with serving(ts_client, make(*calls, tools=[counted.tool])) as served:
        agent = await served.agent()
        run = await say(agent, "both", id="u1", tools=[PAINT])
        assert pending(run) == ["p1"]
        assert results_of(agent) == [("w1", "sunny in Rome"), ("w2", "sunny in Oslo")]
        assert pending(await bring(agent, ("p1", "red"), tools=[PAINT])) == []
        assert sorted(counted.asked) == ["Oslo", "Rome"]
        assert results_of(agent) == [("p1", "red"), ("w1", "sunny in Rome"), ("w2", "sunny in Oslo")]
        assert sorted(said.answers for said in await served.held() if said.answers) == ["p1", "w1", "w2"]


async def test_a_result_for_a_call_that_does_not_wait_is_refused(ts_client: TSClient) -> None:
    """T-7, F-A3."""
    async with serving(ts_client, painter(paint("red", "p1"))) as served:
        agent, forger = await served.agent(), await served.agent()
        await say(agent, "paint", id="u1", tools=[PAINT])
        await forger.add_messages([{"id": "x", "role": "tool", "toolCallId": "p9", "content": "done"}])
        run = await forger.run()
        assert (run.status, run.payload["error"]["code"]) == (409, "unknown_tool_call")
        assert pending(await bring(agent, ("p1", "red"), tools=[PAINT])) == []


async def test_a_user_who_goes_on_instead_leaves_the_call_without_a_result(ts_client: TSClient) -> None:
    """A result that comes too late is refused, and does not keep the thread from going on."""
    async with serving(ts_client, painter(paint("red", "p1"))) as served:
        agent = await served.agent()
        await say(agent, "paint", id="u1", tools=[PAINT])
        assert outcome(await say(agent, "never mind", id="u2", tools=[PAINT])) == "success"
        await agent.add_messages([{"id": "late", "role": "tool", "toolCallId": "p1", "content": "red"}])
        assert (await agent.run(tools=[PAINT])).status == 409
        assert outcome(await say(agent, "go on", id="u3", tools=[PAINT])) == "success"
        assert not any(said.role == "tool" for said in await served.held())


async def test_a_client_that_was_reloaded_learns_which_calls_wait(ts_client: TSClient) -> None:
    async with serving(ts_client, painter(paint("red", "p1"))) as served:
        agent, reloaded = await served.agent(), await served.agent()
        await say(agent, "paint", id="u1", tools=[PAINT])
        run = clean(await reloaded.connect())
        assert pending(run) == ["p1"]
        assert pending(await bring(reloaded, ("p1", "red"))) == []
        assert results_of(reloaded) == [("p1", "red")]


async def test_a_tool_that_failed_in_the_client_is_a_failed_call(ts_client: TSClient) -> None:
    async with serving(ts_client, painter(paint("red", "p1"))) as served:
        agent = await served.agent()
        await say(agent, "paint", id="u1", tools=[PAINT])
        failed = {"id": "r1", "role": "tool", "toolCallId": "p1", "content": "", "error": "no paint left"}
        await agent.add_messages([failed])
        assert outcome(clean(await agent.run(tools=[PAINT]))) == "success"
        [result] = [message for message in (await served.values())["messages"] if message.type == "tool"]
        assert (result.status, result.content) == ("error", "no paint left")


async def test_call_ids_of_the_clients_tools_may_come_again(ts_client: TSClient) -> None:
    def answer(prompt: Any) -> Any:
        done = prompt[-1].type == "tool"
        return text(f"{prompt[-1].text} done") if done else paint(prompt[-1].text, "call_0")

    graph = create_agent(
        ScriptedModel(script=[answer]), [add], middleware=[FrontendTools()], checkpointer=InMemorySaver()
    )
    async with serving(ts_client, graph) as served:
        agent = await served.agent()
        assert pending(await say(agent, "red", id="u1", tools=[PAINT])) == ["call_0"]
        assert pending(await bring(agent, ("call_0", "red"), tools=[PAINT])) == []
        assert pending(await say(agent, "blue", id="u2", tools=[PAINT])) == ["call_0~2"]
        assert pending(await bring(agent, ("call_0~2", "blue"), tools=[PAINT])) == []
        assert [said.content for said in await served.held()][-1] == "blue done"
        assert results_of(agent) == [("call_0", "red"), ("call_0~2", "blue")]
