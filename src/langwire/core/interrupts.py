"""Knows what a question of LangGraph looks like, and what its answer must look like.

Reading: `read_interrupt` turns what the graph raised into an `Interrupt` and never fails, because a payload may
be anything at all. Answering: `resume_map` turns decisions into the value of `Command(resume=…)` and refuses
everything that the graph would choke on, so that a wrong answer never costs a run.

Four shapes of payload carry actions to decide on; any other is a plain value, answered with a plain value:

- `{"action_requests": […], "review_configs": […]}`, answered with one decision for each action, in order;
- `{"type": "tool_approval", …}`, one tool call, answered with one decision;
- `{"action_request": …, "config": …}`, alone or in a list, the older form, answered in words of its own:
  accept, edit, response, ignore.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeGuard, cast, get_args

import msgspec

from langwire.core._guards import is_list, is_mapping
from langwire.errors import InvalidDecision
from langwire.events import Action, DecisionType, Interrupt, Lane, OpenCall

BREAKPOINT = "breakpoint"
"""The id of a static breakpoint, which LangGraph gives none."""

_DECISIONS: tuple[DecisionType, ...] = get_args(DecisionType)
_NO_ID = "placeholder-id"
_LEGACY_FLAGS: dict[str, DecisionType] = {
    "allow_accept": "approve",
    "allow_edit": "edit",
    "allow_ignore": "reject",
    "allow_respond": "respond",
}
_LEGACY_WORDS: dict[DecisionType, str] = {
    "approve": "accept",
    "edit": "edit",
    "reject": "ignore",
    "respond": "response",
}
_ALIASES = {word: decision for decision, word in _LEGACY_WORDS.items()}

# ------------------------------------------------------------------ reading a question


def read_interrupt(raw: Any, lane: Lane, open_calls: Sequence[OpenCall] = ()) -> Interrupt:
    """Return what LangGraph raised as an `Interrupt`.

    `raw` is LangGraph's own object, or the dict that a remote graph and the `tasks` mode have for it. `open_calls`
    are the calls without a result: an action is given the id of the call in `lane`, or in a lane inside it, that
    it is about. A question without an id gets one made of its value. Never raises.
    """
    id, value, schema = _NO_ID, raw, None
    try:
        id, value, schema = _fields(raw)
        return _read(id, value, schema, lane, open_calls)
    except Exception:  # foreign objects run foreign code when they are looked at
        return Interrupt(id=id if id != _NO_ID else _id_for(value), value=value, response_schema=schema, lane=lane)


def breakpoint_interrupt(lane: Lane, nodes: Sequence[str]) -> Interrupt:
    """Return the question that a static breakpoint stands for; `nodes` come next when the run goes on."""
    return Interrupt(id=BREAKPOINT, kind="breakpoint", value={"next": list(nodes)}, lane=lane)


def _fields(raw: Any) -> tuple[str, Any, dict[str, Any] | None]:
    if is_mapping(raw):
        value, id, schema = raw.get("value", raw), raw.get("id"), raw.get("response_schema")
    else:
        value, id = getattr(raw, "value", raw), getattr(raw, "id", None)
        schema = getattr(raw, "response_schema", None)
    return id if isinstance(id, str) and id else _NO_ID, value, dict(schema) if is_mapping(schema) else None


def _read(id: str, value: Any, schema: dict[str, Any] | None, lane: Lane, open_calls: Sequence[OpenCall]) -> Interrupt:
    kind, call_id, actions = "value", None, ()
    requests = value.get("action_requests") if is_mapping(value) else None
    if is_mapping(value) and is_list(requests) and _all_mappings(requests):
        kind = "approval_batched"
        actions = _batched(requests, value.get("review_configs"), _call_ids(requests, lane, open_calls))
    elif is_mapping(value) and value.get("type") == "tool_approval":
        kind, call_id = "approval_per_call", _text(value.get("tool_call_id"))
        actions = (_action(value, call_id, _known(_types_in(schema, schema, set()))),)
    else:
        older = value if is_list(value) else [value]
        if all(is_mapping(item) and is_mapping(item.get("action_request")) for item in older):
            requests = [item["action_request"] for item in older]
            ids = _call_ids(requests, lane, open_calls)
            actions = tuple(_legacy_action(*pair) for pair in zip(older, ids, strict=True))
    return Interrupt(
        id=id if id != _NO_ID else _id_for(value),
        kind=kind,
        value=value,
        actions=actions,
        allowed=tuple(type for type in _DECISIONS if actions and all(type in action.allowed for action in actions)),
        call_id=call_id,
        response_schema=schema,
        lane=lane,
    )


def _batched(requests: Sequence[Mapping[str, Any]], configs: Any, ids: Sequence[str | None]) -> tuple[Action, ...]:
    policies = [_mapping(config) for config in _items(configs)]
    actions: list[Action] = []
    for position, request in enumerate(requests):
        here = policies[position : position + 1]
        named = [policy for policy in [*here, *policies] if policy.get("action_name") == request.get("name")]
        allowed = [_known(_items(policy.get("allowed_decisions"))) for policy in [*named, *here]]
        actions.append(_action(request, ids[position], allowed[0] if allowed else ()))
    return tuple(actions)


def _action(request: Mapping[str, Any], call_id: str | None, allowed: tuple[DecisionType, ...]) -> Action:
    return Action(
        name=_name(request),
        args=request.get("args"),
        description=_text(request.get("description")),
        call_id=call_id,
        allowed=allowed,
    )


def _legacy_action(item: Mapping[str, Any], call_id: str | None) -> Action:
    flags = _mapping(item.get("config"))
    allowed = _known([decision for flag, decision in _LEGACY_FLAGS.items() if flags.get(flag) is True])
    return _action({"description": item.get("description"), **item["action_request"]}, call_id, allowed)


def _call_ids(requests: Sequence[Mapping[str, Any]], lane: Lane, open_calls: Sequence[OpenCall]) -> list[str | None]:
    """Find the call that each action is about: each call once, the nearest lanes first.

    Names and arguments tell first. A name alone will do after that, in order: an action may show other arguments
    than the model wrote.
    """
    calls = sorted((call for call in open_calls if call.lane[: len(lane)] == lane), key=lambda call: len(call.lane))
    found: list[OpenCall | None] = [None] * len(requests)
    for exact in (True, False):
        for position, request in enumerate(requests):
            if found[position] is None:
                fits = (call for call in calls if _fits(call, request, exact=exact))
                call = found[position] = next(fits, None)
                calls = [other for other in calls if other is not call]
    return [call.call_id if call is not None else None for call in found]


def _fits(call: OpenCall, request: Mapping[str, Any], *, exact: bool) -> bool:
    return call.name == _name(request) and (not exact or call.args == request.get("args"))


def _types_in(schema: Any, root: Any, seen: set[str]) -> Iterator[Any]:
    """Yield the decision types that an answer's JSON Schema names: by discriminator, constants or branches."""
    if not is_mapping(schema):
        return
    ref = _text(schema.get("$ref"))
    if ref is not None and ref not in seen:
        seen.add(ref)
        yield from _types_in(_mapping(root.get("$defs")).get(ref.rpartition("/")[2]), root, seen)
    yield from _mapping(_mapping(schema.get("discriminator")).get("mapping"))
    type_schema = _mapping(_mapping(schema.get("properties")).get("type"))
    yield type_schema.get("const")
    yield from _items(type_schema.get("enum"))
    for branch in (*_items(schema.get("oneOf")), *_items(schema.get("anyOf"))):
        yield from _types_in(branch, root, seen)


