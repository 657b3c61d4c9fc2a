"""The command line in this process, with streams that a test makes."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator

import pytest

from commands.running import QUIRKS, Done, Keyboard, Run, Screen
from langwire.commands import main


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command keeps its hand on Ctrl-C, and a spec its folder on the path, until the process ends.

    Background jobs of a shell begin with SIGINT ignored, and so would the commands that the tests start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command without a terminal; `said` is what standard input has."""

    def run(*arguments: str, said: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        capsys.readouterr()
        code = main(arguments)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an agent of `quirks.py` at a terminal where these lines are typed."""

    def run(agent: str, *typed: str | BaseException, arguments: tuple[str, ...] = ("hi",)) -> Done:
        screen = Screen()
        monkeypatch.setenv("TERM", "dumb")  # which takes plain lines
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.delenv("EDITOR", raising=False)
        monkeypatch.setattr(sys, "stdin", Keyboard(*typed))
        monkeypatch.setattr(sys, "stdout", screen)
        capsys.readouterr()
        code = main(["run", f"{QUIRKS}:{agent}", *arguments])
        return Done(code, screen.getvalue(), capsys.readouterr().err)

    return run
