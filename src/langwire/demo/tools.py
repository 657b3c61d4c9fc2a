"""Knows the tools that several demo agents have: a list of things to do, the weather, trains, and a full restaurant."""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.config import get_stream_writer
from langgraph.types import Command

WEATHER = {
    "Lisbon": "sunny, 24 °C",
    "London": "light rain, 14 °C",
    "Oslo": "crisp and clear, 8 °C",
    "Paris": "a few clouds, 18 °C",
    "Rome": "sunny, 27 °C",
    "Tokyo": "warm and humid, 26 °C",
}


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
    """Find trains to a city, and tell which stations were asked."""
    get_stream_writer()({"stations": ["north", "central", "south"]})
    return f"08:10 to {to}, platform 4", {"departures": ["08:10", "09:40", "11:05"]}


@tool
def book_table(city: str, people: int) -> str:
    """Book a table for dinner; the restaurant is always full."""
    raise ValueError(f"no table for {people} in {city} tonight")
