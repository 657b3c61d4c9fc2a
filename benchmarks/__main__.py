"""`python -m benchmarks`: prints what langwire costs, beside a floor, a peer and the project's goals.

All contenders of a stream run once a round, each round another one first. Ratios are taken within a round; shown is
their median, with the quartiles. Absolute times are those of the machine and of the moment: compare the ratios.
"""

from __future__ import annotations

import argparse
import sys
from platform import python_version

import msgspec

from benchmarks import costs
from benchmarks.agui import agui
from benchmarks.comparison import Row, compare
from benchmarks.costs import Cost
from benchmarks.peer import MISSING, Peer, library, version
from benchmarks.server import server
from benchmarks.sessions import sessions
from benchmarks.streams import STREAMS
from benchmarks.table import COSTS_HEADER, STREAMS_HEADER, aligned, cost_cells, markdown, stream_cells
from benchmarks.tasks import tasks

COSTS = {**costs.COSTS, "sessions": sessions, "agui": agui, "tasks": tasks, "server": server}
_NAMES = [*STREAMS, *COSTS]


class Report(msgspec.Struct):
    """All that was measured, beside which version of the peer; `notes` say where that is not comparable."""

    rounds: int
    peer: str | None
    rows: list[Row] = []
    costs: list[Cost] = []
    notes: list[str] = []


def main() -> None:
    options = _options()
    report = _measure(options.names or _NAMES, options.rounds, quick=options.quick)
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        print(_shown(report, as_markdown=options.markdown))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="name", help=f"what to measure: {', '.join(_NAMES)}")
    parser.add_argument("--rounds", type=int, default=15, help="how often to run each contender: 15")
    parser.add_argument("--quick", action="store_true", help="short streams: whether it runs, not what it costs")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the figures as JSON, each with its quartiles")
    output.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    options = parser.parse_intermixed_args()
    if options.rounds < 1:
        parser.error(f"got {options.rounds} rounds, expected at least one")
    return options


def _known(name: str) -> str:
    if name not in _NAMES:
        raise argparse.ArgumentTypeError(f"no benchmark is called {name!r}: choose from {', '.join(_NAMES)}")
    return name


def _measure(names: list[str], rounds: int, *, quick: bool) -> Report:
    parser = library()
    report = Report(rounds, version()) if parser is not None else Report(rounds, None, notes=[MISSING])
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        if name in COSTS:
            report.costs += COSTS[name](rounds, quick=quick)
            continue
        make, size = STREAMS[name]
        stream = make(max(2, size // 100) if quick else size)
        peer = Peer(parser, stream) if parser is not None else None
        report.rows += compare(name, stream, peer, rounds)
        if peer is not None:
            report.notes += [f"{name}: the peer {note}" for note in peer.notes(stream.told)]
    return report


def _shown(report: Report, *, as_markdown: bool) -> str:
    table = markdown if as_markdown else aligned
    about = f"Python {python_version()}, {report.rounds} rounds, medians (quartiles). The floor only takes the text out"
    parts = [f"{about}; speed 1x: langgraph-stream-parser {report.peer}." if report.peer else f"{about}."]
    if report.rows:
        parts.append(table(STREAMS_HEADER, [stream_cells(row) for row in report.rows]))
    if report.notes:
        parts.append("\n".join(f"- {note}" for note in report.notes))
    if report.costs:
        parts.append(table(COSTS_HEADER, [cost_cells(cost) for cost in report.costs]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
