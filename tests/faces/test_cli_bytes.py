"""Nothing that others say moves a terminal's cursor, colours it, or reaches its clipboard."""

from __future__ import annotations

from itertools import islice
from typing import get_args

from faces.hostile import COUNT, FOR_TERMINALS, PAYLOADS, strings, told_types, turn
from faces.terminals import entries, frames, pty, strays, told
from langwire.adapters.cli.adapter import CLIAdapter
from langwire.events import Event, NodeEnd, NodeStart, Raw, StateDelta, StateSnapshot

PACK = 60
"""How many strings share a turn; payloads have one each."""


def texts() -> list[str]:
    """Return the hostile strings, each payload by itself first, then many to a text."""
    all_of_them = strings()
    alone = [*islice(all_of_them, len(PAYLOADS))]
    return [*alone, *iter(lambda: "\n\n".join(islice(all_of_them, PACK)), "")]


def test_no_byte_of_a_hostile_string_reaches_the_terminal() -> None:
    """F-C1, T-12: through every string of every event, at a real pty."""
    with pty(200, 12) as (file, came):
        adapter = CLIAdapter(file)
        for number, text in enumerate(texts()):
            for entry in entries(turn(text, number)):
                adapter.handle(entry)
    assert came.count(b"waits for an answer") == len(texts())
    assert strays(came.decode()) == []


def test_neither_does_one_in_what_is_shown_for_now() -> None:
    """F-C1, T-12: a frame after every event."""
    for number, text in enumerate(PAYLOADS):
        assert strays("".join(frames(entries(turn(text, number)), 40, 9))) == []


def test_the_scan_would_find_what_it_looks_for() -> None:
    for text in FOR_TERMINALS[:9]:
        assert strays(text)


def test_every_event_that_is_shown_has_hostile_strings() -> None:
    assert told_types() == {*get_args(Event)} - {NodeStart, NodeEnd, StateSnapshot, StateDelta, Raw}


def test_there_are_as_many_strings_as_promised_and_always_the_same() -> None:
    assert len([*strings()]) == COUNT == len([*strings()])
    assert [*strings(50)] == [*strings(50)]
    assert [*strings(5)] == [*PAYLOADS[:5]]


def test_markup_of_others_is_shown_as_it_is() -> None:
    """F-J1, F-J2: square brackets are no markup, and no link comes of them."""
    for text in ("use [/red] to end", "[/etc/passwd] [a-z] [bold]x[/]", "[link=javascript:alert(1)]x[/link]"):
        assert told(turn(text), 200).count(text) >= 10
