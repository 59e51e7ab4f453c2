"""What `train --qat` writes is read without torch, and everything else is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_calibration.trained import Trained, read_trained
from crystaledge_training.quantization.artifact import (
    ArtifactKind,
    ClosedLoopValidation,
    TrainedInt8Record,
    write_trained_int8,
)
from tests.support.messages import message_of

PARENT = "ab" * 32
VALIDATION = ClosedLoopValidation(
    sequences=2, steps=4, cosine_mean=0.999, cosine_first_percentile=0.99, cosine_least=0.9
)
RECORD = TrainedInt8Record(
    schema_version=1,
    kind=ArtifactKind.TRAINED_INT8,
    system=System.MNEMOSYNE,
    parent_sha256=PARENT,
    data="drawn people",
    epochs=1,
    validation=VALIDATION,
)
TENSORS = {
    "stem.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2),
    "stem.bias": torch.tensor([0.5, -0.5]),
    "range.stem.weight": torch.tensor(2.5),
    "skip_range.stem.weight": torch.tensor(1.5),
}
HEADER = {"kind": "trained-int8", "schema_version": 1, "parent_sha256": PARENT, "data": "drawn people"}


def written(folder: Path, record: TrainedInt8Record = RECORD) -> bytes:
    path = folder / "trained-int8.safetensors"
    write_trained_int8(path, record, TENSORS)
    return path.read_bytes()


def by_hand(header: object, tensors: Mapping[str, NDArray[np.float32]] | None = None) -> bytes:
    chosen = tensors if tensors is not None else {"w": np.ones(2, np.float32)}
    return save(dict(chosen), metadata={"crystaledge": json.dumps(header)})


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as raised:
        read_trained(data, where="box/trained.safetensors")
    return message_of(raised)


def test_weights_and_ranges_are_read_under_the_names_of_the_weights(tmp_path: Path) -> None:
    found = read_trained(written(tmp_path), where="it")
    assert isinstance(found, Trained)
    assert set(found.weights) == {"stem.weight", "stem.bias"}
    for name, value in found.weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, TENSORS[name].numpy())
    assert (found.amax, found.skip_amax) == ({"stem.weight": 2.5}, {"stem.weight": 1.5})
    assert found.parent_sha256 == PARENT


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no file of tensors", id="text"),
        pytest.param(save({"w": np.ones(2, np.float32)}), id="without a record"),
        pytest.param(save({"w": np.ones(2, np.float32)}, metadata={"crystaledge": "{"}), id="record cut off"),
        pytest.param(by_hand([]), id="no record but a list"),
        pytest.param(by_hand({**HEADER, "kind": "checkpoint"}), id="a checkpoint"),
        pytest.param(by_hand({**HEADER, "schema_version": 2}), id="a later version"),
        pytest.param(by_hand({k: v for k, v in HEADER.items() if k != "parent_sha256"}), id="follows nobody"),
    ],
)
def test_other_files_are_refused(data: bytes) -> None:
    expected = "box/trained.safetensors is no file that `train --qat` wrote, or one of another version; train again."
    assert refusal(data) == expected


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    assert "is no file that `train --qat` wrote" in refusal(written(tmp_path)[:-5])


def test_a_later_version_of_the_writer_is_refused(tmp_path: Path) -> None:
    assert "one of another version" in refusal(written(tmp_path, replace(RECORD, schema_version=2)))


@pytest.mark.parametrize("name", ["range.w", "skip_range.w"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, 2.0]])
def test_a_range_that_is_none_is_refused(name: str, value: float | list[float]) -> None:
    found = refusal(by_hand(HEADER, {name: np.array(value, np.float32)}))
    assert f"holds {name!r} with values that make no sense" in found


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_weight_that_is_not_finite_is_refused(value: float) -> None:
    assert "holds 'w' with values that make no sense" in refusal(
        by_hand(HEADER, {"w": np.array([0.0, value], np.float32)})
    )


def test_a_weight_of_zero_or_less_is_none_of_a_range() -> None:
    weights = {"w": np.array([0.0, -2.0], np.float32), "range.w": np.array(1.0, np.float32)}
    assert read_trained(by_hand(HEADER, weights), where="it").amax == {"w": 1.0}
