"""Knows texts that want more than to be read: sequences for terminals, markup, scripts; and how to say them everywhere.

`strings()` gives many, always the same; `turn(text)` is a turn that has it in every field of every event.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from langwire.events import (
    Action,
    Citation,
    Custom,
    Display,
    ErrorInfo,
    Event,
    Extracted,
    Interrupt,
    Media,
    MessageDiscarded,
    MessageReplaced,
    MessagesRemoved,
    OpenCall,
    Progress,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Source,
    StructuredOutput,
    SubagentEnd,
    SubagentStart,
    TaskUpdate,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolOutputDelta,
    ToolResult,
    TurnEnd,
    TurnStart,
    Usage,
)

COUNT = 10_000 if os.environ.get("LANGWIRE_SOAK") else 1_000
"""How many strings a test tries."""

FOR_TERMINALS = (
    "\x1b]52;c;ZXZpbA==\x07",  # the clipboard
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[5;41mred\x1b[0m",
    "\x1b[6n\x1b[c",  # which it answers as if it had been typed
    '\x1bP$q"p\x1b\\',
    "\x1b[?1049h\x1b[?25l\x1bc",
    "\x9b2J\x9d0;x\x9c\x90q\x9c\x85",
    "fine\rforged",
    "\x07\x08\x08\x0b\x0c\x0e\x7f\x00",
    "user\u202egpj.exe\u2066\u2069\u200f\u061c",
    "a\u200bb\ufeffc\u2028d\u2029e",
    "\U000e0068\U000e0069",
    "\ud800",
    "&#27;[31m &#x9b;2J &#x202e; &#13; &shy; &#10;",
)

FOR_MARKUP = (
    "use [/red] to end",
    "[/etc/passwd] [a-z] [bold]x[/]",
    "[link=javascript:alert(1)]x[/link]",
    "[red]",
    "\\[x] [/]",
    ":smile: {0} %s ${x}",
)

FOR_PAGES = (
    "<script>window.__pwned=1</script>",
    "<img src=x onerror=window.__pwned=1>",
    "<svg/onload=window.__pwned=1>",
    "<svg><script>window.__pwned=1</script></svg>",
    '"><b onmouseover=window.__pwned=1 autofocus onfocus=window.__pwned=1 tabindex=1>',
    "</script><script>window.__pwned=1</script>",
    "</textarea></style></title><iframe srcdoc='<script>parent.__pwned=1</script>'>",
    "<a href=javascript:window.__pwned=1>x</a>",
    "[x](javascript:window.__pwned=1)",
    "[x](JaVaScRiPt&colon;window.__pwned=1)",
    "[x](java\tscript:window.__pwned=1)",
    "[x](data:text/html,<script>window.__pwned=1</script>)",
    "[x](vbscript:x) <javascript:window.__pwned=1>",
    "![x](javascript:window.__pwned=1)",
    "![x](https://evil.example/leak.png)",
    "[x]: javascript:window.__pwned=1\n\n[x]",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.__pwned=1>",
    "<form action=javascript:window.__pwned=1><button>x",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/><link rel=stylesheet href=//evil.example/x.css>",
    "<object data=javascript:window.__pwned=1><embed src=javascript:window.__pwned=1>",
    "<details open ontoggle=window.__pwned=1>",
    "<!--><img src=x onerror=window.__pwned=1>-->",
    "{{constructor.constructor('window.__pwned=1')()}}",
    "__proto__",
    "constructor",
)

FOR_MARKDOWN = (
    "```\nnever closed",
    "~~~python\nx = '''",
    "| a | b |\n|---|---|\n| 1 |\n",
    "> " * 30 + "deep",
    "- " * 30 + "deep",
    "*" * 40,
    "[" * 40,
    "# \n## \n\n***\n",
    "1. a\n1. b\n   - c\n\n     d",
    "שלום مرحبا 今日は 👩\u200d👩\u200d👧 Z\u0351\u036b\u0343",
)

PAYLOADS = FOR_TERMINALS + FOR_MARKUP + FOR_PAGES + FOR_MARKDOWN

_LETTERS = "ab \n\t\r\x1b[]()<>\"'&;:/\\=#*_`~|-!?0m\x07\x9b\x9d\x90\u202e\u200b\u2028日é\ud800"


def strings(count: int = COUNT, seed: int = 0) -> Iterator[str]:
    """Give hostile strings: every payload by itself, then payloads that are cut, joined and mixed with noise."""
    yield from PAYLOADS[:count]
    chance = random.Random(seed)
    for _ in range(count - len(PAYLOADS)):
        parts = [_part(chance) for _ in range(chance.randint(1, 4))]
        yield chance.choice(["", " ", "\n", "\n\n"]).join(parts)


def _part(chance: random.Random) -> str:
    payload = chance.choice(PAYLOADS)
    match chance.randrange(4):
        case 0:
            return "".join(chance.choices(_LETTERS, k=chance.randint(1, 20)))
        case 1:
            begin, end = sorted((chance.randint(0, len(payload)), chance.randint(0, len(payload))))
            return payload[begin:end]
        case 2:
            return "".join(chance.choice([letter, letter.upper(), letter + "\x00"]) for letter in payload)
        case _:
            return payload


def turn(text: str, number: int = 0) -> list[Event]:
    """Return a turn that is well-formed, and has the text in every field in which a text of others may stand.

    Ids are `text` plus a mark that keeps them apart; `number` tells the turns of a thread apart.
    """
    id = f"{text}~{number}"
    lane = (f"{text}:{number}",)
    root, inner = Source(node=text, agent=text), Source(lane=lane, node=text, agent=text)
    data = {text: [text, {text: text}]}
    call = {"call_id": f"{id}c", "name": text}
    return [
        TurnStart(turn_id=id, thread_id=text, input={"messages": [{"role": "user", "content": text}]}),
        TextStart(id=f"{id}u", message_id=f"{id}u", source=root, role="user"),
        TextDelta(id=f"{id}u", text=text),
        TextEnd(id=f"{id}u"),
        ReasoningStart(id=f"{id}r", message_id=f"{id}m", source=root),
        ReasoningDelta(id=f"{id}r", text=text),
        ReasoningEnd(id=f"{id}r", signature=text),
        TextStart(id=f"{id}m", message_id=f"{id}m", source=root),
        *(TextDelta(id=f"{id}m", text=piece) for piece in (text, "\n\n", text)),
        Citation(id=f"{id}m", data={"title": text, "url": text}),
        TextEnd(id=f"{id}m", partial=True),
        TextStart(id=f"{id}x", message_id=f"{id}x", source=root, role=text),
        TextDelta(id=f"{id}x", text=text),
        TextEnd(id=f"{id}x"),
        Media(id=f"{id}i", message_id=f"{id}m", kind=text, source=root, mime=text, ref=text),
        Media(id=f"{id}j", message_id=f"{id}m", kind=text, source=root, block=data),
        ToolCallStart(id=f"{id}c", message_id=f"{id}m", source=root, **call),
        ToolCallDelta(id=f"{id}c", args=text),
        ToolCallEnd(id=f"{id}c", args=data, **call),
        ToolCallStart(id=f"{id}d", message_id=f"{id}m", source=root, name=text),
        ToolCallEnd(id=f"{id}d", name=text, invalid=text, partial=True),
        ToolOutputDelta(id=f"{id}c", data=text),
        SubagentStart(lane=lane, id=f"{id}c", name=text),
        TextStart(id=f"{id}l", message_id=f"{id}l", source=inner),
        TextDelta(id=f"{id}l", text=text),
        TextEnd(id=f"{id}l"),
        Progress(text=text, percent=5, lane=lane),
        Extracted(name=text, kind="todos", data=[{"content": text, "status": text}], lane=lane),
        SubagentEnd(lane=lane),
        ToolResult(id=f"{id}c", content=[{"type": "text", "text": text}, {"type": text}], source=root, name=text),
        Extracted(name=text, kind=text, data=data, id=f"{id}c"),
        Extracted(name=text, kind="error", error=text),
        Display(bundle={"text/plain": text, text: text}, title=text, id=f"{id}c"),
        Display(bundle={"text/html": text, "text/markdown": text}, title=text),
        Display(bundle={"application/json": [{text: text}], "image/svg+xml": text}),
        Display(bundle={"text/csv": f"a,b\n{text}", "image/png": text}),
        StructuredOutput(value=data),
        Custom(data=data, lane=lane),
        TaskUpdate(task_id=f"{id}t", state=text, title=text),
        TaskUpdate(task_id=f"{id}t", state="done", title=text),
        Usage(message_id=f"{id}m", input_tokens=3, output_tokens=4, model=text),
        MessageReplaced(message_id=f"{id}m", text=text, source=root),
        MessageDiscarded(message_id=f"{id}x", source=root),
        MessagesRemoved(ids=(f"{id}u",)),
        _question(id, text, data),
        Interrupt(id=f"{id}v", value=data, response_schema={"title": text, "type": "string"}),
        TurnEnd(
            outcome="interrupted",
            reason=text,
            interrupts=(f"{id}q", f"{id}v"),
            open_calls=(OpenCall(id=f"{id}d", name=text),),
            error=ErrorInfo(code=text, message=text, id=text),
        ),
    ]


def _question(id: str, text: str, data: Any) -> Interrupt:
    action = Action(name=text, args=data, description=text, allowed=("approve", "edit"))
    return Interrupt(id=f"{id}q", kind="approval_batched", value=data, actions=(action, action))


def told_types() -> set[type[msgspec.Struct]]:
    """Return the types of events that `turn` has; a test holds them to all that are shown."""
    return {type(event) for event in turn("x")} & set(get_args(Event))
