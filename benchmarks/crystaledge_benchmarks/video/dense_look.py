"""The detector alone, on the whole of every frame: nothing is cached, compared or followed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from crystaledge.bundle import Bundle
from crystaledge.detection.boxes import suppress
from crystaledge.detection.camera_view import BOX, LOGIT
from crystaledge.detection.codec import Candidates, decode, logit_of
from crystaledge.detection.detector import IMAGE
from crystaledge.detection.held_image import halved
from crystaledge.detections import Detections
from crystaledge.engine.select import open_engine
from crystaledge.manifest.model import GraphSpec, detection_decision
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.sources.frame import Frame
from crystaledge.systems.phantom_contract import detector_graphs


class DenseLook:
    """Resizes a frame, runs every octave, decodes and suppresses; one thread.

    Raises:
        ContractError: the bundle lacks a graph of that kind.
    """

    def __init__(self, bundle: Bundle, like: GraphSpec | None = None) -> None:
        """Open the graphs.

        Args:
            like: one of the graphs that are wanted; None takes the float ones.
        """
        self.decision = detection_decision(bundle.manifest.decision, where=str(bundle.path))
        self._preprocessor = Preprocessor(bundle.manifest.preprocessing)
        height, width = bundle.manifest.preprocessing.size_hw
        graphs = detector_graphs(bundle.manifest, like)
        sizes = [(height >> octave, width >> octave) for octave in range(self.decision.octaves)]
        self._steps = [open_engine(bundle, graphs[size]).bind(1) for size in sizes]

    def __call__(self, frame: Frame) -> Detections:
        """Faces at the operating point, in pixels of the frame, best first."""
        images = [step.inputs[IMAGE][0] for step in self._steps]
        self._preprocessor.into(images[0], frame.pixels, frame.color)
        for finer, coarser in pairwise(images):
            coarser[...] = halved(finer)
        for step in self._steps:
            step.run()
        found = self._faces()
        scale_x, scale_y = self._preprocessor.scale_xy((frame.pixels.shape[0], frame.pixels.shape[1]))
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        return Detections((found.box_xyxy / scale).astype(np.float32, copy=False), found.score)

    def _faces(self) -> Candidates:
        threshold = logit_of(self.decision.point.score)
        maps = [(step.outputs[LOGIT][0, 0], step.outputs[BOX][0]) for step in self._steps]
        parts = [decode(logit, box, threshold_logit=threshold) for logit, box in maps]
        boxes = np.concatenate([part.box_xyxy * np.float32(1 << level) for level, part in enumerate(parts)])
        scores = np.concatenate([part.score for part in parts])
        kept = suppress(boxes, scores, iou=self.decision.suppression_iou)
        return Candidates(boxes[kept], scores[kept])
