"""From what an anomaly graph says of one image to one raw score and the map that stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystaledge.anomaly.bank import Bank
from crystaledge.anomaly.smoothing import smoothed
from crystaledge.errors import ContractError

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What the host does beside the graph; training calibrates with the very same."""

    blur_cells: float = 0.0
    """Standard deviation of the Gaussian that smooths the map, in cells."""
    neighbours: int = 0
    """Bank items that weigh the image's score; 0: the score is the smoothed map's maximum."""
    rerank: int = 0
    """Cells, the most distant ones, whose distance is computed again against the exact bank."""
    bank: Bank | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """One image."""

    raw: float
    """At least 0."""
    cells: Array
    """float32 `(h, w)`: distances from normal, smoothed."""


def score(distance: Array | None, features: Array | None, scoring: Scoring) -> Scored:
    """Score one image.

    Args:
        distance: float32 `(1, h, w)` of the graph; None where the host alone searches.
        features: float32 `(D, h, w)`; None where there is no bank on the host.

    Raises:
        ContractError: what the scoring needs is missing.
    """
    bank = scoring.bank
    if bank is None or features is None:
        if distance is None or scoring.neighbours:
            msg = "The score of an image needs its patches and the bank on the host; one of them is missing."
            raise ContractError(msg)
        cells = smoothed(distance[0], scoring.blur_cells)
        return Scored(float(cells.max()), cells)
    patches = features.reshape(len(features), -1).T
    flat, rows = _distances(distance, patches, bank, scoring.rerank)
    cells = smoothed(flat.reshape(features.shape[1:]), scoring.blur_cells)
    if not scoring.neighbours:
        return Scored(float(cells.max()), cells)
    peak = max(rows, key=lambda cell: float(flat[cell]))
    weight = bank.weight(patches[peak], rows[peak], neighbours=scoring.neighbours)
    return Scored(weight * float(flat[peak]), cells)


def _distances(distance: Array | None, patches: Array, bank: Bank, rerank: int) -> tuple[Array, dict[int, int]]:
    """Distances `(h * w,)`, and the bank's row of each cell whose distance is exact."""
    if distance is None:
        exact, rows = bank.nearest(patches)
        return exact, dict(enumerate(rows.tolist()))
    flat = distance.reshape(-1).copy()
    count = min(max(rerank, 1), len(flat))
    cells = np.argpartition(flat, len(flat) - count)[len(flat) - count :]
    exact, rows = bank.nearest(np.ascontiguousarray(patches[cells]))
    flat[cells] = exact
    return flat, dict(zip(cells.tolist(), rows.tolist(), strict=True))
