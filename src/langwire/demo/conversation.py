"""Knows how the scripts of the demo agents read a conversation, and how what they say is cut and counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from langwire.demo.tools import WEATHER
from langwire.testing.model import usage

Prompt: TypeAlias = list[BaseMessage]
Pieces: TypeAlias = Sequence[AIMessageChunk | str | Exception]

_WRITE_TO = re.compile(r"\b(?i:write|e-?mail|mail|letter)\b[^.]*?\bto\s+[A-Z]\w+")
_STARTED = re.compile(r"Task (\w+) \(.*?\) is started")


def last_words(prompt: Prompt) -> str:
    """The last thing that the person said; nothing, where a page begins without a word."""
    return next((message.text for message in reversed(prompt) if isinstance(message, HumanMessage)), "")


def since_then(prompt: Prompt) -> Prompt:
    """What came after the last thing that the person said."""
    last = max((at for at, message in enumerate(prompt) if isinstance(message, HumanMessage)), default=-1)
    return prompt[last + 1 :]


def rounds_of(prompt: Prompt) -> int:
    """How often the model has spoken in this turn."""
    return sum(isinstance(message, AIMessage) for message in since_then(prompt))


def results_of(prompt: Prompt) -> list[ToolMessage]:
    """What the tools have answered in this turn."""
    return [message for message in since_then(prompt) if isinstance(message, ToolMessage)]


def started_in(results: Sequence[ToolMessage]) -> list[str]:
    """The ids of the tasks that calls have started."""
    return [started[1] for result in results if (started := _STARTED.match(result.text))]


def city_in(asked: str) -> str | None:
    """The city that a text names: a known one, or a capitalised word after `in` or `to`, but not who is written to."""
    known = next((city for city in WEATHER if city.lower() in asked.lower()), None)
    named = re.search(r"\b(?:in|to)\s+([A-Z]\w+)", _WRITE_TO.sub("", asked, count=1))
    return known or (named[1] if named else None)


def recipient_in(asked: str) -> str:
    """The address that a text names, or one made of the name after `to`."""
    address = re.search(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", asked)
    name = re.search(r"\bto\s+([A-Z]\w+)", asked)
    return address[0] if address else f"{name[1].lower() if name else 'ann'}@example.org"


def pieces_of(said: str) -> list[str]:
    """Cut a text into the pieces in which it is streamed."""
    return re.findall(r"\S+\s*|\s+", said)


def cost_of(prompt: Prompt, said: str) -> UsageMetadata:
    """Count words, a fair stand-in for tokens."""
    return usage(sum(len(message.text.split()) for message in prompt), len(said.split()))


def new_id(prompt: Prompt, name: str) -> str:
    """An id that no other call of the thread has."""
    return f"call_{len(prompt)}_{name}"
