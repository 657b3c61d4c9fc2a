"""Knows how to read a `RunAgentInput` from bytes that anybody may have sent, and what is in it for the agent.

JSON lets through more than a graph can keep: lone surrogates, NaN, numbers of any size, any depth, one key twice. All
of that is refused here, so that whatever is read can be stored, encoded and sent on. The models of `ag-ui-protocol`
turn `1` into `"1"` and the like; here a field has the type that the protocol gives it. `null` in place of an optional
field, and fields that nobody knows, are taken: clients of the 0.1 line send them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from pydantic import ValidationError

from langwire.adapters.agui._protocol import ActivityMessage, ReasoningMessage, RunAgentInput
from langwire.adapters.agui._refused import Refused, cut
from langwire.core._guards import is_mapping

MAX_DEPTH = 64
"""How deep objects and lists may lie in each other, in the whole body."""
MAX_ID = 200
"""How long the id of a thread, a run, or a new message may be, in characters."""
MAX_TOOLS = 128
"""How many tools a client may bring: providers take no more."""

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SHOWN = 5
"""How many fields a refusal names."""
_LOOKED_AT = 100
"""Of how many faults they are taken: a body can have a great many."""
_Place: TypeAlias = Sequence[str | int]


def read_run(body: bytes) -> RunAgentInput:
    """Return the `RunAgentInput` that a request's body holds. Raises `Refused` (`invalid_input`), and nothing else."""
    try:
        given = parse_json(body.decode())
    except UnicodeDecodeError:
        raise _unfit("a body that is not UTF-8 came: expected the JSON of a RunAgentInput") from None
    except ValueError as error:
        raise _unfit(f"a body that is not taken as JSON came ({error}): expected that of a RunAgentInput") from None
    try:
        run = RunAgentInput.model_validate(given, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_LOOKED_AT]
        raise _unfit(_described([(fault["loc"], fault["type"] == "missing") for fault in faults], given)) from None
    _refuse_ids(run)
    _refuse_tools(run)
    return run


def parse_json(text: str) -> Any:
    """Return what a JSON text holds. Raises `ValueError`, which says why, for what cannot be stored and sent on."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"more than {MAX_DEPTH} levels deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"broken at character {error.pos}") from None
    except _OwnError:
        raise
    except ValueError:  # Python reads no whole number of more than 4300 digits
        raise ValueError("a whole number beyond 64 bits") from None
    _check(value)
    return value


class _OwnError(ValueError):
    """JSON that can be read, and is refused."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _OwnError("one key twice in an object")
    return made


def _check(value: Any) -> None:
    """Walk level by level: a recursion would end where a hostile body wants it to."""
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        deeper = False
        for item in level:
            kind = cast("type[Any]", type(item))
            if kind is dict:
                deeper = True
                _check_text("".join(item))
                below += item.values()
            elif kind is list:
                deeper = True
                below += item
            elif kind is str:
                _check_text(item)
            elif kind is int or kind is float:
                _check_number(item)
        depth += deeper
        if depth > MAX_DEPTH:
            raise _OwnError(f"more than {MAX_DEPTH} levels deep")
        level = below


def _check_number(value: float) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _OwnError("a number that is not finite")
    elif not -(2**63) <= value < 2**63:
        raise _OwnError("a whole number beyond 64 bits")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _OwnError("half a surrogate pair in a text") from None


# ------------------------------------------------------------------ what the protocol leaves open


def _described(faults: Sequence[tuple[_Place, bool]], given: Any) -> str:
    """Say which fields do not fit, by their places and whether they are missing."""
    for place, _ in faults:
        path, held = _found(place, given)
        if is_mapping(held) and held.get("type") == "binary":
            return (
                f"a content part of the type binary came at {_path(path)}, which AG-UI 1.0 has no more: send an image, "
                "audio, video or document part with a source"
            )
    paths: list[str] = []
    for place, missing in faults:
        path, _ = _found(place, given)
        paths.append(f"{_path([*path, place[-1]])} (missing)" if missing else _path(path))
    unlike = list(dict.fromkeys(paths))
    more = " and more" if len(unlike) > _SHOWN else ""
    return f"a body that is no RunAgentInput of AG-UI 1.0 came: mend {', '.join(unlike[:_SHOWN])}{more}"


def _found(place: _Place, given: Any) -> tuple[list[str | int], Any]:
    """Return the path to a place, and what is there. Pydantic also names the members of unions on its way."""
    path: list[str | int] = []
    for step in place:
        if isinstance(step, int) or (is_mapping(given) and step in given):
            given = cast("Any", given)[step]
            path.append(step)
    return path, given


def _path(path: _Place) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return steps.removeprefix(".") or "the whole"


def _refuse_ids(run: RunAgentInput) -> None:
    for name, id in (("threadId", run.thread_id), ("runId", run.run_id)):
        if not fit_id(id):
            raise _unfit(f"a {name} came that is empty, too long or not printable: expected 1 to {MAX_ID} characters")
    seen: set[str] = set()
    for message in run.messages:
        # Thinking and activities never reach the graph, and clients have used a message's id for its thinking too.
        if isinstance(message, ReasoningMessage | ActivityMessage):
            continue
        if message.id in seen:
            raise _unfit(f"two messages with the id {cut(message.id)} came: give each message an id of its own")
        seen.add(message.id)


def fit_id(id: str) -> bool:
    """Return whether a new thing may have this id: 1 to `MAX_ID` characters, all of them printable."""
    return 0 < len(id) <= MAX_ID and id.isprintable()


def _refuse_tools(run: RunAgentInput) -> None:
    tools = run.tools or ()
    if len(tools) > MAX_TOOLS:
        raise _unfit(f"{len(tools)} tools came: expected {MAX_TOOLS} at most")
    names: set[str] = set()
    for number, tool in enumerate(tools):
        if not _TOOL_NAME.fullmatch(tool.name):
            raise _unfit(
                f"a name that no model takes came for tools[{number}]: expected 1 to 64 letters, digits, _ or -"
            )
        if tool.name in names:
            raise _unfit(f"two tools with the name {cut(tool.name)} came: give each tool a name of its own")
        names.add(tool.name)
        schema = tool.parameters
        if schema is not None and not (is_mapping(schema) and schema.get("type", "object") == "object"):
            raise _unfit(f"tools[{number}].parameters came that are no JSON Schema of an object: expected one, or none")


def _unfit(message: str) -> Refused:
    return Refused(422, "invalid_input", message)


# ------------------------------------------------------------------ what is in it for the agent


def context_of(run: RunAgentInput) -> list[dict[str, str]]:
    """Return what the client tells the agent beside the messages: a list of `{"description", "value"}`."""
    return [{"description": item.description, "value": item.value} for item in run.context or ()]


def tools_of(run: RunAgentInput) -> list[dict[str, Any]]:
    """Return the client's own tools: a list of `{"name", "description", "parameters"}`, the last a JSON Schema."""
    return [
        {"name": tool.name, "description": tool.description, "parameters": _whole(tool.parameters)}
        for tool in run.tools or ()
    ]


def _whole(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"type": "object", "properties": {}, **(schema or {})}
