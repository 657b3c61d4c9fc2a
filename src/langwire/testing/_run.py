"""Knows how a test runs an agent to its end, turn after turn, with its questions answered by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from copy import copy
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel
from langgraph.types import Command

from langwire.core._guards import is_mapping
from langwire.core._states import open_calls_of
from langwire.core.interrupts import BREAKPOINT
from langwire.core.transcript import Result, Transcript
from langwire.errors import UsageError
from langwire.events import Action, Event, Interrupt, OpenCall, Outcome, TokenUsage, TurnEnd, TurnStart
from langwire.sessions.graph import Graph, astream, resume_command, stream
from langwire.testing._check import problem_lines

_SHOWN = 80


class AgentRun:
    """What an agent did in one or more turns of a thread.

    `turns` holds the events of each turn, `transcript` is all of them folded. `error` is what the graph raised, the
    exception itself, or None. `open_calls` are the calls that were open before the first turn; None means that
    nobody knows. A run can be made of any turns, recorded ones as well.
    """

    def __init__(
        self,
        turns: Sequence[Sequence[Event]],
        *,
        error: Exception | None = None,
        open_calls: Sequence[OpenCall] | None = None,
    ) -> None:
        self.turns = [list(turn) for turn in turns]
        self.error = error
        self._open_calls = open_calls

    @cached_property
    def transcript(self) -> Transcript:
        transcript = Transcript.of(self.events)
        transcript.exception = self.error
        return transcript

    @property
    def events(self) -> list[Event]:
        """The events of all turns."""
        return [event for turn in self.turns for event in turn]

    @property
    def outcome(self) -> Outcome | None:
        """How the last turn ended; `error` also where the graph failed before the turn began."""
        return "error" if self.error is not None else self.transcript.outcome

    @property
    def text(self) -> str:
        """The assistant's answer in the last turn."""
        return self.transcript.text

    @property
    def usage(self) -> TokenUsage:
        """Tokens of all turns."""
        return self.transcript.usage

    @property
    def questions(self) -> list[Interrupt]:
        """The questions as they were told; one that stays open is told again in the next turn."""
        return [event for event in self.events if isinstance(event, Interrupt)]

    @property
    def problems(self) -> list[str]:
        """Where the turns break the grammar, a line for each place; empty when they are good."""
        lines: list[str] = []
        open_calls = self._open_calls
        for number, turn in enumerate(self.turns, 1):
            lines += [f"turn {number}, {line}" for line in problem_lines(turn, open_calls)]
            end = turn[-1] if turn else None
            open_calls = end.open_calls if isinstance(end, TurnEnd) else None
        return lines

    def calls(self, name: str | None = None) -> list[Any]:
        """Return the arguments of the calls of a tool, or of all calls, in order, as the model wrote them.

        Arguments that do not parse are None; `transcript.calls` has all there is to know.
        """
        return [call.args for call in self.transcript.calls if name in (None, call.name)]

    def results(self, name: str | None = None) -> list[Result]:
        """Return the results of a tool, or of all tools, in the order of their calls."""
        calls = [call for call in self.transcript.calls if name in (None, call.name)]
        return [call.result for call in calls if call.result is not None]

    def __repr__(self) -> str:
        said = [str(self.outcome) if self.error is None else _cut(f"error {self.error!r}")]
        said += [f"{len(self.turns)} turn" if len(self.turns) == 1 else f"{len(self.turns)} turns"]
        calls = ", ".join(call.name for call in self.transcript.calls)
        said += [f"called {_cut(calls)}"] if calls else []
        asked = ", ".join(map(_named, self.transcript.interrupts))
        said += [f"asks {_cut(asked)}"] if asked else []
        problems = self.problems
        said += [f"{len(problems)} broken: {_cut(problems[0])}"] if problems else []
        said += [_cut(repr(self.text))] if self.text else []
        return f"<AgentRun {'; '.join(said)}>"


def run_agent(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    answers: Mapping[str, Any] | None = None,
    max_turns: int = 10,
    **kwargs: Any,
) -> AgentRun:
    """Run an agent until it has no question left that a rule answers, and return what it did.

    `answers` says by rule what a person would answer:

    - the name of a tool stands for each action on that tool, `"*"` for any other tool: a decision (`approve()`, …);
    - `"value"` stands for a question about no tool, `interrupt(value)`: the answer, whatever it is;
    - `"breakpoint"` stands for a static breakpoint: anything true goes on.

    A function in place of an answer is given what is asked, the `Action` for a tool, else the `Interrupt`, and
    returns the answer. A question that no rule fits stays open; when no open one has a rule, or after `max_turns`
    turns, the run stops as `interrupted`.

    The run has a thread of its own unless `config` or the graph names one. A graph without a checkpointer is run as
    a copy with one in memory, so that it can be answered. What the graph raises is not raised but kept: see
    `AgentRun.error`. `input`, `config` and further keywords are those of `langwire.stream`. Raises `UsageError`,
    `InvalidInput`, `UnsupportedGraph` or `InvalidDecision` for what is called, or answered, wrongly.
    """
    thread = _Thread(graph, input, config, answers, max_turns)
    for given, events in thread.turns():
        with closing(cast("Any", stream(thread.graph, given, thread.config, **kwargs))) as told:
            try:
                for event in told:
                    events.append(event)
            except Exception as error:  # the graph's own: what is called wrongly is raised by `stream` itself
                thread.error = error
    return thread.run()


