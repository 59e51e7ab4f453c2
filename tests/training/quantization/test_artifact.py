"""The artifact: what is written is read again, and other files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from crystaledge.jsonio import loads
from crystaledge.system import System
from crystaledge_calibration.trained import read_trained
from crystaledge_training.quantization.artifact import (
    SCHEMA_VERSION,
    ArtifactKind,
    ClosedLoopValidation,
    TrainedInt8Record,
    tensors_of,
    write_trained_int8,
)
from crystaledge_training.quantization.fake_quant import attach
from crystaledge_training.quantization.fold import fold_batch_norm
from tests.training.quantization.builders import example, small_network

RECORD = TrainedInt8Record(
    schema_version=SCHEMA_VERSION,
    kind=ArtifactKind.TRAINED_INT8,
    system=System.MNEMOSYNE,
    parent_sha256="0" * 64,
    data="drawn people",
    epochs=3,
    validation=ClosedLoopValidation(
        sequences=4, steps=8, cosine_mean=0.999, cosine_first_percentile=0.99, cosine_least=0.98
    ),
)


def written(folder: Path, **changes: torch.Tensor) -> Path:
    network = fold_batch_norm(small_network())
    attach(network, *example())
    path = folder / "trained-int8.safetensors"
    write_trained_int8(path, RECORD, tensors_of(network) | changes)
    return path


def test_is_read_as_it_was_written_and_equal_artifacts_are_equal_bytes(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = read_trained(path.read_bytes(), where="it")
    assert found.parent_sha256 == RECORD.parent_sha256
    folded = dict(fold_batch_norm(small_network()).named_parameters())
    assert set(found.weights) == set(folded)
    assert all(np.array_equal(found.weights[name], weight.detach().numpy()) for name, weight in folded.items())
    assert set(found.skip_amax) == {"shortcut.weight"}
    assert path.read_bytes() == written(tmp_path / "again").read_bytes()


def test_is_plain_float32_under_the_names_of_the_graph(tmp_path: Path) -> None:
    tensors = load_file(written(tmp_path))  # as a reader without torch sees it
    assert {str(t.dtype) for t in tensors.values()} == {"float32"}
    weights = {name for name in tensors if "weight" in name and "range." not in name}
    assert {name for name in tensors if name.startswith("range.")} == {f"range.{name}" for name in weights}
    assert tensors["range.cell.weight_hh"].shape == ()


def test_the_record_is_in_the_header(tmp_path: Path) -> None:
    with safe_open(written(tmp_path), framework="np") as file:
        assert loads(TrainedInt8Record, file.metadata()["crystaledge"], where="it") == RECORD
