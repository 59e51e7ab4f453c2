"""What quantization-aware training leaves behind: float weights and ranges, to be rounded by who builds the graph.

One safetensors file that is read without torch. Tensors are float32: parameters by their names after batch
norm folding, and a scalar `range.<weight>` for what each weight is multiplied with (scale = range / 127;
`output_range.<weight>` where a residual addition reads rounded values). The header carries the record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from crystaledge.errors import DataError
from crystaledge.files import write_atomic
from crystaledge.jsonio import dumps, loads, refuse_unknown_version
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


@dataclass(frozen=True, slots=True)
class TrainedInt8:
    """Record and tensors of one artifact."""

    record: TrainedInt8Record
    tensors: dict[str, Tensor]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and ranges of a module with rounding attached, named as in the artifact, float32 on the CPU."""
    ranges = {name: held.amax for name, held in activation_ranges(module).items()}
    # Cloned: a range that several weights share stands in the file under each of their names.
    return {n: t.detach().cpu().float().contiguous().clone() for n, t in (float_parameters(module) | ranges).items()}


def write_trained_int8(path: Path, record: TrainedInt8Record, tensors: dict[str, Tensor]) -> None:
    """Write an artifact atomically; equal input gives equal bytes."""
    write_atomic(path, save(tensors, metadata={_RECORD_KEY: dumps(record)}))


def read_trained_int8(path: Path) -> TrainedInt8:
    """Read an artifact.

    Raises:
        DataError: the file is missing, is none that `train --qat` wrote, or holds a range that is no range.
    """
    try:
        data = path.read_bytes()
        tensors = load(data)
        text = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})[_RECORD_KEY]
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        msg = f"Cannot read {path}: {error}; expected a trained-int8.safetensors that `train --qat` wrote."
        raise DataError(msg) from error
    _refuse_other_kinds(text, path)
    refuse_unknown_version(text, SCHEMA_VERSION, where=str(path), error=DataError)
    record = loads(TrainedInt8Record, text, where=str(path), error=DataError)
    for name, tensor in tensors.items():
        _check(name, tensor, path)
    return TrainedInt8(record, tensors)


def _refuse_other_kinds(text: str, path: Path) -> None:
    """Asked first: a checkpoint carries a record too, and complaints about its keys would only confuse."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.get("kind") != ArtifactKind.TRAINED_INT8.value:
        msg = f"{path} is no artifact of `train --qat`; give the trained-int8.safetensors of its run folder."
        raise DataError(msg)


def _check(name: str, tensor: Tensor, path: Path) -> None:
    is_range = name.startswith(("range.", "output_range."))
    if not tensor.isfinite().all() or (is_range and not (tensor.ndim == 0 and tensor > 0)):
        msg = f"{path} holds {name!r} with values that make no sense; expected finite weights and ranges above 0."
        raise DataError(msg)
