"""What an agent streams: its calls and results, its words as they come, and the work of its subagents."""

import asyncio

from langgraph.checkpoint.memory import InMemorySaver

from langwire.demo.agents import build_assistant, build_team
from langwire.events import TextDelta


def test_looks_up_weather_and_trains_for_the_city_that_was_asked_for(agent_run):
    run = agent_run(build_assistant(delay=0), "Plan a day in Oslo")
    assert run.calls("get_weather") == [{"city": "Oslo"}]
    assert run.calls("find_trains") == [{"to": "Oslo"}]
    assert "crisp and clear" in run.text
    assert run.problems == []


def test_says_so_when_there_is_no_table(agent_run):
    run = agent_run(build_assistant(delay=0), "Plan a day in Oslo")
    (booking,) = run.results("book_table")
    assert booking.status == "error"
    assert "picnic" in run.text


def test_streams_its_answer_word_by_word(agent_run):
    run = agent_run(build_assistant(delay=0), "Plan a day in Oslo")
    words = [event.text for event in run.events if isinstance(event, TextDelta)]
    assert len(words) > 20
    assert "".join(words).endswith("Have a lovely day!")


def test_knows_in_the_second_turn_that_there_was_a_first(agent_run):
    agent = build_assistant(delay=0)
    agent.checkpointer = InMemorySaver()  # without one, each run is on its own
    thread = {"configurable": {"thread_id": "1"}}
    agent_run(agent, "Plan a day in Oslo", thread)
    assert agent_run(agent, "Thank you!", thread).text.startswith('You said: "Thank you!"')


def test_two_researchers_work_for_the_lead(agent_run):
    run = asyncio.run(agent_run.arun(build_team(delay=0), "What is there in Rome?"))
    assert [call["topic"] for call in run.calls("research")] == ["food", "sights"]
    assert len(run.transcript.subagents) == 2
    assert run.problems == []
