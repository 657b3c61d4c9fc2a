"""Knows the file in which a real chunk stream is kept: what its lines say, how they are written and read again.

A chunk recording holds what a graph streamed, run by run, and what the parser was told beside it. It is read
without the agent, and without the LangGraph that made it. The file has one JSON object a line:

| line | says |
|---|---|
| `{"format": "langwire.chunks", "version": 1, …}` | the head: what was recorded, how, and by which versions |
| `{"start": "message", …}` | a run begins: its cause, and what else a `StreamParser` was given |
| `{"lane": […], "mode": …, "data": …}` | a chunk |
| `{"chunk": …}` | a chunk of another shape, as it was: a v2 part, a chunk without lane or mode |
| `{"end": "close", …}` | the run ended by itself, and what `StreamParser.close` was told |
| `{"end": "fail", "error": "ValueError"}` | the run raised: the name of the class, never its text |
| `{"end": "cancel"}` | the run was stopped |

`Header`, `_Start`, `_Chunk` and `_End` have the fields. Runs of one thread follow each other. Values are JSON as they
are, or marked: `langwire.testing._chunk_values` has the table. Nothing is redacted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from os import PathLike
from pathlib import Path
from platform import python_version
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar, assert_never, cast
from uuid import uuid4

import msgspec

from langwire.core.codec import jsonable
from langwire.core.parser import StreamParser
from langwire.errors import StreamError, UnknownChunk, UsageError
from langwire.events import Cause, Event, Lane, OpenCall
from langwire.testing._chunk_values import ValueReader, ValueWriter, error_named, to_json

FileName: TypeAlias = str | PathLike[str]

FORMAT, VERSION = "langwire.chunks", 1
_MODES = ("values", "updates", "messages", "custom", "tasks", "checkpoints", "debug", "tools")
_LIBRARIES = ("langgraph", "langchain-core", "langchain", "deepagents")
_T = TypeVar("_T")


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first line: what was recorded, how the graph was called (`stream` is v1 or v2), and by which versions."""

    format: str
    version: int
    title: str
    modes: str | list[str]
    subgraphs: bool
    stream: str | None = None
    libraries: dict[str, str]
    python: str


class _Start(msgspec.Struct, kw_only=True):
    start: Cause
    turn_id: str
    thread_id: str | None = None
    checkpoint_id: str | None = None
    input: Any = None
    history: Any = None
    open_calls: list[OpenCall] = []


class _Chunk(msgspec.Struct, kw_only=True):
    changed: list[Any] = []
    """Messages that got an id, in place, since they were shown."""
    lane: tuple[str, ...]
    mode: str
    data: Any


class _OtherChunk(msgspec.Struct, kw_only=True):
    changed: list[Any] = []
    chunk: Any


class _End(msgspec.Struct, kw_only=True):
    end: Literal["close", "fail", "cancel"]
    open_interrupts: Any = None
    paused: list[str] | None = None
    checkpoint_id: str | None = None
    error: str = ""


# ------------------------------------------------------------------ writing


