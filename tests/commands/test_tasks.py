"""`langwire tasks`: what it shows of tasks, how it steers them, and its worker."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any, TypeVar

import pytest

from commands.running import NOISE, QUIRKS, STRICT, Done, Keyboard, Run, Screen
from langwire.commands import main
from langwire.commands.tasks import _file, _words
from langwire.core.codec import decode_entry
from langwire.errors import StoreError
from langwire.events import Action, ErrorInfo, Interrupt, Source, TextDelta, TextEnd, TextStart, TokenUsage
from langwire.tasks.client import TaskClient
from langwire.tasks.sqlite_store import SQLiteTaskStore
from langwire.tasks.task import Ending, Limits, Spec, Task, TaskAnswer

T = TypeVar("T")
on_unix = pytest.mark.skipif(os.name != "posix", reason="needs Unix signals")

SEND = Interrupt(
    id="a" * 32,
    kind="approval_batched",
    value={"action_requests": [{"name": "send", "args": {"to": "ann", "text": "x" * 600}}]},
    actions=(
        Action(name="send", args={"to": "ann", "text": "x" * 600}, allowed=("approve", "edit", "reject", "respond")),
    ),
)
TWO = Interrupt(id="b" * 32, kind="approval_batched", actions=(Action(name="pay"), Action(name="ship")))
NAME = Interrupt(id="c" * 32, value="Your name?")
STOP = Interrupt(id="breakpoint", kind="breakpoint", value={"next": ["pay"]})


class File:
    """A file of tasks, and the moves that bring them where a test wants them."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def do(self, work: Callable[[SQLiteTaskStore], Awaitable[T]]) -> T:
        """Do some work over the file, in a loop and a thread of its own."""

        async def over() -> T:
            store = SQLiteTaskStore(self.path)
            try:
                return await work(store)
            finally:
                await store.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(over())).result()

    def add(self, id: str, **fields: Any) -> Task:
        """Write a task down; `parent` is the one above it."""
        parent: Task | None = fields.pop("parent", None)
        if parent is not None:
            fields |= {"parent_id": parent.id, "ancestors": (*parent.spec.ancestors, parent.id)}
        spec = Spec(
            **{
                "id": id,
                "name": "main",
                "prompt": "do it",
                "limits": Limits(agents=("main", "other")),
                "root_id": parent.spec.root_id if parent else id,
                **fields,
            }
        )
        (task,) = self.do(lambda store: store.create([spec]))
        return task

    def begin(self, id: str) -> Task:
        """Let a worker claim what is ready, which must be this task alone."""
        (task,) = self.do(lambda store: store.claim("w", ["agent:main", "handler:main"], lease=60))
        assert task.id == id
        return task

    def end(self, id: str, **ending: Any) -> Task:
        """Begin a task, and end it so."""
        task = self.begin(id)
        return self.do(lambda store: store.finish(id, task.fence, Ending(taken=len(task.inbox), **ending)))

    def ask(self, id: str, *questions: Interrupt) -> Task:
        return self.end(id, state="review_needed", interrupts=questions)

    def get(self, id: str) -> Task:
        task = self.do(lambda store: store.get(id))
        assert task is not None
        return task


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    """A file of tasks that the commands find by themselves."""
    monkeypatch.chdir(tmp_path)
    return File(tmp_path / "langwire.db")


class Paper(io.StringIO):
    """Standard output that is no terminal, where things happen when some words are written.

    What an action does is done before the writer goes on.
    """

    def __init__(self, *steps: tuple[str, Callable[[], object]]) -> None:
        super().__init__()
        self.steps = list(steps)

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.steps and self.steps[0][0] in text:
            _, act = self.steps.pop(0)
            act()
        return written


