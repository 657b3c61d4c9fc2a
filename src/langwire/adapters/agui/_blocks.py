"""Knows AG-UI's content parts as LangChain's content blocks; the way back is in `_parts`.

Text, image, audio and video have the same names in both; a `document` is LangChain's `file`. A part's `filename` (in
its metadata) and the provider of an uploaded file ride in the block's `extras`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Any

from langwire.adapters.agui._parts import KINDS
from langwire.adapters.agui._protocol import ContentPart, DataSource, FileSource, TextPart, UrlSource
from langwire.adapters.agui._refused import Refused
from langwire.core._guards import is_mapping
from langwire.core._messages import text_or_none

_MIME = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}", re.ASCII)
_SCHEMES = ("https://", "http://", "gs://")
"""Where a provider may be sent to fetch from. Some clients of providers read files of the server by their URL."""
_BASE64 = ";base64,"


def refuse_unfit(content: str | Sequence[ContentPart], where: str) -> None:
    """Refuse content that would make a provider refuse the whole thread from then on: no base64, no MIME type, no URL.

    `where` names the message in the refusal. Raises `Refused` (`invalid_input`).
    """
    for number, part in enumerate(() if isinstance(content, str) else content):
        if isinstance(part, TextPart):
            continue
        what = _unfit(part.source)
        if what is not None:
            raise Refused(422, "invalid_input", f"the {part.type} in content[{number}] of {where} has {what}")


def _unfit(source: DataSource | UrlSource | FileSource) -> str | None:
    """Return what is wrong with a source, and what it should be."""
    mime, data = _data_of(source)
    if mime is not None and not _MIME.fullmatch(mime):
        return "a MIME type of another form: expected one like image/png"
    if data is not None:
        return None if _is_base64(data) else "data that is not base64: expected some of it, without line breaks"
    if isinstance(source, UrlSource) and not source.value.lower().startswith(_SCHEMES):
        return "a URL of another kind: expected http, https, gs, or data with base64"
    return None if source.value else "a source without a value: expected the id of an uploaded file"


def _data_of(source: DataSource | UrlSource | FileSource) -> tuple[str | None, str | None]:
    """Return a source's MIME type and its base64, which may stand in a URL."""
    if isinstance(source, DataSource):
        return source.mime_type, source.value
    if isinstance(source, UrlSource) and source.value.startswith("data:") and _BASE64 in source.value:
        mime, _, data = source.value.removeprefix("data:").partition(_BASE64)
        return mime, data
    return source.mime_type, None


def _is_base64(data: str) -> bool:
    try:
        return bool(binascii.a2b_base64(data, strict_mode=True))
    except ValueError:
        return False


def blocks_of(content: str | Sequence[ContentPart]) -> str | list[dict[str, Any]]:
    """Return a message's content as LangChain takes it: the text itself, or its standard content blocks."""
    if isinstance(content, str):
        return content
    return [_block(part) for part in content]


def _block(part: ContentPart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    source = part.source
    mime, data = _data_of(source)
    key = "base64" if data is not None else "url" if isinstance(source, UrlSource) else "file_id"
    block: dict[str, Any] = {"type": KINDS[part.type], key: source.value if data is None else data}
    if mime is not None:
        block["mime_type"] = mime
    filename = text_or_none(part.metadata.get("filename")) if is_mapping(part.metadata) else None
    provider = source.provider if isinstance(source, FileSource) else None
    extras = {name: value for name, value in (("filename", filename), ("provider", provider)) if value}
    return {**block, "extras": extras} if extras else block
