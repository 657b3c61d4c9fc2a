"""Knows the agent that shows everything: each chapter of its tour is one message with its calls.

Asked for something in particular (the weather, a table, research, a task, an email, a question, some Markdown), it
plays the chapters that are asked for; asked for anything else, the whole tour of a weekend in a city.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import signature
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
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
    started_in,
)
from langwire.demo.loop import DELAY, Graph, PlannedState, agent_of, model_of
from langwire.demo.pictures import chart_png, chart_svg, sunset
from langwire.demo.research import NOTES, research_tool
from langwire.demo.tools import WEATHER, book_table, find_trains, get_weather, write_todos
from langwire.tasks.context import origin_of
from langwire.tasks.tools import TASK_TOOLS
from langwire.testing.model import reasoning, text, tool_call, tool_calls


def build_showcase(delay: float = DELAY) -> Graph:
    """Build an agent that shows everything that a face can show, all of it or what it is asked for.

    It thinks, keeps a list of things to do, calls tools in parallel, of which one fails, shows a picture, a table, a
    page and a plot, sends out researchers, delegates two tasks where there is a runner, asks before it sends an email
    and books a room, and ends with Markdown and structured data. It keeps its threads in memory; `delay` is the pause
    between pieces, in seconds.
    """
    tools = [write_todos, get_weather, find_trains, book_table, display_inline, research_tool(delay)]
    return agent_of(
        "showcase",
        model_of(_play, delay),
        [*tools, *_GATED, ask_person, *TASK_TOOLS],
        state=ShowcaseState,
        checkpointer=InMemorySaver(),
        review=_review,
        closing=_note,
    )


class ShowcaseState(PlannedState):
    """Messages, a list of things to do, and what is known of the weekend at the end."""

    structured_response: dict[str, Any]


# ------------------------------------------------------------------ which chapters


def _play(prompt: Prompt) -> Pieces:
    """Play the next chapter, or the end."""
    chapters = _chosen(prompt)
    at = rounds_of(prompt)
    return chapters[at](prompt) if at < len(chapters) else _end(prompt)


def _chosen(prompt: Prompt) -> list[Callable[[Prompt], Pieces]]:
    asked = last_words(prompt)
    if re.search(r"\bhow\b.*\b(stand|going)\b", asked, re.I) and started_in(_told(prompt)):
        return [_look_after]
    chosen = [play for words, play in _CHAPTERS if re.search(rf"\b({words})", asked, re.I)]
    tour = [_plan, _look_things_up, _show, _research, _delegate, _ask_before, _tick_off]
    return [play for play in chosen or tour if play is not _delegate or chosen or _has_runner()]


def _has_runner() -> bool:
    return origin_of(get_config()) is not None


def _told(prompt: Prompt) -> list[ToolMessage]:
    return [message for message in prompt if isinstance(message, ToolMessage)]


def _city(prompt: Prompt) -> str:
    return city_in(last_words(prompt)) or "Lisbon"


# ------------------------------------------------------------------ the chapters


def _plan(prompt: Prompt) -> Pieces:
    city = _city(prompt)
    thought = (
        f"They wrote: {last_words(prompt)!r}. A weekend in {city}, then. I look up the weather and the trains, show "
        "what I find, and ask before anything is sent or booked."
    )
    said = f"A weekend in **{city}**, gladly. First a plan. "
    call = tool_call("write_todos", _todos(0), id=new_id(prompt, "plan"), usage=cost_of(prompt, said))
    return [*reasoning(*pieces_of(thought), signature="ZGVtbw=="), *pieces_of(said), *call]


def _look_things_up(prompt: Prompt) -> Pieces:
    city = _city(prompt)
    said = "Three questions at once: "
    calls = tool_calls(
        tool_call("get_weather", ['{"city": ', f'"{city}"', "}"], id=new_id(prompt, "weather")),
        tool_call("find_trains", ['{"to": ', f'"{city}"', "}"], id=new_id(prompt, "trains")),
        tool_call("book_table", ['{"city": ', f'"{city}"', ', "people": 2}'], id=new_id(prompt, "table")),
        interleaved=True,
        usage=cost_of(prompt, said),
    )
    return [*pieces_of(said), *calls]


def _show(prompt: Prompt) -> Pieces:
    said = "No table, so a picnic at sunset it is. This is how it looks: "
    picture = AIMessageChunk(content=[{"type": "image", "base64": sunset(), "mime_type": "image/png"}])
    calls = [tool_call("display_inline", {"what": what}, id=new_id(prompt, what)) for what in ("table", "plot", "page")]
    return [*pieces_of(said), picture, *tool_calls(*calls, usage=cost_of(prompt, said))]


def _research(prompt: Prompt) -> Pieces:
    city = _city(prompt)
    said = "Two researchers look into the rest. "
    calls = [tool_call("research", {"topic": topic, "city": city}, id=new_id(prompt, topic)) for topic in NOTES]
    calls.append(tool_call("write_todos", _todos(1), id=new_id(prompt, "plan")))
    return [*pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]


def _delegate(prompt: Prompt) -> Pieces:
    city = _city(prompt)
    said = "Two things can go on in the background; ask me later how they stand. "
    parts = {
        "weather watch": f"Tell the weather in {city}.",
        "postcard": f"Write an email to Bo that we come to {city}.",
    }
    calls = [
        tool_call("start_async_task", {"description": parts[title], "title": title}, id=new_id(prompt, title[:7]))
        for title in parts
    ]
    return [*pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]


def _look_after(prompt: Prompt) -> Pieces:
    return tool_call(
        "wait_for_tasks", {"task_ids": started_in(_told(prompt))}, id=new_id(prompt, "wait"), usage=cost_of(prompt, "")
    )


def _ask_before(prompt: Prompt) -> Pieces:
    """Ask for an email and a room; for the one alone where only an email is asked for."""
    asked, city = last_words(prompt), _city(prompt)
    email = {
        "to": recipient_in(asked),
        "subject": f"A weekend in {city}",
        "body": f"Hello,\n\nwe take the train at 08:10 and are in {city} by noon.\n\nBest wishes",
    }
    calls = [tool_call("send_email", email, id=new_id(prompt, "email"))]
    if not re.search(_EMAIL, asked, re.I):
        room = {"hotel": f"Hotel {city}", "nights": 2, "breakfast": True, "view": "sea"}
        calls.append(tool_call("book_room", room, id=new_id(prompt, "room")))
    said = "Before I go on I need your word. "
    return [*pieces_of(said), *tool_calls(*calls, usage=cost_of(prompt, said))]


def _ask_person(prompt: Prompt) -> Pieces:
    said = "Gladly: "
    question = {"question": "Where to, and for how long?"}
    return [*pieces_of(said), *tool_call("ask_person", question, id=new_id(prompt, "ask"), usage=cost_of(prompt, said))]


def _tick_off(prompt: Prompt) -> Pieces:
    said = "That is settled. "
    call = tool_call("write_todos", _todos(3), id=new_id(prompt, "plan"), usage=cost_of(prompt, said))
    return [*pieces_of(said), *call]


def _write(prompt: Prompt) -> Pieces:
    said = _document(prompt)
    source = {"type": "url_citation", "url": "https://example.org/weather", "title": f"Weather in {_city(prompt)}"}
    cited = AIMessageChunk(content=[{"type": "text", "text": "Have a lovely time!", "annotations": [source]}])
    return [*pieces_of(said), cited, *text(usage=cost_of(prompt, said))]


def _end(prompt: Prompt) -> Pieces:
    """End the tour with a document, and everything else with what came of it."""
    chapters, results = _chosen(prompt), results_of(prompt)
    if _tick_off in chapters:
        return _write(prompt)
    lines = "".join(f"- **{result.name}:** {_first_line(result.text)}\n" for result in results)
    said = f"Here you are:\n\n{lines}"
    return text(*pieces_of(said), usage=cost_of(prompt, said))


def _first_line(told: str) -> str:
    return told.partition("\n")[0]


_EMAIL = r"\b(e-?mail|mail|write to)\b"
_CHAPTERS: list[tuple[str, Callable[[Prompt], Pieces]]] = [
    ("weather|trains?", _look_things_up),
    ("show|tables?|pictures?|images?|plots?|charts?|html", _show),
    ("research", _research),
    ("tasks?|delegate", _delegate),
    ("e-?mail|mail|write to|approv|book|room", _ask_before),
    ("ask|question", _ask_person),
    ("markdown|code", _write),
]
"""What is played for which words."""


def _todos(done: int) -> dict[str, Any]:
    things = ("Look things up", "Show what was found", "Ask before anything is sent")
    status = ["completed"] * done + ["in_progress"] + ["pending"] * len(things)
    return {"todos": [{"content": thing, "status": state} for thing, state in zip(things, status, strict=False)]}


def _document(prompt: Prompt) -> str:
    city = _city(prompt)
    weather = WEATHER.get(city, "mild, 20 °C")
    return f"""## Your weekend in {city}

