"""Ten thousand bad frames: each gets its error, and the connection lives until there are too many of them.

A thousand by default from a fixed seed and as many from a fresh one, ten thousand of each with LANGWIRE_SOAK=1.
LANGWIRE_SEED repeats a run, which prints its seed.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from server.wire_agents import says, serving
from server.wire_client import Person

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
COUNT = 10_000 if SOAK else 1_000
"""Frames for each of two seeds."""
PER_CONNECTION = 19
"""One more than this many within ten seconds, and the connection is closed."""

pytestmark = pytest.mark.timeout(900 if SOAK else 120)

COMMANDS = ["submit", "resume", "continue", "cancel", "fork", "undo_fork", "ping"]
FIELDS: dict[str, list[str]] = {
    "submit": ["input", "context_lines", "client_message_id", "when_busy", "when_interrupted"],
    "resume": ["answers", "partial", "when_busy"],
    "continue": ["when_busy"],
    "cancel": ["turn_id", "reason"],
    "fork": ["point"],
    "undo_fork": [],
    "ping": [],
}
WRONG: list[Any] = [1, -1.5, True, [], {}, ["x", 7], {"a": 1}, [[]], "x" * 600]
Dice = random.Random
Bad = tuple[str | bytes, str]


def value(dice: Dice, depth: int = 3) -> Any:
    """Return anything that JSON can hold."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: dice.random() < 0.5,
        lambda: dice.randrange(-(2**70), 2**70),
        lambda: dice.uniform(-1e300, 1e300),
        lambda: "".join(chr(dice.choice([dice.randrange(32, 127), dice.randrange(0xE000, 0x11000)])) for _ in range(9)),
    ]
    if depth:
        kinds += [
            lambda: [value(dice, depth - 1) for _ in range(dice.randrange(4))],
            lambda: {f"k{n}": value(dice, depth - 1) for n in range(dice.randrange(4))},
        ]
    return dice.choice(kinds)()


def no_object(dice: Dice) -> Bad:
    given = value(dice)
    return (json.dumps([given] if isinstance(given, dict) else given), "invalid_frame")


def unknown_type(dice: Dice) -> Bad:
    kind = dice.choice(["reboot", "Submit", "ping ", "hello", "turn_end", "", None, 7, ["ping"], {}])
    return json.dumps({**dict.fromkeys(["input"], value(dice)), "type": kind}), "invalid_frame"


def no_type(dice: Dice) -> Bad:
    return json.dumps({"input": value(dice), "ref": "r"}), "invalid_frame"


def unknown_field(dice: Dice) -> Bad:
    kind = dice.choice(COMMANDS)
    good = {"submit": {"input": "hi"}, "resume": {"answers": {}}, "fork": {"point": "x"}}.get(kind, {})
    return json.dumps({"type": kind, **good, f"x{dice.randrange(99)}": value(dice)}), "invalid_frame"


def wrong_field(dice: Dice) -> Bad:
    kind = dice.choice([kind for kind in COMMANDS if FIELDS[kind]])
    name = dice.choice([name for name in FIELDS[kind] if name != "input"])
    fitting: dict[str, Callable[[Any], bool]] = {
        "context_lines": lambda given: given == [],
        "partial": lambda given: isinstance(given, bool),
        "answers": lambda given: isinstance(given, dict),
    }
    given = dice.choice([one for one in WRONG if not fitting.get(name, lambda _: False)(one)])
    good = {"submit": {"input": "hi"}, "resume": {"answers": {}}, "fork": {"point": "x"}}.get(kind, {})
    return json.dumps({"type": kind, **good, name: given}), "invalid_frame"


def missing_field(dice: Dice) -> Bad:
    return json.dumps({"type": dice.choice(["submit", "resume", "fork"])}), "invalid_frame"


def wrong_ref(dice: Dice) -> Bad:
    ref = dice.choice([7, [], {}, True, "x" * 201])
    return json.dumps({"type": dice.choice(["ping", "undo_fork"]), "ref": ref}), "invalid_frame"


def cut_json(dice: Dice) -> Bad:
    whole = json.dumps({"type": "submit", "input": [value(dice)]})
    return whole[: dice.randrange(len(whole))], "invalid_json"


def no_json(dice: Dice) -> Bad:
    letters = "".join(chr(dice.choice([*range(1, 127), 0xE9, 0x1F600])) for _ in range(dice.randrange(1, 30)))
    return f"~{letters}", "invalid_json"


def twice(dice: Dice) -> Bad:
    return json.dumps({"type": "ping"}) + dice.choice([",", "{}", "[", "x", "\x00"]), "invalid_json"


