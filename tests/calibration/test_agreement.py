"""Agreement of two detectors on an image, by hand and in its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.detection.codec import Candidates
from crystaledge_calibration.agreement import agreement, same_faces


def faces(*rows: tuple[float, float, float]) -> Candidates:
    """Squares of 10 px by `(x, y, score)`."""
    boxes = [[x, y, x + 10.0, y + 10.0] for x, y, _ in rows]
    return Candidates(
        np.array(boxes, np.float32).reshape(-1, 4), np.array([score for *_, score in rows], np.float32).reshape(-1)
    )


ONE, TWO = (0.0, 0.0, 0.9), (50.0, 0.0, 0.8)
NONE = faces()


def test_pairs_are_one_to_one_and_the_best_overlap_goes_first() -> None:
    left, right = faces((0, 0, 0.9), (2, 0, 0.8)), faces((2, 0, 0.9), (1, 0, 0.3))
    assert [(p.left, p.right) for p in same_faces(left, right)] == [(1, 0), (0, 1)]
    assert same_faces(left, right)[0].iou == pytest.approx(1.0)


def test_boxes_that_hardly_overlap_are_of_different_faces() -> None:
    assert len(same_faces(faces((0, 0, 0.9)), faces((3.2, 0, 0.9)))) == 1
    assert same_faces(faces((0, 0, 0.9)), faces((3.5, 0, 0.9))) == []


def test_two_that_find_nothing_agree() -> None:
    assert agreement(NONE, NONE, score=0.5) == 1.0
    assert agreement(faces((0, 0, 0.3)), NONE, score=0.5) == 1.0


def test_a_missed_face_and_an_invented_one_count_alike() -> None:
    assert agreement(faces(ONE, TWO), faces(ONE), score=0.5) == pytest.approx(0.5)
    assert agreement(faces(ONE), faces(ONE, TWO), score=0.5) == pytest.approx(0.5)
    assert agreement(faces(ONE), NONE, score=0.5) == 0.0


def test_a_score_that_crosses_the_point_costs_its_difference_alone() -> None:
    assert agreement(faces((0, 0, 0.51)), faces((0, 0, 0.49)), score=0.5) == pytest.approx(0.98)


def test_overlap_and_score_multiply() -> None:
    assert agreement(faces((0, 0, 0.9)), faces((2, 0, 0.8)), score=0.5) == pytest.approx(8 / 12 * 0.9, rel=1e-5)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.floats(0.3, 1.0)), max_size=6),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.floats(0.3, 1.0)), max_size=6),
)
def test_agreement_is_a_share_and_the_same_from_both_sides(
    one: list[tuple[float, float, float]], other: list[tuple[float, float, float]]
) -> None:
    left, right = faces(*one), faces(*other)
    found = agreement(left, right, score=0.5)
    assert 0.0 <= found <= 1.0
    assert agreement(left, left, score=0.5) == pytest.approx(1.0, abs=1e-5)
    assert len({pair.left for pair in same_faces(left, right)}) == len(same_faces(left, right))
