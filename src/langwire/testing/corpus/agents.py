"""Cases of agents that LangChain and deepagents build; each needs the library it comes from."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from langgraph.types import Interrupt
from pydantic import BaseModel

from langwire.testing.corpus._case import Graph, Saver, case
from langwire.testing.corpus._parts import add, get_weather, script
from langwire.testing.model import ScriptedModel, text, tool_call, tool_calls

CREATE_AGENT = "langchain.agents:create_agent"
BATCHED = "langchain.agents.middleware:HumanInTheLoopMiddleware"
PER_CALL = "langchain.agents.middleware.human_in_the_loop:ToolApprovalRequest"
DEEP = "deepagents:create_deep_agent"

ONCE = ("interrupted", "complete")


def _imported(spec: str) -> Any:
    """Import lazily, and untyped: these libraries are not dependencies of langwire."""
    module, _, attribute = spec.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _agent(saver: Saver, model: ScriptedModel, *tools: Any, **options: Any) -> Graph:
    return _imported(CREATE_AGENT)(model, tools=list(tools), checkpointer=saver, **options)


def _weather_model() -> ScriptedModel:
    return script(tool_call("get_weather", ['{"city": ', '"Paris"}']), text("It is ", "sunny."))


# ------------------------------------------------------------------ create_agent


@case(needs=CREATE_AGENT)
def create_agent_basic(saver: Saver) -> Graph:
    """An agent without a name and one tool."""
    return _agent(saver, _weather_model(), get_weather)


@case(needs=CREATE_AGENT)
def create_agent_named(saver: Saver) -> Graph:
    """An agent with a name, which its messages and metadata carry."""
    return _agent(saver, _weather_model(), get_weather, name="weather_agent")


@case(needs=CREATE_AGENT)
def create_agent_middleware(saver: Saver) -> Graph:
    """Middleware around the model, each hook a node of its own that returns nothing."""
    middleware: Any = importlib.import_module("langchain.agents.middleware")

    @middleware.before_model
    def look(state: Any, runtime: Any) -> None: ...

    @middleware.after_model
    def check(state: Any, runtime: Any) -> None: ...

    return _agent(saver, _weather_model(), get_weather, middleware=[look, check])


@case(needs="langchain.agents.middleware:TodoListMiddleware")
def create_agent_todos(saver: Saver) -> Graph:
    """An agent that keeps a list of things to do."""
    todos = [{"content": "look", "status": "in_progress"}, {"content": "tell", "status": "pending"}]
    model = script(tool_call("write_todos", {"todos": todos}, id="call_w"), text("plan", "ned"))
    return _agent(saver, model, middleware=[_imported("langchain.agents.middleware:TodoListMiddleware")()])


@case(needs="langchain.agents.middleware:SummarizationMiddleware")
def create_agent_summary(saver: Saver) -> Graph:
    """An agent that sums up its history when it grows: a summary streams, then all messages are replaced."""
    summing = _imported("langchain.agents.middleware:SummarizationMiddleware")(
        script(text("the ", "gist")), trigger=("messages", 3), keep=("messages", 1)
    )
    return _agent(saver, _weather_model(), get_weather, middleware=[summing])


class Weather(BaseModel):
    """A structured answer."""

    city: str
    celsius: int


@case(needs="langchain.agents.structured_output:ToolStrategy")
def structured_response(saver: Saver) -> Graph:
    """An agent that answers with an object, by way of a tool call that no tool runs."""
    strategy = _imported("langchain.agents.structured_output:ToolStrategy")
    model = script(tool_call("Weather", {"city": "Rome", "celsius": 30}, id="call_s"))
    return _agent(saver, model, response_format=strategy(Weather))


# ------------------------------------------------------------------ human in the loop

TWO_CALLS = tool_calls(
    tool_call("get_weather", {"city": "Rome"}, id="call_a"), tool_call("add", {"a": 1, "b": 2}, id="call_b")
)
MILAN = {"type": "edit", "edited_action": {"name": "get_weather", "args": {"city": "Milan"}}}


def _guarded(saver: Saver, *allowed: str, **options: Any) -> Graph:
    """An agent with two calls in one message that a person must allow."""
    rules: dict[str, Any] = {name: {"allowed_decisions": list(allowed)} for name in ("get_weather", "add")}
    guard = _imported(BATCHED)(interrupt_on=rules, **options)
    return _agent(saver, script(TWO_CALLS, text("do", "ne")), get_weather, add, middleware=[guard])


def _decide(*decisions: dict[str, Any]) -> Callable[[Sequence[Interrupt]], Any]:
    """Answer a batch, one decision a call."""
    return lambda _interrupts: {"decisions": list(decisions)}


def _each(weather: dict[str, Any], sum: dict[str, Any]) -> Callable[[Sequence[Interrupt]], Any]:
    """Answer each call by the id of its interrupt."""
    return lambda interrupts: {
        question.id: weather if question.value["name"] == "get_weather" else sum for question in interrupts
    }


APPROVE = {"type": "approve"}
REJECT = {"type": "reject", "message": "no sums today"}
RESPOND = {"type": "respond", "message": "it is three"}


@case(ends=ONCE, resume=_decide(APPROVE, APPROVE), pauses=True, needs=BATCHED)
def hitl_approve(saver: Saver) -> Graph:
    """One question for two calls, both approved."""
    return _guarded(saver, "approve", "edit", "reject")


@case(ends=ONCE, resume=_decide(MILAN, REJECT), pauses=True, needs=BATCHED)
def hitl_edit_and_reject(saver: Saver) -> Graph:
    """One question for two calls, the first edited, the second rejected."""
    return _guarded(saver, "approve", "edit", "reject")


@case(ends=ONCE, resume=_decide(APPROVE, RESPOND), pauses=True, needs=PER_CALL)
def hitl_respond(saver: Saver) -> Graph:
    """One question for two calls, the second answered by the person in the tool's place."""
    return _guarded(saver, "approve", "respond")


