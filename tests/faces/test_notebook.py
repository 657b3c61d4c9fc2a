"""The conversation in a notebook, from the side of the kernel: over the comm of ipywidgets, with no browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, cast

import comm
import msgspec
import pytest
from comm.base_comm import BaseComm
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from traitlets.config import Config

from langwire import SessionAdapter, Transcript, approve
from langwire.adapters.jupyter import Chat, show
from langwire.adapters.jupyter.feed import Feed
from langwire.errors import InterruptOpen, InvalidInput, SessionsClosed, TurnRunning, UsageError
from langwire.events import (
    Action,
    Custom,
    Display,
    Entry,
    Interrupt,
    Media,
    NodeStart,
    Source,
    StateSnapshot,
    TextDelta,
    ToolResult,
    TurnStart,
)
from langwire.testing import ScriptedModel

# What the oldest anywidget asks of traitlets, which would have it asked otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:Deprecated in traitlets:DeprecationWarning")

WIDGET = "application/vnd.jupyter.widget-view+json"


class Wire(BaseComm):
    """A comm whose other end is here."""

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        if msg_type == "comm_msg" and data["method"] == "custom":
            asyncio.get_running_loop()  # they are all sent from the loop
            FRONTS[-1].take(data["content"])
        elif msg_type == "comm_close" and FRONTS:
            FRONTS[-1].close()


FRONTS: list[Front] = []


class Front:
    """What all views of a conversation get, and what they ask."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._came = asyncio.Condition()
        self._refs = self.closed = 0

    def take(self, message: dict[str, Any]) -> None:
        self.messages.append(msgspec.json.decode(msgspec.json.encode(message)))
        self._news = asyncio.ensure_future(self._tell())

    def close(self) -> None:
        self.closed += 1
        self._news = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def until(self, there: Any) -> Any:
        """Return what `there()` gives when that is true."""
        async with self._came:
            await self._came.wait_for(there)
        return there()

    def say(self, chat: Chat, content: Any) -> str:
        """Send something to the kernel; return its ref."""
        self._refs += 1
        ref = f"r{self._refs}"
        content = {**content, "ref": ref} if isinstance(content, dict) else content
        message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
        chat.widget.comm.handle_msg(message)
        return ref

    async def ask(self, chat: Chat, content: Any) -> str | None:
        """Send something to the kernel; return why it was not done."""
        ref = self.say(chat, content)
        answer = await self.until(lambda: [one for one in self.messages if one.get("ref") == ref])
        return answer[0]["why"]

    def events(self, view: str | None = None) -> list[dict[str, Any]]:
        """The events that all were told, or that a view was told when it asked last."""
        messages = self.messages
        if view is not None:
            starts = [at for at, one in enumerate(messages) if one["type"] == "story" and one["to"] == view]
            messages = messages[starts[-1] :]
        lines = [one["lines"] for one in messages if one["type"] == "events" and one.get("to") == view]
        return [msgspec.json.decode(line) for batch in lines for line in batch.split("\n")]

    def text(self, view: str | None = None) -> str:
        return "".join(event["text"] for event in self.events(view) if event["type"] == "text_delta")

    def ends(self) -> list[str]:
        return [event["outcome"] for event in self.events() if event["type"] == "turn_end"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


@pytest.fixture
async def front(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    monkeypatch.setattr(comm, "create_comm", Wire)
    FRONTS.append(Front())
    yield FRONTS[-1]
    FRONTS.pop()


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """IPython as a kernel has it, but for the kernel."""
    config = Config({"HistoryManager": {"enabled": False}})
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


def build(*script: Any, gate: asyncio.Event | None = None) -> Any:
    """An agent that waits for the gate in mid-answer, where there is one, and asks before it answers to `ask`."""
    model = ScriptedModel(script=script or (["Hello", " there"],))

    async def talk(state: MessagesState) -> Any:
        if state["messages"][-1].content == "ask":
            request = {"name": "send", "args": {"to": "ann"}}
            config = {"action_name": "send", "allowed_decisions": ["approve"]}
            answer = interrupt({"action_requests": [request], "review_configs": [config]})
            return {"messages": [AIMessage(f"It was {answer['decisions'][0]['type']}.")]}
        said = await model.ainvoke(state["messages"])
        if gate is not None:
            await gate.wait()
        return {"messages": [said]}

    builder = StateGraph(MessagesState)
    builder.add_node(talk)
    builder.add_edge(START, "talk")
    return builder.compile(InMemorySaver())


# ------------------------------------------------------------------ what views are told


async def test_a_message_from_a_view_is_a_turn_that_all_views_are_told(front: Front) -> None:
    chat = Chat(build())
    assert await front.ask(chat, {"type": "submit", "input": "hi"}) is None
    await front.until(front.ends)
    assert front.text() == "Hello there"
    assert (front.events()[0]["type"], front.events()[-1]["type"]) == ("turn_start", "turn_end")
    assert [message["n"] for message in front.messages] == list(range(1, len(front.messages) + 1))
    chat.close()


async def test_a_view_that_comes_late_is_told_all_of_the_past(front: Front) -> None:
    chat = Chat(build())
    await chat.send("hi")
    await front.until(front.ends)
    assert await front.ask(chat, {"type": "read", "view": "late"}) is None
    told = front.events("late")
    assert [event.get("text") for event in told if event["type"] == "text_delta"] == ["hi", "Hello there"]
    assert "seq" not in told[0]


async def test_a_view_that_comes_in_mid_turn_misses_nothing_and_gets_nothing_twice(front: Front) -> None:
    gate = asyncio.Event()
    chat = Chat(build(gate=gate))
    sent = chat.send("hi")
    await front.until(lambda: front.text() == "Hello there")
    assert await front.ask(chat, {"type": "read", "view": "late"}) is None
    before = front.events("late")
    gate.set()
    await sent
    await front.until(front.ends)
    numbers = [event["seq"] for event in before if "seq" in event]
    after = [event["seq"] for event in front.events() if event["seq"] > numbers[-1]]
    assert [event["seq"] for event in front.events()] == [*numbers, *after]
    assert front.text("late") == "Hello there"


async def test_tokens_that_come_fast_are_told_in_few_messages(front: Front) -> None:
    chat = Chat(build([f"{number} " for number in range(2_000)]))
    await chat.send("hi")
    await front.until(front.ends)
    assert front.text().split() == [str(number) for number in range(2_000)]
    assert len(front.of("events")) < 100


async def test_a_large_story_is_told_in_several_messages(front: Front) -> None:
    chat = Chat(build(["x" * 200_000], ["y" * 200_000]))
    await chat.send("hi")
    await chat.send("again")
    await front.ask(chat, {"type": "read", "view": "late"})
    assert len([message for message in front.of("events") if message.get("to") == "late"]) == 2


async def test_a_story_that_went_on_elsewhere_is_asked_for_again(front: Front) -> None:
    """A log that begins anew does not go on from what was told."""
    chat = Chat(build())
    await chat.send("hi")
    await front.until(front.ends)
    chat.session.log.begin_anew()
    chat.session.log.append(Custom(data=1))
    await front.until(lambda: front.of("stale"))
    chat.session.log.append(Custom(data=2))
    await front.until(lambda: [event for event in front.events() if event.get("data") == 2])
    assert "Hello there" in str([message.text for message in chat.transcript.messages])


async def test_what_is_not_for_reading_stays_away_and_what_is_looked_at_goes_whole(front: Front) -> None:
    """F-C2: state, nodes and artifacts are the application's; a large value is cut, a picture or a question is not."""
    chat = Chat(build())
    picture = "A" * 300_000
    source = Source()
    await front.ask(chat, {"type": "read", "view": "v"})
    chat.session.log.extend(
        [
            NodeStart(id="n", node="n"),
            StateSnapshot(values={"secret": 1}),
            TurnStart(input={"messages": [{"role": "user", "content": picture}]}, turn_id="t", thread_id=chat.thread),
            ToolResult(id="c", name="x", status="ok", content="y" * 300_000, artifact={"secret": 1}, source=source),
            Media(id="m", message_id="m", kind="image", mime="image/png", data=picture, source=source),
            Display(id="c", bundle={"image/png": picture}, lane=()),
            Interrupt(id="i", value=picture, actions=(Action(name="n", args={"body": picture}),)),
        ]
    )
    await front.until(lambda: [event for event in front.events() if event["type"] == "interrupt"])
    told = {event["type"]: event for event in front.events()}
    assert list(told) == ["turn_start", "tool_result", "media", "display", "interrupt"]
    assert told["interrupt"]["value"] == told["interrupt"]["actions"][0]["args"]["body"] == picture
    assert told["turn_start"]["input"]["messages"][0]["content"] == picture
    assert told["media"]["data"] == told["display"]["bundle"]["image/png"] == picture
    assert "$truncated" in told["tool_result"]["content"]
    assert "artifact" not in told["tool_result"]


# ------------------------------------------------------------------ what views may do


async def test_a_question_is_answered_by_a_view(front: Front) -> None:
    chat = Chat(build())
    await front.ask(chat, {"type": "submit", "input": "ask"})
    await front.until(front.ends)
    (asked,) = chat.session.interrupts
    assert await front.ask(chat, {"type": "submit", "input": "hi"}) == "a question is open: answer it first"
    why = await front.ask(chat, {"type": "resume", "answers": {asked.id: [{"type": "edit"}]}})
    assert why is not None
    assert "edited_action" in why
    assert await front.ask(chat, {"type": "resume", "answers": {asked.id: [{"type": "approve"}]}}) is None
    await front.until(lambda: len(front.ends()) == 2)
    assert [message.text for message in chat.transcript.messages][-1] == "It was approve."


async def test_a_turn_is_stopped_by_a_view_and_goes_on_when_it_says_so(front: Front) -> None:
    gate = asyncio.Event()
    chat = Chat(build(gate=gate))
    sent = chat.send("hi")
    await front.until(lambda: front.text() == "Hello there")
    why = await front.ask(chat, {"type": "submit", "input": "me too"})
    assert why == "a turn runs: wait for its end, or stop it"
    assert await front.ask(chat, {"type": "cancel"}) is None
    assert (await sent).outcome == "cancelled"
    gate.set()
    assert await front.ask(chat, {"type": "continue"}) is None
    await front.until(lambda: front.ends() == ["cancelled", "complete"])


async def test_a_message_is_made_anew_and_one_of_the_persons_is_changed(front: Front) -> None:
    chat = Chat(build(["one"], ["two"]))
    result = await chat.send("hi")
    message = result.messages[-1].message_id
    assert await front.ask(chat, {"type": "regenerate", "message_id": message}) is None
    await front.until(lambda: front.ends() == ["complete"] * 2)
    (mine, _) = (await chat.session.state()).messages
    assert await front.ask(chat, {"type": "edit", "message_id": mine, "input": "hello"}) is None
    await front.until(lambda: front.ends() == ["complete"] * 3)
    said = [held.content for held in (await chat.session.state()).messages.values()]
    assert said == ["hello", "one"]
    assert await front.ask(chat, {"type": "regenerate", "message_id": "none"}) == (
        "this message is not in the conversation any more"
    )


async def test_a_change_that_is_refused_leaves_everything_as_it_was(front: Front) -> None:
    chat = Chat(build())
    await chat.send("hi")
    (mine, _) = (await chat.session.state()).messages
    assert await front.ask(chat, {"type": "edit", "message_id": mine, "input": " "}) == (
        "an empty message came: say something to the agent"
    )
    assert front.of("stale")
    assert [held.content for held in (await chat.session.state()).messages.values()] == ["hi", "Hello there"]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "run", "code": "1"},
        {"type": "submit"},
        {"type": "submit", "input": ["a"]},
        {"type": "resume", "answers": []},
        {"type": "regenerate", "message_id": ""},
        {"type": "read", "view": "v" * 201},
        {},
    ],
    ids=str,
)
async def test_what_is_no_command_is_refused_in_words(front: Front, content: Any) -> None:
    why = await front.ask(Chat(build()), content)
    assert why is not None
    assert why.startswith("what came is no command: ")


