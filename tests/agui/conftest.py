"""The real TypeScript client, installed and started once for the tests that run it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from agui.client import StreamChecker, TSClient, install


@pytest.fixture(scope="session")
def node_packages() -> None:
    """The client, installed. Without npm its tests are left out, unless nothing may be missing."""
    if shutil.which("npm") is None and not os.environ.get("LANGWIRE_WHOLE"):
        pytest.skip("the TypeScript client needs Node 20 and npm")
    install()


@pytest.fixture(scope="session")
def ts_check(node_packages: None) -> Iterator[StreamChecker]:
    """`ts_check(streams)` is what the client makes of each stream."""
    checker = StreamChecker()
    yield checker
    checker.close()


@pytest.fixture(scope="session")
def ts_client(node_packages: None) -> Iterator[TSClient]:
    """`await ts_client.agent(url, …)` is an agent of the client."""
    client = TSClient()
    yield client
    client.close()
