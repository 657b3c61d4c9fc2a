"""Knows LangChain's content blocks as AG-UI's content parts; the way there is in `_blocks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langwire.core._guards import is_list, is_mapping
from langwire.core._messages import read_blocks, text_or_none

KINDS = {"image": "image", "audio": "audio", "video": "video", "document": "file"}
"""The parts that are not text, and what LangChain calls them."""
_PARTS = {block: part for part, block in KINDS.items()}
_UNKNOWN_MIME = "application/octet-stream"


def parts_of(content: Any) -> str | list[dict[str, Any]]:
    """Return what a user's or a tool's message holds, as AG-UI's: a text, or content parts. Never raises.

    A single text is told as a text, which every client shows. Thinking, calls and blocks that AG-UI has no word for
    are left out.
    """
    if isinstance(content, str):
        return content
    parts = _Parts()
    for block in content if is_list(content) else () if content is None else (content,):
        extras = block.get("extras") if is_mapping(block) else None
        parts.extras = extras if is_mapping(extras) else {}
        read_blocks([block], parts)
    match parts.made:
        case []:
            return ""
        case [{"type": "text", "text": str(text)}]:
            return text
        case made:
            return made


class _Parts:
    """Takes the blocks of a content, and makes parts of them."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.extras: Mapping[str, Any] = {}

    def text(self, text: str) -> None:
        self.made.append({"type": "text", "text": text})

    def refusal(self, text: str) -> None:
        self.text(text)

    def media(
        self,
        kind: str,
        *,
        mime: str | None = None,
        data: str | None = None,
        ref: str | None = None,
        block: Any = None,
    ) -> None:
        if kind not in _PARTS:
            text = text_or_none(block.get("text")) if is_mapping(block) else None
            if text is not None:  # LangChain's `text-plain`, and whatever else is text under another name
                self.text(text)
            return
        part: dict[str, Any] = {"type": _PARTS[kind]}
        if data:
            part["source"] = {"type": "data", "value": data, "mimeType": mime or _UNKNOWN_MIME}
        elif ref:
            part["source"] = self._reference(ref, mime)
        else:
            return
        filename = text_or_none(self.extras.get("filename"))
        self.made.append(part if filename is None else {**part, "metadata": {"filename": filename}})

    def _reference(self, ref: str, mime: str | None) -> dict[str, str]:
        """A URL, or a provider's file id."""
        source = {"type": "url" if ":" in ref else "file", "value": ref}
        if mime is not None:
            source["mimeType"] = mime
        provider = text_or_none(self.extras.get("provider"))
        if provider is not None and source["type"] == "file":
            source["provider"] = provider
        return source

    # What a user's or a tool's message has no parts for.

    def reasoning(self, text: str) -> None: ...
    def sign(self, signature: str | None, encrypted: str | None) -> None: ...
    def cite(self, data: Any) -> None: ...
    def provider_call(self, slot: Any, call_id: str | None, name: str, args: str | Mapping[str, Any]) -> None: ...
    def provider_result(self, call_id: str | None, *, failed: bool, content: Any) -> None: ...
