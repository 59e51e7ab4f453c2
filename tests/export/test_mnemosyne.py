"""The description of Mnemosyne: its border, its example frames, and frames made into tensors as the runtime does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from crystaledge.errors import DataError
from crystaledge.preprocessing.preprocessor import Preprocessor
from crystaledge.preprocessing.spec import ColorOrder
from crystaledge.tensors import ResetRule
from crystaledge_export.mnemosyne import BATCHES, describe, example_frames, observe
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.mnemosyne.network import Mnemosyne


def test_the_border_follows_the_network_and_its_preprocessing(checkpoint: Checkpoint) -> None:
    description = describe(checkpoint)
    assert [(s.name, s.shape) for s in description.inputs] == [
        ("face", ("batch", 3, 64, 64)),
        ("hidden", ("batch", 64)),
    ]
    assert [(s.name, s.shape) for s in description.outputs] == [
        ("hidden_next", ("batch", 64)),
        ("velocity", ("batch", 1)),
        ("log_variance", ("batch", 1)),
        ("quality", ("batch", 1)),
    ]
    wide = replace(checkpoint.record.preprocessing, size_hw=(48, 32))
    other = describe(replace(checkpoint, record=replace(checkpoint.record, preprocessing=wide)))
    assert other.inputs[0].shape == ("batch", 3, 48, 32)


def test_the_state_begins_at_zero_and_is_reset_with_a_new_track_only(checkpoint: Checkpoint) -> None:
    (pair,) = describe(checkpoint).states
    assert (pair.input, pair.output, pair.shape) == ("hidden", "hidden_next", (64,))
    assert (pair.initial, pair.reset, pair.idle_limit_frames) == (0.0, ResetRule.NEW_TRACK, 150)


def test_batches_are_rising_buckets(checkpoint: Checkpoint) -> None:
    assert describe(checkpoint).batch is BATCHES
    assert list(BATCHES.buckets) == [1, 2, 4, 8, 16, 32, 64]


def test_the_module_has_the_weights_of_the_checkpoint_and_is_in_inference_mode(checkpoint: Checkpoint) -> None:
    module = describe(checkpoint).module
    assert isinstance(module, Mnemosyne)
    assert not any(part.training for part in module.modules())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, checkpoint.weights[name])


def test_weights_that_do_not_fit_are_refused(checkpoint: Checkpoint) -> None:
    fewer = {name: tensor for name, tensor in checkpoint.weights.items() if name != "quality.bias"}
    with pytest.raises(DataError, match=r"quality\.bias"):
        describe(replace(checkpoint, weights=fewer))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_example_frames_show_one_person_a_row_moving(batch: int) -> None:
    frames = example_frames(4, batch)
    assert frames.shape == (4, batch, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert len({frames[0, row].tobytes() for row in range(batch)}) == batch
    for row in range(batch):
        assert len({frames[t, row].tobytes() for t in range(4)}) == 4


def test_example_frames_of_many_rows_are_all_different() -> None:
    frames = example_frames(16, 64)
    assert len({frames[:, row].tobytes() for row in range(64)}) == 64
    assert len({frames[0, row].tobytes() for row in range(64)}) == 64


def test_example_frames_are_the_same_every_time_and_begin_alike_for_any_batch() -> None:
    frames = example_frames(3, 2)
    np.testing.assert_array_equal(example_frames(3, 2), frames)
    np.testing.assert_array_equal(example_frames(3, 5)[:, :2], frames)


def test_frames_are_observed_as_the_runtime_prepares_them(checkpoint: Checkpoint) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 50, 70, 3), dtype=np.uint8)
    spec = checkpoint.record.preprocessing
    faces = observe(spec, frames)["face"]
    assert faces.shape == (2, 3, 3, 64, 64)
    assert faces.dtype == np.float32
    for t, row in np.ndindex(2, 3):
        np.testing.assert_array_equal(faces[t, row], Preprocessor(spec)(frames[t, row], ColorOrder.RGB))


def test_examples_are_observed_example_frames(checkpoint: Checkpoint) -> None:
    description = describe(checkpoint)
    found = description.example(3, 2)
    assert list(found) == ["face"]
    np.testing.assert_array_equal(found["face"], description.observe(description.frames(3, 2))["face"])
