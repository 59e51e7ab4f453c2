"""The parts of the measurement by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crystaledge_benchmarks.table import PartReport
from crystaledge_benchmarks.video import (
    detector_latency,
    gates,
    identity,
    memory,
    refresh,
    speed,
    stability,
    tracker_cost,
)
from crystaledge_benchmarks.video.setup import Setup

PARTS: Mapping[str, Callable[[Setup], PartReport]] = {
    module.NAME: module.run
    for module in (speed, gates, identity, refresh, stability, tracker_cost, memory, detector_latency)
}
"""In the order in which they run."""
