"""A server that is killed and started again, and two servers on one file: what a client has in the end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from server.server_process import WORDS
from server.wire_client import Page, Person, Wire
from server.wire_processes import person_at, started


def let_go(folder: Path) -> None:
    """Let the agent that waits go on."""
    (folder / "go").write_bytes(b"go")


async def kept(person: Person, thread: str) -> list[tuple[str, str]]:
    """Return who said what by the checkpoint."""
    page = Page()
    page.past = await person.history(thread)
    return page.said


def is_end_of_a_turn(frame: Wire) -> bool:
    """Whether a turn has ended, and not the past been told."""
    return frame["type"] == "turn_end" and "seq" in frame


def is_last_word(frame: Wire) -> bool:
    """Whether the agent waits now, or goes on."""
    return bool(frame.get("text") == f"word{WORDS - 1} ")


WHOLE = "".join(f"word{number} " for number in range(WORDS)) + "re: wait"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "go")
    return tmp_path


@pytest.mark.parametrize("way", ["socket", "events"])
async def test_a_client_of_a_server_that_was_killed_in_mid_turn_ends_with_what_the_checkpoint_holds(
    folder: Path, way: str
) -> None:
    """F-W2, I4: its position is of a log that is gone, so it gets `reset`, the past, and what comes then."""
    async with started(folder) as server, person_at(server) as person:
        thread = await person.thread()
        async with getattr(person, way)(thread) as reader:
            await reader.until("live")
            await person.submit(thread, "hello")
            await reader.until("turn_end")
            await person.submit(thread, "wait")
            await reader.until(is_last_word)
            while (await person.state(thread)).get("next") != ["say"]:
                pass  # the checkpoint with what was said is still being written
            await server.kill()
            page = reader.page.goes_on()
    (folder / "goes_on").touch()
    assert page.position is not None
    async with started(folder) as server, person_at(server) as person:
        assert (await person.state(thread))["unfinished"] is True
        async with getattr(person, way)(thread, page) as reader:
            await reader.until("live")
            assert (page.resets, page.hello["unfinished"], page.hello.get("running")) == (["foreign"], True, None)
            assert page.said == await kept(person, thread)
            assert page.said[-1] == ("user", "wait")
            answer = await person.ask("POST", f"/threads/{thread}/continue", {})
            assert answer.status_code == 202, answer.text
            assert (await reader.until(is_end_of_a_turn))["outcome"] == "complete"
            assert page.resets == ["foreign", "elsewhere"]  # what ran there will not end any more
            assert page.said == await kept(person, thread)
            assert page.said[-2:] == [("user", "wait"), ("assistant", WHOLE)]
        assert "unfinished" not in await person.state(thread)


async def test_a_question_waits_through_a_kill_and_is_answered_at_the_new_server(folder: Path) -> None:
    """T-8: nobody is asked twice, and the answer is taken once."""
    async with started(folder) as server, person_at(server) as person:
        thread = await person.thread()
        async with person.socket(thread) as socket:
            await socket.submit("pay")
            end = await socket.until("turn_end")
            assert end["outcome"] == "interrupted"
    async with started(folder) as server, person_at(server) as person:
        page = socket.page.goes_on()
        async with person.socket(thread, page) as socket:
            await socket.until("live")
            [question] = [event for event in page.past if event["type"] == "interrupt"]
            assert [question["id"]] == end["interrupts"]
            answers = {question["id"]: "yes"}
            assert (await socket.ask("resume", answers=answers))["type"] == "ack"
            assert (await socket.until("turn_end"))["outcome"] == "complete"
            again = await socket.ask("resume", answers=answers)
            assert (again["type"], again["code"]) == ("error", "already_answered")


@pytest.mark.parametrize("way", ["socket", "events"])
async def test_a_client_of_another_process_gets_the_past_and_then_what_came_of_the_turn(folder: Path, way: str) -> None:
    """I4: two processes on one file, and nothing that sends a thread to its own."""
    async with started(folder) as one, started(folder) as two, person_at(one) as here, person_at(two) as there:
        thread = await here.thread()
        async with here.socket(thread) as reader, getattr(there, way)(thread) as other:
            assert "unfinished" not in await other.until("hello")
            await other.until("live")
        async with here.socket(thread) as reader:
            await reader.submit("hello")
            await reader.until("turn_end")
            await reader.submit("wait")
            await reader.until(is_last_word)
            async with getattr(there, way)(thread) as other:
                page = other.page
                hello = await other.until("hello")
                assert (hello["unfinished"], hello.get("running")) == (True, None)
                await other.until("live")
                assert ("user", "hello") in page.said
                assert page.resets == ["new"]
                state = await there.state(thread)
                assert (state["unfinished"], state.get("running")) == (True, None)
                await asyncio.to_thread(let_go, folder)
                assert (await reader.until("turn_end"))["outcome"] == "complete"
                reset = await other.until("reset")
                assert reset["reason"] == "elsewhere"
                await other.until("live")
                assert page.said == await kept(there, thread) == await kept(here, thread)
                assert page.said[-2:] == [("user", "wait"), ("assistant", WHOLE)]
                assert "unfinished" not in await there.state(thread)
                # From here on the thread is at home in the second process as well.
                await there.submit(thread, "again")
                assert (await other.until(is_end_of_a_turn))["outcome"] == "complete"
                assert page.said == await kept(there, thread)


async def test_a_position_of_one_process_is_foreign_to_the_other(folder: Path) -> None:
    """I4."""
    async with started(folder) as one, started(folder) as two, person_at(one) as here, person_at(two) as there:
        thread = await here.thread()
        async with here.socket(thread) as reader:
            await reader.submit("hello")
            await reader.until("turn_end")
        page = reader.page.goes_on()
        async with there.socket(thread, page) as other:
            await other.until("live")
            assert page.resets == ["foreign"]
            assert page.said == await kept(there, thread) == await kept(here, thread)
            assert len(page.said) == 2
