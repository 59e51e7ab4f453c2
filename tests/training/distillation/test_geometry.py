"""Maps against plain arithmetic: what was put in comes out, inverses undo, pictures land where maps say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crystaledge_training.distillation.geometry import (
    _MEAN_FACE,
    CHIP_SIDE,
    CROP_SIDE,
    apply,
    chip_transforms,
    inverse,
    pixels_of,
    resample,
    similarity,
)

ANGLES = st.floats(-3.0, 3.0)
SCALES = st.floats(0.2, 2.0)
SHIFTS = st.tuples(st.floats(-50.0, 80.0), st.floats(-50.0, 80.0))


def mean_face() -> Tensor:
    """dlib's mean face in chip pixels, with the padding of a quarter on each side."""
    return (torch.tensor(_MEAN_FACE) + 0.25) / 1.5 * CHIP_SIDE


def placed(angle: float, scale: float, shift: tuple[float, float]) -> Tensor:
    """One similarity, `(1, 3, 3)`."""
    cos, sin = torch.tensor([scale * math.cos(angle)]), torch.tensor([scale * math.sin(angle)])
    return similarity(cos, sin, torch.tensor([shift]))


@given(ANGLES, SCALES, SHIFTS)
def test_a_mean_face_put_somewhere_is_found_there(angle: float, scale: float, shift: tuple[float, float]) -> None:
    wanted = placed(angle, scale, shift)
    found = chip_transforms(apply(wanted, mean_face()[None]))
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_the_similarity_is_the_least_squares_one(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = mean_face()[None] + torch.randn(1, 5, 2, generator=generator) * 8.0

    def error(transform: Tensor) -> float:
        return float((apply(transform, mean_face()[None]) - points).double().square().sum())

    found = chip_transforms(points)
    least = error(found)
    for cell in ((0, 0), (1, 0), (0, 2), (1, 2)):  # a little more or less of anything is worse
        for step in (-0.01, 0.01):
            cos, sin, x, y = found[0, 0, 0], found[0, 1, 0], found[0, 0, 2], found[0, 1, 2]
            numbers = {(0, 0): cos, (1, 0): sin, (0, 2): x, (1, 2): y}
            numbers[cell] = numbers[cell] + step
            other = similarity(
                numbers[0, 0][None], numbers[1, 0][None], torch.stack([numbers[0, 2], numbers[1, 2]])[None]
            )
            assert error(other) >= least - 1e-3


@given(ANGLES, SCALES, SHIFTS)
def test_an_inverse_undoes(angle: float, scale: float, shift: tuple[float, float]) -> None:
    transform = placed(angle, scale, shift)
    torch.testing.assert_close(inverse(transform) @ transform, torch.eye(3)[None], atol=1e-3, rtol=0.0)


def test_a_map_takes_points_as_written() -> None:
    transform = torch.tensor([[[2.0, 0.5, 3.0], [-1.0, 1.5, 7.0], [0.0, 0.0, 1.0]]])
    found = apply(transform, torch.tensor([[[10.0, 20.0]]]))
    assert found.tolist() == [[[2.0 * 10 + 0.5 * 20 + 3, -1.0 * 10 + 1.5 * 20 + 7]]]


def test_pixels_come_row_by_row() -> None:
    assert pixels_of(2, torch.zeros(1)).tolist() == [[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]


class TestResample:
    def test_of_the_whole_crop_at_its_own_size_is_the_crop(self) -> None:
        side = 20
        frames = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
        pitch = CROP_SIDE / side  # from pixels of the frame to pixels of a crop
        whole = torch.tensor([[[pitch, 0, (pitch - 1) / 2], [0, pitch, (pitch - 1) / 2], [0, 0, 1.0]]]).expand(2, 3, 3)
        torch.testing.assert_close(resample(frames, whole, side), frames.float(), atol=1e-2, rtol=0.0)

    def test_takes_the_pixel_that_the_map_names(self) -> None:
        frames = torch.zeros(1, 1, 128, 128)
        frames[0, 0, 40, 30] = 1.0  # row 40, column 30
        transform = torch.tensor([[[1.0, 0.0, 25.0], [0.0, 1.0, 38.0], [0.0, 0.0, 1.0]]])
        picture = resample(frames, transform, 8)[0, 0]
        assert picture[2, 5] == pytest.approx(1.0, abs=1e-4)
        assert float(picture.sum()) == pytest.approx(1.0, abs=1e-3)

    def test_repeats_the_border(self) -> None:
        frames = torch.arange(16.0).view(1, 1, 4, 4)
        far = torch.tensor([[[1.0, 0.0, -500.0], [0.0, 1.0, -500.0], [0.0, 0.0, 1.0]]])
        assert set(resample(frames, far, 3).flatten().tolist()) == {0.0}

    def test_does_not_depend_on_the_pixels_of_a_frame(self) -> None:
        # A crop is 128 long whatever its pixels: a smooth picture looks the same from a smaller one.
        def ramp(side: int) -> Tensor:
            centre = (torch.arange(side) + 0.5) / side
            return (centre[None] + 2 * centre[:, None])[None, None]

        middle = torch.tensor([[[0.5, 0.0, 40.0], [0.0, 0.5, 40.0], [0.0, 0.0, 1.0]]])
        torch.testing.assert_close(resample(ramp(80), middle, 16), resample(ramp(128), middle, 16), atol=1e-4, rtol=0.0)


def test_a_chip_shows_the_mean_face_where_dlib_puts_it() -> None:
    points = torch.tensor(np.array([[[90.0, 50.0], [75.0, 51.0], [35.0, 50.0], [52.0, 51.0], [63.0, 80.0]]]))
    transform = chip_transforms(points.float())
    back = apply(inverse(transform), points.float())[0]
    assert float((back - mean_face()).norm(dim=1).max()) < 8.0  # a face, if not the mean one