async def test_what_is_too_large_or_too_deep_is_refused_in_words(front: Front) -> None:
    chat = Chat(build())
    why = await front.ask(chat, {"type": "submit", "input": "x" * 9_000_000})
    assert why is not None
    assert why.startswith("a message of 9000")
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    why = await front.ask(chat, {"type": "resume", "answers": {"a": deep}})
    assert why is not None
    assert why.startswith("what came is no command")


async def test_what_is_no_object_is_passed_over(front: Front) -> None:
    chat = Chat(build())
    front.say(chat, "hello")
    front.say(chat, [1])
    assert await front.ask(chat, {"type": "read", "view": "v"}) is None
    assert len(front.of("answer")) == 1


async def test_an_error_of_the_agents_surroundings_comes_back_in_words(front: Front) -> None:
    class Broken(InMemorySaver):
        async def aget_tuple(self, config: Any) -> Any:
            raise OSError("the disk is gone")

    graph = build()
    graph.checkpointer = Broken()
    assert await front.ask(Chat(graph), {"type": "read", "view": "v"}) == "OSError: the disk is gone"


async def test_messages_from_another_thread_are_taken_on_the_loop(front: Front) -> None:
    """Kernels with subshells hear comms in threads of their own."""
    chat = Chat(build())
    threading.Thread(target=front.say, args=(chat, {"type": "submit", "input": "hi"})).start()
    await front.until(front.ends)
    assert front.text() == "Hello there"


