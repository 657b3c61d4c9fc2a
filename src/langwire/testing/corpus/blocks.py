"""Cases about what stands in one message: blocks, thinking, media, usage and ids, as providers send them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage

from langwire.testing.corpus._case import Graph, Saver, case
from langwire.testing.corpus._parts import chain, chat, chunk, fragment, get_weather, loop, script
from langwire.testing.model import ScriptedModel, reasoning, text, usage

CITATION = {
    "type": "web_search_result_location",
    "url": "https://example.org/rome",
    "title": "Rome",
    "cited_text": "sunny all week",
    "encrypted_index": "aW5kZXg=",
}
ANNOTATION = {"type": "url_citation", "url": "https://example.org/rome", "title": "Rome", "start_index": 0}


def _one(saver: Saver, *chunks: Any) -> Graph:
    """One node whose model streams these chunks."""
    return chain(saver, chat=chat(script(list(chunks))))


# ------------------------------------------------------------------ thinking


@case()
def thinking(saver: Saver) -> Graph:
    """Thinking with a signature, then text, with no word on which provider it is."""
    return _one(saver, *reasoning("Let me ", "think.", signature="c2ln"), *text("The ", "answer."))


@case()
def anthropic_exact(saver: Saver) -> Graph:
    """A whole Anthropic answer: thinking, a redacted block, cited text, a tool call, usage at both ends."""
    same: dict[str, Any] = {"id": "msg_01", "response_metadata": {"model_provider": "anthropic"}}
    head: dict[str, Any] = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "get_weather",
        "input": {},
        "index": 3,
    }
    answer = [
        chunk([], usage_metadata=usage(10, 0, cache_read=4), **same),
        chunk({"type": "thinking", "thinking": "Let me ", "index": 0}, **same),
        chunk({"type": "thinking", "thinking": "think.", "index": 0}, **same),
        chunk({"type": "thinking", "signature": "c2ln", "index": 0}, **same),
        chunk({"type": "redacted_thinking", "data": "c2VjcmV0", "index": 1}, **same),
        chunk({"type": "text", "text": "Looking", "index": 2}, **same),
        chunk({"type": "text", "text": ".", "index": 2, "citations": [CITATION]}, **same),
        chunk(head, tool_call_chunks=[fragment(name="get_weather", id="toolu_1", index=3)], **same),
        *(
            chunk(
                {"type": "input_json_delta", "partial_json": part, "index": 3},
                tool_call_chunks=[fragment(part, index=3)],
                **same,
            )
            for part in ('{"city": ', '"Oslo"}')
        ),
        chunk(
            [],
            id="msg_01",
            usage_metadata=usage(0, 25),
            response_metadata={"stop_reason": "tool_use", "model_provider": "anthropic"},
            chunk_position="last",
        ),
    ]
    return loop(saver, script(answer, text("Oslo is sunny")), [get_weather])


@case()
def openai_reasoning_summary(saver: Saver) -> Graph:
    """An OpenAI Responses answer: a reasoning summary in pieces, encrypted reasoning, annotated text."""
    same: dict[str, Any] = {"id": "resp_1", "response_metadata": {"model_provider": "openai"}}
    opened: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "index": 0}
    return _one(
        saver,
        chunk(opened, **same),
        *(
            chunk(
                {
                    "type": "reasoning",
                    "summary": [{"index": 0, "type": "summary_text", "text": part}],
                    "index": 0,
                },
                **same,
            )
            for part in ("Weigh ", "both.")
        ),
        chunk({"type": "reasoning", "encrypted_content": "ZW5j", "index": 0}, **same),
        chunk({"type": "text", "text": "Rome is ", "index": 1}, **same),
        chunk({"type": "text", "text": "sunny.", "annotations": [ANNOTATION], "index": 1}, **same),
        chunk([], id="resp_1", usage_metadata=usage(9, 30, reasoning=20)),
    )


@case()
def v1_reasoning(saver: Saver) -> Graph:
    """Reasoning and text as LangChain's standard blocks."""
    same: dict[str, Any] = {"id": "v1-1", "response_metadata": {"output_version": "v1"}}
    return _one(
        saver,
        chunk({"type": "reasoning", "reasoning": "hm ", "index": 0}, **same),
        chunk({"type": "reasoning", "reasoning": "yes", "index": 0}, id="v1-1"),
        chunk({"type": "text", "text": "found", "index": 1}, id="v1-1"),
    )


@case()
def bedrock_reasoning(saver: Saver) -> Graph:
    """Reasoning as Bedrock sends it: `reasoning_content` blocks with text, then a signature."""
    return _one(
        saver,
        chunk({"type": "reasoning_content", "reasoning_content": {"text": "rocks ", "type": "text"}, "index": 0}),
        chunk({"type": "reasoning_content", "reasoning_content": {"text": "think", "type": "text"}, "index": 0}),
        chunk({"type": "reasoning_content", "reasoning_content": {"signature": "c2ln"}, "index": 0}),
        chunk({"type": "text", "text": "so do beds", "index": 1}),
    )


