"""What runs inside a graph, and what is not text, as the TypeScript client sees it: subgraphs, subagents, thinking."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import MessagesState
from langgraph.types import interrupt

from agui.client import Run, TSAgent, TSClient
from agui.served import answered, clean, outcome, say, serving, shown
from langwire.adapters.agui import Visibility
from langwire.testing import CASES, ScriptedModel, available, reasoning, text, tool_call, tool_calls
from langwire.testing.corpus._parts import chain, chat, get_weather, script

Wire = dict[str, Any]


def case(name: str) -> Any:
    if not available(CASES[name]):
        pytest.skip(f"{CASES[name].needs} is not installed")
    return CASES[name].build(InMemorySaver())


def of(run: Run, type: str) -> list[Wire]:
    return [event for event in run.events if event["type"] == type]


# ------------------------------------------------------------------ thinking

THOUGHTS = {
    "thinking": ["Let me think."],
    "anthropic_exact": ["Let me think.", ""],
    "openai_reasoning_summary": ["Weigh both."],
    "v1_reasoning": ["hm yes"],
    "bedrock_reasoning": ["rocks think"],
    "reasoning_beside_content": ["deep thought"],
    "thinking_between": ["first", "second"],
    "finished_blocks": ["whole thought"],
}
SEALED = {
    "thinking": ["c2ln"],
    "anthropic_exact": ["c2ln", "c2VjcmV0"],
    "openai_reasoning_summary": ["ZW5j"],
    "bedrock_reasoning": ["c2ln"],
    "finished_blocks": ["c2ln"],
}


@pytest.mark.parametrize("name", THOUGHTS)
async def test_thinking_of_each_provider_is_a_message_of_its_own(ts_client: TSClient, name: str) -> None:
    """ag-ui#1251: whatever its shape, with the provider's seal; no part of the answer, no forgery when sent back."""
    async with serving(ts_client, case(name)) as served:
        agent = await served.agent()
        run = await say(agent, "hi", id="u1")
        thoughts = [message for message in agent.messages if message["role"] == "reasoning"]
        assert [thought["content"] for thought in thoughts] == THOUGHTS[name]
        assert [event["encryptedValue"] for event in of(run, "REASONING_ENCRYPTED_VALUE")] == SEALED.get(name, [])
        assert [thought["encryptedValue"] for thought in thoughts if "encryptedValue" in thought] == SEALED.get(
            name, []
        )
        late = await served.agent()
        clean(await late.connect())
        assert [message["id"] for message in late.messages] == [message["id"] for message in agent.messages]
        assert outcome(await say(agent, "more", id="u2")) == "success"
        await served.agrees(agent)


# ------------------------------------------------------------------ subgraphs


@pytest.mark.parametrize("name", ["subgraph", "subgraph_deep", "graph_in_a_node", "parallel_subgraphs"])
async def test_a_subgraph_speaks_as_the_agent_itself(ts_client: TSClient, name: str) -> None:
    async with serving(ts_client, case(name)) as served:
        agent = await served.agent()
        run = await say(agent, "hi", id="u1")
        assert of(run, "SUBAGENT_STARTED") == []
        assert sorted(shown(agent.messages), key=str) == sorted(await served.held(), key=str)


async def test_a_hidden_subgraph_says_nothing_while_it_runs(ts_client: TSClient) -> None:
    """CopilotKit#3744: not a word of it is on the wire; what the parent keeps of it comes with the thread."""
    inner = chain(think=chat(script(text("private ", "thoughts"))))

    async def ask(state: MessagesState) -> dict[str, Any]:
        await inner.ainvoke({"messages": [("user", "?")]})
        return {"messages": [AIMessage("public", id="a-1")]}

    async with serving(ts_client, chain(InMemorySaver(), ask=ask), visibility=Visibility(subgraphs="hidden")) as served:
        agent = await served.agent()
        await say(agent, "hi", id="u1")
        assert "private" not in str(agent.events)
        assert [said.content for said in await served.agrees(agent)] == ["hi", "public"]


