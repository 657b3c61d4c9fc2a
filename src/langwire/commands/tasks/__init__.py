"""`langwire tasks`: delegated work from the terminal. All it needs is the SQLite file that the tasks are kept in."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from langwire.commands import seconds
from langwire.commands.tasks._file import PREFIX, over_the_file
from langwire.commands.tasks._show import list_tasks, show
from langwire.commands.tasks._steer import answer, cancel, followup, retry
from langwire.commands.tasks._watch import watch
from langwire.commands.tasks._worker import worker
from langwire.tasks.states import STATES

DATABASE = "langwire.db"
_CODES_TOLD = "Exit codes: 0 done, 1 failed, 2 paused for a person, 64 called wrongly, 130 stopped with Ctrl-C."

_Leaves = dict[tuple[str, ...], argparse.ArgumentParser]


def add_tasks(tasks: argparse.ArgumentParser) -> _Leaves:
    """Give the parser of `langwire tasks` its commands; return their parsers by the words that call them."""
    commands = tasks.add_subparsers(metavar="COMMAND", required=True)
    leaves: _Leaves = {}
    for name, (run, about, add_options) in _COMMANDS.items():
        leaf = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=_CODES_TOLD)
        add_options(leaf)
        leaf.add_argument(
            "--db", metavar="FILE", default=DATABASE, help=f"the SQLite file that keeps the tasks ({DATABASE})"
        )
        leaf.set_defaults(run=run)
        leaves["tasks", name] = leaf
    return leaves


# ------------------------------------------------------------------ the options


def _list_options(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("--state", choices=STATES, action="append", default=[], help="in this state; may be repeated")
    leaf.add_argument("--agent", metavar="NAME", help="of this agent, or handler")
    leaf.add_argument("--root", metavar="ID", help="of the family of this task, or below this thread:… or plan:…")
    leaf.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many (50)")
    leaf.add_argument(
        "--before", type=_count, metavar="N", help="the next page: the number that the last one ended with"
    )
    leaf.add_argument("--json", action="store_true", help="a task's whole record as JSON, one a line, in UTF-8")


def _id_option(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("id", metavar="ID", help=f"the task's id, or how it begins ({PREFIX} characters or more)")


def _show_options(leaf: argparse.ArgumentParser) -> None:
    _id_option(leaf)
    leaf.add_argument("--json", action="store_true", help="its record, the tasks below it and its events, as JSON")


def _watch_options(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("id", metavar="ID", nargs="?", help="the task to watch to its end, with those below it")
    leaf.add_argument("--events", action="store_true", help="tell what the task does, as `langwire run` tells a turn")


def _answer_options(leaf: argparse.ArgumentParser) -> None:
    _id_option(leaf)
    leaf.add_argument("--interrupt", metavar="ID", help="only this question; else all that are open get the answer")
    answers = leaf.add_mutually_exclusive_group()
    answers.add_argument("--approve", action="store_true", help="let it be done")
    answers.add_argument("--reject", metavar="TEXT", help="do not let it be done, and say why")
    answers.add_argument("--respond", metavar="TEXT", help="this is the result, as if it had been done")
    answers.add_argument("--edit", metavar="JSON", help="let it be done with these arguments, all of them")
    answers.add_argument("--value", metavar="JSON", help="the answer itself, JSON or text")


def _cancel_options(leaf: argparse.ArgumentParser) -> None:
    _id_option(leaf)
    leaf.add_argument("--reason", metavar="TEXT", default="", help="kept with the task")
    leaf.add_argument("--wait", type=seconds, default=5.0, metavar="SECONDS", help="how long to wait for its end (5)")


def _followup_options(leaf: argparse.ArgumentParser) -> None:
    _id_option(leaf)
    leaf.add_argument("message", metavar="MESSAGE", help="what to say to it")


def _worker_options(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument(
        "specs", metavar="SPEC", nargs="+", help="file.py:graph or pkg.module:graph; NAME=SPEC for several agents"
    )
    leaf.add_argument("--name", default="main", help="under which name tasks know the agent of a bare SPEC (main)")
    leaf.add_argument("--concurrency", type=_count, default=3, metavar="N", help="at most so many tasks at once (3)")
    leaf.add_argument(
        "--lease",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="others take over when it is silent for so long (30)",
    )
    leaf.add_argument(
        "--until-idle", action="store_true", help="end when what is left waits for a person, or for a time to come"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number, 1 or more, not {text!r}")
    return int(text)


_COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str, Callable[[argparse.ArgumentParser], None]]] = {
    "list": (over_the_file(list_tasks), "the tasks, the newest first", _list_options),
    "show": (over_the_file(show), "all that is known of a task, and what it has told", _show_options),
    "watch": (over_the_file(watch), "tasks as they change, to the end of one, or until Ctrl-C", _watch_options),
    "answer": (over_the_file(answer), "answer what a task asks a person", _answer_options),
    "cancel": (over_the_file(cancel), "stop a task and those below it", _cancel_options),
    "retry": (over_the_file(retry), "try a task again that failed or was cancelled", _id_option),
    "followup": (over_the_file(followup), "say something more to a task's agent", _followup_options),
    "worker": (worker, "work on tasks until Ctrl-C or SIGTERM, which gives them back", _worker_options),
}
