"""From a checkpoint to a network that can be trusted to be the one it describes."""

from __future__ import annotations

from crystaledge.system import System
from crystaledge_training.checkpoint import Checkpoint
from crystaledge_training.load import config_of, load_weights
from crystaledge_training.student_teacher.config import StudentTeacherConfig
from crystaledge_training.student_teacher.network import StudentTeacher


def student_teacher_config(checkpoint: Checkpoint) -> StudentTeacherConfig:
    """The network sizes of a checkpoint.

    Raises:
        DataError: it is of another system.
    """
    return config_of(checkpoint, System.STUDENT_TEACHER, StudentTeacherConfig)


def student_teacher_from_checkpoint(checkpoint: Checkpoint) -> StudentTeacher:
    """The networks of a checkpoint, in inference mode; the teacher's weights are the checkpoint's own.

    Raises:
        DataError: another system, weights that do not fit the recorded sizes, or that are not finite.
    """
    return load_weights(StudentTeacher(student_teacher_config(checkpoint)), checkpoint).eval()
