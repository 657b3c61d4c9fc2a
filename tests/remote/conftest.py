"""LangGraph's in-memory development server, started once for the tests that run graphs on it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

TESTS = Path(__file__).parents[1]
HOST = "127.0.0.1"
SERVED = "remote.agents.served"

START_UP = 60.0
"""How long the server may take to answer, in seconds."""


@dataclass(frozen=True)
class Server:
    """A server that runs graphs by their names."""

    url: str
    client: SyncLangGraphClient

    def graph(self, name: str) -> RemoteGraph:
        """Return a graph for sync code."""
        return RemoteGraph(name, sync_client=self.client)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[str], RemoteGraph]]:
        """Give graphs for async code, by name; their connections are closed in the event loop that opened them."""
        async with get_client(url=self.url, api_key=None) as client:
            yield partial(RemoteGraph, sync_client=self.client, client=client)

    def thread(self) -> dict[str, Any]:
        """Return the config of a thread that the server knows, and in which nothing has run."""
        return {"configurable": {"thread_id": self.client.threads.create()["thread_id"]}}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, with all graphs of these tests; it ends with the session."""
    if find_spec("langgraph_api") is None:
        pytest.skip("the development server is not installed: pip install 'langgraph-cli[inmem]'")
    folder = tmp_path_factory.mktemp("server")
    port = _free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, port),
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, port, folder / "log")
        url = f"http://{HOST}:{port}"
        with get_sync_client(url=url, api_key=None) as client:
            yield Server(url, client)
    finally:
        # Asked politely it would wait for runs that never end; there is nothing that it has to save.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(folder: Path, port: int) -> list[str]:
    graphs = {name: f"{SERVED}:{name}" for name in import_module(SERVED).GRAPHS}
    (folder / "langgraph.json").write_text(json.dumps({"dependencies": ["."], "graphs": graphs}), "utf-8")
    options = ["--no-browser", "--no-reload", "--n-jobs-per-worker", "32", "--host", HOST, "--port", str(port)]
    return [str(Path(sys.executable).with_name("langgraph")), "dev", *options]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the caller's but the path: no keys, no proxies. Nothing is reported to anybody."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(TESTS),
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
    }


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return taken.getsockname()[1]


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_UP
    while not _answers(port):
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            why = f"ended with code {process.returncode}" if ended else f"did not answer within {START_UP:.0f} s"
            pytest.fail(f"the development server {why}:\n{log.read_text('utf-8', 'replace')[-5000:]}", pytrace=False)
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/ok")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
