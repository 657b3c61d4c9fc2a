"""Knows how a record of the log becomes one line of JSON, whatever is in it.

What makes the records of a server's requests is here as well, for an app of one's own: `RequestIds` and `ServerMeter`.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from langwire.adapters._shared import correlation
from langwire.adapters._shared.correlation import Access, RequestIds
from langwire.adapters._shared.telemetry import ServerMeter
from langwire.core.codec import jsonable
from langwire.sessions.summary import TurnSummary

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

__all__ = ["JSONLines", "RequestIds", "ServerMeter"]

IDS = ("request_id", "thread_id", "turn_id", "task_id", "principal")
"""By these one finds what belongs together."""


class JSONLines(logging.Formatter):
    """Writes each record as one JSON object on one line, in ASCII: nothing in it ends a line or moves a terminal.

        handler.setFormatter(JSONLines())

    Every object has `time` (ISO 8601, UTC), `level`, `logger` and `message`, and where they are known `request_id`,
    `thread_id`, `turn_id`, `task_id` and `principal`: from the record's `extra`, or from the request that is being
    served. `exception` is the story of an error. The record of a turn that ended (logger `langwire.turns`) has its
    figures as `turn`, that of a request (`langwire.access`) as `access`. `redactor` masks secrets in all of it.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, without its line break."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said: dict[str, Any] = {"message": record.getMessage(), **_facts(record)}
        if record.exc_info and record.exc_info[0] is not None:
            said["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if record.stack_info:
            said["stack"] = record.stack_info
        said = jsonable(said)
        if self._redactor is not None:
            said, _ = self._redactor.redact(said)
        where = {"time": moment.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**where, **said})  # not msgspec's: this one escapes all that is not printable ASCII


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return whose record it is, and its figures. Ids among the figures stand beside the others."""
    extra, served = record.__dict__, correlation.current()
    figures = {
        name: msgspec.to_builtins(extra[name]) for name, kind in _FIGURES.items() if isinstance(extra.get(name), kind)
    }
    request = {"request_id": served.request_id, "principal": served.principal} if served is not None else {}
    ids: dict[str, Any] = {}
    for values in (request, extra, *figures.values()):  # what the record says itself is nearer than the request
        ids |= {name: values[name] for name in IDS if values.get(name) is not None}
    rest = {name: {key: values[key] for key in values if key not in IDS} for name, values in figures.items()}
    return {**ids, **rest}


_FIGURES = {"turn": TurnSummary, "access": Access}
