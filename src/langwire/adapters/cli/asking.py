"""Asks a person at the terminal to answer a turn's questions. What is asked has been shown by then, and is on request.

send_email: [a]pprove / [e]dit / [rej]ect / [res]pond? ?       shows it once more, all arguments in full
send_email: [a]pprove / [e]dit / [rej]ect / [res]pond? e       opens $VISUAL or $EDITOR, else a line to change
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.adapters.cli._editor import EditorFailed, editor, in_editor
from langwire.adapters.cli.given import answer_of, expected
from langwire.core.codec import jsonable
from langwire.core.interrupts import Decision, approve, edit, reject, respond
from langwire.events import Action, DecisionType, Interrupt

try:
    import readline  # with it, `input` has arrow keys, a history and text to begin with
except ImportError:  # pragma: no cover - Windows
    readline = None

Read: TypeAlias = Callable[[str, str], str]
"""Takes what to ask with, which is safe to print, and what the line begins with; returns the line.

Raises `EOFError` when the person leaves.
"""

_ALL: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")


class Left(Exception):
    """The person left without an answer (end of input)."""


def ask(questions: Sequence[Interrupt], *, read: Read | None = None) -> dict[str, Any]:
    """Return an answer for each question by its id, none for a breakpoint, which is left by going on.

    The questions have been shown before, with all their arguments: an adapter does that. `?` in place of an answer
    shows one again, and whatever cannot be an answer is asked again. `read` is what asks for a line, standard input
    where none is given. Raises `Left` at the end of input.
    """
    return _Asking(read or _read).answers(questions)


class _Asking:
    """A row of questions to one person, who is asked by `read`."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._makers: dict[DecisionType, Callable[[Action], Decision | None]] = {
            "approve": lambda action: approve(),
            "edit": self._edit,
            "reject": lambda action: reject(self._line("why (Enter for no reason): ") or None),
            "respond": self._respond,
        }

    def answers(self, questions: Sequence[Interrupt]) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        places = _places(sum(map(_size, questions)))
        for question in questions:
            if question.kind == "breakpoint":
                self._line(f"{next(places)}press Enter to go on ", question)
            elif _is_open(question):
                answers[question.id] = self._answer(question, next(places))
            else:
                answers[question.id] = [self._decide(action, next(places)) for action in question.actions]
        return answers

    def _answer(self, question: Interrupt, place: str) -> Any:
        what = expected(question.response_schema)
        while True:
            given = self._line(f"{place}answer{f' ({what})' if what else ''}: ", question)
            try:
                return answer_of(given, question.response_schema)
            except ValueError as error:
                _tell(str(error))

    # -------------------------------------------------------------- decisions

    def _decide(self, action: Action, place: str) -> Decision:
        allowed = action.allowed or _ALL
        keys: dict[DecisionType, str] = {decision: _key(decision, allowed) for decision in allowed}
        shown = " / ".join(f"[{key}]{decision[len(key) :]}" for decision, key in keys.items())
        while True:
            given = self._line(f"{place}{action.name}: {shown}? ", action).lower()
            chosen: DecisionType | None = next(
                (d for d, key in keys.items() if given.startswith(key) and d.startswith(given)), None
            )
            made = self._makers[chosen](action) if chosen else None
            if made is not None:
                return made
            if given and not chosen:
                _tell(f"expected one of {', '.join(allowed)}, or the letters in brackets")
                _tell("? shows what it is about, with all arguments")

    def _edit(self, action: Action) -> Decision | None:
        """Ask for new arguments, beginning with those there are. Nothing new leads back to the choice."""
        command = editor()
        if command is not None:
            try:
                return self._edit_in(command, action)
            except EditorFailed as error:
                _tell(str(error))
        given = _editable(action.args, sys.stdout.encoding)
        while True:
            given = self._line("new arguments (a JSON object; an empty line goes back): ", begin=given)
            if not given:
                return None
            args = _arguments(given)
            if args is not None:
                return edit(args)

    def _edit_in(self, command: str, action: Action) -> Decision | None:
        """Have the arguments changed in the person's own editor. Raises `EditorFailed`."""
        before = given = _editable(action.args, "utf-8", indent=2) + "\n"
        while True:
            given = in_editor(command, given)
            if given == before or not given.strip():
                _tell("nothing was changed")
                return None
            args = _arguments(given)
            if args is not None:
                return edit(args)
            if self._line("Enter opens it again, anything else goes back: "):
                return None

    def _respond(self, action: Action) -> Decision | None:
        message = self._line(f"what {action.name} would return (an empty line goes back): ")
        return respond(message) if message else None

    # -------------------------------------------------------------- one line

    def _line(self, text: str, about: Action | Interrupt | None = None, *, begin: str = "") -> str:
        """Ask for a line, which begins with a text that can be changed; show first `about` what, as often as wanted."""
        shown = writable(safe_terminal(text, keep_newlines=False), sys.stdout.encoding)
        while True:
            try:
                given = self._read(shown, begin)
            except EOFError:
                raise Left from None
            if given.rstrip() != "?" or about is None:  # one with a blank before it is an answer
                return given.strip()
            _tell(_in_full(about))


