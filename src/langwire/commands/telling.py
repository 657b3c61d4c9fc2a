"""Knows how a command tells a turn: by which face, what Ctrl-C does meanwhile, and what goes wrong in one line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import TextIO, TypeAlias

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.adapters.plain import PlainAdapter
from langwire.commands import FAILED, leave, say
from langwire.errors import LangwireError, MissingExtra
from langwire.events import Entry, TurnEnd
from langwire.sessions.log import Reader
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn

Show: TypeAlias = Callable[[Entry], None]
Handler: TypeAlias = Callable[[int, FrameType | None], None]
"""Of a signal."""

_ERROR_LENGTH = 500
_CTRL_C = "stopped with Ctrl-C"


class OutputLost(Exception):
    """Our output cannot be written. Apart from what the graph raises, which may be an `OSError` as well."""

    def __init__(self, why: OSError) -> None:
        self.why = why


def face_of(out: TextIO) -> Show:
    """Return what tells a turn on `out`: live where it is a terminal that can, and the extra is there, else lines."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return PlainAdapter(out).handle
    try:
        from langwire.adapters.cli.adapter import CLIAdapter
    except MissingExtra:
        return PlainAdapter(out).handle
    return CLIAdapter(out).handle


def tell(show: Show, entry: Entry) -> None:
    """Show an entry. Raises `OutputLost`."""
    try:
        show(entry)
    except OSError as error:
        raise OutputLost(error) from error


async def told(session: Session, turn: Turn, show: Show, leave: Handler = leave) -> None:
    """Tell a turn to its end, and wait until nothing of it runs any more.

    Ctrl-C stops it; the second one is for `leave`, and so are all that follow when the turn was stopped. Raises
    `OutputLost`, and the `CancelledError` or `KeyboardInterrupt` that the graph raised.
    """
    async with session.subscribe((turn.first or 1) - 1) as reader:
        with _ctrl_c_stops(turn, leave):
            try:
                await _told_by(reader, show)
            except (asyncio.CancelledError, KeyboardInterrupt):  # the agent's own, or from within our output
                turn.stop(_CTRL_C)
                await _told_by(reader, show)
                raise
            await turn.ended()


async def _told_by(reader: Reader, show: Show) -> None:
    async for entry in reader:
        tell(show, entry)
        if isinstance(entry.event, TurnEnd):
            return


@contextmanager
def _ctrl_c_stops(turn: Turn, leave: Handler) -> Generator[None]:
    """While a turn runs, Ctrl-C stops it and the second one leaves; else it interrupts what we do."""
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, leave)
        loop.call_soon_threadsafe(turn.stop, _CTRL_C)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or before is None:  # ignored for us, by whoever started us
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if turn.outcome != "cancelled":
            signal.signal(signal.SIGINT, before)


@contextmanager
def stdout_for_us(*, shared: bool) -> Generator[TextIO]:
    """Yield standard output; what an agent prints meanwhile goes to standard error.

    Unless it is `shared` with a person who answers, that holds for the agent's subprocesses, too: then the
    descriptor itself is turned away, and ours is a copy.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        if shared or out is not sys.__stdout__:
            yield out
            return
        out.flush()
        number = out.fileno()
        ours = os.fdopen(os.dup(number), "w", encoding=out.encoding, errors=out.errors)
        os.dup2(sys.stderr.fileno(), number)
        try:
            yield ours
        finally:
            os.dup2(ours.fileno(), number)
            with suppress(OSError):  # told already, when it was written
                ours.close()


# ------------------------------------------------------------------ what goes wrong


def finished(work: Callable[[], int], *, debug: bool) -> int:
    """Do the work of a command and return its exit code; what goes wrong is one line, with `debug` after its story.

    Raises `OSError` when the output cannot be written, and `KeyboardInterrupt`.
    """
    try:
        return work()
    except OutputLost as lost:
        raise lost.why from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the end of the program: whatever it is becomes a line and a code
        complain(error, debug=debug)
        return FAILED


def complain(error: BaseException, *, debug: bool) -> None:
    """Say what went wrong in one line, with `debug` after its whole story."""
    if debug:
        print(safe_terminal("".join(traceback.format_exception(error))), file=sys.stderr)
    text, name = _text(error), type(error).__name__
    say(text if isinstance(error, LangwireError) else f"{name}: {text}" if text else name)


def _text(error: BaseException) -> str:
    """What an exception says, in one line that is not too long."""
    try:
        line = " ".join(str(error).split())
    except Exception:  # foreign code runs here
        return "(its text cannot be read)"
    return line if len(line) <= _ERROR_LENGTH else f"{line[:_ERROR_LENGTH]} …"
