"""What decides a quantization-aware training of Mnemosyne."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge_training.mnemosyne.qat_tracks import TrackConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class QatConfig:
    """Everything that decides a run; equal configuration, checkpoint and data give equal bytes."""

    tracks: TrackConfig = TrackConfig()
    keep_float: tuple[str, ...] = ()
    """Weights whose products stay float, as `quantize` found it worth while."""
    epochs: int = 8
    batches: int = 100
    """Batches an epoch."""
    warm_up_batches: int = 30
    learning_rate: float = 1e-4
    """In units of each tensor's own largest weights (the median row's): the same number of int8 steps everywhere."""
    range_learning_rate: float = 1e-3
    """Of the logarithm of the ranges."""
    tail_weight: float = 0.5
    """Of the root mean square distance, which the worst tracks dominate, beside the mean distance.

    Not more: tracks about to tip over have huge gradients and say little; the mean hears every track alike.
    """
    heads_weight: float = 1.0
    """Of the squared differences of norm, velocity, log-variance and quality."""
    average_decay: float = 0.995
    """Of the moving average of the weights, which is what is validated and kept."""
    validation_steps: int = 256
    held_out: float = 0.1
    """Share of the training people kept for choosing the best epoch."""
    seed: int = 42
