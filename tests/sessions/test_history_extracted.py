"""What is read out of tools, and which tools are not shown, is the same in a thread's history as it was live."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from langwire import SessionAdapter
from langwire.core.extractors import Extraction, ToolUse, extractor
from langwire.demo.agents import build_showcase
from langwire.events import Display, Event, Extracted


@extractor("get_weather", "find_trains")
def words(use: ToolUse) -> Iterator[Extraction]:
    """How many words a tool has said; it fails for one of them."""
    if use.name == "find_trains":
        raise KeyError("no train")
    yield use.extracted("words", len(use.text.split()))


def extractions(events: Any) -> list[tuple[str, str, Any]]:
    told: list[Event] = list(events)
    return sorted((event.name, event.kind, str(event.data)) for event in told if isinstance(event, Extracted))


async def test_todos_and_displays_are_in_the_history() -> None:
    async with SessionAdapter(build_showcase(0)) as sessions:
        session = sessions.get("t")
        turn = await session.submit("The tour")
        live = [event async for event in turn]
        past = (await session.history()).events
        assert extractions(past) == extractions(live)
        titles = [[event.title for event in events if isinstance(event, Display)] for events in (live, past)]
        assert sorted(map(str, titles[0])) == sorted(map(str, titles[1]))
        assert len(titles[1]) == 3


async def test_a_sessions_own_extractors_read_its_history(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "langwire")
    async with SessionAdapter(build_showcase(0), extractors=[words]) as sessions:
        session = sessions.get("t")
        turn = await session.submit("The weather in Oslo?")
        live = [event async for event in turn]
        assert [(name, kind) for name, kind, _ in extractions(live)] == [
            ("find_trains", "error"),
            ("get_weather", "words"),
        ]
        assert extractions((await session.history()).events) == extractions(live)


async def test_a_tool_that_is_not_shown_is_not_in_the_history_either() -> None:
    async with SessionAdapter(build_showcase(0), skip_tools=["find_trains"]) as sessions:
        session = sessions.get("t")
        await (await session.submit("The weather in Oslo?")).wait()
        calls = [call.name for call in (await session.history()).transcript.calls]
        assert calls == ["get_weather", "book_table"]