@case(ends=ONCE, resume=_each(APPROVE, APPROVE), pauses=True, needs=PER_CALL)
def hitl_per_call(saver: Saver) -> Graph:
    """A question for each call, with a schema of its answer, both approved."""
    return _guarded(saver, "approve", "edit", "reject", "respond", interrupt_mode="per_call")


@case(ends=ONCE, resume=_each(MILAN, RESPOND), pauses=True, needs=PER_CALL)
def hitl_per_call_edit_and_respond(saver: Saver) -> Graph:
    """A question for each call, one edited, one answered by the person."""
    return _guarded(saver, "approve", "edit", "reject", "respond", interrupt_mode="per_call")


@case(ends=ONCE, resume=_each(APPROVE, REJECT), pauses=True, needs=PER_CALL)
def hitl_per_call_reject(saver: Saver) -> Graph:
    """A question for each call, one approved, one rejected."""
    return _guarded(saver, "approve", "edit", "reject", "respond", interrupt_mode="per_call")


# ------------------------------------------------------------------ deepagents


@case(needs=DEEP)
def deepagents_subagents(saver: Saver) -> Graph:
    """Two subagents of the same type in parallel; both use the same call id inside."""
    researcher = {
        "name": "researcher",
        "description": "finds the weather",
        "system_prompt": "You research.",
        "tools": [get_weather],
        "model": script(tool_call("get_weather", {"city": "Bern"}, id="call_sub"), text("Bern ", "is sunny")),
    }
    tasks = tool_calls(
        tool_call("task", {"description": "weather in Bern", "subagent_type": "researcher"}, id="call_t1"),
        tool_call("task", {"description": "weather again", "subagent_type": "researcher"}, id="call_t2"),
    )
    main = script(tasks, text("All ", "done"))
    return _imported(DEEP)(model=main, tools=[get_weather], checkpointer=saver, subagents=[researcher])


@case(needs=DEEP)
def deepagents_todos(saver: Saver) -> Graph:
    """A deep agent that plans and writes a file into its state."""
    plan = tool_call("write_todos", {"todos": [{"content": "write", "status": "in_progress"}]}, id="call_w")
    write = tool_call("write_file", {"file_path": "/a.txt", "content": "hi"}, id="call_f")
    return _imported(DEEP)(model=script(plan, write, text("fi", "nished")), checkpointer=saver)
