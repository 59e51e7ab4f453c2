"""What quantization-aware training leaves: weights and ranges that were trained together, in closed loop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from crystaledge.errors import DataError

Array = NDArray[np.float32]
_KEY = "crystaledge"
_KIND = "trained-int8"
_VERSION = 1
_RANGE = "range."
_SKIP_RANGE = "skip_range."


@dataclass(frozen=True, slots=True)
class Trained:
    """Weights and ranges, each by the name of a weight."""

    weights: Mapping[str, Array]
    amax: Mapping[str, float]
    """Of what is multiplied with the weight."""
    skip_amax: Mapping[str, float]
    """Of what the weight's layer adds to a residual sum as its skip branch."""
    parent_sha256: str
    """Of the float checkpoint that it was trained to follow."""
    data: str
    """What it was trained on."""


def read_trained(data: bytes, *, where: str) -> Trained:
    """Parse the file that `train SYSTEM --qat` writes.

    Raises:
        DataError: it is no such file, or holds values that make no sense.
    """
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"][_KEY])
        known = (record["kind"], record["schema_version"]) == (_KIND, _VERSION)
        parent, trained_on = str(record["parent_sha256"]), str(record["data"])
    except (SafetensorError, KeyError, ValueError, TypeError):
        known, parent, trained_on = False, "", ""
    if not known:
        msg = f"{where} is no file that `train --qat` wrote, or one of another version; train again."
        raise DataError(msg)
    _refuse_nonsense(tensors, where)
    ranges = (_RANGE, _SKIP_RANGE)
    return Trained(
        weights={name: value for name, value in tensors.items() if not name.startswith(ranges)},
        amax=_scalars(tensors, _RANGE),
        skip_amax=_scalars(tensors, _SKIP_RANGE),
        parent_sha256=parent,
        data=trained_on,
    )


def _scalars(tensors: Mapping[str, Array], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): float(v) for name, v in tensors.items() if name.startswith(prefix)}


def _refuse_nonsense(tensors: Mapping[str, Array], where: str) -> None:
    for name, value in tensors.items():
        is_range = name.startswith((_RANGE, _SKIP_RANGE))
        if not np.isfinite(value).all() or (is_range and not (value.ndim == 0 and value > 0)):
            msg = f"{where} holds {name!r} with values that make no sense; expected finite weights, ranges above 0."
            raise DataError(msg)
