"""Whole runs of a student on drawn parts: stopping and going on ends where an uninterrupted run ends, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from crystaledge.anomaly.scoring import Scoring
from crystaledge.anomaly.spec import AnomalyDecision
from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.anomaly.look import look_at
from crystaledge_training.checkpoint import Checkpoint, read_checkpoint
from crystaledge_training.data.anomaly_set import AnomalySet, read_anomaly_set
from crystaledge_training.run_folder import RUN
from crystaledge_training.student_teacher.load import student_teacher_from_checkpoint
from crystaledge_training.student_teacher.module import VALIDATION_METRIC
from crystaledge_training.student_teacher.split import split_normal
from crystaledge_training.student_teacher.train import StudentTeacherTrainRequest, StudentTeacherTrainResult, train
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from crystaledge_training.student_teacher.train_student import STUDENT
from crystaledge_training.trainer import LAST
from tests.support.messages import message_of
from tests.training.student_teacher.builders import LIGHTNING_WARNINGS, TINY, draw_parts

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> AnomalySet:
    return read_anomaly_set(draw_parts(tmp_path_factory.mktemp("parts")))


def run_of(
    data: AnomalySet,
    out: Path,
    *,
    config: StudentTeacherTrainConfig = TINY,
    stop_after: int | None = None,
    force: bool = False,
) -> StudentTeacherTrainRequest:
    return StudentTeacherTrainRequest(
        data=data, data_licence="none", out=out, config=config, stop_after=stop_after, progress=False, force=force
    )


def trained(request: StudentTeacherTrainRequest) -> tuple[StudentTeacherTrainResult, Checkpoint]:
    result = train(request)
    assert result.checkpoint is not None
    return result, read_checkpoint(result.checkpoint)


@pytest.fixture(scope="module")
def whole(data: AnomalySet, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudentTeacherTrainResult, Checkpoint]:
    """A run that was never stopped."""
    return trained(run_of(data, tmp_path_factory.mktemp("runs") / "whole"))


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


class TestResume:
    def test_equal_runs_give_equal_bytes_apart_from_seconds(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint], tmp_path: Path
    ) -> None:
        torch.rand(1)  # another process is somewhere else in its random numbers
        _, found = trained(run_of(data, tmp_path / "again"))
        assert_same(found.weights, whole[1].weights)
        assert replace(found.record, provenance=whole[1].record.provenance) == whole[1].record

    @pytest.mark.parametrize("stop_after", [1, 2])
    def test_a_stopped_run_ends_where_a_whole_one_ends(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint], tmp_path: Path, stop_after: int
    ) -> None:
        first = train(run_of(data, tmp_path / "run", stop_after=stop_after))
        assert (first.checkpoint, first.epochs_done) == (None, stop_after)
        assert not (tmp_path / "run" / "best.safetensors").exists()
        second, found = trained(run_of(data, tmp_path / "run"))
        assert_same(found.weights, whole[1].weights)
        assert found.record.decision == whole[1].record.decision
        assert (second.best_epoch, second.watched_distance) == (whole[0].best_epoch, whole[0].watched_distance)

    def test_of_a_finished_run_changes_nothing(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint]
    ) -> None:
        assert whole[0].checkpoint is not None
        _, again = trained(run_of(data, whole[0].checkpoint.parent))
        assert again.sha256 == whole[1].sha256


class TestPatience:
    def test_ends_a_training_that_gets_no_better(self, data: AnomalySet, tmp_path: Path) -> None:
        hopeless = replace(TINY, epochs=9, patience=1, learning_rate=1e-12, warmup_epochs=0)
        result, checkpoint = trained(run_of(data, tmp_path / "run", config=hopeless))
        assert result.epochs_done == result.best_epoch + 2 < 9
        assert checkpoint.record.provenance.epochs == result.epochs_done
        again, same = trained(run_of(data, tmp_path / "run", config=hopeless))
        assert (again.epochs_done, same.sha256) == (result.epochs_done, checkpoint.sha256)

    def test_of_no_finite_epoch_says_so(self, data: AnomalySet, tmp_path: Path) -> None:
        wild = replace(TINY, epochs=2, learning_rate=1e30, warmup_epochs=0)
        with pytest.raises(DataError, match="lower the learning rate"):
            train(run_of(data, tmp_path / "run", config=wild))
        assert not (tmp_path / "run" / "best.safetensors").exists()


class TestRefuses:
    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_too_few_normal_images(self, data: AnomalySet, tmp_path: Path, count: int) -> None:
        with pytest.raises(DataError) as raised:
            train(run_of(replace(data, train=data.train[:count]), tmp_path / "run"))
        assert "normal images; a student needs at least 3" in message_of(raised)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("row", range(4))
    def test_an_image_that_cannot_be_read_before_anything_is_written(self, tmp_path: Path, row: int) -> None:
        broken = read_anomaly_set(draw_parts(tmp_path / "parts", train=4))
        broken.train[row].write_bytes(b"no image")
        with pytest.raises(DataError, match=broken.train[row].name):
            train(run_of(broken, tmp_path / "run"))
        assert not (tmp_path / "run").exists()

    def test_an_image_of_one_colour(self, tmp_path: Path) -> None:
        dull = read_anomaly_set(draw_parts(tmp_path / "parts", train=4))
        assert cv2.imwrite(str(dull.train[2]), np.full((48, 48, 3), 90, np.uint8))
        with pytest.raises(DataError, match="of one colour"):
            train(run_of(dull, tmp_path / "run"))
        assert not (tmp_path / "run").exists()

    def test_images_beyond_memory(self, data: AnomalySet, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Give a smaller size"):
            train(run_of(data, tmp_path / "run", config=replace(TINY, size_hw=(9000, 9000))))
        assert not (tmp_path / "run").exists()

    def test_another_configuration_or_other_data(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint]
    ) -> None:
        assert whole[0].checkpoint is not None
        out = whole[0].checkpoint.parent
        before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
        for request in (
            run_of(data, out, config=replace(TINY, seed=6)),
            run_of(data, out, config=replace(TINY, holdout=0.3)),
            run_of(replace(data, train=data.train[1:]), out),
        ):
            with pytest.raises(DataError, match="holds another run"):
                train(request)
        assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before

    def test_to_delete_what_it_reads(self, tmp_path: Path) -> None:
        data = read_anomaly_set(draw_parts(tmp_path / "run" / "parts"))
        (tmp_path / "run" / RUN).write_text("{}")
        with pytest.raises(DataError, match="would delete"):
            train(run_of(data, tmp_path / "run", force=True))
        assert all(path.exists() for path in data.train)

    def test_force_starts_again(self, data: AnomalySet, tmp_path: Path) -> None:
        train(run_of(data, tmp_path / "run", stop_after=1))
        result = train(run_of(data, tmp_path / "run", config=replace(TINY, seed=6), stop_after=1, force=True))
        assert result.epochs_done == 1


class TestCheckpoint:
    def test_folder_holds_what_a_run_needs(self, whole: tuple[StudentTeacherTrainResult, Checkpoint]) -> None:
        assert whole[0].checkpoint is not None
        names = {path.name for path in whole[0].checkpoint.parent.iterdir()}
        assert names == {"best.safetensors", STUDENT, LAST, RUN, "tensorboard"}

    def test_says_where_the_weights_come_from(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint]
    ) -> None:
        result, (record, provenance) = whole[0], (whole[1].record, whole[1].record.provenance)
        assert record.system is System.STUDENT_TEACHER
        assert (record.network, record.preprocessing) == (TINY.network, TINY.preprocessing)
        assert (provenance.data, provenance.licence) == (data.description, "none")
        assert (provenance.images_trained, provenance.images_validated) == (12, 4)
        assert (provenance.people_trained, provenance.epochs) == (0, 3)
        assert "random" in provenance.outside_data
        assert dict(record.validation) == {VALIDATION_METRIC: result.watched_distance}

    def test_threshold_lies_above_the_held_out_images(
        self, data: AnomalySet, whole: tuple[StudentTeacherTrainResult, Checkpoint]
    ) -> None:
        decision = whole[1].record.decision
        assert isinstance(decision, AnomalyDecision)
        held_out = split_normal(data.train, holdout=TINY.holdout, watched=TINY.watched, seed=TINY.seed).held_out
        network = student_teacher_from_checkpoint(whole[1])
        looks = look_at(network, held_out, TINY.preprocessing, Scoring(blur_cells=TINY.blur_cells))
        scores = [look.scored.raw for look in looks]
        assert decision.held_out == len(scores) == 3
        assert max(scores) < decision.threshold <= np.nextafter(np.float32(max(scores)), np.float32(np.inf))
        assert decision.calibrated_on == f"3 held-out normal images of folder {data.root.name!r}"

    def test_levels_are_scaled_and_the_teacher_is_the_checkpoints_own(
        self, whole: tuple[StudentTeacherTrainResult, Checkpoint]
    ) -> None:
        assert (whole[1].weights["level_scale"] != 1.0).all()
        network = student_teacher_from_checkpoint(whole[1])
        assert not any(part.training for part in network.modules())
        assert not any(parameter.requires_grad for parameter in network.teacher.parameters())