async def arun_agent(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    answers: Mapping[str, Any] | None = None,
    max_turns: int = 10,
    **kwargs: Any,
) -> AgentRun:
    """Run an agent until it has no question left that a rule answers: `run_agent`, async.

    When the caller is cancelled, the run is stopped and the cancel passes through.
    """
    thread = _Thread(graph, input, config, answers, max_turns)
    for given, events in thread.turns():
        async with aclosing(cast("Any", astream(thread.graph, given, thread.config, **kwargs))) as told:
            try:
                async for event in told:
                    events.append(event)
            except Exception as error:
                thread.error = error
    return thread.run()


class AgentRunner:
    """What the fixture `agent_run` gives a test: call it as `run_agent`, or await its `arun` as `arun_agent`.

    `runs` keeps what they returned; a test that fails shows it.
    """

    def __init__(self) -> None:
        self.runs: list[AgentRun] = []

    def __call__(
        self,
        graph: Graph,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        answers: Mapping[str, Any] | None = None,
        max_turns: int = 10,
        **kwargs: Any,
    ) -> AgentRun:
        self.runs.append(run_agent(graph, input, config, answers=answers, max_turns=max_turns, **kwargs))
        return self.runs[-1]

    async def arun(
        self,
        graph: Graph,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        answers: Mapping[str, Any] | None = None,
        max_turns: int = 10,
        **kwargs: Any,
    ) -> AgentRun:
        """Run an agent until it has no question left that a rule answers, async."""
        run = await arun_agent(graph, input, config, answers=answers, max_turns=max_turns, **kwargs)
        self.runs.append(run)
        return run


def _named(question: Interrupt) -> str:
    return " and ".join(action.name for action in question.actions) or question.kind


def _cut(said: str) -> str:
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


# ------------------------------------------------------------------ turn after turn


class _Thread:
    """The thread of a run: its graph and config, and what has come of its turns."""

    def __init__(
        self,
        graph: Any,
        input: Any,
        config: Mapping[str, Any] | None,
        answers: Mapping[str, Any] | None,
        max_turns: int,
    ) -> None:
        if answers is not None and not is_mapping(answers):
            raise UsageError(f'answers came as a {type(answers).__name__}: expected a dict, {{"send": approve()}}')
        if max_turns < 1:
            raise UsageError(f"max_turns came as {max_turns}: expected 1 or more")
        self.graph = _keeping(graph)
        self.config = _on_a_thread(self.graph, config)
        self.error: Exception | None = None
        self._told: list[list[Event]] = []
        self._input, self._answers, self._max_turns = input, answers or {}, max_turns
        self._is_new = self.config is not config and not isinstance(input, Command)

    def turns(self) -> Iterator[tuple[Any, list[Event]]]:
        """Yield the input of each turn, and the list that takes its events, until nothing is left to answer."""
        given = self._input
        for _ in range(self._max_turns):
            events: list[Event] = []
            yield given, events
            self._told += [events] if events else []  # none where the graph failed before the turn began
            questions = Transcript.of(events).interrupts if self.error is None else ()
            replies = {question.id: reply for question in questions for reply in _replies(question, self._answers)}
            if not replies:
                return
            given = None if BREAKPOINT in replies else resume_command(questions, replies)

    def run(self) -> AgentRun:
        """Return what came of the turns."""
        start = self._told[0][0] if self._told else None
        given = start.input if isinstance(start, TurnStart) else None
        # An input may hold open calls of its own; those that are not shown are not among the events' either.
        knows = self._is_new and not any(open_calls_of((), given))
        return AgentRun(self._told, error=self.error, open_calls=() if knows else None)


def _replies(question: Interrupt, answers: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the answer to a question, or nothing where no rule fits."""
    if question.actions:
        names = [action.name if action.name in answers else "*" for action in question.actions]
        if answers.keys() >= set(names):
            yield [_applied(answers[name], action) for name, action in zip(names, question.actions, strict=True)]
    elif question.kind in answers:
        reply = _applied(answers[question.kind], question)
        if reply or question.kind != BREAKPOINT:
            yield reply


def _applied(rule: Any, asked: Action | Interrupt) -> Any:
    return rule(asked) if callable(rule) else rule


# ------------------------------------------------------------------ a thread of its own


def _is_local(graph: Any) -> bool:
    return isinstance(graph, Pregel)


def _keeping(graph: Any) -> Any:
    """Return the graph, or a copy of a local one that keeps no threads, with a checkpointer in memory."""
    if not _is_local(graph) or graph.checkpointer:
        return graph
    copied = copy(graph)  # `Pregel.copy` leaves out what the compiler adds after the constructor
    copied.checkpointer = InMemorySaver()
    return copied


def _on_a_thread(graph: Any, config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the config as it is where a thread is named, or is not ours to name; else with the id of a new one."""
    if not _is_local(graph) or not is_mapping({} if config is None else config):
        return config
    given: dict[str, Any] = {**(config or {})}
    own: Mapping[str, Any] = graph.config or {}
    configurable: dict[str, Any] = {**(own.get("configurable") or {}), **(given.get("configurable") or {})}
    if configurable.get("thread_id"):
        return config
    return {**given, "configurable": {**configurable, "thread_id": str(uuid4())}}
