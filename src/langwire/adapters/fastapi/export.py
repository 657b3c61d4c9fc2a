"""Knows how a thread is taken away as a file: a page, a document, or its events line by line.

What goes out is what a reader of the thread gets, but whole, and with media in it: the file stands alone. It is the log
with its times and the work of subagents, as long as that has all of the thread; else what the thread holds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from langwire.adapters._shared.web import HEADERS
from langwire.adapters.fastapi.reading import Place, past_of
from langwire.adapters.fastapi.shown import Shown, View
from langwire.adapters.html import content_policy, to_html
from langwire.adapters.markdown import to_markdown
from langwire.core.codec import decode, decode_entry
from langwire.errors import ReaderTooSlow
from langwire.events import Entry, MessageReplaced, Source, TurnStart
from langwire.sessions.session import Session

Format = Literal["html", "markdown", "jsonl"]

_NOBODY = Source()
_TYPES: Mapping[Format, tuple[str, str]] = {
    "html": ("text/html; charset=utf-8", "html"),
    "markdown": ("text/markdown; charset=utf-8", "md"),
    "jsonl": ("application/x-ndjson", "jsonl"),
}


_NOTHING = "sandbox; default-src 'none'"


class Exported(NamedTuple):
    """A file, and the headers under which it goes out."""

    data: bytes
    headers: Mapping[str, str]


async def exported(session: Session, place: Place, shown: Shown, form: Format) -> Exported:
    """Return a thread as a file of one of the formats. Raises what `Session.history` raises."""
    record = await place.sessions.options.store.get(session.thread_id)
    known = record is None or record.instance in (None, place.sessions.instance)
    title = record.title if record is not None else None
    lines = await _lines(session, View(replace(shown, max_value=None), None), known=known)
    data = await asyncio.to_thread(_written, lines, form, title)
    mime, ending = _TYPES[form]
    policy = f"{content_policy()}; sandbox allow-scripts allow-popups" if form == "html" else _NOTHING
    headers = {
        **HEADERS,
        "content-type": mime,
        "content-disposition": f'attachment; filename="{_file_name(title)}.{ending}"',
        "content-security-policy": policy,
    }
    return Exported(data, headers)


def _written(lines: Sequence[bytes], form: Format, title: str | None) -> bytes:
    if form == "jsonl":
        return b"".join(b"%b\n" % line for line in lines)
    stamped = bool(lines) and lines[0].startswith(b'{"seq":')
    story = [decode_entry(line) if stamped else decode(line) for line in lines]
    return (to_html(story, title=title) if form == "html" else to_markdown(story)).encode()


def _file_name(title: str | None) -> str:
    """A name that each system takes, and no header is broken by."""
    return re.sub(r"[^a-z0-9]+", "-", (title or "").lower()).strip("-")[:60] or "transcript"


async def _lines(session: Session, view: View, *, known: bool) -> list[bytes]:
    """Return what is told, line by line. `known` says that no turn of another process has come after ours."""
    entries = await _whole_log(session) if known else None
    if entries is not None:
        told = [view.entry(session, entry, line) for entry, line in entries]
    else:
        history = await session.history()
        told = [view.event(session.thread_id, event) for event in past_of(session, history)]
    return [line for line in told if line is not None]


async def _whole_log(session: Session) -> list[tuple[Entry, bytes]] | None:
    """Return the entries of a log that has seen all of its thread, each with its line; None where it has not.

    It has forgotten nothing, its first turn found an empty thread, and no fork was undone: it would not tell what came
    back by that.
    """
    log = session.log
    last, told = log.last, list[tuple[Entry, bytes]]()
    reader = log.subscribe(0, join_over=0)
    try:
        while (told[-1][0].seq if told else 0) < last:
            entry = await anext(reader)
            told.append((entry, reader.line()))
    except ReaderTooSlow:
        return None
    finally:
        reader.close()
    first = next((entry.event for entry, _ in told if isinstance(entry.event, TurnStart)), None)
    if reader.reset is not None or first is None or first.checkpoint_id is not None:
        return None
    undone = any(isinstance(entry.event, MessageReplaced) and entry.event.source == _NOBODY for entry, _ in told)
    return None if undone else told
