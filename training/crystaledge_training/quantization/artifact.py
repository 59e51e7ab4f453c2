"""What quantization-aware training leaves behind: float weights and ranges, to be rounded by who builds the graph.

One safetensors file that is read without torch. Tensors are float32: parameters by their names after batch
norm folding, and a scalar `range.<weight>` for what each weight is multiplied with (scale = range / 127;
`skip_range.<weight>` for what a layer adds to a residual sum as its skip branch). The header carries the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps
from crystaledge.system import System
from crystaledge_training.quantization.fake_quant import activation_ranges, float_parameters

_RECORD_KEY = "crystaledge"
SCHEMA_VERSION = 1


class ArtifactKind(Enum):
    """What the file is, so that nobody takes it for a checkpoint."""

    TRAINED_INT8 = "trained-int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoopValidation:
    """Rounded against float network on people held out of the training; each feeds its own state back."""

    sequences: int
    steps: int
    cosine_mean: float
    """Mean cosine of the two identities at the step where that mean is lowest."""
    cosine_first_percentile: float
    """1st percentile over the sequences at the step where it is lowest."""
    cosine_least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedInt8Record:
    """What an artifact says about itself."""

    schema_version: int
    kind: ArtifactKind
    system: System
    parent_sha256: str
    """SHA-256 of the float checkpoint's file."""
    data: str
    epochs: int
    validation: ClosedLoopValidation


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and ranges of a module with rounding attached, named as in the artifact, float32 on the CPU."""
    ranges = {name: held.amax for name, held in activation_ranges(module).items()}
    # Cloned: a range that several weights share stands in the file under each of their names.
    return {n: t.detach().cpu().float().contiguous().clone() for n, t in (float_parameters(module) | ranges).items()}


def write_trained_int8(path: Path, record: TrainedInt8Record, tensors: dict[str, Tensor]) -> None:
    """Write an artifact atomically; equal input gives equal bytes."""
    write_atomic(path, save(tensors, metadata={_RECORD_KEY: dumps(record)}))
