"""Batches that fit into memory, and sizes that no training should begin with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crystaledge.errors import DataError, UsageError
from crystaledge_training.student_teacher.config import StudentKind, StudentTeacherConfig
from crystaledge_training.student_teacher.limits import batch_size_of
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig
from tests.support.messages import message_of

DEFAULT = StudentTeacherTrainConfig()


def at(side: int, student: StudentKind = StudentKind.LIGHT) -> StudentTeacherTrainConfig:
    return replace(DEFAULT, size_hw=(side, side), network=StudentTeacherConfig(student=student))


def test_usual_sizes_keep_their_batch() -> None:
    assert batch_size_of(at(256)) == batch_size_of(at(256, StudentKind.TWIN)) == DEFAULT.batch_size


def test_large_images_come_fewer_at_once_and_a_dearer_student_sees_fewer_still() -> None:
    light, twin = batch_size_of(at(1024)), batch_size_of(at(768, StudentKind.TWIN))
    assert 2 <= light < DEFAULT.batch_size
    assert 2 <= twin < batch_size_of(at(768))


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError) as raised:
        batch_size_of(at(4096))
    assert "4096 x 4096 px need about 12.5 GiB" in message_of(raised)


@pytest.mark.parametrize("size_hw", [(16, 256), (256, 16), (1, 1)])
def test_images_of_one_cell_are_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(UsageError) as raised:
        batch_size_of(replace(DEFAULT, size_hw=size_hw))
    assert "stride 16" in message_of(raised)
    assert batch_size_of(at(17)) == DEFAULT.batch_size