def half_emoji(dice: Dice) -> Bad:
    half = rf"\ud{dice.choice('89ab')}{dice.randrange(256):02x}"
    other = rf"\ud{dice.choice('cdef')}{dice.randrange(256):02x}"
    text = dice.choice([half, f"{half}x", other, f"{other}{half}", f"{half}{half}"])
    return f'{{"type":"submit","input":"{text}"}}', "invalid_json"


def binary(dice: Dice) -> Bad:
    return dice.choice([dice.randbytes(dice.randrange(40)), b'{"type":"ping"}', b""]), "binary_frame"


def deep(dice: Dice) -> Bad:
    levels = dice.choice([65, 100, 900, 5_000, 100_000])
    inside = dice.choice(["[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels])
    return dice.choice([inside, f'{{"type":"resume","answers":{{"x":{inside}}}}}']), "too_deep"


def deep_and_cut(dice: Dice) -> Bad:
    return dice.choice(["[", '{"a":']) * 100_000, "too_deep"


def wrong_input(dice: Dice) -> Bad:
    given = value(dice)
    if isinstance(given, str):
        given = {"text": given}
    return json.dumps({"type": "submit", "input": given}), "invalid_input"


def wrong_policy(dice: Dice) -> Bad:
    name = dice.choice(["when_busy", "when_interrupted"])
    word = dice.choice(["", "Reject", "kill", "answer" if name == "when_busy" else "enqueue"])
    return json.dumps({"type": "submit", "input": "hi", name: word}), "invalid_frame"


def too_large(dice: Dice) -> Bad:
    return json.dumps({"type": "submit", "input": "x" * (2**20 + dice.randrange(9))}), "frame_too_large"


MAKERS: list[Callable[[Dice], Bad]] = [
    *(no_object, unknown_type, no_type, unknown_field, wrong_field, missing_field, wrong_ref, cut_json, no_json, twice),
    *(half_emoji, binary, deep, deep_and_cut, wrong_policy),
]
"""Frames that are no commands, or none that is known."""


def bad_frame(dice: Dice) -> Bad:
    # A large one costs as much as a hundred others.
    return (too_large if dice.random() < 0.005 else dice.choice([*MAKERS, wrong_input]))(dice)


async def sent_badly(person: Person, thread: str, frames: list[Bad]) -> None:
    """Send bad frames on one connection: each gets its error, and a ping between them is answered."""
    async with person.socket(thread) as socket:
        await socket.until("live")
        for data, code in frames:
            await socket.connection.send(data)
            frame = await socket.frame()
            assert (frame["type"], frame.get("code")) == ("error", code), (data[:200], frame)
            assert (await socket.ask("ping"))["type"] == "pong", data[:200]
        assert {frame["type"] for frame in socket.page.frames} == {"hello", "reset", "live", "error", "pong"}


def seed() -> int:
    return int(os.environ.get("LANGWIRE_SEED", random.SystemRandom().randrange(2**32)))


@pytest.mark.parametrize("chosen", [1, None])
async def test_whatever_is_sent_gets_its_error_and_the_connection_lives(chosen: int | None) -> None:
    """T-5, F-W3: and nothing becomes of the thread."""
    started = seed() if chosen is None else chosen
    print(f"LANGWIRE_SEED={started}")  # noqa: T201
    dice = random.Random(started)
    async with serving(says("one")) as server:
        person = await server.person()
        thread = await person.thread()
        for _ in range(0, COUNT, PER_CONNECTION):
            await sent_badly(person, thread, [bad_frame(dice) for _ in range(PER_CONNECTION)])
        assert server.sessions.get(thread).log.last == 0
        async with person.socket(thread) as socket:
            await socket.submit("hi")
            assert (await socket.until("turn_end"))["outcome"] == "complete"


@pytest.mark.parametrize("maker", [*MAKERS, too_large], ids=lambda maker: maker.__name__)
async def test_each_kind_of_bad_frame_counts_towards_the_end_of_the_connection(maker: Callable[[Dice], Bad]) -> None:
    """T-5: the twentieth in ten seconds gets its error as well, and then 1008."""
    dice = random.Random(1)
    async with serving(says("one")) as server:
        person = await server.person()
        async with person.socket(await person.thread()) as socket:
            await socket.until("live")
            await sent_badly_until_closed(socket, [maker(dice) for _ in range(20)])


async def sent_badly_until_closed(socket: Any, frames: list[Bad]) -> None:
    for data, code in frames:
        await socket.connection.send(data)
        frame = await socket.frame()
        assert (frame["type"], frame["code"]) == ("error", code)
    assert await socket.rest() == []
    assert (socket.connection.close_code, socket.connection.close_reason) == (1008, "too many bad frames")
