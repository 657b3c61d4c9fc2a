"""Knows in which forms something can be shown: tables, images, charts, documents, and objects that show themselves.

What comes out is a MIME bundle, one thing in several forms, of plain JSON data, and with a `text/plain` form wherever
one can be had. Nothing is fetched and no file is opened: a path is no image. HTML that is made here is escaped; HTML
that came is passed on as it is, for whoever shows it to fence in.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeGuard, cast
from urllib.parse import unquote

import msgspec

from langwire.core._tables import read_table
from langwire.core.codec import MAX_DEPTH, jsonable

Bundle: TypeAlias = dict[str, Any]
Fields: TypeAlias = dict[str, Any]

_TEXT_CHARACTERS = 10_000
"""How much of a document its text form holds."""

_PAGE_CHARACTERS = 1_000_000
"""How far into a page its words are looked for."""

_MIME = re.compile(r"((?:application|audio|image|text|video)/[\w.+-]+)\s*(?:;.*)?", re.DOTALL | re.IGNORECASE)


def displays_of(value: Any, *, plain: bool = False) -> Iterator[tuple[Bundle, str | None]]:
    """Yield (bundle, title) of what is handed over to be shown: one thing or a list of them; nothing of what is not.

    Takes `{"display_type": …, "data": …, "title": …}`, a ready MIME bundle, a cell's output as notebooks hold it, an
    image block, or an object with the display methods of Jupyter (`_repr_mimebundle_`, `_repr_html_`, `_repr_png_`, …).
    What says that it is to be shown, in no form that is known, is shown as text. `plain` says that it comes from
    `read_json` and need not be made plain data again. Never raises an `Exception`.
    """
    several = type(value) in (list, tuple)
    for one in cast("list[Any]", value) if several else [value]:
        fields = one if plain else jsonable(one)
        if not _is_fields(fields):
            fields = {}
        data = cast("Fields", one).get("data") if type(one) is dict else None  # itself: it may show itself
        bundle = _with_text(_self_shown(one) or _declared(fields, data) or _handed_over(fields) or {})
        if bundle:
            title = fields.get("title")
            yield bundle, title if isinstance(title, str) else None


def read_json(text: str) -> Any:
    """Return what a text says in JSON, as plain data no deeper than the codec writes; None where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return value if _is_flat(value) else jsonable(value)


def _is_flat(value: Any) -> bool:
    """Whether decoded JSON, which is plain but for that, is nested no deeper than the codec writes."""
    level: list[Any] = [value] if _is_container(value) else []
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            members: Iterable[Any] = container.values() if _is_fields(container) else container
            if not _CONTAINERS.isdisjoint(map(type, members)):
                deeper.extend(filter(_is_container, members))
        level = deeper
    return not level


def _is_container(value: Any) -> bool:
    return type(value) in _CONTAINERS


_CONTAINERS: frozenset[type] = frozenset({dict, list})


def _is_fields(value: Any) -> TypeGuard[Fields]:
    return isinstance(value, dict)


def _declared(fields: Fields, itself: Any) -> Bundle | None:
    """What says by itself how it is to be shown. One that has failed is not shown."""
    kind, data = fields.get("display_type"), fields.get("data")
    if kind is None or data is None or fields.get("status") == "error":
        return None
    return _self_shown(itself) or _read_as(kind, data, fields) or _any(data)


def _read_as(kind: Any, data: Any, fields: Fields) -> Bundle | None:
    if not isinstance(kind, str):
        return None
    mime = _mime(kind)
    if mime.startswith("image/"):
        return _image(data, {"mime_type": mime})
    if mime:
        return _ready({mime: data})
    read = _READERS.get(re.sub(r"[\W_]", "", kind.lower()))
    return read and read(data, fields)


def _any(data: Any) -> Bundle:
    """What cannot be read as what it is said to be: as data, or else as the text that it is."""
    read = _read(data)
    return {"text/plain": _beginning(read)} if isinstance(read, str) else {"application/json": read}


def _handed_over(fields: Fields) -> Bundle | None:
    """What came without a word on how it is to be shown: a bundle, a notebook's output, an image block."""
    if fields.get("type") in ("image", "image_url"):
        return _image(fields, fields)
    output = fields.get("data") if "output_type" in fields else None
    return _ready(output if _is_fields(output) else fields)