def _known(types: Iterator[Any] | Sequence[Any]) -> tuple[DecisionType, ...]:
    named = list(types)
    return tuple(type for type in _DECISIONS if type in named)


def _id_for(value: Any) -> str:
    """Return the same id for the same value. LangGraph's own ids look like this one: 32 hexadecimal digits.

    With any other key in a resume map LangGraph takes the whole map for the answer. The lane is left out, because
    a question is repeated in every lane above its own.
    """
    try:
        text = json.dumps(value, default=_plain, sort_keys=True)
    except Exception:  # cycles, keys that do not sort, objects that will not be looked at
        text = type(value).__qualname__
    return sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    return sorted(map(str, cast("set[Any]", value))) if isinstance(value, set | frozenset) else str(value)


def _all_mappings(items: Sequence[Any]) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return all(is_mapping(item) for item in items)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if is_mapping(value) else {}


def _items(value: Any) -> Sequence[Any]:
    return value if is_list(value) else ()


def _name(request: Mapping[str, Any]) -> str:
    return _text(request.get("name")) or _text(request.get("action")) or ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


# ------------------------------------------------------------------ answering it


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person decided about one action. Made by `approve`, `edit`, `reject` and `respond`."""

    type: DecisionType
    args: Mapping[str, Any] | None = None
    name: str | None = None
    message: str | None = None


def approve() -> Decision:
    """Let the action run as it is."""
    return Decision(type="approve")


def edit(args: Mapping[str, Any], name: str | None = None) -> Decision:
    """Let the action run with other arguments, all of them given in `args`; `name` makes it another tool."""
    return Decision(type="edit", args=args, name=name)


def reject(message: str | None = None) -> Decision:
    """Do not let the action run; `message` tells the model why."""
    return Decision(type="reject", message=message)


def respond(message: str) -> Decision:
    """Do not let the action run: `message` is its result, as if the tool had said it."""
    return Decision(type="respond", message=message)


def resume_map(interrupts: Sequence[Interrupt], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes into `Command(resume=…)` to answer open `interrupts`; some may stay unanswered.

    `answers` is keyed by interrupt id. An approval takes one decision for each of its actions, in order, or a
    single one where there is one action; dicts of LangChain's shape, bare or as `{"decisions": […]}`, will do as
    well. A plain value takes anything, `None` included.

    Raises `InvalidDecision` for whatever does not fit its interrupt.
    """
    if not is_mapping(answers):
        raise InvalidDecision(f"answers came as a {_kind(answers)}: expected a dict from interrupt id to answer")
    pending = {interrupt.id: interrupt for interrupt in interrupts}
    waiting = ", ".join(pending) or "none"
    if not answers:
        raise InvalidDecision(f"no answers came: expected at least one, keyed by interrupt id; open are: {waiting}")
    for id in answers:
        if id not in pending:
            raise InvalidDecision(f"no interrupt {id!r} is open: answer one of these: {waiting}")
    return {id: _resume_value(pending[id], answer) for id, answer in answers.items()}


