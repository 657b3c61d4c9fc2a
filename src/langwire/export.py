"""Stories as files: `to_html` for one that opens anywhere, `to_markdown` for a document."""

from langwire.adapters.html import to_html
from langwire.adapters.markdown import to_markdown

__all__ = ["to_html", "to_markdown"]
"""All that is exported. Each takes a transcript, its events, or the entries of a log."""
