"""Metrics as Prometheus reads them: right numbers, and nobody's name."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

import crystaledge.outputs.metrics as metrics_module
from crystaledge.errors import UsageError
from crystaledge.outputs.metrics import Metrics
from crystaledge.outputs.view import FrameView, Stage, StageTime
from tests.runtime.outputs.builders import KNOWN, NAME, frame_view, track_view
from tests.support.messages import message_of


@contextmanager
def listening(*cameras: str) -> Iterator[Metrics]:
    metrics = Metrics(0, cameras=cameras, clock=lambda: 1234.5)
    try:
        yield metrics
    finally:
        metrics.close()


def scraped(metrics: Metrics) -> str:
    """The text that Prometheus gets."""
    connection = http.client.HTTPConnection("127.0.0.1", metrics.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Every sample, by name and its labels' values."""
    families = text_string_to_metric_families(scraped(metrics))
    samples = [sample for family in families for sample in family.samples]
    return {
        (sample.name.removeprefix("crystaledge_"), " ".join(sample.labels[key] for key in sorted(sample.labels))): (
            sample.value
        )
        for sample in samples
    }


def test_frames_are_counted_by_camera() -> None:
    with listening("door", "yard") as metrics:
        for processed in (True, True, False):
            metrics.show(frame_view(sequence="door", processed=processed, dropped_frames=2, gate_share=0.5))
        metrics.show(frame_view(tracks=[track_view(1), track_view(2)], sequence="yard", latency_ms=30.0))
        found = values(metrics)
    assert found["frames_total", "door true"] == 2
    assert found["frames_total", "door false"] == 1
    assert found["frames_total", "yard true"] == 1
    assert found["frames_dropped_total", "door"] == 6
    assert found["frames_dropped_total", "yard"] == 0
    assert (found["tracks", "door"], found["tracks", "yard"]) == (0, 2)
    assert found["gate_share", "door"] == 0.5
    assert found["last_frame_timestamp_seconds", "yard"] == 1234.5
    assert found["frame_latency_seconds_sum", "yard"] == pytest.approx(0.03)
    assert found["frame_latency_seconds_bucket", "yard 0.02"] == 0
    assert found["frame_latency_seconds_bucket", "yard 0.033"] == 1


def test_stages_have_a_histogram() -> None:
    stages = (StageTime(stage=Stage.DETECT, latency_ms=8.0), StageTime(stage=Stage.MATCH, latency_ms=0.5))
    plain = frame_view()
    view = FrameView(frame=plain.frame, tracks=(), processed=True, gate_share=1.0, latency_ms=9.0, stages=stages)
    with listening() as metrics:
        metrics.show(view)
        metrics.show(view)
        found = values(metrics)
    assert found["stage_latency_seconds_count", "detect"] == 2
    assert found["stage_latency_seconds_sum", "detect"] == pytest.approx(0.016)
    assert found["stage_latency_seconds_bucket", "0.001 match"] == 2
    assert ("stage_latency_seconds_count", "gate") not in found


def test_an_identity_is_committed_once() -> None:
    with listening("door") as metrics:
        metrics.show(frame_view(tracks=[track_view(3, label=NAME)]))
        for _ in range(3):
            metrics.show(frame_view(tracks=[KNOWN, track_view(4, crystallized=True)]))
        metrics.show(frame_view())
        metrics.show(frame_view(tracks=[KNOWN]))
        metrics.show(frame_view(tracks=[KNOWN], sequence="elsewhere"))
        found = values(metrics)
    assert found["identities_committed_total", "door true"] == 1
    assert found["identities_committed_total", "door false"] == 1
    assert found["identities_committed_total", "other true"] == 1


def test_what_is_remembered_of_tracks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "_REMEMBERED_TRACKS", 2)
    with listening() as metrics:
        for track in (1, 2, 1, 3, 1):
            metrics.show(frame_view(tracks=[track_view(track, crystallized=True)]))
        assert values(metrics)["identities_committed_total", "other false"] == 3
        assert len(metrics._committed) == 2


def test_nobody_s_name_is_told() -> None:
    with listening("door") as metrics:
        metrics.show(frame_view(tracks=[KNOWN], sequence="door"))
        metrics.show(frame_view(tracks=[KNOWN], sequence=NAME))  # a folder that is called after a person
        text = scraped(metrics)
    assert "Ada" not in text
    assert 'camera="other"' in text


def test_the_process_s_own_registry_is_left_alone() -> None:
    before = set(REGISTRY._names_to_collectors)
    with listening() as first, listening() as second:
        first.show(frame_view())
        assert ("frames_total", "other true") not in values(second)
    assert set(REGISTRY._names_to_collectors) == before


def test_only_this_machine_can_ask_unless_it_is_told() -> None:
    with listening() as metrics:
        assert metrics._server.server_address[0] == "127.0.0.1"


def test_a_busy_port_is_refused_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(UsageError) as raised:
            Metrics(port)
    assert f"port {port}" in message_of(raised)
    assert "choose another port" in message_of(raised)


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(UsageError) as raised:
        Metrics(port)
    assert "choose another port" in message_of(raised)


def test_closing_frees_the_port_and_ends_the_thread() -> None:
    before = threading.active_count()
    metrics = Metrics(0)
    metrics.close()
    metrics.close()
    assert threading.active_count() == before
    Metrics(metrics.port).close()
    with pytest.raises(OSError, match="refused"):
        scraped(metrics)
