"""Resampling against Pillow and against sums written out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crystaledge.preprocessing.resample import Resampler, fitted_box, triangle_weights
from crystaledge.preprocessing.spec import Fit, Preprocessing
from crystaledge.scene.scene import SceneConfig, film

SIDES = st.integers(1, 90)


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Half a drawn face and half noise: smooth parts, edges and the worst case."""
    shot = next(film(SceneConfig(side_px=max(height, width)), 0)).pixels[:height, :width].copy()
    noise = np.random.default_rng(0).integers(0, 256, shot.shape, dtype=np.uint8)
    shot[:, width // 2 :] = noise[:, width // 2 :]
    return shot


@pytest.mark.parametrize(
    ("source_hw", "target_hw"),
    [
        pytest.param((128, 128), (64, 64), id="half"),
        pytest.param((97, 131), (64, 64), id="odd-shrink"),
        pytest.param((300, 40), (64, 64), id="shrink-one-way-grow-the-other"),
        pytest.param((20, 30), (64, 48), id="grow"),
        pytest.param((64, 64), (64, 64), id="as-it-is"),
        pytest.param((1, 1), (5, 7), id="from-one-pixel"),
        pytest.param((50, 60), (1, 1), id="to-one-pixel"),
    ],
)
def test_pillow_agrees_to_one_grey_level(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> None:
    # Pillow rounds to uint8 between its two passes, and this does not.
    frame = picture(*source_hw)
    out = np.empty((*target_hw, 3), np.uint8)
    Resampler(source_hw, Preprocessing(size_hw=target_hw, fit=Fit.STRETCH))(frame, out)
    pillow = np.asarray(Image.fromarray(frame).resize(target_hw[::-1], Image.Resampling.BILINEAR))
    assert np.abs(out.astype(int) - pillow.astype(int)).max() <= 1


@given(SIDES, SIDES)
def test_weights_are_the_triangle_written_out(source: int, target: int) -> None:
    shrink = source / target
    expected = np.zeros((target, source))
    for row in range(target):
        centre = (row + 0.5) * shrink
        for column in range(source):
            distance = abs(column + 0.5 - centre) / max(shrink, 1.0)
            expected[row, column] = max(0.0, 1.0 - distance)
        expected[row] /= expected[row].sum()
    weights = triangle_weights(source, target)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, atol=1e-7)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 255))
def test_a_grey_frame_stays_as_grey_as_it_was(height: int, width: int, grey: int) -> None:
    out = np.empty((16, 24, 3), np.uint8)
    frame = np.full((height, width, 3), grey, np.uint8)
    Resampler((height, width), Preprocessing(size_hw=(16, 24), center_share=0.7))(frame, out)
    assert (out == grey).all()


def test_only_the_box_is_looked_at() -> None:
    spec = Preprocessing(size_hw=(8, 8), center_share=0.5)
    frame = picture(40, 60)
    y1, x1, y2, x2 = fitted_box((40, 60), spec)
    blackened = np.zeros_like(frame)
    blackened[y1:y2, x1:x2] = frame[y1:y2, x1:x2]
    resampler = Resampler((40, 60), spec)
    out, out_blackened = np.empty((8, 8, 3), np.uint8), np.empty((8, 8, 3), np.uint8)
    resampler(frame, out)
    resampler(blackened, out_blackened)
    assert (out == out_blackened).all()


@given(
    source_hw=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    target_hw=st.tuples(st.integers(1, 128), st.integers(1, 128)),
    share=st.floats(0.01, 1.0),
    fit=st.sampled_from(Fit),
)
def test_the_box_is_inside_never_empty_central_and_of_the_right_aspect(
    source_hw: tuple[int, int], target_hw: tuple[int, int], share: float, fit: Fit
) -> None:
    height, width = source_hw
    spec = Preprocessing(size_hw=target_hw, center_share=share, fit=fit)
    y1, x1, y2, x2 = fitted_box(source_hw, spec)
    assert 0 <= y1 < y2 <= height
    assert 0 <= x1 < x2 <= width
    assert abs((y1 + y2) - height) <= 1
    assert abs((x1 + x2) - width) <= 1
    exact_h, exact_w = Fraction(height), Fraction(width)
    if fit is Fit.CENTER:
        scale = min(Fraction(height, target_hw[0]), Fraction(width, target_hw[1]))
        exact_h, exact_w = target_hw[0] * scale, target_hw[1] * scale
    for side, exact in ((y2 - y1, exact_h), (x2 - x1, exact_w)):
        wanted = float(exact) * share
        assert side == 1 or abs(side - wanted) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("source_hw", "expected"),
    [
        pytest.param((100, 200), (10, 60, 90, 140), id="wide"),
        pytest.param((200, 100), (60, 10, 140, 90), id="tall"),
        pytest.param((100, 100), (10, 10, 90, 90), id="square"),
    ],
)
def test_the_largest_central_square_is_fitted_before_its_centre_is_cut(
    source_hw: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert fitted_box(source_hw, Preprocessing(size_hw=(64, 64), center_share=0.8)) == expected
