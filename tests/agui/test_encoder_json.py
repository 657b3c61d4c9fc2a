"""Every event is one line of strict JSON, whatever it holds, and costs few bytes."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agui.client import StreamChecker
from langwire import events as ours
from langwire.adapters.agui.encoder import AGUIEncoder, Run
from langwire.adapters.agui.frames import sse_frame
from langwire.adapters.agui.state import StateView

ROOT = ours.Source(node="agent")
HALF = "a\ud83db"
"""Text that was cut inside a character."""


class Loop:
    """What raises when it is looked at."""

    def __iter__(self) -> Any:
        raise RuntimeError("do not look")

    def __repr__(self) -> str:
        raise RuntimeError("do not look")


LOOP: list[Any] = []
LOOP.append(LOOP)

ODD = {
    "nan": math.nan,
    "infinity": -math.inf,
    "set": {3, 1, 2},
    "huge": 10**5000,
    "large": 2**70,
    "bytes": b"\xff",
    "decimal": Decimal("1.10"),
    "half": HALF,
    (1, "a"): "a tuple as key",
    HALF: "half a key",
    None: "none as key",
    "cycle": LOOP,
    "shy": Loop(),
    "error": ValueError("secret"),
}


def turn(*events: ours.Event, end: ours.TurnEnd | None = None) -> list[bytes]:
    """The frames of a turn with these events."""
    encoder = AGUIEncoder(Run(thread_id="t", run_id="r"), raw=True, state=StateView({}, "*"))
    whole = [ours.TurnStart(turn_id="r"), *events, end or ours.TurnEnd(outcome="complete")]
    return [sse_frame(said) for event in whole for said in encoder.encode(event)]


def read(frame: bytes) -> dict[str, Any]:
    """The event of a frame, read as strictly as a browser does."""
    assert frame.startswith(b"data: {")
    assert frame.endswith(b"}\n\n")
    line = frame[6:-2]
    assert not {b"\n", b"\r"} & {line[at : at + 1] for at in range(len(line))}

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(line.decode("utf-8", "strict"), parse_constant=refuse)


def spoken(text: str) -> list[ours.Event]:
    return [
        ours.TextStart(id="m", message_id="m", source=ROOT),
        ours.TextDelta(id="m", text=text),
        ours.TextEnd(id="m"),
        ours.ReasoningStart(id="m:r", message_id="m", source=ROOT),
        ours.ReasoningDelta(id="m:r", text=text),
        ours.ReasoningEnd(id="m:r", signature=text),
        ours.ToolCallStart(id="c", name=text, message_id="m", source=ROOT, call_id="c"),
        ours.ToolCallDelta(id="c", args=text),
        ours.ToolCallEnd(id="c", name=text, invalid=text),
        ours.ToolResult(id="c", content=text, message_id="r"),
    ]


def holding(value: Any) -> list[ours.Event]:
    return [
        ours.Custom(data=value),
        ours.Custom(data={"name": "mine", "value": value}),
        ours.Raw(mode="odd", data=value),
        ours.StateSnapshot(values={"value": value}),
        ours.ToolCallStart(id="d", name="add", message_id="n", source=ROOT),
        ours.ToolCallEnd(id="d", name="add", args={"value": value}),
        ours.ToolOutputDelta(id="d", data=value),
        ours.ToolResult(id="d", content=[{"type": "text", "text": HALF}, value], message_id="q"),
        ours.Display(bundle={"application/json": value}, title=HALF),
        ours.Extracted(name="x", kind="todos", data=value),
        ours.Media(id="f", message_id="n", kind="hologram", source=ROOT, block={"value": value}),
        ours.StructuredOutput(value=value),
        ours.Interrupt(id="i", value=value),
    ]


@pytest.mark.parametrize("key", ODD)
def test_values_that_json_has_no_form_for_are_told_all_the_same(key: Any) -> None:
    """Rows F-A1 and F-A9."""
    end = ours.TurnEnd(outcome="interrupted", interrupts=("i",))
    frames = turn(*holding({key: ODD[key]}), end=end) + turn(*holding(ODD[key]))
    events = [read(frame) for frame in frames]
    assert sum(event["type"] == "CUSTOM" for event in events) == 6
    assert "secret" not in json.dumps(events)


TEXTS = {
    "half a character": (HALF, "a\ufffdb"),
    "two halves": ("\ud83d\ude00", "\U0001f600"),
    "line separators": ("a\u2028b\u2029c\x85", "a\u2028b\u2029c\x85"),
    "a carriage return": ("a\rb\r\nc", "a\rb\r\nc"),
    "a frame of its own": ('a\n\ndata: {"type": "RUN_ERROR", "message": "no"}\n\n', None),
    "a null character": ("a\0b", "a\0b"),
    "a byte order mark": ("\ufeffa", "\ufeffa"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_breaks_out_of_its_frame(name: str, ts_check: StreamChecker) -> None:
    """Row T-22: text of a model or a tool cannot end a frame, or make one of its own."""
    text, expected = TEXTS[name]
    expected = text if expected is None else expected
    frames = turn(*spoken(text))
    told = [event["delta"] for event in map(read, frames) if "delta" in event]
    assert told == [expected] * 3
    (checked,) = ts_check([b"".join(frames)])
    assert checked.ok, (checked.error, checked.warnings)
    said, thought, result = (message["content"] for message in checked.messages)
    assert (said, thought, result) == (expected, expected, expected)


@given(st.text(st.characters()))
def test_any_text_comes_through_as_it_was(text: str) -> None:
    deltas = [event["delta"] for event in map(read, turn(*spoken(text))) if "delta" in event]
    assert deltas == [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")] * 3


# ------------------------------------------------------------------ what it costs

MESSAGE = "lc_run--01a1ff90-8cec-741e-82ca-ae5a2a684562"
"""An id as LangChain makes them."""
TASK = "0d2f7a4c-6c0e-5d1b-9f56-2f1d5f0a7c11"
CALL = "call_Vq1CwhlYcPDYyXH2cD2LoJpQ"


def opened(lane: ours.Lane) -> AGUIEncoder:
    """An encoder with an open text, thought and call in a lane, the lane of a subagent if it is an inner one."""
    encoder = AGUIEncoder(Run(thread_id="t", run_id="r"))
    source = ours.Source(lane=lane, node="agent")
    for event in (
        ours.TurnStart(turn_id="r"),
        *([ours.SubagentStart(lane=lane, id=CALL, name="finder")] if lane else []),
        ours.TextStart(id=MESSAGE, message_id=MESSAGE, source=source),
        ours.ReasoningStart(id="r", message_id=MESSAGE, source=source),
        ours.ToolCallStart(id=CALL, name="add", message_id=MESSAGE, source=source, call_id=CALL),
    ):
        encoder.encode(event)
    return encoder


DELTAS = [
    ours.TextDelta(id=MESSAGE, text="word"),
    ours.ReasoningDelta(id="r", text="word"),
    ours.ToolCallDelta(id=CALL, args="word"),
]


@pytest.mark.parametrize(("lane", "most"), [((), 128), ((f"tools:{TASK}",), 180)])
@pytest.mark.parametrize("delta", DELTAS, ids=lambda delta: type(delta).__name__)
def test_a_piece_costs_few_bytes_beside_its_words(lane: ours.Lane, most: int, delta: ours.Event) -> None:
    (said,) = opened(lane).encode(delta)
    assert len(sse_frame(said)) - len("word") <= most
