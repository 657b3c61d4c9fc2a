"""Tells a turn at a terminal as it comes: what is finished stays, what is open is drawn below it, again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from threading import Event, RLock, Thread
from typing import TextIO
from weakref import ref

from langwire.adapters.cli.printing import Printing
from langwire.adapters.cli.telling import Telling
from langwire.adapters.cli.terminal import Terminal, terminal_of
from langwire.adapters.plain import PlainAdapter
from langwire.events import Entry

_TICK = 0.1
"""Seconds after which a frame is drawn although nothing came: what runs shows for how long."""


class CLIAdapter:
    """Shows a turn at a terminal, live. It is a `Sink`.

    `file` is standard output, as it is when a turn begins, unless another one is given. What is no terminal, or one
    whose cursor does not move (`TERM=dumb`), or not in UTF-8, gets the plain lines of `PlainAdapter`. `NO_COLOR` is
    respected. While a turn runs, what others print to standard output and standard error appears above what is drawn.

    The end of a turn leaves the terminal as it should be; `close`, or the end of a `with`, does so for a turn that
    has none. Raises what writing raises (`BrokenPipeError`, for one).
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._lock = RLock()
        self._chosen: TextIO | None = None
        self._terminal: Terminal | None = None
        self._plain = PlainAdapter(file)
        self._telling = Telling()
        self._printing = Printing(self._lock)
        self._stopped: Event | None = None
        """Set when a turn is over; None where none runs."""
        self._failed: Exception | None = None

    def handle(self, entry: Entry, /) -> None:
        """Show what this entry adds to the story, at once or a moment later."""
        with self._lock:
            if self._stopped is None:
                self._choose()
            if self._terminal is None:
                self._plain.handle(entry)
                return
            self._telling.take(entry)
            if not self._telling.running:
                self._finish(self._terminal)
                return
            try:
                self._go_on(self._terminal)
            except BaseException:  # it may have been the last: nobody has to close a sink
                self._stop()
                raise

    def close(self) -> None:
        """Show what is open as it stands, for good."""
        with self._lock:
            self._telling.close()
            if self._terminal is not None:
                self._finish(self._terminal)

    def __enter__(self) -> CLIAdapter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _choose(self) -> None:
        file = self._file or sys.stdout
        if file is not self._chosen:
            self._chosen, self._terminal = file, terminal_of(file)

    def _go_on(self, terminal: Terminal) -> None:
        if self._stopped is None:
            self._stopped = Event()
            self._printing.begin(partial(self._above, terminal))
            Thread(target=_tick, args=(ref(self), self._stopped), name="langwire-cli", daemon=True).start()
        if self._failed is not None:
            error, self._failed = self._failed, None
            raise error
        if terminal.due:
            terminal.draw(self._telling)

    def _finish(self, terminal: Terminal) -> None:
        try:
            terminal.draw(self._telling)
        finally:
            self._stop()

    def _stop(self) -> None:
        """Draw by ourselves no more, and give the streams back, until a turn goes on."""
        self._failed = None
        if self._stopped is not None:
            self._stopped.set()
            self._stopped = None
            self._printing.end()

    def _above(self, terminal: Terminal, write: Callable[[], None]) -> None:
        """Have somebody else write above what is drawn."""
        with self._lock:
            terminal.clear()
            write()

    def tick(self) -> None:
        """Draw a frame, if none was drawn for a while."""
        with self._lock:
            terminal = self._terminal
            if self._stopped is None or terminal is None or self._failed is not None:
                return
            if terminal.due:
                try:
                    terminal.draw(self._telling)
                except Exception as error:  # this is nobody's thread: who tells the next event has it
                    self._failed = error
                    self._printing.end()


def _tick(adapter: ref[CLIAdapter], stopped: Event) -> None:
    """Draw now and then, until the turn is over or nobody holds the adapter any more."""
    while not stopped.wait(_TICK):
        alive = adapter()
        if alive is None:
            return
        alive.tick()
        del alive
