"""The `langwire` command: thin, over the rest.

Exit codes: 0 done, 1 failed (an agent that does not load included), 2 paused for a person, 64 called wrongly,
130 stopped with Ctrl-C. Standard output holds what was promised and nothing else; everything said beside it goes
to standard error, in one line.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Never

from langwire.adapters._shared.safe_terminal import safe_terminal
from langwire.errors import MissingExtra, UsageError

DONE, FAILED, PAUSED, USAGE, STOPPED = 0, 1, 2, 64, 130
DEMO, PORT, TURNS, DRAIN = "showcase", 8642, 100, 5
"""What `serve` takes where nothing is said."""
DELEGATE = ("delegating", "showcase")
"""The demo agents that have tasks without being asked."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are code 64, apart from a paused turn's 2."""

    def error(self, message: str) -> Never:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Raises `SystemExit` for `--help` and for usage errors."""
    _open_closed_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else Ctrl-C is ignored, or somebody else's
        signal.signal(signal.SIGINT, _stop)
    logging.getLogger("langwire.turns").addHandler(logging.NullHandler())  # what a turn failed of is said by us
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        say("stopped")
        return STOPPED
    except UsageError as error:
        say(str(error))
        return USAGE
    except OSError as error:  # a command raises no other one than that of writing its output
        return _output_lost(error)


def say(line: str) -> None:
    """Tell a person something that is not the output: one line on standard error, safe for a terminal."""
    with suppress(OSError):  # nobody listens there
        print(safe_terminal(f"langwire: {line}", keep_newlines=False), file=sys.stderr)


def _options(given: Sequence[str]) -> argparse.Namespace:
    parser, commands = _parser(tasks=given[:1] == ["tasks"])
    for words in (2, 1):
        command = commands.get(tuple(given[:words]))
        if command is not None:
            # By itself argparse wants all positionals in one row; people type `run SPEC --json MESSAGE`.
            return command.parse_intermixed_args(given[words:])
    return parser.parse_args(given)


def _parser(*, tasks: bool) -> tuple[argparse.ArgumentParser, dict[tuple[str, ...], argparse.ArgumentParser]]:
    """Return the parser, and those of its commands by their words. Those of `tasks` are loaded on request."""
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
        description="Run one turn of an agent and print it as it happens. At a terminal its questions are asked.",
        epilog="Exit codes: 0 done, 1 failed, 2 paused for a person, 64 called wrongly, 130 stopped with Ctrl-C "
        "(pressed twice, it does not wait for the step that runs).",
    )
    run.add_argument("spec", metavar="SPEC", help="file.py:graph or pkg.module:graph, also of a factory")
    run.add_argument("message", nargs="?", help="what to say; read from standard input when left out")
    run.add_argument("--json", action="store_true", help="print the events as JSON lines, in UTF-8")
    run.add_argument(
        "--thread",
        metavar="ID",
        help="the thread to go on with; at a terminal and without a message, from where it stands",
    )
    run.add_argument("--db", metavar="FILE", help="the SQLite file that keeps the threads of an agent that keeps none")
    run.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    run.set_defaults(run=_run)
    leaves = {("demo",): demo, ("run",): run, ("chat",): _add_chat(commands), ("serve",): _add_serve(commands)}

    about = "delegated work: list, show, watch, answer, cancel, retry, followup, worker"
    of_tasks = commands.add_parser("tasks", help=about, description="Look at delegated work, steer it, and do it.")
    if tasks:
        from langwire.commands.tasks import add_tasks

        leaves |= add_tasks(of_tasks)
    return parser, leaves


def _add_chat(commands: Any) -> argparse.ArgumentParser:
    chat = commands.add_parser(
        "chat",
        help="a conversation with an agent in the terminal",
        description="Talk with an agent in the terminal: /help there lists what can be done. Without a terminal every "
        "line of standard input is a message.",
        epilog="Exit codes: 0 left, 1 failed, 2 left with a question open, 64 called wrongly, 130 stopped with Ctrl-C "
        "(pressed twice, it does not wait for the step that runs).",
    )
    chat.add_argument("spec", metavar="SPEC", help="file.py:graph or pkg.module:graph, also of a factory")
    chat.add_argument("--thread", metavar="ID", help="the thread to go on with, also after the program was killed")
    chat.add_argument("--db", metavar="FILE", help="the SQLite file that keeps the threads of an agent that keeps none")
    chat.add_argument("--debug", action="store_true", help="show the tracebacks of failures")
    chat.set_defaults(run=_chat)
    return chat


def _add_serve(commands: Any) -> argparse.ArgumentParser:
    serve = commands.add_parser(
        "serve",
        help="an agent at an address: a page, the protocol, AG-UI",
        description="Serve an agent until Ctrl-C: a page at /, the protocol at /v1, AG-UI at /agui.",
        epilog="Exit codes: 0 stopped by SIGTERM, 1 failed, 64 called wrongly, 130 stopped with Ctrl-C (pressed twice, "
        "it does not wait for the step that runs).",
    )
    serve.add_argument("spec", metavar="SPEC", nargs="?", help="file.py:graph or pkg.module:graph, also of a factory")
    serve.add_argument(
        "--demo",
        metavar="NAME",
        nargs="?",
        const=DEMO,
        help="a demo agent instead, no key needed: showcase, assistant, approval, concierge, delegating, team or "
        f"failing ({DEMO})",
    )
    serve.add_argument("--port", type=_port, default=PORT, help=f"the port, 0 for any that is free ({PORT})")
    serve.add_argument(
        "--host", default="127.0.0.1", help="a name or address of this machine; of its loopback without --authorize"
    )
    serve.add_argument(
        "--authorize", metavar="SPEC", help="pkg.module:function, which takes a request and returns who asks"
    )
    serve.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="another site whose pages may ask, https://host; may be repeated",
    )
    serve.add_argument(
        "--db", metavar="FILE", help="the SQLite file that keeps the threads of an agent that keeps none"
    )
    serve.add_argument(
        "--tasks",
        metavar="FILE",
        help="let the agent delegate, and work on it: the SQLite file that keeps the tasks "
        "(with --demo, showcase and delegating have them in memory)",
    )
    _add_operations(serve)
    serve.set_defaults(run=_serve)
    return serve


def _add_operations(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--max-turns",
        type=_turns,
        default=TURNS,
        metavar="N",
        help=f"how many turns run at once, with --authorize a quarter of them for each who asks ({TURNS})",
    )
    serve.add_argument(
        "--drain",
        type=seconds,
        default=DRAIN,
        metavar="SECONDS",
        help=f"how long turns have to end by themselves when it is stopped ({DRAIN})",
    )
    serve.add_argument(
        "--log",
        choices=("lines", "json"),
        default="lines",
        help="what goes wrong in lines, or all that is logged as one JSON object a line, on standard error (lines)",
    )
    serve.add_argument(
        "--debug",
        action="store_true",
        help="show the tracebacks of failures; clients on this machine get the text of exceptions",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, not {text!r}")
    return int(text)


def _turns(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of turns, 1 or more, not {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """Read an option that says how long something takes."""
    with suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, not {text!r}")


def _demo(options: argparse.Namespace) -> int:
    from langwire.demo.tour import tour

    return tour(fast=options.fast)


def _run(options: argparse.Namespace) -> int:
    from langwire.commands.run import Request, run

    goes_on = options.message is None and options.thread and sys.stdin.isatty()
    message = None if goes_on else _message(options.message)
    return run(
        Request(
            spec=options.spec,
            message=message,
            thread=options.thread,
            db=options.db,
            as_json=options.json,
            debug=options.debug,
        )
    )


def _chat(options: argparse.Namespace) -> int:
    from langwire.commands.chat import Request, chat

    return chat(Request(spec=options.spec, thread=options.thread, db=options.db, debug=options.debug))


def _serve(options: argparse.Namespace) -> int:
    if (options.spec is None) == (options.demo is None):
        raise UsageError("serve expected one agent: langwire serve SPEC, or langwire serve --demo")
    try:
        from langwire.commands.serve import Service, serve
    except MissingExtra as error:
        say(str(error))
        return FAILED
    return serve(
        Service(
            spec=options.spec or f"langwire.demo:{options.demo}",
            host=options.host,
            port=options.port,
            db=options.db,
            tasks="" if options.tasks is None and options.demo in DELEGATE else options.tasks,
            authorize=options.authorize,
            origins=options.origin,
            max_turns=options.max_turns,
            drain=options.drain,
            log=options.log,
            debug=options.debug,
        )
    )


def _message(given: str | None) -> str:
    """The message of the command line, else that of standard input."""
    if given is None and sys.stdin.isatty():
        raise UsageError('run expected a message: langwire run SPEC "hello"')
    try:
        message = sys.stdin.read().strip() if given is None else given
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"run cannot read a message from standard input: {error}") from error
    if not message.strip():
        raise UsageError("run got an empty message: say something to the agent")
    return message


# ------------------------------------------------------------------ streams and signals


def _open_closed_streams() -> None:
    """A standard stream that was closed before we began reads as empty and swallows what is written."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  open until the process ends


def _output_lost(error: OSError) -> int:
    # What is left in the buffer would fail once more when Python flushes it at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
        return DONE
    say(f"cannot write to standard output: {error.strerror}")
    return FAILED


def _stop(number: int, frame: object) -> Never:
    """The first Ctrl-C. LangGraph lets a running step come to its end, which can take long: the next one leaves."""
    signal.signal(signal.SIGINT, leave)
    raise KeyboardInterrupt


def leave(number: int, frame: object, more: str = "") -> None:
    """The second Ctrl-C: end the program at once. `more` is a line about what one leaves."""
    shown = b"\x1b[?25h" if os.isatty(2) and os.environ.get("TERM") != "dumb" else b""  # what is drawn hides the cursor
    said = "".join(f"langwire: {line}\n" for line in ("stopped without waiting", more) if line)
    # Not `say`: the signal may have come in one.
    os.write(2, shown + b"\n" + safe_terminal(said).encode("utf-8", "backslashreplace"))
    os._exit(STOPPED)
