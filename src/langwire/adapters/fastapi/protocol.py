"""The protocol: everything that a client and the server say to each other beside the events themselves. Read it first.

Version 1. A thread is read as a row of *frames*, each one flat JSON object told apart by `type`. They are the same over
server-sent events and over a WebSocket, and most of them are entries of the thread's log: an event of
`langwire.events` with its `seq` and `at_ms`. Where a reader stands is a *position*, `<log id>:<seq>`: the `id:` of a
server-sent event, and over a WebSocket the log id of the last `hello` or `live` with the `seq` of the last entry.
Whoever comes back with the position of what was read last gets exactly the rest. The row is

    hello, then entries                                     the position is known here
    hello, reset, events of the past, live, then entries    it is not, or none was given
    …      reset, events of the past, live, then entries    at any time: the reader fell behind, or a turn has ended
                                                            that another process ran
    …      closed                                           at the end

Events of the past have no `seq`: they retell from the checkpoint what the thread holds, as one turn. On `reset` a
client drops what it has of the thread.

Over a WebSocket a client sends *commands*, each answered by one `ack`, `pong` or `error` with the command's `ref`, in
whatever order they are done. Over HTTP the same commands are the bodies of requests; the address says which one it is.
Fields and types of frames that a client does not know are to be ignored. A command with a field or type that the
server does not know is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from langwire.events import ErrorInfo, Interrupt, Outcome

VERSION = 1
"""Counts the incompatible changes of the protocol. A client may name the one it speaks as `?protocol=1`."""

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Ref: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
WhenBusy: TypeAlias = Literal["reject", "enqueue", "replace"]
WhenInterrupted: TypeAlias = Literal["reject", "answer", "drop"]
ResetReason: TypeAlias = Literal["new", "foreign", "forgotten", "elsewhere", "undone"]
ClosedReason: TypeAlias = Literal["deleted", "shutting_down"]


# ------------------------------------------------------------------ what a client sends


class Command(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="type"
):
    """What every command is. `ref` comes back with the answer to it."""

    ref: Ref | None = None


class TextBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A piece of text in a message."""

    text: str


class FileBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="file"):
    """A file in a message: one that was uploaded to the same thread before."""

    file_id: Id


Content: TypeAlias = str | list[TextBlock | FileBlock]
"""What a person says: text, or pieces of text and files."""


class Submit(Command, frozen=True, kw_only=True, tag="submit"):
    """Say something to the agent.

    `input` is text or blocks; a server may be set up to take something else. `context_lines` are for the model, apart
    from what was said. A `client_message_id` that was taken before starts nothing, and is answered as the first time.
    `when_busy` says what happens while a turn runs, `when_interrupted` while a question is open; without them it is
    for the server to say.
    """

    input: Any
    context_lines: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    client_message_id: Id | None = None
    when_busy: WhenBusy | None = None
    when_interrupted: WhenInterrupted | None = None


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Answer open questions, each exactly once.

    `answers` maps an interrupt's id to a decision, a list of them, one for each of its actions, or a plain value. A
    decision is `{"type": "approve"}`, `{"type": "edit", "edited_action": {"name": …, "args": …}}`,
    `{"type": "reject", "message": …}` or `{"type": "respond", "message": …}`. All open questions are answered, unless
    `partial`: then the others are asked again.
    """

    answers: dict[str, Any]
    partial: bool = False
    when_busy: WhenBusy | None = None


class Continue(Command, frozen=True, kw_only=True, tag="continue"):
    """Go on from where the thread stands: after a breakpoint, an error, a cancel, a crash, or a `fork`."""

    when_busy: WhenBusy | None = None


class Cancel(Command, frozen=True, kw_only=True, tag="cancel"):
    """Stop the turn that runs, or the one with this id. What is said as `reason` is told to all who read the thread."""

    turn_id: Id | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] | None = None


class Fork(Command, frozen=True, kw_only=True, tag="fork"):
    """Go back to just before a message, or to a checkpoint, by its id. Then `continue` regenerates, `submit` edits."""

    point: Id


class UndoFork(Command, frozen=True, kw_only=True, tag="undo_fork"):
    """Return to where the thread stood before the last `fork`, as long as no turn has begun since."""


class Ping(Command, frozen=True, kw_only=True, tag="ping"):
    """Ask for a `pong`. Over a WebSocket only."""


AnyCommand: TypeAlias = Submit | Resume | Continue | Cancel | Fork | UndoFork | Ping


# ------------------------------------------------------------------ what a reader gets beside events


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every frame is that is no event."""


