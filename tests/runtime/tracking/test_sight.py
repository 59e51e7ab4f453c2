"""Detections as the tracker works on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.detections import Detections
from crystaledge.errors import ContractError
from crystaledge.tracking.config import TrackerConfig
from crystaledge.tracking.sight import Sight
from tests.runtime.tracking.faces import faces
from tests.support.messages import message_of


@given(st.integers(0, 10_000), st.integers(0, 8))
def test_the_answer_is_in_the_order_of_the_question(seed: int, count: int) -> None:
    centres = np.random.default_rng(seed).uniform(0, 500, (count, 2))
    sight = Sight(faces(*map(tuple, centres)), TrackerConfig())
    sight.owner[:] = np.rint(sight.measurements[:, 0] * 100).astype(np.int64)
    np.testing.assert_allclose(sight.numbers() / 100, centres[:, 0], atol=0.01)
    assert (np.diff(sight.measurements[:, 0] - np.exp(sight.measurements[:, 2]) / 2) > -1e-3).all()


def test_scores_are_high_low_or_ignored() -> None:
    boxes = faces((0, 0), (100, 0), (200, 0)).box_xyxy
    sight = Sight(Detections(boxes, np.array([0.05, 0.3, 0.7], np.float32)), TrackerConfig())
    assert sight.is_high.tolist() == [False, False, True] and sight.is_low.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("box", "score"),
    [
        pytest.param([0, 0, np.inf, 9], 0.5, id="infinity"),
        pytest.param([-2e6, 0, 5, 9], 0.5, id="far-away"),
        pytest.param([0, 0, 9, 9], np.nan, id="nan-score"),
    ],
)
def test_values_beyond_reason_are_refused(box: list[float], score: float) -> None:
    with pytest.raises(ContractError) as raised:
        Sight(Detections(np.array([box], np.float32), np.array([score], np.float32)), TrackerConfig())
    assert "expected finite values" in message_of(raised)
