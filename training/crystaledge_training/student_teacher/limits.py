"""How much memory a step of training may take, and what gives way where it would take more."""

from __future__ import annotations

from collections.abc import Mapping

from crystaledge.errors import DataError, UsageError
from crystaledge_training.student_teacher.config import StudentKind
from crystaledge_training.student_teacher.train_config import StudentTeacherTrainConfig

MOST_BYTES = 2**31
"""For the activations of one batch, both networks and gradients."""
_BYTES_PER_PX: Mapping[StudentKind, int] = {
    StudentKind.TWIN: 1800,
    StudentKind.LIGHT: 400,
    StudentKind.PUBLISHED: 400,
}
"""Of the image; peak resident memory of a step at 512 x 512 and 768 x 768 px, over pixels."""
_FEWEST = 2
"""Images in a batch whose statistics are a batch's."""


def batch_size_of(config: StudentTeacherTrainConfig) -> int:
    """Images at once: as configured, or fewer where they are large.

    Raises:
        UsageError: images so small that the coarsest level has a single row or column.
        DataError: images so large that two of them need more than `MOST_BYTES`.
    """
    height, width = config.size_hw
    coarsest = config.network.imitated[-1]
    if min(height, width) <= coarsest:
        msg = (
            f"Images of {height} x {width} px leave one cell of a level of stride {coarsest}; expected sides of more "
            f"than {coarsest} px, and rather {16 * coarsest}."
        )
        raise UsageError(msg)
    needed = height * width * _BYTES_PER_PX[config.network.student]
    if _FEWEST * needed > MOST_BYTES:
        msg = (
            f"Two images of {height} x {width} px need about {_FEWEST * needed / 2**30:.1f} GiB in a step of training; "
            f"expected at most {MOST_BYTES / 2**30:.0f} GiB. Give a smaller size, or cut the images into parts."
        )
        raise DataError(msg)
    return min(config.batch_size, MOST_BYTES // needed)
