"""Everything that decides a training run of a student."""

from __future__ import annotations

from dataclasses import dataclass

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import Preprocessing
from crystaledge_training.anomaly.make_backbone import preprocessing_of
from crystaledge_training.student_teacher.config import StudentTeacherConfig

DEFAULT_SIZE_HW = (256, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeConfig:
    """How a normal image may differ and still be normal: ranges per image, mild, for anything on a line.

    Nothing here makes a defect: no erasing, no noise, no blur. Mirroring is off, since a thread has a hand.
    """

    rotation_rad: float = 0.05
    zoom: tuple[float, float] = (0.96, 1.04)
    shift: float = 0.02
    """In shares of the image's side."""
    mirror: bool = False
    exposure: tuple[float, float] = (0.8, 1.2)
    """Factor of all values; light drifts more than anything else on a line."""
    contrast: tuple[float, float] = (0.85, 1.15)
    """Factor of the deviations from the image's mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentTeacherTrainConfig:
    """Equal configuration and data give equal weights, on one machine.

    Raises:
        UsageError: a share or a rate that keeps nothing.
    """

    network: StudentTeacherConfig = StudentTeacherConfig()
    size_hw: tuple[int, int] = DEFAULT_SIZE_HW
    changes: ChangeConfig = ChangeConfig()
    epochs: int = 100
    patience: int = 20
    """Epochs without a better one, after which training stops."""
    batch_size: int = 8
    warmup_epochs: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    watched: float = 0.1
    """Share of the normal images, of those that are left to train on, that says when to stop and how levels scale."""
    holdout: float = 0.2
    """Share of the normal images that the threshold is chosen on; they do nothing else."""
    false_alarm_rate: float = 0.01
    blur_cells: float = 0.5
    seed: int = 42

    def __post_init__(self) -> None:
        for name, value, most in (
            ("watched share", self.watched, 0.9),
            ("hold-out share", self.holdout, 0.9),
            ("false-alarm rate", self.false_alarm_rate, 0.5),
        ):
            if not 0.0 < value <= most:
                msg = f"The {name} is {value:g}; expected more than 0 and at most {most:g}."
                raise UsageError(msg)

    @property
    def preprocessing(self) -> Preprocessing:
        """The whole image, in the numbers of the teacher."""
        return preprocessing_of(self.network.teacher, self.size_hw)
