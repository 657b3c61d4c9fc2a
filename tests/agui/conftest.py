"""The real TypeScript client, installed and started once for the tests that run it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agui.client import StreamChecker, TSClient, install


@pytest.fixture(scope="session")
def node_packages() -> None:
    """The client, installed."""
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