def _resume_value(interrupt: Interrupt, answer: Any) -> Any:
    if interrupt.kind == "breakpoint":
        raise InvalidDecision(f"interrupt {interrupt.id!r} takes no answer: continue with no input instead")
    if interrupt.kind == "value":
        return _free_value(interrupt, answer)
    wires = _wires(interrupt, answer)
    return {"decisions": wires} if interrupt.kind == "approval_batched" else wires[0]


def _wires(interrupt: Interrupt, answer: Any) -> list[dict[str, Any]]:
    if is_mapping(answer) and "decisions" in answer:
        answer = answer["decisions"]
    items = answer if is_list(answer) else [answer]
    return [
        _wire(_decision(item, where), action, where, pinned=interrupt.kind == "approval_per_call")
        for item, action, where in _each(interrupt, items)
    ]


def _each(interrupt: Interrupt, items: Sequence[Any]) -> Iterator[tuple[Any, Action, str]]:
    """Yield (decision, action, words for the place) of an answer that has one decision for each action."""
    actions = interrupt.actions
    if len(items) != len(actions):
        names = ", ".join(action.name for action in actions)
        raise InvalidDecision(
            f"{len(items)} decisions came for interrupt {interrupt.id!r}: expected {len(actions)}, "
            f"one for each action in order ({names})"
        )
    for number, (item, action) in enumerate(zip(items, actions, strict=True), 1):
        yield item, action, f"action {number} ({action.name}) of interrupt {interrupt.id!r}"


