"""Losses of the detector: focal loss from logits and generalised IoU, both divided by the number of positive cells."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from crystaledge_training.phantom.assign import Targets, decode
from crystaledge_training.phantom.network import Maps


class DetectionLoss(NamedTuple):
    """Parts of the loss, scalars."""

    classes: Tensor
    boxes: Tensor


def focal_loss(logit: Tensor, target: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of each element (Lin et al., 2017, equation 5), from logits, finite for all of them.

    Args:
        logit: any shape; `target` in {0, 1} of the same shape.
        alpha: weight of positives, in (0, 1).
        gamma: at least 0; 0 gives balanced cross entropy.
    """
    cross_entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    miss = torch.sigmoid(torch.where(target > 0.5, -logit, logit))
    balance = alpha * target + (1.0 - alpha) * (1.0 - target)
    return balance * miss**gamma * cross_entropy


def giou(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """Generalised IoU of boxes in pairs, `(N, 4)` each, in [-1, 1] (Rezatofighi et al., 2019, algorithm 1)."""
    inner = (torch.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:]) - torch.maximum(a_xyxy[:, :2], b_xyxy[:, :2])).clamp(min=0)
    outer = torch.maximum(a_xyxy[:, 2:], b_xyxy[:, 2:]) - torch.minimum(a_xyxy[:, :2], b_xyxy[:, :2])
    overlap, hull = inner.prod(dim=1), outer.prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(dim=1) for box in (a_xyxy, b_xyxy)]
    union = areas[0] + areas[1] - overlap
    return overlap / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def detection_loss(maps: Maps, targets: Targets, *, alpha: float = 0.5, gamma: float = 2.0) -> DetectionLoss:
    """Loss of one batch; cells that do not count are left out, negatives have no box."""
    logit = maps.logit[:, 0]
    positives = targets.positive.sum().clamp(min=1)
    classes = focal_loss(logit, targets.positive.float(), alpha=alpha, gamma=gamma)[targets.counts].sum()
    boxes = (1.0 - giou(decode(maps.box)[targets.positive], targets.box_xyxy)).sum()
    return DetectionLoss(classes / positives, boxes / positives)
