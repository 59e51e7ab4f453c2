"""The best one-to-one assignment among pairs that are allowed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Indices = NDArray[np.int64]


def assign(benefit: NDArray[np.float64], gate: float) -> tuple[Indices, Indices]:
    """Pairs of rows and columns with the largest sum of benefits, each row and column at most once.

    Args:
        benefit: `(n, m)`; NaN is no pair.
        gate: smallest benefit of a pair, above 0.

    Returns:
        Rows in rising order, and the column of each.
    """
    allowed = benefit >= gate
    if not allowed.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # A pair that is not allowed is worth as much as none, so the solver may pick it: it is taken out afterwards.
    rows, columns = linear_sum_assignment(np.where(allowed, benefit, 0.0), maximize=True)
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]
