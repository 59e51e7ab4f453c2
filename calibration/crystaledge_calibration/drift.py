"""How far two rollouts of the same graph are apart, step by step. Plain array mathematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.errors import ContractError

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Drift:
    """Absolute difference of one tensor over time."""

    tensor: str
    max_abs: NDArray[np.float64]
    """`(T,)`: largest over batch and elements at each step."""
    mean_abs: NDArray[np.float64]
    """`(T,)`."""

    @property
    def worst(self) -> float:
        """Largest difference at any step."""
        return float(self.max_abs.max(initial=0.0))


def drift(reference: Mapping[str, Array], other: Mapping[str, Array]) -> tuple[Drift, ...]:
    """Differences of two rollouts, each `(T, B, ...)` by name, in the reference's order.

    A value that is not finite on one side only counts as an infinite difference.

    Raises:
        ContractError: names or shapes differ.
    """
    if set(reference) != set(other):
        msg = f"Rollouts have the tensors {sorted(reference)} and {sorted(other)}; they must be the same."
        raise ContractError(msg)
    return tuple(_tensor_drift(name, reference[name], other[name]) for name in reference)


def worst_of(drifts: tuple[Drift, ...]) -> Drift:
    """The tensor with the largest difference."""
    return max(drifts, key=lambda d: d.worst)


def _tensor_drift(name: str, a: Array, b: Array) -> Drift:
    if a.shape != b.shape:
        msg = f"Tensor {name!r} has shape {a.shape} in one rollout and {b.shape} in the other."
        raise ContractError(msg)
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64)).reshape(len(a), -1)
    difference = np.where(np.isnan(difference), np.inf, difference)
    return Drift(name, difference.max(axis=1, initial=0.0), difference.mean(axis=1))
