"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.load import config_of, load_weights
from crystaledge_training.mnemosyne.config import MnemosyneConfig
from crystaledge_training.mnemosyne.make_network import make_network
from crystaledge_training.mnemosyne.network import Mnemosyne
from crystaledge_training.mnemosyne.step import CrystallizationNetwork


def mnemosyne_config(checkpoint: Checkpoint) -> MnemosyneConfig:
    """The network sizes of a checkpoint.

    Raises:
        DataError: it is of another system.
    """
    return config_of(checkpoint, System.MNEMOSYNE, MnemosyneConfig)


def mnemosyne_from_checkpoint(checkpoint: Checkpoint) -> CrystallizationNetwork:
    """The network of a checkpoint, in inference mode, whichever variant it is.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    return load_weights(make_network(mnemosyne_config(checkpoint)), checkpoint).eval()


def published_from_checkpoint(checkpoint: Checkpoint, *, purpose: str) -> Mnemosyne:
    """As `mnemosyne_from_checkpoint`, for what only the published network can do.

    Args:
        purpose: what that is, as the start of a sentence.

    Raises:
        DataError: it is another variant, or as above.
    """
    network = mnemosyne_from_checkpoint(checkpoint)
    if not isinstance(network, Mnemosyne):
        msg = f"{purpose} is for the published network; this checkpoint is the {network.config.variant.value} variant."
        raise DataError(msg)
    return network
