"""The real `langwire chat` at a real terminal, which tmux draws: what a person sees, and what their keys do."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

if shutil.which("tmux") is None and not os.environ.get("LANGWIRE_WHOLE"):
    pytest.skip("needs tmux", allow_module_level=True)
pytest.importorskip("prompt_toolkit")
pytest.importorskip("rich")

AGENTS = Path(__file__).parents[1] / "commands" / "agents"
QUIRKS, SLOW = AGENTS / "quirks.py", AGENTS / "slow.py"
APPROVAL = "langwire.demo:approval"
PATIENCE = 40.0
"""How long something may take to be shown, in seconds."""
CHOICE = "send_email: [a]pprove / [e]dit / [rej]ect / [res]pond?"


class Terminal:
    """A shell in a tmux of its own."""

    def __init__(self, folder: Path, *, width: int, height: int, **environment: str) -> None:
        self._socket = f"langwire-{uuid4().hex[:12]}"
        self._folder = folder
        given = {"XDG_STATE_HOME": str(folder), "PS1": "$ ", "VISUAL": "", "EDITOR": "", **environment}
        size = ["-x", str(width), "-y", str(height)]
        options = [f"-e{name}={value}" for name, value in given.items()]
        shell = ["bash", "--norc", "--noprofile"]
        self._tmux("-f", os.devnull, "new-session", "-d", *size, "-c", str(folder), *options, *shell)

    @property
    def screen(self) -> str:
        """What is on the screen now, without the blanks at the ends of lines."""
        return self._tmux("capture-pane", "-p")

    def chat(self, *arguments: str) -> None:
        """Begin a conversation, and wait until it takes a message."""
        self.run(shlex.join([sys.executable, "-W", "ignore", "-m", "langwire", "chat", *arguments]))
        self.expect("tokens in")

    def run(self, command: str) -> None:
        self.type("clear", "Enter")
        self.type(command, "Enter")

    def type(self, *keys: str) -> None:
        """Press keys: a name that tmux knows, or a text."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def expect(self, *texts: str, gone: str = "") -> str:
        """Wait until all texts are on the screen, and `gone` is not; return the screen."""
        end = time.monotonic() + PATIENCE
        while True:
            screen = self.screen
            if all(text in screen for text in texts) and not (gone and gone in screen):
                return screen
            assert time.monotonic() < end, f"expected {texts} without {gone!r} in:\n{screen}"
            time.sleep(0.05)  # tmux gives no sign when the screen has changed

    @property
    def cursor_is_shown(self) -> bool:
        return self._tmux("display-message", "-p", "#{cursor_flag}") == "1\n"

    def close(self) -> None:
        socket = Path(self._tmux("display-message", "-p", "#{socket_path}").strip())
        self._tmux("kill-server")
        socket.unlink(missing_ok=True)  # tmux leaves it

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._socket, *arguments], capture_output=True, text=True, check=True)
        return done.stdout


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open(*, width: int = 100, height: int = 40, **environment: str) -> Terminal:
        opened.append(Terminal(tmp_path, width=width, height=height, **environment))
        return opened[-1]

    yield open
    for each in opened:
        each.close()


def test_a_person_approves(terminal: Open) -> None:
    """F-C2: every argument is on the screen before the question is asked."""
    at = terminal()
    at.chat(APPROVAL)
    at.type("Write to Ann", "Enter")
    screen = at.expect(CHOICE)
    for shown in ("ann@example.org", "A note for you", "I was asked to tell you: Write to Ann"):
        assert shown in screen
    at.type("a", "Enter")
    at.expect("Sent to ann@example.org.", "Done.", "19 tokens in, 14 out")


def test_a_person_edits_the_arguments_in_their_editor(terminal: Open, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/ann@/bob@/ "$1"\n')
    editor.chmod(0o755)
    at = terminal(EDITOR=str(editor))
    at.chat(APPROVAL)
    at.type("Write to Ann", "Enter")
    at.expect(CHOICE)
    at.type("e", "Enter")
    at.expect("Sent to bob@example.org")


def test_a_person_rejects_and_says_why(terminal: Open) -> None:
    at = terminal()
    at.chat(APPROVAL)
    at.type("Write to Ann", "Enter")
    at.expect(CHOICE)
    at.type("?", "Enter")
    at.expect("send_email {")
    at.type("rej", "Enter")
    at.expect("why (Enter for no reason):")
    at.type("too late", "Enter")
    at.expect("You said no: too late", "tokens in")


def test_what_is_typed_before_a_question_is_there_does_not_answer_it(terminal: Open) -> None:
    at = terminal()
    at.chat(APPROVAL)
    at.type("Write to Ann", "Enter", "a", "Enter")
    at.expect(CHOICE)
    at.type("C-d")
    at.expect("left open: /answer asks again")
    assert "Sent to" not in at.screen


def test_ctrl_c_stops_a_turn_and_the_prompt_is_back(terminal: Open) -> None:
    at = terminal()
    at.chat(f"{QUIRKS}:waiting")
    at.type("hi", "Enter")
    at.expect("and then")
    at.type("C-c")
    at.expect("stopped with Ctrl-C", "tokens in")
    at.type("/usage", "Enter")
    at.expect("0 tokens in, 0 out\n")
    at.type("half a line", "C-c")
    at.expect("Ctrl-C again or Ctrl-D leaves")
    at.type("C-c")
    at.expect("--db FILE to keep your threads")
    assert_usable(at)


def test_a_second_ctrl_c_leaves_what_cannot_be_stopped(terminal: Open) -> None:
    at = terminal()
    at.chat(f"{SLOW}:deaf")
    at.type("hi", "Enter")
    at.expect("and then")
    at.type("C-c")
    at.expect("I go on")
    at.type("C-c")
    at.expect("langwire: stopped without waiting")
    assert_usable(at)


def assert_usable(at: Terminal) -> None:
    """The shell has its terminal back: it shows what is typed, and the cursor."""
    at.run("stty -a | tr ' ' '\\n' | grep -x -e echo -e -echo")
    at.expect("\necho\n")
    assert at.cursor_is_shown


def test_a_terminal_that_is_resized_in_mid_stream_stays_readable(terminal: Open) -> None:
    at = terminal(width=100, height=30)
    at.chat(f"{SLOW}:graph")
    at.type("hi", "Enter")
    at.expect("line 5")
    at.resize(50, 20)
    at.expect("line 15")
    at.resize(90, 25)
    screen = at.expect("line 60", "tokens in", gone="line 5\n")
    lines = [line for line in screen.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(61 - len(lines), 61)]


def test_a_narrow_terminal_shows_everything(terminal: Open) -> None:
    at = terminal(width=40)
    at.chat(APPROVAL)
    at.type("Write to Ann", "Enter")
    screen = at.expect("[res]pond?")
    assert max(map(len, screen.splitlines())) <= 40
    assert "ann@example.org" in screen
    at.type("a", "Enter")
    at.expect("Done. Sent to ann@example.org.")


def test_a_conversation_that_was_killed_is_gone_on_with(terminal: Open, tmp_path: Path) -> None:
    kept = ("--thread", "thread-1", "--db", "chat.db")
    at = terminal()
    at.chat(f"{QUIRKS}:waiting", *kept)
    at.type("are you there", "Enter")
    at.expect("and then")
    at.type("C-z")  # no key of a turn: it is the shell's
    at.expect("Stopped")
    at.run("kill -9 %1; fg")
    at.expect("Killed")
    at.run(shlex.join([sys.executable, "-m", "langwire", "chat", f"{QUIRKS}:waiting", *kept]))
    at.expect("are you there", "the last turn was cut off: go on with it? [y]es / [n]o")
    at.type("y", "Enter")
    at.expect("and then")
    at.type("C-c")
    at.expect("stopped with Ctrl-C")


def test_slash_commands_are_completed_and_done(terminal: Open) -> None:
    at = terminal()
    at.chat(f"{QUIRKS}:echo")
    at.type("/ret")
    at.expect("have your last message answered anew")
    at.type("C-u", "one", "M-Enter", "more", "Enter")
    at.expect("you said ['one\\nmore']")
    at.type("/edit", "Enter")
    at.expect("your last message: Ctrl-C leaves it as it is")
    at.type("C-u", "two", "Enter")
    at.expect("'one\\ntwo'")
    at.type("/nothing", "Enter")
    at.expect("there is no /nothing: expected /help")
    at.type("/quit", "Enter")
    at.expect("--db FILE to keep your threads")
