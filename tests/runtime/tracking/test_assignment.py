"""The assignment against every possible one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.tracking.assignment import assign


def best_by_trying(benefit: NDArray[np.float64], gate: float) -> float:
    """Largest sum over all ways to give each row one column or none."""
    rows, columns = benefit.shape
    spare = [*range(columns), *([None] * rows)]
    sums = [
        sum(benefit[i, j] for i, j in enumerate(way) if j is not None and benefit[i, j] >= gate)
        for way in set(permutations(spare, rows))
    ]
    return float(max(sums))


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4), st.floats(0.01, 1.0))
def test_no_other_assignment_is_better(seed: int, rows: int, columns: int, gate: float) -> None:
    benefit = np.random.default_rng(seed).uniform(0, 1, (rows, columns)).round(1)
    row, column = assign(benefit, gate)
    assert len(set(row.tolist())) == len(row) and len(set(column.tolist())) == len(column)
    assert (benefit[row, column] >= gate).all()
    assert benefit[row, column].sum() == pytest.approx(best_by_trying(benefit, gate))


def test_nearest_first_would_be_worse() -> None:
    row, column = assign(np.array([[0.9, 0.8], [0.8, 0.1]]), 0.1)
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0), (2, 3)])
def test_nothing_allowed_is_no_pair(shape: tuple[int, int]) -> None:
    row, column = assign(np.full(shape, np.nan), 0.5)
    assert row.tolist() == column.tolist() == []
