"""The student's epochs: which batches Lightning gets, which epoch is kept, and when it is time to stop."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from crystaledge_training.lightning_checkpoint import SafetensorsCheckpointIO
from crystaledge_training.student_teacher.images import ResizedImages
from crystaledge_training.student_teacher.module import VALIDATION_METRIC, StudentTeacherModule
from crystaledge_training.student_teacher.train_student import BestStudent, NormalImages, train_student
from crystaledge_training.trainer import LAST, epochs_done
from tests.training.student_teacher.builders import LIGHTNING_WARNINGS, TINY, draw_parts

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResizedImages, ResizedImages]:
    root = draw_parts(tmp_path_factory.mktemp("parts"), train=11)
    paths = sorted((root / "train" / "good").iterdir())
    return ResizedImages(paths[:9], TINY.preprocessing), ResizedImages(paths[9:], TINY.preprocessing)


def after_epochs(best: BestStudent, values: list[float]) -> list[bool]:
    """Show the callback one watched distance an epoch; whether it asked to stop after each."""
    module = StudentTeacherModule(TINY)
    asked = []
    for epoch, value in enumerate(values):
        trainer = SimpleNamespace(
            callback_metrics={VALIDATION_METRIC: value}, current_epoch=epoch, max_epochs=99, should_stop=False
        )
        best.on_validation_end(cast("Any", trainer), module)
        asked.append(trainer.should_stop)
    return asked


class TestBest:
    def test_is_the_epoch_with_the_smallest_distance(self, tmp_path: Path) -> None:
        best = BestStudent(tmp_path / "s", patience=9, say=lambda line: None)
        assert not any(after_epochs(best, [3.0, 1.0, 2.0, 1.0]))
        assert (best.epoch, best.best) == (1, 1.0)
        assert "student.stem.0.weight" in SafetensorsCheckpointIO().load_checkpoint(tmp_path / "s")["network"]

    def test_that_does_not_get_better_is_waited_for_as_long_as_said(self, tmp_path: Path) -> None:
        best = BestStudent(tmp_path / "s", patience=2, say=lambda line: None)
        assert after_epochs(best, [3.0, 1.0, 2.0, 2.0]) == [False, False, False, True]
        assert best.has_waited(4) and not best.has_waited(3)

    def test_is_no_epoch_without_a_finite_distance(self, tmp_path: Path) -> None:
        best = BestStudent(tmp_path / "s", patience=2, say=lambda line: None)
        assert after_epochs(best, [math.nan, math.inf, math.nan]) == [False, True, True]
        assert best.epoch == -1 and not (tmp_path / "s").exists()

    def test_says_a_line_an_epoch(self, tmp_path: Path) -> None:
        lines: list[str] = []
        after_epochs(BestStudent(tmp_path / "s", patience=9, say=lines.append), [3.0, 1.25])
        assert lines[1] == "epoch 2 of 99: watched distance 1.2500"


def test_batches_are_those_of_the_epoch(images: tuple[ResizedImages, ResizedImages]) -> None:
    module = NormalImages(*images, TINY)
    batches = list(module.train_dataloader())
    assert [len(batch) for batch in batches] == [4, 4], "a last batch of one is left out"
    assert batches[0].dtype == torch.uint8
    module.trainer = cast("Any", SimpleNamespace(current_epoch=1))
    assert not torch.equal(torch.cat(list(module.train_dataloader())), torch.cat(batches))
    assert [len(batch) for batch in module.val_dataloader()] == [2]


def test_no_more_is_trained_than_is_asked_for(images: tuple[ResizedImages, ResizedImages], tmp_path: Path) -> None:
    lines: list[str] = []
    for epochs in (1, 1, 2):
        best = train_student(TINY, *images, tmp_path, epochs=epochs, progress=False, say=lines.append)
    assert [line.split(":")[0] for line in lines] == ["epoch 1 of 1", "epoch 2 of 2"]
    assert epochs_done(tmp_path / LAST) == 2
    assert best.best < math.inf and best.seconds > 0.0


def test_the_teacher_stays_and_its_units_are_measured(
    images: tuple[ResizedImages, ResizedImages], tmp_path: Path
) -> None:
    torch.manual_seed(TINY.seed)
    before = StudentTeacherModule(TINY).network.state_dict()
    best = train_student(TINY, *images, tmp_path, epochs=1, progress=False, say=lambda line: None)
    after = SafetensorsCheckpointIO().load_checkpoint(best.path)["network"]
    moved = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved == {"student", "units"}
