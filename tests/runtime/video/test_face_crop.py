"""From boxes to crops and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.systems.mnemosyne_contract import FACE_IN_CROP
from crystaledge.video.face_crop import crop_around, seen_share

SIDES = st.floats(4.0, 500.0)
PLACES = st.floats(-200.0, 2000.0)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Boxes `(N, 4)`."""
    return np.array(rows, np.float32)


@given(PLACES, PLACES, SIDES)
def test_a_face_of_the_trained_shape_comes_back_from_its_crop(x: float, y: float, side: float) -> None:
    shares = np.array(FACE_IN_CROP)
    face = np.array([x, y, x, y]) + shares * side
    (crop,) = crop_around(face.astype(np.float32)[None])
    np.testing.assert_allclose(crop, [x, y, x + side, y + side], atol=0.01 + 1e-4 * side)
    whole = crop[[0, 1, 0, 1]] + shares * (crop[2] - crop[0])
    np.testing.assert_allclose(whole, face, atol=0.01 + 1e-4 * side)


@given(PLACES, PLACES, SIDES, SIDES)
def test_a_crop_is_a_square_of_the_boxs_area(x: float, y: float, width: float, height: float) -> None:
    ((left, top, right, bottom),) = crop_around(boxes((x, y, x + width, y + height))).astype(float)
    assert right - left == pytest.approx(bottom - top, rel=1e-2, abs=0.01)
    x1, y1, x2, y2 = FACE_IN_CROP
    assert (right - left) ** 2 * (x2 - x1) * (y2 - y1) == pytest.approx(width * height, rel=0.03)


def test_crops_come_row_by_row_and_a_box_without_area_gives_a_crop() -> None:
    crops = crop_around(boxes((0, 0, 10, 10), (5, 5, 5, 5), (100, 0, 120, 20)))
    assert crops.shape == (3, 4)
    assert crops.dtype == np.float32
    assert (crops[:, 2:] > crops[:, :2]).all()
    assert crop_around(np.empty((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((10, 10, 20, 20), 1.0, id="inside"),
        pytest.param((-5, 10, 5, 20), 0.5, id="half-left"),
        pytest.param((-5, -5, 5, 5), 0.25, id="a-quarter-in-the-corner"),
        pytest.param((95, 10, 105, 20), 0.5, id="half-right"),
        pytest.param((10, 45, 20, 55), 0.5, id="half-below"),
        pytest.param((200, 200, 220, 220), 0.0, id="outside"),
        pytest.param((-100, -100, 300, 300), 100 * 50 / 400**2, id="around-it-all"),
        pytest.param((5, 5, 5, 5), 0.0, id="without-area"),
    ],
)
def test_the_share_of_a_box_inside_the_frame(box: tuple[float, ...], expected: float) -> None:
    assert seen_share(np.array([box], np.float32), (50, 100))[0] == pytest.approx(expected)
