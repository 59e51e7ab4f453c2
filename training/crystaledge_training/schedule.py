"""Learning rates over epochs."""

from __future__ import annotations

import math


def learning_rate_factor(epoch: int, epochs: int, warmup: int) -> float:
    """Linear warm-up, then a half cosine down to 1 % of the peak (architectures, 1.7)."""
    if epoch < warmup:
        return (epoch + 1) / warmup
    progress = (epoch - warmup) / max(epochs - warmup, 1)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
