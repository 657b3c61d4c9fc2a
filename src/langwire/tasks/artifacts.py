"""Knows where the files that tasks make are kept, and lets no name lead out of there.

Each task has one folder below the root. Names come from models, and who can write into a folder (an agent's shell, say)
can put anything in it; so nothing is believed that was looked at before:

- A name is checked as text first, by the same rules on every platform.
- Each folder on the way is opened from the one above it, and no link is followed. A folder that becomes a link while
  it is used is still the folder that was opened.
- A file is looked at before it is opened (opening a device can do something by itself) and again once it is open
  (it may have become a pipe in between); reading stops at the limit, whatever size it said it had.

Where the platform cannot open from a folder (Windows), each part is looked at by its path before it is used. There, who
can swap folders for links at just the right moment can win.

The functions wait for the disk: from a coroutine, call them with `asyncio.to_thread`.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Self
from unicodedata import normalize

from langwire.errors import ArtifactRefused, StoreError, UsageError
from langwire.tasks.task import Record

EXTENSIONS = (
    *(".md", ".txt", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".xml", ".html", ".css"),
    *(".py", ".js", ".ts", ".sql", ".diff", ".patch", ".log", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf"),
)
"""The kinds of files that a store takes unless it is told others."""

MAX_NAME_BYTES = 200
MAX_DEPTH = 8
"""How many parts a name may have."""

_TASK_ID = re.compile(r"[0-9a-z_][0-9a-z_-]{0,127}")
_NOT_IN_NAMES = frozenset('\\:*?"<>|')
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"]
    + [port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)

_FROM_FOLDERS = (
    {os.open, os.mkdir, os.stat, os.rename, os.unlink} <= os.supports_dir_fd
    and os.listdir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | _NO_LINK | getattr(os, "O_DIRECTORY", 0)
_READ = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK

# What opening says of a link, of a file in the place of a folder, and of a folder in the place of a file.
_NO_WAY = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})


class Artifact(Record, frozen=True, kw_only=True):
    """A file that a task made: its name, with `/` between folders, and its size in bytes."""

    name: str
    bytes: int


class ArtifactStore:
    """The files of tasks, in one folder for each task below `root`.

    `allowed_extensions` are the kinds of files it takes, as `.md`, in any case of letters. A file has at most
    `max_bytes`, a task at most `max_files` (about: tasks that write at the same moment are not counted with each
    other). The root is made with the first file. All functions raise `ArtifactRefused`, whose text a model can act on,
    for a name or a size that is not taken, and `StoreError` when the disk cannot do its work. Raises `UsageError` for
    an extension without its dot.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        allowed_extensions: Collection[str] = EXTENSIONS,
        max_bytes: int = 10 * 2**20,
        max_files: int = 100,
    ) -> None:
        for extension in allowed_extensions:
            if not extension.startswith("."):
                raise UsageError(f"{extension!a:.40} came as an allowed extension: expected a dot in front, as '.md'")
        self._root = os.path.abspath(root)
        self._extensions = tuple(sorted({extension.lower() for extension in allowed_extensions}))
        self._max_bytes = max_bytes
        self._max_files = max_files

    def write(self, task_id: str, name: str, data: str | bytes) -> Artifact:
        """Write a file, whole or not at all, in the place of the one that has the name; text is written as UTF-8.

        A name that differs from one that is there in the case of letters alone is refused: on some platforms the two
        would be one file.
        """
        parts = self._parts(name)
        content = self._content(name, data)
        with _told(task_id, name), ExitStack() as held:
            root = held.enter_context(_root(self._root, make=True))
            task = held.enter_context(root.enter(_checked(task_id), make=True))
            if not _has(task, parts) and sum(1 for _ in self._files(task)) >= self._max_files:
                raise ArtifactRefused(f"{name!a} is one too many: expected the name of one of {self._max_files} files")
            _descend(held, task, parts[:-1], make=True).put(parts[-1], content)
        return Artifact(name="/".join(parts), bytes=len(content))

    def read(self, task_id: str, name: str) -> bytes:
        """Return what is in a file."""
        parts = self._parts(name)
        with _told(task_id, name), ExitStack() as held:
            try:
                root = held.enter_context(_root(self._root))
                folder = _descend(held, root, (_checked(task_id), *parts[:-1]))
                content = folder.get(parts[-1], self._max_bytes + 1)
            except FileNotFoundError:
                raise ArtifactRefused(f"{name!a} is no file of the task: expected a name from its list") from None
        if len(content) > self._max_bytes:
            raise ArtifactRefused(f"{name!a} has more than {self._max_bytes} bytes by now: expected a smaller file")
        return content

    def list(self, task_id: str) -> tuple[Artifact, ...]:
        """Return the files of a task, by name. What is no plain file, or could not be read by its name, is left out."""
        with _told(task_id), ExitStack() as held:
            try:
                folder = _descend(held, held.enter_context(_root(self._root)), (_checked(task_id),))
                return tuple(sorted(self._files(folder), key=lambda artifact: artifact.name))
            except FileNotFoundError:
                return ()

    def delete(self, task_id: str) -> bool:
        """Remove a task's folder with all that is in it; return whether there was one."""
        with _told(task_id), ExitStack() as held:
            try:
                held.enter_context(_root(self._root)).remove(_checked(task_id))
            except FileNotFoundError:
                return False
        return True

    def _parts(self, name: str) -> tuple[str, ...]:
        """Return the parts of a name, in one form where Unicode has two; raise `ArtifactRefused` for a bad one."""
        parts = tuple(normalize("NFC", name).split("/"))
        wrong = _wrong(parts)
        if wrong is None and not parts[-1].lower().endswith(self._extensions):
            wrong = f"an ending among {', '.join(self._extensions)}"
        if wrong is not None:
            raise ArtifactRefused(f"{name!a:.120} came as a file name: expected {wrong}, as 'notes/report.md'")
        return parts

    def _content(self, name: str, data: str | bytes) -> bytes:
        try:
            content = data.encode() if isinstance(data, str) else data
        except UnicodeEncodeError:
            raise ArtifactRefused(f"the text for {name!a} holds half a character: expected whole ones") from None
        if len(content) > self._max_bytes:
            raise ArtifactRefused(f"{len(content)} bytes came for {name!a}: expected at most {self._max_bytes}")
        return content

    def _files(self, folder: _Folder, above: tuple[str, ...] = ()) -> Iterator[Artifact]:
        for part in folder.names():
            parts = (*above, part)
            if part.startswith("."):  # also what is just being written, and may be gone again
                continue
            found = folder.look(part)
            if _is_folder(found) and len(parts) < MAX_DEPTH:
                with folder.enter(part) as below:
                    yield from self._files(below, parts)
            elif _is_file(found) and self._takes("/".join(parts)):
                yield Artifact(name="/".join(parts), bytes=found.st_size)

    def _takes(self, name: str) -> bool:
        try:
            return "/".join(self._parts(name)) == name
        except ArtifactRefused:
            return False


