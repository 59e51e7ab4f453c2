"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

import torch

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.mnemosyne.network import Mnemosyne


def mnemosyne_from_checkpoint(checkpoint: Checkpoint) -> Mnemosyne:
    """The network of a checkpoint, in inference mode.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    record = checkpoint.record
    if record.system is not System.MNEMOSYNE:
        msg = f"The checkpoint is of {record.system.value}, not of {System.MNEMOSYNE.value}."
        raise DataError(msg)
    network = Mnemosyne(record.network)
    try:
        network.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        msg = f"The checkpoint's weights do not fit its record: {' '.join(str(error).split())[:200]}."
        raise DataError(msg) from error
    damaged = [name for name, tensor in network.state_dict().items() if not torch.isfinite(tensor).all()]
    if damaged:
        msg = f"The checkpoint's tensor {damaged[0]!r} holds values that are not finite; train again."
        raise DataError(msg)
    return network.eval()
