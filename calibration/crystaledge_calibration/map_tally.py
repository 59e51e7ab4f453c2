"""Running sums of a comparison of two graphs' outputs, by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crystaledge_calibration.image_records import MapError
from crystaledge_calibration.records import TensorTrace

Array = NDArray[np.float32]
_BROKEN = 1e30
"""JSON has no infinity."""


class MapTally:
    """Differences of two graphs' outputs by name."""

    def __init__(self) -> None:
        self._most: dict[str, float] = {}
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, reference: Mapping[str, Array], other: Mapping[str, Array]) -> None:
        """Take in outputs of the same images; a value that is not finite is broken for good."""
        for name, a in reference.items():
            wide = a.astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                apart = np.abs(wide - other[name])
            apart = np.where(np.isfinite(apart), np.minimum(apart, _BROKEN), _BROKEN)
            sums = np.array([apart.size, apart.sum(), np.square(apart).sum(), np.square(wide).sum()])
            self._most[name] = max(self._most.get(name, 0.0), float(apart.max()))
            self._sums[name] = self._sums.get(name, np.zeros(4)) + sums

    def traces(self) -> tuple[TensorTrace, ...]:
        """Largest and mean absolute difference of each output, of the one step that there is."""
        rows = ((name, self._most[name], float(sums[1] / sums[0])) for name, sums in self._sums.items())
        return tuple(TensorTrace(tensor=name, max_abs=(most,), mean_abs=(mean,)) for name, most, mean in rows)

    def errors(self) -> tuple[MapError, ...]:
        """Relative error of each output."""
        return tuple(
            MapError(tensor=name, error=float(min(np.sqrt(sums[2] / max(sums[3], 1e-30)), _BROKEN)))
            for name, sums in self._sums.items()
        )