async def test_an_attributed_subgraph_speaks_in_a_box_of_its_own(ts_client: TSClient) -> None:
    async with serving(ts_client, case("subgraph"), visibility=Visibility(subgraphs="attributed")) as served:
        agent = await served.agent()
        run = await say(agent, "hi", id="u1")
        [start] = of(run, "SUBAGENT_STARTED")
        [end] = of(run, "SUBAGENT_FINISHED")
        assert (start["name"], end["subagentRunId"]) == ("child", start["subagentRunId"])
        boxed = [message for message in agent.messages if message.get("subagentRunId") == start["subagentRunId"]]
        assert [message["content"] for message in boxed] == ["sub says hi"]
        assert outcome(await say(agent, "more", id="u2")) == "success"


async def test_a_hidden_node_says_nothing(ts_client: TSClient) -> None:
    graph = chain(InMemorySaver(), draft=chat(script(text("a rough ", "draft"))), final=chat(script("", text("fine"))))
    async with serving(ts_client, graph, visibility=Visibility(nodes={"draft": "hidden"})) as served:
        agent = await served.agent()
        await say(agent, "hi", id="u1")
        assert "rough" not in str(agent.events)
        assert [said.content for said in shown(agent.messages)] == ["hi", "fine"]


@pytest.mark.parametrize("name", ["parallel_streams", "send_models", "two_models_in_a_node"])
async def test_what_speaks_at_the_same_time_stays_apart(ts_client: TSClient, name: str) -> None:
    """ag-ui#1776: each message is open on its own, and none swallows the words of another."""
    async with serving(ts_client, case(name)) as served:
        agent = await served.agent()
        await say(agent, "hi", id="u1")
        assert sorted(shown(agent.messages), key=str) == sorted(await served.held(), key=str)
        late = await served.agent()
        clean(await late.connect())
        await served.agrees(late)


# ------------------------------------------------------------------ subagents


def delegating() -> Any:
    """An agent with a tool that runs another agent, which has a tool of its own and always uses the same call id."""
    expert = create_agent(
        ScriptedModel(script=[tool_call("get_weather", {"city": "Bern"}, id="call_x"), text("Bern ", "is sunny")]),
        [get_weather],
        name="expert",
    )

    @tool
    async def ask_expert(question: str) -> str:
        """Ask the expert."""
        result = await expert.ainvoke({"messages": [{"role": "user", "content": question}]})
        return str(result["messages"][-1].text)

    def answer(prompt: Any) -> Any:
        turn = sum(message.type == "human" for message in prompt)
        if prompt[-1].type == "tool":
            return text(f"The expert says: {prompt[-1].text}")
        return tool_call("ask_expert", {"question": "weather?"}, id=f"call_{turn}")

    return create_agent(ScriptedModel(script=[answer]), [ask_expert], checkpointer=InMemorySaver())


def boxes(agent: TSAgent) -> dict[str, list[tuple[str, Any]]]:
    """What each subagent has said, as the client keeps it."""
    said: dict[str, list[tuple[str, Any]]] = {}
    for message in agent.messages:
        if "subagentRunId" in message:
            calls = [(call["id"], call["function"]["arguments"]) for call in message.get("toolCalls") or ()]
            said.setdefault(message["subagentRunId"], []).append((message["role"], calls or message.get("content")))
    return said


async def test_a_subagents_messages_survive_the_next_turn(ts_client: TSClient) -> None:
    """They are the client's alone: it sends them back, and they are passed over, neither refused nor lost."""
    async with serving(ts_client, delegating()) as served:
        agent = await served.agent()
        run = await say(agent, "one", id="u1")
        [start] = of(run, "SUBAGENT_STARTED")
        assert (start["name"] in ("expert", "tools"), start["parentToolCallId"]) == (True, "call_1")  # or its node's
        assert [event["outcome"] for event in of(run, "SUBAGENT_FINISHED")] == [{"type": "success"}]
        first = boxes(agent)
        assert [role for role, _ in first[start["subagentRunId"]]] == ["assistant", "tool", "assistant"]
        await served.agrees(agent)
        await say(agent, "two", id="u2")
        await served.agrees(agent)
        assert len(boxes(agent)) == 2
        assert {id: boxes(agent)[id] for id in first} == first


