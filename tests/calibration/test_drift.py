"""Differences between rollouts, and what is never allowed to pass for a small one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge_calibration.drift import Drift, drift, worst_of

Array = NDArray[np.float32]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=4, max_side=4)
VALUES = st.floats(-1e6, 1e6, width=32)


def only(drifts: tuple[Drift, ...]) -> Drift:
    (found,) = drifts
    return found


def single(*values: float) -> dict[str, Array]:
    """A rollout of one row and one value a step."""
    return {"h": np.array(values, np.float32).reshape(-1, 1, 1)}


@given(data=st.data(), shape=SHAPES)
def test_by_naive_recomputation(data: st.DataObject, shape: tuple[int, ...]) -> None:
    a, b = (data.draw(hnp.arrays(np.float32, shape, elements=VALUES)) for _ in range(2))
    found = only(drift({"h": a}, {"h": b}))
    assert found.tensor == "h"
    for t in range(shape[0]):
        differences = [abs(float(x) - float(y)) for x, y in zip(a[t].ravel(), b[t].ravel(), strict=True)]
        assert found.max_abs[t] == max(differences)
        assert found.mean_abs[t] == pytest.approx(sum(differences) / len(differences))
    assert found.worst == max(found.max_abs)
    mirrored = only(drift({"h": b}, {"h": a}))
    np.testing.assert_array_equal(mirrored.max_abs, found.max_abs)


def test_equal_rollouts_do_not_drift() -> None:
    found = only(drift(single(1.0, 2.0), single(1.0, 2.0)))
    assert found.max_abs.tolist() == [0.0, 0.0]
    assert found.worst == 0.0


def test_differences_are_taken_in_double_precision() -> None:
    # In float32 the difference of these two overflows to infinity.
    found = only(drift(single(3e38), single(-3e38)))
    assert found.worst == pytest.approx(6e38, rel=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_on_one_side_is_infinitely_far(broken: float) -> None:
    for a, b in ((single(0.0, broken), single(0.0, 1.0)), (single(0.0, 1.0), single(0.0, broken))):
        found = only(drift(a, b))
        assert found.max_abs.tolist() == [0.0, np.inf]
        assert found.worst == np.inf
        assert not found.worst <= 1e-5


def test_infinities_of_both_signs_are_infinitely_far() -> None:
    assert only(drift(single(np.inf), single(-np.inf))).worst == np.inf


def test_one_broken_value_among_many_is_not_averaged_away() -> None:
    a = np.zeros((2, 3, 5), np.float32)
    b = a.copy()
    b[1, 2, 4] = np.nan
    found = only(drift({"h": a}, {"h": b}))
    assert found.max_abs.tolist() == [0.0, np.inf]
    assert found.mean_abs.tolist() == [0.0, np.inf]


@pytest.mark.filterwarnings("error")
def test_broken_values_raise_no_warning() -> None:
    drift(single(np.nan, np.inf), single(1.0, np.inf))


def test_tensors_come_in_the_order_of_the_reference() -> None:
    a = {"b": np.zeros((1, 1)), "a": np.zeros((1, 1)), "c": np.zeros((1, 1))}
    found = drift({k: v.astype(np.float32) for k, v in a.items()}, {k: a[k].astype(np.float32) for k in "abc"})
    assert [d.tensor for d in found] == ["b", "a", "c"]


@pytest.mark.parametrize("other", [{}, {"g": np.zeros((1, 1), np.float32)}, single(1.0) | {"g": np.zeros((1, 1))}])
def test_refuses_other_tensors(other: dict[str, Array]) -> None:
    with pytest.raises(ContractError, match="they must be the same"):
        drift(single(1.0), other)


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 2, 1), (2, 1, 2), (2, 1)])
def test_refuses_other_shapes_even_where_numpy_would_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match=r"'h' has shape \(2, 1, 1\)"):
        drift(single(1.0, 2.0), {"h": np.zeros(shape, np.float32)})


def test_the_worst_is_the_tensor_with_the_largest_difference_at_any_step() -> None:
    a = {name: np.zeros((3, 1, 1), np.float32) for name in "xyz"}
    b = {name: array.copy() for name, array in a.items()}
    b["x"][:] = 0.5  # larger on average
    b["y"][1] = 0.75  # larger once
    assert worst_of(drift(a, b)).tensor == "y"
    b["z"][2] = np.nan
    assert worst_of(drift(a, b)).tensor == "z"
