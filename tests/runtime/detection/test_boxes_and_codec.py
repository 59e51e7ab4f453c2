"""Decoding and suppression against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detection.boxes import CONTAINED, area, iou_matrix, suppress
from crystaledge.detection.codec import LARGEST_LOG, decode, logit_of

Array = NDArray[np.float32]
SEEDS = st.integers(0, 2**31)


def some_boxes(seed: int, count: int) -> tuple[Array, Array]:
    """Boxes that overlap a lot, some of them empty or turned inside out, with scores that are often equal."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 12, (count, 2))
    sizes = random.integers(-1, 9, (count, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
    return boxes, (random.integers(0, 5, count) / 5).astype(np.float32)


def naive_iou(a: Array, b: Array) -> float:
    wide = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    high = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    union = naive_area(a) + naive_area(b) - wide * high
    return wide * high / union if union > 0 else 0.0


def naive_containment(a: Array, b: Array) -> float:
    wide = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    high = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    smaller = min(naive_area(a), naive_area(b))
    return wide * high / smaller if smaller > 0 else 0.0


def naive_area(box: Array) -> float:
    return max(0.0, float(box[2] - box[0])) * max(0.0, float(box[3] - box[1]))


@given(SEEDS, st.integers(0, 9), st.integers(0, 9))
def test_overlap_is_that_of_each_pair(seed: int, first: int, second: int) -> None:
    a, b = some_boxes(seed, first)[0], some_boxes(seed + 1, second)[0]
    ratio = iou_matrix(a, b)
    assert ratio.shape == (first, second)
    for row in range(first):
        assert area(a)[row] == naive_area(a[row])
        for column in range(second):
            assert ratio[row, column] == pytest.approx(naive_iou(a[row], b[column]), abs=1e-6)


@given(SEEDS, st.integers(0, 14), st.sampled_from([0.0, 0.31, 0.52, 1.0]))
def test_suppression_is_the_greedy_loop(seed: int, count: int, iou: float) -> None:
    boxes, score = some_boxes(seed, count)
    left = sorted(range(count), key=lambda row: (-score[row], row))
    expected = []
    while left:
        best = left.pop(0)
        expected.append(best)
        left = [
            row
            for row in left
            if naive_iou(boxes[best], boxes[row]) <= iou and naive_containment(boxes[best], boxes[row]) <= CONTAINED
        ]
    assert suppress(boxes, score, iou=iou) == expected


@given(SEEDS, st.integers(1, 6), st.integers(1, 6), st.floats(0.05, 0.95))
def test_decoding_is_the_loop_over_cells(seed: int, rows: int, columns: int, low: float) -> None:
    random = np.random.default_rng(seed)
    logit = random.normal(0, 2, (rows, columns)).astype(np.float32)
    box = random.normal(0, 3, (4, rows, columns)).astype(np.float32)
    found = decode(logit, box, threshold_logit=logit_of(low))
    expected = []
    for row in range(rows):
        for column in range(columns):
            score = 1.0 / (1.0 + math.exp(-float(logit[row, column])))
            if logit[row, column] > math.log(low / (1 - low)):
                x, y, log_w, log_h = (float(value) for value in box[:, row, column])
                width, height = 4 * math.exp(min(log_w, LARGEST_LOG)), 4 * math.exp(min(log_h, LARGEST_LOG))
                centre_x, centre_y = (column + 0.5 + x) * 4, (row + 0.5 + y) * 4
                corners = centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2
                expected.append((*corners, score))
    assert found.box_xyxy.shape == (len(expected), 4)
    assert found.box_xyxy.dtype == found.score.dtype == np.float32
    together = np.concatenate([found.box_xyxy, found.score[:, None]], axis=1)
    np.testing.assert_allclose(together, np.array(expected).reshape(-1, 5), rtol=2e-5, atol=2e-4)


def test_a_size_beyond_sense_stays_finite() -> None:
    found = decode(np.ones((1, 1), np.float32), np.full((4, 1, 1), 1e4, np.float32), threshold_logit=0.0)
    assert np.isfinite(found.box_xyxy).all()
    assert found.box_xyxy[0, 2] - found.box_xyxy[0, 0] == pytest.approx(4 * math.exp(LARGEST_LOG), rel=1e-3)


@given(st.floats(1e-6, 1 - 1e-6))
def test_logit_undoes_the_logistic_function(probability: float) -> None:
    assert 1.0 / (1.0 + math.exp(-logit_of(probability))) == pytest.approx(probability, rel=1e-9)
