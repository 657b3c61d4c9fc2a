"""Knows in which forms something can be shown: tables, images, charts, documents, and objects that show themselves.

What comes out is a MIME bundle, one thing in several forms, of plain JSON data, and with a `text/plain` form wherever
one can be had. Nothing is fetched and no file is opened: a path is no image. HTML that is made here is escaped; HTML
that came is passed on as it is, for whoever shows it to fence in.
"""

from __future__ import annotations

import html
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeGuard, cast
from urllib.parse import unquote

import msgspec

from langwire.core._tables import read_table
from langwire.core.codec import jsonable

Bundle: TypeAlias = dict[str, Any]
Fields: TypeAlias = dict[str, Any]

_TEXT_CHARACTERS = 10_000
"""How much of a document its text form holds."""

_MIME = re.compile(r"(?:application|audio|image|text|video)/[\w.+-]+")


def displays_of(value: Any) -> Iterator[tuple[Bundle, str | None]]:
    """Yield (bundle, title) of what is handed over to be shown: one thing or a list of them; nothing of what is not.

    Takes `{"display_type": …, "data": …, "title": …}`, a ready MIME bundle, an image block, or an object with the
    display methods of Jupyter (`_repr_mimebundle_`, `_repr_html_`, `_repr_png_`, …). Never raises an `Exception`.
    """
    several = type(value) in (list, tuple)
    for one in cast("list[Any]", value) if several else [value]:
        fields = jsonable(one)
        if not _is_fields(fields):
            fields = {}
        data = cast("Fields", one).get("data") if type(one) is dict else None  # itself: it may show itself
        bundle = _self_shown(one) or _declared(fields, data) or _ready(fields) or _image_block(fields)
        if bundle:
            title = fields.get("title")
            yield _with_text(bundle), title if isinstance(title, str) else None


