"""Sessions over a `RemoteGraph`: conversations on a server, held as in this process, and what differs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from typing import Any
from uuid import uuid4

import pytest
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from langwire import Redactor, SessionAdapter, approve, check, edit, reject
from langwire.errors import (
    AlreadyAnswered,
    AlreadySubmitted,
    InterruptOpen,
    InvalidDecision,
    InvalidInput,
    TurnRunning,
    UnknownPoint,
    UnknownThread,
)
from langwire.events import Entry, Event, MessagesRemoved, TextDelta, TurnEnd, TurnStart
from langwire.sessions.session import Session
from langwire.sessions.store import MemorySessionStore
from langwire.sessions.turn import Turn
from remote.agents.graphs import here
from remote.reading import reading

pytestmark = pytest.mark.timeout(300)  # the first test waits for the server

PATIENCE = 10.0
"""How long a test waits for what the server has to do, in seconds."""


class There:
    """The server, as sessions see it. Its graphs have an async client only."""

    def __init__(self, client: LangGraphClient, open: AsyncExitStack) -> None:
        self.client, self._open = client, open

    def adapter(self, graph: str, *args: Any, **options: Any) -> SessionAdapter:
        """Return an adapter of a graph on the server; it is closed when the test ends."""
        adapter = SessionAdapter(RemoteGraph(graph, client=self.client), *args, **options)
        self._open.push_async_exit(adapter)
        return adapter

    def session(self, graph: str, *args: Any, **options: Any) -> Session:
        """Return the session of a thread that nobody knows yet."""
        return self.adapter(graph, *args, **options).get(str(uuid4()))

    async def runs(self, session: Session) -> list[str]:
        """Return what has become of the thread's runs by the word of the server, the last one first."""
        return [run["status"] for run in await self.client.runs.list(session.thread_id)]

    async def ended(self, session: Session) -> list[str]:
        """Return the same when none of them runs any more."""
        for run in await self.client.runs.list(session.thread_id):
            await asyncio.wait_for(self.client.runs.join(session.thread_id, run["run_id"]), PATIENCE)
        return await self.runs(session)


@pytest.fixture
async def there(server: Any) -> AsyncIterator[There]:
    async with get_client(url=server.url, api_key=None) as client, AsyncExitStack() as open:
        yield There(client, open)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Created(asyncio.Event):
    """Is set when the server has made the run of a turn."""

    def __call__(self, run: Any) -> None:
        self.set()


async def told(turn: Turn) -> list[Event]:
    return [event async for event in turn]


async def spoken(turn: Turn) -> Turn:
    """Wait until a turn has said something."""
    async for event in turn:
        if isinstance(event, TextDelta):
            return turn
    raise AssertionError("it said nothing")


async def finished(turn: Turn) -> Turn:
    await turn.wait()
    return turn


async def messages(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in (await session.history()).transcript.messages]


# ------------------------------------------------------------------ the same as in this process


Step = Callable[[Session], Awaitable[Turn]]


def say(*args: Any, **options: Any) -> Step:
    return lambda session: session.submit(*args, **options)


def answer(*answers: Any, **options: Any) -> Step:
    """Answer the first of the open questions."""
    return lambda session: session.resume(
        {question.id: said for question, said in zip(session.interrupts, answers, strict=False)}, **options
    )


def go_on(session: Session) -> Awaitable[Turn]:
    return session.continue_()


TALKS: dict[str, tuple[str, list[Step]]] = {
    "a chat": ("chat", [say("one"), say("two")]),
    "context": ("chat", [say("one", context_lines=["page 7", "order 8"])]),
    "tools": ("agent", [say("weather?")]),
    "graphs in graphs": ("nested", [say("one"), say("two")]),
    "an approval": ("approval", [say("send"), answer([edit({"to": "Cid"}), reject("no")])]),
    "two questions at once": ("questions", [say("go"), answer("blue", 42)]),
    "two questions one after the other": ("questions", [say("go"), answer("blue", partial=True), answer(42)]),
    "a message that answers": ("question", [say("go"), say("blue", when_interrupted="answer")]),
    "a message in place of an answer": ("approval", [say("go"), say("never mind", when_interrupted="drop")]),
    "a breakpoint": ("two_steps", [say("go", interrupt_before=["two"]), go_on]),
    "an error": ("failing", [say("go"), say("again")]),
}


async def hold(session: Session, steps: Sequence[Step]) -> list[Any]:
    read: list[Any] = []
    for step in steps:
        events = await told(await step(session))
        state, history = await session.state(), await session.history()
        assert check(history.events) == []
        read += [reading(events), reading(history.events), session.outcome, state.outcome, state.next]
    return read


