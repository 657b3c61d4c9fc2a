"""The tour shows each kind of thing, in columns that fit, and ends by itself."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from langwire.demo import tour as tour_module
from langwire.demo.tour import tour
from langwire.testing.model import ScriptedModel


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, columns: int = 100, file: io.StringIO | None = None) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    page = file or io.StringIO()
    assert tour(fast=True, file=page) == 0
    return page.getvalue()


def test_the_tour_shows_events_beside_what_they_render_to(monkeypatch: pytest.MonkeyPatch) -> None:
    page = shown(monkeypatch)
    rows = [
        "  TurnStart\n",
        "  ReasoningDelta                  ~ They wrote: 'Plan a day in Rome for me'.",
        "  ToolCallEnd get_weather         -> get_weather(",
        "  ToolResult error                !! book_table: ",
        "  Interrupt                       ?? send_email(",
        "                                     allowed: approve, edit, reject, respond\n",
        "  (the tour approves by itself: await session.resume(",
        "  ToolResult ok                   <- send_email: Sent to ann@example.org.\n",
        "  SubagentStart ",
        "] [begins]\n",
        "  SubagentEnd tools               [research",
        "] [ends]\n",
        "  TaskUpdate queued               [task] weekend (",
        "  TaskUpdate review_needed        [task] letter (",
        '  Interrupt                       ?? send_email({"to":"ann@example.org","subject":"The\n',
        "  (the tour approves by itself: await runner.resume(",
        "  ToolResult ok                   <- wait_for_tasks: Task ",
        "                                  - **letter:** Done. Sent to ann@example.org.\n",
        "  TaskUpdate done                 [task] weekend (",
        "  TextEnd                         [cut off]\n",
        "  TurnEnd error                   !! ConnectionError: ",
    ]
    assert [row for row in rows if row not in page] == []
    assert sorted(rows[3:], key=page.index) == rows[3:]


def test_each_chapter_ends_with_its_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    page = shown(monkeypatch, 200)
    ends = [line.strip() for line in page.splitlines() if line.startswith("  transcript: ")]
    assert [end.split(" | ")[:2] for end in ends] == [
        ["transcript: outcome complete", "calls write_todos, get_weather, find_trains, write_todos, book_table"],
        ["transcript: outcome complete", "calls send_email"],
        ["transcript: outcome complete", "calls research, research, search_notes, search_notes"],
        [
            "transcript: outcome complete",
            "calls start_async_task, start_async_task, start_async_task, wait_for_tasks",
        ],
        ["transcript: outcome error", "calls none"],
    ]
    assert "  text: Done. Sent to ann@example.org.\n" in page


@pytest.mark.parametrize("columns", [20, 40, 67, 68, 100, 200])
def test_every_line_fits_and_ends_with_a_word(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, columns).splitlines()
    assert [line for line in lines if len(line) > columns or line != line.rstrip()] == []


def test_where_two_columns_do_not_fit_the_right_one_goes_below(monkeypatch: pytest.MonkeyPatch) -> None:
    page = shown(monkeypatch, 40)
    assert "  ReasoningDelta\n      ~ They wrote: 'Plan a day in Rome\n      for me'." in page
    assert '      write_todos({"todos":[{"content":"\n      Check the\n' in page


def test_only_a_terminal_gets_styles_and_nobody_who_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in shown(monkeypatch)
    assert "\x1b[1m1. An agent thinks" in shown(monkeypatch, file=Screen())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(monkeypatch, file=Screen())


@pytest.mark.parametrize(
    ("installed", "at", "called"),
    [
        ("bin/langwire", "/elsewhere", "langwire"),
        ("", "here/.venv/bin", ".venv/bin/langwire"),
        ("", "/elsewhere", "/elsewhere/langwire"),
    ],
)
def test_the_tour_ends_with_what_can_be_typed_next(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    installed: str,
    at: str,
    called: str,
) -> None:
    """Whether or not the virtual environment is activated."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(shutil, "which", lambda _: installed or None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / at / "python"))
    assert tour(fast=True) == 0
    told = capsys.readouterr().out
    assert "That was it. Next:" in told
    assert told.splitlines()[-1].startswith(f"  {called} serve --demo ")


def test_tokens_can_be_watched_unless_it_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: set[float] = set()
    whole = tour_module.build_assistant

    def build(delay: float) -> object:
        delays.add(delay)
        return whole(0)

    monkeypatch.setattr(tour_module, "build_assistant", build)
    for name in ("build_team", "build_failing"):
        monkeypatch.setattr(tour_module, name, build)
    for name in ("build_approval", "build_delegating"):
        pausing = getattr(tour_module, name)
        monkeypatch.setattr(tour_module, name, lambda delay, pausing=pausing: [delays.add(delay), pausing(0)][1])
    tour(file=io.StringIO())
    assert delays == {tour_module.DELAY}
    tour(fast=True, file=io.StringIO())
    assert delays == {tour_module.DELAY, 0.0}


def test_ctrl_c_ends_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    page = io.StringIO()
    monkeypatch.setattr(ScriptedModel, "_astream", stopped)
    with pytest.raises(KeyboardInterrupt):
        tour(fast=True, file=page)
    assert page.getvalue().endswith("\n")
    assert "That was it" not in page.getvalue()
