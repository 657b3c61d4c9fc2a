"""Knows a conversation in a notebook from the side of the kernel: what code does with it, and what a person may.

Nothing here waits. All that takes time happens in tasks on the kernel's own loop, so that other cells run meanwhile;
messages from the front half may come in any thread, and go to that loop as well.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, assert_never
from uuid import uuid4

from langwire.adapters.html import to_html
from langwire.adapters.jupyter.commands import (
    Cancel,
    Command,
    Continue,
    Edit,
    Read,
    Regenerate,
    Resume,
    Submit,
    read_command,
    words_for,
)
from langwire.adapters.jupyter.feed import Feed
from langwire.adapters.jupyter.loops import Home, Sent, running_loop
from langwire.adapters.jupyter.stage import Stage
from langwire.adapters.markdown import to_markdown
from langwire.core._guards import is_mapping
from langwire.core.transcript import Transcript, TurnResult
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.graph import Graph
from langwire.sessions.session import Session
from langwire.sessions.turn import Turn


class Chat:
    """A conversation with an agent, shown where it stands last in a cell, or by `display(chat)`.

    `agent` is a graph, or a `SessionAdapter` for what else can be said about its threads: where they are kept, what is
    masked, which extractors read. `thread` is the id of the thread to go on with; a new one where it is missing. Where
    a loop runs, as in every notebook, turns run on it; else in a thread of the conversation's own.

    Raises `UnsupportedGraph` for what is no graph, and `UsageError` for a thread id that is none.
    """

    def __init__(self, agent: Graph | SessionAdapter, thread: str | None = None) -> None:
        self._own = not isinstance(agent, SessionAdapter)
        self.sessions = agent if isinstance(agent, SessionAdapter) else SessionAdapter(agent)
        self.session: Session = self.sessions.get(uuid4().hex if thread is None else thread)
        self._stage = Stage()
        self.widget = self._stage.face
        """The widget itself, to be put into a layout of ipywidgets."""
        self._cell = copy_context()
        """The cell on whose behalf outputs change: who runs notebooks cell by cell listens to the one that runs."""
        self._feed = Feed(self.session, self.widget.tell, self._keep)
        self._home = Home()
        self._telling = self._home.begin(self._follow())
        self._closing: Sent[None] | None = None
        self.widget.hear(self._hear)

    # -------------------------------------------------------------- what code does

    @property
    def thread(self) -> str:
        """The id of its thread."""
        return self.session.thread_id

    @property
    def transcript(self) -> Transcript:
        """What has been said so far."""
        return self._feed.transcript

    def send(self, input: Any) -> Sent[TurnResult]:
        """Say something to the agent: a text, content blocks, messages, or whatever else the graph takes.

        Returns at once; `await` it for the turn's result. Raises there what `Session.submit` raises. A cell that is
        interrupted while it waits stops the turn.
        """
        return self._begin(partial(self.session.submit, input))

    def answer(self, answers: Mapping[str, Any]) -> Sent[TurnResult]:
        """Answer open questions by their ids, as the buttons do: see `Session.resume`. Returns as `send` does."""
        return self._begin(partial(self.session.resume, answers))

    def stop(self, reason: str | None = None) -> Sent[bool]:
        """Stop the turn that runs; `await` it for whether nothing of it runs any more."""
        return Sent(self._home.begin(self.session.cancel(reason)), self._home)

    def save(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Write the conversation to an HTML file that opens anywhere. Raises `OSError` where it cannot be written."""

        async def write() -> None:
            to_html(self.transcript, path, title=title)

        if running_loop() is self._home.loop or self._home.has_ended():
            to_html(self.transcript, path, title=title)
        else:
            self._home.begin(write()).result()

    def close(self) -> Sent[None]:
        """Let go of the thread, and leave in the notebook what would be saved. Returns at once; may be called again.

        Where the agent was a graph, a turn that runs is stopped. Without a loop, nothing can be sent any more.
        """
        if self._closing is None:
            self._closing = Sent(self._home.begin(self._leave(), last=True), self._home)
        return self._closing

    # -------------------------------------------------------------- how it is shown

    def _ipython_display_(self) -> None:
        self._stage.display()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._stage.bundle()

    def __repr__(self) -> str:
        return f"Chat(thread={self.thread!r})"

    # -------------------------------------------------------------- how it is done

    def _begin(self, begin: Callable[[], Awaitable[Turn]]) -> Sent[TurnResult]:
        self._cell = copy_context()
        return Sent(self._home.begin(self._result(begin)), self._home)

    async def _result(self, begin: Callable[[], Awaitable[Turn]]) -> TurnResult:
        try:
            turn = await begin()
        except Exception as error:  # a cell that does not await it would never know
            self._feed.tell({"type": "notice", "text": words_for(error)})
            raise
        try:
            result = await turn.wait()
            await self._feed.caught_up()  # when the cell goes on, the notebook shows it
            return result
        except asyncio.CancelledError:
            turn.stop("interrupted")
            raise

    async def _follow(self) -> None:
        try:
            await self._feed.run()
        except Exception as error:  # nobody awaits this: a store that cannot be read, for one
            self._feed.tell({"type": "notice", "text": words_for(error)})

    async def _leave(self) -> None:
        if self._own:
            await self.sessions.close()
            await asyncio.wrap_future(self._telling)  # to its end: how a turn was stopped is kept
        else:
            self._telling.cancel()
        self.widget.close()

    async def _keep(self, transcript: Transcript) -> None:
        story = list(transcript.events())  # as it is now: it grows while a thread makes the text
        saved = await asyncio.to_thread(lambda: self._stage.forms(to_markdown(story)))
        self._cell.run(self._stage.put, saved)

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        self._home.begin(self._take(content))

    async def _take(self, content: Any) -> None:
        """Do what the front half asks for, and answer: `why` it was not done, or None."""
        why: str | None = None
        try:
            await self._do(read_command(content))
        except Exception as error:  # whatever it is, a person waits for words
            why = words_for(error)
        ref: Any = content.get("ref") if is_mapping(content) else None
        if isinstance(ref, str):
            self._feed.tell({"type": "answer", "ref": ref[:200], "why": why})

    async def _do(self, command: Command) -> None:
        session = self.session
        match command:
            case Read():
                await self._feed.retell(command.view)
            case Submit():
                await session.submit(command.input)
            case Resume():
                await session.resume(command.answers)
            case Continue():
                await session.continue_()
            case Cancel():
                await session.cancel()
            case Regenerate():
                await self._anew(command.message_id, session.continue_)
            case Edit():
                await self._anew(command.message_id, partial(session.submit, command.input))
            case _:
                assert_never(command)

    async def _anew(self, message_id: str, begin: Callable[[], Awaitable[Turn]]) -> None:
        """Go back to just before a message, and begin from there; stay where it was if that is refused."""
        await self.session.fork(message_id)
        try:
            await begin()
        except Exception:
            await self.session.undo_fork()
            self._feed.stale()
            raise
