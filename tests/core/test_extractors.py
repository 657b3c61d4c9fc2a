"""Who is asked for which tool, and how what they read out becomes events: through the public API, on real graphs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from test_laws import EVERYTHING, FULL, MODE_SETS

import langwire
from langwire import StreamParser, Transcript, check, encode
from langwire.core.codec import to_dict
from langwire.core.extractors import Extractors
from langwire.errors import UsageError
from langwire.events import Display, Event, Extracted, SubagentStart, ToolCallStart, ToolResult, TurnEnd
from langwire.extractors import (
    ANY_TOOL,
    BUILT_INS,
    Extraction,
    Extractor,
    FunctionExtractor,
    ToolUse,
    any_tool,
    displays,
    extractor,
)
from langwire.testing import CASES, text, tool_call, tool_calls
from langwire.testing.corpus._parts import chain, chat, loop, says, script
from turns import CASE_NAMES, problems, turns_of

HELLO = {"messages": [("user", "hi")]}


@tool(response_format="content_and_artifact")
def find(about: str) -> tuple[str, dict[str, Any]]:
    """Find something; what was found is kept for the application."""
    return f"found {about}", {"hits": [about]}


@tool
def write_todos(todos: list[dict[str, str]]) -> str:
    """Keep a list."""
    return f"Updated todo list to {todos}"


@tool
def fail(about: str) -> str:
    """Fail."""
    raise ValueError("no")


@tool
def ask(about: str) -> str:
    """Ask a person."""
    return f"you said {interrupt(about)}"


LIST = [{"content": "look", "status": "pending"}]
TODOS = tool_call("write_todos", {"todos": LIST}, id="call_w")
FIND = tool_call("find", {"about": "rome"}, id="call_f")


def agent(*steps: Any, saver: Any = None, tools: Sequence[Any] = (find, write_todos, fail, ask)) -> Any:
    """An agent that makes these calls, one message each, then says that it is done."""
    return loop(saver, script(*steps, text("do", "ne")), list(tools), apart=True)


@extractor("find")
def hits(use: ToolUse) -> Iterator[Extraction]:
    """What was found."""
    yield use.extracted("hits", use.value["hits"])


def made(events: Iterable[Event]) -> list[Extracted | Display]:
    """The extractions of a turn that obeys the grammar and ends well."""
    events = list(events)
    assert check(events) == []
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].outcome in ("complete", "interrupted")
    return [event for event in events if isinstance(event, Extraction)]


HITS = Extracted(id="call_f", name="find", kind="hits", data=["rome"])


# ------------------------------------------------------------------ the same everywhere

Run: TypeAlias = Callable[..., Any]


async def by_parser(graph: Any, **options: Any) -> list[Event]:
    parser = StreamParser(modes=list(FULL), subgraphs=True, **options)
    return list(parser.parse(graph.stream(HELLO, stream_mode=list(FULL), subgraphs=True)))


async def by_stream(graph: Any, **options: Any) -> list[Event]:
    return list(langwire.stream(graph, HELLO, **options))


async def by_astream(graph: Any, **options: Any) -> list[Event]:
    return [event async for event in langwire.astream(graph, HELLO, **options)]


class Seen:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, entry: Any) -> None:
        self.events.append(entry.event)


async def by_run(graph: Any, **options: Any) -> list[Event]:
    seen = Seen()
    transcript = await asyncio.to_thread(langwire.run, graph, HELLO, adapter=seen, **options)
    assert transcript.extracted == [event for event in seen.events if isinstance(event, Extracted)]
    return seen.events


async def by_arun(graph: Any, **options: Any) -> list[Event]:
    seen = Seen()
    await langwire.arun(graph, HELLO, adapter=seen, **options)
    return seen.events


RUNS = [by_parser, by_stream, by_astream, by_run, by_arun]


class ByClass:
    tools = ("find",)

    def extract(self, use: ToolUse) -> Iterable[Extraction]:
        return [use.extracted("hits", use.value["hits"])]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "given",
    [lambda: [hits], lambda: (hits,), lambda: (one for one in [hits]), lambda: hits, lambda: [ByClass()], ByClass],
)
async def test_extractors_are_given_as_one_or_as_any_row_of_them(run: Run, given: Callable[[], Any]) -> None:
    assert made(await run(agent(TODOS, FIND), extractors=given())) == [HITS]


@pytest.mark.parametrize("run", RUNS)
async def test_the_built_ins_are_asked_unless_they_are_replaced(run: Run) -> None:
    todos = Extracted(id="call_w", name="write_todos", kind="todos", data=LIST)
    assert made(await run(agent(TODOS, FIND))) == [todos]
    assert made(await run(agent(TODOS, FIND), extractors=[*BUILT_INS, hits])) == [todos, HITS]
    assert made(await run(agent(TODOS, FIND), extractors=[])) == []


async def async_extract(use: ToolUse) -> Any: ...


async def async_generator(use: ToolUse) -> Any:
    yield use.extracted("hits", None)


class NoTools:
    def extract(self, use: ToolUse) -> Iterable[Extraction]: ...


class OddTools(ByClass):
    def __init__(self, tools: Any) -> None:
        self.tools = tools


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (None, r"extractors came as None: expected a list of extractors, \[\] for none"),
        ("todos", "extractors came as 'todos': expected a list of extractors"),
        (4, "extractors came as 4: expected a list of extractors"),
        (NoTools, "extractors came as <class .*NoTools'>: expected a list"),
        (ByClass, r"got <class .*ByClass'>: make one of it: ByClass\(\)"),
        ([ByClass], r"make one of it: ByClass\(\)"),
        ([NoTools()], r"got <.*NoTools object .*>: see @extractor\(\"tool_name\"\)"),
        ([find], r"expected an extractor with `tools` and `extract`, got StructuredTool"),
        ([None], "got None"),
        ([OddTools("find")], "came as 'find': expected a list of the names of tools"),
        ([OddTools([find])], r"came as \[StructuredTool.*: expected a list of the names"),
        ([OddTools(iter(["find"]))], "came as <list_iterator.*: expected a list of the names"),
        ([OddTools([])], r"came as \[\]: expected a list of the names"),
        ([extractor("find")(async_extract)], "async_extract is async: expected an extractor that is a plain function"),
        ([extractor("find")(async_generator)], "async_generator is async"),  # type: ignore[arg-type]
        ([extractor("find")(partial(async_generator))], "partial is async"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_extractor_is_refused_before_anything_runs(run: Run, given: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as raised:
        await run(agent(FIND), extractors=given)
    assert "\n" not in str(raised.value)


def test_extractors_that_were_checked_once_are_taken_as_they_are() -> None:
    checked = Extractors(one for one in [other, hits])
    again = Extractors(checked)
    assert list(again) == list(checked) == [other, hits]
    assert repr(again) == "(other, hits)"
    assert [again.find(name) for name in ("find", "fail", "else", None)] == [hits, other, None, None]


def test_an_extractor_made_of_a_function_names_its_tools() -> None:
    assert (hits.tools, repr(hits)) == (("find",), "hits")
    assert isinstance(hits, Extractor)
    for names in ((), (find,), (hits,)):
        with pytest.raises(UsageError, match=r"@extractor came with \(.*expected the names of tools, as in @extractor"):
            extractor(*names)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="@extractor came with"):
        extractor(hits)  # type: ignore[arg-type]


# ------------------------------------------------------------------ who is asked


@extractor("find", "fail")
def other(use: ToolUse) -> Iterator[Extraction]:
    yield use.extracted("other", use.text)


async def test_a_later_extractor_takes_a_name_over() -> None:
    taken = Extracted(id="call_f", name="find", kind="other", data="found rome")
    assert made(await by_astream(agent(FIND), extractors=[hits, other])) == [taken]
    assert made(await by_astream(agent(FIND), extractors=[other, hits])) == [HITS]


@pytest.mark.parametrize("given", [[any_tool, *BUILT_INS], [*BUILT_INS, any_tool]])
async def test_the_one_for_any_tool_is_asked_for_tools_that_nobody_names(given: list[Extractor]) -> None:
    read = made(await by_astream(agent(TODOS, FIND), extractors=given))
    assert [(event.id, event.kind) for event in read if isinstance(event, Extracted)] == [
        ("call_w", "todos"),
        ("call_f", "tool"),
    ]
    assert read[1] == Extracted(
        id="call_f", name="find", kind="tool", data={"args": {"about": "rome"}, "result": {"hits": ["rome"]}}
    )


async def test_an_extractor_that_is_named_and_finds_nothing_leaves_nothing_to_the_one_for_any() -> None:
    quiet = extractor("find")(lambda use: ())
    assert made(await by_astream(agent(FIND), extractors=[any_tool, quiet])) == []


async def test_a_tool_that_failed_is_not_extracted_from() -> None:
    events = await by_astream(agent(tool_call("fail", {"about": "x"})), extractors=[extractor(ANY_TOOL)(other.extract)])
    assert [event.status for event in events if isinstance(event, ToolResult)] == ["error"]
    assert made(events) == []


async def test_an_extractor_sees_the_whole_use() -> None:
    seen: list[ToolUse] = []

    @extractor("find")
    def look(use: ToolUse) -> Iterable[Extraction]:
        seen.append(use)
        return ()

    await by_astream(agent(FIND), extractors=look)
    assert seen == [
        ToolUse(
            name="find",
            args={"about": "rome"},
            content="found rome",
            artifact={"hits": ["rome"]},
            id="call_f",
            call_id="call_f",
        )
    ]
    assert (seen[0].argument("about"), seen[0].argument("else"), seen[0].text) == ("rome", None, "found rome")
    assert seen[0].value is seen[0].artifact


@pytest.mark.parametrize(
    ("content", "words", "value"),
    [
        ('{"a": 1}', '{"a": 1}', {"a": 1}),
        ("no json", "no json", None),
        ("\ud800", "\ud800", None),
        ("[" * 100_000, "[" * 100_000, None),
        ([{"type": "text", "text": "[1"}, ", 2]"], "[1, 2]", [1, 2]),
        ([{"type": "image", "url": "x"}], "", [{"type": "image", "url": "x"}]),
        ({"stdout": "x"}, "", {"stdout": "x"}),
        (None, "", None),
    ],
)
def test_a_result_is_read_as_text_and_as_data(content: Any, words: str, value: Any) -> None:
    use = ToolUse(name="f", content=content, args="none that parsed")
    assert (use.text, use.value, use.argument("a")) == (words, value, None)


# ------------------------------------------------------------------ what goes wrong


def at_once(use: ToolUse) -> Iterable[Extraction]:
    raise ZeroDivisionError("secret")


def half_way(use: ToolUse) -> Iterable[Extraction]:
    yield use.extracted("half", 1)
    raise ZeroDivisionError("secret")


def garbage(use: ToolUse) -> Iterable[Any]:
    yield "secret"


def foreign(use: ToolUse) -> Iterable[Any]:
    yield TurnEnd(outcome="complete")


def another_id(use: ToolUse) -> Iterable[Extraction]:
    yield Extracted(id="secret", name="find", kind="x")


def another_lane(use: ToolUse) -> Iterable[Extraction]:
    yield Display(id=use.id, bundle={}, lane=("secret",))


def odd_bundle(use: ToolUse) -> Iterable[Any]:
    yield use.display("secret")  # type: ignore[arg-type]


def odd_kind(use: ToolUse) -> Iterable[Any]:
    yield use.extracted(("secret",), 1)  # type: ignore[arg-type]


def odd_form(use: ToolUse) -> Iterable[Any]:
    yield use.display({5: "secret"})  # type: ignore[dict-item]


def nothing(use: ToolUse) -> Any:
    return None


def only_one(use: ToolUse) -> Any:
    return use.extracted("secret", 1)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("function", "told", "error"),
    [
        (at_once, [], "ZeroDivisionError"),
        (half_way, ["half"], "ZeroDivisionError"),
        *(
            (one, [], "TypeError")
            for one in (
                *(garbage, foreign, another_id, another_lane, odd_bundle, odd_form, odd_kind, nothing, only_one),
            )
        ),
    ],
)
async def test_one_that_fails_is_told_by_its_class_and_the_turn_goes_on(
    run: Run, function: Callable[[ToolUse], Any], told: list[str], error: str
) -> None:
    events = await run(agent(FIND, TODOS), extractors=[*BUILT_INS, extractor("find")(function)])
    *before, failed, todos = made(events)
    assert [event.kind for event in before if isinstance(event, Extracted)] == told
    assert failed == Extracted(id="call_f", name="find", kind="error", error=error)
    assert isinstance(todos, Extracted)
    assert (todos.kind, events[-1].outcome) == ("todos", "complete")
    assert b"secret" not in b"".join(map(encode, events))


@pytest.mark.parametrize("run", [by_stream, by_astream, by_run, by_arun])
@pytest.mark.parametrize(
    ("function", "logged"),
    [
        (at_once, "ZeroDivisionError: secret"),
        (nothing, "nothing returned NoneType: expected a list of events, [] for none, or yield each"),
        (only_one, "only_one returned Extracted: expected a list of events"),
        (garbage, "garbage made an odd str: make events with use.extracted and use.display"),
        (odd_form, "odd_form made an odd Display: "),
    ],
)
async def test_why_one_failed_stands_in_the_log_and_not_in_the_event(
    run: Run, function: Callable[[ToolUse], Any], logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = await run(agent(FIND), extractors=extractor("find")(function))
    [record] = [record for record in caplog.records if record.name == "langwire"]
    assert (record.levelname, record.getMessage()) == ("WARNING", "an extractor failed on a result of find")
    assert logged in caplog.text
    assert function.__name__ in caplog.text
    assert b"secret" not in b"".join(map(encode, events))


async def test_whoever_asks_is_told_why_one_failed_and_the_core_says_nothing_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, str]] = []
    heard = Extractors([extractor("find")(at_once)], on_error=lambda use, error: told.append((use.name, str(error))))
    for run in (by_parser, by_astream):
        assert [event.kind for event in made(await run(agent(FIND), extractors=heard)) if isinstance(event, Extracted)]
    assert told == [("find", "secret")] * 2
    await by_parser(agent(FIND), extractors=extractor("find")(at_once))
    assert caplog.text == ""


# ------------------------------------------------------------------ where it stands in the stream


async def test_what_is_extracted_follows_its_result() -> None:
    events = await by_astream(agent(FIND), extractors=hits)
    at = events.index(HITS)
    assert isinstance(events[at - 1], ToolResult)


async def test_a_hidden_tool_is_extracted_without_a_call_id() -> None:
    events = await by_astream(agent(TODOS, FIND), extractors=[*BUILT_INS, hits], skip_tools=["write_todos"])
    assert made(events) == [Extracted(name="write_todos", kind="todos", data=LIST), HITS]
    assert [event.name for event in events if isinstance(event, ToolCallStart)] == ["find"]
    assert Transcript.of(events).extracted == made(events)


async def test_a_wire_may_cut_what_an_extractor_sees_whole() -> None:
    long = tool_call("find", {"about": "x" * 5000}, id="call_f")
    events = await by_astream(agent(long), extractors=[*BUILT_INS, hits])
    assert made(events) == [Extracted(id="call_f", name="find", kind="hits", data=["x" * 5000])]
    result = next(event for event in events if isinstance(event, ToolResult))
    for event, name in ((result, "content"), (result, "artifact"), (made(events)[0], "data")):
        line = encode(event, max_value_bytes=1000)
        assert (len(line) < 3000, b'"%b":{"$truncated"' % name.encode() in line) == (True, True)
        assert b"x" * 5000 in encode(event)
    picture = Display(id="c", bundle={"text/plain": "x" * 5000})
    assert b'"bundle":{"text/plain":{"$truncated"' in encode(picture, max_value_bytes=1000)


@pytest.mark.parametrize("modes", [FULL, EVERYTHING, *MODE_SETS], ids="+".join)
def test_every_set_of_modes_extracts_each_result_once(modes: tuple[str, ...]) -> None:
    both = tool_calls(TODOS, tool_call("find", {"about": "rome"}, id="call_f"))
    graph, config = agent(both, saver=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    parser = StreamParser(modes=list(modes), subgraphs=True, extractors=[*BUILT_INS, hits])
    read = made(parser.parse(graph.stream(HELLO, config, stream_mode=list(modes), subgraphs=True)))
    assert sorted(map(repr, read)) == sorted(
        map(repr, [Extracted(id="call_w", name="write_todos", kind="todos", data=LIST), HITS])
    )


@pytest.mark.parametrize("modes", [FULL, EVERYTHING, ("messages", "tasks"), ("updates", "tasks")], ids="+".join)
def test_a_resumed_turn_and_the_next_one_extract_nothing_again(modes: tuple[str, ...]) -> None:
    """The result of a call that an earlier turn left open is extracted from when it comes."""
    asking = extractor("ask")(lambda use: [use.extracted("asked", [use.args, use.text])])
    both = tool_calls(FIND, tool_call("ask", {"about": "day?"}, id="call_a"))
    graph, config = agent(both, saver=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    told: list[list[Any]] = []
    open_calls: tuple[Any, ...] = ()
    for given, cause in ((HELLO, "message"), (Command(resume="May"), "resume"), (HELLO, "message")):
        parser = StreamParser(
            modes=list(modes),
            subgraphs=True,
            cause=cause,
            open_calls=open_calls,
            extractors=[hits, asking],  # type: ignore[arg-type]
        )
        events = list(parser.parse(graph.stream(given, config, stream_mode=list(modes), subgraphs=True)))
        assert check(events, open_calls=open_calls) == []
        open_calls = events[-1].open_calls  # type: ignore[union-attr]
        told.append([event for event in events if isinstance(event, Extraction)])
    assert told == [
        [HITS],
        [Extracted(id="call_a", name="ask", kind="asked", data=[{"about": "day?"}, "you said May"])],
        [],
    ]


async def test_a_conversation_extracts_each_result_in_its_own_turn() -> None:
    both = tool_calls(FIND, tool_call("ask", {"about": "day?"}, id="call_a"))
    graph, config = agent(both, saver=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    told: list[Any] = []
    open_calls: tuple[Any, ...] = ()
    for given in (HELLO, Command(resume="May"), HELLO):
        events = [event async for event in langwire.astream(graph, given, config, extractors=[any_tool])]
        assert check(events, open_calls=open_calls) == []
        open_calls = events[-1].open_calls  # type: ignore[union-attr]
        told.append([event.name for event in events if isinstance(event, Extracted)])
    assert told == [["find"], ["ask"], []]


@pytest.mark.parametrize("name", CASE_NAMES)
async def test_every_graph_of_the_corpus_obeys_the_grammar_with_its_extractions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turns.StreamParser", partial(StreamParser, extractors=[*BUILT_INS, any_tool]))
    turns = await turns_of(CASES[name], FULL)
    assert problems(turns) == []
    events = [event for turn in turns for event in turn.events]
    results = [event.id for event in events if isinstance(event, ToolResult) and event.status == "ok"]
    read = [event for event in events if isinstance(event, Extracted)]
    assert [event.error for event in read if event.error] == []
    assert sorted(str(event.id) for event in read) == sorted(results)


# ------------------------------------------------------------------ lanes, providers, libraries


def test_what_a_subagent_does_is_told_in_its_lane() -> None:
    inner = agent(TODOS, tool_call("find", {"about": "oslo"}, id="call_f"))

    def research(about: str) -> str:
        """Look something up."""
        return str(inner.invoke({"messages": [("user", about)]})["messages"][-1].text)

    outer = agent(FIND, tool_call("research", {"about": "x"}), tools=[find, StructuredTool.from_function(research)])
    events = list(langwire.stream(outer, HELLO, extractors=[*BUILT_INS, hits]))
    lane = next(event.lane for event in events if isinstance(event, SubagentStart))
    root, todos, found = made(events)
    assert root == HITS
    assert isinstance(todos, Extracted)
    assert isinstance(found, Extracted)
    assert (todos.lane, todos.kind, found.lane, found.data) == (lane, "todos", lane, ["oslo"])
    assert found.id not in (None, root.id)  # the call id came twice, the part ids tell them apart


def test_a_call_that_the_provider_runs_is_extracted_too() -> None:
    found = [{"type": "web_search_result", "url": "https://example.org"}]
    message = [
        AIMessageChunk(
            content=[{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": "x"}, "index": 0}]
        ),
        AIMessageChunk(content=[{"type": "web_search_tool_result", "tool_use_id": "s1", "content": found, "index": 1}]),
        AIMessageChunk(content=[{"type": "text", "text": "Here.", "index": 2}]),
    ]
    searches = extractor("web_search")(lambda use: [use.extracted("urls", [use.args, use.value[0]["url"]])])
    graph = chain(agent=chat(script(message)))
    assert made(langwire.stream(graph, HELLO, extractors=searches)) == [
        Extracted(id="s1", name="web_search", kind="urls", data=[{"q": "x"}, "https://example.org"])
    ]


def test_a_message_that_no_call_asked_for_is_extracted_from_once() -> None:
    """What tells of a compression writes a tool message by itself."""
    told = ToolMessage(
        '{"before_tokens": 900, "after_tokens": 90}', name="__compression__", tool_call_id="made_up", id="m"
    )
    events = list(langwire.stream(chain(compress=says(told), answer=says(AIMessage("Hi", id="a"))), HELLO))
    assert [event for event in events if isinstance(event, Extraction)] == [
        Extracted(
            id="made_up", name="__compression__", kind="compression", data={"before_tokens": 900, "after_tokens": 90}
        )
    ]


def test_a_display_of_a_real_tool_comes_with_its_text() -> None:
    @tool(response_format="content_and_artifact")
    def plot_sales() -> tuple[str, Any]:
        """Plot."""
        return "plotted", {"display_type": "plot", "title": "Sales", "data": {"data": [], "layout": {}}}

    graph = agent(tool_call("plot_sales", id="call_p"), tools=[plot_sales])
    assert made(langwire.stream(graph, HELLO, extractors=extractor("plot_sales")(displays.extract))) == [
        Display(id="call_p", title="Sales", bundle={"application/vnd.plotly.v1+json": {"data": [], "layout": {}}})
    ]


def planner(middleware: list[Any], *tools: Any, saver: Any = None) -> Any:
    agents = pytest.importorskip("langchain.agents")
    return agents.create_agent(
        script(TODOS, text("do", "ne")), tools=list(tools), middleware=middleware, checkpointer=saver
    )


async def test_the_todos_of_an_agent_of_langchain_are_told() -> None:
    middleware = pytest.importorskip("langchain.agents.middleware")
    events = await by_astream(planner([middleware.TodoListMiddleware()]))
    assert made(events) == [Extracted(id="call_w", name="write_todos", kind="todos", data=LIST)]


async def test_todos_that_a_person_has_edited_are_told_as_they_were_written() -> None:
    """The call in the stream is the one before the edit; what was run stands in its result."""
    middleware = pytest.importorskip("langchain.agents.middleware")
    guard = middleware.HumanInTheLoopMiddleware(interrupt_on={"write_todos": {"allowed_decisions": ["edit"]}})
    graph = planner([middleware.TodoListMiddleware(), guard], saver=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    first = [event async for event in langwire.astream(graph, HELLO, config)]
    assert [event for event in first if isinstance(event, Extraction)] == []
    edited = [{"content": "look twice", "status": "pending"}]
    decision = {"type": "edit", "edited_action": {"name": "write_todos", "args": {"todos": edited}}}
    answer = Command(resume={"decisions": [decision]})
    second = [event async for event in langwire.astream(graph, answer, config)]
    assert [event.data for event in second if isinstance(event, Extracted)] == [edited]


def test_an_extraction_survives_the_wire() -> None:
    for event in (HITS, Display(id="c", bundle={"text/plain": "x"}), Extracted(name="x", kind="error", error="E")):
        assert to_dict(langwire.decode(encode(event))) == to_dict(event)


def test_the_extractors_of_the_package_are_all_there() -> None:
    import langwire.extractors as room

    built_in = [value for value in vars(room).values() if isinstance(value, FunctionExtractor)]
    assert sorted(map(repr, built_in)) == sorted([*map(repr, BUILT_INS), "any_tool"])
    named = [name for one in BUILT_INS for name in one.tools]
    assert len(named) == len(set(named))
    assert ANY_TOOL not in named
