"""Checkpoints: one safetensors file whose header carries the JSON record. No pickle anywhere.

Weights and record travel in one file, so they cannot be separated or mixed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge.files import sha256_of, write_atomic
from crystaledge.identity.spec import IdentityDecision
from crystaledge.jsonio import dumps, loads
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge_training.mnemosyne.config import MnemosyneConfig

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
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """What a checkpoint says about itself."""

    schema_version: int
    system: System
    network: MnemosyneConfig
    preprocessing: Preprocessing
    decision: IdentityDecision | None
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
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        sha256 = sha256_of(path.read_bytes())
    except (OSError, SafetensorError) as error:
        msg = f"Cannot read the checkpoint {path}: {error}; expected a .safetensors file that `train` wrote."
        raise DataError(msg) from error
    if _RECORD_KEY not in metadata:
        msg = f"The file {path} carries no CrystalEdge record; expected a checkpoint that `train` wrote."
        raise DataError(msg)
    record = loads(CheckpointRecord, metadata[_RECORD_KEY], where=str(path), error=DataError)
    if record.schema_version != SCHEMA_VERSION:
        msg = f"{path} has schema version {record.schema_version}; this package reads version {SCHEMA_VERSION}."
        raise DataError(msg)
    return Checkpoint(record, weights, sha256)
