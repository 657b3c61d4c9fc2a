"""The pytest plugin: gives tests the fixture `agent_run`, and loads nothing of LangGraph before a test asks for it.

It also loads in a pytest that is older than itself: no names of pytest 7 or later, no wrappers of pluggy 1.2.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from langwire.testing import AgentRun, AgentRunner

_RUNNER = "_langwire_agent_runner"
_LAST = 6
"""How many events of a run are shown."""


@pytest.fixture
def agent_run(request: pytest.FixtureRequest) -> AgentRunner:
    """Run an agent to its end and return what it did: `langwire.testing.run_agent`, async as `agent_run.arun`."""
    from langwire.testing import AgentRunner

    runner = AgentRunner()
    setattr(request.node, _RUNNER, runner)
    return runner


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    """Show the runs of a test that fails: an assert about one field of a run does not say which run it was."""
    report = (yield).get_result()
    runner: AgentRunner | None = getattr(item, _RUNNER, None)
    if report.failed and runner is not None:
        raised = call.excinfo and call.excinfo.value
        report.sections += [("agent run", "\n".join(_shown(run, raised))) for run in runner.runs]


def _shown(run: AgentRun, raised: BaseException | None) -> Iterator[str]:
    """Yield the lines that tell of a run; what the test itself `raised` stands there already."""
    from langwire.testing._check import short

    yield repr(run)
    events = run.events
    if len(events) > _LAST:
        yield f"… {len(events) - _LAST} events before these"
    yield from map(short, events[-_LAST:])
    if run.error is not None and run.error is not raised:
        yield "".join(format_exception(run.error))