class Hello(Frame, frozen=True, kw_only=True, tag="hello"):
    """The first frame. `position` is where the log ends now, `running` the turn that runs here.

    `unfinished` says that the last turn began in another process, and that no end of it has been kept: it runs there,
    or died with it. When its end has been kept, a `reset` and what came of it follow.
    """

    protocol: int
    thread_id: str
    position: str
    running: str | None = None
    unfinished: bool = False


class Reset(Frame, frozen=True, kw_only=True, tag="reset"):
    """What was read of the thread is to be dropped: what it holds follows, up to `live`.

    `new`: no position was given. `foreign`: it is one of another log, for one of before a restart. `forgotten`: what
    comes after it is not kept any more. `elsewhere`: a turn that began in another process has ended, or another one
    has begun here. `undone`: messages that had been removed are back.
    """

    reason: ResetReason


class Live(Frame, frozen=True, kw_only=True, tag="live"):
    """The past has been told. What follows are entries of the log, from the one after `position` on."""

    position: str


class Closed(Frame, frozen=True, kw_only=True, tag="closed"):
    """The last frame: nothing more will come of this thread, or not from this server."""

    reason: ClosedReason


class Ack(Frame, frozen=True, kw_only=True, tag="ack"):
    """A command was taken. Over HTTP this is the answer, without `ref`.

    `turn_id` is the turn that it began, or that waits (`queued`); `position` is where the log stood before: read from
    there to get all of the turn. `stopped` answers a `cancel`: whether nothing of the turn runs any more.
    `checkpoint_id` answers a `fork` and an `undo_fork`. `message_id` is the id under which the thread keeps what was
    said.
    """

    ref: Ref | None = None
    turn_id: str | None = None
    position: str | None = None
    queued: bool = False
    stopped: bool | None = None
    checkpoint_id: str | None = None
    message_id: str | None = None


class Pong(Frame, frozen=True, kw_only=True, tag="pong"):
    """The answer to a `ping`."""

    ref: Ref | None = None


class Error(Frame, frozen=True, kw_only=True, tag="error"):
    """A command was not taken, or what was sent is none. `code` is one of those on the protocol's page.

    `id` finds what went wrong on the server in its log. `retry_after` are the seconds until it is worth another try.
    Over HTTP the same stands in `{"error": …}`, and the seconds in the header `retry-after`.
    """

    code: str
    message: str
    ref: Ref | None = None
    id: str | None = None
    retry_after: float | None = None


AnyFrame: TypeAlias = Hello | Reset | Live | Closed | Ack | Pong | Error


# ------------------------------------------------------------------ what HTTP asks and answers beside that


class NewThread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a thread. Its id is for the server to choose, so that nobody learns whose ids are taken."""

    title: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Rename(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name a thread, or take its name away."""

    title: Annotated[str, msgspec.Meta(max_length=200)] | None


class Thread(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thread in a list. Times are Unix milliseconds. `outcome` and `error` are those of the last turn that ended.

    `running` says that its last turn has not ended.
    """

    thread_id: str
    created_ms: int
    updated_ms: int
    title: str | None = None
    running: bool = False
    outcome: Outcome | None = None
    error: ErrorInfo | None = None


class ThreadPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some threads, the last used first. `before` asks for the next page; it is missing on the last one."""

    threads: tuple[Thread, ...]
    before: str | None = None


class ThreadState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a thread stands.

    `running` is the id of the turn that runs here, `waiting` how many wait behind it; `unfinished` as in `hello`.
    `outcome` and `error` are those of the last turn that ended. `interrupts` are the questions that wait for an
    answer. `next` are the nodes that would run next. `position` is where the log ends. `values` is the graph's state,
    where the server shows it.
    """

    thread_id: str
    position: str
    title: str | None = None
    running: str | None = None
    waiting: int = 0
    unfinished: bool = False
    outcome: Outcome | None = None
    error: ErrorInfo | None = None
    interrupts: tuple[Interrupt, ...] = ()
    next: tuple[str, ...] = ()
    checkpoint_id: str | None = None
    values: Any = None


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """What a thread holds, as the events of one turn. Reading on from `position` misses nothing."""

    events: list[msgspec.Raw]
    position: str


class UploadedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was uploaded to a thread. `bytes` is its size."""

    file_id: str
    mime: str
    bytes: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What serves here. Sizes are bytes."""

    protocol: int
    version: str
    name: str
    max_frame: int
    max_body: int
    max_file: int
