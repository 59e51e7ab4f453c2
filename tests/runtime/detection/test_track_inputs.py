"""What the track cell is shown, against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detection.track_inputs import PATCH_PX, corrected, level_of, patch_into, roi_of

Array = NDArray[np.float32]
PLACES = st.floats(-60, 220, width=32)
BOXES = st.tuples(PLACES, PLACES, st.floats(0.5, 120, width=32), st.floats(0.5, 120, width=32)).map(
    lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]], np.float32)
)


def clamped(place: float, limit: int) -> int:
    return min(max(int(place), 0), limit - 1)


@given(BOXES, st.integers(0, 2))
def test_features_are_those_of_the_nine_cells_around_the_centre(box: Array, level: int) -> None:
    features = np.random.default_rng(0).normal(size=(5, 24 >> level, 40 >> level)).astype(np.float32)
    row = math.floor(float((box[1] + box[3]) / 2) / (4 << level))
    column = math.floor(float((box[0] + box[2]) / 2) / (4 << level))
    expected = [
        features[channel, clamped(row + y, 24 >> level), clamped(column + x, 40 >> level)]
        for channel in range(5)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    ]
    assert roi_of(features, box, level).tolist() == expected


@given(BOXES)
def test_a_patch_is_the_nearest_pixel_at_every_place(box: Array) -> None:
    random = np.random.default_rng(1)
    image = random.normal(size=(3, 96, 160)).astype(np.float32)
    motion = random.uniform(size=(96, 160)).astype(np.float32)
    out = np.full((4, PATCH_PX, PATCH_PX), np.nan, np.float32)
    patch_into(out, image, motion, box)
    x1, y1, x2, y2 = (float(value) for value in box)
    rows = [nearest(y1, y2, place, 96) for place in range(PATCH_PX)]
    columns = [nearest(x1, x2, place, 160) for place in range(PATCH_PX)]
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            assert out[3, y, x] == motion[row, column]
    assert (out[:3] == image[:, rows][:, :, columns]).all()


def nearest(low: float, high: float, place: int, limit: int) -> int:
    side = (high - low) * 1.3
    start = (low + high - side) / 2
    return clamped(math.floor(start + (place + 0.5) * (side / PATCH_PX)), limit)


@pytest.mark.parametrize(
    ("side", "octaves", "level"),
    [
        pytest.param(1.0, 3, 0, id="tiny"),
        pytest.param(15.0, 3, 0, id="middle-of-the-first"),
        pytest.param(20.0, 3, 0, id="below-the-geometric-middle"),
        pytest.param(22.0, 3, 1, id="above-the-geometric-middle"),
        pytest.param(30.0, 3, 1, id="middle-of-the-second"),
        pytest.param(44.0, 3, 2, id="third"),
        pytest.param(500.0, 3, 2, id="there-is-no-more"),
        pytest.param(500.0, 1, 0, id="one-octave"),
        pytest.param(-3.0, 3, 2 - 2, id="inside-out"),
    ],
)
def test_the_level_is_the_nearest_in_size(side: float, octaves: int, level: int) -> None:
    assert level_of(np.array([10, 10, 10 + side, 10 + abs(side) ** 2 / side], np.float32), octaves) == level


@given(BOXES, st.tuples(*[st.floats(-3, 3, width=32)] * 4))
def test_a_correction_moves_and_resizes(box: Array, delta: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = (float(value) for value in box)
    expected = []
    for low, high, shift, growth in ((x1, x2, delta[0], delta[2]), (y1, y2, delta[1], delta[3])):
        centre = (low + high) / 2 + shift * (high - low)
        half = (high - low) / 2 * math.exp(min(max(growth, -1.0), 1.0))
        expected.append((centre - half, centre + half))
    flat = [expected[0][0], expected[1][0], expected[0][1], expected[1][1]]
    found = corrected(box[None], np.array([delta], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], flat, rtol=1e-4, atol=2e-3)


def test_no_boxes_are_no_boxes() -> None:
    assert corrected(np.empty((0, 4), np.float32), np.empty((0, 4), np.float32)).shape == (0, 4)