# ------------------------------------------------------------------ what code does


async def test_code_sends_answers_and_stops(front: Front) -> None:
    gate = asyncio.Event()
    chat = Chat(build(gate=gate), "thread-1")
    assert (chat.thread, repr(chat)) == ("thread-1", "Chat(thread='thread-1')")
    asked = await chat.send("ask")
    assert asked.outcome == "interrupted"
    answered = await chat.answer({asked.interrupts[0].id: approve()})
    assert answered.text == "It was approve."
    sent = chat.send("hi")
    await front.until(lambda: "Hello there" in front.text())
    assert repr(sent) == "<under way: await it for what comes of it>"
    assert await chat.stop("enough")
    assert (await sent).outcome == "cancelled"
    assert repr(sent) == "<done: await it for what comes of it>"


async def test_who_has_awaited_a_turn_finds_it_shown(front: Front) -> None:
    """Who runs a notebook cell by cell hears of a cell until it is through."""
    chat = Chat(build())
    await chat.send("hi")
    assert front.ends() == ["complete"]
    assert "Hello there" in chat._repr_mimebundle_()[0]["text/html"]


async def test_what_is_refused_is_raised_to_who_awaits_it_and_told_to_who_does_not(front: Front) -> None:
    chat = Chat(build())
    with pytest.raises(InvalidInput):
        await chat.send(" ")
    await chat.send("ask")
    with pytest.raises(InterruptOpen):
        await chat.send("hi")
    assert [notice["text"] for notice in front.of("notice")] == [
        "an empty message came: say something to the agent",
        "a question is open: answer it first",
    ]