class Glass(Paper):
    """The same at a terminal."""

    def isatty(self) -> bool:
        return True


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command whose standard output is this."""

    def run(out: io.StringIO, *arguments: str, typed: tuple[str | BaseException, ...] = ()) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Keyboard(*typed))
            patch.setattr(sys, "stdout", out)
            patch.setenv("TERM", "xterm")
            code = main(["tasks", *arguments])
        return Done(code, out.getvalue(), capsys.readouterr().err)

    return run


def cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


# ------------------------------------------------------------------ the file, and ids


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "abcdef"], ["watch"], ["answer", "abcdef"], ["cancel", "abcdef"], ["retry", "abcdef"]],
)
def test_a_file_that_is_not_there_is_said_and_not_made(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    """All but the worker read what others have written."""
    missing = tmp_path / "no.db"
    done = run("tasks", *arguments, "--db", str(missing))
    assert (done.code, done.out) == (64, "")
    assert done.lines == [f"langwire: there is no file {missing}: name the one that keeps the tasks with --db FILE"]
    assert not missing.exists()


def test_what_is_no_file_is_called_what_it_is(run: Run, tmp_path: Path) -> None:
    hint = "name the one that keeps the tasks with --db FILE"
    assert run("tasks", "list", "--db", str(tmp_path)).lines == [
        f"langwire: {tmp_path} is a directory, expected a file: {hint}"
    ]
    done = run("tasks", "list", "--db", os.devnull)
    assert (done.code, done.lines) == (64, [f"langwire: {os.devnull} is no database file: {hint}"])


@on_unix
@pytest.mark.parametrize(
    ("command", "code", "says"),
    [("answer asks0000", 64, "or a terminal to ask at"), ("watch done0000", 0, "done")],
)
def test_a_command_begins_with_standard_input_closed(file: File, command: str, code: int, says: str) -> None:
    """Python has no `sys.stdin` then."""
    file.add("done0000")
    file.end("done0000", state="done")
    file.add("asks0000")
    file.ask("asks0000", SEND)
    line = f'exec "$0" -c "$1" tasks {command} --db "$2" <&-'
    done = subprocess.run(["sh", "-c", line, sys.executable, BOOT, file.path], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr


def test_a_file_that_holds_something_else_is_one_line(run: Run, file: File) -> None:
    Path(file.path).write_text("no database\n" * 200)
    done = run("tasks", "list")
    assert (done.code, done.out) == (1, "")
    assert len(done.lines) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["show"], ["list", "--state", "lost"], ["list", "--limit", "0"]]
)
def test_wrong_arguments_are_code_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["tasks", *arguments])
    assert raised.value.code == 64
    assert capsys.readouterr().err.startswith("usage: langwire tasks")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in [
        (["--help"], "delegated work"),
        (["tasks", "--help"], "answer what a task asks a person"),
    ]:
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        assert expected in " ".join(capsys.readouterr().out.split())


def test_an_id_may_be_cut_short(run: Run, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks are looked at, however many pages they fill."""
    monkeypatch.setattr(_file, "_PAGE", 1)
    file.add("abcdef11")
    file.add("abcdef22")
    file.add("x")
    assert run("tasks", "show", "abcdef1").code == 0
    assert run("tasks", "show", "x").code == 0  # a whole id is never too short
    for given, line in [
        ("abcdef", "langwire: 'abcdef' begins several ids, give more of it: abcdef22, abcdef11"),
        ("abcde", "langwire: 'abcde' is no task's id, and too short to begin one: give 6 characters or more"),
        ("unknown", "langwire: no task's id is 'unknown', or begins with it: `langwire tasks list` shows them"),
    ]:
        done = run("tasks", "show", given)
        assert (done.code, done.out, done.lines) == (64, "", [line])


# ------------------------------------------------------------------ list


def test_the_list_says_what_each_task_waits_for(run: Run, file: File) -> None:
    file.ask(file.add("asks0000", title="vendors").id, SEND)
    file.ask(file.add("name0000").id, NAME)
    file.end(file.add("failed00").id, state="failed", error=ErrorInfo(code="ValueError", message="it failed"))
    file.end(file.add("done0000").id, state="done", result="all is well")
    file.begin(file.add("runs0000").id)
    file.begin(file.add("stop0000").id)
    file.do(lambda store: store.request_cancel("stop0000", "too dear"))
    file.begin(file.add("halt0000").id)
    file.do(lambda store: store.request_cancel("halt0000"))
    file.add("ready000", title="a title\nof \x1b[31m two lines that is longer than a column may be")
    file.add("waits000", after=("ready000",))
    file.add("later000", not_before_ms=4_000_000_000_000)
    file.do(lambda store: store.request_cancel(file.add("gone0000").id, "not wanted"))
    head, *rows = map(cells, run("tasks", "list").out.splitlines())
    assert head == ["ID", "STATE", "TRY", "AGE", "TITLE", "WAITS FOR"]
    assert [(row[0], row[1], row[2], row[4:]) for row in rows] == [
        ("gone0000", "cancelled", "0", ["do it", "not wanted"]),
        ("later000", "queued", "0", ["do it", f"its time, in {int(4e9 - time.time()) // 86_400}d"]),
        ("waits000", "queued", "0", ["do it", "tasks: ready000"]),
        ("ready000", "queued", "0", ["a title of \\x1b[31m two lines that is longer tha...", "a worker"]),
        ("halt0000", "ongoing", "1", ["do it", "asked to stop"]),
        ("stop0000", "ongoing", "1", ["do it", "asked to stop: too dear"]),
        ("runs0000", "ongoing", "1", ["do it"]),
        ("done0000", "done", "1", ["do it"]),
        ("failed00", "failed", "1", ["do it", "ValueError: it failed"]),
        ("name0000", "review_needed", "1", ["do it", "a person: an answer"]),
        ("asks0000", "review_needed", "1", ["vendors", "a person: send"]),
    ]


