"""Figures as a table, for a terminal or for a page."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.comparison import Row
from benchmarks.costs import Cost
from benchmarks.rounds import Spread

STREAMS_HEADER = (
    "stream",
    "what",
    "µs a chunk",
    "µs an event",
    "times the floor",
    "speed a chunk",
    "speed an event",
    "goal",
    "met",
)
COSTS_HEADER = ("what", "sizes", "figures", "unit", "growth", "goal", "met")
_MET = {None: "", True: "yes", False: "no"}


def stream_cells(row: Row) -> tuple[str, ...]:
    """Return a row as the cells under `STREAMS_HEADER`."""
    return (
        row.stream,
        row.what,
        number(row.us_a_chunk.middle),
        number(row.us_an_event.middle),
        times(row.over_floor),
        times(row.speed_a_chunk),
        times(row.speed_an_event),
        row.goal or "",
        _MET[row.met],
    )


def cost_cells(cost: Cost) -> tuple[str, ...]:
    """Return a cost as the cells under `COSTS_HEADER`."""
    return (
        cost.what,
        " / ".join(cost.figures),
        " / ".join(number(figure.middle) for figure in cost.figures.values()),
        cost.unit,
        times(cost.growth),
        cost.goal or "",
        _MET[cost.met],
    )


def times(spread: Spread | None) -> str:
    """Return a ratio between its quartiles."""
    return "" if spread is None else f"{number(spread.middle)}x ({number(spread.low)}-{number(spread.high)})"


def number(value: float) -> str:
    """Return a number with two or three digits that count."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns stand under each other."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))