async def test_a_subagents_call_ids_may_come_again_in_the_next_turn(ts_client: TSClient) -> None:
    """The thread does not hold them, but the client does: a call of a known id would go on where the old one ended."""
    async with serving(ts_client, delegating()) as served:
        agent = await served.agent()
        for number in range(1, 4):
            await say(agent, "go", id=f"u{number}")
        calls = [call for box in boxes(agent).values() for role, call in box if isinstance(call, list)]
        assert calls == [
            [("call_x", '{"city": "Bern"}')],
            [("call_x~2", '{"city": "Bern"}')],
            [("call_x~3", '{"city": "Bern"}')],
        ]
        await served.agrees(agent)


async def test_a_subagents_messages_survive_an_answer_that_is_given_anew(ts_client: TSClient) -> None:
    """A client deletes what a snapshot lacks, and the thread holds nothing of a subagent."""
    async with serving(ts_client, delegating()) as served:
        agent = await served.agent()
        await say(agent, "one", id="u1")
        await say(agent, "two", id="u2")
        first = next(iter(boxes(agent).values()))
        await agent.set_messages(agent.messages[:-1])
        assert outcome(clean(await agent.run())) == "success"
        assert first in boxes(agent).values()
        await served.agrees(agent)


async def test_a_hidden_subagent_leaves_only_its_result(ts_client: TSClient) -> None:
    async with serving(ts_client, delegating(), visibility=Visibility(subagents="hidden")) as served:
        agent = await served.agent()
        run = await say(agent, "one", id="u1")
        assert of(run, "SUBAGENT_STARTED") == []
        assert "call_x" not in str(run.events)
        assert [said.content for said in await served.agrees(agent)][-1] == "The expert says: Bern is sunny"


async def test_a_subagent_that_speaks_inline_is_passed_over_in_the_next_turn(ts_client: TSClient) -> None:
    async with serving(ts_client, delegating(), visibility=Visibility(subagents="inline")) as served:
        agent = await served.agent()
        await say(agent, "one", id="u1")
        assert outcome(await say(agent, "two", id="u2")) == "success"
        told = {said.id for said in shown(agent.messages)}
        assert {said.id for said in await served.held()} <= told


async def test_two_deep_subagents_side_by_side_have_a_box_each(ts_client: TSClient) -> None:
    """PR#2137: both use the same call id inside, and neither mixes with the other or with the main agent."""
    async with serving(ts_client, case("deepagents_subagents")) as served:
        agent = await served.agent()
        run = await say(agent, "go", id="u1")
        starts = of(run, "SUBAGENT_STARTED")
        assert {start["parentToolCallId"] for start in starts} == {"call_t1", "call_t2"}
        assert {start["name"] for start in starts} == {"researcher"}
        said = [[content for role, content in box if role != "assistant" or content] for box in boxes(agent).values()]
        assert [box[-1] for box in said] == ["Bern is sunny"] * 2
        await served.agrees(agent)
        assert outcome(await say(agent, "more", id="u2")) == "success"
        assert {start["subagentRunId"] for start in starts} <= boxes(agent).keys()
        await served.agrees(agent)


