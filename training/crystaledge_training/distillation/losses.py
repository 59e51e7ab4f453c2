"""What an encoder is trained to do: to say what its teacher says, and who is who."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from pytorch_metric_learning.losses import CosFaceLoss, SupConLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.distillation.config import LossWeights

_CLASS_LENGTH = 3.0
"""Class weights start so long; with Adam a shorter vector turns faster."""
_LEAST_DISTANCE = 1e-3
_QUALITY_RANGE = (-4.0, 6.0)
_FAR = -1e4
"""A cosine over a temperature that no row is drawn to: a row is no neighbour of its own."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What an encoder said of a batch, and what it was to say; `N` rows: ordinary ones, blends, severe ones."""

    unit: Tensor
    """Embeddings of length 1, `(N, D)`."""
    quality: Tensor | None
    """Log of the inverse distance that it expects to the teacher, `(N, 1)`; None where it expects nothing."""
    target: Tensor | None
    """The teacher's, of length 1, `(N, D)`; None without a teacher."""
    labels: Tensor
    """People of the ordinary and the severe rows, `(ordinary + severe,)`."""
    shares: tuple[int, int, int]
    """Rows that are ordinary, blends, severe."""

    @property
    def clear(self) -> int:
        """Rows that are not severe, the first ones."""
        return self.shares[0] + self.shares[1]


@dataclass(frozen=True, slots=True)
class LossTerms:
    """Each term, unweighted, and their weighted sum; 0 where a term is left out."""

    total: Tensor
    cosine: Tensor
    relation: Tensor
    classes: Tensor
    contrast: Tensor
    quality: Tensor


def cosine_loss(unit: Tensor, target: Tensor, clear: int, severe_weight: float) -> Tensor:
    """Mean over all rows of 1 - cosine to the target; rows from `clear` on count less."""
    distance = 1.0 - (unit * target).sum(1)
    return (distance[:clear].sum() + severe_weight * distance[clear:].sum()) / len(unit)


def relation_loss(unit: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Mean Kullback-Leibler divergence of each row's soft neighbours in the batch, teacher's against student's.

    Similarity to the other rows as a distribution is what is distilled (Fang et al., SEED, 2021, eq. 2 and 3; the
    rows of the batch stand for its queue).
    """
    own = torch.eye(len(unit), device=unit.device, dtype=torch.bool)
    ours, theirs = (
        functional.log_softmax((rows @ rows.T / temperature).masked_fill(own, _FAR), dim=1) for rows in (unit, target)
    )
    return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def quality_loss(unit: Tensor, quality: Tensor, target: Tensor) -> Tensor:
    """Mean of d exp(q) - q, least where exp(q) is the inverse of the expected distance d.

    Only the quality learns of it, the embedding does not.
    """
    distance = (1.0 - (unit.detach() * target).sum(1)).clamp_min(_LEAST_DISTANCE)
    logit = quality.squeeze(1).clamp(*_QUALITY_RANGE)
    return (distance * logit.exp() - logit).mean()


class DistilLoss(nn.Module):
    """All terms; the class weights of the margin softmax (CosFace) exist only while training."""

    def __init__(self, *, people: int, dimensions: int, weights: LossWeights) -> None:
        super().__init__()
        self.weights = weights
        self.margin_softmax = CosFaceLoss(
            people, dimensions, margin=weights.margin, scale=weights.scale, reducer=DoNothingReducer()
        )
        with torch.no_grad():
            self.margin_softmax.W.copy_(functional.normalize(self.margin_softmax.W, dim=0) * _CLASS_LENGTH)
        self.supervised_contrast = SupConLoss(temperature=weights.temperature)
        self._class_unit = 1.0 / math.log(max(people, 3))

    def forward(self, answers: Answers) -> LossTerms:
        """Loss of a batch."""
        weights, unit, target = self.weights, answers.unit, answers.target
        terms = dict.fromkeys((f.name for f in fields(LossTerms)), unit.sum() * 0.0)
        if target is not None and weights.cosine:
            terms["cosine"] = cosine_loss(unit, target, answers.clear, weights.severe_cosine)
        if target is not None and weights.relation:
            clear = answers.clear
            terms["relation"] = relation_loss(unit[:clear], target[:clear], weights.temperature)
        if target is not None and answers.quality is not None and weights.quality:
            terms["quality"] = quality_loss(unit, answers.quality, target)
        if weights.classes:
            terms["classes"] = self.class_loss(answers)
        if weights.contrast:
            ordinary = answers.shares[0]
            terms["contrast"] = self.supervised_contrast(unit[:ordinary], answers.labels[:ordinary])
        for name in list(terms)[1:]:
            terms["total"] = terms["total"] + getattr(weights, name) * terms[name]
        return LossTerms(**terms)

    def class_loss(self, answers: Answers) -> Tensor:
        """Margin softmax over the training people, in units of what guessing costs; blends are nobody."""
        ordinary = answers.shares[0]
        known = torch.cat([answers.unit[:ordinary], answers.unit[answers.clear :]])
        each: Tensor = self.margin_softmax(known, answers.labels)["loss"]["losses"]
        weight = torch.ones_like(each)
        weight[ordinary:] = self.weights.severe_classes
        return (each * weight).sum() / weight.sum() * self._class_unit
