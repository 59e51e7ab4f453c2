"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.load import config_of, load_weights
from crystaledge_training.phantom.config import PhantomConfig
from crystaledge_training.phantom.network import Phantom


def phantom_config(checkpoint: Checkpoint) -> PhantomConfig:
    """The network sizes of a checkpoint.

    Raises:
        DataError: it is of another system.
    """
    return config_of(checkpoint, System.PHANTOM, PhantomConfig)


def phantom_from_checkpoint(checkpoint: Checkpoint) -> Phantom:
    """The network of a checkpoint, in inference mode.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    network = Phantom(phantom_config(checkpoint))
    return load_weights(network, checkpoint).eval()
