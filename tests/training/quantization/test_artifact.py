"""The artifact: what is written is read again, and other files are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import write_checkpoint
from crystaledge_training.quantization.artifact import (
    SCHEMA_VERSION,
    ArtifactKind,
    ClosedLoopValidation,
    TrainedInt8Record,
    read_trained_int8,
    tensors_of,
    write_trained_int8,
)
from crystaledge_training.quantization.fake_quant import attach
from crystaledge_training.quantization.fold import fold_batch_norm
from tests.training.builders import sample_record, tiny_network
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


def test_comes_back_as_it_was_written_and_equal_artifacts_are_equal_bytes(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = read_trained_int8(path)
    assert found.record == RECORD
    folded = dict(fold_batch_norm(small_network()).named_parameters())
    assert all(torch.equal(found.tensors[name], weight) for name, weight in folded.items())
    assert path.read_bytes() == written(tmp_path / "again").read_bytes()


def test_is_plain_float32_under_the_names_of_the_graph(tmp_path: Path) -> None:
    tensors = load_file(written(tmp_path))  # as a reader without torch sees it
    assert {str(t.dtype) for t in tensors.values()} == {"float32"}
    weights = {name for name in tensors if "weight" in name and not name.startswith("range.")}
    assert {name for name in tensors if name.startswith("range.")} == {f"range.{name}" for name in weights}
    assert tensors["range.cell.weight_hh"].shape == ()


@pytest.mark.parametrize("value", [torch.tensor(0.0), torch.tensor(float("nan")), torch.ones(2), torch.tensor(-1.0)])
def test_a_range_that_is_none_is_refused(tmp_path: Path, value: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"'range.head.weight' with values that make no sense"):
        read_trained_int8(written(tmp_path, **{"range.head.weight": value}))


def refused(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_trained_int8(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "Cannot read")
    (tmp_path / "text").write_text("hello")
    refused(tmp_path / "text", "Cannot read")
    save_file({"a": torch.ones(1)}, tmp_path / "bare")
    refused(tmp_path / "bare", "Cannot read")
    network = tiny_network()
    write_checkpoint(tmp_path / "checkpoint", sample_record(network), network.state_dict())
    refused(tmp_path / "checkpoint", "is no artifact")
    for text in ("[]", json.dumps({"kind": "other"})):
        save_file({"a": torch.ones(1)}, tmp_path / "foreign", metadata={"crystaledge": text})
        refused(tmp_path / "foreign", "is no artifact")
    write_trained_int8(tmp_path / "newer", replace(RECORD, schema_version=2), {})
    refused(tmp_path / "newer", "schema version 2")
