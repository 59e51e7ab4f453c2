"""Weights of a checkpoint into the network that it describes."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint, NetworkConfig

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=NetworkConfig)


def load_weights(network: Network, checkpoint: Checkpoint) -> Network:
    """The network with a checkpoint's weights.

    Raises:
        DataError: weights that do not fit the recorded sizes, or that are not finite.
    """
    try:
        network.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        msg = f"The checkpoint's weights do not fit its record: {' '.join(str(error).split())[:200]}."
        raise DataError(msg) from error
    damaged = [name for name, tensor in network.state_dict().items() if not torch.isfinite(tensor).all()]
    if damaged:
        msg = f"The checkpoint's tensor {damaged[0]!r} holds values that are not finite; train again."
        raise DataError(msg)
    return network


def config_of(checkpoint: Checkpoint, system: System, kind: type[Config]) -> Config:
    """The network sizes of a checkpoint of one system.

    Raises:
        DataError: it is of another system.
    """
    record = checkpoint.record
    if record.system is not system or not isinstance(record.network, kind):
        msg = f"The checkpoint is of {record.system.value}, not of {system.value}."
        raise DataError(msg)
    return record.network