async def test_a_question_of_a_subagent_is_answered(ts_client: TSClient) -> None:
    """The subagent is suspended, not finished, and goes on when the client answers."""

    @tool
    def confirm(what: str) -> str:
        """Ask a person."""
        return str(interrupt({"question": what}))

    expert = create_agent(
        ScriptedModel(script=[tool_call("confirm", {"what": "Sure?"}, id="call_x"), text("fine")]),
        [confirm],
        name="expert",
    )

    @tool
    async def ask_expert(question: str) -> str:
        """Ask the expert."""
        return str((await expert.ainvoke({"messages": [("user", question)]}))["messages"][-1].text)

    model = ScriptedModel(script=[tool_call("ask_expert", {"question": "?"}, id="call_1"), text("done")])
    async with serving(ts_client, create_agent(model, [ask_expert], checkpointer=InMemorySaver())) as served:
        agent = await served.agent()
        run = await say(agent, "hi", id="u1")
        assert [event["outcome"]["type"] for event in of(run, "SUBAGENT_FINISHED")] == ["suspended"]
        [question] = agent.pending_interrupts
        assert (question["message"], outcome(run)) == ("Sure?", "interrupt")
        assert outcome(clean(await agent.run(resume=answered((question["id"], "yes"))))) == "success"
        assert [said.content for said in await served.agrees(agent)] == ["hi", "", "fine", "done"]


# ------------------------------------------------------------------ other data


async def test_custom_data_arrives_as_it_was_written(ts_client: TSClient) -> None:
    """deer-flow#4403: what a node writes to its stream, under a name where it gives one."""

    def write(_state: MessagesState) -> dict[str, Any]:
        get_stream_writer()({"name": "progress_bar", "value": {"at": 3}})
        get_stream_writer()(["plain", None, 1.5])
        return {"messages": [AIMessage("done", id="a-1")]}

    async with serving(ts_client, chain(InMemorySaver(), write=write)) as served:
        agent = await served.agent()
        run = await say(agent, "hi", id="u1")
        told = [(event["name"], event["value"]) for event in of(run, "CUSTOM")]
        assert told == [("progress_bar", {"at": 3}), ("langgraph.custom", ["plain", None, 1.5])]
        await served.agrees(agent)


async def test_a_list_of_things_to_do_is_an_activity(ts_client: TSClient) -> None:
    async with serving(ts_client, case("create_agent_todos")) as served:
        agent = await served.agent()
        await say(agent, "plan", id="u1")
        [todos] = [message for message in agent.messages if message["role"] == "activity"]
        assert todos["activityType"] == "todos"
        assert [todo["content"] for todo in todos["content"]["data"]] == ["look", "tell"]
        assert outcome(await say(agent, "more", id="u2")) == "success"
        assert "activity" in [message["role"] for message in agent.messages]
        await served.agrees(agent)


async def test_media_of_an_agent_are_activities(ts_client: TSClient) -> None:
    async with serving(ts_client, case("media")) as served:
        agent, late = await served.agent(), await served.agent()
        await say(agent, "draw", id="u1")
        kinds = [message["content"]["kind"] for message in agent.messages if message["role"] == "activity"]
        assert kinds == ["image", "image", "image", "audio", "video", "file"]
        clean(await late.connect())
        assert [message["id"] for message in late.messages] == [message["id"] for message in agent.messages]


async def test_usage_is_told_at_the_end(ts_client: TSClient) -> None:
    async with serving(ts_client, case("token_stream")) as served:
        run = await say(await served.agent(), "hi", id="u1")
    [usage] = run.events[-1]["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["cachedInputTokens"]) == (12, 5, 8)


async def test_a_structured_answer_is_the_result_of_the_run(ts_client: TSClient) -> None:
    async with serving(ts_client, case("structured_response")) as served:
        run = await say(await served.agent(), "weather", id="u1")
    assert run.result == {"city": "Rome", "celsius": 30}


async def test_thinking_and_parallel_calls_in_one_message_keep_their_order(ts_client: TSClient) -> None:
    step = [*reasoning("Both, ", "then."), *tool_calls(
        tool_call("get_weather", {"city": "Rome"}, id="a"), tool_call("get_weather", {"city": "Oslo"}, id="b"),
        interleaved=True,
    )]  # fmt: skip
    graph = create_agent(ScriptedModel(script=[step, text("done")]), [get_weather], checkpointer=InMemorySaver())
    async with serving(ts_client, graph) as served:
        agent, late = await served.agent(), await served.agent()
        await say(agent, "both", id="u1")
        clean(await late.connect())
        assert [message["role"] for message in agent.messages[:3]] == ["user", "reasoning", "assistant"]
        await served.agrees(agent, late)
