"""Asks a person at the terminal to answer a turn's questions. What is asked has been printed by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.core.interrupts import Decision, approve, edit, reject, respond
from langwire.events import Action, DecisionType, Interrupt

_ALL: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
_KEYS: dict[DecisionType, str] = {"approve": "a", "edit": "e", "reject": "rej", "respond": "res"}


class Left(Exception):
    """The person left without an answer (end of input)."""


def ask(questions: Sequence[Interrupt]) -> dict[str, Any]:
    """Return an answer for each question by its id, none for a breakpoint, which is left by going on.

    Raises `Left` at the end of input.
    """
    answers: dict[str, Any] = {}
    for question in questions:
        if question.kind == "breakpoint":
            _prompt("press Enter to go on ")
        elif question.actions:
            decisions = [_decide(action) for action in question.actions]
            answers[question.id] = decisions[0] if question.kind == "approval_per_call" else decisions
        else:
            answers[question.id] = _value(_prompt("answer: "))
    return answers


def _decide(action: Action) -> Decision:
    allowed = action.allowed or _ALL
    keys: dict[DecisionType, str] = {decision: _KEYS[decision] for decision in allowed}
    shown = " / ".join(f"[{key}]{decision[len(key) :]}" for decision, key in keys.items())
    while True:
        given = _prompt(f"{safe_terminal(action.name, keep_newlines=False)}: {shown}? ").lower()
        for decision, key in keys.items():
            if given in (key, decision):
                made = _MAKERS[decision]()
                if made is not None:
                    return made


def _edit() -> Decision | None:
    try:
        args = json.loads(_prompt("new arguments as JSON: "))
    except ValueError as error:
        print(f"that is no JSON: {error}")
        return None
    return edit(args)


_MAKERS: dict[DecisionType, Callable[[], Decision | None]] = {
    "approve": approve,
    "edit": _edit,
    "reject": lambda: reject(_prompt("why (Enter for no reason): ") or None),
    "respond": lambda: respond(_prompt("your answer in its place: ")),
}


def _value(given: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(given)
    except ValueError:
        return given


def _prompt(text: str) -> str:
    try:
        return input(text).strip()
    except EOFError:
        raise Left from None
