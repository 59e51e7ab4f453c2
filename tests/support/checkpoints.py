"""Checkpoints of random weights: real files of the real format, that know nobody."""

from __future__ import annotations

from pathlib import Path

import torch

from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, CheckpointRecord, TrainingProvenance, write_checkpoint
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING, MnemosyneConfig
from crystaledge_training.mnemosyne.network import Mnemosyne
from tests.support.manifests import small_decision


def random_checkpoint(path: Path, encoding: int = 96, hidden: int = 64) -> Path:
    """Write a checkpoint of untrained weights, the same at every call; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Mnemosyne(MnemosyneConfig(encoding=encoding, hidden=hidden))
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.MNEMOSYNE,
        network=network.config,
        preprocessing=DEFAULT_PREPROCESSING,
        decision=small_decision(hidden),
        provenance=TrainingProvenance(
            package_version="0",
            torch_version=torch.__version__,
            seed=0,
            epochs=0,
            best_epoch=0,
            training_seconds=0.0,
            data="none",
            outside_data="none",
            people_trained=0,
            people_validated=0,
            licence="none",
        ),
        validation=(),
    )
    write_checkpoint(path, record, network.state_dict())
    return path