async def test_a_cell_that_is_interrupted_stops_the_turn_for_which_it_waits(front: Front) -> None:
    chat = Chat(build(gate=asyncio.Event()))

    async def cell() -> None:
        await chat.send("hi")

    running = asyncio.ensure_future(cell())
    await front.until(lambda: front.text() == "Hello there")
    running.cancel()
    await front.until(front.ends)
    assert front.ends() == ["cancelled"]


async def test_the_loop_that_does_the_work_is_not_waited_for(front: Front) -> None:
    sent = Chat(build()).send("hi")
    with pytest.raises(UsageError, match="use await instead"):
        sent.wait()
    await sent
    assert sent.wait().text == "Hello there"


def test_without_a_loop_turns_run_in_a_thread_of_the_conversations_own(tmp_path: Any) -> None:
    others = threading.enumerate()
    chat = Chat(build())
    assert chat.send("hi").wait(20).text == "Hello there"
    assert chat.stop().wait(20)
    chat.save(tmp_path / "run.html", title="A run")
    assert "<title>A run" in (tmp_path / "run.html").read_text()
    named = [thread for thread in threading.enumerate() if thread.name == "langwire conversation"]
    (thread,) = [thread for thread in named if thread not in others]
    chat.close()
    thread.join(20)
    assert not thread.is_alive()


