"""Knows the researcher of the demo agents, who works in a lane of its own."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, StructuredTool, tool

from langwire.demo.conversation import Pieces, Prompt, cost_of, last_words, pieces_of, results_of
from langwire.demo.loop import agent_of, model_of
from langwire.testing.model import reasoning, text, tool_call

NOTES = {"food": "try the market hall before noon", "sights": "walk up the hill for the view at sunset"}


def research_tool(delay: float) -> BaseTool:
    """Make the tool that sends out a researcher; `delay` is the pause between pieces, in seconds."""
    researcher: Any = agent_of("researcher", model_of(_look_up, delay), [search_notes])

    def question(topic: str, city: str) -> dict[str, Any]:
        return {"messages": [HumanMessage(f"{topic} in {city}")]}

    def research(topic: str, city: str) -> str:
        """Let a researcher look into a topic."""
        return str(researcher.invoke(question(topic, city))["messages"][-1].text)

    async def research_async(topic: str, city: str) -> str:
        return str((await researcher.ainvoke(question(topic, city)))["messages"][-1].text)

    return StructuredTool.from_function(research, research_async)


def _look_up(prompt: Prompt) -> Pieces:
    topic, _, city = last_words(prompt).partition(" in ")
    results = results_of(prompt)
    if results:
        said = f"{topic.capitalize()} in {city}: {results[-1].text}."
        return text(*pieces_of(said), usage=cost_of(prompt, said))
    thought = f"Let me see what the notes say about {topic}. "
    return [*reasoning(*pieces_of(thought)), *tool_call("search_notes", {"topic": topic}, id="call_notes")]


@tool
def search_notes(topic: str) -> str:
    """Search the travel notes."""
    return NOTES.get(topic, "nothing noted yet")
