"""What quantization-aware training leaves: weights and ranges that were trained together, in closed loop."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from crystaledge.errors import DataError

Array = NDArray[np.float32]
_KEY = "crystaledge"
_KIND = "trained-int8"
_RANGE = "range."


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights by name, and the amax of the data input of each node by the name of its weight."""

    weights: dict[str, Array]
    amax: dict[str, float]
    parent_sha256: str
    """Of the float checkpoint that it was trained to follow."""


def read_trained(data: bytes, *, where: str) -> Trained:
    """Parse the file that `train SYSTEM --qat` writes.

    Raises:
        DataError: it is no such file.
    """
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"][_KEY])
        if record["kind"] != _KIND or record["schema_version"] != 1:
            raise KeyError(record["kind"])
        parent = str(record["parent_sha256"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        msg = f"{where} is no file that `train --qat` wrote, or one of another version; train again."
        raise DataError(msg) from error
    weights = {name: value for name, value in tensors.items() if not name.startswith(_RANGE)}
    amax = {name.removeprefix(_RANGE): float(v) for name, v in tensors.items() if name.startswith(_RANGE)}
    return Trained(weights, amax, parent)
