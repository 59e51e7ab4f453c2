"""What crosses a graph's border: tensor specifications and the contract of recurrent state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge.jsonio import Bounds, Pattern

BATCH = "batch"
"""Name of the symbolic first axis."""

TensorName = Annotated[str, Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a name of letters, digits and underscores")]


class DType(Enum):
    """Element type of a tensor at a graph's border."""

    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[np.float32]:
        """The same type for numpy."""
        return np.dtype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, type and shape of one graph input or output.

    Raises:
        ContractError: the first axis is not the batch, or another axis is not a positive integer.
    """

    name: TensorName
    dtype: DType
    shape: tuple[int | str, ...]
    """First axis `"batch"`, then positive integers."""

    def __post_init__(self) -> None:
        tail = self.shape[1:]
        if not self.shape or self.shape[0] != BATCH or not all(isinstance(n, int) and n > 0 for n in tail):
            msg = f'Tensor {self.name!r} has shape {list(self.shape)}; expected "batch", then positive integers.'
            raise ContractError(msg)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape without the batch axis."""
        return tuple(int(n) for n in self.shape[1:])

    def buffer(self, batch: int) -> NDArray[np.float32]:
        """A new, zeroed array for `batch` rows."""
        return np.zeros((batch, *self.row_shape), self.dtype.numpy)

    def check(self, array: NDArray[np.float32]) -> None:
        """Raise `ContractError` unless `array` has this type and shape."""
        if array.dtype != self.dtype.numpy or array.shape[1:] != self.row_shape or array.ndim != len(self.shape):
            msg = (
                f"Tensor {self.name!r} got dtype {array.dtype} and shape {array.shape}; "
                f"expected {self.dtype.value} {list(self.shape)}."
            )
            raise ContractError(msg)


class ResetRule(Enum):
    """When a state returns to its initial value."""

    NEW_TRACK = "new_track"
    """At the first observation of a track, and never while the track lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePair:
    """The contract of one recurrent tensor: the output is the next step's input, row by row."""

    input: TensorName
    output: TensorName
    shape: tuple[Annotated[int, Bounds(1)], ...]
    """Without the batch axis."""
    dtype: DType
    initial: Annotated[float, Bounds(-1e6, 1e6)]
    """Every element of a fresh state."""
    reset: ResetRule
    idle_limit_frames: Annotated[int, Bounds(1)]
    """A track that was not observed for more frames than this is evicted."""
