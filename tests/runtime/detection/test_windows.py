"""Windows and stale cells against receptive fields seen in networks, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detection.camera_view import LOGIT
from crystaledge.detection.codec import STRIDE_PX
from crystaledge.detection.detector import IMAGE
from crystaledge.detection.windows import Window, cover, dilated, stale_cells, window_at
from crystaledge.engine.onnxruntime_engine import OnnxRuntimeEngine
from crystaledge_training.phantom.config import PhantomConfig
from crystaledge_training.phantom.network import Detector
from tests.runtime.detection.networks import detector_model, detector_spec

Mask = NDArray[np.bool_]

REACH_PX = 15
"""To each side of the pixel at which a cell's receptive field has its middle: written down a second time."""
SIDE = 48
CELLS = st.integers(3, 40)
SIZES_HW = [(80, 80), (48, 48)]


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Any part of a map stale: single cells, rectangles, everything, nothing."""
    shape = draw(CELLS), draw(CELLS)
    mask = np.zeros(shape, bool)
    for _ in range(draw(st.integers(0, 6))):
        y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        mask[y : y + draw(st.integers(1, 12)), x : x + draw(st.integers(1, 12))] = True
    return mask


@cache
def small_network() -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(detector_spec((SIDE, SIDE)), detector_model((SIDE, SIDE), positive=True))


@cache
def real_network() -> Detector:
    """Phantom's own detector, no weight below 0, so that whatever a cell can see, it shows."""
    network = Detector(PhantomConfig(stem=2, stage1=3, stage2=4)).double().eval()
    for parameter in network.parameters():
        parameter.data.abs_().add_(0.01)
    return network


def small(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(small_network().run({IMAGE: image[None]})[LOGIT][0, 0])


def real(image: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.no_grad():
        logit: NDArray[np.float32] = real_network()(torch.from_numpy(image[None]).double()).logit[0, 0].numpy()
    return logit


@pytest.mark.parametrize("logits", [small, real])
@pytest.mark.parametrize(
    "place",
    [(0, 0), (47, 47), (0, 23), (20, 20), (21, 22), (23, 24), (25, 47), (19, 29)],
)
def test_a_pixel_reaches_the_cells_whose_field_holds_it_and_all_of_them_are_stale(
    logits: Callable[[NDArray[np.float32]], NDArray[np.float32]], place: tuple[int, int]
) -> None:
    image = np.ones((3, SIDE, SIDE), np.float32)
    before = logits(image)
    image[:, place[0], place[1]] += 1000.0
    reached = logits(image) != before
    middles = np.arange(SIDE // STRIDE_PX) * STRIDE_PX
    rows, columns = (np.abs(middles - index) <= REACH_PX for index in place)
    assert (reached == rows[:, None] & columns[None, :]).all()
    changed = np.zeros((SIDE, SIDE), bool)
    changed[place] = True
    assert not (reached & ~stale_cells(blocks_of(changed))).any()


def blocks_of(changed: Mask) -> Mask:
    """Blocks of 4 px that hold a changed pixel."""
    height, width = changed.shape
    return np.array([[changed[y : y + 4, x : x + 4].any() for x in range(0, width, 4)] for y in range(0, height, 4)])


@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**31), st.integers(1, 4))
def test_stale_cells_are_those_around_a_changed_block(rows: int, columns: int, seed: int, changes: int) -> None:
    random = np.random.default_rng(seed)
    changed = np.zeros((rows * 4, columns * 4), bool)
    changed[random.integers(0, rows * 4, changes), random.integers(0, columns * 4, changes)] = True
    expected = np.zeros((rows, columns), bool)
    for y, x in np.argwhere(changed) // 4:
        for row in range(rows):
            for column in range(columns):
                expected[row, column] |= max(abs(row - y), abs(column - x)) <= 4
    assert (stale_cells(blocks_of(changed)) == expected).all()


@given(masks(), st.integers(0, 5))
def test_dilation_is_that_of_a_square(mask: Mask, reach: int) -> None:
    expected = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        expected[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = True
    assert (dilated(mask, reach) == expected).all()


def settled_exactly(window: Window, image_hw: tuple[int, int]) -> Mask:
    """Cells whose receptive fields a window holds, or that end with the image where the window does."""
    inside = []
    for start, size, image in zip((window.y_px, window.x_px), window.size_hw, image_hw, strict=True):
        middles = np.arange(image // 4) * 4
        low = (start == 0) | (middles - REACH_PX >= start)
        high = (start + size == image) | (middles + REACH_PX < start + size)
        inside.append(low & high & (middles >= start) & (middles < start + size))
    return np.asarray(inside[0][:, None] & inside[1][None, :])


@given(masks())
def test_a_cover_settles_every_stale_cell_and_shows_no_more_than_the_image(stale: Mask) -> None:
    image_hw = stale.shape[0] * 4, stale.shape[1] * 4
    windows = cover(stale, [image_hw, *SIZES_HW], image_hw)
    settled = np.zeros_like(stale)
    for window in windows:
        assert window.size_hw in (image_hw, *SIZES_HW)
        assert 0 <= window.y_px <= image_hw[0] - window.size_hw[0]
        assert 0 <= window.x_px <= image_hw[1] - window.size_hw[1]
        assert window.y_px % 4 == window.x_px % 4 == 0
        mine = np.zeros_like(stale)
        mine[window.target] = True
        assert not (mine & ~settled_exactly(window, image_hw)).any(), "a cell is settled that the window cannot know"
        settled |= mine
    assert not (stale & ~settled).any()
    assert sum(w.size_hw[0] * w.size_hw[1] for w in windows) <= image_hw[0] * image_hw[1]
    assert bool(windows) == bool(stale.any())


@given(masks(), st.data())
def test_source_and_target_are_the_same_cells(stale: Mask, data: st.DataObject) -> None:
    image_hw = stale.shape[0] * 4, stale.shape[1] * 4
    size = data.draw(st.sampled_from([s for s in SIZES_HW if s[0] <= image_hw[0] and s[1] <= image_hw[1]] + [image_hw]))
    cell = data.draw(st.integers(0, stale.shape[0] - 1)), data.draw(st.integers(0, stale.shape[1] - 1))
    window = window_at(cell, size, image_hw)
    places = np.arange(stale.size).reshape(stale.shape)
    own = places[window.y_px // 4 :, window.x_px // 4 :][: size[0] // 4, : size[1] // 4]
    assert (own[window.source] == places[window.target]).all()
    assert cell[0] in range(*window.settled[::2])
    assert cell[1] in range(*window.settled[1::2])


@pytest.mark.parametrize(
    ("changed_yx", "size"),
    [
        pytest.param((64, 64), 80, id="in-the-middle-it-takes-nine-cells"),
        pytest.param((0, 0), 48, id="in-a-corner-five"),
        pytest.param((124, 60), 80, id="at-a-side-nine-along-it"),
    ],
)
def test_one_changed_block_takes_one_window(changed_yx: tuple[int, int], size: int) -> None:
    changed = np.zeros((128, 128), bool)
    changed[changed_yx] = True
    windows = cover(stale_cells(blocks_of(changed)), [(128, 128), *SIZES_HW], (128, 128))
    assert [window.size_hw for window in windows] == [(size, size)]


def test_windows_too_small_to_settle_anything_or_too_large_are_left_alone() -> None:
    stale = np.zeros((32, 32), bool)
    stale[5, 5] = True
    assert [w.size_hw for w in cover(stale, [(32, 32), (256, 256), (128, 128)], (128, 128))] == [(128, 128)]
