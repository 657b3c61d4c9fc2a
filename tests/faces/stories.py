"""Knows how the stories are made that every face tells: `python tests/faces/stories.py --write` writes them anew.

Each is a file of entries, as they go over a wire: recordings of real graphs, turns of the demo agents, and the
handmade ones. Ids that are random are named by the order in which they come, and times are made up.
"""

from __future__ import annotations

import asyncio
import re
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

if __name__ == "__main__":  # as a file it has only its own folder on the path
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faces.golden import STORIES
from faces.handmade import HANDMADE, Told
from langwire import Session, SessionAdapter, Turn, approve, edit, reject, respond
from langwire.core.codec import encode
from langwire.demo import agents
from langwire.events import EventBase
from langwire.testing import replay_chunks

RECORDINGS = Path(__file__).parents[1] / "recordings" / "1.2.22"
BEGAN_MS, STEP_MS = 1_760_000_000_000, 40
"""When the first event was told, and how long after it the next: Unix milliseconds, milliseconds."""
MAX_VALUE_BYTES = 65_536
"""Above which a value is cut, as a server does by default."""
_RANDOM = re.compile(rb"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\b")
"""UUIDs, and LangGraph's ids of questions."""


# ------------------------------------------------------------------ the demo agents

_WEEKEND = "Plan a weekend in Oslo"
_CHANGED = {"to": "bob@example.org", "subject": "Hello", "body": "Bob, this is for you."}
_ANOTHER_ROOM = {"hotel": "Hotel Lisbon", "nights": 3, "breakfast": True, "view": "garden"}
DEMO: dict[str, tuple[str, list[Any]]] = {
    "assistant": ("assistant", ["A day in Oslo, please", "Thank you"]),
    "approval_approve": ("approval", ["Write to Ann", [approve()]]),
    "approval_edit": ("approval", ["Write to Ann", [edit(_CHANGED)]]),
    "approval_reject": ("approval", ["Write to Ann", [reject("not now")]]),
    "approval_respond": ("approval", ["Write to Ann", [respond("shorter, please")]]),
    "concierge": ("concierge", ["The weather in Rome?", "Mail Ann about it", [approve()]]),
    "team": ("team", ["Tell me about Rome"]),
    "failing": ("failing", ["Why?"]),
    "delegating": ("delegating", [_WEEKEND, [approve()]]),
    "showcase": ("showcase", ["The tour, please", [approve(), edit(_ANOTHER_ROOM)]]),
}
"""For each story the agent, and what a person says or decides, turn by turn."""


async def demo(name: str) -> list[Told]:
    """Have a demo agent tell a story. What runs in parallel waits for each other, so that the order is always one."""
    agent, turns = DEMO[name]
    graph = getattr(agents, f"build_{agent}")(0).with_config(max_concurrency=1)
    async with SessionAdapter(graph) as sessions:
        session = sessions.get("thread-1")
        for given in turns:
            turn = await (session.submit(given) if isinstance(given, str) else _decide(session, given))
            await turn.wait()
        return await _log(session, 0)


async def restored() -> list[Told]:
    """Have the concierge tell what a thread holds, as after a restart, and a turn that follows."""
    graph = agents.build_concierge(0).with_config(max_concurrency=1)
    async with SessionAdapter(graph) as sessions:
        session = sessions.get("thread-1")
        await (await session.submit("The weather in Rome?")).wait()
        history = await session.history()
        await (await session.submit("And in Oslo, what is the weather?")).wait()
        return [*history.events, *await _log(session, int(history.position.rpartition(":")[2]))]


async def _log(session: Session, after: int) -> list[Told]:
    """Return what a thread's log holds after an entry, delta by delta."""
    async with session.log.subscribe(after, join_over=session.log.last) as reader:
        return [(await anext(reader)).event for _ in range(session.log.last - after)]


def _decide(session: Session, decisions: list[Any]) -> Awaitable[Turn]:
    (question,) = session.interrupts
    return session.resume({question.id: decisions})


# ------------------------------------------------------------------ all of them


def handmade() -> dict[str, list[bytes]]:
    """Return the lines of the stories that depend on nothing but this repository, by name."""
    recorded = {path.stem: _flat(replay_chunks(path)) for path in sorted(RECORDINGS.glob("*.jsonl"))}
    return {name: written(told) for name, told in (recorded | {make.__name__: make() for make in HANDMADE}).items()}


def written(told: Iterable[Told]) -> list[bytes]:
    """Return the lines of a story."""
    return list(_stable(_line(seq, one) for seq, one in enumerate(told, 1)))


def _flat(turns: Iterable[Iterable[Told]]) -> Iterator[Told]:
    return (event for turn in turns for event in turn)


def _line(seq: int, told: Told) -> bytes:
    event = encode(told, max_value_bytes=MAX_VALUE_BYTES) if isinstance(told, EventBase) else msgspec.json.encode(told)
    return b'{"seq":%d,"at_ms":%d,%b' % (seq, BEGAN_MS + STEP_MS * seq, event[1:])


def _stable(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Name random ids by the order in which they come."""
    names: dict[bytes, bytes] = {}
    for line in lines:
        yield _RANDOM.sub(lambda found: names.setdefault(found[0], b"id%d" % (len(names) + 1)), line)


async def made() -> dict[str, list[bytes]]:
    """Return the lines of all stories, by name."""
    told = {name: await demo(name) for name in DEMO} | {"restored": await restored()}
    return handmade() | {name: written(one) for name, one in told.items()}


def main() -> None:
    parser = ArgumentParser(description="The stories that every face tells.")
    parser.add_argument("--write", action="store_true", required=True, help="write them anew")
    parser.parse_args()
    stories = asyncio.run(made())
    for path in STORIES.glob("*.jsonl"):
        if path.stem not in stories:
            path.unlink()
    STORIES.mkdir(exist_ok=True)
    for name, lines in stories.items():
        (STORIES / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
