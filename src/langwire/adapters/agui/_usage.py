"""Knows how the tokens of a run are summed, for each model."""

from __future__ import annotations

import msgspec

from langwire.adapters.agui import events as agui
from langwire.events import Usage

_DETAILS = {
    "reasoning": "reasoning_tokens",
    "cache_read": "cached_input_tokens",
    "cache_creation": "cache_write_input_tokens",
}
"""LangChain's names for parts of the counts, and AG-UI's."""


def added(usage: agui.Usage | None, told: Usage) -> agui.Usage:
    """Return a model's tokens so far, with those of one more message."""
    usage = usage or agui.Usage(model=told.model)
    counts = {
        "input_tokens": told.input_tokens,
        "output_tokens": told.output_tokens,
        "total_tokens": told.input_tokens + told.output_tokens,
    }
    for details in (told.details or {}).values():
        for name, field in _DETAILS.items():
            count = details.get(name)
            if isinstance(count, int):
                counts[field] = counts.get(field, 0) + count
    for field, count in counts.items():
        counts[field] = (getattr(usage, field) or 0) + count
    return msgspec.structs.replace(usage, **counts)
