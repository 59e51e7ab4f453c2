"""From a checkpoint to a network: only the one that the record describes, whole and finite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from crystaledge_training.phantom.load import phantom_config, phantom_from_checkpoint
from tests.training.builders import sample_record, tiny_network
from tests.training.phantom.builders import SIZES, phantom_record, random_phantom, sample_detection_decision


def checkpoint_of(weights: dict[str, Tensor] | None = None) -> Checkpoint:
    network = random_phantom()
    record = phantom_record(network, decision=sample_detection_decision())
    return Checkpoint(record, network.state_dict() if weights is None else weights, "0" * 64)


def test_comes_back_from_its_file_with_its_record(tmp_path: Path) -> None:
    written = checkpoint_of()
    write_checkpoint(tmp_path / "a.safetensors", written.record, written.weights)
    found = read_checkpoint(tmp_path / "a.safetensors")
    assert found.record == written.record
    network, image = phantom_from_checkpoint(found), torch.randn(1, 3, 32, 32)
    for a, b in zip(network.detector(image), random_phantom().detector(image), strict=True):
        assert torch.equal(a, b)


def test_another_system_is_named() -> None:
    network = tiny_network()
    with pytest.raises(DataError, match="is of mnemosyne, not of phantom"):
        phantom_config(Checkpoint(sample_record(network), network.state_dict(), "0" * 64))


def test_sizes_are_those_of_the_record() -> None:
    assert phantom_config(checkpoint_of()) == SIZES


@pytest.mark.parametrize("name", ["detector.logit.weight", "track.cell.weight_hh"])
def test_weights_that_do_not_fit_are_refused_in_one_line(name: str) -> None:
    weights = dict(checkpoint_of().weights)
    del weights[name]
    with pytest.raises(DataError, match="do not fit its record") as caught:
        phantom_from_checkpoint(checkpoint_of(weights))
    assert len(str(caught.value).splitlines()) == 1


def test_values_that_are_not_finite_are_refused() -> None:
    weights = {name: tensor.clone() for name, tensor in checkpoint_of().weights.items()}
    weights["track.merge.bias"][1] = float("nan")
    with pytest.raises(DataError, match=r"'track\.merge\.bias' holds values that are not finite"):
        phantom_from_checkpoint(checkpoint_of(weights))
