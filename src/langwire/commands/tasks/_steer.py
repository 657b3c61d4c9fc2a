"""Steers a task: answers what it asks, cancels it, tries it again, says something more to it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, cast

from langwire.adapters.cli.asking import Left, ask
from langwire.commands import DONE, FAILED, PAUSED, say
from langwire.commands.tasks._file import find
from langwire.commands.tasks._words import SHORT, name_of, print_lines, print_questions
from langwire.core.interrupts import BREAKPOINT, Decision, approve, edit, reject, respond
from langwire.errors import UsageError
from langwire.events import Interrupt
from langwire.tasks.client import TaskClient


async def cancel(client: TaskClient, options: argparse.Namespace) -> int:
    """Ask a task to stop, and wait a while for its end."""
    task = await find(client, options.id)
    ended = await client.cancel(task.id, options.reason, wait=options.wait)
    if ended is True:
        print_lines(f"{name_of(task)}: cancelled")
        return DONE
    if ended == "stopping":
        say(f"{name_of(task)} was asked to stop and has not yet: it will when its code yields, or its worker is missed")
    else:
        say(f"{name_of(task)} had ended before: it is {(await client.get(task.id)).state}")
    return FAILED


async def retry(client: TaskClient, options: argparse.Namespace) -> int:
    """Queue a task again that failed or was cancelled."""
    task = await find(client, options.id)
    if await client.retry(task.id):
        print_lines(f"{name_of(task)}: queued again")
        return DONE
    say(f"{name_of(task)} is {task.state}: only what failed or was cancelled can be tried again")
    return FAILED


async def followup(client: TaskClient, options: argparse.Namespace) -> int:
    """Send a message to a task's agent."""
    task = await find(client, options.id)
    if await client.followup(task.id, options.message):
        print_lines(f"{name_of(task)}: told")
        return DONE
    say(f"{name_of(task)} takes no message: it is a handler's, or is being cancelled")
    return FAILED


# ------------------------------------------------------------------ answer


async def answer(client: TaskClient, options: argparse.Namespace) -> int:
    """Answer the open questions of a task: as the options say, else as the person at the terminal does."""
    task = await find(client, options.id)
    asked = [each for each in task.interrupts if options.interrupt in (None, each.id)]
    if not asked or task.state != "review_needed":
        say(f"{name_of(task)} does not ask that: it is {task.state}; if it did, somebody was faster")
        return FAILED
    try:
        answers = _asked_for(asked) if _nothing_given(options) else {each.id: _given(each, options) for each in asked}
    except Left:
        say(f"left waiting: langwire tasks answer {task.id[:SHORT]} asks again")
        return PAUSED
    if not await client.resume(task.id, answers):
        say(f"somebody was faster: {name_of(task)} had its answer")
        return FAILED
    left = len((await client.get(task.id)).interrupts)
    print_lines(f"{name_of(task)}: answered{f', {left} more to answer' if left else ''}")
    return DONE


def _nothing_given(options: argparse.Namespace) -> bool:
    return not options.approve and {options.reject, options.respond, options.edit, options.value} == {None}


def _asked_for(questions: Sequence[Interrupt]) -> dict[str, Any]:
    """Ask whoever is at the terminal. A breakpoint is left by going on, which is an answer here."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "answer expected one of --approve, --reject TEXT, --respond TEXT, --edit JSON and --value JSON, "
            "or a terminal to ask at"
        )
    print_questions(questions)
    return {question.id: True for question in questions if question.kind == BREAKPOINT} | ask(questions)


def _given(question: Interrupt, options: argparse.Namespace) -> Any:
    """Return what the options answer to a question."""
    if options.value is not None:
        return _json_or_text(options.value)
    if question.kind == BREAKPOINT and options.approve:
        return True
    if not question.actions:
        raise UsageError(f"question {question.id} asks for no decision: answer it with --value JSON")
    if options.edit is not None and len(question.actions) > 1:
        raise UsageError(
            f"question {question.id} is about {len(question.actions)} actions, and one edit came: answer it at a "
            "terminal, or with --value '[...]', one decision for each"
        )
    return [_decision(options)] * len(question.actions)


def _decision(options: argparse.Namespace) -> Decision:
    if options.approve:
        return approve()
    if options.reject is not None:
        return reject(options.reject or None)
    if options.respond is not None:
        return respond(options.respond)
    args = _json_or_text(options.edit)
    if not isinstance(args, dict):
        raise UsageError(f"--edit got {options.edit!r:.80}: expected a JSON object with the new arguments, all of them")
    return edit(cast("dict[str, Any]", args))


def _json_or_text(given: str) -> Any:
    try:
        return json.loads(given)
    except ValueError:
        return given
