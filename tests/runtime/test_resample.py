"""Resampling against Pillow and against sums written out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from crystaledge.preprocessing.resample import (
    LETTERBOX_GREY,
    Resampler,
    area_weights,
    content_hw,
    fitted_box,
    triangle_weights,
)
from crystaledge.preprocessing.resample_opencv import OpenCvResampler
from crystaledge.preprocessing.spec import Fit, Preprocessing, Resampling
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
    share = 1.0 if fit is Fit.LETTERBOX else share
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


@given(SIDES, SIDES)
def test_area_weights_are_the_overlaps_written_out(source: int, target: int) -> None:
    weights = area_weights(source, target)
    if target >= source:
        assert (weights == triangle_weights(source, target)).all()
        return
    expected = np.zeros((target, source))
    for row in range(target):
        low, high = Fraction(row * source, target), Fraction((row + 1) * source, target)
        for column in range(source):
            overlap = min(high, Fraction(column + 1)) - max(low, Fraction(column))
            expected[row, column] = max(Fraction(0), overlap) / (high - low)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_an_area_mean_is_the_mean_of_whole_blocks() -> None:
    frame = picture(96, 60)
    out = np.empty((16, 12, 3), np.uint8)
    Resampler((96, 60), area_spec((16, 12), Fit.STRETCH))(frame, out)
    exact = frame.reshape(16, 6, 12, 5, 3).mean(axis=(1, 3))
    assert np.abs(out - exact).max() <= 0.5 + 1e-3


def area_spec(size_hw: tuple[int, int], fit: Fit) -> Preprocessing:
    """Area means, letterboxed or stretched."""
    return Preprocessing(size_hw=size_hw, fit=fit, resampling=Resampling.AREA)


FRAMES_AND_TARGETS = [
    pytest.param((360, 640), (128, 128), id="video"),
    pytest.param((256, 256), (128, 128), id="half"),
    pytest.param((97, 131), (64, 64), id="odd-shrink"),
    pytest.param((20, 30), (64, 48), id="grow"),
    pytest.param((64, 64), (64, 64), id="as-it-is"),
    pytest.param((300, 40), (64, 64), id="tall-or-mixed"),
    pytest.param((40, 300), (64, 64), id="wide-or-mixed"),
    pytest.param((1, 200), (32, 32), id="one-row"),
    pytest.param((200, 1), (32, 32), id="one-column"),
    pytest.param((1, 1), (5, 7), id="one-pixel"),
    pytest.param((432, 768), (96, 160), id="as-8k-is-wide"),
]


@pytest.mark.parametrize(("source_hw", "target_hw"), FRAMES_AND_TARGETS)
@pytest.mark.parametrize("fit", [Fit.LETTERBOX, Fit.STRETCH])
def test_opencv_and_numpy_agree_to_one_grey_level(
    source_hw: tuple[int, int], target_hw: tuple[int, int], fit: Fit
) -> None:
    frame, spec = picture(*source_hw), area_spec(target_hw, fit)
    ours, theirs = np.empty((*target_hw, 3), np.uint8), np.empty((*target_hw, 3), np.uint8)
    Resampler(source_hw, spec)(frame, ours)
    OpenCvResampler(source_hw, spec)(frame, theirs)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([Fit.LETTERBOX, Fit.STRETCH, Fit.CENTER]))
def test_opencv_and_numpy_agree_at_any_size(height: int, width: int, tall: int, wide: int, fit: Fit) -> None:
    frame = np.random.default_rng(height * 91 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    outs = np.empty((2, tall, wide, 3), np.uint8)
    Resampler((height, width), area_spec((tall, wide), fit))(frame, outs[0])
    OpenCvResampler((height, width), area_spec((tall, wide), fit))(frame, outs[1])
    assert np.abs(outs[0].astype(int) - outs[1].astype(int)).max() <= 1


@pytest.mark.parametrize("resampler", [Resampler, OpenCvResampler])
def test_mirrored_and_read_only_views_are_as_good_as_copies(resampler: type[Resampler] | type[OpenCvResampler]) -> None:
    frame = picture(90, 120)[::-1, ::-1, ::-1]
    frame.flags.writeable = False
    outs = np.empty((2, 32, 32, 3), np.uint8)
    resampler((90, 120), area_spec((32, 32), Fit.LETTERBOX))(frame, outs[0])
    resampler((90, 120), area_spec((32, 32), Fit.LETTERBOX))(frame.copy(), outs[1])
    assert (outs[0] == outs[1]).all()


@given(
    st.tuples(st.integers(1, 8000), st.integers(1, 8000)) | st.sampled_from([(1, 4320), (7680, 1), (4320, 7680)]),
    st.tuples(st.integers(1, 160), st.integers(1, 160)),
)
def test_a_letterbox_shows_all_at_the_largest_scale(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> None:
    height, width = content_hw(source_hw, area_spec(target_hw, Fit.LETTERBOX))
    assert 1 <= height <= target_hw[0]
    assert 1 <= width <= target_hw[1]
    assert height == target_hw[0] or width == target_hw[1]
    scale = min(Fraction(target_hw[0], source_hw[0]), Fraction(target_hw[1], source_hw[1]))
    for side, source in zip((height, width), source_hw, strict=True):
        assert side == 1 or abs(side - source * scale) <= Fraction(1, 2) + Fraction(1, 10**9)


@pytest.mark.parametrize("resampler", [Resampler, OpenCvResampler])
@pytest.mark.parametrize(("source_hw", "content"), [((60, 120), (16, 32)), ((120, 60), (32, 16)), ((7, 7), (32, 32))])
def test_the_rest_of_a_letterbox_is_grey_whatever_was_there(
    resampler: type[Resampler] | type[OpenCvResampler], source_hw: tuple[int, int], content: tuple[int, int]
) -> None:
    out = np.full((32, 32, 3), 7, np.uint8)
    resampler(source_hw, area_spec((32, 32), Fit.LETTERBOX))(np.full((*source_hw, 3), 200, np.uint8), out)
    expected = np.full((32, 32, 3), LETTERBOX_GREY, np.uint8)
    expected[: content[0], : content[1]] = 200
    assert (out == expected).all()
