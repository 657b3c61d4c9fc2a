"""Knows how what a client sends is read: text that is JSON, then one of the protocol's shapes, or a refusal.

And who has sent it, and how an answer is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from langwire.adapters._shared.refusals import Refused
from langwire.adapters._shared.web import MAX_BODY, check_depth, read_body
from langwire.adapters.fastapi.protocol import Ref
from langwire.errors import UsageError

from starlette.requests import Request  # isort: skip  after `refusals`, which says what is missing
from starlette.responses import Response  # isort: skip

if TYPE_CHECKING:
    from langwire.adapters._shared.gate import Visitor
    from langwire.sessions.session import Session

T = TypeVar("T")


def read_json(sent: bytes | str) -> Any:
    """Return the value of a JSON text. Raises `Refused`: 400 `invalid_json`, 422 `too_deep`."""
    try:
        return msgspec.json.decode(sent)
    except RecursionError:
        raise Refused(422, "too_deep", "the JSON is nested too deep") from None
    except (msgspec.DecodeError, UnicodeError) as error:  # half a character among them, escaped or not
        reason = "half a character" if isinstance(error, UnicodeError) else str(error)
        raise Refused(400, "invalid_json", f"what came is no JSON in UTF-8: {reason:.200}") from None


def read_as(value: Any, kind: type[T], code: str = "invalid_body") -> T:
    """Return a JSON value as one of the protocol's shapes. Raises `Refused` (422): `too_deep`, or with this code."""
    check_depth(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(422, code, f"what came does not fit: {error!s:.200}") from None


async def read_request(request: Request, kind: type[T], limit: int = MAX_BODY) -> T:
    """Return the body of a request as one of the protocol's shapes; an empty one is `{}`.

    Raises `Refused`, as `read_body`, `read_json` and `read_as` do.
    """
    return read_as(read_json(await read_body(request, limit) or b"{}"), kind)


def ref_of(value: Any) -> str | None:
    """Return the `ref` of a command, also of one that cannot be read otherwise."""
    try:
        return (
            msgspec.convert(cast("dict[str, Any]", value).get("ref"), Ref | None) if isinstance(value, dict) else None
        )
    except msgspec.ValidationError:
        return None


def read_position(session: Session, given: str | None) -> str | None:
    """Return where somebody wants to read on; nothing given is None. Raises `Refused`: 400 `invalid_position`."""
    if not given:
        return None
    try:
        session.log.subscribe(given).close()
    except UsageError as error:
        raise Refused(400, "invalid_position", str(error)) from None
    return given


def visitor_of(request: Request) -> Visitor:
    """Return who asks, as a router's dependency has found out and kept in `request.state.visitor`."""
    return request.state.visitor


def answer_of(value: msgspec.Struct, status: int = 200) -> Response:
    """Return an answer of one of the protocol's shapes, as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
