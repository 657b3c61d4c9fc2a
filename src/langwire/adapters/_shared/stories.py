"""Knows in which ways a story is handed over to be exported, and what a person said at the beginning of a turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from langwire.core._guards import is_list
from langwire.core._messages import coerce, role_of
from langwire.core._updates import state_items
from langwire.core.transcript import Transcript
from langwire.events import Entry, Event

Story: TypeAlias = Transcript | Iterable[Event | Entry]
"""A transcript, a turn's result among them, or its events, or the entries of a log, which have times."""


def told(story: Story) -> Iterator[tuple[Event, int | None]]:
    """Yield the events of a story, each with when it was told in Unix milliseconds, where that is known."""
    for item in story.events() if isinstance(story, Transcript) else story:
        yield (item.event, item.at_ms) if isinstance(item, Entry) else (item, None)


def said_in(given: Any) -> Iterator[tuple[str | None, str]]:
    """Yield the id and the text of each message of a person in a turn's input. What is no text is named."""
    for fields in messages_in(given):
        if role_of(fields) == "user":
            id = fields.get("id")
            yield id if isinstance(id, str) else None, text_of(fields.get("content"))


def messages_in(given: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of an input's messages. Text is one if it is all of the input; in a state it may be anything."""
    for value in (given, *dict(state_items(given)).values()):
        for raw in cast("list[Any]", value) if isinstance(value, list) else (value,):
            fields = coerce(raw) if raw is given or not isinstance(raw, str) else None
            if fields is not None:
                yield fields


def text_of(content: Any) -> str:
    """Return the text of a message's content; blocks that are none are named."""
    if isinstance(content, str):
        return content
    blocks = cast("list[Any]", content) if is_list(content) else []
    return "\n\n".join(map(_block_text, blocks))


def _block_text(block: Any) -> str:
    fields: Mapping[str, Any] = cast("dict[str, Any]", block) if isinstance(block, dict) else {"text": block}
    said = fields.get("text")
    return (
        said
        if isinstance(said, str)
        else f"[{fields.get('type', 'content')} {fields.get('mime_type') or ''}".strip() + "]"
    )
