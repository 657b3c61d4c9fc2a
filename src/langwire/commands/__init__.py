"""The `langwire` command: thin, over the rest.

Exit codes: 0 done, 1 failed (an agent that does not load included), 2 paused for a person, 64 called wrongly,
130 stopped with Ctrl-C. Standard output holds what was promised and nothing else; everything said beside it goes
to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Never

DONE, FAILED, PAUSED, USAGE, STOPPED = 0, 1, 2, 64, 130


class _Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are code 64, apart from a paused turn's 2."""

    def error(self, message: str) -> Never:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Raises `SystemExit` for `--help` and for usage errors."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("langwire: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="langwire", description="Watch any LangGraph agent work, as one stream of typed events.")
    parser.add_argument("--version", action="version", version=f"langwire {version('langwire')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="a guided tour, no key needed",
        description="A guided tour: real agents on scripted models, their events beside what they render to.",
    )
    demo.add_argument("--fast", action="store_true", help="do not wait between tokens")
    demo.set_defaults(run=_demo)

    run = commands.add_parser(
        "run",
        help="one turn of an agent in the terminal",
        description="Run one turn of an agent and print it as it happens.",
        epilog="exit codes: 0 done, 1 failed, 2 paused for a person, 64 called wrongly, 130 stopped with Ctrl-C",
    )
    run.add_argument("spec", metavar="SPEC", help="file.py:graph or pkg.module:graph, also of a factory")
    run.add_argument("message", nargs="?", help="what to say; read from standard input when left out")
    run.add_argument("--json", action="store_true", help="print the events as JSON lines")
    run.add_argument("--thread", metavar="ID", help="the thread to go on with, if the agent keeps threads")
    run.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    run.set_defaults(run=_run)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from langwire.demo.tour import tour

    return tour(fast=options.fast)


def _run(options: argparse.Namespace) -> int:
    from langwire.commands.run import run

    message = options.message
    if message is None:
        if sys.stdin.isatty():
            print('langwire run: expected a message: langwire run SPEC "hello"', file=sys.stderr)
            return USAGE
        message = sys.stdin.read().strip()
    if not message:
        print("langwire run: the message is empty: say something to the agent", file=sys.stderr)
        return USAGE
    return run(options.spec, message, as_json=options.json, thread=options.thread, debug=options.debug)
