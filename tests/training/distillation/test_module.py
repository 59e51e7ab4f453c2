"""The schedule, what decays and how fast it moves, and that the average follows every step."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from crystaledge_training.data.frames import FrameStore
from crystaledge_training.distillation.average import decay_at
from crystaledge_training.distillation.batches import EpochOfDraws
from crystaledge_training.distillation.classroom import Classroom, Teaching
from crystaledge_training.distillation.config import DistilConfig
from crystaledge_training.distillation.module import DistillationModule, learning_rate_at
from tests.training.builders import scene_store
from tests.training.distillation.builders import DIMENSIONS, TINY_CONFIG, TinyEncoder, TinyTeacher
from tests.training.distillation.test_classroom import lessons_of


@pytest.fixture
def module(ten_people: FrameStore) -> DistillationModule:
    torch.manual_seed(0)
    teaching = Teaching(TinyTeacher(), lessons_of(ten_people), DIMENSIONS)
    classroom = Classroom(TINY_CONFIG, ten_people, teaching)
    made = DistillationModule(
        TINY_CONFIG, TinyEncoder(), classroom, people=len(ten_people.names), validation=scene_store([3] * 4)
    )
    made.log = made.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    return made


class TestSchedule:
    def test_rises_for_the_warm_up_and_falls_to_half_a_percent(self) -> None:
        config = DistilConfig(epochs=10, steps_per_epoch=100)
        rates = [learning_rate_at(step, config) for step in range(config.steps)]
        peak = rates.index(max(rates))
        assert 30 <= peak <= 45
        assert all(a < b for a, b in pairwise(rates[:peak]))
        assert all(a > b for a, b in pairwise(rates[peak:]))
        assert rates[-1] == pytest.approx(0.005)
        assert learning_rate_at(config.steps + 5, config) == pytest.approx(0.005)

    @pytest.mark.parametrize("step", [0, 3, 17, 500, 998])
    def test_is_the_product_of_both(self, step: int) -> None:
        progress = (step + 1) / 1000
        expected = min(1.0, progress / 0.04) * (0.005 + 0.995 * (1 + math.cos(math.pi * progress)) / 2)
        assert learning_rate_at(step, DistilConfig(epochs=10, steps_per_epoch=100)) == pytest.approx(expected)


def test_matrices_decay_and_class_weights_move_faster(module: DistillationModule) -> None:
    optimizer: Any = module.configure_optimizers()["optimizer"]  # type: ignore[index,call-overload]
    decayed, plain, classes = optimizer.param_groups
    names = {id(p): n for n, p in module.named_parameters()}
    found = [{names[id(p)] for p in group["params"]} for group in (decayed, plain, classes)]
    assert found == [
        {"encoder.stem.0.weight", "encoder.embedding.weight", "encoder.quality.weight"},
        {"encoder.stem.0.bias", "encoder.stem.1.weight", "encoder.stem.1.bias", "encoder.quality.bias"},
        {"loss.margin_softmax.W"},
    ]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-3, 0.0, 0.0]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [4e-3, 4e-3, 2e-2]


class TestStep:
    def batch(self, store: FrameStore) -> Any:
        return next(iter(EpochOfDraws(store.person, TINY_CONFIG.batch, steps=1, seed=0, epoch=0)))

    def test_loss_repeats_and_reaches_every_number(self, module: DistillationModule, ten_people: FrameStore) -> None:
        losses = []
        for _ in range(2):
            torch.rand(5)  # whatever was drawn before
            losses.append(module.training_step(self.batch(ten_people), 0))
        # Batch norm uses the batch while it trains, so the second step sees the same numbers.
        assert losses[0].item() == losses[1].item()
        losses[0].backward()  # type: ignore[no-untyped-call]
        for name, parameter in module.named_parameters():
            if name.startswith("average."):
                assert parameter.grad is None
            else:
                assert parameter.grad is not None, name
                assert float(parameter.grad.abs().max()) > 0.0, name

    def test_another_batch_number_draws_other_views(self, module: DistillationModule, ten_people: FrameStore) -> None:
        first, second = (module.training_step(self.batch(ten_people), index).item() for index in (0, 1))
        assert first != second

    def test_the_average_follows_after_each_batch(self, module: DistillationModule, ten_people: FrameStore) -> None:
        weight = module.encoder.get_parameter("embedding.weight")
        module.on_train_batch_end(None, self.batch(ten_people), 0)
        first = weight.detach().clone()
        with torch.no_grad():
            weight.add_(1.0)
        module.on_train_batch_end(None, self.batch(ten_people), 1)
        found = module.average.module
        assert isinstance(found, nn.Module)
        keep = decay_at(1, TINY_CONFIG.average_decay)
        torch.testing.assert_close(found.get_parameter("embedding.weight"), keep * first + (1 - keep) * weight.detach())
