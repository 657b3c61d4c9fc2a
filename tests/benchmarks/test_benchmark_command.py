"""`python -m benchmarks` runs and prints tables. Nothing that it times is asserted."""

from __future__ import annotations

import json
import sys

import pytest
from benchmarks.peer import MISSING, library
from benchmarks.rounds import Spread, interleaved, ratio, spread
from benchmarks.streams import STREAMS

from benchmarks import __main__ as command


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--rounds", "1", *arguments])
    command.main()


def test_it_prints_two_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch)
    out = capsys.readouterr().out
    first_words = [line.split()[0] for line in out.splitlines() if line]
    assert [word for word in first_words if word in STREAMS] == [name for name in STREAMS for _ in range(2)]
    assert "import langwire" in out
    assert "tool result of 0.1 MB, parse + wire" in out
    assert (MISSING in out) == (library() is None)


def test_it_prints_a_table_for_a_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "--markdown", "tools")
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in table] == ["| stream", "| ---", "| tools", "| tools"]
    assert {line.count("|") for line in table} == {10}


def test_it_prints_figures_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "--json", "tools", "result")
    report = json.loads(capsys.readouterr().out)
    assert [(row["stream"], row["what"]) for row in report["rows"]] == [("tools", "parse"), ("tools", "parse + wire")]
    assert set(report["rows"][0]["over_floor"]) == {"low", "middle", "high"}
    assert [cost["unit"] for cost in report["costs"]] == ["copies of its text", "times its JSON"]


def test_an_unknown_name_is_answered_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "chats")
    assert "no benchmark is called 'chats': choose from chat, chat-v2, " in capsys.readouterr().err


def test_no_rounds_at_all_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "tools", "--rounds", "0")
    assert "got 0 rounds, expected at least one" in capsys.readouterr().err


def test_contenders_take_turns_in_going_first() -> None:
    ran: list[str] = []
    taken = interleaved({name: lambda name=name: ran.append(name) for name in ("a", "b", "c")}, 3)
    assert "".join(ran) == "abcbcacab"
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratio([1, 20, 3, 40, 5], [1, 10, 1, 10, 1]) == Spread(2, 3, 4)
    assert ratio([3], [2], by=2) == Spread(3, 3, 3) == spread([3])
