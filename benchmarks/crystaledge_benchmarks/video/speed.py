"""Frames per CPU second on every clip, beside the loop that people write; and whether both see the same faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystaledge.video.options import VideoOptions
from crystaledge.video.pipeline import VideoPipeline
from crystaledge_benchmarks.cpu import CpuClock, Spread
from crystaledge_benchmarks.table import PartReport, Table, percent, share
from crystaledge_benchmarks.video.clips import TALKING_HEADS, clips_in, decoded, frames_of
from crystaledge_benchmarks.video.dense_look import DenseLook
from crystaledge_benchmarks.video.differences import Differences, differences
from crystaledge_benchmarks.video.enrolment import enroll_all, learn_all
from crystaledge_benchmarks.video.overlap import as_boxes
from crystaledge_benchmarks.video.peer_loop import PeerLoop, watch
from crystaledge_benchmarks.video.setup import Setup

NAME = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpeed:
    """Our pipeline on one clip, and the peers'."""

    clip: str
    frames: int
    size_hw: tuple[int, int]
    cpu_ms: Spread
    """Per frame, decoding left out."""
    decode_cpu_ms: Spread
    frames_per_s: float
    """Frames per CPU second, decoding left out: of the median."""
    whole_frames_per_s: float
    """The same, decoding included."""
    faces_per_frame: float
    """Tracks in view."""
    peers: tuple[PeerLoop, ...]
    differences: tuple[Differences, ...]

    def ratio(self, peer: PeerLoop) -> float:
        """A peer's CPU time over ours."""
        return peer.cpu_ms / max(self.cpu_ms.median, 1e-6)

    def is_fair(self, peer: PeerLoop) -> bool:
        """Whether the peer sees the faces that we see."""
        return any(one.peer == peer.detector and one.same for one in self.differences)


@dataclass(frozen=True, slots=True)
class _Round:
    cpu_ms: float
    decode_cpu_ms: float
    shown: list[NDArray[np.float32]]
    """Boxes of the tracks in view, by frame."""
    size_hw: tuple[int, int]


def run(setup: Setup) -> PartReport:
    """All clips; the slowest first."""
    clips = clips_in(setup.folder())
    options = VideoOptions(steady_every_s=setup.steady_every_s)
    with VideoPipeline.of(setup.detector, setup.identity, options) as pipeline:
        _enroll(setup, pipeline)
        rows = [_measured(setup, pipeline, clip) for clip in clips]
    return report(rows)


def report(rows: Sequence[ClipSpeed]) -> PartReport:
    """The clips, the slowest first."""
    ordered = sorted(rows, key=lambda row: row.frames_per_s)
    tables = (_own_table(ordered), _peer_table(ordered), _difference_table(ordered))
    shown = tuple(table for table in tables if table.rows)
    return PartReport(name=NAME, tables=shown, findings=tuple(_findings(ordered)), record=ordered)


def _enroll(setup: Setup, pipeline: VideoPipeline) -> None:
    people = {path.stem: frames_of(path, setup.clip_frames) for path in clips_in(setup.folder(), TALKING_HEADS)}
    states, _ = learn_all(pipeline, DenseLook(setup.detector), people)
    if pipeline.crystallizer is not None:
        enroll_all(pipeline.crystallizer.gallery, states)


def _measured(setup: Setup, pipeline: VideoPipeline, clip: Path) -> ClipSpeed:
    rounds = [_once(pipeline, clip, setup.clip_frames) for _ in range(setup.repeats)]
    spent, decode = Spread.of([one.cpu_ms for one in rounds]), Spread.of([one.decode_cpu_ms for one in rounds])
    ours = rounds[0].shown
    peers, boxes = list[PeerLoop](), dict[str, list[NDArray[np.float32]]]()
    if setup.peers is not None:
        peers, boxes = watch(setup.peers, clip, frames=setup.clip_frames, embed_frames=setup.embed_frames)
    return ClipSpeed(
        clip=clip.stem,
        frames=len(ours),
        size_hw=rounds[0].size_hw,
        cpu_ms=spent,
        decode_cpu_ms=decode,
        frames_per_s=1e3 / max(spent.median, 1e-6),
        whole_frames_per_s=1e3 / max(spent.median + decode.median, 1e-6),
        faces_per_frame=sum(map(len, ours)) / len(ours),
        peers=tuple(peers),
        differences=tuple(differences(name.partition(":")[0], each, ours) for name, each in boxes.items()),
    )


