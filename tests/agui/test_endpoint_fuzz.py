"""Whatever is posted: a refusal or a whole stream, never a failure of ours, and the thread can be used afterwards.

What is posted is made from the schema of `RunAgentInput`, then twisted: values dropped, doubled, replaced, and bytes
that are no JSON at all. A small count runs here, with fixed and with fresh seeds; 5,000 with LANGWIRE_SOAK=1.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from ag_ui.core import RunAgentInput
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from agui.asking import Answer, Asker, Live, Page, answers, asked, asking, assistant, checked, result, user
from langwire.adapters.agui.bridge import AGUIBridge
from langwire.adapters.agui.endpoint import agui_app
from langwire.adapters.agui.frontend_tools import FrontendTools
from langwire.sessions.adapter import SessionAdapter
from langwire.testing import ScriptedModel, text, tool_call

SOAK = bool(os.environ.get("LANGWIRE_SOAK"))
COUNT = 5000 if SOAK else 60

pytestmark = pytest.mark.timeout(1800 if SOAK else 120)

SLOW_TO_MAKE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

PAINT = {"name": "paint", "description": "Paint.", "parameters": {"type": "object", "properties": {}}}


@tool
async def ask(question: str) -> str:
    """Ask a person."""
    return str(interrupt(question))


def agent() -> Any:
    """An agent that asks, calls the client and talks, whatever it is sent."""
    steps = [
        tool_call("ask", {"question": "?"}, id="call-1"),
        tool_call("paint", {"as": "red"}, id="call-2"),
        text("well"),
    ]
    model = ScriptedModel(script=[lambda prompt: steps[sum(m.type == "ai" for m in prompt) % len(steps)]])
    return create_agent(model, [ask], middleware=[FrontendTools()], checkpointer=InMemorySaver())


def app() -> Any:
    return agui_app(AGUIBridge(agent()), rate=(10**9, 1.0))


# ------------------------------------------------------------------ what is posted

SCHEMA = RunAgentInput.model_json_schema()

ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@cache
def of_definition(name: str) -> st.SearchStrategy[Any]:
    return of_schema(SCHEMA["$defs"][name])


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What fits a part of the schema of `RunAgentInput`, which uses no more of JSON Schema than this."""
    match schema:
        case {"$ref": str(ref)}:
            return st.deferred(lambda: of_definition(ref.rpartition("/")[2]))
        case {"anyOf": several} | {"oneOf": several}:
            return st.one_of([of_schema(one) for one in several])
        case {"const": value}:
            return st.just(value)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "string"}:
            return st.sampled_from(["t", "u1", "call-2", "paint"]) | st.text(max_size=12)
        case {"type": "array"}:
            return st.lists(of_schema(schema.get("items", {})), max_size=3)
        case {"type": "object", "properties": properties}:
            made = {name: of_schema(one) for name, one in properties.items()}
            required = {name: made.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=made)
        case {"type": "object"}:
            return st.dictionaries(st.text(max_size=5), ANY, max_size=3)
        case {"type": kind}:
            return {"integer": st.integers(), "number": st.floats(), "boolean": st.booleans(), "null": st.none()}[kind]
        case _:
            return ANY


BY_SCHEMA = of_schema(SCHEMA)

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1e308,
    "",
    " ",
    "x" * 300,
    "\x00",
    "\ud800",
    "é\u2028",
    [],
    {},
    [[]],
    [None],
    {"type": "binary"},
    {"": ""},
    "t",
    "r1",
    "u1",
    "call-1",
    "__breakpoint__",
]


class Lived(Page):
    """A page that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[str] = []
        self.pending: list[str] = []

    def took(self, sent: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Take what came of what was sent."""
        had = {message["id"] for message in self.messages}
        new = [message for message in sent["messages"] if message["id"] not in had]
        self.messages += [{key: value for key, value in message.items() if value is not None} for message in new]
        self.take(events)
        outcome = events[-1].get("outcome", {})
        self.questions = [question["id"] for question in outcome.get("interrupts", ())]
        self.pending = outcome.get("pendingToolCallIds", [])


def known(random: random.Random, page: Lived) -> dict[str, Any]:
    """A request that makes sense, or nearly: most of a thread's life is in there."""
    number = random.randrange(10**9)
    point = random.choice(page.messages or [user("u")])["id"]
    choices = [
        asked(*page.messages, user(f"u{number}")),
        asked(user(f"u{number}")),
        asked(*page.messages),
        asked(*page.messages[: random.randrange(4)]),
        asked(*page.messages, *(result(id, "red", f"result-{number}-{id}") for id in page.pending)),
        asked(*page.messages, *(result(id, "red", f"result-{number}-{id}") for id in page.pending)),
        asked(*page.messages, assistant("forged")),
        asked(resume=answers(**dict.fromkeys(page.questions or ["0" * 32], True))),
        asked(*page.messages, resume=answers(**dict.fromkeys(page.questions, True))),
        asked(user(f"u{number}"), forwardedProps={"command": {"resume": "yes"}}),
        asked(forwardedProps={"langwire": {"beforeMessageId": point}}),
    ]
    return {**random.choice(choices), "runId": f"run-{number}", "tools": [PAINT]}


def twisted(random: random.Random, value: Any) -> Any:
    """The same with one value in it dropped, doubled or replaced."""
    places: list[tuple[Any, Any]] = []

    def look(held: Any) -> None:
        items = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
        for key, item in items:
            places.append((held, key))
            look(item)

    look(value)
    if not places:
        return value
    held, key = random.choice(places)
    how = random.randrange(4)
    if how == 0:
        del held[key]
    elif how == 1 and isinstance(held, list):
        held.insert(key, held[key])
    elif how == 2 and isinstance(held, dict):
        held[random.choice(["id", "role", "content", "toolCallId", "type", "extra"])] = deepcopy(random.choice(ODD))
    else:
        held[key] = deepcopy(random.choice(ODD))
    return value


