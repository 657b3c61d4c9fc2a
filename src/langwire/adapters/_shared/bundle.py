"""Knows the files that browsers load: the renderer, the page, the client. `web/` is their source.

`npm run build` there makes them. `renderer.js` and `renderer.css` draw a thread, and stand alone: the page, notebooks
and exported files all load them.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

_FOLDER = files("langwire.adapters._shared") / "bundle"


@cache
def bundled(name: str) -> str:
    """Return the text of a file of the bundle, say `renderer.js`. Raises `FileNotFoundError` where there is none."""
    return (_FOLDER / name).read_text("utf-8")


def bundle_names() -> list[str]:
    """Return the names of all files, sorted."""
    return sorted(file.name for file in _FOLDER.iterdir())


def csp_hash(script: str) -> str:
    """Return what a content security policy calls this script by: `'sha256-…'` (CSP Level 3, section 2.3.1)."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
