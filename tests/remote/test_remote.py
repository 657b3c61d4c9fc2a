"""`stream`, `astream`, `run` and `arun` over a `RemoteGraph`: what they tell of a graph on a server, and what not.

The same conversations are held with the same graphs here and there, and must read alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import UnprocessableEntityError

from langwire import Transcript, arun, astream, check, edit, reject, resume_command, run, stream
from langwire.core._states import open_calls_of
from langwire.events import Event, NodeEnd, TextDelta, TurnStart
from langwire.testing import CASES
from remote.reading import end_of, kinds, reading, said
from turns import CASE_NAMES, Turn, problems, story

pytestmark = pytest.mark.timeout(300)  # the first test waits for the server, and for all conversations with it

AT_ONCE = 32
"""How many conversations are held with the server at the same time."""

PATIENCE = 10.0
"""How long a test waits for what the server has to do, in seconds."""


# ------------------------------------------------------------------ conversations, here and there


class Conversation(NamedTuple):
    """What is said to a graph. An input may be a function of the turn before."""

    graph: str
    inputs: Sequence[Any]
    options: dict[str, Any]


def talk(graph: str, *inputs: Any, **options: Any) -> Conversation:
    return Conversation(graph, inputs, options)


def answering(*answers: Any, last: bool = False) -> Callable[[Transcript], Any]:
    """Answer the open questions in their order; with `last` only the last one, which leaves the others open."""

    def answer(before: Transcript) -> Any:
        asked = before.interrupts[-1:] if last else before.interrupts
        return resume_command(before.interrupts, {one.id: said for one, said in zip(asked, answers, strict=True)})

    return answer


CONVERSATIONS = {
    "a chat": talk("chat", "one", "two"),
    "a chat and its state": talk("chat", "one", state=True, modes=["checkpoints", "debug"]),
    "tools": talk("agent", "weather?", "again?"),
    "tools and their state": talk("agent", "weather?", state=True),
    "an approval": talk("approval", "send", answering([edit({"to": "Cid"}), reject("no")])),
    "a question": talk("question", "go", answering("blue")),
    "a question and its state": talk("question", "go", answering("blue"), state=True),
    "a question that is passed over": talk("question", "go", "go on"),
    "two questions": talk("questions", "go", answering("blue", {"cm": 42})),
    "two questions in two turns": talk("questions", "go", answering(42, last=True), answering("blue")),
    "an error": talk("failing", "go"),
    "graphs in graphs": talk("nested", "one", "two"),
    "graphs in graphs and their state": talk("nested", "one", state=True),
    "a breakpoint": talk("two_steps", "go", None, interrupt_before=["two"]),
}


def corpus_conversation(name: str) -> Conversation:
    case = CASES[name]
    further: list[Any] = [lambda before: case.follow(before.interrupts)] * (len(case.ends) - 1)
    return talk(f"corpus_{name}", case.input, *further)


def here(name: str) -> Any:
    """Return the graph that the server has under this name, for this process."""
    if name.startswith("corpus_"):
        return CASES[name.removeprefix("corpus_")].build(InMemorySaver())
    return import_module("remote.agents.graphs").here(name)


Tell = Callable[..., Awaitable[list[Event]]]


async def by_stream(*given: Any, **options: Any) -> list[Event]:
    return await asyncio.to_thread(lambda: list(stream(*given, **options)))


async def by_astream(*given: Any, **options: Any) -> list[Event]:
    return [event async for event in astream(*given, **options)]


WAYS: dict[str, Tell] = {"stream": by_stream, "astream": by_astream}


async def hold(graph: Any, config: dict[str, Any], conversation: Conversation, tell: Tell = by_astream) -> list[Turn]:
    turns: list[Turn] = []
    for given in conversation.inputs:
        said = given(Transcript.of(turns[-1].events)) if callable(given) else given
        open_before = turns[-1].end.open_calls if turns else ()
        events = await tell(graph, said, config, raise_errors=False, **conversation.options)
        turns.append(Turn(events, None, (*open_before, *open_calls_of((), said)), [], []))
    return turns


@pytest.fixture(scope="session")
def held(server: Any) -> Callable[..., list[Turn]]:
    """All conversations with the server, held at once: each run waits there for most of a second."""
    asked = {(name, way): (it, WAYS[way]) for name, it in CONVERSATIONS.items() for way in WAYS}
    asked |= {(name, "corpus"): (corpus_conversation(name), by_astream) for name in CASE_NAMES}
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(graph: Callable[[str], Any], conversation: Conversation, tell: Tell) -> list[Turn]:
        async with limit:
            config = await asyncio.to_thread(server.thread)
            return await hold(graph(conversation.graph), config, conversation, tell)

    async def all_of_them() -> list[Any]:
        async with server.open() as graph:
            return await asyncio.gather(*(one(graph, *row) for row in asked.values()), return_exceptions=True)

    results = dict(zip(asked, asyncio.run(all_of_them()), strict=True))

    def get(name: str, way: str) -> list[Turn]:
        result = results[name, way]
        if isinstance(result, BaseException):
            raise result
        return result

    return get


@pytest.fixture
def thread() -> dict[str, Any]:
    """A thread of this process."""
    return {"configurable": {"thread_id": "here"}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_conversation_reads_as_in_this_process(
    held: Callable[..., list[Turn]], name: str, way: str, thread: dict[str, Any]
) -> None:
    conversation = CONVERSATIONS[name]
    there = held(name, way)
    assert problems(there) == []
    expected = await hold(here(conversation.graph), thread, conversation, WAYS[way])
    assert [reading(turn.events) for turn in there] == [reading(turn.events) for turn in expected]


FUNCTIONS = {"functional_message", "functional_messages"}
"""Functions that take a text or a number: see `test_a_text_for_a_function_becomes_messages`."""
MORE_EVENTS = {"late_id"}
"""A message that changes its name begins twice, and one of the two is discarded: its chunks share no metadata."""


@pytest.mark.parametrize("name", sorted(set(CASE_NAMES) - FUNCTIONS))
async def test_every_graph_of_the_corpus_reads_as_in_this_process(
    held: Callable[..., list[Turn]], name: str, thread: dict[str, Any]
) -> None:
    there = held(name, "corpus")
    assert problems(there) == []
    assert [turn.end.outcome for turn in there] == list(CASES[name].ends)
    expected = await hold(here(f"corpus_{name}"), thread, corpus_conversation(name))
    assert story(there) == story(expected)
    assert name in MORE_EVENTS or [kinds(turn.events) for turn in there] == [kinds(turn.events) for turn in expected]


# ------------------------------------------------------------------ threads


def test_run_returns_what_came_of_it(server: Any) -> None:
    result = run(server.graph("chat"), "hi", server.thread())
    assert (result.text, result.outcome, result.usage.total_tokens) == ("You said hi.", "complete", 12)


async def test_arun_returns_the_same(server: Any) -> None:
    async with server.open() as graphs:
        graph = graphs("chat")
        result = await arun(graph, "hi", server.thread())
    assert (result.text, result.outcome, result.usage.total_tokens) == ("You said hi.", "complete", 12)


def test_without_a_thread_nothing_is_kept(server: Any) -> None:
    events = list(stream(server.graph("question"), "go"))
    assert isinstance(events[0], TurnStart)
    assert events[0].thread_id is None
    assert end_of(events).outcome == "interrupted"
    assert check(events) == []


def test_a_thread_that_is_bound_to_the_graph_is_the_one_that_is_used(server: Any) -> None:
    config = server.thread()
    graph = server.graph("chat").with_config(config)
    assert run(graph, "hi").outcome == "complete"
    assert len(graph.get_state(config).values["messages"]) == 2


def test_a_thread_is_told_where_it_stood_and_where_it_stands(server: Any) -> None:
    graph, config = server.graph("chat"), server.thread()
    first, second = list(stream(graph, "one", config)), list(stream(graph, "two", config))
    assert isinstance(first[0], TurnStart)
    assert isinstance(second[0], TurnStart)
    assert first[0].checkpoint_id is None
    assert second[0].checkpoint_id == end_of(first).checkpoint_id is not None
    assert end_of(second).checkpoint_id == graph.get_state(config).config["configurable"]["checkpoint_id"]


def test_a_thread_that_the_server_does_not_know_is_a_new_one(server: Any) -> None:
    config = {"configurable": {"thread_id": str(uuid4())}}
    assert run(server.graph("chat"), "hi", config).text == "You said hi."


def test_an_input_without_messages_goes_to_the_graph_as_it_is(server: Any) -> None:
    graph, config = server.graph("doubling"), server.thread()
    assert run(graph, {"number": 21}, config).outcome == "complete"
    assert graph.get_state(config).values == {"number": 42}


def test_a_turn_from_an_older_checkpoint_begins_there(server: Any) -> None:
    graph, config = server.graph("two_steps"), server.thread()
    run(graph, "go", config)
    older = next(one for one in graph.get_state_history(config) if one.next == ("two",)).config["configurable"]
    config["configurable"]["checkpoint_id"] = older["checkpoint_id"]
    events = list(stream(graph, None, config))
    assert isinstance(events[0], TurnStart)
    assert events[0].checkpoint_id == older["checkpoint_id"]
    assert said(events) == "two"
    assert end_of(events).checkpoint_id not in (None, older["checkpoint_id"])


def test_a_turn_that_goes_on_into_a_graph_that_has_not_begun_knows_where_it_stood(server: Any) -> None:
    """`RemoteGraph` cannot read such a thread together with the graphs inside it."""
    graph, config = server.graph("nested"), server.thread()
    stopped = list(stream(graph, "go", config, interrupt_before=["child"]))
    with pytest.raises(TypeError):
        graph.get_state(config, subgraphs=True)
    events = list(stream(graph, None, config))
    assert isinstance(events[0], TurnStart)
    assert events[0].checkpoint_id == end_of(stopped).checkpoint_id is not None
    assert said(events) == "You said go.after"


# ------------------------------------------------------------------ errors


def test_what_the_graph_raises_comes_as_the_servers_exception(server: Any) -> None:
    """F-P1: the text of an error, which may hold secrets, is in no event."""
    seen: list[Event] = []
    with pytest.raises(RemoteException, match="the node died of a secret") as raised:
        for event in stream(server.graph("failing"), "go", server.thread()):
            seen.append(event)
    assert raised.value.args[0]["error"] == "RuntimeError"
    end = end_of(seen)
    assert end.error is not None
    assert end.error.code == "RemoteException"
    assert "secret" not in repr(seen)
    assert said(seen) == "half an ans"


def test_a_node_that_failed_names_its_error(server: Any) -> None:
    events = list(stream(server.graph("failing"), "go", server.thread(), raise_errors=False))
    assert [event.error for event in events if isinstance(event, NodeEnd)] == ["RuntimeError"]


def test_a_server_that_does_not_answer_is_an_error_of_the_turn() -> None:
    with SyncLangGraphClient(httpx.Client(base_url="http://127.0.0.1:1", trust_env=False)) as client:
        config = {"configurable": {"thread_id": str(uuid4())}}
        events = list(stream(RemoteGraph("chat", sync_client=client), "hi", config, raise_errors=False))
    assert end_of(events).outcome == "error"


# ------------------------------------------------------------------ cancelling


class Reader:
    """Reads a turn in a task of its own; `spoke` is set by the first text."""

    def __init__(self, graph: RemoteGraph, config: dict[str, Any]) -> None:
        self.events: list[Event] = []
        self.spoke = asyncio.Event()
        self.run: dict[str, Any] = {}
        self.task = asyncio.create_task(self._read(graph, config))

    async def _read(self, graph: RemoteGraph, config: dict[str, Any]) -> None:
        async with aclosing(astream(graph, "go", config, on_run_created=self.run.update)) as events:
            async for event in events:
                self.events.append(event)
                if isinstance(event, TextDelta):
                    self.spoke.set()


async def end_of_run(graph: RemoteGraph, run: dict[str, Any]) -> str:
    """Wait until the server has ended a run, and return what it calls that."""
    runs = graph.client.runs
    await asyncio.wait_for(runs.join(run["thread_id"], run["run_id"]), PATIENCE)
    return (await runs.get(run["thread_id"], run["run_id"]))["status"]


async def test_a_reader_that_is_cancelled_stops_the_run(server: Any) -> None:
    async with server.open() as graphs:
        graph = graphs("endless")
        reader = Reader(graph, server.thread())
        await asyncio.wait_for(reader.spoke.wait(), PATIENCE)
        reader.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader.task
        assert await end_of_run(graph, reader.run) == "interrupted"


async def test_a_stream_that_is_left_stops_the_run(server: Any) -> None:
    created: dict[str, Any] = {}
    for event in stream(server.graph("endless"), "go", server.thread(), on_run_created=created.update):
        if isinstance(event, TextDelta):
            break
    async with server.open() as graphs:
        graph = graphs("endless")
        assert await end_of_run(graph, created) == "interrupted"


async def test_a_run_that_is_cancelled_on_the_server_is_a_cancelled_turn(server: Any) -> None:
    async with server.open() as graphs:
        graph = graphs("endless")
        reader = Reader(graph, server.thread())
        await asyncio.wait_for(reader.spoke.wait(), PATIENCE)
        await graph.client.runs.cancel(reader.run["thread_id"], reader.run["run_id"], wait=True)
        await asyncio.wait_for(reader.task, PATIENCE)
        assert check(reader.events) == []
        assert end_of(reader.events).outcome == "cancelled"


# ------------------------------------------------------------------ what a remote graph cannot do


def test_the_past_of_a_thread_can_be_read_and_forked(server: Any) -> None:
    graph, config = server.graph("two_steps"), server.thread()
    run(graph, "go", config)
    assert [one.next for one in graph.get_state_history(config)] == [(), ("two",), ("one",), ("__start__",)]
    older = next(one for one in graph.get_state_history(config) if one.next == ("two",))
    assert graph.get_state(older.config).next == ("two",)
    forked = graph.update_state(older.config, {"messages": [{"role": "user", "content": "else"}]}, as_node="one")
    assert graph.get_state(config).config == forked
    assert run(graph, None, config).text == "two"
    assert [message["content"] for message in graph.get_state(config).values["messages"]] == [
        "go",
        "one",
        "else",
        "two",
    ]


def test_the_past_of_a_thread_is_cut_off_after_ten_states_if_no_limit_is_given(server: Any) -> None:
    graph, config = server.graph("chat"), server.thread()
    run(graph, "hi", config)
    for _ in range(10):
        graph.update_state(config, {"messages": []})
    assert len(list(graph.get_state_history(config))) == 10
    assert len(list(graph.get_state_history(config, limit=1000))) == 13


def test_a_thread_without_a_checkpoint_has_no_state_to_be_read(server: Any) -> None:
    """What `sessions.graph` works around, as long as this is so."""
    with pytest.raises(TypeError):
        server.graph("chat").get_state(server.thread())


def test_the_server_refuses_the_mode_that_tells_a_tools_output(server: Any) -> None:
    with pytest.raises(UnprocessableEntityError, match="tools"):
        list(stream(server.graph("agent"), "hi", server.thread(), modes=["tools"]))


def test_the_server_takes_no_thread_id_that_is_no_uuid(server: Any) -> None:
    with pytest.raises(UnprocessableEntityError, match="UUID"):
        list(stream(server.graph("chat"), "hi", {"configurable": {"thread_id": "mine"}}))


def test_a_text_for_a_function_becomes_messages(server: Any) -> None:
    """A remote graph does not say what it takes, and almost all take messages."""
    events = list(stream(server.graph("shouting"), "hi", server.thread(), raise_errors=False))
    assert end_of(events).outcome == "error"