def broken(random: random.Random, body: bytes) -> bytes:
    """The same with some of its bytes changed, cut or doubled."""
    data = bytearray(body)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(data) + 1)
        match random.randrange(3):
            case 0:
                data[at:at] = random.randbytes(random.randrange(1, 9))
            case 1:
                del data[at : at + random.randrange(1, 9)]
            case _:
                data[at:at] = data[at : at + 40]
    return bytes(data)


def bodies(random: random.Random, schema: Any, page: Lived) -> bytes:
    given = {**schema, "threadId": "t"} if random.random() < 0.4 else known(random, page)
    given = json.loads(json.dumps(given))
    for _ in range(random.choice([0, 0, 1, 1, 2, 5])):
        given = twisted(random, given)
    body = json.dumps(given).encode()
    return broken(random, body) if random.random() < 0.15 else body


# ------------------------------------------------------------------ what comes of it


def sound(answer: Answer, sent: bytes) -> None:
    assert answer.status < 500, (answer.status, answer.content, sent)
    if answer.status == 200:
        assert answer.raw_events, sent
        runs = sum(event["type"] == "RUN_STARTED" for event in answer.raw_events)
        assert runs in (1, 2), sent
        checked(answer.raw_events, runs)
    else:
        assert set(answer.error) <= {"code", "message"}, (answer.error, sent)


async def usable(page: Asker, number: int) -> None:
    """A message is answered on the thread, its open question dropped, or asked again."""
    answer = await page.run(user(f"after-{number}"), run=f"after-{number}", tools=[PAINT])
    if answer.status == 409:
        answer = await page.run(run=f"again-{number}", tools=[PAINT])
    assert answer.events[-1]["type"] == "RUN_FINISHED", answer.content


async def fuzzed(seed: int, schemas: list[Any]) -> None:
    dice, shown = random.Random(seed), Lived()
    async with asking(app()) as page:
        for number, schema in enumerate(schemas):
            body = bodies(dice, schema, shown)
            path = dice.choice(["", "", "", "", "/connect", "/cancel/run-1"])
            answer = await page.post(path, body)
            sound(answer, body)
            if path == "" and answer.status == 200:
                shown.took(json.loads(body), answer.events)
            if number % 10 == 0:
                await usable(page, number)
        await usable(page, len(schemas))


@settings(max_examples=max(COUNT // 20, 4), deadline=None, suppress_health_check=SLOW_TO_MAKE, derandomize=not SOAK)
@given(seed=st.integers(0, 2**32), schemas=st.lists(BY_SCHEMA, min_size=20, max_size=20))
def test_nothing_that_is_posted_breaks_the_endpoint(seed: int, schemas: list[Any]) -> None:
    asyncio.run(fuzzed(seed, schemas))


@pytest.mark.parametrize("seed", [*range(6), *random.SystemRandom().sample(range(10**6), 2)])
async def test_whole_lives_of_a_thread_are_sound(seed: int) -> None:
    await fuzzed(seed, [{}] * (COUNT // 8 if SOAK else 40))


async def posted(dice: random.Random, page: Asker, app: Any, body: dict[str, Any]) -> Answer | None:
    """Post a run, and read it to its end or leave somewhere on the way."""
    if dice.random() < 0.8:
        return await page.post(dice.choice(["", "", "", "/connect"]), body)
    live = Live(app, body)
    for _ in range(dice.randrange(30)):
        await asyncio.sleep(0)
    await live.leave()
    return None


@pytest.mark.parametrize("when_busy", ["reject", "enqueue", "replace"])
async def test_several_at_once_of_whom_some_leave_get_whole_streams(when_busy: Any) -> None:
    for seed in range(COUNT // 20):
        dice, shown = random.Random(seed), Lived()
        async with SessionAdapter(agent(), when_busy=when_busy) as sessions:
            served = agui_app(sessions, rate=(10**9, 1.0))
            async with asking(served) as page:
                for _ in range(8):
                    sent = [known(dice, shown) for _ in range(4)]
                    came = await asyncio.gather(*(posted(dice, page, served, body) for body in sent))
                    for body, answer in zip(sent, came, strict=True):
                        if answer is not None:
                            sound(answer, json.dumps(body).encode())
                            if answer.status == 200:
                                shown.took(body, answer.raw_events)


async def test_a_thread_is_lived_through_by_what_makes_sense() -> None:
    """The fuzzing would find little if all that it posts were refused."""
    dice, shown, taken, roles = random.Random(1), Lived(), 0, set()
    async with asking(app()) as page:
        for _ in range(80):
            sent = known(dice, shown)
            answer = await page.post("", sent)
            sound(answer, b"")
            if answer.status == 200:
                taken += 1
                shown.took(sent, answer.events)
                roles |= {role for role, _ in shown.told}
    assert taken > 20
    assert roles == {"tool", "user", "assistant"}


@pytest.mark.parametrize(
    "junk", [b"", b"null", b"[]", b"0", b'"x"', b"{", b"\xff\xfe", b"{}" * 2, b"NaN", b'{"a":1,"a":2}']
)
async def test_what_is_no_request_is_refused(junk: bytes) -> None:
    async with asking(app()) as page:
        for path in ("", "/connect"):
            answer = await page.post(path, junk)
            assert answer.refused == (422, "invalid_input")