def read_json(text: str) -> Any:
    """Return what a text says in JSON; None where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


def _is_fields(value: Any) -> TypeGuard[Fields]:
    return isinstance(value, dict)


def _declared(fields: Fields, itself: Any) -> Bundle | None:
    """What says by itself how it is to be shown. One that has failed is not shown."""
    kind, data = fields.get("display_type"), fields.get("data")
    if not isinstance(kind, str) or data is None or fields.get("status") == "error":
        return None
    if _MIME.fullmatch(kind):
        return _ready({kind: data})
    read = _READERS.get(re.sub(r"[\W_]", "", kind.lower()))
    unreadable = _is_fields(data) and data.keys() == {"$type"}  # an object of which the codec knows the class alone
    return read and (_self_shown(itself) or (None if unreadable else read(data, fields)))


def _ready(fields: Fields) -> Bundle | None:
    """A bundle that somebody else has made: bytes become base64, lines are joined, None is left out."""
    if not all(_MIME.fullmatch(mime) for mime in fields):
        return None
    forms = {mime: _form(mime, form) for mime, form in fields.items()}
    return {mime: form for mime, form in forms.items() if form is not None}


def _form(mime: str, form: Any) -> Any:
    if mime.endswith("json"):
        return form
    if _is_fields(form):
        held = form.get("$bytes")  # as the codec writes bytes
        textual = mime.startswith("text/") or mime == "image/svg+xml"
        form = _decoded(held) if textual else held
    if isinstance(form, list):
        return "".join(line for line in cast("list[Any]", form) if isinstance(line, str))
    return form if isinstance(form, str) else None


def _decoded(held: Any) -> str | None:
    try:
        return b64decode(held).decode(errors="replace")
    except (ValueError, TypeError):
        return None


def _image_block(fields: Fields) -> Bundle | None:
    return _image(fields, fields) if fields.get("type") in ("image", "image_url") else None


# ------------------------------------------------------------------ objects that show themselves

_METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "text/latex": "_repr_latex_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/json": "_repr_json_",
}


def _self_shown(value: Any) -> Bundle | None:
    forms = jsonable(_asked(value, "_repr_mimebundle_", include=None, exclude=None))
    if (
        not _is_fields(forms) or not forms
    ):  # a figure of plotly, outside a notebook: its page holds megabytes of program
        forms = {"application/vnd.plotly.v1+json": jsonable(_asked(value, "to_plotly_json"))}
    if not any(forms.values()):
        forms = jsonable({mime: _asked(value, name) for mime, name in _METHODS.items()})
    bundle = _ready(forms)
    if bundle and "text/plain" not in bundle:
        text = _asked(value, "__repr__")
        if isinstance(text, str) and not text.startswith("<"):  # else it is but a name and an address
            bundle["text/plain"] = _beginning(jsonable(text))
    return bundle or None


def _asked(value: Any, method: str, **options: Any) -> Any:
    """What a display method answers, without its metadata; None where there is no such method, or it fails."""
    try:
        if not hasattr(cast("object", value).__class__, method):  # an instance may answer to any name
            return None
        form: Any = getattr(value, method)(**options)
        return cast("Any", form[0] if type(form) is tuple else form)
    except Exception:  # foreign code: it costs this form alone
        return None


# ------------------------------------------------------------------ what says how it is to be shown


def _table(data: Any, _fields: Fields) -> Bundle:
    read = _read(data)
    if isinstance(read, str):
        return _document(read)
    table = read_table(read)
    if table is None:
        return {"application/json": read}
    return {"application/json": table.data, "text/html": table.html, "text/plain": table.text}


def _image(data: Any, fields: Fields) -> Bundle | None:
    if _is_fields(data):
        key = next((key for key in _INSIDE if data.get(key)), None)
        return _image(data[key], data) if key else None
    if not isinstance(data, str):
        return None
    if data.startswith("data:image/"):
        return _data_url(data)
    if re.match(r"https?://", data):
        return {"text/html": f'<img src="{html.escape(data)}">', "text/plain": data}
    if re.match(r"\s*<(svg|\?xml)", data):
        return {"image/svg+xml": data}
    claimed = [str(fields.get(key)) for key in ("mime_type", "media_type", "mime")]
    mimes = [mime for start, mime in _BEGINNINGS.items() if data.startswith(start)] + claimed
    return _encoded(next((mime for mime in mimes if mime.startswith("image/")), ""), data)


def _data_url(url: str) -> Bundle | None:
    head, _, body = url.removeprefix("data:").partition(",")
    mime = head.partition(";")[0]
    if head.endswith(";base64"):
        return _encoded(mime, body)
    return {mime: unquote(body)} if mime == "image/svg+xml" else None


def _encoded(mime: str, data: str) -> Bundle | None:
    """An image in base64; None for what is none, a path for one."""
    return _ready({mime: {"$bytes": data}}) if _BASE64.fullmatch(data.strip()) else None


def _plot(data: Any, fields: Fields) -> Bundle:
    read = _read(data)
    if isinstance(read, str):
        return _image(read, fields) or _document(read)
    chart = read if _is_fields(read) else {}
    schema = re.search(r"/(vega(?:-lite)?)/v(\d)", str(chart.get("$schema")))
    if schema is not None:
        return {f"application/vnd.{schema[1].replace('-', '')}.v{schema[2]}+json": read}
    if isinstance(chart.get("data"), list):
        return {"application/vnd.plotly.v1+json": read}
    return {"application/vnd.vegalite.v5+json" if "mark" in chart else "application/json": read}


def _json(data: Any, _fields: Fields) -> Bundle:
    return {"application/json": _read(data)}


def _as(mime: str) -> Callable[[Any, Fields], Bundle]:
    return lambda data, _fields: {mime if isinstance(data, str) else "application/json": data}


def _read(data: Any) -> Any:
    """Data, also where it came as JSON text; a text that is none stays a text."""
    read = jsonable(read_json(data)) if isinstance(data, str) else data
    return data if read is None else read


def _document(text: str) -> Bundle:
    return {"text/html" if text.lstrip().startswith("<") else "text/plain": text}


_READERS: dict[str, Callable[[Any, Fields], Bundle | None]] = {
    **dict.fromkeys(("table", "dataframe"), _table),
    **dict.fromkeys(("image", "png", "jpeg", "jpg", "gif", "webp", "svg", "matplotlib"), _image),
    **dict.fromkeys(("plot", "plotly", "chart", "figure", "vega", "vegalite", "altair"), _plot),
    **dict.fromkeys(("markdown", "md"), _as("text/markdown")),
    "html": _as("text/html"),
    "text": _as("text/plain"),
    "json": _json,
}
_INSIDE = ("source", "image_url", "base64", "$bytes", "data", "url")
"""Under which key an image block holds its image, or a block that does."""
_BEGINNINGS = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How the base64 of an image begins, whatever is said of it."""
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}")


# ------------------------------------------------------------------ text


def _with_text(bundle: Bundle) -> Bundle:
    """Add a text form, where there is none and one can be made of the others."""
    if "text/plain" in bundle:
        return bundle
    text = next((read(bundle[mime]) for mime, read in _TEXT_OF.items() if mime in bundle), None)
    return bundle if text is None else {"text/plain": _beginning(text)} | bundle


def _beginning(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"


def _pretty(data: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


_TAG = re.compile(r"(<[^<>]*>)")
_BLOCK = re.compile(r"</?(p|div|tr|li|ul|ol|h\d|table|section|br)\b")
_CELL = re.compile(r"</t[dh]\b")
_UNREAD = re.compile(r"<(script|style)\b")
_READ_AGAIN = re.compile(r"</(script|style)\b")


def _words_of(page: str) -> str:
    """The words of an HTML page, a line a block. Looks at each character once, whatever is in it."""
    words: list[str] = []
    unread = False
    for number, piece in enumerate(_TAG.split(page)):
        tag = piece.lower()
        if unread:
            unread = not _READ_AGAIN.match(tag)
        elif number % 2 == 0:  # between two tags
            words.append(html.unescape(piece).replace("\n", " "))
        else:
            unread = _UNREAD.match(tag) is not None
            words.append("\n" if _BLOCK.match(tag) else " " if _CELL.match(tag) else "")
    lines = (" ".join(line.split()) for line in "".join(words).split("\n"))
    return "\n".join(line for line in lines if line)


_TEXT_OF: dict[str, Callable[[Any], str]] = {
    "text/markdown": str,
    "application/json": _pretty,
    "text/html": _words_of,
}
