"""Knows where the stories and the goldens of all faces lie, and how the ones are read and the others compared."""

from __future__ import annotations

import os
from pathlib import Path

from langwire.core.codec import decode_entry
from langwire.errors import StreamError
from langwire.events import Entry, Event

STORIES = Path(__file__).with_name("stories")
GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(path.stem for path in STORIES.glob("*.jsonl"))
"""The names of all stories."""


def lines(name: str) -> list[bytes]:
    """Return the lines of a story, as they came over a wire."""
    return (STORIES / f"{name}.jsonl").read_bytes().splitlines()


def entries(name: str) -> list[Entry]:
    """Return the entries of a story, without those of types that this version does not know."""
    read: list[Entry] = []
    for line in lines(name):
        try:
            read.append(decode_entry(line))
        except StreamError:
            assert name == "later_version", line
    return read


def events(name: str) -> list[Event]:
    """Return the events of a story: `entries` without their numbers."""
    return [entry.event for entry in entries(name)]


def golden(face: str, name: str, ending: str, text: str) -> None:
    """Hold a text to `golden/FACE/NAME.ENDING`, or write it there where the environment has `LANGWIRE_GOLDEN`."""
    path = GOLDEN / face / f"{name}.{ending}"
    if os.environ.get("LANGWIRE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    assert path.is_file(), f"no {path.name} of {face}: write it with LANGWIRE_GOLDEN=1, and look at it"
    assert text == path.read_bytes().decode()
