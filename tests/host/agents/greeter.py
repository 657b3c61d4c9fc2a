"""One of everything a spec may name, and of much that it may not."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from greeter_words import greeting
from langgraph.graph import END, START, MessagesState, StateGraph

print("noise of an import")  # noqa: T201

runs = getattr(sys, "_greeter_runs", 0) + 1
sys._greeter_runs = runs  # type: ignore[attr-defined]


def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": greeting}]}


builder = StateGraph(MessagesState)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
shop = SimpleNamespace(support=graph)
name = "greeter"
nothing = None


def factory(hurry: bool = False) -> Any:
    print("noise of a factory")  # noqa: T201
    return builder.compile()


async def async_factory() -> Any:
    return builder.compile()


def with_config(config: dict[str, Any]) -> Any:
    assert config == {}
    return builder.compile()


class Held:
    """A class is a factory, too, and duck-typed graphs are graphs."""

    def stream(self, input: Any, config: Any = None) -> Any: ...

    def astream(self, input: Any, config: Any = None) -> Any: ...


def needs_more(model: str, *, prompt: str) -> Any: ...


def gives_nothing(*args: Any, **kwargs: Any) -> Any: ...


def gives_a_builder() -> Any:
    return builder


def fails() -> Any:
    raise ValueError("no key\nfor the model")


async def fails_async() -> Any:
    raise ValueError("no key")
