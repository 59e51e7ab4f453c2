"""Aligned arrays, checked once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crystaledge.detections import Detections
from crystaledge.errors import ContractError

BOXES = [[0.0, 0.0, 2.0, 3.0], [1.0, 1.0, 2.0, 2.0]]


def test_as_many_as_there_are_scores() -> None:
    assert len(Detections(np.array(BOXES, np.float32), np.ones(2, np.float32))) == 2
    assert len(Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))) == 0


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        pytest.param(np.array(BOXES), np.ones(2, np.float32), id="float64-boxes"),
        pytest.param(np.array(BOXES, np.float32), np.ones(2), id="float64-scores"),
        pytest.param(np.array(BOXES, np.float32), np.ones(3, np.float32), id="a-score-too-many"),
        pytest.param(np.zeros((2, 5), np.float32), np.ones(2, np.float32), id="five-numbers"),
        pytest.param(np.array([[2, 0, 1, 1]], np.float32), np.ones(1, np.float32), id="x-reversed"),
        pytest.param(np.array([[0, 1, 1, 1]], np.float32), np.ones(1, np.float32), id="no-height"),
        pytest.param(np.array([[0, 0, np.nan, 1]], np.float32), np.ones(1, np.float32), id="nan"),
    ],
)
def test_misaligned_or_empty_boxes_are_refused(boxes: Any, scores: Any) -> None:
    with pytest.raises(ContractError):
        Detections(boxes, scores)
