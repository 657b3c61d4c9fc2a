"""Knows with which status and code a client is told that its session does not take its request.

| status | code | why |
|---|---|---|
| 404 | `unknown_thread` | nothing is known of the thread, or it is somebody else's |
| 404 | `unknown_run` | the run to be stopped has ended, or never began |
| 409 | `run_in_progress` | another run of the thread goes on |
| 409 | `run_id_taken` | a run of this id goes on |
| 409 | `interrupt_open` | a question is open, and a new message came instead of an answer |
| 409 | `already_answered` | somebody was faster |
| 409 | `already_submitted` | this message was sent before |
| 413 | `input_too_large` | the messages are larger than the session takes |
| 422 | `invalid_decision`, `invalid_input`, `unknown_message` | what was sent does not fit the thread |
| 429 | `too_many_runs` | as many runs go on as may at once |
| 503 | `shutting_down` | the sessions have been closed |

Statuses and sentences are those of every face; what AG-UI calls by another name has that name in its code too.
"""

from __future__ import annotations

from langwire.adapters._shared import refusals
from langwire.adapters.agui._refused import Refused

_WORDS = {
    "too_many_turns": "too_many_runs",
    "turn_running": "run_in_progress",
    "unknown_point": "unknown_message",
    "unknown_turn": "unknown_run",
}
"""What AG-UI calls by another name."""


def refusal_of(error: Exception) -> Refused | None:
    """Return how an error is told to a client; None for what is no fault of the request."""
    told = refusals.refusal_of(error)
    return None if told is None else Refused(told.status_code, _WORDS.get(told.code, told.code), told.detail)


def code_of(error: str) -> str:
    """Return the code of an error that a turn ended with, by its class: that of the refusal, where it is one."""
    return _CODES.get(error, error)


_CODES = {kind.__name__: _WORDS.get(code, code) for kind, (_, code) in refusals.TABLE.items()}
