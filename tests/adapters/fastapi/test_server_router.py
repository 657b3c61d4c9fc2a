"""What each address takes and answers, how a thread goes out as server-sent events, what the documents say of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from jsonschema import Draft202012Validator

import langwire.adapters.fastapi as front_door
from adapters.fastapi.reading_client import Client, serving
from agui.asking import says
from langwire.adapters._shared.gate import Gate
from langwire.adapters.fastapi import protocol
from langwire.adapters.fastapi.router import langwire_router
from langwire.adapters.fastapi.threads import Threads
from langwire.errors import SessionsClosed
from langwire.sessions.adapter import SessionAdapter
from langwire.testing import Fault

PNG = b"\x89PNG\r\n\x1a\n"


def by_header(request: Request) -> Any:
    return request.headers.get("x-user")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def bring(
    client: Client, thread: str, data: bytes = PNG, mime: str | None = "image/png", **headers: str
) -> httpx.Response:
    kind = {} if mime is None else {"content-type": mime}
    url = f"{client.address}/threads/{thread}/files"
    return await client.http.post(url, content=data, headers={"langwire-file": "1", **kind, **headers})


# ------------------------------------------------------------------ threads


async def test_it_says_what_serves_here() -> None:
    async with serving(says("one"), name="my agent", max_frame=1000, max_body=2000) as client:
        about = (await client.get("")).json()
        assert (await client.get("/")).json() == about
    assert about.pop("version")
    assert about == {
        "protocol": 1,
        "name": "my agent",
        "max_frame": 1000,
        "max_body": 2000,
        "max_file": (8 * 2**20 - 4096) * 3 // 4,
    }


async def test_a_thread_is_made_used_named_and_forgotten() -> None:
    async with serving(says("one")) as client:
        made = await client.post("/threads", {"title": "First"})
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        thread = made.json()["thread_id"]
        ack = await client.submit(thread)
        async with client.events(thread, ack["position"]) as events:
            assert (await events.until("turn_end"))["outcome"] == "complete"
        renamed = await client.http.patch(f"{client.address}/threads/{thread}", json={"title": "Second"})
        assert renamed.json()["title"] == "Second"
        state = (await client.get(f"/threads/{thread}")).json()
        assert (state["title"], state["outcome"]) == ("Second", "complete")
        history = (await client.get(f"/threads/{thread}/history")).json()
        assert [event["type"] for event in history["events"]][:: len(history["events"]) - 1] == [
            "turn_start",
            "turn_end",
        ]
        assert history["position"] == state["position"]
        listed = (await client.get("/threads", limit=1)).json()["threads"]
        assert [one["thread_id"] for one in listed] == [thread]
        gone = await client.http.delete(f"{client.address}/threads/{thread}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert code_of(await client.get(f"/threads/{thread}")) == (404, "unknown_thread")


async def test_the_list_comes_in_pages() -> None:
    async with serving(says("one")) as client:
        made = [await client.thread() for _ in range(3)]
        first = (await client.get("/threads", limit=2)).json()
        second = (await client.get("/threads", limit=2, before=first["before"])).json()
    listed = [one["thread_id"] for one in first["threads"] + second["threads"]]
    assert sorted(listed) == sorted(made)
    assert "before" not in second


async def test_a_thread_of_somebody_else_is_as_unknown_as_one_that_is_none() -> None:
    """T-2."""
    async with serving(says("one"), authorize=by_header) as client:
        ann, eve = ({"x-user": name} for name in ("ann", "eve"))
        thread = (await client.http.post(f"{client.address}/threads", json={}, headers=ann)).json()["thread_id"]
        for path in ("", "/history", "/events", "/files/x"):
            mine = await client.http.get(f"{client.address}/threads/{thread}{path}", headers=eve)
            none = await client.http.get(f"{client.address}/threads/none{path}", headers=eve)
            assert (mine.status_code, mine.content) == (404, none.content)
        assert (await client.http.get(f"{client.address}/threads/{thread}", headers=ann)).status_code == 200
        assert code_of(await client.get(f"/threads/{thread}")) == (401, "unauthorized")


# ------------------------------------------------------------------ commands


async def test_a_command_is_answered_with_where_its_turn_begins() -> None:
    async with serving(says("one")) as client:
        thread = await client.thread()
        answer = await client.command(thread, "submit", input="hi", type="submit", ref="mine")
        ack = answer.json()
        assert answer.status_code == 202
        assert "ref" not in ack
        async with client.events(thread, ack["position"]) as events:
            await events.until("turn_end")
    assert events.types[:2] == ["hello", "turn_start"]
    assert events.entries[0]["turn_id"] == ack["turn_id"]


async def test_every_command_has_its_address() -> None:
    hang = Fault()
    async with serving(says("one", ["a", hang, "b"], "three")) as client:
        thread = await client.thread()
        ack = await client.submit(thread)
        async with client.events(thread, ack["position"]) as events:
            await events.until("turn_end")
            point = await client.command(thread, "fork", point=ack["message_id"])
            assert (point.status_code, point.json()["type"]) == (200, "ack")
            undone = await client.command(thread, "undo_fork")
            assert (undone.status_code, undone.json()["checkpoint_id"] == point.json()["checkpoint_id"]) == (200, False)
            await events.until("live")  # what is back has been told anew
            await client.submit(thread)
            await hang.reached
            cancelled = await client.command(thread, "cancel", reason="enough")
            assert (cancelled.status_code, cancelled.json()["stopped"]) == (200, True)
            assert (await events.until("turn_end"))["outcome"] == "cancelled"
            hang.release()
            went_on = await client.command(thread, "continue")
            assert went_on.status_code == 202
            await events.until("turn_end")
            assert code_of(await client.command(thread, "resume", answers={"q": 1})) == (422, "invalid_decision")
            assert code_of(await client.command(thread, "cancel", turn_id="none")) == (404, "unknown_turn")


async def test_a_second_message_is_refused_while_a_turn_runs() -> None:
    """F-S4."""
    hang = Fault()
    async with serving(says(["a", hang])) as client:
        thread = await client.thread()
        await client.submit(thread)
        await hang.reached
        assert code_of(await client.command(thread, "submit", input="again")) == (409, "turn_running")
        hang.release()


BAD_BODIES: list[tuple[str, bytes, tuple[int, str]]] = [
    ("submit", b"{", (400, "invalid_json")),
    ("submit", b"\xff", (400, "invalid_json")),
    ("submit", b'{"input": "\\ud800"}', (400, "invalid_json")),
    ("submit", b'{"input": 1e999}', (400, "invalid_json")),
    ("submit", b"[" * 100_000, (422, "too_deep")),
    ("submit", b'{"input": ' + b"[" * 70 + b"]" * 70 + b"}", (422, "too_deep")),
    ("submit", b"[]", (422, "invalid_body")),
    ("submit", b"null", (422, "invalid_body")),
    ("submit", b"{}", (422, "invalid_body")),
    ("submit", b'{"input": "hi", "state": {}}', (422, "invalid_body")),
    ("submit", b'{"input": "hi", "type": "resume"}', (422, "invalid_body")),
    ("submit", b'{"input": "hi", "when_busy": "never"}', (422, "invalid_body")),
    ("submit", b'{"input": {"messages": []}}', (422, "invalid_input")),
    ("cancel", b'{"reason": 1}', (422, "invalid_body")),
    ("resume", b'{"answers": []}', (422, "invalid_body")),
]


@pytest.mark.parametrize(("name", "body", "wanted"), BAD_BODIES)
async def test_a_body_that_cannot_be_taken_has_its_code(name: str, body: bytes, wanted: tuple[int, str]) -> None:
    """T-4, T-7."""
    async with serving(says("one")) as client:
        url = f"{client.address}/threads/{await client.thread()}/{name}"
        answer = await client.http.post(url, content=body, headers={"content-type": "application/json"})
    assert code_of(answer) == wanted
    assert len(answer.json()["error"]["message"]) < 300


async def test_what_is_no_json_or_too_large_is_not_read() -> None:
    """T-3, T-4."""
    async with serving(says("one"), max_body=100) as client:
        url = f"{client.address}/threads/{await client.thread()}/submit"
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            refused = await client.http.post(url, content=b'{"input": "hi"}', headers={"content-type": kind})
            assert code_of(refused) == (415, "unsupported_media_type")
        assert code_of(await client.http.post(url, json={"input": "x" * 100})) == (413, "body_too_large")


async def test_an_empty_body_is_an_empty_object() -> None:
    async with serving(says("one")) as client:
        headers = {"content-type": "application/json"}
        assert (await client.http.post(f"{client.address}/threads", headers=headers)).status_code == 201


async def test_what_the_agent_takes_can_be_read_by_the_application() -> None:
    def read(given: Any) -> Any:
        return {"messages": [{"role": "user", "content": given["say"]}]}

    async with serving(says("one"), read_input=read) as client:
        thread = await client.thread()
        ack = await client.submit(thread, {"say": "hi"})
        async with client.events(thread, ack["position"]) as events:
            assert (await events.until("turn_end"))["outcome"] == "complete"


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"before": "x" * 401}], ids=lambda query: str(query)[:20]
)
async def test_a_question_that_cannot_be_is_refused(query: dict[str, Any]) -> None:
    async with serving(says("one")) as client:
        assert code_of(await client.get("/threads", **query)) == (422, "invalid_request")


async def test_a_wrong_method_is_a_problem_in_json() -> None:
    async with serving(says("one")) as client:
        refused = await client.http.put(f"{client.address}/threads", json={})
    assert code_of(refused) == (405, "method_not_allowed")


# ------------------------------------------------------------------ server-sent events


async def test_entries_have_ids_from_which_one_reads_on() -> None:
    """F-S2: what was read is not read again, and nothing is lost."""
    async with serving(says(["a", "b", "c"])) as client:
        thread = await client.thread()
        async with client.events(thread) as events:
            await events.until("live")
            await client.submit(thread)
            await events.until("turn_end")
        assert events.headers["content-type"] == "text/event-stream"
        assert events.headers["x-accel-buffering"] == "no"
        assert events.types[:3] == ["hello", "reset", "live"]
        assert [kind for _, kind in events.ids] == events.types[2:]
        log = events.position.partition(":")[0]
        assert [id for id, _ in events.ids[1:]] == [f"{log}:{entry['seq']}" for entry in events.entries]
        for id, after in (events.ids[3], events.ids[-1]), (events.ids[5], events.ids[3]):
            async with client.events(thread, after[0], **{"last-event-id": id[0]}) as again:
                await again.until("hello")
                wanted = [entry for entry in events.entries if entry["seq"] > int(id[0].partition(":")[2])]
                assert [await again.receive() for _ in wanted] == wanted


async def test_an_empty_position_is_none() -> None:
    async with serving(says("one")) as client, client.events(await client.thread(), "") as events:
        assert (await events.until("reset"))["reason"] == "new"


@pytest.mark.parametrize("position", ["7", "x:y", "x:", ":", f"x:{'9' * 19}"])
async def test_a_position_that_is_none_is_refused(position: str) -> None:
    async with serving(says("one")) as client:
        path = f"/threads/{await client.thread()}/events"
        assert code_of(await client.get(path, after=position)) == (400, "invalid_position")
        refused = await client.http.get(f"{client.address}{path}", headers={"last-event-id": position})
        assert code_of(refused) == (400, "invalid_position")


BREAKS = "one\n\ndata: {}\r\rid: x\u2028\u2029\x85event: y\x00"


async def test_no_text_makes_a_line_of_its_own() -> None:
    """T-22."""
    async with serving(says([BREAKS])) as client:
        thread = await client.thread()
        ack = await client.submit(thread, BREAKS)
        async with client.http.stream("GET", f"{client.address}/threads/{thread}/events") as response:
            came = b""
            async for chunk in response.aiter_raw():
                came += chunk
                if came.count(b"turn_end"):
                    break
        async with client.events(thread, ack["position"]) as events:
            await events.until("turn_end")
    assert b"\r" not in came
    assert all(line[:4] in (b"", b"id: ", b"data") for line in came.split(b"\n"))
    assert "".join(entry["text"] for entry in events.entries if entry["type"] == "text_delta") == BREAKS


async def test_a_quiet_stream_says_that_it_is_there() -> None:
    async with serving(says("one"), keep_alive=0.01) as client:
        url = f"{client.address}/threads/{await client.thread()}/events"
        async with client.http.stream("GET", url) as response:
            async for chunk in response.aiter_raw():
                if chunk.endswith(b": keep-alive\n\n"):
                    break


async def test_a_stream_holds_a_place_until_its_client_leaves() -> None:
    """T-4."""
    async with serving(says("one"), max_connections=1, rate=(100_000, 1.0)) as client:
        thread = await client.thread()
        url = f"{client.address}/threads/{thread}/events"
        async with client.events(thread) as events:
            await events.until("live")
            assert code_of(await client.http.get(url)) == (429, "too_many_connections")
        while True:  # the server notices it in its own time
            async with client.http.stream("GET", url) as response:
                if response.status_code == 200:
                    break


async def test_streams_end_when_the_sessions_are_closed() -> None:
    sessions = SessionAdapter(says("one"))
    async with serving(sessions) as client:
        thread = await client.thread()
        async with client.events(thread) as events:
            await events.until("live")
            await sessions.close()
            assert (await events.rest())[-1] == {"type": "closed", "reason": "shutting_down"}
        assert code_of(await client.get(f"/threads/{thread}")) == (503, "shutting_down")


async def test_a_stream_of_a_thread_that_is_deleted_ends() -> None:
    async with serving(says("one")) as client:
        thread = await client.thread()
        async with client.events(thread) as events:
            await events.until("live")
            await client.http.delete(f"{client.address}/threads/{thread}")
            assert (await events.rest())[-1] == {"type": "closed", "reason": "deleted"}


async def test_a_page_of_another_site_is_not_answered() -> None:
    """T-1, T-3."""
    async with serving(says("one"), origins=["https://friend.example"]) as client:
        for origin, status in ("https://evil.example", 403), ("https://friend.example", 200):
            assert (await client.http.get(client.address, headers={"origin": origin})).status_code == status


async def test_two_routers_may_have_one_gate() -> None:
    gate = Gate(rate=(2, 60.0))
    async with serving(says("one"), gate=gate) as one, serving(says("two"), gate=gate) as two:
        assert [(await client.get("")).status_code for client in (one, two, one)] == [200, 200, 429]


# ------------------------------------------------------------------ files


async def test_a_file_comes_back_as_it_was() -> None:
    async with serving(says("one")) as client:
        thread = await client.thread()
        kept = await bring(client, thread)
        assert kept.status_code == 201
        file = kept.json()
        assert (file["mime"], file["bytes"]) == ("image/png", len(PNG))
        got = await client.get(f"/threads/{thread}/files/{file['file_id']}")
        assert (got.content, got.headers["content-type"]) == (PNG, "image/png")
        assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert got.headers["x-content-type-options"] == "nosniff"
        other = await client.thread()
        assert code_of(await client.get(f"/threads/{other}/files/{file['file_id']}")) == (404, "unknown_file")
        said = await client.command(thread, "submit", input=[{"type": "file", "file_id": file["file_id"]}])
        assert said.status_code == 202


@pytest.mark.parametrize("mime", [None, "", "png", "image/", "image/p ng", "multipart/form-data; boundary=x"])
async def test_an_upload_says_what_it_is(mime: str | None) -> None:
    async with serving(says("one")) as client:
        refused = await bring(client, await client.thread(), mime=mime)
    assert code_of(refused) == (415, "unsupported_media_type")


@pytest.mark.parametrize("mark", ["", "0"])
async def test_a_form_of_another_site_cannot_upload(mark: str) -> None:
    """T-3."""
    async with serving(says("one")) as client:
        refused = await bring(client, await client.thread(), mime="text/plain", **{"langwire-file": mark})
    assert code_of(refused) == (415, "unsupported_media_type")


async def test_a_file_that_is_too_large_is_not_read() -> None:
    """T-4."""
    async with serving(says("one"), files=front_door.Files(max_file=100)) as client:
        thread = await client.thread()
        assert code_of(await bring(client, thread, b"x" * 101)) == (413, "body_too_large")
        assert (await bring(client, thread, b"x" * 100)).status_code == 201


# ------------------------------------------------------------------ whose the sessions are


async def test_a_router_of_a_graph_closes_what_it_made() -> None:
    hang = Fault()
    app, router = FastAPI(), langwire_router(says(["a", hang]))
    app.include_router(router, prefix="/chat")
    async with router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost/chat") as client:
            thread = (await client.post("/threads", json={})).json()["thread_id"]
            await client.post(f"/threads/{thread}/submit", json={"input": "hi"})
            await hang.reached
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/chat") as client:
        assert code_of(await client.get("/threads")) == (503, "shutting_down")


async def test_a_router_of_sessions_leaves_them_open() -> None:
    async with SessionAdapter(says("one")) as sessions:
        async with serving(sessions) as client:
            await client.thread()
        sessions.check_open()
    with pytest.raises(SessionsClosed):
        sessions.check_open()


async def test_threads_of_ones_own_may_be_without_files() -> None:
    async with SessionAdapter(says("one")) as sessions:
        threads = Threads(sessions)
        async with serving(threads) as client:
            assert (await client.get("")).json()["max_file"] == 0
            refused = await bring(client, await client.thread())
            assert refused.status_code in (404, 405)
            assert len((await threads.list(None)).threads) == 1
        await threads.close()


async def test_state_is_streamed_where_it_is_shown() -> None:
    async with serving(says("one"), shown=front_door.Shown(state=True)) as client:
        thread = await client.thread()
        ack = await client.submit(thread)
        async with client.events(thread, ack["position"]) as events:
            await events.until("turn_end")
        assert "state_snapshot" in events.types
        assert "values" in (await client.get(f"/threads/{thread}")).json()


# ------------------------------------------------------------------ what the documents say


def openapi(**options: Any) -> dict[str, Any]:
    app = FastAPI()
    app.include_router(langwire_router(says("one"), **options), prefix="/chat")
    return app.openapi()


def parts_of(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(part for one in inner for part in parts_of(one))]


def test_the_document_tells_each_body_answer_and_problem() -> None:
    paths = openapi()["paths"]
    operations = {(path, method): told for path, methods in paths.items() for method, told in methods.items()}
    assert len(operations) == 17
    for (path, _), told in operations.items():
        good = next(status for status in told["responses"] if status.startswith("2"))
        content = told["responses"][good].get("content", {})
        assert good == "204" or content, path
        for status in ("4XX", "5XX"):
            problem = told["responses"][status]["content"]["application/json"]["schema"]
            assert problem["properties"]["error"]["required"] == ["code", "message"]
        assert told["description"]
    submit = operations["/chat/threads/{thread_id}/submit", "post"]
    body = submit["requestBody"]["content"]["application/json"]["schema"]
    assert {"ref", "type", *(field for field in protocol.Submit.__struct_fields__)} == set(body["properties"])
    assert body["required"] == ["input"]
    assert body["properties"]["input"]["anyOf"][0] == {"type": "string"}
    assert submit["responses"]["202"]["content"]["application/json"]["schema"]["title"] == "Ack"
    events = operations["/chat/threads/{thread_id}/events", "get"]["responses"]["200"]["content"]
    assert list(events) == ["text/event-stream"]


def test_the_document_is_whole_and_its_schemas_are_schemas() -> None:
    document = openapi()
    for part in parts_of(document):
        if isinstance(part, dict) and "schema" in part:
            Draft202012Validator.check_schema(part["schema"])
        assert not (isinstance(part, dict) and "$ref" in part)
    json.dumps(document, allow_nan=False)


def test_input_of_the_applications_own_is_anything() -> None:
    paths = openapi(read_input=lambda given: given)["paths"]
    body = paths["/chat/threads/{thread_id}/submit"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["input"] == {}


# ------------------------------------------------------------------ the front door


def test_every_name_of_the_front_door_opens() -> None:
    assert all(getattr(front_door, name).__name__ == name for name in front_door.__all__)
    assert sorted(front_door.__all__) == front_door.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        front_door.nothing  # noqa: B018


def test_the_front_door_is_light() -> None:
    code = "import sys, langwire.adapters.fastapi as door; assert 'fastapi' not in sys.modules; door.langwire_router"
    subprocess.run([sys.executable, "-c", code], check=True)
