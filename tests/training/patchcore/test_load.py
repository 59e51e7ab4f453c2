"""From a checkpoint to a network: only the one that the record describes, whole and finite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crystaledge.errors import DataError
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from crystaledge_training.patchcore.load import patchcore_config, patchcore_from_checkpoint
from tests.training.builders import sample_record, tiny_network
from tests.training.patchcore.builders import SIZES, checkpoint_of, random_network


def test_comes_back_from_its_file_with_its_record_and_its_memory(tmp_path: Path) -> None:
    written = checkpoint_of(random_network(seed=4))
    write_checkpoint(tmp_path / "a.safetensors", written.record, written.weights)
    found = read_checkpoint(tmp_path / "a.safetensors")
    assert found.record == written.record and patchcore_config(found) == SIZES
    network, image = patchcore_from_checkpoint(found), torch.randn(1, 3, 32, 32)
    assert torch.equal(network(image).distance, random_network(seed=4)(image).distance)
    assert not any(module.training for module in network.modules())


def test_another_system_is_named() -> None:
    network = tiny_network()
    with pytest.raises(DataError, match="is of mnemosyne, not of patchcore"):
        patchcore_config(Checkpoint(sample_record(network), network.state_dict(), "0" * 64))


def test_a_memory_of_another_size_is_refused_in_one_line() -> None:
    checkpoint = checkpoint_of(random_network())
    other = replace(checkpoint.record, network=replace(SIZES, bank_rows=8))
    with pytest.raises(DataError, match="do not fit its record") as caught:
        patchcore_from_checkpoint(replace(checkpoint, record=other))
    assert len(str(caught.value).splitlines()) == 1


def test_a_memory_that_is_not_finite_is_refused() -> None:
    checkpoint = checkpoint_of(random_network())
    weights = {name: tensor.clone() for name, tensor in checkpoint.weights.items()}
    weights["bank"][1, 2] = float("nan")
    with pytest.raises(DataError, match="'bank' holds values that are not finite"):
        patchcore_from_checkpoint(replace(checkpoint, weights=weights))


def test_a_record_with_an_impossible_neighbourhood_is_refused(tmp_path: Path) -> None:
    written = checkpoint_of(random_network())
    write_checkpoint(tmp_path / "a.safetensors", written.record, written.weights)
    data = (tmp_path / "a.safetensors").read_bytes()
    spoiled = data.replace(b'\\"neighbourhood\\": 3', b'\\"neighbourhood\\": 2')
    assert spoiled != data
    (tmp_path / "a.safetensors").write_bytes(spoiled)
    with pytest.raises(DataError, match="no middle"):
        read_checkpoint(tmp_path / "a.safetensors")
