"""The figures of a server are kept with OpenTelemetry, and without it nothing is missing."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from langwire.adapters._shared.telemetry import ServerMeter


def tell(meter: ServerMeter) -> None:
    meter.connected("sse")
    meter.connected("websocket")
    meter.connected("websocket", -1)
    meter.refused("unknown_thread")
    meter.bad_frame("invalid_json")
    meter.bad_frame("invalid_json")
    meter.slow_reader("sse")


def test_each_figure_is_told_apart_by_one_word() -> None:
    reader = InMemoryMetricReader()
    tell(ServerMeter(MeterProvider([reader]).get_meter("tests")))
    data: Any = reader.get_metrics_data()
    (scope,) = data.resource_metrics[0].scope_metrics
    assert {
        metric.name: {tuple(point.attributes.items()): point.value for point in metric.data.data_points}
        for metric in scope.metrics
    } == {
        "langwire.server.connections": {(("kind", "sse"),): 1, (("kind", "websocket"),): 0},
        "langwire.server.refusals": {(("code", "unknown_thread"),): 1},
        "langwire.server.bad_frames": {(("code", "invalid_json"),): 2},
        "langwire.server.slow_readers": {(("kind", "sse"),): 1},
    }


def test_without_a_meter_the_global_one_is_asked() -> None:
    tell(ServerMeter())


def test_without_opentelemetry_nothing_is_kept_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    tell(ServerMeter())
