"""Knows the files of threads: what was uploaded, and what was said in media. They are in memory, and there is an end.

A file belongs to one thread and is reached by nobody who may not read that thread. When there is no more room, the
longest unused goes first. What an agent said comes back when its thread is read again; what was uploaded does not, but
the thread's checkpoint holds it from the message on that it was sent with.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from langwire.adapters.fastapi.protocol import UploadedFile
from langwire.errors import InputTooLarge, UsageError

OCTETS = "application/octet-stream"

_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain"})
"""What a browser may show by itself, beside sound and video: nothing that can hold a script."""
MIME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_COST = 1024
"""What a file takes beside its bytes, roughly: a thousand empty ones are not nothing."""


class File(NamedTuple):
    """What was kept under a file's id."""

    mime: str
    data: bytes


class Files:
    """Files by thread and id. Sizes are bytes: of one file, of all those of a thread, and of all there are.

    Raises `UsageError` for a limit below 1.
    """

    def __init__(
        self, *, max_file: int = 16 * 2**20, max_thread: int = 64 * 2**20, max_bytes: int = 256 * 2**20
    ) -> None:
        if min(max_file, max_thread, max_bytes) < 1:
            raise UsageError(
                f"limits of {max_file}, {max_thread}, {max_bytes} bytes came for files: expected 1 or more"
            )
        self.max_file = min(max_file, max_thread, max_bytes)
        self._max_thread, self._max_bytes = max_thread, max_bytes
        self._threads: dict[str, OrderedDict[str, File]] = {}
        """The files of each thread, the last used at the end."""
        self._used: OrderedDict[tuple[str, str], None] = OrderedDict()
        """All of them, the last used at the end."""
        self._sizes: dict[str, int] = {}
        self.bytes = 0
        """What all files take, roughly."""

    def put(self, thread_id: str, mime: str, data: bytes) -> UploadedFile:
        """Keep a file of a thread; the same one twice is one. Raises `InputTooLarge`."""
        if len(data) > self.max_file:
            raise InputTooLarge(f"a file of {len(data)} bytes came: expected {self.max_file} at most")
        mime = mime.partition(";")[0].strip().lower()
        if MIME.fullmatch(mime) is None:  # it comes from anywhere, and goes into a header
            mime = OCTETS
        file_id = sha256(b"%b\0%b" % (mime.encode(), data)).hexdigest()[:32]
        if self.get(thread_id, file_id) is None:
            self._threads.setdefault(thread_id, OrderedDict())[file_id] = File(mime, data)
            self._used[thread_id, file_id] = None
            self._count(thread_id, len(data) + _COST)
            self._make_room(thread_id)
        return UploadedFile(file_id=file_id, mime=mime, bytes=len(data))

    def get(self, thread_id: str, file_id: str) -> File | None:
        """Return a file's type and bytes; None for one that is not kept, or not of this thread."""
        if (thread_id, file_id) not in self._used:
            return None
        self._threads[thread_id].move_to_end(file_id)
        self._used.move_to_end((thread_id, file_id))
        return self._threads[thread_id][file_id]

    def forget(self, thread_id: str) -> None:
        """Forget the files of a thread."""
        for file_id in list(self._threads.get(thread_id, ())):
            self._drop(thread_id, file_id)

    def _count(self, thread_id: str, size: int) -> None:
        self._sizes[thread_id] = self._sizes.get(thread_id, 0) + size
        self.bytes += size

    def _make_room(self, thread_id: str) -> None:
        """Drop what was longest unused; never the file that has just come, which fits by itself."""
        files = self._threads[thread_id]
        while self._sizes[thread_id] > self._max_thread and len(files) > 1:
            self._drop(thread_id, next(iter(files)))
        while self.bytes > self._max_bytes and len(self._used) > 1:
            self._drop(*next(iter(self._used)))

    def _drop(self, thread_id: str, file_id: str) -> None:
        files = self._threads[thread_id]
        self._count(thread_id, -len(files.pop(file_id).data) - _COST)
        del self._used[thread_id, file_id]
        if not files:
            del self._threads[thread_id], self._sizes[thread_id]


def headers_of(mime: str) -> Mapping[str, str]:
    """Return the headers under which a file is served, so that a browser never takes it for a page or a script."""
    shown = mime in _SHOWN or mime.startswith(("audio/", "video/"))
    kind = {"text/plain": "text/plain; charset=utf-8"}.get(mime, mime) if shown else OCTETS
    return {
        "content-type": kind,
        "content-disposition": "inline" if shown else "attachment",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }
