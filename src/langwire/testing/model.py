"""A chat model that says what its script says, and short builders for the chunks of a script.

The model keeps no state: what comes next is read from the prompt. So one model serves several turns,
resumed runs and parallel copies of a graph, and says the same thing each time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import SkipValidation, model_validator

from langwire.core._guards import is_list
from langwire.errors import UsageError
from langwire.testing.faults import Fault, fresh

Piece: TypeAlias = AIMessageChunk | str | Exception | Fault
"""One thing that a model streams. An exception is raised, and a fault is met, when its turn comes."""

Saying: TypeAlias = str | AIMessage | Exception | Sequence[Piece]
"""One answer: pieces to stream, or a text, message or exception in one go."""

Step: TypeAlias = Saying | Callable[[list[BaseMessage]], Saying]
"""An entry of a script: an answer, or a function of the prompt that returns one."""


class ScriptedModel(BaseChatModel):
    """A chat model that follows a script.

    Step number k is used when the prompt holds k AI messages; the last step repeats. A list of pieces is
    streamed piece by piece, a `str` or an `AIMessage` comes as one piece, an exception is raised where it
    stands. A `Fault` among the pieces hangs or fails there, at its n-th use; released, it says nothing. `delay` is
    the pause before each piece, in seconds. With `streaming=False` it behaves as a
    provider that cannot stream. `tool_names` holds what `bind_tools` was given.

    Raises `UsageError` for a script that is empty or no list of steps and for an unknown keyword, and when its turn
    comes for a step or piece that is none.
    """

    script: SkipValidation[Sequence[Step]]
    delay: float = 0.0
    streaming: bool = True
    tool_names: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_no_script(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Check before pydantic does, which passes over a keyword that it does not know."""
        _check_keywords(given.keys() - cls.model_fields.keys())
        _check_script(given.get("script"))
        return given

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any) -> ScriptedModel:
        """Return the same model with the names of `tools` in `tool_names`, all that it needs of them."""
        return self.model_copy(update={"tool_names": tuple(_tool_name(tool) for tool in tools)})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        saying = self._saying(messages)
        return _whole(saying if isinstance(saying, AIMessage) else list(_met(_pieces(saying))))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        saying = self._saying(messages)
        return _whole(saying if isinstance(saying, AIMessage) else [chunk async for chunk in _amet(_pieces(saying))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _met(_pieces(self._saying(messages))):
            if self.delay:
                time.sleep(self.delay)
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in _amet(_pieces(self._saying(messages))):
            # Without a delay too: a model on a network lets others run between two chunks.
            await asyncio.sleep(self.delay)
            yield ChatGenerationChunk(message=chunk)

    def _saying(self, messages: list[BaseMessage]) -> Saying:
        spoken = sum(isinstance(message, AIMessage) for message in messages)
        at = min(spoken, len(self.script) - 1)
        step = self.script[at]
        if callable(step):
            step = step(messages)
            _check_saying(step, f"what step {at + 1} returned")
        if isinstance(step, Exception):
            raise fresh(step)
        return step


def _check_keywords(unknown: Iterable[str]) -> None:
    for name in sorted(unknown):
        raise UsageError(f"unknown keyword {name}: expected script, delay, streaming or what a BaseChatModel takes")


def _check_script(script: Any) -> None:
    if not is_list(script):
        raise UsageError(f"script came as a {_kind(script)}: expected a list of steps, script=['Hello']")
    if not script:
        raise UsageError("got an empty script, expected at least one step: ScriptedModel(script=['Hello'])")
    for number, step in enumerate(script, 1):
        if not callable(step) or isinstance(step, type):
            _check_saying(step, f"step {number}")


def _check_saying(saying: Any, where: str) -> None:
    """Raise `UsageError` for what is no answer. A lone piece is none: the list around it was forgotten."""
    if is_list(saying):
        for number, piece in enumerate(saying, 1):
            if not isinstance(piece, str | AIMessageChunk | Exception | Fault):
                raise UsageError(
                    f"piece {number} of {where} came as a {_kind(piece)}: expected a str, an AIMessageChunk, "
                    "an exception or a Fault"
                )
    elif isinstance(saying, AIMessageChunk | Fault):
        raise UsageError(
            f"{where} came as a {_kind(saying)}, which is a piece of an answer: expected a list of pieces for each "
            "step, script=[text('Hel', 'lo')]"
        )
    elif not isinstance(saying, str | AIMessage | Exception):
        raise UsageError(
            f"{where} came as a {_kind(saying)}: expected a str, an AIMessage, an exception or a list of pieces, "
            "such as text('Hello')"
        )


def _kind(value: Any) -> str:
    return type(value).__name__


def _pieces(saying: Saying) -> Iterator[AIMessageChunk | Fault]:
    """Yield copies of the chunks, because LangChain writes ids and metadata into those it is given."""
    pieces = [saying] if isinstance(saying, (str, AIMessage, Exception)) else saying
    for piece in pieces:
        if isinstance(piece, Exception):
            raise fresh(piece)
        if isinstance(piece, str):
            yield AIMessageChunk(content=piece)
        elif isinstance(piece, Fault):
            yield piece
        elif isinstance(piece, AIMessageChunk):
            yield piece.model_copy(deep=True)
        else:
            yield AIMessageChunk(**piece.model_copy(deep=True).model_dump(exclude={"type"}))


def _met(pieces: Iterator[AIMessageChunk | Fault]) -> Iterator[AIMessageChunk]:
    """Yield the chunks, and meet the faults between them."""
    for piece in pieces:
        if isinstance(piece, Fault):
            piece.meet()
        else:
            yield piece


async def _amet(pieces: Iterator[AIMessageChunk | Fault]) -> AsyncIterator[AIMessageChunk]:
    for piece in pieces:
        if isinstance(piece, Fault):
            await piece.ameet()
        else:
            yield piece


def _whole(said: AIMessage | list[AIMessageChunk]) -> ChatResult:
    if isinstance(said, AIMessage):
        whole = said.model_copy(deep=True)
    else:
        # Made to an AIMessage as LangChain does it for a model that streamed.
        whole = cast(
            AIMessage, message_chunk_to_message(add_ai_message_chunks(*(said or [AIMessageChunk(content="")])))
        )
    return ChatResult(generations=[ChatGeneration(message=whole)])


def _tool_name(tool: Any) -> str:
    if isinstance(tool, dict):
        described = cast(dict[str, Any], tool)
        return str(described.get("function", described).get("name", ""))
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))


def text(
    *parts: str, id: str | None = None, usage: UsageMetadata | None = None, finish: str = "stop"
) -> list[AIMessageChunk]:
    """Build an answer of text, one chunk a part.

    `id` is the provider's message id (LangChain makes one up when it is missing). A chunk with the finish
    reason follows, and one of its own for `usage`.
    """
    return [*(AIMessageChunk(content=part, id=id) for part in parts), *_ending(finish, id, usage)]


def tool_call(
    name: str,
    args: dict[str, Any] | Sequence[str] = (),
    *,
    id: str | None = "call_1",
    index: int | None = 0,
    text: str = "",
    usage: UsageMetadata | None = None,
) -> list[AIMessageChunk]:
    """Build an answer that calls a tool: a head with name and id, the arguments, the finish reason.

    `args` is a dict, or the fragments of its JSON text as they shall be streamed. `text` stands beside the
    head.
    """
    fragments = [json.dumps(args)] if isinstance(args, dict) else args
    head = AIMessageChunk(content=text, tool_call_chunks=[_fragment(name, "", id, index)])
    rest = [AIMessageChunk(content="", tool_call_chunks=[_fragment(None, part, None, index)]) for part in fragments]
    return [head, *rest, *_ending("tool_calls", None, usage)]


def tool_calls(
    *calls: Sequence[AIMessageChunk], interleaved: bool = False, usage: UsageMetadata | None = None
) -> list[AIMessageChunk]:
    """Build one answer with several calls, each made by `tool_call`; their indexes are given by position.

    One call follows the other; `interleaved` puts the first fragments of all calls in one chunk, then the
    second ones, and so on.
    """
    numbered = [[_renumbered(chunk, at) for chunk in call if chunk.tool_call_chunks] for at, call in enumerate(calls)]
    if not interleaved:
        return [*(chunk for call in numbered for chunk in call), *_ending("tool_calls", None, usage)]
    rows = [[chunk for chunk in row if chunk is not None] for row in zip_longest(*numbered)]
    return [*(_side_by_side(row) for row in rows), *_ending("tool_calls", None, usage)]


def reasoning(*parts: str, signature: str | None = None, id: str | None = None) -> list[AIMessageChunk]:
    """Build the thinking that opens an answer, as Anthropic sends it.

    Put text or calls behind it in the same list: `[*reasoning("Hm."), *text("Yes.")]`. `signature` is the
    provider's opaque value, sent in a chunk of its own.
    """
    blocks = [{"type": "thinking", "thinking": part, "index": 0} for part in parts]
    if signature is not None:
        blocks.append({"type": "thinking", "signature": signature, "index": 0})
    return [AIMessageChunk(content=[block], id=id) for block in blocks]


def usage(
    input: int, output: int, *, cache_read: int = 0, cache_creation: int = 0, reasoning: int = 0
) -> UsageMetadata:
    """Build the usage of one message. All counts are tokens."""
    counts = UsageMetadata(input_tokens=input, output_tokens=output, total_tokens=input + output)
    if cache_read or cache_creation:
        counts["input_token_details"] = {"cache_read": cache_read, "cache_creation": cache_creation}
    if reasoning:
        counts["output_token_details"] = {"reasoning": reasoning}
    return counts


def _ending(finish: str, id: str | None, usage: UsageMetadata | None) -> list[AIMessageChunk]:
    metadata = {"finish_reason": finish, "model_name": "scripted"}
    ending = [AIMessageChunk(content="", id=id, response_metadata=metadata)]
    if usage is not None:
        ending.append(AIMessageChunk(content="", id=id, usage_metadata=usage))
    return ending


def _fragment(name: str | None, args: str, id: str | None, index: int | None) -> ToolCallChunk:
    return tool_call_chunk(name=name, args=args, id=id, index=index)


def _renumbered(chunk: AIMessageChunk, index: int) -> AIMessageChunk:
    fragments = [_fragment(part["name"], part["args"] or "", part["id"], index) for part in chunk.tool_call_chunks]
    return AIMessageChunk(content=chunk.content, tool_call_chunks=fragments)


def _side_by_side(chunks: Sequence[AIMessageChunk]) -> AIMessageChunk:
    said = "".join(chunk.text for chunk in chunks)
    return AIMessageChunk(content=said, tool_call_chunks=[part for chunk in chunks for part in chunk.tool_call_chunks])
