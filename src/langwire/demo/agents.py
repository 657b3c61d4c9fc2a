"""How the demo agents are built: small graphs, scripted models, friendly answers.

They need LangGraph alone, no key and no network. What they say follows from the conversation, so they work over
several turns; only `approval`, `concierge`, `delegating` and `showcase`, which pause, need
a thread id.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from langwire.demo.conversation import (
    Pieces,
    Prompt,
    city_in,
    cost_of,
    last_words,
    new_id,
    pieces_of,
    recipient_in,
    results_of,
    rounds_of,
    since_then,
    started_in,
)
from langwire.demo.loop import DELAY, Graph, PlannedState, agent_of, model_of
from langwire.demo.research import NOTES, research_tool
from langwire.demo.tools import book_table, find_trains, get_weather, write_todos
from langwire.demo.weekend import build_showcase
from langwire.tasks.tools import TASK_TOOLS
from langwire.testing.model import reasoning, text, tool_call, tool_calls

__all__ = [
    "DELAY",
    "Graph",
    "build_approval",
    "build_assistant",
    "build_concierge",
    "build_delegating",
    "build_failing",
    "build_showcase",
    "build_team",
]


def build_assistant(delay: float = DELAY) -> Graph:
    """Build an agent that plans a day in a city.

    It thinks, keeps a list of things to do, calls two tools in parallel (one of them tells where it asks), meets a
    tool that fails, and answers in Markdown with a citation and usage. `delay` is the pause between pieces, in seconds.
    """
    tools = [write_todos, get_weather, find_trains, book_table]
    return agent_of("assistant", model_of(_plan_a_day, delay), tools, state=PlannedState)


def build_approval(delay: float = DELAY) -> Graph:
    """Build an agent that asks before it sends an email, and accepts approve, edit, reject and respond.

    It keeps its threads in memory; `delay` is the pause between pieces, in seconds.
    """
    return agent_of("approval", model_of(_write_an_email, delay), [send_email], checkpointer=InMemorySaver())


def build_concierge(delay: float = DELAY) -> Graph:
    """Build an agent for a page: it thinks, tells the weather, and asks before it sends an email.

    To paint the page it calls `set_color`, a tool that the page has to bring. It keeps its threads in memory; `delay`
    is the pause between pieces, in seconds.
    """
    return agent_of("concierge", model_of(_serve, delay), [get_weather, send_email], checkpointer=InMemorySaver())


def build_team(delay: float = DELAY) -> Graph:
    """Build a lead that sends out two researchers at once; each works in a lane of its own.

    `delay` is the pause between pieces, in seconds.
    """
    return agent_of("team", model_of(_delegate, delay), [research_tool(delay)])


def build_failing(delay: float = DELAY) -> Graph:
    """Build an agent whose model breaks off in the middle of a sentence and raises `ConnectionError`.

    `delay` is the pause between pieces, in seconds.
    """
    return agent_of("failing", model_of(_break_off, delay), [])


def build_delegating(delay: float = DELAY) -> Graph:
    """Build an agent that plans a weekend by delegating to itself: the weather, the train, and a letter, which asks.

    In a task it waits for the copies and sums up; in a conversation that has a runner it says that they are at work,
    and tells how they stand when it is asked again; without a runner it does all three itself. It keeps its threads in
    memory; `delay` is the pause between pieces, in seconds.
    """
    tools = [get_weather, find_trains, send_email, *TASK_TOOLS]
    return agent_of("delegating", model_of(_share_out, delay), tools, checkpointer=InMemorySaver())


# ------------------------------------------------------------------ assistant


def _plan_a_day(prompt: Prompt) -> Pieces:
    asked = last_words(prompt)
    city = city_in(asked)
    first_turn = not any(isinstance(message, AIMessage) for message in prompt[: -len(since_then(prompt)) or None])
    if city is None and not first_turn:
        said = f'You said: "{asked}". Name a city, say Oslo or Tokyo, and I plan a day there.'
        return text(*pieces_of(said), usage=cost_of(prompt, said))
    steps = (_make_a_plan, _ask_two_at_once, _book_dinner, _sum_up)
    return steps[min(rounds_of(prompt), len(steps) - 1)](prompt, city or "Lisbon")


def _make_a_plan(prompt: Prompt, city: str) -> Pieces:
    thought = f"They wrote: {last_words(prompt)!r}. A good day in {city} needs fair weather, a train and a table."
    said = f"A day in **{city}**, gladly. First a plan. "
    plan = tool_call(
        "write_todos",
        {"todos": _todos("in_progress", "pending", "pending")},
        id=new_id(prompt, "plan"),
        usage=cost_of(prompt, said),
    )
    return [*reasoning(*pieces_of(thought), signature="ZGVtbw=="), *pieces_of(said), *plan]


def _ask_two_at_once(prompt: Prompt, city: str) -> Pieces:
    said = "Two questions at once: "
    calls = tool_calls(
        tool_call("get_weather", ['{"city": ', f'"{city}"', "}"], id=new_id(prompt, "weather")),
        tool_call("find_trains", ['{"to": ', f'"{city}"', "}"], id=new_id(prompt, "trains")),
        interleaved=True,
        usage=cost_of(prompt, said),
    )
    return [*pieces_of(said), *calls]


def _book_dinner(prompt: Prompt, city: str) -> Pieces:
    said = "That looks good. Now dinner. "
    todos = _todos("completed", "completed", "in_progress")
    calls = tool_calls(
        tool_call("write_todos", {"todos": todos}, id=new_id(prompt, "plan")),
        tool_call("book_table", {"city": city, "people": 2}, id=new_id(prompt, "table")),
        usage=cost_of(prompt, said),
    )
    return [*pieces_of(said), *calls]


def _sum_up(prompt: Prompt, city: str) -> Pieces:
    found = {result.name: result.text for result in results_of(prompt)}
    said = (
        f"## Your day in {city}\n\n"
        f"- **Weather:** {found.get('get_weather')}\n"
        f"- **Train:** {found.get('find_trains')}\n"
        "- **Dinner:** the table is taken, so take a picnic along\n\n"
    )
    source = {"type": "url_citation", "url": "https://example.org/weather", "title": f"Weather in {city}"}
    cited = AIMessageChunk(content=[{"type": "text", "text": "Have a lovely day!", "annotations": [source]}])
    return [*pieces_of(said), cited, *text(usage=cost_of(prompt, said))]


def _todos(*statuses: str) -> list[dict[str, str]]:
    things = ("Check the weather", "Find a train", "Book a table")
    return [{"content": thing, "status": status} for thing, status in zip(things, statuses, strict=True)]


# ------------------------------------------------------------------ approval

DECISIONS = ["approve", "edit", "reject", "respond"]


def _write_an_email(prompt: Prompt) -> Pieces:
    results = results_of(prompt)
    if results:
        return _tell_the_end(prompt, results[-1])
    asked = last_words(prompt)
    to = recipient_in(asked)
    said = f"I wrote an email to {to}. May I send it? "
    email = {
        "to": to,
        "subject": "A note for you",
        "body": f"Hello,\n\nI was asked to tell you: {asked}\n\nBest wishes",
    }
    return [*pieces_of(said), *tool_call("send_email", email, id=new_id(prompt, "email"), usage=cost_of(prompt, said))]


def _tell_the_end(prompt: Prompt, result: ToolMessage) -> Pieces:
    if result.status == "error":
        said = f"Nothing was sent. {result.text}"
    elif result.artifact:
        said = f"Done. {result.text}"
    else:
        said = f'Nothing was sent yet. You answered: "{result.text}"'
    return text(*pieces_of(said), usage=cost_of(prompt, said))


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
    asked, results = last_words(prompt), results_of(prompt)
    thought = [] if results else reasoning(*pieces_of(f"They wrote: {asked!r}. Let me see what I can do. "))
    if re.search(r"\b(e-?mail|mail|write)\b", asked, re.I):
        return [*thought, *_write_an_email(prompt)]
    if results:
        said = "Here you are:\n\n" + "".join(f"- {result.name}: {result.text}\n" for result in results)
        return text(*pieces_of(said), usage=cost_of(prompt, said))
    calls = _wishes(prompt, asked.lower())
    if calls:
        said = "One moment. "
        return [*thought, *pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]
    said = (
        "Ask me for the weather in a city, for an email to somebody, or for a page in another color, say pink or gold."
    )
    return [*thought, *text(*pieces_of(said), usage=cost_of(prompt, said))]


def _wishes(prompt: Prompt, asked: str) -> list[list[AIMessageChunk]]:
    """Return the calls that a request asks for, which may be of both kinds at once."""
    calls: list[list[AIMessageChunk]] = []
    if "weather" in asked:
        city = city_in(last_words(prompt)) or "Lisbon"
        calls.append(tool_call("get_weather", ['{"city": ', f'"{city}"', "}"], id=new_id(prompt, "weather")))
    color = next((color for color in _COLORS if color in asked), None)
    if color or "color" in asked:
        args = ['{"color": ', f'"{color or _COLORS[0]}"', "}"]
        calls.append(tool_call("set_color", args, id=new_id(prompt, "color")))
    return calls


# ------------------------------------------------------------------ team


def _delegate(prompt: Prompt) -> Pieces:
    results = results_of(prompt)
    city = city_in(last_words(prompt)) or "Lisbon"
    if results:
        said = f"Here is what we found about **{city}**:\n\n" + "".join(f"- {result.text}\n" for result in results)
        return text(*pieces_of(said), usage=cost_of(prompt, said))
    said = f"I send two researchers to look into {city}. "
    calls = [tool_call("research", {"topic": topic, "city": city}, id=new_id(prompt, topic)) for topic in NOTES]
    return [*pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]


# ------------------------------------------------------------------ delegating

_PARTS = {
    "weather": "Look up the weather in {city}, and answer with it.",
    "train": "Find a train to {city}, and answer with when it leaves.",
    "letter": "Write to Ann that we come to {city}.",
}
_TOLD = re.compile(r"^Task \w+ \((.*?)\): (.*?)\.?(?:\nResult:\n(.*))?$", re.M)


def _share_out(prompt: Prompt) -> Pieces:
    """Do the part that was asked for, or else delegate all of them."""
    asked, results = last_words(prompt), results_of(prompt)
    city = city_in(asked) or "Lisbon"
    parts = {part: description.format(city=city) for part, description in _PARTS.items()}
    if asked in parts.values():
        return _do_part(prompt, next(part for part in parts if parts[part] == asked), city)
    if not results:
        return _begin(prompt, parts, city)
    if results[-1].name == "wait_for_tasks":
        return _tell_the_results(prompt, results[-1].text)
    if results[-1].name != "start_async_task":
        said = "I did it all myself:\n\n" + "".join(f"- {result.text}\n" for result in results[len(parts) :])
        return text(*pieces_of(said), usage=cost_of(prompt, said))
    if started := started_in(results):
        return tool_call("wait_for_tasks", {"task_ids": started}, id=new_id(prompt, "wait"), usage=cost_of(prompt, ""))
    calls = [_call_of(prompt, part, city) for part in parts]
    return tool_calls(*calls, usage=cost_of(prompt, ""))


def _begin(prompt: Prompt, parts: dict[str, str], city: str) -> Pieces:
    before = started_in([message for message in prompt if isinstance(message, ToolMessage)])
    if before and city_in(last_words(prompt)) is None:  # they ask about what was started in an earlier turn
        return tool_call("wait_for_tasks", {"task_ids": before}, id=new_id(prompt, "wait"), usage=cost_of(prompt, ""))
    said = f"A weekend in {city}: three copies of me can see to it at the same time. "
    calls = [
        tool_call("start_async_task", {"description": parts[part], "title": part}, id=new_id(prompt, part))
        for part in parts
    ]
    return [*pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]


def _do_part(prompt: Prompt, part: str, city: str) -> Pieces:
    results = results_of(prompt)
    if part == "letter":
        return _tell_the_end(prompt, results[-1]) if results else _call_of(prompt, part, city)
    if results:
        return text(*pieces_of(results[-1].text), usage=cost_of(prompt, results[-1].text))
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
    return tool_call(name, args, id=new_id(prompt, part), usage=cost_of(prompt, ""))


def _tell_the_results(prompt: Prompt, told: str) -> Pieces:
    lines = "".join(f"- **{title}:** {result or state}\n" for title, state, result in _TOLD.findall(told))
    at_work = "not held up" in told
    said = f"They are at work; ask me again:\n\n{lines}" if at_work else f"All is seen to:\n\n{lines}"
    return text(*pieces_of(said), usage=cost_of(prompt, said))


# ------------------------------------------------------------------ failing


def _break_off(prompt: Prompt) -> Pieces:
    said = f'You asked: "{last_words(prompt)}". The answer is quite simple, because'
    return [*pieces_of(said), ConnectionError("the model went away in the middle of a sentence")]
