"""The figures of turns: each turn is counted once, with how it ended, and nothing names a thread or a person."""

from __future__ import annotations

import importlib
import sys
from itertools import count
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from langwire import SessionAdapter, limit_turns, measure_turns
from langwire.errors import MissingExtra, TooManyTurns
from langwire.sessions import otel_metrics
from langwire.sessions.otel_metrics import DURATIONS, FIRST_TOKENS
from langwire.testing import Fault, ScriptedModel, text, usage


class Figures:
    """What a meter was told, by name and attributes."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader])
        self.meter = self._provider.get_meter("tests")

    def points(self) -> dict[str, dict[str, Any]]:
        data: Any = self._reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {
            metric.name: {_words(point): point for point in metric.data.data_points}
            for scope in scopes
            for metric in scope.metrics
        }

    def values(self, name: str) -> dict[str, float]:
        return {words: point.value for words, point in self.points().get(name, {}).items()}

    def counts(self, name: str) -> dict[str, int]:
        return {words: point.count for words, point in self.points().get(name, {}).items()}


def _words(point: Any) -> str:
    return " ".join(value for _, value in sorted(point.attributes.items()))


def chat(hold: Fault | None = None, *, asks: bool = False) -> Any:
    """A graph whose model says two words for 7+3 tokens; it meets a fault, and asks, before that."""
    model = ScriptedModel(script=[text("Hello ", "you", usage=usage(7, 3))])
    fault = hold or Fault(at=10**6)

    async def answer(state: MessagesState) -> dict[str, Any]:
        await fault.ameet()
        if asks:
            interrupt("may I?")
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile(InMemorySaver())


async def test_a_turn_is_counted_with_its_outcome_its_times_and_its_tokens() -> None:
    figures = Figures()
    async with SessionAdapter(chat(), middleware=[measure_turns(figures.meter)]) as sessions:
        for thread in ("a", "b"):
            await (await sessions.get(thread).submit("Hi", principal=f"somebody {thread}")).ended()
    assert figures.values("langwire.turns") == {"message complete": 2}
    assert figures.values("langwire.turns.active") == {"": 0}
    assert figures.values("langwire.turn.tokens") == {"input": 14, "output": 6}
    assert figures.counts("langwire.turn.duration") == {"message complete": 2}
    assert figures.counts("langwire.turn.first_token") == {"message": 2}
    points = figures.points()
    first, whole = points["langwire.turn.first_token"]["message"], points["langwire.turn.duration"]["message complete"]
    assert 0 < first.min <= whole.max
    assert (first.explicit_bounds, whole.explicit_bounds) == (FIRST_TOKENS, DURATIONS)


async def test_the_first_token_is_the_first_and_waiting_is_no_part_of_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, clock = Figures(), count()
    monkeypatch.setattr(otel_metrics, "monotonic", lambda: next(clock))  # looked at thrice: begin, first token, end
    async with SessionAdapter(chat(), middleware=[measure_turns(figures.meter)]) as sessions:
        await (await sessions.get("t").submit("Hi")).ended()
    points = figures.points()
    assert points["langwire.turn.first_token"]["message"].sum == 1
    assert points["langwire.turn.duration"]["message complete"].sum == 2


async def test_nothing_by_which_turns_are_told_apart_grows_with_threads_or_people() -> None:
    figures = Figures()
    async with SessionAdapter(chat(), middleware=[measure_turns(figures.meter)]) as sessions:
        turn = await sessions.get("thread-7").submit("Hi", principal="ann", turn_id="turn-7")
        await turn.ended()
    words = {
        str(value)
        for points in figures.points().values()
        for point in points.values()
        for value in point.attributes.values()
    }
    assert words == {"message", "complete", "input", "output"}


async def test_a_turn_that_runs_is_active() -> None:
    figures, hold = Figures(), Fault()
    async with SessionAdapter(chat(hold), middleware=[measure_turns(figures.meter)], when_busy="enqueue") as sessions:
        session = sessions.get("t")
        running, waiting = await session.submit("one"), await session.submit("two")
        await hold.reached
        assert figures.values("langwire.turns.active") == {"": 1}
        assert figures.values("langwire.turns") == {}
        await running.cancel()
        await waiting.ended()
        assert figures.values("langwire.turns.active") == {"": 0}
    assert figures.values("langwire.turns") == {"message cancelled": 1, "message complete": 1}
    assert figures.counts("langwire.turn.first_token") == {"message": 1}


async def test_a_refused_turn_is_counted_but_ran_for_no_time() -> None:
    figures, hold = Figures(), Fault()
    around = [measure_turns(figures.meter), limit_turns(1)]
    async with SessionAdapter(chat(hold), middleware=around) as sessions:
        await sessions.get("a").submit("one")
        await hold.reached
        with pytest.raises(TooManyTurns):
            await sessions.get("b").submit("two")
        assert figures.values("langwire.turns") == {"message refused": 1}
        assert figures.values("langwire.turns.active") == {"": 1}
        assert figures.counts("langwire.turn.duration") == {}


async def test_a_question_and_its_answer_are_two_turns() -> None:
    figures = Figures()
    async with SessionAdapter(chat(asks=True), middleware=[measure_turns(figures.meter)]) as sessions:
        session = sessions.get("t")
        asked = await session.submit("Hi")
        await asked.ended()
        await (await session.resume({asked.interrupts[0].id: "yes"})).ended()
    assert figures.values("langwire.turns") == {"message interrupted": 1, "resume complete": 1}
    assert figures.counts("langwire.turn.first_token") == {"resume": 1}


async def test_a_turn_that_fails_is_an_error() -> None:
    figures = Figures()
    graph = chat(Fault(error=ConnectionError("hunter2")))
    async with SessionAdapter(graph, middleware=[measure_turns(figures.meter)]) as sessions:
        await (await sessions.get("t").submit("Hi")).ended()
    assert figures.values("langwire.turns") == {"message error": 1}
    assert figures.values("langwire.turn.tokens") == {}


async def test_without_a_meter_the_global_one_is_asked_and_none_is_no_hindrance() -> None:
    async with SessionAdapter(chat(), middleware=[measure_turns()]) as sessions:
        assert (await (await sessions.get("t").submit("Hi")).wait()).outcome == "complete"


def test_without_the_extra_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    monkeypatch.delitem(sys.modules, "langwire.sessions.otel_metrics")
    with pytest.raises(MissingExtra) as missing:
        importlib.import_module("langwire.sessions.otel_metrics")
    assert str(missing.value) == 'measuring needs an extra: pip install "langwire[otel]"'