class ChunkRecorder:
    """Writes the chunks of runs that you call yourself: tell it what you tell a `StreamParser`.

    `modes`, `subgraphs` and `version` are what the graph is called with. The file is written at the end of the
    `with` block, also when that ends by an exception after the first run has started; a run that is open then counts
    as stopped. A folder that is missing is made. The block raises `OSError` at its start where the file cannot be
    written, before any run. Raises `UsageError` for modes that LangGraph does not have.
    """

    def __init__(
        self,
        path: FileName,
        *,
        modes: str | list[str],
        subgraphs: bool = True,
        version: str | None = None,
        title: str = "",
    ) -> None:
        self._path = Path(path)
        for mode in sorted({*_all(modes)} - {*_MODES}):
            raise UsageError(f"LangGraph has no stream mode {mode!r}: expected some of {', '.join(_MODES)}")
        header = Header(
            format=FORMAT,
            version=VERSION,
            title=title,
            modes=modes,
            subgraphs=subgraphs,
            stream=version,
            libraries=_installed(),
            python=python_version(),
        )
        self._lines = [msgspec.json.encode(header)]
        self._values = ValueWriter()
        self._run: list[dict[str, Any]] = []
        self._raised: list[BaseException | None] = []

    def __enter__(self) -> ChunkRecorder:
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.open("ab").close()
        if is_new:
            self._path.unlink()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._run:
            self.cancel()
        if kind is not None and len(self._lines) == 1:
            return  # nothing was recorded
        self._path.write_bytes(b"\n".join([*self._lines, b""]))

    def load(self) -> ChunkRecording:
        """Return what was recorded, read again from the file: to be called after the `with` block.

        Other than runs of a file that is merely read, these know what they raised.
        """
        recording = ChunkRecording.load(self._path)
        for run, error in zip(recording.runs, self._raised, strict=True):
            run.exception = error
        return recording

    @property
    def recording(self) -> bool:
        """Whether a run is open."""
        return bool(self._run)

    def start(
        self,
        *,
        turn_id: str | None = None,
        thread_id: str | None = None,
        cause: Cause = "message",
        checkpoint_id: str | None = None,
        input: Any = None,
        history: Sequence[Any] = (),
        open_calls: Iterable[OpenCall] = (),
    ) -> None:
        """Begin a run; the arguments are those of `StreamParser`. Raises `UsageError` while another one is open."""
        if self._run:
            raise UsageError("a run is being recorded: end it with close, fail or cancel before the next one starts")
        self._values = ValueWriter()
        line = {
            "start": cause,
            "turn_id": turn_id or uuid4().hex,
            "thread_id": thread_id,
            "checkpoint_id": checkpoint_id,
            "input": self._values.write(input),
            "history": self._values.write(list(history) or None),
            "open_calls": jsonable(list(open_calls)) or None,
        }
        self._run = [_without_none(line)]

    def feed(self, chunk: Any) -> None:
        """Take a chunk, before or after the parser does. Raises `UsageError` where no run has started."""
        changed = self._values.changed()
        line: dict[str, Any] = {"changed": changed} if changed else {}
        if _has_lane_and_mode(chunk):
            lane, mode, data = chunk
            line |= {"lane": lane, "mode": mode, "data": self._values.write(data)}
        else:
            line |= {"chunk": self._values.write(chunk)}
        self._add(line)

    def close(
        self,
        *,
        open_interrupts: Iterable[Any] | None = None,
        paused: Sequence[str] | None = None,
        checkpoint_id: str | None = None,
    ) -> None:
        """End a run that ended by itself; the arguments are those of `StreamParser.close`."""
        asked = self._values.write(None if open_interrupts is None else tuple(open_interrupts))
        line = {"end": "close", "open_interrupts": asked, "paused": paused, "checkpoint_id": checkpoint_id}
        self._end(_without_none(line))

    def fail(self, error: BaseException) -> None:
        """End a run that raised."""
        self._end({"end": "fail", "error": type(error).__name__}, error)

    def cancel(self) -> None:
        """End a run that somebody stopped."""
        self._end({"end": "cancel"})

    def _add(self, line: dict[str, Any]) -> None:
        if not self._run:
            raise UsageError("no run is being recorded: begin it with start")
        self._run.append(line)

    def _end(self, line: dict[str, Any], raised: BaseException | None = None) -> None:
        self._add(line)
        self._raised.append(raised)
        self._lines += map(to_json, self._run)
        self._run = []


def _has_lane_and_mode(chunk: Any) -> TypeGuard[tuple[Lane, str, Any]]:
    """Return whether a chunk is of the shape that `langwire` asks for: a list of modes, with subgraphs."""
    if type(chunk) is not tuple:
        return False
    parts = cast("tuple[Any, ...]", chunk)
    if len(parts) != 3 or type(parts[0]) is not tuple:
        return False
    return all(type(word) is str for word in cast("tuple[Any, ...]", parts[0])) and parts[1] in _MODES


def _all(modes: str | list[str]) -> list[str]:
    return [modes] if isinstance(modes, str) else modes


def _without_none(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if value is not None}


