"""Knows what the front half may ask for, and in which words it is told why something was not done.

It is a client like any other: what comes from it is checked before anything happens. `read` is asked by a view that
knows nothing yet; the others mean what they mean in the server's protocol, and `regenerate` and `edit` go back first.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, cast

import msgspec

from langwire import errors

MAX_BYTES = 8 * 2**20
_ID = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Tell a view all that the thread holds."""

    view: _ID


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Say something to the agent."""

    input: str


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Answer open questions by their ids."""

    answers: dict[str, Any]


class Continue(msgspec.Struct, frozen=True, tag="continue"):
    """Go on from where the thread stands."""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop the turn that runs."""


class Regenerate(msgspec.Struct, frozen=True, tag="regenerate"):
    """Have a message of the assistant's made anew."""

    message_id: _ID


class Edit(msgspec.Struct, frozen=True, tag="edit"):
    """Say something else in place of an earlier message."""

    message_id: _ID
    input: str


Command: TypeAlias = Read | Submit | Resume | Continue | Cancel | Regenerate | Edit

_SENTENCES: dict[type[Exception], str] = {
    errors.InterruptOpen: "a question is open: answer it first",
    errors.TurnRunning: "a turn runs: wait for its end, or stop it",
    errors.UnknownPoint: "this message is not in the conversation any more",
}


def read_command(content: Any) -> Command:
    """Return what a message from the front half asks for. Raises `InvalidInput` for whatever is none."""
    try:
        size = len(msgspec.json.encode(content))
        if size > MAX_BYTES:
            raise errors.InputTooLarge(f"a message of {size} bytes came: expected {MAX_BYTES} at most")
        return cast(Command, msgspec.convert(content, Command))  # pyright: ignore[reportArgumentType]
    except (msgspec.ValidationError, RecursionError, TypeError) as error:
        raise errors.InvalidInput(f"what came is no command: {error!s:.200}") from None


def words_for(error: Exception) -> str:
    """Return one line that tells a person why something was not done."""
    if isinstance(error, errors.LangwireError):
        return next((words for kind, words in _SENTENCES.items() if isinstance(error, kind)), str(error))
    return f"{type(error).__name__}: {error}"