def test_without_a_loop_nothing_is_sent_once_it_was_closed_but_it_can_be_saved(tmp_path: Any) -> None:
    chat = Chat(build())
    chat.send("hi").wait(20)
    closing = chat.close()
    assert chat.close() is closing
    for begin in (partial(chat.send, "again"), partial(chat.answer, {}), chat.stop):
        with pytest.raises(UsageError, match="is closed: make another Chat"):
            begin()
    chat.save(tmp_path / "run.html")  # at once: the loop is about to end
    closing.wait(20)
    assert "Hello there" in (tmp_path / "run.html").read_text()
    with pytest.raises(UsageError, match="is closed"):
        chat.send("again")


def test_what_is_saved_right_after_it_was_closed_has_the_end(tmp_path: Any) -> None:
    gate = asyncio.Event()
    gate.set()
    chat = Chat(build(gate=gate))
    chat.send("hi").wait(20)
    gate.clear()
    chat.send("and this?")
    chat.close()
    chat.save(tmp_path / "run.html")
    assert '"outcome":"cancelled"' in (tmp_path / "run.html").read_text()


def test_who_waits_for_a_turn_when_its_loop_ends_is_told() -> None:
    """The sessions were given, so that closing the conversation does not stop what runs in them."""
    gate = asyncio.Event()
    chat = Chat(SessionAdapter(build(gate=gate)))
    sent = chat.send("hi")
    chat.close().wait(20)
    with pytest.raises(CancelledError):
        sent.wait(20)


async def test_closing_can_be_awaited_and_asked_for_twice(front: Front) -> None:
    chat = Chat(build())
    await chat.close()
    await chat.close()
    assert front.closed == 1


async def test_a_conversation_is_saved_to_a_file(front: Front, tmp_path: Any) -> None:
    chat = Chat(build())
    await chat.send("hi")
    await front.until(front.ends)
    chat.save(tmp_path / "run.html", title="A run")
    assert "Hello there" in (tmp_path / "run.html").read_text()


async def test_sessions_that_were_given_stay_open_and_those_of_a_graph_do_not(front: Front) -> None:
    async with SessionAdapter(build()) as sessions:
        given = Chat(sessions, "t")
        assert given.sessions is sessions
        given.close()
        await front.until(lambda: front.closed)
        turn = await sessions.get("t").submit("hi")
        assert (await turn.wait()).outcome == "complete"
    own = Chat(build(gate=asyncio.Event()))
    sent = own.send("hi")
    await front.until(lambda: front.text() == "Hello there")
    own.close()
    await front.until(lambda: front.closed == 2)
    assert (await sent).outcome == "cancelled"
    assert front.ends() == ["cancelled"]
    with pytest.raises(SessionsClosed):
        await own.send("hi")


async def test_views_are_told_that_a_thread_was_deleted(front: Front) -> None:
    async with SessionAdapter(build()) as sessions:
        chat = Chat(sessions, "t")
        await chat.send("hi")
        await sessions.delete("t")
        (closed,) = await front.until(lambda: front.of("closed"))
        assert closed["why"] == "deleted"


async def test_two_turns_at_once_are_refused(front: Front) -> None:
    gate = asyncio.Event()
    chat = Chat(build(gate=gate))
    first, second = chat.send("one"), chat.send("two")
    with pytest.raises(TurnRunning):
        await second
    gate.set()
    assert (await first).outcome == "complete"


# ------------------------------------------------------------------ what a notebook keeps


async def test_it_shows_itself_alive_and_beside_it_what_is_saved(front: Front, shell: InteractiveShell) -> None:
    chat = Chat(build())
    with capture_output() as said:
        chat._ipython_display_()
    saved, alive = (output.data for output in said.outputs)
    assert "Nothing has been said yet" in saved["text/html"]
    assert alive[WIDGET]["model_id"] == chat.widget.model_id
    assert (alive["text/html"], alive["text/plain"]) == ("", "")
    bundle, _ = chat._repr_mimebundle_()
    assert {WIDGET, "text/html", "text/plain"} <= set(bundle)
    assert bundle["text/html"] == saved["text/html"]


