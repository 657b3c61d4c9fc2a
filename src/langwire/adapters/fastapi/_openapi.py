"""Knows how an address is described in an application's OpenAPI document, made from the protocol's own shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

JSON = "application/json"

Schema = dict[str, Any]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not taken. `id` finds what went wrong on the server in its log."""

    code: str
    message: str
    id: str | None = None


class Problems(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered when something is wrong."""

    error: Problem


def schema_of(kind: Any) -> Schema:
    """Return the JSON Schema of a type, whole: a router cannot add to the document's components."""
    (schema,), shapes = msgspec.json.schema_components([kind], ref_template="{name}")
    return cast("Schema", _whole(schema, shapes))


def body_of(kind: Any, **properties: Any) -> dict[str, Any]:
    """Return what `openapi_extra` says of a JSON body; `properties` are the types of fields that are `Any` in it.

    A command's `type` may be left out: the address says it.
    """
    schema = schema_of(kind)
    told = {name: schema_of(type) for name, type in properties.items()}
    required = [name for name in schema.get("required", ()) if name != "type"]
    schema = {**schema, "properties": {**schema["properties"], **told}, "required": required}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}


def answers(status: int, kind: Any, media_type: str = JSON) -> dict[int | str, dict[str, Any]]:
    """Return what is answered: in good order as a type (nothing for None, bytes or text for a schema), and else."""
    problem = {"content": {JSON: {"schema": schema_of(Problems)}}}
    content: Mapping[str, Any] = {media_type: {"schema": kind if isinstance(kind, dict) else schema_of(kind)}}
    good: dict[str, Any] = {} if kind is None else {"content": content}
    return {status: good, "4XX": problem, "5XX": problem}


def _whole(part: Any, shapes: Mapping[str, Any]) -> Any:
    """Put what is referred to in the place of each reference."""
    match part:
        case {"$ref": name}:
            return _whole(shapes[name], shapes)
        case dict():
            items = cast("Schema", part).items()
            return {name: _whole(value, shapes) for name, value in items if name != "discriminator"}
        case list():
            return [_whole(value, shapes) for value in cast("list[Any]", part)]
        case _:
            return part
