"""`langwire chat`: what a person can say and do in a conversation, at a terminal and line by line."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from commands.running import QUIRKS, Done, Run, Screen
from langwire.commands import chat, main
from langwire.core.codec import decode
from langwire.events import TurnEnd

APPROVAL = "langwire.demo:approval"


class Typist:
    """A person who types these lines; one that is an exception is raised."""

    there = True

    def __init__(self, *lines: str | BaseException) -> None:
        self.lines = list(lines)
        self.shown: list[str] = []
        """What was asked with, and what the toolbar said."""
        self.begun: list[str] = []
        """What lines began with."""
        self.forgot = 0

    async def message(self, toolbar: Callable[[], str], begin: str = "") -> str:
        return await self.line(toolbar(), begin)

    async def line(self, prompt: str, begin: str = "") -> str:
        self.shown.append(prompt)
        self.begun.append(begin)
        line = self.lines.pop(0) if self.lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line

    def quiet(self) -> AbstractContextManager[None]:
        return nullcontext()

    def loud(self) -> None:
        self.shown.append("made loud")

    def forget_typed(self) -> None:
        self.forgot += 1


Talk = Callable[..., Done]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Hold a conversation at a terminal that takes plain lines; `arguments` are those of the command."""

    def talk(spec: str, *lines: Any, arguments: tuple[str, ...] = (), screen: Screen | None = None) -> Done:
        typist = lines[0] if lines and isinstance(lines[0], Typist) else Typist(*lines)

        @contextmanager
        def person(out: object, *, there: bool) -> Generator[Typist]:
            yield typist

        screen = screen or Screen()
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(chat, "_person", person)
        monkeypatch.setattr(sys, "stdin", Screen())
        monkeypatch.setattr(sys, "stdout", screen)
        capsys.readouterr()
        code = main(["chat", spec if ":" in spec else f"{QUIRKS}:{spec}", *arguments])
        return Done(code, screen.getvalue(), capsys.readouterr().err)

    return talk


@pytest.fixture(autouse=True)
def _no_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, ...]:
    return ("--thread", "thread-1", "--db", str(tmp_path / "chat.db"))


# ------------------------------------------------------------------ talking


def test_one_talks_message_by_message_on_one_thread(talk: Talk) -> None:
    done = talk("echo", "one", "  ", "two")
    assert done.code == 0
    assert "you said ['one']" in done.out
    assert """you said ['one', "you said ['one']", 'two']""" in done.out
    assert "langwire: /help lists the commands, " in done.err


def test_who_leaves_is_told_how_to_come_back(talk: Talk, kept: tuple[str, ...]) -> None:
    done = talk("echo", "one", arguments=kept)
    assert done.lines[-1] == f"langwire: langwire chat {QUIRKS}:echo {' '.join(kept)} goes on with it"
    assert talk("echo", "one").lines[-1] == "langwire: give --db FILE to keep your threads for another time"
    assert talk("echo").lines[-1].startswith("langwire: /help")  # nothing was said


def test_a_thread_begins_with_what_it_holds(talk: Talk, kept: tuple[str, ...]) -> None:
    assert "nothing was said yet on thread thread-1" in talk("echo", "one", arguments=kept).err
    done = talk("echo", "two", arguments=kept)
    assert done.out.startswith("[user] one\n\nyou said ['one']\n\n[complete]")
    assert """'two']""" in done.out


def test_a_message_that_begins_with_two_slashes_is_sent_with_one(talk: Talk) -> None:
    assert "you said ['/etc']" in talk("echo", "//etc").out


def test_an_unknown_command_says_which_there_are(talk: Talk) -> None:
    done = talk("echo", "/etc passwd")
    assert "langwire: there is no /etc: expected /help, " in done.err
    assert "a message that begins with / is sent as //" in done.err
    assert "you said" not in done.out


def test_help_names_every_command(talk: Talk) -> None:
    out = talk("echo", "/help").out
    for name in ("help", "new", "threads", "thread", "history", "retry", "edit", "undo", "usage", "save", "quit"):
        assert f"/{name}" in out


def test_quit_leaves(talk: Talk) -> None:
    done = talk("echo", "/quit", "one")
    assert (done.code, "you said" in done.out) == (0, False)


def test_the_toolbar_tells_thread_and_tokens(talk: Talk) -> None:
    typist = Typist("Write to Ann", "a")
    talk(APPROVAL, typist, arguments=("--thread", "t-toolbar"))
    assert typist.shown[0] == "thread t-toolbar, 0 tokens in, 0 out"
    assert typist.shown[-1] == "thread t-toolbar, 19 tokens in, 14 out"


# ------------------------------------------------------------------ questions


