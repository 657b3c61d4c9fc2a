"""The demo agents show what they promise, sync and async."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langgraph.types import Command

import langwire.demo
from langwire import SessionAdapter, approve, reject
from langwire.adapters.agui.frontend_tools import CONFIG_KEY
from langwire.demo import agents
from langwire.events import TaskUpdate
from langwire.tasks import TaskRunner

BUILDERS = {name: getattr(agents, f"build_{name}") for name in langwire.demo.__all__}
MODES = ["messages", "updates", "tasks", "custom", "values"]
THREAD: Any = {"configurable": {"thread_id": "thread-1"}}


def asks(words: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}]}


async def chunks_of(graph: Any, given: Any, config: Any = THREAD, *, sync: bool = False) -> list[Any]:
    options: Any = {"stream_mode": MODES, "subgraphs": True}
    if sync:
        return list(graph.stream(given, config, **options))
    return [chunk async for chunk in graph.astream(given, config, **options)]


def final(graph: Any, given: Any) -> str:
    return graph.invoke(given, THREAD)["messages"][-1].text


both_ways = pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])


# ------------------------------------------------------------------ assistant


@both_ways
async def test_the_assistant_shows_a_whole_turn(sync: bool) -> None:
    chunks = await chunks_of(agents.build_assistant(0), asks("A day in Oslo, please"), sync=sync)
    told = [data[0] for lane, mode, data in chunks if mode == "messages"]
    blocks = [block for message in told if isinstance(message.content, list) for block in message.content]
    state = [data for lane, mode, data in chunks if mode == "values"][-1]
    results = [message for message in state["messages"] if message.type == "tool"]
    assert any(block.get("thinking") for block in blocks)
    assert any(block.get("annotations") for block in blocks)
    assert sum(bool(getattr(message, "usage_metadata", None)) for message in told) == 4
    assert [data["stations"] for lane, mode, data in chunks if mode == "custom"] == [["north", "central", "south"]]
    assert [result.status for result in results].count("error") == 1
    assert [todo["status"] for todo in state["todos"]] == ["completed", "completed", "in_progress"]
    assert "Your day in Oslo" in state["messages"][-1].text
    assert "crisp and clear" in state["messages"][-1].text


async def test_the_assistant_asks_two_tools_in_parallel() -> None:
    chunks = await chunks_of(agents.build_assistant(0), asks("hi"))
    calls = [call for _, mode, data in chunks if mode == "updates" for call in _calls(data)]
    assert calls == [["write_todos"], ["get_weather", "find_trains"], ["write_todos", "book_table"]]


def _calls(update: dict[str, Any]) -> list[list[str]]:
    messages = [message for message in (update.get("model") or {}).get("messages", []) if message.tool_calls]
    return [[call["name"] for call in message.tool_calls] for message in messages]


@pytest.mark.parametrize(
    ("asked", "city"),
    [("hi", "Lisbon"), ("rome?", "Rome"), ("take me to Bergen", "Bergen"), ("in the end", "Lisbon")],
)
def test_the_assistant_goes_where_it_is_told(asked: str, city: str) -> None:
    assert f"Your day in {city}" in final(agents.build_assistant(0), asks(asked))


def test_the_assistant_talks_on() -> None:
    graph = agents.build_assistant(0)
    state = graph.invoke(asks("Paris"))
    state["messages"].append(("user", "thanks"))
    state = graph.invoke(state)
    assert 'You said: "thanks"' in state["messages"][-1].text
    state["messages"].append(("user", "and Tokyo?"))
    state = graph.invoke(state)
    assert "Your day in Tokyo" in state["messages"][-1].text
    ids = [call["id"] for message in state["messages"] if message.type == "ai" for call in message.tool_calls]
    assert len(ids) == len(set(ids)) == 10


# ------------------------------------------------------------------ approval

EDIT = {"type": "edit", "edited_action": {"name": "send_email", "args": {"to": "bob@example.org"}}}


@both_ways
@pytest.mark.parametrize(
    ("decision", "end"),
    [
        ({"type": "approve"}, "Done. Sent to ann@example.org."),
        (EDIT, "Done. Sent to bob@example.org as you changed it."),
        ({"type": "reject"}, "Nothing was sent. You said no."),
        ({"type": "reject", "message": "too late"}, "Nothing was sent. You said no: too late."),
        ({"type": "respond", "message": "shorter"}, 'Nothing was sent yet. You answered: "shorter"'),
        ({"type": "shrug"}, "Nothing was sent. That did not work: got the decision {'type': 'shrug'}"),
    ],
)
async def test_the_approval_agent_asks_and_does_what_it_is_told(decision: Any, end: str, sync: bool) -> None:
    graph = agents.build_approval(0)
    await chunks_of(graph, asks("Send the report to Ann"), sync=sync)
    (question,) = graph.get_state(THREAD).interrupts
    (action,) = question.value["action_requests"]
    (rule,) = question.value["review_configs"]
    assert action["args"]["to"] == "ann@example.org"
    assert rule == {"action_name": "send_email", "allowed_decisions": ["approve", "edit", "reject", "respond"]}
    chunks = await chunks_of(graph, Command(resume={"decisions": [decision]}), sync=sync)
    assert chunks[-1][2]["messages"][-1].text.startswith(end)


@pytest.mark.parametrize(
    ("asked", "to"), [("hi", "ann@example.org"), ("write to Zoe", "zoe@example.org"), ("mail x.y@z.org", "x.y@z.org")]
)
def test_the_approval_agent_writes_to_whom_it_is_told(asked: str, to: str) -> None:
    graph = agents.build_approval(0)
    graph.invoke(asks(asked), THREAD)
    assert graph.get_state(THREAD).interrupts[0].value["action_requests"][0]["args"]["to"] == to


def test_the_approval_agent_asks_again_in_the_next_turn() -> None:
    graph = agents.build_approval(0)
    for name in ("Ann", "Bob"):
        graph.invoke(asks(f"Write to {name}"), THREAD)
        sent = final(graph, Command(resume={"decisions": [{"type": "approve"}]}))
        assert sent == f"Done. Sent to {name.lower()}@example.org."


# ------------------------------------------------------------------ concierge

PAGE: Any = {"configurable": {"thread_id": "thread-1", CONFIG_KEY: {"tools": [{"name": "set_color"}]}}}


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        ("hi", "Ask me for the weather in a city, for an email to somebody, or for a page in another color"),
        ("The weather in Oslo?", "Here you are:\n\n- get_weather: crisp and clear, 8 °C\n"),
        ("Paint it pink", "Here you are:\n\n- set_color: Error: set_color is not a valid tool"),
    ],
)
def test_the_concierge_does_what_it_can_without_a_page(asked: str, end: str) -> None:
    state = agents.build_concierge(0).invoke(asks(asked), THREAD)
    assert "They wrote: " in str(state["messages"][1].content)
    assert state["messages"][-1].text.startswith(end)


@both_ways
async def test_the_concierge_has_the_page_paint_itself_beside_its_own_work(sync: bool) -> None:
    graph = agents.build_concierge(0)
    await chunks_of(graph, asks("The weather in Rome, on a salmon page"), PAGE, sync=sync)
    (question,) = graph.get_state(THREAD).interrupts
    assert question.value["args"] == {"color": "salmon"}
    await chunks_of(graph, Command(resume={question.id: {"content": "painted", "error": None}}), PAGE, sync=sync)
    state = graph.get_state(THREAD).values
    assert state["messages"][-1].text == "Here you are:\n\n- get_weather: sunny, 27 °C\n- set_color: painted\n"


def test_the_concierge_asks_before_it_sends_an_email() -> None:
    graph = agents.build_concierge(0)
    graph.invoke(asks("Write to Ann"), THREAD)
    assert final(graph, Command(resume={"decisions": [{"type": "approve"}]})) == "Done. Sent to ann@example.org."


# ------------------------------------------------------------------ delegating

APPROVED = {"decisions": [{"type": "approve"}]}


async def test_the_delegating_agent_hands_three_parts_to_copies_of_itself_and_sums_up() -> None:
    async with TaskRunner({"main": agents.build_delegating(0)}) as runner:
        weekend = await runner.enqueue("Plan a weekend in Oslo")
        async for entry in runner.events(weekend, follow=True):
            if isinstance(entry.event, TaskUpdate) and entry.event.state == "review_needed":
                (question,) = (await runner.get(entry.event.task_id)).interrupts
                assert question.actions[0].args["body"] == "Hello Ann,\n\nwe come to Oslo.\n\nYours"
                assert await runner.resume(entry.event.task_id, {question.id: approve()})
        parts = {task.title: task.result for task in await runner.children(weekend)}
        assert parts == {
            "weather": "crisp and clear, 8 °C",
            "train": "08:10 to Oslo, platform 4",
            "letter": "Done. Sent to ann@example.org.",
        }
        assert (await runner.get(weekend)).result == "All is seen to:\n\n" + "".join(
            f"- **{title}:** {result}\n" for title, result in parts.items()
        )


async def test_in_a_conversation_it_goes_on_and_tells_how_its_copies_stand_when_asked() -> None:
    agent = agents.build_delegating(0)
    async with TaskRunner({"main": agent}) as runner, SessionAdapter(agent, tasks=runner) as sessions:
        session = sessions.get("chat")
        told = await (await session.submit("A weekend in Oslo, please")).wait()
        assert told.outcome == "complete"
        assert "They are at work; ask me again:" in told.text
        parts = [task.id for task in (await runner.list()).tasks]
        letter = next(task for task in await runner.gather(parts, timeout=20) if task.state == "review_needed")
        told = await (await session.submit("How do they stand?")).wait()
        assert "- **letter:** waits for a person to decide on send_email, which you cannot do for them\n" in told.text
        assert await runner.resume(letter.id, {letter.interrupts[0].id: reject("not now")})
        await runner.gather(parts, timeout=20)
        told = await (await session.submit("And now?")).wait()
        assert told.text.startswith("All is seen to:")
        assert "- **letter:** Nothing was sent. You said no: not now.\n" in told.text
        assert len((await runner.list()).tasks) == 3


@both_ways
async def test_without_a_runner_it_does_all_parts_itself(sync: bool) -> None:
    graph = agents.build_delegating(0)
    await chunks_of(graph, asks("hi"), sync=sync)
    chunks = await chunks_of(graph, Command(resume=APPROVED), sync=sync)
    assert chunks[-1][2]["messages"][-1].text == (
        "I did it all myself:\n\n- sunny, 24 °C\n- 08:10 to Lisbon, platform 4\n- Sent to ann@example.org.\n"
    )


# ------------------------------------------------------------------ team and failing


@both_ways
async def test_each_researcher_works_in_the_lane_of_its_call(sync: bool) -> None:
    chunks = await chunks_of(agents.build_team(0), asks("Tell me about Rome"), sync=sync)
    starts = [data for lane, mode, data in chunks if mode == "tasks" and not lane and "input" in data]
    calls = {f"tools:{data['id']}": data["input"][0]["args"]["topic"] for data in starts if data["name"] == "tools"}
    speakers = {
        (calls[lane[0]], data[1]["lc_agent_name"]) for lane, mode, data in chunks if mode == "messages" and lane
    }
    assert speakers == {("food", "researcher"), ("sights", "researcher")}
    end = chunks[-1][2]["messages"][-1].text
    assert "Food in Rome: try the market hall" in end
    assert "Sights in Rome: walk up the hill" in end


@both_ways
async def test_the_failing_agent_breaks_off(sync: bool) -> None:
    said: list[str] = []
    graph = agents.build_failing(0)

    async def listen() -> None:
        if sync:
            said.extend(message.text for message, _ in graph.stream(asks("why?"), stream_mode="messages"))
        async for message, _ in graph.astream(asks("why?"), stream_mode="messages"):
            said.append(message.text)

    with pytest.raises(ConnectionError, match="the model went away"):
        await listen()
    assert "".join(said) == 'You asked: "why?". The answer is quite simple, because'


# ------------------------------------------------------------------ all of them


@pytest.mark.parametrize("name", ["assistant", "team"])
def test_an_agent_that_never_pauses_needs_no_thread(name: str) -> None:
    assert BUILDERS[name](0).invoke(asks("hi"))["messages"][-1].text


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_delay_makes_the_tokens_watchable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("langwire.testing.model.time.sleep", waited.append)
    try:
        list(BUILDERS[name]().stream(asks("hi"), THREAD, stream_mode="messages"))
    except ConnectionError:
        assert name == "failing"
    assert len(waited) > 5
    assert set(waited) == {agents.DELAY}


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_the_package_builds_each_agent_once(name: str) -> None:
    graph = getattr(langwire.demo, name)
    assert graph is getattr(langwire.demo, name)
    assert graph.name == name


def test_the_package_has_nothing_else() -> None:
    assert dir(langwire.demo) == ["approval", "assistant", "concierge", "delegating", "failing", "showcase", "team"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = langwire.demo.nothing


def test_importing_the_package_loads_no_langgraph() -> None:
    code = "import sys, langwire.demo; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "langwire.demo" in loaded.split()
    assert not [name for name in loaded.split() if name.startswith(("langchain", "langgraph"))]


@pytest.mark.parametrize("build", [agents.build_assistant, agents.build_approval, agents.build_concierge])
def test_an_agent_that_is_not_asked_anything_says_something_all_the_same(build: Any) -> None:
    result = langwire.run(build(0), {"messages": []}, {"configurable": {"thread_id": "t"}})
    assert result.outcome in ("complete", "interrupted")
    assert result.text
