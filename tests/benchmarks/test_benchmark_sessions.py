"""Sessions are measured beside the bare graph that they run, and by what they leave in memory."""

from __future__ import annotations

from benchmarks.sessions import BARE, OURS, QUICK, bare, sessions, speaking
from langchain_core.messages import AIMessage

from benchmarks import __main__ as command
from langwire.events import TextDelta
from langwire.sessions.adapter import SessionAdapter


def test_each_promise_is_measured() -> None:
    costs = sessions(3, quick=True)
    assert [(cost.what, list(cost.figures), cost.unit, cost.met is not None) for cost in costs] == [
        ("5 turns of 4 tokens at once, CPU", [BARE, OURS], "ms a turn", True),
        ("5 turns of 4 tokens at once, wall clock", [BARE, OURS], "ms a turn", False),
        ("5 turns of 4 tokens at once, how long the loop is held up (p99)", [BARE, OURS], "ms", False),
        ("an idle session after a turn of 4 tokens", [BARE, OURS, "of it ours"], "kB", True),
        ("200 unknown threads asked for", [""], "kB more", True),
        ("200 threads told something, 50 kept", [""], "kB more", True),
        ("the lines of a turn of 20 deltas, CPU", ["1 reader", "3 readers"], "µs a delta", False),
        ("the lines of a turn of 20 deltas, for 3 readers", [""], "encodings of an entry", True),
    ]
    assert [cost.met for cost in costs[3:6]] == [True, True, True]  # memory is no matter of the machine's load
    assert (costs[7].figures[""].middle, costs[7].met) == (1, True)
    assert QUICK.junk > QUICK.kept


async def test_both_run_the_same_turn() -> None:
    graph = speaking(4)
    await bare(graph, 1)
    async with SessionAdapter(graph) as adapter:
        turn = await adapter.get("thread-2").submit("hi")
        deltas = [event.text async for event in turn if isinstance(event, TextDelta)]
    assert deltas == ["word0 ", "word1 ", "word2 ", "word3 "]
    for thread_id in ("thread-1", "thread-2"):
        state = await graph.aget_state({"configurable": {"thread_id": thread_id}})
        assert [message.text for message in state.values["messages"] if isinstance(message, AIMessage)] == [
            "word0 word1 word2 word3 "
        ]


def test_the_command_knows_them() -> None:
    assert command.COSTS["sessions"] is sessions
