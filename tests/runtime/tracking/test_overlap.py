"""Overlap of all pairs against one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.tracking.overlap import buffered_iou, cover, iou

Array = NDArray[np.float64]
SEEDS = st.integers(0, 10_000)


def some_boxes(random: np.random.Generator, count: int) -> Array:
    return np.concatenate([random.uniform(0, 100, (count, 2)), random.uniform(1, 50, (count, 2))], axis=1)


def common_and_areas(first: Array, second: Array) -> tuple[float, float, float]:
    sides = [
        max(
            0.0,
            min(first[d] + first[d + 2], second[d] + second[d + 2])
            - max(first[d] - first[d + 2], second[d] - second[d + 2]),
        )
        for d in range(2)
    ]
    return sides[0] * sides[1], 4 * first[2] * first[3], 4 * second[2] * second[3]


@given(SEEDS, st.integers(0, 4), st.integers(0, 4))
def test_overlap_of_all_pairs(seed: int, rows: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    first, second, buffer = some_boxes(random, rows), some_boxes(random, columns), random.uniform(0, 1, rows)
    assert iou(first, second).shape == (rows, columns)
    for i in range(rows):
        for j in range(columns):
            common, area, other = common_and_areas(first[i], second[j])
            assert iou(first, second)[i, j] == pytest.approx(common / (area + other - common))
            assert cover(first, second)[i, j] == pytest.approx(common / area)
            widen = np.array([1, 1, 1 + 2 * buffer[i], 1 + 2 * buffer[i]])
            common, area, other = common_and_areas(first[i] * widen, second[j] * widen)
            assert buffered_iou(first, second, buffer)[i, j] == pytest.approx(common / (area + other - common))


@given(SEEDS)
def test_a_box_is_itself_and_a_buffer_lets_neighbours_meet(seed: int) -> None:
    boxes = some_boxes(np.random.default_rng(seed), 3)
    np.testing.assert_allclose(np.diag(iou(boxes, boxes)), 1.0)
    apart = boxes + np.array([1.0, 0, 0, 0]) * 2.1 * boxes[:, 2:3]
    assert (np.diag(iou(boxes, apart)) == 0).all()
    assert (np.diag(buffered_iou(boxes, apart, np.full(3, 0.1))) > 0).all()
