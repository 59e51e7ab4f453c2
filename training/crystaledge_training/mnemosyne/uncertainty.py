"""Fits the log-variance of a trained network: the identities stay as they are, a few numbers are learnt.

Probabilistic Face Embeddings (Shi and Jain, 2019) fix the embedding as well while its uncertainty is
learnt: trained together, the variance would be excused for what the embedding should mend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from crystaledge.identity.spec import MatchScore, Scoring, unit_vector_scoring
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.data.augment import degrade
from crystaledge_training.data.frames import FrameStore
from crystaledge_training.evaluation.templates import cut_mixed_templates
from crystaledge_training.mnemosyne.embed import crystallize, encode_frames
from crystaledge_training.mnemosyne.step import CrystallizationNetwork

SIZES = (1, 2, 3, 5)
DEGRADED_SHARE = 0.4
_BATCH = 1200
_LEARN_STEPS, _LEARN_RATE, _WEIGHT_DECAY = 300, 0.03, 0.01
_CALIBRATE_STEPS, _CALIBRATE_RATE = 600, 0.05


@dataclass(frozen=True, slots=True)
class States:
    """States of templates of one to five frames, clean and spoilt."""

    hidden: Tensor
    """`(M, hidden)`."""
    certainty: Tensor
    """`(M, F)`: what the network lets the log-variance depend on."""
    person: Tensor
    """`(M,)`."""


def fit_log_variance(
    network: CrystallizationNetwork, training: FrameStore, validation: FrameStore, spec: Preprocessing, *, seed: int
) -> Scoring:
    """Learn the log-variance row of the convergence head, put it into the network, and return the fitted score.

    The direction is learnt on training people. What they teach is too sure of itself on others, so
    four numbers are fitted on validation people: how much of the variation is kept, its level, and
    the two parameters of the score's model.
    """
    learnt = states_of(network, training, spec, seed=seed)
    unseen = states_of(network, validation, spec, seed=seed)
    weight = _learn(learnt, seed)
    varying = unseen.certainty @ weight
    centre = float(varying.mean())
    kept, level, scoring = _calibrate(unseen, varying - centre, seed)
    network.set_log_variance(weight * kept, level - centre * kept)
    return scoring


def likelihood_ratio(
    cosine: Tensor, log_variance_a: Tensor, log_variance_b: Tensor, between: Tensor, dimensions: Tensor
) -> Tensor:
    """The runtime's match score, differentiable; see `crystaledge.identity.matching.likelihood_ratio_scores`."""
    total_a, total_b = between + log_variance_a.exp(), between + log_variance_b.exp()
    determinant = total_a * total_b - between**2
    distance = (total_a + total_b - 2.0 * between * cosine) / determinant - 1.0 / total_a - 1.0 / total_b
    return -0.5 * (dimensions * (determinant / (total_a * total_b)).log() + distance)


def states_of(network: CrystallizationNetwork, store: FrameStore, spec: Preprocessing, *, seed: int) -> States:
    """States of templates of mixed sizes, every other one from frames of which some are spoilt.

    No two templates share a frame, so that no genuine pair is a photograph compared with itself.
    """
    clean = encode_frames(network, store.pixels, spec)
    spoilt = encode_frames(network, degrade(store.pixels, DEGRADED_SHARE, seed=seed), spec)
    hidden, person = [], []
    for templates in cut_mixed_templates(store, SIZES, seed=seed):
        for first, encoded in enumerate((clean, spoilt)):
            if len(templates.person) > first:
                hidden.append(crystallize(network, encoded, templates.rows[first::2]).hidden[-1])
                person.append(torch.from_numpy(templates.person[first::2]))
    states = torch.cat(hidden)
    with torch.no_grad():
        certainty = network.certainty(states.to(network.device)).cpu()
    return States(states, certainty, torch.cat(person))


def cllr(score: Tensor, genuine: Tensor, impostor: Tensor) -> Tensor:
    """Cost of log-likelihood ratios in nats: ln(1 + exp(-s)) on genuine, ln(1 + exp(s)) on impostor pairs.

    Both kinds weigh the same; no evidence anywhere costs ln 2 (Brummer and du Preez, 2006).
    """
    return 0.5 * (functional.softplus(-score[genuine]).mean() + functional.softplus(score[impostor]).mean())


def _learn(states: States, seed: int) -> Tensor:
    start = unit_vector_scoring(states.hidden.shape[1])
    between, dimensions = torch.tensor(start.between_variance), torch.tensor(start.effective_dimensions)
    weight = torch.zeros(states.certainty.shape[1], requires_grad=True)
    bias = torch.tensor(-4.0, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=_LEARN_RATE, weight_decay=_WEIGHT_DECAY)
    for chosen in _batches(len(states.person), _LEARN_STEPS, seed):
        log_variance = states.certainty[chosen] @ weight + bias
        _descend(optimizer, states.hidden[chosen], states.person[chosen], log_variance, between, dimensions)
    return weight.detach()


def _calibrate(states: States, varying: Tensor, seed: int) -> tuple[float, float, Scoring]:
    """(share kept, level, score) with the least cost on these states; `varying` `(M,)` has mean 0."""
    length = states.hidden.shape[1]
    kept, level = torch.tensor(0.3, requires_grad=True), torch.tensor(-4.0, requires_grad=True)
    log_between = torch.tensor(math.log(0.5 / length), requires_grad=True)
    log_dimensions = torch.tensor(math.log(length), requires_grad=True)
    optimizer = torch.optim.Adam([kept, level, log_between, log_dimensions], lr=_CALIBRATE_RATE)
    for chosen in _batches(len(states.person), _CALIBRATE_STEPS, seed):
        hidden, person = states.hidden[chosen], states.person[chosen]
        log_variance = varying[chosen] * kept + level
        _descend(optimizer, hidden, person, log_variance, log_between.exp(), log_dimensions.exp())
    scoring = Scoring(
        kind=MatchScore.LIKELIHOOD_RATIO,
        between_variance=log_between.exp().item(),
        effective_dimensions=log_dimensions.exp().item(),
    )
    return kept.item(), level.item(), scoring


def _batches(count: int, steps: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield torch.randperm(count, generator=generator)[:_BATCH]


def _descend(
    optimizer: torch.optim.Optimizer,
    hidden: Tensor,
    person: Tensor,
    log_variance: Tensor,
    between: Tensor,
    dimensions: Tensor,
) -> None:
    identity = functional.normalize(hidden, dim=1)
    score = likelihood_ratio(identity @ identity.T, log_variance[:, None], log_variance, between, dimensions)
    same = person[:, None] == person
    loss = cllr(score, same & ~torch.eye(len(person), dtype=torch.bool), ~same)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
