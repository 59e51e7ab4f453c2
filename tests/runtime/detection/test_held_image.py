"""The held image against the camera's, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.detection.held_image import MOTION_LEVELS, HeldImage, grey, halved
from crystaledge.detection.noise import NoiseConfig
from crystaledge.preprocessing.preprocessor import normalisation_table
from tests.runtime.detection.networks import spec_of, texture
from tests.runtime.detection.scenes import LIT, Image, Shots, face_at

SIZE_HW = (64, 96)
TABLE = normalisation_table(spec_of(SIZE_HW))
FLOOR = NoiseConfig().floor
MOVED = st.lists(
    st.tuples(st.integers(0, 63), st.integers(0, 95), st.integers(1, 20), st.integers(-90, 90)), min_size=1, max_size=5
)
"""Squares that change: place, side, by how much."""


def holding(image: Image, *, octaves: int = 3, noise: NoiseConfig | None = None) -> HeldImage:
    held = HeldImage(SIZE_HW, octaves=octaves, table=TABLE, noise=noise or NoiseConfig())
    assert held.empty
    change = held.take(image, refresh=False)
    assert change.blocks.all()
    assert change.share == 1.0
    assert not change.cut, "a first frame ends nothing"
    return held


def moved(image: Image, squares: list[tuple[int, int, int, int]]) -> Image:
    for y, x, side, contrast in squares:
        image = face_at(image, (y, x), side, contrast)
    return image


def naive_octaves(pixels: Image, octaves: int) -> list[np.ndarray]:
    levels = [np.stack([TABLE[channel][pixels[..., channel]] for channel in range(3)]).astype(np.float64)]
    for _ in range(octaves - 1):
        last = levels[-1]
        smaller = np.zeros((3, last.shape[1] // 2, last.shape[2] // 2))
        for y in range(smaller.shape[1]):
            for x in range(smaller.shape[2]):
                smaller[:, y, x] = last[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(axis=(1, 2))
        levels.append(smaller)
    return levels


@given(st.lists(MOVED, min_size=1, max_size=4))
def test_what_is_held_is_the_frame_in_changed_blocks_and_close_to_it_elsewhere(
    frames: list[list[tuple[int, int, int, int]]],
) -> None:
    image = texture(SIZE_HW, 1)
    held = holding(image)
    for squares in frames:
        image = moved(image, squares)
        before = held.pixels.copy()
        change = held.take(image, refresh=False)
        assert (held.pixels[change.pixels] == image[change.pixels]).all()
        assert (held.pixels[~change.pixels] == before[~change.pixels]).all()
        assert change.share == pytest.approx(change.blocks.mean())


@pytest.mark.parametrize("scene", LIT)
@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
def test_what_is_held_is_within_the_threshold_of_the_frame(scene: str, sigma: float) -> None:
    shots = Shots(LIT[scene](SIZE_HW), sigma=sigma)
    held = holding(shots.next())
    random = np.random.default_rng(3)
    for _ in range(30):
        place = int(random.integers(0, 60)), int(random.integers(0, 90))
        image = face_at(shots.next(), place, 12, float(random.integers(-60, 60)))
        held.take(image, refresh=False)
        # Light that is read off noise may shift the comparison by a level or so.
        assert np.abs(grey(image) - grey(held.pixels)).max() <= held._noise.threshold + 1.5


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 6.0])
def test_noise_changes_next_to_nothing(sigma: float) -> None:
    shots = Shots(LIT["tiles"](SIZE_HW), sigma=sigma)
    held = holding(shots.next())
    shares = [held.take(shots.next(), refresh=False).share for _ in range(60)]
    assert np.mean(shares[20:]) < 0.002


@pytest.mark.parametrize(("gain", "offset"), [(0.8, 0.0), (1.25, 0.0), (1.0, 30.0), (0.75, 20.0), (1.3, -20.0)])
@pytest.mark.parametrize("scene", LIT)
def test_light_changes_nothing_and_a_face_in_it_alone_is_taken(scene: str, gain: float, offset: float) -> None:
    shots = Shots(LIT[scene](SIZE_HW), sigma=1.0)
    held = holding(shots.next())
    assert held.take(shots.next(gain=gain, offset=offset), refresh=False).share < 0.005
    change = held.take(face_at(shots.next(gain=gain, offset=offset), (20, 40), 8, -60.0), refresh=False)
    assert change.blocks[5:7, 10:12].all()
    assert change.blocks.sum() <= 4 + 2


@given(MOVED)
def test_motion_is_what_differs_beyond_the_threshold(squares: list[tuple[int, int, int, int]]) -> None:
    image = texture(SIZE_HW, 1)
    held = holding(image)
    assert not held.motion.any()
    seen = moved(image, squares)
    magnitude = np.abs(grey(seen) - grey(image))
    held.take(seen, refresh=False)
    if (magnitude[::4, ::4] > 0).mean() < 0.05:  # else the medians may see some light
        expected = np.where(magnitude > held._noise.threshold, magnitude, 0.0) / MOTION_LEVELS
        clear = np.abs(magnitude - held._noise.threshold) > 3.0
        np.testing.assert_allclose(held.motion[clear], expected[clear], atol=3.0 / MOTION_LEVELS)


@given(st.lists(MOVED, min_size=1, max_size=3), st.integers(1, 3), st.booleans())
def test_octaves_are_means_of_two_by_two_of_what_is_held(
    frames: list[list[tuple[int, int, int, int]]], octaves: int, refresh: bool
) -> None:
    image = texture(SIZE_HW, 2, grain_px=1)
    held = holding(image, octaves=octaves)
    for squares in frames:
        image = moved(image, squares)
        held.take(image, refresh=refresh)
    for tensor, expected in zip(held.tensors, naive_octaves(held.pixels, octaves), strict=True):
        np.testing.assert_allclose(tensor, expected, atol=1e-5)


@given(st.integers(0, 99))
def test_halving_is_the_mean_of_four(seed: int) -> None:
    tensor = np.random.default_rng(seed).normal(size=(3, 6, 10)).astype(np.float32)
    expected = tensor.astype(float).reshape(3, 3, 2, 5, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(halved(tensor), expected, atol=1e-6)


def test_grey_weighs_green_twice_and_the_others_alike() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    expected = (image[..., 0].astype(float) + 2.0 * image[..., 1] + image[..., 2]) / 4
    assert (grey(image) == expected).all()
    assert (grey(image[:, :, ::-1]) == expected).all()


def test_a_refresh_takes_everything_and_says_what_changed() -> None:
    image = texture(SIZE_HW, 1)
    held = holding(image)
    near = image + np.uint8(2)
    assert not held.take(near, refresh=False).blocks.any()
    assert (held.pixels == image).all()
    change = held.take(near, refresh=True)
    assert change.blocks.all()
    assert change.share == 0.0
    assert (held.pixels == near).all()


def test_the_frame_itself_is_not_kept() -> None:
    image = texture(SIZE_HW, 1).copy()
    held = holding(image)
    image[...] = 0
    assert held.pixels.any()


def test_another_scene_is_a_cut_and_a_walk_through_is_none() -> None:
    held = holding(texture(SIZE_HW, 1))
    held.take(texture(SIZE_HW, 1) + np.uint8(1), refresh=False)
    held.take(texture(SIZE_HW, 1) + np.random.default_rng(0).integers(0, 4, (*SIZE_HW, 3), np.uint8), refresh=False)
    half = texture(SIZE_HW, 1).copy()
    half[:, :48] = texture(SIZE_HW, 2)[:, :48]
    assert not held.take(half, refresh=False).cut
    change = held.take(texture(SIZE_HW, 3), refresh=False)
    assert change.cut
    assert change.share > 0.7
    assert not held.take(texture(SIZE_HW, 3), refresh=False).cut


def test_slow_change_adds_up_until_it_is_taken() -> None:
    image = texture(SIZE_HW, 1)
    held = holding(image)
    answers = [
        bool(held.take(face_at(image, (20, 20), 8, float(contrast)), refresh=False).blocks.any())
        for contrast in range(12)
    ]
    assert answers.index(True) == int(FLOOR) + 1
