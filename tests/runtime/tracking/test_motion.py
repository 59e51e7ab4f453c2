"""The closed-form filter against textbook matrices, one track and one dimension at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import block_diag, expm

from crystaledge.tracking.config import MotionNoise
from crystaledge.tracking.motion import (
    COV,
    MEAN,
    SPEED,
    SPEED_VAR,
    VAR,
    VIRTUAL_STEPS,
    centre_half,
    corners,
    corrected,
    corrected_across,
    first_belief,
    measured,
    predicted,
    shapes_of,
    units,
)

Array = NDArray[np.float64]

NOISE = MotionNoise(speed_memory_s=0.8, growth_memory_s=0.4)
SEEDS = st.integers(0, 10_000)
STEPS_S = st.floats(0.0, 5.0)


def some_boxes(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    corner = random.uniform(-50, 1000, (count, 2))
    return np.concatenate([corner, corner + random.uniform(5, 300, (count, 2))], axis=1).astype(np.float32)


def some_belief(random: np.random.Generator, count: int) -> Array:
    """Beliefs of tracks that were seen three times."""
    belief = first_belief(measured(some_boxes(random, count)), NOISE)
    for _ in range(2):
        later = predicted(belief, random.uniform(0.01, 0.2, count), NOISE)
        belief = corrected(later, later[:, MEAN] + random.normal(0, 0.1, (count, 4)), NOISE)
    return belief


class Textbook:
    """x' = F x, P' = F P F' + Q, and K = P H' (H P H' + R)^-1, for the 8 states of one track (position, speed, ...)."""

    H = np.kron(np.eye(4), np.array([[1.0, 0.0]]))

    def __init__(self, belief: Array) -> None:
        self.x = np.stack([belief[MEAN], belief[SPEED]], axis=1).ravel()
        self.p = block_diag(
            *([[belief[VAR, d], belief[COV, d]], [belief[COV, d], belief[SPEED_VAR, d]]] for d in range(4))
        )

    def predict(self, elapsed_s: float, noise: MotionNoise) -> None:
        """Discretised by the matrix exponential of Van Loan (1978)."""
        unit = units(self.x[None, ::2])[0]
        memory = [noise.speed_memory_s] * 2 + [noise.growth_memory_s] * 2
        speed_sd = np.array([noise.speed_sd] * 2 + [noise.growth_sd] * 2) * unit
        blocks = [self._discrete(elapsed_s, m, 2 * sd * sd / m) for m, sd in zip(memory, speed_sd, strict=True)]
        f, q = block_diag(*(b[0] for b in blocks)), block_diag(*(b[1] for b in blocks))
        self.x, self.p = f @ self.x, f @ self.p @ f.T + q

    @staticmethod
    def _discrete(elapsed_s: float, memory_s: float, density: float) -> tuple[Array, Array]:
        a = np.array([[0.0, 1.0], [0.0, -1.0 / memory_s]])
        big = expm(np.block([[-a, np.diag([0.0, density])], [np.zeros((2, 2)), a.T]]) * elapsed_s)
        f = big[2:, 2:].T
        return f, f @ big[:2, 2:]

    def correct(self, z: Array, noise: MotionNoise, worse: float = 1.0) -> None:
        sd = np.array([noise.position_sd] * 2 + [noise.log_size_sd] * 2) * units(z[None])[0] * worse
        s = self.H @ self.p @ self.H.T + np.diag(sd**2)
        k = self.p @ self.H.T @ np.linalg.inv(s)
        self.x = self.x + k @ (z - self.H @ self.x)
        self.p = (np.eye(8) - k @ self.H) @ self.p

    def belief(self) -> Array:
        pairs = [self.p[2 * d : 2 * d + 2, 2 * d : 2 * d + 2] for d in range(4)]
        variances = np.array([[p[0, 0], p[0, 1], p[1, 1]] for p in pairs]).T
        return np.concatenate([[self.x[::2], self.x[1::2]], variances])


@given(SEEDS, st.integers(1, 3), STEPS_S)
@settings(max_examples=12, deadline=None)
def test_prediction_and_correction_are_the_textbook_s(seed: int, count: int, elapsed_s: float) -> None:
    random = np.random.default_rng(seed)
    belief, z, worse = some_belief(random, count), measured(some_boxes(random, count)), random.uniform(1, 3, count)
    gaps = elapsed_s * random.uniform(0, 1, count)
    later = predicted(belief, gaps, NOISE)
    after = corrected(later, z, NOISE, worse=worse)
    for track in range(count):
        book = Textbook(belief[track])
        book.predict(float(gaps[track]), NOISE)
        np.testing.assert_allclose(later[track], book.belief(), rtol=1e-6, atol=1e-9)
        book.correct(z[track], NOISE, float(worse[track]))
        np.testing.assert_allclose(after[track], book.belief(), rtol=1e-6, atol=1e-8)


@given(SEEDS, st.floats(0.001, 2.0))
def test_with_a_long_memory_it_is_constant_velocity(seed: int, elapsed_s: float) -> None:
    belief = some_belief(np.random.default_rng(seed), 3)
    noise = replace(NOISE, speed_memory_s=1e6, growth_memory_s=1e6)
    later = predicted(belief, np.full(3, elapsed_s), noise)
    np.testing.assert_allclose(later[:, MEAN], belief[:, MEAN] + elapsed_s * belief[:, SPEED], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(later[:, SPEED], belief[:, SPEED], rtol=1e-4)


@given(SEEDS, STEPS_S, st.floats(0.0, 1.0))
def test_two_predictions_are_one_over_both_times(seed: int, elapsed_s: float, share: float) -> None:
    belief = some_belief(np.random.default_rng(seed), 2)
    belief[:, SPEED, 2:] = 0.0  # noise is relative to the size, so that has to stay
    first = np.full(2, share * elapsed_s)
    twice = predicted(predicted(belief, first, NOISE), elapsed_s - first, NOISE)
    np.testing.assert_allclose(twice, predicted(belief, np.full(2, elapsed_s), NOISE), rtol=1e-7, atol=1e-9)


@given(SEEDS, st.floats(1e-12, 1e6))
def test_no_elapsed_time_gives_anything_but_a_covariance(seed: int, elapsed_s: float) -> None:
    later = predicted(some_belief(np.random.default_rng(seed), 3), np.full(3, elapsed_s), NOISE)
    assert np.isfinite(later).all()
    assert (later[:, VAR] > 0).all() and (later[:, SPEED_VAR] > 0).all()
    assert (later[:, COV] ** 2 <= later[:, VAR] * later[:, SPEED_VAR] * (1 + 1e-9)).all()


@given(SEEDS, st.floats(0.2, 2.0))
def test_after_a_gap_virtual_detections_lie_on_the_line(seed: int, gap_s: float) -> None:
    random = np.random.default_rng(seed)
    belief = some_belief(random, 2)
    before, now = belief[:, MEAN], measured(some_boxes(random, 2))
    expected = belief
    for share in np.linspace(0, 1, VIRTUAL_STEPS + 1)[1:]:
        expected = predicted(expected, np.full(2, gap_s / VIRTUAL_STEPS), NOISE)
        expected = corrected(expected, (1 - share) * before + share * now, NOISE)
    np.testing.assert_allclose(
        corrected_across(belief, before, now, np.full(2, gap_s), NOISE), expected, rtol=1e-9, atol=1e-9
    )


def test_after_a_gap_the_velocity_is_that_across_it() -> None:
    belief = first_belief(measured(np.array([[0, 0, 40, 40]], np.float32)), NOISE)
    belief[:, SPEED, 0] = -300.0  # what was believed before the gap is wrong
    now = measured(np.array([[90, 0, 130, 40]], np.float32))
    after = corrected_across(belief, belief[:, MEAN], now, np.array([1.0]), NOISE)
    assert after[0, SPEED, 0] == pytest.approx(90.0, abs=25.0)


@given(SEEDS)
def test_boxes_survive_being_measured(seed: int) -> None:
    boxes = some_boxes(np.random.default_rng(seed), 6)
    np.testing.assert_allclose(corners(centre_half(measured(boxes))), boxes, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(corners(shapes_of(first_belief(measured(boxes), NOISE))), boxes, rtol=1e-5, atol=1e-3)


def test_noise_is_relative_to_the_size_of_the_face() -> None:
    z = measured(np.array([[0, 0, 30, 120], [0, 0, 60, 240]], np.float32))
    np.testing.assert_allclose(units(z), [[60, 60, 1, 1], [120, 120, 1, 1]])
    small, large = first_belief(z, NOISE)
    np.testing.assert_allclose(large[VAR, :2], 4 * small[VAR, :2])
    np.testing.assert_allclose(large[VAR, 2:], small[VAR, 2:])


def test_sizes_beyond_reason_are_held_within_limits() -> None:
    z = measured(np.array([[0, 0, 1e-30, 1e30]], np.float32))
    assert np.isfinite(units(z)).all() and np.isfinite(corners(centre_half(z * 10))).all()
