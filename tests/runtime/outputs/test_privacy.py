"""Pixelated faces: what is left is a few cells, against a naive mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.outputs.privacy import pixelate
from tests.runtime.outputs.builders import drawn_pixels

ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize("side", [7, 12, 40, 96, 500])
def test_a_face_becomes_at_most_six_by_six_colours(side: int) -> None:
    picture = drawn_pixels(side, side)
    pixelate(picture, [(0.0, 0.0, float(side), float(side))])
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) <= min(36, max(1, side // 8) ** 2)


def test_cells_are_means() -> None:
    picture = drawn_pixels(48, 48)
    before = picture.astype(float)
    pixelate(picture, [(-9.0, -9.0, 57.0, 57.0)])
    for top in range(0, 48, 8):
        for left in range(0, 48, 8):
            mean = before[top : top + 8, left : left + 8].mean(axis=(0, 1))
            assert np.abs(picture[top : top + 8, left : left + 8] - mean).max() <= 0.51


def test_a_margin_is_taken_along_and_the_rest_is_left() -> None:
    picture = drawn_pixels(100, 100)
    before = picture.copy()
    pixelate(picture, [(30.0, 30.0, 70.0, 70.0)])
    inside = np.zeros((100, 100), bool)
    inside[24:76, 24:76] = True
    changed = (picture != before).any(axis=2)
    assert not changed[~inside].any()
    assert changed[24:30, 24:76].any()
    assert changed[inside].mean() > 0.9


@given(st.tuples(ANY_NUMBER, ANY_NUMBER, ANY_NUMBER, ANY_NUMBER), st.integers(1, 40), st.integers(1, 40))
def test_any_box_on_any_picture(box: tuple[float, float, float, float], height: int, width: int) -> None:
    picture = drawn_pixels(height, width)
    pixelate(picture, [box])
    assert picture.shape == (height, width, 3)
