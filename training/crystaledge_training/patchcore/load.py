"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.load import config_of, load_weights
from crystaledge_training.patchcore.config import PatchCoreConfig
from crystaledge_training.patchcore.network import PatchCore


def patchcore_config(checkpoint: Checkpoint) -> PatchCoreConfig:
    """The network sizes of a checkpoint.

    Raises:
        DataError: it is of another system.
    """
    return config_of(checkpoint, System.PATCHCORE, PatchCoreConfig)


def patchcore_from_checkpoint(checkpoint: Checkpoint) -> PatchCore:
    """The network of a checkpoint with its memory, in inference mode; the backbone's weights are the checkpoint's own.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    return load_weights(PatchCore(patchcore_config(checkpoint)), checkpoint).eval()
