"""The smallest PatchCore: random features of stride 8 on the parts that the student's tests draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from crystaledge.anomaly.scoring import Scoring
from crystaledge.system import System
from crystaledge_training.anomaly.backbone_kind import BackboneKind
from crystaledge_training.anomaly.make_backbone import preprocessing_of
from crystaledge_training.anomaly.threshold import choose_decision
from crystaledge_training.checkpoint import SCHEMA_VERSION, Checkpoint, CheckpointRecord, TrainingProvenance
from crystaledge_training.patchcore.config import PatchCoreConfig
from crystaledge_training.patchcore.network import PatchCore
from crystaledge_training.patchcore.train_config import PatchCoreTrainConfig

SIDE = 32
SIZES = PatchCoreConfig(backbone=BackboneKind.PUBLISHED, levels=(4, 8), neighbourhood=3, bank_rows=7)
TINY = PatchCoreTrainConfig(
    network=replace(SIZES, bank_rows=1), size_hw=(SIDE, SIDE), bank_share=0.05, batch_size=4, seed=5
)


def random_network(sizes: PatchCoreConfig = SIZES, *, seed: int = 0) -> PatchCore:
    """Random weights and a random memory."""
    torch.manual_seed(seed)
    network = PatchCore(sizes)
    network.remember(torch.randn(sizes.bank_rows, sizes.bank_dims))
    return network


def checkpoint_of(network: PatchCore) -> Checkpoint:
    """As `train` would have written it."""
    scores = torch.arange(1.0, 21.0).numpy()
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.PATCHCORE,
        network=network.config,
        preprocessing=preprocessing_of(network.config.backbone, (SIDE, SIDE)),
        decision=choose_decision(scores, scores, Scoring(), false_alarm_rate=0.05, calibrated_on="drawn parts"),
        provenance=TrainingProvenance(
            package_version="0",
            torch_version="0",
            seed=0,
            epochs=1,
            best_epoch=0,
            training_seconds=0.0,
            data="drawn parts",
            outside_data="none",
            people_trained=0,
            people_validated=0,
            licence="none",
        ),
        validation=(),
    )
    return Checkpoint(record, network.state_dict(), "0" * 64)


def numbered(count: int) -> tuple[Path, ...]:
    """Paths of images that are not there."""
    return tuple(Path(f"{number:03d}.png") for number in range(count))
