"""The pytest plugin: gives tests the fixture `agent_run`, and loads nothing of LangGraph before a test asks for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from langwire.testing import AgentRun, AgentRunner

_RUNNER: pytest.StashKey[AgentRunner] = pytest.StashKey()


@pytest.fixture
def agent_run(request: pytest.FixtureRequest) -> AgentRunner:
    """Run an agent to its end and return what it did: `langwire.testing.run_agent`, async as `agent_run.arun`."""
    from langwire.testing import AgentRunner

    runner = request.node.stash[_RUNNER] = AgentRunner()
    return runner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """Show the runs of a test that fails: an assert about one field of a run does not say which run it was."""
    report: pytest.TestReport = yield
    runner = item.stash.get(_RUNNER, None)
    if report.when == "call" and report.failed and runner is not None:
        report.sections += [("agent run", "".join(_shown(run))) for run in runner.runs]
    return report


def _shown(run: AgentRun) -> Iterator[str]:
    yield f"{run!r}\n"
    if run.error is not None:
        yield from format_exception(run.error)
