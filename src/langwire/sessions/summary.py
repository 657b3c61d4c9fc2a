"""Knows what a turn leaves in the log of the program: one record of figures, and what failed, masked."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import msgspec

from langwire.events import Cause, Outcome

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

logger = logging.getLogger("langwire.turns")


class TurnSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn in a few figures, for logs and dashboards. Durations are seconds, by the monotonic clock.

    `waited` is the time before it began, `first_token` that from its begin to the first thing the model said,
    `duration` that to its end.
    """

    turn_id: str
    thread_id: str
    cause: Cause
    outcome: Outcome
    waited: float
    duration: float
    first_token: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    tools: int = 0
    redactions: int = 0
    error: str | None = None
    reason: str | None = None
    principal: str | None = None


def line(summary: TurnSummary) -> str:
    """A turn's figures in one line. Ids are shown as literals, so that none of them forges a line of the log."""
    said = [f"turn {summary.turn_id} of thread {summary.thread_id!r}: {summary.outcome}"]
    said += [f"({summary.error})"] if summary.error else []
    said += [f"in {summary.duration:.3f} s"]
    said += [f"first token after {summary.first_token:.3f} s"] if summary.first_token is not None else []
    said += [f"{summary.input_tokens}+{summary.output_tokens} tokens, {summary.tools} tool calls"]
    return ", ".join(said)


def report(what: str, error: BaseException | None, level: int, redactor: Redactor | None) -> None:
    """Write an exception to the log of this program, masked, and indented so that it forges no line of it."""
    text = "".join(traceback.format_exception(error))
    if redactor is not None:
        text, _ = redactor.redact(text)
    logger.log(level, "%s\n    %s", what, text.rstrip().replace("\n", "\n    "))
