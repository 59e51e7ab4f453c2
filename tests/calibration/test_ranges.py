"""Streaming histograms against the raw values, and each cut against its definition."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge_calibration.choices import Calibrator
from crystaledge_calibration.ranges import BINS, LEVELS, PERCENTILE, Observations, cut

Array = NDArray[np.float32]
MAGNITUDES = st.floats(1 / 1024, 1024.0, width=32)
VALUES = st.one_of(st.just(0.0), MAGNITUDES, MAGNITUDES.map(lambda x: -x))
ARRAYS = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.just(3), st.integers(1, 5)), elements=VALUES)


def observed(*arrays: Array) -> Observations:
    seen = Observations()
    for array in arrays:
        seen.add(array)
    return seen


def column(values: NDArray[np.float64]) -> Array:
    """Values as an array of one channel."""
    return values.astype(np.float32).reshape(-1, 1)


def heavy_tailed(seed: int, count: int = 30_000) -> Array:
    return column(np.random.default_rng(seed).standard_t(3, count))


def cut_up(array: Array, places: list[int]) -> list[Array]:
    edges = [0, *sorted({place % len(array) for place in places} - {0}), len(array)]
    return [array[a:b] for a, b in pairwise(edges)]


@given(array=ARRAYS, places=st.lists(st.integers(0, 7), max_size=4))
def test_extremes_are_those_of_one_look_whatever_the_chunks(array: Array, places: list[int]) -> None:
    seen = observed(*cut_up(array, places))
    assert (seen.low, seen.high, seen.largest) == (array.min(), array.max(), np.abs(array).max())
    np.testing.assert_array_equal(seen.channel_low, array.min(axis=(0, 2)))
    np.testing.assert_array_equal(seen.channel_high, array.max(axis=(0, 2)))
    assert seen.degenerate == (len(np.unique(array)) == 1)


@given(first=MAGNITUDES, array=ARRAYS, places=st.lists(st.integers(0, 7), max_size=4))
def test_the_histogram_counts_every_value_at_its_place_whatever_the_chunks(
    first: float, array: Array, places: list[int]
) -> None:
    opening = np.full((1, 3, 1), first, np.float32)
    seen = observed(opening, *cut_up(array, places))
    magnitudes = np.abs(np.concatenate([opening.ravel(), array.ravel()])).astype(np.float64)
    assert seen.counts.sum() == len(magnitudes)
    assert seen.edge > magnitudes.max()
    below = np.cumsum(seen.counts)
    for place in np.flatnonzero(seen.counts):  # a rounding error moves a value over the edge of its bin, no further
        edge = (place + 1) / BINS * seen.edge
        assert (magnitudes < edge * (1 - 1e-5)).sum() <= below[place] <= (magnitudes < edge * (1 + 1e-5)).sum()


def test_zeros_count_whenever_they_come() -> None:
    zeros, ones = np.zeros((4, 1), np.float32), np.ones((1, 1), np.float32)
    assert observed(zeros, ones).share_beyond(0.5) == observed(ones, zeros).share_beyond(0.5) == 0.2


@given(first=MAGNITUDES, larger=st.floats(1.0, 1e5, width=32))
def test_a_value_beyond_the_edge_doubles_it_until_it_fits(first: float, larger: float) -> None:
    seen = observed(column(np.array([first])), column(np.array([first * larger])))
    doublings = log2(seen.edge / (first * 1.0001))
    assert doublings == round(doublings)
    assert seen.largest < seen.edge <= 2.0002 * seen.largest
    assert seen.counts.sum() == 2


def test_doubling_merges_neighbours_and_loses_nothing() -> None:
    values = np.linspace(0.0, 1.0, 1000)
    before = observed(column(values))
    after = observed(column(values), column(np.array([1.5])))
    assert after.edge == 2 * before.edge
    merged = before.counts.reshape(-1, 2).sum(axis=1)
    np.testing.assert_array_equal(after.counts[: BINS // 2], merged)
    assert after.counts[BINS // 2 :].sum() == 1


def test_memory_does_not_grow_with_what_was_seen() -> None:
    def held(count: int) -> int:
        seen = observed(*(np.random.default_rng(i).normal(size=(9, 5, 4)).astype(np.float32) for i in range(count)))
        return sum(np.asarray(value).nbytes for value in vars(seen).values())

    assert held(1) == held(40)


def test_extremes_are_taken_from_all_values_where_the_histogram_is_of_some() -> None:
    array = np.ones((64, 16, 8, 8), np.float32)
    array *= np.arange(1, 17, dtype=np.float32)[None, :, None, None]
    array[63, 15, 7, 7], array[1, 0, 0, 1] = 99.0, -99.5
    seen = observed(array)
    assert (seen.low, seen.high) == (-99.5, 99.0)
    assert array.size / 4 < seen.counts.sum() < array.size / 2
    for channel in range(1, 17):  # each has a value of its own, and none is missed
        assert seen.counts[int(channel / seen.edge * BINS)] > 0, channel


@given(array=ARRAYS, limit=st.floats(0.0, 1100.0))
def test_the_share_beyond_a_limit_is_right_to_a_bins_width(array: Array, limit: float) -> None:
    seen, magnitudes = observed(array), np.abs(array).astype(np.float64)
    slack = 1.001 * seen.edge / BINS
    if seen.largest == 0.0:
        assert seen.share_beyond(limit) == 0.0
        return
    assert (magnitudes > limit + slack).mean() <= seen.share_beyond(limit) <= (magnitudes > limit - slack).mean()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], True), ([[0.0, 0.0]], True), ([[3.0], [3.0]], True), ([[3.0], [2.0]], False), ([[0.0], [0.0, 1e-6]], False)],
)
def test_no_scale_can_be_had_from_nothing_or_from_one_value(values: list[list[float]], expected: bool) -> None:
    assert observed(*(column(np.array(part)) for part in values)).degenerate is expected


def test_a_tensor_that_changed_once_stays_alive() -> None:
    seen = observed(*(column(np.array([value])) for value in (1.0, 2.0, 2.0, 2.0)))
    assert not seen.degenerate


@given(array=ARRAYS, calibrator=st.sampled_from(Calibrator))
@settings(max_examples=40)
def test_no_cut_lies_beyond_what_was_seen_and_only_zeros_are_cut_at_zero(array: Array, calibrator: Calibrator) -> None:
    found, largest = cut(observed(array), calibrator), float(np.abs(array).max())
    assert 0.0 <= found <= largest
    assert (found == 0.0) == (largest == 0.0)


@pytest.mark.parametrize("calibrator", Calibrator)
def test_zeros_and_nothing_are_cut_at_zero(calibrator: Calibrator) -> None:
    assert cut(Observations(), calibrator) == cut(observed(np.zeros((2, 3), np.float32)), calibrator) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_minmax_is_the_largest_value(seed: int) -> None:
    values = heavy_tailed(seed)
    assert cut(observed(values), Calibrator.MINMAX) == np.abs(values).max()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chunks", [1, 7])
def test_percentile_is_that_of_the_raw_values(seed: int, chunks: int) -> None:
    values = heavy_tailed(seed)
    seen = observed(*np.array_split(values, chunks))
    expected = np.percentile(np.abs(values).astype(np.float64), PERCENTILE, method="inverted_cdf")
    found = cut(seen, Calibrator.PERCENTILE)
    assert expected * (1 - 1e-6) <= found <= expected + 1.001 * seen.edge / BINS
    assert found < seen.largest


def squared_error(values: Array, amax: float) -> float:
    scale = amax / LEVELS
    x = values.astype(np.float64)
    return float(np.mean((x - np.clip(np.round(x / scale), -LEVELS, LEVELS) * scale) ** 2))


@pytest.mark.parametrize("seed", range(4))
def test_mse_has_the_least_error_on_the_raw_values(seed: int) -> None:
    values = heavy_tailed(seed)
    largest = float(np.abs(values).max())
    best = min(squared_error(values, amax) for amax in np.linspace(0.2, 1.0, 300) * largest)
    found = cut(observed(values), Calibrator.MSE)
    assert squared_error(values, found) <= 1.01 * best
    assert squared_error(values, found) < 0.9 * squared_error(values, largest)


def test_mse_gives_up_a_rare_outlier_for_finer_steps() -> None:
    values = column(np.append(np.random.default_rng(0).normal(size=600_000), 14.0))
    found = cut(observed(*np.array_split(values, 20)), Calibrator.MSE)
    assert 4.0 < found < 7.0
    assert squared_error(values, found) <= 1.01 * min(
        squared_error(values, amax) for amax in np.linspace(3.0, 14.0, 23)
    )


def naive_divergence(counts: NDArray[np.int64], kept: int) -> float:
    """Level by level, as the talk tells it."""
    reference = counts[:kept].astype(float)
    reference[-1] += counts[kept:].sum()
    candidate = np.zeros(kept)
    for level in range(LEVELS + 1):
        bins = range(level * kept // (LEVELS + 1), (level + 1) * kept // (LEVELS + 1))
        occupied = [b for b in bins if counts[b]]
        for b in occupied:
            candidate[b] = sum(counts[o] for o in occupied) / len(occupied)
    p, q = reference / reference.sum(), candidate / candidate.sum()
    return float(sum(a * np.log(a / max(b, 1e-12)) for a, b in zip(p, q, strict=True) if a))


def test_entropy_is_the_cut_whose_quantized_histogram_diverges_least() -> None:
    seen = observed(column(np.random.default_rng(0).laplace(size=20_000)))
    counts = seen.counts.copy()
    counts[0] = counts[1]
    found = cut(seen, Calibrator.ENTROPY)
    kept = round(found / seen.edge * BINS)
    assert kept < BINS - 500
    least = naive_divergence(counts, kept)
    for other in (LEVELS + 1, kept - 640, kept - 16, kept + 16, kept + 640, BINS - 15):
        if LEVELS < other <= BINS:
            assert least <= naive_divergence(counts, other), other


def test_entropy_cuts_off_an_outlier_that_minmax_keeps() -> None:
    values = np.append(np.random.default_rng(0).normal(size=30_000), 50.0)
    seen = observed(column(values))
    assert cut(seen, Calibrator.ENTROPY) < 10.0 < cut(seen, Calibrator.MINMAX)


def test_the_zeros_of_a_rectifier_do_not_draw_the_entropy_cut_in() -> None:
    values = np.abs(np.random.default_rng(0).normal(size=10_000))
    alone, drowned = observed(column(values)), observed(column(np.concatenate([values, np.zeros(20_000)])))
    assert cut(drowned, Calibrator.ENTROPY) == cut(alone, Calibrator.ENTROPY)
