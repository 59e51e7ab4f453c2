"""Export description of PatchCore: backbone, patches and their search in one graph; the bank beside it for the host."""

from __future__ import annotations

import numpy as np

from crystaledge.bundle_writer import Part, npz_bytes
from crystaledge.manifest.model import FileRole
from crystaledge.systems.anomaly_contract import BANK, DISTANCE, FEATURES, MEMORY_FILE
from crystaledge_export.anomaly import (
    INTENDED_USE,
    LIMITS,
    cells_of,
    decision_lines,
    describe_anomaly,
)
from crystaledge_export.description import StepDescription, SystemExport
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.parameters import frozen_too
from crystaledge_training.patchcore.load import patchcore_config, patchcore_from_checkpoint


def describe(checkpoint: Checkpoint) -> tuple[StepDescription, ...]:
    """The one graph of a checkpoint."""
    config, spec = patchcore_config(checkpoint), checkpoint.record.preprocessing
    cells = cells_of(spec.size_hw, config.levels[0])
    features = (FEATURES, (config.bank_dims, *cells))
    outputs = [(DISTANCE, (1, *cells)), features] if config.search_in_graph else [features]
    return (describe_anomaly(patchcore_from_checkpoint(checkpoint), spec, outputs),)


def network_facts(checkpoint: Checkpoint) -> tuple[int, str]:
    """Parameters of the backbone, and the size of the memory in words."""
    config = patchcore_config(checkpoint)
    network = patchcore_from_checkpoint(checkpoint)
    levels = ", ".join(map(str, config.levels))
    searched = "in the graph" if config.search_in_graph else "on the host"
    words = (
        f"{config.backbone.value} at strides {levels}; a memory of {config.bank_rows} patches of {config.bank_dims} "
        f"numbers, searched {searched}"
    )
    return frozen_too(network.backbone), words


def memory(checkpoint: Checkpoint) -> tuple[Part, ...]:
    """The bank as the host re-ranks with it; its values are those of float16 in the graph too."""
    bank = patchcore_from_checkpoint(checkpoint).bank.numpy().astype(np.float16)
    return (Part(MEMORY_FILE, FileRole.MEMORY, npz_bytes({BANK: bank})),)


EXPORT = SystemExport(
    describe=describe,
    intended_use=INTENDED_USE,
    network=network_facts,
    decisions=decision_lines,
    parts=memory,
    limits=LIMITS,
)
