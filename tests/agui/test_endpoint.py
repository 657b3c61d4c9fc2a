"""What goes over the wire: addresses, headers, both forms of a stream, disconnects, every way in which a run ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState

from agui.asking import (
    TERMINAL,
    Live,
    Page,
    asked,
    asking,
    checked,
    graph_of,
    says,
    text_of,
    types,
    user,
)
from agui.served import listening
from langwire.adapters.agui import protobuf
from langwire.adapters.agui.bridge import AGUIBridge
from langwire.adapters.agui.encoder import AGUIEncoder
from langwire.adapters.agui.endpoint import agui_app, agui_router
from langwire.adapters.agui.frames import json_of
from langwire.core.redaction import Redactor
from langwire.errors import TooManyTurns
from langwire.events import TextEnd, TurnEnd
from langwire.sessions.adapter import SessionAdapter
from langwire.sessions.store import MemorySessionStore
from langwire.testing import Fault, ScriptedModel, faulty, text

SECRET = "postgresql://admin:hunter2@db.internal/prod"


def to_wire(event: Any) -> Any:
    return json.loads(json_of(event))


# ------------------------------------------------------------------ addresses and headers


async def test_a_run_is_a_stream_that_nothing_in_between_holds_back() -> None:
    async with asking(agui_app(says("one"))) as page:
        answer = await page.run(user("u1"))
    assert text_of(answer.events) == "one"
    assert answer.headers["content-type"] == "text/event-stream"
    assert "no-cache" in answer.headers["cache-control"]
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"\r" not in answer.content


async def test_a_client_that_names_no_version_is_spoken_to_as_before_it() -> None:
    async with asking(agui_app(says("one"))) as page:
        events = (await page.run(user("u1"), protocolVersion=None)).events
    assert "protocolVersion" not in events[0]
    assert "outcome" not in events[-1]


async def test_a_router_is_served_where_an_app_puts_it() -> None:
    app = FastAPI()
    app.include_router(agui_router(says("one")), prefix="/my/agent")
    async with asking(app, "/my/agent") as page:
        assert text_of((await page.run(user("u1"))).events) == "one"
        assert text_of((await page.post("/", asked(user("u2"), run="r2"))).events) == "one"
        assert (await page.request("GET", "/capabilities")).status == 200


async def test_capabilities_say_what_the_agent_can_do() -> None:
    bridge = AGUIBridge(says("one"), about={"identity": {"description": "says one"}})
    async with asking(agui_app(bridge)) as page:
        said = json.loads((await page.request("GET", "/capabilities")).content)
    assert said["identity"]["description"] == "says one"
    assert said["identity"]["type"] == "langgraph"
    assert said["transport"]["httpBinary"] is True


async def test_the_binary_form_tells_the_same_events() -> None:
    async with asking(agui_app(says(["Hel", "lo"]))) as page:
        as_text = (await page.run(user("u1"), thread="a")).events
        answer = await page.named("x").request(
            "POST",
            "",
            content=json.dumps(asked(user("u1"), thread="a2")).encode(),
            headers={"content-type": "application/json", "accept": f"{protobuf.MEDIA_TYPE}, text/event-stream"},
        )
    assert answer.headers["content-type"] == "application/vnd.ag-ui.event+proto"
    frames = frames_in(answer.content)
    assert len(frames) == len(as_text)
    for said in ("Hel", "lo"):
        assert sum(said.encode() in frame for frame in frames) == 1


def frames_in(content: bytes) -> list[bytes]:
    frames: list[bytes] = []
    while content:
        size = int.from_bytes(content[:4], "big")
        assert len(content) >= 4 + size
        frames.append(content[4 : 4 + size])
        content = content[4 + size :]
    return frames


@pytest.mark.parametrize(
    "accept", ["*/*", "text/event-stream", "", "application/vnd.ag-ui.event+proto;q=0, text/event-stream"]
)
async def test_who_does_not_ask_for_the_binary_form_gets_text(accept: str) -> None:
    async with asking(agui_app(says("one"))) as page:
        headers = {"content-type": "application/json", "accept": accept}
        answer = await page.request("POST", "", content=json.dumps(asked(user("u1"))), headers=headers)
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 405),
        ("PUT", "", 405),
        ("POST", "/capabilities", 405),
        ("DELETE", "/cancel/r1", 405),
        ("GET", "/connect", 405),
    ],
)
async def test_a_wrong_method_is_an_error_in_json(method: str, path: str, status: int) -> None:
    async with asking(agui_app(says("one"))) as page:
        answer = await page.request(method, path)
    assert answer.status == status
    assert answer.error["code"] == "method_not_allowed"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/nowhere", "/cancel", "/cancel/a/b"])
async def test_a_wrong_path_is_not_found(path: str) -> None:
    async with asking(agui_app(says("one"))) as page:
        answer = await page.post(path, {})
    assert answer.status == 404


# ------------------------------------------------------------------ who asks


def by_header(request: Request) -> str | None:
    found: str | None = request.headers.get("x-user")
    return found


async def by_header_later(request: Request) -> str | None:
    return by_header(request)


def by_parameter(x_user: Annotated[str | None, Header()] = None) -> str | None:
    return x_user


class Person:
    def __init__(self, id: str) -> None:
        self.id = id


def as_person(x_user: Annotated[str | None, Header()] = None) -> Person | None:
    return Person(x_user) if x_user else None


WAYS: dict[str, Any] = {
    "a function": by_header,
    "a bare lambda": lambda request: request.headers.get("x-user"),
    "an async function": by_header_later,
    "a dependency": by_parameter,
    "Depends": Depends(by_parameter),
    "an object with an id": as_person,
}


@pytest.mark.parametrize("way", WAYS)
async def test_authorize_says_who_asks(way: str) -> None:
    async with asking(agui_app(says("one"), authorize=WAYS[way])) as page:
        for path in ("", "/connect", "/cancel/r1"):
            assert (await page.post(path, asked())).refused == (401, "unauthorized")
        assert (await page.request("GET", "/capabilities")).refused == (401, "unauthorized")
        assert text_of((await page.named("ann").run(user("u1"))).events) == "one"
        assert (await page.named("ann").connect(run="c")).status == 200
        assert (await page.named("bob").connect(run="c")).status == 404


async def test_what_authorize_raises_is_the_answer() -> None:
    def never() -> str:
        raise HTTPException(403, "not you")

    async with asking(agui_app(says("one"), authorize=never)) as page:
        answer = await page.run(user("u1"))
    assert answer.status == 403
    assert answer.error == {"code": "forbidden", "message": "not you"}


async def test_who_asks_too_often_is_told_to_wait() -> None:
    async with asking(agui_app(says("one"), authorize=by_header, rate=(2, 60.0))) as page:
        ann, bob = page.named("ann"), page.named("bob")
        assert [(await ann.request("GET", "/capabilities")).status for _ in range(2)] == [200, 200]
        answer = await ann.run(user("u1"))
        assert answer.refused == (429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (await bob.run(user("u1"))).status == 200


# ------------------------------------------------------------------ cancel


async def test_a_run_is_cancelled_by_its_id() -> None:
    hang = Fault()
    app = agui_app(says(["a", hang, "b"]))
    async with asking(app) as page:
        live = Live(app, asked(user("u1")))
        await hang.reached
        answer = await page.cancel("r1", reason="enough")
        assert json.loads(answer.content) == {"stopped": True}
        assert checked(await live.end())[-1]["outcome"] == {"type": "cancelled"}
        assert (await page.cancel("r1")).refused == (404, "unknown_run")


@pytest.mark.parametrize("body", [b"[]", b'{"reason": 1}', b'{"why": "x"}', b"{", b"\xff", b'{"reason": "\\ud800"}'])
async def test_a_cancel_that_cannot_be_read_is_refused(body: bytes) -> None:
    async with asking(agui_app(says("one"))) as page:
        assert (await page.post("/cancel/r1", body)).refused == (422, "invalid_input")


# ------------------------------------------------------------------ disconnects


def steps(count: int) -> tuple[Any, list[int]]:
    """A graph of so many steps that counts those that were taken."""
    taken: list[int] = []

    async def step(_: Any) -> None:
        taken.append(len(taken))
        await asyncio.sleep(0)

    nodes = {f"step{number}": step for number in range(count)}
    return graph_of(MessagesState, **nodes), taken


async def test_a_client_that_leaves_stops_the_graph() -> None:
    """F-A8."""
    graph, taken = steps(30)
    async with SessionAdapter(graph) as sessions:
        live = Live(agui_app(sessions), asked(user("u1")))
        await live.seen(lambda events: len(events) > 6)
        await live.leave()
        turn = sessions.get("t").turn
        assert turn is not None
        await turn.ended()
        assert turn.outcome == "cancelled"
        assert len(taken) < 30


async def test_a_client_that_leaves_while_its_run_waits_stops_that_run_alone() -> None:
    """F-A8."""
    hang = Fault()
    async with SessionAdapter(says(["a", hang], "never"), when_busy="enqueue") as sessions:
        app = agui_app(sessions)
        first = Live(app, asked(user("u1")))
        await hang.reached
        second = Live(app, asked(user("u2"), run="r2"))
        await second.begun()
        await second.leave()
        hang.release()
        assert checked(await first.end())[-1]["outcome"] == {"type": "success"}
        outcomes: list[str] = []
        async with sessions.get("t").subscribe(0) as reader:
            async for entry in reader:
                outcomes += [entry.event.outcome] if isinstance(entry.event, TurnEnd) else []
                if len(outcomes) == 2:
                    break
        assert outcomes == ["complete", "cancelled"]


async def test_a_run_that_goes_on_without_its_client_can_be_connected_to() -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang, "b"])) as sessions:
        app = agui_app(AGUIBridge(sessions, when_left="continue"))
        async with asking(app) as page:
            live = Live(app, asked(user("u1")))
            await hang.reached
            await live.leave()
            back = Live(app, asked(run="c"), "/agui/connect")
            await back.seen("TEXT_MESSAGE_START")
            hang.release()
            shown = Page()
            shown.take(checked(await back.end(), 2))
            later = Page()
            later.take((await page.connect(run="c2")).events)
        assert shown.told == later.told == [("user", "hi"), ("assistant", "ab")]


@pytest.mark.parametrize("when_left", ["cancel", "continue"])
async def test_a_client_may_leave_at_any_event_and_nothing_is_left_behind(when_left: Any) -> None:
    """F-A8, ag-ui#2327: the policy is kept, and no task stays."""
    words = [f"{number} " for number in range(54)]
    async with SessionAdapter(says(words)) as sessions:
        app = agui_app(AGUIBridge(sessions, when_left=when_left), rate=(10_000, 1.0))
        async with asking(app) as page:
            before = asyncio.all_tasks()
            whole = (await page.run(user("u1"), thread="whole")).events
            assert len(whole) >= 60
            for k in range(len(whole)):
                thread = f"t{k}"
                live = Live(app, asked(user("u1"), thread=thread))
                await live.seen(lambda events, k=k: len(events) >= k)  # type: ignore[misc]
                await live.leave()
                turn = sessions.get(thread).turn
                if turn is not None:
                    await turn.ended()
                    assert when_left == "cancel" or turn.outcome == "complete"
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == before


