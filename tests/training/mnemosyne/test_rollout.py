"""Unrolling over padded sequences against one step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystaledge_training.mnemosyne.config import QualityGate
from crystaledge_training.mnemosyne.rollout import absorb_all, movement, roll_out
from tests.training.builders import random_faces, tiny_network

LENGTHS = (4, 1, 3)
"""Frames of each sequence; the batch is as long as the first."""


def ragged() -> tuple[Tensor, Tensor, list[list[Tensor]]]:
    """Frames in row-major order of `valid`, `valid`, and the same frames by sequence."""
    valid = torch.arange(max(LENGTHS))[:, None] < torch.tensor(LENGTHS)[None, :]
    frames = random_faces(sum(LENGTHS))
    by_sequence: list[list[Tensor]] = [[] for _ in LENGTHS]
    for row, (_, sequence) in enumerate(valid.nonzero().tolist()):
        by_sequence[sequence].append(frames[row : row + 1])
    return frames, valid, by_sequence


@pytest.mark.parametrize("gate", list(QualityGate))
@torch.no_grad()
def test_a_rollout_is_one_frame_after_another(gate: QualityGate) -> None:
    network = tiny_network(gate=gate)
    frames, valid, by_sequence = ragged()
    trajectory = roll_out(network, frames, valid)
    for sequence, faces in enumerate(by_sequence):
        hidden = network.initial_state(1)
        for t, face in enumerate(faces):
            step = network(face, hidden)
            hidden = step.hidden
            torch.testing.assert_close(trajectory.hidden[t, sequence], hidden[0], atol=1e-6, rtol=0.0)
            torch.testing.assert_close(trajectory.velocity[t, sequence], step.velocity[0, 0], atol=1e-6, rtol=0.0)
            torch.testing.assert_close(
                trajectory.log_variance[t, sequence], step.log_variance[0, 0], atol=1e-6, rtol=0.0
            )
            torch.testing.assert_close(trajectory.quality[t, sequence], step.quality[0, 0], atol=1e-6, rtol=0.0)
            torch.testing.assert_close(trajectory.encoding[t, sequence], network.encode(face)[0][0])


@pytest.mark.parametrize("gate", list(QualityGate))
@torch.no_grad()
def test_an_ended_sequence_keeps_its_last_values(gate: QualityGate) -> None:
    frames, valid, _ = ragged()
    trajectory = roll_out(tiny_network(gate=gate), frames, valid)
    for sequence, length in enumerate(LENGTHS):
        for values in (trajectory.hidden, trajectory.velocity, trajectory.log_variance):
            for t in range(length, max(LENGTHS)):
                assert torch.equal(values[t, sequence], values[length - 1, sequence])
        assert not trajectory.quality[length:, sequence].any()
        assert not trajectory.encoding[length:, sequence].any()
        assert trajectory.quality[:length, sequence].all()
    assert torch.equal(trajectory.valid, valid)


@pytest.mark.parametrize("gate", list(QualityGate))
@torch.no_grad()
def test_a_sequence_that_never_began_keeps_the_fresh_state(gate: QualityGate) -> None:
    valid = torch.tensor([[True, False]])
    trajectory = roll_out(tiny_network(gate=gate), random_faces(1), valid)
    assert not trajectory.hidden[0, 1].any()
    assert trajectory.velocity[0, 1] == 1.0
    assert trajectory.log_variance[0, 1] == 0.0


@torch.no_grad()
def test_the_recurrent_half_alone_gives_the_same() -> None:
    network = tiny_network()
    frames, valid, _ = ragged()
    whole = roll_out(network, frames, valid)
    half = absorb_all(network, whole.encoding, whole.quality[..., None], valid)
    for a, b in zip(whole, half, strict=True):
        assert torch.equal(a, b)


def test_gradients_flow_from_the_last_state_to_every_frame_of_its_sequence_and_to_no_other() -> None:
    network = tiny_network()
    frames, valid, _ = ragged()
    frames.requires_grad_(True)
    roll_out(network, frames, valid).hidden[-1, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert frames.grad is not None
    reached = frames.grad.flatten(1).abs().amax(dim=1) > 0
    assert reached.tolist() == [sequence == 0 for _, sequence in valid.nonzero().tolist()]


def test_gradients_reach_the_recurrent_weights_through_time() -> None:
    network = tiny_network()
    frames, valid, _ = ragged()
    roll_out(network, frames, valid).hidden[-1].square().sum().backward()  # type: ignore[no-untyped-call]
    assert isinstance(network.cell, nn.GRUCell)
    assert network.cell.weight_hh.grad is not None
    assert network.cell.weight_hh.grad.abs().max() > 1e-4


def test_movement_is_the_root_mean_square_change_from_a_zero_start() -> None:
    hidden = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    found = movement(hidden)
    for t, s in np.ndindex(4, 3):
        before = hidden[t - 1, s].double() if t else torch.zeros(5, dtype=torch.float64)
        expected = float(((hidden[t, s].double() - before) ** 2).mean() ** 0.5)
        assert found[t, s].item() == pytest.approx(expected, rel=1e-5)


def test_movement_of_a_state_at_rest_is_tiny_and_has_a_finite_gradient() -> None:
    hidden = torch.ones(3, 1, 4, requires_grad=True)
    moved = movement(hidden)
    moved.sum().backward()  # type: ignore[no-untyped-call]
    assert moved[1:].max() <= 1e-6
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
