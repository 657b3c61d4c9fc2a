"""Uses the public API the way users do; checked by pyright, never run."""

from __future__ import annotations

from typing import Any, assert_type

import langwire
from langwire import StreamParser, TurnResult, approve, edit, reject, respond, resume_command
from langwire.adapters.plain import PlainAdapter
from langwire.events import Entry, Event, Interrupt, TextDelta, ToolCallEnd, ToolResult, TurnEnd


def wrap(agent: langwire.Graph) -> None:
    for event in langwire.stream(agent, "hello", skip_tools=["think"], state=True):
        assert_type(event, Event)
        match event:
            case TextDelta(text=text):
                assert_type(text, str)
            case ToolCallEnd(name=name, args=args):
                print(name, args)
            case ToolResult(status="error", content=why):
                print(why)
            case TurnEnd(outcome="interrupted", interrupts=ids):
                assert_type(ids, tuple[str, ...])
            case _:
                pass


async def wrap_async(agent: langwire.Graph) -> None:
    async for event in langwire.astream(agent, None, {"configurable": {"thread_id": "1"}}, modes=["tools"]):
        assert_type(event, Event)
    assert_type(await langwire.arun(agent, "hello"), TurnResult)


def run(agent: langwire.Graph, questions: list[Interrupt]) -> None:
    result = langwire.run(agent, "hello", adapter=PlainAdapter())
    assert_type(result.text, str)
    print(result.outcome, result.usage.total_tokens, [call.name for call in result.calls])
    answers = {question.id: [approve(), edit({"a": 1}), reject("no"), respond("yes")] for question in questions}
    langwire.run(agent, resume_command(questions, answers))


def by_hand(chunks: list[Any]) -> None:
    parser = StreamParser(modes=["updates", "messages"], subgraphs=True)
    assert_type(parser.feed(chunks[0]), list[Event])
    for event in [*parser.close(), *parser.cancel(), *parser.expire(), *parser.fail(ValueError())]:
        assert_type(event, Event)


class Counter:
    def handle(self, entry: Entry, /) -> None:
        print(entry.seq, entry.at_ms, entry.event)


def sink(agent: langwire.Graph) -> None:
    langwire.run(agent, "hello", adapter=Counter())


async def watched(agent: langwire.Graph) -> None:
    around = [langwire.measure_turns(), langwire.trace_turns(), langwire.limit_turns(10)]
    async with langwire.SessionAdapter(agent, middleware=around) as sessions:
        async with sessions.get("1").subscribe() as reader:
            async for entry in reader:
                assert_type(entry, Entry)
                assert_type(reader.line(), bytes)
        assert_type(await sessions.options.store.claim("1", None), bool)
        await sessions.close(drain=10.0)
        assert_type(sessions.closing, bool)