def test_questions_are_asked_after_the_turn_and_the_answer_goes_on(talk: Talk) -> None:
    """What was typed before a question was there is no answer to it."""
    typist = Typist("Write to Ann", "a")
    done = talk(APPROVAL, typist)
    assert (done.code, typist.forgot) == (0, 1)
    assert "?? send_email" in done.out
    assert "<- send_email: Sent to ann@example.org." in done.out
    assert typist.shown[1] == "send_email: [a]pprove / [e]dit / [rej]ect / [res]pond? "


def test_an_edit_begins_with_the_arguments_there_are(talk: Talk) -> None:
    typist = Typist("hi", "e", '{"to": "Bob"}')
    assert "'args': {'to': 'Bob'}" in talk("deciding", typist).out
    assert typist.begun[2] == r'{"to": "zoë\u202e", "n": 0}'


def test_every_open_question_is_asked_in_turn(talk: Talk) -> None:
    done = talk("twice", "hi", "one", "two")
    assert done.code == 0
    assert "got 'one'" in done.out
    assert "got 'two'" in done.out


def test_a_breakpoint_is_left_by_going_on(talk: Talk) -> None:
    done = talk("stopping", "hi", "")
    assert (done.code, "through" in done.out) == (0, True)


def test_a_question_that_is_left_open_waits_for_slash_answer(talk: Talk) -> None:
    done = talk("asking", "hi", EOFError(), "hello?", "/answer", "Ann", "/answer")
    assert done.code == 0
    assert "langwire: left open: /answer asks again" in done.lines
    assert any(line.startswith("langwire: a question waits for an answer: /answer asks") for line in done.lines)
    assert "langwire: no question waits for an answer" in done.lines
    assert done.out.count("?? Your name?") == 2
    assert "got 'Ann'" in done.out


def test_who_leaves_with_a_question_open_gets_code_2(talk: Talk) -> None:
    assert talk("asking", "hi").code == 2


def test_an_open_question_of_a_thread_is_asked_again_at_the_beginning(talk: Talk, kept: tuple[str, ...]) -> None:
    assert talk("asking", "hi", arguments=kept).code == 2
    done = talk("asking", "Ann", arguments=kept)
    assert (done.code, "got 'Ann'" in done.out) == (0, True)
    assert "?? Your name?" in done.out


# ------------------------------------------------------------------ what goes wrong


def test_a_turn_that_fails_is_one_line_and_the_conversation_goes_on(talk: Talk) -> None:
    done = talk("during", "hi", "/usage")
    assert done.code == 0
    assert "langwire: ConnectionError: the line went dead" in done.lines
    assert "tokens in" in done.out
    assert "Traceback" not in done.err


def test_debug_shows_the_traceback(talk: Talk) -> None:
    assert "Traceback" in talk("during", "hi", arguments=("--debug",)).err


def test_what_the_agent_cannot_take_is_one_line(talk: Talk) -> None:
    done = talk("numbers", "hi", "/continue", "/answer")
    assert done.code == 0
    assert "this graph takes no messages" in done.err
    assert "holds nothing to go on with" in done.err
    assert "nothing is known of thread" in done.err


@pytest.mark.parametrize("spec", ["nowhere.py:graph", f"{QUIRKS}:grpah"])
def test_an_agent_that_does_not_load_is_code_1(talk: Talk, spec: str) -> None:
    assert talk(spec, "hi").code == 1


class Pressing(Screen):
    """A screen at which somebody presses Ctrl-C, so many times, when the agent has begun to speak."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def write(self, text: str, /) -> int:
        if "and" in text:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_ctrl_c_stops_the_turn_and_the_next_command_is_taken(talk: Talk) -> None:
    done = talk("waiting", "hi", "/usage", screen=Pressing(1))
    assert done.code == 0
    assert "[cancelled]\nthread " in done.out


def test_the_second_ctrl_c_leaves_a_terminal_that_shows_what_is_typed(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, kept: tuple[str, ...]
) -> None:
    """Code that does not let itself be stopped cannot hold the person, who is told how to come back."""
    typist = Typist("hi")
    monkeypatch.setattr(
        "langwire.commands.conversation.leave", lambda number, frame, more: typist.shown.extend(("left", more))
    )
    assert talk("waiting", typist, screen=Pressing(2), arguments=kept).code == 0
    back = f"langwire chat {QUIRKS}:waiting {' '.join(kept)} goes on with it"
    assert typist.shown[1:4] == ["made loud", "left", back]


def test_ctrl_c_is_ours_again_when_the_turn_is_over(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []

    class Looking(Typist):
        async def message(self, toolbar: Callable[[], str], begin: str = "") -> str:
            handlers.append(signal.getsignal(signal.SIGINT))
            return await super().message(toolbar, begin)

    talk("waiting", Looking("hi"), screen=Pressing(1))
    assert handlers[0] == handlers[1]


def test_ctrl_c_that_is_ignored_stays_ignored(talk: Talk) -> None:
    """Background jobs of a shell begin so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert talk("deciding", "hi", "a").code == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_output_that_is_lost_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(28, "No space left on device")

        def fileno(self) -> int:
            raise AssertionError("not reached")

    monkeypatch.setattr(sys, "stdin", io.StringIO("hi\n"))
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr("langwire.commands._output_lost", lambda error: 1)
    assert main(["chat", f"{QUIRKS}:echo"]) == 1


