"""The video pipeline on the drawn crowd: who was found where, who was recognised, and what was recomputed."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.detection.boxes import iou_matrix
from crystaledge.outputs.annotate import annotated
from crystaledge.scene.crowd import CrowdConfig, CrowdSource, CrowdTruth
from crystaledge.video.events import FaceTurn
from crystaledge.video.pipeline import VideoPipeline
from crystaledge.video.result import FrameResult
from crystaledge_benchmarks.demo.crowd_film import CrowdFilm

ENROLMENT_FRAMES = 24
STILL_FRAMES = 60
STILLS_PER_S = 15.0
SHOWN_EVERY = 40
_FOUND_IOU = 0.5
_SMALLEST_SHARE = 0.9
"""Of a face inside the picture, for it to count."""


def run_crowd(detector: Bundle, identity: Bundle, config: CrowdConfig) -> CrowdFilm:
    """Enrol the crowd's people, film them, and look at a still picture at the end."""
    with VideoPipeline.open([detector, identity]) as pipeline:
        for number in range(config.people):
            alone = CrowdSource(replace(config, frames=ENROLMENT_FRAMES), only=number, sequence="enrolment")
            pipeline.enroll(_name(number), alone)
        rendered = list(CrowdSource(config).films())
        started = time.process_time()
        filmed = [(pipeline.process([frame])[0], truth) for frame, truth in rendered]
        moving_ms = (time.process_time() - started) / len(filmed) * 1e3
        return _judged(filmed, moving_ms, _still_ms(pipeline, filmed[-1][0]))


def _still_ms(pipeline: VideoPipeline, last: FrameResult) -> float:
    """The last picture again and again, with fresh noise."""
    frame, random = last.view.frame, np.random.default_rng(0)
    noisy = [
        np.clip(frame.pixels + random.normal(0.0, 1.0, frame.pixels.shape), 0, 255).astype(np.uint8) for _ in range(4)
    ]
    start_s = frame.time_s or 0.0
    stills = [
        replace(frame, pixels=noisy[i % 4], index=frame.index + 1 + i, time_s=start_s + (1 + i) / STILLS_PER_S)
        for i in range(2 * STILL_FRAMES)
    ]
    for still in stills[:STILL_FRAMES]:  # the gate learns the noise, and those who left are given up
        pipeline.process([still])
    started = time.process_time()
    for still in stills[STILL_FRAMES:]:
        pipeline.process([still])
    return (time.process_time() - started) / STILL_FRAMES * 1e3


def _judged(filmed: list[tuple[FrameResult, CrowdTruth]], moving_ms: float, still_ms: float) -> CrowdFilm:
    faces = found = false = right = wrong = 0
    tracks: set[int] = set()
    for result, truth in filmed:
        boxes = np.array([t.box_xyxy for t in result.view.tracks if not t.coasting], np.float32).reshape(-1, 4)
        whole = _whole(truth.box_xyxy, result.view.frame.pixels.shape)
        overlaps = iou_matrix(truth.box_xyxy, boxes)
        faces += int(whole.sum())
        found += int((overlaps[whole] >= _FOUND_IOU).any(axis=1).sum())
        false += int((~(overlaps > 0.2).any(axis=0)).sum()) if len(boxes) else 0
        tracks.update(t.track for t in result.view.tracks)
        for event in result.events:
            if event.turn is FaceTurn.IDENTIFIED and event.box_xyxy is not None:
                seen = iou_matrix(np.array([event.box_xyxy], np.float32), truth.box_xyxy)[0]
                is_right = len(seen) > 0 and event.name == _name(truth.people[int(seen.argmax())])
                right, wrong = right + is_right, wrong + (not is_right)
    return CrowdFilm(
        shown=tuple(annotated(result.view) for result, _ in filmed[SHOWN_EVERY // 2 :: SHOWN_EVERY]),
        frames=len(filmed),
        people=len({person for _, truth in filmed for person in truth.people}),
        faces=faces,
        found=found,
        false_tracks=false,
        tracks=len(tracks),
        recognised_right=right,
        recognised_wrong=wrong,
        recomputed=tuple(result.view.gate_share for result, _ in filmed),
        moving_ms=moving_ms,
        still_ms=still_ms,
    )


def _whole(box_xyxy: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    limits = np.array([shape[1], shape[0]] * 2, np.float32)
    inner = np.clip(box_xyxy, 0, limits)
    areas = [(box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (inner, box_xyxy)]
    whole: NDArray[np.bool_] = areas[0] >= _SMALLEST_SHARE * areas[1]
    return whole


def _name(number: int) -> str:
    return f"person{number:02d}"
