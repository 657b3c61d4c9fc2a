"""What is true of a thread after its process was killed: the question, the answer, the outcome. In SQLite files."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from langwire import SessionAdapter, SQLiteSessionStore
from langwire.errors import AlreadyAnswered, AlreadySubmitted, InterruptOpen, InvalidDecision
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn
from langwire.testing import ScriptedModel, text

HANGS = "# it hangs here"
MODEL = ScriptedModel(script=[lambda prompt: text("re: ", prompt[-1].text)])


def build(folder: Path, saver: Any) -> Any:
    """An agent that hangs, fails or pays, as it is told. It asks before it pays, and keeps in a file what it paid."""

    async def chat(state: MessagesState) -> dict[str, Any]:
        words = state["messages"][-1].text
        await _maybe_hang(words == "hang")
        if words == "fail":
            raise ValueError("a secret")
        if words == "pay":
            answer = interrupt("pay?")
            await _maybe_hang(answer == "slow" and not (folder / "restarted").exists())
            with (folder / "paid").open("a") as file:
                file.write(f"{answer}\n")
        return {"messages": [await MODEL.ainvoke(state["messages"])]}

    async def after(state: MessagesState) -> None:
        await _maybe_hang(state["messages"][-1].text == "re: pay" and (folder / "late").exists())

    builder = StateGraph(MessagesState)
    builder.add_node("chat", chat)
    builder.add_node("after", after)
    builder.add_edge(START, "chat")
    builder.add_edge("chat", "after")
    return builder.compile(checkpointer=saver)


async def _maybe_hang(hangs: bool) -> None:
    if hangs:
        _say(HANGS)
        await asyncio.Event().wait()


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[SessionAdapter]:
    """The sessions of the agent, over the checkpoints and records in a folder: in one file, or one for each."""
    checkpoints = "all.db" if (folder / "together").exists() else "checkpoints.db"
    async with (
        AsyncSqliteSaver.from_conn_string(str(folder / checkpoints)) as saver,
        SessionAdapter(build(folder, saver), SQLiteSessionStore(folder / "all.db"), **options) as sessions,
    ):
        yield sessions


async def play(folder: Path, script: list[str]) -> None:
    """What the process does that is going to be killed: `thread word [answer]` for each turn, then it hangs.

    Checkpoints are written before a run goes on: otherwise a kill may come before they are.
    """
    async with opened(folder) as sessions:
        for line in script:
            thread, word, *answers = line.split()
            session = sessions.get(thread)
            turn = await session.submit(word, client_message_id=word, principal="ann", durability="sync")
            for answer in answers:
                await turn.wait()
                turn = await session.resume({turn.interrupts[0].id: answer}, decided_by="Ann", durability="sync")
            if word == "cancel":
                await session.cancel("enough")
            await turn.wait()
        await _maybe_hang(True)


def killed(folder: Path, *script: str) -> None:
    """Run the script in a process of its own until it hangs, and kill it there."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, str(folder), *script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == HANGS
        finally:
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (folder / "restarted").touch()


