"""What the README, the docs and the examples show is run as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, blocks_of, run_page

SERVERS = {"fastapi_app.py"}
"""Examples that end when they are stopped; each has a test of its own."""
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name not in SERVERS)


@pytest.mark.filterwarnings("ignore:Deprecated in traitlets:DeprecationWarning")  # of the oldest anywidget
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_every_code_block_is_of_a_kind_that_is_run_or_shown() -> None:
    kinds = {(page.name, block.language) for page in PAGES for block in blocks_of(page.read_text("utf-8"))}
    assert {kind for _, kind in kinds} <= {"python", "sh", "output", "text", "nginx"}
    fences = sum(page.read_text("utf-8").count("```") for page in PAGES)
    blocks = sum(1 for page in PAGES for _ in blocks_of(page.read_text("utf-8")))
    assert fences == 2 * blocks


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```python\nraise ValueError('no')\n```\n", "no"),
        ("```python\nprint('one')\n```\n\n```output\ntwo\n```\n", "two"),
        ("```sh\nlangwire nonsense\n```\n", "64"),
        ("```sh\nlangwire --version  # exit code 2\n```\n", "not 2"),
    ],
)
def test_a_page_that_says_what_is_not_so_fails(page: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page, "utf-8")
    with pytest.raises((AssertionError, ValueError), match=complaint):
        run_page(path, tmp_path)


SHOWN = {
    "approve.py": [
        "<- send_email: Sent to ann@example.org.",
        "!! send_email: You said no: mail goes to example.org only.",
    ],
    "delegate.py": [
        "The news: queued\nThe news: ongoing\n",
        "  Count the headline: done\n",
        "  Publish it: review_needed\n    publish {'title': 'Harbour opens again'}: approved by rule\n",
        "  Publish it: done\nThe news: ongoing\nThe news: done\n",
        "Count the teaser, done in attempt 1: 8 words\n",
        "All is done: 3 words, 8 words, Harbour opens again is out\n",
    ],
    "own_sink.py": ["   1 TurnStart", "   5 ToolResult", "complete: first text after"],
    "plan_chain.py": [
        "facts, done: The lighthouse was built in 1927.\n",
        "article, done: The lighthouse was built in 1927. So come and see.\n",
        "attempts after the second call: {'facts': 1, 'draft': 1, 'article': 1}\n",
    ],
    "plan_fan_out.py": [
        "oslo, done: cold ['oslo.md']\n",
        "report, done: 3 cities in ",
        "Lisbon is steep, and full of trams.\nOslo is cold, and full of boats.\nRome is old, and full of cats.\n",
    ],
    "wrap.py": ["TurnStart(", "TextDelta(", "TurnEnd(outcome='complete'"],
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_ends_by_itself_without_a_terminal(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in SHOWN[example.name] if line not in done.stdout] == []


@pytest.mark.skipif(os.name != "posix", reason="closes standard input by a shell")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_ends_by_itself_with_standard_input_closed(example: Path, tmp_path: Path) -> None:
    """Python has no `sys.stdin` then."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$1" <&-', sys.executable, str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_there_is_something_to_expect_of_each_example() -> None:
    assert [example.name for example in EXAMPLES] == sorted(SHOWN)
