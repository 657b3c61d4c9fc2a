"""Knows terminals for tests: one that remembers what is written to it, a real pty, and what a screen shows."""

from __future__ import annotations

import io
import os
import re
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console

from langwire.adapters.cli.screen import Frames, Page
from langwire.adapters.cli.telling import Telling
from langwire.events import Entry, Event, EventBase

_SIGNS = r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u2028\u2029\ufeff\ud800-\udfff]"
_STYLE = r"(?:0|1|2|3|4|9|3[0-7]|9[0-7])"
ALLOWED = re.compile(rf"(?:{_SIGNS}|\n|\r|\x1b\[{_STYLE}(?:;{_STYLE})*m|\x1b\[[0-9]+A|\x1b\[K|\x1b\[J|\x1b\[\?7[lh])+")
"""What may come to a terminal: what is printed, line ends, and sequences and colours of our own."""
COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Tty(io.StringIO):
    """A terminal that remembers what was written, with the size that one has where nothing is known of it."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def entries(events: Iterable[Event]) -> list[Entry]:
    """Number events, one every tenth of a second."""
    return [Entry(seq=seq, at_ms=1_000 + 100 * seq, event=event) for seq, event in enumerate(events, 1)]


def console(width: int = 80, **options: Any) -> Console:
    """Return a console that knows colours and writes nowhere."""
    settings = {"color_system": "standard", "width": width, "force_terminal": True} | options
    return Console(file=io.StringIO(), **settings)


def told(story: Iterable[EventBase | Entry], width: int = 80, **options: Any) -> str:
    """Return all that is told for good, without colours; it is closed at the end."""
    telling, page = Telling(lambda: 0.0), Page(console(width, **options))
    for at, one in enumerate(story, 1):
        telling.take(one if isinstance(one, Entry) else Entry(seq=at, at_ms=1_000 + 100 * at, event=one))
    telling.close()
    rows = [row.text for block in telling.finished() for row in page.put(block, width)]
    return COLORS.sub("", "".join(f"{row}\n" for row in rows))


def frames(told: Iterable[Entry], width: int = 80, height: int = 24, *, at_every_event: bool = True) -> Iterator[str]:
    """Give what is written if a frame is drawn after every event; without that, only at the end of a turn."""
    telling, page, drawn = Telling(lambda: 0.0), Page(console(width)), Frames()
    for entry in told:
        telling.take(entry)
        if at_every_event or not telling.running:
            yield _frame(telling, page, drawn, width, height)
    telling.close()
    yield _frame(telling, page, drawn, width, height)


def _frame(telling: Telling, page: Page, drawn: Frames, width: int, height: int) -> str:
    done = [row for block in telling.finished() for row in page.put(block, width)]
    now = page.now(telling.now(height), width, height) if telling.running else []
    assert len(now) <= height, "what is open is higher than there is room"
    assert all(row.columns <= width for row in now), "what is open is wider than the terminal"
    return drawn.frame(done, now, width)


def shown(screen: Any) -> str:
    """Return the text of a screen of pyte's, without blanks at the ends."""
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n") + "\n"


@contextmanager
def pty(columns: int = 80, lines: int = 24) -> Iterator[tuple[TextIO, bytearray]]:
    """Open a terminal to write to, and the bytes that came out of it; they are all there once the block is left."""
    import fcntl
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    came = bytearray()
    reader = threading.Thread(target=_read, args=(master, came))
    reader.start()
    file = os.fdopen(slave, "w", encoding="utf-8")
    try:
        yield file, came
    finally:
        file.close()
        reader.join()
        os.close(master)


def _read(master: int, came: bytearray) -> None:
    while True:
        try:
            read = os.read(master, 65_536)
        except OSError:  # how Linux says that nobody has the other end open
            return
        if not read:
            return
        came += read


def strays(written: str) -> list[str]:
    """Return what is none of what may come to a terminal."""
    return [piece for piece in ALLOWED.sub("\0", written).split("\0") if piece]
