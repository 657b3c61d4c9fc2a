"""An agent is run to its end in a test, with its questions answered by rule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langwire import approve, edit, reject
from langwire.demo import agents
from langwire.errors import InvalidDecision, InvalidInput, UnsupportedGraph, UsageError
from langwire.events import Interrupt, OpenCall, TextDelta, TextStart, ToolResult, TurnEnd, TurnStart
from langwire.events import Source as From
from langwire.testing import (
    CASES,
    AgentRun,
    AgentRunner,
    Fault,
    ScriptedModel,
    Signal,
    arun_agent,
    available,
    faulty,
    run_agent,
    tool_call,
)

Run = Callable[..., AgentRun]
RUNS: list[Run] = [run_agent, lambda *args, **kwargs: asyncio.run(arun_agent(*args, **kwargs))]

both = pytest.mark.parametrize("run", RUNS, ids=["sync", "async"])

EMAIL = {"to": "ann@example.org", "subject": "A note for you"}


def graph_of(*nodes: Callable[[Any], Any], saver: Any = None, state: Any = MessagesState) -> Any:
    """A graph that runs the nodes side by side."""
    graph: Any = StateGraph(state)
    for number, node in enumerate(nodes):
        graph.add_node(f"node{number}", node)
        graph.add_edge(START, f"node{number}")
    return graph.compile(checkpointer=saver)


def asking(question: Any) -> Callable[[Any], Any]:
    """A node that asks, and says what it was answered."""
    return lambda _state: {"messages": [AIMessage(f"{question}: {interrupt(question)!r}", id=f"said {question}")]}


def speaking(*script: Any) -> Any:
    """A node that asks a scripted model, awaited in an async run."""
    model = ScriptedModel(script=script)

    async def ask(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return RunnableLambda(lambda state: {"messages": [model.invoke(state["messages"])]}, ask)


def approving(*names: str) -> Callable[[Any], Any]:
    """A node that asks about several actions at once, and says what was decided."""
    requests = [{"name": name, "args": {"of": name}} for name in names]

    def ask(_state: Any) -> Any:
        decided = interrupt({"action_requests": requests, "review_configs": []})["decisions"]
        return {"messages": [AIMessage(" ".join(decision["type"] for decision in decided))]}

    return ask


# ------------------------------------------------------------------ what a run says


@both
def test_a_run_says_what_the_agent_did(run: Run) -> None:
    done = run(agents.build_approval(0), "Write to Ann that I am late", answers={"send_email": approve()})
    assert done.outcome == "complete"
    assert done.text == "Done. Sent to ann@example.org."
    assert done.calls("send_email") == done.calls() == [pytest.approx({**EMAIL, "body": done.calls()[0]["body"]})]
    assert [result.content for result in done.results("send_email")] == ["Sent to ann@example.org."]
    assert [question.actions[0].name for question in done.questions] == ["send_email"]
    assert [turn[-1].outcome for turn in done.turns] == ["interrupted", "complete"]  # type: ignore[union-attr]
    assert done.events == [*done.turns[0], *done.turns[1]]
    assert done.usage.output_tokens == sum(turn[-1].usage.output_tokens for turn in done.turns)  # type: ignore[union-attr]
    assert done.error is None
    assert done.problems == []


def test_calls_and_results_are_chosen_by_tool() -> None:
    done = run_agent(agents.build_assistant(0), "A day in Rome")
    assert done.calls("get_weather") == [{"city": "Rome"}]
    assert done.calls("nothing") == []
    assert [result.status for result in done.results("book_table")] == ["error"]
    assert len(done.results()) == len(done.calls()) == 5


@both
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_graph_of_the_corpus_runs_without_a_problem(run: Run, name: str) -> None:
    case = CASES[name]
    if not available(case) or (run is run_agent and case.async_only):
        pytest.skip("not on this LangGraph, or not sync")
    rules = {"*": approve(), "value": "yes", "breakpoint": True}
    done = run(case.build(), case.input, answers=rules, raise_errors=False)
    assert done.problems == []
    assert (done.error is not None) == (done.outcome == "error") == case.expect_error


def test_a_repr_tells_a_failing_test_what_happened() -> None:
    asks = run_agent(agents.build_approval(0), "Write to Ann")
    assert repr(asks).startswith("<AgentRun interrupted; 1 turn; called send_email; asks send_email; 'I wrote an email")
    fails = run_agent(agents.build_failing(0), "Tell me", raise_errors=False)
    assert repr(fails) == "<AgentRun error ConnectionError('the model went away in the middle of a sentence'); 1 turn>"
    broken = AgentRun([[TurnStart(turn_id="t")]])
    assert repr(broken) == (
        "<AgentRun None; 1 turn; 1 broken: "
        "turn 1, the end: turn: the events stop without a TurnEnd: a turn ends with exact…>"
    )
    assert repr(AgentRun([])) == "<AgentRun None; 0 turns>"


# ------------------------------------------------------------------ answers


@both
def test_a_rule_can_be_a_function_of_the_action(run: Run) -> None:
    done = run(
        agents.build_approval(0),
        "Write to Ann",
        answers={"send_email": lambda action: edit({**action.args, "to": "bob@example.org"})},
    )
    assert done.text == "Done. Sent to bob@example.org as you changed it."


def test_a_star_stands_for_any_other_tool() -> None:
    graph = graph_of(approving("send", "delete", "send"))
    done = run_agent(graph, "go", answers={"send": approve(), "*": reject("no")})
    assert done.text == "approve reject approve"


def test_an_action_without_a_rule_leaves_its_question_open() -> None:
    done = run_agent(graph_of(approving("send", "delete")), "go", answers={"send": approve()})
    assert done.outcome == "interrupted"
    assert len(done.turns) == 1


def test_the_older_form_of_approval_is_answered_by_tool() -> None:
    """Its question is of the kind `value`, but about a tool."""
    old = {"action_request": {"action": "send", "args": {}}, "config": {"allow_accept": True}}

    def ask(_state: Any) -> Any:
        return {"messages": [AIMessage(interrupt(old)["type"])]}

    assert run_agent(graph_of(ask), "go", answers={"send": approve()}).text == "accept"
    assert run_agent(graph_of(ask), "go", answers={"value": "yes"}).outcome == "interrupted"


@pytest.mark.parametrize("rule", ["blue", lambda question: question.value and "blue"], ids=["answer", "function"])
def test_a_question_about_no_tool_is_answered_with_a_value(rule: Any) -> None:
    done = run_agent(graph_of(asking("colour?")), "go", answers={"value": rule})
    assert done.text == "colour?: 'blue'"


def test_a_star_is_no_answer_to_a_question_about_no_tool() -> None:
    assert run_agent(graph_of(asking("colour?")), "go", answers={"*": approve()}).outcome == "interrupted"


def test_an_answer_can_be_none() -> None:
    """Where LangGraph gives the question None, it does not ask again."""
    assert run_agent(graph_of(asking("colour?")), "go", answers={"value": None}).text == "colour?: None"


def test_questions_with_a_rule_are_answered_beside_one_that_stays_open() -> None:
    done = run_agent(graph_of(asking("colour?"), approving("send")), "go", answers={"send": approve()})
    assert done.outcome == "interrupted"
    assert len(done.turns) == 2
    assert [question.kind for question in done.questions].count("value") == 2
    assert done.problems == []


@pytest.mark.parametrize("rule", [True, lambda question: "tools" in question.value["next"]])
def test_a_breakpoint_is_passed_only_when_a_rule_says_so(rule: Any) -> None:
    agent = agents.build_assistant(0)
    waits = run_agent(agent, "A day in Rome", interrupt_before=["tools"])
    assert [question.kind for question in waits.questions] == ["breakpoint"]
    assert run_agent(agent, "Rome", answers={"breakpoint": False}, interrupt_before=["tools"]).outcome == "interrupted"
    done = run_agent(agent, "A day in Rome", answers={"breakpoint": rule}, interrupt_before=["tools"])
    assert done.outcome == "complete"
    assert len(done.turns) == 4
    assert done.problems == []


def test_a_run_that_asks_for_ever_stops() -> None:
    def ask(_state: Any) -> None:
        while True:
            interrupt("again?")

    done = run_agent(graph_of(ask), "go", answers={"value": "no"}, max_turns=3)
    assert done.outcome == "interrupted"
    assert len(done.turns) == len(done.questions) == 3
    assert len(run_agent(graph_of(ask), "go", answers={"value": "no"}).turns) == 10


# ------------------------------------------------------------------ threads


def test_the_graph_stays_as_it_was() -> None:
    """A graph without a checkpointer gets none from being tested: W28."""
    graph = graph_of(asking("colour?"))
    before = {name: vars(graph)[name] for name in vars(graph)}
    assert run_agent(graph, "go", answers={"value": "blue"}).outcome == "complete"
    assert vars(graph) == before
    assert graph.checkpointer is None


def test_each_run_has_a_thread_of_its_own() -> None:
    saver = InMemorySaver()
    graph = graph_of(lambda state: {"messages": [AIMessage(str(len(state["messages"])))]}, saver=saver)
    first, second = run_agent(graph, "hi"), run_agent(graph, "hi", {"tags": ["a"], "configurable": {"other": 1}})
    assert first.text == second.text == "1"
    assert len(saver.storage) == 2


@both
def test_a_thread_that_is_named_goes_on(run: Run) -> None:
    saver = InMemorySaver()
    graph = graph_of(lambda state: {"messages": [AIMessage(str(len(state["messages"])))]}, saver=saver)
    config = {"configurable": {"thread_id": "1"}}
    assert [run(graph, "hi", config).text, run(graph, "hi", config).text] == ["1", "3"]
    assert run(graph.with_config(configurable={"thread_id": "1"}), "hi").text == "5"
    assert list(saver.storage) == ["1"]


def test_an_answer_can_be_the_input_of_a_run() -> None:
    graph, config = graph_of(asking("colour?"), saver=InMemorySaver()), {"configurable": {"thread_id": "1"}}
    assert run_agent(graph, "go", config).outcome == "interrupted"
    done = run_agent(graph, Command(resume="red"), config)
    assert (done.text, done.problems) == ("colour?: 'red'", [])


# ------------------------------------------------------------------ the grammar


def test_problems_know_the_calls_that_the_turn_before_left_open() -> None:
    left = OpenCall(id="c1", name="send", call_id="c1")
    asks = [
        TurnStart(turn_id="1"),
        Interrupt(id="i"),
        TurnEnd(outcome="interrupted", interrupts=("i",), open_calls=(left,)),
    ]
    answered = [
        TurnStart(turn_id="2"),
        ToolResult(id="c1", call_id="c1"),
        ToolResult(id="c2", call_id="c2"),
        TurnEnd(outcome="complete"),
    ]
    (problem,) = AgentRun([asks, answered], open_calls=[left]).problems
    assert problem.startswith("turn 2, event 2, ToolResult(id='c2'")
    assert "no such call is known" in problem


def test_problems_name_parts_without_an_end_and_turns_without_one() -> None:
    """Starts without ends are told in whatever turn they are: F-P1."""
    start, part = TurnStart(turn_id="1"), TextStart(id="m", message_id="m", source=From())
    lines = AgentRun([[start, part, TurnEnd(outcome="complete")], [], [start, part]]).problems
    assert [line.partition(":")[0] for line in lines] == [
        "turn 1, event 2, TurnEnd(outcome='complete')",
        "turn 2, the end",
        "turn 3, the end",
    ]


def test_the_first_turn_of_a_new_thread_knows_no_calls_of_earlier_ones() -> None:
    made = {"turns": [[TurnStart(turn_id="1"), ToolResult(id="c"), TurnEnd(outcome="complete")]]}
    assert AgentRun(**made, open_calls=()).problems
    assert AgentRun(**made).problems == []
    assert run_agent(agents.build_team(0), "Rome").open_calls == ()
    assert run_agent(agents.build_approval(0), "Ann", {"configurable": {"thread_id": "1"}}).open_calls is None


def test_an_input_may_hold_a_call_that_is_answered_in_the_run() -> None:
    call = {"name": "get_weather", "args": {"city": "Rome"}, "id": "call_1", "type": "tool_call"}
    answer = {"role": "tool", "content": "sunny", "tool_call_id": "call_1"}
    graph = graph_of(lambda _state: {"messages": [answer]})
    given = [{"role": "user", "content": "hi"}, AIMessage("", tool_calls=[call])]
    done = run_agent(graph, given)
    assert [result.content for result in done.results()] == ["sunny"]
    assert done.problems == []
    assert run_agent(graph, given, skip_tools=["get_weather"]).problems == []
    assert run_agent(graph, Command(goto="node0", update={"messages": given})).problems == []


def test_two_tools_that_write_the_state_in_one_step_have_their_results() -> None:
    """Calls answered by `Command`s, which LangGraph tells as a list, are not left open: W18."""
    case = CASES["tool_commands"]
    done = run_agent(case.build(), case.input)
    assert len(done.calls()) == len(done.results()) == 2
    assert done.problems == []


# ------------------------------------------------------------------ what goes wrong


async def arun(runner: AgentRunner, *args: Any, **kwargs: Any) -> AgentRun:
    return await runner.arun(*args, **kwargs)


CALLS: list[Callable[..., AgentRun]] = [
    lambda runner, *args, **kwargs: runner(*args, **kwargs),
    lambda *args, **kwargs: asyncio.run(arun(*args, **kwargs)),
]
both_runners = pytest.mark.parametrize("call", CALLS, ids=["sync", "async"])


@both_runners
def test_what_the_graph_raises_is_raised_as_itself_and_its_run_is_kept(call: Any) -> None:
    error, runner = OSError("disk full"), AgentRunner()
    with pytest.raises(OSError, match="disk full") as raised:
        call(runner, graph_of(speaking(["half ", error])), "hi")
    (done,) = runner.runs
    assert raised.value is done.error is error
    assert (done.outcome, done.problems) == ("error", [])
    assert "half " in [event.text for event in done.events if isinstance(event, TextDelta)]


@both
def test_what_the_graph_raises_is_kept_where_it_shall_not_be_raised(run: Run) -> None:
    error = OSError("disk full")
    graph = graph_of(speaking(error))
    done = run(graph, "hi", raise_errors=False)
    assert done.outcome == "error"
    assert done.error is error
    assert done.problems == []


@both
def test_a_graph_whose_checkpoint_cannot_be_read_has_a_turn_that_failed(run: Run) -> None:
    error = OSError("no such table")
    saver = faulty(InMemorySaver(), Fault(error=error), "get_tuple")
    done = run(graph_of(asking("colour?"), saver=saver), "hi", answers={"value": 1}, raise_errors=False)
    assert (done.outcome, done.error, done.problems) == ("error", error, [])
    assert [[type(event).__name__ for event in turn] for turn in done.turns] == [["TurnStart", "TurnEnd"]]


def test_a_graph_that_fails_after_an_answer_keeps_both_turns() -> None:
    def ask(_state: Any) -> None:
        raise ValueError(interrupt("what?"))

    done = run_agent(graph_of(ask), "hi", answers={"value": "this"}, raise_errors=False)
    assert [turn[-1].outcome for turn in done.turns] == ["interrupted", "error"]  # type: ignore[union-attr]
    assert str(done.error) == "this"


def test_a_graph_that_fails_while_a_question_is_open_is_not_answered() -> None:
    case = CASES["error_while_waiting"]
    done = run_agent(case.build(), case.input, answers={"other": "yes"}, raise_errors=False)
    assert done.outcome == "error"
    assert len(done.turns) == 1
    assert done.stopped is None
    assert len(run_agent(case.build(), case.input, answers={"value": "yes"}, raise_errors=False).turns) == 1


@both
def test_what_is_called_wrongly_is_raised(run: Run) -> None:
    graph = graph_of(asking("colour?"))
    with pytest.raises(UnsupportedGraph):
        run(StateGraph(MessagesState), "hi")
    with pytest.raises(UsageError, match="config came as a str"):
        run(graph, "hi", "thread-1")
    with pytest.raises(InvalidInput):
        run(graph, {"question": "hi"})
    with pytest.raises(UsageError, match=r'answers came as a Decision: expected a dict, \{"send": approve\(\)\}'):
        run(graph, "hi", answers=approve())
    for max_turns in (0, "3", 2.0):
        with pytest.raises(UsageError, match=f"max_turns came as {max_turns!r}: expected a number, 1 or more"):
            run(graph, "hi", max_turns=max_turns)


@both
def test_an_answer_that_does_not_fit_is_raised(run: Run) -> None:
    with pytest.raises(InvalidDecision, match="an edit with a NoneType came for action 1"):
        run(graph_of(approving("send")), "hi", answers={"send": edit(None)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answers",
    [
        {"send_email": approve()},
        {"send_email": lambda _action: approve()},
        {"*": {"type": "approve"}},
        {"value": "blue"},
        {"breakpoint": True},
        {"tags": [], "send_email": approve()},
    ],
    ids=["decision", "function", "star", "value", "breakpoint", "beside a key of a config"],
)
def test_answers_in_place_of_the_config_are_refused(answers: Any) -> None:
    name = list(answers)[-1]
    with pytest.raises(UsageError) as refused:
        run_agent(graph_of(asking("colour?")), "hi", answers)
    assert str(refused.value) == f"config came with an answer for {name!r}: name it, answers={{{name!r}: …}}"


def test_a_config_may_hold_functions_and_keys_of_its_own() -> None:
    config = {"callbacks": [], "run_name": "mine", "user": "Ann", "configurable": {"pick": len}}
    assert run_agent(graph_of(asking("colour?")), "hi", config).outcome == "interrupted"


@both_runners
def test_what_a_rule_raises_is_raised_and_its_run_is_kept(call: Any) -> None:
    runner = AgentRunner()
    with pytest.raises(KeyError, match="red"):
        call(runner, graph_of(asking("red")), "hi", answers={"value": lambda question: {}[question.value]})
    (done,) = runner.runs
    assert (done.outcome, done.error, [question.value for question in done.questions]) == ("interrupted", None, ["red"])


async def test_a_run_that_is_stopped_shows_as_far_as_it_came() -> None:
    hangs, runner = Fault(), AgentRunner()
    running = asyncio.create_task(runner.arun(graph_of(speaking(["Once upon ", hangs, "a time"])), "hi"))
    await hangs.reached
    (halfway,) = runner.runs
    assert halfway.text == "Once upon "
    running.cancel()
    await asyncio.wait([running])
    assert runner.runs == [halfway]
    assert halfway.outcome is None


# ------------------------------------------------------------------ why a run stopped


@pytest.mark.parametrize(
    ("node", "answers", "hint"),
    [
        (approving("send_email"), {"send_mail": approve()}, "no rule for 'send_email'; rules given: 'send_mail'"),
        (approving("a", "b", "b"), {"a": approve(), "c": reject()}, "no rule for 'b'; rules given: 'a', 'c'"),
        (asking("colour?"), {"*": approve()}, "no rule for 'value'; rules given: '*'"),
        (asking("colour?"), {}, None),
        (asking("colour?"), {"value": "blue"}, None),
    ],
)
def test_a_run_says_for_what_it_has_no_rule(node: Any, answers: Any, hint: str | None) -> None:
    done = run_agent(graph_of(node), "hi", answers=answers)
    assert done.stopped == hint
    assert (f"; {hint}; " in f"{repr(done)[:-1]}; ") == (hint is not None)


def test_a_run_that_stopped_at_its_number_of_turns_says_so() -> None:
    def ask(_state: Any) -> None:
        while True:
            interrupt("again?")

    stopped = run_agent(graph_of(ask), "go", answers={"value": "no"}, max_turns=2)
    assert repr(stopped) == "<AgentRun interrupted; 2 turns; asks value; stopped after max_turns=2>"
    done = run_agent(graph_of(asking("colour?")), "go", answers={"value": "blue"}, max_turns=2)
    assert (done.outcome, done.stopped) == ("complete", None)


def test_a_breakpoint_where_the_rule_says_stop_needs_no_hint() -> None:
    agent = agents.build_assistant(0)
    waits = run_agent(agent, "Rome", answers={"breakpoint": False}, interrupt_before=["tools"])
    assert (waits.outcome, waits.stopped) == ("interrupted", None)


# ------------------------------------------------------------------ rules that are awaited


class Polite:
    """A rule that is an object, and async."""

    async def __call__(self, asked: Any) -> Any:
        await asyncio.sleep(0)
        return approve() if asked.name == "send" else reject("no")


async def test_an_async_rule_is_awaited() -> None:
    done = await arun_agent(graph_of(approving("send", "delete")), "go", answers={"*": Polite()})
    assert done.text == "approve reject"


@pytest.mark.parametrize("rule", [Polite(), Polite().__call__, lambda _asked: Signal()])
def test_a_rule_to_be_awaited_is_refused_in_a_sync_run(rule: Any) -> None:
    with pytest.raises(UsageError, match=r"the rule for 'send' has to be awaited: .* await agent_run.arun\(…\)"):
        run_agent(graph_of(approving("send")), "go", answers={"send": rule})


# ------------------------------------------------------------------ sync and async


def test_a_graph_that_only_runs_async_runs_sync_too() -> None:
    """Async nodes are no reason to fail: W24."""

    async def node(_state: Any) -> Any:
        await asyncio.sleep(0)
        return {"messages": [AIMessage(interrupt("name?"))]}

    assert run_agent(graph_of(node), "hi", answers={"value": "Ann"}).text == "Ann"


async def test_a_run_that_hangs_can_be_cancelled() -> None:
    hangs = Fault()
    graph = graph_of(speaking(["Once upon ", hangs, "a time"]))
    running = asyncio.create_task(arun_agent(graph, "hi"))
    await hangs.reached
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_runner_is_both_forms_in_one_and_keeps_the_runs() -> None:
    agent, runner = agents.build_approval(0), AgentRunner()
    options: dict[str, Any] = {"answers": {"*": approve()}, "max_turns": 2, "skip_tools": ["send_email"]}
    first = runner(agent, "Write to Ann", {"configurable": {"thread_id": "1"}}, **options)
    second = await runner.arun(agent, "Write to Ann", {"configurable": {"thread_id": "2"}}, **options)
    assert runner.runs == [first, second]
    assert [(run.outcome, run.calls(), len(run.turns)) for run in runner.runs] == [("complete", [], 2)] * 2
    assert [run.events[0].thread_id for run in runner.runs] == ["1", "2"]  # type: ignore[union-attr]


def test_further_keywords_go_to_the_stream() -> None:
    shown = run_agent(agents.build_assistant(0), "A day in Rome", skip_tools=["write_todos"], state=True)
    assert shown.calls("write_todos") == []
    assert "StateSnapshot" in {type(event).__name__ for event in shown.events}
    assert shown.problems == []


def test_a_run_says_calls_that_do_not_parse_as_none() -> None:
    assert run_agent(graph_of(speaking(tool_call("add", ['{"a": ']))), "hi").calls() == [None]
