"""Every term against a naive recomputation, row by row."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crystaledge_training.distillation.config import LABELS_ALONE, LossWeights
from crystaledge_training.distillation.losses import (
    Answers,
    DistilLoss,
    LossTerms,
    cosine_loss,
    quality_loss,
    relation_loss,
)

ROWS, DIMENSIONS, PEOPLE = 10, 5, 4
SHARES = (6, 2, 2)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


def unit_rows(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(ROWS, DIMENSIONS, generator=generator), dim=1)


def answers(*, quality: Tensor | None = None, taught: bool = True, unit: Tensor | None = None) -> Answers:
    return Answers(unit_rows(0) if unit is None else unit, quality, unit_rows(1) if taught else None, LABELS, SHARES)


def loss_of(weights: LossWeights) -> DistilLoss:
    torch.manual_seed(0)
    return DistilLoss(people=PEOPLE, dimensions=DIMENSIONS, weights=weights)


def test_cosine_counts_severe_rows_less() -> None:
    unit, target = unit_rows(0), unit_rows(1)
    distance = [1 - float(a @ b) for a, b in zip(unit, target, strict=True)]
    expected = (sum(distance[:8]) + 0.4 * sum(distance[8:])) / ROWS
    assert float(cosine_loss(unit, target, 8, 0.4)) == pytest.approx(expected, rel=1e-5)


def test_relation_is_the_divergence_of_neighbourhoods() -> None:
    unit, target, temperature = unit_rows(0), unit_rows(1), 0.3
    total = 0.0
    for i in range(ROWS):
        others = [j for j in range(ROWS) if j != i]
        ours, theirs = ([math.exp(float(rows[i] @ rows[j]) / temperature) for j in others] for rows in (unit, target))
        for ours_j, theirs_j in zip(ours, theirs, strict=True):
            p, q = theirs_j / sum(theirs), ours_j / sum(ours)
            total += p * math.log(p / q)
    assert float(relation_loss(unit, target, temperature)) == pytest.approx(total / ROWS, rel=1e-4)


def test_relation_is_nothing_between_equals_and_blind_to_a_rotation() -> None:
    target = unit_rows(1)
    rotation = torch.linalg.qr(torch.randn(DIMENSIONS, DIMENSIONS)).Q
    assert float(relation_loss(target @ rotation, target, 0.1)) == pytest.approx(0.0, abs=1e-5)


class TestQuality:
    def test_is_least_at_the_inverse_of_the_distance(self) -> None:
        unit, target = unit_rows(0), unit_rows(1)
        best = -(1 - (unit * target).sum(1, keepdim=True)).log()
        least = float(quality_loss(unit, best, target))
        assert float(quality_loss(unit, best + 0.1, target)) > least
        assert float(quality_loss(unit, best - 0.1, target)) > least

    def test_teaches_the_embedding_nothing(self) -> None:
        unit, quality = unit_rows(0).requires_grad_(), torch.zeros(ROWS, 1, requires_grad=True)
        quality_loss(unit, quality, unit_rows(1)).backward()  # type: ignore[no-untyped-call]
        assert unit.grad is None
        assert quality.grad is not None
        assert float(quality.grad.abs().max()) > 0.0

    def test_stays_finite_where_the_student_is_right(self) -> None:
        assert math.isfinite(float(quality_loss(unit_rows(0), torch.full((ROWS, 1), 50.0), unit_rows(0))))


def naive_class_loss(unit: Tensor, classes: Tensor, weights: LossWeights) -> float:
    known = [*range(6), 8, 9]  # not the blends
    total, norm = 0.0, 0.0
    for row, label in zip(known, LABELS.tolist(), strict=True):
        cosines = [float(unit[row] @ c) / float(c.norm()) for c in classes]
        logits = [weights.scale * (c - weights.margin * (k == label)) for k, c in enumerate(cosines)]
        each = math.log(sum(map(math.exp, logits))) - logits[label]
        weight = weights.severe_classes if row >= 8 else 1.0
        total, norm = total + weight * each, norm + weight
    return total / norm / math.log(PEOPLE)


def naive_contrast(unit: Tensor, labels: list[int], temperature: float) -> float:
    total = 0.0
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        norm = sum(math.exp(float(unit[i] @ unit[j]) / temperature) for j in others)
        same = [j for j in others if labels[j] == label]
        logs = [float(unit[i] @ unit[j]) / temperature - math.log(norm) for j in same]
        total -= sum(logs) / len(logs)
    return total / len(labels)


class TestDistilLoss:
    def test_classes_are_a_margin_softmax_that_blends_have_no_part_in(self) -> None:
        weights = LossWeights()
        loss = loss_of(weights)
        expected = naive_class_loss(unit_rows(0), loss.margin_softmax.W.detach().T, weights)
        assert loss(answers()).classes.item() == pytest.approx(expected, rel=1e-4)

    def test_class_weights_start_at_length_three(self) -> None:
        torch.testing.assert_close(loss_of(LossWeights()).margin_softmax.W.norm(dim=0), torch.full((PEOPLE,), 3.0))

    def test_contrast_is_that_of_the_ordinary_rows(self) -> None:
        found = loss_of(LABELS_ALONE)(answers(taught=False)).contrast
        expected = naive_contrast(unit_rows(0)[:6], LABELS[:6].tolist(), LABELS_ALONE.temperature)
        assert float(found) == pytest.approx(expected, rel=1e-4)

    def test_total_is_the_weighted_sum(self) -> None:
        weights = LossWeights(cosine=2.0, relation=3.0, classes=5.0, contrast=7.0, quality=11.0)
        terms = loss_of(weights)(answers(quality=torch.full((ROWS, 1), 0.3)))
        expected = 2 * terms.cosine + 3 * terms.relation + 5 * terms.classes + 7 * terms.contrast + 11 * terms.quality
        torch.testing.assert_close(terms.total, expected)
        assert all(getattr(terms, name).item() != 0.0 for name in LossTerms.__slots__)

    def test_without_a_teacher_nothing_is_asked_of_it(self) -> None:
        terms = loss_of(LossWeights(contrast=0.0))(answers(taught=False))
        assert [float(t) for t in (terms.cosine, terms.relation, terms.quality, terms.contrast)] == [0.0] * 4
        torch.testing.assert_close(terms.total, 0.2 * terms.classes)

    @pytest.mark.parametrize("name", ["cosine", "relation", "classes", "contrast", "quality"])
    def test_a_weight_of_zero_leaves_a_term_out(self, name: str) -> None:
        weights = replace(LossWeights(contrast=1.0), **{name: 0.0})
        terms = loss_of(weights)(answers(quality=torch.zeros(ROWS, 1)))
        assert getattr(terms, name).item() == 0.0
        assert terms.total.item() > 0.0

    def test_every_part_learns(self) -> None:
        loss, unit = loss_of(LossWeights(contrast=1.0)), unit_rows(0).requires_grad_()
        loss(answers(unit=unit)).total.backward()
        assert unit.grad is not None
        assert float(unit.grad.norm(dim=1).min()) > 0.0
        assert float(loss.margin_softmax.W.grad.norm(dim=0).min()) > 0.0
