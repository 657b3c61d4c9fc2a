"""The pytest plugin gives `agent_run` to tests, and costs those that do not ask for it nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "test-your-agent.md"
PLUGIN = "langwire.testing.plugin"

# As an entry point it loads by itself, and a plugin cannot be loaded twice.
LOADS = [] if any(point.value == PLUGIN for point in entry_points(group="pytest11")) else ["-p", PLUGIN]


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = ["-q", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]
    command = [sys.executable, "-m", "pytest", *quiet, *LOADS, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def suite(folder: Path, text: str) -> Path:
    (folder / "test_agent.py").write_text(text, "utf-8")
    return folder


HEAVY = """
import sys

def test_nothing_heavy_is_loaded(request):
    rooms = {name.partition(".")[0] for name in sys.modules}
    assert "langwire.testing.plugin" in sys.modules
    assert not rooms & {"langgraph", "langchain_core", "pydantic", "msgspec"}
    assert request.getfixturevalue("agent_run") is not None
    assert "langgraph" in sys.modules
"""


def test_the_plugin_loads_nothing_heavy_before_the_fixture_is_used(tmp_path: Path) -> None:
    done = pytest_in(suite(tmp_path, HEAVY), "-p", "no:langsmith_plugin")
    assert "1 passed" in done.stdout, done.stdout


def test_the_plugin_itself_loads_langwire_alone() -> None:
    code = f"import pytest, sys; before = {{*sys.modules}}; import {PLUGIN}; print(*({{*sys.modules}} - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    rooms = {name.partition(".")[0] for name in done.stdout.split()}
    assert rooms - set(sys.stdlib_module_names) == {"langwire"}


FIXTURE = """
import asyncio
from langwire import approve
from langwire.demo.agents import build_approval, build_failing

def test_passes(agent_run):
    agent = build_approval(delay=0)
    assert agent_run(agent, "Write to Ann", answers={"send_email": approve()}).outcome == "complete"
    assert asyncio.run(agent_run.arun(agent, "Write to Ann")).outcome == "interrupted"

def test_fails(agent_run):
    run = agent_run(build_failing(delay=0), "Tell me a story", raise_errors=False)
    assert run.outcome == "complete"
"""


def test_a_test_that_fails_shows_its_runs_and_what_the_graph_raised(tmp_path: Path) -> None:
    done = pytest_in(suite(tmp_path, FIXTURE), "-W", "error", "-rP")
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    shown = done.stdout.partition("- agent run -")[2]
    assert "<AgentRun error ConnectionError('the model went away in the middle of a sentence'); 1 turn>" in shown
    assert "ConnectionError: the model went away" in shown
    assert "Traceback" in shown
    assert done.stdout.count("<AgentRun") == 1
    assert re.search(r"^… \d+ events before these\n(\w+\(.*\)\n){5}TurnEnd\(outcome='error'", shown, re.M), shown


BROKEN_OFF = """
import pytest
from langwire import approve
from langwire.demo.agents import build_approval, build_failing

def test_agent(agent_run):
    run = agent_run(build_failing(delay=0), "Tell me a story")
    assert run.calls() == []

def test_rule(agent_run):
    agent_run(build_approval(delay=0), "Write to Ann", answers={"send_email": lambda action: action.args["cc"]})

def test_answer(agent_run):
    agent_run(build_approval(delay=0), "Write to Ann", answers={"send_email": True})

@pytest.fixture
def story(agent_run):
    return agent_run(build_failing(delay=0), "Tell me a story")

def test_setup(story):
    pass

async def test_async_answer(agent_run):
    await agent_run.arun(build_approval(delay=0), "Write to Ann", answers={"send_email": True})

def test_hint(agent_run):
    assert agent_run(build_approval(delay=0), "Ann", answers={"send_mail": approve()}).text == "Sent."
"""


def test_a_run_that_breaks_off_is_shown_with_its_last_events(tmp_path: Path) -> None:
    """In a test and in a fixture, whatever raised: the agent, a rule, an answer that does not fit."""
    done = pytest_in(suite(tmp_path, BROKEN_OFF), "-o", "asyncio_mode=auto")
    assert re.search(r"^5 failed, .*1 error", done.stdout, re.M), done.stdout
    parts = re.split(r"^_+ (?:ERROR at setup of )?(test_\w+) _+$", done.stdout, flags=re.M)
    told = dict(zip(parts[1::2], parts[2::2], strict=True))
    shown = {name: text.partition("- agent run -")[2] for name, text in told.items()}
    asks = "<AgentRun interrupted; 1 turn; called send_email; asks send_email; "
    for name in ("test_agent", "test_setup"):
        assert "<AgentRun error ConnectionError(" in shown[name], name
        assert "TurnEnd(outcome='error'" in shown[name], name
        assert "Traceback" not in shown[name], name
        assert len(re.findall(r"^E +ConnectionError", told[name], re.M)) == 1, name
    for name in ("test_rule", "test_answer", "test_async_answer"):
        assert asks in shown[name], name
        assert "TurnEnd(outcome='interrupted'" in shown[name], name
    assert asks + "no rule for 'send_email'; rules given: 'send_mail'; " in shown["test_hint"]


def test_an_answer_that_does_not_fit_points_at_the_line_of_the_test(tmp_path: Path) -> None:
    done = pytest_in(suite(tmp_path, BROKEN_OFF), "-o", "asyncio_mode=auto", "-k", "answer or rule")
    assert done.stdout.count("InvalidDecision: a bool came for action 1 (send_email)") >= 2, done.stdout
    places = re.findall(r"^(\S+\.py):\d+: ", done.stdout, re.M)
    assert set(places) == {"test_agent.py"}, done.stdout


CHECKED = """
from langwire.events import TextDelta, TurnEnd, TurnStart
from langwire.testing import check_events

def test_grammar():
    check_events([TurnStart(turn_id="t"), TextDelta(id="m", text="hi"), TurnEnd(outcome="complete")])
"""


def test_check_events_points_at_the_line_of_the_test(tmp_path: Path) -> None:
    done = pytest_in(suite(tmp_path, CHECKED))
    assert "E       AssertionError: event 1, TextDelta(id='m', text='hi'): part: a text delta came" in done.stdout
    assert "test_agent.py:6: AssertionError" in done.stdout
    assert "_check.py" not in done.stdout


def test_the_example_suite_passes() -> None:
    done = pytest_in(ROOT, "examples/test_agents")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.M), done.stdout


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    files = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert [name for name, _ in files if name.startswith("test_")]
    for name, text in files:
        (tmp_path / name).write_text(text, "utf-8")
    done = pytest_in(tmp_path, "-W", "error", "-o", "asyncio_mode=auto")
    assert done.returncode == 0, done.stdout


def test_the_fixture_says_what_it_is(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "--fixtures")
    assert re.search(r"^agent_run\b.*\n +Run an agent to its end", done.stdout, re.M), done.stdout
