"""The TypeScript client in conversation with served agents: what it ends with is what the thread holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState

from agui.client import TSClient
from agui.served import Served, clean, outcome, say, serving, shown
from langwire import SessionAdapter
from langwire.testing import Fault, text
from langwire.testing.corpus import CASES
from langwire.testing.corpus._parts import chain, chat, chunk, says, script

PROTOBUF = "application/vnd.ag-ui.event+proto"
LOST = RuntimeError("the password is hunter2")


def echo() -> Any:
    """A graph that repeats what was said last."""
    return chain(InMemorySaver(), chat=chat(script(lambda prompt: text("You said ", prompt[-1].text))))


def graph_of(*answers: Any) -> Any:
    """A graph that gives these answers, one a turn."""
    return chain(InMemorySaver(), chat=chat(script(*answers)))


async def talk(served: Served, *words: str, thread: str = "t") -> Any:
    """A browser that has said these words, each in a turn; the messages are named u1, u2, …"""
    agent = await served.agent(thread)
    for number, word in enumerate(words, 1):
        assert outcome(await say(agent, word, id=f"u{number}")) == "success"
    return agent


# ------------------------------------------------------------------ turns


async def test_a_conversation_of_three_turns_is_the_threads_own(ts_client: TSClient) -> None:
    """ag-ui#1343: the ids that streamed are those that the thread keeps."""
    async with serving(ts_client, echo()) as served:
        agent = await talk(served, "one", "two", "three")
        told = await served.agrees(agent)
    assert [message.content for message in told] == [
        "one", "You said one", "two", "You said two", "three", "You said three",
    ]  # fmt: skip
    starts = [event for event in agent.events if event["type"] == "RUN_STARTED"]
    assert [start["protocolVersion"] for start in starts] == ["1.0"] * 3
    assert "MESSAGES_SNAPSHOT" not in [event["type"] for event in agent.events]


async def test_a_thin_client_that_sends_only_its_new_message_ends_with_the_threads_order(ts_client: TSClient) -> None:
    """ag-ui#706: fewer messages is no time travel, and what the client lacked does not end up behind the answer."""
    async with serving(ts_client, echo()) as served:
        first = await talk(served, "one", "two")
        thin = await served.agent()
        await say(thin, "three", id="u3")
        assert len(await served.agrees(thin)) == 6
        await say(first, "four", id="u4")
        assert len(await served.agrees(first)) == 8


