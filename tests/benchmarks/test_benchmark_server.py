"""The server is measured beside a bare one over the same graph, by clients that are told every word."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from benchmarks._server_load import RECEIVE_BUFFER, Address, Place, SocketReader
from benchmarks._server_side import PIECE, PIECES, SEND_BUFFER, WORD
from benchmarks.server import (
    BARE,
    FULL,
    OURS,
    QUICK,
    TRANSPORTS,
    clients_over,
    long_threads,
    play,
    processes,
    server,
    still_open,
)

from benchmarks import __main__ as command
from benchmarks import server as benchmark

each_server = pytest.mark.parametrize("name", [BARE, OURS])
each_transport = pytest.mark.parametrize("socket", TRANSPORTS.values(), ids=TRANSPORTS.keys())


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Address]]:
    with processes(QUICK) as begun:
        yield begun


def test_each_promise_is_measured() -> None:
    costs = server(3, quick=True)
    each = [
        (f"3 clients at 50 ms a token over {transport}, {what}", [BARE, OURS], unit, has_goal)
        for transport in TRANSPORTS
        for what, unit, has_goal in (
            ("CPU", "µs a token", True),
            ("time to the first token (p50)", "ms", True),
            ("from token to token (p99)", "ms", False),
            ("CPU of the clients themselves", "µs a token", False),
        )
    ]
    assert [(cost.what, list(cost.figures), cost.unit, cost.met is not None) for cost in costs] == [
        *each,
        ("4 idle connections, half of them over WebSocket", [BARE, OURS], "MB more", True),
        ("3 clients beside 2 that never read, from token to token (p99)", ["alone", "beside them"], "ms", True),
    ]
    assert all(cost.growth is not None for cost in costs if cost.unit != "MB more")
    assert (FULL.clients, FULL.pace, FULL.idle, FULL.deaf) == (100, 0.05, 1_000, 100)  # what was promised


def test_nothing_is_compared_when_the_bare_server_is_too_busy(servers: dict[str, Address]) -> None:
    faster = QUICK._replace(pace=1e-6)  # as if the model spoke so fast
    (cost,) = clients_over("WebSocket", servers, faster, 1)
    assert "over WebSocket are not compared, the bare server is too busy" in cost.what
    assert cost.what.endswith("python -m benchmarks.server --clients 1")
    assert (list(cost.figures), cost.goal, cost.met) == ([BARE], "<= 70%", None)
    assert cost.figures[BARE].middle > 70


# ------------------------------------------------------------------ turns


@each_server
@each_transport
async def test_all_clients_are_told_every_word(servers: dict[str, Address], name: str, socket: bool) -> None:
    played = await play(servers[name], QUICK, [socket] * QUICK.clients)
    assert [len(told.gaps) for told in played.told] == [QUICK.tokens - 1] * QUICK.clients
    assert played.cpu > 0
    assert played.first >= QUICK.pace  # the model pauses before each word
    assert played.late >= max(min(told.gaps) for told in played.told)


@each_server
@each_transport
async def test_a_word_that_is_missing_is_no_figure(servers: dict[str, Address], name: str, socket: bool) -> None:
    place = await servers[name].new_thread()
    with pytest.raises(ConnectionError, match="a turn of 5 words was told with 4"):
        await servers[name].converse(place, 5, socket=socket)


@each_transport
async def test_a_reader_can_begin_where_a_thread_ends(servers: dict[str, Address], socket: bool) -> None:
    place = await servers[OURS].new_thread()
    await servers[OURS].converse(place, QUICK.tokens, socket=socket)
    end = await servers[OURS].end_of(place)
    told = await servers[OURS].converse(end, QUICK.tokens, socket=socket)
    assert len(told.gaps) == QUICK.tokens - 1


async def test_the_words_of_the_past_count_as_well(servers: dict[str, Address]) -> None:
    place = await servers[OURS].new_thread()
    await servers[OURS].converse(place, QUICK.tokens, socket=True)
    reader = await servers[OURS].listen(place, socket=True)
    reader.transport.abort()
    assert len(reader.came) == QUICK.tokens


# ------------------------------------------------------------------ connections


async def test_a_long_thread_is_more_than_a_connection_takes(servers: dict[str, Address]) -> None:
    """A server keeps some hundred thousand bytes for a client; the rest waits until it reads."""
    (beginning,) = await long_threads(servers[OURS], QUICK._replace(clients=1))
    reader = await servers[OURS].listen(beginning, socket=True)
    await reader.ended
    reader.transport.abort()
    assert len(reader.came) == PIECES * PIECE
    assert len(WORD) * PIECES * PIECE > 2 * SEND_BUFFER + 2**17 + RECEIVE_BUFFER


@each_transport
async def test_a_connection_that_never_reads_is_open(servers: dict[str, Address], socket: bool) -> None:
    place = await servers[OURS].new_thread()
    before = await servers[OURS].calm()
    deaf = await servers[OURS].never_read(place, socket=socket)
    during = await servers[OURS].calm()
    assert not deaf.transport.is_reading()
    deaf.transport.abort()
    after = await servers[OURS].calm()
    assert (during.connections - before.connections, after.connections - before.connections) == (1, 0)


def test_what_the_server_has_closed_is_no_figure() -> None:
    still_open(3, 3)
    with pytest.raises(ConnectionError, match="2 connections are open: expected 3"):
        still_open(3, 2)


@each_transport
async def test_a_refusal_is_no_figure(servers: dict[str, Address], socket: bool) -> None:
    elsewhere = servers[OURS]._replace(ours=False)  # what the bare server has at this address is not here
    for address in (servers[OURS], elsewhere):
        with pytest.raises(ConnectionError, match=r"the server has hung up: .* (404|403) "):
            await address.listen(Place("unknown"), socket=socket)
    with pytest.raises(ConnectionError, match=r"GET /v1/threads/unknown was answered with .* 404 .*: expected 2xx"):
        await servers[OURS].end_of(Place("unknown"))


async def test_a_process_ends_with_its_block() -> None:
    with processes(QUICK) as begun:
        assert (await begun[BARE].usage()).memory > 10**7
    with pytest.raises(ConnectionRefusedError):
        await begun[BARE].usage()


# ------------------------------------------------------------------ frames


@asynccontextmanager
async def sending(*parts: bytes) -> AsyncIterator[tuple[SocketReader, asyncio.StreamReader]]:
    """Serve a WebSocket that sends its bytes one by one; give a reader of it, and what the reader sends."""
    accepted: asyncio.Future[tuple[Any, Any]] = asyncio.get_running_loop().create_future()
    listener = await asyncio.start_server(lambda *streams: accepted.set_result(streams), "127.0.0.1", 0)
    address = Address(listener.sockets[0].getsockname()[1], ours=False)
    async with listener:
        opening = asyncio.create_task(address.listen(Place(), socket=True))
        reading, writing = await accepted
        await reading.readuntil(b"\r\n\r\n")
        for byte in b"".join((b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", *parts)):
            writing.write(bytes([byte]))
            await writing.drain()
        yield await opening, reading
        writing.close()
        await writing.wait_closed()


async def test_frames_are_read_however_they_are_cut() -> None:
    """Of each of the three lengths that a frame can have."""
    words = [b"word", b"word" * 100, b"word" * 20_000]
    heads = [b"\x81\x04", b"\x81\x7e" + (400).to_bytes(2, "big"), b"\x81\x7f" + (80_000).to_bytes(8, "big")]
    frames = [head + text for head, text in zip(heads, words, strict=True)]
    async with sending(*frames, b"\x81\x0c" + b'{"end":true}') as (reader, _):
        await reader.ended
        assert len(reader.came) == 1 + 100 + 20_000
        reader.transport.abort()


async def test_a_client_says_that_it_is_still_here() -> None:
    async with sending(b"\x89\x02hi") as (reader, heard):
        assert await heard.readexactly(8) == b"\x8a\x82\0\0\0\0hi"
        reader.transport.abort()


async def test_a_turn_that_is_cut_off_has_no_end() -> None:
    async with sending(b"\x81\x04word", b"\x88\x02\x03\xe8") as (reader, _):
        with pytest.raises(ConnectionError, match="the server has hung up"):
            await reader.ended
        assert len(reader.came) == 1


# ------------------------------------------------------------------ commands


def test_fewer_clients_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(benchmark, "FULL", QUICK)
    monkeypatch.setattr(sys, "argv", ["server", "--rounds", "1", "--clients", "1"])
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["what", "sizes"]
    assert "1 clients beside 1 that never read" in lines[-1]
    assert len(lines) == 11


def test_the_command_knows_it() -> None:
    assert command.COSTS["server"] is server
