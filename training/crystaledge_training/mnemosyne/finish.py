"""From trained weights to a checkpoint: uncertainty, decision and provenance, the same for every variant."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from crystaledge.preprocessing.spec import Preprocessing
from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.mnemosyne.decision import calibrate_decision
from crystaledge_training.mnemosyne.step import CrystallizationNetwork
from crystaledge_training.mnemosyne.uncertainty import fit_log_variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the weights come from."""

    data: str
    licence: str
    outside_data: str
    people_trained: int
    seed: int
    epochs: int
    best_epoch: int
    training_seconds: float
    validation: tuple[tuple[str, float], ...]


def finish(
    path: Path,
    network: CrystallizationNetwork,
    training: FrameStore,
    validation: FrameStore,
    spec: Preprocessing,
    origin: Origin,
) -> None:
    """Fit the log-variance, choose thresholds on validation people, and write the checkpoint.

    Args:
        network: in inference mode; its log-variance is changed.
        training: frames as inference sees them.
    """
    scoring = fit_log_variance(network, training, validation, spec, seed=origin.seed)
    provenance = TrainingProvenance(
        package_version=version("crystaledge"),
        torch_version=torch.__version__,
        seed=origin.seed,
        epochs=origin.epochs,
        best_epoch=origin.best_epoch,
        training_seconds=round(origin.training_seconds, 1),
        data=origin.data,
        outside_data=origin.outside_data,
        people_trained=origin.people_trained,
        people_validated=len(validation.names),
        licence=origin.licence,
    )
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.MNEMOSYNE,
        network=network.config,
        preprocessing=spec,
        decision=calibrate_decision(network, validation, spec, scoring, seed=origin.seed + 1),
        provenance=provenance,
        validation=origin.validation,
    )
    write_checkpoint(path, record, network.state_dict())
