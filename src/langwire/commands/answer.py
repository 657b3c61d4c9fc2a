"""Asks a person at the terminal to answer a turn's questions. What is asked has been printed by then."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from langwire.adapters._shared.safe_terminal import safe_terminal, writable
from langwire.core.codec import jsonable
from langwire.core.interrupts import Decision, approve, edit, reject, respond
from langwire.events import Action, DecisionType, Interrupt

try:
    import readline  # with it, `input` has arrow keys, a history and text to begin with
except ImportError:  # pragma: no cover - Windows
    readline = None

_ALL: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")


class Left(Exception):
    """The person left without an answer (end of input)."""


def ask(questions: Sequence[Interrupt]) -> dict[str, Any]:
    """Return an answer for each question by its id, none for a breakpoint, which is left by going on.

    Whatever cannot be an answer is asked again. Raises `Left` at the end of input.
    """
    answers: dict[str, Any] = {}
    places = _places(sum(map(_size, questions)))
    for question in questions:
        if question.kind == "breakpoint":
            _prompt(f"{next(places)}press Enter to go on ")
        elif _is_open(question):
            answers[question.id] = _value(_prompt(f"{next(places)}answer (text or JSON): "))
        else:
            answers[question.id] = [_decide(action, next(places)) for action in question.actions]
    return answers


def _is_open(question: Interrupt) -> bool:
    """Whether any value at all is an answer."""
    return question.kind == "value" and not question.actions


def _size(question: Interrupt) -> int:
    return 1 if question.kind == "breakpoint" or _is_open(question) else len(question.actions)


def _places(number: int) -> Iterator[str]:
    """Say which of several questions this one is; they were printed in the same order."""
    return iter([f"({place} of {number}) " for place in range(1, number + 1)] if number > 1 else [""])


def _value(given: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(given)
    except ValueError:
        return given


# ------------------------------------------------------------------ decisions


def _decide(action: Action, place: str) -> Decision:
    allowed = action.allowed or _ALL
    keys: dict[DecisionType, str] = {decision: _key(decision, allowed) for decision in allowed}
    shown = " / ".join(f"[{key}]{decision[len(key) :]}" for decision, key in keys.items())
    while True:
        given = _prompt(f"{place}{action.name}: {shown}? ").lower()
        chosen: DecisionType | None = next(
            (d for d, key in keys.items() if given.startswith(key) and d.startswith(given)), None
        )
        made = _MAKERS[chosen](action) if chosen else None
        if made is not None:
            return made
        if given and not chosen:
            print(f"expected one of {', '.join(allowed)}, or the letters in brackets")


def _key(decision: DecisionType, allowed: Sequence[DecisionType]) -> str:
    """The shortest beginning that no other decision has."""
    others = [other for other in allowed if other != decision]
    lengths = range(1, len(decision))
    return next(decision[:n] for n in lengths if not any(other.startswith(decision[:n]) for other in others))


def _edit(action: Action) -> Decision | None:
    """Ask for new arguments, beginning with those there are. Nothing at all leads back to the choice."""
    given = _editable(action.args)
    while True:
        given = _prompt("new arguments (a JSON object, nothing to go back): ", given)
        if not given:
            return None
        try:
            args = json.loads(given)
        except ValueError as error:
            print(f"that is not JSON: {error}")
            continue
        if isinstance(args, dict):
            return edit(cast("dict[str, Any]", args))
        print("expected a JSON object with the new arguments, all of them")


def _editable(args: Any) -> str:
    """Arguments as JSON, in which everything that a terminal would obey, hide or not have is escaped."""
    text = json.dumps(jsonable(args), ensure_ascii=False)
    encoding = sys.stdout.encoding
    return "".join(
        character if writable(safe_terminal(character), encoding) == character else json.dumps(character)[1:-1]
        for character in text
    )


def _respond(action: Action) -> Decision | None:
    message = _prompt(f"what {action.name} would return (nothing to go back): ")
    return respond(message) if message else None


_MAKERS: dict[DecisionType, Callable[[Action], Decision | None]] = {
    "approve": lambda action: approve(),
    "edit": _edit,
    "reject": lambda action: reject(_prompt("why (Enter for no reason): ") or None),
    "respond": _respond,
}


# ------------------------------------------------------------------ one line from a person


def _prompt(text: str, begin: str = "") -> str:
    """Ask for a line, which begins with a text that can be changed."""
    shown = writable(safe_terminal(text, keep_newlines=False), sys.stdout.encoding)
    while True:
        _begin_with(begin)
        try:
            return input(shown).strip()
        except UnicodeDecodeError:
            print(f"expected text in {sys.stdin.encoding}")
        except EOFError:
            print()  # what is said next has a line of its own
            raise Left from None
        except KeyboardInterrupt:
            print()
            raise


def _begin_with(text: str) -> None:
    if readline is not None:
        insert = readline.insert_text
        readline.set_startup_hook(lambda: insert(text))
