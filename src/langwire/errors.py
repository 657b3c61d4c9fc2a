"""Everything langwire raises by itself.

    LangwireError
    ├── UsageError        you called us wrongly
    │   ├── ParserEnded       a parser serves one turn
    │   ├── UnsupportedGraph  not a compiled LangGraph graph
    │   ├── InvalidInput      an input the graph cannot take
    │   │   └── InputTooLarge
    │   ├── InvalidDecision   an answer that does not fit its interrupt
    │   │   └── AlreadyAnswered   somebody was faster
    │   ├── UnknownThread     nothing is known of it
    │   ├── UnknownTurn       not a turn of this thread
    │   ├── UnknownPoint      no such message or checkpoint in this thread
    │   ├── UnknownTask       no such task
    │   ├── IllegalMove       a task cannot go from this state to that
    │   ├── KeyTaken          an idempotency key that belongs to another request
    │   ├── InvalidPlan       a plan that cannot be run
    │   └── ArtifactRefused   a name or size that a folder of artifacts does not take
    ├── TurnRefused       a session does not take this turn now
    │   ├── TurnRunning       another turn of the thread runs
    │   ├── InterruptOpen     a question waits for an answer
    │   ├── AlreadySubmitted  this very message was taken before
    │   └── TooManyTurns      a limit is reached
    ├── TaskRefused       a limit of delegation is reached
    ├── LeaseLost         a task was given to somebody else meanwhile
    ├── SessionsClosed    the adapter has been closed
    ├── LogClosed         nothing more can be told
    ├── ReaderTooSlow     a reader's next entry is not kept any more
    ├── StreamError       LangGraph sent what we cannot read
    │   └── UnknownChunk
    ├── StoreError        a store cannot be read or written
    ├── SpecError         an agent spec that does not load
    └── MissingExtra      an optional dependency is not installed

What a graph raises is never wrapped: it leaves `stream`, `astream` and `run` as itself.
"""

from __future__ import annotations


class LangwireError(Exception):
    """Base of all errors that langwire raises by itself."""


class UsageError(LangwireError):
    """langwire was called wrongly."""


class ParserEnded(UsageError):
    """A parser was used after its turn had ended. One parser serves one turn: make a new one."""


class UnsupportedGraph(UsageError):
    """What was given is not a compiled LangGraph graph."""


class InvalidInput(UsageError):
    """The graph cannot take this input."""


class InvalidDecision(UsageError):
    """An answer does not fit the interrupt that it answers. Nothing was sent."""


class AlreadyAnswered(InvalidDecision):
    """The interrupt has an answer already. Nothing was sent."""


class InputTooLarge(InvalidInput):
    """The input is larger than the session takes."""


class UnknownThread(UsageError):
    """Neither the store nor the checkpointer knows the thread."""


class UnknownTurn(UsageError):
    """The thread has no such turn, or not any more."""


class UnknownPoint(UsageError):
    """The thread has no such message or checkpoint."""


class UnknownTask(UsageError):
    """The store has no such task."""


class IllegalMove(UsageError):
    """A task cannot go from the state in which it is to the one that was asked for. Nothing was changed."""


class KeyTaken(UsageError):
    """The idempotency key belongs to a task that was asked for in another way."""


class InvalidPlan(UsageError):
    """A plan cannot be run; nothing of it was stored."""


class ArtifactRefused(UsageError):
    """An artifact's name, kind or size is not allowed."""


class TaskRefused(LangwireError):
    """A task may not be delegated. `code` names the limit; the text is for the model that asked."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class LeaseLost(LangwireError):
    """The worker's lease has run out, or was taken back: the task is not its own any more. Nothing was written."""


class TurnRefused(LangwireError):
    """A session does not take this turn now. Nothing was sent to the graph."""


class TurnRunning(TurnRefused):
    """Another turn of the thread runs, or its code has not stopped yet."""


class InterruptOpen(TurnRefused):
    """A question of the thread waits for an answer, so a new message is not taken."""


class AlreadySubmitted(TurnRefused):
    """The message with this client id was taken before, by the turn `turn_id`."""

    def __init__(self, message: str, *, turn_id: str) -> None:
        super().__init__(message)
        self.turn_id = turn_id


class TooManyTurns(TurnRefused):
    """As many turns run as are allowed."""


class SessionsClosed(LangwireError):
    """The adapter has been closed: no session takes anything any more."""


class LogClosed(LangwireError):
    """The log has been closed: nothing can be added."""


class ReaderTooSlow(LangwireError):
    """The reader's next entry is not kept any more; `position` is where it stands."""

    def __init__(self, message: str, *, position: str) -> None:
        super().__init__(message)
        self.position = position


class StreamError(LangwireError):
    """LangGraph sent something that cannot be read."""


class UnknownChunk(StreamError):
    """A stream chunk of a shape that no supported version of LangGraph yields."""


class StoreError(LangwireError):
    """A store cannot be read or written."""


class SpecError(LangwireError):
    """An agent spec (`pkg.module:attr` or `file.py:attr`) does not load."""


class MissingExtra(LangwireError, ImportError):
    """An optional dependency is not installed; the message says what to type."""
