"""Knows the commands of a conversation: lines that begin with one `/`. What begins with two is a message with one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from langwire.commands import say
from langwire.commands.conversation import Conversation


class Quit(Exception):
    """The person has said enough."""


class Command(NamedTuple):
    """What a command takes and does, in words, and what does it."""

    takes: str
    does: str
    do: Callable[[Conversation, str], Awaitable[None]]


async def take(talk: Conversation, line: str) -> None:
    """Do what a line says: give a command, or say something. Raises `Quit`, and what that raises."""
    if not line.startswith("/") or line.startswith("//"):
        await talk.send(line[1:] if line.startswith("//") else line)
        return
    name, _, given = line[1:].partition(" ")
    command = COMMANDS.get(name.strip().lower())
    if command is None:
        names = ", ".join(f"/{name}" for name in COMMANDS)
        say(f"there is no /{name.strip():.40}: expected {names}; a message that begins with / is sent as //")
    elif command.takes.isupper() and not given.strip():
        say(f"/{name} expected {command.takes}: {command.does}")
    elif given.strip() and not command.takes:  # it may take something back: better asked again than done by mistake
        say(f"/{name} takes nothing more: {command.does}")
    else:
        await command.do(talk, given.strip())


async def _help(talk: Conversation, _: str) -> None:
    for name, command in COMMANDS.items():
        talk.print(f"{f'/{name} {command.takes}':<16}  {command.does}")


async def _new(talk: Conversation, _: str) -> None:
    talk.new()


async def _threads(talk: Conversation, _: str) -> None:
    await talk.threads()


async def _history(talk: Conversation, _: str) -> None:
    await talk.recall()


async def _answer(talk: Conversation, _: str) -> None:
    await talk.answer()


async def _retry(talk: Conversation, _: str) -> None:
    await talk.retry()


async def _undo(talk: Conversation, _: str) -> None:
    await talk.undo()


async def _continue(talk: Conversation, _: str) -> None:
    await talk.go_on()


async def _usage(talk: Conversation, _: str) -> None:
    talk.tokens()


async def _quit(talk: Conversation, _: str) -> None:
    raise Quit


COMMANDS: dict[str, Command] = {
    "help": Command("", "these commands", _help),
    "answer": Command("", "ask the open questions again", _answer),
    "retry": Command("", "have your last message answered anew", _retry),
    "edit": Command("[text]", "say your last message anew", Conversation.edit),
    "undo": Command("", "take back your last message and what came of it", _undo),
    "continue": Command("", "go on after a stop, a failure or a crash", _continue),
    "history": Command("", "tell the thread from its beginning", _history),
    "new": Command("", "begin a new thread", _new),
    "threads": Command("", "list the threads", _threads),
    "thread": Command("ID", "go on with a thread, by its number in the list or its id", Conversation.turn_to),
    "usage": Command("", "the tokens of this thread", _usage),
    "save": Command("FILE", "keep the thread as .html, .md or .jsonl", Conversation.save),
    "quit": Command("", "leave; so does Ctrl-D", _quit),
}
