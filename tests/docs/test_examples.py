"""What the README, the docs and the examples show is run as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, blocks_of, run_page

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_every_code_block_is_of_a_kind_that_is_run_or_shown() -> None:
    kinds = {(page.name, block.language) for page in PAGES for block in blocks_of(page.read_text("utf-8"))}
    assert {kind for _, kind in kinds} <= {"python", "sh", "output", "text"}
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
    "own_sink.py": ["   1 TurnStart", "   5 ToolResult", "complete: first text after"],
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


def test_there_is_something_to_expect_of_each_example() -> None:
    assert [example.name for example in EXAMPLES] == sorted(SHOWN)
