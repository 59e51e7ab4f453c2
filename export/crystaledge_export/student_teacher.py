"""Export description of StudentTeacher: teacher, student and their difference in one graph."""

from __future__ import annotations

from crystaledge.systems.anomaly_contract import DISTANCE
from crystaledge_export.anomaly import (
    INTENDED_USE,
    LIMITS,
    cells_of,
    decision_lines,
    describe_anomaly,
)
from crystaledge_export.description import StepDescription, SystemExport
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.parameters import frozen_too
from crystaledge_training.student_teacher.load import student_teacher_config, student_teacher_from_checkpoint


def describe(checkpoint: Checkpoint) -> tuple[StepDescription, ...]:
    """The one graph of a checkpoint."""
    config, spec = student_teacher_config(checkpoint), checkpoint.record.preprocessing
    outputs = [(DISTANCE, (1, *cells_of(spec.size_hw, config.imitated[0])))]
    return (describe_anomaly(student_teacher_from_checkpoint(checkpoint), spec, outputs),)


def network_facts(checkpoint: Checkpoint) -> tuple[int, str]:
    """Parameters of both networks, and what they are in words."""
    config = student_teacher_config(checkpoint)
    network = student_teacher_from_checkpoint(checkpoint)
    levels = ", ".join(map(str, config.imitated))
    words = f"teacher {config.teacher.value}, student {config.student.value}, compared at strides {levels}"
    return frozen_too(network), words


EXPORT = SystemExport(
    describe=describe,
    intended_use=INTENDED_USE,
    network=network_facts,
    decisions=decision_lines,
    limits=LIMITS,
)