async def test_over_a_real_connection_a_graph_stops_when_its_client_leaves() -> None:
    """F-A8."""
    hang, after = Fault(), []
    model = ScriptedModel(script=[["a", hang, "b"]])

    async def say(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    async with SessionAdapter(graph_of(MessagesState, say=say, more=lambda _: after.append(1))) as sessions:
        async with listening(agui_app(sessions)) as url, httpx.AsyncClient() as client:
            async with client.stream("POST", f"{url}/agui", json=asked(user("u1"))) as response:
                async for line in response.aiter_lines():
                    if "TEXT_MESSAGE_CONTENT" in line:
                        break
                await hang.reached
            turn = sessions.get("t").turn
            assert turn is not None
            await asyncio.wait_for(turn.ended(), 10)
        assert (turn.outcome, after) == ("cancelled", [])


# ------------------------------------------------------------------ what goes wrong


def failing(*before: Any) -> Any:
    return says([*before, Fault(error=RuntimeError(f"cannot reach {SECRET}"))])


@pytest.mark.parametrize("before", [(), ("Hel", "lo")])
async def test_an_exception_is_told_as_a_code_and_an_id_and_found_in_the_log(
    before: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """F-A2, T-15."""
    async with asking(agui_app(failing(*before))) as page:
        answer = await page.run(user("u1"))
        connected = await page.connect(run="c")
    error = answer.events[-1]
    assert (error["type"], error["code"]) == ("RUN_ERROR", "RuntimeError")
    assert b"hunter2" not in answer.content + connected.content
    assert text_of(answer.events) == "".join(before)
    assert error["metadata"]["errorId"] in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(("client", "shown"), [("127.0.0.1", True), ("::1", True), ("203.0.113.9", False)])
async def test_only_a_client_on_this_machine_may_be_told_more(client: str, shown: bool) -> None:
    """T-15."""
    async with asking(agui_app(failing(), debug=True), client=(client, 1)) as page:
        answer = await page.run(user("u1"))
    assert (b"hunter2" in answer.content) is shown
    assert answer.events[-1]["type"] == "RUN_ERROR"


async def test_a_redactor_masks_what_debug_tells() -> None:
    async with (
        SessionAdapter(failing(), redactor=Redactor(["hunter2"])) as sessions,
        asking(agui_app(sessions, debug=True)) as page,
    ):
        answer = await page.run(user("u1"))
    assert "db.internal" in answer.events[-1]["message"]
    assert b"hunter2" not in answer.content


async def test_a_run_that_takes_too_long_is_an_error() -> None:
    async with SessionAdapter(says(["a", Fault()]), timeout=0.05) as sessions, asking(agui_app(sessions)) as page:
        events = (await page.run(user("u1"))).events
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "Timeout")
    assert text_of(events) == "a"


async def test_without_debug_nobody_is() -> None:
    async with asking(agui_app(failing()), client=("127.0.0.1", 1)) as page:
        assert b"hunter2" not in (await page.run(user("u1"))).content


@pytest.mark.parametrize("method", ["aput", "aget_tuple", "aput_writes"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_checkpointer_that_fails_ends_the_run_and_tells_nothing(method: str, at: int) -> None:
    saver = faulty(InMemorySaver(), Fault(at, OSError(SECRET)), method)
    async with asking(agui_app(says("one", saver=saver))) as page:
        answer = await page.run(user("u1"))
        assert b"hunter2" not in answer.content
        if answer.status == 200:
            assert answer.events[-1]["type"] in TERMINAL
        else:
            assert answer.refused == (500, "internal_error")
        assert (await page.run(user("u2"), run="r2")).status == 200


@pytest.mark.parametrize("method", ["get", "begin_turn", "end_turn", "claim"])
async def test_a_store_that_fails_ends_the_run_and_tells_nothing(method: str) -> None:
    store = faulty(MemorySessionStore(), Fault(1, OSError(SECRET)), method)
    async with (
        SessionAdapter(says("one"), store) as sessions,
        asking(agui_app(sessions, authorize=by_header)) as page,
    ):
        answer = await page.named("ann").run(user("u1"))
        assert b"hunter2" not in answer.content
        if answer.status == 200:
            assert answer.events[-1]["type"] in TERMINAL
        else:
            assert answer.refused == (500, "internal_error")
        assert (await page.named("ann").run(user("u2"), run="r2")).status == 200


async def test_when_the_encoder_fails_all_that_is_open_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(AGUIEncoder, "_table", {**AGUIEncoder._table, TextEnd: broken})
    async with (
        SessionAdapter(says(["a", "b"]), redactor=Redactor(["hunter2"])) as sessions,
        asking(agui_app(sessions)) as page,
    ):
        answer = await page.run(user("u1"))
    events = answer.events
    assert types(events)[-2:] == ["STEP_FINISHED", "RUN_ERROR"]
    assert "TEXT_MESSAGE_END" in types(events)
    assert events[-1]["code"] == "internal_error"
    assert events[-1]["metadata"]["errorId"] in caplog.text
    assert "hunter2" not in caplog.text
    assert b"hunter2" not in answer.content


async def test_a_reader_that_the_log_does_not_wait_for_is_told_so() -> None:
    async with SessionAdapter(says(["word "] * 300), max_entries=40) as sessions:
        bridge = AGUIBridge(sessions)
        run = await bridge.run(json.dumps(asked(user("u1"))).encode())
        events = aiter(run)
        first = await anext(events)
        assert run.turn is not None
        await run.turn.ended()
        told = checked([to_wire(first), *[to_wire(event) async for event in events]])
    assert told[-1]["code"] == "reader_too_slow"


async def test_a_run_whose_beginning_is_forgotten_is_an_error_alone() -> None:
    async with SessionAdapter(says(["word "] * 300), max_entries=40) as sessions:
        run = await AGUIBridge(sessions).run(json.dumps(asked(user("u1"))).encode())
        assert run.turn is not None
        await run.turn.ended()
        told = checked([to_wire(event) async for event in run])
    assert [(event["type"], event["code"]) for event in told] == [("RUN_ERROR", "reader_too_slow")]


@pytest.mark.parametrize("how", ["deleted", "closed"])
async def test_a_thread_that_goes_in_mid_run_ends_its_stream_as_cancelled(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    hang = Fault()
    async with SessionAdapter(says(["a", hang, "b"])) as sessions:
        live = Live(agui_app(sessions), asked(user("u1")))
        await hang.reached
        await (sessions.delete("t") if how == "deleted" else sessions.close())
        events = checked(await live.end())
    assert events[-1]["outcome"] == {"type": "cancelled"}
    assert not caplog.records


async def test_a_closed_bridge_refuses_runs() -> None:
    bridge = AGUIBridge(says("one"))
    await bridge.close()
    async with asking(agui_app(bridge)) as page:
        assert (await page.run(user("u1"))).refused == (503, "shutting_down")


async def test_an_app_closes_the_sessions_that_it_made() -> None:
    hang = Fault()
    app = agui_app(says(["a", hang]))
    async with app.router.lifespan_context(app):
        live = Live(app, asked(user("u1")))
        await hang.reached
    assert checked(await live.end())[-1]["outcome"] == {"type": "cancelled"}


async def test_more_runs_than_may_go_on_at_once_are_refused() -> None:
    @asynccontextmanager
    async def few(_: Any) -> AsyncIterator[None]:
        raise TooManyTurns("no more than none")
        yield

    async with SessionAdapter(says("one"), middleware=[few]) as sessions, asking(agui_app(sessions)) as page:
        assert (await page.run(user("u1"))).refused == (429, "too_many_runs")


async def test_text_can_never_be_a_frame() -> None:
    """T-22."""
    tricks = ["\n\ndata: {}", "\r\n\r\n", "\r", "\u2028\u2029", "event: x\nid: 1\n\n", "\x00", "\u0085"]
    async with asking(agui_app(says(tricks))) as page:
        answer = await page.run(user("u1"))
    assert text_of(answer.events) == "".join(tricks)
    frames = answer.content.split(b"\n\n")[:-1]
    assert all(frame.startswith(b"data: {") and b"\n" not in frame and b"\r" not in frame for frame in frames)


async def test_what_no_json_can_hold_is_told_all_the_same() -> None:
    """F-A1, F-A9."""

    class State(MessagesState):
        odd: Any

    def work(_: State) -> Any:
        return {"odd": {"a set": {1, 2}, "nan": float("nan"), ("a", "tuple"): "\ud83d"}}

    model = ScriptedModel(script=[text("half \ud83d pair")])

    async def say(state: State) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = graph_of(State, saver=InMemorySaver(), work=work, say=say)
    async with asking(agui_app(AGUIBridge(graph, state_keys=["odd"]))) as page:
        answer = await page.run(user("u1"))
    assert answer.events[-1]["type"] == "RUN_FINISHED"
    assert "STATE_SNAPSHOT" in types(answer.events) or "STATE_DELTA" in types(answer.events)