# ------------------------------------------------------------------ names


def _checked(task_id: str) -> str:
    if _TASK_ID.fullmatch(task_id) is None or task_id.upper() in _DEVICES:
        raise ArtifactRefused(f"{task_id!a:.80} came as a task id: expected small letters, digits, _ and -")
    return task_id


def _wrong(parts: Sequence[str]) -> str | None:
    """Return what is expected of a name where these parts of one fall short of it."""
    name = "/".join(parts)
    if not name.isprintable() or not _NOT_IN_NAMES.isdisjoint(name):
        return f"printable characters without {' '.join(sorted(_NOT_IN_NAMES))}"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"at most {MAX_NAME_BYTES} bytes"
    if len(parts) > MAX_DEPTH:
        return f"at most {MAX_DEPTH} parts"
    if any(part == "" or part.startswith(".") or part.endswith((".", " ")) for part in parts):
        return "a relative name whose parts do not start with a dot, or end in a dot or a blank"
    if any(part.partition(".")[0].rstrip(" ").upper() in _DEVICES for part in parts):
        return "no name of a device"
    return None


# ------------------------------------------------------------------ the disk


class _Folder:
    """A folder that is open. Where the platform cannot do that, `fd` is None and it is known by its path."""

    def __init__(self, path: str, fd: int | None) -> None:
        self._path = path
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def enter(self, name: str, *, make: bool = False) -> _Folder:
        if make:
            with suppress(FileExistsError):
                os.mkdir(self._at(name), dir_fd=self._fd)
        path = os.path.join(self._path, name)
        if self._fd is not None:
            return _Folder(path, os.open(name, _FOLDER, dir_fd=self._fd))
        self._refuse_unless_folder(name)
        return _Folder(path, None)

    def names(self) -> list[str]:
        return os.listdir(self._path if self._fd is None else self._fd)

    def look(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)

    def get(self, name: str, limit: int) -> bytes:
        """Return the first `limit` bytes of a file."""
        seen = self.look(name)
        if not _is_file(seen):
            raise _not_plain()
        fd = os.open(self._at(name), _READ, dir_fd=self._fd)
        try:
            opened = os.fstat(fd)
            # Without O_NOFOLLOW it could be what a link led to; with it, a file that was replaced meanwhile is fine.
            if not _is_file(opened) or (self._fd is None and not os.path.samestat(seen, opened)):
                raise _not_plain()
            with open(fd, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(fd)

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        with suppress(FileNotFoundError):
            if not _is_file(self.look(name)):
                raise _not_plain()
        new = self._at(f".{secrets.token_hex(8)}.part")
        file = open(os.open(new, _NEW, 0o666, dir_fd=self._fd), "wb")  # noqa: SIM115
        try:
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._at(name), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=self._fd)
            raise

    def remove(self, name: str) -> None:
        """Remove a folder with all that is in it."""
        self._refuse_unless_folder(name)
        shutil.rmtree(self._at(name), dir_fd=self._fd)

    def _at(self, name: str) -> str:
        """Return the name as it is given to the system, beside `dir_fd`."""
        return os.path.join(self._path, name) if self._fd is None else name

    def _refuse_unless_folder(self, name: str) -> None:
        if not _is_folder(self.look(name)):
            raise _not_plain()


