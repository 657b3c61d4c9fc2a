"""Typing at the terminal: what each key does, what is completed, and what is kept of it."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("prompt_toolkit")

from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.input.base import DummyInput
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.processors import TransformationInput
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.output.vt100 import Vt100_Output

from langwire.commands import prompt
from langwire.commands.prompt import Keys

CTRL_C, CTRL_D, ALT_ENTER = "\x03", "\x04", "\x1b\r"
COMMANDS = {"new": "begin a new thread", "threads": "list the threads", "thread": "go on with a thread"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "langwire" / "history"


@pytest.fixture
def pipe() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(pipe, DummyOutput()):
        yield pipe


def keys(pipe: PipeInput) -> Keys:
    return Keys(pipe, DummyOutput(), COMMANDS)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("hello\r", "hello"),
        (f"one{ALT_ENTER}two\r", "one\ntwo"),
        ("\x1b[200~one\r\ntwo\x1b[201~\r", "one\ntwo"),
        (f"one{CTRL_C}two\r", "two"),
    ],
)
async def test_enter_sends_alt_enter_and_pasting_make_lines_and_ctrl_c_clears(
    pipe: PipeInput, typed: str, message: str
) -> None:
    at = keys(pipe)
    typing = asyncio.ensure_future(at.message(lambda: "quiet"))
    for part in typed.partition(CTRL_C):
        pipe.send_text(part)
        await asyncio.sleep(0)
    assert await typing == message


@pytest.mark.parametrize("typed", [CTRL_D, CTRL_C + CTRL_C])
async def test_ctrl_d_and_a_second_ctrl_c_leave(pipe: PipeInput, typed: str) -> None:
    pipe.send_text(typed)
    with pytest.raises(EOFError):
        await keys(pipe).message(lambda: "quiet")


async def test_a_text_can_be_changed_or_left_as_it_is(pipe: PipeInput) -> None:
    pipe.send_text("!\r")
    assert await keys(pipe).message(lambda: "quiet", "hello") == "hello!"
    pipe.send_text(CTRL_C)
    with pytest.raises(EOFError):
        await keys(pipe).message(lambda: "quiet", "hello")


def test_an_answer_is_a_line_that_begins_with_a_text(pipe: PipeInput, home: Path) -> None:
    """Answers may hold secrets: they are in no history."""
    at = keys(pipe)
    pipe.send_text(" Ann\r")
    assert asyncio.run(at.line("name? ", "Mary")) == "Mary Ann"
    assert "Ann" not in home.read_text()


@pytest.mark.parametrize("typed", [CTRL_D, CTRL_C])
async def test_a_question_is_left_with_ctrl_c_and_ctrl_d(pipe: PipeInput, typed: str) -> None:
    pipe.send_text(typed)
    with pytest.raises(EOFError):
        await keys(pipe).line("name? ")


HIDDEN = "\u202e\u2066\u200b\U000e0041\x1b\x9b\u2028\ud800"
"""Characters that a terminal obeys or hides."""


class Shown(Vt100_Output):
    """A terminal that remembers what is written to it."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.file.isatty = lambda: True  # type: ignore[method-assign]
        super().__init__(self.file, lambda: Size(rows=24, columns=200), term="xterm", enable_cpr=False)

    @property
    def text(self) -> str:
        """All that came, without what moves the cursor and changes colours."""
        return re.sub(r"\x1b(\[[?\d;]*[a-zA-Z]|\][^\x07]*\x07)", "", self.file.getvalue())


def is_clean(text: str) -> bool:
    return not [c for c in text if c not in "\r\n\b" and not c.isprintable()]


@pytest.mark.parametrize("ask", ["message", "line"])
async def test_a_text_that_others_wrote_is_written_out_on_the_screen_and_sent_as_it_is(
    pipe: PipeInput, ask: str
) -> None:
    """T-12, F-C1: `/edit` begins with the last message of a thread, which any client may have written."""
    output = Shown()
    at = Keys(pipe, output, COMMANDS)
    pipe.send_text("\x1b[D" * len(HIDDEN) + "!\r")
    said = f"one {HIDDEN}"
    typing = at.message(lambda: f"thread {HIDDEN}", said) if ask == "message" else at.line("> ", said)
    assert await typing == f"one !{HIDDEN}"
    assert is_clean(output.text)
    written = r"\u202e\u2066\u200b\U000e0041\x1b\x9b\u2028\ud800"
    assert f"one {written}" in output.text
    if ask == "message":
        assert at._messages.bottom_toolbar() == f" thread {written}"  # type: ignore[operator, misc]


