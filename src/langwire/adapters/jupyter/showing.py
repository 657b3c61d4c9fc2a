"""Knows how what is over is shown in a notebook: a turn's result, a transcript, events that were recorded."""

from __future__ import annotations

from langwire.adapters._shared.stories import Story
from langwire.adapters.jupyter.lines import lines_of
from langwire.adapters.jupyter.stage import Stage
from langwire.adapters.markdown import to_markdown
from langwire.core.transcript import Transcript

_BELOW = "A conversation with an agent, to read."


def show(story: Story) -> None:
    """Show a story here, to read: a turn's result, a transcript, events, or the entries of a log, which have times."""
    told = list(story.events() if isinstance(story, Transcript) else story)
    stage = Stage(story="\n".join(lines_of(told)), below=_BELOW)
    stage.keep(to_markdown(told))
    stage.display()
