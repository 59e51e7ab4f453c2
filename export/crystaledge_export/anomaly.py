"""What the exports of both anomaly systems share: one graph over images, and words about thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from crystaledge.manifest.model import BatchRange, anomaly_decision
from crystaledge.preprocessing.preprocessor import normalisation_table
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.systems.anomaly_contract import IMAGE
from crystaledge.tensors import BATCH, DType, TensorSpec
from crystaledge_export.description import StepDescription
from crystaledge_export.example_parts import example_parts
from crystaledge_training.checkpoint import Checkpoint

GRAPH = "anomaly"
BATCHES = BatchRange(min=1, max=8, buckets=(1, 2, 4, 8))
INTENDED_USE = (
    "Finding parts that differ from the normal ones it was shown, under the same camera and light, so that a person or "
    "a slower check looks at them. Not as the only guard where a defect that is missed does harm."
)
LIMITS = (
    "What is normal is what the training images showed: another light, lens, angle or variant of the part scores as\n"
    "anomalous. The false-alarm rate was calibrated on few images; its interval is above."
)


def describe_anomaly(
    module: nn.Module, spec: Preprocessing, outputs: Sequence[tuple[str, tuple[int, ...]]]
) -> StepDescription:
    """The one graph of an anomaly system.

    Args:
        outputs: names and row shapes, in the order in which `module` returns them.
    """
    return StepDescription(
        name=GRAPH,
        module=module,
        inputs=(tensor(IMAGE, 3, *spec.size_hw),),
        outputs=tuple(tensor(name, *row_shape) for name, row_shape in outputs),
        states=(),
        batch=BATCHES,
        frames=lambda steps, batch: example_parts(steps, batch, spec.size_hw),
        observe=lambda frames: {IMAGE: _normalised(spec, frames)},
    )


def tensor(name: str, *row_shape: int) -> TensorSpec:
    """A float32 tensor of the border, batch first."""
    return TensorSpec(name=name, dtype=DType.FLOAT32, shape=(BATCH, *row_shape))


def cells_of(size_hw: tuple[int, int], stride_px: int) -> tuple[int, int]:
    """Size of a map whose cells are `stride_px` pixels."""
    return -(-size_hw[0] // stride_px), -(-size_hw[1] // stride_px)


def decision_lines(checkpoint: Checkpoint) -> list[str]:
    """The threshold and what is promised of it."""
    if checkpoint.record.decision is None:
        return ["Calibrated on nothing."]
    decision = anomaly_decision(checkpoint.record.decision, where="The checkpoint")
    low, high = decision.false_alarm_interval
    return [
        f"Calibrated on {decision.calibrated_on}: {decision.held_out} normal images that trained nothing. Anomalous "
        f"from a raw score of {decision.threshold:.4g}, chosen for a false-alarm rate of "
        f"{decision.false_alarm_rate:.3g}; so few images leave the true rate between {low:.3g} and {high:.3g} (95 %).",
        *([f"{decision.left_out} more were left out: they scored like defects."] if decision.left_out else []),
        f"Normal images score {decision.centre:.4g} in the middle, with a deviation of {decision.spread:.3g}.",
        *(f"- {name}: {value:.4f}" for name, value in checkpoint.record.validation),
    ]


def _normalised(spec: Preprocessing, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Frames `(T, B, H, W, 3)` of the very size to tensors `(T, B, 3, H, W)`."""
    table = normalisation_table(spec)
    tensors: NDArray[np.float32] = np.stack([table[c][frames[..., c]] for c in range(3)], axis=2)
    return tensors
