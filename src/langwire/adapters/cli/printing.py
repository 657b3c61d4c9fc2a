"""Lets others print while we draw: what they write to standard output and standard error appears above."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Any, TextIO, cast


class Printing:
    """Stands in for `sys.stdout` and `sys.stderr` between `begin` and `end`, where they are terminals.

    Who keeps one of our stand-ins beyond the end writes to the stream itself. `lock` is held while anything is written:
    whoever draws between those who print must hold it, too.
    """

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._standing_in: list[tuple[str, _StandIn]] = []

    def begin(self, above: Callable[[Callable[[], None]], None]) -> None:
        """Stand in for the streams as they are now.

        `above` is called with a function that writes, and has to make room for what it writes.
        """
        for name in ("stdout", "stderr"):
            stream: TextIO | None = getattr(sys, name)
            if stream is not None and stream.isatty():
                stand_in = _StandIn(stream, above, self._lock)
                self._standing_in.append((name, stand_in))
                setattr(sys, name, stand_in)

    def end(self) -> None:
        """Put the streams back, not where others have put theirs, and write what is left of lines that are not over."""
        for name, stand_in in self._standing_in:
            if getattr(sys, name) is stand_in:
                setattr(sys, name, stand_in.stream)
            with suppress(OSError, ValueError):  # the stream is gone: who prints next hears of it
                stand_in.end()
        self._standing_in.clear()


class _StandIn:
    """A stream that writes whole lines."""

    def __init__(self, stream: TextIO, above: Callable[[Callable[[], None]], None], lock: RLock) -> None:
        self.stream = stream
        self._lock = lock
        self._above: Callable[[Callable[[], None]], None] | None = above
        self._line = ""

    def write(self, text: str, /) -> int:
        with self._lock:  # several threads may print
            if self._above is None:
                return self.stream.write(text)
            lines, end, rest = (self._line + text).rpartition("\n")
            self._line = rest
            if end:
                self._above(lambda: self._put(lines + end))
            return len(text)

    def writelines(self, lines: Any, /) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        if self._above is None:
            self.stream.flush()

    def end(self) -> None:
        with self._lock:
            self._above = None
            if self._line:
                self._put(f"{self._line}\n")

    def _put(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(cast(Any, self.stream), name)
