"""Losses of the detector: known values, gradients that go the right way, and nothing from cells that do not count."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crystaledge_training.phantom import losses
from crystaledge_training.phantom.assign import Targets, assign, decode
from crystaledge_training.phantom.losses import detection_loss, focal_loss, giou
from crystaledge_training.phantom.network import Maps

Box = tuple[float, float, float, float]


def boxes() -> st.SearchStrategy[Box]:
    side, place = st.floats(0.5, 30.0), st.floats(-20.0, 20.0)
    return st.tuples(place, place, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def naive_giou(a: Box, b: Box) -> float:
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return overlap / union - (hull - union) / hull


class TestFocalLoss:
    def test_known_values(self) -> None:
        loss = focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0]), alpha=0.25, gamma=2.0)
        assert loss.tolist() == pytest.approx([0.25 * 0.25 * math.log(2.0), 0.75 * 0.25 * math.log(2.0)])
        assert loss.tolist() == pytest.approx([0.043322, 0.129965], abs=1e-6)

    @settings(deadline=None)
    @given(st.floats(-30.0, 30.0), st.booleans(), st.floats(0.05, 0.95), st.floats(0.0, 4.0))
    def test_is_equation_5(self, logit: float, positive: bool, alpha: float, gamma: float) -> None:
        probability = 1.0 / (1.0 + math.exp(-logit))
        right = probability if positive else 1.0 / (1.0 + math.exp(logit))
        wrong = 1.0 / (1.0 + math.exp(logit if positive else -logit))
        expected = (alpha if positive else 1.0 - alpha) * wrong**gamma * -math.log(right)
        given_logit, target = torch.tensor([logit], dtype=torch.float64), torch.tensor([float(positive)])
        found = focal_loss(given_logit, target.double(), alpha=alpha, gamma=gamma)
        assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)

    @pytest.mark.parametrize("target", [0.0, 1.0])
    def test_is_finite_with_its_gradient_for_any_logit(self, target: float) -> None:
        logit = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
        loss = focal_loss(logit, torch.full((5,), target), alpha=0.25, gamma=2.0)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite().all()
        assert logit.grad is not None and logit.grad.isfinite().all()
        wrong = -1e4 if target else 1e4
        assert loss.max().item() == pytest.approx((0.25 if target else 0.75) * abs(wrong))

    def test_pushes_positives_up_and_negatives_down(self) -> None:
        logit = torch.linspace(-4, 4, 9, requires_grad=True)
        for target, sign in ((1.0, -1.0), (0.0, 1.0)):
            (gradient,) = torch.autograd.grad(
                focal_loss(logit, torch.full((9,), target), alpha=0.5, gamma=2.0).sum(), logit
            )
            assert (gradient * sign > 0).all()


class TestGiou:
    @settings(deadline=None)
    @given(boxes(), boxes())
    def test_agrees_with_its_definition_both_ways(self, a: Box, b: Box) -> None:
        first, second = torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)
        value = giou(first, second).item()
        assert value == pytest.approx(naive_giou(a, b), abs=1e-9)
        assert value == pytest.approx(giou(second, first).item(), abs=1e-12)
        assert -1.0 <= value <= 1.0

    def test_of_equal_boxes_is_one(self) -> None:
        box = torch.tensor([[1.0, 2.0, 5.0, 9.0]])
        assert giou(box, box).item() == pytest.approx(1.0)

    def test_draws_boxes_that_do_not_touch_together(self) -> None:
        # The original's loss is one in name alone: its gradient is that of squared differences.
        box, goal = torch.tensor([[0.0, 0.0, 4.0, 4.0]], requires_grad=True), torch.tensor([[20.0, 0.0, 24.0, 4.0]])
        giou(box, goal).sum().backward()  # type: ignore[no-untyped-call]
        assert box.grad is not None
        assert box.grad[0, 2] > 0.0  # more to the right is better


def maps_of(logit: Tensor, box: Tensor) -> Maps:
    return Maps(logit[:, None], box, torch.zeros(len(logit), 1, *logit.shape[1:]))


class TestDetectionLoss:
    FACE = torch.tensor([[[20.0, 8.0, 32.0, 20.0]]])

    def targets(self, kind: int = 1) -> Targets:
        return assign(self.FACE, torch.tensor([[kind]]), (6, 10))

    def test_cells_that_do_not_count_have_no_gradient(self) -> None:
        logit = torch.zeros(1, 6, 10, requires_grad=True)
        box = torch.zeros(1, 4, 6, 10, requires_grad=True)
        targets = self.targets(kind=0)
        loss = detection_loss(maps_of(logit, box), targets)
        (loss.classes + loss.boxes).backward()  # type: ignore[no-untyped-call]
        assert logit.grad is not None
        assert torch.equal(logit.grad != 0, targets.counts)
        assert not targets.counts.all()
        assert box.grad is None or not box.grad.any()

    def test_negative_cells_have_no_box(self) -> None:
        box = torch.zeros(1, 4, 6, 10, requires_grad=True)
        targets = self.targets()
        detection_loss(maps_of(torch.zeros(1, 6, 10), box), targets).boxes.backward()  # type: ignore[no-untyped-call]
        assert box.grad is not None
        assert torch.equal(box.grad.abs().sum(dim=1) > 0, targets.positive)

    def test_is_that_of_a_positive_cell_on_average(self) -> None:
        targets = self.targets()
        positives = int(targets.positive.sum())
        maps = maps_of(torch.zeros(1, 6, 10), torch.zeros(1, 4, 6, 10))
        loss = detection_loss(maps, targets)
        cells = int(targets.counts.sum())
        assert loss.classes.item() == pytest.approx(cells * 0.5 * 0.25 * math.log(2.0) / positives, rel=1e-5)
        own = decode(maps.box)[targets.positive]
        assert loss.boxes.item() == pytest.approx((1 - giou(own, targets.box_xyxy)).mean().item(), rel=1e-5)

    def test_twice_the_same_picture_is_the_same_loss(self) -> None:
        generator = torch.Generator().manual_seed(0)
        logit, box = torch.randn(1, 6, 10, generator=generator), torch.randn(1, 4, 6, 10, generator=generator)
        once = detection_loss(maps_of(logit, box), self.targets())
        targets = assign(self.FACE.repeat(2, 1, 1), torch.ones(2, 1), (6, 10))
        twice = detection_loss(maps_of(logit.repeat(2, 1, 1), box.repeat(2, 1, 1, 1)), targets)
        assert [v.item() for v in twice] == pytest.approx([v.item() for v in once], rel=1e-5)

    def test_without_a_face_there_is_a_loss_and_no_division_by_nothing(self) -> None:
        loss = detection_loss(maps_of(torch.zeros(1, 6, 10), torch.zeros(1, 4, 6, 10)), self.targets(kind=-1))
        assert loss.boxes.item() == 0.0
        assert loss.classes.isfinite()

    def test_a_perfect_answer_costs_nothing_but_does_where_axes_are_not_moved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The original reshaped (4, h, w) to (h * w, 4) without moving axes, so that a perfect map cost something.
        targets = self.targets()
        row, column = targets.positive[0].nonzero().unbind(1)
        x1, y1, x2, y2 = self.FACE[0, 0]
        box = torch.zeros(1, 4, 6, 10)
        box[0, 0, row, column] = ((x1 + x2) / 2 - (column * 4 + 2)) / 4
        box[0, 1, row, column] = ((y1 + y2) / 2 - (row * 4 + 2)) / 4
        box[0, 2, row, column] = ((x2 - x1) / 4).log()
        box[0, 3, row, column] = ((y2 - y1) / 4).log()
        logit = torch.where(targets.positive, 50.0, -50.0)
        loss = detection_loss(maps_of(logit, box), targets)
        assert loss.boxes.item() == pytest.approx(0.0, abs=1e-5)
        assert loss.classes.item() == pytest.approx(0.0, abs=1e-6)
        monkeypatch.setattr(losses, "decode", _decode_without_moving_axes)
        assert detection_loss(maps_of(logit, box), targets).boxes.item() > 0.3


def _decode_without_moving_axes(box: Tensor) -> Tensor:
    batch, _, height, width = box.shape
    return decode(box.reshape(batch, height, width, 4).permute(0, 3, 1, 2))
