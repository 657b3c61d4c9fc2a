"""Tells a story as one HTML file that opens anywhere, without a network, and shows it as the page does.

The file holds the story as data and the renderer that draws it. Its content policy lets these two scripts run and
nothing else: what a model or a tool said cannot run, and nothing is loaded. Who has no JavaScript reads the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import TextIO, TypeAlias, cast

from msgspec.structs import replace

from langwire.adapters._shared.bundle import bundled, csp_hash
from langwire.adapters._shared.stories import Story, told
from langwire.adapters.markdown import to_markdown
from langwire.core.codec import encode, encode_entry
from langwire.core.transcript import Transcript
from langwire.events import (
    Display,
    Entry,
    Event,
    Media,
    NodeEnd,
    NodeStart,
    ReasoningDelta,
    ReasoningStart,
    StateDelta,
    StateSnapshot,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    TurnStart,
)

TITLE = "Transcript"
MAX_VALUE, MAX_PICTURE = 2**20, 2**24
"""How many bytes of JSON a value may have, and what is shown as a picture; what is larger is cut, and says so."""

_MAX_TEXT = 500_000
"""So many characters those get to read who have no JavaScript."""
_NOT_SHOWN = (NodeStart, NodeEnd, StateSnapshot, StateDelta)
_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 48rem; padding: 2.5rem 1.25rem 4rem; }
header { font: 600 1.25rem/1.4 system-ui, sans-serif; margin-bottom: 1.5rem; }
#langwire > pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""

_Stamped: TypeAlias = tuple[Event, int | None]


def to_html(story: Story, file: str | PathLike[str] | TextIO | None = None, *, title: str | None = None) -> str:
    """Return a story as an HTML file, and write it to `file`, where one is given: a path, or what is open for writing.

    `story` is a `Transcript` (a `TurnResult`, too), or its events, or the entries of a log, which add times. `title`
    stands above it. A value above 1 MiB of JSON is cut, a picture above 16 MiB. Raises what writing raises.
    """
    page = _page(list(story.events() if isinstance(story, Transcript) else story), title or TITLE)
    if isinstance(file, (str, PathLike)):
        Path(file).write_text(page, "utf-8", newline="\n")
    elif file is not None:
        file.write(page)
    return page


def content_policy() -> str:
    """Return the content security policy of the files: the two scripts of ours, and nothing from anywhere."""
    scripts = f"{csp_hash(_script())} {csp_hash(bundled('frame.js'))}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _page(story: Sequence[Event | Entry], title: str) -> str:
    lines = [_line(event, at_ms, seq) for seq, (event, at_ms) in enumerate(_joined(told(story)), 1)]
    text = to_markdown(story)
    text = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…\n"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{content_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<style>{_STYLE}{_style()}</style>
</head>
<body>
<header>{escape(title)}</header>
<main id="langwire" class="lw"><pre>{escape(text)}</pre></main>
<script type="application/json" id="langwire-story">{_in_script(f"[{','.join(lines)}]")}</script>
<script type="module">{_script()}</script>
</body>
</html>
"""


def _style() -> str:
    return bundled("renderer.css").replace("</", "<\\/")


def _script() -> str:
    """The renderer, as it can stand in a page. In code these characters are only ever part of a string."""
    return re.sub(r"<(?=/script|script|!--)", r"\\x3c", bundled("renderer.js"), flags=re.IGNORECASE)


def _in_script(json: str) -> str:
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _line(event: Event, at_ms: int | None, seq: int) -> str:
    most = MAX_PICTURE if isinstance(event, (Media, Display)) else MAX_VALUE
    if at_ms is None:
        return encode(event, max_value_bytes=most).decode()
    return encode_entry(Entry(seq=seq, at_ms=at_ms, event=event), max_value_bytes=most).decode()


def _joined(story: Iterable[_Stamped]) -> Iterator[_Stamped]:
    """Yield what is shown, with one delta for each part, in the place of its first one."""
    kept: list[_Stamped] = []
    pieces: dict[int, list[str]] = {}
    parts: dict[tuple[str, bool], int] = {}
    """Where the first delta of each part stands; a call and a text may have one id."""
    for event, at_ms in story:
        if isinstance(event, TurnStart):
            parts.clear()
        elif isinstance(event, (TextStart, ReasoningStart, ToolCallStart)):
            parts.pop((event.id, isinstance(event, ToolCallStart)), None)
        if isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta)):
            at = parts.setdefault((event.id, isinstance(event, ToolCallDelta)), len(kept))
            pieces.setdefault(at, []).append(event.args if isinstance(event, ToolCallDelta) else event.text)
            if at < len(kept):
                continue
        if not isinstance(event, _NOT_SHOWN):
            kept.append((event, at_ms))
    for at, (event, at_ms) in enumerate(kept):
        yield (_with_text(event, "".join(pieces[at])) if at in pieces else event), at_ms


def _with_text(delta: Event, text: str) -> Event:
    if isinstance(delta, ToolCallDelta):
        return ToolCallDelta(id=delta.id, args=text)
    return replace(cast("TextDelta | ReasoningDelta", delta), text=text)
