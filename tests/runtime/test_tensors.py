"""Specifications of tensors refuse what they do not describe."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crystaledge.errors import ContractError
from crystaledge.tensors import DType, TensorSpec
from tests.support.manifests import tensor
from tests.support.messages import message_of


def test_a_buffer_is_what_its_own_specification_asks_for() -> None:
    spec = tensor("face", 3, 4)
    buffer = spec.buffer(2)
    spec.check(buffer)
    assert buffer.shape == (2, 3, 4)
    assert not buffer.any()
    assert spec.row_shape == (3, 4)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros((2, 3, 4)), id="float64"),
        pytest.param(np.zeros((2, 3, 5), np.float32), id="other-row"),
        pytest.param(np.zeros((3, 4), np.float32), id="no-batch"),
        pytest.param(np.zeros((2, 3, 4, 1), np.float32), id="axis-too-many"),
        pytest.param(np.zeros((), np.float32), id="scalar"),
    ],
)
def test_another_array_is_refused(array: NDArray[np.float32]) -> None:
    with pytest.raises(ContractError) as raised:
        tensor("face", 3, 4).check(array)
    assert message_of(raised).endswith("expected float32 ['batch', 3, 4].")


def test_one_number_is_no_batch_of_numbers() -> None:
    tensor("count").check(np.zeros(2, np.float32))
    with pytest.raises(ContractError):
        tensor("count").check(np.zeros((), np.float32))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((), id="empty"),
        pytest.param((2, 3), id="fixed-batch"),
        pytest.param(("batch", 0), id="zero"),
        pytest.param(("batch", -1), id="negative"),
        pytest.param(("batch", "width"), id="two-symbols"),
        pytest.param(("n", 3), id="batch-of-another-name"),
    ],
)
def test_a_shape_without_sense_is_refused(shape: tuple[int | str, ...]) -> None:
    with pytest.raises(ContractError, match="then positive integers"):
        TensorSpec(name="face", dtype=DType.FLOAT32, shape=shape)
