"""The peers' naive loop on one clip, in a process and an environment of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import EngineError
from crystaledge_benchmarks.video.overlap import as_boxes

DETECTORS = ("blazeface_short:0:0.5", "yunet_n_ort:640:0.6")
"""Name, long side of what it sees (0 for all), and score; see `naive_loop`."""
EMBEDDERS = ("dlib", "mobilefacenet_pixamatch")
_SCRIPT = Path(__file__).with_name("naive_loop.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLoop:
    """A detector and an embedder on every frame."""

    detector: str
    """Name without size and score."""
    embedder: str
    decode_cpu_ms: float
    """Per frame, mean, as the others are."""
    detect_cpu_ms: float
    embed_cpu_ms: float
    """Per face, median; 0 where there was none."""
    faces_per_frame: float

    @property
    def cpu_ms(self) -> float:
        """Per frame, decoding left out: detection, and an embedding for each face."""
        return self.detect_cpu_ms + self.embed_cpu_ms * self.faces_per_frame


def watch(
    peers: Path, clip: Path, *, frames: int | None, embed_frames: int
) -> tuple[list[PeerLoop], dict[str, list[NDArray[np.float32]]]]:
    """All loops on a clip, and each detector's boxes by frame.

    Raises:
        EngineError: the peers' process failed.
    """
    command = [str(peers / "venv/bin/python"), str(_SCRIPT), str(peers), str(clip), "--embed-frames", str(embed_frames)]
    command += [word for name in DETECTORS for word in ("--detector", name)]
    command += [word for name in EMBEDDERS for word in ("--embedder", name)]
    command += ["--frames", str(frames or 0)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
        last = (str(said).strip().splitlines() or [str(error)])[-1]
        msg = f"The peers in {peers} failed on {clip.name}: {last}"
        raise EngineError(msg) from None
    told = json.loads(done.stdout.strip().splitlines()[-1])
    boxes = {name: [as_boxes(each) for each in found["boxes"]] for name, found in told["detectors"].items()}
    return list(loops_of(told)), boxes


def loops_of(told: dict[str, Any]) -> Iterator[PeerLoop]:
    """What `naive_loop` printed, as loops: every detector with every embedder."""
    for name, found in told["detectors"].items():
        for embedder, costs in told["embed_cpu_ms"][name].items():
            yield PeerLoop(
                detector=name.partition(":")[0],
                embedder=embedder,
                decode_cpu_ms=_mean(told["decode_cpu_ms"]),
                detect_cpu_ms=_mean(found["cpu_ms"]),
                embed_cpu_ms=median(costs) if costs else 0.0,
                faces_per_frame=_mean([len(boxes) for boxes in found["boxes"]]),
            )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
