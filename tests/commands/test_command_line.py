"""The `langwire` command itself: usage, exit codes, standard streams and signals."""

from __future__ import annotations

import io
import os
import runpy
import signal
import sys
from importlib import import_module
from pathlib import Path

import pytest

import langwire.commands
from commands.running import QUIRKS, Run
from langwire.commands import leave, main, say


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run"], ["run", "a.py:graph", "hi", "more"], ["demo", "-x"]])
def test_wrong_arguments_are_code_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    out, err = capsys.readouterr()
    assert raised.value.code == 64
    assert out == ""
    assert err.startswith("usage: langwire")


def test_help_names_the_exit_codes_and_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for argument, expected in [("--help", "run"), ("--version", "langwire 0.")]:
        with pytest.raises(SystemExit, match="0"):
            main([argument])
        assert expected in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    assert "64 called wrongly" in " ".join(capsys.readouterr().out.split())


def test_options_may_stand_anywhere(run: Run) -> None:
    spec = f"{QUIRKS}:echo"
    for row in (("--json", spec, "hi"), (spec, "--json", "hi"), (spec, "hi", "--json")):
        assert run("run", *row).out.startswith("{")


def test_the_demo_runs_the_tour(run: Run) -> None:
    done = run("demo", "--fast")
    assert done.code == 0
    assert "That was it." in done.out
    assert done.err == ""


def test_the_message_may_come_from_standard_input(run: Run) -> None:
    assert "you said ['one\\ntwo']" in run("run", f"{QUIRKS}:echo", said="one\ntwo\n").out


@pytest.mark.parametrize("arguments", [(), ("",), ("  \n",)])
def test_an_empty_message_is_called_wrongly(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("run", f"{QUIRKS}:echo", *arguments)
    assert (done.code, done.out) == (64, "")
    assert done.lines == ["langwire: run got an empty message: say something to the agent"]


def test_at_a_terminal_a_message_is_expected(at_terminal: Run) -> None:
    done = at_terminal("echo", arguments=())
    assert (done.code, done.out) == (64, "")
    assert done.lines == ['langwire: run expected a message: langwire run SPEC "hello"']


def test_a_message_that_is_no_text_is_called_wrongly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))
    assert main(["run", f"{QUIRKS}:echo"]) == 64
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("langwire: run cannot read a message from standard input: 'utf-8' codec")


def test_streams_that_are_closed_are_read_as_empty_and_swallow_output(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["run", f"{QUIRKS}:echo"]) == 64
    assert main(["run", f"{QUIRKS}:echo", "hi"]) == 0
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


class Full(io.StringIO):
    """An output that can take no more, for whatever reason; its descriptor is that of a file."""

    def __init__(self, error: OSError, file: int) -> None:
        super().__init__()
        self.error, self.file = error, file

    def write(self, text: str, /) -> int:
        raise self.error

    def fileno(self) -> int:
        return self.file


@pytest.mark.parametrize("command", [["demo", "--fast"], ["run", f"{QUIRKS}:german", "hi"]])
@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (BrokenPipeError(32, "Broken pipe"), 0, []),
        (OSError(28, "No space left"), 1, ["langwire: cannot write to standard output: No space left"]),
    ],
)
def test_a_reader_who_left_is_no_failure_and_a_full_disk_is_one(
    command: list[str],
    error: OSError,
    code: int,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is left in the buffer goes nowhere: the file behind the output has become the null device."""
    with open(tmp_path / "output", "wb") as file:
        monkeypatch.setattr(sys, "stdout", Full(error, file.fileno()))
        assert main(command) == code
        assert [line for line in capsys.readouterr().err.splitlines() if "printed" not in line] == lines
        os.write(file.fileno(), b"lost")
    assert (tmp_path / "output").read_bytes() == b""


def test_nobody_has_to_listen_to_what_is_said_beside_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full(BrokenPipeError(), 2))
    say("hello")


def test_what_is_said_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("red \x1b[31m\nand more")
    assert capsys.readouterr().err == "langwire: red \\x1b[31m\\nand more\n"


def test_ctrl_c_stops_once_and_leaves_at_once_when_pressed_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)

    def demo(**_: object) -> int:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt

    monkeypatch.setattr("langwire.demo.tour.tour", demo)
    assert main(["demo"]) == 130
    assert codes == [130]
    assert capfd.readouterr().err == "\nlangwire: stopped without waiting\nlangwire: stopped\n"


def test_who_leaves_at_once_may_be_told_something_which_steers_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: None)
    leave(signal.SIGINT, None, "--thread \x1b[2J\ud800 goes on with it")
    said = "\nlangwire: stopped without waiting\nlangwire: --thread \\x1b[2J\\ud800 goes on with it\n"
    assert capfd.readouterr().err == said


def test_ctrl_c_stays_ignored_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr("langwire.demo.tour.tour", lambda **_: 0)
    assert main(["demo"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_python_can_run_the_package_and_import_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langwire.commands, "main", lambda: 5)
    monkeypatch.delitem(sys.modules, "langwire.__main__", raising=False)
    file = import_module("langwire.__main__").__file__
    with pytest.raises(SystemExit, match="5"):
        runpy.run_path(str(file), run_name="__main__")