# ------------------------------------------------------------------ going back


def test_retry_has_the_last_message_answered_anew(talk: Talk) -> None:
    done = talk("echo", "one", "two", "/retry", "/history")
    last = """you said ['one', "you said ['one']", 'two']"""
    assert done.out.count(last) == 3
    assert done.out.count("[user] two") == 1


def test_retry_goes_on_where_nothing_was_answered(talk: Talk) -> None:
    done = talk("during", "hi", "/retry")
    assert done.out.count("some words") == 2


def test_edit_says_the_last_message_anew(talk: Talk) -> None:
    typist = Typist("one", "two", "/edit", "three", "/edit four", "/history")
    out = talk("echo", typist).out
    assert typist.begun[3] == "two"
    assert """'three']""" in out
    assert out.endswith("""[user] four\n\nyou said ['one', "you said ['one']", 'four']\n\n[complete]\n""")


@pytest.mark.parametrize("typed", ["", "  ", EOFError()])
def test_an_edit_that_is_left_changes_nothing(talk: Talk, typed: str | BaseException) -> None:
    done = talk("echo", "one", "/edit", typed, "/history")
    assert "langwire: left as it was" in done.lines
    assert "[user] one" in done.out


def test_undo_takes_back_the_last_message_and_what_came_of_it(talk: Talk) -> None:
    done = talk("echo", "one", "two", "/undo", "/history")
    assert "langwire: taken back: two" in done.lines
    assert done.out.endswith("[user] one\n\nyou said ['one']\n\n[complete]\n")


def test_a_command_that_takes_nothing_is_not_done_when_something_follows(talk: Talk) -> None:
    """It may take back what somebody did not mean."""
    done = talk("echo", "one", "/undo that typo", "/history")
    assert "langwire: /undo takes nothing more: take back your last message and what came of it" in done.lines
    assert "langwire: taken back: one" not in done.lines


def test_undo_takes_back_an_open_question(talk: Talk) -> None:
    done = talk("asking", "hi", EOFError(), "/undo", "hi again", "Ann")
    assert (done.code, "got 'Ann'" in done.out) == (0, True)


def test_there_is_nothing_to_go_back_to_in_a_new_thread(talk: Talk) -> None:
    done = talk("echo", "/retry", "/edit", "/undo")
    assert done.lines.count("langwire: nothing was said yet") == 3


def test_an_edit_that_is_refused_leaves_the_thread_as_it_was(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = talk("echo", "one", "/edit " + "x" * (9 * 2**20), "/history")
    assert "bytes" in done.err
    assert "[user] one" in done.out


# ------------------------------------------------------------------ threads


def test_threads_are_listed_and_gone_back_to_by_number_and_id(talk: Talk, tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "chat.db"))
    talk("echo", "first", arguments=("--thread", "one", *db))
    typed = ("/threads", "second", "/new", "third", "/threads", "/thread 3", "again", "/thread on")
    done = talk("echo", *typed, arguments=("--thread", "two", *db))
    listed = [line.split() for line in done.out.splitlines() if "complete  " in line]
    assert [(words[-2], words[-1]) for words in listed][:1] == [("one", "first")]
    assert [words[-1] for words in listed][1:] == ["third", "second", "first"]
    assert listed[1][0] == "*"
    assert """you said ['first', "you said ['first']", 'again']""" in done.out
    assert done.out.count("[user] first") == 2
    assert done.lines[-1].endswith(f"--thread one {' '.join(db)} goes on with it")


def test_a_thread_that_is_not_there_is_said(talk: Talk) -> None:
    done = talk("echo", "/threads", "/thread nowhere", "/thread 7", "/thread")
    assert "langwire: no thread is remembered yet" in done.lines
    assert "langwire: there is no thread nowhere: /threads lists them, /new begins one" in done.lines
    assert "langwire: there is no thread 7: /threads lists them, /new begins one" in done.lines
    assert any(line.startswith("langwire: /thread expected ID: ") for line in done.lines)