def _installed() -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            versions[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return versions


# ------------------------------------------------------------------ reading


class ChunkRun:
    """One recorded run. Every reading of it makes its objects anew, chunk by chunk.

    `exception` is what the run raised, itself, where it was recorded just now; a file keeps only its class (`error`).
    """

    def __init__(self, header: Header, lines: Sequence[tuple[int, Any]]) -> None:
        self.exception: BaseException | None = None
        self._header = header
        self._start_at, start = lines[0]
        self._chunks = lines[1:-1]
        self._end_at, end = lines[-1]
        self._start: _Start = start
        self._end: _End = end

    @property
    def cause(self) -> Cause:
        """How the run was started."""
        return self._start.start

    @property
    def open_calls(self) -> tuple[OpenCall, ...]:
        """The calls that were open when it began."""
        return tuple(self._start.open_calls)

    @property
    def end(self) -> Literal["close", "fail", "cancel"]:
        """How the run ended: by itself, by an exception, or stopped."""
        return self._end.end

    @property
    def error(self) -> str:
        """The class name of what the run raised, or an empty string."""
        return self._end.error

    def chunks(self) -> Iterator[Any]:
        """Yield the chunks as LangGraph did, lazily: objects change in place where they did.

        Raises `StreamError` for a value that cannot be read.
        """
        values = _Values()
        values.read(self._start_at, self._start.input, self._start.history)
        for _, chunk in self._read_chunks(values):
            yield chunk

    def events(self, **options: Any) -> Iterator[Event]:
        """Yield the events that a `StreamParser` tells of this run.

        `options` are further arguments of the parser, such as `state=True`. Raises what the parser raises, and
        `StreamError`, with the number of the line, for a value or chunk that cannot be read.
        """
        values, start, end = _Values(), self._start, self._end
        given, history = values.read(self._start_at, start.input, start.history)
        parser = StreamParser(
            modes=self._header.modes,
            subgraphs=self._header.subgraphs,
            version=self._header.stream,
            turn_id=start.turn_id,
            thread_id=start.thread_id,
            cause=start.start,
            checkpoint_id=start.checkpoint_id,
            input=given,
            history=history or (),
            open_calls=start.open_calls,
            **options,
        )
        yield from parser.start()
        for at, chunk in self._read_chunks(values):
            try:
                events = parser.feed(chunk)
            except UnknownChunk as error:
                raise _broken(at, f"{error}") from error
            yield from events
        match end.end:
            case "close":
                [asked] = values.read(self._end_at, end.open_interrupts)
                yield from parser.close(open_interrupts=asked, paused=end.paused, checkpoint_id=end.checkpoint_id)
            case "fail":
                yield from parser.fail(error_named(end.error))
            case "cancel":
                yield from parser.cancel()
            case _:
                assert_never(end.end)

    def _read_chunks(self, values: _Values) -> Iterator[tuple[int, Any]]:
        for at, line in self._chunks:
            held = line.data if isinstance(line, _Chunk) else line.chunk
            _, value = values.read(at, line.changed, held)
            yield at, (line.lane, line.mode, value) if isinstance(line, _Chunk) else value


class _Values:
    """Reads values, and names the line of one that is broken."""

    def __init__(self) -> None:
        self._reader = ValueReader()

    def read(self, at: int, *forms: Any) -> list[Any]:
        try:
            return [self._reader.read(form) for form in forms]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _broken(at, f"{error}") from error


class ChunkRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A file of recorded chunks: its header, and the runs of one thread in their order."""

    header: Header
    runs: tuple[ChunkRun, ...]

    @classmethod
    def load(cls, path: FileName) -> ChunkRecording:
        """Read a file. Raises `StreamError` for another format or version, and for a line that is broken."""
        first, *lines = Path(path).read_bytes().split(b"\n")
        header = _header(first)
        return cls(header=header, runs=tuple(_runs(header, enumerate(lines, start=2))))


def _header(line: bytes) -> Header:
    fields = _object(1, line)
    if fields.get("format") != FORMAT:
        raise StreamError(f"cannot read line 1 as the head of a chunk recording: expected the format {FORMAT!r}")
    if fields.get("version") != VERSION:
        raise StreamError(
            f"cannot read version {fields.get('version')!r} of a chunk recording in line 1: expected {VERSION}; "
            "record it again, or read it with the langwire that made it"
        )
    header = _typed(1, fields, Header)
    for mode in _all(header.modes):
        _check_mode(1, mode)
    return header


def _check_mode(at: int, mode: str) -> None:
    if mode not in _MODES:
        raise _broken(at, f"LangGraph has no stream mode {mode!r}, only {', '.join(_MODES)}")


def _runs(header: Header, lines: Iterable[tuple[int, bytes]]) -> Iterator[ChunkRun]:
    run: list[tuple[int, Any]] = []
    for at, text in lines:
        if not text:
            continue
        fields = _object(at, text)
        kind = next((kind for key, kind in _KINDS.items() if key in fields), _Chunk)
        if (kind is _Start) == bool(run):
            raise _broken(at, "a run starts before the one before it has ended" if run else "no run has started")
        line = _typed(at, fields, kind)
        if isinstance(line, _Chunk):
            _check_mode(at, line.mode)
        run.append((at, line))
        if kind is _End:
            yield ChunkRun(header, run)
            run = []
    if run:
        raise _broken(run[-1][0], "the file ends before its last run does")


_KINDS: dict[str, type[msgspec.Struct]] = {"start": _Start, "end": _End, "chunk": _OtherChunk}


def _object(at: int, line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise _broken(at, f"{error}") from error


def _typed(at: int, fields: dict[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _broken(at, f"{error}") from error


def _broken(at: int, reason: str) -> StreamError:
    return StreamError(
        f"cannot read line {at} of a chunk recording: {reason:.200}; expected a line as langwire writes it: "
        "record it again, or take the whole run out of the file"
    )
