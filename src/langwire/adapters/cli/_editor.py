"""Knows how a person changes a text in the editor of their choice: in a file that nobody else can read."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class EditorFailed(Exception):
    """The editor is not there, or ended with an error."""


def editor() -> str | None:
    """Return the command that the person has chosen for it, by `$VISUAL` or `$EDITOR`."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or None


def in_editor(command: str, text: str) -> str:
    """Open `text` as a file of JSON in an editor, and return what it holds when that one has closed it.

    The file is removed afterwards. Raises `EditorFailed`.
    """
    made, name = tempfile.mkstemp(prefix="langwire-", suffix=".json")  # for its owner alone
    path = Path(name)
    try:
        with os.fdopen(made, "w", encoding="utf-8") as file:
            file.write(text)
        with _ctrl_c_is_for_the_editor():
            code = subprocess.run([*shlex.split(command), name], check=False).returncode  # noqa: S603  the person's own choice
        if code != 0:
            raise EditorFailed(f"the editor {command!r} ended with code {code}: type a line instead")
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:  # not there; or a command or a text that cannot be read
        raise EditorFailed(f"the editor {command!r} does not open: {error}; type a line instead") from error
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _ctrl_c_is_for_the_editor() -> Generator[None]:
    """A terminal's Ctrl-C reaches us as well as the editor: it is none of our business while that one is open."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: None)  # a function, as the editor would inherit SIG_IGN
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
