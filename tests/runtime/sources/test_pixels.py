"""Whatever a decoder gives becomes BGR or is refused; what is BGR already is not copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import DataError
from crystaledge.sources.pixels import as_bgr
from tests.support.messages import message_of

RANDOM = np.random.default_rng(3)


def noise(*shape: int) -> NDArray[np.uint8]:
    """Pixels that no other call gives."""
    return RANDOM.integers(0, 256, shape, np.uint8)


def test_bgr_is_the_same_memory() -> None:
    pixels = noise(4, 5, 3)
    assert np.shares_memory(as_bgr(pixels, of="camera0"), pixels)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 1), (1, 1, 1)])
def test_grey_is_repeated_three_times(shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    found = as_bgr(pixels, of="camera0")
    assert found.shape == (*shape[:2], 3)
    assert all((found[:, :, channel] == pixels.reshape(shape[:2])).all() for channel in range(3))


def test_the_fourth_channel_is_dropped() -> None:
    pixels = noise(4, 5, 4)
    found = as_bgr(pixels, of="camera0")
    assert found.flags.c_contiguous
    assert (found == pixels[:, :, :3]).all()


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((4, 5, 2), np.uint8), id="two-channels"),
        pytest.param(np.zeros((4, 5, 5), np.uint8), id="five-channels"),
        pytest.param(np.zeros((4, 5), np.uint16), id="sixteen-bits"),
        pytest.param(np.zeros((4, 5, 3), np.float32), id="floats"),
        pytest.param(np.zeros((0, 5, 3), np.uint8), id="no-rows"),
        pytest.param(np.zeros(7, np.uint8), id="raw-bytes"),
        pytest.param(np.zeros((1, 4, 5, 3), np.uint8), id="batch"),
    ],
)
def test_other_formats_are_refused(pixels: NDArray[Any]) -> None:
    with pytest.raises(DataError) as raised:
        as_bgr(pixels, of="camera0")
    assert f"camera0 gives pictures of dtype {pixels.dtype} and shape {pixels.shape}" in message_of(raised)
