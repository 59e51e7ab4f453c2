"""Who may teach an encoder, and what distillation needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from crystaledge.extras import load

EXTRA = "distill"


class Teacher(Enum):
    """Public networks that an encoder can be distilled from."""

    DLIB_RESNET = "dlib_resnet"
    """dlib's face recognition ResNet (public domain), aligned by dlib's 5 landmarks."""


OUTSIDE_DATA = {
    Teacher.DLIB_RESNET: "distilled from dlib's face recognition ResNet (package face-recognition-models, public "
    "domain), which by its author's account learned from about 3 million faces (FaceScrub, VGG, the internet)",
}
"""What a model card has to say of each teacher."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where a face is in a crop."""

    points: NDArray[np.float32]
    """`(5, 2)` (x, y) in crop pixels, in dlib's order: both corners of each eye, and the nose."""
    detected: bool
    """Whether a face was found; else the points were sought in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tutor:
    """A teacher, ready to be asked."""

    network: nn.Module
    """RGB chips `(N, 3, 150, 150)` in [0, 255] to embeddings `(N, E)`; frozen."""
    find_landmarks: Callable[[NDArray[np.uint8]], Landmarks]
    """In an RGB crop, uint8 `(128, 128, 3)`."""
    sha256: str
    """Of all that decides what it says."""


def load_tutor(teacher: Teacher) -> Tutor:
    """Make a teacher of its package's weights.

    Raises:
        MissingExtraError: a package of the extra `distill` is not installed.
        DataError: the weights are damaged.
    """
    sources = {Teacher.DLIB_RESNET: "crystaledge_training.distillation.teacher_weights:dlib_tutor"}
    make = load(sources[teacher], extra=EXTRA, purpose=f"Distillation from {teacher.value}")
    return cast(Callable[[], Tutor], make)()
