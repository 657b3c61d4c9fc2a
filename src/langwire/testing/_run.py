"""Knows how a test runs an agent to its end, turn after turn, with its questions answered by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, cast
from uuid import uuid4

from langgraph.pregel import Pregel
from langgraph.types import Command

from langwire.core._guards import is_mapping, shown
from langwire.core._states import open_calls_of
from langwire.core.transcript import Result, Transcript
from langwire.errors import UsageError
from langwire.events import Event, Interrupt, OpenCall, Outcome, TokenUsage, TurnEnd, TurnStart
from langwire.sessions.graph import Graph, astream, keeping_threads, stream
from langwire.testing._check import problem_lines
from langwire.testing._rules import Asked, Rules, refuse_answers, resume_values

_SHOWN = 80


class AgentRun:
    """What an agent did in one or more turns of a thread.

    `turns` holds the events of each turn, `transcript` is all of them folded. `error` is what the graph raised, the
    exception itself, or None. `stopped` says why it did not go on although it asks and rules were given, or is None.
    `open_calls` are the calls that were open before the first turn; None means that nobody knows. A run can be made
    of any turns, recorded ones as well.
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
        self.stopped: str | None = None
        self.open_calls = open_calls

    @property
    def transcript(self) -> Transcript:
        """All turns as messages and calls, folded anew: a run that is under way grows."""
        return Transcript.of(self.events)

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
        open_calls = self.open_calls
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
        said = [str(self.outcome) if self.error is None else _cut(f"error {shown(self.error)}")]
        said += [f"{len(self.turns)} turn" if len(self.turns) == 1 else f"{len(self.turns)} turns"]
        calls = ", ".join(call.name for call in self.transcript.calls)
        said += [f"called {_cut(calls)}"] if calls else []
        asked = ", ".join(map(_named, self.transcript.interrupts))
        said += [f"asks {_cut(asked)}"] if asked else []
        said += [self.stopped] if self.stopped else []
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
    raise_errors: bool = True,
    **kwargs: Any,
) -> AgentRun:
    """Run an agent until it has no question left that a rule answers, and return what it did.

    `answers` says by rule what a person would answer:

    - the name of a tool stands for each action on that tool, `"*"` for any other tool: a decision (`approve()`, …);
    - `"value"` stands for a question about no tool, `interrupt(value)`: the answer, whatever it is;
    - `"breakpoint"` stands for a static breakpoint: anything true goes on.

    A function in place of an answer is given what is asked, the `Action` for a tool, else the `Interrupt`, and
    returns the answer. A question that no rule fits stays open; when no open one has a rule, or after `max_turns`
    turns, the run stops as `interrupted`, and `AgentRun.stopped` says why.

    The run has a thread of its own unless `config` or the graph names one. A graph without a checkpointer is run as
    a copy with one in memory, so that it can be answered. `input`, `config` and further keywords are those of
    `langwire.stream`.

    What the graph raises is raised as itself; with `raise_errors=False` it is kept in `AgentRun.error`, and the
    outcome is `error`. Raises `UsageError`, `InvalidInput`, `UnsupportedGraph` or `InvalidDecision` for what is
    called, or answered, wrongly.
    """
    __tracebackhide__ = True
    return AgentRunner()(
        graph, input, config, answers=answers, max_turns=max_turns, raise_errors=raise_errors, **kwargs
    )


async def arun_agent(
    graph: Graph,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    answers: Mapping[str, Any] | None = None,
    max_turns: int = 10,
    raise_errors: bool = True,
    **kwargs: Any,
) -> AgentRun:
    """Run an agent until it has no question left that a rule answers: `run_agent`, async.

    A rule may be async as well. When the caller is cancelled, the run is stopped and the cancel passes through.
    """
    __tracebackhide__ = True
    return await AgentRunner().arun(
        graph, input, config, answers=answers, max_turns=max_turns, raise_errors=raise_errors, **kwargs
    )


