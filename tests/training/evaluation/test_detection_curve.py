"""Precision and recall against counts written out; the bootstrap against sets that really are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge_training.evaluation.detection_curve import (
    Judged,
    average_precision,
    bootstrap_interval,
    recall_at_precision,
)
from crystaledge_training.evaluation.detection_matching import Matching
from tests.training.evaluation.detection_builders import Scene, draw_scene, naive_average_precision

SEEDS = st.integers(0, 2**32 - 1)


def judged_of(scene: Scene) -> Judged:
    return Matching([(one.box_xyxy, one.score) for one in scene.found], scene.truth).judged((0.0, 1e10))


def curve(*detections: tuple[float, bool], faces: int) -> Judged:
    """Detections of one image, by falling score."""
    score = np.array([s for s, _ in detections], np.float32)
    hit = np.array([h for _, h in detections], np.bool_)
    return Judged(score, hit, np.zeros(len(score), np.int64), np.array([faces]))


def test_average_precision_worked_out_by_hand() -> None:
    # Recall 0 to 0.5 (51 points) at precision 1, beyond it (50 points) at 2/3.
    value = average_precision(curve((0.9, True), (0.8, False), (0.7, True), faces=2))
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_recall_that_is_not_reached_has_precision_0() -> None:
    assert average_precision(curve((0.9, True), faces=4)) == pytest.approx(26 / 101)


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        pytest.param(curve(faces=3), 0.0, id="nothing-found"),
        pytest.param(curve((0.9, False), faces=3), 0.0, id="no-hit"),
        pytest.param(curve((0.9, False), faces=0), math.nan, id="nothing-there"),
        pytest.param(curve(faces=0), math.nan, id="nothing-at-all"),
    ],
)
def test_average_precision_of_next_to_nothing(judged: Judged, expected: float) -> None:
    assert average_precision(judged) == pytest.approx(expected, nan_ok=True)


@given(seed=SEEDS, times=st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_an_image_that_counts_three_times_is_three_images(seed: int, times: list[int]) -> None:
    scene = draw_scene(seed, images=4, distinct=True)
    rows = np.repeat(np.arange(4), times)
    repeated = Scene([scene.found[row] for row in rows], [scene.truth[row] for row in rows])
    expected = naive_average_precision(repeated, 0.5, 0.0)
    assert average_precision(judged_of(scene), np.array(times)) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(seed=SEEDS, precision=st.sampled_from([0.3, 0.5, 0.75, 0.9]))
def test_recall_at_a_precision_is_that_of_all_thresholds_tried(seed: int, precision: float) -> None:
    judged = judged_of(draw_scene(seed))
    total = int(judged.faces.sum())
    recall, score = recall_at_precision(judged, precision)
    if total == 0:
        assert math.isnan(recall) and math.isnan(score)
        return
    tried: dict[float, float] = {}
    for threshold in set(judged.score.tolist()):
        passed = judged.hit[judged.score >= np.float32(threshold)]
        if passed.mean() >= precision:
            tried[threshold] = passed.sum() / total
    assert recall == pytest.approx(max(tried.values(), default=0.0))
    if tried:
        assert score == max(threshold for threshold, value in tried.items() if value == max(tried.values()))
    else:
        assert math.isnan(score)


def test_detections_of_equal_score_pass_a_threshold_together() -> None:
    judged = curve((0.9, True), (0.5, True), (0.5, False), (0.5, False), faces=2)
    assert recall_at_precision(judged, 0.9) == pytest.approx((0.5, 0.9))


class TestBootstrap:
    def test_is_the_percentiles_of_sets_drawn_image_by_image(self) -> None:
        scene = draw_scene(3, images=6, distinct=True)
        generator = np.random.default_rng(11)
        drawn = [generator.integers(6, size=6) for _ in range(40)]
        values = [
            naive_average_precision(Scene([scene.found[r] for r in rows], [scene.truth[r] for r in rows]), 0.5, 0.0)
            for rows in drawn
        ]
        expected = np.percentile([v for v in values if not math.isnan(v)], [2.5, 97.5])
        interval = bootstrap_interval(judged_of(scene), resamples=40, seed=11)
        assert interval == pytest.approx(tuple(expected), abs=1e-12)
        assert interval[0] < interval[1]

    def test_is_a_function_of_its_seed(self) -> None:
        judged = judged_of(draw_scene(3, images=6))
        first = bootstrap_interval(judged, resamples=50, seed=1)
        assert bootstrap_interval(judged, resamples=50, seed=1) == first
        assert bootstrap_interval(judged, resamples=50, seed=2) != first

    def test_of_images_that_are_all_alike_has_no_width(self) -> None:
        scene = draw_scene(5, images=1, distinct=True)
        judged = judged_of(Scene(scene.found * 5, scene.truth * 5))
        low, high = bootstrap_interval(judged, resamples=20, seed=0)
        assert low == pytest.approx(high) == pytest.approx(average_precision(judged))

    def test_leaves_out_draws_without_a_face(self) -> None:
        judged = Judged(np.array([0.9], np.float32), np.array([True]), np.array([0]), np.array([1, 0]))
        draws = np.random.default_rng(0).integers(2, size=(30, 2))
        assert (draws == 1).all(axis=1).any()  # some draw has the empty image alone
        assert bootstrap_interval(judged, resamples=30, seed=0) == (1.0, 1.0)

    @pytest.mark.parametrize(
        ("images", "resamples"),
        [pytest.param(0, 10, id="no-image"), pytest.param(3, 10, id="no-face"), pytest.param(3, 0, id="no-resample")],
    )
    def test_of_nothing_is_nan(self, images: int, resamples: int) -> None:
        judged = Judged(np.empty(0, np.float32), np.empty(0, np.bool_), np.empty(0, np.int64), np.zeros(images, int))
        assert all(math.isnan(v) for v in bootstrap_interval(judged, resamples=resamples, seed=0))
