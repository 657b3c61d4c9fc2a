"""Starts servers in processes of their own, and ends them as a power cut would."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.wire_client import PATIENCE, Person

SERVER = Path(__file__).with_name("server_process.py")
TESTS = str(Path(__file__).parents[1])


class Process:
    """A server that runs in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process, self.address, self.pid = process, address, process.pid

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Process]:
    """Start a server on the file of a folder; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(SERVER), str(folder / "all.db"), str(folder)),
        env={**os.environ, "PYTHONPATH": TESTS},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE * 2):
        server = Process(process, (await process.stdout.readline()).decode().strip())
    try:
        yield server
    finally:
        await server.kill()
        process._transport.close()  # type: ignore[attr-defined]


@asynccontextmanager
async def person_at(server: Process) -> AsyncIterator[Person]:
    """Somebody at a client of such a server."""
    person = Person(server.address)
    async with person.http:
        yield person
