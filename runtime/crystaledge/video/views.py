"""What is shown of a camera's tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np

from crystaledge.detection.boxes import iou_matrix
from crystaledge.outputs.view import FrameView, Stage, StageTime, TrackView
from crystaledge.sources.frame import Frame
from crystaledge.tracking.rows import Stage as Life
from crystaledge.video.camera import Box, Camera
from crystaledge.video.face_finder import FaceFinds
from crystaledge.video.identities import Identities
from crystaledge.video.watch import Watch

_SAME_FACE_IOU = 0.5
_STAGES = (Stage.GATE, Stage.DETECT, Stage.TRACK, Stage.EMBED, Stage.LIVENESS)


def processed_view(
    camera: Camera,
    frame: Frame,
    find: FaceFinds,
    marks: tuple[float, ...],
    identities: Identities | None,
    watch: Watch | None,
) -> FrameView:
    """A frame that was worked on; `marks` are the seconds between its stages."""
    camera.views = tuple(track_views(camera, identities, watch))
    camera.hidden = hidden_boxes(camera)
    camera.settle(
        open_faces=identities is not None and any(map(identities.is_open, camera.views)),
        watched_faces=watch is not None and any(watch.is_open(view.track, camera.now_s) for view in camera.views),
    )
    spans = zip(_STAGES, marks, marks[1:], strict=False)
    return FrameView(
        frame=frame,
        tracks=camera.views,
        hidden_xyxy=camera.hidden,
        processed=True,
        gate_share=min(find.recomputed, 1.0),
        latency_ms=(marks[-1] - marks[0]) * 1e3,
        stages=tuple(StageTime(stage=stage, latency_ms=(b - a) * 1e3) for stage, a, b in spans),
    )


def unprocessed_view(camera: Camera, frame: Frame, started: float) -> FrameView:
    """A frame that was not looked at, `started` being when it came in seconds."""
    moved_on = camera.resting and bool(camera.views)
    return FrameView(
        frame=frame,
        tracks=_predicted_views(camera) if moved_on else camera.views,
        hidden_xyxy=hidden_boxes(camera) if moved_on else camera.hidden,
        processed=False,
        gate_share=0.0,
        latency_ms=(perf_counter() - started) * 1e3,
    )


def _predicted_views(camera: Camera) -> tuple[TrackView, ...]:
    """The views of the last processed frame, each at the box where its track should be by now."""
    places = dict(zip(camera.tracker.live, camera.tracker.predict(camera.now_s).tolist(), strict=True))
    return tuple(replace(view, box_xyxy=tuple(places.get(view.track, view.box_xyxy))) for view in camera.views)


def track_views(camera: Camera, identities: Identities | None, watch: Watch | None) -> Iterator[TrackView]:
    """Tracks that are somebody, in view or predicted."""
    for track, shown in camera.shown.items():
        stage = camera.tracker.stage(track)
        if stage not in (Life.CONFIRMED, Life.COASTING):
            continue
        record = None if identities is None else identities.record(track)
        yield TrackView(
            track=track,
            box_xyxy=shown.box_xyxy,
            label=None if record is None else record.committed_match,
            score=shown.llr,
            crystallized=record is not None and record.committed is not None,
            coasting=stage == Life.COASTING,
            quality=shown.quality,
            liveness=None if watch is None else watch.result(track).verdict,
        )


def hidden_boxes(camera: Camera) -> tuple[Box, ...]:
    """Candidates and predicted places that lie on no identified face."""
    known = np.array([view.box_xyxy for view in camera.views if view.identified], np.float32).reshape(-1, 4)
    boxes = camera.candidates()
    overlaps = iou_matrix(np.array(boxes, np.float32).reshape(-1, 4), known)
    return tuple(box for box, row in zip(boxes, overlaps, strict=True) if not (row > _SAME_FACE_IOU).any())
