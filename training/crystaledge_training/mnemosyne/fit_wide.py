"""Fits what the wide variant has beside its encoder's body: the embedding's directions, quality, and the evidence sum.

A minute each on one core, on features that were computed once; the encoder's body stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from crystaledge_training.mnemosyne.rollout import absorb_all
from crystaledge_training.mnemosyne.wide import WideMnemosyne
from crystaledge_training.mnemosyne.wide_sequences import SequenceConfig, Sequences, SequenceSource
from crystaledge_training.mnemosyne.wide_views import Views

_START_LOG_SCALE = 2.7
"""Of the cosines in the softmax; learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """Both fits."""

    metric_steps: int = 1500
    metric_people: int = 256
    metric_learning_rate: float = 3e-3
    evidence_steps: int = 2000
    evidence_people: int = 192
    evidence_learning_rate: float = 1e-2
    mean_share: float = 0.1
    """Share of the quality-weighted mean in the evidence's loss: quality serves it too, and it is no straw man."""
    sequences: SequenceConfig = SequenceConfig()
    seed: int = 42


def fit_metric(network: WideMnemosyne, views: Views, config: FitConfig) -> float:
    """Turn the embedding towards what tells people apart; the body that feeds it stays. Returns the last loss.

    A distilled embedding repeats its teacher; labels say which of its directions matter (InfoNCE, van den Oord et al.,
    2018, between single views of two images of a person).
    """
    alone = SequenceConfig(lengths=(1,), worst_share=0.5, strangers=0.0)
    source = SequenceSource(views, alone, seed=config.seed)
    layer = network.encoder.embedding

    def loss_of(drawn: Sequences, scale: Tensor) -> Tensor:
        embedded = layer(views.features[drawn.view[:, 0], drawn.row[:, 0]])
        return contrast(embedded, scale)

    batches = (source.draw(config.metric_people) for _ in range(config.metric_steps))
    return _descend(layer.parameters(), batches, loss_of, config.metric_steps, config.metric_learning_rate)


def fit_evidence(network: WideMnemosyne, views: Views, config: FitConfig) -> float:
    """Fit quality and evidence so that states of one person agree, whatever their sequences; returns the last loss."""
    source = SequenceSource(views, config.sequences, seed=config.seed + 1)
    with torch.no_grad():
        encodings = network.encoder.embedding(views.features)

    def loss_of(drawn: Sequences, scale: Tensor) -> Tensor:
        encoding = encodings[drawn.view, drawn.row].transpose(0, 1)
        quality = network.quality_of(views.features[drawn.view, drawn.row]).transpose(0, 1)
        valid = drawn.valid.transpose(0, 1)
        states = absorb_all(network, encoding, quality, valid).hidden[-1]
        mean = (functional.normalize(encoding, dim=2) * quality * valid.unsqueeze(2)).sum(dim=0)
        return (1.0 - config.mean_share) * contrast(states, scale) + config.mean_share * contrast(mean, scale)

    batches = (source.draw(config.evidence_people) for _ in range(config.evidence_steps))
    learnt = [*network.quality.parameters(), *network.evidence.parameters()]
    return _descend(learnt, batches, loss_of, config.evidence_steps, config.evidence_learning_rate)


def contrast(embedded: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE both ways between the first half of `(2 B, D)` and the second: row b belongs to row B + b."""
    first, second = functional.normalize(embedded, dim=1).chunk(2)
    logits = scale.exp() * (first @ second.T)
    own = torch.arange(len(first), device=first.device)
    return 0.5 * (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own))


def _descend(
    learnt: Iterable[nn.Parameter],
    batches: Iterable[Sequences],
    loss_of: Callable[[Sequences, Tensor], Tensor],
    steps: int,
    learning_rate: float,
) -> float:
    scale = torch.tensor(_START_LOG_SCALE, requires_grad=True)
    parameters = [*learnt, scale]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    recent = 0.0
    for batch in batches:
        loss = loss_of(batch, scale)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        recent += 0.01 * (loss.item() - recent)
    return recent
