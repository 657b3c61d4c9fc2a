"""Knows how a person types at a terminal: messages of several lines with a history, and lines that answer."""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.commands.typed import NO_TERMINAL, forget_typed
from langwire.errors import MissingExtra

try:
    from prompt_toolkit import PromptSession
except ImportError as missing:
    raise MissingExtra('a conversation in the terminal needs an extra: pip install "langwire[cli]"') from missing

from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

_termios: Any
try:
    import termios as _termios
except ImportError:  # pragma: no cover - Windows
    _termios = None

_QUIET = "fg:ansibrightblack"
_STYLE = Style.from_dict({"prompt": "bold", "bottom-toolbar": f"noreverse {_QUIET}"})
_LEAVE = "Ctrl-C again or Ctrl-D leaves"


@contextmanager
def keys(out: TextIO, commands: Mapping[str, str]) -> Generator[Keys]:
    """Yield what a person types at the terminal `out`, who may give `commands`: their names, and what each does."""
    output = create_output(out)
    with create_app_session(create_input(sys.stdin), output) as app:
        yield Keys(app.input, output, commands)


class Keys:
    """What one person types at one terminal."""

    there = True
    """Somebody can be asked."""

    def __init__(self, input: Input, output: Output, commands: Mapping[str, str]) -> None:
        self._input = input
        self._before: list[Any] | None = None
        """How the terminal was before it was made quiet."""
        depth = ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None
        common: dict[str, Any] = {
            "input": input,
            "output": output,
            "style": _STYLE,
            "color_depth": depth,
            "input_processors": [_WrittenOut()],
        }
        self._messages: PromptSession[str] = PromptSession(
            history=_history(),
            multiline=True,
            key_bindings=_bindings(),
            completer=_Commands(commands),
            complete_while_typing=Condition(lambda: self._messages.default_buffer.text.startswith("/")),
            prompt_continuation="  ",
            **common,
        )
        self._answers: PromptSession[str] = PromptSession(history=InMemoryHistory(), **common)

    async def message(self, toolbar: Callable[[], str], begin: str = "") -> str:
        """Ask for a message, which begins with a text that can be changed.

        Raises `EOFError` for Ctrl-D, and for a second Ctrl-C: the first one clears the line. A line that began with a
        text is left by the first.
        """
        said = ""

        def quiet() -> str:
            return safe_terminal(f" {said or toolbar()}", keep_newlines=False)

        while True:
            try:
                with patch_stdout():  # what the agent prints now goes above the prompt
                    return await self._messages.prompt_async("> ", default=begin, bottom_toolbar=quiet)
            except KeyboardInterrupt:
                if begin or (said and not self._messages.default_buffer.text):
                    raise EOFError from None
                said = _LEAVE

    async def line(self, prompt: str, begin: str = "") -> str:
        """Ask for a line. Raises `EOFError` for Ctrl-D and Ctrl-C."""
        try:
            return await self._answers.prompt_async(prompt, default=begin)
        except KeyboardInterrupt:
            raise EOFError from None

    @contextmanager
    def quiet(self) -> Generator[None]:
        """Meanwhile, do not show what is typed: it would stand in the middle of what is told."""
        with suppress(*NO_TERMINAL):
            before = self._before = _termios.tcgetattr(self._input.fileno())
            silent = [*before[:3], before[3] & ~_termios.ECHO, *before[4:]]
            _termios.tcsetattr(self._input.fileno(), _termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            self.loud()

    def loud(self) -> None:
        """Show again what is typed."""
        if self._before is not None:
            _termios.tcsetattr(self._input.fileno(), _termios.TCSADRAIN, self._before)
            self._before = None

    def forget_typed(self) -> None:
        """Drop what was typed ahead: it answers no question that was not there yet."""
        clear_typeahead(self._input)
        forget_typed(self._input)


def _bindings() -> KeyBindings:
    """Enter sends, Alt-Enter begins a new line; pasted text keeps its own."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


class _WrittenOut(Processor):
    """Shows what a terminal would obey or hide in what stands in a line, whoever wrote it; the text stays."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        begins = [0]
        """Where each character begins on the screen, and where the last one ends."""
        shown: list[tuple[str, str]] = []
        for style, character, *_ in explode_text_fragments(transformation_input.fragments):
            text = safe_terminal(character)
            shown.append((style if text == character else f"{style} class:control-character", text))
            begins.append(begins[-1] + len(text))
        return Transformation(
            [*shown],
            lambda at: begins[min(at, len(begins) - 1)],
            lambda at: bisect_right(begins, at) - 1,
        )


class _Commands(Completer):
    """Completes the name of a command, and says what it does."""

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        if typed.startswith("/"):
            for name, does in self._commands.items():
                if f"/{name}".startswith(typed):
                    yield Completion(f"/{name}", -len(typed), display_meta=does)


class _KeptHistory(FileHistory):
    """A history in a file, as far as that can be written."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def _history() -> History:
    """Return what was typed before, from a file for its owner alone."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(home) / "langwire" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return _KeptHistory(str(path))
