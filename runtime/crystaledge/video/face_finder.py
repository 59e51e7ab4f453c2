"""Phantom on the host: faces in frames of several cameras, detected where something changed, verified elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.bundle import Bundle
from crystaledge.deploy import graph_to_run
from crystaledge.detection.boxes import iou_matrix
from crystaledge.detection.detector import NO_BOXES, Detector, Look
from crystaledge.detections import Detections
from crystaledge.engine.base import Engine
from crystaledge.engine.select import open_engine
from crystaledge.engine.trt.built import built_sha256
from crystaledge.manifest.model import GraphSpec, detection_decision
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.sources.frame import Frame
from crystaledge.systems.phantom_contract import detector_graphs, track_graph
from crystaledge.video.face_crop import seen_share
from crystaledge.video.options import VideoOptions
from crystaledge.video.track_looks import Looked, TrackLook, TrackLooks

Array = NDArray[np.float32]

FOUNDING_SHARE = 0.9
"""Of the score at which one detection alone is believed: several found a track, and the track cell checks it."""
_SAME_FACE_IOU = 0.3
"""A detection that overlaps a predicted box by so much is what the track is looked at in."""
_VERIFIED_SCORE = 0.6
"""From here on the track cell alone keeps a track alive that the detector did not see, ..."""
_VERIFIED_SHARE = 0.5
"""... where so much of its box is in the frame: outside the cell is shown repeated borders, and would never let go."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Where one camera's live tracks are expected."""

    tracks: tuple[int, ...]
    box_xyxy: Array
    """`(N, 4)` in pixels of the frame."""
    trusted: NDArray[np.bool_]
    """`(N,)`: in view and confirmed, so that what changed around it is explained."""


@dataclass(frozen=True, slots=True)
class FaceFinds:
    """What a frame showed."""

    detections: Detections
    """In pixels of the frame; the first ones were detected, the others are tracks that were verified."""
    detected: int
    recomputed: float
    """See `Look`."""
    cut: bool


class FaceFinder:
    """Runs a Phantom bundle."""

    def __init__(self, bundle: Bundle, options: VideoOptions) -> None:
        manifest = bundle.manifest
        self.decision = detection_decision(manifest.decision, where=str(bundle.path))
        self.founding_score = FOUNDING_SHARE * self.decision.point.score
        like = _named_or_chosen(bundle, options)
        engines = {size: _engine(bundle, graph, options) for size, graph in detector_graphs(manifest, like).items()}
        self.detector = Detector(engines, Preprocessor(manifest.preprocessing), self.decision, options.detector)
        self.looks = TrackLooks(_engine(bundle, track_graph(manifest), options))

    def find(self, frames: Sequence[Frame], expected: Sequence[Expected]) -> list[FaceFinds]:
        """Faces in one frame of each of several cameras, batched across them."""
        scales = [self.detector.scale_xy(frame) for frame in frames]
        predicted = [_scaled(e.box_xyxy, s) for e, s in zip(expected, scales, strict=True)]
        explained = [boxes[e.trusted] if len(boxes) else NO_BOXES for e, boxes in zip(expected, predicted, strict=True)]
        found = self.detector.look(frames, explained)
        plans = [
            self._planned(frame, look, e, boxes)
            for frame, look, e, boxes in zip(frames, found, expected, predicted, strict=True)
        ]
        looked = self.looks.look([look for plan in plans for look in plan])
        finds, start = [], 0
        for look, plan, frame in zip(found, plans, frames, strict=True):
            rows = slice(start, start + len(plan))
            start += len(plan)
            finds.append(self._judged(look, plan, looked.part(rows), frame))
        return finds

    def end(self, track: int) -> None:
        """A track is over."""
        self.looks.end(track)

    def close(self) -> None:
        """Let go of the engines."""
        self.detector.close()
        self.looks.close()

    def _planned(self, frame: Frame, look: Look, expected: Expected, predicted: Array) -> list[TrackLook]:
        """A look at each live track, in a detection near it or where it should be, and at each other detection."""
        view = self.detector.view(frame.sequence)
        founders = look.faces.score >= self.founding_score  # others may go on with a track at most
        if look.cut:
            return [TrackLook(view, None, box) for box in look.faces.box_xyxy[founders]]
        overlaps = iou_matrix(predicted, look.faces.box_xyxy)
        free = np.ones(len(look.faces.score), bool)
        looks = []
        for row, track in enumerate(expected.tracks):
            best = int(np.argmax(np.where(free, overlaps[row], -1.0))) if free.any() else -1
            near = best >= 0 and free[best] and overlaps[row, best] >= _SAME_FACE_IOU
            looks.append(TrackLook(view, track, look.faces.box_xyxy[best] if near else predicted[row]))
            if near:
                free[best] = False
        return looks + [TrackLook(view, None, look.faces.box_xyxy[row]) for row in np.flatnonzero(free & founders)]

    def _judged(
        self,
        look: Look,
        plan: Sequence[TrackLook],
        looked: Looked,
        frame: Frame,
    ) -> FaceFinds:
        """Detections with scores that heed the track cell, and tracks that it alone has seen."""
        faces, decision, scale = look.faces, self.decision, self.detector.scale_xy(frame)
        inside = seen_share(_scaled(looked.box_xyxy, (1.0 / scale[0], 1.0 / scale[1])), frame.pixels.shape[:2])
        adjusted = faces.score.copy()
        verified_boxes, verified_scores = [], []
        for row, planned in enumerate(plan):
            own = np.flatnonzero((faces.box_xyxy == planned.box_xyxy).all(axis=1))
            if planned.track is None:
                if looked.birth[row] < decision.birth_score:  # goes on with a track at most, founds none
                    adjusted[own] = np.minimum(adjusted[own], decision.low_score)
            elif inside[row] < _VERIFIED_SHARE:
                continue
            elif not len(own) and looked.score[row] >= decision.track_score:
                verified_boxes.append(looked.box_xyxy[row])
                verified_scores.append(decision.low_score)
        everything = np.concatenate([faces.box_xyxy, np.array(verified_boxes, np.float32).reshape(-1, 4)])
        all_scores = np.concatenate([adjusted, np.array(verified_scores, np.float32)]).astype(np.float32)
        unscaled = _scaled(everything, (1.0 / scale[0], 1.0 / scale[1]))
        detections = Detections(unscaled, all_scores)
        return FaceFinds(detections, len(faces.score), look.recomputed, look.cut)


def _named_or_chosen(bundle: Bundle, options: VideoOptions) -> GraphSpec | None:
    """The graph whose family the windows have: the named one, or what `bench` chose for the engine; None for float."""
    choice = bundle.manifest.choice
    if options.graph is None and choice is not None and choice.engine == options.engine.label:
        return bundle.graph(choice.graph)
    return None if options.graph is None else bundle.graph(options.graph)


def _engine(bundle: Bundle, graph: GraphSpec, options: VideoOptions) -> Engine:
    """The engine of a graph that was proven to be the model."""
    proven = graph_to_run(
        bundle,
        graph.name,
        engine=options.engine.label,
        built=lambda wanted: built_sha256(bundle, wanted, options.engine),
        unverified=options.unverified,
    )
    return open_engine(bundle, proven, options.engine)


def _scaled(box_xyxy: Array, scale_xy: tuple[float, float]) -> Array:
    return (box_xyxy * np.array(scale_xy * 2, np.float32)).astype(np.float32, copy=False)
