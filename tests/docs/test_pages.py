"""The docs say what the code is: tables made from it are current, names exist, links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from doc_pages import PAGES, ROOT, blocks_of
from reference_page import BEGIN, END, README, REFERENCE, event_groups, readme_with_table, reference

import langwire
from langwire import errors
from langwire.adapters._shared.refusals import TABLE
from langwire.adapters.agui._refusals import code_of
from langwire.core.conformance import Rule
from langwire.events import Event
from langwire.tasks.states import STATES

ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
STALE = "run `python tests/docs/reference_page.py`"


def test_the_readme_names_every_event_once_in_its_table() -> None:
    table = README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.M)) == sorted(event.__name__ for event in get_args(Event))


def test_the_event_table_of_the_readme_is_made_from_the_docstrings() -> None:
    readme = README.read_text("utf-8")
    assert readme_with_table(readme) == readme, STALE


def test_the_reference_is_made_from_the_docstrings() -> None:
    assert reference() == REFERENCE.read_text("utf-8"), STALE


def test_the_reference_has_every_event_every_public_name_and_every_error() -> None:
    page = REFERENCE.read_text("utf-8")
    headings = set(re.findall(r"^### `(\w+)", page, re.M))
    assert headings >= {event.__name__ for group in event_groups().values() for event in group}
    assert headings >= {name for name in langwire.__all__ if name != "__version__"}
    assert all(name in page for name, value in vars(errors).items() if isinstance(value, type))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file_of_the_project(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text("utf-8"))}
    assert linked == {page for page in PAGES if page not in (README, index)}


@pytest.mark.parametrize("adr", ADRS, ids=lambda adr: adr.stem)
def test_a_decision_says_why_what_follows_and_what_was_turned_down_on_one_page(adr: Path) -> None:
    text = adr.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences", "Turned down"]
    assert "\nGood: " in text
    assert "\nBad: " in text
    assert text.startswith(f"# {adr.name[:4]} ")
    assert len(text.splitlines()) <= 50


def test_decisions_are_numbered_without_holes() -> None:
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_grammar_page_names_every_rule() -> None:
    page = (ROOT / "docs" / "explanation" / "grammar.md").read_text("utf-8")
    assert set(re.findall(r"`([a-z-]+)`", page)) >= set(get_args(Rule))


def test_each_invariant_of_tasks_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "tasks.md").read_text("utf-8")
    rows = re.findall(r"^\| I(\d+) \| .* \| (.*) \|$", page, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 16))
    files = [*(ROOT / "tests" / "tasks").glob("*.py"), *(ROOT / "src/langwire/testing").glob("_task_*.py")]
    known = set(re.findall(r"def (test_\w+)", "\n".join(file.read_text("utf-8") for file in files)))
    for _, proof in rows:
        named = re.findall(r"`(test_\w+)`", proof)
        assert named
        assert set(named) <= known


def test_the_tasks_page_draws_the_states_as_the_code_does() -> None:
    page = (ROOT / "docs" / "explanation" / "tasks.md").read_text("utf-8")
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.M)))
    assert described == list(STATES)


def test_the_make_targets_that_the_pages_show_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    shells = [block.text for page in PAGES for block in blocks_of(page.read_text("utf-8")) if block.language == "sh"]
    shown = set(re.findall(r"^make (\w+)", "\n".join(shells), re.M))
    assert shown >= {"demo", "test", "check", "soak"}
    assert shown <= targets


def test_the_readme_names_the_versions_that_the_package_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    floor = next(item for item in project["dependencies"] if item.startswith("langgraph>="))
    readme = README.read_text("utf-8")
    pythons = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert f"langgraph {floor.partition('>=')[2]} or newer" in readme
    assert f"Python {pythons[0]} to {pythons[-1]}" in readme


# What only the other protocol and the board of tasks can refuse.
NOT_OVER_AG_UI = {"illegal_move", "task_refused", "too_deep", "unknown_task", "unsupported"}


def test_the_ag_ui_page_has_every_code_of_a_refusal() -> None:
    page = (ROOT / "docs" / "explanation" / "ag-ui.md").read_text("utf-8")
    shared = ROOT / "src/langwire/adapters/_shared"
    files = [*(ROOT / "src/langwire/adapters/agui").glob("*.py"), shared / "web.py"]
    source = "\n".join(path.read_text("utf-8") for path in files)
    codes = set(re.findall(r'\b[45]\d\d,\s*"(\w+)"', source)) - {"client_closed_request"}  # nobody is left to read that
    codes |= {code_of(kind.__name__) for kind in TABLE}
    assert len(codes) > 20
    assert codes - NOT_OVER_AG_UI <= set(re.findall(r"`(\w+)`", page))
