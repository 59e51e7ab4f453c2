"""Export description of Phantom: a detector graph for each size of window, and the step graph that looks at tracks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crystaledge.detection.camera_view import BOX, FEATURES, LOGIT
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.detector import IMAGE
from crystaledge.detection.track_inputs import PATCH_PX, ROI_CELLS
from crystaledge.errors import UsageError
from crystaledge.manifest.model import BatchRange, detection_decision
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.scene.scene import SceneConfig, film
from crystaledge.systems.phantom_contract import (
    BIRTH,
    BOX_DELTA,
    HIDDEN,
    HIDDEN_NEXT,
    PATCH,
    ROI,
    SCORE,
    VELOCITY,
)
from crystaledge.tensors import BATCH, DType, ResetRule, StatePair, TensorSpec
from crystaledge_export.description import StepDescription, SystemExport
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.parameters import parameter_count
from crystaledge_training.phantom.load import phantom_config, phantom_from_checkpoint
from crystaledge_training.phantom.network import Detector, Phantom, TrackCell

WINDOWS_PX = (80, 48)
"""Sides of the windows that are recomputed: a changed block of 16 px fits the first, a verified face the other."""
WINDOW_BATCHES = BatchRange(min=1, max=16, buckets=(1, 2, 4, 8, 16))
TRACK_BATCHES = BatchRange(min=1, max=64, buckets=(1, 2, 4, 8, 16, 32, 64))
IDLE_LIMIT_FRAMES = 150
_EXAMPLE_PEOPLE = 4
_LEAST_CELLS = 6
"""Cells a side of the coarsest octave."""

INTENDED_USE = (
    "Finding and following faces in video on edge devices, as the first stage of systems whose use of faces is lawful "
    "and known to those they show. Not for covert surveillance, and not for counting people where a miss does harm."
)
LIMITS = (
    "Faces below about 12 px in the network's input are mostly missed. Detection rates differ between groups of\n"
    "people and were not measured by group. Most faces of the validation images wear a mask."
)


def describe(checkpoint: Checkpoint) -> tuple[StepDescription, ...]:
    """All graphs of a checkpoint; the detector on the whole image is the main one."""
    network = phantom_from_checkpoint(checkpoint)
    decision = detection_decision(checkpoint.record.decision, where="The checkpoint")
    spec = checkpoint.record.preprocessing
    height, width = spec.size_hw
    sizes = [(height >> octave, width >> octave) for octave in range(decision.octaves)]
    sizes += [(side, side) for side in WINDOWS_PX if side < min(height, width)]
    detectors = tuple(_detector(network.detector, size, spec) for size in dict.fromkeys(sizes))
    return (*detectors, _track(network.track, network, spec))


def _detector(module: Detector, size_hw: tuple[int, int], spec: Preprocessing) -> StepDescription:
    cells = size_hw[0] // STRIDE_PX, size_hw[1] // STRIDE_PX
    return StepDescription(
        name=f"detect_{size_hw[0]}x{size_hw[1]}",
        module=module,
        inputs=(_tensor(IMAGE, 3, *size_hw),),
        outputs=(
            _tensor(LOGIT, 1, *cells),
            _tensor(BOX, 4, *cells),
            _tensor(FEATURES, module.shared.in_channels, *cells),
        ),
        states=(),
        batch=WINDOW_BATCHES,
        frames=lambda steps, batch: example_images(steps, batch, size_hw),
        observe=lambda frames: {IMAGE: _normalised(spec, frames)},
        goldens_hold_frames=size_hw == spec.size_hw,
    )


def _track(module: TrackCell, network: Phantom, spec: Preprocessing) -> StepDescription:
    hidden = network.config.track_hidden
    roi = network.config.stage2 * ROI_CELLS**2
    return StepDescription(
        name="track",
        module=module,
        inputs=(_tensor(ROI, roi), _tensor(PATCH, 4, PATCH_PX, PATCH_PX), _tensor(HIDDEN, hidden)),
        outputs=(
            _tensor(HIDDEN_NEXT, hidden),
            _tensor(BOX_DELTA, 4),
            _tensor(SCORE, 1),
            _tensor(VELOCITY, 2),
            _tensor(BIRTH, 1),
        ),
        states=(
            StatePair(
                input=HIDDEN,
                output=HIDDEN_NEXT,
                shape=(hidden,),
                dtype=DType.FLOAT32,
                initial=0.0,
                reset=ResetRule.NEW_TRACK,
                idle_limit_frames=IDLE_LIMIT_FRAMES,
            ),
        ),
        batch=TRACK_BATCHES,
        frames=lambda steps, batch: example_images(steps, batch, (PATCH_PX, PATCH_PX)),
        observe=lambda frames: _observed_tracks(spec, frames, roi),
        goldens_hold_frames=False,
    )


def example_images(steps: int, batch: int, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Drawn faces on a plain ground, `(steps, batch, H, W, 3)`: no real person ships in a bundle."""
    images = np.full((steps, batch, *size_hw, 3), 90, np.uint8)
    side = min(*size_hw, 24)
    for row in range(batch):
        shots = film(SceneConfig(seed=13, side_px=side), row % _EXAMPLE_PEOPLE)
        random = np.random.default_rng((0xFACE, row))
        y, x = (int(random.integers(0, size - side + 1)) for size in size_hw)
        for step in range(steps):
            images[step, row, y : y + side, x : x + side] = next(shots).pixels
    return images


