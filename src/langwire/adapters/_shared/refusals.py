"""Knows with which status, code and sentence a client is told that something is not taken: one table for every face.

| status | code | error | why |
|---|---|---|---|
| 404 | `unknown_thread` | `UnknownThread` | nothing is known of the thread, or it is somebody else's |
| 404 | `unknown_turn` | `UnknownTurn` | the turn has ended, or never began |
| 404 | `unknown_task` | `UnknownTask` | there is no such task, or it is somebody else's |
| 409 | `turn_running` | `TurnRunning` | another turn of the thread runs |
| 409 | `interrupt_open` | `InterruptOpen` | a question is open, and something else than an answer came |
| 409 | `already_answered` | `AlreadyAnswered` | somebody was faster |
| 409 | `already_submitted` | `AlreadySubmitted` | this message was taken before |
| 409 | `illegal_move` | `IllegalMove` | the task is in a state in which this cannot be done |
| 409 | `unsupported` | `UnsupportedGraph` | this agent cannot do it |
| 413 | `input_too_large` | `InputTooLarge` | the input is larger than the session takes |
| 422 | `invalid_input` | `InvalidInput` | the agent cannot take what came |
| 422 | `invalid_decision` | `InvalidDecision` | the answer does not fit its question |
| 422 | `unknown_point` | `UnknownPoint` | the thread has no such message or checkpoint |
| 429 | `too_many_turns` | `TooManyTurns` | as many turns run as may at once |
| 429 | `task_refused` | `TaskRefused` | a limit of delegation is reached |
| 503 | `shutting_down` | `SessionsClosed` | the sessions have been closed |

The sentence is the error's own, where it speaks of what was sent: those of langwire name what came and what to do, and
hold no secrets. Where it speaks of calls in Python, or would tell whose something is, the client gets another.
"""

from __future__ import annotations

from collections.abc import Mapping

from langwire import errors

try:
    from fastapi import HTTPException
except ImportError as missing:
    raise errors.MissingExtra('serving on the web needs an extra: pip install "langwire[web]"') from missing


class Refused(HTTPException):
    """A request is not taken, for a reason that its sender may know: `status`, a `code` for programs, one sentence.

    The sentence is kept as `detail`. `retry_after` are seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code, self.retry_after = code, retry_after


TABLE: Mapping[type[Exception], tuple[int, str]] = {
    errors.AlreadyAnswered: (409, "already_answered"),
    errors.AlreadySubmitted: (409, "already_submitted"),
    errors.IllegalMove: (409, "illegal_move"),
    errors.InputTooLarge: (413, "input_too_large"),
    errors.InterruptOpen: (409, "interrupt_open"),
    errors.InvalidDecision: (422, "invalid_decision"),
    errors.InvalidInput: (422, "invalid_input"),
    errors.SessionsClosed: (503, "shutting_down"),
    errors.TaskRefused: (429, "task_refused"),
    errors.TooManyTurns: (429, "too_many_turns"),
    errors.TurnRunning: (409, "turn_running"),
    errors.UnknownPoint: (422, "unknown_point"),
    errors.UnknownTask: (404, "unknown_task"),
    errors.UnknownThread: (404, "unknown_thread"),
    errors.UnknownTurn: (404, "unknown_turn"),
    errors.UnsupportedGraph: (409, "unsupported"),
}
"""The status and the code of an error; a class of one's own is told as the nearest of these that it comes from."""

_SENTENCES: Mapping[type[Exception], str] = {
    errors.InterruptOpen: "a question of this thread is open: answer it first",
    errors.SessionsClosed: "the server is being stopped: try again later",
    errors.TurnRunning: "a turn of this thread runs or waits: wait for its end, or cancel it",
    errors.UnknownPoint: "there is no such message or checkpoint in this thread to go back to",
    errors.UnknownTask: "nothing is known of this task",
    errors.UnknownThread: "nothing is known of this thread",
    errors.UnsupportedGraph: "this agent cannot do that",
}


def refusal_of(error: BaseException) -> Refused | None:
    """Return how an error is told to a client; None for what is no fault of the request. A `Refused` is its own."""
    if isinstance(error, Refused):
        return error
    kind = next((kind for kind in type(error).__mro__ if kind in TABLE), None)
    return None if kind is None else Refused(*TABLE[kind], _SENTENCES.get(kind, str(error)))