# ------------------------------------------------------------------ questions


def _is_open(question: Interrupt) -> bool:
    """Whether any value at all is an answer."""
    return question.kind == "value" and not question.actions


def _size(question: Interrupt) -> int:
    return 1 if question.kind == "breakpoint" or _is_open(question) else len(question.actions)


def _places(number: int) -> Iterator[str]:
    """Say which of several questions this one is; they were printed in the same order."""
    return iter([f"({place} of {number}) " for place in range(1, number + 1)] if number > 1 else [""])


def _key(decision: DecisionType, allowed: Sequence[DecisionType]) -> str:
    """The shortest beginning that no other decision has."""
    others = [other for other in allowed if other != decision]
    lengths = range(1, len(decision))
    return next(decision[:n] for n in lengths if not any(other.startswith(decision[:n]) for other in others))


def _in_full(about: Action | Interrupt) -> str:
    """What is asked, with nothing left out."""
    if isinstance(about, Interrupt):
        return about.value if isinstance(about.value, str) else _editable(about.value, None, indent=2)
    said = f"{about.name} {_editable(about.args, None, indent=2)}"
    return f"{about.description}\n{said}" if about.description else said


# ------------------------------------------------------------------ what was typed


def _arguments(given: str) -> dict[str, Any] | None:
    """Read new arguments; say why where they are none."""
    try:
        args = json.loads(given)
    except ValueError as error:
        _tell(f"that is not JSON: {error}")
        return None
    if isinstance(args, dict):
        return cast("dict[str, Any]", args)
    _tell("expected a JSON object with the new arguments, all of them")
    return None


def _editable(args: Any, encoding: str | None, *, indent: int | None = None) -> str:
    """Arguments as JSON, in which everything that a terminal would obey, hide or not have is escaped."""
    text = json.dumps(jsonable(args), ensure_ascii=False, indent=indent)
    if text.isascii():  # all that JSON does not escape by itself but DEL
        return text.replace("\x7f", "\\u007f")
    return "".join(
        character if writable(safe_terminal(character), encoding) == character else json.dumps(character)[1:-1]
        for character in text
    )


# ------------------------------------------------------------------ the terminal


def _tell(text: str = "") -> None:
    sys.stdout.write(writable(safe_terminal(text), sys.stdout.encoding) + "\n")


def _read(prompt: str, begin: str) -> str:
    """Ask for a line of standard input."""
    while True:
        _begin_with(begin)
        try:
            return input(prompt)
        except UnicodeDecodeError:
            _tell(f"expected text in {sys.stdin.encoding}")
        except (EOFError, KeyboardInterrupt):
            _tell()  # what is said next has a line of its own
            raise


def _begin_with(text: str) -> None:
    if readline is not None:
        insert = readline.insert_text
        readline.set_startup_hook(lambda: insert(text))
