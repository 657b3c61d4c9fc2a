"""The board of delegated work over real sockets: reading it, watching it, steering it, and whose it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from agui.served import listening
from langwire import Redactor
from langwire.adapters._shared.gate import Gate
from langwire.adapters.fastapi import Shown
from langwire.app import task_router
from langwire.app._task_views import tree_of
from langwire.demo.agents import build_approval, build_delegating
from langwire.errors import StoreError
from langwire.tasks import MemoryTaskStore, TaskRunner
from langwire.tasks.task import Spec, Task

Frame = dict[str, Any]


def by_header(request: Request) -> str | None:
    return request.headers.get("x-user")


class Board:
    """The routes of a runner, served, and a client of them."""

    def __init__(self, runner: TaskRunner, client: httpx.AsyncClient, stopping: asyncio.Event) -> None:
        self.runner, self.client, self.stopping = runner, client, stopping

    async def get(self, path: str = "", **query: Any) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, *, user: str = "ann") -> httpx.Response:
        return await self.client.post(path, json=body or {}, headers={"x-user": user})

    async def frames(self, path: str, **headers: str) -> AsyncGenerator[tuple[str | None, Frame]]:
        """Yield the id and the frame of each event of a stream."""
        async with self.client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream"
            id = None
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    id = line[4:]
                elif line.startswith("data: "):
                    yield id, json.loads(line[6:])
                    id = None

    async def all(self, path: str, **headers: str) -> list[tuple[str | None, Frame]]:
        async with aclosing(self.frames(path, **headers)) as frames:
            return [frame async for frame in frames]


async def pay(context: Any, *, size: int = 1, fails: bool = False, token: str = "") -> str:
    """Say how a payment went."""
    if fails:
        raise ConnectionError(f"the bank does not know {token}")
    return "x" * size


@asynccontextmanager
async def board(
    graph: Any = None,
    *,
    works: bool = True,
    store: MemoryTaskStore | None = None,
    asks: bool = False,
    max_connections: int = 100,
    shown: Shown | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[Board]:
    agents = {"main": graph if graph is not None else build_approval(0)}
    runner = TaskRunner(agents, store, handlers={"pay": pay}, sweep=0.1)
    stopping = asyncio.Event()
    gate = Gate(authorize=by_header if asks else None, max_connections=max_connections)
    app = FastAPI()
    shows = {} if shown is None else {"shown": shown}
    router = task_router(runner, gate=gate, stopping=stopping, redactor=redactor, **shows)
    app.include_router(router, prefix="/tasks")
    if works:
        await runner.start()
    try:
        async with listening(app) as url, httpx.AsyncClient(base_url=f"{url}/tasks", timeout=20) as client:
            yield Board(runner, client, stopping)
    finally:
        await runner.shutdown()


async def asked(runner: TaskRunner, **options: Any) -> Any:
    """Return a task that waits for a person."""
    task = await runner.wait(await runner.enqueue("Write to Ann", **options), timeout=20)
    assert task.state == "review_needed"
    return task


def approved(task: Any) -> dict[str, Any]:
    return {"answers": {question.id: [{"type": "approve"} for _ in question.actions] for question in task.interrupts}}


# ------------------------------------------------------------------ reading


async def test_tasks_are_listed_the_newest_first_a_page_at_a_time() -> None:
    async with board(works=False) as it:
        ids = [await it.runner.enqueue(f"part {number}") for number in range(3)]
        first = await it.get(limit=2)
        assert [task["id"] for task in first["tasks"]] == ids[:0:-1]
        rest = await it.get("/", before=first["before"])
        assert [task["id"] for task in rest["tasks"]] == ids[:1]
        assert "before" not in rest


async def test_a_list_is_narrowed_by_what_is_asked_for() -> None:
    async with board(works=False) as it:
        one, two = await it.runner.enqueue("one"), await it.runner.enqueue(handler="pay", args={})
        await it.runner.cancel(two)

        async def found(**query: Any) -> list[str]:
            return [task["id"] for task in (await it.get(**query))["tasks"]]

        assert await found(state="queued") == [one]
        assert await found(state=["queued", "cancelled"]) == [two, one]
        assert await found(agent="pay") == [two]
        assert await found(root=one) == [one]
        assert await found(parent=one) == []


@pytest.mark.parametrize(
    "query", [{"state": "asleep"}, {"limit": 0}, {"limit": 201}, {"before": 2**63}, {"limit": "x"}]
)
async def test_a_list_that_cannot_be_is_refused(query: dict[str, Any]) -> None:
    async with board(works=False) as it:
        answer = await it.client.get("", params=query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


async def test_a_task_is_told_without_what_is_for_runners_alone() -> None:
    """T-15: neither the arguments of a handler, which may hold secrets, nor an exception's text."""
    async with board() as it:
        id = await it.runner.enqueue(handler="pay", args={"token": "hunter2", "fails": True}, idempotency_key="k1")
        task = await it.runner.wait(id, timeout=20)
        answer = await it.client.get(f"/{id}")
        told = answer.json()
        assert (told["state"], told["kind"], told["name"]) == ("failed", "handler", "pay")
        assert told["error"]["code"] == "ConnectionError"
        assert "hunter2" not in answer.text
        assert not told.keys() & {"fence", "worker", "batch", "call_key", "principal", "args", "limits", "spec"}
        assert "k1" not in answer.text
        assert told["events"] == task.events


