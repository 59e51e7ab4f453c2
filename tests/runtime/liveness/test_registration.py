"""Laying a picture over another: warps that are known are found again, and what is not a warp is left over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge.liveness.registration import (
    Grey,
    SmoothRegistration,
    _trust,
    exponents,
    lifted,
    monomials,
)

SIDE = 64
Warp = NDArray[np.float32]
COEFFICIENT = st.floats(-4, 4, width=32)


def texture(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A picture known at every place, in grey levels: waves of 16 px and longer, one of whose kind is nowhere else."""
    waves = ((40, 0.35, 0.1, 0.3), (30, -0.12, 0.37, 1.1), (25, 0.21, 0.24, 2.0), (20, 0.05, -0.16, 0.7))
    total: NDArray[np.float64] = 128 + np.sum(
        [height * np.sin(a * x + b * y + phase) for height, a, b, phase in waves], axis=0
    )
    return total


def at_pixels(warp: Warp, x: NDArray[np.float64], y: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Displacement `(2, ...)` of places in pixels, term by term."""
    u, v = (((each - (SIDE - 1) / 2) * 2 / SIDE) for each in (x, y))
    terms = [u**i * v**j for i, j in exponents(order)]
    return np.array([sum(c * term for c, term in zip(row, terms, strict=True)) for row in warp.reshape(2, -1)])


def reference() -> Grey:
    """The texture, unmoved."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    return texture(x, y).astype(np.float32)


def moved(warp: Warp, order: int) -> Grey:
    """The picture that shows at `x + d(x)` what the reference shows at `x`: the inverse, by fixed-point iteration."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    came_from = np.array([x, y])
    for _ in range(60):
        came_from = np.array([x, y]) - at_pixels(warp, came_from[0], came_from[1], order)
    return texture(came_from[0], came_from[1]).astype(np.float32)


def error_px(found: Warp, known: Warp, order: int) -> float:
    """Largest distance between the places where two warps put a pixel."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    return float(np.hypot(*(at_pixels(found, x, y, order) - at_pixels(known, x, y, order))).max())


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_exponents_are_all_pairs_up_to_the_order_constant_first(order: int) -> None:
    pairs = [(i, j) for i in range(order + 1) for j in range(order + 1) if i + j <= order]
    assert exponents(order) == pairs
    assert exponents(order)[0] == (0, 0)


@pytest.mark.parametrize(("size", "order"), [(1, 0), (4, 1), (5, 2), (6, 3)])
def test_monomials_are_powers_at_pixel_centres(size: int, order: int) -> None:
    found = monomials(size, order)
    assert found.dtype == np.float32
    assert found.shape == (size * size, len(exponents(order)))
    for row in range(size):
        for column in range(size):
            x, y = (2 * column - size + 1) / size, (2 * row - size + 1) / size
            for number, (i, j) in enumerate(exponents(order)):
                assert found[row * size + column, number] == pytest.approx(x**i * y**j, abs=1e-6)


@given(hnp.arrays(np.float32, 6, elements=COEFFICIENT), st.floats(-1, 1), st.floats(-1, 1), st.sampled_from([1.0, 2.0]))
def test_a_lifted_warp_is_the_same_at_the_same_place(warp: Warp, x: float, y: float, zoom: float) -> None:
    high = lifted(warp, order=1, to_order=2, zoom=zoom)
    assert high.dtype == np.float32
    for low_row, high_row in zip(warp.reshape(2, -1), high.reshape(2, -1), strict=True):
        low = sum(c * x**i * y**j for c, (i, j) in zip(low_row, exponents(1), strict=True))
        assert sum(c * x**i * y**j for c, (i, j) in zip(high_row, exponents(2), strict=True)) == pytest.approx(
            zoom * low, abs=1e-4
        )


def test_four_pixels_of_a_picture_twice_as_large_move_twice_as_far_as_the_one_they_come_from() -> None:
    warp = np.array([0.5, -1.0, 0.25, 1.5, 2.0, -0.75], np.float32)
    small = (monomials(12, 1) @ warp.reshape(2, -1).T).reshape(12, 12, 2)
    large = monomials(24, 2) @ lifted(warp, order=1, to_order=2, zoom=2.0).reshape(2, -1).T
    np.testing.assert_allclose(large.reshape(12, 2, 12, 2, 2).mean(axis=(1, 3)), 2 * small, atol=1e-5)


def test_a_picture_lies_on_itself_and_nothing_is_left() -> None:
    laid = SmoothRegistration(reference(), order=2).lay(reference(), np.zeros(12, np.float32), steps=6)
    assert not laid.warp.any()
    assert not laid.residual.any()
    inner = np.zeros((SIDE, SIDE), bool)
    inner[2:-2, 2:-2] = True
    assert (laid.seen == inner).all()


@pytest.mark.parametrize(
    ("order", "warp"),
    [
        pytest.param(1, [1.7, 0, 0, -1.2, 0, 0], id="moved"),
        pytest.param(1, [0, 2.0, 0, 0, 0, -2.0], id="turned"),
        pytest.param(1, [0.5, 0.3, -1.5, -0.8, 1.2, -0.4], id="affine"),
        pytest.param(2, [0.4, -0.5, 0.9, 0.8, -0.6, 0.7, -0.3, 0.5, 0.6, 0.9, 0.4, -0.8], id="quadratic"),
    ],
)
def test_a_known_warp_is_found(order: int, warp: list[float]) -> None:
    known = np.array(warp, np.float32)
    registration = SmoothRegistration(reference(), order=order)
    laid = registration.lay(moved(known, order), registration.start(), steps=20)
    assert error_px(registration.start(), known, order) > 1.0
    assert error_px(laid.warp, known, order) < 0.05
    assert np.abs(laid.residual[laid.seen]).max() < 3.0  # interpolation; unmoved it is 25 and more
    assert 0.7 < laid.seen.mean() < 0.95


def test_it_takes_more_than_one_step_and_stops_when_asked() -> None:
    known = np.array([2.5, 0, 0, -2.0, 0, 0], np.float32)
    registration = SmoothRegistration(reference(), order=1)
    errors = [
        error_px(registration.lay(moved(known, 1), registration.start(), steps=steps).warp, known, 1)
        for steps in (0, 1, 10)
    ]
    assert errors[0] == pytest.approx(float(np.hypot(2.5, 2.0)), abs=1e-5)
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_with_both_gradients_one_step_takes_most_of_the_way() -> None:
    # With the gradient of the reference alone 1.28 of 4.5 px would be left.
    known = np.array([3.5, 0, 0, -2.8, 0, 0], np.float32)
    registration = SmoothRegistration(reference(), order=1)
    laid = registration.lay(moved(known, 1), registration.start(), steps=1)
    assert error_px(laid.warp, known, 1) < 1.0


def test_light_that_changed_by_a_factor_and_a_ramp_is_evened_out() -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    darker: Grey = (0.7 * reference() + 15.0 + 0.3 * x - 0.2 * y).astype(np.float32)
    registration = SmoothRegistration(reference(), order=1)
    laid = registration.lay(darker, registration.start(), steps=10)
    assert np.abs(darker - reference()).max() > 30
    assert error_px(laid.warp, registration.start(), 1) < 0.05
    assert np.abs(laid.residual[laid.seen]).max() < 1


def test_what_moved_on_its_own_hardly_bends_the_warp_and_is_left_over() -> None:
    known = np.array([1.0, 0, 0, 0.5, 0, 0], np.float32)
    picture = moved(known, 1)
    picture[28:40, 28:40] = np.rot90(picture[28:40, 28:40]) + 40
    registration = SmoothRegistration(reference(), order=1)
    laid = registration.lay(picture, registration.start(), steps=20)
    assert error_px(laid.warp, known, 1) < 0.1
    assert np.abs(laid.residual[30:38, 30:38]).mean() > 20
    elsewhere = laid.seen.copy()
    elsewhere[25:43, 25:43] = False
    assert np.abs(laid.residual[elsewhere]).max() < 4


def test_what_lies_outside_has_no_say() -> None:
    # The left part of what the reference shows has left the picture; noise stands in its place at the other side.
    known = np.array([-8.0, 0, 0, 0, 0, 0], np.float32)
    picture = moved(known, 1)
    picture[:, -8:] = np.random.default_rng(0).uniform(0, 255, (SIDE, 8))
    registration = SmoothRegistration(reference(), order=1)
    laid = registration.lay(picture, np.array([-7.0, 0, 0, 0.5, 0, 0], np.float32), steps=20)
    assert error_px(laid.warp, known, 1) < 0.1
    assert not laid.seen[:, :9].any()
    assert laid.seen[2:-2, 11:-2].all()
    assert np.abs(laid.residual[laid.seen]).max() < 3


@given(
    hnp.arrays(np.float32, (5, 7), elements=st.floats(-300, 300, width=32)),
    hnp.arrays(np.bool_, (5, 7)),
)
def test_weights_are_those_of_cauchy_and_none_where_nothing_is_seen(residual: Grey, seen: NDArray[np.bool_]) -> None:
    weights = _trust(residual, seen)
    spread = 3.0 * sorted(abs(residual.ravel().astype(np.float64)))[17] + 1.0
    for place, value in np.ndenumerate(residual.astype(np.float64)):
        expected = 1.0 / (1.0 + (value / spread) ** 2) if seen[place] else 0.0
        assert weights[place] == pytest.approx(expected, rel=1e-4)


def test_gradient_energy_of_a_slope_is_its_square() -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    energy = SmoothRegistration((3 * x - 2 * y).astype(np.float32), order=1).gradient_energy
    np.testing.assert_allclose(energy[1:-1, 1:-1], 13.0, rtol=1e-4)


@pytest.mark.parametrize("order", [1, 2])
def test_a_picture_without_any_edge_moves_nothing(order: int) -> None:
    registration = SmoothRegistration(np.full((24, 24), 90, np.float32), order=order)
    laid = registration.lay(np.full((24, 24), 90, np.float32), registration.start(), steps=6)
    assert not laid.warp.any()
    assert not laid.residual.any()
