"""Light and noise as they are read off pairs of frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crystaledge.detection.noise import Light, NoiseConfig, NoiseModel

Levels = NDArray[np.float32]
CONFIG = NoiseConfig(floor=6.0, ceiling=28.0, sigmas=5.0)


def pair(sigma: float, seed: int, *, level: float = 120.0) -> tuple[Levels, Levels]:
    """Absolute differences of two noisy frames of one grey, and the first."""
    random = np.random.default_rng(seed)
    a, b = (random.normal(level, sigma, 2000) for _ in range(2))
    return np.abs(b - a).astype(np.float32), a.astype(np.float32)


def scene(seed: int, count: int = 1000) -> Levels:
    return np.random.default_rng(seed).uniform(40.0, 180.0, count).astype(np.float32)


@given(st.floats(0.7, 1.3), st.floats(-30.0, 30.0), st.integers(0, 99))
def test_a_gain_and_an_offset_are_removed(gain: float, offset: float, seed: int) -> None:
    reference = scene(seed)
    difference = reference * np.float32(gain - 1) + np.float32(offset)
    left = Light.between(difference, reference).removed(difference, reference)
    assert np.abs(left).max() < 1.0


@given(st.floats(-60.0, 60.0), st.floats(0.0, 255.0))
def test_an_offset_over_one_grey_is_removed(offset: float, level: float) -> None:
    reference = np.full(400, level, np.float32)
    difference = np.full(400, offset, np.float32)
    assert np.abs(Light.between(difference, reference).removed(difference, reference)).max() < 1e-3


@given(st.integers(0, 99), st.floats(40.0, 120.0))
def test_what_moved_is_not_taken_for_light(seed: int, contrast: float) -> None:
    reference = scene(seed)
    difference = np.zeros_like(reference)
    difference[:100] = contrast
    left = Light.between(difference, reference).removed(difference, reference)
    assert np.abs(left[100:]).max() < 0.15 * contrast
    assert left[:100].min() > 0.8 * contrast


@given(st.integers(0, 99), st.floats(0.5, 6.0))
def test_noise_is_not_taken_for_light(seed: int, sigma: float) -> None:
    # A plain ground with one dark thing: a gain that is read off noise moves it.
    random = np.random.default_rng(seed)
    reference = random.normal(130.0, sigma, 1000).astype(np.float32)
    reference[:20] -= 100.0
    difference = (random.normal(130.0, sigma, 1000) - reference).astype(np.float32)
    difference[:20] = 0.0
    left = Light.between(difference, reference).removed(difference, reference)
    assert np.abs(left[:20]).max() < 5.0 + sigma


@given(st.integers(0, 999), st.sampled_from([0, 1, 2, 1000]))
def test_whatever_is_compared_the_light_is_finite(seed: int, black: int) -> None:
    random = np.random.default_rng(seed)
    reference = random.integers(0, 256, 1000).astype(np.float32)
    reference[:black] = 0.0
    difference = random.integers(0, 256, 1000).astype(np.float32) - reference
    light = Light.between(difference, reference)
    assert np.isfinite(light.removed(difference, reference)).all()
    assert 1 / 3 - 1e-6 <= 1.0 + light.slope <= 3.0 + 1e-6


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
def test_the_threshold_is_so_many_deviations_of_a_difference(sigma: float) -> None:
    model = NoiseModel(CONFIG)
    model.observe(*pair(sigma, 0))
    expected = 5.0 * sigma * 2**0.5
    assert model.threshold == pytest.approx(max(CONFIG.floor, expected), rel=0.1)


@given(st.lists(st.floats(0.0, 80.0), max_size=12))
def test_the_threshold_stays_between_floor_and_ceiling(sigmas: list[float]) -> None:
    model = NoiseModel(CONFIG)
    for seed, sigma in enumerate(sigmas):
        model.observe(*pair(sigma, seed))
        assert CONFIG.floor <= model.threshold <= CONFIG.ceiling


def test_the_threshold_follows_up_and_down() -> None:
    model = NoiseModel(CONFIG)
    for sigma in (3.0, 0.5, 3.0):
        for seed in range(60):
            model.observe(*pair(sigma, seed))
        assert model.threshold == pytest.approx(max(CONFIG.floor, 5.0 * sigma * 2**0.5), rel=0.15)


def test_one_frame_of_movement_hardly_moves_the_threshold() -> None:
    model = NoiseModel(CONFIG)
    model.observe(*pair(2.0, 0))
    before = model.threshold
    model.observe(*pair(60.0, 1))
    assert before < model.threshold <= before * 1.1 + 1e-6


@pytest.mark.parametrize("level", [-20.0, 300.0])
def test_black_and_white_tell_of_no_noise(level: float) -> None:
    model = NoiseModel(CONFIG)
    model.observe(*pair(3.0, 0))
    before = model.threshold
    magnitude, reference = pair(0.5, 1, level=level)
    model.observe(magnitude, reference.clip(0, 255))
    assert model.threshold == before


def test_a_repeated_frame_tells_of_no_noise() -> None:
    model = NoiseModel(CONFIG)
    model.observe(*pair(3.0, 0))
    before = model.threshold
    model.observe(np.zeros(2000, np.float32), scene(0, 2000))
    assert model.threshold == before
