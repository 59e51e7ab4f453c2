"""The bank: against a naive search, and the weight against the paper's formula written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystaledge.anomaly.bank import Bank
from crystaledge.errors import ContractError


def bank_and_queries(seed: int, items: int, queries: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(items, dims)).astype(np.float32),
        random.normal(size=(queries, dims)).astype(np.float32),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 1100), st.integers(1, 9))
def test_nearest_is_what_a_naive_search_finds(seed: int, items: int, queries: int, dims: int) -> None:
    held, asked = bank_and_queries(seed, items, queries, dims)
    distance, row = Bank(held).nearest(asked)
    naive = np.linalg.norm(asked[:, None].astype(np.float64) - held[None], axis=2)
    np.testing.assert_allclose(distance, naive.min(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(naive[np.arange(queries), row], naive.min(axis=1), rtol=1e-4, atol=1e-5)


def test_a_patch_of_the_bank_is_at_distance_zero_however_large_it_is() -> None:
    held = np.full((3, 64), 1000.0, np.float32) + np.arange(3, dtype=np.float32)[:, None]
    distance, row = Bank(held).nearest(held)
    assert distance.tolist() == [0.0, 0.0, 0.0]
    assert row.tolist() == [0, 1, 2]


@pytest.mark.parametrize("neighbours", [1, 3, 9, 50])
def test_weight_is_equation_7(neighbours: int) -> None:
    held, asked = bank_and_queries(5, 20, 6, 4)
    bank = Bank(held)
    _, rows = bank.nearest(asked)
    for query, row in zip(asked.astype(np.float64), rows, strict=True):
        around = np.argsort(np.linalg.norm(held - held[row], axis=1))[:neighbours]
        apart = np.exp(np.linalg.norm(held[around] - query, axis=1))
        expected = 1.0 - np.exp(np.linalg.norm(held[row] - query)) / apart.sum()
        assert bank.weight(query.astype(np.float32), int(row), neighbours=neighbours) == pytest.approx(
            expected, abs=1e-5
        )


def test_weight_of_a_distance_that_overflows_exp_is_finite() -> None:
    bank = Bank(np.array([[0.0], [1.0], [2.0]], np.float32))
    assert bank.weight(np.array([5000.0], np.float32), 2, neighbours=3) == pytest.approx(
        1 - 1 / (1 + np.e + np.e**2), abs=1e-5
    )


@pytest.mark.parametrize("items", [np.zeros((0, 3)), np.zeros(3), np.full((2, 2), np.nan)])
def test_refuses_what_is_no_bank(items: np.ndarray) -> None:
    with pytest.raises(ContractError, match="bank of patches"):
        Bank(items.astype(np.float32))
