"""Knows which rule answers which question of a run, and nothing of how the run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from inspect import isawaitable, iscoroutine
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

from langwire.core._guards import is_mapping
from langwire.core.interrupts import BREAKPOINT, Decision, resume_map
from langwire.errors import InvalidDecision, UsageError
from langwire.events import Action, Interrupt

_NO_TOOLS = ("*", "value", BREAKPOINT)
"""The rules that are named after no tool."""


class Asked(NamedTuple):
    """What a rule has to answer: a question, or one of its actions. `name` is the rule's."""

    question: Interrupt
    about: Action | Interrupt
    name: str
    rule: Any

    def answer(self) -> Any:
        """Return what the rule says. Raises `UsageError` for a rule that has to be awaited."""
        __tracebackhide__ = True
        said = self._said()
        if said is not self.rule and isawaitable(said):
            if iscoroutine(said):
                said.close()  # else Python warns of it
            raise UsageError(
                f"the rule for {self.name!r} has to be awaited: give a plain function, or await agent_run.arun(…)"
            )
        return said

    async def aanswer(self) -> Any:
        """Return what the rule says, awaited where it has to be."""
        __tracebackhide__ = True
        said = self._said()
        return await said if said is not self.rule and isawaitable(said) else said

    def _said(self) -> Any:
        __tracebackhide__ = True
        return self.rule(self.about) if callable(self.rule) else self.rule


class Rules:
    """The `answers` of a run. Raises `UsageError` for what is no dict."""

    def __init__(self, answers: Any) -> None:
        __tracebackhide__ = True
        if answers is not None and not is_mapping(answers):
            raise UsageError(f'answers came as a {type(answers).__name__}: expected a dict, {{"send": approve()}}')
        self._rules = dict(answers or {})

    def asked(self, questions: Iterable[Interrupt]) -> list[Asked]:
        """Return what the rules have to answer, of the questions that have a rule for everything they ask."""
        return [
            Asked(question, about, name, self._rules[name])
            for question in questions
            if not self._without(question)
            for name, about in self._named(question)
        ]

    def hint(self, questions: Iterable[Interrupt]) -> str | None:
        """Say what has no rule; None where all has one, or no rule was given at all."""
        without = list(dict.fromkeys(name for question in questions for name in self._without(question)))
        if not (without and self._rules):
            return None
        return f"no rule for {_listed(without)}; rules given: {_listed(self._rules)}"

    def _named(self, question: Interrupt) -> Iterator[tuple[str, Action | Interrupt]]:
        """Yield the names of the rules that a question needs, each with what it is about."""
        for action in question.actions:
            yield (action.name if action.name in self._rules else "*"), action
        if not question.actions:
            yield question.kind, question

    def _without(self, question: Interrupt) -> list[str]:
        """The tools, or the kind of question, that have no rule."""
        return [
            about.name if isinstance(about, Action) else name
            for name, about in self._named(question)
            if name not in self._rules
        ]


def resume_values(questions: Sequence[Interrupt], answers: Iterable[tuple[Asked, Any]]) -> dict[str, Any] | None:
    """Return what resumes the questions that were answered, by id; `None` goes on from a breakpoint, `{}` nowhere.

    Raises `InvalidDecision` for an answer that does not fit.
    """
    __tracebackhide__ = True
    said: dict[str, Any] = {}
    for asked, answer in answers:
        question = asked.question
        if question.actions:
            said.setdefault(question.id, []).append(answer)
        elif answer or question.kind != BREAKPOINT:
            said[question.id] = answer
    if not said or BREAKPOINT in said:
        return None if said else {}
    try:
        return resume_map(questions, said)
    except InvalidDecision as error:
        raise error.with_traceback(None) from None  # the message says it all: no frames between it and the test


def refuse_answers(config: Any) -> None:
    """Raise `UsageError` where the answers came in place of the config."""
    __tracebackhide__ = True
    if not is_mapping(config):
        return
    own = {name: value for name, value in config.items() if name not in RunnableConfig.__annotations__}
    for name, value in own.items():
        if name in _NO_TOOLS or isinstance(value, Decision) or callable(value):
            raise UsageError(f"config came with an answer for {name!r}: name it, answers={{{name!r}: …}}")


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(repr, names))
