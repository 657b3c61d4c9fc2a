"""Knows where the protocol's models of what comes in are, and what to install where they are missing."""

from __future__ import annotations

from langwire.errors import MissingExtra

try:
    from ag_ui.core import (
        ActivityMessage,
        AssistantMessage,
        ContentPart,
        DataSource,
        FileSource,
        Message,
        ReasoningMessage,
        ResumeEntry,
        RunAgentInput,
        TextPart,
        ToolMessage,
        UrlSource,
        UserMessage,
    )
except ImportError as missing:
    raise MissingExtra('AG-UI needs an extra: pip install "langwire[agui]"') from missing

__all__ = [
    "ActivityMessage",
    "AssistantMessage",
    "ContentPart",
    "DataSource",
    "FileSource",
    "Message",
    "ReasoningMessage",
    "ResumeEntry",
    "RunAgentInput",
    "TextPart",
    "ToolMessage",
    "UrlSource",
    "UserMessage",
]
