"""Images with boxes: what is cut at the borders, and what an annotated image cannot be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge_training.data.annotated import LONGEST_SIDE_PX, AnnotatedImage, clamped_image
from tests.support.messages import message_of

PATH = Path("a\nb.png")
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-20, 80)
BOXES = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=6)


@given(boxes=BOXES, height=st.integers(1, 60), width=st.integers(1, LONGEST_SIDE_PX))
def test_any_box_is_cut_at_the_borders_or_left_out(
    boxes: list[tuple[float, float, float, float]], height: int, width: int
) -> None:
    flags = [row % 2 == 0 for row in range(len(boxes))]
    found = clamped_image(PATH, (height, width), boxes, flags)
    expected = []
    for box, flag in zip(boxes, flags, strict=True):
        x1, x2 = (np.float32(min(max(v, 0.0), width)) for v in box[0::2])
        y1, y2 = (np.float32(min(max(v, 0.0), height)) for v in box[1::2])
        if not any(math.isnan(v) for v in box) and x1 < x2 and y1 < y2:
            expected.append(([float(v) for v in (x1, y1, x2, y2)], flag))
    assert list(zip(found.box_xyxy.tolist(), found.ignored.tolist(), strict=True)) == expected
    assert found.box_xyxy.shape == (len(expected), 4)
    assert found.size_hw == (height, width)


@pytest.mark.parametrize("size_hw", [(0, 5), (5, 0), (-1, 5), (5, LONGEST_SIDE_PX + 1), (10**400, 5)])
def test_sizes_that_cannot_be_are_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="expected sides of 1 to 1000000 px"):
        clamped_image(PATH, size_hw, [(0.0, 0.0, math.inf, math.inf)], [False])
    with pytest.raises(DataError) as raised:
        AnnotatedImage(PATH, size_hw, np.empty((0, 4), np.float32), np.empty(0, np.bool_))
    assert r"a\nb.png" in message_of(raised)


@pytest.mark.parametrize(
    ("boxes", "ignored", "expected"),
    [
        pytest.param(np.zeros((2, 4), np.float32), np.zeros(1, np.bool_), "float32 (2, 4)", id="lengths"),
        pytest.param(np.ones((1, 4)), np.zeros(1, np.bool_), "float64 (1, 4)", id="boxes-of-float64"),
        pytest.param(np.ones((1, 4), np.float32), np.zeros(1, np.int64), "flags int64", id="flags-of-int64"),
        pytest.param(np.array([[1, 1, 1, 4]], np.float32), np.zeros(1, np.bool_), "without area", id="no-width"),
        pytest.param(np.array([[-1, 1, 2, 4]], np.float32), np.zeros(1, np.bool_), "outside its 9 x 7 px", id="left"),
        pytest.param(np.array([[1, 1, 2, 8]], np.float32), np.zeros(1, np.bool_), "outside its 9 x 7 px", id="below"),
        pytest.param(np.full((1, 4), np.nan, np.float32), np.zeros(1, np.bool_), "outside its", id="nan"),
    ],
)
def test_arrays_that_break_the_promise_are_refused(
    boxes: NDArray[np.float32], ignored: NDArray[np.bool_], expected: str
) -> None:
    with pytest.raises(DataError) as raised:
        AnnotatedImage(PATH, (7, 9), boxes, ignored)
    assert expected in message_of(raised)
