"""Knows how a turn, or what a thread holds, is told to a client: read from the session's log, encoded, and ended.

Whatever happens, a stream that has begun ends with exactly one `RUN_FINISHED` or `RUN_ERROR` for each run in it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from langchain_core.messages import convert_to_messages

from langwire.adapters._shared.web import report
from langwire.adapters.agui import events as agui
from langwire.adapters.agui._messages import messages_of
from langwire.adapters.agui._refusals import code_of
from langwire.adapters.agui.encoder import AGUIEncoder, Run
from langwire.adapters.agui.verify import Verifier
from langwire.core._guards import is_mapping
from langwire.core._updates import as_messages
from langwire.core.parser import StreamParser
from langwire.core.transcript import Transcript
from langwire.errors import ReaderTooSlow, SessionsClosed, UnknownThread
from langwire.events import ErrorInfo, Event, Interrupt, StateSnapshot, TurnEnd, TurnStart
from langwire.sessions.log import Reader
from langwire.sessions.session import History, Session
from langwire.sessions.turn import Turn

if TYPE_CHECKING:
    from langwire.core.redaction import Redactor

_INTERNAL = "something went wrong here: the error id finds it in the log"
_GONE = ErrorInfo(code="stream_closed", message="the thread was closed or deleted while it was read")
_TOO_SLOW = ErrorInfo(code="reader_too_slow", message="this client reads too slowly: connect to the thread again")


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What a client gets at the start of a run besides its events.

    With `behind` it lacks messages of the thread, and gets them: those before the run, then also the `new` ones, for a
    client puts what it does not know at the end. `had` are the ids of the messages that it came with, in its order, and
    `others` those of its messages that the thread does not keep.
    """

    behind: bool = False
    goes_on: bool = False
    """Whether it goes on with something that was begun: what a subgraph has told then comes to the thread only now."""
    had: Sequence[str] = ()
    new: Sequence[agui.Message] | None = None
    others: Sequence[agui.Message] = ()


async def told(
    session: Session,
    turn: Turn,
    encoder: AGUIEncoder,
    beginning: Beginning,
    *,
    redactor: Redactor | None = None,
    debug: bool = False,
) -> AsyncGenerator[agui.Event]:
    """Yield what a client is told of a turn, from its first event to its end.

    With `debug` it is told the text of an exception too, which may hold secrets.
    """
    try:
        await turn.begun()
        if turn.first is not None:
            async with session.subscribe(turn.first - 1) as reader:
                _refuse_gap(reader)
                async for entry in reader:
                    event = entry.event
                    if isinstance(event, TurnEnd):
                        end = _in_full(event, turn, redactor) if debug else event
                        ending = await _ending(session, turn, encoder, end, beginning)
                        break
                    for said in encoder.encode(event):
                        yield said
                    if isinstance(event, TurnStart) and beginning.behind:
                        for said in _caught_up(await session.history(before=turn), encoder, beginning, event):
                            yield said
                else:
                    ending = encoder.break_off(_GONE)
        else:
            ending = encoder.break_off(_GONE)
    except ReaderTooSlow:
        ending = encoder.break_off(_TOO_SLOW)
    except Exception as error:
        error_id = report(error, redactor=redactor)
        ending = encoder.break_off(ErrorInfo(code="internal_error", message=_INTERNAL, id=error_id))
    for said in ending:
        yield said


def _refuse_gap(reader: Reader) -> None:
    """Raise `ReaderTooSlow` where the beginning of the turn is not kept any more."""
    if reader.reset is not None:
        raise ReaderTooSlow("the log has forgotten where this turn began", position=reader.reset.position)


def _in_full(end: TurnEnd, turn: Turn, redactor: Redactor | None) -> TurnEnd:
    """Return the end of a turn with the text of what the graph raised."""
    if end.error is None or turn.exception is None:
        return end
    said = f"{type(turn.exception).__name__}: {turn.exception}"
    if redactor is not None:
        said, _ = redactor.redact(said)
    return msgspec.structs.replace(end, error=msgspec.structs.replace(end.error, message=said))


async def _ending(
    session: Session, turn: Turn, encoder: AGUIEncoder, end: TurnEnd, beginning: Beginning
) -> list[agui.Event]:
    """Return what ends a run; before it all messages, where what the client has does not hold any more."""
    out: list[agui.Event] = []
    if encoder.stale or beginning.goes_on:
        with suppress(SessionsClosed, UnknownThread):  # nobody can look at the thread any more
            history = (await session.history()).transcript
            snapshot = encoder.snapshot(history, turn.result, beginning.others)
            had = _had_at_the_end(snapshot, turn, encoder, beginning)
            if encoder.stale or _lacks(had, snapshot, history):
                out += _in_order(snapshot, history, had, beginning.others)
    if end.error is not None:  # a run that waited behind another may be refused when its time has come
        end = msgspec.structs.replace(end, error=msgspec.structs.replace(end.error, code=code_of(end.error.code)))
    return [*out, *encoder.encode(end)]


def _lacks(had: Sequence[str], snapshot: agui.MessagesSnapshot, history: Transcript) -> bool:
    """Whether a client has not got all that the agent has said."""
    said = {message.message_id for message in history.state_messages() if message.role == "assistant"}
    return not {message.id for message in snapshot.messages if message.id in said} <= set(had)


def _had_at_the_end(
    snapshot: agui.MessagesSnapshot, turn: Turn, encoder: AGUIEncoder, beginning: Beginning
) -> list[str]:
    """Return the ids of the messages that the client has by now, in its order."""
    had = list(beginning.had)
    if beginning.behind:
        had = [message.id for message in snapshot.messages if message.id in encoder.run.messages]
        had += [message.id for message in beginning.new or ()]
    told = [encoder.names.told(message.lane, message.message_id) for message in turn.result.messages]
    return had + [id for id in told if id is not None]


