"""Every story at a terminal: what is on the screen at its end, and that nothing goes wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest

from faces.golden import NAMES, entries, golden
from faces.terminals import Tty, frames, shown, strays, told
from langwire.adapters.cli.adapter import CLIAdapter

SIGNS_OF_ONE_WIDTH = sorted({*NAMES} - {"wide_characters", "hostile"})
"""Stories about whose widths all versions of rich, and pyte, agree."""


def screen(columns: int, lines: int) -> Any:
    pyte = pytest.importorskip("pyte")
    made = pyte.Screen(columns, lines)
    made.set_mode(20)  # a line feed begins a line, as the driver of a terminal has it
    return made, pyte.Stream(made)


@pytest.mark.parametrize("name", NAMES)
def test_a_story_leaves_its_text_on_the_screen(name: str) -> None:
    file = Tty()
    adapter = CLIAdapter(file)
    for entry in entries(name):
        adapter.handle(entry)
    adapter.close()
    seen, stream = screen(80, told(entries(name)).count("\n") + 8)
    stream.feed(file.getvalue())
    golden("terminal", name, "txt", shown(seen))


@pytest.mark.parametrize("name", SIGNS_OF_ONE_WIDTH)
def test_the_lowest_rich_shows_the_same(name: str) -> None:
    """Where there is no pyte, too."""
    golden("terminal", name, "txt", told(entries(name)) or "\n")


@pytest.mark.parametrize(("width", "height"), [(20, 12), (200, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_a_frame_after_every_event_leaves_a_sane_terminal_and_the_same_text(name: str, width: int, height: int) -> None:
    """T-12. A cut anywhere: the cursor is shown and at a line's start, lines wrap, no colour is left on."""
    lines = 60
    seen, stream = screen(width, lines)
    for written in frames(entries(name), width, height):
        assert not strays(written)
        stream.feed(written)
        assert not seen.cursor.hidden
        assert seen.cursor.x == 0
        assert seen.cursor.attrs == seen.default_char
        assert 7 << 5 in seen.mode  # DECAWM, as pyte numbers private modes
    once, stream = screen(width, lines)
    stream.feed("".join(frames(entries(name), width, height, at_every_event=False)))
    assert shown(seen) == shown(once)
