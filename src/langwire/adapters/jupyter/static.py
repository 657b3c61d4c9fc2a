"""Knows what a story looks like where no script runs: a saved notebook without its kernel, a page that shows notebooks.

It is the story's Markdown, made into HTML by a parser that passes no HTML through. Links lead to http, https and mail
alone, and nothing is fetched from anywhere: who wrote a picture's address would learn who reads it, and when.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langwire.errors import MissingExtra

try:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
except ImportError as missing:
    raise MissingExtra('a conversation in a notebook needs an extra: pip install "langwire[jupyter]"') from missing

_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)

_AROUND = (
    "max-width: 52rem; padding: 4px 0 4px 16px; border-left: 3px solid rgba(128, 128, 128, 0.3); line-height: 1.55"
)
_HEADING = "margin: 14px 0 2px; line-height: 1.4; font-weight: 600; font-size: {}em"
_SIZES = {"h1": 1.15, "h2": 1.1, "h3": 1.0}
_BELOW = "margin-top: 12px; opacity: 0.65; font-size: 0.9em"
_TAKES_OVER = (
    "<style>.jp-OutputArea-child:has(.{name}) + .jp-OutputArea-child:not(:has(.lw, .jupyter-widgets-error-widget))"
    " {{ display: none }}</style>"
)
"""Where the notebook is trusted and has no kernel, the widget's own place says only that there is no widget."""


def static_html(markdown: str, key: str, below: str) -> str:
    """Return HTML that holds no script and asks for nothing; `below` is a line of ours under it.

    The front half hides what has the class `lw-saved-{key}` while it is alive.
    """
    name = f"lw-saved-{key}"
    said: str = _renderer().render(markdown.encode(errors="replace").decode())
    return (
        f'<div class="{name}" style="{_AROUND}">\n{said}<div style="{_BELOW}">{below}</div>\n'
        f"{_TAKES_OVER.format(name=name)}</div>"
    )


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False, "breaks": True})
    renderer.enable(["table", "strikethrough"]).disable("image")
    renderer.validateLink = _is_allowed
    renderer.add_render_rule("link_open", _link)
    renderer.add_render_rule("heading_open", _heading)
    return renderer


def _is_allowed(url: str) -> bool:
    return _LINK.match(url) is not None


def _heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """The headings of a story are those of a part of a notebook."""
    tokens[at].attrSet("style", _HEADING.format(_SIZES.get(tokens[at].tag, 1.0)))
    return renderer.renderToken(tokens, at, options, env)


def _link(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer nofollow")
    tokens[at].attrSet("target", "_blank")
    return renderer.renderToken(tokens, at, options, env)