@case()
def reasoning_beside_content(saver: Saver) -> Graph:
    """Reasoning in `additional_kwargs.reasoning_content`, as many compatible providers send it."""
    return _one(
        saver,
        chunk(additional_kwargs={"reasoning_content": "deep "}),
        chunk(additional_kwargs={"reasoning_content": "thought"}),
        *text("4", "2"),
    )


@case()
def thinking_between(saver: Saver) -> Graph:
    """Thinking, text, thinking again and text again in one message."""
    return _one(
        saver,
        chunk({"type": "thinking", "thinking": "first", "index": 0}, id="msg_2"),
        chunk({"type": "text", "text": "one, ", "index": 1}, id="msg_2"),
        chunk({"type": "thinking", "thinking": "second", "index": 2}, id="msg_2"),
        chunk({"type": "text", "text": "two", "index": 3}, id="msg_2"),
    )


# ------------------------------------------------------------------ other blocks


@case()
def refusal(saver: Saver) -> Graph:
    """A provider refuses, in a block that is not text."""
    return _one(
        saver,
        chunk({"type": "refusal", "refusal": "I cannot ", "index": 0}, id="resp_2"),
        chunk({"type": "refusal", "refusal": "help.", "index": 0}, id="resp_2"),
    )


@case()
def citations(saver: Saver) -> Graph:
    """Text with citations in one provider's form and annotations in another's."""
    return _one(
        saver,
        chunk({"type": "text", "text": "Rome ", "index": 0}, id="cited-1"),
        chunk({"type": "text", "text": "is sunny. ", "index": 0, "citations": [CITATION]}, id="cited-1"),
        chunk({"type": "text", "text": "So is Oslo.", "index": 1, "annotations": [ANNOTATION]}, id="cited-1"),
    )


@case()
def media(saver: Saver) -> Graph:
    """Images by URL, as base64 and in a provider's form, audio, video and files."""
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": "Look: ", "index": 0},
        {"type": "image", "url": "https://example.org/a.png", "index": 1},
        {"type": "image", "base64": "iVBORw==", "mime_type": "image/png", "index": 2},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}, "index": 3},
        {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav", "index": 4},
        {"type": "video", "url": "https://example.org/v.mp4", "mime_type": "video/mp4", "index": 5},
        {"type": "file", "file_id": "file-1", "index": 6},
    ]
    return _one(saver, *(chunk(block, id="media-1") for block in blocks))


@case()
def server_tools(saver: Saver) -> Graph:
    """The provider searches the web by itself: a call in pieces, its result, then text, in standard blocks."""
    called = {
        "type": "server_tool_call_chunk",
        "name": "web_search",
        "args": '{"q":',
        "id": "st_1",
        "index": 0,
    }
    found = {
        "type": "server_tool_result",
        "tool_call_id": "st_1",
        "status": "success",
        "output": {"hits": 1},
        "index": 1,
    }
    return _one(
        saver,
        chunk(called, id="st-1", response_metadata={"output_version": "v1"}),
        chunk({"type": "server_tool_call_chunk", "args": '"x"}', "index": 0}, id="st-1"),
        chunk(found, id="st-1"),
        chunk({"type": "text", "text": "found", "index": 2}, id="st-1"),
    )


@case()
def unknown_block(saver: Saver) -> Graph:
    """A block of a type that nobody knows yet."""
    return _one(saver, chunk({"type": "hologram", "depth": 3, "index": 0}, id="new-1"), chunk("after", id="new-1"))


@case()
def finished_blocks(saver: Saver) -> Graph:
    """A finished message of many blocks: thinking, two texts, an image."""
    blocks: list[str | dict[str, Any]] = [
        {"type": "thinking", "thinking": "whole thought", "signature": "c2ln"},
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": "lo", "citations": [CITATION]},
        {"type": "image", "url": "https://example.org/a.png"},
    ]
    model = ScriptedModel(script=[AIMessage(blocks, id="blocks-1")], streaming=False)
    return chain(saver, chat=chat(model))


# ------------------------------------------------------------------ usage and ids


@case()
def usage_split(saver: Saver) -> Graph:
    """Usage in two parts that add up: input in the first chunk, output in the last."""
    return _one(
        saver,
        chunk(id="msg_3", usage_metadata=usage(10, 0, cache_read=4)),
        *text("count", "ed", id="msg_3"),
        chunk(id="msg_3", usage_metadata=usage(0, 7)),
    )


@case()
def usage_cumulative(saver: Saver) -> Graph:
    """Usage repeated in every chunk, each time the total so far; LangChain's own sum counts it often."""
    return _one(
        saver,
        *(chunk(part, usage_metadata=usage(10, at)) for at, part in enumerate(("a", "b", "c"), start=1)),
    )


@case()
def provider_id(saver: Saver) -> Graph:
    """The provider names the message; LangChain's trailing chunk still carries a made-up id."""
    return _one(saver, chunk("mine ", id="msg_4"), chunk("alone", id="msg_4"))


@case()
def late_id(saver: Saver) -> Graph:
    """The provider names the message only in a later chunk."""
    return _one(saver, chunk("no name, "), chunk("then one", id="msg_5"))
