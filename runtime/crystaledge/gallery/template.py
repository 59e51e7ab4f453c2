"""What a gallery keeps of a face, and the model that it was made by."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge.tracks.store import LARGEST_STATE

_HEAD = struct.Struct("<dQ")
_LITTLE_FLOAT = np.dtype("<f4")
_MOST_OBSERVATIONS = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFingerprint:
    """The model whose templates a gallery holds; those of another cannot be compared with them.

    Raises:
        ContractError: the checkpoint is no SHA-256, or there are no dimensions.
    """

    system: str
    checkpoint_sha256: str
    """64 hexadecimal digits."""
    dimensions: int
    """Length of an identity."""

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.checkpoint_sha256) or self.dimensions < 1:
            msg = f"{self} is no model's fingerprint; expected a SHA-256 and at least one dimension."
            raise ContractError(msg)

    def __str__(self) -> str:
        return f"{self.system} {self.checkpoint_sha256[:12]} ({self.dimensions} dimensions)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A crystallized identity.

    Raises:
        ContractError: a value is not of the declared kind, or not finite.
    """

    identity: NDArray[np.float32]
    """The raw hidden state, float32 `(D,)`; a read-only copy is kept."""
    log_variance: float
    observations: int
    """How many observations it was made of, at least 1."""

    def __post_init__(self) -> None:
        identity = np.array(self.identity)
        if identity.dtype != np.float32 or identity.ndim != 1 or not identity.size:
            msg = f"The identity is {identity.dtype} {list(identity.shape)}; expected float32 [D]."
            raise ContractError(msg)
        if not ((np.abs(identity) <= LARGEST_STATE).all() and math.isfinite(self.log_variance)):
            msg = "The template holds NaN, infinity or a value beyond reason; enrol from other images."
            raise ContractError(msg)
        if not 1 <= self.observations <= _MOST_OBSERVATIONS:
            msg = f"The template counts {self.observations} observations; expected at least 1."
            raise ContractError(msg)
        identity.setflags(write=False)
        object.__setattr__(self, "identity", identity)

    def to_bytes(self) -> bytes:
        """The template to the bit: log-variance, count and identity, little-endian."""
        return _HEAD.pack(self.log_variance, self.observations) + self.identity.astype(_LITTLE_FLOAT).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Template:
        """The template that `to_bytes` wrote."""
        log_variance, observations = _HEAD.unpack_from(data)
        identity = np.frombuffer(data, _LITTLE_FLOAT, offset=_HEAD.size).astype(np.float32)
        return cls(identity=identity, log_variance=log_variance, observations=observations)