@pytest.mark.parametrize(
    ("ms", "said"), [(-5, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (86_400_000 * 3, "3d")]
)
def test_an_age_is_in_its_largest_unit(
    run: Run, file: File, monkeypatch: pytest.MonkeyPatch, ms: int, said: str
) -> None:
    task = file.add("abcdef00")
    monkeypatch.setattr(_words, "now_ms", lambda: task.created_ms + ms)
    assert cells(run("tasks", "list").out.splitlines()[1])[3] == said


def test_the_list_is_narrowed_and_paged(run: Run, file: File) -> None:
    top = file.add("top00000")
    file.add("child000", parent=top, name="other")
    file.end(file.add("done0000", priority=1).id, state="done")

    def listed(*arguments: str) -> list[str]:
        return [cells(line)[0] for line in run("tasks", "list", *arguments).out.splitlines()[1:]]

    assert listed("--state", "done") == ["done0000"]
    assert listed("--state", "done", "--state", "queued") == ["done0000", "child000", "top00000"]
    assert listed("--agent", "other") == ["child000"]
    assert listed("--root", "child000") == listed("--root", "top00000") == ["child000", "top00000"]
    assert listed("--root", "thread:1") == []
    assert run("tasks", "list", "--root", "thread:1").lines == ["langwire: there are no such tasks"]
    first = run("tasks", "list", "--limit", "2")
    (more,) = first.lines
    before = re.fullmatch(r"langwire: there are more: --before (\d+) shows the next ones", more)
    assert before is not None
    assert listed("--limit", "2", "--before", before[1]) == ["top00000"]


def test_the_list_as_json_has_everything(run: Run, file: File) -> None:
    file.add("top00000", title="zoë \x1b")
    (record,) = map(json.loads, run("tasks", "list", "--json").out.splitlines())
    assert (record["id"], record["state"], record["attempt"]) == ("top00000", "queued", 0)
    assert record["spec"]["title"] == "zoë \x1b"
    assert record["spec"]["priority"] == 0


# ------------------------------------------------------------------ show


def test_a_task_is_shown_with_all_that_it_asks_and_has_told(run: Run, file: File) -> None:
    """What a person decides about must be there whole."""
    top = file.add("top00000", title="vendors\x1b", prompt="Compare\n[done] them", principal="ann", priority=2)
    held = file.begin("top00000")
    text = [
        TextStart(id="m", message_id="m", source=Source()),
        TextDelta(id="m", text="I \x1b[2J look"),
        TextEnd(id="m"),
    ]
    file.do(lambda store: store.append_events("top00000", held.fence, 1, text))
    child = file.add("child000", parent=top, title="one of them")
    file.add("grand000", parent=child)
    ending = Ending(
        state="review_needed", interrupts=(SEND, NAME), usage=TokenUsage(input_tokens=5, output_tokens=7), taken=1,
        artifacts=("a.md",),
    )  # fmt: skip
    file.do(lambda store: store.finish("top00000", held.fence, ending))
    out = run("tasks", "show", "top00000").out
    lines = out.splitlines()
    for expected in [
        "id         top00000",
        "title      vendors\\x1b",
        "state      review_needed, attempt 1",
        "waits for  a person: send",
        "agent      main",
        "principal  ann",
        "priority   2",
        "tokens     5 in, 7 out",
        "artifacts  a.md",
        "prompt     Compare",
        "           [done] them",
        f"question 1 of 2, {'a' * 32}:",
        '?? send({"to":"ann","text":"' + "x" * 600 + '"})',
        f"question 2 of 2, {'c' * 32}:",
        "?? Your name?",
        "tasks below it:",
        "transcript:",
        "I \\x1b[2J look",
        "[task] vendors\\x1b (top00000): review_needed",
    ]:
        assert expected in lines, expected
    below = lines[lines.index("tasks below it:") + 1 : lines.index("transcript:") - 1]
    assert [line.split("  queued")[0].rstrip() for line in below] == ["child000", "  grand000"]
    assert re.search(r"^created    \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, \ds ago$", out, re.M)


def test_a_handlers_task_that_has_ended_is_shown_with_its_result(run: Run, file: File) -> None:
    file.add("step0000", kind="handler", args={"url": "x"}, prompt="", root_id="plan:1")
    file.end("step0000", state="done", result={"größe": 1})
    out = run("tasks", "show", "step0000").out
    lines = out.splitlines()
    assert out.index("created") < out.index("\nresult") < out.index("transcript:")
    assert {"handler    main", 'arguments  {"url": "x"}', "root       plan:1", 'result     {"größe": 1}'} <= set(lines)
    assert not any(line.startswith(("because", "parent", "question", "prompt")) for line in lines)


def test_what_was_said_later_and_why_it_failed_is_shown(run: Run, file: File) -> None:
    top = file.add("top00000")
    file.add("child000", parent=top)
    file.do(lambda store: store.request_cancel("top00000", "not now"))
    file.do(lambda store: store.followup("top00000", "m1", "and this"))
    file.do(lambda store: store.request_cancel("top00000", "not ever"))
    lines = run("tasks", "show", "top00000").out.splitlines()
    assert {"state      cancelled", "because    not ever", "prompt     do it", "then       and this"} <= set(lines)
    below = run("tasks", "show", "child000").out.splitlines()
    assert "parent     top00000" in below
    assert not any(line.startswith("root") for line in below)


def test_a_task_is_shown_as_json_with_those_below_it_and_its_events(run: Run, file: File) -> None:
    file.add("child000", parent=file.add("top00000"))
    shown = json.loads(run("tasks", "show", "--json", "top00000").out)
    assert (shown["task"]["id"], [task["id"] for task in shown["below"]]) == ("top00000", ["child000"])
    entries = [decode_entry(json.dumps(event).encode()) for event in shown["events"]]
    assert [entry.seq for entry in entries] == [1, 2]


def test_a_long_story_is_told_to_its_end(run: Run, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store gives events page by page."""
    file.add("top00000")
    held = file.begin("top00000")
    text = [TextStart(id="m", message_id="m", source=Source()), *[TextDelta(id="m", text="so ")] * 900]
    file.do(lambda store: store.append_events("top00000", held.fence, 1, text))
    assert "so " * 900 in run("tasks", "show", "top00000").out


# ------------------------------------------------------------------ answer


@pytest.mark.parametrize(
    ("option", "wire"),
    [
        (["--approve"], {"type": "approve"}),
        (["--reject", "too dear"], {"type": "reject", "message": "too dear"}),
        (["--reject", ""], {"type": "reject"}),
        (["--respond", "sent by hand"], {"type": "respond", "message": "sent by hand"}),
        (["--edit", '{"to": "bob"}'], {"type": "edit", "edited_action": {"name": "send", "args": {"to": "bob"}}}),
        (["--value", '[{"type": "approve"}]'], {"type": "approve"}),
    ],
)
def test_a_decision_is_given_once(run: Run, file: File, option: list[str], wire: dict[str, Any]) -> None:
    """I6: the second answer changes nothing, and says so."""
    file.ask(file.add("top00000").id, SEND)
    done = run("tasks", "answer", "top00000", *option)
    assert (done.code, done.out, done.err) == (0, "top00000 do it: answered\n", "")
    (answer,) = file.get("top00000").answers
    assert answer.value == {"decisions": [wire]}
    again = run("tasks", "answer", "top00000", "--approve")
    assert (again.code, again.out) == (1, "")
    assert again.lines == ["langwire: top00000 do it does not ask that: it is queued; if it did, somebody was faster"]
    assert file.get("top00000").answers == (answer,)


@pytest.mark.parametrize(("given", "value"), [('{"a": 1}', {"a": 1}), ("Ann", "Ann"), ("", "")])
def test_a_value_is_json_where_it_is_json_else_text(run: Run, file: File, given: str, value: Any) -> None:
    file.ask(file.add("top00000").id, NAME)
    assert run("tasks", "answer", "top00000", "--value", given).code == 0
    assert [answer.value for answer in file.get("top00000").answers] == [value]


def test_every_action_of_every_open_question_gets_the_answer_or_that_of_one(run: Run, file: File) -> None:
    file.ask(file.add("top00000").id, TWO, SEND, STOP)
    one = run("tasks", "answer", "top00000", "--interrupt", SEND.id, "--reject", "no")
    assert (one.code, one.out) == (0, "top00000 do it: answered, 2 more to answer\n")
    assert run("tasks", "answer", "top00000", "--interrupt", SEND.id, "--approve").code == 1
    assert run("tasks", "answer", "top00000", "--approve").out == "top00000 do it: answered\n"
    assert {answer.interrupt_id: answer.value for answer in file.get("top00000").answers} == {
        SEND.id: {"decisions": [{"type": "reject", "message": "no"}]},
        TWO.id: {"decisions": [{"type": "approve"}] * 2},
        STOP.id: True,
    }


@pytest.mark.parametrize(
    ("question", "option", "said"),
    [
        (NAME, ["--approve"], "asks for no decision: answer it with --value JSON"),
        (STOP, ["--reject", "no"], "asks for no decision"),
        (TWO, ["--edit", "{}"], "is about 2 actions, and one edit came"),
        (SEND, ["--edit", "[1]"], "--edit got '[1]': expected a JSON object"),
        (SEND, ["--edit", "{"], "--edit got '{': expected a JSON object"),
        (SEND, ["--value", "yes"], "expected"),
        (SEND, [], "answer expected one of --approve"),
    ],
)
def test_an_answer_that_does_not_fit_sends_nothing(
    run: Run, file: File, question: Interrupt, option: list[str], said: str
) -> None:
    file.ask(file.add("top00000").id, question)
    done = run("tasks", "answer", "top00000", *option)
    assert (done.code, done.out) == (64, "")
    assert said in done.err
    assert file.get("top00000").state == "review_needed"


def test_two_answers_at_once_are_an_error(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["tasks", "answer", "top00000", "--approve", "--reject", "no"])
    assert raised.value.code == 64


def test_a_person_at_the_terminal_is_asked(on: Run, file: File) -> None:
    file.ask(file.add("top00000").id, NAME, SEND, STOP)
    done = on(Screen(), "answer", "top00000", typed=("Ann", "e", '{"to": "bob"}', ""))
    assert done.code == 0
    assert done.out.index("x" * 600) < done.out.index("(1 of 3) answer")
    assert {answer.interrupt_id: answer.value for answer in file.get("top00000").answers} == {
        NAME.id: "Ann",
        SEND.id: {"decisions": [{"type": "edit", "edited_action": {"name": "send", "args": {"to": "bob"}}}]},
        STOP.id: True,
    }


def test_a_person_may_leave_without_an_answer(on: Run, file: File) -> None:
    file.ask(file.add("top00000").id, NAME)
    done = on(Screen(), "answer", "top00000")
    assert done.code == 2
    assert done.lines == ["langwire: left waiting: langwire tasks answer top00000 asks again"]
    assert file.get("top00000").state == "review_needed"


def test_whoever_answers_while_somebody_else_does_is_told(on: Run, file: File) -> None:
    """I6, W7: both had seen the question."""
    file.ask(file.add("top00000").id, NAME)
    faster = [TaskAnswer(interrupt_id=NAME.id, value="Bob")]
    screen = Glass(("Your name?", lambda: file.do(lambda store: store.resume("top00000", faster))))
    done = on(screen, "answer", "top00000", typed=("Ann",))
    assert (done.code, done.lines) == (1, ["langwire: somebody was faster: top00000 do it had its answer"])
    assert [answer.value for answer in file.get("top00000").answers] == ["Bob"]


# ------------------------------------------------------------------ cancel, retry, followup


def test_a_task_is_cancelled(run: Run, file: File) -> None:
    file.add("top00000")
    done = run("tasks", "cancel", "top00000", "--reason", "not wanted")
    assert (done.code, done.out) == (0, "top00000 do it: cancelled\n")
    assert file.get("top00000").cancel == "not wanted"


def test_what_has_ended_is_not_cancelled(run: Run, file: File) -> None:
    file.end(file.add("top00000").id, state="done")
    done = run("tasks", "cancel", "top00000")
    assert (done.code, done.lines) == (1, ["langwire: top00000 do it had ended before: it is done"])


def test_what_does_not_stop_in_time_is_said(run: Run, file: File) -> None:
    """I5: the request stays, and the worker or the sweep ends it."""
    file.begin(file.add("top00000").id)
    done = run("tasks", "cancel", "top00000", "--wait", "0")
    assert done.code == 1
    assert done.lines[0].startswith("langwire: top00000 do it was asked to stop and has not yet")
    assert file.get("top00000").cancel == ""


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_wait_is_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["tasks", "cancel", "top00000", f"--wait={seconds}"])
    assert raised.value.code == 64
    assert f"expected seconds, 0 or more, not '{seconds}'" in capsys.readouterr().err


def test_what_failed_is_tried_again_and_nothing_else(run: Run, file: File) -> None:
    file.end(file.add("top00000").id, state="failed")
    assert run("tasks", "retry", "top00000").out == "top00000 do it: queued again\n"
    done = run("tasks", "retry", "top00000")
    assert done.code == 1
    assert done.lines == ["langwire: top00000 do it is queued: only what failed or was cancelled can be tried again"]


def test_something_more_is_said_to_an_agent_and_not_to_a_handler(run: Run, file: File) -> None:
    file.add("agent000")
    file.add("handler0", kind="handler")
    assert run("tasks", "followup", "agent000", "and this").out == "agent000 do it: told\n"
    assert [message.text for message in file.get("agent000").inbox] == ["do it", "and this"]
    done = run("tasks", "followup", "handler0", "and this")
    assert done.code == 1
    assert "takes no message" in done.err
    assert run("tasks", "followup", "agent000", " ").code == 64


# ------------------------------------------------------------------ watch


def test_each_change_is_a_line_until_the_task_ends(on: Run, file: File) -> None:
    top = file.add("top00000", title="vendors")
    file.add("child000", parent=top, name="other")
    file.add("apart000", name="other")
    out = Paper(
        ("child000  queued", lambda: (file.do(lambda store: store.request_cancel("apart000")), file.begin("top00000"))),
        ("top00000  ongoing", lambda: file.do(lambda store: store.request_cancel("top00000", "too dear"))),
        ("asked to stop", lambda: file.do(ends("top00000", state="cancelled"))),
    )
    done = on(out, "watch", "top00000")
    assert done.code == 1
    told = [line[10:] for line in done.out.splitlines()]
    assert told[:3] == [
        "top00000  queued         vendors  (a worker)",
        "child000  queued         do it  (a worker)",
        "top00000  ongoing        vendors",
    ]
    assert sorted(told[3:5]) == [
        "child000  cancelled      do it  (too dear)",
        "top00000  ongoing        vendors  (asked to stop: too dear)",
    ]
    assert told[5:] == ["top00000  cancelled      vendors  (too dear)"]
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in done.out.splitlines())


def ends(id: str, **ending: Any) -> Callable[[SQLiteTaskStore], Awaitable[Task]]:
    """Return what ends a task that somebody works on."""

    async def end(store: SQLiteTaskStore) -> Task:
        task = await store.get(id)
        assert task is not None
        return await store.finish(id, task.fence, Ending(taken=len(task.inbox), **ending))

    return end


@pytest.mark.parametrize(("state", "code"), [("done", 0), ("failed", 1)])
def test_a_task_that_has_ended_is_watched_no_more(on: Run, file: File, state: str, code: int) -> None:
    file.end(file.add("top00000").id, state=state)
    for out in (Paper(), Glass()):
        assert on(out, "watch", "top00000").code == code
        assert state in out.getvalue()


def test_all_that_is_active_is_watched_until_ctrl_c(on: Run, file: File) -> None:
    file.end(file.add("done0000").id, state="done")
    file.add("wait0000")
    out = Paper(("wait0000", lambda: file.add("new00000")), ("new00000", interrupt))
    done = on(out, "watch")
    assert (done.code, done.lines) == (130, ["langwire: stopped"])
    assert [line.split()[1:3] for line in done.out.splitlines()] == [["wait0000", "queued"], ["new00000", "queued"]]


def test_a_change_that_says_nothing_new_is_no_line(on: Run, file: File) -> None:
    file.add("top00000")
    out = Paper(
        ("queued", lambda: (file.do(lambda store: store.followup("top00000", "m", "more")), file.add("new00000"))),
        ("new00000", interrupt),
    )
    assert len(on(out, "watch").out.splitlines()) == 2


def frames(done: Done) -> list[tuple[int, list[str]]]:
    """The pictures that were drawn: how many lines up each began, and its lines."""
    found = re.findall(r"(?:\x1b\[(\d+)A)?\r\x1b\[J\x1b\[\?7l(.*?)\x1b\[\?7h", done.out, re.S)
    return [(int(up or 0), picture.splitlines()) for up, picture in found]


def test_a_tree_is_drawn_again_in_its_place(on: Run, file: File) -> None:
    top = file.add("top00000", title="\x1b[2Jvendors")
    child = file.add("child000", parent=top, name="other")
    out = Glass(
        ("queued", lambda: (file.begin("top00000"), file.add("grand000", parent=child, name="other"))),
        ("ongoing", lambda: file.do(ends("top00000", state="done"))),
    )
    done = on(out, "watch", "top00000")
    pictures = frames(done)
    assert done.code == 0
    assert [up for up, _ in pictures] == [0, *(len(lines) for _, lines in pictures[:-1])]
    assert [cells(line)[:2] for line in pictures[0][1]] == [
        ["ID", "STATE"],
        ["top00000", "queued"],
        ["child000", "queued"],
    ]
    assert pictures[-1][1][0].split() == ["ID", "STATE", "TRY", "AGE", "TITLE", "WAITS", "FOR"]
    assert pictures[-1][1][1].startswith("top00000      done    1")
    assert "\x1b[2J" not in done.out
    assert [line.split("queued")[0] for line in pictures[-1][1][2:]] == ["  child000    ", "    grand000  "]


def test_a_tree_is_no_larger_than_the_terminal(on: Run, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended gives way first; a wider line would wrap, and the next picture begin too low."""
    monkeypatch.setenv("LINES", "6")
    monkeypatch.setenv("COLUMNS", "30")
    top = file.add("top00000", title="a title that is longer than the terminal is wide")
    file.begin("top00000")
    for number in range(2):
        file.add(f"old{number}0000", parent=top, priority=1)
        file.end(f"old{number}0000", state="done")
    for number in range(3):
        file.add(f"new{number}0000", parent=top, name="other")
    out = Glass(
        ("new20000", lambda: file.add("new30000", parent=top, name="other")),
        ("and 2 more", lambda: file.do(ends("top00000", state="done"))),
    )
    pictures = frames(on(out, "watch", "top00000"))
    assert [cells(line)[0] for line in pictures[0][1]] == ["ID", "top00000", "new00000", "new10000", "new20000"]
    assert [cells(line)[0] for line in pictures[-1][1]] == ["ID", "top00000", "new00000", "new10000", "and 2 more"]
    assert all(len(lines) <= 5 and all(len(line) <= 30 for line in lines) for _, lines in pictures)


def test_a_tree_of_nothing_says_so(on: Run, file: File) -> None:
    file.end(file.add("done0000").id, state="done")
    done = on(Glass(("nothing", interrupt)), "watch")
    assert frames(done) == [(0, ["nothing is queued, runs or waits for a person"])]


def test_a_terminal_that_cannot_draw_gets_lines(
    file: File, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.end(file.add("top00000").id, state="done")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", Glass())
    assert main(["tasks", "watch", "top00000"]) == 0
    assert "\x1b" not in sys.stdout.getvalue()  # type: ignore[attr-defined]


def test_the_events_of_a_task_are_told_to_its_end(on: Run, file: File) -> None:
    """A task that fails and is tried again has not come to its end."""
    file.add("top00000")
    held = file.begin("top00000")
    text = [TextStart(id="m", message_id="m", source=Source()), TextDelta(id="m", text="I look"), TextEnd(id="m")]
    out = Glass(
        ("ongoing", lambda: file.do(lambda store: store.append_events("top00000", held.fence, 1, text))),
        ("I look", lambda: file.do(ends("top00000", state="failed"))),
        ("failed", lambda: file.do(lambda store: store.retry("top00000"))),
        ("queued", lambda: file.end("top00000", state="done")),
    )
    done = on(out, "watch", "--events", "top00000")
    assert done.code == 0
    told = [line for line in done.out.splitlines() if line]
    states = ["queued", "ongoing", "I look", "failed", "queued", "ongoing", "done"]
    assert told == [line if " " in line else f"[task] (top00000): {line}" for line in states]


def test_events_are_of_one_task(run: Run, file: File) -> None:
    file.add("top00000")
    done = run("tasks", "watch", "--events")
    assert (done.code, done.out) == (64, "")
    assert done.lines == [
        "langwire: watch expected the task whose events it is to tell: langwire tasks watch ID --events"
    ]


# ------------------------------------------------------------------ worker


def worked(out: str) -> list[list[str]]:
    """What a worker told: id and state, and a note if there is one."""
    return [re.split(r"  +", line)[1:3] + re.findall(r"  \((.*)\)$", line) for line in out.splitlines()]


def test_a_worker_does_what_there_is_and_ends(run: Run, file: File) -> None:
    file.add("top00000", title="greet")
    file.add("more0000", name="second")
    file.add("other000", name="nobody")
    done = run("tasks", "worker", f"{QUIRKS}:echo", "--until-idle", f"second={QUIRKS}:printing", "--concurrency", "1")
    assert done.code == 0
    assert worked(done.out) == [
        ["top00000", "ongoing"], ["top00000", "done"], ["more0000", "ongoing"], ["more0000", "done"]
    ]  # fmt: skip
    assert file.get("top00000").result == "you said ['do it']"
    assert file.get("other000").state == "queued"
    assert "langwire: working on langwire.db as main, second, up to 1 at once" in done.lines
    assert "printed at run" in done.lines


def test_a_worker_says_why_a_task_failed(run: Run, file: File) -> None:
    file.add("top00000")
    done = run("tasks", "worker", f"{QUIRKS}:during", "--until-idle")
    assert done.code == 0
    (_, failed) = worked(done.out)
    assert failed[:2] == ["top00000", "failed"]
    assert "the line went dead" not in done.out
    assert any("the line went dead" in line for line in done.lines)
    assert "Traceback" not in done.err


def test_a_worker_leaves_what_waits_for_a_person(run: Run, file: File) -> None:
    """Whoever waits for that task is left, too, and the answer is given to the very run that asked."""
    file.add("top00000")
    file.add("after000", after=("top00000",))
    file.add("later000", not_before_ms=4_000_000_000_000)
    file.add("step0000", kind="handler")
    worker = ("tasks", "worker", "--name", "main", "--until-idle", f"{QUIRKS}:deciding")
    assert worked(run(*worker).out) == [["top00000", "ongoing"], ["top00000", "review_needed", "a person: send"]]
    assert run("tasks", "answer", "top00000", "--reject", "no").code == 0
    told = worked(run(*worker).out)
    assert told[:2] == [["top00000", "ongoing"], ["top00000", "done"]]
    assert "'message': 'no'" in file.get("top00000").result
    assert file.get("top00000").attempt == 1
    assert told[2:] == [["after000", "ongoing"], ["after000", "review_needed", "a person: send"]]
    assert file.get("later000").state == "queued"


def test_a_worker_waits_for_what_is_to_be_tried_again(run: Run, file: File) -> None:
    """Its next attempt is part of the work, unlike a task that is meant for a later time."""
    file.end(file.add("top00000").id, state="queued", delay=0.3)
    assert worked(run("tasks", "worker", f"{QUIRKS}:echo", "--until-idle").out)[-1] == ["top00000", "done"]
    assert file.get("top00000").attempt == 2


def test_a_worker_survives_a_store_that_fails_for_a_while(
    run: Run, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I10."""
    listed, failures = SQLiteTaskStore.list, [StoreError("the file was busy")]

    async def list(store: SQLiteTaskStore, *args: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return await listed(store, *args, **options)

    monkeypatch.setattr(SQLiteTaskStore, "list", list)
    file.add("top00000")
    assert worked(run("tasks", "worker", f"{QUIRKS}:echo", "--until-idle").out)[-1] == ["top00000", "done"]
    assert failures == []


def test_a_worker_takes_back_what_another_one_has_lost(run: Run, file: File) -> None:
    """I9."""
    file.add("top00000")
    file.do(lambda store: store.claim("gone", ["agent:main"], lease=0.01))
    done = run("tasks", "worker", f"{QUIRKS}:echo", "--until-idle", "--lease", "5")
    assert worked(done.out) == [["top00000", "queued", "a worker"], ["top00000", "ongoing"], ["top00000", "done"]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.py:graph"], 1, "there is no file"),
        ([f"{QUIRKS}:echo", f"main={QUIRKS}:empty"], 64, "two agents are named 'main': give NAME=SPEC for each"),
        ([f"{QUIRKS}:echo", "--db", "no/such/folder/tasks.db"], 1, "no/such/folder/tasks.db"),
        ([f"{QUIRKS}:echo", "--lease", "0"], 64, "lease"),
    ],
)
def test_a_worker_that_cannot_begin_says_why(run: Run, file: File, arguments: list[str], code: int, said: str) -> None:
    done = run("tasks", "worker", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.lines[-1]


@pytest.mark.parametrize(("given", "set"), [({}, "true"), ({"LANGGRAPH_STRICT_MSGPACK": "false"}, "false")])
def test_a_worker_tells_langgraph_to_read_strictly_before_it_is_imported(
    tmp_path: Path, given: dict[str, str], set: str
) -> None:
    """T-19. The agent's file says how it found things; it holds no agent, so nothing is worked on."""
    (tmp_path / "agent.py").write_text(STRICT)
    environment = {name: value for name, value in os.environ.items() if name != "LANGGRAPH_STRICT_MSGPACK"} | given
    command = [sys.executable, "-m", "langwire", "tasks", "worker", "agent.py:graph"]
    done = subprocess.run(command, capture_output=True, env=environment, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[0] == set
    assert (done.returncode, done.stdout) == (1, "")


BOOT = "import sys; from langwire.commands import main; sys.exit(main())"


@contextmanager
def working(file: File, agent: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, which has begun a task."""
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT, "tasks", "worker", f"{QUIRKS}:{agent}", "--db", file.path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert b"ongoing" in line, process.stderr and process.stderr.read()
            yield process
        finally:
            process.kill()  # without effect on a process that has ended


def speaks(file: File, id: str) -> None:
    """Wait until the agent of a task has said something: what it does then can only be stopped."""

    async def said(store: SQLiteTaskStore) -> None:
        async for entry in TaskClient(store).events(id, follow=True):
            if isinstance(entry.event, TextDelta):
                return

    file.do(said)


def rest(process: subprocess.Popen[bytes]) -> tuple[str, list[str]]:
    """What else was on standard output, and the lines of standard error."""
    out, err = process.communicate()
    return out.decode(), NOISE.sub(b"", err).decode().splitlines()


@on_unix
@pytest.mark.parametrize(
    ("number", "code", "last"), [(signal.SIGTERM, 0, "working on"), (signal.SIGINT, 130, "stopped")]
)
def test_a_worker_that_is_stopped_gives_its_tasks_back(file: File, number: int, code: int, last: str) -> None:
    """I11: another process goes on with it, and it is no new attempt."""
    file.add("top00000")
    with working(file, "waiting") as process:
        speaks(file, "top00000")
        process.send_signal(number)
        out, said = rest(process)
        assert process.returncode == code
        assert worked(out) == [["top00000", "queued", "a worker"]], said
        assert said[-1].startswith(f"langwire: {last}")
    task = file.get("top00000")
    assert (task.state, task.attempt, task.counted, task.worker) == ("queued", 1, True, None)


@on_unix
def test_a_second_signal_does_not_wait_for_a_step_that_hangs(file: File) -> None:
    file.add("top00000")
    with working(file, "stuck") as process:
        speaks(file, "top00000")
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:  # nothing tells when the first one has arrived
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        _, said = rest(process)
        assert process.returncode == 130
        assert said[-1] == "langwire: stopped without waiting"
    assert not file.get("top00000").ended  # whether it was given back before the second one came is chance


@on_unix
def test_a_task_is_watched_and_cancelled_from_other_processes(run: Run, on: Run, file: File) -> None:
    """I5, with a real agent that yields."""
    file.add("top00000")
    with working(file, "waiting") as process:
        watched = on(
            Paper(("ongoing", lambda: file.do(lambda store: store.request_cancel("top00000", "enough")))),
            "watch",
            "top00000",
        )
        assert (watched.code, watched.out.splitlines()[-1].split()[2]) == (1, "cancelled")
        assert run("tasks", "cancel", "top00000").out == "top00000 do it: cancelled\n"
        process.send_signal(signal.SIGTERM)
        out, _ = rest(process)
        assert worked(out) == [["top00000", "cancelled", "enough"]]


@on_unix
def test_a_reader_of_a_workers_lines_may_leave(file: File) -> None:
    """The worker ends then: nobody sees what it does."""
    for number in range(3):
        file.add(f"top{number}0000")
    with working(file, "echo", "--concurrency", "1") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        assert process.wait() == 0
