"""What Mnemosyne is trained to do, each term a function of one rollout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import CosFaceLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.mnemosyne.rollout import Trajectory, movement


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """Weights and margins of the terms."""

    triplet_margin: float = 0.3
    triplet_weight: float = 0.2
    class_weight: float = 1.0
    class_margin: float = 0.1
    class_scale: float = 12.0
    encoding_weight: float = 1.0
    uniformity_weight: float = 0.05
    convergence_weight: float = 1.0
    target_movement: float = 0.1
    velocity_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class LossTerms:
    """Each term, unweighted, and their weighted sum."""

    total: Tensor
    triplet: Tensor
    classes: Tensor
    encoding: Tensor
    uniformity: Tensor
    convergence: Tensor
    velocity: Tensor


def step_weights(valid: Tensor) -> Tensor:
    """Weight of each step of a batch, `(T,)`, sum 1: later steps count more, all of them count.

    Proportional to t + 1 and to the share of sequences that still have a frame at t.
    """
    growing = torch.arange(1, valid.shape[0] + 1, device=valid.device, dtype=torch.float32)
    weights = growing * valid.float().mean(dim=1)
    return weights / weights.sum()


def uniformity_loss(hidden: Tensor, labels: Tensor) -> Tensor:
    """log mean exp(-2 |x - y|^2) over pairs of different people, identities x, y on the unit sphere.

    Without it all identities share one large component for a long time, and hard triplets collapse
    onto it (Wang and Isola, Alignment and Uniformity on the Hypersphere, 2020, eq. 5).
    """
    identity = functional.normalize(hidden, dim=1)
    different = torch.triu(labels[:, None] != labels[None, :], diagonal=1)
    if not bool(different.any()):
        return hidden.sum() * 0.0
    squared_distance = 2.0 - 2.0 * (identity @ identity.T)[different]
    return torch.logsumexp(-2.0 * squared_distance, dim=0) - math.log(len(squared_distance))


def velocity_loss(trajectory: Trajectory) -> Tensor:
    """Squared error between predicted velocity and the movement that was measured."""
    target = movement(trajectory.hidden).detach().clamp(max=1.0)
    error = (trajectory.velocity - target).square()
    return error[trajectory.valid].mean()


def convergence_loss(trajectory: Trajectory, target: float) -> Tensor:
    """mean(max(0, movement - target)^2) over all steps but the first, with its gradient.

    The first step leaves the zero state and has to move. A batch without second steps gives 0.
    """
    settled = trajectory.valid[1:]
    if not bool(settled.any()):
        return trajectory.hidden.sum() * 0.0
    excess = functional.relu(movement(trajectory.hidden)[1:] - target)
    return excess.square()[settled].mean()


class CrystallizationLoss(nn.Module):
    """Metric learning at every step, convergence and velocity, as one number.

    Triplets are mined hard inside the batch and each has its own hinge. The class heads are margin
    softmaxes over the training people (CosFace); they exist only while training.
    """

    def __init__(self, *, people: int, hidden: int, encoding: int, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.triplet = TripletMarginLoss(margin=config.triplet_margin, distance=CosineSimilarity())
        self.miner = BatchHardMiner(distance=CosineSimilarity())
        self.classes = CosFaceLoss(people, hidden, margin=config.class_margin, scale=config.class_scale)
        self.encodings = CosFaceLoss(people, encoding, margin=config.class_margin, scale=config.class_scale)
        self._class_unit = 1.0 / math.log(max(people, 3))

    def forward(self, trajectory: Trajectory, labels: Tensor, people: Tensor) -> LossTerms:
        """Loss of a batch.

        Args:
            trajectory: rollout over `S` sequences.
            labels: `(S,)` identity within the batch (equal labels = same person).
            people: `(S,)` index of the person among all training people.
        """
        zero = trajectory.hidden.sum() * 0.0
        triplet, classes, uniformity = zero, zero, zero
        for weight, hidden in zip(step_weights(trajectory.valid), trajectory.hidden, strict=True):
            triplet = triplet + weight * self.triplet(hidden, labels, self.miner(hidden, labels))
            classes = classes + weight * self.classes(hidden, people) * self._class_unit
            uniformity = uniformity + weight * uniformity_loss(hidden, labels)
        encoding = self._encoding_loss(trajectory, people)
        convergence = convergence_loss(trajectory, self.config.target_movement)
        velocity = velocity_loss(trajectory)
        total = (
            self.config.triplet_weight * triplet
            + self.config.class_weight * classes
            + self.config.encoding_weight * encoding
            + self.config.uniformity_weight * uniformity
            + self.config.convergence_weight * convergence
            + self.config.velocity_weight * velocity
        )
        return LossTerms(total, triplet, classes, encoding, uniformity, convergence, velocity)

    def frame_loss(self, encodings: Tensor, people: Tensor) -> Tensor:
        """Margin softmax over the training people of single encodings `(N, encoding)`, people `(N,)`."""
        loss: Tensor = self.encodings(encodings, people) * self._class_unit
        return loss

    def _encoding_loss(self, trajectory: Trajectory, people: Tensor) -> Tensor:
        frames = trajectory.encoding[trajectory.valid]
        owners = people.expand(trajectory.valid.shape)[trajectory.valid]
        return self.frame_loss(frames, owners)