def test_so_is_one_of_the_history(pipe: PipeInput, home: Path) -> None:
    home.parent.mkdir()
    home.write_text("\n# then\n+one \u202etwo\n+\u200bthree\n")
    output = Shown()
    pipe.send_text("\x1b[A\r")
    assert asyncio.run(Keys(pipe, output, COMMANDS).message(lambda: "quiet")) == "one \u202etwo\n\u200bthree"
    assert is_clean(output.text)
    assert r"one \u202etwo" in output.text


def test_the_cursor_stands_where_it_stands_in_the_text() -> None:
    shown = prompt._WrittenOut().apply_transformation(
        TransformationInput(BufferControl(), Document(), 0, lambda at: at, [("", "a\u202eb")], 80, 24)
    )
    assert shown.fragments == [("", "a"), (" class:control-character", r"\u202e"), ("", "b")]
    assert [shown.source_to_display(at) for at in range(5)] == [0, 1, 7, 8, 8]
    assert [shown.display_to_source(at) for at in range(9)] == [0, 1, 1, 1, 1, 1, 1, 2, 3]


def test_what_was_said_is_kept_for_its_owner_alone(pipe: PipeInput, home: Path) -> None:
    home.parent.mkdir()
    home.touch(mode=0o644)
    pipe.send_text("hello\r")
    asyncio.run(keys(pipe).message(lambda: "quiet"))
    assert home.stat().st_mode & 0o777 == 0o600
    assert "+hello" in home.read_text()
    pipe.send_text("\x1b[A\r")
    assert asyncio.run(keys(pipe).message(lambda: "quiet")) == "hello"


async def test_without_a_place_for_a_history_one_types_all_the_same(
    pipe: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    pipe.send_text("hello\r")
    assert await keys(pipe).message(lambda: "quiet") == "hello"


def test_a_history_that_cannot_be_written_any_more_is_no_failure(pipe: PipeInput, home: Path) -> None:
    at = keys(pipe)
    home.unlink()
    home.mkdir()
    pipe.send_text("hello\r")
    assert asyncio.run(at.message(lambda: "quiet")) == "hello"


def test_the_history_is_at_home_where_nothing_else_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    prompt._history()
    assert (tmp_path / "home" / ".local" / "state" / "langwire" / "history").exists()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("/", ["/new", "/threads", "/thread"]), ("/th", ["/threads", "/thread"]), ("th", []), ("/thread 1", [])],
)
def test_commands_are_completed(typed: str, offered: list[str]) -> None:
    found = prompt._Commands(COMMANDS).get_completions(Document(typed), CompleteEvent())
    assert [completion.text for completion in found] == offered


async def test_what_is_typed_while_a_turn_runs_is_not_shown_and_can_be_dropped() -> None:
    master, slave = pty.openpty()

    class Terminal(DummyInput):
        def fileno(self) -> int:
            return slave

    at = Keys(Terminal(), DummyOutput(), COMMANDS)
    before = termios.tcgetattr(slave)
    with at.quiet():
        assert termios.tcgetattr(slave)[3] == before[3] & ~termios.ECHO
        os.write(master, b"a\n")
        at.forget_typed()
        at.loud()  # a second Ctrl-C
        assert termios.tcgetattr(slave) == before
    assert termios.tcgetattr(slave) == before
    os.set_blocking(slave, False)
    with pytest.raises(BlockingIOError):
        os.read(slave, 1)
    os.close(master)
    os.close(slave)


async def test_what_is_no_terminal_is_left_as_it_is(pipe: PipeInput) -> None:
    at = keys(pipe)
    with at.quiet():
        at.forget_typed()


def test_no_color_is_respected(pipe: PipeInput, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert keys(pipe)._messages.color_depth is prompt.ColorDepth.DEPTH_1_BIT
    monkeypatch.delenv("NO_COLOR")
    assert keys(pipe)._messages.color_depth is None
