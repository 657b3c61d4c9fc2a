"""How the demo agents are built: small graphs, scripted models, friendly answers.

They need LangGraph alone, no key and no network. What they say follows from the conversation, so they work over
several turns; only `approval`, `concierge` and `delegating`, which pause, need a thread id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel
from langgraph.types import Command, Send, interrupt

from langwire.adapters.agui.frontend_tools import awrap_client_call, wrap_client_call
from langwire.tasks.tools import TASK_TOOLS
from langwire.testing.model import ScriptedModel, reasoning, text, tool_call, tool_calls, usage

Graph: TypeAlias = Pregel[Any, Any, Any, Any]
Prompt: TypeAlias = list[BaseMessage]
Pieces: TypeAlias = Sequence[AIMessageChunk | str | Exception]

DELAY = 0.015
"""Pause between two pieces of an answer, in seconds: short, but long enough to watch them come."""

WEATHER = {
    "Lisbon": "sunny, 24 °C",
    "London": "light rain, 14 °C",
    "Oslo": "crisp and clear, 8 °C",
    "Paris": "a few clouds, 18 °C",
    "Rome": "sunny, 27 °C",
    "Tokyo": "warm and humid, 26 °C",
}


def build_assistant(delay: float = DELAY) -> Graph:
    """Build an agent that plans a day in a city.

    It thinks, keeps a list of things to do, calls two tools in parallel (one of them tells its progress), meets a
    tool that fails, and answers in Markdown with a citation and usage. `delay` is the pause between pieces, in seconds.
    """
    tools = [write_todos, get_weather, find_trains, book_table]
    return _agent("assistant", _model(_plan_a_day, delay), tools, state=PlannedState)


def build_approval(delay: float = DELAY) -> Graph:
    """Build an agent that asks before it sends an email, and accepts approve, edit, reject and respond.

    It keeps its threads in memory; `delay` is the pause between pieces, in seconds.
    """
    return _agent("approval", _model(_write_an_email, delay), [send_email], checkpointer=InMemorySaver())


def build_concierge(delay: float = DELAY) -> Graph:
    """Build an agent for a page: it thinks, tells the weather, and asks before it sends an email.

    To paint the page it calls `set_color`, a tool that the page has to bring. It keeps its threads in memory; `delay`
    is the pause between pieces, in seconds.
    """
    return _agent("concierge", _model(_serve, delay), [get_weather, send_email], checkpointer=InMemorySaver())


def build_team(delay: float = DELAY) -> Graph:
    """Build a lead that sends out two researchers at once; each works in a lane of its own.

    `delay` is the pause between pieces, in seconds.
    """
    researcher = _agent("researcher", _model(_look_up, delay), [search_notes])
    return _agent("team", _model(_delegate, delay), [_research_tool(researcher)])


def build_failing(delay: float = DELAY) -> Graph:
    """Build an agent whose model breaks off in the middle of a sentence and raises `ConnectionError`.

    `delay` is the pause between pieces, in seconds.
    """
    return _agent("failing", _model(_break_off, delay), [])


def build_delegating(delay: float = DELAY) -> Graph:
    """Build an agent that plans a weekend by delegating to itself: the weather, the train, and a letter, which asks.

    In a task it waits for the copies and sums up; in a conversation that has a runner it says that they are at work,
    and tells how they stand when it is asked again; without a runner it does all three itself. It keeps its threads in
    memory; `delay` is the pause between pieces, in seconds.
    """
    tools = [get_weather, find_trains, send_email, *TASK_TOOLS]
    return _agent("delegating", _model(_share_out, delay), tools, checkpointer=InMemorySaver())


# ------------------------------------------------------------------ the graph


class PlannedState(MessagesState):
    """Messages and a list of things to do."""

    todos: list[dict[str, str]]


def _model(answer: Callable[[Prompt], Pieces], delay: float) -> ScriptedModel:
    return ScriptedModel(script=[answer], delay=delay)


def _agent(
    name: str, model: ScriptedModel, tools: Sequence[BaseTool], *, state: Any = MessagesState, checkpointer: Any = None
) -> Graph:
    """Compile the loop of model and tools; each call is a task of its own, which gives delegated work its own lane.

    A call of a tool that the client brought waits for the client.
    """

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def think_async(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def route(state: Any) -> Any:
        return [Send("tools", [call]) for call in cast(AIMessage, state["messages"][-1]).tool_calls] or END

    graph: Any = StateGraph(state)
    graph.add_node("model", RunnableLambda(think, think_async))
    runner = ToolNode(
        tools, handle_tool_errors=_explain, wrap_tool_call=wrap_client_call, awrap_tool_call=awrap_client_call
    )
    graph.add_node("tools", runner)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", route, ["tools", END])
    graph.add_edge("tools", "model")
    # The key under which LangChain's own agents say their name.
    return graph.compile(checkpointer=checkpointer, name=name).with_config(metadata={"lc_agent_name": name})


def _explain(error: Exception) -> str:
    if isinstance(error, GraphBubbleUp):  # LangGraph 1.1 hands over a pause too, where the calls are wrapped
        raise error
    return f"That did not work: {error}"


# ------------------------------------------------------------------ reading the conversation


def _asked(prompt: Prompt) -> str:
    """The last thing that the person said; nothing, where a page begins without a word."""
    return next((message.text for message in reversed(prompt) if isinstance(message, HumanMessage)), "")


def _answers(prompt: Prompt) -> Prompt:
    """What came after the last thing that the person said."""
    last = max((at for at, message in enumerate(prompt) if isinstance(message, HumanMessage)), default=-1)
    return prompt[last + 1 :]


def _round(prompt: Prompt) -> int:
    """How often the model has spoken in this turn."""
    return sum(isinstance(message, AIMessage) for message in _answers(prompt))


def _results(prompt: Prompt) -> list[ToolMessage]:
    return [message for message in _answers(prompt) if isinstance(message, ToolMessage)]


def _city(asked: str) -> str | None:
    """The city that a text names: one that is known, or a capitalised word after `in` or `to`."""
    known = next((city for city in WEATHER if city.lower() in asked.lower()), None)
    named = re.search(r"\b(?:in|to)\s+([A-Z]\w+)", asked)
    return known or (named[1] if named else None)


def _words(said: str) -> list[str]:
    """Cut a text into the pieces in which it is streamed."""
    return re.findall(r"\S+\s*|\s+", said)


def _cost(prompt: Prompt, said: str) -> UsageMetadata:
    """Count words, a fair stand-in for tokens."""
    return usage(sum(len(message.text.split()) for message in prompt), len(said.split()))


def _call_id(prompt: Prompt, name: str) -> str:
    """An id that no other call of the thread has."""
    return f"call_{len(prompt)}_{name}"


# ------------------------------------------------------------------ assistant


def _plan_a_day(prompt: Prompt) -> Pieces:
    asked = _asked(prompt)
    city = _city(asked)
    first_turn = not any(isinstance(message, AIMessage) for message in prompt[: -len(_answers(prompt)) or None])
    if city is None and not first_turn:
        said = f'You said: "{asked}". Name a city, say Oslo or Tokyo, and I plan a day there.'
        return text(*_words(said), usage=_cost(prompt, said))
    steps = (_make_a_plan, _ask_two_at_once, _book_dinner, _sum_up)
    return steps[min(_round(prompt), len(steps) - 1)](prompt, city or "Lisbon")


def _make_a_plan(prompt: Prompt, city: str) -> Pieces:
    thought = f"They wrote: {_asked(prompt)!r}. A good day in {city} needs fair weather, a train and a table."
    said = f"A day in **{city}**, gladly. First a plan. "
    plan = tool_call(
        "write_todos",
        {"todos": _todos("in_progress", "pending", "pending")},
        id=_call_id(prompt, "plan"),
        usage=_cost(prompt, said),
    )
    return [*reasoning(*_words(thought), signature="ZGVtbw=="), *_words(said), *plan]


def _ask_two_at_once(prompt: Prompt, city: str) -> Pieces:
    said = "Two questions at once: "
    calls = tool_calls(
        tool_call("get_weather", ['{"city": ', f'"{city}"', "}"], id=_call_id(prompt, "weather")),
        tool_call("find_trains", ['{"to": ', f'"{city}"', "}"], id=_call_id(prompt, "trains")),
        interleaved=True,
        usage=_cost(prompt, said),
    )
    return [*_words(said), *calls]


def _book_dinner(prompt: Prompt, city: str) -> Pieces:
    said = "That looks good. Now dinner. "
    todos = _todos("completed", "completed", "in_progress")
    calls = tool_calls(
        tool_call("write_todos", {"todos": todos}, id=_call_id(prompt, "plan")),
        tool_call("book_table", {"city": city, "people": 2}, id=_call_id(prompt, "table")),
        usage=_cost(prompt, said),
    )
    return [*_words(said), *calls]


def _sum_up(prompt: Prompt, city: str) -> Pieces:
    found = {result.name: result.text for result in _results(prompt)}
    said = (
        f"## Your day in {city}\n\n"
        f"- **Weather:** {found.get('get_weather')}\n"
        f"- **Train:** {found.get('find_trains')}\n"
        "- **Dinner:** the table is taken, so take a picnic along\n\n"
    )
    source = {"type": "url_citation", "url": "https://example.org/weather", "title": f"Weather in {city}"}
    cited = AIMessageChunk(content=[{"type": "text", "text": "Have a lovely day!", "annotations": [source]}])
    return [*_words(said), cited, *text(usage=_cost(prompt, said))]


def _todos(*statuses: str) -> list[dict[str, str]]:
    things = ("Check the weather", "Find a train", "Book a table")
    return [{"content": thing, "status": status} for thing, status in zip(things, statuses, strict=True)]


@tool
def write_todos(todos: list[dict[str, str]], tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
    """Write down what is to do."""
    done = sum(todo["status"] == "completed" for todo in todos)
    answer = ToolMessage(f"{done} of {len(todos)} done", tool_call_id=tool_call_id, name="write_todos")
    return Command(update={"todos": todos, "messages": [answer]})


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return WEATHER.get(city, "mild, 20 °C")


@tool(response_format="content_and_artifact")
def find_trains(to: str) -> tuple[str, dict[str, list[str]]]:
    """Find trains to a city, and tell how far the search has come."""
    writer = get_stream_writer()
    for percent, station in ((30, "north"), (60, "central"), (100, "south")):
        writer({"progress": percent, "text": f"asking {station} station"})
    return f"08:10 to {to}, platform 4", {"departures": ["08:10", "09:40", "11:05"]}


@tool
def book_table(city: str, people: int) -> str:
    """Book a table for dinner; the restaurant is always full."""
    raise ValueError(f"no table for {people} in {city} tonight")


# ------------------------------------------------------------------ approval

DECISIONS = ["approve", "edit", "reject", "respond"]


def _write_an_email(prompt: Prompt) -> Pieces:
    results = _results(prompt)
    if results:
        return _tell_the_end(prompt, results[-1])
    asked = _asked(prompt)
    to = _recipient(asked)
    said = f"I wrote an email to {to}. May I send it? "
    email = {
        "to": to,
        "subject": "A note for you",
        "body": f"Hello,\n\nI was asked to tell you: {asked}\n\nBest wishes",
    }
    return [*_words(said), *tool_call("send_email", email, id=_call_id(prompt, "email"), usage=_cost(prompt, said))]


def _tell_the_end(prompt: Prompt, result: ToolMessage) -> Pieces:
    if result.status == "error":
        said = f"Nothing was sent. {result.text}"
    elif result.artifact:
        said = f"Done. {result.text}"
    else:
        said = f'Nothing was sent yet. You answered: "{result.text}"'
    return text(*_words(said), usage=_cost(prompt, said))


def _recipient(asked: str) -> str:
    """The address that a text names, or one made of the name after `to`."""
    address = re.search(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", asked)
    name = re.search(r"\bto\s+([A-Z]\w+)", asked)
    return address[0] if address else f"{name[1].lower() if name else 'ann'}@example.org"


@tool
def send_email(to: str, subject: str, body: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
    """Send an email, once a person has allowed it; the demo only says so."""
    email = {"to": to, "subject": subject, "body": body}
    answer = interrupt(
        {
            "action_requests": [{"name": "send_email", "args": email, "description": f"Send an email to {to}"}],
            "review_configs": [{"action_name": "send_email", "allowed_decisions": DECISIONS}],
        }
    )

    def result(content: str, **more: Any) -> ToolMessage:
        return ToolMessage(content, tool_call_id=tool_call_id, name="send_email", **more)

    match answer["decisions"][0]:
        case {"type": "approve"}:
            return result(f"Sent to {to}.", artifact=email)
        case {"type": "edit", "edited_action": {"args": changed}}:
            edited = email | changed
            return result(f"Sent to {edited['to']} as you changed it.", artifact=edited)
        case {"type": "reject", **rest}:
            return result(f"You said no{': ' + rest['message'] if rest.get('message') else ''}.", status="error")
        case {"type": "respond", "message": str(message)}:
            return result(message)
        case decision:
            raise ValueError(f"got the decision {decision!r}, expected one of {', '.join(DECISIONS)}")


# ------------------------------------------------------------------ concierge

_COLORS = ("gold", "lavender", "lightblue", "lightgreen", "pink", "salmon", "tomato", "wheat")


def _serve(prompt: Prompt) -> Pieces:
    asked, results = _asked(prompt), _results(prompt)
    thought = [] if results else reasoning(*_words(f"They wrote: {asked!r}. Let me see what I can do. "))
    if re.search(r"\b(e-?mail|mail|write)\b", asked, re.I):
        return [*thought, *_write_an_email(prompt)]
    if results:
        said = "Here you are:\n\n" + "".join(f"- {result.name}: {result.text}\n" for result in results)
        return text(*_words(said), usage=_cost(prompt, said))
    calls = _wishes(prompt, asked.lower())
    if calls:
        said = "One moment. "
        return [*thought, *_words(said), *tool_calls(*calls, usage=_cost(prompt, said))]
    said = (
        "Ask me for the weather in a city, for an email to somebody, or for a page in another color, say pink or gold."
    )
    return [*thought, *text(*_words(said), usage=_cost(prompt, said))]


def _wishes(prompt: Prompt, asked: str) -> list[list[AIMessageChunk]]:
    """Return the calls that a request asks for, which may be of both kinds at once."""
    calls: list[list[AIMessageChunk]] = []
    if "weather" in asked:
        city = _city(_asked(prompt)) or "Lisbon"
        calls.append(tool_call("get_weather", ['{"city": ', f'"{city}"', "}"], id=_call_id(prompt, "weather")))
    color = next((color for color in _COLORS if color in asked), None)
    if color or "color" in asked:
        args = ['{"color": ', f'"{color or _COLORS[0]}"', "}"]
        calls.append(tool_call("set_color", args, id=_call_id(prompt, "color")))
    return calls


# ------------------------------------------------------------------ team

NOTES = {"food": "try the market hall before noon", "sights": "walk up the hill for the view at sunset"}


def _delegate(prompt: Prompt) -> Pieces:
    results = _results(prompt)
    city = _city(_asked(prompt)) or "Lisbon"
    if results:
        said = f"Here is what we found about **{city}**:\n\n" + "".join(f"- {result.text}\n" for result in results)
        return text(*_words(said), usage=_cost(prompt, said))
    said = f"I send two researchers to look into {city}. "
    calls = [tool_call("research", {"topic": topic, "city": city}, id=_call_id(prompt, topic)) for topic in NOTES]
    return [*_words(said), *tool_calls(*calls, usage=_cost(prompt, said))]


def _look_up(prompt: Prompt) -> Pieces:
    topic, _, city = _asked(prompt).partition(" in ")
    results = _results(prompt)
    if results:
        said = f"{topic.capitalize()} in {city}: {results[-1].text}."
        return text(*_words(said), usage=_cost(prompt, said))
    thought = f"Let me see what the notes say about {topic}. "
    return [*reasoning(*_words(thought)), *tool_call("search_notes", {"topic": topic}, id="call_notes")]


def _research_tool(researcher: Any) -> BaseTool:
    def question(topic: str, city: str) -> dict[str, Any]:
        return {"messages": [HumanMessage(f"{topic} in {city}")]}

    def research(topic: str, city: str) -> str:
        """Let a researcher look into a topic."""
        return str(researcher.invoke(question(topic, city))["messages"][-1].text)

    async def research_async(topic: str, city: str) -> str:
        return str((await researcher.ainvoke(question(topic, city)))["messages"][-1].text)

    return StructuredTool.from_function(research, research_async)


@tool
def search_notes(topic: str) -> str:
    """Search the travel notes."""
    return NOTES.get(topic, "nothing noted yet")


# ------------------------------------------------------------------ delegating

_PARTS = {
    "weather": "Look up the weather in {city}, and answer with it.",
    "train": "Find a train to {city}, and answer with when it leaves.",
    "letter": "Write to Ann that we come to {city}.",
}
_STARTED = re.compile(r"Task (\w+) \(.*?\) is started")
_TOLD = re.compile(r"^Task \w+ \((.*?)\): (.*?)\.?(?:\nResult:\n(.*))?$", re.M)


def _share_out(prompt: Prompt) -> Pieces:
    """Do the part that was asked for, or else delegate all of them."""
    asked, results = _asked(prompt), _results(prompt)
    city = _city(asked) or "Lisbon"
    parts = {part: description.format(city=city) for part, description in _PARTS.items()}
    if asked in parts.values():
        return _do_part(prompt, next(part for part in parts if parts[part] == asked), city)
    if not results:
        return _begin(prompt, parts, city)
    if results[-1].name == "wait_for_tasks":
        return _tell_the_results(prompt, results[-1].text)
    if results[-1].name != "start_async_task":
        said = "I did it all myself:\n\n" + "".join(f"- {result.text}\n" for result in results[len(parts) :])
        return text(*_words(said), usage=_cost(prompt, said))
    if started := _started(results):
        return tool_call("wait_for_tasks", {"task_ids": started}, id=_call_id(prompt, "wait"), usage=_cost(prompt, ""))
    calls = [_call_of(prompt, part, city) for part in parts]
    return tool_calls(*calls, usage=_cost(prompt, ""))


def _begin(prompt: Prompt, parts: dict[str, str], city: str) -> Pieces:
    before = _started([message for message in prompt if isinstance(message, ToolMessage)])
    if before and _city(_asked(prompt)) is None:  # they ask about what was started in an earlier turn
        return tool_call("wait_for_tasks", {"task_ids": before}, id=_call_id(prompt, "wait"), usage=_cost(prompt, ""))
    said = f"A weekend in {city}: three copies of me can see to it at the same time. "
    calls = [
        tool_call("start_async_task", {"description": parts[part], "title": part}, id=_call_id(prompt, part))
        for part in parts
    ]
    return [*_words(said), *tool_calls(*calls, usage=_cost(prompt, said))]


def _started(results: Sequence[ToolMessage]) -> list[str]:
    """The ids of the tasks that calls have started."""
    return [started[1] for result in results if (started := _STARTED.match(result.text))]


def _do_part(prompt: Prompt, part: str, city: str) -> Pieces:
    results = _results(prompt)
    if part == "letter":
        return _tell_the_end(prompt, results[-1]) if results else _call_of(prompt, part, city)
    if results:
        return text(*_words(results[-1].text), usage=_cost(prompt, results[-1].text))
    return _call_of(prompt, part, city)


def _call_of(prompt: Prompt, part: str, city: str) -> list[AIMessageChunk]:
    """The call that does a part."""
    name, args = {
        "weather": ("get_weather", {"city": city}),
        "train": ("find_trains", {"to": city}),
        "letter": (
            "send_email",
            {"to": "ann@example.org", "subject": "The weekend", "body": f"Hello Ann,\n\nwe come to {city}.\n\nYours"},
        ),
    }[part]
    return tool_call(name, args, id=_call_id(prompt, part), usage=_cost(prompt, ""))


def _tell_the_results(prompt: Prompt, told: str) -> Pieces:
    lines = "".join(f"- **{title}:** {result or state}\n" for title, state, result in _TOLD.findall(told))
    at_work = "not held up" in told
    said = f"They are at work; ask me again:\n\n{lines}" if at_work else f"All is seen to:\n\n{lines}"
    return text(*_words(said), usage=_cost(prompt, said))


# ------------------------------------------------------------------ failing


def _break_off(prompt: Prompt) -> Pieces:
    said = f'You asked: "{_asked(prompt)}". The answer is quite simple, because'
    return [*_words(said), ConnectionError("the model went away in the middle of a sentence")]