@pytest.fixture(params=["together"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / request.param).touch()
    return tmp_path


async def said(session: Session) -> list[str]:
    return [message.text for message in (await session.history()).transcript.messages]


async def done(turn: Turn) -> Turn:
    await turn.wait()
    assert turn.outcome == "complete", turn.exception
    await turn.ended()
    return turn


def paid(folder: Path) -> list[str]:
    file = folder / "paid"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("folder", ["together", "apart"], indirect=True)
async def test_a_question_waits_for_its_answer_through_a_kill(folder: Path) -> None:
    killed(folder, "t pay")
    async with opened(folder) as sessions:
        session = sessions.get("t")
        state = await session.state()
        (question,) = state.interrupts
        assert (question.value, state.outcome, state.unfinished, state.running) == ("pay?", "interrupted", False, None)
        assert (session.outcome, session.interrupts, state.owner, state.title) == (
            "interrupted",
            (question,),
            "ann",
            "pay",
        )
        history = await session.history()
        assert [message.text for message in history.transcript.messages] == ["pay"]
        assert history.transcript.interrupts == (question,)
        assert (history.transcript.outcome, history.position) == ("interrupted", f"{session.log.id}:0")
        with pytest.raises(InterruptOpen, match=question.id):
            await session.submit("more")
        await done(await session.resume({question.id: "yes"}))
        with pytest.raises(InvalidDecision, match="was answered by"):
            await session.resume({question.id: "yes"})
        assert paid(folder) == ["yes"]
        assert await said(session) == ["pay", "re: pay"]
        assert session.outcome == "complete"


async def test_an_answer_that_was_given_before_a_kill_is_kept_and_given_again_by_continuing(folder: Path) -> None:
    """The process dies with the answer in its hands: nobody answers a second time, and it is paid once."""
    killed(folder, "t pay slow")
    async with opened(folder) as sessions:
        session = sessions.get("t")
        state = await session.state()
        assert (state.unfinished, state.outcome, state.interrupts) == (True, "interrupted", ())
        record = await sessions.options.store.get("t")
        assert record is not None
        (answer,) = record.answers
        assert (answer.value, answer.decided_by, answer.at_ms >= record.created_ms) == ("slow", "Ann", True)
        for again in ("slow", "no"):
            with pytest.raises(AlreadyAnswered, match=r"answered by Ann; .*continue_\(\) goes on"):
                await session.resume({answer.interrupt_id: again})
        assert paid(folder) == []
        turn = await done(await session.continue_())
        assert (turn.cause, paid(folder)) == ("resume", ["slow"])
        assert await said(session) == ["pay", "re: pay"]
        state = await session.state()
        assert (state.unfinished, state.outcome) == (False, "complete")


async def test_what_was_paid_before_a_kill_is_not_paid_again_by_continuing(folder: Path) -> None:
    """The process dies in a later node of the turn that was resumed."""
    (folder / "late").touch()
    killed(folder, "t pay yes")
    (folder / "late").unlink()
    assert paid(folder) == ["yes"]
    async with opened(folder) as sessions:
        session = sessions.get("t")
        record = await sessions.options.store.get("t")
        assert record is not None
        with pytest.raises(AlreadyAnswered, match="answered by Ann"):
            await session.resume({record.answers[0].interrupt_id: "yes"})
        turn = await done(await session.continue_())
        assert (turn.cause, paid(folder)) == ("continue", ["yes"])
        assert await said(session) == ["pay", "re: pay"]
        await done(await session.submit("more"))
        assert await said(session) == ["pay", "re: pay", "more", "re: more"]


async def test_a_turn_that_died_is_unfinished_and_the_next_one_goes_on(folder: Path) -> None:
    killed(folder, "t hello", "t hang")
    async with opened(folder) as sessions:
        session = sessions.get("t")
        state = await session.state()
        assert (state.unfinished, state.running, state.outcome) == (True, None, "complete")
        assert await said(session) == ["hello", "re: hello", "hang"]
        for message in ("hello", "hang"):
            with pytest.raises(AlreadySubmitted, match=f"message '{message}' was taken by turn"):
                await session.submit(message, client_message_id=message)
        turn = await done(await session.submit("next", client_message_id="next"))
        state = await session.state()
        assert (state.unfinished, state.outcome) == (False, "complete")
        assert await said(session) == ["hello", "re: hello", "hang", "next", "re: next"]
    async with opened(folder) as sessions:
        with pytest.raises(AlreadySubmitted) as raised:
            await sessions.get("t").submit("next", client_message_id="next")
        assert raised.value.turn_id == turn.id


async def test_the_outcome_of_each_thread_is_known_after_a_kill(folder: Path) -> None:
    """The list of threads stands on it."""
    killed(folder, "a hello", "b fail", "c cancel", "d pay", "e pay no")
    async with opened(folder) as sessions:
        records = {record.thread_id: record for record in (await sessions.list(owner="ann")).records}
        for thread, outcome, code in (
            ("a", "complete", None),
            ("b", "error", "ValueError"),
            ("c", "cancelled", None),
            ("d", "interrupted", None),
            ("e", "complete", None),
        ):
            session, record = sessions.get(thread), records[thread]
            state = await session.state()
            assert (state.outcome, session.outcome, record.outcome) == (outcome,) * 3
            assert state.error == session.error == record.error
            assert (state.error and state.error.code, state.unfinished) == (code, False)
            assert len(state.interrupts) == (outcome == "interrupted")
        error = records["b"].error
        assert error is not None
        assert (error.id, "secret" in error.message) == (records["b"].turn_id, False)


if __name__ == "__main__":
    asyncio.run(play(Path(sys.argv[1]), sys.argv[2:]))