class AgentRunner:
    """What the fixture `agent_run` gives a test: call it as `run_agent`, or await its `arun` as `arun_agent`.

    `runs` keeps the runs, from their start on and however they end; a test that fails shows them.
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
        raise_errors: bool = True,
        **kwargs: Any,
    ) -> AgentRun:
        __tracebackhide__ = True
        thread = _Thread(graph, input, config, answers, max_turns)
        self.runs.append(thread.run)
        goes_on = True
        while goes_on:
            with closing(cast("Any", stream(thread.graph, thread.input, thread.config, **kwargs))) as told:
                try:
                    for event in told:
                        thread.tell(event)
                except Exception as error:  # the graph's own: what is called wrongly is raised by `stream` itself
                    thread.run.error = error
                    if raise_errors:
                        raise
            for asked in thread.asked():
                thread.take(asked, asked.answer())
            goes_on = thread.goes_on()
        return thread.run

    async def arun(
        self,
        graph: Graph,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        answers: Mapping[str, Any] | None = None,
        max_turns: int = 10,
        raise_errors: bool = True,
        **kwargs: Any,
    ) -> AgentRun:
        """Run an agent until it has no question left that a rule answers, async."""
        __tracebackhide__ = True
        thread = _Thread(graph, input, config, answers, max_turns)
        self.runs.append(thread.run)
        goes_on = True
        while goes_on:
            async with aclosing(cast("Any", astream(thread.graph, thread.input, thread.config, **kwargs))) as told:
                try:
                    async for event in told:
                        thread.tell(event)
                except Exception as error:
                    thread.run.error = error
                    if raise_errors:
                        raise
            for asked in thread.asked():
                thread.take(asked, await asked.aanswer())
            goes_on = thread.goes_on()
        return thread.run


def _named(question: Interrupt) -> str:
    return " and ".join(action.name for action in question.actions) or question.kind


def _cut(said: str) -> str:
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


# ------------------------------------------------------------------ turn after turn


class _Thread:
    """The thread of a run: its graph and config, the input of its next turn, and what has come of those before."""

    def __init__(
        self,
        graph: Any,
        input: Any,
        config: Mapping[str, Any] | None,
        answers: Mapping[str, Any] | None,
        max_turns: Any,
    ) -> None:
        __tracebackhide__ = True
        refuse_answers(config)
        if type(max_turns) is not int or max_turns < 1:
            raise UsageError(f"max_turns came as {max_turns!r}: expected a number, 1 or more")
        self.run = AgentRun([])
        self.graph = keeping_threads(graph)
        self.config = _on_a_thread(self.graph, config)
        self.input = input
        self._rules, self._max_turns = Rules(answers), max_turns
        self._answers: list[tuple[Asked, Any]] = []
        self._is_new = self.config is not config and not isinstance(input, Command)

    def tell(self, event: Event) -> None:
        """Take an event of the run."""
        turns = self.run.turns
        if isinstance(event, TurnStart):
            # An input may hold open calls of its own; those that are not shown are not among the events' either.
            if not turns and self._is_new and not any(open_calls_of((), event.input)):
                self.run.open_calls = ()
            turns.append([])
        turns[-1].append(event)

    def asked(self) -> list[Asked]:
        """Return what the rules have to answer now that a turn has ended."""
        return self._rules.asked(self._questions())

    def take(self, asked: Asked, answer: Any) -> None:
        """Take what a rule answered."""
        self._answers.append((asked, answer))

    def goes_on(self) -> bool:
        """Return whether the answers lead to another turn, whose input is then in place."""
        __tracebackhide__ = True
        questions = self._questions()
        values = resume_values(questions, self._answers)
        self._answers.clear()
        if values == {}:
            self.run.stopped = self._rules.hint(questions)
            return False
        if len(self.run.turns) >= self._max_turns:
            self.run.stopped = f"stopped after max_turns={self._max_turns}"
            return False
        self.input = None if values is None else Command(resume=values)
        return True

    def _questions(self) -> Sequence[Interrupt]:
        failed = self.run.error is not None or not self.run.turns
        return () if failed else Transcript.of(self.run.turns[-1]).interrupts


# ------------------------------------------------------------------ a thread of its own


def _is_local(graph: Any) -> bool:
    return isinstance(graph, Pregel)


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
