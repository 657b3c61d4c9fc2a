"""Knows how an agent does a task: turn after turn on the task's own thread, from wherever that stands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from langwire.core._guards import is_mapping
from langwire.core._messages import coerce, text_of
from langwire.core.codec import decode, encode
from langwire.core.transcript import Transcript
from langwire.errors import TurnRefused, UnknownThread
from langwire.events import ErrorInfo, Interrupt
from langwire.sessions.session import Session, SessionState
from langwire.sessions.turn import Turn
from langwire.tasks._attempt import Attempt, Bench
from langwire.tasks._recovery import (
    BREAKPOINT_KEY,
    MESSAGE_KEY,
    Answer,
    Finished,
    GoOn,
    Pause,
    Send,
    Step,
    breakpoint_answer,
    next_step,
)
from langwire.tasks.context import waits_in
from langwire.tasks.task import Ending, Task

_BUSY = 1.0
"""Seconds until a task is tried again whose turn was refused because too much runs."""


class AgentAttempt(Attempt):
    """An attempt whose body is an agent.

    `configurable` is what the code of its run finds in the config, `options` goes to the graph with each call. `saved`
    says that its checkpoints are kept by the store's own checkpointer.
    """

    def __init__(
        self,
        bench: Bench,
        task: Task,
        session: Session,
        *,
        configurable: Mapping[str, Any],
        options: Mapping[str, Any],
        stops_at: Sequence[str],
        saved: bool,
    ) -> None:
        super().__init__(bench, task)
        self._fresh = saved and task.fence == 1
        self._session, self._configurable, self._options = session, configurable, options
        self._stops_at = stops_at
        self._turn: Turn | None = None
        self._next: Step | None = Send(0) if task.fence == 1 else None
        """What is known to come next without a look at the thread. Under its first fence it is new."""

    def _interrupt(self, reason: str) -> None:
        if self._turn is not None:
            self._turn.stop(reason or None)

    async def _body(self) -> Ending:
        step = self._next or await self.preparing(self._look())
        while self.stopped is None:
            if isinstance(step, Finished):
                return self._done(await self._answer_kept(), len(self.task.inbox))
            if isinstance(step, Pause):
                return self._paused(step.questions)
            try:
                turn = await self._begin(step)
            except TurnRefused as error:  # by a limit on turns: nothing has happened
                self._report("has to wait for its turn", error, logging.INFO)
                return self._given_back(_BUSY)
            await turn.ended()
            taken = step.index + 1
            if turn.outcome != "complete":
                return self._cut_off(turn)
            if taken == len(self.task.inbox):
                self._next = Send(taken)  # should something be said to it while it ends
                # A run that goes on tells nothing anew of nodes that had come to their end before it.
                whole = isinstance(step, Send)
                return self._done(_answer_of(turn.result) if whole else await self._answer_kept(), taken)
            step = Send(taken)
        return self._stopped_ending()

    async def _look(self) -> Step:
        try:
            state = await self._session.state()
        except UnknownThread:
            state = None
        return next_step(state, self.task.inbox, self.task.answers, parked=self.task.parked, stops_at=self._stops_at)

    async def _begin(self, step: Send | Answer | GoOn) -> Turn:
        """Begin a turn; the attempt may be stopped while it does."""
        message = self.task.inbox[max(step.index, 0)]
        metadata = {MESSAGE_KEY: message.id}
        if passed := breakpoint_answer(self.task.answers):
            metadata[BREAKPOINT_KEY] = passed
        options: dict[str, Any] = {
            **self._options,
            "config": {"configurable": dict(self._configurable), "metadata": metadata},
            "principal": self.task.spec.principal,
            "turn_timeout": self._remaining(),
        }
        match step:
            case Send():
                text = message.text if step.index else (await self.preparing(self._bench.rendered(self.task)))[0]
                said, fresh = [{"role": "user", "content": text, "id": message.id}], self._fresh and self._turn is None
                turn = await self._session.submit(said, fresh=fresh, **options)
            case Answer():
                turn = await self._session.resume(step.values, **options)
            case GoOn():
                turn = await self._session.continue_(**options)
        self._turn = turn
        if self.stopped is not None:
            self._interrupt(self._reason)
        return turn

    # -------------------------------------------------------------- how it ends

    def _done(self, answer: Any, taken: int) -> Ending:
        return Ending(state="done", result=answer, taken=taken)

    def _paused(self, questions: Sequence[Interrupt]) -> Ending:
        """Wait for other tasks, or, when there is anything else that it asks, for a person."""
        waits = {question.id: waits_in(question.value) for question in questions}
        parked = {id: ids for id, ids in waits.items() if ids is not None}
        asked = tuple(_kept(question) for question in questions if question.id not in parked)
        return Ending(
            state="review_needed" if asked else "queued",
            interrupts=asked,
            parked=parked,
            counted=True,
            taken=self.task.taken,
        )

    def _cut_off(self, turn: Turn) -> Ending:
        if turn.outcome == "interrupted":
            return self._paused(turn.interrupts)
        if turn.outcome == "timeout":
            return self._timed_out()
        if turn.outcome == "cancelled":
            return self._stopped_ending() if self.stopped is not None else Ending(state="cancelled")
        error = turn.error or ErrorInfo(code="error", message="the run failed")
        ending = self._failed(error.code, error.message, error.id)
        retried = isinstance(turn.exception, Exception) and self._bench.worth_retrying(turn.exception)
        return self._again(ending) if retried else ending

    async def _answer_kept(self) -> Any:
        """Return the answer of a run that came to its end, or a part of its way, in another attempt."""
        return _answer_in(await self._session.state())


def _answer_of(transcript: Transcript) -> Any:
    """Return what a run came to: its structured answer, or the last text of the agent."""
    if transcript.structured is not None:
        return transcript.structured
    own = (message for message in reversed(transcript.messages) if message.role == "assistant" and not message.lane)
    return next((message.text for message in own if message.text and not message.removed), "")


def _answer_in(state: SessionState) -> Any:
    if is_mapping(state.values) and state.values.get("structured_response") is not None:
        return state.values["structured_response"]
    for raw in reversed(state.messages.values()):
        fields = coerce(raw)
        if fields is not None and fields.get("type") == "ai" and text_of(fields):
            return text_of(fields)
    return ""


def _kept(question: Interrupt) -> Interrupt:
    """Return a question as JSON keeps it."""
    kept = decode(encode(question))
    return kept if isinstance(kept, Interrupt) else question
