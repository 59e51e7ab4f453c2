"""`--metrics`: numbers for Prometheus over HTTP. Names of people are personal data and are in none of them.

Needs prometheus-client (extra `metrics`).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from crystaledge.errors import UsageError
from crystaledge.outputs.view import FrameView, Sink, TrackView

_OTHER = "other"
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0)
_REMEMBERED_TRACKS = 4096
"""Committed tracks that are remembered so as not to be counted twice."""


class Metrics(Sink):
    """Counts what is shown and answers `GET /metrics`.

    Only sequences that are named as cameras become labels: the sequences of a folder may be called
    after people, and are without end. All others are the camera `other`.

    Args:
        port: 0 takes any free one, see `port`.
        address: where it listens; "0.0.0.0" lets other machines ask.
        cameras: sequences that become labels.
        clock: seconds since 1970.

    Raises:
        UsageError: the port is taken, forbidden, or no port.
    """

    name: ClassVar[str] = "the metrics"

    def __init__(
        self,
        port: int,
        *,
        address: str = "127.0.0.1",
        cameras: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cameras, self._clock = frozenset(cameras), clock
        self._committed: OrderedDict[tuple[str, int], None] = OrderedDict()
        registry = CollectorRegistry()
        self._make_collectors(registry)
        try:
            self._server, self._thread = start_http_server(port, address, registry)
        except (OSError, OverflowError) as error:
            msg = f"--metrics: {address}, port {port}, cannot be listened at ({error}); choose another port, or 0."
            raise UsageError(msg) from error
        self.port = int(self._server.server_port)
        """Where it listens."""
        self._is_open = True

    def _make_collectors(self, registry: CollectorRegistry) -> None:
        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"crystaledge_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str) -> Gauge:
            return Gauge(f"crystaledge_{name}", says, ("camera",), registry=registry)

        def histogram(name: str, says: str, label: str) -> Histogram:
            return Histogram(f"crystaledge_{name}", says, (label,), registry=registry, buckets=_BUCKETS_S)

        self._frames = counter(
            "frames_total", "Frames shown; processed is false where the gate skipped one.", "camera", "processed"
        )
        self._dropped = counter("frames_dropped_total", "Frames that the source dropped.", "camera")
        self._identities = counter(
            "identities_committed_total", "Tracks whose identity was committed.", "camera", "known"
        )
        self._tracks = gauge("tracks", "Tracks in the last frame.")
        self._gate_share = gauge("gate_share", "Share of the last frame that was recomputed, 0 to 1.")
        self._last_frame = gauge("last_frame_timestamp_seconds", "When the last frame was shown, seconds since 1970.")
        self._frame_latency = histogram("frame_latency_seconds", "From a frame's arrival to its view.", "camera")
        self._stage_latency = histogram("stage_latency_seconds", "Time of one stage in one frame.", "stage")

    def show(self, view: FrameView) -> None:
        """Count one frame."""
        camera = self._label(view)
        self._frames.labels(camera, str(view.processed).lower()).inc()
        self._dropped.labels(camera).inc(view.dropped_frames)
        self._tracks.labels(camera).set(len(view.tracks))
        self._gate_share.labels(camera).set(view.gate_share)
        self._last_frame.labels(camera).set(self._clock())
        self._frame_latency.labels(camera).observe(view.latency_ms / 1000.0)
        for stage in view.stages:
            self._stage_latency.labels(stage.stage.value).observe(stage.latency_ms / 1000.0)
        for track in view.tracks:
            if track.crystallized:
                self._count_once(view.frame.sequence, camera, track)

    def close(self) -> None:
        """Stop listening; waits for the server's thread."""
        if self._is_open:
            self._is_open = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _label(self, view: FrameView) -> str:
        return view.frame.sequence if view.frame.sequence in self._cameras else _OTHER

    def _count_once(self, sequence: str, camera: str, track: TrackView) -> None:
        key = (sequence, track.track)
        if key not in self._committed:
            self._identities.labels(camera, str(track.identified).lower()).inc()
        self._committed[key] = None
        self._committed.move_to_end(key)
        if len(self._committed) > _REMEMBERED_TRACKS:
            self._committed.popitem(last=False)
