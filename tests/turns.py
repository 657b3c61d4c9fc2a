"""Runs cases of the corpus through the parser, live, the way a session does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Interrupt, Overwrite

from langwire import StreamParser, Transcript
from langwire.core._messages import calls_of, coerce, fields_of, role_of, text_of
from langwire.core._states import open_calls_of
from langwire.core._updates import messages_of, state_items
from langwire.core.conformance import check
from langwire.events import Event, OpenCall
from langwire.sessions.graph import standing_of
from langwire.testing import CASES, Case, Next, available

CASE_NAMES = [name for name, case in CASES.items() if available(case)]


class Turn(NamedTuple):
    events: list[Event]
    error: Exception | None
    open_calls: tuple[OpenCall, ...]
    """The calls that were open when the turn began."""
    before: list[Any]
    after: list[Any]
    """The messages of the root's state, before the turn (its input included) and after it."""

    @property
    def end(self) -> Any:
        return self.events[-1]


def messages_in(state: Any) -> list[Any]:
    return [message for _, value in state_items(state) for message in messages_of(value) or ()]


def as_messages(value: Any) -> list[Any]:
    """Messages in the forms in which a caller may give them."""
    values = value if isinstance(value, list) else []
    return [item for item in values if not isinstance(item, str) and coerce(item) is not None]


def as_remote(value: Any) -> Any:
    """A chunk as a remote graph yields it: messages and interrupts are plain dicts, and nothing is the same object."""
    fields = fields_of(value)
    if fields is not None:
        return {name: as_remote(held) for name, held in fields.items()}
    if isinstance(value, Interrupt):
        return {"value": value.value, "id": value.id}
    if isinstance(value, Overwrite):
        return {"__overwrite__": as_remote(value.value)}
    if isinstance(value, dict):
        return {name: as_remote(held) for name, held in value.items()}
    if isinstance(value, list):
        return [as_remote(held) for held in value]
    return tuple(as_remote(held) for held in value) if type(value) is tuple else value


async def turns_of(
    case: Case, modes: Sequence[str], *, version: str = "v1", remote: bool = False, keeps: bool = True
) -> list[Turn]:
    """Run a case to its end; every turn is parsed while it streams, and ended as its checkpoint says."""
    graph, config = case.build(InMemorySaver() if keeps else None), {"configurable": {"thread_id": "thread-1"}}
    turns: list[Turn] = []
    given: Any = case.input
    open_calls: tuple[OpenCall, ...] = ()
    for number in range(len(case.ends)):
        before = messages_in((await graph.aget_state(config)).values) if graph.checkpointer else []
        asked = [message for value in (given, *dict(state_items(given)).values()) for message in as_messages(value)]
        open_calls = (*open_calls, *open_calls_of((), given))
        parser = StreamParser(
            modes=list(modes),
            subgraphs=True,
            version=version,
            cause="message" if number == 0 or case.resume is Next.REPEAT else "resume",
            open_calls=open_calls,
            history=() if "tasks" in modes else [*before, *asked],
        )
        events, error = parser.start(), None
        try:
            async for chunk in graph.astream(given, config, stream_mode=list(modes), subgraphs=True, version=version):
                events += parser.feed(as_remote(chunk) if remote else chunk)
        except Exception as raised:
            error = raised
            events += parser.fail(raised)
        snapshot = await graph.aget_state(config) if graph.checkpointer else None
        standing = standing_of(snapshot)
        if error is None:
            events += parser.close(**standing.ending())
        after = messages_in(snapshot.values) if snapshot is not None else []
        turns.append(Turn(events, error, open_calls, before, after))
        open_calls = turns[-1].end.open_calls
        if number + 1 < len(case.ends):
            given = case.follow(standing.open_interrupts or ())
    return turns


def problems(turns: Sequence[Turn]) -> list[str]:
    """What the grammar says of a thread's turns, readable."""
    return [
        f"turn {number}, event {problem.index}: {problem.rule}: {problem.message}"
        for number, turn in enumerate(turns)
        for problem in check(turn.events, open_calls=turn.open_calls)
    ]


class Story(NamedTuple):
    """What a reader is told in the end, without ids, lanes and order."""

    messages: list[tuple[str, str]]
    calls: list[tuple[str, str]]
    results: list[tuple[str, str]]
    outcomes: list[str]


def story(turns: Sequence[Turn]) -> Story:
    transcript = Transcript.of(event for turn in turns for event in turn.events)
    told = [message for message in transcript.messages if not (message.discarded or message.removed)]
    return Story(
        messages=sorted((message.role, message.text) for message in told if message.text),
        calls=sorted((call.name, repr(call.args)) for call in transcript.calls if not call.provider),
        results=sorted(
            (call.result.status, repr(call.result.content)) for call in transcript.calls if call.result is not None
        ),
        outcomes=[turn.end.outcome for turn in turns],
    )


def spoken(message: Any) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """What a message of the state says: role, text, and the names and arguments of its calls."""
    fields = fields_of(message)
    assert fields is not None
    calls = tuple((name, repr(args)) for _, name, args, text in calls_of(fields) if text is None)
    return role_of(fields), text_of(fields), calls