async def test_a_task_tells_its_prompt_and_what_was_said_since_and_a_list_does_not() -> None:
    async with board(works=False) as it:
        id = await it.runner.enqueue("Write to Ann")
        assert (await it.post(f"/{id}/followup", {"message": "and to Bob"})).json() == {"taken": True}
        told = await it.get(f"/{id}")
        assert told["prompt"] == "Write to Ann"
        assert [said["text"] for said in told["said"]] == ["and to Bob"]
        (listed,) = (await it.get())["tasks"]
        assert not listed.keys() & {"prompt", "said", "result"}


async def test_a_large_result_is_a_mark() -> None:
    """T-4."""
    async with board(shown=Shown(max_value=1000)) as it:
        small = await it.runner.enqueue(handler="pay", args={"size": 900})
        large = await it.runner.enqueue(handler="pay", args={"size": 5000})
        await it.runner.gather([small, large], timeout=20)
        assert (await it.get(f"/{small}"))["result"] == "x" * 900
        assert "$truncated" in (await it.get(f"/{large}"))["result"]


async def test_a_tree_holds_all_that_was_delegated() -> None:
    async with board(build_delegating(0)) as it:
        top = await it.runner.enqueue("A weekend in Rome")
        letter = await first_question(it)
        tree = await it.get(f"/{top}/tree")
        assert tree["task"]["id"] == top
        assert sorted(child["task"]["title"] for child in tree["children"]) == ["letter", "train", "weather"]
        assert all(child["children"] == [] for child in tree["children"])
        assert (await it.post(f"/{letter.id}/answer", approved(letter))).json() == {"taken": True}
        assert (await it.runner.wait(top, timeout=20)).state == "done"


async def first_question(it: Board) -> Any:
    async with aclosing(it.runner.watch()) as changes:
        async for task in changes:
            if task.state == "review_needed":
                return task
    raise AssertionError("nobody asked")


def test_a_tree_leaves_out_what_hangs_on_a_task_that_is_gone() -> None:
    def task(id: str, *above: str) -> Task:
        parent = above[-1] if above else None
        return Task(spec=Spec(id=id, name="main", root_id="a", parent_id=parent, ancestors=above), number=1)

    tree = tree_of(task("a"), [task("b", "a"), task("d", "a", "c"), task("e", "a", "b")])
    (child,) = tree.children
    assert (child.task.id, [below.task.id for below in child.children]) == ("b", ["e"])


# ------------------------------------------------------------------ live


async def test_tasks_are_told_as_they_change() -> None:
    async with board() as it, aclosing(it.frames("/watch")) as frames:
        assert await anext(frames) == (None, {"type": "hello", "protocol": 1})
        id = await it.runner.enqueue(handler="pay", args={})
        states = []
        async for _, frame in frames:
            assert frame["type"] == "task"
            assert frame["task"]["id"] == id
            states.append(frame["task"]["state"])
            if states[-1] == "done":
                break
        it.stopping.set()
        assert [frame async for _, frame in frames] == [{"type": "closed", "reason": "shutting_down"}]


