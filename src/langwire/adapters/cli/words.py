"""Knows how values become words on a terminal: safe ones, of a length that one reads.

Every text of a model, a tool or a client comes through `safe` or `in_line` before anything else sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.core.codec import jsonable
from langwire.events import Media

RESULT_LINES = 10
LINE_LENGTH = 500


class Todo(NamedTuple):
    """A thing to do, and how it stands."""

    text: str
    status: str


def safe(text: str) -> str:
    """Return a text of many lines in which nothing is left that a terminal obeys or hides."""
    return safe_terminal(text.replace("\r\n", "\n"))


def in_line(text: str) -> str:
    """Return a text as one line; its newlines are written out."""
    return safe_terminal(text, keep_newlines=False)


def flat(text: str) -> str:
    """Return the beginning of a text as one line, its blanks run together."""
    return in_line(" ".join(text[: 4 * LINE_LENGTH].split()))


def count(number: int, noun: str) -> str:
    """Return `1 line`, `1,200 lines`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: float | None) -> str:
    """Return `2.1 s`, `3 min 20 s`; nothing where it is unknown, or over before one could look."""
    if milliseconds is None or milliseconds < 50:
        return ""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# ------------------------------------------------------------------ values


def json_line(value: Any) -> str:
    """Return a value as JSON in one line."""
    return in_line(msgspec.json.format(msgspec.json.encode(jsonable(value)), indent=0).decode())


def json_lines(value: Any) -> str:
    """Return a value as JSON, indented."""
    return safe(indented(value))


def indented(value: Any) -> str:
    """Return a value as JSON, indented; not safe yet."""
    return msgspec.json.format(msgspec.json.encode(jsonable(value)), indent=2).decode()


def words(value: Any) -> str:
    """Return a text as it is, anything else as JSON in one line; not safe yet."""
    return value if isinstance(value, str) else json_line(value)


def content_text(content: Any) -> str:
    """Return the text of a tool's answer: a string, or a list of blocks, of which those without text are named."""
    if not isinstance(content, list):
        return "" if content is None else _beginning_of(content) or words(content)
    return "\n".join(map(_block_text, cast("list[Any]", content)))


def _beginning_of(content: Any) -> str | None:
    """The beginning that is left of a value which was cut on its way here, and how large the whole is."""
    cut: Any = cast("dict[Any, Any]", content).get("$truncated") if isinstance(content, dict) else None
    match cut:
        case {"preview": str(preview), "bytes": int(size)}:
            return f"{preview}\n… cut off: {count(size, 'byte')} in all"
        case _:
            return None


def _block_text(block: Any) -> str:
    if isinstance(block, dict):
        fields = cast("dict[str, Any]", block)
        if isinstance(fields.get("text"), str):
            return fields["text"]
        if isinstance(fields.get("type"), str) and fields["type"] != "text":
            return f"[{fields['type']}]"
    return words(block)


def first_lines(text: str, most: int = RESULT_LINES) -> tuple[list[str], int]:
    """Return the first lines of a text, safe and not too long, and how many there are more."""
    text = text.strip("\r\n")
    if not text:
        return [], 0
    *lines, rest = [*text.split("\n", most), ""][: most + 1]
    left_out = rest.count("\n") + 1 if rest else 0
    return [shortened(line.removesuffix("\r").expandtabs(4)) for line in lines], left_out


def shortened(text: str) -> str:
    """Return a line, safe; where it is too long its beginning, and how much more there is."""
    left_out = len(text) - LINE_LENGTH
    shown = in_line(text[:LINE_LENGTH])
    return f"{shown} … {count(left_out, 'more character')}" if left_out > 0 else shown


# ------------------------------------------------------------------ what has a form of its own


def todos_of(data: Any) -> list[Todo] | None:
    """Return the things to do that data lists; None where it is no such list."""
    if not isinstance(data, list):
        return None
    items = cast("list[Any]", data)
    if not all(isinstance(item, dict) and {"content", "status"} <= item.keys() for item in items):
        return None
    return [Todo(in_line(words(item["content"])), str(item["status"])) for item in items]


def checklist(args: Any) -> list[Todo] | None:
    """Return the things to do, where a call's arguments are nothing else; None otherwise."""
    fields = cast("dict[Any, Any]", args) if isinstance(args, dict) else {}
    items: list[Any] = fields.get("todos", []) if fields.keys() == {"todos"} else []
    read = todos_of(items)
    return read if read and all(item.keys() == {"content", "status"} for item in items) else None


def source_text(data: Any) -> str:
    """Return title and address of a source that is cited, or all that is known of it."""
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    named = [fields[key] for key in ("title", "url") if isinstance(fields.get(key), str)]
    return shortened(" ".join(named) or words(data))


def media_text(media: Media) -> str:
    """Return what is known of a medium: its kind, type, address and size."""
    where = words(media.block) if media.block is not None else media.ref or ""
    size = count(base64_size(media.data), "byte") if media.data is not None else ""
    return shortened("  ".join(filter(None, [media.kind, media.mime, where, size])))


def base64_size(data: str) -> int:
    """Return how many bytes a text in base64 stands for."""
    return len(data) * 3 // 4 - data[-2:].count("=")


def record_of(data: Any) -> Mapping[Any, Any] | None:
    """Return data as a flat record with something in it; None where it is none."""
    fields = cast("dict[Any, Any]", data) if isinstance(data, dict) else {}
    return fields if fields and not any(isinstance(value, (dict, list)) for value in fields.values()) else None
