"""Tracks of clips without labels: how many, how long, how often broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.outputs.annotate import annotated
from crystaledge.sources.frame import Frame
from crystaledge_benchmarks.table import PartReport, Table, percent, share
from crystaledge_benchmarks.video.clips import SEVERAL, clips_in, frames_of
from crystaledge_benchmarks.video.setup import Setup
from crystaledge_benchmarks.video.sheet import even_places, write_sheet
from crystaledge_benchmarks.video.track_lives import Lives, lives_of
from crystaledge_benchmarks.video.watched import WatchedPipeline

NAME = "stability"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLives:
    """One clip."""

    clip: str
    frames: int
    lives: Lives


def run(setup: Setup) -> PartReport:
    """All clips that show several people; the most broken first."""
    results, pictures = [], list[Pixels]()
    for path in clips_in(setup.folder(), SEVERAL):
        result, shown = follow(setup, frames_of(path, setup.clip_frames))
        results.append(result)
        pictures += shown
    if setup.sheet is not None:
        write_sheet(setup.sheet, pictures)
    return report(results)


def follow(setup: Setup, frames: Sequence[Frame]) -> tuple[ClipLives, list[Pixels]]:
    """Tracks of one clip, and annotated frames if a sheet is wanted."""
    pipeline = WatchedPipeline.of(setup.detector, setup.identity)
    assert isinstance(pipeline, WatchedPipeline)
    wanted = set(even_places(len(frames))) if setup.sheet is not None else set()
    pictures = []
    with pipeline:
        for place, frame in enumerate(frames):
            (result,) = pipeline.process([frame])
            if place in wanted:
                pictures.append(annotated(result.view))
        lives = lives_of(pipeline.said)
    return ClipLives(clip=frames[0].sequence, frames=len(frames), lives=lives), pictures


def report(results: Sequence[ClipLives]) -> PartReport:
    """The clips, the most broken first."""
    ordered = sorted(results, key=lambda one: -(share(one.lives.fragments, one.lives.confirmed) or 0.0))
    return PartReport(name=NAME, tables=(_table(ordered),), findings=tuple(_findings(ordered)), record=ordered)


def _table(results: Sequence[ClipLives]) -> Table:
    header = ("clip", "frames", "born", "confirmed", "mean frames", "fragments", "recovered", "merged", "cuts")
    rows = [
        (
            one.clip,
            str(one.frames),
            *(str(value) for value in (one.lives.born, one.lives.confirmed)),
            f"{one.lives.mean_frames:.1f}",
            *(str(v) for v in (one.lives.fragments, one.lives.recovered, one.lives.merged, one.lives.cuts)),
        )
        for one in results
    ]
    return Table("Tracks", header, tuple(rows))


def _findings(results: Sequence[ClipLives]) -> Iterator[str]:
    for one in results:
        broken = percent(share(one.lives.fragments, one.lives.confirmed))
        yield f"{one.clip}: {broken} of {one.lives.confirmed} confirmed tracks break while their face goes on."