async def test_a_task_is_told_to_its_end_and_from_any_position_exactly_the_rest() -> None:
    """F-S2."""
    async with board() as it:
        task = await asked(it.runner)
        path = f"/{task.id}/events"
        async with aclosing(it.frames(path)) as frames:
            hello = await anext(frames)
            assert hello == (
                None,
                {"type": "hello", "protocol": 1, "thread_id": task.id, "position": f"{task.id}:{task.events}"},
            )
            read = [await anext(frames) for _ in range(task.events)]
            assert (await it.post(f"/{task.id}/answer", approved(task))).json() == {"taken": True}
            read += [frame async for frame in frames]
        assert read.pop() == (None, {"type": "closed", "reason": "ended"})
        seqs = [frame["seq"] for _, frame in read]
        assert seqs == list(range(1, (await it.runner.get(task.id)).events + 1))
        assert [id for id, _ in read] == [f"{task.id}:{seq}" for seq in seqs]
        for number in (0, 1, len(read) // 2, len(read)):
            position = f"{task.id}:{number}"
            (_, _), *rest, (_, end) = await it.all(path, **{"last-event-id": position})
            assert rest == read[number:]
            assert end["reason"] == "ended"
            assert await it.all(f"{path}?after={position}") == [hello_of(it, task.id, len(read)), *rest, (None, end)]


def hello_of(it: Board, id: str, last: int) -> tuple[None, Frame]:
    return None, {"type": "hello", "protocol": 1, "thread_id": id, "position": f"{id}:{last}"}


async def test_a_long_story_is_told_whole() -> None:
    """It takes more than one page of the store."""
    async with board(works=False) as it:
        id = await it.runner.enqueue(handler="pay", args={})
        for _ in range(300):
            await it.runner.cancel(id)
            await it.runner.retry(id)
        await it.runner.cancel(id)
        frames = await it.all(f"/{id}/events")
        assert len(frames) == (await it.runner.get(id)).events + 2
        assert len(frames) > 500


async def test_what_is_not_shown_is_left_out() -> None:
    async with board(shown=Shown(nodes=False)) as it:
        task = await asked(it.runner)
        await it.runner.cancel(task.id)
        frames = await it.all(f"/{task.id}/events")
        assert not any("node" in frame["type"] for _, frame in frames)
        assert any(frame["type"] == "interrupt" for _, frame in frames)


async def test_a_position_beyond_the_end_begins_anew() -> None:
    """A store that was restored from a copy may hold less than somebody has read."""
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        await it.runner.cancel(id)
        frames = [frame for _, frame in await it.all(f"/{id}/events?after={id}:99")]
        assert frames[1] == {"type": "reset", "reason": "foreign"}
        assert [frame["type"] for frame in frames[2:]] == ["task_update", "task_update", "closed"]


async def test_an_empty_position_is_none() -> None:
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        await it.runner.cancel(id)
        whole = await it.all(f"/{id}/events")
        assert len(whole) == 4
        assert await it.all(f"/{id}/events", **{"last-event-id": ""}) == whole
        assert await it.all(f"/{id}/events?after=") == whole
        assert await it.all(f"/{id}/events?after={id}:1", **{"last-event-id": ""}) == [whole[0], *whole[2:]]


@pytest.mark.parametrize("position", ["7", "other:1", "{id}:-1", "{id}:x", "{id}:" + "9" * 19])
async def test_a_position_of_another_task_is_refused(position: str) -> None:
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        answer = await it.client.get(f"/{id}/events", params={"after": position.replace("{id}", id)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_position")


async def test_a_task_that_is_deleted_while_it_is_read_says_so() -> None:
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        gone = asyncio.Event()
        events = it.runner.store.events

        async def deleted(task_id: str, *rest: Any) -> Any:
            page = await events(task_id, *rest)
            if not gone.is_set():
                gone.set()
                await it.runner.cancel(id)
                await it.runner.delete(id)
            return page

        it.runner.store.events = deleted  # type: ignore[method-assign]
        frames = await it.all(f"/{id}/events")
        assert frames[-1] == (None, {"type": "closed", "reason": "deleted"})


async def test_who_reads_a_task_is_let_go_when_the_server_stops() -> None:
    async with board() as it:
        task = await asked(it.runner)
        async with aclosing(it.frames(f"/{task.id}/events")) as frames:
            for _ in range(task.events + 1):
                await anext(frames)
            it.stopping.set()
            assert [frame async for _, frame in frames] == [{"type": "closed", "reason": "shutting_down"}]


class Failing(MemoryTaskStore):
    async def wait(self, mark: int, seconds: float) -> None:
        raise StoreError("the password hunter2 is wrong")

    async def get(self, id: str) -> Any:
        raise StoreError("the password hunter2 is wrong")


async def test_a_store_that_fails_breaks_the_stream_off_and_is_told_to_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """T-15, T-23: and there without what is secret."""
    async with board(works=False, store=Failing(), redactor=Redactor(["hunter2"])) as it:
        answer = await it.client.get("/any")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert caplog.text.count("StoreError: the password [redacted] is wrong") == 1
        told = []
        with pytest.raises(httpx.RemoteProtocolError):
            async for frame in it.frames("/watch"):
                told.append(frame)
        assert [frame["type"] for _, frame in told] == ["hello"]
    assert caplog.text.count("StoreError: the password [redacted] is wrong") == 2
    assert "hunter2" not in caplog.text


async def test_streams_are_counted_and_given_back() -> None:
    """T-4."""
    async with board(works=False, max_connections=1) as it:
        async with aclosing(it.frames("/watch")) as frames:
            await anext(frames)
            second = await it.client.get("/watch")
            assert (second.status_code, second.json()["error"]["code"]) == (429, "too_many_connections")
            it.stopping.set()
            assert [frame["type"] async for _, frame in frames] == ["closed"]
        assert (await it.all("/watch"))[-1][1]["type"] == "closed"


# ------------------------------------------------------------------ steering


async def test_an_answer_is_taken_once() -> None:
    """T-8."""
    async with board(asks=True) as it:
        task = await asked(it.runner, principal="ann")
        answers = await asyncio.gather(*(it.post(f"/{task.id}/answer", approved(task)) for _ in range(2)))
        assert sorted(answer.json()["taken"] for answer in answers) == [False, True]
        done = await it.runner.wait(task.id, timeout=20)
        assert done.state == "done"
        assert (await it.post(f"/{task.id}/answer", approved(task))).json() == {"taken": False}


async def test_it_is_kept_who_has_decided() -> None:
    """T-8."""
    async with board(asks=True) as it:
        task = await asked(it.runner, principal="ann")
        kept = []
        resume = it.runner.store.resume

        async def seen(task_id: str, answers: Any) -> bool:
            kept.extend(answers)
            return await resume(task_id, answers)

        it.runner.store.resume = seen  # type: ignore[method-assign]
        await it.post(f"/{task.id}/answer", approved(task))
        assert [(answer.decided_by, answer.decisions) for answer in kept] == [("ann", ("approve",))]


async def test_a_decision_that_is_not_allowed_is_refused_and_the_question_stays_open() -> None:
    """T-8."""
    async with board() as it:
        task = await asked(it.runner)
        answers = {question.id: [{"type": "explode"}] for question in task.interrupts}
        answer = await it.post(f"/{task.id}/answer", {"answers": answers})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_decision")
        assert (await it.runner.get(task.id)).state == "review_needed"


async def test_a_task_is_stopped_and_tried_again() -> None:
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        assert (await it.post(f"/{id}/retry")).json() == {"taken": False}
        assert (await it.post(f"/{id}/cancel", {"reason": "not today"})).json() == {"stopped": True}
        assert (await it.get(f"/{id}"))["cancel"] == "not today"
        assert (await it.post(f"/{id}/retry")).json() == {"taken": True}
        assert (await it.get(f"/{id}"))["state"] == "queued"


async def test_what_has_ended_is_not_stopped() -> None:
    async with board() as it:
        id = await it.runner.enqueue(handler="pay", args={})
        await it.runner.wait(id, timeout=20)
        assert (await it.post(f"/{id}/cancel")).json() == {"stopped": False}


async def test_the_same_message_is_said_once_and_takes_the_place_of_none() -> None:
    """T-7: the id stands in the task's thread, where an agent's message may have the one that a client makes up."""
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        for _ in range(2):
            await it.post(f"/{id}/followup", {"message": "more", "message_id": "m1"})
        inbox = (await it.runner.get(id)).inbox
        assert [(message.text, message.id) for message in inbox[1:]] == [("more", f"{id}:m1")]


BAD: dict[str, tuple[str, Any, int, str]] = {
    "no answers": ("answer", {}, 422, "invalid_body"),
    "a list of answers": ("answer", {"answers": []}, 422, "invalid_body"),
    "an unknown field": ("retry", {"force": True}, 422, "invalid_body"),
    "a reason that is too long": ("cancel", {"reason": "x" * 501}, 422, "invalid_body"),
    "a blank message": ("followup", {"message": " \n"}, 422, "invalid_input"),
    "a message that is too long": ("followup", {"message": "x" * 1_000_001}, 422, "invalid_body"),
    "a list": ("cancel", [1], 422, "invalid_body"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_asked_of_a_task_is_refused(what: str) -> None:
    name, body, status, code = BAD[what]
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        answer = await it.post(f"/{id}/{name}", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert (await it.runner.get(id)).state == "queued"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"reason=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"answers": ' + b"[" * 100_000, "application/json", 422, "too_deep"),
        (b'{"answers": {"q": ' + b"[" * 70 + b"]" * 70 + b"}}", "application/json", 422, "too_deep"),
        (b'"\\ud83d"', "application/json", 400, "invalid_json"),
    ],
)
async def test_a_body_that_is_none_is_refused(body: bytes, kind: str, status: int, code: str) -> None:
    """T-3, T-4, T-5."""
    async with board(works=False) as it:
        id = await it.runner.enqueue("one")
        answer = await it.client.post(f"/{id}/answer", content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


# ------------------------------------------------------------------ whose it is

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/tree", None),
    ("GET", "/events", None),
    ("POST", "/answer", {"answers": {"q": "yes"}}),
    ("POST", "/cancel", {}),
    ("POST", "/retry", {}),
    ("POST", "/followup", {"message": "mine now"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_somebody_elses_task_is_as_unknown_as_one_that_was_never_made(method: str, path: str, body: Any) -> None:
    """T-2."""
    async with board(works=False, asks=True) as it:
        own = await it.runner.enqueue("one", principal="ann")
        nobodys = await it.runner.enqueue("two")
        before = await it.runner.get(own), await it.runner.get(nobodys)
        answers = [
            await it.client.request(method, f"/{id}{path}", json=body, headers={"x-user": user})
            for id, user in [(own, "bob"), (nobodys, "bob"), ("never", "bob"), ("never", "ann")]
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].json()["error"]["code"] == "unknown_task"
        assert (await it.runner.get(own), await it.runner.get(nobodys)) == before


async def test_each_sees_the_tasks_that_were_made_for_them() -> None:
    """T-2."""
    async with board(works=False, asks=True) as it:
        for user in ("ann", "bob"):
            await it.runner.enqueue(f"for {user}", principal=user)
        for user in ("ann", "bob"):
            tasks = (await it.client.get("", headers={"x-user": user})).json()["tasks"]
            assert [task["title"] for task in tasks] == [f"for {user}"]
        assert (await it.client.get("")).status_code == 401
        async with aclosing(it.frames("/watch", **{"x-user": "bob"})) as frames:
            await anext(frames)
            await it.runner.enqueue("also for ann", principal="ann")
            await it.runner.enqueue("also for bob", principal="bob")
            assert (await anext(frames))[1]["task"]["title"] == "also for bob"
            it.stopping.set()


async def test_text_of_models_makes_no_frame_of_its_own() -> None:
    """T-22."""
    async with board(works=False) as it:
        title = "a\n\ndata: {}\r\rid: 7\u2028b"
        id = await it.runner.enqueue("one", title=title)
        await it.runner.cancel(id)
        frames = await it.all(f"/{id}/events")
        assert [frame["type"] for _, frame in frames] == ["hello", "task_update", "task_update", "closed"]