def _decision(item: Any, where: str) -> Decision:
    """Read a decision, or a dict of LangChain's shape. The older words for decisions are understood too."""
    if isinstance(item, Decision):
        return item
    if not is_mapping(item):
        raise InvalidDecision(
            f"a {_kind(item)} came for {where}: expected a decision: approve, edit, reject or respond"
        )
    given = item.get("type")
    type = _ALIASES.get(given, given) if isinstance(given, str) else given
    if type not in _DECISIONS:
        raise InvalidDecision(f"decision {given!r} came for {where}: expected one of {', '.join(_DECISIONS)}")
    if type == "edit":
        older = item.get("args")
        edited = item.get("edited_action", older if is_mapping(older) and "action" in older else None)
        if not is_mapping(edited):
            raise InvalidDecision(
                f'an edit without an "edited_action" came for {where}: expected a dict with "name" and "args"'
            )
        return Decision(type="edit", args=edited.get("args"), name=edited.get("name", edited.get("action")))
    return Decision(type=type, message=item.get("message", item.get("args")))


def _wire(decision: Decision, action: Action, where: str, *, pinned: bool) -> dict[str, Any]:
    """Return LangChain's form of a decision that fits its action. `pinned` means an edit must keep the tool."""
    _check(decision, action, where)
    if decision.type == "edit":
        name = decision.name or action.name
        if pinned and name != action.name:
            raise InvalidDecision(f"an edit to the tool {name!r} came for {where}: here only its arguments can change")
        return {"type": "edit", "edited_action": {"name": name, "args": decision.args}}
    wire: dict[str, Any] = {"type": decision.type}
    if decision.message is not None and decision.type != "approve":
        wire["message"] = decision.message
    return wire


def _legacy_wire(decision: Decision, action: Action, where: str) -> dict[str, Any]:
    """Return the older form of a decision that fits its action."""
    _check(decision, action, where)
    args: Any = decision.message
    if decision.type == "edit":
        args = {"action": decision.name or action.name, "args": decision.args}
    return {"type": _LEGACY_WORDS[decision.type], "args": args}


def _check(decision: Decision, action: Action, where: str) -> None:
    type, name, message = decision.type, cast("Any", decision.name), cast("Any", decision.message)
    if action.allowed and type not in action.allowed:
        raise InvalidDecision(f"{type} came for {where}: allowed are {', '.join(action.allowed)}")
    if type == "edit" and not is_mapping(decision.args):
        raise InvalidDecision(f"an edit with a {_kind(decision.args)} came for {where}: expected a dict of arguments")
    if type == "edit" and not isinstance(name, str | None):
        raise InvalidDecision(f"an edit to a {_kind(name)} came for {where}: expected the name of a tool")
    if type == "respond" and (not isinstance(message, str) or not message):
        raise InvalidDecision(f"respond without a message came for {where}: expected the text of the tool's result")
    if type == "reject" and not isinstance(message, str | None):
        raise InvalidDecision(f"reject with a {_kind(message)} came for {where}: expected a text or nothing")


def _free_value(interrupt: Interrupt, answer: Any) -> Any:
    """Return an answer as it is, unless it holds decisions: those fit only a question about actions."""
    items = answer if is_list(answer) else [answer]
    if not any(isinstance(item, Decision) for item in items):
        return answer
    if not interrupt.actions:
        raise InvalidDecision(
            f"a decision came for interrupt {interrupt.id!r}, which asks for a value: answer with the value itself"
        )
    wires = [_legacy_wire(_decision(item, where), action, where) for item, action, where in _each(interrupt, items)]
    return wires if is_list(interrupt.value) else wires[0]


def _kind(value: Any) -> str:
    return type(value).__name__