def _in_order(
    snapshot: agui.MessagesSnapshot, history: Transcript, had: Iterable[str], others: Sequence[agui.Message]
) -> list[agui.Event]:
    """Return a snapshot so that the client has the thread's messages in their order after it.

    A client keeps what it has where it is, and puts what it lacks at the end. Where that is another order, all from
    there on is taken away before, but for what is not the thread's.
    """
    held = {message.message_id for message in history.state_messages()}
    spoken = [message for message in snapshot.messages if message.role in ("user", "assistant") and message.id in held]
    ids = dict.fromkeys(message.id for message in spoken)
    there = dict.fromkeys([*(id for id in had if id in ids), *ids])
    wrong = next((id for id, instead in zip(ids, there, strict=True) if id != instead), None)
    if wrong is None:
        return [snapshot]
    at = next(at for at, message in enumerate(snapshot.messages) if message.id == wrong)
    kept = {message.id for message in others}
    behind = [message for message in snapshot.messages[at:] if message.id in kept]
    return [agui.MessagesSnapshot(messages=[*snapshot.messages[:at], *behind]), snapshot]


def _caught_up(history: History, encoder: AGUIEncoder, beginning: Beginning, start: TurnStart) -> list[agui.Event]:
    before = encoder.snapshot(history.transcript, others=beginning.others)
    new = beginning.new if beginning.new is not None else _messages_in(start.input)
    known = {message.id for message in before.messages}
    after = [message for message in new if message.id not in known]
    out = _in_order(before, history.transcript, beginning.had, beginning.others)
    return [*out, agui.MessagesSnapshot(messages=[*before.messages, *after])] if after else out


async def replayed(
    history: History,
    values: Any,
    encoder: AGUIEncoder,
    had: Sequence[str],
    live: AsyncGenerator[agui.Event] | None,
    *,
    redactor: Redactor | None = None,
) -> AsyncGenerator[agui.Event]:
    """Yield what a thread holds as a run of its own, then the turn that runs, if any, to its end.

    How the last turn ended is no failure of this run: only what is still open is told again. `values` are the graph's
    state, where it is shown, `had` the ids of the messages that the client came with.
    """
    end = history.events[-1]
    again: list[Event] = [StateSnapshot(values=values)] if values is not None else []
    again += [event for event in history.events if isinstance(event, Interrupt)]
    if isinstance(end, TurnEnd):
        outcome = "interrupted" if end.interrupts else "complete"
        again.append(TurnEnd(outcome=outcome, interrupts=end.interrupts, open_calls=end.open_calls))

    def all_messages() -> list[agui.Event]:
        return _in_order(encoder.snapshot(history.transcript), history.transcript, had, ())

    for said in _at_once(encoder, all_messages, again, redactor):
        yield said
    if live is not None:
        async with aclosing(live):
            async for said in live:
                yield said


async def announced(
    encoder: AGUIEncoder, questions: Sequence[Interrupt], *, redactor: Redactor | None = None
) -> AsyncGenerator[agui.Event]:
    """Yield the open questions again; nothing runs."""
    asked = TurnEnd(outcome="interrupted", interrupts=tuple(question.id for question in questions))
    for said in _at_once(encoder, list, [*questions, asked], redactor):
        yield said


def _at_once(
    encoder: AGUIEncoder,
    first: Callable[[], Sequence[agui.Event]],
    events: Sequence[Event],
    redactor: Redactor | None,
) -> list[agui.Event]:
    """Return a run of what is known already: its start, what comes `first`, these events, and always an end."""
    run, out = encoder.run, list[agui.Event]()
    start = TurnStart(turn_id=run.run_id, thread_id=run.thread_id, cause="continue")
    try:
        out += encoder.encode(start)
        out += first()
        for event in events:
            out += encoder.encode(event)
    except Exception as error:
        error_id = report(error, redactor=redactor)
        out += encoder.break_off(ErrorInfo(code="internal_error", message=_INTERNAL, id=error_id))
    return out


def run_of(held: Transcript, thread_id: str, run_id: str, hidden: frozenset[str] = frozenset()) -> Run:
    """Return a run that begins where a thread holds this; `hidden` are the ids of messages that nobody sees."""
    said = [message for message in held.state_messages() if message.role != "tool" and message.message_id not in hidden]
    made = [call for message in said for call in message.calls]
    calls = tuple(call.call_id or call.id for call in made)
    messages = frozenset(message.message_id for message in held.messages)
    return Run(thread_id=thread_id, run_id=run_id, calls=calls, messages=messages, hidden=hidden)


async def held_to_rules(events: AsyncGenerator[agui.Event]) -> AsyncGenerator[agui.Event]:
    """Yield events as long as they keep the client's rules; where one does not, end the run."""
    verifier = Verifier()
    async with aclosing(events):
        async for event in events:
            problem = verifier.check(event)
            if problem is not None:
                error_id = report(RuntimeError(f"an event broke the rule {problem.rule}: {problem.message}"))
                for closing in verifier.closing():
                    yield closing
                yield agui.RunError(message=_INTERNAL, code="internal_error", metadata={"errorId": error_id})
                return
            yield event


def _messages_in(input: Any) -> list[agui.Message]:
    """Return the messages that a turn was begun with."""
    messages = as_messages(input.get("messages") if is_mapping(input) else input)
    if not messages:
        return []
    parser = StreamParser(modes=["values"], subgraphs=True)
    read = convert_to_messages(list(messages))
    events = parser.feed(((), "values", {})) + parser.feed(((), "values", {"messages": read})) + parser.close()
    return messages_of(Transcript.of(events))
