"""What the tracker alone costs: ten faces that sway and are detected with jitter, one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crystaledge.detections import Detections
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.tracker import FaceTracker
from crystaledge_benchmarks.cpu import Spread
from crystaledge_benchmarks.table import PartReport, Table
from crystaledge_benchmarks.video.setup import Setup

NAME = "tracker"
FACES = 10
_FRAMES, _WARM = 1000, 50
_FPS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerCost:
    """Per frame."""

    faces: int
    frames: int
    p50_ms: Spread
    """CPU milliseconds of the median frame; over repeats."""
    mean_ms: Spread


def run(setup: Setup) -> PartReport:
    """Ten faces."""
    result = measure(faces=FACES, frames=_FRAMES, repeats=setup.repeats)
    row = (str(result.faces), str(result.frames), result.p50_ms.text(3), result.mean_ms.text(3))
    table = Table("FaceTracker.update and predict, CPU ms per frame", ("faces", "frames", "p50", "mean"), (row,))
    return PartReport(name=NAME, tables=(table,), findings=(), record=result)


def measure(*, faces: int, frames: int, repeats: int) -> TrackerCost:
    """Cost of the same film, again and again."""
    rounds = [_once(faces, frames) for _ in range(repeats)]
    return TrackerCost(
        faces=faces,
        frames=frames,
        p50_ms=Spread.of([float(np.median(each)) for each in rounds]),
        mean_ms=Spread.of([float(np.mean(each)) for each in rounds]),
    )


def _once(faces: int, frames: int) -> list[float]:
    """CPU milliseconds of each frame but the first ones."""
    tracker, spent_ms = FaceTracker(TrackerConfig(), TrackIds()), []
    for index, detections in enumerate(boxes_of(faces, frames + _WARM)):
        began = time.process_time()
        tracker.predict(index / _FPS)
        tracker.update(detections, index / _FPS)
        spent_ms.append((time.process_time() - began) * 1e3)
    return spent_ms[_WARM:]


def boxes_of(faces: int, frames: int) -> Iterator[Detections]:
    """Faces of 60 px in a row; one in twelve scores low."""
    random = np.random.default_rng(0)
    home = np.stack([100.0 + 110.0 * np.arange(faces), np.full(faces, 300.0)], axis=1)
    for index in range(frames):
        sway = 30.0 * np.sin(index / 20.0 + np.arange(faces))[:, None]
        centre = home + sway + random.normal(0.0, 2.0, (faces, 2))
        score = np.where(random.random(faces) < 1 / 12, 0.4, 0.9).astype(np.float32)
        yield Detections(np.concatenate([centre - 30.0, centre + 30.0], axis=1).astype(np.float32), score)