@pytest.fixture(scope="module")
def held(server: Any) -> dict[str, Any]:
    """All talks with the server, held at once: each run waits there for most of a second."""

    async def all_of_them() -> list[Any]:
        async with get_client(url=server.url, api_key=None) as client, AsyncExitStack() as open:
            there = There(client, open)
            talks = (hold(there.session(graph), steps) for graph, steps in TALKS.values())
            return await asyncio.gather(*talks, return_exceptions=True)

    return dict(zip(TALKS, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", TALKS)
async def test_a_session_reads_as_in_this_process(held: dict[str, Any], name: str) -> None:
    graph, steps = TALKS[name]
    async with SessionAdapter(here(graph)) as adapter:
        assert held[name] == await hold(adapter.get("here"), steps)


async def test_a_graph_of_which_only_the_url_is_known_does(server: Any) -> None:
    graph = RemoteGraph("chat", url=server.url)
    assert graph.client is not None
    assert graph.sync_client is not None
    async with graph.client, SessionAdapter(graph) as adapter:
        with closing(graph.sync_client.http.client):
            turn = await adapter.get(str(uuid4())).submit("hi")
            assert (await turn.wait()).text == "You said hi."


async def test_the_state_is_that_of_the_server(there: There) -> None:
    session = there.session("chat")
    turn = await finished(await session.submit("hi"))
    state, kept = await session.state(), await there.client.threads.get_state(session.thread_id)
    assert state.values == kept["values"] != {}
    assert state.checkpoint_id == turn.checkpoint_id == kept["checkpoint"]["checkpoint_id"]
    assert (state.title, state.outcome, state.unfinished, state.running) == ("hi", "complete", False, None)


# ------------------------------------------------------------------ questions


async def test_of_two_who_answer_at_once_one_is_refused(there: There) -> None:
    """F-T2, W7: two processes share a store; the mails are sent once."""
    store, thread_id = MemorySessionStore(), str(uuid4())
    ann, bob = (there.adapter("approval", store).get(thread_id) for _ in range(2))
    (question,) = (await finished(await ann.submit("send"))).interrupts
    answers = {question.id: [approve(), approve()]}
    both = [ann.resume(answers, decided_by="ann"), bob.resume(answers, decided_by="bob")]
    turn, refused = sorted(await asyncio.gather(*both, return_exceptions=True), key=lambda one: type(one).__name__)[
        ::-1
    ]
    assert isinstance(turn, Turn)
    assert isinstance(refused, AlreadyAnswered)
    assert (await turn.wait()).outcome == "complete"
    assert await there.runs(ann) == ["success", "success"]
    results = [call.result and call.result.content for call in (await bob.history()).transcript.calls]
    assert results == ["sent to Ann", "sent to Bob"]


async def test_what_has_been_answered_cannot_be_answered_again(there: There) -> None:
    session = there.session("question")
    (question,) = (await finished(await session.submit("go"))).interrupts
    await finished(await session.resume({question.id: "blue"}))
    with pytest.raises(InvalidDecision, match="was answered by"):
        await session.resume({question.id: "red"})
    assert (await session.state()).values["answers"] == ["blue"]


async def test_all_questions_are_answered_unless_the_answer_says_that_it_is_partial(there: There) -> None:
    session = there.session("questions")
    colour, size = (await finished(await session.submit("go"))).interrupts
    with pytest.raises(InvalidDecision, match=f"answer {size.id} too"):
        await session.resume({colour.id: "blue"})
    assert (await finished(await session.resume({colour.id: "blue"}, partial=True))).interrupts == (size,)


async def test_a_message_is_refused_while_a_question_is_open(there: There) -> None:
    session = there.session("question")
    turn = await finished(await session.submit("go"))
    with pytest.raises(InterruptOpen, match=turn.interrupts[0].id):
        await session.submit("and now?")
    assert len(await there.runs(session)) == 1
    assert (await session.state()).interrupts == turn.interrupts


# ------------------------------------------------------------------ one turn at a time


async def test_a_turn_that_is_stopped_is_stopped_on_the_server(there: There) -> None:
    session = there.session("endless")
    turn = await spoken(await session.submit("go"))
    assert await session.cancel("enough")
    assert (turn.outcome, turn.reason, turn.state) == ("cancelled", "enough", "ended")
    assert await there.ended(session) == ["interrupted"]


async def test_a_turn_that_waits_for_the_server_is_taken_back(there: There, caplog: pytest.LogCaptureFixture) -> None:
    """Where it stands cannot be read then, and need not be: nothing has been kept yet."""
    session, created = there.session("endless"), Created()
    turn = await session.submit("go", on_run_created=created, after_seconds=3600)
    await asyncio.wait_for(created.wait(), PATIENCE)
    assert await session.cancel()
    assert (turn.outcome, turn.checkpoint_id) == ("cancelled", None)
    assert await there.ended(session) == ["interrupted"]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_newer_turn_replaces_the_one_that_runs(there: There) -> None:
    session = there.session("endless")
    first = await spoken(await session.submit("go"))
    second = await session.submit("again", when_busy="replace")
    assert (first.outcome, first.state) == ("cancelled", "ended")
    await spoken(second)
    assert await there.runs(session) == ["running", "interrupted"]


async def test_a_turn_is_refused_while_another_one_runs(there: There) -> None:
    session = there.session("endless")
    await spoken(await session.submit("go"))
    with pytest.raises(TurnRunning):
        await session.submit("again")
    assert await there.runs(session) == ["running"]


async def test_of_three_turns_none_is_lost(there: There) -> None:
    """F-A7."""
    session = there.session("chat")
    turns = [await session.submit(word, when_busy="enqueue") for word in ("one", "two", "three")]
    assert [(await turn.wait()).text for turn in turns] == ["You said one.", "You said two.", "You said three."]
    assert [text for role, text in await messages(session) if role == "user"] == ["one", "two", "three"]


async def test_a_turn_that_takes_too_long_is_stopped_on_the_server(there: There) -> None:
    session = there.session("endless", timeout=1.0)
    turn = await finished(await session.submit("go"))
    assert turn.outcome == "timeout"
    assert await there.ended(session) == ["interrupted"]


async def test_time_in_the_servers_queue_counts_as_idle(there: There) -> None:
    session = there.session("chat", idle_timeout=0.2)
    turn = await finished(await session.submit("hi", after_seconds=3600))
    assert turn.outcome == "timeout"


async def test_a_run_that_was_told_to_go_on_does_so_when_its_turn_is_stopped(there: There) -> None:
    session = there.session("endless")
    await spoken(await session.submit("go", on_disconnect="continue"))
    assert await session.cancel()
    assert await there.runs(session) == ["running"]
    await there.client.runs.cancel_many(thread_id=session.thread_id, run_ids=await run_ids(there, session))


async def run_ids(there: There, session: Session) -> list[str]:
    return [run["run_id"] for run in await there.client.runs.list(session.thread_id)]


@pytest.mark.filterwarnings("ignore:Reconnecting without a Last-Event-ID")
async def test_a_line_that_breaks_stops_the_run_and_the_turn(server: Any, there: There) -> None:
    async with (
        Line(server.url) as line,
        get_client(url=line.url, api_key=None) as client,
        SessionAdapter(RemoteGraph("endless", client=client)) as adapter,
    ):
        session = adapter.get(str(uuid4()))
        turn = await spoken(await session.submit("go"))
        line.cut()
        assert (await asyncio.wait_for(turn.wait(), PATIENCE)).outcome == "cancelled"
        assert await there.ended(session) == ["interrupted"]


class Line:
    """A line to the server that can be cut."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._ends: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Line:
        self._open = await asyncio.start_server(self._connect, self._host, 0)
        self.url = f"http://{self._host}:{self._open.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._open.close()
        self.cut()
        await asyncio.gather(*self._pumps)

    async def _connect(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        far, far_end = await asyncio.open_connection(self._host, self._port)
        self._ends += [near_end, far_end]
        self._pumps += [asyncio.create_task(pump(near, far_end)), asyncio.create_task(pump(far, near_end))]

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()


async def pump(source: asyncio.StreamReader, end: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            end.write(data)
            await end.drain()
    end.close()
    with suppress(OSError):
        await end.wait_closed()


async def test_code_that_lets_itself_not_be_stopped_goes_on_there_unseen(there: There) -> None:
    """In this process such a turn is `ending`, and the next one waits for it."""
    session = there.session("lingering")
    turn = await spoken(await session.submit("wait"))
    assert await session.cancel()
    assert turn.state == "ended"
    assert (await (await session.submit("go")).wait()).text == "1 at work"


# ------------------------------------------------------------------ readers


async def test_a_reader_that_comes_back_gets_the_rest(there: There) -> None:
    """F-S2."""
    session = there.session("chat")
    turn = await session.submit("hi")
    seen: list[Entry] = []
    async with session.subscribe(after=0) as reader:
        async for entry in reader:
            seen.append(entry)
            if isinstance(entry.event, TextDelta):
                break
    await turn.wait()
    session.log.close("read")
    async with session.subscribe(reader.position) as again:
        seen += [entry async for entry in again]
    assert [entry.event for entry in seen] == await told(turn)
    assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))


async def test_history_and_questions_outlive_the_program(there: There) -> None:
    """Nothing but the thread's id is known any more."""
    before = there.session("approval")
    turn = await finished(await before.submit("send"))
    session = there.adapter("approval").get(before.thread_id)
    history = await session.history()
    assert [(one.role, one.text) for one in history.transcript.messages] == [("user", "send"), ("assistant", "")]
    assert history.transcript.interrupts == turn.interrupts == (await session.state()).interrupts
    resumed = await session.resume({turn.interrupts[0].id: [approve(), approve()]})
    assert (await resumed.wait()).text == "Done."
    session.log.close("read")
    live = [entry.event async for entry in session.subscribe(history.position)]
    assert live == await told(resumed)


async def test_an_outcome_outlives_the_program_with_its_store(there: There) -> None:
    store, before = MemorySessionStore(), there.session("endless")
    before = there.adapter("failing", store).get(before.thread_id)
    turn = await finished(await before.submit("go"))
    state = await there.adapter("failing", store).get(before.thread_id).state()
    assert (state.outcome, state.error) == ("error", turn.error)
    assert state.next == ("fail",)


async def test_history_holds_what_was_there_before_the_turn_that_runs(there: There) -> None:
    session = there.session("lingering")
    await finished(await session.submit("hi"))
    await spoken(await session.submit("wait"))
    history = await session.history()
    assert [message.text for message in history.transcript.messages] == ["hi", "0 at work"]
    async with session.subscribe(history.position) as reader:
        first = (await anext(reader)).event
    assert isinstance(first, TurnStart)
    assert first.input == {"messages": [{"role": "user", "content": "wait"}]}


# ------------------------------------------------------------------ going back


async def test_an_answer_is_given_once_more(there: There) -> None:
    session = there.session("chat")
    await finished(await session.submit("hi"))
    lost = (await session.history()).transcript.messages[-1].message_id
    checkpoint_id = await session.fork(lost)
    assert checkpoint_id == (await session.state()).checkpoint_id
    await finished(await session.continue_())
    assert await messages(session) == [("user", "hi"), ("assistant", "You said hi.")]
    assert (await session.history()).transcript.messages[-1].message_id != lost


async def test_a_message_is_said_anew(there: There) -> None:
    session = there.session("chat")
    await finished(await session.submit("one"))
    await finished(await session.submit("two"))
    later = [message.message_id for message in (await session.history()).transcript.messages[2:]]
    await session.fork(later[0])
    removed = session.log.take(0)[-1].entry.event
    assert isinstance(removed, MessagesRemoved)
    assert removed.ids == tuple(later)
    await finished(await session.submit("three"))
    assert [text for _, text in await messages(session)] == ["one", "You said one.", "three", "You said three."]


async def test_a_thread_goes_back_to_a_checkpoint(there: There) -> None:
    session = there.session("two_steps")
    await finished(await session.submit("go"))
    kept = await there.client.threads.get_history(session.thread_id)
    await session.fork(next(one["checkpoint"]["checkpoint_id"] for one in kept if one["next"] == ["two"]))
    assert [text for _, text in await messages(session)] == ["go", "one"]


async def test_a_thread_goes_back_to_before_a_graph_inside(there: There) -> None:
    session = there.session("nested")
    await finished(await session.submit("go"))
    await session.fork((await session.history()).transcript.messages[1].message_id)
    assert (await (await session.continue_()).wait()).outcome == "complete"
    assert [text for _, text in await messages(session)] == ["go", "You said go.", "after"]


async def test_a_question_is_gone_when_the_thread_has_gone_back(there: There) -> None:
    session = there.session("question")
    await finished(await session.submit("go"))
    history = await session.history()
    await session.fork(history.transcript.messages[0].message_id)
    assert (await session.state()).interrupts == session.interrupts == ()
    assert (await finished(await session.submit("go"))).outcome == "interrupted"


async def test_a_point_that_the_thread_does_not_have_is_refused(there: There) -> None:
    session = there.session("chat")
    await finished(await session.submit("one"))
    with pytest.raises(UnknownPoint):
        await session.fork(str(uuid4()))


# ------------------------------------------------------------------ deleting, and what nobody knows


async def test_a_thread_is_deleted_on_the_server(there: There) -> None:
    adapter = there.adapter("endless")
    session = adapter.get(str(uuid4()))
    turn = await spoken(await session.submit("go"))
    await adapter.delete(session.thread_id)
    assert turn.outcome == "cancelled"
    with pytest.raises(NotFoundError):
        await there.client.threads.get(session.thread_id)
    with pytest.raises(UnknownThread):
        await adapter.get(session.thread_id).state()


async def test_a_thread_without_a_checkpoint_is_deleted_on_the_server_too(there: There) -> None:
    """What was asked is in the run that never began."""
    adapter, created = there.adapter("chat"), Created()
    session = adapter.get(str(uuid4()))
    await session.submit("hi", on_run_created=created, after_seconds=3600)
    await asyncio.wait_for(created.wait(), PATIENCE)
    await session.cancel()
    await adapter.delete(session.thread_id)
    with pytest.raises(NotFoundError):
        await there.client.threads.get(session.thread_id)


NOTHING_THERE: dict[str, tuple[Callable[[Session], Awaitable[Any]], type[Exception]]] = {
    "state": (lambda session: session.state(), UnknownThread),
    "history": (lambda session: session.history(), UnknownThread),
    "continue_": (lambda session: session.continue_(), InvalidInput),
    "resume": (lambda session: session.resume({"x": "blue"}), InvalidDecision),
    "fork": (lambda session: session.fork("x"), UnknownPoint),
}


@pytest.mark.parametrize("made", [False, True], ids=["unknown", "empty"])
@pytest.mark.parametrize("name", NOTHING_THERE)
async def test_a_thread_of_which_the_server_holds_nothing_is_unknown(there: There, name: str, made: bool) -> None:
    ask, error = NOTHING_THERE[name]
    session = there.session("chat")
    if made:
        await there.client.threads.create(thread_id=session.thread_id)
    with pytest.raises(error):
        await ask(session)


async def test_what_nobody_knows_cannot_be_deleted(there: There) -> None:
    with pytest.raises(UnknownThread):
        await there.adapter("chat").delete(str(uuid4()))


async def test_a_thread_id_that_is_no_uuid_fails_the_turn(there: There) -> None:
    session = there.adapter("chat").get("mine")
    turn = await finished(await session.submit("hi"))
    assert isinstance(turn.exception, UnprocessableEntityError)
    assert turn.outcome == "error"
    with pytest.raises(UnprocessableEntityError, match="UUID"):
        await session.history()


async def test_a_graph_with_a_sync_client_only_fails_the_turn(server: Any) -> None:
    async with SessionAdapter(server.graph("chat")) as adapter:
        turn = await finished(await adapter.get(str(uuid4())).submit("hi"))
    assert "Async client is not initialized" in str(turn.exception)


# ------------------------------------------------------------------ what a turn carries


async def test_an_error_on_the_server_has_a_code_an_id_and_its_exception(there: There) -> None:
    """F-P1: the text of an error, which may hold secrets, is in no event."""
    session = there.session("failing")
    turn = await session.submit("go")
    events = await told(turn)
    assert turn.error is not None
    assert (turn.error.code, turn.error.id) == ("RemoteException", turn.id)
    assert isinstance(turn.exception, RemoteException)
    assert turn.exception.args[0]["error"] == "RuntimeError"
    assert "secret" not in repr(events)


async def test_a_message_that_comes_twice_is_taken_once(there: There) -> None:
    store, thread_id = MemorySessionStore(), str(uuid4())
    session = there.adapter("chat", store).get(thread_id)
    turn = await finished(await session.submit("hi", client_message_id="m1"))
    assert await session.submit("hi", client_message_id="m1") is turn
    with pytest.raises(AlreadySubmitted) as refused:
        await there.adapter("chat", store).get(thread_id).submit("hi", client_message_id="m1")
    assert refused.value.turn_id == turn.id
    assert await there.runs(session) == ["success"]


async def test_context_is_a_message_of_its_own(there: There) -> None:
    session = there.session("chat")
    await finished(await session.submit("hi", context_lines=["page 7", "order 8"]))
    assert (await messages(session))[:2] == [("context", "page 7\norder 8"), ("user", "hi")]


async def test_a_secret_is_masked_here_and_kept_there(there: There) -> None:
    session = there.session("chat", redactor=Redactor(["hunter22"]))
    turn = await session.submit("hunter22")
    events = await told(turn)
    end = events[-1]
    assert isinstance(end, TurnEnd)
    assert end.redactions == 2
    assert (await turn.wait()).text == "You said [redacted]."
    seen = [events, await session.history(), (await session.state()).values]
    assert "hunter22" not in repr(seen)
    assert "hunter22" in repr(await there.client.threads.get_state(session.thread_id))
