"""One step of training: what its numbers depend on, and what it moves."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from crystaledge_training.schedule import learning_rate_factor
from crystaledge_training.student_teacher.module import VALIDATION_METRIC, StudentTeacherModule
from tests.training.student_teacher.builders import SIDE, TINY

BATCH = torch.randint(0, 256, (4, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Remembering(StudentTeacherModule):
    """Without a trainer: keeps what it would log, in an epoch that is given."""

    def at(self, epoch: int) -> Remembering:
        """Put it into an epoch."""
        self.logged: dict[str, Tensor] = {}
        self._fabric = cast("Any", None)
        self._trainer = cast("Any", SimpleNamespace(current_epoch=epoch))
        return self

    def log(self, name: str, value: Any, *arguments: Any, **options: Any) -> None:
        """Keep it."""
        self.logged[name] = value


@pytest.fixture
def module() -> Remembering:
    torch.manual_seed(2)
    return Remembering(TINY).at(0)


class TestTrainingStep:
    def test_is_a_function_of_seed_epoch_and_batch(self, module: Remembering) -> None:
        module.eval()  # batch statistics would move between two looks

        def loss(epoch: int, batch: int) -> float:
            torch.rand(3)
            return float(module.at(epoch).training_step(BATCH, batch).detach())

        assert loss(1, 2) == loss(1, 2)
        assert len({loss(1, 2), loss(1, 3), loss(2, 2)}) == 3

    def test_moves_the_student_alone(self, module: Remembering) -> None:
        module.train()
        module.training_step(BATCH, 0).backward()  # type: ignore[no-untyped-call]
        assert any(parameter.grad is not None for parameter in module.network.student.parameters())
        assert all(parameter.grad is None for parameter in module.network.teacher.parameters())

    def test_of_black_images_is_finite(self, module: Remembering) -> None:
        assert module.training_step(torch.zeros_like(BATCH), 0).isfinite()


def test_validation_is_the_sum_over_levels_of_unchanged_images(module: Remembering) -> None:
    module.eval()
    with torch.no_grad():
        module.validation_step(BATCH, 0)
        first = module.logged[VALIDATION_METRIC]
        module.at(3).validation_step(BATCH, 1)
        levels = module.network.distances(module._inputs(BATCH.float() / 255.0))
    assert torch.equal(first, module.logged[VALIDATION_METRIC])
    assert float(first) == pytest.approx(sum(float(level.mean()) for level in levels), rel=1e-5)


def test_the_schedule_moves_once_an_epoch_and_the_optimiser_has_the_student() -> None:
    module = StudentTeacherModule(replace(TINY, epochs=5, warmup_epochs=2, learning_rate=0.1))
    found = cast("dict[str, Any]", module.configure_optimizers())
    rates = []
    for _ in range(5):
        rates.append(found["optimizer"].param_groups[0]["lr"])
        found["optimizer"].step()
        found["lr_scheduler"].step()
    assert rates == pytest.approx([0.1 * learning_rate_factor(epoch, 5, 2) for epoch in range(5)])
    moved = {id(parameter) for group in found["optimizer"].param_groups for parameter in group["params"]}
    assert moved == {id(parameter) for parameter in module.network.student.parameters()}
