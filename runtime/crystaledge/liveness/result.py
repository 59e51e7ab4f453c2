"""What is said of a face's liveness, and of what no claim is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Liveness(Enum):
    """Whether a face moves as only a face can."""

    UNKNOWN = "unknown"
    """Too few looks, too small a face, or pictures that could not be laid over each other."""
    LIVE = "live"
    """Something in the face moved that a flat or bent sheet cannot move. A film of a face does so, too."""
    PHOTOGRAPH = "photograph"
    """Everything that changed can be the motion of a sheet. A person who holds still looks like that, too."""


COVERED = ("still photograph: on a stand, in a hand, tilted, bent",)
NOT_COVERED = (
    "replayed film",
    "mask or bust",
    "cut-out with living eyes or mouth",
    "photograph with a hand or a light moving over it",
    "photograph put in a face's place within 0.3 s",
    "injected stream",
)
"""Attacks that pass, for all that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessResult:
    """Detection of still photographs only; not tested to ISO/IEC 30107-3."""

    verdict: Liveness
    motion_px: float | None
    """What moved and is not explained, in pixels of a face crop of 96 px; None while it is unknown."""
    threshold_px: float
    windows: int
    """Verdicts so far; error rates are of one, and who may try again and again gets through some time."""
    covered: tuple[str, ...] = COVERED
    not_covered: tuple[str, ...] = NOT_COVERED


def undecided(threshold_px: float) -> LivenessResult:
    """Nothing is known yet."""
    return LivenessResult(verdict=Liveness.UNKNOWN, motion_px=None, threshold_px=threshold_px, windows=0)
