"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.load import config_of, load_weights
from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.mnemosyne.network import Mnemosyne


def mnemosyne_config(checkpoint: Checkpoint) -> MnemosyneConfig:
    """The network sizes of a checkpoint.

    Raises:
        DataError: it is of another system.
    """
    return config_of(checkpoint, System.MNEMOSYNE, MnemosyneConfig)


def mnemosyne_from_checkpoint(checkpoint: Checkpoint) -> Mnemosyne:
    """The network of a checkpoint, in inference mode.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    return load_weights(Mnemosyne(mnemosyne_config(checkpoint)), checkpoint).eval()
