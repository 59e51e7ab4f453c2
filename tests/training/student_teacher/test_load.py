"""From a checkpoint to a network: the one that it describes, or a clear refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crystaledge.errors import DataError
from crystaledge.system import System
from crystaledge_training.checkpoint import SCHEMA_VERSION, Checkpoint, CheckpointRecord, TrainingProvenance
from crystaledge_training.patchcore.config import PatchCoreConfig
from crystaledge_training.student_teacher.load import student_teacher_config, student_teacher_from_checkpoint
from crystaledge_training.student_teacher.network import StudentTeacher
from tests.support.messages import message_of
from tests.training.student_teacher.builders import TINY, TINY_PAIR

PROVENANCE = TrainingProvenance(
    package_version="0",
    torch_version="0",
    seed=0,
    epochs=1,
    best_epoch=0,
    training_seconds=0.0,
    data="drawn parts",
    outside_data="none",
    people_trained=0,
    people_validated=0,
    licence="none",
)


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(4)
    record = CheckpointRecord(
        schema_version=SCHEMA_VERSION,
        system=System.STUDENT_TEACHER,
        network=TINY_PAIR,
        preprocessing=TINY.preprocessing,
        decision=None,
        provenance=PROVENANCE,
        validation=(),
    )
    return Checkpoint(record, dict(StudentTeacher(TINY_PAIR).state_dict()), "0" * 64)


def test_gives_back_the_network_in_inference_mode(checkpoint: Checkpoint) -> None:
    network = student_teacher_from_checkpoint(checkpoint)
    assert student_teacher_config(checkpoint) == network.config == TINY_PAIR
    assert not any(part.training for part in network.modules())
    assert all(torch.equal(checkpoint.weights[name], tensor) for name, tensor in network.state_dict().items())


def test_of_another_system_is_refused(checkpoint: Checkpoint) -> None:
    for other in (
        replace(checkpoint.record, system=System.PATCHCORE),
        replace(checkpoint.record, network=PatchCoreConfig()),
    ):
        with pytest.raises(DataError) as raised:
            student_teacher_from_checkpoint(replace(checkpoint, record=other))
        assert "not of student_teacher" in message_of(raised)


def test_weights_of_other_sizes_are_refused(checkpoint: Checkpoint) -> None:
    wider = replace(checkpoint.record, network=replace(TINY_PAIR, width=2))
    with pytest.raises(DataError) as raised:
        student_teacher_from_checkpoint(replace(checkpoint, record=wider))
    assert "do not fit its record" in message_of(raised)


@pytest.mark.parametrize("name", ["level_scale", "units.0.gain", "student.stem.0.weight", "teacher.stages.0.0.bias"])
def test_values_that_are_not_finite_are_refused(checkpoint: Checkpoint, name: str) -> None:
    checkpoint.weights[name].view(-1)[0] = float("inf")
    with pytest.raises(DataError) as raised:
        student_teacher_from_checkpoint(checkpoint)
    assert name in message_of(raised)
