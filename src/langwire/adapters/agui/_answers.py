"""Knows which open question each answer of a client is for, and what it says in langwire's words.

Answers come in three ways: in `resume` (AG-UI 1.0), in `forwardedProps.command.resume` (clients of before, without an
id), and as `tool` messages, the results of calls that the client runs itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

import msgspec

from langwire.adapters.agui._blocks import blocks_of, refuse_unfit
from langwire.adapters.agui._protocol import ResumeEntry, RunAgentInput, ToolMessage
from langwire.adapters.agui._reading import fit_id, parse_json
from langwire.adapters.agui._refused import Refused, cut
from langwire.adapters.agui.frontend_tools import frontend_call
from langwire.core._guards import is_list, is_mapping
from langwire.core.interrupts import BREAKPOINT, Decision, approve, edit, reject, respond, resume_map
from langwire.errors import InvalidDecision
from langwire.events import Interrupt


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Answer open questions: `Session.resume(answers, partial=partial)`."""

    answers: dict[str, Any]
    partial: bool = False


class Continue(msgspec.Struct, frozen=True, kw_only=True):
    """Go on from where the thread stands: `Session.continue_()`."""


def answers_of(
    run: RunAgentInput,
    open: Sequence[Interrupt],
    answered: Sequence[str],
    results: Sequence[tuple[Interrupt, ToolMessage]],
) -> Resume | Continue | None:
    """Return what a client answers; None when it answers nothing.

    `open` are the open questions, `answered` the ids of those that have their answer, `results` the client's results
    with the calls that wait for them. Raises `Refused`.
    """
    questions = {question.id: question for question in open}
    answers: list[tuple[str, Any]] = []
    for entry in run.resume or ():
        question = _asked(entry.interrupt_id, questions, answered)
        answers.append((question.id, _cancelled(question) if entry.status == "cancelled" else _answer(question, entry)))
    if not answers:
        answers += _older(run.forwarded_props, questions)
    answers += [(question.id, _result(message)) for question, message in results]
    if not answers:
        return None
    given = dict(answers)
    if len(given) < len(answers):
        raise Refused(422, "duplicate_answer", "two answers to one question came: answer each question once")
    left = [question for question in open if question.id not in given]
    missing = [cut(question.id) for question in left if frontend_call(question) is None]
    if missing:
        raise Refused(
            409,
            "missing_answers",
            f"{len(given)} of {len(open)} open questions were answered: answer {', '.join(missing)} too",
        )
    return Continue() if BREAKPOINT in given else Resume(answers=given, partial=bool(left))


def _asked(id: str, questions: Mapping[str, Interrupt], answered: Sequence[str]) -> Interrupt:
    if id in questions:
        return questions[id]
    if id in answered:
        raise Refused(409, "already_answered", f"interrupt {cut(id)} has its answer: send none again")
    waiting = ", ".join(map(cut, questions)) or "none"
    raise Refused(409, "unknown_interrupt", f"interrupt {cut(id)} is not open: answer one of these: {waiting}")


def _answer(question: Interrupt, entry: ResumeEntry) -> Any:
    return _read(question, entry.payload)


def _cancelled(question: Interrupt) -> Any:
    """Return what a question is answered with that a person turned down."""
    if question.kind == "breakpoint":
        raise Refused(422, "invalid_answer", "a breakpoint came cancelled: resolve it to go on, or send a new message")
    if frontend_call(question) is not None:
        return {"content": "", "error": "cancelled"}
    return _checked(question, [reject() for _ in question.actions]) if question.actions else None


def _result(message: ToolMessage) -> dict[str, Any]:
    refuse_unfit(message.content, f"message {cut(message.id)}")
    id = message.id if fit_id(message.id) else None
    return {"content": blocks_of(message.content), "error": message.error or None, "id": id}


# ------------------------------------------------------------------ answers without an id


def _older(props: Any, questions: Mapping[str, Interrupt]) -> list[tuple[str, Any]]:
    """Return the answers that stand in the properties which a client of before 1.0 forwards."""
    command = props.get("command") if is_mapping(props) else None
    given = command.get("resume") if is_mapping(command) else None
    if given is None:
        return []
    value = _value(given)
    if is_mapping(value) and value and all(id in questions for id in value):
        return [(id, _read(questions[id], payload)) for id, payload in value.items()]
    asked = [question for question in questions.values() if frontend_call(question) is None]
    if len(asked) != 1:
        raise Refused(
            409,
            "unknown_interrupt",
            f"an answer without an id came while {len(asked)} questions are open: answer with resume, by interruptId",
        )
    return [(asked[0].id, _read(asked[0], value))]


def _value(given: Any) -> Any:
    """Return a value that may have come as JSON text. What is no JSON is a text that somebody typed."""
    if not isinstance(given, str):
        return given
    try:
        return parse_json(given)
    except ValueError:
        return given


# ------------------------------------------------------------------ what an answer says


def _read(question: Interrupt, payload: Any) -> Any:
    if frontend_call(question) is not None:
        return _call_result(payload)
    if question.kind == "breakpoint":
        return None  # any answer goes on
    items: list[Any] = [_decision(item) for item in _decisions_in(payload)]
    if question.kind == "value" and not (question.actions and all(isinstance(item, Decision) for item in items)):
        return payload
    return _checked(question, items)


def _call_result(payload: Any) -> dict[str, Any]:
    """Return the result of the client's own tool that came as the answer to a question."""
    if is_mapping(payload) and isinstance(payload.get("content"), str):
        error = payload.get("error")
        return {"content": payload["content"], "error": error if error and isinstance(error, str) else None}
    text = payload if isinstance(payload, str) else dumps(payload, ensure_ascii=False)
    return {"content": text, "error": None}


def _decisions_in(payload: Any) -> Sequence[Any]:
    if is_mapping(payload) and is_list(payload.get("decisions")):
        return payload["decisions"]
    return payload if is_list(payload) else [payload]


def _decision(item: Any) -> Any:
    """Return a decision: approved or not in a word, or LangChain's form. Anything else is returned as it is."""
    if isinstance(item, bool):
        return approve() if item else reject()
    if not is_mapping(item):
        return item
    message = item.get("message")
    if isinstance(item.get("approved"), bool):
        edited = item.get("editedArgs")
        if not item["approved"]:
            return reject(message)
        return approve() if edited is None else edit(edited)
    match item:
        case {"type": "approve"}:
            return approve()
        case {"type": "edit", "edited_action": {"args": args, **rest}}:
            return edit(args, rest.get("name"))
        case {"type": "reject"}:
            return reject(message)
        case {"type": "respond"}:
            return respond(message)  # pyright: ignore[reportArgumentType]  what is no text is refused below
        case _:
            return item


def _checked(question: Interrupt, decisions: list[Any]) -> list[Any]:
    """Return decisions that fit the actions that a question is about."""
    try:
        resume_map([question], {question.id: decisions})
    except InvalidDecision:  # its words may repeat what came
        each = "; ".join(f"{action.name:.80} ({', '.join(action.allowed) or 'any'})" for action in question.actions[:8])
        raise Refused(
            422,
            "invalid_answer",
            f"an answer that does not fit came for interrupt {cut(question.id)}: expected one allowed decision for "
            f"each of {len(question.actions)} actions, in order: {each}",
        ) from None
    return decisions
