"""Knows how something is put into a notebook: as a live widget, and beside it as what a saved notebook shows.

These are two outputs of one cell. A notebook keeps of a widget only its name, so the other output is what is left of
it without a kernel; the widget hides that one while it is alive.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any, TypeAlias, cast

from langwire.adapters._shared.bundle import bundled
from langwire.adapters.jupyter.static import static_html
from langwire.errors import MissingExtra

try:
    import anywidget
    import traitlets
    from IPython.display import display  # pyright: ignore[reportUnknownVariableType]
except ImportError as missing:
    raise MissingExtra('a conversation in a notebook needs an extra: pip install "langwire[jupyter]"') from missing

Bundle: TypeAlias = tuple[dict[str, Any], dict[str, Any]]

_RERUN = "A conversation with an agent. Run this cell to go on with it."
_EMPTY = "*Nothing has been said yet.*"


class Face(anywidget.AnyWidget):
    """The front half. `story` are the lines of what is only shown; None where a kernel tells it as it happens.

    `saved` names the output that it hides.
    """

    _esm = bundled("renderer.js")
    _css = bundled("renderer.css")
    story: Any = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    saved: Any = traitlets.Unicode().tag(sync=True)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to all views."""
        self.send(message)  # pyright: ignore[reportUnknownMemberType]

    def hear(self, heard: Callable[[Any, Any, Any], None]) -> None:
        """Have what views send given to `heard(widget, content, buffers)`, in whichever thread it comes."""
        cast(Any, self).on_msg(heard)

    def forms(self) -> Bundle:
        """Return the widget by MIME type, and what is to be known about that."""
        return cast(Bundle, self._repr_mimebundle_())  # pyright: ignore[reportUnknownMemberType]


class Stage:
    """A place in the notebook. `below` is a line under what is saved; `story` as in `Face`."""

    def __init__(self, *, story: str | None = None, below: str = _RERUN) -> None:
        self._key, self._below = token_hex(8), below
        self._saved = self.forms("")
        self._on_display = False
        self.face = Face(story=story, saved=self._key)

    def keep(self, markdown: str) -> None:
        """Change what is saved, wherever it is shown."""
        self.put(self.forms(markdown))

    def put(self, saved: dict[str, str]) -> None:
        """Change what is saved to these `forms`."""
        self._saved = saved
        if self._on_display:
            display(self._saved, raw=True, display_id=self._key, update=True)

    def bundle(self) -> Bundle:
        """Return the forms in which it can be shown, by MIME type, and what is to be known about them."""
        data, about = self.face.forms()
        return {**data, **self._saved}, about

    def display(self) -> None:
        """Show it here. It may be shown several times."""
        self._on_display = True
        data, about = self.bundle()
        display(self._saved, raw=True, display_id=self._key)
        # Its other forms stand beside it. Empty ones keep a reader who knows no widgets from seeing a bare name.
        display({**data, "text/html": "", "text/plain": ""}, metadata=about, raw=True)

    def forms(self, markdown: str) -> dict[str, str]:
        """Return what is to be saved of a story, by MIME type. May be asked in any thread."""
        text = markdown.strip() or _EMPTY
        return {"text/html": static_html(text, self._key, self._below), "text/plain": text}
