"""The showcase shows everything that a face can show, or what it is asked for, and does what people decide."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import AsyncIterator
from struct import unpack
from typing import Any

import pytest

from langwire import SessionAdapter, approve, edit, reject, respond
from langwire.core.transcript import TurnResult
from langwire.demo.agents import build_showcase
from langwire.events import Event, Media, TaskUpdate
from langwire.sessions.session import Session
from langwire.tasks import TaskRunner


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with SessionAdapter(build_showcase(0)) as sessions:
        yield sessions.get("showcase")


async def asked(session: Session, said: str) -> tuple[TurnResult, list[Event]]:
    turn = await session.submit(said)
    events = [event async for event in turn]
    return await turn.wait(), events


async def answered(session: Session, *decisions: Any) -> TurnResult:
    (question,) = session.interrupts
    return await (await session.resume({question.id: list(decisions)})).wait()


async def test_the_whole_tour_shows_every_card(session: Session) -> None:
    told, events = await asked(session, "A weekend in Oslo, please")
    assert told.outcome == "interrupted"
    assert {type(event).__name__ for event in events} >= {
        "ReasoningDelta",
        "TextDelta",
        "ToolCallDelta",
        "ToolResult",
        "Custom",
        "Media",
        "Extracted",
        "Display",
        "SubagentStart",
        "SubagentEnd",
        "Usage",
        "Interrupt",
    }
    assert {call.name: call.result.status for call in told.calls if call.result is not None} == {
        "write_todos": "ok",
        "get_weather": "ok",
        "find_trains": "ok",
        "book_table": "error",
        "display_inline": "ok",
        "research": "ok",
        "search_notes": "ok",
    }
    bundles = {display.title: sorted(display.bundle) for display in told.displays}
    assert bundles == {
        "The weather today": ["application/json", "text/html", "text/plain"],
        "How warm it is": ["image/png", "image/svg+xml", "text/plain"],
        "A postcard": ["text/html", "text/plain"],
    }
    assert len(told.subagents) == 2
    (interrupt,) = told.interrupts
    assert [(action.name, action.allowed) for action in interrupt.actions] == [
        ("send_email", ("approve", "edit", "reject", "respond")),
        ("book_room", ("approve", "edit", "reject")),
    ]
    schemas = [config["args_schema"]["properties"] for config in interrupt.value["review_configs"]]
    assert [sorted(schema) for schema in schemas] == [
        ["body", "subject", "to"],
        ["breakfast", "hotel", "nights", "view"],
    ]

    told = await answered(session, approve(), approve())
    assert told.outcome == "complete"
    assert [part in told.text for part in ("## Your weekend in Oslo", "|:--", "> Crisp", "```python", "](https:")] == [
        True
    ] * 5
    assert [message.citations[0]["title"] for message in told.messages if message.citations] == ["Weather in Oslo"]
    assert told.structured == {
        "city": "Oslo",
        "train": "08:10",
        "nights": 2,
        "settled": ["send_email", "book_room"],
    }
    assert [todo["status"] for todo in told.extracted[-1].data] == ["completed"] * 3


async def test_its_pictures_are_pictures(session: Session) -> None:
    told, events = await asked(session, "Show me something")
    (media,) = [event for event in events if isinstance(event, Media)]
    chart = next(display.bundle["image/png"] for display in told.displays if "image/png" in display.bundle)
    for data in (media.data, chart):
        chunks = chunks_of_png(b64decode(data or ""))
        width, height, depth, colours = unpack(">IIBB", chunks["IHDR"][:10])
        assert (width, height, depth, colours) == (96, 54, 8, 3)
        pixels = zlib.decompress(chunks["IDAT"])
        assert len(pixels) == height * (width + 1)
        assert len(chunks["PLTE"]) > 3 * max(pixels)


def chunks_of_png(data: bytes) -> dict[str, bytes]:
    """Take a PNG apart, and check the sum of each of its chunks."""
    chunks: dict[str, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(body),)
        chunks[body[:4].decode()] = body[4:]
        at += 12 + length
    return chunks


async def test_a_person_edits_one_action_and_rejects_the_other(session: Session) -> None:
    await asked(session, "A weekend in Rome")
    told = await answered(session, edit({"to": "zoe@example.org"}), reject("too dear"))
    results = {call.name: (call.result.status, call.result.content) for call in told.calls if call.result is not None}
    assert results["send_email"] == ("ok", "Sent to zoe@example.org: A weekend in Rome.")
    assert results["book_room"] == ("error", "You said no: too dear.")
    assert told.structured["settled"] == ["send_email"]


async def test_a_person_answers_in_place_of_the_tool_or_says_no_without_a_word(session: Session) -> None:
    await asked(session, "Book a room and approve it")
    told = await answered(session, respond("I have sent it myself"), reject())
    results = [call.result.content for call in told.calls if call.result is not None]
    assert sorted(results) == ["I have sent it myself", "You said no."]
    assert "- **send_email:** I have sent it myself\n- **book_room:** You said no.\n" in told.text


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ("How is the weather?", ["get_weather", "find_trains", "book_table"]),
        ("Show me a table", ["display_inline"] * 3),
        ("Do some research on Rome", ["research", "research", "write_todos", "search_notes", "search_notes"]),
        ("Delegate something", ["start_async_task", "start_async_task"]),
        ("Write to Ann", ["send_email"]),
        ("email x@example.org", ["send_email"]),
        ("Some code, please", []),
        ("How do they stand?", ["write_todos"]),
    ],
)
async def test_asked_for_something_it_shows_that(session: Session, said: str, calls: list[str]) -> None:
    told, _ = await asked(session, said)
    names = [call.name for call in told.calls]
    assert names[: len(calls)] == calls
    assert told.structured is None


@pytest.mark.parametrize(
    ("said", "city"),
    [
        ("Write an email to Ann", "Lisbon"),
        ("Mail to Bo that we come to Bergen", "Bergen"),
        ("Write to Ann that I am in Rome", "Rome"),
        ("Approve a weekend in Bergen", "Bergen"),
    ],
)
async def test_who_is_written_to_is_no_city(session: Session, said: str, city: str) -> None:
    told, _ = await asked(session, said)
    assert told.calls[0].args["subject"] == f"A weekend in {city}"


async def test_it_asks_for_a_value(session: Session) -> None:
    told, _ = await asked(session, "Ask me something")
    (question,) = told.interrupts
    assert question.kind == "value"
    told = await (await session.resume({question.id: {"city": "Rome"}})).wait()
    assert told.text == "Here you are:\n\n- **ask_person:** They answered: {'city': 'Rome'}\n"


async def test_without_a_runner_the_tour_delegates_nothing(session: Session) -> None:
    told, _ = await asked(session, "The tour")
    assert "start_async_task" not in [call.name for call in told.calls]


async def test_with_a_runner_it_delegates_two_tasks_of_which_one_asks() -> None:
    agent = build_showcase(0)
    async with TaskRunner({"main": agent}) as runner, SessionAdapter(agent, tasks=runner) as sessions:
        session = sessions.get("chat")
        told, events = await asked(session, "A weekend in Oslo")
        assert [call.name for call in told.calls].count("start_async_task") == 2
        assert {event.title for event in events if isinstance(event, TaskUpdate)} == {"weather watch", "postcard"}
        ids = [task.id for task in (await runner.list()).tasks]
        tasks = {task.title: task for task in await runner.gather(ids, timeout=20)}
        assert tasks["weather watch"].result is not None
        assert "crisp and clear, 8 °C" in tasks["weather watch"].result
        assert tasks["postcard"].state == "review_needed"
        assert tasks["postcard"].interrupts[0].actions[0].args["to"] == "bo@example.org"
        await answered(session, approve(), approve())
        told, _ = await asked(session, "How do they stand?")
        assert [call.name for call in told.calls] == ["wait_for_tasks"]


async def test_it_says_the_same_every_time() -> None:
    told: list[list[str]] = []
    for _ in range(2):
        async with SessionAdapter(build_showcase(0)) as sessions:
            result, _ = await asked(sessions.get("t"), "The tour")
            told.append(sorted(f"{call.args_text} {call.result and call.result.content}" for call in result.calls))
    assert told[0] == told[1]
