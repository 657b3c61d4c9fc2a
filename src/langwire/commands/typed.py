"""Knows how to drop what somebody typed ahead: it answers no question that was not there yet."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

_termios: Any
try:
    import termios as _termios
except ImportError:  # pragma: no cover - Windows
    _termios = None

NO_TERMINAL = (AttributeError, OSError) if _termios is None else (_termios.error, OSError)
"""What is raised where a stream is no terminal."""


class _Stream(Protocol):
    def fileno(self) -> int: ...


def forget_typed(stream: _Stream) -> None:
    """Drop what was typed at the terminal of this stream and not read yet; nothing where it is none."""
    with suppress(*NO_TERMINAL):
        _termios.tcflush(stream.fileno(), _termios.TCIFLUSH)
