"""Knows how a message answers open questions, and what a given answer decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langwire.core._guards import is_list, is_mapping
from langwire.core.interrupts import reject, respond
from langwire.errors import InterruptOpen
from langwire.events import Interrupt


def answers_by_text(questions: Sequence[Interrupt], text: Any) -> dict[str, Any]:
    """Return the answers that a person gives who types a text in place of deciding.

    It is the answer to a single plain question. For an approval it is the result of every action (`respond`), or,
    where that is not allowed, the reason of its rejection. Raises `InterruptOpen` when it cannot be either.
    """
    if not isinstance(text, str) or len(questions) > 1:
        raise InterruptOpen(
            f"{len(questions)} questions wait for an answer, and what came is not one text for one question: "
            "answer with resume()"
        )
    (question,) = questions
    if not question.actions:
        return {question.id: text}
    decisions: list[Any] = []
    for action in question.actions:
        if not action.allowed or "respond" in action.allowed:
            decisions.append(respond(text))
        elif "reject" in action.allowed:
            decisions.append(reject(text))
        else:
            raise InterruptOpen(f"a text does not answer for {action.name}: expected {', '.join(action.allowed)}")
    return {question.id: decisions}


def decisions_of(value: Any) -> tuple[str, ...]:
    """Return the decision types in what goes into a resume map, in order; none for a plain answer."""
    if is_mapping(value) and is_list(value.get("decisions")):
        value = value["decisions"]
    items = value if is_list(value) else [value]
    return tuple(str(item["type"]) for item in items if is_mapping(item) and "type" in item)
