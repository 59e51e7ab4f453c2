"""Whether memory grows: a drawn crowd, fed as fast as it goes, while people come, leave and come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from crystaledge.errors import DataError
from crystaledge.scene.crowd import CrowdConfig, CrowdSource
from crystaledge.sources.frame import Frame
from crystaledge.video.events import FaceTurn
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.cpu import CpuClock
from crystaledge_benchmarks.table import PartReport, Table
from crystaledge_benchmarks.video.setup import Setup

NAME = "memory"
FRAMES_PER_S = 15.0
_SAMPLES = 100
_SETTLED = 10
"""Per cent of the run after which memory may not grow."""
_FILM = CrowdConfig(frames=600, frames_per_s=FRAMES_PER_S)
"""Its end and its beginning do not fit: a jump at every turn."""
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRun:
    """One long run."""

    frames: int
    rss_kb: tuple[int, ...]
    """After each hundredth of the run."""
    growth_kb: int
    """From the tenth to the last hundredth."""
    appeared: int
    """Tracks."""
    ended: int
    held_states: int
    """States of tracks that are held at the end."""
    cpu_ms: float
    """Per frame."""


def run(setup: Setup) -> PartReport:
    """As many hours of video as are wanted."""
    result = measure(setup, frames=max(round(setup.hours * 3600 * FRAMES_PER_S), _SAMPLES), film=_FILM)
    marks = (0, _SETTLED, 25, 50, 75, _SAMPLES)
    at = [result.rss_kb[max(mark - 1, 0)] for mark in marks]
    header = ("frames", *(f"{max(mark, 1)} %" for mark in marks), "growth kB", "tracks", "ended", "CPU ms/frame")
    facts = (str(result.growth_kb), str(result.appeared), str(result.ended), f"{result.cpu_ms:.2f}")
    table = Table("Resident memory, kB", header, ((str(result.frames), *map(str, at), *facts),))
    said = f"Memory grows by {result.growth_kb} kB from 10 % to 100 % of {result.frames} frames."
    return PartReport(name=NAME, tables=(table,), findings=(said,), record=result)


def measure(setup: Setup, *, frames: int, film: CrowdConfig) -> MemoryRun:
    """Feed a film in a circle, on a clock that goes on."""
    rss, turns, clock = list[int](), {turn: 0 for turn in FaceTurn}, CpuClock()
    with VideoPipeline.of(setup.detector, setup.identity) as pipeline:
        for index, frame in enumerate(_circle(film, frames)):
            with clock:
                (result,) = pipeline.process([frame])
            for event in result.events:
                turns[event.turn] += 1
            if (index + 1) * _SAMPLES // frames > index * _SAMPLES // frames:
                rss.append(resident_kb())
        held = 0 if pipeline.crystallizer is None else len(pipeline.crystallizer.store)
    return MemoryRun(
        frames=frames,
        rss_kb=tuple(rss),
        growth_kb=growth(rss),
        appeared=turns[FaceTurn.APPEARED],
        ended=turns[FaceTurn.ENDED],
        held_states=held,
        cpu_ms=clock.total_s * 1e3 / frames,
    )


def growth(rss_kb: list[int]) -> int:
    """From a tenth of the samples to the last one."""
    return rss_kb[-1] - rss_kb[max(len(rss_kb) * _SETTLED // 100 - 1, 0)]


def resident_kb(status: Path = _STATUS) -> int:
    """Memory of this process that is in use now.

    Raises:
        DataError: the system does not tell.
    """
    try:
        lines = status.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    if not found:
        msg = f"{status} does not tell the memory in use; measure it on Linux."
        raise DataError(msg)
    return int(found[0])


def _circle(film: CrowdConfig, frames: int) -> Iterator[Frame]:
    shown = list(CrowdSource(film))
    for index, frame in zip(range(frames), cycle(shown), strict=False):
        yield replace(frame, index=index, time_s=index / FRAMES_PER_S)
