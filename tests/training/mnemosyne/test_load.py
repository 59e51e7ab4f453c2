"""From a checkpoint to a network: only the one that the record describes, whole and finite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystaledge.errors import DataError
from crystaledge.manifest.model import identity_decision
from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.mnemosyne.load import mnemosyne_config, mnemosyne_from_checkpoint
from crystaledge_training.parameters import parameter_count
from crystaledge_training.weights import embedded_checkpoint
from tests.training.builders import random_faces, sample_record, tiny_network


def checkpoint_of(weights: dict[str, Tensor]) -> Checkpoint:
    return Checkpoint(sample_record(tiny_network()), weights, "0" * 64)


def test_is_the_network_that_was_saved_in_inference_mode() -> None:
    original = tiny_network()
    found = mnemosyne_from_checkpoint(checkpoint_of(original.state_dict()))
    assert found.config == original.config
    assert not any(part.training for part in found.modules())
    with torch.no_grad():
        a, b = (n(random_faces(2), torch.full((2, 8), 0.2)) for n in (found, original))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.pop("quality.bias"),
        lambda w: w.update(surprise=torch.zeros(1)),
        lambda w: w.update({"quality.bias": torch.zeros(2)}),
    ],
    ids=["one missing", "one too many", "another size"],
)
def test_refuses_weights_that_do_not_fit_in_one_line(change: object) -> None:
    weights = dict(tiny_network().state_dict())
    assert callable(change)
    change(weights)
    with pytest.raises(DataError, match="do not fit its record") as caught:
        mnemosyne_from_checkpoint(checkpoint_of(weights))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_refuses_values_that_are_not_finite_and_names_their_tensor(value: float) -> None:
    weights = {name: tensor.clone() for name, tensor in tiny_network().state_dict().items()}
    weights["cell.weight_hh"][3, 2] = value
    with pytest.raises(DataError, match=r"'cell\.weight_hh' holds values that are not finite"):
        mnemosyne_from_checkpoint(checkpoint_of(weights))


def test_the_embedded_weights_are_of_the_published_sizes_and_can_decide(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(embedded_checkpoint(System.MNEMOSYNE))
    assert parameter_count(mnemosyne_from_checkpoint(checkpoint)) == 43_379
    decision = identity_decision(checkpoint.record.decision, where="The checkpoint")
    assert decision.dimensions == mnemosyne_config(checkpoint).hidden == 64
    card = embedded_checkpoint(System.MNEMOSYNE).with_name("mnemosyne.MODEL_CARD.md").read_text(encoding="utf-8")
    assert checkpoint.sha256 in card  # the card is that of these very weights
