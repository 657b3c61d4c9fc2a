"""`langwire run`: what a turn prints, and which code it ends with."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from commands.running import QUIRKS, Keyboard, Run, Screen
from langwire.commands import main
from langwire.commands.telling import face_of
from langwire.core.codec import decode_entry
from langwire.core.conformance import check
from langwire.events import Entry, Event, Interrupt, TurnEnd


def events_in(out: str) -> list[Event]:
    """The events of JSON lines; their numbers must have no holes."""
    entries = [decode_entry(line) for line in out.splitlines()]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    return [entry.event for entry in entries]


@pytest.mark.parametrize(
    ("agent", "out"),
    [
        ("silent", "[complete]\n"),
        ("empty", "[complete]\n"),
        ("german", "Grüße → 你好 \\x1b[31m\n\n[complete]\n"),
        ("long", "ü" * 1_000_000 + "\n\n[complete]\n"),
    ],
)
def test_a_turn_is_told_as_plain_lines(run: Run, agent: str, out: str) -> None:
    done = run("run", f"{QUIRKS}:{agent}", "hi")
    assert (done.code, done.out) == (0, out)


def test_json_tells_the_same_turn_as_lines_that_read_back(run: Run) -> None:
    done = run("run", "--json", "langwire.demo:team", "Tell me about Rome")
    assert done.code == 0
    assert check(events_in(done.out)) == []


def test_a_thread_is_gone_on_with(run: Run) -> None:
    run("run", f"{QUIRKS}:echo", "one", "--thread", "thread-1")
    done = run("run", f"{QUIRKS}:echo", "two", "--thread", "thread-1")
    assert """you said ['one', "you said ['one']", 'two']""" in done.out


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("nowhere.py:graph", "there is no file"),
        ("no_such_module:graph", "there is no module no_such_module"),
        ("graph", "'graph' names no attribute: expected path/to/file.py:attr"),
        (f"{QUIRKS}:grpah", "has no grpah: its graphs are"),
        (f"{QUIRKS}:Unreadable", "returned a Unreadable: expected a compiled graph"),
        (f"{QUIRKS}:numbers", "this graph takes no messages: expected an object with number"),
    ],
)
def test_what_cannot_be_run_is_one_line(run: Run, spec: str, line: str) -> None:
    done = run("run", spec, "hi")
    assert (done.code, done.out) == (1, "")
    (said,) = [said for said in done.lines if "printed" not in said]
    assert said.startswith("langwire: ")
    assert line in said


@pytest.mark.parametrize(
    ("agent", "told", "line"),
    [
        ("before", "!! ValueError:", "ValueError: a first line and \\x1b[31m a second one xxx"),
        ("during", "some words", "ConnectionError: the line went dead"),
        ("after", "all words", "LookupError: nothing found"),
        ("wordless", "!! ValueError:", "ValueError"),
        ("unreadable", "!! Unreadable:", "Unreadable: (its text cannot be read)"),
        ("exits", "", "SystemExit: 7"),
        ("broken_socket", "!! BrokenPipeError:", "BrokenPipeError: the socket is gone"),
    ],
)
def test_a_graph_that_raises_is_one_line_and_code_1(run: Run, agent: str, told: str, line: str) -> None:
    done = run("run", f"{QUIRKS}:{agent}", "hi")
    assert done.code == 1
    assert done.out.startswith(told)
    (said,) = [said for said in done.lines if "printed" not in said]
    assert said.startswith(f"langwire: {line}")
    assert len(said) < 600


def test_a_traceback_is_shown_when_asked_for_and_cannot_steer_a_terminal(run: Run) -> None:
    done = run("run", f"{QUIRKS}:before", "hi", "--debug")
    assert done.code == 1
    assert "Traceback (most recent call last):" in done.lines
    assert "raise error" in done.err
    assert "\x1b" not in done.err
    assert done.lines[-1].startswith("langwire: ValueError: ")


def test_a_failed_turn_is_whole_in_json(run: Run) -> None:
    done = run("run", "--json", f"{QUIRKS}:during", "hi")
    events = events_in(done.out)
    assert done.code == 1
    assert check(events) == []
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].outcome == "error"


# ------------------------------------------------------------------ Ctrl-C


def test_ctrl_c_in_the_graph_ends_the_turn(run: Run) -> None:
    done = run("run", f"{QUIRKS}:interrupts_itself", "hi")
    assert (done.code, done.out) == (130, "[cancelled]\n")
    assert done.lines[-1] == "langwire: stopped"


class Interrupted(io.StringIO):
    """An output on which somebody presses Ctrl-C while the first word is written."""

    pressed = False

    def write(self, text: str, /) -> int:
        if text.startswith("some") and not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        return super().write(text)


def test_ctrl_c_while_an_event_is_told_ends_the_turn_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Interrupted()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["run", f"{QUIRKS}:pausing", "hi"]) == 130
    assert out.getvalue().endswith("[cancelled]\n")


# ------------------------------------------------------------------ questions without anybody there


@pytest.mark.parametrize("agent", ["asking", "stopping", "deciding"])
def test_a_question_without_a_terminal_pauses_with_code_2(run: Run, agent: str) -> None:
    done = run("run", f"{QUIRKS}:{agent}", "hi", "--thread", "thread-7")
    assert done.code == 2
    assert "[interrupted]" in done.out
    assert done.lines[-1].startswith("langwire: paused: 1 question for a person; run it in a terminal to answer")
    assert done.lines[-1].endswith("or give --db FILE, so that the thread is kept and can be answered later")


def test_the_questions_are_counted_and_whole_in_json(run: Run) -> None:
    done = run("run", "--json", f"{QUIRKS}:twice", "hi")
    events = events_in(done.out)
    assert done.code == 2
    assert "paused: 2 questions for a person" in done.lines[-1]
    assert sorted(event.value for event in events if isinstance(event, Interrupt)) == ["first?", "second?"]


def test_json_never_asks(at_terminal: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langwire.commands.run._json_lines", lambda out: lambda entry: None)
    done = at_terminal("asking", "Ann", arguments=("hi", "--json"))
    assert (done.code, done.out) == (2, "")


@pytest.mark.skipif(os.name != "posix", reason="needs a Unix terminal")
def test_what_was_typed_ahead_answers_no_question(monkeypatch: pytest.MonkeyPatch, at_terminal: Run) -> None:
    master, slave = os.openpty()
    monkeypatch.setattr(Keyboard, "fileno", lambda _: slave)
    os.write(master, b"a\n")
    assert at_terminal("deciding", "reject", "").code == 0
    os.set_blocking(slave, False)
    with pytest.raises(BlockingIOError):
        os.read(slave, 1)
    os.close(master)
    os.close(slave)


def test_an_agent_without_a_checkpointer_can_be_answered_while_the_program_runs(at_terminal: Run, run: Run) -> None:
    done = at_terminal("forgetful", "Ann", arguments=("hi", "--thread", "thread-1"))
    assert done.code == 0
    assert "got 'Ann'" in done.out
    later = run("run", f"{QUIRKS}:forgetful", "hi")
    assert later.code == 2
    assert later.lines[-1].endswith("give --db FILE, so that the thread is kept and can be answered later")


# ------------------------------------------------------------------ standard output is ours


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_what_an_agent_and_its_subprocesses_print_stays_out_of_the_output(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent is given the real descriptors: two files stand for the streams of a process."""
    with open(tmp_path / "out", "w+", encoding="ascii") as out, open(tmp_path / "err", "w+", encoding="utf-8") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "__stdout__", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setattr(os, "system", lambda _: os.write(out.fileno(), b"printed by a subprocess\n"))
        assert main(["run", *arguments, f"{QUIRKS}:printing", "hi"]) == 0
        out.write("ours again\n")
    told, beside = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert "hello" in told
    assert "printed" not in told
    assert told.endswith("ours again\n")
    assert {"printed at run", "printed by a subprocess"} <= set(beside.splitlines())


@pytest.mark.parametrize(("term", "extra"), [("dumb", True), ("xterm", False)])
def test_a_terminal_that_can_little_and_one_without_the_extra_get_plain_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, extra: bool
) -> None:
    loaded = [name for name in sys.modules if name.startswith("langwire.adapters.cli.")]
    for name in {*loaded} - {"langwire.adapters.cli.asking", "langwire.adapters.cli._editor"}:
        monkeypatch.delitem(sys.modules, name)
    for name in () if extra else ("rich", *(name for name in sys.modules if name.startswith("rich."))):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("TERM", term)
    screen = Screen()
    face_of(screen)(Entry(seq=1, at_ms=0, event=TurnEnd(outcome="complete")))
    assert screen.getvalue() == "[complete]\n"
