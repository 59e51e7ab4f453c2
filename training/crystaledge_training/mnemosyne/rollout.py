"""Unrolling a Mnemosyne over padded sequences, every step kept, gradients included."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from crystaledge_training.mnemosyne.step import CrystallizationNetwork


class Trajectory(NamedTuple):
    """A rollout over `S` sequences of at most `T` frames; an ended sequence keeps its last values."""

    hidden: Tensor
    """States after each step, `(T, S, hidden)`."""
    velocity: Tensor
    """`(T, S)`."""
    log_variance: Tensor
    """`(T, S)`."""
    quality: Tensor
    """`(T, S)`; 0 where the sequence has ended."""
    encoding: Tensor
    """`(T, S, encoding)`; 0 where the sequence has ended."""
    valid: Tensor
    """bool `(T, S)`: a frame was there."""


def roll_out(network: CrystallizationNetwork, frames: Tensor, valid: Tensor) -> Trajectory:
    """Run the step over sequences from the zero state.

    Args:
        frames: the valid frames alone, `(valid.sum(), 3, h, w)`, in the row-major order of `valid`.
        valid: bool `(T, S)`; each column is True up to its sequence's length.
    """
    encoding_rows, quality_rows = network.encode(frames)
    encoding = encoding_rows.new_zeros(*valid.shape, encoding_rows.shape[1])
    encoding[valid] = encoding_rows
    quality = quality_rows.new_zeros(*valid.shape, 1)
    quality[valid] = quality_rows
    return absorb_all(network, encoding, quality, valid)


def absorb_all(network: CrystallizationNetwork, encoding: Tensor, quality: Tensor, valid: Tensor) -> Trajectory:
    """The recurrent half of `roll_out`, on encodings `(T, S, encoding)` and qualities `(T, S, 1)`."""
    hidden = network.initial_state(valid.shape[1])
    states, velocities, log_variances = [], [], []
    velocity = hidden.new_ones(valid.shape[1], 1)
    log_variance = hidden.new_zeros(valid.shape[1], 1)
    for t in range(valid.shape[0]):
        step = network.absorb(encoding[t], quality[t], hidden)
        here = valid[t].unsqueeze(1)
        hidden = torch.where(here, step.hidden, hidden)
        velocity = torch.where(here, step.velocity, velocity)
        log_variance = torch.where(here, step.log_variance, log_variance)
        states.append(hidden)
        velocities.append(velocity.squeeze(1))
        log_variances.append(log_variance.squeeze(1))
    return Trajectory(
        torch.stack(states),
        torch.stack(velocities),
        torch.stack(log_variances),
        quality.squeeze(2),
        encoding,
        valid,
    )


def movement(hidden: Tensor) -> Tensor:
    """Root-mean-square change of the state at each step: `(T, S, H)` to `(T, S)`, from a zero start."""
    previous = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])
    return (hidden - previous).square().mean(dim=2).clamp_min(1e-12).sqrt()
