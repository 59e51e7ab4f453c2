"""Host side of the anomaly systems: images in, one verdict each out; per camera an optional state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.anomaly.line import LineOptions, NormalDrift, StillPicture
from crystaledge.anomaly.region import Box, region_xyxy
from crystaledge.anomaly.scoring import Scored, score
from crystaledge.anomaly.verdict import AnomalyVerdict, normalised, verdict_of
from crystaledge.bundle import Bundle
from crystaledge.deploy import graph_to_run
from crystaledge.engine.select import open_engine
from crystaledge.engine.trt.built import built_sha256
from crystaledge.errors import EngineError
from crystaledge.manifest.model import anomaly_decision
from crystaledge.pipeline import Event, Pipeline, PipelineOptions
from crystaledge.preprocessing.preprocessor import Preprocessor, normalisation_table
from crystaledge.sources.frame import Frame
from crystaledge.systems.anomaly_contract import DISTANCE, FEATURES, IMAGE, check_contract
from crystaledge.systems.anomaly_memory import scoring_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyEvent(Event):
    """What is said of one image."""

    verdict: AnomalyVerdict
    score: float
    """In [0, 1]; one half is the threshold."""
    raw: float
    """Distance from normal, in the units of the threshold."""
    threshold: float
    false_alarm_rate: float
    """That the threshold was chosen for, on held-out normal images."""
    region_xyxy: tuple[float, float, float, float] | None
    """Around the part that is furthest from normal, in pixels of the frame; None of a normal image."""
    held: bool = False
    """Nothing in the picture had changed; the verdict is that of the frame before."""
    shift: float = 0.0
    """What was taken off the raw score, since normal images of this camera have come to score so much higher."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One image as it was judged, with the map behind it."""

    event: AnomalyEvent
    cells: NDArray[np.float32]
    """float32 `(h, w)`: distance from normal, smoothed."""


class AnomalyPipeline(Pipeline):
    """Runs a bundle that finds anomalies; see `Pipeline`. Each sequence is a camera with a state of its own."""

    def __init__(self, bundle: Bundle, options: PipelineOptions, line: LineOptions | None = None) -> None:
        self.bundle = bundle
        self.decision = anomaly_decision(bundle.manifest.decision, where=str(bundle.path))
        self.graph = graph_to_run(
            bundle,
            options.graph,
            engine=options.engine.label,
            built=lambda graph: built_sha256(bundle, graph, options.engine),
            unverified=options.unverified,
        )
        self._scoring = scoring_of(bundle)
        check_contract(bundle.manifest, self.graph, features=self._scoring.bank is not None)
        self._engine = open_engine(bundle, self.graph, options.engine)
        self._step = self._engine.bind(1)
        self._preprocessor = Preprocessor(bundle.manifest.preprocessing)
        self._line = line or LineOptions()
        self._cameras: dict[str, _Camera] = {}

    def process(self, frame: Frame) -> Sequence[AnomalyEvent]:
        """The verdict on a frame; see `Pipeline`."""
        return [self.look(frame).event]

    def look(self, frame: Frame) -> Looked:
        """Judge a frame, and keep the map.

        Raises:
            EngineError: the graph's answer is not finite.
        """
        camera = self._camera(frame.sequence)
        if not self._show(frame, camera) and camera.last is not None:
            event = replace(camera.last.event, frame=frame.index, held=True)
            return Looked(event, camera.last.cells)
        self._step.run()
        outputs = self._step.outputs
        features = outputs[FEATURES][0] if self._scoring.bank is not None else None
        distance = outputs[DISTANCE][0] if DISTANCE in outputs else None
        scored = score(distance, features, self._scoring)
        if not np.isfinite(scored.raw):
            msg = f"The graph gave a score that is not finite in frame {frame.index}; its weights are damaged."
            raise EngineError(msg)
        cells = scored.cells.copy()  # unsmoothed ones are the engine's own memory
        camera.last = Looked(self._event(frame, scored, camera.drift), cells)
        return camera.last

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _camera(self, sequence: str) -> _Camera:
        if sequence not in self._cameras:
            spec = self.bundle.manifest.preprocessing
            still = StillPicture(spec.size_hw, normalisation_table(spec)) if self._line.hold_still else None
            self._cameras[sequence] = _Camera(NormalDrift(self.decision, images=self._line.adapt_images), still)
        return self._cameras[sequence]

    def _show(self, frame: Frame, camera: _Camera) -> bool:
        """Give the frame to the network; False where nothing in it has changed."""
        row = self._step.inputs[IMAGE][0]
        if camera.still is None:
            self._preprocessor.into(row, frame.pixels, frame.color)
            return True
        changed = camera.still.changed(self._preprocessor.resize(frame.pixels, frame.color))
        if changed:
            row[...] = camera.still.tensor
        return changed

    def _event(self, frame: Frame, scored: Scored, drift: NormalDrift) -> AnomalyEvent:
        shift = drift.shift
        raw, decision = drift.corrected(scored.raw), self.decision
        verdict = verdict_of(raw, decision)
        return AnomalyEvent(
            frame=frame.index,
            sequence=frame.sequence,
            verdict=verdict,
            score=normalised(raw, decision),
            raw=raw,
            threshold=decision.threshold,
            false_alarm_rate=decision.false_alarm_rate,
            region_xyxy=self._region(frame, scored) if verdict is AnomalyVerdict.ANOMALOUS else None,
            shift=shift,
        )

    def _region(self, frame: Frame, scored: Scored) -> Box | None:
        # The peak is part of the region whatever the threshold of regions says: something was found there.
        level = min(self.decision.region_threshold, float(scored.cells.max()))
        height, width = frame.pixels.shape[:2]
        return region_xyxy(scored.cells, threshold=level, size_hw=(height, width))


@dataclass(slots=True)
class _Camera:
    """State of one camera."""

    drift: NormalDrift
    still: StillPicture | None
    last: Looked | None = None