def _once(pipeline: VideoPipeline, clip: Path, most: int | None) -> _Round:
    """The whole clip, as a camera of its own, which is forgotten afterwards."""
    work, decode, shown, size_hw = CpuClock(), CpuClock(), list[NDArray[np.float32]](), (0, 0)
    for frame in decoded(clip, decode, most):
        size_hw = (frame.pixels.shape[0], frame.pixels.shape[1])
        with work:
            (result,) = pipeline.process([replace(frame, sequence=clip.stem)])
        shown.append(as_boxes([track.box_xyxy for track in result.view.tracks if not track.coasting]))
    pipeline.forget_camera(clip.stem)
    return _Round(work.total_s * 1e3 / len(shown), decode.total_s * 1e3 / len(shown), shown, size_hw)


def _own_table(rows: Sequence[ClipSpeed]) -> Table:
    header = ("clip", "size", "frames", "CPU ms", "decode ms", "frames/CPU s", "with decode", "faces/frame")
    cells = [
        (
            row.clip,
            f"{row.size_hw[1]}x{row.size_hw[0]}",
            str(row.frames),
            row.cpu_ms.text(),
            row.decode_cpu_ms.text(),
            f"{row.frames_per_s:.0f}",
            f"{row.whole_frames_per_s:.0f}",
            f"{row.faces_per_frame:.2f}",
        )
        for row in rows
    ]
    return Table("Our pipeline: gate, detect, track, crystallize; per frame, median (min-max)", header, tuple(cells))


def _peer_table(rows: Sequence[ClipSpeed]) -> Table:
    header = ("clip", "loop", "detect ms", "ms/face", "faces/frame", "CPU ms", "ours CPU ms", "ratio")
    cells = [
        (
            row.clip,
            f"{peer.detector} + {peer.embedder}",
            f"{peer.detect_cpu_ms:.2f}",
            f"{peer.embed_cpu_ms:.2f}",
            f"{peer.faces_per_frame:.2f}",
            f"{peer.cpu_ms:.2f}",
            f"{row.cpu_ms.median:.2f}",
            f"{row.ratio(peer):.1f}{'' if row.is_fair(peer) else ' *'}",
        )
        for row in rows
        for peer in row.peers
    ]
    return Table(
        "The naive loop, every frame; decoding left out; ratio: its CPU time over ours; *: not the same faces",
        header,
        tuple(cells),
    )


def _difference_table(rows: Sequence[ClipSpeed]) -> Table:
    header = (
        "clip",
        "peer",
        "its faces",
        "we lack",
        "share",
        "in frames",
        "our faces",
        "it lacks",
        "share",
        "in frames",
    )
    cells = [
        (
            row.clip,
            one.peer,
            str(one.peer_faces),
            str(one.peer_alone),
            percent(share(one.peer_alone, one.peer_faces)),
            str(len(one.peer_alone_frames)),
            str(one.our_faces),
            str(one.our_alone),
            percent(share(one.our_alone, one.our_faces)),
            str(len(one.our_alone_frames)),
        )
        for row in rows
        for one in row.differences
    ]
    return Table("The same faces? Covered at IoU 0.3", header, tuple(cells))


def _findings(rows: Sequence[ClipSpeed]) -> Iterable[str]:
    worst = rows[0]
    yield f"Slowest clip: {worst.clip}, {worst.frames_per_s:.0f} frames per CPU second."
    for place, first in enumerate(rows[0].peers):
        fair = [row.ratio(row.peers[place]) for row in rows if row.is_fair(row.peers[place])]
        name, count = f"{first.detector} + {first.embedder}", f"{len(fair)} of {len(rows)} clips"
        times = f"takes {Spread.of(fair).text(1)} times our CPU time" if fair else "cannot be compared"
        yield f"{name} {times}; both see the same faces in {count}, the others (*) do not count."