| When | What | Where |
|:-----|:-----|------:|
| Friday, 08:10 | The train, platform 4 | Central |
| Friday evening | A picnic at sunset | The hill |
| Saturday | The market hall, *before noon* | Old town |

> {weather[0].upper()}{weather[1:]}: take a hat along, and something to read.

1. Pack lightly
2. Do not forget
    - the tickets
    - the [map](https://example.org/map)

If you like to count the days yourself:

```python
from datetime import date

def days_until(day: date) -> int:
    \"\"\"How many days are left.\"\"\"
    return (day - date.today()).days
```

"""


# ------------------------------------------------------------------ what is shown


@tool(response_format="content_and_artifact")
def display_inline(what: Literal["table", "plot", "page"]) -> tuple[str, dict[str, Any]]:
    """Show the person a table, a plot or a page."""
    degrees = {city: int(re.findall(r"(\d+) °C", weather)[0]) for city, weather in WEATHER.items()}
    words = {city: weather.partition(",")[0] for city, weather in WEATHER.items()}
    shown: dict[str, dict[str, Any]] = {
        "table": {
            "display_type": "table",
            "title": "The weather today",
            "data": [{"city": city, "sky": words[city], "°C": degrees[city]} for city in WEATHER],
        },
        "plot": {
            "title": "How warm it is",
            "image/svg+xml": chart_svg(degrees, "°"),
            "image/png": chart_png(degrees),
            "text/plain": "\n".join(f"{city:<8}{'#' * (number // 2)} {number} °C" for city, number in degrees.items()),
        },
        "page": {"display_type": "html", "title": "A postcard", "data": _POSTCARD},
    }
    return f"The {what} is shown.", shown[what]


_POSTCARD = """\
<article style="border: 1px solid #d9c8a9; border-radius: 10px; padding: 16px 20px; background: #fdf8ee; \
color: #4a3f2c; font-family: Georgia, serif; max-width: 30rem">
  <h2 style="margin: 0 0 8px; font-weight: normal">Greetings from the hill</h2>
  <p style="margin: 0 0 8px">The sun sets at <b>20:41</b>, and the market has the best peaches.</p>
  <p style="margin: 0; color: #8a795b">Not stamped. <a href="https://example.org/hill">Where is that?</a></p>
</article>
"""


# ------------------------------------------------------------------ what a person decides


@tool
def send_email(to: str, subject: str, body: str) -> str:
    """Send an email, once a person has allowed it; the demo only says so."""
    return f"Sent to {to}: {subject}."


@tool
def book_room(hotel: str, nights: int, breakfast: bool, view: Literal["sea", "garden", "street"]) -> str:
    """Book a room, once a person has allowed it; the demo only says so."""
    meal = "with" if breakfast else "without"
    return f"{hotel}: {nights} nights {meal} breakfast, a view of the {view}."


@tool
def ask_person(question: str) -> str:
    """Ask the person something."""
    options: dict[str, Any] = (
        {"response_schema": _ANSWER} if "response_schema" in signature(interrupt).parameters else {}
    )
    return f"They answered: {interrupt(question, **options)}"


_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "title": "City"},
        "nights": {"type": "integer", "title": "Nights", "minimum": 1},
        "quiet": {"type": "boolean", "title": "A quiet room"},
    },
    "required": ["city"],
}
_GATED: tuple[BaseTool, ...] = (send_email, book_room)
_ALLOWED = {"send_email": ["approve", "edit", "reject", "respond"], "book_room": ["approve", "edit", "reject"]}


def _review(state: Any) -> dict[str, Any]:
    """Ask a person about the calls that need one: all of them in one question, a decision for each."""
    message = cast(AIMessage, state["messages"][-1])
    asked = [call for call in message.tool_calls if call["name"] in _ALLOWED]
    if not asked:
        return {}
    answer = interrupt(
        {
            "action_requests": [
                {"name": call["name"], "args": call["args"], "description": _DESCRIPTIONS[call["name"]]}
                for call in asked
            ],
            "review_configs": [
                {
                    "action_name": call["name"],
                    "allowed_decisions": _ALLOWED[call["name"]],
                    "args_schema": _SCHEMAS[call["name"]],
                }
                for call in asked
            ],
        }
    )
    decisions = {call["id"]: decision for call, decision in zip(asked, answer["decisions"], strict=True)}
    calls = [_edited(call, decisions.get(call["id"])) for call in message.tool_calls]
    answers = [_answered(call, decisions[call["id"]]) for call in asked]
    return {"messages": [message.model_copy(update={"tool_calls": calls}), *filter(None, answers)]}


_DESCRIPTIONS = {"send_email": "It leaves at once.", "book_room": "It can be cancelled until Thursday."}
_SCHEMAS = {tool.name: cast("Any", tool.tool_call_schema).model_json_schema() for tool in _GATED}


def _edited(call: Any, decision: Any) -> Any:
    if decision is None or decision["type"] != "edit":
        return call
    return {**call, "args": {**call["args"], **decision["edited_action"]["args"]}}


def _answered(call: Any, decision: Any) -> ToolMessage | None:
    """What the model is told in place of a result; None for a call that is to be made."""
    match decision:
        case {"type": "reject", **rest}:
            why = f": {rest['message']}" if rest.get("message") else ""
            return ToolMessage(f"You said no{why}.", tool_call_id=call["id"], name=call["name"], status="error")
        case {"type": "respond", "message": str(said)}:
            return ToolMessage(said, tool_call_id=call["id"], name=call["name"])
        case _:
            return None


def _note(state: Any) -> dict[str, Any]:
    """Leave what is known as data, where the whole tour was played."""
    prompt: Prompt = state["messages"]
    if _tick_off not in _chosen(prompt):
        return {}
    settled = [result.name for result in results_of(prompt) if result.name in _ALLOWED and result.status != "error"]
    return {"structured_response": {"city": _city(prompt), "train": "08:10", "nights": 2, "settled": settled}}
