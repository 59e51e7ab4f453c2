"""The operating point, against trying every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge_training.phantom.decision import decision_of, detection_point

Image = tuple[NDArray[np.float32], NDArray[np.float32]]
FACE = np.array([10.0, 10.0, 30.0, 30.0], np.float32)


def image_of(scores: list[tuple[float, bool]]) -> tuple[Image, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Faces in a row, 40 px apart, each with one detection that lies on it (hit) or between two faces (no hit)."""
    step = np.array([40.0, 0.0, 40.0, 0.0], np.float32)
    boxes = [FACE + place * step + (0.0 if hit else 20.0) for place, (_, hit) in enumerate(scores)]
    truth = np.array([FACE + place * step for place in range(len(scores))], np.float32).reshape(-1, 4)
    found = np.array(boxes, np.float32).reshape(-1, 4), np.array([score for score, _ in scores], np.float32)
    return found, (truth, np.zeros(len(scores), np.bool_))


def brute_force(images: list[list[tuple[float, bool]]]) -> float:
    """The best F1 of any threshold."""
    every = [pair for image in images for pair in image]
    best = 0.0
    for threshold, _ in every:
        taken = [hit for score, hit in every if score >= threshold]
        precision, recall = sum(taken) / len(taken), sum(taken) / len(every)
        best = max(best, 2 * precision * recall / max(precision + recall, 1e-9))
    return best


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_has_the_best_f1_of_any_threshold(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    scores = data.draw(st.lists(st.integers(6, 94), min_size=count, max_size=count, unique=True))
    pairs = [(score / 100, data.draw(st.booleans())) for score in scores]
    cut = data.draw(st.integers(0, count))
    images = [pairs[:cut], pairs[cut:]]
    if not any(hit for _, hit in pairs):
        return
    found, truth = zip(*(image_of(image) for image in images), strict=True)
    point = detection_point(found, truth, smallest_px=8.0)
    f1 = 2 * point.precision * point.recall / (point.precision + point.recall)
    assert f1 == pytest.approx(brute_force(images))
    taken = [hit for score, hit in pairs if score >= point.score - 1e-6]
    assert point.precision == pytest.approx(sum(taken) / len(taken))
    assert point.recall == pytest.approx(sum(taken) / count)


@pytest.mark.parametrize("scores", [[], [(0.9, False)]], ids=["nothing found", "nothing right"])
def test_does_without_a_hit(scores: list[tuple[float, bool]]) -> None:
    found, truth = image_of(scores)
    point = detection_point([found], [truth], smallest_px=8.0)
    assert (point.precision, point.recall) == (0.0, 0.0)
    assert 0.05 <= point.score <= 0.95


def test_faces_that_are_too_small_do_not_count() -> None:
    found, (boxes, _) = image_of([(0.9, True)])  # a face of 20 px
    small = np.array([[200.0, 200.0, 210.0, 210.0]], np.float32)  # one of 10 px that nothing finds
    truth = np.concatenate([boxes, small]), np.zeros(2, np.bool_)
    assert detection_point([found], [truth], smallest_px=8.0).recall == 0.5
    assert detection_point([found], [truth], smallest_px=12.0).recall == 1.0


def test_a_score_is_never_at_an_end() -> None:
    for score in (0.999, 0.021):
        found, truth = image_of([(score, True), (0.5, True)])
        assert detection_point([found], [truth], smallest_px=8.0).score == pytest.approx(0.5)
        alone, face = image_of([(score, True)])
        assert detection_point([alone], [face], smallest_px=8.0).recall == 0.0


def test_equal_scores_pass_together_and_the_best_one_passes() -> None:
    found, truth = image_of([(0.6, True), (0.6, False), (0.3, True)])
    point = detection_point([found], [truth], smallest_px=8.0)
    passed = found[1] > np.float32(point.score)
    assert passed.tolist() == [True, True, True] and point.score < 0.3
    assert point.precision == pytest.approx(2 / 3)


def test_the_decision_is_around_the_point() -> None:
    found, truth = image_of([(0.5, True)])
    point = detection_point([found], [truth], smallest_px=8.0)
    decision = decision_of(point, octaves=3, suppression_iou=0.45, smallest_px=12.0, calibrated_on="squares")
    assert decision.point == point
    assert decision.low_score == pytest.approx(0.4 * point.score)
    assert (decision.octaves, decision.suppression_iou, decision.smallest_face_px) == (3, 0.45, 12.0)
    assert decision.calibrated_on == "squares"