async def test_a_client_that_has_only_the_end_of_the_thread_gets_its_beginning_before_it(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        whole = await talk(served, "one", "two", "three")
        late = await served.agent(messages=whole.messages[2:])
        await say(late, "four", id="u4")
        assert len(await served.agrees(late)) == 8


async def test_a_second_browser_connects_to_a_thread_and_goes_on(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        first = await talk(served, "one", "two")
        second = await served.agent()
        clean(await second.connect())
        await served.agrees(first, second)
        await say(second, "three", id="u3")
        clean(await first.connect())
        assert len(await served.agrees(first, second)) == 6


async def test_a_browser_that_connects_in_mid_run_sees_the_run_to_its_end(ts_client: TSClient) -> None:
    wait = Fault()
    async with serving(ts_client, graph_of(["Hel", wait, "lo"])) as served:
        first, second = await served.agent(), await served.agent()
        running = asyncio.create_task(say(first, "hi", id="u1"))
        await wait.reached
        connecting = asyncio.create_task(second.connect())
        await second.seen("TEXT_MESSAGE_CONTENT")
        wait.release()
        clean(await running)
        assert clean(await connecting).types.count("RUN_STARTED") == 2
        assert len(await served.agrees(first, second)) == 2


async def test_an_unknown_thread_cannot_be_connected_to(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        run = await (await served.agent("nobody")).connect()
    assert (run.status, run.payload["error"]["code"], run.events) == (404, "unknown_thread", [])


async def test_a_browser_with_the_end_of_a_thread_connects_to_all_of_it(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        whole = await talk(served, "one", "two", "three")
        late = await served.agent(messages=whole.messages[2:])
        clean(await late.connect())
        assert len(await served.agrees(late)) == 6


async def test_a_message_that_got_its_id_late_is_not_told_twice(ts_client: TSClient) -> None:
    """The client has it under the id with which it began, the thread under the provider's own."""
    answers = [[chunk(f"no {name}, "), chunk("then one", id=name)] for name in ("one", "two", "three")]
    async with serving(ts_client, graph_of(*answers)) as served:
        agent = await talk(served, "1", "2", "3")
        told, last = await served.held(), shown(agent.messages)[-1]
        assert shown(agent.messages) == [*told[:-1], told[-1]._replace(id=last.id)]


async def test_messages_that_a_node_gave_no_ids_are_not_told_twice(ts_client: TSClient) -> None:
    graph = chain(InMemorySaver(), hand=says({"role": "assistant", "content": "by hand"}))
    async with serving(ts_client, graph) as served:
        agent = await talk(served, "1", "2", "3")
        told, last = await served.held(), shown(agent.messages)[-1]
        assert shown(agent.messages) == [*told[:-1], told[-1]._replace(id=last.id)]


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("said", ["", "par"])
async def test_after_an_error_the_client_has_what_the_thread_has_and_goes_on(ts_client: TSClient, said: str) -> None:
    """F-A2, T-15, ag-ui#2408."""
    graph = graph_of([said, Fault(1, LOST), "tial"], text("better"))
    async with serving(ts_client, graph) as served:
        agent = await served.agent()
        assert (await say(agent, "one", id="u1")).types[-1] == "RUN_ERROR"
        assert "hunter2" not in str(agent.events)
        assert bool(said) == any(event["type"] == "TEXT_MESSAGE_CONTENT" for event in agent.events)
        await served.agrees(agent)
        for id in ("u2", "u3"):
            assert outcome(await say(agent, "again", id=id)) == "success"
        told = await served.agrees(agent)
    assert [message.content for message in told] == ["one", "again", f"{said}tial", "again", "better"]


async def test_text_that_failed_is_not_refused_when_a_client_has_kept_it(ts_client: TSClient) -> None:
    """ag-ui#706."""
    async with serving(ts_client, graph_of(["par", Fault(1, LOST), "tial"])) as served:
        agent = await served.agent()
        assert (await say(agent, "one", id="u1")).types[-1] == "RUN_ERROR"
        failed = (await agent.seen("TEXT_MESSAGE_START"))["messageId"]
        await agent.add_messages([{"id": failed, "role": "assistant", "content": "par"}])
        assert outcome(await say(agent, "again", id="u2")) == "success"
        assert [message.content for message in await served.held()] == ["one", "again", "partial"]


async def test_after_an_error_a_run_without_a_new_message_tries_again(ts_client: TSClient) -> None:
    async with serving(ts_client, graph_of([Fault(1, LOST), "there"])) as served:
        agent = await served.agent()
        assert (await say(agent, "one", id="u1")).types[-1] == "RUN_ERROR"
        assert outcome(clean(await agent.run())) == "success"
        assert [message.content for message in await served.agrees(agent)] == ["one", "there"]


async def test_an_error_keeps_what_was_done_before_it(ts_client: TSClient) -> None:
    """A node that has finished stays, also with the client."""
    async with serving(ts_client, CASES["error_mid_stream"].build(InMemorySaver())) as served:
        agent, other = await served.agent(), await served.agent()
        assert (await say(agent, "hi", id="u1")).types[-1] == "RUN_ERROR"
        clean(await other.connect())
        assert [message.content for message in await served.agrees(agent, other)] == ["hi", "ok"]


async def test_an_abort_stops_the_graph_and_the_next_run_works(ts_client: TSClient) -> None:
    """F-A8: the node is cancelled within a second, nothing comes after it, and no token is paid for."""
    stopped, after = asyncio.Event(), []

    async def endless(state: MessagesState) -> dict[str, Any]:
        if len(state["messages"]) > 1:
            return {"messages": [AIMessage("quick", id="quick-1")]}
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    def count(state: MessagesState) -> None:
        after.append(len(state["messages"]))

    graph = chain(InMemorySaver(), endless=endless, count=count)
    async with serving(ts_client, graph) as served:
        agent = await served.agent()
        await agent.say("one", id="u1")
        running = asyncio.create_task(agent.run())
        await agent.seen("STEP_STARTED")
        await agent.abort()
        await stopped.wait()
        assert (await running).events[-1]["code"] == "abort"
        assert await served.ended() == "cancelled"
        assert after == []
        assert outcome(await say(agent, "two", id="u2")) == "success"
        assert [message.content for message in await served.agrees(agent)] == ["one", "two", "quick"]
        assert after == [3]


async def test_what_was_said_before_an_abort_is_not_refused_later(ts_client: TSClient) -> None:
    """ag-ui#706: the partial answer stays with the client alone."""
    wait = Fault()
    async with serving(ts_client, graph_of(["par", wait, "tial"])) as served:
        agent = await served.agent()
        await agent.say("one", id="u1")
        running = asyncio.create_task(agent.run())
        await agent.seen("TEXT_MESSAGE_CONTENT")
        await wait.reached
        await agent.abort()
        await running
        assert await served.ended() == "cancelled"
        assert outcome(await say(agent, "two", id="u2")) == "success"
        assert [message.content for message in shown(agent.messages)] == ["one", "par", "two", "partial"]
        assert [message.content for message in await served.held()] == ["one", "two", "partial"]


# ------------------------------------------------------------------ going back


async def test_an_answer_is_given_anew(ts_client: TSClient) -> None:
    """ag-ui#1748: the old answer is gone, here and there; nothing is appended."""
    async with serving(ts_client, echo()) as served:
        agent = await talk(served, "one", "two")
        old = agent.messages[-1]["id"]
        await agent.set_messages(agent.messages[:-1])
        assert outcome(clean(await agent.run())) == "success"
        told = await served.agrees(agent)
        assert [message.content for message in told] == ["one", "You said one", "two", "You said two"]
        assert old not in {message.id for message in told}
        await say(agent, "three", id="u3")
        assert len(await served.agrees(agent)) == 6


async def test_the_first_answer_is_given_anew_by_name(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        agent = await talk(served, "one", "two")
        first = agent.messages[1]["id"]
        clean(await agent.run(forwarded_props={"langwire": {"beforeMessageId": first}}))
        assert [message.content for message in await served.agrees(agent)] == ["one", "You said one"]


async def test_the_last_message_is_edited(ts_client: TSClient) -> None:
    """ag-ui#1748: the same id with other words."""
    async with serving(ts_client, echo()) as served:
        agent = await talk(served, "one", "two")
        edited = {**agent.messages[2], "content": "second"}
        await agent.set_messages([*agent.messages[:2], edited])
        clean(await agent.run())
        assert [message.content for message in await served.agrees(agent)] == [
            "one", "You said one", "second", "You said second",
        ]  # fmt: skip


async def test_the_first_message_is_replaced_by_another(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        agent = await talk(served, "one", "two")
        await say(agent, "new", id="u9", forwarded_props={"langwire": {"beforeMessageId": "u1"}})
        assert [message.content for message in await served.agrees(agent)] == ["new", "You said new"]


# ------------------------------------------------------------------ not only text

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


async def test_images_survive_and_are_no_edit_in_the_next_turn(ts_client: TSClient) -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "data", "value": PIXEL, "mimeType": "image/png"}},
        {"type": "image", "source": {"type": "url", "value": "https://example.org/a.png"}},
    ]
    async with serving(ts_client, graph_of("nice", "still nice")) as served:
        agent = await served.agent()
        await agent.add_messages([{"id": "u1", "role": "user", "content": content}])
        clean(await agent.run())
        await say(agent, "again", id="u2")
        other = await served.agent()
        clean(await other.connect())
        assert agent.messages[0]["content"] == other.messages[0]["content"] == content
        assert [message.content for message in await served.agrees(agent, other)] == [
            "look", "nice", "again", "still nice",
        ]  # fmt: skip
        blocks = (await served.values())["messages"][0].content
        assert [block["type"] for block in blocks] == ["text", "image", "image"]
        assert (blocks[1]["base64"], blocks[2]["url"]) == (PIXEL, "https://example.org/a.png")


# ------------------------------------------------------------------ many at once


async def test_twenty_clients_on_threads_of_their_own_do_not_mix(ts_client: TSClient) -> None:
    async with serving(ts_client, echo()) as served:
        agents = await asyncio.gather(*(talk(served, f"{n}", f"{n}!", thread=f"t{n}") for n in range(20)))
        for number, agent in enumerate(agents):
            told = await served.agrees(agent, thread=f"t{number}")
            assert [message.content for message in told][1::2] == [f"You said {number}", f"You said {number}!"]


async def test_a_busy_thread_refuses_others_and_is_unharmed(ts_client: TSClient) -> None:
    """F-A7."""
    wait = Fault()
    async with serving(ts_client, graph_of(["one", wait], "two")) as served:
        first, second, third = [await served.agent() for _ in range(3)]
        running = asyncio.create_task(say(first, "1", id="u1"))
        await wait.reached
        for number, agent in enumerate((second, third), 2):
            await agent.say(f"{number}", id=f"u{number}")
            run = await agent.run()
            assert (run.status, run.payload["error"]["code"]) == (409, "run_in_progress")
        wait.release()
        assert outcome(await running) == "success"
        await served.agrees(first)
        assert outcome(clean(await second.run())) == "success"
        assert [message.content for message in await served.agrees(second)] == ["1", "one", "2", "two"]


async def test_runs_of_one_thread_wait_for_each_other_when_they_are_told_to(ts_client: TSClient) -> None:
    """F-A7: the history holds all that was accepted, in its order."""
    wait = Fault()
    sessions = SessionAdapter(graph_of(["one", wait], "two", "three"), when_busy="enqueue")
    async with serving(ts_client, sessions) as served:
        first, second, third = [await served.agent() for _ in range(3)]
        one = asyncio.create_task(say(first, "1", id="u1"))
        await wait.reached
        two = asyncio.create_task(say(second, "2", id="u2"))
        three = asyncio.create_task(say(third, "3", id="u3"))
        wait.release()
        assert [outcome(run) for run in await asyncio.gather(one, two, three)] == ["success"] * 3
        told = [message.content for message in await served.held()]
        assert sorted(told[::2]) == ["1", "2", "3"]
        assert told[1::2] == ["one", "two", "three"]
        for agent in (first, second, third):
            clean(await agent.connect())
        await served.agrees(first, second, third)


# ------------------------------------------------------------------ the binary form


@pytest.mark.parametrize("name", ["token_stream", "parallel_tools", "tool_error", "thinking", "subgraph"])
async def test_the_binary_form_ends_the_same(ts_client: TSClient, name: str) -> None:
    async def types_of(accept: str | None) -> list[str]:
        async with serving(ts_client, CASES[name].build(InMemorySaver())) as served:
            agent = await served.agent(accept=accept)
            run = await say(agent, "hi", id="u1")
            await say(agent, "and?", id="u2")
            await served.agrees(agent)
        return run.types

    assert await types_of(PROTOBUF) == await types_of(None)


async def test_a_message_that_a_node_says_at_once_is_whole(ts_client: TSClient) -> None:
    graph = chain(InMemorySaver(), first=says(AIMessage("one", id="a")), second=says(AIMessage("two", id="b")))
    async with serving(ts_client, graph) as served:
        agent = await talk(served, "hi")
        assert [message.id for message in await served.agrees(agent)] == ["u1", "a", "b"]
