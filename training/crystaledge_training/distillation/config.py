"""Everything that decides how an encoder is trained, with a teacher and without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crystaledge.errors import UsageError
from crystaledge.preprocessing.spec import ColorOrder, Preprocessing
from crystaledge_training.distillation.faults import KINDS
from crystaledge_training.distillation.views import ViewConfig
from crystaledge_training.mnemosyne.config import DEFAULT_PREPROCESSING


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of the terms; 0 leaves one out."""

    cosine: float = 4.0
    relation: float = 1.0
    classes: float = 0.2
    contrast: float = 0.0
    quality: float = 0.05
    severe_cosine: float = 0.4
    """Weight of a row taken badly against an ordinary one, in the cosine and in the margin softmax."""
    severe_classes: float = 0.3
    margin: float = 0.15
    scale: float = 20.0
    temperature: float = 0.1
    """Of relation and contrast."""

    @property
    def needs_teacher(self) -> bool:
        """Whether a term asks the teacher."""
        return self.cosine > 0.0 or self.relation > 0.0


LABELS_ALONE = LossWeights(cosine=0.0, relation=0.0, quality=0.0, classes=1.0, contrast=0.25)
"""What a run without a teacher is trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """What a batch is made of; the rows that are neither blends nor severe are ordinary."""

    rows: int = 1024
    images_per_person: int = 2
    """Of the ordinary and the severe rows; neighbours show one person."""
    blends: float = 0.25
    severe: float = 0.125

    @property
    def shares(self) -> tuple[int, int, int]:
        """Rows that are ordinary, blends, severe; whole groups of faults and of people."""
        unit = KINDS * self.images_per_person
        blends, severe = (round(self.rows * share) // unit * unit for share in (self.blends, self.severe))
        return (self.rows - blends - severe) // unit * unit, blends, severe


LABELS_BATCH = BatchConfig(rows=768, images_per_person=4, blends=0.0, severe=1 / 6)
"""Without a teacher nobody says who a blend is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilConfig:
    """A run; equal configuration and data give equal weights on the same kind of device.

    Raises:
        UsageError: a batch without ordinary rows, or views that are not square and RGB.
    """

    preprocessing: Preprocessing = DEFAULT_PREPROCESSING
    dimensions: int = 64
    """Of the embedding."""
    losses: LossWeights = LossWeights()
    batch: BatchConfig = BatchConfig()
    views: ViewConfig = ViewConfig()
    epochs: int = 45
    steps_per_epoch: int = 100
    """An epoch is what lies between two validations; a run can be stopped after any."""
    learning_rate: float = 4e-3
    class_learning_rate: float = 2e-2
    """For the class weights that exist only while training; they start at length 3, not 1."""
    weight_decay: float = 1e-3
    """Of matrices and filters; not of biases, batch norms and class weights."""
    gradient_clip: float = 5.0
    warmup_share: float = 0.04
    average_decay: float = 0.998
    """The weights that are validated and kept are a running average over steps."""
    limit_per_person: int | None = None
    """Only the first so many images of each person are used."""
    seed: int = 42

    def __post_init__(self) -> None:
        height, width = self.preprocessing.size_hw
        if height != width or self.preprocessing.color is not ColorOrder.RGB:
            msg = f"Distillation takes square RGB faces; got {height} x {width}, {self.preprocessing.color.value}."
            raise UsageError(msg)
        if self.batch.shares[0] < KINDS * self.batch.images_per_person:
            msg = (
                f"A batch of {self.batch.rows} rows has no ordinary ones left; "
                f"take at least {KINDS * self.batch.images_per_person} more rows, or smaller shares."
            )
            raise UsageError(msg)

    @property
    def steps(self) -> int:
        """All steps."""
        return self.epochs * self.steps_per_epoch


def labels_alone(config: DistilConfig) -> DistilConfig:
    """The same run without a teacher."""
    return replace(config, losses=LABELS_ALONE, batch=LABELS_BATCH)
