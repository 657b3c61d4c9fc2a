"""What an agent does when something breaks: its model, its disk, the patience of whoever waits."""

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langwire import approve
from langwire.demo.agents import build_approval, build_assistant, build_failing
from langwire.testing import Fault, faulty


def test_a_model_that_breaks_off_ends_the_turn(agent_run):
    with pytest.raises(ConnectionError, match="the model went away"):
        agent_run(build_failing(delay=0), "Tell me a story")
    (run,) = agent_run.runs
    assert run.outcome == "error"
    assert run.problems == []


def test_a_full_disk_ends_the_turn_before_anything_is_sent(agent_run):
    agent = build_approval(delay=0)
    agent.checkpointer = faulty(InMemorySaver(), Fault(at=2, error=OSError("disk full")), "put")
    run = agent_run(agent, "Tell Ann that I am late", answers={"send_email": approve()}, raise_errors=False)
    assert run.outcome == "error"
    assert str(run.error) == "disk full"
    assert run.results("send_email") == []


def test_a_run_that_hangs_can_be_stopped(agent_run):
    hangs = Fault(at=3)
    agent = faulty(build_assistant(delay=0), hangs, "astream")

    async def stop_it():
        running = asyncio.create_task(agent_run.arun(agent, "Plan a day in Oslo"))
        await hangs.reached
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop_it())
