"""The real command at a real terminal: prompts, line editing, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

from commands.running import NOISE, QUIRKS

if os.name != "posix":
    pytest.skip("needs a Unix terminal", allow_module_level=True)

import fcntl
import pty
import termios

# A terminal's Ctrl-C only reaches those whose terminal it is.
CHILD = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from langwire.commands import main
sys.exit(main())
"""
STYLES = re.compile(r"\x1b\[[?\d;]*[a-zA-Z]")
BACKSPACE, CTRL_C, CTRL_D = "\x7f", "\x03", "\x04"
PLAIN = {"TERM": "dumb", "COLUMNS": "", "NO_COLOR": "", "VISUAL": "", "EDITOR": ""}
"""A terminal that takes plain lines, and a person without an editor."""
PATIENCE = 5
"""How long nothing has to be shown until a key is pressed again, in seconds."""


class Terminal:
    """A command at a terminal of its own; reading waits for what is expected."""

    def __init__(self, *arguments: str, width: int = 200, **environment: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, **PLAIN, **environment},
        )
        os.close(slave)
        self.raw = b""
        self._read = 0

    @property
    def screen(self) -> str:
        """All that was shown so far, without styles."""
        return STYLES.sub("", NOISE.sub(b"", self.raw).decode(errors="replace")).replace("\r\n", "\n")

    def expect(self, marker: str) -> None:
        """Read until the marker comes behind what was expected before."""
        while (at := self.screen.find(marker, self._read)) < 0:
            assert self._more(), f"no {marker!r} in {self.screen[self._read :]!r}"
        self._read = at + len(marker)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C until something comes of it: between its prompt and its waiting, line editing misses one."""
        shown = len(self.raw)
        while self.raw[shown:].strip(b"^C") == b"":
            self.type(CTRL_C)
            while select.select([self._master], [], [], PATIENCE)[0] and self._more():
                pass

    def code(self) -> int:
        """Read to the end and return the exit code."""
        while self._more():
            pass
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _more(self) -> bool:
        try:
            new = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.raw += new
        return bool(new)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal() -> Iterator[Open]:
    opened: list[Terminal] = []

    def open(*arguments: str, width: int = 200, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, width=width, **environment))
        return opened[-1]

    yield open
    for each in opened:
        each.close()


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        (["a"], "<- send_email: Sent to ann@example.org."),
        (["rej", "too late"], "!! send_email: You said no: too late."),
        (["maybe", "res", "shorter"], "<- send_email: shorter"),
    ],
)
def test_a_person_decides(terminal: Open, typed: list[str], result: str) -> None:
    at = terminal("run", "langwire.demo:approval", "Write to Ann")
    for line in typed:
        at.expect("[res]pond? " if line != typed[-1] or len(typed) == 1 else ": ")
        at.type(f"{line}\r")
    at.expect(result)
    assert at.code() == 0
    assert "[complete]" in at.screen


@pytest.mark.skipif(find_spec("readline") is None, reason="needs line editing")
def test_the_line_to_edit_begins_with_the_arguments_there_are(terminal: Open) -> None:
    at = terminal("run", f"{QUIRKS}:deciding", "hi")
    at.expect("[res]pond? ")
    at.type("e\r")
    at.expect(r'an empty line goes back): {"to": "zo')
    at.expect(r'\u202e", "n": 0}')
    at.type(f"{BACKSPACE}\r")
    at.expect("that is not JSON: ")
    at.expect('"n": 0')
    at.type(f"{BACKSPACE}5}}\r")
    at.expect(r"\u202e', 'n': 5}")
    assert at.code() == 0


def test_ctrl_d_at_a_prompt_leaves_the_question_open(terminal: Open) -> None:
    at = terminal("run", f"{QUIRKS}:asking", "hi")
    at.expect("answer: ")
    at.type(CTRL_D)
    assert at.code() == 2
    assert at.screen.splitlines()[-1].startswith("langwire: left waiting: ")


def test_ctrl_c_at_a_prompt_is_one_line(terminal: Open) -> None:
    at = terminal("run", f"{QUIRKS}:asking", "hi")
    at.expect("answer: ")
    at.press_ctrl_c()
    assert at.code() == 130
    assert at.screen.splitlines()[-1] == "langwire: stopped"
    assert "Traceback" not in at.screen


def test_ctrl_c_while_it_streams_ends_the_turn(terminal: Open) -> None:
    at = terminal("run", f"{QUIRKS}:waiting", "hi")
    at.expect("and then")
    at.press_ctrl_c()
    at.expect("[cancelled]\nlangwire: stopped\n")
    assert at.code() == 130
    assert "Traceback" not in at.screen


def test_ctrl_c_stops_the_demo_in_one_line(terminal: Open) -> None:
    at = terminal("demo")
    at.expect("ReasoningDelta")
    at.press_ctrl_c()
    assert at.code() == 130
    assert at.screen.splitlines()[-1] == "langwire: stopped"
    assert "Traceback" not in at.screen


@pytest.mark.parametrize("width", [40, 120])
def test_the_demo_fits_the_terminal(terminal: Open, width: int) -> None:
    at = terminal("demo", "--fast", width=width, TERM="xterm")
    assert at.code() == 0
    assert max(map(len, at.screen.splitlines())) <= width
    assert b"\x1b[1m" in at.raw


@pytest.mark.skipif(find_spec("rich") is None, reason="needs the extra")
def test_a_terminal_that_can_is_told_live(terminal: Open) -> None:
    """The same questions, the same answers, with styles."""
    at = terminal("run", "langwire.demo:approval", "Write to Ann", TERM="xterm")
    at.expect("[res]pond? ")
    at.type("a\r")
    at.expect("Done. Sent to ann@example.org.")
    assert at.code() == 0
    assert b"\x1b[1m" in at.raw
    assert "[complete]" not in at.screen
