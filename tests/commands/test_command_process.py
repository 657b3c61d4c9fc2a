"""The real command in a process of its own: pipes, closed streams, consoles that are not UTF-8."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest

from commands.running import NOISE, QUIRKS
from langwire.core.codec import decode_entry
from langwire.events import TextDelta, ToolResult

COMMAND = [sys.executable, "-m", "langwire"]
on_unix = pytest.mark.skipif(os.name != "posix", reason="needs a Unix shell")


def finished(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, **environment})
    done.stderr = NOISE.sub(b"", done.stderr)
    return done


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return finished([*COMMAND, *arguments], environment)


def shell(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command by a shell script, which has it as "$@"."""
    return finished(["sh", "-c", script, "sh", *COMMAND, *arguments], {})


def test_the_demo_ends_by_itself_without_a_terminal() -> None:
    done = process("demo", "--fast")
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"TurnEnd complete" in done.stdout
    assert b"\x1b" not in done.stdout


def test_nothing_but_json_is_on_standard_output_whatever_the_agent_prints() -> None:
    done = process("run", "--json", f"{QUIRKS}:printing", "hi")
    events = [decode_entry(line).event for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["hello"]
    assert set(done.stderr.splitlines()) >= {b"printed at import", b"printed at run", b"printed by a subprocess"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_json_is_utf_8_on_every_console(encoding: str) -> None:
    done = process("run", "--json", "langwire.demo:assistant", "A day in Rome", PYTHONIOENCODING=encoding)
    events = [decode_entry(line).event for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert any(isinstance(event, ToolResult) and event.content == "sunny, 27 °C" for event in events)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("ascii", "Gr\\xfc\\xdfe \\u2192 \\u4f60\\u597d"), ("cp1252", "Grüße \\u2192 \\u4f60\\u597d")],
)
def test_a_console_that_is_not_utf_8_shows_what_it_can(encoding: str, told: str) -> None:
    done = process("run", f"{QUIRKS}:german", "hi", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert told in done.stdout.decode(encoding)
    assert process("demo", "--fast", PYTHONIOENCODING=encoding).returncode == 0


def test_a_failure_is_one_line_and_no_traceback() -> None:
    done = process("run", f"{QUIRKS}:during", "hi")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [b"printed at import", b"langwire: ConnectionError: the line went dead"]


@on_unix
def test_ctrl_c_pressed_again_does_not_wait_for_a_step_that_hangs() -> None:
    """LangGraph lets a running step come to its end first, which this one never does."""
    command = [*COMMAND, "run", f"{QUIRKS}:stuck", "hi"]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(8) == b"and then"
        for _ in range(100):  # nothing tells when the first one has arrived
            running.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                running.wait(0.2)
                break
        running.kill()  # without effect on a process that has ended
        assert running.returncode == 130
        assert running.stderr.read().splitlines()[-2:] == [b"", b"langwire: stopped without waiting"]


@on_unix
@pytest.mark.parametrize("arguments", [["run", "--json", f"{QUIRKS}:long", "hi"], ["run", f"{QUIRKS}:long", "hi"]])
def test_a_reader_may_leave_early(arguments: list[str]) -> None:
    """The answer is longer than a pipe holds, so that the writer must notice."""
    done = shell('{ "$@"; echo "code $?" >&2; } | head -c 1', *arguments)
    assert done.stderr.splitlines() == [b"printed at import", b"code 0"]


@on_unix
def test_closed_streams_are_no_failure() -> None:
    said = shell('"$@" <&-', "run", f"{QUIRKS}:echo", "hi")
    assert (said.returncode, said.stdout) == (0, b"you said ['hi']\n\n[complete]\n")
    assert shell('"$@" <&-', "run", f"{QUIRKS}:echo").returncode == 64
    assert shell('"$@" >&-', "run", f"{QUIRKS}:printing", "hi").returncode == 0
    assert shell('"$@" 2>&-', "run", "--json", f"{QUIRKS}:before", "hi").returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments", [["demo", "--fast"], ["run", f"{QUIRKS}:silent", "hi"], ["run", "--json", f"{QUIRKS}:silent", "hi"]]
)
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    done = shell('"$@" >/dev/full', *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == b"langwire: cannot write to standard output: No space left on device"
    assert b"Traceback" not in done.stderr