async def test_what_is_saved_is_renewed_when_a_turn_has_ended(front: Front, shell: InteractiveShell) -> None:
    chat = Chat(build())
    with capture_output() as said:
        chat._ipython_display_()
        await chat.send("hi")
        await front.until(front.ends)
    *_, last = said.outputs
    assert "Hello there" in last.data["text/html"]
    assert "Hello there" in last.data["text/plain"]
    assert "Hello there" in chat._repr_mimebundle_()[0]["text/html"]


@pytest.mark.parametrize(("every", "kept"), [(0.0, True), (1e9, False)])
async def test_what_is_saved_of_a_running_turn_is_renewed_now_and_then(every: float, kept: bool) -> None:
    async with SessionAdapter(build()) as sessions:
        session = sessions.get("t")
        said: list[str] = []

        async def keep(transcript: Transcript) -> None:
            said.append("".join(message.text for message in transcript.messages))

            began.set()

        began, told = asyncio.Event(), asyncio.Event()
        feed = Feed(session, lambda _: told.set(), keep, keep_every=every, pause=0)
        running = asyncio.ensure_future(feed.run())
        await began.wait()
        for _ in range(100):
            told.clear()
            session.log.append(TextDelta(id="a", text="half"))
            await told.wait()
        assert any("half" in text for text in said) is kept
        running.cancel()


async def test_a_turn_is_caught_up_with_when_it_is_kept() -> None:
    async with SessionAdapter(build()) as sessions:
        session = sessions.get("t")
        keeping: asyncio.Queue[asyncio.Event] = asyncio.Queue()

        async def keep(_: Transcript) -> None:
            done = asyncio.Event()
            keeping.put_nowait(done)
            await done.wait()

        feed = Feed(session, lambda _: None, keep, keep_every=0.0, pause=0)
        running = asyncio.ensure_future(feed.run())
        kept = await keeping.get()
        waiting = asyncio.ensure_future(feed.caught_up())
        await asyncio.sleep(0)
        assert not waiting.done()
        kept.set()
        await waiting
        running.cancel()


async def test_other_cells_run_while_the_text_of_what_is_saved_is_made(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, began, went_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow(_: Any) -> str:
        loop.call_soon_threadsafe(began.set)
        assert went_on.wait(5), "it is made on the loop"
        return "Made meanwhile"

    monkeypatch.setattr("langwire.adapters.jupyter.chat.to_markdown", slow)
    chat = Chat(build())
    await began.wait()
    went_on.set()
    await chat.send("hi")
    assert "Made meanwhile" in chat._repr_mimebundle_()[0]["text/html"]


async def test_a_thread_that_was_there_before_is_shown_from_the_start(front: Front, shell: InteractiveShell) -> None:
    graph = build()
    first = Chat(graph, "t")
    await first.send("hi")
    again = Chat(graph, "t")
    await front.ask(again, {"type": "read", "view": "v"})
    await again._feed.caught_up()
    assert "Hello there" in again._repr_mimebundle_()[0]["text/html"]


async def test_a_result_a_transcript_events_and_entries_are_shown_to_read(
    front: Front, shell: InteractiveShell
) -> None:
    chat = Chat(build())
    result = await chat.send("hi")
    events = list(result.events())
    entries = [Entry(seq=seq, at_ms=seq, event=event) for seq, event in enumerate(events, 1)]
    for story in (result, events, iter(entries)):
        with capture_output() as said:
            show(story)
        saved, alive = (output.data for output in said.outputs)
        assert "Hello there" in saved["text/html"]
        assert "to read" in saved["text/html"]
        face = cast(Any, comm.get_comm_manager().get_comm(alive[WIDGET]["model_id"]))._msg_callback.__self__
        told = [msgspec.json.decode(line) for line in face.story.split("\n")]
        assert [event["type"] for event in told] == [event["type"] for event in map(msgspec.to_builtins, events)]


def test_the_front_door_has_two_names() -> None:
    from langwire.adapters import jupyter

    assert {"Chat", "show"} <= set(dir(jupyter))
    with pytest.raises(AttributeError, match="has no attribute 'Talk'"):
        jupyter.Talk  # noqa: B018
