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

The sentence is the error's own, where it speaks of what was sent: those of langwire name what came and what to do, and
hold no secrets. Where it speaks of calls in Python, the client gets another.
"""

from __future__ import annotations

from langwire import errors
from langwire.adapters.agui._refused import Refused

_REFUSALS: dict[type[Exception], tuple[int, str]] = {
    errors.AlreadyAnswered: (409, "already_answered"),
    errors.AlreadySubmitted: (409, "already_submitted"),
    errors.InputTooLarge: (413, "input_too_large"),
    errors.InterruptOpen: (409, "interrupt_open"),
    errors.InvalidDecision: (422, "invalid_decision"),
    errors.InvalidInput: (422, "invalid_input"),
    errors.SessionsClosed: (503, "shutting_down"),
    errors.TooManyTurns: (429, "too_many_runs"),
    errors.TurnRunning: (409, "run_in_progress"),
    errors.UnknownPoint: (422, "unknown_message"),
    errors.UnknownThread: (404, "unknown_thread"),
}

_SENTENCES: dict[type[Exception], str] = {
    errors.InterruptOpen: "a question of this thread is open: answer it first",
    errors.SessionsClosed: "the server is being stopped: try again later",
    errors.TurnRunning: "another run of this thread goes on: wait for its end, or cancel it",
    errors.UnknownPoint: "there is no such message or checkpoint in this thread to go back to",
}


def refusal_of(error: errors.LangwireError) -> Refused | None:
    """Return how an error is told to a client; None for what is no fault of the request."""
    found = _REFUSALS.get(type(error))
    if found is None:
        return None
    # Nobody learns from the sentence which it was.
    return Refused(*found, "nothing is known of this thread" if found[1] == "unknown_thread" else str(error))


def code_of(error: str) -> str:
    """Return the code of an error that a turn ended with, by its class: that of the refusal, where it is one."""
    return _CODES.get(error, error)


_CODES = {kind.__name__: code for kind, (_, code) in _REFUSALS.items()}