def _normalised(spec: Preprocessing, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Frames `(T, B, H, W, 3)` of the very size to tensors `(T, B, 3, H, W)`."""
    table = normalisation_table(spec)
    tensors: NDArray[np.float32] = np.stack([table[c][frames[..., c]] for c in range(3)], axis=2)
    return tensors


def _observed_tracks(spec: Preprocessing, frames: NDArray[np.uint8], roi: int) -> dict[str, NDArray[np.float32]]:
    """Patches of frames with what moved between them, and features as they come out of a rectifier."""
    tensors = _normalised(spec, frames)
    moved = np.zeros_like(tensors[:, :, :1])
    moved[1:] = np.abs(np.diff(tensors, axis=0)).mean(axis=2, keepdims=True)
    random = np.random.default_rng((0xF0CA, *frames.shape[:2]))
    features = np.maximum(random.normal(0.3, 1.0, (*frames.shape[:2], roi)), 0.0).astype(np.float32)
    return {ROI: features, PATCH: np.concatenate([tensors, moved], axis=2)}


def network_facts(checkpoint: Checkpoint) -> tuple[int, str]:
    """Parameters, and sizes in words."""
    config = phantom_config(checkpoint)
    stages = f"stages of {config.stem}, {config.stage1}, {config.stage2}, {config.stage3}"
    return parameter_count(Phantom(config)), f"{stages} channels, track state {config.track_hidden}"


def decision_lines(checkpoint: Checkpoint) -> list[str]:
    """Thresholds and what they gave."""
    if checkpoint.record.decision is None:
        return ["Calibrated on nothing."]
    decision = detection_decision(checkpoint.record.decision, where="The checkpoint")
    point = decision.point
    return [
        f"Calibrated on {decision.calibrated_on}. Faces from a score of {point.score:.3f}: precision "
        f"{point.precision:.3f}, recall {point.recall:.3f} for faces of at least {decision.smallest_face_px:g} px.",
        f"Suppression above an overlap of {decision.suppression_iou:g}; {decision.octaves} octaves.",
        *(f"- {name}: {value:.4f}" for name, value in checkpoint.record.validation),
    ]


def _tensor(name: str, *row_shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=DType.FLOAT32, shape=(BATCH, *row_shape))


def resized(checkpoint: Checkpoint, size_hw: tuple[int, int]) -> Checkpoint:
    """The same network for larger or smaller images, with as many octaves as show it the same range of shares of them.

    Its thresholds were chosen at the size it was trained at.

    Raises:
        UsageError: a side that the octaves do not divide, or that is too small for them.
    """
    record = checkpoint.record
    decision = detection_decision(record.decision, where="The checkpoint")
    octaves = max(1, decision.octaves + round(math.log2(max(size_hw) / max(record.preprocessing.size_hw))))
    grain = STRIDE_PX << (octaves - 1)
    if any(side % grain or side < _LEAST_CELLS * grain for side in size_hw):
        least = _LEAST_CELLS * grain
        msg = f"A size of {size_hw[0]},{size_hw[1]} px does not fit; expected multiples of {grain} from {least} on."
        raise UsageError(msg)
    spec = replace(record.preprocessing, size_hw=size_hw)
    return replace(checkpoint, record=replace(record, preprocessing=spec, decision=replace(decision, octaves=octaves)))


EXPORT = SystemExport(
    describe=describe,
    intended_use=INTENDED_USE,
    network=network_facts,
    decisions=decision_lines,
    resized=resized,
    limits=LIMITS,
)
