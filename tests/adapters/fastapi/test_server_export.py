"""A thread is taken away as a file: whole, by those who may read it, and nothing in it is let loose."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import Request

from adapters.fastapi.reading_client import Client, serving
from agui.asking import says
from langwire.adapters.html import content_policy
from langwire.core.codec import decode, decode_entry
from langwire.demo.agents import build_showcase, build_team
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.store import MemorySessionStore


async def talked(client: Client, said: str = "Tell me about Rome", title: str | None = None) -> str:
    """Make a thread in which a turn has come to its end."""
    thread: str = (await client.post("/threads", {"title": title})).json()["thread_id"]
    ack = await client.submit(thread, said)
    async with client.events(thread, ack["position"]) as events:
        await events.until("turn_end")
    return thread


async def export(client: Client, thread: str, **params: str) -> httpx.Response:
    return await client.get(f"/threads/{thread}/export", **params)


async def lines_of(client: Client, thread: str) -> list[dict[str, Any]]:
    answer = await export(client, thread, format="jsonl")
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.content.splitlines()]


async def test_each_format_says_what_it_is_and_is_saved_under_a_name() -> None:
    async with serving(build_team(0)) as client:
        thread = await talked(client, title='../A trip\r\nx: é "to" Rome.exe')
        for form, mime, ending in (
            ("html", "text/html; charset=utf-8", "html"),
            ("markdown", "text/markdown; charset=utf-8", "md"),
            ("jsonl", "application/x-ndjson", "jsonl"),
        ):
            answer = await export(client, thread, format=form)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == mime
            assert answer.headers["content-disposition"] == f'attachment; filename="a-trip-x-to-rome-exe.{ending}"'
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "Sights in Rome: walk up the hill" in answer.text
        untitled = await talked(client, title=None)
        assert (
            'filename="tell-me-about-rome.md"'
            in (await export(client, untitled, format="markdown")).headers["content-disposition"]
        )


async def test_a_page_has_its_own_policy_and_is_boxed_in() -> None:
    """T-12: a file that is opened at the server's address may do nothing there."""
    async with serving(says("one")) as client:
        thread = await talked(client, title="<b>")
        page = await export(client, thread)
        assert page.headers["content-security-policy"] == f"{content_policy()}; sandbox allow-scripts allow-popups"
        assert f'content="{content_policy()}"' in page.text
        assert "<title>&lt;b&gt;</title>" in page.text
        document = await export(client, thread, format="markdown")
        assert document.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert 'filename="b.html"' in page.headers["content-disposition"]


async def test_a_log_that_has_all_of_a_thread_is_told_with_its_times() -> None:
    async with serving(build_team(0)) as client:
        thread = await talked(client)
        entries = [decode_entry(json.dumps(line)) for line in await lines_of(client, thread)]
        assert {type(entry.event).__name__ for entry in entries} >= {"TurnStart", "SubagentStart", "TurnEnd"}
        assert "**Tool** `research`: done in " in (await export(client, thread, format="markdown")).text


async def test_a_thread_of_before_a_restart_is_told_as_it_is_kept() -> None:
    graph, store = build_showcase(0), MemorySessionStore()
    async with SessionAdapter(graph, store=store) as sessions, serving(sessions) as client:
        thread = await talked(client, "The weather in Oslo?")
    async with SessionAdapter(graph, store=store) as sessions, serving(sessions) as client:
        told = await lines_of(client, thread)
        assert "seq" not in told[0]
        assert [decode(json.dumps(line)) for line in told]
        assert "crisp and clear" in (await export(client, thread)).text
        ack = await client.submit(thread, "Thank you, and some code please")
        async with client.events(thread, ack["position"]) as events:
            await events.until("turn_end")
        said = (await export(client, thread, format="markdown")).text
        assert "crisp and clear" in said
        assert "days_until" in said


async def test_a_turn_of_another_process_is_not_left_out() -> None:
    graph, store = build_showcase(0), MemorySessionStore()
    async with (
        SessionAdapter(graph, store=store) as here,
        SessionAdapter(graph, store=store) as there,
        serving(here) as client,
    ):
        thread = await talked(client, "The weather in Oslo?")
        await (await there.get(thread).submit("Some code, please")).wait()
        assert "days_until" in (await export(client, thread, format="markdown")).text


async def test_a_log_that_has_forgotten_is_not_told() -> None:
    async with SessionAdapter(build_showcase(0), max_entries=40) as sessions, serving(sessions) as client:
        thread = await talked(client, "The weather in Oslo?")
        assert sessions.get(thread).log.first > 1
        told = await lines_of(client, thread)
        assert "seq" not in told[0]
        assert told[0]["type"] == "turn_start"


async def test_what_came_back_when_a_fork_was_undone_is_told() -> None:
    async with SessionAdapter(build_showcase(0)) as sessions, serving(sessions) as client:
        thread = await talked(client, "The weather in Oslo?")
        session = sessions.get(thread)
        point = (await session.history()).transcript.messages[0].message_id
        await session.fork(point)
        await session.undo_fork()
        assert "crisp and clear" in (await export(client, thread, format="markdown")).text
        assert "seq" not in (await lines_of(client, thread))[0]


async def test_media_are_in_the_file_itself() -> None:
    async with serving(build_showcase(0)) as client:
        thread = await talked(client, "Show me a picture")
        (media,) = [line for line in await lines_of(client, thread) if line["type"] == "media"]
        assert media["data"].startswith("iVBOR")
        assert "ref" not in media


async def test_what_readers_do_not_get_is_not_in_the_file_either() -> None:
    async with serving(build_team(0)) as client:
        thread = await talked(client)
        told = await lines_of(client, thread)
        assert not [line for line in told if line["type"] == "state_delta"]
        assert not [line for line in told if "artifact" in line]


async def test_a_thread_in_which_nothing_was_said_is_an_empty_file() -> None:
    async with serving(says("one")) as client:
        thread = await client.thread()
        assert (await export(client, thread, format="jsonl")).content == b""
        assert (await export(client, thread, format="markdown")).text == "# Transcript\n"
        assert (await export(client, thread)).status_code == 200


async def test_nobody_gets_what_is_somebody_elses() -> None:
    """T-1, T-5: an export is authorized as a history is."""

    def who(request: Request) -> str | None:
        return request.headers.get("x-user")

    async with serving(says("one"), authorize=who) as client:
        client.http.headers["x-user"] = "ann"
        thread = await talked(client)
        assert (await export(client, thread)).status_code == 200
        client.http.headers["x-user"] = "bob"
        refused = await export(client, thread)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_thread")


@pytest.mark.parametrize("form", ["pdf", "", "HTML"])
async def test_another_format_is_refused(form: str) -> None:
    async with serving(says("one")) as client:
        refused = await export(client, await client.thread(), format=form)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


async def test_so_many_at_once_are_made() -> None:
    """T-4: a file is held in memory while it is made, and counts as a connection."""
    async with serving(says("one"), max_connections=1) as client:
        thread = await talked(client)
        async with client.events(thread) as events:
            await events.until("live")
            refused = await export(client, thread)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_connections")
