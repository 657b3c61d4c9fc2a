"""How langwire's errors are told to clients: the table, and what a guarded route makes of it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from langwire import errors
from langwire.adapters._shared import refusals
from langwire.adapters._shared.refusals import TABLE, Refused, refusal_of
from langwire.adapters._shared.web import guarded
from langwire.adapters.agui import _refusals as agui

MORE: dict[type[Exception], dict[str, str]] = {
    errors.AlreadySubmitted: {"turn_id": "t1"},
    errors.TaskRefused: {"code": "depth"},
}
KINDS = sorted(TABLE, key=lambda kind: kind.__name__)
WITHOUT = [
    errors.UsageError,
    errors.ParserEnded,
    errors.KeyTaken,
    errors.InvalidPlan,
    errors.ArtifactRefused,
    errors.LangwireError,
    errors.TurnRefused,
    errors.LeaseLost,
    errors.LogClosed,
    errors.ReaderTooSlow,
    errors.StreamError,
    errors.UnknownChunk,
    errors.StoreError,
    errors.SpecError,
    errors.MissingExtra,
]
"""What is no fault of a request, or never leaves the room in which it is raised."""


def made(kind: type[Exception], message: str = "what came") -> Exception:
    return kind(message, **MORE.get(kind, {}))


async def answered(error: Exception) -> httpx.Response:
    """What a client gets from a guarded route that raises."""

    def route() -> None:
        raise error

    router = APIRouter(route_class=guarded())
    router.add_api_route("/it", route, methods=["POST"])
    app = FastAPI()
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        return await client.post("/it")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_route_may_raise_an_error_as_it_is_and_its_client_is_told_the_refusal(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    error = made(kind)
    answer, refused = await answered(error), refusal_of(error)
    assert refused is not None
    assert (answer.status_code, answer.json()["error"]["code"]) == TABLE[kind]
    assert answer.json() == {"error": {"code": refused.code, "message": refused.detail}}
    assert caplog.records == []


def test_the_page_says_what_the_table_says() -> None:
    rows = re.findall(r"\| (\d+) \| `(\w+)` \| `(\w+)` \|", refusals.__doc__ or "")
    said = {getattr(errors, name): (int(status), code) for status, code, name in rows}
    assert (said, len(rows)) == (dict(TABLE), len(TABLE))


def test_every_error_is_in_the_table_or_known_to_be_no_refusal() -> None:
    every = {found for found in vars(errors).values() if isinstance(found, type)}
    assert every == {*TABLE, *WITHOUT}


@pytest.mark.parametrize("error", [errors.StoreError("db1 is down"), errors.UsageError("f() takes x"), ValueError("x")])
async def test_what_is_no_fault_of_the_request_gets_an_id_and_no_text(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """T-15."""
    assert refusal_of(error) is None
    answer = await answered(error)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert str(error) not in answer.text
    assert answer.json()["error"]["id"] in caplog.text


def test_an_error_of_ones_own_is_told_as_the_nearest_that_it_comes_from() -> None:
    class Odd(errors.InputTooLarge): ...

    told = refusal_of(Odd("7 bytes came"))
    assert told is not None
    assert (told.status_code, told.code, told.detail) == (413, "input_too_large", "7 bytes came")


@pytest.mark.parametrize("kind", [errors.UnknownThread, errors.UnknownTask])
def test_the_sentence_of_what_is_unknown_names_nothing(kind: type[Exception]) -> None:
    """T-2: what is somebody else's and what is nobody's are told in the same words."""
    first, second = refusal_of(made(kind, "nothing is known of 'a'")), refusal_of(made(kind, "'b' is ann's"))
    assert first is not None
    assert second is not None
    assert first.detail == second.detail
    assert first.detail.startswith("nothing is known of this ")


@pytest.mark.parametrize("kind", KINDS)
def test_no_client_is_told_to_call_python(kind: type[Exception]) -> None:
    spoken = (
        errors.InterruptOpen,
        errors.SessionsClosed,
        errors.TurnRunning,
        errors.UnknownPoint,
        errors.UnsupportedGraph,
    )
    told = refusal_of(made(kind, "make a new SessionAdapter()"))
    assert told is not None
    assert ("SessionAdapter" in told.detail) == (kind not in (*spoken, errors.UnknownThread, errors.UnknownTask))


def test_a_refusal_is_its_own() -> None:
    refused = Refused(429, "too_many_requests", "wait", retry_after=2)
    assert refusal_of(refused) is refused


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (errors.TurnRunning, (409, "run_in_progress")),
        (errors.TooManyTurns, (429, "too_many_runs")),
        (errors.UnknownPoint, (422, "unknown_message")),
        (errors.UnknownTurn, (404, "unknown_run")),
        (errors.UnknownThread, (404, "unknown_thread")),
        (errors.InputTooLarge, (413, "input_too_large")),
    ],
)
def test_ag_ui_has_its_own_words_for_some(kind: type[Exception], told: Any) -> None:
    refused = agui.refusal_of(made(kind))
    assert refused is not None
    assert (refused.status, refused.code) == told
    assert agui.code_of(kind.__name__) == told[1]


def test_ag_ui_refuses_nothing_else() -> None:
    assert agui.refusal_of(errors.StoreError("db1 is down")) is None
    assert agui.code_of("KeyError") == "KeyError"
