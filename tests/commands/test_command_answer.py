"""Answering at the terminal: what is asked, what may be typed, and what the agent gets."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.running import QUIRKS, Run, Screen
from langwire.commands import answer
from langwire.events import Action, Interrupt

APPROVED = {"type": "approve"}
EDITED = {"type": "edit", "edited_action": {"name": "send", "args": {"to": "Bob"}}}


@pytest.mark.parametrize(
    ("typed", "got"), [("Ann", "'Ann'"), ("", "''"), ("[1, 2]", "[1, 2]"), ("true", "True"), ('"5"', "'5'")]
)
def test_a_value_is_json_where_it_is_json_else_text(at_terminal: Run, typed: str, got: str) -> None:
    done = at_terminal("asking", typed)
    assert done.code == 0
    assert "answer (text or JSON): " in done.out
    assert f"got {got}\n\n[complete]" in done.out


def test_a_breakpoint_is_left_with_enter(at_terminal: Run) -> None:
    done = at_terminal("stopping", "")
    assert done.code == 0
    assert "press Enter to go on " in done.out
    assert "through" in done.out


def test_several_questions_are_told_and_then_asked_by_number(at_terminal: Run) -> None:
    """Parallel nodes ask in any order."""
    told = at_terminal("twice", "one", "two").out
    first, second = told.index("(1 of 2) answer"), told.index("(2 of 2) answer")
    assert max(told.index("?? first?"), told.index("?? second?")) < first < second
    assert second < min(told.index("got 'one'"), told.index("got 'two'"))


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        (["a"], APPROVED),
        (["Approve"], APPROVED),
        (["appr"], APPROVED),
        (["", "a"], APPROVED),
        (["e", '{"to": "Bob"}'], EDITED),
        (["e", "", "a"], APPROVED),
        (["e", "{", "[]", '{"to": "Bob"}'], EDITED),
        (["rej", ""], {"type": "reject"}),
        (["reject", "too late"], {"type": "reject", "message": "too late"}),
        (["res", "shorter"], {"type": "respond", "message": "shorter"}),
        (["res", "", "a"], APPROVED),
    ],
)
def test_each_decision_can_be_made(at_terminal: Run, typed: list[str], decision: Any) -> None:
    done = at_terminal("deciding", *typed)
    assert done.code == 0
    assert "send: [a]pprove / [e]dit / [rej]ect / [res]pond? " in done.out
    assert f"got { ({'decisions': [decision]})!r}" in done.out


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("r", "expected one of approve, edit, reject, respond, or the letters in brackets\n"),
        ("approved", "expected one of approve"),
        ("yes", "expected one of approve"),
    ],
)
def test_an_unknown_decision_is_asked_again(at_terminal: Run, typed: str, line: str) -> None:
    done = at_terminal("deciding", typed, "a")
    assert done.code == 0
    assert line in done.out
    assert done.out.count("send: [a]pprove") == 2


@pytest.mark.parametrize(
    ("typed", "line"), [("{", "that is not JSON: "), ("[]", "expected a JSON object with the new arguments")]
)
def test_arguments_that_fit_nothing_are_asked_again(at_terminal: Run, typed: str, line: str) -> None:
    done = at_terminal("deciding", "e", typed, '{"to": "Bob"}')
    assert done.code == 0
    assert line in done.out


def test_only_allowed_decisions_are_offered_action_by_action(at_terminal: Run) -> None:
    done = at_terminal("two_actions", "e", "r", "no", "a")
    assert "(1 of 2) send: [a]pprove / [r]eject? " in done.out
    assert "expected one of approve, reject, or" in done.out
    assert "(2 of 2) send: [a]pprove / [e]dit / [rej]ect / [res]pond? " in done.out
    assert f"got { ({'decisions': [{'type': 'reject', 'message': 'no'}, APPROVED]})!r}" in done.out


@pytest.mark.parametrize(
    ("agent", "typed", "got"),
    [
        ("no_actions", [], "{'decisions': []}"),
        ("per_call", ["a"], "{'type': 'approve'}"),
        ("older", ["a"], "[{'type': 'accept', 'args': None}]"),
    ],
)
def test_every_shape_of_question_gets_an_answer_of_its_shape(
    at_terminal: Run, agent: str, typed: list[str], got: str
) -> None:
    done = at_terminal(agent, *typed)
    assert done.code == 0
    assert f"got {got}" in done.out


def test_who_leaves_at_the_end_of_input_leaves_the_question_open(at_terminal: Run) -> None:
    done = at_terminal("asking", arguments=("hi", "--thread", "thread-8"))
    assert done.code == 2
    assert done.out.endswith("answer (text or JSON): \n")
    assert done.lines[-1].startswith("langwire: left waiting: give --db FILE")


def test_a_file_keeps_the_question_for_the_next_time(at_terminal: Run, run: Run, tmp_path: Path) -> None:
    kept = ("--thread", "thread-8", "--db", str(tmp_path / "chat.db"))
    left = at_terminal("asking", arguments=("hi", *kept))
    assert left.code == 2
    assert left.lines[-1].endswith(f"quirks.py:asking {' '.join(kept)} asks again")
    waits = run("run", f"{QUIRKS}:asking", "hello?", *kept)
    assert (waits.code, waits.out) == (2, "")
    assert waits.lines[-1] == (
        "langwire: thread thread-8 waits for an answer: run it without a message, in a terminal, to give one"
    )
    answered = at_terminal("asking", "Ann", arguments=kept)
    assert answered.code == 0
    assert answered.out.startswith("?? Your name?\n")
    assert "got 'Ann'" in answered.out
    nothing_open = at_terminal("asking", "Bob", arguments=kept)
    assert (nothing_open.code, "got" in nothing_open.out) == (0, False)


def test_a_file_that_is_none_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, " * 100)
    done = run("run", f"{QUIRKS}:echo", "hi", "--db", str(tmp_path / "notes.txt"))
    assert (done.code, done.out) == (1, "")
    assert "notes.txt" in done.lines[-1]


def test_a_new_thread_in_a_file_is_named(run: Run, tmp_path: Path) -> None:
    db = str(tmp_path / "chat.db")
    done = run("run", f"{QUIRKS}:echo", "one", "--db", db)
    assert done.code == 0
    thread = done.lines[-1].removeprefix("langwire: this was thread ").partition(":")[0]
    assert run("run", f"{QUIRKS}:echo", "two", "--thread", thread, "--db", db).out.startswith(
        "you said ['one', \"you said ['one']\", 'two']"
    )


def test_a_thread_without_a_message_asks_its_open_question_again(at_terminal: Run) -> None:
    at_terminal("asking", arguments=("hi", "--thread", "thread-9"))
    done = at_terminal("asking", "Ann", arguments=("--thread", "thread-9"))
    assert done.code == 0
    assert "got 'Ann'" in done.out


def test_ctrl_c_at_a_prompt_ends_its_line_and_the_program(at_terminal: Run) -> None:
    done = at_terminal("asking", KeyboardInterrupt())
    assert done.code == 130
    assert done.out.endswith("answer (text or JSON): \n")
    assert done.lines[-1] == "langwire: stopped"


def test_a_line_that_is_no_text_is_asked_again(at_terminal: Run) -> None:
    done = at_terminal("asking", UnicodeDecodeError("ascii", b"\xfc", 0, 1, "ordinal not in range"), "Ann")
    assert done.code == 0
    assert "expected text in " in done.out
    assert "got 'Ann'" in done.out


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8", r'{"to": "zoë\u202e", "n": 1}'), ("ascii", r'{"to": "zo\u00eb\u202e", "n": 1}')],
)
def test_the_line_to_edit_begins_with_the_arguments_there_are(
    encoding: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a terminal would obey or cannot show is escaped, and reads back as it was."""
    begun: list[str] = []
    lines = iter(["e", text])
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(answer, "_begin_with", begun.append)
    monkeypatch.setattr("builtins.input", lambda _: next(lines))
    args = {"to": "zoë\u202e", "n": 1}
    question = Interrupt(id="1", kind="approval_batched", actions=(Action(name="send", args=args),))
    (decision,) = answer.ask([question])["1"]
    assert begun == ["", text]
    assert decision.args == json.loads(text) == args


def test_without_line_editing_one_types_all_of_it(monkeypatch: pytest.MonkeyPatch, at_terminal: Run) -> None:
    monkeypatch.setattr(answer, "readline", None)
    assert at_terminal("deciding", "e", '{"to": "Bob"}').code == 0


def test_a_prompt_shows_a_name_that_cannot_steer_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n"))
    answer.ask([Interrupt(id="1", kind="approval_batched", actions=(Action(name="send\x1b[31m\n"),))])
    assert screen.getvalue().startswith("send\\x1b[31m\\n: [a]pprove")
