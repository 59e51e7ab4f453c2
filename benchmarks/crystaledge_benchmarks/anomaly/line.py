"""A production line as film: parts come, stand still for a while, and the lamp grows old. What state buys there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crystaledge.anomaly.line import LineOptions
from crystaledge.anomaly.verdict import AnomalyVerdict
from crystaledge.bundle import Bundle
from crystaledge.pipeline import PipelineOptions
from crystaledge.sources.frame import Frame
from crystaledge.systems.anomaly import AnomalyPipeline
from crystaledge_benchmarks.cpu import CpuClock
from crystaledge_benchmarks.table import PartReport, Table, percent

NAME = "line"
STILL_FRAMES = 10
_NOISE_LEVELS = 1.5
_LAMP = (1.0, 0.8)
"""Brightness at the beginning and at the end of the film."""
MODES = {
    "no state": LineOptions(),
    "held still": LineOptions(hold_still=True),
    "adapting": LineOptions(adapt_images=40),
    "both": LineOptions(hold_still=True, adapt_images=40),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of the film and what is on it."""

    frame: Frame
    anomalous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """One mode on one film."""

    mode: str
    cpu_ms: float
    """An image, decoding excluded."""
    looked: float
    """Share of the frames that the network saw."""
    false_alarms: float
    found: float


def film(normal: Sequence[Frame], anomalous: Sequence[Frame], *, lamp_ages: bool, seed: int = 0) -> Iterator[Shot]:
    """Parts in a drawn order, each for `STILL_FRAMES` frames with a sensor's noise."""
    random = np.random.default_rng((0x11E, seed))
    parts = [(frame, False) for frame in normal] + [(frame, True) for frame in anomalous]
    order = random.permutation(len(parts))
    for place, number in enumerate(order.tolist()):
        part, is_anomalous = parts[number]
        light = _LAMP[0] + (_LAMP[1] - _LAMP[0]) * place / len(parts) if lamp_ages else 1.0
        for still in range(STILL_FRAMES):
            noisy = part.pixels * light + random.normal(0.0, _NOISE_LEVELS, part.pixels.shape)
            pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
            yield Shot(replace(part, pixels=pixels, index=place * STILL_FRAMES + still, sequence="line"), is_anomalous)


def run(bundle: Bundle, normal: Sequence[Frame], anomalous: Sequence[Frame]) -> PartReport:
    """Both films in all modes."""
    tables, record = [], {}
    for lamp_ages, title in ((False, "steady light"), (True, f"a lamp that falls to {_LAMP[1]:.0%}")):
        results = [_watched(bundle, mode, film(normal, anomalous, lamp_ages=lamp_ages)) for mode in MODES]
        rows = tuple(
            (r.mode, f"{r.cpu_ms:.2f}", percent(r.looked), percent(r.false_alarms), percent(r.found)) for r in results
        )
        tables.append(Table(title, ("mode", "CPU ms a frame", "looked at", "false alarms", "found"), rows))
        record[title] = results
    return PartReport(name=NAME, tables=tuple(tables), findings=(), record=record)


def _watched(bundle: Bundle, mode: str, shots: Iterator[Shot]) -> LineResult:
    clock, events, truth = CpuClock(), [], []
    with AnomalyPipeline(bundle, PipelineOptions(), MODES[mode]) as pipeline:
        for shot in shots:
            with clock:
                events.append(pipeline.look(shot.frame).event)
            truth.append(shot.anomalous)
    said = np.array([event.verdict is AnomalyVerdict.ANOMALOUS for event in events])
    real = np.array(truth)
    return LineResult(
        mode=mode,
        cpu_ms=1000.0 * clock.total_s / len(events),
        looked=1.0 - float(np.mean([event.held for event in events])),
        false_alarms=float(said[~real].mean()),
        found=float(said[real].mean()),
    )
