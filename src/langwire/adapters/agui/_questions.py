"""Knows how a question of LangGraph reads in AG-UI, and which answer it wants.

| kind of interrupt | `reason` | answer (`resume[].payload`) |
|---|---|---|
| `value` | `input_required` | whatever the node takes; its own schema, where LangGraph knows one |
| approvals | `tool_call` | `{"decisions": […]}`, in the order of the actions; of one, the decision alone will do |
| `breakpoint` | `breakpoint` | any: it only says to go on |

What an interface needs to ask well is in `metadata.langwire`: the kind, the value whole, and the actions with all
their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langwire.adapters.agui.events import Custom, Question
from langwire.core._guards import is_mapping
from langwire.core.codec import jsonable
from langwire.events import Action, DecisionType, Interrupt

_PROMPTS = ("message", "question", "prompt", "description")


def question_of(interrupt: Interrupt, call_id: Callable[[str], str], subagent: str | None) -> Question:
    """Return a question as a run's outcome has it. `call_id` gives a call's id on the wire."""
    about = asked_about(interrupt)
    reasons = {"value": "input_required", "breakpoint": "breakpoint"}
    schema = interrupt.response_schema
    if schema is None and interrupt.kind in ("approval_batched", "approval_per_call"):
        schema = _schema(interrupt)
    return Question(
        id=interrupt.id,
        reason=reasons.get(interrupt.kind, "tool_call"),
        message=_prompt(interrupt),
        tool_call_id=call_id(about) if about is not None else None,
        response_schema=jsonable(schema) if schema is not None else None,
        metadata={"langwire": jsonable(_whole(interrupt))},
        subagent_run_id=subagent,
    )


def asked_about(interrupt: Interrupt) -> str | None:
    """Return the provider's id of the one call that a question is about."""
    return interrupt.call_id or (interrupt.actions[0].call_id if len(interrupt.actions) == 1 else None)


def on_interrupt(interrupt: Interrupt) -> Custom:
    """Return a question as clients of before 1.0 know it."""
    return Custom(name="on_interrupt", value=jsonable(interrupt.value))


def _whole(interrupt: Interrupt) -> dict[str, Any]:
    whole: dict[str, Any] = {"kind": interrupt.kind, "value": interrupt.value}
    if interrupt.actions:
        whole["actions"] = interrupt.actions
    return whole


def _prompt(interrupt: Interrupt) -> str | None:
    value = interrupt.value
    if isinstance(value, str):
        return value
    said = [value.get(name) for name in _PROMPTS] if is_mapping(value) else []
    said += [action.description for action in interrupt.actions]
    return next((text for text in said if isinstance(text, str) and text), None)


def _schema(interrupt: Interrupt) -> dict[str, Any]:
    """Return the JSON Schema of an approval's answer: one decision for each action, in order."""
    count = len(interrupt.actions)
    return {
        "type": "object",
        "properties": {
            "decisions": {
                "type": "array",
                "items": {"anyOf": _decisions(interrupt.actions)},
                "minItems": count,
                "maxItems": count,
            }
        },
        "required": ["decisions"],
    }


def _decisions(actions: tuple[Action, ...]) -> list[dict[str, Any]]:
    allowed = {type for action in actions for type in action.allowed}
    shapes: dict[DecisionType, dict[str, Any]] = {
        "approve": {},
        "edit": {
            "edited_action": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "args": {"type": "object"}},
                "required": ["name", "args"],
            }
        },
        "reject": {"message": {"type": "string"}},
        "respond": {"message": {"type": "string"}},
    }
    required: dict[DecisionType, list[str]] = {"edit": ["edited_action"], "respond": ["message"]}
    return [
        {
            "type": "object",
            "properties": {"type": {"const": type}, **shape},
            "required": ["type", *required.get(type, [])],
        }
        for type, shape in shapes.items()
        if not allowed or type in allowed
    ]