def _root(path: str, *, make: bool = False) -> _Folder:
    try:
        if make:
            os.makedirs(path, exist_ok=True)
        return _Folder(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY) if _FROM_FOLDERS else None)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"the root of all artifacts cannot be opened: {error.strerror}; expected a folder") from error


def _descend(held: ExitStack, folder: _Folder, parts: Sequence[str], *, make: bool = False) -> _Folder:
    for part in parts:
        folder = held.enter_context(folder.enter(part, make=make))
    return folder


def _has(folder: _Folder, parts: Sequence[str]) -> bool:
    """Return whether there is something of that name; raise `ArtifactRefused` when letters have another case there."""
    with ExitStack() as held:
        for above, part in enumerate(parts):
            names = folder.names()
            other = next((name for name in names if name != part and name.casefold() == part.casefold()), None)
            if other is not None:
                there = "/".join([*parts[:above], other])
                raise ArtifactRefused(f"{part!a} came where the task has {there!a}: expected the same case of letters")
            if part not in names:
                return False
            if above < len(parts) - 1:
                folder = held.enter_context(folder.enter(part))
    return True


def _is_folder(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and not _is_link(found)


def _is_file(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and not _is_link(found)


def _is_link(found: os.stat_result) -> bool:
    # On Windows a junction leads elsewhere too, and is no symbolic link.
    attributes: int = getattr(found, "st_file_attributes", 0)
    return stat.S_ISLNK(found.st_mode) or bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _not_plain() -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP))


@contextmanager
def _told(task_id: str, name: str = "") -> Generator[None]:
    """Tell what the disk says as an error of ours, without its paths."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_WAY:
            raise ArtifactRefused(
                f"{name!a} of task {task_id!a:.80} is no plain file in plain folders: expected no links, pipes,"
                " devices, or folders in the place of files; take another name"
            ) from None
        reason = error.strerror or type(error).__name__
        raise StoreError(f"the files of task {task_id!a:.80} cannot be read or written: {reason}") from error
