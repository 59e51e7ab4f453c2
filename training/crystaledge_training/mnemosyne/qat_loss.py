"""How far a student is from its teacher: what training lowers, and what chooses the best epoch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from crystaledge_training.mnemosyne.qat_config import QatConfig
from crystaledge_training.mnemosyne.step import Step

_TINY = 1e-9
_GOAL_MEAN = 1e-3
_GOAL_FIRST_PERCENTILE = 5e-3
"""1 - cosine that a good int8 graph keeps below, in the mean and for all but one sequence in a hundred."""


class Loss(NamedTuple):
    """One batch; every term a scalar."""

    total: Tensor
    identity: Tensor
    tail: Tensor
    heads: Tensor


def distance(found: Step, expected: Step, config: QatConfig) -> Loss:
    """How far rollouts `(T, B, ...)` of student and teacher are apart; identities by the distance of unit states."""
    units = [functional.normalize(side.hidden, dim=2) for side in (found, expected)]
    squared = (units[0] - units[1]).square().sum(dim=2)  # 2 (1 - cosine), without its cancellation
    # Offset: zero, with a finite gradient, where nothing differs.
    identity = ((squared + _TINY).sqrt() - _TINY**0.5).mean()
    tail = (squared.mean() + _TINY).sqrt() - _TINY**0.5
    norm = found.hidden.norm(dim=2) / expected.hidden.norm(dim=2).clamp_min(1e-6)
    apart_heads = [(a - b).square().mean() for a, b in zip(found[1:], expected[1:], strict=True)]
    heads = torch.stack([(norm - 1.0).square().mean(), *apart_heads]).sum()
    return Loss(identity + config.tail_weight * tail + config.heads_weight * heads, identity, tail, heads)


def distance_to_goal(cosine: Tensor) -> float:
    """The larger of the two shortfalls of cosines `(T, S)`, in units of what is allowed, in the mean over the steps.

    Not at the worst step: one track that tips over decides that, and which one does is chance.
    """
    mean = float((1.0 - cosine).mean())
    low = float((1.0 - cosine.quantile(0.01, dim=1)).mean())
    return max(mean / _GOAL_MEAN, low / _GOAL_FIRST_PERCENTILE)
