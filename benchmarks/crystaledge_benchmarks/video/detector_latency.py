"""What one look at a whole frame costs: resizing, all octaves, decoding, suppression; one thread."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.detection.detector import IMAGE
from crystaledge.manifest.model import Precision
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.cpu import Spread
from crystaledge_benchmarks.table import PartReport, Table
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.setup import Setup

NAME = "detector"
_LOOKS = 200
_FILM = CrowdConfig(people=4, frames=20, size_hw=(360, 640))
_ON_A_CPU = (Precision.FLOAT32, Precision.INT8)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookCost:
    """Of one kind of graphs."""

    kind: str
    """Precision, and the target that it was quantized for."""
    looks: int
    p50_ms: Spread
    """CPU milliseconds; over repeats."""
    p90_ms: Spread


def run(setup: Setup) -> PartReport:
    """Float, and int8 where the bundle has it."""
    looks = looks_of(setup.detector)
    results = measure(looks, frames=list(CrowdSource(_FILM)), count=_LOOKS, repeats=setup.repeats)
    height, width = setup.detector.manifest.preprocessing.size_hw
    rows = tuple((r.kind, r.p50_ms.text(3), r.p90_ms.text(3)) for r in results)
    table = Table(f"One look at a 640x360 frame, input {width}x{height}, CPU ms", ("graphs", "p50", "p90"), rows)
    missing = () if len(looks) > 1 else ("int8 not run: the bundle has no such graphs.",)
    return PartReport(name=NAME, tables=(table,), findings=missing, record=results)


def looks_of(bundle: Bundle) -> dict[str, DenseLook]:
    """One for each kind of detector graphs that a CPU runs."""
    found: dict[str, DenseLook] = {}
    for graph in bundle.manifest.graphs:
        target = "" if graph.target is None else f" for {graph.target.value}"
        kind = f"{graph.precision.value}{target}"
        is_detector = [spec.name for spec in graph.inputs] == [IMAGE]
        if is_detector and graph.precision in _ON_A_CPU and kind not in found:
            found[kind] = DenseLook(bundle, graph)
    return found


def measure(looks: Mapping[str, DenseLook], *, frames: Sequence[Frame], count: int, repeats: int) -> list[LookCost]:
    """The kinds take turns at every frame."""
    spent = {kind: np.empty((repeats, count)) for kind in looks}
    for repeat in range(repeats):
        for place in range(count):
            for kind, look in looks.items():
                began = time.process_time()
                look(frames[place % len(frames)])
                spent[kind][repeat, place] = (time.process_time() - began) * 1e3
    return [
        LookCost(kind=kind, looks=count, p50_ms=_spread(each, 50), p90_ms=_spread(each, 90))
        for kind, each in spent.items()
    ]


def _spread(spent_ms: NDArray[np.float64], percentile: int) -> Spread:
    return Spread.of([float(value) for value in np.percentile(spent_ms, percentile, axis=1)])
