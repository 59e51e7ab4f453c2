"""What a frame costs: faces that move without meeting, one thread.

python -m crystaledge_benchmarks.tracking.cost [--faces 10] [--frames 5000]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from crystaledge.detections import Detections
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.ids import TrackIds
from crystaledge.tracking.tracker import FaceTracker
from crystaledge_benchmarks.tracking.paths import FPS

WARMUP = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Print percentiles of the milliseconds that `update` takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=10, help="faces in view (default: 10)")
    parser.add_argument("--frames", type=int, default=5000, help="frames to time (default: 5000)")
    options = parser.parse_args(arguments)
    cost_ms = costs(faces=options.faces, frames=options.frames)
    p50, p90, p99 = np.percentile(cost_ms, (50, 90, 99))
    sys.stdout.write(
        f"{options.faces} faces, {options.frames} frames: p50 {p50:.3f} ms, p90 {p90:.3f} ms, p99 {p99:.3f} ms, "
        f"mean {cost_ms.mean():.3f} ms\n"
    )
    return 0


def costs(*, faces: int, frames: int) -> NDArray[np.float64]:
    """Milliseconds of each update `(frames,)`, after some that are not counted."""
    tracker = FaceTracker(TrackerConfig(), TrackIds())
    cost_ms = np.empty(WARMUP + frames)
    for frame, detections in enumerate(_frames(faces, WARMUP + frames)):
        begin = time.perf_counter()
        tracker.update(detections, frame / FPS)
        cost_ms[frame] = (time.perf_counter() - begin) * 1e3
    return cost_ms[WARMUP:]


def _frames(faces: int, frames: int) -> Iterator[Detections]:
    """Faces of 60 pixels in a row, each swaying around its place; one in twelve scores low."""
    random = np.random.default_rng(0)
    home = np.stack([100.0 + 110.0 * np.arange(faces), np.full(faces, 300.0)], axis=1)
    for frame in range(frames):
        sway = 30 * np.sin(frame / 20 + np.arange(faces))[:, None]
        centre = home + sway + random.normal(0, 2, (faces, 2))
        score = np.where(random.random(faces) < 1 / 12, 0.4, 0.9)
        yield Detections(np.concatenate([centre - 30, centre + 30], 1).astype(np.float32), score.astype(np.float32))


if __name__ == "__main__":
    sys.exit(main())
