"""Metrics of detection: what counts, what counts neither way, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import ContractError, UsageError
from crystaledge_training.evaluation.detection import DetectionMetrics, Found, detection_metrics
from crystaledge_training.evaluation.detection_matching import Truth
from tests.support.messages import message_of
from tests.training.evaluation.detection_builders import (
    Box,
    draw_scene,
    faces,
    found,
    naive_average_precision,
    square,
)

FACE, OTHER = square(10, 10, 20), square(60, 60, 20)


def measure(one: Found, truth: Truth, smallest_px: float = 0.0) -> DetectionMetrics:
    """Metrics of one image."""
    return detection_metrics([one], [truth], smallest_px=smallest_px, bootstrap=0, seed=0)


@given(seed=st.integers(0, 2**32 - 1), smallest_px=st.sampled_from([0.0, 10.0, 14.0, 25.0]))
def test_metrics_are_those_of_rules_written_out(seed: int, smallest_px: float) -> None:
    scene = draw_scene(seed)
    edges = (12.0, 20.0, 30.0)
    found = detection_metrics(
        scene.found, scene.truth, smallest_px=smallest_px, size_edges_px=edges, bootstrap=3, seed=0
    )
    low = smallest_px**2
    naive = [naive_average_precision(scene, float(t), low) for t in np.linspace(0.5, 0.95, 10)]
    assert found.ap50 == pytest.approx(naive[0], abs=1e-12, nan_ok=True)
    assert found.ap == pytest.approx(float(np.mean(naive)), abs=1e-12, nan_ok=True)
    starts = [smallest_px, *(edge for edge in edges if edge > smallest_px), 1e5]
    ranges = [(a**2, b**2 - 1e-6) for a, b in pairwise(starts)]
    expected = [naive_average_precision(scene, 0.5, *area) for area in ranges]
    assert [value for _, value in found.ap50_by_size] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    sizes = [np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))[~ignored] for boxes, ignored in scene.truth]
    assert found.faces == sum(int((size >= smallest_px).sum()) for size in sizes)
    assert found.images == 4


def test_ranges_are_named_and_hold_their_lower_end_alone() -> None:
    box = square(0, 0, 20)
    by_size = measure(found((box, 0.9)), faces(box), 8.0).ap50_by_size
    assert [label for label, _ in by_size] == ["8-12 px", "12-20 px", "20-32 px", "32-64 px", "from 64 px"]
    assert [value for _, value in by_size] == pytest.approx([math.nan, math.nan, 1.0, math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize(("smallest_px", "first"), [(20.0, "20-32 px"), (25.0, "25-32 px"), (99.0, "from 99 px")])
def test_no_range_begins_below_the_smallest_size(smallest_px: float, first: str) -> None:
    assert measure(found(), faces(), smallest_px).ap50_by_size[0][0] == first


def test_several_detections_of_one_face_are_one_hit() -> None:
    metrics = measure(found((FACE, 0.9), (FACE, 0.8), (OTHER, 0.7)), faces(FACE, OTHER))
    assert metrics.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert metrics.recall_at_precision_90 == 0.5
    assert metrics.score_at_precision_90 == pytest.approx(0.9)


def test_equal_scores_are_taken_in_the_order_given() -> None:
    assert measure(found((FACE, 0.5), (OTHER, 0.5)), faces(FACE)).ap50 == 1.0
    assert measure(found((OTHER, 0.5), (FACE, 0.5)), faces(FACE)).ap50 == pytest.approx(0.5)


def test_more_than_a_hundred_faces_in_one_image_can_be_found() -> None:
    boxes = [square(30 * (n % 20), 30 * (n // 20), 20) for n in range(160)]
    metrics = measure(found(*((box, 1 - n / 1000) for n, box in enumerate(boxes))), faces(*boxes))
    assert (metrics.ap50, metrics.ap, metrics.faces) == (1.0, 1.0, 160)


@pytest.mark.parametrize(
    ("detection", "ap50"),
    [
        pytest.param(square(60, 60, 8), 1.0, id="on-a-small-face"),
        pytest.param(square(60, 60, 11), 1.0, id="larger-than-the-smallest-but-on-a-small-face"),
        pytest.param(square(90, 90, 9), 1.0, id="small-and-on-nothing"),
        pytest.param(square(90, 90, 10), 0.5, id="of-the-smallest-size-and-on-nothing"),
    ],
)
def test_small_faces_and_small_false_alarms_count_neither_way(detection: Box, ap50: float) -> None:
    metrics = measure(found((detection, 0.9), (FACE, 0.8)), faces(FACE, square(60, 60, 8)), 10.0)
    assert metrics.ap50 == pytest.approx(ap50)
    assert metrics.faces == 1


@pytest.mark.parametrize(
    ("corner", "ap50"),
    [pytest.param(65, 1.0, id="inside"), pytest.param(95, 1.0, id="half-inside"), pytest.param(96, 1 / 3, id="less")],
)
def test_any_number_of_detections_in_an_ignored_region_counts_neither_way(corner: float, ap50: float) -> None:
    twice = [(square(corner, 60, 10), score) for score in (0.9, 0.85)]
    metrics = measure(found(*twice, (FACE, 0.8)), faces(FACE, ignored=(square(60, 60, 40),)))
    assert metrics.ap50 == pytest.approx(ap50)
    assert metrics.faces == 1


def test_nothing_found_is_0() -> None:
    metrics = measure(found(), faces(FACE))
    assert (metrics.ap50, metrics.ap, metrics.recall_at_precision_90) == (0.0, 0.0, 0.0)
    assert math.isnan(metrics.score_at_precision_90)


@pytest.mark.parametrize("truth", [faces(), faces(ignored=(FACE,))], ids=["no-face", "ignored-ones-alone"])
def test_nothing_to_be_found_is_undefined(truth: Truth) -> None:
    metrics = detection_metrics([found((FACE, 0.9))], [truth], smallest_px=0.0, bootstrap=5, seed=0)
    values = [metrics.ap50, metrics.ap, *metrics.ap50_interval, metrics.recall_at_precision_90]
    assert all(math.isnan(value) for value in values)
    assert (metrics.images, metrics.faces) == (1, 0)


def test_no_image_at_all_is_undefined() -> None:
    metrics = detection_metrics([], [], smallest_px=0.0, bootstrap=5, seed=0)
    assert math.isnan(metrics.ap50) and (metrics.images, metrics.faces) == (0, 0)


def test_the_interval_is_seeded_and_around_the_value() -> None:
    scene = draw_scene(0, images=12)

    def interval(seed: int) -> tuple[float, float]:
        return detection_metrics(scene.found, scene.truth, smallest_px=0.0, bootstrap=60, seed=seed).ap50_interval

    low, high = interval(4)
    assert low < detection_metrics(scene.found, scene.truth, smallest_px=0.0, bootstrap=0, seed=0).ap50 < high
    assert interval(4) == (low, high) != interval(5)


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        pytest.param(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), "float32 (2, 4)", id="lengths"),
        pytest.param(np.zeros((1, 4)), np.zeros(1, np.float32), "float64 (1, 4)", id="type"),
        pytest.param(np.zeros((1, 4), np.float32), np.full(1, np.nan, np.float32), "not finite", id="nan-score"),
        pytest.param(np.full((1, 4), np.inf, np.float32), np.ones(1, np.float32), "not finite", id="infinite-box"),
        pytest.param(np.array([[5, 0, 4, 9]], np.float32), np.ones(1, np.float32), "x2 < x1", id="order"),
    ],
)
def test_detections_that_cannot_be_are_refused(boxes: np.ndarray, scores: np.ndarray, expected: str) -> None:
    with pytest.raises(ContractError) as raised:
        Found(boxes, scores)
    assert expected in message_of(raised)


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        pytest.param((np.zeros((2, 4), np.float32), np.zeros(1, bool)), "boxes (2, 4)", id="lengths"),
        pytest.param((np.zeros((1, 4), np.float32), np.zeros(1, np.int64)), "flags int64", id="flags"),
        pytest.param((np.array([[0, 0, 0, 9]], np.float32), np.zeros(1, bool)), "no area", id="no-area"),
        pytest.param((np.full((1, 4), np.nan, np.float32), np.zeros(1, bool)), "not finite", id="nan"),
    ],
)
def test_truth_that_cannot_be_is_refused(truth: Truth, expected: str) -> None:
    with pytest.raises(ContractError) as raised:
        measure(found(), truth)
    assert expected in message_of(raised)


@pytest.mark.parametrize(
    ("images", "smallest_px", "edges", "bootstrap", "expected"),
    [
        pytest.param(2, 0.0, (12.0,), 0, "of 1 images and the truth is of 2", id="images"),
        pytest.param(1, -1.0, (12.0,), 0, "Smallest size -1.0 px", id="smallest"),
        pytest.param(1, math.nan, (12.0,), 0, "Smallest size nan px", id="nan"),
        pytest.param(1, 0.0, (20.0, 12.0), 0, "rising edges", id="falling-edges"),
        pytest.param(1, 0.0, (0.0, 12.0), 0, "rising edges", id="edge-at-0"),
        pytest.param(1, 0.0, (12.0, math.inf), 0, "rising edges", id="infinite-edge"),
        pytest.param(1, 0.0, (12.0,), -1, "-1 resamples", id="resamples"),
    ],
)
def test_knobs_that_cannot_be_are_refused(
    images: int, smallest_px: float, edges: tuple[float, ...], bootstrap: int, expected: str
) -> None:
    with pytest.raises(UsageError) as raised:
        detection_metrics(
            [found()], [faces()] * images, smallest_px=smallest_px, size_edges_px=edges, bootstrap=bootstrap, seed=0
        )
    assert expected in message_of(raised)