def _ready(fields: Fields) -> Bundle | None:
    """A bundle that somebody else has made: bytes become base64, lines are joined, None is left out."""
    named = {_mime(name): form for name, form in fields.items() if name != "title"}
    if "" in named:
        return None
    forms = {mime: _form(mime, form) for mime, form in named.items()}
    return {mime: form for mime, form in forms.items() if form is not None}


def _mime(name: str) -> str:
    """A MIME type without its parameters, nothing for what is none."""
    found = _MIME.fullmatch(name.strip())
    return found[1].lower() if found else ""


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
    return {"application/json": table.data, "text/html": table.html, "text/plain": _beginning(table.text)}


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
    claimed = (str(fields.get(key)) for key in ("mime_type", "media_type", "mime"))
    return _encoded(next((mime for mime in map(_mime, claimed) if mime.startswith("image/")), ""), data)


def _data_url(url: str) -> Bundle | None:
    head, _, body = url.removeprefix("data:").partition(",")
    mime = _mime(head)
    if head.endswith(";base64"):
        return _encoded(mime, body)
    return {mime: unquote(body)} if mime == "image/svg+xml" else None


def _encoded(claimed: str, data: str) -> Bundle | None:
    """An image in base64; None for what is none, a path for one.

    How it begins says what it is, whatever is claimed. A claim counts for an image of a kind that is not known here,
    if it looks like nothing but whole base64.
    """
    code = "".join(data.split())
    bare = code.rstrip("=").translate(_OF_URLS)
    whole = bare + "=" * (-len(bare) % 4)
    if not _BASE64.fullmatch(code) or len(bare) % 4 == 1:
        return None
    begins = b64decode(whole[:_BEGINNING])
    mime = next((mime for mime, signature in _SIGNATURES.items() if signature.match(begins)), "")
    if not mime and claimed not in _SIGNATURES and len(code) == len(whole) and not code.startswith("/"):
        mime = claimed
    return _ready({mime: {"$bytes": whole}})


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
    read = read_json(data) if isinstance(data, str) else data
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
_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "image/bmp": re.compile(rb"BM"),
    "image/svg+xml": re.compile(rb"\s*<(svg|\?xml)"),
}
"""How the bytes of an image begin."""
_BEGINNING = 64
"""How many characters of base64 are looked at for that; whole bytes."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_OF_URLS = str.maketrans("-_", "+/")


# ------------------------------------------------------------------ text


def _with_text(bundle: Bundle) -> Bundle:
    """Add a text form, where there is none and one can be made of the others; leave out one without a word."""
    if "text/plain" in bundle:
        text = bundle["text/plain"]
    else:
        text = next((_beginning(read(bundle[mime])) for mime, read in _TEXT_OF.items() if mime in bundle), "")
    rest = {mime: form for mime, form in bundle.items() if mime != "text/plain"}
    return {"text/plain": text} | rest if text.strip() else rest


def _beginning(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"


def _pretty(data: Any) -> str:
    """The beginning of data as indented JSON; the rest is not written."""
    pieces: list[str] = []
    length = 0
    for piece in _INDENTED.iterencode(data):
        pieces.append(piece)
        length += len(piece)
        if length > _TEXT_CHARACTERS:
            break
    return "".join(pieces)


_INDENTED = json.JSONEncoder(indent=2, ensure_ascii=False)
_TAG = re.compile(r"(<[^<>]*>)")
_CUT_TAG = re.compile(r"<[^<>]*\Z")
_BLOCK = re.compile(r"</?(p|div|tr|li|ul|ol|h\d|table|section|br)\b")
_CELL = re.compile(r"</t[dh]\b")
_UNREAD = re.compile(r"<(script|style)\b")
_READ_AGAIN = re.compile(r"</(script|style)\b")


def _words_of(page: str) -> str:
    """The words of an HTML page, a line a block. Looks at each character once, and at no more than so many."""
    words: list[str] = []
    unread = False
    if len(page) > _PAGE_CHARACTERS:
        page = _CUT_TAG.sub("", page[:_PAGE_CHARACTERS])
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
