"""Checkpoints: one safetensors file whose header carries the JSON record. No pickle anywhere.

Weights and record travel in one file, so they cannot be separated or mixed up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge.files import sha256_of, write_atomic
from crystaledge.jsonio import dumps, loads, refuse_unknown_version
from crystaledge.manifest.model import Decision
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.patchcore.config import PatchCoreConfig
from crystaledge_training.phantom.config import PhantomConfig
from crystaledge_training.student_teacher.config import StudentTeacherConfig

NetworkConfig = MnemosyneConfig | PhantomConfig | PatchCoreConfig | StudentTeacherConfig
"""Sizes of a system's network."""
_RECORD_KEY = "crystaledge"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProvenance:
    """Where the weights come from."""

    package_version: str
    torch_version: str
    seed: int
    epochs: int
    best_epoch: int
    training_seconds: float
    data: str
    outside_data: str
    people_trained: int
    people_validated: int
    images_trained: int = 0
    images_validated: int = 0
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """What a checkpoint says about itself."""

    schema_version: int
    system: System
    network: NetworkConfig
    preprocessing: Preprocessing
    decision: Decision | None
    provenance: TrainingProvenance
    validation: tuple[tuple[str, float], ...]
    """Named validation metrics of these weights."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights with their record and the SHA-256 of the file they came from."""

    record: CheckpointRecord
    weights: dict[str, Tensor]
    sha256: str


def write_checkpoint(path: Path, record: CheckpointRecord, weights: dict[str, Tensor]) -> None:
    """Write a checkpoint atomically; equal input gives equal bytes."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_atomic(path, save(contiguous, metadata={_RECORD_KEY: dumps(record)}))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: the file is missing or no safetensors file, has no record, or a record that is
            not understood.
    """
    try:
        data = path.read_bytes()
        weights = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (OSError, SafetensorError, ValueError) as error:
        msg = f"Cannot read the checkpoint {path}: {error}; expected a .safetensors file that `train` wrote."
        raise DataError(msg) from error
    metadata = header.get("__metadata__", {})
    if _RECORD_KEY not in metadata:
        msg = f"The file {path} carries no CrystalEdge record; expected a checkpoint that `train` wrote."
        raise DataError(msg)
    refuse_unknown_version(metadata[_RECORD_KEY], SCHEMA_VERSION, where=str(path), error=DataError)
    record = loads(CheckpointRecord, metadata[_RECORD_KEY], where=str(path), error=DataError)
    return Checkpoint(record, weights, sha256_of(data))