def test_tokens_of_a_thread_are_told_and_found_again(talk: Talk, kept: tuple[str, ...]) -> None:
    done = talk(APPROVAL, "Write to Ann", "a", "/usage", "/new", "/usage", "/thread thread-1", "/usage", arguments=kept)
    told = [line for line in done.out.splitlines() if line.startswith("thread ")]
    assert told[0] == told[2] == "thread thread-1: 19 tokens in, 14 out"
    assert told[1].endswith(": 0 tokens in, 0 out")


# ------------------------------------------------------------------ files


def test_a_thread_is_saved_as_json_lines_in_a_new_file(talk: Talk, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    done = talk("echo", "one", f"/save {file}", f"/save {file}")
    events = [decode(line) for line in file.read_text("utf-8").splitlines()]
    assert isinstance(events[-1], TurnEnd)
    assert f"langwire: saved as {file}" in done.lines
    assert f"langwire: {file} cannot be made: File exists" in done.lines


@pytest.mark.parametrize(("ending", "begins"), [("html", "<!doctype html>"), ("md", "")])
def test_a_thread_is_saved_as_a_page_and_as_a_document(talk: Talk, tmp_path: Path, ending: str, begins: str) -> None:
    file = tmp_path / f"talk.{ending}"
    talk("echo", "a quiet word", f"/save {file}")
    text = file.read_text("utf-8")
    assert text.startswith(begins)
    assert "a quiet word" in text


def test_a_file_of_another_kind_is_not_made(talk: Talk, tmp_path: Path) -> None:
    done = talk("echo", "one", f"/save {tmp_path / 'talk.docx'}", "/save")
    assert "expected a name that ends with .html, .md, .jsonl" in done.err
    assert "/save expected FILE" in done.err
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ line by line


@pytest.fixture
def lines(run: Run) -> Run:
    """Send lines to an agent, without a terminal."""

    def send(agent: str, *typed: str, arguments: tuple[str, ...] = ()) -> Done:
        return run("chat", f"{QUIRKS}:{agent}", *arguments, said="".join(f"{line}\n" for line in typed))

    return send


def test_without_a_terminal_each_line_is_a_message(lines: Run) -> None:
    done = lines("echo", "one", "", "two", "/usage", "/quit", "three")
    assert done.code == 0
    assert done.out.startswith("you said ['one']\n\n[complete]\n")
    assert """'two']""" in done.out
    assert "three" not in done.out
    assert "langwire:" not in done.err


def test_a_question_that_nobody_can_answer_ends_the_lines_with_code_2(lines: Run, kept: tuple[str, ...]) -> None:
    done = lines("asking", "hi", "Ann", arguments=kept)
    assert done.code == 2
    assert "got" not in done.out
    assert done.lines[-1].endswith(f"quirks.py:asking {' '.join(kept)} asks again")
    again = lines("asking", "hello?", arguments=kept)
    assert (again.code, again.out) == (2, "")
    assert "give --db FILE, so that the thread is kept" in lines("asking", "hi").lines[-1]


def test_a_turn_that_fails_ends_the_lines_with_code_1(lines: Run) -> None:
    done = lines("during", "hi", "more")
    assert done.code == 1
    assert done.out.count("some words") == 1


def test_a_turn_that_is_interrupted_ends_the_lines_with_code_130(lines: Run) -> None:
    done = lines("interrupts_itself", "hi", "more")
    assert (done.code, done.lines[-1]) == (130, "langwire: stopped")


def test_a_new_thread_in_a_file_is_named(lines: Run, tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "chat.db"))
    done = lines("echo", "one", arguments=db)
    thread = done.lines[-1].partition("--thread ")[2].split()[0]
    assert done.lines[-1].endswith("goes on with it")
    assert """'two']""" in lines("echo", "two", arguments=("--thread", thread, *db)).out
    assert lines("echo", "one", arguments=("--thread", "unheard of", *db)).code == 0


def test_nobody_is_there_to_change_a_message(lines: Run) -> None:
    done = lines("echo", "one", "/edit two", "/history")
    assert done.out.endswith("[user] two\n\nyou said ['two']\n\n[complete]\n")


def test_lines_that_are_no_text_are_called_wrongly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8"))
    assert main(["chat", f"{QUIRKS}:echo"]) == 1
    assert "chat cannot read a message from standard input: 'utf-8' codec" in capsys.readouterr().err


def test_without_the_extra_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "langwire.commands.prompt", raising=False)
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    monkeypatch.setattr(sys, "stdin", Screen())
    monkeypatch.setattr(sys, "stdout", Screen())
    assert main(["chat", f"{QUIRKS}:echo"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == 'langwire: a conversation in the terminal needs an extra: pip install "langwire[cli]"'
