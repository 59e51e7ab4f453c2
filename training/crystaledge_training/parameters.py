"""How large a network is."""

from __future__ import annotations

from torch import nn


def parameter_count(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def frozen_too(module: nn.Module) -> int:
    """Number of values, trained or frozen."""
    return sum(p.numel() for p in module.parameters())
